//! One track on its way: which chunks are its next, when they are due, and what becomes of their bytes.

use super::bitmap::{self, Lines};
use super::header::{Media, Stream};
use super::index::{Entry, Key};
use super::order::Order;
use super::picture::{self, Codec};
use super::sound::{self, Refused, Sound};
use crate::container::asf::wrap::{TIMESCALE, Wrapper};
use crate::container::{DemuxedSample, TrackInfo};
use bytes::Bytes;
use rtp::format::Format;
use std::collections::VecDeque;

/// A chunk that is to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    /// Which of the tracks.
    pub track: usize,
    pub offset: u64,
    pub size: u32,
    pub key: Key,
    /// Units of the stream header before it and in it.
    pub units: (u64, u64),
}

pub(super) struct Track {
    pub info: TrackInfo,
    stream: Stream,
    number: u8,
    /// The next entry of the index that may be its own.
    cursor: usize,
    /// Units before it.
    units: u64,
    /// Ticks of [`Track::timescale`] in one unit of the stream header, where chunks are what counts.
    unit: i64,
    /// Ticks per second of the samples before they are wrapped.
    timescale: u32,
    /// Where the presentation begins, in ticks.
    zero: i64,
    maker: Maker,
    wrapper: Option<Wrapper>,
    /// Chunks given so far.
    chunks: u64,
}

/// What becomes of chunks.
enum Maker {
    Pictures {
        codec: Codec,
        order: Order,
        intra: bool,
    },
    Sound {
        sound: Sound,
        at: i64,
    },
    /// They stay as they are, but for pictures whose lines are turned.
    Chunks(Option<Lines>),
}

/// A track before it is decided how all tracks travel.
pub(super) struct Candidate {
    pub stream: Stream,
    /// From 0, in the order of the stream headers.
    pub number: u8,
    pub first: Vec<Bytes>,
}

impl Candidate {
    /// The track with the payload format of its codec.
    pub fn open(&self) -> Result<Track, Refused> {
        match &self.stream.media {
            Media::Video(info) => {
                let picture::Opened { codec, format, delay } = picture::open(info, &self.first)?;
                let intra = Codec::is_intra(&format);
                let (timescale, unit) = self.timescale();
                let mut track =
                    self.track(format, timescale, Maker::Pictures { codec, order: Order::new(delay), intra });
                track.zero = self.start(timescale) + unit * i64::try_from(delay).unwrap_or(0);
                Ok(track)
            }
            Media::Audio(wave) => {
                let sound::Opened { sound, format, sample_rate } = sound::open(wave, &self.first)?;
                let at = self.start(sample_rate);
                Ok(self.track(format, sample_rate, Maker::Sound { sound, at }))
            }
            Media::Other(what) => Err(Refused::Broken(what.clone())),
        }
    }

    /// The track as what it is, in packets of ASF.
    pub fn wrap(&self) -> Result<Track, Refused> {
        let stream = self.number + 1;
        let (wrapper, opened) = match &self.stream.media {
            Media::Video(_) => (Wrapper::video(stream, &bitmap::for_asf(&self.stream.description)), None),
            Media::Audio(wave) => {
                // Samples of PCM stay as they lie.
                (Wrapper::audio(stream, &self.stream.description), sound::open_framed(wave, &self.first))
            }
            Media::Other(what) => return Err(Refused::Broken(what.clone())),
        };
        let wrapper = wrapper.map_err(Refused::NoPayload)?;
        let (timescale, maker) = match opened {
            Some(sound::Opened { sound, sample_rate, .. }) => {
                (sample_rate, Maker::Sound { sound, at: self.start(sample_rate) })
            }
            None => {
                let video = matches!(self.stream.media, Media::Video(_));
                let lines = Lines::of(&self.stream.description).filter(|_| video);
                (self.timescale().0, Maker::Chunks(lines))
            }
        };
        let mut track = self.track(wrapper.format(), timescale, maker);
        track.info.timescale = TIMESCALE;
        track.wrapper = Some(wrapper);
        Ok(track)
    }

    fn track(&self, format: Format, timescale: u32, maker: Maker) -> Track {
        let info = TrackInfo { number: u32::from(self.number) + 1, format, language: None, timescale };
        Track {
            info,
            stream: self.stream.clone(),
            number: self.number,
            cursor: 0,
            units: 0,
            unit: self.timescale().1,
            timescale,
            zero: self.start(timescale),
            maker,
            wrapper: None,
            chunks: 0,
        }
    }

    /// Ticks per second that make units whole and are fine enough for RTP, and those of a unit.
    fn timescale(&self) -> (u32, i64) {
        let (scale, rate) = (self.stream.scale, self.stream.rate);
        let finer = 90_000u32.div_ceil(rate);
        (rate.saturating_mul(finer), i64::from(scale) * i64::from(finer))
    }

    /// When the first unit is due, in ticks of `timescale`.
    fn start(&self, timescale: u32) -> i64 {
        let ticks = u128::from(self.stream.start) * u128::from(self.stream.scale) * u128::from(timescale);
        i64::try_from(ticks / u128::from(self.stream.rate)).unwrap_or(0)
    }
}

