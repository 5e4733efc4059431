//! System RAID as a whole: nodes that die, lag, lie, come and go while real viewers watch.

mod fewer;
mod harm;
mod kills;
mod liars;
mod s3;
pub mod world;

use conformance::{
    compare::{Transport, compare},
    films::Recipe,
};
use std::{
    thread::JoinHandle,
    time::{Duration, Instant},
};
use world::{Seen, World};

/// No B pictures: timestamps rise as they are sent, so that lateness can be read off them.
const FILMS: [Recipe; 2] = [
    Recipe { file: "one.mpg", length: 44, options: "-c:v mpeg1video -b:v 1500k -minrate 1500k -bf 0 -c:a mp2 -f mpeg" },
    Recipe { file: "two.mpg", length: 45, options: "-c:v mpeg1video -b:v 1500k -minrate 1500k -bf 0 -c:a mp2 -f mpeg" },
];
/// What the frame-exact viewer watches, from beginning to end.
const EXACT: Recipe = Recipe {
    file: "exact.mp4",
    length: 26,
    options: "-c:v libx264 -preset veryfast -bf 2 -g 50 -b:v 1M -minrate 1M -c:a aac -b:a 96k",
};
/// Packets may come so late on a machine that does a lot else.
const LATE_MS: i64 = 500;

#[test]
fn viewers_notice_nothing_of_what_happens_to_a_node() {
    let mut world = World::new(4, 1, &[FILMS[0], FILMS[1], EXACT]);
    world.start_node();
    let time = Duration::from_secs(26);
    let begun = Instant::now();
    let viewers: Vec<_> =
        (0..6).map(|number| world.watch(["one", "two"][number % 2], 3 * number as u32, time)).collect();
    let (file, url) = (world.folder.join(EXACT.file), world.url("exact"));
    let exact = std::thread::spawn(move || compare(&file, &url, Transport::Tcp, Duration::from_secs(60)).unwrap());
    let until = |seconds| std::thread::sleep(Duration::from_secs(seconds).saturating_sub(begun.elapsed()));

    until(1);
    world.nodes[0].kill();
    until(5);
    world.nodes[0].restart();
    until(7);
    world.nodes[1].signal("STOP");
    until(11);
    world.nodes[1].signal("CONT");
    until(12);
    world.nodes[2].spoil();
    until(14);
    let url = world.nodes[4].url.clone();
    let said = world.run(&["cluster", "add-node", &url, "--grace", "2", "--limit", "0"]);
    assert!(said.contains("takes new films") && said.contains("done: 6 objects"), "{said}");
    world.run(&["cluster", "remove", &world.nodes[3].id, "--grace", "2", "--limit", "0"]);
    // It is empty and can be taken away.
    world.nodes[3].kill();
    assert!(begun.elapsed() < time, "the viewers were gone before it was over: {:?}", begun.elapsed());

    viewers.into_iter().for_each(noticed_nothing);
    let report = exact.join().unwrap();
    assert!(report.is_exact(), "{report}");
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

/// A viewer has got everything, and in time.
fn noticed_nothing(viewer: JoinHandle<Seen>) {
    let seen = viewer.join().unwrap();
    let late = seen.p99_late_ms();
    println!("{} packets, {} lost, 99 % at most {late} ms late", seen.packets, seen.lost);
    assert!(seen.packets > 2_000 && seen.lost == 0 && !seen.bye && late < LATE_MS, "{late} ms, {} lost", seen.lost);
}
