//! One viewer's way through scattered parts of one object: byte ranges wanted, pieces of units asked for. Sans-IO.

use crate::{layout::Layout, reader::UnitFailure};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Range,
    sync::Arc,
    time::Instant,
};

/// Some bytes of one data unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Piece {
    /// The unit's number in the object.
    pub unit: u64,
    /// Its first byte, counted from the unit's start.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
}

impl Piece {
    /// All of a unit.
    pub fn whole(layout: &Layout, unit: u64) -> Self {
        Self { unit, start: 0, end: unit_length(layout, unit) }
    }

    /// Whether it is all of its unit.
    pub fn is_whole(&self, layout: &Layout) -> bool {
        *self == Self::whole(layout, self.unit)
    }

    /// It, out of its unit's bytes; empty if they are too few.
    pub fn of(&self, unit: &Bytes) -> Bytes {
        let range = self.start as usize..self.end as usize;
        if range.start <= range.end && range.end <= unit.len() { unit.slice(range) } else { Bytes::new() }
    }

    fn covers(&self, other: &Self) -> bool {
        self.unit == other.unit && self.start <= other.start && other.end <= self.end
    }

    fn len(&self) -> u32 {
        self.end.saturating_sub(self.start)
    }
}

/// A piece to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceRequest {
    /// Which.
    pub piece: Piece,
    /// When its first byte is needed.
    pub deadline: Instant,
}

/// Reads ranges that lie far apart in one object, and not what lies between them.
///
/// Driving it: `want` says all the ranges that are needed from now on, in the order of their need; `poll_request` until
/// it is empty, fetch those pieces (any order, all at once), bring each in by `handle_piece` or `handle_failure`; `read`
/// gives bytes. What `want` did not name again is dropped.
#[derive(Debug)]
pub struct Scattered {
    layout: Arc<Layout>,
    pieces: BTreeMap<Piece, PieceState>,
    queue: VecDeque<Piece>,
}

/// How far one piece is.
#[derive(Clone, Debug)]
enum PieceState {
    /// To be asked for, or asked for.
    Awaited { deadline: Instant },
    /// Here.
    Here(Bytes),
    /// Can't be had.
    Failed(UnitFailure),
}

impl Scattered {
    /// Nothing wanted.
    pub fn new(layout: Arc<Layout>) -> Self {
        Self { layout, pieces: BTreeMap::new(), queue: VecDeque::new() }
    }

    /// Asks for these ranges, of which the first is needed at `deadline`. What is here or under way already stays so. A
    /// unit two thirds of which are wanted at once is asked for whole: that is one request instead of many, for at most
    /// half as much again.
    pub fn want(&mut self, ranges: impl IntoIterator<Item = Range<u64>>, deadline: Instant) {
        let mut old = std::mem::take(&mut self.pieces);
        let (mut new, mut of_unit) = (Vec::new(), HashMap::<u64, u32>::new());
        for piece in ranges.into_iter().flat_map(|range| split(&self.layout, range)) {
            if covering(&self.pieces, &piece).is_some() {
                continue;
            }
            match covering(&old, &piece) {
                Some(known) => {
                    self.pieces.extend(old.remove_entry(&known));
                }
                None => {
                    let wanted = of_unit.entry(piece.unit).or_default();
                    *wanted = wanted.saturating_add(piece.len());
                    new.push(piece);
                }
            }
        }
        self.queue.retain(|piece| self.pieces.contains_key(piece));
        for piece in new {
            let whole = Piece::whole(&self.layout, piece.unit);
            let dense = of_unit.get(&piece.unit).is_some_and(|wanted| *wanted >= whole.len() / 3 * 2);
            let piece = if dense { whole } else { piece };
            if covering(&self.pieces, &piece).is_none() {
                self.pieces.insert(piece, PieceState::Awaited { deadline });
                self.queue.push_back(piece);
            }
        }
    }

