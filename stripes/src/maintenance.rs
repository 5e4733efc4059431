//! An object's way from one layout to the next. Sans-IO.
//!
//! Order is all that makes it safe: the units go where the new layout wants them, every node of the new set is told
//! that layout, then the catalog; and only then is what no longer belongs removed. Whatever breaks off before, the old
//! layout reads; it can be begun again at any time, and what is there already is passed over.

use crate::{
    layout::{Layout, UnitAddress},
    rebalance::{Move, row_moves},
};
use std::collections::{BTreeSet, VecDeque};

/// One object on its way to its new layout, up to the point where the catalog must be told.
///
/// Driving it: `poll_move` until it is empty, carry the moves out (any order, all at once; a unit that is there already
/// is moved), tell each by `handle_moved` or `handle_failure`; when `state` is [`MoverState::Moved`], seal.
#[derive(Debug)]
pub struct Mover<'a> {
    old: &'a Layout,
    new: &'a Layout,
    at_once: usize,
    next_row: u64,
    waiting: VecDeque<Move>,
    under_way: BTreeSet<UnitAddress>,
    failed: bool,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoverState {
    /// Units wait or are under way.
    Moving,
    /// All units are where the new layout wants them.
    Moved,
    /// One could not be moved, and no more will be.
    Failed,
}

impl<'a> Mover<'a> {
    /// From `old` to `new`, with so many units under way at once.
    pub fn new(old: &'a Layout, new: &'a Layout, at_once: usize) -> Self {
        let (waiting, under_way) = (VecDeque::new(), BTreeSet::new());
        Self { old, new, at_once: at_once.max(1), next_row: 0, waiting, under_way, failed: false }
    }

    /// The next unit to bring to its new node.
    pub fn poll_move(&mut self) -> Option<Move> {
        if self.failed || self.under_way.len() >= self.at_once {
            return None;
        }
        while self.waiting.is_empty() && self.next_row < self.old.rows() {
            self.waiting.extend(row_moves(self.old, self.new, self.next_row));
            self.next_row += 1;
        }
        let next = self.waiting.pop_front()?;
        self.under_way.insert(next.address);
        Some(next)
    }

    /// The unit is where it belongs, acknowledged by its new node.
    pub fn handle_moved(&mut self, address: UnitAddress) {
        self.under_way.remove(&address);
    }

    /// It could not be read or not be put.
    pub fn handle_failure(&mut self, address: UnitAddress) {
        self.under_way.remove(&address);
        self.failed = true;
    }

    /// How far it is.
    pub fn state(&self) -> MoverState {
        if self.failed {
            MoverState::Failed
        } else if self.under_way.is_empty() && self.waiting.is_empty() && self.next_row >= self.old.rows() {
            MoverState::Moved
        } else {
            MoverState::Moving
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{NodeId, ObjectId},
        layout::{MIN_UNIT_SIZE, Policy},
        rebalance::{moves, plan},
    };

    fn layouts() -> (Layout, Layout) {
        let policy = Policy { unit_size: MIN_UNIT_SIZE, data: 3, parity: 1 };
        let old = Layout::new(ObjectId(4), 1 << 20, policy, (0..4).map(NodeId).collect(), 0);
        let new = plan(&old, &[0, 1, 2, 3, 4].map(NodeId)).unwrap();
        (old, new)
    }

    #[test]
    fn every_unit_moves_once_and_few_at_once() {
        let (old, new) = layouts();
        let mut mover = Mover::new(&old, &new, 3);
        let mut moved = Vec::new();
        while mover.state() == MoverState::Moving {
            let batch: Vec<_> = std::iter::from_fn(|| mover.poll_move()).collect();
            assert!(batch.len() <= 3);
            batch.iter().rev().for_each(|one| mover.handle_moved(one.address));
            moved.extend(batch);
        }
        assert_eq!(mover.state(), MoverState::Moved);
        assert!(moved.iter().copied().eq(moves(&old, &new)) && !moved.is_empty());
    }

    #[test]
    fn a_failure_ends_it() {
        let (old, new) = layouts();
        let mut mover = Mover::new(&old, &new, 1);
        let first = mover.poll_move().unwrap();
        mover.handle_failure(first.address);
        assert_eq!((mover.state(), mover.poll_move()), (MoverState::Failed, None));
        assert_eq!(Mover::new(&old, &old, 1).state(), MoverState::Moving);
        let mut nothing = Mover::new(&old, &old, 1);
        assert_eq!((nothing.poll_move(), nothing.state()), (None, MoverState::Moved));
    }
}
