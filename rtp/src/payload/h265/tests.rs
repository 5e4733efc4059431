//! Which packets NAL units make, what storing adds and drops, and what a loss costs.

use super::*;
use crate::clock::RtpTimestamp;
use crate::depacketizer::Depacketizer;
use crate::format::Format;
use crate::packetizer::Packetizer;
use crate::train::{Framing, Train};

const SETS: [&[u8]; 3] = [&[0x40, 1, 5], &[0x42, 1, 6], &[0x44, 1, 7]];

fn format() -> Format {
    let [vps, sps, pps] = SETS.map(|set| vec![set.to_vec()]);
    Format::H265 { vps, sps, pps, width: 16, height: 16 }
}

fn prefixed(nals: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    nals.iter().for_each(|nal| push_prefixed(&mut out, nal).unwrap());
    out
}

/// A NAL unit of `length` bytes with `header`.
fn nal(header: [u8; 2], length: usize) -> Vec<u8> {
    let mut nal: Vec<u8> = (0..length).map(|at| at as u8).collect();
    nal[..2].copy_from_slice(&header);
    nal
}

fn packets(nals: &[&[u8]], max: usize) -> Train {
    let stored = prefixed(nals);
    let mut train = Train::new(Framing::Datagram);
    let unit = AccessUnit { data: &stored, timestamp: RtpTimestamp(9), sync: true };
    Packetizer::new(&format(), 96, 1, 0, 12 + max).packetize(&[unit], &mut train).unwrap();
    train
}

#[test]
fn small_units_go_together_large_ones_in_equal_parts() {
    let (small, slice, large) = (nal([0x4E, 1], 50), nal([0x28, 1], 200), nal([0x02, 3], 702));
    // Each payload's first three bytes and length.
    type Seen<'a> = &'a [([u8; 3], usize)];
    let cases: &[(&[&[u8]], Seen)] = &[
        (&[&slice], &[([0x28, 1, 2], 200)]),
        (&[SETS[0], SETS[1], SETS[2], &small], &[([0x60, 1, 0], 2 + 5 + 5 + 5 + 52)]),
        // The lowest temporal id and layer of those in it.
        (&[&nal([0x03, 0x0B], 10), &nal([0x02, 0x12], 10)], &[([0x60, 0x12, 0], 26)]),
        (&[&nal([0x03, 0x0B], 10), &nal([0x03, 0x12], 10)], &[([0x61, 0x0A, 0], 26)]),
        (&[&large], &[([0x62, 3, 0x81], 237), ([0x62, 3, 1], 237), ([0x62, 3, 0x41], 235)]),
        (&[&small, &nal([0x28, 1], 301)], &[([0x4E, 1, 2], 50), ([0x62, 1, 0x94], 153), ([0x62, 1, 0x54], 152)]),
        // A set forbidden_zero_bit goes on: it says that the unit is damaged.
        (&[&nal([0x82, 1], 10), &small], &[([0xE0, 1, 0], 2 + 12 + 52)]),
    ];
    for (nals, expected) in cases {
        let train = packets(nals, 300);
        let mut depacketizer = Depacketizer::new(&format());
        let mut seen = Vec::new();
        for index in 0..train.len() {
            let packet = RtpPacket::parse(train.packet(index)).unwrap();
            assert_eq!(packet.marker, index + 1 == train.len());
            seen.push(([packet.payload[0], packet.payload[1], packet.payload[2]], packet.payload.len()));
            depacketizer.handle(&packet).unwrap();
        }
        assert_eq!(&seen, expected);
        let unit = depacketizer.poll().unwrap();
        assert_eq!((unit.data, unit.sync), (prefixed(nals), is_sync(nals.iter().copied())));
    }
}

#[test]
fn a_unit_fits_exactly_or_is_cut() {
    for (length, expected) in [(300, 1), (301, 2), (2 + 2 * 297, 2), (3 + 2 * 297, 3)] {
        assert_eq!(packets(&[&nal([0x28, 1], length)], 300).len(), expected, "{length}");
    }
    // 2 + 2 + 100 + 2 + 194 bytes of aggregation packet.
    assert_eq!(packets(&[&nal([0x4E, 1], 100), &nal([2, 1], 194)], 300).len(), 1);
    assert_eq!(packets(&[&nal([0x4E, 1], 100), &nal([2, 1], 195)], 300).len(), 2);
}

type Nals<'a> = &'a [&'a [u8]];

#[test]
fn a_sync_unit_gets_the_parameter_sets_that_it_lacks() {
    let (aud, sei, idr, filler): (&[u8], &[u8], &[u8], &[u8]) = (&[0x46, 1, 8], &[0x4E, 1], &[0x28, 1, 1], &[0x4C, 1]);
    let [vps, sps, pps] = SETS;
    let [other_vps, other_sps, other_pps]: [&[u8]; 3] = [&[0x40, 1, 9], &[0x42, 1, 9], &[0x44, 1, 9]];
    let cases: &[(bool, Nals, Nals)] = &[
        (true, &[idr], &[vps, sps, pps, idr]),
        (true, &[aud, sei, idr, filler], &[vps, sps, pps, sei, idr]),
        (true, &[other_vps, sei, idr], &[other_vps, sps, pps, sei, idr]),
        (true, &[other_sps, sei, idr], &[vps, other_sps, pps, sei, idr]),
        (true, &[other_pps, idr], &[vps, sps, other_pps, idr]),
        (true, &[other_vps, other_sps, other_pps, idr], &[other_vps, other_sps, other_pps, idr]),
        (true, &[other_vps], &[other_vps, sps, pps]),
        (false, &[aud, &[2, 1, 1]], &[&[2, 1, 1]]),
        // Types that mean something else in a packet, and half a header.
        (false, &[&[0x60, 1, 0], &[0x62, 1, 0], &[2], &[2, 1, 1]], &[&[2, 1, 1]]),
    ];
    for (sync, nals, expected) in cases {
        let mut out = Vec::new();
        format().store(&prefixed(nals), *sync, &mut out).unwrap();
        assert_eq!(out, prefixed(expected), "{nals:02x?}");
    }
}

#[test]
fn what_is_no_unit_is_refused_where_it_breaks() {
    let mut cut = prefixed(&[&[2, 1, 1]]);
    cut.extend_from_slice(&[0, 0, 0, 2, 1]);
    let cases: &[(&[u8], usize)] = &[(&[], 0), (&[0, 0], 0), (&cut, 7), (&[0, 0, 0, 2, 0x46, 1], 6)];
    for (unit, offset) in cases {
        let mut out = vec![7];
        let error = format().store(unit, true, &mut out).unwrap_err();
        assert_eq!((error.offset, &out[..]), (*offset, &[7][..]), "{error}");
    }
}

#[test]
fn a_lost_fragment_costs_its_unit_only() {
    let (first, large) = (nal([2, 1], 250), nal([2, 1], 850));
    let train = packets(&[&first, &large, &first], 300);
    assert_eq!(train.len(), 5);
    for lost in 1..4 {
        let mut depacketizer = Depacketizer::new(&format());
        for index in (0..train.len()).filter(|&index| index != lost) {
            depacketizer.handle(&RtpPacket::parse(train.packet(index)).unwrap()).unwrap();
        }
        let unit = depacketizer.poll().unwrap();
        assert_eq!((unit.data, unit.lost), (prefixed(&[&first, &first]), true), "without packet {lost}");
    }
}
