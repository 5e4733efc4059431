//! Who receives a group, as far as receivers say so by RTCP.

use rtp::rtcp::{Packet, parse_compound};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Receivers that are told apart; one machine could send reports of ever new ones.
const MAX_RECEIVERS: usize = 10_000;

/// A receiver that says nothing for so long has gone: five intervals of reports (RFC 3550 section 6.3.5) among a thousand
/// members or so.
const GONE: Duration = Duration::from_secs(60);

/// Receivers of one group.
#[derive(Debug, Default)]
pub struct Receivers {
    seen: HashMap<u32, Instant>,
}

impl Receivers {
    /// A compound came on an RTCP port of the group; answers how many report blocks were about one of `sources`.
    pub fn handle(&mut self, bytes: &[u8], sources: &[u32], now: Instant) -> u64 {
        let mut reports = 0;
        for packet in parse_compound(bytes).flatten() {
            match packet {
                Packet::ReceiverReport { ssrc, blocks } => {
                    let ours = blocks.iter().filter(|block| sources.contains(&block.ssrc)).count();
                    reports += ours as u64;
                    if ours > 0 && (self.seen.len() < MAX_RECEIVERS || self.seen.contains_key(&ssrc)) {
                        self.seen.insert(ssrc, now);
                    }
                }
                Packet::Bye { ssrcs } => self.seen.retain(|ssrc, _| !ssrcs.contains(ssrc)),
                _ => {}
            }
        }
        reports
    }

    /// How many there are.
    pub fn count(&mut self, now: Instant) -> usize {
        self.seen.retain(|_, at| now.saturating_duration_since(*at) < GONE);
        self.seen.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp::rtcp::{ReportBlock, write_receiver_report};

    fn report(from: u32, about: u32) -> Vec<u8> {
        let mut out = Vec::new();
        write_receiver_report(&mut out, from, &[ReportBlock { ssrc: about, ..ReportBlock::default() }], "x").unwrap();
        out
    }

    #[test]
    fn receivers_are_counted_while_they_report_and_never_without_bound() {
        let now = Instant::now();
        let mut receivers = Receivers::default();
        assert_eq!(receivers.handle(&report(1, 7), &[7, 8], now), 1);
        assert_eq!(receivers.handle(&report(1, 8), &[7, 8], now), 1);
        assert_eq!(receivers.handle(&report(2, 7), &[7, 8], now), 1);
        assert_eq!(receivers.handle(&report(3, 9), &[7, 8], now), 0, "about another source");
        assert_eq!(receivers.handle(b"nonsense", &[7, 8], now), 0);
        assert_eq!(receivers.count(now), 2);
        for from in 0..20_000 {
            receivers.handle(&report(from, 7), &[7], now);
        }
        assert_eq!(receivers.count(now), MAX_RECEIVERS);
        assert_eq!(receivers.count(now + GONE), 0);
    }
}
