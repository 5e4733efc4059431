//! What the front sends, seen by receivers with `UDP_GRO`: on loopback a segmented send arrives in one piece. Times are
//! the kernel's (`SO_TIMESTAMPNS`), taken within the send: how late the recorder reads doesn't matter.

use super::receivers::Ports;
use anyhow::{Result, ensure};
use std::{
    collections::VecDeque,
    net::UdpSocket,
    os::fd::AsRawFd,
    time::{Duration, Instant, SystemTime},
};

/// From linux/udp.h.
const UDP_GRO: libc::c_int = 104;

/// Packets that arrive within this were given to the kernel together: slots are 1 ms.
const TOGETHER: Duration = Duration::from_micros(500);

/// One send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Send {
    /// Since the recording began.
    pub at: Duration,
    pub track: usize,
    pub bytes: usize,
    /// Of each packet but the last.
    pub size: usize,
}

impl Send {
    pub fn packets(&self) -> usize {
        self.bytes.div_ceil(self.size.max(1))
    }
}

/// What several viewers got, each with its sends in order.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    pub viewers: Vec<Vec<Send>>,
    pub length: Duration,
}

/// What it tells.
pub struct Shares {
    pub packets_per_send: f64,
    pub shared: f64,
    pub most_in_5_ms: usize,
}

impl Recording {
    pub fn sends_per_second(&self) -> f64 {
        self.sends().count() as f64 / self.viewers.len() as f64 / self.length.as_secs_f64()
    }

    pub fn bytes_per_send(&self) -> f64 {
        self.sends().map(|send| send.bytes).sum::<usize>() as f64 / self.sends().count() as f64
    }

    pub fn shares(&self) -> Shares {
        let (mut could, mut do_share, mut most) = (0, 0, 0);
        for sends in &self.viewers {
            for track in 0..2 {
                let sends: Vec<Send> = sends.iter().filter(|send| send.track == track).copied().collect();
                for together in sends.chunk_by(|a, b| b.at - a.at < TOGETHER) {
                    let packets: usize = together.iter().map(Send::packets).sum();
                    if packets > 1 {
                        could += packets;
                        do_share += together.iter().map(Send::packets).filter(|count| *count > 1).sum::<usize>();
                    }
                }
                let mut recent = VecDeque::new();
                for send in sends {
                    recent.push_back(send);
                    while recent.front().is_some_and(|first: &Send| send.at - first.at >= Duration::from_millis(5)) {
                        recent.pop_front();
                    }
                    most = most.max(recent.iter().map(Send::packets).sum());
                }
            }
        }
        let packets: usize = self.sends().map(Send::packets).sum();
        Shares {
            packets_per_send: packets as f64 / self.sends().count() as f64,
            shared: f64::from(do_share as u32) / f64::from((could as u32).max(1)),
            most_in_5_ms: most,
        }
    }

    fn sends(&self) -> impl Iterator<Item = &Send> {
        self.viewers.iter().flatten()
    }
}

/// Makes a socket take sends in one piece, each with the kernel's time.
pub fn whole(socket: &UdpSocket) -> Result<()> {
    for (level, option) in [(libc::SOL_UDP, UDP_GRO), (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS)] {
        let on: libc::c_int = 1;
        // SAFETY: the pointer is to a c_int, and its size is given.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                level,
                option,
                (&raw const on).cast(),
                std::mem::size_of_val(&on) as libc::socklen_t,
            )
        };
        ensure!(result == 0, "this kernel has no UDP_GRO or stamps: {}", std::io::Error::last_os_error());
    }
    Ok(())
}

/// Records for `length` what comes to these viewers, each with a pair of ports for each track.
pub fn record(viewers: &[Vec<Ports>], length: Duration) -> Result<Recording> {
    let sockets: Vec<(usize, usize, &UdpSocket)> = viewers
        .iter()
        .enumerate()
        .flat_map(|(viewer, ports)| ports.iter().enumerate().map(move |(track, ports)| (viewer, track, &ports.rtp)))
        .collect();
    let mut polls: Vec<libc::pollfd> = sockets
        .iter()
        .map(|(_, _, socket)| libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 })
        .collect();
    let mut recording = Recording { viewers: vec![Vec::new(); viewers.len()], length };
    let mut buffer = vec![0; 65_536];
    // What waits already came before.
    for (_, _, socket) in &sockets {
        while receive(socket, &mut buffer).is_some() {}
    }
    let (start, wall) = (Instant::now(), wall_clock());
    while start.elapsed() < length {
        // SAFETY: as many valid pollfds as told.
        unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, 50) };
        for (viewer, track, socket) in &sockets {
            while let Some(Received { at, bytes, size }) = receive(socket, &mut buffer) {
                let at = at.saturating_sub(wall).min(length);
                recording.viewers[*viewer].push(Send { at, track: *track, bytes, size });
            }
        }
    }
    for sends in &mut recording.viewers {
        sends.sort_by_key(|send| send.at);
    }
    ensure!(recording.viewers.iter().all(|sends| !sends.is_empty()), "a recording viewer got nothing");
    Ok(recording)
}

/// A send as it came.
struct Received {
    /// By the wall clock.
    at: Duration,
    bytes: usize,
    /// Of each packet but the last.
    size: usize,
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Option<Received> {
    let mut iovec = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut control = [0_u64; 16];
    // SAFETY: a plain C structure; zero bytes are valid.
    let mut header = unsafe { std::mem::zeroed::<libc::msghdr>() };
    header.msg_iov = &raw mut iovec;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = std::mem::size_of_val(&control) as _;
    // SAFETY: all that the header points to lives through the call.
    let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
    let bytes = usize::try_from(got).ok().filter(|bytes| *bytes > 0)?;
    let mut received = Received { at: wall_clock(), bytes, size: bytes };
    // SAFETY: the kernel has laid control messages into `control` and said how many bytes; what each holds is by its type.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(&raw const header);
        while !message.is_null() {
            let data = libc::CMSG_DATA(message);
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::SOL_UDP, UDP_GRO) => {
                    let size = data.cast::<libc::c_int>().read_unaligned();
                    received.size = usize::try_from(size).ok().filter(|size| *size > 0).unwrap_or(bytes);
                }
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let time = data.cast::<libc::timespec>().read_unaligned();
                    received.at = Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32);
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(&raw const header, message);
        }
    }
    Some(received)
}

fn wall_clock() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
