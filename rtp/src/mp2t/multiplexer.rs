//! All streams of a programme on one line of time.
//!
//! Time is the line of the RTP timestamps: a unit leaves when it is decoded by that line, and its decode time in the stream
//! is [`DELAY`] later. What is given together leaves in equal steps over its span, but at most [`SPREAD`], so that it is
//! whole before it is decoded; where nothing is left to send, the clock goes on alone. A packet's timestamp is when its
//! first byte leaves; clock references lie between those of two packets as their bytes do.

use super::cells::{self, CELL, CLOCK_BYTE, Marks};
use super::elementary::Elementary;
use super::section::{FIRST_PID, PAT_PID, PMT_PID, association, map};
use super::{MAX_STREAMS, Program, Unit, pes};
use crate::clock::RtpTimestamp;

/// From a unit's leaving to its decoding, ticks of 90 kHz: 100 ms. More would fill the decoder's buffer for sound, which
/// holds 3584 bytes (ISO 13818-1 2.4.2.3).
pub(super) const DELAY: i64 = 9_000;
/// In which a group's bytes leave at most: 60 ms.
const SPREAD: i64 = 5_400;
/// From one payload to the next of a group at most: 15 ms.
const STEP: i64 = 1_350;
/// A payload that begins so long after a clock reference has another, 15 ms. With [`STEP`], and as times are not yet
/// final when this is asked, references are less than 40 ms apart (ETSI TS 101 154 4.1.5.3).
const CLOCK_EVERY: i64 = 1_350;
/// Where nothing is to be sent, the clock goes on so often, 25 ms, and not just before a group begins, 26 ms.
const IDLE_EVERY: i64 = 2_250;
const IDLE_BEFORE: i64 = 2_340;
/// A payload that begins so long after the tables has them again, 45 ms; 100 ms are allowed (ETSI TR 101 290 1.3 and 1.5).
const TABLES_EVERY: i64 = 4_050;
/// Packets of 188 bytes in one RTP packet: 1316 bytes, which every path takes whole.
const CELLS: usize = 7;
/// What a group can last at most, 10 s: a longer gap between two units is passed over in silence.
const MAX_SPAN: i64 = 900_000;

/// Makes one viewer's transport stream.
#[derive(Debug)]
pub(crate) struct Multiplexer {
    lanes: Vec<Lane>,
    /// Whose packets have the clock references.
    clock: usize,
    tables: [Table; 2],
    /// The line's time so far, as it would be without wrapping: where the last group ended.
    reached: Option<i64>,
    clock_at: Option<i64>,
    tables_at: Option<i64>,
    unit: Vec<u8>,
    payloads: Payloads,
}

#[derive(Debug)]
struct Lane {
    elementary: Elementary,
    pid: u16,
    stream_id: u8,
    continuity: u8,
}

#[derive(Debug)]
struct Table {
    pid: u16,
    section: Vec<u8>,
    continuity: u8,
}

/// Payloads of RTP packets being laid out: times are known when all are there.
#[derive(Debug, Default)]
struct Payloads {
    bytes: Vec<u8>,
    /// Where each begins, and from when on it leaves.
    starts: Vec<(usize, i64)>,
    /// Where the packets with a clock reference begin, and in which payload.
    clocks: Vec<(usize, usize)>,
    /// The payload begun last has the tables.
    has_tables: bool,
}

impl Multiplexer {
    /// Streams that can't be carried are not in it, nor those beyond [`MAX_STREAMS`]: see [`Program::carries`].
    pub(crate) fn new(program: &Program) -> Self {
        let mut lanes: Vec<Lane> = Vec::new();
        let mut languages = Vec::new();
        for stream in program.streams.iter().take(MAX_STREAMS) {
            let Ok(elementary) = Elementary::of(&stream.format) else { continue };
            let number = lanes.len() as u8;
            let (pid, stream_id) = (FIRST_PID + u16::from(number), elementary.stream_id(number));
            lanes.push(Lane { elementary, pid, stream_id, continuity: 0 });
            languages.push(stream.language.as_deref());
        }
        let clock = lanes.iter().position(|lane| lane.elementary.is_video()).unwrap_or(0);
        let clock_pid = lanes.get(clock).map_or(FIRST_PID, |lane| lane.pid);
        let streams = lanes.iter().zip(languages).map(|(lane, language)| (lane.pid, &lane.elementary, language));
        let map = map(clock_pid, streams);
        let table = |pid, section| Table { pid, section, continuity: 0 };
        Self {
            lanes,
            clock,
            tables: [table(PAT_PID, association()), table(PMT_PID, map)],
            reached: None,
            clock_at: None,
            tables_at: None,
            unit: Vec::new(),
            payloads: Payloads::default(),
        }
    }