    /// Whether [`Scattered::poll_request`] has a piece to give.
    pub fn wants(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The next piece to fetch, in the order of their need.
    pub fn poll_request(&mut self) -> Option<PieceRequest> {
        let piece = self.queue.pop_front()?;
        let Some(PieceState::Awaited { deadline }) = self.pieces.get(&piece) else { return None };
        Some(PieceRequest { piece, deadline: *deadline })
    }

    /// A piece came. One of the wrong length counts as lost; one that is not wanted (any more) is dropped.
    pub fn handle_piece(&mut self, piece: Piece, data: Bytes) {
        if data.len() != piece.len() as usize {
            let Piece { unit, start, end } = piece;
            let reason = format!("bytes {start}..{end} of unit {unit} came as {} bytes", data.len());
            return self.handle_failure(piece, UnitFailure::Lost(reason));
        }
        if let Some(state) = self.pieces.get_mut(&piece) {
            *state = PieceState::Here(data);
        }
    }

    /// A piece can't be had.
    pub fn handle_failure(&mut self, piece: Piece, failure: UnitFailure) {
        if let Some(state @ PieceState::Awaited { .. }) = self.pieces.get_mut(&piece) {
            *state = PieceState::Failed(failure);
        }
    }

    /// Whether all of `range` is here.
    pub fn has(&self, range: Range<u64>) -> bool {
        range.end <= self.layout.length && split(&self.layout, range).all(|piece| self.bytes(&piece).is_some())
    }

    /// The bytes of `range`, without a copy if they lie in one unit, else laid together in `scratch`; `None` if some
    /// are not here or past the end.
    pub fn read<'a>(&'a self, range: Range<u64>, scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        if range.end > self.layout.length {
            return None;
        }
        let mut pieces = split(&self.layout, range);
        let Some(first) = pieces.next() else { return Some(&[]) };
        let Some(second) = pieces.next() else { return self.bytes(&first) };
        scratch.clear();
        for piece in [first, second].into_iter().chain(pieces) {
            scratch.extend_from_slice(self.bytes(&piece)?);
        }
        Some(scratch)
    }

    /// The first unit in `range` that can't be had, and why.
    pub fn failure(&self, range: Range<u64>) -> Option<(u64, &UnitFailure)> {
        split(&self.layout, range).find_map(|piece| match self.pieces.get(&covering(&self.pieces, &piece)?)? {
            PieceState::Failed(failure) => Some((piece.unit, failure)),
            PieceState::Awaited { .. } | PieceState::Here(_) => None,
        })
    }

    /// Tries again what could not be had, when it is wanted next.
    pub fn forget_failures(&mut self) {
        self.pieces.retain(|_, state| !matches!(state, PieceState::Failed(_)));
    }

    /// Bytes that are here or asked for.
    pub fn held_bytes(&self) -> u64 {
        self.pieces.keys().map(|piece| u64::from(piece.len())).sum()
    }

    fn bytes(&self, part: &Piece) -> Option<&[u8]> {
        let piece = covering(&self.pieces, part)?;
        let Some(PieceState::Here(data)) = self.pieces.get(&piece) else { return None };
        data.get((part.start - piece.start) as usize..(part.end - piece.start) as usize)
    }
}

/// A piece that has all of `part`. What is wanted does not overlap, so there are few to look at: the last that begins
/// at or before it, and its whole unit.
fn covering(pieces: &BTreeMap<Piece, PieceState>, part: &Piece) -> Option<Piece> {
    let first = Piece { unit: part.unit, start: 0, end: 0 };
    let last = Piece { unit: part.unit, start: part.start, end: u32::MAX };
    let mut before = pieces.range(first..=last).map(|(piece, _)| *piece);
    before.clone().next_back().filter(|piece| piece.covers(part)).or_else(|| before.find(|piece| piece.covers(part)))
}

/// `range` unit by unit.
fn split(layout: &Layout, range: Range<u64>) -> impl Iterator<Item = Piece> {
    let range = range.start..range.end.min(layout.length).max(range.start);
    let units = layout.units_of(range.clone());
    units.map(move |unit| {
        let bytes = layout.unit_bytes(unit);
        let within = |at: u64| u32::try_from(at.clamp(bytes.start, bytes.end) - bytes.start).unwrap_or(u32::MAX);
        Piece { unit, start: within(range.start), end: within(range.end) }
    })
}

