//! MPEG-1 and MPEG-2 video above the slices (ISO 11172-2 2.4.2, ISO 13818-2 6.2).

use super::bits::{Bits, CodecError};
use super::start_code::{self, code_at_start};

/// `picture_start_code`
pub const PICTURE: u8 = 0x00;
/// The first of the slices' start codes; a slice's code is its row of macroblocks, from 1.
pub const FIRST_SLICE: u8 = 0x01;
/// The last of them.
pub const LAST_SLICE: u8 = 0xAF;
/// `user_data_start_code`
pub const USER_DATA: u8 = 0xB2;
/// `sequence_header_code`
pub const SEQUENCE: u8 = 0xB3;
/// `extension_start_code`
pub const EXTENSION: u8 = 0xB5;
/// `sequence_end_code`
pub const SEQUENCE_END: u8 = 0xB7;
/// `group_start_code`
pub const GROUP: u8 = 0xB8;

/// What a sequence header and the sequence extension behind it, if any, say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Whether there is a sequence extension: MPEG-2, else MPEG-1.
    pub mpeg2: bool,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// `aspect_ratio_information`: of a pixel in MPEG-1, of the picture in MPEG-2.
    pub aspect_ratio: u8,
    /// Frames per second.
    pub frame_rate: FrameRate,
    /// Bits per second at most; `None` for MPEG-1's "variable".
    pub bit_rate: Option<u64>,
    /// `vbv_buffer_size`, in bits.
    pub vbv_buffer: u64,
    /// Whether all its pictures are progressive frames (always so in MPEG-1).
    pub progressive: bool,
    /// Whether it has no B pictures, so that pictures are shown as soon as they are decoded.
    pub low_delay: bool,
    /// `profile_and_level_indication`; zero in MPEG-1.
    pub profile_and_level: u8,
}

/// Frames per second as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    /// Never zero.
    pub numerator: u32,
    /// Never zero.
    pub denominator: u32,
}

/// By `frame_rate_code` 1..=8 (ISO 13818-2 table 6-4).
const FRAME_RATES: [(u32, u32); 8] =
    [(24_000, 1_001), (24, 1), (25, 1), (30_000, 1_001), (30, 1), (50, 1), (60_000, 1_001), (60, 1)];

impl Sequence {
    /// Reads the sequence header that `bytes` begin with, and its extension if one follows before anything but user
    /// data and other extensions.
    ///
    /// # Errors
    /// Which field is missing or not allowed.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut sequence = Self::parse_header(bytes)?;
        let mut at = 4;
        while let Some(next) = start_code::find(bytes, at) {
            at = next + 4;
            match bytes.get(next + 3) {
                Some(&EXTENSION) if extension_id(&bytes[next..]) == Some(SEQUENCE_EXTENSION) => {
                    sequence.extend(&bytes[next..])?;
                    break;
                }
                Some(&(EXTENSION | USER_DATA)) => {}
                _ => break,
            }
        }
        Ok(sequence)
    }

    fn parse_header(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut bits = begin("sequence header", bytes, SEQUENCE)?;
        let width = bits.read("horizontal_size_value", 12)?;
        let height = bits.read("vertical_size_value", 12)?;
        let aspect_ratio = bits.small("aspect_ratio_information", 4)?;
        let code = bits.read("frame_rate_code", 4)?;
        let rate = (code as usize).checked_sub(1).and_then(|index| FRAME_RATES.get(index));
        let &(numerator, denominator) = rate.ok_or(bits.forbidden("frame_rate_code", code))?;
        let bit_rate = bits.read("bit_rate_value", 18)?;
        bits.marker()?;
        let vbv = bits.read("vbv_buffer_size_value", 10)?;
        Ok(Self {
            mpeg2: false,
            width,
            height,
            aspect_ratio,
            frame_rate: FrameRate { numerator, denominator },
            bit_rate: (bit_rate != 0x3FFFF).then_some(u64::from(bit_rate) * 400),
            vbv_buffer: u64::from(vbv) * VBV_UNIT,
            progressive: true,
            low_delay: false,
            profile_and_level: 0,
        })
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        let mut bits = begin("sequence extension", bytes, EXTENSION)?;
        bits.skip("extension_start_code_identifier", 4)?;
        self.mpeg2 = true;
        self.profile_and_level = bits.small("profile_and_level_indication", 8)?;
        self.progressive = bits.flag("progressive_sequence")?;
        bits.skip("chroma_format", 2)?;
        self.width |= bits.read("horizontal_size_extension", 2)? << 12;
        self.height |= bits.read("vertical_size_extension", 2)? << 12;
        let high = u64::from(bits.read("bit_rate_extension", 12)?) << 18;
        self.bit_rate = Some(self.bit_rate.map_or(0x3FFFF, |rate| rate / 400) + high).map(|units| units * 400);
        bits.marker()?;
        self.vbv_buffer += u64::from(bits.read("vbv_buffer_size_extension", 8)? << 10) * VBV_UNIT;
        self.low_delay = bits.flag("low_delay")?;
        self.frame_rate.numerator *= bits.read("frame_rate_extension_n", 2)? + 1;
        self.frame_rate.denominator *= bits.read("frame_rate_extension_d", 5)? + 1;
        Ok(())
    }
}

