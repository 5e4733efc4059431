//! A few real nodes on loopback, each on its own folder.
#![allow(dead_code, reason = "each test file uses its part")]

use bytes::Bytes;
use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};
use stripes::{
    id::{NodeId, ObjectId},
    layout::{Layout, Policy},
    net::{Cluster, ClusterOptions, NodeAddress, ObjectWriter, serve_node},
    node::NodeLimits,
    store::{Store, StoreOptions, UnitStore},
};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

pub const UNIT: usize = 16 << 10;

pub struct TestNode {
    pub dir: TempDir,
    pub id: NodeId,
    pub address: SocketAddr,
    pub store: Arc<Store>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<std::io::Result<()>>,
}

impl TestNode {
    pub fn new(store: StoreOptions, limits: NodeLimits) -> Self {
        Self::start(TempDir::new().unwrap(), "127.0.0.1:0", store, limits)
    }

    pub fn start(dir: TempDir, address: &str, store: StoreOptions, limits: NodeLimits) -> Self {
        let store = Arc::new(Store::open(dir.path(), store).unwrap());
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let served = tokio::spawn(serve_node(listener, store.clone(), limits, async { drop(stopped.await) }));
        Self { dir, id: store.node(), address, store, stop: Some(stop), served }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// As a signal would.
    pub async fn stop(mut self) -> (TempDir, SocketAddr) {
        self.stop.take();
        self.served.await.unwrap().unwrap();
        (self.dir, self.address)
    }

    /// Without a chance to finish anything.
    pub async fn kill(self) -> (TempDir, SocketAddr) {
        self.served.abort();
        let _ = self.served.await;
        (self.dir, self.address)
    }

    pub fn again((dir, address): (TempDir, SocketAddr)) -> Self {
        Self::start(dir, &address.to_string(), StoreOptions::default(), NodeLimits::default())
    }
}

pub fn nodes(count: usize) -> Vec<TestNode> {
    (0..count).map(|_| TestNode::new(StoreOptions::default(), NodeLimits::default())).collect()
}

pub fn cluster(nodes: &[TestNode]) -> Cluster {
    cluster_with(nodes, ClusterOptions { put_timeout: Duration::from_secs(5), ..ClusterOptions::default() })
}

pub fn cluster_with(nodes: &[TestNode], options: ClusterOptions) -> Cluster {
    let nodes = nodes.iter().map(|node| NodeAddress { id: node.id, url: node.url() }).collect();
    Cluster::new(nodes, options).unwrap()
}

pub fn policy(nodes: &[TestNode]) -> Policy {
    Policy { unit_size: UNIT as u32, data: nodes.len() as u8, parity: 0 }
}

pub fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

pub async fn write(cluster: &Cluster, nodes: &[TestNode], bytes: &[u8]) -> Arc<Layout> {
    let ids = nodes.iter().map(|node| node.id).collect();
    let mut writer = ObjectWriter::create(cluster, policy(nodes), ids).unwrap();
    for part in bytes.chunks(10_007) {
        writer.write(part).await.unwrap();
    }
    assert_eq!(writer.length(), bytes.len() as u64);
    Arc::new(writer.finish("media").await.unwrap())
}

/// The same with parity.
pub async fn write_with(cluster: &Cluster, nodes: &[TestNode], data: u8, parity: u8, bytes: &[u8]) -> Arc<Layout> {
    let policy = Policy { unit_size: UNIT as u32, data, parity };
    let ids = nodes.iter().map(|node| node.id).collect();
    let mut writer = ObjectWriter::create(cluster, policy, ids).unwrap();
    writer.write(bytes).await.unwrap();
    Arc::new(writer.finish("media").await.unwrap())
}

pub fn ids(nodes: &[TestNode]) -> Vec<NodeId> {
    nodes.iter().map(|node| node.id).collect()
}

/// A layout of one unit on one node, for asking it directly.
pub fn single(node: &TestNode, length: usize) -> Layout {
    let policy = Policy { unit_size: UNIT as u32, data: 1, parity: 0 };
    Layout::new(ObjectId::random(), length as u64, policy, vec![node.id], 0)
}

pub fn body(length: usize) -> Bytes {
    Bytes::from(bytes(length))
}
