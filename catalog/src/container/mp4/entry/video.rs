//! Visual sample entries (ISO 14496-12 section 12.1.3, 14496-15).

use super::{Kind, VISUAL, descriptor, encrypted};
use crate::container::ContainerError;
use crate::container::mp4::boxes::{Find, Piece};
use crate::container::mp4::codec::Codec;
use crate::container::mp4::esds::Descriptor;
use nom::IResult;
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16};
use rtp::codec::h265;

/// Width and height in pixels.
pub(super) fn visual(entry: &Piece) -> Result<(u32, u32), ContainerError> {
    entry.parse("a visual sample entry", |input| {
        let (input, _) = take(24usize)(input)?;
        let (input, width) = be_u16(input)?;
        let (input, height) = be_u16(input)?;
        let (input, _) = take(VISUAL - 28)(input)?;
        Ok((input, (u32::from(width), u32::from(height))))
    })
}

/// A codec of which the entry need not say more than the picture's size.
pub fn plain(entry: &Piece, codec: impl Fn(u32, u32) -> Codec) -> Result<Kind, ContainerError> {
    let (width, height) = visual(entry)?;
    // QuickTime may have colour tables there instead of boxes.
    if entry.children(VISUAL).is_ok_and(|boxes| boxes.find(b"sinf").is_some()) {
        return encrypted(entry);
    }
    Ok(Kind::Known(codec(width, height)))
}

/// H.264 (ISO 14496-15 section 5.4.2).
pub fn avc(entry: &Piece) -> Result<Kind, ContainerError> {
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
    Ok(Kind::Known(Codec::Avc { length_size, sps, pps, width, height }))
}

/// H.264 by its configuration record alone, as other containers have it.
pub fn avc_codec(record: &[u8]) -> Option<Codec> {
    let (_, (length_size, sps, pps)) = avc_configuration(record).ok()?;
    (length_size != 3).then_some(Codec::Avc { length_size, sps, pps, width: 0, height: 0 })
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

/// H.265 (ISO 14496-15 section 8.4.1).
pub fn hevc(entry: &Piece) -> Result<Kind, ContainerError> {
    let (width, height) = visual(entry)?;
    let boxes = entry.children(VISUAL)?;
    if boxes.find(b"sinf").is_some() {
        return encrypted(entry);
    }
    let hvcc = boxes.need(b"hvcC", entry)?;
    let (length_size, sets) = hvcc.parse("an HEVC decoder configuration record", hevc_configuration)?;
    if length_size == 3 {
        return Err(hvcc.error(21, "NAL unit lengths of 1, 2 or 4 bytes expected, found 3"));
    }
    let [vps, sps, pps] = sets;
    Ok(Kind::Known(Codec::Hevc { length_size, vps, sps, pps, width, height }))
}

/// H.265 by its configuration record alone, as other containers have it.
pub fn hevc_codec(record: &[u8]) -> Option<Codec> {
    let (_, (length_size, [vps, sps, pps])) = hevc_configuration(record).ok()?;
    (length_size != 3).then_some(Codec::Hevc { length_size, vps, sps, pps, width: 0, height: 0 })
}

/// ISO 14496-15 section 8.3.3.1: length size; video, sequence and picture parameter sets.
fn hevc_configuration(input: &[u8]) -> IResult<&[u8], (usize, [ParameterSets; 3])> {
    let (input, _) = take(21usize)(input)?;
    let (input, lengths) = be_u8(input)?;
    let (mut input, arrays) = be_u8(input)?;
    let mut found: [ParameterSets; 3] = Default::default();
    for _ in 0..arrays {
        let (rest, kind) = be_u8(input)?;
        let (mut rest, count) = be_u16(rest)?;
        for _ in 0..count {
            let (after, length) = be_u16(rest)?;
            let (after, unit) = take(length)(after)?;
            let sets = usize::from(kind & 63).checked_sub(usize::from(h265::VPS)).and_then(|at| found.get_mut(at));
            if let Some(sets) = sets.filter(|_| !unit.is_empty()) {
                sets.push(unit.to_vec());
            }
            rest = after;
        }
        input = rest;
    }
    Ok((input, (usize::from(lengths & 3) + 1, found)))
}

/// MPEG-4 visual, and MPEG-1 and MPEG-2 video by `esds`.
pub fn mpeg4(entry: &Piece) -> Result<Kind, ContainerError> {
    let (width, height) = visual(entry)?;
    let boxes = entry.children(VISUAL)?;
    if boxes.find(b"sinf").is_some() {
        return encrypted(entry);
    }
    let Descriptor { object_type, config } = descriptor(&boxes, entry)?;
    Ok(match object_type {
        0x20 => Kind::Known(Codec::Mpeg4Visual { config, width, height }),
        0x6c => Kind::Known(Codec::Jpeg { width, height }),
        0x60..=0x65 | 0x6a => Kind::Known(Codec::MpegVideo { mpeg2: object_type != 0x6a, width, height }),
        other => Kind::Unknown(format!("mp4v with object type {other:#04x}")),
    })
}
