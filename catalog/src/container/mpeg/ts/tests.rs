//! Whole files: what comes out decodes to what ffmpeg decodes from the file, at the same times.

mod damage;
mod made;

use super::super::tests::{Decoded, MPEG2, PICTURE_25, PICTURE_30, SOUND_44, SOUND_48, decode, film, times};
use crate::container::testing::{Demuxed, drive, drive_bytes, media, probe_bytes, run};
use crate::container::{Kind, TrackInfo, open_program};
use rtp::codec::nal;
use rtp::format::{Format, Media, PcmCoding};
use std::sync::LazyLock;

const H264: &[&str] = &["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "25", "-c:a", "aac"];
const H264_AC3: &[&str] = &["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "25", "-c:a", "ac3"];
const HEVC: &[&str] =
    &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:pools=1", "-c:a", "ac3"];

fn demux(bytes: &[u8]) -> Demuxed {
    demux_as(Kind::MpegTs, bytes)
}

fn demux_as(kind: Kind, bytes: &[u8]) -> Demuxed {
    assert_eq!(probe_bytes(bytes), Some(kind));
    drive_bytes(kind, bytes).unwrap()
}

/// A track as an elementary stream that ffmpeg reads, and what it calls that.
fn elementary(demuxed: &Demuxed, track: &TrackInfo) -> (Vec<u8>, &'static str) {
    let annex_b = || {
        let mut stream = Vec::new();
        for sample in demuxed.of(track.number) {
            nal::prefixed_to_annex_b(&sample.data, 4, &mut stream).unwrap();
        }
        stream
    };
    match &track.format {
        Format::Mpv { .. } => (demuxed.stream(track.number), "mpegvideo"),
        Format::Mp4vEs { .. } => (demuxed.stream(track.number), "m4v"),
        Format::Mpa { .. } => (demuxed.stream(track.number), "mp3"),
        Format::Ac3 { .. } => (demuxed.stream(track.number), "ac3"),
        Format::Eac3 { .. } => (demuxed.stream(track.number), "eac3"),
        Format::H264 { .. } => (annex_b(), "h264"),
        Format::H265 { .. } => (annex_b(), "hevc"),
        Format::Aac { config, .. } => {
            let adts = |data: &[u8]| {
                let config = u16::from_be_bytes([config[0], config[1]]);
                let (object, rate, channels) = (config >> 11, config >> 7 & 15, config >> 3 & 15);
                let len = data.len() + 7;
                let [b2, b3] = ((object - 1) << 14 | rate << 10 | channels << 6 | (len >> 11) as u16).to_be_bytes();
                [&[0xFF, 0xF1, b2, b3, (len >> 3) as u8, (len << 5) as u8 | 0x1F, 0xFC], data].concat()
            };
            (demuxed.of(track.number).flat_map(|sample| adts(&sample.data)).collect(), "aac")
        }
        other => panic!("{other:?}"),
    }
}

/// What ffmpeg's name for each track is in the file: the streams of a kind are numbered in the order of the map.
fn names(demuxed: &Demuxed) -> Vec<String> {
    let mut counts = [0, 0];
    let mut name = |track: &TrackInfo| {
        let (letter, count) = match track.format.media() {
            Media::Video => ("v", &mut counts[0]),
            _ => ("a", &mut counts[1]),
        };
        *count += 1;
        format!("{letter}:{}", *count - 1)
    };
    demuxed.tracks.iter().map(&mut name).collect()
}

/// What must hold for every file: our access units decode to the frames that ffmpeg decodes from it; their times are the
/// same but for one offset common to all tracks; decode times ascend.
fn check(name: &str, file: &[u8]) -> Demuxed {
    check_as(Kind::MpegTs, name, file)
}

fn check_as(kind: Kind, name: &str, file: &[u8]) -> Demuxed {
    let demuxed = demux_as(kind, file);
    let mut offset = None;
    let mut earliest = i64::MAX;
    for (track, stream) in demuxed.tracks.iter().zip(names(&demuxed)) {
        let name = format!("{name} {stream} {:?}", track.format.describe());
        let expected = decode(file, None, &stream);
        let (bytes, format) = elementary(&demuxed, track);
        let ours = decode(&bytes, Some(format), "0");
        assert_eq!(ours.hashes, expected.hashes, "{name}: frames, {:?}", demuxed.notes);
        assert!(!expected.hashes.is_empty(), "{name}: ffmpeg decodes nothing");
        let times = times(&demuxed, track);
        // The last frame that a decoder gives out often has no time there; of program streams ffmpeg knows but few.
        let unknown = expected.times.iter().filter(|time| time.is_none()).count();
        assert!(kind == Kind::MpegPs || unknown <= 1, "{name}: times");
        check_times(&name, &times, &expected, &mut offset);
        earliest = earliest.min(times[0]);
        let mut last = i64::MIN;
        for sample in demuxed.of(track.number) {
            let ordered = sample.dts > last && sample.dts <= sample.pts && sample.duration > 0;
            assert!(ordered, "{name}: {} after {last}, {} {}", sample.dts, sample.pts, sample.duration);
            last = sample.dts;
        }
        assert!(demuxed.of(track.number).next().unwrap().sync, "{name}: the first is no sync sample");
    }
    assert_eq!(earliest, 0, "{name}: the presentation starts at zero");
    demuxed
}

fn check_times(name: &str, times: &[i64], expected: &Decoded, offset: &mut Option<i64>) {
    assert_eq!(times.len(), expected.times.len(), "{name}: access units");
    let offset = *offset.get_or_insert(expected.times[0].unwrap() - times[0]);
    for (index, (ours, theirs)) in times.iter().zip(&expected.times).enumerate() {
        let Some(theirs) = theirs else { continue };
        let error = ours + offset - theirs;
        assert!(error.abs() <= 1, "{name}: time of frame {index} is off by {error}");
    }
}

static H264_FILM: LazyLock<Vec<u8>> = LazyLock::new(|| film(PICTURE_25, SOUND_44, H264, &["-f", "mpegts"]));
