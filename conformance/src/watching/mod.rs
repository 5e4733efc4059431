//! Channels fed in every way, watched by players in every way, each picture and each frame of sound held against what was
//! published.
//!
//! - [`FEEDS`]: what is published, and how.
//! - [`Plan`]: how long, which feeds, which players. [`Plan::run`] gives a [`Row`] of each viewer.
//! - `feed`: who publishes.
//! - `viewer`: the players' commands, and what they print.
//! - `shown`: what was shown and heard, and the comparison.
//!
//! The front, its viewers and the publishers each have a network namespace, so that groups are really joined. Pictures are
//! decoded and compared by their pixels, sound as coded frames: decoders of sound round in their own ways.

mod feed;
mod shown;
mod viewer;

pub use feed::{FEEDS, FeedBy, WatchedFeed};
pub use shown::{Shown, Watched};
pub use viewer::{Player, Way};

use crate::{
    client::Client,
    compare::tempdir,
    namespaces::{FRONT, Net, within},
    server::{Process, wait_until},
};
use anyhow::{Context, Result, anyhow, ensure};
use std::{
    fmt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Where the front listens, in its own namespace.
const PORT: u16 = 8554;

/// The namespaces beside the front's.
const VIEWERS: usize = 1;
const PUBLISHERS: usize = 2;

/// How long a channel may take until it is described.
const PATIENCE: Duration = Duration::from_secs(60);

/// A front takes its channels' groups a moment after it is ready; before, a viewer that wants one is told that there is none.
const LEASING: Duration = Duration::from_secs(2);

/// How long anything may take beyond the length of what is published.
const REST: Duration = Duration::from_secs(60);

/// What is to be watched.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seconds that are published.
    pub seconds: u32,
    /// Those of [`FEEDS`] with these names; all where it is empty.
    pub feeds: Vec<String>,
    /// Each watches every feed.
    pub viewers: Vec<(Player, Way)>,
    /// How far sound and pictures may be apart; `None`: on a machine that is busy with much else nobody can say.
    pub apart: Option<Duration>,
}

/// What one viewer saw.
#[derive(Debug)]
pub struct Row {
    /// The feed's name.
    pub feed: &'static str,
    /// Who watched, and how.
    pub viewer: (Player, Way),
    /// What of the film that was, or where it differs.
    pub watched: Result<Watched>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (player, way) = self.viewer;
        write!(f, "{:10} {player:9} {way:9} ", self.feed)?;
        match &self.watched {
            Ok(watched) => write!(f, "{watched}"),
            Err(error) => write!(f, "DIFFERS: {error:#}"),
        }
    }
}

/// A program that is ended when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        let program = format!("starting {:?}", command.get_program());
        Ok(Self(command.stdin(Stdio::null()).spawn().context(program)?))
    }

    /// Waits for its end, at most until `limit`; false: it had to be killed.
    fn ends_until(&mut self, limit: Instant) -> Result<bool> {
        Ok(wait_until(&mut self.0, limit)?.is_some())
    }
}

/// A feed with all that belongs to its run.
struct Prepared {
    feed: &'static WatchedFeed,
    path: PathBuf,
    film: Shown,
}

impl Plan {
    /// Makes the films, publishes them and watches.
    ///
    /// # Errors
    /// What keeps it from being tried; what viewers see is in the rows.
    pub fn run(&self) -> Result<Vec<Row>> {
        let net = Net::new(2).map_err(|why| anyhow!(why))?;
        let folder = tempdir()?;
        let chosen = FEEDS.iter().filter(|feed| self.feeds.is_empty() || self.feeds.iter().any(|n| n == feed.name));
        let prepared = chosen.map(|feed| self.prepare(feed, &folder)).collect::<Result<Vec<_>>>()?;
        ensure!(!prepared.is_empty(), "none of the feeds has that name: {}", feed::names());
        let front = within(net.name(0), || start(&folder))?;
        std::thread::sleep(LEASING);
        let rows = std::thread::scope(|threads| {
            let (net, folder) = (&net, &folder);
            let runs: Vec<_> =
                prepared.iter().map(|prepared| threads.spawn(move || self.watch(prepared, net, folder))).collect();
            let joined = runs.into_iter().map(|run| run.join().map_err(|_| anyhow!("a run has panicked"))?);
            joined.collect::<Result<Vec<_>>>()
        });
        front.stop("INT")?;
        let rows: Vec<Row> = rows?.into_iter().flatten().collect();
        match rows.iter().all(|row| row.watched.is_ok()) {
            true => drop(std::fs::remove_dir_all(&folder)),
            false => println!("what the players printed is kept in {}", folder.display()),
        }
        Ok(rows)
    }

