//! Films written anew with narrower rows, as where there are fewer nodes left than a row has units.

use super::{
    World,
    nodes::{Answer, Ask},
    work::{Turn, WITHIN, make_whole, rebuild, write},
};
use futures_util::future::join_all;
use std::{ops::Range, rc::Rc, sync::Arc, time::Duration};
use stripes::{
    id::ObjectId,
    layout::{Layout, Policy},
};

/// So long the old one's bytes stay: longer than the front takes to hear of the new one.
const GRACE: Duration = Duration::from_secs(3);

/// The lower half of an object's number says what it holds. The upper one is new each time: what a crash left of an
/// earlier try, cut in another way, is another object.
fn another(world: &World, object: ObjectId) -> ObjectId {
    ObjectId(u128::from(world.pick(1..u64::MAX)) << 64 | u128::from(object.0 as u64))
}

/// One film onto fewer nodes than its rows have units, if it may become narrower.
pub async fn narrow_one(world: &Rc<World>) {
    let turn = Turn::take(world).await;
    let films: Vec<_> = world.films.borrow().values().filter(|layout| layout.policy.data > 1).cloned().collect();
    if films.is_empty() {
        return;
    }
    let old = films[world.pick(0..films.len())].clone();
    let policy = Policy { data: world.pick(1..old.policy.data), ..old.policy };
    let mut nodes = world.ids();
    while nodes.len() > usize::from(policy.data + policy.parity) {
        let gone = world.pick(0..nodes.len());
        nodes.remove(gone);
    }
    let object = another(world, old.object);
    let read = async |range: Range<u64>| read(world, &old, range).await;
    let Some(new) = write(world, object, old.length, (policy, nodes), read).await else { return };
    {
        let (mut films, mut rewritten) = (world.films.borrow_mut(), world.rewritten.borrow_mut());
        films.remove(&old.object);
        films.insert(object, Arc::new(new));
        rewritten.values_mut().filter(|other| **other == old.object).for_each(|other| *other = object);
        rewritten.insert(old.object, object);
    }
    // What the old one lacked nobody needs any more.
    world.lacking.borrow_mut().retain(|(other, _)| *other != old.object);
    world.count(|summary| summary.rewrites += 1);
    // Whoever did this may be cut off from now on: then it is a sweep that does the rest.
    let sweeping = world.clone();
    world.clock.spawn(async move {
        sweeping.clock.sleep(GRACE).await;
        let nodes = sweeping.ids().into_iter();
        join_all(nodes.map(|node| sweeping.ask(node, Ask::Delete(old.object), WITHIN))).await;
    });
    drop(turn);
    make_whole(world, object).await;
}

/// Bytes of a film, each row by what is left of it; `None` where that is too little.
async fn read(world: &World, layout: &Layout, range: Range<u64>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for unit in layout.units_of(range.clone()) {
        let address = layout.address(unit);
        let data = match world.ask(layout.node(address), Ask::Get(layout.object, address), WITHIN).await {
            Answer::Unit(data) => data,
            _ => {
                let asks = layout
                    .row_units(address.row)
                    .map(|at| world.ask(layout.node(at), Ask::Get(layout.object, at), WITHIN));
                let all = rebuild(layout, address.row, &join_all(asks).await)?;
                all.get(usize::from(address.position))?.clone()
            }
        };
        let own = layout.unit_bytes(unit);
        let (start, end) = (range.start.max(own.start) - own.start, range.end.min(own.end) - own.start);
        bytes.extend_from_slice(data.get(start as usize..end as usize)?);
    }
    Some(bytes)
}
