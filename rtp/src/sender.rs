//! The sending side of one source: what its reports say, when they are due, and what receivers answer.
//!
//! Sans-IO: `start` when packets begin to flow, `sent` for what went out, `report` and `report_sent` when
//! `next_report` is due, `stop` when they cease, `handle_receiver_report` for what comes back.

use crate::clock::{ClockRate, NtpTimestamp, RtpTimestamp, Ticks};
use crate::rtcp::{ReportBlock, SenderReport};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Of the session bandwidth, how much RTCP takes: 5 % (RFC 3550 section 6.2).
const RTCP_SHARE: f64 = 0.05;

/// Members of a unicast session. One of two sends, more than a quarter, so all share alike (6.3.1).
const MEMBERS: f64 = 2.0;

/// Bytes of a compound with its IP and UDP headers, on average: SR and SDES from us, RR and SDES back.
const AVERAGE_SIZE: f64 = 28.0 + 28.0 + 32.0;

/// `Tmin` behind the first report (6.3.1); the first goes with the first packet, as unicast may (6.2).
const MINIMUM: Duration = Duration::from_secs(5);

/// e - 3/2 (6.3.1): all implementations divide by it, whether they reconsider or not.
const COMPENSATION: f64 = std::f64::consts::E - 1.5;

/// Sender reports remembered, for receivers to refer to: at least ten seconds of them. Bounds what each viewer costs.
const REMEMBERED: usize = 8;

/// One source.
#[derive(Clone, Debug)]
pub struct Sender {
    ssrc: u32,
    clock: ClockRate,
    /// Bytes per second.
    rtcp_bandwidth: f64,
    random: u64,
    packets: u64,
    octets: u64,
    next_report: Option<Instant>,
    /// The time in the report made last, until it is sent.
    made: Option<NtpTimestamp>,
    /// The middle of the time in each report sent, and when it was sent.
    reports: VecDeque<(u32, Instant)>,
    receiver: Option<ReceiverStats>,
}

/// What the receiver said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverStats {
    /// When.
    pub at: Instant,
    /// How often it has.
    pub reports: u64,
    /// Of 256 packets since its report before, how many were lost.
    pub fraction_lost: u8,
    /// Packets lost since the start; negative where duplicates outweigh.
    pub lost: i32,
    /// The highest sequence number it has seen, with its count of wraps above it.
    pub highest_sequence: u32,
    /// Mean deviation of the packets' spacing.
    pub jitter: Duration,
    /// From us to it and back; `None` before it has had a report of ours.
    pub round_trip: Option<Duration>,
}

impl Sender {
    /// A source that has sent nothing. `session_bandwidth_bps` counts bits per second of the track with its headers; zero
    /// where unknown. `seed` only spreads the reports of many senders in time.
    pub fn new(ssrc: u32, clock: ClockRate, session_bandwidth_bps: u64, seed: u64) -> Self {
        Self {
            ssrc,
            clock,
            rtcp_bandwidth: session_bandwidth_bps as f64 / 8.0 * RTCP_SHARE,
            random: seed,
            packets: 0,
            octets: 0,
            next_report: None,
            made: None,
            reports: VecDeque::new(),
            receiver: None,
        }
    }

    /// The source.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets are about to flow, for the first time or after a pause: a report is due with the first of them, so that
    /// a player can put its tracks in step at once.
    pub fn start(&mut self, now: Instant) {
        self.next_report = Some(now);
    }

    /// No packets flow any more: no report is due.
    pub fn stop(&mut self) {
        self.next_report = None;
    }

    /// So many packets went out, with so many bytes of payload in them.
    pub fn sent(&mut self, packets: u32, octets: u64) {
        self.packets = self.packets.wrapping_add(u64::from(packets));
        self.octets = self.octets.wrapping_add(octets);
    }

    /// Packets sent so far.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Payload bytes sent so far.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// When the next report is due; `None` while nothing flows.
    pub fn next_report(&self) -> Option<Instant> {
        self.next_report
    }

