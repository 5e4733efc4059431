//! One viewer as a worker keeps it: a playback, where its packets go, whom to tell.

use super::{
    Destination, PlayError, PlayReply, PlayRequest, PlayTrack, Start, ViewerEvent, ViewerId, ViewerStatistics,
    behind::Following, common::Common,
};
use crate::playback::prefetch::prefetch;
use crate::{
    headers::{Scale, Speed},
    net::{
        outbox::{Offer, Outbox},
        udp::UdpPair,
    },
    playback::{Admission, Playback, Rate, TrackSetup},
};
use rtp::{
    clock::{MediaTime, NtpTimestamp},
    format::{Format, Media},
    train::Framing,
};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use stripes::layout::Layout;
use tokio::sync::{mpsc::UnboundedSender, oneshot};

/// Signs of life are passed on at most this often: sessions live for a minute.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// A viewer's sources get another name at most this often: ten report intervals, as RFC 3550 section 8.2 has it for those
/// who cause collisions.
const RENAME_EVERY: Duration = Duration::from_secs(50);

/// From reports that must come first to the first packet: PLAY's answer lies between them.
const LEAD: Duration = Duration::from_millis(20);

/// Ranges that wait at most: whoever asks for more is no player.
const MAX_QUEUE: usize = 32;

/// One viewer.
pub(super) struct Viewer {
    pub(super) id: ViewerId,
    pub(super) playback: Playback,
    pub(super) layout: Arc<Layout>,
    /// By the order of the set-up tracks.
    pub(super) ways: Vec<Way>,
    /// Ranges that wait for the end of what plays, at most [`MAX_QUEUE`].
    queue: VecDeque<PlayRequest>,
    /// Waits until what was begun has left.
    pub(super) pausing: Option<(MediaTime, oneshot::Sender<Option<MediaTime>>)>,
    /// When the wheel has it next, so that it is not added twice.
    pub(super) slot: Option<Instant>,
    /// Counted in the statistics as playing.
    pub(super) counted: bool,
    /// Bytes that the worker counts as held for it.
    pub(super) held_bytes: u64,
    pub(super) events: UnboundedSender<ViewerEvent>,
    alive: Option<Instant>,
    renamed: Option<Instant>,
    /// What it plays grows.
    pub(super) behind: Option<Following>,
}

/// Where one track's packets go.
pub(super) enum Way {
    Udp(UdpWay),
    Interleaved { outbox: Arc<Outbox>, rtp_channel: u8, rtcp_channel: u8, thinning: bool },
}

/// A viewer's ports for one track.
pub(super) struct UdpWay {
    pub(super) rtp: SocketAddr,
    pub(super) rtcp: SocketAddr,
    /// The latter as its packets' source address reads.
    pub(super) rtcp_from: SocketAddr,
    /// RTP and RTCP have one port, here and there.
    pub(super) muxed: bool,
}

impl Viewer {
    pub(super) fn new(
        request: &PlayRequest,
        common: &mut Common,
        udp: &UdpPair,
        now: Instant,
    ) -> Result<Self, PlayError> {
        let layout = common.layout(&request.index.media);
        let mut playback = Playback::new(
            request.index.clone(),
            layout.clone(),
            &setups(request),
            common.playback(request.blocksize, request.live555),
            rand::random(),
            now,
        )?;
        if request.behind.is_some() {
            playback.grows();
        }
        Ok(Self {
            id: request.viewer,
            playback,
            layout,
            ways: ways(request, udp),
            queue: VecDeque::new(),
            pausing: None,
            slot: None,
            counted: false,
            held_bytes: 0,
            events: request.events.clone(),
            alive: None,
            renamed: None,
            behind: Following::new(request),
        })
    }

    /// Whether `request` is for the same tracks of the same presentation, so that it goes on from here.
    pub(super) fn continues(&self, request: &PlayRequest) -> bool {
        let same = Arc::ptr_eq(self.playback.index(), &request.index)
            || (request.behind.is_some() && self.playback.index().media.object == request.index.media.object);
        same && self.playback.setups().copied().eq(setups(request))
    }

    /// Arms a new range.
    pub(super) fn play(&mut self, request: &PlayRequest, udp: &UdpPair, now: Instant) -> Result<PlayReply, PlayError> {
        self.queue.clear();
        match self.take_newest(request, now) {
            Some(elsewhere) => self.arm(&elsewhere, udp, now),
            None => self.arm(request, udp, now),
        }
    }

    /// Says beforehand when what is armed goes, if the viewer must have reports before; true then.
    pub(super) fn appoint(&mut self, now: Instant) -> bool {
        self.playback.appoint(now + LEAD, NtpTimestamp::from_unix(wall() + LEAD))
    }

