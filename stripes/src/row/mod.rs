//! One unit, or part of it, for whoever waits for it: from its node, or from any `k` others of its row. Sans-IO.
//!
//! A viewer plays in order, so the other data units of a row are wanted anyway: with a node gone the row costs a parity
//! unit instead of the lost one, and no more. The same answers a node that is late: past the patience with it the unit
//! is rebuilt meanwhile, and whichever comes first is taken. That is bounded by a budget, since in health it is waste;
//! for a node that is avoided, and for a unit half of whose time is over, it is not.

use crate::{
    id::NodeId,
    layout::{Layout, UnitAddress},
    parity,
};
use bytes::Bytes;
use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

/// What a read must know of the nodes.
pub trait Nodes {
    /// Whether to ask others as long as there are any.
    fn is_avoided(&self, node: NodeId) -> bool;
    /// Whether an avoided node is due for a trial read, which then counts as begun.
    fn may_probe(&mut self, node: NodeId, now: Instant) -> bool;
    /// How long to wait for this node.
    fn patience(&self, node: NodeId) -> Duration;
    /// After how long it is worth telling whoever watches the nodes: a node that is slower than the others, not only
    /// than it was.
    fn late_after(&self, node: NodeId) -> Duration;
    /// Whether so many bytes more may be read only because a node is late; then they count as spent.
    fn may_hedge(&mut self, bytes: u64) -> bool;
}

/// One data unit, or some of its bytes, being read: then of others of its row the same ones.
///
/// Driving it: `poll` until it waits; fetch the units that it names (all at once) and bring each in by `handle_unit` or
/// `handle_failure`; poll again then, at the time that it names, and when the state of a node changes.
#[derive(Debug)]
pub struct RowRead {
    layout: Arc<Layout>,
    wanted: UnitAddress,
    /// Of each unit, as far as it reaches.
    part: Range<u32>,
    begun: Instant,
    deadline: Instant,
    sources: Vec<Source>,
    /// Positions that have failed in passing before.
    failed_before: Vec<u8>,
    /// The rest of the row is being read.
    rebuilding: bool,
}

/// One unit of the row.
#[derive(Clone, Debug)]
enum Source {
    /// Not asked for.
    Idle,
    /// Asked for then; told as late or not.
    Asked { since: Instant, told: bool },
    /// Here; empty past the object's end.
    Here(Bytes),
    /// The connection broke, or the node had too much to do: once more then, if there is nobody else.
    Again { after: Instant },
    /// Not to be counted on. Where others don't answer and there is nobody else it is asked for again then: the node may
    /// be back, or the unit written anew.
    Failed { after: Instant },
}

/// Before a unit is asked for once more.
const PAUSE: Duration = Duration::from_millis(100);
/// Before one that is not counted on any more is asked for again.
const LONG_PAUSE: Duration = Duration::from_millis(500);

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowStep {
    /// Fetch this unit, or [`RowRead::part`] of it, from its node, if it is not at hand.
    Fetch(UnitAddress),
    /// This unit's node is very late: for whoever watches the nodes.
    Late(UnitAddress),
    /// Wait for units, until then at most.
    Wait(Option<Instant>),
    /// Here it is, with all that had to be rebuilt of the row's data (itself too, then).
    Done(Bytes, Vec<(UnitAddress, Bytes)>),
    /// Neither it nor enough of its row can be had.
    Lost,
}

impl RowRead {
    /// Of the data unit at `wanted`, needed at `deadline`.
    pub fn new(layout: Arc<Layout>, wanted: UnitAddress, now: Instant, deadline: Instant) -> Self {
        Self::of_part(layout, wanted, 0..u32::MAX, now, deadline)
    }

    /// Of the bytes `part` of the data unit at `wanted`, needed at `deadline`.
    pub fn of_part(
        layout: Arc<Layout>,
        wanted: UnitAddress,
        part: Range<u32>,
        now: Instant,
        deadline: Instant,
    ) -> Self {
        let sources = vec![Source::Idle; layout.row_width()];
        let (failed_before, rebuilding) = (Vec::new(), false);
        let mut core = Self { layout, wanted, part, begun: now, deadline, sources, failed_before, rebuilding };
        for position in 0..core.sources.len() {
            if core.part(core.address(position)).is_empty() {
                core.sources[position] = Source::Here(Bytes::new());
            }
        }
        core
    }

    /// The bytes of a unit of the row that are to be fetched.
    pub fn part(&self, address: UnitAddress) -> Range<u32> {
        let length = u32::try_from(self.layout.unit_length(address)).unwrap_or(u32::MAX);
        self.part.start.min(length)..self.part.end.min(length)
    }

