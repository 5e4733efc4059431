//! The films as the front finds them: named by the catalog, indexed by the library, there while their nodes are.

use crate::{
    server::{OpenError, Presentations},
    worker::MediaSource,
};
use bytes::Bytes;
use catalog::{db::Catalog, index::Index, library::Library};
use futures_util::future::{BoxFuture, join_all};
use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use stripes::{
    id::NodeId,
    layout::Layout,
    net::{Cluster, UnitSource},
};

/// How often each node is asked whether it is well.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Which nodes did not answer lately, and why not: this front's own observation.
#[derive(Clone, Default)]
pub struct NodeWatch(Arc<Mutex<HashMap<NodeId, String>>>);

impl NodeWatch {
    /// Asks all nodes of `cluster` again and again, until it is dropped with the runtime.
    pub fn start(cluster: Cluster) -> Self {
        let watch = Self::default();
        let asking = watch.clone();
        tokio::spawn(async move {
            loop {
                asking.ask(&cluster).await;
                tokio::time::sleep(ASK_EVERY).await;
            }
        });
        watch
    }

    /// The first node of `layout` that is down, and why.
    pub fn missing(&self, layout: &Layout) -> Option<(NodeId, String)> {
        let down = self.down();
        layout.nodes.iter().find_map(|node| Some((*node, down.get(node)?.clone())))
    }

    async fn ask(&self, cluster: &Cluster) {
        let asks = cluster.nodes().into_iter().map(|node| async move {
            let answer = cluster.health(node.id).await;
            (node.id, answer.err().map(|error| error.to_string()))
        });
        for (node, error) in join_all(asks).await {
            let mut down = self.down();
            match error {
                Some(error) => {
                    if down.insert(node, error.clone()).is_none() {
                        tracing::error!(%node, error, "node down; films that lie on it are unavailable");
                    }
                }
                None => {
                    if down.remove(&node).is_some() {
                        tracing::info!(%node, "node up again");
                    }
                }
            }
        }
    }

    fn down(&self) -> MutexGuard<'_, HashMap<NodeId, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens presentations by name.
pub struct Films {
    catalog: Catalog,
    library: Library,
    watch: NodeWatch,
}

impl Films {
    /// Over an open catalog and the units of its cluster.
    pub fn new(catalog: Catalog, library: Library, watch: NodeWatch) -> Self {
        Self { catalog, library, watch }
    }
}

impl Presentations for Films {
    fn open<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<Index>, OpenError>> {
        Box::pin(async move {
            let found = self.catalog.presentation(name).await;
            let found = found.map_err(|error| OpenError::Unavailable(error.to_string()))?;
            let presentation = found.ok_or(OpenError::NotFound)?;
            for layout in [&presentation.index, &presentation.media] {
                if let Some((node, reason)) = self.watch.missing(layout) {
                    return Err(OpenError::Unavailable(format!("{name}: node {node} is down: {reason}")));
                }
            }
            let index = self.library.open(&presentation).await;
            index.map_err(|error| OpenError::Unavailable(error.to_string()))
        })
    }
}

/// The cluster's units behind their shared cache, as the workers take them.
pub struct ClusterMedia(pub UnitSource);

impl MediaSource for ClusterMedia {
    fn cached(&self, layout: &Layout, unit: u64) -> Option<Bytes> {
        self.0.cached(layout.object, unit)
    }

    fn fetch(
        &self,
        layout: Arc<Layout>,
        unit: u64,
        deadline: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>> {
        let source = self.0.clone();
        Box::pin(async move { source.unit(&layout, unit, deadline).await.map_err(|error| error.to_string()) })
    }
}
