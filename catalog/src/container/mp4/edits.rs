//! Edit lists: which stretch of a track's media is shown when (ISO 14496-12 section 8.6.6).
//!
//! What is done, so that times agree with ffmpeg's (and by that with what most people have seen):
//!
//! - An empty edit at the start delays the track.
//! - An edit shows the samples with `media_time <= cts < media_time + duration`. Its first sample shown lies at
//!   the edit's start: a `media_time` between two pictures does not leave a gap of a part of a picture.
//!   Audio keeps its exact place: where an edit begins inside a frame, that frame begins before the edit.
//! - Samples before the first edit that decoding needs are kept, with times before the edit's start: video from
//!   the sync sample on, audio [`PRIMING_FRAMES`] frames. Those after the last one shown are left out; one that
//!   is decoded before it but shown after the edit's end is kept, as others may need it.
//! - Further edits follow at the end of the one before; of them audio comes from its first whole frame on, and video that
//!   only decoding needs has composition times before the edit's start, which receivers drop as late. An empty
//!   edit among them is a gap. A rate other than 1 is read as 1.
//! - In fragmented files, whose samples are not known beforehand, a delay and one `media_time` only move the
//!   track; the edit's end is not looked at (writers can't know it).

use super::boxes::{Piece, version_flags};
use super::limits::{MAX_EDIT_STEPS, MAX_EDITS, MAX_SAMPLES, PRIMING_FRAMES};
use super::tables::{Cursor, Tables};
use crate::container::ContainerError;
use nom::Parser;
use nom::multi::count;
use nom::number::complete::{be_i32, be_i64, be_u32, be_u64};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// One edit, in media timescale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// Zero in an edit that is not empty: to the end of the media.
    pub duration: i64,
    /// `None`: nothing is shown.
    pub media_time: Option<i64>,
}

/// A run of samples, and by how much their times move onto the presentation's timeline.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// At its first sample.
    pub cursor: Cursor,
    /// Samples.
    pub count: u32,
    /// Added to decoding and composition times.
    pub shift: i64,
}

/// A track's samples in the order of its edits.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    pub segments: VecDeque<Segment>,
    /// Earliest composition time shown, moved; `None` without samples.
    pub first_shown: Option<i64>,
}

/// Reads `elst`; durations are in the movie's timescale there and are converted.
pub(super) fn read(elst: &Piece, movie_timescale: u32, timescale: u32) -> Result<Vec<Edit>, ContainerError> {
    let rows = elst.parse("an edit list", |input| {
        let (input, (version, _)) = version_flags(input)?;
        let (input, rows) = be_u32(input)?;
        let rows = (rows as usize).min(MAX_EDITS + 1);
        if version == 1 {
            count((be_u64, be_i64, be_u32), rows).parse(input)
        } else {
            let narrow = (be_u32, be_i32, be_u32).map(|(a, b, c)| (u64::from(a), i64::from(b), c));
            count(narrow, rows).parse(input)
        }
    })?;
    if rows.len() > MAX_EDITS {
        return Err(elst.error(4, format!("more than {MAX_EDITS} edits")));
    }
    let (to, from) = (i128::from(timescale), i128::from(movie_timescale.max(1)));
    Ok(rows
        .into_iter()
        .map(|(duration, media_time, _rate)| Edit {
            duration: i64::try_from((i128::from(duration) * to + from / 2) / from).unwrap_or(i64::MAX / 4),
            media_time: (media_time >= 0).then_some(media_time),
        })
        .collect())
}

/// By how much the times of a fragmented track move: its first delay less its first media time.
pub(super) fn fragment_shift(edits: &[Edit]) -> i64 {
    let delay = match edits.first() {
        Some(Edit { media_time: None, duration }) => *duration,
        _ => 0,
    };
    delay.saturating_sub(edits.iter().find_map(|edit| edit.media_time).unwrap_or(0))
}

