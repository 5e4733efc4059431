//! Which bytes are needed next, and what happens to them.

use super::{Playback, Selection, State};
use bytes::Bytes;
use rtp::clock::MediaTime;
use std::{
    ops::Range,
    time::{Duration, Instant},
};
use stripes::{
    reader::{Reader, ReaderOptions, ReaderState, UnitFailure, UnitRequest},
    scattered::{Piece, PieceRequest, Scattered},
};

/// Sync samples that are asked for at once at most: bounds what one call does.
const MAX_SYNCS_AHEAD: usize = 256;

impl Playback {
    /// Whether there is something to fetch.
    pub fn wants_bytes(&self) -> bool {
        if self.is_sparse() { self.scattered.wants() } else { self.reader.wants() }
    }

    /// The next bytes to fetch: a stripe unit, or part of one where only some samples are sent.
    pub fn poll_request(&mut self) -> Option<PieceRequest> {
        if self.is_sparse() {
            return self.scattered.poll_request();
        }
        let UnitRequest { unit, deadline, .. } = self.reader.poll_request()?;
        Some(PieceRequest { piece: Piece::whole(self.reader.layout(), unit), deadline })
    }

    /// What was asked for came.
    pub fn handle_bytes(&mut self, piece: Piece, bytes: Bytes) {
        if self.is_sparse() {
            self.scattered.handle_piece(piece, bytes);
        } else if piece.is_whole(self.reader.layout()) {
            self.reader.handle_unit(piece.unit, bytes);
        }
    }

    /// What was asked for will not come. It ends the playing when its bytes are due.
    pub fn handle_failure(&mut self, piece: Piece, failure: UnitFailure) {
        if self.is_sparse() {
            self.scattered.handle_failure(piece, failure);
        } else if piece.is_whole(self.reader.layout()) {
            self.reader.handle_failure(piece.unit, failure);
        }
    }

    /// Whether only some samples are sent, so that only their bytes are read.
    pub(super) fn is_sparse(&self) -> bool {
        self.rate.selection() == Selection::SyncPictures
    }

    /// Whether the bytes of a sample are here.
    pub(super) fn has(&self, range: Range<u64>) -> bool {
        if self.is_sparse() { self.scattered.has(range) } else { self.reader.has(range) }
    }

    /// Begins to read elsewhere, or otherwise.
    pub(super) fn read_from(&mut self, first: u64) {
        match self.is_sparse() {
            true => {
                self.reader = self.fresh_reader();
                self.scattered.forget_failures();
            }
            false => self.scattered = Scattered::new(self.reader.layout().clone()),
        }
        self.reader.seek(first);
    }

    fn fresh_reader(&self) -> Reader {
        Reader::new(self.reader.layout().clone(), ReaderOptions { window_bytes: self.options.window_bytes })
    }

    /// Bytes of the stripe units that it holds or has asked for.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// How much film it reads ahead from now on.
    pub fn set_read_ahead(&mut self, read_ahead: Duration) {
        self.read_ahead = read_ahead;
    }

    /// Lets go of all units: whoever stands still needs none, and may stand for hours.
    pub(super) fn release(&mut self) {
        self.reader = self.fresh_reader();
        self.scattered = Scattered::new(self.reader.layout().clone());
        self.held_bytes = 0;
        for track in &mut self.tracks {
            track.ahead = track.cursor;
        }
    }

    pub(super) fn first_byte(&self) -> Option<u64> {
        let cursors = self.tracks.iter().filter(|track| !track.done);
        cursors.filter_map(|track| Some(self.index.tracks[track.number].samples.get(track.cursor)?.offset)).min()
    }

