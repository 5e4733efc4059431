//! The rules of RFC 2250 on packets of pictures, and a strict reader that any packet must satisfy.

use super::super::tests::shared_sends;
use super::*;
use crate::clock::RtpTimestamp;
use crate::format::Format;
use crate::packetizer::Packetizer;
use crate::train::{Framing, Train};

/// A start code and `length` bytes in all.
fn piece(code: u8, length: usize) -> Vec<u8> {
    let mut piece = vec![0xA5; length];
    piece[..4].copy_from_slice(&[0, 0, 1, code]);
    piece
}

fn sequence() -> Vec<u8> {
    piece(0xB3, 12)
}

fn group() -> Vec<u8> {
    piece(0xB8, 8)
}

/// TR 0x155, and by `kind` vectors FBV 1, BFC 2, FFV 0, FFC 5.
fn picture(kind: u8) -> Vec<u8> {
    let [a, b] = (0x155u16 << 6 | u16::from(kind) << 3 | 7).to_be_bytes();
    match kind {
        2 => vec![0, 0, 1, 0, a, b, 0xFF, 0xF8 | 0b010, 0b1000_0000],
        3 => vec![0, 0, 1, 0, a, b, 0xFF, 0xF8 | 0b010, 0b1101_0000],
        _ => vec![0, 0, 1, 0, a, b, 0xFF, 0xF8],
    }
}

/// What a packet shows: marker, S, B, E, picture type, and the payload's bytes behind the header.
type Seen = (bool, bool, bool, bool, u32, usize);

fn check(parts: &[Vec<u8>], max: usize, expected: &[Seen]) {
    let es = parts.concat();
    check_train(&es, &packets(&es, max), expected);
}

fn check_train(es: &[u8], train: &Train, expected: &[Seen]) {
    let mut seen = Vec::new();
    let mut back = Vec::new();
    for index in 0..train.len() {
        let packet = RtpPacket::parse(train.packet(index)).unwrap();
        let word = u32::from_be_bytes(packet.payload[..4].try_into().unwrap());
        assert_eq!(word >> 26, 0, "MBZ and T");
        assert_eq!(word >> 14 & 3, 0, "AN and N");
        let bit = |bit| word & bit != 0;
        let body = &packet.payload[4..];
        back.extend_from_slice(body);
        let kind = (word & PICTURE_TYPE) >> 8;
        seen.push((packet.marker, bit(SEQUENCE_PRESENT), bit(SLICE_BEGINS), bit(SLICE_ENDS), kind, body.len()));
    }
    assert_eq!(seen, expected);
    assert_eq!(back, es);
}

/// The packets of a picture in mid-stream.
fn packets(es: &[u8], max: usize) -> Train {
    first_and_second(es, max)[1].clone()
}

/// The packets of a picture right after PLAY, and of the same one later.
fn first_and_second(es: &[u8], max: usize) -> [Train; 2] {
    let format = Format::Mpv { mpeg2: true, width: 16, height: 16 };
    let mut stored = Vec::new();
    format.store(es, true, &mut stored).unwrap();
    let unit = AccessUnit { data: &stored, timestamp: RtpTimestamp(9), sync: true };
    let mut packetizer = Packetizer::new(&format, 32, 1, 0, 12 + 4 + max);
    [(); 2].map(|()| {
        let mut train = Train::new(Framing::Datagram);
        packetizer.packetize(&[unit], &mut train).unwrap();
        train
    })
}

#[test]
fn the_first_picture_header_after_play_starts_a_packet() {
    let (t, f) = (true, false);
    let es = [sequence(), group(), picture(1), piece(1, 100)].concat();
    let [first, second] = first_and_second(&es, 300);
    check_train(&es, &first, &[(f, t, f, f, 1, 20), (t, f, t, t, 1, 108)]);
    check_train(&es, &second, &[(t, t, t, t, 1, 128)]);
    // Without headers before it there is nothing to keep apart.
    let es = [picture(1), piece(1, 100)].concat();
    check_train(&es, &first_and_second(&es, 300)[0], &[(t, f, t, t, 1, 108)]);
}

