//! Reading fields of some bits each, never past the end.

/// Why an elementary stream's header can't be read: which one, which field, where, and what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{header}: {field} at byte {}, bit {}: {fault}", .bit / 8, .bit % 8)]
pub struct CodecError {
    /// The structure that was read, as its standard calls it.
    pub header: &'static str,
    /// The field, as its standard calls it.
    pub field: &'static str,
    /// Where the field starts, in bits from the start of what was given to the parser
    /// (of an unescaped NAL unit, from its first byte without emulation prevention).
    pub bit: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes end inside it.
    #[error("the data ends")]
    Short,
    /// It has a value that its standard forbids or reserves, or that no real stream has.
    #[error("{0} is not allowed")]
    Value(u32),
}

/// A cursor over the bits of a slice, most significant first.
#[derive(Clone, Debug)]
pub struct Bits<'a> {
    header: &'static str,
    bytes: &'a [u8],
    /// Bits read.
    at: usize,
    /// Where the field read last starts.
    field_at: usize,
}

impl<'a> Bits<'a> {
    /// At the first bit of `bytes`, which hold a `header`.
    pub fn new(header: &'static str, bytes: &'a [u8]) -> Self {
        Self { header, bytes, at: 0, field_at: 0 }
    }

    /// Bits read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bits left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() * 8 - self.at
    }

    /// The next `count` bits, at most 32.
    ///
    /// # Errors
    /// [`Fault::Short`], and then nothing is taken.
    #[inline]
    pub fn read(&mut self, field: &'static str, count: u32) -> Result<u32, CodecError> {
        debug_assert!(count <= 32);
        self.field_at = self.at;
        if let Some(word) = self.bytes.get(self.at / 8..).and_then(|rest| rest.first_chunk()) {
            // Seven bits at most lie before the field; twice, since a shift by all 64 is none.
            let value = u64::from_be_bytes(*word) << (self.at % 8) >> (63 - count) >> 1;
            self.at += count as usize;
            return Ok(value as u32);
        }
        let end = self.at + count as usize;
        if end > self.bytes.len() * 8 {
            return Err(self.error(field, Fault::Short));
        }
        let window =
            self.bytes[self.at / 8..end.div_ceil(8)].iter().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        let value = window >> (end.next_multiple_of(8) - end) & ((1u64 << count) - 1);
        self.at = end;
        Ok(value as u32)
    }

    /// The next bit.
    ///
    /// # Errors
    /// [`Fault::Short`].
    pub fn flag(&mut self, field: &'static str) -> Result<bool, CodecError> {
        Ok(self.read(field, 1)? == 1)
    }

    /// The next `count` bits, at most 8.
    ///
    /// # Errors
    /// [`Fault::Short`].
    pub fn small(&mut self, field: &'static str, count: u32) -> Result<u8, CodecError> {
        debug_assert!(count <= 8);
        Ok(self.read(field, count)? as u8)
    }

    /// A bit that must be 1, put there so that no start code can arise.
    ///
    /// # Errors
    /// [`Fault::Short`], or [`Fault::Value`] for a 0.
    pub fn marker(&mut self) -> Result<(), CodecError> {
        match self.flag("marker_bit")? {
            true => Ok(()),
            false => Err(self.forbidden("marker_bit", 0)),
        }
    }

    /// Passes over `count` bits.
    ///
    /// # Errors
    /// [`Fault::Short`].
    pub fn skip(&mut self, field: &'static str, count: usize) -> Result<(), CodecError> {
        self.field_at = self.at;
        if count > self.remaining() {
            return Err(self.error(field, Fault::Short));
        }
        self.at += count;
        Ok(())
    }

    /// Passes over the bits up to the next whole byte.
    pub fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    /// An unsigned Exp-Golomb code (H.264 section 9.1), at most 2^32 - 2.
    ///
    /// # Errors
    /// [`Fault::Short`], or [`Fault::Value`] with more than 31 leading zeros.
    pub fn ue(&mut self, field: &'static str) -> Result<u32, CodecError> {
        let start = self.at;
        let mut zeros = 0;
        while !self.flag(field)? {
            zeros += 1;
            if zeros > 31 {
                self.field_at = start;
                return Err(self.forbidden(field, u32::MAX));
            }
        }
        let rest = self.read(field, zeros);
        self.field_at = start;
        Ok(((1u64 << zeros) - 1 + u64::from(rest?)) as u32)
    }

    /// An Exp-Golomb code no larger than `max`.
    ///
    /// # Errors
    /// [`Fault::Short`], or [`Fault::Value`] for a larger one.
    pub fn ue_to(&mut self, field: &'static str, max: u8) -> Result<u8, CodecError> {
        let value = self.ue(field)?;
        u8::try_from(value).ok().filter(|&value| value <= max).ok_or(self.forbidden(field, value))
    }

    /// A signed Exp-Golomb code (H.264 section 9.1.1).
    ///
    /// # Errors
    /// As [`Bits::ue`].
    pub fn se(&mut self, field: &'static str) -> Result<i32, CodecError> {
        let code = i64::from(self.ue(field)?);
        let magnitude = (code + 1) / 2;
        Ok(if code % 2 == 1 { magnitude } else { -magnitude } as i32)
    }

    /// The error that says that `value`, read last, is not allowed.
    pub fn forbidden(&self, field: &'static str, value: u32) -> CodecError {
        self.error(field, Fault::Value(value))
    }

    fn error(&self, field: &'static str, fault: Fault) -> CodecError {
        CodecError { header: self.header, field, bit: self.field_at, fault }
    }
}

