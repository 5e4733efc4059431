//! Files that are cut, damaged, joined or lie.

use super::{MPEG1, MPEG1_FILM, PICTURE_24, PICTURE_25, SOUND_44, check, decode, demux, film, in_sectors, times};
use crate::container::Kind;
use crate::container::testing::{Demuxed, drive_bytes};
use proptest::prelude::*;

/// A cut file gives what lies before the cut.
#[test]
fn cut_anywhere() {
    let whole = demux(&MPEG1_FILM, Kind::MpegPs);
    for tenth in 1..10 {
        let file = &MPEG1_FILM[..MPEG1_FILM.len() * tenth / 10];
        let cut = check(&format!("{tenth} tenths"), file, Kind::MpegPs, file);
        for track in [0xE0, 0xC0] {
            let (cut, whole) = (cut.stream(track), whole.stream(track));
            assert!(!cut.is_empty() && whole.starts_with(&cut), "{tenth} tenths, {track:#x}");
        }
    }
}

/// A file whose start is missing gives the pictures that ffmpeg shows, and at least its sound: ffmpeg loses the frame
/// after the one that is cut.
#[test]
fn begun_anywhere() {
    for tenth in [1, 4, 6] {
        let file = &MPEG1_FILM[MPEG1_FILM.len() * tenth / 10..];
        let demuxed = demux(file, Kind::MpegPs);
        assert!(!demuxed.notes.is_empty());
        let (expected, seen) = (decode(file, None, "v:0"), decode(&demuxed.stream(0xE0), Some("mpegvideo"), "0"));
        assert_eq!(seen.hashes, expected.hashes, "{tenth} tenths");
        // The first pictures in the order of showing may need one that is missing; they are units all the same.
        let times = times(&demuxed, &demuxed.tracks[0]);
        let times = &times[times.len() - seen.hashes.len()..];
        let offset = expected.times[0].unwrap() - times[0];
        let errors = times.iter().zip(&expected.times).filter_map(|(ours, theirs)| Some(ours + offset - (*theirs)?));
        assert!(errors.into_iter().all(|error| error.abs() <= 1), "{tenth} tenths");
        let (expected, seen) = (decode(file, None, "a:0"), decode(&demuxed.stream(0xC0), Some("mp3"), "0"));
        assert!(seen.hashes.len() >= expected.hashes.len() && !expected.hashes.is_empty(), "{tenth} tenths");
    }
}

