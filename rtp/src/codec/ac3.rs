//! AC-3 and E-AC-3 sync frames (ETSI TS 102 366 4.3 and E.1.2).

use super::bits::{Bits, CodecError};
use super::frames::{FrameHeader as Header, Frames, Scanner};

/// The first fields of a sync frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameHeader {
    /// E-AC-3 (annex E) rather than AC-3.
    pub enhanced: bool,
    /// Whether the frame only adds to the frame before it (a dependent substream); never in AC-3.
    pub dependent: bool,
    /// Which substream of its kind the frame belongs to, 0..=7; 0 in AC-3.
    pub substream: u8,
    /// Samples per second of each channel.
    pub sample_rate: u32,
    /// Channels of this frame, the low-frequency one included.
    pub channels: u8,
    /// Blocks of 256 samples: 6 in AC-3.
    pub blocks: u8,
    /// Bytes of the whole frame.
    pub len: usize,
}

/// Bytes from which the header can be read.
pub const HEADER_LEN: usize = 8;

/// The longest frame: 11 bits count its 16-bit words (E.1.3.1.3); AC-3's have at most 3840 bytes.
pub const MAX_FRAME: usize = 4096;

const SYNC: u32 = 0x0B77;

/// By `fscod`.
const SAMPLE_RATES: [u32; 3] = [48_000, 44_100, 32_000];

/// kbit/s by `frmsizecod` / 2 (table 4.13).
const BIT_RATES: [u32; 19] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];

/// Channels by `acmod`, without the low-frequency one (table 4.3).
const CHANNELS: [u8; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

impl FrameHeader {
    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// The field that makes it none.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut bits = Bits::new("AC-3 frame header", bytes);
        let sync = bits.read("syncword", 16)?;
        if sync != SYNC {
            return Err(bits.forbidden("syncword", sync));
        }
        // It lies at the same place in both, so it tells which of them this is.
        let mut id = bits.clone();
        id.skip("crc1 to frmsizecod", 24)?;
        match id.small("bsid", 5)? {
            0..=8 => Self::plain(bits),
            11..=16 => Self::enhanced(bits),
            // 9 and 10 are half and quarter rates that no encoder in use makes.
            other => Err(id.forbidden("bsid", u32::from(other))),
        }
    }

    fn plain(mut bits: Bits<'_>) -> Result<Self, CodecError> {
        bits.skip("crc1", 16)?;
        let rate_code = bits.read("fscod", 2)?;
        let Some(&sample_rate) = SAMPLE_RATES.get(rate_code as usize) else {
            return Err(bits.forbidden("fscod", rate_code));
        };
        let size_code = bits.read("frmsizecod", 6)?;
        let Some(kilobits) = BIT_RATES.get(size_code as usize / 2) else {
            return Err(bits.forbidden("frmsizecod", size_code));
        };
        bits.skip("bsid and bsmod", 8)?;
        let mode = bits.small("acmod", 3)?;
        let mix_levels = [mode & 1 != 0 && mode != 1, mode & 4 != 0, mode == 2];
        bits.skip("mix levels", mix_levels.into_iter().filter(|&there| there).count() * 2)?;
        let low = bits.small("lfeon", 1)?;
        // 1536 samples at the bit rate, in words of 16 bits; at 44.1 kHz the code's last bit adds one.
        let words = kilobits * 96_000 / sample_rate + if rate_code == 1 { size_code & 1 } else { 0 };
        Ok(Self {
            enhanced: false,
            dependent: false,
            substream: 0,
            sample_rate,
            channels: CHANNELS[usize::from(mode)] + low,
            blocks: 6,
            len: words as usize * 2,
        })
    }

    fn enhanced(mut bits: Bits<'_>) -> Result<Self, CodecError> {
        let kind = bits.read("strmtyp", 2)?;
        if kind == 3 {
            return Err(bits.forbidden("strmtyp", kind));
        }
        let substream = bits.small("substreamid", 3)?;
        let words = bits.read("frmsiz", 11)? + 1;
        let (sample_rate, blocks) = match bits.read("fscod", 2)? {
            3 => {
                let half = bits.read("fscod2", 2)?;
                let Some(rate) = SAMPLE_RATES.get(half as usize) else {
                    return Err(bits.forbidden("fscod2", half));
                };
                (rate / 2, 6)
            }
            code => (SAMPLE_RATES[code as usize], [1, 2, 3, 6][bits.read("numblkscod", 2)? as usize]),
        };
        let mode = bits.small("acmod", 3)?;
        let low = bits.small("lfeon", 1)?;
        Ok(Self {
            enhanced: true,
            // Type 2 is independent, though it was coded as AC-3 once.
            dependent: kind == 1,
            substream,
            sample_rate,
            channels: CHANNELS[usize::from(mode)] + low,
            blocks,
            len: words as usize * 2,
        })
    }

    /// Samples of each channel in the frame: 1536, or in E-AC-3 also 256, 512 or 768.
    pub fn samples(&self) -> u32 {
        u32::from(self.blocks) * 256
    }

    /// Whether the frame begins a new instant: it is of the first programme's independent substream.
    pub fn begins_unit(&self) -> bool {
        !self.dependent && self.substream == 0
    }
}

