//! NAL units and their two framings: start codes (H.264 annex B) and lengths (ISO 14496-15).

use super::bits::{CodecError, Fault};
use super::start_code;
use std::borrow::Cow;

/// The NAL units of an annex B byte stream, without start codes and the zeros around them. What lies before the first
/// start code is left out.
#[derive(Clone, Debug)]
pub struct AnnexB<'a> {
    /// From the first byte of the next unit; empty at the end.
    rest: &'a [u8],
}

/// The NAL units of `bytes`.
pub fn annex_b(bytes: &[u8]) -> AnnexB<'_> {
    AnnexB { rest: start_code::find(bytes, 0).map_or(&[], |at| &bytes[at + start_code::PREFIX.len()..]) }
}

impl<'a> Iterator for AnnexB<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (unit, rest) = match start_code::find(self.rest, 0) {
                Some(at) => (&self.rest[..at], &self.rest[at + start_code::PREFIX.len()..]),
                None => (self.rest, &[][..]),
            };
            self.rest = rest;
            // A unit never ends in a zero byte (7.4.1): those are trailing_zero_8bits, or of the next start code.
            let end = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            if end > 0 {
                return Some(&unit[..end]);
            }
        }
        None
    }
}

/// The NAL units of a sample in which each lies behind its length; ends after the first error.
#[derive(Clone, Debug)]
pub struct LengthPrefixed<'a> {
    bytes: &'a [u8],
    at: usize,
    length_size: usize,
}

/// The NAL units of `bytes`, each behind a big-endian length of `length_size` bytes, 1 to 4
/// (`lengthSizeMinusOne` + 1 in ISO 14496-15 5.2.4.1). Empty units are passed over.
pub fn length_prefixed(bytes: &[u8], length_size: u8) -> LengthPrefixed<'_> {
    LengthPrefixed { bytes, at: 0, length_size: usize::from(length_size.clamp(1, 4)) }
}

impl<'a> Iterator for LengthPrefixed<'a> {
    type Item = Result<&'a [u8], CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.at < self.bytes.len() {
            let start = self.at;
            let rest = &self.bytes[start..];
            self.at = self.bytes.len();
            let error = |field, fault| CodecError { header: "NAL unit framing", field, bit: start * 8, fault };
            let Some((prefix, rest)) = rest.split_at_checked(self.length_size) else {
                return Some(Err(error("NALUnitLength", Fault::Short)));
            };
            let length = prefix.iter().fold(0u32, |length, &byte| length << 8 | u32::from(byte));
            let Some(unit) = rest.get(..length as usize) else {
                return Some(Err(error("NALUnitLength", Fault::Value(length))));
            };
            self.at = start + prefix.len() + unit.len();
            if !unit.is_empty() {
                return Some(Ok(unit));
            }
        }
        None
    }
}

/// Appends `unit` behind its length of four bytes to `out`.
///
/// # Errors
/// A unit of 4 GiB or more.
pub fn push_prefixed(out: &mut Vec<u8>, unit: &[u8]) -> Result<(), CodecError> {
    let fault = Fault::Value(u32::MAX);
    let length = u32::try_from(unit.len()).map_err(|_| CodecError {
        header: "NAL unit framing",
        field: "NALUnitLength",
        bit: 0,
        fault,
    })?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(unit);
    Ok(())
}

/// Appends the units of an annex B byte stream to `out`, each behind its length of four bytes.
///
/// # Errors
/// As [`push_prefixed`].
pub fn annex_b_to_prefixed(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    annex_b(bytes).try_for_each(|unit| push_prefixed(out, unit))
}

/// Appends units behind lengths of `length_size` bytes to `out`, each behind a length of four.
///
/// # Errors
/// A length that goes past the end.
pub fn prefixed_to_prefixed(bytes: &[u8], length_size: u8, out: &mut Vec<u8>) -> Result<(), CodecError> {
    length_prefixed(bytes, length_size).try_for_each(|unit| push_prefixed(out, unit?))
}

