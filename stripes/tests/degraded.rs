//! Objects with parity read in order, as a viewer does, while a node dies, stalls, lies, lags or has lost its units.

mod common;

use common::*;
use futures_util::{StreamExt, stream};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use stripes::{
    layout::Layout,
    membership::NodeState,
    net::{Cluster, Limit, UnitSource},
    node::NodeLimits,
    scattered::Piece,
    store::StoreOptions,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

const UNITS: usize = 240;
const DEADLINE: Duration = Duration::from_secs(2);

struct World {
    nodes: Vec<TestNode>,
    cluster: Cluster,
    layout: Arc<Layout>,
    source: UnitSource,
    bytes: Vec<u8>,
}

impl World {
    /// 3+1 on four nodes.
    async fn new(limits: impl Fn(usize) -> NodeLimits) -> Self {
        let nodes: Vec<_> = (0..4).map(|at| TestNode::new(StoreOptions::default(), limits(at))).collect();
        let cluster = cluster(&nodes);
        let bytes = bytes(UNITS * UNIT - 5);
        let layout = write_with(&cluster, &nodes, 3, 1, &bytes).await;
        let source = UnitSource::new(cluster.clone(), 64 * UNIT);
        Self { nodes, cluster, layout, source, bytes }
    }

    /// Reads these units in order, eight ahead, and holds them against what was written. The longest wait.
    async fn play(&self, units: std::ops::Range<u64>) -> Duration {
        let mut ahead = stream::iter(units.clone())
            .map(async |unit| {
                let begun = Instant::now();
                (unit, self.source.unit(&self.layout, unit, DEADLINE).await, begun.elapsed())
            })
            .buffered(8);
        let mut longest = Duration::ZERO;
        while let Some((unit, data, took)) = ahead.next().await {
            let range = self.layout.unit_bytes(unit);
            assert_eq!(data.unwrap(), self.bytes[range.start as usize..range.end as usize], "unit {unit}");
            longest = longest.max(took);
        }
        longest
    }

    fn state(&self, node: usize) -> NodeState {
        let all = self.cluster.observations();
        all.iter().find(|seen| seen.node == self.nodes[node].id).unwrap().state
    }

    /// Waits until the node is seen so.
    async fn until(&self, node: usize, good: impl Fn(NodeState) -> bool) {
        for _ in 0..100 {
            if good(self.state(node)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("node {node} is {:?}", self.state(node));
    }
}

fn no_limits(_: usize) -> NodeLimits {
    NodeLimits::default()
}

#[tokio::test]
async fn a_node_that_dies_is_not_noticed_and_costs_nothing() {
    let mut world = World::new(no_limits).await;
    world.play(0..80).await;
    assert_eq!(world.source.statistics().bytes_fetched, 80 * UNIT as u64);
    let dead = world.nodes.pop().unwrap();
    let (url, id) = (dead.url(), dead.id);
    let rest = dead.kill().await;
    let before = world.source.statistics();
    let longest = world.play(80..200).await;
    let after = world.source.statistics();
    assert!(longest < Duration::from_secs(1), "{longest:?} for a unit");
    let read = (after.bytes_fetched - before.bytes_fetched) as f64 / (120 * UNIT) as f64;
    assert!(read <= 1.05, "{read} times the bytes that were played");
    assert!(after.units_rebuilt >= 29, "{after:?}");
    assert_ne!(world.cluster.node_state(id), NodeState::Up, "{url}");
    // It comes back and is used again.
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.nodes.push(TestNode::again(rest));
    world.until(3, |state| state == NodeState::Up).await;
    world.play(200..UNITS as u64).await;
    assert!(world.cluster.statistics(id).await.unwrap().units_read > 0);
}

#[tokio::test]
async fn parts_of_a_dead_node_cost_the_same_parts_of_the_others() {
    let mut world = World::new(no_limits).await;
    let dead = world.nodes.pop().unwrap();
    let id = dead.id;
    dead.kill().await;
    world.until_avoided().await;
    let lost: Vec<u64> =
        (0..world.layout.units()).filter(|unit| world.layout.node(world.layout.address(*unit)) == id).collect();
    // The last row is a shorter one.
    let units = lost.iter().rev().take(8);
    let mut asked = 0;
    for (&unit, (start, end)) in units.zip([(0, 1), (5, 900), (UNIT as u32 / 2, UNIT as u32 - 9)].into_iter().cycle()) {
        let data = world.source.piece(&world.layout, Piece { unit, start, end }, DEADLINE).await.unwrap();
        let from = world.layout.unit_bytes(unit).start as usize;
        assert_eq!(data, world.bytes[from + start as usize..from + end as usize], "{start}..{end} of unit {unit}");
        asked += u64::from(end - start);
    }
    let read = world.source.statistics().bytes_fetched;
    assert!(read <= 3 * asked, "{read} bytes were read for {asked}");
}

#[tokio::test]
async fn parts_of_a_slow_node_cost_the_same_parts_of_the_others() {
    // 2 s for a part, and for a unit.
    let limits = |at| NodeLimits { read_limit: (at == 1).then_some(UNIT as u64 / 20), ..NodeLimits::default() };
    let world = World::new(limits).await;
    let slow = world.nodes[1].id;
    let on_slow = |unit: &u64| world.layout.node(world.layout.address(*unit)) == slow;
    let (mut asked, mut longest) = (0, Duration::ZERO);
    for unit in (0..world.layout.units() - 1).filter(on_slow).take(20) {
        let (start, end) = (100, 9000);
        let begun = Instant::now();
        let data = world.source.piece(&world.layout, Piece { unit, start, end }, 2 * DEADLINE).await.unwrap();
        longest = longest.max(begun.elapsed());
        let from = world.layout.unit_bytes(unit).start as usize;
        assert_eq!(data, world.bytes[from + start as usize..from + end as usize], "unit {unit}");
        asked += u64::from(end - start);
    }
    // Half of its time is the most that any waits for it.
    assert!(longest < 2 * DEADLINE, "{longest:?} for a part");
    let read = world.source.statistics().bytes_fetched;
    assert!(read <= 3 * asked + 9000, "{read} bytes were read for {asked}");
}

#[tokio::test]
async fn survivors_share_the_work_of_a_dead_node() {
    let mut world = World::new(no_limits).await;
    let dead = world.nodes.pop().unwrap();
    dead.kill().await;
    world.until_avoided().await;
    let mut before = Vec::new();
    for node in &world.nodes {
        before.push(world.cluster.statistics(node.id).await.unwrap().units_read);
    }
    world.play(0..UNITS as u64).await;
    for (node, before) in world.nodes.iter().zip(before) {
        let read = world.cluster.statistics(node.id).await.unwrap().units_read - before;
        let expected = UNITS as f64 / 4.0 * 4.0 / 3.0;
        assert!((read as f64) <= expected * 1.05, "{read} of {UNITS} units, expected {expected}");
    }
}

impl World {
    async fn until_avoided(&self) {
        self.cluster.watch();
        for _ in 0..100 {
            if self.cluster.observations().iter().any(|seen| seen.state != NodeState::Up) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("all are up");
    }
}

/// Somebody at a node's address who answers every request for a unit with this.
async fn liar(address: SocketAddr, answer: Option<Vec<u8>>) -> JoinHandle<()> {
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                match answer {
                    Some(answer) => drop(stream.write_all(&answer).await),
                    None => std::future::pending().await,
                }
            });
        }
    })
}

