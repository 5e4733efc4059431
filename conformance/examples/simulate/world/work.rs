//! What is done to films: added, repaired, moved, removed; and cut off in the midst of it.

use super::{
    World, anew,
    nodes::{Answer, Ask},
};
use bytes::Bytes;
use futures_util::{
    future::join_all,
    stream::{FuturesUnordered, StreamExt},
};
use std::{collections::BTreeSet, ops::Range, rc::Rc, sync::Arc, time::Duration};
use stripes::{
    id::{NodeId, ObjectId},
    layout::{Layout, Policy, UnitAddress},
    maintenance::{Mover, MoverState},
    parity,
    rebalance::{Move, concerned, plan},
    writer::{Writer, WriterOptions, WriterState},
};

pub const WITHIN: Duration = Duration::from_secs(5);

/// The only one who works on stored films, until it is dropped.
pub struct Turn<'a>(&'a World);

impl<'a> Turn<'a> {
    pub async fn take(world: &'a World) -> Self {
        while world.working.replace(true) {
            world.clock.sleep(Duration::from_millis(50)).await;
        }
        Self(world)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.working.set(false);
    }
}

/// Adds, moves and removes films until the world is over; now and then one of these is cut off by a crash.
pub async fn keep_working(world: Rc<World>) {
    loop {
        world.clock.sleep(Duration::from_millis(world.pick(500..15_000))).await;
        if world.over.get() {
            return world.busy.set(false);
        }
        let work = world.pick(0..9);
        let doing = world.clone();
        let done = Rc::new(std::cell::Cell::new(false));
        let doing_done = done.clone();
        let task = world.clock.spawn(async move {
            match work {
                0..3 => add(&doing).await,
                3..7 => move_all(&doing).await,
                7 => anew::narrow_one(&doing).await,
                _ => remove(&doing),
            }
            doing_done.set(true);
        });
        if world.pick(0..3) == 0 {
            world.clock.sleep(Duration::from_millis(world.pick(0..1500))).await;
            if !done.get() {
                world.count(|summary| summary.crashes += 1);
                world.clock.cut_off(task);
                // Whatever it wrote that nobody names lacks nothing to anybody.
                let films = world.films.borrow();
                world.lacking.borrow_mut().retain(|(object, _)| films.contains_key(object));
                continue;
            }
        }
        while !done.get() && world.broken.borrow().is_none() {
            if world.over.get() {
                world.clock.cut_off(task);
                break;
            }
            world.clock.sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A new film.
pub async fn add(world: &Rc<World>) {
    let object = ObjectId(u128::from(world.pick(1..u64::MAX)));
    let length = world.pick(1..40 * u64::from(world.policy.unit_size));
    let bytes = async |range: Range<u64>| Some(world.bytes(object, range));
    let Some(layout) = write(world, object, length, (world.policy, world.ids()), bytes).await else { return };
    world.films.borrow_mut().insert(object, Arc::new(layout));
    world.count(|summary| summary.films += 1);
    make_whole(world, object).await;
}

/// The `Writer` core driven; the catalog comes next. `None` where too much failed meanwhile.
pub async fn write(
    world: &World,
    object: ObjectId,
    length: u64,
    (policy, nodes): (Policy, Vec<NodeId>),
    mut read: impl AsyncFnMut(Range<u64>) -> Option<Vec<u8>>,
) -> Option<Layout> {
    let harms_before = world.harmed.borrow().len();
    let first = world.pick(0..nodes.len() as u16);
    let options = WriterOptions { units_per_node: 2 };
    let mut writer = Writer::new(object, policy, nodes, first, options).ok()?;
    let lacks_nothing = || world.lacking.borrow_mut().retain(|(other, _)| *other != object);
    let mut puts = FuturesUnordered::new();
    let (mut given, mut bytes) = (0, Vec::new());
    let layout = loop {
        if bytes.is_empty() && given < length {
            match read(given..length.min(given + 10_000)).await {
                Some(next) => bytes = next,
                None => {
                    lacks_nothing();
                    return None;
                }
            }
        }
        let taken = writer.handle_bytes(&bytes);
        bytes.drain(..taken);
        given += taken as u64;
        if given == length {
            writer.close();
        }
        while let Some(put) = writer.poll_put() {
            let ask = Ask::Put(object, put.address, put.data, None);
            puts.push(async move { (put.address, put.node, world.ask(put.node, ask, WITHIN).await) });
        }
        if let Some(layout) = writer.poll_layout() {
            break layout;
        }
        match puts.next().await {
            Some((address, _, Answer::Done)) => writer.handle_stored(address),
            Some((address, node, _)) => {
                world.lacking.borrow_mut().insert((object, node));
                writer.handle_failure(address);
            }
            None => {}
        }
        if matches!(writer.state(), WriterState::Failed(_)) || world.broken.borrow().is_some() {
            lacks_nothing();
            return None;
        }
    };
    drop(puts);
    let seals = layout.nodes.iter().filter(|node| !writer.lacking().contains(node));
    let sealed =
        join_all(seals.map(async |node| (*node, world.ask(*node, Ask::Seal(layout.clone()), WITHIN).await))).await;
    for (node, answer) in sealed {
        if answer != Answer::Done {
            world.lacking.borrow_mut().insert((object, node));
        }
    }
    // Whoever was harmed meanwhile may lack what it said it has, or have it wrong; and the repair that follows a harm makes
    // whole what the catalog named when it began, which this film was not yet.
    for node in world.harmed.borrow()[harms_before..].iter().filter(|node| layout.nodes.contains(node)) {
        world.lacking.borrow_mut().insert((object, *node));
    }
    let lacks = world.lacking.borrow().iter().filter(|(other, _)| *other == object).count();
    // Whoever is harmed now is one more.
    if lacks > usize::from(policy.parity) || !world.is_safe() {
        lacks_nothing();
        return None;
    }
    Some(layout)
}

/// Gives its nodes what they lack of a film since it was written.
pub async fn make_whole(world: &World, object: ObjectId) {
    let lacks = world.lacking.borrow().iter().any(|(other, _)| *other == object);
    while lacks && world.broken.borrow().is_none() {
        let _turn = Turn::take(world).await;
        let Some(layout) = world.films.borrow().get(&object).cloned() else { break };
        if repair(world, &layout).await {
            break;
        }
        drop(_turn);
        world.clock.sleep(Duration::from_millis(500)).await;
    }
    world.lacking.borrow_mut().retain(|(other, _)| *other != object);
}

fn remove(world: &World) {
    let mut films = world.films.borrow_mut();
    if films.len() > 2 && !world.working.get() {
        films.pop_first();
    }
}

/// All films made whole; says whether they are.
pub async fn repair_all(world: &Rc<World>) -> bool {
    let _turn = Turn::take(world).await;
    let films: Vec<_> = world.films.borrow().values().cloned().collect();
    for layout in films {
        if !repair(world, &layout).await {
            // A move that broke off may have sealed a newer layout, by which nodes refuse the older one's units: it is
            // taken back by one that is newer still.
            move_one(world, &layout, (*layout).clone()).await;
            return false;
        }
        // Whoever added it may have been cut off before it did this itself.
        world.lacking.borrow_mut().retain(|(other, _)| *other != layout.object);
    }
    true
}

async fn repair(world: &World, layout: &Layout) -> bool {
    let mut whole = true;
    for row in 0..layout.rows() {
        let asks = layout.row_units(row).map(|at| world.ask(layout.node(at), Ask::Get(layout.object, at), WITHIN));
        let answers = join_all(asks).await;
        if answers.iter().all(|answer| matches!(answer, Answer::Unit(_))) {
            continue;
        }
        let Some(all) = rebuild(layout, row, &answers) else {
            whole = false;
            continue;
        };
        for (address, answer) in layout.row_units(row).zip(answers) {
            if !matches!(answer, Answer::Unit(_)) {
                let data = all[usize::from(address.position)].clone();
                whole &= repair_unit(world, layout, address, data).await;
            }
        }
    }
    if !whole {
        return false;
    }
    for node in &layout.nodes {
        if let Answer::Layout(_) = world.ask(*node, Ask::Manifest(layout.object), WITHIN).await {
            continue;
        }
        if world.ask(*node, Ask::Seal(layout.clone()), WITHIN).await != Answer::Done {
            return false;
        }
    }
    true
}

/// As `Cluster::repair_unit` does: once more on behalf of the newer layout that a move which broke off has sealed there.
async fn repair_unit(world: &World, layout: &Layout, address: UnitAddress, data: Bytes) -> bool {
    let node = layout.node(address);
    let put = |generation| world.ask(node, Ask::Put(layout.object, address, data.clone(), Some(generation)), WITHIN);
    match put(layout.generation).await {
        Answer::Conflict => match world.ask(node, Ask::Manifest(layout.object), WITHIN).await {
            Answer::Layout(newer) if newer.generation > layout.generation => {
                put(newer.generation).await == Answer::Done
            }
            _ => false,
        },
        answer => answer == Answer::Done,
    }
}

pub fn rebuild(layout: &Layout, row: u64, answers: &[Answer]) -> Option<Vec<Bytes>> {
    let mut units = vec![Some(Bytes::new()); layout.row_width()];
    for (address, answer) in layout.row_units(row).zip(answers) {
        let unit = if let Answer::Unit(data) = answer { Some(data.clone()) } else { None };
        units[usize::from(address.position)] = unit;
    }
    let addresses = (0..layout.row_width() as u8).map(|position| UnitAddress { row, position });
    let lengths: Vec<_> = addresses.map(|address| layout.unit_length(address) as usize).collect();
    parity::rebuild(layout.policy, &units, &lengths).ok()
}

/// Puts all films on other nodes, enough of them.
async fn move_all(world: &Rc<World>) {
    let mut wanted = world.ids();
    let least = usize::from(world.policy.data + world.policy.parity);
    let leave = world.pick(0..=wanted.len() - least);
    for _ in 0..leave {
        let gone = world.pick(0..wanted.len());
        wanted.remove(gone);
    }
    let films: Vec<_> = world.films.borrow().keys().copied().collect();
    for object in films {
        let _turn = Turn::take(world).await;
        let old = world.films.borrow().get(&object).cloned();
        let Some(old) = old else { continue };
        match plan(&old, &wanted) {
            Ok(new) if new == *old => {}
            Ok(new) => move_one(world, &old, new).await,
            Err(error) => return world.broken(format!("no plan: {error}")),
        }
    }
}

/// The `Mover` core driven, the catalog, then the rest removed.
async fn move_one(world: &World, old: &Layout, mut new: Layout) {
    let nodes = concerned(old, &new);
    let known = join_all(nodes.iter().map(|node| world.ask(*node, Ask::Manifest(old.object), WITHIN))).await;
    for answer in known {
        if let Answer::Layout(layout) = answer
            && layout.generation >= new.generation
            && layout != new
        {
            new.generation = layout.generation + 1;
        }
    }
    let mut mover = Mover::new(old, &new, 4);
    let mut moves = FuturesUnordered::new();
    while mover.state() == MoverState::Moving {
        while let Some(next) = mover.poll_move() {
            let new = &new;
            moves.push(async move { (next.address, move_unit(world, old, new, next).await) });
        }
        match moves.next().await {
            Some((address, true)) => mover.handle_moved(address),
            Some((address, false)) => mover.handle_failure(address),
            None => {}
        }
    }
    drop(moves);
    if mover.state() == MoverState::Failed {
        return;
    }
    let seals = join_all(new.nodes.iter().map(|node| world.ask(*node, Ask::Seal(new.clone()), WITHIN))).await;
    // A node that was emptied meanwhile would not be one of those that may still be lost.
    if seals.iter().any(|answer| *answer != Answer::Done) || !is_whole(world, &new) {
        return;
    }
    let new = Arc::new(new);
    world.films.borrow_mut().insert(new.object, new.clone());
    world.count(|summary| summary.moves += 1);
    world.front.hear(world);
    drop_at(world, nodes, &new).await;
}

/// Whether what was moved can be relied on: nothing of it was lost since it was acknowledged, but on nodes at risk.
fn is_whole(world: &World, new: &Layout) -> bool {
    let at_risk = world.at_risk.borrow();
    let mut all = (0..new.rows()).flat_map(|row| new.row_units(row)).filter(|at| !at_risk.contains(&new.node(*at)));
    all.all(|at| world.node(new.node(at), |node| node.slot(new.object, at).is_some()))
}

async fn move_unit(world: &World, old: &Layout, new: &Layout, one: Move) -> bool {
    // Read, not only asked for: what an earlier move left there may have rotted since.
    if let Answer::Unit(_) = world.ask(one.to, Ask::Get(new.object, one.address), WITHIN).await {
        return true;
    }
    let data = match world.ask(one.from, Ask::Get(old.object, one.address), WITHIN).await {
        Answer::Unit(data) => data,
        _ => {
            let row = one.address.row;
            let asks = old.row_units(row).map(|at| world.ask(old.node(at), Ask::Get(old.object, at), WITHIN));
            match rebuild(old, row, &join_all(asks).await) {
                Some(all) => all[usize::from(one.address.position)].clone(),
                None => return false,
            }
        }
    };
    let put = Ask::Put(new.object, one.address, data, Some(new.generation));
    world.ask(one.to, put, WITHIN).await == Answer::Done
}

async fn drop_at(world: &World, nodes: BTreeSet<NodeId>, new: &Layout) {
    for node in nodes {
        let belongs = new.nodes.contains(&node);
        let ask = if belongs { Ask::Trim(new.object, new.generation) } else { Ask::Delete(new.object) };
        world.ask(node, ask, WITHIN).await;
    }
}

/// What nobody names goes, and what a crash left in between is brought to one generation.
pub async fn sweep(world: &Rc<World>) {
    let _turn = Turn::take(world).await;
    let films: Vec<_> = world.films.borrow().values().cloned().collect();
    for layout in films {
        for _ in 0..20 {
            // The same places, with a generation above whatever a move that was broken off has sealed.
            move_one(world, &layout, (*layout).clone()).await;
            let named = world.films.borrow()[&layout.object].clone();
            if repair(world, &named).await {
                let trims =
                    named.nodes.iter().map(|node| world.ask(*node, Ask::Trim(named.object, named.generation), WITHIN));
                if join_all(trims).await.iter().all(|answer| *answer == Answer::Done) {
                    break;
                }
            }
        }
    }
    let films = world.films.borrow();
    for (id, node) in world.nodes.borrow_mut().iter_mut() {
        node.objects.retain(|object, _| films.get(object).is_some_and(|layout| layout.nodes.contains(id)));
    }
}