/// Lays a track's samples out by its edits.
pub(super) fn timeline(tables: &Arc<Tables>, edits: &[Edit], audio: bool) -> Result<Timeline, String> {
    let mut out = Timeline::default();
    if tables.count == 0 {
        return Ok(out);
    }
    if edits.iter().all(|edit| edit.media_time.is_none()) {
        // Nothing that would be shown: a delay at most, and then all of it.
        let shift = edits.iter().map(|edit| edit.duration).fold(0, i64::saturating_add);
        out.first_shown = tables.cursor().map(|entry| entry.cts.saturating_add(shift)).min();
        out.segments.push_back(Segment { cursor: tables.cursor(), count: tables.count, shift });
        return Ok(out);
    }
    let mut steps = 0u64;
    let mut samples = 0u64;
    let mut start = 0i64;
    // By how much the first edit's first sample in decode order is shown after the edit's start; all edits
    // go back by it (see above).
    let mut correction = None;
    for edit in edits {
        let edit_start = start;
        start = start.saturating_add(edit.duration);
        let Some(media_time) = edit.media_time else { continue };
        let end = match edit.duration {
            0 => i64::MAX,
            duration => media_time.saturating_add(duration),
        };
        let priming = if out.segments.is_empty() { PRIMING_FRAMES } else { 0 };
        let Some(found) = find(tables, media_time..end, audio.then_some(priming), &mut steps) else { continue };
        if steps > MAX_EDIT_STEPS {
            return Err(format!("its edits go over more than {MAX_EDIT_STEPS} samples"));
        }
        let shift = if audio {
            edit_start.saturating_sub(found.first_shown)
        } else {
            let back = *correction.get_or_insert(found.first_shown.saturating_sub(found.first_time));
            edit_start.saturating_sub(back).saturating_sub(found.first_time)
        };
        samples += u64::from(found.count);
        if samples > MAX_SAMPLES {
            return Err(format!("its edits show more than {MAX_SAMPLES} samples"));
        }
        let shown = found.first_shown.saturating_add(shift);
        out.first_shown = Some(out.first_shown.map_or(shown, |first: i64| first.min(shown)));
        out.segments.push_back(Segment { cursor: found.cursor, count: found.count, shift });
    }
    Ok(out)
}

struct Stretch {
    cursor: Cursor,
    count: u32,
    /// Earliest composition time shown; for audio of what the edit cuts a frame to.
    first_shown: i64,
    /// Decoding time, before the shift for negative offsets, of the first sample shown in decode order.
    first_time: i64,
}

/// The samples of one edit with what decoding needs before it; `None` where it shows none.
///
/// `priming`: for audio, how many frames may come before.
fn find(tables: &Arc<Tables>, edit: Range<i64>, priming: Option<usize>, steps: &mut u64) -> Option<Stretch> {
    let Range { start: media_time, end } = edit;
    let audio = priming.is_some();
    let mut cursor = tables.cursor();
    let mut before: VecDeque<Cursor> = VecDeque::new();
    let mut found: Option<Stretch> = None;
    let mut after_end = 0;
    loop {
        let here = cursor.clone();
        let Some(entry) = cursor.next() else { break };
        *steps += 1;
        let until = entry.cts.saturating_add(i64::from(entry.duration));
        // An audio frame of which only the end is shown belongs to the first edit.
        let partial = priming.is_some_and(|frames| frames > 0) && until > media_time;
        let shown = entry.cts < end && (entry.cts >= media_time || partial);
        if shown {
            let begins = entry.sync && !audio && entry.cts <= media_time;
            let stretch = found.get_or_insert_with(|| Stretch {
                cursor: before.front().filter(|_| !begins).unwrap_or(&here).clone(),
                count: 0,
                first_shown: i64::MAX,
                first_time: entry.dts + tables.dts_shift,
            });
            stretch.first_shown = stretch.first_shown.min(entry.cts.max(if audio { media_time } else { i64::MIN }));
            stretch.count = cursor.index - stretch.cursor.index;
        } else if found.is_none() && entry.cts < media_time {
            if let Some(priming) = priming {
                before.push_back(here);
                if before.len() > priming {
                    before.pop_front();
                }
            } else if entry.sync || before.is_empty() {
                before = VecDeque::from([here]);
            }
        }
        // Pictures shown before the end may still follow a sync sample that is shown after it, but not two.
        if until >= end && entry.cts >= end && (audio || entry.sync) {
            after_end += 1;
            if audio || after_end > 1 {
                break;
            }
        }
    }
    found
}
