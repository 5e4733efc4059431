//! Work on the cluster while everybody watches: films spread anew, nodes emptied, units made whole again.
//!
//! One [`Task`] at a time over all processes (the catalog's jobs exclude each other), in the process that asks for it.
//! Every step can be broken off at any point: what moves is on the catalog's books from before its first unit is
//! copied until the last one that nobody needs is gone, the old layout holds until the new one is whole, and doing a
//! step again does only what is missing of it. So after a crash the same task again is all that is needed.
//!
//! Where fewer nodes are left than a row has units, the objects are written anew with narrower rows and the same parity,
//! and the catalog names the new ones in their stead.
//!
//! What only the old layout needs stays for a while ([`Operator::grace`]): so long a front may take to hear of the
//! new one. A front that hears of it later reads such units by their rows; of an object that was written anew it reads
//! nothing more until it hears of that.

mod bring;
mod repair;
mod rewrite;
#[cfg(test)]
mod tests;

use crate::db::{Begun, Catalog, CatalogError, HEARTBEAT, Intent, Job, JobKind, JobProgress, ObjectState, now};
use crate::index::IndexError;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use stripes::id::{NodeId, ObjectId};
use stripes::net::{Cluster, ClusterError, Limit, MoveError, NodeAddress, ReadError, WriteError};
use stripes::rate::Yielding;
use stripes::rebalance::PlanError;

/// How often progress is told and kept.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// How often the fronts' word of their viewers is heard: as often as it is said.
const HEED_EVERY: Duration = Duration::from_secs(1);
/// How long a node has to say that it is there before units go to others.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// How often work is looked for: a film may be added to the old set while the others are moved.
const MAX_ROUNDS: usize = 4;
/// By default so long units stay where they were: a front asks the catalog each second.
pub const GRACE: Duration = Duration::from_secs(10);
/// Problems that are named.
const MAX_PROBLEMS: usize = 100;
/// Films that a refusal names.
const MAX_NAMED: usize = 10;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Spread all films evenly over the active nodes.
    Rebalance,
    /// Move all off a node, which takes nothing new from now on.
    Drain(NodeId),
    /// The same, and ask it no more. What a dead one had is computed from the rows.
    Remove(NodeId),
    /// Write anew what is missing where it should be.
    Rebuild,
    /// Read everything, write anew what is bad or missing, delete what is nobody's.
    Scrub,
}

/// What came of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Bytes and units.
    pub progress: JobProgress,
    /// Objects that lie elsewhere now, or were made whole.
    pub objects: u64,
    /// Objects that still have units where they don't belong, since a node did not answer; a later task tries again.
    pub untidy: u64,
    /// What is not as it should be, each with its reason.
    pub problems: Vec<String>,
}

/// Why a task ended early. What was done stays; the same task goes on with the rest.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// The catalog says no.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Another task runs.
    #[error("another task runs: {} (number {}), {} of {} bytes done", .0.kind.word(), .0.id, .0.done, .0.total)]
    Busy(Box<Job>),
    /// The catalog has a node's address wrong.
    #[error(transparent)]
    Address(#[from] ClusterError),
    /// The catalog knows no such node.
    #[error("no node {0} in the catalog")]
    NoNode(NodeId),
    /// There would be too few nodes for the rows of these films.
    #[error(
        "{films} {row} nodes each at least, one for data and one for each parity unit, and there would be {nodes}; add a \
         node first, or remove them and add them again with less parity"
    )]
    TooFewNodes {
        /// Their names, and that they need.
        films: String,
        /// Units in the narrowest row with as much parity, of the film with most.
        row: usize,
        /// Nodes that could have them.
        nodes: usize,
    },
    /// An object can't be written anew.
    #[error("object {object}, written anew: {error}")]
    Rewrite {
        /// Which.
        object: ObjectId,
        /// Why.
        error: RewriteError,
    },
    /// No layout can be made.
    #[error("object {object}: {error}")]
    Plan {
        /// Which.
        object: ObjectId,
        /// Why.
        error: PlanError,
    },
    /// A unit can't be had or not be brought where it should go.
    #[error("object {object}: {error}")]
    Move {
        /// Which.
        object: ObjectId,
        /// Why.
        error: MoveError,
    },
    /// Films are being added, maybe to that very node.
    #[error("{0} objects are being written; the node can be removed when they are done")]
    BeingAdded(u64),
    /// Something is left on a node that was to be emptied.
    #[error("{objects} objects still lie on node {node}")]
    Left {
        /// The node.
        node: NodeId,
        /// How many.
        objects: usize,
    },
}

