//! Which elementary stream a file is, by its content.

use super::{Codec, tags, unit_of};
use rtp::codec::aac::AdtsHeader;
use rtp::codec::frames::{FrameHeader, Frames};
use rtp::codec::mpeg4_visual::{self, FIRST_LAYER, LAST_LAYER, Layer, Vop};
use rtp::codec::start_code::start_codes;
use rtp::codec::{ac3, dts, mpeg_audio, mpeg_video};
use rtp::codec::{h264, h265};

/// Files of other kinds begin so, and what lies in them looks like elementary streams.
const OTHERS: &[&[u8]] = &[
    b"RIFF",
    b"RIFX",
    b"FORM",
    b"FLV",
    b"OggS",
    b"fLaC",
    b"MThd",
    b".RMF",
    &[0x1A, 0x45, 0xDF, 0xA3],
    &[0x30, 0x26, 0xB2, 0x75],
];

/// Tells the elementary stream that `head` begins with; `whole`: it is all of the file. `None` where it is none.
pub(in crate::container) fn detect(head: &[u8], whole: bool) -> Option<Codec> {
    if OTHERS.iter().any(|other| head.starts_with(other)) {
        return None;
    }
    if let Some(tag) = tags::head_tag(head) {
        let Some(rest) = usize::try_from(tag).ok().and_then(|tag| head.get(tag..)) else {
            return (!whole).then_some(Codec::Tagged);
        };
        return if rest.len() < tags::HEAD_LEN && !whole { Some(Codec::Tagged) } else { detect_after(rest, whole) };
    }
    video(head).or_else(|| audio(head, whole))
}

/// Behind one tag may be another.
fn detect_after(rest: &[u8], whole: bool) -> Option<Codec> {
    if tags::head_tag(rest).is_some() { detect(rest, whole) } else { audio(rest, whole) }
}

/// The kind of frames that most of `head` is.
fn audio(head: &[u8], whole: bool) -> Option<Codec> {
    // Its sync word of 32 bits is sure by itself; inside its frames lie what could be others' headers, a frame apart.
    if frames_in::<dts::FrameHeader>(head, whole).is_some() {
        return Some(Codec::Dts);
    }
    let candidates = [
        (Codec::MpegAudio, frames_in::<mpeg_audio::FrameHeader>(head, whole)),
        (Codec::Ac3, frames_in::<ac3::FrameHeader>(head, whole)),
        (Codec::Adts, frames_in::<AdtsHeader>(head, whole)),
    ];
    let found = candidates.into_iter().filter_map(|(codec, bytes)| Some((codec, bytes?)));
    found.max_by_key(|(_, bytes)| *bytes).map(|(codec, _)| codec)
}

/// The bytes of the frames of one kind, if `head` is nothing else but for junk before the first and a little between
/// them.
fn frames_in<H: FrameHeader>(head: &[u8], whole: bool) -> Option<usize> {
    /// Frames in a row that no other file has by accident, and in a small file.
    const ENOUGH: usize = 4;
    const ENOUGH_OF_WHOLE: usize = 2;
    let (mut count, mut bytes, mut first, mut longest) = (0, 0, None, 0);
    let mut free = (usize::MAX, 0);
    for frame in Frames::<H>::new(head) {
        first.get_or_insert(frame.offset);
        (count, bytes, longest) = (count + 1, bytes + frame.data.len(), longest.max(frame.data.len()));
        if frame.header.frame_len().is_none() {
            free = (free.0.min(frame.data.len()), free.1.max(frame.data.len()));
        }
    }
    let first = first?;
    // Frames that don't say their length differ by a slot of padding, but for the last, which is cut.
    if free.1 > 0 && free.1 - free.0 > 4 && count < 8 {
        return None;
    }
    let tags = if whole { usize::try_from(tags::tail_tags(head)).unwrap_or(0) } else { 0 };
    // The last frame may be cut.
    let rest = (head.len() - first).saturating_sub(tags + longest);
    let enough = count >= ENOUGH || whole && first == 0 && count >= ENOUGH_OF_WHOLE;
    (enough && bytes * 10 >= rest * 8).then_some(bytes)
}

/// What the start codes of `head` speak for.
fn video(head: &[u8]) -> Option<Codec> {
    if mpeg_video_begins(head) {
        return Some(Codec::MpegVideo);
    }
    if visual_begins(head) {
        return Some(Codec::Mpeg4Visual);
    }
    if avc_begins(head) {
        return Some(Codec::H264);
    }
    hevc_begins(head).then_some(Codec::H265)
}

