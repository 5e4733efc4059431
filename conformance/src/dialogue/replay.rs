//! Saying a dialogue again.

use super::{Act, Dialogue, Event};
use crate::client::{self, Response};
use anyhow::{Context, Result, bail, ensure};
use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

/// What came of saying a dialogue again.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// Method and status of each request, in order.
    pub answers: Vec<(String, u16)>,
    /// What a player would have stumbled over.
    pub faults: Vec<String>,
    /// RTP packets received.
    pub packets: usize,
}

/// Waits between two requests are cut to this: the recordings hold minutes of play.
const LONGEST_WAIT: Duration = Duration::from_millis(400);

struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// Where a track comes in over UDP.
struct Pair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    server_port: u16,
    /// As the answer told it. Whoever had this port before may still be played to.
    ssrc: Option<u32>,
}

struct Replayer<'a> {
    server: SocketAddr,
    url: &'a str,
    connections: BTreeMap<u32, Connection>,
    /// Recorded SETUP URIs in order of appearance.
    setups: Vec<String>,
    /// Control URIs of our own description.
    controls: Vec<String>,
    session: Option<String>,
    /// Of each SETUP over UDP.
    sockets: Vec<Pair>,
    replay: Replay,
    playing: bool,
    /// Set up and not torn down.
    sessions: usize,
}

/// Says `dialogue` to `server` about the presentation at `url`.
pub fn replay(dialogue: &Dialogue, server: SocketAddr, url: &str) -> Result<Replay> {
    let mut replayer = Replayer {
        server,
        url,
        connections: BTreeMap::new(),
        setups: Vec::new(),
        controls: Vec::new(),
        session: None,
        sockets: Vec::new(),
        replay: Replay::default(),
        playing: false,
        sessions: 0,
    };
    for (index, event) in dialogue.events.iter().enumerate() {
        replayer.act(event).with_context(|| format!("{}: at {} s: {:?}", dialogue.name, event.at, event.act))?;
        if let Some(next) = dialogue.events.get(index + 1) {
            let wait = Duration::from_secs_f64((next.at - event.at).max(0.0)).min(LONGEST_WAIT);
            replayer.listen(wait)?;
        }
    }
    Ok(replayer.replay)
}

