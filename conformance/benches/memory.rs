//! What sessions leave in memory: ones that came and went, idle ones, ones that play.
//!
//! ```text
//! MOBIDIC_BIN=target/release/mobidic cargo bench -p conformance --bench memory -- [options] FILM
//!   --cycles N    SETUP of two tracks over UDP and TEARDOWN, after as many before to warm up (10000)
//!   --idle N      sessions set up and never played, over a few connections (10000)
//!   --playing N   sessions that play over UDP for ten seconds, each from its own second (1000)
//! ```
//!
//! Prints the front's RSS, descriptors and sockets at each step. Nodes are processes of their own and not in it.

#[path = "common/mod.rs"]
mod common;

use anyhow::{Context, Result};
use common::{Viewer, descriptors, rss};
use conformance::server::Server;
use rtsp::net::descriptors::raise_limit;
use std::{net::UdpSocket, path::Path, thread::sleep, time::Duration};

/// Sessions of one connection: fewer than a connection may have.
const PER_CONNECTION: usize = 4;

/// MiB; small, so that little of what is measured is cache.
const CACHE_MIB: u64 = 32;
const READ_AHEAD_MIB: u64 = 64;

fn main() -> Result<()> {
    let (mut cycles, mut idle, mut playing, mut film) = (10_000, 10_000, 1_000, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().with_context(|| format!("{argument} wants a number"));
        match argument.as_str() {
            "--cycles" => cycles = number()?.parse()?,
            "--idle" => idle = number()?.parse()?,
            "--playing" => playing = number()?.parse()?,
            // Cargo's own.
            "--bench" => {}
            path => film = Some(path.to_owned()),
        }
    }
    raise_limit()?;
    let film = film.context("give a film of a minute or more")?;
    let name = Path::new(&film).file_stem().context("no file")?.to_string_lossy().into_owned();
    let folder = conformance::compare::tempdir()?;
    let config = folder.join("bench.toml");
    let limits = format!("cache_mib = {CACHE_MIB}\nread_ahead_mib = {READ_AHEAD_MIB}\nsession_timeout_s = 600");
    std::fs::write(&config, format!("[front]\nworkers = 1\n{limits}\n[log]\nfilter = \"warn\"\n"))?;
    let server = Server::start_in(&folder, &[Path::new(&film)], &["--config", &config.to_string_lossy()])?;
    let (url, pid) = (server.url(&name), server.pid());

    let mut viewer = Viewer::connect(&url)?;
    cycle(&mut viewer, cycles)?;
    let before = say(&format!("after {cycles} cycles"), pid)?;
    cycle(&mut viewer, cycles)?;
    let after = say(&format!("after {cycles} more"), pid)?;
    println!("  a cycle leaves {:.1} bytes", (after as f64 - before as f64) * 1024.0 / f64::from(cycles.max(1)));

    let before = say("before idle sessions", pid)?;
    let mut viewers = Vec::new();
    for number in 0..idle {
        if number % PER_CONNECTION == 0 {
            viewers.push(Viewer::connect(&url)?);
        }
        viewers.last_mut().context("no viewer")?.set_up(Some(40_000))?;
    }
    let after = say(&format!("{idle} idle sessions"), pid)?;
    println!("  {:.1} KiB a session", (after as f64 - before as f64) / idle.max(1) as f64);
    drop(viewers);
    sleep(Duration::from_secs(3));
    say("their connections closed", pid)?;

    // Somebody takes what comes, and throws it away: nobody reads these sockets.
    let sockets = (0..4).map(|at| UdpSocket::bind(("127.0.0.1", 40_000 + at))).collect::<Result<Vec<_>, _>>()?;
    // The cache is filled first.
    let mut viewers = play(&url, 20)?;
    sleep(Duration::from_secs(5));
    let before = say("20 sessions play", pid)?;
    viewers.append(&mut play(&url, playing)?);
    for _ in 0..5 {
        sleep(Duration::from_secs(2));
        let now = say(&format!("{} sessions play", playing + 20), pid)?;
        let each = (now as f64 - before as f64) / playing.max(1) as f64;
        println!("  {each:.1} KiB a session, of which at most {READ_AHEAD_MIB} MiB together may be read-ahead");
    }
    drop((viewers, sockets));
    server.stop()?;
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}

fn play(url: &str, count: usize) -> Result<Vec<Viewer>> {
    let mut viewers = Vec::with_capacity(count);
    for number in 0..count {
        let mut viewer = Viewer::connect(url)?;
        viewer.set_up(Some(40_000))?;
        viewer.play(number * 7 % 60)?;
        viewers.push(viewer);
    }
    Ok(viewers)
}

fn cycle(viewer: &mut Viewer, count: u32) -> Result<()> {
    for _ in 0..count {
        viewer.set_up(Some(40_000))?;
        viewer.tear_down()?;
    }
    Ok(())
}

/// Prints and answers the RSS, KiB.
fn say(when: &str, pid: u32) -> Result<u64> {
    let (rss, (descriptors, sockets)) = (rss(pid)?, descriptors(pid)?);
    println!("{when:26} RSS {:8.1} MiB, {descriptors} descriptors, {sockets} of them sockets", rss as f64 / 1024.0);
    Ok(rss)
}
