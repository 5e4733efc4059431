//! The commands: one file each, and what they share.

mod access;
mod add;
mod catalog;
mod channel;
mod check;
mod cluster;
mod front;
mod list;
mod node;
mod plan;
mod remove;
mod serve;
mod user;

use crate::{local::LocalNodes, logging};
use ::catalog::db::{Catalog, CatalogOptions};
use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use rtsp::config::{Config, DEFAULTS, LogFormat};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// A parallel media server: films striped over nodes, played by every RTSP player.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Debug)]
struct Common {
    /// Configuration file (TOML); `mobidic config` prints one with every option
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the catalog and the local nodes [default: mobidic-data]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Log filter, as RUST_LOG [default: info]
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// Log lines as JSON objects
    #[arg(long, global = true)]
    log_json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Nodes, catalog and RTSP front in one: add PATHs, then serve
    Serve(serve::ServeArgs),
    /// Only the RTSP front, for nodes that run elsewhere
    Front(front::FrontArgs),
    /// One storage node
    Node(node::NodeArgs),
    /// Add films: files, or folders with all in them
    Add(add::AddArgs),
    /// List the presentations
    Ls(list::LsArgs),
    /// Show one: tracks, codecs, duration, sizes, where its units lie
    Show(list::ShowArgs),
    /// Read back every unit of one and verify it
    Check(check::CheckArgs),
    /// Remove one
    Rm(remove::RmArgs),
    /// Nodes come and go, films move, while everybody watches
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// How many viewers a set of nodes carries, how many nodes a crowd needs
    Plan(plan::PlanArgs),
    /// The catalog itself
    #[command(subcommand)]
    Catalog(catalog::CatalogCommand),
    /// Live presentations
    #[command(subcommand)]
    Channel(channel::ChannelCommand),
    /// Who may watch
    #[command(subcommand)]
    User(user::UserCommand),
    /// Print the configuration file with every option and its default
    Config,
}

/// Does what was asked.
pub fn run(cli: Cli) -> Result<()> {
    let config = cli.common.load()?;
    logging::start(&config.log)?;
    if let Command::Config = cli.command {
        print!("{DEFAULTS}");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    let result = runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::run(config, args).await,
            Command::Front(args) => front::run(config, args).await,
            Command::Node(args) => node::run(config, args).await,
            Command::Add(args) => add::run(config, args).await,
            Command::Ls(args) => list::ls(config, args).await,
            Command::Show(args) => list::show(config, args).await,
            Command::Check(args) => check::run(config, args).await,
            Command::Rm(args) => remove::run(config, args).await,
            Command::Catalog(command) => catalog::run(config, command).await,
            Command::Cluster(command) => cluster::run(config, command).await,
            Command::Plan(args) => plan::run(&args),
            Command::Channel(command) => channel::run(config, command).await,
            Command::User(command) => user::run(config, command).await,
            Command::Config => Ok(()),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    result
}

impl Common {
    fn load(&self) -> Result<Config> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(data) = &self.data {
            config.data = data.clone();
        }
        if let Some(log) = &self.log {
            config.log.filter = log.clone();
        }
        if self.log_json {
            config.log.format = LogFormat::Json;
        }
        Ok(config)
    }
}

/// Opens the catalog of the data folder; `create` makes both where missing.
async fn open_catalog(config: &Config, create: bool) -> Result<Catalog> {
    let path = config.data.join("catalog.db");
    if create {
        std::fs::create_dir_all(&config.data).with_context(|| format!("making {}", config.data.display()))?;
    } else if !path.exists() {
        bail!("no library in {}: `mobidic serve` or `mobidic add` makes one", config.data.display());
    }
    open_catalog_at(&path).await
}

/// Opens the catalog in this file.
async fn open_catalog_at(path: &Path) -> Result<Catalog> {
    Ok(Catalog::open(path, CatalogOptions::default()).await?)
}

/// The nodes of the data folder, those that don't run started for as long as this command lasts.
async fn local_nodes(config: &Config, catalog: &Catalog) -> Result<LocalNodes> {
    LocalNodes::start(config, catalog).await
}

/// Flags over the configuration that `serve` and `front` share.
#[derive(Args, Debug)]
struct FrontFlags {
    /// Where RTSP is spoken [default: 0.0.0.0:8554]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Sending threads, 0 for one a core [default: 0]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Seconds of silence that end a session [default: 60]
    #[arg(long, value_name = "SECONDS")]
    session_timeout: Option<u32>,
}

impl FrontFlags {
    fn apply(&self, config: &mut Config) -> Result<()> {
        if let Some(listen) = self.listen {
            config.front.listen = listen;
        }
        if let Some(workers) = self.workers {
            config.front.workers = workers;
        }
        if let Some(timeout) = self.session_timeout {
            config.front.session_timeout_s = timeout;
        }
        Ok(config.check()?)
    }
}

/// Ends when the process is told to end: SIGINT (Ctrl-C) or SIGTERM.
async fn interrupted() {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated() => {}
    }
}

/// Ends at SIGTERM.
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}
