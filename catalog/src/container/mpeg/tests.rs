//! Whole files: what comes out decodes to what ffmpeg decodes from the file, at the same times.

mod damage;
mod discs;
mod private;

use super::VIDEO_TIMESCALE;
use super::vcd::tests::sector;
use crate::container::testing::{Demuxed, drive_bytes, media, probe_bytes, run};
use crate::container::{Kind, TrackInfo};
use rtp::access_unit::AccessUnit;
use rtp::clock::RtpTimestamp;
use rtp::depacketizer::Depacketizer;
use rtp::format::{Format, Media};
use rtp::packet::RtpPacket;
use rtp::packetizer::Packetizer;
use rtp::train::{Framing, Train};
use std::sync::LazyLock;

pub(super) const PICTURE_25: &str = "testsrc2=size=176x144:rate=25:duration=3";
pub(super) const PICTURE_30: &str = "testsrc2=size=176x120:rate=30000/1001:duration=3";
const PICTURE_24: &str = "testsrc2=size=176x120:rate=24000/1001:duration=3";
pub(super) const SOUND_44: &str = "aevalsrc=0.3*sin(440*2*PI*t)|0.2*sin(660*2*PI*t):sample_rate=44100:duration=3";
pub(super) const SOUND_48: &str = "aevalsrc=0.3*sin(440*2*PI*t)|0.2*sin(660*2*PI*t):sample_rate=48000:duration=3";
const MPEG1: &[&str] = &["-c:v", "mpeg1video", "-bf", "2", "-g", "12", "-c:a", "mp2"];
pub(super) const MPEG2: &[&str] = &["-c:v", "mpeg2video", "-bf", "2", "-g", "15", "-c:a", "mp2"];