/// Appends units behind lengths of `length_size` bytes to `out`, each behind a start code of four bytes.
///
/// # Errors
/// A length that goes past the end.
pub fn prefixed_to_annex_b(bytes: &[u8], length_size: u8, out: &mut Vec<u8>) -> Result<(), CodecError> {
    for unit in length_prefixed(bytes, length_size) {
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(unit?);
    }
    Ok(())
}

/// The unit without emulation prevention: each `00 00 03` has lost its 3 (H.264 7.3.1).
pub fn unescape(unit: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = find_escape(unit) else { return Cow::Borrowed(unit) };
    let mut out = Vec::with_capacity(unit.len());
    let (mut rest, mut next) = (unit, Some(first));
    while let Some(at) = next {
        out.extend_from_slice(&rest[..at + 2]);
        rest = &rest[at + 3..];
        next = find_escape(rest);
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

fn find_escape(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|window| window == [0, 0, 3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_lie_between_start_codes() {
        let cases: &[(&[u8], &[&[u8]])] = &[
            (&[0, 0, 1, 0x65, 5], &[&[0x65, 5]]),
            (&[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 0, 0], &[&[0x67, 1], &[0x68]]),
            (&[9, 9, 0, 0, 1, 0x65, 0, 0, 1], &[&[0x65]]),
            (&[0, 0, 1, 0, 0, 1, 0x65], &[&[0x65]]),
            (&[0x65, 1, 2], &[]),
            (&[], &[]),
        ];
        for (bytes, expected) in cases {
            assert_eq!(annex_b(bytes).collect::<Vec<_>>(), *expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_length_past_the_end_is_an_error_and_the_last() {
        let walk = |bytes: &[u8], size| {
            length_prefixed(bytes, size)
                .map(|unit| unit.map(<[u8]>::to_vec).map_err(|error| error.to_string()))
                .collect::<Vec<_>>()
        };
        let error = |text: &str| Err(format!("NAL unit framing: NALUnitLength at byte {text}"));
        assert_eq!(walk(&[2, 7, 8, 0, 1, 9], 1), [Ok(vec![7, 8]), Ok(vec![9])]);
        assert_eq!(walk(&[0, 1, 7, 0, 2, 8], 2), [Ok(vec![7]), error("3, bit 0: 2 is not allowed")]);
        assert_eq!(walk(&[0, 0, 0, 1, 7, 0, 0], 4), [Ok(vec![7]), error("5, bit 0: the data ends")]);
    }

    #[test]
    fn emulation_prevention_is_taken_out() {
        let cases: &[(&[u8], &[u8])] = &[
            (&[1, 2, 3], &[1, 2, 3]),
            (&[0, 0, 3, 1], &[0, 0, 1]),
            (&[5, 0, 0, 3, 0, 0, 3, 2, 0, 0, 3], &[5, 0, 0, 0, 0, 2, 0, 0]),
            (&[0, 0, 3, 0, 3], &[0, 0, 0, 3]),
            (&[0, 0, 0, 3], &[0, 0, 0]),
        ];
        for (escaped, expected) in cases {
            assert_eq!(&*unescape(escaped), *expected, "{escaped:?}");
        }
    }

    proptest! {
        #[test]
        fn framings_turn_into_each_other(units in prop::collection::vec(prop::collection::vec(2u8.., 1..50), 0..8)) {
            let mut prefixed = Vec::new();
            units.iter().try_for_each(|unit| push_prefixed(&mut prefixed, unit)).unwrap();
            let (mut annex, mut again, mut same) = (Vec::new(), Vec::new(), Vec::new());
            prefixed_to_annex_b(&prefixed, 4, &mut annex).unwrap();
            prop_assert_eq!(annex_b(&annex).map(<[u8]>::to_vec).collect::<Vec<_>>(), units);
            annex_b_to_prefixed(&annex, &mut again).unwrap();
            prefixed_to_prefixed(&prefixed, 4, &mut same).unwrap();
            prop_assert_eq!(&again, &prefixed);
            prop_assert_eq!(&same, &prefixed);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(0u8..5, 0..200), size: u8) {
            let _ = (annex_b(&bytes).count(), length_prefixed(&bytes, size).count(), unescape(&bytes));
        }
    }
}
