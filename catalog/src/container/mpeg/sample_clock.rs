//! Times of audio frames: samples counted on from the few times that packets carry.

use super::CLOCK;
use super::gathered::Gathered;
use super::timeline::{Place, Stamp};
use crate::container::DemuxedSample;
use bytes::Bytes;

/// Frames before the first one with a time that wait for it at most, some 25 s: without limit a file without times
/// would lie in memory as a whole.
const MAX_WAITING: usize = 1000;

/// One frame, an access unit.
pub(super) struct Frame {
    /// Of each channel.
    pub samples: u32,
    pub data: Bytes,
    pub stamp: Option<Stamp>,
}

/// Gives frames their times.
///
/// A frame's time is the last one plus the samples since, so that nothing adds up; a packet's own time counts where it
/// is more than its rounding away from that.
#[derive(Debug)]
pub(super) struct SampleClock {
    track: u32,
    sample_rate: u32,
    timescale: u32,
    place: Place,
    /// Where the last frame began and where the next one does, in `timescale`.
    last: Option<i64>,
    next: Option<i64>,
    /// Frames before the first time, with the sum of their durations.
    waiting: Vec<(Bytes, i64)>,
}

impl SampleClock {
    pub fn new(track: u32, sample_rate: u32) -> Self {
        let sample_rate = sample_rate.max(1);
        let timescale = common_multiple(CLOCK, sample_rate);
        let (place, waiting) = (Place::default(), Vec::new());
        Self { track, sample_rate, timescale, place, last: None, next: None, waiting }
    }

    /// Ticks per second of the samples' times: a common multiple of the 90 kHz clock and the sample rate.
    pub fn timescale(&self) -> u32 {
        self.timescale
    }

    pub fn handle(&mut self, frame: Frame, gathered: &mut Gathered) {
        let duration = i64::from(frame.samples) * i64::from(self.timescale) / i64::from(self.sample_rate);
        let tick = i64::from(self.timescale / CLOCK);
        let start = match (frame.stamp, self.next) {
            (Some(stamp), Some(next)) => {
                let placed = gathered.timeline.place(&mut self.place, stamp, Some(next.div_euclid(tick))) * tick;
                // Within a tick it is the same time, rounded. Back to before the last frame goes no time.
                if (placed - next).abs() <= tick || self.last.is_some_and(|last| placed <= last) {
                    next
                } else {
                    placed
                }
            }
            (Some(stamp), None) => {
                let start = gathered.timeline.place(&mut self.place, stamp, None) * tick;
                self.release_before(start, gathered);
                start
            }
            (None, Some(next)) => next,
            (None, None) => {
                self.waiting.push((frame.data, duration));
                if self.waiting.len() > MAX_WAITING {
                    self.release(gathered);
                }
                return;
            }
        };
        (self.last, self.next) = (Some(start), Some(start + duration));
        gathered.samples.push_back(sample(self.track, start, duration, frame.data));
    }

    /// Counts back from the first time to the frames before it.
    fn release_before(&mut self, start: i64, gathered: &mut Gathered) {
        let mut at = start - self.waiting.iter().map(|(_, duration)| duration).sum::<i64>();
        for (data, duration) in self.waiting.drain(..) {
            gathered.samples.push_back(sample(self.track, at, duration, data));
            at += duration;
        }
    }

    /// Gives up waiting for a time: the frames begin where the file is.
    pub fn release(&mut self, gathered: &mut Gathered) {
        if !self.waiting.is_empty() {
            let length: i64 = self.waiting.iter().map(|(_, duration)| duration).sum();
            let end = gathered.timeline.now() * i64::from(self.timescale / CLOCK) + length;
            self.release_before(end, gathered);
            self.next = Some(end);
        }
    }
}

fn sample(track: u32, start: i64, duration: i64, data: Bytes) -> DemuxedSample {
    DemuxedSample { track, dts: start, pts: start, duration, sync: true, data }
}

fn common_multiple(a: u32, b: u32) -> u32 {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a / x.max(1)).saturating_mul(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timescale_counts_samples_and_ticks() {
        for (rate, expected) in [(44_100, 4_410_000), (48_000, 720_000), (32_000, 1_440_000), (22_050, 4_410_000)] {
            assert_eq!(common_multiple(CLOCK, rate), expected);
        }
    }
}
