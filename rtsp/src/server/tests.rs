//! The control part over real TCP, against a film without media (`super::fake`).
//!
//! A dialogue is text: `> METHOD url | Header: value`, then what must come, `< status | Header: part of the
//! value`; `!Header` says that there is none, `body=` gives or wants a body, `= a, b` what the worker was
//! asked since the last time. `> 2.0 METHOD` asks in RTSP 2.0, `< 200 2.0` wants an answer in it.
//! `$S` is the last session id that came. Urls are
//! relative to the server's, which is `.`.

mod access;
mod admission;
mod asf;
mod dialogues;
mod form;
mod framing;
mod fuzz;
mod live;
mod multicast;
mod publish;
mod sessions;
mod table;
mod v2;

use super::fake::{FakeWorkers, Films};
use crate::admission::Admission;
use crate::front::{Front, ListenerLimits};
use crate::session::SessionOptions;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// A front on a free port; ends with it.
struct Setting {
    address: SocketAddr,
    workers: Arc<FakeWorkers>,
    front: Arc<Front>,
    stop: watch::Sender<bool>,
    runtime: Runtime,
}

impl Setting {
    fn new() -> Self {
        Self::with(SessionOptions::default(), ListenerLimits::default())
    }

    fn with(sessions: SessionOptions, limits: ListenerLimits) -> Self {
        Self::admitting(sessions, limits, Admission::default())
    }

    fn admitting(sessions: SessionOptions, limits: ListenerLimits, admission: Admission) -> Self {
        let workers = FakeWorkers::start();
        let front = Front::new(Arc::new(Films), workers.clone(), sessions, limits, admission);
        Self::of(front, workers)
    }

    fn of(front: Arc<Front>, workers: Arc<FakeWorkers>) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("its address");
        let (stop, stopped) = watch::channel(false);
        runtime.spawn(front.clone().serve(listener, stopped));
        Self { address, workers, front, stop, runtime }
    }

    fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Waits until `done`, two seconds at most.
    fn until(&self, done: impl Fn(&Self) -> bool) -> bool {
        (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            done(self)
        })
    }

    /// Runs a dialogue on one new connection, then asks whether the server is alive, there and elsewhere.
    fn check(&self, name: &str, dialogue: &str) {
        let mut client = self.client();
        client.run(name, dialogue, &self.workers);
        client.run(name, "> OPTIONS * \n < 200", &self.workers);
        self.client().run(name, "> OPTIONS * \n < 200", &self.workers);
    }
}

