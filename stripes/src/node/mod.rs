//! The node: a `UnitStore` behind HTTP/1.1, for `curl` as much as for fronts.
//!
//! | request | answer |
//! | --- | --- |
//! | `PUT /objects/{object}/units/{row}.{position}` | stores a unit; needs `x-unit-crc32c` and `x-unit-size`; if it is sealed, `x-generation` |
//! | `GET`, `HEAD` same | the unit, or the part that `Range` asks for; `x-unit-crc32c` is that of the body |
//! | `DELETE /objects/{object}/units` | removes the units that don't belong here by the manifest of `x-generation` |
//! | `PUT /objects/{object}/manifest` | seals the object, or anew after its nodes changed |
//! | `GET` same | the manifest |
//! | `GET /objects/{object}` | what of the object is here: `ObjectSummary` |
//! | `DELETE /objects/{object}` | removes it; removing nothing is success |
//! | `GET /objects?after=ID&limit=N` | `ObjectPage` |
//! | `GET /health`, `GET /statistics` | `Health`, `NodeStatistics` |
//!
//! Every refusal is one line of plain text, with its reason for programs in `x-refusal`.

mod body;
mod handlers;
mod refused;

use crate::{
    rate::Pace,
    store::UnitStore,
    wire::{NODE_HEADER, NodeStatistics},
};
use axum::{
    Router,
    extract::State,
    http::{HeaderName, HeaderValue},
    middleware::map_response_with_state,
    response::Response,
    routing::{delete, get, put},
};
use refused::Refused;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, Semaphore};

/// What strangers can make a node do at most.
#[derive(Clone, Copy, Debug)]
pub struct NodeLimits {
    /// Connections at once; more are told that the node is busy. Default 256.
    pub max_connections: usize,
    /// Bytes of units in memory at once, being received or sent, at least one largest unit. A request that doesn't
    /// fit waits. Default 64 MiB.
    pub max_in_flight_bytes: u32,
    /// How long a request waits for its place in memory before it is told that the node is busy. Default 10 s.
    pub busy_timeout: Duration,
    /// Bytes of units that may be read in a second, of all requests together; more wait for their turn. `None`, the
    /// default, for as fast as the disk is.
    pub read_limit: Option<u64>,
    /// Time for a request's whole body to arrive: against those who send a byte now and then. Default 30 s.
    pub body_timeout: Duration,
    /// Time between a connection's requests, and for a request's head to arrive. Default 60 s, longer than clients
    /// keep unused connections.
    pub idle_timeout: Duration,
    /// Time in which a client must take at least something of an answer. Default 30 s.
    pub stall_timeout: Duration,
    /// Time for requests under way to end when the node is stopped. Default 5 s.
    pub stop_timeout: Duration,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            max_connections: 256,
            max_in_flight_bytes: 64 << 20,
            read_limit: None,
            busy_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(5),
        }
    }
}

/// What all requests to one node share.
#[derive(Debug)]
pub struct Node {
    pub(crate) store: Arc<dyn UnitStore>,
    pub(crate) limits: NodeLimits,
    pub(crate) counters: Counters,
    in_flight: Arc<Semaphore>,
    /// Whoever reads waits in line for it, so that one who goes away takes nothing.
    pace: Option<Mutex<Pace>>,
    started: Instant,
}

/// Events since the start; `connections` goes down too.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub connections: AtomicU64,
    pub connections_refused: AtomicU64,
    units_read: AtomicU64,
    bytes_read: AtomicU64,
    units_written: AtomicU64,
    bytes_written: AtomicU64,
    units_damaged: AtomicU64,
    refused: AtomicU64,
    /// Of units that were read whole, and the time that took: small reads say little of how fast the disk is.
    whole_bytes: AtomicU64,
    read_nanos: AtomicU64,
}

impl Node {
    /// A node over its store.
    pub fn new(store: Arc<dyn UnitStore>, limits: NodeLimits) -> Self {
        let bytes = limits.max_in_flight_bytes.max(crate::layout::MAX_UNIT_SIZE);
        let in_flight = Arc::new(Semaphore::new(bytes as usize));
        let pace = limits.read_limit.map(|rate| Mutex::new(Pace::new(rate)));
        Self { store, limits, counters: Counters::default(), in_flight, pace, started: Instant::now() }
    }

