//! Runs the feeds: each channel's in a task of its own, as long as catalog or configuration name the channel.

use super::pull::{PullOptions, pull};
use super::push::Pushable;
use super::rtp::FeedCounts;
use super::{FeedEnded, FeedStatus, FeedTask, Relays, playlist, sdp, ts};
use crate::channel::{Channel, ChannelOptions, Channels, Line};
use crate::shift::unix_ns;
use catalog::{
    channel::{ChannelSettings, Feed},
    db::{Catalog, CatalogError, ChannelReport, FeedState},
    library::Library,
};
use rtp::clock::MediaTime;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::watch, task::AbortHandle};

/// How often the catalog is asked, and channels whose feed has gone are looked after.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// What the feeds do is told the catalog when it changes, and at least so often.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// A feed that ended is begun again after so long; each further time after twice as long, but never longer than that.
const PATIENCE: Duration = Duration::from_millis(250);
const MAX_PATIENCE: Duration = Duration::from_secs(15);
/// It was well if it ran for so long.
const STEADY: Duration = Duration::from_secs(30);
/// A feed on demand goes on for so long after its last viewer: players that are begun anew find it there.
const LINGER: Duration = Duration::from_secs(10);

/// The feeds of a front. Clones are the same.
#[derive(Clone)]
pub struct Feeds(Arc<Inner>);

/// How they are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedsOptions {
    /// By which the catalog knows this front.
    pub front: String,
    /// How packets are made; what a channel's own settings say comes before it.
    pub channel: ChannelOptions,
    /// The channels of the configuration file: they come before those of the catalog.
    pub configured: Vec<ChannelSettings>,
}

struct Inner {
    catalog: Catalog,
    library: Library,
    channels: Channels,
    pushable: Pushable,
    relays: Relays,
    options: FeedsOptions,
    running: Mutex<BTreeMap<String, Running>>,
    /// The settings of all channels that there are, for those who want to know of changes.
    listed: watch::Sender<Arc<Vec<Arc<ChannelSettings>>>>,
    /// Ends with the feeds.
    turning: Mutex<Option<AbortHandle>>,
}

