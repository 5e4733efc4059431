//! The sequence parameter set (7.3.2.1.1) and its usability information (annex E).

use super::super::avc_hevc::skip_signal;
use super::super::bits::{Bits, CodecError};
use super::super::nal::unescape;
use super::{SPS, begin};

/// A sequence parameter set: what a container, SDP or a player's clock needs of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `profile_idc`
    pub profile: u8,
    /// The byte of constraint flags behind it.
    pub constraints: u8,
    /// `level_idc`, ten times the level's number.
    pub level: u8,
    /// `seq_parameter_set_id`, 0..=31.
    pub id: u8,
    /// 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_format: u8,
    /// Bits of `frame_num`.
    pub frame_num_bits: u8,
    /// `pic_order_cnt_type`, 0..=2; with 2, pictures are shown in decoding order.
    pub order_count_type: u8,
    /// `max_num_ref_frames`
    pub reference_frames: u8,
    /// Pixels, as cropped.
    pub width: u32,
    /// Pixels, as cropped.
    pub height: u32,
    /// Whether there are no fields.
    pub frames_only: bool,
    /// What annex E adds, where it is there.
    pub vui: Option<Vui>,
}

/// Video usability information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vui {
    /// Width to height of a pixel, where told.
    pub pixel_aspect: Option<(u16, u16)>,
    /// How fast fields follow each other, where told.
    pub timing: Option<Timing>,
    /// `max_num_reorder_frames`: how many pictures at most come before one that is shown earlier; `None` where not
    /// told, and then as many as the level lets be stored.
    pub reorder_frames: Option<u8>,
    /// `max_dec_frame_buffering`
    pub decode_frames: Option<u8>,
}

/// `timing_info` of the usability information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// `num_units_in_tick`, never zero.
    pub units_in_tick: u32,
    /// `time_scale` in Hz, never zero. A frame takes two ticks.
    pub time_scale: u32,
    /// Whether all frames are equally far apart.
    pub fixed: bool,
}

/// Macroblocks in one direction at most: 16384 pixels, above what level 6.2 lets be (table A-1). It keeps sizes far from
/// overflow whatever the codes say.
const MAX_MACROBLOCKS: u32 = 1024;

/// `max_num_ref_frames` is at most 16 (A.3.1, `MaxDpbFrames`).
const MAX_FRAMES: u8 = 16;

/// How a sequence's slices tell the order in which pictures are shown (8.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderCount {
    /// Bits of `frame_num`.
    pub frame_num_bits: u8,
    /// Whether there are no fields.
    pub frames_only: bool,
    /// `separate_colour_plane_flag`
    pub separate_planes: bool,
    /// `pic_order_cnt_type` and what goes with it.
    pub kind: OrderKind,
}

/// `pic_order_cnt_type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderKind {
    /// 0: each slice tells the low bits of its count.
    Coded {
        /// Bits of `pic_order_cnt_lsb`.
        lsb_bits: u8,
    },
    /// 1: expected steps that repeat, from which slices may tell a difference.
    Cycle {
        /// `delta_pic_order_always_zero_flag`
        always_zero: bool,
        /// `offset_for_non_ref_pic`
        non_reference: i32,
        /// `offset_for_top_to_bottom_field`
        top_to_bottom: i32,
        /// `offset_for_ref_frame`
        offsets: Vec<i32>,
    },
    /// 2: pictures are shown in decoding order.
    Decoding,
}

impl OrderCount {
    /// Reads it from a sequence parameter set, with the set's id.
    ///
    /// # Errors
    /// As [`Sps::parse`].
    pub fn parse(unit: &[u8]) -> Result<(u8, Self), CodecError> {
        Sps::read(unit).map(|(sps, order)| (sps.id, order))
    }
}

impl Sps {
    /// Reads a sequence parameter set. Usability information that is cut short counts as absent from there on, as
    /// many encoders' is: what comes before it is enough to decode.
    ///
    /// # Errors
    /// Which field is missing or not allowed.
    pub fn parse(unit: &[u8]) -> Result<Self, CodecError> {
        Self::read(unit).map(|(sps, _)| sps)
    }

