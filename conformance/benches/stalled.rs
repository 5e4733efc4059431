//! What viewers that stop reading cost the others.
//!
//! ```text
//! MOBIDIC_BIN=target/release/mobidic cargo bench -p conformance --bench stalled -- --load PATH [options] FILM
//!   --load PATH    the load client that plays for the readers (rtspload's options)
//!   --readers N    TCP viewers that read (500)
//!   --stalled N    TCP viewers that stop reading after PLAY (100)
//!   --seconds S    of each of the two measurements (60)
//!   --cores F,L    pin the front to core F, load and nodes to core L (0,1)
//! ```
//!
//! The readers play alone, then again beside the stalled ones; prints what the load client says of their lateness, and
//! the front's RSS on the way. The time after which a stuck viewer is disconnected is set beyond the run's end.

#[path = "common/mod.rs"]
mod common;

use anyhow::{Context, Result, ensure};
use common::{Viewer, rss, taskset};
use conformance::server::Server;
use rtsp::net::descriptors::raise_limit;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

fn main() -> Result<()> {
    let (mut readers, mut stalled, mut seconds, mut cores) = (500_usize, 100_usize, 60_u64, (0, 1));
    let (mut load, mut film) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--load" => load = Some(PathBuf::from(value()?)),
            "--readers" => readers = value()?.parse()?,
            "--stalled" => stalled = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            "--cores" => {
                let text = value()?;
                let (front, load) = text.split_once(',').context("--cores wants two numbers: F,L")?;
                cores = (front.parse()?, load.parse()?);
            }
            // Cargo's own.
            "--bench" => {}
            path => film = Some(path.to_owned()),
        }
    }
    raise_limit()?;
    let load = load.context("give a load client by --load")?;
    let film = film.context("give a film that is longer than the run")?;
    let name = Path::new(&film).file_stem().context("no file")?.to_string_lossy().into_owned();
    let folder = conformance::compare::tempdir()?;
    let config = folder.join("bench.toml");
    std::fs::write(&config, "[front]\nworkers = 1\ntcp_stuck_s = 3600\n[log]\nfilter = \"warn\"\n")?;
    let server = Server::start_in(&folder, &[Path::new(&film)], &["--config", &config.to_string_lossy()])?;
    let (url, pid) = (server.url(&name), server.pid());
    taskset(cores.0, pid)?;
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    for child in children.split_whitespace() {
        taskset(cores.1, child.parse()?)?;
    }

    println!("{readers} readers alone");
    run(&load, &url, readers, seconds, pid, cores.1)?;
    let viewers = (0..stalled).map(|number| {
        let mut viewer = Viewer::connect(&url)?;
        viewer.set_up(None)?;
        viewer.play(number * 7 % 60)?;
        Ok(viewer)
    });
    let viewers = viewers.collect::<Result<Vec<_>>>()?;
    println!("{readers} readers beside {stalled} that have stopped reading");
    run(&load, &url, readers, seconds, pid, cores.1)?;
    drop(viewers);
    server.stop()?;
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}

/// The readers' run.
fn run(load: &Path, url: &str, readers: usize, seconds: u64, pid: u32, core: usize) -> Result<()> {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(load);
    command.args(["-n", &readers.to_string(), "-r", "100", "-w", "3", "-d", &seconds.to_string(), "-t", "tcp"]);
    let mut child = command.args(["-P", &pid.to_string(), url]).stdout(Stdio::piped()).spawn()?;
    let (start, mut most) = (Instant::now(), 0);
    while child.try_wait()?.is_none() {
        sleep(Duration::from_secs(1));
        let now = rss(pid)?;
        if now > most + most / 50 {
            println!("  {:3} s: RSS {:.1} MiB", start.elapsed().as_secs(), now as f64 / 1024.0);
            most = now;
        }
    }
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let told = ["playing", "loss_pct", "lateness", "media_rate", "server"];
    text.lines().filter(|line| told.iter().any(|word| line.contains(word))).for_each(|line| println!("{line}"));
    ensure!(output.status.success(), "the load client ended with {}", output.status);
    Ok(())
}
