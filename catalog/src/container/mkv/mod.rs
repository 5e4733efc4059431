//! Matroska and WebM (RFC 9559, RFC 8794).
//!
//! The file is gone through from front to back: segments and clusters are entered, so that it doesn't matter whether
//! their lengths are known (live recordings have none), everything else is one element at a time. No index is needed.
//! What a track is shows in its entry (`tracks`, `codec`), for some codecs in its first frame; frames wait until all are
//! known, within bounds. Matroska says when a frame is shown; `order` finds out when it is decoded.

mod block;
mod codec;
mod ebml;
mod elements;
mod lane;
mod limits;
mod order;
#[cfg(test)]
mod tests;
mod tracks;

use super::limits::{MAX_ACCESS_UNIT, MAX_NOTES, MAX_TRACKS};
use super::loader::{Loader, OverLoader};
use super::{ContainerError, DemuxedSample, Event};
use block::Block;
use bytes::Bytes;
use ebml::{HEAD_MAX, Head};
use elements::{
    BLOCK, BLOCK_DURATION, BLOCK_GROUP, CLUSTER, EBML, INFO, REFERENCE, SEGMENT, SIMPLE_BLOCK, TIME, TRACKS, is_known,
};
use lane::Lane;
use limits::{FIRST_BLOCKS, FIRST_BYTES, MAX_ENTRIES, MAX_INFO_LEN, MAX_TRACKS_LEN, READ};
use std::collections::VecDeque;

/// Ticks per second of the samples' times: Matroska counts nanoseconds.
const TIMESCALE: u32 = 1_000_000_000;
/// Nanoseconds of a tick where the file says nothing (`TimestampScale`).
const DEFAULT_TICK: u64 = 1_000_000;

/// Whether a file that begins with `head` is Matroska or WebM: an EBML header whose document type is one of both.
pub fn looks_like(head: &[u8]) -> bool {
    let Ok((body, Head { id: EBML, size, .. })) = ebml::head(head) else { return false };
    let body = size.and_then(|size| body.get(..usize::try_from(size).ok()?)).unwrap_or(body);
    let kind = ebml::elements(body).find(|(id, _)| *id == 0x4282);
    kind.is_some_and(|(_, kind)| matches!(ebml::text(kind).as_str(), "matroska" | "webm"))
}

/// Reads a Matroska or WebM file.
#[derive(Debug)]
pub struct Mkv {
    loader: Loader,
    /// Where the next element begins.
    at: u64,
    stage: Stage,
    out: VecDeque<Event>,
    /// Nanoseconds.
    tick: i64,
    /// Of the cluster, in ticks.
    cluster: i64,
    lanes: Vec<Lane>,
    blocks: usize,
    waiting_bytes: usize,
    notes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Tracks, and first frames of those that must show what they are, are looked for.
    First,
    /// They are known; times count from this one, nanoseconds.
    Going { zero: i64 },
    /// Nothing is left.
    End,
}

impl OverLoader for Mkv {
    fn parts(&mut self) -> (&mut VecDeque<Event>, &mut Loader) {
        (&mut self.out, &mut self.loader)
    }

    fn step(&mut self) -> Result<bool, ContainerError> {
        if self.stage == Stage::End {
            return Ok(false);
        }
        self.element()?;
        Ok(true)
    }

    fn unpack(&mut self, mut sample: DemuxedSample) -> Option<DemuxedSample> {
        let lane = self.lanes.iter_mut().find(|lane| lane.number == sample.track)?;
        let unpacked = lane.coding.unpack(sample.data).map_err(|why| lane.damage(None, why));
        sample.data = unpacked.map_err(|note| note.into_iter().for_each(|note| self.note(note))).ok()?;
        Some(sample)
    }
}

