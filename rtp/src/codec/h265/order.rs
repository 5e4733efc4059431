//! The order in which pictures are shown: picture order counts (8.3.1).

use super::super::avc_hevc::order_count_high;
use super::super::bits::CodecError;
use super::super::nal::unescape;
use super::{
    BLA, CRA, END_OF_SEQUENCE, END_OF_STREAM, HEADER_LEN, IDR_N_LP, IDR_W_RADL, PPS, RASL, SPS, Sps, begin, unit_type,
};
use std::collections::BTreeMap;

/// The first slice segment of a picture, as far as it tells when that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// `sps_seq_parameter_set_id` that holds for it.
    pub sps_id: u8,
    kind: u8,
    temporal_id: u8,
    /// `slice_pic_order_cnt_lsb`
    lsb: i64,
}

/// What is known of a sequence parameter set, and of a picture parameter set.
#[derive(Clone, Copy, Debug)]
struct Sequence {
    lsb_bits: u8,
    separate_planes: bool,
}

#[derive(Clone, Copy, Debug)]
struct Pps {
    sps_id: u8,
    output_flag_present: bool,
    extra_bits: u8,
}

/// Parameter sets, and the counts of the pictures before.
///
/// Give it every parameter set and every end of a sequence, the first slice segment of each picture to
/// [`PictureOrder::slice`], and what that says to [`PictureOrder::count`].
#[derive(Clone, Debug, Default)]
pub struct PictureOrder {
    sets: BTreeMap<u8, Sequence>,
    pictures: BTreeMap<u8, Pps>,
    /// `PicOrderCntVal` of `prevTid0Pic`, in its high and low bits.
    reference: (i64, i64),
    /// Whether the next picture is not the first of a sequence.
    within: bool,
    /// Whether the last random access point begins a sequence, so that what leads it and refers to pictures before can't
    /// be decoded.
    begun_anew: bool,
}

/// Random access points end here in the types, with those that are reserved.
const LAST_RANDOM_ACCESS: u8 = 23;

/// More bytes than the fields up to the order count can take.
const HEAD: usize = 32;

impl PictureOrder {
    /// Takes a parameter set, or what ends a sequence; other units change nothing.
    ///
    /// # Errors
    /// Which field is missing or not allowed; the set is left out.
    pub fn handle_set(&mut self, unit: &[u8]) -> Result<(), CodecError> {
        match unit_type(unit) {
            SPS => {
                let sps = Sps::parse(unit)?;
                let (lsb_bits, separate_planes) = (sps.order_count_bits, sps.separate_planes);
                self.sets.insert(sps.id, Sequence { lsb_bits, separate_planes });
            }
            PPS => {
                let (pps_id, pps) = Pps::parse(unit)?;
                self.pictures.insert(pps_id, pps);
            }
            END_OF_SEQUENCE | END_OF_STREAM => self.within = false,
            _ => {}
        }
        Ok(())
    }

    /// Reads the header of a slice segment that begins a picture, whose parameter sets must have come.
    ///
    /// # Errors
    /// Which field is missing or not allowed, or that a parameter set is missing.
    pub fn slice(&self, unit: &[u8]) -> Result<Slice, CodecError> {
        let kind = unit_type(unit);
        let unit = unescape(&unit[..unit.len().min(HEAD)]);
        let mut bits = begin("slice segment header", &unit, kind)?;
        let temporal_id = unit.get(HEADER_LEN - 1).map_or(0, |byte| (byte & 7).saturating_sub(1));
        if !bits.flag("first_slice_segment_in_pic_flag")? {
            return Err(bits.forbidden("first_slice_segment_in_pic_flag", 0));
        }
        if (BLA..=LAST_RANDOM_ACCESS).contains(&kind) {
            bits.skip("no_output_of_prior_pics_flag", 1)?;
        }
        let pps_id = bits.ue_to("slice_pic_parameter_set_id", 63)?;
        let pps = self.pictures.get(&pps_id);
        let Some((pps, set)) = pps.and_then(|pps| Some((pps, self.sets.get(&pps.sps_id)?))) else {
            return Err(bits.forbidden("slice_pic_parameter_set_id", pps_id.into()));
        };
        bits.skip("slice_reserved_flag", pps.extra_bits.into())?;
        bits.ue("slice_type")?;
        if pps.output_flag_present {
            bits.skip("pic_output_flag", 1)?;
        }
        if set.separate_planes {
            bits.skip("colour_plane_id", 2)?;
        }
        let idr = matches!(kind, IDR_W_RADL | IDR_N_LP);
        let lsb = if idr { 0 } else { i64::from(bits.read("slice_pic_order_cnt_lsb", set.lsb_bits.into())?) };
        Ok(Slice { sps_id: pps.sps_id, kind, temporal_id, lsb })
    }

    /// The picture order count of the picture of `slice`, which comes next in decoding order, and whether a new count
    /// begins with it: all pictures before it are shown before it.
    pub fn count(&mut self, slice: &Slice) -> (i64, bool) {
        let Some(set) = self.sets.get(&slice.sps_id) else { return (0, false) };
        let random_access = (BLA..=LAST_RANDOM_ACCESS).contains(&slice.kind);
        let begins = random_access && (slice.kind != CRA || !self.within);
        self.within |= random_access;
        if random_access {
            self.begun_anew = begins;
        }
        let msb = if begins { 0 } else { order_count_high(slice.lsb, self.reference, set.lsb_bits) };
        // Leading pictures (6 to 9) and those of even types below 16, to which none of their sub-layer refers, are no
        // prevTid0Pic.
        let passing = (6..=9).contains(&slice.kind) || slice.kind < BLA && slice.kind.is_multiple_of(2);
        if slice.temporal_id == 0 && !passing {
            self.reference = (msb, slice.lsb);
        }
        (msb + slice.lsb, begins)
    }

