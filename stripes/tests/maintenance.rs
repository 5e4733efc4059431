//! Objects with parity that are repaired and moved while they can be read.

mod common;

use common::*;
use std::{sync::Arc, time::Duration};
use stripes::{
    layout::{Layout, UnitAddress},
    net::{Cluster, Limit, NodeFailure, UnitSource},
    node::NodeLimits,
    rebalance::{moves, plan},
    store::StoreOptions,
};

/// All bytes as they lie by this layout, past any cache.
async fn read(cluster: &Cluster, layout: &Arc<Layout>) -> Vec<u8> {
    UnitSource::new(cluster.clone(), 0).read_object(layout, usize::MAX).await.unwrap()
}

#[tokio::test]
async fn a_node_emptied_and_a_flipped_bit_are_repaired() {
    let mut nodes = nodes(5);
    let cluster = cluster(&nodes);
    let bytes = bytes(20 * UNIT + 99);
    let layout = write_with(&cluster, &nodes, 3, 2, &bytes).await;
    let mut heard = 0;
    let report = cluster.scrub(&layout, &Limit::default(), |bytes| heard += bytes).await;
    assert!(report.is_good() && report.good_bytes == heard, "{report:?}");
    // Two of each row, one gone with its node, one damaged.
    cluster.delete_object_at(nodes[1].id, layout.object).await.unwrap();
    flip_first_unit(&nodes[2], &layout);
    let of_node = |node: &TestNode| {
        let all = (0..layout.rows()).flat_map(|row| layout.row_units(row));
        all.filter(|address| layout.node(*address) == node.id).count() as u64
    };
    let bad = of_node(&nodes[1]) + 1;
    let report = cluster.scrub(&layout, &Limit::default(), drop).await;
    assert_eq!((report.bad_units, report.rewritten_units, report.lost_units), (bad, 0, 0), "{report:?}");
    let report = cluster.repair(&layout, &Limit::default(), drop).await;
    assert_eq!((report.bad_units, report.rewritten_units, report.sealed_nodes), (bad, bad, 1), "{report:?}");
    assert!(report.is_good());
    let report = cluster.scrub(&layout, &Limit::default(), drop).await;
    assert!(report.is_good() && report.bad_units == 0, "{report:?}");
    // A node that is away is neither good nor bad.
    let away = nodes.pop().unwrap();
    let units = of_node(&away);
    away.stop().await;
    let report = cluster.repair(&layout, &Limit::default(), drop).await;
    assert_eq!((report.unreachable_units, report.bad_units, report.lost_units), (units, 0, 0), "{report:?}");
    assert!(!report.is_good());
}

