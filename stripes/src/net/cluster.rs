//! All nodes as a front sees them: one call for each thing that can be asked of a node.

use super::{
    client::{Answer, Ask, HttpClient},
    error::{NodeError, NodeFailure, Place},
    watch::Watch,
};
use crate::{
    id::{NodeId, ObjectId},
    layout::{Layout, UnitAddress},
    manifest::{MAX_MANIFEST_BYTES, Manifest},
    sum::crc32c,
    wire::{
        CRC_HEADER, GENERATION_HEADER, Health, MAX_PAGE, NodeStatistics, ObjectListing, ObjectPage, ObjectSummary,
        UNIT_SIZE_HEADER, crc_text,
    },
};
use bytes::Bytes;
use futures_util::future::join_all;
use hyper::{Method, Uri, header::HeaderName};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{sync::Semaphore, time::timeout};
use tracing::debug;

pub(super) const CRC: HeaderName = HeaderName::from_static(CRC_HEADER);
const GENERATION: HeaderName = HeaderName::from_static(GENERATION_HEADER);
const UNIT_SIZE: HeaderName = HeaderName::from_static(UNIT_SIZE_HEADER);
/// The longest listing page: `MAX_PAGE` objects whose manifests are usual (some 300 bytes) and then some.
const MAX_LISTING_BYTES: usize = 8 << 20;
/// Objects asked for in one page; with the largest manifests that fits `MAX_LISTING_BYTES` too.
const PAGE: usize = 100;
const _: () = assert!(PAGE <= MAX_PAGE && PAGE * (MAX_MANIFEST_BYTES + 512) <= MAX_LISTING_BYTES);

/// One node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// Who it is.
    pub id: NodeId,
    /// Where, as `http://host:port`.
    pub url: String,
}

/// How nodes are asked.
#[derive(Clone, Copy, Debug)]
pub struct ClusterOptions {
    /// Time for a TCP connection to come about. Default 2 s.
    pub connect_timeout: Duration,
    /// Time for storing one unit. Default 30 s: a busy disk may stall for seconds.
    pub put_timeout: Duration,
    /// Time for sealing, where the node's disk must have written everything. Default 120 s.
    pub seal_timeout: Duration,
    /// Time for all small questions. Default 10 s.
    pub ask_timeout: Duration,
    /// Requests (and so connections) to one node at once; more wait. Default 16.
    pub connections_per_node: usize,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            put_timeout: Duration::from_secs(30),
            seal_timeout: Duration::from_secs(120),
            ask_timeout: Duration::from_secs(10),
            connections_per_node: 16,
        }
    }
}

/// A list of nodes that can't be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// Not `http://host:port`.
    #[error("node {0} has the address {1:?}; expected http://host:port")]
    Url(NodeId, String),
    /// Two addresses for one node.
    #[error("node {0} is in the list twice")]
    Twice(NodeId),
}

/// The nodes of a cluster. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Cluster(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    nodes: RwLock<BTreeMap<NodeId, Arc<Node>>>,
    client: HttpClient,
    options: ClusterOptions,
    pub watch: Watch,
}

#[derive(Debug)]
struct Node {
    url: String,
    free: Semaphore,
}

/// Asks who answers at `url` (as `http://host:port`): for a front that knows only addresses.
pub async fn identify(url: &str, options: &ClusterOptions) -> Result<Health, NodeError> {
    let place = Place { url: url.to_owned(), ..Place::default() };
    let fail = |failure| NodeError { place: Box::new(place.clone()), failure };
    let client = HttpClient::new(options.connect_timeout, 1);
    let ask = Ask {
        method: Method::GET,
        url: format!("{}/health", url.trim_end_matches('/')),
        headers: &[],
        body: Bytes::new(),
        most: MAX_MANIFEST_BYTES,
        node: None,
    };
    let answer = match timeout(options.ask_timeout, client.ask(ask)).await {
        Ok(answer) => answer.map_err(fail)?,
        Err(_) => return Err(fail(NodeFailure::Late(options.ask_timeout))),
    };
    json(&answer.body).map_err(fail)
}

