//! MPEG-4 visual above the macroblocks (ISO 14496-2 6.2): the configuration headers, the header of a picture (VOP) and
//! its time.

use super::bits::{Bits, CodecError};
use super::start_code::{code_at_start, start_codes};

/// The last `video_object_start_code`; the first is 0.
pub const LAST_VIDEO_OBJECT: u8 = 0x1F;
/// The first `video_object_layer_start_code`.
pub const FIRST_LAYER: u8 = 0x20;
/// The last of them.
pub const LAST_LAYER: u8 = 0x2F;
/// `visual_object_sequence_start_code`
pub const SEQUENCE: u8 = 0xB0;
/// `visual_object_sequence_end_code`
pub const SEQUENCE_END: u8 = 0xB1;
/// `user_data_start_code`
pub const USER_DATA: u8 = 0xB2;
/// `group_of_vop_start_code`
pub const GROUP: u8 = 0xB3;
/// `visual_object_start_code`
pub const VISUAL_OBJECT: u8 = 0xB5;
/// `vop_start_code`
pub const VOP: u8 = 0xB6;

/// All that comes before the first picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// `profile_and_level_indication`, where a visual object sequence header says it.
    pub profile_and_level: Option<u8>,
    /// The video object layer.
    pub layer: Layer,
    /// Whether the encoder put a P and a B picture into one unit, and an empty one into the next, as DivX 5 did for
    /// AVI. Told by its user data, `DivX503b1393p`: the `p`.
    pub packed: bool,
}

impl Config {
    /// Reads the headers at the start of `bytes` up to the first group or picture.
    ///
    /// # Errors
    /// What is wrong with the video object layer header, or [`super::bits::Fault::Short`] if there is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let (mut profile_and_level, mut layer, mut packed) = (None, None, false);
        for found in start_codes(&bytes[..config_len(bytes)]) {
            let rest = &bytes[found.offset..];
            match found.code {
                SEQUENCE => profile_and_level = rest.get(4).copied(),
                FIRST_LAYER..=LAST_LAYER if layer.is_none() => layer = Some(Layer::parse(rest)?),
                USER_DATA => packed |= is_packed(&rest[4..]),
                _ => {}
            }
        }
        // Reading nothing says where and what is missing.
        let layer = layer.map_or_else(|| Layer::parse(&[]), Ok)?;
        Ok(Self { profile_and_level, layer, packed })
    }
}

/// How many of the first bytes come before the first group of VOPs or VOP: all, where there is neither.
pub fn config_len(bytes: &[u8]) -> usize {
    start_codes(bytes).find(|found| matches!(found.code, GROUP | VOP)).map_or(bytes.len(), |found| found.offset)
}

/// Whether user data is DivX's and says that B pictures are packed.
fn is_packed(data: &[u8]) -> bool {
    /// Longer than any version it ever wrote.
    const LONGEST: usize = 32;
    let Some(version) = data.strip_prefix(b"DivX") else { return false };
    let text = version.iter().take(LONGEST).take_while(|byte| byte.is_ascii_alphanumeric());
    text.last() == Some(&b'p')
}

/// A video object layer header, as far as size and time go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// `vop_time_increment_resolution`: ticks per second of the pictures' times, never zero.
    pub resolution: u16,
    /// Ticks from each picture to the next, where that is fixed; never zero.
    pub fixed_increment: Option<u16>,
    /// Whether it says that it has no B pictures; `None` where it says nothing.
    pub low_delay: Option<bool>,
    /// Width to height of a pixel, where told.
    pub pixel_aspect: Option<(u8, u8)>,
    /// Whether fields may be coded apart.
    pub interlaced: bool,
}

impl Layer {
    /// Reads the video object layer header that `bytes` begin with. Only rectangular video is known.
    ///
    /// # Errors
    /// Which field is missing or not allowed.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut bits = Bits::new("video object layer", bytes);
        let code = bits.read("start code", 32)?;
        if !code_at_start(bytes).is_some_and(|code| (FIRST_LAYER..=LAST_LAYER).contains(&code)) {
            return Err(bits.forbidden("start code", code));
        }
        bits.skip("random_accessible_vol and video_object_type_indication", 9)?;
        let mut version = 1;
        if bits.flag("is_object_layer_identifier")? {
            version = bits.read("video_object_layer_verid", 4)?;
            bits.skip("video_object_layer_priority", 3)?;
        }
        let pixel_aspect = pixel_aspect(&mut bits)?;
        let low_delay = control_parameters(&mut bits)?;
        let shape = bits.read("video_object_layer_shape", 2)?;
        if shape != 0 {
            return Err(bits.forbidden("video_object_layer_shape", shape));
        }
        bits.marker()?;
        let resolution = bits.read("vop_time_increment_resolution", 16)? as u16;
        if resolution == 0 {
            return Err(bits.forbidden("vop_time_increment_resolution", 0));
        }
        bits.marker()?;
        let mut fixed_increment = None;
        if bits.flag("fixed_vop_rate")? {
            let increment = bits.read("fixed_vop_time_increment", increment_bits(resolution))? as u16;
            fixed_increment = Some(increment).filter(|&increment| increment > 0);
        }
        bits.marker()?;
        let width = bits.read("video_object_layer_width", 13)?;
        bits.marker()?;
        let height = bits.read("video_object_layer_height", 13)?;
        bits.marker()?;
        let interlaced = bits.flag("interlaced")?;
        bits.skip("obmc_disable", 1)?;
        let sprite = bits.read("sprite_enable", if version == 1 { 1 } else { 2 })?;
        if sprite == 1 {
            return Err(bits.forbidden("sprite_enable", sprite));
        }
        Ok(Self { width, height, resolution, fixed_increment, low_delay, pixel_aspect, interlaced })
    }
}

