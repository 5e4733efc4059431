//! Connections within others: what they carry is brought to a connection task over a local pair of sockets.

use super::Front;
use super::connection::{ConnectionTask, LAST_WORDS};
use super::limits::Guest;
use crate::net::tunnel::{Base64Decoder, Kind, http, websocket};
use crate::net::wire::Wire;
use crate::session::ConnectionId;
use socket2::SockRef;
use std::future::Future;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Bytes that are carried at one go.
const CHUNK: usize = 16 << 10;

/// Who is connected, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) id: ConnectionId,
    /// Nobody else can read it.
    pub(super) secure: bool,
}

impl Front {
    /// Speaks RTSP.
    pub(super) async fn talk(&self, wire: Wire, caller: Caller) -> io::Result<()> {
        ConnectionTask::new(self, wire, caller).run().await
    }

    /// What TLS carries: RTSP or HTTP.
    pub(super) async fn within_tls<S>(&self, mut stream: S, caller: Caller) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut first = Vec::with_capacity(CHUNK);
        let kind = async {
            loop {
                match Kind::of(&first) {
                    Some(kind) => return Ok(kind),
                    None if stream.read_buf(&mut first).await? == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    None => {}
                }
            }
        };
        match timeout(self.limits.idle, kind).await {
            Ok(Ok(Kind::Http)) => self.http(stream, first, caller).await,
            Ok(Ok(_)) => self.carry(stream, first, caller).await,
            Ok(Err(error)) => Err(error),
            Err(_) => Ok(()),
        }
    }

    /// The two ends over which a connection is carried, and their places.
    fn pair(&self, caller: Caller) -> io::Result<(Guest, UnixStream, UnixStream)> {
        let Some(places) = self.guests.clone().admit_carried(caller.peer.ip().to_canonical(), &self.limits) else {
            tracing::warn!(peer = %caller.peer, "too many connections");
            return Err(io::Error::other("too many connections"));
        };
        let (inner, outer) = UnixStream::pair()?;
        Ok((places, inner, outer))
    }

    /// Carries bytes as they are.
    async fn carry<S>(&self, mut stream: S, first: Vec<u8>, caller: Caller) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (_places, inner, mut outer) = self.pair(caller)?;
        let carry = async move {
            outer.write_all(&first).await?;
            tokio::io::copy_bidirectional(&mut stream, &mut outer).await.map(drop)
        };
        both(self.talk(Wire::Local(inner), caller), carry).await
    }

    /// A tunnel through HTTP, told by its head.
    pub(super) async fn http<S>(&self, mut stream: S, first: Vec<u8>, caller: Caller) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let head = timeout(self.limits.message, http::read_head(&mut stream, first)).await;
        let Ok(Some((head, rest))) = head.map_err(|_| io::ErrorKind::TimedOut)? else {
            return self.refuse(stream, "400 Bad Request").await;
        };
        let cookie = head.get("x-sessioncookie");
        match (head.method.as_str(), cookie) {
            ("GET", Some(cookie)) => self.tunnel(stream, cookie, caller).await,
            ("POST", Some(cookie)) => self.feed(stream, cookie, rest, caller).await,
            ("GET", None) => match websocket::accept(&head) {
                Some(answer) => {
                    stream.write_all(&answer).await?;
                    self.websocket(stream, rest, caller).await
                }
                None => self.describe(stream, &head, caller).await,
            },
            ("HEAD", None) => self.describe(stream, &head, caller).await,
            _ => self.refuse(stream, "400 Bad Request").await,
        }
    }

    async fn refuse(&self, mut stream: impl AsyncWrite + Unpin, status: &str) -> io::Result<()> {
        tracing::debug!(status, "HTTP that is no tunnel");
        stream.write_all(&http::refusal(status)).await?;
        stream.shutdown().await
    }

    /// The GET of a tunnel: all that we say goes out on it.
    async fn tunnel<S>(&self, mut stream: S, cookie: &str, caller: Caller) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (_places, inner, outer) = self.pair(caller)?;
        let (mut said, feed) = outer.into_split();
        let Some(open) = self.tunnels.open(cookie, caller.peer.ip().to_canonical(), Arc::new(Mutex::new(feed))) else {
            return self.refuse(stream, "400 Bad Request").await;
        };
        stream.write_all(&http::tunnel_opened()).await?;
        let (mut from, mut to) = tokio::io::split(stream);
        let carry = async move {
            let closed = async {
                // Nothing is to come on it but its end.
                let mut scrap = [0; 256];
                while from.read(&mut scrap).await? > 0 {}
                Ok(())
            };
            let out = tokio::io::copy(&mut said, &mut to);
            let ended = tokio::select! {
                ended = closed => ended,
                ended = out => ended.map(drop),
            };
            // A POST that is still open has the other half, and would keep the connection alive with it.
            let _ = SockRef::from(said.as_ref()).shutdown(Shutdown::Both);
            ended
        };
        let ended = both(self.talk(Wire::Local(inner), caller), carry).await;
        drop(open);
        ended
    }

    /// A POST of a tunnel: requests in base64, never answered; its Content-Length is fiction.
    async fn feed<S>(&self, mut stream: S, cookie: &str, rest: Vec<u8>, caller: Caller) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Some(feed) = self.tunnels.feed(cookie, caller.peer.ip().to_canonical()) else {
            return self.refuse(stream, "404 Not Found").await;
        };
        let mut decoder = Base64Decoder::default();
        let mut bytes = rest;
        loop {
            let decoded = decoder.decode(&bytes).map_err(io::Error::other)?;
            feed.lock().await.write_all(&decoded).await?;
            bytes.clear();
            bytes.reserve(CHUNK);
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn websocket<S>(&self, stream: S, rest: Vec<u8>, caller: Caller) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (_places, inner, outer) = self.pair(caller)?;
        let (mut said, mut feed) = outer.into_split();
        let (mut from, to) = tokio::io::split(stream);
        let to = Mutex::new(to);
        let carry = async move {
            let come_in = async {
                let mut frames = websocket::Frames::default();
                let mut bytes = rest;
                loop {
                    frames.handle(&bytes);
                    while let Some(event) = frames.poll() {
                        match event {
                            websocket::Event::Data(data) => feed.write_all(&data).await?,
                            websocket::Event::Ping(payload) => {
                                to.lock().await.write_all(&websocket::pong(&payload)).await?;
                            }
                            websocket::Event::Close => return to.lock().await.write_all(&websocket::close()).await,
                        }
                    }
                    bytes.clear();
                    bytes.reserve(CHUNK);
                    if from.read_buf(&mut bytes).await? == 0 {
                        return Ok(());
                    }
                }
            };
            let go_out = async {
                let mut bytes = Vec::with_capacity(CHUNK);
                while said.read_buf(&mut bytes).await? > 0 {
                    let mut to = to.lock().await;
                    to.write_all(&websocket::frame(&bytes)).await?;
                    to.flush().await?;
                    bytes.clear();
                }
                to.lock().await.write_all(&websocket::close()).await
            };
            tokio::select! {
                ended = come_in => ended,
                ended = go_out => ended,
            }
        };
        both(self.talk(Wire::Local(inner), caller), carry).await
    }
}

/// Runs a connection and what carries it, until both have ended: the one's end is the other's end of file.
async fn both(
    talk: impl Future<Output = io::Result<()>>,
    carry: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    let (mut talk, mut carry) = (pin!(talk), pin!(carry));
    tokio::select! {
        ended = &mut talk => {
            let _ = timeout(LAST_WORDS, carry).await;
            ended
        }
        ended = &mut carry => {
            // Both ends of the pair that it had are closed.
            let _ = talk.await;
            ended
        }
    }
}