/// `vbv_buffer_size` counts 2 KiB, in bits (ISO 13818-2 6.3.3).
const VBV_UNIT: u64 = 16 * 1024;

/// A group of pictures header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// `time_code`, 25 bits: drop frame flag, hours, minutes, marker, seconds, pictures.
    pub time_code: u32,
    /// Whether its first B pictures need nothing from the group before.
    pub closed: bool,
    /// Whether those pictures can't be decoded, because an editor took away what they need.
    pub broken_link: bool,
}

impl Group {
    /// Reads the group of pictures header that `bytes` begin with.
    ///
    /// # Errors
    /// Which field is missing.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut bits = begin("group of pictures header", bytes, GROUP)?;
        Ok(Self {
            time_code: bits.read("time_code", 25)?,
            closed: bits.flag("closed_gop")?,
            broken_link: bits.flag("broken_link")?,
        })
    }
}

/// `picture_coding_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodingType {
    /// Needs no other picture.
    I = 1,
    /// Needs one before it.
    P = 2,
    /// Needs one before and one after it; decoded after both.
    B = 3,
    /// MPEG-1's thumbnail pictures, alone in their sequence.
    D = 4,
}

/// A picture header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Place in display order within its group, modulo 1024.
    pub temporal_reference: u16,
    /// Which kind of picture.
    pub coding_type: CodingType,
    /// `vbv_delay`, in 90 kHz ticks; 0xFFFF where not told.
    pub vbv_delay: u16,
    /// For P and B pictures.
    pub forward: MotionCode,
    /// For B pictures.
    pub backward: MotionCode,
}

/// How a picture header says motion vectors are coded; all zero where it doesn't. MPEG-2 has them in the picture coding
/// extension, and here `f_code` 7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MotionCode {
    /// `full_pel_*_vector`
    pub full_pel: bool,
    /// `*_f_code`
    pub f_code: u8,
}

impl Picture {
    /// Reads the picture header that `bytes` begin with.
    ///
    /// # Errors
    /// Which field is missing or not allowed.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut bits = begin("picture header", bytes, PICTURE)?;
        let temporal_reference = bits.read("temporal_reference", 10)? as u16;
        let coding_type = match bits.read("picture_coding_type", 3)? {
            1 => CodingType::I,
            2 => CodingType::P,
            3 => CodingType::B,
            4 => CodingType::D,
            code => return Err(bits.forbidden("picture_coding_type", code)),
        };
        let vbv_delay = bits.read("vbv_delay", 16)? as u16;
        let (mut forward, mut backward) = (MotionCode::default(), MotionCode::default());
        if matches!(coding_type, CodingType::P | CodingType::B) {
            forward.full_pel = bits.flag("full_pel_forward_vector")?;
            forward.f_code = bits.small("forward_f_code", 3)?;
        }
        if coding_type == CodingType::B {
            backward.full_pel = bits.flag("full_pel_backward_vector")?;
            backward.f_code = bits.small("backward_f_code", 3)?;
        }
        Ok(Self { temporal_reference, coding_type, vbv_delay, forward, backward })
    }
}

/// `picture_structure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Every other line, from the first.
    TopField = 1,
    /// Every other line, from the second.
    BottomField = 2,
    /// All lines.
    Frame = 3,
}

