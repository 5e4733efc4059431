//! A publisher as the suite plays it (RFC 2326 10.3, 10.11): ANNOUNCE, SETUP to record, RECORD, and packets of its own.

use crate::suite::{
    case::{Verdict, fail, skip},
    context::Context,
    message::{Request, Response},
    packets::{Block, compound},
    session::{Lower, ports},
    wire::Wire,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

/// What is announced: one track of mu-law sound, which nobody has to decode to pass on.
pub const SDP: &str = "v=0\r\no=- 2890844526 2890844526 IN IP4 127.0.0.1\r\ns=conformance\r\nc=IN IP4 0.0.0.0\r\n\
                       t=0 0\r\nm=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:streamid=0\r\n";

/// Bytes of a packet's payload: 20 ms.
const PAYLOAD: usize = 160;

/// Between two packets.
const STEP: Duration = Duration::from_millis(20);

/// A publisher with its connection.
pub struct Publisher {
    /// The connection that it announced on.
    pub wire: Wire,
    /// What it publishes.
    pub url: String,
    /// Its session, once an answer named one: to ANNOUNCE in some servers, to SETUP in all.
    pub id: Option<String>,
    /// Source of its packets.
    pub ssrc: u32,
    /// All payloads that were sent, one after the other.
    pub sent: Vec<u8>,
    lower: Lower,
    host: SocketAddr,
    sockets: (UdpSocket, UdpSocket),
    server: Option<SocketAddr>,
    channel: u8,
    sequence: u16,
    rng: StdRng,
}

impl Publisher {
    /// Connects, and says nothing yet.
    pub fn connect(context: &mut Context) -> Verdict<Self> {
        let url = context.options.publish.clone().ok_or_else(|| skip("needs --publish"))?;
        let wire = context.connect()?;
        let sockets = ports(wire.local()?.ip())?;
        Ok(Self {
            wire,
            url,
            id: None,
            ssrc: context.rng.random(),
            sent: Vec::new(),
            lower: context.lower,
            host: context.offer.address,
            sockets,
            server: None,
            channel: 0,
            sequence: context.rng.random(),
            rng: StdRng::seed_from_u64(context.rng.random()),
        })
    }

    /// One that records: ANNOUNCE, SETUP and RECORD were answered 200.
    pub fn recording(context: &mut Context) -> Verdict<Self> {
        let mut publisher = Self::ready(context)?;
        let answer = publisher.ask("RECORD", Some("npt=0.000-"))?;
        context.status("RECORD", &answer, RECORDS)?;
        Ok(publisher)
    }

    /// One that has set up its track.
    pub fn ready(context: &mut Context) -> Verdict<Self> {
        let mut publisher = Self::announced(context)?;
        let answer = publisher.set_up(";mode=record")?;
        context.status("SETUP with mode=record", &answer, &[200])?;
        Ok(publisher)
    }

    /// One that has announced.
    pub fn announced(context: &mut Context) -> Verdict<Self> {
        let mut publisher = Self::connect(context)?;
        let answer = publisher.announce("application/sdp", SDP)?;
        context.status("ANNOUNCE", &answer, &[200])?;
        Ok(publisher)
    }

    /// ANNOUNCE with this body, whatever comes.
    pub fn announce(&mut self, kind: &str, body: &str) -> Verdict<Response> {
        let answer = self.wire.ask(&Request::new("ANNOUNCE", &self.url).body(kind, body))?;
        self.named(&answer);
        Ok(answer)
    }

    /// SETUP of the track, its transport with `more` at the end; whatever comes.
    pub fn set_up(&mut self, more: &str) -> Verdict<Response> {
        let transport = match self.lower {
            Lower::Udp => {
                let port = self.sockets.0.local_addr().map_err(|error| fail("a bound socket", error))?.port();
                format!("RTP/AVP;unicast;client_port={port}-{}{more}", port.saturating_add(1))
            }
            Lower::Tcp => format!("RTP/AVP/TCP;unicast;interleaved=0-1{more}"),
        };
        let url = format!("{}/streamid=0", self.url.trim_end_matches('/'));
        let request = Request::new("SETUP", &url).maybe("Session", self.id.as_deref());
        let answer = self.wire.ask(&request.header("Transport", transport))?;
        self.named(&answer);
        let first = |name: &str| answer.parameter("Transport", name)?.split('-').next()?.parse::<u16>().ok();
        self.channel = first("interleaved").and_then(|channel| channel.try_into().ok()).unwrap_or(0);
        self.server = first("server_port").map(|port| SocketAddr::new(self.host.ip(), port));
        Ok(answer)
    }

    /// A request of the session on the published URL; whatever comes.
    pub fn ask(&mut self, method: &str, range: Option<&str>) -> Verdict<Response> {
        let request = Request::new(method, &self.url).maybe("Session", self.id.as_deref()).maybe("Range", range);
        self.wire.ask(&request)
    }

    /// Ends the session; whatever comes.
    pub fn tear_down(&mut self) {
        let _ = self.ask("TEARDOWN", None);
    }

    fn named(&mut self, answer: &Response) {
        if let (200, Some(id)) = (answer.status, answer.session()) {
            self.id = Some(id.to_owned());
        }
    }

    /// Sends 20 ms of noise that nobody else sends.
    pub fn send(&mut self) -> Verdict {
        let payload: Vec<u8> = (0..PAYLOAD).map(|_| self.rng.random()).collect();
        let time = u32::try_from(self.sent.len()).unwrap_or(u32::MAX);
        let mut packet = vec![0x80, if self.sent.is_empty() { 0x80 } else { 0 }];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(time.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(&payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.sent.extend(payload);
        self.send_bytes(&packet, false)
    }

    /// Sends these bytes as RTP or RTCP of the track.
    pub fn send_bytes(&mut self, packet: &[u8], rtcp: bool) -> Verdict {
        match self.lower {
            Lower::Tcp => {
                let length = u16::try_from(packet.len()).unwrap_or(u16::MAX).to_be_bytes();
                let head = [&[b'$', self.channel + u8::from(rtcp)][..], &length].concat();
                self.wire.send_quietly(&[&head, packet].concat())
            }
            Lower::Udp => {
                let server = self.server.ok_or_else(|| fail("server_port in the answer to SETUP", "none"))?;
                let to = SocketAddr::new(server.ip(), server.port().saturating_add(u16::from(rtcp)));
                let socket = if rtcp { &self.sockets.1 } else { &self.sockets.0 };
                socket.send_to(packet, to).map(drop).map_err(|error| fail("a datagram sent", error))
            }
        }
    }

    /// Sends at its pace until `enough` says so, at most for `limit`; whether it did.
    pub fn publish(&mut self, limit: Duration, mut enough: impl FnMut(&mut Self) -> Verdict<bool>) -> Verdict<bool> {
        let (began, mut next) = (Instant::now(), Instant::now());
        while began.elapsed() < limit {
            self.send()?;
            if enough(self)? {
                return Ok(true);
            }
            next += STEP;
            let _ = self.wire.listen(next.saturating_duration_since(Instant::now()))?;
        }
        Ok(false)
    }

    /// The RTCP that has come since last asked; what can't be read fails.
    pub fn reports(&mut self) -> Verdict<Vec<Vec<Block>>> {
        let mut packets: Vec<Vec<u8>> = Vec::new();
        while let Some(frame) = self.wire.frames.pop_front() {
            if frame.channel == self.channel + 1 {
                packets.push(frame.bytes);
            }
        }
        let mut buffer = [0; 2048];
        while let Ok((length, _)) = self.sockets.1.recv_from(&mut buffer) {
            packets.push(buffer.get(..length).unwrap_or_default().to_vec());
        }
        packets.iter().map(|packet| compound(packet).map_err(|came| fail("RTCP", came))).collect()
    }
}

/// What RECORD may be answered: 201 where what is recorded has another URL (RFC 2326 10.11).
pub const RECORDS: &[u16] = &[200, 201];
