//! A film's samples on the channel's line, and whether its tracks go under a description.

use crate::channel::TrackDescription;
use catalog::{index::Index, sample::Sample};
use rtp::{
    clock::{MediaTime, Ticks},
    format::{Bundling, Format, Media},
};
use std::{sync::Arc, time::Duration};

/// Sound that shares a packet at most, as of films.
const BUNDLE: Duration = Duration::from_millis(100);

/// Sound whose units can't share packets is brought for so long at once, to share a send.
const TOGETHER: Duration = Duration::from_millis(40);

/// Samples that are brought together at most: bounds what is read for one bringing.
const MAX_GROUP: usize = 16;

/// More than any payload format's header for a unit.
const UNIT_HEADER: usize = 4;

/// One film of the list.
pub(super) struct Programme {
    index: Arc<Index>,
    /// By the description's order: which track of the film, and its next sample.
    tracks: Vec<(usize, usize)>,
    /// Where its zero lies on the line.
    zero: MediaTime,
}

impl Programme {
    /// Begins with what is shown or heard first at `start` or as little later as no track overlaps what was before.
    pub fn new(index: Arc<Index>, tracks: Vec<usize>, start: MediaTime) -> Self {
        let begins = tracks.iter().map(|track| {
            let track = &index.tracks[*track];
            track.clock().time(track.samples.start()).0
        });
        // What only primes a decoder lies before zero.
        let earliest = begins.min().unwrap_or(0).min(0);
        let zero = MediaTime(start.0.saturating_sub(earliest));
        Self { tracks: tracks.into_iter().map(|track| (track, 0)).collect(), index, zero }
    }

    /// Where its last track ends.
    pub fn end(&self) -> MediaTime {
        let ends = self.tracks.iter().map(|(track, _)| {
            let track = &self.index.tracks[*track];
            track.clock().time(track.samples.end()).0
        });
        MediaTime(self.zero.0.saturating_add(ends.max().unwrap_or(0)))
    }

    /// When the next sample is decoded, and of which track of the description; `None` at the end.
    pub fn due(&self) -> Option<(MediaTime, usize)> {
        (0..self.tracks.len()).filter_map(|place| Some((self.next_of(place)?.0, place))).min_by_key(|(at, _)| *at)
    }

    /// The next samples of a track of the description that are brought together, and their decode and showing times on
    /// the line: a picture alone, which is not to come early; sound as far as it shares a packet of `max_bytes`, since
    /// what comes is known.
    pub fn next_group(&mut self, place: usize, max_bytes: usize) -> Vec<(Sample, (Ticks, Ticks))> {
        let Some((track, cursor)) = self.tracks.get_mut(place) else { return Vec::new() };
        let Some(track) = self.index.tracks.get(*track) else { return Vec::new() };
        let (longest, max_bytes) = match (track.format.media(), track.format.bundling()) {
            (Media::Video, _) => (Duration::ZERO, 0),
            (_, Bundling::Many) => (BUNDLE, max_bytes),
            (_, Bundling::One) => (TOGETHER, usize::MAX),
        };
        let (zero, longest) = (track.clock().ticks(self.zero), track.clock().ticks(MediaTime::ZERO.plus(longest)));
        let on_line = |ticks: Ticks| Ticks(ticks.0.saturating_add(zero.0));
        let (mut group, mut bytes, mut began): (Vec<_>, usize, _) = (Vec::new(), 0, None);
        while let Some(sample) = track.samples.get(*cursor).filter(|_| group.len() < MAX_GROUP) {
            let began = *began.get_or_insert(sample.dts);
            let lasts = track.samples.duration(*cursor).unwrap_or_default();
            let span = sample.dts.0.saturating_add(lasts.0).saturating_sub(began.0);
            bytes = bytes.saturating_add(sample.size as usize + UNIT_HEADER);
            if !group.is_empty() && (span > longest.0 || bytes > max_bytes) {
                break;
            }
            *cursor += 1;
            group.push((sample, (on_line(sample.dts), on_line(sample.pts))));
        }
        group
    }

    fn next_of(&self, place: usize) -> Option<(MediaTime, Sample)> {
        let (track, cursor) = self.tracks.get(place)?;
        let track = self.index.tracks.get(*track)?;
        let sample = track.samples.get(*cursor)?;
        Some((MediaTime(track.clock().time(sample.dts).0.saturating_add(self.zero.0)), sample))
    }
}

/// A film's tracks as a channel describes them.
pub(super) fn describe(index: &Index) -> Vec<TrackDescription> {
    let described = |track: &catalog::index::Track| TrackDescription {
        format: track.format.clone(),
        language: track.language.clone(),
        bandwidth_bps: Some(track.bandwidth_bps),
    };
    index.tracks.iter().map(described).collect()
}

/// Which of the film's tracks go under which of the description's: `None` where one finds none. Tracks that the
/// description has no place for are left out.
pub(super) fn map_tracks(described: &[TrackDescription], index: &Index) -> Option<Vec<usize>> {
    let mut taken: Vec<usize> = Vec::new();
    for wanted in described {
        let free = (0..index.tracks.len()).filter(|place| !taken.contains(place));
        let fitting: Vec<usize> = free.filter(|place| goes_on(&wanted.format, &index.tracks[*place].format)).collect();
        let same = fitting.iter().find(|place| index.tracks[**place].language == wanted.language);
        taken.push(*same.or(fitting.first())?);
    }
    Some(taken)
}

