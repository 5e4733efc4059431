//! The sample tables of a track, kept as the file's own bytes and read by cursors
//! (ISO 14496-12 sections 8.6 and 8.7).

use super::boxes::{Find, Piece, version_flags};
use super::groups::RandomAccess;
use super::limits::MAX_SAMPLES;
use super::ticks::Frame;
use crate::container::ContainerError;
use bytes::Bytes;
use nom::number::complete::{be_u8, be_u24, be_u32};
use std::sync::Arc;

/// One sample of the tables or of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// From the file's start.
    pub offset: u64,
    pub size: u32,
    /// Decoding time in media timescale, before edits.
    pub dts: i64,
    /// Composition time, likewise.
    pub cts: i64,
    pub duration: u32,
    pub sync: bool,
    /// Sample description, from 1.
    pub description: u32,
}

/// All tables of one track.
#[derive(Debug)]
pub(super) struct Tables {
    /// (count, delta) pairs.
    times: Rows,
    /// (count, offset) pairs.
    compositions: Rows,
    /// (first chunk, samples, description) triples.
    chunk_runs: Rows,
    sizes: Sizes,
    chunks: Chunks,
    /// Sample numbers from 1; `None`: all are sync samples.
    sync: Option<Rows>,
    /// QuickTime's partial sync samples (`stps`): decoding may begin there, though some that follow are shown before them.
    partial: Rows,
    /// The same by sample groups.
    groups: RandomAccess,
    /// By how much decoding times go back so that none is after its composition time.
    pub dts_shift: i64,
    /// Samples.
    pub count: u32,
    /// How ticks are bundled; then [`Tables::count`] is that of the bundles.
    bundles: Option<Frame>,
}

impl Tables {
    /// Reads the tables in `stbl`. What the boxes claim is checked against their bytes. `frame`: what the samples
    /// are made of where they may be single ticks, which are then bundled; `len`: bytes of the file.
    pub fn read(stbl: &Piece, frame: Option<Frame>, len: u64) -> Result<Arc<Self>, ContainerError> {
        let boxes = stbl.children(0)?;
        let (sizes, claimed) = read_sizes(&boxes, stbl)?;
        let optional = |kind: &[u8; 4], width| boxes.find(kind).map(|piece| Rows::read(piece, width)).transpose();
        let chunks = match boxes.find(b"co64") {
            Some(wide) => Chunks { rows: Rows::read(wide, 2)?, wide: true },
            None if claimed == 0 && boxes.find(b"stco").is_none() => Chunks { rows: Rows::none(1), wide: false },
            None => Chunks { rows: Rows::read(boxes.need(b"stco", stbl)?, 1)?, wide: false },
        };
        let mut tables = Self {
            times: optional(b"stts", 2)?.unwrap_or(Rows::none(2)),
            compositions: optional(b"ctts", 2)?.unwrap_or(Rows::none(2)),
            chunk_runs: optional(b"stsc", 3)?.unwrap_or(Rows::none(3)),
            sizes,
            chunks,
            sync: optional(b"stss", 1)?,
            partial: optional(b"stps", 1)?.unwrap_or(Rows::none(1)),
            groups: RandomAccess::read(&boxes)?,
            dts_shift: 0,
            count: claimed,
            bundles: None,
        };
        if let Some(frame) = frame.filter(|_| tables.is_ticks()) {
            tables.bundle(frame);
        }
        if u64::from(tables.count) > MAX_SAMPLES {
            return Err(stbl.error(0, format!("{} samples; at most {MAX_SAMPLES} are read", tables.count)));
        }
        // A few bytes claim millions of one size; those can be there that the file has bytes for, and some tell of the rest.
        if let Sizes::Equal(size) = tables.sizes {
            tables.count = tables.count.min(u32::try_from(len / u64::from(size.max(1)) + 4096).unwrap_or(u32::MAX));
        }
        let offsets = (0..tables.compositions.count()).map(|row| tables.composition(row));
        tables.dts_shift = offsets.min().unwrap_or(0).min(0).saturating_neg();
        Ok(Arc::new(tables))
    }

    /// A table without samples, as fragmented files have.
    pub fn empty() -> Arc<Self> {
        Arc::new(Self {
            times: Rows::none(2),
            compositions: Rows::none(2),
            chunk_runs: Rows::none(3),
            sizes: Sizes::Equal(0),
            chunks: Chunks { rows: Rows::none(1), wide: false },
            sync: None,
            partial: Rows::none(1),
            groups: RandomAccess::default(),
            dts_shift: 0,
            count: 0,
            bundles: None,
        })
    }

    /// A cursor at the first sample.
    pub fn cursor(self: &Arc<Self>) -> Cursor {
        Cursor {
            tables: self.clone(),
            index: 0,
            dts: 0,
            time: RunAt::default(),
            composition: RunAt::default(),
            chunk: 0,
            chunk_run: 0,
            left: 0,
            description: 1,
            offset: 0,
            sync_at: 0,
            partial_at: 0,
            groups: self.groups.clone(),
            bundle: 1,
        }
    }

