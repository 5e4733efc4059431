//! AVI 1.0 and OpenDML (AVI RIFF File Reference; OpenDML AVI File Format Extensions 1.02).
//!
//! The file's own index says where the chunks lie, where it can be believed (`index`); what it doesn't lead to is
//! found by going through the file (`scan`); `find` puts both together. `track` makes samples of a track's chunks, through `picture`
//! and `order` or through `sound`, or leaves them to ASF, described as `bitmap` does; here the tracks are merged by time, and what lies together in the file is
//! read together. If a codec has no payload format of its own, all tracks travel in packets of ASF.

mod bitmap;
mod find;
mod header;
mod index;
mod limits;
mod order;
mod picture;
pub(super) mod riff;
mod scan;
pub(super) mod sound;
#[cfg(test)]
pub(super) mod tests;
mod track;

use super::limits::MAX_ACCESS_UNIT;
use super::loader::{Loader, OverLoader};
use super::{ContainerError, Event};
use bytes::Bytes;
use header::{Media, Stream};
use index::Entry;
use limits::{BATCH_BYTES, BATCH_CHUNKS, FIRST_BYTES, FIRST_CHUNKS, MAX_ENTRIES, MAX_REPEATED};
use scan::Scan;
use sound::Refused;
use std::collections::VecDeque;
use track::{Candidate, Planned, Track};

/// Whether a file that begins with `head` is an AVI file.
pub fn looks_like(head: &[u8]) -> bool {
    // AVIX: the first part of a file in parts is gone. A byte other than a space is from a writer with a bug.
    head.starts_with(b"RIFF") && head.get(8..11) == Some(b"AVI")
}

/// Reads an AVI file.
pub struct Avi {
    loader: Loader,
    state: State,
    out: VecDeque<Event>,
    streams: Vec<Stream>,
    /// Where `movi` says its name, and where what lies in it begins.
    movi: Option<(u64, u64)>,
    entries: Vec<Entry>,
    tracks: Vec<Track>,
    /// The next chunk of each track.
    next: Vec<Option<(u64, Planned)>>,
    /// Planned and not read yet.
    batch: Vec<Planned>,
    /// Of all chunks planned so far.
    planned_bytes: u64,
}

enum State {
    /// Headers, media and index are looked for; the next chunk begins at `at`.
    Top {
        at: u64,
        left: usize,
    },
    /// The headers lie there.
    Headers {
        at: u64,
        size: u64,
        left: usize,
    },
    /// What is left of `idx1` lies there.
    OldIndex {
        at: u64,
        size: u64,
    },
    /// The pieces of the streams' indexes that are left: stream, offset, size.
    Pieces {
        left: VecDeque<(u8, u64, u32)>,
        budget: u64,
    },
    /// Some of its entries are held against the file.
    Check {
        bases: Vec<u64>,
        probes: Vec<Entry>,
    },
    /// Chunks that no index leads to are looked for.
    Scan {
        scan: Box<Scan>,
        indexed: bool,
    },
    /// The first chunks of each stream must be seen.
    First,
    /// The next chunks are chosen.
    Plan,
    /// They are being read.
    Read,
    End,
}

impl OverLoader for Avi {
    fn parts(&mut self) -> (&mut VecDeque<Event>, &mut Loader) {
        (&mut self.out, &mut self.loader)
    }

    fn step(&mut self) -> Result<bool, ContainerError> {
        match std::mem::replace(&mut self.state, State::End) {
            State::Top { at, left } => self.top(at, left)?,
            State::Headers { at, size, left } => self.headers(at, size, left)?,
            State::OldIndex { at, size } => self.old_index(at, size),
            State::Pieces { left, budget } => self.pieces(left, budget),
            State::Check { bases, probes } => self.check(&bases, &probes),
            State::Scan { scan, indexed } => self.scan(scan, indexed)?,
            State::First => self.announce()?,
            State::Plan => self.plan()?,
            State::Read => self.emit()?,
            State::End => return Ok(false),
        }
        Ok(true)
    }
}

impl Avi {
    /// For a file of `len` bytes.
    pub fn new(len: u64) -> Self {
        Self {
            loader: Loader::new("avi", len),
            state: find::BEGIN,
            out: VecDeque::new(),
            streams: Vec::new(),
            movi: None,
            entries: Vec::new(),
            tracks: Vec::new(),
            next: Vec::new(),
            batch: Vec::new(),
            planned_bytes: 0,
        }
    }

    fn begin_tracks(&mut self) {
        if self.entries.len() >= MAX_ENTRIES {
            self.out.push_back(Event::Note(format!("it ends early: at most {MAX_ENTRIES} chunks are read")));
        }
        let ranges = (0u8..).take(self.streams.len()).flat_map(|number| self.first_ranges(number)).collect();
        self.loader.want_all(ranges);
        self.state = State::First;
    }

    /// The chunks of a stream by which it is known.
    fn first_ranges(&self, number: u8) -> Vec<(u64, usize)> {
        let most = match self.streams[usize::from(number)].media {
            Media::Video(_) => FIRST_BYTES,
            Media::Audio(_) => sound::FIRST_BYTES,
            Media::Other(_) => return Vec::new(),
        };
        let mut bytes = 0;
        let own = self.entries.iter().filter(|entry| entry.stream == number && entry.size > 0);
        let own = own.map(|entry| (entry.offset, entry.size as usize)).take(FIRST_CHUNKS);
        let enough = own.take_while(|(_, size)| {
            let first = bytes == 0;
            bytes += size;
            *size <= MAX_ACCESS_UNIT && (first || bytes <= most)
        });
        enough.collect()
    }

