//! The sequence parameter set (7.3.2.2.1).

use super::super::bits::{Bits, CodecError};
use super::super::nal::unescape;
use super::{SPS, VPS, begin};

mod vui;

/// A sequence parameter set: what a container or a description needs of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `sps_seq_parameter_set_id`, 0..=15.
    pub id: u8,
    /// `general_profile_idc`
    pub profile: u8,
    /// `general_level_idc`, thirty times the level's number.
    pub level: u8,
    /// 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_format: u8,
    /// Bits of a luma sample.
    pub luma_bits: u8,
    /// Pixels, as cropped.
    pub width: u32,
    /// Pixels, as cropped.
    pub height: u32,
    /// Bits of `slice_pic_order_cnt_lsb`.
    pub order_count_bits: u8,
    /// `sps_max_num_reorder_pics` of the highest sub-layer: how many pictures at most come before one that is shown
    /// earlier.
    pub reorder_pictures: u8,
    /// `separate_colour_plane_flag`: each colour's slices come by themselves.
    pub separate_planes: bool,
    /// How fast pictures follow each other, where told.
    pub timing: Option<Timing>,
}

/// `vui_timing_info` (E.2.1), or the video parameter set's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// `num_units_in_tick`, never zero.
    pub units_in_tick: u32,
    /// `time_scale` in Hz, never zero. A picture takes one tick.
    pub time_scale: u32,
}

impl Timing {
    fn read(bits: &mut Bits<'_>) -> Result<Option<Self>, CodecError> {
        let units_in_tick = bits.read("num_units_in_tick", 32)?;
        let time_scale = bits.read("time_scale", 32)?;
        Ok((units_in_tick > 0 && time_scale > 0).then_some(Self { units_in_tick, time_scale }))
    }

    /// Pictures per second as numerator and denominator.
    pub fn rate(&self) -> (u32, u64) {
        (self.time_scale, self.units_in_tick.into())
    }

    /// Of a video parameter set (7.3.2.1); `None` where it tells none, or can't be read.
    pub fn of_vps(unit: &[u8]) -> Option<Self> {
        Self::read_vps(unit).ok().flatten()
    }

    fn read_vps(unit: &[u8]) -> Result<Option<Self>, CodecError> {
        let unit = unescape(unit);
        let mut bits = begin("video parameter set", &unit, VPS)?;
        bits.skip("vps_video_parameter_set_id to vps_max_layers_minus1", 4 + 2 + 6)?;
        let sub_layers = sub_layers(&mut bits, "vps_max_sub_layers_minus1")?;
        bits.skip("vps_temporal_id_nesting_flag and vps_reserved_0xffff_16bits", 1 + 16)?;
        profile_tier_level(&mut bits, sub_layers)?;
        sub_layer_ordering(&mut bits, sub_layers)?;
        let layers = usize::from(bits.small("vps_max_layer_id", 6)?) + 1;
        let sets = bits.ue("vps_num_layer_sets_minus1")?;
        bits.skip("layer_id_included_flag", usize::try_from(sets).unwrap_or(usize::MAX).saturating_mul(layers))?;
        if bits.flag("vps_timing_info_present_flag")? { Self::read(&mut bits) } else { Ok(None) }
    }
}

/// Pixels in one direction at most: what level 6.2 lets be is 16888 (A.4.1). It keeps sizes far from overflow whatever
/// the codes say.
const MAX_SIDE: u32 = 16_888;

impl Sps {
    /// Reads a sequence parameter set.
    ///
    /// # Errors
    /// Which field is missing or not allowed.
    pub fn parse(unit: &[u8]) -> Result<Self, CodecError> {
        let unit = unescape(unit);
        let mut bits = begin("sequence parameter set", &unit, SPS)?;
        bits.skip("sps_video_parameter_set_id", 4)?;
        let sub_layers = sub_layers(&mut bits, "sps_max_sub_layers_minus1")?;
        bits.skip("sps_temporal_id_nesting_flag", 1)?;
        let (profile, level) = profile_tier_level(&mut bits, sub_layers)?;
        let id = bits.ue_to("sps_seq_parameter_set_id", 15)?;
        let chroma_format = bits.ue_to("chroma_format_idc", 3)?;
        let separate_planes = chroma_format == 3 && bits.flag("separate_colour_plane_flag")?;
        let width = side(&mut bits, "pic_width_in_luma_samples")?;
        let height = side(&mut bits, "pic_height_in_luma_samples")?;
        let (width, height) = if bits.flag("conformance_window_flag")? {
            let unit_x = if matches!(chroma_format, 1 | 2) && !separate_planes { 2 } else { 1 };
            let unit_y = if chroma_format == 1 { 2 } else { 1 };
            (
                cropped(&mut bits, width, unit_x, ["conf_win_left_offset", "conf_win_right_offset"])?,
                cropped(&mut bits, height, unit_y, ["conf_win_top_offset", "conf_win_bottom_offset"])?,
            )
        } else {
            (width, height)
        };
        let luma_bits = bits.ue_to("bit_depth_luma_minus8", 8)? + 8;
        bits.ue_to("bit_depth_chroma_minus8", 8)?;
        let order_count_bits = bits.ue_to("log2_max_pic_order_cnt_lsb_minus4", 12)? + 4;
        let reorder_pictures = sub_layer_ordering(&mut bits, sub_layers)?;
        // What comes before is enough to decode; many encoders' usability information is cut short.
        let timing = vui::timing(&mut bits, order_count_bits).ok().flatten();
        Ok(Self {
            id,
            profile,
            level,
            chroma_format,
            luma_bits,
            width,
            height,
            order_count_bits,
            reorder_pictures,
            separate_planes,
            timing,
        })
    }
}

