//! What is kept of a channel: its name, what feeds it, how it goes out.
//!
//! - [`ChannelSettings`]: all of it, as an operator gave it
//! - [`Feed`]: where its media comes from
//! - [`MulticastSettings`]: the group that it goes to, besides those who ask for it alone
//! - [`TimeOfDay`]: when a playlist begins

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Seconds that a feed that has gone is waited for, where nothing else is said.
pub const USUAL_GRACE_S: u32 = 10;
/// Hops that multicast packets go, where nothing else is said: a site's own network (as much as most servers send).
pub const USUAL_TTL: u8 = 16;

/// A channel as an operator wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSettings {
    /// As in its URL; by the rules of [`crate::ingest::name`], and no film's.
    pub name: String,
    /// For people.
    pub title: String,
    /// Where its media comes from.
    pub feed: Feed,
    /// It is fed only while somebody watches.
    pub on_demand: bool,
    /// A second feed takes the first one's place; else it is refused.
    pub takes_over: bool,
    /// Seconds that a feed that has gone is waited for.
    pub grace_s: u32,
    /// `None`: unicast only.
    pub multicast: Option<MulticastSettings>,
    /// Seconds that are kept for time shift; 0: none.
    pub window_s: u32,
    /// When it was added, seconds since 1970.
    pub created: i64,
}

/// Where a channel's media comes from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Feed {
    /// Somebody brings it, with ANNOUNCE and RECORD.
    Push,
    /// It is fetched from an RTSP server.
    Pull {
        /// The first that answers; the others are its fall-backs.
        urls: Vec<String>,
        /// Who we are there.
        user: Option<String>,
        /// In clear: the other server asks for it.
        password: Option<String>,
        /// Over UDP rather than within the RTSP connection.
        udp: bool,
    },
    /// A transport stream over UDP or RTP.
    Ts {
        /// `udp://` or `rtp://`.
        url: String,
    },
    /// RTP as an SDP file says.
    Sdp {
        /// The file's text.
        text: String,
    },
    /// Films one after the other.
    Playlist {
        /// Their names.
        films: Vec<String>,
        /// From the start again after the last.
        #[serde(rename = "loop")]
        looped: bool,
        /// When it begins, every day, by the front's local time; empty: at once.
        at: Vec<TimeOfDay>,
    },
}

impl Feed {
    /// As in commands and configuration: `push`, `pull`, `ts`, `sdp`, `playlist`.
    pub fn kind(&self) -> &'static str {
        match self {
            Feed::Push => "push",
            Feed::Pull { .. } => "pull",
            Feed::Ts { .. } => "ts",
            Feed::Sdp { .. } => "sdp",
            Feed::Playlist { .. } => "playlist",
        }
    }

    /// For people, in one line, without passwords.
    pub fn describe(&self) -> String {
        match self {
            Feed::Push => "push".to_owned(),
            Feed::Pull { urls, udp, .. } => {
                format!("pull {}{}", urls.join(", else "), if *udp { " over UDP" } else { "" })
            }
            Feed::Ts { url } => format!("ts {url}"),
            Feed::Sdp { .. } => "RTP by an SDP file".to_owned(),
            Feed::Playlist { films, looped, at } => {
                let at: Vec<String> = at.iter().map(TimeOfDay::to_string).collect();
                let at = if at.is_empty() { String::new() } else { format!(", daily at {}", at.join(", ")) };
                format!("playlist {}{}{at}", films.join(", "), if *looped { ", over and over" } else { "" })
            }
        }
    }
}

impl fmt::Debug for Feed {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

/// The multicast group of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MulticastSettings {
    /// `None`: a free one of the configured ranges.
    pub group: Option<IpAddr>,
    /// The first track's RTP port, even; each further port pair belongs to the next track. `None`: a free one.
    pub port: Option<u16>,
    /// Hops.
    pub ttl: u8,
    /// By name or address; `None`: as the system routes.
    pub interface: Option<String>,
    /// The only source that is announced (source-specific multicast), an address of this machine; `None`: any.
    pub source: Option<IpAddr>,
    /// As one transport stream rather than a stream for each track.
    pub mp2t: bool,
    /// Sent whether anybody has asked by RTSP or not.
    pub always: bool,
}

impl Default for MulticastSettings {
    fn default() -> Self {
        Self { group: None, port: None, ttl: USUAL_TTL, interface: None, source: None, mp2t: false, always: false }
    }
}

/// A time of day by the local clock, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    hour: u8,
    minute: u8,
}

impl TimeOfDay {
    /// Seconds since midnight.
    pub fn seconds(self) -> u32 {
        u32::from(self.hour) * 3600 + u32::from(self.minute) * 60
    }
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str, below: u8| {
            let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number: &u8| digits && *number < below)
        };
        let parsed = text.split_once(':').and_then(|(hour, minute)| {
            Some(Self { hour: number(hour, 24)?, minute: number(minute, 60).filter(|_| minute.len() == 2)? })
        });
        parsed.ok_or_else(|| format!("{text:?} is no time of day; it is written HH:MM, from 00:00 to 23:59"))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_read_and_written() {
        for (text, seconds) in [("00:00", 0), ("7:05", 25_500), ("20:15", 72_900), ("23:59", 86_340)] {
            let time: TimeOfDay = text.parse().unwrap();
            assert_eq!(time.seconds(), seconds, "{text}");
            assert_eq!(time.to_string().parse::<TimeOfDay>().unwrap(), time);
        }
        for text in ["", "24:00", "12:60", "12", "12:5", "+1:00", "1:+1", "12:00:00", "123:00", "ab:cd"] {
            let error = text.parse::<TimeOfDay>().unwrap_err();
            assert!(error.contains("HH:MM"), "{error}");
        }
    }

    #[test]
    fn feeds_are_told_to_people_without_their_passwords() {
        let password = Some("secret".to_owned());
        let pull = Feed::Pull { urls: vec!["rtsp://a/b".into(), "rtsp://c/d".into()], user: None, password, udp: true };
        let at = vec!["20:15".parse().unwrap()];
        let playlist = Feed::Playlist { films: vec!["a".into(), "b".into()], looped: true, at };
        for (feed, json, words) in [
            (&Feed::Push, r#"{"kind":"push"}"#, "push"),
            (
                &pull,
                r#"{"kind":"pull","urls":["rtsp://a/b","rtsp://c/d"],"user":null,"password":"secret","udp":true}"#,
                "pull rtsp://a/b, else rtsp://c/d over UDP",
            ),
            (
                &playlist,
                r#"{"kind":"playlist","films":["a","b"],"loop":true,"at":["20:15"]}"#,
                "playlist a, b, over and over, daily at 20:15",
            ),
        ] {
            assert_eq!(serde_json::to_string(feed).unwrap(), json);
            assert_eq!(&serde_json::from_str::<Feed>(json).unwrap(), feed);
            assert_eq!((feed.describe(), format!("{feed:?}")), (words.to_owned(), words.to_owned()));
        }
        assert!(serde_json::from_str::<Feed>(r#"{"kind":"playlist","films":[],"loop":false,"at":["25:00"]}"#).is_err());
    }
}
