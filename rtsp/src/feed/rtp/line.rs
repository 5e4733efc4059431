//! The tracks' clocks laid on one line: by their senders' reports, and by arrival before there are any.

use rtp::clock::{ClockRate, MediaTime, NtpTimestamp, RtpTimestamp, Ticks};
use rtp::rtcp::SenderReport;
use std::time::{Duration, Instant};

/// A track that has drifted so far from where its reports put it is moved there: less is seen and heard by nobody, and
/// moving it breaks the even spacing of its times.
const DRIFT: Duration = Duration::from_millis(10);

/// Times that leap so far, against the wall clock, are another count.
const JUMP: Duration = Duration::from_secs(10);

/// Reports that put a track so far off are about another wall clock than before, or than the other tracks'.
const SKEW: Duration = Duration::from_secs(5);

/// The line that all tracks of a feed share; its zero is when it was made.
#[derive(Debug)]
pub(super) struct Line {
    began: Instant,
    /// The wall clock's time at the line's zero, as the senders tell it, 32.32 seconds.
    zero: Option<u64>,
    tracks: Vec<Clock>,
}

#[derive(Debug)]
struct Clock {
    rate: ClockRate,
    /// The last timestamp, its place in the track's own count, and when it came.
    last: Option<(RtpTimestamp, i64, Instant)>,
    /// What is added to the track's count.
    offset: i64,
    /// A report has put it where it is.
    reported: bool,
}

/// Where a timestamp lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// In the track's own count, which nothing moves but a jump.
    pub(super) count: i64,
    /// What makes a place on the line of it.
    pub(super) offset: i64,
    /// The count begins anew here.
    pub(super) jumped: bool,
}

impl Line {
    pub(super) fn new(rates: Vec<ClockRate>, now: Instant) -> Self {
        let clock = |rate| Clock { rate, last: None, offset: 0, reported: false };
        Self { began: now, zero: None, tracks: rates.into_iter().map(clock).collect() }
    }

    /// The source of a track is another from now on.
    pub(super) fn restart(&mut self, track: usize) {
        if let Some(clock) = self.tracks.get_mut(track) {
            (clock.last, clock.reported) = (None, false);
        }
    }

    /// Where a unit of that timestamp lies.
    pub(super) fn place(&mut self, track: usize, timestamp: RtpTimestamp, now: Instant) -> Option<Placed> {
        let arrival = MediaTime::ZERO.plus(now.saturating_duration_since(self.began));
        let clock = self.tracks.get_mut(track)?;
        let jumped = match clock.last {
            None => true,
            Some((last, _, at)) => {
                let leap = clock.rate.time(Ticks(timestamp.distance(last).into()));
                let passed = MediaTime::ZERO.plus(now.saturating_duration_since(at));
                leap.since(passed) > JUMP || MediaTime::ZERO.since(leap) > JUMP
            }
        };
        let count = match clock.last {
            Some((last, count, _)) if !jumped => count + i64::from(timestamp.distance(last)),
            _ => i64::from(timestamp.0),
        };
        if jumped {
            clock.offset = clock.rate.ticks(arrival).0 - count;
            clock.reported = false;
        }
        clock.last = Some((timestamp, count, now));
        Some(Placed { count, offset: clock.offset, jumped })
    }

    /// A sender says what the wall clock was at one of its timestamps.
    pub(super) fn report(&mut self, track: usize, report: &SenderReport, now: Instant) {
        let Some(clock) = self.tracks.get_mut(track) else { return };
        // Zero: it has no wall clock (RFC 3550 6.4.1).
        if report.ntp.0 == 0 {
            return;
        }
        let (last, count) = match clock.last {
            Some((last, count, _)) => (last, count),
            None => {
                // Said before the first packet: that instant is now.
                let arrival = MediaTime::ZERO.plus(now.saturating_duration_since(self.began));
                let count = i64::from(report.rtp.0);
                (clock.offset, clock.last) = (clock.rate.ticks(arrival).0 - count, Some((report.rtp, count, now)));
                (report.rtp, count)
            }
        };
        let count = count + i64::from(report.rtp.distance(last));
        let here = clock.rate.time(Ticks(count + clock.offset));
        let zero = *self.zero.get_or_insert(before(report.ntp, here));
        let there = span(report.ntp.0.wrapping_sub(zero) as i64);
        let off = there.since(here).max(here.since(there));
        let first = !std::mem::replace(&mut clock.reported, true);
        if off > SKEW {
            if first {
                // A wall clock of its own says nothing about the other tracks.
                clock.reported = false;
            } else {
                self.zero = Some(before(report.ntp, here));
            }
        } else if off > DRIFT || first && off > Duration::from_millis(1) {
            clock.offset = clock.rate.ticks(there).0 - count;
        }
    }
}