/// MPEG-2's picture coding extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureCoding {
    /// `f_code[s][t]`: forward and backward, horizontal and vertical; 15 where unused.
    pub f_code: [[u8; 2]; 2],
    /// `intra_dc_precision`, 0..=3.
    pub intra_dc_precision: u8,
    /// A frame or one field of it; the second field is a picture of its own.
    pub structure: Structure,
    /// `top_field_first`
    pub top_field_first: bool,
    /// `frame_pred_frame_dct`
    pub frame_pred_frame_dct: bool,
    /// `concealment_motion_vectors`
    pub concealment_motion_vectors: bool,
    /// `q_scale_type`
    pub q_scale_type: bool,
    /// `intra_vlc_format`
    pub intra_vlc_format: bool,
    /// `alternate_scan`
    pub alternate_scan: bool,
    /// Whether it is shown longer: see [`PictureCoding::fields`].
    pub repeat_first_field: bool,
    /// `chroma_420_type`
    pub chroma_420_type: bool,
    /// Whether both fields are of one instant.
    pub progressive_frame: bool,
    /// Whether bits on the composite signal follow.
    pub composite_display: bool,
}

impl PictureCoding {
    /// Reads the picture coding extension that `bytes` begin with.
    ///
    /// # Errors
    /// Which field is missing or not allowed; also where it is another extension.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut bits = begin("picture coding extension", bytes, EXTENSION)?;
        let id = bits.small("extension_start_code_identifier", 4)?;
        if id != PICTURE_CODING_EXTENSION {
            return Err(bits.forbidden("extension_start_code_identifier", u32::from(id)));
        }
        let mut f_code = [[0; 2]; 2];
        for code in f_code.as_flattened_mut() {
            *code = bits.small("f_code", 4)?;
        }
        Ok(Self {
            f_code,
            intra_dc_precision: bits.small("intra_dc_precision", 2)?,
            structure: match bits.read("picture_structure", 2)? {
                1 => Structure::TopField,
                2 => Structure::BottomField,
                3 => Structure::Frame,
                code => return Err(bits.forbidden("picture_structure", code)),
            },
            top_field_first: bits.flag("top_field_first")?,
            frame_pred_frame_dct: bits.flag("frame_pred_frame_dct")?,
            concealment_motion_vectors: bits.flag("concealment_motion_vectors")?,
            q_scale_type: bits.flag("q_scale_type")?,
            intra_vlc_format: bits.flag("intra_vlc_format")?,
            alternate_scan: bits.flag("alternate_scan")?,
            repeat_first_field: bits.flag("repeat_first_field")?,
            chroma_420_type: bits.flag("chroma_420_type")?,
            progressive_frame: bits.flag("progressive_frame")?,
            composite_display: bits.flag("composite_display_flag")?,
        })
    }

    /// For how many field periods (half of a frame's, by the sequence's rate) the picture is shown:
    /// 1 for a field, 2 for a frame, up to 6 where fields or frames are repeated (ISO 13818-2 6.3.10).
    pub fn fields(&self, progressive_sequence: bool) -> u32 {
        match (self.structure, self.repeat_first_field) {
            (Structure::TopField | Structure::BottomField, _) => 1,
            (Structure::Frame, false) => 2,
            (Structure::Frame, true) if !progressive_sequence => 3,
            (Structure::Frame, true) if self.top_field_first => 6,
            (Structure::Frame, true) => 4,
        }
    }
}

/// `extension_start_code_identifier` of the sequence extension.
const SEQUENCE_EXTENSION: u8 = 1;
/// Of the picture coding extension.
const PICTURE_CODING_EXTENSION: u8 = 8;

/// Which extension `bytes`, which begin with an extension start code, hold.
fn extension_id(bytes: &[u8]) -> Option<u8> {
    bytes.get(4).map(|byte| byte >> 4)
}

/// The picture coding extension of the picture that `bytes` begin with (at its picture header or before), if it has
/// one: it follows the picture header, before the first slice.
pub fn picture_coding(bytes: &[u8]) -> Option<PictureCoding> {
    let mut in_picture = false;
    for found in start_code::start_codes(bytes) {
        let rest = &bytes[found.offset..];
        match found.code {
            PICTURE if in_picture => return None,
            PICTURE => in_picture = true,
            EXTENSION if in_picture && extension_id(rest) == Some(PICTURE_CODING_EXTENSION) => {
                return PictureCoding::parse(rest).ok();
            }
            FIRST_SLICE..=LAST_SLICE => return None,
            _ => {}
        }
    }
    None
}

/// A reader behind the start code `code`, which `bytes` must begin with.
fn begin<'a>(header: &'static str, bytes: &'a [u8], code: u8) -> Result<Bits<'a>, CodecError> {
    let mut bits = Bits::new(header, bytes);
    let seen = bits.read("start code", 32)?;
    if code_at_start(bytes) == Some(code) { Ok(bits) } else { Err(bits.forbidden("start code", seen)) }
}

#[cfg(test)]
mod tests;
