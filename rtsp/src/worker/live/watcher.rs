//! One viewer of a channel.

mod told;

use super::{
    super::{PlayRequest, TrackInfo, ViewerEvent, ViewerId, ViewerStatistics, WorkerOptions, leave::Exit, viewer::Way},
    Newest,
    chunk::Chunk,
    lane::Lane,
    station::StationId,
};
use crate::{
    channel::{Burst, Live},
    net::udp::UdpPair,
};
use rtp::{
    breaker::Breakers,
    clock::{MediaTime, RtpTimestamp, Ticks},
    rtcp,
    sender::Sender,
};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc::UnboundedSender;

/// Between two trains to one who catches up: 16 packets in 2 ms are some 80 Mbit/s, so that the first picture stands within
/// its own time and the rest soon after.
const CATCH_UP_GAP: Duration = Duration::from_millis(2);

/// A connection that takes no more is asked again after this.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// However little happens, each viewer is looked at so often: its connection may have gone.
const LOOK: Duration = Duration::from_secs(2);

/// Bytes that wait for one viewer at most: what a channel keeps for those who join, and as much again while they catch up.
/// A viewer that never reads would otherwise hold what was sent long ago for ever.
const MAX_LAG: usize = 32 << 20;

/// One viewer.
pub(super) struct Watcher {
    pub(super) id: ViewerId,
    pub(super) station: StationId,
    pub(super) events: UnboundedSender<ViewerEvent>,
    /// When the wheel has it next.
    pub(super) slot: Option<Instant>,
    /// By the channel's tracks; `None`: not set up.
    lanes: Vec<Option<Lane>>,
    state: State,
    /// The number of the first burst that comes to it as it is made; those before lie in `behind`, or are none of its.
    from: u64,
    /// What it has still to get before it keeps up, the first from packet `next` on.
    behind: VecDeque<Arc<Burst>>,
    behind_bytes: usize,
    next: usize,
    due: Instant,
    alive: Option<Instant>,
}

/// Where a viewer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// All is ready; nothing leaves before PLAY is answered.
    Armed,
    Watching,
    Paused,
}

/// Where one track stood when its viewer stopped watching the channel as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worker) struct Stood {
    pub(in crate::worker) next_sequence: u16,
    pub(in crate::worker) sent_to: Option<Ticks>,
    /// The timestamp of the timeline's zero.
    pub(in crate::worker) zero: RtpTimestamp,
}

/// How a burst comes to a viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lag {
    /// At once.
    None,
    /// Behind what it has still to get.
    Behind,
    /// Not at all.
    NotItsOwn,
}

impl Watcher {
    /// A viewer as PLAY has it; `old` is the same one as it was before, whose counts go on.
    pub(super) fn new(
        request: &PlayRequest,
        live: &Live,
        station: StationId,
        udp: &UdpPair,
        breakers: Breakers,
        old: Option<Box<Watcher>>,
    ) -> Self {
        let mut old = old.filter(|old| old.station == station).map(|old| old.lanes).unwrap_or_default();
        let lanes = live.sources.iter().enumerate().map(|(number, source)| {
            let track = request.tracks.iter().find(|track| track.track == number)?;
            let bandwidth = live.index.tracks.get(number).map_or(0, |track| u64::from(track.bandwidth_bps));
            let old = old.get_mut(number).and_then(Option::take);
            let stood = old.as_ref().filter(|lane| lane.sender.packets() > 0).map(|lane| lane.next_sequence);
            let mut sender = old
                .map(|lane| lane.sender)
                .unwrap_or_else(|| Sender::new(source.ssrc, source.clock, bandwidth, rand::random()));
            let way = Way::new(track, udp);
            // A connection's own congestion control does more.
            sender.use_breakers(if matches!(way, Way::Udp(_)) { breakers } else { Breakers::Off });
            Some(Lane { way, sender, fresh: true, next_sequence: source.first_sequence, stood, sent_to: None })
        });
        Self {
            id: request.viewer,
            station,
            events: request.events.clone(),
            slot: None,
            lanes: lanes.collect(),
            state: State::Armed,
            from: 0,
            behind: VecDeque::new(),
            behind_bytes: 0,
            next: 0,
            due: Instant::now(),
            alive: None,
        }
    }