impl Mkv {
    /// For a file of `len` bytes.
    pub fn new(len: u64) -> Self {
        Self {
            loader: Loader::new(FORMAT, len),
            at: 0,
            stage: Stage::First,
            out: VecDeque::new(),
            tick: DEFAULT_TICK as i64,
            cluster: 0,
            lanes: Vec::new(),
            blocks: 0,
            waiting_bytes: 0,
            notes: 0,
        }
    }

    /// Takes the next element.
    fn element(&mut self) -> Result<(), ContainerError> {
        let at = self.at;
        let left = self.loader.file_len().saturating_sub(at);
        if left < 2 {
            return self.end();
        }
        let Some(bytes) = self.loader.whole_ahead(at, left.min(HEAD_MAX as u64), READ) else { return Ok(()) };
        let Ok((_, Head { id, header, size })) = ebml::head(&bytes) else {
            return self.search("no element's identifier and length");
        };
        if matches!(id, SEGMENT | CLUSTER) {
            self.at += header;
            return Ok(());
        }
        let Some(size) = size else { return self.search("an element of unknown length that is no cluster") };
        let body = at + header;
        let damaged = !self.lanes.is_empty() && !is_known(id);
        if damaged {
            return self.search("an element that Matroska doesn't have");
        }
        if size > left.saturating_sub(header) {
            if self.lanes.is_empty() {
                return Err(error(at, format!("an element of {size} bytes, but the file ends after {left}")));
            }
            if size > MAX_ACCESS_UNIT as u64 && left > READ {
                return self.search("an element that is longer than the file");
            }
            self.note(format!("the last element, at byte {at}, is cut by the end of the file and left out"));
            return self.end();
        }
        let most = match id {
            INFO => MAX_INFO_LEN,
            TRACKS if self.lanes.is_empty() => MAX_TRACKS_LEN,
            TRACKS => {
                self.note(format!("at byte {at} a second film begins, which is left out"));
                return self.end();
            }
            TIME => 8,
            SIMPLE_BLOCK | BLOCK_GROUP if !self.lanes.is_empty() => MAX_ACCESS_UNIT as u64,
            _ => 0,
        };
        if most > 0 && size <= most {
            // With its head, which is read again when this comes back.
            let Some(whole) = self.loader.whole_ahead(at, header + size, READ) else { return Ok(()) };
            let bytes = whole.slice(header as usize..);
            match id {
                INFO => self.info(&bytes),
                TRACKS => self.tracks(at, &bytes)?,
                TIME => self.cluster = i64::try_from(ebml::uint(&bytes)).unwrap_or(0),
                SIMPLE_BLOCK => self.simple_block(at, &bytes),
                _ => self.block_group(at, &bytes),
            }
        } else if most > 0 {
            if matches!(id, TRACKS) {
                return Err(error(at, format!("Tracks of {size} bytes; at most {most} are read")));
            }
            return self.search("an element that is too long");
        }
        if self.stage != Stage::End {
            self.at = body + size;
            self.begin_if_known()?;
        }
        Ok(())
    }

    /// Goes on to the next cluster: what lies here is damaged.
    fn search(&mut self, found: &str) -> Result<(), ContainerError> {
        let (at, len) = (self.at, self.loader.file_len());
        if self.lanes.is_empty() {
            return Err(error(at, format!("an element of Matroska expected, found {found}")));
        }
        let mut from = at + 1;
        // The bytes that are there are looked through first, the rest of the file comes with the next calls: damage
        // behind each few bytes must not make us read for each anew.
        let bytes = match self.loader.rest(from).filter(|bytes| bytes.len() >= HEAD_MAX) {
            Some(bytes) => bytes,
            None => match self.loader.whole_ahead(from, READ.min(len - from), READ) {
                Some(bytes) => bytes,
                None => return Ok(()),
            },
        };
        match bytes.windows(4).position(|window| window == CLUSTER.to_be_bytes()) {
            Some(place) => from += place as u64,
            None => from += bytes.len().saturating_sub(3).max(1) as u64,
        }
        self.note(format!("{} bytes that are no element passed over at byte {at}", from - at));
        self.at = from.min(len);
        Ok(())
    }

