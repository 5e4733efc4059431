//! The frame-for-frame comparison: a file against the same film as a viewer receives it.
//!
//! ffmpeg decodes both. Every video frame must be the same (hash and order), every audio sample too, and the
//! presentation times must agree after one constant offset that is common to audio and video is removed.
//! What an edit list trims from the front of the file's audio (a decoder's priming) may be heard on the wire.
//!
//! The time of what a stream's first packet holds is ffmpeg's own guess when it receives: its parser takes none from it
//! (the stream's position is not known there), whatever the server wrote in it. It is reported apart.
//! So is the time of the last picture that comes in packets of ASF: those tell when a picture is decoded, and the one
//! that the decoder has left at the end gets a time by how long ffmpeg thinks that a picture lasts.
//! And so is a picture of the file that ffmpeg gives the time of the one before it (it does so with the last ones of
//! interlaced H.264 and of H.265 in program streams, whose packets tell few times): two are never shown at once.
//!
//! Where ffmpeg tells errors of the file, at least what it gets from the file must come.

mod decode;
mod sound;

pub(crate) use decode::parse_framemd5;
pub use decode::{DecodeOptions, Decoded, Picture, Sound, Transport, decode, tempdir};

use anyhow::{Context, Result};
use std::{fmt, path::Path, time::Duration};

/// How a received film differs from its file; empty when it doesn't.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Frames in the file and received.
    pub pictures: (usize, usize),
    /// Audio samples in the file and received.
    pub samples: (usize, usize),
    /// Largest error of a picture's time, nanoseconds, after the common offset is removed.
    pub picture_time_error: i64,
    /// The same for audio.
    pub sound_time_error: i64,
    /// How far ffmpeg's guess of the first picture's time is off, nanoseconds; no difference by itself.
    pub first_picture_error: i64,
    /// The same for the last picture, where its packet tells only when it is decoded.
    pub last_picture_error: i64,
    /// The same for the audio of the first packet.
    pub first_sound_error: i64,
    /// Each difference in words; the first one first.
    pub differences: Vec<String>,
    /// What is as it should be, and yet worth telling.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether the viewer got exactly the file.
    pub fn is_exact(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pictures {}/{}, samples {}/{}, time error {:.1} us video (the first {:.1} ms), {:.1} us audio (the first {:.1} ms): ",
            self.pictures.1,
            self.pictures.0,
            self.samples.1,
            self.samples.0,
            self.picture_time_error as f64 / 1e3,
            self.first_picture_error as f64 / 1e6,
            self.sound_time_error as f64 / 1e3,
            self.first_sound_error as f64 / 1e6
        )?;
        if self.is_exact() { f.write_str("exact") } else { f.write_str(&self.differences.join("; ")) }?;
        self.notes.iter().try_for_each(|note| write!(f, " ({note})"))
    }
}

/// Compares the file with what `url` gives over `transport`. `limit` bounds each of both decodes.
pub fn compare(file: &Path, url: &str, transport: Transport, limit: Duration) -> Result<Report> {
    let file = decode(&file.to_string_lossy(), &DecodeOptions::default(), limit).context("decoding the file")?;
    compare_with(&file, url, transport, limit)
}

/// The same where the file is decoded already.
pub fn compare_with(file: &Decoded, url: &str, transport: Transport, limit: Duration) -> Result<Report> {
    let received = decode(url, &DecodeOptions::receive(transport).like(file), limit)
        .with_context(|| format!("decoding {url} over {transport}"))?;
    Ok(difference(file, &received))
}

/// The clock that most formats' RTP timestamps count by, one tick in nanoseconds: what two roundings may differ by.
const VIDEO_TICK: i64 = 1_000_000_000 / 90_000 + 1;

const MILLISECOND: i64 = 1_000_000;

