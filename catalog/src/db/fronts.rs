//! What the fronts say of themselves, and how they share the nodes.
//!
//! A front may promise of a node what it holds of it. What all fronts hold of a node is never more than the node's
//! budget: each writes what it holds in one transaction that has read what the others do. It holds what it has promised
//! and its part of what nobody has, which it claims anew all the time; so a front where many come gets more of it within
//! some seconds. One that has said nothing for [`SILENT_S`] holds nothing any more.

use super::jobs::count;
use super::{Catalog, CatalogError, now, to_sql};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeMap;
use stripes::id::NodeId;

/// A front that has not said anything for so many seconds is gone. Each says something every ten.
pub const SILENT_S: i64 = 30;

/// What a front says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrontReport {
    /// Where it listens.
    pub name: String,
    /// Viewers that play.
    pub viewers: u64,
    /// Bits a second that it has promised them.
    pub promised_bps: u64,
    /// Bits a second that could be promised in all; `None` where nothing bounds it.
    pub possible_bps: Option<u64>,
    /// Of each node that has a budget.
    pub nodes: BTreeMap<NodeId, FrontShare>,
    /// Per cent of the units that its viewers asked for lately that came late.
    pub late_percent: u8,
    /// When it said so, seconds since 1970.
    pub seen: i64,
}

/// A front's part of a node, bits a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontShare {
    /// What it has promised.
    pub promised_bps: u64,
    /// What it may promise; never less than that.
    pub held_bps: u64,
}

impl Catalog {
    /// Keeps what a front says of itself and claims its part of the nodes, `budgets` being what each can be promised for
    /// by all fronts together, bits a second. The answer is what was kept; in what is given only the promises count.
    pub async fn claim(
        &self,
        front: &FrontReport,
        budgets: &BTreeMap<NodeId, u64>,
    ) -> Result<FrontReport, CatalogError> {
        let mut tx = self.write().await?;
        let rows = sqlx::query("SELECT * FROM fronts WHERE name <> $1 AND seen > $2")
            .bind(&front.name)
            .bind(now().saturating_sub(SILENT_S))
            .fetch_all(&mut *tx)
            .await
            .map_err(|error| self.error(error))?;
        let others = rows.iter().map(|row| self.front(row)).collect::<Result<Vec<_>, _>>()?;
        let front = FrontReport { nodes: shares(&front.nodes, budgets, &others), seen: now(), ..front.clone() };
        sqlx::query(
            "INSERT INTO fronts (name, viewers, promised_bps, possible_bps, nodes, late_percent, seen)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (name) DO UPDATE SET viewers = excluded.viewers, promised_bps = excluded.promised_bps,
               possible_bps = excluded.possible_bps, nodes = excluded.nodes, late_percent = excluded.late_percent,
               seen = excluded.seen",
        )
        .bind(&front.name)
        .bind(to_sql(front.viewers))
        .bind(to_sql(front.promised_bps))
        .bind(front.possible_bps.map(to_sql))
        .bind(serde_json::to_string(&front.nodes).unwrap_or_default())
        .bind(i64::from(front.late_percent))
        .bind(front.seen)
        .execute(&mut *tx)
        .await
        .map_err(|error| self.error(error))?;
        tx.commit().await.map_err(|error| self.error(error))?;
        Ok(front)
    }

