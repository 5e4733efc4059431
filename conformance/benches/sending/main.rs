//! What a train costs: the front beside a bare sender of the same trains, in one run on one core.
//!
//! ```text
//! cargo build --release
//! MOBIDIC_BIN=target/release/mobidic cargo bench -p conformance --bench sending -- [options] FILM...
//!   --tcp             interleaved in TCP instead of UDP
//!   --sessions N      viewers, each at its own position (1000)
//!   --seconds S       of each measurement (8)
//!   --load PATH       drive the front by this external load client (rtspload's options) instead of by itself
//!   --cores F,L       pin the front and the bare sender to core F, receivers, load and nodes to core L (0,1)
//! ```
//!
//! A few viewers of their own receive with `UDP_GRO`, and so see each send of the front as it was made: size, packets,
//! time. What they saw is the bare sender's script. It runs directly before the front (with a script of another start
//! of the same front) and directly after, to the same number of receivers on loopback; the lower of its two figures
//! is the measure. CPU is the kernel's count of scheduled time, so what other processes on the core take is not in it,
//! but what they do to its caches is: compare ratios, not times of different runs. The kernel counts time outside of it
//! by ticks that fall in step with the slots, so our own part is told by the benchmark `playing`, not here.

mod bare;
#[path = "../common/mod.rs"]
mod common;
mod front;
mod receivers;
mod record;

use anyhow::{Context, Result, ensure};
use record::Recording;
use rtsp::net::descriptors::raise_limit;
use std::{path::PathBuf, time::Duration};

/// What was asked.
#[derive(Clone, Debug)]
pub struct Options {
    tcp: bool,
    sessions: usize,
    window: Duration,
    load: Option<PathBuf>,
    cores: (usize, usize),
    films: Vec<PathBuf>,
}

fn main() -> Result<()> {
    let options = options()?;
    raise_limit()?;
    receivers::pin(options.cores.1);
    let way = if options.tcp { "TCP" } else { "UDP" };
    println!("{} {way} sessions, {:?} each, front on core {}", options.sessions, options.window, options.cores.0);

    let script = front::record_alone(&options)?;
    let before = bare::run(&options, &script)?;
    println!("bare before  {before}");
    let (cost, seen) = front::run(&options)?;
    println!("front        {cost}");
    let after = bare::run(&options, &seen)?;
    println!("bare after   {after}");
    let bare = before.per_train().min(after.per_train());
    println!("ratio        {:.2} of the bare sender's CPU a train (goal: at most 1.6)", cost.per_train() / bare);
    println!("             {:.3} ms of CPU a stream-second (goal: at most 0.35)", cost.per_stream_second() * 1e3);
    print_shares(&seen);
    Ok(())
}

fn print_shares(seen: &Recording) {
    let shares = seen.shares();
    println!(
        "sends        {:.2} packets each, {:.1} a stream-second",
        shares.packets_per_send,
        seen.sends_per_second()
    );
    println!(
        "sharing      {:.1} % of the packets that left in the same 0.5 ms as another of their track share its send (goal: 95)",
        shares.shared * 100.0
    );
    println!("spread       at most {} packets of a track in 5 ms (default limit: 16)", shares.most_in_5_ms);
}

fn options() -> Result<Options> {
    let mut options = Options {
        tcp: false,
        sessions: 1_000,
        window: Duration::from_secs(8),
        load: None,
        cores: (0, 1),
        films: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--tcp" => options.tcp = true,
            "--sessions" => options.sessions = value()?.parse()?,
            "--seconds" => options.window = Duration::from_secs(value()?.parse()?),
            "--load" => options.load = Some(value()?.into()),
            "--cores" => {
                let text = value()?;
                let (front, load) = text.split_once(',').context("--cores wants two numbers: F,L")?;
                options.cores = (front.parse()?, load.parse()?);
            }
            // Cargo's own.
            "--bench" => {}
            film => options.films.push(film.into()),
        }
    }
    ensure!(!options.films.is_empty(), "give at least one film of a minute or more");
    Ok(options)
}