    /// Asks for the bytes of the time to come.
    pub(super) fn refill(&mut self, now: Instant) {
        self.refill_at = now + self.refill_period();
        if self.is_sparse() {
            return self.refill_sync(now);
        }
        let played = self.rate.npt(now.saturating_duration_since(self.origin));
        let horizon = self.decode_start.plus(played + self.rate.npt(self.read_ahead));
        let Some(first) = self.first_byte() else { return };
        let mut last = first;
        for track in self.tracks.iter_mut().filter(|track| !track.done) {
            let samples = &self.index.tracks[track.number].samples;
            let limit = track.clock.ticks(horizon);
            track.ahead = track.ahead.max(track.cursor + 1);
            while samples.get(track.ahead).is_some_and(|sample| sample.dts <= limit) {
                track.ahead += 1;
            }
            if let Some(sample) = samples.get(track.ahead - 1) {
                last = last.max(sample.offset + u64::from(sample.size));
            }
        }
        self.reader.forget_before(first);
        let (all, fits) = (last - first, (last - first).min(self.options.window_bytes));
        let deadline = self.deadline(now, fits as f64 / all.max(1) as f64);
        let reach = self.reader.want(first..last, now, deadline);
        let layout = self.reader.layout();
        let units = layout.units_of(first..reach.max(first + 1));
        self.held_bytes = (units.end - units.start) * u64::from(layout.policy.unit_size);
    }

    /// Asks for the bytes of the next sync samples, and for nothing between them.
    fn refill_sync(&mut self, now: Instant) {
        let backward = self.rate.is_backward();
        let mut wanted: Vec<Range<u64>> = Vec::with_capacity(MAX_SYNCS_AHEAD);
        for track in self.tracks.iter().filter(|track| !track.done) {
            let samples = &self.index.tracks[track.number].samples;
            let (mut cursor, mut ahead) = (Some(track.cursor), MediaTime::ZERO);
            let limit = MediaTime::ZERO.plus(self.rate.npt(self.read_ahead));
            while let Some(sample) = cursor.and_then(|cursor| samples.get(cursor)) {
                let shown = track.clock.time(sample.pts);
                let past = match backward {
                    true => shown < self.end,
                    false => shown >= self.end && self.end < self.index.duration,
                };
                if ahead > limit || past || wanted.len() >= MAX_SYNCS_AHEAD {
                    break;
                }
                wanted.push(sample.offset..sample.offset + u64::from(sample.size));
                let (next, step) = track.next(self.rate, samples, cursor.unwrap_or_default());
                (cursor, ahead) = (next, MediaTime(ahead.0.saturating_add(track.clock.time(step).0)));
            }
        }
        // The first is needed however large it is.
        let mut left = self.options.window_bytes;
        let fits = wanted.iter().take_while(|range| {
            let fits = left > 0;
            left = left.saturating_sub(range.end - range.start);
            fits
        });
        let count = fits.count();
        let deadline = self.deadline(now, count as f64 / wanted.len().max(1) as f64);
        self.scattered.want(wanted.into_iter().take(count), deadline);
        self.held_bytes = self.scattered.held_bytes();
    }

    /// When the first of what is newly asked for is due, if `share` of the time to come has room: the last refill
    /// asked for all but its end.
    fn deadline(&self, now: Instant, share: f64) -> Instant {
        match self.state {
            State::Armed => now,
            _ => now + self.read_ahead.mul_f64(share.clamp(0.0, 1.0)).saturating_sub(self.refill_period()),
        }
    }

    fn refill_period(&self) -> Duration {
        self.read_ahead / 8
    }

    /// Why the bytes of a stalled sample will not come, if that is known.
    pub(super) fn lost(&self, range: Range<u64>) -> Option<String> {
        let layout = self.reader.layout();
        let (unit, failure) = match self.reader.state() {
            _ if self.is_sparse() => self.scattered.failure(range).map(|(unit, failure)| (unit, failure.clone()))?,
            ReaderState::Failed { unit, failure } if layout.units_of(range).contains(&unit) => (unit, failure),
            _ => return None,
        };
        let node = layout.node(layout.address(unit));
        Some(format!("unit {unit} of object {} on node {node}: {failure}", layout.object))
    }
}
