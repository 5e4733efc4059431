//! MPEG-1 and MPEG-2 video (RFC 2250 sections 3.1, 3.3 and 3.4).
//!
//! Stored form: a hint block, then the picture's bytes as they are in the elementary stream. A picture may be a
//! frame or two fields, each with its picture header. The hint block is a list of 32-bit words, big-endian: the
//! first counts the block's bytes, itself included; each other has a [`Piece`] in its upper four bits and below
//! them the piece's bytes, or for [`Piece::Field`], which leads the pieces of one picture header, the bits of the
//! RFC 2250 header with S, B and E zero. The pieces' lengths add up to the picture.
//!
//! A payload holds headers and whole slices as they fit, or part of one slice, cut equally. Sequence headers
//! start a payload, GOP headers start one or follow a sequence header, picture headers start one or follow a
//! GOP header. AN, N and T are never set: no known receiver uses what they stand for.
//!
//! After PLAY the first picture header starts a payload of its own even where it might follow its GOP header: ffmpeg's
//! parser takes no time from a stream's very first packet, and would show the first picture at a guessed one.

mod hints;
#[cfg(test)]
mod tests;

use self::hints::{Hint, Hints, Piece};
use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::{MIN_PAYLOAD, PacketWriter};
use crate::train::{PACKETS_FOR_A_SEND, Sends, best_limit};
use std::ops::Range;

const FORMAT: &str = "MPV";

/// Bytes of the MPEG video-specific header.
const HEADER: usize = 4;

/// Bytes of each word of these headers, and of a start code.
const WORD: usize = 4;

/// Bits of it.
const SEQUENCE_PRESENT: u32 = 1 << 13;
const SLICE_BEGINS: u32 = 1 << 12;
const SLICE_ENDS: u32 = 1 << 11;
const MPEG2_EXTENSION: u32 = 1 << 26;
const PICTURE_TYPE: u32 = 7 << 8;
const INTRA: u32 = 1 << 8;

/// Bits of the MPEG-2 extension (RFC 2250 section 3.4.1): more extensions follow, so does the composite display.
const MORE_EXTENSIONS: u32 = 1 << 30;
const COMPOSITE_DISPLAY: u32 = 1;

pub(crate) fn store(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    let base = out.len();
    let result = hints::write(unit, out);
    match result {
        Ok(()) => out.extend_from_slice(unit),
        Err(_) => out.truncate(base),
    }
    result
}

/// The picture as it is in the elementary stream; `None` where the hint block is cut.
pub(crate) fn without_hints(stored: &[u8]) -> Option<&[u8]> {
    let (hints, _) = stored.split_first_chunk()?;
    stored.get(usize::try_from(u32::from_be_bytes(*hints)).ok()?..)
}

pub(crate) fn packetize(unit: &AccessUnit<'_>, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    let error = |offset, reason| PayloadError { format: FORMAT, offset, reason };
    let (hints, picture) = hints::read(unit.data)?;
    let max = out.max_payload() - HEADER;
    let max = if out.shares_sends() && picture.len() > max {
        best_limit(MIN_PAYLOAD - HEADER, max, |limit| sends(hints.clone(), picture.len(), limit))
    } else {
        max
    };
    let start = out.take_start();
    let sends = out.shares_sends().then(Sends::default);
    let (open, context) = (Cut::at(0), Context::Empty);
    let mut cutter = Cutter { unit, picture, max, out, start, field: 0, open, context, done: None, sends };
    for hint in hints {
        let Hint { offset, piece, value } = hint?;
        let length = usize::try_from(value).unwrap_or(usize::MAX);
        match piece {
            Piece::Field => {
                cutter.close();
                cutter.field = value;
            }
            _ if length > picture.len() - cutter.open.bytes.end => {
                return Err(error(offset, "the pieces are longer than their picture"));
            }
            Piece::Slice => cutter.slice(length),
            piece => cutter.header(piece, length),
        }
    }
    if cutter.open.bytes.end != picture.len() {
        return Err(error(unit.data.len(), "the pieces are shorter than their picture"));
    }
    cutter.finish();
    Ok(())
}

/// In how many sends and packets a picture leaves, cut by `limit`.
fn sends(hints: Hints<'_>, picture: usize, limit: usize) -> Sends {
    let mut sends = Sends::default();
    let (mut filled, mut rest) = (0, picture);
    for Hint { piece, value, .. } in hints.flatten() {
        let length = value as usize;
        rest = rest.saturating_sub(if piece == Piece::Field { 0 } else { length });
        match piece {
            Piece::Field => {
                sends.add(filled);
                filled = 0;
            }
            _ if filled + length <= limit => filled += length,
            Piece::Slice if length > limit => {
                let part = part(filled + length, limit, (rest == 0).then_some(&sends));
                let whole = (filled + length - 1) / part;
                (0..whole).for_each(|_| sends.add(part));
                sends.add(filled + length - part * whole);
                filled = 0;
            }
            _ => {
                sends.add(filled);
                filled = length;
            }
        }
    }
    sends.add(filled);
    sends
}

/// The bytes of each part of a slice that doesn't fit a payload: equal parts, or, for the picture's last slice, parts as
/// long as the payloads before, so that they leave with these and only the very last is shorter.
fn part(length: usize, limit: usize, before: Option<&Sends>) -> usize {
    let fewest = length.div_ceil(limit);
    let run = before.map_or(0, Sends::longest);
    if run > 0 && run <= limit && length.div_ceil(run) < fewest + PACKETS_FOR_A_SEND {
        return run;
    }
    length.div_ceil(fewest)
}

