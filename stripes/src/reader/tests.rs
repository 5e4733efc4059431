use super::*;
use crate::{
    id::ObjectId,
    layout::{MIN_UNIT_SIZE, Policy},
};
use proptest::prelude::*;
use std::time::Duration;

const UNIT: u64 = MIN_UNIT_SIZE as u64;

fn layout(length: u64) -> Arc<Layout> {
    let policy = Policy { unit_size: MIN_UNIT_SIZE, data: 4, parity: 0 };
    Arc::new(Layout::new(ObjectId(1), length, policy, (0..4).map(NodeId).collect(), 1))
}

fn byte(at: u64) -> u8 {
    (at / 5) as u8
}

fn unit(layout: &Layout, unit: u64) -> Bytes {
    layout.unit_bytes(unit).map(byte).collect()
}

fn requests(reader: &mut Reader) -> Vec<u64> {
    std::iter::from_fn(|| reader.poll_request()).map(|request| request.unit).collect()
}

fn reader(length: u64, window_units: u64) -> (Reader, Instant) {
    (Reader::new(layout(length), ReaderOptions { window_bytes: window_units * UNIT }), Instant::now())
}

#[test]
fn units_are_asked_for_once_in_order_from_all_nodes() {
    let (mut reader, now) = reader(10 * UNIT, 4);
    let due = now + Duration::from_secs(1);
    assert_eq!(reader.want(0..10 * UNIT, now, due), 4 * UNIT);
    let asked: Vec<_> = std::iter::from_fn(|| reader.poll_request()).collect();
    assert_eq!(asked.iter().map(|request| request.node.0).collect::<Vec<_>>(), [1, 2, 3, 0]);
    assert!(asked.iter().all(|request| request.deadline == due));
    reader.want(0..3 * UNIT, now, now);
    assert!(requests(&mut reader).is_empty());
    assert_eq!(reader.state(), ReaderState::Filling { units: 4, deadline: now });
    assert_eq!(reader.waiting_since(2), Some(now));
    let mut scratch = Vec::new();
    assert_eq!(reader.read(0..1, &mut scratch), None);
    for number in [3, 1, 0, 2] {
        let data = unit(reader.layout(), number);
        reader.handle_unit(number, data);
    }
    assert_eq!(reader.state(), ReaderState::Ready);
    assert!(reader.has(0..4 * UNIT) && !reader.has(0..4 * UNIT + 1));
    reader.forget_before(UNIT + 1);
    assert_eq!(reader.read(UNIT..UNIT + 1, &mut scratch), Some(&[byte(UNIT)][..]));
    assert_eq!(reader.read(0..1, &mut scratch), None);
    assert_eq!(reader.want(0..10 * UNIT, now, due), 6 * UNIT);
    assert_eq!(requests(&mut reader), [4, 5]);
}

#[test]
fn an_unaligned_window_reaches_a_whole_unit_further() {
    let (mut reader, now) = reader(10 * UNIT, 0);
    reader.forget_before(100);
    assert_eq!(reader.want(0..u64::MAX, now, now), 3 * UNIT);
    assert_eq!(requests(&mut reader), [0, 1, 2]);
}

#[test]
fn a_lost_unit_stops_the_reader_until_it_comes_or_is_passed() {
    let (mut reader, now) = reader(10 * UNIT, 4);
    reader.want(0..4 * UNIT, now, now);
    requests(&mut reader);
    reader.handle_failure(2, UnitFailure::Late("slow".into()));
    reader.handle_unit(1, Bytes::from_static(b"short"));
    let ReaderState::Failed { unit: 1, failure: UnitFailure::Lost(reason) } = reader.state() else { panic!() };
    assert_eq!(reason, "unit 1 came with 5 bytes instead of 4096");
    reader.handle_failure(9, UnitFailure::Late("not wanted".into()));
    let data = unit(reader.layout(), 1);
    reader.handle_unit(1, data);
    assert_eq!(reader.state(), ReaderState::Failed { unit: 2, failure: UnitFailure::Late("slow".into()) });
    reader.forget_before(3 * UNIT);
    assert!(matches!(reader.state(), ReaderState::Filling { units: 1, .. }));
}

#[test]
fn a_seek_keeps_what_still_serves_and_ignores_answers_to_the_past() {
    let (mut reader, now) = reader(20 * UNIT, 3);
    reader.want(0..3 * UNIT, now, now);
    requests(&mut reader);
    reader.handle_failure(1, UnitFailure::Late(String::new()));
    let data = unit(reader.layout(), 2);
    reader.handle_unit(2, data);
    reader.seek(2 * UNIT);
    assert_eq!(reader.state(), ReaderState::Ready);
    assert!(reader.has(2 * UNIT..3 * UNIT));
    reader.seek(15 * UNIT);
    reader.handle_unit(0, unit(&layout(20 * UNIT), 0));
    assert!(!reader.has(0..1));
    reader.seek(0);
    reader.want(0..3 * UNIT, now, now);
    assert_eq!(requests(&mut reader), [0, 1, 2]);
    reader.seek(u64::MAX);
    assert_eq!(reader.position(), 20 * UNIT);
    assert_eq!(reader.want(0..u64::MAX, now, now), 20 * UNIT);
    assert!(requests(&mut reader).is_empty());
}

proptest! {
    /// Whatever happens, what is read is what lies there, and no more is held than the window allows.
    #[test]
    fn what_is_read_is_the_object(
        length in 1..30 * UNIT, window in 0u64..6, steps in prop::collection::vec((0u8..6, any::<u64>(), 0u64..3 * UNIT), 1..200),
    ) {
        let (mut reader, now) = reader(length, window);
        let (mut under_way, mut scratch) = (Vec::new(), Vec::new());
        for (step, pick, size) in steps {
            let at = pick % length;
            match step {
                0 => drop(reader.want(at..at + size, now, now)),
                1 => under_way.extend(requests(&mut reader)),
                2 if !under_way.is_empty() => {
                    let number = under_way.swap_remove(pick as usize % under_way.len());
                    let data = unit(reader.layout(), number);
                    if size % 10 == 0 {
                        reader.handle_failure(number, UnitFailure::Late(String::new()));
                    } else {
                        reader.handle_unit(number, data);
                    }
                }
                3 => reader.forget_before(reader.position() + size / 4),
                4 if size % 10 == 0 => reader.seek(at),
                _ => {
                    let has = reader.has(at..at + size);
                    let read = reader.read(at..at + size, &mut scratch);
                    prop_assert_eq!(read.is_some(), has);
                    if let Some(read) = read {
                        prop_assert!(read.iter().copied().eq((at..at + size).map(byte)));
                    }
                }
            }
            prop_assert!(reader.units.len() as u64 <= window.max(2) + 1);
            let wanted = reader.units.iter().filter(|(_, state)| matches!(state, UnitState::Wanted { .. })).count();
            prop_assert_eq!(reader.wanted, wanted);
        }
    }
}
