//! Start codes: `00 00 01` and a byte that says what begins (ISO 11172-2, 13818-1 and -2, 14496-2; without that byte
//! H.264 annex B).

/// The three bytes that begin every start code.
pub const PREFIX: [u8; 3] = [0, 0, 1];

/// Where the first `00 00 01` at or after `from` lies. Whether a code follows it is not looked at.
///
/// Passes over eight bytes at once while none of them is zero, which most of a coded picture isn't.
pub fn find(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            if has_zero(u64::from_le_bytes(*word)) {
                break;
            }
            at += 8;
        }
        // A zero lies within the next eight bytes, or fewer than eight are left.
        let stop = at.checked_add(8)?;
        while at < stop {
            match bytes.get(at..at + 3)? {
                [0, 0, 1] => return Some(at),
                [_, _, last] if *last > 1 => at += 3,
                [_, middle, _] if *middle > 0 => at += 2,
                _ => at += 1,
            }
        }
    }
}

/// Whether one of the eight bytes is zero.
fn has_zero(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    word.wrapping_sub(ONES) & !word & (ONES << 7) != 0
}

/// One start code in a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartCode {
    /// Where its first zero byte lies.
    pub offset: usize,
    /// The byte after the prefix.
    pub code: u8,
}

/// The start codes of a slice in order; a prefix at the very end, without its code, is left out.
#[derive(Clone, Debug)]
pub struct StartCodes<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// All start codes in `bytes`.
pub fn start_codes(bytes: &[u8]) -> StartCodes<'_> {
    StartCodes { bytes, at: 0 }
}

impl Iterator for StartCodes<'_> {
    type Item = StartCode;

    fn next(&mut self) -> Option<StartCode> {
        let offset = find(self.bytes, self.at)?;
        let code = *self.bytes.get(offset + PREFIX.len())?;
        self.at = offset + PREFIX.len();
        Some(StartCode { offset, code })
    }
}

/// The code that `bytes` begin with.
pub fn code_at_start(bytes: &[u8]) -> Option<u8> {
    bytes.strip_prefix(&PREFIX)?.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(bytes: &[u8], from: usize) -> Option<usize> {
        (from..bytes.len().saturating_sub(2)).find(|&at| bytes[at..at + 3] == PREFIX)
    }

    #[test]
    fn a_code_is_found_wherever_it_lies() {
        for len in 0..40 {
            for at in 0..len {
                let mut bytes = vec![0xAB; len];
                for (byte, value) in bytes[at..].iter_mut().zip([0, 0, 1]) {
                    *byte = value;
                }
                assert_eq!(find(&bytes, 0), naive(&bytes, 0), "{at} of {len}");
                assert_eq!(find(&bytes, at + 1), None);
            }
        }
        assert_eq!(find(&[0, 0, 1], usize::MAX), None);
    }

    #[test]
    fn codes_come_in_order_and_a_cut_one_not_at_all() {
        let bytes = [0, 0, 0, 1, 0xB3, 9, 0, 0, 1, 0, 0, 1, 7, 0, 0, 1];
        let seen: Vec<_> = start_codes(&bytes).map(|found| (found.offset, found.code)).collect();
        assert_eq!(seen, [(1, 0xB3), (6, 0), (9, 7)]);
    }

    proptest! {
        #[test]
        fn the_fast_search_equals_the_naive_one(
            bytes in prop::collection::vec(prop_oneof![3 => Just(0u8), 2 => Just(1u8), 3 => any::<u8>(), 3 => 2u8..], 0..200),
            from in 0usize..210,
        ) {
            prop_assert_eq!(find(&bytes, from), naive(&bytes, from));
        }
    }
}
