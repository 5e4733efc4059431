//! Building a table, sample by sample in decode order.

use super::{BLOCK, MAX_OFFSET, MAX_SAMPLE_SIZE, MAX_SAMPLES, MAX_TICKS, Row, Sample, SampleTable};
use rtp::clock::Ticks;

/// Takes a track's samples in decode order.
#[derive(Debug, Default)]
pub struct TableBuilder {
    rows: Vec<Row>,
    showing: Showing,
}

/// What is known of when the samples so far are shown.
#[derive(Debug, Default)]
struct Showing {
    /// The first and the last time, and how long the sample that is shown last says it is.
    first: i64,
    last: i64,
    last_duration: i64,
    /// The latest end by what each sample says.
    end: i64,
    /// Of what was pushed last, and the shortest of all that last.
    newest_duration: i64,
    shortest: Option<i64>,
    /// Whether they come in another order than they are shown.
    reordered: bool,
}

/// Why a sample can't be in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Decode times never fall.
    #[error("sample {index} is decoded at tick {dts}, before the one before it at {previous}")]
    Order {
        /// From 0.
        index: usize,
        /// Ticks.
        dts: i64,
        /// Ticks.
        previous: i64,
    },
    /// A size, offset or time out of the table's range.
    #[error("sample {index}: {what} is out of range")]
    Range {
        /// From 0.
        index: usize,
        /// Which number.
        what: &'static str,
    },
    /// More than [`MAX_SAMPLES`].
    #[error("more than {MAX_SAMPLES} samples in one track")]
    TooMany,
}

impl TableBuilder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are so far.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none yet.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// When the last sample so far is decoded.
    pub fn last_dts(&self) -> Option<Ticks> {
        self.rows.last().map(|row| Ticks(row.dts()))
    }

    /// Adds a sample that is shown for `duration` ticks (what is negative counts as zero).
    pub fn push(&mut self, sample: Sample, duration: Ticks) -> Result<(), TableError> {
        let index = self.rows.len();
        let range = |what| TableError::Range { index, what };
        if index >= MAX_SAMPLES {
            return Err(TableError::TooMany);
        }
        if sample.size > MAX_SAMPLE_SIZE {
            return Err(range("its size"));
        }
        if sample.offset >= MAX_OFFSET || sample.offset + u64::from(sample.size) > MAX_OFFSET {
            return Err(range("its offset"));
        }
        if !(-MAX_TICKS..MAX_TICKS).contains(&sample.dts.0) {
            return Err(range("its decode time"));
        }
        if sample.pts.0.checked_sub(sample.dts.0).is_none_or(|shift| i32::try_from(shift).is_err()) {
            return Err(range("its presentation time"));
        }
        if let Some(previous) = self.last_dts().filter(|previous| *previous > sample.dts) {
            return Err(TableError::Order { index, dts: sample.dts.0, previous: previous.0 });
        }
        self.showing.add(sample.pts.0, duration.0.clamp(0, MAX_TICKS), index == 0);
        self.rows.push(Row::new(&sample));
        Ok(())
    }

    /// The table.
    pub fn finish(self) -> SampleTable {
        let end = Ticks(self.showing.end(&self.rows));
        SampleTable::index(self.rows, end)
    }

    /// The table whose showing ends at `end`, or with its last sample if that is later.
    pub(crate) fn finish_at(self, end: Ticks) -> SampleTable {
        let end = end.max(Ticks(self.showing.end(&self.rows)));
        SampleTable::index(self.rows, end)
    }
}

impl Showing {
    fn add(&mut self, pts: i64, duration: i64, is_first: bool) {
        let end = pts + duration;
        if is_first {
            *self = Self { first: pts, last: pts, last_duration: duration, end, ..Self::default() };
        }
        self.reordered |= pts < self.last;
        if pts >= self.last {
            (self.last, self.last_duration) = (pts, duration);
        }
        (self.first, self.end, self.newest_duration) = (self.first.min(pts), self.end.max(end), duration);
        if duration > 0 {
            self.shortest = Some(self.shortest.map_or(duration, |shortest| shortest.min(duration)));
        }
    }

    /// When showing is over. Where pictures are decoded in another order than they are shown, what a container calls a
    /// picture's duration is mostly the time to the next one's decoding: before a gap it is far longer than the picture,
    /// which may be the one that is shown behind the gap. All are decoded in as long as they are shown.
    fn end(&self, rows: &[Row]) -> i64 {
        let (true, Some(first), Some(last)) = (self.reordered, rows.first(), rows.last()) else { return self.end };
        let decoded = last.dts() + self.newest_duration - first.dts();
        let left = decoded - (self.last - self.first);
        self.last + left.max(self.shortest.unwrap_or(0)).min(self.last_duration)
    }
}

impl SampleTable {
    /// Lays what the searches need beside the rows.
    fn index(mut rows: Vec<Row>, end: Ticks) -> SampleTable {
        rows.shrink_to_fit();
        let mut latest: Vec<i64> = Vec::with_capacity(rows.len().div_ceil(BLOCK));
        let mut earliest = latest.clone();
        for block in rows.chunks(BLOCK) {
            let most = block.iter().map(Row::pts).max().unwrap_or(i64::MIN);
            latest.push(latest.last().map_or(most, |before| most.max(*before)));
        }
        for block in rows.chunks(BLOCK).rev() {
            let least = block.iter().map(Row::pts).min().unwrap_or(i64::MAX);
            earliest.push(earliest.last().map_or(least, |after: &i64| least.min(*after)));
        }
        earliest.reverse();
        let in_order = rows.is_sorted_by_key(Row::pts);
        let every_sample_is_sync = in_order && rows.iter().all(Row::sync);
        let mut syncs = Vec::new();
        if !every_sample_is_sync {
            let numbered = rows.iter().zip(0u32..).filter(|(row, _)| row.sync());
            syncs = numbered.map(|(row, number)| (row.pts(), number)).collect();
            syncs.sort_unstable();
        }
        SampleTable { rows, latest, earliest, syncs, every_sample_is_sync, end }
    }
}
