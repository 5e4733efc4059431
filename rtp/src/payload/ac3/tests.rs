//! Which packets frames make, and what a loss costs.

use super::super::tests::{payloads, refused};
use super::*;
use crate::depacketizer::Depacketizer;
use crate::format::Format;
use crate::packetizer::Packetizer;
use crate::train::{Framing, Train};

const AC3_FORMAT: Format = Format::Ac3 { sample_rate: 48_000, channels: 2 };
const EAC3_FORMAT: Format = Format::Eac3 { sample_rate: 48_000, channels: 6 };

/// 48 kHz stereo, 32, 64 or 192 kbit/s: 128, 256 or 768 bytes.
fn ac3(length: usize) -> Vec<u8> {
    let code = match length {
        128 => 0,
        256 => 8,
        _ => 0x14,
    };
    let mut frame = vec![0x55; length];
    frame[..8].copy_from_slice(&[0x0B, 0x77, 0, 0, code, 0x40, 0x40, 0]);
    frame
}

/// 1536 samples at 48 kHz.
fn eac3(length: usize, dependent: bool) -> Vec<u8> {
    let words = length / 2 - 1;
    let mut frame = vec![0x66; length];
    let kind = if dependent { 0x40 } else { 0 };
    frame[..8].copy_from_slice(&[0x0B, 0x77, kind | (words >> 8) as u8, words as u8, 0x34, 0x80, 0, 0]);
    frame
}

fn packets(format: &Format, units: &[(i64, Vec<u8>)]) -> Train {
    let units: Vec<_> = (units.iter())
        .map(|(at, data)| AccessUnit { data, timestamp: RtpTimestamp(5).plus(Ticks(*at)), sync: true })
        .collect();
    let mut train = Train::new(Framing::Datagram);
    Packetizer::new(format, 96, 1, 0, 12 + 300).packetize(&units, &mut train).unwrap();
    train
}

/// Of each packet: marker, ticks after the first unit, payload header, bytes behind it. All of it comes back, in frames of
/// the ticks given.
fn check(format: &Format, units: &[(i64, Vec<u8>)], expected: &[(bool, i32, [u8; 2], usize)], frames: &[i32]) {
    let train = packets(format, units);
    let mut depacketizer = Depacketizer::new(format);
    let (mut seen, mut back) = (Vec::new(), Vec::new());
    for index in 0..train.len() {
        let packet = RtpPacket::parse(train.packet(index)).unwrap();
        let ticks = packet.timestamp.distance(RtpTimestamp(5));
        seen.push((packet.marker, ticks, [packet.payload[0], packet.payload[1]], packet.payload.len() - 2));
        depacketizer.handle(&packet).unwrap();
        back.extend(std::iter::from_fn(|| depacketizer.poll()));
    }
    assert_eq!(seen, expected);
    assert!(back.iter().all(|unit| unit.sync && !unit.lost));
    assert_eq!(back.iter().map(|unit| unit.timestamp.distance(RtpTimestamp(5))).collect::<Vec<_>>(), frames);
    let bytes: Vec<u8> = back.into_iter().flat_map(|unit| unit.data).collect();
    assert_eq!(bytes, units.iter().flat_map(|(_, data)| data.clone()).collect::<Vec<_>>());
}

#[test]
fn whole_frames_share_a_packet_and_large_ones_are_cut() {
    let small = |at| (at, ac3(128));
    check(&AC3_FORMAT, &[small(0)], &[(true, 0, [0, 1], 128)], &[0]);
    check(&AC3_FORMAT, &[small(0), small(1536)], &[(true, 0, [0, 2], 256)], &[0, 1536]);
    check(&AC3_FORMAT, &[(0, [ac3(128), ac3(128)].concat())], &[(true, 0, [0, 2], 256)], &[0, 1536]);
    // A hole in the times; no room.
    check(&AC3_FORMAT, &[small(0), small(3072)], &[(true, 0, [0, 1], 128), (true, 3072, [0, 1], 128)], &[0, 3072]);
    check(&AC3_FORMAT, &[(0, ac3(256)), small(1536)], &[(true, 0, [0, 1], 256), (true, 1536, [0, 1], 128)], &[0, 1536]);
    // 5/8 of 768 bytes are 480: the first part has less.
    check(
        &AC3_FORMAT,
        &[(0, ac3(768)), small(1536)],
        &[
            (false, 0, [INITIAL, 3], 256),
            (false, 0, [OTHER, 3], 256),
            (true, 0, [OTHER, 3], 256),
            (true, 1536, [0, 1], 128),
        ],
        &[0, 1536],
    );
}

