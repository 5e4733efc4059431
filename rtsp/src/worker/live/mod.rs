//! A worker's viewers of channels: the same packets go to all, as soon as they come.
//!
//! | noun | meaning |
//! | --- | --- |
//! | [`Audience`] | all of them, and the channels that they watch |
//! | [`Station`] | one channel as long as it is described the same, its tap, and who watches it here |
//! | [`Watcher`] | one viewer: where its packets go, what was sent, how far it lags behind |
//! | [`Fresh`] | bursts that have come and not been sent |
//! | [`Chunk`] | packets of a burst that leave together, laid out once for all |
//!
//! Nothing here is paced by a clock but large pictures, whose trains keep a distance, and those who join: they get what the
//! channel has kept, train by train, and everything new behind that until they have caught up.

mod chunk;
mod fresh;
mod lane;
mod station;
#[cfg(test)]
mod tests;
mod watcher;

pub(super) use station::StationId;
pub(super) use watcher::Stood;

use super::{
    PlayError, PlayReply, PlayRequest, TrackInfo, ViewerEvent, ViewerId, ViewerStatistics, WorkerOptions,
    WorkerStatistics,
    inbox::{Command, Inbox},
    leave::Exit,
    wheel::Wheel,
};
use crate::{
    channel::{Channel, Live, Newest},
    headers::SeekStyle,
    playback::Rate,
};
use fresh::Fresh;
use rtp::{clock::MediaTime, rtcp};
use station::Station;
use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};
use watcher::Watcher;

/// A channel has no end that could be told.
const ENDLESS: MediaTime = MediaTime(i64::MAX);

/// Which of the wheel's keys are stations; the others are watchers.
const STATION: u32 = 1 << 31;

/// A worker's viewers of channels.
pub(super) struct Audience {
    options: Arc<WorkerOptions>,
    inbox: Arc<Inbox>,
    stations: BTreeMap<StationId, Station>,
    next_station: u32,
    watchers: Vec<Option<Box<Watcher>>>,
    free: Vec<u32>,
    by_id: HashMap<ViewerId, u32>,
    by_rtcp: HashMap<SocketAddr, u32>,
    fresh: Fresh,
    wheel: Wheel,
    due: Vec<u32>,
}