    /// Takes what the channel has kept, but for what has been sent before, as what it has to get first; answers the place on
    /// the timeline where that begins.
    pub(super) fn join(&mut self, newest: Newest, live: &Live, now: Instant) -> MediaTime {
        let Newest { kept, next_sequences, next_number } = newest;
        for (lane, next) in self.lanes.iter_mut().zip(next_sequences) {
            if let Some(lane) = lane {
                lane.next_sequence = next;
            }
        }
        let mut start: Option<MediaTime> = None;
        let mut begun = vec![false; self.lanes.len()];
        for burst in kept {
            let Some(Some(lane)) = self.lanes.get_mut(burst.track) else { continue };
            if lane.stood.is_some_and(|stood| stood.wrapping_sub(burst.first_sequence) as i16 > 0) {
                continue;
            }
            if let (Some(begun @ false), Some(first)) = (begun.get_mut(burst.track), burst.units.first()) {
                *begun = true;
                lane.next_sequence = burst.first_sequence;
                let at = live.sources[burst.track].clock.time(first.pts);
                start = Some(start.map_or(at, |start| start.min(at)));
            }
            self.behind_bytes += burst.train.bytes().len();
            self.behind.push_back(burst);
        }
        self.from = next_number;
        start.unwrap_or_else(|| live.position(now))
    }

    /// PLAY is answered. True where it begins to watch.
    pub(super) fn go(&mut self, now: Instant) -> bool {
        if self.state != State::Armed {
            return false;
        }
        (self.state, self.due, self.slot) = (State::Watching, now, None);
        true
    }

    /// True where it watched.
    pub(super) fn pause(&mut self) -> bool {
        let watched = self.is_watching();
        self.state = State::Paused;
        self.forget();
        self.lanes.iter_mut().flatten().for_each(|lane| lane.sender.stop());
        watched
    }

    pub(super) fn is_watching(&self) -> bool {
        self.state == State::Watching
    }

    /// How the burst just made comes to this viewer.
    pub(super) fn lag(&self, burst: &Burst) -> Lag {
        if burst.number < self.from || self.state == State::Paused || self.lane(burst.track).is_none() {
            Lag::NotItsOwn
        } else if self.state == State::Armed || !self.behind.is_empty() {
            Lag::Behind
        } else {
            Lag::None
        }
    }

    /// Keeps a burst for when all before it has left. A viewer too far behind gets nothing of that, and goes on with what
    /// comes next.
    pub(super) fn lay_by(&mut self, burst: &Arc<Burst>) {
        self.from = burst.number + 1;
        self.behind_bytes += burst.train.bytes().len();
        self.behind.push_back(burst.clone());
        if self.behind_bytes > MAX_LAG {
            self.forget();
            for lane in self.lanes.iter_mut().flatten() {
                if let Way::Interleaved { thinning, .. } = &mut lane.way {
                    *thinning = true;
                }
            }
        }
    }

    fn forget(&mut self) {
        self.behind.clear();
        (self.behind_bytes, self.next) = (0, 0);
    }

    /// Sends a burst that was just made: its first train by datagrams, the whole over a connection that takes it.
    pub(super) fn send_fresh(
        &mut self,
        first: &mut Chunk<'_>,
        whole: &mut Chunk<'_>,
        live: &Live,
        options: &WorkerOptions,
        exit: &mut Exit,
        now: Instant,
    ) {
        self.begin(first.burst.track, live, options, exit, now);
        let Some(lane) = self.lanes.get_mut(first.burst.track).and_then(Option::as_mut) else { return };
        match &lane.way {
            Way::Udp(_) => lane.send_datagrams(first, exit),
            Way::Interleaved { .. } => lane.send_frames(whole, exit, now),
        }
    }

    /// Sends the next train of a burst, whose first it had as it was made.
    pub(super) fn send_more(&mut self, chunk: &Chunk<'_>, exit: &mut Exit) {
        if chunk.burst.number < self.from || !self.is_watching() || !self.behind.is_empty() {
            return;
        }
        let Some(lane) = self.lanes.get_mut(chunk.burst.track).and_then(Option::as_mut) else { return };
        if matches!(lane.way, Way::Udp(_)) && !lane.fresh {
            lane.send_datagrams(chunk, exit);
        }
    }

