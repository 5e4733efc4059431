//! A channel's past on the stripes, in segments: each one sealed object, the samples first, behind them an
//! [`Index`] of the samples, whose times are those of the channel's own timeline.
//!
//! | noun | meaning |
//! | --- | --- |
//! | [`crate::db::Segment`] | a stretch of a channel's time, as the catalog names it |
//! | [`SegmentWriter`] | writes one, unit by unit; the catalog names it once it is sealed |
//! | [`read_index`] | its tables, back from the nodes |
//! | [`save()`] | makes a film of a stretch of them |
//!
//! A chain of sealed objects, and not one that grows: what is sealed is named by the catalog and kept, moved, mended and
//! swept like all else; what is being written when a process dies is a left-over that a sweep knows. So at most the
//! time since the last seal is lost with a front, nothing with as many nodes as there are parity units, and the oldest goes
//! by deleting whole objects.

mod save;
#[cfg(test)]
mod tests;
mod writer;

pub use save::{SaveError, SaveOptions, Saved, save};
pub use writer::{SegmentError, SegmentOptions, SegmentUnit, SegmentWriter};

use crate::db::Segment;
use crate::index::{Index, IndexError, MAX_INDEX_BYTES};
use std::sync::Arc;
use std::time::Duration;
use stripes::net::{NodeError, UnitSource};

/// The tag of segments' manifests.
pub const SEGMENT_TAG: &str = "segment";

/// Bytes of samples in a segment at most: who makes a film of it holds one in memory.
pub const MAX_SEGMENT_BYTES: u64 = 32 << 20;

/// How long one unit may take while the tables are read.
const READ_LIMIT: Duration = Duration::from_secs(5);

/// Why a segment's tables can't be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadSegmentError {
    /// Its bytes can't be had.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// What is there is no index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The catalog says where the tables begin; there are none.
    #[error("segment {object}: tables from byte {at} of {length}, {MAX_INDEX_BYTES} bytes of them are allowed")]
    Place {
        /// The object's id.
        object: stripes::id::ObjectId,
        /// Where they should begin.
        at: u64,
        /// The object's bytes.
        length: u64,
    },
}

/// A segment's tables.
///
/// # Errors
/// See [`ReadSegmentError`].
pub async fn read_index(source: &UnitSource, segment: &Segment) -> Result<Index, ReadSegmentError> {
    let (layout, at) = (Arc::new(segment.layout.clone()), segment.index_at);
    if at >= layout.length || layout.length - at > MAX_INDEX_BYTES {
        return Err(ReadSegmentError::Place { object: layout.object, at, length: layout.length });
    }
    let units = layout.units_of(at..layout.length);
    let first = layout.unit_bytes(units.start).start;
    let mut bytes = Vec::new();
    for unit in units {
        bytes.extend_from_slice(&source.unit(&layout, unit, READ_LIMIT).await?);
    }
    let skip = usize::try_from(at - first).unwrap_or(usize::MAX);
    Ok(Index::decode(bytes.get(skip..).unwrap_or_default())?)
}
