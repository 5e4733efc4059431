//! `mobidic channel add`

use super::{now, value};
use ::catalog::{
    channel::{Feed, TimeOfDay, USUAL_TTL},
    db::{Catalog, ChannelAdded},
};
use anyhow::{Result, bail};
use clap::{ArgGroup, Args};
use rtsp::config::{ChannelConfig, MulticastConfig};
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

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
    /// A transport stream over UDP or RTP; ?source=ADDRESS&interface=NAME&program=NUMBER may follow,
    /// and as=mp2t: it is passed on as it comes
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

pub(super) async fn add(catalog: &Catalog, args: &AddArgs) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::super::ChannelCommand;
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
