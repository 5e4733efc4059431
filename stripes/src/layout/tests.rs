use super::*;
use std::collections::{BTreeMap, BTreeSet};

fn layout(nodes: u64, data: u8, parity: u8, length: u64) -> Layout {
    let policy = Policy { unit_size: MIN_UNIT_SIZE, data, parity };
    Layout::new(ObjectId(1), length, policy, (0..nodes).map(NodeId).collect(), (nodes - 1) as u16)
}

#[test]
fn any_run_of_n_units_visits_every_node() {
    for (nodes, data, parity) in [(4, 4, 0), (4, 3, 1), (5, 3, 2), (7, 4, 1), (1, 1, 0), (12, 10, 2)] {
        let layout = layout(nodes, data, parity, 0);
        assert_eq!(layout.check(), Ok(()));
        for start in 0..60 {
            let seen: BTreeSet<_> = (start..start + nodes).map(|unit| layout.node(layout.address(unit))).collect();
            assert_eq!(seen.len() as u64, nodes, "{nodes} nodes, {data}+{parity}, from unit {start}");
        }
        for row in 0..30 {
            let seen: BTreeSet<_> =
                (0..data + parity).map(|position| layout.node(UnitAddress { row, position })).collect();
            assert_eq!(seen.len(), usize::from(data + parity), "row {row}");
        }
    }
}

#[test]
fn node_totals_differ_by_at_most_one_unit() {
    for length in [0, 1, 4096, 4097, 40_960, 1_000_003] {
        let layout = layout(4, 4, 0, length);
        let mut totals = BTreeMap::from_iter(layout.nodes.iter().map(|node| (*node, 0)));
        for unit in 0..layout.units() {
            let bytes = layout.unit_bytes(unit);
            *totals.get_mut(&layout.node(layout.address(unit))).unwrap() += bytes.end - bytes.start;
        }
        let (least, most) = (totals.values().min().unwrap(), totals.values().max().unwrap());
        assert!(most - least <= u64::from(MIN_UNIT_SIZE), "{totals:?}");
        assert_eq!(totals.values().sum::<u64>(), length);
    }
}

#[test]
fn bytes_go_to_units_and_back() {
    let layout = layout(4, 3, 1, 10_000);
    assert_eq!(layout.units(), 3);
    assert_eq!(layout.rows(), 1);
    assert_eq!(layout.units_of(4095..4097), 0..2);
    assert_eq!(layout.units_of(4096..4096), 1..1);
    assert_eq!(layout.unit_bytes(2), 8192..10_000);
    assert_eq!(layout.unit_bytes(3), 10_000..10_000);
    for unit in 0..10 {
        assert_eq!(layout.unit(layout.address(unit)), Some(unit));
    }
    assert_eq!(layout.unit(UnitAddress { row: 0, position: 3 }), None);
}

#[test]
fn an_address_reads_back_and_nothing_else_does() {
    let address = UnitAddress { row: u64::MAX, position: 255 };
    assert_eq!(address.to_string().parse(), Ok(address));
    for bad in ["", "1", "1.", ".1", "1.256", "+1.0", "1.0.0", "1.-1", "18446744073709551616.0"] {
        assert!(bad.parse::<UnitAddress>().is_err(), "{bad}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert!(layout(3, 3, 1, 9).check().is_err());
    assert!(layout(3, 0, 1, 9).check().is_err());
    let mut bad = layout(3, 3, 0, 9);
    bad.first = 3;
    assert!(bad.check().is_err());
    bad = layout(3, 3, 0, 9);
    bad.policy.unit_size = 1;
    assert!(bad.check().is_err());
    assert_eq!(layout(9, 3, 3, 9).check(), Err(LayoutError::Parity(3)));
    bad = layout(3, 3, 0, 9);
    bad.nodes[2] = NodeId(0);
    assert_eq!(bad.check(), Err(LayoutError::Twice(NodeId(0))));
    for (table, line) in
        [(vec![0, 1, 2, 2, 1], 1), (vec![0, 1, 2, 2, 1, 1], 1), (vec![0, 1, 3], 0), (vec![0; 9000], 3000)]
    {
        bad = layout(3, 3, 0, 9);
        bad.table = table;
        assert_eq!(bad.check(), Err(LayoutError::Table { line, row: 3, nodes: 3 }));
    }
}

#[test]
fn parity_meets_every_node_equally() {
    for (nodes, data, parity) in
        [(4, 3, 1), (6, 3, 1), (6, 4, 2), (9, 6, 1), (9, 6, 2), (8, 4, 2), (10, 4, 1), (5, 2, 2)]
    {
        let layout = layout(nodes, data, parity, 0);
        for positions in [0..data, data..data + parity] {
            let mut totals = BTreeMap::new();
            for row in 0..nodes * 3 {
                for position in positions.clone() {
                    *totals.entry(layout.node(UnitAddress { row, position })).or_insert(0) += 1;
                }
            }
            let expected = 3 * positions.len();
            assert!(
                totals.len() as u64 == nodes && totals.values().all(|total| *total == expected),
                "{nodes}, {totals:?}"
            );
        }
    }
}

#[test]
fn a_row_that_the_end_cuts_has_its_parity_still() {
    let layout = layout(4, 3, 1, 4 * u64::from(MIN_UNIT_SIZE) + 7);
    let row: Vec<_> = layout.row_units(1).map(|address| (address.position, layout.unit_length(address))).collect();
    assert_eq!(row, [(0, 4096), (1, 7), (3, 4096)]);
    assert_eq!(layout.row_units(2).count(), 0);
}

/// What was written before there were tables and generations.
#[derive(Serialize)]
struct Old {
    object: ObjectId,
    length: u64,
    policy: Policy,
    nodes: Vec<NodeId>,
    first: u16,
}

#[test]
fn both_forms_read_back_and_old_ones_too() {
    let mut layout = layout(4, 3, 1, 9);
    let Layout { object, length, policy, nodes, first, .. } = layout.clone();
    let old = Old { object, length, policy, nodes, first };
    for generation in [0, 1, u32::MAX] {
        for table in [vec![], vec![3, 2, 1, 0]] {
            (layout.generation, layout.table) = (generation, table);
            // Two, so that one that takes too many or too few bytes is noticed.
            let two = (layout.clone(), layout.clone());
            let (json, binary) = (serde_json::to_string(&two).unwrap(), postcard::to_stdvec(&two).unwrap());
            assert_eq!(serde_json::from_str::<(Layout, Layout)>(&json).unwrap(), two);
            assert_eq!(postcard::from_bytes::<(Layout, Layout)>(&binary).unwrap(), two);
        }
    }
    (layout.generation, layout.table) = (0, vec![]);
    assert_eq!(serde_json::to_string(&layout).unwrap(), serde_json::to_string(&old).unwrap());
    assert_eq!(postcard::to_stdvec(&layout).unwrap(), postcard::to_stdvec(&old).unwrap());
    let mut later = postcard::to_stdvec(&layout).unwrap();
    later.pop();
    later.extend([0x80, 0x80, 0x08]);
    assert!(postcard::from_bytes::<Layout>(&later).unwrap_err() == postcard::Error::SerdeDeCustom);
}
