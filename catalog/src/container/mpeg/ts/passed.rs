//! A transport stream that is passed on as it comes (ISO 13818-1): its packets are neither taken apart nor changed.
//!
//! Who joins begins where its clock's stream says that decoding may begin. The tables may be some time off there, so
//! the latest are put before it, once more as they were: a packet may come twice in a row on its PID (2.4.3.3).

use super::intake::{PACKET_LEN, SYNC};
use bytes::Bytes;
use catalog::feed::{FeedEvent, FeedTrack, FeedUnit};
use rtp::{clock::Ticks, format::Format, mp2t::Program};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

/// Programs whose tables are kept at most.
const MAX_PROGRAMS: usize = 16;
/// PIDs of 13 bits, and the one that is only filling.
const PIDS: usize = 1 << 13;
const NULL_PID: u16 = 0x1FFF;
/// Values of a continuity counter, and the one that says that nothing has come.
const COUNTS: u8 = 16;
const NONE: u8 = 0xFF;
/// A PCR's base has 33 bits, by 90 kHz.
const PCR_WRAP: i64 = 1 << 33;

type Packet = [u8; PACKET_LEN];

/// Bytes in, units of whole packets out, as a feed of one track.
#[derive(Debug)]
pub(super) struct Passed {
    /// The beginning of a packet whose rest is still to come.
    rest: Vec<u8>,
    events: VecDeque<FeedEvent>,
    begun: bool,
    /// PID of the first clock, its latest time on a line that does not wrap, and when that came.
    clock: Option<(u16, i64, Instant)>,
    /// The stream says by itself where decoding may begin.
    says: bool,
    programs: Option<Packet>,
    /// Each program's table by its PID, as far as one packet holds it.
    tables: BTreeMap<u16, Option<Packet>>,
    counters: Vec<u8>,
    lost: u64,
}

/// What a packet's head says (2.4.3.2, 2.4.3.4).
struct Head {
    pid: u16,
    starts: bool,
    counter: u8,
    /// Where the payload begins; `None`: there is none.
    payload: Option<usize>,
    discontinuous: bool,
    /// Decoding may begin here.
    random_access: bool,
    pcr: Option<i64>,
}

impl Passed {
    pub fn new() -> Self {
        Self {
            rest: Vec::new(),
            events: VecDeque::new(),
            begun: false,
            clock: None,
            says: false,
            programs: None,
            tables: BTreeMap::new(),
            counters: vec![NONE; PIDS],
            lost: 0,
        }
    }

