//! Counting wrong passwords: who guesses has to wait.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Failures are counted over this time, and it is waited for.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered: someone with many of them must not fill the memory.
const MAX_ADDRESSES: usize = 4096;

/// Wrong passwords by address.
#[derive(Debug)]
pub(super) struct Attempts {
    most: u32,
    failures: HashMap<IpAddr, (u32, Instant)>,
}

impl Attempts {
    pub(super) fn new(most: u32) -> Self {
        Self { most, failures: HashMap::new() }
    }

    /// Whether `peer` has failed too often in this window.
    pub(super) fn must_wait(&self, peer: IpAddr, now: Instant) -> bool {
        let failures = self.failures.get(&network(peer));
        failures.is_some_and(|(count, since)| *count >= self.most && now.saturating_duration_since(*since) < WINDOW)
    }

    pub(super) fn failed(&mut self, peer: IpAddr, now: Instant) {
        if self.failures.len() >= MAX_ADDRESSES {
            self.failures.retain(|_, (_, since)| now.saturating_duration_since(*since) < WINDOW);
        }
        if self.failures.len() >= MAX_ADDRESSES {
            // Better that a few guessers are forgotten than that anybody can lock all others out.
            self.failures.clear();
        }
        let (count, since) = self.failures.entry(network(peer)).or_insert((0, now));
        if now.saturating_duration_since(*since) >= WINDOW {
            (*count, *since) = (0, now);
        }
        *count = count.saturating_add(1);
    }
}

/// Who has one IPv6 address has 2^64 of them.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guesser_waits_and_nobody_else() {
        let now = Instant::now();
        let [a, b]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        let mut attempts = Attempts::new(3);
        for _ in 0..3 {
            assert!(!attempts.must_wait(a, now));
            attempts.failed(a, now);
        }
        assert!(attempts.must_wait(a, now + Duration::from_secs(59)) && !attempts.must_wait(b, now));
        assert!(!attempts.must_wait(a, now + Duration::from_secs(61)));
        attempts.failed(a, now + Duration::from_secs(61));
        assert!(!attempts.must_wait(a, now + Duration::from_secs(62)));
        for host in 0..2 * MAX_ADDRESSES as u32 {
            attempts.failed(IpAddr::V4(host.into()), now);
            assert!(attempts.failures.len() <= MAX_ADDRESSES);
        }
    }
}
