//! Where a channel's group is, and its description (RFC 4566).

use super::ranges::PAIRS;
use crate::{channel::Live, sdp as session};
use ::sdp::{
    SessionDescription,
    description::{
        common::{Address, ConnectionInformation},
        session::{Origin, TimeDescription, Timing},
    },
};
use std::{
    net::{IpAddr, SocketAddr},
    time::SystemTime,
};

/// Where a channel's group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupAddress {
    /// The group.
    pub group: IpAddr,
    /// RTP of the first track: even.
    pub port: u16,
    /// Routers that its packets may pass, plus one.
    pub ttl: u8,
    /// From where its packets come.
    pub source: IpAddr,
    /// Receivers are to take packets from there alone.
    pub source_specific: bool,
}

/// Where a track's packets and reports go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackAddress {
    /// RTP.
    pub rtp: SocketAddr,
    /// RTCP: the next port.
    pub rtcp: SocketAddr,
}

impl GroupAddress {
    /// Those of a track, by its place in the index; `None` beyond the ports that a group has.
    pub fn track(&self, track: usize) -> Option<TrackAddress> {
        let pair = u16::try_from(track).ok().filter(|pair| *pair < PAIRS)?;
        let rtp = self.port.checked_add(2 * pair)?;
        let rtcp = rtp.checked_add(1)?;
        Some(TrackAddress { rtp: SocketAddr::new(self.group, rtp), rtcp: SocketAddr::new(self.group, rtcp) })
    }

    /// The group's description for those who come to it without RTSP: by HTTP, SAP or a file. Tracks beyond the ports
    /// that a group has are left out.
    pub fn describe(&self, live: &Live) -> String {
        self.description(live, false)
    }

    /// The same for those who set it up by RTSP, and look for the group here.
    pub fn describe_for_setup(&self, live: &Live) -> String {
        self.description(live, true)
    }

    fn description(&self, live: &Live, set_up: bool) -> String {
        let kind = |address: IpAddr| if address.is_ipv4() { "IP4" } else { "IP6" };
        let index = &live.index;
        let tracks = index.tracks.iter().enumerate().filter_map(|(position, track)| {
            let port = self.track(position)?.rtp.port();
            let mut media =
                session::media(track, track.id, session::payload_type(index, position), session::Dialect::Any);
            media.media_name.port.value = isize::try_from(port).ok()?;
            if !set_up {
                media.attributes.retain(|attribute| attribute.key != "control");
            }
            Some(media)
        });
        let mut attributes = vec![session::attribute("tool", crate::message::SERVER)];
        if set_up {
            attributes.push(session::attribute("control", "*"));
            attributes.push(session::attribute("range", "npt=now-"));
        }
        if self.source_specific {
            let filter = format!(" incl IN {} {} {}", kind(self.group), self.group, self.source);
            attributes.push(session::attribute("source-filter", &filter));
        }
        let version = live.began_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let description = SessionDescription {
            version: 0,
            origin: Origin {
                username: "-".into(),
                // Another front may send a channel of the same name to another group.
                session_id: session::session_id(&format!("{} {} {}", index.name, self.group, self.port)),
                session_version: u64::try_from(version).unwrap_or(0),
                network_type: "IN".into(),
                address_type: kind(self.source).into(),
                unicast_address: self.source.to_string(),
            },
            session_name: session::title(index),
            connection_information: Some(ConnectionInformation {
                network_type: "IN".into(),
                address_type: kind(self.group).into(),
                // A TTL is for IPv4 alone (5.7).
                address: Some(Address {
                    address: self.group.to_string(),
                    ttl: self.group.is_ipv4().then_some(isize::from(self.ttl)),
                    range: None,
                }),
            }),
            time_descriptions: vec![TimeDescription {
                timing: Timing { start_time: 0, stop_time: 0 },
                repeat_times: Vec::new(),
            }],
            attributes,
            media_descriptions: tracks.collect(),
            ..SessionDescription::default()
        };
        description.marshal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        channel::{Channel, ChannelOptions},
        multicast::{fake::tracks, ranges::is_source_specific},
    };
    use std::time::Instant;

    #[test]
    fn a_description_says_group_ttl_ports_and_source() {
        let cases: &[(&str, &str, &[&str], &str)] = &[
            (
                "239.255.1.2",
                "10.0.0.1",
                &["o=- ", "s=news", "c=IN IP4 239.255.1.2/7", "t=0 0", "a=tool:mobidic"],
                "IN IP4 10.0.0.1",
            ),
            (
                "232.1.1.2",
                "10.0.0.1",
                &[
                    "o=- ",
                    "s=news",
                    "c=IN IP4 232.1.1.2/7",
                    "t=0 0",
                    "a=tool:mobidic",
                    "a=source-filter: incl IN IP4 232.1.1.2 10.0.0.1",
                ],
                "IN IP4 10.0.0.1",
            ),
            (
                "ff35::8000:2",
                "fd00::1",
                &[
                    "o=- ",
                    "s=news",
                    "c=IN IP6 ff35::8000:2",
                    "t=0 0",
                    "a=tool:mobidic",
                    "a=source-filter: incl IN IP6 ff35::8000:2 fd00::1",
                ],
                "IN IP6 fd00::1",
            ),
        ];
        let channel = Channel::new("news", ChannelOptions::default());
        let feeder = channel.feed(tracks(), Instant::now()).unwrap();
        let live = channel.live().unwrap();
        for (group, source, session, origin) in cases {
            let (group, source) = (group.parse().unwrap(), source.parse().unwrap());
            let source_specific = is_source_specific(group);
            let address = GroupAddress { group, port: 20_000, ttl: 7, source, source_specific };
            let text = address.describe(&live);
            let media = [
                "m=video 20000 RTP/AVP 96",
                "b=AS:2000",
                "a=rtpmap:96 MP4V-ES/90000",
                "m=audio 20002 RTP/AVP 0",
                "b=AS:128",
                "a=rtpmap:0 PCMU/8000",
            ];
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("a=fmtp")).collect();
            let expected: Vec<&str> = ["v=0"].iter().chain(*session).chain(&media).copied().collect();
            assert_eq!(lines.len(), expected.len(), "{text}");
            for (line, start) in lines.iter().zip(&expected) {
                assert!(line.starts_with(start), "{line} is not {start}");
            }
            assert!(lines[1].ends_with(origin), "{text}");
            let to_set_up = address.describe_for_setup(&live);
            let added: Vec<&str> = to_set_up.lines().filter(|line| !text.contains(line)).collect();
            assert_eq!(added, ["a=control:*", "a=range:npt=now-", "a=control:track1", "a=control:track2"]);
        }
        drop(feeder);
    }

    #[test]
    fn tracks_have_pairs_of_ports_as_far_as_there_are_any() {
        let (group, source) = ([239, 255, 0, 1].into(), [10, 0, 0, 1].into());
        let address = GroupAddress { group, port: 65_530, ttl: 1, source, source_specific: false };
        let ports = |track| address.track(track).map(|track| (track.rtp.port(), track.rtcp.port()));
        assert_eq!(
            [ports(0), ports(1), ports(2), ports(3)],
            [Some((65_530, 65_531)), Some((65_532, 65_533)), Some((65_534, 65_535)), None]
        );
        let low = GroupAddress { port: 5000, ..address };
        assert!(low.track(7).is_some() && low.track(8).is_none());
    }
}
