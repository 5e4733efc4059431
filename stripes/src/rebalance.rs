//! How an object's layout changes when nodes come and go, and which units move. Sans-IO.
//!
//! A fresh layout is a formula over its nodes, which any other number of nodes would turn into quite another. So the
//! first change lays the formula down as a table of rows and then changes only as many places of it as it must:
//! those of nodes that leave, and of the others what makes all even again. A new node gets its share of the data
//! places and of the parity places from rows spread over the whole table, so that every stretch of the object is
//! spread anew.

use crate::{
    id::NodeId,
    layout::{Layout, LayoutError, MAX_TABLE, UnitAddress},
};
use std::{collections::BTreeSet, ops::Range};

/// Places that each node should have in the table at least, if they can't be shared out without a remainder: a
/// remainder of one is then within 5 %.
const FINE: usize = 20;
/// Of the least that must move, so much more may.
const SPARE_PERCENT: usize = 15;
/// No node: its places are to be filled.
const NOBODY: u16 = u16::MAX;

/// A unit whose place changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which.
    pub address: UnitAddress,
    /// Where it lies.
    pub from: NodeId,
    /// Where it is to lie.
    pub to: NodeId,
    /// Its bytes.
    pub bytes: u64,
}

/// Why no layout can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The old layout, or the nodes wanted with its policy, make no sense.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The formula of so many nodes has more places than a table may have.
    #[error("{rows} rows of {row} units don't fit a table of {MAX_TABLE} places")]
    Large {
        /// Until the formula repeats itself.
        rows: usize,
        /// k + m
        row: usize,
    },
}

/// The layout that puts the object on `wanted`, moving little more than what must move; evenness comes first. If all
/// lies well already it is the same, with the same generation; else its generation is the next one.
///
/// No node changes its position within a row, so that at no time it has two units of one.
pub fn plan(layout: &Layout, wanted: &[NodeId]) -> Result<Layout, PlanError> {
    layout.check()?;
    let kept = layout.nodes.iter().copied().filter(|node| wanted.contains(node));
    let came = wanted.iter().copied().filter(|node| !layout.nodes.contains(node));
    let nodes: Vec<NodeId> = kept.chain(came).collect();
    let mut new = Layout { nodes, first: 0, ..layout.clone() };
    new.table.clear();
    new.check()?;
    if let Some(twice) = wanted.iter().enumerate().find(|(at, node)| wanted[..*at].contains(node)) {
        return Err(LayoutError::Twice(*twice.1).into());
    }
    let mut table = Table::new(layout, &new)?;
    table.fill();
    for kind in table.kinds() {
        table.even(kind);
    }
    new.table = table.places;
    new.check()?;
    let rows = new.table.len() / new.row_width();
    let same = |row| (0..new.row_width() as u8).all(|position| same_node(layout, &new, UnitAddress { row, position }));
    if (0..rows as u64).all(same) && new.nodes == layout.nodes {
        return Ok(layout.clone());
    }
    new.generation = layout.generation.saturating_add(1);
    Ok(new)
}

/// The units whose place differs, in the object's order.
pub fn moves<'a>(old: &'a Layout, new: &'a Layout) -> impl Iterator<Item = Move> + 'a {
    (0..old.rows()).flat_map(move |row| row_moves(old, new, row))
}

/// Those of one row.
pub fn row_moves<'a>(old: &'a Layout, new: &'a Layout, row: u64) -> impl Iterator<Item = Move> + 'a {
    old.row_units(row).filter(|address| !same_node(old, new, *address)).map(|address| Move {
        address,
        from: old.node(address),
        to: new.node(address),
        bytes: old.unit_length(address),
    })
}

fn same_node(old: &Layout, new: &Layout, address: UnitAddress) -> bool {
    old.node(address) == new.node(address)
}

/// The table in the making.
struct Table {
    places: Vec<u16>,
    /// As it was, in the new nodes' numbers.
    before: Vec<u16>,
    width: usize,
    data: usize,
    nodes: usize,
    /// Places that each node has, of data and of parity.
    counts: [Vec<usize>; 2],
    /// Places that may still move although nobody came or left there, to make the old nodes even.
    spare: usize,
    /// Where the sweeps over the rows begin: by the object, so that short ones spread too.
    turn: usize,
}

impl Table {
    fn new(old: &Layout, new: &Layout) -> Result<Self, PlanError> {
        let (width, data, nodes) = (old.row_width(), usize::from(old.policy.data), new.nodes.len());
        let period = if old.table.is_empty() { old.nodes.len() } else { old.table.len() / width };
        if period * width > MAX_TABLE {
            return Err(PlanError::Large { rows: period, row: width });
        }
        let fine = |rows: usize| {
            let shares = |places: usize| places.is_multiple_of(nodes) || places / nodes >= FINE;
            shares(rows * data) && shares(rows * (width - data))
        };
        let most = MAX_TABLE / (period * width);
        let times = (1..=most).find(|times| fine(period * times)).unwrap_or(most);
        let numbers: Vec<u16> = old
            .nodes
            .iter()
            .map(|node| new.nodes.iter().position(|other| other == node).map_or(NOBODY, |at| at as u16))
            .collect();
        let rows = (period * times) as u64;
        let addresses = (0..rows).flat_map(|row| (0..width as u8).map(move |position| UnitAddress { row, position }));
        let places: Vec<u16> = addresses.map(|address| numbers[old.number(address)]).collect();
        let mut counts = [vec![0; nodes], vec![0; nodes]];
        for (at, number) in places.iter().enumerate().filter(|(_, number)| **number != NOBODY) {
            counts[usize::from(at % width >= data)][usize::from(*number)] += 1;
        }
        let came = nodes - numbers.iter().filter(|number| **number != NOBODY).count();
        let left = places.iter().filter(|number| **number == NOBODY).count();
        let spare = left.max(places.len() / nodes * came) * SPARE_PERCENT / 100;
        let turn = (old.object.0 ^ old.object.0 >> 64) as usize;
        Ok(Self { before: places.clone(), places, width, data, nodes, counts, spare, turn })
    }