    /// A unit of the row came, or its part. Its length must be the right one.
    pub fn handle_unit(&mut self, address: UnitAddress, data: Bytes) {
        self.settle(address, Source::Here(data));
    }

    /// A unit of the row can't be had from its node. What `passes`, as a connection that broke does, is tried once more
    /// when nobody else is left to ask, before the unit is lost; whatever failed is tried again as long as others, whose
    /// answers would do, don't come.
    pub fn handle_failure(&mut self, address: UnitAddress, passes: bool, now: Instant) {
        if passes && !self.failed_before.contains(&address.position) {
            self.failed_before.push(address.position);
            self.settle(address, Source::Again { after: now + PAUSE });
        } else {
            self.settle(address, Source::Failed { after: now + LONG_PAUSE });
        }
    }

    /// What to do next.
    pub fn poll(&mut self, now: Instant, nodes: &mut impl Nodes) -> RowStep {
        let own = usize::from(self.wanted.position);
        match &self.sources[own] {
            Source::Here(data) => return RowStep::Done(data.clone(), Vec::new()),
            Source::Failed { .. } | Source::Again { .. } => self.rebuilding = true,
            Source::Idle if !self.rebuilding => {
                let node = self.layout.node(self.wanted);
                if !nodes.is_avoided(node) || !self.can_rebuild(nodes) {
                    return self.ask(own, now);
                }
                self.rebuilding = true;
                // How soon a part comes says nothing of whole units.
                if self.is_whole() && nodes.may_probe(node, now) {
                    return self.ask(own, now);
                }
            }
            _ => {}
        }
        if let Some(done) = self.rebuilt() {
            return done;
        }
        if let Some(late) = self.newly_late(now, nodes) {
            return RowStep::Late(late);
        }
        if !self.rebuilding && self.should_hedge(now, nodes) {
            self.rebuilding = true;
        }
        if self.rebuilding {
            let possible = self.sources.iter().filter(|source| !matches!(source, Source::Failed { .. })).count();
            let own_failed = matches!(self.sources[own], Source::Failed { .. });
            if own_failed && possible < usize::from(self.layout.policy.data) {
                return RowStep::Lost;
            }
            if self.promised(now, nodes) < usize::from(self.layout.policy.data) {
                // The last resort is its own node, avoided or not, and then those that failed in passing.
                let own_idle = matches!(self.sources[own], Source::Idle).then_some(own);
                if let Some(next) = self.next_source(nodes).or(own_idle).or_else(|| self.next_again(now)) {
                    return self.ask(next, now);
                }
            }
        }
        RowStep::Wait(self.next_look(now, nodes))
    }

    fn ask(&mut self, position: usize, now: Instant) -> RowStep {
        self.sources[position] = Source::Asked { since: now, told: false };
        RowStep::Fetch(self.address(position))
    }

    fn rebuilt(&self) -> Option<RowStep> {
        let here = |source: &Source| if let Source::Here(data) = source { Some(data.clone()) } else { None };
        let units: Vec<_> = self.sources.iter().map(here).collect();
        if units.iter().flatten().count() < usize::from(self.layout.policy.data) {
            return None;
        }
        let lengths: Vec<_> = (0..units.len()).map(|at| self.part(self.address(at)).len()).collect();
        let all = parity::rebuild(self.layout.policy, &units, &lengths).ok()?;
        let data = usize::from(self.layout.policy.data);
        let lost = (0..data).filter(|at| units[*at].is_none()).map(|at| (self.address(at), all[at].clone())).collect();
        Some(RowStep::Done(all[usize::from(self.wanted.position)].clone(), lost))
    }

    /// Whether the unit can be rebuilt from nodes that are not avoided.
    fn can_rebuild(&self, nodes: &impl Nodes) -> bool {
        let good = |at: &usize| {
            *at != usize::from(self.wanted.position)
                && match &self.sources[*at] {
                    Source::Here(_) => true,
                    Source::Failed { .. } | Source::Again { .. } => false,
                    Source::Idle | Source::Asked { .. } => !nodes.is_avoided(self.layout.node(self.address(*at))),
                }
        };
        (0..self.sources.len()).filter(good).count() >= usize::from(self.layout.policy.data)
    }