    fn info(&mut self, body: &[u8]) {
        let scale =
            ebml::elements(body).find(|(id, _)| *id == 0x2A_D7B1).map_or(DEFAULT_TICK, |(_, body)| ebml::uint(body));
        self.tick = i64::try_from(scale)
            .ok()
            .filter(|tick| (1..=i64::from(TIMESCALE)).contains(tick))
            .unwrap_or(DEFAULT_TICK as i64);
    }

    fn tracks(&mut self, at: u64, body: &[u8]) -> Result<(), ContainerError> {
        let mut reasons = Vec::new();
        for ((entry, coding), place) in tracks::read(body).zip(1u32..) {
            if self.lanes.len() >= MAX_TRACKS || place > MAX_ENTRIES {
                return Err(error(at, format!("more than {MAX_TRACKS} tracks")));
            }
            match coding {
                Ok(coding) => {
                    let mut lane = Lane::new(place, entry, coding);
                    if !lane.coding.wants_first_frame() {
                        reasons.extend(lane.settle(None));
                    }
                    self.lanes.push(lane);
                }
                Err(why) => reasons.push(format!("track {place} is left out: {why}")),
            }
        }
        if self.lanes.iter().all(|lane| lane.left_out) {
            let why = if reasons.is_empty() { "it has none".into() } else { reasons.join("; ") };
            return Err(ContainerError {
                path: "Segment/Tracks".into(),
                ..error(at, format!("no track that can be sent: {why}"))
            });
        }
        reasons.into_iter().for_each(|why| self.note(why));
        Ok(())
    }

    fn simple_block(&mut self, at: u64, bytes: &Bytes) {
        match Block::read(bytes) {
            Ok(block) => self.frames(at, block, None, None),
            Err(why) => self.note(format!("the block at byte {at} is left out: {why}")),
        }
    }

    fn block_group(&mut self, at: u64, bytes: &Bytes) {
        let find = |wanted: u32| ebml::elements(bytes).find(|(id, _)| *id == wanted).map(|(_, body)| body);
        let Some(body) = find(BLOCK) else { return };
        let duration = find(BLOCK_DURATION).and_then(|body| i64::try_from(ebml::uint(body)).ok());
        match Block::read(&bytes.slice_ref(body)) {
            Ok(block) => self.frames(at, block, duration, Some(find(REFERENCE).is_none())),
            Err(why) => self.note(format!("the block at byte {at} is left out: {why}")),
        }
    }

    /// The frames of a block; `duration` in ticks, of all together; `key` where the block itself doesn't say.
    fn frames(&mut self, at: u64, block: Block, duration: Option<i64>, key: Option<bool>) {
        let time = self.cluster.saturating_add(block.time.into()).saturating_mul(self.tick);
        let duration = duration.map(|ticks| ticks.saturating_mul(self.tick));
        let count = i64::try_from(block.frames.len()).unwrap_or(1).max(1);
        let key = key.unwrap_or(block.key);
        self.blocks += 1;
        let place = self.lanes.iter().position(|lane| lane.entry.number == block.track && !lane.left_out);
        let Some(place) = place else { return };
        let mut pts = time;
        let mut notes = Vec::new();
        let mut unpacked = 0;
        for data in block.frames {
            let lane = &mut self.lanes[place];
            let data = match lane.entry.frame(data) {
                Ok(data) => data,
                Err(why) => {
                    notes.extend(lane.damage(Some(at), why));
                    continue;
                }
            };
            unpacked += data.len();
            if unpacked > MAX_ACCESS_UNIT {
                notes.extend(lane.damage(Some(at), "frames that are too long together are left out"));
                break;
            }
            if lane.info.is_none() {
                notes.extend(lane.settle(Some(&data)));
                if lane.left_out {
                    break;
                }
            }
            let counted = lane.coding.duration_ns(&data);
            if let Some(counted) = counted {
                pts = lane.steady.place(pts, counted, self.tick);
            }
            let own = counted.or(duration.map(|all| all / count)).unwrap_or(lane.entry.duration_ns);
            let (data, cut) = lane.coding.access_unit(data);
            if cut {
                notes.extend(lane.damage(Some(at), "damage is cut off"));
            }
            if !data.is_empty() {
                let shown = pts.saturating_sub(lane.entry.delay_ns);
                let track = lane.number;
                let sync = key || lane.is_free();
                self.waiting_bytes += data.len();
                lane.waiting.push(DemuxedSample { track, dts: shown, pts: shown, duration: own, sync, data });
            }
            pts = pts.saturating_add(own);
        }
        notes.into_iter().for_each(|why| self.note(why));
        if let Stage::Going { zero } = self.stage {
            self.release(zero);
        }
    }

