//! A film without media and a worker without a clock, for the tests of the control part.

use super::{Media as Workers, OpenError, Presentations};
use crate::channel::{Channel, ChannelOptions, Feeder, TrackDescription, Watching};
use crate::headers::{Scale, Speed};
use crate::playback::{PlayError, Rate, Start, TrackInfo};
use crate::session::Opened;
use crate::worker::{Destination, PlayReply, PlayRequest, ViewerEvent, ViewerId, ViewerStatistics, WorkerId};
use bytes::Bytes;
use catalog::index::{Index, Track};
use catalog::presentation::{Source, SourceHash};
use catalog::sample::SampleTable;
use futures_util::future::BoxFuture;
use rtp::asf::header::StreamProperties;
use rtp::clock::{MediaTime, RtpTimestamp};
use rtp::format::{Format, Media};
use std::collections::HashMap;
use std::net::UdpSocket;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use stripes::id::ObjectId;
use stripes::layout::{Layout, Policy};

/// 60 seconds of MPEG-1 video and audio, created at 1 000 000 s.
pub fn film() -> Index {
    let video = Format::Mpv { mpeg2: false, width: 352, height: 288 };
    let audio = Format::Mpa { layer: 2, sample_rate: 44_100, channels: 2 };
    let track = |id, format, language: Option<&str>, bandwidth_bps| Track {
        id,
        format,
        language: language.map(str::to_owned),
        bandwidth_bps,
        average_bps: bandwidth_bps,
        samples: SampleTable::default(),
    };
    Index {
        name: "film".into(),
        title: "A film".into(),
        source: Source { hash: SourceHash([0; 32]), bytes: 0 },
        created: 1_000_000,
        duration: MediaTime(60_000_000_000),
        media: Layout::new(ObjectId(0), 0, Policy { unit_size: 256 << 10, data: 1, parity: 0 }, Vec::new(), 0),
        tracks: vec![track(1, video, None, 1_000_000), track(2, audio, Some("en"), 128_000)],
    }
}

/// 60 seconds in ASF packets, a track of video and one of audio.
pub fn asf_film() -> Index {
    let mut film = Index { name: "asf".into(), ..film() };
    for (track, media) in film.tracks.iter_mut().zip([Media::Video, Media::Audio]) {
        let stream = track.id as u8 + 4;
        let properties = StreamProperties { stream, media, type_data: &[0; 60] }.to_bytes();
        track.format = Format::Asf { stream, media, properties, codec: "WMV3".into() };
    }
    film
}

/// A channel of video and audio that is fed for ever, though nothing comes.
pub fn news() -> Watching {
    static FEEDER: LazyLock<Feeder> = LazyLock::new(|| {
        let tracks = film().tracks.into_iter();
        let describe = |track: Track| TrackDescription { format: track.format, language: None, bandwidth_bps: None };
        let feeder =
            Channel::new("news", ChannelOptions::default()).feed(tracks.map(describe).collect(), Instant::now());
        feeder.expect("nobody else feeds it")
    });
    let channel = FEEDER.channel().clone();
    let live = channel.live().expect("it is fed");
    Watching::new(channel, live)
}

/// `news`, a channel; `film` with two tracks, `asf` with two in ASF packets, `single` with one, `a film` and `broken`, which can't be had.
pub struct Films;

impl Presentations for Films {
    fn open<'a>(&'a self, name: &'a str, _: Duration) -> BoxFuture<'a, Result<Opened, OpenError>> {
        let mut film = Index { name: name.into(), ..film() };
        Box::pin(async move {
            match name {
                "film" | "a film" | "other" => Ok(Opened::Film(Arc::new(film))),
                "asf" => Ok(Opened::Film(Arc::new(asf_film()))),
                "news" => Ok(Opened::Channel(news())),
                "single" => {
                    film.tracks.truncate(1);
                    Ok(Opened::Film(Arc::new(film)))
                }
                "broken" => Err(OpenError::Unavailable("node 3 is down".into())),
                _ => Err(OpenError::NotFound),
            }
        })
    }
}

/// Plays by the wall clock and sends one packet for each track at each start.
pub struct FakeWorkers {
    rtp: UdpSocket,
    state: Mutex<HashMap<ViewerId, Viewer>>,
    /// What was asked, for the tests to look at.
    pub log: Mutex<Vec<String>>,
}

struct Viewer {
    request: PlayRequest,
    position: MediaTime,
    end: MediaTime,
    since: Option<Instant>,
    sequence: u16,
}