/// Writes what [`Bits`] reads, for tests of the structures made of it.
#[cfg(test)]
#[derive(Clone, Default)]
pub(super) struct Writer(Vec<bool>);

#[cfg(test)]
impl Writer {
    pub fn bits(mut self, value: u32, count: u32) -> Self {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    pub fn ue(self, value: u32) -> Self {
        let len = (value + 1).ilog2();
        self.bits(0, len).bits(value + 1, len + 1)
    }

    pub fn se(self, value: i32) -> Self {
        let code = if value > 0 { value * 2 - 1 } else { -value * 2 };
        self.ue(code as u32)
    }

    /// A NAL unit behind its header, with its trailing bits and without emulation prevention.
    pub fn bytes(self, header: &[u8]) -> Vec<u8> {
        let mut bits = self.0;
        bits.push(true);
        let body = bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(at, &bit)| u8::from(bit) << (7 - at)).sum());
        header.iter().copied().chain(body).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exp_golomb_codes_are_those_of_the_standard() {
        // H.264 tables 9-2 and 9-3.
        let cases: &[(&[u8], u32, i32)] = &[
            (&[0b1000_0000], 0, 0),
            (&[0b0100_0000], 1, 1),
            (&[0b0110_0000], 2, -1),
            (&[0b0010_0000], 3, 2),
            (&[0b0011_1000], 6, -3),
            (&[0b0001_0000], 7, 4),
            (&[0, 0, 0, 1, 0, 0, 0, 0], (1 << 31) - 1, 1 << 30),
            (&[0, 0, 0, 1, 255, 255, 255, 255], u32::MAX - 1, -i32::MAX),
        ];
        for &(bytes, unsigned, signed) in cases {
            assert_eq!(Bits::new("x", bytes).ue("f"), Ok(unsigned), "{bytes:?}");
            assert_eq!(Bits::new("x", bytes).se("f"), Ok(signed), "{bytes:?}");
        }
        let mut long = Bits::new("x", &[0, 0, 0, 0, 255, 255, 255, 255, 255]);
        assert_eq!(long.ue("f"), Err(CodecError { header: "x", field: "f", bit: 0, fault: Fault::Value(u32::MAX) }));
    }

    #[test]
    fn an_error_leads_to_the_bit() {
        let mut bits = Bits::new("GOP header", &[0xFF, 0x00]);
        bits.skip("time_code", 11).unwrap();
        assert_eq!(bits.marker().unwrap_err().to_string(), "GOP header: marker_bit at byte 1, bit 3: 0 is not allowed");
        assert_eq!(
            bits.read("closed_gop", 5).unwrap_err().to_string(),
            "GOP header: closed_gop at byte 1, bit 4: the data ends"
        );
        assert_eq!(bits.read("rest", 4), Ok(0));
    }

    proptest! {
        #[test]
        fn fields_are_the_bits_one_by_one(bytes: Vec<u8>, sizes in prop::collection::vec(0u32..=32, 0..40)) {
            let all: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
            let mut bits = Bits::new("x", &bytes);
            let mut at = 0;
            for size in sizes {
                let expected = all.get(at..at + size as usize)
                    .map(|bits| bits.iter().fold(0u64, |value, &bit| value << 1 | u64::from(bit)) as u32);
                prop_assert_eq!(bits.read("f", size).ok(), expected);
                at += if expected.is_some() { size as usize } else { 0 };
                prop_assert_eq!(bits.position(), at);
            }
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, skip in 0usize..40) {
            let mut bits = Bits::new("x", &bytes);
            let _ = bits.skip("f", skip);
            while bits.se("f").is_ok() {}
        }
    }
}
