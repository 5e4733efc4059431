//! A connection to somebody else's RTSP server, on which a feed is fetched.

use super::outbox::{DEFAULT_LIMIT, Outbox};
use super::task::Task;
use super::tls;
use super::wire::Wire;
use crate::message::{Method, SERVER};
use bytes::Bytes;
use rtsp_types::{Message, ParseError, Response};
use std::{collections::VecDeque, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::{TcpStream, UnixStream};

/// For a connection to be made, and for each answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of an answer: a description is the longest.
const MAX_ANSWER: usize = 256 << 10;

/// Frames that come before the answer that is waited for.
const MAX_EARLY: usize = 1024;

/// Bytes in a row that are neither: some servers' lengths are wrong by a few, and nothing else may go on for long.
const MAX_STRAY: usize = 64 << 10;

/// Channels of `$` frames that a server may use: twice the tracks of a description.
const MAX_CHANNEL: u8 = 64;

/// How long it is listened to a server after the last request. What it still sends must be taken: a connection that is
/// closed before is reset, and takes the request with it.
const LAST: Duration = Duration::from_secs(1);

/// Bytes that one read takes.
const READ: usize = 64 << 10;

/// What comes on it.
#[derive(Debug)]
pub enum FromServer {
    /// An answer of it.
    Answer(Response<Vec<u8>>),
    /// A `$` frame: its channel and what it holds.
    Frame(u8, Bytes),
}

/// The connection.
#[derive(Debug)]
pub struct Client {
    wire: Arc<Wire>,
    /// The way out: receiver reports take it, too.
    pub outbox: Arc<Outbox>,
    /// The server's end.
    pub peer: SocketAddr,
    /// Ours.
    pub local: SocketAddr,
    read: Vec<u8>,
    /// It has answered, so it speaks RTSP.
    known: bool,
    stray: usize,
    early: VecDeque<(u8, Bytes)>,
    cseq: u32,
    _drive: Task,
    /// Carries the bytes on within TLS.
    carry: Option<Arc<Task>>,
}

impl Client {
    /// Connects to `authority`, `host:port`; `secure`: within TLS, and the server must prove that it is that host.
    ///
    /// # Errors
    /// The system's, what TLS finds wrong, or nobody answers within ten seconds.
    pub async fn connect(authority: &str, secure: bool) -> io::Result<Self> {
        let opened = tokio::time::timeout(PATIENCE, open(authority, secure)).await;
        let (wire, (peer, local), carry) = opened.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let wire = Arc::new(wire);
        let outbox = Arc::new(Outbox::new(wire.clone(), DEFAULT_LIMIT));
        let driven = outbox.clone();
        let drive = Task::spawn(async move { drop(driven.drive().await) });
        Ok(Self {
            wire,
            outbox,
            peer,
            local,
            read: Vec::new(),
            known: false,
            stray: 0,
            early: VecDeque::new(),
            cseq: 0,
            _drive: drive,
            carry: carry.map(Arc::new),
        })
    }

    /// Asks, and waits for the answer. `fields` are whole lines without their ends.
    ///
    /// # Errors
    /// The connection's, no answer within ten seconds, or one that is none.
    pub async fn ask(&mut self, method: &Method, uri: &str, fields: &[String]) -> io::Result<Response<Vec<u8>>> {
        let cseq = self.send(method, uri, fields)?.to_string();
        let answer = async {
            loop {
                match self.come().await? {
                    FromServer::Answer(answer) => {
                        let of = answer.header(&rtsp_types::headers::CSEQ).map(|field| field.as_str().trim());
                        // One without a number is to what was asked last.
                        if of.is_none_or(|of| of == cseq) {
                            return Ok(answer);
                        }
                    }
                    FromServer::Frame(channel, payload) if self.early.len() < MAX_EARLY => {
                        self.early.push_back((channel, payload));
                    }
                    FromServer::Frame(..) => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, answer).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// Asks without waiting; gives the request's number.
    ///
    /// # Errors
    /// The connection's.
    pub fn send(&mut self, method: &Method, uri: &str, fields: &[String]) -> io::Result<u32> {
        self.cseq += 1;
        let name: &str = method.into();
        let mut text = format!("{name} {uri} RTSP/1.0\r\nCSeq: {}\r\nUser-Agent: {SERVER}\r\n", self.cseq);
        for field in fields {
            text += field;
            text += "\r\n";
        }
        self.outbox.respond((text + "\r\n").as_bytes())?;
        Ok(self.cseq)
    }

    /// What comes next.
    ///
    /// # Errors
    /// The connection's, its end, or bytes that are no RTSP.
    pub async fn next(&mut self) -> io::Result<FromServer> {
        match self.early.pop_front() {
            Some((channel, payload)) => Ok(FromServer::Frame(channel, payload)),
            None => self.come().await,
        }
    }

    /// Asks without waiting for the answer, and for nothing else after it: the connection outlives this for a second.
    pub fn send_last(&mut self, method: &Method, uri: &str, fields: &[String]) {
        let (Ok(_), Ok(runtime)) = (self.send(method, uri, fields), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let (wire, carry) = (self.wire.clone(), self.carry.clone());
        let listen = async move {
            let mut passed = vec![0; READ];
            while wire.readable().await.is_ok() {
                match wire.try_read(&mut passed) {
                    Ok(0) => break,
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => break,
                    _ => {}
                }
            }
            drop(carry);
        };
        runtime.spawn(tokio::time::timeout(LAST, listen));
    }

    async fn come(&mut self) -> io::Result<FromServer> {
        loop {
            if let Some(come) = self.cut()? {
                return Ok(come);
            }
            self.wire.readable().await?;
            let start = self.read.len();
            self.read.resize(start + READ, 0);
            let read = self.wire.try_read(self.read.get_mut(start..).unwrap_or_default());
            self.read.truncate(start + read.as_ref().map_or(0, |count| *count));
            match read {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The first whole thing of what was read.
    fn cut(&mut self) -> io::Result<Option<FromServer>> {
        loop {
            match self.read.first_chunk() {
                Some(&[b'$', channel, high, low]) if channel < MAX_CHANNEL => {
                    let end = 4 + usize::from(u16::from_be_bytes([high, low]));
                    let Some(payload) = self.read.get(4..end).map(Bytes::copy_from_slice) else { return Ok(None) };
                    self.read.drain(..end);
                    self.stray = 0;
                    return Ok(Some(FromServer::Frame(channel, payload)));
                }
                None if self.read.first().is_none_or(|byte| *byte == b'$') => return Ok(None),
                _ => {}
            }
            match Message::<Vec<u8>>::parse(&self.read) {
                Ok((message, length)) => {
                    self.read.drain(..length);
                    (self.known, self.stray) = (true, 0);
                    if let Message::Response(answer) = message {
                        return Ok(Some(FromServer::Answer(answer)));
                    }
                    // A server that asks something is not answered: none needs it.
                }
                Err(ParseError::Incomplete(_)) if self.read.len() <= MAX_ANSWER => return Ok(None),
                Err(_) if self.known && self.stray < MAX_STRAY => self.skip(),
                Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "what came is no RTSP")),
            }
        }
    }

    /// Passes over what is nothing, to where something may begin.
    fn skip(&mut self) {
        const ANSWER: &[u8] = b"RTSP/";
        let may_begin = |at: &usize| {
            let rest = self.read.get(*at..).unwrap_or_default();
            let begun = rest.len().min(ANSWER.len());
            rest.starts_with(b"$") || rest.starts_with(ANSWER.get(..begun).unwrap_or_default())
        };
        let next = (1..self.read.len()).find(may_begin).unwrap_or(self.read.len());
        self.read.drain(..next);
        self.stray += next;
    }
}

/// What its bytes travel on, its ends, and what carries them.
async fn open(authority: &str, secure: bool) -> io::Result<(Wire, (SocketAddr, SocketAddr), Option<Task>)> {
    let stream = TcpStream::connect(authority).await?;
    let ends = (stream.peer_addr()?, stream.local_addr()?);
    if !secure {
        return Ok((Wire::Tcp(stream), ends, None));
    }
    let _ = stream.set_nodelay(true);
    let mut stream = tls::connect(stream, authority.rsplit_once(':').map_or(authority, |(host, _)| host)).await?;
    let (inner, mut outer) = UnixStream::pair()?;
    let carry = Task::spawn(async move { drop(tokio::io::copy_bidirectional(&mut stream, &mut outer).await) });
    Ok((Wire::Local(inner), ends, Some(carry)))
}
