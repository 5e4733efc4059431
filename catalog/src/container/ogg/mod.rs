//! Ogg (RFC 3533) with Opus (RFC 7845), Vorbis (Vorbis I specification, appendix A), Speex, FLAC (RFC 9639) and Theora.
//!
//! A page says where its last packet ends; the packets before it are counted back from there by how long they last
//! (`codec`). Pages that are damaged are passed over. What follows a first film in the same file (chained streams) is
//! left out.

mod codec;
mod page;
#[cfg(test)]
mod tests;

use super::limits::{MAX_ACCESS_UNIT, MAX_NOTES, MAX_TRACKS};
use super::loader::{Loader, OverLoader};
use super::{ContainerError, DemuxedSample, Event, TrackInfo};
use bytes::Bytes;
use codec::{Codec, MAX_HEADERS};
use page::{HEADER, MAX_PAGE, Packets, Page};
use std::collections::VecDeque;

/// Bytes of the file that are read together.
const READ: u64 = 512 << 10;
/// Bytes looked at until every stream has begun; one that begins later is left out.
const FIRST_BYTES: u64 = 16 << 20;
/// Bytes that are summed up for each of the file: among pages that only look so each byte would be part of a thousand.
const SUMS: u64 = 8;
/// Packets of a stream without a page that says when they are: a second of the shortest has 400.
const MAX_UNTIMED: usize = 4096;

/// Whether a file that begins with `head` is Ogg: a first page of a stream.
pub fn looks_like(head: &[u8]) -> bool {
    head.starts_with(b"OggS\0") && head.get(5).is_some_and(|flags| flags & 2 != 0)
}

/// Reads an Ogg file.
#[derive(Debug)]
pub struct Ogg {
    loader: Loader,
    /// Where the next page should begin.
    at: u64,
    stage: Stage,
    out: VecDeque<Event>,
    streams: Vec<Stream>,
    /// Bytes that belong to no page, where they begin.
    junk: Option<u64>,
    /// Bytes of pages whose checksums were looked at.
    summed: u64,
    /// Why streams are no tracks: at most two reasons for each.
    left_out: Vec<String>,
    notes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Streams begin, and samples wait until all have.
    First,
    Going,
    End,
}

/// A logical stream.
#[derive(Debug)]
struct Stream {
    serial: u32,
    number: u32,
    packets: Packets,
    /// `None`: it is left out.
    codec: Option<Codec>,
    headers: Vec<Bytes>,
    info: Option<TrackInfo>,
    /// Packets whose time no page has told yet, each with how long it lasts.
    untimed: Vec<(Bytes, i64)>,
    /// When the next packet begins, in ticks.
    next: Option<i64>,
    waiting: Vec<DemuxedSample>,
    /// In ticks: where the presentation begins.
    zero: i64,
    ended: bool,
    /// It is no track, and won't become one.
    passed_over: bool,
}

impl OverLoader for Ogg {
    fn parts(&mut self) -> (&mut VecDeque<Event>, &mut Loader) {
        (&mut self.out, &mut self.loader)
    }

    fn step(&mut self) -> Result<bool, ContainerError> {
        if matches!(self.stage, Stage::End) {
            return Ok(false);
        }
        self.page()?;
        Ok(true)
    }

    fn unpack(&mut self, mut sample: DemuxedSample) -> Option<DemuxedSample> {
        let stream = self.streams.iter().find(|stream| stream.number == sample.track)?;
        sample.data = stream.codec.as_ref()?.unpack(sample.data).ok().filter(|data| !data.is_empty())?;
        Some(sample)
    }
}

impl Ogg {
    /// For a file of `len` bytes.
    pub fn new(len: u64) -> Self {
        let loader = Loader::new(FORMAT, len);
        let (out, streams, left_out) = Default::default();
        Self { loader, at: 0, stage: Stage::First, out, streams, junk: None, summed: 0, left_out, notes: 0 }
    }

