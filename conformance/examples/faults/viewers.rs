//! Many viewers: a load tool for each few of them, and what they saw together.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::{
    fmt,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Viewers of one load tool: they come a second apart, so that each is at a place of its own.
const EACH: usize = 5;
/// Until all of them play, seconds.
const WARM_S: u64 = 12;
/// Their ports, below those that Linux gives to connections; each viewer has two pairs.
const FIRST_PORT: usize = 22_000;
/// The films' seconds at which the load tools of one film begin lie so far apart.
const APART_S: usize = 8;

/// The load tools.
pub struct Crowd(Vec<Child>);

/// What all saw.
#[derive(Default)]
pub struct Seen {
    tools: usize,
    playing: u64,
    packets: u64,
    missing: i64,
    drops: u64,
    /// Of the viewers of the tool that saw the worst.
    late_ms: f64,
}

/// What a load tool says.
#[derive(Deserialize)]
struct Said {
    playing: u64,
    packets: u64,
    missing: i64,
    client_drops: u64,
    lateness_ms: Lateness,
}

#[derive(Deserialize)]
struct Lateness {
    p99: f64,
}

impl Crowd {
    pub fn start(tool: &Path, port: u16, viewers: usize, films: usize, seconds: u64) -> Result<Self> {
        let start = |number: usize| {
            let many = EACH.min(viewers - number * EACH).to_string();
            let (film, turn) = (number % films, number / films);
            let ports = (FIRST_PORT + number * EACH * 4).to_string();
            let (from, seconds, warm) = ((turn * APART_S).to_string(), seconds.to_string(), WARM_S.to_string());
            let mut command = Command::new(tool);
            command.args(["-n", &many, "-r", "1", "-w", &warm, "-d", &seconds, "-p", &ports, "-s", &from]);
            command.arg(format!("rtsp://127.0.0.1:{port}/f{film}"));
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting the load tool")
        };
        (0..viewers.div_ceil(EACH)).map(start).collect::<Result<_>>().map(Self)
    }

    /// When all have gone.
    pub fn end(self) -> Result<Seen> {
        let mut seen = Seen::default();
        for tool in self.0 {
            let output = tool.wait_with_output()?;
            let said: Said = serde_json::from_slice(&output.stdout)
                .with_context(|| format!("the load tool said {:?}", String::from_utf8_lossy(&output.stdout)))?;
            seen.tools += 1;
            seen.playing += said.playing;
            seen.packets += said.packets;
            seen.missing += said.missing;
            seen.drops += said.client_drops;
            seen.late_ms = seen.late_ms.max(said.lateness_ms.p99);
        }
        Ok(seen)
    }
}

impl Seen {
    pub fn check(&self, viewers: usize, late_ms: u64) -> Result<()> {
        ensure!(self.playing == viewers as u64, "{} of {viewers} played to the end", self.playing);
        ensure!(self.missing == 0, "packets were lost");
        ensure!(self.late_ms <= late_ms as f64, "packets came late");
        Ok(())
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} viewers, {} packets, {} lost ({} of them for lack of room at the viewers); 99 % at most {} ms late (the \
             worst of {} groups)",
            self.playing, self.packets, self.missing, self.drops, self.late_ms, self.tools
        )
    }
}
