//! Which packets NAL units make, what storing adds and drops, and what a loss costs.

use super::super::nal::testing::{
    Nals, check_lost, check_refused, check_sizes, check_stored, nal, packets, prefixed, received,
};
use super::is_sync;
use crate::format::Format;

const SETS: [&[u8]; 3] = [&[0x40, 1, 5], &[0x42, 1, 6], &[0x44, 1, 7]];

fn format() -> Format {
    let [vps, sps, pps] = SETS.map(|set| vec![set.to_vec()]);
    Format::H265 { vps, sps, pps, width: 16, height: 16 }
}

#[test]
fn small_units_go_together_large_ones_in_equal_parts() {
    let (small, slice, large) = (nal([0x4E, 1], 50), nal([0x28, 1], 200), nal([0x02, 3], 702));
    // Each payload's first three bytes and length.
    type Seen<'a> = &'a [([u8; 3], usize)];
    let cases: &[(Nals, Seen)] = &[
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
        let (payloads, unit) = received(&format(), &packets(&format(), nals, 300));
        let seen: Vec<_> = payloads.iter().map(|p| ([p[0], p[1], p[2]], p.len())).collect();
        assert_eq!(&seen, expected);
        assert_eq!((unit.data, unit.sync), (prefixed(nals), is_sync(nals.iter().copied())));
    }
}

#[test]
fn a_unit_fits_exactly_or_is_cut() {
    for (length, expected) in [(300, 1), (301, 2), (2 + 2 * 297, 2), (3 + 2 * 297, 3)] {
        assert_eq!(packets(&format(), &[&nal([0x28, 1], length)], 300).len(), expected, "{length}");
    }
    // 2 + 2 + 100 + 2 + 194 bytes of aggregation packet.
    assert_eq!(packets(&format(), &[&nal([0x4E, 1], 100), &nal([2, 1], 194)], 300).len(), 1);
    assert_eq!(packets(&format(), &[&nal([0x4E, 1], 100), &nal([2, 1], 195)], 300).len(), 2);
}

#[test]
fn slices_are_cut_to_the_size_of_the_packet_before_where_that_is_cheap() {
    check_sizes(&format(), [2, 1], &[(&[250, 850], &[250, 250, 250, 250, 110]), (&[150, 850], &[150, 286, 286, 285])]);
}

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
    check_stored(&format(), cases);
}

#[test]
fn what_is_no_unit_is_refused_where_it_breaks() {
    let mut cut = prefixed(&[&[2, 1, 1]]);
    cut.extend_from_slice(&[0, 0, 0, 2, 1]);
    check_refused(&format(), &[(&[], 0), (&[0, 0], 0), (&cut, 7), (&[0, 0, 0, 2, 0x46, 1], 6)]);
}

#[test]
fn a_lost_fragment_costs_its_unit_only() {
    // The second NAL unit's four fragments are cut to the first one's size.
    check_lost(&format(), &nal([2, 1], 250), &nal([2, 1], 850), 4);
}