/// Why an object can't be written anew for rows of another width. It stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// It can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The nodes don't take it.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The index, which names the media object, is none.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Does tasks.
#[derive(Clone)]
pub struct Operator {
    /// What is wanted.
    pub catalog: Catalog,
    /// Who has it.
    pub cluster: Cluster,
    /// Bytes a second that the work may read.
    pub limit: Limit,
    /// Whether that is the usual share of what the nodes read, and follows what they measure.
    pub usual_limit: bool,
    /// How long units stay where they were after a move.
    pub grace: Duration,
}

/// What the catalog was told of a job, and when.
struct Told {
    progress: JobProgress,
    at: Instant,
}

impl Told {
    /// Whether it is to be told again: where there is news, and, so that a process on another machine does not take this
    /// one for dead while it looks through many objects or waits, every now and then.
    fn is_old(&self, progress: &JobProgress, now: Instant) -> bool {
        *progress != self.progress || now.saturating_duration_since(self.at) >= HEARTBEAT
    }
}

/// Counted while a task runs.
#[derive(Debug, Default)]
struct Counters {
    done: AtomicU64,
    total: AtomicU64,
    bad: AtomicU64,
    repaired: AtomicU64,
}

impl Counters {
    fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Relaxed);
    }

    fn progress(&self) -> JobProgress {
        let (done, total) = (self.done.load(Relaxed), self.total.load(Relaxed));
        JobProgress { done, total: total.max(done), bad: self.bad.load(Relaxed), repaired: self.repaired.load(Relaxed) }
    }
}

impl Operator {
    /// Does a task to its end; `heard` is told how far it is, a few times a second.
    pub async fn run(&self, task: Task, mut heard: impl FnMut(JobProgress)) -> Result<Done, OperateError> {
        let (kind, node) = task.names();
        if let Some(node) = node
            && !self.catalog.members().await?.iter().any(|member| member.node.id == node)
        {
            return Err(OperateError::NoNode(node));
        }
        let job = match self.catalog.begin_job(kind, node).await? {
            Begun::Job(job) => job,
            Begun::Busy(other) => return Err(OperateError::Busy(other)),
        };
        let counters = Counters::default();
        // Both go on all the time: the one may wait for the catalog while the other has it.
        let result = tokio::select! {
            result = self.work(task, &counters) => result,
            Err(error) = self.tell(job, &counters, &mut heard) => Err(error),
            never = self.heed_viewers() => match never {},
        };
        let progress = counters.progress();
        heard(progress);
        self.catalog.job_progress(job, &progress).await?;
        let note = match &result {
            Ok(done) => done.problems.join("; "),
            Err(error) => error.to_string(),
        };
        self.catalog.end_job(job, result.is_ok(), &note).await?;
        result.map(|done| Done { progress, ..done })
    }

