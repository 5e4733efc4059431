//! System RAID as a whole: nodes that die, lag, lie, come and go while real viewers watch.

mod audience;
mod fewer;
mod harm;
mod kills;
mod liars;
mod s3;
pub mod world;

use audience::{Audience, EXACT, ONE};
use conformance::films::Recipe;
use std::time::{Duration, Instant};
use world::World;

const FILMS: [Recipe; 3] =
    [Recipe { length: 44, ..ONE }, Recipe { file: "two.mpg", length: 45, ..ONE }, Recipe { length: 26, ..EXACT }];

#[test]
fn viewers_notice_nothing_of_what_happens_to_a_node() {
    let mut world = World::new(4, 1, &FILMS);
    world.start_node();
    let audience = Audience::begin(&world, &["one", "two"], 3, Duration::from_secs(26));

    audience.until(1);
    world.nodes[0].kill();
    audience.until(5);
    world.nodes[0].restart();
    audience.until(7);
    world.nodes[1].signal("STOP");
    audience.until(11);
    world.nodes[1].signal("CONT");
    audience.until(12);
    world.nodes[2].spoil();
    audience.until(14);
    let url = world.nodes[4].url.clone();
    let said = world.run(&["cluster", "add-node", &url, "--grace", "2", "--limit", "0"]);
    assert!(said.contains("takes new films") && said.contains("done: 6 objects"), "{said}");
    world.run(&["cluster", "remove", &world.nodes[3].id, "--grace", "2", "--limit", "0"]);
    // It is empty and can be taken away.
    world.nodes[3].kill();
    audience.noticed_nothing();
    assert_eq!(world.ended_sessions(), Vec::<String>::new());
    let said = world.run(&["cluster", "scrub", "--limit", "0"]);
    println!("scrub: {said}");
    for name in ["one", "two", "exact"] {
        world.run(&["check", name]);
    }
    let status =
        || -> serde_json::Value { serde_json::from_str(&world.run(&["cluster", "status", "--json"])).unwrap() };
    // A front says how many watch every now and then.
    let told = Instant::now();
    while status()["fronts"][0]["viewers"].as_u64() != Some(0) && told.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(500));
    }
    let status = status();
    assert_eq!((status["objects"].as_u64(), status["unreadable_objects"].as_u64()), (Some(6), Some(0)), "{status}");
    assert_eq!(
        (status["moving_objects"].as_u64(), status["weakened_objects"].as_u64()),
        (Some(0), Some(0)),
        "{status}"
    );
    assert_eq!(status["fronts"][0]["viewers"].as_u64(), Some(0), "{status}");
}

#[test]
fn with_two_parity_units_two_nodes_may_be_lost() {
    let mut world = World::new(5, 2, &[FILMS[0]]);
    let viewers: Vec<_> = (0..3).map(|number| world.watch("one", 7 * number, Duration::from_secs(10))).collect();
    std::thread::sleep(Duration::from_secs(2));
    world.nodes[1].kill();
    world.nodes[3].kill();
    for viewer in viewers {
        let seen = viewer.join().unwrap();
        println!("{} packets, {} lost, 99 % at most {} ms late", seen.packets, seen.lost, seen.p99_late_ms());
        assert!(seen.packets > 800 && seen.lost == 0 && !seen.bye, "{} of {} lost", seen.lost, seen.packets);
    }
    assert_eq!(world.describe("one"), 200);
    assert_eq!(world.ended_sessions(), Vec::<String>::new());
    let watching = world.watch("one", 5, Duration::from_secs(35));
    std::thread::sleep(Duration::from_secs(1));
    world.nodes[0].kill();
    let unavailable = (0..40).any(|_| {
        std::thread::sleep(Duration::from_millis(250));
        world.describe("one") == 503
    });
    assert!(unavailable, "three of five are lost");
    // Who watches is told, and the log says which unit of which node did not come.
    let seen = watching.join().unwrap();
    let ended = world.ended_sessions();
    assert!(seen.bye && seen.packets > 50, "{} packets", seen.packets);
    let lost = [0, 1, 3].map(|node: usize| format!("on node {}", world.nodes[node].id));
    assert!(ended.len() == 1 && lost.iter().any(|lost| ended[0].contains(lost)), "{ended:?}");
    world.nodes[3].restart();
    let back = (0..40).any(|_| {
        std::thread::sleep(Duration::from_millis(250));
        world.describe("one") == 200
    });
    assert!(back, "two of five are lost");
    let seen = world.watch("one", 5, Duration::from_secs(3)).join().unwrap();
    assert!(seen.packets > 200 && seen.lost == 0 && !seen.bye, "{} of {} lost", seen.lost, seen.packets);
}
