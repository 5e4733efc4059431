//! Sample descriptions: which codec a track's samples are in, and its configuration
//! (ISO 14496-12 section 8.5.2, 14496-14, 14496-15; QuickTime File Format, sound sample descriptions).

use super::boxes::{Find, FourCc, Piece};
use super::codec::Codec;
use super::esds::{self, Descriptor};
use crate::container::ContainerError;
use nom::IResult;
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16, be_u32};

/// What a sample description turned out to be.
#[derive(Clone, Debug)]
pub(super) enum Description {
    /// One that we can send.
    Known(Codec),
    /// Named for people.
    Unknown(String),
    /// Named likewise, with the scheme.
    Encrypted(String),
}

/// Most descriptions of one track that are told apart.
const MAX_DESCRIPTIONS: usize = 64;

/// All descriptions in `stsd`, in order.
pub(super) fn read(stsd: &Piece) -> Result<Vec<Description>, ContainerError> {
    // Version, flags and the entry count come before the entries.
    let entries = stsd.children(8)?;
    if entries.is_empty() {
        return Err(stsd.error(8, "no sample description"));
    }
    entries.iter().take(MAX_DESCRIPTIONS).map(read_entry).collect()
}

fn read_entry(entry: &Piece) -> Result<Description, ContainerError> {
    match &entry.kind.0 {
        b"encv" | b"enca" | b"drmi" | b"drms" => encrypted(entry),
        b"avc1" | b"avc3" => avc(entry),
        b"mp4v" => mp4_visual(entry),
        b"mp4a" => mp4_audio(entry),
        // QuickTime's two names of MPEG audio layer III; the second is the Windows format tag.
        b".mp3" | b"ms\0\x55" => {
            sound(entry)?;
            Ok(Description::Known(Codec::MpegAudio))
        }
        _ => Ok(Description::Unknown(entry.kind.to_string())),
    }
}

fn encrypted(entry: &Piece) -> Result<Description, ContainerError> {
    let skip = if matches!(&entry.kind.0, b"encv" | b"drmi") { VISUAL } else { SOUND };
    let boxes = entry.children(skip).unwrap_or_default();
    let inner = boxes.find(b"sinf").map(|sinf| sinf.children(0)).transpose()?.unwrap_or_default();
    let name = |kind, at: usize| {
        let body = &inner.find(kind)?.body;
        let name = body.get(at..at + 4)?;
        Some(FourCc([name[0], name[1], name[2], name[3]]).to_string())
    };
    let codec = name(b"frma", 0).unwrap_or_else(|| entry.kind.to_string());
    let scheme = name(b"schm", 4).unwrap_or_else(|| "unnamed".into());
    Ok(Description::Encrypted(format!("{codec}, scheme {scheme}")))
}

/// Bytes of a visual sample entry's fields before its boxes.
const VISUAL: usize = 78;
/// Likewise of a sound entry's, version 0.
const SOUND: usize = 28;

/// Width and height in pixels.
fn visual(entry: &Piece) -> Result<(u32, u32), ContainerError> {
    entry.parse("a visual sample entry", |input| {
        let (input, _) = take(24usize)(input)?;
        let (input, width) = be_u16(input)?;
        let (input, height) = be_u16(input)?;
        let (input, _) = take(VISUAL - 28)(input)?;
        Ok((input, (u32::from(width), u32::from(height))))
    })
}

fn avc(entry: &Piece) -> Result<Description, ContainerError> {
    let (width, height) = visual(entry)?;
    let boxes = entry.children(VISUAL)?;
    if boxes.find(b"sinf").is_some() {
        return encrypted(entry);
    }
    let avcc = boxes.need(b"avcC", entry)?;
    let (length_size, sps, pps) = avcc.parse("an AVC decoder configuration record", avc_configuration)?;
    if length_size == 3 {
        return Err(avcc.error(4, "NAL unit lengths of 1, 2 or 4 bytes expected, found 3"));
    }
    Ok(Description::Known(Codec::Avc { length_size, sps, pps, width, height }))
}

