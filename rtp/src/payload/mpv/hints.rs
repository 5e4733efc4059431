//! The hint block before a stored picture: where its headers and slices lie and what its packets' headers say.

use super::FORMAT;
use crate::codec::mpeg_video::{
    EXTENSION, FIRST_SLICE, GROUP, LAST_SLICE, MotionCode, PICTURE, Picture, SEQUENCE, SEQUENCE_END,
};
use crate::codec::start_code::start_codes;
use crate::format::FormatError;
use crate::payload::PayloadError;

/// Bytes of a word of the hint block, and the bits of it below the piece's kind.
const WORD: usize = 4;
const VALUE: u32 = (1 << 28) - 1;

/// What a run of the picture's bytes is: a start code and all up to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
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
            PICTURE => Self::Picture,
            FIRST_SLICE..=LAST_SLICE => Self::Slice,
            SEQUENCE => Self::Sequence,
            EXTENSION => Self::Extension,
            SEQUENCE_END => Self::Tail,
            GROUP => Self::Group,
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

/// Appends the hint block of a picture as it is in the elementary stream.
pub(super) fn write(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
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
            let picture = Picture::parse(&unit[code.offset..]);
            field =
                field_word(&picture.map_err(|_| error(code.offset, "a picture header that is cut off or forbidden"))?);
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

/// The bits of the RFC 2250 header that a picture header gives: TR, P, and the vectors' four.
fn field_word(picture: &Picture) -> u32 {
    let vectors = |code: MotionCode| u32::from(code.full_pel) << 3 | u32::from(code.f_code);
    let kind = picture.coding_type as u32;
    u32::from(picture.temporal_reference) << 16 | kind << 8 | vectors(picture.backward) << 4 | vectors(picture.forward)
}

/// One word of the hint block, read.
pub(super) struct Hint {
    /// Where it lies in the stored picture.
    pub offset: usize,
    pub piece: Piece,
    /// The piece's bytes, or the header bits of a field.
    pub value: u32,
}

/// The words of a hint block in order.
#[derive(Clone)]
pub(super) struct Hints<'a> {
    words: std::iter::Enumerate<std::slice::ChunksExact<'a, u8>>,
}

/// The hint block of a stored picture, and the picture itself.
pub(super) fn read(stored: &[u8]) -> Result<(Hints<'_>, &[u8]), PayloadError> {
    let reason = "a hint block that doesn't fit its unit";
    let (words, picture) = split(stored).ok_or(PayloadError { format: FORMAT, offset: 0, reason })?;
    Ok((Hints { words: words.chunks_exact(WORD).enumerate() }, picture))
}

impl Iterator for Hints<'_> {
    type Item = Result<Hint, PayloadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (index, word) = self.words.next()?;
        let word = u32::from_be_bytes([word[0], word[1], word[2], word[3]]);
        let offset = (index + 1) * WORD;
        let reason = "an unknown piece in the hint block";
        let error = PayloadError { format: FORMAT, offset, reason };
        Some(Piece::of_word(word).ok_or(error).map(|piece| Hint { offset, piece, value: word & VALUE }))
    }
}

/// The words after the hint block's first, and the picture.
fn split(stored: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = stored.split_first_chunk::<WORD>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?.checked_sub(WORD)?;
    rest.split_at_checked(length).filter(|(words, picture)| words.len() % WORD == 0 && !picture.is_empty())
}