#[tokio::test]
async fn lies_and_silence_are_rebuilt_away() {
    let head = |id, length: usize| {
        format!("HTTP/1.1 200 OK\r\nx-node-id: {id}\r\nx-unit-crc32c: 00000000\r\nContent-Length: {length}\r\n\r\n")
    };
    for lie in ["garbage", "false", "short", "cut", "silence"] {
        let mut world = World::new(no_limits).await;
        world.play(0..40).await;
        let node = world.nodes.remove(2);
        let id = node.id;
        let (_dir, address) = node.stop().await;
        let answer = match lie {
            "garbage" => Some(bytes(UNIT)),
            "false" => Some([head(id, UNIT).as_bytes(), &bytes(UNIT)].concat()),
            "short" => Some([head(id, 10).as_bytes(), &bytes(10)].concat()),
            "cut" => Some([head(id, UNIT).as_bytes(), &bytes(10)].concat()),
            _ => None,
        };
        let liar = liar(address, answer).await;
        let longest = world.play(40..UNITS as u64).await;
        assert!(longest < Duration::from_millis(1500), "{lie}: {longest:?} for a unit");
        assert_ne!(world.cluster.node_state(id), NodeState::Up, "{lie}");
        liar.abort();
    }
}

#[tokio::test]
async fn a_node_at_a_twentieth_of_its_rate_is_avoided_and_the_others_serve() {
    // 10 ms a unit, and 200 ms.
    let rate = 100 * UNIT as u64;
    let limits = |at| NodeLimits { read_limit: Some(if at == 1 { rate / 20 } else { rate }), ..NodeLimits::default() };
    let world = World::new(limits).await;
    let begun = Instant::now();
    let longest = world.play(0..UNITS as u64).await;
    assert!(longest < Duration::from_secs(2), "{longest:?} for a unit");
    // At the slow node's pace it would be 12 s.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let statistics = world.source.statistics();
    assert!(statistics.units_rebuilt >= 30, "{statistics:?}");
    let read = statistics.bytes_fetched as f64 / world.bytes.len() as f64;
    assert!(read < 1.15, "{read} times the bytes");
}

