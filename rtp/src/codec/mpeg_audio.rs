//! MPEG audio, layers I to III (ISO 11172-3 2.4.1.3, ISO 13818-3 2.4.2.3, and the "MPEG-2.5" low rates, which no
//! standard has but which MP3 files do).

use super::bits::{Bits, CodecError};
use super::frames::{FrameHeader as Header, Frames, Scanner};

/// Which generation of the standard a frame belongs to: it selects the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// ISO 11172-3: 32, 44.1 and 48 kHz.
    Mpeg1,
    /// ISO 13818-3: half those rates.
    Mpeg2,
    /// A quarter of them; layer III in practice.
    Mpeg25,
}

/// The channel mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Two channels coded apart.
    Stereo,
    /// Two channels coded together.
    JointStereo,
    /// Two programmes of one channel each.
    Dual,
    /// One channel.
    Mono,
}

/// The header of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameHeader {
    /// The generation.
    pub version: Version,
    /// 1, 2 or 3.
    pub layer: u8,
    /// Whether 16 bits of CRC follow the header.
    pub protected: bool,
    /// Bits per second; `None` for free format, where the next header ends the frame.
    pub bit_rate: Option<u32>,
    /// Samples per second of each channel.
    pub sample_rate: u32,
    /// Whether the frame has one slot more than its rates say.
    pub padding: bool,
    /// The channel mode.
    pub mode: Mode,
}

/// Bytes of the header.
pub const HEADER_LEN: usize = 4;

/// The longest frame, free format included: 1152 samples at 8 kHz and 640 kbit/s, which layer III decoders take as the
/// most (ISO 11172-3 2.4.2.3 lets free format go no further than a layer's highest rate; files do).
const MAX_FRAME: usize = 11_520 + 4;

/// kbit/s by `bitrate_index` 1..=14.
type Rates = [u16; 14];
const LAYER_1: Rates = [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448];
const LAYER_2: Rates = [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
const LAYER_3: Rates = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const LOW_LAYER_1: Rates = [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256];
const LOW_LAYER_2_3: Rates = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

impl FrameHeader {
    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// The field that makes it none.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut bits = Bits::new("MPEG audio frame header", bytes);
        let sync = bits.read("syncword", 11)?;
        if sync != 0x7FF {
            return Err(bits.forbidden("syncword", sync));
        }
        let version = match bits.read("ID", 2)? {
            0 => Version::Mpeg25,
            2 => Version::Mpeg2,
            3 => Version::Mpeg1,
            reserved => return Err(bits.forbidden("ID", reserved)),
        };
        let layer = match bits.small("layer", 2)? {
            0 => return Err(bits.forbidden("layer", 0)),
            code => 4 - code,
        };
        let protected = !bits.flag("protection_bit")?;
        let rates = match (version, layer) {
            (Version::Mpeg1, 1) => &LAYER_1,
            (Version::Mpeg1, 2) => &LAYER_2,
            (Version::Mpeg1, _) => &LAYER_3,
            (_, 1) => &LOW_LAYER_1,
            (_, _) => &LOW_LAYER_2_3,
        };
        let bit_rate = match bits.read("bitrate_index", 4)? {
            0 => None,
            index => match rates.get(index as usize - 1) {
                Some(&kilobits) => Some(u32::from(kilobits) * 1000),
                None => return Err(bits.forbidden("bitrate_index", index)),
            },
        };
        let full_rate = match bits.read("sampling_frequency", 2)? {
            0 => 44_100,
            1 => 48_000,
            2 => 32_000,
            reserved => return Err(bits.forbidden("sampling_frequency", reserved)),
        };
        let sample_rate = match version {
            Version::Mpeg1 => full_rate,
            Version::Mpeg2 => full_rate / 2,
            Version::Mpeg25 => full_rate / 4,
        };
        let padding = bits.flag("padding_bit")?;
        bits.skip("private_bit", 1)?;
        let mode = match bits.read("mode", 2)? {
            0 => Mode::Stereo,
            1 => Mode::JointStereo,
            2 => Mode::Dual,
            _ => Mode::Mono,
        };
        bits.skip("mode_extension to emphasis", 6)?;
        Ok(Self { version, layer, protected, bit_rate, sample_rate, padding, mode })
    }

    /// 1 or 2.
    pub fn channels(&self) -> u8 {
        if self.mode == Mode::Mono { 1 } else { 2 }
    }

    /// Samples of each channel in the frame: 384, 576 or 1152.
    pub fn samples(&self) -> u32 {
        match (self.version, self.layer) {
            (_, 1) => 384,
            (Version::Mpeg1, _) | (_, 2) => 1152,
            (_, _) => 576,
        }
    }

    /// Bytes of the whole frame, header included; `None` in free format.
    pub fn frame_len(&self) -> Option<usize> {
        // A slot is four bytes in layer I and one otherwise (2.4.2.1).
        let slot = if self.layer == 1 { 4 } else { 1 };
        let slots = self.samples() / 8 / slot * self.bit_rate? / self.sample_rate + u32::from(self.padding);
        usize::try_from(slots * slot).ok()
    }
}

