//! Fetching one stripe unit, or part of it, for one viewer.

use super::{
    MediaSource,
    inbox::{Command, Inbox},
    viewers::Key,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use stripes::{layout::Layout, scattered::Piece};

/// After a failure the next try waits so long: a node that restarts is back in a second.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// How much longer than its deadline a source may take to say that it failed.
const GRACE: Duration = Duration::from_millis(200);

/// Tries until `give_up` and tells the worker.
pub(super) async fn fetch(
    source: Arc<dyn MediaSource>,
    layout: Arc<Layout>,
    piece: Piece,
    give_up: Instant,
    key: Key,
    inbox: Arc<Inbox>,
) {
    let result = loop {
        let left = give_up.saturating_duration_since(Instant::now());
        let fetching = match piece.is_whole(&layout) {
            true => source.fetch(layout.clone(), piece.unit, left),
            false => source.fetch_piece(layout.clone(), piece, left),
        };
        // The source keeps the deadline itself and says whose fault it was; this is for one that does not.
        let result = tokio::time::timeout(left + GRACE, fetching).await;
        let result = result.unwrap_or_else(|_| Err(format!("unit {}: no answer in time", piece.unit)));
        if result.is_ok() || Instant::now() + RETRY_AFTER >= give_up {
            break result;
        }
        tokio::time::sleep(RETRY_AFTER).await;
    };
    inbox.push(Command::Piece { key, piece, result });
}
