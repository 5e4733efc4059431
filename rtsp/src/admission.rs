//! A session is a promise: whoever plays gets the film's rate to its end, so nobody may start for whom there is none.
//!
//! - Each node has a budget, the usable share of the rate at which it reads ([`NodeBudget`]); each front has one, its
//!   network ([`Budgets::front_bps`]). Without a number there is no bound.
//! - A [`Promise`] takes what the film needs ([`Demand`]: its tracks' busiest seconds together, times Scale and Speed)
//!   from the front, and from the nodes of its stripe set in equal parts. It is changed where another rate is asked for,
//!   and gives all back when it is dropped: at PAUSE, TEARDOWN, the timeout, the end.
//! - Several fronts have the same nodes. Each promises of a node only what it holds of it by the catalog's books
//!   ([`NodeBudget::held_bps`]), so that together they never promise more than there is.
//! - With a node down (or being emptied) its part falls to the others of the set, which read parity in its stead: so
//!   promises made before weigh more on the nodes that are left. None is broken for that, but new ones are refused until
//!   there is room.
//!
//! What is promised counts units as if each were read for each viewer: a cache makes it less, never more.
//!
//! No clock and no sockets: [`Ledger`] computes, [`Admission`] is the same behind a lock, shared by all connections.

mod demand;
#[cfg(test)]
mod tests;

pub use demand::Demand;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use stripes::id::NodeId;

/// What there is to promise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budgets {
    /// Bits a second that this front sends at most; `None`: no bound.
    pub front_bps: Option<u64>,
    /// The nodes that are known.
    pub nodes: BTreeMap<NodeId, NodeBudget>,
}

/// What one node can be promised for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeBudget {
    /// Bits a second that it reads, the usable share already taken; `None`: no bound.
    pub bps: Option<u64>,
    /// Bits a second of those that this front may promise; `None`: all.
    pub held_bps: Option<u64>,
    /// Whether it can be counted on: it answers, and is not being emptied.
    pub up: bool,
}

/// Why there is no promise (453).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{who} is to give {promised} of {possible} kbit/s already and {asked} more are asked for")]
pub struct NotEnough {
    /// This front, or which node.
    pub who: String,
    /// kbit/s promised.
    pub promised: u64,
    /// kbit/s there are.
    pub possible: u64,
    /// kbit/s that it would have to give more.
    pub asked: u64,
}

/// How much is promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promised {
    /// Viewers that play.
    pub viewers: u64,
    /// Bits a second to them all.
    pub bps: u64,
    /// Bits a second that could be promised in all as things stand; `None` where nothing bounds it.
    pub possible_bps: Option<u64>,
}

impl NodeBudget {
    /// Bits a second that this front may promise.
    fn to_promise(self) -> Option<u64> {
        match (self.bps, self.held_bps) {
            (Some(bps), Some(held)) => Some(bps.min(held)),
            (bps, _) => bps,
        }
    }
}

/// The books: budgets and what is taken from them.
#[derive(Debug, Default)]
pub struct Ledger {
    budgets: Budgets,
    sent_bps: u64,
    viewers: u64,
    /// Bits a second from each stripe set, its nodes sorted.
    sets: BTreeMap<Arc<[NodeId]>, u64>,
}

impl Ledger {
    /// What there is to promise from now on; what is promised stays.
    pub fn set_budgets(&mut self, budgets: Budgets) {
        self.budgets = budgets;
    }

    /// Takes what a viewer of an object on `set` asks for, or says who can't give it.
    pub fn take(&mut self, set: &Arc<[NodeId]>, demand: Demand) -> Result<(), NotEnough> {
        if let Some(possible) = self.budgets.front_bps
            && self.sent_bps.saturating_add(demand.sent_bps) > possible
        {
            return Err(not_enough("this front".to_owned(), self.sent_bps, possible, demand.sent_bps));
        }
        let asked = demand.read_bps / self.up(set).max(1);
        for node in set.iter().filter(|node| self.is_up(node)) {
            let Some(possible) = self.budgets.nodes.get(node).and_then(|budget| budget.to_promise()) else { continue };
            let promised = self.promised_by(node);
            if promised.saturating_add(asked) > possible {
                return Err(not_enough(format!("node {node}"), promised, possible, asked));
            }
        }
        self.put_down(set, demand);
        Ok(())
    }

    /// Gives back what was taken.
    pub fn give_back(&mut self, set: &Arc<[NodeId]>, demand: Demand) {
        self.sent_bps = self.sent_bps.saturating_sub(demand.sent_bps);
        self.viewers = self.viewers.saturating_sub(1);
        if let Some(of_set) = self.sets.get_mut(set) {
            *of_set = of_set.saturating_sub(demand.read_bps);
            if *of_set == 0 {
                self.sets.remove(set);
            }
        }
    }

