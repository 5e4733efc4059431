//! The nodes as this process observes them: the `Membership` core over the clock and small checks.

use super::{
    cluster::{Cluster, Inner},
    error::NodeFailure,
};
use crate::{
    id::NodeId,
    membership::{Membership, MembershipOptions, NodeState, Observation},
    row::{Budget, Nodes},
};
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinSet, time::sleep};
use tracing::{info, warn};

/// Time for a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is looked whether checks are due.
const TICK: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Watch {
    core: Mutex<Membership>,
    budget: Mutex<Budget>,
    changes: watch::Sender<()>,
    checking: AtomicBool,
}

impl Watch {
    pub fn new() -> Self {
        let core = Mutex::new(Membership::new(MembershipOptions::default()));
        Self { core, budget: Mutex::default(), changes: watch::channel(()).0, checking: false.into() }
    }

    pub fn set_nodes(&self, nodes: impl IntoIterator<Item = NodeId>) {
        self.core().set_nodes(nodes, Instant::now());
    }

    /// A read of a unit ended, after this time.
    pub fn read<T>(&self, node: NodeId, result: Result<&T, &NodeFailure>, took: Duration) {
        let now = Instant::now();
        let mut core = self.core();
        match result {
            Ok(_) => core.handle_answer(node, took, now),
            Err(NodeFailure::Late(_) | NodeFailure::Busy(_)) => core.handle_late(node, now),
            Err(NodeFailure::Checksum { .. } | NodeFailure::Answer(_)) => core.handle_bad(node, now),
            Err(NodeFailure::Unreachable(_)) => core.handle_failure(node, now),
            // Said at once and in good form: the node is well, whatever its disk holds.
            Err(
                NodeFailure::Absent(_)
                | NodeFailure::Damaged(_)
                | NodeFailure::Full(_)
                | NodeFailure::Refused(..)
                | NodeFailure::Unknown,
            ) => {}
        }
        self.tell(core);
    }

    /// A read of a unit is taking longer than it should.
    pub fn late(&self, node: NodeId) {
        let mut core = self.core();
        core.handle_late(node, Instant::now());
        self.tell(core);
    }

    /// So much was read, which earns the right to read some twice.
    pub fn earn(&self, bytes: u64) {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner).earn(bytes);
    }

    /// Hears of every change of any node's state.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn core(&self) -> MutexGuard<'_, Membership> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, mut core: MutexGuard<'_, Membership>) {
        let mut changed = false;
        while let Some((node, state)) = core.poll_change() {
            changed = true;
            match state {
                NodeState::Up => info!(%node, "the node is up"),
                NodeState::Slow | NodeState::Suspect | NodeState::Down => warn!(%node, "the node is {state:?}"),
            }
        }
        drop(core);
        if changed {
            self.changes.send_replace(());
        }
    }
}

impl Nodes for &Watch {
    fn is_avoided(&self, node: NodeId) -> bool {
        self.core().state(node) != NodeState::Up
    }

    fn may_probe(&mut self, node: NodeId, now: Instant) -> bool {
        self.core().poll_probe(node, now)
    }

    fn patience(&self, node: NodeId) -> Duration {
        self.core().patience(node)
    }

    fn late_after(&self, node: NodeId) -> Duration {
        self.core().late_after(node)
    }

    fn may_hedge(&mut self, bytes: u64) -> bool {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner).spend(bytes)
    }
}

impl Cluster {
    /// Every node as this process observes it: by the reads of its [`super::UnitSource`]s, and by small checks from the
    /// first of those reads, or [`Cluster::watch`], on.
    pub fn observations(&self) -> Vec<Observation> {
        self.0.watch.core().observations().collect()
    }

    /// How one node is; one that the cluster does not know is down.
    pub fn node_state(&self, node: NodeId) -> NodeState {
        self.0.watch.core().state(node)
    }

    /// Checks the nodes from now on, for as long as there is a clone of this cluster. Once is enough; needs a tokio
    /// runtime around it.
    pub fn watch(&self) {
        if !self.0.watch.checking.swap(true, SeqCst) {
            tokio::spawn(check_all(std::sync::Arc::downgrade(&self.0)));
        }
    }
}

async fn check_all(inner: Weak<Inner>) {
    let mut checks = JoinSet::new();
    loop {
        let Some(cluster) = inner.upgrade().map(Cluster) else { return };
        while let Some(node) = { cluster.0.watch.core().poll_check(Instant::now()) } {
            let inner = inner.clone();
            checks.spawn(async move {
                let Some(cluster) = inner.upgrade().map(Cluster) else { return };
                let good = cluster.answers(node, CHECK_TIMEOUT).await;
                let mut core = cluster.0.watch.core();
                core.handle_check(node, good, Instant::now());
                cluster.0.watch.tell(core);
            });
        }
        drop(cluster);
        while checks.try_join_next().is_some() {}
        sleep(TICK).await;
    }
}
