//! Objects to where they are wanted.

use super::rewrite::{Narrow, narrower};
use super::{ANSWER_LIMIT, Counters, Done, MAX_NAMED, MAX_ROUNDS, OperateError, Operator};
use crate::db::{CatalogError, Intent, Member, Move, MoveState, ObjectState, now};
use crate::sweep::sweep;
use futures_util::future::join_all;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use stripes::id::{NodeId, ObjectId};
use stripes::layout::{Layout, LayoutError};
use stripes::rebalance::{PlanError, moves, plan};
use tokio::time::{sleep, timeout};

/// Moves that are done before those that have waited long enough are tidied up.
const TIDY_EVERY: usize = 32;

/// What is to be done to objects.
#[derive(Default)]
struct Work {
    /// From where to where.
    moving: Vec<(Layout, Layout)>,
    /// Those with too wide rows.
    narrow: Vec<Narrow>,
}

/// The nodes as they are just now.
struct Nodes {
    members: Vec<Member>,
    answering: BTreeSet<NodeId>,
}

impl Operator {
    /// Brings all objects (only those that lie on `off`, if one is named) to the nodes that are wanted.
    pub(super) async fn spread(&self, off: Option<NodeId>, counters: &Counters) -> Result<Done, OperateError> {
        let mut done = Done::default();
        for _ in 0..MAX_ROUNDS {
            let Work { moving, narrow } = self.planned(off).await?;
            if moving.is_empty() && narrow.is_empty() {
                break;
            }
            let bytes = moving.iter().flat_map(|(old, new)| moves(old, new)).map(|unit| unit.bytes);
            let written = narrow.iter().map(|one| one.old.length);
            counters.total.fetch_add(bytes.sum::<u64>().saturating_add(written.sum()), Relaxed);
            for (number, (old, new)) in moving.iter().enumerate() {
                done.objects += u64::from(self.bring(old, new, counters).await?);
                if number % TIDY_EVERY == TIDY_EVERY - 1 {
                    self.tidy(self.grace).await?;
                }
            }
            done.objects += self.rewrite_all(narrow, counters).await?;
        }
        self.wait_for_grace().await?;
        done.untidy = self.tidy(self.grace).await?;
        done.untidy += sweep(&self.catalog, &self.cluster).await?.left.len() as u64;
        Ok(done)
    }

