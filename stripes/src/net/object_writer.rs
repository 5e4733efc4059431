//! Writes one object to the nodes: the `Writer` core over a `Cluster`.

use super::{cluster::Cluster, error::NodeError};
use crate::{
    id::{NodeId, ObjectId},
    layout::{Layout, LayoutError, Policy, UnitAddress},
    manifest::Manifest,
    writer::{Writer, WriterOptions, WriterState},
};
use rand::seq::SliceRandom;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::timeout};

/// How long an aborted object's puts may take to end; after that the sweep finds what they leave.
const ABORT_PATIENCE: Duration = Duration::from_secs(2);

/// A growing object. Dropped before `finish` it leaves unsealed bytes that nobody names, for a sweep to remove.
#[derive(Debug)]
pub struct ObjectWriter {
    cluster: Cluster,
    /// For the nodes: where units lie. Its length is not yet known.
    layout: Arc<Layout>,
    core: Writer,
    puts: JoinSet<(UnitAddress, Result<(), NodeError>)>,
    failed: Option<WriteError>,
}

/// An object that is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// How it lies.
    pub layout: Layout,
    /// Nodes of its set that failed meanwhile and wait for a repair: fewer than would make it unreadable.
    pub lacking: BTreeSet<NodeId>,
}

/// Why an object can't be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Policy and nodes don't go together.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A node failed.
    #[error("writing: {0}")]
    Node(#[from] NodeError),
    /// A put was torn down from within; only when the runtime is being shut down.
    #[error("writing object {0}: a put ended without a result")]
    Aborted(ObjectId),
}

impl ObjectWriter {
    /// Begins a new object over `nodes`, its first unit on a random one of them, so that short objects spread too.
    /// Where a row leaves nodes out, their order is random as well, so that a lost node's work spreads over all.
    pub fn create(cluster: &Cluster, policy: Policy, mut nodes: Vec<NodeId>) -> Result<Self, WriteError> {
        let object = ObjectId::random();
        let count = u16::try_from(nodes.len()).unwrap_or(u16::MAX);
        let first = rand::random::<u16>().checked_rem(count).unwrap_or(0);
        if nodes.len() > usize::from(policy.data) + usize::from(policy.parity) {
            nodes.shuffle(&mut rand::rng());
        }
        let core = Writer::new(object, policy, nodes.clone(), first, WriterOptions::default())?;
        let layout = Arc::new(Layout::new(object, u64::MAX, policy, nodes, first));
        Ok(Self { cluster: cluster.clone(), layout, core, puts: JoinSet::new(), failed: None })
    }

    /// The object's name, from the start.
    pub fn object(&self) -> ObjectId {
        self.core.object()
    }

    /// Bytes given so far.
    pub fn length(&self) -> u64 {
        self.core.length()
    }

    /// Appends. Returns as soon as the bytes are taken; waits while too much is under way. After a failure, of
    /// whichever unit, every call tells it.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        loop {
            while let Some(done) = self.puts.try_join_next() {
                self.settle(done);
            }
            if let Some(error) = &self.failed {
                return Err(error.clone());
            }
            let taken = self.core.handle_bytes(bytes);
            bytes = &bytes[taken..];
            self.start_puts();
            if bytes.is_empty() {
                return Ok(());
            }
            if taken == 0
                && let Some(done) = self.puts.join_next().await
            {
                self.settle(done);
            }
        }
    }

    /// Ends the object: waits for its last units and seals it on every node of the set. As many nodes may have failed
    /// as a row has parity units; that is logged, and [`Cluster::repair`] gives them what they lack. On an error the
    /// object is not complete and `abort`ed as far as that is possible.
    pub async fn finish(self, tag: &str) -> Result<Layout, WriteError> {
        self.finish_and_tell(tag).await.map(|written| written.layout)
    }

    /// The same; tells which nodes lack units.
    pub async fn finish_and_tell(mut self, tag: &str) -> Result<Written, WriteError> {
        match self.seal(tag).await {
            Ok(written) => Ok(written),
            Err(error) => {
                self.abort().await;
                Err(error)
            }
        }
    }

    /// Gives the object up and removes it from the nodes that answer; the others' share stays for a sweep.
    pub async fn abort(mut self) {
        // A put that is cut off may still reach the disk after the delete, so they are let end first.
        let _ = timeout(ABORT_PATIENCE, async { while self.puts.join_next().await.is_some() {} }).await;
        self.puts.shutdown().await;
        if let Err(error) = self.cluster.delete_object(self.object()).await {
            tracing::warn!(object = %self.object(), "left for a sweep: {error}");
        }
    }

    async fn seal(&mut self, tag: &str) -> Result<Written, WriteError> {
        self.core.close();
        loop {
            self.start_puts();
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            if let Some(layout) = self.core.poll_layout() {
                let mut lacking = self.core.lacking().clone();
                let manifest = Manifest::new(layout.clone(), tag);
                let whole = layout.nodes.iter().copied().filter(|node| !lacking.contains(node)).collect();
                for (node, error) in self.cluster.seal_on(&manifest, whole).await {
                    lacking.insert(node);
                    if lacking.len() > usize::from(layout.policy.parity) {
                        return Err(WriteError::Node(error));
                    }
                }
                if !lacking.is_empty() {
                    let object = self.object();
                    tracing::warn!(%object, "written, but for the units of {lacking:?}, which wait for a repair");
                }
                return Ok(Written { layout, lacking });
            }
            match self.puts.join_next().await {
                Some(done) => self.settle(done),
                None => return Err(WriteError::Aborted(self.object())),
            }
        }
    }

    fn start_puts(&mut self) {
        while let Some(put) = self.core.poll_put() {
            let (cluster, layout) = (self.cluster.clone(), self.layout.clone());
            self.puts.spawn(async move { (put.address, cluster.put_unit(&layout, put.address, put.data).await) });
        }
    }

    fn settle(&mut self, done: Result<(UnitAddress, Result<(), NodeError>), tokio::task::JoinError>) {
        match done {
            Ok((address, Ok(()))) => self.core.handle_stored(address),
            Ok((address, Err(error))) => {
                self.core.handle_failure(address);
                if matches!(self.core.state(), WriterState::Failed(_)) {
                    self.failed.get_or_insert(WriteError::Node(error));
                }
            }
            Err(_) => {
                self.failed.get_or_insert(WriteError::Aborted(self.layout.object));
            }
        }
    }
}