#[tokio::test]
async fn an_object_moves_to_an_added_node_and_from_one_that_leaves() {
    let mut nodes = nodes(5);
    let cluster = cluster(&nodes);
    let bytes = bytes(100 * UNIT + 5);
    let layout = write_with(&cluster, &nodes[..4], 3, 1, &bytes).await;
    let source = UnitSource::new(cluster.clone(), 0);
    // Broken off somewhere, then begun again.
    let planned = plan(&layout, &ids(&nodes)).unwrap();
    let slow = Limit::new(Some(UNIT as u64 * 100));
    let broken = tokio::time::timeout(Duration::from_millis(50), cluster.move_object(&layout, &planned, &slow, drop));
    assert!(broken.await.is_err());
    assert_eq!(read(&cluster, &layout).await, bytes);
    let mut heard = 0;
    let new =
        Arc::new(cluster.move_object(&layout, &planned, &Limit::default(), |moved| heard += moved).await.unwrap());
    assert_eq!((&*new, new.generation), (&planned, 1));
    assert_eq!(heard, moves(&layout, &new).map(|one| one.bytes).sum::<u64>());
    // Both read until the old one's units go; then those who hold it are told.
    assert_eq!(read(&cluster, &layout).await, bytes);
    assert_eq!(read(&cluster, &new).await, bytes);
    source.relocate(new.clone());
    assert_eq!(cluster.drop_moved(&layout, &new).await, []);
    for unit in 0..layout.units() {
        let range = layout.unit_bytes(unit);
        let got = source.unit(&layout, unit, Duration::from_secs(5)).await.unwrap();
        assert_eq!(got, bytes[range.start as usize..range.end as usize]);
    }
    assert!(cluster.scrub(&new, &Limit::default(), drop).await.is_good());
    let mut all = 0;
    for node in &nodes {
        all += cluster.object_summary(node.id, new.object).await.unwrap().units;
    }
    assert_eq!(all, (0..new.rows()).map(|row| new.row_units(row).count() as u64).sum::<u64>());

    // One dies and its units come from the rest.
    let dead = nodes.remove(1).kill().await;
    let planned = plan(&new, &ids(&nodes)).unwrap();
    let last = Arc::new(cluster.move_object(&new, &planned, &Limit::default(), drop).await.unwrap());
    assert_eq!(cluster.drop_moved(&new, &last).await.len(), 1, "the dead one can't be asked");
    assert_eq!(read(&cluster, &last).await, bytes);
    assert!(cluster.scrub(&last, &Limit::default(), drop).await.is_good());
    // It comes back with its units, which a sweep of that node removes.
    tokio::time::sleep(Duration::from_millis(100)).await;
    nodes.push(TestNode::again(dead));
    assert_eq!(cluster.drop_moved(&new, &last).await, []);
    assert_eq!(cluster.list_objects(nodes[4].id).await.unwrap(), []);
}

#[tokio::test]
async fn a_plan_that_was_given_up_does_not_stand_in_the_way() {
    let nodes = nodes(6);
    let cluster = cluster(&nodes);
    let bytes = bytes(50 * UNIT);
    let layout = write_with(&cluster, &nodes[..4], 3, 1, &bytes).await;
    let ids = ids(&nodes);
    // Sealed, but no catalog heard of it.
    let one = plan(&layout, &ids[..5]).unwrap();
    cluster.move_object(&layout, &one, &Limit::default(), drop).await.unwrap();
    let other = plan(&layout, &[ids[0], ids[1], ids[2], ids[3], ids[5]]).unwrap();
    let new = Arc::new(cluster.move_object(&layout, &other, &Limit::default(), drop).await.unwrap());
    assert_eq!(new.generation, 2);
    assert_eq!(cluster.drop_moved(&layout, &new).await, []);
    assert_eq!(read(&cluster, &new).await, bytes);
    assert!(cluster.scrub(&new, &Limit::default(), drop).await.is_good());
}

#[tokio::test]
async fn what_a_broken_off_move_left_and_what_rotted_since_is_copied_again() {
    let nodes = nodes(5);
    let cluster = cluster(&nodes);
    let bytes = bytes(50 * UNIT);
    let layout = write_with(&cluster, &nodes[..4], 3, 1, &bytes).await;
    let planned = plan(&layout, &ids(&nodes)).unwrap();
    // All is there, but no catalog heard of it.
    cluster.move_object(&layout, &planned, &Limit::default(), drop).await.unwrap();
    flip_first_unit(&nodes[4], &layout);
    let new = Arc::new(cluster.move_object(&layout, &planned, &Limit::default(), drop).await.unwrap());
    assert_eq!(cluster.drop_moved(&layout, &new).await, []);
    assert_eq!(read(&cluster, &new).await, bytes);
    let report = cluster.scrub(&new, &Limit::default(), drop).await;
    assert!(report.is_good() && report.bad_units == 0, "{report:?}");
}

/// Turns a bit of the first unit that the node has of an object.
fn flip_first_unit(node: &TestNode, layout: &Layout) {
    let path = node.dir.path().join(format!("objects/{:.2}/{}.units", layout.object.to_string(), layout.object));
    let mut file = std::fs::read(&path).unwrap();
    let stride = (UNIT + 64).next_multiple_of(4096);
    let first = (0..).map(|row| 4096 + row * stride + 64 + 1000).find(|at| file[*at] != 0).unwrap();
    file[first] ^= 4;
    std::fs::write(&path, file).unwrap();
}

