//! DTS Coherent Acoustics (ETSI TS 102 114): headers of core frames (section 5), and how long what DTS-HD adds behind each
//! is (section 7.4).

use super::bits::{Bits, CodecError};
use super::frames::FrameHeader as Header;

/// A frame's header, of sixteen bits a word, most significant byte first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Samples of each channel.
    pub samples: u32,
    /// Samples per second.
    pub sample_rate: u32,
    /// The low-frequency one included.
    pub channels: u8,
    /// Bytes of the whole frame.
    pub len: usize,
}

/// Bytes from which a header can be read.
pub const HEADER_LEN: usize = 11;

/// Bytes of a frame at most.
pub const MAX_FRAME: usize = 1 << 14;

/// Bytes that may extend a core frame: of 512 samples at 24.5 Mbit/s, the most that discs allow. What claims more is none.
const MAX_EXTENSION: usize = 1 << 16;

/// `SYNCEXTSSH`
const EXTENSION_SYNC: [u8; 4] = [0x64, 0x58, 0x20, 0x25];

/// Bytes from which an extension's length can be read.
const EXTENSION_HEADER_LEN: usize = 10;

/// `SYNC`
const SYNC: u32 = 0x7FFE_8001;

/// Samples per second by `SFREQ` (table 5-5); zero is reserved.
const RATES: [u32; 16] = [0, 8000, 16_000, 32_000, 0, 0, 11_025, 22_050, 44_100, 0, 0, 12_000, 24_000, 48_000, 0, 0];

/// Channels by `AMODE` (table 5-4); what is above is the user's own.
const CHANNELS: [u8; 16] = [1, 2, 2, 2, 2, 3, 3, 4, 4, 5, 6, 6, 6, 7, 8, 8];

impl FrameHeader {
    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// The field that makes it none.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut bits = Bits::new("DTS frame header", bytes);
        let sync = bits.read("SYNC", 32)?;
        if sync != SYNC {
            return Err(bits.forbidden("SYNC", sync));
        }
        bits.skip("FTYPE, SHORT and CPF", 7)?;
        let blocks = bits.read("NBLKS", 7)?;
        if blocks < 5 {
            return Err(bits.forbidden("NBLKS", blocks));
        }
        let len = bits.read("FSIZE", 14)?;
        if len < 95 {
            return Err(bits.forbidden("FSIZE", len));
        }
        let mode = bits.read("AMODE", 6)?;
        let Some(channels) = CHANNELS.get(mode as usize) else { return Err(bits.forbidden("AMODE", mode)) };
        let rate = bits.read("SFREQ", 4)?;
        let sample_rate = RATES[rate as usize & 15];
        if sample_rate == 0 {
            return Err(bits.forbidden("SFREQ", rate));
        }
        bits.skip("RATE to ASPF", 15)?;
        let low = bits.small("LFF", 2)?;
        Ok(Self {
            samples: (blocks + 1) * 32,
            sample_rate,
            channels: channels + u8::from(low != 0),
            len: len as usize + 1,
        })
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

    fn extension_len(after: &[u8], at_end: bool) -> Option<usize> {
        let mut len = 0;
        loop {
            let rest = after.get(len..).unwrap_or(&[]);
            let known = rest.len().min(EXTENSION_SYNC.len());
            if rest[..known] != EXTENSION_SYNC[..known] {
                return Some(len);
            }
            let whole = extension(rest).map(|more| len + more);
            match whole {
                Some(whole) if whole > MAX_EXTENSION => return Some(len),
                Some(whole) if whole <= after.len() => len = whole,
                _ if at_end => return Some(len),
                _ => return None,
            }
        }
    }

    fn same_stream(&self, other: &Self) -> bool {
        (self.sample_rate, self.channels) == (other.sample_rate, other.channels)
    }
}

/// Bytes of the extension substream that `bytes` begin with; `None` where they are too few to tell.
fn extension(bytes: &[u8]) -> Option<usize> {
    let mut bits = Bits::new("DTS extension header", bytes.get(..EXTENSION_HEADER_LEN)?);
    bits.skip("SYNCEXTSSH to nExtSSIndex", 32 + 8 + 2).ok()?;
    let (header, size) = if bits.flag("bHeaderSizeType").ok()? { (12, 20) } else { (8, 16) };
    bits.skip("nuExtSSHeaderSize", header).ok()?;
    Some(bits.read("nuExtSSFsize", size).ok()? as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::super::bits::Writer;
    use super::super::frames::{Scan, Scanner};
    use super::*;

    /// A core frame of 96 bytes.
    fn core() -> Vec<u8> {
        let head = Writer::default().bits(SYNC, 32).bits(0, 7).bits(15, 7).bits(95, 14).bits(9, 6).bits(13, 4);
        let mut frame = head.bits(0, 15).bits(2, 2).bytes(&[]);
        frame.resize(96, 0x11);
        frame
    }

    /// An extension of so many bytes, its size in 16 or 20 bits.
    fn extended(len: usize, wide: bool) -> Vec<u8> {
        let (flag, header, size) = if wide { (1, 12, 20) } else { (0, 8, 16) };
        let head = Writer::default().bits(u32::from_be_bytes(EXTENSION_SYNC), 32).bits(0, 10).bits(flag, 1);
        let mut out = head.bits(20, header).bits(len as u32 - 1, size).bytes(&[]);
        out.resize(len, 0x22);
        out
    }

    #[test]
    fn frames_have_their_extensions_behind_them() {
        let cases: &[(&str, Vec<Vec<u8>>, usize)] = &[
            ("none", vec![core()], 96),
            ("one", vec![core(), extended(40, false)], 136),
            ("a long one", vec![core(), extended(40_000, true)], 40_096),
            ("two", vec![core(), extended(40, false), extended(30, true)], 166),
        ];
        for (name, parts, len) in cases {
            let bytes = [parts.concat(), core()].concat();
            let mut scanner = Scanner::<FrameHeader>::new();
            let Scan::Frame { skip, len: seen, .. } = scanner.scan(&bytes, false) else { panic!("{name}") };
            assert_eq!((skip, seen), (0, *len), "{name}");
            let cut = parts.concat().len() - 1;
            assert_eq!(Scanner::<FrameHeader>::new().scan(&bytes[..cut], false), Scan::More { skip: 0 }, "{name}");
        }
        // What claims to be longer than any is none, and what the end cuts stays behind.
        let long = [core(), extended(MAX_EXTENSION + 1, true)].concat();
        assert_eq!(FrameHeader::extension_len(&long[96..], false), Some(0));
        assert_eq!(FrameHeader::extension_len(&extended(40, false)[..30], true), Some(0));
        assert_eq!(FrameHeader::extension_len(&[], false), None);
    }

    #[test]
    fn headers_are_read() {
        // 512 samples, 2013 bytes, 3/2 channels at 48 kHz, low frequencies: as DVDs have it.
        let header = [0x7F, 0xFE, 0x80, 0x01, 0xFC, 0x3C, 0x7D, 0xC2, 0x77, 0x00, 0x02, 0x00];
        let want = FrameHeader { samples: 512, sample_rate: 48_000, channels: 6, len: 2013 };
        assert_eq!(FrameHeader::parse(&header).unwrap(), want);
        for (at, value) in [(0, 0), (5, 0x00), (8, 0x40), (10, 0x00)] {
            let mut other = header;
            other[at] = value;
            assert_ne!(FrameHeader::parse(&other).ok(), Some(want), "{at}");
        }
        for cut in 0..HEADER_LEN - 1 {
            assert!(FrameHeader::parse(&header[..cut]).is_err());
        }
    }
}
