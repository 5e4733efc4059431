//! Sample tables: where a track's samples lie in the media object and when they are decoded and shown.
//!
//! A table holds 20 bytes a sample, found by number at once. Times are ticks of the track's RTP clock.
//! Decode times never fall; presentation times may jump about (B pictures), so the searches by
//! presentation time go over running maxima and minima of blocks, which do not.

mod builder;
mod wire;

pub use builder::{TableBuilder, TableError};

use rtp::clock::{ClockRate, Ticks};
use std::collections::VecDeque;

/// Bytes of one sample at most; the bit above tells sync samples.
pub const MAX_SAMPLE_SIZE: u32 = SYNC_BIT - 1;
/// The media object ends below this, bytes: offsets are kept in 48 bits.
pub const MAX_OFFSET: u64 = 1 << 48;
/// Decode times lie within plus and minus this, ticks: 49 years at 90 kHz, kept in 48 bits.
pub const MAX_TICKS: i64 = 1 << 47;
/// Samples of one track: 19 years of MPEG audio at 24 ms. A table that claims more is refused unread.
pub const MAX_SAMPLES: usize = 1 << 24;

const SYNC_BIT: u32 = 1 << 31;
const BLOCK: usize = 64;

/// One entry of a table: no bytes, only where they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// First byte in the media object.
    pub offset: u64,
    /// Bytes, in the format's stored form.
    pub size: u32,
    /// When it is decoded.
    pub dts: Ticks,
    /// When it is shown or heard.
    pub pts: Ticks,
    /// Whether decoding may begin here.
    pub sync: bool,
}

/// A track's samples in decode order, immutable once built by a [`TableBuilder`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampleTable {
    rows: Vec<Row>,
    /// Latest presentation time up to the end of each block of rows; never falls.
    latest: Vec<i64>,
    /// Earliest presentation time from the start of each block of rows on; never falls.
    earliest: Vec<i64>,
    /// The sync samples by presentation time, as (pts, row); empty where all are sync and in order.
    syncs: Vec<(i64, u32)>,
    every_sample_is_sync: bool,
    end: Ticks,
}

/// 20 bytes: the 48-bit numbers are split so that nothing is padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    offset_low: u32,
    dts_low: u32,
    size_and_sync: u32,
    /// pts - dts
    shift: i32,
    offset_high: u16,
    dts_high: i16,
}

/// Bits per second of a track's stored samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// The most in any one second of decode time (of the whole, where that is shorter).
    pub peak_bps: u32,
    /// Over the whole track.
    pub average_bps: u32,
}

impl SampleTable {
    /// How many samples.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Sample number `index` in decode order, from 0.
    pub fn get(&self, index: usize) -> Option<Sample> {
        self.rows.get(index).map(Row::sample)
    }

    /// Where entry `index` lies in memory, for those who ask for it before they read it.
    pub fn address(&self, index: usize) -> Option<*const u8> {
        self.rows.get(index).map(|row| std::ptr::from_ref(row).cast())
    }

