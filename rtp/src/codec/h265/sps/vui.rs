//! What lies between a sequence parameter set's picture order and the timing of its usability information (E.2.1).

use super::super::super::avc_hevc::skip_signal;
use super::super::super::bits::{Bits, CodecError};
use super::Timing;

/// `num_short_term_ref_pic_sets`, `num_long_term_ref_pics_sps` and the pictures of a set at most (7.4.3.2.1, 7.4.8).
const MAX_SETS: u8 = 64;
const MAX_LONG_TERM: u8 = 32;
const MAX_PICTURES: u8 = 16;

/// The timing, where the rest of the set tells one.
pub(super) fn timing(bits: &mut Bits<'_>, order_count_bits: u8) -> Result<Option<Timing>, CodecError> {
    for field in [
        "log2_min_luma_coding_block_size_minus3",
        "log2_diff_max_min_luma_coding_block_size",
        "log2_min_luma_transform_block_size_minus2",
        "log2_diff_max_min_luma_transform_block_size",
        "max_transform_hierarchy_depth_inter",
        "max_transform_hierarchy_depth_intra",
    ] {
        bits.ue(field)?;
    }
    if bits.flag("scaling_list_enabled_flag")? && bits.flag("sps_scaling_list_data_present_flag")? {
        skip_scaling_lists(bits)?;
    }
    bits.skip("amp_enabled_flag and sample_adaptive_offset_enabled_flag", 2)?;
    if bits.flag("pcm_enabled_flag")? {
        bits.skip("pcm_sample_bit_depth", 8)?;
        bits.ue("log2_min_pcm_luma_coding_block_size_minus3")?;
        bits.ue("log2_diff_max_min_pcm_luma_coding_block_size")?;
        bits.skip("pcm_loop_filter_disabled_flag", 1)?;
    }
    let sets = bits.ue_to("num_short_term_ref_pic_sets", MAX_SETS)?;
    let mut pictures = 0;
    for index in 0..sets {
        pictures = skip_reference_set(bits, index > 0, pictures)?;
    }
    if bits.flag("long_term_ref_pics_present_flag")? {
        for _ in 0..bits.ue_to("num_long_term_ref_pics_sps", MAX_LONG_TERM)? {
            bits.skip("lt_ref_pic_poc_lsb_sps and its flag", usize::from(order_count_bits) + 1)?;
        }
    }
    bits.skip("sps_temporal_mvp_enabled_flag and strong_intra_smoothing_enabled_flag", 2)?;
    if !bits.flag("vui_parameters_present_flag")? {
        return Ok(None);
    }
    if bits.flag("aspect_ratio_info_present_flag")? && bits.small("aspect_ratio_idc", 8)? == 255 {
        bits.skip("sar_width and sar_height", 32)?;
    }
    skip_signal(bits)?;
    bits.skip("neutral_chroma_indication_flag to frame_field_info_present_flag", 3)?;
    if bits.flag("default_display_window_flag")? {
        for _ in 0..4 {
            bits.ue("def_disp_win_offset")?;
        }
    }
    if bits.flag("vui_timing_info_present_flag")? { Timing::read(bits) } else { Ok(None) }
}

/// `scaling_list_data` (7.3.4).
fn skip_scaling_lists(bits: &mut Bits<'_>) -> Result<(), CodecError> {
    for size in 0..4u32 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if !bits.flag("scaling_list_pred_mode_flag")? {
                bits.ue("scaling_list_pred_matrix_id_delta")?;
                continue;
            }
            if size > 1 {
                bits.se("scaling_list_dc_coef_minus8")?;
            }
            for _ in 0..(1u32 << (4 + (size << 1))).min(64) {
                bits.se("scaling_list_delta_coef")?;
            }
        }
    }
    Ok(())
}

/// `st_ref_pic_set` (7.3.7) of a sequence parameter set; `before` pictures are in the set before it. How many are in
/// this one.
fn skip_reference_set(bits: &mut Bits<'_>, has_before: bool, before: u32) -> Result<u32, CodecError> {
    if has_before && bits.flag("inter_ref_pic_set_prediction_flag")? {
        bits.skip("delta_rps_sign", 1)?;
        bits.ue("abs_delta_rps_minus1")?;
        let mut pictures = 0;
        for _ in 0..=before {
            let used = bits.flag("used_by_curr_pic_flag")? || bits.flag("use_delta_flag")?;
            pictures += u32::from(used);
        }
        return Ok(pictures);
    }
    let negative = bits.ue_to("num_negative_pics", MAX_PICTURES)?;
    let positive = bits.ue_to("num_positive_pics", MAX_PICTURES)?;
    for _ in 0..negative + positive {
        bits.ue("delta_poc_minus1")?;
        bits.skip("used_by_curr_pic_flag", 1)?;
    }
    Ok(u32::from(negative + positive))
}
