//! What a publisher asks in its session: SETUP, RECORD, PAUSE, TEARDOWN (RFC 2326 sections 10.4, 10.11 and A.2).

use super::{Connection, Outcome, Refusal, Server, Step, options};
use crate::feed::push::{Inlet, Publication, PublicationState};
use crate::feed::receive::{ReportWay, TrackSockets};
use crate::headers::{Delivery, Lower, Pair, SessionField, Transport};
use crate::message::{Method, Request, StatusCode, reply};
use crate::session::SessionId;
use bytes::Bytes;
use rtsp_types::headers::{SESSION, TRANSPORT};
use std::net::SocketAddr;
use std::time::Instant;

impl Server {
    /// The answer, where the request names a publisher's session.
    pub(super) fn publish(&self, connection: &mut Connection, request: &Request, now: Instant) -> Option<Outcome> {
        let field = request.headers.get(SESSION).and_then(|field| SessionField::parse(field).ok())?;
        let id = SessionId::new(field.id);
        let mut publications = self.publications();
        let publication = publications.get(&id)?;
        // An id that somebody has overheard is of no use to it.
        if publication.user != connection.user {
            return Some(Err(Refusal::no_session()));
        }
        publication.touch(now);
        connection.speaks_of(id.clone());
        let state = publication.state();
        let outcome = match (&request.method, state) {
            (Method::Options, _) => Ok(options(request, true)),
            (Method::GetParameter | Method::SetParameter, _) => Ok(Step::done(reply(StatusCode::Ok))),
            (Method::Setup, PublicationState::Init | PublicationState::Ready) => {
                self.set_up_inlet(connection, request, publication, &id)
            }
            (Method::Record, PublicationState::Ready | PublicationState::Recording) => match publication.record(now) {
                Ok(()) => {
                    tracing::info!(session = %id, channel = publication.name, "recording");
                    Ok(Step::done(reply(StatusCode::Ok)))
                }
                Err(reason) => Err(Refusal::new(StatusCode::Forbidden, reason).told()),
            },
            (Method::Pause, PublicationState::Ready | PublicationState::Recording) => {
                publication.pause();
                Ok(Step::done(reply(StatusCode::Ok)))
            }
            (Method::Teardown, _) => {
                tracing::info!(session = %id, channel = publication.name, "publisher tears down");
                publication.take_rest();
                publications.remove(&id);
                Ok(Step::done(reply(StatusCode::Ok)))
            }
            (_, PublicationState::Init) => Err(Refusal::wrong_state("OPTIONS, SETUP, TEARDOWN")),
            (_, PublicationState::Ready) => Err(Refusal::wrong_state("OPTIONS, SETUP, RECORD, TEARDOWN")),
            (_, PublicationState::Recording) => Err(Refusal::wrong_state("OPTIONS, RECORD, PAUSE, TEARDOWN")),
        };
        Some(outcome)
    }

    fn set_up_inlet(
        &self,
        connection: &mut Connection,
        request: &Request,
        publication: &mut Publication,
        id: &SessionId,
    ) -> Outcome {
        let track = publication.which_track(&request.uri);
        let track = track.ok_or_else(|| Refusal::new(StatusCode::NotFound, "no a=control announced is this URL"))?;
        let list = request.headers.list(TRANSPORT);
        let list = list.ok_or_else(|| Refusal::new(StatusCode::BadRequest, "SETUP without Transport"))?;
        let asked = Transport::parse_list(&list).into_iter().flatten();
        let records = |asked: &Transport| {
            // live555 says RECEIVE.
            let named = |mode: &String| mode == "RECORD" || mode == "RECEIVE";
            asked.mode.iter().any(named) && asked.delivery != Some(Delivery::Multicast) && !asked.append
        };
        let agreed = asked.filter(records).find_map(|asked| match asked.lower {
            Lower::Udp => inlet_udp(&asked, connection),
            Lower::Tcp => {
                let channels = connection.take_channels(id, track, asked.interleaved)?;
                let way = ReportWay::Interleaved(connection.outbox.clone(), channels.rtcp);
                let transport = Transport { interleaved: Some(channels), ..Transport::unicast(Lower::Tcp) };
                Some((transport, Inlet::Interleaved(connection.id, way)))
            }
        });
        let Some((mut transport, inlet)) = agreed else {
            return Err(Refusal::new(
                StatusCode::UnsupportedTransport,
                "RTP/AVP;unicast;client_port=a-b;mode=record or RTP/AVP/TCP;unicast;interleaved=a-b;mode=record can be had",
            ));
        };
        if matches!(inlet, Inlet::Udp(..)) {
            connection.free_channels(id, track);
        }
        transport.mode = vec!["RECORD".into()];
        publication.set_up(track, inlet);
        tracing::info!(session = %id, channel = publication.name, track, %transport, "set up to record");
        let timeout = u32::try_from(self.options.timeout.as_secs()).ok();
        let mut reply = reply(StatusCode::Ok);
        reply.insert_header(SESSION, SessionField { id: id.to_string(), timeout }.to_string());
        reply.insert_header(TRANSPORT, transport.to_string());
        Ok(Step::done(reply))
    }

    /// A `$` frame came on a publisher's channel; false: it is none.
    pub(super) fn recorded(&self, connection: &Connection, channel: u8, payload: &Bytes, now: Instant) -> bool {
        let Some((id, track, rtcp)) = connection.channel(channel) else { return false };
        let mut publications = self.publications();
        let Some(publication) = publications.get(id) else { return false };
        publication.touch(now);
        let Some((intake, place)) = publication.intake(track).map(|(intake, place)| (intake.clone(), place)) else {
            return true;
        };
        drop(publications);
        match rtcp {
            true => intake.rtcp(place, payload, now),
            false => intake.rtp(place, payload.clone(), now),
        }
        true
    }
}

/// Ports of its own for a track: whatever comes to them is this publisher's or nobody's.
fn inlet_udp(asked: &Transport, connection: &Connection) -> Option<(Transport, Inlet)> {
    let ports = asked.client_port?;
    let (sockets, (rtp, rtcp)) = TrackSockets::bind(connection.local.ip())
        .inspect_err(|error| tracing::warn!(%error, "no ports for a publisher"))
        .ok()?;
    let way = ReportWay::Udp(sockets.clone(), SocketAddr::new(connection.peer.ip(), ports.rtcp));
    let transport =
        Transport { client_port: Some(ports), server_port: Some(Pair { rtp, rtcp }), ..Transport::unicast(Lower::Udp) };
    Some((transport, Inlet::Udp(sockets, way)))
}
