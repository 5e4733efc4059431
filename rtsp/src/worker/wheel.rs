//! The slot wheel: which viewers are due in which millisecond.

use std::time::{Duration, Instant};

/// One slot.
pub(super) const SLOT: Duration = Duration::from_millis(1);
const SLOTS_A_SECOND: u64 = 1_000;

/// Slots: deadlines further away than this are looked at on the way. A power of two, a multiple of 64. Half a second
/// reaches beyond nearly every next packet, and its lists are so small that they stay in the processor's caches.
const SLOTS: usize = 512;

/// Deadlines of many, at slot edges; adding and taking cost the same however many there are.
///
/// An entry is never removed: what is taken out must be checked against the key's own deadline.
#[derive(Debug)]
pub(super) struct Wheel {
    slots: Vec<Vec<u32>>,
    /// One bit a slot: whether it has entries.
    filled: [u64; SLOTS / 64],
    start: Instant,
    /// The first slot that was not taken yet, counted from `start`.
    next: u64,
}

impl Wheel {
    /// Its first edge is `start`.
    pub(super) fn new(start: Instant) -> Self {
        Self { slots: vec![Vec::new(); SLOTS], filled: [0; SLOTS / 64], start, next: 0 }
    }

    /// The edge at or after `at`.
    pub(super) fn edge(&self, at: Instant) -> Instant {
        self.instant(self.slot(at))
    }

    /// Adds `key` at the edge at or after `due`, or at the wheel's far end, and answers which edge that is: whoever has a
    /// deadline further away is taken out there, finds nothing to do, and is added anew.
    pub(super) fn add(&mut self, key: u32, due: Instant) -> Instant {
        let slot = self.slot(due).clamp(self.next, self.next + SLOTS as u64 - 1);
        let at = index(slot);
        self.slots[at].push(key);
        self.filled[at / 64] |= 1 << (at % 64);
        self.instant(slot)
    }

    /// The edge of the first slot with entries.
    pub(super) fn first(&self) -> Option<Instant> {
        let from = index(self.next);
        let (word, bit) = (from / 64, from % 64);
        let words = self.filled.len();
        // The word where it starts is looked at twice: its upper bits first, its lower ones after all others.
        for step in 0..=words {
            let at = (word + step) % words;
            let mask = match step {
                0 => u64::MAX << bit,
                _ if step == words => !(u64::MAX << bit),
                _ => u64::MAX,
            };
            let bits = self.filled[at] & mask;
            if bits != 0 {
                let found = at * 64 + bits.trailing_zeros() as usize;
                let ahead = (found + SLOTS - from) % SLOTS;
                return Some(self.instant(self.next + ahead as u64));
            }
        }
        None
    }

    /// Takes the entries of all slots whose edge is not after `now`; answers the first such slot's edge that had any.
    pub(super) fn take(&mut self, now: Instant, into: &mut Vec<u32>) -> Option<Instant> {
        let mut earliest = None;
        if now < self.start {
            return None;
        }
        while let Some(edge) = self.first().filter(|edge| *edge <= now) {
            let slot = self.slot(edge);
            let at = index(slot);
            into.append(&mut self.slots[at]);
            self.filled[at / 64] &= !(1 << (at % 64));
            earliest.get_or_insert(edge);
            self.next = slot + 1;
        }
        let passed = now.saturating_duration_since(self.start).as_millis();
        self.next = self.next.max(u64::try_from(passed).unwrap_or(u64::MAX) + 1);
        earliest
    }

    fn slot(&self, at: Instant) -> u64 {
        let time = at.saturating_duration_since(self.start);
        let in_second = u64::from(time.subsec_nanos().div_ceil(SLOT.subsec_nanos()));
        time.as_secs().saturating_mul(SLOTS_A_SECOND).saturating_add(in_second).min(u64::MAX / 2)
    }

    fn instant(&self, slot: u64) -> Instant {
        self.start + Duration::from_millis(slot)
    }
}

fn index(slot: u64) -> usize {
    (slot % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn each_entry_comes_at_the_edge_after_its_time() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let at = |micros: u64| start + Duration::from_micros(micros);
        assert_eq!(wheel.first(), None);
        let cases = [(1, 0), (2, 1), (3, 1_000), (4, 1_001), (5, 70_000), (6, 400_000), (7, 70_000)];
        for (key, micros) in cases {
            wheel.add(key, at(micros));
        }
        let mut came = BTreeMap::new();
        let mut into = Vec::new();
        while let Some(edge) = wheel.first() {
            assert!(wheel.take(edge - Duration::from_nanos(1), &mut into).is_none());
            assert_eq!(wheel.take(edge, &mut into), Some(edge));
            came.extend(into.drain(..).map(|key| (key, (edge - start).as_millis())));
        }
        assert_eq!(came, BTreeMap::from([(1, 0), (2, 1), (3, 1), (4, 2), (5, 70), (6, 400), (7, 70)]));
    }

    #[test]
    fn what_is_overdue_comes_next_and_what_is_far_comes_early() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let mut into = Vec::new();
        let now = start + Duration::from_millis(10_500);
        wheel.take(now, &mut into);
        assert_eq!(wheel.add(1, start), now + SLOT);
        assert_eq!(wheel.first(), Some(now + SLOT));
        wheel.take(now + SLOT, &mut into);
        assert_eq!(into, [1]);
        let edge = wheel.add(2, now + Duration::from_secs(3600));
        let first = wheel.first().unwrap();
        assert_eq!(edge, first);
        assert_eq!(first, now + SLOT * (SLOTS as u32 + 1));
    }

    #[test]
    fn late_wake_ups_take_all_that_was_due_meanwhile() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        for round in 0..50_u64 {
            let base = start + Duration::from_millis(round * 700);
            for key in 0..500 {
                wheel.add(key, base + Duration::from_millis(u64::from(key)));
            }
            let mut into = Vec::new();
            let earliest = wheel.take(base + Duration::from_millis(499), &mut into).unwrap();
            into.sort_unstable();
            assert_eq!(into, (0..500).collect::<Vec<u32>>(), "round {round}");
            assert!(earliest >= base && earliest <= base + SLOT);
        }
    }
}
