//! The front: viewers who play in order, and what it observes of the nodes.

use super::{
    World,
    executor::Bell,
    nodes::{Answer, Ask},
};
use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{Either, LocalBoxFuture, select},
    stream::{FuturesUnordered, StreamExt},
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use stripes::{
    id::{NodeId, ObjectId},
    layout::{Layout, UnitAddress},
    membership::{Membership, MembershipOptions, NodeState},
    row::{Budget, Nodes, RowRead, RowStep},
};

/// A viewer's buffer: a unit must come within this time, whatever happens.
const DEADLINE: Duration = Duration::from_secs(10);
/// Units kept for all viewers.
const CACHE: usize = 64;
const AHEAD: u64 = 4;
const VIEWERS: u64 = 3;
/// How often it asks the catalog what lies elsewhere.
const HEAR_EVERY: Duration = Duration::from_secs(1);

pub struct Front {
    membership: RefCell<Membership>,
    budget: RefCell<Budget>,
    changed: Bell,
    cache: RefCell<BTreeMap<(ObjectId, u64), Bytes>>,
    newer: RefCell<BTreeMap<ObjectId, Arc<Layout>>>,
}

impl Front {
    pub fn new(nodes: &[NodeId], now: Instant) -> Self {
        let front = Self {
            membership: RefCell::new(Membership::new(MembershipOptions::default())),
            budget: RefCell::default(),
            changed: Bell::default(),
            cache: RefCell::default(),
            newer: RefCell::default(),
        };
        front.begin(nodes, now);
        front
    }

    /// A new process that knows nothing.
    fn begin(&self, nodes: &[NodeId], now: Instant) {
        let mut membership = Membership::new(MembershipOptions::default());
        membership.set_nodes(nodes.iter().copied(), now);
        self.membership.replace(membership);
        self.budget.take();
        self.cache.take();
        self.newer.take();
    }

    /// What the catalog says of where objects lie, and which others took their places.
    pub fn hear(&self, world: &World) {
        let (films, mut newer) = (world.films.borrow(), self.newer.borrow_mut());
        let all = films.values().map(|layout| (layout.object, layout));
        let rewritten = world.rewritten.borrow();
        let led = rewritten.iter().filter_map(|(old, object)| Some((*old, films.get(object)?)));
        newer.extend(all.chain(led).map(|(object, layout)| (object, layout.clone())));
    }

    fn newest(&self, layout: &Arc<Layout>) -> Arc<Layout> {
        let newer = self.newer.borrow();
        newer.get(&layout.object).filter(|newer| newer.supersedes(layout)).unwrap_or(layout).clone()
    }

    fn tell(&self, event: impl FnOnce(&mut Membership)) {
        let mut membership = self.membership.borrow_mut();
        event(&mut membership);
        if std::iter::from_fn(|| membership.poll_change()).count() > 0 {
            self.changed.ring();
        }
    }

    fn keep(&self, key: (ObjectId, u64), data: Bytes) {
        let mut cache = self.cache.borrow_mut();
        cache.insert(key, data);
        if cache.len() > CACHE {
            cache.pop_first();
        }
    }
}

impl Nodes for &Front {
    fn is_avoided(&self, node: NodeId) -> bool {
        self.membership.borrow().state(node) != NodeState::Up
    }

    fn may_probe(&mut self, node: NodeId, now: Instant) -> bool {
        self.membership.borrow_mut().poll_probe(node, now)
    }

    fn patience(&self, node: NodeId) -> Duration {
        self.membership.borrow().patience(node)
    }

    fn late_after(&self, node: NodeId) -> Duration {
        self.membership.borrow().late_after(node)
    }

    fn may_hedge(&mut self, bytes: u64) -> bool {
        self.budget.borrow_mut().spend(bytes)
    }
}

/// Viewers, until the world is over. Now and then the front is killed, and they begin anew with one that has just begun.
pub async fn keep_watching(world: Rc<World>) {
    loop {
        let viewers: Vec<_> = (0..VIEWERS).map(|number| world.clock.spawn(view(world.clone(), number))).collect();
        let until = world.clock.elapsed() + Duration::from_secs(world.pick(20..300));
        while world.clock.elapsed() < until {
            world.clock.sleep(HEAR_EVERY).await;
            if world.over.get() {
                return;
            }
            world.front.hear(&world);
        }
        viewers.into_iter().for_each(|viewer| world.clock.cut_off(viewer));
        world.clock.sleep(Duration::from_millis(world.pick(0..3000))).await;
        world.front.begin(&world.ids(), world.clock.now());
        world.count(|summary| summary.fronts += 1);
    }
}

/// Small checks of all nodes, for as long as the world lasts.
pub async fn check_nodes(world: Rc<World>) {
    while !world.over.get() {
        loop {
            let next = world.front.membership.borrow_mut().poll_check(world.clock.now());
            let Some(node) = next else { break };
            let asking = world.clone();
            world.clock.spawn(async move {
                let good = asking.ask(node, Ask::Check, Duration::from_secs(1)).await == Answer::Done;
                asking.front.tell(|membership| membership.handle_check(node, good, asking.clock.now()));
            });
        }
        world.clock.sleep(Duration::from_millis(100)).await;
    }
}

