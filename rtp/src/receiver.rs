//! The receiving side of one source: which packets are its own, and what its reports say (RFC 3550 A.1, A.3, A.8).

use crate::clock::{ClockRate, MediaTime, NtpTimestamp, RtpTimestamp};
use crate::packet::RtpPacket;
use crate::rtcp::{ReportBlock, SenderReport};
use crate::seq::Sequence;
use std::time::Instant;

/// So far ahead a packet may be of the highest before it: a minute at 50 packets a second.
const MAX_DROPOUT: u16 = 3_000;

/// So far behind: two seconds.
const MAX_MISORDER: u16 = 100;

/// Packets in sequence that make a source believed.
const MIN_SEQUENTIAL: u8 = 2;

/// One source as heard here.
#[derive(Clone, Debug)]
pub struct Receiver {
    ssrc: u32,
    clock: ClockRate,
    state: State,
    /// When the first packet came, from which arrivals count.
    epoch: Option<Instant>,
    /// Arrival less timestamp of the packet before, in ticks.
    transit: Option<u32>,
    /// In ticks, times 16.
    jitter: u64,
    /// The last sender report's time, and when it came.
    report: Option<(NtpTimestamp, Instant)>,
}

/// How far the source is believed.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing has come.
    Silent,
    /// `left` more packets in sequence after `last` are wanted.
    Probation { left: u8, last: Sequence },
    /// It is.
    Valid(Count),
}

#[derive(Clone, Copy, Debug)]
struct Count {
    first: u16,
    highest: Sequence,
    wraps: u32,
    received: u64,
    /// What would follow a packet that was far off: with it, the source has started anew.
    anew: Option<Sequence>,
    expected_before: u64,
    received_before: u64,
}

impl Receiver {
    /// For source `ssrc`, of which nothing was heard yet.
    pub fn new(ssrc: u32, clock: ClockRate) -> Self {
        Self { ssrc, clock, state: State::Silent, epoch: None, transit: None, jitter: 0, report: None }
    }

    /// A packet came. `false` if it isn't of this source, or not to be believed: the first one, which another must
    /// follow in sequence, and one far from all others.
    pub fn handle_packet(&mut self, packet: &RtpPacket<'_>, now: Instant) -> bool {
        if packet.ssrc != self.ssrc {
            return false;
        }
        let valid = self.handle_sequence(packet.sequence);
        if valid {
            self.handle_arrival(packet.timestamp, now);
        }
        valid
    }

    /// A sender report of this source came.
    pub fn handle_sender_report(&mut self, report: &SenderReport, now: Instant) {
        if report.ssrc == self.ssrc {
            self.report = Some((report.ntp, now));
        }
    }

    /// Packets received, duplicates included, since the source was believed.
    pub fn received(&self) -> u64 {
        if let State::Valid(count) = self.state { count.received } else { 0 }
    }

    /// Packets lost since then, negative where duplicates outweigh.
    pub fn lost(&self) -> i64 {
        if let State::Valid(count) = self.state { count.lost() } else { 0 }
    }

    /// Mean deviation of the packets' spacing, in ticks.
    pub fn jitter(&self) -> u32 {
        u32::try_from(self.jitter >> 4).unwrap_or(u32::MAX)
    }

    /// What a report says of the source now; the fraction lost counts from the block before. `None` until the source is
    /// believed.
    pub fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        let jitter = self.jitter();
        let State::Valid(count) = &mut self.state else { return None };
        let (last_report, delay) = self.report.map_or((0, 0), |(ntp, at)| {
            let waited = now.saturating_duration_since(at);
            let units = (waited.as_nanos() << 16) / 1_000_000_000;
            (ntp.middle(), u32::try_from(units).unwrap_or(u32::MAX))
        });
        Some(ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: count.fraction_lost(),
            lost: count.lost().clamp(-0x80_0000, 0x7F_FFFF) as i32,
            highest_sequence: count.wraps << 16 | u32::from(count.highest.0),
            jitter,
            last_report,
            delay,
        })
    }

    /// A.1.
    fn handle_sequence(&mut self, sequence: Sequence) -> bool {
        match &mut self.state {
            State::Valid(count) => match count.handle(sequence) {
                Seen::Good => true,
                Seen::Far => false,
                Seen::Anew => {
                    self.state = State::Valid(Count::new(sequence));
                    true
                }
            },
            State::Probation { left, last } if sequence == last.next() => {
                (*left, *last) = (*left - 1, sequence);
                let valid = *left == 0;
                if valid {
                    self.state = State::Valid(Count::new(sequence));
                }
                valid
            }
            State::Silent | State::Probation { .. } => {
                self.state = State::Probation { left: MIN_SEQUENTIAL - 1, last: sequence };
                false
            }
        }
    }

    /// A.8, in whole numbers.
    fn handle_arrival(&mut self, timestamp: RtpTimestamp, now: Instant) {
        let epoch = *self.epoch.get_or_insert(now);
        let arrival = self.clock.ticks(MediaTime::ZERO.plus(now.saturating_duration_since(epoch)));
        let transit = (arrival.0 as u32).wrapping_sub(timestamp.0);
        if let Some(before) = self.transit.replace(transit) {
            let deviation = u64::from((transit.wrapping_sub(before) as i32).unsigned_abs());
            self.jitter = self.jitter + deviation - ((self.jitter + 8) >> 4);
        }
    }
}