    /// The next bytes, in pieces of any length; what lies between packets is left out.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) {
        self.rest.extend_from_slice(bytes);
        let mut packets: Vec<Packet> = Vec::new();
        let mut at = 0;
        while let Some(packet) = self.rest.get(at..).and_then(<[u8]>::first_chunk::<PACKET_LEN>) {
            let next = self.rest.get(at + PACKET_LEN);
            match packet[0] == SYNC && next.is_none_or(|next| *next == SYNC) {
                true => packets.push(*packet),
                false => {
                    at += 1;
                    continue;
                }
            }
            at += PACKET_LEN;
        }
        self.rest.drain(..at);
        if !packets.is_empty() {
            self.take(&packets, now);
        }
    }

    pub fn poll(&mut self) -> Option<FeedEvent> {
        self.events.pop_front()
    }

    /// Breaks in the packets' counters.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn take(&mut self, packets: &[Packet], now: Instant) {
        if !std::mem::replace(&mut self.begun, true) {
            let program = Arc::new(Program { streams: Vec::new(), order: Vec::new() });
            let track = FeedTrack { format: Format::Mp2t { program }, language: None };
            self.events.push_back(FeedEvent::Tracks(vec![track]));
        }
        let (mut said, mut tables) = (false, false);
        for packet in packets {
            let head = Head::of(packet);
            self.count(&head);
            if let Some(base) = head.pcr {
                self.clock = match self.clock {
                    Some((pid, before, _)) if pid == head.pid => Some((pid, unwrapped(before, base), now)),
                    None => Some((head.pid, base, now)),
                    other => other,
                };
            }
            said |= head.random_access && self.clock.is_some_and(|(pid, ..)| pid == head.pid);
            tables |= self.keep(&head, packet);
        }
        self.says |= said;
        let sync = if self.says { said } else { tables };
        let mut data = Vec::with_capacity(packets.len() * PACKET_LEN);
        if said && !tables {
            self.programs.iter().chain(self.tables.values().flatten()).for_each(|table| data.extend_from_slice(table));
        }
        packets.iter().for_each(|packet| data.extend_from_slice(packet));
        // Before its first clock a stream's time is anybody's guess.
        let time = self.clock.map_or(0, |(_, base, came)| {
            let passed = now.saturating_duration_since(came).as_micros().saturating_mul(9) / 100;
            base.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
        });
        let (dts, pts) = (Ticks(time), Ticks(time));
        self.events.push_back(FeedEvent::Unit(FeedUnit { track: 0, data: Bytes::from(data), dts, pts, sync }));
    }

    fn count(&mut self, head: &Head) {
        let Some(last) = self.counters.get_mut(usize::from(head.pid)).filter(|_| head.pid != NULL_PID) else { return };
        if head.payload.is_none() {
            return;
        }
        let expected = last.wrapping_add(1) % COUNTS;
        if *last != NONE && head.counter != *last && head.counter != expected && !head.discontinuous {
            self.lost += 1;
        }
        *last = head.counter;
    }

    /// Keeps the tables; true: this was the table of programs.
    fn keep(&mut self, head: &Head, packet: &Packet) -> bool {
        let is_table = head.pid == 0 || self.tables.contains_key(&head.pid);
        let Some(section) = head.payload.filter(|_| is_table && head.starts).and_then(|at| section(packet, at)) else {
            return false;
        };
        if head.pid != 0 {
            self.tables.insert(head.pid, Some(*packet));
            return false;
        }
        self.programs = Some(*packet);
        // program_number and PID, four bytes each, between the head and the checksum (2.4.4.3).
        let entries = section.get(8..section.len().saturating_sub(4)).unwrap_or_default().chunks_exact(4);
        let pids: Vec<u16> = entries
            .filter(|entry| entry[..2] != [0, 0])
            .map(|entry| u16::from_be_bytes([entry[2] & 0x1F, entry[3]]))
            .take(MAX_PROGRAMS)
            .collect();
        self.tables.retain(|pid, _| pids.contains(pid));
        for pid in pids {
            self.tables.entry(pid).or_default();
        }
        true
    }
}

impl Head {
    fn of(packet: &Packet) -> Self {
        let adaptation = packet[3] & 0x20 != 0;
        let length = if adaptation { usize::from(packet[4]) } else { 0 };
        let flags = if length > 0 { packet[5] } else { 0 };
        let start = 4 + usize::from(adaptation) + length;
        let base = |[a, b, c, d, e]: [u8; 5]| i64::from(u32::from_be_bytes([a, b, c, d])) << 1 | i64::from(e >> 7);
        Self {
            pid: u16::from_be_bytes([packet[1] & 0x1F, packet[2]]),
            starts: packet[1] & 0x40 != 0,
            counter: packet[3] & 0xF,
            payload: (packet[3] & 0x10 != 0 && start < PACKET_LEN).then_some(start),
            discontinuous: flags & 0x80 != 0,
            random_access: flags & 0x40 != 0,
            pcr: (flags & 0x10 != 0 && length >= 7)
                .then(|| base([packet[6], packet[7], packet[8], packet[9], packet[10]])),
        }
    }
}

/// The section that begins in a packet whose payload begins `at`, where it is whole in it (2.4.4.1).
fn section(packet: &Packet, at: usize) -> Option<&[u8]> {
    let start = at + 1 + usize::from(*packet.get(at)?);
    let section = packet.get(start..)?;
    let &[_, high, low] = section.first_chunk()?;
    section.get(..3 + usize::from(u16::from_be_bytes([high & 0xF, low])))
}

