//! The node's listener: connections bounded in number and in patience.

use super::stall::Stall;
use crate::{
    node::{Node, NodeLimits, busy, router},
    store::UnitStore,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

/// Connections over the limit that are told so; more are closed without a word.
const TOLD_BUSY: usize = 16;
/// How long one of those may take to listen.
const TELLING: Duration = Duration::from_secs(2);
/// Pause after `accept` failed, as it does while there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the store's units on `listener` until `stop` is ready; then lets requests under way end within
/// `NodeLimits::stop_timeout`. Everything that was acknowledged stays.
pub async fn serve_node(
    listener: TcpListener,
    store: Arc<dyn UnitStore>,
    limits: NodeLimits,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let id = store.node();
    let address = listener.local_addr()?;
    let node = Arc::new(Node::new(store, limits));
    let service = TowerToHyperService::new(router(node.clone()));
    let told = TowerToHyperService::new(busy(node.clone()));
    let (places, told_places) = (Arc::new(Semaphore::new(limits.max_connections)), Arc::new(Semaphore::new(TOLD_BUSY)));
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    info!(node = %id, %address, "node serving");
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(node = %id, "accept: {error}");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Ok(place) = places.clone().try_acquire_owned() {
            let (node, service, stopped) = (node.clone(), service.clone(), stopped.clone());
            connections.spawn(async move {
                node.counters.connections.fetch_add(1, Relaxed);
                if let Err(error) = serve(stream, service, &node.limits, stopped).await {
                    debug!(node = %id, %peer, "connection: {error}");
                }
                node.counters.connections.fetch_sub(1, Relaxed);
                drop(place);
            });
            continue;
        }
        node.counters.connections_refused.fetch_add(1, Relaxed);
        debug!(node = %id, %peer, "turned away: {} connections", limits.max_connections);
        if let Ok(place) = told_places.clone().try_acquire_owned() {
            let (told, stopped) = (told.clone(), stopped.clone());
            connections.spawn(async move {
                let _ = timeout(TELLING, serve(stream, told, &limits, stopped)).await;
                drop(place);
            });
        }
    }
    drop(listener);
    let _ = stopping.send(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.stop_timeout, all).await.is_err() {
        warn!(node = %id, "{} connections cut off", connections.len());
        connections.shutdown().await;
    }
    info!(node = %id, "node stopped");
    Ok(())
}

async fn serve(
    stream: TcpStream,
    service: TowerToHyperService<axum::Router>,
    limits: &NodeLimits,
    mut stopped: watch::Receiver<bool>,
) -> hyper::Result<()> {
    // Answers are written whole; waiting for more to send only delays them. If it fails they are late, no more.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout)
        .serve_connection(TokioIo::new(Stall::new(stream, limits.stall_timeout)), service);
    tokio::pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return result,
        _ = stopped.wait_for(|stopped| *stopped) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}
