//! The range that plays: arming it, starting it, stopping in it, and when its samples are due.

use super::{Playback, State, seek, track::TrackPlay};
use crate::worker::{PlayError, Start, TrackInfo};
use rtp::clock::{ClockRate, MediaTime, NtpTimestamp, RtpTimestamp, Ticks};
use std::{
    ops::Range,
    time::{Duration, Instant},
};

/// Counts nanoseconds, as [`MediaTime`] does.
pub(super) const NANOSECONDS: ClockRate = match ClockRate::new(1_000_000_000) {
    Some(clock) => clock,
    None => ClockRate::VIDEO,
};

impl Playback {
    /// Stops what plays, arms a new range and begins to read; nothing leaves before [`Playback::go`]. Answers the real
    /// range and each track's first sequence number and the timestamp of the range's start.
    ///
    /// # Errors
    /// [`PlayError::Range`]; all is then as it was.
    pub fn play(
        &mut self,
        start: Start,
        end: Option<MediaTime>,
        now: Instant,
    ) -> Result<(Range<MediaTime>, Vec<TrackInfo>), PlayError> {
        let duration = self.index.duration;
        let asked = match start {
            Start::At(asked) => Some(asked.max(MediaTime::ZERO)),
            Start::Resume if self.state == State::Rewound => Some(MediaTime::ZERO),
            Start::Resume => None,
        };
        let from = asked.unwrap_or_else(|| self.position(now));
        let past_the_end = asked.is_some() && from > MediaTime::ZERO && from >= duration;
        if past_the_end || end.is_some_and(|end| end <= from) {
            return Err(PlayError::Range { start: from.as_secs_f64(), duration: duration.as_secs_f64() });
        }
        self.hurry(now);
        self.start = from;
        self.stall = None;
        self.event = None;
        self.end = end.map_or(duration, |end| end.min(duration));
        if let Some(asked) = asked {
            self.seek(asked);
        }
        for at in 0..self.tracks.len() {
            self.tracks[at].done = false;
            self.settle(at);
        }
        self.decode_start = self.tracks.iter().filter_map(|track| self.decode_time(track)).min().unwrap_or(self.start);
        self.finish = self.decode_start;
        self.origin = now;
        self.state = State::Armed;
        self.refill(now);
        let info = self.tracks.iter().map(|track| TrackInfo {
            track: track.number,
            sequence: self.tracks[track.source].packetizer.next_sequence(),
            timestamp: match track.timestamp(track.clock.ticks(self.start)) {
                RtpTimestamp(0) => RtpTimestamp(1),
                other => other,
            },
        });
        Ok((self.start..self.end, info.collect()))
    }

    /// Starts what was armed: the first sample is due `now`, which is `wall` by the wall clock.
    pub fn go(&mut self, now: Instant, wall: NtpTimestamp) {
        if self.state != State::Armed {
            return;
        }
        self.state = State::Playing;
        self.origin = now;
        self.went = now;
        self.began = self.start;
        self.wall_zero = wall.plus(Ticks(self.start.0.saturating_neg()), NANOSECONDS);
        for track in &mut self.tracks {
            track.fresh = true;
            track.packetizer.mark_start();
        }
        self.schedule();
    }

    /// Stops. What is laid down already still leaves when due (see [`Playback::is_drained`]); the place is kept to the
    /// sample. Answers the presentation time reached.
    pub fn pause(&mut self, now: Instant) -> MediaTime {
        self.start = self.position(now);
        if matches!(self.state, State::Playing | State::Armed) {
            self.state = State::Paused;
            self.stall = None;
        }
        self.start
    }

    /// The presentation time that is shown about `now`.
    pub fn position(&self, now: Instant) -> MediaTime {
        if self.state != State::Playing {
            return self.start;
        }
        let now = self.stall.map_or(now, |stall| stall.since.min(now));
        self.start.plus(now.saturating_duration_since(self.origin)).min(self.end)
    }

    /// What is left of begun units leaves at once.
    fn hurry(&mut self, now: Instant) {
        for rest in self.tracks.iter_mut().filter_map(|track| track.rest.as_mut()) {
            rest.due = now;
            rest.step = Duration::ZERO;
        }
    }

    fn seek(&mut self, asked: MediaTime) {
        let numbers: Vec<usize> = self.tracks.iter().map(|track| track.setup.track).collect();
        let place = seek::place(&self.index, &numbers, asked);
        self.start = place.start;
        for (track, (cursor, skip_before)) in self.tracks.iter_mut().zip(place.tracks) {
            track.seek(cursor, skip_before);
        }
        // The new line starts where the old one ended; what is shown before the range's start (priming) comes first.
        let index = &self.index;
        let reached = self.tracks.iter().filter_map(TrackPlay::reached).max().unwrap_or(MediaTime::ZERO);
        let earliest = self.tracks.iter().filter_map(|track| track.earliest(&index.tracks[track.number].samples)).min();
        let lead = self.start.since(earliest.unwrap_or(self.start));
        for track in &mut self.tracks {
            track.lay_line(self.start, reached.plus(lead));
        }
        let first = self.first_byte();
        self.reader.seek(first.unwrap_or(0));
    }

    /// Moves a track's cursor over what is left out; notes whether the range is over for it.
    pub(super) fn settle(&mut self, at: usize) {
        let track = &mut self.tracks[at];
        let samples = &self.index.tracks[track.number].samples;
        let end = (self.end < self.index.duration).then(|| track.clock.ticks(self.end));
        while samples.get(track.cursor).is_some_and(|sample| track.skips(&sample)) {
            track.cursor += 1;
        }
        // Half-open. A later sample in decode order may be shown before the end, but would refer to this one; on resuming
        // all of them follow.
        track.done = samples.get(track.cursor).is_none_or(|sample| end.is_some_and(|end| sample.pts >= end));
    }

    pub(super) fn decode_time(&self, track: &TrackPlay) -> Option<MediaTime> {
        if track.done {
            return None;
        }
        self.index.tracks[track.number].samples.get(track.cursor).map(|sample| track.clock.time(sample.dts))
    }

    pub(super) fn due(&self, decode: MediaTime) -> Instant {
        self.origin + decode.since(self.decode_start)
    }

    /// Computes anew when each track's next sample is due.
    pub(super) fn schedule(&mut self) {
        for at in 0..self.tracks.len() {
            if let Some(decode) = self.decode_time(&self.tracks[at]) {
                self.tracks[at].due = self.due(decode);
            }
        }
    }
}