    /// Takes the next page.
    fn page(&mut self) -> Result<(), ContainerError> {
        let (at, len) = (self.at, self.loader.file_len());
        let left = len.saturating_sub(at);
        if left < HEADER as u64 {
            return self.end();
        }
        let length = left.min(MAX_PAGE as u64);
        let Some(bytes) = self.loader.whole_ahead(at, length, READ) else { return Ok(()) };
        let found = Page::read(&bytes).filter(|page| page.len <= bytes.len());
        let found = found.filter(|page| {
            let summed = self.summed + page.len as u64;
            let may = summed <= at.saturating_mul(SUMS).saturating_add(FIRST_BYTES);
            self.summed = if may { summed } else { self.summed };
            may && Page::is_undamaged(&bytes[..page.len])
        });
        let Some(page) = found else {
            self.junk.get_or_insert(at);
            let next = bytes.windows(4).skip(1).position(|window| window == b"OggS");
            self.at += next.map_or(bytes.len().saturating_sub(3).max(1), |place| place + 1) as u64;
            return Ok(());
        };
        if let Some(from) = self.junk.take() {
            self.note(format!("{} bytes that are no page passed over at byte {from}", at - from));
        }
        self.at += page.len as u64;
        self.take(at, &page, bytes.slice(..page.len))?;
        let begun = |stream: &Stream| stream.codec.is_none() || stream.ended || !stream.waiting.is_empty();
        if self.stage == Stage::First && (self.streams.iter().all(begun) && !page.first || self.at > FIRST_BYTES) {
            self.begin()?;
        }
        Ok(())
    }

    fn take(&mut self, at: u64, page: &Page, bytes: Bytes) -> Result<(), ContainerError> {
        if page.first && !self.streams.iter().any(|stream| stream.serial == page.serial) {
            let chained = self.stage == Stage::Going || self.streams.iter().any(|stream| stream.ended);
            if chained {
                self.note(format!("at byte {at} a second film begins, which is left out"));
                return self.end();
            }
            if self.streams.len() >= MAX_TRACKS {
                return Err(error(at, format!("more than {MAX_TRACKS} streams")));
            }
            let number = self.streams.len() as u32 + 1;
            self.streams.push(Stream::new(page.serial, number));
        }
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.serial == page.serial) else { return Ok(()) };
        let most = if stream.info.is_some() { MAX_ACCESS_UNIT } else { MAX_HEADERS };
        if stream.passed_over {
            return Ok(());
        }
        let (packets, lost) = stream.packets.handle(page, &bytes, most);
        let notes = stream.take(packets, page, lost);
        notes.into_iter().for_each(|note| self.leave_out(note));
        if self.stage == Stage::Going {
            self.release();
        }
        Ok(())
    }

    /// Announces the streams; the presentation begins with what is heard or seen first.
    fn begin(&mut self) -> Result<(), ContainerError> {
        let mut notes = Vec::new();
        // (ticks, timescale); what primes a decoder comes before zero.
        let mut zero: Option<(i64, u32)> = None;
        for stream in &mut self.streams {
            let (Some(info), Some(first)) = (&stream.info, stream.waiting.iter().map(|sample| sample.pts).min()) else {
                stream.passed_over = true;
                if stream.codec.take().is_some() || stream.headers.is_empty() {
                    notes.push(format!("track {} is left out: it has no packets that can be read", stream.number));
                }
                continue;
            };
            let this = (first.max(0), info.timescale);
            let earlier =
                |that: (i64, u32)| i128::from(this.0) * i128::from(that.1) < i128::from(that.0) * i128::from(this.1);
            if zero.is_none_or(earlier) {
                zero = Some(this);
            }
            self.out.push_back(Event::Track(info.clone()));
        }
        notes.into_iter().for_each(|note| self.leave_out(note));
        let Some(zero) = zero else {
            let why = if self.left_out.is_empty() { "it has none".into() } else { self.left_out.join("; ") };
            return Err(error(0, format!("no track that can be sent: {why}")));
        };
        for stream in &mut self.streams {
            let timescale = stream.info.as_ref().map_or(1, |info| info.timescale);
            let ticks = i128::from(zero.0) * i128::from(timescale) / i128::from(zero.1);
            stream.zero = i64::try_from(ticks).unwrap_or(0);
        }
        self.stage = Stage::Going;
        self.release();
        Ok(())
    }

    fn release(&mut self) {
        for stream in self.streams.iter_mut().filter(|stream| stream.codec.is_some()) {
            for mut sample in stream.waiting.drain(..) {
                sample.pts = sample.pts.saturating_sub(stream.zero);
                sample.dts = sample.pts;
                self.out.push_back(Event::Sample(sample));
            }
        }
    }

    fn end(&mut self) -> Result<(), ContainerError> {
        let len = self.loader.file_len();
        if let Some(from) = self.junk.take() {
            self.note(format!("{} bytes that are no page passed over at byte {from}", len - from));
        }
        if self.stage == Stage::First {
            self.begin()?;
        }
        for stream in &mut self.streams {
            stream.time(None, true);
        }
        self.release();
        self.stage = Stage::End;
        Ok(())
    }

    /// Says why a stream is no track.
    fn leave_out(&mut self, why: String) {
        self.left_out.push(why.clone());
        self.note(why);
    }

    fn note(&mut self, note: String) {
        self.notes += 1;
        if self.notes <= MAX_NOTES {
            self.out.push_back(Event::Note(note));
        }
    }
}

