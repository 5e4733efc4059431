//! What a front observes of each node: whether it answers, and how fast. Sans-IO.
//!
//! It sees the reads themselves and its own small checks. Observation is the front's own and never leaves it; what a
//! node is meant to do (serve, be drained) is somebody else's word. States change late in the good direction (several
//! good answers in a row) and early in the bad one, so that a node between two states stays in the worse one.

use crate::id::NodeId;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// Answers, and as fast as the others.
    Up,
    /// Answers far later than the others, or nonsense. Avoided, but for a read now and then to see whether it is better.
    Slow,
    /// Did not answer lately. Avoided, and checked often.
    Suspect,
    /// Has not answered for long. Avoided.
    Down,
}

/// One node as observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Who.
    pub node: NodeId,
    /// How it is.
    pub state: NodeState,
    /// Since when.
    pub since: Instant,
    /// In this time 95 of 100 of its last reads were answered; `None` before the first few.
    pub p95: Option<Duration>,
}

/// When states change.
#[derive(Clone, Copy, Debug)]
pub struct MembershipOptions {
    /// Between checks of a node that is up or down. Default 1 s.
    pub check_every: Duration,
    /// Between checks of a suspect. Default 250 ms.
    pub suspect_every: Duration,
    /// Failures in a row that make a node suspect. Default 2: one may be a connection that was just being closed.
    pub suspect_after: u32,
    /// A suspect is down after so long without an answer. Default 5 s.
    pub down_after: Duration,
    /// Good checks in a row that make a suspect, or one that is down, up again; for a suspect doubled, up to 16 times, each
    /// time it is one again soon. Default 2.
    pub up_after: u32,
    /// A read that took so many times what the others' slowest reads take counts as late. Default 8.
    pub slow_factor: u32,
    /// No read that was faster counts as late. Default 200 ms: when many viewers come at once all nodes lag.
    pub slow_floor: Duration,
    /// Late reads, less those in time, that make a node slow. Default 4.
    pub slow_after: u32,
    /// Between trial reads of a slow node, at first; doubled, up to 16 times, each time it is slow again soon. Default
    /// 500 ms.
    pub probe_every: Duration,
    /// Trial reads in time, in a row, that make a slow node up again. Default 3.
    pub probes_needed: u32,
}

impl Default for MembershipOptions {
    fn default() -> Self {
        Self {
            check_every: Duration::from_secs(1),
            suspect_every: Duration::from_millis(250),
            suspect_after: 2,
            down_after: Duration::from_secs(5),
            up_after: 2,
            slow_factor: 8,
            slow_floor: Duration::from_millis(200),
            slow_after: 4,
            probe_every: Duration::from_millis(500),
            probes_needed: 3,
        }
    }
}

/// Reads remembered of each node.
const WINDOW: usize = 64;
/// Before so many were answered there is no p95.
const FEW: usize = 16;
/// How long a node may take to answer a read before there is a p95.
const FIRST_PATIENCE: Duration = Duration::from_millis(250);
/// A read is never given less time than that.
const LEAST_PATIENCE: Duration = Duration::from_millis(30);
/// A node that is not well again within this time is tried less often, or must be well for longer.
const SOON: Duration = Duration::from_secs(30);
const MOST_DOUBLINGS: u32 = 4;

/// All nodes as observed.
///
/// Driving it: tell what reads see (`handle_answer`, `handle_late`, `handle_bad`, `handle_failure`); check the nodes
/// that `poll_check` gives and tell the results by `handle_check`; `poll_change` says that some node's state changed.
#[derive(Debug)]
pub struct Membership {
    options: MembershipOptions,
    nodes: BTreeMap<NodeId, Watched>,
    changed: Vec<(NodeId, NodeState)>,
}

#[derive(Debug)]
struct Watched {
    state: NodeState,
    since: Instant,
    /// In a row.
    failures: u32,
    /// In a row: checks, or trial reads in time.
    good: u32,
    late: u32,
    took: Vec<Duration>,
    next_took: usize,
    p95: Option<Duration>,
    check_due: Instant,
    probe_due: Instant,
    doublings: u32,
}