#[test]
fn headers_and_whole_slices_share_a_packet_as_they_fit() {
    let (t, f) = (true, false);
    check(&[sequence(), group(), picture(1), piece(1, 100)], 300, &[(t, t, t, t, 1, 128)]);
    check(
        &[sequence(), piece(0xB5, 10), group(), piece(0xB2, 9), picture(1), piece(0xB5, 9), piece(1, 100)],
        300,
        &[(t, t, t, t, 1, 156)],
    );
    check(&[picture(2), piece(1, 100), piece(2, 100), piece(3, 91)], 300, &[(t, f, t, t, 2, 300)]);
    check(&[picture(2), piece(1, 100), piece(2, 100), piece(3, 92)], 300, &[(f, f, t, t, 2, 209), (t, f, t, t, 2, 92)]);
    // Several slices of one row, as MPEG-2 has them.
    check(&[picture(2), piece(1, 100), piece(1, 100), piece(2, 50)], 300, &[(t, f, t, t, 2, 259)]);
    // Zero stuffing before the next start code is its slice's; an end code is no slice.
    check(&[picture(1), piece(1, 50), vec![0; 3]], 300, &[(t, f, t, t, 1, 61)]);
    check(&[picture(1), piece(1, 50), piece(0xB7, 4)], 300, &[(t, f, t, f, 1, 62)]);
    check(&[picture(1), piece(1, 292), piece(0xB7, 4)], 300, &[(f, f, t, t, 1, 300), (t, f, f, f, 1, 4)]);
    check(&[picture(4)], 300, &[(t, f, f, f, 4, 8)]);
}

#[test]
fn headers_start_a_packet_or_follow_the_header_above() {
    let (t, f) = (true, false);
    // Without a GOP header between them a picture header may not follow a sequence header (section 3.1 rule 3).
    check(&[sequence(), picture(1), piece(1, 50)], 300, &[(f, t, f, f, 1, 12), (t, f, t, t, 1, 58)]);
    // A header is never cut: what doesn't fit starts the next packet.
    check(
        &[sequence(), piece(0xB5, 250), group(), piece(0xB2, 30), picture(1), piece(1, 50)],
        270,
        &[(f, t, f, f, 1, 270), (f, f, f, f, 1, 30), (t, f, t, t, 1, 58)],
    );
    check(
        &[group(), picture(1), piece(0xB5, 261), piece(1, 50)],
        270,
        &[(f, f, f, f, 1, 16), (f, f, f, f, 1, 261), (t, f, t, t, 1, 50)],
    );
    // User data is no header and may be longer than a packet.
    check(
        &[picture(1), piece(0xB2, 600), piece(1, 50)],
        300,
        &[(f, f, f, f, 1, 8), (f, f, f, f, 1, 300), (f, f, f, f, 1, 300), (t, f, t, t, 1, 50)],
    );
}

#[test]
fn a_slice_that_does_not_fit_goes_in_equal_parts() {
    let (t, f) = (true, false);
    check(&[picture(2), piece(1, 800)], 300, &[(f, f, t, f, 2, 270), (f, f, f, f, 2, 270), (t, f, f, t, 2, 269)]);
    // The part that ends it takes no further slice; whole slices before it keep their packet.
    check(
        &[picture(2), piece(1, 20), piece(2, 400), piece(3, 20)],
        300,
        &[(f, f, t, t, 2, 29), (f, f, t, f, 2, 200), (f, f, f, t, 2, 200), (t, f, t, t, 2, 20)],
    );
    // A slice that fits a packet by itself is not cut for the sake of the headers.
    check(&[picture(2), piece(1, 295)], 300, &[(f, f, f, f, 2, 9), (t, f, t, t, 2, 295)]);
}

#[test]
fn the_second_field_of_a_frame_has_its_own_type_in_its_own_packets() {
    let (t, f) = (true, false);
    check(
        &[group(), picture(1), piece(1, 100), picture(2), piece(1, 30)],
        300,
        &[(f, f, t, t, 1, 116), (t, f, t, t, 2, 39)],
    );
}

#[test]
fn the_header_carries_what_the_picture_header_says() {
    for (kind, vectors) in [(1, 0), (2, 5), (3, 0b1010_0101), (4, 0)] {
        let train = packets(&[picture(kind), piece(1, 20)].concat(), 300);
        let word = u32::from_be_bytes(train.packet(0)[12..16].try_into().unwrap());
        assert_eq!(word, 0x155 << 16 | SLICE_BEGINS | SLICE_ENDS | u32::from(kind) << 8 | vectors, "type {kind}");
    }
}

