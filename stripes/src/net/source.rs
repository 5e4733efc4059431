//! Units for all viewers of a front: read once, kept a while.

use super::{cluster::Cluster, error::NodeError};
use crate::{id::ObjectId, layout::Layout};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use quick_cache::{OptionsBuilder, Weighter, sync::Cache};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::timeout;

/// What a kept unit costs beyond its bytes, roughly.
const ENTRY_BYTES: u64 = 128;
/// One lock of the cache guards at least so many bytes: a part of it must hold a good many units, since a unit
/// that is larger than its part is not kept at all.
const SHARD_BYTES: usize = 64 << 20;
/// Units under way at once when a whole object is read.
const READ_AHEAD_UNITS: usize = 8;

/// The front's shared cache of units, bounded in bytes, in front of a `Cluster`. Whoever asks for a unit that is
/// already being fetched waits for that same answer. Cheap to clone; clones share.
#[derive(Clone)]
pub struct UnitSource(Arc<Inner>);

type Key = (ObjectId, u64);

struct Inner {
    cluster: Cluster,
    cache: Cache<Key, Bytes, ByBytes>,
    /// Layouts that took the place of those that viewers began with.
    newer: RwLock<HashMap<ObjectId, Arc<Layout>>>,
    hits: AtomicU64,
    misses: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Bytes> for ByBytes {
    fn weight(&self, _: &Key, data: &Bytes) -> u64 {
        data.len() as u64 + ENTRY_BYTES
    }
}

/// Counters of a `UnitSource`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceStatistics {
    /// Units given without asking a node on behalf of this request.
    pub hits: u64,
    /// Units for which a node was asked.
    pub misses: u64,
    /// Bytes that came from nodes.
    pub bytes_fetched: u64,
    /// Bytes held now.
    pub bytes_held: u64,
}

/// Why an object can't be read in one piece.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// More than the caller is ready to hold.
    #[error("object {object} has {length} bytes; at most {most} are read at once")]
    TooLarge {
        /// The object.
        object: ObjectId,
        /// Its bytes.
        length: u64,
        /// The caller's bound.
        most: usize,
    },
    /// A unit can't be read.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl UnitSource {
    /// A cache of `cache_bytes` over `cluster`.
    pub fn new(cluster: Cluster, cache_bytes: usize) -> Self {
        // The options are complete, so building can't fail; if it did, quick_cache's own choice would do.
        let shards = (cache_bytes / SHARD_BYTES).clamp(1, 16);
        let items = cache_bytes / (64 << 10) + 1;
        let cache = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(cache_bytes as u64)
            .shards(shards)
            .build()
            .map(|options| Cache::with_options(options, ByBytes, Default::default(), Default::default()))
            .unwrap_or_else(|_| Cache::with_weighter(items, cache_bytes as u64, ByBytes));
        Self(Arc::new(Inner {
            cluster,
            cache,
            newer: RwLock::default(),
            hits: 0.into(),
            misses: 0.into(),
            bytes: 0.into(),
        }))
    }

    /// The nodes behind it.
    pub fn cluster(&self) -> &Cluster {
        &self.0.cluster
    }

    /// The object's nodes have changed: whoever reads it by a layout of a lower generation reads by this one from now
    /// on. What is kept of it stays good.
    pub fn relocate(&self, layout: Arc<Layout>) {
        let mut newer = self.0.newer.write().unwrap_or_else(PoisonError::into_inner);
        let known = newer.entry(layout.object).or_insert_with(|| layout.clone());
        if known.generation < layout.generation {
            *known = layout;
        }
    }

    /// The layout to read by.
    fn newest(&self, layout: &Arc<Layout>) -> Arc<Layout> {
        let newer = self.0.newer.read().unwrap_or_else(PoisonError::into_inner);
        newer.get(&layout.object).filter(|newer| newer.generation > layout.generation).unwrap_or(layout).clone()
    }

    /// Data unit `unit` of an object, within `deadline`. If whoever began fetching it gives up, one of those who
    /// wait goes on. (Here a unit that its node can't give will be rebuilt from its row.)
    pub async fn unit(&self, layout: &Arc<Layout>, unit: u64, deadline: Duration) -> Result<Bytes, NodeError> {
        let inner = &*self.0;
        let layout = &self.newest(layout);
        let mut asked = false;
        let fetch = async {
            asked = true;
            inner.misses.fetch_add(1, Relaxed);
            let data = inner.cluster.get_unit(layout, layout.address(unit), deadline).await?;
            inner.bytes.fetch_add(data.len() as u64, Relaxed);
            Ok(data)
        };
        let result = timeout(deadline, inner.cache.get_or_insert_async(&(layout.object, unit), fetch)).await;
        if !asked && matches!(result, Ok(Ok(_))) {
            inner.hits.fetch_add(1, Relaxed);
        }
        result.unwrap_or_else(|_| Err(inner.cluster.late(layout, layout.address(unit), deadline)))
    }

    /// A unit if it is held, without asking anyone.
    pub fn cached(&self, object: ObjectId, unit: u64) -> Option<Bytes> {
        let data = self.0.cache.get(&(object, unit));
        if data.is_some() {
            self.0.hits.fetch_add(1, Relaxed);
        }
        data
    }

    /// A whole object of at most `max_bytes`, past the cache. Each unit has the cluster's `ask_timeout`.
    pub async fn read_object(&self, layout: &Arc<Layout>, max_bytes: usize) -> Result<Vec<u8>, ReadError> {
        let too_large = ReadError::TooLarge { object: layout.object, length: layout.length, most: max_bytes };
        let length = usize::try_from(layout.length).ok().filter(|length| *length <= max_bytes).ok_or(too_large)?;
        let cluster = &self.0.cluster;
        let deadline = cluster.options().ask_timeout;
        stream::iter(0..layout.units())
            .map(|unit| cluster.get_unit(layout, layout.address(unit), deadline))
            .buffered(READ_AHEAD_UNITS)
            .map_err(ReadError::from)
            .try_fold(Vec::with_capacity(length), async |mut all, data| {
                all.extend_from_slice(&data);
                Ok(all)
            })
            .await
    }

    /// Counters.
    pub fn statistics(&self) -> SourceStatistics {
        let inner = &*self.0;
        SourceStatistics {
            hits: inner.hits.load(Relaxed),
            misses: inner.misses.load(Relaxed),
            bytes_fetched: inner.bytes.load(Relaxed),
            bytes_held: inner.cache.weight(),
        }
    }
}

impl fmt::Debug for UnitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnitSource").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}
