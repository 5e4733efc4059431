//! Sample groups (ISO 14496-12 section 8.9): samples where decoding may begin though they are no sync samples.
//!
//! Only `rap ` says so (section 10.4): a picture that refers to nothing before it, while some that follow it in the file
//! and are shown before it do. A sample of `roll` begins a gradual refresh or wants others decoded before it, so that
//! it is nowhere to begin, and the other groups say nothing of decoding.

use super::boxes::{Piece, version_flags};
use crate::container::ContainerError;
use bytes::Bytes;
use nom::bytes::complete::take;
use nom::number::complete::be_u32;

/// Walks over the samples of a table or of a track's fragment and says which are points of random access.
#[derive(Clone, Debug, Default)]
pub(super) struct RandomAccess {
    /// (count, description) pairs that have not been reached.
    rows: Bytes,
    /// Samples left of the row before.
    left: u32,
    /// Whether these belong to the group.
    inside: bool,
}

/// Bytes of a row.
const ROW: usize = 8;

impl RandomAccess {
    /// Reads the groups among `boxes`, the content of `stbl` or `traf`.
    ///
    /// # Errors
    /// A box that claims more than it holds.
    pub fn read(boxes: &[Piece]) -> Result<Self, ContainerError> {
        for piece in boxes.iter().filter(|piece| &piece.kind.0 == b"sbgp") {
            let (kind, head) = piece.parse("a grouping type", |input| {
                let (input, (version, _)) = version_flags(input)?;
                let (input, kind) = be_u32(input)?;
                // Version 1 has a parameter of the type.
                Ok((input, (kind, if version == 0 { 8 } else { 12 })))
            })?;
            if kind.to_be_bytes() != *b"rap " {
                continue;
            }
            let count = piece.parse("a count of groups", |input| {
                let (input, _) = take(head)(input)?;
                be_u32(input)
            })?;
            let rows = piece.body.slice(head + 4..);
            let room = rows.len() / ROW;
            if count as usize > room {
                return Err(piece.error(head, format!("{count} entries claimed, the box has room for {room}")));
            }
            return Ok(Self { rows: rows.slice(..count as usize * ROW), ..Self::default() });
        }
        Ok(Self::default())
    }

    /// Whether the next sample is one; goes on by one.
    pub fn next(&mut self) -> bool {
        self.reach();
        let inside = self.inside && self.left > 0;
        self.left = self.left.saturating_sub(1);
        inside
    }

    /// Passes over so many samples.
    pub fn skip(&mut self, mut count: u32) {
        while count > 0 {
            self.reach();
            if self.left == 0 {
                return;
            }
            let step = count.min(self.left);
            (count, self.left) = (count - step, self.left - step);
        }
    }

    /// Goes on to the row of the next sample; behind the last one no sample belongs to a group.
    fn reach(&mut self) {
        while self.left == 0 && self.rows.len() >= ROW {
            let row = self.rows.split_to(ROW);
            let word = |at: usize| u32::from_be_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]]);
            // Description 0: none of this type.
            (self.left, self.inside) = (word(0), word(4) != 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::boxes::FourCc;
    use super::super::tests::tree::words;
    use super::*;

    fn sbgp(version: u32, kind: &[u8; 4], rest: &[u32]) -> Piece {
        let body = [words(&[version << 24]), kind.to_vec(), words(rest)].concat();
        Piece::root(FourCc(*b"sbgp"), body.into(), 100)
    }

    #[test]
    fn samples_of_the_group_are_found() {
        let cases: &[(&str, &[Piece], &str)] = &[
            ("none", &[], "......"),
            ("one in two", &[sbgp(0, b"rap ", &[4, 1, 0, 1, 1, 1, 0, 1, 2])], ".*.*.."),
            ("a parameter", &[sbgp(1, b"rap ", &[7, 1, 2, 1])], "**...."),
            ("empty rows", &[sbgp(0, b"rap ", &[3, 0, 1, 3, 0, 2, 1])], "...**."),
            ("behind another", &[sbgp(0, b"roll", &[1, 6, 1]), sbgp(0, b"rap ", &[1, 1, 1])], "*....."),
            ("a gradual refresh", &[sbgp(0, b"roll", &[1, 6, 1])], "......"),
            ("of a fragment", &[sbgp(0, b"rap ", &[1, 1, 0x1_0001])], "*....."),
        ];
        for (name, boxes, want) in cases {
            let groups = RandomAccess::read(boxes).unwrap();
            let mark = |inside: bool| if inside { '*' } else { '.' };
            let mut walk = groups.clone();
            assert_eq!((0..6).map(|_| mark(walk.next())).collect::<String>(), *want, "{name}");
            for passed in 0..6 {
                let mut walk = groups.clone();
                walk.skip(passed);
                let rest: String = (passed..6).map(|_| mark(walk.next())).collect();
                assert_eq!(rest, want[passed as usize..], "{name} behind {passed}");
            }
        }
    }

    #[test]
    fn claims_without_bytes_are_refused() {
        let error = |piece: Piece| RandomAccess::read(&[piece]).unwrap_err().to_string();
        let many = error(sbgp(0, b"rap ", &[2, 1, 1]));
        assert_eq!(many, "mp4: at byte 108 in sbgp: 2 entries claimed, the box has room for 1");
        assert!(error(sbgp(1, b"rap ", &[2])).contains("a count of groups expected"));
    }
}
