//! Real nodes on loopback and a catalog beside them, for the tests of this crate.

use crate::db::{Catalog, CatalogOptions, Node};
use crate::ingest::{IngestError, IngestOptions, Ingested, Outcome, ingest_fake};
use crate::presentation::Presentation;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stripes::id::NodeId;
use stripes::layout::{MIN_UNIT_SIZE, Policy};
use stripes::net::{Cluster, ClusterOptions, NodeAddress, serve_node};
use stripes::node::NodeLimits;
use stripes::store::{Store, StoreOptions, UnitStore};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) struct World {
    pub folder: tempfile::TempDir,
    pub cluster: Cluster,
    pub catalog: Catalog,
    nodes: Vec<RunningNode>,
}

struct RunningNode {
    address: NodeAddress,
    task: JoinHandle<()>,
}

impl World {
    /// `count` nodes, each with room for `capacity` bytes.
    pub async fn new(count: usize, capacity: Option<u64>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut nodes = Vec::new();
        for number in 0..count {
            nodes.push(start(&folder.path().join(format!("node{number}")), "127.0.0.1:0", capacity).await);
        }
        let catalog = open(&folder.path().join("catalog.db")).await;
        for node in &nodes {
            catalog.put_node(&Node { id: node.address.id, url: node.address.url.clone() }).await.unwrap();
        }
        let cluster = cluster(nodes.iter().map(|node| node.address.clone()).collect());
        Self { folder, cluster, catalog, nodes }
    }

    pub fn options(&self, name: Option<&str>) -> IngestOptions {
        let data = u8::try_from(self.nodes.len()).unwrap();
        let policy = Policy { unit_size: MIN_UNIT_SIZE, data, parity: 0 };
        IngestOptions { name: name.map(str::to_owned), policy, nodes: self.node_ids() }
    }

    pub fn node_ids(&self) -> Vec<NodeId> {
        self.nodes.iter().map(|node| node.address.id).collect()
    }

    pub fn addresses(&self) -> Vec<NodeAddress> {
        self.nodes.iter().map(|node| node.address.clone()).collect()
    }

    pub fn catalog_path(&self) -> PathBuf {
        self.folder.path().join("catalog.db")
    }

    /// A file in the world's folder.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub async fn add(&self, path: &Path, name: Option<&str>) -> Result<Ingested, IngestError> {
        ingest_fake(&self.catalog, &self.cluster, path, &self.options(name), |_| {}).await
    }

    pub async fn added(&self, path: &Path) -> Presentation {
        match self.add(path, None).await.unwrap().outcome {
            Outcome::Added(presentation) => *presentation,
            Outcome::AlreadyPresent(name) => panic!("already in as {name}"),
        }
    }

    /// As a crash would.
    pub async fn stop_node(&mut self, number: usize) {
        let task = &mut self.nodes[number].task;
        task.abort();
        let _ = task.await;
    }

    pub async fn restart_node(&mut self, number: usize) {
        let address = self.nodes[number].address.url.trim_start_matches("http://").to_owned();
        let folder = self.folder.path().join(format!("node{number}"));
        self.nodes[number] = start(&folder, &address, None).await;
    }

    /// Objects on all nodes that answer.
    pub async fn objects_on_nodes(&self) -> usize {
        let mut count = 0;
        for node in self.node_ids() {
            count += self.cluster.list_objects(node).await.map_or(0, |objects| objects.len());
        }
        count
    }

    /// Nothing is named, nothing is on the nodes, and what is on the books is doomed.
    pub async fn assert_clean(&self, after: &str) {
        assert_eq!(self.catalog.presentations().await.unwrap(), [], "{after}");
        // A unit may still be on its way when its object is deleted: that is what the sweep's grace is for.
        let mut quiet = 0;
        for _ in 0..200 {
            crate::sweep::sweep(&self.catalog, &self.cluster).await.unwrap();
            quiet = if self.objects_on_nodes().await == 0 { quiet + 1 } else { 0 };
            if quiet == 5 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(quiet, 5, "{after}: {} objects", self.objects_on_nodes().await);
        crate::sweep::sweep_after(&self.catalog, &self.cluster, Duration::ZERO).await.unwrap();
        assert!(self.catalog.known_objects().await.unwrap().is_empty(), "{after}");
    }
}

pub(crate) async fn open(path: &Path) -> Catalog {
    Catalog::open(path, CatalogOptions { busy: Duration::from_secs(10) }).await.unwrap()
}

pub(crate) fn cluster(nodes: Vec<NodeAddress>) -> Cluster {
    let options = ClusterOptions {
        connect_timeout: Duration::from_secs(1),
        put_timeout: Duration::from_secs(5),
        ask_timeout: Duration::from_secs(5),
        ..ClusterOptions::default()
    };
    Cluster::new(nodes, options).unwrap()
}

async fn start(folder: &Path, address: &str, capacity_bytes: Option<u64>) -> RunningNode {
    let options = StoreOptions { capacity_bytes, ..StoreOptions::default() };
    // Of a node that was just stopped, a request under way may hold the folder's lock a moment longer.
    let mut tries = 0;
    let store = loop {
        match Store::open(folder, options) {
            Ok(store) => break Arc::new(store),
            Err(error) if tries == 100 => panic!("{error}"),
            Err(_) => tries += 1,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let listener = TcpListener::bind(address).await.unwrap();
    let address = NodeAddress { id: store.node(), url: format!("http://{}", listener.local_addr().unwrap()) };
    let task = tokio::spawn(async move {
        let _ = serve_node(listener, store, NodeLimits::default(), std::future::pending()).await;
    });
    RunningNode { address, task }
}
