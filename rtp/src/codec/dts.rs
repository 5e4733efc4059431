//! DTS Coherent Acoustics, the core (ETSI TS 102 114 section 5): frame headers. What DTS-HD adds lies in other frames
//! behind it.

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

    fn same_stream(&self, other: &Self) -> bool {
        (self.sample_rate, self.channels) == (other.sample_rate, other.channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
