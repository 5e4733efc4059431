//! What is multiplexed is taken apart again by a reader that knows nothing of how it was made.

use super::section::checksum;
use super::*;
use crate::clock::Ticks;
use crate::packet::RtpPacket;
use crate::packetizer::Packetizer;
use crate::train::{Framing, Train};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One packet of 188 bytes, as it came.
#[derive(Clone, Debug, Default)]
struct Cell {
    pid: u16,
    start: bool,
    random_access: bool,
    /// 27 MHz.
    clock: Option<i64>,
    payload: Vec<u8>,
    /// When its bytes leave by the RTP timestamps, and how long each takes; 27 MHz.
    leaves: f64,
    a_byte: f64,
}

/// One PES packet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Packet {
    stream_id: u8,
    shown: i64,
    decode: i64,
    payload: Vec<u8>,
    /// When its last byte has come, 90 kHz.
    whole: i64,
    random_access: bool,
}

fn cells(packets: &[(u32, Vec<u8>)], end: u32) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut counts: BTreeMap<u16, u8> = BTreeMap::new();
    let first = i64::from(packets[0].0);
    let at = |timestamp: u32| (first + i64::from(timestamp.wrapping_sub(packets[0].0) as i32)) as f64 * 300.0;
    for (number, (timestamp, payload)) in packets.iter().enumerate() {
        assert!(payload.len() <= 1316 && payload.len() % 188 == 0 && !payload.is_empty());
        let next = packets.get(number + 1).map_or(end, |(next, _)| *next);
        let a_byte = (at(next) - at(*timestamp)) / payload.len() as f64;
        for (place, bytes) in payload.chunks(188).enumerate() {
            let mut cell = Cell { a_byte, leaves: at(*timestamp) + a_byte * (place * 188) as f64, ..Cell::default() };
            assert_eq!(bytes[0], 0x47);
            cell.start = bytes[1] & 0x40 != 0;
            cell.pid = u16::from_be_bytes([bytes[1] & 0x1F, bytes[2]]);
            let mut from = 4;
            if bytes[3] & 0x20 != 0 {
                let length = usize::from(bytes[4]);
                from += 1 + length;
                if length > 0 {
                    cell.random_access = bytes[5] & 0x40 != 0;
                }
                if length > 0 && bytes[5] & 0x10 != 0 {
                    let field = bytes[6..12].iter().fold(0i64, |value, &byte| value << 8 | i64::from(byte));
                    cell.clock = Some((field >> 15) * 300 + (field & 0x1FF));
                }
            }
            let has_payload = bytes[3] & 0x10 != 0;
            if has_payload {
                cell.payload = bytes[from..].to_vec();
            } else {
                assert_eq!(from, 188);
            }
            let before = counts.get(&cell.pid).copied();
            let count = bytes[3] & 15;
            if let Some(before) = before {
                assert_eq!(count, if has_payload { (before + 1) & 15 } else { before }, "pid {:x}", cell.pid);
            }
            counts.insert(cell.pid, count);
            cells.push(cell);
        }
    }
    cells
}

/// The PES packets of one PID.
fn packets_of(cells: &[Cell], pid: u16) -> Vec<Packet> {
    let mut whole: Vec<(Vec<u8>, f64, bool)> = Vec::new();
    for cell in cells.iter().filter(|cell| cell.pid == pid && !cell.payload.is_empty()) {
        if cell.start {
            whole.push((Vec::new(), 0.0, cell.random_access));
        }
        let (bytes, end, _) = whole.last_mut().expect("a start comes first");
        bytes.extend_from_slice(&cell.payload);
        *end = cell.leaves + cell.a_byte * 188.0;
    }
    let time = |field: &[u8]| {
        let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|at| i64::from(field[at]));
        assert!(a & 1 == 1 && c & 1 == 1 && e & 1 == 1);
        (a >> 1 & 7) << 30 | b << 22 | c >> 1 << 15 | d << 7 | e >> 1
    };
    let read = |(bytes, end, random_access): (Vec<u8>, f64, bool)| {
        assert_eq!(bytes[..3], [0, 0, 1]);
        let length = usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
        assert!(length == bytes.len() - 6 || length == 0 && bytes[3] == 0xE0);
        let shown = time(&bytes[9..14]);
        let decode = if bytes[7] & 0x40 != 0 { time(&bytes[14..19]) } else { shown };
        let payload = bytes[9 + usize::from(bytes[8])..].to_vec();
        Packet { stream_id: bytes[3], shown, decode, payload, whole: (end / 300.0) as i64, random_access }
    };
    whole.into_iter().map(read).collect()
}

const WIDTH: u32 = 16;
const HEIGHT: u32 = 16;

fn avc() -> Format {
    Format::H264 { sps: vec![vec![0x67, 1]], pps: vec![vec![0x68, 1]], width: WIDTH, height: HEIGHT }
}

fn aac() -> Format {
    Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels: 2 }
}

