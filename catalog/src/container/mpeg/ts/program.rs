//! The streams of the program that was chosen, and how its map changes.

use super::super::gathered::Gathered;
use super::elementary::{self, Elementary};
use super::kind::Kind;
use super::packet::Packet;
use super::pes_reader::PesReader;
use super::psi::{Listed, ProgramMap, Programs, Sections};
use super::scout::{Choice, PROGRAM_LIST_PID};
use crate::container::{TrackInfo, limits};
use rtp::format::Media;

/// Streams that can be no track are told to people, so many of them.
const MAX_NAMED: usize = 64;

/// Routes packets to streams and gathers samples and notes.
#[derive(Debug)]
pub(super) struct Program {
    number: u16,
    map_pid: u16,
    clock_pid: u16,
    /// The map that was applied last.
    map: ProgramMap,
    list: Sections,
    programs: Programs,
    sections: Sections,
    streams: Vec<Stream>,
    /// Streams that were told to people as left out.
    named: Vec<Listed>,
    pub gathered: Gathered,
    announced: bool,
    /// The map that it began with, where a change of it ends the program.
    live: Option<ProgramMap>,
    changed: bool,
}

#[derive(Debug)]
struct Stream {
    /// Where it comes now; its track keeps the number that it began with.
    pid: u16,
    track: u32,
    kind: Kind,
    language: Option<String>,
    pes: PesReader,
    es: Box<dyn Elementary>,
    counter: Option<u8>,
    /// The last packet's payload, by which one that is sent twice is known.
    payload: Vec<u8>,
    begun: bool,
    left_out: bool,
    lost: u64,
    scrambled: u64,
}

impl Program {
    pub fn new(choice: &Choice) -> Self {
        let Choice { map_pid, map, programs, guessed } = choice;
        let mut program = Self {
            number: map.number,
            map_pid: *map_pid,
            clock_pid: map.clock_pid,
            map: map.clone(),
            list: Sections::default(),
            programs: Programs::default(),
            sections: Sections::default(),
            streams: Vec::new(),
            named: Vec::new(),
            gathered: Gathered::default(),
            announced: false,
            live: None,
            changed: false,
        };
        if *programs > 1 {
            program.gathered.note(format!("of {programs} programs, program {} is taken", map.number));
        }
        if *guessed {
            program.gathered.note("it has no program tables: its streams are told by their content".into());
        }
        program.apply(map);
        program
    }

    /// For a stream that comes live: its streams are those of the map that it began with, see [`Program::has_changed`].
    pub fn live(choice: &Choice) -> Self {
        let mut program = Self::new(choice);
        program.live = (!choice.guessed).then(|| choice.map.clone());
        program
    }

    /// Whether a live program is another now: its map lists other streams, or it is no longer in the list.
    pub fn has_changed(&self) -> bool {
        self.changed
    }