impl Stream {
    fn new(serial: u32, number: u32) -> Self {
        let (packets, headers, untimed, waiting) = Default::default();
        Self {
            serial,
            number,
            packets,
            codec: None,
            headers,
            info: None,
            untimed,
            next: None,
            waiting,
            zero: 0,
            ended: false,
            passed_over: false,
        }
    }

    /// Takes the packets that end on a page; the answer is for people.
    fn take(&mut self, packets: Vec<Bytes>, page: &Page, lost: bool) -> Option<String> {
        let mut note = None;
        for packet in packets {
            if self.headers.is_empty() {
                self.headers.push(packet.clone());
                match Codec::tell(&packet) {
                    Ok(codec) => self.codec = Some(codec),
                    Err(what) => note = Some(format!("track {} is left out: {what}", self.number)),
                }
                continue;
            }
            let Some(codec) = &mut self.codec else { continue };
            if self.info.is_none() {
                self.headers.push(packet);
                if self.headers.len() >= codec.headers() {
                    match codec.format(&self.headers) {
                        Ok(format) => {
                            let timescale = codec.timescale(&format);
                            self.info = Some(TrackInfo { number: self.number, format, language: None, timescale });
                        }
                        Err(why) => {
                            self.codec = None;
                            note = Some(format!("track {} is left out: {why}", self.number));
                        }
                    }
                }
                continue;
            }
            if let Some(duration) = codec.duration(&packet) {
                self.untimed.push((packet, duration));
            }
        }
        if let (Some(codec), true) = (&mut self.codec, lost) {
            codec.lost();
        }
        self.ended |= page.last;
        let granule = page.granule.filter(|_| self.info.is_some());
        // Those of headers are zero, wherever the sound begins.
        let timed = granule.is_some() && !self.untimed.is_empty();
        if timed || self.untimed.len() >= MAX_UNTIMED {
            self.time(granule.filter(|_| !(page.last && self.next.is_some())), lost);
        }
        note
    }

    /// Gives the packets their times: they end at `granule`, if that is known. At a stream's end it may say that a part of
    /// the last packet isn't heard, which is no time.
    fn time(&mut self, granule: Option<i64>, lost: bool) {
        let Some(codec) = &self.codec else { return };
        let total = self.untimed.iter().fold(0i64, |sum, (_, duration)| sum.saturating_add(*duration));
        let told = granule.map(|granule| codec.ticks(granule).saturating_sub(total));
        let mut at = match (self.next, told) {
            (Some(next), Some(told)) if lost || told.abs_diff(next) > JITTER => told.max(next),
            (Some(next), _) => next,
            (None, told) => told.unwrap_or_else(|| codec.ticks(0)),
        };
        for (data, duration) in self.untimed.drain(..) {
            let sync = codec.is_sync(&data);
            if !data.is_empty() {
                self.waiting.push(DemuxedSample { track: self.number, dts: at, pts: at, duration, sync, data });
            }
            at = at.saturating_add(duration);
        }
        self.next = Some(at);
    }
}

/// Ticks by which pages may disagree with the packets' durations before they are believed: rounding, not gaps.
const JITTER: u64 = 64;

const FORMAT: &str = "ogg";

fn error(offset: u64, reason: impl Into<String>) -> ContainerError {
    ContainerError { format: FORMAT, offset, path: String::new(), reason: reason.into() }
}