/// A channel with its feed.
struct Running {
    settings: Arc<ChannelSettings>,
    channel: Arc<Channel>,
    status: Arc<FeedStatus>,
    task: AbortHandle,
    told: Option<(ChannelReport, Instant)>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Feeds {
    /// Asks the catalog once, so that its channels are there, and then until [`Feeds::stop`].
    pub async fn start(catalog: Catalog, library: Library, channels: Channels, options: FeedsOptions) -> Self {
        let feeds = Self(Arc::new(Inner {
            catalog,
            library,
            channels,
            pushable: Pushable::default(),
            relays: Relays::default(),
            options,
            running: Mutex::default(),
            listed: watch::Sender::default(),
            turning: Mutex::default(),
        }));
        let mut lost_catalog = false;
        feeds.turn(&mut lost_catalog).await;
        let own = feeds.clone();
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(ASK_EVERY).await;
                own.turn(&mut lost_catalog).await;
            }
        });
        *feeds.0.turning.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
        feeds
    }

    /// Ends all feeds and channels, and has the catalog forget what was said of them.
    pub async fn stop(&self) {
        if let Some(task) = self.0.turning.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        let names: Vec<String> = std::mem::take(&mut *self.running()).into_keys().collect();
        for name in names {
            self.0.channels.remove(&name, "the server ends");
        }
        if let Err(error) = self.0.catalog.remove_channel_reports(&self.0.options.front).await {
            tracing::debug!(%error, "the catalog goes on naming this front's channels");
        }
    }

    /// What an operator said of the channel of that name.
    pub fn settings(&self, name: &str) -> Option<Arc<ChannelSettings>> {
        self.running().get(name).map(|running| running.settings.clone())
    }

    /// The channels that take a publisher.
    pub fn pushable(&self) -> Pushable {
        self.0.pushable.clone()
    }

    /// Through which fronts the channels that are fetched come.
    pub fn relays(&self) -> Relays {
        self.0.relays.clone()
    }

    /// Where the feed of that channel says how it gets on.
    pub fn status(&self, name: &str) -> Option<Arc<FeedStatus>> {
        self.running().get(name).map(|running| running.status.clone())
    }

    /// The settings of all channels, and every change of them.
    pub fn listed(&self) -> watch::Receiver<Arc<Vec<Arc<ChannelSettings>>>> {
        self.0.listed.subscribe()
    }

    async fn turn(&self, lost_catalog: &mut bool) {
        self.0.channels.sweep(Instant::now());
        match self.follow().await {
            Ok(()) => *lost_catalog = false,
            Err(error) if !*lost_catalog => {
                tracing::error!(%error, "the catalog does not answer; the channels stay as they are");
                *lost_catalog = true;
            }
            Err(_) => {}
        }
        self.tell().await;
    }

    /// Begins what is new, ends what is gone, and both where a channel was changed.
    async fn follow(&self) -> Result<(), CatalogError> {
        let mut wanted = self.0.options.configured.clone();
        for channel in self.0.catalog.channels().await? {
            if !wanted.iter().any(|known| known.name == channel.name) {
                wanted.push(channel);
            }
        }
        let same = |running: &Running, settings: &ChannelSettings| *running.settings == *settings;
        let gone: Vec<String> = {
            let running = self.running();
            let stays = |name: &str, entry: &Running| wanted.iter().any(|w| w.name == name && same(entry, w));
            running.iter().filter(|(name, entry)| !stays(name, entry)).map(|(name, _)| name.clone()).collect()
        };
        let mut changed = !gone.is_empty();
        for name in gone {
            self.running().remove(&name);
            self.0.channels.remove(&name, "the channel was removed");
            tracing::info!(channel = name, "ended");
        }
        for settings in wanted {
            if self.running().contains_key(&settings.name) {
                continue;
            }
            // The catalog keeps names apart, but the configuration is none of its business.
            if self.0.catalog.presentation(&settings.name).await?.is_some() {
                tracing::debug!(channel = settings.name, "a film has this name: it comes first");
                continue;
            }
            let line = self.line(&settings).await?;
            changed = true;
            self.begin(settings, line);
        }
        if changed {
            let all = self.running().values().map(|running| running.settings.clone()).collect();
            self.0.listed.send_replace(Arc::new(all));
        }
        Ok(())
    }

    /// The timeline of a channel that is kept.
    async fn line(&self, settings: &ChannelSettings) -> Result<Option<Line>, CatalogError> {
        if settings.window_s == 0 {
            return Ok(None);
        }
        let line_ns = self.0.catalog.channel_line(&settings.name, unix_ns(SystemTime::now())).await?;
        let kept = self.0.catalog.segments(&settings.name).await?;
        let ends = kept.iter().filter(|segment| segment.line_ns == line_ns).map(|segment| segment.span.end);
        Ok(Some(Line { line_ns, end: ends.max().unwrap_or(MediaTime::ZERO) }))
    }

    fn begin(&self, settings: ChannelSettings, line: Option<Line>) {
        let options = ChannelOptions {
            grace: Duration::from_secs(u64::from(settings.grace_s)),
            takes_over: settings.takes_over,
            ..self.0.options.channel.clone()
        };
        tracing::info!(channel = settings.name, feed = settings.feed.describe(), "begun");
        let channel = self.0.channels.get_or_add(&settings.name, options);
        if let Some(line) = line {
            channel.goes_on(line);
        }
        let (settings, status) = (Arc::new(settings), Arc::new(FeedStatus::default()));
        let task = FeedTask {
            channel: channel.clone(),
            settings: settings.clone(),
            status: status.clone(),
            catalog: self.0.catalog.clone(),
            library: self.0.library.clone(),
            pushable: self.0.pushable.clone(),
            relays: self.0.relays.clone(),
        };
        let task = tokio::spawn(keep(task)).abort_handle();
        let running = Running { settings: settings.clone(), channel, status, task, told: None };
        self.running().insert(settings.name.clone(), running);
    }

    /// Tells the catalog how the feeds get on, for `channel show`.
    async fn tell(&self) {
        let (front, now) = (&self.0.options.front, Instant::now());
        let reports: Vec<ChannelReport> =
            self.running().iter_mut().filter_map(|(name, running)| running.report(name, front, now)).collect();
        for report in reports {
            if let Err(error) = self.0.catalog.put_channel_report(&report).await {
                tracing::debug!(%error, "not told how the channels get on");
                return;
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// What is to be told, if it is time for that.
    fn report(&mut self, name: &str, front: &str, now: Instant) -> Option<ChannelReport> {
        let fed = self.channel.is_fed();
        if fed {
            self.status.complain("");
        }
        let state = match (fed, self.status.idle.load(Relaxed)) {
            (true, _) => FeedState::Fed,
            (false, true) => FeedState::Idle,
            (false, false) => FeedState::Waiting,
        };
        let before = self.told.as_ref();
        let since = before.filter(|(told, _)| told.state == state).map_or_else(seconds, |(told, _)| told.since);
        let report = ChannelReport {
            channel: name.to_owned(),
            front: front.to_owned(),
            state,
            since,
            packets: self.status.packets.load(Relaxed),
            lost: self.status.lost.load(Relaxed),
            note: self.status.note.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            seen: 0,
        };
        let quiet = before.is_some_and(|(told, at)| {
            told.state == state && told.note == report.note && now.saturating_duration_since(*at) < TELL_EVERY
        });
        if quiet {
            return None;
        }
        self.told = Some((report.clone(), now));
        Some(report)
    }
}

/// Seconds since 1970.
fn seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Keeps a channel fed: always, or while somebody wants it.
async fn keep(task: FeedTask) {
    let mut wanted = task.channel.wanted();
    let mut patience = PATIENCE;
    loop {
        if task.settings.on_demand {
            task.status.set_idle(true);
            if wanted.wait_for(|count| *count > 0).await.is_err() {
                return;
            }
            task.status.set_idle(false);
        }
        let began = Instant::now();
        let ended = tokio::select! {
            ended = run(&task) => ended,
            () = unwanted(&mut wanted), if task.settings.on_demand => continue,
        };
        match ended {
            Ok(()) => {
                task.status.set_idle(true);
                // On demand it begins anew for those who come after all who saw the end.
                if task.settings.on_demand && wanted.wait_for(|count| *count == 0).await.is_ok() {
                    continue;
                }
                return;
            }
            Err(FeedEnded(reason)) => {
                if task.status.complain(&reason) {
                    tracing::warn!(channel = task.settings.name, reason, "its feed ended; it is tried again");
                }
            }
        }
        if began.elapsed() >= STEADY {
            patience = PATIENCE;
        }
        tokio::time::sleep(patience).await;
        patience = (patience * 2).min(MAX_PATIENCE);
    }
}

/// One run of a feed; well ended, it is over for good.
async fn run(task: &FeedTask) -> Result<(), FeedEnded> {
    match &task.settings.feed {
        // Who brings it comes by RTSP.
        Feed::Push => open(task).await,
        Feed::Ts { .. } => ts::run(task).await,
        Feed::Playlist { films, looped, at } => playlist::run(task, films, *looped, at).await,
        Feed::Pull { urls, user, password, udp } => {
            let (urls, user, password) = (urls.clone(), user.clone(), password.clone());
            let options = PullOptions { urls, user, password, udp: *udp };
            let told = |counts: FeedCounts| task.status.count(counts.packets, counts.lost);
            Err(FeedEnded(pull(&options, &task.channel, &task.relays, &told).await.to_string()))
        }
        Feed::Sdp { text } => {
            let told = |counts: FeedCounts| task.status.count(counts.packets, counts.lost);
            Err(FeedEnded(sdp::receive(text, &task.channel, &told).await.to_string()))
        }
    }
}

/// Who brings it comes by RTSP, for as long as this runs.
async fn open(task: &FeedTask) -> Result<(), FeedEnded> {
    struct Open<'a>(&'a FeedTask);
    impl Drop for Open<'_> {
        fn drop(&mut self) {
            self.0.pushable.remove(&self.0.channel);
        }
    }
    task.pushable.insert(task.channel.clone());
    let open = Open(task);
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        if let Some(counts) = open.0.pushable.counts(&task.settings.name) {
            task.status.count(counts.packets, counts.lost);
        }
    }
}

/// Ends when nobody has wanted it for a while.
async fn unwanted(wanted: &mut watch::Receiver<usize>) {
    loop {
        if wanted.wait_for(|count| *count == 0).await.is_err() {
            return;
        }
        let again = wanted.wait_for(|count| *count > 0);
        if tokio::time::timeout(LINGER, again).await.is_err() {
            return;
        }
    }
}
