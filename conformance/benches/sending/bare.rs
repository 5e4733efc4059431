//! The bare sender: the recorded sends to as many receivers, from one socket (or over as many connections), with
//! nothing around them.

use super::{
    Options,
    common::thread_time,
    front::Cost,
    receivers::{Ports, Receivers, pin},
    record::{Recording, Send},
};
use anyhow::{Result, ensure};
use socket2::SockAddr;
use std::{
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::{AsRawFd, RawFd},
    time::{Duration, Instant},
};

/// Messages of one system call, as the front's.
const BATCH: usize = 64;

/// Sends that are due in each millisecond of the script, for all viewers.
struct Plan {
    slots: Vec<Vec<(usize, Send)>>,
}

impl Plan {
    /// Each viewer plays one of the recorded, from another place in it.
    fn new(recording: &Recording, sessions: usize) -> Self {
        let length = recording.length.as_millis() as usize;
        let mut slots = vec![Vec::new(); length];
        for viewer in 0..sessions {
            let sends = &recording.viewers[viewer % recording.viewers.len()];
            for send in sends {
                slots[(send.at.as_millis() as usize + viewer * 37) % length].push((viewer, *send));
            }
        }
        Self { slots }
    }
}

/// Sends for the options' window from the front's core.
pub fn run(options: &Options, recording: &Recording) -> Result<Cost> {
    let plan = Plan::new(recording, options.sessions);
    let (window, core, tracks) = (options.window, options.cores.0, 2);
    if options.tcp {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..options.sessions {
            let stream = TcpStream::connect(listener.local_addr()?)?;
            stream.set_nodelay(true)?;
            ours.push(stream);
            theirs.push(listener.accept()?.0);
        }
        let receivers = Receivers::tcp(theirs)?;
        return measure(core, receivers, plan, window, options.sessions, move |batch, bytes| {
            batch
                .iter()
                .filter(|(viewer, send)| write(ours[*viewer].as_raw_fd(), &bytes[..send.bytes + 4 * send.packets()]))
                .count()
        });
    }
    let ports = (0..options.sessions * tracks).map(|_| Ports::bind()).collect::<Result<Vec<_>, _>>()?;
    let targets: Vec<SockAddr> = ports.iter().map(|ports| ports.address().into()).collect();
    let receivers = Receivers::udp(ports)?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let size: libc::c_int = 8 << 20;
    // SAFETY: the pointer is to a c_int, and its size is given.
    unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, (&raw const size).cast(), 4);
    }
    measure(core, receivers, plan, window, options.sessions, move |batch, bytes| {
        batch.chunks(BATCH).map(|chunk| send(socket.as_raw_fd(), chunk, &targets, tracks, bytes)).sum()
    })
}

fn measure(
    core: usize,
    receivers: Receivers,
    plan: Plan,
    window: Duration,
    sessions: usize,
    mut send: impl FnMut(&[(usize, Send)], &[u8]) -> usize + std::marker::Send + 'static,
) -> Result<Cost> {
    let thread = std::thread::spawn(move || {
        pin(core);
        // SAFETY: sets one number of this thread.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64) };
        let bytes = vec![0x5a; 80 << 10];
        let (start, cpu) = (Instant::now(), thread_time());
        let (mut sends, mut failed, mut slot) = (0, 0, 0_u32);
        while start.elapsed() < window {
            let due = &plan.slots[slot as usize % plan.slots.len()];
            let gone = send(due, &bytes);
            sends += gone as u64;
            failed += due.len() - gone;
            slot += 1;
            std::thread::sleep(
                (start + Duration::from_millis(u64::from(slot))).saturating_duration_since(Instant::now()),
            );
        }
        let cost = Cost { cpu: thread_time() - cpu, sends: sends as f64, sessions, window: start.elapsed() };
        (cost, failed)
    });
    let (cost, failed) = thread.join().map_err(|_| anyhow::anyhow!("the bare sender broke down"))?;
    ensure!(failed == 0, "the kernel refused {failed} of the bare sender's sends");
    drop(receivers);
    Ok(cost)
}

fn write(fd: RawFd, bytes: &[u8]) -> bool {
    // SAFETY: the buffer is as long as told.
    unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) >= 0 }
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Control {
    header: libc::cmsghdr,
    size: u64,
}

fn send(fd: RawFd, batch: &[(usize, Send)], targets: &[SockAddr], tracks: usize, bytes: &[u8]) -> usize {
    // SAFETY: plain C structures; zero bytes are valid.
    let (mut headers, mut iovecs, mut controls) = unsafe {
        (
            std::mem::zeroed::<[libc::mmsghdr; BATCH]>(),
            std::mem::zeroed::<[libc::iovec; BATCH]>(),
            std::mem::zeroed::<[Control; BATCH]>(),
        )
    };
    for (at, (viewer, send)) in batch.iter().enumerate() {
        let to = &targets[viewer * tracks + send.track];
        iovecs[at] = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: send.bytes };
        let header = &mut headers[at].msg_hdr;
        header.msg_name = to.as_ptr().cast_mut().cast();
        header.msg_namelen = to.len();
        header.msg_iov = &raw mut iovecs[at];
        header.msg_iovlen = 1;
        if send.packets() > 1 {
            controls[at].size = send.size as u64;
            controls[at].header.cmsg_level = libc::SOL_UDP;
            controls[at].header.cmsg_type = libc::UDP_SEGMENT;
            // SAFETY: a pure computation.
            controls[at].header.cmsg_len = unsafe { libc::CMSG_LEN(2) } as _;
            header.msg_control = (&raw mut controls[at]).cast();
            header.msg_controllen = std::mem::size_of::<Control>() as _;
        }
    }
    let mut done = 0;
    while done < batch.len() {
        // SAFETY: all that the headers point to lives through the call.
        let sent = unsafe {
            libc::sendmmsg(fd, headers[done..].as_mut_ptr(), (batch.len() - done) as u32, libc::MSG_DONTWAIT)
        };
        if sent <= 0 {
            break;
        }
        done += sent.unsigned_abs() as usize;
    }
    done
}