impl FakeWorkers {
    pub fn start() -> Arc<Self> {
        let rtp = UdpSocket::bind("127.0.0.1:0").expect("a UDP port");
        Arc::new(Self { rtp, state: Mutex::default(), log: Mutex::default() })
    }

    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.log))
    }

    pub fn viewers(&self) -> usize {
        lock(&self.state).len()
    }

    /// Tells all viewers' sessions something.
    pub fn tell(&self, event: &ViewerEvent) {
        for viewer in lock(&self.state).values() {
            let _ = viewer.request.events.send(event.clone());
        }
    }

    fn note(&self, what: String) {
        lock(&self.log).push(what);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Workers for FakeWorkers {
    fn assign(&self) -> WorkerId {
        WorkerId(0)
    }

    fn ports(&self, _: WorkerId) -> (u16, u16) {
        (6000, 6001)
    }

    fn play(&self, _: WorkerId, request: PlayRequest) -> BoxFuture<'_, Result<PlayReply, PlayError>> {
        let mut state = lock(&self.state);
        let (Scale(scale), Speed(speed)) = request.rate;
        let rate = Rate::nearest(scale, speed, true);
        let said = if rate == Rate::NORMAL { String::new() } else { format!(" at {scale} x {speed}") };
        if request.queue && state.contains_key(&request.viewer) {
            self.note(format!("queue {:?} {:?}", request.start, request.end));
            let Start::At(start) = request.start else { return Box::pin(async { Err(PlayError::Stopped) }) };
            let range = start..request.end.unwrap_or(request.index.duration);
            return Box::pin(async move { Ok(PlayReply { range, rate, info: Vec::new(), style: request.style }) });
        }
        let before = state.get(&request.viewer).map(|viewer| (viewer.position, viewer.sequence));
        let position = match request.start {
            // As if sync samples lay at whole seconds.
            Start::At(time) => MediaTime(time.0 / 1_000_000_000 * 1_000_000_000),
            Start::Resume => before.map_or(MediaTime::ZERO, |(position, _)| position),
        };
        let duration = if request.channel.is_some() { MediaTime(i64::MAX) } else { request.index.duration };
        let backward = rate.is_backward();
        if position >= duration && !backward {
            let range = PlayError::Range { start: position.as_secs_f64(), duration: duration.as_secs_f64() };
            return Box::pin(async { Err(range) });
        }
        let end = request.end.unwrap_or(if backward { MediaTime::ZERO } else { duration });
        let sequence = before.map_or(65_530, |(_, sequence)| sequence);
        let info = |track: &crate::worker::PlayTrack| TrackInfo {
            track: track.track,
            sequence,
            timestamp: RtpTimestamp(1 + track.ssrc % 1000),
        };
        let (info, style) = (request.tracks.iter().map(info).collect(), request.style);
        self.note(format!("play {:?} {:?} {} tracks{said}", request.start, request.end, request.tracks.len()));
        state.insert(request.viewer, Viewer { request, position, end, since: None, sequence });
        Box::pin(async move { Ok(PlayReply { range: position..end, rate, info, style }) })
    }

    fn go(&self, _: WorkerId, viewer: ViewerId) {
        self.note("go".into());
        let mut state = lock(&self.state);
        let Some(viewer) = state.get_mut(&viewer) else { return };
        viewer.since = Some(Instant::now());
        for track in &viewer.request.tracks {
            let mut packet = vec![0x80, track.payload_type];
            packet.extend_from_slice(&viewer.sequence.to_be_bytes());
            packet.extend_from_slice(&[0; 4]);
            packet.extend_from_slice(&track.ssrc.to_be_bytes());
            match &track.destination {
                Destination::Udp { rtp, .. } => drop(self.rtp.send_to(&packet, rtp)),
                Destination::Interleaved { outbox, rtp_channel, .. } => {
                    let frame = [&[b'$', *rtp_channel, 0, 12], packet.as_slice()].concat();
                    let _ = outbox.respond(&frame);
                }
            }
        }
        viewer.sequence = viewer.sequence.wrapping_add(1);
    }

    fn viewer(&self, _: WorkerId, viewer: ViewerId) -> BoxFuture<'_, Option<ViewerStatistics>> {
        let known = lock(&self.state).get(&viewer).map(|viewer| ViewerStatistics {
            position: viewer.position,
            packets_sent: 7,
            octets_sent: 700,
            ..ViewerStatistics::default()
        });
        Box::pin(async move { known })
    }

    fn pause(&self, _: WorkerId, viewer: ViewerId, at: Option<MediaTime>) -> BoxFuture<'_, Option<MediaTime>> {
        if let Some(at) = at {
            self.note(format!("pause {at:?}"));
            let state = lock(&self.state);
            let ahead = state.get(&viewer).is_some_and(|viewer| at > viewer.position && at <= viewer.end);
            return Box::pin(async move { ahead.then_some(at) });
        }
        self.note("pause".into());
        let mut state = lock(&self.state);
        let position = state.get_mut(&viewer).map(|viewer| {
            let played = viewer.since.take().map_or(Duration::ZERO, |since| since.elapsed());
            viewer.position = viewer.position.plus(played).min(viewer.end);
            viewer.position
        });
        Box::pin(async move { position })
    }

    fn remove(&self, _: WorkerId, viewer: ViewerId, bye: bool) {
        self.note(format!("remove bye={bye}"));
        lock(&self.state).remove(&viewer);
    }

    fn rtcp(&self, _: WorkerId, _: ViewerId, track: usize, packet: Bytes) {
        self.note(format!("rtcp {track} {}", packet.len()));
    }
}
