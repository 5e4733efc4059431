//! Whole files, made by ffmpeg, and what is left of damaged ones.

use super::page::made::page;
use crate::container::testing::{Demuxed, drive_bytes, probe_bytes, run};
use crate::container::{ContainerError, Kind};
use proptest::prelude::*;

fn make(arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.ogg").to_str().unwrap().to_string();
    let inputs = ["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=176x144:rate=25:duration=2"];
    let tone = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=2"];
    run("ffmpeg", &[&inputs, &tone[..], arguments, &["-f", "ogg", &path]].concat());
    std::fs::read(path).unwrap()
}

/// Sizes and times in milliseconds of a stream's packets by ffprobe.
fn probed(bytes: &[u8], stream: &str) -> Vec<(usize, i64)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.ogg");
    std::fs::write(&path, bytes).unwrap();
    let arguments =
        ["-v", "error", "-select_streams", stream, "-show_entries", "packet=size,pts_time", "-of", "csv=p=0"];
    let output = run("ffprobe", &[&arguments[..], &[path.to_str().unwrap()]].concat());
    let lines = String::from_utf8(output).unwrap();
    let packet = |line: &str| {
        let (time, size) = line.split_once(',')?;
        let size = size.trim_end_matches(',').parse().ok()?;
        Some((size, (time.parse::<f64>().ok()? * 1000.0).round() as i64))
    };
    lines.lines().filter_map(packet).collect()
}

#[track_caller]
fn check(name: &str, arguments: &[&str], want: &[&str]) -> (Vec<u8>, Demuxed) {
    let bytes = make(arguments);
    assert_eq!(probe_bytes(&bytes), Some(Kind::Ogg));
    let found = drive_bytes(Kind::Ogg, &bytes).unwrap();
    let described: Vec<String> = found.tracks.iter().map(|track| track.format.describe()).collect();
    assert_eq!(described, want, "{name}: {:?}", found.notes);
    for track in &found.tracks {
        let stream = (track.number - 1).to_string();
        let scale = i64::from(track.timescale);
        let ours: Vec<_> = found.of(track.number).map(|sample| (sample.pts * 1000) as f64 / scale as f64).collect();
        let theirs = probed(&bytes, &stream);
        assert_eq!(ours.len(), theirs.len(), "{name}");
        // Nothing comes of Vorbis's first packet, so its time is a matter of taste.
        for (number, (ours, (_, theirs))) in ours.iter().zip(&theirs).enumerate().skip(1) {
            assert!((ours - *theirs as f64).abs() <= 1.0, "{name}: packet {number}: {ours} and {theirs} ms");
        }
    }
    for sample in &found.samples {
        let track = found.tracks.iter().find(|track| track.number == sample.track).unwrap();
        track.format.store(&sample.data, sample.sync, &mut Vec::new()).unwrap();
    }
    (bytes, found)
}

#[test]
fn sound_comes_with_the_times_that_ffprobe_finds() {
    check("Opus", &["-map", "1", "-c:a", "libopus", "-b:a", "64k"], &["Opus 48000 Hz mono"]);
    let (_, found) = check("Vorbis", &["-map", "1", "-c:a", "libvorbis", "-ac", "2"], &["Vorbis 48000 Hz stereo"]);
    assert!(found.samples.windows(2).all(|pair| pair[0].pts + pair[0].duration == pair[1].pts));
    let (_, found) =
        check("Opus of 60 ms", &["-map", "1", "-c:a", "libopus", "-frame_duration", "60"], &["Opus 48000 Hz mono"]);
    assert_eq!(found.samples[0].pts, -312, "what the decoder skips comes before zero");
}

#[test]
fn speex_comes_by_its_packets() {
    let speex = ["-map", "1", "-ar", "16000", "-c:a", "libspeex"];
    let (_, found) = check("Speex", &speex, &["Speex 16000 Hz mono"]);
    assert!(found.samples.iter().all(|sample| sample.duration == 320));
    let (_, found) =
        check("three frames", &[&speex[..], &["-frames_per_packet", "3"]].concat(), &["Speex 16000 Hz mono"]);
    assert!(found.samples.iter().all(|sample| sample.duration == 960));
    let stereo = make(&[&speex[..], &["-ac", "2"]].concat());
    let error = drive_bytes(Kind::Ogg, &stereo).unwrap_err();
    assert!(error.reason.ends_with("Speex with 2 channels, of which RTP names one"), "{error}");
}

