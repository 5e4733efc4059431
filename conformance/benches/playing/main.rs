//! What a train costs us, the kernel left out: viewers in virtual time, their films in memory, no socket.
//!
//! ```text
//! cargo bench -p conformance --bench playing -- [options]
//!   --viewers N    each at its own position of one of twenty films (1000)
//!   --seconds S    of film that each is sent (10)
//!   --tcp          packets as they are interleaved
//!   --count        instructions a train instead, by callgrind, of two viewers
//! ```
//!
//! CPU is the thread's own, so what other processes take is not in it, but what they do to its caches is: run two builds in
//! turns. Instructions are the same every time, and stand for what no cache miss makes longer.

#[path = "../common/mod.rs"]
mod common;
mod film;

use anyhow::{Context, Result, bail, ensure};
use common::thread_time;
use film::{Film, Kind};
use rtp::{clock::NtpTimestamp, train::Framing};
use rtsp::playback::{Admission, Playback, PlaybackOptions, Rate, Scratch, Start, TrackSetup, trains::Trains};
use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};
use stripes::{layout::Layout, scattered::PieceRequest};

/// Films, half of each kind.
const FILMS: u64 = 20;

/// Seconds of each.
const LENGTH: i64 = 60;

/// Trains that lie ready before they leave, as in a batch.
const BATCH: usize = 64;

/// What was asked.
struct Options {
    viewers: usize,
    time: Duration,
    tcp: bool,
    count: bool,
}

fn main() -> Result<()> {
    let options = options()?;
    if options.count {
        return count(&options);
    }
    let kinds = [Kind::H264, Kind::Mpeg2];
    let films: Result<Vec<Film>> =
        (0..FILMS).map(|number| Film::new(kinds[number as usize % 2], number, LENGTH)).collect();
    let mut house = House::new(films?, &options)?;
    // Buffers grow, and all that is read for the first time is read.
    house.run(Duration::from_secs(1));
    let (before, sent) = (thread_time(), house.sent);
    run(&mut house, options.time);
    let (spent, trains) = (thread_time() - before, house.sent.trains - sent.trains);
    let packets = house.sent.packets - sent.packets;
    println!(
        "{} viewers, {:?}: {:.0} ns a train, {:.2} packets each, {:.1} trains a stream-second, {:.4} ms a stream-second",
        options.viewers,
        options.time,
        spent.as_secs_f64() * 1e9 / trains as f64,
        packets as f64 / trains as f64,
        trains as f64 / options.viewers as f64 / options.time.as_secs_f64(),
        spent.as_secs_f64() * 1e3 / options.viewers as f64 / options.time.as_secs_f64(),
    );
    println!("trains: {trains}");
    Ok(())
}

/// The name is callgrind's switch.
#[inline(never)]
fn run(house: &mut House, time: Duration) {
    house.run(time);
}

/// What left.
#[derive(Clone, Copy, Default)]
struct Sent {
    trains: u64,
    packets: u64,
}

/// All viewers, and the slots in which they are due.
struct House {
    films: Vec<Film>,
    /// With the film's number.
    viewers: Vec<(Box<Playback>, usize)>,
    slots: Vec<Vec<u32>>,
    trains: Trains,
    scratch: Scratch,
    start: Instant,
    /// Slots served.
    slot: usize,
    sent: Sent,
}

impl House {
    fn new(films: Vec<Film>, options: &Options) -> Result<Self> {
        let start = Instant::now();
        let playback = Arc::new(PlaybackOptions::default());
        let layouts: Vec<Arc<Layout>> = films.iter().map(|film| Arc::new(film.index.media.clone())).collect();
        let mut viewers = Vec::new();
        let mut slots = vec![Vec::new(); 1 << 16];
        for number in 0..options.viewers {
            let of = number % films.len();
            let setups = [0_u8, 1].map(|track| TrackSetup {
                track: track.into(),
                ssrc: (number * 2) as u32 + u32::from(track),
                payload_type: 96 + track,
                framing: if options.tcp { Framing::Interleaved { channel: 2 * track } } else { Framing::Datagram },
            });
            let (index, layout) = (films[of].index.clone(), layouts[of].clone());
            let mut viewer = Playback::new(index, layout, &setups, playback.clone(), number as u64, start)?;
            let position = rtp::clock::MediaTime((number as i64 * 7_919 % (LENGTH / 2 * 1_000)) * 1_000_000);
            viewer.play(Start::At(position), None, Rate::NORMAL, start)?;
            let slot = number * 997 % 1_000;
            slots[slot].push(u32::try_from(number)?);
            viewers.push((Box::new(viewer), of));
        }
        let (trains, scratch) = (Trains::default(), Scratch::default());
        let mut house = Self { films, viewers, slots, trains, scratch, start, slot: 0, sent: Sent::default() };
        for number in 0..house.viewers.len() {
            house.fetch(number);
            let go = start + Duration::from_millis(number as u64 * 997 % 1_000);
            house.viewers[number].0.go(go, NtpTimestamp(1 << 63));
        }
        Ok(house)
    }

