//! What stays the same as long as a channel's description does.

use super::TrackDescription;
use catalog::index::{Index, Track};
use catalog::presentation::{Source as Origin, SourceHash};
use catalog::sample::SampleTable;
use rtp::clock::{ClockRate, MediaTime, NtpTimestamp, RtpTimestamp};
use rtp::format::Format;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Instant, SystemTime};
use stripes::{
    id::ObjectId,
    layout::{Layout, Policy},
};

/// Tracks of a channel: as many as dynamic payload types.
pub const MAX_TRACKS: usize = 32;

/// Bits per second where a feed says nothing, for the description and what is promised by it.
const VIDEO_BPS: u32 = 2_000_000;
const AUDIO_BPS: u32 = 128_000;

/// One description of a channel, from the feed that brought it to the end of the last with the same.
#[derive(Debug)]
pub struct Live {
    /// The tracks, as a film has them, without samples; the duration is zero and the media object is none.
    pub index: Arc<Index>,
    /// By the order of the tracks.
    pub sources: Vec<Source>,
    /// When it was described.
    pub began: Instant,
    /// The same by the wall clock.
    pub began_at: SystemTime,
    /// When the channel's timeline began, nanoseconds since 1970: then, or long before (see [`Line`]).
    pub line_ns: i64,
    /// Nanoseconds by which the timeline is ahead of the time since then: the feed's clock is its own.
    pub(super) ahead: AtomicI64,
    /// The same as reports tell it. It follows slowly: players move all that they show and hear to where a report puts it,
    /// each track when its own report comes.
    pub(super) told: AtomicI64,
}

/// The timeline of a channel that is kept: it goes on over descriptions and restarts, and all fronts share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it began, nanoseconds since 1970; it has its name from that.
    pub line_ns: i64,
    /// What was before this place is kept already, or has been.
    pub end: MediaTime,
}

/// What all packets of a track have in common, whoever gets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Random.
    pub ssrc: u32,
    /// As the description says.
    pub payload_type: u8,
    /// Of the timeline's zero: random.
    pub start: RtpTimestamp,
    /// The number of the very first packet: random.
    pub first_sequence: u16,
    /// Ticks of the timestamps.
    pub clock: ClockRate,
}

impl Live {
    pub(super) fn new(
        name: &str,
        tracks: &[TrackDescription],
        began_at: SystemTime,
        began: Instant,
        line: Option<Line>,
    ) -> Self {
        let created = began_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let described = tracks.iter().zip(1..).map(|(track, id)| {
            let usual = if track.format.media() == rtp::format::Media::Video { VIDEO_BPS } else { AUDIO_BPS };
            let bps = track.bandwidth_bps.unwrap_or(usual);
            // Its control URL says what it is, whatever channel it is made of.
            let is_stream = matches!(track.format, Format::Mp2t { .. });
            Track {
                id: if is_stream { crate::sdp::TRANSPORT_STREAM } else { id },
                format: track.format.clone(),
                language: track.language.clone(),
                bandwidth_bps: bps,
                average_bps: bps,
                samples: SampleTable::default(),
            }
        });
        let index = Index {
            name: name.to_owned(),
            title: name.to_owned(),
            source: Origin { hash: SourceHash([0; 32]), bytes: 0 },
            created: i64::try_from(created.as_secs()).unwrap_or(0),
            duration: MediaTime::ZERO,
            media: nothing(),
            tracks: described.collect(),
        };
        let sources = index.tracks.iter().enumerate().map(|(position, track)| Source {
            ssrc: rand::random(),
            payload_type: crate::sdp::payload_type(&index, position),
            start: RtpTimestamp(rand::random()),
            first_sequence: rand::random(),
            clock: track.format.clock_rate(),
        });
        let sources = sources.collect();
        let now_ns = i64::try_from(created.as_nanos()).unwrap_or(i64::MAX);
        let line_ns = line.map_or(now_ns, |line| line.line_ns);
        let ahead = line.map_or(0, |line| now_ns.saturating_sub(line.line_ns).max(line.end.0).max(0));
        let (ahead, told) = (AtomicI64::new(ahead), AtomicI64::new(ahead));
        Self { index: Arc::new(index), sources, began, began_at, line_ns, ahead, told }
    }

    /// The place on the timeline that is now.
    pub fn position(&self, now: Instant) -> MediaTime {
        let passed = MediaTime::ZERO.plus(now.saturating_duration_since(self.began));
        MediaTime(passed.0.saturating_add(self.ahead.load(Relaxed)))
    }

    /// A track's timestamp for a place on the timeline.
    pub fn timestamp(&self, track: usize, at: MediaTime) -> RtpTimestamp {
        self.sources.get(track).map_or(RtpTimestamp(0), |source| source.start.plus(source.clock.ticks(at)))
    }

    /// The wall clock's time at a place on the timeline: what sender reports put beside its timestamp.
    pub fn ntp(&self, at: MediaTime) -> NtpTimestamp {
        let began = self.began_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let nanos = ClockRate::new(1_000_000_000).unwrap_or(ClockRate::VIDEO);
        let passed = nanos.ticks(MediaTime(at.0.saturating_sub(self.told.load(Relaxed))));
        NtpTimestamp::from_unix(began).plus(passed, nanos)
    }

    /// What a sender report on a track pairs now: the wall clock's time and the timestamp of one whole tick.
    pub fn report_times(&self, track: usize, now: Instant) -> (NtpTimestamp, RtpTimestamp) {
        let Some(source) = self.sources.get(track) else { return (NtpTimestamp(0), RtpTimestamp(0)) };
        let tick = source.clock.ticks(self.position(now));
        (self.ntp(source.clock.time(tick)), source.start.plus(tick))
    }
}

/// An object that has no bytes and lies nowhere.
fn nothing() -> Layout {
    let policy = Policy { unit_size: 1 << 16, data: 1, parity: 0 };
    Layout { object: ObjectId::random(), length: 0, policy, nodes: vec![], first: 0, table: vec![], generation: 0 }
}