    /// Says how far the task is, again and again.
    async fn tell(
        &self,
        job: i64,
        counters: &Counters,
        heard: &mut impl FnMut(JobProgress),
    ) -> Result<Infallible, OperateError> {
        let mut told = Told { progress: JobProgress::default(), at: Instant::now() };
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            let (progress, at) = (counters.progress(), Instant::now());
            heard(progress);
            if told.is_old(&progress, at) {
                self.catalog.job_progress(job, &progress).await?;
                told = Told { progress, at };
            }
        }
    }

    /// Takes less while fronts say that what their viewers read comes late, and what it may else.
    async fn heed_viewers(&self) -> Infallible {
        let Some(mut most) = self.limit.rate() else { return std::future::pending().await };
        let mut yielding = Yielding::default();
        loop {
            tokio::time::sleep(HEED_EVERY).await;
            if self.usual_limit {
                most = self.usual_limit().await.unwrap_or(most);
            }
            // Without the catalog nothing is known of viewers; the work itself will say so.
            let Ok(fronts) = self.catalog.fronts().await else { continue };
            let late = fronts.iter().map(|front| front.late_percent).max().unwrap_or(0);
            self.limit.set(Some(yielding.rate(most, late)));
        }
    }

    /// Bytes a second that work may read by default; `None` where a node takes too long to say what it reads.
    async fn usual_limit(&self) -> Option<u64> {
        let nodes: Vec<NodeId> = self.cluster.nodes().into_iter().map(|node| node.id).collect();
        tokio::time::timeout(ANSWER_LIMIT, self.cluster.maintenance_rate(&nodes)).await.ok()
    }

    async fn work(&self, task: Task, counters: &Counters) -> Result<Done, OperateError> {
        match task {
            Task::Rebalance => {
                let mut done = self.spread(None, counters).await?;
                self.delete_strays(None, &mut done).await?;
                Ok(done)
            }
            Task::Drain(node) => self.empty(node, counters).await,
            Task::Remove(node) => {
                let mut done = self.empty(node, counters).await?;
                let writing = self
                    .catalog
                    .unsealed_objects()
                    .await?
                    .into_iter()
                    .filter(|row| row.state == ObjectState::Writing && row.owner.is_alive(row.heartbeat, now()));
                match writing.count() as u64 {
                    0 => {}
                    count => return Err(OperateError::BeingAdded(count)),
                }
                let layouts = self.catalog.sealed_layouts().await?;
                let objects = layouts.iter().filter(|layout| layout.nodes.contains(&node)).count();
                if objects > 0 {
                    return Err(OperateError::Left { node, objects });
                }
                self.delete_strays(Some(node), &mut done).await?;
                self.catalog.set_intent(node, Intent::Removed).await?;
                done.untidy = self.tidy(Duration::ZERO).await?;
                Ok(done)
            }
            Task::Rebuild => self.repair_all(false, counters).await,
            Task::Scrub => self.repair_all(true, counters).await,
        }
    }

    /// Moves everything off a node; if that can't be, it stays what it was.
    async fn empty(&self, node: NodeId, counters: &Counters) -> Result<Done, OperateError> {
        let members = self.catalog.members().await?;
        let member = members.into_iter().find(|member| member.node.id == node);
        let before = member.as_ref().map(|member| member.intent);
        self.catalog.set_intent(node, Intent::Draining).await?;
        // Removed before, as a lost one that is back now: asked again to see whether it is empty.
        let mut nodes = self.cluster.nodes();
        if let Some(member) = member
            && !nodes.iter().any(|other| other.id == node)
        {
            nodes.push(NodeAddress { id: node, url: member.node.url });
            self.cluster.set_nodes(nodes)?;
        }
        let done = self.spread(Some(node), counters).await;
        if let (Err(OperateError::Plan { .. } | OperateError::TooFewNodes { .. }), Some(before)) = (&done, before) {
            self.catalog.set_intent(node, before).await?;
        }
        done
    }
}

impl Task {
    fn names(self) -> (JobKind, Option<NodeId>) {
        match self {
            Task::Rebalance => (JobKind::Rebalance, None),
            Task::Drain(node) => (JobKind::Drain, Some(node)),
            Task::Remove(node) => (JobKind::Remove, Some(node)),
            Task::Rebuild => (JobKind::Rebuild, None),
            Task::Scrub => (JobKind::Scrub, None),
        }
    }
}
