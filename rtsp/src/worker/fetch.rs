//! Fetching one stripe unit for one viewer.

use super::{
    MediaSource,
    inbox::{Command, Inbox},
    viewers::Key,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use stripes::layout::Layout;

/// After a failure the next try waits so long: a node that restarts is back in a second.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// How much longer than its deadline a source may take to say that it failed.
const GRACE: Duration = Duration::from_millis(200);

/// Tries until `give_up` and tells the worker.
pub(super) async fn fetch(
    source: Arc<dyn MediaSource>,
    layout: Arc<Layout>,
    unit: u64,
    give_up: Instant,
    key: Key,
    inbox: Arc<Inbox>,
) {
    let result = loop {
        let left = give_up.saturating_duration_since(Instant::now());
        let fetching = source.fetch(layout.clone(), unit, left);
        // The source keeps the deadline itself and says whose fault it was; this is for one that does not.
        let result = tokio::time::timeout(left + GRACE, fetching).await;
        let result = result.unwrap_or_else(|_| Err(format!("unit {unit}: no answer in time")));
        if result.is_ok() || Instant::now() + RETRY_AFTER >= give_up {
            break result;
        }
        tokio::time::sleep(RETRY_AFTER).await;
    };
    inbox.push(Command::Unit { key, unit, result });
}