    /// Waits for this one's turn to read so much.
    async fn await_turn(&self, bytes: u32) {
        if let Some(pace) = &self.pace {
            let mut pace = pace.lock().await;
            let due = pace.due(bytes.into(), Instant::now());
            tokio::time::sleep_until(due.into()).await;
        }
    }

    /// A read of a unit, or of part of it, that took so many bytes from the disk.
    fn counted(&self, bytes: u64) {
        self.counters.units_read.fetch_add(1, Relaxed);
        self.counters.bytes_read.fetch_add(bytes, Relaxed);
    }

    fn statistics(&self) -> NodeStatistics {
        let counters = &self.counters;
        let usage = self.store.usage();
        let bytes_read = counters.bytes_read.load(Relaxed);
        let nanos = u128::from(counters.read_nanos.load(Relaxed));
        let measured = (u128::from(counters.whole_bytes.load(Relaxed)) * 1_000_000_000).checked_div(nanos).unwrap_or(0);
        let measured = u64::try_from(measured).unwrap_or(u64::MAX);
        NodeStatistics {
            uptime_seconds: self.started.elapsed().as_secs(),
            objects: usage.as_ref().map_or(0, |usage| usage.objects),
            disk_bytes: usage.as_ref().map_or(0, |usage| usage.disk_bytes),
            units_read: counters.units_read.load(Relaxed),
            bytes_read,
            units_written: counters.units_written.load(Relaxed),
            bytes_written: counters.bytes_written.load(Relaxed),
            units_damaged: counters.units_damaged.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            connections: counters.connections.load(Relaxed),
            connections_refused: counters.connections_refused.load(Relaxed),
            read_rate: self.limits.read_limit.unwrap_or(measured),
            read_limit: self.limits.read_limit,
        }
    }
}

/// The node's requests as an axum service; `net::serve_node` puts it on a socket with all limits.
pub fn router(node: Arc<Node>) -> Router {
    Router::new()
        .route("/objects", get(handlers::list))
        .route("/objects/{object}", get(handlers::summary).delete(handlers::delete))
        .route("/objects/{object}/manifest", put(handlers::seal).get(handlers::manifest))
        .route(
            "/objects/{object}/units/{unit}",
            put(handlers::put_unit).get(handlers::get_unit).head(handlers::head_unit),
        )
        .route("/objects/{object}/units", delete(handlers::trim))
        .route("/health", get(handlers::health))
        .route("/statistics", get(handlers::statistics))
        .fallback(async || Refused::no_such_path())
        .method_not_allowed_fallback(async || Refused::no_such_method())
        .layer(map_response_with_state(node.clone(), sign))
        .with_state(node)
}

/// What connections over the limit get, whatever they ask.
pub(crate) fn busy(node: Arc<Node>) -> Router {
    let text = format!("the node has {} connections, its limit", node.limits.max_connections);
    let answer = move || {
        let refused = Refused::new(crate::wire::Refusal::Busy, text.clone());
        std::future::ready(([(axum::http::header::CONNECTION, "close")], refused))
    };
    Router::new().fallback(answer).layer(map_response_with_state(node, sign))
}

/// Puts the node's id on every answer and counts the refusals.
async fn sign(State(node): State<Arc<Node>>, mut response: Response) -> Response {
    if let Some(Refused { refusal, status, text }) = response.extensions_mut().remove() {
        node.counters.refused.fetch_add(1, Relaxed);
        match refusal {
            crate::wire::Refusal::Absent => tracing::debug!(node = %node.store.node(), %status, "{text}"),
            crate::wire::Refusal::Damaged => {
                node.counters.units_damaged.fetch_add(1, Relaxed);
                tracing::error!(node = %node.store.node(), %status, "{text}");
            }
            _ => tracing::warn!(node = %node.store.node(), %status, "{text}"),
        }
    }
    if let Ok(id) = HeaderValue::try_from(node.store.node().to_string()) {
        response.headers_mut().insert(HeaderName::from_static(NODE_HEADER), id);
    }
    response
}
