//! What comes live is what the file has, however it is cut; what is damaged costs itself and is counted.

use super::*;
use crate::container::Kind;
use crate::container::testing::{drive_bytes, run};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::sync::LazyLock;
use std::time::Duration;

/// Three seconds of pictures and sound.
fn film(coding: &[&str]) -> Vec<u8> {
    let picture = "testsrc2=s=176x144:r=25:d=3";
    let sound = "sine=f=440:r=48000:d=3";
    let input = ["-v", "error", "-nostdin", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound];
    run("ffmpeg", &[&input[..], coding, &["-f", "mpegts", "-"]].concat())
}

const H264: &[&str] = &["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "10", "-c:a", "aac"];
const MPEG2: &[&str] = &["-c:v", "mpeg2video", "-bf", "2", "-g", "10", "-c:a", "mp2"];
const SOUND: &[&str] = &["-map", "1", "-c:a", "ac3"];

static FILM: LazyLock<Vec<u8>> = LazyLock::new(|| film(H264));

#[derive(Debug, Default)]
struct Seen {
    tracks: Vec<Vec<FeedTrack>>,
    units: Vec<FeedUnit>,
}

/// Feeds the pieces, ten of which come in a millisecond.
fn feed<'a>(stream: &mut TransportStream, pieces: impl Iterator<Item = &'a [u8]>) -> Seen {
    let (mut seen, mut now) = (Seen::default(), Instant::now());
    for piece in pieces {
        now += Duration::from_micros(100);
        stream.handle_bytes(piece, now).unwrap();
        while let Some(event) = stream.poll() {
            match event {
                FeedEvent::Tracks(tracks) => seen.tracks.push(tracks),
                FeedEvent::Unit(unit) => seen.units.push(unit),
            }
        }
    }
    seen
}

