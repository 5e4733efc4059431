//! Many viewers' trains in one system call.
//!
//! What a send costs is the send, hardly the packets in it; so the equal packets of a train go as one message with
//! `UDP_SEGMENT` (Linux 4.18), which the kernel or the card cuts, and many messages go in one `sendmmsg`. Where
//! kernel, route or sizes refuse a message it goes packet by packet, and that is counted. A channel's packets are sent
//! to each of its viewers from the place where they were made once.

use super::UdpPair;
use crate::{
    channel::Burst,
    playback::trains::{TrainId, Trains},
};
use rtp::train::Segments;
use std::{io, mem, net::SocketAddr, os::fd::AsRawFd, sync::Arc};

/// Messages of one `sendmmsg`: beyond this the system call's own cost is no longer seen.
pub const BATCH: usize = 64;

/// Packets of one segmented send at most (the kernel's `UDP_MAX_SEGMENTS` is 64 or more).
pub const MAX_SEGMENTS: usize = 64;

/// Bytes of one segmented send at most: an IPv6 datagram's payload.
pub const MAX_SEGMENTED_BYTES: usize = 65_487;

/// Waits of 1 ms for room in the socket's buffer before packets are given up.
const PATIENCE_MS: i32 = 5;

/// Messages that wait to leave together.
#[derive(Debug)]
pub struct Batch {
    messages: Vec<Message>,
    /// Those that messages of this batch are of.
    bursts: Vec<Arc<Burst>>,
    segmentation: bool,
    refusal: Option<io::Error>,
}

#[derive(Debug)]
struct Message {
    of: Of,
    segments: Segments,
    to: SocketAddr,
}

/// Whose packets a message carries.
#[derive(Clone, Copy, Debug)]
enum Of {
    /// One viewer's.
    Viewer(TrainId),
    /// A channel's: the place in the batch's bursts.
    Channel(usize),
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
pub(super) struct SegmentControl {
    header: libc::cmsghdr,
    pub(super) size: u16,
    padding: [u8; mem::size_of::<usize>() - 2],
}

/// Where a message goes, as the system wants it: a few bytes instead of the hundred of the general form, since there is
/// one for each of a thousand viewers.
#[repr(C)]
#[derive(Clone, Copy)]
union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Batch {
    /// An empty batch. Without `segmentation` each packet is a message.
    pub fn new(segmentation: bool) -> Self {
        Self { messages: Vec::with_capacity(BATCH), bursts: Vec::new(), segmentation, refusal: None }
    }

    /// Packets that a message may carry.
    pub fn max_segments(&self) -> usize {
        if self.segmentation { MAX_SEGMENTS } else { 1 }
    }

    /// Adds a message; `segments` are of `train`, which must stay as it is until the flush. Flush when it
    /// [is full](Batch::is_full).
    pub fn push(&mut self, train: TrainId, segments: Segments, to: &SocketAddr) {
        self.messages.push(Message { of: Of::Viewer(train), segments, to: *to });
    }

    /// The same for packets of a channel, which go to many: `segments` are of the burst's train.
    pub fn push_burst(&mut self, burst: &Arc<Burst>, segments: Segments, to: &SocketAddr) {
        if !self.bursts.last().is_some_and(|last| Arc::ptr_eq(last, burst)) {
            self.bursts.push(burst.clone());
        }
        self.messages.push(Message { of: Of::Channel(self.bursts.len() - 1), segments, to: *to });
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
        let bursts = mem::take(&mut self.bursts);
        let bytes_of = |of: Of| match of {
            Of::Viewer(train) => trains.get(train).bytes(),
            Of::Channel(burst) => bursts[burst].train.bytes(),
        };
        for chunk in messages.chunks(BATCH) {
            self.send(pair.rtp.as_raw_fd(), chunk, &bytes_of, &mut done);
        }
        self.messages = messages;
        self.bursts = bursts;
        self.messages.clear();
        self.bursts.clear();
        done
    }

    fn send<'a>(
        &mut self,
        fd: libc::c_int,
        messages: &[Message],
        bytes_of: &impl Fn(Of) -> &'a [u8],
        done: &mut Flushed,
    ) {
        let mut rest = messages;
        while !rest.is_empty() {
            done.calls += 1;
            match send_many(fd, rest, bytes_of) {
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
                            one_by_one(fd, &message[0], bytes_of, done);
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

impl Name {
    /// Answers its length.
    fn write(&mut self, to: &SocketAddr) -> libc::socklen_t {
        match to {
            SocketAddr::V4(to) => {
                self.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: to.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(to.ip().octets()) },
                    sin_zero: [0; 8],
                };
                mem::size_of::<libc::sockaddr_in>() as libc::socklen_t
            }
            SocketAddr::V6(to) => {
                self.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: to.port().to_be(),
                    sin6_flowinfo: to.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: to.ip().octets() },
                    sin6_scope_id: to.scope_id(),
                };
                mem::size_of::<libc::sockaddr_in6>() as libc::socklen_t
            }
        }
    }
}

fn packets(messages: &[Message]) -> u64 {
    messages.iter().map(|message| message.segments.count as u64).sum()
}

fn one_by_one<'a>(fd: libc::c_int, message: &Message, bytes_of: &impl Fn(Of) -> &'a [u8], done: &mut Flushed) {
    let Segments { start, end, size, .. } = message.segments;
    let mut at = start;
    while at < end {
        let next = (at + size).min(end);
        let packet = Segments { start: at, end: next, size, count: 1 };
        let single = [Message { of: message.of, segments: packet, to: message.to }];
        done.calls += 1;
        let mut result = send_many(fd, &single, bytes_of);
        if result.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EAGAIN)) && wait_for_room(fd) {
            done.calls += 1;
            result = send_many(fd, &single, bytes_of);
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
fn send_many<'a>(fd: libc::c_int, messages: &[Message], bytes_of: &impl Fn(Of) -> &'a [u8]) -> io::Result<usize> {
    let count = messages.len().min(BATCH);
    // SAFETY: all four are plain C structures for which zero bytes are a valid value.
    let (mut headers, mut names, mut iovecs, mut controls) = unsafe {
        (
            mem::zeroed::<[libc::mmsghdr; BATCH]>(),
            mem::zeroed::<[Name; BATCH]>(),
            mem::zeroed::<[libc::iovec; BATCH]>(),
            mem::zeroed::<[SegmentControl; BATCH]>(),
        )
    };
    for (at, message) in messages[..count].iter().enumerate() {
        let Segments { start, end, size, count } = message.segments;
        let bytes = &bytes_of(message.of)[start..end];
        iovecs[at] = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let header = &mut headers[at].msg_hdr;
        header.msg_namelen = names[at].write(&message.to);
        header.msg_name = (&raw mut names[at]).cast();
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
