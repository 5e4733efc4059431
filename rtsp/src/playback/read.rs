//! Which bytes are needed next, and what happens to them.

use super::{Playback, Selection, State};
use bytes::Bytes;
use rtp::clock::MediaTime;
use std::{
    ops::Range,
    time::{Duration, Instant},
};
use stripes::reader::{Reader, ReaderOptions, ReaderState, UnitFailure, UnitRequest};

/// Sync samples that are asked for at once at most: bounds what one call does.
const MAX_SYNCS_AHEAD: usize = 256;

impl Playback {
    /// Whether there is a stripe unit to fetch.
    pub fn wants_units(&self) -> bool {
        self.reader.wants()
    }

    /// The next stripe unit to fetch.
    pub fn poll_request(&mut self) -> Option<UnitRequest> {
        self.reader.poll_request()
    }

    /// A unit came.
    pub fn handle_unit(&mut self, unit: u64, bytes: Bytes) {
        self.reader.handle_unit(unit, bytes);
    }

    /// A unit will not come. It ends the playing when its bytes are due.
    pub fn handle_failure(&mut self, unit: u64, failure: UnitFailure) {
        self.reader.handle_failure(unit, failure);
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
        self.reader =
            Reader::new(self.reader.layout().clone(), ReaderOptions { window_bytes: self.options.window_bytes });
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
        self.refill_at = now + self.read_ahead / 8;
        if self.rate.selection() == Selection::SyncPictures {
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
        let deadline = if self.state == State::Armed { now } else { now + self.read_ahead };
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
                let past = if backward { track.clock.time(sample.pts) < self.end } else { false };
                if ahead > limit || past || wanted.len() >= MAX_SYNCS_AHEAD {
                    break;
                }
                wanted.push(sample.offset..sample.offset + u64::from(sample.size));
                let (next, step) = self.rate.next_sync(samples, cursor.unwrap_or_default());
                (cursor, ahead) = (next, MediaTime(ahead.0.saturating_add(track.clock.time(step).0)));
            }
        }
        if backward {
            // The window reaches forwards from the lowest byte: what comes next must lie in it.
            let reach = wanted.first().map_or(0, |first| first.end.saturating_sub(self.options.window_bytes));
            wanted.retain(|range| range.start >= reach);
        }
        let Some(first) = wanted.iter().map(|range| range.start).min() else { return };
        match backward {
            true => self.reader.seek(first),
            false => self.reader.forget_before(first),
        }
        let deadline = if self.state == State::Armed { now } else { now + self.read_ahead };
        let layout = self.reader.layout();
        let units = wanted.iter().map(|range| layout.units_of(range.clone()));
        let count: u64 = units.map(|units| units.end - units.start).sum();
        self.held_bytes = (count * u64::from(layout.policy.unit_size)).min(self.options.window_bytes);
        for range in wanted {
            self.reader.want(range, now, deadline);
        }
    }

    /// Why the bytes of a stalled sample will not come, if that is known.
    pub(super) fn lost(&self, range: Range<u64>) -> Option<String> {
        match self.reader.state() {
            ReaderState::Failed { unit, failure } if self.reader.layout().units_of(range).contains(&unit) => {
                let layout = self.reader.layout();
                let node = layout.node(layout.address(unit));
                Some(format!("unit {unit} of object {} on node {node}: {failure}", layout.object))
            }
            _ => None,
        }
    }
}
