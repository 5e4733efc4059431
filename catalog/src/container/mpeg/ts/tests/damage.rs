//! Files that are cut, damaged, wrapped in other packets, or say late what they are.

use super::super::elementary::Elementary;
use super::super::nal_es::NalEs;
use super::super::psi::crc;
use super::super::syntax::Syntax;
use super::*;
use crate::container::mpeg::gathered::Gathered;
use proptest::prelude::*;

const PACKET_LEN: usize = 188;
const VIDEO: u32 = 0x100;
const AUDIO: u32 = 0x101;
/// Where ffmpeg puts the map.
const MAP: u16 = 0x1000;

fn pid(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[1] & 0x1F, packet[2]])
}

/// The film with each packet made what `change` makes of it.
fn changed(mut change: impl FnMut(usize, &[u8]) -> Vec<u8>) -> Vec<u8> {
    H264_FILM.chunks(PACKET_LEN).enumerate().flat_map(|(number, packet)| change(number, packet)).collect()
}

#[test]
fn cut_anywhere() {
    let whole = demux(&H264_FILM);
    for tenth in 1..10 {
        let file = &H264_FILM[..H264_FILM.len() * tenth / 10];
        let cut = check(&format!("{tenth} tenths"), file);
        for track in [VIDEO, AUDIO] {
            let (cut, whole): (Vec<_>, Vec<_>) = (cut.of(track).collect(), whole.of(track).collect());
            let last = cut.len() - 1;
            assert!(
                cut[..last].iter().zip(&whole).all(|(cut, whole)| cut.data == whole.data),
                "{tenth} tenths, {track:#x}"
            );
        }
    }
}

/// A file whose start is missing gives the pictures that ffmpeg shows, from the first that can be decoded on.
#[test]
fn begun_anywhere() {
    for tenth in [1, 4, 6] {
        let file = &H264_FILM[H264_FILM.len() * tenth / 10..];
        let demuxed = demux(file);
        assert!(!demuxed.notes.is_empty() && demuxed.of(VIDEO).next().unwrap().sync);
        for (track, stream) in demuxed.tracks.iter().zip(names(&demuxed)) {
            let (bytes, format) = elementary(&demuxed, track);
            let (ours, expected) = (decode(&bytes, Some(format), "0"), decode(file, None, &stream));
            assert!(
                !ours.hashes.is_empty() && ours.hashes.len() + 1 >= expected.hashes.len(),
                "{tenth} tenths, {stream}"
            );
            assert_eq!(ours.hashes.last(), expected.hashes.last(), "{tenth} tenths, {stream}");
        }
    }
}

/// What changes nothing but the packets changes no access unit.
#[test]
fn the_same_in_other_packets() {
    let whole = demux(&H264_FILM);
    let null = [&[0x47, 0x1F, 0xFF, 0x10][..], &[0xFF; 184]].concat();
    let mut tables = 0;
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("192 bytes", changed(|_, packet| [&[0, 0, 0, 9], packet].concat()), ""),
        ("204 bytes", changed(|_, packet| [packet, &[7; 16]].concat()), ""),
        ("every packet twice", changed(|_, packet| packet.repeat(2)), ""),
        ("null packets", changed(|_, packet| [packet, &null].concat()), ""),
        ("junk before", [&[1; 1000], &H264_FILM[..]].concat(), "1000 bytes that belong to no packet"),
        (
            "junk between",
            changed(|number, packet| if number == 99 { [packet, &[1; 77]].concat() } else { packet.to_vec() }),
            "77 bytes that belong to no packet",
        ),
        ("a stream that moves", moved(), ""),
        ("AAC that is called MPEG-1 audio", called(3), ""),
        ("AAC that is called MPEG-2 audio", called(4), ""),
        (
            "late tables",
            changed(|_, packet| {
                let table = pid(packet) == 0 || pid(packet) == MAP;
                tables += u32::from(table);
                if table && tables < 20 { null.clone() } else { packet.to_vec() }
            }),
            "",
        ),
        (
            "damaged tables among good ones",
            changed(|number, packet| {
                let mut packet = packet.to_vec();
                if (pid(&packet) == 0 || pid(&packet) == MAP) && number % 2 == 1 {
                    packet[12] ^= 0x55;
                }
                packet
            }),
            "",
        ),
    ];
    for (name, file, note) in cases {
        let seen = demux(file);
        assert_eq!(seen.samples, whole.samples, "{name}: {:?}", seen.notes);
        assert_eq!(seen.tracks, whole.tracks, "{name}");
        assert!(seen.notes.iter().all(|seen| !note.is_empty() && seen.contains(note)), "{name}: {:?}", seen.notes);
        assert_eq!(seen.notes.is_empty(), note.is_empty(), "{name}");
    }
}

