//! From the bytes of a track of sound to access units, whose samples are its clock: what headers say of rates is
//! often wrong, and chunks begin and end anywhere.

mod blocks;
mod pcm;

use crate::container::lossless::Lossless;
use crate::container::mpeg::sound::Sound as Header;
use crate::container::wave::{self, WaveFormat};
use blocks::Blocks;
use bytes::{Buf, Bytes, BytesMut};
use pcm::Pcm;
use rtp::codec::aac::{AdtsHeader, AudioSpecificConfig};
use rtp::codec::frames::{Scan, Scanner};
use rtp::codec::{ac3, dts, mpeg_audio};
use rtp::format::{Format, PcmCoding};

/// Takes each access unit and its samples of each channel.
pub(in crate::container) type Each<'a> = &'a mut dyn FnMut(Bytes, u32);

/// Cuts a track's chunks into access units.
pub(in crate::container) enum Sound {
    Mpeg(Frames<mpeg_audio::FrameHeader>),
    Ac3(Frames<ac3::FrameHeader>),
    Dts(Frames<dts::FrameHeader>),
    Adts(Frames<AdtsHeader>),
    /// Each chunk is one, with so many samples.
    Chunks(u32),
    Pcm(Pcm),
    Blocks(Blocks),
    /// Each chunk is a frame, which becomes samples of so many bytes.
    Lossless(Lossless, usize),
}

/// A track of sound as far as its first chunks tell.
pub(in crate::container) struct Opened {
    pub sound: Sound,
    pub format: Format,
    /// Samples per second of each channel.
    pub sample_rate: u32,
}

/// Why a track can't be sent as what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::container) enum Refused {
    /// No payload format carries its codec.
    NoPayload(String),
    /// It is not what its description says.
    Broken(String),
}

/// Bytes of a track's first chunks that tell what it is.
pub(in crate::container) const FIRST_BYTES: usize = 64 << 10;

/// Raw data blocks have so many samples in all AAC that files have.
const AAC_SAMPLES: u32 = 1024;

/// What the sound's codec is and how it travels.
pub(in crate::container) fn open(wave: &WaveFormat, first: &[Bytes]) -> Result<Opened, Refused> {
    match wave.tag {
        wave::MPEG | wave::MPEG_LAYER_3 => framed::<mpeg_audio::FrameHeader>(first, Sound::Mpeg),
        wave::AC3 => framed::<ac3::FrameHeader>(first, Sound::Ac3),
        wave::AAC | wave::AAC_OLD | wave::AAC_ADTS if !wave.extra.is_empty() && !is_adts(first) => aac(&wave.extra),
        wave::AAC | wave::AAC_OLD | wave::AAC_ADTS => framed::<AdtsHeader>(first, Sound::Adts),
        wave::PCM | wave::ALAW | wave::MULAW => {
            let (pcm, format) = Pcm::open(wave)?;
            Ok(Opened { sound: Sound::Pcm(pcm), format, sample_rate: wave.sample_rate })
        }
        wave::FLAC if let Some(codec) = Lossless::flac(&wave.extra) => Ok(lossless(codec)),
        tag => Err(Refused::NoPayload(format!("audio of format {tag:#06x} has no payload format"))),
    }
}

/// A track of frames with headers of their own, which tell better times than chunks do, whether they have a payload format
/// or not; `None` for other sound.
pub(in crate::container) fn open_framed(wave: &WaveFormat, first: &[Bytes]) -> Option<Opened> {
    let opened = match wave.tag {
        wave::DTS => framed::<dts::FrameHeader>(first, Sound::Dts),
        _ => open(wave, first),
    };
    opened.ok().filter(|opened| opened.sound.is_framed())
}

/// The same for sound whose bytes follow each other without chunks: what has no payload format is announced as it is in ASF,
/// and its access units are to be wrapped. So is FLAC, whose frames can't be told there.
pub(in crate::container) fn open_unbroken(wave: &WaveFormat, first: &[Bytes]) -> Result<Opened, Refused> {
    match open(wave, first) {
        Ok(Opened { sound: Sound::Lossless(..), .. }) | Err(Refused::NoPayload(_)) => Blocks::open(wave),
        opened => opened,
    }
}

fn is_adts(first: &[Bytes]) -> bool {
    first.iter().any(|chunk| AdtsHeader::parse(chunk).is_ok())
}

fn aac(config: &[u8]) -> Result<Opened, Refused> {
    let found = AudioSpecificConfig::parse(config).map_err(|error| Refused::Broken(error.to_string()))?;
    let (sample_rate, channels) = (found.sample_rate, found.channels);
    let format = Format::Aac { config: config.to_vec(), sample_rate, channels };
    Ok(Opened { sound: Sound::Chunks(AAC_SAMPLES), format, sample_rate })
}

