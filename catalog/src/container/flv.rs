//! Flash Video (Adobe Flash Video File Format Specification 10.1, annex E): H.264, AAC, MP3, plain samples, and of the
//! codecs that only Flash had those for which ASF or QuickTime has a name. The others are named and left out.
//!
//! Tags come in the order of their times, with a resolution of a millisecond, which is undone for sound. What a track is shows in its first
//! tags, so samples wait until those of both kinds that the header promises have been seen, within bounds.

mod foreign;
#[cfg(test)]
mod tests;

use super::limits::MAX_NOTES;
use super::loader::{Loader, OverLoader};
use super::mp4::{Codec, Pcm, avc_codec};
use super::steady::{self, Steady};
use super::{ContainerError, DemuxedSample, Event, TrackInfo};
use bytes::Bytes;
use std::collections::VecDeque;

/// Bytes of the file that are read together.
const READ: u64 = 512 << 10;
/// Tags and bytes looked at for tracks that the header promises and that may never come.
const FIRST_TAGS: usize = 1024;
const FIRST_BYTES: usize = 8 << 20;
/// Tags looked at for tracks that it doesn't promise: some writers leave its flags at zero.
const UNPROMISED_TAGS: usize = 64;
/// Of a tag before its body, and the length of the tag before that follows it.
const TAG_HEADER: u64 = 11;
const BACK_POINTER: u64 = 4;

/// Bytes of a script tag that is looked into for the picture's size: some have an index of the whole film.
const MAX_SCRIPT: u64 = 64 << 10;
/// Ticks per second of the samples' times, and those of a tag's milliseconds: sound is counted finer than tags are.
const TIMESCALE: u32 = 1_000_000_000;
const MILLISECOND: i64 = 1_000_000;

const VIDEO: usize = 0;
const AUDIO: usize = 1;

/// Whether a file that begins with `head` is Flash Video: its mark, version and the header's length.
pub fn looks_like(head: &[u8]) -> bool {
    head.starts_with(b"FLV") && matches!(head.get(3), Some(1..5)) && head.get(5..8) == Some(&[0, 0, 0])
}

/// Reads a Flash Video file.
#[derive(Debug)]
pub struct FlvDemuxer {
    loader: Loader,
    state: State,
    out: VecDeque<Event>,
    /// Video and audio; their track numbers are 1 and 2.
    slots: [Slot; 2],
    /// What waits for the tracks to be known.
    waiting: Vec<DemuxedSample>,
    waiting_bytes: usize,
    /// The picture's width and height by the script, or zero.
    size: (u32, u32),
    tags: usize,
    notes: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing has been read.
    Start,
    /// Tracks are not all known; the next tag begins here.
    First(u64),
    /// They are, and the presentation began at this time.
    Going { at: u64, zero: i64 },
    /// Nothing is left.
    End,
}

/// One kind's track.
#[derive(Debug, Default)]
struct Slot {
    promised: bool,
    codec: Option<Codec>,
    /// It was announced, or left out for good.
    settled: bool,
    announced: bool,
    /// The codec's configuration has changed since.
    changed: bool,
    /// The last sample: it lasts until the next.
    held: Option<DemuxedSample>,
    duration: i64,
    steady: Steady,
}

/// A tag's payload.
struct Tag {
    at: u64,
    /// Nanoseconds.
    time: i64,
    body: Bytes,
}

impl OverLoader for FlvDemuxer {
    fn parts(&mut self) -> (&mut VecDeque<Event>, &mut Loader) {
        (&mut self.out, &mut self.loader)
    }

    fn step(&mut self) -> Result<bool, ContainerError> {
        match self.state {
            State::Start => self.start()?,
            State::First(at) | State::Going { at, .. } => self.tag(at)?,
            State::End => return Ok(false),
        }
        Ok(true)
    }
}

