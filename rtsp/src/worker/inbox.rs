//! A worker's inbox: commands from the control tasks, and the bell that wakes a sleeping worker.

use super::{
    PlayError,
    live::StationId,
    request::{PlayReply, PlayRequest, ViewerId, ViewerStatistics},
    viewers::Key,
};
use crate::channel::Burst;
use bytes::Bytes;
use rtp::clock::MediaTime;
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use stripes::scattered::Piece;
use tokio::sync::oneshot;

/// What a worker is told.
#[derive(Debug)]
pub(super) enum Command {
    Play {
        request: PlayRequest,
        reply: oneshot::Sender<Result<PlayReply, PlayError>>,
    },
    Go(ViewerId),
    Pause {
        viewer: ViewerId,
        /// Later, when this is reached.
        at: Option<MediaTime>,
        reply: oneshot::Sender<Option<MediaTime>>,
    },
    Statistics {
        viewer: ViewerId,
        reply: oneshot::Sender<Option<ViewerStatistics>>,
    },
    Remove {
        viewer: ViewerId,
        bye: bool,
    },
    Rtcp {
        viewer: ViewerId,
        track: usize,
        packet: Bytes,
    },
    /// A stripe unit, or part of one, has come, or has not.
    Piece {
        key: Key,
        piece: Piece,
        result: Result<Bytes, String>,
    },
    /// A channel's next packets, for those who watch it here.
    Burst {
        station: StationId,
        burst: Arc<Burst>,
    },
    /// A channel has ended, and why.
    Over {
        station: StationId,
        reason: String,
    },
    Stop,
}

/// The commands that wait for a worker.
///
/// Not bounded by itself: each viewer has at most one PLAY or PAUSE under way (the session waits for the answer) and
/// as many units as its reader asked for; of channels as many bursts come as their feeds bring.
#[derive(Debug)]
pub(super) struct Inbox {
    commands: Mutex<Vec<Command>>,
    asleep: AtomicBool,
    bell: OwnedFd,
}

impl Inbox {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointer; the descriptor it gives is owned by nobody else.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just opened and is valid.
        let bell = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { commands: Mutex::default(), asleep: AtomicBool::new(false), bell })
    }

    /// Adds a command; rings only when the worker sleeps for longer than a nap.
    pub(super) fn push(&self, command: Command) {
        self.lock().push(command);
        if self.asleep.load(Ordering::SeqCst) {
            let one = 1_u64.to_ne_bytes();
            // SAFETY: the buffer is 8 bytes long, as an eventfd wants. A full counter (EAGAIN) rings all the same.
            unsafe { libc::write(self.bell.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        }
    }

    /// Takes all commands into `into`, which must be empty, keeping its memory.
    pub(super) fn take(&self, into: &mut Vec<Command>) {
        std::mem::swap(&mut *self.lock(), into);
    }

    /// Says that from now on commands must ring. False when some wait already: look again instead of sleeping.
    pub(super) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        self.lock().is_empty()
    }

    /// The end of the sleep: empties the bell.
    pub(super) fn wake_up(&self) {
        self.asleep.store(false, Ordering::SeqCst);
        let mut count = [0; 8];
        // SAFETY: the buffer is 8 bytes long; the descriptor does not block.
        unsafe { libc::read(self.bell.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    /// What becomes readable when it rings.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.bell.as_fd()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Command>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
