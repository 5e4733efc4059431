//! Sessions: what SETUP made, by the state table of RFC 2326 A.2.
//!
//! A session is tied to no connection, but one whose packets travel on a connection ends with it: nobody
//! else could receive them. No clock here: `now` is an argument.

mod notify;
mod opened;
mod state;
mod table;
#[cfg(test)]
mod tests;

pub use notify::Notify;
pub use opened::Opened;
pub use state::State;
pub use table::{Ended, SessionOptions, SessionTable};

use crate::admission::{Admission, Demand, NotEnough, Promise};
use crate::channel::Watching;
use crate::headers::{Scale, SeekStyle, Speed};
use crate::multicast::net::Hold;
use crate::playback::{Rate, Start, TrackInfo};
use crate::worker::{Destination, PlayRequest, PlayTrack, ViewerEvent, ViewerId, WorkerId};
use catalog::index::Index;
use rtp::clock::MediaTime;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;
use stripes::id::NodeId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, error::TryRecvError, unbounded_channel};

/// Names a session: 128 random bits as 32 hexadecimal digits (RFC 2326 section 16: nobody may guess one).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// The id that a viewer sent, whether there is such a session or not.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which TCP connection, in the order of their coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// One track of a session.
#[derive(Clone, Debug)]
pub struct SetUp {
    /// Its place in the index.
    pub track: usize,
    /// The URL of SETUP, byte for byte: `RTP-Info` must name it so.
    pub url: String,
    /// In every packet.
    pub ssrc: u32,
    /// In every packet.
    pub payload_type: u8,
    /// Where the packets go.
    pub delivered: Delivered,
}

/// How a track's packets reach a viewer.
#[derive(Clone, Debug)]
pub enum Delivered {
    /// They are sent to this viewer.
    Alone(Destination),
    /// They are sent to a group, which runs at least as long as this lives.
    Group(Arc<Hold>),
}

/// What plays, as far as it is known here.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Playing {
    from: MediaTime,
    end: MediaTime,
    rate: Rate,
    since: Instant,
}

/// One viewer's session.
#[derive(Debug)]
pub struct Session {
    /// As the URL names the presentation.
    pub name: String,
    /// Whose it is, where users are told apart: nobody else may use it.
    pub user: Option<String>,
    /// How its viewer is told something, where it speaks RTSP 2.0.
    pub notify: Option<Notify>,
    /// The range was played to its end, and nobody was told yet.
    pub ended: bool,
    /// Another rate than PLAY's came into use since its viewer was told: each track's first packet at it.
    pub slowed: Option<Vec<TrackInfo>>,
    /// Each track's next packet, where that was.
    pub reached: Vec<TrackInfo>,
    /// The presentation.
    pub index: Arc<Index>,
    /// The channel that it is; `None`: a film.
    pub watching: Option<Watching>,
    /// Of a channel what is kept plays, or did last: not the channel as it is.
    pub behind: bool,
    /// Where it was paused, or its range ended.
    pub paused_at: Option<MediaTime>,
    /// The thread that sends, or will.
    pub worker: WorkerId,
    /// By which the worker knows it.
    pub viewer: ViewerId,
    /// What was set up, in the order of the index, each track once.
    tracks: Vec<SetUp>,
    playing: Option<Playing>,
    range_start: Option<MediaTime>,
    /// Where the last range that was played ends.
    range_end: Option<MediaTime>,
    /// How fast it plays, or did.
    rate: Rate,
    /// Bytes of a packet's payload that the viewer wants at most.
    blocksize: Option<u32>,
    /// Whether the viewer is made of LIVE555's library (see [`crate::playback::PlaybackOptions::live555`]).
    pub live555: bool,
    /// PLAY has succeeded at least once.
    has_played: bool,
    /// What nodes and front owe it while it plays.
    promise: Option<Promise>,
    /// The connection that carries packets of this session.
    carrier: Option<ConnectionId>,
    last_sign: Instant,
    events: UnboundedReceiver<ViewerEvent>,
    teller: UnboundedSender<ViewerEvent>,
}

