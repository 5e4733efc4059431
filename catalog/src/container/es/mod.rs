//! Elementary streams: one track's bytes as a file, without a container and mostly without times.
//!
//! - [`Es`]: the demuxer; [`Codec`]: which stream
//! - `detect`: which one a file is; `tags`: what lies around the frames of audio files
//! - `plain`: MPEG video and audio, which program streams share
//! - `visual`, `avc`, `hevc`: MPEG-4 visual, H.264 and H.265, cut by `sections`; `gather`: what the latter two share;
//!   `early`: what comes before the headers; `vops`: what MPEG-4 visual of all containers shares
//! - `order`, `ranks`: decode times, and times of showing, for pictures
//!
//! A further stream is one variant of [`Codec`], one `Stream` and its rule in `detect`.

mod avc;
mod detect;
mod early;
mod gather;
mod hevc;
mod order;
mod plain;
mod ranks;
mod sections;
mod tags;
mod visual;
mod vops;

#[cfg(test)]
mod tests;

pub(super) use avc::depth;
pub(super) use detect::detect;
pub(super) use early::Early;
pub(super) use sections::{MAX_SECTION, Sections};
pub(super) use vops::{VopUnit, Vops};

use super::{ContainerError, DemuxedSample, Demuxer, Event, TrackInfo, limits};
use bytes::Bytes;
use rtp::format::Format;
use std::collections::VecDeque;

/// Which elementary stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// MPEG-1 or MPEG-2 video.
    MpegVideo,
    /// MPEG-4 visual.
    Mpeg4Visual,
    /// H.264, annex B.
    H264,
    /// H.265, annex B.
    H265,
    /// MPEG audio, layers I to III.
    MpegAudio,
    /// AAC with ADTS headers.
    Adts,
    /// AC-3 and E-AC-3.
    Ac3,
    /// DTS, which travels in packets of ASF.
    Dts,
    /// Audio behind an ID3v2 tag so long that it hides which.
    Tagged,
}

impl Codec {
    fn name(self) -> &'static str {
        match self {
            Codec::MpegVideo => "mpegvideo",
            Codec::Mpeg4Visual => "m4v",
            Codec::H264 => "h264",
            Codec::H265 => "h265",
            Codec::MpegAudio => "mpegaudio",
            Codec::Adts => "adts",
            Codec::Ac3 => "ac3",
            Codec::Dts => "dts",
            Codec::Tagged => "id3",
        }
    }

    fn is_audio(self) -> bool {
        matches!(self, Codec::MpegAudio | Codec::Adts | Codec::Ac3 | Codec::Dts | Codec::Tagged)
    }

    fn stream(self) -> Option<Box<dyn Stream>> {
        Some(match self {
            Codec::MpegVideo => Box::new(plain::Video::new()),
            Codec::Mpeg4Visual => Box::new(visual::Visual::new()),
            Codec::H264 => Box::<avc::Avc>::default(),
            Codec::H265 => Box::<hevc::Hevc>::default(),
            Codec::MpegAudio => Box::new(plain::Audio::<rtp::codec::mpeg_audio::FrameHeader>::new()),
            Codec::Adts => Box::new(plain::Audio::<rtp::codec::aac::AdtsHeader>::new()),
            Codec::Ac3 => Box::new(plain::Audio::<rtp::codec::ac3::FrameHeader>::new()),
            Codec::Dts => Box::new(plain::Audio::<rtp::codec::dts::FrameHeader>::new()),
            Codec::Tagged => return None,
        })
    }
}

/// The number of the only track.
const TRACK: u32 = 1;

/// Bytes asked for at once.
const READ_LEN: usize = 1 << 20;
/// Samples that gather until the first time of showing is known, at most: more than any picture waits for those shown
/// before it.
const GATHERED: usize = 200;

/// Cuts one elementary stream into access units with times.
trait Stream: Send {
    /// The stream's next bytes.
    fn handle(&mut self, bytes: &[u8], out: &mut VecDeque<DemuxedSample>);
    /// No more bytes.
    fn finish(&mut self, out: &mut VecDeque<DemuxedSample>);
    /// The format and the ticks per second of samples' times, once known; it is before the first sample comes out.
    fn track(&self) -> Option<(Format, u32)>;
    /// Bytes left out since the last call.
    fn take_junk(&mut self) -> u64;
}

/// The demuxer. A file is read once from start to end, after its tags.
pub struct Es {
    codec: Codec,
    stream: Option<Box<dyn Stream>>,
    /// What of the file is used up, and where the stream ends.
    at: u64,
    end: u64,
    stage: Stage,
    gathered: VecDeque<DemuxedSample>,
    /// The first time of showing, once known.
    zero: Option<i64>,
    events: VecDeque<Event>,
}