/// Fills payloads with pieces. A finished one waits until the next is finished, for only then is it known
/// whether it is the picture's last.
struct Cutter<'u, 'w, 't> {
    unit: &'u AccessUnit<'u>,
    picture: &'u [u8],
    max: usize,
    out: &'w mut PacketWriter<'t>,
    /// The first picture after PLAY: its header is kept out of the first payload.
    start: bool,
    /// The header's bits that are the same in all packets of one field.
    field: u32,
    open: Cut,
    context: Context,
    done: Option<Cut>,
    /// Of the payloads so far, where that matters.
    sends: Option<Sends>,
}

/// A payload: bytes of the picture, and the header before them.
#[derive(Clone, Debug)]
struct Cut {
    bytes: Range<usize>,
    word: u32,
}

impl Cut {
    fn at(start: usize) -> Self {
        Self { bytes: start..start, word: 0 }
    }
}

/// What the open payload ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Context {
    Empty,
    /// A sequence header and what belongs to it: a GOP header may follow.
    Sequence,
    /// A GOP header and its user data: a picture header may follow.
    Group,
    /// Other headers.
    Headers,
    /// Whole slices.
    Slices,
    /// The last part of a slice, or what comes after the slices: no slice may follow in this payload.
    Ended,
}

impl Cutter<'_, '_, '_> {
    fn room(&self) -> usize {
        self.max - self.open.bytes.len()
    }

    fn add(&mut self, length: usize, bits: u32) {
        self.open.bytes.end += length;
        self.open.word |= self.field | bits;
    }

    fn header(&mut self, piece: Piece, length: usize) {
        let stays = match piece {
            Piece::Sequence => false,
            Piece::Group => self.context == Context::Sequence,
            Piece::Picture => self.context == Context::Group && !self.start,
            _ => true,
        };
        if !stays || length > self.room() {
            self.close();
        }
        self.context = match (piece, self.context) {
            (Piece::Sequence, _) => Context::Sequence,
            (Piece::Group, _) => Context::Group,
            (Piece::Tail, _) => Context::Ended,
            (Piece::Picture, _) | (_, Context::Empty) => Context::Headers,
            (_, same) => same,
        };
        if length > 0 {
            // The last byte is not a slice's any more.
            self.open.word &= !SLICE_ENDS;
        }
        let part = length.min(self.room());
        self.add(part, if piece == Piece::Sequence { SEQUENCE_PRESENT } else { 0 });
        let mut rest = length - part;
        // Only user data is longer than the smallest payload; and what is damaged.
        while rest > 0 {
            self.close();
            let part = rest.min(self.max);
            self.add(part, 0);
            self.context = Context::Headers;
            rest -= part;
        }
    }

    fn slice(&mut self, length: usize) {
        if self.context == Context::Ended
            || (length > self.room() && (length <= self.max || self.context == Context::Slices))
        {
            self.close();
        }
        if length <= self.room() {
            let begins = if self.context == Context::Slices { 0 } else { SLICE_BEGINS };
            self.add(length, begins | SLICE_ENDS);
            self.context = Context::Slices;
            return;
        }
        let last = self.open.bytes.end + length == self.picture.len();
        let before = self.sends.filter(|_| last);
        if part(self.open.bytes.len() + length, self.max, before.as_ref()) < self.open.bytes.len() + WORD {
            self.close();
        }
        let before = self.sends.filter(|_| last);
        let size = part(self.open.bytes.len() + length, self.max, before.as_ref());
        let first = size - self.open.bytes.len();
        self.add(first, SLICE_BEGINS);
        let mut rest = length - first;
        while rest > 0 {
            self.close();
            let part = rest.min(size);
            rest -= part;
            self.add(part, if rest == 0 { SLICE_ENDS } else { 0 });
        }
        self.context = Context::Ended;
    }

    fn close(&mut self) {
        let next = Cut::at(self.open.bytes.end);
        let cut = std::mem::replace(&mut self.open, next);
        if let Some(sends) = &mut self.sends {
            sends.add(cut.bytes.len());
        }
        self.context = Context::Empty;
        if !cut.bytes.is_empty()
            && let Some(done) = self.done.replace(cut)
        {
            self.write(&done, false);
        }
    }

    fn finish(mut self) {
        self.close();
        if let Some(done) = self.done.take() {
            self.write(&done, true);
        }
    }

    fn write(&mut self, cut: &Cut, marker: bool) {
        let bytes = self.picture.get(cut.bytes.clone()).unwrap_or_default();
        self.out.write(self.unit.timestamp, marker, &[&cut.word.to_be_bytes(), bytes]);
    }
}

pub(crate) fn depacketize(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    let short = |offset| PayloadError { format: FORMAT, offset, reason: "a payload shorter than its headers" };
    let word_at = |at: usize| {
        let word = packet.payload.get(at..).and_then(|rest| rest.first_chunk::<WORD>()).ok_or(short(at))?;
        Ok(u32::from_be_bytes(*word))
    };
    let word = word_at(0)?;
    let mut at = HEADER;
    if word & MPEG2_EXTENSION != 0 {
        let extension = word_at(at)?;
        at += WORD;
        if extension & COMPOSITE_DISPLAY != 0 {
            at += WORD;
        }
        if extension & MORE_EXTENSIONS != 0 {
            at += WORD * usize::from(*packet.payload.get(at).ok_or(short(at))?);
        }
    }
    let bytes = packet.payload.get(at..).ok_or(short(at))?;
    if units.len() == 0 {
        units.open(packet.timestamp).sync = word & PICTURE_TYPE == INTRA;
    }
    units.append(packet.timestamp, bytes);
    if packet.marker {
        units.close();
    }
    Ok(())
}
