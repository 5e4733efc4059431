//! The index object: all that is known of a presentation, sealed beside its media.
//!
//! Whoever has it needs no catalog: it carries the name, the media object's layout, the tracks and their
//! sample tables. Its form is `MAGIC`, the version (u32, little endian), a postcard body and the
//! BLAKE3 hash of all before it (32 bytes).

use crate::container::limits::MAX_TRACKS;
use crate::presentation::{Presentation, Source, TrackSummary};
use crate::sample::SampleTable;
use rtp::clock::{ClockRate, MediaTime};
use rtp::format::Format;
use serde::{Deserialize, Serialize};
use stripes::layout::{Layout, LayoutError};

/// The tag of index objects' manifests.
pub const INDEX_TAG: &str = "index";
/// The tag of media objects' manifests.
pub const MEDIA_TAG: &str = "media";
/// Bytes of an index object at most, 14 million samples: who reads one holds it whole.
pub const MAX_INDEX_BYTES: u64 = 128 << 20;
/// The version that is written, and the only one read so far.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"mobidicX";
const HEAD: usize = MAGIC.len() + size_of::<u32>();
const HASH: usize = blake3::OUT_LEN;

/// A presentation's tracks and where their samples lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// As the catalog named it when it was added.
    pub name: String,
    /// For people.
    pub title: String,
    /// What it was made of.
    pub source: Source,
    /// When it was added, seconds since 1970.
    pub created: i64,
    /// From zero to the end of the track that lasts longest.
    pub duration: MediaTime,
    /// The object with the samples.
    pub media: Layout,
    /// At least one.
    pub tracks: Vec<Track>,
}

/// One track of an [`Index`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// From 1, rising, as in its URL.
    pub id: u32,
    /// Its codec and payload format.
    pub format: Format,
    /// As the container said, ISO 639.
    pub language: Option<String>,
    /// Bits per second in its busiest second, of media without headers.
    pub bandwidth_bps: u32,
    /// Bits per second over all.
    pub average_bps: u32,
    /// In decode order.
    pub samples: SampleTable,
}

/// Why an index can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// Longer than [`MAX_INDEX_BYTES`].
    #[error("index: {0} bytes, {MAX_INDEX_BYTES} are allowed")]
    TooLong(u64),
    /// It does not begin as one.
    #[error("index: at byte 0: no index object (it should begin with \"mobidicX\")")]
    NotAnIndex,
    /// Written by a later program.
    #[error("index: at byte 8: version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// Its bytes are not those that were written.
    #[error("index: damaged: the hash of its {0} bytes is wrong")]
    Damaged(usize),
    /// Its body is none.
    #[error("index: in the body: {0}")]
    Body(String),
    /// It says something that can't be.
    #[error("index: track {track}: {reason}")]
    Track {
        /// Its id.
        track: u32,
        /// What is wrong.
        reason: String,
    },
    /// Its media object's layout makes no sense.
    #[error("index: media object: {0}")]
    Layout(#[from] LayoutError),
}

impl Index {
    /// Whether it is of the media object that lies by `media`. Where that lies may have changed since the index was
    /// sealed; what it is may not.
    pub fn is_of(&self, media: &Layout) -> bool {
        let own = &self.media;
        (own.object, own.length, own.policy) == (media.object, media.length, media.policy)
    }

    /// The sealed form.
    pub fn encode(&self) -> Result<Vec<u8>, IndexError> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION.to_le_bytes());
        let mut out = postcard::to_extend(self, out).map_err(|error| IndexError::Body(error.to_string()))?;
        let hash = blake3::hash(&out);
        out.extend_from_slice(hash.as_bytes());
        match u64::try_from(out.len()) {
            Ok(length) if length <= MAX_INDEX_BYTES => Ok(out),
            _ => Err(IndexError::TooLong(out.len() as u64)),
        }
    }

    /// Reads what [`Index::encode`] wrote, and nothing else: one wrong bit is an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, IndexError> {
        if bytes.len() as u64 > MAX_INDEX_BYTES {
            return Err(IndexError::TooLong(bytes.len() as u64));
        }
        let rest = bytes.strip_prefix(&MAGIC).ok_or(IndexError::NotAnIndex)?;
        let (version, _) = rest.split_first_chunk().ok_or(IndexError::Damaged(bytes.len()))?;
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(IndexError::Version(version));
        }
        let (sealed, hash) = bytes.split_last_chunk::<HASH>().ok_or(IndexError::Damaged(bytes.len()))?;
        let body = sealed.get(HEAD..).ok_or(IndexError::Damaged(bytes.len()))?;
        if blake3::hash(sealed) != blake3::Hash::from_bytes(*hash) {
            return Err(IndexError::Damaged(bytes.len()));
        }
        let (index, after) =
            postcard::take_from_bytes::<Index>(body).map_err(|error| IndexError::Body(error.to_string()))?;
        if !after.is_empty() {
            return Err(IndexError::Body(format!("{} bytes too many", after.len())));
        }
        index.check()?;
        Ok(index)
    }

    /// Whether it holds together: every sample lies in the media object, ids rise from 1.
    pub fn check(&self) -> Result<(), IndexError> {
        self.media.check()?;
        if self.tracks.is_empty() || self.tracks.len() > MAX_TRACKS {
            return Err(IndexError::Body(format!("{} tracks, 1 to {MAX_TRACKS} are allowed", self.tracks.len())));
        }
        let mut before = 0;
        for track in &self.tracks {
            let wrong = |reason| Err(IndexError::Track { track: track.id, reason });
            if track.id <= before {
                return wrong(format!("its id comes after {before}"));
            }
            before = track.id;
            let end = |sample: &crate::sample::Sample| sample.offset + u64::from(sample.size);
            if let Some(sample) = track.samples.iter_from(0).find(|sample| end(sample) > self.media.length) {
                return wrong(format!(
                    "a sample ends at byte {} of a media object of {} bytes",
                    end(&sample),
                    self.media.length
                ));
            }
        }
        Ok(())
    }

    /// The catalog's entry for it, where `index` is the layout of the object that holds it.
    pub fn presentation(&self, index: Layout) -> Presentation {
        Presentation {
            id: 0,
            name: self.name.clone(),
            title: self.title.clone(),
            duration: self.duration,
            source: self.source,
            created: self.created,
            media: self.media.clone(),
            index,
            tracks: self.tracks.iter().map(Track::summary).collect(),
        }
    }

    /// Bytes that it takes in memory, about.
    pub fn memory(&self) -> usize {
        self.tracks.iter().map(|track| track.samples.len() * 24 + 512).sum::<usize>() + 1024
    }
}

impl Track {
    /// Of its RTP timestamps and its samples' times.
    pub fn clock(&self) -> ClockRate {
        self.format.clock_rate()
    }

    /// As a list shows it.
    pub fn summary(&self) -> TrackSummary {
        TrackSummary {
            id: self.id,
            media: self.format.media(),
            codec: self.format.describe(),
            language: self.language.clone(),
            clock: self.clock(),
            samples: self.samples.len() as u64,
            bandwidth_bps: self.bandwidth_bps,
            average_bps: self.average_bps,
        }
    }
}

#[cfg(test)]
mod tests;
