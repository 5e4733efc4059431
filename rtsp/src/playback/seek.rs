//! From a time that was asked for to each track's first sample.

use catalog::index::{Index, Track};
use rtp::{
    clock::{MediaTime, Ticks},
    format::Media,
};

/// Where a range starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The real start: when the sync sample is shown.
    pub(super) start: MediaTime,
    /// For each of the tracks asked for: its first sample, and the presentation time before which samples are
    /// left out.
    pub(super) tracks: Vec<(usize, Option<Ticks>)>,
}

/// The place at or before `asked` where decoding may begin.
///
/// The first video track decides: it starts at its sync sample at or before `asked`. Pictures decoded after that one
/// but shown before it refer to pictures that are not sent, so they are left out; so is audio before it. Without
/// video the first track's unit that is heard at `asked` decides. The film's very start is different: all is
/// sent there, even what lies before zero to prime a decoder.
pub(super) fn place(index: &Index, tracks: &[usize], asked: MediaTime) -> Place {
    let known = || tracks.iter().filter_map(|track| index.tracks.get(*track));
    let from_the_start = || Place { start: MediaTime::ZERO, tracks: vec![(0, None); tracks.len()] };
    let is_video = |track: &Track| track.format.media() == Media::Video;
    let Some(leader) = known().find(|track| is_video(track)).or_else(|| known().next()) else {
        return from_the_start();
    };
    let first = sync_at_or_before(leader, asked);
    let Some(sample) = leader.samples.get(first) else { return from_the_start() };
    let start = leader.clock().time(sample.pts);
    if first == 0 || asked <= MediaTime::ZERO || start <= MediaTime::ZERO {
        return from_the_start();
    }
    let places = known().map(|track| {
        let from = track.clock().ticks(start);
        if std::ptr::eq(track, leader) {
            (first, Some(sample.pts))
        } else if is_video(track) {
            // Another view: it needs its own sync sample, though that be shown earlier.
            (sync_at_or_before(track, start), None)
        } else {
            (track.samples.first_at_or_after(from), Some(from))
        }
    });
    Place { start, tracks: places.collect() }
}

/// The same where only sync pictures are sent: each track of pictures begins at its own. Where the others begin is of no
/// meaning.
pub(super) fn place_sync(index: &Index, tracks: &[usize], asked: MediaTime) -> Place {
    let known = || tracks.iter().filter_map(|track| index.tracks.get(*track));
    let leader = known().find(|track| track.format.media() == Media::Video).or_else(|| known().next());
    let first = leader.and_then(|leader| {
        let sample = leader.samples.get(sync_at_or_before(leader, asked))?;
        Some(leader.clock().time(sample.pts))
    });
    let places = known().map(|track| (sync_at_or_before(track, asked), None));
    Place { start: first.unwrap_or(MediaTime::ZERO).max(MediaTime::ZERO), tracks: places.collect() }
}

fn sync_at_or_before(track: &Track, time: MediaTime) -> usize {
    track.samples.sync_at_or_before(track.clock().ticks(time))
}
