//! Films one after the other as a channel, on one line of time.
//!
//! | noun | meaning |
//! | --- | --- |
//! | `Programme` | a film's samples in decode order on the channel's line; which of its tracks go under which description |
//! | `MediaReader` | the samples' bytes from the stripes, read ahead |
//! | `clock` | when the next time of day comes |
//!
//! Each film begins where all tracks of the one before have ended, so that nothing overlaps. Where its tracks are of the
//! same kinds, the description stays, and viewers notice nothing; parameter sets travel with the pictures. A film of
//! other kinds begins another description: who watches the one before is told that it has ended.

mod clock;
mod programme;
mod reader;

use super::{FeedEnded, FeedTask};
use crate::channel::{Feeder, LiveUnit, TrackDescription};
use catalog::{channel::TimeOfDay, index::Index};
use programme::{Programme, describe, map_tracks};
use reader::MediaReader;
use rtp::clock::MediaTime;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Who is later than this has waited for bytes: the rest is not hurried after it.
const TOO_LATE: Duration = Duration::from_secs(1);

/// What a packet has beside units: headers of RTP and of a frame.
const HEADERS: usize = 16;

/// A round that is shorter than this plays nothing.
const SHORTEST: Duration = Duration::from_millis(100);
/// Problems with films that are told at most.
const MAX_TOLD: usize = 100;

/// Plays the list, now or when it is time.
pub(super) async fn run(task: &FeedTask, films: &[String], looped: bool, at: &[TimeOfDay]) -> Result<(), FeedEnded> {
    if at.is_empty() {
        return play(task, films, looped).await;
    }
    loop {
        task.status.set_idle(true);
        tokio::time::sleep(clock::until_next(at, clock::now())).await;
        task.status.set_idle(false);
        // The next time begins it anew, wherever it is by then.
        let next = clock::until_next(at, clock::now());
        match tokio::time::timeout(next, play(task, films, looped)).await {
            Ok(ended) => ended?,
            Err(_) => continue,
        }
    }
}

/// Plays the list from its start.
async fn play(task: &FeedTask, films: &[String], looped: bool) -> Result<(), FeedEnded> {
    let mut run = Run { task, feeding: None, began: Instant::now(), line: MediaTime::ZERO, units: 0 };
    let mut told: Vec<String> = Vec::new();
    loop {
        let (mut problem, start) = (None, run.line);
        for film in films {
            match run.film(film).await {
                Ok(()) => {}
                Err(Trouble::Film(reason)) => {
                    let what = format!("{film}: {reason}");
                    // Round after round it is the same.
                    if !told.contains(&what) && told.len() < MAX_TOLD {
                        tracing::warn!(channel = task.settings.name, film, reason, "left out");
                        told.push(what.clone());
                    }
                    problem = Some(what);
                }
                Err(Trouble::Channel(ended)) => return Err(ended),
            }
        }
        // Without this a list of nothing would go round without end.
        if run.line.since(start) < SHORTEST {
            return Err(FeedEnded(problem.unwrap_or_else(|| "the films of the list have no length".to_owned())));
        }
        if !looped {
            break;
        }
    }
    if let Some((feeder, _)) = run.feeding {
        feeder.end("the playlist is over");
    }
    Ok(())
}

/// What keeps a film from being played.
enum Trouble {
    /// It can't be, or not to its end; the next one may.
    Film(String),
    /// The channel takes nothing more.
    Channel(FeedEnded),
}

/// One run of the list.
struct Run<'a> {
    task: &'a FeedTask,
    feeding: Option<(Feeder, Vec<TrackDescription>)>,
    /// The wall clock's time of the line's zero.
    began: Instant,
    /// Where the next film may begin at the earliest: where the last one ended.
    line: MediaTime,
    units: u64,
}

impl Run<'_> {
    async fn film(&mut self, name: &str) -> Result<(), Trouble> {
        let index = self.open(name).await.map_err(Trouble::Film)?;
        let known = self.feeding.as_ref().and_then(|(_, described)| map_tracks(described, &index));
        let tracks: Vec<usize> = match known {
            Some(tracks) => tracks,
            None => {
                let (described, now) = (describe(&index), Instant::now());
                // The channel has one feeder at a time.
                self.feeding = None;
                let feeder = self.task.channel.feed(described.clone(), now);
                let feeder = feeder.map_err(|error| Trouble::Channel(FeedEnded(error.to_string())))?;
                self.feeding = Some((feeder, described));
                (0..index.tracks.len()).collect()
            }
        };
        let mut programme = Programme::new(index.clone(), tracks, self.line);
        self.line = programme.end();
        let mut reader = MediaReader::new(self.task.library.source().clone(), Arc::new(index.media.clone()));
        let max_bytes = self.task.channel.max_packet().saturating_sub(HEADERS);
        while let Some((due, track)) = programme.due() {
            let at = self.began + Duration::from_nanos(due.0.max(0).unsigned_abs());
            tokio::time::sleep_until(at.into()).await;
            let mut units = Vec::new();
            for (sample, at) in programme.next_group(track, max_bytes) {
                let data = match reader.read(sample.offset, sample.size).await {
                    Ok(data) => data,
                    Err(error) => {
                        // More nodes are away than parity makes up for: the next film begins here.
                        self.line = due.max(MediaTime::ZERO);
                        return Err(Trouble::Film(error));
                    }
                };
                units.push(LiveUnit { data, dts: at.0, pts: at.1, sync: sample.sync });
            }
            self.bring(track, &units)?;
            let behind = Instant::now().saturating_duration_since(at);
            if behind > TOO_LATE {
                self.began += behind;
            }
        }
        Ok(())
    }

    fn bring(&mut self, track: usize, units: &[LiveUnit]) -> Result<(), Trouble> {
        let Some((feeder, _)) = &self.feeding else { return Ok(()) };
        if !units.is_empty() && !feeder.units(track, units, Instant::now()) {
            return Err(Trouble::Channel(super::taken_over()));
        }
        self.units += units.len() as u64;
        self.task.status.count(self.units, 0);
        Ok(())
    }

    async fn open(&self, name: &str) -> Result<Arc<Index>, String> {
        let found = self.task.catalog.presentation(name).await.map_err(|error| error.to_string())?;
        let presentation = found.ok_or_else(|| "no presentation is called so".to_owned())?;
        self.task.library.open(&presentation).await.map_err(|error| error.to_string())
    }
}
