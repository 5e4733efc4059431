//! What the streams of a file have given, until it leaves.

use super::CLOCK;
use super::timeline::Timeline;
use crate::container::{DemuxedSample, Event, TrackInfo, limits};
use std::collections::VecDeque;

/// The file's line of time, and samples and notes on their way.
#[derive(Debug, Default)]
pub(in crate::container) struct Gathered {
    pub timeline: Timeline,
    /// In the order in which they became whole, with times from the timeline's own zero.
    pub samples: VecDeque<DemuxedSample>,
    /// At most [`limits::MAX_NOTES`] and one that says that there were more.
    pub notes: VecDeque<String>,
    notes_made: usize,
}

impl Gathered {
    pub fn note(&mut self, note: String) {
        self.notes_made += 1;
        match self.notes_made {
            ..=limits::MAX_NOTES => self.notes.push_back(note),
            made if made == limits::MAX_NOTES + 1 => self.notes.push_back("further notes are left out".into()),
            _ => {}
        }
    }

    /// Notes that the times of `stream` jumped, where they did.
    pub fn note_jumps(&mut self, stream: std::fmt::Arguments<'_>) {
        for jump in self.timeline.take_jumps() {
            let seconds = jump as f64 / f64::from(CLOCK);
            self.note(format!("{stream}: its time jumps by {seconds:.3} s, which is taken out"));
        }
    }

    /// The earliest time of the samples, in whole ticks of 90 kHz.
    pub fn earliest(&self, tracks: &[TrackInfo]) -> i64 {
        let of = |sample: &DemuxedSample| {
            let track = tracks.iter().find(|track| track.number == sample.track)?;
            Some(sample.pts.div_euclid(i64::from(track.timescale / CLOCK)))
        };
        self.samples.iter().filter_map(of).min().unwrap_or(0)
    }

    /// The samples of `tracks` leave, their times counted from `zero` in 90 kHz.
    pub fn release(&mut self, tracks: &[TrackInfo], zero: i64, events: &mut VecDeque<Event>) {
        for mut sample in self.samples.drain(..) {
            let Some(track) = tracks.iter().find(|track| track.number == sample.track) else { continue };
            let zero = zero * i64::from(track.timescale / CLOCK);
            sample.dts -= zero;
            sample.pts -= zero;
            events.push_back(Event::Sample(sample));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use rtp::format::Format;

    #[test]
    fn samples_leave_with_times_from_the_first() {
        let format = Format::Mpa { layer: 2, sample_rate: 48_000, channels: 2 };
        let info = |number, timescale| TrackInfo { number, format: format.clone(), language: None, timescale };
        let tracks = [info(1, CLOCK), info(2, 8 * CLOCK)];
        let mut gathered = Gathered::default();
        for (track, time) in [(1, 500), (2, 8 * 400), (3, 0)] {
            let data = Bytes::new();
            gathered.samples.push_back(DemuxedSample { track, dts: time, pts: time, duration: 1, sync: true, data });
        }
        assert_eq!((gathered.earliest(&tracks), gathered.earliest(&[])), (400, 0));
        let mut events = VecDeque::new();
        gathered.release(&tracks, 400, &mut events);
        let times = events.into_iter().map(|event| if let Event::Sample(sample) = event { sample.pts } else { -1 });
        assert_eq!(times.collect::<Vec<_>>(), [100, 0]);
    }

    #[test]
    fn notes_are_bounded() {
        let mut gathered = Gathered::default();
        (0..1000).for_each(|number| gathered.note(number.to_string()));
        assert_eq!(gathered.notes.len(), limits::MAX_NOTES + 1);
        assert_eq!(gathered.notes.back().map(String::as_str), Some("further notes are left out"));
    }
}
