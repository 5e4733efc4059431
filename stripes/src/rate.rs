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

#[cfg(test)]
mod tests {
    use super::*;

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
