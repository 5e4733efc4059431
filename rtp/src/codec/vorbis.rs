//! Vorbis headers (Vorbis I specification): what a stream is, which of its packets hold long blocks, and how long each
//! packet lasts.

/// The identification header, a stream's first packet (section 4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identification {
    /// At least one.
    pub channels: u8,
    /// Samples per second.
    pub sample_rate: u32,
    /// Samples of a short block and of a long one.
    pub blocks: [u32; 2],
}

impl Identification {
    /// Type and mark that the header begins with.
    pub const MARK: &[u8] = b"\x01vorbis";

    /// Reads the header; `None` where it is none, is cut, or says that there is no sound.
    #[must_use]
    pub fn parse(header: &[u8]) -> Option<Self> {
        // Version 4, channels 1, rate 4, bit rates 12, block sizes 1.
        let rest = header.strip_prefix(Self::MARK)?;
        let (channels, sizes) = (*rest.get(4)?, *rest.get(21)?);
        let sample_rate = u32::from_le_bytes(*rest.get(5..)?.first_chunk()?);
        let blocks = [1 << (sizes & 15), 1 << (sizes >> 4)];
        (sample_rate > 0 && channels > 0).then_some(Self { channels, sample_rate, blocks })
    }
}

/// For each mode whether it has long blocks, by the end of the setup header, a stream's third packet (section 4.2.4): what
/// lies before would have to be decoded, but modes have a constant length and mostly zeros, so that they can be read from
/// the end.
#[must_use]
pub fn long_modes(setup: &[u8]) -> Option<Vec<bool>> {
    if !setup.starts_with(b"\x05vorbis") {
        return None;
    }
    /// Bits of a mode: block flag, window and transform type (always zero), mapping.
    const MODE: usize = 41;
    let bit = |at: usize| setup.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
    let value = |from: usize, len: usize| (0..len).fold(0u64, |sum, at| sum | u64::from(bit(from + at)) << at);
    // The framing bit is the last that is set.
    let end = (0..setup.len() * 8).rev().find(|at| bit(*at))?;
    let mut found = None;
    for count in 1..=64usize {
        let Some(from) = end.checked_sub(count * MODE) else { break };
        // Types must be zero, and there are few mappings.
        if value(from + 1, 32) != 0 || value(from + 33, 8) > 63 {
            break;
        }
        if from >= 6 && value(from - 6, 6) as usize == count - 1 {
            found = Some((from, count));
        }
    }
    let (from, count) = found?;
    Some((0..count).map(|mode| bit(from + mode * MODE)).collect())
}

/// How many samples come of each packet: half of a block overlaps with its neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lengths {
    blocks: [u32; 2],
    modes: Vec<bool>,
    /// Whether the last packet held a long block.
    last: Option<bool>,
}

impl Lengths {
    /// By the identification header and the setup header; `None` where one can't be read.
    #[must_use]
    pub fn new(identification: &[u8], setup: &[u8]) -> Option<Self> {
        let blocks = Identification::parse(identification)?.blocks;
        Some(Self { blocks, modes: long_modes(setup)?, last: None })
    }

    /// Samples of each channel that come of the next packet; `None` for one that holds no sound.
    pub fn samples(&mut self, packet: &[u8]) -> Option<u32> {
        let first = *packet.first().filter(|first| **first & 1 == 0)?;
        let bits = usize::BITS - self.modes.len().saturating_sub(1).leading_zeros();
        let long = *self.modes.get(usize::from(first >> 1) & ((1 << bits) - 1))?;
        let block = |long: bool| self.blocks[usize::from(long)];
        // Nothing comes of the first (section 4.3.8).
        Some(self.last.replace(long).map_or(0, |before| block(before) / 4 + block(long) / 4))
    }

    /// Packets were lost: they have left nothing that the next one would overlap with.
    pub fn lost(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_overlap_by_halves() {
        let mut lengths = Lengths { blocks: [256, 2048], modes: vec![false, true], last: None };
        let found: Vec<_> = [0, 0, 2, 2, 1].map(|first| lengths.samples(&[first])).to_vec();
        assert_eq!(found, [Some(0), Some(128), Some(576), Some(1024), None]);
        lengths.lost();
        assert_eq!((lengths.samples(&[2]), lengths.samples(&[])), (Some(0), None));
    }

    #[test]
    fn a_stream_says_what_it_is() {
        let header = |channels: u8, rate: u32, sizes: u8| {
            [Identification::MARK, &[0; 4], &[channels], &rate.to_le_bytes(), &[0; 12], &[sizes, 1]].concat()
        };
        let stereo = Identification { channels: 2, sample_rate: 44_100, blocks: [256, 2048] };
        let cases = [
            (header(2, 44_100, 0xB8), Some(stereo)),
            (header(0, 44_100, 0xB8), None),
            (header(2, 0, 0xB8), None),
            (header(2, 44_100, 0xB8)[..28].to_vec(), None),
            (b"\x03vorbis".repeat(5), None),
        ];
        for (header, expected) in cases {
            assert_eq!(Identification::parse(&header), expected, "{header:02x?}");
        }
    }

    #[test]
    fn modes_are_read_from_the_end() {
        // Bits from the lowest on: count less one, then flag, window, transform and mapping of each mode, then the frame.
        let setup = |flags: &[bool]| {
            let mut bits = vec![false; 8];
            bits.extend((0..6).map(|at| (flags.len() - 1) >> at & 1 == 1));
            flags.iter().for_each(|flag| bits.extend([&[*flag][..], &[false; 40]].concat()));
            bits.push(true);
            let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
            [b"\x05vorbis".to_vec(), bits.chunks(8).map(byte).collect()].concat()
        };
        for flags in [&[false, true][..], &[true], &[true, false, true]] {
            assert_eq!(long_modes(&setup(flags)).as_deref(), Some(flags));
        }
        assert_eq!(long_modes(b"\x05vorbis"), None);
        assert_eq!(long_modes(&setup(&[false, true])[1..]), None);
    }
}
