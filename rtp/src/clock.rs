//! The kinds of time and their conversions.
//!
//! [`MediaTime`] is a place on a presentation's own timeline, [`Ticks`] the same place counted by one
//! track's clock, [`RtpTimestamp`] what travels in a packet, [`NtpTimestamp`] what a sender report says
//! of the wall clock. (NPT, the fourth, is RTSP's way to write a `MediaTime` and lives there.)

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Ticks per second of a track's RTP clock; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClockRate(u32);

impl ClockRate {
    /// The clock of nearly all video formats and of MPEG audio (RFC 3551 section 5, RFC 2250 section 3).
    pub const VIDEO: ClockRate = ClockRate(90_000);

    /// The clock of ASF packets (\[MS-RTSP\] 2.2.1.2).
    pub const MILLISECONDS: ClockRate = ClockRate(1_000);

    /// `None` for zero.
    pub const fn new(hz: u32) -> Option<Self> {
        if hz == 0 { None } else { Some(Self(hz)) }
    }

    /// Ticks per second.
    pub const fn hz(self) -> u32 {
        self.0
    }

    /// The nearest tick to `time`.
    pub fn ticks(self, time: MediaTime) -> Ticks {
        Ticks(scale(time.0, i64::from(self.0), NANOS))
    }

    /// The time of `ticks`, to the nearest nanosecond.
    pub fn time(self, ticks: Ticks) -> MediaTime {
        MediaTime(scale(ticks.0, NANOS, i64::from(self.0)))
    }

    /// `count` units of a clock of `timescale` ticks per second, counted by this clock (nearest).
    /// `timescale` zero gives zero.
    pub fn rescale(self, count: i64, timescale: u32) -> Ticks {
        if timescale == 0 {
            return Ticks(0);
        }
        Ticks(scale(count, i64::from(self.0), i64::from(timescale)))
    }
}

const NANOS: i64 = 1_000_000_000;

/// `value * times / by`, to the nearest, saturating; `by` is positive.
#[inline]
fn scale(value: i64, times: i64, by: i64) -> i64 {
    let half = if value < 0 { -(by / 2) } else { by / 2 };
    // For a day of film 64 bits are enough, and a division of 128 takes many times as long.
    match value.checked_mul(times).and_then(|product| product.checked_add(half)) {
        Some(product) => product / by,
        None => {
            let wide = (i128::from(value) * i128::from(times) + i128::from(half)) / i128::from(by);
            wide.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
        }
    }
}

/// A time or a span counted by a track's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticks(pub i64);

/// Nanoseconds on a presentation's timeline; zero is the first instant shown or heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MediaTime(pub i64);

impl MediaTime {
    /// The start of the presentation.
    pub const ZERO: MediaTime = MediaTime(0);

    /// From seconds; saturates, and NaN is zero.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self((secs * 1e9).round() as i64)
    }

    /// In seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// `self - earlier` as a span, zero where negative.
    pub fn since(self, earlier: MediaTime) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0).max(0) as u64)
    }

    /// `self + span`, saturating.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// What the packets of a track carry: ticks of its clock from a random start, modulo 2^32 (RFC 3550 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RtpTimestamp(pub u32);

impl RtpTimestamp {
    /// This timestamp moved by `ticks`, wrapping.
    pub fn plus(self, ticks: Ticks) -> Self {
        Self(self.0.wrapping_add(ticks.0 as u32))
    }

    /// Signed distance `self - other`, right while less than 2^31 apart.
    pub fn distance(self, other: RtpTimestamp) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

/// Seconds since 1900 in 32.32 fixed point (RFC 3550 section 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtpTimestamp(pub u64);

impl NtpTimestamp {
    /// Seconds from 1900 to 1970.
    const UNIX_EPOCH: u64 = 2_208_988_800;

    /// From the time since 1970, modulo the NTP era of 2^32 s.
    pub fn from_unix(since_1970: Duration) -> Self {
        let secs = (since_1970.as_secs() + Self::UNIX_EPOCH) << 32;
        let fraction = (u64::from(since_1970.subsec_nanos()) << 32) / 1_000_000_000;
        Self(secs | fraction)
    }

    /// This instant plus `ticks` of `clock`, exact to 2^-32 s.
    pub fn plus(self, ticks: Ticks, clock: ClockRate) -> Self {
        let delta = (i128::from(ticks.0) << 32) / i128::from(clock.hz());
        Self(self.0.wrapping_add(delta as u64))
    }

    /// The middle 32 bits, as report blocks carry them in LSR (RFC 3550 6.4.1).
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_round_to_the_nearest_and_come_back() {
        let clock = ClockRate::VIDEO;
        for ticks in [-90_001, -1, 0, 1, 3_003, 90_000, 1 << 40] {
            assert_eq!(clock.ticks(clock.time(Ticks(ticks))), Ticks(ticks));
        }
        assert_eq!(clock.rescale(1, 44_100), Ticks(2));
        assert_eq!(clock.rescale(-1, 44_100), Ticks(-2));
        assert_eq!(clock.rescale(5, 0), Ticks(0));
        // Beyond 64 bits on the way, and in the end.
        assert_eq!(clock.time(Ticks(9_000_000_000_001)), MediaTime(100_000_000_000_011_111));
        assert_eq!(clock.ticks(MediaTime(-100_000_000_000_011_111)), Ticks(-9_000_000_000_001));
        assert_eq!(clock.rescale(i64::MIN, 1), Ticks(i64::MIN));
    }

    #[test]
    fn a_timestamp_wraps_and_its_distance_does_too() {
        let late = RtpTimestamp(u32::MAX).plus(Ticks(3));
        assert_eq!(late, RtpTimestamp(2));
        assert_eq!(late.distance(RtpTimestamp(u32::MAX)), 3);
        assert_eq!(RtpTimestamp(u32::MAX).distance(late), -3);
    }

    #[test]
    fn a_whole_second_of_ticks_is_a_whole_second_of_ntp() {
        let start = NtpTimestamp::from_unix(Duration::from_millis(1_500));
        let next = start.plus(Ticks(90_000), ClockRate::VIDEO);
        assert_eq!(next.0 - start.0, 1 << 32);
        assert_eq!(start.0 >> 32, NtpTimestamp::UNIX_EPOCH + 1);
        assert_eq!(start.0 as u32, 1 << 31);
    }
}