impl Membership {
    /// Nobody yet.
    pub fn new(options: MembershipOptions) -> Self {
        Self { options, nodes: BTreeMap::new(), changed: Vec::new() }
    }

    /// These are the nodes from now on; new ones count as up until seen otherwise.
    pub fn set_nodes(&mut self, nodes: impl IntoIterator<Item = NodeId>, now: Instant) {
        let mut old = std::mem::take(&mut self.nodes);
        self.nodes = nodes.into_iter().map(|id| (id, old.remove(&id).unwrap_or_else(|| Watched::new(now)))).collect();
    }

    /// Every node in the order of their ids.
    pub fn observations(&self) -> impl Iterator<Item = Observation> + '_ {
        self.nodes.iter().map(|(id, n)| Observation { node: *id, state: n.state, since: n.since, p95: n.p95 })
    }

    /// A node's state; one that is not known is down.
    pub fn state(&self, node: NodeId) -> NodeState {
        self.nodes.get(&node).map_or(NodeState::Down, |node| node.state)
    }

    /// How long to wait for a read of this node before doing something else about it.
    pub fn patience(&self, node: NodeId) -> Duration {
        let p95 = self.nodes.get(&node).and_then(|node| node.p95);
        p95.map_or(FIRST_PATIENCE, |p95| (p95 + p95 / 2).clamp(LEAST_PATIENCE, 4 * FIRST_PATIENCE))
    }

    /// A read of this node that takes longer is to be told by `handle_late`, even before it is answered.
    pub fn late_after(&self, node: NodeId) -> Duration {
        self.late_from(node).max(self.patience(node))
    }

    /// Whether a slow node is due for a trial read, which then counts as begun.
    pub fn poll_probe(&mut self, node: NodeId, now: Instant) -> bool {
        let every = self.options.probe_every;
        let Some(node) = self.nodes.get_mut(&node) else { return false };
        let due = node.state == NodeState::Slow && now >= node.probe_due;
        if due {
            node.probe_due = now + every * (1 << node.doublings);
        }
        due
    }

    /// A node to check now, which then counts as checked until `handle_check`.
    pub fn poll_check(&mut self, now: Instant) -> Option<NodeId> {
        let options = self.options;
        let (id, node) = self.nodes.iter_mut().find(|(_, node)| node.check_due <= now)?;
        node.check_due = now + options.every(node.state);
        Some(*id)
    }

    /// When the next check is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.nodes.values().map(|node| node.check_due).min()
    }

    /// A node whose state has changed since, and to what.
    pub fn poll_change(&mut self) -> Option<(NodeId, NodeState)> {
        self.changed.pop()
    }

    /// A check was answered or not.
    pub fn handle_check(&mut self, node: NodeId, good: bool, now: Instant) {
        if !good {
            return self.handle_failure(node, now);
        }
        let up_after = self.options.up_after;
        self.change(node, now, |node| {
            node.failures = 0;
            let needed = match node.state {
                NodeState::Up | NodeState::Slow => return None,
                // What answers checks may yet break off what is read: then each time more of them are wanted.
                NodeState::Suspect => up_after << node.doublings,
                NodeState::Down => up_after,
            };
            node.good += 1;
            (node.good >= needed).then_some(NodeState::Up)
        });
    }

    /// A read was answered, whole and true, in this time.
    pub fn handle_answer(&mut self, node: NodeId, took: Duration, now: Instant) {
        let (options, late) = (self.options, self.late_from(node));
        self.change(node, now, |node| {
            node.failures = 0;
            node.remember(took);
            match node.state {
                NodeState::Up if took > late => node.late(options.slow_after),
                NodeState::Slow if took > late => {
                    node.good = 0;
                    None
                }
                NodeState::Slow => {
                    node.good += 1;
                    (node.good >= options.probes_needed).then_some(NodeState::Up)
                }
                NodeState::Up => {
                    node.late = node.late.saturating_sub(1);
                    None
                }
                NodeState::Suspect | NodeState::Down => None,
            }
        });
    }

    /// A read was not answered within `late_after`, or not within its deadline.
    pub fn handle_late(&mut self, node: NodeId, now: Instant) {
        let slow_after = self.options.slow_after;
        self.change(node, now, |node| {
            // Whether it is slow or gone a check tells.
            node.check_due = node.check_due.min(now);
            node.good = 0;
            if node.state == NodeState::Up { node.late(slow_after) } else { None }
        });
    }

    /// A read was answered with something that is not what the node should have.
    pub fn handle_bad(&mut self, node: NodeId, now: Instant) {
        self.handle_late(node, now);
    }

    /// A read or check was not answered at all.
    pub fn handle_failure(&mut self, node: NodeId, now: Instant) {
        let options = self.options;
        self.change(node, now, |node| {
            node.failures += 1;
            node.good = 0;
            match node.state {
                NodeState::Up | NodeState::Slow => {
                    node.check_due = node.check_due.min(now);
                    (node.failures >= options.suspect_after).then_some(NodeState::Suspect)
                }
                NodeState::Suspect => {
                    (now.saturating_duration_since(node.since) >= options.down_after).then_some(NodeState::Down)
                }
                NodeState::Down => None,
            }
        });
    }

    fn change(&mut self, id: NodeId, now: Instant, event: impl FnOnce(&mut Watched) -> Option<NodeState>) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let Some(state) = event(node) else { return };
        if matches!(node.state, NodeState::Up) {
            let soon = now.saturating_duration_since(node.since) < SOON;
            node.doublings = if soon { (node.doublings + 1).min(MOST_DOUBLINGS) } else { 0 };
        }
        if state == NodeState::Slow {
            node.probe_due = now + self.options.probe_every * (1 << node.doublings);
        }
        (node.state, node.since, node.good, node.late) = (state, now, 0, 0);
        if state == NodeState::Up {
            // What it took while it was not well says nothing of it now.
            (node.took, node.next_took, node.p95) = (Vec::new(), 0, None);
        }
        node.check_due = node.check_due.min(now + self.options.every(state));
        self.changed.push((id, state));
    }

    /// A read of this node that takes longer is late: by what the other nodes take, the middle one of them.
    fn late_from(&self, node: NodeId) -> Duration {
        let mut others: Vec<Duration> = self
            .nodes
            .iter()
            .filter(|(id, other)| **id != node && other.state == NodeState::Up)
            .filter_map(|(_, other)| other.p95)
            .collect();
        others.sort_unstable();
        let usual = others.get(others.len() / 2).map_or(FIRST_PATIENCE, |usual| *usual * self.options.slow_factor);
        usual.max(self.options.slow_floor)
    }
}

