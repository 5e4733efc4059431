//! What sessions leave in memory: idle ones, ones that came and went.
//!
//! ```text
//! MOBIDIC_BIN=target/release/mobidic cargo bench -p conformance --bench memory -- [--idle N] [--cycles N] FILM
//! ```
//!
//! `--idle N` sets up N sessions (two tracks over UDP, never played) over a few connections; `--cycles N` sets up and
//! tears down. Both print the front's RSS and descriptors before and after.

use anyhow::{Context, Result, ensure};
use conformance::{client::Client, server::Server};
use std::path::Path;

/// Sessions of one connection: fewer than a connection may have.
const PER_CONNECTION: usize = 4;

fn main() -> Result<()> {
    let (mut idle, mut cycles, mut film) = (10_000, 10_000, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--idle" => idle = arguments.next().context("--idle wants a number")?.parse()?,
            "--cycles" => cycles = arguments.next().context("--cycles wants a number")?.parse()?,
            "--bench" => {}
            path => film = Some(path.to_owned()),
        }
    }
    let film = film.context("give a film")?;
    let name = Path::new(&film).file_stem().context("no file")?.to_string_lossy().into_owned();
    let folder = conformance::compare::tempdir()?;
    let config = folder.join("bench.toml");
    std::fs::write(&config, "[front]\nmax_connections = 20000\nsession_timeout_s = 600\n[log]\nfilter = \"warn\"\n")?;
    let config = config.to_string_lossy().into_owned();
    let server = Server::start_in(&folder, &[Path::new(&film)], &["--workers", "1", "--config", &config])?;
    let url = server.url(&name);
    let address = url.trim_start_matches("rtsp://").split('/').next().context("no host")?.parse()?;

    let mut client = Client::connect(address)?;
    cycle(&mut client, &url, 200)?;
    say("after 200 cycles", server.pid())?;
    cycle(&mut client, &url, cycles)?;
    say(&format!("after {cycles} more"), server.pid())?;

    let mut clients = Vec::new();
    for number in 0..idle {
        if number % PER_CONNECTION == 0 {
            clients.push(Client::connect(address)?);
        }
        let client = clients.last_mut().context("no client")?;
        client.session = None;
        set_up(client, &url)?;
    }
    say(&format!("{idle} idle sessions"), server.pid())?;
    drop(clients);
    std::thread::sleep(std::time::Duration::from_secs(3));
    say("connections closed", server.pid())?;
    server.stop()?;
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}

fn cycle(client: &mut Client, url: &str, count: usize) -> Result<()> {
    for _ in 0..count {
        client.session = None;
        set_up(client, url)?;
        let answer = client.request("TEARDOWN", url, &[])?;
        ensure!(answer.status == 200, "TEARDOWN was answered {}", answer.head);
    }
    Ok(())
}

fn set_up(client: &mut Client, url: &str) -> Result<()> {
    for track in 1..=2 {
        let transport = format!("RTP/AVP;unicast;client_port={}-{}", 40_000 + 2 * track, 40_001 + 2 * track);
        let answer = client.request("SETUP", &format!("{url}/track{track}"), &[("Transport", &transport)])?;
        ensure!(answer.status == 200, "SETUP was answered {}", answer.head);
    }
    Ok(())
}

fn say(when: &str, pid: u32) -> Result<()> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    println!("{when:24} RSS {:>12}, {descriptors} descriptors", rss.trim());
    Ok(())
}
