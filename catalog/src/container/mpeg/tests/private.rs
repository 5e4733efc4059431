//! Private stream 1: its AC-3 and LPCM are what ffmpeg decodes, the rest has a name.

use super::{MPEG2, PICTURE_25, SOUND_48, decode, film, times};
use crate::container::Kind;
use crate::container::testing::{Demuxed, drive_bytes, media, run};
use rtp::format::{Format, PcmCoding};

/// A demuxer of ffmpeg for the bytes of a track, and those bytes.
fn stream(demuxed: &Demuxed, number: u32) -> (Option<&'static str>, Vec<u8>) {
    let track = demuxed.tracks.iter().find(|track| track.number == number).unwrap();
    match &track.format {
        Format::Mpv { .. } => (Some("mpegvideo"), demuxed.stream(number)),
        Format::Mpa { .. } => (Some("mp3"), demuxed.stream(number)),
        Format::Ac3 { .. } => (Some("ac3"), demuxed.stream(number)),
        Format::Pcm { coding, sample_rate, channels } => {
            let bits = if *coding == PcmCoding::L16 { 16u16 } else { 24 };
            // As a Sun audio file, which holds big-endian samples behind a short header.
            let fields = [24, u32::MAX, if bits == 16 { 3 } else { 4 }, *sample_rate, (*channels).into()];
            let head = fields.iter().flat_map(|field| field.to_be_bytes());
            (Some("au"), b".snd".iter().copied().chain(head).chain(demuxed.stream(number)).collect())
        }
        other => panic!("{other:?}"),
    }
}

/// Each audio track, of these numbers and in ffmpeg's order, against the file as ffmpeg reads it; `exact`: frames are
/// the same ones, not only their sound.
fn check(name: &str, file: &[u8], numbers: &[u32], exact: bool) -> Demuxed {
    let demuxed = drive_bytes(Kind::MpegPs, file).unwrap();
    let sound: Vec<_> = demuxed.tracks.iter().map(|track| track.number).filter(|number| *number != 0xE0).collect();
    assert_eq!(sound, numbers, "{name}");
    let mut offset = None;
    for (index, number) in numbers.iter().enumerate() {
        let theirs = decode(file, None, &format!("a:{index}"));
        let (format, bytes) = stream(&demuxed, *number);
        let track = demuxed.tracks.iter().find(|track| track.number == *number).unwrap();
        let ours = times(&demuxed, track);
        let offset = *offset.get_or_insert(theirs.times[0].unwrap() - ours[0]);
        if exact {
            assert_eq!(decode(&bytes, format, "0").hashes, theirs.hashes, "{name} {number:#x}: frames");
            assert_eq!(ours.len(), theirs.times.len(), "{name} {number:#x}: access units");
            for (ours, theirs) in ours.iter().zip(&theirs.times) {
                assert!((ours + offset - theirs.unwrap()).abs() <= 1, "{name} {number:#x}: {ours}, not {theirs:?}");
            }
        }
        assert!((ours[0] + offset - theirs.times[0].unwrap()).abs() <= 1, "{name} {number:#x}");
    }
    demuxed
}

#[test]
fn ac3() {
    let ac3 = ["-c:v", "mpeg2video", "-c:a", "ac3", "-f", "vob"];
    check("AC-3", &film(PICTURE_25, SOUND_48, &[], &ac3), &[0xBD80], true);
    let two = ["-map", "0:v", "-map", "1:a", "-map", "1:a", "-c:v", "mpeg2video", "-c:a", "ac3", "-f", "vob"];
    check("two of them", &film(PICTURE_25, SOUND_48, &[], &two), &[0xBD80, 0xBD81], true);
    let Some(file) = media("ps_ac3_only.ps") else { return };
    let demuxed = check("ps_ac3_only.ps", &file, &[0xBD80], false);
    assert_eq!(demuxed.tracks[0].format, Format::Ac3 { sample_rate: 44_100, channels: 1 });
    assert_eq!(demuxed.samples[0].data.len(), 416);
}

