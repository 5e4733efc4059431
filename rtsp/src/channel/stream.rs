//! A channel as one transport stream: the units of all its tracks are multiplexed.

use super::{
    Burst, Channel, Feeder, Live, LiveUnit, Tap, TrackDescription, Watching,
    form::{Form, Maker},
};
use bytes::Bytes;
use rtp::{
    clock::{ClockRate, RtpTimestamp, Ticks},
    format::{Format, Media},
    mp2t::{MAX_STREAMS, NotCarried, Program, Stream as Elementary, Unit},
    packet::RtpPacket,
    packetizer::Packetizer,
    train::{Framing, Train},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A track of which nothing comes holds up the others so long: a decoder's buffers hold no more of a transport stream than a
/// second (ISO 13818-1 2.4.2.6), so that sound comes no later behind its pictures.
const PATIENCE: Duration = Duration::from_secs(1);

/// Units that wait for their turn at most: tracks whose times lie far apart would otherwise fill the memory.
const MAX_WAITING: usize = 1_000;

/// Why a channel can't be one transport stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotStreamed {
    /// One of its tracks can't be in one.
    #[error("track {0}, {1}")]
    Track(u32, NotCarried),
    /// It has too many.
    #[error("{0} tracks, a transport stream takes {MAX_STREAMS} here")]
    TooMany(usize),
    /// The description is over.
    #[error("the channel has ended")]
    Over,
}

impl Channel {
    /// The channel as one transport stream (MP2T): a channel of one track. Made when the first asks for it, the same for
    /// all, and gone with the last who wants it. One that is a transport stream as it is, is its own.
    ///
    /// # Errors
    /// See [`NotStreamed`].
    pub fn as_transport_stream(self: &Arc<Self>, live: &Arc<Live>) -> Result<Watching, NotStreamed> {
        if let [track] = &live.index.tracks[..]
            && matches!(track.format, Format::Mp2t { .. })
        {
            return Ok(Watching::new(self.clone(), live.clone()));
        }
        let (form, mut forms) = (Form::TransportStream, self.forms());
        if let Some(watching) = forms.find(form, live) {
            return Ok(watching);
        }
        let track = TrackDescription {
            format: Format::Mp2t { program: Arc::new(program(live)?) },
            language: None,
            // What the packets of 188 bytes add.
            bandwidth_bps: Some(live.index.tracks.iter().fold(0, |sum: u32, track| {
                sum.saturating_add(track.bandwidth_bps).saturating_add(track.bandwidth_bps / 10)
            })),
        };
        let packetizer = Packetizer::new(&track.format, 0, 0, 0, self.options.max_packet);
        let multiplexer = |feeder| {
            Multiplexer(Mutex::new(State {
                clocks: live.sources.iter().map(|source| source.clock).collect(),
                leader: live.index.tracks.iter().position(|track| track.format.media() == Media::Video),
                reached: vec![None; live.sources.len()],
                waiting: BTreeMap::new(),
                counted: 0,
                packetizer,
                feeder: Some(feeder),
                caught_up: false,
            }))
        };
        forms.make(form, self, live, vec![track], multiplexer).ok_or(NotStreamed::Over)
    }
}

fn program(live: &Live) -> Result<Program, NotStreamed> {
    let tracks = &live.index.tracks;
    if tracks.len() > MAX_STREAMS {
        return Err(NotStreamed::TooMany(tracks.len()));
    }
    let streams = tracks.iter().map(|track| {
        Program::carries(&track.format).map_err(|error| NotStreamed::Track(track.id, error))?;
        Ok(Elementary { format: track.format.clone(), language: track.language.clone() })
    });
    Ok(Program { streams: streams.collect::<Result<_, _>>()?, order: Vec::new() })
}

/// The tap.
struct Multiplexer(Mutex<State>);

struct State {
    clocks: Vec<ClockRate>,
    /// Whose sync samples are the stream's.
    leader: Option<usize>,
    /// The latest decode time of each track, by 90 kHz.
    reached: Vec<Option<Ticks>>,
    /// Units by decode time and order of their coming.
    waiting: BTreeMap<(Ticks, u64), Waiting>,
    counted: u64,
    packetizer: Packetizer,
    /// Until the end.
    feeder: Option<Feeder>,
    /// What the channel had kept when it was joined has gone in.
    caught_up: bool,
}

