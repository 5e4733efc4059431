//! One connection to the server: whole requests or single bytes out; answers, interleaved frames and the server's own
//! requests in.

use crate::suite::{
    case::{Stop, Verdict, fail},
    context::Options,
    digest::Credentials,
    message::{RESPONSE_LIMIT, Request, Response},
    record::Record,
    stream::Stream,
};
use std::{
    collections::VecDeque,
    io::{ErrorKind, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// A connection.
pub struct Wire {
    stream: Stream,
    record: Record,
    number: u32,
    read: Vec<u8>,
    cseq: u32,
    patience: Duration,
    closed: bool,
    /// Sent with a second try where the first was answered 401.
    pub credentials: Option<Credentials>,
    /// Frames that came and were not yet taken, oldest first.
    pub frames: VecDeque<Frame>,
    /// Requests of the server that came (RFC 2326 10.2); each was answered with 200.
    pub notices: Vec<Response>,
    /// How many frames had come before the last answer.
    pub frames_before_answer: usize,
}

/// One interleaved frame (RFC 2326 10.12).
#[derive(Clone, Debug)]
pub struct Frame {
    /// As the Transport header agreed.
    pub channel: u8,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// When it was read.
    pub at: Instant,
}

/// Frames that wait to be taken: a case that doesn't look at its media must not fill the memory.
const FRAMES_LIMIT: usize = 100_000;

impl Wire {
    /// Connects; `tls` names the host whose certificate is expected, unchecked.
    pub fn connect(server: SocketAddr, tls: Option<&str>, record: &Record, options: &Options) -> Verdict<Self> {
        let patience = options.patience;
        let stream = Stream::connect(server, tls, options.carry, patience);
        let stream = stream.map_err(|error| fail("a connection to the server", error))?;
        let number = record.connection();
        record.remark(number, "connected");
        Ok(Self {
            stream,
            record: record.clone(),
            number,
            read: Vec::new(),
            cseq: 0,
            patience,
            closed: false,
            credentials: None,
            frames: VecDeque::new(),
            notices: Vec::new(),
            frames_before_answer: 0,
        })
    }

    /// The client's own address on this connection.
    pub fn local(&self) -> Verdict<SocketAddr> {
        self.stream.local().map_err(|error| fail("an open connection", error))
    }

    /// Sends a request and waits for its answer; credentials are added where the server asks for them.
    pub fn ask(&mut self, request: &Request) -> Verdict<Response> {
        let mut request = request.clone();
        if let Some(credentials) = &mut self.credentials
            && let Some(value) = credentials.answer(&request.method, &request.uri)
        {
            request = request.header("Authorization", value);
        }
        self.tell(&request)?;
        let response = self.response_to(&request.method)?;
        let Some(credentials) = &mut self.credentials else { return Ok(response) };
        if response.status != 401 || !credentials.challenge(&response) {
            return Ok(response);
        }
        request.headers.retain(|(name, _)| name != "Authorization");
        if let Some(value) = credentials.answer(&request.method, &request.uri) {
            request = request.header("Authorization", value);
        }
        self.tell(&request)?;
        self.response_to(&request.method)
    }

    /// As `ask`, and the answer must be 200.
    pub fn ok(&mut self, request: &Request) -> Verdict<Response> {
        let response = self.ask(request)?;
        if response.status == 200 {
            return Ok(response);
        }
        Err(fail(format!("200 to {} {}", request.method, request.uri), response.brief()))
    }

    /// Sends a request and doesn't wait.
    pub fn tell(&mut self, request: &Request) -> Verdict {
        self.cseq = self.cseq.wrapping_add(1);
        let bytes = request.bytes(self.cseq);
        self.send(&bytes)
    }

    /// CSeq of the last request.
    pub fn cseq(&self) -> String {
        self.cseq.to_string()
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> Verdict {
        self.record.message(self.number, '>', bytes);
        self.send_quietly(bytes)
    }

    /// Sends bytes that the record would only be swollen by.
    pub fn send_quietly(&mut self, bytes: &[u8]) -> Verdict {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).map_err(|error| {
            self.record.remark(self.number, &format!("writing failed: {error}"));
            fail("a connection that takes requests", error)
        })
    }

    /// The next answer.
    pub fn response(&mut self) -> Verdict<Response> {
        self.response_to("the request")
    }

    /// The next answer, or `None` at the connection's end or when the time is over.
    pub fn maybe_response(&mut self) -> Option<Response> {
        self.response().ok()
    }

    fn response_to(&mut self, what: &str) -> Verdict<Response> {
        let deadline = Instant::now() + self.patience;
        self.frames_before_answer = 0;
        loop {
            if let Some(response) = self.take()? {
                return Ok(response);
            }
            if self.closed {
                return Err(fail(format!("an answer to {what}"), "the server closed the connection"));
            }
            if Instant::now() >= deadline {
                return Err(fail(format!("an answer to {what}"), format!("nothing for {:?}", self.patience)));
            }
            self.receive(Duration::from_millis(50));
        }
    }

    /// Reads for this long, whatever comes.
    pub fn listen(&mut self, wait: Duration) -> Verdict<Option<Response>> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(response) = self.take()? {
                return Ok(Some(response));
            }
            let now = Instant::now();
            if now >= deadline || self.closed {
                return Ok(None);
            }
            self.receive((deadline - now).min(Duration::from_millis(50)));
        }
    }

    /// Whether the server ends the connection within `wait`; answers that come before are taken and dropped.
    pub fn ends_within(&mut self, wait: Duration) -> bool {
        let deadline = Instant::now() + wait;
        while !self.closed && Instant::now() < deadline {
            if self.take().is_err() {
                return true;
            }
            self.receive(Duration::from_millis(50));
        }
        self.closed
    }

    /// What comes next as bytes, once something came and 200 ms were quiet: for what isn't RTSP.
    pub fn bytes(&mut self, wait: Duration) -> Vec<u8> {
        let deadline = Instant::now() + wait;
        while !self.closed && Instant::now() < deadline {
            let before = self.read.len();
            self.receive(Duration::from_millis(200));
            if !self.read.is_empty() && self.read.len() == before {
                break;
            }
        }
        let bytes = std::mem::take(&mut self.read);
        self.record.message(self.number, '<', &bytes);
        bytes
    }

    /// Whether the end was seen.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Stops writing and reading.
    pub fn close(&mut self) {
        self.record.remark(self.number, "closed by the suite");
        self.stream.shutdown();
        self.closed = true;
    }

    /// The next whole message at the head of what was read; frames before it are put aside.
    fn take(&mut self) -> Verdict<Option<Response>> {
        loop {
            self.take_frames();
            if self.read.first() == Some(&b'$') {
                return Ok(None);
            }
            let Some((message, used)) = Response::read(&self.read) else {
                return self.check_unfinished().map(|()| None);
            };
            self.read.drain(..used);
            self.record.message(self.number, '<', &message.raw);
            if !message.is_request() {
                return Ok(Some(message));
            }
            let cseq = message.header("CSeq").unwrap_or("0").to_owned();
            let version = message.first.rsplit(' ').next().unwrap_or("RTSP/1.0").to_owned();
            self.notices.push(message);
            let _ = self.send(format!("{version} 200 OK\r\nCSeq: {cseq}\r\n\r\n").as_bytes());
        }
    }

    fn check_unfinished(&self) -> Verdict {
        let known = [&b"RTSP/"[..], b"HTTP/", b"OPTIONS", b"SET_P", b"GET_P", b"PLAY_", b"REDIR", b"ANNOU", b"TEARD"];
        let begins = |start: &&[u8]| {
            let length = start.len().min(self.read.len());
            self.read.get(..length) == start.get(..length)
        };
        if !known.iter().any(begins) {
            let head = self.read.get(..48).unwrap_or(&self.read);
            return Err(fail("an answer or a `$` frame", crate::suite::record::readable(head)));
        }
        if self.read.len() > RESPONSE_LIMIT {
            return Err(fail("an answer that ends", format!("{} bytes without an end", self.read.len())));
        }
        Ok(())
    }

    fn take_frames(&mut self) {
        let mut used = 0;
        while let Some(rest) = self.read.get(used..)
            && let Some(&[b'$', channel, high, low]) = rest.first_chunk()
        {
            let length = usize::from(u16::from_be_bytes([high, low]));
            let Some(bytes) = rest.get(4..4 + length) else { break };
            self.record.packet(self.number, &format!("frame of channel {channel}"), bytes);
            if self.frames.len() < FRAMES_LIMIT {
                self.frames.push_back(Frame { channel, bytes: bytes.to_vec(), at: Instant::now() });
            }
            self.frames_before_answer += 1;
            used += 4 + length;
        }
        self.read.drain(..used);
    }

    fn receive(&mut self, wait: Duration) {
        let mut buffer = [0; 65_536];
        match self.stream.read_for(&mut buffer, wait) {
            Ok(0) => self.ended("closed by the server"),
            Ok(count) => self.read.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => self.ended(&format!("reading failed: {error}")),
        }
    }

    fn ended(&mut self, how: &str) {
        if !self.closed {
            self.record.remark(self.number, how);
            self.closed = true;
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stream.shutdown();
    }
}

/// Turns "no answer" into `None`; any other failure stays.
pub fn answered(result: Verdict<Response>) -> Verdict<Option<Response>> {
    match result {
        Ok(response) => Ok(Some(response)),
        Err(Stop::Fail { came, .. }) if came.contains("closed the connection") || came.contains("os error") => Ok(None),
        Err(stop) => Err(stop),
    }
}
