//! A small RTSP client that sees every byte: requests as text, answers as text, packets as bytes.

use anyhow::{Context, Result, bail, ensure};
use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// One connection, with the interleaved frames that came on it.
pub struct Client {
    stream: TcpStream,
    read: Vec<u8>,
    cseq: u32,
    /// From the last answer that named one; sent with every request.
    pub session: Option<String>,
    /// Frames that came and were not yet taken, oldest first.
    pub frames: VecDeque<Frame>,
}

/// One interleaved frame (RFC 2326 10.12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// As the Transport header agreed.
    pub channel: u8,
    /// An RTP or RTCP packet.
    pub bytes: Vec<u8>,
    /// When it was read.
    pub at: Instant,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Status line and header lines.
    pub head: String,
    /// Body.
    pub body: String,
}

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

impl Response {
    /// The value of the first header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// A parameter of a header whose parts stand between `;`.
    pub fn parameter(&self, header: &str, name: &str) -> Option<&str> {
        self.header(header)?.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
    }
}

impl Client {
    /// Connects.
    pub fn connect(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&server, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::new(), cseq: 0, session: None, frames: VecDeque::new() })
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Sends a request with CSeq and Session, and waits for its answer.
    pub fn request(&mut self, method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Response> {
        self.cseq += 1;
        let mut text = format!("{method} {uri} RTSP/1.0\r\nCSeq: {}\r\n", self.cseq);
        if let Some(session) = &self.session {
            text.push_str(&format!("Session: {session}\r\n"));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        self.send(text.as_bytes())?;
        let response = self.response()?;
        ensure!(
            response.header("CSeq") == Some(&self.cseq.to_string()),
            "{method} with CSeq {} was answered: {}",
            self.cseq,
            response.head
        );
        if let Some(session) = response.header("Session") {
            self.session = session.split(';').next().map(str::to_owned);
        }
        Ok(response)
    }

    /// The next answer; frames before it are kept.
    pub fn response(&mut self) -> Result<Response> {
        let deadline = Instant::now() + ANSWER_LIMIT;
        loop {
            self.take_frames();
            let end = self.read.windows(4).position(|window| window == b"\r\n\r\n");
            if let (Some(end), true) = (end, self.read.starts_with(b"RTSP/")) {
                let head = String::from_utf8(self.read[..end].to_vec()).context("an answer that is no text")?;
                let mut response = Response { status: 0, head, body: String::new() };
                response.status = response.head.split_whitespace().nth(1).context("no status")?.parse()?;
                let length: usize = response.header("Content-Length").map_or(Ok(0), str::parse)?;
                if self.read.len() >= end + 4 + length {
                    response.body = String::from_utf8_lossy(&self.read[end + 4..end + 4 + length]).into_owned();
                    self.read.drain(..end + 4 + length);
                    return Ok(response);
                }
            }
            ensure!(Instant::now() < deadline, "no answer within {} s", ANSWER_LIMIT.as_secs());
            if !self.receive(Duration::from_millis(50))? {
                bail!("the server closed the connection");
            }
        }
    }

    /// The next frame within `wait`.
    pub fn frame(&mut self, wait: Duration) -> Result<Option<Frame>> {
        let deadline = Instant::now() + wait;
        loop {
            self.take_frames();
            if let Some(frame) = self.frames.pop_front() {
                return Ok(Some(frame));
            }
            let now = Instant::now();
            if now >= deadline || !self.receive((deadline - now).max(Duration::from_millis(1)))? {
                return Ok(None);
            }
        }
    }

    fn take_frames(&mut self) {
        while self.read.first() == Some(&b'$') && self.read.len() >= 4 {
            let length = 4 + usize::from(u16::from_be_bytes([self.read[2], self.read[3]]));
            if self.read.len() < length {
                return;
            }
            let frame = Frame { channel: self.read[1], bytes: self.read[4..length].to_vec(), at: Instant::now() };
            self.frames.push_back(frame);
            self.read.drain(..length);
        }
    }

    /// `false` at the connection's end.
    fn receive(&mut self, wait: Duration) -> Result<bool> {
        self.stream.set_read_timeout(Some(wait))?;
        let mut buffer = [0; 65_536];
        match self.stream.read(&mut buffer) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

/// The control URLs of a description, in its order, resolved against its Content-Base.
pub fn controls(description: &Response) -> Vec<String> {
    let base = description.header("Content-Base").unwrap_or("").to_owned();
    let media = description.body.split("\nm=").skip(1);
    media
        .filter_map(|media| media.lines().find_map(|line| line.strip_prefix("a=control:")))
        .map(str::trim)
        .map(|control| if control.contains("://") { control.into() } else { format!("{base}{control}") })
        .collect()
}

/// The fixed fields of an RTP packet (RFC 3550 5.1) and its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rtp {
    /// M bit.
    pub marker: bool,
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Synchronization source.
    pub ssrc: u32,
    /// What follows the fixed header, without padding (our server sends neither CSRC nor extension).
    pub payload: Vec<u8>,
}

/// Reads an RTP packet; anything else than version 2 without options is an error.
pub fn rtp(bytes: &[u8]) -> Result<Rtp> {
    ensure!(bytes.len() >= 12, "an RTP packet of {} bytes", bytes.len());
    ensure!(bytes[0] & !0x20 == 0x80, "first byte {:02x}: not version 2 without extension and CSRC", bytes[0]);
    let padding = if bytes[0] == 0x80 { 0 } else { usize::from(bytes[bytes.len() - 1]) };
    ensure!(padding <= bytes.len() - 12, "{padding} bytes of padding in a packet of {}", bytes.len());
    Ok(Rtp {
        marker: bytes[1] & 0x80 != 0,
        payload_type: bytes[1] & 0x7f,
        sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
        timestamp: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        ssrc: u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
        payload: bytes[12..bytes.len() - padding].to_vec(),
    })
}

/// NTP and RTP timestamp of the sender report at the head of a compound packet, if there is one.
pub fn sender_report(bytes: &[u8]) -> Option<(u64, u32)> {
    if bytes.len() < 28 || bytes[0] >> 6 != 2 || bytes[1] != 200 {
        return None;
    }
    let ntp = u64::from_be_bytes(bytes[8..16].try_into().ok()?);
    let rtp = u32::from_be_bytes(bytes[16..20].try_into().ok()?);
    Some((ntp, rtp))
}

/// Whether a compound RTCP packet holds a BYE (RFC 3550 6.6).
pub fn has_bye(mut bytes: &[u8]) -> bool {
    while bytes.len() >= 4 {
        if bytes[1] == 203 {
            return true;
        }
        let length = 4 * (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])) + 1);
        if bytes.len() < length {
            return false;
        }
        bytes = &bytes[length..];
    }
    false
}