/// Plays one film after the other, each by the layout that it had when it began.
pub async fn view(world: Rc<World>, number: u64) {
    world.clock.sleep(Duration::from_millis(300 * number)).await;
    while !world.over.get() {
        let films: Vec<_> = world.films.borrow().values().cloned().collect();
        if films.is_empty() {
            world.clock.sleep(Duration::from_secs(1)).await;
            continue;
        }
        let layout = films[world.pick(0..films.len())].clone();
        let start = world.pick(0..layout.units());
        let units = start..layout.units();
        let mut ahead = FuturesUnordered::new();
        let (mut next, mut begun) = (units.start, units.start);
        let mut here = BTreeMap::new();
        while next < units.end && !world.over.get() {
            while begun < units.end && begun < next + AHEAD {
                let (world, layout, unit) = (world.clone(), layout.clone(), begun);
                ahead.push(async move { (unit, get(&world, &layout, unit).await) });
                begun += 1;
            }
            while !here.contains_key(&next) {
                let Some((unit, data)) = ahead.next().await else { return };
                here.insert(unit, data);
            }
            // Removed, or an invariant is broken.
            let Some(Some(data)) = here.remove(&next) else { break };
            if *data != world.bytes(layout.object, layout.unit_bytes(next)) {
                return world.broken(format!("unit {next} of {} has wrong bytes", layout.object));
            }
            world.count(|summary| summary.units += 1);
            next += 1;
            world.clock.sleep(Duration::from_millis(world.pick(300..700))).await;
        }
    }
}

/// A unit within the deadline, tried again where it fails, as a worker does. `None` if its film was removed.
async fn get(world: &Rc<World>, layout: &Arc<Layout>, unit: u64) -> Option<Bytes> {
    let give_up = world.clock.elapsed() + DEADLINE;
    loop {
        let key = (layout.object, unit);
        let kept = world.front.cache.borrow().get(&key).cloned();
        let left = give_up.saturating_sub(world.clock.elapsed());
        let read = match kept {
            Some(data) => Some(data),
            None => read(world, world.front.newest(layout), unit, left).await,
        };
        if read.is_some() || world.broken.borrow().is_some() {
            return read;
        }
        if world.clock.elapsed() >= give_up {
            // What was removed is promised to nobody, whoever began to watch it before: no repair cares for it any more.
            if !world.films.borrow().contains_key(&world.front.newest(layout).object) {
                return None;
            }
            let unreliable = world.unreliable();
            world.broken(format!("unit {unit} of {} did not come, with {unreliable:?} not well", layout.object));
            return None;
        }
        let pause = Duration::from_millis(250).min(give_up.saturating_sub(world.clock.elapsed()));
        world.clock.sleep(pause).await;
    }
}

/// The `RowRead` core driven.
async fn read(world: &Rc<World>, layout: Arc<Layout>, unit: u64, left: Duration) -> Option<Bytes> {
    let front = &world.front;
    let now = world.clock.now();
    let (give_up, address) = (now + left, layout.address(unit));
    let mut core = RowRead::new(layout.clone(), address, now, give_up);
    let mut under_way: FuturesUnordered<LocalBoxFuture<'static, (UnitAddress, Answer)>> = FuturesUnordered::new();
    loop {
        let heard = front.changed.rings();
        match core.poll(world.clock.now(), &mut &*front) {
            RowStep::Done(data, rebuilt) => {
                for (address, data) in rebuilt {
                    layout.unit(address).into_iter().for_each(|unit| front.keep((layout.object, unit), data.clone()));
                }
                front.keep((layout.object, unit), data.clone());
                return Some(data);
            }
            RowStep::Lost => return None,
            RowStep::Late(address) => {
                front.tell(|membership| membership.handle_late(layout.node(address), world.clock.now()));
            }
            RowStep::Fetch(address) => {
                let kept =
                    layout.unit(address).and_then(|unit| front.cache.borrow().get(&(layout.object, unit)).cloned());
                match kept {
                    Some(data) => core.handle_unit(address, data),
                    None => {
                        let left = give_up.saturating_duration_since(world.clock.now());
                        let fetch = fetch(world.clone(), layout.clone(), address, left);
                        under_way.push(fetch.map(move |answer| (address, answer)).boxed_local());
                    }
                }
            }
            RowStep::Wait(until) => {
                let until = until.unwrap_or(give_up).min(give_up);
                let time = until.saturating_duration_since(world.clock.now());
                let news = select(Box::pin(world.clock.sleep(time)), Box::pin(front.changed.after(heard)));
                let answered = async {
                    match under_way.next().await {
                        Some(answered) => answered,
                        None => std::future::pending().await,
                    }
                };
                match select(Box::pin(answered), news).await {
                    Either::Left(((address, Answer::Unit(data)), _)) => core.handle_unit(address, data),
                    // It was moved away meanwhile, and is to be read where it is now.
                    Either::Left(_) if front.newest(&layout).supersedes(&layout) => return None,
                    Either::Left(((address, answer), _)) => {
                        core.handle_failure(address, answer == Answer::Unreachable, world.clock.now());
                    }
                    Either::Right(_) if world.clock.now() >= give_up => return None,
                    Either::Right(_) => {}
                }
            }
        }
    }
}

async fn fetch(world: Rc<World>, layout: Arc<Layout>, address: UnitAddress, left: Duration) -> Answer {
    let (node, begun) = (layout.node(address), world.clock.now());
    let answer = world.ask(node, Ask::Get(layout.object, address), left).await;
    let now = world.clock.now();
    world.front.tell(|membership| match &answer {
        Answer::Unit(_) => membership.handle_answer(node, now - begun, now),
        Answer::Late => membership.handle_late(node, now),
        Answer::Bad => membership.handle_bad(node, now),
        Answer::Unreachable => membership.handle_failure(node, now),
        _ => {}
    });
    if let Answer::Unit(data) = &answer {
        world.front.budget.borrow_mut().earn(data.len() as u64);
        layout.unit(address).into_iter().for_each(|unit| world.front.keep((layout.object, unit), data.clone()));
    }
    answer
}
