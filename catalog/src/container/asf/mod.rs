//! Advanced Systems Format: ASF, WMV, WMA (Microsoft, "ASF Specification" 01.20.05).
//!
//! The header tells the streams (`header`, `select`); data packets of one size follow, each with payloads of any
//! streams (`packet`); payloads make media objects (`assemble`). Each object is laid anew into packets of its own
//! stream alone ([`wrap`]): that is what players are sent, with the times of the presentation, the file's preroll
//! taken out. Indexes are not needed.

mod assemble;
mod header;
mod limits;
mod packet;
mod select;
#[cfg(test)]
mod tests;
pub mod wrap;

use super::limits::MAX_NOTES;
use super::loader::{Loader, OverLoader};
use super::{ContainerError, DemuxedSample, Event, TrackInfo};
use assemble::{Assembler, MediaObject};
use bytes::Bytes;
use header::{DATA_HEAD, FileHeader, HEAD, OBJECT_HEAD, Stream, object_head};
use limits::{MAX_HEADER, MAX_HELD, MAX_OPEN, MAX_SKIPPED, READ_BYTES};
use rtp::asf::guid;
use std::collections::VecDeque;
use wrap::TIMESCALE;

/// Whether a file that begins with `head` is ASF.
pub fn looks_like(head: &[u8]) -> bool {
    head.starts_with(&guid::HEADER)
}

/// Reads an ASF file.
#[derive(Debug)]
pub struct AsfDemuxer {
    loader: Loader,
    state: State,
    out: VecDeque<Event>,
    packet_size: usize,
    preroll_ms: i64,
    broadcast: bool,
    lanes: Vec<Lane>,
    /// Media objects that wait for every stream's first one, with their lanes.
    held: VecDeque<(usize, MediaObject)>,
    held_bytes: usize,
    /// Presentation time zero as the file counts, once it is known.
    zero_ms: Option<i64>,
    damaged: usize,
}

#[derive(Debug)]
enum State {
    /// How long the header is.
    Start,
    /// All of it: so many bytes.
    Header { size: u64 },
    /// The data object begins at `at`, or another that has no place there.
    FindData { at: u64, skipped: usize },
    /// Data packets from `at` to `end`; `open`: where they end is not known.
    Packets { at: u64, end: u64, open: bool },
    /// Nothing is left.
    End,
}

/// A stream on its way.
#[derive(Debug)]
struct Lane {
    stream: Stream,
    assembler: Assembler,
    /// Its first object has come.
    seen: bool,
    last_ms: Option<i64>,
    duration_ms: i64,
    wrong_spread: bool,
}

impl OverLoader for AsfDemuxer {
    fn parts(&mut self) -> (&mut VecDeque<Event>, &mut Loader) {
        (&mut self.out, &mut self.loader)
    }

    fn step(&mut self) -> Result<bool, ContainerError> {
        match self.state {
            State::Start => self.start()?,
            State::Header { size } => self.header(size)?,
            State::FindData { at, skipped } => self.find_data(at, skipped)?,
            State::Packets { at, end, open } => self.packet(at, end, open),
            State::End => return Ok(false),
        }
        Ok(true)
    }
}

impl AsfDemuxer {
    /// For a file of `len` bytes.
    pub fn new(len: u64) -> Self {
        Self {
            loader: Loader::new("asf", len),
            state: State::Start,
            out: VecDeque::new(),
            packet_size: 1,
            preroll_ms: 0,
            broadcast: false,
            lanes: Vec::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            zero_ms: None,
            damaged: 0,
        }
    }

    /// Up to `length` bytes from `at`, as far as the file has them; `None` while they are on the way.
    fn read(&mut self, at: u64, length: u64) -> Option<Bytes> {
        match self.loader.file_len().saturating_sub(at).min(length) {
            0 => Some(Bytes::new()),
            length => self.loader.whole(at, length),
        }
    }