    /// Makes bundles of single ticks the samples, and counts them.
    fn bundle(&mut self, frame: Frame) {
        self.bundles = Some(frame);
        self.compositions = Rows::none(2);
        self.sync = None;
        let (mut run, mut count) = (0, 0u64);
        for chunk in 0..self.chunks.rows.count() {
            while run + 1 < self.chunk_runs.count() && self.chunk_runs.get(run + 1, 0) as usize <= chunk + 1 {
                run += 1;
            }
            let ticks = self.chunk_runs.get(run, 1);
            count += u64::from(ticks.div_ceil(frame.bundle(ticks)));
        }
        self.count = u32::try_from(count).unwrap_or(u32::MAX);
    }

    /// Whether the samples are single audio ticks of equal size: QuickTime's old way to store uncompressed
    /// and constant-rate audio, where a "sample" is no access unit.
    pub fn is_ticks(&self) -> bool {
        let times = &self.times;
        let single = times.count() > 0 && (0..times.count().min(2)).all(|row| times.get(row, 1) == 1);
        single && matches!(self.sizes, Sizes::Equal(size) if size > 0)
    }

    /// Whether the file has no table of sync samples: then all are, or its writer left it out.
    pub fn all_sync(&self) -> bool {
        self.sync.is_none()
    }

    /// Composition offsets are signed in practice also in version 0 (QuickTime, and so ffmpeg reads them).
    fn composition(&self, row: usize) -> i64 {
        i64::from(self.compositions.get(row, 1).cast_signed())
    }
}

/// Walks over a track's samples; cheap to clone, so a place can be kept.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    tables: Arc<Tables>,
    /// Of the next sample, from 0.
    pub index: u32,
    dts: i64,
    time: RunAt,
    composition: RunAt,
    /// Next chunk, from 0.
    chunk: usize,
    chunk_run: usize,
    /// Samples left in the current chunk.
    left: u32,
    description: u32,
    offset: u64,
    sync_at: usize,
    partial_at: usize,
    groups: RandomAccess,
    /// Ticks that are bundled in the current chunk.
    bundle: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct RunAt {
    row: usize,
    used: u32,
}

impl Cursor {
    /// Goes to the next chunk that has samples; false at the end of the chunk table.
    fn next_chunk(&mut self) -> bool {
        let runs = &self.tables.chunk_runs;
        while self.left == 0 {
            let Some(offset) = self.tables.chunks.get(self.chunk) else { return false };
            // Chunk numbers count from 1: this one is `chunk + 1`.
            while self.chunk_run + 1 < runs.count() && runs.get(self.chunk_run + 1, 0) as usize <= self.chunk + 1 {
                self.chunk_run += 1;
            }
            if runs.count() == 0 {
                return false;
            }
            self.left = runs.get(self.chunk_run, 1);
            self.description = runs.get(self.chunk_run, 2);
            self.offset = offset;
            self.bundle = self.tables.bundles.map_or(1, |frame| frame.bundle(self.left));
            self.chunk += 1;
        }
        true
    }

    /// This run's value; goes on by one sample. After the last run its value goes on (as ffmpeg has it).
    fn step(at: &mut RunAt, rows: &Rows) -> Option<u32> {
        while at.row + 1 < rows.count() && at.used >= rows.get(at.row, 0) {
            *at = RunAt { row: at.row + 1, used: 0 };
        }
        at.used = at.used.saturating_add(1);
        (at.row < rows.count()).then(|| rows.get(at.row, 1))
    }
}

impl Cursor {
    /// The next ticks of this chunk, which has some.
    fn next_bundle(&mut self, frame: Frame) -> Entry {
        let ticks = self.bundle.min(self.left);
        let (offset, size, dts) = (self.offset, frame.size(ticks), self.dts);
        self.index += 1;
        self.left -= ticks;
        self.offset = self.offset.saturating_add(u64::from(size));
        self.dts += i64::from(ticks);
        Entry { offset, size, dts, cts: dts, duration: ticks, sync: true, description: self.description }
    }
}

impl Iterator for Cursor {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.index >= self.tables.count || !self.next_chunk() {
            return None;
        }
        let tables = &self.tables;
        if let Some(frame) = tables.bundles {
            return Some(self.next_bundle(frame));
        }
        let size = tables.sizes.get(self.index)?;
        let duration = Self::step(&mut self.time, &tables.times).unwrap_or(0);
        let past_the_end = |at: &RunAt, rows: &Rows| at.row + 1 == rows.count() && at.used >= rows.get(at.row, 0);
        let composed = if past_the_end(&self.composition, &tables.compositions) {
            0
        } else {
            i64::from(Self::step(&mut self.composition, &tables.compositions).unwrap_or(0).cast_signed())
        };
        let number = self.index + 1;
        let sync = match &tables.sync {
            None => true,
            // An empty table would mean that decoding can begin nowhere.
            Some(rows) if rows.count() == 0 => number == 1,
            Some(rows) => rows.lists(number, &mut self.sync_at),
        };
        let random = self.groups.next() | tables.partial.lists(number, &mut self.partial_at);
        let entry = Entry {
            offset: self.offset,
            size,
            dts: self.dts - tables.dts_shift,
            cts: self.dts + composed,
            duration,
            sync: sync || random,
            description: self.description,
        };
        self.index += 1;
        self.left -= 1;
        self.offset = self.offset.saturating_add(u64::from(size));
        // MAX_SAMPLES durations of 32 bits stay far below 63 bits.
        self.dts += i64::from(duration);
        Some(entry)
    }
}

