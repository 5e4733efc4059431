//! `[[channel]]`: channels of the configuration file, which mean what `mobidic channel add` means.

use crate::feed::ts::TsAddress;
use catalog::{
    channel::{ChannelSettings, Feed, MulticastSettings, TimeOfDay, USUAL_GRACE_S, USUAL_TTL},
    ingest::name,
};
use serde::Deserialize;
use std::{net::IpAddr, path::PathBuf};

/// Addresses that a channel is fetched from at most.
const MAX_URLS: usize = 8;
/// Films of a playlist at most.
const MAX_FILMS: usize = 1_000;
/// Times of day of a playlist at most.
const MAX_TIMES: usize = 96;
/// Bytes of an SDP file at most.
const MAX_SDP: u64 = 64 << 10;
/// Seconds that a feed is waited for at most: an hour.
const MAX_GRACE_S: u32 = 3_600;
/// Seconds that are kept for time shift at most: a week.
const MAX_WINDOW_S: u32 = 7 * 24 * 3_600;

/// One `[[channel]]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelConfig {
    /// As in its URL.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// Somebody brings it.
    pub push: bool,
    /// RTSP URLs, each the next one's fall-back.
    pub pull: Vec<String>,
    /// For `pull`.
    pub user: Option<String>,
    /// For `pull`.
    pub password: Option<String>,
    /// For `pull`: over UDP.
    pub udp: bool,
    /// `udp://` or `rtp://`.
    pub ts: Option<String>,
    /// An SDP file.
    pub sdp: Option<PathBuf>,
    /// Films.
    pub playlist: Vec<String>,
    /// For `playlist`: over and over.
    #[serde(rename = "loop")]
    pub looped: bool,
    /// For `playlist`: times of day.
    pub at: Vec<TimeOfDay>,
    /// Fed only while somebody watches.
    pub on_demand: bool,
    /// A second feed takes the first one's place.
    pub take_over: bool,
    /// Seconds.
    pub grace_s: Option<u32>,
    /// Seconds of time shift.
    pub window_s: u32,
    /// The group.
    pub multicast: Option<MulticastConfig>,
}

/// `[channel.multicast]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MulticastConfig {
    /// `None`: a free one.
    pub group: Option<IpAddr>,
    /// The first track's.
    pub port: Option<u16>,
    /// Hops.
    pub ttl: u8,
    /// By name or address.
    pub interface: Option<String>,
    /// For source-specific multicast.
    pub source: Option<IpAddr>,
    /// As one transport stream.
    pub mp2t: bool,
    /// Sent without any RTSP, too.
    pub always: bool,
}

/// Why a channel can't be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("channel {name}: {reason}")]
pub struct ChannelError {
    /// Its name.
    pub name: String,
    /// What is wrong, and what would be allowed.
    pub reason: String,
}

/// Every channel within its range, each name once.
pub(super) fn check(channels: &[ChannelConfig]) -> Result<(), ChannelError> {
    for (place, channel) in channels.iter().enumerate() {
        channel.check()?;
        if channels[..place].iter().any(|before| before.name == channel.name) {
            return Err(channel.wrong("two have this name"));
        }
    }
    Ok(())
}

impl ChannelConfig {
    /// The same as the catalog keeps it; reads the SDP file.
    ///
    /// # Errors
    /// What is wrong, by name.
    pub fn settings(&self, created: i64) -> Result<ChannelSettings, ChannelError> {
        self.check()?;
        let feed = if self.push {
            Feed::Push
        } else if !self.pull.is_empty() {
            let (urls, user, password) = (self.pull.clone(), self.user.clone(), self.password.clone());
            Feed::Pull { urls, user, password, udp: self.udp }
        } else if let Some(url) = &self.ts {
            Feed::Ts { url: url.clone() }
        } else if let Some(path) = &self.sdp {
            let text = self.read(path)?;
            Feed::Sdp { text }
        } else {
            Feed::Playlist { films: self.playlist.clone(), looped: self.looped, at: self.at.clone() }
        };
        Ok(ChannelSettings {
            name: self.name.clone(),
            title: self.title.clone().unwrap_or_else(|| self.name.clone()),
            feed,
            on_demand: self.on_demand,
            takes_over: self.take_over,
            grace_s: self.grace_s.unwrap_or(USUAL_GRACE_S),
            multicast: self.multicast.as_ref().map(MulticastConfig::settings),
            window_s: self.window_s,
            created,
        })
    }

