//! AAC: AudioSpecificConfig (ISO 14496-3 1.6.2.1) and the ADTS header (1.A.2.2).

use super::bits::{Bits, CodecError};
use super::frames::{FrameHeader, Frames, Scanner};

/// What a decoder must know before the first raw_data_block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioSpecificConfig {
    /// The core's `audioObjectType`: 2 is AAC-LC, also below SBR.
    pub object_type: u8,
    /// Samples per second of the core: the clock of its access units.
    pub sample_rate: u32,
    /// `channelConfiguration`, 0..=15; with 0 a program config element says it.
    pub channel_config: u8,
    /// Channels of the core; zero where the configuration can't be understood.
    pub channels: u8,
    /// Samples per second that come out, where spectral band replication is announced (HE-AAC). Without, a decoder may
    /// still find it in the stream.
    pub sbr_rate: Option<u32>,
    /// Whether parametric stereo is announced: one channel becomes two.
    pub parametric_stereo: bool,
    /// Samples of each channel in an access unit of the core: 1024 or 960 (of low delay AAC 512 or 480).
    pub frame_samples: u16,
}

/// By `samplingFrequencyIndex` 0..=12 (table 1.18).
const SAMPLE_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// By `channelConfiguration` (table 1.19); those that are reserved have none.
const CHANNELS: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0];

const SBR: u8 = 5;
const LOW_DELAY: u8 = 23;
const PARAMETRIC_STEREO: u8 = 29;

impl AudioSpecificConfig {
    /// Reads a configuration as found in an MP4's `esds`, in SDP or in Matroska.
    ///
    /// # Errors
    /// Which field is missing or not allowed; also for object types that aren't general audio.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut bits = Bits::new("AudioSpecificConfig", bytes);
        let (mut config, hierarchical) = Self::read(&mut bits)?;
        if !hierarchical {
            // What a cut extension would say is left out: it is backward compatible by design (1.6.5).
            let _ = config.read_extension(&mut bits);
        }
        Ok(config)
    }

    /// Reads a configuration that other data follows, as in LATM, and says how many bits it has: without a backward
    /// compatible extension, of which nothing would tell where it ends.
    ///
    /// # Errors
    /// As [`AudioSpecificConfig::parse`].
    pub fn parse_prefix(bytes: &[u8]) -> Result<(Self, usize), CodecError> {
        let mut bits = Bits::new("AudioSpecificConfig", bytes);
        let (config, _) = Self::read(&mut bits)?;
        Ok((config, bits.position()))
    }

    /// `samplingFrequencyIndex`, where the core's rate has one.
    pub fn sample_rate_index(&self) -> Option<u8> {
        SAMPLE_RATES.iter().position(|&rate| rate == self.sample_rate).and_then(|index| u8::try_from(index).ok())
    }

    /// All but the extension, and whether spectral band replication was already said (explicit hierarchical signalling).
    fn read(bits: &mut Bits<'_>) -> Result<(Self, bool), CodecError> {
        let mut object_type = object_type(bits)?;
        let sample_rate = sample_rate(bits, "samplingFrequency")?;
        let channel_config = bits.small("channelConfiguration", 4)?;
        let mut config = Self {
            object_type,
            sample_rate,
            channel_config,
            channels: CHANNELS[usize::from(channel_config)],
            sbr_rate: None,
            parametric_stereo: object_type == PARAMETRIC_STEREO,
            frame_samples: 1024,
        };
        let hierarchical = matches!(object_type, SBR | PARAMETRIC_STEREO);
        if hierarchical {
            config.sbr_rate = Some(self::sample_rate(bits, "extensionSamplingFrequency")?);
            object_type = self::object_type(bits)?;
            config.object_type = object_type;
        }
        if !matches!(object_type, 1..=4 | 6 | 7 | 17 | 19..=23) {
            return Err(bits.forbidden("audioObjectType", u32::from(object_type)));
        }
        config.read_general(bits)?;
        Ok((config, hierarchical))
    }

    /// GASpecificConfig (4.4.1).
    fn read_general(&mut self, bits: &mut Bits<'_>) -> Result<(), CodecError> {
        let short = bits.flag("frameLengthFlag")?;
        self.frame_samples = match (self.object_type, short) {
            (LOW_DELAY, false) => 512,
            (LOW_DELAY, true) => 480,
            (_, false) => 1024,
            (_, true) => 960,
        };
        if bits.flag("dependsOnCoreCoder")? {
            bits.skip("coreCoderDelay", 14)?;
        }
        let extended = bits.flag("extensionFlag")?;
        if self.channel_config == 0 {
            self.channels = program_channels(bits)?;
        }
        if matches!(self.object_type, 6 | 20) {
            bits.skip("layerNr", 3)?;
        }
        if extended {
            match self.object_type {
                22 => bits.skip("numOfSubFrame and layer_length", 16)?,
                17 | 19 | 20 | 23 => bits.skip("resilience flags", 3)?,
                _ => {}
            }
            bits.skip("extensionFlag3", 1)?;
        }
        Ok(())
    }

    /// Explicit backward compatible signalling, behind the configuration proper.
    fn read_extension(&mut self, bits: &mut Bits<'_>) -> Result<(), CodecError> {
        if matches!(self.object_type, 17 | 19..=23) {
            bits.skip("epConfig", 2)?;
        }
        if bits.read("syncExtensionType", 11)? != 0x2B7 || object_type(bits)? != SBR {
            return Ok(());
        }
        if bits.flag("sbrPresentFlag")? {
            self.sbr_rate = Some(sample_rate(bits, "extensionSamplingFrequency")?);
            if bits.read("syncExtensionType", 11)? == 0x548 {
                self.parametric_stereo = bits.flag("psPresentFlag")?;
            }
        }
        Ok(())
    }
}

