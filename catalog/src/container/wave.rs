//! How sound is described: `WAVEFORMATEX` (mmreg.h), in AVI's stream headers, in WAV files, and wherever else
//! Windows' sound is carried.

use nom::IResult;
use nom::number::complete::{le_u16, le_u32};

/// PCM: 8 bits are unsigned, more are signed and little-endian.
pub(in crate::container) const PCM: u16 = 0x0001;
/// Microsoft ADPCM.
pub(in crate::container) const MS_ADPCM: u16 = 0x0002;
/// Floating point of 32 or 64 bits, little-endian.
pub(in crate::container) const FLOAT: u16 = 0x0003;
/// G.711 A-law.
pub(in crate::container) const ALAW: u16 = 0x0006;
/// G.711 mu-law.
pub(in crate::container) const MULAW: u16 = 0x0007;
/// IMA ADPCM, as Intel and Digital Video Interactive have it.
pub(in crate::container) const IMA_ADPCM: u16 = 0x0011;
/// Yamaha's ADPCM.
pub(in crate::container) const YAMAHA_ADPCM: u16 = 0x0020;
/// GSM 06.10, two frames a block.
pub(in crate::container) const GSM: u16 = 0x0031;
/// MPEG audio layers I and II.
pub(in crate::container) const MPEG: u16 = 0x0050;
/// MPEG audio layer III.
pub(in crate::container) const MPEG_LAYER_3: u16 = 0x0055;
/// AAC, each chunk a frame, with its configuration behind the description.
pub(in crate::container) const AAC: u16 = 0x00FF;
/// The tag that ffmpeg and others took for the same before there was one.
pub(in crate::container) const AAC_OLD: u16 = 0x706D;
/// AAC in ADTS frames.
pub(in crate::container) const AAC_ADTS: u16 = 0x1600;
/// AC-3.
pub(in crate::container) const AC3: u16 = 0x2000;
/// DTS: no payload format of it is known to any player, so it travels in packets of ASF.
pub(in crate::container) const DTS: u16 = 0x2001;
/// FLAC.
pub(in crate::container) const FLAC: u16 = 0xF1AC;
/// The codec is in the extension: the first two bytes of a GUID whose rest is always the same.
const EXTENSIBLE: u16 = 0xFFFE;

/// A sound's description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::container) struct WaveFormat {
    /// `wFormatTag`, of the extension where it is there.
    pub tag: u16,
    pub channels: u16,
    pub sample_rate: u32,
    /// `nAvgBytesPerSec`
    pub byte_rate: u32,
    /// `nBlockAlign`
    pub block: u16,
    /// `wBitsPerSample`
    pub bits: u16,
    /// What the codec needs beyond that.
    pub extra: Vec<u8>,
}

impl WaveFormat {
    /// Reads a description; what is cut off at its end counts as absent.
    pub fn read(input: &[u8]) -> Option<Self> {
        let (rest, mut format) = fixed(input).ok()?;
        let word = le_u16::<_, nom::error::Error<&[u8]>>;
        if let Ok((rest, bits)) = word(rest) {
            format.bits = bits;
            // A size that lies leaves what is there.
            if let Ok((rest, size)) = word(rest) {
                format.extra = rest[..rest.len().min(usize::from(size))].to_vec();
            }
        }
        if format.tag == EXTENSIBLE && format.extra.len() >= 8 {
            format.tag = u16::from_le_bytes([format.extra[6], format.extra[7]]);
            format.extra.drain(..format.extra.len().min(22));
        }
        Some(format)
    }

    /// Sound in blocks of no constant length.
    pub fn new(tag: u16, channels: u16, sample_rate: u32) -> Self {
        Self { tag, channels, sample_rate, block: 1, ..Self::default() }
    }

    /// The same in blocks of so many bytes, one for each sample.
    pub fn in_blocks(self, block: u16) -> Self {
        Self { byte_rate: self.sample_rate.saturating_mul(block.into()), block: block.max(1), ..self }
    }

    /// Whether what it calls a block could be one: those of coded sound are longer than a sample of PCM, which some
    /// writers put there, and their chunks are one block each.
    pub fn has_blocks(&self) -> bool {
        const LONGEST_SAMPLE: u16 = 4;
        self.block > LONGEST_SAMPLE || self.block > 0 && matches!(self.tag, PCM | FLOAT | ALAW | MULAW)
    }

    /// The description written again, never with an extension for the tag.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(18 + self.extra.len());
        for word in [self.tag, self.channels] {
            out.extend(word.to_le_bytes());
        }
        out.extend(self.sample_rate.to_le_bytes());
        out.extend(self.byte_rate.to_le_bytes());
        for word in [self.block, self.bits, u16::try_from(self.extra.len()).unwrap_or(u16::MAX)] {
            out.extend(word.to_le_bytes());
        }
        out.extend(&self.extra);
        out
    }
}

fn fixed(input: &[u8]) -> IResult<&[u8], WaveFormat> {
    let (input, tag) = le_u16(input)?;
    let (input, channels) = le_u16(input)?;
    let (input, sample_rate) = le_u32(input)?;
    let (input, byte_rate) = le_u32(input)?;
    let (input, block) = le_u16(input)?;
    Ok((input, WaveFormat { tag, channels, sample_rate, byte_rate, block, ..WaveFormat::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_coded_sound_is_no_sample() {
        let cases = [(PCM, 4, true), (0xF1AC, 2, false), (MPEG_LAYER_3, 1152, true), (PCM, 0, false), (DTS, 2, false)];
        for (tag, block, expected) in cases {
            assert_eq!(WaveFormat { tag, block, ..WaveFormat::default() }.has_blocks(), expected, "{tag:#x} {block}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let plain = WaveFormat {
            tag: IMA_ADPCM,
            channels: 2,
            sample_rate: 44_100,
            byte_rate: 44_251,
            block: 2048,
            bits: 4,
            extra: vec![0xF9, 7],
        };
        assert_eq!(WaveFormat::read(&plain.to_bytes()), Some(plain.clone()));
        // 24 bits in 32, a channel mask, and the GUID whose first two bytes are the tag.
        let mut extensible = WaveFormat { tag: EXTENSIBLE, ..plain.clone() };
        extensible.extra = [&[24, 0, 3, 0, 0, 0, 3, 0][..], &[0; 14], &[1, 2]].concat();
        let read = WaveFormat::read(&extensible.to_bytes());
        assert_eq!(read, Some(WaveFormat { tag: FLOAT, extra: vec![1, 2], ..plain }));
    }
}
