//! Adding a film: how fast, in how much memory, and what takes the time.
//!
//! ```text
//! cargo build --release
//! MOBIDIC_BIN=target/release/mobidic cargo bench -p conformance --bench ingest -- [--mib N] [FILE...]
//! ```
//!
//! Without files it makes a program stream and an MP4 of N MiB (1024) each with ffmpeg. Each is read; read and hashed;
//! read and parsed into samples in stored form; and added by the program to four nodes on this machine. A line for each:
//! MiB a second by the wall clock, seconds of the processor with the nodes', and the most memory that the program had.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use catalog::container::{Demuxer, Event, limits, open, probe};
use rtp::format::Format;
use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// Bytes of one read, as adding reads.
const WINDOW: usize = 1 << 20;

/// Name and what ffmpeg is told.
const FILMS: [(&str, &str); 2] = [
    (
        "stream.vob",
        "-c:v mpeg2video -b:v 8M -maxrate 9M -bufsize 1835k -g 15 -bf 2 -c:a mp2 -b:a 224k -ar 48000 -f vob",
    ),
    ("film.mp4", "-c:v libx264 -preset ultrafast -b:v 8M -g 50 -c:a aac -b:a 128k -f mp4"),
];

fn main() -> Result<()> {
    let (mut mib, mut films) = (1024, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--mib" => mib = arguments.next().context("--mib wants a number")?.parse()?,
            // Cargo's own.
            "--bench" => {}
            path => films.push(PathBuf::from(path)),
        }
    }
    let folder = conformance::compare::tempdir()?;
    if films.is_empty() {
        for (name, options) in FILMS {
            films.push(make(&folder, name, options, mib)?);
        }
    }
    for film in &films {
        let bytes = std::fs::metadata(film)?.len();
        println!("{}, {} MiB", film.display(), bytes >> 20);
        measure("read", bytes, || read(film, |_| ()))?;
        measure("read and hashed", bytes, || {
            let mut hasher = blake3::Hasher::new();
            read(film, |bytes| {
                hasher.update(bytes);
            })
        })?;
        measure("read and parsed", bytes, || parse(film))?;
        add(film, bytes, &folder, &[])?;
        add(film, bytes, &folder, &["--parity", "0"])?;
    }
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}

