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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::MIN_UNIT_SIZE;
    use proptest::prelude::*;

    const UNIT: usize = MIN_UNIT_SIZE as usize;

    fn writer(nodes: u64, data: u8, units_per_node: usize) -> Writer {
        let policy = Policy { unit_size: MIN_UNIT_SIZE, data, parity: 0 };
        let nodes = (0..nodes).map(NodeId).collect();
        Writer::new(ObjectId(1), policy, nodes, 0, WriterOptions { units_per_node }).unwrap()
    }

    #[test]
    fn what_is_held_is_bounded_and_a_slow_node_does_not_stop_the_others() {
        let mut writer = writer(4, 4, 2);
        let bytes = vec![7; 100 * UNIT];
        assert_eq!(writer.handle_bytes(&bytes), 8 * UNIT);
        let first: Vec<_> = std::iter::from_fn(|| writer.poll_put()).collect();
        assert_eq!(first.len(), 8);
        assert_eq!(writer.handle_bytes(&bytes), 8 * UNIT);
        assert_eq!(writer.poll_put(), None);
        assert_eq!(writer.handle_bytes(&bytes), 0);
        // All nodes but number 0 answer.
        for put in first.iter().filter(|put| put.node != NodeId(0)) {
            writer.handle_stored(put.address);
        }
        let second: Vec<_> = std::iter::from_fn(|| writer.poll_put()).map(|put| put.node.0).collect();
        assert_eq!(second, [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn a_failed_put_ends_the_object() {
        let mut writer = writer(2, 2, 1);
        writer.handle_bytes(&vec![0; 2 * UNIT]);
        let put = writer.poll_put().unwrap();
        writer.handle_failure(put.address);
        assert_eq!(writer.state(), WriterState::Failed(put.address));
        assert_eq!(writer.handle_bytes(&[1]), 0);
        assert_eq!(writer.poll_put(), None);
        writer.close();
        assert_eq!(writer.poll_layout(), None);
    }

    #[test]
    fn a_senseless_policy_is_refused() {
        let new = |unit_size, data, parity| {
            let policy = Policy { unit_size, data, parity };
            Writer::new(ObjectId(1), policy, vec![NodeId(1), NodeId(2)], 0, WriterOptions::default()).err()
        };
        assert_eq!(new(MIN_UNIT_SIZE, 1, 1), Some(WriterError::Parity(1)));
        assert!(matches!(new(MIN_UNIT_SIZE, 3, 0), Some(WriterError::Layout(_))));
        assert!(matches!(new(1, 2, 0), Some(WriterError::Layout(_))));
    }

    proptest! {
        /// However bytes come and answers go, the units are the object, each on its node.
        #[test]
        fn the_units_are_the_object(
            nodes in 1u64..6, length in 0usize..20 * UNIT, cuts in 1usize..3 * UNIT, window in 1usize..4, turn in any::<u64>(),
        ) {
            let bytes: Vec<u8> = (0..length).map(|i| (i / 3) as u8).collect();
            let mut writer = writer(nodes, nodes as u8, window);
            let (mut stored, mut under_way, mut turn) = (BTreeMap::new(), Vec::<UnitPut>::new(), turn);
            let mut given = 0;
            let layout = loop {
                let end = length.min(given + cuts);
                given += writer.handle_bytes(&bytes[given..end]);
                if given == length {
                    writer.close();
                }
                under_way.extend(std::iter::from_fn(|| writer.poll_put()));
                if !under_way.is_empty() {
                    turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let put = under_way.swap_remove((turn >> 33) as usize % under_way.len());
                    writer.handle_stored(put.address);
                    stored.insert(put.address, put);
                }
                if let Some(layout) = writer.poll_layout() {
                    break layout;
                }
            };
            prop_assert_eq!(layout.length, length as u64);
            let mut back = Vec::new();
            for unit in 0..layout.units() {
                let put = &stored[&layout.address(unit)];
                prop_assert_eq!(put.node, layout.node(put.address));
                back.extend_from_slice(&put.data);
            }
            prop_assert_eq!(back, bytes);
            prop_assert_eq!(stored.len() as u64, layout.units());
        }
    }
}
