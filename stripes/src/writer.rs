//! Cuts the bytes of a growing object into units and says which to put where. Sans-IO.

use crate::{
    id::{NodeId, ObjectId},
    layout::{Layout, LayoutError, Policy, UnitAddress},
    parity::Sums,
};
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How much a writer holds.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// Units being put to one node at once; the same number may wait for it. So a writer holds at most
    /// `2 * units_per_node * nodes` units, a row's parity, and one that is being filled.
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
    sums: Sums,
    waiting: VecDeque<UnitPut>,
    in_flight: BTreeMap<UnitAddress, NodeId>,
    /// Nodes that failed: nothing more goes to them.
    lacking: BTreeSet<NodeId>,
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
    /// All units are stored, but for those of nodes that are [`Writer::lacking`].
    Stored,
    /// More nodes failed than a row has parity units, this unit's last: the object never will be complete.
    Failed(UnitAddress),
}

impl Writer {
    /// Begins `object` over `nodes`, its first unit on number `first` of them.
    pub fn new(
        object: ObjectId,
        policy: Policy,
        nodes: Vec<NodeId>,
        first: u16,
        options: WriterOptions,
    ) -> Result<Self, LayoutError> {
        let layout = Layout::new(object, 0, policy, nodes, first);
        layout.check()?;
        Ok(Self {
            layout,
            options: WriterOptions { units_per_node: options.units_per_node.max(1) },
            filling: BytesMut::new(),
            sums: Sums::new(policy),
            waiting: VecDeque::new(),
            in_flight: BTreeMap::new(),
            lacking: BTreeSet::new(),
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
            self.row_filled();
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

    /// The node didn't take this unit. A row has at most one unit of a node, so as many nodes may fail as there are
    /// parity units: what they lack is left to a repair. One more ends the object.
    pub fn handle_failure(&mut self, address: UnitAddress) {
        self.in_flight.remove(&address);
        let node = self.layout.node(address);
        self.lacking.insert(node);
        self.waiting.retain(|put| put.node != node);
        if self.lacking.len() > usize::from(self.layout.policy.parity) && !matches!(self.state, WriterState::Failed(_))
        {
            self.state = WriterState::Failed(address);
            self.waiting.clear();
        }
        self.look_for_end();
    }

    /// Nodes of the set that lack units, because they failed to take one.
    pub fn lacking(&self) -> &BTreeSet<NodeId> {
        &self.lacking
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
        let data = std::mem::take(&mut self.filling).freeze();
        self.sums.add(data.clone());
        self.queue(self.layout.address(unit), data);
        if self.sums.is_full() {
            self.row_filled();
        }
    }

    /// Queues the parity of a row that is full or at the object's end.
    fn row_filled(&mut self) {
        let Some(last) = self.layout.length.checked_sub(1) else { return };
        let row = self.layout.address(self.layout.unit_at(last)).row;
        for (position, data) in (self.layout.policy.data..).zip(self.sums.finish()) {
            self.queue(UnitAddress { row, position }, data);
        }
    }

    fn queue(&mut self, address: UnitAddress, data: Bytes) {
        let node = self.layout.node(address);
        if !self.lacking.contains(&node) {
            self.waiting.push_back(UnitPut { address, node, data });
        }
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
        assert_eq!(new(MIN_UNIT_SIZE, 1, 1), None);
        assert_eq!(new(MIN_UNIT_SIZE, 1, 3), Some(LayoutError::Parity(3)));
        assert_eq!(new(MIN_UNIT_SIZE, 3, 0), Some(LayoutError::FewNodes { row: 3, nodes: 2 }));
        assert_eq!(new(1, 2, 0), Some(LayoutError::UnitSize(1)));
    }

    #[test]
    fn as_many_nodes_may_fail_as_there_are_parity_units() {
        let policy = Policy { unit_size: MIN_UNIT_SIZE, data: 3, parity: 1 };
        let nodes: Vec<_> = (0..4).map(NodeId).collect();
        let mut writer = Writer::new(ObjectId(1), policy, nodes, 0, WriterOptions { units_per_node: 1 }).unwrap();
        assert_eq!(writer.handle_bytes(&vec![0; 6 * UNIT]), 3 * UNIT);
        let puts: Vec<_> = std::iter::from_fn(|| writer.poll_put()).collect();
        assert_eq!(puts.iter().map(|put| put.node.0).collect::<Vec<_>>(), [0, 1, 2, 3]);
        writer.handle_failure(puts[1].address);
        assert_eq!(writer.state(), WriterState::Open);
        assert!(writer.lacking().iter().eq(&[NodeId(1)]));
        puts.iter().for_each(|put| writer.handle_stored(put.address));
        assert_eq!(writer.handle_bytes(&vec![0; 3 * UNIT]), 3 * UNIT);
        let more: Vec<_> = std::iter::from_fn(|| writer.poll_put()).collect();
        assert!(more.len() == 3 && more.iter().all(|put| put.node != NodeId(1)));
        writer.handle_failure(more[0].address);
        assert_eq!(writer.state(), WriterState::Failed(more[0].address));
    }

    proptest! {
        /// However bytes come and answers go and whichever nodes fail, the units that are stored, each on its node,
        /// are enough for the object.
        #[test]
        fn the_units_are_the_object(
            more in 0u64..3, data in 1u8..5, parity in 0u8..3, length in 0usize..20 * UNIT, cuts in 1usize..3 * UNIT,
            window in 1usize..4, turn: u64, failing: u8,
        ) {
            let bytes: Vec<u8> = (0..length).map(|i| (i / 3) as u8).collect();
            let policy = Policy { unit_size: MIN_UNIT_SIZE, data, parity };
            let nodes: Vec<_> = (0..u64::from(data + parity) + more).map(NodeId).collect();
            let failing: Vec<_> = (0..failing % (parity + 1)).map(|at| NodeId(u64::from(at))).collect();
            let mut writer = Writer::new(ObjectId(1), policy, nodes, 0, WriterOptions { units_per_node: window }).unwrap();
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
                    if failing.contains(&put.node) {
                        writer.handle_failure(put.address);
                    } else {
                        writer.handle_stored(put.address);
                        stored.insert(put.address, put);
                    }
                }
                if let Some(layout) = writer.poll_layout() {
                    break layout;
                }
            };
            prop_assert_eq!(layout.length, length as u64);
            let mut back = Vec::new();
            for row in 0..layout.rows() {
                let addresses = (0..layout.row_width() as u8).map(|position| UnitAddress { row, position });
                let (mut units, mut lengths) = (Vec::new(), Vec::new());
                for address in addresses {
                    let length = layout.unit_length(address) as usize;
                    let unit = stored.remove(&address);
                    if let Some(put) = &unit {
                        prop_assert_eq!((put.node, put.data.len()), (layout.node(address), length));
                    }
                    units.push(unit.map(|put| put.data).or((length == 0).then(Bytes::new)));
                    lengths.push(length);
                }
                let all = crate::parity::rebuild(policy, &units, &lengths).unwrap();
                back.extend(all[..usize::from(data)].concat());
            }
            prop_assert_eq!(back, bytes);
            prop_assert!(stored.is_empty());
        }
    }
}
