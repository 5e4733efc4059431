//! The catalog from the nodes alone: every sealed index object names its presentation again.

use crate::db::{Catalog, CatalogError, Node, Publish};
use crate::index::{INDEX_TAG, Index, MAX_INDEX_BYTES};
use crate::ingest::name;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use stripes::id::{NodeId, ObjectId};
use stripes::layout::Layout;
use stripes::manifest::Manifest;
use stripes::net::{Cluster, UnitSource};

/// What a rebuild found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Names that are back.
    pub named: Vec<String>,
    /// Presentations that the catalog had already.
    pub known: u64,
    /// What could not be brought back or had to change, each with its reason.
    pub problems: Vec<String>,
}

/// Registers the cluster's nodes and names all presentations that lie sealed on them. What the catalog names
/// already stays as it is; what it is writing or deleting is left alone.
pub async fn rebuild(catalog: &Catalog, cluster: &Cluster) -> Result<RebuildReport, CatalogError> {
    for node in cluster.nodes() {
        catalog.put_node(&Node { id: node.id, url: node.url }).await?;
    }
    let mut report = RebuildReport::default();
    let sealed = Sealed::collect(cluster, &mut report).await;
    let unsealed: HashSet<ObjectId> = catalog.unsealed_objects().await?.into_iter().map(|row| row.id).collect();
    let known: HashSet<ObjectId> = catalog.presentations().await?.into_iter().map(|p| p.index.object).collect();
    let mut found = Vec::new();
    for (object, (manifest, _)) in sealed.0.iter().filter(|(_, (manifest, _))| manifest.tag == INDEX_TAG) {
        if unsealed.contains(object) {
            continue;
        }
        if known.contains(object) {
            report.known += 1;
            continue;
        }
        match sealed.read_index(cluster, &manifest.layout).await {
            Ok(index) if unsealed.contains(&index.media.object) => {}
            Ok(index) => found.push((index, manifest.layout.clone())),
            Err(reason) => report.problems.push(format!("index object {object}: {reason}")),
        }
    }
    // The oldest of two with one name keeps it.
    found.sort_by(|(a, _), (b, _)| (a.created, &a.name, a.media.object).cmp(&(b.created, &b.name, b.media.object)));
    for (index, layout) in found {
        adopt(catalog, &index, layout, &mut report).await?;
    }
    Ok(report)
}

async fn adopt(
    catalog: &Catalog,
    index: &Index,
    layout: Layout,
    report: &mut RebuildReport,
) -> Result<(), CatalogError> {
    let mut presentation = index.presentation(layout);
    if name::check(&presentation.name).is_err() {
        presentation.name = name::from_stem(&presentation.name);
    }
    let wish = presentation.name.clone();
    for number in 2.. {
        match catalog.adopt(&presentation).await? {
            Publish::Named(_) => break,
            Publish::NameTaken => presentation.name = name::numbered(&wish, number),
            Publish::AlreadyIn(other) => {
                let object = presentation.index.object;
                report.problems.push(format!("{wish}: index object {object}: the same film is in as {other}"));
                return Ok(());
            }
            Publish::Swept => return Ok(()),
        }
    }
    if presentation.name != index.name {
        report.problems.push(format!("{}: named {} now, its name was taken", index.name, presentation.name));
    }
    report.named.push(presentation.name);
    Ok(())
}

/// The manifests of all nodes, and who has each.
struct Sealed(BTreeMap<ObjectId, (Manifest, BTreeSet<NodeId>)>);

impl Sealed {
    async fn collect(cluster: &Cluster, report: &mut RebuildReport) -> Self {
        let mut sealed: BTreeMap<ObjectId, (Manifest, BTreeSet<NodeId>)> = BTreeMap::new();
        for node in cluster.nodes() {
            let listings = match cluster.list_objects(node.id).await {
                Ok(listings) => listings,
                Err(error) => {
                    report.problems.push(format!("not asked: {error}"));
                    continue;
                }
            };
            for listing in listings {
                let Some(manifest) = listing.manifest else { continue };
                let entry = sealed.entry(listing.object).or_insert_with(|| (manifest.clone(), BTreeSet::new()));
                // Of a move that broke off or was not heard of everywhere, the newest layout holds: it was sealed
                // only when all its units were there.
                if manifest.layout.generation < entry.0.layout.generation {
                    continue;
                }
                if manifest.layout.generation > entry.0.layout.generation {
                    *entry = (manifest.clone(), BTreeSet::new());
                }
                if entry.0 == manifest {
                    entry.1.insert(node.id);
                } else {
                    let node = node.id;
                    report.problems.push(format!("object {}: node {node} has another manifest of it", listing.object));
                }
            }
        }
        Self(sealed)
    }

    /// The index, if it and its media can be read.
    async fn read_index(&self, cluster: &Cluster, layout: &Layout) -> Result<Index, String> {
        self.whole(layout)?;
        let limit = usize::try_from(MAX_INDEX_BYTES).unwrap_or(usize::MAX);
        let source = UnitSource::new(cluster.clone(), 0);
        let bytes = source.read_object(&Arc::new(layout.clone()), limit).await.map_err(|error| error.to_string())?;
        let index = Index::decode(&bytes).map_err(|error| error.to_string())?;
        let name = |reason| format!("{}: media {reason}", index.name);
        let media = self.whole(&index.media).map_err(name)?.clone();
        match index.is_of(&media) {
            true => Ok(Index { media, ..index }),
            false => Err(name(format!("object {} is another than was said", media.object))),
        }
    }

    /// How the object lies now, if it can be read: sealed on all its nodes but as many as parity makes up for.
    fn whole(&self, layout: &Layout) -> Result<&Layout, String> {
        let object = layout.object;
        let Some((manifest, nodes)) = self.0.get(&object) else {
            return Err(format!("object {object} is on no node"));
        };
        let now = &manifest.layout;
        let mut lacking = now.nodes.iter().filter(|node| !nodes.contains(node));
        match lacking.nth(now.policy.parity.into()) {
            Some(node) => Err(format!("object {object} is not sealed on node {node}")),
            None => Ok(now),
        }
    }
}

#[cfg(test)]
mod tests;
