//! The RTSP port: accepting, and one task for each connection.

mod carry;
mod connection;
mod describe;
mod limits;

pub use limits::ListenerLimits;

use crate::admission::Admission;
use crate::net::tunnel::{Kind, Tunnels, sniff};
use crate::net::wire::Wire;
use crate::server::{Media, Presentations, Rules, Server};
use crate::session::{ConnectionId, SessionOptions};
use carry::Caller;
use limits::Guests;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::Instrument;

/// How often sessions are looked at for their end.
const SWEEP: Duration = Duration::from_secs(1);

/// After an accept that failed (mostly for want of descriptors), to let something end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
        let mut tasks = JoinSet::new();
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = async { drop(stop.wait_for(|stop| *stop).await) } => break,
                _ = sweep.tick() => self.server.sweep(Instant::now()),
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.clone().welcome(stream, peer, &mut tasks),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        tasks.shutdown().await;
    }

    fn welcome(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, tasks: &mut JoinSet<()>) {
        let Some(guest) = self.guests.clone().admit(peer.ip().to_canonical(), &self.limits) else {
            tracing::warn!(%peer, "too many connections");
            // Best effort: the socket is fresh, its buffer is empty.
            let _ = stream.try_write(b"RTSP/1.0 503 Service Unavailable\r\n\r\n");
            return;
        };
        let id = ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed));
        let span = tracing::info_span!("connection", id = id.0, %peer);
        let task = async move {
            if let Err(error) = self.run(stream, peer, id).await {
                tracing::debug!(%error, "ended");
            }
            drop(guest);
        };
        tasks.spawn(task.instrument(span));
    }

    async fn run(&self, stream: TcpStream, peer: SocketAddr, id: ConnectionId) -> io::Result<()> {
        let caller = Caller { peer, local: stream.local_addr()?, id, secure: false };
        limits::keep_alive(&stream);
        match (sniff(&stream, self.limits.idle, self.limits.message).await?, &self.tls) {
            (Some(Kind::Rtsp), _) => self.talk(Wire::Tcp(stream), caller).await,
            (Some(Kind::Http), _) => {
                let _ = stream.set_nodelay(true);
                self.http(stream, Vec::new(), caller).await
            }
            (Some(Kind::Tls), Some(acceptor)) => {
                let _ = stream.set_nodelay(true);
                let stream = tokio::time::timeout(self.limits.message, acceptor.accept(stream)).await??;
                self.within_tls(stream, Caller { secure: true, ..caller }).await
            }
            (Some(Kind::Tls), None) => {
                tracing::debug!("TLS, but there is no certificate");
                Ok(())
            }
            (None, _) => Ok(()),
        }
    }
}
