//! The nodes that a command works with: mostly child processes under the data folder.
//!
//! A child ends when its standard input does, so none outlives its parent, however that ends. A node that runs
//! already (because `serve` does) is used where it is: its folder holds its address.

use ::catalog::db::{Catalog, Intent, Node};
use anyhow::{Context, Result, bail};
use rtsp::config::Config;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use stripes::{
    id::NodeId,
    net::{Cluster, ClusterOptions, NodeAddress, identify},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    time::timeout,
};

/// How long a node may take to start: it reads its folder.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long a node has to say that it is there before new films go to the others.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// A node whose process ends is started again after so long; each further time after twice as long.
const RESTART: Duration = Duration::from_secs(1);
/// It was well if it ran for so long; and no longer than that is ever waited.
const STEADY: Duration = Duration::from_secs(60);
/// How long it may take to end when asked.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The file in a node's folder that says who it is and where it answers, while it runs.
pub const ADDRESS_FILE: &str = "address";

/// The nodes of a data folder, for as long as this lives.
pub struct LocalNodes {
    /// All nodes that the catalog knows, these among them.
    pub cluster: Cluster,
    /// Those that take new films (active, and they answer): the stripe set of new objects.
    pub stripe_set: Vec<NodeId>,
    children: Vec<LocalNode>,
    /// Started again when their time has come.
    fallen: Vec<Fallen>,
    read_limit_mb_s: u64,
}

/// A node that was started here.
struct LocalNode {
    id: NodeId,
    folder: PathBuf,
    started: Instant,
    patience: Duration,
    child: Child,
    /// Held open: its end is the node's. (Waiting for a child would close it, so it is kept apart.)
    stdin: ChildStdin,
}

/// A node whose process has ended by itself.
struct Fallen {
    folder: PathBuf,
    due: Instant,
    patience: Duration,
}

impl LocalNodes {
    /// Finds or starts each node, and tells the catalog where they are. Where the catalog knows nodes and none of them
    /// was ever one of this folder's, those are taken as they run, and none is started.
    pub async fn start(config: &Config, catalog: &Catalog) -> Result<Self> {
        let folder = config.data.join("nodes");
        let read_limit_mb_s = config.nodes.read_limit_mb_s;
        let mut children = Vec::new();
        if folder.is_dir() || catalog.nodes().await?.is_empty() {
            for number in 1..=count(&folder, config.nodes.count) {
                let folder = folder.join(number.to_string());
                let node = match running(&folder).await {
                    Some(node) => node,
                    None => {
                        let started = spawn(&folder, read_limit_mb_s, RESTART).await;
                        let (node, child) = started.with_context(|| format!("starting node {number}"))?;
                        children.push(child);
                        node
                    }
                };
                catalog.put_node(&node).await?;
            }
        }
        let cluster = cluster(config, catalog).await?;
        let stripe_set = stripe_set(catalog, &cluster).await?;
        Ok(Self { cluster, stripe_set, children, fallen: Vec::new(), read_limit_mb_s })
    }

    /// Starts again what ends by itself, each time a little later, and tells the catalog where it answers then. Never
    /// ends; may be dropped at any time.
    pub async fn tend(&mut self, catalog: &Catalog) {
        loop {
            let due = self.fallen.iter().map(|fallen| fallen.due).min();
            tokio::select! {
                at = ended(&mut self.children) => {
                    let node = self.children.swap_remove(at);
                    let steady = node.started.elapsed() >= STEADY;
                    let patience = if steady { RESTART } else { (node.patience * 2).min(STEADY) };
                    tracing::error!(node = %node.id, again_s = patience.as_secs(), "this node's process has ended");
                    self.fallen.push(Fallen { folder: node.folder, due: Instant::now() + patience, patience });
                }
                () = sleep_until(due) => {
                    let now = Instant::now();
                    let Some(at) = self.fallen.iter().position(|fallen| fallen.due <= now) else { continue };
                    let Fallen { folder, patience, .. } = self.fallen.swap_remove(at);
                    if let Err(error) = self.restart(catalog, &folder, patience).await {
                        tracing::error!(folder = %folder.display(), "a node can't be started again: {error:#}");
                        let patience = (patience * 2).min(STEADY);
                        self.fallen.push(Fallen { folder, due: Instant::now() + patience, patience });
                    }
                }
            }
        }
    }

    async fn restart(&mut self, catalog: &Catalog, folder: &Path, patience: Duration) -> Result<()> {
        let (node, child) = spawn(folder, self.read_limit_mb_s, patience).await?;
        catalog.put_node(&node).await?;
        tracing::info!(node = %node.id, url = node.url, "started again");
        self.children.push(child);
        Ok(())
    }

    /// Ends the nodes that were started here.
    pub async fn stop(self) {
        let mut ending = Vec::new();
        for LocalNode { id, child, stdin, .. } in self.children {
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

/// Waits until one of the processes ends; says which. For ever where there is none.
async fn ended(children: &mut [LocalNode]) -> usize {
    let ends: Vec<_> = children.iter_mut().map(|node| Box::pin(node.child.wait())).collect();
    if ends.is_empty() {
        return std::future::pending().await;
    }
    futures_util::future::select_all(ends).await.1
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// The active nodes that answer: a film that is added while a node is down goes to the others.
async fn stripe_set(catalog: &Catalog, cluster: &Cluster) -> Result<Vec<NodeId>> {
    let members = catalog.members().await?;
    let active = members.into_iter().filter(|member| member.intent == Intent::Active).map(|member| member.node.id);
    let asks = active.map(|id| async move { timeout(ANSWER_LIMIT, cluster.health(id)).await.ok()?.ok().map(|_| id) });
    let answers = futures_util::future::join_all(asks).await;
    let answering: Vec<NodeId> = answers.into_iter().flatten().collect();
    if answering.is_empty() {
        bail!("no node answers that could take new films");
    }
    Ok(answering)
}

/// Every node that the catalog knows.
pub async fn cluster(config: &Config, catalog: &Catalog) -> Result<Cluster> {
    Ok(Cluster::new(addresses(catalog).await?, options(config))?)
}

/// Where the catalog's nodes are.
pub async fn addresses(catalog: &Catalog) -> Result<Vec<NodeAddress>> {
    let nodes = catalog.nodes().await?;
    Ok(nodes.into_iter().map(|node| NodeAddress { id: node.id, url: node.url }).collect())
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

async fn spawn(folder: &Path, read_limit_mb_s: u64, patience: Duration) -> Result<(Node, LocalNode)> {
    let program: PathBuf = std::env::current_exe().context("finding this program")?;
    let mut child = Command::new(program)
        .arg("node")
        .arg("--folder")
        .arg(folder)
        .args(["--listen", "127.0.0.1:0", "--end-with-stdin"])
        .args(["--read-limit", &read_limit_mb_s.to_string()])
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
    let local = LocalNode { id, folder: folder.to_owned(), started: Instant::now(), patience, child, stdin };
    Ok((Node { id, url: url.to_owned() }, local))
}
