//! Presentations by name: the catalog says which, the nodes have their indexes.

use crate::server::{OpenError, Presentations};
use catalog::db::Catalog;
use catalog::index::Index;
use catalog::library::Library;
use futures_util::future::{BoxFuture, join_all};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use stripes::id::NodeId;

/// For a node to say that it is well, before a film that lies on it is refused.
const PATIENCE: Duration = Duration::from_secs(2);

/// For how long that is believed: a crowd that opens films at once must not ask the nodes each time.
const BELIEVED: Duration = Duration::from_secs(1);

/// Looks presentations up for DESCRIBE and SETUP.
///
/// A film whose nodes are not all there is unavailable (503) from the start: its index may still be in
/// memory here, but it could not be played.
pub struct Shelf {
    catalog: Catalog,
    library: Library,
    asked: Mutex<HashMap<NodeId, (Instant, Result<(), String>)>>,
}

impl Shelf {
    /// Of a catalog and the indexes of its presentations.
    pub fn new(catalog: Catalog, library: Library) -> Self {
        Self { catalog, library, asked: Mutex::default() }
    }

    async fn take(&self, name: &str) -> Result<Arc<Index>, OpenError> {
        let unavailable = |error: &dyn std::error::Error| OpenError::Unavailable(error.to_string());
        let found = self.catalog.presentation(name).await.map_err(|error| unavailable(&error))?;
        let presentation = found.ok_or(OpenError::NotFound)?;
        let nodes = presentation.media.nodes.iter().map(|node| self.ask(*node));
        for answer in join_all(nodes).await {
            answer.map_err(|reason| OpenError::Unavailable(format!("{name}: {reason}")))?;
        }
        self.library.open(&presentation).await.map_err(|error| unavailable(&error))
    }

    async fn ask(&self, node: NodeId) -> Result<(), String> {
        let known = self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(&node).cloned();
        if let Some((when, answer)) = known
            && when.elapsed() < BELIEVED
        {
            return answer;
        }
        let answer = match tokio::time::timeout(PATIENCE, self.library.source().cluster().health(node)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("node {node} does not answer")),
        };
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(node, (Instant::now(), answer.clone()));
        answer
    }
}

impl Presentations for Shelf {
    fn open<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<Index>, OpenError>> {
        Box::pin(self.take(name))
    }
}
