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

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::codec::start_code::start_codes;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;
use std::ops::Range;

const FORMAT: &str = "MPV";

/// Bytes of the MPEG video-specific header.
const HEADER: usize = 4;

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

/// Bytes of a word of the hint block, and the bits of it below the piece's kind.
const WORD: usize = 4;
const VALUE: u32 = (1 << 28) - 1;

/// What a run of the picture's bytes is: a start code and all up to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// No bytes: the header word for the pieces that follow.
    Field = 0,
    Sequence = 1,
    Group = 2,
    Picture = 3,
    /// Whole in one packet, like the headers that it follows.
    Extension = 4,
    /// May be cut.
    User = 5,
    Slice = 6,
    /// What comes after the slices: a sequence end code, for one.
    Tail = 7,
}

impl Piece {
    /// The piece that a start code's last byte begins (ISO 13818-2 table 6-1).
    fn of_start_code(code: u8) -> Self {
        match code {
            0x00 => Self::Picture,
            0x01..=0xAF => Self::Slice,
            0xB3 => Self::Sequence,
            0xB5 => Self::Extension,
            0xB7 => Self::Tail,
            0xB8 => Self::Group,
            _ => Self::User,
        }
    }

    fn of_word(word: u32) -> Option<Self> {
        use Piece::*;
        [Field, Sequence, Group, Picture, Extension, User, Slice, Tail].get(word as usize >> 28).copied()
    }

    fn word(self, value: u32) -> [u8; WORD] {
        ((self as u32) << 28 | value & VALUE).to_be_bytes()
    }
}

pub(crate) fn store(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    let base = out.len();
    let result = write_hints(unit, out);
    match result {
        Ok(()) => out.extend_from_slice(unit),
        Err(_) => out.truncate(base),
    }
    result
}

fn write_hints(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    let error = |offset, reason| FormatError { format: FORMAT, offset, reason };
    if unit.len() > VALUE as usize / 2 {
        return Err(error(unit.len(), "a picture longer than 2^27 bytes"));
    }
    let base = out.len();
    out.extend_from_slice(&[0; WORD]);
    // Where the last field's word lies, what it is (0: no picture header yet at all), and what the field has.
    let (mut field_at, mut field) = (None, 0);
    let (mut has_picture, mut has_slices) = (false, false);
    let mut start = 0;
    let mut codes = start_codes(unit).peekable();
    while let Some(code) = codes.next() {
        let mut piece = Piece::of_start_code(code.code);
        let starts = matches!(piece, Piece::Sequence | Piece::Group | Piece::Picture);
        if has_slices && !starts && piece != Piece::Slice {
            piece = Piece::Tail;
        }
        let at = match field_at {
            Some(at) if !(starts && has_slices || piece == Piece::Picture && has_picture) => at,
            _ => {
                let at = out.len();
                out.extend_from_slice(&Piece::Field.word(field));
                (has_picture, has_slices) = (false, false);
                at
            }
        };
        field_at = Some(at);
        if piece == Piece::Picture {
            field = field_word(&unit[code.offset + 4..])
                .ok_or(error(code.offset + 4, "a picture header that is cut off or has type 0"))?;
            out[at..at + WORD].copy_from_slice(&Piece::Field.word(field));
            has_picture = true;
        }
        has_slices |= piece == Piece::Slice;
        let end = codes.peek().map_or(unit.len(), |next| next.offset);
        out.extend_from_slice(&piece.word((end - start) as u32));
        start = end;
    }
    if field == 0 {
        return Err(error(unit.len(), "no picture header"));
    }
    let length = u32::try_from(out.len() - base).map_err(|_| error(unit.len(), "too many start codes"))?;
    out[base..base + WORD].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// The RFC 2250 header of a picture header, whose bytes after the start code these are: temporal_reference 10
/// bits, picture_coding_type 3, vbv_delay 16, then full_pel and f_code forward for P and B, backward for B.
fn field_word(header: &[u8]) -> Option<u32> {
    let (first, rest) = header.split_first_chunk::<4>()?;
    let [a, b, _, d] = first.map(u32::from);
    let e = u32::from(rest.first().copied().unwrap_or(0));
    let kind = b >> 3 & 7;
    let forward = (d & 7) << 1 | e >> 7;
    let backward = e >> 3 & 15;
    let vectors = match kind {
        0 => return None,
        2 => forward,
        3 => backward << 4 | forward,
        _ => 0,
    };
    Some((a << 2 | b >> 6) << 16 | kind << 8 | vectors)
}

pub(crate) fn packetize(unit: &AccessUnit<'_>, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    let error = |offset, reason| PayloadError { format: FORMAT, offset, reason };
    let (words, picture) = split(unit.data).ok_or(error(0, "a hint block that doesn't fit its unit"))?;
    let max = out.max_payload() - HEADER;
    let mut cutter =
        Cutter { unit, picture, max, out, field: 0, open: Cut::at(0), context: Context::Empty, done: None };
    for (index, word) in words.chunks_exact(WORD).enumerate() {
        let word = u32::from_be_bytes([word[0], word[1], word[2], word[3]]);
        let offset = (index + 1) * WORD;
        let length = (word & VALUE) as usize;
        match Piece::of_word(word).ok_or(error(offset, "an unknown piece in the hint block"))? {
            Piece::Field => {
                cutter.close();
                cutter.field = word & VALUE;
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

/// The words after the hint block's first, and the picture.
fn split(stored: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = stored.split_first_chunk::<WORD>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?.checked_sub(WORD)?;
    rest.split_at_checked(length).filter(|(words, picture)| words.len() % WORD == 0 && !picture.is_empty())
}

/// Fills payloads with pieces. A finished one waits until the next is finished, for only then is it known
/// whether it is the picture's last.
struct Cutter<'u, 'w, 't> {
    unit: &'u AccessUnit<'u>,
    picture: &'u [u8],
    max: usize,
    out: &'w mut PacketWriter<'t>,
    /// The header's bits that are the same in all packets of one field.
    field: u32,
    open: Cut,
    context: Context,
    done: Option<Cut>,
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
            Piece::Picture => self.context == Context::Group,
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
        let equal = |length: usize, max: usize| length.div_ceil(length.div_ceil(max));
        if equal(self.open.bytes.len() + length, self.max) < self.open.bytes.len() + WORD {
            self.close();
        }
        let size = equal(self.open.bytes.len() + length, self.max);
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
