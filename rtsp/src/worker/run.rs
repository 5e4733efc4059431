//! The thread: commands and units in, deadlines served. What leaves then is in [`super::leave`].

use super::{
    MediaSource, PlayError, PlayReply, PlayRequest, ViewerEvent, ViewerId, WorkerOptions, WorkerStatistics,
    common::Common,
    fetch,
    inbox::{Command, Inbox},
    leave::Exit,
    live::Audience,
    viewer::Viewer,
    viewers::{Key, Viewers},
    wait,
    wheel::Wheel,
};
use crate::playback::prefetch::prefetch;
use crate::{
    net::udp::UdpPair,
    playback::{PlaybackEvent, Scratch},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use stripes::{reader::UnitFailure, scattered::PieceRequest};

/// The longest sleep while somebody plays: how long a command or a unit may wait. The thread then needs no bell.
const NAP: Duration = Duration::from_millis(2);

/// Viewers served between two looks at the clock: as many trains take about half a millisecond to leave.
const CLOCK_EVERY: usize = 64;

/// The sockets are read this often while somebody plays.
const RECEIVE_EVERY: Duration = Duration::from_millis(10);

/// One worker's thread and all that it owns.
pub(super) struct Machine {
    number: usize,
    pub(super) options: Arc<WorkerOptions>,
    pub(super) source: Arc<dyn MediaSource>,
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) inbox: Arc<Inbox>,
    pub(super) statistics: Arc<WorkerStatistics>,
    pub(super) exit: Exit,
    pub(super) viewers: Viewers,
    common: Common,
    pub(super) audience: Audience,
    wheel: Wheel,
    pub(super) scratch: Scratch,
    receive_at: Instant,
    /// Bytes of stripe units that the viewers hold, each its own.
    held_bytes: u64,
}

impl Machine {
    pub(super) fn new(
        number: usize,
        options: Arc<WorkerOptions>,
        source: Arc<dyn MediaSource>,
        runtime: tokio::runtime::Handle,
        inbox: Arc<Inbox>,
        statistics: Arc<WorkerStatistics>,
        udp: UdpPair,
    ) -> Self {
        let now = Instant::now();
        Self {
            number,
            exit: Exit::new(number, udp, options.segmentation, statistics.clone()),
            audience: Audience::new(options.clone(), inbox.clone(), now),
            common: Common::new(options.playback.clone()),
            options,
            source,
            runtime,
            inbox,
            statistics,
            viewers: Viewers::default(),
            wheel: Wheel::new(now),
            scratch: Scratch::default(),
            receive_at: now,
            held_bytes: 0,
        }
    }

    /// Works until it is stopped.
    pub(super) fn run(mut self) {
        wait::tighten_timers();
        let mut commands = Vec::new();
        let mut due = Vec::new();
        loop {
            let now = Instant::now();
            WorkerStatistics::count(&self.statistics.wake_ups, 1);
            self.inbox.take(&mut commands);
            for command in commands.drain(..) {
                if let Command::Stop = command {
                    self.stop(now);
                    return;
                }
                self.handle(command, now);
            }
            if now >= self.receive_at {
                self.receive_at = now + RECEIVE_EVERY;
                self.receive(now);
            }
            if let Some(edge) = self.wheel.take(now, &mut due) {
                self.statistics.served(now.saturating_duration_since(edge));
            }
            self.audience.serve(&mut self.exit, now);
            let mut now = now;
            for number in 0..due.len() {
                let slot = due[number];
                self.look_ahead(&due[number + 1..]);
                // With thousands due at once the last leave well after the first: distances count from when they do.
                if number % CLOCK_EVERY == CLOCK_EVERY - 1 {
                    now = Instant::now();
                }
                if let Some(key) = self.viewers.due(slot, now) {
                    self.serve(key, now);
                }
            }
            due.clear();
            self.flush();
            self.rest();
        }
    }

    /// Asks for the memory of those who come next, each step of what the step before has brought.
    fn look_ahead(&self, next: &[u32]) {
        if let Some(slot) = next.get(7) {
            self.viewers.prefetch(*slot);
        }
        let peek = |place: usize| next.get(place).and_then(|slot| self.viewers.peek(*slot));
        if let Some(viewer) = peek(5) {
            prefetch(viewer.ways.as_slice());
            viewer.playback.prefetch_tracks();
        }
        if let Some(viewer) = peek(3) {
            viewer.prefetch_connections();
            viewer.playback.prefetch_sample();
        }
        if let Some(viewer) = peek(1) {
            viewer.playback.prefetch_bytes();
        }
    }

    /// Sleeps to the next slot with something due, or until a command rings where nothing is.
    fn rest(&mut self) {
        let first = [self.wheel.first(), self.audience.first()].into_iter().flatten().min();
        match first {
            // What a channel brings can't wait for a slot.
            Some(first) if !self.audience.is_empty() => {
                if wait::doze(&self.inbox, &self.exit.udp, first) {
                    self.receive_at = Instant::now();
                }
            }
            Some(first) => wait::nap(first.min(self.wheel.edge(Instant::now() + NAP))),
            None => {
                wait::sleep(&self.inbox, &self.exit.udp, None);
                self.receive_at = Instant::now();
            }
        }
    }

