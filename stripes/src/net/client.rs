//! One HTTP exchange with one node: bounded in time and in bytes, refusals turned into failures.

use super::error::NodeFailure;
use crate::{
    id::NodeId,
    wire::{NODE_HEADER, REFUSAL_HEADER, Refusal},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode,
    body::{Body, Incoming},
    header::{HeaderMap, HeaderName},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use std::time::Duration;

/// Bytes kept of a refusal's text: whoever answers at a node's address can't fill our memory or logs.
const MAX_REFUSAL_BYTES: usize = 1024;
/// Connections unused for this long are closed, well before the node would do it, so that a request seldom meets
/// a connection that is just being closed.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// Connections to all nodes.
#[derive(Clone, Debug)]
pub(super) struct HttpClient(Client<HttpConnector, Full<Bytes>>);

/// A request's variable parts.
pub(super) struct Ask<'a> {
    pub method: Method,
    pub url: String,
    pub headers: &'a [(HeaderName, String)],
    pub body: Bytes,
    /// The longest body that makes sense in an answer.
    pub most: usize,
    /// Who should answer, if known.
    pub node: Option<NodeId>,
}

/// A good answer.
pub(super) struct Answer {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl HttpClient {
    pub fn new(connect_timeout: Duration, connections_per_node: usize) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(connect_timeout));
        Self(
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(POOL_IDLE)
                .pool_max_idle_per_host(connections_per_node)
                .build(connector),
        )
    }

    /// One exchange; the caller bounds its time.
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Answer, NodeFailure> {
        let mut request = Request::builder().method(ask.method).uri(ask.url);
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(ask.body)).map_err(|e| NodeFailure::Unreachable(e.to_string()))?;
        let response = self.0.request(request).await.map_err(|e| NodeFailure::Unreachable(with_causes(&e)))?;
        let (head, body) = response.into_parts();
        let named = head.headers.get(NODE_HEADER).and_then(|value| value.to_str().ok()?.parse::<NodeId>().ok());
        match (ask.node, named) {
            (_, None) => return Err(NodeFailure::Answer(format!("no {NODE_HEADER} (status {})", head.status))),
            (Some(node), Some(named)) if node != named => {
                return Err(NodeFailure::Answer(format!("node {named} answers at this address")));
            }
            _ => {}
        }
        if head.status.is_success() {
            return Ok(Answer { body: collect(body, ask.most).await?, headers: head.headers });
        }
        let text = collect(body, MAX_REFUSAL_BYTES).await.unwrap_or_default();
        Err(refusal(head.status, &head.headers, &text))
    }
}

fn refusal(status: StatusCode, headers: &HeaderMap, text: &[u8]) -> NodeFailure {
    let text = String::from_utf8_lossy(text).trim().to_owned();
    let word = headers.get(REFUSAL_HEADER).and_then(|value| Refusal::from_word(value.to_str().ok()?));
    match word {
        Some(Refusal::Absent) => NodeFailure::Absent(text),
        Some(Refusal::Damaged) => NodeFailure::Damaged(text),
        Some(Refusal::Full) => NodeFailure::Full(text),
        Some(Refusal::Busy) => NodeFailure::Busy(text),
        Some(Refusal::Conflict | Refusal::Bad | Refusal::Disk) | None => NodeFailure::Refused(status.as_u16(), text),
    }
}

/// The whole body in one piece of memory: one copy, and none if it came in one frame.
async fn collect(mut body: Incoming, most: usize) -> Result<Bytes, NodeFailure> {
    let named = body.size_hint().exact().unwrap_or(0);
    if named > most as u64 {
        return Err(NodeFailure::Answer(format!("{named} bytes where at most {most} make sense")));
    }
    let mut only = Bytes::new();
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| NodeFailure::Unreachable(with_causes(&e)))?;
        let Ok(data) = frame.into_data() else { continue };
        if all.len() + only.len() + data.len() > most {
            return Err(NodeFailure::Answer(format!("more than the {most} bytes that make sense")));
        }
        if only.is_empty() && all.is_empty() {
            only = data;
            continue;
        }
        if all.is_empty() {
            all.reserve_exact(usize::try_from(named).unwrap_or(0));
            all.extend_from_slice(&std::mem::take(&mut only));
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { only } else { Bytes::from(all) })
}

/// hyper's own text says only "client error (Connect)"; the reason is in its causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
