//! The task of one connection: reads, asks, answers.

use super::Front;
use super::carry::Caller;
use crate::message::{FrameError, Framer, Incoming, Method, Request, reply, serialize};
use crate::net::outbox::Outbox;
use crate::net::wire::Wire;
use crate::server::{Answer, Connection, Step};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Bytes that one read takes: many viewers' reports fit, and a flood doesn't hold the task for long.
const READ: usize = 8 << 10;

/// Bad messages on one connection: whoever sends more doesn't mean RTSP.
const MAX_BAD_MESSAGES: u32 = 64;

/// A channel that nothing feeds is waited for so long: a feed on demand needs it to connect and to learn the tracks.
const FEED_PATIENCE: Duration = Duration::from_secs(10);

/// For the last answers to leave before the connection is closed.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

pub(super) struct ConnectionTask<'a> {
    front: &'a Front,
    stream: Arc<Wire>,
    connection: Connection,
    framer: Framer,
    /// What came before the task began.
    first: Option<Result<Incoming, FrameError>>,
    bad_messages: u32,
    /// When the last message was whole.
    last_message: Instant,
    /// When the message that isn't whole yet began.
    begun: Option<Instant>,
}

/// Whether to go on reading.
enum Next {
    Read,
    Close,
}

impl<'a> ConnectionTask<'a> {
    pub(super) fn new(front: &'a Front, wire: Wire, caller: Caller) -> Self {
        let stream = Arc::new(wire);
        let outbox = Arc::new(Outbox::new(stream.clone(), front.limits.outbox));
        let mut connection = Connection::new(caller.id, caller.peer, caller.local, outbox);
        connection.secure = caller.secure;
        let last_message = Instant::now();
        let framer = Framer::new();
        Self { front, stream, connection, framer, first: None, bad_messages: 0, last_message, begun: None }
    }

    /// With what was said already: a message, or what is none, and the framer that cut it off.
    pub(super) fn after(mut self, framer: Framer, first: Result<Incoming, FrameError>) -> Self {
        (self.framer, self.first) = (framer, Some(first));
        self
    }

    /// Until either side closes.
    pub(super) async fn run(&mut self) -> io::Result<()> {
        let outbox = self.connection.outbox.clone();
        let ended = tokio::select! {
            ended = self.read() => ended,
            ended = outbox.drive() => ended,
        };
        if ended.is_ok() {
            outbox.drained(LAST_WORDS).await;
        }
        ended
    }

    async fn read(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; READ];
        loop {
            while let Some(next) = self.first.take().or_else(|| self.framer.poll()) {
                self.last_message = Instant::now();
                self.begun = None;
                if let Next::Close = self.message(next).await? {
                    return Ok(());
                }
            }
            if self.framer.is_partial() && self.begun.is_none() {
                self.begun = Some(Instant::now());
            }
            let Some(count) = self.receive(&mut buffer).await? else { return Ok(()) };
            self.framer.handle(&buffer[..count]);
        }
    }

    /// What the peer sent; `None`: it has closed, or has been silent for too long.
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let mut idle_since = self.last_message;
        loop {
            let deadline = match self.begun {
                Some(begun) => begun + self.front.limits.message,
                None => idle_since + self.front.limits.idle,
            };
            match tokio::time::timeout_at(deadline.into(), self.stream.readable()).await {
                Ok(readable) => readable?,
                // Its session lives on RTCP, or is carried by this very connection.
                Err(_) if self.begun.is_none() && self.front.server.has_sessions(&self.connection) => {
                    idle_since = Instant::now();
                    continue;
                }
                Err(_) => {
                    tracing::debug!("silent for too long");
                    return Ok(None);
                }
            }
            match self.stream.try_read(buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn message(&mut self, message: Result<Incoming, FrameError>) -> io::Result<Next> {
        match message {
            Ok(Incoming::Request(request)) => self.request(&request).await,
            Ok(Incoming::Response { status, cseq }) => {
                tracing::debug!(status = u16::from(status), ?cseq, "an answer that nobody waits for");
                Ok(Next::Read)
            }
            Ok(Incoming::Interleaved { channel, payload }) => {
                self.front.server.interleaved(&self.connection, channel, payload, Instant::now());
                Ok(Next::Read)
            }
            Err(error) => self.bad_message(&error),
        }
    }

    async fn request(&mut self, request: &Request) -> io::Result<Next> {
        let method: &str = (&request.method).into();
        tracing::debug!(method, uri = request.uri, cseq = request.cseq, "request");
        let front = self.front;
        let mut step = front.server.begin(&mut self.connection, request, Instant::now());
        let answer: Box<Answer> = loop {
            step = match step {
                Step::Done(answer) => break answer,
                Step::Open(name) => {
                    // Who is about to publish asks for options first.
                    let patience = if request.method == Method::Options { Duration::ZERO } else { FEED_PATIENCE };
                    let opened = front.presentations.open(&name, patience).await;
                    front.server.opened(&mut self.connection, request, opened, Instant::now())
                }
                Step::Play(worker, play, session) => {
                    let played = front.media.play(worker, *play).await;
                    front.server.played(&self.connection, request, &session, played, Instant::now())
                }
                Step::Count(worker, viewer, session) => {
                    let counted = front.media.viewer(worker, viewer).await;
                    front.server.counted(&self.connection, request, &session, counted, Instant::now())
                }
                Step::Pause(worker, viewer, at, session) => {
                    let position = front.media.pause(worker, viewer, at).await;
                    front.server.paused(&self.connection, request, &session, position)
                }
            };
        };
        tracing::debug!(status = u16::from(answer.reply.status()), cseq = request.cseq, "answer");
        self.connection.outbox.respond(&serialize(answer.reply, Some(&request.cseq), SystemTime::now()))?;
        // RFC 2326 10.12 leaves it open, but players take what comes before the answer for a part of it.
        if let Some((worker, viewer)) = answer.go {
            front.media.go(worker, viewer);
        }
        Ok(if answer.close { Next::Close } else { Next::Read })
    }

    fn bad_message(&mut self, error: &FrameError) -> io::Result<Next> {
        tracing::info!(%error, "bad message");
        if let Some(status) = error.status {
            let bytes = serialize(reply(status), error.cseq.as_deref(), SystemTime::now());
            self.connection.outbox.respond(&bytes)?;
        }
        self.bad_messages += 1;
        Ok(if error.fatal || self.bad_messages > MAX_BAD_MESSAGES { Next::Close } else { Next::Read })
    }
}

impl Drop for ConnectionTask<'_> {
    /// Also when the task is cancelled: nobody must go on sending to a connection that is gone.
    fn drop(&mut self) {
        self.connection.outbox.close();
        self.front.server.closed(self.connection.id);
    }
}
