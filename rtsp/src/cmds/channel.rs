//! `mobidic channel`: live presentations.

use ::catalog::{
    channel::{ChannelSettings, Feed, TimeOfDay, USUAL_TTL},
    db::{Catalog, ChannelAdded, ChannelReport, FeedState, GroupLease},
    sweep::remove_segments,
};
use anyhow::{Result, bail};
use clap::{ArgGroup, Args, Subcommand};
use rtsp::config::{ChannelConfig, Config, MulticastConfig};
use serde_json::{Value, json};
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Add one: say what feeds it, and how it goes out
    Add(Box<AddArgs>),
    /// List them with what feeds them
    Ls(LsArgs),
    /// Show one: its settings, and whether each front has its feed
    Show(ShowArgs),
    /// Remove one: its viewers are told that it has ended
    Rm(RmArgs),
    /// Make a film of a stretch of what one has kept
    Save(super::save::SaveArgs),
}

/// The feeds that are not fetched by RTSP, and those that are no list of films.
const NOT_PULLED: [&str; 4] = ["push", "ts", "sdp", "playlist"];
const NO_LIST: [&str; 4] = ["push", "pull", "ts", "sdp"];

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("feed").required(true).args(["push", "pull", "ts", "sdp", "playlist"]))]
pub struct AddArgs {
    /// Its name in URLs; no film may have it
    name: String,
    /// Somebody brings it, with ANNOUNCE and RECORD
    #[arg(long)]
    push: bool,
    /// Fetch it from there; given again: a fall-back
    #[arg(long, value_name = "rtsp://HOST/PATH")]
    pull: Vec<String>,
    /// Name for --pull
    #[arg(long, value_name = "NAME", requires = "password", conflicts_with_all = NOT_PULLED)]
    user: Option<String>,
    /// Password for --pull
    #[arg(long, value_name = "PASSWORD", requires = "user", conflicts_with_all = NOT_PULLED)]
    password: Option<String>,
    /// With --pull: over UDP, else within the RTSP connection
    #[arg(long, conflicts_with_all = NOT_PULLED)]
    udp: bool,
    /// A transport stream over UDP or RTP; ?source=ADDRESS&interface=NAME&program=NUMBER may follow
    #[arg(long, value_name = "udp://[GROUP]:PORT")]
    ts: Option<String>,
    /// RTP as an SDP file says
    #[arg(long, value_name = "FILE")]
    sdp: Option<PathBuf>,
    /// Films one after the other
    #[arg(long, value_name = "NAME,NAME,...", value_delimiter = ',')]
    playlist: Vec<String>,
    /// With --playlist: over and over
    #[arg(long = "loop", conflicts_with_all = NO_LIST)]
    looped: bool,
    /// With --playlist: begins then every day, else at once
    #[arg(long, value_name = "HH:MM", conflicts_with_all = NO_LIST, num_args = 1..)]
    at: Vec<TimeOfDay>,
    /// For people [default: the name]
    #[arg(long)]
    title: Option<String>,
    /// Fed only while somebody watches
    #[arg(long, conflicts_with = "push")]
    on_demand: bool,
    /// A second feed takes the first one's place, else it is refused
    #[arg(long)]
    take_over: bool,
    /// Seconds that a feed that has gone is waited for [default: 10]
    #[arg(long, value_name = "SECONDS")]
    grace: Option<u32>,
    /// How much is kept for time shift, as 2h, 90m or 30s [default: nothing]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    window: Option<u32>,
    #[command(flatten)]
    multicast: MulticastFlags,
    /// Tell it as a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct MulticastFlags {
    /// By multicast, too: to this group, or to a free one
    #[arg(long, value_name = "GROUP[:PORT]", num_args = 0..=1, value_parser = group)]
    multicast: Option<Option<(IpAddr, Option<u16>)>>,
    /// Hops that its packets go [default: 16]
    #[arg(long, value_name = "HOPS", requires = "multicast")]
    multicast_ttl: Option<u8>,
    /// Where they leave, by name or address
    #[arg(long, value_name = "INTERFACE", requires = "multicast")]
    multicast_interface: Option<String>,
    /// Source-specific: the address of this machine that they come from
    #[arg(long, value_name = "ADDRESS", requires = "multicast")]
    multicast_source: Option<IpAddr>,
    /// As one transport stream, else a stream for each track
    #[arg(long, requires = "multicast")]
    multicast_mp2t: bool,
    /// Sent even where nobody has asked by RTSP
    #[arg(long, requires = "multicast")]
    multicast_always: bool,
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
        ChannelCommand::Save(args) => return super::save::run(config, args).await,
        command => command,
    };
    let adds = matches!(command, ChannelCommand::Add(_));
    let catalog = super::open_catalog(&config, adds).await?;
    let done = match command {
        ChannelCommand::Add(args) => add(&catalog, &args).await,
        ChannelCommand::Ls(args) => ls(&config, &catalog, args.json).await,
        ChannelCommand::Show(args) => show(&config, &catalog, &args).await,
        ChannelCommand::Rm(args) => remove(&config, &catalog, &args).await,
        ChannelCommand::Save(_) => Ok(()),
    };
    catalog.close().await;
    done
}

