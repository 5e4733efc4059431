//! What a stream is by its first packets, and how long each packet lasts.

use super::super::asf::wrap::Wrapper;
use super::super::lossless::Lossless;
use bytes::Bytes;
use rtp::codec::{opus, vorbis};
use rtp::format::Format;

/// Bytes of a stream's headers together: a Vorbis setup has some KiB, comments may hold a picture.
pub const MAX_HEADERS: usize = 8 << 20;

/// A stream's codec, as its first packet says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    Opus {
        channels: u8,
        skip: i64,
    },
    /// Known once the last header has come.
    Vorbis {
        lengths: Option<vorbis::Lengths>,
    },
    Theora {
        rate: (u32, u32),
        shift: u32,
        size: (u32, u32),
    },
    /// Of one channel; samples of a packet, header packets in all.
    Speex {
        rate: u32,
        samples: i64,
        headers: usize,
    },
    /// Decoded when it is read; header packets in all.
    Flac {
        codec: Lossless,
        headers: usize,
    },
}

impl Codec {
    /// By a stream's first packet; or what it is instead, for people.
    pub fn tell(packet: &[u8]) -> Result<Self, String> {
        let short = |name: &str| format!("{name} with a header that can't be read");
        if let Some(rest) = packet.strip_prefix(b"OpusHead") {
            // Version, channels, pre-skip (RFC 7845 section 5.1).
            let &[_, channels, low, high, ..] = rest else { return Err(short("Opus")) };
            return match channels {
                1 | 2 => Ok(Codec::Opus { channels, skip: u16::from_le_bytes([low, high]).into() }),
                more => Err(format!("Opus with {more} channels, of which RTP carries two")),
            };
        }
        if packet.starts_with(vorbis::Identification::MARK) {
            vorbis::Identification::parse(packet).ok_or_else(|| short("Vorbis"))?;
            return Ok(Codec::Vorbis { lengths: None });
        }
        if let Some(rest) = packet.strip_prefix(b"\x80theora") {
            return theora(rest).ok_or_else(|| short("Theora"));
        }
        if let Some(rest) = packet.strip_prefix(b"\x7fFLAC") {
            // Version 2, header packets behind this one 2, mark 4, a block's head 4, the block (RFC 9639 section 10.1).
            let codec = rest.get(12..).and_then(Lossless::flac).ok_or_else(|| short("FLAC"))?;
            let more = rest.get(2..4).map_or(0, |count| u16::from_be_bytes([count[0], count[1]]));
            return Ok(Codec::Flac { codec, headers: usize::from(more).max(1) + 1 });
        }
        if let Some(rest) = packet.strip_prefix(b"Speex   ") {
            return speex(rest);
        }
        let names: [(&[u8], &str); 4] = [
            (b"fLaC", "FLAC"),
            (b"BBCD", "Dirac"),
            (b"CELT", "CELT"),
            (b"fishead\0", "a skeleton, which holds no media"),
        ];
        let known = names.iter().find(|(mark, _)| packet.starts_with(mark)).map(|(_, name)| name.to_string());
        let unknown = || format!("a stream that begins with \"{}\"", packet[..packet.len().min(8)].escape_ascii());
        Err(known.unwrap_or_else(unknown))
    }

    /// Header packets before the media.
    pub fn headers(&self) -> usize {
        match self {
            Codec::Opus { .. } => 2,
            Codec::Flac { headers, .. } | Codec::Speex { headers, .. } => *headers,
            Codec::Vorbis { .. } | Codec::Theora { .. } => 3,
        }
    }

    /// Ticks per second of its count.
    pub fn timescale(&self, format: &Format) -> u32 {
        match (self, format) {
            (Codec::Theora { rate, .. }, _) => rate.0,
            (Codec::Flac { codec, .. }, _) => codec.rate(),
            (Codec::Speex { rate, .. }, _) => *rate,
            (_, Format::Vorbis { sample_rate, .. }) => *sample_rate,
            _ => 48_000,
        }
    }

    /// The format by all header packets, or why there is none.
    pub fn format(&mut self, headers: &[Bytes]) -> Result<Format, String> {
        match self {
            Codec::Opus { channels, .. } => Ok(Format::Opus { channels: *channels }),
            Codec::Flac { codec, .. } => Ok(codec.format()),
            Codec::Speex { rate, .. } => Ok(Format::Speex { sample_rate: *rate }),
            Codec::Vorbis { lengths } => {
                let (first, setup) = headers.first().zip(headers.last()).ok_or("Vorbis without headers")?;
                *lengths = vorbis::Lengths::new(first, setup);
                lengths.as_ref().ok_or("Vorbis with a setup header that can't be read")?;
                let headers = headers.iter().map(|header| header.to_vec()).collect();
                Format::vorbis(headers).ok_or_else(|| "Vorbis with an identification header that can't be read".into())
            }
            Codec::Theora { size, .. } => {
                let headers: Vec<Vec<u8>> = headers.iter().map(|header| header.to_vec()).collect();
                let private = two_byte_lengths(&headers).ok_or("Theora with headers that are too long")?;
                Ok(Wrapper::video_of(1, *b"theo", size.0, size.1, 24, &private)?.format())
            }
        }
    }