/// The film with its sound on another PID from the middle on, by a new version of the map.
fn moved() -> Vec<u8> {
    let middle = H264_FILM.len() / PACKET_LEN / 2;
    // A PES packet must not be torn: the change comes where one begins.
    let packets: Vec<_> = H264_FILM.chunks(PACKET_LEN).collect();
    let begins = |packet: &[u8]| u32::from(pid(packet)) == AUDIO && packet[1] & 0x40 != 0;
    let from = (middle..).find(|&number| begins(packets[number])).unwrap();
    let new = map(|section, sound| {
        section[5] ^= 0b10;
        assert_eq!(section[sound + 2], 1);
        section[sound + 2] = 9;
    });
    changed(|number, packet| {
        let mut packet = packet.to_vec();
        if number >= from && pid(&packet) == MAP {
            packet = new.clone();
        }
        if number >= from && u32::from(pid(&packet)) == AUDIO {
            packet[2] = 9;
        }
        if number == from { [new.clone(), packet].concat() } else { packet }
    })
}

/// The packet of the map, changed: its section, and where the sound begins in that.
fn map(change: impl Fn(&mut [u8], usize)) -> Vec<u8> {
    let mut packet = H264_FILM.chunks(PACKET_LEN).find(|packet| pid(packet) == MAP).unwrap().to_vec();
    let start = 5 + usize::from(packet[4]);
    let section = &mut packet[start..];
    let len = 3 + usize::from(section[1] & 0xF) * 256 + usize::from(section[2]);
    // The streams begin after twelve bytes; the sound is the second.
    let second = 12 + 5 + usize::from(section[12 + 4]);
    change(section, second);
    let crc = crc(&section[..len - 4]).to_be_bytes();
    section[len - 4..len].copy_from_slice(&crc);
    packet
}

/// The film with its sound called another kind.
fn called(kind: u8) -> Vec<u8> {
    let new = map(|section, sound| section[sound] = kind);
    changed(|_, packet| if pid(packet) == MAP { new.clone() } else { packet.to_vec() })
}

#[test]
fn damage_is_passed_over_and_noted() {
    let lost = |from: usize, count: usize| {
        changed(move |number, packet| if (from..from + count).contains(&number) { vec![] } else { packet.to_vec() })
    };
    let sync = changed(|number, packet| {
        let mut packet = packet.to_vec();
        packet[0] ^= if number % 50 == 20 { 0xFF } else { 0 };
        packet
    });
    let cases =
        [("lost packets", lost(300, 5), "breaks in its packet counter"), ("sync bytes", sync, "188 bytes that belong")];
    for (name, file, note) in &cases {
        let demuxed = demux(file);
        assert!(demuxed.notes.iter().any(|seen| seen.contains(note)), "{name}: {:?}", demuxed.notes);
        let (bytes, format) = elementary(&demuxed, &demuxed.tracks[0]);
        let (ours, theirs) = (decode(&bytes, Some(format), "0").hashes.len(), decode(file, None, "v:0").hashes.len());
        assert!(ours >= theirs, "{name}: {ours} frames, ffmpeg has {theirs}");
    }
}

