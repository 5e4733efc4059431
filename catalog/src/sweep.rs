//! Clearing away what nobody names: left-overs of crashes, and presentations on their way out.
//!
//! What another object took the place of lately stays until all fronts have heard of that.
//!
//! Only objects on the catalog's own books are touched. Every object is put there before its first byte is
//! written, so no left-over escapes; and a catalog that was lost or is another's can't have a
//! film's bytes swept: those are `unknown` objects, for people (or [`crate::rebuild`]) to deal with.

use crate::db::{Catalog, CatalogError, ObjectState, now};
use crate::ingest::is_live;
use crate::presentation::Presentation;
use std::collections::BTreeMap;
use std::time::Duration;
use stripes::id::{NodeId, ObjectId};
use stripes::net::{Cluster, NodeError};
use stripes::wire::ObjectListing;

/// How long after its writer ended a unit may still be on its way to a disk: longer than a node waits for a
/// request's body and its turn. So long an object stays on the books after its bytes are deleted, and each
/// sweep deletes them again.
pub const GRACE: Duration = Duration::from_secs(60);

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Objects whose bytes are gone from every node; those that were being written up to now will be deleted once
    /// more by a later sweep ([`GRACE`]).
    pub deleted: Vec<ObjectId>,
    /// Objects that a living process writes.
    pub being_written: u64,
    /// Objects that not every node could delete; the next sweep tries again.
    pub left: Vec<(ObjectId, NodeError)>,
}

/// A removed presentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// As it was.
    pub presentation: Presentation,
    /// Objects that not every node could delete; the next sweep tries again.
    pub left: Vec<(ObjectId, NodeError)>,
}

/// What the nodes have of an object that the catalog has never heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The object.
    pub object: ObjectId,
    /// What each node has of it.
    pub at: Vec<(NodeId, ObjectListing)>,
}

/// Deletes the objects of writers that are dead, and those doomed before.
///
/// A writer that sits on another host is dead when its heartbeat is older than [`crate::db::STALE`].
pub async fn sweep(catalog: &Catalog, cluster: &Cluster) -> Result<SweepReport, CatalogError> {
    sweep_after(catalog, cluster, GRACE).await
}

pub(crate) async fn sweep_after(
    catalog: &Catalog,
    cluster: &Cluster,
    grace: Duration,
) -> Result<SweepReport, CatalogError> {
    let mut report = SweepReport::default();
    let mine = crate::db::Owner::this_process();
    for row in catalog.unsealed_objects().await? {
        let mut ended = row.heartbeat;
        // Another took its place lately: fronts that have not heard of it read it.
        if row.state == ObjectState::Doomed && ended > now() {
            continue;
        }
        if row.state == ObjectState::Writing {
            let alive = if row.owner == *mine { is_live(row.id) } else { row.owner.is_alive(row.heartbeat, now()) };
            if alive || !catalog.doom_object(row.id, Some(row.heartbeat)).await? {
                report.being_written += 1;
                continue;
            }
            ended = now();
        }
        let forget = now().saturating_sub(ended) >= i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
        match delete(catalog, cluster, row.id, forget).await? {
            Ok(()) => report.deleted.push(row.id),
            Err(error) => report.left.push((row.id, error)),
        }
    }
    Ok(report)
}

/// Takes a presentation out: the catalog first, then its bytes. `None` where there is none of that name.
pub async fn remove(catalog: &Catalog, cluster: &Cluster, name: &str) -> Result<Option<Removed>, CatalogError> {
    let Some(presentation) = catalog.retire(name).await? else { return Ok(None) };
    let mut left = Vec::new();
    for object in [presentation.media.object, presentation.index.object] {
        // Sealed, so nothing of it is on its way any more.
        if let Err(error) = delete(catalog, cluster, object, true).await? {
            left.push((object, error));
        }
    }
    Ok(Some(Removed { presentation, left }))
}

/// What the nodes have that is not on the catalog's books, and the nodes that could not be asked.
pub async fn unknown(catalog: &Catalog, cluster: &Cluster) -> Result<(Vec<Unknown>, Vec<NodeError>), CatalogError> {
    let mut found: BTreeMap<ObjectId, Vec<(NodeId, ObjectListing)>> = BTreeMap::new();
    let mut silent = Vec::new();
    for node in cluster.nodes() {
        match cluster.list_objects(node.id).await {
            Ok(objects) => {
                for listing in objects {
                    found.entry(listing.object).or_default().push((node.id, listing));
                }
            }
            Err(error) => silent.push(error),
        }
    }
    // Asked after the nodes: whatever was begun in between is on the books by now.
    let known = catalog.known_objects().await?;
    found.retain(|object, _| !known.contains(object));
    Ok((found.into_iter().map(|(object, at)| Unknown { object, at }).collect(), silent))
}

/// Takes what ended before an instant of the wall clock (nanoseconds since 1970; `None`: all) off a channel: the catalog
/// first, then its bytes. Says how many segments that were; what a node could not delete the next sweep tries again.
pub async fn remove_segments(
    catalog: &Catalog,
    cluster: &Cluster,
    channel: &str,
    before_ns: Option<i64>,
) -> Result<usize, CatalogError> {
    let objects = catalog.retire_segments(channel, before_ns).await?;
    for object in &objects {
        // Sealed, so nothing of it is on its way any more.
        if let Err(error) = delete(catalog, cluster, *object, true).await? {
            tracing::debug!(%object, channel, "left for a sweep: {error}");
        }
    }
    Ok(objects.len())
}

/// Deletes a doomed object on all nodes; if none has it any more it goes off the books, if that is wanted.
async fn delete(
    catalog: &Catalog,
    cluster: &Cluster,
    object: ObjectId,
    forget: bool,
) -> Result<Result<(), NodeError>, CatalogError> {
    let deleted = cluster.delete_object(object).await;
    if deleted.is_ok() && forget {
        catalog.forget_object(object).await?;
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests;