enum Stage {
    /// Looks for tags before the stream.
    Head,
    /// For those behind it.
    Tail,
    Stream,
    /// All has been read; an error if nothing was found.
    Over(Result<(), ContainerError>),
}

impl Es {
    /// A stream of `codec` as a file of `len` bytes.
    pub fn new(codec: Codec, len: u64) -> Self {
        let stage = if codec.is_audio() { Stage::Head } else { Stage::Stream };
        let (gathered, events) = (VecDeque::new(), VecDeque::new());
        Self { codec, stream: codec.stream(), at: 0, end: len, stage, gathered, zero: None, events }
    }

    /// The next place to read: offset and length.
    fn wanted(&self) -> (u64, usize) {
        let left = |most: usize| usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(most);
        match self.stage {
            Stage::Head => (self.at, left(tags::HEAD_LEN)),
            Stage::Tail => {
                let length = left(tags::TAIL_LEN);
                (self.end - length as u64, length)
            }
            _ => (self.at, left(READ_LEN)),
        }
    }

    fn finish(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.finish(&mut self.gathered);
        }
        self.release(true);
        let found = if self.zero.is_some() { Ok(()) } else { Err(self.nothing_found()) };
        self.stage = Stage::Over(found);
        let junk = self.stream.as_mut().map_or(0, |stream| stream.take_junk());
        if junk > 0 {
            self.events.push_back(Event::Note(format!("{junk} bytes that belong to no access unit left out")));
        }
    }

    fn nothing_found(&self) -> ContainerError {
        let reason = match &self.stream {
            Some(_) => "no whole access unit that can be decoded",
            None => "no MPEG audio, AAC, AC-3 or DTS behind the ID3 tag",
        };
        ContainerError { format: self.codec.name(), offset: self.at, path: String::new(), reason: reason.into() }
    }

    /// Turns what gathered into events, once it is certain what is shown first.
    fn release(&mut self, at_end: bool) {
        let Some(stream) = &self.stream else { return };
        let Some((format, timescale)) = stream.track() else { return };
        if self.zero.is_none() {
            if self.gathered.is_empty() || self.gathered.len() < GATHERED && !at_end {
                return;
            }
            self.zero = self.gathered.iter().map(|sample| sample.pts).min();
            self.events.push_back(Event::Track(TrackInfo { number: TRACK, format, language: None, timescale }));
        }
        let zero = self.zero.unwrap_or(0);
        self.events.extend(self.gathered.drain(..).map(|mut sample| {
            sample.dts -= zero;
            sample.pts -= zero;
            Event::Sample(sample)
        }));
    }
}

impl Demuxer for Es {
    fn poll(&mut self) -> Result<Event, ContainerError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if let Stage::Over(found) = &self.stage {
                return found.clone().map(|()| Event::End);
            }
            let (offset, length) = self.wanted();
            if length > 0 {
                return Ok(Event::Need { offset, length });
            }
            self.finish();
        }
    }

    fn handle_bytes(&mut self, offset: u64, bytes: Bytes) {
        let (wanted, length) = self.wanted();
        if offset != wanted || matches!(self.stage, Stage::Over(_)) {
            return;
        }
        match self.stage {
            Stage::Head => match tags::head_tag(&bytes) {
                // One tag may follow another.
                Some(tag) => self.at = self.at.saturating_add(tag).min(self.end),
                None => self.stage = Stage::Tail,
            },
            Stage::Tail => {
                self.end = self.end.saturating_sub(tags::tail_tags(&bytes)).max(self.at);
                self.stage = Stage::Stream;
            }
            Stage::Stream | Stage::Over(_) => {
                self.at += bytes.len() as u64;
                if self.stream.is_none() {
                    let known = detect(&bytes[..bytes.len().min(limits::PROBE_LEN)], self.at >= self.end);
                    self.stream = known.filter(|codec| codec.is_audio()).and_then(Codec::stream);
                }
                match &mut self.stream {
                    Some(stream) => stream.handle(&bytes, &mut self.gathered),
                    None => self.end = self.at,
                }
                self.release(false);
            }
        }
        // A file may have become shorter since its length was taken.
        if bytes.len() < length {
            self.end = self.at;
        }
    }
}

/// A NAL unit of a section: without start code and the zeros behind.
fn unit_of(section: &[u8]) -> &[u8] {
    let unit = section.get(rtp::codec::start_code::PREFIX.len()..).unwrap_or(&[]);
    &unit[..unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)]
}
