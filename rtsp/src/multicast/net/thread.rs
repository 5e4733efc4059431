//! The thread that sends to all groups of a front: what it costs is the same for one receiver and for a thousand.

use super::socket::GroupSocket;
use crate::{
    channel::{Burst, Tap},
    multicast::{GroupSender, Output, Receivers},
};
use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Messages that wait for the thread. It is behind by seconds when they are too many: what then comes is dropped and
/// counted, for who feeds a channel must never wait.
const QUEUE: usize = 4096;

/// How often receivers' reports are read, and it is seen that a group has ended.
const LOOK: Duration = Duration::from_millis(100);

/// Reports that are read from one socket at one go: a flood must not hold up what is sent.
const REPORTS_AT_ONCE: usize = 64;

/// What a group has done so far.
#[derive(Debug, Default)]
pub struct GroupStatistics {
    /// Packets sent.
    pub packets: AtomicU64,
    /// System calls for them.
    pub calls: AtomicU64,
    /// Packets given up by the system.
    pub errors: AtomicU64,
    /// Bursts dropped because the thread was behind.
    pub dropped: AtomicU64,
    /// Sender reports sent.
    pub reports: AtomicU64,
    /// Report blocks of receivers.
    pub receiver_reports: AtomicU64,
    /// Receivers that have reported lately.
    pub receivers: AtomicUsize,
}

enum Message {
    Start(Box<Running>),
    Burst(u64, Arc<Burst>),
    Stop,
}

struct Running {
    id: u64,
    sender: GroupSender,
    socket: GroupSocket,
    sources: Vec<u32>,
    receivers: Receivers,
    statistics: Arc<GroupStatistics>,
    over: Arc<AtomicBool>,
}

/// The thread, as others see it.
#[derive(Debug)]
pub(super) struct CastThread {
    to: SyncSender<Message>,
    next: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What a channel tells for one group. The group ends, with goodbyes, when the channel says so or [`GroupTap::end`] is
/// called.
pub(super) struct GroupTap {
    id: u64,
    to: SyncSender<Message>,
    over: Arc<AtomicBool>,
    statistics: Arc<GroupStatistics>,
}

impl Tap for GroupTap {
    fn burst(&self, burst: &Arc<Burst>) {
        if let Err(TrySendError::Full(_)) = self.to.try_send(Message::Burst(self.id, burst.clone())) {
            self.statistics.dropped.fetch_add(1, Relaxed);
        }
    }

    fn ended(&self, _reason: &str) {
        self.end();
    }
}

impl GroupTap {
    /// Nothing more is to be sent.
    pub(super) fn end(&self) {
        self.over.store(true, Relaxed);
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }
}

impl CastThread {
    pub(super) fn start() -> io::Result<Self> {
        let (to, from) = sync_channel(QUEUE);
        let thread = thread::Builder::new().name("multicast".into()).spawn(move || run(&from))?;
        Ok(Self { to, next: AtomicU64::new(0), thread: Mutex::new(Some(thread)) })
    }

    /// A group that is to be sent; join the channel with what is answered. `None`: the thread is far behind.
    pub(super) fn group(
        &self,
        sender: GroupSender,
        socket: GroupSocket,
        statistics: Arc<GroupStatistics>,
    ) -> Option<Arc<GroupTap>> {
        let (id, over) = (self.next.fetch_add(1, Relaxed), Arc::<AtomicBool>::default());
        let sources = sender.live().sources.iter().map(|source| source.ssrc).collect();
        let (receivers, copy, ended) = (Receivers::default(), statistics.clone(), over.clone());
        let running = Running { id, sender, socket, sources, receivers, statistics: copy, over: ended };
        self.to.try_send(Message::Start(Box::new(running))).ok()?;
        Some(Arc::new(GroupTap { id, to: self.to.clone(), over, statistics }))
    }

    /// Says goodbye to all groups; waits for it.
    pub(super) fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && self.to.send(Message::Stop).is_ok()
        {
            let _ = thread.join();
        }
    }
}

fn run(from: &Receiver<Message>) {
    let mut groups: BTreeMap<u64, Running> = BTreeMap::new();
    let mut look = Instant::now();
    loop {
        let due = groups.values().filter_map(|group| group.sender.next()).chain([look]).min().unwrap_or(look);
        let message = match groups.is_empty() {
            true => from.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => from.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        let mut stop = match message {
            Ok(message) => handle(&mut groups, message),
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        // As many as may have waited, so that the groups' turn comes whatever goes on coming.
        for message in from.try_iter().take(QUEUE) {
            stop |= handle(&mut groups, message);
        }
        let now = Instant::now();
        for group in groups.values_mut() {
            while let Some(output) = group.sender.poll(now) {
                group.send(output);
            }
        }
        if now >= look || stop {
            look = now + LOOK;
            for group in groups.values_mut() {
                group.hear(now);
                if stop || group.over.load(Relaxed) {
                    for goodbye in group.sender.goodbyes(now) {
                        group.send(goodbye);
                    }
                }
            }
            groups.retain(|_, group| !group.over.load(Relaxed));
        }
        if stop {
            return;
        }
    }
}

/// Whether to stop.
fn handle(groups: &mut BTreeMap<u64, Running>, message: Message) -> bool {
    match message {
        Message::Start(running) => drop(groups.insert(running.id, *running)),
        Message::Burst(id, burst) => {
            if let Some(group) = groups.get_mut(&id) {
                group.sender.burst(burst);
            }
        }
        Message::Stop => return true,
    }
    false
}

impl Running {
    fn send(&mut self, output: Output) {
        match output {
            Output::Packets { burst, packets } => {
                let Some(to) = self.socket.address().track(burst.track) else { return };
                let sent = self.socket.send(to.rtp, &burst.train, packets);
                self.statistics.packets.fetch_add(sent.packets, Relaxed);
                self.statistics.calls.fetch_add(sent.calls, Relaxed);
                self.statistics.errors.fetch_add(sent.errors, Relaxed);
            }
            Output::Report { track, bytes } => {
                let Some(to) = self.socket.address().track(track) else { return };
                if self.socket.send_rtcp(to.rtcp, &bytes).is_ok() {
                    self.statistics.reports.fetch_add(1, Relaxed);
                }
            }
        }
    }

    fn hear(&mut self, now: Instant) {
        let (receivers, sources) = (&mut self.receivers, &self.sources);
        let mut reports = 0;
        self.socket.receive_rtcp(REPORTS_AT_ONCE, |bytes| reports += receivers.handle(bytes, sources, now));
        self.statistics.receiver_reports.fetch_add(reports, Relaxed);
        self.statistics.receivers.store(self.receivers.count(now), Relaxed);
    }
}
