//! `mobidic channel`: live presentations.

mod add;
mod save;

use ::catalog::{
    channel::ChannelSettings,
    db::{Catalog, ChannelReport, FeedState, GroupLease},
    sweep::remove_segments,
};
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use rtsp::config::Config;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Add one: say what feeds it, and how it goes out
    Add(Box<add::AddArgs>),
    /// List them with what feeds them
    Ls(LsArgs),
    /// Show one: its settings, and whether each front has its feed
    Show(ShowArgs),
    /// Remove one: its viewers are told that it has ended
    Rm(RmArgs),
    /// Make a film of a stretch of what one has kept
    Save(save::SaveArgs),
}

#[derive(Args, Debug)]
pub struct LsArgs {
    /// As a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub struct ShowArgs {
    /// The channel
    name: String,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub struct RmArgs {
    /// The channel
    name: String,
    /// Tell it as a JSON object
    #[arg(long)]
    json: bool,
}

/// A front that has said nothing for so long is gone, seconds.
const SILENT_S: i64 = 30;

pub async fn run(config: Config, command: ChannelCommand) -> Result<()> {
    let command = match command {
        ChannelCommand::Save(args) => return save::run(config, args).await,
        command => command,
    };
    let adds = matches!(command, ChannelCommand::Add(_));
    let catalog = crate::cmds::open_catalog(&config, adds).await?;
    let done = match command {
        ChannelCommand::Add(args) => add::add(&catalog, &args).await,
        ChannelCommand::Ls(args) => ls(&config, &catalog, args.json).await,
        ChannelCommand::Show(args) => show(&config, &catalog, &args).await,
        ChannelCommand::Rm(args) => remove(&config, &catalog, &args).await,
        ChannelCommand::Save(_) => Ok(()),
    };
    catalog.close().await;
    done
}

async fn ls(config: &Config, catalog: &Catalog, as_json: bool) -> Result<()> {
    let (channels, reports) = (all(config, catalog).await?, reports(catalog).await?);
    if as_json {
        let rows: Vec<Value> = channels.iter().map(|(channel, from)| value(channel, &reports, from)).collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    let width = channels.iter().map(|(channel, _)| channel.name.chars().count()).max().unwrap_or(0).max(4);
    for (channel, _) in &channels {
        let mut states: Vec<&str> = Vec::new();
        for report in reports.iter().filter(|report| report.channel == channel.name) {
            if !states.contains(&report.state.word()) {
                states.push(report.state.word());
            }
        }
        let states = if states.is_empty() { "-".to_owned() } else { states.join("+") };
        println!("{:width$}  {states:7}  {}", channel.name, channel.feed.describe());
    }
    Ok(())
}

async fn show(config: &Config, catalog: &Catalog, args: &ShowArgs) -> Result<()> {
    let found = all(config, catalog).await?.into_iter().find(|(channel, _)| channel.name == args.name);
    let Some((channel, from)) = found else {
        bail!("no channel is called {:?}; `mobidic channel ls` lists them", args.name)
    };
    let mut reports = reports(catalog).await?;
    reports.retain(|report| report.channel == channel.name);
    let mut groups = catalog.group_leases().await?;
    groups.retain(|lease| lease.channel == channel.name && lease.until > now());
    let recorder = catalog.recorder(&channel.name).await?.filter(|recorder| recorder.until > now());
    let recorder = recorder.map(|recorder| recorder.front);
    if args.json {
        let mut value = value(&channel, &reports, from);
        value["recorder"] = json!(recorder);
        let group = |lease: &GroupLease| json!({"address": lease.address, "port": lease.port, "front": lease.front});
        value["groups"] = groups.iter().map(group).collect();
        println!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(());
    }
    println!("{} ({})", channel.name, channel.title);
    println!("feed      {}{}", channel.feed.describe(), if channel.on_demand { ", on demand" } else { "" });
    println!("from      the {from}");
    let second = if channel.takes_over { "takes over" } else { "is refused" };
    println!("grace     {} s; a second feed {second}", channel.grace_s);
    if let Some(multicast) = &channel.multicast {
        let group = multicast.group.map_or("a free group".to_owned(), |group| group.to_string());
        let port = multicast.port.map_or(String::new(), |port| format!(" from port {port}"));
        let source = multicast.source.map_or(String::new(), |source| format!(", from {source} alone"));
        let always = if multicast.always { ", always" } else { "" };
        let form = if multicast.mp2t { ", as one transport stream" } else { "" };
        println!("multicast {group}{port}, TTL {}{source}{form}{always}", multicast.ttl);
    }
    for GroupLease { address, port, front, .. } in &groups {
        println!("group     {address} from port {port}, of front {front}");
    }
    if channel.window_s > 0 {
        let by = recorder.map_or("recorded by no front now".to_owned(), |front| format!("recorded by front {front}"));
        println!("window    {} s, {by}", channel.window_s);
    }
    if reports.is_empty() {
        println!("no front runs it");
    }
    for report in &reports {
        let ChannelReport { front, state, since, packets, lost, note, .. } = report;
        let counts = match state {
            FeedState::Fed => format!(": {packets} packets, {lost} lost"),
            _ => String::new(),
        };
        let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
        println!("front {front}  {} for {} s{counts}{note}", state.word(), (now() - since).max(0));
    }
    Ok(())
}

async fn remove(config: &Config, catalog: &Catalog, args: &RmArgs) -> Result<()> {
    let name = &args.name;
    if !catalog.remove_channel(name).await? {
        bail!("no channel is called {name:?} in the catalog; `mobidic channel ls` lists them");
    }
    // What it kept. Nodes that don't answer keep their share up to a sweep.
    let cluster = crate::local::cluster(config, catalog).await?;
    remove_segments(catalog, &cluster, name, None).await?;
    match args.json {
        true => println!("{}", json!({"removed": name})),
        false => println!("removed channel {name}"),
    }
    Ok(())
}

/// The channels of the catalog and those of the file, which come before; and where each is from.
async fn all(config: &Config, catalog: &Catalog) -> Result<Vec<(ChannelSettings, &'static str)>> {
    let mut all: Vec<(ChannelSettings, &'static str)> = Vec::new();
    for channel in &config.channel {
        all.push((channel.settings(0)?, "configuration"));
    }
    for channel in catalog.channels().await? {
        if !all.iter().any(|(known, _)| known.name == channel.name) {
            all.push((channel, "catalog"));
        }
    }
    all.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    Ok(all)
}

/// What the fronts that still live say.
async fn reports(catalog: &Catalog) -> Result<Vec<ChannelReport>> {
    let mut reports = catalog.channel_reports().await?;
    reports.retain(|report| now() - report.seen < SILENT_S);
    Ok(reports)
}

/// For `--json`, without the password.
fn value(channel: &ChannelSettings, reports: &[ChannelReport], from: &str) -> Value {
    let mut value = json!(channel);
    if let Some(feed) = value.get_mut("feed").and_then(Value::as_object_mut) {
        feed.remove("password");
    }
    let own = reports.iter().filter(|report| report.channel == channel.name);
    let fronts = own.map(|report| {
        json!({
            "front": report.front, "state": report.state.word(), "since": report.since, "packets": report.packets,
            "lost": report.lost, "note": report.note,
        })
    });
    value["from"] = json!(from);
    value["fronts"] = fronts.collect();
    value
}

/// Seconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