    /// Gives the places of those who left to whoever has least and nothing of that row.
    fn fill(&mut self) {
        for row in self.sweep() {
            for at in row * self.width..(row + 1) * self.width {
                if self.places[at] != NOBODY {
                    continue;
                }
                let kind = self.kind(at);
                let free = (0..self.nodes as u16).filter(|number| self.is_free(row, *number));
                // There is one: the row has as many places as nodes at most.
                if let Some(least) = free.min_by_key(|number| {
                    let number = usize::from(*number);
                    let turn = (number + row + self.turn % self.nodes) % self.nodes;
                    (self.counts[kind][number], self.counts[1 - kind][number], turn)
                }) {
                    self.give(at, least);
                }
            }
        }
    }

    /// Hands places of one kind from those who have most to those who have least: first among the places that go to
    /// another node anyway, which costs nothing, then to new nodes until they have their share, then among the old
    /// ones as far as `spare` reaches.
    fn even(&mut self, kind: usize) {
        let share = self.counts[kind].iter().sum::<usize>() / self.nodes;
        while self.pass(kind, usize::MAX, |table, at, number| {
            table.places[at] != table.before[at] && table.count(at) > table.counts[kind][number] + 1
        }) > 0
        {}
        let new: Vec<bool> = (0..self.nodes as u16).map(|number| !self.before.contains(&number)).collect();
        for new_ones in [true, false] {
            // From the fullest, as long as they have places in the right rows.
            let slacks = (0..usize::BITS - share.leading_zeros() + 1).map(|bit| 1 << bit);
            for slack in slacks {
                loop {
                    let enough = if new_ones { share } else { share - share / FINE };
                    let most = if new_ones { usize::MAX } else { self.spare };
                    let given = self.pass(kind, most, |table, at, number| {
                        let (has, count) = (table.counts[kind][number], table.count(at));
                        table.places[at] == table.before[at]
                            && new[number] == new_ones
                            && has < enough
                            && count > share.max(has + 1)
                            && table.counts[kind].iter().all(|other| *other < count + slack)
                    });
                    if given == 0 {
                        break;
                    }
                    if !new_ones {
                        self.spare -= given;
                    }
                }
            }
        }
    }

    /// One sweep over the rows: gives each node that has nothing of a row the place of whoever has most, where `worth`
    /// says so of place and node. Says how many it gave, at most `most`.
    fn pass(&mut self, kind: usize, most: usize, worth: impl Fn(&Self, usize, usize) -> bool) -> usize {
        let mut given = 0;
        for row in self.sweep() {
            for number in 0..self.nodes as u16 {
                let places = self.places_of(row, kind).filter(|at| worth(self, *at, number.into()));
                if let Some(at) = places.max_by_key(|at| self.count(*at))
                    && given < most
                    && self.is_free(row, number)
                {
                    self.give(at, number);
                    given += 1;
                }
            }
        }
        given
    }

    /// How many places of this one's kind its node has.
    fn count(&self, at: usize) -> usize {
        self.counts[self.kind(at)][usize::from(self.places[at])]
    }

    fn give(&mut self, at: usize, number: u16) {
        let kind = self.kind(at);
        let old = self.places[at];
        if old != NOBODY {
            self.counts[kind][usize::from(old)] -= 1;
        }
        self.places[at] = number;
        self.counts[kind][usize::from(number)] += 1;
    }

    /// Whether the node has nothing of this row, nor had.
    fn is_free(&self, row: usize, number: u16) -> bool {
        let row = row * self.width..(row + 1) * self.width;
        !self.places[row.clone()].contains(&number) && !self.before[row].contains(&number)
    }

    /// All rows, neighbours far apart.
    fn sweep(&self) -> impl Iterator<Item = usize> + use<> {
        let rows = self.places.len() / self.width;
        let mut step = (rows * 382 / 1000).max(1);
        while !coprime(step, rows) {
            step += 1;
        }
        let first = self.turn % rows;
        (0..rows).map(move |at| (first + at * step) % rows)
    }

    /// 0 data, 1 parity.
    fn kind(&self, at: usize) -> usize {
        usize::from(at % self.width >= self.data)
    }

    fn kinds(&self) -> Range<usize> {
        0..if self.width > self.data { 2 } else { 1 }
    }

    fn places_of(&self, row: usize, kind: usize) -> Range<usize> {
        let start = row * self.width;
        if kind == 0 { start..start + self.data } else { start + self.data..start + self.width }
    }
}

fn coprime(a: usize, b: usize) -> bool {
    if b == 0 { a == 1 } else { coprime(b, a % b) }
}

/// The nodes that have something to do with the object, before or after.
pub fn concerned(old: &Layout, new: &Layout) -> BTreeSet<NodeId> {
    old.nodes.iter().chain(&new.nodes).copied().collect()
}

#[cfg(test)]
mod tests;