    /// Units that are here or may still come in time.
    fn promised(&self, now: Instant, nodes: &impl Nodes) -> usize {
        let own = usize::from(self.wanted.position);
        let promised = |(at, source): &(usize, &Source)| match source {
            Source::Here(_) => true,
            Source::Asked { .. } => *at != own && !self.is_late(*at, now, nodes),
            Source::Idle | Source::Again { .. } | Source::Failed { .. } => false,
        };
        self.sources.iter().enumerate().filter(promised).count()
    }

    /// What to ask next: data before parity, since it is wanted anyway; avoided nodes last.
    fn next_source(&self, nodes: &impl Nodes) -> Option<usize> {
        let own = usize::from(self.wanted.position);
        let idle = (0..self.sources.len()).filter(|at| *at != own && matches!(self.sources[*at], Source::Idle));
        idle.min_by_key(|at| nodes.is_avoided(self.layout.node(self.address(*at))))
    }

    /// What failed and may be asked for again, first what is more likely to come.
    fn next_again(&self, now: Instant) -> Option<usize> {
        let again = |source: &Source| matches!(source, Source::Again { after } if *after <= now);
        let failed = |source: &Source| matches!(source, Source::Failed { after } if *after <= now);
        self.sources.iter().position(again).or_else(|| self.sources.iter().position(failed))
    }

    fn should_hedge(&self, now: Instant, nodes: &mut impl Nodes) -> bool {
        let own = usize::from(self.wanted.position);
        if !self.is_late(own, now, nodes) || self.layout.policy.parity == 0 {
            return false;
        }
        if now >= self.half_time() {
            return true;
        }
        let avoided = nodes.is_avoided(self.layout.node(self.wanted));
        self.can_rebuild(nodes) && (avoided || nodes.may_hedge(self.part(self.wanted).len() as u64))
    }

    fn is_late(&self, position: usize, now: Instant, nodes: &impl Nodes) -> bool {
        let Source::Asked { since, .. } = self.sources[position] else { return false };
        let node = self.layout.node(self.address(position));
        nodes.is_avoided(node) || now >= since + nodes.patience(node) || now >= self.half_time()
    }

    fn newly_late(&mut self, now: Instant, nodes: &impl Nodes) -> Option<UnitAddress> {
        for position in 0..self.sources.len() {
            let node = self.layout.node(self.address(position));
            if let Source::Asked { since, told } = &mut self.sources[position]
                && !*told
                && now >= *since + nodes.late_after(node)
            {
                *told = true;
                return Some(self.address(position));
            }
        }
        None
    }

    /// When something that is asked for becomes late.
    fn next_look(&self, now: Instant, nodes: &impl Nodes) -> Option<Instant> {
        let node = |position| self.layout.node(self.address(position));
        let times = self.sources.iter().enumerate().flat_map(|(position, source)| match source {
            Source::Asked { since, .. } => {
                [nodes.patience(node(position)), nodes.late_after(node(position))].map(|time| Some(*since + time))
            }
            Source::Again { after } | Source::Failed { after } => [Some(*after), None],
            Source::Idle | Source::Here(_) => [None, None],
        });
        let times = times.flatten();
        times.chain([self.half_time()]).filter(|time| *time > now).min()
    }

    fn is_whole(&self) -> bool {
        let part = self.part(self.wanted);
        part.start == 0 && u64::from(part.end) == self.layout.unit_length(self.wanted)
    }

    fn half_time(&self) -> Instant {
        self.begun + self.deadline.saturating_duration_since(self.begun) / 2
    }

    fn address(&self, position: usize) -> UnitAddress {
        UnitAddress { row: self.wanted.row, position: position as u8 }
    }

    fn settle(&mut self, address: UnitAddress, new: Source) {
        if let Some(source) = self.sources.get_mut(usize::from(address.position))
            && address.row == self.wanted.row
            && !matches!(source, Source::Here(_))
        {
            *source = new;
        }
    }
}

/// How much may be read twice because a node is late: a share of what is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    left: u64,
}

/// Percent of the bytes read.
const BUDGET_PERCENT: u64 = 5;
/// No more is saved up than that: bytes.
const MOST_SAVED: u64 = 16 << 20;

impl Budget {
    /// So much was read.
    pub fn earn(&mut self, bytes: u64) {
        self.left = (self.left + bytes * BUDGET_PERCENT).min(MOST_SAVED * 100);
    }

    /// Takes so much out, if it is there.
    pub fn spend(&mut self, bytes: u64) -> bool {
        let cost = bytes.saturating_mul(100);
        let enough = self.left >= cost;
        if enough {
            self.left -= cost;
        }
        enough
    }
}

#[cfg(test)]
mod tests;
