//! Saying a dialogue again.

use super::{Act, Dialogue, Event, needs::Asked, ours::Pair};
use crate::{
    client::{self, Response},
    suite::digest::Challenge,
};
use anyhow::{Context, Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// What came of saying a dialogue again.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// Of each request its method, the status of its answer, and whether it named a user, in order.
    pub answers: Vec<(String, u16, bool)>,
    /// What a player would have stumbled over.
    pub faults: Vec<String>,
    /// RTP packets received.
    pub packets: usize,
}

/// Waits between two requests are cut to this: the recordings hold minutes of play.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// And all of one dialogue to this.
const LONGEST_IN_ALL: Duration = Duration::from_secs(3);

/// So soon after PLAY's answer something must come, on a busy machine, too.
const FIRST_PACKET: Duration = Duration::from_secs(15);

/// To whom a dialogue is said.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// The server.
    pub server: SocketAddr,
    /// The presentation; for who publishes, what takes it.
    pub url: &'a str,
    /// Name and password that it knows the player by.
    pub user: (&'a str, &'a str),
}

struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

pub(super) struct Replayer<'a> {
    pub(super) stage: Stage<'a>,
    /// Methods of the dialogue.
    methods: Vec<String>,
    /// What is published, as it was recorded.
    pub(super) published: Option<String>,
    /// The challenges of the last 401.
    pub(super) challenges: Vec<Challenge>,
    /// GETs of tunnels by their POSTs.
    tunnels: BTreeMap<u32, u32>,
    /// Cookie and connection of the last GET.
    opened: Option<(String, u32)>,
    connections: BTreeMap<u32, Connection>,
    /// Recorded SETUP URIs in order of appearance.
    pub(super) setups: Vec<String>,
    /// Control URIs of our own description.
    pub(super) controls: Vec<String>,
    pub(super) session: Option<String>,
    /// Of each SETUP over UDP.
    pub(super) sockets: Vec<Pair>,
    /// URLs set up in this session, as they were said.
    tracks: Vec<String>,
    replay: Replay,
    playing: bool,
    /// Set up and not torn down.
    sessions: usize,
}

/// Says `dialogue` again.
pub fn replay(dialogue: &Dialogue, stage: Stage<'_>) -> Result<Replay> {
    let words = dialogue.events.iter().filter_map(|event| match &event.act {
        Act::Request(lines, ..) => lines.first()?.split_whitespace().next(),
        _ => None,
    });
    let mut methods: Vec<String> = words.map(str::to_owned).collect();
    methods.sort_unstable();
    methods.dedup();
    let mut replayer = Replayer {
        stage,
        methods,
        published: None,
        challenges: Vec::new(),
        tunnels: BTreeMap::new(),
        opened: None,
        connections: BTreeMap::new(),
        setups: Vec::new(),
        controls: Vec::new(),
        session: None,
        sockets: Vec::new(),
        tracks: Vec::new(),
        replay: Replay::default(),
        playing: false,
        sessions: 0,
    };
    let pairs = dialogue.events.iter().zip(dialogue.events.iter().skip(1));
    let waits = pairs.map(|(event, next)| Duration::from_secs_f64((next.at - event.at).max(0.0)).min(LONGEST_WAIT));
    let waits: Vec<Duration> = waits.collect();
    let all: Duration = waits.iter().sum();
    let part = if all > LONGEST_IN_ALL { LONGEST_IN_ALL.div_duration_f64(all) } else { 1.0 };
    for (event, wait) in dialogue.events.iter().zip(waits.into_iter().chain([Duration::ZERO])) {
        replayer.act(event).with_context(|| format!("{}: at {} s: {:?}", dialogue.name, event.at, event.act))?;
        replayer.listen(wait.mul_f64(part))?;
    }
    Ok(replayer.replay)
}

