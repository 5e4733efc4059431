//! Decode times for pictures whose times of showing are known.

use crate::container::DemuxedSample;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Gives pictures their decode times: the i-th one decoded is decoded when the (i - depth)-th one is shown, so that each
/// is there in time while at most `depth` come before one that is shown earlier.
///
/// Times leave counted from the first one shown.
#[derive(Debug, Default)]
pub(super) struct Order {
    depth: usize,
    /// Times of showing that are not yet used as decode times.
    shown: BinaryHeap<Reverse<i64>>,
    /// Pictures in decode order that wait for theirs, and those that are known.
    waiting: VecDeque<DemuxedSample>,
    decode_times: VecDeque<i64>,
    zero: Option<i64>,
    last: Option<i64>,
}

impl Order {
    pub fn new(depth: usize) -> Self {
        Self { depth, ..Self::default() }
    }

    /// A picture in decode order with its time of showing and its duration.
    pub fn push(&mut self, sample: DemuxedSample, out: &mut VecDeque<DemuxedSample>) {
        self.shown.push(Reverse(sample.pts));
        self.waiting.push_back(sample);
        if self.shown.len() > self.depth {
            self.pop();
        }
        self.release(out);
    }

    /// No more pictures.
    pub fn finish(&mut self, out: &mut VecDeque<DemuxedSample>) {
        while self.decode_times.len() < self.waiting.len() && !self.shown.is_empty() {
            self.pop();
        }
        self.release(out);
    }

    fn pop(&mut self) {
        let Some(Reverse(time)) = self.shown.pop() else { return };
        if self.zero.is_none() {
            self.zero = Some(time);
            let step = self.waiting.front().map_or(1, |first| first.duration);
            let before = (1..=self.depth as i64).rev();
            self.decode_times.extend(before.map(|count| time - count * step));
        }
        self.decode_times.push_back(time);
    }

    fn release(&mut self, out: &mut VecDeque<DemuxedSample>) {
        let zero = self.zero.unwrap_or(0);
        while !self.decode_times.is_empty()
            && let Some(mut sample) = self.waiting.pop_front()
            && let Some(time) = self.decode_times.pop_front()
        {
            // Decode times ascend, whatever the stream says, and nothing is shown before it is decoded.
            let time = self.last.map_or(time - zero, |last| (time - zero).max(last + 1));
            self.last = Some(time);
            sample.dts = time;
            sample.pts = (sample.pts - zero).max(time);
            out.push_back(sample);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn check(name: &str, depth: usize, times: &[i64], expected: &[(i64, i64)]) {
        let (mut order, mut out) = (Order::new(depth), VecDeque::new());
        for &pts in times {
            let sample = DemuxedSample { track: 1, dts: 0, pts, duration: 10, sync: true, data: Bytes::new() };
            order.push(sample, &mut out);
            assert!(order.waiting.len() <= depth);
        }
        order.finish(&mut out);
        assert_eq!(out.iter().map(|sample| (sample.dts, sample.pts)).collect::<Vec<_>>(), expected, "{name}");
    }

    #[test]
    fn decoding_comes_before_showing() {
        check("no reordering", 0, &[100, 110, 120], &[(0, 0), (10, 10), (20, 20)]);
        check("B pictures", 1, &[100, 130, 110, 120], &[(-10, 0), (0, 30), (10, 10), (20, 20)]);
        check("B first", 1, &[120, 100, 110], &[(-10, 20), (0, 0), (10, 10)]);
        check("a pyramid", 2, &[0, 40, 20, 10, 30], &[(-20, 0), (-10, 40), (0, 20), (10, 10), (20, 30)]);
        check("fewer than the depth", 4, &[20, 0], &[(-40, 20), (-30, 0)]);
        check("a time twice", 0, &[0, 10, 10], &[(0, 0), (10, 10), (11, 11)]);
        check("deeper than told", 0, &[0, 20, 10], &[(0, 0), (20, 20), (21, 21)]);
        check("nothing", 3, &[], &[]);
    }
}