    fn prepare(&self, feed: &'static WatchedFeed, folder: &Path) -> Result<Prepared> {
        let path = feed.make(folder, self.seconds)?;
        let film = viewer::file(&path, folder).with_context(|| feed.name)?;
        Ok(Prepared { feed, path, film })
    }

    /// One feed from its beginning to its end.
    fn watch(&self, prepared: &Prepared, net: &Net, folder: &Path) -> Result<Vec<Row>> {
        let feed = prepared.feed;
        let end = Instant::now() + Duration::from_secs(self.seconds.into()) + REST;
        let mut publisher = within(net.name(PUBLISHERS), || Running::start(&mut feed.publish(&prepared.path)))?;
        let url = format!("rtsp://{FRONT}:{PORT}/{}", feed.name);
        within(net.name(VIEWERS), || wait_for(&url))?;
        std::thread::scope(|threads| {
            let viewers: Vec<_> = self
                .viewers
                .iter()
                .map(|&(player, way)| {
                    let folder = folder.join(format!("{}-{player}-{way}", feed.name));
                    let seen = {
                        let url = &url;
                        move || viewer::watch(player, way, feed, url, &folder, end)
                    };
                    let name = net.name(VIEWERS);
                    ((player, way), threads.spawn(move || within(name, seen)))
                })
                .collect();
            // GStreamer's publisher may wait for ever for a packet that it has forgotten to send.
            let length = Duration::from_secs(self.seconds.into()) + REST / 4;
            publisher.ends_until(Instant::now() + length)?;
            drop(publisher);
            let rows = viewers.into_iter().map(|(viewer, thread)| {
                let seen = thread.join().map_err(|_| anyhow!("a viewer's thread has panicked"))?;
                let watched = seen.and_then(|seen| seen.compare(&prepared.film, feed.group));
                let most = self.apart.map(|apart| apart + feed.late(viewer.0));
                let watched = watched.and_then(|watched| watched.in_step(most));
                Ok(Row { feed: feed.name, viewer, watched })
            });
            rows.collect()
        })
    }
}

/// The front, with all channels.
fn start(folder: &Path) -> Result<Process> {
    let mut text = "[multicast]\ninterface = \"eth0\"\n".to_owned();
    for feed in FEEDS {
        let source = match feed.by {
            FeedBy::Ts => format!("ts = \"udp://:{}\"", feed::TS_PORT),
            _ => "push = true".into(),
        };
        text += &format!("[[channel]]\nname = {:?}\n{source}\ngrace_s = 1\nmulticast = {{}}\n", feed.name);
    }
    let (file, data) = (folder.join("watching.toml"), folder.join("data"));
    std::fs::write(&file, text)?;
    let listen = format!("{FRONT}:{PORT}");
    let arguments =
        ["serve", "--data", &data.to_string_lossy(), "--listen", &listen, "--config", &file.to_string_lossy()];
    Ok(Process::start(arguments)?.0)
}

/// Asks until the channel is described.
fn wait_for(url: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        let answer = Client::connect(format!("{FRONT}:{PORT}").parse()?)?.request("DESCRIBE", url, &[]);
        match answer {
            Ok(answer) if answer.status == 200 => return Ok(()),
            answer => ensure!(begun.elapsed() < PATIENCE, "{url} is not there: {answer:?}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