    /// Sends of what it lacks as much as is due.
    pub(super) fn catch_up(&mut self, live: &Live, options: &WorkerOptions, exit: &mut Exit, now: Instant) {
        if self.state != State::Watching || self.due > now {
            return;
        }
        let mut packets = 0;
        while let Some(burst) = self.behind.front().cloned() {
            self.begin(burst.track, live, options, exit, now);
            let Some(Some(lane)) = self.lanes.get_mut(burst.track) else { break };
            let most = exit.batch.max_segments();
            let count = burst.train.len();
            if let Way::Interleaved { outbox, .. } = &lane.way {
                if outbox.is_congested() {
                    self.due = now + ASK_AGAIN;
                    return;
                }
                lane.send_frames(&mut Chunk::new(&burst, 0..count, most), exit, now);
                self.next = count;
            } else {
                if packets >= options.playback.train_packets.max(1) {
                    self.due = now + CATCH_UP_GAP;
                    return;
                }
                let chunk = Chunk::new(&burst, self.next..(self.next + burst.at_once).min(count), most);
                lane.send_datagrams(&chunk, exit);
                packets += chunk.packets.len();
                self.next = chunk.packets.end;
            }
            if self.next >= count {
                self.next = 0;
                self.behind.pop_front();
                self.behind_bytes = self.behind_bytes.saturating_sub(burst.train.bytes().len());
            }
        }
    }

    /// Before the first packet of all, a report for each track: VLC drops what it has when one of them is reported on
    /// later than another began, and with that the only picture where decoding may begin.
    fn begin(&mut self, track: usize, live: &Live, options: &WorkerOptions, exit: &mut Exit, now: Instant) {
        if self.lane(track).is_some_and(|lane| lane.fresh) {
            for (track, lane) in self.lanes.iter_mut().enumerate() {
                if let Some(lane) = lane.as_mut().filter(|lane| lane.fresh) {
                    lane.begin(track, live, &options.cname, exit, now);
                }
            }
        }
    }

    /// Sends reports before PLAY's answer, to a viewer whose datagrams need them there
    /// ([`crate::playback::PlaybackOptions::live555`]).
    pub(super) fn report_early(&mut self, live: &Live, cname: &str, exit: &mut Exit, now: Instant) {
        for (track, lane) in self.lanes.iter_mut().enumerate() {
            if let Some(lane) = lane.as_mut().filter(|lane| matches!(lane.way, Way::Udp(_))) {
                lane.report(track, live, cname, exit, now);
            }
        }
    }

    /// Sends the reports that are due.
    pub(super) fn send_reports(&mut self, live: &Live, cname: &str, exit: &mut Exit, now: Instant) {
        for (track, lane) in self.lanes.iter_mut().enumerate() {
            let Some(lane) = lane else { continue };
            if lane.sender.report_expires(now) {
                lane.report(track, live, cname, exit, now);
            }
        }
    }

    /// An RTCP BYE for each track that has sent.
    pub(super) fn say_goodbye(&mut self, live: &Live, cname: &str, exit: &mut Exit, now: Instant) {
        for (track, lane) in self.lanes.iter_mut().enumerate() {
            if let Some(lane) = lane.as_mut().filter(|lane| lane.sender.packets() > 0) {
                lane.say_goodbye(track, live, cname, exit, now);
            }
        }
    }

    /// Why it is to get no more: no packet would ever arrive, or the network can't bear it (RFC 8083).
    pub(super) fn broken(&mut self, now: Instant, stuck_after: Duration) -> Option<String> {
        self.lanes.iter_mut().flatten().find_map(|lane| {
            let tripped = lane.sender.take_tripped().map(|tripped| format!("circuit breaker (RFC 8083): {tripped}"));
            tripped.or_else(|| lane.way.broken(now, stuck_after))
        })
    }

    /// When something is to be done; `None` while it does not watch.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        if !self.is_watching() {
            return None;
        }
        let behind = (!self.behind.is_empty()).then_some(self.due);
        let reports = self.lanes.iter().flatten().filter_map(|lane| lane.sender.next_report());
        // Tracks may begin meanwhile, and connections break.
        reports.chain(behind).min().map(|due| due.min(now + LOOK)).or(Some(now + LOOK))
    }

    /// Takes what the viewer says of a source.
    pub(super) fn handle_report_block(&mut self, block: &rtcp::ReportBlock, now: Instant) {
        for lane in self.lanes.iter_mut().flatten() {
            lane.sender.handle_receiver_report(block, now);
        }
    }

    fn lane(&self, track: usize) -> Option<&Lane> {
        self.lanes.get(track)?.as_ref()
    }
}