type ParameterSets = Vec<Vec<u8>>;

/// ISO 14496-15 section 5.3.3.1: length size, sequence and picture parameter sets.
fn avc_configuration(input: &[u8]) -> IResult<&[u8], (usize, ParameterSets, ParameterSets)> {
    fn sets(mut input: &[u8], count: u8) -> IResult<&[u8], ParameterSets> {
        let mut found = Vec::new();
        for _ in 0..count {
            let (rest, length) = be_u16(input)?;
            let (rest, set) = take(length)(rest)?;
            if !set.is_empty() {
                found.push(set.to_vec());
            }
            input = rest;
        }
        Ok((input, found))
    }
    let (input, _) = take(4usize)(input)?;
    let (input, lengths) = be_u8(input)?;
    let (input, count) = be_u8(input)?;
    let (input, sps) = sets(input, count & 31)?;
    let (input, count) = be_u8(input)?;
    let (input, pps) = sets(input, count)?;
    Ok((input, (usize::from(lengths & 3) + 1, sps, pps)))
}

/// What `esds` says, with its place for errors.
fn descriptor(boxes: &[Piece], entry: &Piece) -> Result<Descriptor, ContainerError> {
    let piece = boxes.need(b"esds", entry)?;
    piece.parse("an elementary stream descriptor", |input| {
        let (input, _) = be_u32(input)?;
        esds::descriptor(input)
    })
}

fn mp4_visual(entry: &Piece) -> Result<Description, ContainerError> {
    let (width, height) = visual(entry)?;
    let boxes = entry.children(VISUAL)?;
    if boxes.find(b"sinf").is_some() {
        return encrypted(entry);
    }
    let Descriptor { object_type, config } = descriptor(&boxes, entry)?;
    Ok(match object_type {
        0x20 => Description::Known(Codec::Mpeg4Visual { config, width, height }),
        0x60..=0x65 | 0x6a => Description::Known(Codec::MpegVideo { mpeg2: object_type != 0x6a, width, height }),
        other => Description::Unknown(format!("mp4v with object type {other:#04x}")),
    })
}

/// The number of channels in a sound entry and the boxes after its fields, whichever version it has.
fn sound(entry: &Piece) -> Result<(u8, Vec<Piece>), ContainerError> {
    let (version, channels) = entry.parse("a sound sample entry", |input| {
        let (input, _) = take(8usize)(input)?;
        let (input, version) = be_u16(input)?;
        let (input, _) = take(6usize)(input)?;
        let (input, channels) = be_u16(input)?;
        let (input, _) = take(10usize)(input)?;
        Ok((input, (version, channels)))
    })?;
    // QuickTime's versions 1 and 2 have more fields; ISO files may say 1 too (AudioSampleEntryV1) and have none.
    let skip = match version {
        1 => SOUND + 16,
        2 => SOUND + 36,
        _ => SOUND,
    };
    let usable = |boxes: &Vec<Piece>| boxes.find(b"esds").or(boxes.find(b"wave")).or(boxes.find(b"sinf")).is_some();
    let boxes = match entry.children(skip) {
        Ok(boxes) if usable(&boxes) || version == 0 => boxes,
        other => match entry.children(SOUND) {
            Ok(boxes) if usable(&boxes) => boxes,
            _ => other.unwrap_or_default(),
        },
    };
    Ok((u8::try_from(channels).unwrap_or(u8::MAX), boxes))
}

fn mp4_audio(entry: &Piece) -> Result<Description, ContainerError> {
    let (channels, mut boxes) = sound(entry)?;
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
        0x40 | 0x66..=0x68 => Description::Known(Codec::Aac { config, channels }),
        0x69 | 0x6b => Description::Known(Codec::MpegAudio),
        other => Description::Unknown(format!("mp4a with object type {other:#04x}")),
    })
}