    /// Makes the payloads of `units`, which are decoded one after the other, up to `end`, when what follows them is.
    /// Each goes to `send` with its timestamp.
    ///
    /// # Errors
    /// Where a unit's bytes are not its format's stored form, and why.
    pub(crate) fn multiplex(
        &mut self,
        units: &[Unit<'_>],
        end: RtpTimestamp,
        mut send: impl FnMut(RtpTimestamp, &[u8]),
    ) -> Result<(), (usize, &'static str)> {
        let Some(first) = units.first() else { return Ok(()) };
        let start = self.time(first.decode).max(self.reached.unwrap_or(i64::MIN));
        // The line's own time, not so long after `start`: who comes late must not push on all that follow.
        let end = self.time(end).clamp(start, start + MAX_SPAN);
        let spread = |payloads: i64| (end - start).min(SPREAD).min(payloads * STEP);
        self.payloads.clear();
        // About, and rather too many: only how far apart clock references come hangs on it.
        let bytes: usize = units.iter().map(|unit| unit.data.len() + CELL).sum();
        let expected = (bytes / (CELL - 4) + 4).div_ceil(CELLS) as i64;
        for unit in units {
            self.append(unit, start, |number| start + spread(expected) * (number as i64).min(expected) / expected)?;
        }
        let over = start + spread(self.payloads.starts.len() as i64);
        self.payloads.spread(start, over);
        self.clock_at = self.payloads.last_clock().or(self.clock_at);
        while let Some(now) = self.clock_at.filter(|before| end - before > IDLE_BEFORE) {
            let now = over.max(now + IDLE_EVERY);
            self.begin(now, false);
            self.write_clock(now);
        }
        self.payloads.set_clocks(end);
        for (index, &(from, time)) in self.payloads.starts.iter().enumerate() {
            let until = self.payloads.starts.get(index + 1).map_or(self.payloads.bytes.len(), |(start, _)| *start);
            send(RtpTimestamp(time as u32), &self.payloads.bytes[from..until]);
        }
        self.reached = Some(end);
        Ok(())
    }

    /// `timestamp` on the line that does not wrap.
    fn time(&self, timestamp: RtpTimestamp) -> i64 {
        let Some(reached) = self.reached else { return i64::from(timestamp.0) };
        reached + i64::from(timestamp.distance(RtpTimestamp(reached as u32)))
    }

    /// Appends a unit's packets. `at` says when about a payload of this group leaves.
    fn append(&mut self, unit: &Unit<'_>, start: i64, at: impl Fn(usize) -> i64) -> Result<(), (usize, &'static str)> {
        let lane = self.lanes.get(unit.stream).ok_or((0, "a unit of no stream"))?;
        let mut bytes = std::mem::take(&mut self.unit);
        bytes.clear();
        // The head says the length, so it comes last: room for it is kept.
        bytes.resize(pes::MAX_HEAD, 0);
        lane.elementary.append(unit.data, unit.sync, &mut bytes)?;
        // Never before the bytes: at a seek, what is decoded first may lie before the line's end.
        let decode = self.time(unit.decode).max(start) + DELAY;
        let shown = decode.max(self.time(unit.timestamp) + DELAY);
        let mut head = Vec::with_capacity(pes::MAX_HEAD);
        pes::write_head(lane.stream_id, bytes.len() - pes::MAX_HEAD, decode, shown, &mut head)
            .ok_or((0, "longer than a packet of sound can be"))?;
        let from = pes::MAX_HEAD - head.len();
        bytes[from..pes::MAX_HEAD].copy_from_slice(&head);
        let mut rest = &bytes[from..];
        let mut begins = true;
        // Who comes in here needs the tables first.
        let anew = unit.sync && lane.elementary.is_video();
        while !rest.is_empty() {
            if self.payloads.room() == 0 || begins && anew && !self.payloads.has_tables {
                self.begin(at(self.payloads.starts.len()), anew && begins);
            }
            let now = at(self.payloads.starts.len().saturating_sub(1));
            let first = self.payloads.room() == CELLS * CELL;
            let due = first && self.clock_at.is_none_or(|before| now - before >= CLOCK_EVERY);
            let clock = first && unit.stream == self.clock;
            if due && !clock {
                self.write_clock(now);
                continue;
            }
            if clock {
                self.note_clock(now);
            }
            let marks = Marks { start: begins, random_access: begins && unit.sync, clock };
            let lane = &mut self.lanes[unit.stream];
            let took = cells::write(lane.pid, &mut lane.continuity, marks, rest, &mut self.payloads.bytes);
            rest = &rest[took..];
            begins = false;
        }
        self.unit = bytes;
        Ok(())
    }

    /// Begins a payload, with the tables where they are due or wanted; the clock comes before them.
    fn begin(&mut self, now: i64, wanted: bool) {
        self.payloads.begin(now);
        if wanted || self.tables_at.is_none_or(|before| now - before >= TABLES_EVERY) {
            self.tables_at = Some(now);
            self.payloads.has_tables = true;
            self.write_clock(now);
            for table in &mut self.tables {
                cells::write_section(table.pid, &mut table.continuity, &table.section, &mut self.payloads.bytes);
            }
        }
    }

    /// A packet for the clock alone, where the payload has none yet.
    fn write_clock(&mut self, now: i64) {
        if self.payloads.room() < CELLS * CELL {
            return;
        }
        self.note_clock(now);
        if let Some(lane) = self.lanes.get(self.clock) {
            cells::write_clock(lane.pid, lane.continuity, &mut self.payloads.bytes);
        }
    }

    fn note_clock(&mut self, now: i64) {
        self.clock_at = Some(now);
        let payload = self.payloads.starts.len().saturating_sub(1);
        self.payloads.clocks.push((self.payloads.bytes.len(), payload));
    }
}

impl Payloads {
    fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
        self.clocks.clear();
    }