    fn announce(&mut self) -> Result<(), ContainerError> {
        let mut candidates = Vec::new();
        let mut reasons = Vec::new();
        let mut leave_out = |number: u8, why: &str| {
            reasons.push(format!("track {} is left out: {why}", u32::from(number) + 1));
        };
        for (stream, number) in self.streams.iter().zip(0u8..) {
            let first =
                self.first_ranges(number).into_iter().filter_map(|(offset, size)| self.loader.get(offset, size));
            let first: Vec<Bytes> = first.collect();
            match &stream.media {
                Media::Other(what) => leave_out(number, what),
                _ if first.is_empty() => leave_out(number, "it has no chunks"),
                _ => candidates.push(Candidate { stream: stream.clone(), number, first }),
            }
        }
        self.loader.clear();
        let mut opened: Vec<_> = candidates.iter().map(Candidate::open).collect();
        let is_homeless = |track: &Result<Track, Refused>| matches!(track, Err(Refused::NoPayload(_)));
        if opened.iter().any(is_homeless) {
            let wrapped: Vec<_> = candidates.iter().map(Candidate::wrap).collect();
            // Worth it only if it brings a track that would be left out.
            if opened.iter().zip(&wrapped).any(|(track, wrapped)| is_homeless(track) && wrapped.is_ok()) {
                let broken = |track: &Result<Track, Refused>| matches!(track, Err(Refused::Broken(_)));
                opened =
                    opened.into_iter().zip(wrapped).map(|(own, wrap)| if broken(&own) { own } else { wrap }).collect();
            }
        }
        for (track, candidate) in opened.into_iter().zip(&candidates) {
            match track {
                Ok(track) => self.tracks.push(track),
                Err(Refused::NoPayload(why) | Refused::Broken(why)) => leave_out(candidate.number, &why),
            }
        }
        if self.tracks.is_empty() {
            return Err(error(0, format!("no track that can be sent: {}", reasons.join("; "))));
        }
        self.out.extend(reasons.into_iter().map(Event::Note));
        let zero = self.tracks.iter().map(Track::first_us).min().unwrap_or(0);
        for (number, track) in self.tracks.iter_mut().enumerate() {
            track.set_zero(zero);
            self.out.push_back(Event::Track(track.info.clone()));
            self.next.push(track.next(number, &self.entries));
        }
        self.state = State::Plan;
        Ok(())
    }

    /// Chooses the next chunks over all tracks by their times.
    fn plan(&mut self) -> Result<(), ContainerError> {
        let mut bytes = 0;
        while bytes < BATCH_BYTES && self.batch.len() < BATCH_CHUNKS {
            let due = |next: &&mut Option<(u64, Planned)>| next.map_or(u64::MAX, |(due, _)| due);
            let Some((_, planned)) = self.next.iter_mut().min_by_key(due).and_then(Option::take) else { break };
            self.next[planned.track] = self.tracks[planned.track].next(planned.track, &self.entries);
            self.planned_bytes = self.planned_bytes.saturating_add(planned.size.into());
            if self.planned_bytes / MAX_REPEATED > self.loader.file_len() {
                let reason = format!("chunks overlap: together they have over {MAX_REPEATED} times the file's bytes");
                return Err(error(planned.offset, reason));
            }
            if planned.size as usize > MAX_ACCESS_UNIT {
                let (offset, size) = (planned.offset, planned.size);
                let note = format!("the chunk of {size} bytes at byte {offset} is left out: {MAX_ACCESS_UNIT} at most");
                self.out.push_back(Event::Note(note));
                continue;
            }
            bytes += planned.size as usize;
            self.batch.push(planned);
        }
        if self.batch.is_empty() {
            let mut samples = VecDeque::new();
            self.tracks.iter_mut().for_each(|track| track.finish(&mut samples));
            self.out.extend(samples.into_iter().map(Event::Sample));
            return Ok(());
        }
        self.loader.clear();
        self.loader.want_all(self.batch.iter().map(|planned| (planned.offset, planned.size as usize)).collect());
        self.state = State::Read;
        Ok(())
    }

    /// Gives out what comes of the chunks that have been read.
    fn emit(&mut self) -> Result<(), ContainerError> {
        let mut samples = VecDeque::new();
        for planned in self.batch.drain(..) {
            let Some(data) = self.loader.get(planned.offset, planned.size as usize) else {
                return Err(error(planned.offset, "the bytes asked for did not come"));
            };
            self.tracks[planned.track].handle(&planned, data, &mut samples);
        }
        self.out.extend(samples.into_iter().filter(|sample| !sample.data.is_empty()).map(Event::Sample));
        self.loader.clear();
        self.state = State::Plan;
        Ok(())
    }
}

fn error(offset: u64, reason: impl Into<String>) -> ContainerError {
    ContainerError { format: "avi", offset, path: String::new(), reason: reason.into() }
}
