//! SETUP (RFC 2326 section 10.4).

use super::describe::not_modified;
use super::{Connection, Outcome, Refusal, Server, Step, Target, v2};
use crate::channel::Watching;
use crate::headers::{Addresses, Blocksize, Delivery, Lower, Pair, SessionField, Transport};
use crate::message::{Method, Request, StatusCode, reply};
use crate::sdp;
use crate::session::{Delivered, Notify, Opened, Session, SessionId, SessionTable, SetUp};
use crate::worker::Destination;
use catalog::index::Index;
use rtsp_types::headers::{BANDWIDTH, BLOCKSIZE, HeaderName, IF_MATCH, SESSION, TRANSPORT, USER_AGENT};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use super::connection::MAX_SESSIONS_OF_CONNECTION;

impl Server {
    /// A track more in a session, or a question about the presentation of a new one.
    pub(super) fn setup(
        &self,
        connection: &mut Connection,
        request: &Request,
        target: Target,
        session: Option<SessionId>,
        now: Instant,
    ) -> Outcome {
        transports(request)?;
        v2::check_ranges(request)?;
        let Target::Presentation { name, .. } = target else {
            return Err(Refusal::new(StatusCode::NotFound, "the URL names no presentation"));
        };
        let Some(id) = session else { return Ok(Step::Open(name)) };
        let mut sessions = self.sessions();
        let session = sessions.get(&id).ok_or_else(Refusal::no_session)?;
        if session.name != name {
            return Err(Refusal::new(
                StatusCode::AggregateOperationNotAllowed,
                format!("the session is about {}, not {name}", session.name),
            ));
        }
        if session.state().after(&Method::Setup).is_none() {
            return Err(Refusal::wrong_state("OPTIONS, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER"));
        }
        let index = session.index.clone();
        matches(request, &index)?;
        let track = which_track(request, &index)?;
        self.set_up(connection, request, &mut sessions, &id, &index, &track, now)
    }

    /// The first track of a session that is made for it; a refusal leaves nothing behind.
    pub(super) fn setup_new(
        &self,
        connection: &mut Connection,
        request: &Request,
        opened: Opened,
        now: Instant,
    ) -> Outcome {
        let index = opened.index().clone();
        let Ok(Target::Presentation { name, .. }) = Target::parse(&request.uri) else {
            return Err(Refusal::new(StatusCode::NotFound, "the URL names no presentation"));
        };
        matches(request, &index)?;
        if not_modified(request, &index) {
            return Ok(Step::done(reply(StatusCode::NotModified)));
        }
        let track = which_track(request, &index)?;
        let opened = match opened {
            Opened::Channel(watching) => Opened::Channel(in_small_packets(request, watching)?),
            film => film,
        };
        let mut sessions = self.sessions();
        self.keep(connection, &sessions);
        if connection.sessions().count() >= MAX_SESSIONS_OF_CONNECTION {
            return Err(Refusal::new(StatusCode::NotEnoughBandwidth, "too many sessions on one connection"));
        }
        let created = sessions.create(name, opened, self.media.assign(), now);
        let id = created.ok_or_else(|| Refusal::new(StatusCode::NotEnoughBandwidth, "too many sessions"))?;
        if let Some(session) = sessions.get(&id) {
            session.user.clone_from(&connection.user);
        }
        let outcome = self.set_up(connection, request, &mut sessions, &id, &index, &track, now);
        match &outcome {
            Ok(_) => {
                v2::bind(connection, request, &id);
                if let Some(session) = sessions.get(&id).filter(|_| v2::speaks(request)) {
                    let (outbox, uri) = (connection.outbox.clone(), request.uri.clone());
                    let uri = match Target::parse(&uri) {
                        Ok(Target::Presentation { base, .. }) => base,
                        _ => uri,
                    };
                    session.notify = Some(Notify { outbox, uri, play: None, asked: 0 });
                }
                connection.speaks_of(id);
                connection.described = None;
            }
            Err(_) => drop(sessions.remove(&id)),
        }
        outcome
    }

    /// Lets the connection forget what is gone.
    fn keep(&self, connection: &mut Connection, sessions: &SessionTable) {
        let publications = self.publications();
        connection.keep(|id| sessions.contains(id) || publications.contains(id));
    }

