//! How fast a range is played: `Scale` and `Speed` (RFC 2326 sections 12.34 and 12.35).

use catalog::sample::SampleTable;
use rtp::clock::{MediaTime, Ticks};
use std::time::Duration;

/// The slowest and the fastest `Scale`, forwards and backwards.
const SCALES: (f64, f64) = (0.125, 32.0);
/// The slowest and the fastest `Speed`: each multiplies what a viewer costs.
const SPEEDS: (f64, f64) = (0.25, 4.0);
/// From this scale on only sync samples are sent: all pictures would multiply the data rate.
const SPARSE_FROM: f64 = 2.0;

/// How a range is played.
///
/// Normal play time passes `scale * speed` times as fast as the wall clock's. Timestamps count the time in which it is
/// shown, so they pass `speed` times as fast (RFC 7826 C.1): at scale 2 they look like any other film's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    scale: f64,
    speed: f64,
}

/// What is sent at a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All samples of all tracks.
    All,
    /// All pictures, no sound.
    Pictures,
    /// Pictures where decoding may begin, no sound.
    SyncPictures,
}

impl Rate {
    /// As the film was made.
    pub const NORMAL: Rate = Rate { scale: 1.0, speed: 1.0 };

    /// The nearest rate that can be had. Without a picture nothing but the normal scale can.
    pub fn nearest(scale: f64, speed: f64, pictures: bool) -> Self {
        let bound = |value: f64, (least, most): (f64, f64)| {
            if value.is_finite() { value.abs().clamp(least, most).copysign(value) } else { 1.0 }
        };
        Self { scale: if pictures { bound(scale, SCALES) } else { 1.0 }, speed: bound(speed.abs(), SPEEDS) }
    }

    /// Normal play time for one second of showing; negative: backwards.
    pub fn scale(self) -> f64 {
        self.scale
    }

    /// Seconds of showing that are sent in one second.
    pub fn speed(self) -> f64 {
        self.speed
    }

    /// What is sent.
    pub fn selection(self) -> Selection {
        match self.scale {
            1.0 => Selection::All,
            scale if scale > 0.0 && scale < SPARSE_FROM => Selection::Pictures,
            _ => Selection::SyncPictures,
        }
    }

    /// Whether it plays from the end to the start.
    pub fn is_backward(self) -> bool {
        self.scale < 0.0
    }

    /// Real time for so much normal play time.
    pub(super) fn real(self, npt: Duration) -> Duration {
        self.divide(npt, self.scale.abs() * self.speed)
    }

    /// Time of showing for so much normal play time.
    pub(super) fn shown(self, npt: Duration) -> Duration {
        self.divide(npt, self.scale.abs())
    }

    /// Normal play time for so much real time.
    pub(crate) fn npt(self, real: Duration) -> Duration {
        self.divide(real, 1.0 / (self.scale.abs() * self.speed))
    }

    /// Time of showing for so much real time.
    pub(super) fn sent(self, real: Duration) -> Duration {
        self.divide(real, 1.0 / self.speed)
    }

    /// Normal play time `npt` after (backwards: before) `start`.
    pub(crate) fn onward(self, start: MediaTime, npt: Duration) -> MediaTime {
        match self.is_backward() {
            true => MediaTime(start.0.saturating_sub(MediaTime::ZERO.plus(npt).0)),
            false => start.plus(npt),
        }
    }

    /// The presentation time `pts` on the line on which showing runs at normal rate, where both meet at `anchor`.
    pub(super) fn on_line(self, anchor: Ticks, pts: Ticks) -> i64 {
        match self.scale {
            1.0 => pts.0,
            scale => anchor.0.saturating_add(((pts.0.saturating_sub(anchor.0)) as f64 / scale).round() as i64),
        }
    }

    /// The sync sample that is sent after sample `cursor`: not so near that more pictures than normal are shown. With
    /// the ticks to it.
    pub(crate) fn next_sync(self, samples: &SampleTable, cursor: usize) -> (Option<usize>, Ticks) {
        let length = samples.end().0.saturating_sub(samples.start().0).max(1);
        let spacing = length as f64 / samples.len().max(1) as f64 * self.scale.abs();
        self.next_after(samples, cursor, spacing)
    }

    /// The same of sound, of which one unit is sent in each `beat` of showing.
    pub(super) fn next_beat(self, samples: &SampleTable, cursor: usize, beat: Ticks) -> (Option<usize>, Ticks) {
        self.next_after(samples, cursor, beat.0 as f64 * self.scale.abs())
    }

    /// The sync sample that is about `spacing` ticks on from sample `cursor`.
    fn next_after(self, samples: &SampleTable, cursor: usize, spacing: f64) -> (Option<usize>, Ticks) {
        let Some(here) = samples.get(cursor) else { return (None, Ticks(0)) };
        // A little less, or rounding would leave out every other one.
        let step = ((spacing * 0.9) as i64).max(1);
        let next = match self.is_backward() {
            false => samples.sync_at_or_after(Ticks(here.pts.0.saturating_add(step))),
            true => Some(samples.sync_at_or_before(Ticks(here.pts.0.saturating_sub(step)))),
        };
        let next = next.and_then(|next| Some((next, samples.get(next)?)));
        let next = next.filter(|(_, sample)| sample.sync && (sample.pts < here.pts) == self.is_backward());
        match next {
            Some((next, sample)) if sample.pts != here.pts => (Some(next), Ticks((sample.pts.0 - here.pts.0).abs())),
            _ => (None, Ticks(spacing as i64)),
        }
    }

    fn divide(self, time: Duration, by: f64) -> Duration {
        if by == 1.0 { time } else { Duration::try_from_secs_f64(time.as_secs_f64() / by).unwrap_or(Duration::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_becomes_the_nearest() {
        let cases = [
            ((2.0, 1.0, true), (2.0, 1.0, Selection::SyncPictures)),
            ((1.5, 2.0, true), (1.5, 2.0, Selection::Pictures)),
            ((0.5, 1.0, true), (0.5, 1.0, Selection::Pictures)),
            ((-1.0, 1.0, true), (-1.0, 1.0, Selection::SyncPictures)),
            ((1e6, 1e6, true), (32.0, 4.0, Selection::SyncPictures)),
            ((-1e6, 0.000_1, true), (-32.0, 0.25, Selection::SyncPictures)),
            ((0.000_1, 1.0, true), (0.125, 1.0, Selection::Pictures)),
            ((-4.0, 2.0, false), (1.0, 2.0, Selection::All)),
            ((f64::NAN, f64::INFINITY, true), (1.0, 1.0, Selection::All)),
        ];
        for ((scale, speed, pictures), (real_scale, real_speed, selection)) in cases {
            let rate = Rate::nearest(scale, speed, pictures);
            assert_eq!((rate.scale(), rate.speed(), rate.selection()), (real_scale, real_speed, selection), "{scale}");
        }
    }
}
