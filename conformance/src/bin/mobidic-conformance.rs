//! `mobidic-conformance URL`: which statements of the RTSP and RTP standards hold for the server at this URL.

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use conformance::suite::{
    self, Case, Offer, Options, Report,
    carry::Carry,
    case::Stop,
    report::{html, junit, line, list, table},
    run::{Pace, Target, count, run},
    unseen::UNSEEN,
};
use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Puts the statements of RFC 2326, 7826, 3550 and the payload formats to an RTSP server and says which of them hold.
///
/// Exit status: 0 all that was tried holds; 1 a MUST doesn't; 3 only a SHOULD or something that clients depend on
/// doesn't; 2 wrong usage, or no server to ask.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// A presentation of the server; further ones are used for the cases on packets and payload formats.
    #[arg(required_unless_present = "list")]
    urls: Vec<String>,
    /// Name for protected presentations.
    #[arg(long, requires = "password")]
    user: Option<String>,
    /// Password of --user.
    #[arg(long)]
    password: Option<String>,
    /// Something of the same server that takes a publisher (ANNOUNCE, RECORD): what is there is written over.
    #[arg(long, value_name = "URL")]
    publish: Option<String>,
    /// Something that the same server redirects.
    #[arg(long, value_name = "URL")]
    moved: Option<String>,
    /// How packets travel: udp, tcp, or all (each of the cases on packets once over each).
    #[arg(long, default_value = "all", value_parser = ["udp", "tcp", "all"])]
    transport: String,
    /// Within what the connections go: plain, http (QuickTime's tunnel), websocket (ONVIF).
    #[arg(long, default_value = "plain", value_parser = ["plain", "http", "websocket"])]
    carry: String,
    /// Lists the cases, and the statements that are not tested, each with the reason.
    #[arg(long)]
    list: bool,
    /// Only cases whose id or title has this in it; may be given several times. A `*` stands for anything.
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// Runs everything so many times; a case must pass each time.
    #[arg(long, default_value_t = 1)]
    repeat: u32,
    /// Of everything random; the next repetition has the next one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds after which no case is begun.
    #[arg(long, default_value_t = 600)]
    time_limit: u64,
    /// Seconds that an answer may take.
    #[arg(long, default_value_t = 5)]
    patience: u64,
    /// Milliseconds within which a new viewer is to be answered during and after hostile cases; ten times what an echo over
    /// TCP with a millisecond's work takes on this machine at that moment comes on top.
    #[arg(long, default_value_t = 100)]
    soon: u64,
    /// Seconds that announcements of the group by SAP are waited for; servers send one every five minutes.
    #[arg(long, default_value_t = 0)]
    announcements: u64,
    /// Also tries many wrong passwords: the server may then let nobody in from here for a while.
    #[arg(long)]
    lock_out: bool,
    /// Seconds of the presentation that are captured for the cases on packets.
    #[arg(long, default_value_t = 14)]
    capture: u64,
    /// Cases on session timeouts are skipped where the server states more seconds than this.
    #[arg(long, default_value_t = 65)]
    longest_timeout: u64,
    /// Cases at a time.
    #[arg(long, default_value_t = 8)]
    jobs: usize,
    /// Also cases that may bring a weak server down.
    #[arg(long)]
    hostile: bool,
    /// Writes everything as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Writes one HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// No line for each case.
    #[arg(long)]
    quiet: bool,
}

fn main() -> ExitCode {
    match conduct(&Arguments::parse()) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("mobidic-conformance: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn conduct(arguments: &Arguments) -> Result<u8> {
    let cases: Vec<Case> = suite::cases().into_iter().filter(|case| wanted(case, &arguments.only)).collect();
    if arguments.list {
        print!("{}", list(&cases, UNSEEN));
        return Ok(0);
    }
    if cases.is_empty() {
        bail!("no case has {} in its id or title; --list shows all", arguments.only.join(" or "));
    }
    let options = Arc::new(Options {
        credentials: arguments.user.clone().zip(arguments.password.clone()),
        patience: Duration::from_secs(arguments.patience),
        capture: Duration::from_secs(arguments.capture),
        udp: arguments.transport != "tcp",
        tcp: arguments.transport != "udp",
        hostile: arguments.hostile,
        longest_timeout: Duration::from_secs(arguments.longest_timeout),
        second: arguments.urls.get(1).cloned(),
        publish: arguments.publish.clone(),
        moved: arguments.moved.clone(),
        carry: match arguments.carry.as_str() {
            "http" => Carry::Http,
            "websocket" => Carry::WebSocket,
            _ => Carry::Plain,
        },
        soon: Duration::from_millis(arguments.soon),
        announcements: Duration::from_secs(arguments.announcements),
        lock_out: arguments.lock_out,
    });
    let start = Instant::now();
    let mut results = Vec::new();
    let mut server = String::new();
    for round in 0..arguments.repeat {
        let mut targets = Vec::new();
        for url in &arguments.urls {
            let offer = Offer::discover(url, &options).map_err(|stop| anyhow::anyhow!("{url}: {}", said(&stop)))?;
            server = offer.describe.header("Server").unwrap_or("unnamed").to_owned();
            targets.push(Target::new(offer));
        }
        let (done, all) = (AtomicUsize::new(0), count(&targets, &cases, &options));
        let progress = |finished: &suite::run::Finished| {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if !arguments.quiet {
                println!("{}", line(done, all, finished));
            }
        };
        let seed = arguments.seed.wrapping_add(u64::from(round));
        let time_limit = Duration::from_secs(arguments.time_limit);
        results.extend(run(&targets, &cases, &options, Pace { threads: arguments.jobs, time_limit, seed }, &progress));
    }
    let seconds = start.elapsed().as_secs_f64();
    let report = Report { urls: arguments.urls.clone(), server, seed: arguments.seed, seconds, results };
    print!("\n{}", table(&report));
    let write = |path: &Option<PathBuf>, text: &dyn Fn() -> Result<String>| -> Result<()> {
        let Some(path) = path else { return Ok(()) };
        std::fs::write(path, text()?).with_context(|| format!("writing {}", path.display()))
    };
    write(&arguments.json, &|| Ok(report.json()?))?;
    write(&arguments.junit, &|| junit(&report))?;
    write(&arguments.html, &|| Ok(html(&report)))?;
    Ok(report.exit_status())
}

fn wanted(case: &Case, patterns: &[String]) -> bool {
    let matches = |pattern: &String| {
        let text = format!("{} {}", case.id, case.title).to_lowercase();
        let mut rest = text.as_str();
        pattern.to_lowercase().split('*').all(|piece| match rest.find(piece) {
            Some(at) => {
                rest = rest.get(at + piece.len()..).unwrap_or("");
                true
            }
            None => false,
        })
    };
    patterns.is_empty() || patterns.iter().any(matches)
}

fn said(stop: &Stop) -> String {
    match stop {
        Stop::Fail { expected, came } => format!("expected {expected}; came {came}"),
        Stop::Skip(reason) => reason.clone(),
    }
}