impl Session {
    fn new(name: String, opened: Opened, worker: WorkerId, viewer: ViewerId, now: Instant) -> Self {
        let index = opened.index().clone();
        let watching = match opened {
            Opened::Film(_) => None,
            Opened::Channel(watching) => Some(watching),
        };
        let (teller, events) = unbounded_channel();
        Self {
            name,
            user: None,
            notify: None,
            ended: false,
            slowed: None,
            reached: Vec::new(),
            index,
            watching,
            behind: false,
            paused_at: None,
            worker,
            viewer,
            tracks: Vec::new(),
            playing: None,
            range_start: None,
            range_end: None,
            rate: Rate::NORMAL,
            blocksize: None,
            live555: false,
            has_played: false,
            promise: None,
            carrier: None,
            last_sign: now,
            events,
            teller,
        }
    }

    /// Ready or Playing.
    pub fn state(&self) -> State {
        if self.playing.is_some() { State::Playing } else { State::Ready }
    }

    /// What was set up, in the order of the index.
    pub fn tracks(&self) -> &[SetUp] {
        &self.tracks
    }

    /// The track at `position` of the index, if it was set up.
    pub fn track(&self, position: usize) -> Option<&SetUp> {
        self.tracks.iter().find(|track| track.track == position)
    }

    /// Whether PLAY has ever succeeded: then PAUSE in Ready is no mistake but late.
    pub fn has_played(&self) -> bool {
        self.has_played
    }

    /// Adds a track, or changes one; `carrier` where its packets travel on a connection.
    pub fn set_up(&mut self, track: SetUp, carrier: Option<ConnectionId>) {
        self.tracks.retain(|other| other.track != track.track);
        self.tracks.push(track);
        self.tracks.sort_by_key(|track| track.track);
        self.settle_carrier(carrier);
    }

    /// Takes a track out; what is left may be nothing.
    pub fn take_down(&mut self, position: usize) {
        self.tracks.retain(|track| track.track != position);
        self.settle_carrier(self.carrier);
    }

    fn settle_carrier(&mut self, carrier: Option<ConnectionId>) {
        let carried = self
            .tracks
            .iter()
            .any(|track| matches!(track.delivered, Delivered::Alone(Destination::Interleaved { .. })));
        self.carrier = carrier.or(self.carrier).filter(|_| carried);
    }

    /// The connection that carries its packets, if one does.
    pub fn carrier(&self) -> Option<ConnectionId> {
        self.carrier
    }

    /// What the worker is asked to play: all that is not sent to a group.
    pub fn play_tracks(&self) -> Vec<PlayTrack> {
        let track = |track: &SetUp| {
            let Delivered::Alone(destination) = track.delivered.clone() else { return None };
            Some(PlayTrack { track: track.track, ssrc: track.ssrc, payload_type: track.payload_type, destination })
        };
        self.tracks.iter().filter_map(track).collect()
    }

    /// What the worker is asked to play, at normal rate.
    pub fn request(&self, start: Start) -> PlayRequest {
        PlayRequest {
            viewer: self.viewer,
            index: self.index.clone(),
            behind: None,
            channel: self.watching.as_ref().map(|watching| (watching.channel.clone(), watching.live.clone())),
            tracks: self.play_tracks(),
            start,
            style: SeekStyle::default(),
            counts_halts: false,
            end: None,
            rate: (Scale::NORMAL, Speed::NORMAL),
            blocksize: self.blocksize,
            live555: self.live555,
            queue: false,
            events: self.teller(),
        }
    }

    /// Where the worker tells what happens.
    pub fn teller(&self) -> UnboundedSender<ViewerEvent> {
        self.teller.clone()
    }

    /// PLAY has succeeded.
    pub fn played(&mut self, from: MediaTime, end: MediaTime, rate: Rate, now: Instant) {
        self.playing = Some(Playing { from, end, rate, since: now });
        self.range_start = Some(from);
        self.range_end = Some(end);
        self.ended = false;
        self.rate = rate;
        self.has_played = true;
    }

    /// PAUSE has succeeded.
    pub fn paused(&mut self) {
        self.stop();
    }