/// Rows of big-endian 32-bit words.
#[derive(Debug)]
struct Rows {
    bytes: Bytes,
    width: usize,
}

impl Rows {
    fn none(width: usize) -> Self {
        Self { bytes: Bytes::new(), width }
    }

    /// A full box with a count and that many rows.
    fn read(piece: &Piece, width: usize) -> Result<Self, ContainerError> {
        let count = piece.parse("version, flags and a count", |input| {
            let (input, _) = version_flags(input)?;
            be_u32(input)
        })?;
        let room = (piece.body.len() - 8) / (4 * width);
        if count as usize > room {
            return Err(piece.error(4, format!("{count} entries claimed, the box has room for {room}")));
        }
        Ok(Self { bytes: piece.body.slice(8..8 + count as usize * 4 * width), width })
    }

    fn count(&self) -> usize {
        self.bytes.len() / (4 * self.width)
    }

    /// Whether a list of sample numbers has this one; `at` goes on with the numbers.
    fn lists(&self, number: u32, at: &mut usize) -> bool {
        while *at < self.count() && self.get(*at, 0) < number {
            *at += 1;
        }
        *at < self.count() && self.get(*at, 0) == number
    }

    /// Zero where there is no such row.
    fn get(&self, row: usize, column: usize) -> u32 {
        let at = (row * self.width + column) * 4;
        self.bytes.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }
}

#[derive(Debug)]
struct Chunks {
    rows: Rows,
    wide: bool,
}

impl Chunks {
    fn get(&self, chunk: usize) -> Option<u64> {
        (chunk < self.rows.count()).then(|| {
            let first = u64::from(self.rows.get(chunk, 0));
            if self.wide { first << 32 | u64::from(self.rows.get(chunk, 1)) } else { first }
        })
    }
}

#[derive(Debug)]
enum Sizes {
    Equal(u32),
    Each(Bytes),
    /// `stz2` with 4, 8 or 16 bits.
    Narrow(Bytes, u8),
}

impl Sizes {
    fn get(&self, index: u32) -> Option<u32> {
        let index = index as usize;
        match self {
            Sizes::Equal(size) => Some(*size),
            Sizes::Each(bytes) => {
                bytes.get(index * 4..index * 4 + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
            }
            Sizes::Narrow(bytes, 4) => {
                bytes.get(index / 2).map(|b| u32::from(if index.is_multiple_of(2) { b >> 4 } else { b & 15 }))
            }
            Sizes::Narrow(bytes, 8) => bytes.get(index).map(|b| u32::from(*b)),
            Sizes::Narrow(bytes, _) => {
                bytes.get(index * 2..index * 2 + 2).map(|b| u32::from(u16::from_be_bytes([b[0], b[1]])))
            }
        }
    }
}

fn read_sizes(boxes: &[Piece], stbl: &Piece) -> Result<(Sizes, u32), ContainerError> {
    let fits = |piece: &Piece, count: u32, bits: usize| {
        let room = (piece.body.len() - 12) * 8 / bits;
        if count as usize > room {
            return Err(piece.error(8, format!("{count} samples claimed, the box has room for {room}")));
        }
        Ok(piece.body.slice(12..))
    };
    if let Some(piece) = boxes.find(b"stz2") {
        let (bits, count) = piece.parse("field size and a count", |input| {
            let (input, _) = version_flags(input)?;
            let (input, _) = be_u24(input)?;
            let (input, bits) = be_u8(input)?;
            let (input, count) = be_u32(input)?;
            Ok((input, (bits, count)))
        })?;
        if !matches!(bits, 4 | 8 | 16) {
            return Err(piece.error(7, format!("a field size of 4, 8 or 16 expected, found {bits}")));
        }
        return Ok((Sizes::Narrow(fits(piece, count, bits.into())?, bits), count));
    }
    let piece = boxes.need(b"stsz", stbl)?;
    let (size, count) = piece.parse("sample size and a count", |input| {
        let (input, _) = version_flags(input)?;
        let (input, size) = be_u32(input)?;
        let (input, count) = be_u32(input)?;
        Ok((input, (size, count)))
    })?;
    if size != 0 { Ok((Sizes::Equal(size), count)) } else { Ok((Sizes::Each(fits(piece, count, 32)?), count)) }
}
