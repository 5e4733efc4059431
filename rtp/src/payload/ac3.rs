//! AC-3 (RFC 4184) and E-AC-3 (RFC 4598). Stored form: the sync frames as they are.
//!
//! A payload is a header of two bytes, the frame type and a number, and behind it that number of whole frames, or one
//! of that number of parts of one frame. The frames of one instant, which E-AC-3 may have several of, stay together
//! where they fit. Frames come back one by one.

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::clock::{RtpTimestamp, Ticks};
use crate::codec::ac3::FrameHeader;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

#[cfg(test)]
mod tests;

/// Which of the two formats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    format: &'static str,
    enhanced: bool,
}

pub(crate) const AC3: Kind = Kind { format: "AC3", enhanced: false };
pub(crate) const EAC3: Kind = Kind { format: "EAC3", enhanced: true };

/// Bytes of the payload header.
const HEADER: usize = 2;

/// `FT` of RFC 4184 section 4.1.1; whole frames are 0 in both formats.
///
/// RFC 4598 section 4.1 has only the lower bit, `F`, and a zero above it that receivers shall ignore. Yet no receiver reads
/// E-AC-3 so: live555 (VLC) takes it by RFC 4184's rules, by which a part with 1 begins a frame, and ffmpeg and GStreamer
/// are told that it is AC-3. So parts of both formats have 1 and 3, whose lower bit is `F`.
const INITIAL_DECODABLE: u8 = 1;
const INITIAL: u8 = 2;
const OTHER: u8 = 3;

/// What is not a whole sync frame can't be told from the next one by a receiver.
const NO_FRAME: &str = "no whole sync frame";

pub(crate) fn store(unit: &[u8], kind: Kind, out: &mut Vec<u8>) -> Result<(), FormatError> {
    let error = |offset, reason| FormatError { format: kind.format, offset, reason };
    if unit.is_empty() {
        return Err(error(0, NO_FRAME));
    }
    for frame in Frames::new(unit, RtpTimestamp(0)) {
        let frame = frame.map_err(|offset| error(offset, NO_FRAME))?;
        if frame.header.enhanced && !kind.enhanced {
            return Err(error(frame.offset, "an E-AC-3 frame, which AC-3 can't have"));
        }
    }
    out.extend_from_slice(unit);
    Ok(())
}

#[derive(Debug)]
pub(crate) struct Payloader {
    kind: Kind,
    /// 200 ms, which every receiver should be ready to buffer (RFC 3551 section 4.2).
    max_span: i32,
}

impl Payloader {
    pub(crate) fn new(kind: Kind, sample_rate: u32) -> Self {
        Self { kind, max_span: i32::try_from(sample_rate / 5).unwrap_or(i32::MAX) }
    }

    pub(crate) fn packetize(&self, units: &[AccessUnit<'_>], out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
        let error = |offset| PayloadError { format: self.kind.format, offset, reason: NO_FRAME };
        let max = out.max_payload() - HEADER;
        let mut instants = units.iter().flat_map(|unit| Instants::new(unit.data, unit.timestamp)).peekable();
        while let Some(first) = instants.next() {
            let first = first.map_err(error)?;
            if first.data.len() > max {
                for frame in Frames::new(first.data, first.timestamp).flatten() {
                    self.frame(&frame, max, out);
                }
                continue;
            }
            let payload = out.begin(first.timestamp, true);
            let number_at = payload.len() + 1;
            payload.extend_from_slice(&[0, first.frames]);
            payload.extend_from_slice(first.data);
            let (mut room, mut number, mut due) = (max - first.data.len(), first.frames, first.ticks);
            // The receiver counts the later frames' times itself, so a hole in them needs a new packet.
            while let Some(Ok(next)) = instants.next_if(|next| {
                let Ok(next) = next else { return false };
                let distance = next.timestamp.distance(first.timestamp);
                let steady = (distance - due).abs() <= first.ticks / 8 && distance < self.max_span;
                next.data.len() <= room && steady && number.checked_add(next.frames).is_some()
            }) {
                payload.extend_from_slice(next.data);
                room -= next.data.len();
                number += next.frames;
                due += next.ticks;
            }
            payload[number_at] = number;
            out.finish();
        }
        Ok(())
    }

    /// A frame that shares no packet, perhaps in equal parts.
    fn frame(&self, frame: &Frame<'_>, max: usize, out: &mut PacketWriter<'_>) {
        if frame.data.len() <= max {
            return out.write(frame.timestamp, true, &[&[0, 1], frame.data]);
        }
        let size = frame.data.len().div_ceil(frame.data.len().div_ceil(max));
        // At most 4096 bytes in parts of more than 128.
        let number = u8::try_from(frame.data.len().div_ceil(size)).unwrap_or(u8::MAX);
        let mut parts = frame.data.chunks(size).enumerate().peekable();
        while let Some((index, part)) = parts.next() {
            let kind = match index {
                0 if self.kind.enhanced => INITIAL_DECODABLE,
                0 if part.len() >= decodable(frame.data.len()) => INITIAL_DECODABLE,
                0 => INITIAL,
                _ => OTHER,
            };
            out.write(frame.timestamp, parts.peek().is_none(), &[&[kind, number], part]);
        }
    }
}

/// Bytes of the first 5/8 of an AC-3 frame, by which its first blocks can be decoded (ETSI TS 102 366 table 6.1).
fn decodable(len: usize) -> usize {
    let words = len / 2;
    (words / 2 + words / 8) * 2
}

/// One sync frame.
#[derive(Clone, Copy)]
struct Frame<'a> {
    header: FrameHeader,
    data: &'a [u8],
    /// From the start of its unit.
    offset: usize,
    timestamp: RtpTimestamp,
}

