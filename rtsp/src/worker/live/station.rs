//! One channel as a worker's viewers watch it.

use super::{
    super::{inbox::Command, inbox::Inbox, leave::Exit},
    Newest, WorkerOptions,
    chunk::Chunk,
    watcher::{Lag, Watcher},
};
use crate::channel::{Burst, Channel, Joined, Live, Tap, TapId};
use rtp::clock::{MediaTime, Ticks};
use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

/// Names a station of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::worker) struct StationId(pub(super) u32);

/// One channel, as long as it is described the same.
pub(super) struct Station {
    pub(super) channel: Arc<Channel>,
    pub(super) live: Arc<Live>,
    tap: TapId,
    /// Places of those who watch.
    pub(super) members: Vec<u32>,
    /// The number of the first burst that comes to the last of them as it is made.
    pub(super) joined: u64,
    /// Of each track.
    lanes: Vec<Lane>,
    /// When the goodbye is said, once the channel is over.
    pub(super) ends: Option<Instant>,
    /// When the wheel has it next.
    pub(super) slot: Option<Instant>,
}

/// What a track has to send still.
#[derive(Default)]
struct Lane {
    rest: Option<Rest>,
    /// The last decode time.
    latest: Option<Ticks>,
}

/// Packets of a burst whose turn is later.
struct Rest {
    burst: Arc<Burst>,
    next: usize,
    due: Instant,
    gap: Duration,
}

/// The tap: what it hears goes to the worker's inbox.
struct Ear {
    station: StationId,
    inbox: Arc<Inbox>,
}

impl Tap for Ear {
    fn burst(&self, burst: &Arc<Burst>) {
        self.inbox.push(Command::Burst { station: self.station, burst: burst.clone() });
    }

    fn ended(&self, reason: &str) {
        self.inbox.push(Command::Over { station: self.station, reason: reason.to_owned() });
    }
}

impl Station {
    /// Taps the channel; `None` where that description is over.
    pub(super) fn join(
        id: StationId,
        channel: &Arc<Channel>,
        live: &Arc<Live>,
        inbox: &Arc<Inbox>,
    ) -> Option<(Self, Newest)> {
        let ear = Arc::new(Ear { station: id, inbox: inbox.clone() });
        let Joined { tap, kept, next_sequences, next_number } = channel.join(live, ear)?;
        let lanes = live.sources.iter().map(|_| Lane::default()).collect();
        let station = Self {
            channel: channel.clone(),
            live: live.clone(),
            tap,
            members: Vec::new(),
            joined: 0,
            lanes,
            ends: None,
            slot: None,
        };
        Some((station, Newest { kept, next_sequences, next_number }))
    }

    /// A burst has come: those who keep up get its first train at once, over connections all of it.
    pub(super) fn deliver(
        &mut self,
        burst: &Arc<Burst>,
        watchers: &mut [Option<Box<Watcher>>],
        exit: &mut Exit,
        options: &WorkerOptions,
        now: Instant,
    ) {
        // What is left of the one before comes first, however soon this is.
        self.send_rest(burst.track, watchers, exit, now, true);
        let count = burst.train.len();
        let first = count.min(burst.at_once);
        let gap = self.gap(burst, options);
        let mut chunks = Chunks::new(burst, 0..first, exit);
        for slot in &self.members {
            let Some(Some(watcher)) = watchers.get_mut(*slot as usize) else { continue };
            match watcher.lag(burst) {
                Lag::None => watcher.send_fresh(&mut chunks.first, &mut chunks.whole, &self.live, options, exit, now),
                Lag::Behind => watcher.lay_by(burst),
                Lag::NotItsOwn => {}
            }
        }
        if let Some(lane) = self.lanes.get_mut(burst.track) {
            lane.latest = burst.units.last().map(|unit| unit.dts).or(lane.latest);
            if first < count {
                lane.rest = Some(Rest { burst: burst.clone(), next: first, due: now + gap, gap });
            }
        }
    }

    /// From one train of a burst to the next: no more than leaves room for all of them before the next burst.
    fn gap(&self, burst: &Burst, options: &WorkerOptions) -> Duration {
        let trains = burst.train.len().div_ceil(burst.at_once);
        let lane = self.lanes.get(burst.track);
        let interval = lane.and_then(|lane| lane.latest).zip(burst.units.last()).map(|(before, last)| {
            let clock = self.live.sources.get(burst.track).map(|source| source.clock);
            let passed = Ticks(last.dts.0.saturating_sub(before.0));
            clock.map_or(Duration::ZERO, |clock| clock.time(passed).since(MediaTime::ZERO))
        });
        let trains = u32::try_from(trains).unwrap_or(u32::MAX).max(1);
        interval.map_or(options.live_gap, |interval| options.live_gap.min(interval / trains))
    }

    /// Sends what is due of what is left.
    pub(super) fn send_rests(&mut self, watchers: &mut [Option<Box<Watcher>>], exit: &mut Exit, now: Instant) {
        for track in 0..self.lanes.len() {
            self.send_rest(track, watchers, exit, now, false);
        }
    }

    fn send_rest(
        &mut self,
        track: usize,
        watchers: &mut [Option<Box<Watcher>>],
        exit: &mut Exit,
        now: Instant,
        all: bool,
    ) {
        let Some(lane) = self.lanes.get_mut(track) else { return };
        let Some(mut rest) = lane.rest.take() else { return };
        let count = rest.burst.train.len();
        while rest.next < count && (all || rest.due <= now) {
            let packets = rest.next..(rest.next + rest.burst.at_once).min(count);
            rest.next = packets.end;
            rest.due += rest.gap;
            let chunk = Chunk::new(&rest.burst, packets, exit.batch.max_segments());
            for slot in &self.members {
                let Some(Some(watcher)) = watchers.get_mut(*slot as usize) else { continue };
                watcher.send_more(&chunk, exit);
            }
        }
        if rest.next < count {
            lane.rest = Some(rest);
        }
    }

    /// When something is to be done.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let rests = self.lanes.iter().filter_map(|lane| lane.rest.as_ref().map(|rest| rest.due));
        rests.chain(self.ends).min()
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.channel.leave(self.tap);
    }
}

/// The two shapes in which a burst begins to leave.
struct Chunks<'a> {
    first: Chunk<'a>,
    whole: Chunk<'a>,
}

impl<'a> Chunks<'a> {
    fn new(burst: &'a Arc<Burst>, first: Range<usize>, exit: &Exit) -> Self {
        let most = exit.batch.max_segments();
        Self { whole: Chunk::new(burst, 0..burst.train.len(), most), first: Chunk::new(burst, first, most) }
    }
}
