//! A feed's times laid on the channel's line, which begins with the first unit and runs with the feed's clock.
//!
//! All tracks of a feed are moved by the same span, to the tick, so that what is told apart by a feed is told apart by as
//! much on the channel's line. The span changes only where a feed begins anew or leaps. Clocks of feeds run fast or slow:
//! what that comes to is not taken from the times but followed, so that sender reports go on to pair the wall clock's time
//! with what is being sent then.

use super::{Live, LiveUnit};
use rtp::clock::{MediaTime, Ticks};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

/// A feed whose times go so far from where the channel is has leapt: it is laid anew. Less is delay, drift or a stall.
const JUMP: Duration = Duration::from_secs(5);

/// Over so long the unit that came with the least delay tells how the feed's clock stands to ours.
const WINDOW: Duration = Duration::from_secs(8);

/// The same of a feed that has just begun: what it is ahead by then is taken whole, as the place that is now. Reports, of
/// which some have been heard by then, come after it step by step.
const FIRST_WINDOW: Duration = Duration::from_secs(1);

/// Differences up to this are the network's and the feed's own unrest, nanoseconds; reports stay as they are.
const UNREST: i64 = 10_000_000;

/// What is taken of the rest at the end of each window, and at most, nanoseconds: clocks are off by 0.01 %, and receivers
/// take reports for what they are.
const SHARE: i64 = 4;
const MAX_STEP: i64 = 2_000_000;

/// How a feed's line lies on the channel's.
#[derive(Debug)]
pub(super) struct Timeline {
    live: Arc<Live>,
    /// What is added to a feed's times; `None` until its first unit.
    shift: Option<MediaTime>,
    /// Each track's latest decode time: they never fall.
    latest: Vec<Option<Ticks>>,
    window: Option<Window>,
    /// The first window of the feed is over.
    settled: bool,
}

/// How far the line has run ahead of the wall clock at most, lately.
#[derive(Clone, Copy, Debug)]
struct Window {
    began: Instant,
    ahead: i64,
}

impl Timeline {
    /// The line of a channel as it is described now.
    pub(super) fn new(live: Arc<Live>) -> Self {
        let latest = vec![None; live.sources.len()];
        Self { live, shift: None, latest, window: None, settled: false }
    }

    /// Another feed begins.
    pub(super) fn restart(&mut self) {
        (self.shift, self.window, self.settled) = (None, None, false);
    }

    /// The units on the channel's line; `None` where there is no such track or none of them is left.
    pub(super) fn place(&mut self, track: usize, units: &[LiveUnit], now: Instant) -> Option<Vec<LiveUnit>> {
        let clock = self.live.sources.get(track)?.clock;
        let own = clock.time(units.first()?.dts);
        let here = self.live.position(now);
        let laid = |shift: MediaTime| MediaTime(own.0.saturating_add(shift.0));
        let near = |shift: &MediaTime| laid(*shift).since(here).max(here.since(laid(*shift))) <= JUMP;
        let shift = match self.shift.filter(near) {
            Some(shift) => shift,
            None => {
                (self.window, self.settled) = (None, false);
                // Behind all that was: a feed that comes back at once may have been ahead.
                let start = here.max(self.end());
                MediaTime(start.0.saturating_sub(own.0))
            }
        };
        self.shift = Some(shift);
        self.follow(laid(shift), now);
        let ticks = clock.ticks(shift);
        let latest = self.latest.get_mut(track)?;
        let place = |unit: &LiveUnit| {
            let moved = |at: Ticks| Ticks(at.0.saturating_add(ticks.0));
            let dts = latest.map_or(moved(unit.dts), |latest| latest.max(moved(unit.dts)));
            *latest = Some(dts);
            LiveUnit { data: unit.data.clone(), dts, pts: moved(unit.pts), sync: unit.sync }
        };
        Some(units.iter().map(place).collect())
    }

    /// The latest decode time of all tracks.
    pub(super) fn end(&self) -> MediaTime {
        let times = self.latest.iter().zip(&self.live.sources);
        let times = times.filter_map(|(latest, source)| latest.map(|latest| source.clock.time(latest)));
        times.max().unwrap_or(MediaTime::ZERO)
    }