    /// The report for an instant that is `ntp` by the wall clock and `rtp` by the track's.
    pub fn report(&mut self, ntp: NtpTimestamp, rtp: RtpTimestamp) -> SenderReport {
        self.made = Some(ntp);
        SenderReport { ssrc: self.ssrc, ntp, rtp, packets: self.packets as u32, octets: self.octets as u32 }
    }

    /// The report made last has gone out. Says when the next one is due, unless nothing flows.
    pub fn report_sent(&mut self, now: Instant) {
        if let Some(ntp) = self.made.take() {
            self.reports.truncate(REMEMBERED - 1);
            self.reports.push_front((ntp.middle(), now));
        }
        if self.next_report.is_some() {
            self.next_report = Some(now + self.interval());
        }
    }

    /// A receiver's words on this source; those on another are passed over, and give `None`.
    pub fn handle_receiver_report(&mut self, block: &ReportBlock, now: Instant) -> Option<&ReceiverStats> {
        if block.ssrc != self.ssrc {
            return None;
        }
        // A - LSR - DLSR (6.4.1), with the instant when the report went out in LSR's place: that is what it was for, and
        // a report's time may lie anywhere on the media's line.
        let sent = self.reports.iter().find(|(middle, _)| block.last_report != 0 && *middle == block.last_report);
        let delay = Duration::from_nanos((u64::from(block.delay) * 1_000_000_000) >> 16);
        let round_trip = sent.map(|(_, at)| now.saturating_duration_since(*at).saturating_sub(delay));
        let (reports, before) = self.receiver.map_or((0, None), |stats| (stats.reports, stats.round_trip));
        let jitter = self.clock.time(Ticks(i64::from(block.jitter)));
        Some(self.receiver.insert(ReceiverStats {
            at: now,
            reports: reports + 1,
            fraction_lost: block.fraction_lost,
            lost: block.lost,
            highest_sequence: block.highest_sequence,
            jitter: Duration::from_nanos(jitter.0.unsigned_abs()),
            round_trip: round_trip.or(before),
        }))
    }

    /// What the receiver said last, if anything.
    pub fn receiver(&self) -> Option<&ReceiverStats> {
        self.receiver.as_ref()
    }

    /// The interval of 6.3.1, random by half to both sides. Reconsideration is left out, as two parties may (6.3).
    fn interval(&mut self) -> Duration {
        let minimum = MINIMUM.as_secs_f64();
        let by_bandwidth = MEMBERS * AVERAGE_SIZE / self.rtcp_bandwidth;
        let base = if by_bandwidth.is_finite() { by_bandwidth.max(minimum) } else { minimum };
        Duration::from_secs_f64(base * (0.5 + self.uniform()) / COMPENSATION)
    }