    fn run(&mut self, time: Duration) {
        let mut sent = Vec::with_capacity(BATCH);
        let mut report = Vec::new();
        for slot in self.slot..self.slot + time.as_millis() as usize {
            let now = self.start + Duration::from_millis(slot as u64);
            let due = std::mem::take(&mut self.slots[slot]);
            for (at, &number) in due.iter().enumerate() {
                self.look_ahead(&due[at + 1..]);
                self.serve(number as usize, now, &mut sent, &mut report);
                let next = self.viewers[number as usize].0.poll_timeout();
                let next = next
                    .map_or(usize::MAX, |next| next.duration_since(self.start).as_micros().div_ceil(1_000) as usize);
                if let Some(slot) = self.slots.get_mut(next.max(slot + 1)) {
                    slot.push(number);
                }
            }
        }
        self.slot += time.as_millis() as usize;
        sent.drain(..).for_each(|train| self.trains.give_back(train));
    }

    /// As the worker does it.
    fn look_ahead(&self, next: &[u32]) {
        let peek = |place: usize| next.get(place).map(|number| &self.viewers[*number as usize].0);
        if let Some(viewer) = peek(7) {
            viewer.prefetch();
        }
        if let Some(viewer) = peek(5) {
            viewer.prefetch_tracks();
        }
        if let Some(viewer) = peek(3) {
            viewer.prefetch_sample();
        }
        if let Some(viewer) = peek(1) {
            viewer.prefetch_bytes();
        }
    }

    fn serve(
        &mut self,
        number: usize,
        now: Instant,
        sent: &mut Vec<rtsp::playback::trains::TrainId>,
        report: &mut Vec<u8>,
    ) {
        if self.viewers[number].0.wants_bytes() {
            self.fetch(number);
        }
        loop {
            let viewer = &mut self.viewers[number].0;
            let transmit = viewer.poll_transmit(now, &mut self.trains, &mut self.scratch, |_, _, _| Admission::Yes);
            let Some(transmit) = transmit else { break };
            while viewer.poll_report(now, "someone@somewhere", report).is_some() {}
            self.sent.trains += 1;
            self.sent.packets += transmit.packets.len() as u64;
            if transmit.last {
                sent.push(transmit.train);
            }
            if sent.len() == BATCH {
                sent.drain(..).for_each(|train| self.trains.give_back(train));
            }
            if self.viewers[number].0.wants_bytes() {
                self.fetch(number);
            }
        }
        while self.viewers[number].0.poll_report(now, "someone@somewhere", report).is_some() {}
    }

    fn fetch(&mut self, number: usize) {
        let (viewer, film) = &mut self.viewers[number];
        while let Some(PieceRequest { piece, .. }) = viewer.poll_request() {
            viewer.handle_bytes(piece, piece.of(&self.films[*film].unit(piece.unit)));
        }
    }
}

fn count(options: &Options) -> Result<()> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*playing::run*"])
        .arg(std::env::current_exe()?)
        .args(["--viewers", "2", "--seconds", "10"])
        .args(options.tcp.then_some("--tcp"))
        .output()
        .context("running valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).context("no count")?.1;
    let instructions: f64 = collected.split_whitespace().next().context("an empty count")?.parse()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let trains: f64 = printed.rsplit_once("trains: ").context("no trains")?.1.trim().parse()?;
    println!("{:.0} instructions a train", instructions / trains);
    Ok(())
}

fn options() -> Result<Options> {
    let mut options = Options { viewers: 1_000, time: Duration::from_secs(10), tcp: false, count: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--viewers" => options.viewers = value()?.parse()?,
            "--seconds" => options.time = Duration::from_secs(value()?.parse()?),
            "--tcp" => options.tcp = true,
            "--count" => options.count = true,
            // Cargo's own.
            "--bench" => {}
            other => bail!("{other}: no such option"),
        }
    }
    ensure!(options.time < Duration::from_secs(25), "at most 24 seconds: the films are a minute long");
    Ok(options)
}