    /// A unit for the place `laid` has come now.
    fn follow(&mut self, laid: MediaTime, now: Instant) {
        let wall = MediaTime::ZERO.plus(now.saturating_duration_since(self.live.began));
        let ahead = laid.0.saturating_sub(wall.0);
        let window = self.window.get_or_insert(Window { began: now, ahead });
        window.ahead = window.ahead.max(ahead);
        let length = if self.settled { WINDOW } else { FIRST_WINDOW };
        if now.saturating_duration_since(window.began) < length {
            return;
        }
        // Only the channel, which is locked, writes.
        let known = self.live.ahead.load(Relaxed);
        let off = window.ahead.saturating_sub(known);
        let beyond = off - off.clamp(-UNREST, UNREST);
        let gentle = |beyond: i64| (beyond / SHARE).clamp(-MAX_STEP, MAX_STEP);
        let ahead = known.saturating_add(if self.settled { gentle(beyond) } else { off });
        self.live.ahead.store(ahead, Relaxed);
        // What both follow is the same to the nanosecond, and what is left between them grows less.
        let told = self.live.told.load(Relaxed);
        let left = known.saturating_sub(told);
        let follows = if self.settled { ahead.saturating_sub(known) } else { 0 };
        self.live.told.store(told.saturating_add(follows).saturating_add(gentle(left)), Relaxed);
        self.settled = true;
        self.window = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::TrackDescription;
    use rtp::format::{Format, PcmCoding};
    use std::time::SystemTime;

    /// Video of 25 pictures a second by 90 kHz, sound of 50 units by 8 kHz.
    fn timeline(now: Instant) -> Timeline {
        let video = Format::Mp4vEs { config: vec![], width: 16, height: 16 };
        let audio = Format::Pcm { coding: PcmCoding::Mulaw, sample_rate: 8000, channels: 1 };
        let describe = |format| TrackDescription { format, language: None, bandwidth_bps: None };
        Timeline::new(Arc::new(Live::new("news", &[video, audio].map(describe), SystemTime::now(), now, None)))
    }

    fn unit(dts: i64, pts: i64) -> LiveUnit {
        LiveUnit { data: vec![0].into(), dts: Ticks(dts), pts: Ticks(pts), sync: false }
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// What came at which millisecond with which decode time, by 90 kHz and by 8 kHz; where each lies then, in
    /// milliseconds. `|`: another feed.
    fn check(name: &str, script: &str) {
        let start = Instant::now();
        let mut timeline = timeline(start);
        for line in script.split(',').map(str::trim) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [at, track, own, laid] = words[..] else {
                assert_eq!(line, "|", "{name}");
                timeline.restart();
                continue;
            };
            let track = usize::from(track == "a");
            let rate = [90, 8][track];
            let own: i64 = own.parse().unwrap();
            let now = start + millis(at.parse().unwrap());
            let placed = timeline.place(track, &[unit(own * rate, own * rate + rate)], now).unwrap();
            let expected = laid.parse::<i64>().unwrap() * rate;
            assert_eq!((placed[0].dts.0, placed[0].pts.0), (expected, expected + rate), "{name}: {line}");
        }
    }

    #[test]
    fn a_feed_is_laid_where_the_channel_is_and_keeps_its_own_spacing() {
        for (name, script) in [
            ("from zero", "0 v 1000 0, 40 v 1040 40, 41 a 1020 20, 85 v 1080 80"),
            ("a channel waits for its feed", "300 v 7000 300, 340 v 7040 340, 340 a 7000 300"),
            ("delay and haste are no leaps", "0 v 0 0, 3000 v 40 40, 3001 v 3000 3000, 3002 v 6000 6000"),
            ("a leap forwards", "0 v 0 0, 40 v 40 40, 80 v 90000 80, 120 v 90040 120, 120 a 90000 80"),
            ("a leap backwards", "0 v 90000 0, 40 v 90040 40, 80 v 10 80, 80 a 20 90, 120 v 50 120"),
            ("a stall is a leap", "0 v 0 0, 9000 v 40 9000, 9040 v 80 9040"),
            (
                "one track leaps first",
                "0 v 0 0, 0 a 0 0, 40 v 90040 40, 41 a 20 41, 80 v 90080 80, 81 a 90080 80, 120 v 90120 120, 121 a 90120 120",
            ),
            ("a feed that comes back", "0 v 500 0, 40 v 540 40, |, 2040 v 0 2040, 2080 v 40 2080, 2080 a 20 2060"),
            (
                "one that was ahead comes back at once",
                "0 v 0 0, 10 v 400 400, |, 20 v 70 400, 60 v 110 440, 60 a 90 420",
            ),
        ] {
            check(name, script);
        }
    }

    #[test]
    fn decode_times_never_fall_and_what_is_no_track_is_left_out() {
        let start = Instant::now();
        let mut timeline = timeline(start);
        assert_eq!(timeline.place(2, &[unit(0, 0)], start), None);
        assert_eq!(timeline.place(0, &[], start), None);
        let placed = timeline.place(0, &[unit(100, 300), unit(200, 100), unit(150, 200)], start).unwrap();
        let times: Vec<_> = placed.iter().map(|unit| (unit.dts.0, unit.pts.0)).collect();
        assert_eq!(times, [(0, 200), (100, 0), (100, 100)]);
        for extreme in [i64::MAX, i64::MIN, 0] {
            assert!(timeline.place(0, &[unit(extreme, extreme)], start + millis(40)).is_some());
        }
    }

    #[test]
    fn a_clock_that_runs_fast_or_slow_is_followed_and_no_time_is_touched() {
        for (name, parts_per_million, jitter) in [
            ("exact", 0, 0),
            ("fast", 100, 0),
            ("slow", -100, 0),
            ("late by up to 60 ms", 0, 60),
            ("fast and late", 200, 40),
        ] {
            let start = Instant::now();
            let mut timeline = timeline(start);
            let (mut before, mut worst) = (None, Duration::ZERO);
            // Two hours: without following, 100 ppm come to 720 ms.
            for number in 0..7200 * 25_i64 {
                let own = number * 3_600;
                let exact = 40_000 * number - 40_000 * number * parts_per_million / 1_000_000;
                let late = jitter * 1_000 * (number * 7_919 % 101) / 101;
                let now = start + Duration::from_micros((exact + late) as u64);
                let placed = timeline.place(0, &[unit(own, own)], now).unwrap()[0].dts;
                assert!(before.is_none_or(|before: Ticks| placed.0 - before.0 == 3_600), "{name}: {number}");
                before = Some(placed);
                let live = &timeline.live;
                let (sent, here) = (live.sources[0].clock.time(placed), live.position(now));
                worst = worst.max(sent.since(here).max(here.since(sent)));
                if number % 1_000 == 0 {
                    // A report pairs the same instant on both lines, whatever is followed.
                    let (ntp, timestamp) = live.report_times(0, now);
                    let tick = Ticks(i64::from(timestamp.distance(live.sources[0].start)));
                    let apart = ntp.0.abs_diff(live.ntp(live.sources[0].clock.time(tick)).0);
                    assert!(apart < 1 << 12, "{name}: {apart}");
                }
            }
            assert!(worst < millis(jitter as u64 + 20), "{name}: {worst:?}");
        }
    }
}
