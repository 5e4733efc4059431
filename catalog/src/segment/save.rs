//! A film of a stretch of a channel's past: its samples copied once, from nodes to nodes, through whoever asks.
//!
//! It is a film like any other then, with one media object and one index: nothing of it goes when the channel's window
//! moves on.

use super::{MAX_SEGMENT_BYTES, ReadSegmentError, read_index};
use crate::db::{Catalog, CatalogError, Publish, Segment, now};
use crate::index::{INDEX_TAG, Index, IndexError, MAX_INDEX_BYTES, MEDIA_TAG, Track};
use crate::ingest::draft::Draft;
use crate::ingest::name::{self, BadName};
use crate::presentation::{Presentation, Source, SourceHash};
use crate::sample::{MAX_SAMPLE_SIZE, Sample, TableBuilder, TableError};
use rtp::clock::{MediaTime, Ticks};
use rtp::format::Media;
use std::ops::Range;
use std::sync::Arc;
use stripes::id::NodeId;
use stripes::layout::Policy;
use stripes::net::{Cluster, ObjectWriter, ReadError, UnitSource, WriteError};

/// Bytes of a whole segment at most: its samples, one more that crossed the bound, its tables.
const MAX_OBJECT_BYTES: u64 = MAX_SEGMENT_BYTES + MAX_SAMPLE_SIZE as u64 + MAX_INDEX_BYTES;

/// What is to be saved, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveOptions {
    /// Of which channel.
    pub channel: String,
    /// From when to when, nanoseconds since 1970. It begins at the sync sample at or before the former.
    pub between_ns: Range<i64>,
    /// The film's name.
    pub name: String,
    /// How its objects are cut.
    pub policy: Policy,
    /// The stripe set.
    pub nodes: Vec<NodeId>,
}

/// What was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The film.
    pub presentation: Presentation,
    /// When it begins and ends, nanoseconds since 1970.
    pub between_ns: Range<i64>,
}

/// Why nothing was saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The name can't be one.
    #[error(transparent)]
    BadName(#[from] BadName),
    /// Another film has it.
    #[error("another film is named {0:?}; choose another name, or remove that one first")]
    NameTaken(String),
    /// The same was saved before.
    #[error("the same stretch is in already, as {0}")]
    AlreadyIn(String),
    /// Nothing is kept of that time.
    #[error("channel {channel}: nothing is kept of that time{}", kept.as_ref().map(|kept| format!(
        "; kept is what was between {} and {} s since 1970", kept.start / 1_000_000_000, kept.end / 1_000_000_000
    )).unwrap_or_default())]
    NotKept {
        /// Which.
        channel: String,
        /// What is kept at all, nanoseconds since 1970.
        kept: Option<Range<i64>>,
    },
    /// The channel's tracks changed in that time.
    #[error("channel {channel}: its tracks changed {at} s after 1970; save what was before and after by themselves")]
    Changed {
        /// Which.
        channel: String,
        /// Seconds since 1970.
        at: i64,
    },
    /// A segment can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its tables can't be read.
    #[error(transparent)]
    Tables(#[from] ReadSegmentError),
    /// Its tables and its samples don't go together.
    #[error("segment {0}: a sample lies outside of it")]
    Outside(stripes::id::ObjectId),
    /// The film is longer than its tables can say.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The film's index can't be written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The nodes don't take it.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The catalog says no.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A sweep took us for dead: only after minutes without a heartbeat.
    #[error("given up: this process was thought dead by a sweep")]
    Swept,
}

/// Makes a film of what is kept of a channel between two instants.
///
/// Cancel-safe: a dropped future leaves nothing that can be seen.
///
/// # Errors
/// See [`SaveError`].
pub async fn save(catalog: &Catalog, cluster: &Cluster, options: &SaveOptions) -> Result<Saved, SaveError> {
    name::check(&options.name)?;
    if catalog.presentation(&options.name).await?.is_some() {
        return Err(SaveError::NameTaken(options.name.clone()));
    }
    // Each byte is read once, past the cache.
    let source = UnitSource::new(cluster.clone(), 0);
    let pieces = pieces(catalog, &source, options).await?;
    let mut draft = Draft::new(catalog, cluster);
    match copy(catalog, cluster, &source, options, &pieces, &mut draft).await {
        Ok(saved) => {
            draft.named();
            Ok(saved)
        }
        Err(error) => {
            draft.abandon_all().await;
            Err(error)
        }
    }
}

