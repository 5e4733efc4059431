//! Transport streams as they come, in pieces of any length: nothing can be asked for twice, and the program may change.

use super::packet::{Item, PACKET_LEN, Packet, Packets};
use super::program::Program;
use super::scout::Scout;
use crate::container::{ContainerError, DemuxedSample, TrackInfo, limits};
use bytes::{Buf, BytesMut};
use rtp::format::Format;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So long is waited for program tables, which come ten times a second (ETSI TR 101 290 5.2.1).
const TABLES_LIMIT: Duration = Duration::from_secs(5);
/// So long is waited for a stream that is in the tables: then the others are taken without it. Pictures that decoding
/// may begin with come every second or two.
const BEGIN_LIMIT: Duration = Duration::from_secs(3);
/// Bytes and samples that gather until then at most: a stream of zero bytes a second would make millions of them.
const MAX_GATHERED_LEN: usize = 32 << 20;
const MAX_GATHERED: usize = 20_000;

/// What came of the bytes.
#[derive(Debug)]
pub(crate) enum LiveEvent {
    /// The tracks from here on, video first.
    Tracks(Vec<TrackInfo>),
    /// The next sample of one of them, its times on a line of the stream's own that all tracks share.
    Sample(DemuxedSample),
}

/// Takes a transport stream apart while it comes: [`LiveTs::handle_bytes`] takes in, [`LiveTs::poll`] gives out.
#[derive(Debug)]
pub(crate) struct LiveTs {
    wanted: Option<u16>,
    buffer: BytesMut,
    packets: Packets,
    stage: Stage,
    events: VecDeque<LiveEvent>,
    /// Packets and bytes missed, of programs that are over.
    lost: u64,
    junk: u64,
}

#[derive(Debug)]
enum Stage {
    /// Until the program is known, from the first packet on.
    Scouting {
        scout: Box<Scout>,
        since: Option<Instant>,
    },
    /// Samples gather until it is known which streams there are.
    Searching {
        program: Box<Program>,
        since: Instant,
    },
    Running {
        program: Box<Program>,
        tracks: Vec<TrackInfo>,
    },
}

impl LiveTs {
    /// `program`: its `program_number`; `None`: the first with video.
    pub fn new(program: Option<u16>) -> Self {
        Self {
            wanted: program,
            buffer: BytesMut::new(),
            packets: Packets::default(),
            stage: Stage::scouting(program),
            events: VecDeque::new(),
            lost: 0,
            junk: 0,
        }
    }

    /// The next bytes of the stream.
    ///
    /// # Errors
    /// It has no program that can be taken: nothing more will come of it.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) -> Result<(), ContainerError> {
        self.buffer.extend_from_slice(bytes);
        let taken = std::mem::take(&mut self.buffer);
        let mut rest = &taken[..];
        while let Some(item) = self.packets.next(&mut rest, false) {
            match item {
                Item::Packet(packet) => self.handle_packet(packet, now),
                Item::Junk { len, .. } => self.junk += len,
            }
        }
        let used = taken.len() - rest.len();
        self.buffer = taken;
        self.buffer.advance(used);
        self.go_on(now)
    }

    /// Nothing has come for a while: what only waited for its end is given out.
    pub fn handle_silence(&mut self) {
        if let Stage::Running { program, .. } = &mut self.stage {
            program.finish();
        }
        self.release();
    }

    /// What came of it, in decode order of each track.
    pub fn poll(&mut self) -> Option<LiveEvent> {
        self.events.pop_front()
    }

    /// Breaks in the packet counters of the streams that are taken.
    pub fn lost(&self) -> u64 {
        self.lost + self.stage.program().map_or(0, Program::lost)
    }

    /// Bytes that belong to no packet.
    pub fn junk(&self) -> u64 {
        self.junk
    }

    fn handle_packet(&mut self, bytes: &[u8], now: Instant) {
        let Some(packet) = Packet::parse(bytes) else {
            self.junk += PACKET_LEN as u64;
            return;
        };
        match &mut self.stage {
            Stage::Scouting { scout, since } => {
                since.get_or_insert(now);
                if scout.handle(&packet)
                    && let Some(choice) = scout.choice(false)
                {
                    self.stage = Stage::Searching { program: Box::new(Program::live(&choice)), since: now };
                }
            }
            Stage::Searching { program, .. } | Stage::Running { program, .. } => {
                program.handle(&packet);
                if program.has_changed() {
                    self.lost += program.lost();
                    self.release();
                    self.stage = Stage::scouting(self.wanted);
                }
            }
        }
    }

    /// What time or amount brings about.
    fn go_on(&mut self, now: Instant) -> Result<(), ContainerError> {
        match &mut self.stage {
            Stage::Scouting { scout, since: Some(since) } if now.saturating_duration_since(*since) > TABLES_LIMIT => {
                let choice = scout.choice(true).ok_or_else(|| error(scout.nothing()))?;
                self.stage = Stage::Searching { program: Box::new(Program::live(&choice)), since: now };
            }
            Stage::Searching { program, since } => {
                let late = now.saturating_duration_since(*since) > BEGIN_LIMIT;
                let gathered: usize = program.gathered.samples.iter().map(|sample| sample.data.len()).sum();
                let full = gathered > MAX_GATHERED_LEN || program.gathered.samples.len() > MAX_GATHERED;
                if program.all_begun() || late || full {
                    self.announce()?;
                }
            }
            _ => {}
        }
        self.release();
        Ok(())
    }

    fn announce(&mut self) -> Result<(), ContainerError> {
        let Stage::Searching { program, .. } = std::mem::replace(&mut self.stage, Stage::scouting(self.wanted)) else {
            return Ok(());
        };
        let mut program = program;
        let mut tracks = program.announce();
        // What travels in ASF needs packets of that, whose header says how long the film is.
        tracks.retain(|track| !matches!(track.format, Format::Asf { .. }));
        if tracks.is_empty() {
            let notes: Vec<String> = program.gathered.notes.drain(..).collect();
            return Err(error(format!("no stream of the program can be taken; {}", notes.join("; "))));
        }
        self.events.push_back(LiveEvent::Tracks(tracks.clone()));
        self.stage = Stage::Running { program, tracks };
        Ok(())
    }

    fn release(&mut self) {
        let Stage::Running { program, tracks } = &mut self.stage else { return };
        program.release_held();
        program.gathered.notes.clear();
        let known = program.gathered.samples.drain(..).filter(|sample| tracks.iter().any(|t| t.number == sample.track));
        self.events.extend(known.map(LiveEvent::Sample));
    }
}

impl Stage {
    fn scouting(wanted: Option<u16>) -> Self {
        Stage::Scouting { scout: Box::new(Scout::new(wanted)), since: None }
    }

    fn program(&self) -> Option<&Program> {
        match self {
            Stage::Scouting { .. } => None,
            Stage::Searching { program, .. } | Stage::Running { program, .. } => Some(program),
        }
    }
}

fn error(reason: String) -> ContainerError {
    ContainerError { format: "mpeg-ts", offset: 0, path: String::new(), reason: limit(reason) }
}

/// What a stranger's tables say of their streams may be long.
fn limit(mut reason: String) -> String {
    let mut end = reason.len().min(20 * limits::MAX_NOTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.truncate(end);
    reason
}