#[test]
fn scrambled_streams_are_left_out() {
    let scrambled = |pids: &'static [u32]| {
        changed(move |_, packet| {
            let mut packet = packet.to_vec();
            packet[3] |= if pids.contains(&pid(&packet).into()) { 0x80 } else { 0 };
            packet
        })
    };
    let demuxed = demux(&scrambled(&[AUDIO]));
    assert_eq!(demuxed.tracks.iter().map(|track| track.number).collect::<Vec<_>>(), [VIDEO]);
    assert!(demuxed.notes.iter().any(|note| note.contains("AAC, which is scrambled")), "{:?}", demuxed.notes);
    let error = drive_bytes(Kind::MpegTs, &scrambled(&[VIDEO, AUDIO])).unwrap_err();
    assert!(error.reason.contains("H.264, which is scrambled"), "{error}");
}

/// Streams of a file without tables are told by their content.
#[test]
fn tables_may_be_missing() {
    let hevc = film(PICTURE_25, SOUND_48, HEVC, &["-f", "mpegts"]);
    let mpeg2 = film(PICTURE_25, SOUND_48, MPEG2, &["-f", "mpegts"]);
    for (name, film) in [("H.264", H264_FILM.as_slice()), ("H.265", &hevc), ("MPEG-2", &mpeg2)] {
        let whole = demux(film);
        for without in [0, MAP] {
            let kept = film.chunks(PACKET_LEN).filter(|packet| pid(packet) != without);
            let seen = demux(&kept.flatten().copied().collect::<Vec<u8>>());
            assert_eq!(seen.samples, whole.samples, "{name} without {without}: {:?}", seen.notes);
            assert_eq!(seen.tracks, whole.tracks, "{name} without {without}");
            assert_eq!(seen.notes, ["it has no program tables: its streams are told by their content"]);
        }
    }
}

#[test]
fn files_with_nothing_in_them_say_so() {
    let tables = |packet: &[u8]| pid(packet) == 0 || pid(packet) == MAP;
    for (keep, reason) in [(true, "has no whole access unit"), (false, "no program association table")] {
        let file = changed(|_, packet| if tables(packet) == keep { packet.to_vec() } else { vec![] });
        let junk: Vec<u8> =
            file.chunks(PACKET_LEN).filter(|packet| keep || packet[1] & 0x40 == 0).flatten().copied().collect();
        let error = drive_bytes(Kind::MpegTs, &junk).unwrap_err();
        assert!(error.reason.contains(reason), "{error}");
    }
}

/// The first program with video, whatever comes before it.
#[test]
fn the_program_with_video_is_chosen() {
    let two = ["-program", "title=a:st=1", "-program", "title=b:st=0:st=2", "-map", "0", "-map", "1", "-map", "1"];
    let file =
        film(PICTURE_25, SOUND_44, H264, &[&two[..], &["-metadata:s:a:1", "language=deu", "-f", "mpegts"]].concat());
    let demuxed = demux(&file);
    let seen: Vec<_> = demuxed.tracks.iter().map(|track| (track.number, track.language.as_deref())).collect();
    assert_eq!(seen, [(0x100, None), (0x102, Some("deu"))]);
    assert!(demuxed.notes.iter().any(|note| note.contains("of 2 programs")), "{:?}", demuxed.notes);
}

#[test]
fn a_program_can_be_asked_for() {
    let two = ["-program", "program_num=3:st=1", "-program", "program_num=7:st=0:st=2"];
    let maps = ["-map", "0", "-map", "1", "-map", "1", "-f", "mpegts"];
    let file = film(PICTURE_25, SOUND_44, H264, &[&two[..], &maps].concat());
    let of = |program: u16| {
        let mut demuxer = open_program(Kind::MpegTs, file.len() as u64, program).unwrap();
        drive(demuxer.as_mut(), &mut std::io::Cursor::new(&file))
    };
    for (program, want) in [(3, &[0x101][..]), (7, &[0x100, 0x102])] {
        let demuxed = of(program).unwrap();
        assert_eq!(demuxed.tracks.iter().map(|track| track.number).collect::<Vec<_>>(), want);
        assert!(demuxed.notes.is_empty(), "{:?}", demuxed.notes);
    }
    assert_eq!(of(4).unwrap_err().reason, "no program 4; it has 3, 7");
    let error = open_program(Kind::Avi, 9, 1).err().unwrap();
    assert_eq!(error.reason, "program 1 asked for, but only transport streams have programs");
}

