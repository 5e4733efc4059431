//! The indexes of what is being watched, read once and shared.

use crate::index::{Index, IndexError, MAX_INDEX_BYTES};
use crate::presentation::Presentation;
use quick_cache::{OptionsBuilder, Weighter, sync::Cache};
use std::sync::Arc;
use stripes::id::ObjectId;
use stripes::net::{ReadError, UnitSource};

/// Bytes of indexes that a front keeps by default, 256 MiB: some eighty feature films.
pub const DEFAULT_CACHE: usize = 256 << 20;
/// What an index of a short film takes, to size the table.
const TYPICAL: usize = 64 << 10;

/// Opens presentations. Clones share what was read; whoever asks for an index that is just being read waits for
/// that same reading.
#[derive(Clone)]
pub struct Library {
    source: UnitSource,
    cache: Arc<Cache<ObjectId, Arc<Index>, ByMemory>>,
}

#[derive(Clone)]
struct ByMemory;

impl Weighter<ObjectId, Arc<Index>> for ByMemory {
    fn weight(&self, _: &ObjectId, index: &Arc<Index>) -> u64 {
        index.memory() as u64
    }
}

/// Why a presentation can't be opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// Its index can't be read from the nodes.
    #[error("{name}: {error}")]
    Read {
        /// The presentation.
        name: String,
        /// Which node, and why.
        error: ReadError,
    },
    /// What the nodes have is no good index.
    #[error("{name}: {error}")]
    Index {
        /// The presentation.
        name: String,
        /// What is wrong with it.
        error: IndexError,
    },
    /// The index is of another film than the catalog says.
    #[error("{name}: its index is of media object {found}, the catalog says {expected}")]
    Other {
        /// The presentation.
        name: String,
        /// In the index.
        found: ObjectId,
        /// In the catalog.
        expected: ObjectId,
    },
    /// The reading task was torn down: the program ends.
    #[error("{name}: reading its index was given up")]
    GivenUp {
        /// The presentation.
        name: String,
    },
}

impl Library {
    /// Reads through `source` and keeps `cache_bytes` of indexes in memory, those in use apart.
    pub fn new(source: UnitSource, cache_bytes: usize) -> Self {
        let items = cache_bytes / TYPICAL + 1;
        let weight = cache_bytes as u64;
        // One shard, so that a single long film may take all; indexes are asked for once a session.
        let cache = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(weight)
            .shards(1)
            .build()
            .map(|options| Cache::with_options(options, ByMemory, Default::default(), Default::default()))
            .unwrap_or_else(|_| Cache::with_weighter(items, weight, ByMemory));
        Self { source, cache: Arc::new(cache) }
    }

    /// The units behind it.
    pub fn source(&self) -> &UnitSource {
        &self.source
    }

    /// A presentation's index. Its media object lies where the catalog says, which may be elsewhere than when the
    /// index was sealed.
    pub async fn open(&self, presentation: &Presentation) -> Result<Arc<Index>, OpenError> {
        let read = self.read(presentation);
        let index = self.cache.get_or_insert_async(&presentation.index.object, read).await?;
        matches(presentation, &index)?;
        if index.media == presentation.media {
            return Ok(index);
        }
        let index = Arc::new(Index { media: presentation.media.clone(), ..Index::clone(&index) });
        self.cache.insert(presentation.index.object, index.clone());
        Ok(index)
    }

    async fn read(&self, presentation: &Presentation) -> Result<Arc<Index>, OpenError> {
        let name = || presentation.name.clone();
        let limit = usize::try_from(MAX_INDEX_BYTES).unwrap_or(usize::MAX);
        let layout = Arc::new(presentation.index.clone());
        let bytes = self.source.read_object(&layout, limit).await;
        let bytes = bytes.map_err(|error| OpenError::Read { name: name(), error })?;
        // Seconds of a film's tables take milliseconds; a season's would hold up the reactor.
        let decoded = tokio::task::spawn_blocking(move || Index::decode(&bytes)).await;
        let decoded = decoded.map_err(|_| OpenError::GivenUp { name: name() })?;
        let index = decoded.map_err(|error| OpenError::Index { name: name(), error })?;
        matches(presentation, &index)?;
        Ok(Arc::new(Index { media: presentation.media.clone(), ..index }))
    }
}

fn matches(presentation: &Presentation, index: &Index) -> Result<(), OpenError> {
    if index.is_of(&presentation.media) {
        return Ok(());
    }
    let (found, expected) = (index.media.object, presentation.media.object);
    Err(OpenError::Other { name: presentation.name.clone(), found, expected })
}

#[cfg(test)]
mod tests;
