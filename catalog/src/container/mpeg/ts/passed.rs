//! A transport stream that is passed on as it comes (ISO 13818-1): its packets are neither taken apart nor changed.
//!
//! Who joins begins where its clock's stream says that decoding may begin. The tables may be some time off there, so
//! the latest are put before it, once more as they were: a packet may come twice in a row on its PID (2.4.3.3).

use super::super::timeline;
use super::packet::{PACKET_LEN, Packet, SYNC};
use super::psi::{Programs, Sections};
use std::collections::BTreeMap;
use std::time::Instant;

/// Programs whose tables are kept at most.
const MAX_PROGRAMS: usize = 16;
/// PIDs of 13 bits, and the one that is only filling.
const PIDS: usize = 1 << 13;
const NULL_PID: u16 = 0x1FFF;
/// Where the table of programs is.
const PROGRAMS_PID: u16 = 0;
/// Values of a continuity counter, and the one that says that nothing has come.
const COUNTS: u8 = 16;
const NONE: u8 = 0xFF;

/// A packet as it came.
type Raw = [u8; PACKET_LEN];

/// Bytes in, whole packets out.
#[derive(Debug)]
pub(crate) struct PassedTs {
    /// The beginning of a packet whose rest is still to come.
    rest: Vec<u8>,
    /// PID of the first clock, its latest time on a line that does not wrap, and when that came.
    clock: Option<(u16, i64, Instant)>,
    /// The stream says by itself where decoding may begin.
    says: bool,
    /// The table of programs and each program's by its PID, as far as one packet holds it.
    tables: BTreeMap<u16, Option<Raw>>,
    counters: Vec<u8>,
    lost: u64,
}

/// Packets that came together.
#[derive(Debug)]
pub(crate) struct PassedPackets {
    pub data: Vec<u8>,
    /// 90 kHz, by the stream's clock.
    pub time: i64,
    /// Whether decoding may begin here.
    pub sync: bool,
}

impl PassedTs {
    pub fn new() -> Self {
        Self {
            rest: Vec::new(),
            clock: None,
            says: false,
            tables: BTreeMap::from([(PROGRAMS_PID, None)]),
            counters: vec![NONE; PIDS],
            lost: 0,
        }
    }