/// The highest sub-layer.
fn sub_layers(bits: &mut Bits<'_>, field: &'static str) -> Result<u8, CodecError> {
    match bits.small(field, 3)? {
        value @ 0..=6 => Ok(value),
        value => Err(bits.forbidden(field, u32::from(value))),
    }
}

/// How many pictures at most come before one that is shown earlier, in the highest sub-layer.
fn sub_layer_ordering(bits: &mut Bits<'_>, sub_layers: u8) -> Result<u8, CodecError> {
    let all_layers = bits.flag("sub_layer_ordering_info_present_flag")?;
    let mut reorder_pictures = 0;
    for _ in if all_layers { 0 } else { sub_layers }..=sub_layers {
        bits.ue_to("max_dec_pic_buffering_minus1", 15)?;
        reorder_pictures = bits.ue_to("max_num_reorder_pics", 15)?;
        bits.ue("max_latency_increase_plus1")?;
    }
    Ok(reorder_pictures)
}

/// `general_profile_idc` and `general_level_idc`; passes over the rest (7.3.3).
fn profile_tier_level(bits: &mut Bits<'_>, sub_layers: u8) -> Result<(u8, u8), CodecError> {
    bits.skip("general_profile_space and general_tier_flag", 3)?;
    let profile = bits.small("general_profile_idc", 5)?;
    bits.skip("general_profile_compatibility_flag and constraints", 32 + 48)?;
    let level = bits.small("general_level_idc", 8)?;
    let mut length = 0;
    for _ in 0..sub_layers {
        length += if bits.flag("sub_layer_profile_present_flag")? { 88 } else { 0 };
        length += if bits.flag("sub_layer_level_present_flag")? { 8 } else { 0 };
    }
    if sub_layers > 0 {
        bits.skip("reserved_zero_2bits", usize::from(8 - sub_layers) * 2)?;
    }
    bits.skip("sub-layer profiles and levels", length)?;
    Ok((profile, level))
}

fn side(bits: &mut Bits<'_>, field: &'static str) -> Result<u32, CodecError> {
    match bits.ue(field)? {
        value @ 1..=MAX_SIDE => Ok(value),
        value => Err(bits.forbidden(field, value)),
    }
}

/// What a conformance window leaves of `size` (equations 7-57 and 7-58, and the sizes behind them).
fn cropped(bits: &mut Bits<'_>, size: u32, unit: u32, fields: [&'static str; 2]) -> Result<u32, CodecError> {
    let both = u64::from(bits.ue(fields[0])?) + u64::from(bits.ue(fields[1])?);
    let left = u64::from(size).checked_sub(both * u64::from(unit)).filter(|&left| left > 0);
    left.and_then(|left| u32::try_from(left).ok()).ok_or(bits.forbidden(fields[1], both.min(1 << 31) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// From x265: 322x242 pixels, coded as 328x248.
    const CROPPED: &[u8] = &[
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3C,
        0xA0, 0x0A, 0x48, 0x0F, 0x9C, 0x92, 0x65, 0x95, 0x9A, 0x49, 0x32, 0xBC, 0x05, 0xA0, 0x20, 0x00, 0x00, 0x03,
        0x00, 0x20, 0x00, 0x00, 0x03, 0x03, 0x21,
    ];

    #[test]
    fn a_set_says_the_size_as_cropped() {
        let sps = Sps::parse(CROPPED).unwrap();
        let expected = Sps {
            id: 0,
            profile: 1,
            level: 60,
            chroma_format: 1,
            luma_bits: 8,
            width: 322,
            height: 242,
            order_count_bits: 8,
            reorder_pictures: 2,
            separate_planes: false,
            timing: Some(Timing { units_in_tick: 1, time_scale: 25 }),
        };
        assert_eq!(sps, expected);
    }

    #[test]
    fn what_is_no_set_is_refused_where_it_breaks() {
        let error = |unit: &[u8]| Sps::parse(unit).unwrap_err().to_string();
        let wrong = "sequence parameter set: nal_unit_type at byte 0, bit 1: 34 is not allowed";
        assert_eq!(error(&[0x44, 1, 1]), wrong);
        assert_eq!(
            error(&CROPPED[..12]),
            "sequence parameter set: general_profile_compatibility_flag and constraints at byte 4, bit 0: the data ends"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(at in 2..CROPPED.len(), bytes: Vec<u8>) {
            let _ = Sps::parse(&[&CROPPED[..at], &bytes[..]].concat());
        }
    }
}
