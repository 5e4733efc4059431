//! The demuxer: looks for the program first, then reads the file in order.

use super::packet::{Item, Packet, Packets};
use super::program::Program;
use super::scout::Scout;
use crate::container::{ContainerError, Demuxer, Event, TrackInfo};
use bytes::Bytes;
use std::collections::VecDeque;

/// Bytes asked for at once.
const READ_LEN: usize = 1 << 20;
/// The program is looked for in this much of the file. Program lists and maps come ten times a second (ETSI TR 101 290
/// 5.2.1), and players look no further than this either (ffmpeg: 5 MB).
const SCOUT_LEN: u64 = 8 << 20;
/// Where a stream of the program has not given its first sample within this much, no longer is waited.
const SEARCH_LEN: u64 = 8 << 20;
/// Samples that gather until then at most: a stream of frames of ten bytes would make millions.
const MAX_GATHERED: usize = 100_000;

/// MPEG transport streams with packets of 188, 192 or 204 bytes.
///
/// The first program with video is taken, or the one that is asked for. Track numbers are PIDs. A file is read once from start to end, after its
/// first megabytes were looked through for the program.
#[derive(Debug)]
pub struct Ts {
    len: u64,
    /// Up to where the file is used up.
    at: u64,
    packets: Packets,
    events: VecDeque<Event>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Scouting(Box<Scout>),
    /// Samples gather until it is known where the presentation starts.
    Searching(Box<Program>),
    /// Samples leave, their times counted from `zero` in 90 kHz.
    Running {
        program: Box<Program>,
        tracks: Vec<TrackInfo>,
        zero: i64,
    },
    /// All has been read; an error if no track was found.
    Over(Result<(), ContainerError>),
}

impl Ts {
    /// A file of `len` bytes.
    pub fn new(len: u64) -> Self {
        Self::of_program(len, None)
    }

    /// The same; `program`: its `program_number`.
    pub fn of_program(len: u64, program: Option<u16>) -> Self {
        let stage = Stage::Scouting(Box::new(Scout::new(program)));
        Self { len, at: 0, packets: Packets::default(), events: VecDeque::new(), stage }
    }

    /// Takes what can be taken from the file's bytes from `self.at` on; says how many it used up.
    fn parse(&mut self, bytes: &[u8], at_end: bool) -> usize {
        let mut rest = bytes;
        while let Some(item) = self.packets.next(&mut rest, at_end) {
            match (item, &mut self.stage) {
                (Item::Packet(bytes), Stage::Scouting(scout)) => {
                    if Packet::parse(bytes).is_some_and(|packet| scout.handle(&packet))
                        && let Some(choice) = scout.choice(false)
                    {
                        self.stage = Stage::Searching(Box::new(Program::new(&choice)));
                        (self.at, self.packets) = (0, Packets::default());
                        return 0;
                    }
                }
                (Item::Packet(bytes), Stage::Searching(program) | Stage::Running { program, .. }) => {
                    if let Some(packet) = Packet::parse(bytes) {
                        program.handle(&packet);
                    }
                }
                (Item::Junk { offset, len }, Stage::Searching(program) | Stage::Running { program, .. }) => {
                    program.gathered.note(passed_over(offset, len));
                }
                _ => {}
            }
        }
        bytes.len() - rest.len()
    }

    /// What has been read is all there is to choose from.
    fn choose(&mut self) {
        let Stage::Scouting(scout) = &self.stage else { return };
        self.stage = match scout.choice(true) {
            Some(choice) => Stage::Searching(Box::new(Program::new(&choice))),
            None => Stage::Over(Err(error(self.at, scout.nothing()))),
        };
        (self.at, self.packets) = (0, Packets::default());
    }

    fn finish(&mut self) {
        if let (Some((offset, len)), Stage::Searching(program) | Stage::Running { program, .. }) =
            (self.packets.take_junk(), &mut self.stage)
        {
            program.gathered.note(passed_over(offset, len));
        }
        if let Stage::Searching(program) | Stage::Running { program, .. } = &mut self.stage {
            program.finish();
        }
        self.announce();
        self.release();
        let found = match &mut self.stage {
            Stage::Running { tracks, .. } if tracks.is_empty() => {
                let mut reason = "no stream of the program can be taken".to_owned();
                for event in self.events.drain(..) {
                    if let Event::Note(note) = event {
                        reason = format!("{reason}; {note}");
                    }
                }
                Err(error(self.len, reason))
            }
            _ => Ok(()),
        };
        self.stage = Stage::Over(found);
    }

    fn announce(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Over(Ok(()))) {
            Stage::Searching(mut program) => {
                let tracks = program.announce();
                let zero = program.gathered.earliest(&tracks);
                self.events.extend(tracks.iter().cloned().map(Event::Track));
                self.stage = Stage::Running { program, tracks, zero };
            }
            other => self.stage = other,
        }
    }

    /// Turns what the program gathered into events.
    fn release(&mut self) {
        let (Stage::Searching(program) | Stage::Running { program, .. }) = &mut self.stage else { return };
        self.events.extend(program.gathered.notes.drain(..).map(Event::Note));
        let Stage::Running { program, tracks, zero } = &mut self.stage else { return };
        program.gathered.release(tracks, *zero, &mut self.events);
    }
}

fn passed_over(offset: u64, len: u64) -> String {
    format!("{len} bytes that belong to no packet passed over at byte {offset}")
}

fn error(offset: u64, reason: String) -> ContainerError {
    ContainerError { format: "mpeg-ts", offset, path: String::new(), reason }
}

impl Demuxer for Ts {
    fn poll(&mut self) -> Result<Event, ContainerError> {
        if let Some(event) = self.events.pop_front() {
            return Ok(event);
        }
        match &self.stage {
            Stage::Over(found) => found.clone().map(|()| Event::End),
            _ if self.at >= self.len => {
                self.finish();
                self.poll()
            }
            _ => {
                let left = usize::try_from(self.len - self.at).unwrap_or(usize::MAX);
                Ok(Event::Need { offset: self.at, length: left.min(READ_LEN) })
            }
        }
    }

    fn handle_bytes(&mut self, offset: u64, bytes: Bytes) {
        if offset != self.at || matches!(self.stage, Stage::Over(_)) {
            return;
        }
        // A file may have become shorter since its length was taken.
        let at_end = bytes.len() < READ_LEN || offset + bytes.len() as u64 >= self.len;
        let scouting = matches!(self.stage, Stage::Scouting(_));
        let used = self.parse(&bytes, at_end) as u64;
        if scouting {
            if matches!(self.stage, Stage::Scouting(_)) {
                self.at += used;
                if at_end || self.at >= SCOUT_LEN {
                    self.choose();
                }
            }
            return;
        }
        self.at += used;
        if at_end {
            self.at = self.len;
            return self.finish();
        }
        if let Stage::Searching(program) = &self.stage
            && (program.all_begun() || self.at >= SEARCH_LEN || program.gathered.samples.len() >= MAX_GATHERED)
        {
            self.announce();
        }
        self.release();
    }
}
