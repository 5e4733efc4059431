//! Units for all viewers of a front: read once, kept a while.

use super::{
    cluster::Cluster,
    error::{NodeError, NodeFailure},
    flights::Flights,
    maintenance::Limit,
};
use crate::{
    id::ObjectId,
    layout::{Layout, UnitAddress},
    scattered::Piece,
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use quick_cache::{OptionsBuilder, Weighter, sync::Cache};
use std::{
    collections::HashMap,
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, time::timeout};

/// What a kept unit costs beyond its bytes, roughly.
const ENTRY_BYTES: u64 = 128;
/// One lock of the cache guards at least so many bytes: a part of it must hold a good many units, since a unit
/// that is larger than its part is not kept at all.
const SHARD_BYTES: usize = 64 << 20;
/// Units under way at once when a whole object is read.
const READ_AHEAD_UNITS: usize = 8;
/// Rows with bad units that wait for their repair; more are forgotten until they are read again.
const BAD_ROWS: usize = 1024;
/// A row is not repaired again before that.
const REPAIR_AGAIN: Duration = Duration::from_secs(60);

/// The front's shared cache of units, bounded in bytes, in front of a `Cluster`. Whoever asks for a unit that is
/// already being fetched waits for that same answer. Cheap to clone; clones share.
#[derive(Clone)]
pub struct UnitSource(pub(super) Arc<Inner>);

pub(super) type Key = (ObjectId, u64);
type Fetched = Result<Bytes, NodeError>;
type BadRow = (Arc<Layout>, u64);

pub(super) struct Inner {
    pub cluster: Cluster,
    pub cache: Cache<Key, Bytes, ByBytes>,
    /// Data units that are being read for viewers.
    units: Flights<Key, Fetched>,
    /// Bytes of units, parity too, that are being fetched from their node.
    pub fetches: Flights<(ObjectId, UnitAddress, Range<u32>), Fetched>,
    /// Layouts that took the place of those that viewers began with.
    newer: RwLock<HashMap<ObjectId, Arc<Layout>>>,
    bad_rows: mpsc::Sender<BadRow>,
    /// Until somebody begins to repair.
    bad_rows_out: Mutex<Option<mpsc::Receiver<BadRow>>>,
    hits: AtomicU64,
    pub misses: AtomicU64,
    pub bytes: AtomicU64,
    pub rebuilt: AtomicU64,
    pub late: AtomicU64,
    pub bad: AtomicU64,
    repaired: AtomicU64,
}

#[derive(Clone)]
pub(super) struct ByBytes;

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
    /// Data units that were rebuilt from their row.
    pub units_rebuilt: u64,
    /// Reads of a unit that took longer than its node's usual.
    pub reads_late: u64,
    /// Units that their node lacked or found damaged.
    pub units_bad: u64,
    /// Of those, written again.
    pub units_repaired: u64,
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
        let (bad_rows, bad_rows_out) = mpsc::channel(BAD_ROWS);
        Self(Arc::new(Inner {
            cluster,
            cache,
            units: Flights::new(),
            fetches: Flights::new(),
            newer: RwLock::default(),
            bad_rows,
            bad_rows_out: Mutex::new(Some(bad_rows_out)),
            hits: 0.into(),
            misses: 0.into(),
            bytes: 0.into(),
            rebuilt: 0.into(),
            late: 0.into(),
            bad: 0.into(),
            repaired: 0.into(),
        }))
    }

    /// The nodes behind it.
    pub fn cluster(&self) -> &Cluster {
        &self.0.cluster
    }

    /// The object's nodes have changed: whoever reads it by a layout of a lower generation reads by this one from now
    /// on. What is kept of it stays good.
    pub fn relocate(&self, layout: Arc<Layout>) {
        self.replace(layout.object, layout);
    }

    /// An object was written anew as another one, with the same bytes in units of the same size: whoever reads `old`
    /// reads that one from now on.
    pub fn replace(&self, old: ObjectId, layout: Arc<Layout>) {
        let mut newer = self.0.newer.write().unwrap_or_else(PoisonError::into_inner);
        let known = newer.entry(old).or_insert_with(|| layout.clone());
        if layout.supersedes(known) {
            *known = layout;
        }
    }

    /// The layout to read by.
    pub(super) fn newest(&self, layout: &Arc<Layout>) -> Arc<Layout> {
        self.0.newest(layout)
    }

    /// Data unit `unit` of an object, within `deadline`: from its node, or rebuilt from its row where that one fails,
    /// is late or is known not to be well. Whoever asks for what is being read waits for the same answer; it goes on
    /// as long as one of them waits.
    pub async fn unit(&self, layout: &Arc<Layout>, unit: u64, deadline: Duration) -> Result<Bytes, NodeError> {
        let inner = &self.0;
        inner.cluster.watch();
        let layout = &mut self.newest(layout);
        let give_up = Instant::now() + deadline;
        let hit = || {
            inner.hits.fetch_add(1, Relaxed);
        };
        loop {
            let left = give_up.saturating_duration_since(Instant::now());
            let key = (layout.object, unit);
            let mut begun = false;
            let begin = || {
                if let Some(data) = inner.cache.get(&key) {
                    return Ok(Ok(data));
                }
                begun = true;
                inner.misses.fetch_add(1, Relaxed);
                Err(inner.clone().read(layout.clone(), Piece::whole(layout, unit), left).boxed())
            };
            let work = match inner.units.join(key, begin) {
                Ok(data) => {
                    hit();
                    return data;
                }
                Err(work) => work,
            };
            let result = if begun { Ok(work.await) } else { timeout(left, work).await };
            match result {
                Err(_) => return Err(inner.cluster.late(layout, layout.address(unit), deadline)),
                // It was moved away meanwhile.
                Ok(Err(_)) if self.newest(layout).supersedes(layout) => *layout = self.newest(layout),
                // Whoever began had less time.
                Ok(Err(NodeError { failure: NodeFailure::Late(_), .. })) if !begun && Instant::now() < give_up => {}
                Ok(result) => {
                    (!begun && result.is_ok()).then(hit);
                    return result;
                }
            }
        }
    }

    /// A piece of an object, within `deadline`, found as [`UnitSource::unit`] finds units, but no more is read than the
    /// same bytes of others of its row. It is not kept.
    pub async fn piece(&self, layout: &Arc<Layout>, piece: Piece, deadline: Duration) -> Result<Bytes, NodeError> {
        if piece.is_whole(layout) {
            return self.unit(layout, piece.unit, deadline).await;
        }
        let (inner, give_up) = (&self.0, Instant::now() + deadline);
        if let Some(unit) = self.cached(layout.object, piece.unit) {
            return Ok(piece.of(&unit));
        }
        inner.cluster.watch();
        inner.misses.fetch_add(1, Relaxed);
        let mut layout = self.newest(layout);
        loop {
            let left = give_up.saturating_duration_since(Instant::now());
            match inner.clone().read(layout.clone(), piece, left).await {
                // It was moved away meanwhile.
                Err(_) if self.newest(&layout).supersedes(&layout) => layout = self.newest(&layout),
                result => return result,
            }
        }
    }

    /// Rewrites units that reads found missing or bad, from the rest of their rows, for as long as it is driven. Only
    /// the first caller does; for others it never ends.
    pub async fn keep_repairing(&self, limit: &Limit) {
        let inner = &self.0;
        let rows = inner.bad_rows_out.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut rows) = rows else { return std::future::pending().await };
        let mut lately: HashMap<(ObjectId, u64), Instant> = HashMap::new();
        while let Some((layout, row)) = rows.recv().await {
            // What took its place is whole; of it nothing should be there any more.
            if self.newest(&layout).supersedes(&layout) {
                continue;
            }
            let now = Instant::now();
            if lately.len() >= BAD_ROWS {
                lately.clear();
            }
            let before = lately.insert((layout.object, row), now);
            if before.is_some_and(|then| now.saturating_duration_since(then) < REPAIR_AGAIN) {
                continue;
            }
            limit.take(layout.row_units(row).map(|address| layout.unit_length(address)).sum()).await;
            let report = inner.cluster.repair_row(&layout, row, true).await;
            inner.repaired.fetch_add(report.rewritten_units, Relaxed);
        }
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
        let deadline = self.0.cluster.options().ask_timeout;
        // A cache of its own, for the rows of lost units.
        let cache = 2 * READ_AHEAD_UNITS.max(layout.row_width()) * layout.policy.unit_size as usize;
        let (source, layout) = (&Self::new(self.0.cluster.clone(), cache), &self.newest(layout));
        stream::iter(0..layout.units())
            .map(|unit| source.unit(layout, unit, deadline))
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
            units_rebuilt: inner.rebuilt.load(Relaxed),
            reads_late: inner.late.load(Relaxed),
            units_bad: inner.bad.load(Relaxed),
            units_repaired: inner.repaired.load(Relaxed),
        }
    }
}

impl Inner {
    /// The layout to read by.
    pub fn newest(&self, layout: &Arc<Layout>) -> Arc<Layout> {
        let newer = self.newer.read().unwrap_or_else(PoisonError::into_inner);
        newer.get(&layout.object).filter(|newer| newer.supersedes(layout)).unwrap_or(layout).clone()
    }

    pub fn keep(&self, key: Key, data: Bytes) {
        self.cache.insert(key, data);
    }

    /// For [`UnitSource::keep_repairing`]; if too many wait already it will be met again.
    pub fn report_bad(&self, layout: &Arc<Layout>, row: u64) {
        let _ = self.bad_rows.try_send((layout.clone(), row));
    }
}

impl fmt::Debug for UnitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnitSource").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}
