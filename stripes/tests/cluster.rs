//! Objects over several real nodes: written, read, listed, verified, deleted; nodes that stop, die and are full.

mod common;

use common::*;
use futures_util::future::poll_immediate;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};
use stripes::{
    id::{NodeId, ObjectId},
    layout::UnitAddress,
    net::{ClusterOptions, NodeFailure, ObjectWriter, ReadError, UnitSource, WriteError, identify},
    node::NodeLimits,
    store::StoreOptions,
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn an_object_reads_back_and_lies_evenly() {
    let nodes = nodes(4);
    let cluster = cluster(&nodes);
    for length in [0, 1, UNIT - 1, UNIT, UNIT + 1, 4 * UNIT, 37 * UNIT + 123] {
        let bytes = bytes(length);
        let layout = write(&cluster, &nodes, &bytes).await;
        assert_eq!(layout.length, length as u64);
        let source = UnitSource::new(cluster.clone(), 1 << 20);
        assert_eq!(source.read_object(&layout, length).await.unwrap(), bytes);
        let refused = source.read_object(&layout, length.saturating_sub(1)).await;
        assert_eq!(matches!(refused, Err(ReadError::TooLarge { .. })), length > 0);
        let mut shares = BTreeMap::new();
        for node in &nodes {
            let summary = cluster.object_summary(node.id, layout.object).await.unwrap();
            assert_eq!(summary.manifest.unwrap().layout, *layout);
            shares.insert(node.id, summary.bytes);
        }
        assert_eq!(shares.values().sum::<u64>(), length as u64);
        let (least, most) = (shares.values().min().unwrap(), shares.values().max().unwrap());
        assert!(most - least <= UNIT as u64, "{shares:?}");
        let mut heard = 0;
        let report = cluster.verify(&layout, |bytes| heard += bytes).await;
        assert!(report.is_good() && report.good_bytes == length as u64 && heard == length as u64, "{report:?}");
    }
}

#[tokio::test]
async fn objects_are_listed_on_every_node_and_deleted_everywhere() {
    let nodes = nodes(3);
    let cluster = cluster(&nodes);
    let mut written = Vec::new();
    // More than one page.
    for length in 0..130 {
        written.push(write(&cluster, &nodes, &bytes(length * 100)).await.object);
    }
    let ids = nodes.iter().map(|node| node.id).collect();
    let mut unsealed = ObjectWriter::create(&cluster, policy(&nodes), ids).unwrap();
    // So much that some has been acknowledged by each node.
    unsealed.write(&bytes(60 * UNIT)).await.unwrap();
    written.push(unsealed.object());
    written.sort();
    for node in &nodes {
        let listed = cluster.list_objects(node.id).await.unwrap();
        assert_eq!(listed.iter().map(|listed| listed.object).collect::<Vec<_>>(), written);
        let open: Vec<_> = listed.iter().filter(|listed| !listed.sealed).map(|listed| listed.object).collect();
        assert_eq!(open, [unsealed.object()]);
        assert!(listed.iter().filter(|l| l.sealed).all(|l| l.manifest.as_ref().is_some_and(|m| m.tag == "media")));
    }
    unsealed.abort().await;
    for object in written {
        cluster.delete_object(object).await.unwrap();
    }
    for node in &nodes {
        assert_eq!(cluster.list_objects(node.id).await.unwrap(), []);
        assert_eq!(cluster.statistics(node.id).await.unwrap().objects, 0);
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_stop_and_a_kill() {
    let mut nodes = nodes(2);
    let cluster = cluster(&nodes);
    let bytes = bytes(20 * UNIT + 5);
    let layout = write(&cluster, &nodes, &bytes).await;
    // Not sealed, only acknowledged.
    let loose = single(&nodes[0], 77);
    cluster.put_unit(&loose, loose.address(0), body(77)).await.unwrap();
    let source = UnitSource::new(cluster.clone(), 0);
    for graceful in [true, false] {
        let node = nodes.remove(0);
        let id = node.id;
        let rest = if graceful { node.stop().await } else { node.kill().await };
        let down = cluster.get_unit(&loose, loose.address(0), SECOND).await.unwrap_err();
        assert!(matches!(down.failure, NodeFailure::Unreachable(_)), "{down}");
        // The store's lock goes with its last user; blocking work of a killed node may take a moment.
        tokio::time::sleep(Duration::from_millis(100)).await;
        nodes.insert(0, TestNode::again(rest));
        assert_eq!(nodes[0].id, id);
        assert_eq!(source.read_object(&layout, usize::MAX).await.unwrap(), bytes);
        assert_eq!(cluster.get_unit(&loose, loose.address(0), SECOND).await.unwrap(), body(77));
    }
}

#[tokio::test]
async fn a_node_that_dies_while_it_is_written_to_fails_the_writer_by_name() {
    let mut nodes = nodes(4);
    let cluster = cluster(&nodes);
    let ids: Vec<NodeId> = nodes.iter().map(|node| node.id).collect();
    let mut writer = ObjectWriter::create(&cluster, policy(&nodes), ids).unwrap();
    writer.write(&bytes(10 * UNIT)).await.unwrap();
    let dead = nodes.remove(2);
    let (id, url) = (dead.id, dead.url());
    let _dir = dead.kill().await;
    let object = writer.object();
    let error = loop {
        if let Err(error) = writer.write(&bytes(UNIT)).await {
            break error;
        }
    };
    let text = error.to_string();
    for part in [&id.to_string(), &url, &object.to_string(), "unit ", "unreachable"] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    assert_eq!(writer.write(&[1]).await.unwrap_err().to_string(), text);
    assert_eq!(writer.finish("media").await.unwrap_err().to_string(), text);
    for node in &nodes {
        assert_eq!(cluster.list_objects(node.id).await.unwrap(), [], "finish cleans up what it can reach");
    }
}

#[tokio::test]
async fn a_full_node_says_so() {
    let full = StoreOptions { capacity_bytes: Some(200_000), ..StoreOptions::default() };
    let mut nodes = nodes(3);
    nodes.push(TestNode::new(full, NodeLimits::default()));
    let cluster = cluster(&nodes);
    let ids = nodes.iter().map(|node| node.id).collect();
    let mut writer = ObjectWriter::create(&cluster, policy(&nodes), ids).unwrap();
    let error = loop {
        if let Err(error) = writer.write(&bytes(UNIT)).await {
            break error;
        }
        assert!(writer.length() < 1 << 21);
    };
    let WriteError::Node(node) = &error else { panic!("{error}") };
    assert!(matches!(node.failure, NodeFailure::Full(_)), "{error}");
    assert_eq!(node.place.node, Some(nodes[3].id));
    writer.abort().await;
    let health = cluster.health(nodes[3].id).await.unwrap();
    assert!(health.free_bytes > 150_000 && health.total_bytes == 200_000, "room is given back: {health:?}");
}

/// A small file system of its own, for those who may mount one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(dir: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir).output();
        mount.is_ok_and(|output| output.status.success()).then(|| Self(dir.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[tokio::test]
async fn a_disk_that_really_is_full_fails_the_writer_and_keeps_what_it_has() {
    let dir = tempfile::TempDir::new().unwrap();
    let Some(_disk) = SmallDisk::mount(dir.path(), "300k") else {
        eprintln!("skipped: may not mount a small file system");
        return;
    };
    let mut nodes = nodes(1);
    nodes.push(TestNode::start(dir, "127.0.0.1:0", StoreOptions::default(), NodeLimits::default()));
    let cluster = cluster(&nodes);
    let kept = write(&cluster, &nodes, &bytes(6 * UNIT)).await;
    let ids = nodes.iter().map(|node| node.id).collect();
    let mut writer = ObjectWriter::create(&cluster, policy(&nodes), ids).unwrap();
    let error = loop {
        if let Err(error) = writer.write(&bytes(UNIT)).await {
            break error;
        }
        assert!(writer.length() < 1 << 21);
    };
    let text = error.to_string();
    for part in [&nodes[1].id.to_string(), "disk is full", "No space left on device"] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    writer.abort().await;
    assert!(cluster.verify(&kept, |_| ()).await.is_good());
    assert_eq!(cluster.list_objects(nodes[1].id).await.unwrap().len(), 1);
    write(&cluster, &nodes, &bytes(6 * UNIT)).await;
}

#[tokio::test]
async fn a_unit_is_fetched_once_for_all_who_ask_and_the_cache_is_bounded() {
    let nodes = nodes(2);
    let cluster = cluster(&nodes);
    let layout = write(&cluster, &nodes, &bytes(64 * UNIT)).await;
    let cache = 10 * UNIT;
    let source = UnitSource::new(cluster.clone(), cache);
    let asked: Vec<_> = (0..50)
        .map(|_| {
            let (source, layout) = (source.clone(), layout.clone());
            tokio::spawn(async move { source.unit(&layout, 3, 5 * SECOND).await.unwrap() })
        })
        .collect();
    for task in asked {
        assert_eq!(task.await.unwrap(), bytes(64 * UNIT)[3 * UNIT..4 * UNIT]);
    }
    let mut reads = 0;
    for node in &nodes {
        reads += cluster.statistics(node.id).await.unwrap().units_read;
    }
    assert_eq!(reads, 1);
    assert_eq!(source.cached(layout.object, 3).unwrap().len(), UNIT);
    assert_eq!(source.cached(layout.object, 4), None);
    let statistics = source.statistics();
    assert_eq!((statistics.misses, statistics.hits, statistics.bytes_fetched), (1, 50, UNIT as u64));
    for unit in 0..64 {
        source.unit(&layout, unit, SECOND).await.unwrap();
        assert!(source.statistics().bytes_held <= cache as u64);
    }
    assert!(source.statistics().bytes_held >= cache as u64 / 2, "{:?}", source.statistics());
}

#[tokio::test]
async fn one_who_gives_up_does_not_spoil_it_for_the_others() {
    let nodes = nodes(1);
    let cluster = cluster(&nodes);
    let layout = write(&cluster, &nodes, &bytes(UNIT)).await;
    let source = UnitSource::new(cluster, 1 << 20);
    let mut impatient = Box::pin(source.unit(&layout, 0, 5 * SECOND));
    assert!(poll_immediate(&mut impatient).await.is_none(), "it has only been asked for");
    let mut patient = Box::pin(source.unit(&layout, 0, 5 * SECOND));
    assert!(poll_immediate(&mut patient).await.is_none());
    drop(impatient);
    assert_eq!(patient.await.unwrap().len(), UNIT);
    assert_eq!(source.statistics().misses, 1, "they wait for the same answer");
}

#[tokio::test]
async fn a_silent_node_is_late_within_the_deadline() {
    // It accepts and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let id = NodeId(5);
    let address = stripes::net::NodeAddress { id, url: url.clone() };
    let cluster = stripes::net::Cluster::new(vec![address], ClusterOptions::default()).unwrap();
    let mut layout = single(&nodes(1)[0], 10);
    layout.nodes = vec![id];
    let started = std::time::Instant::now();
    let error = cluster.get_unit(&layout, layout.address(0), Duration::from_millis(100)).await.unwrap_err();
    assert!(started.elapsed() < SECOND);
    let expected = format!("node {id} at {url}, object {}, unit 0.0: no answer within 100 ms", layout.object);
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_wrong_address_and_an_unknown_node_are_told() {
    let nodes = nodes(2);
    let swapped = vec![
        stripes::net::NodeAddress { id: nodes[0].id, url: nodes[1].url() },
        stripes::net::NodeAddress { id: nodes[1].id, url: nodes[0].url() },
    ];
    let cluster = stripes::net::Cluster::new(swapped, ClusterOptions::default()).unwrap();
    let error = cluster.health(nodes[0].id).await.unwrap_err();
    assert_eq!(error.failure, NodeFailure::Answer(format!("node {} answers at this address", nodes[1].id)));
    assert_eq!(cluster.health(NodeId(1)).await.unwrap_err().failure, NodeFailure::Unknown);
    let health = identify(&nodes[0].url(), &ClusterOptions::default()).await.unwrap();
    assert_eq!(health.node, nodes[0].id);
    for (bad, expected) in
        [("https://h:1", "expected http"), ("host:1", "expected http"), ("http://h:1/x", "expected http")]
    {
        let address = stripes::net::NodeAddress { id: NodeId(1), url: bad.to_owned() };
        let error = stripes::net::Cluster::new(vec![address], ClusterOptions::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn damage_on_a_disk_is_found_named_and_counted() {
    let nodes = nodes(2);
    let cluster = cluster(&nodes);
    let layout = write(&cluster, &nodes, &bytes(8 * UNIT)).await;
    let unit = layout.units() - 3;
    let address = layout.address(unit);
    let node = nodes.iter().find(|node| node.id == layout.node(address)).unwrap();
    let object = layout.object.to_string();
    let path = node.dir.path().join(format!("objects/{}/{object}.units", &object[..2]));
    let mut file = std::fs::read(&path).unwrap();
    let at = 4096 + address.row as usize * (UNIT + 4096) + 64 + 1000;
    file[at] ^= 1;
    std::fs::write(&path, file).unwrap();
    let report = cluster.verify(&layout, |_| ()).await;
    assert_eq!((report.good_units, report.bad_units, report.bad[0].unit), (7, 1, unit));
    let error = &report.bad[0].error;
    assert!(matches!(error.failure, NodeFailure::Damaged(_)), "{error}");
    let text = error.to_string();
    for part in [&node.id.to_string(), &object, &address.to_string(), "crc32c", "at byte"] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    assert_eq!(cluster.statistics(node.id).await.unwrap().units_damaged, 1);
    // A good unit put over it heals it.
    let good = body(8 * UNIT).slice(unit as usize * UNIT..(unit as usize + 1) * UNIT);
    cluster.repair_unit(&layout, address, good).await.unwrap();
    assert!(cluster.verify(&layout, |_| ()).await.is_good());
}

#[tokio::test]
async fn what_was_never_written_is_absent_and_an_incomplete_object_is_not_sealed() {
    let nodes = nodes(1);
    let cluster = cluster(&nodes);
    let layout = single(&nodes[0], 2 * UNIT);
    let absent = cluster.get_unit(&layout, UnitAddress { row: 0, position: 0 }, SECOND).await.unwrap_err();
    assert!(matches!(absent.failure, NodeFailure::Absent(_)), "{absent}");
    cluster.put_unit(&layout, layout.address(0), body(UNIT)).await.unwrap();
    let manifest = stripes::manifest::Manifest::new(layout.clone(), "media");
    let error = cluster.seal(&manifest).await.unwrap_err();
    assert!(matches!(&error.failure, NodeFailure::Refused(409, text) if text.contains("unit 1.0")), "{error}");
    cluster.put_unit(&layout, layout.address(1), body(UNIT)).await.unwrap();
    cluster.seal(&manifest).await.unwrap();
    assert_eq!(cluster.manifest(nodes[0].id, layout.object).await.unwrap(), manifest);
    let absent = cluster.manifest(nodes[0].id, ObjectId(1)).await.unwrap_err();
    assert!(matches!(absent.failure, NodeFailure::Absent(_)), "{absent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_and_readers_share_the_nodes() {
    let nodes = nodes(4);
    let cluster = cluster(&nodes);
    let source = UnitSource::new(cluster.clone(), 4 << 20);
    let ids: Vec<_> = nodes.iter().map(|node| node.id).collect();
    let tasks: Vec<_> = (0..16usize)
        .map(|task| {
            let (cluster, source, ids, policy) = (cluster.clone(), source.clone(), ids.clone(), policy(&nodes));
            tokio::spawn(async move {
                let bytes = bytes(task * 31_337);
                let mut writer = ObjectWriter::create(&cluster, policy, ids).unwrap();
                writer.write(&bytes).await.unwrap();
                let layout = Arc::new(writer.finish("media").await.unwrap());
                let mut back = Vec::new();
                for unit in 0..layout.units() {
                    back.extend_from_slice(&source.unit(&layout, unit, 10 * SECOND).await.unwrap());
                }
                assert_eq!(back, bytes);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