/// A segment with its tables.
struct Piece {
    segment: Segment,
    index: Index,
}

impl Piece {
    /// An instant of the wall clock on the timeline.
    fn on_line(&self, at_ns: i64) -> MediaTime {
        let Segment { span, begun_ns, .. } = &self.segment;
        MediaTime(at_ns.saturating_sub(*begun_ns).saturating_add(span.start.0))
    }
}

/// Which part of the pieces is the film.
struct Cut {
    start: MediaTime,
    end: MediaTime,
    leader: usize,
    /// The leader's first sample: the piece, and its number there.
    first: (usize, usize),
}

/// The segments of that time, all on one timeline and of the same tracks.
async fn pieces(catalog: &Catalog, source: &UnitSource, options: &SaveOptions) -> Result<Vec<Piece>, SaveError> {
    let Range { start, end } = options.between_ns;
    let all = catalog.segments(&options.channel).await?;
    let not_kept = || SaveError::NotKept {
        channel: options.channel.clone(),
        kept: all
            .iter()
            .map(|segment| segment.begun_ns)
            .min()
            .zip(all.iter().map(Segment::end_ns).max())
            .map(|(from, to)| from..to),
    };
    // One more before: the sync sample may lie there.
    let overlaps = |segment: &Segment| segment.end_ns() > start && segment.begun_ns < end;
    let first = all.iter().position(overlaps).ok_or_else(not_kept)?;
    let same_line = |at: usize| all[at].line_ns == all[first].line_ns;
    let from = if first > 0 && same_line(first - 1) { first - 1 } else { first };
    let mut pieces: Vec<Piece> = Vec::new();
    for segment in all[from..].iter().filter(|segment| segment.begun_ns < end) {
        let index = read_index(source, segment).await?;
        let like = |piece: &Piece| {
            let pairs = piece.index.tracks.iter().zip(&index.tracks);
            piece.index.tracks.len() == index.tracks.len() && pairs.into_iter().all(|(a, b)| a.format == b.format)
        };
        if let Some(before) = pieces.last()
            && !(before.segment.line_ns == segment.line_ns && like(before))
        {
            if pieces.iter().all(|piece| !overlaps(&piece.segment)) {
                pieces.clear();
            } else {
                let at = segment.begun_ns / 1_000_000_000;
                return Err(SaveError::Changed { channel: options.channel.clone(), at });
            }
        }
        pieces.push(Piece { segment: segment.clone(), index });
    }
    if pieces.is_empty() { Err(not_kept()) } else { Ok(pieces) }
}

/// From the sync sample of the leading track at or before the asked start.
fn cut(pieces: &[Piece], options: &SaveOptions) -> Option<Cut> {
    let head = pieces.first()?;
    let Range { start, end } = options.between_ns;
    let (asked, end) = (
        pieces.iter().find(|piece| piece.segment.end_ns() > start).unwrap_or(head).on_line(start),
        pieces.iter().rfind(|piece| piece.segment.begun_ns < end).unwrap_or(head).on_line(end),
    );
    let tracks = &head.index.tracks;
    let leader = tracks.iter().position(|track| track.format.media() == Media::Video).unwrap_or(0);
    let clock = tracks.get(leader)?.clock();
    let syncs = pieces.iter().enumerate().flat_map(|(at, piece)| {
        let samples = piece.index.tracks.get(leader).into_iter().flat_map(|track| track.samples.iter_from(0));
        samples.enumerate().filter(|(_, sample)| sample.sync).map(move |(number, sample)| (at, number, sample))
    });
    let mut chosen = None;
    for (piece, number, sample) in syncs {
        if chosen.is_some() && clock.time(sample.pts) > asked {
            break;
        }
        chosen = Some((piece, number, sample));
    }
    let (piece, number, sample) = chosen?;
    Some(Cut { start: clock.time(sample.pts), end, leader, first: (piece, number) })
}

impl Cut {
    /// The samples of a piece that are part of the film, by their place in it. `over`: the tracks that have come to their
    /// end, in decode order: a later sample that is shown before it would refer to one that is not.
    fn of(&self, at: usize, piece: &Piece, over: &mut [bool]) -> Vec<(usize, Sample)> {
        let mut samples: Vec<(usize, Sample)> = Vec::new();
        for ((track, described), over) in piece.index.tracks.iter().enumerate().zip(over) {
            let (start, end) = (described.clock().ticks(self.start), described.clock().ticks(self.end));
            for (number, sample) in described.samples.iter_from(0).enumerate() {
                let begun = track != self.leader || (at, number) >= self.first;
                *over |= begun && sample.pts >= end;
                if begun && !*over && sample.pts >= start {
                    samples.push((track, sample));
                }
            }
        }
        samples.sort_by_key(|(_, sample)| sample.offset);
        samples
    }
}

