//! Which packets NAL units make, what storing adds and drops, and what a loss costs.

use super::super::nal::testing::{
    Nals, check_lost, check_refused, check_sizes, check_stored, nal, packets, prefixed, received,
};
use super::super::tests::shared_sends;
use crate::clock::RtpTimestamp;
use crate::depacketizer::Depacketizer;
use crate::format::Format;
use crate::packet::{RtpPacket, write_header};
use crate::seq::Sequence;

const SPS: &[u8] = &[0x67, 0x42, 0xC0, 0x1E];
const PPS: &[u8] = &[0x68, 0xCE];

fn format() -> Format {
    Format::H264 { sps: vec![SPS.to_vec()], pps: vec![PPS.to_vec()], width: 16, height: 16 }
}

#[test]
fn small_units_go_together_large_ones_in_equal_parts() {
    let (small, slice, large) = (nal([0x06], 50), nal([0x65], 200), nal([0x41], 701));
    // Each payload's first two bytes and length.
    type Seen<'a> = &'a [(u8, u8, usize)];
    let cases: &[(Nals, Seen)] = &[
        (&[&slice], &[(0x65, 1, 200)]),
        // One STAP-A, with the highest nal_ref_idc in it.
        (&[SPS, PPS, &small], &[(0x78, 0, 1 + 2 + 4 + 2 + 2 + 2 + 50)]),
        (&[&small, &small], &[(0x18, 0, 105)]),
        (&[SPS, PPS, &small, &slice, &slice], &[(0x78, 0, 63 + 202), (0x65, 1, 200)]),
        (&[&large], &[(0x5C, 0x81, 236), (0x5C, 0x01, 236), (0x5C, 0x41, 234)]),
        (&[&small, &large, &small], &[(6, 1, 50), (0x5C, 0x81, 236), (0x5C, 1, 236), (0x5C, 0x41, 234), (6, 1, 50)]),
        // A set forbidden_zero_bit goes on: it says that the unit is damaged.
        (&[&nal([0x86], 10), &small], &[(0x98, 0, 1 + 12 + 52)]),
    ];
    for (nals, expected) in cases {
        let (payloads, unit) = received(&format(), &packets(&format(), nals, 300));
        let seen: Vec<_> = payloads.iter().map(|payload| (payload[0], payload[1], payload.len())).collect();
        assert_eq!(&seen, expected);
        assert_eq!(unit.data, prefixed(nals));
    }
}

#[test]
fn a_unit_fits_exactly_or_is_cut() {
    for (length, expected) in [(300, 1), (301, 2), (1 + 2 * 298, 2), (2 + 2 * 298, 3)] {
        assert_eq!(packets(&format(), &[&nal([0x65], length)], 300).len(), expected, "{length}");
    }
    // 1 + 2 + 100 + 2 + 195 bytes of STAP-A.
    assert_eq!(packets(&format(), &[&nal([6], 100), &nal([1], 195)], 300).len(), 1);
    assert_eq!(packets(&format(), &[&nal([6], 100), &nal([1], 196)], 300).len(), 2);
}

#[test]
fn slices_are_cut_to_the_size_of_the_packet_before_where_that_is_cheap() {
    let cases: &[(&[usize], &[usize])] = &[
        // A lone slice leads: two packets more than the three that would do, and no more.
        (&[250, 850], &[250, 250, 250, 250, 107]),
        (&[150, 850], &[150, 285, 285, 285]),
        // Equal fragments go on in the next slice, unequal ones end the run.
        (&[593, 600], &[298, 298, 298, 298, 9]),
        (&[594, 600], &[299, 298, 202, 202, 201]),
        // What fits stays whole.
        (&[250, 290], &[250, 290]),
    ];
    check_sizes(&format(), [0x41], cases);
}

/// Packets and sends of a picture, where each packet stays as it is and where packets are filled up.
#[test]
fn slices_leave_in_one_send_where_few_packets_more_do_that() {
    for (sizes, without, with) in [
        // What x264 makes of a picture with two slices: a short SEI goes with the first.
        (&[6, 542, 3424][..], [4, 2], [6, 1]),
        (&[6, 1005, 3497], [5, 1], [4, 1]),
        (&[6, 862, 3096], [5, 1], [4, 1]),
        (&[6, 365, 3366], [4, 2], [8, 1]),
        // Thirteen packets in one send are no better than five in two.
        (&[6, 182, 4306], [5, 2], [5, 2]),
        (&[4000], [3, 1], [3, 1]),
        (&[900, 900, 900], [3, 1], [3, 1]),
    ] {
        let nals: Vec<Vec<u8>> = sizes.iter().map(|size| nal([0x41], *size)).collect();
        let unit = prefixed(&nals.iter().map(Vec::as_slice).collect::<Vec<_>>());
        for (share, expected) in [(false, without), (true, with)] {
            let (train, sends) = shared_sends(&format(), &unit, share);
            assert_eq!([train.len(), sends], expected, "{sizes:?}, share {share}");
            assert_eq!(received(&format(), &train).1.data, unit);
        }
    }
}

#[test]
fn a_sync_unit_gets_the_parameter_sets_that_it_lacks() {
    let (aud, sei, idr, filler): (&[u8], &[u8], &[u8], &[u8]) = (&[0x09, 0xF0], &[6, 5], &[0x65, 1], &[0x0C, 0xFF]);
    let other_sps: &[u8] = &[0x67, 9];
    let other_pps: &[u8] = &[0x68, 9];
    let cases: &[(bool, Nals, Nals)] = &[
        (true, &[idr], &[SPS, PPS, idr]),
        (true, &[aud, sei, idr, filler], &[SPS, PPS, sei, idr]),
        (true, &[other_sps, sei, idr], &[other_sps, PPS, sei, idr]),
        (true, &[other_pps, idr], &[SPS, other_pps, idr]),
        (true, &[other_sps, other_pps, idr], &[other_sps, other_pps, idr]),
        (false, &[aud, &[0x41, 1]], &[&[0x41, 1]]),
        // Types that mean something else in a packet.
        (false, &[&[0x78, 0], &[0x7C, 0], &[0x41, 1]], &[&[0x41, 1]]),
    ];
    check_stored(&format(), cases);
}

#[test]
fn what_is_no_unit_is_refused_where_it_breaks() {
    let mut cut = prefixed(&[&[0x41, 1]]);
    cut.extend_from_slice(&[0, 0, 0, 2, 1]);
    check_refused(&format(), &[(&[], 0), (&[0, 0], 0), (&cut, 6), (&[0, 0, 0, 2, 9, 0xF0], 6)]);
}

#[test]
fn a_lost_fragment_costs_its_unit_only() {
    // The second NAL unit's four fragments are cut to the first one's size.
    check_lost(&format(), &nal([0x41], 250), &nal([0x41], 850), 4);
}

#[test]
fn a_marker_before_the_picture_ends_no_unit() {
    let mut depacketizer = Depacketizer::new(&format());
    for (number, nal) in [SPS, PPS, &[6, 5], &[0x65, 1], SPS].iter().enumerate() {
        let mut bytes = Vec::new();
        write_header(&mut bytes, 96, true, Sequence(number as u16), RtpTimestamp(9), 1);
        bytes.extend_from_slice(nal);
        depacketizer.handle(&RtpPacket::parse(&bytes).unwrap()).unwrap();
    }
    assert_eq!(depacketizer.poll().map(|unit| unit.data), Some(prefixed(&[SPS, PPS, &[6, 5], &[0x65, 1]])));
    assert_eq!(depacketizer.poll(), None);
}
