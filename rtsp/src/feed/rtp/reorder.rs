//! Packets of one source brought into the order of their numbers, as far as waiting for it is worth it.

use bytes::Bytes;
use rtp::seq::{Sequence, Unwrapper};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Packets that wait for one before them; more than any network reorders.
const MAX_HELD: usize = 64;

/// How long they wait.
const PATIENCE: Duration = Duration::from_millis(100);

/// A number so far from the expected one is no reordered packet's: the source counts anew.
const RESTART: i64 = 1_000;

/// Waits for packets that come late.
#[derive(Debug)]
pub(super) struct Reorder {
    /// Packets come in order: what is missing will not come.
    ordered: bool,
    numbers: Unwrapper,
    expected: Option<i64>,
    held: BTreeMap<i64, (Bytes, Instant)>,
    /// Given up for lost.
    pub(super) lost: u64,
    /// Came twice, or after they were given up.
    pub(super) late: u64,
}

impl Reorder {
    pub(super) fn new(ordered: bool) -> Self {
        Self { ordered, numbers: Unwrapper::default(), expected: None, held: BTreeMap::new(), lost: 0, late: 0 }
    }

    /// Takes a packet in. What was held of a source that counts anew is given out first.
    pub(super) fn push(&mut self, sequence: Sequence, packet: Bytes, now: Instant, out: &mut Vec<Bytes>) {
        let mut number = self.numbers.unwrap(sequence);
        if self.expected.is_some_and(|expected| (number - expected).abs() > RESTART) {
            self.flush(out);
            self.numbers = Unwrapper::default();
            number = self.numbers.unwrap(sequence);
        }
        if self.expected.is_some_and(|expected| number < expected) || self.held.contains_key(&number) {
            self.late += 1;
            return;
        }
        self.held.insert(number, (packet, now));
        self.expected.get_or_insert(number);
        self.release(now, out);
    }

    /// Gives out what need not wait, or has waited for long enough.
    pub(super) fn release(&mut self, now: Instant, out: &mut Vec<Bytes>) {
        while let Some((&number, (_, since))) = self.held.first_key_value() {
            let expected = self.expected.unwrap_or(number);
            let waited = self.held.len() > MAX_HELD || now.saturating_duration_since(*since) >= PATIENCE;
            if number != expected && !self.ordered && !waited {
                return;
            }
            self.lost += u64::try_from(number - expected).unwrap_or(0);
            self.expected = Some(number + 1);
            out.extend(self.held.remove(&number).map(|(packet, _)| packet));
        }
    }

    /// When [`Reorder::release`] will have something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.held.first_key_value().map(|(_, (_, since))| *since + PATIENCE)
    }

    /// Gives all out, and begins anew.
    pub(super) fn flush(&mut self, out: &mut Vec<Bytes>) {
        for (number, (packet, _)) in std::mem::take(&mut self.held) {
            let expected = self.expected.unwrap_or(number);
            self.lost += u64::try_from(number - expected).unwrap_or(0);
            self.expected = Some(number + 1);
            out.push(packet);
        }
        self.expected = None;
        self.numbers = Unwrapper::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers with the milliseconds of their arrival; then those given out, lost and late.
    fn check(ordered: bool, packets: &[(u16, u64)], expected: &[u16], lost: u64, late: u64) {
        let (mut reorder, start) = (Reorder::new(ordered), Instant::now());
        let mut out = Vec::new();
        for (number, millis) in packets {
            let packet = Bytes::copy_from_slice(&number.to_be_bytes());
            reorder.push(Sequence(*number), packet, start + Duration::from_millis(*millis), &mut out);
        }
        let seen: Vec<u16> = out.iter().map(|packet| u16::from_be_bytes([packet[0], packet[1]])).collect();
        assert_eq!((&seen[..], reorder.lost, reorder.late), (expected, lost, late), "{packets:?}");
    }

    #[test]
    fn what_comes_late_is_waited_for_and_not_for_long() {
        check(false, &[(1, 0), (2, 1), (3, 2)], &[1, 2, 3], 0, 0);
        check(false, &[(1, 0), (3, 1), (2, 2), (4, 3)], &[1, 2, 3, 4], 0, 0);
        check(false, &[(1, 0), (3, 1), (4, 2)], &[1], 0, 0);
        check(false, &[(1, 0), (3, 1), (4, 102)], &[1, 3, 4], 1, 0);
        check(false, &[(1, 0), (3, 1), (4, 102), (2, 103)], &[1, 3, 4], 1, 1);
        check(false, &[(1, 0), (1, 1), (3, 2), (3, 3)], &[1], 0, 2);
        check(false, &[(65_535, 0), (1, 1), (0, 2)], &[65_535, 0, 1], 0, 0);
        check(false, &[(1, 0), (3, 1), (9_000, 2), (9_001, 3)], &[1, 3, 9_000, 9_001], 1, 0);
        check(true, &[(1, 0), (3, 1), (2, 2)], &[1, 3], 1, 1);
        let many: Vec<(u16, u64)> = [(1, 0)].into_iter().chain((3..80).map(|number| (number, 1))).collect();
        let given: Vec<u16> = [1].into_iter().chain(3..80).collect();
        check(false, &many, &given, 1, 0);
    }

    proptest! {
        #[test]
        fn whatever_the_order_numbers_rise_and_little_is_held(numbers in prop::collection::vec(0u16..3000, 0..400)) {
            let (mut reorder, now) = (Reorder::new(false), Instant::now());
            let (mut given, mut pushed) = (0, 0);
            for number in numbers {
                let mut out = Vec::new();
                reorder.push(Sequence(number), Bytes::new(), now, &mut out);
                pushed += 1;
                given += out.len();
                prop_assert!(reorder.held.len() <= MAX_HELD);
            }
            prop_assert_eq!(given + reorder.held.len() + reorder.late as usize, pushed);
        }
    }
}