impl Replayer<'_> {
    fn act(&mut self, event: &Event) -> Result<()> {
        match &event.act {
            Act::Request(lines, body, recorded) => self.request(event.connection, lines, body, *recorded),
            Act::Http(lines) => self.tunnel(event.connection, lines),
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
                    socket.send_to(bytes, (self.stage.server.ip(), port))?;
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
            let stream = TcpStream::connect(self.stage.server)?;
            stream.set_nodelay(true)?;
            self.connections.insert(number, Connection { stream, read: Vec::new() });
        }
        self.connections.get_mut(&number).context("no connection")
    }

    /// Opens one half of a tunnel; a GET is answered, a POST is not.
    fn tunnel(&mut self, number: u32, lines: &[String]) -> Result<()> {
        let text = lines.join("\r\n") + "\r\n\r\n";
        self.connection(number)?.stream.write_all(text.as_bytes()).context("opening a tunnel")?;
        let cookie =
            lines.iter().find_map(|line| line.to_lowercase().strip_prefix("x-sessioncookie:").map(str::to_owned));
        let cookie = cookie.context("a tunnel without a cookie")?;
        if text.starts_with("POST ") {
            let (_, get) =
                self.opened.take().filter(|(opened, _)| *opened == cookie).context("a POST without its GET")?;
            self.tunnels.insert(number, get);
            return Ok(());
        }
        let (status, head, _) = self.response(number)?;
        ensure!(status == 200 && head.contains("application/x-rtsp-tunnelled"), "no tunnel: {head}");
        self.opened = Some((cookie, number));
        Ok(())
    }

    fn request(&mut self, number: u32, lines: &[String], body: &[String], recorded: Option<u16>) -> Result<()> {
        let mut words = lines[0].split_whitespace();
        let (method, uri) = (words.next().unwrap_or("").to_owned(), words.next().unwrap_or("").to_owned());
        if method == "ANNOUNCE" {
            self.published = Some(uri.clone());
        }
        let uri = self.our_uri(&method, &uri);
        let body: String = body.iter().map(|line| format!("{line}\r\n")).collect();
        let mut said = vec![format!("{method} {uri} {}", words.next().unwrap_or("RTSP/1.0"))];
        let mut named = false;
        for line in &lines[1..] {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = match name.to_ascii_lowercase().as_str() {
                "session" => self.our_session(value),
                "transport" => self.our_transport(value)?,
                "content-length" => format!(" {}", body.len()),
                "authorization" => {
                    // What was refused for its nonce is said with an old one here, too.
                    let old = recorded == Some(401);
                    named = !old && !value.contains("username=\"\"");
                    self.our_authorization(value, &method, &uri, old)
                }
                _ => value.to_owned(),
            };
            said.push(format!("{name}:{value}"));
        }
        let text = said.join("\r\n") + "\r\n\r\n" + &body;
        let get = self.tunnels.get(&number).copied();
        let bytes = if get.is_some() { STANDARD.encode(text) } else { text };
        self.connection(number)?.stream.write_all(bytes.as_bytes()).context("sending a request")?;
        if get.is_some_and(|get| !self.connections.contains_key(&get)) {
            // The player has closed what answers come on, and waits for none.
            return Ok(());
        }
        let (status, head, body) = self.response(get.unwrap_or(number))?;
        self.replay.answers.push((method.clone(), status, named));
        let answer = Response { status, head, body };
        let ranged = lines.iter().any(|line| line.to_ascii_lowercase().starts_with("range:"));
        let asked = Asked {
            method: &method,
            lines: &said,
            methods: &self.methods,
            tracks: &self.tracks,
            goes_on: self.playing && !ranged,
        };
        self.replay.faults.extend(asked.faults(&answer));
        if status == 200 && method == "SETUP" && !self.tracks.contains(&uri) {
            self.tracks.push(uri.clone());
        }
        self.after(&method, ranged, &answer)
    }

    /// What an answer means for the rest of the dialogue.
    fn after(&mut self, method: &str, ranged: bool, answer: &Response) -> Result<()> {
        if answer.status == 401 {
            let lines = answer.head.lines().filter_map(|line| line.split_once(':'));
            let challenges = lines.filter(|(name, _)| name.eq_ignore_ascii_case("WWW-Authenticate"));
            self.challenges = challenges.map(|(_, value)| Challenge::read(value.trim())).collect();
            ensure!(!self.challenges.is_empty(), "401 without a challenge: {}", answer.head);
        }
        if answer.status != 200 {
            return Ok(());
        }
        match method {
            "DESCRIBE" => {
                self.controls = client::controls(answer);
                ensure!(!self.controls.is_empty(), "a description without a control URL:\n{}", answer.body);
            }
            "ANNOUNCE" => {
                self.session = answer.header("Session").and_then(|id| id.split(';').next()).map(str::to_owned)
            }
            "SETUP" => {
                let session = answer.header("Session").context("SETUP answered without Session")?;
                let session = session.split(';').next().map(str::to_owned);
                if session != self.session {
                    self.sessions += 1;
                    self.tracks.drain(..self.tracks.len().saturating_sub(1));
                }
                self.session = session;
                let port = answer.parameter("Transport", "server_port").and_then(|ports| ports.split('-').next());
                if let (Some(port), Some(last)) = (port, self.sockets.last_mut()) {
                    last.server_port = port.parse().context("server_port")?;
                    let ssrc = answer.parameter("Transport", "ssrc");
                    last.ssrc = ssrc.and_then(|ssrc| u32::from_str_radix(ssrc, 16).ok());
                }
            }
            "PLAY" => {
                let changes = !std::mem::replace(&mut self.playing, true) || ranged;
                let (before, end) = (self.replay.packets, Instant::now() + FIRST_PACKET);
                while changes && self.replay.packets == before && Instant::now() < end {
                    self.listen(Duration::from_millis(10))?;
                }
                if changes && self.replay.packets == before {
                    self.replay.faults.push(format!("PLAY, and no packet within {FIRST_PACKET:?}"));
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
                self.playing = false;
                self.tracks.clear();
                self.session = None;
                self.sessions = self.sessions.saturating_sub(1);
            }
            _ => {}
        }
        Ok(())
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
            if let (Some(end), true) = (end, connection.read.first() != Some(&b'$')) {
                let head = String::from_utf8_lossy(&connection.read[..end]).into_owned();
                // Of 2.0's players: the server tells of an end, and needs no answer to go on.
                if !head.starts_with("RTSP/") && !head.starts_with("HTTP/") {
                    connection.read.drain(..end + 4);
                    continue;
                }
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
