//! Sound sample entries (ISO 14496-12 section 12.2.3; QuickTime File Format, sound sample descriptions of
//! versions 0 to 2).

use super::{Kind, SOUND, descriptor, encrypted, foreign};
use crate::container::ContainerError;
use crate::container::mp4::boxes::{Find, Piece};
use crate::container::mp4::codec::{Codec, Pcm};
use crate::container::mp4::esds::Descriptor;
use nom::IResult;
use nom::bytes::complete::take;
use nom::number::complete::{be_f64, be_u16, be_u32};

/// A sound entry's fields, whichever version it has, and the boxes after them.
pub struct Sound {
    pub channels: u8,
    /// Bits of a sample.
    pub bits: u32,
    /// Samples per second; 0 where the entry can't say.
    pub rate: u32,
    /// Version 1's samples of a packet of one channel, and bytes of those of all channels together.
    pub packet: Option<(u32, u32)>,
    /// Version 2's formatSpecificFlags.
    flags: Option<u32>,
    pub boxes: Vec<Piece>,
}

/// What version 2 has instead of the older fields.
struct Modern {
    rate: f64,
    channels: u32,
    bits: u32,
    flags: u32,
}

fn sound(entry: &Piece) -> Result<Sound, ContainerError> {
    let (version, channels, bits, rate, modern) = entry.parse("a sound sample entry", fields)?;
    // QuickTime's versions 1 and 2 have more fields; ISO files may say 1 too (AudioSampleEntryV1) and have none.
    let skip = match version {
        1 => SOUND + 16,
        2 => SOUND + 36,
        _ => SOUND,
    };
    let usable = |boxes: &Vec<Piece>| boxes.iter().any(|piece| INSIDE.contains(&&piece.kind.0));
    let boxes = match entry.children(skip) {
        Ok(boxes) if usable(&boxes) || version == 0 => boxes,
        other => match entry.children(SOUND) {
            Ok(boxes) if usable(&boxes) => boxes,
            _ => other.unwrap_or_default(),
        },
    };
    let long =
        |at: usize| entry.body.get(at..).and_then(|rest| rest.first_chunk()).map(|long| u32::from_be_bytes(*long));
    // Where the fields are none the file is ISO's.
    let packet = long(SOUND)
        .zip(long(SOUND + 8))
        .filter(|(ticks, bytes)| version == 1 && (1..=MAX_PACKET).contains(ticks) && (1..=MAX_PACKET).contains(bytes));
    let narrow = |channels: u32| u8::try_from(channels).unwrap_or(u8::MAX);
    Ok(match modern {
        // Rates are positive and small; what isn't is cut to the type's bounds.
        Some(Modern { rate, channels, bits, flags }) => {
            Sound { channels: narrow(channels), bits, rate: rate.round() as u32, packet, flags: Some(flags), boxes }
        }
        None => Sound { channels: narrow(channels.into()), bits: bits.into(), rate, packet, flags: None, boxes },
    })
}

/// Samples and bytes of a packet of any codec of that time: more are other fields.
const MAX_PACKET: u32 = 1 << 16;

/// Boxes by which those of an entry are known for what they are.
const INSIDE: [&[u8; 4]; 9] = [b"esds", b"wave", b"sinf", b"dac3", b"dec3", b"dOps", b"dfLa", b"ddts", b"alac"];

type Fields = (u16, u16, u16, u32, Option<Modern>);

/// Version, channels, bits, rate, and what version 2 adds.
fn fields(input: &[u8]) -> IResult<&[u8], Fields> {
    let (input, _) = take(8usize)(input)?;
    let (input, version) = be_u16(input)?;
    let (input, _) = take(6usize)(input)?;
    let (input, channels) = be_u16(input)?;
    let (input, bits) = be_u16(input)?;
    let (input, _) = take(4usize)(input)?;
    // Fixed point, 16.16.
    let (input, rate) = be_u32(input)?;
    let (input, modern) = if version == 2 {
        let (input, _) = take(4usize)(input)?;
        let (input, rate) = be_f64(input)?;
        let (input, channels) = be_u32(input)?;
        let (input, _) = take(4usize)(input)?;
        let (input, bits) = be_u32(input)?;
        let (input, flags) = be_u32(input)?;
        (input, Some(Modern { rate, channels, bits, flags }))
    } else {
        (input, None)
    };
    Ok((input, (version, channels, bits, rate >> 16, modern)))
}

/// A codec of which the samples say all.
pub fn plain(entry: &Piece, codec: impl Fn(&Sound) -> Codec) -> Result<Kind, ContainerError> {
    let sound = sound(entry)?;
    if sound.boxes.find(b"sinf").is_some() {
        return encrypted(entry);
    }
    Ok(Kind::Known(codec(&sound)))
}