/// How `received` differs from `file`.
pub fn difference(file: &Decoded, received: &Decoded) -> Report {
    let mut report = Report { pictures: (file.pictures.len(), received.pictures.len()), ..Report::default() };
    compare_pictures(file, received, &mut report);
    let offset = match (file.pictures.first(), received.pictures.first()) {
        (Some(a), Some(b)) => Some(middle_offset(file, received).unwrap_or(b.time - a.time)),
        _ => None,
    };
    if let Some(offset) = offset {
        let first = file.pictures.iter().zip(&received.pictures).next();
        report.first_picture_error = first.map_or(0, |(a, b)| (b.time - a.time - offset).abs());
        let mut timeless = 0;
        for (index, (a, b)) in file.pictures.iter().zip(&received.pictures).enumerate().skip(1) {
            let late = b.time - a.time - offset;
            if index + 1 > received.told() && late.abs() < file.picture_gap() {
                report.last_picture_error = late.abs();
                continue;
            }
            if file.is_timeless(index) {
                timeless += 1;
                continue;
            }
            // What should have come before ffmpeg's clock began is shown when it does.
            let error = if index < received.at_once() { (-late).max(0) } else { late.abs() };
            report.picture_time_error = report.picture_time_error.max(error);
        }
        if timeless > 0 {
            report.notes.push(format!("ffmpeg gives {timeless} pictures of the file the time of the one before"));
        }
        // Rounded once where it was added and once where it was sent; half of that where the offset is in the middle.
        if report.picture_time_error > received.picture_tick.max(VIDEO_TICK) {
            report
                .differences
                .push(format!("a picture is {:.3} ms off its time", report.picture_time_error as f64 / 1e6));
        }
    }
    match (&file.sound, &received.sound) {
        (Some(a), Some(b)) => {
            // A longer tick is one picture, and rounds nothing.
            let rounded = if offset.is_some() && file.picture_tick <= MILLISECOND { file.picture_tick } else { 0 };
            let pictures = sound::Pictures { offset, rounded };
            sound::compare(a, b, pictures, !file.messages.is_empty(), &mut report);
        }
        (Some(_), None) => report.differences.push("no audio came".into()),
        (None, Some(_)) => report.differences.push("audio came that the file doesn't have".into()),
        (None, None) => {}
    }
    report
}

impl Decoded {
    /// Pictures that ffmpeg shows together when its clock begins, the first among them: where sound comes later than the
    /// pictures, the sound's first time is the first that ffmpeg knows, and pictures of before have no other.
    fn at_once(&self) -> usize {
        /// More than any decoder holds back, so that a film in which time stands still is found.
        const MOST: usize = 17;
        let first = self.pictures.first().map(|first| first.time);
        self.pictures.iter().take(MOST).take_while(|picture| Some(picture.time) == first).count().max(1)
    }

    /// Whether ffmpeg has no time for a picture but that of the one before.
    fn is_timeless(&self, index: usize) -> bool {
        index.checked_sub(1).is_some_and(|before| self.pictures[index].time <= self.pictures[before].time)
    }

    /// Pictures up to the last whose time doesn't come out of ffmpeg's guess at the end: in packets of ASF, which it counts
    /// in milliseconds, all but one.
    fn told(&self) -> usize {
        self.pictures.len() - usize::from(self.picture_tick == MILLISECOND && self.pictures.len() > 2)
    }
}

/// The offset that halves the spread: rounding on both sides then counts as little as it is. `None` for one picture.
fn middle_offset(file: &Decoded, received: &Decoded) -> Option<i64> {
    let known = received.at_once()..received.told();
    let pairs = || file.pictures.iter().zip(&received.pictures).enumerate().take(known.end).skip(known.start);
    let offsets = || pairs().filter(|(index, _)| !file.is_timeless(*index)).map(|(_, (a, b))| b.time - a.time);
    Some((offsets().min()? + offsets().max()?) / 2)
}

fn compare_pictures(file: &Decoded, received: &Decoded, report: &mut Report) {
    let differs = file.pictures.iter().zip(&received.pictures).position(|(a, b)| a.hash != b.hash);
    if let Some(index) = differs {
        let note = match file.pictures.iter().position(|picture| picture.hash == received.pictures[index].hash) {
            Some(other) => format!("it is the file's picture {other}"),
            None => "it is none of the file's".into(),
        };
        report.differences.push(format!("picture {index} differs; {note}"));
    }
    let (expected, seen) = report.pictures;
    if seen > expected && !file.messages.is_empty() && differs.is_none() {
        report.notes.push(format!("{} pictures more than ffmpeg gets from the file", seen - expected));
    } else if expected != seen {
        report.differences.push(format!("{expected} pictures in the file, {seen} received"));
    }
}

/// The first `seconds` of the film were received: what of the file that is. Its last half second is left out, where
/// the one may have ended earlier than the other.
pub fn difference_of_start(file: &Decoded, received: &Decoded, seconds: f64) -> Report {
    let until = ((seconds - 0.5) * 1e9) as i64;
    let file = file.until(until);
    let mut received = received.until(until + HALF_SECOND / 2);
    received.pictures.truncate(file.pictures.len());
    difference(&file, &received)
}

const HALF_SECOND: i64 = 500_000_000;

/// Pictures of what was played before a seek that may come first.
const MAX_OLD: usize = 2;

