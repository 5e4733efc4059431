//! Writes one object to the nodes: the `Writer` core over a `Cluster`.

use super::{cluster::Cluster, error::NodeError};
use crate::{
    id::{NodeId, ObjectId},
    layout::{Layout, Policy, UnitAddress},
    manifest::Manifest,
    writer::{Writer, WriterError, WriterOptions},
};
use std::{sync::Arc, time::Duration};
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

/// Why an object can't be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Policy and nodes don't go together.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// A node failed.
    #[error("writing: {0}")]
    Node(#[from] NodeError),
    /// A put was torn down from within; only when the runtime is being shut down.
    #[error("writing object {0}: a put ended without a result")]
    Aborted(ObjectId),
}

impl ObjectWriter {
    /// Begins a new object over `nodes`, its first unit on a random one of them, so that short objects spread too.
    pub fn create(cluster: &Cluster, policy: Policy, nodes: Vec<NodeId>) -> Result<Self, WriteError> {
        let object = ObjectId::random();
        let count = u16::try_from(nodes.len()).unwrap_or(u16::MAX);
        let first = rand::random::<u16>().checked_rem(count).unwrap_or(0);
        let core = Writer::new(object, policy, nodes.clone(), first, WriterOptions::default())?;
        let layout = Arc::new(Layout { object, length: u64::MAX, policy, nodes, first });
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

    /// Ends the object: waits for its last units and seals it on every node of the set. On an error the object
    /// is not complete and `abort`ed as far as that is possible.
    pub async fn finish(mut self, tag: &str) -> Result<Layout, WriteError> {
        match self.seal(tag).await {
            Ok(layout) => Ok(layout),
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

    async fn seal(&mut self, tag: &str) -> Result<Layout, WriteError> {
        self.core.close();
        loop {
            self.start_puts();
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            if let Some(layout) = self.core.poll_layout() {
                self.cluster.seal(&Manifest::new(layout.clone(), tag)).await?;
                return Ok(layout);
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
                self.failed.get_or_insert(WriteError::Node(error));
            }
            Err(_) => {
                self.failed.get_or_insert(WriteError::Aborted(self.layout.object));
            }
        }
    }
}