#[test]
fn damage_is_passed_over_and_noted() {
    let film = &*MPEG1_FILM;
    let whole = demux(film, Kind::MpegPs);
    let pack = 2048;
    // A packet's length is found by the first one of the video stream in the second half.
    let middle = film.len() / 2 / pack * pack;
    let packet = middle + film[middle..].windows(4).position(|code| code == [0, 0, 1, 0xE0]).unwrap();
    let changed = |at: usize, bytes: &[u8]| {
        let mut file = film.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let insert = |at: usize, bytes: &[u8]| [&film[..at], bytes, &film[at..]].concat();
    let without_packs: Vec<u8> = film
        .chunks(pack)
        .flat_map(|pack| if pack.starts_with(&[0, 0, 1, 0xBA]) { &pack[12..] } else { pack })
        .copied()
        .collect();
    let cases: &[(&str, Vec<u8>, bool)] = &[
        ("junk between packs", insert(middle, &[0x77; 5000]), true),
        ("zeros between packs", insert(middle, &[0; 5000]), false),
        ("junk before the first", insert(0, &[0x77; 5000]), true),
        ("end code in the middle", insert(middle, &[0, 0, 1, 0xB9]), false),
        ("a packet without length", changed(packet + 4, &[0, 0]), false),
        ("a length that is too great", changed(packet + 4, &[0xFF, 0xF0]), false),
        ("no pack headers", without_packs, false),
    ];
    for (name, file, noted) in cases {
        let demuxed = demux(file, Kind::MpegPs);
        assert_eq!(!demuxed.notes.is_empty(), *noted, "{name}: {:?}", demuxed.notes);
        let units =
            |demuxed: &Demuxed| demuxed.samples.iter().map(|s| (s.track, s.pts, s.data.clone())).collect::<Vec<_>>();
        assert_eq!(units(&demuxed), units(&whole), "{name}");
    }
}

/// Most packets without their times give the same times, counted.
#[test]
fn times_on_few_packets() {
    for picture in [PICTURE_25, PICTURE_24] {
        let mut file = film(picture, SOUND_44, MPEG1, &["-f", "mpeg"]);
        let whole = demux(&file, Kind::MpegPs);
        let (mut at, mut count, mut removed) = (0, 0, 0);
        while let Some(&[0, 0, 1, id, high, low]) = file.get(at..at + 6).and_then(|bytes| bytes.first_chunk::<6>()) {
            let end = at + if id == 0xBA { 12 } else { 6 + usize::from(u16::from_be_bytes([high, low])) };
            if matches!(id, 0xC0 | 0xE0) {
                // Behind the size of the buffer, which only some have, come one or two times.
                let times = if file[at + 6] & 0xC0 == 0x40 { at + 8 } else { at + 6 };
                let len = [5, 10].into_iter().find(|len| file[times] >> 4 == if *len == 5 { 2 } else { 3 });
                count += 1;
                if let Some(len) = len.filter(|_| count > 8 && count % 9 != 0) {
                    // Stuffing comes first in a header.
                    let size = file[at + 6..times].to_vec();
                    file[at + 6..at + 5 + len].fill(0xFF);
                    file[at + 5 + len..at + 5 + len + size.len()].copy_from_slice(&size);
                    file[times + len - 1] = 0x0F;
                    removed += 1;
                }
            }
            at = end;
        }
        assert!(removed > 20, "{removed} of {count}");
        let sparse = demux(&file, Kind::MpegPs);
        assert_eq!(sparse.notes, Vec::<String>::new());
        for (ours, exact) in sparse.tracks.iter().zip(&whole.tracks) {
            let (ours, exact) = (times(&sparse, ours), times(&whole, exact));
            assert_eq!(ours.len(), exact.len());
            assert!(ours.iter().zip(&exact).all(|(ours, exact)| ours.abs_diff(*exact) <= 1), "{ours:?} {exact:?}");
        }
    }
}

/// Joined files, whose times begin anew in the middle, give one timeline, and sound stays with picture.
#[test]
fn joined_files_go_on() {
    let whole = demux(&MPEG1_FILM, Kind::MpegPs);
    let joined = demux(&[&MPEG1_FILM[..], &MPEG1_FILM[..]].concat(), Kind::MpegPs);
    assert!(joined.notes.iter().any(|note| note.contains("jumps")), "{:?}", joined.notes);
    assert_eq!(joined.samples.len(), whole.samples.len() * 2);
    let video = times(&joined, &joined.tracks[0]);
    // The track that comes first to the new part goes on without a gap, the other within a frame of that.
    assert!(video.windows(2).all(|pair| (1..=7200).contains(&(pair[1] - pair[0]))), "{video:?}");
    let audio = times(&joined, &joined.tracks[1]);
    let half = (video.len() / 2, audio.len() / 2);
    let shift = (video[half.0] - video[0], audio[half.1] - audio[0]);
    assert!((shift.0 - shift.1).abs() <= 1, "{shift:?}");
}

/// Sixteen streams of video that is none, each in packets of one byte: most are left out, and all end soon.
#[test]
fn many_streams_cost_little() {
    let packet = |id: u8| [0, 0, 1, id, 0, 2, 0x0F, 0x77];
    let file: Vec<u8> = (0xC0..=0xEF).cycle().take(100_000).flat_map(packet).collect();
    let error = drive_bytes(Kind::MpegPs, &file).unwrap_err();
    assert!(error.reason.starts_with("no MPEG-1"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(1u8), 0xB3u8.., any::<u8>()], 0..4000)) {
        let _ = drive_bytes(Kind::MpegPs, &bytes);
        let _ = drive_bytes(Kind::VcdDat, &bytes);
    }

    #[test]
    fn no_damage_panics(changes in prop::collection::vec((0usize..200_000, any::<u8>()), 1..200)) {
        let mut file = MPEG1_FILM.clone();
        for (at, byte) in changes {
            let at = at % file.len();
            file[at] = byte;
        }
        for (kind, file) in [(Kind::MpegPs, &file), (Kind::VcdDat, &in_sectors(&file))] {
            for sample in drive_bytes(kind, file).map(|demuxed| demuxed.samples).unwrap_or_default() {
                prop_assert!(sample.dts <= sample.pts);
            }
        }
    }
}
