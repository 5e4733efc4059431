//! Bytes of an elementary stream that wait to be cut into access units.

use super::marks::Marks;
use super::timeline::Stamp;
use bytes::{Buf, Bytes, BytesMut};
use std::ops::Deref;

/// Room is made in blocks of this size, which access units share.
const BLOCK_LEN: usize = 256 << 10;

/// What has come of a stream and is not cut yet, with the times of its packets.
#[derive(Debug, Default)]
pub(super) struct Uncut {
    bytes: BytesMut,
    /// Where they begin in the stream.
    start: u64,
    marks: Marks,
}

impl Uncut {
    /// A packet's payload comes, with the packet's time if it has one.
    pub fn push(&mut self, payload: &[u8], stamp: Option<Stamp>) {
        if let Some(stamp) = stamp {
            self.marks.add(self.end(), stamp);
        }
        if self.bytes.capacity() - self.bytes.len() < payload.len() {
            self.bytes.reserve(payload.len().max(BLOCK_LEN));
        }
        self.bytes.extend_from_slice(payload);
    }

    /// Where in the stream the first of them lies.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Where in the stream the next to come will lie.
    pub fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The index of what lies at `offset` of the stream, if that is to come; 0 if it has gone.
    pub fn index(&self, offset: u64) -> usize {
        usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX)
    }

    /// Takes the first `len`, or all that there are.
    pub fn take(&mut self, len: usize) -> Bytes {
        let taken = self.bytes.split_to(len.min(self.bytes.len())).freeze();
        self.start += taken.len() as u64;
        taken
    }

    /// Leaves out the first `len`, or all that there are; answers how many.
    pub fn skip(&mut self, len: usize) -> u64 {
        let len = len.min(self.bytes.len());
        self.bytes.advance(len);
        self.start += len as u64;
        len as u64
    }

    /// The time of the access unit that begins at `offset` of the stream, once (see [`Marks::take`]).
    pub fn stamp(&mut self, offset: u64) -> Option<Stamp> {
        self.marks.take(offset)
    }
}

impl Deref for Uncut {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::timeline::Timeline;
    use super::*;

    #[test]
    fn places_in_the_stream_stay_as_bytes_go() {
        let timeline = Timeline::default();
        let mut uncut = Uncut::default();
        uncut.push(b"abcd", Some(timeline.stamp(1)));
        uncut.push(b"efgh", Some(timeline.stamp(2)));
        assert_eq!((uncut.start(), uncut.end(), uncut.index(6), uncut.len()), (0, 8, 6, 8));
        assert_eq!((uncut.skip(3), &uncut.take(2)[..]), (3, &b"de"[..]));
        assert_eq!((uncut.start(), uncut.index(6), uncut.index(2), &uncut[..]), (5, 1, 0, &b"fgh"[..]));
        assert_eq!(uncut.stamp(3), Some(timeline.stamp(1)));
        assert_eq!(uncut.stamp(5), Some(timeline.stamp(2)));
        assert_eq!(uncut.stamp(5), None);
        uncut.push(b"i", None);
        assert_eq!((uncut.skip(9), uncut.start(), uncut.end(), uncut.take(1).len()), (4, 9, 9, 0));
    }
}
