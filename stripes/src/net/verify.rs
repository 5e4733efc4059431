//! Reads every unit of an object back, to know that it is all there.

use super::{cluster::Cluster, error::NodeError};
use crate::layout::Layout;
use futures_util::{StreamExt, stream};

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
    /// Nothing bad.
    pub fn is_good(&self) -> bool {
        self.bad_units == 0
    }
}

impl Cluster {
    /// Reads every data unit from its node, past any cache, and checks length and checksum. `progress` hears the
    /// bytes of each unit, good or bad. Goes on after bad units: the report names them.
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
