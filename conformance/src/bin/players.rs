//! Plays films in real players and writes what came of it as a table: file x player x transport.
//!
//! `players [--made] [--at-once N] [--only WORD]... [FILE...]` adds the files, and with `--made` those that the tests make,
//! to a server of its own; each `--only ffmpeg`, `gstreamer`, `seek`, `udp` or `tcp` leaves out the rows that it isn't true of. ffmpeg and GStreamer decode each file as it is and then as it is received over UDP and TCP; a row says what
//! was expected, what was seen, and the first difference. A run may take half as long again as its film and 20 s. Of
//! films longer than two minutes the first 30 s are played, and the last 10 s after a seek. The exit status is 1 where
//! anything came short.

use anyhow::{Context, Result, bail};
use conformance::{
    compare::tempdir,
    films,
    players::table::{Film, Row, Run},
    server::Server,
};
use std::{
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut files, mut made, mut at_once, mut only) = (Vec::new(), None, cores() * 4, Vec::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--made" => made = Some(tempdir()?),
            "--at-once" => at_once = arguments.next().context("--at-once needs a number")?.parse()?,
            "--only" => only.push(arguments.next().context("--only needs a word")?),
            _ => files.push(PathBuf::from(argument)),
        }
    }
    if let Some(folder) = &made {
        let recipes = films::matrix().collect::<Vec<_>>();
        files
            .extend(together(cores(), &recipes, |recipe| recipe.make(folder)).into_iter().collect::<Result<Vec<_>>>()?);
    }
    if files.is_empty() {
        bail!("usage: players [--made] [--at-once N] [--only ffmpeg|gstreamer|seek|udp|tcp]... [FILE...]");
    }
    let rows = table(&files, at_once.max(1), &only)?;
    if let Some(folder) = made {
        std::fs::remove_dir_all(folder)?;
    }
    println!("{}", Row::HEAD);
    rows.iter().for_each(|row| println!("{row}"));
    let short = rows.iter().filter(|row| row.short).count();
    println!("\n{} rows of {} files, {short} short", rows.len(), files.len());
    std::process::exit(i32::from(short > 0));
}

fn table(files: &[PathBuf], at_once: usize, only: &[String]) -> Result<Vec<Row>> {
    let server = Server::start(&[])?;
    // Adding and decoding are work, playing is waiting.
    let numbered: Vec<(usize, &PathBuf)> = files.iter().enumerate().collect();
    let films = together(cores(), &numbered, |(number, file)| Film::add(&server, file, &format!("film{number}")));
    let mut jobs: Vec<(usize, &Film, Run)> = Vec::new();
    for (number, film) in films.iter().enumerate() {
        let film = film.as_ref().ok();
        let wanted = |run: &Run| only.iter().all(|word| run.is(word));
        jobs.extend(
            film.into_iter()
                .flat_map(|film| film.runs().into_iter().filter(wanted).map(move |run| (number, film, run))),
        );
    }
    // The longest first: none is then waited for alone.
    jobs.sort_by(|(_, a, _), (_, b, _)| b.seconds().total_cmp(&a.seconds()));
    let played = together(at_once, &jobs, |(_, film, run)| {
        let row = film.run(*run);
        eprintln!("{row}");
        row
    });
    let mut rows: Vec<(usize, Row)> = jobs.iter().map(|(number, ..)| *number).zip(played).collect();
    rows.extend(films.into_iter().enumerate().filter_map(|(number, film)| Some((number, *film.err()?))));
    rows.sort_by_key(|(number, _)| *number);
    server.stop()?;
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Some jobs at a time, begun in their order; the results lie in theirs, too.
fn together<J: Sync, R: Send>(at_once: usize, jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(number) else { break };
                    let result = work(job);
                    done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((number, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}