#[test]
fn what_is_no_picture_is_refused_where_it_breaks() {
    let cases: &[(Vec<u8>, usize)] = &[
        (vec![], 0),
        (vec![1, 2, 3], 3),
        ([sequence(), group()].concat(), 20),
        ([group(), picture(0)].concat(), 8),
        ([group(), picture(2)[..8].to_vec()].concat(), 8),
        (piece(1, 30), 30),
    ];
    for (es, offset) in cases {
        let mut out = vec![7];
        let error = store(es, &mut out).unwrap_err();
        assert_eq!((error.offset, &out[..]), (*offset, &[7][..]), "{es:02x?}: {error}");
    }
}

type Parts<'a> = &'a [&'a [u8]];

#[test]
fn the_mpeg2_extension_of_other_senders_is_passed_over() {
    let word = (SLICE_BEGINS | 1 << 8 | MPEG2_EXTENSION).to_be_bytes();
    let cases: &[(Parts, Option<&[u8]>)] = &[
        (&[&[0; 4], b"es"], Some(b"es")),
        (&[&[0, 0, 0, 1], &[0; 4], b"es"], Some(b"es")),
        (&[&[0x40, 0, 0, 0], &[2, 0, 0, 0, 0, 0, 0, 0], b"es"], Some(b"es")),
        (&[&[0x40, 0, 0, 1], &[0; 4], &[1, 0, 0, 0], b"es"], Some(b"es")),
        (&[&[0x40, 0, 0, 0], &[9, 0, 0, 0]], None),
        (&[&[0, 0]], None),
    ];
    for (parts, expected) in cases {
        let mut bytes = Vec::new();
        crate::packet::write_header(&mut bytes, 32, true, crate::seq::Sequence(1), RtpTimestamp(0), 1);
        bytes.extend_from_slice(&word);
        bytes.extend_from_slice(&parts.concat());
        let mut depacketizer =
            crate::depacketizer::Depacketizer::new(&Format::Mpv { mpeg2: true, width: 16, height: 16 });
        let handled = depacketizer.handle(&RtpPacket::parse(&bytes).unwrap());
        assert_eq!(handled.is_ok(), expected.is_some(), "{parts:?}");
        assert_eq!(depacketizer.poll().map(|unit| (unit.data, unit.sync)), expected.map(|es| (es.to_vec(), true)));
    }
}

#[test]
fn pictures_leave_in_few_sends_by_a_lawful_cut() {
    // Slices' bytes; packets and sends without sharing, packets and sends with it.
    let row = |length: usize| vec![length; 18];
    let uneven = (0..18).map(|index| 150 + index * 61 % 340).collect::<Vec<_>>();
    let cases: &[(&[usize], [usize; 2], [usize; 2])] = &[
        (&[1200], [1, 1], [1, 1]),
        (&[5000], [4, 1], [4, 1]),
        (&[1320, 1251, 1649], [4, 2], [4, 1]),
        (&row(240), [4, 2], [4, 1]),
        (&row(700), [18, 2], [18, 1]),
        (&uneven, [5, 3], [5, 1]),
    ];
    let format = Format::Mpv { mpeg2: true, width: 16, height: 16 };
    for (slices, without, with) in cases {
        let slices = slices.iter().enumerate().map(|(index, length)| piece(index as u8 + 1, *length));
        let es: Vec<u8> = [picture(1)].into_iter().chain(slices).flatten().collect();
        let mut stored = Vec::new();
        format.store(&es, true, &mut stored).unwrap();
        for (share, expected) in [(false, without), (true, with)] {
            let (train, sends) = shared_sends(&format, &stored, share);
            assert_eq!([train.len(), sends], *expected, "{} bytes, share {share}", es.len());
            let packets = (0..train.len()).map(|index| RtpPacket::parse(train.packet(index)).unwrap());
            assert_eq!(packets.flat_map(|packet| packet.payload[4..].to_vec()).collect::<Vec<_>>(), es);
        }
    }
}
