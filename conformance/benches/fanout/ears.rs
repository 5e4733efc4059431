//! All viewers' ends, in one thread: when packets came.

use super::clock::Clock;
use std::{
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

/// Bytes of one read: a whole segmented send.
pub const READ: usize = 256 << 10;

/// Bytes of an RTP packet's header.
const HEADER: usize = 12;

/// The thread, and what it has heard.
pub struct Ears {
    delays: Arc<Mutex<Vec<u64>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What comes to one viewer: packets with the time at which they came, nanoseconds.
pub struct Ear {
    socket: OwnedFd,
    tcp: bool,
    /// What of a connection's frames is not whole yet.
    frames: Vec<u8>,
}

impl Ear {
    pub fn new(socket: OwnedFd, tcp: bool) -> Self {
        let on: libc::c_int = 1;
        let (value, length) = ((&raw const on).cast(), size_of::<libc::c_int>() as libc::socklen_t);
        if !tcp {
            // SAFETY: the option lives through the calls. What the system can't, it can't.
            unsafe {
                libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_GRO, value, length);
                libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, value, length);
            }
        }
        Self { socket, tcp, frames: Vec::new() }
    }

    /// Reads once, and gives all packets of that to `found`.
    pub fn read(&mut self, buffer: &mut [u8], found: impl FnMut(&[u8], u64)) {
        match self.tcp {
            true => self.read_frames(buffer, found),
            false => self.read_train(buffer, found),
        }
    }

    fn read_train(&mut self, buffer: &mut [u8], mut found: impl FnMut(&[u8], u64)) {
        let Some((got, size, stamp)) = receive(self.socket.as_raw_fd(), buffer) else { return };
        let size = if size == 0 { got.max(1) } else { size };
        buffer[..got].chunks(size).for_each(|packet| found(packet, stamp));
    }

    fn read_frames(&mut self, buffer: &mut [u8], mut found: impl FnMut(&[u8], u64)) {
        let fd = self.socket.as_raw_fd();
        // SAFETY: the buffer is as long as told.
        let got = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) };
        let now = super::nanos();
        self.frames.extend_from_slice(&buffer[..usize::try_from(got).unwrap_or(0)]);
        let mut from = 0;
        while let Some(&[_, channel, high, low]) = self.frames[from..].first_chunk() {
            let end = from + 4 + usize::from(u16::from_be_bytes([high, low]));
            let Some(frame) = self.frames.get(from + 4..end) else { break };
            // Odd numbers are reports.
            if channel % 2 == 0 {
                found(frame, now);
            }
            from = end;
        }
        self.frames.drain(..from);
    }
}

impl Ears {
    pub fn start(sockets: Vec<OwnedFd>, tcp: bool, clock: Arc<Clock>) -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(io::Error::last_os_error());
        }
        for (number, socket) in sockets.iter().enumerate() {
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number as u64 };
            // SAFETY: the event lives through the call.
            if unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &raw mut event) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        let (delays, stop) = (Arc::<Mutex<Vec<u64>>>::default(), Arc::new(AtomicBool::new(false)));
        let (heard, stopped) = (delays.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 1024];
            let mut ears: Vec<Ear> = sockets.into_iter().map(|socket| Ear::new(socket, tcp)).collect();
            let (mut buffer, mut found) = (vec![0; READ], Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                // SAFETY: room for as many events as are told.
                let ready = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), 1024, 100) };
                for event in &events[..usize::try_from(ready).unwrap_or(0)] {
                    ears[event.u64 as usize].read(&mut buffer, |packet, at| found.extend(clock.delay(packet, at)));
                }
                heard.lock().unwrap_or_else(PoisonError::into_inner).append(&mut found);
            }
            // SAFETY: opened above, closed once.
            unsafe { libc::close(epoll) };
        });
        Ok(Self { delays, stop, thread: Some(thread) })
    }

    /// From feeding to leaving or coming, nanoseconds, of the packets heard since the last call.
    pub fn take(&self) -> Vec<u64> {
        std::mem::take(&mut *self.delays.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Marker, timestamp and SSRC of an RTP packet.
pub fn header(packet: &[u8]) -> Option<(bool, u32, u32)> {
    let head: &[u8; HEADER] = packet.first_chunk()?;
    let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    Some((head[1] & 0x80 != 0, word(4), word(8)))
}

/// Bytes, bytes of each packet in them (0: it is one), and when the kernel had them.
fn receive(fd: RawFd, buffer: &mut [u8]) -> Option<(usize, usize, u64)> {
    let mut control = [0_u64; 32];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: a plain C structure; zero bytes are valid. It points to what lives through the call.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        let got = usize::try_from(libc::recvmsg(fd, &raw mut message, libc::MSG_DONTWAIT)).ok()?;
        let (mut stamp, mut size) = (None, 0);
        let mut next = libc::CMSG_FIRSTHDR(&raw const message);
        while !next.is_null() {
            match ((*next).cmsg_level, (*next).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let time = libc::CMSG_DATA(next).cast::<libc::timespec>().read_unaligned();
                    stamp = Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64);
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    size = usize::try_from(libc::CMSG_DATA(next).cast::<libc::c_int>().read_unaligned()).unwrap_or(0);
                }
                _ => {}
            }
            next = libc::CMSG_NXTHDR(&raw const message, next);
        }
        Some((got, size, stamp.unwrap_or_else(super::nanos)))
    }
}
