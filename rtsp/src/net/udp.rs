//! A worker's pair of UDP sockets and the batch by which many viewers' trains leave in one system call.
//!
//! What a send costs is the send, hardly the packets in it; so the equal packets of a train go as one message with
//! `UDP_SEGMENT` (Linux 4.18), which the kernel or the card cuts, and many messages go in one `sendmmsg`. Where
//! kernel, route or sizes refuse a message it goes packet by packet, and that is counted.

use crate::playback::trains::{TrainId, Trains};
use rtp::train::Segments;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    io, mem,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    ptr,
};

/// Messages of one `sendmmsg`: beyond this the system call's own cost is no longer seen.
pub const BATCH: usize = 64;

/// Packets of one segmented send at most (the kernel's `UDP_MAX_SEGMENTS` is 64 or more).
pub const MAX_SEGMENTS: usize = 64;

/// Bytes of one segmented send at most: an IPv6 datagram's payload.
pub const MAX_SEGMENTED_BYTES: usize = 65_487;

/// Socket buffers, bytes: a whole slot's trains of a thousand viewers, should the card hesitate.
const SOCKET_BUFFER: usize = 8 << 20;

/// Pairs of ports that are tried when the system chooses.
const TRIES: usize = 200;

/// Waits of 1 ms for room in the socket's buffer before packets are given up.
const PATIENCE_MS: i32 = 5;

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

    /// `to` as the sockets take it: an IPv4 address mapped where they are IPv6.
    pub fn target(&self, to: SocketAddr) -> SockAddr {
        match to {
            SocketAddr::V4(v4) if self.ipv6 => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()).into(),
            other => other.into(),
        }
    }

    /// Sends one RTCP packet.
    ///
    /// # Errors
    /// The socket's.
    pub fn send_rtcp(&self, to: &SockAddr, packet: &[u8]) -> io::Result<()> {
        self.rtcp.send_to_with_flags(packet, to, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL).map(drop)
    }

    /// The next RTCP packet that came, and from whom (an IPv4 address as such); `None` when there is none.
    pub fn receive_rtcp(&self, buffer: &mut [u8; MAX_RTCP]) -> Option<(usize, SocketAddr)> {
        receive(&self.rtcp, buffer)
    }

    /// Reads away what came on the RTP port, at most `limit` packets: players send there to open a way through a
    /// firewall. Answers how many.
    pub fn drain_rtp(&self, limit: usize) -> usize {
        let mut buffer = [0; MAX_RTCP];
        (0..limit).take_while(|_| receive(&self.rtp, &mut buffer).is_some()).count()
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

/// Messages that wait to leave together.
#[derive(Debug)]
pub struct Batch {
    messages: Vec<Message>,
    segmentation: bool,
    refusal: Option<io::Error>,
}

#[derive(Debug)]
struct Message {
    train: TrainId,
    segments: Segments,
    to: SockAddr,
}

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Messages that the kernel took.
    pub sends: u64,
    /// Those of them with more than one packet.
    pub segmented: u64,
    /// Messages that went packet by packet because they were refused whole.
    pub fallbacks: u64,
    /// System calls.
    pub calls: u64,
    /// Packets that were given up.
    pub errors: u64,
}

/// The control message that asks for segmentation, laid out as `CMSG_SPACE(2)` bytes.
#[repr(C)]
#[derive(Clone, Copy)]
struct SegmentControl {
    header: libc::cmsghdr,
    size: u16,
    padding: [u8; mem::size_of::<usize>() - 2],
}

impl Batch {
    /// An empty batch. Without `segmentation` each packet is a message.
    pub fn new(segmentation: bool) -> Self {
        Self { messages: Vec::with_capacity(BATCH), segmentation, refusal: None }
    }

    /// Packets that a message may carry.
    pub fn max_segments(&self) -> usize {
        if self.segmentation { MAX_SEGMENTS } else { 1 }
    }

    /// Adds a message; `segments` are of `train`, which must stay as it is until the flush. Flush when it
    /// [is full](Batch::is_full).
    pub fn push(&mut self, train: TrainId, segments: Segments, to: &SockAddr) {
        self.messages.push(Message { train, segments, to: to.clone() });
    }