    /// Whether a picture, of which `slice` is after it was counted, refers to pictures before the one where decoding
    /// begins: it is not shown (8.1.3, `NoRaslOutputFlag`).
    pub fn is_skipped(&self, slice: &Slice) -> bool {
        self.begun_anew && matches!(slice.kind, RASL | 9)
    }
}

impl Pps {
    /// With its id.
    fn parse(unit: &[u8]) -> Result<(u8, Self), CodecError> {
        let unit = unescape(&unit[..unit.len().min(HEAD)]);
        let mut bits = begin("picture parameter set", &unit, PPS)?;
        let pps_id = bits.ue_to("pps_pic_parameter_set_id", 63)?;
        let sps_id = bits.ue_to("pps_seq_parameter_set_id", 15)?;
        bits.skip("dependent_slice_segments_enabled_flag", 1)?;
        let output_flag_present = bits.flag("output_flag_present_flag")?;
        let extra_bits = bits.small("num_extra_slice_header_bits", 3)?;
        Ok((pps_id, Self { sps_id, output_flag_present, extra_bits }))
    }
}

/// `pps_pic_parameter_set_id` of a picture parameter set that can be read.
pub fn pps_id(unit: &[u8]) -> Option<u8> {
    Pps::parse(unit).ok().map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::super::super::bits::Writer;
    use super::*;

    /// A set of 4 bits of `slice_pic_order_cnt_lsb`, as far as the order.
    fn sps() -> Vec<u8> {
        let head = Writer::default().bits(0, 4 + 3 + 1).bits(1, 8).bits(0, 32).bits(0, 32).bits(0, 16).bits(60, 8);
        // 4:2:0, 64x64 pixels, uncropped, eight bits.
        let head = head.ue(0).ue(1).ue(64).ue(64).bits(0, 1).ue(0).ue(0).ue(0);
        head.bits(1, 1).ue(4).ue(2).ue(0).bytes(&[0x42, 1])
    }

    fn order() -> PictureOrder {
        let mut order = PictureOrder::default();
        order.handle_set(&sps()).unwrap();
        // An output flag, two extra bits.
        let pps = Writer::default().ue(0).ue(0).bits(0, 1).bits(1, 1).bits(2, 3).bits(0, 8);
        order.handle_set(&pps.bytes(&[0x44, 1])).unwrap();
        order
    }

    fn slice(kind: u8, temporal_id: u8, lsb: u32) -> Vec<u8> {
        let head = Writer::default().bits(1, 1).bits(0, u32::from((16..24).contains(&kind)));
        let head = head.ue(0).bits(0, 2).ue(1).bits(1, 1);
        let head = if matches!(kind, 19 | 20) { head } else { head.bits(lsb, 4) };
        head.bits(0x5555, 16).bytes(&[kind << 1, temporal_id + 1])
    }

    #[test]
    fn counts_go_on_over_wraps() {
        // Type, temporal id and low bits; count, whether it begins a sequence, whether it is skipped.
        type Case = ((u8, u8, u32), (i64, bool, bool));
        let cases: &[Case] = &[
            ((IDR_W_RADL, 0, 0), (0, true, false)),
            ((1, 0, 8), (8, false, false)),
            ((0, 1, 4), (4, false, false)),
            ((1, 0, 0), (16, false, false)),
            ((0, 1, 12), (12, false, false)),
            // A clean random access picture within a sequence, with pictures that lead it.
            ((CRA, 0, 8), (24, false, false)),
            ((RASL, 0, 4), (20, false, false)),
            ((RASL + 1, 0, 6), (22, false, false)),
            ((1, 0, 10), (26, false, false)),
            ((IDR_N_LP, 0, 0), (0, true, false)),
            ((1, 0, 2), (2, false, false)),
            ((BLA, 0, 12), (12, true, false)),
            ((RASL, 0, 10), (10, false, true)),
        ];
        let mut order = order();
        for ((kind, temporal_id, lsb), expected) in cases {
            let slice = order.slice(&slice(*kind, *temporal_id, *lsb)).unwrap();
            let (count, begins) = order.count(&slice);
            assert_eq!((count, begins, order.is_skipped(&slice)), *expected, "type {kind}, lsb {lsb}");
        }
    }

    #[test]
    fn a_sequence_begins_after_the_end_of_one() {
        let mut order = order();
        let cra = order.slice(&slice(CRA, 0, 6)).unwrap();
        assert_eq!(order.count(&cra), (6, true));
        assert_eq!(order.count(&cra), (6, false));
        order.handle_set(&[END_OF_SEQUENCE << 1, 1]).unwrap();
        assert_eq!(order.count(&cra), (6, true));
    }

    #[test]
    fn only_a_pictures_first_slice_with_known_sets_is_read() {
        let mut other = slice(1, 0, 4);
        other[2] &= 0x7F;
        assert!(order().slice(&other).is_err());
        assert!(PictureOrder::default().slice(&slice(1, 0, 4)).is_err());
    }
}
