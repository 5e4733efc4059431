//! A session is a promise: whoever plays gets the film's rate to its end, so nobody may start for whom there is none.
//!
//! - Each node has a budget, the usable share of the rate at which it reads ([`NodeBudget`]); each front has one, its
//!   network ([`Budgets::front_bps`]). Without a number there is no bound.
//! - A [`Promise`] takes the film's rate (its tracks' busiest seconds together) from the front, and from the nodes of
//!   its stripe set in equal parts. It gives both back when it is dropped: at PAUSE, TEARDOWN, the timeout, the end.
//! - With a node down its part falls to the others of the set, which read parity in its stead: so promises made before
//!   weigh more on the nodes that are left. None is broken for that, but new ones are refused until there is room.
//!
//! What is promised counts units as if each were read for each viewer: a cache makes it less, never more.
//!
//! No clock and no sockets: [`Ledger`] computes, [`Admission`] is the same behind a lock, shared by all connections.

use crate::plan::RTP_SHARE;
use catalog::index::{Index, Track};
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
    /// Whether it answers.
    pub up: bool,
}

/// What one viewer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Bits a second from the nodes: all tracks of the film, since its units hold them all.
    pub read_bps: u64,
    /// Bits a second to the viewer.
    pub sent_bps: u64,
}

impl Demand {
    /// What a viewer of these tracks of a film takes, `tracks` by their places in the index.
    pub fn of(index: &Index, tracks: impl Iterator<Item = usize>) -> Self {
        let rate = |track: &Track| u64::from(track.bandwidth_bps);
        let read_bps = index.tracks.iter().map(rate).fold(0, u64::saturating_add);
        let sent: u64 = tracks.filter_map(|track| index.tracks.get(track)).map(rate).fold(0, u64::saturating_add);
        Self { read_bps, sent_bps: (sent as f64 / RTP_SHARE) as u64 }
    }
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
            let Some(possible) = self.budgets.nodes.get(node).and_then(|budget| budget.bps) else { continue };
            let promised = self.promised_by(node);
            if promised.saturating_add(asked) > possible {
                return Err(not_enough(format!("node {node}"), promised, possible, asked));
            }
        }
        self.sent_bps = self.sent_bps.saturating_add(demand.sent_bps);
        self.viewers += 1;
        let of_set = self.sets.entry(set.clone()).or_default();
        *of_set = of_set.saturating_add(demand.read_bps);
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
        let mut set = nodes.to_vec();
        set.sort_unstable();
        set.dedup();
        let set = set.into();
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

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a viewer that plays was promised; dropped, it is given back.
pub struct Promise {
    admission: Admission,
    set: Arc<[NodeId]>,
    demand: Demand,
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

#[cfg(test)]
mod tests {
    use super::*;

    const MBIT: u64 = 1_000_000;

    fn set(nodes: &[u64]) -> Arc<[NodeId]> {
        nodes.iter().copied().map(NodeId).collect()
    }

    fn budgets(front_mbit: Option<u64>, nodes: &[(u64, Option<u64>, bool)]) -> Budgets {
        let node = |(id, mbit, up): &(u64, Option<u64>, bool)| {
            (NodeId(*id), NodeBudget { bps: mbit.map(|mbit| mbit * MBIT), up: *up })
        };
        Budgets { front_bps: front_mbit.map(|mbit| mbit * MBIT), nodes: nodes.iter().map(node).collect() }
    }

    fn viewer(mbit: u64) -> Demand {
        Demand { read_bps: mbit * MBIT, sent_bps: mbit * MBIT }
    }

    /// How many viewers of 1 Mbit/s on `set` are let in.
    fn admitted(ledger: &mut Ledger, set: &Arc<[NodeId]>) -> u64 {
        (0..1_000).take_while(|_| ledger.take(set, viewer(1)).is_ok()).count() as u64
    }

