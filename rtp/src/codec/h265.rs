//! H.265: NAL unit types, the sizes in its sequence parameter set, the order in which pictures are shown, and where
//! decoding may begin (ITU-T H.265 7.3).
//! All take NAL units without start code or length.

use super::bits::{Bits, CodecError};

mod order;
mod sps;
pub use order::{PictureOrder, Slice, pps_id};
pub use sps::{Sps, Timing};

/// `nal_unit_type`: the first picture that is skipped where decoding begins with the random access point before it
/// (RASL_N); RASL_R is one more. Leading pictures that can be decoded (RADL) come before.
pub const RASL: u8 = 8;

/// The first that is a slice where decoding may begin (BLA_W_LP); the last is [`CRA`].
pub const BLA: u8 = 16;
/// An IDR picture that leading pictures may follow (IDR_W_RADL).
pub const IDR_W_RADL: u8 = 19;
/// An IDR picture without leading pictures (IDR_N_LP).
pub const IDR_N_LP: u8 = 20;
/// A clean random access picture: those before it in showing order may not be decodable.
pub const CRA: u8 = 21;
/// Video parameter set.
pub const VPS: u8 = 32;
/// Sequence parameter set.
pub const SPS: u8 = 33;
/// Picture parameter set.
pub const PPS: u8 = 34;
/// Access unit delimiter.
pub const AUD: u8 = 35;
/// The end of the coded video sequence.
pub const END_OF_SEQUENCE: u8 = 36;
/// The end of the bitstream.
pub const END_OF_STREAM: u8 = 37;
/// Filler data.
pub const FILLER: u8 = 38;
/// Supplemental enhancement information before the picture.
pub const PREFIX_SEI: u8 = 39;
/// The first of the types that no standard defines, which payload formats use for themselves.
pub const UNSPECIFIED: u8 = 48;

/// Bytes of the header of each NAL unit (7.3.1.2).
pub const HEADER_LEN: usize = 2;

/// `nal_unit_type` of a unit; [`UNSPECIFIED`] for one without a whole header.
pub fn unit_type(unit: &[u8]) -> u8 {
    if unit.len() < HEADER_LEN { UNSPECIFIED } else { unit[0] >> 1 & 0x3F }
}

/// Whether a unit is a slice of a picture.
pub fn is_slice(unit: &[u8]) -> bool {
    unit_type(unit) < VPS
}

/// `nuh_layer_id`: zero for the pictures themselves, more for what adds to them (7.4.2.2).
pub fn layer(unit: &[u8]) -> u8 {
    unit.first_chunk().map_or(0, |[first, second]| (first & 1) << 5 | second >> 3)
}

/// Whether a unit behind a slice ends the access unit, as it comes before the next one's first slice (7.4.2.4.4); that
/// slice itself does, too.
pub fn begins_unit(unit: &[u8]) -> bool {
    // Layers above the first belong to its pictures.
    layer(unit) == 0
        && match unit_type(unit) {
            VPS | SPS | PPS | AUD | PREFIX_SEI | 41..=44 | 48..=55 => unit.len() >= HEADER_LEN,
            _ => begins_picture(unit),
        }
}

/// Whether a unit ends the coded video sequence or the stream: it is a header alone.
pub fn ends(unit: &[u8]) -> bool {
    matches!(unit_type(unit), END_OF_SEQUENCE | END_OF_STREAM)
}

/// Whether a slice begins a picture: `first_slice_segment_in_pic_flag`.
pub fn begins_picture(unit: &[u8]) -> bool {
    is_slice(unit) && unit.get(HEADER_LEN).is_some_and(|byte| byte & 0x80 != 0)
}

/// Whether decoding may begin with the access unit of `units`: it holds a slice of a random access point picture.
pub fn is_sync<'a>(units: impl IntoIterator<Item = &'a [u8]>) -> bool {
    units.into_iter().any(|unit| (BLA..=CRA).contains(&unit_type(unit)))
}

/// A reader behind the NAL unit header, whose type must be `kind`.
fn begin<'a>(header: &'static str, unit: &'a [u8], kind: u8) -> Result<Bits<'a>, CodecError> {
    let mut bits = Bits::new(header, unit);
    bits.skip("forbidden_zero_bit", 1)?;
    let seen = bits.small("nal_unit_type", 6)?;
    if seen != kind {
        return Err(bits.forbidden("nal_unit_type", u32::from(seen)));
    }
    bits.skip("nuh_layer_id and nuh_temporal_id_plus1", 9)?;
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_says_what_it_is() {
        // First two bytes and one of data; type, slice, begins a picture, sync.
        type Case = ([u8; 3], (u8, bool, bool, bool));
        let cases: &[Case] = &[
            ([0x40, 1, 0x80], (VPS, false, false, false)),
            ([0x42, 1, 0x80], (SPS, false, false, false)),
            ([0x26, 1, 0x80], (IDR_W_RADL, true, true, true)),
            ([0x28, 1, 0x00], (IDR_N_LP, true, false, true)),
            ([0x2A, 1, 0xFF], (CRA, true, true, true)),
            ([0x02, 1, 0x80], (1, true, true, false)),
            ([0x4E, 1, 0x80], (PREFIX_SEI, false, false, false)),
        ];
        for (unit, expected) in cases {
            let sync = is_sync([&unit[..]]);
            assert_eq!((unit_type(unit), is_slice(unit), begins_picture(unit), sync), *expected, "{unit:02x?}");
        }
        assert_eq!((unit_type(&[0x26]), unit_type(&[])), (UNSPECIFIED, UNSPECIFIED));
    }
}
