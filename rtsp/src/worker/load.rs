//! How much of its time a worker is at work.

use std::time::{Duration, Instant};

/// Over so long the share is taken: longer than any one picture takes to go to thousands.
const WINDOW: Duration = Duration::from_millis(250);

/// A worker is busy from this share of its time on, percent, and until it falls under the other: what saving sends saves, a
/// fifth or so, must not end the saving.
const BUSY: u32 = 30;
const IDLE: u32 = 15;

/// One worker's.
#[derive(Debug)]
pub(super) struct Load {
    since: Instant,
    rested: Duration,
    resting: Option<Instant>,
    busy: bool,
}

impl Load {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, rested: Duration::ZERO, resting: None, busy: false }
    }

    /// The worker goes to sleep.
    pub(super) fn rests(&mut self, now: Instant) {
        self.resting = Some(now);
    }

    /// It is awake again.
    pub(super) fn wakes(&mut self, now: Instant) {
        self.rested += self.resting.take().map_or(Duration::ZERO, |from| now.saturating_duration_since(from));
        let passed = now.saturating_duration_since(self.since);
        if passed >= WINDOW {
            let least = if self.busy { IDLE } else { BUSY };
            self.busy = passed.saturating_sub(self.rested) * 100 >= passed * least;
            (self.since, self.rested) = (now, Duration::ZERO);
        }
    }

    /// Whether sends are to be saved.
    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many percent of each of some windows it worked, in slots of ten milliseconds, and whether it is busy after each.
    fn check(shares: &[(u32, bool)]) {
        let mut now = Instant::now();
        let mut load = Load::new(now);
        for (number, (share, busy)) in shares.iter().enumerate() {
            for _ in 0..26 {
                now += Duration::from_micros(100) * *share;
                load.rests(now);
                now += Duration::from_micros(100) * (100 - share);
                load.wakes(now);
            }
            assert_eq!(load.is_busy(), *busy, "window {number}: {share} %");
        }
    }

    #[test]
    fn it_is_busy_from_three_tenths_on_and_until_half_of_that() {
        check(&[(0, false), (10, false), (28, false), (32, true), (24, true), (17, true), (12, false), (24, false)]);
        check(&[(100, true), (100, true), (40, true), (1, false)]);
    }

    #[test]
    fn who_slept_long_has_time() {
        let start = Instant::now();
        let mut load = Load::new(start);
        load.rests(start + Duration::from_millis(1));
        load.wakes(start + Duration::from_secs(3_600));
        assert!(!load.is_busy());
    }
}
