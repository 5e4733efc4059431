//! Boxes: their headers, their nesting, and errors that lead to the byte (ISO 14496-12 section 4.2).

use super::limits::MAX_CHILDREN;
use crate::container::ContainerError;
use bytes::Bytes;
use nom::IResult;
use nom::number::complete::{be_u32, be_u64};
use std::fmt;
use std::sync::Arc;

/// A box's four-character name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FourCc(pub [u8; 4]);

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A box's header: its name, and how many bytes the header and the whole box take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: FourCc,
    pub header: u64,
    /// The whole box with its header; `None`: up to the end of what holds it (size field 0).
    pub size: Option<u64>,
}

/// Bytes that a header takes at most: size, name, 64-bit size.
pub(super) const HEADER_MAX: usize = 16;

/// Reads a box header. A size smaller than the header itself is an error.
pub(super) fn header(input: &[u8]) -> IResult<&[u8], Header> {
    let (rest, small) = be_u32(input)?;
    let (rest, kind) = nom::bytes::complete::take(4usize)(rest)?;
    let kind = FourCc([kind[0], kind[1], kind[2], kind[3]]);
    let (rest, header, size) = match small {
        0 => (rest, 8, None),
        1 => {
            let (rest, large) = be_u64(rest)?;
            (rest, 16, Some(large))
        }
        size => (rest, 8, Some(u64::from(size))),
    };
    if size.is_some_and(|size| size < header) {
        return Err(nom::Err::Failure(nom::error::Error::new(input, nom::error::ErrorKind::Verify)));
    }
    Ok((rest, Header { kind, header, size }))
}

/// A box in memory: its body, and where in the file and in which boxes it lies.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub kind: FourCc,
    /// What follows the header.
    pub body: Bytes,
    /// Of the body's first byte in the file.
    pub offset: u64,
    path: Arc<str>,
}

impl Piece {
    /// A box at the file's top level.
    pub fn root(kind: FourCc, body: Bytes, offset: u64) -> Self {
        Self { kind, body, offset, path: kind.to_string().into() }
    }

    /// A box that was packed into `inside`; `offset` counts from the start of what was unpacked.
    pub fn inflated(inside: &Piece, kind: FourCc, body: Bytes, offset: u64) -> Self {
        Self { kind, body, offset, path: format!("{}/{kind} (inflated)", inside.path).into() }
    }

    /// The boxes inside, after `skip` bytes of fields. A tail too short for a header is passed over: writers
    /// end some boxes with a zero word (QuickTime File Format, user data).
    pub fn children(&self, skip: usize) -> Result<Vec<Piece>, ContainerError> {
        let mut found: Vec<Piece> = Vec::new();
        let mut at = skip;
        while self.body.len().saturating_sub(at) >= 8 {
            let input = &self.body[at..];
            let Ok((_, head)) = header(input) else {
                return Err(self.error(at, "a box with a size smaller than its header"));
            };
            let size = head.size.unwrap_or(input.len() as u64);
            let room = input.len() as u64;
            if size > room {
                return Err(self
                    .error(at, format!("box {} of {size} bytes where only {room} are left in its parent", head.kind)));
            }
            // Both fit: they are at most the body's length.
            let (header, size) = (head.header as usize, size as usize);
            if found.len() >= MAX_CHILDREN {
                return Err(self.error(at, format!("more than {MAX_CHILDREN} boxes in one")));
            }
            let same = found.iter().filter(|piece| piece.kind == head.kind).count();
            let path = if head.kind == FourCc(*b"trak") || head.kind == FourCc(*b"traf") || same > 0 {
                format!("{}/{}[{}]", self.path, head.kind, same + 1)
            } else {
                format!("{}/{}", self.path, head.kind)
            };
            found.push(Piece {
                kind: head.kind,
                body: self.body.slice(at + header..at + size),
                offset: self.offset + (at + header) as u64,
                path: path.into(),
            });
            at += size;
        }
        Ok(found)
    }

    /// Runs a parser over the body; what it can't read is an error with place and path.
    pub fn parse<T>(
        &self,
        what: &str,
        parser: impl for<'a> FnOnce(&'a [u8]) -> IResult<&'a [u8], T>,
    ) -> Result<T, ContainerError> {
        match parser(&self.body) {
            Ok((_, value)) => Ok(value),
            Err(nom::Err::Error(error) | nom::Err::Failure(error)) => {
                let at = self.body.len().saturating_sub(error.input.len());
                Err(self.error(at, format!("{what} expected, the box has {} bytes", self.body.len())))
            }
            Err(nom::Err::Incomplete(_)) => Err(self.error(self.body.len(), format!("{what} is cut"))),
        }
    }

    /// An error at byte `at` of the body.
    pub fn error(&self, at: usize, reason: impl Into<String>) -> ContainerError {
        ContainerError {
            format: "mp4",
            offset: self.offset.saturating_add(at as u64),
            path: self.path.to_string(),
            reason: reason.into(),
        }
    }
}

/// Looks boxes up by name.
pub(super) trait Find {
    /// The first of this name.
    fn find(&self, kind: &[u8; 4]) -> Option<&Piece>;
    /// The first of this name, or an error that says that `parent` lacks it.
    fn need(&self, kind: &[u8; 4], parent: &Piece) -> Result<&Piece, ContainerError> {
        self.find(kind).ok_or_else(|| parent.error(0, format!("no {} box", FourCc(*kind))))
    }
}

impl Find for [Piece] {
    fn find(&self, kind: &[u8; 4]) -> Option<&Piece> {
        self.iter().find(|piece| &piece.kind.0 == kind)
    }
}

/// Version and flags, with which a "full box" begins (ISO 14496-12 section 4.2).
pub(super) fn version_flags(input: &[u8]) -> IResult<&[u8], (u8, u32)> {
    let (rest, word) = be_u32(input)?;
    Ok((rest, ((word >> 24) as u8, word & 0x00ff_ffff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_all_three_kinds_are_read_and_short_ones_refused() {
        #[track_caller]
        fn check(bytes: &[u8], want: Option<(u64, Option<u64>)>) {
            assert_eq!(header(bytes).ok().map(|(_, head)| (head.header, head.size)), want);
        }
        check(b"\0\0\0\x10moov", Some((8, Some(16))));
        check(b"\0\0\0\0mdat", Some((8, None)));
        check(b"\0\0\0\x01mdat\0\0\0\x01\0\0\0\0", Some((16, Some(1 << 32))));
        check(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x08", None);
        check(b"\0\0\0\x07moov", None);
        check(b"\0\0\0\x10moo", None);
    }

    #[test]
    fn an_error_names_the_path_and_the_byte() {
        let body = Bytes::from_static(b"\0\0\0\x08trak\0\0\0\x10trak\0\0\x01\0tkhd");
        let moov = Piece::root(FourCc(*b"moov"), body, 100);
        let traks = moov.children(0).unwrap();
        let error = traks[1].children(0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "mp4: at byte 116 in moov/trak[2]: box tkhd of 256 bytes where only 8 are left in its parent"
        );
    }
}