/// A sequence header, a picture and a slice, in this order, and nothing of the system layer.
fn mpeg_video_begins(head: &[u8]) -> bool {
    let (mut sequence, mut picture, mut slices) = (false, false, 0);
    for found in start_codes(head) {
        let rest = &head[found.offset..];
        match found.code {
            mpeg_video::SEQUENCE => sequence |= mpeg_video::Sequence::parse(rest).is_ok(),
            mpeg_video::PICTURE if sequence => picture |= mpeg_video::Picture::parse(rest).is_ok(),
            mpeg_video::FIRST_SLICE..=mpeg_video::LAST_SLICE if picture => slices += 1,
            0xB9.. => return false,
            _ => {}
        }
    }
    slices > 0
}

/// A video object layer and a picture, and none of the codes that are reserved.
fn visual_begins(head: &[u8]) -> bool {
    let (mut layer, mut picture) = (None, false);
    for found in start_codes(head) {
        let rest = &head[found.offset..];
        match found.code {
            FIRST_LAYER..=LAST_LAYER => layer = Layer::parse(rest).ok().or(layer),
            mpeg4_visual::VOP => picture |= layer.is_some_and(|layer| Vop::parse(rest, &layer).is_ok()),
            0x30..=0xAF | 0xC4.. => return false,
            _ => {}
        }
    }
    picture
}

/// What a NAL unit speaks for.
enum Unit {
    Slice,
    Right,
    Wrong,
}

impl Unit {
    fn right_if(right: bool) -> Self {
        if right { Unit::Right } else { Unit::Wrong }
    }
}

/// Parameter sets and a slice of theirs, and hardly a unit that can't be one.
fn avc_begins(head: &[u8]) -> bool {
    let (mut order, mut sets) = (h264::PictureOrder::default(), false);
    units_begin(head, |unit| match h264::unit_type(unit) {
        h264::SPS => {
            let right = h264::Sps::parse(unit).is_ok() && order.handle_set(unit).is_ok();
            sets |= right;
            Unit::right_if(right)
        }
        h264::PPS => Unit::right_if(order.handle_set(unit).is_ok() || !sets),
        // A stream may begin behind its sets.
        h264::SLICE | h264::IDR_SLICE => order.slice(unit).map_or(Unit::right_if(!sets), |_| Unit::Slice),
        kind => Unit::right_if((1..22).contains(&kind)),
    })
}

/// The same for H.265.
fn hevc_begins(head: &[u8]) -> bool {
    let (mut order, mut sets) = (h265::PictureOrder::default(), false);
    units_begin(head, |unit| match h265::unit_type(unit) {
        // No unit has a temporal id of -1.
        _ if unit.get(1).is_none_or(|second| second & 7 == 0) => Unit::Wrong,
        _ if h265::layer(unit) > 0 => Unit::Right,
        h265::SPS => {
            let right = order.handle_set(unit).is_ok();
            sets |= right;
            Unit::right_if(right)
        }
        h265::PPS => Unit::right_if(order.handle_set(unit).is_ok() || !sets),
        0..=9 | h265::BLA..=h265::CRA if h265::begins_picture(unit) => {
            order.slice(unit).map_or(Unit::right_if(!sets), |_| Unit::Slice)
        }
        kind => Unit::right_if(kind < h265::UNSPECIFIED),
    })
}

/// Whether the NAL units of `head` are those of a stream, by what `judge` says of each.
fn units_begin(head: &[u8], mut judge: impl FnMut(&[u8]) -> Unit) -> bool {
    let (mut slices, mut wrong, mut count) = (0, 0, 0);
    let found: Vec<_> = start_codes(head).map(|found| found.offset).collect();
    let ends = found.iter().skip(1).copied().chain([head.len()]);
    for (&start, end) in found.iter().zip(ends) {
        let unit = unit_of(&head[start..end]);
        count += 1;
        // The first bit is zero in both.
        if unit.first().is_none_or(|first| first & 0x80 != 0) {
            wrong += 1;
            continue;
        }
        match judge(unit) {
            Unit::Slice => slices += 1,
            Unit::Right => {}
            Unit::Wrong => wrong += 1,
        }
    }
    slices > 0 && wrong * 10 <= count
}