    #[expect(clippy::too_many_arguments, reason = "two callers, each with all of it at hand")]
    fn set_up(
        &self,
        connection: &mut Connection,
        request: &Request,
        sessions: &mut SessionTable,
        id: &SessionId,
        index: &Index,
        what: &What,
        now: Instant,
    ) -> Outcome {
        let blocksize = blocksize(request)?;
        bandwidth(request, index, what)?;
        self.keep(connection, sessions);
        let ssrc = sessions.ssrc();
        let session = sessions.get(id).ok_or_else(Refusal::no_session)?;
        session.touch(now);
        if let Some(Blocksize(bytes)) = blocksize {
            session.wants_blocksize(bytes);
        }
        session.live555 |= request.headers.get(USER_AGENT).is_some_and(|agent| agent.contains(LIVE555));
        let elsewhere = session.carrier().is_some_and(|carrier| carrier != connection.id);
        let server_port = self.media.ports(session.worker);
        let asked = transports(request)?;
        if v2::speaks(request) && asked.iter().any(|asked| sends_elsewhere(asked, connection.viewer_address())) {
            return Err(Refusal::new(StatusCode::DestinationProhibited, "packets go to the asker only"));
        }
        let alone = |asked: Transport, connection: &mut Connection| match asked.lower {
            // By RFC 7826 C.2.2 that would be a connection of its own.
            Lower::Tcp if v2::speaks(request) && asked.interleaved.is_none() => None,
            // Asked for where it has no meaning: in 1.0's words, or with channels, which cost nothing.
            _ if asked.rtcp_mux && asked.dest_addr.is_none() => None,
            Lower::Udp if asked.dest_addr.is_some() => {
                agree_addresses(&asked, connection.viewer_address(), connection.local.ip(), server_port)
            }
            Lower::Udp => agree_udp(&asked, connection.viewer_address(), server_port),
            // Packets of one session on two connections would end with either.
            Lower::Tcp if elsewhere => None,
            Lower::Tcp => match what {
                What::Tracks(tracks) => {
                    let first = tracks.first().copied().unwrap_or_default();
                    agree_tcp(&asked, connection, id, first)
                }
                // Nothing is ever sent on it, but players that set up every line stop at a refusal.
                What::Retransmission => agree_tcp(&asked, connection, id, RETRANSMISSION),
            },
        };
        let agreed = asked.into_iter().find_map(|asked| match (asked.delivery, what) {
            (Some(Delivery::Multicast), What::Tracks(tracks)) => {
                let track = tracks.first().filter(|_| tracks.len() == 1)?;
                let (transport, hold) = self.agree_group(&asked, session, *track, v2::speaks(request))?;
                Some((transport, Delivered::Group(Arc::new(hold))))
            }
            _ => alone(asked, connection).map(|(transport, to)| (transport, Delivered::Alone(to))),
        });
        let Some((mut transport, delivered)) = agreed else {
            return Err(Refusal::new(
                StatusCode::UnsupportedTransport,
                "RTP/AVP;unicast;client_port=a-b to the own address or RTP/AVP/TCP;unicast;interleaved=a-b can be had",
            ));
        };
        transport.mode = vec!["PLAY".into()];
        if let What::Tracks(tracks) = what {
            let ssrc = source(session, tracks, &delivered).unwrap_or(ssrc);
            // 12.39: it is for unicast only.
            transport.ssrc = matches!(delivered, Delivered::Alone(_)).then_some(ssrc);
            let carried = matches!(delivered, Delivered::Alone(Destination::Interleaved { .. }));
            let carrier = carried.then_some(connection.id);
            for &track in tracks {
                if carrier.is_none() {
                    connection.free_channels(id, track);
                }
                let (url, delivered) = (request.uri.clone(), delivered.clone());
                let payload_type = sdp::payload_type(index, track);
                session.set_up(SetUp { track, url, ssrc, payload_type, delivered }, carrier);
            }
        }
        tracing::info!(session = %id, presentation = session.name, ?what, %transport, "set up");
        let timeout = u32::try_from(self.options.timeout.as_secs()).ok();
        let mut reply = reply(StatusCode::Ok);
        reply.insert_header(SESSION, SessionField { id: id.to_string(), timeout }.to_string());
        reply.insert_header(TRANSPORT, transport.to_string());
        if v2::speaks(request) {
            v2::say_media(&mut reply, session);
        }
        Ok(Step::done(reply))
    }
}

/// The alternatives that are understood, in the viewer's order.
fn transports(request: &Request) -> Result<Vec<Transport>, Box<Refusal>> {
    const NAME: HeaderName = TRANSPORT;
    let Some(list) = request.headers.list(NAME) else {
        return Err(Refusal::new(StatusCode::BadRequest, "SETUP without Transport"));
    };
    let alternatives = match v2::speaks(request) {
        true => Transport::parse_strict_list(&list),
        false => Transport::parse_list(&list),
    };
    Ok(alternatives.into_iter().flatten().collect())
}

