//! Where the chunks lie: the way from the file's start through its headers and indexes to one sorted list.

use super::index::{self, Entry};
use super::limits::{INDEX_READ, MAX_ENTRIES, MAX_HEADERS, MAX_TOP_LEVEL};
use super::riff::{self, FourCc, HEADER_LEN, LIST_HEADER_LEN, four_cc, padded};
use super::scan::Scan;
use super::{Avi, State, error, header};
use crate::container::limits::MAX_ACCESS_UNIT;
use crate::container::{ContainerError, Event};
use std::collections::VecDeque;

/// Where the first chunk lies, and how many are looked at.
pub(super) const BEGIN: State = State::Top { at: LIST_HEADER_LEN, left: MAX_TOP_LEVEL };

impl Avi {
    /// Goes over the chunks at the top: headers, media, and the index behind it.
    pub(super) fn top(&mut self, at: u64, left: usize) -> Result<(), ContainerError> {
        let len = self.loader.file_len();
        if len.saturating_sub(at) < LIST_HEADER_LEN || left == 0 {
            return self.begin_index(at.min(len));
        }
        let Some(bytes) = self.loader.whole(at, LIST_HEADER_LEN) else {
            self.state = State::Top { at, left };
            return Ok(());
        };
        let Ok((rest, (name, size))) = riff::header(&bytes) else { return self.begin_index(at) };
        let (body, after) = (at + HEADER_LEN, at + HEADER_LEN + padded(size));
        let list = four_cc(rest).map_or(FourCc::default(), |(_, list)| list);
        self.state = State::Top { at: after, left: left - 1 };
        match (&name.0, &list.0) {
            (b"LIST", b"hdrl") if self.streams.is_empty() => {
                let size = u64::from(size).min(len - body);
                if size > MAX_HEADERS {
                    return Err(error(at, format!("headers (hdrl) of {size} bytes; at most {MAX_HEADERS} are read")));
                }
                self.state = State::Headers { at: body, size, left };
            }
            (b"LIST", b"movi") => {
                self.movi.get_or_insert((body, at + LIST_HEADER_LEN));
                // Nobody came back to write the size of an unfinished one.
                if size < 4 || after > len {
                    return self.begin_index(at);
                }
            }
            (b"idx1", _) if self.movi.is_some() => {
                if self.has_pieces() {
                    return self.begin_index(at);
                }
                self.state = State::OldIndex { at: body, size: u64::from(size).min(len - body) };
            }
            (b"RIFF", _) => return self.begin_index(at),
            // After the media, a name that is none shows that its size was wrong.
            _ if self.movi.is_some() && !name.0.iter().all(u8::is_ascii_graphic) => return self.begin_index(at),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn headers(&mut self, at: u64, size: u64, left: usize) -> Result<(), ContainerError> {
        let Some(bytes) = self.loader.whole(at, size) else {
            self.state = State::Headers { at, size, left };
            return Ok(());
        };
        self.loader.clear();
        // Behind the list's name.
        self.streams = header::read(&bytes.slice(bytes.len().min(4)..));
        if self.streams.is_empty() {
            return Err(ContainerError { path: "hdrl".into(), ..error(at, "no stream headers (strl)") });
        }
        self.state = State::Top { at: at + size + (size & 1), left: left - 1 };
        Ok(())
    }

    fn has_pieces(&self) -> bool {
        self.streams.iter().any(|stream| !stream.pieces.is_empty() || stream.index.is_some())
    }

    /// Nothing more is at the top, which was read up to `at`.
    fn begin_index(&mut self, at: u64) -> Result<(), ContainerError> {
        if self.streams.is_empty() {
            return Err(error(at, "no headers (hdrl), which say what the streams are"));
        }
        self.loader.clear();
        // Media without its list begins somewhere behind the headers.
        self.movi.get_or_insert((at, at));
        let mut left = VecDeque::new();
        for (stream, number) in self.streams.iter().zip(0u8..) {
            if let Some(piece) = &stream.index {
                index::read_standard(piece, number, &mut self.entries);
            }
            left.extend(stream.pieces.iter().map(|(offset, size)| (number, *offset, *size)));
        }
        self.state = State::Pieces { left, budget: self.loader.file_len() };
        Ok(())
    }

    pub(super) fn old_index(&mut self, at: u64, size: u64) {
        let now = size.min(INDEX_READ);
        if now < 16 || self.entries.len() >= MAX_ENTRIES {
            let (name, start) = self.movi.unwrap_or_default();
            // By the specification they count from the list's name; from the file's start is as common.
            return self.begin_check(vec![name, 0, start]);
        }
        let Some(bytes) = self.loader.whole(at, now) else {
            self.state = State::OldIndex { at, size };
            return;
        };
        self.loader.clear();
        index::read_old(&bytes, self.streams.len(), &mut self.entries);
        self.state = State::OldIndex { at: at + now, size: size - now };
    }

    pub(super) fn pieces(&mut self, mut left: VecDeque<(u8, u64, u32)>, budget: u64) {
        let len = self.loader.file_len();
        let Some(&(number, offset, size)) = left.front() else { return self.begin_check(vec![0]) };
        let inside = offset.checked_add(size.into()).is_some_and(|end| end <= len);
        let Some(budget_after) = budget.checked_sub(size.into()) else { return self.begin_check(vec![0]) };
        if !inside || size as usize > MAX_ACCESS_UNIT || u64::from(size) <= HEADER_LEN {
            left.pop_front();
            self.state = State::Pieces { left, budget };
            return;
        }
        let Some(bytes) = self.loader.whole(offset, size.into()) else {
            self.state = State::Pieces { left, budget };
            return;
        };
        self.loader.clear();
        index::read_standard(&bytes[8..], number, &mut self.entries);
        left.pop_front();
        self.state = State::Pieces { left, budget: budget_after };
    }

    fn begin_check(&mut self, bases: Vec<u64>) {
        let len = self.loader.file_len();
        let probes = index::probes(&self.entries, &bases, len);
        let places = bases.iter().flat_map(|base| probes.iter().map(move |probe| probe.header().saturating_add(*base)));
        self.loader.clear();
        self.loader.want_all(places.map(|place| (place, HEADER_LEN as usize)).collect());
        self.state = State::Check { bases, probes };
    }

    pub(super) fn check(&mut self, bases: &[u64], probes: &[Entry]) {
        let base = index::base(probes, bases, |place| self.loader.get(place, HEADER_LEN as usize));
        self.loader.clear();
        let len = self.loader.file_len();
        let indexed = match base {
            Some(base) => {
                self.entries.iter_mut().for_each(|entry| entry.offset = entry.offset.saturating_add(base));
                self.entries.retain(|entry| entry.end() <= len);
                true
            }
            None => {
                let why = if self.entries.is_empty() { "it has no index" } else { "its index leads elsewhere" };
                self.out.push_back(Event::Note(format!("{why}; its chunks are looked for one by one")));
                self.entries.clear();
                false
            }
        };
        if !index::in_order(&self.entries) {
            // Chunks that are shown more than once, or in an order of their own: only the index knows.
            return self.begin_tracks();
        }
        self.entries.sort_unstable_by_key(|entry| entry.offset);
        let start = self.movi.map_or(0, |(_, start)| start);
        let scan = Scan::new(start, &self.entries, self.streams.len());
        self.state = State::Scan { scan: Box::new(scan), indexed };
    }

    pub(super) fn scan(&mut self, mut scan: Box<Scan>, indexed: bool) -> Result<(), ContainerError> {
        if !scan.run(&mut self.entries, &mut self.loader) {
            self.state = State::Scan { scan, indexed };
            return Ok(());
        }
        self.loader.clear();
        let found = self.entries.len() - scan.known();
        if indexed && found > 0 {
            self.out.push_back(Event::Note(format!("its index leaves out {found} chunks, which were found")));
        }
        if scan.cut {
            self.out.push_back(Event::Note("the last chunk is cut by the end of the file".into()));
        }
        if found > 0 {
            self.entries.sort_unstable_by_key(|entry| entry.offset);
        }
        if self.entries.is_empty() {
            let (_, at) = self.movi.unwrap_or_default();
            return Err(error(at, "no chunk of media of any stream from here to the end of the file"));
        }
        self.begin_tracks();
        Ok(())
    }
}