impl Header for FrameHeader {
    const LEN: usize = HEADER_LEN;
    const MAX_FRAME: usize = MAX_FRAME;

    fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        Self::parse(bytes)
    }

    fn frame_len(&self) -> Option<usize> {
        self.frame_len()
    }

    /// Bit rate, padding and stereo coding may change from frame to frame; whether there are two channels may not, nor
    /// whether the format is free.
    fn same_stream(&self, other: &Self) -> bool {
        (self.version, self.layer, self.sample_rate, self.channels(), self.bit_rate.is_none())
            == (other.version, other.layer, other.sample_rate, other.channels(), other.bit_rate.is_none())
    }
}

/// The whole frames of `bytes`, over junk between them.
pub fn frames(bytes: &[u8]) -> Frames<'_, FrameHeader> {
    Frames::new(bytes)
}

/// Finds the frames of a stream that comes in pieces.
pub fn scanner() -> Scanner<FrameHeader> {
    Scanner::new()
}

/// Whether a layer III frame holds no sound but an encoder's notes on the file (`Xing`, `Info` or `VBRI`), as the first
/// frame of many files does. Decoders that know them leave the frame out.
pub fn is_notes(header: &FrameHeader, frame: &[u8]) -> bool {
    if header.layer != 3 {
        return false;
    }
    // The notes lie where the main data would start, behind the side information (2.4.1.7).
    let side = match (header.version, header.channels()) {
        (Version::Mpeg1, 1) | (Version::Mpeg2 | Version::Mpeg25, 2) => 17,
        (Version::Mpeg1, _) => 32,
        (_, _) => 9,
    };
    let tag = |at: usize| frame.get(at..at + 4);
    matches!(tag(HEADER_LEN + side), Some(b"Xing" | b"Info")) || tag(HEADER_LEN + 32) == Some(b"VBRI")
}

#[cfg(test)]
mod tests {
    use super::super::frames::Scan;
    use super::*;
    use proptest::prelude::*;

    /// Header bytes, then what they mean: version, layer, bit/s, samples/s, channels, samples, bytes.
    type Case = ([u8; 4], (Version, u8, Option<u32>, u32, u8, u32, Option<usize>));
    const CASES: &[Case] = &[
        ([0xFF, 0xFB, 0x90, 0x64], (Version::Mpeg1, 3, Some(128_000), 44_100, 2, 1152, Some(417))),
        ([0xFF, 0xFB, 0x92, 0x64], (Version::Mpeg1, 3, Some(128_000), 44_100, 2, 1152, Some(418))),
        ([0xFF, 0xFD, 0xA4, 0x00], (Version::Mpeg1, 2, Some(192_000), 48_000, 2, 1152, Some(576))),
        ([0xFF, 0xFD, 0xB0, 0x00], (Version::Mpeg1, 2, Some(224_000), 44_100, 2, 1152, Some(731))),
        ([0xFF, 0xFF, 0xC2, 0xC0], (Version::Mpeg1, 1, Some(384_000), 44_100, 1, 384, Some(420))),
        ([0xFF, 0xF3, 0x80, 0xC4], (Version::Mpeg2, 3, Some(64_000), 22_050, 1, 576, Some(208))),
        ([0xFF, 0xF5, 0x84, 0x00], (Version::Mpeg2, 2, Some(64_000), 24_000, 2, 1152, Some(384))),
        ([0xFF, 0xE3, 0x18, 0xC4], (Version::Mpeg25, 3, Some(8_000), 8_000, 1, 576, Some(72))),
        ([0xFF, 0xFB, 0x00, 0x64], (Version::Mpeg1, 3, None, 44_100, 2, 1152, None)),
    ];

