//! Receivers that only take what comes, all in one thread.

use std::{
    io,
    net::{SocketAddr, TcpStream, UdpSocket},
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

/// Datagrams that are read in one system call.
const MANY: usize = 16;
const DATAGRAM: usize = 2048;

/// Sockets that are being emptied.
pub struct Receivers {
    bytes: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A viewer's ports for one track.
pub struct Ports {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
}

impl Ports {
    /// An even port and the next.
    pub fn bind() -> io::Result<Self> {
        loop {
            let rtp = UdpSocket::bind("127.0.0.1:0")?;
            let port = rtp.local_addr()?.port();
            if port % 2 == 0
                && let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", port + 1))
            {
                return Ok(Self { rtp, rtcp });
            }
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.rtp.local_addr().unwrap_or(([127, 0, 0, 1], 9).into())
    }
}

impl Receivers {
    pub fn udp(ports: Vec<Ports>) -> io::Result<Self> {
        let sockets = ports.into_iter().flat_map(|ports| [ports.rtp, ports.rtcp]);
        Self::start(sockets.map(OwnedFd::from).collect(), take_datagrams)
    }

    pub fn tcp(streams: Vec<TcpStream>) -> io::Result<Self> {
        Self::start(streams.into_iter().map(OwnedFd::from).collect(), take_bytes)
    }

    /// Bytes taken so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn start(sockets: Vec<OwnedFd>, take: fn(RawFd, &mut [u8]) -> u64) -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(io::Error::last_os_error());
        }
        for socket in &sockets {
            let fd = socket.as_raw_fd();
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: fd as u64 };
            // SAFETY: the event lives through the call.
            if unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        let (bytes, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stopped) = (bytes.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 1024];
            let mut buffer = vec![0; 256 << 10];
            while !stopped.load(Ordering::Relaxed) {
                // SAFETY: room for as many events as are told.
                let ready = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), 1024, 100) };
                for event in &events[..usize::try_from(ready).unwrap_or(0)] {
                    count.fetch_add(take(event.u64 as RawFd, &mut buffer), Ordering::Relaxed);
                }
            }
            // SAFETY: opened above, closed once.
            unsafe { libc::close(epoll) };
            drop(sockets);
        });
        Ok(Self { bytes, stop, thread: Some(thread) })
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn take_datagrams(fd: RawFd, buffer: &mut [u8]) -> u64 {
    // SAFETY: plain C structures; zero bytes are valid.
    let (mut headers, mut iovecs) =
        unsafe { (std::mem::zeroed::<[libc::mmsghdr; MANY]>(), std::mem::zeroed::<[libc::iovec; MANY]>()) };
    for (at, chunk) in buffer.chunks_exact_mut(DATAGRAM).take(MANY).enumerate() {
        iovecs[at] = libc::iovec { iov_base: chunk.as_mut_ptr().cast(), iov_len: DATAGRAM };
        headers[at].msg_hdr.msg_iov = &raw mut iovecs[at];
        headers[at].msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: the headers point to iovecs and a buffer that live through the call.
    let got =
        unsafe { libc::recvmmsg(fd, headers.as_mut_ptr(), MANY as u32, libc::MSG_DONTWAIT, std::ptr::null_mut()) };
    headers[..usize::try_from(got).unwrap_or(0)].iter().map(|header| u64::from(header.msg_len)).sum()
}

fn take_bytes(fd: RawFd, buffer: &mut [u8]) -> u64 {
    // SAFETY: the buffer is as long as told.
    let got = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) };
    u64::try_from(got).unwrap_or(0)
}

/// Keeps this thread, and those that it starts, on a core.
pub fn pin(core: usize) {
    // SAFETY: a zeroed set is valid; its size is given.
    unsafe {
        let mut set = std::mem::zeroed::<libc::cpu_set_t>();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, std::mem::size_of_val(&set), &raw const set);
    }
}