    /// Lets what is armed go.
    pub(super) fn go(&mut self, now: Instant) {
        self.playback.go(now, NtpTimestamp::from_unix(wall()));
    }

    fn arm(&mut self, request: &PlayRequest, udp: &UdpPair, now: Instant) -> Result<PlayReply, PlayError> {
        let rate = self.rate(request);
        self.playback.set_style(request.style);
        self.playback.set_counts_halts(request.counts_halts);
        let (range, info) = self.playback.play(request.start, request.end, rate, now)?;
        self.ways = ways(request, udp);
        self.events = request.events.clone();
        self.answer_pause();
        Ok(PlayReply { range, rate, info, style: self.playback.style() })
    }

    /// The nearest to what is asked.
    fn rate(&self, request: &PlayRequest) -> Rate {
        let tracks = &request.index.tracks;
        // The sound of a transport stream can't be left out.
        let video = |track: &PlayTrack| {
            let format = tracks.get(track.track).map(|track| &track.format);
            format.is_some_and(|format| format.media() == Media::Video && !matches!(format, Format::Mp2t { .. }))
        };
        let (Scale(scale), Speed(speed)) = request.rate;
        Rate::nearest(scale, speed, request.tracks.iter().any(video))
    }

    /// Lets a range wait until what plays is over. What it will be, is only known then: the answer says what was asked.
    pub(super) fn enqueue(&mut self, request: &PlayRequest) -> Result<PlayReply, PlayError> {
        if self.queue.len() >= MAX_QUEUE {
            return Err(PlayError::Queue(self.queue.len()));
        }
        let start = match request.start {
            Start::At(start) => start,
            Start::Resume => MediaTime::ZERO,
        };
        let end = request.end.unwrap_or(request.index.duration);
        self.queue.push_back(request.clone());
        Ok(PlayReply { range: start..end, rate: self.rate(request), info: Vec::new(), style: request.style })
    }

    /// Arms the next of the ranges that wait; those that can't be played are passed over.
    pub(super) fn play_next(&mut self, udp: &UdpPair, now: Instant) -> Option<ViewerEvent> {
        loop {
            let request = self.queue.pop_front()?;
            if let Ok(reply) = self.arm(&request, udp, now) {
                return Some(ViewerEvent::Next(reply.range, reply.rate));
            }
        }
    }

    /// Stops, or will at `at`; the answer to the former waits until nothing is left to send.
    pub(super) fn pause(&mut self, at: Option<MediaTime>, reply: oneshot::Sender<Option<MediaTime>>, now: Instant) {
        if let Some(at) = at {
            let lies_in = |request: &PlayRequest| {
                matches!(request.start, Start::At(start) if start < at) && request.end.is_none_or(|end| at <= end)
            };
            let waiting = self.queue.iter().position(lies_in);
            if self.playback.stop_at(at, now) {
                self.queue.clear();
                let _ = reply.send(Some(at));
                return;
            }
            if let Some(place) = waiting {
                self.queue.truncate(place + 1);
                if let Some(request) = self.queue.back_mut() {
                    request.end = Some(at);
                }
            }
            let _ = reply.send(waiting.map(|_| at));
            return;
        }
        self.queue.clear();
        let position = self.playback.pause(now);
        self.answer_pause();
        self.pausing = Some((position, reply));
    }

    /// What was sent and what the viewer's reports say.
    pub(super) fn statistics(&self, now: Instant) -> ViewerStatistics {
        let mut all = ViewerStatistics {
            position: self.playback.position(now),
            info: self.playback.infos(now),
            ..ViewerStatistics::default()
        };
        self.playback.senders().for_each(|sender| all.add(sender));
        all
    }

    /// Answers a PAUSE once nothing is left to send.
    pub(super) fn answer_pause(&mut self) {
        if let Some((position, reply)) = self.pausing.take() {
            let _ = reply.send(Some(position));
        }
    }

    /// Tells the session something.
    pub(super) fn tell(&self, event: ViewerEvent) {
        // A session that is gone needs no news; it removes its viewer.
        let _ = self.events.send(event);
    }

    /// Passes a sign of life on, now and then.
    pub(super) fn is_alive(&mut self, now: Instant) {
        if self.alive.is_none_or(|last| now.saturating_duration_since(last) >= ALIVE_EVERY) {
            self.alive = Some(now);
            self.tell(ViewerEvent::Alive);
        }
    }