    /// Ticks of a packet; `None` for one that is none of media.
    pub fn duration(&mut self, packet: &[u8]) -> Option<i64> {
        match self {
            Codec::Opus { .. } => opus::samples(packet).map(i64::from),
            Codec::Flac { codec, .. } => codec.samples(packet).map(i64::from),
            Codec::Speex { samples, .. } => Some(*samples),
            Codec::Vorbis { lengths } => lengths.as_mut()?.samples(packet).map(i64::from),
            // The first bit of a header packet is set. An empty packet shows the picture before once more.
            Codec::Theora { rate, .. } => packet.first().is_none_or(|first| first & 0x80 == 0).then_some(rate.1.into()),
        }
    }

    /// Packets that were lost have left nothing that the next one would overlap with.
    pub fn lost(&mut self) {
        if let Codec::Vorbis { lengths: Some(lengths) } = self {
            lengths.lost();
        }
    }

    /// A packet as [`Format::store`] takes it, only when it is given out: of FLAC it may be thousands of times as long. An
    /// error says what is wrong with it.
    pub fn unpack(&self, packet: Bytes) -> Result<Bytes, &'static str> {
        match self {
            Codec::Flac { codec, .. } => codec.decode(&packet),
            _ => Ok(packet),
        }
    }

    /// Whether decoding may begin at a packet.
    pub fn is_sync(&self, packet: &[u8]) -> bool {
        !matches!(self, Codec::Theora { .. }) || packet.first().is_some_and(|first| first & 0x40 == 0)
    }

    /// Where a page's count says that its last packet ends, in ticks; what comes before zero primes the decoder.
    pub fn ticks(&self, granule: i64) -> i64 {
        match self {
            Codec::Opus { skip, .. } => granule.saturating_sub(*skip),
            Codec::Vorbis { .. } | Codec::Flac { .. } | Codec::Speex { .. } => granule,
            // Pictures up to the last key frame, and those since (Theora specification section A.2.3).
            Codec::Theora { rate, shift, .. } => {
                let pictures = (granule >> shift).saturating_add(granule & ((1 << shift) - 1));
                pictures.saturating_mul(rate.1.into())
            }
        }
    }
}

/// By what follows the name (Speex manual, section 7.3): version 20, its number 4, header size 4, rate 4, mode 4, version
/// of the bit stream 4, channels 4, bit rate 4, samples of a frame 4, variable rate 4, frames of a packet 4, more headers 4.
fn speex(rest: &[u8]) -> Result<Codec, String> {
    /// No writer puts more frames into a packet.
    const MAX_FRAMES: u32 = 64;
    /// Headers beside the two that all files have.
    const MAX_EXTRA: u32 = 16;
    let word = |at: usize| rest.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u32::from_le_bytes(*bytes));
    let fields = || Some([word(28)?, word(40)?, word(48)?, word(56)?, word(60)?]);
    match fields() {
        Some(
            [rate @ (8000 | 16_000 | 32_000), 1, frame @ 160..=640, frames @ 1..=MAX_FRAMES, extra @ 0..=MAX_EXTRA],
        ) => {
            let headers = 2 + usize::try_from(extra).unwrap_or(0);
            Ok(Codec::Speex { rate, samples: i64::from(frame) * i64::from(frames), headers })
        }
        Some([8000 | 16_000 | 32_000, channels, ..]) if channels > 1 => {
            Err(format!("Speex with {channels} channels, of which RTP names one"))
        }
        _ => Err("Speex with a header that can't be read".into()),
    }
}

/// The rest of Theora's identification header (Theora specification section 6.2).
fn theora(rest: &[u8]) -> Option<Codec> {
    // Version 3, size in macroblocks 4, size of the picture 6, its place 2, rate 8, aspect 6, colours 1, bit rate 3.
    let three = |at: usize| rest.get(at..at + 3).map(|b| u32::from_be_bytes([0, b[0], b[1], b[2]]));
    let four = |at: usize| rest.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b));
    let rate = (four(15)?, four(19)?);
    let bits = u16::from_be_bytes(*rest.get(33..)?.first_chunk()?);
    let shift = u32::from(bits >> 5 & 31);
    let sound = rate.0 > 0 && (1..=1 << 24).contains(&rate.1);
    sound.then_some(Codec::Theora { rate, shift, size: (three(7)?, three(10)?) })
}

/// Headers each behind two bytes of length, as decoders take those of Theora.
fn two_byte_lengths(headers: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for header in headers {
        out.extend(u16::try_from(header.len()).ok()?.to_be_bytes());
        out.extend(header);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_told_by_their_first_packets() {
        let named = |packet: &[u8]| Codec::tell(packet).unwrap_err();
        assert_eq!(named(b"Speex   1.2"), "Speex with a header that can't be read");
        assert_eq!(named(b"OpusHead\x01\x06\0\0"), "Opus with 6 channels, of which RTP carries two");
        assert_eq!(named(b"OpusHead"), "Opus with a header that can't be read");
        assert_eq!(named(b"\x01vorbis"), "Vorbis with a header that can't be read");
        assert_eq!(named(b""), "a stream that begins with \"\"");
    }
}
