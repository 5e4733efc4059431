//! One viewer's way through one object: byte ranges wanted, units asked for, bytes in order. Sans-IO.

use crate::{
    id::NodeId,
    layout::{Layout, UnitAddress},
};
use bytes::Bytes;
use std::{ops::Range, sync::Arc, time::Instant};

/// How much a reader holds.
#[derive(Clone, Copy, Debug)]
pub struct ReaderOptions {
    /// Bytes asked for or held ahead of the position, rounded up to whole units; at least two units are allowed,
    /// so that a sample over a unit's border can be read.
    pub window_bytes: u64,
}

/// Reads ahead in one object for one viewer.
///
/// Driving it: `want` says which bytes come next and when the first of them is needed; `poll_request` until it is
/// empty, fetch those units (any order, all at once), bring each in by `handle_unit` or `handle_failure`; `read`
/// gives bytes; `forget_before` drops what was sent and so makes room; `seek` begins elsewhere. An answer to a
/// request from before a seek is taken if its unit is wanted again and ignored if not.
#[derive(Debug)]
pub struct Reader {
    layout: Arc<Layout>,
    options: ReaderOptions,
    /// Nothing before this byte is wanted any more.
    position: u64,
    /// Ascending. There are few, often one: a list is found through sooner than a tree.
    units: Vec<(u64, UnitState)>,
    /// The bytes of those that are here, from the first on, without a gap: what is read next lies among them.
    here: Range<u64>,
    /// How many of `units` are `Wanted`, so that an idle poll costs nothing.
    wanted: usize,
    failed: Option<u64>,
}

/// How far one wanted unit is. With parity two more will come: rebuilding it from its row (the row's other units
/// are being read), and hedged (asked for twice); both begin at `Requested`, whose times say when it lags.
#[derive(Clone, Debug)]
enum UnitState {
    /// To be asked for.
    Wanted { since: Instant, deadline: Instant },
    /// Asked for.
    Requested { since: Instant, deadline: Instant },
    /// Here.
    Here(Bytes),
    /// Can't be had.
    Failed(UnitFailure),
}

/// A unit to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitRequest {
    /// Its number in the object.
    pub unit: u64,
    /// Where it lies in its row.
    pub address: UnitAddress,
    /// Who has it.
    pub node: NodeId,
    /// When its first byte is needed.
    pub deadline: Instant,
}

/// Why a unit can't be had, as far as the reader cares.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitFailure {
    /// Not within its deadline.
    #[error("late: {0}")]
    Late(String),
    /// The node doesn't answer, or not sensibly.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// The node hasn't got it, or not unharmed.
    #[error("lost: {0}")]
    Lost(String),
}

/// How a reader is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReaderState {
    /// All that was wanted is here.
    Ready,
    /// Units are on their way.
    Filling {
        /// How many.
        units: usize,
        /// When the first of them is needed.
        deadline: Instant,
    },
    /// Cannot go on past this unit.
    Failed {
        /// The first such unit.
        unit: u64,
        /// Why.
        failure: UnitFailure,
    },
}

impl Reader {
    /// At the object's start, nothing wanted.
    pub fn new(layout: Arc<Layout>, options: ReaderOptions) -> Self {
        Self { layout, options, position: 0, units: Vec::new(), here: 0..0, wanted: 0, failed: None }
    }

    /// The bytes from `offset` to the end of its unit, if they are here.
    pub fn peek(&self, offset: u64) -> Option<&[u8]> {
        let unit_size = u64::from(self.layout.policy.unit_size);
        self.unit(offset / unit_size)?.get(usize::try_from(offset % unit_size).ok()?..)
    }

    /// The list of units, to be asked for before it is read.
    pub fn list(&self) -> &[impl Sized] {
        &self.units
    }

