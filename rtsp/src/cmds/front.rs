//! `mobidic front`, and the front within `serve`

use super::FrontFlags;
use ::catalog::{
    db::{Catalog, Node},
    library::Library,
    verify::Verifier,
};
use anyhow::{Context, Result};
use clap::Args;
use rtsp::{
    admission::Admission,
    channel::{ChannelOptions, Channels},
    config::Config,
    feed::{Feeds, FeedsOptions},
    films::Films,
    front::{Front as Listener, ListenerLimits, bind},
    multicast::{SendOptions, net::Caster},
    net::descriptors::raise_limit,
    playback::PlaybackOptions,
    session::SessionOptions,
    shift::{Keeping, Shift, ShiftMedia},
    watch::{ClusterWatch, WatchOptions},
    worker::{ClusterMedia, WorkerOptions, Workers},
};
use std::{
    convert::Infallible,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use stripes::net::{Cluster, UnitSource, identify};
use tokio::{sync::watch, task::JoinHandle};

#[derive(Args, Debug)]
pub struct FrontArgs {
    #[command(flatten)]
    flags: FrontFlags,
    /// The catalog's file [default: DATA/catalog.db]
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
    /// A node's address, once for each [default: those that the catalog knows]
    #[arg(long, value_name = "http://HOST:PORT")]
    node: Vec<String>,
}

/// Bytes of indexes that are kept in memory: some hundred hours of film.
const INDEX_CACHE: usize = 128 << 20;

pub async fn run(mut config: Config, args: FrontArgs) -> Result<()> {
    args.flags.apply(&mut config)?;
    let catalog = match &args.catalog {
        Some(path) => super::open_catalog_at(path).await?,
        None => super::open_catalog(&config, false).await?,
    };
    for url in &args.node {
        let health = identify(url, &crate::local::options(&config)).await?;
        catalog.put_node(&Node { id: health.node, url: url.trim_end_matches('/').to_owned() }).await?;
    }
    let cluster = crate::local::cluster(&config, &catalog).await?;
    let front = Front::start(&config, &catalog, cluster).await?;
    super::serve::print_urls(&config, &names(&catalog, &front).await?)?;
    super::interrupted().await;
    front.stop().await;
    catalog.close().await;
    Ok(())
}

/// What there is to watch: films, and channels after them.
pub async fn names(catalog: &Catalog, front: &Front) -> Result<Vec<String>> {
    let films = catalog.presentations().await?.into_iter().map(|film| film.name);
    let listed = front.feeds.listed().borrow().clone();
    Ok(films.chain(listed.iter().map(|channel| channel.name.clone())).collect())
}

/// A running RTSP front.
pub struct Front {
    /// By which the catalog knows it.
    name: String,
    catalog: Catalog,
    workers: Workers,
    feeds: Feeds,
    caster: Caster,
    keeping: Keeping,
    verifying: Option<JoinHandle<Infallible>>,
    stop: watch::Sender<bool>,
    listening: JoinHandle<()>,
}

impl Front {
    /// Starts the workers and listens.
    pub async fn start(config: &Config, catalog: &Catalog, cluster: Cluster) -> Result<Self> {
        let listen = config.front.listen;
        // First: a port in use is the commonest mistake, and the quickest to tell.
        let listener = bind(listen).with_context(|| format!("listening on {listen}"))?;
        let listener_of_tls = match config.tls.listen {
            Some(listen) => Some(bind(listen).with_context(|| format!("listening on {listen}"))?),
            None => None,
        };
        let tls = super::access::tls(config)?;
        let mut rules = super::access::rules(config, catalog).await?;
        let source = UnitSource::new(cluster, config.front.cache_mib << 20);
        let admission = Admission::default();
        let network = config.front.network_mbit_s;
        // Fronts of several machines may all listen on the same address.
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let watching = WatchOptions {
            name: format!("{} {}", host.trim(), listener.local_addr()?),
            front_bps: (network > 0).then(|| network * 1_000_000),
            usable: config.nodes.usable_percent as f64 / 100.0,
        };
        let name = watching.name.clone();
        let watch = ClusterWatch::start(catalog.clone(), source.clone(), admission.clone(), watching).await;
        let every = Duration::from_secs(config.nodes.verify_days * 86_400);
        let verifying = (!every.is_zero()).then(|| {
            let (catalog, cluster) = (catalog.clone(), source.cluster().clone());
            let verifier = Verifier { catalog, cluster, front: name.clone(), every };
            tokio::spawn(async move { verifier.run().await })
        });
        let library = Library::new(source.clone(), INDEX_CACHE);
        let options = WorkerOptions {
            workers: config.front.workers,
            bind: listen.ip(),
            playback: PlaybackOptions {
                max_packet: config.front.max_packet,
                train_packets: config.front.train_packets,
                train_gap: Duration::from_millis(config.front.train_gap_ms),
                quantum: Duration::from_millis(config.front.quantum_ms),
                bundle: Duration::from_millis(config.front.bundle_ms),
                padding: config.front.padding,
                breakers: config.front.circuit_breaker.into(),
                read_ahead: Duration::from_millis(config.front.read_ahead_ms),
                ..PlaybackOptions::default()
            },
            live_gap: Duration::from_micros(config.front.live_gap_us),
            read_ahead_bytes: config.front.read_ahead_mib << 20,
            stuck_after: Duration::from_secs(config.front.tcp_stuck_s),
            ..WorkerOptions::default()
        };
        let runtime = tokio::runtime::Handle::current();
        let shift = Shift::new(catalog.clone(), source.clone(), config.stripes.clone(), name.clone());
        let media = ShiftMedia { films: ClusterMedia(source), shift: shift.clone() };
        let workers = Workers::start(options, Arc::new(media), runtime).context("starting the workers")?;
        let sessions = SessionOptions {
            timeout: Duration::from_secs(u64::from(config.front.session_timeout_s)),
            ..SessionOptions::default()
        };
        let mut limits = ListenerLimits {
            connections: config.front.max_connections,
            connections_of_address: config.front.max_connections_per_address,
            outbox: config.front.tcp_queue_kib << 10,
            ..ListenerLimits::default()
        };
        match raise_limit() {
            Ok(most) => limits.fit(usize::try_from(most).unwrap_or(usize::MAX)),
            Err(error) => tracing::warn!(%error, "the limit on open files stays as it is"),
        }
        let channels = Channels::default();
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let feeding = FeedsOptions {
            front: name.clone(),
            channel: ChannelOptions {
                max_packet: config.front.max_packet,
                train_packets: config.front.train_packets,
                padding: config.front.padding,
                ..ChannelOptions::default()
            },
            configured: config.channel.iter().map(|channel| channel.settings(created)).collect::<Result<_, _>>()?,
        };
        let feeds = Feeds::start(catalog.clone(), library.clone(), channels.clone(), feeding).await;
        rules.pushable = Some(feeds.pushable());
        rules.relays = feeds.relays();
        let send =
            SendOptions { train_gap: Duration::from_millis(config.front.train_gap_ms), ..SendOptions::default() };
        let casting = config.multicast.options(send)?;
        let caster = Caster::start(casting, channels.clone(), catalog.clone(), name.clone())
            .context("starting the thread for multicast")?;
        tokio::spawn(caster.clone().follow(feeds.listed()));
        rules.groups = Some(Arc::new(caster.clone()));
        let keeping = shift.follow(channels.clone(), feeds.listed());
        let films = Films::new(catalog.clone(), library, watch, channels).with_shift(shift);
        let media = Arc::new(workers.clone());
        let front = Listener::with_rules(Arc::new(films), media, sessions, limits, admission, rules, tls);
        let (stop, stopped) = tokio::sync::watch::channel(false);
        if let Some(listener) = listener_of_tls {
            tokio::spawn(front.clone().serve(listener, stopped.clone()));
        }
        let listening = tokio::spawn(front.serve(listener, stopped));
        Ok(Self { workers, feeds, caster, keeping, verifying, stop, listening, name, catalog: catalog.clone() })
    }

    /// Says BYE to every viewer and closes every connection.
    pub async fn stop(self) {
        if let Some(verifying) = &self.verifying {
            verifying.abort();
        }
        self.caster.stop().await;
        self.feeds.stop().await;
        self.keeping.stop().await;
        let workers = self.workers.clone();
        // Joins the workers' threads.
        let _ = tokio::task::spawn_blocking(move || workers.stop()).await;
        let _ = self.stop.send(true);
        let _ = self.listening.await;
        if let Err(error) = self.catalog.remove_front(&self.name).await {
            tracing::debug!(%error, "the catalog goes on naming this front");
        }
    }
}