/// A unit to send: stream, decode time, how much later it is shown, its bytes, whether decoding may begin there.
type Made = (usize, i64, i64, Vec<u8>, bool);

/// Sends `groups` of units and gives the RTP packets and when they end.
fn send(formats: &[Format], first: u32, groups: &[Vec<Made>], end: i64) -> (Vec<(u32, Vec<u8>)>, u32) {
    let streams = formats.iter().map(|format| Stream { format: format.clone(), language: Some("deu".into()) });
    let program = Arc::new(Program { streams: streams.collect(), order: Vec::new() });
    let mut packetizer = Packetizer::new(&Format::Mp2t { program }, 33, 7, 65_530, 1400);
    let mut train = Train::new(Framing::Datagram);
    let at = |time: i64| RtpTimestamp(first).plus(Ticks(time));
    for (number, group) in groups.iter().enumerate() {
        let units: Vec<Unit<'_>> = group
            .iter()
            .map(|(stream, decode, shift, data, sync)| Unit {
                stream: *stream,
                data,
                decode: at(*decode),
                timestamp: at(decode + shift),
                sync: *sync,
            })
            .collect();
        let next = groups.get(number + 1).map_or(end, |next| next[0].1);
        packetizer.multiplex(&units, at(next), &mut train).unwrap();
    }
    let packets = (0..train.len()).map(|number| {
        let packet = RtpPacket::parse(train.packet(number)).unwrap();
        assert_eq!((packet.payload_type, packet.sequence.0), (33, 65_530u16.wrapping_add(number as u16)));
        (packet.timestamp.0, packet.payload.to_vec())
    });
    (packets.collect(), at(end).0)
}

/// Checks everything about time, and answers the packets of each stream.
fn check(formats: &[Format], first: u32, groups: &[Vec<Made>], end: i64) -> Vec<Vec<Packet>> {
    let (packets, last) = send(formats, first, groups, end);
    let cells = cells(&packets, last);
    // 500 ns are 13.5 ticks; ISO 13818-1 2.4.2.2.
    let clocks: Vec<&Cell> = cells.iter().filter(|cell| cell.clock.is_some()).collect();
    for cell in &clocks {
        let expected = (cell.leaves + cell.a_byte * 10.0).rem_euclid((1i64 << 33) as f64 * 300.0);
        let off = cell.clock.unwrap() as f64 - expected;
        assert!(off.abs() < 13.5, "a clock reference is {off} ticks of 27 MHz off");
    }
    let ms = |cell: &Cell| cell.leaves / 27_000.0;
    for pair in clocks.windows(2) {
        let apart = ms(pair[1]) - ms(pair[0]);
        assert!((0.0..=40.0).contains(&apart), "clock references are {apart} ms apart");
    }
    let whole = ms(cells.last().unwrap()) - ms(&cells[0]);
    for pid in [section::PAT_PID, section::PMT_PID] {
        let tables: Vec<&Cell> = cells.iter().filter(|cell| cell.pid == pid).collect();
        assert!(!tables.is_empty() && tables.iter().all(|cell| cell.start && cell.payload[0] == 0));
        for pair in tables.windows(2) {
            assert!(ms(pair[1]) - ms(pair[0]) <= 100.0, "{} ms", ms(pair[1]) - ms(pair[0]));
        }
        assert!(tables.len() as f64 >= whole / 100.0);
        let section = &tables[0].payload[1..];
        let length = 3 + usize::from(u16::from_be_bytes([section[1] & 0xF, section[2]]));
        assert_eq!(checksum(&section[..length]), 0);
    }
    let streams = (0..formats.len()).map(|stream| packets_of(&cells, section::FIRST_PID + stream as u16));
    streams
        .inspect(|packets| {
            for packet in packets {
                assert!(
                    packet.whole <= packet.decode.max(packet.whole & !((1 << 33) - 1)),
                    "{} {}",
                    packet.whole,
                    packet.decode
                );
            }
        })
        .collect()
}

/// A film of `frames` pictures 40 ms apart, every 12th a sync one, with sound of 1024 samples a unit.
fn film(frames: i64, size: impl Fn(i64) -> usize) -> Vec<Made> {
    let mut made: Vec<Made> = (0..frames)
        .map(|frame| {
            let unit = [&(size(frame) as u32).to_be_bytes()[..], &vec![0x65; size(frame)]].concat();
            (0, frame * 3600, [3600, 10_800, 0, 0][frame as usize % 4], unit, frame % 12 == 0)
        })
        .collect();
    made.extend((0..frames * 3600 / 2090).map(|unit| (1, unit * 2090, 0, vec![unit as u8; 200], true)));
    made.sort_by_key(|(stream, decode, ..)| (*decode, *stream));
    made
}

