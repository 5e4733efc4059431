//! The threads that send: each owns its viewers, their deadlines, one pair of UDP sockets and their stripe readers.
//!
//! | noun | meaning |
//! | --- | --- |
//! | [`Workers`] | the handle by which the control tasks ask |
//! | [`PlayRequest`], [`PlayReply`], [`ViewerEvent`] | what goes in, what is answered, what is told later |
//! | [`MediaSource`], [`ClusterMedia`] | where stripe units come from, and the source that is the cluster |
//! | [`WorkerStatistics`] | what a worker has done, readable at any time |
//!
//! A worker is a plain thread that wakes at the edges of 1 ms slots, and only at those where something is due:
//! at most 1,000 times a second for any number of viewers; while nobody plays it sleeps until a command
//! rings. Nothing is shared between workers but the units' cache and the sample tables.

mod behind;
mod common;
mod fetch;
mod inbox;
mod leave;
mod live;
mod receive;
mod request;
mod run;
mod source;
mod statistics;
mod viewer;
mod viewers;
mod wait;
mod wheel;

#[cfg(test)]
mod tests;

pub use request::{
    Behind, Destination, PlayReply, PlayRequest, PlayTrack, ViewerEvent, ViewerId, ViewerStatistics, WorkerId,
};
pub use source::{ClusterMedia, Fetched, MediaSource};
pub use statistics::{LATENESS_BOUNDS, Snapshot, WorkerStatistics};

use crate::net::udp::UdpPair;
use crate::playback::{PlayError, PlaybackOptions, Start, TrackInfo};
use bytes::Bytes;
use inbox::{Command, Inbox};
use rtp::clock::MediaTime;
use std::{
    io,
    net::IpAddr,
    ops::RangeInclusive,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;

/// How the workers work.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Threads; 0 takes one for each core.
    pub workers: usize,
    /// Where the UDP sockets are bound; `::` serves IPv4 viewers too.
    pub bind: IpAddr,
    /// From where the UDP ports are taken, pair by pair; `None` leaves them to the system.
    pub ports: Option<RangeInclusive<u16>>,
    /// How one viewer's packets are made and paced.
    pub playback: PlaybackOptions,
    /// Between two trains of a channel's picture that is longer than one: what is live is to come soon, and its feed has
    /// paced it.
    pub live_gap: Duration,
    /// Whether packets of a train leave in one segmented send where the kernel can.
    pub segmentation: bool,
    /// Viewers that one worker plays for at most: bounds its memory.
    pub max_viewers: usize,
    /// Bytes of stripe units that the viewers of one worker hold or have asked for; beyond it each reads ahead an
    /// eighth as far, which is the least that keeps it playing. Units in the shared cache count for every viewer.
    pub read_ahead_bytes: u64,
    /// An interleaved viewer that takes no byte for so long is given up.
    pub stuck_after: Duration,
    /// The CNAME of all sender reports; the same for all tracks (RFC 3550 section 6.5.1).
    pub cname: String,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            workers: 0,
            bind: IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
            ports: None,
            playback: PlaybackOptions::default(),
            live_gap: Duration::from_micros(500),
            segmentation: true,
            max_viewers: 20_000,
            read_ahead_bytes: 512 << 20,
            stuck_after: Duration::from_secs(30),
            cname: format!("{:016x}@mobidic", rand::random::<u64>()),
        }
    }
}

/// The handle of all workers.
#[derive(Clone)]
pub struct Workers {
    shared: Arc<Shared>,
}

struct Shared {
    workers: Vec<Worker>,
    next: AtomicUsize,
}

struct Worker {
    inbox: Arc<Inbox>,
    ports: (u16, u16),
    statistics: Arc<WorkerStatistics>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Workers {
    /// Binds the sockets and starts the threads; units are fetched by tasks on `runtime`.
    ///
    /// # Errors
    /// No pair of ports is free, or the system refuses a thread or a descriptor.
    pub fn start(
        options: WorkerOptions,
        source: Arc<dyn MediaSource>,
        runtime: tokio::runtime::Handle,
    ) -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = if options.workers == 0 { cores } else { options.workers };
        let options = Arc::new(options);
        let mut workers = Vec::with_capacity(count);
        for number in 0..count {
            let inbox = Arc::new(Inbox::new()?);
            let statistics = Arc::new(WorkerStatistics::default());
            let udp = UdpPair::bind(options.bind, options.ports.clone())?;
            let ports = udp.ports();
            let machine = run::Machine::new(
                number,
                options.clone(),
                source.clone(),
                runtime.clone(),
                inbox.clone(),
                statistics.clone(),
                udp,
            );
            let thread = std::thread::Builder::new().name(format!("send-{number}")).spawn(move || machine.run())?;
            workers.push(Worker { inbox, ports, statistics, thread: Mutex::new(Some(thread)) });
        }
        Ok(Self { shared: Arc::new(Shared { workers, next: AtomicUsize::new(0) }) })
    }

