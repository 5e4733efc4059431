use super::*;
use crate::{
    id::ObjectId,
    layout::{MIN_UNIT_SIZE, Policy},
};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn layout(object: u128, nodes: u64, data: u8, parity: u8, rows: u64) -> Layout {
    let policy = Policy { unit_size: MIN_UNIT_SIZE, data, parity };
    let length = rows * u64::from(data) * u64::from(MIN_UNIT_SIZE);
    Layout::new(ObjectId(object), length, policy, (0..nodes).map(NodeId).collect(), (object % u128::from(nodes)) as u16)
}

/// Units that each node has, of data and of parity.
fn shares(layout: &Layout) -> [BTreeMap<NodeId, u64>; 2] {
    let mut shares = [0, 1].map(|_| BTreeMap::from_iter(layout.nodes.iter().map(|node| (*node, 0))));
    for address in (0..layout.rows()).flat_map(|row| layout.row_units(row)) {
        let kind = usize::from(layout.unit(address).is_none());
        *shares[kind].get_mut(&layout.node(address)).unwrap() += 1;
    }
    shares
}

fn is_even(shares: &BTreeMap<NodeId, u64>, within: f64) -> bool {
    let mean = shares.values().sum::<u64>() as f64 / shares.len() as f64;
    shares.values().all(|share| (*share as f64 - mean).abs() <= mean * within + 1.0)
}

fn moved(old: &Layout, new: &Layout) -> u64 {
    moves(old, new).map(|one| one.bytes).sum()
}

fn all_bytes(layout: &Layout) -> u64 {
    (0..layout.rows()).flat_map(|row| layout.row_units(row)).map(|address| layout.unit_length(address)).sum()
}

#[test]
fn an_added_node_gets_its_share_and_little_else_moves() {
    for (nodes, data, parity) in
        [(4, 3, 1), (5, 3, 1), (6, 3, 1), (4, 4, 0), (6, 4, 2), (11, 8, 2), (1, 1, 0), (3, 1, 1)]
    {
        let mut layout = layout(5, nodes, data, parity, 4000);
        for came in nodes..nodes + 4 {
            let wanted: Vec<_> = (0..=came).map(NodeId).collect();
            let new = plan(&layout, &wanted).unwrap();
            assert_eq!(new.generation, layout.generation + 1);
            let least = all_bytes(&layout) / (came + 1);
            let moved = moved(&layout, &new);
            assert!(
                moved as f64 <= 1.2 * least as f64,
                "{data}+{parity}, {came} and one: {moved} moved, least {least}"
            );
            for shares in &shares(&new)[..1 + usize::from(parity > 0)] {
                assert!(is_even(shares, 0.1), "{data}+{parity}, {came} and one: {shares:?}");
            }
            layout = new;
        }
    }
}

#[test]
fn a_node_that_is_replaced_hands_its_units_to_the_other() {
    let old = layout(9, 5, 3, 1, 1000);
    let new = plan(&old, &[0, 1, 7, 3, 4].map(NodeId)).unwrap();
    let all: Vec<_> = moves(&old, &new).collect();
    assert!(all.iter().all(|one| one.from == NodeId(2) && one.to == NodeId(7)));
    assert_eq!(all.len(), 800);
}

#[test]
fn a_node_that_leaves_gives_its_units_and_no_other_moves() {
    for (nodes, data, parity) in [(5, 3, 1), (6, 3, 1), (7, 4, 2), (5, 4, 0)] {
        let old = layout(3, nodes, data, parity, 2000);
        let wanted: Vec<_> = (1..nodes).map(NodeId).collect();
        let new = plan(&old, &wanted).unwrap();
        let least = all_bytes(&old) / nodes;
        let moved = moved(&old, &new);
        assert!(moved as f64 <= 1.2 * least as f64, "{nodes} less one: {moved} moved, least {least}");
        let [mut all, parities] = shares(&new);
        for (node, share) in parities {
            *all.get_mut(&node).unwrap() += share;
        }
        assert!(is_even(&all, 0.1), "{nodes} less one: {all:?}");
    }
}

#[test]
fn many_short_objects_spread_as_one_long_one() {
    let mut shares = BTreeMap::new();
    let mut bytes = 0;
    for object in 0..3000_u128 {
        let object = object.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let old = layout(object, 4, 3, 1, 1 + (object % 3) as u64);
        let new = plan(&old, &[0, 1, 2, 3, 4].map(NodeId)).unwrap();
        bytes += moved(&old, &new);
        for address in (0..new.rows()).flat_map(|row| new.row_units(row)) {
            *shares.entry(new.node(address)).or_insert(0) += 1;
        }
    }
    assert!(is_even(&shares, 0.1), "{shares:?}");
    let least = shares.values().sum::<u64>() * u64::from(MIN_UNIT_SIZE) / 5;
    assert!(bytes as f64 <= 1.2 * least as f64, "{bytes}, least {least}");
}

#[test]
fn what_lies_well_stays() {
    let old = layout(3, 5, 3, 1, 100);
    assert_eq!(plan(&old, &[4, 3, 2, 1, 0].map(NodeId)).unwrap(), old);
    let new = plan(&old, &[0, 1, 2, 3, 4, 5].map(NodeId)).unwrap();
    assert_eq!(plan(&new, &new.nodes).unwrap(), new);
}

#[test]
fn what_cannot_be_is_refused() {
    let old = layout(3, 4, 3, 1, 100);
    assert!(matches!(plan(&old, &[0, 1, 2].map(NodeId)), Err(PlanError::Layout(LayoutError::FewNodes { .. }))));
    let twice = plan(&old, &[0, 1, 2, 3, 3].map(NodeId));
    assert_eq!(twice, Err(PlanError::Layout(LayoutError::Twice(NodeId(3)))));
    let wide = layout(3, 1000, 10, 2, 100);
    assert!(matches!(plan(&wide, &[0, 1, 2].map(NodeId)), Err(PlanError::Layout(_))));
    assert!(matches!(plan(&wide, &wide.nodes[1..]), Err(PlanError::Large { .. })));
}

proptest! {
    /// However nodes come and go: rows lie on different nodes, nothing moves that lies where it may stay but what evens
    /// out, and no node changes its position in a row.
    #[test]
    fn any_history_of_nodes_keeps_rows_apart(
        object: u128, nodes in 1u64..9, data in 1u8..6, parity in 0u8..3, changes in prop::collection::vec(any::<(u8, bool)>(), 1..6),
    ) {
        let width = u64::from(data + parity);
        let mut layout = layout(object, nodes.max(width), data, parity, 60);
        for (pick, come) in changes {
            let mut wanted = layout.nodes.clone();
            if come || wanted.len() as u64 == width {
                wanted.push(NodeId(100 + u64::from(layout.generation)));
            } else {
                wanted.remove(usize::from(pick) % wanted.len());
            }
            let new = plan(&layout, &wanted).unwrap();
            prop_assert_eq!(new.check(), Ok(()));
            prop_assert_eq!(new.nodes.iter().collect::<BTreeSet<_>>(), wanted.iter().collect::<BTreeSet<_>>());
            for one in moves(&layout, &new) {
                let before = layout.row_units(one.address.row).any(|address| layout.node(address) == one.to);
                prop_assert!(!before, "{:?} to a node that had another unit of the row", one);
            }
            layout = new;
        }
    }
}