fn object_type(bits: &mut Bits<'_>) -> Result<u8, CodecError> {
    match bits.small("audioObjectType", 5)? {
        31 => Ok(32 + bits.small("audioObjectTypeExt", 6)?),
        kind => Ok(kind),
    }
}

fn sample_rate(bits: &mut Bits<'_>, field: &'static str) -> Result<u32, CodecError> {
    let index = bits.read(field, 4)?;
    let rate = match index {
        15 => bits.read(field, 24)?,
        _ => SAMPLE_RATES.get(index as usize).copied().unwrap_or(0),
    };
    if rate == 0 { Err(bits.forbidden(field, index)) } else { Ok(rate) }
}

/// The channels of a program_config_element (4.4.1.1).
fn program_channels(bits: &mut Bits<'_>) -> Result<u8, CodecError> {
    bits.skip("element_instance_tag to sampling_frequency_index", 10)?;
    let front = bits.small("num_front_channel_elements", 4)?;
    let side = bits.small("num_side_channel_elements", 4)?;
    let back = bits.small("num_back_channel_elements", 4)?;
    let low = bits.small("num_lfe_channel_elements", 2)?;
    let data = bits.small("num_assoc_data_elements", 3)?;
    let coupling = bits.small("num_valid_cc_elements", 4)?;
    for (field, size) in [("mono_mixdown", 4), ("stereo_mixdown", 4), ("matrix_mixdown", 3)] {
        if bits.flag(field)? {
            bits.skip(field, size)?;
        }
    }
    let mut channels = low;
    for _ in 0..front + side + back {
        channels += if bits.flag("element_is_cpe")? { 2 } else { 1 };
        bits.skip("element_tag_select", 4)?;
    }
    bits.skip("element_tag_select", 4 * usize::from(low + data) + 5 * usize::from(coupling))?;
    bits.align();
    let comment = bits.read("comment_field_bytes", 8)?;
    bits.skip("comment_field_data", comment as usize * 8)?;
    Ok(channels)
}

/// The header of an ADTS frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdtsHeader {
    /// The `audioObjectType` that its profile stands for: 2 is AAC-LC.
    pub object_type: u8,
    /// Samples per second of the core.
    pub sample_rate: u32,
    /// `channel_configuration`, 0..=7; with 0 the stream itself says it.
    pub channel_config: u8,
    /// Bytes of the frame, header included.
    pub frame_len: u16,
    /// Bytes of the header: 7, or 9 with a CRC. (With more than one block and a CRC, each block's place follows.)
    pub header_len: u8,
    /// raw_data_blocks in the frame, 1..=4; only of one alone are the borders known without decoding.
    pub blocks: u8,
}

impl AdtsHeader {
    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// The field that makes it none.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut bits = Bits::new("ADTS header", bytes);
        let sync = bits.read("syncword", 12)?;
        if sync != 0xFFF {
            return Err(bits.forbidden("syncword", sync));
        }
        bits.skip("ID", 1)?;
        let layer = bits.read("layer", 2)?;
        if layer != 0 {
            return Err(bits.forbidden("layer", layer));
        }
        let header_len = if bits.flag("protection_absent")? { 7 } else { 9 };
        let object_type = bits.small("profile_ObjectType", 2)? + 1;
        let index = bits.read("sampling_frequency_index", 4)?;
        let rate = SAMPLE_RATES.get(index as usize);
        let &sample_rate = rate.ok_or(bits.forbidden("sampling_frequency_index", index))?;
        bits.skip("private_bit", 1)?;
        let channel_config = bits.small("channel_configuration", 3)?;
        bits.skip("original_copy to copyright_identification_start", 4)?;
        let frame_len = bits.read("aac_frame_length", 13)?;
        if frame_len < u32::from(header_len) {
            return Err(bits.forbidden("aac_frame_length", frame_len));
        }
        bits.skip("adts_buffer_fullness", 11)?;
        let blocks = bits.small("number_of_raw_data_blocks_in_frame", 2)? + 1;
        Ok(Self { object_type, sample_rate, channel_config, frame_len: frame_len as u16, header_len, blocks })
    }

    /// Samples of each channel in the frame.
    pub fn samples(&self) -> u32 {
        u32::from(self.blocks) * 1024
    }

    /// The AudioSpecificConfig that says the same.
    pub fn config(&self) -> [u8; 2] {
        let index = SAMPLE_RATES.iter().position(|&rate| rate == self.sample_rate).unwrap_or(0) as u16;
        let config = u16::from(self.object_type) << 11 | index << 7 | u16::from(self.channel_config) << 3;
        config.to_be_bytes()
    }
}

impl FrameHeader for AdtsHeader {
    const LEN: usize = 7;
    const MAX_FRAME: usize = 0x1FFF;

    fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        Self::parse(bytes)
    }

    fn frame_len(&self) -> Option<usize> {
        Some(usize::from(self.frame_len))
    }

    fn same_stream(&self, other: &Self) -> bool {
        (self.object_type, self.sample_rate, self.channel_config)
            == (other.object_type, other.sample_rate, other.channel_config)
    }
}

/// The whole ADTS frames of `bytes`, over junk between them.
pub fn adts_frames(bytes: &[u8]) -> Frames<'_, AdtsHeader> {
    Frames::new(bytes)
}

/// Finds the frames of an ADTS stream that comes in pieces.
pub fn adts_scanner() -> Scanner<AdtsHeader> {
    Scanner::new()
}

#[cfg(test)]
mod tests;
