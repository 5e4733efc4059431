//! The RTSP port: the door, and one task for each connection that has said something whole.

mod carry;
mod connection;
mod describe;
mod door;
mod limits;
mod listening;

pub use door::bind;
pub use limits::ListenerLimits;

use crate::admission::Admission;
use crate::net::tunnel::Tunnels;
use crate::net::wire::Wire;
use crate::server::{Media, Presentations, Rules, Server};
use crate::session::{ConnectionId, SessionOptions};
use carry::Caller;
use connection::ConnectionTask;
use door::{Door, Known};
use limits::{Guest, Guests};
use listening::Said;
use std::io::{self, Cursor, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::Instrument;

/// How often sessions are looked at for their end.
const SWEEP: Duration = Duration::from_secs(1);

/// The RTSP front: what all connections share.
pub struct Front {
    server: Server,
    presentations: Arc<dyn Presentations>,
    media: Arc<dyn Media>,
    limits: ListenerLimits,
    guests: Arc<Guests>,
    connections: AtomicU64,
    tunnels: Tunnels,
    tls: Option<TlsAcceptor>,
}

impl Front {
    /// With presentations to show, workers to play them, and how much may be promised.
    pub fn new(
        presentations: Arc<dyn Presentations>,
        media: Arc<dyn Media>,
        sessions: SessionOptions,
        limits: ListenerLimits,
        admission: Admission,
    ) -> Arc<Self> {
        Self::with_rules(presentations, media, sessions, limits, admission, Rules::default(), None)
    }

    /// The same, with the operator's rules, and TLS.
    pub fn with_rules(
        presentations: Arc<dyn Presentations>,
        media: Arc<dyn Media>,
        sessions: SessionOptions,
        limits: ListenerLimits,
        admission: Admission,
        rules: Rules,
        tls: Option<TlsAcceptor>,
    ) -> Arc<Self> {
        Arc::new(Self {
            server: Server::new(sessions, media.clone(), admission, rules),
            presentations,
            media,
            limits,
            guests: Arc::default(),
            connections: AtomicU64::new(0),
            tunnels: Tunnels::default(),
            tls,
        })
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.server.session_count()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.guests.len()
    }

    /// Serves until `stop` says so or is dropped; then all connections are closed.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let front = self.clone();
        let admit = move |stream: &mut mio::net::TcpStream, peer| front.admit(stream, peer);
        let mut door = match Door::open(listener, self.limits, Box::new(admit)) {
            Ok(door) => door,
            Err(error) => return tracing::error!(%error, "nobody can be let in"),
        };
        let mut tasks = JoinSet::new();
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = async { drop(stop.wait_for(|stop| *stop).await) } => break,
                _ = sweep.tick() => self.server.sweep(Instant::now()),
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
                Some(known) = door.next() => drop(tasks.spawn(self.clone().welcome(known))),
                else => break,
            }
        }
        drop(door);
        tasks.shutdown().await;
    }

    /// A place for a new connection, if there is one.
    fn admit(&self, stream: &mut mio::net::TcpStream, peer: SocketAddr) -> Option<(Caller, Guest)> {
        let Some(guest) = self.guests.clone().admit(peer.ip().to_canonical(), &self.limits) else {
            tracing::warn!(%peer, "too many connections");
            // Best effort: the socket is fresh, its buffer is empty.
            let _ = stream.write(b"RTSP/1.0 503 Service Unavailable\r\n\r\n");
            return None;
        };
        let id = ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed));
        Some((Caller { peer, local: stream.local_addr().ok()?, id, secure: false }, guest))
    }

    async fn welcome(self: Arc<Self>, known: Known) {
        let Known { stream, said, caller, guest } = known;
        let span = tracing::info_span!("connection", id = caller.id.0, peer = %caller.peer);
        let run = async {
            if let Err(error) = self.run(stream, said, caller).await {
                tracing::debug!(%error, "ended");
            }
        };
        run.instrument(span).await;
        drop(guest);
    }

    async fn run(&self, stream: std::net::TcpStream, said: Said, caller: Caller) -> io::Result<()> {
        let stream = TcpStream::from_std(stream)?;
        limits::keep_alive(&stream);
        match (said, &self.tls) {
            (Said::Rtsp(said), _) => {
                let (framer, first) = *said;
                ConnectionTask::new(self, Wire::Tcp(stream), caller).after(framer, first).run().await
            }
            (Said::Http(first), _) => {
                let _ = stream.set_nodelay(true);
                self.http(stream, first, caller).await
            }
            (Said::Tls(first), Some(acceptor)) => {
                let _ = stream.set_nodelay(true);
                let (from, to) = stream.into_split();
                let stream = tokio::io::join(Cursor::new(first).chain(from), to);
                let stream = tokio::time::timeout(self.limits.message, acceptor.accept(stream)).await??;
                self.within_tls(stream, Caller { secure: true, ..caller }).await
            }
            (Said::Tls(_), None) => {
                tracing::debug!("TLS, but there is no certificate");
                Ok(())
            }
        }
    }
}