async fn add(catalog: &Catalog, args: &AddArgs) -> Result<()> {
    let settings = args.config().settings(now())?;
    if let Feed::Playlist { films, .. } = &settings.feed {
        for film in films {
            if catalog.presentation(film).await?.is_none() {
                bail!("no presentation is called {film:?}; `mobidic ls` lists them");
            }
        }
    }
    let name = &settings.name;
    match catalog.add_channel(&settings).await? {
        ChannelAdded::Yes if args.json => {
            println!("{}", serde_json::to_string_pretty(&value(&settings, &[], "catalog"))?)
        }
        ChannelAdded::Yes => println!("added channel {name}: {}", settings.feed.describe()),
        ChannelAdded::NameTaken => {
            bail!("there is a channel {name} already; `mobidic channel rm {name}` removes it")
        }
        ChannelAdded::FilmHasIt => bail!("a film is called {name}; a channel needs a name of its own"),
    }
    Ok(())
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
    if args.json {
        let mut value = value(&channel, &reports, from);
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
        println!("window    {} s", channel.window_s);
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

impl AddArgs {
    fn config(&self) -> ChannelConfig {
        let flags = &self.multicast;
        let multicast = flags.multicast.map(|place| MulticastConfig {
            group: place.map(|(group, _)| group),
            port: place.and_then(|(_, port)| port),
            ttl: flags.multicast_ttl.unwrap_or(USUAL_TTL),
            interface: flags.multicast_interface.clone(),
            source: flags.multicast_source,
            mp2t: flags.multicast_mp2t,
            always: flags.multicast_always,
        });
        ChannelConfig {
            name: self.name.clone(),
            title: self.title.clone(),
            push: self.push,
            pull: self.pull.clone(),
            user: self.user.clone(),
            password: self.password.clone(),
            udp: self.udp,
            ts: self.ts.clone(),
            sdp: self.sdp.clone(),
            playlist: self.playlist.clone(),
            looped: self.looped,
            at: self.at.clone(),
            on_demand: self.on_demand,
            take_over: self.take_over,
            grace_s: self.grace,
            window_s: self.window.unwrap_or(0),
            multicast,
        }
    }
}

/// `2h`, `90m`, `30s`, `45`.
fn seconds(text: &str) -> Result<u32, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 'h')) => (&text[..at], 3_600),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 's')) => (&text[..at], 1),
        _ => (text, 1),
    };
    let seconds = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    seconds.ok_or_else(|| format!("{text:?} is no time; it is written 2h, 90m or 30s"))
}

/// `239.1.2.3`, `239.1.2.3:5004`, `ff3e::1`, `[ff3e::1]:5004`.
fn group(text: &str) -> Result<(IpAddr, Option<u16>), String> {
    if let Ok(group) = text.parse::<IpAddr>() {
        return Ok((group, None));
    }
    let both = text.parse::<SocketAddr>().map(|both| (both.ip(), Some(both.port())));
    both.map_err(|_| format!("{text:?} is neither GROUP nor GROUP:PORT"))
}

/// Seconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: ChannelCommand,
    }

    fn parse(line: &str) -> Result<ChannelConfig, String> {
        let words = std::iter::once("channel").chain(line.split_whitespace());
        match Line::try_parse_from(words).map_err(|error| error.to_string())?.command {
            ChannelCommand::Add(args) => Ok(args.config()),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn lines_are_channels() {
        let a = || ChannelConfig { name: "a".into(), ..ChannelConfig::default() };
        let films = || vec!["x".to_owned(), "y".to_owned()];
        let group =
            MulticastConfig { group: Some([239, 1, 2, 3].into()), port: Some(5004), ..MulticastConfig::default() };
        for (line, expected) in [
            ("add a --push", ChannelConfig { push: true, ..a() }),
            (
                "add a --pull rtsp://b --pull rtsp://c --user u --password p --on-demand",
                ChannelConfig {
                    pull: vec!["rtsp://b".into(), "rtsp://c".into()],
                    user: Some("u".into()),
                    password: Some("p".into()),
                    on_demand: true,
                    ..a()
                },
            ),
            (
                "add a --playlist x,y --loop --at 20:15 7:00 --window 2h --grace 3",
                ChannelConfig {
                    playlist: films(),
                    looped: true,
                    at: vec!["20:15".parse().unwrap(), "07:00".parse().unwrap()],
                    window_s: 7_200,
                    grace_s: Some(3),
                    ..a()
                },
            ),
            (
                "add a --ts udp://:5000 --multicast 239.1.2.3:5004",
                ChannelConfig { ts: Some("udp://:5000".into()), multicast: Some(group.clone()), ..a() },
            ),
            (
                "add a --push --multicast --multicast-ttl 2 --multicast-mp2t --multicast-always",
                ChannelConfig {
                    push: true,
                    multicast: Some(MulticastConfig {
                        group: None,
                        port: None,
                        ttl: 2,
                        mp2t: true,
                        always: true,
                        ..group
                    }),
                    ..a()
                },
            ),
        ] {
            assert_eq!(parse(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn wrong_usage_is_told() {
        for (line, words) in [
            ("add a", "--push"),
            ("add a --push --ts udp://:1", "cannot be used with"),
            ("add a --push --on-demand", "cannot be used with"),
            ("add a --push --loop", "cannot be used with"),
            ("add a --pull rtsp://x --user u", "--password"),
            ("add a --ts udp://:1 --udp", "cannot be used with"),
            ("add a --push --window 2d", "written 2h, 90m or 30s"),
            ("add a --push --multicast-ttl 3", "--multicast"),
            ("add a --push --multicast x", "neither GROUP nor GROUP:PORT"),
            ("add a --playlist x --at 25:00", "HH:MM"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
