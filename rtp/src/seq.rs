//! Sequence numbers: 16 bits on the wire, wrapping, and the 64-bit count behind them.

/// The number of a packet, modulo 2^16 (RFC 3550 section 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sequence(pub u16);

impl Sequence {
    /// The number after this one.
    pub fn next(self) -> Self {
        self.plus(1)
    }

    /// This number `count` packets on, wrapping.
    pub fn plus(self, count: u16) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// Signed distance `self - other`, right while less than 2^15 apart.
    pub fn distance(self, other: Sequence) -> i16 {
        self.0.wrapping_sub(other.0) as i16
    }
}

/// Turns the numbers of one source's packets into a count that doesn't wrap, whatever their order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwrapper {
    highest: Option<i64>,
}

impl Unwrapper {
    /// The count of packet `sequence`: the first one seen is its own number, and later ones are taken to
    /// be less than 2^15 away from the highest seen. Negative for one that came before the first.
    pub fn unwrap(&mut self, sequence: Sequence) -> i64 {
        let Some(highest) = self.highest else {
            self.highest = Some(i64::from(sequence.0));
            return i64::from(sequence.0);
        };
        let last = Sequence((highest & 0xFFFF) as u16);
        let count = highest + i64::from(sequence.distance(last));
        self.highest = Some(highest.max(count));
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_signed_over_the_wrap() {
        for (a, b, expected) in [(1, 0, 1), (0, 1, -1), (0, 65_535, 1), (65_535, 0, -1), (32_767, 0, 32_767)] {
            assert_eq!(Sequence(a).distance(Sequence(b)), expected, "{a} - {b}");
        }
        assert_eq!(Sequence(65_535).next(), Sequence(0));
        assert_eq!(Sequence(65_530).plus(10), Sequence(4));
    }

    #[test]
    fn the_count_goes_on_where_the_number_wraps() {
        let cases: &[(&[u16], &[i64])] = &[
            (&[5, 6, 7], &[5, 6, 7]),
            (&[65_534, 65_535, 0, 1], &[65_534, 65_535, 65_536, 65_537]),
            (&[65_535, 1, 0, 2], &[65_535, 65_537, 65_536, 65_538]),
            (&[0, 65_535, 1], &[0, -1, 1]),
            (&[0, 30_000, 60_000, 24_464], &[0, 30_000, 60_000, 90_000]),
        ];
        for (numbers, counts) in cases {
            let mut unwrapper = Unwrapper::default();
            let seen: Vec<i64> = numbers.iter().map(|&number| unwrapper.unwrap(Sequence(number))).collect();
            assert_eq!(&seen, counts, "{numbers:?}");
        }
    }
}
