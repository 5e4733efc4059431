//! All viewers' ends, in one thread: when the pictures came.

use super::nanos;
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
const READ: usize = 256 << 10;

/// The thread, and what it has heard.
pub struct Ears {
    delays: Arc<Mutex<Vec<u64>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What of a connection's frames is not whole yet.
#[derive(Default)]
struct Frames {
    bytes: Vec<u8>,
}

impl Ears {
    pub fn start(sockets: Vec<OwnedFd>, tcp: bool) -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(io::Error::last_os_error());
        }
        let on: libc::c_int = 1;
        for (number, socket) in sockets.iter().enumerate() {
            let fd = socket.as_raw_fd();
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number as u64 };
            // SAFETY: the event and the option live through the calls. What the system can't, it can't.
            let added = unsafe {
                if !tcp {
                    let (value, length) = ((&raw const on).cast(), size_of::<libc::c_int>() as libc::socklen_t);
                    libc::setsockopt(fd, libc::SOL_UDP, libc::UDP_GRO, value, length);
                    libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, value, length);
                }
                libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event)
            };
            if added < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        let (delays, stop) = (Arc::<Mutex<Vec<u64>>>::default(), Arc::new(AtomicBool::new(false)));
        let (heard, stopped) = (delays.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 1024];
            let mut buffer = vec![0; READ];
            let mut frames: Vec<Frames> = sockets.iter().map(|_| Frames::default()).collect();
            let mut found = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                // SAFETY: room for as many events as are told.
                let ready = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), 1024, 100) };
                for event in &events[..usize::try_from(ready).unwrap_or(0)] {
                    let number = event.u64 as usize;
                    let fd = sockets[number].as_raw_fd();
                    if tcp {
                        frames[number].read(fd, &mut buffer, &mut found);
                    } else {
                        read_train(fd, &mut buffer, &mut found);
                    }
                }
                heard.lock().unwrap_or_else(PoisonError::into_inner).append(&mut found);
            }
            // SAFETY: opened above, closed once.
            unsafe { libc::close(epoll) };
        });
        Ok(Self { delays, stop, thread: Some(thread) })
    }

    /// From feeding to leaving or coming, nanoseconds, of the pictures heard since the last call.
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

/// The delay of a picture whose end came at `at` as the end of these packets; `None`: they are of something else.
fn delay(packets: &[u8], at: u64) -> Option<u64> {
    // The time itself tells a picture's end from all else: within a minute of now.
    let fed = u64::from_be_bytes(*packets.last_chunk()?);
    at.checked_sub(fed).filter(|delay| *delay < 60_000_000_000)
}

fn read_train(fd: RawFd, buffer: &mut [u8], found: &mut Vec<u64>) {
    let mut control = [0_u64; 16];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: a plain C structure; zero bytes are valid. It points to what lives through the call.
    let (got, stamp) = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        let got = libc::recvmsg(fd, &raw mut message, libc::MSG_DONTWAIT);
        let mut stamp = None;
        let mut next = libc::CMSG_FIRSTHDR(&raw const message);
        while got > 0 && !next.is_null() {
            if (*next).cmsg_level == libc::SOL_SOCKET && (*next).cmsg_type == libc::SCM_TIMESTAMPNS {
                let time = libc::CMSG_DATA(next).cast::<libc::timespec>().read_unaligned();
                stamp = Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64);
            }
            next = libc::CMSG_NXTHDR(&raw const message, next);
        }
        (got, stamp)
    };
    let got = usize::try_from(got).unwrap_or(0);
    found.extend(delay(&buffer[..got], stamp.unwrap_or_else(nanos)));
}

impl Frames {
    fn read(&mut self, fd: RawFd, buffer: &mut [u8], found: &mut Vec<u64>) {
        // SAFETY: the buffer is as long as told.
        let got = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) };
        let now = nanos();
        self.bytes.extend_from_slice(&buffer[..usize::try_from(got).unwrap_or(0)]);
        let mut from = 0;
        while let Some(&[_, _, high, low]) = self.bytes[from..].first_chunk() {
            let end = from + 4 + usize::from(u16::from_be_bytes([high, low]));
            let Some(frame) = self.bytes.get(from + 4..end) else { break };
            found.extend(delay(frame, now));
            from = end;
        }
        self.bytes.drain(..from);
    }
}
