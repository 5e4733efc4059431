//! From the bytes of an object to the units on the nodes, and back.
//!
//! Unit `u` of the data lies in row `u / k` at position `u % k`; the `m` parity units of a row have the
//! positions `k..k+m`. Position `p` of row `r` lies on node `(first + r * k + p) mod n` of the stripe set's
//! `n` nodes: so any `n` consecutive data units lie on `n` different nodes, the units of a row too, and
//! with `n = k + m` the parity goes round as in left-symmetric RAID 5.

use crate::id::{NodeId, ObjectId};
use serde::{Deserialize, Serialize};
use std::{fmt, ops::Range, str::FromStr};

/// How an object is cut: unit size and units per row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Bytes of a unit; only an object's last may be shorter.
    pub unit_size: u32,
    /// Data units per row, `k`.
    pub data: u8,
    /// Parity units per row, `m`.
    pub parity: u8,
}

/// Where one unit of one object lies in its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnitAddress {
    /// Counted from the object's start.
    pub row: u64,
    /// `0..k` data, `k..k+m` parity.
    pub position: u8,
}

impl fmt::Display for UnitAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.row, self.position)
    }
}

/// Text that is not `row.position` in plain decimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a unit address: expected row.position in decimal, as 12.0")]
pub struct BadAddress;

impl FromStr for UnitAddress {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let (row, position) = text.split_once('.').ok_or(BadAddress)?;
        if !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(BadAddress);
        }
        Ok(Self { row: row.parse().map_err(|_| BadAddress)?, position: position.parse().map_err(|_| BadAddress)? })
    }
}

/// A sealed object's shape and place: all that is needed to read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The object.
    pub object: ObjectId,
    /// Bytes.
    pub length: u64,
    /// How it is cut.
    pub policy: Policy,
    /// The stripe set, in order.
    pub nodes: Vec<NodeId>,
    /// Which of `nodes` has position 0 of row 0.
    pub first: u16,
}

/// Why a layout makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Not in `MIN_UNIT_SIZE..=MAX_UNIT_SIZE`.
    #[error("a unit of {0} bytes; {MIN_UNIT_SIZE} to {MAX_UNIT_SIZE} are allowed")]
    UnitSize(u32),
    /// A row needs at least one data unit.
    #[error("no data unit in a row")]
    NoData,
    /// A row's units would share nodes.
    #[error("a row has {row} units but the stripe set only {nodes} nodes")]
    FewNodes {
        /// k + m
        row: usize,
        /// n
        nodes: usize,
    },
    /// The rotation starts past the last node.
    #[error("the first node is number {first} of {nodes}")]
    First {
        /// As given.
        first: u16,
        /// n
        nodes: usize,
    },
}

/// Smallest unit, bytes.
pub const MIN_UNIT_SIZE: u32 = 4 << 10;
/// Largest unit, bytes: what a node and a front must be able to hold at once for each request.
pub const MAX_UNIT_SIZE: u32 = 4 << 20;

impl Layout {
    /// Checks what the other functions rely on; call it on anything that came from outside.
    pub fn check(&self) -> Result<(), LayoutError> {
        let (row, nodes) = (self.row_width(), self.nodes.len());
        if !(MIN_UNIT_SIZE..=MAX_UNIT_SIZE).contains(&self.policy.unit_size) {
            return Err(LayoutError::UnitSize(self.policy.unit_size));
        }
        if self.policy.data == 0 {
            return Err(LayoutError::NoData);
        }
        if row > nodes {
            return Err(LayoutError::FewNodes { row, nodes });
        }
        if usize::from(self.first) >= nodes {
            return Err(LayoutError::First { first: self.first, nodes });
        }
        Ok(())
    }

    /// Units in a row, parity included.
    pub fn row_width(&self) -> usize {
        usize::from(self.policy.data) + usize::from(self.policy.parity)
    }

    /// How many data units there are.
    pub fn units(&self) -> u64 {
        self.length.div_ceil(u64::from(self.policy.unit_size))
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.units().div_ceil(u64::from(self.policy.data))
    }

    /// The data unit that holds byte `offset`.
    pub fn unit_at(&self, offset: u64) -> u64 {
        offset / u64::from(self.policy.unit_size)
    }

    /// The bytes of data unit `unit`, empty past the end.
    pub fn unit_bytes(&self, unit: u64) -> Range<u64> {
        let size = u64::from(self.policy.unit_size);
        let start = unit.saturating_mul(size).min(self.length);
        start..start.saturating_add(size).min(self.length)
    }

