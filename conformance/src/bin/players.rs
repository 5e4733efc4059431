//! Plays films in real players and writes what came of it as a table: file x player x transport.
//!
//! `players [--short] FILE...` adds the files to a server of its own. Each file is decoded by ffmpeg and then received
//! over UDP and TCP by ffmpeg and GStreamer; the row says how many pictures were expected and seen, how many
//! audio samples, and the first difference. `--short` leaves out films longer than a minute.

use anyhow::{Context, Result, bail};
use conformance::{
    compare::{DecodeOptions, Decoded, Transport, compare_with, decode},
    players,
    server::{Server, mobidic},
};
use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

const AT_ONCE: usize = 4;
const LONG: f64 = 60.0;

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let short = arguments.iter().any(|argument| argument == "--short");
    arguments.retain(|argument| argument != "--short");
    if arguments.is_empty() {
        bail!("usage: players [--short] FILE...");
    }
    let files: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
    let server = Server::start(&[])?;
    let data = server.data.to_string_lossy().into_owned();
    println!(
        "| file | player | transport | pictures | audio samples | result |\n| --- | --- | --- | --- | --- | --- |"
    );
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((number, file)) = take(&files, &next) {
                    let rows = play(&server, &data, &format!("film{number}"), file, short);
                    let rows = rows.unwrap_or_else(|error| vec![row(file, "-", "-", "-", "-", &format!("{error:#}"))]);
                    println!("{}", rows.join("\n"));
                }
            });
        }
    });
    server.stop()
}

fn take<'a>(files: &'a [PathBuf], next: &AtomicUsize) -> Option<(usize, &'a PathBuf)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    files.get(number).map(|file| (number, file))
}

fn play(server: &Server, data: &str, name: &str, file: &Path, short: bool) -> Result<Vec<String>> {
    let path = file.to_string_lossy();
    let (status, out, err) = mobidic(&["add", "--data", data, "--name", name, &path])?;
    if status != 0 {
        return Ok(vec![row(file, "-", "-", "-", "-", &format!("not added: {}", err.lines().next().unwrap_or("")))]);
    }
    let name = out.lines().find_map(|line| line.rsplit_once(", as ")).map_or(name, |(_, known)| known).to_owned();
    let limit = Duration::from_secs(600);
    let expected = decode(&path, &DecodeOptions::default(), limit).context("ffmpeg can't decode the file")?;
    if short && expected.pictures.last().is_some_and(|last| last.time as f64 / 1e9 > LONG) {
        return Ok(Vec::new());
    }
    let url = server.url(&name);
    let mut rows = Vec::new();
    for transport in [Transport::Udp, Transport::Tcp] {
        rows.push(ffmpeg(file, &expected, &url, transport, limit));
        rows.push(gstreamer(file, &expected, &url, transport, limit));
    }
    Ok(rows)
}

fn ffmpeg(file: &Path, expected: &Decoded, url: &str, transport: Transport, limit: Duration) -> String {
    let transport_name = transport.to_string();
    match compare_with(expected, url, transport, limit) {
        Ok(report) => {
            let pictures = format!("{} of {}", report.pictures.1, report.pictures.0);
            let samples = format!("{} of {}", report.samples.1, report.samples.0);
            let result = if report.is_exact() { "exact".to_owned() } else { report.differences.join("; ") };
            row(file, "ffmpeg", &transport_name, &pictures, &samples, &result)
        }
        Err(error) => row(file, "ffmpeg", &transport_name, "-", "-", &format!("{error:#}")),
    }
}

fn gstreamer(file: &Path, expected: &Decoded, url: &str, transport: Transport, limit: Duration) -> String {
    let (video, audio) = (!expected.pictures.is_empty(), expected.sound.is_some());
    let transport_name = transport.to_string();
    match players::gstreamer(url, transport, video, audio, limit) {
        Ok(played) => {
            let pictures = format!("{} of {}", played.pictures, expected.pictures.len());
            let whole = played.pictures == expected.pictures.len() && (!audio || played.sound > 0);
            let result = if whole { "every picture" } else { "differs" };
            row(file, "GStreamer", &transport_name, &pictures, "-", result)
        }
        Err(error) => row(file, "GStreamer", &transport_name, "-", "-", &format!("{error:#}")),
    }
}

fn row(file: &Path, player: &str, transport: &str, pictures: &str, samples: &str, result: &str) -> String {
    let file = file.file_name().unwrap_or_default().to_string_lossy();
    let result: String = result.replace(['|', '\n'], " ").chars().take(160).collect();
    format!("| {file} | {player} | {transport} | {pictures} | {samples} | {result} |")
}
