//! Chunks of a RIFF file: a name, a size and that many bytes, padded to even (AVI RIFF File Reference).

use bytes::Bytes;
use nom::IResult;
use nom::bytes::complete::take;
use nom::number::complete::le_u32;
use std::fmt;

/// A chunk's or codec's four-character name.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(in crate::container) struct FourCc(pub [u8; 4]);

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

/// Bytes of a chunk's header.
pub(in crate::container) const HEADER_LEN: u64 = 8;
/// Bytes of the header of a list: that of a chunk, and the list's own name.
pub(in crate::container) const LIST_HEADER_LEN: u64 = 12;

/// A name.
pub(in crate::container) fn four_cc(input: &[u8]) -> IResult<&[u8], FourCc> {
    let (rest, name) = take(4usize)(input)?;
    Ok((rest, FourCc([name[0], name[1], name[2], name[3]])))
}

/// A chunk's name and the size that it claims, without padding.
pub(in crate::container) fn header(input: &[u8]) -> IResult<&[u8], (FourCc, u32)> {
    let (rest, name) = four_cc(input)?;
    let (rest, size) = le_u32(rest)?;
    Ok((rest, (name, size)))
}

/// Bytes that a chunk of `size` takes after its header.
pub(in crate::container) fn padded(size: u32) -> u64 {
    u64::from(size) + u64::from(size & 1)
}

/// A chunk in memory.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub name: FourCc,
    /// What follows the header: of a list its chunks, without the list's own name.
    pub body: Bytes,
    /// The list's own name.
    pub list: Option<FourCc>,
}

/// The chunks of `body`. One that claims more than is there gets what is there: writers that died left such.
pub(super) fn chunks(body: &Bytes, most: usize) -> Vec<Chunk> {
    let mut found = Vec::new();
    let mut at = 0;
    while found.len() < most
        && let Ok((rest, (name, size))) = header(&body[at..])
    {
        let start = body.len() - rest.len();
        let end = body.len().min(start.saturating_add(size as usize));
        let whole = body.slice(start..end);
        let list = if &name.0 == b"LIST" { four_cc(&whole).ok().map(|(_, list)| list) } else { None };
        let body_at = if list.is_some() { 4 } else { 0 };
        found.push(Chunk { name, body: whole.slice(body_at..), list });
        at = body.len().min(end + (size as usize & 1));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_follow_each_other_padded_to_even() {
        let body = Bytes::from_static(b"JUNK\x03\0\0\0abc\0LIST\x06\0\0\0odmlxystrf\xff\0\0\0cut");
        let found: Vec<_> = chunks(&body, 10).into_iter().map(|chunk| (chunk.name.0, chunk.list, chunk.body)).collect();
        let odml = Some(FourCc(*b"odml"));
        let want: [([u8; 4], Option<FourCc>, &[u8]); 3] =
            [(*b"JUNK", None, b"abc"), (*b"LIST", odml, b"xy"), (*b"strf", None, b"cut")];
        assert_eq!(found, want.map(|(name, list, body)| (name, list, Bytes::from_static(body))));
        assert_eq!(chunks(&body, 1).len(), 1);
        assert!(chunks(&Bytes::from_static(b"JUNK\x03\0\0"), 10).is_empty());
    }
}
