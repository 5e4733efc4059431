//! One viewer's way through a presentation: from cursors over sample tables to trains of packets when they are due.
//! No clock, no socket: `now` is an argument.
//!
//! | noun | meaning |
//! | --- | --- |
//! | [`Playback`] | one viewer that plays: its tracks, its reader, its place |
//! | [`PlaybackOptions`] | packet size, trains, quantum, read-ahead |
//! | [`Start`], [`TrackInfo`], [`PlayError`] | where it starts, and what it answers |
//! | [`Rate`] | how fast: `Scale` and `Speed`, and what is sent then |
//! | [`Transmit`] | packets of one train that are to leave now |
//! | [`PlaybackEvent`] | the range is over, or it can't go on |
//! | [`trains::Trains`] | a worker's buffers |
//!
//! # Time
//!
//! A range starts at a presentation time. Its first sample is due when it [goes](Playback::go), every other one as much
//! later as it is decoded later. Timestamps go on over seeks as if one range followed the other without a gap
//! (RFC 2326 appendix B): each range lies on a line that starts where what was sent before ended, the same for all
//! tracks. In RTSP 1.0 a pause does not touch the line, in 2.0 the line goes on meanwhile (RFC 7826 C.4). Sender reports
//! pair whole ticks of that line with the wall clock.
//!
//! At another scale than 1 the line counts the time in which the pictures are shown, not the film's: it runs as fast as
//! ever while presentation time runs `scale` times as fast.

mod along;
mod grow;
mod options;
pub(crate) mod prefetch;
mod range;
mod rate;
mod read;
mod report;
mod request;
mod seek;
mod send;
mod track;
pub mod trains;

#[cfg(test)]
pub(crate) mod film;
#[cfg(test)]
mod tests;

pub use options::PlaybackOptions;
pub use rate::{Rate, Selection};
pub use request::{PlayError, Start, TrackInfo};
pub use send::{Admission, Scratch, Transmit};
pub(crate) use track::BEAT;

use crate::headers::SeekStyle;
use catalog::index::Index;
use rand::{RngCore, SeedableRng, rngs::StdRng};
use rtp::{
    clock::{MediaTime, NtpTimestamp, RtpTimestamp, Ticks},
    packetizer::Packetizer,
    sender::Sender,
    train::Framing,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use stripes::{
    layout::Layout,
    reader::{Reader, ReaderOptions},
    scattered::Scattered,
};
use track::TrackPlay;

/// One viewer that plays.
///
/// Driving it: [`play`](Playback::play) arms, [`go`](Playback::go) starts. Then, after anything was put in and
/// whenever [`poll_timeout`](Playback::poll_timeout) has come: `poll_request` until empty (fetch those bytes and bring
/// them in by `handle_bytes` or `handle_failure`), `poll_transmit` until empty, `poll_report` until empty,
/// `poll_event`.
#[derive(Debug)]
pub struct Playback {
    index: Arc<Index>,
    options: Arc<PlaybackOptions>,
    reader: Reader,
    /// Reads instead of `reader` where only some samples are sent.
    scattered: Scattered,
    tracks: Vec<TrackPlay>,
    state: State,
    rate: Rate,
    style: SeekStyle,
    /// Timestamps count the time in which nothing is delivered (RFC 7826 C.4).
    counts_halts: bool,
    /// Since when nothing is, and that isn't counted yet.
    halted: Option<Instant>,
    /// The presentation time at which the range began, or where it stands while it does not play.
    start: MediaTime,
    end: MediaTime,
    /// When decode time `decode_start` is due; later than `go` by all the stalls.
    origin: Instant,
    decode_start: MediaTime,
    /// When the last sample sent is over, in decode time (backwards: mirrored at `decode_start`).
    finish: MediaTime,
    /// When what is armed is to go, if that was said beforehand.
    appointed: Option<Instant>,
    /// When it went, and from which presentation time.
    went: Instant,
    began: MediaTime,
    /// Where presentation time zero lies on the wall clock.
    wall_zero: NtpTimestamp,
    /// Where the first instant played lies on it, where reports go by that ([`PlaybackOptions::live555`]).
    played_zero: Option<NtpTimestamp>,
    stall: Option<Stall>,
    refill_at: Instant,
    /// Which track gave packets to a connection last, and when.
    written: Option<(usize, Instant)>,
    /// How far ahead it reads now, and the bytes of the units that this takes.
    read_ahead: Duration,
    held_bytes: u64,
    /// At the end of what is known it waits for more.
    growing: bool,
    event: Option<PlaybackEvent>,
    counts: Counts,
}

/// Where a playback stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was asked yet, or the presentation was sent to its end: without a range it starts at zero.
    Rewound,
    /// It stands at `start`.
    Paused,
    /// All is laid ready; nothing leaves.
    Armed,
    Playing,
    /// It will never go on.
    Failed,
}

/// Bytes that are due are not here: nothing of any track is due meanwhile, so that the tracks stay together.
#[derive(Clone, Copy, Debug)]
struct Stall {
    track: usize,
    since: Instant,
}

/// What a playback tells by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaybackEvent {
    /// The range was sent and its time is over.
    Ended {
        /// With the presentation: a BYE is in place.
        presentation: bool,
    },
    /// It can't go on; the reason is for people.
    Failed(String),
}

/// What happened since it was asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Access units that were not sent because they were not admitted.
    pub dropped_units: u64,
    /// Waits for bytes that were due.
    pub stalls: u64,
}

