//! Reads all units of an object, and puts back those that are missing or bad from the rest of their row.

use super::Limit;
use crate::{
    layout::{Layout, UnitAddress},
    manifest::Manifest,
    net::{
        cluster::Cluster,
        error::{NodeError, NodeFailure},
        verify::MAX_NAMED,
    },
    parity::Sums,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

/// Rows under way at once.
const ROWS_AT_ONCE: usize = 4;

/// What came of it. Units count whether they are data or parity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Units read whole.
    pub good_units: u64,
    /// Their bytes.
    pub good_bytes: u64,
    /// Units that were missing or damaged.
    pub bad_units: u64,
    /// Of those, now written again and acknowledged.
    pub rewritten_units: u64,
    /// Units whose node doesn't answer: whether they are good is not known.
    pub unreachable_units: u64,
    /// Data units that can't be had from the rest of their row either.
    pub lost_units: u64,
    /// The first of the units above that were not good and are not rewritten, with the reason.
    pub failed: Vec<(UnitAddress, NodeError)>,
    /// Rows all of whose units are whole, but whose parity is not that of their data.
    pub unlike_rows: Vec<u64>,
    /// Nodes of the set that did not know the object as sealed and were told.
    pub sealed_nodes: u64,
}

impl RepairReport {
    /// Everything is there, whole, and can be lost up to `m` times again.
    pub fn is_good(&self) -> bool {
        self.unreachable_units == 0
            && self.lost_units == 0
            && self.bad_units == self.rewritten_units
            && self.unlike_rows.is_empty()
    }

    fn add(&mut self, other: Self) {
        self.good_units += other.good_units;
        self.good_bytes += other.good_bytes;
        self.bad_units += other.bad_units;
        self.rewritten_units += other.rewritten_units;
        self.unreachable_units += other.unreachable_units;
        self.lost_units += other.lost_units;
        self.failed.extend(other.failed);
        self.failed.truncate(MAX_NAMED);
        self.unlike_rows.extend(other.unlike_rows);
        self.unlike_rows.truncate(MAX_NAMED);
    }
}

impl Cluster {
    /// Reads every unit of an object from its node, parity too, past any cache, and checks lengths, checksums and that
    /// each row's parity is that of its data. Writes nothing. `progress` hears the bytes of each row.
    pub async fn scrub(&self, layout: &Layout, limit: &Limit, progress: impl FnMut(u64)) -> RepairReport {
        self.each_row(layout, limit, false, progress).await
    }

    /// The same, and rewrites what is missing or bad from the rest of its row; nodes of the set that did not know the
    /// object as sealed are told, so that a new or emptied one is whole afterwards.
    pub async fn repair(&self, layout: &Layout, limit: &Limit, progress: impl FnMut(u64)) -> RepairReport {
        let mut report = self.each_row(layout, limit, true, progress).await;
        report.sealed_nodes = self.seal_where_lacking(layout).await;
        report
    }

    /// Tells the nodes of the set that do not know the object as sealed; how many know it now.
    pub async fn seal_where_lacking(&self, layout: &Layout) -> u64 {
        let asks = layout.nodes.iter().map(|node| self.manifest(*node, layout.object));
        let known = futures_util::future::join_all(asks).await;
        let Some(tag) = known.iter().flatten().map(|manifest| manifest.tag.clone()).next() else { return 0 };
        let absent = |known: &Result<Manifest, NodeError>| {
            matches!(known, Err(NodeError { failure: NodeFailure::Absent(_) | NodeFailure::Damaged(_), .. }))
        };
        let lacking = layout.nodes.iter().zip(&known).filter(|(_, known)| absent(known)).map(|(node, _)| *node);
        let lacking: Vec<_> = lacking.collect();
        let asked = lacking.len();
        let failed = self.seal_on(&Manifest::new(layout.clone(), tag), lacking).await;
        (asked - failed.len()) as u64
    }

    async fn each_row(
        &self,
        layout: &Layout,
        limit: &Limit,
        write: bool,
        mut progress: impl FnMut(u64),
    ) -> RepairReport {
        let mut rows = stream::iter(0..layout.rows())
            .map(async |row| {
                let bytes = layout.row_units(row).map(|address| layout.unit_length(address)).sum();
                limit.take(bytes).await;
                (bytes, self.repair_row(layout, row, write).await)
            })
            .buffered(ROWS_AT_ONCE);
        let mut report = RepairReport::default();
        while let Some((bytes, row)) = rows.next().await {
            progress(bytes);
            report.add(row);
        }
        report
    }

    /// The same for one row; `write` what is bad or missing.
    pub async fn repair_row(&self, layout: &Layout, row: u64, write: bool) -> RepairReport {
        let read = self.read_row(layout, row).await;
        let mut report = RepairReport::default();
        for unit in read.units.iter().flatten().filter(|unit| !unit.is_empty()) {
            report.good_units += 1;
            report.good_bytes += unit.len() as u64;
        }
        if read.failed.is_empty() {
            if !is_like(layout, read.units.iter().flatten()) {
                tracing::error!(object = %layout.object, row, "the row's parity is not that of its data");
                report.unlike_rows.push(row);
            }
            return report;
        }
        let whole = read.whole(layout, row);
        for (address, error) in read.failed {
            let bad = matches!(
                error.failure,
                NodeFailure::Absent(_)
                    | NodeFailure::Damaged(_)
                    | NodeFailure::Checksum { .. }
                    | NodeFailure::Answer(_)
            );
            *(if bad { &mut report.bad_units } else { &mut report.unreachable_units }) += 1;
            match &whole {
                Ok(all) if bad && write => {
                    let data = all[usize::from(address.position)].clone();
                    match self.repair_unit(layout, address, data).await {
                        Ok(()) => {
                            tracing::info!(object = %layout.object, unit = %address, "rewritten, it was bad: {error}");
                            report.rewritten_units += 1;
                            continue;
                        }
                        Err(error) => report.failed.push((address, error)),
                    }
                }
                Ok(_) => report.failed.push((address, error)),
                Err(_) => {
                    report.lost_units += u64::from(layout.unit(address).is_some());
                    report.failed.push((address, error));
                }
            }
        }
        report
    }
}

fn is_like<'a>(layout: &Layout, units: impl Iterator<Item = &'a Bytes> + Clone) -> bool {
    let mut sums = Sums::new(layout.policy);
    let data = usize::from(layout.policy.data);
    units.clone().take(data).for_each(|unit| sums.add(unit.clone()));
    sums.finish().eq(units.skip(data).cloned())
}