impl Cluster {
    /// A cluster of these nodes. Connects to nobody yet.
    pub fn new(nodes: Vec<NodeAddress>, options: ClusterOptions) -> Result<Self, ClusterError> {
        let client = HttpClient::new(options.connect_timeout, options.connections_per_node);
        let cluster = Self(Arc::new(Inner { nodes: RwLock::default(), client, options, watch: Watch::new() }));
        cluster.set_nodes(nodes)?;
        Ok(cluster)
    }

    /// Changes the list of nodes, for all clones. Requests under way go on; nodes that stay keep their connections.
    pub fn set_nodes(&self, nodes: Vec<NodeAddress>) -> Result<(), ClusterError> {
        let mut by_id = BTreeMap::new();
        let mut old = self.0.nodes.write().unwrap_or_else(PoisonError::into_inner);
        for NodeAddress { id, url } in nodes {
            let plain = url.parse::<Uri>().is_ok_and(|uri| {
                uri.scheme_str() == Some("http") && uri.host().is_some() && matches!(uri.path(), "" | "/")
            });
            if !plain {
                return Err(ClusterError::Url(id, url));
            }
            let url = url.trim_end_matches('/');
            let known = old.get(&id).filter(|node| node.url == url).cloned();
            let node = known.unwrap_or_else(|| {
                let free = Semaphore::new(self.0.options.connections_per_node.max(1));
                Arc::new(Node { url: url.to_owned(), free })
            });
            if by_id.insert(id, node).is_some() {
                return Err(ClusterError::Twice(id));
            }
        }
        self.0.watch.set_nodes(by_id.keys().copied());
        *old = by_id;
        Ok(())
    }

    /// All nodes in the order of their ids.
    pub fn nodes(&self) -> Vec<NodeAddress> {
        let nodes = self.0.nodes.read().unwrap_or_else(PoisonError::into_inner);
        nodes.iter().map(|(id, node)| NodeAddress { id: *id, url: node.url.clone() }).collect()
    }

    /// What is observed of the nodes.
    pub(super) fn watched(&self) -> &Watch {
        &self.0.watch
    }

    /// Whether a node says within this time that it is well, however many requests to it are waiting.
    pub(super) async fn answers(&self, node: NodeId, within: Duration) -> bool {
        let Some(known) = self.node(node) else { return false };
        let url = format!("{}/health", known.url);
        let (body, most) = (Bytes::new(), MAX_MANIFEST_BYTES);
        let ask = Ask { method: Method::GET, url, headers: &[], body, most, node: Some(node) };
        matches!(timeout(within, self.0.client.ask(ask)).await, Ok(Ok(_)))
    }

