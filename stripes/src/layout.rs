//! From the bytes of an object to the units on the nodes, and back.
//!
//! Unit `u` of the data lies in row `u / k` at position `u % k`; the `m` parity units of a row have the
//! positions `k..k+m`. A fresh object's units follow a formula: position `p` of row `r` lies on node
//! `(first + r * k + p) mod n` of the stripe set's `n` nodes. So any `n` consecutive data units lie on `n` different
//! nodes, the units of a row too, and with `n = k + m` the parity goes round as in left-symmetric RAID 5. Where `k`
//! and `n` have a common divisor that does not divide `m`, parity would meet only some nodes; there the rows begin
//! one node further after every round, until all have had their turn.
//!
//! An object whose nodes were changed (see [`crate::rebalance`]) has a table instead: row `r` lies as line
//! `r mod lines` of it says, so that a change moves the units it must and no others.

mod form;
#[cfg(test)]
mod tests;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The object.
    pub object: ObjectId,
    /// Bytes.
    pub length: u64,
    /// How it is cut.
    pub policy: Policy,
    /// The stripe set: each node once.
    pub nodes: Vec<NodeId>,
    /// Which of `nodes` has position 0 of row 0, by the formula.
    pub first: u16,
    /// Lines of `k + m` numbers into `nodes`, one number a position; empty where the formula holds.
    pub table: Vec<u16>,
    /// Grows with every change of the nodes; of two layouts of an object the higher one holds.
    pub generation: u32,
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
    /// More than can be computed.
    #[error("{0} parity units in a row; at most {MAX_PARITY} are allowed")]
    Parity(u8),
    /// A row's units would share nodes.
    #[error("a row has {row} units but the stripe set only {nodes} nodes")]
    FewNodes {
        /// k + m
        row: usize,
        /// n
        nodes: usize,
    },
    /// The stripe set names a node twice.
    #[error("node {0} is in the stripe set twice")]
    Twice(NodeId),
    /// The rotation starts past the last node.
    #[error("the first node is number {first} of {nodes}")]
    First {
        /// As given.
        first: u16,
        /// n
        nodes: usize,
    },
    /// The table is not whole lines of different nodes of the set.
    #[error("line {line} of the table: expected {row} different numbers below {nodes}; {MAX_TABLE} in all are allowed")]
    Table {
        /// From 0; past the last one if the table is too long or its last line too short.
        line: usize,
        /// k + m
        row: usize,
        /// n
        nodes: usize,
    },
}

/// Smallest unit, bytes.
pub const MIN_UNIT_SIZE: u32 = 4 << 10;
/// Largest unit, bytes: what a node and a front must be able to hold at once for each request.
pub const MAX_UNIT_SIZE: u32 = 4 << 20;
/// Parity units in a row at most.
pub const MAX_PARITY: u8 = 2;
/// Numbers in a table at most: it must fit a manifest, whoever sends it.
pub const MAX_TABLE: usize = 8192;

impl Layout {
    /// A fresh object's layout: the formula holds.
    pub fn new(object: ObjectId, length: u64, policy: Policy, nodes: Vec<NodeId>, first: u16) -> Self {
        Self { object, length, policy, nodes, first, table: Vec::new(), generation: 0 }
    }

    /// Checks what the other functions rely on; call it on anything that came from outside.
    pub fn check(&self) -> Result<(), LayoutError> {
        let (row, nodes) = (self.row_width(), self.nodes.len());
        if !(MIN_UNIT_SIZE..=MAX_UNIT_SIZE).contains(&self.policy.unit_size) {
            return Err(LayoutError::UnitSize(self.policy.unit_size));
        }
        if self.policy.data == 0 {
            return Err(LayoutError::NoData);
        }
        if self.policy.parity > MAX_PARITY {
            return Err(LayoutError::Parity(self.policy.parity));
        }
        if row > nodes {
            return Err(LayoutError::FewNodes { row, nodes });
        }
        let mut sorted = self.nodes.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(LayoutError::Twice(pair[0]));
        }
        if usize::from(self.first) >= nodes {
            return Err(LayoutError::First { first: self.first, nodes });
        }
        let lines = self.table.len() / row;
        if self.table.len() > MAX_TABLE || !self.table.len().is_multiple_of(row) {
            return Err(LayoutError::Table { line: lines, row, nodes });
        }
        for (line, numbers) in self.table.chunks(row).enumerate() {
            let twice = numbers.iter().enumerate().any(|(at, number)| numbers[..at].contains(number));
            if twice || numbers.iter().any(|number| usize::from(*number) >= nodes) {
                return Err(LayoutError::Table { line, row, nodes });
            }
        }
        Ok(())
    }

    /// Whether whoever reads by `old` should read by this one, which the catalog named later: it is another object, of
    /// the same bytes, or the same one elsewhere.
    pub fn supersedes(&self, old: &Self) -> bool {
        self.object != old.object || self.generation > old.generation
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
            .then(|| address.row.saturating_mul(u64::from(self.policy.data)).saturating_add(address.position.into()))
    }

    /// How many bytes the unit at `address` has, parity too: as many as its row's longest (first) data unit. A unit
    /// past the object's end has none and is nowhere kept.
    pub fn unit_length(&self, address: UnitAddress) -> u64 {
        let first = UnitAddress { row: address.row, position: 0 };
        let unit = self.unit(address).or_else(|| self.unit(first)).unwrap_or(u64::MAX);
        let bytes = self.unit_bytes(unit);
        bytes.end - bytes.start
    }

    /// The units that `row` has, parity last: fewer than the row is wide where the object ends in it.
    pub fn row_units(&self, row: u64) -> impl Iterator<Item = UnitAddress> + use<'_> {
        (0..self.row_width() as u8)
            .map(move |position| UnitAddress { row, position })
            .filter(|address| self.unit_length(*address) > 0)
    }

    /// The placement: which node holds the unit at `address`, which is one of a row's.
    pub fn node(&self, address: UnitAddress) -> NodeId {
        self.nodes[self.number(address)]
    }

    /// Whether the unit at `address` is one of the layout's and belongs on `node`. A stranger may have named any address.
    pub fn is_on(&self, address: UnitAddress, node: NodeId) -> bool {
        usize::from(address.position) < self.row_width() && self.node(address) == node
    }

    /// The same as a number into `nodes`.
    pub(crate) fn number(&self, address: UnitAddress) -> usize {
        let position = usize::from(address.position);
        if !self.table.is_empty() {
            let width = self.row_width();
            let line = address.row % (self.table.len() / width) as u64;
            return usize::from(self.table[line as usize * width + position]);
        }
        let (nodes, data) = (self.nodes.len() as u64, u64::from(self.policy.data));
        let row = address.row % nodes;
        let common = gcd(data, nodes);
        // Rounds of the rows over the nodes so far; see the page's head.
        let rounds = if u64::from(self.policy.parity).is_multiple_of(common) { 0 } else { row / (nodes / common) };
        ((u64::from(self.first) + row * data + rounds + position as u64) % nodes) as usize
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