    /// The data units that hold `bytes`.
    pub fn units_of(&self, bytes: Range<u64>) -> Range<u64> {
        if bytes.is_empty() {
            let unit = self.unit_at(bytes.start);
            return unit..unit;
        }
        self.unit_at(bytes.start)..self.unit_at(bytes.end - 1) + 1
    }

    /// Where data unit `unit` lies in its row.
    pub fn address(&self, unit: u64) -> UnitAddress {
        let data = u64::from(self.policy.data);
        UnitAddress { row: unit / data, position: (unit % data) as u8 }
    }

    /// Which data unit `address` is; `None` for parity.
    pub fn unit(&self, address: UnitAddress) -> Option<u64> {
        (address.position < self.policy.data)
            .then(|| address.row * u64::from(self.policy.data) + u64::from(address.position))
    }

    /// The placement: which node holds the unit at `address`.
    pub fn node(&self, address: UnitAddress) -> NodeId {
        let nodes = self.nodes.len() as u64;
        let turn = (address.row % nodes) * u64::from(self.policy.data);
        let index = (u64::from(self.first) + turn + u64::from(address.position)) % nodes;
        self.nodes[index as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn layout(nodes: u64, data: u8, parity: u8, length: u64) -> Layout {
        let policy = Policy { unit_size: MIN_UNIT_SIZE, data, parity };
        Layout {
            object: ObjectId(1),
            length,
            policy,
            nodes: (0..nodes).map(NodeId).collect(),
            first: (nodes - 1) as u16,
        }
    }

    #[test]
    fn any_run_of_n_units_visits_every_node() {
        for (nodes, data, parity) in [(4, 4, 0), (4, 3, 1), (5, 3, 2), (7, 4, 1), (1, 1, 0), (6, 3, 1)] {
            let layout = layout(nodes, data, parity, 0);
            assert_eq!(layout.check(), Ok(()));
            for start in 0..60 {
                let seen: BTreeSet<_> = (start..start + nodes).map(|unit| layout.node(layout.address(unit))).collect();
                assert_eq!(seen.len() as u64, nodes, "{nodes} nodes, {data}+{parity}, from unit {start}");
            }
            for row in 0..30 {
                let seen: BTreeSet<_> =
                    (0..data + parity).map(|position| layout.node(UnitAddress { row, position })).collect();
                assert_eq!(seen.len(), usize::from(data + parity), "row {row}");
            }
        }
    }

    #[test]
    fn node_totals_differ_by_at_most_one_unit() {
        for length in [0, 1, 4096, 4097, 40_960, 1_000_003] {
            let layout = layout(4, 4, 0, length);
            let mut totals = BTreeMap::from_iter(layout.nodes.iter().map(|node| (*node, 0)));
            for unit in 0..layout.units() {
                let bytes = layout.unit_bytes(unit);
                *totals.get_mut(&layout.node(layout.address(unit))).unwrap() += bytes.end - bytes.start;
            }
            let (least, most) = (totals.values().min().unwrap(), totals.values().max().unwrap());
            assert!(most - least <= u64::from(MIN_UNIT_SIZE), "{totals:?}");
            assert_eq!(totals.values().sum::<u64>(), length);
        }
    }

    #[test]
    fn bytes_go_to_units_and_back() {
        let layout = layout(4, 3, 1, 10_000);
        assert_eq!(layout.units(), 3);
        assert_eq!(layout.rows(), 1);
        assert_eq!(layout.units_of(4095..4097), 0..2);
        assert_eq!(layout.units_of(4096..4096), 1..1);
        assert_eq!(layout.unit_bytes(2), 8192..10_000);
        assert_eq!(layout.unit_bytes(3), 10_000..10_000);
        for unit in 0..10 {
            assert_eq!(layout.unit(layout.address(unit)), Some(unit));
        }
        assert_eq!(layout.unit(UnitAddress { row: 0, position: 3 }), None);
    }

    #[test]
    fn an_address_reads_back_and_nothing_else_does() {
        let address = UnitAddress { row: u64::MAX, position: 255 };
        assert_eq!(address.to_string().parse(), Ok(address));
        for bad in ["", "1", "1.", ".1", "1.256", "+1.0", "1.0.0", "1.-1", "18446744073709551616.0"] {
            assert!(bad.parse::<UnitAddress>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(layout(3, 3, 1, 9).check().is_err());
        assert!(layout(3, 0, 1, 9).check().is_err());
        let mut bad = layout(3, 3, 0, 9);
        bad.first = 3;
        assert!(bad.check().is_err());
        bad = layout(3, 3, 0, 9);
        bad.policy.unit_size = 1;
        assert!(bad.check().is_err());
    }
}
