//! Playing what still grows: a channel's window, whose tables get longer at the end and lose their front.

use super::{PlayError, Playback, Rate, Start, State, TrackInfo, send::CATCH_UP};
use catalog::index::Index;
use rtp::clock::{MediaTime, RtpTimestamp, Ticks};
use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

/// So much before its end a newer index is looked for: time for the nodes to answer, and for the next segment to be sealed.
const SOON: Duration = Duration::from_secs(12);

impl Playback {
    /// Its presentation is still growing: at the end of what is known it waits for more instead of ending.
    pub fn grows(&mut self) {
        self.growing = true;
    }

    /// It will not grow any more: it ends where what is known ends.
    pub fn is_complete(&mut self) {
        self.growing = false;
    }

    /// Goes on at presentation time `at` where another way of sending stopped: `places` tells of each of the index's tracks
    /// the decode time up to which all was sent, the next sequence number and the timestamp of time zero. False where the
    /// front of the tables, of which `gone` samples have gone, is later than that.
    pub fn take_over(
        &mut self,
        at: MediaTime,
        gone: &[usize],
        place: impl Fn(usize) -> Option<(Option<Ticks>, u16, RtpTimestamp)>,
    ) -> bool {
        (self.state, self.start) = (State::Paused, at);
        let mut still_there = true;
        for track in &mut self.tracks {
            let Some((sent_to, sequence, zero)) = place(track.number) else { continue };
            let samples = &self.index.tracks[track.number].samples;
            let next = sent_to.map_or(track.clock.ticks(at), |sent_to| Ticks(sent_to.0.saturating_add(1)));
            let cursor = samples.first_decoded_at_or_after(next);
            still_there &= cursor > 0 || gone.get(track.number) == Some(&0);
            track.seek(cursor, None);
            track.packetizer.go_on_from(sequence);
            track.take_line(zero, at);
        }
        still_there
    }

    /// Whether it comes to the end of what is known so soon that it is time for more.
    pub fn is_near_end(&self, now: Instant) -> bool {
        self.growing && self.state == State::Playing && self.index.duration.since(self.position(now)) < SOON
    }

    /// Whether all that is known was sent, and more may come.
    pub(super) fn is_waiting(&self) -> bool {
        self.growing
            && self.state == State::Playing
            && !self.rate.is_backward()
            && self.end >= self.index.duration
            && self.tracks.iter().all(|track| track.done)
    }

    /// Whether it is faster than what it plays grows, and has come to the end of what is known.
    pub fn has_caught_up(&self) -> bool {
        self.rate.scale() > 1.0 && self.is_waiting()
    }

    /// Goes on at the normal scale from the last place where decoding may begin (RFC 7826 13.5.3), once it
    /// [goes](Playback::go): its range, and what [`Playback::play`] tells of the tracks.
    ///
    /// # Errors
    /// As [`Playback::play`].
    pub fn slow_down(&mut self, now: Instant) -> Result<(Range<MediaTime>, Rate, Vec<TrackInfo>), PlayError> {
        let rate = Rate::nearest(1.0, self.rate.speed(), true);
        let last = MediaTime(self.index.duration.0.saturating_sub(1));
        let (range, info) = self.play(Start::At(last), None, rate, now)?;
        Ok((range, rate, info))
    }

    /// Goes on in a newer index of the same presentation, of whose tables `gone` samples have gone from the front, track by
    /// track. False where it stood among those: it can't go on from there.
    pub fn grow(&mut self, index: Arc<Index>, gone: &[usize], now: Instant) -> bool {
        let waited = self.is_waiting();
        let to_the_end = self.end >= self.index.duration && !self.rate.is_backward();
        let mut still_there = true;
        for track in &mut self.tracks {
            let gone = gone.get(track.number).copied().unwrap_or(0);
            still_there &= track.cursor >= gone;
            track.cursor = track.cursor.saturating_sub(gone);
            track.ahead = track.ahead.saturating_sub(gone);
        }
        self.index = index;
        if to_the_end {
            self.end = self.index.duration;
        }
        if matches!(self.state, State::Playing | State::Armed) {
            for at in 0..self.tracks.len() {
                self.tracks[at].done = false;
                self.settle(at);
            }
            self.schedule();
            let due = self.tracks.iter().filter(|track| !track.done).map(|track| track.due).min();
            let late = due.map_or(Duration::ZERO, |due| now.saturating_duration_since(due));
            if waited && late > CATCH_UP {
                self.origin += late;
                self.schedule();
            }
            self.refill_at = now;
        }
        still_there
    }
}