    #[test]
    fn the_tightest_budget_decides() {
        let (yes, no) = (true, false);
        let four = [1, 2, 3, 4];
        let even = |mbit| [(1, mbit, yes), (2, mbit, yes), (3, mbit, yes), (4, mbit, yes)];
        for (name, budgets, nodes, viewers) in [
            ("no bounds", budgets(None, &[]), &four[..], 1_000),
            ("four nodes of 25", budgets(None, &even(Some(25))), &four, 100),
            ("the front is less", budgets(Some(60), &even(Some(25))), &four, 60),
            ("one is slow", budgets(None, &[(1, Some(25), yes), (2, Some(10), yes)]), &[1, 2], 20),
            ("one is unknown", budgets(None, &[(1, Some(25), yes)]), &[1, 2], 50),
            ("one is unbounded", budgets(None, &[(1, Some(25), yes), (2, None, yes)]), &[1, 2], 50),
            (
                "one of four is down",
                budgets(None, &[even(Some(25))[0], even(Some(25))[1], (3, Some(25), yes), (4, Some(25), no)]),
                &four,
                75,
            ),
            ("the others don't count", budgets(None, &[(1, Some(30), yes), (9, Some(1), yes)]), &[1], 30),
        ] {
            let mut ledger = Ledger::default();
            ledger.set_budgets(budgets);
            assert_eq!(admitted(&mut ledger, &set(nodes)), viewers, "{name}");
        }
    }

    #[test]
    fn what_is_given_back_can_be_promised_again() {
        let mut ledger = Ledger::default();
        ledger.set_budgets(budgets(None, &[(1, Some(10), true), (2, Some(10), true)]));
        let (both, first) = (set(&[1, 2]), set(&[1]));
        assert_eq!(admitted(&mut ledger, &first), 10);
        let error = ledger.take(&both, viewer(2)).unwrap_err();
        assert_eq!(
            error,
            NotEnough { who: format!("node {}", NodeId(1)), promised: 10_000, possible: 10_000, asked: 1_000 }
        );
        assert!(error.to_string().contains("10000 of 10000 kbit/s already and 1000 more"), "{error}");
        ledger.give_back(&first, viewer(1));
        assert_eq!(ledger.take(&both, viewer(2)), Ok(()));
        assert_eq!(ledger.promised(), Promised { viewers: 10, bps: 11 * MBIT, possible_bps: Some(20 * MBIT) });
        ledger.give_back(&both, viewer(2));
        (0..9).for_each(|_| ledger.give_back(&first, viewer(1)));
        assert_eq!(ledger.promised(), Promised { viewers: 0, bps: 0, possible_bps: Some(20 * MBIT) });
        assert!(ledger.sets.is_empty());
    }

    #[test]
    fn a_lost_node_weighs_on_the_others_and_breaks_no_promise() {
        let mut ledger = Ledger::default();
        let four =
            |up| budgets(None, &[(1, Some(25), true), (2, Some(25), true), (3, Some(25), true), (4, Some(25), up)]);
        ledger.set_budgets(four(true));
        let all = set(&[1, 2, 3, 4]);
        (0..90).for_each(|_| ledger.take(&all, viewer(1)).unwrap());
        ledger.set_budgets(four(false));
        assert_eq!(ledger.promised(), Promised { viewers: 90, bps: 90 * MBIT, possible_bps: Some(75 * MBIT) });
        assert_eq!(ledger.promised_by(&NodeId(1)), 30 * MBIT);
        assert!(ledger.take(&all, viewer(1)).is_err());
        (0..16).for_each(|_| ledger.give_back(&all, viewer(1)));
        assert!(ledger.take(&all, viewer(1)).is_ok());
        assert!(ledger.take(&all, viewer(1)).is_err());
        ledger.set_budgets(four(true));
        assert_eq!(admitted(&mut ledger, &all), 25);
    }

    #[test]
    fn a_promise_is_given_back_when_it_is_dropped() {
        let admission = Admission::default();
        admission.set_budgets(budgets(Some(2), &[]));
        let nodes = [NodeId(2), NodeId(1)];
        let first = admission.promise(&nodes, viewer(1)).unwrap();
        let second = admission.promise(&nodes, viewer(1)).unwrap();
        assert!(admission.promise(&nodes, viewer(1)).unwrap_err().to_string().starts_with("this front"));
        drop(first);
        let third = admission.promise(&nodes, viewer(1));
        assert!(third.is_ok());
        drop((second, third));
        assert_eq!(admission.promised(), Promised { viewers: 0, bps: 0, possible_bps: Some(2 * MBIT) });
    }
}
