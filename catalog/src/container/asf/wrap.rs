//! Access units of any codec with a FourCC or a format tag, as ASF media objects: what has no payload format of its own
//! travels so (X-ASF-PF), whatever container it comes from.
//!
//! A presentation either has all its tracks wrapped or none: some players (ffmpeg over UDP) take all streams of such a
//! presentation on one port, where other payload formats would not be understood.

use crate::container::DemuxedSample;
use bytes::Bytes;
use rtp::asf::header::{StreamProperties, video_data};
use rtp::asf::packet::{self, MediaObject};
use rtp::format::{Format, Media};

mod known;

/// Ticks per second of wrapped samples' times: ASF counts milliseconds.
pub const TIMESCALE: u32 = 1_000;

/// Bytes of a BITMAPINFOHEADER and of a WAVEFORMATEX, without what follows them.
const BITMAP_INFO: usize = 40;
const WAVE_FORMAT: usize = 18;

/// Bytes that may follow: a header of all streams must fit into a session description.
const MAX_PRIVATE: usize = 4_096;

/// Wraps one track.
#[derive(Clone, Debug)]
pub struct Wrapper {
    stream: u8,
    format: Format,
    shape: known::Shape,
    next_object: u8,
}

impl Wrapper {
    /// A track of any format, as number `stream`. One that is ASF already keeps its description.
    ///
    /// # Errors
    /// Why it can't be wrapped, for people.
    pub fn of(stream: u8, format: &Format) -> Result<Self, String> {
        known::wrapper(stream, format)
    }

    /// Video described by a BITMAPINFOHEADER with the codec's private bytes behind it, as an AVI's `strf` holds them.
    /// `stream`: 1 to 127, another for each track of the presentation.
    ///
    /// # Errors
    /// Why it can't be wrapped, for people.
    pub fn video(stream: u8, bitmap_info: &[u8]) -> Result<Self, String> {
        let field = |at: usize| bitmap_info.get(at..at + 4).and_then(|bytes| bytes.first_chunk().copied());
        let (Some(width), Some(height), Some(fourcc)) = (field(4), field(8), field(16)) else {
            return Err("its description is too short".into());
        };
        if bitmap_info.len() < BITMAP_INFO {
            return Err("its description is too short".into());
        }
        let (width, height) = (u32::from_le_bytes(width), i32::from_le_bytes(height).unsigned_abs());
        let mut info = bitmap_info.to_vec();
        // Here it counts what follows, too.
        info[..4].copy_from_slice(&u32::try_from(bitmap_info.len()).unwrap_or(u32::MAX).to_le_bytes());
        let codec = format!("{} video {width}x{height}", fourcc_name(fourcc));
        Self::new(stream, Media::Video, &video_data(width, height, &info), bitmap_info.len() - BITMAP_INFO, codec)
    }

    /// Video of the codec `fourcc` with its private bytes, as a QuickTime sample description has them.
    ///
    /// # Errors
    /// Why it can't be wrapped, for people.
    pub fn video_of(
        stream: u8,
        fourcc: [u8; 4],
        width: u32,
        height: u32,
        depth: u16,
        private: &[u8],
    ) -> Result<Self, String> {
        let mut info = vec![0; BITMAP_INFO];
        info[4..8].copy_from_slice(&width.to_le_bytes());
        info[8..12].copy_from_slice(&height.to_le_bytes());
        info[12] = 1;
        info[14..16].copy_from_slice(&depth.to_le_bytes());
        info[16..20].copy_from_slice(&fourcc);
        info.extend_from_slice(private);
        Self::video(stream, &info)
    }

    /// Audio described by a WAVEFORMATEX with what follows it, as an AVI's `strf` holds it.
    ///
    /// # Errors
    /// Why it can't be wrapped, for people.
    pub fn audio(stream: u8, wave_format: &[u8]) -> Result<Self, String> {
        let mut wave = wave_format.to_vec();
        if wave.len() < WAVE_FORMAT - 2 {
            return Err("its description is too short".into());
        }
        // The older form ends before the size of what follows.
        wave.resize(wave.len().max(WAVE_FORMAT), 0);
        let short = |at: usize| u16::from_le_bytes([wave[at], wave[at + 1]]);
        let rate = u32::from_le_bytes([wave[4], wave[5], wave[6], wave[7]]);
        let codec = format!("{} {rate} Hz {} channels", tag_name(short(0)), short(2));
        Self::new(stream, Media::Audio, &wave, wave.len() - WAVE_FORMAT, codec)
    }

    fn new(stream: u8, media: Media, type_data: &[u8], private: usize, codec: String) -> Result<Self, String> {
        if !(1..=127).contains(&stream) {
            return Err(format!("ASF has streams 1 to 127, not {stream}"));
        }
        if private > MAX_PRIVATE {
            return Err(format!("{private} bytes of private data are more than a session description holds"));
        }
        let properties = StreamProperties { stream, media, type_data }.to_bytes();
        let format = Format::Asf { stream, media, properties, codec };
        Ok(Self { stream, format, shape: known::Shape::AsItIs, next_object: 0 })
    }

    fn shaped(self, shape: known::Shape) -> Self {
        Self { shape, ..self }
    }

    /// The track's format: that of the samples that [`Wrapper::wrap`] gives.
    pub fn format(&self) -> Format {
        self.format.clone()
    }

    /// Wraps a sample whose times count `timescale` ticks per second; those of the result count [`TIMESCALE`]. ASF has
    /// one time for each, that of decoding.
    pub fn wrap(&mut self, sample: &DemuxedSample, timescale: u32) -> DemuxedSample {
        let scale = |time: i64| {
            let scaled = i128::from(time) * i128::from(TIMESCALE) / i128::from(timescale.max(1));
            i64::try_from(scaled).unwrap_or(i64::MAX)
        };
        let time_ms = scale(sample.dts);
        let duration = scale(sample.dts.saturating_add(sample.duration)).saturating_sub(time_ms);
        let data = self.shape.apply(&sample.data, sample.sync);
        let data = Bytes::from(self.packets(time_ms, sample.sync, &data));
        DemuxedSample { track: sample.track, dts: time_ms, pts: time_ms, duration, sync: sample.sync, data }
    }

    pub(super) fn packets(&mut self, time_ms: i64, sync: bool, data: &[u8]) -> Vec<u8> {
        let object = MediaObject { stream: self.stream, number: self.next_object, time_ms, sync, data };
        self.next_object = self.next_object.wrapping_add(1);
        let mut out = Vec::with_capacity(data.len() + data.len() / 64 + packet::OVERHEAD);
        packet::write(&object, &mut out);
        out
    }
}

/// Letters where they are some, else the number.
fn fourcc_name(fourcc: [u8; 4]) -> String {
    match fourcc.iter().all(u8::is_ascii_graphic) {
        true => fourcc.iter().map(|byte| char::from(*byte)).collect(),
        false => format!("codec {:#010x}", u32::from_le_bytes(fourcc)),
    }
}

fn tag_name(tag: u16) -> String {
    let name = match tag {
        0x0001 => "PCM",
        0x0002 => "Microsoft ADPCM",
        0x0003 => "floating point",
        0x000a => "WMA Voice",
        0x0011 => "IMA ADPCM",
        0x0055 => "MP3",
        0x0160 => "WMA 1",
        0x0161 => "WMA 2",
        0x0162 => "WMA Pro",
        0x0163 => "WMA Lossless",
        0x2000 => "AC-3",
        0x2001 => "DTS",
        _ => return format!("audio of format {tag:#06x}"),
    };
    name.to_owned()
}
