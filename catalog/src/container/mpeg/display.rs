//! When pictures are shown: from decode order and the few times that packets carry to a time for each picture.

use super::gathered::Gathered;
use super::timeline::{Place, Stamp, Timeline};
use super::{CLOCK, VIDEO_TIMESCALE};
use crate::container::DemuxedSample;
use bytes::Bytes;
use std::collections::VecDeque;

/// Pictures, and their bytes, that wait for their times at most: thousands of B pictures in a row, or none with a time,
/// would lie in memory.
const MAX_WAITING: usize = 100;
const MAX_WAITING_LEN: usize = 4 << 20;

/// One picture in decode order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    /// The time of the packet in which it begins, if it is the first there.
    pub stamp: Option<Stamp>,
    /// Shown at once when decoded, while others wait for the next one that isn't.
    pub is_b: bool,
    /// Pictures of its group that are shown before it.
    pub temporal_reference: u16,
    /// How long it is shown, in [`VIDEO_TIMESCALE`].
    pub duration: i64,
    /// Whether decoding may begin here.
    pub sync: bool,
    pub data: Bytes,
}

/// Gives pictures their times, in the order in which they are shown (ISO 13818-2 6.1.1.11): a B picture at once, any
/// other when the next one that is no B comes. A picture with a time of its own has that one, another follows the one
/// shown before it. So decoding takes place one picture before showing: the i-th picture decoded has as decode time
/// the time of the (i-1)-th one shown.
#[derive(Debug, Default)]
pub(super) struct Display {
    place: Place,
    /// In decode order, from picture number `first` on.
    waiting: VecDeque<Waiting>,
    waiting_len: usize,
    first: u64,
    /// The picture that is decoded and not shown.
    held: Option<u64>,
    /// Pictures shown before the first time was known, in that order.
    timeless: Vec<u64>,
    /// The time of the last picture shown, and where the next one follows, in [`VIDEO_TIMESCALE`].
    last: Option<i64>,
    next: Option<i64>,
    /// Times of pictures shown that have not yet been used as decode times.
    decode_times: VecDeque<i64>,
}

#[derive(Debug)]
struct Waiting {
    picture: Picture,
    /// Its own time on the timeline.
    own: Option<i64>,
    shown: Option<i64>,
}

/// One tick of the packets' clock.
const TICK: i64 = (VIDEO_TIMESCALE / CLOCK) as i64;

impl Display {
    pub fn handle(&mut self, track: u32, picture: Picture, gathered: &mut Gathered) {
        let number = self.first + self.waiting.len() as u64;
        let own = picture.stamp.map(|stamp| {
            let expected = self.expected(&picture);
            gathered.timeline.place(&mut self.place, stamp, expected) * TICK
        });
        let is_b = picture.is_b;
        self.waiting_len += picture.data.len();
        self.waiting.push_back(Waiting { picture, own, shown: None });
        let shown = if is_b { Some(number) } else { self.held.replace(number) };
        if let Some(shown) = shown {
            self.show(shown);
        }
        if self.waiting.len() > MAX_WAITING || self.waiting_len > MAX_WAITING_LEN {
            self.give_up(&gathered.timeline);
        }
        self.release(track, gathered);
    }

    /// The stream is over.
    pub fn finish(&mut self, track: u32, gathered: &mut Gathered) {
        self.give_up(&gathered.timeline);
        self.release(track, gathered);
    }

    /// Where a picture that comes now would be shown, in 90 kHz.
    fn expected(&self, picture: &Picture) -> Option<i64> {
        let held = self.held.and_then(|number| self.waiting.get(self.index(number)));
        let after_held = match (self.next, held) {
            (Some(next), Some(held)) => Some(next.max(held.own.unwrap_or(next)) + held.picture.duration),
            (Some(next), None) => Some(next),
            (None, held) => held.and_then(|held| held.own),
        }?;
        // Pictures of a new group that are shown before it are still to come.
        let before = if picture.sync { i64::from(picture.temporal_reference) * picture.duration } else { 0 };
        Some(after_held.saturating_add(before).div_euclid(TICK))
    }