/// A film made by ffmpeg: a test picture and a tone, coded and multiplexed by `arguments`.
pub(super) fn film(picture: &str, sound: &str, codecs: &[&str], arguments: &[&str]) -> Vec<u8> {
    let input = ["-v", "error", "-y", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film");
    let exact = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-threads", "1"];
    run("ffmpeg", &[&input[..], codecs, &exact, arguments, &[path.to_str().unwrap()]].concat());
    std::fs::read(path).unwrap()
}

/// As a Video CD has it: one pack in each sector, empty ones before and after.
fn in_sectors(stream: &[u8]) -> Vec<u8> {
    let mut file = b"RIFF\x24\x00\x00\x00CDXAfmt \x10\x00\x00\x00".to_vec();
    file.resize(44, 0);
    let empty = sector(0x60, &[0; 2324]);
    file.extend(empty.repeat(3));
    for (number, pack) in stream.chunks(2324).enumerate() {
        if number == 20 {
            file.extend(&empty);
        }
        file.extend(sector(if number % 3 == 0 { 0x64 } else { 0x62 }, pack));
    }
    file.extend(empty);
    file
}

/// Frames as ffmpeg decodes them: their times in 90 kHz, where it knows them, and their hashes.
#[derive(Debug, PartialEq)]
pub(super) struct Decoded {
    pub times: Vec<Option<i64>>,
    pub hashes: Vec<String>,
}

/// What ffmpeg decodes from `bytes`; `format` forces a demuxer, `stream` chooses, such as `v:0`.
pub(super) fn decode(bytes: &[u8], format: Option<&str>, stream: &str) -> Decoded {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap();
    let forced = format.map_or(vec![], |format| vec!["-f", format]);
    let shown =
        ["-v", "quiet", "-select_streams", stream, "-show_entries", "frame=best_effort_timestamp", "-of", "csv=p=0"];
    let times = String::from_utf8(run("ffprobe", &[&forced[..], &shown, &[path]].concat())).unwrap();
    let times = times.lines().filter(|line| !line.is_empty());
    let times = times.map(|line| line.trim_end_matches(',').parse().ok()).collect();
    let map = format!("0:{stream}");
    let hashed = ["-map", &map, "-fps_mode", "passthrough", "-f", "framemd5", "-"];
    let lines =
        String::from_utf8(run("ffmpeg", &[&["-v", "quiet"][..], &forced, &["-i", path], &hashed].concat())).unwrap();
    let hashes = lines.lines().filter(|line| !line.starts_with('#'));
    let hashes = hashes.filter_map(|line| line.rsplit(',').next()).map(|hash| hash.trim().to_string()).collect();
    Decoded { times, hashes }
}

fn demux(bytes: &[u8], kind: Kind) -> Demuxed {
    assert_eq!(probe_bytes(bytes), Some(kind));
    drive_bytes(kind, bytes).unwrap()
}

/// The track's presentation times in the order of showing, in 90 kHz.
pub(super) fn times(demuxed: &Demuxed, track: &TrackInfo) -> Vec<i64> {
    let mut times: Vec<_> = demuxed.of(track.number).map(|sample| sample.pts).collect();
    times.sort_unstable();
    let (per_tick, half) = (i64::from(track.timescale / 90_000), i64::from(track.timescale / 180_000));
    times.into_iter().map(|time| (time + half).div_euclid(per_tick)).collect()
}

/// What must hold for every file: of `reference`, the file as ffmpeg reads it, our access units decode to the same
/// frames; their times are the same but for one offset common to all tracks; decode times ascend.
fn check(name: &str, file: &[u8], kind: Kind, reference: &[u8]) -> Demuxed {
    let demuxed = demux(file, kind);
    let mut offset = None;
    let mut earliest = i64::MAX;
    for track in &demuxed.tracks {
        let (stream, format) = match track.format.media() {
            Media::Video => (format!("v:{}", track.number - 0xE0), "mpegvideo"),
            Media::Audio => (format!("a:{}", track.number - 0xC0), "mp3"),
            Media::Text => panic!("{name}: text"),
        };
        let (expected, ours) =
            (decode(reference, None, &stream), decode(&demuxed.stream(track.number), Some(format), "0"));
        assert!(!expected.hashes.is_empty(), "{name} {stream}: ffmpeg decodes nothing");
        assert_eq!(ours.hashes, expected.hashes, "{name} {stream}: frames");
        let times = times(&demuxed, track);
        assert_eq!(times.len(), expected.times.len(), "{name} {stream}: access units");
        let offset = *offset.get_or_insert(expected.times[0].unwrap() - times[0]);
        // The last frame that a decoder gives out often has no time there.
        assert!(expected.times.iter().filter(|time| time.is_none()).count() <= 1, "{name} {stream}: times");
        for (index, (ours, theirs)) in times.iter().zip(&expected.times).enumerate() {
            let Some(theirs) = theirs else { continue };
            let error = ours + offset - theirs;
            assert!(error.abs() <= 1, "{name} {stream}: time of frame {index} is off by {error}");
        }
        earliest = earliest.min(times[0]);
        let mut last = i64::MIN;
        for sample in demuxed.of(track.number) {
            assert!(
                sample.dts > last && sample.dts <= sample.pts && sample.duration > 0,
                "{name} {stream}: {sample:?}"
            );
            last = sample.dts;
        }
        assert!(demuxed.of(track.number).next().unwrap().sync, "{name} {stream}: the first is no sync sample");
    }
    assert_eq!(earliest, 0, "{name}: the presentation starts at zero");
    demuxed
}

static MPEG1_FILM: LazyLock<Vec<u8>> = LazyLock::new(|| film(PICTURE_25, SOUND_44, MPEG1, &["-f", "mpeg"]));

#[test]
fn films_made_by_ffmpeg() {
    let interlaced = [MPEG2, &["-flags", "+ildct+ilme", "-top", "1"]].concat();
    let cases: &[(&str, Vec<u8>)] = &[
        ("MPEG-1 system stream", MPEG1_FILM.clone()),
        ("MPEG-2 VOB", film(PICTURE_25, SOUND_48, MPEG2, &["-f", "vob"])),
        ("MPEG-2 DVD of 29.97 Hz", film(PICTURE_30, SOUND_48, MPEG2, &["-f", "dvd"])),
        ("MPEG-1 of 23.976 Hz", film(PICTURE_24, SOUND_44, MPEG1, &["-f", "mpeg"])),
        ("MPEG-2 in MPEG-1 packs", film(PICTURE_25, SOUND_44, MPEG2, &["-f", "mpeg"])),
        ("interlaced", film(PICTURE_25, SOUND_48, &interlaced, &["-f", "vob"])),
        ("MP3 sound", film(PICTURE_25, SOUND_44, &["-c:v", "mpeg1video", "-c:a", "libmp3lame"], &["-f", "mpeg"])),
        ("times that wrap", film(PICTURE_25, SOUND_44, MPEG1, &["-output_ts_offset", "95442", "-f", "mpeg"])),
        ("mono", film(PICTURE_25, SOUND_44, MPEG1, &["-ac", "1", "-f", "mpeg"])),
        ("Super Video CD", film(PICTURE_25, SOUND_44, MPEG2, &["-f", "svcd"])),
    ];
    for (name, bytes) in cases {
        let demuxed = check(name, bytes, Kind::MpegPs, bytes);
        assert_eq!(demuxed.tracks.len(), 2, "{name}");
        let notes = demuxed.notes.iter().filter(|note| !note.contains("DVD navigation"));
        assert_eq!(notes.count(), 0, "{name}: {:?}", demuxed.notes);
        let pictures: Vec<_> = demuxed.of(0xE0).collect();
        assert!(pictures.iter().any(|sample| sample.dts < sample.pts) && !pictures.iter().all(|sample| sample.sync));
    }
}

#[test]
fn any_number_of_tracks() {
    let sizes: &[&str] = &["-c:v", "mpeg2video", "-c:a", "mp2", "-f", "vob"];
    let cases: &[(&str, &[&str], &[u32])] = &[
        ("picture alone", &["-map", "0:v"], &[0xE0]),
        ("sound alone", &["-map", "1:a"], &[0xC0]),
        ("two sounds", &["-map", "0:v", "-map", "1:a", "-map", "1:a"], &[0xE0, 0xC0, 0xC1]),
        ("two pictures", &["-map", "1:a", "-map", "0:v", "-map", "0:v"], &[0xE0, 0xE1, 0xC0]),
    ];
    for (name, maps, tracks) in cases {
        let bytes = film(PICTURE_25, SOUND_48, maps, sizes);
        let demuxed = check(name, &bytes, Kind::MpegPs, &bytes);
        assert_eq!(demuxed.tracks.iter().map(|track| track.number).collect::<Vec<_>>(), *tracks, "{name}");
    }
}

#[test]
fn a_video_cd() {
    let stream =
        film(PICTURE_25, SOUND_44, MPEG1, &["-b:v", "1150k", "-maxrate", "1150k", "-bufsize", "320k", "-f", "vcd"]);
    let demuxed = check("Video CD", &in_sectors(&stream), Kind::VcdDat, &stream);
    assert_eq!(demuxed.tracks.len(), 2);
    assert_eq!(demuxed.stream(0xE0), demux(&stream, Kind::MpegPs).stream(0xE0));
}

#[test]
fn real_files() {
    let (cd, stream) = ("vcd_avseq01_vcd20.dat", "vcd_avseq00.m1p");
    for (name, kind, reference) in [
        (stream, Kind::MpegPs, stream),
        (cd, Kind::VcdDat, stream),
        ("ps_dvd_pal_navpacks.mpg", Kind::MpegPs, "ps_dvd_pal_navpacks.mpg"),
    ] {
        let (Some(file), Some(reference)) = (media(name), media(reference)) else { return };
        let demuxed = check(name, &file, kind, &reference);
        assert_eq!(demuxed.tracks.len(), 2, "{name}: {:?}", demuxed.notes);
    }
}

#[test]
fn tracks_say_what_they_are() {
    let demuxed = demux(&MPEG1_FILM, Kind::MpegPs);
    let expected = [
        (0xE0, Format::Mpv { mpeg2: false, width: 176, height: 144 }, VIDEO_TIMESCALE),
        (0xC0, Format::Mpa { layer: 2, sample_rate: 44_100, channels: 2 }, 4_410_000),
    ];
    let seen = demuxed.tracks.iter().map(|track| (track.number, track.format.clone(), track.timescale));
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}

/// What a viewer gets of each track is the elementary stream again, cut ends included.
#[test]
fn over_rtp() {
    let dvd = media("ps_dvd_pal_navpacks.mpg").map(|file| ("navigation packs", file));
    let cd = media("vcd_avseq00.m1p").map(|file| ("Video CD", file));
    let made = [("MPEG-1", MPEG1_FILM.clone()), ("cut", MPEG1_FILM[..MPEG1_FILM.len() / 3].to_vec())];
    for (name, file) in made.into_iter().chain(dvd).chain(cd) {
        let demuxed = demux(&file, Kind::MpegPs);
        for track in &demuxed.tracks {
            let mut sender = Packetizer::new(&track.format, 96, 1, 65_000, 1400);
            let (mut receiver, mut received) = (Depacketizer::new(&track.format), Vec::new());
            for sample in demuxed.of(track.number) {
                let mut stored = Vec::new();
                track.format.store(&sample.data, sample.sync, &mut stored).unwrap();
                let timestamp = RtpTimestamp(track.format.clock_rate().rescale(sample.pts, track.timescale).0 as u32);
                let mut train = Train::new(Framing::Datagram);
                sender.packetize(&[AccessUnit { data: &stored, timestamp, sync: sample.sync }], &mut train).unwrap();
                for index in 0..train.len() {
                    receiver.handle(&RtpPacket::parse(train.packet(index)).unwrap()).unwrap();
                }
                received.extend(std::iter::from_fn(|| receiver.poll()));
            }
            receiver.finish();
            received.extend(std::iter::from_fn(|| receiver.poll()));
            assert!(received.iter().all(|unit| !unit.lost), "{name} {:#x}", track.number);
            let bytes: Vec<u8> = received.into_iter().flat_map(|unit| unit.data).collect();
            assert!(bytes == demuxed.stream(track.number), "{name} {:#x}", track.number);
        }
    }
}