fn unit_length(layout: &Layout, unit: u64) -> u32 {
    let bytes = layout.unit_bytes(unit);
    u32::try_from(bytes.end - bytes.start).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{NodeId, ObjectId},
        layout::{MIN_UNIT_SIZE, Policy},
    };

    const UNIT: u64 = MIN_UNIT_SIZE as u64;

    fn reader(length: u64) -> Scattered {
        let policy = Policy { unit_size: MIN_UNIT_SIZE, data: 4, parity: 0 };
        Scattered::new(Arc::new(Layout::new(ObjectId(1), length, policy, (0..4).map(NodeId).collect(), 1)))
    }

    fn bytes(range: Range<u64>) -> Bytes {
        range.map(|at| (at / 5) as u8).collect()
    }

    /// Asks, and brings all that is then requested.
    fn asked(reader: &mut Scattered, ranges: &[Range<u64>]) -> Vec<Piece> {
        reader.want(ranges.iter().cloned(), Instant::now());
        let pieces: Vec<_> = std::iter::from_fn(|| reader.poll_request()).map(|request| request.piece).collect();
        for piece in &pieces {
            let start = piece.unit * UNIT;
            reader.handle_piece(*piece, bytes(start + u64::from(piece.start)..start + u64::from(piece.end)));
        }
        pieces
    }

    fn piece(unit: u64, start: u32, end: u32) -> Piece {
        Piece { unit, start, end }
    }

    #[test]
    fn only_what_is_wanted_is_asked_for_and_once() {
        let mut reader = reader(10 * UNIT);
        let far = 7 * UNIT + 10..7 * UNIT + 20;
        // In the order of need, over a unit's border, and nothing in between.
        let ranges = [far.clone(), UNIT - 100..UNIT + 50, 0..0];
        assert_eq!(asked(&mut reader, &ranges), [piece(7, 10, 20), piece(0, 3996, 4096), piece(1, 0, 50)]);
        assert_eq!(reader.held_bytes(), 160);
        let mut scratch = Vec::new();
        for range in ranges.clone() {
            assert!(reader.has(range.clone()));
            assert_eq!(reader.read(range.clone(), &mut scratch).unwrap(), bytes(range));
        }
        assert!(!reader.has(7 * UNIT + 9..7 * UNIT + 20) && reader.read(0..1, &mut scratch).is_none());
        // The same once more asks for nothing; what isn't named is dropped.
        assert_eq!(asked(&mut reader, std::slice::from_ref(&far)), []);
        assert_eq!(reader.held_bytes(), 10);
        assert!(!reader.has(UNIT - 100..UNIT));
        assert!(reader.has(0..0) && !reader.has(10 * UNIT - 1..10 * UNIT + 1));
    }

    #[test]
    fn a_unit_that_is_wanted_for_the_most_part_is_asked_for_whole() {
        let mut reader = reader(3 * UNIT + 500);
        let ranges: Vec<_> = (0..7).map(|n| n * 500..n * 500 + 400).collect();
        assert_eq!(asked(&mut reader, &ranges), [piece(0, 0, 4096)]);
        assert!(ranges.iter().all(|range| reader.has(range.clone())));
        assert_eq!(asked(&mut reader, &ranges[3..]), []);
        // The object's last unit is shorter.
        assert_eq!(asked(&mut reader, std::slice::from_ref(&(3 * UNIT..3 * UNIT + 400))), [piece(3, 0, 500)]);
    }

    #[test]
    fn a_lost_piece_is_known_by_its_range_until_it_is_tried_again() {
        let mut reader = reader(10 * UNIT);
        let (good, bad) = (0..10, 2 * UNIT..2 * UNIT + 10);
        reader.want([good.clone(), bad.clone()], Instant::now());
        assert!(reader.wants());
        reader.handle_failure(piece(2, 0, 10), UnitFailure::Late("slow".into()));
        reader.handle_piece(piece(0, 0, 10), Bytes::from_static(b"short"));
        reader.handle_piece(piece(5, 0, 5), Bytes::from_static(b"never"));
        assert_eq!(reader.failure(bad.clone()), Some((2, &UnitFailure::Late("slow".into()))));
        assert!(matches!(reader.failure(good.clone()), Some((0, UnitFailure::Lost(_)))));
        assert_eq!(reader.poll_request(), None, "what has failed is not asked for");
        reader.want([good.clone(), bad.clone()], Instant::now());
        assert!(reader.failure(bad.clone()).is_some());
        reader.forget_failures();
        assert_eq!(asked(&mut reader, std::slice::from_ref(&bad)).len(), 1);
        assert!(reader.has(bad) && !reader.has(good));
    }
}