/// Pieces of random lengths.
fn cut(bytes: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut random = SmallRng::seed_from_u64(seed);
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.random_range(1..=1_500).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// The data and times of one track, in order, the times from the first one's.
fn of(units: &[FeedUnit], track: usize) -> Vec<(Bytes, i64, i64, bool)> {
    let own: Vec<_> = units.iter().filter(|unit| unit.track == track).collect();
    let zero = own.first().map_or(0, |unit| unit.dts.0);
    own.iter().map(|unit| (unit.data.clone(), unit.dts.0 - zero, unit.pts.0 - zero, unit.sync)).collect()
}

#[test]
fn what_comes_live_is_what_the_file_has() {
    for (name, coding, tracks) in [("H.264", H264, 2), ("MPEG-2", MPEG2, 2), ("AC-3 alone", SOUND, 1)] {
        let bytes = film(coding);
        let file = drive_bytes(Kind::MpegTs, &bytes).unwrap();
        let mut pieces: Vec<Vec<&[u8]>> = vec![bytes.chunks(7 * 188).collect()];
        pieces.extend((0..4).map(|seed| cut(&bytes, seed)));
        for pieces in pieces {
            let mut stream = TransportStream::new(None);
            let seen = feed(&mut stream, pieces.into_iter());
            assert_eq!(seen.tracks.len(), 1, "{name}");
            assert_eq!(seen.tracks[0].len(), tracks, "{name}");
            assert_eq!((stream.lost(), stream.junk(), stream.damaged()), (0, 0, 0), "{name}");
            for (place, (track, info)) in seen.tracks[0].iter().zip(&file.tracks).enumerate() {
                assert_eq!(track.format, info.format, "{name}");
                let clock = track.format.clock_rate();
                let stored: Vec<_> = file
                    .of(info.number)
                    .map(|sample| {
                        let mut data = Vec::new();
                        info.format.store(&sample.data, sample.sync, &mut data).unwrap();
                        let ticks = |time| clock.rescale(time, info.timescale);
                        FeedUnit {
                            track: place,
                            data: data.into(),
                            dts: ticks(sample.dts),
                            pts: ticks(sample.pts),
                            sync: sample.sync,
                        }
                    })
                    .collect();
                let (live, stored) = (of(&seen.units, place), of(&stored, place));
                // The last units of a stream that has not ended are still being waited for.
                assert!(
                    live.len() + 3 >= stored.len() && live.len() > 20,
                    "{name}: {} of {}",
                    live.len(),
                    stored.len()
                );
                for (number, (live, stored)) in live.iter().zip(&stored).enumerate() {
                    assert!(live.0 == stored.0 && live.3 == stored.3, "{name}, track {place}: unit {number}");
                    // The file's first decode times are counted back from what comes later.
                    let off = (live.1 - stored.1).abs().max((live.2 - stored.2).abs());
                    assert!(off <= 1, "{name}, track {place}: unit {number}: {:?} {:?}", &live.1, &stored.1);
                }
            }
        }
    }
}

#[test]
fn garbage_and_loss_cost_only_themselves() {
    let mut random = SmallRng::seed_from_u64(1);
    let whole = feed(&mut TransportStream::new(None), FILM.chunks(7 * 188)).units;
    let garbage: Vec<u8> = (0..20_000).map(|_| random.random()).collect();
    // Garbage before, and in the middle between two datagrams.
    let middle = FILM.len() / 188 / 2 * 188;
    let stream = [&garbage[..], &FILM[..middle], &garbage[..5_000], &FILM[middle..]].concat();
    let mut live = TransportStream::new(None);
    let seen = feed(&mut live, cut(&stream, 2).into_iter());
    assert!(live.junk() >= 24_000 && seen.tracks.len() == 1, "{} {:?}", live.junk(), seen.tracks);
    assert!(seen.units.len() + 5 >= whole.len(), "{} of {}", seen.units.len(), whole.len());
    live.handle_silence();
    assert!(matches!(live.poll(), Some(FeedEvent::Unit(_))), "the last picture only waited for its end");
    // Every twentieth datagram is lost.
    let mut live = TransportStream::new(None);
    let pieces = FILM.chunks(7 * 188).enumerate().filter(|(number, _)| number % 20 != 10).map(|(_, piece)| piece);
    let seen = feed(&mut live, pieces);
    assert!(live.lost() > 0 && seen.units.len() > whole.len() / 2, "{} {}", live.lost(), seen.units.len());
}

#[test]
fn another_program_is_another_description_and_time_goes_on_over_jumps() {
    let other = film(MPEG2);
    let stream = [&FILM[..], &FILM[..], &other[..]].concat();
    let mut live = TransportStream::new(None);
    let seen = feed(&mut live, stream.chunks(7 * 188));
    let kinds: Vec<Vec<String>> =
        seen.tracks.iter().map(|tracks| tracks.iter().map(|track| track.format.describe()).collect()).collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert!(kinds[0][0].starts_with("H.264") && kinds[1][0].starts_with("MPEG-2"), "{kinds:?}");
    // The second time round begins where the first one ended.
    let first: Vec<_> = seen.units.iter().filter(|unit| unit.track == 0).take(150).collect();
    for pair in first.windows(2).take(140) {
        let step = pair[1].dts.0 - pair[0].dts.0;
        assert!((1..=2 * 3_600).contains(&step), "{step}");
    }
}

#[test]
fn what_nothing_can_come_of_is_said() {
    let long = Duration::from_secs(6);
    for (name, bytes, program, words) in [
        ("no such program", &FILM[..], Some(7), "no program 7; it has 1"),
        (
            "no tables",
            &[&[0x47, 0x1F, 0xFF, 0x10][..], &[0xFF; 184]].concat().repeat(100)[..],
            None,
            "no program association",
        ),
    ] {
        let mut live = TransportStream::new(program);
        let now = Instant::now();
        let first = live.handle_bytes(&bytes[..bytes.len() / 2], now);
        let error = first.and_then(|()| live.handle_bytes(&bytes[bytes.len() / 2..], now + long)).unwrap_err();
        assert!(error.to_string().contains(words), "{name}: {error}");
    }
}

proptest::proptest! {
    /// Whatever comes, it is taken without panic, and what gathers is bounded.
    #[test]
    fn any_bytes_are_taken(bytes: Vec<u8>, at in 0usize..50_000, len in 1usize..4_000) {
        let mut live = TransportStream::new(None);
        let mut damaged = FILM.clone();
        damaged.splice(at..at + len, bytes.iter().copied());
        let (mut now, mut units) = (Instant::now(), 0);
        for piece in damaged.chunks(1_000) {
            now += Duration::from_millis(5);
            if live.handle_bytes(piece, now).is_err() {
                break;
            }
            while let Some(event) = live.poll() {
                units += usize::from(matches!(event, FeedEvent::Unit(_)));
            }
        }
        proptest::prop_assert!(units < 1_000);
    }
}

#[test]
fn a_stream_that_is_passed_on_is_one_track_of_the_same_bytes() {
    let (mut stream, mut data) = (PassedStream::default(), Vec::new());
    FILM.chunks(1_316).for_each(|piece| stream.handle_bytes(piece, Instant::now()));
    let Some(FeedEvent::Tracks(tracks)) = stream.poll() else { panic!("no track") };
    assert!(matches!(tracks[..], [FeedTrack { format: Format::Mp2t { .. }, .. }]));
    while let Some(event) = stream.poll() {
        let FeedEvent::Unit(unit) = event else { panic!("another track") };
        assert_eq!((unit.track, unit.dts), (0, unit.pts));
        data.push(unit);
    }
    // Where decoding begins in the middle, the tables come once more before it.
    let (first, rest) = data.split_first().unwrap();
    assert!(first.sync && FILM.starts_with(&first.data) && rest.iter().any(|unit| unit.sync));
    let tail = |unit: &FeedUnit| unit.data[unit.data.len() - 1_316.min(unit.data.len())..].to_vec();
    let sent: Vec<u8> = data.iter().flat_map(tail).collect();
    assert!(sent == *FILM && stream.lost() == 0);
}
