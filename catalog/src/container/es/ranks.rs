//! Times for pictures that say only in which order they are shown (H.264 C.4.5.3, H.265 C.5.2).

use super::order::Order;
use crate::container::DemuxedSample;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Bytes of pictures that wait to be shown at most: those of a film's largest pictures sixteen times would be too much.
const MAX_WAITING_LEN: usize = 64 << 20;

/// Pictures follow each other without gaps in the order of their counts.
#[derive(Debug)]
pub(super) struct Ranks {
    /// How many pictures at most are decoded before one that is shown earlier.
    depth: usize,
    /// Counts of an older sequence come before all of a newer one.
    sequence: u64,
    /// Pictures not yet shown: sequence, count and number.
    held: BinaryHeap<Reverse<(u64, i64, u64)>>,
    /// In decode order from number `first` on, with whether the time of showing is known.
    waiting: VecDeque<(DemuxedSample, bool)>,
    waiting_len: usize,
    first: u64,
    /// When the next picture is shown.
    next: i64,
    order: Order,
}

impl Ranks {
    pub fn new(depth: usize) -> Self {
        let (held, waiting) = (BinaryHeap::new(), VecDeque::new());
        Self { depth, sequence: 0, held, waiting, waiting_len: 0, first: 0, next: 0, order: Order::new(depth) }
    }

    /// The next picture begins a new sequence, with other parameters or not: all before it are shown before it.
    pub fn begin_sequence(&mut self, depth: usize) {
        (self.sequence, self.depth) = (self.sequence + 1, depth);
        self.show_all();
    }

    /// A picture in decode order: how long it is shown, and its count.
    pub fn push(&mut self, sample: DemuxedSample, count: i64, out: &mut VecDeque<DemuxedSample>) {
        let number = self.first + self.waiting.len() as u64;
        self.held.push(Reverse((self.sequence, count, number)));
        self.waiting_len += sample.data.len();
        self.waiting.push_back((sample, false));
        while self.held.len() > self.depth || self.waiting_len > MAX_WAITING_LEN {
            self.show();
            self.release(out);
        }
        self.release(out);
    }

    /// No more pictures.
    pub fn finish(&mut self, out: &mut VecDeque<DemuxedSample>) {
        self.show_all();
        self.release(out);
        self.order.finish(out);
    }

    fn show_all(&mut self) {
        while !self.held.is_empty() {
            self.show();
        }
    }

    fn show(&mut self) {
        let Some(Reverse((_, _, number))) = self.held.pop() else {
            self.waiting_len = 0;
            return;
        };
        let index = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        if let Some((sample, known)) = self.waiting.get_mut(index) {
            (sample.pts, *known) = (self.next, true);
            self.next += sample.duration;
        }
    }

    fn release(&mut self, out: &mut VecDeque<DemuxedSample>) {
        while let Some((sample, _)) = self.waiting.pop_front_if(|(_, known)| *known) {
            self.first += 1;
            self.waiting_len = self.waiting_len.saturating_sub(sample.data.len());
            self.order.push(sample, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    /// Counts in decode order, zero for the first of a sequence, and when the pictures are decoded and shown.
    fn check(name: &str, depth: usize, counts: &[i64], expected: &[(i64, i64)]) {
        let (mut ranks, mut out) = (Ranks::new(depth), VecDeque::new());
        for &count in counts {
            if count == 0 {
                ranks.begin_sequence(depth);
            }
            let data = Bytes::from_static(b"picture");
            ranks.push(DemuxedSample { track: 1, dts: 0, pts: 0, duration: 10, sync: true, data }, count, &mut out);
        }
        ranks.finish(&mut out);
        assert_eq!(out.iter().map(|sample| (sample.dts / 10, sample.pts / 10)).collect::<Vec<_>>(), expected, "{name}");
    }

    #[test]
    fn pictures_are_shown_in_the_order_of_their_counts() {
        check("decode order", 0, &[0, 2, 4], &[(0, 0), (1, 1), (2, 2)]);
        check("B pictures", 1, &[0, 6, 2, 4], &[(-1, 0), (0, 3), (1, 1), (2, 2)]);
        check("a new sequence", 1, &[0, 4, 2, 0, 4, 2], &[(-1, 0), (0, 2), (1, 1), (2, 3), (3, 5), (4, 4)]);
        check("counts below the first", 2, &[0, -4, -2], &[(-2, 2), (-1, 0), (0, 1)]);
        check("counts with gaps", 1, &[0, 90, 7], &[(-1, 0), (0, 2), (1, 1)]);
        check("more depth than needed", 3, &[0, 2, 4], &[(-3, 0), (-2, 1), (-1, 2)]);
    }
}