/// A track to play, as SETUP made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackSetup {
    /// Its place in [`Index::tracks`].
    pub track: usize,
    /// The name of its packets' source.
    pub ssrc: u32,
    /// As the session description says.
    pub payload_type: u8,
    /// How its packets lie in trains.
    pub framing: Framing,
}

impl Playback {
    /// A viewer that has not played yet. First sequence numbers and timestamps come from `seed`.
    ///
    /// # Errors
    /// [`PlayError::Track`] where the index has no such track, or none is given.
    pub fn new(
        index: Arc<Index>,
        layout: Arc<Layout>,
        setups: &[TrackSetup],
        options: Arc<PlaybackOptions>,
        seed: u64,
        now: Instant,
    ) -> Result<Self, PlayError> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut tracks: Vec<TrackPlay> = Vec::with_capacity(setups.len());
        let mut firsts = Vec::with_capacity(setups.len());
        for (at, setup) in setups.iter().enumerate() {
            let track = index.tracks.get(setup.track).ok_or(PlayError::Track)?;
            let source = tracks.iter().position(|other| other.setup.ssrc == setup.ssrc).unwrap_or(at);
            // A first number in the lower half keeps clear of a wrap while receivers still lock on (RFC 3711 3.3.1).
            let own = (RtpTimestamp(random.next_u32()), (random.next_u32() & 0x7fff) as u16);
            let (first, sequence) = firsts.get(source).copied().unwrap_or(own);
            firsts.push((first, sequence));
            let mut packetizer =
                Packetizer::new(&track.format, setup.payload_type, setup.ssrc, sequence, options.max_packet);
            packetizer.share_sends(options.padding && setup.framing == Framing::Datagram);
            if options.live555 {
                packetizer.count_time_from(first);
            }
            let bandwidth = u64::from(track.bandwidth_bps);
            let mut sender = Sender::new(setup.ssrc, track.clock(), bandwidth, random.next_u64());
            if setup.framing == Framing::Datagram {
                sender.use_breakers(options.breakers);
            }
            tracks.push(TrackPlay::new(setup, source, track, &options, packetizer, sender, first, now));
        }
        if tracks.is_empty() {
            return Err(PlayError::Track);
        }
        // The timestamps of one source never go back.
        for at in 0..tracks.len() {
            let source = tracks[at].source;
            if source != at {
                tracks[source].group = Ticks(0);
                tracks[at].group = Ticks(0);
            }
        }
        let read_ahead = options.read_ahead;
        let scattered = Scattered::new(layout.clone());
        let reader = Reader::new(layout, ReaderOptions { window_bytes: options.window_bytes });
        Ok(Self {
            end: index.duration,
            index,
            options,
            reader,
            scattered,
            tracks,
            state: State::Rewound,
            rate: Rate::NORMAL,
            style: SeekStyle::Rap,
            counts_halts: false,
            halted: None,
            start: MediaTime::ZERO,
            origin: now,
            decode_start: MediaTime::ZERO,
            finish: MediaTime::ZERO,
            appointed: None,
            went: now,
            began: MediaTime::ZERO,
            wall_zero: NtpTimestamp(0),
            played_zero: None,
            stall: None,
            refill_at: now,
            written: None,
            read_ahead,
            held_bytes: 0,
            growing: false,
            event: None,
            counts: Counts::default(),
        })
    }

    /// Whether nothing is left of an access unit that was begun.
    pub fn is_drained(&self) -> bool {
        self.tracks.iter().all(|track| track.rest.is_none())
    }

    /// Whether it plays.
    pub fn is_playing(&self) -> bool {
        self.state == State::Playing
    }

    /// The tracks as they were set up.
    pub fn setups(&self) -> impl ExactSizeIterator<Item = &TrackSetup> {
        self.tracks.iter().map(|track| &track.setup)
    }

    /// The presentation that it plays.
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// What happened, once.
    pub fn poll_event(&mut self) -> Option<PlaybackEvent> {
        self.event.take()
    }

    /// What was counted since the last call.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// When it wants to be polled next; `None` while only a call can change anything.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let rests = self.tracks.iter().filter_map(|track| track.rest.map(|rest| rest.due));
        let rests = rests.min();
        if self.state != State::Playing {
            return rests;
        }
        let due = match self.stall {
            Some(stall) => Some(stall.since + self.options.max_stall),
            None if self.is_waiting() => Some(self.refill_at),
            None if self.tracks.iter().all(|track| track.done) => self.is_drained().then(|| self.over()),
            None => self.tracks.iter().filter(|t| !t.done && !self.is_busy(t)).map(|track| track.due).min(),
        };
        [rests, due, self.next_report()].into_iter().flatten().min()
    }

    /// Whether packets of a track's source are laid down and have not left: their numbers come first.
    fn is_busy(&self, track: &TrackPlay) -> bool {
        self.tracks.iter().any(|other| other.source == track.source && other.rest.is_some())
    }

    fn fail(&mut self, reason: String) {
        self.state = State::Failed;
        self.event = Some(PlaybackEvent::Failed(reason));
    }

    /// Puts the trains of begun units back: nothing more will be sent.
    pub fn discard(&mut self, trains: &mut trains::Trains) {
        for rest in self.tracks.iter_mut().filter_map(|track| track.rest.take()) {
            trains.give_back(rest.train);
        }
    }
}
