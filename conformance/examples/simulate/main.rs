//! Runs the simulated cluster for many seeds, on all cores:
//! `cargo run --release -p conformance --example simulate -- --seeds 10000`. A seed that breaks an invariant is named;
//! `--first SEED --seeds 1` runs it again.

mod world;

use clap::Parser;
use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Runs the simulated cluster: nodes that die, stall, lag, lie and lose their disks; films added, moved, repaired and
/// watched meanwhile.
#[derive(Parser)]
struct Options {
    /// How many worlds.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first one's seed.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Simulated seconds of each.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
}

fn main() {
    let options = Options::parse();
    let (next, begun) = (AtomicU64::new(0), Instant::now());
    let results = Mutex::new((world::Summary::default(), Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= options.seeds {
                        return;
                    }
                    let seed = options.first.wrapping_add(number);
                    let result = world::run(seed, Duration::from_secs(options.seconds));
                    let mut results = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    match result {
                        Ok(summary) => results.0 = results.0 + summary,
                        Err(broken) => {
                            println!("seed {seed}: {broken}");
                            results.1.push(seed);
                        }
                    }
                }
            });
        }
    });
    let (all, broken) = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    println!(
        "{} seeds of {} s in {:.1?}: {} broken; {all:?}",
        options.seeds,
        options.seconds,
        begun.elapsed(),
        broken.len()
    );
    std::process::exit(i32::from(!broken.is_empty()));
}
