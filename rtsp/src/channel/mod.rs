//! Live presentations: what a feed brings is packetized once, and every tap gets the same packets.
//!
//! | noun | meaning |
//! | --- | --- |
//! | [`Channels`] | those of a front, by name |
//! | [`Channel`] | a live presentation with a name, whether anything feeds it now or not |
//! | [`Feeder`] | who feeds it: one at a time; when it is dropped, the channel waits a while for the next |
//! | [`TrackDescription`], [`LiveUnit`] | what a feed says of its tracks, and brings |
//! | [`Live`] | what stays the same as long as the description does: tracks, sources, clock |
//! | [`Line`] | the timeline of a channel that is kept, over all its descriptions |
//! | [`Burst`] | the packets of units that came together: made once, for all |
//! | [`Tap`] | who gets the bursts: a worker for its viewers, a multicast group, a recorder |
//! | `Form` | what else a channel can be had as: one transport stream, smaller packets |
//! | [`NotStreamed`] | why a channel can't be had as one transport stream |
//! | [`Want`] | that somebody wants to watch: a feed on demand runs while there is one |
//! | [`Watching`] | a channel that somebody watches, as it is described now |
//!
//! A feed's times are its own; `timeline` lays them on the channel's, which begins with the first unit and runs
//! with the wall clock. Its zero is kept over a change of feeds with the same description, as are the sources'
//! numbers: viewers notice the gap and nothing else.

mod channels;
mod cut;
mod feeder;
mod form;
mod live;
mod packets;
mod stream;
mod timeline;

#[cfg(test)]
mod tests;

pub use channels::Channels;
pub use feeder::{Feeder, Want, Watching};
pub use live::{Line, Live, Source};
pub use packets::{Burst, LiveUnit};
pub use stream::NotStreamed;

use packets::Kept;
use rtp::format::Format;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};
use timeline::Timeline;
use tokio::sync::watch;

/// How a channel behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelOptions {
    /// A feed that has gone is waited for so long.
    pub grace: Duration,
    /// A second feed takes over; else it is refused.
    pub takes_over: bool,
    /// Bytes of an RTP packet at most, header included.
    pub max_packet: usize,
    /// Packets that leave together at most.
    pub train_packets: usize,
    /// Whether shorter packets are filled up by RTP padding where they can then share a send.
    pub padding: bool,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self { grace: Duration::from_secs(10), takes_over: false, max_packet: 1200, train_packets: 16, padding: true }
    }
}

/// What a feed says of one track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackDescription {
    /// Its codec and payload format.
    pub format: Format,
    /// ISO 639.
    pub language: Option<String>,
    /// Bits per second, as far as the feed says it.
    pub bandwidth_bps: Option<u32>,
}

/// A live presentation.
pub struct Channel {
    name: String,
    options: ChannelOptions,
    state: Mutex<State>,
    /// What is described now, for those who wait for it.
    described: watch::Sender<Option<Arc<Live>>>,
    /// How many want to watch.
    wanted: watch::Sender<usize>,
    /// The same in other forms, while somebody wants them.
    forms: Mutex<form::Forms>,
}

#[derive(Default)]
struct State {
    /// Counts the feeders, so that an old one can do no more harm.
    feeder: u64,
    fed: Fed,
    running: Option<Running>,
    taps: Vec<(TapId, Arc<dyn Tap>)>,
    next_tap: u64,
    line: Option<Line>,
}

/// Whether something feeds a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fed {
    /// Nothing does, and nothing is waited for.
    #[default]
    No,
    /// A feeder does.
    Yes,
    /// The last one has gone; another may come until then.
    Until(Instant),
}

/// What a description set going.
struct Running {
    live: Arc<Live>,
    tracks: Vec<TrackDescription>,
    timeline: Timeline,
    packets: packets::Packets,
    kept: Kept,
}

/// Names a tap of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapId(u64);

/// Who gets a channel's bursts. Called with the channel locked: whatever takes time, waits or comes back to the channel
/// belongs elsewhere.
pub trait Tap: Send + Sync {
    /// The next burst, in the order in which they were made.
    fn burst(&self, burst: &Arc<Burst>);
    /// No more will come: the feed has gone for good, or another description takes its place. The tap is off then.
    fn ended(&self, reason: &str);
}

/// What a new tap starts with.
pub struct Joined {
    /// For [`Channel::leave`].
    pub tap: TapId,
    /// From the newest sync sample on, in order; what comes next goes on just there.
    pub kept: Vec<Arc<Burst>>,
    /// Each track's sequence number of the packet that comes after all those kept.
    pub next_sequences: Vec<u16>,
    /// The number of the burst that comes after all those kept.
    pub next_number: u64,
}

/// What one more viewer of a tap starts with.
pub struct Newest {
    /// See [`Joined::kept`].
    pub kept: Vec<Arc<Burst>>,
    /// See [`Joined::next_sequences`].
    pub next_sequences: Vec<u16>,
    /// See [`Joined::next_number`].
    pub next_number: u64,
}

/// Why a feed is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedRefused {
    /// Another feeds it, and the channel doesn't let itself be taken over.
    #[error("channel {0} is fed already")]
    Fed(String),
    /// Nothing described.
    #[error("a channel needs at least one track")]
    NoTrack,
    /// More tracks than a presentation may have.
    #[error("{0} tracks; at most {max} are allowed", max = live::MAX_TRACKS)]
    Tracks(usize),
}