    /// What is being read.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Nothing before this byte is wanted any more.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Asks for `range`, whose first byte is needed at `deadline`; what is here or under way already stays so, with
    /// the earlier deadline. Bytes before the position and past the object's end count as not asked. Answers how
    /// far the window reaches: if that is short of the range's end, ask for the rest after `forget_before`.
    pub fn want(&mut self, range: Range<u64>, now: Instant, deadline: Instant) -> u64 {
        let end = range.end.min(self.window_end());
        let start = range.start.max(self.position);
        if start < end {
            for unit in self.layout.units_of(start..end) {
                match self.place(unit) {
                    Err(place) => {
                        self.units.insert(place, (unit, UnitState::Wanted { since: now, deadline }));
                        self.wanted += 1;
                        self.find_here();
                    }
                    Ok(place) => match &mut self.units[place].1 {
                        UnitState::Wanted { deadline: old, .. } | UnitState::Requested { deadline: old, .. } => {
                            *old = deadline.min(*old);
                        }
                        UnitState::Here(_) | UnitState::Failed(_) => {}
                    },
                }
            }
        }
        end
    }

    /// Whether [`Reader::poll_request`] has a unit to give.
    pub fn wants(&self) -> bool {
        self.wanted > 0
    }

    /// The next unit to fetch, in the object's order.
    pub fn poll_request(&mut self) -> Option<UnitRequest> {
        if self.wanted == 0 {
            return None;
        }
        for (unit, state) in &mut self.units {
            let unit = *unit;
            if let UnitState::Wanted { since, deadline } = *state {
                *state = UnitState::Requested { since, deadline };
                self.wanted -= 1;
                let address = self.layout.address(unit);
                return Some(UnitRequest { unit, address, node: self.layout.node(address), deadline });
            }
        }
        None
    }

    /// A unit came. One of the wrong length counts as lost; one that is not wanted (any more) is dropped.
    pub fn handle_unit(&mut self, unit: u64, data: Bytes) {
        let bytes = self.layout.unit_bytes(unit);
        let length = bytes.end - bytes.start;
        if data.len() as u64 != length {
            let reason = format!("unit {unit} came with {} bytes instead of {length}", data.len());
            return self.handle_failure(unit, UnitFailure::Lost(reason));
        }
        self.settle(unit, UnitState::Here(data));
        if self.failed == Some(unit) {
            self.failed = self.first_failed();
        }
    }

    /// A unit can't be had. Here, with parity, its row will be asked for instead.
    pub fn handle_failure(&mut self, unit: u64, failure: UnitFailure) {
        if matches!(self.state_of(unit), Some(UnitState::Wanted { .. } | UnitState::Requested { .. })) {
            self.settle(unit, UnitState::Failed(failure));
            self.failed = Some(self.failed.map_or(unit, |first| first.min(unit)));
        }
    }

