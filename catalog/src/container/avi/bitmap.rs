//! `BITMAPINFOHEADER` as ASF has it, whose players take some of its fields otherwise than those of AVI; and the lines of
//! pictures without compression.

use bytes::{Bytes, BytesMut};

/// Bytes of `BITMAPINFOHEADER`.
pub(super) const HEADER_LEN: usize = 40;
/// Where the height lies in it, and the compression.
const HEIGHT: usize = 8;
const COMPRESSION: usize = 16;
/// Compressions that are none: red, green and blue, by default or by masks.
const RGB: u32 = 0;
const BIT_FIELDS: u32 = 3;
/// What ffmpeg's reader of AVI tells its decoder of pictures whose last line comes first, behind all other private bytes.
/// Its reader of ASF leaves that to the file.
const BOTTOM_UP: &[u8; 9] = b"BottomUp\0";

/// A description for ASF. A palette says of each colour that it hides what is behind it: AVI leaves that byte at zero
/// (`rgbReserved`), which players of AVI know, those of ASF take it for how opaque the colour is. The height is positive,
/// so that lines come from the last to the first ([`Lines`] turns others). What is too short stays.
pub(super) fn for_asf(description: &Bytes) -> Bytes {
    /// The palette of 256 colours, four bytes each.
    const MAX_PALETTE: usize = 4 * 256;
    if description.len() < HEADER_LEN {
        return description.clone();
    }
    let mut out = description.to_vec();
    if (1..=8).contains(&bits(description)) {
        for colour in out[HEADER_LEN..].chunks_exact_mut(4).take(MAX_PALETTE / 4) {
            colour[3] = 0xFF;
        }
    }
    let height = word(description, HEIGHT).cast_signed().unsigned_abs();
    out[HEIGHT..HEIGHT + 4].copy_from_slice(&height.to_le_bytes());
    if word(description, COMPRESSION) == RGB && !out.ends_with(BOTTOM_UP) {
        out.extend(BOTTOM_UP);
    }
    out.into()
}

/// Turns pictures without compression whose first line is on top, which their negative height tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    /// Bytes of a line.
    stride: usize,
    count: usize,
}

impl Lines {
    /// `None` where the lines are as they should be, or are none.
    pub fn of(description: &[u8]) -> Option<Self> {
        if description.len() < HEADER_LEN || !matches!(word(description, COMPRESSION), RGB | BIT_FIELDS) {
            return None;
        }
        let height = word(description, HEIGHT).cast_signed();
        // Lines begin at every fourth byte.
        let bits = u64::from(word(description, 4)) * u64::from(bits(description));
        let stride = usize::try_from(bits.div_ceil(32) * 4).ok().filter(|stride| *stride > 0)?;
        let count = usize::try_from(height.unsigned_abs()).ok()?;
        (height < 0).then_some(Self { stride, count })
    }

    /// The picture with its last line first. One that is shorter than its description says stays as it is.
    pub fn turn(self, picture: Bytes) -> Bytes {
        let Some(len) = self.stride.checked_mul(self.count).filter(|len| *len <= picture.len()) else { return picture };
        let mut out = BytesMut::with_capacity(picture.len());
        picture[..len].chunks_exact(self.stride).rev().for_each(|line| out.extend_from_slice(line));
        out.extend_from_slice(&picture[len..]);
        out.freeze()
    }
}

fn bits(description: &[u8]) -> u16 {
    description.get(14..16).and_then(|bits| bits.first_chunk()).map_or(0, |bits| u16::from_le_bytes(*bits))
}

fn word(description: &[u8], at: usize) -> u32 {
    description.get(at..at + 4).and_then(|word| word.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three pixels wide, with compression and what lies behind.
    fn described(height: i32, bits: u8, compression: &[u8; 4], behind: &[u8]) -> Bytes {
        let mut description = [0; HEADER_LEN];
        description[4] = 3;
        description[HEIGHT..HEIGHT + 4].copy_from_slice(&height.to_le_bytes());
        description[14] = bits;
        description[COMPRESSION..COMPRESSION + 4].copy_from_slice(compression);
        Bytes::from([&description[..], behind].concat())
    }

    #[test]
    fn palettes_are_opaque_and_heights_positive() {
        let turned = [&[1, 2, 3, 0xFF, 4, 5, 6, 0xFF][..], BOTTOM_UP].concat();
        type Case<'a> = (i32, u8, &'a [u8; 4], &'a [u8], &'a [u8]);
        let cases: &[Case] = &[
            (2, 8, b"MRLE", &[1, 2, 3, 0, 4, 5, 6, 0], &[1, 2, 3, 0xFF, 4, 5, 6, 0xFF]),
            (2, 4, b"CRAM", &[1, 2, 3, 0, 4, 5], &[1, 2, 3, 0xFF, 4, 5]),
            (-2, 24, b"YUY2", &[1, 2, 3, 0], &[1, 2, 3, 0]),
            (-2, 24, &[0; 4], &[], BOTTOM_UP),
            (2, 8, &[0; 4], &[1, 2, 3, 0, 4, 5, 6, 0], &turned),
            (2, 24, &[0; 4], BOTTOM_UP, BOTTOM_UP),
        ];
        for (height, bits, compression, behind, expected) in cases {
            let name = format!("{bits} bits, {height} lines, {compression:?}");
            let found = for_asf(&described(*height, *bits, compression, behind));
            assert_eq!(found, described(2, *bits, compression, expected), "{name}");
        }
        assert_eq!(for_asf(&Bytes::from_static(&[8; 20])).len(), 20);
    }

    #[test]
    fn lines_are_turned_where_the_first_is_on_top() {
        let lines = |height, bits, compression| Lines::of(&described(height, bits, compression, &[]));
        assert_eq!(lines(2, 24, &[0; 4]), None);
        assert_eq!(lines(-2, 24, b"YUY2"), None);
        assert_eq!(lines(-2, 0, &[0; 4]), None);
        assert_eq!(Lines::of(&[0; 20]), None);
        // Three pixels of eight bits take four bytes.
        let lines = lines(-2, 8, &[0; 4]).unwrap();
        assert_eq!(lines.turn(Bytes::from_static(b"abc.def.behind")).as_ref(), b"def.abc.behind");
        assert_eq!(lines.turn(Bytes::from_static(b"abc.def")).as_ref(), b"abc.def");
    }
}
