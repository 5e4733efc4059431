//! With units that lie on real nodes.

use super::*;
use crate::worker::ClusterMedia;
use catalog::index::Index;
use stripes::{
    layout::Policy,
    net::{Cluster, ClusterOptions, NodeAddress, ObjectWriter, UnitSource, serve_node},
    node::NodeLimits,
    store::{Store, StoreOptions, UnitStore},
};
use tokio::sync::oneshot;

struct Node {
    _dir: tempfile::TempDir,
    address: NodeAddress,
    stop: oneshot::Sender<()>,
}

async fn node() -> Node {
    let dir = tempfile::TempDir::new().unwrap();
    let store = Arc::new(Store::open(dir.path(), StoreOptions::default()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let address = NodeAddress { id: store.node(), url };
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(serve_node(listener, store, NodeLimits::default(), async { drop(stopped.await) }));
    Node { _dir: dir, address, stop }
}

/// The film on four nodes: its index says where.
async fn striped(film: Film) -> (Film, Vec<Node>, UnitSource) {
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(node().await);
    }
    let addresses = nodes.iter().map(|node| node.address.clone()).collect();
    let cluster = Cluster::new(addresses, ClusterOptions::default()).unwrap();
    let policy = Policy { unit_size: 16 << 10, data: 4, parity: 0 };
    let ids = nodes.iter().map(|node| node.address.id).collect();
    let mut writer = ObjectWriter::create(&cluster, policy, ids).unwrap();
    writer.write(&film.bytes).await.unwrap();
    let media = writer.finish("media").await.unwrap();
    let index = Arc::new(Index { media, ..(*film.index).clone() });
    (Film { index, bytes: film.bytes }, nodes, UnitSource::new(cluster, 16 << 20))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_striped_film_plays_until_a_node_dies() {
    let (short, mut nodes, source) = striped(small()).await;
    let playback = PlaybackOptions { max_stall: Duration::from_millis(800), ..Default::default() };
    let options = WorkerOptions { workers: 1, playback, ..Default::default() };
    let workers = Workers::start(options, Arc::new(ClusterMedia(source)), tokio::runtime::Handle::current()).unwrap();
    let memory = Arc::new(Memory { film: short, broken: AtomicBool::new(false), cached: false });
    let (sender, requests) = unbounded_channel();
    let mut stage = Stage { worker: workers.assign(), workers, source: memory, requests, sender };
    let receiver = Receiver::new();
    let reply = stage.workers.play(stage.worker, stage.request(receiver.destinations(), Start::Resume)).await.unwrap();
    stage.workers.go(stage.worker, ViewerId(1));
    assert_eq!(stage.event().await, ViewerEvent::EndOfStream);
    tokio::time::sleep(Duration::from_millis(20)).await;
    for track in 0..2 {
        let packets: Vec<Vec<u8>> =
            Receiver::drain(&receiver.rtp[track]).into_iter().map(|(packet, _)| packet).collect();
        check_packets(&stage.source.film, track, &packets, &reply.info[track]);
    }
    let statistics = stage.workers.statistics()[0].snapshot();
    assert_eq!((statistics.stalls, statistics.failures), (0, 0), "{statistics:?}");

    // Another copy of the film, of which nothing is held yet.
    let (film, others, source) = striped(film(20, |_, _| 9_000)).await;
    nodes.extend(others);
    let options = WorkerOptions { workers: 1, ..Default::default() };
    let playback = PlaybackOptions { max_stall: Duration::from_millis(800), ..Default::default() };
    let options = WorkerOptions { playback, ..options };
    stage.workers = Workers::start(options, Arc::new(ClusterMedia(source)), tokio::runtime::Handle::current()).unwrap();
    stage.source = Arc::new(Memory { film, broken: AtomicBool::new(false), cached: false });
    stage.workers.play(stage.worker, stage.request(receiver.destinations(), Start::Resume)).await.unwrap();
    stage.workers.go(stage.worker, ViewerId(1));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let dead = nodes.pop().unwrap();
    let id = dead.address.id.to_string();
    dead.stop.send(()).unwrap();
    let event = stage.event().await;
    assert!(matches!(&event, ViewerEvent::Failed(reason) if reason.contains(&id)), "{event:?} names node {id}");
    assert!(!Receiver::drain(&receiver.rtp[0]).is_empty());
}