impl Audience {
    pub(super) fn new(options: Arc<WorkerOptions>, inbox: Arc<Inbox>, now: Instant) -> Self {
        Self {
            options,
            inbox,
            stations: BTreeMap::new(),
            next_station: 0,
            watchers: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::new(),
            by_rtcp: HashMap::new(),
            fresh: Fresh::default(),
            wheel: Wheel::new(now),
            due: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stations.is_empty()
    }

    /// When something is due next.
    pub(super) fn first(&self) -> Option<Instant> {
        self.wheel.first()
    }

    /// Takes what concerns channels, and gives back all else; `others` is how many viewers the worker has beside these.
    pub(super) fn handle(&mut self, command: Command, exit: &mut Exit, others: usize, now: Instant) -> Option<Command> {
        let knows = |viewer: &ViewerId| self.by_id.contains_key(viewer);
        match command {
            Command::Burst { station, burst } => {
                let joined = self.stations.get(&station)?.joined;
                let playback = &self.options.playback;
                self.fresh.add(station, burst, if playback.padding { playback.train_packets } else { 0 }, joined);
            }
            Command::Over { station, reason } => {
                let at = self.stations.get_mut(&station)?;
                tracing::info!(
                    channel = at.channel.name(),
                    reason,
                    viewers = at.members.len(),
                    "the channel has ended"
                );
                // Players look for RTCP first and would miss packets that wait.
                at.ends = Some(now + self.options.playback.goodbye);
                self.reschedule(station);
            }
            Command::Play { request, reply } if request.channel.is_some() => {
                let viewer = request.viewer;
                let answer = self.play(&request, exit, others, now);
                let failed = answer.is_err();
                if reply.send(answer).is_err() && !failed {
                    // The session has gone meanwhile.
                    self.remove(viewer, false, exit, now);
                }
            }
            Command::Go(viewer) if knows(&viewer) => {
                if let Some(slot) = self.by_id.get(&viewer).copied() {
                    self.go(slot, exit, now);
                }
            }
            Command::Pause { viewer, reply, .. } if knows(&viewer) => {
                let _ = reply.send(self.pause(viewer, exit, now));
            }
            Command::Statistics { viewer, reply } if knows(&viewer) => {
                let _ = reply.send(self.statistics(viewer, now));
            }
            Command::Remove { viewer, bye } if knows(&viewer) => self.remove(viewer, bye, exit, now),
            Command::Rtcp { viewer, packet, .. } if knows(&viewer) => {
                if let Some(slot) = self.by_id.get(&viewer).copied() {
                    self.report_from(slot, &packet, exit, now);
                }
            }
            other => return Some(other),
        }
        None
    }

    /// Does all that is due.
    pub(super) fn serve(&mut self, exit: &mut Exit, now: Instant) {
        while let Some((id, burst)) = self.fresh.take() {
            let Some(station) = self.stations.get_mut(&id) else { continue };
            station.deliver(&burst, &mut self.watchers, exit, &self.options, now);
            exit.flush();
            self.reschedule(id);
        }
        let mut due = std::mem::take(&mut self.due);
        self.wheel.take(now, &mut due);
        for key in due.drain(..) {
            if key & STATION == 0 {
                self.serve_watcher(key, exit, now);
            } else {
                self.serve_station(StationId(key & !STATION), exit, now);
            }
        }
        self.due = due;
    }

    /// A viewer watches the channel as it is no more: where each of its tracks stands. `None`: it did not.
    pub(super) fn leave(&mut self, viewer: ViewerId, exit: &mut Exit) -> Option<Vec<Option<Stood>>> {
        exit.flush();
        let watcher = self.take(*self.by_id.get(&viewer)?, exit)?;
        let stood = self.stations.get(&watcher.station).map(|station| watcher.stood(&station.live));
        self.close_if_empty(watcher.station);
        stood
    }

    /// Says goodbye to all.
    pub(super) fn stop(&mut self, exit: &mut Exit, now: Instant) {
        let all: Vec<ViewerId> = self.by_id.keys().copied().collect();
        for viewer in all {
            self.remove(viewer, true, exit, now);
        }
    }

    /// RTCP from `from`; false where that is none of these viewers.
    pub(super) fn take_report(&mut self, from: SocketAddr, packet: &[u8], exit: &Exit, now: Instant) -> bool {
        let Some(slot) = self.by_rtcp.get(&from).copied() else { return false };
        self.report_from(slot, packet, exit, now);
        true
    }

    fn report_from(&mut self, slot: u32, packet: &[u8], exit: &Exit, now: Instant) {
        let Some(watcher) = watcher(&mut self.watchers, slot) else { return };
        let mut valid = false;
        for packet in rtcp::parse_compound(packet) {
            match packet {
                Ok(rtcp::Packet::ReceiverReport { blocks, .. } | rtcp::Packet::SenderReport { blocks, .. }) => {
                    valid = true;
                    blocks.iter().for_each(|block| watcher.handle_report_block(block, now));
                }
                // As with films: no sign of life.
                Ok(rtcp::Packet::Bye { .. }) => return,
                Ok(_) => valid = true,
                Err(error) => tracing::debug!(viewer = %watcher.id, %error, "a viewer's report"),
            }
        }
        if valid {
            WorkerStatistics::count(&exit.statistics.received_reports, 1);
            watcher.is_alive(now);
        }
    }

    fn play(
        &mut self,
        request: &PlayRequest,
        exit: &mut Exit,
        others: usize,
        now: Instant,
    ) -> Result<PlayReply, PlayError> {
        let (channel, live) = request.channel.as_ref().ok_or(PlayError::Track)?;
        if request.tracks.is_empty() || request.tracks.iter().any(|track| track.track >= live.sources.len()) {
            return Err(PlayError::Track);
        }
        let before = self.by_id.get(&request.viewer).copied();
        if before.is_none() && others + self.len() >= self.options.max_viewers {
            return Err(PlayError::Full(others + self.len()));
        }
        let (station, newest) = self.tune_in(channel, live)?;
        let old = before.and_then(|slot| self.take(slot, exit));
        let left = old.as_ref().map(|old| old.station).filter(|old| *old != station);
        let mut watcher = Watcher::new(request, live, station, &exit.udp, self.options.playback.breakers, old);
        let joined = newest.next_number;
        let start = watcher.join(newest, live, now);
        let info = watcher.infos(live, start);
        if request.live555 {
            watcher.report_early(live, &self.options.cname, exit, now);
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.watchers.push(None);
            u32::try_from(self.watchers.len() - 1).unwrap_or(u32::MAX)
        });
        self.by_id.insert(watcher.id, slot);
        self.by_rtcp.extend(watcher.rtcp_from().map(|from| (from, slot)));
        self.watchers[slot as usize] = Some(Box::new(watcher));
        if let Some(station) = self.stations.get_mut(&station) {
            station.members.push(slot);
            station.joined = joined;
        }
        if let Some(left) = left {
            self.close_if_empty(left);
        }
        WorkerStatistics::count(&exit.statistics.viewers, 1);
        Ok(PlayReply { range: start..ENDLESS, rate: Rate::NORMAL, info, style: SeekStyle::Rap })
    }