/// The wall clock's time so long before.
fn before(ntp: NtpTimestamp, time: MediaTime) -> u64 {
    ntp.0.wrapping_sub(((i128::from(time.0) << 32) / 1_000_000_000) as u64)
}

/// 32.32 seconds as nanoseconds.
fn span(fixed: i64) -> MediaTime {
    MediaTime(((i128::from(fixed) * 1_000_000_000) >> 32) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: u64 = 3_900_000_000;

    fn ntp(millis: u64) -> NtpTimestamp {
        NtpTimestamp((EPOCH << 32) + (millis << 32) / 1000)
    }

    /// What comes: `P track timestamp` or `R track timestamp ntp-millis`, at a millisecond; then where packets lie, in
    /// milliseconds.
    fn check(name: &str, events: &[(u64, char, usize, u32, u64)], expected: &[i64]) {
        let start = Instant::now();
        let audio = ClockRate::new(8000).unwrap();
        let mut line = Line::new(vec![ClockRate::VIDEO, audio], start);
        let mut seen = Vec::new();
        for &(millis, kind, track, timestamp, wall) in events {
            let now = start + Duration::from_millis(millis);
            if kind == 'R' {
                let report = SenderReport { ntp: ntp(wall), rtp: RtpTimestamp(timestamp), ..SenderReport::default() };
                line.report(track, &report, now);
                continue;
            }
            let placed = line.place(track, RtpTimestamp(timestamp), now).unwrap();
            let rate = if track == 0 { ClockRate::VIDEO } else { audio };
            seen.push((rate.time(Ticks(placed.count + placed.offset)).0 + 500_000) / 1_000_000);
        }
        assert_eq!(seen, expected, "{name}");
    }

    #[test]
    fn tracks_lie_by_arrival_and_then_by_their_reports() {
        const TOP: u32 = u32::MAX - 1000;
        check("by arrival", &[(10, 'P', 0, 9_000, 0), (60, 'P', 1, 800, 0), (70, 'P', 0, 12_600, 0)], &[10, 60, 50]);
        check("over the wrap", &[(0, 'P', 0, TOP, 0), (40, 'P', 0, TOP.wrapping_add(3_600), 0)], &[0, 40]);
        check(
            "audio came 50 ms late, which its report tells",
            &[
                (10, 'P', 0, 9_000, 0),
                (60, 'P', 1, 800, 0),
                (70, 'R', 0, 9_000, 500),
                (70, 'R', 1, 800, 500),
                (80, 'P', 1, 960, 0),
            ],
            &[10, 60, 30],
        );
        check(
            "reports before packets",
            &[(5, 'R', 0, 9_000, 500), (6, 'R', 1, 800, 520), (10, 'P', 0, 9_000, 0), (60, 'P', 1, 800, 0)],
            &[5, 25],
        );
        check(
            "drift is followed from 10 ms on",
            &[
                (0, 'P', 0, 0, 0),
                (1, 'R', 0, 0, 0),
                (1000, 'R', 0, 90_000, 1_005),
                (1000, 'P', 0, 90_000, 0),
                (2000, 'R', 0, 180_000, 2_011),
                (2000, 'P', 0, 180_000, 0),
            ],
            &[0, 1000, 2011],
        );
        check(
            "a wall clock of its own says nothing",
            &[(0, 'P', 0, 0, 0), (0, 'P', 1, 0, 0), (1, 'R', 0, 0, 0), (2, 'R', 1, 0, 3_600_000), (20, 'P', 1, 160, 0)],
            &[0, 0, 20],
        );
        check(
            "a wall clock that is set",
            &[
                (0, 'P', 0, 0, 0),
                (1, 'R', 0, 0, 0),
                (1000, 'R', 0, 90_000, 9_001_000),
                (1000, 'P', 0, 90_000, 0),
                (2000, 'R', 0, 180_000, 9_002_000),
                (2000, 'P', 0, 180_000, 0),
            ],
            &[0, 1000, 2000],
        );
        check(
            "timestamps that leap, and a stall",
            &[
                (0, 'P', 0, 0, 0),
                (40, 'P', 0, 90_000_000, 0),
                (80, 'P', 0, 90_003_600, 0),
                (60_000, 'P', 0, 90_007_200, 0),
            ],
            &[0, 40, 80, 120],
        );
    }
}