#[test]
fn a_film_comes_out_as_it_went_in() {
    let made = film(60, |frame| if frame % 12 == 0 { 20_000 } else { 1500 });
    let groups: Vec<Vec<Made>> = made.chunk_by(|a, b| a.1 / 3600 == b.1 / 3600).map(<[Made]>::to_vec).collect();
    // The timestamps wrap on the way.
    let first = u32::MAX - 90_000;
    let streams = check(&[avc(), aac()], first, &groups, 60 * 3600);
    for (stream, packets) in streams.iter().enumerate() {
        let expected: Vec<&Made> = made.iter().filter(|unit| unit.0 == stream).collect();
        assert_eq!(packets.len(), expected.len());
        for (packet, (_, decode, shift, unit, sync)) in packets.iter().zip(expected) {
            let line = i64::from(first) + decode + multiplexer::DELAY;
            assert_eq!((packet.decode, packet.shown), (line, line + shift));
            assert_eq!(packet.random_access, *sync);
            match stream {
                0 => assert_eq!(packet.payload[..10], [0, 0, 0, 1, 9, 0xF0, 0, 0, 0, 1]),
                _ => assert_eq!(packet.payload[..2], [0xFF, 0xF1]),
            }
            assert!(packet.payload.ends_with(&unit[unit.len() - 100..]));
            assert_eq!(packet.stream_id, [0xE0, 0xC1][stream]);
        }
    }
}

#[test]
fn stuffing_is_only_where_a_unit_ends() {
    let (packets, end) = send(&[avc(), aac()], 5, &[film(1, |_| 50_000)], 3600);
    let cells = cells(&packets, end);
    let full = cells.iter().filter(|cell| cell.pid == section::FIRST_PID && cell.payload.len() >= 176).count();
    let sent = cells.iter().filter(|cell| cell.pid == section::FIRST_PID && !cell.payload.is_empty()).count();
    assert!(full + 1 >= sent, "{full} of {sent}");
    assert!(packets.iter().filter(|(_, payload)| payload.len() == 1316).count() + 2 >= packets.len());
}

#[test]
fn a_line_that_goes_back_is_held() {
    // As after a seek whose first unit is decoded before the last range's end.
    let groups = vec![film(1, |_| 100), film(1, |_| 100)];
    let (packets, _) = send(&[avc(), aac()], 1000, &groups, 3600);
    let times: Vec<u32> = packets.iter().map(|(time, _)| *time).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn who_comes_late_does_not_push_on_the_line() {
    let picture = |at: i64| (0, at * 3600, 0, [&100_u32.to_be_bytes()[..], &[1; 100]].concat(), at == 0);
    let late = |at: i64| (1, (at - 9) * 3600, 0, vec![1; 200], true);
    let groups: Vec<Vec<Made>> = (0..50).flat_map(|at| [vec![picture(at)], vec![late(at)]]).collect();
    let (packets, end) = send(&[avc(), aac()], 40_000, &groups, 50 * 3600);
    let times: Vec<u32> = packets.iter().map(|(time, _)| *time).collect();
    assert!(times.is_sorted() && times.iter().all(|time| *time <= end), "{times:?} to {end}");
}

#[test]
fn what_is_not_stored_so_is_refused() {
    let program = Arc::new(Program { streams: vec![Stream { format: avc(), language: None }], order: vec![] });
    let mut packetizer = Packetizer::new(&Format::Mp2t { program }, 33, 7, 0, 1400);
    let mut train = Train::new(Framing::Datagram);
    let at = RtpTimestamp(0);
    let unit = |stream, data| Unit { stream, data, decode: at, timestamp: at, sync: true };
    for unit in [unit(0, &[0, 0, 0, 9, 1][..]), unit(1, &[0, 0, 0, 1, 9])] {
        assert!(packetizer.multiplex(&[unit], at, &mut train).is_err());
        assert!(train.is_empty());
    }
    assert!(Packetizer::new(&avc(), 96, 1, 0, 1400).multiplex(&[], at, &mut train).is_err());
}

proptest! {
    #[test]
    fn any_rate_and_any_gap_keeps_the_times(
        first in any::<u32>(),
        gaps in prop::collection::vec((0i64..20_000, 1usize..30_000, 0usize..2, any::<bool>()), 1..60),
    ) {
        let mut now = 0;
        let mut groups: Vec<Vec<Made>> = Vec::new();
        for (gap, size, stream, together) in gaps {
            let data = match stream {
                0 => [&(size as u32).to_be_bytes()[..], &vec![1; size]].concat(),
                _ => vec![1; size.min(8000)],
            };
            now += gap;
            let unit = (stream, now, 0, data, size % 5 == 0);
            match groups.last_mut() {
                Some(last) if together && now - last[0].1 <= 3600 => last.push(unit),
                _ => groups.push(vec![unit]),
            }
        }
        let count: usize = groups.iter().map(Vec::len).sum();
        let streams = check(&[avc(), aac()], first, &groups, now + 3600);
        prop_assert_eq!(streams.iter().map(Vec::len).sum::<usize>(), count);
    }
}
