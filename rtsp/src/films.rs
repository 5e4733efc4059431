//! The films as the front finds them: named by the catalog, indexed by the library, there while enough of their nodes are.

use crate::{
    server::{OpenError, Presentations},
    watch::ClusterWatch,
    worker::MediaSource,
};
use bytes::Bytes;
use catalog::{db::Catalog, index::Index, library::Library};
use futures_util::future::BoxFuture;
use std::{pin::Pin, sync::Arc, time::Duration};
use stripes::{layout::Layout, net::UnitSource};

/// Opens presentations by name.
pub struct Films {
    catalog: Catalog,
    library: Library,
    watch: ClusterWatch,
}

impl Films {
    /// Over an open catalog and the units of its cluster.
    pub fn new(catalog: Catalog, library: Library, watch: ClusterWatch) -> Self {
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
                if let Some(reason) = self.watch.unreadable(layout) {
                    return Err(OpenError::Unavailable(format!("{name}: {reason}")));
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
