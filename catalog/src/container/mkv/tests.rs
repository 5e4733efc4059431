//! Whole files, made by ffmpeg and held against ffprobe, and what is left of damaged ones.

use crate::container::testing::{Demuxed, drive, drive_bytes, media, probe_bytes, run};
use crate::container::{DemuxedSample, Kind};
use proptest::prelude::*;
use rtp::format::Format;
use std::io::{Seek, SeekFrom, Write};

const PICTURE: &str = "testsrc2=size=176x144:rate=25:duration=2";
const TONE: &str = "sine=frequency=440:sample_rate=48000:duration=2";

fn make(arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mkv").to_str().unwrap().to_string();
    let inputs = ["-v", "error", "-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", TONE];
    run("ffmpeg", &[&inputs, arguments, &["-f", "matroska", &path]].concat());
    std::fs::read(path).unwrap()
}

/// Sizes, times of showing and sync flags of a stream's packets by ffprobe; times in milliseconds.
fn probed(bytes: &[u8], stream: u32) -> Vec<(usize, i64, bool)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mkv");
    std::fs::write(&path, bytes).unwrap();
    let stream = stream.to_string();
    let arguments = ["-v", "error", "-select_streams", &stream, "-show_entries", "packet=size,pts_time,flags"];
    let output = run("ffprobe", &[&arguments[..], &["-of", "compact=p=0", path.to_str().unwrap()]].concat());
    let output = String::from_utf8(output).unwrap().replace("\n|", "|");
    let packet = |line: &str| {
        let field = |name: &str| line.split('|').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let time = field("pts_time")?.parse::<f64>().ok()?;
        Some((field("size")?.parse().ok()?, (time * 1000.0).round() as i64, field("flags")?.contains('K')))
    };
    output.lines().filter_map(packet).collect()
}

/// Demuxes `bytes` and holds what comes against ffprobe. Sizes differ where start codes or byte orders do.
#[track_caller]
fn same_as_ffprobe(name: &str, bytes: &[u8], want: &[&str]) -> Demuxed {
    assert_eq!(probe_bytes(bytes), Some(Kind::Mkv), "{name}");
    let found = drive_bytes(Kind::Mkv, bytes).unwrap();
    let described: Vec<String> = found.tracks.iter().map(|track| track.format.describe()).collect();
    assert_eq!(described, want, "{name}: {:?}", found.notes);
    let mut moved = None;
    for track in &found.tracks {
        let packets = probed(bytes, track.number - 1);
        let samples: Vec<&DemuxedSample> = found.of(track.number).collect();
        assert_eq!(samples.len(), packets.len(), "{name}: track {}", track.number);
        let wrapped = matches!(track.format, Format::Asf { .. });
        for (number, (sample, (size, time, sync))) in samples.iter().zip(&packets).enumerate() {
            let ours = (sample.pts as f64 * 1000.0 / f64::from(track.timescale)).round() as i64;
            let moved = *moved.get_or_insert(ours - time);
            let same = wrapped || sample.data.len() == *size && sample.sync == *sync;
            assert!(
                same && (ours - time - moved).abs() <= 1,
                "{name}: track {} packet {number}: {ours} {time} {sync} {size}",
                track.number
            );
        }
        assert!(samples.windows(2).all(|pair| pair[0].dts <= pair[1].dts), "{name}");
        assert!(samples.iter().all(|sample| sample.dts <= sample.pts && sample.duration >= 0), "{name}");
    }
    for sample in &found.samples {
        let track = found.tracks.iter().find(|track| track.number == sample.track).unwrap();
        track.format.store(&sample.data, sample.sync, &mut Vec::new()).unwrap();
    }
    found
}

#[track_caller]
fn check(name: &str, arguments: &[&str], want: &[&str]) -> Demuxed {
    same_as_ffprobe(name, &make(arguments), want)
}