    fn read(unit: &[u8]) -> Result<(Self, OrderCount), CodecError> {
        let unit = unescape(unit);
        let mut bits = begin("sequence parameter set", &unit, &[SPS])?;
        let profile = bits.small("profile_idc", 8)?;
        let constraints = bits.small("constraint_set_flags", 8)?;
        let level = bits.small("level_idc", 8)?;
        let id = bits.ue_to("seq_parameter_set_id", 31)?;
        let (mut chroma_format, mut separate_planes) = (1, false);
        if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
            chroma_format = bits.ue_to("chroma_format_idc", 3)?;
            separate_planes = chroma_format == 3 && bits.flag("separate_colour_plane_flag")?;
            bits.ue_to("bit_depth_luma_minus8", 6)?;
            bits.ue_to("bit_depth_chroma_minus8", 6)?;
            bits.skip("qpprime_y_zero_transform_bypass_flag", 1)?;
            if bits.flag("seq_scaling_matrix_present_flag")? {
                skip_scaling_lists(&mut bits, if chroma_format == 3 { 12 } else { 8 })?;
            }
        }
        let frame_num_bits = bits.ue_to("log2_max_frame_num_minus4", 12)? + 4;
        let order_count_type = bits.ue_to("pic_order_cnt_type", 2)?;
        let kind = order_kind(&mut bits, order_count_type)?;
        let reference_frames = bits.ue_to("max_num_ref_frames", MAX_FRAMES)?;
        bits.skip("gaps_in_frame_num_value_allowed_flag", 1)?;
        let columns = macroblocks(&mut bits, "pic_width_in_mbs_minus1")?;
        let map_rows = macroblocks(&mut bits, "pic_height_in_map_units_minus1")?;
        let frames_only = bits.flag("frame_mbs_only_flag")?;
        if !frames_only {
            bits.skip("mb_adaptive_frame_field_flag", 1)?;
        }
        bits.skip("direct_8x8_inference_flag", 1)?;
        let rows = map_rows * if frames_only { 1 } else { 2 };
        let chroma = if separate_planes { 0 } else { chroma_format };
        let (width, height) = cropped(&mut bits, columns * 16, rows * 16, chroma, frames_only)?;
        let vui = bits.flag("vui_parameters_present_flag")?.then(|| Vui::read(&mut bits));
        let sps = Self {
            profile,
            constraints,
            level,
            id,
            chroma_format,
            frame_num_bits,
            order_count_type,
            reference_frames,
            width,
            height,
            frames_only,
            vui,
        };
        Ok((sps, OrderCount { frame_num_bits, frames_only, separate_planes, kind }))
    }

    /// Frames per second as numerator and denominator, where told.
    pub fn frame_rate(&self) -> Option<(u32, u64)> {
        let timing = self.vui?.timing?;
        Some((timing.time_scale, u64::from(timing.units_in_tick) * 2))
    }
}

fn macroblocks(bits: &mut Bits<'_>, field: &'static str) -> Result<u32, CodecError> {
    match bits.ue(field)? {
        value @ MAX_MACROBLOCKS.. => Err(bits.forbidden(field, value)),
        value => Ok(value + 1),
    }
}

/// Frame cropping (7.4.2.1.1, equations 7-19 to 7-22).
fn cropped(
    bits: &mut Bits<'_>,
    width: u32,
    height: u32,
    chroma: u8,
    frames_only: bool,
) -> Result<(u32, u32), CodecError> {
    if !bits.flag("frame_cropping_flag")? {
        return Ok((width, height));
    }
    let unit_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
    let unit_y = if chroma == 1 { 2 } else { 1 } * if frames_only { 1 } else { 2 };
    let mut crop = |size: u32, unit: u32, first, second| {
        let both = u64::from(bits.ue(first)?) + u64::from(bits.ue(second)?);
        let left = u64::from(size).checked_sub(both * u64::from(unit)).filter(|&left| left > 0);
        left.and_then(|left| u32::try_from(left).ok()).ok_or(bits.forbidden(second, both.min(1 << 31) as u32))
    };
    Ok((
        crop(width, unit_x, "frame_crop_left_offset", "frame_crop_right_offset")?,
        crop(height, unit_y, "frame_crop_top_offset", "frame_crop_bottom_offset")?,
    ))
}

