//! Channels by multicast: SETUP and PLAY of a group that others receive too, and its description by HTTP.

use super::play::rtp_info;
use super::{Outcome, Refusal, Server, Step, Target, v2};
use crate::auth::Verdict;
use crate::channel::Watching;
use crate::headers::{Addresses, Delivery, Lower, Pair, SeekStyle, Transport};
use crate::message::{Request, StatusCode, reply};
use crate::multicast::net::{Caster, Group, Hold};
use crate::playback::{Rate, TrackInfo};
use crate::session::{Delivered, Session};
use rtp::clock::MediaTime;
use rtsp_types::headers::{RANGE, RTP_INFO};
use std::net::IpAddr;
use std::time::Instant;

/// Where channels' groups are looked up.
pub trait Groups: Send + Sync + 'static {
    /// The group of the channel of that name, if it has one.
    fn group(&self, channel: &str) -> Option<Group>;
    /// That of what somebody watches, if it is sent in that form.
    fn group_of(&self, watching: &Watching) -> Option<Group>;
}

impl Groups for Caster {
    fn group(&self, channel: &str) -> Option<Group> {
        Caster::group(self, channel)
    }

    fn group_of(&self, watching: &Watching) -> Option<Group> {
        Caster::group_of(self, watching)
    }
}

/// What answers a GET of a group's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Description {
    /// The SDP.
    Found(String),
    /// No channel of that name, or it is sent to no group.
    NotFound,
    /// Name and password are asked for, with these challenges.
    Unauthorized(Vec<String>),
    /// Too many wrong passwords.
    Forbidden,
    /// The URL or its credentials can't be read.
    Bad,
}

/// A channel has no end.
const ENDLESS: MediaTime = MediaTime(i64::MAX);

/// What ends the path of a description.
const SUFFIX: &str = ".sdp";

impl Server {
    /// What answers an HTTP GET or HEAD of `/NAME.sdp`: the description of the group that the channel is sent to, for
    /// whoever may DESCRIBE it.
    pub fn group_description(&self, get: &Request, peer: IpAddr, secure: bool, now: Instant) -> Description {
        let name = match Target::parse(&format!("rtsp://host{}", get.uri)) {
            _ if !get.uri.starts_with('/') => return Description::Bad,
            Ok(Target::Presentation { name, track: None, .. }) => name,
            Ok(_) => return Description::NotFound,
            Err(_) => return Description::Bad,
        };
        if let Some(auth) = &self.rules.auth {
            match auth.judge(get, peer.to_canonical(), secure, now) {
                Verdict::Open | Verdict::User(_) => {}
                Verdict::Ask { stale } => return Description::Unauthorized(auth.challenges(stale, secure, now)),
                Verdict::Wait => return Description::Forbidden,
                Verdict::Bad(_) => return Description::Bad,
            }
        }
        let group = name.strip_suffix(SUFFIX).and_then(|channel| self.rules.groups.as_ref()?.group(channel));
        group.and_then(|group| group.description()).map_or(Description::NotFound, Description::Found)
    }

    /// The group of the session's channel, if that is what is asked for, and its destination, if one is, is no other.
    pub(super) fn agree_group(
        &self,
        asked: &Transport,
        session: &Session,
        track: usize,
        of_v2: bool,
    ) -> Option<(Transport, Hold)> {
        // A film is played for each viewer alone.
        let watching = session.watching.as_ref()?;
        if asked.delivery != Some(Delivery::Multicast) || asked.lower != Lower::Udp || !asked.plays() || asked.append {
            return None;
        }
        let group = self.rules.groups.as_ref()?.group_of(watching)?;
        let address = *group.address();
        let said = asked.dest_addr.as_ref().map(|addresses| &addresses.host).or(asked.destination.as_ref());
        let other = |host: &String| !host.is_empty() && host.parse() != Ok(address.group);
        if said.is_some_and(other) {
            return None;
        }
        let to = address.track(track)?;
        let ports = Pair { rtp: to.rtp.port(), rtcp: to.rtcp.port() };
        let mut transport = Transport { delivery: Some(Delivery::Multicast), ..Transport::unicast(Lower::Udp) };
        transport.ttl = Some(address.ttl);
        match of_v2 {
            true => transport.dest_addr = Some(Addresses { host: address.group.to_string(), ports }),
            false => {
                transport.destination = Some(address.group.to_string());
                transport.port = Some(ports);
                transport.source = address.source_specific.then(|| address.source.to_string());
            }
        }
        Some((transport, group.hold()))
    }
}

/// Whether nothing of a session is sent to its viewer alone.
pub(super) fn is_group(session: &Session) -> bool {
    !session.tracks().is_empty() && session.tracks().iter().all(|track| matches!(track.delivered, Delivered::Group(_)))
}

/// PLAY of a session that only has groups: they run anyway, and are joined where they stand (RFC 2326 14.4).
pub(super) fn play(request: &Request, session: &mut Session, now: Instant) -> Outcome {
    let Some(watching) = &session.watching else { return Err(Refusal::no_session()) };
    let (channel, live) = (watching.channel.clone(), watching.live.clone());
    let Some(newest) = channel.newest(&live) else {
        return Err(Refusal::new(StatusCode::ServiceUnavailable, "the channel has ended"));
    };
    let position = live.position(now);
    let info: Vec<TrackInfo> = (0..)
        .zip(newest.next_sequences)
        .map(|(track, sequence)| TrackInfo { track, sequence, timestamp: live.timestamp(track, position) })
        .collect();
    session.played(position, ENDLESS, Rate::NORMAL, now);
    let mut reply = reply(StatusCode::Ok);
    reply.insert_header(RANGE, super::live::said_range(request, position).to_string());
    let info = rtp_info(session, &info);
    let text = if v2::speaks(request) { v2::rtp_info(session, &info) } else { info.to_string() };
    reply.insert_header(RTP_INFO, text);
    if v2::speaks(request) {
        v2::say_play(&mut reply, session, SeekStyle::default());
    }
    Ok(Step::done(reply))
}
