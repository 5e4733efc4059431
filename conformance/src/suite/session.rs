//! A viewer as the suite plays it: SETUP of some tracks over one transport, PLAY, and every packet with its time.

use crate::suite::{
    case::{Verdict, fail},
    context::Context,
    message::{Request, Response},
    packets::{Block, Rtp, compound, sequence_step},
    wire::Wire,
};
use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

/// How the packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lower {
    /// `RTP/AVP;unicast;client_port=`.
    Udp,
    /// `RTP/AVP/TCP;unicast;interleaved=`.
    Tcp,
}

/// A session with its connection.
pub struct Session {
    /// The connection that made it.
    pub wire: Wire,
    /// Its id.
    pub id: String,
    /// Aggregate URL.
    pub aggregate: String,
    /// The tracks that were set up.
    pub tracks: Vec<Track>,
    /// Everything that came, in its order.
    pub packets: Vec<Packet>,
    version: &'static str,
}

/// A track that was set up.
pub struct Track {
    /// Place in the description.
    pub index: usize,
    /// As in SETUP.
    pub url: String,
    /// The answer to SETUP.
    pub answer: Response,
    /// RTP and RTCP channel, over TCP.
    pub channels: (u8, u8),
    /// RTP and RTCP socket, over UDP.
    pub sockets: Option<(UdpSocket, UdpSocket)>,
    /// Where the server says that it sends from.
    pub server: Option<(SocketAddr, SocketAddr)>,
}

/// Something that came for a track.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Place in [`Session::tracks`].
    pub track: usize,
    /// Whether it is RTCP.
    pub rtcp: bool,
    /// The packet.
    pub bytes: Vec<u8>,
    /// When it came.
    pub at: Instant,
    /// Whence, over UDP.
    pub from: Option<SocketAddr>,
}

impl Session {
    /// Sets up these tracks (places in the description) in RTSP 1.0.
    pub fn open(context: &mut Context, lower: Lower, tracks: &[usize]) -> Verdict<Self> {
        Self::open_as(context, lower, tracks, "RTSP/1.0")
    }

    /// Sets up these tracks in this version of RTSP.
    pub fn open_as(context: &mut Context, lower: Lower, tracks: &[usize], version: &'static str) -> Verdict<Self> {
        let wire = context.connect()?;
        let aggregate = context.offer.aggregate.clone();
        let mut session = Self { wire, id: String::new(), aggregate, tracks: Vec::new(), packets: Vec::new(), version };
        for &index in tracks {
            let url = context.control(index)?;
            session.set_up(context, lower, index, &url)?;
        }
        Ok(session)
    }

    fn set_up(&mut self, context: &Context, lower: Lower, index: usize, url: &str) -> Verdict {
        let channel = u8::try_from(2 * self.tracks.len()).unwrap_or(0);
        let sockets = match lower {
            Lower::Udp => Some(ports(self.wire.local()?.ip())?),
            Lower::Tcp => None,
        };
        let transport = match &sockets {
            Some((rtp, _)) => {
                let port = port(rtp)?;
                if self.version == "RTSP/2.0" {
                    format!("RTP/AVP;unicast;dest_addr=\":{port}\"/\":{}\"", port.saturating_add(1))
                } else {
                    format!("RTP/AVP;unicast;client_port={port}-{}", port.saturating_add(1))
                }
            }
            None => format!("RTP/AVP/TCP;unicast;interleaved={channel}-{}", channel + 1),
        };
        let mut request = Request::new("SETUP", url).version(self.version).header("Transport", transport);
        if self.version == "RTSP/2.0" {
            request = request.header("Accept-Ranges", "npt, smpte, clock");
        }
        if !self.id.is_empty() {
            request = request.header("Session", &self.id);
        }
        let answer = self.wire.ok(&request)?;
        let id = answer.session().ok_or_else(|| fail("a Session header in the answer to SETUP", answer.brief()))?;
        self.id = id.to_owned();
        let pair = |name: &str| -> Option<(u16, u16)> {
            let (a, b) = answer.parameter("Transport", name)?.split_once('-')?;
            Some((a.parse().ok()?, b.parse().ok()?))
        };
        let channels = pair("interleaved").and_then(|(a, b)| Some((u8::try_from(a).ok()?, u8::try_from(b).ok()?)));
        let source = answer.parameter("Transport", "source").and_then(|source| source.parse().ok());
        let host = source.unwrap_or(context.offer.address.ip());
        let server = pair("server_port").map(|(a, b)| (SocketAddr::new(host, a), SocketAddr::new(host, b)));
        let channels = channels.unwrap_or((channel, channel + 1));
        self.tracks.push(Track { index, url: url.to_owned(), answer, channels, sockets, server });
        Ok(())
    }

    /// A request of this session on the aggregate URL.
    pub fn request(&self, method: &str) -> Request {
        Request::new(method, &self.aggregate).version(self.version).header("Session", &self.id)
    }

    /// PLAY, answered 200.
    pub fn play(&mut self, range: Option<&str>) -> Verdict<Response> {
        let request = self.request("PLAY").maybe("Range", range);
        self.wire.ok(&request)
    }