    /// Takes the next bytes, in pieces of any length, and says which packets are whole by now; what lies between packets
    /// is left out.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) -> Option<PassedPackets> {
        self.rest.extend_from_slice(bytes);
        let mut packets: Vec<Raw> = Vec::new();
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
        (!packets.is_empty()).then(|| self.take(&packets, now))
    }

    /// Breaks in the packets' counters.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn take(&mut self, packets: &[Raw], now: Instant) -> PassedPackets {
        let (mut said, mut listed) = (false, false);
        for bytes in packets {
            // What is no packet by its header is passed on all the same.
            let Some(packet) = Packet::parse(bytes) else { continue };
            self.count(&packet);
            if let Some(clock) = packet.clock.map(|clock| clock as i64) {
                self.clock = match self.clock {
                    Some((pid, before, _)) if pid == packet.pid => Some((pid, timeline::nearest(clock, before), now)),
                    None => Some((packet.pid, clock, now)),
                    other => other,
                };
            }
            said |= packet.random_access && self.clock.is_some_and(|(pid, ..)| pid == packet.pid);
            listed |= self.keep(&packet, bytes);
        }
        self.says |= said;
        let sync = if self.says { said } else { listed };
        let mut data = Vec::with_capacity(packets.len() * PACKET_LEN);
        if said && !listed {
            self.tables.values().flatten().for_each(|table| data.extend_from_slice(table));
        }
        packets.iter().for_each(|packet| data.extend_from_slice(packet));
        // Before its first clock a stream's time is anybody's guess.
        let time = self.clock.map_or(0, |(_, clock, came)| {
            let passed = now.saturating_duration_since(came).as_micros().saturating_mul(9) / 100;
            clock.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
        });
        PassedPackets { data, time, sync }
    }

    fn count(&mut self, packet: &Packet<'_>) {
        let Some(last) = self.counters.get_mut(usize::from(packet.pid)) else { return };
        if packet.pid == NULL_PID || packet.payload.is_none() {
            return;
        }
        let expected = last.wrapping_add(1) % COUNTS;
        if *last != NONE && packet.counter != *last && packet.counter != expected && !packet.discontinuity {
            self.lost += 1;
        }
        *last = packet.counter;
    }

    /// Keeps the tables; true: this was the table of programs.
    fn keep(&mut self, packet: &Packet<'_>, bytes: &Raw) -> bool {
        let (Some(table), Some(payload)) = (self.tables.get_mut(&packet.pid), packet.payload) else { return false };
        // Anew each time: a source that begins again may list others by the same version.
        let (mut whole, mut programs) = (false, Programs::default());
        if packet.starts {
            Sections::default().handle(payload, true, &mut |section| {
                whole = true;
                programs.handle(section);
            });
        }
        if whole {
            *table = Some(*bytes);
        }
        if !whole || packet.pid != PROGRAMS_PID {
            return false;
        }
        let pids: Vec<u16> = programs.list().iter().map(|(_, pid)| *pid).take(MAX_PROGRAMS).collect();
        self.tables.retain(|pid, _| *pid == PROGRAMS_PID || pids.contains(pid));
        for pid in pids {
            self.tables.entry(pid).or_default();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::psi::crc;
    use super::*;
    use std::time::Duration;

    const PCR_WRAP: i64 = timeline::WRAP;

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

    /// A section with its checksum, behind the byte that points to it.
    fn section(bytes: &[u8]) -> Vec<u8> {
        [&[0], bytes, &crc(bytes).to_be_bytes()].concat()
    }

    fn programs() -> Vec<u8> {
        let [high, low] = TABLE.to_be_bytes();
        packet(0, 0, true, None, &section(&[0, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xE0 | high, low]))
    }

    fn table() -> Vec<u8> {
        packet(TABLE, 0, true, None, &section(&[2, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0xE1, 0, 0xF0, 0]))
    }

    #[test]
    fn packets_come_as_they_went_in_and_tables_before_where_decoding_begins() {
        let (mut passed, now) = (PassedTs::new(), Instant::now());
        let picture = |number: u8, flags, base| packet(VIDEO, number, true, Some((flags, base)), &[number; 50]);
        let datagrams = [
            [programs(), table()].concat(),
            picture(0, 0x40, 900),
            picture(1, 0, 4_500),
            packet(VIDEO, 2, false, None, &[2; 180]),
            [b"noise".to_vec(), picture(3, 0x40, 8_100)].concat(),
        ];
        let before = |datagram: &[u8]| [programs(), table(), datagram.to_vec()].concat();
        let expected = [
            (datagrams[0].clone(), 0, true),
            (before(&datagrams[1]), 900, true),
            (datagrams[2].clone(), 4_500, false),
            (datagrams[3].clone(), 5_400, false),
            (before(&datagrams[4][5..]), 8_100, true),
        ];
        for ((datagram, number), (data, time, sync)) in datagrams.iter().zip(0..).zip(expected) {
            let packets = passed.handle_bytes(datagram, now + Duration::from_millis(10) * number).unwrap();
            assert!(packets.data == data, "at {time}");
            assert_eq!((packets.time, packets.sync), (time, sync));
        }
        assert_eq!(passed.lost(), 0);
    }

    #[test]
    fn pieces_of_any_length_wraps_and_losses() {
        let (now, all) =
            (Instant::now(), [programs(), table(), packet(VIDEO, 5, true, Some((0, PCR_WRAP - 10)), &[])].concat());
        for length in [1, 100, 187, 189, 1_000] {
            let mut passed = PassedTs::new();
            let packets = all.chunks(length).filter_map(|piece| passed.handle_bytes(piece, now));
            let data: Vec<u8> = packets.flat_map(|packets| packets.data).collect();
            assert!(data == all, "{length}");
        }
        let mut passed = PassedTs::new();
        for (base, counter, expected, lost) in [
            (PCR_WRAP - 10, 0, PCR_WRAP - 10, 0),
            (20, 1, PCR_WRAP + 20, 0),
            (PCR_WRAP - 5, 1, PCR_WRAP - 5, 0),
            (40, 4, PCR_WRAP + 40, 1),
        ] {
            let packets = passed.handle_bytes(&packet(VIDEO, counter, true, Some((0, base)), &[]), now).unwrap();
            assert_eq!((packets.time, passed.lost()), (expected, lost), "{base}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_comes_breaks_it(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..2_000), at in 0_usize..188) {
            let mut passed = PassedTs::new();
            let mut bytes = bytes;
            bytes.iter_mut().skip(at).step_by(PACKET_LEN).for_each(|byte| *byte = SYNC);
            let packets = bytes.chunks(500).filter_map(|piece| passed.handle_bytes(piece, Instant::now()));
            let out: usize = packets.map(|packets| packets.data.len()).sum();
            assert!(out.is_multiple_of(PACKET_LEN) && passed.rest.len() < PACKET_LEN);
        }
    }
}