fn skip_scaling_lists(bits: &mut Bits<'_>, count: usize) -> Result<(), CodecError> {
    for list in 0..count {
        if !bits.flag("seq_scaling_list_present_flag")? {
            continue;
        }
        let (mut last, mut next) = (8i32, 8i32);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                let delta = bits.se("delta_scale")?;
                next = last.wrapping_add(delta) & 0xFF;
            }
            last = if next == 0 { last } else { next };
        }
    }
    Ok(())
}

fn order_kind(bits: &mut Bits<'_>, kind: u8) -> Result<OrderKind, CodecError> {
    Ok(match kind {
        0 => OrderKind::Coded { lsb_bits: bits.ue_to("log2_max_pic_order_cnt_lsb_minus4", 12)? + 4 },
        1 => {
            let always_zero = bits.flag("delta_pic_order_always_zero_flag")?;
            let non_reference = bits.se("offset_for_non_ref_pic")?;
            let top_to_bottom = bits.se("offset_for_top_to_bottom_field")?;
            let count = bits.ue_to("num_ref_frames_in_pic_order_cnt_cycle", 255)?;
            let offsets = (0..count).map(|_| bits.se("offset_for_ref_frame")).collect::<Result<_, _>>()?;
            OrderKind::Cycle { always_zero, non_reference, top_to_bottom, offsets }
        }
        _ => OrderKind::Decoding,
    })
}

impl Vui {
    fn read(bits: &mut Bits<'_>) -> Self {
        let mut vui = Self::default();
        // What was read before the end stays.
        let _ = vui.fill(bits);
        vui
    }

    fn fill(&mut self, bits: &mut Bits<'_>) -> Result<(), CodecError> {
        if bits.flag("aspect_ratio_info_present_flag")? {
            self.pixel_aspect = match bits.read("aspect_ratio_idc", 8)? {
                255 => Some((bits.read("sar_width", 16)? as u16, bits.read("sar_height", 16)? as u16)),
                index => (index as usize).checked_sub(1).and_then(|index| PIXEL_ASPECTS.get(index)).copied(),
            };
        }
        skip_signal(bits)?;
        if bits.flag("timing_info_present_flag")? {
            let units_in_tick = bits.read("num_units_in_tick", 32)?;
            let time_scale = bits.read("time_scale", 32)?;
            let fixed = bits.flag("fixed_frame_rate_flag")?;
            let told = units_in_tick > 0 && time_scale > 0;
            self.timing = told.then_some(Timing { units_in_tick, time_scale, fixed });
        }
        let nal = bits.flag("nal_hrd_parameters_present_flag")?;
        if nal {
            skip_hrd(bits)?;
        }
        let vcl = bits.flag("vcl_hrd_parameters_present_flag")?;
        if vcl {
            skip_hrd(bits)?;
        }
        if nal || vcl {
            bits.skip("low_delay_hrd_flag", 1)?;
        }
        bits.skip("pic_struct_present_flag", 1)?;
        if bits.flag("bitstream_restriction_flag")? {
            bits.skip("motion_vectors_over_pic_boundaries_flag", 1)?;
            for field in ["max_bytes_per_pic_denom", "max_bits_per_mb_denom", "log2_max_mv_length"] {
                bits.ue(field)?;
            }
            bits.ue("log2_max_mv_length_vertical")?;
            self.reorder_frames = Some(bits.ue_to("max_num_reorder_frames", MAX_FRAMES)?);
            self.decode_frames = Some(bits.ue_to("max_dec_frame_buffering", MAX_FRAMES)?);
        }
        Ok(())
    }
}

/// By `aspect_ratio_idc` 1..=16 (table E-1).
const PIXEL_ASPECTS: [(u16, u16); 16] = [
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

/// E.1.2.
fn skip_hrd(bits: &mut Bits<'_>) -> Result<(), CodecError> {
    let count = bits.ue_to("cpb_cnt_minus1", 31)?;
    bits.skip("bit_rate_scale and cpb_size_scale", 8)?;
    for _ in 0..=count {
        bits.ue("bit_rate_value_minus1")?;
        bits.ue("cpb_size_value_minus1")?;
        bits.skip("cbr_flag", 1)?;
    }
    bits.skip("delay lengths", 20)
}
