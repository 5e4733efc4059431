//! Cuts the bytes of a growing object into units and says which to put where. Sans-IO.

use crate::{
    id::{NodeId, ObjectId},
    layout::{Layout, LayoutError, Policy, UnitAddress},
};
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, VecDeque};

/// How much a writer holds.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// Units being put to one node at once; the same number may wait for it. So a writer holds at most
    /// `2 * units_per_node * nodes` units, and one that is being filled.
    pub units_per_node: usize,
}

impl Default for WriterOptions {
    /// 3 units a node: one on the wire, one at the disk, one ready.
    fn default() -> Self {
        Self { units_per_node: 3 }
    }
}

/// One object being written.
///
/// Driving it: `handle_bytes` until it takes nothing more, `poll_put` until it is empty, carry the puts out
/// (any order, all at once), tell each result by `handle_stored` or `handle_failure`, and so on; at the end
/// `close`, the same until `poll_layout` gives the layout, which then is to be sealed.
#[derive(Debug)]
pub struct Writer {
    layout: Layout,
    options: WriterOptions,
    filling: BytesMut,
    waiting: VecDeque<UnitPut>,
    in_flight: BTreeMap<UnitAddress, NodeId>,
    state: WriterState,
}

/// A unit to put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitPut {
    /// Where in the object.
    pub address: UnitAddress,
    /// Where in the world.
    pub node: NodeId,
    /// The unit.
    pub data: Bytes,
}

/// How far a writer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterState {
    /// Takes bytes.
    Open,
    /// Knows the object's length, waits for the last units.
    Closing,
    /// All units are stored.
    Stored,
    /// A unit could not be stored and the object never will be complete.
    Failed(UnitAddress),
}

/// Why a writer can't begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriterError {
    /// The stripe set doesn't fit the policy.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The layout has the place for parity units, but nothing computes them yet.
    #[error("{0} parity units in a row; only 0 can be written")]
    Parity(u8),
}

impl Writer {
    /// Begins `object` over `nodes`, its first unit on number `first` of them.
    pub fn new(
        object: ObjectId,
        policy: Policy,
        nodes: Vec<NodeId>,
        first: u16,
        options: WriterOptions,
    ) -> Result<Self, WriterError> {
        let layout = Layout { object, length: 0, policy, nodes, first };
        layout.check()?;
        if policy.parity != 0 {
            return Err(WriterError::Parity(policy.parity));
        }
        Ok(Self {
            layout,
            options: WriterOptions { units_per_node: options.units_per_node.max(1) },
            filling: BytesMut::new(),
            waiting: VecDeque::new(),
            in_flight: BTreeMap::new(),
            state: WriterState::Open,
        })
    }

    /// The object.
    pub fn object(&self) -> ObjectId {
        self.layout.object
    }

    /// Bytes taken so far.
    pub fn length(&self) -> u64 {
        self.layout.length
    }

    /// How far it is.
    pub fn state(&self) -> WriterState {
        self.state
    }

    /// Takes as many of the object's next bytes as there is room for and says how many; 0 means: first carry
    /// out puts.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> usize {
        let unit_size = self.layout.policy.unit_size as usize;
        let mut taken = 0;
        while taken < bytes.len() && self.state == WriterState::Open && self.waiting.len() < self.room() {
            if self.filling.capacity() == 0 {
                self.filling.reserve(unit_size);
            }
            let count = (bytes.len() - taken).min(unit_size - self.filling.len());
            self.filling.extend_from_slice(&bytes[taken..taken + count]);
            self.layout.length += count as u64;
            taken += count;
            if self.filling.len() == unit_size {
                self.unit_filled();
            }
        }
        taken
    }

    /// The object ends here.
    pub fn close(&mut self) {
        if self.state == WriterState::Open {
            if !self.filling.is_empty() {
                self.unit_filled();
            }
            self.state = WriterState::Closing;
            self.look_for_end();
        }
    }

    /// The next unit to put, if its node has a free place.
    pub fn poll_put(&mut self) -> Option<UnitPut> {
        if matches!(self.state, WriterState::Failed(_)) {
            return None;
        }
        let free = |put: &UnitPut| {
            self.in_flight.values().filter(|node| **node == put.node).count() < self.options.units_per_node
        };
        let next = self.waiting.iter().position(free)?;
        let put = self.waiting.remove(next)?;
        self.in_flight.insert(put.address, put.node);
        Some(put)
    }

    /// The node acknowledged this unit.
    pub fn handle_stored(&mut self, address: UnitAddress) {
        self.in_flight.remove(&address);
        self.look_for_end();
    }

    /// The node didn't take this unit. Without parity that ends the object; with parity a row may lack `m`
    /// units and this is where they will be counted.
    pub fn handle_failure(&mut self, address: UnitAddress) {
        self.in_flight.remove(&address);
        if !matches!(self.state, WriterState::Failed(_)) {
            self.state = WriterState::Failed(address);
            self.waiting.clear();
        }
    }

    /// The complete object's layout, once every unit is stored.
    pub fn poll_layout(&self) -> Option<Layout> {
        (self.state == WriterState::Stored).then(|| self.layout.clone())
    }

    fn room(&self) -> usize {
        self.options.units_per_node * self.layout.nodes.len()
    }

    fn unit_filled(&mut self) {
        let unit = self.layout.unit_at(self.layout.length - 1);
        let address = self.layout.address(unit);
        let data = std::mem::take(&mut self.filling).freeze();
        // Parity: here a row's sums take the unit in, and its last one queues the parity units behind it.
        self.waiting.push_back(UnitPut { address, node: self.layout.node(address), data });
    }

    fn look_for_end(&mut self) {
        if self.state == WriterState::Closing && self.waiting.is_empty() && self.in_flight.is_empty() {
            self.state = WriterState::Stored;
        }
    }
}
