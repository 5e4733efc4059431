//! One track's samples, from its tables and then its fragments, as they are to be sent.

use super::codec::{Codec, ima4};
use super::edits::{self, Edit, Segment, Timeline};
use super::entry::Kind;
use super::fragment::Run;
use super::limits::{FIRST_SAMPLES, MAX_SAMPLES};
use super::tables::Entry;
use super::track::Track;
use crate::container::limits::MAX_ACCESS_UNIT;
use bytes::Bytes;
use std::collections::VecDeque;

/// A sample that is to be read, with its times on the presentation's timeline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    /// Which of the streams.
    pub stream: usize,
    pub offset: u64,
    pub size: usize,
    pub dts: i64,
    pub pts: i64,
    pub duration: i64,
    pub sync: bool,
    /// Sample description, from 0.
    pub description: usize,
}

/// A track on its way.
#[derive(Debug)]
pub(super) struct Stream {
    pub number: u32,
    pub id: u32,
    /// Ticks per second of the times that it gives: the media's timescale times `scale`.
    pub timescale: u32,
    pub language: Option<String>,
    pub audio: bool,
    pub text: bool,
    /// There is no table of sync samples, which some writers leave out though not all are: the bytes must show it.
    pub doubtful_sync: bool,
    /// By sample description; `None` for those that can't be sent.
    pub codecs: Vec<Option<Codec>>,
    /// Of IMA ADPCM, from sample to sample.
    pub ima4: ima4::State,
    /// The next sample, taken out to be compared with the other tracks'.
    pub next: Option<Planned>,
    /// For people.
    pub notes: Vec<String>,
    pub runs: VecDeque<Run>,
    edits: Vec<Edit>,
    segments: VecDeque<Segment>,
    first_shown: Option<i64>,
    /// Of the next sample of a fragment that has no time of its own.
    fragment_dts: i64,
    /// By how much decoding times of fragments go back (negative composition offsets).
    fragment_dts_shift: i64,
    scale: i64,
    /// In scaled ticks: where the presentation begins.
    zero: i64,
    last_dts: i64,
    seen: u64,
    noted: Noted,
}

#[derive(Debug, Default)]
struct Noted {
    beyond: bool,
    large: bool,
    description: bool,
    damaged: bool,
}

impl Stream {
    /// Lays the track out by its edits; an error says why it can't be.
    pub fn new(track: Track) -> Result<Self, String> {
        let Timeline { segments, first_shown } = edits::timeline(&track.tables, &track.edits, track.audio)?;
        let codecs: Vec<Option<Codec>> = track
            .descriptions
            .into_iter()
            .map(|description| match description.kind {
                Kind::Known(codec) => Some(codec),
                Kind::Unknown(_) | Kind::Encrypted(_) => None,
            })
            .collect();
        let codecs = only_like_the_first(codecs);
        let fragment_dts = track.tables.cursor().map(|entry| i64::from(entry.duration)).sum();
        Ok(Self {
            number: track.number,
            id: track.id,
            timescale: track.timescale,
            language: track.language,
            audio: track.audio,
            text: track.text,
            doubtful_sync: track.tables.count > 0 && track.tables.all_sync(),
            codecs,
            ima4: ima4::State::default(),
            next: None,
            notes: Vec::new(),
            runs: VecDeque::new(),
            edits: track.edits,
            segments,
            first_shown,
            fragment_dts,
            fragment_dts_shift: 0,
            scale: 1,
            zero: 0,
            last_dts: i64::MIN,
            seen: 0,
            noted: Noted::default(),
        })
    }

    /// Whether anything of it has been found yet.
    pub fn has_samples(&self) -> bool {
        !self.segments.is_empty() || !self.runs.is_empty()
    }

    /// The earliest time shown, in media timescale after edits, as far as is known. Looks at the first fragments;
    /// call once they are there.
    pub fn first_shown(&mut self) -> Option<i64> {
        if self.first_shown.is_some() || self.runs.is_empty() {
            return self.first_shown;
        }
        let shift = edits::fragment_shift(&self.edits);
        let trimmed = !self.edits.is_empty();
        let mut dts = self.fragment_dts;
        let mut left = FIRST_SAMPLES;
        for mut run in self.runs.iter().cloned() {
            dts = run.start.unwrap_or(dts);
            while let Some(entry) = run.next(dts) {
                left -= 1;
                if left == 0 {
                    return self.first_shown;
                }
                dts = dts.saturating_add(entry.duration.into());
                self.fragment_dts_shift = self.fragment_dts_shift.max(entry.dts.saturating_sub(entry.cts));
                let mut shown = entry.cts.saturating_add(shift);
                if trimmed {
                    let until = if self.audio { shown.saturating_add(entry.duration.into()) } else { shown + 1 };
                    if until <= 0 {
                        continue;
                    }
                    shown = shown.max(0);
                }
                self.first_shown = Some(self.first_shown.map_or(shown, |first| first.min(shown)));
            }
        }
        self.first_shown
    }