    /// Whether a source of its may get another name now: somebody who takes every new one, too, is left alone for a while.
    pub(super) fn may_rename(&mut self, now: Instant) -> bool {
        let may = self.renamed.is_none_or(|last| now.saturating_duration_since(last) >= RENAME_EVERY);
        if may {
            self.renamed = Some(now);
        }
        may
    }

    /// Whether a connection takes so little that reading on is of no use.
    pub(super) fn is_congested(&self) -> bool {
        self.ways.iter().any(|way| matches!(way, Way::Interleaved { outbox, .. } if outbox.is_congested()))
    }

    /// Asks for the memory of its connections; the ways should be here.
    pub(super) fn prefetch_connections(&self) {
        if let Some(Way::Interleaved { outbox, .. }) = self.ways.first() {
            prefetch(&**outbox);
        }
    }

    /// Why no packet will ever arrive again, if that is so.
    pub(super) fn broken(&self, now: Instant, stuck_after: Duration) -> Option<String> {
        self.ways.iter().find_map(|way| way.broken(now, stuck_after))
    }
}

impl Way {
    pub(super) fn new(track: &PlayTrack, udp: &UdpPair) -> Self {
        match &track.destination {
            Destination::Udp { rtp, rtcp } => Way::Udp(UdpWay {
                rtp: udp.target(*rtp),
                rtcp: udp.target(*rtcp),
                muxed: rtp == rtcp,
                rtcp_from: SocketAddr::new(rtcp.ip().to_canonical(), rtcp.port()),
            }),
            Destination::Interleaved { outbox, rtp_channel, rtcp_channel } => Way::Interleaved {
                outbox: outbox.clone(),
                rtp_channel: *rtp_channel,
                rtcp_channel: *rtcp_channel,
                thinning: false,
            },
        }
    }

    /// Why no packet will ever arrive again, if that is so.
    pub(super) fn broken(&self, now: Instant, stuck_after: Duration) -> Option<String> {
        match self {
            Way::Interleaved { outbox, .. } if outbox.is_closed() => Some("the connection is gone".to_owned()),
            Way::Interleaved { outbox, .. } => {
                let stuck = outbox.stuck(now);
                (stuck > stuck_after).then(|| format!("the connection has taken nothing for {} s", stuck.as_secs()))
            }
            Way::Udp(_) => None,
        }
    }

    /// Sends an RTCP packet of its track.
    pub(super) fn send_report(&self, packet: &[u8], udp: &UdpPair, now: Instant) -> bool {
        match self {
            Way::Udp(way) if way.muxed => udp.send_muxed(&way.rtcp, packet).is_ok(),
            Way::Udp(way) => udp.send_rtcp(&way.rtcp, packet).is_ok(),
            Way::Interleaved { outbox, rtcp_channel, .. } => {
                let Ok(length) = u16::try_from(packet.len()) else { return false };
                let mut frame = Vec::with_capacity(4 + packet.len());
                frame.extend_from_slice(&[b'$', *rtcp_channel]);
                frame.extend_from_slice(&length.to_be_bytes());
                frame.extend_from_slice(packet);
                outbox.try_train(&frame, now) == Offer::Accepted
            }
        }
    }
}

/// The wall clock, since 1970.
fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Whether a connection takes another group of access units: those where decoding may begin, and audio, may fill it to
/// the brim, all others only to the half; and once one of them was left out, so are the next until a quarter is left.
pub(super) fn admit(way: &mut Way, sync: bool, bytes: usize) -> Admission {
    let Way::Interleaved { outbox, thinning, .. } = way else { return Admission::Yes };
    let room = outbox.room();
    if room.is_empty() {
        *thinning = false;
        return Admission::Yes;
    }
    if room.waiting < room.limit / 4 {
        *thinning = false;
    }
    // Headers of RTP and frames: an eighth is more than enough for units of a packet and more.
    let bytes = bytes + bytes / 8 + 64;
    let limit = if sync { room.limit } else { room.limit / 2 };
    if (*thinning && !sync) || room.waiting + bytes > limit {
        *thinning = true;
        return Admission::No;
    }
    Admission::Yes
}

fn setups(request: &PlayRequest) -> Vec<TrackSetup> {
    let setups = request.tracks.iter().map(|track| TrackSetup {
        track: track.track,
        ssrc: track.ssrc,
        payload_type: track.payload_type,
        framing: match track.destination {
            Destination::Udp { .. } => Framing::Datagram,
            Destination::Interleaved { rtp_channel, .. } => Framing::Interleaved { channel: rtp_channel },
        },
    });
    setups.collect()
}

fn ways(request: &PlayRequest, udp: &UdpPair) -> Vec<Way> {
    request.tracks.iter().map(|track| Way::new(track, udp)).collect()
}