/// DTS travels in packets of ASF, with the picture, where there is no other sound.
#[test]
fn dts_is_taken_where_it_is_the_only_sound() {
    let dts = ["-c:v", "mpeg2video", "-bf", "2", "-strict", "-2", "-c:a:0", "dca"];
    let alone = film(PICTURE_25, SOUND_48, &dts, &["-f", "mpegts"]);
    let demuxed = drive_bytes(Kind::MpegTs, &alone).unwrap();
    let described: Vec<String> = demuxed.tracks.iter().map(|track| track.format.describe()).collect();
    assert_eq!(described, ["MPEG-2 video 176x144", "DTS 48000 Hz 2 channels"], "{:?}", demuxed.notes);
    assert!(demuxed.tracks.iter().all(|track| track.format.encoding_name() == "x-asf-pf"));
    let both = ["-map", "0", "-map", "1", "-map", "1", "-c:a:1", "ac3", "-f", "mpegts"];
    let demuxed = drive_bytes(Kind::MpegTs, &film(PICTURE_25, SOUND_48, &dts, &both)).unwrap();
    let named: Vec<_> = demuxed.tracks.iter().map(|track| track.format.encoding_name()).collect();
    assert_eq!(named, ["MPV", "AC3"]);
    assert!(demuxed.notes[0].contains("DTS 48000 Hz 2 channels: it would take all tracks"), "{:?}", demuxed.notes);
}

/// Pictures after the first in a packet have no time of their own; their order of showing gives it.
#[test]
fn one_time_for_many_pictures() {
    let pyramid = ["-c:v", "libx265", "-x265-params", "log-level=none:pools=1:bframes=4:keyint=20", "-c:a", "ac3"];
    let hevc = film(PICTURE_25, SOUND_48, &pyramid, &["-f", "mpegts"]);
    for (name, film, syntax) in [("H.264", H264_FILM.as_slice(), Syntax::h264()), ("H.265", &hevc, Syntax::h265())] {
        let demuxed = demux(film);
        let (stream, _) = elementary(&demuxed, &demuxed.tracks[0]);
        let expected: Vec<_> = demuxed.of(VIDEO).map(|sample| (sample.dts, sample.pts)).collect();
        let (mut es, mut gathered) = (NalEs::new(1, syntax), Gathered::default());
        let delay = (expected[0].1 - expected[0].0) as u64;
        let stamp = gathered.timeline.stamp_both(900_000 + delay, Some(900_000));
        es.handle_payload(&stream, Some(stamp), &mut gathered);
        es.finish(&mut gathered);
        let seen: Vec<_> =
            gathered.samples.iter().map(|sample| (sample.dts + expected[0].0, sample.pts + expected[0].0)).collect();
        assert_eq!(seen, expected, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_damage_panics(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..200),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = H264_FILM[..100_000.min(H264_FILM.len())].to_vec();
        for (at, value) in flips {
            let at = at.index(file.len());
            file[at] = value;
        }
        file.truncate(cut.index(file.len()));
        let _ = drive_bytes(Kind::MpegTs, &file);
    }

    #[test]
    fn no_bytes_panic(packets in prop::collection::vec((0u16..4, any::<u8>(), prop::collection::vec(0u8..=255, 184)), 0..60)) {
        let packet = |(pid, flags, body): (u16, u8, Vec<u8>)| {
            [&[0x47, 0x40 & flags, pid as u8, flags][..], &body].concat()
        };
        let file: Vec<u8> = packets.into_iter().flat_map(packet).collect();
        let _ = drive_bytes(Kind::MpegTs, &file);
    }
}
