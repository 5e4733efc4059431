//! How a worker's thread waits.

use super::inbox::Inbox;
use crate::net::udp::UdpPair;
use std::{
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

/// Asks for sleeps that end when they should: an ordinary thread's may be 50 us late.
pub(super) fn tighten_timers() {
    // SAFETY: sets one number of this thread, no pointers.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64) };
}

/// Sleeps until `until` by the monotonic clock, which is what [`Instant`] is on Linux.
pub(super) fn nap(until: Instant) {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return;
    }
    // An Instant does not show its count; the absolute time is the clock's now plus what is left.
    let nanos = i64::from(left.subsec_nanos()) + now.tv_nsec;
    let until = libc::timespec {
        tv_sec: now.tv_sec + i64::try_from(left.as_secs()).unwrap_or(i64::MAX / 2) + nanos / 1_000_000_000,
        tv_nsec: nanos % 1_000_000_000,
    };
    // SAFETY: `until` lives through the call; no remainder is asked for. A signal ends it early, which is harmless.
    unsafe {
        libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &raw const until, std::ptr::null_mut());
    }
}

/// Sleeps until a command rings, a packet comes on the sockets or `until` has come, to the microsecond; true where a
/// packet did.
pub(super) fn doze(inbox: &Inbox, udp: &UdpPair, until: Instant) -> bool {
    let mut polls = polls(inbox, udp);
    if inbox.fall_asleep() {
        let left = until.saturating_duration_since(Instant::now());
        let left = libc::timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        // SAFETY: three valid pollfds, and their number is given; `left` lives through the call; no signal mask.
        unsafe {
            libc::ppoll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, &raw const left, std::ptr::null());
        }
    }
    inbox.wake_up();
    polls[1..].iter().any(|poll| poll.revents != 0)
}

/// Sleeps until a command rings, a packet comes on the sockets or `patience` is over.
pub(super) fn sleep(inbox: &Inbox, udp: &UdpPair, patience: Option<Duration>) {
    let mut polls = polls(inbox, udp);
    let patience = patience.map_or(-1, |time| i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1));
    if inbox.fall_asleep() {
        // SAFETY: three valid pollfds, and their number is given.
        unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, patience) };
    }
    inbox.wake_up();
}

fn polls(inbox: &Inbox, udp: &UdpPair) -> [libc::pollfd; 3] {
    let [rtp, rtcp] = udp.sockets();
    let fds = [inbox.bell().as_raw_fd(), rtp.as_raw_fd(), rtcp.as_raw_fd()];
    fds.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 })
}
