//! What is asked of the workers and what they answer.

use crate::channel::{Channel, Live};
use crate::headers::{Scale, SeekStyle, Speed};
use crate::net::outbox::Outbox;
use crate::playback::{Rate, Start, TrackInfo};
use crate::shift::{Snapshot, Window};
use catalog::index::Index;
use rtp::clock::MediaTime;
use rtp::sender::Sender;
use std::{fmt, net::SocketAddr, ops::Range, sync::Arc, time::Duration};
use tokio::sync::mpsc::UnboundedSender;

/// Names whoever plays, unique over all workers of a front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewerId(pub u64);

impl fmt::Display for ViewerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Which worker owns a viewer, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub usize);

/// A PLAY as the worker takes it.
#[derive(Clone, Debug)]
pub struct PlayRequest {
    /// Known from an earlier request: it seeks or resumes, with the same sequence numbers going on.
    pub viewer: ViewerId,
    /// The presentation.
    pub index: Arc<Index>,
    /// The channel and its description, where the presentation is one: it is watched from its newest sync sample on,
    /// whatever is asked of start, end and rate.
    pub channel: Option<(Arc<Channel>, Arc<Live>)>,
    /// What a channel keeps, where that is watched: `index` is taken from it then.
    pub behind: Option<Behind>,
    /// The tracks that were set up, in the order in which the answer lists them.
    pub tracks: Vec<PlayTrack>,
    /// Where playing starts.
    pub start: Start,
    /// How near to a time that was asked for it begins.
    pub style: SeekStyle,
    /// Whether timestamps count the time of a pause (RFC 7826 C.4).
    pub counts_halts: bool,
    /// Where it ends, half-open; `None` is the end of the presentation.
    pub end: Option<MediaTime>,
    /// How fast; what can't be had becomes the nearest that can.
    pub rate: (Scale, Speed),
    /// Bytes of an RTP packet's payload at most, where the viewer wants it smaller than usual. Counts from the first PLAY.
    pub blocksize: Option<u32>,
    /// Whether the viewer is made of LIVE555's library (see [`crate::playback::PlaybackOptions::live555`]). Counts from the
    /// first PLAY.
    pub live555: bool,
    /// Begin when what plays is over, after all that wait already (RFC 2326 section 10.5).
    pub queue: bool,
    /// Where the worker says what happens to this viewer.
    pub events: UnboundedSender<ViewerEvent>,
}

/// A channel's window, to be watched.
#[derive(Clone, Debug)]
pub struct Behind {
    /// What is kept.
    pub window: Arc<Window>,
    /// Where the viewer stands or wants to be: so far the window should reach.
    pub at: MediaTime,
    /// The window as it is then; [`super::Workers::play`] takes it.
    pub snapshot: Option<Arc<Snapshot>>,
}

/// One track that was set up.
#[derive(Clone, Debug)]
pub struct PlayTrack {
    /// Its place in [`Index::tracks`].
    pub track: usize,
    /// As SETUP's answer said.
    pub ssrc: u32,
    /// As the session description said.
    pub payload_type: u8,
    /// Where its packets go.
    pub destination: Destination,
}

/// Where a track's packets go.
#[derive(Clone, Debug)]
pub enum Destination {
    /// RTP over UDP, from the worker's own pair of ports.
    Udp {
        /// The viewer's RTP port.
        rtp: SocketAddr,
        /// The viewer's RTCP port.
        rtcp: SocketAddr,
    },
    /// `$` frames on the RTSP connection (RFC 2326 section 10.12).
    Interleaved {
        /// The connection's way out.
        outbox: Arc<Outbox>,
        /// The RTP channel.
        rtp_channel: u8,
        /// The RTCP channel.
        rtcp_channel: u8,
    },
}

/// What will be sent: nothing has left yet.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayReply {
    /// The real range: from the sync sample's presentation time to the end.
    pub range: Range<MediaTime>,
    /// The real rate.
    pub rate: Rate,
    /// For each track, in the request's order: for `RTP-Info` (RFC 2326 section 12.33).
    pub info: Vec<TrackInfo>,
    /// How it was sought.
    pub style: SeekStyle,
}

/// What was sent to a viewer and what it says about that, all tracks together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ViewerStatistics {
    /// Where it stands.
    pub position: MediaTime,
    /// Each track's next sequence number and the timestamp of that place.
    pub info: Vec<TrackInfo>,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Payload bytes sent.
    pub octets_sent: u64,
    /// Receiver reports that came.
    pub reports: u64,
    /// Packets lost, as the viewer counts; negative where duplicates outweigh.
    pub packets_lost: i64,
    /// The largest of the tracks.
    pub jitter: Duration,
    /// The largest of the tracks; `None` while unknown.
    pub round_trip: Option<Duration>,
}

impl ViewerStatistics {
    /// Counts what one source has sent and heard.
    pub(super) fn add(&mut self, sender: &Sender) {
        self.packets_sent += sender.packets();
        self.octets_sent += sender.octets();
        let Some(receiver) = sender.receiver() else { return };
        self.reports += receiver.reports;
        self.packets_lost += i64::from(receiver.lost);
        self.jitter = self.jitter.max(receiver.jitter);
        self.round_trip = self.round_trip.max(receiver.round_trip);
    }
}

/// What happens to a viewer that plays.
#[derive(Clone, Debug, PartialEq)]
pub enum ViewerEvent {
    /// The range was sent to its end; at the end of the presentation BYE was sent too. The viewer is paused there.
    EndOfStream,
    /// The end is reached: each track's next sequence number and the timestamp there. Comes just before
    /// [`ViewerEvent::EndOfStream`].
    Reached(Vec<TrackInfo>),
    /// What waited plays now: the real range and rate.
    Next(Range<MediaTime>, Rate),
    /// It has caught up with what grows, and goes on at another rate: from where, and each track's first packet.
    Slowed(Range<MediaTime>, Rate, Vec<TrackInfo>),
    /// A source has another SSRC now, since the viewer has taken the old one.
    Renamed {
        /// As it was set up.
        old: u32,
        /// In all packets from now on.
        new: u32,
    },
    /// A sign of life: RTCP came, or the open connection took packets. At most one every few seconds.
    Alive,
    /// Nothing more will be sent; the reason is for people. The viewer is gone.
    Failed(String),
}
