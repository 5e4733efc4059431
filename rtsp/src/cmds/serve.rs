//! `mobidic serve`

use super::{
    FrontFlags, add,
    front::{Front, names},
};
use ::catalog::operate;
use anyhow::{Context, Result, bail};
use clap::Args;
use rtsp::{config::Config, target::presentation_url};
use std::{io::Write, net::IpAddr, path::PathBuf};
use stripes::net::Limit;

#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Films to add first: files, or folders with all in them
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    flags: FrontFlags,
    /// Node processes in the data folder [default: 4]
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// Nodes that may be lost without losing the films that are added, 0 to 2 [default: 1]
    #[arg(long, value_name = "M")]
    parity: Option<u8>,
    /// MB/s that each of those processes reads at most, 0 for no bound [default: 0]
    #[arg(long, value_name = "MB/s")]
    read_limit: Option<u64>,
}

/// The film that an empty library gets; `assets/make-demo` made it.
const DEMO: &[u8] = include_bytes!("../../assets/demo.mpg");

/// Presentations whose URLs are printed at most: a library of thousands would bury the ready line.
const MAX_PRINTED: usize = 20;

pub async fn run(mut config: Config, args: ServeArgs) -> Result<()> {
    if let Some(count) = args.nodes {
        config.nodes.count = count;
    }
    if let Some(parity) = args.parity {
        config.stripes.parity = parity;
    }
    if let Some(limit) = args.read_limit {
        config.nodes.read_limit_mb_s = limit;
    }
    args.flags.apply(&mut config)?;
    let catalog = super::open_catalog(&config, true).await?;
    let mut nodes = super::local_nodes(&config, &catalog).await?;
    let swept = ::catalog::sweep::sweep(&catalog, &nodes.cluster).await?;
    tracing::debug!(?swept, "swept what nobody names");
    // What a move that was broken off left behind.
    let (grace, limit) = (operate::GRACE, Limit::default());
    operate::Operator { catalog: catalog.clone(), cluster: nodes.cluster.clone(), limit, usual_limit: false, grace }
        .tidy(grace)
        .await?;
    let outcome = add::add_all(&config, &catalog, &nodes, &args.paths, None).await?;
    if catalog.presentations().await?.is_empty() {
        let demo = config.data.join("demo.mpg");
        std::fs::write(&demo, DEMO).with_context(|| format!("writing {}", demo.display()))?;
        let added = add::add_all(&config, &catalog, &nodes, std::slice::from_ref(&demo), Some("demo")).await;
        let _ = std::fs::remove_file(&demo);
        if added?.failed > 0 {
            bail!("the demo film could not be added");
        }
    }
    if outcome.failed > 0 {
        eprintln!("mobidic: {} of {} files could not be added (see above)", outcome.failed, outcome.files());
    }
    let front = Front::start(&config, &catalog, nodes.cluster.clone()).await?;
    print_urls(&config, &names(&catalog, &front).await?)?;
    tokio::select! {
        () = super::interrupted() => {}
        () = nodes.tend(&catalog) => {}
    }
    front.stop().await;
    nodes.stop().await;
    catalog.close().await;
    Ok(())
}

/// What to type to watch, and the ready line.
pub fn print_urls(config: &Config, names: &[String]) -> Result<()> {
    let port = config.front.listen.port();
    let hosts = hosts(config.front.listen.ip());
    let mut out = std::io::stdout().lock();
    for name in names.iter().take(MAX_PRINTED) {
        let urls = hosts.iter().map(|host| presentation_url(&format!("{host}:{port}"), name));
        writeln!(out, "{}", urls.collect::<Vec<_>>().join("  "))?;
    }
    if names.len() > MAX_PRINTED {
        writeln!(out, "and {} more: mobidic ls", names.len() - MAX_PRINTED)?;
    }
    if let (Some(name), Some(host)) = (names.first(), hosts.first()) {
        let url = presentation_url(&format!("{host}:{port}"), name);
        writeln!(out, "VLC:       vlc {url}")?;
        writeln!(out, "ffplay:    ffplay -rtsp_transport tcp {url}")?;
        writeln!(out, "GStreamer: gst-play-1.0 {url}")?;
    }
    writeln!(out, "ready: {} presentations on port {port}; Ctrl-C ends", names.len())?;
    Ok(out.flush()?)
}

/// The names by which viewers reach a listener: itself, or all of this machine's where it listens on all.
fn hosts(listen: IpAddr) -> Vec<String> {
    let text = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    if !listen.is_unspecified() {
        return vec![text(listen)];
    }
    let mut hosts = vec!["localhost".to_owned()];
    let interfaces = webrtc_util::ifaces::ifaces().unwrap_or_default();
    for ip in interfaces.into_iter().filter_map(|interface| interface.addr).map(|addr| addr.ip()) {
        let reachable = match ip {
            IpAddr::V4(_) => !ip.is_loopback(),
            IpAddr::V6(v6) => listen.is_ipv6() && !ip.is_loopback() && !v6.is_unicast_link_local(),
        };
        if reachable && !hosts.contains(&text(ip)) {
            hosts.push(text(ip));
        }
    }
    hosts
}