    fn handle(&mut self, command: Command, now: Instant) {
        if let Command::Play { request, .. } = &command
            && request.channel.is_some()
        {
            // Who was behind comes back to what is now.
            self.remove(request.viewer, false, now);
        }
        let Some(command) = self.audience.handle(command, &mut self.exit, self.viewers.len(), now) else { return };
        match command {
            Command::Play { request, reply } => {
                let answer = self.play(&request, now);
                let key = self.viewers.key(request.viewer);
                if let Some(key) = key {
                    self.report_early(key, now);
                }
                let failed = answer.is_err();
                if reply.send(answer).is_err() && !failed {
                    // The session has gone meanwhile.
                    self.remove(request.viewer, false, now);
                } else if let Some(key) = key {
                    self.serve(key, now);
                }
            }
            Command::Go(viewer) => {
                if let Some(key) = self.viewers.key(viewer) {
                    if let Some(viewer) = self.viewers.get(key) {
                        viewer.go(now);
                    }
                    self.serve(key, now);
                }
            }
            Command::Pause { viewer, at, reply } => match self.viewers.key(viewer) {
                Some(key) => {
                    if let Some(viewer) = self.viewers.get(key) {
                        viewer.pause(at, reply, now);
                    }
                    self.serve(key, now);
                }
                None => drop(reply.send(None)),
            },
            Command::Statistics { viewer, reply } => {
                let key = self.viewers.key(viewer);
                let statistics = key.and_then(|key| self.viewers.get(key)).map(|viewer| viewer.statistics(now));
                let _ = reply.send(statistics);
            }
            Command::Remove { viewer, bye } => self.remove(viewer, bye, now),
            Command::Rtcp { viewer, track, packet } => self.interleaved_rtcp(viewer, track, &packet, now),
            Command::Piece { key, piece, result } => {
                let Some(viewer) = self.viewers.get(key) else { return };
                match result {
                    Ok(bytes) => viewer.playback.handle_bytes(piece, bytes),
                    Err(reason) => viewer.playback.handle_failure(piece, UnitFailure::Unreachable(reason)),
                }
                self.serve(key, now);
            }
            Command::Burst { .. } | Command::Over { .. } | Command::Stop => {}
        }
    }

    fn play(&mut self, request: &PlayRequest, now: Instant) -> Result<PlayReply, PlayError> {
        if request.tracks.is_empty() {
            return Err(PlayError::Track);
        }
        // Whatever a known viewer sends now belongs to its old range.
        self.flush();
        if let Some(key) = self.viewers.key(request.viewer) {
            let Some(viewer) = self.viewers.get(key) else { return Err(PlayError::Stopped) };
            if request.queue && viewer.playback.is_playing() {
                return viewer.enqueue(request);
            }
            if viewer.continues(request) {
                self.viewers.leave(key);
                let reply = self.viewers.get(key).map(|viewer| viewer.play(request, &self.exit.udp, now));
                self.viewers.enter(key);
                return reply.unwrap_or(Err(PlayError::Stopped));
            }
            self.remove(request.viewer, false, now);
        }
        let known = self.viewers.len() + self.audience.len();
        if known >= self.options.max_viewers {
            return Err(PlayError::Full(known));
        }
        let mut viewer = Viewer::new(request, &mut self.common, &self.exit.udp, now)?;
        let stood = request.behind.as_ref().and_then(|_| self.audience.leave(request.viewer, &mut self.exit));
        let reply = match viewer.catch_hold(request, stood.as_deref()) {
            Some(elsewhere) => viewer.play(&elsewhere, &self.exit.udp, now)?,
            None => viewer.play(request, &self.exit.udp, now)?,
        };
        let key = self.viewers.add(viewer);
        self.viewers.enter(key);
        WorkerStatistics::count(&self.statistics.viewers, 1);
        Ok(reply)
    }