#[test]
fn pictures_and_sound_of_each_kind() {
    let found = check(
        "H.264",
        &["-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-c:a", "aac"],
        &["H.264 176x144", "AAC 48000 Hz mono"],
    );
    assert!(found.of(1).any(|sample| sample.dts != sample.pts));
    assert!(found.of(1).all(|sample| sample.duration == 40_000_000));
    check(
        "MPEG-4",
        &["-c:v", "mpeg4", "-bf", "2", "-c:a", "libmp3lame"],
        &["MPEG-4 visual 176x144", "MPEG audio layer III 48000 Hz mono"],
    );
    check(
        "MPEG-2",
        &["-c:v", "mpeg2video", "-bf", "2", "-c:a", "ac3"],
        &["MPEG-2 video 176x144", "AC-3 48000 Hz mono"],
    );
    check(
        "VP8",
        &["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libvorbis"],
        &["VP8 176x144", "Vorbis 48000 Hz mono"],
    );
    check(
        "PCM",
        &["-c:v", "mjpeg", "-huffman", "default", "-c:a", "pcm_mulaw"],
        &["Motion JPEG 176x144", "mu-law 48000 Hz mono"],
    );
    let found = check("Opus", &["-vn", "-c:a", "libopus"], &["Opus 48000 Hz mono"]);
    assert!(found.samples[0].pts < 0, "what the decoder skips comes before zero");
    let x265 = "log-level=none:keyint=20:bframes=3";
    check(
        "H.265",
        &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", x265, "-c:a", "eac3"],
        &["H.265 176x144", "E-AC-3 48000 Hz mono"],
    );
}

#[test]
fn codecs_without_a_payload_format_travel_in_packets_of_asf() {
    check("FFV1", &["-c:v", "ffv1", "-c:a", "flac"], &["FFV1 video 176x144", "PCM 16 bits 48000 Hz mono"]);
    check(
        "a FourCC",
        &["-c:v", "msmpeg4v3", "-c:a", "adpcm_ms"],
        &["DIV3 video 176x144", "Microsoft ADPCM 48000 Hz 1 channels"],
    );
}

#[test]
fn clusters_of_unknown_length_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.mkv");
    // What can't be sought in has no lengths.
    let inputs =
        ["-v", "error", "-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", TONE, "-c:v", "libx264", "-c:a", "aac"];
    let live = run("ffmpeg", &[&inputs[..], &["-live", "1", "-f", "matroska", "-"]].concat());
    std::fs::write(&path, &live).unwrap();
    same_as_ffprobe("live", &live, &["H.264 176x144", "AAC 48000 Hz mono"]);
}

#[test]
fn subtitles_are_text() {
    let folder = tempfile::tempdir().unwrap();
    let words = folder.path().join("words.srt");
    std::fs::write(
        &words,
        "1\n00:00:00,500 --> 00:00:01,000\nGr\u{fc}\u{df}e\n\n2\n00:00:01,200 --> 00:00:01,700\nand more\n",
    )
    .unwrap();
    let bytes = make(&["-i", words.to_str().unwrap(), "-map", "0", "-map", "2", "-c:v", "mpeg4", "-c:s", "srt"]);
    let found = drive_bytes(Kind::Mkv, &bytes).unwrap();
    let cues: Vec<_> =
        found.of(2).map(|sample| (sample.pts / 1_000_000, sample.duration / 1_000_000, sample.data.clone())).collect();
    assert_eq!(cues, [(500, 500, "Gr\u{fc}\u{df}e".into()), (1200, 500, "and more".into())]);
}

#[test]
fn a_file_of_the_media_folder() {
    let Some(bytes) = media("mkv_h264_ac3_srt.mkv") else { return };
    same_as_ffprobe("the media folder's", &bytes, &["H.264 1080x720", "AC-3 44100 Hz mono", "text"]);
}

