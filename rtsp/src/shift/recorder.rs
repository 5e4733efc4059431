//! Keeping a channel: from its bursts to sealed segments, or from those that another front seals.

mod keeper;
mod taking;

use super::Window;
use crate::{
    channel::{Burst, Channel, Tap},
    config::StripesConfig,
};
use catalog::db::{Catalog, CatalogError, Intent};
use keeper::Keeper;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};
use stripes::{
    id::{NodeId, ObjectId},
    layout::{Layout, Policy},
    membership::NodeState,
    net::UnitSource,
};
use tokio::{
    sync::{mpsc::UnboundedSender, oneshot},
    task::JoinHandle,
};

/// Bytes that wait for the nodes at most; beyond it the recording has a hole. A feed of 100 Mbit/s fills it in 5 s.
const MAX_WAITING: usize = 64 << 20;

/// What a front needs to keep channels. Clones are the same.
#[derive(Clone)]
pub struct Shift(Arc<Inner>);

struct Inner {
    catalog: Catalog,
    source: UnitSource,
    stripes: StripesConfig,
    front: String,
    windows: Mutex<BTreeMap<String, Arc<Window>>>,
}

/// Keeps a channel; dropped or ended, what came so far is sealed and stays until its time is over.
pub struct Recording {
    shift: Shift,
    name: String,
    window: Arc<Window>,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl Shift {
    /// Over an open catalog and its nodes; objects are cut as `stripes` says. By `front` the catalog knows who records.
    pub fn new(catalog: Catalog, source: UnitSource, stripes: StripesConfig, front: String) -> Self {
        Self(Arc::new(Inner { catalog, source, stripes, front, windows: Mutex::default() }))
    }

    /// Keeps the latest `length` of a channel from now on, beside what an earlier process kept of it.
    pub fn record(&self, channel: Arc<Channel>, length: Duration) -> Recording {
        let (window, name) = (Arc::new(Window::new(length)), channel.name().to_owned());
        let (stop, stopped) = oneshot::channel();
        let keeper = Keeper { shift: self.clone(), channel, window: window.clone(), length };
        let task = tokio::spawn(keeper.run(stopped));
        self.windows().insert(name.clone(), window.clone());
        Recording { shift: self.clone(), name, window, stop: Some(stop), task: Some(task) }
    }

    /// What is kept of the channel of that name; `None` where it is not.
    pub fn window(&self, name: &str) -> Option<Arc<Window>> {
        self.windows().get(name).cloned()
    }

    pub(super) fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    pub(super) fn source(&self) -> &UnitSource {
        &self.0.source
    }

    /// See [`Window::unit`].
    pub(super) fn unit(&self, media: ObjectId, unit: u64) -> Option<(Arc<Layout>, u64)> {
        self.windows().values().find_map(|window| window.unit(media, unit))
    }

    fn windows(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Window>>> {
        self.0.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The nodes that take new objects and are well, and how objects are cut for so many.
    async fn set(&self) -> Result<(Policy, Vec<NodeId>), CatalogError> {
        let members = self.0.catalog.members().await?;
        let active = members.iter().filter(|member| member.intent == Intent::Active).map(|member| member.node.id);
        let active: Vec<NodeId> = active.collect();
        let cluster = self.0.source.cluster();
        let well = |node: &NodeId| matches!(cluster.node_state(*node), NodeState::Up | NodeState::Slow);
        let mut nodes: Vec<NodeId> = active.iter().copied().filter(well).collect();
        if nodes.is_empty() {
            nodes = active;
        }
        Ok((self.0.stripes.policy(nodes.len()), nodes))
    }
}

impl Recording {
    /// What is kept.
    pub fn window(&self) -> &Arc<Window> {
        &self.window
    }

    /// Ends it, and waits until all that came is sealed.
    pub async fn end(mut self) {
        self.stop.take();
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let mut windows = self.shift.windows();
        if windows.get(&self.name).is_some_and(|window| Arc::ptr_eq(window, &self.window)) {
            windows.remove(&self.name);
        }
    }
}

/// A channel's bursts on their way to the recorder.
struct Intake {
    queue: UnboundedSender<Coming>,
    waiting: AtomicUsize,
    /// Too much waits: nothing is taken until all of it is worked off.
    overflown: AtomicBool,
}

enum Coming {
    Burst(Arc<Burst>),
    /// Something was left out.
    Hole,
    Ended,
}

impl Tap for Intake {
    fn burst(&self, burst: &Arc<Burst>) {
        let waiting = self.waiting.load(Relaxed);
        if self.overflown.load(Relaxed) && waiting > 0 {
            return;
        }
        if waiting > MAX_WAITING {
            self.overflown.store(true, Relaxed);
            let _ = self.queue.send(Coming::Hole);
            return;
        }
        self.overflown.store(false, Relaxed);
        self.waiting.fetch_add(weight(burst), Relaxed);
        let _ = self.queue.send(Coming::Burst(burst.clone()));
    }

    fn ended(&self, _reason: &str) {
        let _ = self.queue.send(Coming::Ended);
    }
}

/// Bytes that a burst takes in memory, about.
fn weight(burst: &Burst) -> usize {
    burst.train.bytes().len() + burst.units.iter().map(|unit| unit.data.len() + 64).sum::<usize>()
}

/// Nanoseconds since 1970.
pub(crate) fn unix_ns(at: SystemTime) -> i64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