    /// The next of a run of numbers in 0..1: splitmix64, 8 bytes of state for each of very many senders.
    fn uniform(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) as f64 / 2f64.powi(64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(bandwidth: u64, seed: u64) -> Sender {
        Sender::new(7, ClockRate::VIDEO, bandwidth, seed)
    }

    /// The first `count` intervals after the first report.
    fn intervals(bandwidth: u64, seed: u64, count: usize) -> Vec<Duration> {
        let (mut sender, start) = (sender(bandwidth, seed), Instant::now());
        sender.start(start);
        assert_eq!(sender.next_report(), Some(start), "the first goes with the first packet");
        (0..count)
            .map(|_| {
                let due = sender.next_report().unwrap();
                sender.report_sent(due);
                sender.next_report().unwrap() - due
            })
            .collect()
    }

    #[test]
    fn intervals_are_spread_over_the_standards_range() {
        // Bandwidth, and the deterministic interval: 5 s, or what 5 % of a thin session leaves to two members.
        for (bandwidth, base) in [(0, 5.0), (1_500_000, 5.0), (1_000, 2.0 * 88.0 / 6.25)] {
            let seen = intervals(bandwidth, 1, 2_000);
            let seconds: Vec<f64> = seen.iter().map(Duration::as_secs_f64).collect();
            let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
            let expected = base / 1.21828;
            assert!((mean / expected - 1.0).abs() < 0.02, "{bandwidth}: {mean} s rather than {expected}");
            assert!(seconds.iter().all(|s| (0.4999..1.5001).contains(&(s / expected))), "{bandwidth}");
            let least = seconds.iter().copied().fold(f64::MAX, f64::min);
            let most = seconds.iter().copied().fold(0.0, f64::max);
            assert!(least / expected < 0.51 && most / expected > 1.49, "{bandwidth}: {least} to {most}");
        }
        assert_eq!(intervals(1, 5, 9), intervals(1, 5, 9), "a seed reproduces them");
        assert_ne!(intervals(1, 5, 9), intervals(1, 6, 9));
    }

    #[test]
    fn reports_are_due_only_while_packets_flow() {
        let (mut sender, now) = (sender(0, 1), Instant::now());
        assert_eq!(sender.next_report(), None);
        sender.start(now);
        sender.report_sent(now);
        assert!(sender.next_report().is_some_and(|due| due > now));
        sender.stop();
        sender.report_sent(now);
        assert_eq!(sender.next_report(), None);
        let later = now + Duration::from_secs(9);
        sender.start(later);
        assert_eq!(sender.next_report(), Some(later));
    }

    #[test]
    fn a_report_counts_what_was_sent_modulo_32_bits() {
        let mut sender = sender(0, 1);
        sender.sent(2, 2_800);
        sender.sent(1, u64::from(u32::MAX));
        let report = sender.report(NtpTimestamp(3 << 32), RtpTimestamp(4));
        let expected =
            SenderReport { ssrc: 7, ntp: NtpTimestamp(3 << 32), rtp: RtpTimestamp(4), packets: 3, octets: 2_799 };
        assert_eq!(report, expected);
        assert_eq!((sender.packets(), sender.octets()), (3, u64::from(u32::MAX) + 2_800));
    }

    #[test]
    fn the_round_trip_is_what_remains_of_the_time_since_the_report() {
        let (mut sender, start) = (sender(0, 1), Instant::now());
        sender.start(start);
        let at = |millis| start + Duration::from_millis(millis);
        for second in 1..=20u64 {
            sender.report(NtpTimestamp(second << 32), RtpTimestamp(0));
            sender.report_sent(at(second * 1_000));
        }
        let block = |last_report, delay| ReportBlock {
            ssrc: 7,
            fraction_lost: 64,
            lost: -1,
            highest_sequence: 9,
            jitter: 90,
            last_report,
            delay,
        };
        // Report, when the answer comes, and the round trip: of 20 s, held for half a second; one long forgotten; none
        // had; one that was never sent; a delay that can't be.
        let cases = [
            (20 << 16, 1 << 15, at(20_620), Some(120)),
            (1 << 16, 0, at(20_620), Some(120)),
            (0, 0, at(20_630), Some(120)),
            (99 << 16, 0, at(20_640), Some(120)),
            (19 << 16, 0, at(19_040), Some(40)),
            (19 << 16, u32::MAX, at(19_050), Some(0)),
        ];
        for (index, (last, delay, now, expected)) in cases.into_iter().enumerate() {
            let stats = *sender.handle_receiver_report(&block(last, delay), now).unwrap();
            assert_eq!(stats.round_trip, expected.map(Duration::from_millis), "case {index}");
            assert_eq!((stats.at, stats.reports, stats.lost), (now, index as u64 + 1, -1));
            assert_eq!((stats.jitter, stats.fraction_lost), (Duration::from_millis(1), 64));
        }
        let other = ReportBlock { ssrc: 8, ..block(0, 0) };
        assert_eq!(sender.handle_receiver_report(&other, start), None);
        assert_eq!(sender.receiver().map(|stats| stats.reports), Some(6));
    }
}
