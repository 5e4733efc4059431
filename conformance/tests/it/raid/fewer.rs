//! Fewer nodes than a row has units: films are cut anew, narrower each time, while viewers watch, who must not notice.

use super::{noticed_nothing, world::World};
use conformance::{
    compare::{Transport, compare},
    films::Recipe,
};
use std::time::{Duration, Instant};

const FILMS: [Recipe; 2] = [
    Recipe { file: "one.mpg", length: 36, options: "-c:v mpeg1video -b:v 1500k -minrate 1500k -bf 0 -c:a mp2 -f mpeg" },
    Recipe {
        file: "exact.mp4",
        length: 18,
        options: "-c:v libx264 -preset veryfast -bf 2 -g 50 -b:v 1M -minrate 1M -c:a aac -b:a 96k",
    },
];

#[test]
fn viewers_notice_nothing_of_films_that_are_cut_anew() {
    let mut world = World::new(4, 1, &FILMS);
    let time = Duration::from_secs(18);
    let begun = Instant::now();
    let viewers: Vec<_> = (0..6).map(|number| world.watch("one", 2 * number, time)).collect();
    let (file, url) = (world.folder.join(FILMS[1].file), world.url("exact"));
    let exact = std::thread::spawn(move || compare(&file, &url, Transport::Tcp, Duration::from_secs(60)).unwrap());
    let until = |seconds| std::thread::sleep(Duration::from_secs(seconds).saturating_sub(begun.elapsed()));
    // One is drained and taken away; then one that is dead is removed.
    let (first, second) = (world.nodes[0].id.clone(), world.nodes[1].id.clone());
    until(1);
    let said = world.run(&["cluster", "drain", &first, "--grace", "3", "--limit", "0"]);
    assert!(said.contains("done: 4 objects"), "{said}");
    world.nodes[0].kill();
    until(7);
    world.nodes[1].kill();
    until(8);
    let said = world.run(&["cluster", "remove", &second, "--grace", "3", "--limit", "0"]);
    assert!(said.contains("done: 4 objects"), "{said}");
    assert!(begun.elapsed() < time, "the viewers were gone before it was over: {:?}", begun.elapsed());

    viewers.into_iter().for_each(noticed_nothing);
    let report = exact.join().unwrap();
    assert!(report.is_exact(), "{report}");
    assert_eq!(world.ended_sessions(), Vec::<String>::new());
    for name in ["one", "exact"] {
        world.run(&["check", name]);
    }
}
