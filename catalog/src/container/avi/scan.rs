//! Chunks of media where no index leads: found by their headers, one after another, over junk.

use super::index::{Entry, Key, stream_of};
use super::limits::{MAX_ENTRIES, SCAN_READ};
use super::riff::{FourCc, HEADER_LEN, LIST_HEADER_LEN, four_cc, header, padded};
use crate::container::limits::MAX_ACCESS_UNIT;
use crate::container::loader::Loader;
use bytes::Bytes;

/// Goes through the gaps between the chunks that are known: all of the media where there is no index, its end
/// where the index ends early, and nothing in a file in order.
#[derive(Debug)]
pub(super) struct Scan {
    at: u64,
    /// The first entries are sorted by their offsets; those found are behind them.
    known: usize,
    /// The known entry that ends this gap.
    next: usize,
    streams: usize,
    /// The last chunk had an odd size, and a writer may have left out the padding.
    maybe_unpadded: bool,
    window: (u64, Bytes),
    /// The last chunk is cut by the end of the file.
    pub cut: bool,
}

/// What lies at a place.
enum Found {
    /// A list whose chunks count as if they lay there by themselves.
    List,
    Media(u8, u32),
    Other(u32),
    Junk,
}

impl Scan {
    /// From `start` to the file's end. `entries` are sorted.
    pub fn new(start: u64, entries: &[Entry], streams: usize) -> Self {
        let window = (start, Bytes::new());
        let known = entries.len();
        Self { at: start, known, next: 0, streams, maybe_unpadded: false, window, cut: false }
    }

    /// How many of the entries were known before.
    pub fn known(&self) -> usize {
        self.known
    }

    /// Goes on as far as the bytes that are there lead. True when it is done; otherwise the loader has been asked.
    pub fn run(&mut self, entries: &mut Vec<Entry>, loader: &mut Loader) -> bool {
        let len = loader.file_len();
        while entries.len() < MAX_ENTRIES {
            while let Some(entry) = entries.get(self.next).filter(|_| self.next < self.known)
                && entry.header() <= self.at
            {
                let end = entry.offset.saturating_add(padded(entry.size));
                self.at = self.at.max(end);
                self.next += 1;
            }
            let following = entries.get(self.next).filter(|_| self.next < self.known);
            let end = following.map_or(len, Entry::header).min(len);
            if end.saturating_sub(self.at) < HEADER_LEN {
                if following.is_none() {
                    return true;
                }
                self.at = end;
                continue;
            }
            if !self.load(end, loader) {
                return false;
            }
            self.step(end, len, entries);
        }
        true
    }

    /// Whether a header at [`Scan::at`] is in the window.
    fn load(&mut self, end: u64, loader: &mut Loader) -> bool {
        let wanted = (end - self.at).min(LIST_HEADER_LEN);
        if self.at >= self.window.0 && self.at + wanted <= self.window.0 + self.window.1.len() as u64 {
            return true;
        }
        // One byte before, for a chunk without its padding.
        let start = self.at.saturating_sub(1);
        let size = (end - start).min(SCAN_READ);
        let Some(bytes) = loader.whole(start, size) else { return false };
        loader.clear();
        self.window = (start, bytes);
        true
    }

    /// What is in the window from `at` on.
    fn bytes(&self, at: u64) -> &[u8] {
        let from = at.checked_sub(self.window.0).and_then(|from| usize::try_from(from).ok());
        from.and_then(|from| self.window.1.get(from..)).unwrap_or_default()
    }

    fn step(&mut self, end: u64, len: u64, entries: &mut Vec<Entry>) {
        if std::mem::take(&mut self.maybe_unpadded)
            && !self.fits(self.at, end)
            && self.at > self.window.0
            && self.fits(self.at - 1, end)
        {
            self.at -= 1;
        }
        match classify(self.bytes(self.at), self.streams) {
            Found::List => self.at += LIST_HEADER_LEN,
            Found::Media(stream, size) => {
                let offset = self.at + HEADER_LEN;
                let mut size = size;
                if offset.saturating_add(size.into()) > end {
                    if end < len || size as usize > MAX_ACCESS_UNIT {
                        return self.resync(end);
                    }
                    self.cut = true;
                    // Less than `size`.
                    size = (end - offset) as u32;
                }
                entries.push(Entry { offset, size, stream, key: Key::Unknown });
                self.at = offset + padded(size);
                self.maybe_unpadded = size & 1 == 1;
            }
            Found::Other(size) => {
                let after = self.at + HEADER_LEN + padded(size);
                if after > end.saturating_add(1) {
                    return self.resync(end);
                }
                self.at = after;
                self.maybe_unpadded = size & 1 == 1;
            }
            Found::Junk => self.resync(end),
        }
    }

    /// Whether what lies at `at` is a header of something that ends before `end`.
    fn fits(&self, at: u64, end: u64) -> bool {
        match classify(self.bytes(at), self.streams) {
            Found::List => true,
            Found::Media(_, size) | Found::Other(size) => (at + HEADER_LEN).saturating_add(size.into()) <= end,
            Found::Junk => false,
        }
    }

    /// Goes on to the next place in the window that may be a header.
    fn resync(&mut self, end: u64) {
        let last = self.window.0 + self.window.1.len() as u64;
        self.at += 1;
        while self.at + LIST_HEADER_LEN <= last && !self.fits(self.at, end) {
            self.at += 1;
        }
    }
}

fn classify(bytes: &[u8], streams: usize) -> Found {
    let Ok((rest, (name, size))) = header(bytes) else { return Found::Junk };
    if let Some(stream) = stream_of(name, streams) {
        return Found::Media(stream, size);
    }
    match &name.0 {
        b"RIFF" => Found::List,
        b"LIST" => match four_cc(rest) {
            Ok((_, FourCc(name))) if matches!(&name, b"movi" | b"rec ") => Found::List,
            Ok(_) => Found::Other(size),
            Err(_) => Found::Junk,
        },
        b"idx1" | b"JUNK" => Found::Other(size),
        [b'i', b'x', tens, ones] | [tens, ones, b'i', b'x'] | [tens, ones, b'p', b'c']
            if tens.is_ascii_digit() && ones.is_ascii_digit() =>
        {
            Found::Other(size)
        }
        _ => Found::Junk,
    }
}
