//! What a front knows of its cluster: the intent, which the catalog keeps for all fronts, and its own observation.
//!
//! The catalog is asked again and again for the list of nodes and for layouts that were changed since; so nodes that
//! come and go and films that move need no restart. The nodes are asked whether they are well and how fast they read:
//! from that come the budgets of [`crate::admission`], and which films can't be read at all for now.

use crate::admission::{Admission, Budgets, NodeBudget};
use catalog::db::{Catalog, CatalogError, FrontReport, FrontShare, Intent, Member};
use futures_util::future::join_all;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use stripes::{
    id::NodeId,
    layout::Layout,
    membership::NodeState,
    net::{Limit, NodeAddress, SourceStatistics, UnitSource},
    rate::Yielding,
    wire::NodeStatistics,
};

/// How often catalog and nodes are asked.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// A node that takes longer for an answer does not count as well. (Playing has deadlines of its own.)
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// What was promised is told the catalog when it changes, and at least so often, in turns of [`ASK_EVERY`].
const TELL_EVERY: u32 = 10;
/// This part of what the slowest node reads may go into writing anew what viewers found bad.
const REPAIR_SHARE: u64 = 4;
/// Of fewer units than so many in a turn it is not told how many came late.
const MIN_ASKED: u64 = 10;
/// A front that starts waits so many turns of [`ASK_EVERY`] at most for its part of the nodes: if none is left, or who
/// holds it has died lately, it answers 453 until there is one.
const TURNS_FOR_A_PART: u32 = 4;
/// A node's measured rate says something once so much was read of it, bytes.
const MEASURED_AT: u64 = 64 << 20;

/// How a front watches its cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchOptions {
    /// By which the catalog knows this front: where it listens.
    pub name: String,
    /// Bits a second that the front's network takes; `None`: no bound.
    pub front_bps: Option<u64>,
    /// Share of a node's read rate that may be promised, 0 to 1.
    pub usable: f64,
}

/// A front's knowledge of its cluster; clones share it.
#[derive(Clone, Default)]
pub struct ClusterWatch(Arc<Mutex<HashMap<NodeId, String>>>);

/// What a node says of itself, or why it does not.
type Answer = Result<NodeStatistics, String>;

/// What one turn of asking needs.
struct Asking {
    catalog: Catalog,
    source: UnitSource,
    admission: Admission,
    options: WatchOptions,
    /// Of the repairs of what reads found bad.
    repairs: Limit,
    /// Up to which number changed layouts are known.
    moved: i64,
    /// The nodes by intent, as last heard.
    members: Vec<Member>,
    /// By what the part of the nodes was claimed last, and what came of it.
    asked: Option<Asked>,
    told: Option<FrontReport>,
    /// What was read up to the last turn.
    read: SourceStatistics,
    yielding: Yielding,
    /// The catalog did not answer last time.
    lost_catalog: bool,
}

/// What decides about this front's part of the nodes.
#[derive(PartialEq)]
struct Asked {
    report: FrontReport,
    budgets: BTreeMap<NodeId, u64>,
    others: Vec<(String, BTreeMap<NodeId, FrontShare>)>,
}

impl ClusterWatch {
    /// Asks catalog and nodes, so that what follows knows of them, until this front has its part of what the nodes can
    /// be promised for, and then until the runtime ends. From then on too, units that viewers find bad or missing are
    /// written anew.
    pub async fn start(catalog: Catalog, source: UnitSource, admission: Admission, options: WatchOptions) -> Self {
        let watch = Self::default();
        let mut asking = Asking {
            catalog,
            source,
            admission,
            options,
            repairs: Limit::default(),
            moved: 0,
            members: Vec::new(),
            asked: None,
            told: None,
            read: SourceStatistics::default(),
            yielding: Yielding::default(),
            lost_catalog: false,
        };
        asking.source.cluster().watch();
        asking.turn(&watch, 0).await;
        // Where other fronts hold all that nobody was promised, they give up some as soon as they hear of this one.
        for turn in 0..TURNS_FOR_A_PART {
            if asking.has_part() {
                break;
            }
            tokio::time::sleep(ASK_EVERY).await;
            asking.turn(&watch, turn).await;
        }
        let (source, limit) = (asking.source.clone(), asking.repairs.clone());
        tokio::spawn(async move { source.keep_repairing(&limit).await });
        let own = watch.clone();
        tokio::spawn(async move {
            for turn in 1u32.. {
                tokio::time::sleep(ASK_EVERY).await;
                asking.turn(&own, turn).await;
            }
        });
        watch
    }

