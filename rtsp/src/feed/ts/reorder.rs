//! RTP packets of one source in the order of their numbers.

use bytes::Bytes;
use rtp::seq::{Sequence, Unwrapper};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Packets that wait for one before them at most, and how long they do.
const MAX_WAITING: usize = 64;
const PATIENCE: Duration = Duration::from_millis(100);
/// A number that is so far off is not late: the source has begun anew.
const MAX_JUMP: i64 = 3_000;

/// Puts packets in order, and gives up those that don't come.
#[derive(Debug, Default)]
pub(super) struct Reorder {
    ssrc: Option<u32>,
    unwrapper: Unwrapper,
    /// The number that comes next.
    next: Option<i64>,
    waiting: BTreeMap<i64, (Bytes, Instant)>,
    lost: u64,
    late: u64,
}

impl Reorder {
    /// A packet came.
    pub fn handle(&mut self, ssrc: u32, sequence: Sequence, payload: Bytes, now: Instant) {
        let mut number = self.unwrapper.unwrap(sequence);
        let jumps = self.next.is_some_and(|next| (number - next).abs() > MAX_JUMP);
        if self.ssrc != Some(ssrc) || jumps {
            let (lost, late) = (self.lost, self.late);
            *self = Self { ssrc: Some(ssrc), lost, late, ..Self::default() };
            number = self.unwrapper.unwrap(sequence);
            self.next = Some(number);
        }
        if self.next.is_some_and(|next| number < next) {
            self.late += 1;
        } else {
            self.waiting.entry(number).or_insert((payload, now));
        }
    }

    /// The payload that is next, if it has come or what is before it is given up.
    pub fn poll(&mut self, now: Instant) -> Option<Bytes> {
        let entry = self.waiting.first_entry()?;
        let (number, next) = (*entry.key(), self.next?);
        let waited = now.saturating_duration_since(entry.get().1) >= PATIENCE;
        if number > next && !waited && self.waiting.len() <= MAX_WAITING {
            return None;
        }
        let (number, (payload, _)) = self.waiting.pop_first()?;
        self.lost += u64::try_from(number - next).unwrap_or(0);
        self.next = Some(number + 1);
        Some(payload)
    }

    /// Packets given up.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in, at which millisecond and of which source; numbers out (each is its payload).
    fn check(name: &str, packets: &[(u64, u32, u16)], expected: &[u16], lost: u64) {
        let (start, mut reorder, mut seen) = (Instant::now(), Reorder::default(), Vec::new());
        for (at, ssrc, number) in packets {
            let now = start + Duration::from_millis(*at);
            reorder.handle(*ssrc, Sequence(*number), number.to_be_bytes().to_vec().into(), now);
            while let Some(payload) = reorder.poll(now) {
                seen.push(u16::from_be_bytes([payload[0], payload[1]]));
            }
        }
        assert_eq!((seen, reorder.lost()), (expected.to_vec(), lost), "{name}");
    }

    #[test]
    fn packets_come_out_in_order() {
        check("in order", &[(0, 1, 5), (1, 1, 6), (2, 1, 7)], &[5, 6, 7], 0);
        check("swapped", &[(0, 1, 5), (1, 1, 7), (2, 1, 6), (3, 1, 8)], &[5, 6, 7, 8], 0);
        check("twice", &[(0, 1, 5), (1, 1, 5), (2, 1, 6)], &[5, 6], 0);
        check("over the wrap", &[(0, 1, 65_535), (1, 1, 1), (2, 1, 0)], &[65_535, 0, 1], 0);
        check("lost", &[(0, 1, 5), (1, 1, 7), (120, 1, 8)], &[5, 7, 8], 1);
        check("too late", &[(0, 1, 5), (1, 1, 7), (120, 1, 8), (121, 1, 6)], &[5, 7, 8], 1);
        check("another source", &[(0, 1, 5), (1, 2, 900), (2, 2, 901)], &[5, 900, 901], 0);
        check("it begins anew", &[(0, 1, 5), (1, 1, 20_000), (2, 1, 20_001)], &[5, 20_000, 20_001], 0);
        let many: Vec<(u64, u32, u16)> = [0].into_iter().chain(2..70).map(|number| (0, 1, number)).collect();
        let all: Vec<u16> = many.iter().map(|(_, _, number)| *number).collect();
        check("as many as may wait", &many, &all, 1);
    }
}
