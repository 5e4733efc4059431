//! The whole cluster in one process and one clock: a front with viewers, nodes that fail in every way they can, films
//! that are added, repaired and moved, and crashes of whoever does that. The cores are the real ones (`Writer`,
//! `RowRead`, `Membership`, `plan`, `Mover`, parity); what drives them here is what `stripes::net` is in production.

mod anew;
mod executor;
mod front;
mod nodes;
mod work;

use executor::{Bell, Executor};
use front::Front;
use nodes::{Harm, SimNode};
use rand::{Rng, SeedableRng, distr::uniform::SampleRange, rngs::StdRng};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use stripes::{
    id::{NodeId, ObjectId},
    layout::{Layout, MIN_UNIT_SIZE, Policy, UnitAddress},
};

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Units that viewers got.
    pub units: u64,
    /// Harms done to nodes.
    pub harms: u64,
    /// Films named.
    pub films: u64,
    /// Moves that the catalog committed.
    pub moves: u64,
    /// Films written anew with narrower rows.
    pub rewrites: u64,
    /// Works cut off.
    pub crashes: u64,
    /// Fronts killed.
    pub fronts: u64,
}

impl std::ops::Add for Summary {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            units: self.units + other.units,
            harms: self.harms + other.harms,
            films: self.films + other.films,
            moves: self.moves + other.moves,
            rewrites: self.rewrites + other.rewrites,
            crashes: self.crashes + other.crashes,
            fronts: self.fronts + other.fronts,
        }
    }
}

/// Runs one world for so long a simulated time. An error says which invariant broke, and when.
pub fn run(seed: u64, time: Duration) -> Result<Summary, String> {
    let world = World::new(seed);
    let main = world.clock.spawn(live(world.clone(), time));
    // Ten minutes more for what is to end then.
    let ended = world.clock.run(main, time + Duration::from_secs(600));
    let broken = world.broken.borrow().clone();
    match broken {
        Some(broken) => Err(broken),
        None if !ended => Err("the end: what should end goes on, or waits for nothing".to_owned()),
        None => Ok(world.summary.get()),
    }
}

pub struct World {
    pub clock: Executor,
    random: RefCell<StdRng>,
    nodes: RefCell<BTreeMap<NodeId, SimNode>>,
    /// Somebody stalled goes on.
    healed: Bell,
    policy: Policy,
    /// The catalog.
    films: RefCell<BTreeMap<ObjectId, Arc<Layout>>>,
    /// What was written anew, and as what.
    rewritten: RefCell<BTreeMap<ObjectId, ObjectId>>,
    /// Nodes that are harmed, or have not all their units again since; and those that objects lack.
    at_risk: RefCell<BTreeSet<NodeId>>,
    lacking: RefCell<BTreeSet<(ObjectId, NodeId)>>,
    /// Whom each harm was done to, in their order.
    harmed: RefCell<Vec<NodeId>>,
    front: Front,
    /// One works on stored films at a time.
    working: Cell<bool>,
    /// Whoever adds, moves and removes films.
    busy: Cell<bool>,
    over: Cell<bool>,
    broken: RefCell<Option<String>>,
    summary: Cell<Summary>,
}

impl World {
    fn new(seed: u64) -> Rc<Self> {
        let mut random = StdRng::seed_from_u64(seed);
        let (data, parity) = [(3, 1), (2, 1), (4, 2), (2, 2)][random.random_range(0..4)];
        let count = u64::from(data + parity) + random.random_range(0..3);
        let ids: Vec<_> = (0..count).map(NodeId).collect();
        let clock = Executor::new();
        let front = Front::new(&ids, clock.now());
        Rc::new(Self {
            clock,
            random: RefCell::new(random),
            nodes: RefCell::new(ids.into_iter().map(|id| (id, SimNode::default())).collect()),
            healed: Bell::default(),
            policy: Policy { unit_size: MIN_UNIT_SIZE, data, parity },
            films: RefCell::default(),
            rewritten: RefCell::default(),
            at_risk: RefCell::default(),
            lacking: RefCell::default(),
            harmed: RefCell::default(),
            front,
            working: Cell::default(),
            busy: Cell::new(true),
            over: Cell::default(),
            broken: RefCell::default(),
            summary: Cell::default(),
        })
    }

    fn pick<T: rand::distr::uniform::SampleUniform>(&self, range: impl SampleRange<T>) -> T {
        self.random.borrow_mut().random_range(range)
    }

    fn node<T>(&self, id: NodeId, look: impl FnOnce(&mut SimNode) -> T) -> T {
        look(self.nodes.borrow_mut().get_mut(&id).expect("nodes stay"))
    }

    fn ids(&self) -> Vec<NodeId> {
        self.nodes.borrow().keys().copied().collect()
    }

    fn count(&self, what: impl FnOnce(&mut Summary)) {
        let mut summary = self.summary.get();
        what(&mut summary);
        self.summary.set(summary);
    }

    /// An invariant is broken; the first one counts.
    fn broken(&self, what: impl Into<String>) {
        let text = format!("after {:?}: {}", self.clock.elapsed(), what.into());
        self.broken.borrow_mut().get_or_insert(text);
    }