impl Replayer<'_> {
    fn act(&mut self, event: &Event) -> Result<()> {
        match &event.act {
            Act::Request(lines, _) => self.request(event.connection, lines),
            Act::Frame(channel) => {
                let report = receiver_report();
                let mut frame = vec![b'$', *channel, 0, report.len() as u8];
                frame.extend_from_slice(&report);
                self.connection(event.connection)?.stream.write_all(&frame).context("sending a frame")
            }
            Act::Datagram { rtcp, track, bytes } => {
                if let Some(Pair { rtp: rtp_socket, rtcp: rtcp_socket, server_port: port, .. }) =
                    self.sockets.get(*track)
                {
                    let report = receiver_report();
                    let bytes = if bytes.is_empty() { &report[..] } else { bytes };
                    let (socket, port) = if *rtcp { (rtcp_socket, port + 1) } else { (rtp_socket, *port) };
                    socket.send_to(bytes, (self.server.ip(), port))?;
                }
                Ok(())
            }
            Act::Close => {
                self.connections.remove(&event.connection);
                Ok(())
            }
        }
    }

    fn connection(&mut self, number: u32) -> Result<&mut Connection> {
        if !self.connections.contains_key(&number) {
            let stream = TcpStream::connect(self.server)?;
            stream.set_nodelay(true)?;
            self.connections.insert(number, Connection { stream, read: Vec::new() });
        }
        self.connections.get_mut(&number).context("no connection")
    }

    fn request(&mut self, number: u32, lines: &[String]) -> Result<()> {
        let mut words = lines[0].split_whitespace();
        let (method, uri) = (words.next().unwrap_or("").to_owned(), words.next().unwrap_or("").to_owned());
        let uri = self.our_uri(&method, &uri);
        let mut text = format!("{method} {uri} RTSP/1.0\r\n");
        for line in &lines[1..] {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = match name.to_ascii_lowercase().as_str() {
                "session" => self.our_session(value),
                "transport" => self.our_transport(value)?,
                _ => value.to_owned(),
            };
            text.push_str(&format!("{name}:{value}\r\n"));
        }
        text.push_str("\r\n");
        self.connection(number)?.stream.write_all(text.as_bytes()).context("sending a request")?;
        let (status, head, body) = self.response(number)?;
        self.replay.answers.push((method.clone(), status));
        let ranged = lines.iter().any(|line| line.to_ascii_lowercase().starts_with("range:"));
        self.after(&method, ranged, status, &head, &body)
    }

    /// What each answer must hold for the players, and what it means for the rest of the dialogue.
    fn after(&mut self, method: &str, ranged: bool, status: u16, head: &str, body: &str) -> Result<()> {
        let header = |name: &str| {
            let value = |line: &str| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            };
            head.lines().find_map(value)
        };
        if status != 200 {
            return Ok(());
        }
        match method {
            "DESCRIBE" => {
                let response = Response { status, head: head.to_owned(), body: body.to_owned() };
                self.controls = client::controls(&response);
                ensure!(!self.controls.is_empty(), "a description without a control URL:\n{body}");
            }
            "SETUP" => {
                let session = header("Session").context("SETUP answered without Session")?;
                let session = session.split(';').next().map(str::to_owned);
                self.sessions += usize::from(session != self.session);
                self.session = session;
                let transport = header("Transport").context("SETUP answered without Transport")?;
                let parameter = |name| transport.split(';').find_map(|part| part.trim().strip_prefix(name));
                if let (Some(ports), Some(last)) = (parameter("server_port="), self.sockets.last_mut()) {
                    last.server_port = ports.split('-').next().unwrap_or("").parse().context("server_port")?;
                    last.ssrc = parameter("ssrc=").and_then(|ssrc| u32::from_str_radix(ssrc, 16).ok());
                }
            }
            "PLAY" => {
                let changes = !std::mem::replace(&mut self.playing, true) || ranged;
                if let Some(info) = header("RTP-Info") {
                    let urls = info.split(',').filter_map(|entry| entry.trim().strip_prefix("url="));
                    for url in urls.filter_map(|entry| entry.split(';').next()) {
                        if !self.controls.iter().any(|control| control == url) {
                            self.replay.faults.push(format!("RTP-Info names {url}, which no SETUP did"));
                        }
                    }
                } else if changes {
                    // (While playing, PLAY without Range changes nothing: VLC's change of rate.)
                    self.replay.faults.push("PLAY answered without RTP-Info".into());
                }
            }
            "PAUSE" => {
                self.playing = false;
                self.listen(Duration::from_millis(60))?;
                let before = self.replay.packets;
                self.listen(Duration::from_millis(150))?;
                // Another session of the same player (MPlayer leaves its first one open) may go on.
                if self.replay.packets > before && self.sessions == 1 {
                    self.replay.faults.push(format!("{} packets came while paused", self.replay.packets - before));
                }
            }
            "TEARDOWN" => {
                self.session = None;
                self.sessions = self.sessions.saturating_sub(1);
            }
            _ => {}
        }
        Ok(())
    }

    fn our_uri(&mut self, method: &str, uri: &str) -> String {
        if uri == "*" {
            return uri.to_owned();
        }
        if method == "SETUP" && !self.controls.is_empty() {
            let index = self.setups.iter().position(|seen| seen == uri).unwrap_or_else(|| {
                self.setups.push(uri.to_owned());
                self.setups.len() - 1
            });
            return self.controls[index.min(self.controls.len() - 1)].clone();
        }
        if let Some(index) = self.setups.iter().position(|seen| seen == uri) {
            return self.controls[index.min(self.controls.len() - 1)].clone();
        }
        // What stands for no presentation (the Real probes of VLC and MPlayer) stays strange to us too.
        let path = uri.splitn(4, '/').nth(3).unwrap_or("");
        if path.is_empty() || path.contains("stream=0") && self.controls.is_empty() {
            return format!("rtsp://{}/{path}", self.server);
        }
        if path.ends_with('/') { format!("{}/", self.url) } else { self.url.to_owned() }
    }

    fn our_session(&self, recorded: &str) -> String {
        let parameters = recorded.split_once(';').map(|(_, rest)| format!(";{rest}")).unwrap_or_default();
        format!(" {}{parameters}", self.session.as_deref().unwrap_or("nosuchsession"))
    }

    fn our_transport(&mut self, recorded: &str) -> Result<String> {
        let Some(at) = recorded.find("client_port=") else { return Ok(recorded.to_owned()) };
        let (rtp, rtcp) = socket_pair()?;
        let port = rtp.local_addr()?.port();
        self.sockets.push(Pair { rtp, rtcp, server_port: 0, ssrc: None });
        let rest = recorded[at..].split_once(';').map(|(_, rest)| format!(";{rest}")).unwrap_or_default();
        Ok(format!("{}client_port={port}-{}{rest}", &recorded[..at], port + 1))
    }

    /// Reads until the next response on this connection; frames before it are counted.
    fn response(&mut self, number: u32) -> Result<(u16, String, String)> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let connection = self.connections.get_mut(&number).context("no connection")?;
            while connection.read.first() == Some(&b'$') && connection.read.len() >= 4 {
                let length = 4 + usize::from(u16::from_be_bytes([connection.read[2], connection.read[3]]));
                if connection.read.len() < length {
                    break;
                }
                self.replay.packets += usize::from(connection.read[1] % 2 == 0);
                connection.read.drain(..length);
            }
            let end = connection.read.windows(4).position(|window| window == b"\r\n\r\n");
            if let (Some(end), true) = (end, connection.read.starts_with(b"RTSP/1.0 ")) {
                let head = String::from_utf8_lossy(&connection.read[..end]).into_owned();
                let length =
                    |line: &str| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok();
                let length: usize = head.lines().find_map(length).unwrap_or(0);
                if connection.read.len() >= end + 4 + length {
                    let body = String::from_utf8_lossy(&connection.read[end + 4..end + 4 + length]).into_owned();
                    connection.read.drain(..end + 4 + length);
                    let status = head.split_whitespace().nth(1).context("no status")?.parse()?;
                    return Ok((status, head, body));
                }
            }
            ensure!(Instant::now() < deadline, "no answer within 10 s");
            if !receive(connection, Duration::from_millis(50))? {
                bail!("the server closed the connection instead of answering");
            }
        }
    }

    /// Takes what comes for `time`.
    fn listen(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            let mut buffer = [0; 2048];
            for Pair { rtp, rtcp, ssrc, .. } in &self.sockets {
                while let Ok(count) = rtp.recv(&mut buffer) {
                    let from =
                        buffer[..count].get(8..12).and_then(|bytes| Some(u32::from_be_bytes(bytes.try_into().ok()?)));
                    self.replay.packets += usize::from(ssrc.is_none() || *ssrc == from);
                }
                while rtcp.recv(&mut buffer).is_ok() {}
            }
            for connection in self.connections.values_mut() {
                receive(connection, Duration::from_millis(1))?;
                while connection.read.first() == Some(&b'$') && connection.read.len() >= 4 {
                    let length = 4 + usize::from(u16::from_be_bytes([connection.read[2], connection.read[3]]));
                    if connection.read.len() < length {
                        break;
                    }
                    self.replay.packets += usize::from(connection.read[1] % 2 == 0);
                    connection.read.drain(..length);
                }
            }
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            std::thread::sleep((end - now).min(Duration::from_millis(5)));
        }
    }
}

/// Reads what there is; `false` at the connection's end.
fn receive(connection: &mut Connection, wait: Duration) -> Result<bool> {
    connection.stream.set_read_timeout(Some(wait))?;
    let mut buffer = [0; 65_536];
    match connection.stream.read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(count) => {
            connection.read.extend_from_slice(&buffer[..count]);
            Ok(true)
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// An empty receiver report of a made-up receiver (RFC 3550 6.4.2).
fn receiver_report() -> [u8; 8] {
    [0x80, 201, 0, 1, 0x12, 0x34, 0x56, 0x78]
}

/// Two UDP sockets on neighbouring ports, the first even.
fn socket_pair() -> Result<(UdpSocket, UdpSocket)> {
    for _ in 0..200 {
        let first = UdpSocket::bind("127.0.0.1:0")?;
        let port = first.local_addr()?.port();
        if port % 2 == 1 || port == u16::MAX {
            continue;
        }
        if let Ok(second) = UdpSocket::bind(("127.0.0.1", port + 1)) {
            first.set_nonblocking(true)?;
            second.set_nonblocking(true)?;
            return Ok((first, second));
        }
    }
    bail!("no pair of free UDP ports")
}
