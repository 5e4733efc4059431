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

/// The same to the sample, though decoding can't begin there: each track begins with what is shown at `asked`, or with
/// what is shown `next`. Samples decoded later but shown earlier are left out.
pub(super) fn place_exact(index: &Index, tracks: &[usize], asked: MediaTime, next: bool) -> Place {
    let known = || tracks.iter().filter_map(|track| index.tracks.get(*track));
    let places = known().map(|track| {
        let (samples, asked) = (&track.samples, track.clock().ticks(asked));
        let sync = samples.sync_at_or_before(asked);
        // From there to the next sync sample lies all that may be shown about that time.
        let later = || samples.iter_from(sync).enumerate();
        let shown = match next {
            true => later().map(|(_, sample)| sample.pts).filter(|pts| *pts >= asked).take(REORDERED).min(),
            false => later().map(|(_, sample)| sample.pts).take_while(within(asked)).filter(|pts| *pts <= asked).max(),
        };
        let shown = shown.unwrap_or(asked);
        let first = later().find(|(_, sample)| sample.pts >= shown).map_or(samples.len(), |(at, _)| sync + at);
        (track, first, shown)
    });
    let places: Vec<_> = places.collect();
    let there = places.iter().filter(|(track, first, _)| *first < track.samples.len());
    let start = there.map(|(track, _, shown)| track.clock().time(*shown)).min().unwrap_or(asked);
    let tracks = places.into_iter().map(|(_, first, shown)| (first, Some(shown))).collect();
    Place { start: start.max(MediaTime::ZERO), tracks }
}

/// So many samples may be decoded before one that is shown earlier: more than any codec reorders.
const REORDERED: usize = 32;

/// True until [`REORDERED`] samples in a row are shown later than `asked`: then no earlier one follows.
fn within(asked: Ticks) -> impl FnMut(&Ticks) -> bool {
    let mut later = 0;
    move |pts| {
        later = if *pts > asked { later + 1 } else { 0 };
        later < REORDERED
    }
}

/// The same where only sync pictures are sent: each track of pictures begins at its own, or with the `nearest`; so does
/// sound, each of whose units is one, at what is heard then.
pub(super) fn place_sync(index: &Index, tracks: &[usize], asked: MediaTime, nearest: bool) -> Place {
    let sync = |track: &Track, time: MediaTime| {
        let (before, time) = (sync_at_or_before(track, time), track.clock().ticks(time));
        let far = |at: usize| track.samples.get(at).map_or(i64::MAX, |sample| (sample.pts.0 - time.0).abs());
        let after = track.samples.sync_at_or_after(time).filter(|after| nearest && far(*after) < far(before));
        after.unwrap_or(before)
    };
    let known = || tracks.iter().filter_map(|track| index.tracks.get(*track));
    let leader = known().find(|track| track.format.media() == Media::Video).or_else(|| known().next());
    let first = leader.and_then(|leader| {
        let sample = leader.samples.get(sync(leader, asked))?;
        Some(leader.clock().time(sample.pts))
    });
    let places = known().map(|track| (sync(track, asked), None));
    Place { start: first.unwrap_or(MediaTime::ZERO).max(MediaTime::ZERO), tracks: places.collect() }
}

fn sync_at_or_before(track: &Track, time: MediaTime) -> usize {
    track.samples.sync_at_or_before(track.clock().ticks(time))
}
