//! EBML (RFC 8794): elements with an identifier and a length, each of one to eight bytes, one in the other.

use nom::IResult;
use nom::bytes::complete::take;
use nom::error::{Error, ErrorKind};
use nom::number::complete::be_u8;

/// Bytes of an element's identifier and length at most.
pub const HEAD_MAX: usize = 12;

/// An element's identifier, with its length marker as it is written in the specification, and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub id: u32,
    /// Bytes of identifier and length.
    pub header: u64,
    /// Bytes after them; `None`: unknown, it ends where an element comes that can't be in it (section 6.2).
    pub size: Option<u64>,
}

/// Reads an element's head.
pub fn head(input: &[u8]) -> IResult<&[u8], Head> {
    let (rest, id, id_len) = number(input, 4, true)?;
    let (rest, size, size_len) = number(rest, 8, false)?;
    // All bits set mean an unknown length, in whichever number of bytes.
    let unknown = size == (1 << (7 * size_len)) - 1;
    let header = u64::from(id_len + size_len);
    // Four bytes at most.
    Ok((rest, Head { id: id as u32, header, size: (!unknown).then_some(size) }))
}

/// A number of variable length (section 4), without its marker.
pub fn vint(input: &[u8]) -> IResult<&[u8], u64> {
    number(input, 8, false).map(|(rest, value, _)| (rest, value))
}

/// The same, with a sign: half of what its length can say stands for zero (EBML lacing, RFC 9559 section 10.3.3).
pub fn signed(input: &[u8]) -> IResult<&[u8], i64> {
    let (rest, value, len) = number(input, 8, false)?;
    let zero = (1u64 << (7 * len - 1)) - 1;
    // Both have 56 bits at most.
    Ok((rest, value as i64 - zero as i64))
}

/// A number of at most `most` bytes, with its marker or without, and of how many it is.
fn number(input: &[u8], most: u32, marker: bool) -> Numbered<'_> {
    let (rest, first) = be_u8(input)?;
    let len = first.leading_zeros() + 1;
    if len > most {
        return Err(nom::Err::Error(Error::new(input, ErrorKind::Verify)));
    }
    let (rest, more) = take(len - 1)(rest)?;
    let first = if marker { first } else { first & !(0x80 >> (len - 1)) };
    let value = more.iter().fold(u64::from(first), |value, byte| value << 8 | u64::from(*byte));
    Ok((rest, value, len))
}

/// What is left, the number, and its bytes.
type Numbered<'a> = Result<(&'a [u8], u64, u32), nom::Err<Error<&'a [u8]>>>;

/// The elements in `body` one after another, as far as they are whole; one of unknown length goes to the end.
pub fn elements(mut body: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (rest, head) = head(body).ok()?;
        let size = head.size.map_or(Some(rest.len()), |size| usize::try_from(size).ok())?;
        let (own, rest) = rest.split_at_checked(size)?;
        body = rest;
        Some((head.id, own))
    })
}

/// An unsigned integer of up to eight bytes (section 7.2); longer ones are cut.
pub fn uint(body: &[u8]) -> u64 {
    body.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// A floating-point number of four or eight bytes (section 7.3); zero for anything else.
pub fn float(body: &[u8]) -> f64 {
    match body.len() {
        4 => body.first_chunk().map_or(0.0, |bytes| f32::from_be_bytes(*bytes).into()),
        8 => body.first_chunk().map_or(0.0, |bytes| f64::from_be_bytes(*bytes)),
        _ => 0.0,
    }
}

/// Text up to its first zero byte (section 7.4).
pub fn text(body: &[u8]) -> String {
    let end = body.iter().position(|byte| *byte == 0).unwrap_or(body.len());
    String::from_utf8_lossy(&body[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_every_length() {
        #[track_caller]
        fn check(bytes: &[u8], want: Option<(u32, u64, Option<u64>)>) {
            let found = head(bytes).ok().map(|(_, head)| (head.id, head.header, head.size));
            assert_eq!(found, want, "{bytes:02x?}");
        }
        check(&[0xA3, 0x85], Some((0xA3, 2, Some(5))));
        check(&[0x1A, 0x45, 0xDF, 0xA3, 0x40, 0x02], Some((0x1A45_DFA3, 6, Some(2))));
        check(&[0xE7, 0xFF], Some((0xE7, 2, None)));
        check(&[0xE7, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], Some((0xE7, 9, None)));
        check(&[0xE7, 0x40, 0x7F], Some((0xE7, 3, Some(127))));
        check(&[0xE7, 0], None);
        check(&[0x08, 1, 2, 3, 4, 0x81], None);
        check(&[0x1A, 0x45], None);
        check(&[], None);
    }

    #[test]
    fn numbers_with_and_without_sign() {
        assert_eq!([uint(&[]), uint(&[1, 0]), uint(&[0xFF; 9])], [0, 256, u64::MAX]);
        assert_eq!([float(&0.5f32.to_be_bytes()), float(&2f64.to_be_bytes()), float(&[1])], [0.5, 2.0, 0.0]);
        assert_eq!(signed(&[0xBF]).unwrap().1, 0);
        assert_eq!(signed(&[0x80]).unwrap().1, -63);
        assert_eq!(signed(&[0x5F, 0xFF]).unwrap().1, 0);
        assert_eq!(text(b"und\0x"), "und");
    }
}
