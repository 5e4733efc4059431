//! When frames are decoded, and how long they last, by when they are shown.

use crate::container::DemuxedSample;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// The i-th frame decoded is decoded when the (i - depth)-th is shown: so each is there in time, while at most `depth`
/// come before one that is shown earlier. A frame lasts as long as it says itself, else until the next one is decoded.
#[derive(Debug)]
pub(super) struct Order {
    /// `None`: frames come in the order in which they are shown.
    depth: Option<usize>,
    /// Nanoseconds between two frames, as far as known.
    step: i64,
    /// Times of showing that are not decode times yet.
    shown: BinaryHeap<Reverse<i64>>,
    /// Those that are.
    decode_times: VecDeque<i64>,
    /// In decode order, without their decode times.
    waiting: VecDeque<DemuxedSample>,
    last: Option<i64>,
    /// The last frame, whose duration is not known.
    held: Option<DemuxedSample>,
    begun: bool,
}

impl Order {
    /// `step`: what the track says of its frames' durations, or zero.
    pub fn new(depth: Option<usize>, step: i64) -> Self {
        let (shown, decode_times, waiting) = Default::default();
        Self { depth, step, shown, decode_times, waiting, last: None, held: None, begun: false }
    }

    /// The next frame in decode order, with its time of showing.
    pub fn push(&mut self, sample: DemuxedSample, out: &mut impl FnMut(DemuxedSample)) {
        let depth = self.depth.unwrap_or(0);
        self.shown.push(Reverse(sample.pts));
        self.waiting.push_back(sample);
        // One more than needed, so that the first two times shown tell the step before they are used.
        if self.shown.len() > depth.max(1) + usize::from(depth > 0) {
            self.pop();
        }
        self.release(out);
    }

    /// No more frames.
    pub fn finish(&mut self, out: &mut impl FnMut(DemuxedSample)) {
        while !self.shown.is_empty() {
            self.pop();
        }
        self.release(out);
        if let Some(mut last) = self.held.take() {
            last.duration = self.step;
            out(last);
        }
    }

    fn pop(&mut self) {
        let Some(Reverse(time)) = self.shown.pop() else { return };
        if !std::mem::replace(&mut self.begun, true) {
            if self.step == 0 {
                self.step = self.shown.peek().map_or(0, |Reverse(next)| next.saturating_sub(time));
            }
            let before = (1..=self.depth.unwrap_or(0) as i64).rev();
            self.decode_times.extend(before.map(|count| time.saturating_sub(count.saturating_mul(self.step))));
        }
        self.decode_times.push_back(time);
    }

    fn release(&mut self, out: &mut impl FnMut(DemuxedSample)) {
        while !self.decode_times.is_empty()
            && let Some(mut sample) = self.waiting.pop_front()
            && let Some(time) = self.decode_times.pop_front()
        {
            // Decode times ascend, whatever the file says, and nothing is shown before it is decoded.
            let time = self.last.map_or(time, |last| time.max(last));
            (self.last, sample.dts) = (Some(time), time);
            sample.pts = sample.pts.max(time);
            self.give(sample, out);
        }
    }

    /// Gives out the frame before, which lasts until this one, and this one if it knows itself how long it lasts.
    fn give(&mut self, sample: DemuxedSample, out: &mut impl FnMut(DemuxedSample)) {
        if let Some(mut before) = self.held.take() {
            before.duration = sample.dts - before.dts;
            self.step = before.duration;
            out(before);
        }
        match sample.duration {
            0 => self.held = Some(sample),
            _ => out(sample),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    /// Times of showing in decode order, and what comes of them: decode time, time of showing, duration.
    #[track_caller]
    fn check(name: &str, depth: Option<usize>, step: i64, times: &[i64], want: &[(i64, i64, i64)]) {
        let (mut order, mut out) = (Order::new(depth, step), Vec::new());
        for &pts in times {
            let sample = DemuxedSample { track: 1, dts: 0, pts, duration: step, sync: true, data: Bytes::new() };
            order.push(sample, &mut |sample| out.push(sample));
            assert!(order.waiting.len() <= depth.unwrap_or(0) + 2);
        }
        order.finish(&mut |sample| out.push(sample));
        let found: Vec<_> = out.iter().map(|sample| (sample.dts, sample.pts, sample.duration)).collect();
        assert_eq!(found, want, "{name}");
    }

    #[test]
    fn frames_are_decoded_before_they_are_shown() {
        check("in order", None, 10, &[0, 10, 20], &[(0, 0, 10), (10, 10, 10), (20, 20, 10)]);
        check("in order, unknown", None, 0, &[5, 10, 30], &[(5, 5, 5), (10, 10, 20), (30, 30, 20)]);
        check("B frames", Some(1), 10, &[0, 30, 10, 20], &[(-10, 0, 10), (0, 30, 10), (10, 10, 10), (20, 20, 10)]);
        check(
            "B frames, unknown",
            Some(1),
            0,
            &[0, 30, 10, 20],
            &[(-10, 0, 10), (0, 30, 10), (10, 10, 10), (20, 20, 10)],
        );
        check(
            "a pyramid",
            Some(2),
            10,
            &[0, 40, 20, 10, 30],
            &[(-20, 0, 10), (-10, 40, 10), (0, 20, 10), (10, 10, 10), (20, 30, 10)],
        );
        check("going back", None, 10, &[20, 0], &[(0, 20, 10), (20, 20, 10)]);
        check("one", Some(3), 0, &[7], &[(7, 7, 0)]);
        check("none", Some(1), 0, &[], &[]);
    }
}