/// Whether who was told of `before` can decode `after`: where all that a decoder must know travels with the samples, or is
/// the same.
fn goes_on(before: &Format, after: &Format) -> bool {
    match (before, after) {
        (Format::H264 { .. }, Format::H264 { .. })
        | (Format::H265 { .. }, Format::H265 { .. })
        | (Format::Mpa { .. }, Format::Mpa { .. })
        | (Format::H263 { .. }, Format::H263 { .. })
        | (Format::Vp8 { .. }, Format::Vp8 { .. })
        | (Format::Vp9 { .. }, Format::Vp9 { .. })
        | (Format::Jpeg { .. }, Format::Jpeg { .. }) => true,
        (Format::Mpv { mpeg2: a, .. }, Format::Mpv { mpeg2: b, .. }) => a == b,
        (Format::Ac3 { sample_rate: a, .. }, Format::Ac3 { sample_rate: b, .. })
        | (Format::Eac3 { sample_rate: a, .. }, Format::Eac3 { sample_rate: b, .. }) => a == b,
        _ => before == after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playback::film::film;

    #[test]
    fn films_follow_each_other_without_overlap() {
        let index = film(2, |_, _| 100).index;
        let both = || vec![0, 1];
        let mut first = Programme::new(index.clone(), both(), MediaTime::ZERO);
        let mut second = Programme::new(index.clone(), both(), first.end());
        let all = |programme: &mut Programme| {
            let mut all = Vec::new();
            while let Some((_, track)) = programme.due() {
                for (_, at) in programme.next_group(track, 1_400) {
                    all.push((track, index.tracks[track].clock().time(at.1), at));
                }
            }
            all
        };
        let (end, once, again) = (first.end(), all(&mut first), all(&mut second));
        let samples: usize = index.tracks.iter().map(|track| track.samples.len()).sum();
        assert_eq!((once.len(), again.len()), (samples, samples));
        // The sound begins a frame before zero: it is that which touches the end.
        assert!(once.iter().all(|(_, pts, _)| *pts >= MediaTime::ZERO && *pts < end));
        assert_eq!(again.iter().map(|(_, pts, _)| *pts).min(), Some(end));
        for (one, other) in once.iter().zip(&again) {
            let rate = index.tracks[one.0].clock();
            assert_eq!(one.0, other.0);
            let step = other.2.0.0 - one.2.0.0;
            assert!((step - rate.ticks(end).0).abs() <= 1, "by the same span: {step}");
        }
    }

    #[test]
    fn a_picture_comes_alone_and_sound_as_a_packet_holds() {
        // Units of sound are 180 to 219 bytes of 23 ms. Bytes of a packet; units that are brought together.
        let index = film(2, |_, _| 3_000).index;
        for (max_bytes, together) in [(1_384, 4), (450, 2), (300, 1), (10, 1)] {
            let mut programme = Programme::new(index.clone(), vec![0, 1], MediaTime::ZERO);
            let mut counts = [Vec::new(), Vec::new()];
            let mut before = MediaTime(i64::MIN);
            while let Some((at, track)) = programme.due() {
                assert!(at >= before, "by decode time");
                before = at;
                counts[track].push(programme.next_group(track, max_bytes).len());
            }
            assert!(counts[0].iter().all(|count| *count == 1), "{:?}", counts[0]);
            let (last, others) = counts[1].split_last().unwrap();
            assert!(others.iter().all(|count| *count == together) && *last <= together, "{max_bytes}: {:?}", counts[1]);
        }
        let mut none = Programme::new(index, vec![0, 1], MediaTime::ZERO);
        assert!(none.next_group(7, 1_384).is_empty());
    }

    #[test]
    fn films_of_the_same_kinds_go_on() {
        let one = film(1, |_, _| 100).index;
        let described = describe(&one);
        let with = |change: &dyn Fn(&mut Index)| {
            let mut other = Index::clone(&one);
            change(&mut other);
            map_tracks(&described, &other)
        };
        let h264 = |byte: u8| Format::H264 { sps: vec![vec![byte]], pps: vec![], width: 16, height: 16 };
        assert_eq!(with(&|_| ()), Some(vec![0, 1]));
        assert_eq!(with(&|other| other.tracks.reverse()), Some(vec![1, 0]), "in another order");
        assert_eq!(with(&|other| drop(other.tracks.pop())), None, "without sound");
        assert_eq!(with(&|other| other.tracks.insert(0, other.tracks[1].clone())), Some(vec![1, 0]), "one more");
        assert_eq!(with(&|other| other.tracks[0].format = h264(1)), None, "another codec");
        let mpeg4 = Format::Mp4vEs { config: vec![1], width: 320, height: 240 };
        assert_eq!(with(&|other| other.tracks[0].format = mpeg4.clone()), None, "a configuration told beforehand");
        assert!(goes_on(&h264(1), &h264(2)), "parameter sets travel with the pictures");
        let mpv = |mpeg2| Format::Mpv { mpeg2, width: 16, height: 16 };
        assert!(goes_on(&mpv(true), &mpv(true)) && !goes_on(&mpv(true), &mpv(false)));
    }
}