#[test]
fn theora_travels_in_packets_of_asf() {
    let found = drive_bytes(Kind::Ogg, &make(&["-c:v", "libtheora", "-b:v", "300k", "-c:a", "flac"])).unwrap();
    assert_eq!(found.notes, [""; 0]);
    assert_eq!(found.tracks[0].format.describe(), "theo video 176x144");
    let times: Vec<_> = found.of(1).map(|sample| sample.pts).collect();
    assert_eq!(times, (0..50).map(|picture| picture * 40).collect::<Vec<_>>());
    let sync: Vec<bool> = found.of(1).take(2).map(|sample| sample.sync).collect();
    assert_eq!(sync, [true, false]);
}

#[test]
fn what_is_chained_is_left_out() {
    let one = make(&["-map", "1", "-c:a", "libopus", "-serial_offset", "1"]);
    let two = make(&["-map", "1", "-c:a", "libopus", "-serial_offset", "7"]);
    let alone = drive_bytes(Kind::Ogg, &one).unwrap();
    let found = drive_bytes(Kind::Ogg, &[one.as_slice(), &two].concat()).unwrap();
    assert_eq!(found.samples.len(), alone.samples.len());
    assert_eq!(found.notes, [format!("at byte {} a second film begins, which is left out", one.len())]);
}

#[test]
fn damage_costs_a_page() {
    let mut bytes = make(&["-map", "1", "-c:a", "libopus", "-page_duration", "100000"]);
    let whole = drive_bytes(Kind::Ogg, &bytes).unwrap().samples;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let found = drive_bytes(Kind::Ogg, &bytes).unwrap();
    assert!(found.notes[0].contains("bytes that are no page passed over at byte "), "{:?}", found.notes);
    assert!(found.samples.len() < whole.len() && found.samples.len() + 10 > whole.len());
    for sample in &found.samples {
        let same = |other: &&crate::container::DemuxedSample| other.data == sample.data && other.pts == sample.pts;
        assert!(whole.iter().find(same).is_some(), "a packet at another time");
    }
}

#[test]
fn errors_say_what_is_there() {
    let refused = |bytes: &[u8]| drive_bytes(Kind::Ogg, bytes).unwrap_err().to_string();
    assert_eq!(refused(&[]), "ogg: at byte 0: no track that can be sent: it has none");
    let speex = page(2, 0, 1, 0, &[b"Speex   1.2"], false);
    assert_eq!(
        refused(&speex),
        "ogg: at byte 0: no track that can be sent: track 1 is left out: Speex with a header that can't be read"
    );
}

#[test]
fn cut_and_damaged_files_end() {
    let whole = make(&["-c:v", "libtheora", "-c:a", "libvorbis"]);
    for part in 0..16 {
        let _ = drive_bytes(Kind::Ogg, &whole[..whole.len() * part / 16]);
    }
    for at in (0..whole.len()).step_by(whole.len() / 100 + 1) {
        let mut broken = whole.clone();
        broken[at] ^= 0x55;
        drive_bytes(Kind::Ogg, &broken).map_or_else(|_: ContainerError| (), drop);
    }
}

proptest! {
    /// Pages of any bytes.
    #[test]
    fn any_pages_end(pages: Vec<(u8, i64, u8, u8, Vec<u8>)>) {
        let packet = |bytes: &[u8]| [b"OpusHead\x01\x02\0\0".as_slice(), bytes].concat();
        let mut file = Vec::new();
        for (number, (flags, granule, serial, sequence, bytes)) in pages.iter().enumerate() {
            let body = if number < 2 { packet(bytes) } else { bytes.clone() };
            file.extend(page(*flags, *granule, (serial & 1).into(), (*sequence).into(), &[&body, bytes], granule & 1 == 0));
        }
        let _ = drive_bytes(Kind::Ogg, &file);
    }
}