    /// Everything within its range; reads no file.
    ///
    /// # Errors
    /// What is wrong, by name.
    pub fn check(&self) -> Result<(), ChannelError> {
        name::check(&self.name).map_err(|error| self.wrong(error.to_string()))?;
        let (pull, playlist) = (!self.pull.is_empty(), !self.playlist.is_empty());
        let feeds = [self.push, pull, self.ts.is_some(), self.sdp.is_some(), playlist];
        if feeds.iter().filter(|given| **given).count() != 1 {
            return Err(self.wrong("exactly one of push, pull, ts, sdp and playlist must be given"));
        }
        let rules = [
            (self.pull.len() > MAX_URLS, "pull has more than 8 URLs"),
            (self.pull.iter().any(|url| !is_rtsp(url)), "pull takes rtsp:// and rtsps:// URLs"),
            (
                !pull && (self.user.is_some() || self.password.is_some() || self.udp),
                "user, password and udp are of pull",
            ),
            (self.user.is_some() != self.password.is_some(), "user and password go together"),
            (self.playlist.len() > MAX_FILMS, "playlist has more than 1000 films"),
            (!playlist && (self.looped || !self.at.is_empty()), "loop and at are of playlist"),
            (self.at.len() > MAX_TIMES, "at has more than 96 times"),
            (self.push && self.on_demand, "who pushes decides when: on_demand is of the other feeds"),
            (self.on_demand && !self.at.is_empty(), "at says when it runs: it can't run on demand"),
            (self.grace_s.is_some_and(|grace| grace > MAX_GRACE_S), "grace_s must be 0 to 3600 seconds"),
            (self.window_s > MAX_WINDOW_S, "window_s must be 0 (no time shift) to 604800 seconds"),
        ];
        if let Some((_, reason)) = rules.iter().find(|(broken, _)| *broken) {
            return Err(self.wrong(*reason));
        }
        if let Some(url) = &self.ts {
            url.parse::<TsAddress>().map_err(|reason| self.wrong(reason))?;
        }
        for film in &self.playlist {
            name::check(film).map_err(|error| self.wrong(format!("playlist: {error}")))?;
        }
        match &self.multicast {
            Some(multicast) => multicast.check().map_err(|reason| self.wrong(reason)),
            None => Ok(()),
        }
    }

