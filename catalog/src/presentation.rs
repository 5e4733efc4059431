//! What can be watched, as the catalog names it.

use rtp::clock::{ClockRate, MediaTime};
use rtp::format::Media;
use serde::{Deserialize, Serialize};
use std::fmt;
use stripes::layout::Layout;

/// One thing to watch: a name, and where its media and its index lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presentation {
    /// The catalog's own number for it; 0 before it is in one.
    pub id: i64,
    /// What stands in its URL (see [`crate::ingest::name`]).
    pub name: String,
    /// For people: the file's name as it was.
    pub title: String,
    /// From zero to the end of the track that lasts longest.
    pub duration: MediaTime,
    /// What it was made of.
    pub source: Source,
    /// When it was added, seconds since 1970.
    pub created: i64,
    /// The object with the samples.
    pub media: Layout,
    /// The object with the tracks and sample tables.
    pub index: Layout,
    /// In the order of the index.
    pub tracks: Vec<TrackSummary>,
}

impl Presentation {
    /// Bytes that it takes on the nodes, parity apart.
    pub fn bytes(&self) -> u64 {
        self.media.length.saturating_add(self.index.length)
    }
}

/// A track as a list shows it; what a viewer needs stands in the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackSummary {
    /// From 1, as in its URL.
    pub id: u32,
    /// Audio or video.
    pub media: Media,
    /// For people.
    pub codec: String,
    /// As the container said, ISO 639.
    pub language: Option<String>,
    /// Of its RTP timestamps.
    pub clock: ClockRate,
    /// How many.
    pub samples: u64,
    /// Bits per second in its busiest second.
    pub bandwidth_bps: u32,
    /// Bits per second over all.
    pub average_bps: u32,
}

/// The file that was ingested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Of all its bytes.
    pub hash: SourceHash,
    /// How many.
    pub bytes: u64,
}

/// BLAKE3 of a whole file: two files with the same are the same film.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceHash(pub [u8; 32]);

impl fmt::Display for SourceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SourceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