async fn copy(
    catalog: &Catalog,
    cluster: &Cluster,
    source: &UnitSource,
    options: &SaveOptions,
    pieces: &[Piece],
    draft: &mut Draft,
) -> Result<Saved, SaveError> {
    let head = &pieces[0];
    let not_kept = || SaveError::NotKept { channel: options.channel.clone(), kept: None };
    let cut = cut(pieces, options).ok_or_else(not_kept)?;
    let mut tables: Vec<(TableBuilder, Ticks)> = head.index.tracks.iter().map(|_| Default::default()).collect();
    let mut over = vec![false; tables.len()];
    let mut writer = ObjectWriter::create(cluster, options.policy, options.nodes.clone())?;
    draft.begin(writer.object()).await?;
    let mut hasher = blake3::Hasher::new();
    for (at, piece) in pieces.iter().enumerate() {
        let samples = cut.of(at, piece, &mut over);
        if samples.is_empty() {
            continue;
        }
        let limit = usize::try_from(MAX_OBJECT_BYTES).unwrap_or(usize::MAX);
        let bytes = source.read_object(&Arc::new(piece.segment.layout.clone()), limit).await?;
        for (track, sample) in samples {
            let end = sample.offset + u64::from(sample.size);
            let range = usize::try_from(sample.offset).ok().zip(usize::try_from(end).ok());
            let data = range.and_then(|(from, to)| bytes.get(from..to));
            let data = data.ok_or(SaveError::Outside(piece.segment.layout.object))?;
            let shift = head.index.tracks[track].clock().ticks(cut.start);
            let (dts, pts) = (Ticks(sample.dts.0 - shift.0), Ticks(sample.pts.0 - shift.0));
            let (table, step) = &mut tables[track];
            if let Some(last) = table.last_dts() {
                *step = Ticks(dts.0 - last.0);
            }
            table.push(Sample { offset: writer.length(), dts, pts, ..sample }, *step)?;
            hasher.update(data);
            writer.write(data).await?;
        }
    }
    let bytes = writer.length();
    if bytes == 0 {
        return Err(not_kept());
    }
    let media = writer.finish(MEDIA_TAG).await?;
    // When it was is part of what it is: two stretches of a test picture are two films.
    hasher.update(format!("#{} {} {}", options.channel, head.segment.line_ns, cut.start.0).as_bytes());
    let tracks = head.index.tracks.iter().zip(tables).filter(|(_, (table, _))| !table.is_empty()).zip(1..);
    let tracks = tracks.map(|((track, (table, _)), id)| {
        let samples = table.finish();
        let rates = samples.rates(track.clock());
        Track { id, samples, bandwidth_bps: rates.peak_bps, average_bps: rates.average_bps, ..track.clone() }
    });
    let tracks: Vec<Track> = tracks.collect();
    let duration = tracks.iter().map(|track| track.clock().time(track.samples.end())).max().unwrap_or_default();
    let index = Index {
        name: options.name.clone(),
        title: options.name.clone(),
        source: Source { hash: SourceHash(*hasher.finalize().as_bytes()), bytes },
        created: now(),
        duration: duration.max(MediaTime::ZERO),
        media,
        tracks,
    };
    index.check()?;
    let mut writer = ObjectWriter::create(cluster, options.policy, options.nodes.clone())?;
    draft.begin(writer.object()).await?;
    writer.write(&index.encode()?).await?;
    let mut presentation = index.presentation(writer.finish(INDEX_TAG).await?);
    match catalog.publish(&presentation).await? {
        Publish::Named(id) => presentation.id = id,
        Publish::NameTaken => return Err(SaveError::NameTaken(options.name.clone())),
        Publish::AlreadyIn(name) => return Err(SaveError::AlreadyIn(name)),
        Publish::Swept => return Err(SaveError::Swept),
    }
    let Segment { begun_ns, span, .. } = &pieces[cut.first.0].segment;
    let from = begun_ns.saturating_add(cut.start.0).saturating_sub(span.start.0);
    Ok(Saved { presentation, between_ns: from..from.saturating_add(index.duration.0) })
}