struct Waiting {
    track: usize,
    unit: LiveUnit,
    arrived: Instant,
}

impl Tap for Multiplexer {
    fn burst(&self, burst: &Arc<Burst>) {
        let mut state = self.state();
        state.take(burst);
        if state.caught_up {
            state.release(burst.arrived);
        }
    }

    fn ended(&self, reason: &str) {
        if let Some(feeder) = self.state().feeder.take() {
            feeder.end(reason);
        }
    }
}

impl Maker for Multiplexer {
    /// What came meanwhile lies behind it by its times.
    fn catch_up(&self, kept: &[Arc<Burst>]) {
        let mut state = self.state();
        state.caught_up = true;
        for burst in kept {
            state.take(burst);
            state.release(burst.arrived);
        }
    }
}

impl Multiplexer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, burst: &Burst) {
        let Some(clock) = self.clocks.get(burst.track) else { return };
        let ticks = |at: Ticks| ClockRate::VIDEO.rescale(at.0, clock.hz());
        for unit in &burst.units {
            let (dts, pts) = (ticks(unit.dts), ticks(unit.pts));
            if let Some(reached) = self.reached.get_mut(burst.track) {
                *reached = (*reached).max(Some(dts));
            }
            self.counted += 1;
            let unit = LiveUnit { data: unit.data.clone(), dts, pts, sync: unit.sync };
            self.waiting.insert((dts, self.counted), Waiting { track: burst.track, unit, arrived: burst.arrived });
        }
    }

    /// Multiplexes what has its turn: no other track can bring anything before it. One unit stays, to know when what is
    /// before it is over.
    fn release(&mut self, now: Instant) {
        let mut group: Vec<Waiting> = Vec::new();
        while self.waiting.len() > 1 {
            let Some((&(dts, _), first)) = self.waiting.first_key_value() else { break };
            let others = self.reached.iter().flatten().all(|reached| *reached >= dts);
            let late = now.saturating_duration_since(first.arrived) >= PATIENCE || self.waiting.len() > MAX_WAITING;
            if !others && !late {
                break;
            }
            if self.begins(first) && !group.is_empty() {
                self.multiplex(&std::mem::take(&mut group), dts, now);
            }
            group.extend(self.waiting.pop_first().map(|(_, unit)| unit));
        }
        if let Some((&(dts, _), _)) = self.waiting.first_key_value() {
            self.multiplex(&group, dts, now);
        }
    }

    /// Whether who comes in may begin with it.
    fn begins(&self, waiting: &Waiting) -> bool {
        waiting.unit.sync && self.leader.is_none_or(|leader| leader == waiting.track)
    }

    fn multiplex<'a>(&mut self, group: &'a [Waiting], end: Ticks, now: Instant) {
        let Some(first) = group.first() else { return };
        let (sync, decode) = (self.begins(first), first.unit.dts);
        let stamp = |at: Ticks| RtpTimestamp(0).plus(at);
        let part = |Waiting { track, unit, .. }: &'a Waiting| Unit {
            stream: *track,
            data: &unit.data,
            decode: stamp(unit.dts),
            timestamp: stamp(unit.pts),
            sync: unit.sync,
        };
        let units: Vec<Unit<'_>> = group.iter().map(part).collect();
        let mut train = Train::new(Framing::Datagram);
        if let Err(error) = self.packetizer.multiplex(&units, stamp(end), &mut train) {
            tracing::debug!(%error, "a unit can't be in the transport stream");
            return;
        }
        let packets = (0..train.len()).filter_map(|number| RtpPacket::parse(train.packet(number)).ok());
        let payloads: Vec<LiveUnit> = packets
            .enumerate()
            .map(|(number, packet)| {
                let leaves = i64::from(packet.timestamp.distance(stamp(decode)));
                let at = Ticks(decode.0.saturating_add(leaves));
                LiveUnit { data: Bytes::copy_from_slice(packet.payload), dts: at, pts: at, sync: sync && number == 0 }
            })
            .collect();
        if let Some(feeder) = self.feeder.as_ref().filter(|_| !payloads.is_empty()) {
            feeder.units(0, &payloads, now);
        }
    }
}