    fn index(&self, number: u64) -> usize {
        usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX)
    }

    fn show(&mut self, number: u64) {
        let index = self.index(number);
        let Some(waiting) = self.waiting.get(index) else { return };
        let (own, duration) = (waiting.own, waiting.picture.duration);
        let time = match (own, self.next) {
            // Nothing is shown before what was shown already.
            (Some(own), Some(next)) => {
                if self.last.is_none_or(|last| own > last) {
                    own
                } else {
                    next
                }
            }
            (Some(own), None) => {
                self.count_back(own);
                own
            }
            (None, Some(next)) => next,
            (None, None) => return self.timeless.push(number),
        };
        self.set_time(number, time, duration);
    }

    /// The pictures shown before the first known time lie before it without gaps.
    fn count_back(&mut self, time: i64) {
        let timeless = std::mem::take(&mut self.timeless);
        let durations: Vec<_> = timeless
            .iter()
            .map(|&number| self.waiting.get(self.index(number)).map_or(0, |w| w.picture.duration))
            .collect();
        let mut at = time - durations.iter().sum::<i64>();
        for (number, duration) in timeless.into_iter().zip(durations) {
            self.set_time(number, at, duration);
            at += duration;
        }
    }

    fn set_time(&mut self, number: u64, time: i64, duration: i64) {
        if self.last.is_none() {
            self.decode_times.push_back(time - duration);
        }
        self.decode_times.push_back(time);
        (self.last, self.next) = (Some(time), Some(time + duration));
        let index = self.index(number);
        if let Some(waiting) = self.waiting.get_mut(index) {
            waiting.shown = Some(time);
        }
    }

    /// Stops waiting for the next picture, and for a time if there is none.
    fn give_up(&mut self, timeline: &Timeline) {
        if let Some(held) = self.held.take() {
            self.show(held);
        }
        if !self.timeless.is_empty() {
            let length: i64 = self.waiting.iter().map(|waiting| waiting.picture.duration).sum();
            self.count_back(timeline.now() * TICK + length);
        }
    }

    /// Pictures whose times are known leave in decode order.
    fn release(&mut self, track: u32, gathered: &mut Gathered) {
        while let Some(pts) = self.waiting.front().and_then(|waiting| waiting.shown)
            && let Some(dts) = self.decode_times.pop_front()
            && let Some(Waiting { picture, .. }) = self.waiting.pop_front()
        {
            self.first += 1;
            self.waiting_len -= picture.data.len();
            let Picture { duration, sync, data, .. } = picture;
            gathered.samples.push_back(DemuxedSample { track, dts: dts.min(pts), pts, duration, sync, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: i64 = 3600 * TICK;

    /// Pictures in decode order, `B` or not and with a time or not, and their decode and presentation times in frames.
    fn check(name: &str, pictures: &[(char, Option<u64>)], expected: &[(i64, i64)]) {
        let (mut display, mut gathered) = (Display::default(), Gathered::default());
        for (kind, frame) in pictures {
            let stamp = frame.map(|frame| gathered.timeline.stamp(frame * 3600));
            let (is_b, sync, data) = (*kind == 'B', *kind == 'I', Bytes::from_static(b"picture"));
            let picture = Picture { stamp, is_b, temporal_reference: 0, duration: FRAME, sync, data };
            display.handle(1, picture, &mut gathered);
        }
        display.finish(1, &mut gathered);
        let seen: Vec<_> = gathered.samples.iter().map(|sample| (sample.dts, sample.pts)).collect();
        assert_eq!(seen, expected.iter().map(|(dts, pts)| (dts * FRAME, pts * FRAME)).collect::<Vec<_>>(), "{name}");
    }

    #[test]
    fn pictures_get_their_times() {
        let all =
            [('I', Some(10)), ('P', Some(13)), ('B', Some(11)), ('B', Some(12)), ('P', Some(16)), ('B', Some(14))];
        let sparse = [('I', Some(10)), ('P', None), ('B', None), ('B', None), ('P', None), ('B', None), ('B', None)];
        check("only the first has one", &sparse, &[(-1, 0), (0, 3), (1, 1), (2, 2), (3, 6), (4, 4), (5, 5)]);
        check("the last before a missing B", &all, &[(-1, 0), (0, 3), (1, 1), (2, 2), (3, 6), (4, 4)]);
        check("no B", &[('I', Some(5)), ('P', None), ('P', None)], &[(-1, 0), (0, 1), (1, 2)]);
        check(
            "B before the first I",
            &[('I', Some(2)), ('B', Some(0)), ('B', Some(1))],
            &[(-3, 0), (-2, -2), (-1, -1)],
        );
        check(
            "time known late",
            &[('I', None), ('P', None), ('B', None), ('P', Some(9))],
            &[(-4, -3), (-3, -1), (-2, -2), (-1, 0)],
        );
        check("no time at all", &[('I', None), ('P', None), ('B', None)], &[(-1, 0), (0, 2), (1, 1)]);
        check(
            "time that goes back is not followed",
            &[('I', Some(5)), ('P', Some(5)), ('P', None)],
            &[(-1, 0), (0, 1), (1, 2)],
        );
        check("a gap is", &[('I', Some(0)), ('P', Some(5)), ('P', None)], &[(-1, 0), (0, 5), (5, 6)]);
        check("B only", &[('B', Some(0)), ('B', None)], &[(-1, 0), (0, 1)]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut display, mut gathered) = (Display::default(), Gathered::default());
        for number in 0..1000 {
            let data = Bytes::from_static(b"picture");
            let picture =
                Picture { stamp: None, is_b: number > 0, temporal_reference: 0, duration: FRAME, sync: false, data };
            display.handle(1, picture, &mut gathered);
            assert!(display.waiting.len() <= MAX_WAITING);
        }
        display.finish(1, &mut gathered);
        assert_eq!(gathered.samples.len(), 1000);
        assert!(gathered.samples.iter().all(|sample| sample.dts <= sample.pts));
    }
}