    /// Whether another message would make a second system call.
    pub fn is_full(&self) -> bool {
        self.messages.len() >= BATCH
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Why segmentation was refused last, once: for the log.
    pub fn take_refusal(&mut self) -> Option<io::Error> {
        self.refusal.take()
    }

    /// Sends all.
    pub fn flush(&mut self, pair: &UdpPair, trains: &Trains) -> Flushed {
        let mut done = Flushed::default();
        let messages = mem::take(&mut self.messages);
        for chunk in messages.chunks(BATCH) {
            self.send(pair.rtp.as_raw_fd(), chunk, trains, &mut done);
        }
        self.messages = messages;
        self.messages.clear();
        done
    }

    fn send(&mut self, fd: libc::c_int, messages: &[Message], trains: &Trains, done: &mut Flushed) {
        let mut rest = messages;
        while !rest.is_empty() {
            done.calls += 1;
            match send_many(fd, rest, trains) {
                Ok(count) => {
                    let (sent, left) = rest.split_at(count.min(rest.len()));
                    done.sends += sent.len() as u64;
                    done.segmented += sent.iter().filter(|message| message.segments.count > 1).count() as u64;
                    rest = left;
                }
                Err(error) => {
                    let (message, left) = rest.split_at(1);
                    match error.raw_os_error() {
                        Some(libc::EINTR) => {}
                        Some(libc::EAGAIN | libc::ENOBUFS) => {
                            if !wait_for_room(fd) {
                                done.errors += packets(rest);
                                return;
                            }
                        }
                        _ if message[0].segments.count > 1 => {
                            done.fallbacks += 1;
                            if error.raw_os_error() == Some(libc::EIO) {
                                // The way out has no checksums by hardware: it will refuse every time.
                                self.segmentation = false;
                            }
                            self.refusal.get_or_insert(error);
                            one_by_one(fd, &message[0], trains, done);
                            rest = left;
                        }
                        _ => {
                            done.errors += 1;
                            rest = left;
                        }
                    }
                }
            }
        }
    }
}

fn packets(messages: &[Message]) -> u64 {
    messages.iter().map(|message| message.segments.count as u64).sum()
}

fn one_by_one(fd: libc::c_int, message: &Message, trains: &Trains, done: &mut Flushed) {
    let Segments { start, end, size, .. } = message.segments;
    let mut at = start;
    while at < end {
        let next = (at + size).min(end);
        let packet = Segments { start: at, end: next, size, count: 1 };
        let single = [Message { train: message.train, segments: packet, to: message.to.clone() }];
        done.calls += 1;
        let mut result = send_many(fd, &single, trains);
        if result.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EAGAIN)) && wait_for_room(fd) {
            done.calls += 1;
            result = send_many(fd, &single, trains);
        }
        match result {
            Ok(_) => done.sends += 1,
            Err(_) => done.errors += 1,
        }
        at = next;
    }
}

fn wait_for_room(fd: libc::c_int) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one valid pollfd, and its number is given.
    unsafe { libc::poll(&raw mut poll, 1, PATIENCE_MS) > 0 }
}

/// One `sendmmsg` of at most [`BATCH`] messages; answers how many the kernel took, at least one.
fn send_many(fd: libc::c_int, messages: &[Message], trains: &Trains) -> io::Result<usize> {
    let count = messages.len().min(BATCH);
    // SAFETY: all three are plain C structures for which zero bytes are a valid value.
    let (mut headers, mut iovecs, mut controls) = unsafe {
        (
            mem::zeroed::<[libc::mmsghdr; BATCH]>(),
            mem::zeroed::<[libc::iovec; BATCH]>(),
            mem::zeroed::<[SegmentControl; BATCH]>(),
        )
    };
    for (at, message) in messages[..count].iter().enumerate() {
        let Segments { start, end, size, count } = message.segments;
        let bytes = &trains.get(message.train).bytes()[start..end];
        iovecs[at] = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let header = &mut headers[at].msg_hdr;
        header.msg_name = message.to.as_ptr().cast_mut().cast();
        header.msg_namelen = message.to.len();
        header.msg_iov = &raw mut iovecs[at];
        header.msg_iovlen = 1;
        if count > 1 {
            controls[at].size = u16::try_from(size).unwrap_or(u16::MAX);
            controls[at].header.cmsg_level = libc::SOL_UDP;
            controls[at].header.cmsg_type = libc::UDP_SEGMENT;
            // SAFETY: a pure computation.
            controls[at].header.cmsg_len = unsafe { libc::CMSG_LEN(mem::size_of::<u16>() as u32) } as _;
            header.msg_control = (&raw mut controls[at]).cast();
            header.msg_controllen = mem::size_of::<SegmentControl>() as _;
        }
    }
    // SAFETY: `headers[..count]` point to names, iovecs and controls that live until the call returns and are not
    // touched meanwhile; the kernel only reads what they point to and writes `msg_len`.
    let sent = unsafe {
        libc::sendmmsg(fd, headers.as_mut_ptr(), count as libc::c_uint, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    };
    if sent > 0 { Ok(sent.unsigned_abs() as usize) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