/// Opus (Encapsulation of Opus in ISO Base Media File Format, section 4.3): one or two channels is what RTP has.
pub fn opus(entry: &Piece) -> Result<Kind, ContainerError> {
    let Sound { channels, boxes, .. } = sound(entry)?;
    if boxes.find(b"sinf").is_some() {
        return encrypted(entry);
    }
    // Version, then the count of output channels; the entry's own should say the same.
    let channels = boxes.find(b"dOps").and_then(|dops| dops.body.get(1).copied()).unwrap_or(channels);
    Ok(match channels {
        1 | 2 => Kind::Known(Codec::Opus { channels }),
        more => Kind::Unknown(format!("Opus with {more} channels, of which RTP carries two")),
    })
}

/// Uncompressed and companded audio that RTP can carry; `None` for everything else.
pub fn pcm(entry: &Piece, timescale: u32) -> Result<Option<Codec>, ContainerError> {
    const NAMES: [&[u8; 4]; 9] = [b"raw ", b"NONE", b"twos", b"sowt", b"in24", b"lpcm", b"ulaw", b"alaw", b"ms\0\x06"];
    if !NAMES.contains(&&entry.kind.0) && &entry.kind.0 != b"ms\0\x07" {
        return Ok(None);
    }
    // A video track's `raw ` has the same name and may be shorter than a sound's fields.
    let Ok(Sound { channels, bits, rate, flags, boxes, .. }) = sound(entry) else { return Ok(None) };
    // `enda` in `wave` turns the byte order of what is big-endian by name.
    let wave = boxes.find(b"wave").and_then(|wave| wave.children(0).ok()).unwrap_or_default();
    let turned = wave.find(b"enda").is_some_and(|enda| enda.body.starts_with(&[0, 1]));
    let wide = |bytes, little| Some(Pcm::Wide { bytes, little });
    let layout = match (&entry.kind.0, bits) {
        (b"ulaw" | b"ms\0\x07", _) => Some(Pcm::Mulaw),
        (b"alaw" | b"ms\0\x06", _) => Some(Pcm::Alaw),
        (b"in24", _) => wide(3, turned),
        (b"lpcm", bits) => match (flags.unwrap_or(0), bits) {
            // Floating point.
            (flags, _) if flags & 1 != 0 => None,
            (flags, 8) => Some(if flags & 4 != 0 { Pcm::Signed } else { Pcm::Unsigned }),
            (flags, 16) => wide(2, flags & 2 == 0),
            (flags, 24) => wide(3, flags & 2 == 0),
            _ => None,
        },
        (b"raw " | b"NONE", 16) => wide(2, false),
        (b"raw " | b"NONE", _) => Some(Pcm::Unsigned),
        (b"twos" | b"sowt", 8) => Some(Pcm::Signed),
        (b"twos", 24) => wide(3, turned),
        (b"sowt", 24) => wide(3, true),
        (_, 32..) => None,
        (b"twos", _) => wide(2, turned),
        _ => wide(2, true),
    };
    // ISO files leave the rate out where it doesn't fit, and then time counts samples.
    let rate = if rate == 0 { timescale } else { rate };
    Ok(layout.filter(|_| channels > 0).map(|layout| Codec::Pcm { layout, rate, channels }))
}

/// Uncompressed audio, or what ASF has a name for.
pub fn pcm_or_foreign(entry: &Piece, timescale: u32) -> Result<Kind, ContainerError> {
    let known = pcm(entry, timescale)?.map(Kind::Known);
    let foreign = || sound(entry).ok().and_then(|sound| foreign::audio(entry, &sound, timescale));
    Ok(known.or_else(foreign).unwrap_or_else(|| Kind::Unknown(entry.kind.to_string())))
}

/// What `esds` says, which is AAC, MPEG audio or AC-3.
pub fn mpeg4(entry: &Piece) -> Result<Kind, ContainerError> {
    let Sound { channels, rate, mut boxes, .. } = sound(entry)?;
    if boxes.find(b"sinf").is_some() {
        return encrypted(entry);
    }
    // QuickTime wraps what belongs to the codec into `wave`.
    if boxes.find(b"esds").is_none()
        && let Some(wave) = boxes.find(b"wave")
    {
        boxes = wave.children(0)?;
    }
    let Descriptor { object_type, config } = descriptor(&boxes, entry)?;
    Ok(match object_type {
        0x40 | 0x66..=0x68 => Kind::Known(Codec::Aac { config, channels }),
        0x69 | 0x6b => Kind::Known(Codec::MpegAudio),
        0xa5 => Kind::Known(Codec::Ac3),
        0xa6 => Kind::Known(Codec::Eac3),
        0xa9..=0xac => foreign::dts(entry, channels, rate),
        other => Kind::Unknown(format!("mp4a with object type {other:#04x}")),
    })
}