    /// Makes the presentation begin at `zero.0 / zero.1` seconds of the file's timeline. Where that is no
    /// whole number of ticks, ticks are made finer, so that no two tracks are rounded differently.
    pub fn set_zero(&mut self, zero: (i64, u32)) {
        let product = i128::from(zero.0) * i128::from(self.timescale);
        let den = i128::from(zero.1);
        let scale = den / gcd(product.unsigned_abs(), den.unsigned_abs()).max(1).cast_signed();
        if let Ok(scale) = u32::try_from(scale)
            && let Some(fine) = self.timescale.checked_mul(scale)
        {
            self.timescale = fine;
            self.scale = scale.into();
        }
        self.zero = i64::try_from(product * i128::from(self.scale) / den).unwrap_or(0);
    }

    /// Fills [`Stream::next`], if there is a sample that can be read from a file of `len` bytes.
    pub fn advance(&mut self, stream: usize, len: u64) {
        while self.next.is_none() {
            if self.seen >= MAX_SAMPLES {
                if self.seen == MAX_SAMPLES {
                    self.seen += 1;
                    self.notes.push(format!("track {} ends here: at most {MAX_SAMPLES} samples are read", self.number));
                }
                self.segments.clear();
                self.runs.clear();
                return;
            }
            let Some((entry, shift)) = self.entry() else { return };
            self.seen += 1;
            self.next = self.planned(stream, entry, shift, len);
        }
    }

    fn entry(&mut self) -> Option<(Entry, i64)> {
        while let Some(segment) = self.segments.front_mut() {
            if segment.count > 0
                && let Some(entry) = segment.cursor.next()
            {
                segment.count -= 1;
                return Some((entry, segment.shift));
            }
            self.segments.pop_front();
        }
        while let Some(run) = self.runs.front_mut() {
            self.fragment_dts = run.start.take().unwrap_or(self.fragment_dts);
            if let Some(mut entry) = run.next(self.fragment_dts) {
                self.fragment_dts = self.fragment_dts.saturating_add(entry.duration.into());
                entry.dts = entry.dts.saturating_sub(self.fragment_dts_shift);
                return Some((entry, edits::fragment_shift(&self.edits)));
            }
            self.runs.pop_front();
        }
        None
    }

    /// `None` for what can't be read; people are told once of each kind.
    fn planned(&mut self, stream: usize, entry: Entry, shift: i64, len: u64) -> Option<Planned> {
        let (number, Entry { offset, .. }) = (self.number, entry);
        let mut note = |told: &mut bool, why: String| {
            if !std::mem::replace(told, true) {
                self.notes
                    .push(format!("track {number}: a sample at byte {offset} and all like it are left out: {why}"));
            }
        };
        let size = entry.size as usize;
        let description = (entry.description as usize).saturating_sub(1);
        if size == 0 {
            return None;
        }
        if entry.offset.checked_add(entry.size.into()).is_none_or(|end| end > len) {
            note(&mut self.noted.beyond, format!("it lies beyond the end of the file ({len} bytes)"));
            return None;
        }
        if size > MAX_ACCESS_UNIT {
            note(&mut self.noted.large, format!("{size} bytes, at most {MAX_ACCESS_UNIT} are read"));
            return None;
        }
        if self.codecs.get(description).is_none_or(Option::is_none) {
            note(&mut self.noted.description, format!("its sample description {} can't be used", description + 1));
            return None;
        }
        let place = |time: i64| time.saturating_add(shift).saturating_mul(self.scale).saturating_sub(self.zero);
        // Decoding times go back where a later edit begins before its first picture; the wire's don't.
        let dts = place(entry.dts).max(self.last_dts);
        self.last_dts = dts;
        let duration = i64::from(entry.duration).saturating_mul(self.scale);
        Some(Planned { stream, offset, size, dts, pts: place(entry.cts), duration, sync: entry.sync, description })
    }

    /// A sample's bytes as they are given out; an error is what is to be told. All descriptions are of one codec.
    pub fn unpack(&mut self, data: Bytes) -> Result<Bytes, Option<String>> {
        let Some(codec) = self.codecs.iter().flatten().next() else { return Ok(data) };
        codec.unpack(data).map_err(|why| self.damaged(None, why))
    }

    /// Says once that a sample is damaged.
    pub fn damaged(&mut self, offset: Option<u64>, why: &str) -> Option<String> {
        let place = offset.map(|offset| format!("in the sample at byte {offset} ")).unwrap_or_default();
        (!std::mem::replace(&mut self.noted.damaged, true))
            .then(|| format!("track {}: {place}{why}; there may be more", self.number))
    }
}

/// A track is one format: descriptions of another one can't be used.
fn only_like_the_first(mut codecs: Vec<Option<Codec>>) -> Vec<Option<Codec>> {
    if let Some((Some(first), others)) = codecs.split_first_mut() {
        others.iter_mut().for_each(|other| *other = other.take().filter(|codec| codec.may_follow(first)));
    }
    codecs
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
