//! What H.264 and H.265 have in common beyond NAL units.

use super::bits::{Bits, CodecError};

/// The high part of a picture order count whose low part `lsb` was sent in `bits` bits, by both parts of the last reference
/// (H.264 8.2.1.1, H.265 8.3.1): the low part has come round where it is more than half of its range off.
pub(super) fn order_count_high(lsb: i64, (high, last): (i64, i64), bits: u8) -> i64 {
    let span = 1i64 << bits;
    if lsb < last && last - lsb >= span / 2 {
        high + span
    } else if lsb > last && lsb - last > span / 2 {
        high - span
    } else {
        high
    }
}

/// Passes over what usability information says of overscan, the signal and where its chroma lies (E.2.1 of both).
pub(super) fn skip_signal(bits: &mut Bits<'_>) -> Result<(), CodecError> {
    if bits.flag("overscan_info_present_flag")? {
        bits.skip("overscan_appropriate_flag", 1)?;
    }
    if bits.flag("video_signal_type_present_flag")? {
        bits.skip("video_format and video_full_range_flag", 4)?;
        if bits.flag("colour_description_present_flag")? {
            bits.skip("colour description", 24)?;
        }
    }
    if bits.flag("chroma_loc_info_present_flag")? {
        bits.ue("chroma_sample_loc_type_top_field")?;
        bits.ue("chroma_sample_loc_type_bottom_field")?;
    }
    Ok(())
}