    /// Begins once all tracks are known, or are not waited for any longer.
    fn begin_if_known(&mut self) -> Result<(), ContainerError> {
        let known = self.lanes.iter().all(|lane| lane.left_out || lane.info.is_some());
        let long = self.blocks >= FIRST_BLOCKS || self.waiting_bytes >= FIRST_BYTES;
        // The zero is found by the first frames of all: audio may come behind the pictures with which it begins.
        let begun = self.lanes.iter().all(|lane| lane.left_out || !lane.waiting.is_empty() || lane.is_text());
        if self.stage == Stage::First && !self.lanes.is_empty() && (known && begun || long) {
            self.begin()?;
        }
        Ok(())
    }

    /// Announces the tracks; the presentation begins with what is shown first.
    fn begin(&mut self) -> Result<(), ContainerError> {
        let mut notes = Vec::new();
        for lane in &mut self.lanes {
            match &lane.info {
                Some(info) => self.out.push_back(Event::Track(info.clone())),
                None if !lane.left_out => {
                    lane.left_out = true;
                    notes.push(format!("track {} is left out: it has no frames", lane.number));
                }
                None => {}
            }
        }
        if self.lanes.iter().all(|lane| lane.left_out) {
            return Err(error(self.at, format!("no track that can be sent: {}", notes.join("; "))));
        }
        notes.into_iter().for_each(|why| self.note(why));
        // What only primes a decoder comes before.
        let of = |lane: &Lane| lane.waiting.iter().map(|sample| sample.pts.saturating_add(lane.entry.delay_ns)).min();
        let zero = self.lanes.iter().filter(|lane| !lane.left_out).filter_map(of).min().unwrap_or(0);
        self.stage = Stage::Going { zero };
        self.release(zero);
        Ok(())
    }

    fn release(&mut self, zero: i64) {
        for lane in &mut self.lanes {
            for mut sample in lane.waiting.drain(..) {
                sample.pts = sample.pts.saturating_sub(zero);
                sample.dts = sample.pts;
                lane.order.push(sample, &mut |sample| self.out.push_back(Event::Sample(sample)));
            }
        }
    }

    fn end(&mut self) -> Result<(), ContainerError> {
        if self.lanes.is_empty() {
            return Err(error(self.at, "the file ends without tracks"));
        }
        if self.stage == Stage::First {
            self.begin()?;
        }
        for lane in &mut self.lanes {
            lane.order.finish(&mut |sample| self.out.push_back(Event::Sample(sample)));
        }
        self.stage = Stage::End;
        Ok(())
    }

    fn note(&mut self, note: String) {
        self.notes += 1;
        if self.notes <= MAX_NOTES {
            self.out.push_back(Event::Note(note));
        }
    }
}

const FORMAT: &str = "matroska";

fn error(offset: u64, reason: impl Into<String>) -> ContainerError {
    ContainerError { format: FORMAT, offset, path: String::new(), reason: reason.into() }
}