fn lossless(codec: Lossless) -> Opened {
    let format = codec.format();
    let bytes = match &format {
        Format::Pcm { coding: PcmCoding::L24, channels, .. } => 3 * usize::from(*channels),
        Format::Pcm { channels, .. } => 2 * usize::from(*channels),
        _ => 1,
    };
    Opened { sound: Sound::Lossless(codec, bytes.max(1)), format, sample_rate: codec.rate() }
}

fn framed<H: Header>(first: &[Bytes], kind: fn(Frames<H>) -> Sound) -> Result<Opened, Refused> {
    let mut bytes = BytesMut::new();
    first.iter().for_each(|chunk| bytes.extend_from_slice(chunk));
    // What follows is unknown, so the last frame counts though nothing behind it shows that it is one.
    let Scan::Frame { skip, header, len } = Scanner::<H>::new().scan(&bytes, true) else {
        return Err(Refused::Broken("no frame of audio in its first chunks".into()));
    };
    let format = header.format(&bytes[skip..skip + len]);
    let format = format.ok_or_else(|| Refused::NoPayload("its kind of frames has no payload format".into()))?;
    Ok(Opened { sound: kind(Frames::default()), format, sample_rate: header.sample_rate() })
}

impl Sound {
    /// Whether its access units are frames with headers of their own.
    pub fn is_framed(&self) -> bool {
        matches!(self, Sound::Mpeg(_) | Sound::Ac3(_) | Sound::Dts(_) | Sound::Adts(_))
    }

    /// The next chunk of the track.
    pub fn handle(&mut self, chunk: Bytes, each: Each<'_>) {
        match self {
            Sound::Mpeg(frames) => frames.handle(&chunk, each),
            Sound::Ac3(frames) => frames.handle(&chunk, each),
            Sound::Dts(frames) => frames.handle(&chunk, each),
            Sound::Adts(frames) => frames.handle(&chunk, each),
            Sound::Chunks(samples) => each(chunk, *samples),
            Sound::Pcm(pcm) => pcm.handle(&chunk, each),
            Sound::Blocks(blocks) => blocks.handle(&chunk, each),
            Sound::Lossless(codec, bytes) => {
                // A damaged frame keeps its time.
                let silence = || codec.samples(&chunk).map(|samples| Bytes::from(vec![0; samples as usize * *bytes]));
                if let Some(data) = codec.decode(&chunk).ok().or_else(silence) {
                    let samples = data.len() / *bytes;
                    each(data, u32::try_from(samples).unwrap_or(u32::MAX));
                }
            }
        }
    }

    /// The track is over.
    pub fn finish(&mut self, each: Each<'_>) {
        match self {
            Sound::Mpeg(frames) => frames.finish(each),
            Sound::Ac3(frames) => frames.finish(each),
            Sound::Dts(frames) => frames.finish(each),
            Sound::Adts(frames) => frames.finish(each),
            Sound::Chunks(_) | Sound::Lossless(..) => {}
            Sound::Pcm(pcm) => pcm.finish(each),
            Sound::Blocks(blocks) => blocks.finish(each),
        }
    }
}

/// Finds frames, which may begin and end anywhere in chunks.
pub(in crate::container) struct Frames<H> {
    buffer: BytesMut,
    scanner: Scanner<H>,
    /// Of the first frame.
    sample_rate: u32,
}

impl<H: Header> Default for Frames<H> {
    fn default() -> Self {
        Self { buffer: BytesMut::new(), scanner: Scanner::new(), sample_rate: 0 }
    }
}

impl<H: Header> Frames<H> {
    fn handle(&mut self, chunk: &[u8], each: Each<'_>) {
        self.buffer.extend_from_slice(chunk);
        self.cut(false, each);
    }

    fn finish(&mut self, each: Each<'_>) {
        self.cut(false, each);
        // What a cut file ends with is decoded by some players as far as it goes.
        if H::DECODES_CUT
            && self.sample_rate > 0
            && self.buffer.len() > H::LEN
            && let Ok(header) = H::parse(&self.buffer)
            && header.sample_rate() == self.sample_rate
            && header.frame_len().is_some_and(|len| len > self.buffer.len())
        {
            let rest = self.buffer.split().freeze();
            header.units(rest, each);
        }
        self.cut(true, each);
    }

    fn cut(&mut self, at_end: bool, each: Each<'_>) {
        loop {
            match self.scanner.scan(&self.buffer, at_end) {
                Scan::Frame { skip, header, len } => {
                    self.buffer.advance(skip.min(self.buffer.len()));
                    let frame = self.buffer.split_to(len.min(self.buffer.len())).freeze();
                    let rate = header.sample_rate().max(1);
                    if self.sample_rate == 0 {
                        self.sample_rate = rate;
                    }
                    let clock = u64::from(self.sample_rate);
                    header.units(frame, &mut |unit, samples| {
                        // A rate that changes on the way is told in samples of the first.
                        let samples = u64::from(samples) * clock / u64::from(rate);
                        each(unit, u32::try_from(samples).unwrap_or(u32::MAX));
                    });
                }
                Scan::More { skip } => return self.buffer.advance(skip.min(self.buffer.len())),
            }
        }
    }
}