    /// Forgets a front that ends.
    pub async fn remove_front(&self, name: &str) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM fronts WHERE name = $1")
            .bind(name)
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        Ok(())
    }

    /// What the fronts that are not silent said of themselves.
    pub async fn fronts(&self) -> Result<Vec<FrontReport>, CatalogError> {
        let rows = sqlx::query("SELECT * FROM fronts WHERE seen > $1 ORDER BY name")
            .bind(now().saturating_sub(SILENT_S))
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(|row| self.front(row)).collect()
    }

    fn front(&self, row: &SqliteRow) -> Result<FrontReport, CatalogError> {
        let get = || -> Result<_, sqlx::Error> {
            Ok(FrontReport {
                name: row.try_get("name")?,
                viewers: count(row.try_get("viewers")?),
                promised_bps: count(row.try_get("promised_bps")?),
                possible_bps: row.try_get::<Option<i64>, _>("possible_bps")?.map(count),
                // One of a later program, which says more, holds nothing that could be respected.
                nodes: serde_json::from_str(&row.try_get::<String, _>("nodes")?).unwrap_or_default(),
                late_percent: u8::try_from(row.try_get::<i64, _>("late_percent")?).unwrap_or(100),
                seen: row.try_get("seen")?,
            })
        };
        get().map_err(|error| self.error(error))
    }
}

/// What a front that has promised `own` may hold beside the others: its even part of what nobody has promised, as far
/// as no other holds that. Promises are kept whatever the budget has become.
fn shares(
    own: &BTreeMap<NodeId, FrontShare>,
    budgets: &BTreeMap<NodeId, u64>,
    others: &[FrontReport],
) -> BTreeMap<NodeId, FrontShare> {
    let share = |(node, budget): (&NodeId, &u64)| {
        let promised_bps = own.get(node).map_or(0, |share| share.promised_bps);
        let sum = |of: fn(&FrontShare) -> u64| {
            others.iter().filter_map(|front| front.nodes.get(node)).map(of).fold(0, u64::saturating_add)
        };
        let even = budget.saturating_sub(promised_bps).saturating_sub(sum(|share| share.promised_bps))
            / (others.len() as u64 + 1);
        let free = budget.saturating_sub(promised_bps).saturating_sub(sum(|share| share.held_bps));
        (*node, FrontShare { promised_bps, held_bps: promised_bps.saturating_add(even.min(free)) })
    };
    budgets.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::CatalogOptions;

    const NODE: NodeId = NodeId(7);

    fn says(name: &str, promised_bps: u64) -> FrontReport {
        let nodes = [(NODE, FrontShare { promised_bps, held_bps: 0 })].into();
        FrontReport { name: name.into(), nodes, ..FrontReport::default() }
    }

    async fn held(catalog: &Catalog, name: &str, promised: u64) -> u64 {
        let kept = catalog.claim(&says(name, promised), &[(NODE, 100)].into()).await.unwrap();
        kept.nodes[&NODE].held_bps
    }

    #[tokio::test]
    async fn fronts_together_hold_no_more_than_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&folder.path().join("catalog.db"), CatalogOptions::default()).await.unwrap();
        assert_eq!(held(&catalog, "a", 0).await, 100);
        // All is held; then both have an even part.
        assert_eq!(held(&catalog, "b", 0).await, 0);
        assert_eq!(held(&catalog, "a", 0).await, 50);
        assert_eq!(held(&catalog, "b", 0).await, 50);
        // Where many come there is more and more.
        let mut promised = 50;
        for _ in 0..10 {
            let a = held(&catalog, "a", promised).await;
            let b = held(&catalog, "b", 0).await;
            assert!(a >= promised && a + b <= 100, "{a} + {b}");
            promised = a;
        }
        assert!(promised > 90, "{promised}");
        // A promise stands though the budget be gone.
        let less = catalog.claim(&says("a", promised), &[(NODE, 10)].into()).await.unwrap();
        assert_eq!(less.nodes[&NODE], FrontShare { promised_bps: promised, held_bps: promised });
        // One that is gone or silent holds nothing.
        catalog.remove_front("a").await.unwrap();
        assert_eq!(held(&catalog, "b", 0).await, 100);
        sqlx::query("UPDATE fronts SET seen = seen - 31").execute(&catalog.pool).await.unwrap();
        assert_eq!(held(&catalog, "c", 3).await, 100);
        let names: Vec<_> = catalog.fronts().await.unwrap().into_iter().map(|front| front.name).collect();
        assert_eq!(names, ["c"]);
    }
}