    fn start(&mut self) -> Result<(), ContainerError> {
        let Some(bytes) = self.read(0, HEAD as u64) else { return Ok(()) };
        let size = match object_head(&bytes) {
            Some((guid::HEADER, size)) if bytes.len() == HEAD => size,
            _ => return Err(error(0, "a header object expected")),
        };
        let len = self.loader.file_len();
        if size < HEAD as u64 || size > len {
            return Err(error(16, format!("the header has {size} bytes, the file {len}")));
        }
        if size > MAX_HEADER {
            return Err(error(16, format!("the header has {size} bytes; at most {MAX_HEADER} are read")));
        }
        self.state = State::Header { size };
        Ok(())
    }

    fn header(&mut self, size: u64) -> Result<(), ContainerError> {
        let Some(bytes) = self.read(0, size) else { return Ok(()) };
        let header = FileHeader::read(&bytes)?;
        self.out.extend(header.notes.into_iter().take(MAX_NOTES).map(Event::Note));
        for stream in header.streams {
            self.out.push_back(Event::Track(TrackInfo {
                number: stream.number.into(),
                format: stream.wrapper.format(),
                language: stream.language.clone(),
                timescale: TIMESCALE,
            }));
            self.lanes.push(Lane {
                duration_ms: stream.frame_ms.unwrap_or(0),
                stream,
                assembler: Assembler::default(),
                seen: false,
                last_ms: None,
                wrong_spread: false,
            });
        }
        self.packet_size = header.packet_size;
        self.preroll_ms = i64::try_from(header.preroll_ms).unwrap_or(0);
        self.broadcast = header.broadcast;
        self.state = State::FindData { at: bytes.len() as u64, skipped: 0 };
        Ok(())
    }

    fn find_data(&mut self, at: u64, skipped: usize) -> Result<(), ContainerError> {
        let Some(bytes) = self.read(at, DATA_HEAD) else { return Ok(()) };
        let (name, size) = object_head(&bytes).ok_or_else(|| error(at, "no data object, the file ends here"))?;
        if name == guid::DATA {
            let packets = at + DATA_HEAD;
            let said = at.checked_add(size).filter(|_| size > DATA_HEAD && !self.broadcast);
            let len = self.loader.file_len();
            let end = said.unwrap_or(len).min(len);
            if said.is_some_and(|said| said > len) {
                let left = len.saturating_sub(packets);
                self.note(format!("the file is cut: {} bytes of data should be there, {left} are", size - DATA_HEAD));
            }
            self.state = State::Packets { at: packets, end, open: said.is_none() };
            return Ok(());
        }
        let next = at.checked_add(size).filter(|_| size >= OBJECT_HEAD as u64 && skipped < MAX_SKIPPED);
        let next = next.ok_or_else(|| error(at, "no data object behind the header"))?;
        self.state = State::FindData { at: next, skipped: skipped + 1 };
        Ok(())
    }

    /// Takes the next packet in; those behind it are read with it. One at a time: each may hold an object every two bytes.
    fn packet(&mut self, at: u64, end: u64, open: bool) {
        let size = self.packet_size as u64;
        let left = end.saturating_sub(at);
        if left < size {
            return self.last_packet(at, left);
        }
        let Some(packet) = self.loader.whole_ahead(at, size, READ_BYTES) else { return };
        let name = packet.first_chunk::<16>();
        if open && (name == Some(&guid::SIMPLE_INDEX) || name == Some(&guid::INDEX)) {
            return self.end();
        }
        match packet::payloads(&packet) {
            Ok(payloads) => {
                for payload in payloads {
                    self.payload(&payload, packet.get(payload.data.clone()).unwrap_or_default(), false);
                }
            }
            Err((offset, reason)) => {
                let place = error(at + offset as u64, reason);
                self.note(format!("a data packet is left out: {place}"));
            }
        }
        self.state = State::Packets { at: at + size, end, open };
    }

    /// Takes what is there of a packet in which the file ends: as players do, the object that is cut as far as it goes.
    fn last_packet(&mut self, at: u64, left: u64) {
        let Some(part) = self.read(at, left) else { return };
        let mut packet = part.to_vec();
        packet.resize(self.packet_size, 0);
        for payload in packet::payloads(&packet).unwrap_or_default() {
            let end = payload.data.end.min(part.len());
            if let Some(data) = part.get(payload.data.start..end).filter(|data| !data.is_empty()) {
                self.payload(&payload, data, end < payload.data.end);
            }
        }
        self.end();
    }

