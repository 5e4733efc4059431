//! Reads every unit of an object back, to know that it is all there.

use super::{cluster::Cluster, error::NodeError};
use crate::{id::NodeId, layout::Layout};
use futures_util::{StreamExt, stream};
use std::collections::BTreeMap;

/// Units under way at once.
const UNITS_AT_ONCE: usize = 8;
/// Bad units that are named; the others are only counted.
pub(super) const MAX_NAMED: usize = 100;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Units read back whole.
    pub good_units: u64,
    /// Their bytes.
    pub good_bytes: u64,
    /// Units that were not.
    pub bad_units: u64,
    /// The first of those, in the object's order.
    pub bad: Vec<BadUnit>,
    /// Nodes that don't answer: whether their units are good is not known.
    pub down: BTreeMap<NodeId, DownNode>,
}

/// A node that does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownNode {
    /// Data units that lie on it.
    pub units: u64,
    /// What came instead of the first of them.
    pub error: NodeError,
}

/// A unit that can't be read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadUnit {
    /// Its number in the object.
    pub unit: u64,
    /// Where and why.
    pub error: NodeError,
}

impl VerifyReport {
    /// All was read, and nothing is bad.
    pub fn is_good(&self) -> bool {
        self.bad_units == 0 && self.down.is_empty()
    }

    /// Data units on nodes that don't answer.
    pub fn down_units(&self) -> u64 {
        self.down.values().map(|node| node.units).sum()
    }
}

impl Cluster {
    /// Reads every data unit from its node, past any cache, and checks length and checksum. `progress` hears the
    /// bytes of each unit, good or bad. Goes on after bad units: the report names them. A node that doesn't answer is
    /// asked for one unit after the other all the same: it may come back.
    pub async fn verify(&self, layout: &Layout, mut progress: impl FnMut(u64)) -> VerifyReport {
        let deadline = self.options().ask_timeout;
        let mut results = stream::iter(0..layout.units())
            .map(|unit| async move { (unit, self.get_unit(layout, layout.address(unit), deadline).await) })
            .buffered(UNITS_AT_ONCE);
        let mut report = VerifyReport::default();
        while let Some((unit, result)) = results.next().await {
            let bytes = layout.unit_bytes(unit);
            progress(bytes.end - bytes.start);
            match result {
                Ok(data) => {
                    report.good_units += 1;
                    report.good_bytes += data.len() as u64;
                }
                Err(error) if error.is_silence() => {
                    let node = layout.node(layout.address(unit));
                    report.down.entry(node).or_insert(DownNode { units: 0, error }).units += 1;
                }
                Err(error) => {
                    report.bad_units += 1;
                    if report.bad.len() < MAX_NAMED {
                        report.bad.push(BadUnit { unit, error });
                    }
                }
            }
        }
        report
    }
}