/// The frames of some bytes, or where there is none.
struct Frames<'a> {
    data: &'a [u8],
    at: usize,
    /// Of the instant that the last frame belongs to, and of what follows it.
    timestamp: RtpTimestamp,
    next: RtpTimestamp,
}

impl<'a> Frames<'a> {
    fn new(data: &'a [u8], start: RtpTimestamp) -> Self {
        Self { data, at: 0, timestamp: start, next: start }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, usize>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.data.get(self.at..).filter(|rest| !rest.is_empty())?;
        let offset = self.at;
        let header = FrameHeader::parse(rest).ok();
        // What a file is cut in is sent as far as it goes: of AC-3 it is the last frame, by itself.
        let cut = |header: &FrameHeader| (!header.enhanced && offset == 0).then_some(rest);
        let whole = |header: FrameHeader| Some((header, rest.get(..header.len).or(cut(&header))?));
        let Some((header, data)) = header.and_then(whole) else {
            self.at = self.data.len();
            return Some(Err(offset));
        };
        self.at += data.len();
        if header.begins_unit() {
            self.timestamp = self.next;
            self.next = self.next.plus(Ticks(i64::from(header.samples())));
        }
        Some(Ok(Frame { header, data, offset, timestamp: self.timestamp }))
    }
}

/// The frames of one instant.
struct Instant<'a> {
    data: &'a [u8],
    frames: u8,
    timestamp: RtpTimestamp,
    /// How long they sound.
    ticks: i32,
}

/// The instants of some bytes, or where there is no frame.
struct Instants<'a> {
    frames: std::iter::Peekable<Frames<'a>>,
    data: &'a [u8],
}

impl<'a> Instants<'a> {
    fn new(data: &'a [u8], start: RtpTimestamp) -> Self {
        Self { frames: Frames::new(data, start).peekable(), data }
    }
}

impl<'a> Iterator for Instants<'a> {
    type Item = Result<Instant<'a>, usize>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = match self.frames.next()? {
            Ok(frame) => frame,
            Err(offset) => return Some(Err(offset)),
        };
        let (mut count, mut end) = (1, first.offset + first.data.len());
        let more = |frame: &Result<Frame<'_>, usize>| frame.is_ok_and(|frame| !frame.header.begins_unit());
        while let Some(Ok(frame)) = self.frames.next_if(|frame| count < u8::MAX && more(frame)) {
            (count, end) = (count + 1, frame.offset + frame.data.len());
        }
        let ticks = i32::try_from(first.header.samples()).unwrap_or(0);
        Some(Ok(Instant { data: &self.data[first.offset..end], frames: count, timestamp: first.timestamp, ticks }))
    }
}

pub(crate) fn depacketize(
    packet: &RtpPacket<'_>,
    kind: Kind,
    gap: bool,
    units: &mut Units,
) -> Result<(), PayloadError> {
    let error = |offset, reason| Err(PayloadError { format: kind.format, offset, reason });
    let Some((&[first, _], data)) = packet.payload.split_first_chunk::<HEADER>() else {
        return error(0, "a payload shorter than its header");
    };
    let frame_type = first & if kind.enhanced { 1 } else { 3 };
    if frame_type == 0 {
        units.discard();
        for frame in Frames::new(data, packet.timestamp) {
            let frame = match frame {
                Ok(frame) => frame,
                Err(offset) => return error(HEADER + offset, NO_FRAME),
            };
            units.append(frame.timestamp, frame.data);
            units.open(frame.timestamp).sync = true;
            units.close();
        }
        return Ok(());
    }
    // E-AC-3 doesn't say which part is the first: it is the one with a header and nothing before it.
    if gap || matches!(frame_type, INITIAL | INITIAL_DECODABLE) && !kind.enhanced {
        units.discard();
    }
    let header = if units.len() == 0 { FrameHeader::parse(data) } else { FrameHeader::parse(units.bytes()) };
    let Ok(header) = header else {
        units.discard();
        return error(HEADER, "a part of a frame whose start is missing");
    };
    units.append(packet.timestamp, data);
    let length = units.len();
    if length == header.len {
        units.open(packet.timestamp).sync = true;
        units.close();
    } else if packet.marker || length > header.len {
        units.discard();
        return error(HEADER, "the parts don't make up the frame");
    }
    Ok(())
}
