//! The list of headers, `hdrl`: one list of stream headers, `strl`, a stream.

use super::bitmap;
use super::limits::{MAX_CHILDREN, MAX_INDEX_PIECES};
use super::riff::{Chunk, FourCc, chunks, four_cc};
use crate::container::limits::MAX_TRACKS;
use crate::container::wave::WaveFormat;
use bytes::Bytes;
use nom::IResult;
use nom::bytes::complete::take;
use nom::number::complete::{le_u16, le_u32, le_u64};

/// What is known of a stream from its headers.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub media: Media,
    /// `strf` as it is.
    pub description: Bytes,
    /// Seconds of one unit: `scale / rate`, neither of them zero. A unit is a chunk, or `sample_size` bytes.
    pub scale: u32,
    pub rate: u32,
    /// Units before the first.
    pub start: u32,
    /// Zero where each chunk is a unit.
    pub sample_size: u32,
    /// Where the index of this stream's chunks lies (OpenDML 1.02): offset and size of each piece, headers included.
    pub pieces: Vec<(u64, u32)>,
    /// The index itself, where it is short enough to lie in the headers.
    pub index: Option<Bytes>,
}

/// What a stream is.
#[derive(Clone, Debug)]
pub(super) enum Media {
    Video(Picture),
    Audio(WaveFormat),
    /// For people: what else.
    Other(String),
}

/// `BITMAPINFOHEADER`
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    pub width: u32,
    pub height: u32,
    pub compression: FourCc,
    /// What follows it.
    pub extra: Bytes,
}

/// A stream's header without its description.
struct Head {
    kind: FourCc,
    handler: FourCc,
    start: u32,
    scale: u32,
    rate: u32,
    sample_size: u32,
}

/// Reads the body of `hdrl`. Broken streams become [`Media::Other`], so that the others keep their numbers.
pub(super) fn read(hdrl: &Bytes) -> Vec<Stream> {
    let list = chunks(hdrl, MAX_CHILDREN);
    let frame_us = list.iter().find(|chunk| &chunk.name.0 == b"avih").and_then(|avih| first_word(&avih.body));
    let streams = list.iter().filter(|chunk| chunk.list == Some(FourCc(*b"strl"))).take(MAX_TRACKS);
    streams.map(|strl| read_stream(&chunks(&strl.body, MAX_CHILDREN), frame_us.unwrap_or(0))).collect()
}

fn first_word(body: &[u8]) -> Option<u32> {
    le_u32::<_, nom::error::Error<&[u8]>>(body).ok().map(|(_, word)| word)
}

fn read_stream(list: &[Chunk], frame_us: u32) -> Stream {
    let body = |name: &[u8; 4]| list.iter().find(|chunk| &chunk.name.0 == name).map(|chunk| chunk.body.clone());
    let other = |why: &str| Stream {
        media: Media::Other(why.to_owned()),
        description: Bytes::new(),
        scale: 1,
        rate: 25,
        start: 0,
        sample_size: 0,
        pieces: Vec::new(),
        index: None,
    };
    let Some(strh) = body(b"strh") else { return other("a stream without a header (strh)") };
    let Ok((_, head)) = head(&strh) else { return other("a stream with a cut header (strh)") };
    let strf = body(b"strf").unwrap_or_default();
    let media = match &head.kind.0 {
        b"vids" => match picture(&strf) {
            Ok((_, mut picture)) => {
                // Nothing but the handler tells what the pixels of a zero compression are.
                if picture.compression == FourCc::default() {
                    picture.compression = head.handler;
                }
                picture.extra = strf.slice(strf.len().min(bitmap::HEADER_LEN)..);
                Media::Video(picture)
            }
            Err(_) => Media::Other("video without a description (strf)".into()),
        },
        b"auds" => match WaveFormat::read(&strf) {
            Some(format) => Media::Audio(format),
            None => Media::Other("audio without a description (strf)".into()),
        },
        b"iavs" => Media::Other("video and audio in one (DV type 1)".into()),
        b"txts" => Media::Other("text".into()),
        _ => Media::Other(format!("neither video nor audio (type {})", head.kind)),
    };
    let (scale, rate) = rate(&head, &media, frame_us);
    // Hours before the first frame are a lie.
    let crazy = u64::from(head.start) * u64::from(scale) > 3600 * u64::from(rate);
    let (index, pieces) = body(b"indx").map_or((None, Vec::new()), |indx| super_index(&indx));
    let start = if crazy { 0 } else { head.start };
    Stream { media, description: strf, scale, rate, start, sample_size: head.sample_size, pieces, index }
}

/// Seconds of one unit as a fraction without zeros.
fn rate(head: &Head, media: &Media, frame_us: u32) -> (u32, u32) {
    match (head.scale, head.rate, media) {
        (scale @ 1.., rate @ 1.., _) => (scale, rate),
        (_, _, Media::Video(_)) if frame_us > 0 => (frame_us, 1_000_000),
        (_, _, Media::Audio(format)) if head.sample_size > 0 && format.byte_rate > 0 => {
            (head.sample_size, format.byte_rate)
        }
        _ => (1, 25),
    }
}

fn head(input: &[u8]) -> IResult<&[u8], Head> {
    let (input, kind) = four_cc(input)?;
    let (input, handler) = four_cc(input)?;
    // Flags, priority, language and initial frames.
    let (input, _) = take(12usize)(input)?;
    let (input, scale) = le_u32(input)?;
    let (input, rate) = le_u32(input)?;
    let (input, start) = le_u32(input)?;
    // Length, buffer size and quality.
    let (input, _) = take(12usize)(input)?;
    let (input, sample_size) = le_u32(input)?;
    Ok((input, Head { kind, handler, start, scale, rate, sample_size }))
}

fn picture(input: &[u8]) -> IResult<&[u8], Picture> {
    let (input, _size) = le_u32(input)?;
    let (input, width) = le_u32(input)?;
    let (input, height) = le_u32(input)?;
    // Planes and bits.
    let (input, _) = take(4usize)(input)?;
    let (input, compression) = four_cc(input)?;
    // A negative height is of a picture with its first line on top.
    let height = height.cast_signed().unsigned_abs();
    Ok((input, Picture { width, height, compression, extra: Bytes::new() }))
}

/// `indx`: the places of the pieces, or one piece by itself (OpenDML 1.02, "AVI Super Index Chunk").
fn super_index(indx: &Bytes) -> (Option<Bytes>, Vec<(u64, u32)>) {
    match indx.get(3) {
        // AVI_INDEX_OF_INDEXES
        Some(0) => {
            let count = indx.get(4..).and_then(first_word).unwrap_or(0) as usize;
            let entries = indx.get(24..).unwrap_or_default().chunks_exact(16);
            let pieces = entries.take(count.min(MAX_INDEX_PIECES)).filter_map(|entry| piece(entry).ok());
            (None, pieces.map(|(_, piece)| piece).filter(|(offset, _)| *offset > 0).collect())
        }
        // AVI_INDEX_OF_CHUNKS
        Some(1) => (Some(indx.clone()), Vec::new()),
        _ => (None, Vec::new()),
    }
}

fn piece(input: &[u8]) -> IResult<&[u8], (u64, u32)> {
    let (input, offset) = le_u64(input)?;
    let (input, size) = le_u32(input)?;
    let (input, _duration) = le_u16(input)?;
    Ok((input, (offset, size)))
}