    /// Ends every move that was begun and broken off. One that can't be ended now is a problem of the outcome, no more.
    pub(super) async fn finish_moves(&self, counters: &Counters) -> Result<Done, OperateError> {
        let mut done = Done::default();
        let rows = self.catalog.moves().await?.into_iter().filter(|row| row.state == MoveState::Copying);
        let begun: BTreeSet<ObjectId> = rows.map(|row| row.old.object).collect();
        if begun.is_empty() {
            return Ok(done);
        }
        let Work { moving, mut narrow } = self.planned(None).await?;
        // One that there are no longer enough nodes for: its nodes would not take repairs by the old layout.
        narrow.retain(|one| begun.contains(&one.old.object));
        counters.total.fetch_add(narrow.iter().map(|one| one.old.length).sum(), Relaxed);
        done.objects += self.rewrite_all(narrow, counters).await?;
        for (old, new) in moving.iter().filter(|(old, _)| begun.contains(&old.object)) {
            counters.total.fetch_add(moves(old, new).map(|unit| unit.bytes).sum(), Relaxed);
            let mut brought = self.bring(old, new, counters).await;
            if let Err(OperateError::Move { .. }) = brought {
                // A node may have lost what was to stay there; that is mended in the old layout as far as may be.
                self.cluster.repair(old, &self.limit, |_| {}).await;
                brought = self.bring(old, new, counters).await;
            }
            match brought {
                Ok(moved) => done.objects += u64::from(moved),
                Err(error @ OperateError::Move { .. }) => done.problem(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        self.wait_for_grace().await?;
        Ok(done)
    }

    /// Which objects are to go from where to where. Fails before anything is moved if one can't.
    async fn planned(&self, off: Option<NodeId>) -> Result<Work, OperateError> {
        let nodes = self.nodes().await?;
        let moving: HashMap<ObjectId, Move> =
            self.catalog.moves().await?.into_iter().map(|row| (row.old.object, row)).collect();
        let (mut work, mut too_wide) = (Work::default(), Vec::new());
        for layout in self.catalog.sealed_layouts().await? {
            let begun = moving.get(&layout.object).filter(|row| row.state == MoveState::Copying);
            if begun.is_none() && off.is_some_and(|node| !layout.nodes.contains(&node)) {
                continue;
            }
            let wanted = nodes.wanted(&layout);
            let new = match begun {
                // Gone on with, if it goes where it should.
                Some(row) if same_nodes(&row.new.nodes, &wanted) && row.old == layout => row.new.clone(),
                _ => match plan(&layout, &wanted) {
                    Ok(new) => new,
                    Err(PlanError::Layout(LayoutError::FewNodes { nodes, .. })) => {
                        match narrower(layout.policy, nodes) {
                            Some(policy) => work.narrow.push(Narrow { old: layout, policy, nodes: wanted }),
                            None => too_wide.push((layout.object, usize::from(layout.policy.parity) + 1, nodes)),
                        }
                        continue;
                    }
                    Err(error) => return Err(OperateError::Plan { object: layout.object, error }),
                },
            };
            if new != layout {
                work.moving.push((layout, new));
            } else if begun.is_some() {
                // It is to stay after all: what was copied already goes when this is committed.
                let new = Layout { generation: layout.generation.saturating_add(1), ..layout.clone() };
                work.moving.push((layout, new));
            }
        }
        match too_wide.iter().max_by_key(|(_, row, _)| *row) {
            None => Ok(work),
            Some((_, row, nodes)) => {
                let objects = too_wide.iter().map(|(object, ..)| *object).collect();
                Err(OperateError::TooFewNodes { films: self.need(&objects).await?, row: *row, nodes: *nodes })
            }
        }
    }

    /// The presentations that these objects are of, by name, and that they need something.
    async fn need(&self, objects: &BTreeSet<ObjectId>) -> Result<String, CatalogError> {
        let all = self.catalog.presentations().await?.into_iter();
        let films = all.filter(|film| objects.contains(&film.media.object) || objects.contains(&film.index.object));
        let names: Vec<String> = films.map(|film| film.name).collect();
        Ok(match names.split_at_checked(MAX_NAMED) {
            Some((named, more @ [_, ..])) => format!("{} and {} more films need", named.join(", "), more.len()),
            _ if names.is_empty() => format!("{} objects of channels need", objects.len()),
            _ => format!("{} need", names.join(", ")),
        })
    }

    /// One object to its new place. False where it is not there any more.
    async fn bring(&self, old: &Layout, new: &Layout, counters: &Counters) -> Result<bool, OperateError> {
        if !self.catalog.begin_move(old, new).await? {
            return Ok(false);
        }
        let object = old.object;
        let moved = self.cluster.move_object(old, new, &self.limit, |bytes| counters.add(bytes)).await;
        match moved {
            Ok(new) if self.catalog.commit_move(&new).await? => Ok(true),
            // Removed meanwhile: whatever came after its bytes were deleted goes too.
            _ if !self.catalog.is_sealed(object).await? => {
                self.forget(object).await?;
                Ok(false)
            }
            Ok(_) => Ok(false),
            Err(error) => Err(OperateError::Move { object, error }),
        }
    }

    /// Deletes what is left where it no longer belongs, of moves that were committed so long ago; says of how many
    /// objects some is left, because a node did not answer.
    pub async fn tidy(&self, grace: Duration) -> Result<u64, OperateError> {
        let members = self.catalog.members().await?;
        let removed = |node| members.iter().any(|m| m.node.id == node && m.intent == Intent::Removed);
        let mut untidy = 0;
        for row in self.catalog.moves().await? {
            let age = now().saturating_sub(row.since);
            if row.state != MoveState::Committed || age < i64::try_from(grace.as_secs()).unwrap_or(i64::MAX) {
                continue;
            }
            let object = row.new.object;
            if !self.catalog.is_sealed(object).await? {
                self.forget(object).await?;
                continue;
            }
            // An earlier, abandoned plan may have brought units to any node.
            let mut from = row.old.clone();
            let others = self.cluster.nodes().into_iter().map(|node| node.id);
            from.nodes = from.nodes.into_iter().chain(others).filter(|node| !removed(*node)).collect();
            let left = self.cluster.drop_moved(&from, &row.new).await;
            match left.first() {
                None => self.catalog.end_move(object).await?,
                Some(error) => {
                    tracing::warn!(%object, "units stay where they don't belong until later: {error}");
                    untidy += 1;
                }
            }
        }
        Ok(untidy)
    }

    /// Takes an object that was removed while it moved off the books, once its bytes are gone.
    async fn forget(&self, object: ObjectId) -> Result<(), OperateError> {
        match self.cluster.delete_object(object).await {
            Ok(()) => self.catalog.end_move(object).await?,
            Err(error) => tracing::warn!(%object, "its bytes stay until later: {error}"),
        }
        Ok(())
    }

    /// Waits until what every committed move and every object written anew left behind may go.
    async fn wait_for_grace(&self) -> Result<(), OperateError> {
        let moves = self.catalog.moves().await?;
        let latest = moves.iter().filter(|row| row.state == MoveState::Committed).map(|row| row.since).max();
        if let Some(latest) = latest {
            let age = Duration::from_secs(u64::try_from(now().saturating_sub(latest)).unwrap_or(0));
            sleep(self.grace.saturating_sub(age)).await;
        }
        let unsealed = self.catalog.unsealed_objects().await?;
        let doomed = unsealed.iter().filter(|row| row.state == ObjectState::Doomed).map(|row| row.heartbeat);
        let left = doomed.max().map_or(0, |until| until.saturating_sub(now()));
        // Whatever became of the clock since.
        sleep(Duration::from_secs(u64::try_from(left).unwrap_or(0)).min(self.grace)).await;
        Ok(())
    }

    pub(super) async fn answering(&self) -> BTreeSet<NodeId> {
        let asks = self.cluster.nodes().into_iter().map(|node| async move {
            timeout(ANSWER_LIMIT, self.cluster.health(node.id)).await.ok()?.ok().map(|_| node.id)
        });
        join_all(asks).await.into_iter().flatten().collect()
    }

    async fn nodes(&self) -> Result<Nodes, OperateError> {
        Ok(Nodes { members: self.catalog.members().await?, answering: self.answering().await })
    }
}

impl Nodes {
    /// Where an object should lie: on the active nodes. One that does not answer keeps what it has and gets nothing
    /// more.
    fn wanted(&self, layout: &Layout) -> Vec<NodeId> {
        let active = self.members.iter().filter(|member| member.intent == Intent::Active).map(|member| member.node.id);
        active.filter(|node| self.answering.contains(node) || layout.nodes.contains(node)).collect()
    }
}

fn same_nodes(one: &[NodeId], other: &[NodeId]) -> bool {
    let set = |nodes: &[NodeId]| nodes.iter().copied().collect::<BTreeSet<_>>();
    set(one) == set(other)
}
