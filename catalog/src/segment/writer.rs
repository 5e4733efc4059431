//! One segment on its way to the nodes.

use super::{MAX_SEGMENT_BYTES, SEGMENT_TAG};
use crate::db::{Catalog, CatalogError, Segment, now};
use crate::index::{Index, IndexError, Track};
use crate::ingest::draft::Draft;
use crate::presentation::{Source, SourceHash};
use crate::sample::{Sample, TableBuilder, TableError};
use rtp::clock::{MediaTime, Ticks};
use std::ops::Range;
use stripes::id::NodeId;
use stripes::layout::{Layout, Policy};
use stripes::net::{Cluster, ObjectWriter, WriteError};

/// What segments of one channel have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentOptions {
    /// Whose.
    pub channel: String,
    /// Names its timeline: when that began, nanoseconds since 1970.
    pub line_ns: i64,
    /// Nanoseconds by which that line has run ahead of the wall clock since then.
    pub ahead_ns: i64,
    /// The tracks, without samples.
    pub tracks: Vec<Track>,
    /// How objects are cut.
    pub policy: Policy,
    /// The stripe set.
    pub nodes: Vec<NodeId>,
}

/// One access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentUnit<'a> {
    /// In stored form.
    pub data: &'a [u8],
    /// When it is decoded, by the track's clock on the channel's timeline.
    pub dts: Ticks,
    /// When it is shown, likewise.
    pub pts: Ticks,
    /// Whether decoding may begin here.
    pub sync: bool,
}

/// Why a segment can't be written. Nothing of it can be seen then.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The nodes don't take it.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The catalog doesn't.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A unit can't be in a table.
    #[error("track {track}: {error}")]
    Table {
        /// Its id.
        track: u32,
        /// Why.
        error: TableError,
    },
    /// Its tables can't be written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A sweep took us for dead: only after minutes without a heartbeat.
    #[error("given up: this process was thought dead by a sweep")]
    Swept,
}

/// A segment that is being written. Dropped before [`SegmentWriter::finish`] it leaves nothing that can be seen; its object
/// is removed in the background.
pub struct SegmentWriter {
    catalog: Catalog,
    options: SegmentOptions,
    draft: Draft,
    writer: ObjectWriter,
    lanes: Vec<Lane>,
    span: Option<Range<MediaTime>>,
}

/// One track's table so far.
#[derive(Default)]
struct Lane {
    table: TableBuilder,
    /// Ticks between the two latest units: the best guess of how long the last one lasts.
    step: Ticks,
}

impl SegmentWriter {
    /// Begins one: its object is on the catalog's books before its first byte.
    ///
    /// # Errors
    /// See [`SegmentError`].
    pub async fn begin(catalog: &Catalog, cluster: &Cluster, options: SegmentOptions) -> Result<Self, SegmentError> {
        let writer = ObjectWriter::create(cluster, options.policy, options.nodes.clone())?;
        let mut draft = Draft::new(catalog, cluster);
        draft.begin(writer.object()).await?;
        let lanes = options.tracks.iter().map(|_| Lane::default()).collect();
        Ok(Self { catalog: catalog.clone(), options, draft, writer, lanes, span: None })
    }

    /// Appends a unit; one of no track is passed over. Waits while the nodes have too much before them.
    ///
    /// # Errors
    /// See [`SegmentError`]: the segment is lost then.
    pub async fn push(&mut self, track: usize, unit: SegmentUnit<'_>) -> Result<(), SegmentError> {
        let (Some(lane), Some(described)) = (self.lanes.get_mut(track), self.options.tracks.get(track)) else {
            return Ok(());
        };
        let wrong = |error| SegmentError::Table { track: described.id, error };
        let size = u32::try_from(unit.data.len()).unwrap_or(u32::MAX);
        if let Some(last) = lane.table.last_dts() {
            lane.step = Ticks(unit.dts.0.saturating_sub(last.0));
        }
        let SegmentUnit { dts, pts, sync, .. } = unit;
        let sample = Sample { offset: self.writer.length(), size, dts, pts, sync };
        lane.table.push(sample, lane.step).map_err(wrong)?;
        let clock = described.clock();
        let (from, to) = (clock.time(dts.min(pts)), clock.time(Ticks(pts.0.max(dts.0).saturating_add(lane.step.0))));
        self.span = Some(match self.span.take() {
            Some(span) => span.start.min(from)..span.end.max(to),
            None => from..to,
        });
        Ok(self.writer.write(unit.data).await?)
    }

    /// Its time so far.
    pub fn span(&self) -> Option<&Range<MediaTime>> {
        self.span.as_ref()
    }

    /// Whether it holds as much as it may.
    pub fn is_full(&self) -> bool {
        self.writer.length() >= MAX_SEGMENT_BYTES
    }

    /// Writes the tables, seals the object on its nodes and has the catalog name it. `None` where it has no unit.
    ///
    /// # Errors
    /// See [`SegmentError`]; nothing of it is left then but what a sweep knows.
    pub async fn finish(self) -> Result<Option<(Segment, Index)>, SegmentError> {
        let Self { catalog, options, draft, mut writer, lanes, span } = self;
        let Some(span) = span else {
            draft.abandon_all().await;
            return Ok(None);
        };
        let index_at = writer.length();
        let tracks = options.tracks.into_iter().zip(lanes);
        let tracks = tracks.map(|(track, lane)| Track { samples: lane.table.finish(), ..track });
        let index = Index {
            name: options.channel.clone(),
            title: options.channel.clone(),
            source: Source { hash: SourceHash([0; 32]), bytes: 0 },
            created: now(),
            duration: span.end,
            // Where it lies the catalog says; here only what it is.
            media: Layout::new(writer.object(), index_at, options.policy, options.nodes, 0),
            tracks: tracks.collect(),
        };
        let written = async {
            index.check()?;
            writer.write(&index.encode()?).await?;
            let layout = writer.finish(SEGMENT_TAG).await?;
            let (line_ns, channel) = (options.line_ns, options.channel);
            let begun_ns = line_ns.saturating_add(span.start.0).saturating_sub(options.ahead_ns);
            let segment = Segment { channel, line_ns, span, begun_ns, index_at, layout };
            match catalog.publish_segment(&segment).await? {
                true => Ok(segment),
                false => Err(SegmentError::Swept),
            }
        };
        match written.await {
            Ok(segment) => {
                draft.named();
                Ok(Some((segment, index)))
            }
            Err(error) => {
                draft.abandon_all().await;
                Err(error)
            }
        }
    }

    /// Gives it up.
    pub async fn abandon(self) {
        self.draft.abandon_all().await;
    }
}