    pub fn handle(&mut self, packet: &Packet<'_>) {
        if packet.pid == self.clock_pid
            && let Some(clock) = packet.clock
        {
            self.gathered.timeline.handle_clock(clock);
        }
        let Some(payload) = packet.payload else { return };
        if packet.pid == PROGRAM_LIST_PID || packet.pid == self.map_pid {
            return self.handle_tables(packet, payload);
        }
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.pid == packet.pid) else { return };
        if stream.left_out || !stream.is_new(packet, payload) {
            return;
        }
        if packet.scrambled {
            stream.scrambled += 1;
            return;
        }
        let Some(piece) = stream.pes.handle(payload, packet.starts) else { return };
        let stamp = piece.header.and_then(|header| Some(self.gathered.timeline.stamp_both(header.pts?, header.dts)));
        let payload = &payload[piece.skipped..payload.len() - piece.left];
        let before = self.gathered.samples.len();
        stream.es.handle_payload(payload, stamp, &mut self.gathered);
        stream.begun |= self.gathered.samples.len() > before;
        let pid = packet.pid;
        self.gathered.note_jumps(format_args!("PID {pid:#06x}"));
    }

    /// The program's map may change, and may come on another PID.
    fn handle_tables(&mut self, packet: &Packet<'_>, payload: &[u8]) {
        if packet.pid == PROGRAM_LIST_PID {
            let programs = &mut self.programs;
            self.list.handle(payload, packet.starts, &mut |section| {
                programs.handle(section);
            });
            let moved = self.programs.list().iter().find(|(number, _)| *number == self.number);
            if let Some((_, pid)) = moved
                && *pid != self.map_pid
            {
                (self.map_pid, self.sections) = (*pid, Sections::default());
            }
            self.changed |= self.live.is_some() && moved.is_none() && !self.programs.list().is_empty();
            return;
        }
        let mut newest = None;
        let number = self.number;
        self.sections.handle(payload, packet.starts, &mut |section| {
            newest = ProgramMap::parse(section).filter(|map| map.number == number).or(newest.take());
        });
        if let (Some(begun), Some(map)) = (&self.live, &newest) {
            self.changed |= begun.streams != map.streams || begun.clock_pid != map.clock_pid;
            return;
        }
        // Recordings that were joined have another map of the same version.
        if let Some(map) = newest.filter(|map| *map != self.map) {
            self.clock_pid = map.clock_pid;
            self.apply(&map);
            self.map = map;
        }
    }

    /// Makes the streams of `map` those of the program. What moved to another PID goes on in the track that it had.
    fn apply(&mut self, map: &ProgramMap) {
        for listed in &map.streams {
            let Some(kind) = listed.kind.kind else {
                self.name(listed, None);
                continue;
            };
            if let Some(known) = self.streams.iter().find(|stream| stream.pid == listed.pid) {
                if known.kind != kind {
                    self.name(listed, Some("which was something else before"));
                    self.leave_out(listed.pid);
                }
                continue;
            }
            let gone = |stream: &&mut Stream| map.streams.iter().all(|listed| listed.pid != stream.pid);
            let mut moved =
                self.streams.iter_mut().filter(|stream| stream.kind == kind && !stream.left_out).filter(gone);
            if let Some(stream) = moved.find(|stream| stream.language == listed.language) {
                (stream.pid, stream.pes, stream.counter) = (listed.pid, PesReader::of(kind.extension()), None);
                continue;
            }
            if self.announced {
                self.name(listed, Some("which begins too late"));
            } else if self.streams.len() >= limits::MAX_TRACKS {
                self.name(listed, Some("which is one too many"));
            } else {
                self.streams.push(Stream::new(listed, kind));
            }
        }
    }

    /// Says once that a stream is left out.
    fn name(&mut self, listed: &Listed, why: Option<&str>) {
        if self.named.len() < MAX_NAMED && !self.named.contains(listed) {
            self.named.push(listed.clone());
            let Listed { pid, kind, .. } = listed;
            let why = why.map_or(String::new(), |why| format!(", {why}"));
            self.gathered.note(format!("left out: PID {pid:#06x}: {}{why}", kind.describe()));
        }
    }

    fn leave_out(&mut self, pid: u16) {
        for stream in self.streams.iter_mut().filter(|stream| stream.pid == pid) {
            stream.es.finish(&mut self.gathered);
            stream.left_out = true;
        }
    }

    /// The streams are over.
    pub fn finish(&mut self) {
        let mut notes = Vec::new();
        for stream in self.streams.iter_mut().filter(|stream| !stream.left_out) {
            let before = self.gathered.samples.len();
            stream.es.finish(&mut self.gathered);
            stream.begun |= self.gathered.samples.len() > before;
            let Stream { pid, lost, scrambled, pes, .. } = stream;
            let (junk, scrambled) = (stream.es.take_junk(), *scrambled + pes.scrambled);
            let counts = [
                (*lost, "breaks in its packet counter"),
                (scrambled, "scrambled packets left out"),
                (pes.damaged, "damaged packet headers"),
                (junk, "bytes of damaged or incomplete access units left out"),
            ];
            let said: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
            if !said.is_empty() {
                notes.push(format!("PID {pid:#06x}: {}", said.join(", ")));
            }
        }
        for note in notes {
            self.gathered.note(note);
        }
    }

    /// Gives out samples that only wait for the next one to end them, so that their durations are guesses.
    pub fn release_held(&mut self) {
        for stream in self.streams.iter_mut().filter(|stream| !stream.left_out) {
            stream.es.release_held(&mut self.gathered);
        }
    }

    /// Breaks in the packet counters of all streams.
    pub fn lost(&self) -> u64 {
        self.streams.iter().map(|stream| stream.lost).sum()
    }

    /// Whether every stream of the program has given a sample, by which its start is known.
    pub fn all_begun(&self) -> bool {
        self.streams.iter().all(|stream| stream.begun || stream.left_out)
    }

    /// The tracks, video first; what has shown no format by now will be none.
    pub fn announce(&mut self) -> Vec<TrackInfo> {
        self.announced = true;
        let (mut tracks, mut unknown) = (Vec::new(), Vec::new());
        for stream in self.streams.iter_mut().filter(|stream| !stream.left_out) {
            let Stream { pid, track, kind, es, language, .. } = stream;
            if let (Some(format), true) = (es.format(), stream.begun) {
                let (number, language, timescale) = (*track, language.clone(), es.timescale());
                tracks.push(TrackInfo { number, format, language, timescale });
            } else {
                stream.left_out = true;
                let why = match stream.scrambled + stream.pes.scrambled {
                    0 => "which has no whole access unit",
                    _ => "which is scrambled",
                };
                unknown.push(format!("left out: PID {pid:#06x}: {}, {why}", kind.name()));
            }
        }
        for note in unknown {
            self.gathered.note(note);
        }
        tracks.sort_by_key(|track| track.format.media() != Media::Video);
        tracks
    }
}

impl Stream {
    fn new(listed: &Listed, kind: Kind) -> Self {
        let track = u32::from(listed.pid);
        Self {
            pid: listed.pid,
            track,
            kind,
            language: listed.language.clone(),
            pes: PesReader::of(kind.extension()),
            es: elementary::new(kind, track),
            counter: None,
            payload: Vec::new(),
            begun: false,
            left_out: false,
            lost: 0,
            scrambled: 0,
        }
    }

    /// Whether a packet isn't the one before sent again (ISO 13818-1 2.4.3.3); counts where others are missing.
    fn is_new(&mut self, packet: &Packet<'_>, payload: &[u8]) -> bool {
        let last = self.counter.replace(packet.counter);
        let again = last == Some(packet.counter) && self.payload == payload;
        if again && !packet.discontinuity {
            return false;
        }
        let expected = last.map(|last| last.wrapping_add(1) & 0xF);
        if expected.is_some_and(|expected| expected != packet.counter) && !packet.discontinuity {
            self.lost += 1;
        }
        self.payload.clear();
        self.payload.extend_from_slice(payload);
        true
    }
}