#[test]
fn sound_comes_in_the_order_in_which_it_begins() {
    for kinds in [["ac3", "mp2"], ["mp2", "ac3"]] {
        let options = ["-map", "0:v", "-map", "1:a", "-map", "1:a", "-c:v", "mpeg2video", "-f", "vob"];
        let file = film(PICTURE_25, SOUND_48, &[], &[&options[..], &["-c:a:0", kinds[0], "-c:a:1", kinds[1]]].concat());
        let demuxed = drive_bytes(Kind::MpegPs, &file).unwrap();
        let numbers: Vec<u32> = demuxed.tracks.iter().map(|track| track.number).collect();
        let begins = |id: u8| file.windows(4).position(|four| four == [0, 0, 1, id]).unwrap();
        let sound = if begins(0xBD) < begins(0xC0) { [0xBD80, 0xC0] } else { [0xC0, 0xBD80] };
        assert_eq!(numbers, [&[0xE0][..], &sound].concat(), "{kinds:?}");
    }
}

#[test]
fn ac3_without_sub_streams() {
    // The packet's first bytes are those of a frame: twice 768 bytes of 192 kbit/s.
    let frame = [&[0x0B, 0x77, 0, 0, 0x14, 0x40, 0x40, 0x00][..], &[0x55; 760]].concat();
    let head = [0, 0, 1, 0xBD, 6, 3 + 5, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1];
    let pack = [0, 0, 1, 0xBA, 0x21, 0, 1, 0, 0x21, 0x80, 0x1B, 0x91];
    let demuxed = drive_bytes(Kind::MpegPs, &[&pack[..], &head, &frame, &frame].concat()).unwrap();
    assert_eq!(demuxed.tracks[0].number, 0xBD);
    assert_eq!(demuxed.stream(0xBD), [&frame[..], &frame].concat());
}

#[test]
fn lpcm() {
    let cases = [("16 bits", "s16", PcmCoding::L16), ("24 bits", "s32", PcmCoding::L24)];
    for (name, depth, coding) in cases {
        let codec = ["-c:v", "mpeg2video", "-c:a", "pcm_dvd", "-sample_fmt", depth, "-f", "vob"];
        let file = film(PICTURE_25, SOUND_48, &[], &codec);
        let demuxed = check(name, &file, &[0xBDA0], false);
        let track = demuxed.tracks.iter().find(|track| track.number == 0xBDA0).unwrap();
        assert_eq!(track.format, Format::Pcm { coding, sample_rate: 48_000, channels: 2 }, "{name}");
        let (_, ours) = stream(&demuxed, 0xBDA0);
        let raw = if coding == PcmCoding::L16 { "pcm_s16be" } else { "pcm_s24be" };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, &file).unwrap();
        let before = ["-v", "quiet", "-i", path.to_str().unwrap(), "-map", "0:a", "-c:a", raw, "-f", "data", "-"];
        let theirs = run("ffmpeg", &before);
        assert!(!theirs.is_empty() && ours[24..] == theirs, "{name}: {} and {}", ours.len() - 24, theirs.len());
        let mut end = 0;
        for sample in demuxed.of(0xBDA0) {
            assert!((sample.pts - end).abs() <= i64::from(track.timescale / 45_000), "{name}: at {}", sample.pts);
            end = sample.pts + sample.duration;
        }
    }
}

#[test]
fn dts_travels_in_packets_of_asf() {
    let dts = [MPEG2, &["-c:a", "dca", "-strict", "-2", "-f", "vob"]].concat();
    let demuxed = drive_bytes(Kind::MpegPs, &film(PICTURE_25, SOUND_48, &[], &dts)).unwrap();
    let described: Vec<String> = demuxed.tracks.iter().map(|track| track.format.describe()).collect();
    assert_eq!(described, ["MPEG-2 video 176x144", "DTS 48000 Hz 2 channels"], "{:?}", demuxed.notes);
    assert!(demuxed.tracks.iter().all(|track| track.format.encoding_name() == "x-asf-pf"));
}