    /// Nodes that can't be relied on now.
    fn unreliable(&self) -> BTreeSet<NodeId> {
        let lacking = self.lacking.borrow();
        self.at_risk.borrow().iter().copied().chain(lacking.iter().map(|(_, node)| *node)).collect()
    }

    fn is_safe(&self) -> bool {
        self.unreliable().len() <= usize::from(self.policy.parity)
    }

    /// What an object's units hold: the same in all that [`anew::another`] names in its stead.
    fn bytes(&self, object: ObjectId, range: std::ops::Range<u64>) -> Vec<u8> {
        let word = |at: u64| ((at ^ object.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)).rotate_left(29).to_le_bytes();
        let mut bytes: Vec<u8> = (range.start / 8..range.end.div_ceil(8)).flat_map(word).collect();
        bytes.truncate((range.end - range.start / 8 * 8) as usize);
        bytes.split_off((range.start % 8) as usize)
    }
}

async fn live(world: Rc<World>, time: Duration) {
    world.clock.spawn(front::check_nodes(world.clone()));
    for _ in 0..3 {
        work::add(&world).await;
    }
    world.clock.spawn(front::keep_watching(world.clone()));
    for _ in 0..world.policy.parity {
        world.clock.spawn(harm(world.clone()));
    }
    world.clock.spawn(work::keep_working(world.clone()));
    while world.clock.elapsed() < time && world.broken.borrow().is_none() {
        world.clock.sleep(Duration::from_secs(1)).await;
    }
    world.over.set(true);
    // Whoever works or harms ends what it does: what is added while the sweep goes on would not be swept.
    let goes_on = |world: &World| !world.at_risk.borrow().is_empty() || world.working.get() || world.busy.get();
    while world.broken.borrow().is_none() && goes_on(&world) {
        world.clock.sleep(Duration::from_secs(1)).await;
    }
    work::sweep(&world).await;
    check_stored(&world);
}

/// Does something to a node, takes it back after a while, and lets its units be made whole before the next.
async fn harm(world: Rc<World>) {
    loop {
        world.clock.sleep(Duration::from_millis(world.pick(1000..40_000))).await;
        if world.over.get() {
            return;
        }
        let ids = world.ids();
        let victim = ids[world.pick(0..ids.len())];
        let mut then = world.unreliable();
        if !then.insert(victim) && world.at_risk.borrow().contains(&victim)
            || then.len() > usize::from(world.policy.parity)
        {
            continue;
        }
        world.at_risk.borrow_mut().insert(victim);
        world.harmed.borrow_mut().push(victim);
        world.count(|summary| summary.harms += 1);
        let kind = world.pick(0..6);
        let harm =
            [Some(Harm::Dead), Some(Harm::Dead), Some(Harm::Stalled), Some(Harm::Slow), Some(Harm::Lying), None][kind];
        world.node(victim, |node| {
            node.harm = harm;
            node.life += u32::from(harm == Some(Harm::Dead));
            if kind == 1 {
                node.objects.clear();
            }
        });
        if harm.is_none() {
            flip_bits(&world, victim);
        } else {
            world.clock.sleep(Duration::from_millis(world.pick(100..40_000))).await;
            world.node(victim, |node| node.harm = None);
            world.healed.ring();
        }
        while !work::repair_all(&world).await {
            if world.broken.borrow().is_some() {
                return;
            }
            world.clock.sleep(Duration::from_millis(500)).await;
        }
        world.at_risk.borrow_mut().remove(&victim);
    }
}

fn flip_bits(world: &World, victim: NodeId) {
    let mut random = world.random.borrow_mut();
    let mut nodes = world.nodes.borrow_mut();
    let node = nodes.get_mut(&victim).expect("nodes stay");
    for (_, data, _) in node.objects.values_mut().flat_map(|object| object.rows.values_mut()) {
        if random.random_range(0..4) == 0 {
            let mut bytes = data.to_vec();
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= 1 << random.random_range(0..8);
            *data = bytes.into();
        }
    }
}

/// At the end every unit of every film lies where its layout says, true and nowhere else.
fn check_stored(world: &World) {
    let (films, nodes) = (world.films.borrow(), world.nodes.borrow());
    for (id, node) in nodes.iter() {
        let mut expected = BTreeSet::new();
        for layout in films.values() {
            for address in (0..layout.rows()).flat_map(|row| layout.row_units(row)).filter(|at| layout.node(*at) == *id)
            {
                expected.insert((layout.object, address));
                match node.slot(layout.object, address) {
                    None => world.broken(format!("node {id} lacks unit {address} of {}", layout.object)),
                    Some((_, data, _)) => {
                        let true_data =
                            layout.unit(address).map(|unit| world.bytes(layout.object, layout.unit_bytes(unit)));
                        if crc32c::crc32c(data) == 0 || true_data.is_some_and(|true_data| *data != true_data) {
                            world.broken(format!("node {id} has unit {address} of {} wrong", layout.object));
                        }
                    }
                }
            }
        }
        for (object, stored) in &node.objects {
            for (row, (position, ..)) in &stored.rows {
                let address = UnitAddress { row: *row, position: *position };
                if !expected.contains(&(*object, address)) {
                    world.broken(format!("node {id} has unit {address} of {object}, which nobody names"));
                }
            }
        }
    }
}
