//! What belongs to one TCP connection.

use crate::channel::Watching;
use crate::headers::Pair;
use crate::net::outbox::Outbox;
use crate::session::{ConnectionId, SessionId};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Sessions made on one connection: one that makes them without end would take everyone's.
pub const MAX_SESSIONS_OF_CONNECTION: usize = 256;

/// One TCP connection, as far as requests care.
#[derive(Debug)]
pub struct Connection {
    /// Its number.
    pub id: ConnectionId,
    /// The viewer's end.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// The way out.
    pub outbox: Arc<Outbox>,
    /// Channels that tracks have; each RTP channel and each RTCP channel.
    channels: BTreeMap<u8, Channel>,
    sessions: HashSet<SessionId>,
    /// The presentation spoken of last has ASF tracks.
    pub(super) asf: bool,
    /// Nobody else can read it: TLS.
    pub secure: bool,
    /// Who asks now; `None` where nobody need say.
    pub(super) user: Option<String>,
    /// `Pipelined-Requests` and the sessions that they mean (RFC 7826 section 12).
    pub(super) pipelined: Vec<(String, SessionId)>,
    /// The channel described last: its feed must not end before SETUP.
    pub(super) described: Option<Watching>,
}

#[derive(Clone, Debug)]
struct Channel {
    session: SessionId,
    track: usize,
    rtcp: bool,
}

impl Connection {
    /// Nothing said on it yet.
    pub fn new(id: ConnectionId, peer: SocketAddr, local: SocketAddr, outbox: Arc<Outbox>) -> Self {
        Self {
            id,
            peer,
            local,
            outbox,
            channels: BTreeMap::new(),
            sessions: HashSet::new(),
            asf: false,
            secure: false,
            user: None,
            pipelined: Vec::new(),
            described: None,
        }
    }

    /// The viewer's address, to which alone packets are sent.
    pub fn viewer_address(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    /// The sessions that were named or made on it; some may be gone.
    pub fn sessions(&self) -> impl Iterator<Item = &SessionId> {
        self.sessions.iter()
    }

    pub(super) fn speaks_of(&mut self, session: SessionId) {
        self.sessions.insert(session);
    }

    /// Forgets what belongs to sessions that are gone.
    pub(super) fn keep(&mut self, lives: impl Fn(&SessionId) -> bool) {
        self.sessions.retain(|session| lives(session));
        self.channels.retain(|_, channel| lives(&channel.session));
    }

    /// Two channels for a track: those wished for if nobody else has them, else the lowest free even pair. What
    /// the track had before is free again. `None`: all are taken.
    pub(super) fn take_channels(
        &mut self,
        session: &SessionId,
        track: usize,
        wished: Option<Pair<u8>>,
    ) -> Option<Pair<u8>> {
        self.free_channels(session, track);
        let taken: BTreeSet<u8> = self.channels.keys().copied().collect();
        let free = |pair: &Pair<u8>| !taken.contains(&pair.rtp) && !taken.contains(&pair.rtcp);
        let mut even = (0..=u8::MAX).step_by(2).map(|rtp| Pair { rtp, rtcp: rtp + 1 });
        let pair = wished.filter(free).or_else(|| even.find(free))?;
        for (channel, rtcp) in [(pair.rtp, false), (pair.rtcp, true)] {
            self.channels.insert(channel, Channel { session: session.clone(), track, rtcp });
        }
        Some(pair)
    }

    pub(super) fn free_channels(&mut self, session: &SessionId, track: usize) {
        self.channels.retain(|_, channel| channel.session != *session || channel.track != track);
    }

    /// Whose channel this is, and whether it is for RTCP.
    pub(super) fn channel(&self, channel: u8) -> Option<(&SessionId, usize, bool)> {
        let channel = self.channels.get(&channel)?;
        Some((&channel.session, channel.track, channel.rtcp))
    }

    /// Whose RTCP channel this is.
    pub(super) fn rtcp_channel(&self, channel: u8) -> Option<(&SessionId, usize)> {
        let channel = self.channels.get(&channel).filter(|channel| channel.rtcp)?;
        Some((&channel.session, channel.track))
    }
}
