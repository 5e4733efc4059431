//! Where the workers' bytes come from.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::{sync::Arc, time::Duration};
use stripes::{layout::Layout, net::UnitSource, scattered::Piece};

/// Bytes of a unit on their way; the error is for people and names node and unit.
pub type Fetched = BoxFuture<'static, Result<Bytes, String>>;

/// Where stripe units come from: the cluster behind its cache, or a test's memory.
pub trait MediaSource: Send + Sync + 'static {
    /// The unit if it is here.
    fn cached(&self, layout: &Layout, unit: u64) -> Option<Bytes>;

    /// The data unit `unit` of the object, within `deadline`.
    fn fetch(&self, layout: Arc<Layout>, unit: u64, deadline: Duration) -> Fetched;

    /// Part of a data unit; the whole is asked for where nothing less can be.
    fn fetch_piece(&self, layout: Arc<Layout>, piece: Piece, deadline: Duration) -> Fetched {
        let whole = self.fetch(layout, piece.unit, deadline);
        Box::pin(async move { Ok(piece.of(&whole.await?)) })
    }
}

/// The cluster's units behind their shared cache, as the workers take them.
pub struct ClusterMedia(pub UnitSource);

impl MediaSource for ClusterMedia {
    fn cached(&self, layout: &Layout, unit: u64) -> Option<Bytes> {
        self.0.cached(layout.object, unit)
    }

    fn fetch(&self, layout: Arc<Layout>, unit: u64, deadline: Duration) -> Fetched {
        let source = self.0.clone();
        Box::pin(async move { source.unit(&layout, unit, deadline).await.map_err(|error| error.to_string()) })
    }

    fn fetch_piece(&self, layout: Arc<Layout>, piece: Piece, deadline: Duration) -> Fetched {
        let source = self.0.clone();
        Box::pin(async move { source.piece(&layout, piece, deadline).await.map_err(|error| error.to_string()) })
    }
}
