//! What is done to objects while they are watched: verified, repaired, moved to other nodes. All of it can break off
//! at any point and be begun again.

mod relocate;
mod repair;

pub use relocate::MoveError;
pub use repair::RepairReport;

use super::{cluster::Cluster, error::NodeError};
use crate::{
    id::NodeId,
    layout::{Layout, UnitAddress},
    parity,
    rate::Pace,
};
use bytes::Bytes;
use futures_util::future::join_all;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio::time::sleep_until;

/// Of what a node reads in a second, so much may go into maintenance by default.
const DEFAULT_SHARE_PERCENT: u64 = 25;
/// What a node that has measured nothing is thought to read in a second: an old disk.
const UNMEASURED: u64 = 20_000_000;

/// How many bytes a second maintenance may read. Cheap to clone; clones share one limit, which may change meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Limit(Arc<Mutex<Option<Pace>>>);

impl Limit {
    /// Bytes a second in all; `None` is no limit.
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        Self(Arc::new(Mutex::new(bytes_per_second.map(Pace::new))))
    }

    /// Bytes a second in all; `None` is no limit.
    pub fn rate(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Pace::rate)
    }

    /// Changes it for what is still to come.
    pub fn set(&self, bytes_per_second: Option<u64>) {
        let mut pace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (&mut *pace, bytes_per_second) {
            (Some(pace), Some(rate)) => pace.set_rate(rate),
            (pace, rate) => *pace = rate.map(Pace::new),
        }
    }

    /// Waits until so many bytes may go.
    pub async fn take(&self, bytes: u64) {
        let now = Instant::now();
        let pace = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(|pace| pace.due(bytes, now));
        if let Some(due) = pace {
            sleep_until(due.into()).await;
        }
    }
}

impl Cluster {
    /// The usual limit for maintenance on these nodes: a quarter of what the slowest of those that answer reads in a
    /// second, times their number, since the work spreads over all. Where none has measured anything yet they are thought
    /// slow; the work itself makes them measure, so ask again.
    pub async fn maintenance_rate(&self, nodes: &[NodeId]) -> u64 {
        let asked = join_all(nodes.iter().map(|node| self.statistics(*node))).await;
        let rates = asked.into_iter().flatten().map(|statistics| statistics.read_rate).filter(|rate| *rate > 0);
        let slowest = rates.min().unwrap_or(UNMEASURED);
        (slowest.saturating_mul(nodes.len() as u64) / 100).saturating_mul(DEFAULT_SHARE_PERCENT).max(1)
    }

    /// Asks for all units of a row at once.
    async fn read_row(&self, layout: &Layout, row: u64) -> Row {
        let deadline = self.options().ask_timeout;
        let asks = layout.row_units(row).map(async |address| (address, self.get_unit(layout, address, deadline).await));
        let mut units = vec![Some(Bytes::new()); layout.row_width()];
        let mut failed = Vec::new();
        for (address, result) in join_all(asks).await {
            let unit = &mut units[usize::from(address.position)];
            match result {
                Ok(data) => *unit = Some(data),
                Err(error) => {
                    *unit = None;
                    failed.push((address, error));
                }
            }
        }
        Row { units, failed }
    }
}

/// A row as read.
struct Row {
    /// One a position; empty past the object's end, `None` if it could not be read.
    units: Vec<Option<Bytes>>,
    failed: Vec<(UnitAddress, NodeError)>,
}

impl Row {
    /// All units of the row, if enough of it could be read.
    fn whole(&self, layout: &Layout, row: u64) -> Result<Vec<Bytes>, parity::TooFew> {
        let lengths: Vec<usize> = (0..layout.row_width() as u8)
            .map(|position| layout.unit_length(UnitAddress { row, position }) as usize)
            .collect();
        parity::rebuild(layout.policy, &self.units, &lengths)
    }
}
