//! A playback in virtual time, with a made-up film and a reader whose units come when the test wants.

use super::{
    film::{AUDIO, FRAME, Film, film},
    range::NANOSECONDS,
    trains::Trains,
    *,
};
use crate::playback::{Start, TrackInfo};
use rtp::clock::{ClockRate, RtpTimestamp};
use stripes::scattered::Piece;

use std::{ops::Range, time::Duration};

mod grow;
mod pacing;
mod ranges;
mod reports;
mod trick;

const CNAME: &str = "someone@somewhere";

/// One packet as it left.
#[derive(Clone, Debug)]
struct Sent {
    at: Duration,
    track: usize,
    bytes: Vec<u8>,
    /// Packets that left in the same train at the same time, of which this is the first.
    together: Option<usize>,
}

impl Sent {
    fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.bytes[2], self.bytes[3]])
    }

    fn timestamp(&self) -> RtpTimestamp {
        RtpTimestamp(u32::from_be_bytes([self.bytes[4], self.bytes[5], self.bytes[6], self.bytes[7]]))
    }
}

struct World {
    film: Film,
    playback: Playback,
    trains: Trains,
    scratch: Scratch,
    start: Instant,
    now: Instant,
    sent: Vec<Sent>,
    /// `(when, track, packet)`
    reports: Vec<(Duration, usize, Vec<u8>)>,
    events: Vec<(Duration, PlaybackEvent)>,
    /// Units that came, and requests that wait until they may.
    hold_units: bool,
    held: Vec<Piece>,
    admit: Box<dyn FnMut(usize, bool, usize) -> Admission>,
}

const ORIGIN: NtpTimestamp = NtpTimestamp(0xE000_0000_0000_0000);

impl World {
    fn new(film: Film, options: PlaybackOptions) -> Self {
        Self::over([Framing::Datagram; 2], film, options)
    }

    fn over(framings: [Framing; 2], film: Film, options: PlaybackOptions) -> Self {
        let start = Instant::now();
        let setups = [0, 1].map(|track| TrackSetup {
            track,
            ssrc: 100 + track as u32,
            payload_type: 96 + track as u8,
            framing: framings[track],
        });
        let layout = Arc::new(film.index.media.clone());
        let playback = Playback::new(film.index.clone(), layout, &setups, Arc::new(options), 42, start).unwrap();
        Self {
            film,
            playback,
            trains: Trains::default(),
            scratch: Scratch::default(),
            start,
            now: start,
            sent: Vec::new(),
            reports: Vec::new(),
            events: Vec::new(),
            hold_units: false,
            held: Vec::new(),
            admit: Box::new(|_, _, _| Admission::Yes),
        }
    }

    fn play(&mut self, start: Start, end: Option<f64>) -> (Range<MediaTime>, Vec<TrackInfo>) {
        self.play_at(start, end, Rate::NORMAL)
    }

    fn play_at(&mut self, start: Start, end: Option<f64>, rate: Rate) -> (Range<MediaTime>, Vec<TrackInfo>) {
        let reply = self.playback.play(start, end.map(MediaTime::from_secs_f64), rate, self.now).unwrap();
        self.poll();
        self.playback.go(self.now, self.wall());
        self.poll();
        reply
    }

    fn wall(&self) -> NtpTimestamp {
        let nanos = (self.now - self.start).as_nanos() as i64;
        ORIGIN.plus(Ticks(nanos), NANOSECONDS)
    }

    /// Lets virtual time pass, waking when the playback wants.
    fn pass(&mut self, time: f64) {
        let until = self.now + Duration::from_secs_f64(time);
        while let Some(next) = self.playback.poll_timeout().filter(|next| *next <= until) {
            self.now = next.max(self.now);
            let before = (self.sent.len(), self.reports.len(), self.playback.poll_timeout());
            self.poll();
            let after = (self.sent.len(), self.reports.len(), self.playback.poll_timeout());
            assert_ne!(before, after, "a deadline came and nothing happened");
        }
        self.now = until;
        self.poll();
    }

    fn bring(&mut self) {
        for piece in std::mem::take(&mut self.held) {
            let bytes = piece.of(&self.film.unit(piece.unit));
            self.playback.handle_bytes(piece, bytes);
        }
        self.poll();
    }

    fn poll(&mut self) {
        let at = self.now - self.start;
        loop {
            while let Some(request) = self.playback.poll_request() {
                let piece = request.piece;
                match self.hold_units {
                    true => self.held.push(piece),
                    false => self.playback.handle_bytes(piece, piece.of(&self.film.unit(piece.unit))),
                }
            }
            let transmit = self.playback.poll_transmit(self.now, &mut self.trains, &mut self.scratch, &mut self.admit);
            let Some(Transmit { track, train, packets, last }) = transmit else { break };
            for index in packets.clone() {
                let bytes = self.trains.get(train).packet(index).to_vec();
                let together = (index == packets.start).then_some(packets.len());
                self.sent.push(Sent { at, track, bytes, together });
            }
            if last {
                self.trains.give_back(train);
            }
        }
        let mut out = Vec::new();
        while let Some(track) = self.playback.poll_report(self.now, CNAME, &mut out) {
            self.reports.push((at, track, out.clone()));
        }
        if let Some(event) = self.playback.poll_event() {
            self.events.push((at, event));
        }
    }

    fn of(&self, track: usize) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(move |sent| sent.track == track)
    }

    /// The samples of a track in the order in which they left, each with its first packet's place in `of(track)`.
    fn samples(&self, track: usize) -> Vec<(usize, usize)> {
        let mut starts = true;
        let packets = self.of(track).enumerate();
        let begun = packets.map(|(place, sent)| (place, Film::begun(track, &sent.bytes, &mut starts)));
        begun.flat_map(|(place, numbers)| numbers.into_iter().map(move |number| (number, place))).collect()
    }

    fn numbers(&self, track: usize) -> Vec<usize> {
        self.samples(track).into_iter().map(|(number, _)| number).collect()
    }

    /// What must always hold: sequence numbers rise by one, and nothing is left over.
    fn check(&self) {
        for track in [0, 1] {
            let sequences: Vec<u16> = self.of(track).map(Sent::sequence).collect();
            assert!(sequences.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "track {track}");
        }
        if self.playback.is_drained() {
            assert_eq!(self.trains.out(), 0, "a train was not given back");
        }
    }
}

/// About 1 Mbit/s with key frames of 20 packets.
fn ordinary() -> Film {
    film(10, |sync, shown| if sync { 26_000 } else { 2_500 + shown as usize * 37 % 3_000 })
}
