//! RTSP within something else, so that it passes firewalls: QuickTime's HTTP tunnel, and WebSocket as ONVIF has it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

/// Within what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carry {
    /// Nothing.
    #[default]
    Plain,
    /// A GET for what the server says, a POST for what is said to it.
    Http,
    /// Binary frames (RFC 6455).
    WebSocket,
}

/// Bytes of an HTTP answer's head at most.
const MAX_HEAD: usize = 8192;

/// Both connections of an HTTP tunnel.
pub struct Tunnel {
    pub(super) down: TcpStream,
    up: TcpStream,
}

/// A WebSocket.
pub struct WebSocket {
    pub(super) stream: TcpStream,
    /// Frames as they came.
    raw: Vec<u8>,
    /// What they hold.
    data: Vec<u8>,
}

impl Tunnel {
    /// Opens both; the answer to GET must have come, or the server would not know what POST belongs to.
    pub fn open(server: SocketAddr, patience: Duration) -> io::Result<Self> {
        let (mut down, mut up) = (connect(server, patience)?, connect(server, patience)?);
        let cookie = format!("{:032x}", rand::random::<u128>());
        let head = |method: &str, more: &str| {
            format!(
                "{method} / HTTP/1.0\r\nx-sessioncookie: {cookie}\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n\
                 {more}\r\n"
            )
        };
        down.write_all(head("GET", "Accept: application/x-rtsp-tunnelled\r\n").as_bytes())?;
        expect(&mut down, " 200 ")?;
        let more = "Content-Type: application/x-rtsp-tunnelled\r\nContent-Length: 32767\r\n";
        up.write_all(head("POST", more).as_bytes())?;
        Ok(Self { down, up })
    }

    /// Ends both.
    pub fn shutdown(&self) {
        let _ = (self.up.shutdown(Shutdown::Both), self.down.shutdown(Shutdown::Both));
    }
}

impl Read for Tunnel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.down.read(buffer)
    }
}

impl Write for Tunnel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.up.write_all(STANDARD.encode(bytes).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.up.flush()
    }
}

impl WebSocket {
    /// Connects and upgrades.
    pub fn open(server: SocketAddr, patience: Duration) -> io::Result<Self> {
        let mut stream = connect(server, patience)?;
        let key = STANDARD.encode(rand::random::<[u8; 16]>());
        let head = format!(
            "GET / HTTP/1.1\r\nHost: {server}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: rtsp.onvif.org\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        expect(&mut stream, " 101 ")?;
        Ok(Self { stream, raw: Vec::new(), data: Vec::new() })
    }

    /// Moves the next whole frame's payload to `data`; false where there is none, `None` for a frame that ends it.
    fn unframe(&mut self) -> Option<bool> {
        let [first, second, rest @ ..] = self.raw.as_slice() else { return Some(false) };
        let (length, header): (usize, usize) = match (second & 0x7f, rest) {
            (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 4),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                (usize::try_from(u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])).ok()?, 10)
            }
            (126 | 127, _) => return Some(false),
            (length, _) => (usize::from(length), 2),
        };
        let (opcode, masked) = (first & 0x0f, second & 0x80 != 0);
        // A server's frames are not masked (5.1).
        if masked || opcode == 8 {
            return None;
        }
        let end = header.checked_add(length)?;
        if self.raw.len() < end {
            return Some(false);
        }
        let frame: Vec<u8> = self.raw.drain(..end).collect();
        if opcode <= 2 {
            self.data.extend_from_slice(frame.get(header..).unwrap_or_default());
        }
        Some(true)
    }
}

impl Read for WebSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.data.is_empty() {
                let count = self.data.len().min(buffer.len());
                for (to, from) in buffer.iter_mut().zip(self.data.drain(..count)) {
                    *to = from;
                }
                return Ok(count);
            }
            match self.unframe() {
                Some(true) => {}
                Some(false) => {
                    let mut more = [0; 65_536];
                    let count = self.stream.read(&mut more)?;
                    if count == 0 {
                        return Ok(0);
                    }
                    self.raw.extend(more.iter().take(count));
                }
                None => return Ok(0),
            }
        }
    }
}

impl Write for WebSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mask: [u8; 4] = rand::random();
        let mut frame = vec![0x82];
        match u16::try_from(bytes.len()) {
            Ok(short) if short < 126 => frame.push(0x80 | short as u8),
            Ok(middle) => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&middle.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&mask);
        frame.extend(bytes.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.stream.write_all(&frame)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn connect(server: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(patience))?;
    stream.set_read_timeout(Some(patience))?;
    Ok(stream)
}

/// Reads an HTTP answer's head, and nothing beyond it, whose first line must have `word` in it.
fn expect(stream: &mut TcpStream, word: &str) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 || head.len() >= MAX_HEAD {
            return Err(io::Error::other("no HTTP answer"));
        }
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8_lossy(&head);
    let first = head.lines().next().unwrap_or_default();
    if first.contains(word) { Ok(()) } else { Err(io::Error::other(first.to_owned())) }
}
