//! The range that plays: arming it, starting it, stopping in it, and when its samples are due.

use super::{PlayError, Playback, Rate, Selection, Start, State, TrackInfo, seek, track::TrackPlay};
use crate::headers::SeekStyle;
use catalog::sample::Sample;
use rtp::{
    clock::{ClockRate, MediaTime, NtpTimestamp, RtpTimestamp, Ticks},
    train::Framing,
};
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
        rate: Rate,
        now: Instant,
    ) -> Result<(Range<MediaTime>, Vec<TrackInfo>), PlayError> {
        let duration = self.index.duration;
        let backward = rate.is_backward();
        let asked = match start {
            Start::At(asked) => Some(asked.max(MediaTime::ZERO)),
            Start::Resume if self.state == State::Rewound && backward => Some(duration),
            Start::Resume if self.state == State::Rewound => Some(MediaTime::ZERO),
            // Where only some samples were sent, or will be, there is no place to go on from but a sync sample.
            Start::Resume if [self.rate, rate].iter().any(|rate| rate.selection() == Selection::SyncPictures) => {
                Some(self.position(now))
            }
            Start::Resume => None,
        };
        let asked = asked.filter(|asked| !self.continues_to(*asked, rate, now));
        let mut from = asked.unwrap_or_else(|| self.position(now));
        let outside = match backward {
            true => from <= end.unwrap_or(MediaTime::ZERO),
            false => {
                (asked.is_some() && from > MediaTime::ZERO && from >= duration) || end.is_some_and(|end| end <= from)
            }
        };
        if outside {
            return Err(PlayError::Range { start: from.as_secs_f64(), duration: duration.as_secs_f64() });
        }
        from = from.min(duration);
        self.hurry(now);
        self.start = from;
        self.stall = None;
        self.event = None;
        self.end = match backward {
            true => end.unwrap_or(MediaTime::ZERO),
            false => end.map_or(duration, |end| end.min(duration)),
        };
        self.count_halt(asked.is_none(), now);
        let before = std::mem::replace(&mut self.rate, rate);
        match asked {
            Some(asked) => self.seek(asked.min(duration), start == Start::Resume && !backward),
            None if before != rate || rate.scale() != 1.0 => self.change_rate(),
            None => {}
        }
        for at in 0..self.tracks.len() {
            self.tracks[at].done = false;
            self.settle(at);
        }
        let decode_times = self.tracks.iter().filter_map(|track| self.decode_time(track));
        let first = if backward { decode_times.max() } else { decode_times.min() };
        self.decode_start = first.unwrap_or(self.start);
        self.finish = self.decode_start;
        self.origin = now;
        self.appointed = None;
        self.state = State::Armed;
        self.refill(now);
        let info = self.tracks.iter().map(|track| TrackInfo {
            track: track.number,
            sequence: self.tracks[track.source].packetizer.next_sequence(),
            timestamp: match track.timestamp(self.first_instant(track)) {
                RtpTimestamp(0) => RtpTimestamp(1),
                other => other,
            },
        });
        Ok((self.start..self.end, info.collect()))
    }

    /// How the next range is to be sought.
    pub fn set_style(&mut self, style: SeekStyle) {
        self.style = style;
    }

    /// Whether timestamps count from now on the time in which nothing is delivered: so RTSP 2.0 has it (RFC 7826 C.4),
    /// while in 1.0 they go on as if there had been no pause (RFC 2326 appendix B).
    pub fn set_counts_halts(&mut self, counts: bool) {
        self.counts_halts = counts;
    }

    /// Lets the lines go on for as long as nothing was delivered; `here`: so that it goes on where it stands.
    fn count_halt(&mut self, here: bool, now: Instant) {
        let Some(since) = self.halted.filter(|_| self.counts_halts) else { return };
        let halt = now.saturating_duration_since(since);
        self.halted = Some(now);
        for track in &mut self.tracks {
            track.halt(halt, here);
        }
    }

    /// How the range was sought.
    pub fn style(&self) -> SeekStyle {
        self.style
    }

    /// CoRAP (RFC 7826 18.47): whether it goes on from where it stands, since no random access point lies between there and
    /// `asked`. Then it is as if what comes next had been asked for.
    fn continues_to(&mut self, asked: MediaTime, rate: Rate, now: Instant) -> bool {
        let sparse = [self.rate, rate].iter().any(|rate| rate.selection() == Selection::SyncPictures);
        let stands = !sparse && !matches!(self.state, State::Rewound | State::Failed);
        if self.style != SeekStyle::CoRap || !stands {
            return false;
        }
        let position = self.position(now);
        let numbers: Vec<usize> = self.tracks.iter().map(|track| track.setup.track).collect();
        let continues = position <= asked && seek::place(&self.index, &numbers, asked).start <= position;
        if continues {
            self.style = SeekStyle::Next;
        }
        continues
    }

    /// The instant that `RTP-Info` tells of a track.
    fn first_instant(&self, track: &TrackPlay) -> Ticks {
        let first = self.index.tracks[track.number].samples.get(track.cursor).filter(|_| track.multiplexed);
        first.map_or_else(|| track.clock.ticks(self.start), |sample| track.begins(&sample))
    }

    /// Says beforehand when what is armed is to [go](Playback::go), for a viewer that must have a report on each track before
    /// its first packet ([`Playback::report_early`]): `at`, which is `wall` by the wall clock. False where nobody needs that.
    pub fn appoint(&mut self, at: Instant, wall: NtpTimestamp) -> bool {
        let datagrams = || self.tracks.iter().all(|track| track.setup.framing == Framing::Datagram);
        let needed = self.state == State::Armed && self.options.live555 && datagrams();
        if needed {
            self.appointed = Some(at);
            self.lay_line(at, wall);
        }
        needed
    }

    /// Starts what was armed: the first sample is due when [appointed](Playback::appoint), else or if that is over `now`,
    /// which is `wall` by the wall clock.
    pub fn go(&mut self, now: Instant, wall: NtpTimestamp) {
        if self.state != State::Armed {
            return;
        }
        if self.appointed.take().is_none_or(|at| at < now) {
            self.lay_line(now, wall);
        }
        self.state = State::Playing;
        self.halted = None;
        for track in &mut self.tracks {
            track.fresh = true;
            track.packetizer.mark_start();
        }
        self.schedule();
    }

    /// The range's start is at `at`, which is `wall` by the wall clock.
    fn lay_line(&mut self, at: Instant, wall: NtpTimestamp) {
        self.origin = at;
        self.went = at;
        self.began = self.start;
        let back = |time: MediaTime| Ticks(time.0.saturating_neg());
        let wall = match self.tracks.first().filter(|_| self.options.live555) {
            Some(track) => {
                let played = track.instant(self.start);
                let zero = *self.played_zero.get_or_insert(wall.plus(back(played), NANOSECONDS));
                zero.plus(Ticks(played.0), NANOSECONDS)
            }
            None => wall,
        };
        self.wall_zero = wall.plus(back(self.start), NANOSECONDS);
    }

    /// Stops. What is laid down already still leaves when due (see [`Playback::is_drained`]); the place is kept to the
    /// sample. Answers the presentation time reached.
    pub fn pause(&mut self, now: Instant) -> MediaTime {
        self.start = self.position(now);
        if self.state == State::Playing {
            self.halted = Some(now);
        }
        if matches!(self.state, State::Playing | State::Armed) {
            self.state = State::Paused;
            self.stall = None;
            self.release();
        }
        self.start
    }

    /// Makes `at` the end of the range that plays. False where that is not ahead: nothing is changed then.
    pub fn stop_at(&mut self, at: MediaTime, now: Instant) -> bool {
        let position = self.position(now);
        let ahead = match self.rate.is_backward() {
            true => at < position && at >= self.end,
            false => at > position && at <= self.end,
        };
        if !ahead || !matches!(self.state, State::Playing | State::Armed) {
            return false;
        }
        self.end = at;
        for at in 0..self.tracks.len() {
            self.settle(at);
        }
        true
    }

    /// How fast it plays, or would.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// The presentation time that is shown about `now`.
    pub fn position(&self, now: Instant) -> MediaTime {
        if self.state != State::Playing {
            return self.start;
        }
        let now = self.stall.map_or(now, |stall| stall.since.min(now));
        let position = self.rate.onward(self.start, self.rate.npt(now.saturating_duration_since(self.origin)));
        if self.rate.is_backward() { position.max(self.end) } else { position.min(self.end) }
    }

    /// What is left of begun units leaves at once.
    fn hurry(&mut self, now: Instant) {
        for rest in self.tracks.iter_mut().filter_map(|track| track.rest.as_mut()) {
            rest.due = now;
            rest.step = Duration::ZERO;
        }
    }

    /// `on`: it goes on from where it stands, and may go ahead to a picture as well as back.
    fn seek(&mut self, asked: MediaTime, on: bool) {
        let numbers: Vec<usize> = self.tracks.iter().map(|track| track.setup.track).collect();
        let sparse = self.rate.selection() == Selection::SyncPictures;
        let place = match self.style {
            _ if sparse => seek::place_sync(&self.index, &numbers, asked, on),
            SeekStyle::Rap | SeekStyle::CoRap => seek::place(&self.index, &numbers, asked),
            style => seek::place_exact(&self.index, &numbers, asked, style == SeekStyle::Next),
        };
        if sparse {
            self.style = SeekStyle::Rap;
        }
        self.start = place.start;
        for (track, (cursor, skip_before)) in self.tracks.iter_mut().zip(place.tracks) {
            track.seek(cursor, skip_before);
        }
        // What is shown before the range's start (priming) comes first.
        let index = &self.index;
        let sent = self.tracks.iter().filter(|track| !sparse && !track.is_left_out(self.rate));
        let earliest = sent.filter_map(|track| track.earliest(&index.tracks[track.number].samples)).min();
        let lead = self.start.since(earliest.unwrap_or(self.start));
        self.lay_lines(self.rate.shown(lead));
    }

    /// Goes on from where it stands at another rate: the pictures with the next, the sound where they are.
    fn change_rate(&mut self) {
        for track in self.tracks.iter_mut().filter(|track| !track.pictures) {
            let from = track.clock.ticks(self.start);
            let cursor = self.index.tracks[track.number].samples.first_at_or_after(from);
            track.seek(cursor, Some(from));
        }
        self.lay_lines(Duration::ZERO);
    }

    /// The new line starts where the old one ended.
    fn lay_lines(&mut self, lead: Duration) {
        let reached = self.tracks.iter().filter_map(TrackPlay::reached).max().unwrap_or(MediaTime::ZERO);
        for track in &mut self.tracks {
            track.lay_line(self.start, reached.plus(lead), self.rate);
        }
        let first = self.first_byte();
        self.read_from(first.unwrap_or(0));
    }

    /// Moves a track's cursor over what is left out; notes whether the range is over for it.
    pub(super) fn settle(&mut self, at: usize) {
        let (rate, backward) = (self.rate, self.rate.is_backward());
        let track = &mut self.tracks[at];
        let samples = &self.index.tracks[track.number].samples;
        if track.is_left_out(rate) {
            track.done = true;
            return;
        }
        let end = (backward || self.end < self.index.duration).then(|| track.clock.ticks(self.end));
        if backward {
            track.done = samples.get(track.cursor).is_none_or(|sample| end.is_some_and(|end| sample.pts < end));
            return;
        }
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
        self.index.tracks[track.number].samples.get(track.cursor).map(|sample| self.order(track, &sample))
    }

    /// The time by which samples are sent: their decode time, but where only sync pictures are sent nothing comes out of
    /// the order in which it is shown.
    pub(super) fn order(&self, track: &TrackPlay, sample: &Sample) -> MediaTime {
        let sparse = self.rate.selection() == Selection::SyncPictures;
        track.clock.time(if sparse { sample.pts } else { sample.dts })
    }

    pub(super) fn due(&self, decode: MediaTime) -> Instant {
        self.origin + self.rate.real(decode.since(self.decode_start).max(self.decode_start.since(decode)))
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