    #[test]
    fn headers_mean_what_the_tables_say() {
        for (bytes, expected) in CASES {
            let header = FrameHeader::parse(bytes).unwrap();
            let rates = (header.bit_rate, header.sample_rate);
            let seen = (header.version, header.layer, rates.0, rates.1, header.channels(), header.samples());
            assert_eq!((seen.0, seen.1, seen.2, seen.3, seen.4, seen.5, header.frame_len()), *expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_reserved_value_is_named() {
        let cases = [
            ([0xFF, 0x1B, 0x90, 0x64], "syncword at byte 0, bit 0: 2040 is not allowed"),
            ([0xFF, 0xEB, 0x90, 0x64], "ID at byte 1, bit 3: 1 is not allowed"),
            ([0xFF, 0xF9, 0x90, 0x64], "layer at byte 1, bit 5: 0 is not allowed"),
            ([0xFF, 0xFB, 0xF0, 0x64], "bitrate_index at byte 2, bit 0: 15 is not allowed"),
            ([0xFF, 0xFB, 0x9C, 0x64], "sampling_frequency at byte 2, bit 4: 3 is not allowed"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(
                FrameHeader::parse(&bytes).unwrap_err().to_string(),
                format!("MPEG audio frame header: {expected}")
            );
        }
    }

    /// A frame of the header's own length, or of `free` bytes in free format.
    fn frame(header: [u8; 4], fill: u8, free: usize) -> Vec<u8> {
        let mut frame = header.to_vec();
        frame.resize(FrameHeader::parse(&header).unwrap().frame_len().unwrap_or(free), fill);
        frame
    }

    #[test]
    fn frames_are_found_over_junk() {
        let (a, b) = (frame(CASES[0].0, 1, 0), frame(CASES[1].0, 2, 0));
        let (low, free) = (frame(CASES[5].0, 3, 0), frame(CASES[8].0, 4, 300));
        let junk = vec![0x55; 50];
        let sync = vec![0xFF; 3];
        type Case<'a> = (&'a str, Vec<&'a [u8]>, Vec<(usize, usize)>);
        let cases: Vec<Case> = vec![
            ("one alone", vec![&a], vec![(0, 417)]),
            ("three", vec![&a, &b, &a], vec![(0, 417), (417, 418), (835, 417)]),
            ("junk around", vec![&junk, &a, &b, &junk, &a, &b], vec![(50, 417), (467, 418), (935, 417), (1352, 418)]),
            ("sync bytes before", vec![&sync, &a, &b], vec![(3, 417), (420, 418)]),
            ("a lone header in junk", vec![&junk, &a[..4], &junk, &a, &b], vec![(104, 417), (521, 418)]),
            ("cut at the end", vec![&a, &b, &a[..200]], vec![(0, 417), (417, 418)]),
            ("another stream behind", vec![&a, &b, &low, &low], vec![(0, 417), (417, 418), (835, 208), (1043, 208)]),
            ("free format", vec![&free, &free, &free], vec![(0, 300), (300, 300), (600, 300)]),
            (
                "what looks so among others",
                vec![&a, &a, &free, &free, &a, &a],
                [0, 1, 2, 3].map(|number| (number * a.len() + number / 2 * 600, a.len())).to_vec(),
            ),
            ("nothing", vec![&junk], vec![]),
        ];
        for (name, parts, expected) in cases {
            let bytes = parts.concat();
            let seen: Vec<_> = frames(&bytes).map(|frame| (frame.offset, frame.data.len())).collect();
            assert_eq!(seen, expected, "{name}");
            for piece in [1, 7, 1000] {
                assert_eq!(in_pieces(&bytes, piece), expected, "{name} by {piece}");
            }
        }
    }

    /// The frames, found while the bytes come `piece` at a time and what is used up is dropped.
    fn in_pieces(bytes: &[u8], piece: usize) -> Vec<(usize, usize)> {
        let (mut scanner, mut start, mut end, mut seen) = (scanner(), 0, 0, Vec::new());
        loop {
            match scanner.scan(&bytes[start..end], end == bytes.len()) {
                Scan::Frame { skip, len, .. } => {
                    seen.push((start + skip, len));
                    start += skip + len;
                }
                Scan::More { .. } if end == bytes.len() => return seen,
                Scan::More { skip } => (start, end) = (start + skip, (end + piece).min(bytes.len())),
            }
        }
    }

    #[test]
    fn notes_are_told_from_sound() {
        let mut bytes = frame(CASES[0].0, 0, 0);
        let header = FrameHeader::parse(&bytes).unwrap();
        assert!(!is_notes(&header, &bytes));
        bytes[36..40].copy_from_slice(b"Xing");
        assert!(is_notes(&header, &bytes));
        assert!(!is_notes(&header, &bytes[..38]));
        // Fraunhofer's encoder has them at one place whatever the channels are.
        for channels in [0x00, 0xC0] {
            let mut bytes = frame(CASES[0].0, 0, 0);
            bytes[3] = bytes[3] & 0x3F | channels;
            bytes[36..40].copy_from_slice(b"VBRI");
            assert!(is_notes(&FrameHeader::parse(&bytes).unwrap(), &bytes), "{channels:#x}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(prop_oneof![Just(0xFFu8), Just(0xFBu8), any::<u8>()], 0..2000)) {
            let mut end = 0;
            for frame in frames(&bytes) {
                prop_assert!(frame.offset >= end);
                end = frame.offset + frame.data.len();
            }
        }
    }
}