impl Header for FrameHeader {
    const LEN: usize = HEADER_LEN;
    const MAX_FRAME: usize = MAX_FRAME;

    fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        Self::parse(bytes)
    }

    fn frame_len(&self) -> Option<usize> {
        Some(self.len)
    }

    /// Channels may change with the programme, and an E-AC-3 stream may have AC-3 frames (RFC 4598 section 4.4).
    fn same_stream(&self, other: &Self) -> bool {
        self.sample_rate == other.sample_rate
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Header bytes; then enhanced, begins a unit, samples/s, channels, samples, bytes.
    type Case = ([u8; 8], (bool, bool, u32, u8, u32, usize));
    const CASES: &[Case] = &[
        // 48 kHz 384 kbit/s 3/2 with LFE, as on DVDs; 192 kbit/s stereo; mono at 32 kHz.
        ([0x0B, 0x77, 0, 0, 0x1C, 0x40, 0xE1, 0x00], (false, true, 48_000, 6, 1536, 1536)),
        ([0x0B, 0x77, 0, 0, 0x14, 0x40, 0x40, 0x00], (false, true, 48_000, 2, 1536, 768)),
        ([0x0B, 0x77, 0, 0, 0x80, 0x40, 0x20, 0x00], (false, true, 32_000, 1, 1536, 192)),
        // 44.1 kHz: the odd code is one word longer.
        ([0x0B, 0x77, 0, 0, 0x5E, 0x40, 0x40, 0x00], (false, true, 44_100, 2, 1536, 1950)),
        ([0x0B, 0x77, 0, 0, 0x5F, 0x40, 0x40, 0x00], (false, true, 44_100, 2, 1536, 1952)),
        // E-AC-3: independent, dependent, half rate.
        ([0x0B, 0x77, 0x01, 0x7F, 0x34, 0x80, 0, 0], (true, true, 48_000, 2, 1536, 768)),
        ([0x0B, 0x77, 0x41, 0x7F, 0x3F, 0x80, 0, 0], (true, false, 48_000, 6, 1536, 768)),
        ([0x0B, 0x77, 0x08, 0x3F, 0x04, 0x80, 0, 0], (true, false, 48_000, 2, 256, 128)),
        ([0x0B, 0x77, 0x00, 0x3F, 0xC2, 0x80, 0, 0], (true, true, 24_000, 1, 1536, 128)),
    ];

    #[test]
    fn headers_mean_what_the_tables_say() {
        for (bytes, expected) in CASES {
            let header = FrameHeader::parse(bytes).unwrap();
            let rates = (header.sample_rate, header.channels, header.samples(), header.len);
            let seen = (header.enhanced, header.begins_unit(), rates.0, rates.1, rates.2, rates.3);
            assert_eq!(seen, *expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_reserved_value_is_named() {
        let cases = [
            ([0x0B, 0x78, 0, 0, 0x14, 0x40, 0x40, 0], "syncword at byte 0, bit 0: 2936 is not allowed"),
            ([0x0B, 0x77, 0, 0, 0xC0, 0x40, 0x40, 0], "fscod at byte 4, bit 0: 3 is not allowed"),
            ([0x0B, 0x77, 0, 0, 0x26, 0x40, 0x40, 0], "frmsizecod at byte 4, bit 2: 38 is not allowed"),
            ([0x0B, 0x77, 0, 0, 0x14, 0x48, 0x40, 0], "bsid at byte 5, bit 0: 9 is not allowed"),
            ([0x0B, 0x77, 0xC0, 0, 0x14, 0x80, 0x40, 0], "strmtyp at byte 2, bit 0: 3 is not allowed"),
            ([0x0B, 0x77, 0, 0, 0xF4, 0x80, 0x40, 0], "fscod2 at byte 4, bit 2: 3 is not allowed"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(FrameHeader::parse(&bytes).unwrap_err().to_string(), format!("AC-3 frame header: {expected}"));
        }
    }

    #[test]
    fn frames_are_found_over_junk() {
        let frame = |(head, seen): &Case| [&head[..], &vec![0x55; seen.5 - head.len()]].concat();
        let bytes = [b"\x0Bjunk".to_vec(), frame(&CASES[0]), frame(&CASES[1]), vec![0x0B, 0x77]].concat();
        let found: Vec<_> = frames(&bytes).map(|frame| (frame.offset, frame.data.len())).collect();
        assert_eq!(found, [(5, 1536), (5 + 1536, 768)]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let _ = FrameHeader::parse(&[&[0x0B, 0x77], &bytes[..]].concat());
        }
    }
}
