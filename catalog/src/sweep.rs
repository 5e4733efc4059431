//! Clearing away what nobody names: left-overs of crashes, and presentations on their way out.
//!
//! Only objects on the catalog's own books are touched. Every object is put there before its first byte is
//! written, so no left-over escapes; and a catalog that was lost or is another's can't have a
//! film's bytes swept: those are `unknown` objects, for people (or [`crate::rebuild`]) to deal with.

use crate::db::{Catalog, CatalogError, ObjectState, now};
use crate::ingest::is_live;
use crate::presentation::Presentation;
use std::collections::BTreeMap;
use stripes::id::{NodeId, ObjectId};
use stripes::net::{Cluster, NodeError};
use stripes::wire::ObjectListing;

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Objects whose bytes are gone from every node.
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
    let mut report = SweepReport::default();
    let mine = crate::db::Owner::this_process();
    for row in catalog.unsealed_objects().await? {
        if row.state == ObjectState::Writing {
            let alive = if row.owner == *mine { is_live(row.id) } else { row.owner.is_alive(row.heartbeat, now()) };
            if alive || !catalog.doom_object(row.id, Some(row.heartbeat)).await? {
                report.being_written += 1;
                continue;
            }
        }
        delete(catalog, cluster, row.id, &mut report.deleted, &mut report.left).await?;
    }
    Ok(report)
}

/// Takes a presentation out: the catalog first, then its bytes. `None` where there is none of that name.
pub async fn remove(catalog: &Catalog, cluster: &Cluster, name: &str) -> Result<Option<Removed>, CatalogError> {
    let Some(presentation) = catalog.retire(name).await? else { return Ok(None) };
    let mut left = Vec::new();
    for object in [presentation.media.object, presentation.index.object] {
        delete(catalog, cluster, object, &mut Vec::new(), &mut left).await?;
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

/// Deletes a doomed object on all nodes; off the books only when none has it any more.
async fn delete(
    catalog: &Catalog,
    cluster: &Cluster,
    object: ObjectId,
    deleted: &mut Vec<ObjectId>,
    left: &mut Vec<(ObjectId, NodeError)>,
) -> Result<(), CatalogError> {
    match cluster.delete_object(object).await {
        Ok(()) => {
            catalog.forget_object(object).await?;
            deleted.push(object);
        }
        Err(error) => left.push((object, error)),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
