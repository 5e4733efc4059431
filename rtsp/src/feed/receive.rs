//! Sockets on which feeds come in.
//!
//! | noun | meaning |
//! | --- | --- |
//! | [`TrackSockets`] | RTP and RTCP of one track |
//! | [`Senders`] | whose datagrams are taken |
//! | [`ReportWay`] | where receiver reports of a track go |

use super::intake::Intake;
use crate::net::{join_source, outbox::Outbox, task::Task, udp::UdpPair};
use bytes::Bytes;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::{
    io::{self, Read},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};
use tokio::net::UdpSocket;

/// The longest datagram.
const MAX_DATAGRAM: usize = 65_535;

/// Datagrams that are read before others get their turn.
const MANY: usize = 64;

/// Datagrams that are read of who leaves: more than a socket's buffer holds of a stream, and an end for a flood.
const MANY_LEFT: usize = 4096;

/// How often it is looked after what waits.
const TICK: Duration = Duration::from_millis(20);

/// RTP and RTCP of one track.
#[derive(Clone, Debug)]
pub struct TrackSockets {
    rtp: Arc<UdpSocket>,
    rtcp: Arc<UdpSocket>,
}

/// Whose datagrams are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Senders {
    /// Everybody's: a group, or a port that was told to nobody.
    All,
    /// One address's.
    Only(IpAddr),
}

impl Senders {
    fn has(self, from: SocketAddr) -> bool {
        let has = match self {
            Self::All => true,
            Self::Only(sender) => from.ip().to_canonical() == sender.to_canonical(),
        };
        if !has {
            tracing::debug!(%from, "a datagram of somebody else's");
        }
        has
    }
}

/// Where receiver reports of a track go.
#[derive(Clone, Debug)]
pub enum ReportWay {
    /// To a port.
    Udp(TrackSockets, SocketAddr),
    /// On a channel of a connection.
    Interleaved(Arc<Outbox>, u8),
    /// There is none.
    Nowhere,
}

impl TrackSockets {
    /// An even port that the system chooses and the next, on `address`.
    ///
    /// # Errors
    /// No free pair, or the address is not this machine's.
    pub fn bind(address: IpAddr) -> io::Result<(Self, (u16, u16))> {
        let pair = UdpPair::bind(address, None)?;
        let ports = pair.ports();
        let [rtp, rtcp] = pair.into_sockets();
        Ok((Self { rtp: Arc::new(UdpSocket::from_std(rtp)?), rtcp: Arc::new(UdpSocket::from_std(rtcp)?) }, ports))
    }

    /// Fixed ports of a unicast address of this machine or of a group, which is joined: from `sources` alone, where they
    /// are given (RFC 4607).
    ///
    /// # Errors
    /// A port is taken, or the group can't be joined.
    pub fn listen(address: IpAddr, ports: (u16, u16), sources: &[IpAddr]) -> io::Result<Self> {
        let open = |port| open(SocketAddr::new(address, port), sources).map(Arc::new);
        Ok(Self { rtp: open(ports.0)?, rtcp: open(ports.1)? })
    }

    /// Sends a packet each from both, so that what answers to them comes through a firewall.
    pub fn punch(&self, rtp: SocketAddr, rtcp: SocketAddr) {
        // An empty packet of either kind: version 2, nothing else. Lost ones do no harm.
        let _ = self.rtp.try_send_to(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], rtp);
        let _ = self.rtcp.try_send_to(&[0x80, 201, 0, 1, 0, 0, 0, 0], rtcp);
    }

    /// Takes in what comes, as a track's.
    pub fn receive(&self, senders: Senders, intake: &Arc<Intake>, track: usize) -> [Task; 2] {
        let both = [(self.rtp.clone(), false), (self.rtcp.clone(), true)];
        both.map(|(socket, rtcp)| Task::spawn(read(socket, rtcp, senders, Arc::downgrade(intake), track)))
    }

    /// Takes in the RTP that has come already: who says that it leaves has sent it before.
    pub fn take_rest(&self, senders: Senders, intake: &Intake, track: usize) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        // Past the runtime, which may not have heard of it yet.
        let socket = SockRef::from(&*self.rtp);
        for _ in 0..MANY_LEFT {
            let (Ok(from), Ok(count)) = (socket.peek_sender(), (&*socket).read(&mut buffer)) else { return };
            if from.as_socket().is_some_and(|from| senders.has(from)) {
                intake.rtp(track, Bytes::copy_from_slice(&buffer[..count]), Instant::now());
            }
        }
    }
}

/// Looks after a feed while it is there: what waited too long, and receiver reports by the `ways` of its tracks.
pub fn tend(intake: &Arc<Intake>, ways: Vec<ReportWay>) -> Task {
    let intake = Arc::downgrade(intake);
    Task::spawn(async move {
        let mut every = tokio::time::interval(TICK);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let Some(intake) = intake.upgrade() else { return };
            for (track, report) in intake.tick(Instant::now()) {
                match ways.get(track) {
                    Some(ReportWay::Udp(sockets, to)) => drop(sockets.rtcp.try_send_to(&report, *to)),
                    Some(ReportWay::Interleaved(outbox, channel)) => {
                        let Ok(length) = u16::try_from(report.len()) else { continue };
                        let frame = [&[b'$', *channel][..], &length.to_be_bytes(), &report].concat();
                        let _ = outbox.respond(&frame);
                    }
                    Some(ReportWay::Nowhere) | None => {}
                }
            }
        }
    })
}

async fn read(socket: Arc<UdpSocket>, rtcp: bool, senders: Senders, intake: Weak<Intake>, track: usize) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        if socket.readable().await.is_err() {
            return;
        }
        let Some(intake) = intake.upgrade() else { return };
        for _ in 0..MANY {
            let (count, from) = match socket.try_recv_from(&mut buffer) {
                Ok(received) => received,
                // An ICMP message about a report of ours.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(_) => break,
            };
            if !senders.has(from) {
                continue;
            }
            let (packet, now) = (&buffer[..count], Instant::now());
            match rtcp {
                true => intake.rtcp(track, packet, now),
                false => intake.rtp(track, Bytes::copy_from_slice(packet), now),
            }
        }
        tokio::task::yield_now().await;
    }
}

fn open(at: SocketAddr, sources: &[IpAddr]) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if at.ip().is_multicast() {
        // Others on this machine may listen, too.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&SockAddr::from(at))?;
    join(&socket, at.ip(), sources)?;
    UdpSocket::from_std(socket.into())
}

/// From those `sources` alone that are of the group's family, where there are any.
fn join(socket: &Socket, group: IpAddr, sources: &[IpAddr]) -> io::Result<()> {
    let mut sources = sources.iter().filter(|source| source.is_ipv4() == group.is_ipv4()).peekable();
    match group {
        _ if !group.is_multicast() => Ok(()),
        _ if sources.peek().is_some() => sources.try_for_each(|source| join_source(socket, group, *source, 0)),
        IpAddr::V4(group) => socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(group) => socket.join_multicast_v6(&group, 0),
    }
}