    /// Does all that is due for one viewer and finds out when it is due next.
    pub(super) fn serve(&mut self, key: Key, now: Instant) {
        let Some(viewer) = self.viewers.get(key) else { return };
        viewer.slot = None;
        viewer.look_for_more(now);
        let read_ahead = self.options.playback.read_ahead;
        let tight = self.held_bytes > self.options.read_ahead_bytes;
        viewer.playback.set_read_ahead(if tight { read_ahead / 8 } else { read_ahead });
        self.request(key, now);
        self.transmit(key, now);
        if self.request(key, now) {
            self.transmit(key, now);
        }
        if self.viewers.get(key).is_some_and(|viewer| viewer.playback.has_caught_up()) {
            self.slow_down(key, now);
        }
        self.report(key, now);
        let Some(viewer) = self.viewers.get(key) else { return };
        let held = viewer.playback.held_bytes();
        let before = std::mem::replace(&mut viewer.held_bytes, held);
        self.held_bytes = (self.held_bytes + held).saturating_sub(before);
        let counts = viewer.playback.take_counts();
        WorkerStatistics::count(&self.statistics.dropped_units, counts.dropped_units);
        WorkerStatistics::count(&self.statistics.stalls, counts.stalls);
        if viewer.playback.is_drained() {
            viewer.answer_pause();
        }
        let event = viewer.playback.poll_event();
        let playing = viewer.playback.is_playing();
        if std::mem::replace(&mut viewer.counted, playing) != playing {
            WorkerStatistics::count(&self.statistics.playing, if playing { 1 } else { u64::MAX });
        }
        let broken = if playing { viewer.broken(now, self.options.stuck_after) } else { None };
        match (event, broken) {
            (Some(PlaybackEvent::Failed(reason)), _) | (None, Some(reason)) => return self.fail(key, reason, now),
            (Some(PlaybackEvent::Ended { presentation }), _) => self.ended(key, presentation, now),
            (None, None) => {}
        }
        let Some(viewer) = self.viewers.get(key) else { return };
        if let Some(due) = viewer.playback.poll_timeout() {
            viewer.slot = Some(self.wheel.add(key.slot(), due));
        }
    }

    /// Asks for the units that a viewer needs. True when some of them were at hand.
    fn request(&mut self, key: Key, now: Instant) -> bool {
        let Some(viewer) = self.viewers.get(key) else { return false };
        // Most of the time nothing is wanted; then no connection's lock need be asked.
        if !viewer.playback.wants_bytes() || viewer.is_congested() {
            return false;
        }
        let mut at_hand = false;
        while let Some(PieceRequest { piece, deadline }) = viewer.playback.poll_request() {
            WorkerStatistics::count(&self.statistics.units_requested, 1);
            if let Some(bytes) = self.source.cached(&viewer.layout, piece.unit) {
                WorkerStatistics::count(&self.statistics.units_cached, 1);
                viewer.playback.handle_bytes(piece, piece.of(&bytes));
                at_hand = true;
                continue;
            }
            // Before the playing itself gives up: the reason then names the node.
            let give_up = deadline.max(now) + self.options.playback.max_stall * 3 / 4;
            let layout = viewer.layout.clone();
            self.runtime.spawn(fetch::fetch(self.source.clone(), layout, piece, give_up, key, self.inbox.clone()));
        }
        at_hand
    }

    fn ended(&mut self, key: Key, presentation: bool, now: Instant) {
        // The last packets leave before the goodbye, and before those of a range that waits.
        self.flush();
        let next = self.viewers.get(key).and_then(|viewer| viewer.play_next(&self.exit.udp, now));
        if let Some(event) = next {
            if let Some(viewer) = self.viewers.get(key) {
                viewer.go(now);
                viewer.tell(event);
            }
            return;
        }
        if presentation {
            self.say_goodbye(key, now);
        }
        if let Some(viewer) = self.viewers.get(key) {
            viewer.tell(ViewerEvent::Reached(viewer.playback.infos(now)));
            viewer.tell(ViewerEvent::EndOfStream);
        }
    }

    /// Who plays faster than a channel's window grows has come to its end.
    fn slow_down(&mut self, key: Key, now: Instant) {
        self.flush();
        let Some(viewer) = self.viewers.get(key) else { return };
        let Ok((range, rate, info)) = viewer.playback.slow_down(now) else { return };
        viewer.go(now);
        viewer.tell(ViewerEvent::Slowed(range, rate, info));
        self.request(key, now);
        self.transmit(key, now);
    }

    fn fail(&mut self, key: Key, reason: String, now: Instant) {
        let Some(viewer) = self.viewers.get(key) else { return };
        let (id, events) = (viewer.id, viewer.events.clone());
        tracing::warn!(worker = self.number, viewer = %id, %reason, "playing failed");
        WorkerStatistics::count(&self.statistics.failures, 1);
        self.remove(id, true, now);
        // A session that is gone already needs no news.
        let _ = events.send(ViewerEvent::Failed(reason));
    }

    fn remove(&mut self, id: ViewerId, bye: bool, now: Instant) {
        let Some(key) = self.viewers.key(id) else { return };
        self.flush();
        if bye {
            self.say_goodbye(key, now);
        }
        if let Some(mut viewer) = self.viewers.remove(key) {
            viewer.answer_pause();
            viewer.playback.discard(&mut self.exit.trains);
            self.held_bytes = self.held_bytes.saturating_sub(viewer.held_bytes);
            WorkerStatistics::count(&self.statistics.viewers, u64::MAX);
            if viewer.counted {
                WorkerStatistics::count(&self.statistics.playing, u64::MAX);
            }
        }
    }

    fn stop(&mut self, now: Instant) {
        self.flush();
        for id in self.viewers.ids() {
            self.remove(id, true, now);
        }
        self.audience.stop(&mut self.exit, now);
    }
}
