//! One connection's way out, shared by the task that answers requests and the worker that plays.
//!
//! Whatever is given in one call goes to the wire in one piece: a response never lies inside a `$` frame
//! and a frame never inside a response (RFC 2326 section 10.12). The worker writes straight to the socket,
//! without blocking; what the kernel does not take waits here, in order, and the connection's task sends it
//! on when the socket is writable ([`Outbox::drive`]).

use super::wire::Wire;
use std::{
    io::{self, IoSlice},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// What waits at most, bytes, unless configured: half a second of a 8 Mbit/s film.
pub const DEFAULT_LIMIT: usize = 512 << 10;

/// Responses that wait beside the frames, bytes: a peer that sends requests and never reads the answers
/// would otherwise fill the memory.
const MAX_RESPONSES: usize = 256 << 10;

/// A buffer that grew beyond this is given back when it has drained, bytes.
const KEEP: usize = 16 << 10;

/// One connection's way out. Cheap to share; all methods are short.
#[derive(Debug)]
pub struct Outbox {
    stream: Arc<Wire>,
    limit: usize,
    queue: Mutex<Queue>,
    filled: Notify,
    closed: AtomicBool,
    accepted: AtomicU64,
}

/// Whether a run of frames was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Taken whole: it is in the kernel or waits here.
    Accepted,
    /// Not a byte was taken: too much waits already.
    Full,
    /// The connection is gone.
    Closed,
}

/// How full an outbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that wait for the socket.
    pub waiting: usize,
    /// Bytes that may.
    pub limit: usize,
}

impl Room {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    sent: usize,
    /// Since when bytes wait and none of them was taken.
    stuck: Option<Instant>,
}

impl Queue {
    fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.sent > 0 && self.sent >= self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn taken(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.bytes.len() {
            self.sent = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEEP {
                self.bytes = Vec::new();
            }
        }
    }
}

impl Outbox {
    /// The way out of `stream`; at most `limit` bytes of frames wait ([`DEFAULT_LIMIT`]), but a single run
    /// that is larger is taken when nothing waits. Turns Nagle's algorithm off.
    pub fn new(stream: Arc<Wire>, limit: usize) -> Self {
        stream.send_at_once();
        Self {
            stream,
            limit,
            queue: Mutex::default(),
            filled: Notify::new(),
            closed: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
        }
    }

    /// Offers a run of whole frames. Writes what the kernel takes at once. To keep access units whole, ask for the
    /// [room](Outbox::room) before the first run of one: a run is refused only beyond twice the bound.
    pub fn try_train(&self, run: &[u8], now: Instant) -> Offer {
        self.try_trains(&[IoSlice::new(run)], now)
    }

    /// Offers several runs, all or none: as many writes of one run each would cost as many times as much.
    pub fn try_trains(&self, runs: &[IoSlice<'_>], now: Instant) -> Offer {
        if self.is_closed() {
            return Offer::Closed;
        }
        let mut queue = self.lock();
        let waiting = queue.waiting();
        let length = runs.iter().map(|run| run.len()).sum();
        if waiting > 0 && waiting.saturating_add(length) > self.limit.saturating_mul(2) {
            return Offer::Full;
        }
        self.put(&mut queue, runs, now)
    }

    /// Sends a response, after all that was given before.
    ///
    /// # Errors
    /// `WouldBlock` when the peer has not read earlier answers for so long that they fill the bound: close
    /// the connection. `NotConnected` when it is gone.
    pub fn respond(&self, response: &[u8]) -> io::Result<()> {
        let mut queue = self.lock();
        if queue.waiting() > self.limit.saturating_mul(2).saturating_add(MAX_RESPONSES) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match self.put(&mut queue, &[IoSlice::new(response)], Instant::now()) {
            Offer::Closed => Err(io::ErrorKind::NotConnected.into()),
            Offer::Accepted | Offer::Full => Ok(()),
        }
    }

    /// Sends what waits, as the socket takes it, until the connection breaks: run it beside the reading in
    /// the connection's task.
    ///
    /// # Errors
    /// The socket's, once; the outbox is closed then.
    pub async fn drive(&self) -> io::Result<()> {
        loop {
            let filled = self.filled.notified();
            if self.is_closed() {
                return Err(io::ErrorKind::NotConnected.into());
            }
            if self.waiting() == 0 {
                filled.await;
                continue;
            }
            self.stream.writable().await?;
            match self.stream.try_write(|| self.flush()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until nothing waits, at most `patience`: for a last response before the connection is closed.
    pub async fn drained(&self, patience: Duration) {
        let _ = tokio::time::timeout(patience, async {
            while self.waiting() > 0 && !self.is_closed() {
                if self.stream.writable().await.is_err() {
                    break;
                }
                let _ = self.stream.try_write(|| self.flush());
            }
        })
        .await;
    }

    /// No byte is taken any more: whoever offers learns that the connection is gone.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        *self.lock() = Queue::default();
        self.filled.notify_waiters();
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Bytes that wait for the socket.
    pub fn waiting(&self) -> usize {
        self.lock().waiting()
    }

    /// How full it is.
    pub fn room(&self) -> Room {
        Room { waiting: self.waiting(), limit: self.limit }
    }

    /// Bytes that the kernel has taken so far, responses and all.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Whether so much waits that ordinary units are refused: no point in reading more of the film.
    pub fn is_congested(&self) -> bool {
        self.waiting() > self.limit / 2
    }

    /// For how long bytes have waited without the peer taking any; zero when all is well.
    pub fn stuck(&self, now: Instant) -> Duration {
        self.lock().stuck.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `runs` or the part of them that the kernel takes; keeps the rest.
    fn put(&self, queue: &mut Queue, runs: &[IoSlice<'_>], now: Instant) -> Offer {
        if self.is_closed() {
            return Offer::Closed;
        }
        let mut taken = 0;
        let waits = queue.waiting() > 0;
        if !waits {
            match self.write(runs) {
                Ok(count) => taken = count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    self.closed.store(true, Ordering::Release);
                    self.filled.notify_waiters();
                    return Offer::Closed;
                }
            }
        }
        for run in runs {
            let sent = taken.min(run.len());
            taken -= sent;
            if sent < run.len() {
                queue.push(&run[sent..]);
            }
        }
        if !waits && queue.waiting() > 0 {
            queue.stuck = Some(now);
            self.filled.notify_one();
        }
        Offer::Accepted
    }

    fn flush(&self) -> io::Result<()> {
        let mut queue = self.lock();
        while queue.waiting() > 0 {
            match self.write(&[IoSlice::new(&queue.bytes[queue.sent..])]) {
                Ok(count) => {
                    queue.taken(count);
                    queue.stuck = (queue.waiting() > 0).then(Instant::now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(error) => {
                    drop(queue);
                    self.close();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            match self.stream.send(parts) {
                Ok(count) => {
                    self.accepted.fetch_add(count as u64, Ordering::Relaxed);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests;