    fn read(&self, path: &std::path::Path) -> Result<String, ChannelError> {
        let wrong = |reason: String| self.wrong(format!("sdp: {}: {reason}", path.display()));
        let len = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
        if len > MAX_SDP {
            return Err(wrong(format!("{len} bytes; at most {MAX_SDP} are allowed")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        if !text.starts_with("v=0") || !text.contains("\nm=") {
            return Err(wrong("no session description: it begins with v=0 and has m= lines".to_owned()));
        }
        Ok(text)
    }

    fn wrong(&self, reason: impl Into<String>) -> ChannelError {
        ChannelError { name: self.name.clone(), reason: reason.into() }
    }
}

fn is_rtsp(url: &str) -> bool {
    let rest = url.strip_prefix("rtsp://").or_else(|| url.strip_prefix("rtsps://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
}

impl MulticastConfig {
    fn settings(&self) -> MulticastSettings {
        let Self { group, port, ttl, interface, source, mp2t, always } = self.clone();
        MulticastSettings { group, port, ttl, interface, source, mp2t, always }
    }

    fn check(&self) -> Result<(), String> {
        if let Some(group) = self.group.filter(|group| !group.is_multicast()) {
            return Err(format!("multicast: {group} is no group; they are 224.0.0.0/4 and ff00::/8"));
        }
        if let Some(port) = self.port.filter(|port| !port.is_multiple_of(2) || *port < 1024) {
            return Err(format!("multicast: port {port}; it must be even, from 1024 on"));
        }
        if self.ttl == 0 {
            return Err("multicast: ttl 0; it must be 1 to 255".to_owned());
        }
        if let Some(source) = self.source {
            let same = self.group.is_none_or(|group| group.is_ipv4() == source.is_ipv4());
            if source.is_multicast() || source.is_unspecified() || !same {
                return Err(format!("multicast: {source} can't be the source; it is an address of this machine"));
            }
        }
        Ok(())
    }
}

impl Default for MulticastConfig {
    fn default() -> Self {
        Self { group: None, port: None, ttl: USUAL_TTL, interface: None, source: None, mp2t: false, always: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One channel of the file `text` goes on with.
    fn channel(text: &str) -> Result<ChannelSettings, String> {
        let text = format!("[[channel]]\nname = \"a\"\n{text}");
        let config: crate::config::Config = toml::from_str(&text).map_err(|error| error.to_string())?;
        config.check().map_err(|error| error.to_string())?;
        config.channel[0].settings(5).map_err(|error| error.to_string())
    }

    #[test]
    fn channels_of_the_file_are_what_the_command_makes() {
        let folder = tempfile::tempdir().unwrap();
        let sdp = folder.path().join("a.sdp");
        std::fs::write(&sdp, "v=0\nm=video 5000 RTP/AVP 33\n").unwrap();
        let usual = ChannelSettings {
            name: "a".into(),
            title: "a".into(),
            feed: Feed::Push,
            on_demand: false,
            takes_over: false,
            grace_s: 10,
            multicast: None,
            window_s: 0,
            created: 5,
        };
        let pull = Feed::Pull {
            urls: vec!["rtsp://b/c".into(), "rtsps://d/e".into()],
            user: Some("u".into()),
            password: Some("p".into()),
            udp: true,
        };
        let at = vec!["20:15".parse().unwrap()];
        let playlist = Feed::Playlist { films: vec!["x".into(), "y".into()], looped: true, at };
        let group = MulticastSettings {
            group: Some([232, 1, 2, 3].into()),
            port: Some(5004),
            ttl: 3,
            source: Some([10, 0, 0, 1].into()),
            mp2t: true,
            ..MulticastSettings::default()
        };
        let cases = [
            ("push = true", usual.clone()),
            (
                "push = true\ntitle = \"The A\"\ntake_over = true\ngrace_s = 0\nwindow_s = 7200\n[channel.multicast]",
                ChannelSettings {
                    title: "The A".into(),
                    takes_over: true,
                    grace_s: 0,
                    window_s: 7200,
                    multicast: Some(MulticastSettings::default()),
                    ..usual.clone()
                },
            ),
            (
                "pull = [\"rtsp://b/c\", \"rtsps://d/e\"]\nuser = \"u\"\npassword = \"p\"\nudp = true\non_demand = true",
                ChannelSettings { feed: pull, on_demand: true, ..usual.clone() },
            ),
            (
                "ts = \"udp://239.1.2.3:5000\"\nmulticast = { group = \"232.1.2.3\", port = 5004, ttl = 3, \
                 source = \"10.0.0.1\", mp2t = true }",
                ChannelSettings {
                    feed: Feed::Ts { url: "udp://239.1.2.3:5000".into() },
                    multicast: Some(group),
                    ..usual.clone()
                },
            ),
            (
                &format!("sdp = {sdp:?}"),
                ChannelSettings { feed: Feed::Sdp { text: "v=0\nm=video 5000 RTP/AVP 33\n".into() }, ..usual.clone() },
            ),
            (
                "playlist = [\"x\", \"y\"]\nloop = true\nat = [\"20:15\"]",
                ChannelSettings { feed: playlist, ..usual.clone() },
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(channel(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_channel_is_named() {
        for (text, words) in [
            ("", "channel a: exactly one of push, pull, ts, sdp and playlist"),
            ("push = true\nts = \"udp://:1\"", "exactly one of"),
            ("pull = [\"http://x\"]", "rtsp:// and rtsps:// URLs"),
            ("push = true\nuser = \"u\"", "are of pull"),
            ("pull = [\"rtsp://x\"]\nuser = \"u\"", "user and password go together"),
            ("push = true\nloop = true", "are of playlist"),
            ("push = true\non_demand = true", "who pushes decides when"),
            ("playlist = [\"x\"]\nat = [\"25:00\"]", "HH:MM"),
            ("playlist = [\"x\"]\nat = [\"20:00\"]\non_demand = true", "can't run on demand"),
            ("playlist = [\"x y\"]", "playlist: the name \"x y\""),
            ("ts = \"udp://x\"", "no port"),
            ("sdp = \"/no/such/file\"", "/no/such/file: No such file"),
            ("push = true\ngrace_s = 3601", "0 to 3600"),
            ("push = true\nwindow_s = 604801", "0 (no time shift) to 604800"),
            ("push = true\nmulticast = { group = \"10.0.0.1\" }", "10.0.0.1 is no group"),
            ("push = true\nmulticast = { port = 5005 }", "it must be even"),
            ("push = true\nmulticast = { ttl = 0 }", "1 to 255"),
            ("push = true\nmulticast = { source = \"239.0.0.1\" }", "can't be the source"),
            ("push = true\n[[channel]]\nname = \"a\"\npush = true", "channel a: two have this name"),
            ("push = true\n[[channel]]\nname = \"a b\"\npush = true", "a-b"),
            ("psh = true", "psh"),
        ] {
            let error = channel(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