/// A base that may have wrapped, nearest to the one before.
fn unwrapped(before: i64, base: i64) -> i64 {
    let step = (base - before).rem_euclid(PCR_WRAP);
    before.saturating_add(if step > PCR_WRAP / 2 { step - PCR_WRAP } else { step })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const VIDEO: u16 = 256;
    const TABLE: u16 = 4096;

    /// A packet with an adaptation field of those flags and that PCR, where there are any, and a payload.
    fn packet(pid: u16, counter: u8, start: bool, field: Option<(u8, i64)>, payload: &[u8]) -> Vec<u8> {
        let [high, low] = pid.to_be_bytes();
        let mut packet = vec![SYNC, high | u8::from(start) << 6, low, 0x10 | counter];
        if let Some((flags, base)) = field {
            packet[3] |= 0x20;
            packet.extend([7, flags | 0x10]);
            packet.extend(((base >> 1) as u32).to_be_bytes());
            packet.extend([(base as u8) << 7 | 0x7E, 0]);
        }
        packet.extend(payload);
        packet.resize(PACKET_LEN, 0xFF);
        packet
    }

    fn programs() -> Vec<u8> {
        let [high, low] = TABLE.to_be_bytes();
        packet(0, 0, true, None, &[0, 0, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xE0 | high, low, 1, 2, 3, 4])
    }

    fn table() -> Vec<u8> {
        packet(TABLE, 0, true, None, &[0, 2, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0xE1, 0, 0xF0, 0, 1, 2, 3, 4])
    }

    fn units(passed: &mut Passed) -> Vec<FeedUnit> {
        let events = std::iter::from_fn(|| passed.poll());
        let unit = |event| if let FeedEvent::Unit(unit) = event { Some(unit) } else { None };
        events.filter_map(unit).collect()
    }

    #[test]
    fn packets_come_as_they_went_in_and_tables_before_where_decoding_begins() {
        let (mut passed, now) = (Passed::new(), Instant::now());
        let picture = |number: u8, flags, base| packet(VIDEO, number, true, Some((flags, base)), &[number; 50]);
        let datagrams = [
            [programs(), table()].concat(),
            picture(0, 0x40, 900),
            picture(1, 0, 4_500),
            packet(VIDEO, 2, false, None, &[2; 180]),
            [b"noise".to_vec(), picture(3, 0x40, 8_100)].concat(),
        ];
        for (datagram, number) in datagrams.iter().zip(0..) {
            passed.handle_bytes(datagram, now + Duration::from_millis(10) * number);
        }
        let Some(FeedEvent::Tracks(tracks)) = passed.poll() else { panic!("no track") };
        assert!(matches!(tracks[..], [FeedTrack { format: Format::Mp2t { .. }, .. }]));
        let before = |datagram: &[u8]| [programs(), table(), datagram.to_vec()].concat();
        let expected = [
            (datagrams[0].clone(), 0, true),
            (before(&datagrams[1]), 900, true),
            (datagrams[2].clone(), 4_500, false),
            (datagrams[3].clone(), 5_400, false),
            (before(&datagrams[4][5..]), 8_100, true),
        ];
        for (unit, (data, dts, sync)) in units(&mut passed).into_iter().zip(expected) {
            assert!(unit.data == data, "at {dts}");
            assert_eq!((unit.dts.0, unit.pts.0, unit.sync), (dts, dts, sync));
        }
        assert_eq!(passed.lost(), 0);
    }

    #[test]
    fn pieces_of_any_length_wraps_and_losses() {
        let (now, all) =
            (Instant::now(), [programs(), table(), packet(VIDEO, 5, true, Some((0, PCR_WRAP - 10)), &[])].concat());
        for length in [1, 100, 187, 189, 1_000] {
            let mut passed = Passed::new();
            all.chunks(length).for_each(|piece| passed.handle_bytes(piece, now));
            let data: Vec<u8> = units(&mut passed).iter().flat_map(|unit| unit.data.to_vec()).collect();
            assert!(data == all, "{length}");
        }
        let mut passed = Passed::new();
        for (base, counter, expected, lost) in [
            (PCR_WRAP - 10, 0, PCR_WRAP - 10, 0),
            (20, 1, PCR_WRAP + 20, 0),
            (PCR_WRAP - 5, 1, PCR_WRAP - 5, 0),
            (40, 4, PCR_WRAP + 40, 1),
        ] {
            passed.handle_bytes(&packet(VIDEO, counter, true, Some((0, base)), &[]), now);
            assert_eq!((units(&mut passed)[0].dts.0, passed.lost()), (expected, lost), "{base}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_comes_breaks_it(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..2_000), at in 0_usize..188) {
            let mut passed = Passed::new();
            let mut bytes = bytes;
            bytes.iter_mut().skip(at).step_by(PACKET_LEN).for_each(|byte| *byte = SYNC);
            bytes.chunks(500).for_each(|piece| passed.handle_bytes(piece, Instant::now()));
            let out: usize = units(&mut passed).iter().map(|unit| unit.data.len()).sum();
            assert!(out.is_multiple_of(PACKET_LEN) && passed.rest.len() < PACKET_LEN);
        }
    }
}