#[tokio::test]
async fn nobody_but_maintenance_touches_a_sealed_object() {
    let nodes = nodes(4);
    let cluster = cluster(&nodes);
    let layout = write_with(&cluster, &nodes, 3, 1, &bytes(9 * UNIT)).await;
    let first = UnitAddress { row: 0, position: 0 };
    let refused = cluster.put_unit(&layout, first, body(UNIT)).await.unwrap_err();
    assert!(matches!(refused.failure, NodeFailure::Refused(409, _)), "{refused}");
    cluster.repair_unit(&layout, first, body(UNIT)).await.unwrap();
    // An older generation than is sealed may repair what belongs there, and add nothing.
    let newer = Layout { generation: 5, ..(*layout).clone() };
    cluster.move_object(&layout, &newer, &Limit::default(), drop).await.unwrap();
    cluster.repair_unit(&layout, first, body(UNIT)).await.unwrap();
    let turned = Layout { first: (layout.first + 1) % 4, ..(*layout).clone() };
    let refused = cluster.repair_unit(&turned, first, body(UNIT)).await.unwrap_err();
    assert!(matches!(refused.failure, NodeFailure::Refused(409, _)), "{refused}");
    // Nor takes the place of a unit that belongs there.
    let newest = Layout { generation: 6, ..turned };
    let refused = cluster.repair_unit(&newest, first, body(UNIT)).await.unwrap_err();
    assert!(matches!(refused.failure, NodeFailure::Refused(409, _)), "{refused}");
}

#[tokio::test]
async fn a_move_that_nobody_took_over_does_not_stand_in_the_way_of_repair() {
    let nodes = nodes(4);
    let cluster = cluster(&nodes);
    let bytes = bytes(UNIT);
    let layout = write_with(&cluster, &nodes, 3, 1, &bytes).await;
    // One row of two units; by the newer layout they are on the two other nodes.
    let turned = Layout { first: (layout.first + 2) % 4, generation: layout.generation + 1, ..(*layout).clone() };
    cluster.move_object(&layout, &turned, &Limit::default(), drop).await.unwrap();
    let first = UnitAddress { row: 0, position: 0 };
    let holder = nodes.iter().find(|node| node.id == layout.node(first)).unwrap();
    flip_first_unit(holder, &layout);
    let report = cluster.repair(&layout, &Limit::default(), drop).await;
    assert!(report.is_good() && report.rewritten_units == 1, "{report:?}");
    assert_eq!(read(&cluster, &layout).await, bytes);
}

#[tokio::test]
async fn a_node_reads_no_faster_than_it_is_told() {
    let limits = NodeLimits { read_limit: Some(100 * UNIT as u64), ..NodeLimits::default() };
    let node = TestNode::new(StoreOptions::default(), limits);
    let cluster = cluster(std::slice::from_ref(&node));
    let layout = write_with(&cluster, std::slice::from_ref(&node), 1, 0, &bytes(50 * UNIT)).await;
    let other = TestNode::new(StoreOptions::default(), NodeLimits::default());
    let unmeasured = common::cluster(std::slice::from_ref(&other));
    assert_eq!(unmeasured.maintenance_rate(&[other.id]).await, 5_000_000);
    let begun = std::time::Instant::now();
    assert_eq!(read(&cluster, &layout).await, bytes(50 * UNIT));
    let took = begun.elapsed().as_secs_f64();
    assert!((0.35..2.0).contains(&took), "{took} s for half a second's bytes");
    let statistics = cluster.statistics(node.id).await.unwrap();
    assert_eq!((statistics.read_rate, statistics.read_limit), (100 * UNIT as u64, limits.read_limit));
    assert_eq!(cluster.maintenance_rate(&[node.id]).await, 25 * UNIT as u64);
}
