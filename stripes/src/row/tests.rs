use super::*;
use crate::{
    id::ObjectId,
    layout::{MIN_UNIT_SIZE, Policy},
    parity::Sums,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const MS: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Fake {
    avoided: BTreeSet<NodeId>,
    probes: bool,
    budget: u64,
}

impl Nodes for Fake {
    fn is_avoided(&self, node: NodeId) -> bool {
        self.avoided.contains(&node)
    }

    fn may_probe(&mut self, _: NodeId, _: Instant) -> bool {
        std::mem::take(&mut self.probes)
    }

    fn patience(&self, _: NodeId) -> Duration {
        PATIENCE
    }

    fn late_after(&self, _: NodeId) -> Duration {
        PATIENCE
    }

    fn may_hedge(&mut self, bytes: u64) -> bool {
        let enough = self.budget >= bytes;
        self.budget -= if enough { bytes } else { 0 };
        enough
    }
}

/// Rows of `data` + `parity` on as many nodes, whose numbers in row 0 are the positions.
fn layout(data: u8, parity: u8, units: u64) -> Arc<Layout> {
    let policy = Policy { unit_size: MIN_UNIT_SIZE, data, parity };
    let nodes = (0..u64::from(data + parity)).map(NodeId).collect();
    Arc::new(Layout::new(ObjectId(1), units * u64::from(MIN_UNIT_SIZE) - 7, policy, nodes, 0))
}

fn row_of(layout: &Layout, row: u64) -> Vec<Bytes> {
    let data = layout.policy.data;
    let unit = |position| {
        let length = layout.unit_length(UnitAddress { row, position });
        (0..length).map(|at| (at * 7 + row * 31 + u64::from(position)) as u8).collect::<Bytes>()
    };
    let mut all: Vec<_> = (0..data).map(unit).collect();
    let mut sums = Sums::new(layout.policy);
    all.iter().for_each(|unit| sums.add(unit.clone()));
    all.extend(sums.finish());
    all
}

struct World {
    nodes: Fake,
    core: RowRead,
    /// What each unit has of the part that is read.
    all: Vec<Bytes>,
    now: Instant,
}

impl World {
    fn new(layout: Arc<Layout>, position: u8, nodes: Fake) -> Self {
        Self::of_part(layout, position, nodes, 0..u32::MAX)
    }

    fn of_part(layout: Arc<Layout>, position: u8, nodes: Fake, part: Range<u32>) -> Self {
        let now = Instant::now();
        let whole = row_of(&layout, 0);
        let within = |unit: &Bytes| unit.slice(unit.len().min(part.start as usize)..unit.len().min(part.end as usize));
        let all = whole.iter().map(within).collect();
        let core = RowRead::of_part(layout, UnitAddress { row: 0, position }, part, now, now + 1000 * MS);
        Self { nodes, core, all, now }
    }

    fn poll(&mut self) -> RowStep {
        self.core.poll(self.now, &mut self.nodes)
    }

    /// Positions asked for now.
    fn asked(&mut self) -> Vec<u8> {
        let mut asked = Vec::new();
        loop {
            match self.poll() {
                RowStep::Fetch(address) => asked.push(address.position),
                RowStep::Late(_) => {}
                _ => return asked,
            }
        }
    }

    fn bring(&mut self, position: u8) {
        let data = self.all[usize::from(position)].clone();
        self.core.handle_unit(UnitAddress { row: 0, position }, data);
    }

    fn fail(&mut self, position: u8) {
        self.core.handle_failure(UnitAddress { row: 0, position }, false, self.now);
    }

    fn done(&mut self, rebuilt: &[u8]) {
        let RowStep::Done(data, more) = self.poll() else { panic!("not done") };
        assert_eq!(data, self.all[usize::from(self.core.wanted.position)]);
        assert_eq!(more.iter().map(|(address, _)| address.position).collect::<Vec<_>>(), rebuilt);
        assert!(more.iter().all(|(address, data)| *data == self.all[usize::from(address.position)]));
    }
}

fn avoiding(nodes: &[u64]) -> Fake {
    Fake { avoided: nodes.iter().copied().map(NodeId).collect(), ..Fake::default() }
}

#[test]
fn in_health_one_unit_is_read_and_no_more() {
    let mut world = World::new(layout(3, 1, 9), 1, Fake::default());
    assert_eq!(world.asked(), [1]);
    assert_eq!(world.poll(), RowStep::Wait(Some(world.now + PATIENCE)));
    world.bring(1);
    world.done(&[]);
}

#[test]
fn of_an_avoided_node_nothing_is_asked_and_the_row_read_once() {
    let mut world = World::new(layout(3, 1, 9), 1, avoiding(&[1]));
    assert_eq!(world.asked(), [0, 2, 3]);
    [3, 0, 2].iter().for_each(|position| world.bring(*position));
    world.done(&[1]);
    // Now and then it is tried, beside the rest.
    let mut world = World::new(layout(3, 1, 9), 1, Fake { probes: true, ..avoiding(&[1]) });
    assert_eq!(world.asked(), [1, 0, 2, 3]);
    world.bring(1);
    world.done(&[]);
}

#[test]
fn a_unit_that_fails_is_rebuilt_at_once() {
    let mut world = World::new(layout(3, 2, 9), 0, Fake::default());
    assert_eq!(world.asked(), [0]);
    world.fail(0);
    assert_eq!(world.asked(), [1, 2, 3]);
    world.fail(2);
    assert_eq!(world.asked(), [4]);
    [1, 3, 4].iter().for_each(|position| world.bring(*position));
    world.done(&[0, 2]);
}

#[test]
fn a_late_unit_is_rebuilt_within_the_budget_and_whichever_is_first_wins() {
    for own_first in [true, false] {
        let nodes = Fake { budget: u64::from(MIN_UNIT_SIZE), ..Fake::default() };
        let mut world = World::new(layout(3, 1, 9), 0, nodes);
        assert_eq!(world.asked(), [0]);
        world.now += PATIENCE - MS;
        assert_eq!(world.asked(), [0u8; 0]);
        world.now += MS;
        assert_eq!(world.poll(), RowStep::Late(UnitAddress { row: 0, position: 0 }));
        assert_eq!(world.asked(), [1, 2, 3]);
        if own_first {
            world.bring(0);
            world.done(&[]);
        } else {
            [1, 2, 3].iter().for_each(|position| world.bring(*position));
            world.done(&[0]);
        }
    }
    let mut poor = World::new(layout(3, 1, 9), 0, Fake::default());
    assert_eq!(poor.asked(), [0]);
    poor.now += PATIENCE;
    assert_eq!(poor.asked(), [0u8; 0]);
    // Half of the time is over: no budget counts any more.
    assert_eq!(poor.poll(), RowStep::Wait(Some(poor.now - PATIENCE + 500 * MS)));
    poor.now += 450 * MS;
    assert_eq!(poor.asked(), [1, 2, 3]);
}

#[test]
fn a_node_that_becomes_avoided_is_not_waited_for() {
    let mut world = World::new(layout(3, 1, 9), 0, Fake::default());
    assert_eq!(world.asked(), [0]);
    world.nodes = avoiding(&[0]);
    assert_eq!(world.asked(), [1, 2, 3]);
}

#[test]
fn who_is_avoided_is_asked_when_nobody_else_is_left() {
    let mut world = World::new(layout(3, 1, 9), 1, avoiding(&[1, 2]));
    assert_eq!(world.asked(), [1]);
    world.fail(1);
    assert_eq!(world.asked(), [0, 3, 2]);
    world.fail(2);
    assert_eq!(world.poll(), RowStep::Lost);
    let mut plain = World::new(layout(3, 0, 9), 1, avoiding(&[1]));
    assert_eq!(plain.asked(), [1]);
    plain.now += 2000 * MS;
    assert_eq!(plain.asked(), [0u8; 0]);
    plain.fail(1);
    assert_eq!(plain.poll(), RowStep::Lost);
}

#[test]
fn what_failed_in_passing_is_tried_once_more_when_nobody_is_left() {
    let mut world = World::new(layout(3, 1, 9), 0, Fake::default());
    assert_eq!(world.asked(), [0]);
    let passing = |world: &mut World, position| {
        world.core.handle_failure(UnitAddress { row: 0, position }, true, world.now);
    };
    passing(&mut world, 0);
    assert_eq!(world.asked(), [1, 2, 3]);
    passing(&mut world, 3);
    world.bring(1);
    assert_eq!(world.asked(), [0u8; 0]);
    world.now += PAUSE;
    assert_eq!(world.asked(), [0, 3]);
    passing(&mut world, 0);
    world.bring(2);
    assert!(matches!(world.poll(), RowStep::Wait(_)));
    passing(&mut world, 3);
    assert_eq!(world.poll(), RowStep::Lost);
}

#[test]
fn what_failed_is_tried_again_while_others_do_not_answer() {
    // Passing or not, once or more often: the node may be back, or the unit written anew.
    for (passes, pauses) in [(false, [LONG_PAUSE, LONG_PAUSE]), (true, [PAUSE, LONG_PAUSE])] {
        let mut world = World::new(layout(3, 1, 9), 0, Fake::default());
        assert_eq!(world.asked(), [0]);
        world.nodes = avoiding(&[0]);
        assert_eq!(world.asked(), [1, 2, 3]);
        [1, 2].iter().for_each(|position| world.bring(*position));
        for pause in pauses {
            world.core.handle_failure(UnitAddress { row: 0, position: 3 }, passes, world.now);
            world.now += pause - MS;
            assert_eq!(world.asked(), [0u8; 0]);
            world.now += MS;
            assert_eq!(world.asked(), [3]);
        }
        world.bring(3);
        world.done(&[0]);
    }
}

#[test]
fn what_lies_past_the_end_is_here() {
    let mut world = World::new(layout(3, 1, 1), 0, avoiding(&[0]));
    assert_eq!(world.asked(), [3]);
    world.bring(3);
    world.done(&[0]);
}

#[test]
fn of_a_part_the_same_bytes_of_the_others_are_read() {
    // The row's last unit is shorter by 7.
    let (layout, end) = (layout(3, 1, 3), MIN_UNIT_SIZE);
    for (part, asked) in [(10..20, &[0, 2, 3][..]), (end - 9..end - 4, &[0, 2, 3]), (end - 7..end, &[0, 3])] {
        let budget = u64::from(part.end - part.start);
        let mut late = World::of_part(layout.clone(), 1, Fake { budget, ..Fake::default() }, part.clone());
        assert_eq!(late.asked(), [1]);
        late.now += PATIENCE;
        assert_eq!(late.asked(), asked, "{part:?}");
        for mut world in [late, World::of_part(layout.clone(), 1, avoiding(&[1]), part.clone())] {
            world.asked();
            assert_eq!(world.core.part(UnitAddress { row: 0, position: 0 }), part);
            asked.iter().for_each(|position| world.bring(*position));
            world.done(&[1]);
        }
    }
    // A trial read is one of a whole unit.
    let mut world = World::of_part(layout.clone(), 1, Fake { probes: true, ..avoiding(&[1]) }, 0..10);
    assert_eq!(world.asked(), [0, 2, 3]);
    assert!(world.nodes.probes);
}

#[test]
fn the_budget_is_a_twentieth() {
    let mut budget = Budget::default();
    assert!(!budget.spend(1));
    budget.earn(1000);
    assert!(!budget.spend(51) && budget.spend(50) && !budget.spend(1));
    budget.earn(u64::MAX / 100);
    assert!(budget.spend(MOST_SAVED) && !budget.spend(1));
}

proptest! {
    /// Whatever fails and whoever is avoided: with k units that can be had the right bytes come, and it ends.
    #[test]
    fn it_ends_with_the_right_bytes_or_none(
        data in 1u8..6, parity in 0u8..3, pick: u8, units in 1u64..12, avoided: u8, failing: u8, late: u8, budget in 0u64..20_000,
        order: u64, start in 0u32..MIN_UNIT_SIZE, length: u16, whole: bool,
    ) {
        let layout = layout(data, parity, units);
        let position = pick % data.min(units as u8);
        let avoided = (0..8).filter(|bit| avoided >> bit & 1 == 1).map(NodeId).collect();
        let part = if whole { 0..u32::MAX } else { start..start + 1 + u32::from(length) };
        let mut world = World::of_part(layout.clone(), position, Fake { avoided, probes: pick > 100, budget }, part);
        let (mut under_way, mut order) = (Vec::new(), order);
        let mut failed = BTreeMap::new();
        let mut asked = BTreeSet::new();
        let mut steps = 0;
        let end = world.now + 1000 * MS;
        let done = loop {
            steps += 1;
            prop_assert!(steps < 200, "no end");
            match world.poll() {
                RowStep::Fetch(address) => {
                    let again = failed.remove(&address).is_some_and(|then| world.now >= then + LONG_PAUSE);
                    prop_assert!((asked.insert(address) || again) && !world.core.part(address).is_empty());
                    under_way.push(address);
                }
                RowStep::Late(_) => {}
                RowStep::Done(got, more) => {
                    prop_assert_eq!(&got, &world.all[usize::from(position)]);
                    prop_assert!(more.iter().all(|(address, data)| *data == world.all[usize::from(address.position)]));
                    break true;
                }
                RowStep::Lost => break false,
                RowStep::Wait(until) => {
                    // The late ones come last, after their time.
                    order = order.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let soon: Vec<_> = (0..under_way.len()).filter(|at| {
                        let address: &UnitAddress = &under_way[*at];
                        late >> address.position & 1 == 0 || world.now >= end
                    }).collect();
                    let next = match (soon.is_empty(), until) {
                        (false, _) => soon[(order >> 33) as usize % soon.len()],
                        (true, Some(until)) => {
                            world.now = until;
                            continue;
                        }
                        (true, None) => {
                            prop_assert!(!under_way.is_empty(), "waits for nothing");
                            0
                        }
                    };
                    let address = under_way.swap_remove(next);
                    if failing >> address.position & 1 == 1 {
                        failed.insert(address, world.now);
                        world.fail(address.position);
                    } else {
                        world.bring(address.position);
                    }
                }
            }
        };
        let can = (0..data + parity).filter(|at| world.all[usize::from(*at)].is_empty() || failing >> at & 1 == 0).count();
        let own = failing >> position & 1 == 0;
        prop_assert_eq!(done, own || can >= usize::from(data));
    }
}
