//! NAL units behind lengths (ISO 14496-15 section 4.3.3).

use bytes::{BufMut, Bytes, BytesMut};

/// NAL units behind lengths of four bytes, after those of `sets`; whether something was cut off at the end.
pub(super) fn prefixed<'a>(
    data: &'a Bytes,
    length_size: usize,
    sets: impl Iterator<Item = &'a Vec<u8>>,
) -> (Bytes, bool) {
    let mut whole = 0;
    let mut count = 0;
    for unit in units(data, length_size) {
        whole += unit.len() + length_size;
        count += 1;
    }
    let damaged = whole != data.len();
    let mut sets = sets.map(Vec::as_slice).peekable();
    if length_size == 4 && sets.peek().is_none() {
        return (data.slice(..whole), damaged);
    }
    let mut out = BytesMut::with_capacity(whole + count * 4 + 256);
    for unit in sets.chain(units(data, length_size)) {
        // A unit is part of an access unit, and those are limited.
        out.put_u32(unit.len() as u32);
        out.put_slice(unit);
    }
    (out.freeze(), damaged)
}

/// NAL units behind lengths of `length_size` bytes, up to the end or to a length that leads beyond it.
pub(super) fn units(data: &[u8], length_size: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_at_checked(length_size)?;
        let length = length.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
        let (unit, after) = after.split_at_checked(length)?;
        rest = after;
        Some(unit)
    })
}