/// A film of `mib` MiB: ten seconds, again and again with times that go on.
fn make(folder: &Path, name: &str, options: &str, mib: u64) -> Result<PathBuf> {
    let (short, long) = (folder.join(format!("short-{name}")), folder.join(name));
    let ffmpeg = |arguments: &str, from: &[&str], to: &Path| -> Result<()> {
        let status = Command::new("ffmpeg")
            .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y"])
            .args(from)
            .args(arguments.split_whitespace())
            .arg(to)
            .status()?;
        ensure!(status.success(), "ffmpeg could not make {}", to.display());
        Ok(())
    };
    let noise = "testsrc2=size=720x576:rate=25,noise=alls=20:allf=t";
    let sources = ["-f", "lavfi", "-i", noise, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"];
    ffmpeg(&format!("-t 10 {options}"), &sources, &short)?;
    let times = (mib << 20) / std::fs::metadata(&short)?.len().max(1);
    let container = options.rsplit(' ').next().unwrap_or_default();
    let from = ["-stream_loop", &times.to_string(), "-i", &short.to_string_lossy()].map(str::to_owned);
    let from: Vec<&str> = from.iter().map(String::as_str).collect();
    ffmpeg(&format!("-c copy -fs {}M -f {container}", mib * 1024 * 1024 / 1_000_000), &from, &long)?;
    Ok(long)
}

fn measure(what: &str, bytes: u64, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let (began, before) = (Instant::now(), usage(libc::RUSAGE_SELF)?.0);
    work()?;
    say(what, bytes, began.elapsed(), usage(libc::RUSAGE_SELF)?.0 - before, None);
    Ok(())
}

fn say(what: &str, bytes: u64, wall: Duration, processor: Duration, memory: Option<u64>) {
    let rate = bytes as f64 / (1 << 20) as f64 / wall.as_secs_f64();
    let memory = memory.map_or(String::new(), |kib| format!(", {} MiB at most", kib >> 10));
    println!("  {what:24} {rate:7.0} MiB/s, {:6.2} s of the processor{memory}", processor.as_secs_f64());
}

fn read(film: &Path, mut each: impl FnMut(&[u8])) -> Result<()> {
    let file = File::open(film)?;
    let (mut buffer, mut at) = (vec![0; WINDOW], 0);
    loop {
        match file.read_at(&mut buffer, at)? {
            0 => return Ok(()),
            length => {
                each(&buffer[..length]);
                at += length as u64;
            }
        }
    }
}

/// Demultiplexes and stores every sample, and throws it away.
fn parse(film: &Path) -> Result<()> {
    let file = File::open(film)?;
    let len = file.metadata()?.len();
    let mut window = (0, Bytes::new());
    let mut read = |offset: u64, length: usize| -> Result<Bytes> {
        let length = length.min(usize::try_from(len.saturating_sub(offset)).unwrap_or(length));
        let skip = offset.checked_sub(window.0).and_then(|skip| usize::try_from(skip).ok());
        if let Some(skip) = skip.filter(|skip| skip.saturating_add(length) <= window.1.len()) {
            return Ok(window.1.slice(skip..skip + length));
        }
        let size = length.max(WINDOW).min(usize::try_from(len.saturating_sub(offset)).unwrap_or(WINDOW));
        let mut bytes = vec![0; size];
        file.read_exact_at(&mut bytes, offset)?;
        window = (offset, Bytes::from(bytes));
        Ok(window.1.slice(..length))
    };
    let kind = probe(&read(0, limits::PROBE_LEN)?, len).context("no film")?;
    let mut demuxer: Box<dyn Demuxer> = open(kind, len);
    let mut formats: Vec<(u32, Format)> = Vec::new();
    let mut stored = Vec::new();
    loop {
        match demuxer.poll()? {
            Event::Need { offset, length } => demuxer.handle_bytes(offset, read(offset, length)?),
            Event::Track(track) => formats.push((track.number, track.format)),
            Event::Sample(sample) => {
                let Some((_, format)) = formats.iter().find(|(number, _)| *number == sample.track) else {
                    bail!("a sample of no track");
                };
                stored.clear();
                format.store(&sample.data, sample.sync, &mut stored)?;
            }
            Event::Note(_) => {}
            Event::End => return Ok(()),
        }
    }
}

/// Adds the film with the program; its nodes are processes of their own.
fn add(film: &Path, bytes: u64, folder: &Path, options: &[&str]) -> Result<()> {
    let data = folder.join("data");
    let _ = std::fs::remove_dir_all(&data);
    let (began, before) = (Instant::now(), usage(libc::RUSAGE_CHILDREN)?.0);
    let child = Command::new(conformance::server::program()?)
        .args(["add", "--data", &data.to_string_lossy()])
        .args(options)
        .arg(film)
        .stdout(std::process::Stdio::null())
        .spawn()?;
    let mut status = 0;
    // SAFETY: both are ours, and all zeros is a value of theirs.
    let own = unsafe {
        let mut own: libc::rusage = std::mem::zeroed();
        ensure!(libc::wait4(child.id().cast_signed(), &mut status, 0, &mut own) > 0, "waiting for mobidic add");
        own
    };
    ensure!(status == 0, "mobidic add failed: {status}");
    let processor = usage(libc::RUSAGE_CHILDREN)?.0 - before;
    let what = format!("added {}", options.join(" "));
    say(&what, bytes, began.elapsed(), processor, u64::try_from(own.ru_maxrss).ok());
    let _ = std::fs::remove_dir_all(&data);
    Ok(())
}

/// Time of the processor, and the most memory in KiB.
fn usage(who: libc::c_int) -> Result<(Duration, u64)> {
    // SAFETY: all zeros is a value, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        ensure!(libc::getrusage(who, &mut usage) == 0, "getrusage");
        usage
    };
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    Ok((time(usage.ru_utime) + time(usage.ru_stime), usage.ru_maxrss as u64))
}