    /// Gives back `old` and takes `new`; where that can't be had, all stays as it was.
    pub fn exchange(&mut self, old: (&Arc<[NodeId]>, Demand), new: (&Arc<[NodeId]>, Demand)) -> Result<(), NotEnough> {
        self.give_back(old.0, old.1);
        let taken = self.take(new.0, new.1);
        if taken.is_err() {
            self.put_down(old.0, old.1);
        }
        taken
    }

    fn put_down(&mut self, set: &Arc<[NodeId]>, demand: Demand) {
        self.sent_bps = self.sent_bps.saturating_add(demand.sent_bps);
        self.viewers += 1;
        let of_set = self.sets.entry(set.clone()).or_default();
        *of_set = of_set.saturating_add(demand.read_bps);
    }

    /// How much is promised.
    pub fn promised(&self) -> Promised {
        let bounds: Option<u64> =
            self.budgets.nodes.values().filter(|node| node.up).map(|node| node.bps).sum::<Option<u64>>();
        // No nodes at all bound nothing that is known here.
        let bounds = bounds.filter(|_| self.budgets.nodes.values().any(|node| node.up));
        let possible_bps = match (bounds, self.budgets.front_bps) {
            (Some(nodes), Some(front)) => Some(nodes.min(front)),
            (nodes, front) => nodes.or(front),
        };
        Promised { viewers: self.viewers, bps: self.sent_bps, possible_bps }
    }

    /// Bits a second that a node has to give by what was promised, as things stand.
    pub fn promised_by(&self, node: &NodeId) -> u64 {
        let with = self.sets.iter().filter(|(set, _)| set.contains(node));
        with.map(|(set, bps)| bps / self.up(set).max(1)).fold(0, u64::saturating_add)
    }

    /// How many of a set are up.
    fn up(&self, set: &[NodeId]) -> u64 {
        set.iter().filter(|node| self.is_up(node)).count() as u64
    }

    /// A node that nobody has heard of may well be.
    fn is_up(&self, node: &NodeId) -> bool {
        self.budgets.nodes.get(node).is_none_or(|budget| budget.up)
    }
}

fn not_enough(who: String, promised: u64, possible: u64, asked: u64) -> NotEnough {
    NotEnough { who, promised: promised / 1000, possible: possible / 1000, asked: asked / 1000 }
}

/// A front's [`Ledger`], shared by all its connections. The default promises everything.
#[derive(Clone, Debug, Default)]
pub struct Admission(Arc<Mutex<Ledger>>);

impl Admission {
    /// Promises a viewer of what lies on `nodes` what it needs, for as long as the promise lives.
    pub fn promise(&self, nodes: &[NodeId], demand: Demand) -> Result<Promise, NotEnough> {
        let set = sorted(nodes);
        self.ledger().take(&set, demand)?;
        Ok(Promise { admission: self.clone(), set, demand })
    }

    /// What there is to promise from now on.
    pub fn set_budgets(&self, budgets: Budgets) {
        self.ledger().set_budgets(budgets);
    }

    /// How much is promised.
    pub fn promised(&self) -> Promised {
        self.ledger().promised()
    }

    /// Bits a second that each known node has to give by what was promised.
    pub fn promised_by_nodes(&self) -> BTreeMap<NodeId, u64> {
        let ledger = self.ledger();
        ledger.budgets.nodes.keys().map(|node| (*node, ledger.promised_by(node))).collect()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sorted(nodes: &[NodeId]) -> Arc<[NodeId]> {
    let mut set = nodes.to_vec();
    set.sort_unstable();
    set.dedup();
    set.into()
}

/// What a viewer that plays was promised; dropped, it is given back.
pub struct Promise {
    admission: Admission,
    set: Arc<[NodeId]>,
    demand: Demand,
}

impl Promise {
    /// Another demand in its stead, of these nodes; where that can't be had, it stays what it was.
    pub fn change(&mut self, nodes: &[NodeId], demand: Demand) -> Result<(), NotEnough> {
        let set = sorted(nodes);
        self.admission.ledger().exchange((&self.set, self.demand), (&set, demand))?;
        (self.set, self.demand) = (set, demand);
        Ok(())
    }
}

impl fmt::Debug for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise").field("demand", &self.demand).finish_non_exhaustive()
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.admission.ledger().give_back(&self.set, self.demand);
    }
}