enum Seen {
    /// In order, late, or twice.
    Good,
    /// Far from all others.
    Far,
    /// The second in sequence that is far from all others.
    Anew,
}

impl Count {
    fn new(sequence: Sequence) -> Self {
        Self {
            first: sequence.0,
            highest: sequence,
            wraps: 0,
            received: 1,
            anew: None,
            expected_before: 0,
            received_before: 0,
        }
    }

    fn handle(&mut self, sequence: Sequence) -> Seen {
        let ahead = sequence.0.wrapping_sub(self.highest.0);
        if ahead < MAX_DROPOUT {
            if sequence.0 < self.highest.0 {
                self.wraps = self.wraps.wrapping_add(1);
            }
            self.highest = sequence;
        } else if ahead <= u16::MAX - MAX_MISORDER + 1 {
            if self.anew == Some(sequence) {
                return Seen::Anew;
            }
            self.anew = Some(sequence.next());
            return Seen::Far;
        }
        self.received += 1;
        Seen::Good
    }

    /// A.3.
    fn expected(&self) -> u64 {
        let highest = u64::from(self.wraps) << 16 | u64::from(self.highest.0);
        highest + 1 - u64::from(self.first)
    }

    fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }

    fn fraction_lost(&mut self) -> u8 {
        let expected = self.expected() - self.expected_before;
        let received = self.received - self.received_before;
        (self.expected_before, self.received_before) = (self.expected(), self.received);
        match expected.saturating_sub(received) {
            0 => 0,
            lost => u8::try_from((lost << 8) / expected).unwrap_or(u8::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::write_header;
    use proptest::prelude::*;
    use std::time::Duration;

    fn hear(receiver: &mut Receiver, sequence: u16, timestamp: u32, ssrc: u32, now: Instant) -> bool {
        let mut bytes = Vec::new();
        write_header(&mut bytes, 96, false, Sequence(sequence), RtpTimestamp(timestamp), ssrc);
        receiver.handle_packet(&RtpPacket::parse(&bytes).unwrap(), now)
    }

    #[test]
    fn packets_are_believed_and_counted_as_the_standard_says() {
        // Sequence numbers; which are believed; then received, lost, and the highest with its wraps.
        type Case<'a> = (&'a str, &'a [u16], &'a [bool], (u64, i64, u32));
        let cases: &[Case] = &[
            ("in order", &[5, 6, 7, 8], &[false, true, true, true], (3, 0, 8)),
            ("not in sequence at first", &[5, 9, 20, 21], &[false, false, false, true], (1, 0, 21)),
            ("a gap", &[5, 6, 10], &[false, true, true], (2, 3, 10)),
            ("late", &[5, 6, 8, 7], &[false, true, true, true], (3, 0, 8)),
            ("twice", &[5, 6, 6, 6], &[false, true, true, true], (3, -2, 6)),
            ("over the wrap", &[65_534, 65_535, 0, 1], &[false, true, true, true], (3, 0, 0x1_0001)),
            (
                "late over the wrap",
                &[65_534, 65_535, 1, 65_535, 0],
                &[false, true, true, true, true],
                (4, -1, 0x1_0001),
            ),
            ("one far off", &[5, 6, 40_000, 7], &[false, true, false, true], (2, 0, 7)),
            ("started anew", &[5, 6, 40_000, 40_001, 40_003], &[false, true, false, true, true], (2, 1, 40_003)),
        ];
        for (name, sequences, believed, (received, lost, highest)) in cases {
            let (mut receiver, now) = (Receiver::new(9, ClockRate::VIDEO), Instant::now());
            let seen: Vec<bool> = sequences.iter().map(|&number| hear(&mut receiver, number, 0, 9, now)).collect();
            assert_eq!(&seen, believed, "{name}");
            let block = receiver.report_block(now).unwrap();
            assert_eq!(
                (receiver.received(), receiver.lost(), block.highest_sequence),
                (*received, *lost, *highest),
                "{name}"
            );
        }
        let (mut receiver, now) = (Receiver::new(9, ClockRate::VIDEO), Instant::now());
        assert!(!hear(&mut receiver, 5, 0, 9, now) && !hear(&mut receiver, 6, 0, 8, now));
        assert_eq!(receiver.report_block(now), None);
    }

    #[test]
    fn the_fraction_lost_counts_from_report_to_report() {
        let (mut receiver, now) = (Receiver::new(9, ClockRate::VIDEO), Instant::now());
        let mut fraction = |sequences: &[u16]| {
            for &number in sequences {
                hear(&mut receiver, number, 0, 9, now);
            }
            receiver.report_block(now).unwrap().fraction_lost
        };
        // The first of all is on probation and not counted.
        let cases: &[(&[u16], u8)] =
            &[(&[9, 10, 11, 13], 64), (&[], 0), (&[14, 16], 85), (&[17, 17, 17, 19], 0), (&[22], 170), (&[23, 24], 0)];
        for (sequences, expected) in cases {
            assert_eq!(fraction(sequences), *expected, "{sequences:?}");
        }
    }

    #[test]
    fn jitter_is_the_mean_deviation_of_spacing() {
        // Every 20 ms as stamped, but for every second packet coming `late` ms late: a deviation of that much each time.
        for (late, expected) in [(0, 0), (1, 90), (10, 900)] {
            let (mut receiver, start) = (Receiver::new(9, ClockRate::VIDEO), Instant::now());
            for index in 0..400u16 {
                let millis = u64::from(index) * 20 + u64::from(index % 2) * late;
                let timestamp = (u32::from(index) * 1_800).wrapping_add(u32::MAX - 90_000);
                hear(&mut receiver, index, timestamp, 9, start + Duration::from_millis(millis));
            }
            assert!(receiver.jitter().abs_diff(expected) <= 1, "{late} ms: {}", receiver.jitter());
        }
    }

    #[test]
    fn a_block_says_how_long_ago_the_sender_reported() {
        let (mut receiver, now) = (Receiver::new(9, ClockRate::VIDEO), Instant::now());
        hear(&mut receiver, 1, 0, 9, now);
        hear(&mut receiver, 2, 0, 9, now);
        let report = SenderReport { ssrc: 9, ntp: NtpTimestamp(0x1234_5678_9ABC_DEF0), ..SenderReport::default() };
        receiver.handle_sender_report(&SenderReport { ssrc: 1, ..report }, now);
        let block = receiver.report_block(now).unwrap();
        assert_eq!((block.last_report, block.delay), (0, 0));
        receiver.handle_sender_report(&report, now);
        let block = receiver.report_block(now + Duration::from_millis(1_500)).unwrap();
        assert_eq!((block.last_report, block.delay), (0x5678_9ABC, 0x1_8000));
    }

    proptest! {
        #[test]
        fn no_packets_panic(packets in prop::collection::vec((any::<u16>(), any::<u32>(), 0u64..100_000), 0..100)) {
            let (mut receiver, start) = (Receiver::new(9, ClockRate::VIDEO), Instant::now());
            for (sequence, timestamp, millis) in packets {
                hear(&mut receiver, sequence, timestamp, 9, start + Duration::from_millis(millis));
                let _ = receiver.report_block(start);
            }
        }

        #[test]
        fn what_is_dropped_is_reported_lost(drops in prop::collection::vec(prop::bool::weighted(0.2), 0..500), first: u16) {
            let (mut receiver, now) = (Receiver::new(9, ClockRate::VIDEO), Instant::now());
            let sequence = |index: usize| Sequence(first).plus(index as u16).0;
            hear(&mut receiver, sequence(0), 0, 9, now);
            hear(&mut receiver, sequence(1), 0, 9, now);
            let mut lost = 0;
            for (index, &dropped) in drops.iter().chain([&false]).enumerate() {
                lost += i64::from(dropped);
                prop_assert!(dropped || hear(&mut receiver, sequence(index + 2), 0, 9, now));
            }
            prop_assert_eq!(receiver.lost(), lost);
        }
    }
}
