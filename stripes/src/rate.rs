//! When bytes may go so that no more than a set number go in a second. Sans-IO.

use std::time::{Duration, Instant};

/// What was not used of so long a time may be made up for.
const BURST: Duration = Duration::from_millis(100);

/// Spreads bytes over time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    bytes_per_second: u64,
    free: Option<Instant>,
}

impl Pace {
    /// At least one byte a second.
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), free: None }
    }

    /// Bytes a second.
    pub fn rate(&self) -> u64 {
        self.bytes_per_second
    }

    /// Changes the rate from now on.
    pub fn set_rate(&mut self, bytes_per_second: u64) {
        self.bytes_per_second = bytes_per_second.max(1);
    }

    /// When the next `bytes` may go; they count as gone then.
    pub fn due(&mut self, bytes: u64, now: Instant) -> Instant {
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let due = self.free.map_or(now, |free| free.max(earliest));
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        self.free = due.checked_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)));
        due
    }
}

/// From so many per cent of late reads on, viewers need what maintenance takes.
const NEEDED_FROM: u8 = 2;
/// This part of its rate is left to maintenance at least, so that it ends some day.
const LEAST_SHARE: u64 = 32;

/// How fast maintenance may be beside viewers: half as fast with every time that their reads are late, a quarter faster
/// with every time that they are not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Yielding {
    /// What is withheld, as a share: the rate is divided by one more.
    withheld: f64,
}

impl Yielding {
    /// The rate from now on of one that may be `most` (bytes a second), where of the reads of viewers so many per cent
    /// came late since the last call.
    pub fn rate(&mut self, most: u64, late_percent: u8) -> u64 {
        let divisor = match late_percent >= NEEDED_FROM {
            true => (1.0 + self.withheld) * 2.0,
            false => (1.0 + self.withheld) / 1.25,
        };
        self.withheld = divisor.clamp(1.0, LEAST_SHARE as f64) - 1.0;
        ((most as f64 / (1.0 + self.withheld)) as u64).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maintenance_yields_and_comes_back() {
        let mut yielding = Yielding::default();
        let mut rates = |late: &[u8]| late.iter().map(|late| yielding.rate(3200, *late)).collect::<Vec<_>>();
        assert_eq!(rates(&[0, 1]), [3200, 3200]);
        assert_eq!(rates(&[2, 100, 50, 50, 50, 50]), [1600, 800, 400, 200, 100, 100]);
        assert_eq!(rates(&[0, 0]), [125, 156]);
        assert_eq!(rates(&[0; 16]).last(), Some(&3200));
        assert_eq!(Yielding::default().rate(0, 9), 1);
    }

    #[test]
    fn bytes_go_at_the_set_rate_and_make_up_for_little() {
        let start = Instant::now();
        let mut pace = Pace::new(1000);
        for second in 0..5 {
            assert_eq!(pace.due(1000, start), start + Duration::from_secs(second));
        }
        let later = start + Duration::from_secs(60);
        assert_eq!(pace.due(1000, later), later - BURST);
        pace.set_rate(2000);
        assert_eq!(pace.due(1000, later), later - BURST + Duration::from_secs(1));
        assert_eq!(pace.due(1000, later), later - BURST + Duration::from_millis(1500));
    }
}
