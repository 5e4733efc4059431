//! Media that comes live in a container: bytes in, tracks and access units out, and no container to be seen.
//!
//! - [`TransportStream`]: MPEG-2 transport streams; [`PassedStream`]: those that are passed on whole
//! - [`FeedEvent`]: what came of the bytes, [`FeedTrack`] and [`FeedUnit`]; [`FeedError`]: nothing will

use crate::container::mpeg::{LiveEvent, LiveTs, PassedTs};
use crate::container::{DemuxedSample, TrackInfo};
use crate::sample::MAX_SAMPLE_SIZE;
use bytes::Bytes;
use rtp::clock::Ticks;
use rtp::format::Format;
use rtp::mp2t::Program;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// A transport stream (ISO 13818-1 2.4) that comes live.
///
/// Give it the bytes with [`TransportStream::handle_bytes`], in pieces of any length, and call [`TransportStream::poll`]
/// until it says `None`. Garbage between packets is passed over; times go on over wraps and jumps of the stream's clock.
#[derive(Debug)]
pub struct TransportStream {
    demuxer: LiveTs,
    tracks: Vec<TrackInfo>,
    units: u64,
    damaged: u64,
}

/// A transport stream that is passed on as it comes, with all its programs: one track ([`Format::Mp2t`]), whose units are
/// whole packets. Give it the bytes, in pieces of any length, and poll until nothing more comes.
#[derive(Debug)]
pub struct PassedStream {
    passed: PassedTs,
    events: VecDeque<FeedEvent>,
    begun: bool,
}

/// What came of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedEvent {
    /// These are the tracks from here on, video first. Said again where the stream becomes another.
    Tracks(Vec<FeedTrack>),
    /// The next access unit of a track.
    Unit(FeedUnit),
}

/// A track of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedTrack {
    /// Its codec and payload format.
    pub format: Format,
    /// ISO 639.
    pub language: Option<String>,
}

/// An access unit of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedUnit {
    /// Its place among the tracks.
    pub track: usize,
    /// In stored form (see [`Format::store`]).
    pub data: Bytes,
    /// When it is decoded, by the track's RTP clock, on a line that all tracks share.
    pub dts: Ticks,
    /// When it is shown or heard, likewise.
    pub pts: Ticks,
    /// Whether decoding may begin here.
    pub sync: bool,
}

/// A feed that nothing can come of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("transport stream: {0}")]
pub struct FeedError(pub String);

impl TransportStream {
    /// Of the program with that number, or of the first with video (with sound, where none has video).
    pub fn new(program: Option<u16>) -> Self {
        Self { demuxer: LiveTs::new(program), tracks: Vec::new(), units: 0, damaged: 0 }
    }

    /// The next bytes; `now` bounds how long tables and streams are waited for.
    ///
    /// # Errors
    /// There is no such program, or none whose streams can be taken: begin anew.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) -> Result<(), FeedError> {
        self.demuxer.handle_bytes(bytes, now).map_err(|error| FeedError(error.reason))
    }

    /// Nothing has come for a while, and the rest may never: what only waited for that is given out. Only for the end:
    /// what comes later begins anew, with another value of this type.
    pub fn handle_silence(&mut self) {
        self.demuxer.handle_silence();
    }

    /// What came of the bytes.
    pub fn poll(&mut self) -> Option<FeedEvent> {
        loop {
            match self.demuxer.poll()? {
                LiveEvent::Tracks(tracks) => {
                    let known = |track: &TrackInfo| FeedTrack {
                        format: track.format.clone(),
                        language: track.language.clone(),
                    };
                    let said = tracks.iter().map(known).collect();
                    self.tracks = tracks;
                    return Some(FeedEvent::Tracks(said));
                }
                LiveEvent::Sample(sample) => match self.store(&sample) {
                    Some(unit) => {
                        self.units += 1;
                        return Some(FeedEvent::Unit(unit));
                    }
                    None => self.damaged += 1,
                },
            }
        }
    }

    /// Access units given out.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// Breaks in the packet counters.
    pub fn lost(&self) -> u64 {
        self.demuxer.lost()
    }

    /// Bytes passed over between packets.
    pub fn junk(&self) -> u64 {
        self.demuxer.junk()
    }

    /// Access units that were left out because their syntax is broken.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    fn store(&self, sample: &DemuxedSample) -> Option<FeedUnit> {
        let (place, track) = self.tracks.iter().enumerate().find(|(_, track)| track.number == sample.track)?;
        let mut data = Vec::with_capacity(sample.data.len() + 64);
        track.format.store(&sample.data, sample.sync, &mut data).ok()?;
        if data.len() > MAX_SAMPLE_SIZE as usize {
            return None;
        }
        let clock = track.format.clock_rate();
        let ticks = |time| clock.rescale(time, track.timescale);
        let (dts, pts) = (ticks(sample.dts), ticks(sample.pts));
        Some(FeedUnit { track: place, data: data.into(), dts, pts, sync: sample.sync })
    }
}

impl Default for PassedStream {
    fn default() -> Self {
        Self { passed: PassedTs::new(), events: VecDeque::new(), begun: false }
    }
}

impl PassedStream {
    /// The next bytes; what lies between packets is left out.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) {
        let Some(packets) = self.passed.handle_bytes(bytes, now) else { return };
        if !std::mem::replace(&mut self.begun, true) {
            let program = Arc::new(Program { streams: Vec::new(), order: Vec::new() });
            let track = FeedTrack { format: Format::Mp2t { program }, language: None };
            self.events.push_back(FeedEvent::Tracks(vec![track]));
        }
        let time = Ticks(packets.time);
        let unit = FeedUnit { track: 0, data: packets.data.into(), dts: time, pts: time, sync: packets.sync };
        self.events.push_back(FeedEvent::Unit(unit));
    }

    /// What came of the bytes.
    pub fn poll(&mut self) -> Option<FeedEvent> {
        self.events.pop_front()
    }

    /// Breaks in the packets' counters.
    pub fn lost(&self) -> u64 {
        self.passed.lost()
    }
}

#[cfg(test)]
mod tests;
