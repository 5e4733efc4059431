//! Cuts a stream at its start codes.

use bytes::{Buf, BytesMut};
use rtp::codec::start_code;

/// Bytes from one start code to the next at most: a stream without further start codes would lie in memory as a whole.
pub(in crate::container) const MAX_SECTION: usize = 16 << 20;

/// Room is made in blocks of this size.
const BLOCK_LEN: usize = 256 << 10;

/// From one start code to the next: the start code and what follows it.
#[derive(Debug, Default)]
pub(in crate::container) struct Sections {
    buffer: BytesMut,
    /// As far as which `buffer` has been searched.
    searched: usize,
    /// Bytes given out or dropped.
    taken: u64,
    /// Bytes before the first start code, and of sections that were too long.
    junk: u64,
}

impl Sections {
    pub fn push(&mut self, bytes: &[u8]) {
        if self.buffer.capacity() - self.buffer.len() < bytes.len() {
            self.buffer.reserve(bytes.len().max(BLOCK_LEN));
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// All bytes that came.
    pub fn pushed(&self) -> u64 {
        self.taken + self.buffer.len() as u64
    }

    /// Where the last section ended in the stream.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The next section that is whole; with `at_end` also the last.
    pub fn next(&mut self, at_end: bool) -> Option<BytesMut> {
        const PREFIX: usize = start_code::PREFIX.len();
        loop {
            let begun = self.buffer.starts_with(&start_code::PREFIX);
            let from = if begun { self.searched.max(PREFIX) } else { self.searched };
            match start_code::find(&self.buffer, from) {
                Some(at) if begun => {
                    (self.searched, self.taken) = (0, self.taken + at as u64);
                    return Some(self.buffer.split_to(at));
                }
                Some(at) => self.drop_first(at),
                None if at_end && begun && self.buffer.len() > PREFIX => {
                    (self.searched, self.taken) = (0, self.pushed());
                    return Some(std::mem::take(&mut self.buffer));
                }
                None => {
                    // The last two bytes may begin a start code.
                    let kept = if at_end { 0 } else { PREFIX - 1 };
                    self.searched = self.buffer.len().saturating_sub(kept);
                    if !begun || self.buffer.len() > MAX_SECTION || at_end {
                        self.drop_first(self.searched);
                    }
                    return None;
                }
            }
        }
    }

    fn drop_first(&mut self, len: usize) {
        if self.buffer[..len].iter().any(|byte| *byte != 0) {
            self.junk += len as u64;
        }
        self.buffer.advance(len);
        (self.searched, self.taken) = (0, self.taken + len as u64);
    }

    /// Bytes left out since the last call.
    pub fn take_junk(&mut self) -> u64 {
        std::mem::take(&mut self.junk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sections of `bytes`, however they come, and the junk.
    fn check(name: &str, bytes: &[u8], expected: &[&[u8]], junk: u64) {
        for piece in [1, 2, 3, 5, bytes.len()] {
            let (mut sections, mut seen) = (Sections::default(), Vec::new());
            for piece in bytes.chunks(piece) {
                sections.push(piece);
                seen.extend(std::iter::from_fn(|| sections.next(false)).map(|section| section.to_vec()));
            }
            seen.extend(std::iter::from_fn(|| sections.next(true)).map(|section| section.to_vec()));
            assert_eq!((seen, sections.take_junk()), (expected.iter().map(|s| s.to_vec()).collect(), junk), "{name}");
        }
    }

    #[test]
    fn sections_begin_with_start_codes() {
        check("two", &[0, 0, 1, 9, 8, 0, 0, 1, 7], &[&[0, 0, 1, 9, 8], &[0, 0, 1, 7]], 0);
        check("zeros before and between", &[0, 0, 0, 1, 9, 0, 0, 0, 1, 7], &[&[0, 0, 1, 9, 0], &[0, 0, 1, 7]], 0);
        check("junk before", &[5, 6, 0, 0, 1, 9], &[&[0, 0, 1, 9]], 2);
        check("junk only", &[5, 6, 7, 8, 9], &[], 5);
        check("a bare prefix at the end", &[0, 0, 1, 9, 0, 0, 1], &[&[0, 0, 1, 9]], 3);
    }

    #[test]
    fn a_section_without_end_is_dropped() {
        let mut sections = Sections::default();
        sections.push(&[0, 0, 1, 9]);
        for _ in 0..40 {
            sections.push(&[7; 1 << 20]);
            assert!(sections.next(false).is_none() && sections.buffer.len() <= MAX_SECTION + (1 << 20));
        }
        sections.push(&[0, 0, 1, 8]);
        assert_eq!(sections.next(true).as_deref(), Some(&[0, 0, 1, 8][..]));
    }
}
