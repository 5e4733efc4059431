//! The sending side of one source: what its reports say, when they are due, and what receivers answer.
//!
//! Sans-IO: `start` when packets begin to flow, `sent` for what went out, `report` and `report_sent` when
//! `next_report` is due, `stop` when they cease, `handle_receiver_report` for what comes back.

use crate::breaker::{Breaker, Breakers, Heard, Tripped};
use crate::clock::{ClockRate, NtpTimestamp, RtpTimestamp, Ticks};
use crate::rtcp::{ReportBlock, ReportTimer, SenderReport};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Sender reports remembered, for receivers to refer to: at least ten seconds of them. Bounds what each viewer costs.
const REMEMBERED: usize = 8;

/// One source.
#[derive(Clone, Debug)]
pub struct Sender {
    ssrc: u32,
    clock: ClockRate,
    timer: ReportTimer,
    /// Apart, as what is heard is: both are looked at every few seconds, the rest with every train.
    breaker: Option<Box<Breaker>>,
    tripped: Option<Tripped>,
    packets: u64,
    octets: u64,
    /// The time in the report made last, until it is sent.
    made: Option<NtpTimestamp>,
    /// The middle of the time in each report sent, and when it was sent.
    reports: VecDeque<(u32, Instant)>,
    receiver: Option<Box<ReceiverStats>>,
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
            timer: ReportTimer::new(session_bandwidth_bps, seed),
            breaker: None,
            tripped: None,
            packets: 0,
            octets: 0,
            made: None,
            reports: VecDeque::new(),
            receiver: None,
        }
    }

    /// Watches by these breakers from the next start on whether the network can bear it.
    pub fn use_breakers(&mut self, breakers: Breakers) {
        self.breaker = (breakers != Breakers::Off).then(|| Box::new(Breaker::new(breakers)));
    }

    /// The source takes another name, since somebody else has its own (RFC 3550 section 8.2): what was counted is the old
    /// one's. A report is due with the next packet if one was due at all.
    pub fn rename(&mut self, ssrc: u32, now: Instant) {
        (self.ssrc, self.packets, self.octets, self.made, self.receiver) = (ssrc, 0, 0, None, None);
        self.reports.clear();
        if self.timer.due().is_some() {
            self.start(now);
        }
    }

    /// The source.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets are about to flow, for the first time or after a pause: a report is due with the first of them, so that
    /// a player can put its tracks in step at once.
    pub fn start(&mut self, now: Instant) {
        self.timer.start(now);
        if let Some(breaker) = &mut self.breaker {
            breaker.start(now);
        }
    }

    /// No packets flow any more: no report is due.
    pub fn stop(&mut self) {
        self.timer.stop();
        if let Some(breaker) = &mut self.breaker {
            breaker.stop();
        }
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
        self.timer.due()
    }

    /// Whether a report is to be sent now; else [`Sender::next_report`] may be later than it was.
    pub fn report_expires(&mut self, now: Instant) -> bool {
        let expires = self.timer.expires(now);
        let breaker = self.breaker.as_mut().filter(|_| expires);
        if let Some(tripped) = breaker.and_then(|breaker| breaker.check(self.timer.deterministic(), now)) {
            self.tripped = Some(tripped);
        }
        expires
    }

    /// Why it must stop, if the network can't bear it; once.
    pub fn take_tripped(&mut self) -> Option<Tripped> {
        self.tripped.take()
    }

    /// A compound of so many bytes came from the receiver, by which it stays or leaves.
    pub fn heard(&mut self, bytes: usize, stays: bool, now: Instant) {
        self.timer.heard(bytes);
        self.timer.set_members(if stays { 2 } else { 1 }, now);
    }

    /// The report for an instant that is `ntp` by the wall clock and `rtp` by the track's.
    pub fn report(&mut self, ntp: NtpTimestamp, rtp: RtpTimestamp) -> SenderReport {
        self.made = Some(ntp);
        SenderReport { ssrc: self.ssrc, ntp, rtp, packets: self.packets as u32, octets: self.octets as u32 }
    }

    /// The report made last has gone out, in a compound of so many bytes. The next one is due at
    /// [`Sender::next_report`], unless nothing flows.
    pub fn report_sent(&mut self, bytes: usize, now: Instant) {
        if let Some(ntp) = self.made.take() {
            self.reports.truncate(REMEMBERED - 1);
            self.reports.push_front((ntp.middle(), now));
        }
        self.timer.sent(bytes, now);
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
        let (reports, before) = self.receiver.as_ref().map_or((0, None), |stats| (stats.reports, stats.round_trip));
        let jitter = self.clock.time(Ticks(i64::from(block.jitter)));
        let round_trip = round_trip.or(before);
        let heard = Heard {
            fraction_lost: block.fraction_lost,
            highest_sequence: block.highest_sequence,
            round_trip,
            packets: self.packets,
            octets: self.octets,
        };
        let breaker = self.breaker.as_mut();
        if let Some(tripped) = breaker.and_then(|breaker| breaker.report(heard, self.timer.deterministic(), now)) {
            self.tripped = Some(tripped);
        }
        Some(self.receiver.insert(Box::new(ReceiverStats {
            at: now,
            reports: reports + 1,
            fraction_lost: block.fraction_lost,
            lost: block.lost,
            highest_sequence: block.highest_sequence,
            jitter: Duration::from_nanos(jitter.0.unsigned_abs()),
            round_trip,
        })))
    }

    /// What the receiver said last, if anything.
    pub fn receiver(&self) -> Option<&ReceiverStats> {
        self.receiver.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(bandwidth: u64, seed: u64) -> Sender {
        Sender::new(7, ClockRate::VIDEO, bandwidth, seed)
    }

    #[test]
    fn a_source_with_another_name_begins_anew() {
        let (mut sender, now) = (sender(0, 1), Instant::now());
        sender.start(now);
        sender.sent(5, 500);
        sender.report(NtpTimestamp(1 << 32), RtpTimestamp(0));
        sender.report_sent(60, now);
        sender.rename(9, now);
        assert_eq!((sender.ssrc(), sender.packets(), sender.octets()), (9, 0, 0));
        assert!(sender.report_expires(now), "its first report goes with its first packet");
        sender.stop();
        sender.rename(10, now);
        assert_eq!(sender.next_report(), None);
    }

    #[test]
    fn a_receiver_that_gets_nothing_trips_the_breaker() {
        let (mut sender, start) = (sender(1_000_000, 1), Instant::now());
        sender.use_breakers(Breakers::All);
        sender.start(start);
        for number in 1..=10u32 {
            sender.sent(100, 100_000);
            let block = ReportBlock { ssrc: 7, highest_sequence: 50, ..ReportBlock::default() };
            sender.handle_receiver_report(&block, start + Duration::from_secs(5) * number);
            assert_eq!(sender.take_tripped().is_some(), number >= 6, "report {number}");
        }
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
            sender.report_sent(60, at(second * 1_000));
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