    fn node(&self, id: NodeId) -> Option<Arc<Node>> {
        self.0.nodes.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// How nodes are asked.
    pub fn options(&self) -> &ClusterOptions {
        &self.0.options
    }

    /// Stores one unit where the layout says. When this is Ok the node has it, and keeps it over a crash of its
    /// process; over a crash of the machine only from `seal` on.
    pub async fn put_unit(&self, layout: &Layout, address: UnitAddress, data: Bytes) -> Result<(), NodeError> {
        self.put(layout, address, data, None).await
    }

    /// The same for an object that is sealed: rewrites a unit, or brings it where a new layout wants it.
    pub async fn repair_unit(&self, layout: &Layout, address: UnitAddress, data: Bytes) -> Result<(), NodeError> {
        let put = |generation: u32| {
            let generation = Some((GENERATION, generation.to_string()));
            self.put(layout, address, data.clone(), generation)
        };
        match put(layout.generation).await {
            // The manifest of a move that was broken off says that the unit is not needed there: it is.
            Err(refused) if matches!(refused.failure, NodeFailure::Refused(409, _)) => {
                let here = self.manifest(layout.node(address), layout.object).await;
                match here.map(|manifest| manifest.layout.generation) {
                    Ok(newer) if newer > layout.generation => put(newer).await,
                    _ => Err(refused),
                }
            }
            done => done,
        }
    }

    async fn put(
        &self,
        layout: &Layout,
        address: UnitAddress,
        data: Bytes,
        more: Option<(HeaderName, String)>,
    ) -> Result<(), NodeError> {
        let mut headers = vec![(CRC, crc_text(crc32c(&data))), (UNIT_SIZE, layout.policy.unit_size.to_string())];
        headers.extend(more);
        let place = self.place(layout.node(address), Some(layout.object), Some(address));
        let path = unit_path(layout.object, address);
        self.ask(place, Method::PUT, &path, &headers, data, 0, self.0.options.put_timeout).await.map(drop)
    }

    /// Removes a node's units of an object that don't belong there by `layout`, which must be sealed there.
    pub(super) async fn trim_at(&self, node: NodeId, layout: &Layout) -> Result<(), NodeError> {
        let place = self.place(node, Some(layout.object), None);
        let headers = [(GENERATION, layout.generation.to_string())];
        let path = format!("/objects/{}/units", layout.object);
        self.ask(place, Method::DELETE, &path, &headers, Bytes::new(), 0, self.0.options.seal_timeout).await.map(drop)
    }

    /// Tells every node of the object's set that it is complete. Each checks that it has all its units and brings
    /// them to its disk for good. When this is Ok the object survives anything that the disks survive.
    pub async fn seal(&self, manifest: &Manifest) -> Result<(), NodeError> {
        let failed = self.seal_on(manifest, manifest.layout.nodes.clone()).await;
        failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// The same for some nodes of the set; answers those that failed.
    pub(super) async fn seal_on(&self, manifest: &Manifest, nodes: Vec<NodeId>) -> Vec<(NodeId, NodeError)> {
        let layout = &manifest.layout;
        let path = format!("/objects/{}/manifest", layout.object);
        let json = manifest.encode().map(Bytes::from).map_err(|error| error.to_string());
        let seals = nodes.iter().map(async |node| {
            let place = self.place(*node, Some(layout.object), None);
            let result = match &json {
                Ok(json) => {
                    self.ask(place, Method::PUT, &path, &[], json.clone(), 0, self.0.options.seal_timeout).await
                }
                Err(e) => Err(NodeError { place: Box::new(place), failure: NodeFailure::Answer(e.clone()) }),
            };
            (*node, result)
        });
        let results = join_all(seals).await;
        let failed: Vec<_> = results.into_iter().filter_map(|(node, result)| Some((node, result.err()?))).collect();
        debug!(object = %layout.object, bytes = layout.length, tag = manifest.tag, generation = layout.generation,
            "sealed on {} of {} nodes", nodes.len() - failed.len(), layout.nodes.len());
        failed
    }

    /// Removes what any node has of an object. Every node is tried; the first failure is told.
    pub async fn delete_object(&self, object: ObjectId) -> Result<(), NodeError> {
        let deletes = self.nodes().into_iter().map(|node| self.delete_object_at(node.id, object));
        join_all(deletes).await.into_iter().collect()
    }

    /// Removes what one node has of an object. Having nothing is success too.
    pub async fn delete_object_at(&self, node: NodeId, object: ObjectId) -> Result<(), NodeError> {
        let place = self.place(node, Some(object), None);
        let path = format!("/objects/{object}");
        self.ask(place, Method::DELETE, &path, &[], Bytes::new(), 0, self.0.options.ask_timeout).await.map(drop)
    }

    /// An object's manifest as `node` keeps it.
    pub async fn manifest(&self, node: NodeId, object: ObjectId) -> Result<Manifest, NodeError> {
        let place = self.place(node, Some(object), None);
        let answer = self.get(place.clone(), &format!("/objects/{object}/manifest"), MAX_MANIFEST_BYTES).await?;
        let bad = |e| NodeError { place: Box::new(place), failure: NodeFailure::Answer(format!("{e}")) };
        Manifest::decode(&answer.body).map_err(bad)
    }

    /// Everything that one node has, sealed or not, in the order of the ids.
    pub async fn list_objects(&self, node: NodeId) -> Result<Vec<ObjectListing>, NodeError> {
        let mut objects = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("/objects?limit={PAGE}{after}");
            let page: ObjectPage = self.get_json(self.place(node, None, None), &path, MAX_LISTING_BYTES).await?;
            objects.extend(page.objects);
            let Some(next) = page.next else { return Ok(objects) };
            after = format!("&after={next}");
        }
    }

    /// What one node has of an object. The node reads every unit's header, so this is for people and tests.
    pub async fn object_summary(&self, node: NodeId, object: ObjectId) -> Result<ObjectSummary, NodeError> {
        let place = self.place(node, Some(object), None);
        self.get_json(place, &format!("/objects/{object}"), 2 * MAX_MANIFEST_BYTES).await
    }

    /// Whether a node answers, and its room.
    pub async fn health(&self, node: NodeId) -> Result<Health, NodeError> {
        self.get_json(self.place(node, None, None), "/health", MAX_MANIFEST_BYTES).await
    }

    /// A node's counters.
    pub async fn statistics(&self, node: NodeId) -> Result<NodeStatistics, NodeError> {
        self.get_json(self.place(node, None, None), "/statistics", MAX_MANIFEST_BYTES).await
    }

    /// The error of someone who waited for another's request in vain.
    pub(super) fn late(&self, layout: &Layout, address: UnitAddress, deadline: Duration) -> NodeError {
        let place = self.place(layout.node(address), Some(layout.object), Some(address));
        NodeError { place: Box::new(place), failure: NodeFailure::Late(deadline) }
    }

    pub(super) fn place(&self, node: NodeId, object: Option<ObjectId>, unit: Option<UnitAddress>) -> Place {
        let url = self.node(node).map(|node| node.url.clone()).unwrap_or_default();
        Place { node: Some(node), url, object, unit }
    }

    async fn get(&self, place: Place, path: &str, most: usize) -> Result<Answer, NodeError> {
        self.ask(place, Method::GET, path, &[], Bytes::new(), most, self.0.options.ask_timeout).await
    }

    async fn get_json<T: DeserializeOwned>(&self, place: Place, path: &str, most: usize) -> Result<T, NodeError> {
        let answer = self.get(place.clone(), path, most).await?;
        json(&answer.body).map_err(|failure| NodeError { place: Box::new(place), failure })
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where a request is put together")]
    pub(super) async fn ask(
        &self,
        place: Place,
        method: Method,
        path: &str,
        headers: &[(HeaderName, String)],
        body: Bytes,
        most: usize,
        deadline: Duration,
    ) -> Result<Answer, NodeError> {
        let exchange = async {
            let node = place.node.and_then(|id| self.node(id)).ok_or(NodeFailure::Unknown)?;
            // Never closed, so the only way out of waiting is a place or the deadline.
            let _place = node.free.acquire().await.map_err(|_| NodeFailure::Unknown)?;
            let url = format!("{}{path}", node.url);
            self.0.client.ask(Ask { method, url, headers, body, most, node: place.node }).await
        };
        let result = timeout(deadline, exchange).await.unwrap_or(Err(NodeFailure::Late(deadline)));
        result.map_err(|failure| {
            debug!(%place, "{failure}");
            NodeError { place: Box::new(place), failure }
        })
    }
}

pub(super) fn unit_path(object: ObjectId, address: UnitAddress) -> String {
    format!("/objects/{object}/units/{address}")
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, NodeFailure> {
    serde_json::from_slice(body).map_err(|e| NodeFailure::Answer(e.to_string()))
}