/// RFC 2326 12.22: the description that the viewer has must still be good.
fn matches(request: &Request, index: &Index) -> Result<(), Box<Refusal>> {
    let Some(tags) = request.headers.list(IF_MATCH) else { return Ok(()) };
    let tag = sdp::entity_tag(index);
    match tags.split(',').map(str::trim).any(|given| given == "*" || given == tag) {
        true => Ok(()),
        false => Err(Refusal::new(StatusCode::PreconditionFailed, "the description has changed")),
    }
}

/// A channel's packets are made once for all: who wants smaller ones says so by the first SETUP. A group's are what they
/// are, and who can go back in time has small ones only then.
fn in_small_packets(request: &Request, watching: Watching) -> Result<Watching, Box<Refusal>> {
    let Some(Blocksize(bytes)) = blocksize(request)? else { return Ok(watching) };
    let group = |asked: &Transport| asked.delivery == Some(Delivery::Multicast);
    if watching.window.is_some() || transports(request)?.iter().any(group) {
        return Ok(watching);
    }
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    Ok(watching.channel.in_packets_of(&watching.live, bytes).unwrap_or(watching))
}

/// RFC 2326 12.7; 416 is what it says, though its list of codes knows none such.
pub(super) fn blocksize(request: &Request) -> Result<Option<Blocksize>, Box<Refusal>> {
    const INVALID_BLOCKSIZE: u16 = 416;
    let Some(field) = request.headers.get(BLOCKSIZE) else { return Ok(None) };
    let blocksize = Blocksize::parse(field);
    blocksize.map(Some).map_err(|error| Refusal::new(StatusCode::from(INVALID_BLOCKSIZE), error.to_string()))
}

/// RFC 2326 12.6: what the viewer's line takes, bits per second.
fn bandwidth(request: &Request, index: &Index, what: &What) -> Result<(), Box<Refusal>> {
    let Some(field) = request.headers.get(BANDWIDTH) else { return Ok(()) };
    let takes: u64 = field.parse().map_err(|_| Refusal::bad("Bandwidth: no number of bits per second"))?;
    let What::Tracks(tracks) = what else { return Ok(()) };
    let needs =
        tracks.iter().filter_map(|track| index.tracks.get(*track)).map(|track| u64::from(track.average_bps)).sum();
    match takes < needs {
        true => Err(Refusal::new(StatusCode::NotEnoughBandwidth, format!("it needs {needs} bit/s, not {takes}"))),
        false => Ok(()),
    }
}

/// In the name of every player that has live555's client, VLC's above all, which ends a track at once at its goodbye.
const LIVE555: &str = "LIVE555";

/// What channels for what is lost are taken for: no track has so high a number.
const RETRANSMISSION: usize = usize::MAX;

/// What a control URL names.
#[derive(Debug)]
enum What {
    /// By their places in the index: one, or all that travel in ASF packets as one source.
    Tracks(Vec<usize>),
    /// What is lost of those sent again, if we did that.
    Retransmission,
}

/// The SSRC of `tracks`: a channel's are the same for all; else a track keeps its own when its transport changes, and ASF tracks on one port of the viewer's
/// are one source: ffmpeg reads all that comes there as one.
fn source(session: &Session, tracks: &[usize], delivered: &Delivered) -> Option<u32> {
    let first = *tracks.first()?;
    if let Some(watching) = &session.watching {
        return watching.live.sources.get(first).map(|source| source.ssrc);
    }
    let own = session.track(first).map(|before| before.ssrc);
    let is_asf = |track: usize| session.index.tracks.get(track).is_some_and(sdp::is_asf);
    let port = |delivered: &Delivered| match delivered {
        Delivered::Alone(Destination::Udp { rtp, .. }) => Some(*rtp),
        _ => None,
    };
    let asked = port(delivered);
    let same_port = |other: &&SetUp| asked.is_some() && port(&other.delivered) == asked && is_asf(other.track);
    let shared = || session.tracks().iter().find(same_port).filter(|_| is_asf(first)).map(|other| other.ssrc);
    shared().or(own)
}

