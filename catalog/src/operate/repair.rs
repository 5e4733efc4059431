//! Objects made whole where they lie.

use super::{Counters, Done, MAX_PROBLEMS, OperateError, Operator};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::Ordering::Relaxed;
use stripes::id::{NodeId, ObjectId};
use stripes::layout::Layout;

impl Operator {
    /// Repairs every object; unless `all` is wanted, only those of which a node has fewer units than it should.
    pub(super) async fn repair_all(&self, all: bool, counters: &Counters) -> Result<Done, OperateError> {
        // Nodes that have heard of a new layout take nothing on behalf of the old one any more.
        let mut done = self.finish_moves(counters).await?;
        let mut work = Vec::new();
        for layout in self.catalog.sealed_layouts().await? {
            if all || self.lacks(&layout).await {
                work.push(layout);
            }
        }
        counters.total.fetch_add(work.iter().map(bytes_with_parity).sum(), Relaxed);
        for layout in &work {
            let report = self.cluster.repair(layout, &self.limit, |bytes| counters.add(bytes)).await;
            let object = layout.object;
            if !self.catalog.is_sealed(object).await? {
                // Removed meanwhile: what was written after its bytes were deleted goes too.
                if let Err(error) = self.cluster.delete_object(object).await {
                    done.problem(format!("object {object}, removed: {error}"));
                }
                continue;
            }
            counters.bad.fetch_add(report.bad_units, Relaxed);
            counters.repaired.fetch_add(report.rewritten_units, Relaxed);
            done.objects += u64::from(report.rewritten_units + report.sealed_nodes > 0);
            if !report.is_good() {
                let first = report.failed.first().map(|(unit, error)| format!("; unit {unit}: {error}"));
                done.problem(format!(
                    "object {object}: {} units bad, {} of them rewritten, {} lost, {} on nodes that don't answer, {} rows of wrong parity{}",
                    report.bad_units,
                    report.rewritten_units,
                    report.lost_units,
                    report.unreachable_units,
                    report.unlike_rows.len(),
                    first.unwrap_or_default()
                ));
            }
        }
        self.delete_strays(None, &mut done).await?;
        done.untidy = self.tidy(self.grace).await?;
        Ok(done)
    }

    /// Whether a node that answers has fewer units of an object than it should.
    async fn lacks(&self, layout: &Layout) -> bool {
        let mut expected: BTreeMap<NodeId, u64> = layout.nodes.iter().map(|node| (*node, 0)).collect();
        for address in (0..layout.rows()).flat_map(|row| layout.row_units(row)) {
            *expected.entry(layout.node(address)).or_default() += 1;
        }
        for (node, units) in expected {
            match self.cluster.object_summary(node, layout.object).await {
                Ok(summary) if summary.units < units || summary.manifest.is_none() => return true,
                Ok(_) => {}
                // What a node that answers says so must be looked at; one that doesn't can't be helped.
                Err(_) => match self.cluster.health(node).await {
                    Ok(_) => return true,
                    Err(_) => tracing::warn!(%node, "does not answer and is passed over"),
                },
            }
        }
        false
    }

    /// Deletes what nodes (all, or that one) have of objects that lie elsewhere, as one may that was away while they
    /// moved.
    pub(super) async fn delete_strays(&self, only: Option<NodeId>, done: &mut Done) -> Result<(), OperateError> {
        let mut found: Vec<(NodeId, ObjectId)> = Vec::new();
        for node in self.answering().await.into_iter().filter(|node| only.is_none_or(|only| only == *node)) {
            match self.cluster.list_objects(node).await {
                Ok(objects) => found.extend(objects.into_iter().map(|listing| (node, listing.object))),
                Err(error) => done.problem(error.to_string()),
            }
        }
        // Asked after the nodes: what moved or was removed in between is known by now.
        let moving: HashSet<ObjectId> = self.catalog.moves().await?.iter().map(|row| row.old.object).collect();
        let layouts = self.catalog.sealed_layouts().await?;
        let layouts: HashMap<ObjectId, Layout> = layouts.into_iter().map(|layout| (layout.object, layout)).collect();
        for (node, object) in found {
            let stray = layouts.get(&object).is_some_and(|layout| !layout.nodes.contains(&node));
            if !stray || moving.contains(&object) {
                continue;
            }
            match self.cluster.delete_object_at(node, object).await {
                Ok(()) => tracing::info!(%node, %object, "deleted, it lies elsewhere now"),
                Err(error) => done.problem(error.to_string()),
            }
        }
        Ok(())
    }
}

impl Done {
    pub(super) fn problem(&mut self, problem: String) {
        tracing::warn!("{problem}");
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

fn bytes_with_parity(layout: &Layout) -> u64 {
    let units = (0..layout.rows()).flat_map(|row| layout.row_units(row));
    units.map(|address| layout.unit_length(address)).sum()
}
