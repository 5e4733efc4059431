//! A worker's pair of UDP sockets, and `batch`, by which many viewers' trains leave in one system call.

mod batch;

pub use batch::{BATCH, Batch, Flushed, MAX_SEGMENTED_BYTES, MAX_SEGMENTS};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    io, mem,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    ptr,
};

/// Socket buffers, bytes: a whole slot's trains of a thousand viewers, should the card hesitate.
const SOCKET_BUFFER: usize = 8 << 20;

/// Pairs of ports that are tried when the system chooses.
const TRIES: usize = 200;

/// One socket for RTP on an even port and one for RTCP on the next (RFC 3550 section 11).
#[derive(Debug)]
pub struct UdpPair {
    rtp: Socket,
    rtcp: Socket,
    ports: (u16, u16),
    ipv6: bool,
}

impl UdpPair {
    /// Binds a pair, from `ports` where given. A socket bound to `::` serves IPv4 too; where the system has no IPv6,
    /// `::` means `0.0.0.0`.
    ///
    /// # Errors
    /// No free pair, or the address is not this machine's.
    pub fn bind(address: IpAddr, ports: Option<RangeInclusive<u16>>) -> io::Result<Self> {
        match Self::bind_to(address, ports.clone()) {
            Err(error) if address == IpAddr::from([0_u16; 8]) && error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
                Self::bind_to(Ipv4Addr::UNSPECIFIED.into(), ports)
            }
            result => result,
        }
    }

    fn bind_to(address: IpAddr, ports: Option<RangeInclusive<u16>>) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        let pair = |even: u16, first: Option<Socket>| {
            let rtp = match first {
                Some(socket) => socket,
                None => open(SocketAddr::new(address, even))?,
            };
            let rtcp = open(SocketAddr::new(address, even + 1))?;
            io::Result::Ok(Self { rtp, rtcp, ports: (even, even + 1), ipv6: address.is_ipv6() })
        };
        let Some(ports) = ports else {
            for _ in 0..TRIES {
                let first = open(SocketAddr::new(address, 0))?;
                let port = first.local_addr()?.as_socket().map_or(0, |at| at.port());
                // An odd port's lower neighbour is as likely to be free as an even one's upper.
                let tried = if port % 2 == 0 { pair(port, Some(first)) } else { pair(port - 1, None) };
                match tried {
                    Ok(pair) => return Ok(pair),
                    Err(error) => last = error,
                }
            }
            return Err(last);
        };
        for even in ports.clone().filter(|port| port % 2 == 0 && *port < *ports.end()) {
            match pair(even, None) {
                Ok(pair) => return Ok(pair),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The RTP port, which is even, and the RTCP port.
    pub fn ports(&self) -> (u16, u16) {
        self.ports
    }

    /// The sockets themselves, which do not block: RTP, RTCP.
    pub fn into_sockets(self) -> [std::net::UdpSocket; 2] {
        [self.rtp.into(), self.rtcp.into()]
    }

    /// `to` as the sockets take it: an IPv4 address mapped where they are IPv6.
    pub fn target(&self, to: SocketAddr) -> SocketAddr {
        match to {
            SocketAddr::V4(v4) if self.ipv6 => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
            other => other,
        }
    }

    /// Sends one RTCP packet to a [target](UdpPair::target).
    ///
    /// # Errors
    /// The socket's.
    pub fn send_rtcp(&self, to: &SocketAddr, packet: &[u8]) -> io::Result<()> {
        self.rtcp.send_to_with_flags(packet, &SockAddr::from(*to), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL).map(drop)
    }

    /// Sends one RTCP packet from the RTP port: to those who want both by one (RFC 5761).
    ///
    /// # Errors
    /// The socket's.
    pub fn send_muxed(&self, to: &SocketAddr, packet: &[u8]) -> io::Result<()> {
        self.rtp.send_to_with_flags(packet, &SockAddr::from(*to), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL).map(drop)
    }

    /// The next RTCP packet that came, and from whom (an IPv4 address as such); `None` when there is none.
    pub fn receive_rtcp(&self, buffer: &mut [u8; MAX_RTCP]) -> Option<(usize, SocketAddr)> {
        receive(&self.rtcp, buffer)
    }

    /// The next packet that came on the RTP port: players send there to open a way through a firewall, or RTCP where both
    /// have one port.
    pub fn receive_rtp(&self, buffer: &mut [u8; MAX_RTCP]) -> Option<(usize, SocketAddr)> {
        receive(&self.rtp, buffer)
    }

    /// Reads away what came on the RTP port, at most `limit` packets. Answers how many.
    pub fn drain_rtp(&self, limit: usize) -> usize {
        let mut buffer = [0; MAX_RTCP];
        (0..limit).take_while(|_| self.receive_rtp(&mut buffer).is_some()).count()
    }

    /// The sockets, to wait for something to read: RTP, RTCP.
    pub fn sockets(&self) -> [BorrowedFd<'_>; 2] {
        [self.rtp.as_fd(), self.rtcp.as_fd()]
    }
}

/// Bytes of an RTCP packet that are read; what is longer is cut, and then refused for its length.
pub const MAX_RTCP: usize = 2048;

fn open(at: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if at.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // Beyond the system's limit only with privilege; without it the limit is what we get.
    let size = SOCKET_BUFFER as libc::c_int;
    for (force, plain) in [(libc::SO_SNDBUFFORCE, libc::SO_SNDBUF), (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF)] {
        for option in [force, plain] {
            // SAFETY: the pointer is to a c_int that lives through the call, and its size is given.
            let result = unsafe {
                libc::setsockopt(
                    socket.as_raw_fd(),
                    libc::SOL_SOCKET,
                    option,
                    (&raw const size).cast(),
                    mem::size_of::<libc::c_int>() as libc::socklen_t,
                )
            };
            if result == 0 {
                break;
            }
        }
    }
    socket.bind(&at.into())?;
    Ok(socket)
}

fn receive(socket: &Socket, buffer: &mut [u8; MAX_RTCP]) -> Option<(usize, SocketAddr)> {
    use std::io::ErrorKind::{ConnectionRefused, Interrupted};
    loop {
        // SAFETY: `MaybeUninit<u8>` has the layout of `u8`, and nothing uninitialised is ever written through it.
        let uninit = unsafe { &mut *(ptr::from_mut(buffer) as *mut [mem::MaybeUninit<u8>; MAX_RTCP]) };
        match socket.recv_from(uninit) {
            Ok((count, from)) => {
                let from = from.as_socket()?;
                return Some((count, SocketAddr::new(from.ip().to_canonical(), from.port())));
            }
            // An ICMP message about an earlier packet; the next read goes on.
            Err(error) if matches!(error.kind(), Interrupted | ConnectionRefused) => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests;