    /// PAUSE, answered 200.
    pub fn pause(&mut self) -> Verdict<Response> {
        let request = self.request("PAUSE");
        self.wire.ok(&request)
    }

    /// TEARDOWN; whatever comes.
    pub fn tear_down(&mut self) {
        let request = self.request("TEARDOWN");
        let _ = self.wire.ask(&request);
    }

    /// Takes what comes for this long.
    pub fn collect(&mut self, wait: Duration) -> Verdict {
        let end = Instant::now() + wait;
        self.collect_until(end, |_| false)
    }

    /// Takes what comes until `enough` says so of a packet, at most until `end`.
    pub fn collect_until(&mut self, end: Instant, enough: impl Fn(&Packet) -> bool) -> Verdict {
        loop {
            let before = self.packets.len();
            let udp = self.tracks.iter().any(|track| track.sockets.is_some());
            let left = end.saturating_duration_since(Instant::now());
            let _ = self.wire.listen(left.min(Duration::from_millis(if udp { 2 } else { 20 })))?;
            self.take_frames();
            self.take_datagrams();
            let new = self.packets.get(before..).unwrap_or_default();
            if new.iter().any(&enough) || Instant::now() >= end || (self.wire.is_closed() && !udp) {
                return Ok(());
            }
        }
    }

    fn take_frames(&mut self) {
        while let Some(frame) = self.wire.frames.pop_front() {
            let place = self.tracks.iter().position(|t| t.channels.0 == frame.channel || t.channels.1 == frame.channel);
            let Some(track) = place else { continue };
            let rtcp = self.tracks.get(track).is_some_and(|t| t.channels.1 == frame.channel);
            self.packets.push(Packet { track, rtcp, bytes: frame.bytes, at: frame.at, from: None });
        }
    }

    fn take_datagrams(&mut self) {
        let mut buffer = [0; 65_536];
        for (place, track) in self.tracks.iter().enumerate() {
            let Some((rtp, rtcp)) = &track.sockets else { continue };
            for (socket, is_rtcp) in [(rtp, false), (rtcp, true)] {
                while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                    let at = Instant::now();
                    self.packets.push(Packet { track: place, rtcp: is_rtcp, bytes, at, from: Some(from) });
                }
            }
        }
    }

    /// RTP packets of a track.
    pub fn rtp(&self, track: usize) -> Verdict<Vec<Rtp>> {
        let all = self.packets.iter().filter(|packet| packet.track == track && !packet.rtcp);
        all.map(|packet| Rtp::read(&packet.bytes, packet.at).map_err(|came| fail("an RTP packet", came))).collect()
    }

    /// RTCP packets of a track, those that can be read.
    pub fn rtcp(&self, track: usize) -> Vec<(Instant, Vec<Block>)> {
        let all = self.packets.iter().filter(|packet| packet.track == track && packet.rtcp);
        all.filter_map(|packet| Some((packet.at, compound(&packet.bytes).ok()?))).collect()
    }

    /// How many RTP packets of a track came so far.
    pub fn count(&self, track: usize) -> usize {
        self.packets.iter().filter(|packet| packet.track == track && !packet.rtcp).count()
    }

    /// How many steps of a track's sequence numbers are not 1; over UDP those back or far ahead.
    pub fn jumps(&self, track: usize) -> Verdict<usize> {
        let tcp = self.tracks.iter().all(|track| track.sockets.is_none());
        let packets = self.rtp(track)?;
        let steps = packets.iter().zip(packets.iter().skip(1)).map(|(a, b)| sequence_step(a.sequence, b.sequence));
        Ok(steps.filter(|step| if tcp { *step != 1 } else { !(1..LOST).contains(step) }).count())
    }

    /// How many RTP packets of all tracks came after `since`.
    pub fn count_since(&self, since: Instant) -> usize {
        self.packets.iter().filter(|packet| !packet.rtcp && packet.at > since).count()
    }

    /// Forgets what came; what was in flight is taken first.
    pub fn forget(&mut self) {
        self.take_frames();
        self.take_datagrams();
        self.packets.clear();
    }
}

/// So many datagrams may be lost in a row on their way.
const LOST: i32 = 50;

/// A pair of sockets on an even port and the next (RFC 3550 11).
pub fn ports(ip: IpAddr) -> Verdict<(UdpSocket, UdpSocket)> {
    let wrong = |error: std::io::Error| fail("a free pair of UDP ports", error);
    for _ in 0..200 {
        let rtp = UdpSocket::bind((ip, 0)).map_err(wrong)?;
        let port = port(&rtp)?;
        if !port.is_multiple_of(2) || port == u16::MAX - 1 {
            continue;
        }
        if let Ok(rtcp) = UdpSocket::bind((ip, port + 1)) {
            rtp.set_nonblocking(true).map_err(wrong)?;
            rtcp.set_nonblocking(true).map_err(wrong)?;
            return Ok((rtp, rtcp));
        }
    }
    Err(fail("a free pair of UDP ports", "none found"))
}

fn port(socket: &UdpSocket) -> Verdict<u16> {
    Ok(socket.local_addr().map_err(|error| fail("a bound socket", error))?.port())
}
