//! The simulated cluster for a few hundred seeds, each a minute of its own clock. The long run is
//! `cargo run --release -p conformance --example simulate`.

#[path = "../../examples/simulate/world/mod.rs"]
mod world;

use std::time::Duration;

/// Other seeds than the long run begins with.
const FIRST: u64 = 1 << 32;
const SEEDS: u64 = 200;

#[test]
fn no_seed_breaks_an_invariant() {
    let run = |half: u64| {
        std::thread::spawn(move || {
            let mut all = world::Summary::default();
            for seed in (FIRST..FIRST + SEEDS).filter(|seed| seed % 2 == half) {
                match world::run(seed, Duration::from_secs(60)) {
                    Ok(summary) => all = all + summary,
                    Err(broken) => panic!("seed {seed}: {broken}"),
                }
            }
            all
        })
    };
    let halves = [0, 1].map(run).map(|half| half.join().unwrap());
    let all = halves[0] + halves[1];
    println!("{SEEDS} seeds: {all:?}");
    // It did what it is there for.
    assert!(all.units > 10_000 && all.harms > 100 && all.films > 300, "{all:?}");
    assert!(all.moves > 300 && all.rewrites > 30 && all.crashes > 20 && all.fronts > 20, "{all:?}");
}

#[test]
fn a_seed_replays() {
    let run = |seed| world::run(seed, Duration::from_secs(300)).unwrap();
    // Work goes on after a crash: the first world in which it is cut off more than twice.
    let mut worlds = (1..20).map(|seed| (seed, run(seed)));
    let (seed, summary) = worlds.find(|(_, summary)| summary.crashes > 2).expect("on average there are three");
    assert_eq!(summary, run(seed));
}