impl Channel {
    /// Without a feed yet.
    pub fn new(name: impl Into<String>, options: ChannelOptions) -> Arc<Self> {
        let (described, wanted) = (watch::Sender::new(None), watch::Sender::new(0));
        let (state, forms) = (Mutex::default(), Mutex::default());
        Arc::new(Self { name: name.into(), options, state, described, wanted, forms })
    }

    /// What is described from now on lies on that timeline: for channels that are kept.
    pub fn goes_on(&self, line: Line) {
        self.state().line = Some(line);
    }

    /// As in its URL.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of an RTP packet at most, header included.
    pub fn max_packet(&self) -> usize {
        self.options.max_packet
    }

    /// Begins to feed. With the tracks that the feed before had, its viewers go on; with others they are told that it
    /// has ended.
    ///
    /// # Errors
    /// See [`FeedRefused`].
    pub fn feed(self: &Arc<Self>, tracks: Vec<TrackDescription>, now: Instant) -> Result<Feeder, FeedRefused> {
        if tracks.is_empty() {
            return Err(FeedRefused::NoTrack);
        }
        if tracks.len() > live::MAX_TRACKS {
            return Err(FeedRefused::Tracks(tracks.len()));
        }
        let mut state = self.state();
        if state.fed == Fed::Yes && !self.options.takes_over {
            return Err(FeedRefused::Fed(self.name.clone()));
        }
        state.feeder += 1;
        state.fed = Fed::Yes;
        match &mut state.running {
            Some(running) if running.tracks == tracks => running.timeline.restart(),
            _ => {
                state.end("another feed has taken its place");
                let ago = Instant::now().saturating_duration_since(now);
                let live = Arc::new(Live::new(&self.name, &tracks, SystemTime::now() - ago, now, state.line));
                let packets = packets::Packets::new(&live, &self.options);
                let timeline = Timeline::new(live.clone());
                state.running = Some(Running { live: live.clone(), tracks, timeline, packets, kept: Kept::default() });
                self.described.send_replace(Some(live));
            }
        }
        Ok(Feeder { channel: self.clone(), number: state.feeder })
    }

    /// What is described now: `None` where nothing feeds it and nothing is waited for.
    pub fn live(&self) -> Option<Arc<Live>> {
        self.state().running.as_ref().map(|running| running.live.clone())
    }

    /// The same, waiting for it; wrap it into a timeout.
    pub async fn wait_live(&self) -> Option<Arc<Live>> {
        let mut described = self.described.subscribe();
        let found = described.wait_for(Option::is_some).await.ok()?;
        found.clone()
    }

    /// What is described now, and every change of it.
    pub fn described(&self) -> watch::Receiver<Option<Arc<Live>>> {
        self.described.subscribe()
    }

    /// Whether a feeder feeds it at this moment.
    pub fn is_fed(&self) -> bool {
        self.state().fed == Fed::Yes
    }

    /// Whether a feed would be taken now.
    pub fn takes_feed(&self) -> bool {
        self.options.takes_over || !self.is_fed()
    }

    /// Hands every burst from now on to `tap`, and what is kept back at once; `None` where `live` is over.
    pub fn join(&self, live: &Arc<Live>, tap: Arc<dyn Tap>) -> Option<Joined> {
        let mut state = self.state();
        let running = state.running.as_ref().filter(|running| Arc::ptr_eq(&running.live, live))?;
        let Newest { kept, next_sequences, next_number } = running.newest();
        let id = TapId(state.next_tap);
        state.next_tap += 1;
        state.taps.push((id, tap));
        Some(Joined { tap: id, kept, next_sequences, next_number })
    }

    /// What one more viewer of a tap starts with. Asked from within the tap's own thread it may hold bursts that have not
    /// been worked off there yet: compare [`Burst::number`]. `None` where `live` is over.
    pub fn newest(&self, live: &Arc<Live>) -> Option<Newest> {
        let state = self.state();
        let running = state.running.as_ref().filter(|running| Arc::ptr_eq(&running.live, live))?;
        Some(running.newest())
    }

    /// The tap wants no more.
    pub fn leave(&self, tap: TapId) {
        self.state().taps.retain(|(id, _)| *id != tap);
    }

    /// Somebody wants to watch, for as long as the guard lives.
    pub fn want(self: &Arc<Self>) -> Want {
        self.wanted.send_modify(|count| *count += 1);
        Want(Arc::downgrade(self))
    }

    /// How many want to watch, and every change of it: for a feed on demand.
    pub fn wanted(&self) -> watch::Receiver<usize> {
        self.wanted.subscribe()
    }

    /// Gives up waiting for a feed that has been gone for too long; call it about once a second.
    pub fn sweep(&self, now: Instant) {
        self.forms().sweep(self);
        let mut state = self.state();
        if let Fed::Until(until) = state.fed
            && now >= until
        {
            state.fed = Fed::No;
            state.end("the feed has gone");
            self.described.send_replace(None);
        }
    }

    /// Ends it at once, whoever feeds it.
    pub fn close(&self, reason: &str) {
        let mut state = self.state();
        state.feeder += 1;
        state.fed = Fed::No;
        state.end(reason);
        self.described.send_replace(None);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn newest(&self) -> Newest {
        let (next_sequences, next_number) = self.packets.next();
        Newest { kept: self.kept.bursts(), next_sequences, next_number }
    }
}

impl State {
    fn end(&mut self, reason: &str) {
        if let (Some(line), Some(running)) = (&mut self.line, self.running.take()) {
            line.end = line.end.max(running.timeline.end());
        }
        self.running = None;
        for (_, tap) in self.taps.drain(..) {
            tap.ended(reason);
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.name).finish_non_exhaustive()
    }
}
