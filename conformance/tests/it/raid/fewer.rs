//! Fewer nodes than a row has units: films are cut anew, narrower each time, while viewers watch, who must not notice.

use super::{
    audience::{Audience, EXACT, ONE},
    world::World,
};
use std::time::Duration;

#[test]
fn viewers_notice_nothing_of_films_that_are_cut_anew() {
    let mut world = World::new(4, 1, &[ONE, EXACT]);
    let audience = Audience::begin(&world, &["one"], 2, Duration::from_secs(18));
    // One is drained and taken away; then one that is dead is removed.
    let (first, second) = (world.nodes[0].id.clone(), world.nodes[1].id.clone());
    audience.until(1);
    let said = world.run(&["cluster", "drain", &first, "--grace", "3", "--limit", "0"]);
    assert!(said.contains("done: 4 objects"), "{said}");
    world.nodes[0].kill();
    audience.until(7);
    world.nodes[1].kill();
    audience.until(8);
    let said = world.run(&["cluster", "remove", &second, "--grace", "3", "--limit", "0"]);
    assert!(said.contains("done: 4 objects"), "{said}");
    audience.noticed_nothing();
    assert_eq!(world.ended_sessions(), Vec::<String>::new());
    for name in ["one", "exact"] {
        world.run(&["check", name]);
    }
}