#[test]
fn errors_lead_to_the_byte() {
    #[track_caller]
    fn refused(bytes: &[u8], want: &str) {
        assert_eq!(drive_bytes(Kind::Mkv, bytes).unwrap_err().to_string(), want);
    }
    let head = b"\x1A\x45\xDF\xA3\x8B\x42\x82\x88matroska\x18\x53\x80\x67\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
    assert_eq!(probe_bytes(head), Some(Kind::Mkv));
    refused(head, "matroska: at byte 28: the file ends without tracks");
    let with = |more: &[u8]| [&head[..], more].concat();
    refused(
        &with(&[0x16, 0x54, 0xAE, 0x6B, 0x80]),
        "matroska: at byte 28 in Segment/Tracks: no track that can be sent: it has none",
    );
    let dvd = [&[0x16, 0x54, 0xAE, 0x6B, 0x8E, 0xAE, 0x8C, 0xD7, 0x81, 1, 0x83, 0x81, 0x11, 0x86, 0x84][..], b"S_VO"]
        .concat();
    refused(
        &with(&dvd),
        "matroska: at byte 28 in Segment/Tracks: no track that can be sent: track 1 is left out: in a codec not supported (S_VO)",
    );
    refused(
        &with(&[0, 0, 0]),
        "matroska: at byte 28: an element of Matroska expected, found no element's identifier and length",
    );
    refused(
        &with(&[0x16, 0x54, 0xAE, 0x6B, 0x8E, 0xAE]),
        "matroska: at byte 28: an element of 14 bytes, but the file ends after 6",
    );
}

#[test]
fn damage_costs_a_cluster() {
    let bytes = make(&["-c:v", "mpeg4", "-g", "5", "-cluster_time_limit", "200", "-c:a", "libmp3lame"]);
    let whole = drive_bytes(Kind::Mkv, &bytes).unwrap().samples.len();
    let middle = bytes.len() / 2;
    let noise: Vec<u8> = (0..600u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for damage in [vec![0; 600], noise, b"\xA3\x01\0\0\x10\0\0\0\0".repeat(60)] {
        for at in [middle, middle + 1000] {
            let mut bytes = bytes.clone();
            bytes[at..at + damage.len()].copy_from_slice(&damage);
            let found = drive_bytes(Kind::Mkv, &bytes).unwrap().samples.len();
            assert!(found + 40 > whole && found < whole, "{found} of {whole}");
        }
    }
}

/// With a hole of more than 4 GiB before the first cluster, which takes no room on the disk.
#[test]
fn clusters_beyond_four_gibibytes_are_found() {
    const HOLE: u64 = (1 << 32) + 12_345;
    let plain = make(&["-c:v", "libx264", "-bf", "2", "-c:a", "aac"]);
    let cluster = plain.windows(4).position(|name| name == super::elements::CLUSTER.to_be_bytes()).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    // An element that says nothing (Void), with a length of seven bytes.
    let void = [&[0xEC, 1][..], &HOLE.to_be_bytes()[1..]].concat();
    file.write_all(&[&plain[..cluster], &void].concat()).unwrap();
    file.seek(SeekFrom::Current(HOLE as i64)).unwrap();
    file.write_all(&plain[cluster..]).unwrap();
    let len = file.stream_position().unwrap();
    let found = drive(&mut super::Mkv::new(len), &mut file).unwrap();
    assert!(found.samples == drive_bytes(Kind::Mkv, &plain).unwrap().samples, "{:?}", found.notes);
}

#[test]
fn cut_and_damaged_files_end() {
    let whole = make(&["-c:v", "libx264", "-c:a", "aac"]);
    let all = drive_bytes(Kind::Mkv, &whole).unwrap().samples.len();
    for part in 0..20 {
        if let Ok(found) = drive_bytes(Kind::Mkv, &whole[..whole.len() * part / 20]) {
            assert!(found.samples.len() < all);
        }
    }
    for at in (0..whole.len()).step_by(whole.len() / 200 + 1) {
        let mut broken = whole.clone();
        broken[at] ^= 0x55;
        let _ = drive_bytes(Kind::Mkv, &broken);
    }
}

proptest! {
    #[test]
    fn any_bytes_end(bytes: Vec<u8>) {
        let head = b"\x1A\x45\xDF\xA3\x8B\x42\x82\x88matroska\x18\x53\x80\x67\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
        let _ = drive_bytes(Kind::Mkv, &[&head[..], &bytes].concat());
        let _ = drive_bytes(Kind::Mkv, &bytes);
    }
}