    /// `cut`: nothing more of its object will come.
    fn payload(&mut self, payload: &packet::Payload, data: &[u8], cut: bool) {
        let Some(at) = self.lanes.iter().position(|lane| lane.stream.number == payload.stream) else { return };
        let open: usize = self.lanes.iter().map(|lane| lane.assembler.held()).sum();
        let lane = &mut self.lanes[at];
        if open + data.len() > MAX_OPEN {
            lane.assembler.end();
        }
        let whole = lane.assembler.push(payload, data);
        let Some(mut object) = whole.or_else(|| if cut { lane.assembler.part() } else { None }) else { return };
        lane.seen = true;
        if let Some(spread) = lane.stream.spread {
            match spread.gather(&object.data) {
                Some(data) => object.data = data,
                None if std::mem::replace(&mut lane.wrong_spread, true) => {}
                None => {
                    let bytes = object.data.len();
                    let number = lane.stream.number;
                    self.note(format!("stream {number}: spread audio in an object of {bytes} bytes, left as it is"));
                }
            }
        }
        match self.zero_ms {
            Some(zero) => self.sample(at, object, zero),
            None => {
                self.held_bytes += object.data.len() + size_of::<MediaObject>();
                self.held.push_back((at, object));
                if self.lanes.iter().all(|lane| lane.seen) || self.held_bytes > MAX_HELD {
                    self.release();
                }
            }
        }
    }

    /// The earliest of what is held is where the presentation begins.
    fn release(&mut self) {
        let zero = self.held.iter().map(|(_, object)| i64::from(object.time_ms)).min().unwrap_or(self.preroll_ms);
        self.zero_ms = Some(zero);
        for (lane, object) in std::mem::take(&mut self.held) {
            self.sample(lane, object, zero);
        }
    }

    fn sample(&mut self, at: usize, object: MediaObject, zero: i64) {
        let lane = &mut self.lanes[at];
        let time_ms = i64::from(object.time_ms) - zero;
        let step = lane.last_ms.map(|last| time_ms - last).filter(|step| *step > 0);
        if let Some(step) = step {
            // Pictures that stand still for long don't tell how long the last one does.
            lane.duration_ms = lane.stream.frame_ms.map_or(step, |frame| step.min(frame));
        }
        lane.last_ms = Some(time_ms);
        // Objects of sound hold several frames, the last one fewer than the one before.
        let own =
            lane.stream.byte_rate.map(|rate| (i64::try_from(object.data.len()).unwrap_or(0) * 1000 / rate).max(1));
        let duration = match (own, lane.duration_ms) {
            (Some(own), 0) => own,
            (Some(own), before) => own.min(before),
            (None, before) => before,
        };
        let sync = object.sync || lane.stream.audio;
        let data = Bytes::from(lane.stream.wrapper.packets(time_ms, sync, &object.data));
        self.out.push_back(Event::Sample(DemuxedSample {
            track: lane.stream.number.into(),
            dts: time_ms,
            pts: time_ms,
            duration,
            sync,
            data,
        }));
    }

    fn end(&mut self) {
        if self.zero_ms.is_none() {
            self.release();
        }
        for at in 0..self.lanes.len() {
            let lane = &mut self.lanes[at];
            lane.assembler.end();
            if lane.assembler.broken > 0 {
                let (number, broken) = (lane.stream.number, lane.assembler.broken);
                self.out.push_back(Event::Note(format!("stream {number}: {broken} media objects are not whole")));
            }
        }
        self.state = State::End;
    }

    /// Tells of damage, as often as anyone would read it.
    fn note(&mut self, note: String) {
        self.damaged += 1;
        if self.damaged < MAX_NOTES {
            self.out.push_back(Event::Note(note));
        } else if self.damaged == MAX_NOTES {
            self.out.push_back(Event::Note("more of the file is damaged".into()));
        }
    }
}

fn error(offset: u64, reason: impl Into<String>) -> ContainerError {
    ContainerError { format: "asf", offset, path: String::new(), reason: reason.into() }
}