    /// The station of a channel, with a tap of its own when nobody watched it here, and what a joiner starts with.
    fn tune_in(&mut self, channel: &Arc<Channel>, live: &Arc<Live>) -> Result<(StationId, Newest), PlayError> {
        let known = self.stations.iter().find(|(_, station)| Arc::ptr_eq(&station.live, live));
        if let Some((id, station)) = known {
            let newest = if station.ends.is_none() { channel.newest(live) } else { None };
            return Ok((*id, newest.ok_or(PlayError::Over)?));
        }
        let id = StationId(self.next_station & !STATION);
        self.next_station = self.next_station.wrapping_add(1);
        let (station, newest) = Station::join(id, channel, live, &self.inbox).ok_or(PlayError::Over)?;
        self.stations.insert(id, station);
        Ok((id, newest))
    }

    fn go(&mut self, slot: u32, exit: &mut Exit, now: Instant) {
        let Some(watcher) = watcher(&mut self.watchers, slot) else { return };
        if watcher.go(now) {
            WorkerStatistics::count(&exit.statistics.playing, 1);
        }
        self.serve_watcher(slot, exit, now);
        exit.flush();
    }

    fn pause(&mut self, viewer: ViewerId, exit: &Exit, now: Instant) -> Option<MediaTime> {
        let slot = self.by_id.get(&viewer).copied()?;
        let watcher = watcher(&mut self.watchers, slot)?;
        if watcher.pause() {
            WorkerStatistics::count(&exit.statistics.playing, u64::MAX);
        }
        self.stations.get(&watcher.station).map(|station| station.live.position(now))
    }

    fn statistics(&mut self, viewer: ViewerId, now: Instant) -> Option<ViewerStatistics> {
        let watcher = watcher(&mut self.watchers, self.by_id.get(&viewer).copied()?)?;
        let station = self.stations.get(&watcher.station)?;
        Some(watcher.statistics(&station.live, now))
    }

    fn remove(&mut self, viewer: ViewerId, bye: bool, exit: &mut Exit, now: Instant) {
        let Some(slot) = self.by_id.get(&viewer).copied() else { return };
        let Some(mut watcher) = self.take(slot, exit) else { return };
        let Some(station) = self.stations.get(&watcher.station) else { return };
        if bye {
            exit.flush();
            watcher.say_goodbye(&station.live, &self.options.cname, exit, now);
        }
        self.close_if_empty(watcher.station);
    }