impl FlvDemuxer {
    /// For a file of `len` bytes.
    pub fn new(len: u64) -> Self {
        Self {
            loader: Loader::new("flv", len),
            state: State::Start,
            out: VecDeque::new(),
            slots: Default::default(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            size: (0, 0),
            tags: 0,
            notes: 0,
        }
    }

    fn start(&mut self) -> Result<(), ContainerError> {
        const HEADER: u64 = 9;
        if self.loader.file_len() < HEADER {
            return Err(error(0, "a header of 9 bytes expected"));
        }
        let Some(head) = self.loader.whole_ahead(0, HEADER, READ) else { return Ok(()) };
        if !looks_like(&head) {
            return Err(error(0, "the mark FLV expected"));
        }
        self.slots[AUDIO].promised = head[4] & 4 != 0;
        self.slots[VIDEO].promised = head[4] & 1 != 0;
        let length = u64::from(head[8]);
        if length < HEADER {
            return Err(error(5, format!("a header of {length} bytes, at least 9 expected")));
        }
        self.state = State::First(length + BACK_POINTER);
        Ok(())
    }

    fn tag(&mut self, at: u64) -> Result<(), ContainerError> {
        let len = self.loader.file_len();
        if len.saturating_sub(at) < TAG_HEADER {
            return self.end();
        }
        let Some(head) = self.loader.whole_ahead(at, TAG_HEADER, READ) else { return Ok(()) };
        let size = u64::from(u32::from_be_bytes([0, head[1], head[2], head[3]]));
        let time = i64::from(i32::from_be_bytes([head[7], head[4], head[5], head[6]])) * MILLISECOND;
        let kind = head[0] & 0x1f;
        if !matches!(kind, 8 | 9 | 18) {
            self.note(format!("the rest of the file is left out: at byte {at} a tag of kind {kind}"));
            return self.end();
        }
        if at + TAG_HEADER + size > len {
            return self.cut_tag(at, kind, time);
        }
        if kind != 18 {
            if head[0] & 0x20 != 0 {
                return Err(error(at, "the file is encrypted; it can't be sent"));
            }
            let Some(body) = self.loader.whole_ahead(at + TAG_HEADER, size, READ) else { return Ok(()) };
            let tag = Tag { at, time, body };
            if kind == 9 { self.video(tag) } else { self.audio(tag) }
        } else if size <= MAX_SCRIPT && matches!(self.state, State::First(_)) {
            let Some(body) = self.loader.whole_ahead(at + TAG_HEADER, size, READ) else { return Ok(()) };
            self.size = foreign::size(&body);
        }
        match &mut self.state {
            State::First(at) | State::Going { at, .. } => *at += TAG_HEADER + size + BACK_POINTER,
            State::Start | State::End => {}
        }
        if let State::First(next) = self.state {
            self.tags += 1;
            let unpromised = self.tags >= UNPROMISED_TAGS;
            let known = self.slots.iter().all(|slot| slot.settled || unpromised && !slot.promised);
            if known || self.tags >= FIRST_TAGS || self.waiting_bytes >= FIRST_BYTES {
                self.begin(next)?;
            }
        }
        Ok(())
    }

    /// The file ends within the tag at `at`. Decoders make something of the rest, but for codecs that tell a unit's
    /// length.
    fn cut_tag(&mut self, at: u64, kind: u8, time: i64) -> Result<(), ContainerError> {
        let left = self.loader.file_len().saturating_sub(at + TAG_HEADER);
        let Some(body) = self.loader.whole_ahead(at + TAG_HEADER, left, READ) else { return Ok(()) };
        let is_kept = match (kind, body.first()) {
            _ if body.len() < 2 => false,
            (8, Some(first)) => first >> 4 != 10,
            (9, Some(first)) => first & 0x80 == 0 && first & 15 != 7,
            _ => false,
        };
        let left_out = if is_kept { "" } else { " and left out" };
        self.note(format!("the last tag, at byte {at}, is cut by the end of the file{left_out}"));
        let tag = Tag { at, time, body };
        match kind {
            8 if is_kept => self.audio(tag),
            9 if is_kept => self.video(tag),
            _ => {}
        }
        self.end()
    }

    fn video(&mut self, tag: Tag) {
        let Some(first) = tag.body.first().copied() else { return };
        if first & 0x80 != 0 {
            let name = tag.body.get(1..5).unwrap_or_default().escape_ascii().to_string();
            return self.leave_out(VIDEO, format!("video in a codec not supported ({name})"));
        }
        let sync = matches!(first >> 4, 1 | 4);
        if first >> 4 == 5 {
            return;
        }
        if first & 15 != 7 {
            return self.foreign_video(tag, first & 15, sync);
        }
        // Packet type and a composition offset with sign.
        let &[_, kind, a, b, c, ..] = tag.body.as_ref() else { return };
        let offset = i64::from(i32::from_be_bytes([a, b, c, 0]) >> 8) * MILLISECOND;
        let data = tag.body.slice(5..);
        match kind {
            0 => match avc_codec(&data) {
                Some(codec) => self.configure(VIDEO, codec),
                None => self.note(format!("at byte {}: an AVC configuration that can't be read", tag.at)),
            },
            1 => self.sample(VIDEO, &tag, offset, sync, data),
            _ => {}
        }
    }

    fn audio(&mut self, tag: Tag) {
        let Some(first) = tag.body.first().copied() else { return };
        let channels = (first & 1) + 1;
        let rate = [5512, 11_025, 22_050, 44_100][usize::from(first >> 2 & 3)];
        let pcm = |layout, rate| Codec::Pcm { layout, rate, channels };
        let codec = match first >> 4 {
            10 => {
                let Some(kind) = tag.body.get(1) else { return };
                let data = tag.body.slice(2..);
                match kind {
                    0 => self.configure(AUDIO, Codec::Aac { config: data.to_vec(), channels }),
                    _ => self.sample(AUDIO, &tag, 0, true, data),
                }
                return;
            }
            2 | 14 => Codec::MpegAudio,
            0 | 3 if first & 2 == 0 => pcm(Pcm::Unsigned, rate),
            0 | 3 => pcm(Pcm::Wide { bytes: 2, little: true }, rate),
            7 => pcm(Pcm::Alaw, 8000),
            8 => pcm(Pcm::Mulaw, 8000),
            1 => match foreign::adpcm(channels, rate) {
                Ok(codec) => codec,
                Err(why) => return self.leave_out(AUDIO, why),
            },
            other => match foreign::sound(other, channels, rate) {
                Some(codec) => codec,
                None => return self.leave_out(AUDIO, format!("audio in a codec not supported (number {other})")),
            },
        };
        if self.slots[AUDIO].codec.is_none() {
            self.slots[AUDIO].codec = Some(codec);
        }
        let data = tag.body.slice(1..);
        self.sample(AUDIO, &tag, 0, true, data);
    }

    /// A codec without a payload format.
    fn foreign_video(&mut self, tag: Tag, number: u8, sync: bool) {
        let (codec, skip) = match foreign::video(number, tag.body.get(1..).unwrap_or_default(), self.size) {
            Ok(known) => known,
            Err(why) => return self.leave_out(VIDEO, format!("video in a codec not supported ({why})")),
        };
        self.slots[VIDEO].codec.get_or_insert(codec);
        let data = tag.body.slice((1 + skip).min(tag.body.len())..);
        self.sample(VIDEO, &tag, 0, sync, data);
    }

    fn configure(&mut self, which: usize, codec: Codec) {
        let slot = &mut self.slots[which];
        if slot.codec.as_ref().is_some_and(|known| *known != codec) {
            slot.changed = true;
        }
        slot.codec = Some(codec);
    }

    fn sample(&mut self, which: usize, tag: &Tag, offset: i64, sync: bool, data: Bytes) {
        let slot = &mut self.slots[which];
        let Some(codec) = &slot.codec else { return };
        if data.is_empty() || slot.settled && !slot.announced {
            return;
        }
        if !slot.settled {
            if matches!(self.state, State::Going { .. }) {
                return self.leave_out(which, "it begins after the others".into());
            }
            match codec.format(Some(&data)) {
                Ok(format) => {
                    slot.settled = true;
                    slot.announced = true;
                    let number = which as u32 + 1;
                    self.out.push_back(Event::Track(TrackInfo {
                        number,
                        format,
                        language: None,
                        timescale: TIMESCALE,
                    }));
                }
                Err(reason) => return self.leave_out(which, reason),
            }
        }
        let slot = &mut self.slots[which];
        let Some(codec) = &slot.codec else { return };
        let counted = steady::duration_ns(codec, &data).filter(|_| which == AUDIO);
        let time = counted.map_or(tag.time, |counted| slot.steady.place(tag.time, counted, MILLISECOND));
        let (data, damaged) = codec.access_unit(data, sync && slot.changed);
        let mut dts = time;
        let mut ended = None;
        if let Some(mut last) = slot.held.take() {
            dts = dts.max(last.dts);
            slot.duration = dts - last.dts;
            last.duration = slot.duration;
            ended = Some(last);
        }
        let pts = time.saturating_add(offset);
        slot.held = Some(DemuxedSample { track: which as u32 + 1, dts, pts, duration: 0, sync, data });
        if damaged {
            self.note(format!("damage in the tag at byte {} is cut off", tag.at));
        }
        if let Some(sample) = ended {
            self.give(sample);
        }
    }

    /// Gives a sample out, or lets it wait.
    fn give(&mut self, mut sample: DemuxedSample) {
        if let State::Going { zero, .. } = self.state {
            sample.dts -= zero;
            sample.pts -= zero;
            self.out.push_back(Event::Sample(sample));
        } else {
            self.waiting_bytes += sample.data.len();
            self.waiting.push(sample);
        }
    }

    /// The tracks are known: the presentation begins with what is shown first.
    fn begin(&mut self, at: u64) -> Result<(), ContainerError> {
        if self.slots.iter().all(|slot| !slot.announced) {
            return Err(error(at, "no track that can be sent"));
        }
        let held = self.slots.iter().filter_map(|slot| slot.held.as_ref());
        let zero = self.waiting.iter().chain(held).map(|sample| sample.pts).min().unwrap_or(0);
        self.state = State::Going { at, zero };
        for sample in std::mem::take(&mut self.waiting) {
            self.give(sample);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ContainerError> {
        if let State::First(at) = self.state {
            self.begin(at)?;
        }
        for which in [VIDEO, AUDIO] {
            let slot = &mut self.slots[which];
            if let Some(mut last) = slot.held.take() {
                last.duration = slot.duration;
                self.give(last);
            }
        }
        self.state = State::End;
        Ok(())
    }

    /// Says once why there is no such track.
    fn leave_out(&mut self, which: usize, why: String) {
        if !std::mem::replace(&mut self.slots[which].settled, true) {
            self.note(format!("track {} is left out: {why}", which + 1));
        }
    }

    fn note(&mut self, note: String) {
        self.notes += 1;
        if self.notes <= MAX_NOTES {
            self.out.push_back(Event::Note(note));
        }
    }
}

fn error(offset: u64, reason: impl Into<String>) -> ContainerError {
    ContainerError { format: "flv", offset, path: String::new(), reason: reason.into() }
}