impl MembershipOptions {
    fn every(&self, state: NodeState) -> Duration {
        if state == NodeState::Suspect { self.suspect_every } else { self.check_every }
    }
}

impl Watched {
    fn new(now: Instant) -> Self {
        Self {
            state: NodeState::Up,
            // Not slow soon after it came.
            since: now.checked_sub(SOON).unwrap_or(now),
            failures: 0,
            good: 0,
            late: 0,
            took: Vec::new(),
            next_took: 0,
            p95: None,
            check_due: now,
            probe_due: now,
            doublings: 0,
        }
    }

    fn late(&mut self, slow_after: u32) -> Option<NodeState> {
        self.late += 1;
        (self.late >= slow_after).then_some(NodeState::Slow)
    }

    fn remember(&mut self, took: Duration) {
        if self.took.len() < WINDOW {
            self.took.push(took);
        } else if let Some(oldest) = self.took.get_mut(self.next_took) {
            *oldest = took;
        }
        self.next_took = (self.next_took + 1) % WINDOW;
        // Sorting 64 numbers at every eighth read is nothing.
        if self.took.len() >= FEW && self.next_took.is_multiple_of(8) {
            let mut sorted = self.took.clone();
            sorted.sort_unstable();
            self.p95 = sorted.get(sorted.len() * 95 / 100).copied();
        }
    }
}

#[cfg(test)]
mod tests;
