//! H.264: parameter sets, the first fields of a slice, and where decoding may begin (ITU-T H.264 7.3).
//! All take NAL units without start code or length.

use super::bits::{Bits, CodecError};
use super::nal::unescape;

mod order;
mod sps;
pub use order::{Field, PictureId, PictureOrder, Slice};
pub use sps::{OrderCount, OrderKind, Sps, Timing, Vui};

/// `nal_unit_type`: a slice of a picture other than IDR.
pub const SLICE: u8 = 1;
/// The first partition of such a slice.
pub const SLICE_A: u8 = 2;
/// A slice of an IDR picture.
pub const IDR_SLICE: u8 = 5;
/// Supplemental enhancement information.
pub const SEI: u8 = 6;
/// Sequence parameter set.
pub const SPS: u8 = 7;
/// Picture parameter set.
pub const PPS: u8 = 8;
/// Access unit delimiter.
pub const AUD: u8 = 9;
/// The end of the coded video sequence.
pub const END_OF_SEQUENCE: u8 = 10;
/// The end of the stream.
pub const END_OF_STREAM: u8 = 11;
/// Filler data.
pub const FILLER: u8 = 12;

/// `nal_unit_type` of a unit; zero, which is unspecified, for an empty one.
pub fn unit_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |first| first & 0x1F)
}

/// `nal_ref_idc` of a unit: zero where no other picture needs it.
pub fn ref_idc(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |first| first >> 5 & 3)
}

/// The ids in a picture parameter set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pps {
    /// `pic_parameter_set_id`, 0..=255.
    pub id: u8,
    /// `seq_parameter_set_id` of the set it builds on, 0..=31.
    pub sps_id: u8,
}

impl Pps {
    /// Reads a picture parameter set.
    ///
    /// # Errors
    /// Which field is missing or not allowed.
    pub fn parse(unit: &[u8]) -> Result<Self, CodecError> {
        let unit = unescape(&unit[..unit.len().min(PPS_HEAD)]);
        let mut bits = begin("picture parameter set", &unit, &[PPS])?;
        Ok(Self { id: bits.ue_to("pic_parameter_set_id", 255)?, sps_id: bits.ue_to("seq_parameter_set_id", 31)? })
    }
}

/// More bytes than the fields read of a picture parameter set or a slice header can take.
const PPS_HEAD: usize = 16;

/// The first fields of a slice header: those that can be read without parameter sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceHeader {
    /// Zero in the slice that begins a picture (but for arbitrary slice order, which no profile in use has).
    pub first_macroblock: u32,
    /// What its macroblocks may refer to.
    pub slice_type: SliceType,
    /// `pic_parameter_set_id`
    pub pps_id: u8,
}

/// `slice_type` modulo 5 (table 7-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceType {
    /// One other picture for each block.
    P,
    /// Two others.
    B,
    /// None.
    I,
    /// As P, to switch streams.
    Sp,
    /// As I, to switch streams.
    Si,
}

impl SliceHeader {
    /// Reads the start of a slice ([`SLICE`], [`SLICE_A`] or [`IDR_SLICE`]).
    ///
    /// # Errors
    /// Which field is missing or not allowed.
    pub fn parse(unit: &[u8]) -> Result<Self, CodecError> {
        let unit = unescape(&unit[..unit.len().min(PPS_HEAD)]);
        let mut bits = begin("slice header", &unit, &[SLICE, SLICE_A, IDR_SLICE])?;
        let first_macroblock = bits.ue("first_mb_in_slice")?;
        let slice_type = slice_type(&mut bits)?;
        Ok(Self { first_macroblock, slice_type, pps_id: bits.ue_to("pic_parameter_set_id", 255)? })
    }
}

/// `recovery_frame_cnt` of a recovery point message in a [`SEI`] unit (D.1.8): after so many frames the pictures shown
/// are right, where decoding begins here. `None` if there is no such message, or the unit is damaged before it.
pub fn recovery_point(unit: &[u8]) -> Option<u32> {
    const RECOVERY_POINT: usize = 6;
    if unit_type(unit) != SEI {
        return None;
    }
    let unit = unescape(unit);
    let mut rest = &unit[1..];
    // One byte at the end is rbsp_trailing_bits.
    while rest.len() > 1 {
        let (kind, after) = sei_number(rest)?;
        let (size, after) = sei_number(after)?;
        let payload = after.get(..size)?;
        if kind == RECOVERY_POINT {
            return Bits::new("recovery point", payload).ue("recovery_frame_cnt").ok();
        }
        rest = &after[size..];
    }
    None
}

/// A number as SEI messages code it: 255 for each byte that is 255, and the next byte (7.3.2.3.1).
fn sei_number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let full = bytes.iter().position(|&byte| byte != 0xFF)?;
    Some((full * 255 + usize::from(bytes[full]), &bytes[full + 1..]))
}

/// Whether decoding may begin with the access unit of `units`: it holds a slice of an IDR picture, or a recovery point
/// that is right at once.
pub fn is_sync<'a>(units: impl IntoIterator<Item = &'a [u8]>) -> bool {
    units.into_iter().any(|unit| match unit_type(unit) {
        IDR_SLICE => true,
        SEI => recovery_point(unit) == Some(0),
        _ => false,
    })
}

/// A reader behind the NAL unit header, whose type must be one of `types`.
fn begin<'a>(header: &'static str, unit: &'a [u8], types: &[u8]) -> Result<Bits<'a>, CodecError> {
    let mut bits = Bits::new(header, unit);
    bits.skip("forbidden_zero_bit and nal_ref_idc", 3)?;
    let seen = bits.small("nal_unit_type", 5)?;
    if types.contains(&seen) { Ok(bits) } else { Err(bits.forbidden("nal_unit_type", u32::from(seen))) }
}

fn slice_type(bits: &mut Bits<'_>) -> Result<SliceType, CodecError> {
    Ok(match bits.ue("slice_type")? {
        0 | 5 => SliceType::P,
        1 | 6 => SliceType::B,
        2 | 7 => SliceType::I,
        3 | 8 => SliceType::Sp,
        4 | 9 => SliceType::Si,
        code => return Err(bits.forbidden("slice_type", code)),
    })
}

#[cfg(test)]
mod tests;