    /// Why an object can't be read for now: more of its nodes are down than a row has parity units.
    pub fn unreadable(&self, layout: &Layout) -> Option<String> {
        let down = self.down();
        let mut lost = layout.nodes.iter().filter_map(|node| Some((node, down.get(node)?)));
        let (node, reason) = lost.next()?;
        let more = lost.count();
        let spare = usize::from(layout.policy.parity);
        (more + 1 > spare).then(|| format!("{} nodes are down, {spare} may be; node {node}: {reason}", more + 1))
    }

    /// Takes in what each node said of itself, or why it did not, beside what its checks and the reads came to. Only
    /// where both agree anything changes: one answer that got lost takes no film away.
    fn observe(&self, answers: &[(NodeId, Answer)], state: impl Fn(NodeId) -> NodeState) {
        let mut down = self.down();
        down.retain(|node, _| answers.iter().any(|(asked, _)| asked == node));
        for (node, answer) in answers {
            let was_down = down.contains_key(node);
            match (answer, state(*node)) {
                (Ok(_), NodeState::Up | NodeState::Slow) if was_down => {
                    down.remove(node);
                    tracing::info!(%node, "node up again");
                }
                (Err(error), NodeState::Suspect | NodeState::Down) if !was_down => {
                    down.insert(*node, error.clone());
                    tracing::error!(%node, error, "node down");
                }
                _ => {}
            }
        }
    }

    fn is_down(&self, node: NodeId) -> bool {
        self.down().contains_key(&node)
    }

    fn down(&self) -> MutexGuard<'_, HashMap<NodeId, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asking {
    async fn turn(&mut self, watch: &ClusterWatch, turn: u32) {
        match self.ask_catalog().await {
            Ok(()) => self.lost_catalog = false,
            // The program ends.
            Err(_) if self.catalog.is_closed() => return,
            Err(error) if !self.lost_catalog => {
                tracing::error!(%error, "the catalog does not answer; going on with what is known");
                self.lost_catalog = true;
            }
            Err(_) => {}
        }
        let cluster = self.source.cluster();
        let asks = cluster.nodes().into_iter().map(|node| async move {
            let answer = match tokio::time::timeout(ANSWER_LIMIT, cluster.statistics(node.id)).await {
                Ok(answer) => answer.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no answer within {} s", ANSWER_LIMIT.as_secs())),
            };
            (node.id, answer)
        });
        let answers = join_all(asks).await;
        watch.observe(&answers, |node| cluster.node_state(node));
        let mut nodes = node_budgets(&answers, &self.members, self.options.usable, |node| watch.is_down(node));
        self.tell(turn, &nodes).await;
        for (node, budget) in &mut nodes {
            let share = self.told.as_ref().and_then(|told| told.nodes.get(node));
            budget.held_bps = share.map(|share| share.held_bps);
        }
        self.admission.set_budgets(Budgets { front_bps: self.options.front_bps, nodes });
        let rates = answers.iter().filter_map(|(_, answer)| Some(answer.as_ref().ok()?.read_rate));
        if let Some(slowest) = rates.filter(|rate| *rate > 0).min() {
            let late = self.told.as_ref().map_or(0, |told| told.late_percent);
            self.repairs.set(Some(self.yielding.rate((slowest / REPAIR_SHARE).max(1), late)));
        }
    }

