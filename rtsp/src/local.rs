//! The nodes that a command works with: mostly child processes under the data folder.
//!
//! A child ends when its standard input does, so none outlives its parent, however that ends. A node that runs
//! already (because `serve` does) is used where it is: its folder holds its address.

use ::catalog::db::{Catalog, Node};
use anyhow::{Context, Result, bail};
use rtsp::config::Config;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use stripes::{
    id::NodeId,
    layout::Policy,
    net::{Cluster, ClusterOptions, NodeAddress, identify},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    time::timeout,
};

/// How long a node may take to start: it reads its folder.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take to end when asked.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The file in a node's folder that says who it is and where it answers, while it runs.
pub const ADDRESS_FILE: &str = "address";

/// The nodes of a data folder, for as long as this lives.
pub struct LocalNodes {
    /// All nodes that the catalog knows, these among them.
    pub cluster: Cluster,
    /// The local ones in the order of their folders: the stripe set of new objects.
    pub stripe_set: Vec<NodeId>,
    children: Vec<LocalNode>,
}

/// A node that was started here.
struct LocalNode {
    id: NodeId,
    child: Child,
    /// Held open: its end is the node's. (Waiting for a child would close it, so it is kept apart.)
    stdin: ChildStdin,
}

impl LocalNodes {
    /// Finds or starts each node, and tells the catalog where they are. Where the catalog knows nodes and none of them
    /// was ever one of this folder's, those are taken as they run, and none is started.
    pub async fn start(config: &Config, catalog: &Catalog) -> Result<Self> {
        let folder = config.data.join("nodes");
        let known = catalog.nodes().await?;
        if !folder.is_dir() && !known.is_empty() {
            let stripe_set = known.iter().map(|node| node.id).collect();
            return Ok(Self { cluster: cluster(config, catalog).await?, stripe_set, children: Vec::new() });
        }
        let mut children = Vec::new();
        let mut stripe_set = Vec::new();
        for number in 1..=count(&folder, config.nodes.count) {
            let folder = folder.join(number.to_string());
            let node = match running(&folder).await {
                Some(node) => node,
                None => {
                    let (node, child) = spawn(&folder).await.with_context(|| format!("starting node {number}"))?;
                    children.push(child);
                    node
                }
            };
            stripe_set.push(node.id);
            catalog.put_node(&node).await?;
        }
        let cluster = cluster(config, catalog).await?;
        Ok(Self { cluster, stripe_set, children })
    }

    /// How new objects are cut: as wide as the stripe set, no parity yet.
    pub fn policy(&self, config: &Config) -> Policy {
        Policy { unit_size: config.stripes.unit_kib << 10, data: self.stripe_set.len() as u8, parity: 0 }
    }

    /// Waits until one of the started nodes ends by itself; says which. For ever where none was started.
    pub async fn lost(&mut self) -> NodeId {
        let ends = self.children.iter_mut().map(|node| {
            Box::pin(async move {
                let _ = node.child.wait().await;
                node.id
            })
        });
        let ends: Vec<_> = ends.collect();
        if ends.is_empty() {
            return std::future::pending().await;
        }
        let id = futures_util::future::select_all(ends).await.0;
        self.children.retain(|node| node.id != id);
        id
    }

    /// Ends the nodes that were started here.
    pub async fn stop(self) {
        let mut ending = Vec::new();
        for LocalNode { id, child, stdin } in self.children {
            drop(stdin);
            ending.push((id, child));
        }
        for (id, mut child) in ending {
            if timeout(STOP_LIMIT, child.wait()).await.is_err() {
                tracing::warn!(node = %id, "did not end in time and is killed");
                let _ = child.kill().await;
            }
        }
    }
}

/// Every node that the catalog knows.
pub async fn cluster(config: &Config, catalog: &Catalog) -> Result<Cluster> {
    let nodes = catalog.nodes().await?;
    let addresses = nodes.into_iter().map(|node| NodeAddress { id: node.id, url: node.url }).collect();
    Ok(Cluster::new(addresses, options(config))?)
}

/// The configuration's share in how nodes are asked.
pub fn options(config: &Config) -> ClusterOptions {
    ClusterOptions { ask_timeout: Duration::from_millis(config.nodes.timeout_ms), ..ClusterOptions::default() }
}

/// As many as configured, and never fewer than there were: films lie on them.
fn count(folder: &Path, configured: usize) -> usize {
    (configured + 1..256).take_while(|number| folder.join(number.to_string()).is_dir()).last().unwrap_or(configured)
}

/// The node that runs on `folder`, by its address file. Another node may have its old port: who answers decides.
async fn running(folder: &Path) -> Option<Node> {
    let text = std::fs::read_to_string(folder.join(ADDRESS_FILE)).ok()?;
    let (id, url) = text.trim().split_once(' ')?;
    let options = ClusterOptions { ask_timeout: Duration::from_secs(2), ..ClusterOptions::default() };
    let health = identify(url, &options).await.ok()?;
    (Ok(health.node) == id.parse()).then(|| Node { id: health.node, url: url.to_owned() })
}

async fn spawn(folder: &Path) -> Result<(Node, LocalNode)> {
    let program: PathBuf = std::env::current_exe().context("finding this program")?;
    let mut child = Command::new(program)
        .arg("node")
        .arg("--folder")
        .arg(folder)
        .args(["--listen", "127.0.0.1:0", "--end-with-stdin"])
        .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".into()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        // Ctrl-C in a terminal goes to all of its group: the nodes must outlast the viewers' farewell.
        .process_group(0)
        .spawn()?;
    let stdout = child.stdout.take().context("no standard output")?;
    let stdin = child.stdin.take().context("no standard input")?;
    let mut line = String::new();
    let read = timeout(START_LIMIT, BufReader::new(stdout).read_line(&mut line)).await;
    let mut words = line.split_whitespace();
    let (Ok(Ok(_)), Some("ready"), Some(id), Some(url)) = (read, words.next(), words.next(), words.next()) else {
        let _ = child.kill().await;
        bail!("the node on {} did not get ready (its own message stands above)", folder.display());
    };
    let id = id.parse()?;
    Ok((Node { id, url: url.to_owned() }, LocalNode { id, child, stdin }))
}