    /// The worker for a new session: the one that has the fewest viewers, in turns among equals.
    pub fn assign(&self) -> WorkerId {
        let count = self.shared.workers.len();
        let turn = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let best = (0..count)
            .map(|step| (turn + step) % count)
            .min_by_key(|worker| self.shared.workers[*worker].statistics.viewers());
        WorkerId(best.unwrap_or(0))
    }

    /// The worker's RTP and RTCP ports, even and odd, for `server_port`.
    pub fn ports(&self, worker: WorkerId) -> (u16, u16) {
        self.shared.workers.get(worker.0).map_or((0, 0), |worker| worker.ports)
    }

    /// Makes all ready to play: the answer holds exactly what will be sent, but nothing leaves before
    /// [`Workers::go`]. A viewer that plays already stops and starts anew.
    ///
    /// # Errors
    /// See [`PlayError`].
    pub async fn play(&self, worker: WorkerId, mut request: PlayRequest) -> Result<PlayReply, PlayError> {
        request.reach().await?;
        let (reply, answer) = oneshot::channel();
        self.tell(worker, Command::Play { request, reply });
        answer.await.unwrap_or(Err(PlayError::Stopped))
    }

    /// Lets the packets go: after PLAY's answer lies in the connection's outbox.
    pub fn go(&self, worker: WorkerId, viewer: ViewerId) {
        self.tell(worker, Command::Go(viewer));
    }

    /// Stops sending; answers after the last packet has left, with the place from which it resumes. `None` when
    /// the worker has no such viewer. With `at` it answers at once, and stops when that is reached; if that is no more
    /// ahead and lies in no range that waits either, it answers `None` and plays on. Ranges that wait behind are forgotten.
    pub async fn pause(&self, worker: WorkerId, viewer: ViewerId, at: Option<MediaTime>) -> Option<MediaTime> {
        let (reply, answer) = oneshot::channel();
        self.tell(worker, Command::Pause { viewer, at, reply });
        answer.await.unwrap_or(None)
    }

    /// What was sent to a viewer; `None` when the worker has no such viewer.
    pub async fn viewer(&self, worker: WorkerId, viewer: ViewerId) -> Option<ViewerStatistics> {
        let (reply, answer) = oneshot::channel();
        self.tell(worker, Command::Statistics { viewer, reply });
        answer.await.unwrap_or(None)
    }

    /// Forgets the viewer, with an RTCP BYE for each track that has sent where `bye`.
    pub fn remove(&self, worker: WorkerId, viewer: ViewerId, bye: bool) {
        self.tell(worker, Command::Remove { viewer, bye });
    }

    /// An RTCP packet that came on an interleaved channel; `track` is the place in [`PlayRequest::tracks`].
    pub fn rtcp(&self, worker: WorkerId, viewer: ViewerId, track: usize, packet: Bytes) {
        self.tell(worker, Command::Rtcp { viewer, track, packet });
    }

    /// Each worker's statistics, in order.
    pub fn statistics(&self) -> Vec<Arc<WorkerStatistics>> {
        self.shared.workers.iter().map(|worker| worker.statistics.clone()).collect()
    }

    /// Ends all threads, with BYE to every viewer; returns when they have ended.
    pub fn stop(&self) {
        for worker in &self.shared.workers {
            worker.inbox.push(Command::Stop);
        }
        for worker in &self.shared.workers {
            let thread = worker.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread {
                let _ = thread.join();
            }
        }
    }

    fn tell(&self, worker: WorkerId, command: Command) {
        if let Some(worker) = self.shared.workers.get(worker.0) {
            worker.inbox.push(command);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.inbox.push(Command::Stop);
        }
    }
}
