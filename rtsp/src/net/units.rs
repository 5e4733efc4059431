//! The workers' stripe units: from the cluster, behind its cache.

use crate::worker::MediaSource;
use bytes::Bytes;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use stripes::layout::Layout;
use stripes::net::UnitSource;

impl MediaSource for UnitSource {
    fn cached(&self, layout: &Layout, unit: u64) -> Option<Bytes> {
        UnitSource::cached(self, layout.object, unit)
    }

    fn fetch(
        &self,
        layout: Arc<Layout>,
        unit: u64,
        deadline: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>> {
        let source = self.clone();
        Box::pin(async move { source.unit(&layout, unit, deadline).await.map_err(|error| error.to_string()) })
    }
}