impl Track {
    /// When the first thing is shown or heard, in microseconds.
    pub fn first_us(&self) -> i64 {
        i64::try_from(i128::from(self.zero) * 1_000_000 / i128::from(self.timescale)).unwrap_or(0)
    }

    /// Makes the presentation begin at `us` microseconds.
    pub fn set_zero(&mut self, us: i64) {
        let ticks = i128::from(us) * i128::from(self.timescale) / 1_000_000;
        self.zero = i64::try_from(ticks).unwrap_or(0);
    }

    /// The next chunk with bytes, and when it is due, in microseconds; `None` at the end.
    pub fn next(&mut self, track: usize, entries: &[Entry]) -> Option<(u64, Planned)> {
        loop {
            let at = entries.get(self.cursor..)?.iter().position(|entry| entry.stream == self.number);
            let Some(at) = at else {
                self.cursor = entries.len();
                return None;
            };
            self.cursor += at + 1;
            let Entry { offset, size, key, .. } = entries[self.cursor - 1];
            let before = self.units;
            self.units = before.saturating_add(self.stream.units(size));
            if size > 0 {
                let due = self.stream.us(before);
                return Some((due, Planned { track, offset, size, key, units: (before, self.units) }));
            }
        }
    }

    /// The bytes of the next chunk: what comes of them goes to `out`.
    pub fn handle(&mut self, planned: &Planned, data: Bytes, out: &mut VecDeque<DemuxedSample>) {
        let number = self.info.number;
        let from = out.len();
        self.chunks += 1;
        let first = self.chunks == 1;
        let slot = |units: u64| {
            let units = i64::from(self.stream.start).saturating_add(i64::try_from(units).unwrap_or(i64::MAX));
            units.saturating_mul(self.unit)
        };
        let (before, after) = (slot(planned.units.0), slot(planned.units.1));
        let duration = after.saturating_sub(before);
        match &mut self.maker {
            Maker::Pictures { codec, order, intra } => {
                let key = *intra || first || planned.key == Key::Yes;
                if let Some(picture::Picture { data, key, sync }) = codec.handle(data, key) {
                    let sample = DemuxedSample { track: number, dts: before, pts: before, duration, sync, data };
                    order.handle(key, sample, out);
                }
            }
            Maker::Sound { sound, at } => sound.handle(data, &mut |data, samples| {
                out.push_back(sound_sample(number, at, data, samples));
            }),
            Maker::Chunks(lines) => {
                let data = if let Some(lines) = lines { lines.turn(data) } else { data };
                let audio = matches!(self.stream.media, Media::Audio(_));
                let sync = audio || first || planned.key == Key::Yes;
                out.push_back(DemuxedSample { track: number, dts: before, pts: before, duration, sync, data });
            }
        }
        self.place(from, out);
    }

    /// No more chunks.
    pub fn finish(&mut self, out: &mut VecDeque<DemuxedSample>) {
        let (number, from) = (self.info.number, out.len());
        match &mut self.maker {
            Maker::Pictures { order, .. } => order.finish(out),
            Maker::Sound { sound, at } => sound.finish(&mut |data, samples| {
                out.push_back(sound_sample(number, at, data, samples));
            }),
            Maker::Chunks(_) => {}
        }
        self.place(from, out);
    }

    /// Lays the samples from `from` on onto the presentation's timeline.
    fn place(&mut self, from: usize, out: &mut VecDeque<DemuxedSample>) {
        for sample in out.iter_mut().skip(from) {
            sample.dts = sample.dts.saturating_sub(self.zero);
            sample.pts = sample.pts.saturating_sub(self.zero);
            if let Some(wrapper) = &mut self.wrapper {
                *sample = wrapper.wrap(sample, self.timescale);
            }
        }
    }
}

fn sound_sample(track: u32, at: &mut i64, data: Bytes, samples: u32) -> DemuxedSample {
    let (start, duration) = (*at, i64::from(samples));
    *at = start.saturating_add(duration);
    DemuxedSample { track, dts: start, pts: start, duration, sync: true, data }
}

impl Stream {
    /// Units in a chunk of `size` bytes, as ffmpeg and DirectShow count them.
    fn units(&self, size: u32) -> u64 {
        match &self.media {
            Media::Audio(_) if self.sample_size > 0 => u64::from(size / self.sample_size),
            // A variable bit rate: blocks are longer than any frame, and a chunk may have several.
            Media::Audio(wave) if wave.has_blocks() => u64::from(size.div_ceil(wave.block.into())),
            _ => 1,
        }
    }

    /// When so many units are over, in microseconds.
    fn us(&self, units: u64) -> u64 {
        let units = u128::from(units) + u128::from(self.start);
        let us = units * u128::from(self.scale) * 1_000_000 / u128::from(self.rate);
        u64::try_from(us).unwrap_or(u64::MAX)
    }
}