    /// Which nodes there are to ask, and what lies elsewhere than before.
    async fn ask_catalog(&mut self) -> Result<(), CatalogError> {
        let members = self.catalog.members().await?;
        if members != self.members {
            let wanted = members.iter().filter(|member| member.intent != Intent::Removed);
            let addresses = wanted.map(|member| NodeAddress { id: member.node.id, url: member.node.url.clone() });
            if let Err(error) = self.source.cluster().set_nodes(addresses.collect()) {
                tracing::error!(%error, "the catalog's nodes can't be used; going on with those before");
            }
            self.members = members;
        }
        let (layouts, moved) = self.catalog.moved_since(self.moved).await?;
        for layout in layouts {
            tracing::info!(object = %layout.object, generation = layout.generation, "lies elsewhere now");
            self.source.relocate(Arc::new(layout));
        }
        for (old, layout) in self.catalog.rewritten_since(self.moved).await? {
            self.source.replace(old, Arc::new(layout));
        }
        self.moved = moved;
        Ok(())
    }

    /// Tells the catalog what was promised, for `cluster status` and for the other fronts, and hears what this one may
    /// promise from now on.
    async fn tell(&mut self, turn: u32, budgets: &BTreeMap<NodeId, NodeBudget>) {
        let promised = self.admission.promised();
        let by_nodes = self.admission.promised_by_nodes();
        let budgets: BTreeMap<NodeId, u64> =
            budgets.iter().filter_map(|(node, budget)| Some((*node, budget.bps?))).collect();
        let share = |node: &NodeId| {
            let promised_bps = by_nodes.get(node).copied().unwrap_or(0);
            (*node, FrontShare { promised_bps, held_bps: 0 })
        };
        let report = FrontReport {
            name: self.options.name.clone(),
            viewers: promised.viewers,
            promised_bps: promised.bps,
            possible_bps: promised.possible_bps,
            nodes: budgets.keys().map(share).collect(),
            late_percent: self.late_percent(),
            seen: 0,
        };
        let others = self.catalog.fronts().await.unwrap_or_default().into_iter();
        let others = others.filter(|front| front.name != report.name).map(|front| (front.name, front.nodes)).collect();
        let asked = Asked { report, budgets, others };
        if self.asked.as_ref() == Some(&asked) && !turn.is_multiple_of(TELL_EVERY) {
            return;
        }
        match self.catalog.claim(&asked.report, &asked.budgets).await {
            Ok(told) => (self.told, self.asked) = (Some(told), Some(asked)),
            Err(error) => tracing::debug!(%error, "not told what is promised"),
        }
    }

    /// Whether there is something of every node that this front may promise.
    fn has_part(&self) -> bool {
        let shares = self.told.as_ref().map(|told| told.nodes.values());
        shares.is_some_and(|mut shares| shares.all(|share| share.held_bps > 0))
    }

    /// Of the units that were asked for since the last turn, how many came late or not from their node.
    fn late_percent(&mut self) -> u8 {
        let now = self.source.statistics();
        let before = std::mem::replace(&mut self.read, now);
        let asked = now.misses.saturating_sub(before.misses);
        let late = now.reads_late.saturating_sub(before.reads_late);
        // Of very few one says nothing.
        if asked < MIN_ASKED { 0 } else { (late.saturating_mul(100) / asked).min(100) as u8 }
    }
}

/// What each node can be promised for. One that is being emptied counts as one that is down, and so does one that was:
/// the others have its part soon, or have it already, whatever the layout by which a viewer began.
fn node_budgets(
    answers: &[(NodeId, Answer)],
    members: &[Member],
    share: f64,
    is_down: impl Fn(NodeId) -> bool,
) -> BTreeMap<NodeId, NodeBudget> {
    let told: BTreeMap<NodeId, u64> =
        members.iter().filter_map(|member| Some((member.node.id, member.read_rate?))).collect();
    let budget = |(node, answer): &(NodeId, Answer)| {
        let rate = answer.as_ref().ok().and_then(|statistics| read_rate(statistics, told.get(node).copied()));
        (*node, NodeBudget { bps: rate.map(|rate| usable(rate, share)), held_bps: None, up: !is_down(*node) })
    };
    let mut budgets: BTreeMap<NodeId, NodeBudget> = answers.iter().map(budget).collect();
    for member in members.iter().filter(|member| member.intent != Intent::Active) {
        let none = NodeBudget { bps: None, held_bps: None, up: false };
        budgets.entry(member.node.id).or_insert(none).up = false;
    }
    budgets
}