/// Bits of a number below `resolution` (6.3.3): at least one.
fn increment_bits(resolution: u16) -> u32 {
    (u16::BITS - resolution.saturating_sub(1).leading_zeros()).max(1)
}

/// Table 6-12.
fn pixel_aspect(bits: &mut Bits<'_>) -> Result<Option<(u8, u8)>, CodecError> {
    Ok(match bits.read("aspect_ratio_info", 4)? {
        1 => Some((1, 1)),
        2 => Some((12, 11)),
        3 => Some((10, 11)),
        4 => Some((16, 11)),
        5 => Some((40, 33)),
        15 => Some((bits.small("par_width", 8)?, bits.small("par_height", 8)?)),
        _ => None,
    })
}

/// `vol_control_parameters`: gives `low_delay`, passes over the rest.
fn control_parameters(bits: &mut Bits<'_>) -> Result<Option<bool>, CodecError> {
    if !bits.flag("vol_control_parameters")? {
        return Ok(None);
    }
    bits.skip("chroma_format", 2)?;
    let low_delay = bits.flag("low_delay")?;
    if bits.flag("vbv_parameters")? {
        // Rates and sizes in halves, each with a marker: 79 bits.
        bits.skip("vbv_parameters", 15 + 1 + 15 + 1 + 15 + 1 + 3 + 11 + 1 + 15 + 1)?;
    }
    Ok(Some(low_delay))
}

/// `vop_coding_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodingType {
    /// Needs no other picture.
    I,
    /// Needs one before it.
    P,
    /// Needs one before and one after it; decoded after both.
    B,
    /// As P, with global motion.
    S,
}

/// The header of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vop {
    /// Which kind of picture.
    pub coding_type: CodingType,
    /// `modulo_time_base`: whole seconds since the second that counts; see [`VopClock`].
    pub seconds: u32,
    /// `vop_time_increment`: ticks in that second.
    pub increment: u16,
    /// Whether anything is coded; where not, the picture before is shown again.
    pub coded: bool,
}

/// More than an hour between two pictures: a run of ones as it comes in padding, not time.
const MAX_SECONDS: u32 = 3_600;

impl Vop {
    /// Reads the picture header that `bytes` begin with.
    ///
    /// # Errors
    /// Which field is missing or not allowed.
    pub fn parse(bytes: &[u8], layer: &Layer) -> Result<Self, CodecError> {
        let mut bits = begin("video object plane", bytes, VOP)?;
        let coding_type = match bits.read("vop_coding_type", 2)? {
            0 => CodingType::I,
            1 => CodingType::P,
            2 => CodingType::B,
            _ => CodingType::S,
        };
        let mut seconds = 0;
        while bits.flag("modulo_time_base")? {
            seconds += 1;
            if seconds > MAX_SECONDS {
                return Err(bits.forbidden("modulo_time_base", seconds));
            }
        }
        bits.marker()?;
        let increment = bits.read("vop_time_increment", increment_bits(layer.resolution))? as u16;
        bits.marker()?;
        let coded = bits.flag("vop_coded")?;
        Ok(Self { coding_type, seconds, increment, coded })
    }
}

/// A group of VOPs header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// `time_code`: the seconds that the next picture counts from.
    pub seconds: u32,
    /// Whether its first B pictures need nothing from the group before.
    pub closed: bool,
    /// Whether those pictures can't be decoded, because an editor took away what they need.
    pub broken_link: bool,
}

impl Group {
    /// Reads the group of VOPs header that `bytes` begin with.
    ///
    /// # Errors
    /// Which field is missing or not allowed.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut bits = begin("group of VOPs", bytes, GROUP)?;
        let hours = bits.read("time_code_hours", 5)?;
        let minutes = bits.read("time_code_minutes", 6)?;
        bits.marker()?;
        let seconds = bits.read("time_code_seconds", 6)? + 60 * (minutes + 60 * hours);
        Ok(Self { seconds, closed: bits.flag("closed_gov")?, broken_link: bits.flag("broken_link")? })
    }
}

/// The pictures' times in ticks of [`Layer::resolution`]. Give it every picture and group in stream order.
///
/// A picture that others refer to counts its seconds from the one such before it, a B picture from the one before that
/// (6.3.5, `modulo_time_base`): it is shown between the two.
#[derive(Clone, Copy, Debug, Default)]
pub struct VopClock {
    /// Whole seconds of the reference picture decoded last.
    last: i64,
    /// Of the one before it.
    before: i64,
}

impl VopClock {
    /// A group begins.
    pub fn handle_group(&mut self, group: &Group) {
        self.last = i64::from(group.seconds);
    }

    /// A picture; gives when it is shown, in ticks.
    pub fn handle_vop(&mut self, vop: &Vop, layer: &Layer) -> i64 {
        let seconds = if vop.coding_type == CodingType::B {
            self.before + i64::from(vop.seconds)
        } else {
            self.before = self.last;
            self.last += i64::from(vop.seconds);
            self.last
        };
        seconds * i64::from(layer.resolution) + i64::from(vop.increment)
    }
}

/// A reader behind the start code `code`, which `bytes` must begin with.
fn begin<'a>(header: &'static str, bytes: &'a [u8], code: u8) -> Result<Bits<'a>, CodecError> {
    let mut bits = Bits::new(header, bytes);
    let seen = bits.read("start code", 32)?;
    if code_at_start(bytes) == Some(code) { Ok(bits) } else { Err(bits.forbidden("start code", seen)) }
}

#[cfg(test)]
mod tests;
