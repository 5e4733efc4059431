//! One viewer as a worker keeps it: a playback, where its packets go, whom to tell.

use super::{Destination, PlayError, PlayReply, PlayRequest, ViewerEvent, ViewerId, WorkerOptions};
use crate::{
    net::{
        outbox::{Offer, Outbox},
        udp::UdpPair,
    },
    playback::{Admission, Playback, TrackSetup},
};
use rtp::{clock::MediaTime, train::Framing};
use socket2::SockAddr;
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use stripes::layout::Layout;
use tokio::sync::{mpsc::UnboundedSender, oneshot};

/// Signs of life are passed on at most this often: sessions live for a minute.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// One viewer.
pub(super) struct Viewer {
    pub(super) id: ViewerId,
    pub(super) playback: Playback,
    pub(super) layout: Arc<Layout>,
    /// By the order of the set-up tracks.
    pub(super) ways: Vec<Way>,
    /// Waits until what was begun has left.
    pub(super) pausing: Option<(MediaTime, oneshot::Sender<Option<MediaTime>>)>,
    /// When the wheel has it next, so that it is not added twice.
    pub(super) slot: Option<Instant>,
    /// Counted in the statistics as playing.
    pub(super) counted: bool,
    pub(super) events: UnboundedSender<ViewerEvent>,
    alive: Option<Instant>,
}

/// Where one track's packets go.
pub(super) enum Way {
    Udp(Box<UdpWay>),
    Interleaved { outbox: Arc<Outbox>, rtcp_channel: u8, thinning: bool },
}

/// A viewer's ports for one track.
pub(super) struct UdpWay {
    pub(super) rtp: SockAddr,
    pub(super) rtcp: SockAddr,
    /// The latter as its packets' source address reads.
    pub(super) rtcp_from: SocketAddr,
}

impl Viewer {
    pub(super) fn new(
        request: &PlayRequest,
        options: &Arc<WorkerOptions>,
        udp: &UdpPair,
        now: Instant,
    ) -> Result<Self, PlayError> {
        let layout = Arc::new(request.index.media.clone());
        let playback = Playback::new(
            request.index.clone(),
            layout.clone(),
            &setups(request),
            Arc::new(options.playback.clone()),
            rand::random(),
            now,
        )?;
        Ok(Self {
            id: request.viewer,
            playback,
            layout,
            ways: ways(request, udp),
            pausing: None,
            slot: None,
            counted: false,
            events: request.events.clone(),
            alive: None,
        })
    }

    /// Whether `request` is for the same tracks of the same presentation, so that it goes on from here.
    pub(super) fn continues(&self, request: &PlayRequest) -> bool {
        Arc::ptr_eq(self.playback.index(), &request.index) && self.playback.setups().copied().eq(setups(request))
    }

    /// Arms a new range.
    pub(super) fn play(&mut self, request: &PlayRequest, udp: &UdpPair, now: Instant) -> Result<PlayReply, PlayError> {
        let (range, info) = self.playback.play(request.start, request.end, now)?;
        self.ways = ways(request, udp);
        self.events = request.events.clone();
        self.answer_pause();
        Ok(PlayReply { range, info })
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

    /// Whether a connection takes so little that reading on is of no use.
    pub(super) fn is_congested(&self) -> bool {
        self.ways.iter().any(|way| matches!(way, Way::Interleaved { outbox, .. } if outbox.is_congested()))
    }

    /// Why no packet will ever arrive again, if that is so.
    pub(super) fn broken(&self, now: Instant, stuck_after: Duration) -> Option<String> {
        self.ways.iter().find_map(|way| match way {
            Way::Interleaved { outbox, .. } if outbox.is_closed() => Some("the connection is gone".to_owned()),
            Way::Interleaved { outbox, .. } => {
                let stuck = outbox.stuck(now);
                (stuck > stuck_after).then(|| format!("the connection has taken nothing for {} s", stuck.as_secs()))
            }
            Way::Udp(_) => None,
        })
    }

    /// Sends an RTCP packet of a track.
    pub(super) fn send_report(&self, track: usize, packet: &[u8], udp: &UdpPair, now: Instant) -> bool {
        match &self.ways[track] {
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
    let ways = request.tracks.iter().map(|track| match &track.destination {
        Destination::Udp { rtp, rtcp } => Way::Udp(Box::new(UdpWay {
            rtp: udp.target(*rtp),
            rtcp: udp.target(*rtcp),
            rtcp_from: SocketAddr::new(rtcp.ip().to_canonical(), rtcp.port()),
        })),
        Destination::Interleaved { outbox, rtcp_channel, .. } => {
            Way::Interleaved { outbox: outbox.clone(), rtcp_channel: *rtcp_channel, thinning: false }
        }
    });
    ways.collect()
}
