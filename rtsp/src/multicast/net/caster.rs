//! All groups of a front.

use super::{
    announce::Announcing,
    run::run,
    thread::{CastThread, GroupStatistics},
};
use crate::{
    channel::{Channels, Live, Watching},
    multicast::{AnnouncerOptions, GroupAddress, Ranges, SendOptions},
};
use catalog::{
    channel::{ChannelSettings, MulticastSettings},
    db::Catalog,
};
use rtp::format::Format;
use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};
use tokio::{sync::watch, task::JoinHandle};

/// What holds for all groups of a front.
#[derive(Clone, Debug, Default)]
pub struct CasterOptions {
    /// What groups are taken from.
    pub ranges: Ranges,
    /// By which they leave, by name or address, where a channel says nothing else; `None`: as the system routes.
    pub interface: Option<String>,
    /// How packets leave.
    pub send: SendOptions,
    /// How groups are announced; `None`: not at all.
    pub announce: Option<AnnouncerOptions>,
}

/// All groups of a front. Clones are the same.
#[derive(Clone)]
pub struct Caster {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) options: CasterOptions,
    pub(super) channels: Channels,
    pub(super) catalog: Catalog,
    /// By which the catalog knows it.
    pub(super) front: String,
    pub(super) thread: CastThread,
    pub(super) announcing: Option<Announcing>,
    groups: Mutex<BTreeMap<String, Casting>>,
    announcer: Mutex<Option<JoinHandle<()>>>,
    stopped: AtomicBool,
}

/// A channel whose group is wanted.
struct Casting {
    settings: MulticastSettings,
    place: Arc<Place>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Where the group of a channel is, once it has one.
#[derive(Default)]
pub(super) struct Place(Mutex<Option<Group>>);

impl Place {
    pub(super) fn set(&self, group: Option<Group>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = group;
    }

    fn get(&self) -> Option<Group> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Caster {
    /// Without groups; call it within the runtime.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(options: CasterOptions, channels: Channels, catalog: Catalog, front: String) -> io::Result<Self> {
        let (announcing, task) = options.announce.map(Announcing::start).unzip();
        let (groups, announcer) = (Mutex::default(), Mutex::new(task));
        let thread = CastThread::start()?;
        let shared = Shared {
            options,
            channels,
            catalog,
            front,
            thread,
            announcing,
            groups,
            announcer,
            stopped: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// These channels have a group from now on, and no others. What has not changed goes on.
    pub fn set(&self, wanted: &BTreeMap<String, MulticastSettings>) {
        let mut groups = self.groups();
        if self.shared.stopped.load(Relaxed) {
            return;
        }
        groups.retain(|name, casting| {
            let same = wanted.get(name) == Some(&casting.settings);
            if !same {
                casting.stop.send_replace(true);
            }
            same
        });
        for (name, settings) in wanted {
            if !groups.contains_key(name) {
                let (place, stop) = (Arc::<Place>::default(), watch::Sender::new(false));
                let task = run(self.shared.clone(), name.clone(), settings.clone(), place.clone(), stop.subscribe());
                let task = tokio::spawn(task);
                groups.insert(name.clone(), Casting { settings: settings.clone(), place, stop, task });
            }
        }
    }

    /// The channels that `listed` says with a group have one, from now on until it is dropped.
    pub async fn follow(self, mut listed: watch::Receiver<Arc<Vec<Arc<ChannelSettings>>>>) {
        loop {
            let channels = listed.borrow_and_update().clone();
            let wanted = channels.iter().filter_map(|one| Some((one.name.clone(), one.multicast.clone()?)));
            self.set(&wanted.collect());
            if listed.changed().await.is_err() {
                return;
            }
        }
    }

    /// The group of a channel; `None`: it has none, or not yet.
    pub fn group(&self, channel: &str) -> Option<Group> {
        self.groups().get(channel)?.place.get()
    }

    /// The group of what somebody watches, if it is sent in that form: its tracks, or all of them as one stream.
    pub fn group_of(&self, watching: &Watching) -> Option<Group> {
        let name = watching.channel.name();
        let as_stream = self.groups().get(name)?.settings.mp2t;
        let fits = match as_stream {
            true => matches!(&watching.live.index.tracks[..], [track] if matches!(track.format, Format::Mp2t { .. })),
            false => self.shared.channels.get(name).is_some_and(|channel| Arc::ptr_eq(&channel, &watching.channel)),
        };
        self.group(name).filter(|_| fits)
    }

    /// Ends all groups: goodbyes, deletions of what was announced, leases given back.
    pub async fn stop(&self) {
        let all = {
            let mut groups = self.groups();
            self.shared.stopped.store(true, Relaxed);
            std::mem::take(&mut *groups)
        };
        for casting in all.values() {
            casting.stop.send_replace(true);
        }
        for casting in all.into_values() {
            let _ = casting.task.await;
        }
        let shared = self.shared.clone();
        // Joins the thread.
        let _ = tokio::task::spawn_blocking(move || shared.thread.stop()).await;
        let announcer = self.shared.announcer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(task), Some(announcing)) = (announcer, &self.shared.announcing) {
            announcing.end().await;
            let _ = task.await;
        }
    }

    fn groups(&self) -> MutexGuard<'_, BTreeMap<String, Casting>> {
        self.shared.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Caster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caster").field("front", &self.shared.front).finish_non_exhaustive()
    }
}

/// One channel's group. Clones are the same.
#[derive(Clone)]
pub struct Group {
    inner: Arc<Inner>,
}

struct Inner {
    address: GroupAddress,
    always: bool,
    /// What is sent now.
    sent: Mutex<Option<Arc<Live>>>,
    /// Viewers that have it set up.
    holders: watch::Sender<usize>,
    statistics: Arc<GroupStatistics>,
}

impl Group {
    pub(crate) fn new(address: GroupAddress, always: bool) -> Self {
        let (sent, holders) = (Mutex::default(), watch::Sender::new(0));
        Self { inner: Arc::new(Inner { address, always, sent, holders, statistics: Arc::default() }) }
    }

    /// Where it is.
    pub fn address(&self) -> &GroupAddress {
        &self.inner.address
    }

    /// What it has done so far.
    pub fn statistics(&self) -> &Arc<GroupStatistics> {
        &self.inner.statistics
    }

    /// A viewer has set it up, for as long as the answer lives.
    pub fn hold(&self) -> Hold {
        self.inner.holders.send_modify(|holders| *holders += 1);
        Hold { group: self.clone() }
    }

    /// How many viewers have set it up.
    pub fn holders(&self) -> usize {
        *self.inner.holders.borrow()
    }

    /// The description of what is sent now; `None`: nothing is.
    pub fn description(&self) -> Option<String> {
        let sent = self.inner.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.as_ref().map(|live| self.inner.address.describe(live))
    }

    pub(crate) fn set_sent(&self, live: Option<Arc<Live>>) {
        *self.inner.sent.lock().unwrap_or_else(PoisonError::into_inner) = live;
    }

    /// Whether it is to be sent.
    pub(super) fn is_wanted(&self) -> bool {
        self.inner.always || self.holders() > 0
    }

    pub(super) fn watch_holders(&self) -> watch::Receiver<usize> {
        self.inner.holders.subscribe()
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("address", &self.inner.address).finish_non_exhaustive()
    }
}

/// A viewer has set a group up: it is sent meanwhile.
#[derive(Debug)]
pub struct Hold {
    group: Group,
}

impl Hold {
    /// The group.
    pub fn group(&self) -> &Group {
        &self.group
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.group.inner.holders.send_modify(|holders| *holders = holders.saturating_sub(1));
    }
}
