//! When pictures are shown. AVI tells only when they are decoded: one each `scale / rate`.

use super::limits::{MAX_DELAY, MAX_WAITING};
use crate::container::DemuxedSample;
use std::collections::{BTreeSet, VecDeque};

/// Shows pictures one at a time in the order of their keys, `delay` of them decoded and not shown: as decoders do that
/// know nothing else (VfW's, and ffmpeg's on AVI). So a picture is shown when the one is decoded that pushes it out.
#[derive(Debug, Default)]
pub(super) struct Order {
    delay: usize,
    /// By key and number: not shown yet.
    held: BTreeSet<(u64, u64)>,
    /// In decode order from picture `first` on; a picture leaves once it and all before it are shown.
    waiting: VecDeque<Waiting>,
    first: u64,
    last: Option<Shown>,
}

#[derive(Debug)]
struct Waiting {
    sample: DemuxedSample,
    shown: bool,
}

#[derive(Clone, Copy, Debug)]
struct Shown {
    key: u64,
    time: i64,
}

impl Order {
    pub fn new(delay: usize) -> Self {
        Self { delay: delay.min(MAX_DELAY), ..Self::default() }
    }

    /// The next picture in decode order, shown by the order of `key`.
    pub fn handle(&mut self, key: u64, sample: DemuxedSample, out: &mut VecDeque<DemuxedSample>) {
        let (now, number) = (sample.dts, self.first + self.waiting.len() as u64);
        if self.last.is_some_and(|last| key < last.key) {
            // It should have been shown already: decoders see the same and wait longer from here on.
            self.delay = (self.delay + 1).min(MAX_DELAY);
        }
        self.held.insert((key, number));
        self.waiting.push_back(Waiting { sample, shown: false });
        if self.held.len() > self.delay {
            self.show(now);
        }
        self.release(out);
        while self.waiting.len() > MAX_WAITING {
            self.show(now);
            self.release(out);
        }
    }

    /// No more pictures: those held are shown one after another.
    pub fn finish(&mut self, out: &mut VecDeque<DemuxedSample>) {
        while let Some(step) = self.waiting.back().map(|last| last.sample.duration)
            && !self.held.is_empty()
        {
            let now = self.last.map_or_else(|| self.waiting[0].sample.dts, |last| last.time);
            self.show(now.saturating_add(step));
        }
        self.release(out);
    }

    /// Shows the first by key at `time`, or just after the last.
    fn show(&mut self, time: i64) {
        let Some((key, number)) = self.held.pop_first() else { return };
        let Some(waiting) = usize::try_from(number - self.first).ok().and_then(|at| self.waiting.get_mut(at)) else {
            return;
        };
        let time = self.last.map_or(time, |last| time.max(last.time + 1)).max(waiting.sample.dts);
        waiting.sample.pts = time;
        waiting.shown = true;
        self.last = Some(Shown { key, time });
    }

    fn release(&mut self, out: &mut VecDeque<DemuxedSample>) {
        while self.waiting.front().is_some_and(|waiting| waiting.shown)
            && let Some(Waiting { sample, .. }) = self.waiting.pop_front()
        {
            self.first += 1;
            out.push_back(sample);
        }
    }
}

/// How many pictures at most come before one that is shown earlier, by their keys in decode order.
pub(super) fn depth(keys: &[u64]) -> usize {
    let before = |at: usize| keys[..at].iter().filter(|key| **key > keys[at]).count();
    (0..keys.len()).map(before).max().unwrap_or(0).min(MAX_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    /// Times of showing of pictures decoded at 0, 10, 20... with these keys.
    #[track_caller]
    fn check(name: &str, delay: usize, keys: &[u64], want: &[i64]) {
        let (mut order, mut out) = (Order::new(delay), VecDeque::new());
        for (&key, slot) in keys.iter().zip(0..) {
            let dts = slot * 10;
            let sample = DemuxedSample { track: 1, dts, pts: dts, duration: 10, sync: true, data: Bytes::new() };
            order.handle(key, sample, &mut out);
        }
        order.finish(&mut out);
        assert_eq!(out.iter().map(|sample| sample.pts).collect::<Vec<_>>(), want, "{name}");
        assert!(out.iter().zip(0..).all(|(sample, slot)| sample.dts == slot * 10 && sample.dts <= sample.pts));
    }

    #[test]
    fn pictures_are_shown_when_the_next_pushes_them_out() {
        check("in order", 0, &[1, 2, 3], &[0, 10, 20]);
        check("in order, one held", 1, &[1, 2, 3], &[10, 20, 30]);
        check("B pictures", 1, &[1, 4, 2, 3, 7, 5, 6], &[10, 40, 20, 30, 70, 50, 60]);
        check("a pyramid", 2, &[1, 5, 3, 2, 4], &[20, 60, 40, 30, 50]);
        check("deeper than known", 0, &[1, 3, 2, 5, 4], &[0, 10, 30, 50, 40]);
        check("one alone", 3, &[1], &[10]);
        check("none", 1, &[], &[]);
    }

    #[test]
    fn the_depth_is_how_many_come_too_early() {
        let cases: [(&[u64], usize); 4] = [(&[], 0), (&[1, 2, 3], 0), (&[1, 4, 2, 3], 1), (&[1, 5, 3, 2, 4], 2)];
        for (keys, want) in cases {
            assert_eq!(depth(keys), want, "{keys:?}");
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut order, mut out) = (Order::new(1), VecDeque::new());
        for number in 0..1000i64 {
            let sample = DemuxedSample { track: 1, dts: number, pts: 0, duration: 1, sync: true, data: Bytes::new() };
            // The first is shown last, if ever.
            order.handle(if number == 0 { u64::MAX } else { number as u64 }, sample, &mut out);
            assert!(order.waiting.len() <= MAX_WAITING);
        }
        order.finish(&mut out);
        assert_eq!(out.len(), 1000);
    }
}