    /// The bytes of `range`, without a copy if they lie in one unit, else laid together in `scratch`; `None` if some
    /// are not here (see `state`) or past the end.
    pub fn read<'a>(&'a self, range: Range<u64>, scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        if range.start >= range.end {
            return (range.start == range.end).then_some(&[]);
        }
        let unit_size = u64::from(self.layout.policy.unit_size);
        let (unit, from) = (range.start / unit_size, range.start % unit_size);
        let to = from.saturating_add(range.end - range.start);
        if to <= unit_size {
            return self.unit(unit)?.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?);
        }
        let units = self.layout.units_of(range.clone());
        scratch.clear();
        for unit in units {
            scratch.extend_from_slice(self.part(unit, &range)?);
        }
        Some(scratch)
    }

    /// Whether all of `range` is here.
    pub fn has(&self, range: Range<u64>) -> bool {
        (self.here.start <= range.start && range.end <= self.here.end)
            || range.end <= self.layout.length
                && (range.is_empty() || self.layout.units_of(range).all(|unit| self.unit(unit).is_some()))
    }

    /// Nothing before `offset` will be read again: frees units and moves the window on. Never moves back.
    pub fn forget_before(&mut self, offset: u64) {
        self.position = self.position.max(offset.min(self.layout.length));
        self.keep_window();
    }

    /// Begins at `offset`, forwards or back; keeps what the new window still covers.
    pub fn seek(&mut self, offset: u64) {
        self.position = offset.min(self.layout.length);
        self.units.retain(|(_, state)| !matches!(state, UnitState::Failed(_)));
        self.failed = None;
        self.keep_window();
    }

    /// How it is.
    pub fn state(&self) -> ReaderState {
        if let Some(unit) = self.failed
            && let Some(UnitState::Failed(failure)) = self.state_of(unit)
        {
            return ReaderState::Failed { unit, failure: failure.clone() };
        }
        let due = self.units.iter().filter_map(|(_, state)| match state {
            UnitState::Wanted { deadline, .. } | UnitState::Requested { deadline, .. } => Some(*deadline),
            UnitState::Here(_) | UnitState::Failed(_) => None,
        });
        let (units, first) = due.fold((0, None::<Instant>), |(units, first), deadline| {
            (units + 1, Some(first.map_or(deadline, |first| first.min(deadline))))
        });
        match first {
            Some(deadline) => ReaderState::Filling { units, deadline },
            None => ReaderState::Ready,
        }
    }

    /// When `unit` was first wanted, if it is not here yet: tells a lagging one.
    pub fn waiting_since(&self, unit: u64) -> Option<Instant> {
        match self.state_of(unit)? {
            UnitState::Wanted { since, .. } | UnitState::Requested { since, .. } => Some(*since),
            UnitState::Here(_) | UnitState::Failed(_) => None,
        }
    }

    fn part(&self, unit: u64, range: &Range<u64>) -> Option<&[u8]> {
        let data = self.unit(unit)?;
        let bytes = self.layout.unit_bytes(unit);
        let from = range.start.max(bytes.start) - bytes.start;
        let to = if range.end <= bytes.end { range.end - bytes.start } else { bytes.end - bytes.start };
        // A range past the object's end reaches past its last unit.
        if unit + 1 == self.layout.units() && range.end > bytes.end {
            return None;
        }
        data.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
    }

    fn window_end(&self) -> u64 {
        let unit_size = u64::from(self.layout.policy.unit_size);
        let window = self.options.window_bytes.max(2 * unit_size);
        let last = self.layout.unit_at(self.position.saturating_add(window - 1));
        self.layout.unit_bytes(last).end
    }

    fn keep_window(&mut self) {
        let first = self.layout.unit_at(self.position);
        let end = self.window_end();
        let layout = &self.layout;
        self.units.retain(|(unit, _)| *unit >= first && layout.unit_bytes(*unit).start < end);
        self.wanted = self.units.iter().filter(|(_, state)| matches!(state, UnitState::Wanted { .. })).count();
        self.failed = self.first_failed();
        self.find_here();
    }

    fn first_failed(&self) -> Option<u64> {
        self.units.iter().find(|(_, state)| matches!(state, UnitState::Failed(_))).map(|(unit, _)| *unit)
    }

    fn settle(&mut self, unit: u64, new: UnitState) {
        if let Ok(place) = self.place(unit) {
            let state = &mut self.units[place].1;
            if matches!(state, UnitState::Wanted { .. }) {
                self.wanted -= 1;
            }
            *state = new;
            self.find_here();
        }
    }

    fn find_here(&mut self) {
        let here = self.units.iter().take_while(|(_, state)| matches!(state, UnitState::Here(_)));
        let (first, mut end) = (self.units.first().map_or(0, |(unit, _)| *unit), None);
        for (unit, _) in here {
            if end.is_some_and(|end| end != *unit) {
                break;
            }
            end = Some(unit + 1);
        }
        let bytes = |unit| self.layout.unit_bytes(unit);
        self.here = end.map_or(0..0, |end| bytes(first).start..bytes(end - 1).end);
    }

    /// The place of a unit in the list, or where it would be.
    fn place(&self, unit: u64) -> Result<usize, usize> {
        self.units.binary_search_by_key(&unit, |(unit, _)| *unit)
    }

    fn state_of(&self, unit: u64) -> Option<&UnitState> {
        self.units.get(self.place(unit).ok()?).map(|(_, state)| state)
    }

    /// The bytes of a unit that is here.
    fn unit(&self, unit: u64) -> Option<&Bytes> {
        match self.state_of(unit)? {
            UnitState::Here(bytes) => Some(bytes),
            UnitState::Wanted { .. } | UnitState::Requested { .. } | UnitState::Failed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
