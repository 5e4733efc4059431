//! Objects being written: on the catalog's books from before their first byte until they are named or gone.

use crate::db::{Catalog, CatalogError, HEARTBEAT};
use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};
use stripes::id::ObjectId;
use stripes::net::Cluster;
use tokio::task::AbortHandle;

/// What this process writes just now: its other objects are left-overs, though it lives.
static LIVE: LazyLock<Mutex<HashSet<ObjectId>>> = LazyLock::new(Mutex::default);

/// Whether this process is writing `object` just now.
pub(crate) fn is_live(object: ObjectId) -> bool {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner).contains(&object)
}

/// The objects of one file. Dropped without `named`, it has them removed if a runtime is there to do it.
pub(crate) struct Draft {
    catalog: Catalog,
    cluster: Cluster,
    entries: Vec<Entry>,
}

struct Entry {
    live: Live,
    heart: AbortHandle,
}

struct Live(ObjectId);

impl Draft {
    pub fn new(catalog: &Catalog, cluster: &Cluster) -> Self {
        Self { catalog: catalog.clone(), cluster: cluster.clone(), entries: Vec::new() }
    }

    /// Puts `object` on the books.
    pub async fn begin(&mut self, object: ObjectId) -> Result<(), CatalogError> {
        let live = Live::new(object);
        self.catalog.begin_object(object).await?;
        let heart = tokio::spawn(beat(self.catalog.clone(), object)).abort_handle();
        self.entries.push(Entry { live, heart });
        Ok(())
    }

    /// The catalog names them all.
    pub fn named(mut self) {
        self.entries.clear();
    }

    /// Gives `object` up.
    pub async fn abandon(&mut self, object: ObjectId) {
        let Some(at) = self.entries.iter().position(|entry| entry.live.0 == object) else { return };
        let entry = self.entries.swap_remove(at);
        remove(&self.catalog, &self.cluster, entry.live.0).await;
    }

    /// Gives all up.
    pub async fn abandon_all(mut self) {
        while let Some(entry) = self.entries.last() {
            self.abandon(entry.live.0).await;
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        if entries.is_empty() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (catalog, cluster) = (self.catalog.clone(), self.cluster.clone());
            runtime.spawn(async move {
                for entry in entries {
                    remove(&catalog, &cluster, entry.live.0).await;
                }
            });
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.heart.abort();
    }
}

impl Live {
    fn new(object: ObjectId) -> Self {
        LIVE.lock().unwrap_or_else(PoisonError::into_inner).insert(object);
        Self(object)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        LIVE.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

async fn beat(catalog: Catalog, object: ObjectId) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        match catalog.heartbeat(object).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(%object, "heartbeat: {error}"),
        }
    }
}

/// Bytes go only once the catalog has said that nobody names them: a commit whose answer was lost may have
/// named them. The row stays doomed until a sweep, since a unit still on its way may yet reach a node.
async fn remove(catalog: &Catalog, cluster: &Cluster, object: ObjectId) {
    match catalog.doom_object(object, None).await {
        Ok(true) => {
            if let Err(error) = cluster.delete_object(object).await {
                tracing::warn!(%object, "left for a sweep: {error}");
            }
        }
        Ok(false) => {}
        Err(error) => tracing::warn!(%object, "left for a sweep: {error}"),
    }
}