/// A response.
#[derive(Clone, Debug, Default)]
struct Got {
    status: u16,
    head: String,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (have, value) = line.split_once(':')?;
            have.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

struct Client {
    stream: TcpStream,
    address: SocketAddr,
    buffer: Vec<u8>,
    cseq: u32,
    session: String,
    /// `$` frames that came before or between responses: channel and payload.
    frames: Vec<(u8, Vec<u8>)>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(3))).expect("a timeout");
        Self { stream, address, buffer: Vec::new(), cseq: 0, session: String::new(), frames: Vec::new() }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server reads");
    }

    /// Reads more; `false` at the end.
    fn fill(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing came: {error}; have {:?}", String::from_utf8_lossy(&self.buffer)),
        }
    }

    /// The next frame or response; `None`: closed.
    fn receive(&mut self) -> Option<Got> {
        loop {
            if let Some(&[b'$', channel, high, low]) = self.buffer.first_chunk() {
                let end = 4 + usize::from(u16::from_be_bytes([high, low]));
                if self.buffer.len() >= end {
                    let frame: Vec<u8> = self.buffer.drain(..end).skip(4).collect();
                    self.frames.push((channel, frame));
                    continue;
                }
            } else if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = String::from_utf8(self.buffer[..end].to_vec()).expect("a head in UTF-8");
                let mut got = Got { head, ..Got::default() };
                got.status = got.head.get(9..12).and_then(|code| code.parse().ok()).expect("a status line");
                let length = got.header("Content-Length").map_or(0, |length| length.parse().expect("a length"));
                while self.buffer.len() < end + 4 + length {
                    assert!(self.fill(), "closed within a body");
                }
                let message: Vec<u8> = self.buffer.drain(..end + 4 + length).collect();
                got.body = String::from_utf8(message[end + 4..].to_vec()).expect("a body in UTF-8");
                return Some(got);
            }
            if !self.fill() {
                assert!(self.buffer.is_empty(), "closed within {:?}", String::from_utf8_lossy(&self.buffer));
                return None;
            }
        }
    }

    fn url(&self, path: &str) -> String {
        match path {
            "*" => path.into(),
            "." => format!("rtsp://{}/", self.address),
            _ if path.contains("://") || path.starts_with('/') => path.into(),
            _ => format!("rtsp://{}/{path}", self.address),
        }
    }

    /// Sends `METHOD url | Header: value | ...`.
    fn ask(&mut self, line: &str) {
        self.cseq += 1;
        let (version, line) = line.strip_prefix("2.0 ").map_or(("1.0", line), |line| ("2.0", line));
        let mut parts = line.split(" | ").map(str::trim);
        let (method, path) = parts.next().and_then(|words| words.split_once(' ')).expect("a method and a url");
        let mut text = format!("{method} {} RTSP/{version}\r\nCSeq: {}\r\n", self.url(path), self.cseq);
        let mut body = String::new();
        for part in parts {
            match part.strip_prefix("body=") {
                Some(given) => body = given.replace("\\n", "\r\n"),
                None => text += &format!("{}\r\n", part.replace("$S", &self.session)),
            }
        }
        if !body.is_empty() {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        self.send(text + "\r\n" + &body);
    }

    fn run(&mut self, name: &str, dialogue: &str, workers: &FakeWorkers) {
        for line in dialogue.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let at = format!("{name}: {line}");
            match line.split_at(1) {
                (">", rest) => self.ask(rest.trim()),
                ("<", rest) => self.expect(&at, rest.trim()),
                ("=", rest) => {
                    // What follows an answer (go) may lag behind it.
                    let mut log = Vec::new();
                    for _ in 0..100 {
                        log.extend(workers.log());
                        if log.join(", ") == rest.trim() {
                            break;
                        }
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    assert_eq!(log.join(", "), rest.trim(), "{at}");
                }
                _ => panic!("{at}: neither >, < nor ="),
            }
        }
    }

    fn expect(&mut self, at: &str, wanted: &str) {
        let got = self.receive().unwrap_or_else(|| panic!("{at}: closed"));
        let mut parts = wanted.split(" | ").map(str::trim);
        let (status, version) = parts.next().map_or(("", ""), |word| word.split_once(' ').unwrap_or((word, "")));
        assert_eq!(got.status.to_string(), status, "{at}\n{}", got.head);
        assert!(got.head.starts_with(&format!("RTSP/{version}")), "{at}\n{}", got.head);
        assert_eq!(got.header("CSeq"), Some(self.cseq.to_string().as_str()), "{at}\n{}", got.head);
        assert!(got.header("Server").is_some_and(|server| server.contains("mobidic/")), "{at}");
        assert!(got.header("Date").is_some(), "{at}");
        for part in parts {
            if let Some(name) = part.strip_prefix('!') {
                assert_eq!(got.header(name), None, "{at}");
            } else if let Some(body) = part.strip_prefix("body=") {
                assert_eq!(got.body, body.replace("\\n", "\r\n"), "{at}");
            } else {
                let (name, value) = part.split_once(':').expect("Header: value");
                let value = value.trim().replace("$S", &self.session).replace("$U", &self.url(""));
                let have = got.header(name).unwrap_or_else(|| panic!("{at}: no {name}\n{}", got.head));
                match value.strip_prefix('=') {
                    Some(value) => assert_eq!(have, value.trim(), "{at}"),
                    None => assert!(have.contains(&value), "{at}: {name} is {have}"),
                }
            }
        }
        if got.status == 200
            && let Some(session) = got.header("Session")
        {
            self.session = session.split(';').next().unwrap_or_default().to_owned();
        }
    }
}