#[tokio::test]
async fn flipped_bits_and_lost_units_are_played_and_repaired_behind() {
    let world = World::new(no_limits).await;
    let dir = world.nodes[0].dir.path();
    let object = world.layout.object.to_string();
    let path = dir.join(format!("objects/{:.2}/{object}.units", object));
    let mut file = std::fs::read(&path).unwrap();
    let stride = (UNIT + 64).next_multiple_of(4096);
    for row in [3, 10, 11] {
        file[4096 + row * stride + 64 + 77] ^= 1;
    }
    std::fs::write(&path, file).unwrap();
    let source = world.source.clone();
    let repairs = tokio::spawn(async move { source.keep_repairing(&Limit::default()).await });
    world.play(0..UNITS as u64).await;
    let bad = world.source.statistics().units_bad;
    // Parity is not read while all is well.
    assert!((1..=3).contains(&bad), "{bad}");
    for _ in 0..100 {
        if world.source.statistics().units_repaired == bad {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.source.statistics().units_repaired, bad);
    repairs.abort();
    let report = world.cluster.repair(&world.layout, &Limit::default(), drop).await;
    assert!(report.is_good() && report.bad_units == 3 - bad, "{report:?}");
}

#[tokio::test]
async fn a_part_with_a_flipped_bit_is_read_from_its_row_and_repaired_behind() {
    let world = World::new(no_limits).await;
    let unit = (0..world.layout.units()).find(|unit| world.layout.address(*unit).row == 3).unwrap();
    let node = world.nodes.iter().find(|node| node.id == world.layout.node(world.layout.address(unit))).unwrap();
    let object = world.layout.object.to_string();
    let path = node.dir.path().join(format!("objects/{:.2}/{object}.units", object));
    let mut file = std::fs::read(&path).unwrap();
    let flipped = 4096 + 3 * (UNIT + 64).next_multiple_of(4096) + 64 + 777;
    file[flipped] ^= 1;
    std::fs::write(&path, &file).unwrap();
    let source = world.source.clone();
    let repairs = tokio::spawn(async move { source.keep_repairing(&Limit::default()).await });
    let from = world.layout.unit_bytes(unit).start as usize;
    // What lies beside it is good.
    for (start, end, bad) in [(0, 400, 0), (700, 800, 1), (1100, 1200, 1)] {
        let data = world.source.piece(&world.layout, Piece { unit, start, end }, DEADLINE).await.unwrap();
        assert_eq!(data, world.bytes[from + start as usize..from + end as usize], "{start}..{end}");
        assert_eq!(world.source.statistics().units_bad, bad, "{start}..{end}");
    }
    for _ in 0..100 {
        if world.source.statistics().units_repaired == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    repairs.abort();
    assert_eq!(world.source.statistics().units_repaired, 1);
    file[flipped] ^= 1;
    assert!(std::fs::read(&path).unwrap() == file, "it is as it was");
}

#[tokio::test]
async fn two_lost_of_one_parity_end_in_time_and_two_of_two_lose_nothing() {
    for parity in [1, 2] {
        let mut nodes = nodes(5);
        let cluster = cluster(&nodes);
        let bytes = bytes(60 * UNIT);
        let layout = write_with(&cluster, &nodes, 5 - parity, parity, &bytes).await;
        let source = UnitSource::new(cluster.clone(), 64 * UNIT);
        let rest = [nodes.pop().unwrap().kill().await, nodes.pop().unwrap().kill().await];
        let begun = Instant::now();
        let read = source.read_object(&layout, usize::MAX).await;
        assert_eq!(read.is_ok(), parity == 2, "{parity} parity");
        assert!(read.is_err() || read.unwrap() == bytes);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        // They return, and all plays again.
        tokio::time::sleep(Duration::from_millis(100)).await;
        nodes.extend(rest.map(TestNode::again));
        assert_eq!(source.read_object(&layout, usize::MAX).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_node_that_fails_while_an_object_is_written_is_made_whole_later() {
    let mut nodes = nodes(4);
    let cluster = cluster(&nodes);
    let bytes = bytes(60 * UNIT);
    let policy = stripes::layout::Policy { unit_size: UNIT as u32, data: 3, parity: 1 };
    let mut writer = stripes::net::ObjectWriter::create(&cluster, policy, ids(&nodes)).unwrap();
    writer.write(&bytes[..20 * UNIT]).await.unwrap();
    let dead = nodes.pop().unwrap();
    let id = dead.id;
    let rest = dead.kill().await;
    writer.write(&bytes[20 * UNIT..]).await.unwrap();
    let written = writer.finish_and_tell("media").await.unwrap();
    assert!(written.lacking.iter().eq(&[id]));
    let layout = Arc::new(written.layout);
    let source = UnitSource::new(cluster.clone(), 0);
    assert_eq!(source.read_object(&layout, usize::MAX).await.unwrap(), bytes);
    tokio::time::sleep(Duration::from_millis(100)).await;
    nodes.push(TestNode::again(rest));
    let report = cluster.repair(&layout, &Limit::default(), drop).await;
    assert!(report.is_good() && report.sealed_nodes == 1, "{report:?}");
    assert!(cluster.scrub(&layout, &Limit::default(), drop).await.is_good());
}