/// Bytes a second that a node reads: as it was told, as the catalog was, or as it measured.
fn read_rate(statistics: &NodeStatistics, told: Option<u64>) -> Option<u64> {
    let measured = (statistics.bytes_read >= MEASURED_AT && statistics.read_rate > 0).then_some(statistics.read_rate);
    statistics.read_limit.or(told).or(measured)
}

/// The usable share of a node's read rate (bytes a second), bits a second.
fn usable(rate: u64, share: f64) -> u64 {
    (rate as f64 * 8.0 * share) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog::db::Node;
    use stripes::{
        id::ObjectId,
        layout::{MIN_UNIT_SIZE, Policy},
    };

    #[test]
    fn a_film_is_unreadable_when_more_are_down_than_parity_makes_up_for() {
        let layout = |parity| {
            let policy = Policy { unit_size: MIN_UNIT_SIZE, data: 2, parity };
            Layout::new(ObjectId(1), 1, policy, (1..5).map(NodeId).collect(), 0)
        };
        for (down, parity, words) in [
            (&[][..], 1, None),
            (&[2][..], 1, None),
            (&[9, 8][..], 1, None),
            (&[2, 3][..], 1, Some("2 nodes are down, 1 may be; node 0000000000000002: gone")),
            (&[2, 3][..], 2, None),
            (&[2, 3, 4][..], 2, Some("3 nodes are down, 2 may be")),
            (&[4][..], 0, Some("1 nodes are down, 0 may be")),
        ] {
            let watch = ClusterWatch::default();
            let gone: Vec<_> = down.iter().map(|node| (NodeId(*node), Err("gone".to_owned()))).collect();
            watch.observe(&gone, |_| NodeState::Up);
            assert_eq!(watch.unreadable(&layout(0)), None, "only one of two says so");
            watch.observe(&gone, |_| NodeState::Suspect);
            let found = watch.unreadable(&layout(parity));
            match words {
                None => assert_eq!(found, None, "{down:?}, {parity}"),
                Some(words) => assert!(found.as_ref().is_some_and(|found| found.contains(words)), "{found:?}"),
            }
            // Back, or not asked any more.
            let back: Vec<_> = gone.iter().skip(1).map(|(node, _)| (*node, Ok(NodeStatistics::default()))).collect();
            watch.observe(&back, |_| NodeState::Up);
            assert_eq!(watch.unreadable(&layout(0)), None);
        }
    }

    #[test]
    fn nodes_that_are_emptied_are_not_counted_on() {
        let member =
            |(id, intent)| Member { node: Node { id: NodeId(id), url: String::new() }, intent, read_rate: Some(1_000) };
        let intents = [(1, Intent::Active), (2, Intent::Active), (3, Intent::Draining), (4, Intent::Removed)];
        let answer = |id| (NodeId(id), Ok(NodeStatistics::default()));
        // Whoever was removed is not asked any more, and the catalog may not know who is.
        let budgets = node_budgets(&[1, 2, 3, 5].map(answer), &intents.map(member), 0.5, |node| node == NodeId(2));
        let found: Vec<_> = budgets.iter().map(|(node, budget)| (node.0, budget.up, budget.bps)).collect();
        let all = [
            (1, true, Some(4_000)),
            (2, false, Some(4_000)),
            (3, false, Some(4_000)),
            (4, false, None),
            (5, true, None),
        ];
        assert_eq!(found, all);
    }

    #[test]
    fn the_rate_that_was_told_comes_before_the_one_measured() {
        let statistics = |limit, measured, read| NodeStatistics {
            read_limit: limit,
            read_rate: measured,
            bytes_read: read,
            ..NodeStatistics::default()
        };
        for (given, told, rate) in [
            (statistics(Some(10), 10, 0), Some(20), Some(10)),
            (statistics(None, 30, MEASURED_AT), Some(20), Some(20)),
            (statistics(None, 30, MEASURED_AT), None, Some(30)),
            (statistics(None, 30, MEASURED_AT - 1), None, None),
            (statistics(None, 0, 0), None, None),
        ] {
            assert_eq!(read_rate(&given, told), rate, "{given:?}, {told:?}");
        }
        assert_eq!(usable(12_000_000, 0.85), 81_600_000);
    }
}