#[test]
fn the_frames_of_one_instant_stay_together_where_they_fit() {
    let pair = |at, second| (at, [eac3(100, false), eac3(second, true)].concat());
    check(&EAC3_FORMAT, &[pair(0, 48), pair(1536, 48)], &[(true, 0, [0, 4], 296)], &[0, 0, 1536, 1536]);
    check(
        &EAC3_FORMAT,
        &[pair(0, 48), pair(1536, 60)],
        &[(true, 0, [0, 2], 148), (true, 1536, [0, 2], 160)],
        &[0, 0, 1536, 1536],
    );
    check(
        &EAC3_FORMAT,
        &[pair(0, 400)],
        &[(true, 0, [0, 1], 100), (false, 0, [1, 2], 200), (true, 0, [3, 2], 200)],
        &[0, 0],
    );
    // AC-3 may be in E-AC-3.
    check(&EAC3_FORMAT, &[(0, ac3(128))], &[(true, 0, [0, 1], 128)], &[0]);
}

#[test]
fn enhanced_frames_come_back_by_the_rules_of_either_format() {
    let frames = [(0, eac3(768, false)), (1536, eac3(200, false))];
    let train = packets(&EAC3_FORMAT, &frames);
    for format in [&EAC3_FORMAT, &AC3_FORMAT] {
        let mut depacketizer = Depacketizer::new(format);
        for index in 0..train.len() {
            depacketizer.handle(&RtpPacket::parse(train.packet(index)).unwrap()).unwrap();
        }
        let units: Vec<_> = std::iter::from_fn(|| depacketizer.poll()).map(|unit| unit.data).collect();
        assert_eq!(units, frames.each_ref().map(|(_, frame)| frame.clone()), "{format:?}");
    }
}

#[test]
fn a_first_part_with_five_eighths_says_so() {
    let seen = payloads(&AC3_FORMAT, &ac3(768), 700);
    assert_eq!(seen.iter().map(|payload| (payload[0], payload.len())).collect::<Vec<_>>(), [(2, 386), (3, 386)]);
    assert_eq!((decodable(768), decodable(128), decodable(1952)), (480, 80, 1220));
}

#[test]
fn a_lost_part_drops_its_frame_and_no_other() {
    for (format, large) in [(&AC3_FORMAT, ac3(768)), (&EAC3_FORMAT, eac3(768, false))] {
        let train = packets(format, &[(0, ac3(256)), (1536, large), (3072, ac3(128))]);
        assert_eq!(train.len(), 5);
        for lost in 1..4 {
            let mut depacketizer = Depacketizer::new(format);
            for index in (0..train.len()).filter(|&index| index != lost) {
                let _ = depacketizer.handle(&RtpPacket::parse(train.packet(index)).unwrap());
            }
            let sizes: Vec<_> = std::iter::from_fn(|| depacketizer.poll()).map(|u| (u.data.len(), u.lost)).collect();
            assert_eq!(sizes, [(256, false), (128, true)], "without packet {lost}");
        }
    }
}

#[test]
fn what_is_no_frame_is_refused() {
    let cut = [ac3(128), ac3(128)[..100].to_vec()].concat();
    let cases: &[(&Format, &[u8], usize)] = &[
        (&AC3_FORMAT, &[], 0),
        (&AC3_FORMAT, &[0x0B, 0x77], 0),
        (&AC3_FORMAT, &cut, 128),
        (&AC3_FORMAT, &eac3(100, false), 0),
        (&EAC3_FORMAT, &cut, 128),
        (&EAC3_FORMAT, &eac3(128, false)[..100], 0),
    ];
    for (format, unit, offset) in cases {
        assert_eq!(format.store(unit, true, &mut Vec::new()).unwrap_err().offset, *offset);
    }
    // What a file is cut in goes as far as it does, by itself.
    assert!(AC3_FORMAT.store(&ac3(128)[..100], true, &mut Vec::new()).is_ok());
    let part = [&[3, 2], &ac3(128)[10..]].concat();
    let short = [&[2, 2], &ac3(128)[..100]].concat();
    refused(&AC3_FORMAT, &[&[], &[0], &part, &short]);
}