/// The place in the index; the presentation's own URL will do where it has but one track (RFC 2326 14.3).
fn which_track(request: &Request, index: &Index) -> Result<What, Box<Refusal>> {
    let asf = || index.tracks.iter().enumerate().filter(|(_, track)| sdp::is_asf(track)).map(|(position, _)| position);
    match Target::parse(&request.uri) {
        Ok(Target::Presentation { track: Some(sdp::ALL), .. }) if sdp::has_asf(index) => {
            Ok(What::Tracks(asf().collect()))
        }
        Ok(Target::Presentation { track: Some(sdp::RETRANSMISSION), .. }) if sdp::has_asf(index) => {
            Ok(What::Retransmission)
        }
        Ok(Target::Presentation { track: Some(id), .. }) => index
            .tracks
            .iter()
            .position(|track| track.id == id)
            .map(|track| What::Tracks(vec![track]))
            .ok_or_else(|| Refusal::new(StatusCode::NotFound, format!("no track {id}"))),
        _ if index.tracks.len() == 1 => Ok(What::Tracks(vec![0])),
        _ => Err(Refusal::new(StatusCode::AggregateOperationNotAllowed, "set up its tracks one by one")),
    }
}

/// Datagrams to the viewer's own address and nobody else's: a server that sends wherever it is told to is a
/// weapon (RFC 2326 section 16).
fn agree_udp(asked: &Transport, viewer: IpAddr, server_port: (u16, u16)) -> Option<(Transport, Destination)> {
    let ports = asked.client_port?;
    if !asked.plays() || asked.delivery == Some(Delivery::Multicast) || asked.append {
        return None;
    }
    if let Some(destination) = asked.destination.as_deref().filter(|destination| !destination.is_empty())
        && destination.parse::<IpAddr>().ok().map(|address| address.to_canonical()) != Some(viewer)
    {
        tracing::warn!(destination, %viewer, "packets to a third party were asked for");
        return None;
    }
    let to = |port| SocketAddr::new(viewer, port);
    let transport = Transport {
        client_port: Some(ports),
        server_port: Some(Pair { rtp: server_port.0, rtcp: server_port.1 }),
        ..Transport::unicast(Lower::Udp)
    };
    Some((transport, Destination::Udp { rtp: to(ports.rtp), rtcp: to(ports.rtcp) }))
}

/// Whether RTSP 2.0's addresses name a third party.
fn sends_elsewhere(asked: &Transport, viewer: IpAddr) -> bool {
    if asked.delivery == Some(Delivery::Multicast) {
        // Only our own group is agreed to.
        return false;
    }
    let host = asked.dest_addr.as_ref().map(|addresses| addresses.host.as_str()).filter(|host| !host.is_empty());
    host.is_some_and(|host| host.parse::<IpAddr>().ok().map(|address| address.to_canonical()) != Some(viewer))
}

/// The same in RTSP 2.0's words.
fn agree_addresses(
    asked: &Transport,
    viewer: IpAddr,
    local: IpAddr,
    server_port: (u16, u16),
) -> Option<(Transport, Destination)> {
    let mut ports = asked.dest_addr.as_ref()?.ports;
    let mut server_port = Pair { rtp: server_port.0, rtcp: server_port.1 };
    // RFC 7826 C.1.6.4: both by the first.
    if asked.rtcp_mux {
        (ports.rtcp, server_port.rtcp) = (ports.rtp, server_port.rtp);
    }
    if !asked.plays() || asked.delivery == Some(Delivery::Multicast) {
        return None;
    }
    let to = |port| SocketAddr::new(viewer, port);
    let addresses = |host: IpAddr, ports| Some(Addresses { host: host.to_canonical().to_string(), ports });
    let transport = Transport {
        dest_addr: addresses(viewer, ports),
        src_addr: addresses(local, server_port),
        rtcp_mux: asked.rtcp_mux,
        ..Transport::unicast(Lower::Udp)
    };
    Some((transport, Destination::Udp { rtp: to(ports.rtp), rtcp: to(ports.rtcp) }))
}

fn agree_tcp(
    asked: &Transport,
    connection: &mut Connection,
    session: &SessionId,
    track: usize,
) -> Option<(Transport, Destination)> {
    if !asked.plays() || asked.delivery == Some(Delivery::Multicast) || asked.append {
        return None;
    }
    let channels = connection.take_channels(session, track, asked.interleaved)?;
    let outbox = connection.outbox.clone();
    let transport = Transport { interleaved: Some(channels), ..Transport::unicast(Lower::Tcp) };
    Some((transport, Destination::Interleaved { outbox, rtp_channel: channels.rtp, rtcp_channel: channels.rtcp }))
}