    /// The samples in decode order from number `from` on.
    pub fn iter_from(&self, from: usize) -> impl Iterator<Item = Sample> + '_ {
        self.rows.get(from..).unwrap_or_default().iter().map(Row::sample)
    }

    /// The sync sample that is shown last at or before `pts`; the one shown first of all where none is;
    /// 0 where the track has no sync sample.
    pub fn sync_at_or_before(&self, pts: Ticks) -> usize {
        if self.every_sample_is_sync {
            return self.rows.partition_point(|row| row.pts() <= pts.0).saturating_sub(1);
        }
        let after = self.syncs.partition_point(|(at, _)| *at <= pts.0);
        self.syncs.get(after.saturating_sub(1)).map_or(0, |(_, row)| *row as usize)
    }

    /// The sync sample that is shown first at or after `pts`, if there is one.
    pub fn sync_at_or_after(&self, pts: Ticks) -> Option<usize> {
        if self.every_sample_is_sync {
            let index = self.rows.partition_point(|row| row.pts() < pts.0);
            return (index < self.len()).then_some(index);
        }
        let index = self.syncs.partition_point(|(at, _)| *at < pts.0);
        self.syncs.get(index).map(|(_, row)| *row as usize)
    }

    /// The first sample in decode order with a presentation time at or after `pts`; `len()` where none has.
    pub fn first_at_or_after(&self, pts: Ticks) -> usize {
        let block = self.latest.partition_point(|latest| *latest < pts.0);
        let start = (block * BLOCK).min(self.len());
        let rest = &self.rows[start..];
        start + rest.iter().position(|row| row.pts() >= pts.0).unwrap_or(rest.len())
    }

    /// One past the last sample in decode order with a presentation time before `pts`: who plays up to
    /// `pts` needs no sample from here on. 0 where all are later.
    pub fn end_before(&self, pts: Ticks) -> usize {
        let blocks = self.earliest.partition_point(|earliest| *earliest < pts.0);
        let end = (blocks * BLOCK).min(self.len());
        self.rows[..end].iter().rposition(|row| row.pts() < pts.0).map_or(0, |last| last + 1)
    }

    /// The first sample that is decoded at or after `dts`; `len()` where none is.
    pub fn first_decoded_at_or_after(&self, dts: Ticks) -> usize {
        self.rows.partition_point(|row| row.dts() < dts.0)
    }

    /// Ticks from this sample's decoding to the next one's; for the last, to the end of the track at most.
    pub fn duration(&self, index: usize) -> Option<Ticks> {
        let row = self.rows.get(index)?;
        let next = self.rows.get(index + 1).map_or_else(|| self.end.0 - i64::from(row.shift), Row::dts);
        Some(Ticks((next - row.dts()).max(0)))
    }

    /// When the last sample's showing is over.
    pub fn end(&self) -> Ticks {
        self.end
    }

    /// When the first sample shown is shown; zero where there is none.
    pub fn start(&self) -> Ticks {
        Ticks(self.earliest.first().copied().unwrap_or(0))
    }

    /// Bytes of all samples.
    pub fn bytes(&self) -> u64 {
        self.rows.iter().map(|row| u64::from(row.size())).sum()
    }

    /// Peak and average rate, saturating.
    pub fn rates(&self, clock: ClockRate) -> Rates {
        let second = i64::from(clock.hz());
        let (mut window, mut in_window, mut peak, mut total) = (VecDeque::new(), 0u64, 0u64, 0u64);
        for row in &self.rows {
            let (dts, size) = (row.dts(), u64::from(row.size()));
            while window.front().is_some_and(|(first, _)| dts - first >= second) {
                in_window -= window.pop_front().map_or(0, |(_, size)| size);
            }
            window.push_back((dts, size));
            in_window += size;
            peak = peak.max(in_window);
            total += size;
        }
        let span = self.rows.first().map_or(0, |first| (self.end.0 - first.dts()).max(0));
        let scaled = u128::from(total) * 8 * u128::from(clock.hz()) / u128::from(span.max(1).unsigned_abs());
        let average = if span > 0 { u32::try_from(scaled).unwrap_or(u32::MAX) } else { 0 };
        Rates { peak_bps: u32::try_from(peak * 8).unwrap_or(u32::MAX), average_bps: average }
    }
}

impl Row {
    fn new(sample: &Sample) -> Self {
        // The builder has checked the ranges: 48 bits each, and a shift that fits.
        Self {
            offset_low: sample.offset as u32,
            offset_high: (sample.offset >> 32) as u16,
            dts_low: sample.dts.0 as u32,
            dts_high: (sample.dts.0 >> 32) as i16,
            size_and_sync: sample.size | if sample.sync { SYNC_BIT } else { 0 },
            shift: (sample.pts.0 - sample.dts.0) as i32,
        }
    }

    fn offset(&self) -> u64 {
        u64::from(self.offset_high) << 32 | u64::from(self.offset_low)
    }

    fn dts(&self) -> i64 {
        i64::from(self.dts_high) << 32 | i64::from(self.dts_low)
    }

    fn pts(&self) -> i64 {
        self.dts() + i64::from(self.shift)
    }

    fn size(&self) -> u32 {
        self.size_and_sync & MAX_SAMPLE_SIZE
    }

    fn sync(&self) -> bool {
        self.size_and_sync & SYNC_BIT != 0
    }

    fn sample(&self) -> Sample {
        Sample {
            offset: self.offset(),
            size: self.size(),
            dts: Ticks(self.dts()),
            pts: Ticks(self.pts()),
            sync: self.sync(),
        }
    }
}

#[cfg(test)]
mod tests;