    /// Takes the promise of what it needs from now on of these nodes, until it stops playing.
    pub fn promise(&mut self, admission: &Admission, nodes: &[NodeId], demand: Demand) -> Result<(), NotEnough> {
        match &mut self.promise {
            Some(promise) => promise.change(nodes, demand),
            None => {
                self.promise = Some(admission.promise(nodes, demand)?);
                Ok(())
            }
        }
    }

    /// PLAY has failed: what was promised for it goes back, unless something plays.
    pub fn not_played(&mut self) {
        if self.playing.is_none() {
            self.promise = None;
        }
    }

    fn stop(&mut self) {
        self.playing = None;
        self.promise = None;
    }

    /// What plays right now, to within what the network adds, and where it will end.
    pub fn position(&self, now: Instant) -> Option<(MediaTime, MediaTime)> {
        let playing = self.playing?;
        let played = playing.rate.npt(now.saturating_duration_since(playing.since));
        let position = playing.rate.onward(playing.from, played);
        let backward = playing.rate.is_backward();
        Some((if backward { position.max(playing.end) } else { position.min(playing.end) }, playing.end))
    }

    /// The pause point (RFC 7826 13.4.1): where it plays, or where PLAY goes on.
    pub fn stands_at(&self, now: Instant) -> MediaTime {
        let position = self.position(now).map(|(position, _)| position);
        position.or(self.paused_at).unwrap_or(MediaTime::ZERO)
    }

    /// A PAUSE at a later time has succeeded: what plays ends there.
    pub fn stops_at(&mut self, at: MediaTime) {
        if let Some(playing) = &mut self.playing {
            playing.end = at;
        }
    }

    /// Whether what plays ends before the presentation does: then another PLAY waits for that (RFC 2326 10.5). What
    /// plays to the end would never let it begin.
    pub fn is_bounded(&self) -> bool {
        self.playing.is_some_and(|playing| !playing.rate.is_backward() && playing.end < self.index.duration)
    }

    /// How fast it plays, or did.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Bytes of a packet's payload that the viewer wants at most (RFC 2326 12.7).
    pub fn blocksize(&self) -> Option<u32> {
        self.blocksize
    }

    /// Notes such a wish.
    pub fn wants_blocksize(&mut self, bytes: u32) {
        self.blocksize = Some(bytes);
    }

    /// Where the last range that was played began.
    pub fn started(&self) -> Option<MediaTime> {
        self.range_start
    }

    /// Where the last range that was played ends; a channel's has no end.
    pub fn range_end(&self) -> Option<MediaTime> {
        self.range_end.filter(|_| self.watching.is_none())
    }

    /// The viewer has given a sign of life.
    pub fn touch(&mut self, now: Instant) {
        self.last_sign = self.last_sign.max(now);
    }

    /// Takes in what the worker has told since the last time.
    ///
    /// # Errors
    /// The worker has given this viewer up; why is for people.
    pub fn settle(&mut self, now: Instant) -> Result<(), String> {
        loop {
            match self.events.try_recv() {
                Ok(ViewerEvent::Alive) => self.touch(now),
                Ok(ViewerEvent::Reached(info)) => self.reached = info,
                Ok(ViewerEvent::Renamed { old, new }) => {
                    for track in self.tracks.iter_mut().filter(|track| track.ssrc == old) {
                        track.ssrc = new;
                    }
                }
                Ok(ViewerEvent::Next(range, rate)) => self.played(range.start, range.end, rate, now),
                Ok(ViewerEvent::Slowed(range, rate, info)) => {
                    let end = self.range_end.unwrap_or(range.end);
                    self.played(range.start, end, rate, now);
                    self.slowed = Some(info);
                }
                // A.2: Ready at the end of the range; the session stays until TEARDOWN or its timeout.
                Ok(ViewerEvent::EndOfStream) => {
                    let end = self.playing.map(|playing| playing.end);
                    self.paused_at = end.filter(|end| *end < MediaTime(i64::MAX)).or(self.paused_at);
                    self.stop();
                    self.ended = true;
                }
                Ok(ViewerEvent::Failed(reason)) => return Err(reason),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }
}