/// `received` is what came after a seek: it must be the file's end, whole, and start at or before `asked` seconds.
/// Audio decoders need a while to become what they would have been, so the audio is held against the pictures by time.
pub fn difference_after_seek(file: &Decoded, received: &Decoded, asked: f64) -> Report {
    let mut report = Report { pictures: (file.pictures.len(), received.pictures.len()), ..Report::default() };
    let hashes = |pictures: &[Picture]| pictures.iter().map(|picture| picture.hash.clone()).collect::<Vec<_>>();
    let ends = file.pictures.iter().enumerate().rev().zip(received.pictures.iter().rev());
    let mut told = ends.filter(|((index, _), _)| !file.is_timeless(*index));
    let offset = told.next().map(|((_, a), b)| b.time - a.time);
    if offset.is_some() {
        let same = (0..=MAX_OLD.min(received.pictures.len() - 1)).find_map(|old| {
            let first = file.pictures.len().checked_sub(received.pictures.len() - old)?;
            (hashes(&file.pictures[first..]) == hashes(&received.pictures[old..])).then_some(first)
        });
        match same {
            Some(first) => {
                let start = (file.pictures[first].time - file.pictures[0].time) as f64 / 1e9;
                report.notes.push(format!("from picture {first} at {start:.3} s"));
                if start > asked + 0.001 {
                    report.differences.push(format!("the first picture is at {start:.3} s, later than {asked:.3} s"));
                }
            }
            None => report.differences.push("what came is not the file's end".into()),
        }
    }
    match (&file.sound, &received.sound) {
        (Some(a), Some(b)) => sound::compare_ends(a, b, offset, &mut report),
        (Some(_), None) => report.differences.push("no audio came".into()),
        _ => {}
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film(times: &[i64], hashes: &str, sound: &[u8], sound_start: i64) -> Decoded {
        let pictures = times.iter().zip(hashes.chars()).map(|(time, hash)| Picture { time: *time, hash: hash.into() });
        let sound = Sound { rate: 1000, samples: sound.to_vec(), block: 1, times: vec![(0, sound_start)], tick: 1 };
        Decoded { pictures: pictures.collect(), sound: Some(sound), ..Decoded::default() }
    }

    #[test]
    fn what_differs_is_said_and_what_may_differ_is_not() {
        let ms = 1_000_000;
        let file = film(&[0, 40 * ms, 80 * ms], "abc", b"sound", 0);
        let cases: &[(Decoded, Option<&str>)] = &[
            (film(&[0, 40 * ms, 80 * ms], "abc", b"sound", 0), None),
            (film(&[7 * ms, 47 * ms, 87 * ms], "abc", b"sound", 7 * ms), None),
            (film(&[0, 40 * ms, 80 * ms], "abc", b"pprsound", -3 * ms), None),
            (film(&[0, 40 * ms, 80 * ms], "acb", b"sound", 0), Some("picture 1 differs; it is the file's picture 2")),
            (film(&[0, 40 * ms], "ab", b"sound", 0), Some("3 pictures in the file, 2 received")),
            (film(&[0, 41 * ms, 80 * ms], "abc", b"sound", 0), Some("a picture is")),
            (film(&[0, 40 * ms, 80 * ms], "abc", b"soumd", 0), Some("audio differs")),
            (film(&[0, 40 * ms, 80 * ms], "abc", b"sound", 5 * ms), Some("audio is 5.000 ms off")),
        ];
        for (received, expected) in cases {
            let report = difference(&file, received);
            match expected {
                None => assert!(report.is_exact(), "{report}"),
                Some(words) => assert!(report.to_string().contains(words), "{report}"),
            }
        }
    }

    #[test]
    fn pictures_from_before_the_clock_of_ffmpeg_are_shown_when_it_begins() {
        let ms = 1_000_000;
        let file = film(&[0, 40 * ms, 80 * ms, 120 * ms], "abcd", b"sound", 62 * ms);
        let report = difference(&file, &film(&[0, 0, 18 * ms, 58 * ms], "abcd", b"sound", 0));
        assert!(report.is_exact() && report.picture_time_error == 0, "{report}");
        for wrong in [[0, 0, 18, 68], [0, 0, 0, 58]] {
            let times = wrong.map(|time| time * ms);
            assert!(!difference(&file, &film(&times, "abcd", b"sound", 0)).is_exact(), "{wrong:?}");
        }
    }

    #[test]
    fn what_ffmpeg_guesses_of_the_last_picture_in_asf_is_told_apart() {
        let ms = 1_000_000;
        let of = |times: &[i64], tick: i64| {
            let times: Vec<i64> = times.iter().map(|time| time * ms).collect();
            Decoded { picture_tick: tick, ..film(&times, "abcd", b"sound", 0) }
        };
        let file = of(&[0, 40, 80, 120], 1);
        let cases: &[(&[i64], i64, Option<i64>)] = &[
            (&[0, 40, 80, 120], ms, Some(0)),
            (&[0, 40, 80, 100], ms, Some(20)),
            (&[0, 40, 80, 100], 11_111, None),
            (&[0, 40, 80, 170], ms, None),
            (&[0, 40, 60, 120], ms, None),
        ];
        for (times, tick, guessed) in cases {
            let report = difference(&file, &of(times, *tick));
            assert_eq!(report.is_exact().then_some(report.last_picture_error / ms), *guessed, "{times:?}: {report}");
        }
    }

    #[test]
    fn a_picture_with_the_time_of_the_one_before_has_none() {
        let ms = 1_000_000;
        let of = |times: &[i64]| film(&times.iter().map(|time| time * ms).collect::<Vec<_>>(), "abcd", b"sound", 0);
        let cases: &[(&[i64], &[i64], bool)] = &[
            (&[0, 40, 80, 80], &[0, 40, 80, 120], true),
            (&[0, 40, 80, 120], &[0, 40, 80, 80], false),
            (&[0, 40, 80, 80], &[0, 40, 90, 120], false),
            (&[0, 40, 80, 100], &[0, 40, 80, 120], false),
        ];
        for (file, received, exact) in cases {
            let report = difference(&of(file), &of(received));
            assert_eq!(report.is_exact(), *exact, "{file:?}, {received:?}: {report}");
        }
    }

    #[test]
    fn what_ffmpeg_guesses_of_a_first_packet_is_told_apart() {
        let ms = 1_000_000;
        let sound = |times: &[(usize, i64)]| Sound {
            rate: 1000,
            samples: b"0123456789abcdefghijklmnopqrst".to_vec(),
            block: 1,
            times: times.to_vec(),
            tick: 1,
        };
        let film = |times: &[(usize, i64)]| Decoded { sound: Some(sound(times)), ..Decoded::default() };
        let file = film(&[(0, 0), (10, 10 * ms), (20, 20 * ms)]);
        let twice = difference(&film(&[(0, 0), (5, 5 * ms), (10, 10 * ms)]), &film(&[(0, 0), (5, 0), (10, 30 * ms)]));
        assert!(twice.is_exact(), "{twice}");
        let guessed = difference(&file, &film(&[(0, 0), (10, 15 * ms), (20, 25 * ms)]));
        assert!(guessed.is_exact() && guessed.sound_time_error == 0, "{guessed}");
        assert_eq!(guessed.first_sound_error, 5 * ms);
        // Times that drift from the samples are the file's own affair.
        let drifting = film(&[(0, 0), (10, 9 * ms), (20, 24 * ms)]);
        let report = difference(&drifting, &file);
        assert!(report.is_exact() && report.notes.len() == 1, "{report}");
        // What comes after what the first packet can hold is no guess.
        let late_from = |from: i64| {
            let time = |sample: i64| sample * ms + if sample >= from { 5 * ms } else { 0 };
            film(&(0..30).map(|sample| (sample as usize, time(sample))).collect::<Vec<_>>())
        };
        let even = late_from(30);
        assert!(difference(&even, &late_from(8)).is_exact());
        assert!(!difference(&even, &late_from(25)).is_exact());
    }

    #[test]
    fn after_a_seek_the_end_must_come_and_its_audio_with_it() {
        let ms = 1_000_000;
        let times: Vec<i64> = (0..10).map(|at| at * 40 * ms).collect();
        let file = film(&times, "abcdefghij", b"sound", 0);
        let cases: &[(&str, i64, f64, Option<&str>)] = &[
            ("fghij", 200, 0.21, None),
            ("xfghij", 160, 0.21, None),
            ("fghij", 200, 0.1, Some("later than 0.100 s")),
            ("fghi", 200, 0.21, Some("not the file's end")),
            ("afgij", 200, 0.21, Some("not the file's end")),
        ];
        for (hashes, start, asked, expected) in cases {
            let times: Vec<i64> = (0..hashes.len() as i64).map(|at| (start + at * 40) * ms).collect();
            let report = difference_after_seek(&file, &film(&times, hashes, b"nd", 3 * ms), *asked);
            match expected {
                None => assert!(report.is_exact(), "{hashes}: {report}"),
                Some(words) => assert!(report.to_string().contains(words), "{hashes}: {report}"),
            }
        }
        let still = film(&[&times[..9], &times[8..9]].concat(), "abcdefghij", b"sound", 0);
        let report = difference_after_seek(&still, &film(&times[5..], "fghij", b"nd", 3 * ms), 0.21);
        assert!(report.is_exact(), "the last picture has the time of the one before: {report}");
        let late = film(&times[5..], "fghij", b"nd", 1200 * ms);
        assert!(difference_after_seek(&file, &late, 0.21).to_string().contains("off the pictures"));
    }
}
