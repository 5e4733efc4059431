//! SETUP of what is fetched, and the ways by which it then comes.

use super::alive::KeptSession;
use super::url::resolve;
use super::{Asker, PullError, said};
use crate::channel::Channel;
use crate::feed::description::Description;
use crate::feed::intake::Intake;
use crate::feed::receive::{ReportWay, Senders, TrackSockets, tend};
use crate::feed::rtp::RtpTrack;
use crate::headers::{Lower, Transport};
use crate::message::Method;
use crate::net::task::Task;
use rtsp_types::Response;
use rtsp_types::headers::{SESSION, TRANSPORT};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

/// What a server answers that has none of the transports that it was asked for (RFC 2326 11.3.14).
const UNSUPPORTED_TRANSPORT: u16 = 461;

/// How one track comes in.
pub(super) enum Inlet {
    /// On this channel of the connection, RTCP on the next.
    Channels(u8),
    /// To ports of ours, from an address; its RTCP port.
    Udp(TrackSockets, IpAddr, SocketAddr),
}

impl Asker {
    /// Sets up all that can be taken.
    pub(super) async fn set_up_all(
        &mut self,
        description: &Description,
        base: &str,
        udp: bool,
        channel: &Arc<Channel>,
    ) -> Result<(Arc<Intake>, Vec<Inlet>), PullError> {
        let (mut known, mut inlets) = (Vec::new(), Vec::new());
        for media in &description.media {
            let Some(track) = media.track() else { continue };
            let inlet = self.set_up(&resolve(base, media.control.as_deref()), inlets.len(), udp).await?;
            known.push(RtpTrack {
                description: track,
                payload_type: media.payload_type,
                latm: media.latm,
                ordered: matches!(inlet, Inlet::Channels(_)),
            });
            inlets.push(inlet);
        }
        if known.is_empty() {
            let refused = description.media.iter().find_map(|media| media.format.as_ref().err());
            let refused = refused.map(ToString::to_string).unwrap_or_default();
            return Err(PullError::Nothing(self.url.uri.clone(), refused));
        }
        Ok((Intake::waiting(channel.clone(), known, Instant::now()), inlets))
    }

    /// Listens for what comes by UDP, and answers with reports.
    pub(super) fn attend(&self, intake: &Arc<Intake>, inlets: &[Inlet]) -> Vec<Task> {
        let (mut tasks, mut ways) = (Vec::new(), Vec::new());
        for (track, inlet) in inlets.iter().enumerate() {
            ways.push(match inlet {
                Inlet::Channels(rtp) => ReportWay::Interleaved(self.client.outbox.clone(), rtp.saturating_add(1)),
                Inlet::Udp(sockets, from, rtcp) => {
                    tasks.extend(sockets.receive(Senders::Only(*from), intake, track));
                    ReportWay::Udp(sockets.clone(), *rtcp)
                }
            });
        }
        tasks.push(tend(intake, ways));
        tasks
    }

    /// By the way that is wanted, or the other where the server has only that.
    async fn set_up(&mut self, uri: &str, track: usize, udp: bool) -> Result<Inlet, PullError> {
        match self.set_up_by(uri, track, udp).await {
            Err(PullError::Refused { status: UNSUPPORTED_TRANSPORT, .. }) => self.set_up_by(uri, track, !udp).await,
            other => other,
        }
    }

    async fn set_up_by(&mut self, uri: &str, track: usize, udp: bool) -> Result<Inlet, PullError> {
        if !udp {
            let first = u8::try_from(track * 2).unwrap_or(0);
            let field = format!("Transport: RTP/AVP/TCP;unicast;interleaved={first}-{}", first + 1);
            let answer = self.ask(Method::Setup, uri, field).await?;
            let transport = self.agreed(&answer)?;
            return Ok(Inlet::Channels(transport.interleaved.map_or(first, |channels| channels.rtp)));
        }
        let (sockets, (rtp, rtcp)) = TrackSockets::bind(self.client.local.ip()).map_err(|error| self.broken(error))?;
        let field = format!("Transport: RTP/AVP;unicast;client_port={rtp}-{rtcp}");
        let answer = self.ask(Method::Setup, uri, field).await?;
        let transport = self.agreed(&answer)?;
        let from = transport.source.as_deref().and_then(|source| source.parse().ok());
        let from: IpAddr = from.unwrap_or(self.client.peer.ip());
        let ports = transport.server_port.map_or((0, 0), |ports| (ports.rtp, ports.rtcp));
        let rtcp = SocketAddr::new(from, ports.1);
        if ports.0 > 0 {
            sockets.punch(SocketAddr::new(from, ports.0), rtcp);
        }
        Ok(Inlet::Udp(sockets, from, rtcp))
    }

    /// What a SETUP has come to.
    fn agreed(&mut self, answer: &Response<Vec<u8>>) -> Result<Transport, PullError> {
        self.good("SETUP", answer)?;
        if let Some(session) = said(answer, &SESSION).and_then(KeptSession::parse) {
            self.session = Some(session);
        }
        let transport = said(answer, &TRANSPORT).map(Transport::parse_list).unwrap_or_default();
        Ok(transport.into_iter().flatten().next().unwrap_or(Transport::unicast(Lower::Tcp)))
    }
}
