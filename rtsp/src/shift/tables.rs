//! The tables of segments as those of one presentation.

use catalog::{
    index::Index,
    sample::{Sample, SampleTable, TableBuilder, TableError},
};
use rtp::{
    clock::{MediaTime, Ticks},
    format::Media,
};
use std::time::Duration;

/// Whatever a channel brings within this after its very first instant belongs to its beginning.
const BEGINNING: Duration = Duration::from_secs(1);

/// One table of many, each with the place of its segment on the line of bytes.
///
/// # Errors
/// Times that fall, or more samples than a table may have.
pub(super) fn join<'a>(tables: impl Iterator<Item = (u64, &'a SampleTable)>) -> Result<SampleTable, TableError> {
    let mut joined = TableBuilder::new();
    for (offset, table) in tables {
        for (number, sample) in table.iter_from(0).enumerate() {
            let duration = if number + 1 == table.len() { table.end().0.saturating_sub(sample.pts.0) } else { 0 };
            joined.push(Sample { offset: sample.offset.saturating_add(offset), ..sample }, Ticks(duration))?;
        }
    }
    Ok(joined.finish())
}

/// The first place from which all that follows can be shown. Where the window has moved on from the channel's beginning
/// that is the leading track's second sync sample: playing from the first sample of a table means a film's very start,
/// with all that lies before it.
pub(super) fn first_place(index: &Index, begins: MediaTime) -> Option<MediaTime> {
    if begins <= MediaTime::ZERO.plus(BEGINNING) {
        return Some(MediaTime::ZERO);
    }
    let leads = |track: &&catalog::index::Track| track.format.media() == Media::Video;
    let leader = index.tracks.iter().find(leads).or_else(|| index.tracks.first())?;
    let mut syncs = leader.samples.iter_from(1).filter(|sample| sample.sync);
    syncs.next().map(|sample| leader.clock().time(sample.pts))
}