    /// Bytes that the payload begun last still takes.
    fn room(&self) -> usize {
        let taken = self.starts.last().map_or(CELLS * CELL, |(start, _)| self.bytes.len() - start);
        (CELLS * CELL).saturating_sub(taken)
    }

    fn begin(&mut self, now: i64) {
        self.starts.push((self.bytes.len(), now));
        self.has_tables = false;
    }

    /// Gives all payloads equal times from `start` until `over`.
    fn spread(&mut self, start: i64, over: i64) {
        let count = self.starts.len().max(1) as i64;
        for (number, (_, time)) in self.starts.iter_mut().enumerate() {
            *time = start + (over - start) * number as i64 / count;
        }
    }

    /// When the last payload with a clock reference leaves.
    fn last_clock(&self) -> Option<i64> {
        let (_, payload) = self.clocks.last()?;
        self.starts.get(*payload).map(|(_, time)| *time)
    }

    /// Sets the clock references; what follows begins at `end`.
    fn set_clocks(&mut self, end: i64) {
        for &(at, payload) in &self.clocks {
            let Some(&(from, time)) = self.starts.get(payload) else { continue };
            let (until, next) = self.starts.get(payload + 1).copied().unwrap_or((self.bytes.len(), end));
            let share = (next - time) * 300 * (at - from + CLOCK_BYTE) as i64 / (until - from).max(1) as i64;
            if let Some(cell) = self.bytes.get_mut(at..at + CELL) {
                cells::set_clock(cell, time * 300 + share);
            }
        }
    }
}