    /// Takes a watcher out of all tables; its station stays.
    fn take(&mut self, slot: u32, exit: &Exit) -> Option<Box<Watcher>> {
        let watcher = self.watchers.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        self.by_id.remove(&watcher.id);
        for from in watcher.rtcp_from() {
            if self.by_rtcp.get(&from) == Some(&slot) {
                self.by_rtcp.remove(&from);
            }
        }
        if let Some(station) = self.stations.get_mut(&watcher.station) {
            station.members.retain(|member| *member != slot);
        }
        WorkerStatistics::count(&exit.statistics.viewers, u64::MAX);
        if watcher.is_watching() {
            WorkerStatistics::count(&exit.statistics.playing, u64::MAX);
        }
        Some(watcher)
    }

    fn close_if_empty(&mut self, id: StationId) {
        if self.stations.get(&id).is_some_and(|station| station.members.is_empty()) {
            // Its tap goes with it.
            self.stations.remove(&id);
        }
    }

    fn serve_watcher(&mut self, slot: u32, exit: &mut Exit, now: Instant) {
        let Some(watcher) = watcher(&mut self.watchers, slot) else { return };
        if watcher.slot.is_some_and(|due| due > now) {
            return;
        }
        watcher.slot = None;
        let Some(station) = self.stations.get(&watcher.station) else { return };
        watcher.catch_up(&station.live, &self.options, exit, now);
        watcher.send_reports(&station.live, &self.options.cname, exit, now);
        if let Some(reason) = watcher.broken(now, self.options.stuck_after) {
            let (id, events) = (watcher.id, watcher.events.clone());
            tracing::warn!(channel = station.channel.name(), viewer = %id, %reason, "watching failed");
            WorkerStatistics::count(&exit.statistics.failures, 1);
            self.remove(id, true, exit, now);
            // A session that is gone already needs no news.
            let _ = events.send(ViewerEvent::Failed(reason));
            return;
        }
        if let Some(due) = watcher.next_due(now) {
            watcher.slot = Some(self.wheel.add(slot, due));
        }
    }

    fn serve_station(&mut self, id: StationId, exit: &mut Exit, now: Instant) {
        let Some(station) = self.stations.get_mut(&id) else { return };
        station.slot = None;
        station.send_rests(&mut self.watchers, exit, now);
        if station.ends.is_some_and(|at| at <= now) {
            self.end(id, exit, now);
        } else {
            self.reschedule(id);
        }
    }

    fn reschedule(&mut self, id: StationId) {
        let Some(station) = self.stations.get_mut(&id) else { return };
        if let Some(due) = station.next_due()
            && station.slot.is_none_or(|slot| due < slot)
        {
            station.slot = Some(self.wheel.add(id.0 | STATION, due));
        }
    }

    /// The channel is over: goodbye, and the sessions are told. Who has paused learns it when he comes back.
    fn end(&mut self, id: StationId, exit: &mut Exit, now: Instant) {
        let Some(mut station) = self.stations.remove(&id) else { return };
        exit.flush();
        for slot in std::mem::take(&mut station.members) {
            let Some(mut watcher) = self.take(slot, exit) else { continue };
            watcher.say_goodbye(&station.live, &self.options.cname, exit, now);
            let infos: Vec<TrackInfo> = watcher.infos(&station.live, station.live.position(now));
            watcher.tell(ViewerEvent::Reached(infos));
            watcher.tell(ViewerEvent::EndOfStream);
        }
    }
}

fn watcher(watchers: &mut [Option<Box<Watcher>>], slot: u32) -> Option<&mut Watcher> {
    watchers.get_mut(slot as usize)?.as_deref_mut()
}
