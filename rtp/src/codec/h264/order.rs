//! The order in which pictures are shown: picture order counts (8.2.1), and where one picture ends and the next begins
//! (7.4.1.2.4).

use super::super::avc_hevc::order_count_high;
use super::super::bits::CodecError;
use super::super::nal::unescape;
use super::sps::{OrderCount, OrderKind};
use super::{IDR_SLICE, PPS, SLICE, SLICE_A, SPS, SliceType, begin, ref_idc, slice_type, unit_type};
use std::collections::BTreeMap;

/// What a picture's slices have in common, and no two pictures that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    /// `frame_num`
    pub frame_num: u32,
    /// `pic_parameter_set_id`
    pub pps_id: u8,
    /// The field, where it is one.
    pub field: Option<Field>,
    /// Whether no other picture needs it.
    pub disposable: bool,
    /// `idr_pic_id` of an IDR picture.
    pub idr: Option<u32>,
    /// `pic_order_cnt_lsb`, `delta_pic_order_cnt_bottom`
    lsb: (u32, i32),
    /// `delta_pic_order_cnt`
    delta: [i32; 2],
}

/// Which lines of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Every other one, from the first.
    Top,
    /// Every other one, from the second.
    Bottom,
}

/// A slice's picture and kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Slices with the same one, one after another, are of one picture.
    pub picture: PictureId,
    /// What its macroblocks may refer to.
    pub slice_type: SliceType,
    /// `seq_parameter_set_id` that holds for it.
    pub sps_id: u8,
}

/// What is known of a picture parameter set.
#[derive(Clone, Copy, Debug)]
struct Pps {
    sps_id: u8,
    bottom_order_present: bool,
}

/// Parameter sets, and the counts of the pictures before.
///
/// Give it every parameter set, every slice to [`PictureOrder::slice`], and the first one of each picture to
/// [`PictureOrder::count`].
#[derive(Clone, Debug, Default)]
pub struct PictureOrder {
    sets: BTreeMap<u8, OrderCount>,
    pictures: BTreeMap<u8, Pps>,
    /// `prevPicOrderCntMsb` and `prevPicOrderCntLsb`
    reference: (i64, i64),
    /// `prevFrameNum` and `prevFrameNumOffset`
    frame: (u32, i64),
}

impl PictureOrder {
    /// Takes a parameter set; other units change nothing.
    ///
    /// # Errors
    /// Which field is missing or not allowed; the set is left out.
    pub fn handle_set(&mut self, unit: &[u8]) -> Result<(), CodecError> {
        match unit_type(unit) {
            SPS => {
                let (sps_id, order) = OrderCount::parse(unit)?;
                self.sets.insert(sps_id, order);
            }
            PPS => {
                let unit = unescape(&unit[..unit.len().min(super::PPS_HEAD)]);
                let mut bits = begin("picture parameter set", &unit, &[PPS])?;
                let pps_id = bits.ue_to("pic_parameter_set_id", 255)?;
                let sps_id = bits.ue_to("seq_parameter_set_id", 31)?;
                bits.skip("entropy_coding_mode_flag", 1)?;
                let bottom_order_present = bits.flag("bottom_field_pic_order_in_frame_present_flag")?;
                self.pictures.insert(pps_id, Pps { sps_id, bottom_order_present });
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads the header of a slice, whose parameter sets must have come.
    ///
    /// # Errors
    /// Which field is missing or not allowed, or that a parameter set is missing.
    pub fn slice(&self, unit: &[u8]) -> Result<Slice, CodecError> {
        /// More bytes than the fields up to the order count can take.
        const HEAD: usize = 48;
        let (nal_type, disposable) = (unit_type(unit), ref_idc(unit) == 0);
        let unit = unescape(&unit[..unit.len().min(HEAD)]);
        let mut bits = begin("slice header", &unit, &[SLICE, SLICE_A, IDR_SLICE])?;
        bits.ue("first_mb_in_slice")?;
        let slice_type = slice_type(&mut bits)?;
        let pps_id = bits.ue_to("pic_parameter_set_id", 255)?;
        let pps = self.pictures.get(&pps_id);
        let Some((pps, order)) = pps.and_then(|pps| Some((pps, self.sets.get(&pps.sps_id)?))) else {
            return Err(bits.forbidden("pic_parameter_set_id", pps_id.into()));
        };
        if order.separate_planes {
            bits.skip("colour_plane_id", 2)?;
        }
        let frame_num = bits.read("frame_num", order.frame_num_bits.into())?;
        let mut field = None;
        if !order.frames_only && bits.flag("field_pic_flag")? {
            field = Some(if bits.flag("bottom_field_flag")? { Field::Bottom } else { Field::Top });
        }
        let idr = if nal_type == IDR_SLICE { Some(bits.ue("idr_pic_id")?) } else { None };
        let both = pps.bottom_order_present && field.is_none();
        let (mut lsb, mut delta) = ((0, 0), [0; 2]);
        match &order.kind {
            OrderKind::Coded { lsb_bits } => {
                lsb.0 = bits.read("pic_order_cnt_lsb", (*lsb_bits).into())?;
                if both {
                    lsb.1 = bits.se("delta_pic_order_cnt_bottom")?;
                }
            }
            OrderKind::Cycle { always_zero: false, .. } => {
                delta[0] = bits.se("delta_pic_order_cnt[0]")?;
                if both {
                    delta[1] = bits.se("delta_pic_order_cnt[1]")?;
                }
            }
            _ => {}
        }
        let picture = PictureId { frame_num, pps_id, field, disposable, idr, lsb, delta };
        Ok(Slice { picture, slice_type, sps_id: pps.sps_id })
    }

    /// The picture order count of the picture of `slice`, which comes next in decoding order; of a frame the lower one
    /// of its two fields. An IDR picture begins anew.
    ///
    /// Operations on reference pictures that end a count in the middle (`memory_management_control_operation` 5) are
    /// not looked for.
    pub fn count(&mut self, slice: &Slice) -> i64 {
        let picture = &slice.picture;
        let Some(order) = self.sets.get(&slice.sps_id) else { return 0 };
        if picture.idr.is_some() {
            (self.reference, self.frame) = ((0, 0), (0, 0));
        }
        let cycle = 1i64 << order.frame_num_bits;
        let (last, mut offset) = self.frame;
        if picture.idr.is_none() && last > picture.frame_num {
            offset += cycle;
        }
        self.frame = (picture.frame_num, offset);
        let absolute = offset + i64::from(picture.frame_num);
        match &order.kind {
            OrderKind::Coded { lsb_bits } => {
                let lsb = i64::from(picture.lsb.0);
                let msb = order_count_high(lsb, self.reference, *lsb_bits);
                if !picture.disposable {
                    self.reference = (msb, lsb);
                }
                msb + lsb + i64::from(picture.lsb.1.min(0))
            }
            OrderKind::Cycle { non_reference, top_to_bottom, offsets, .. } => {
                let absolute = if offsets.is_empty() { 0 } else { absolute };
                let number = absolute - i64::from(picture.disposable && absolute > 0);
                let mut count = 0;
                if number > 0
                    && let Ok(len) = i64::try_from(offsets.len())
                {
                    let sum: i64 = offsets.iter().map(|&offset| i64::from(offset)).sum();
                    let rest = usize::try_from((number - 1) % len).unwrap_or(0);
                    count = (number - 1) / len * sum;
                    count += offsets.iter().take(rest + 1).map(|&offset| i64::from(offset)).sum::<i64>();
                }
                if picture.disposable {
                    count += i64::from(*non_reference);
                }
                let top = count + i64::from(picture.delta[0]);
                let bottom = count + i64::from(*top_to_bottom) + i64::from(picture.delta[0]);
                match picture.field {
                    Some(Field::Top) => top,
                    Some(Field::Bottom) => bottom,
                    None => top.min(top + i64::from(*top_to_bottom) + i64::from(picture.delta[1])),
                }
            }
            OrderKind::Decoding => 2 * absolute - i64::from(picture.disposable && picture.idr.is_none()),
        }
    }
}

impl PictureId {
    /// Whether a picture with this one is the second field of the frame that `first` began.
    pub fn completes(&self, first: &PictureId) -> bool {
        let fields = (first.field, self.field);
        let opposite =
            matches!(fields, (Some(Field::Top), Some(Field::Bottom)) | (Some(Field::Bottom), Some(Field::Top)));
        opposite && self.frame_num == first.frame_num && self.idr.is_none() && (self.disposable == first.disposable)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::bits::Writer;
    use super::*;

    /// A baseline set of 4 bits of `frame_num` whose order counts are what `order` writes.
    fn sps(order: impl Fn(Writer) -> Writer) -> Vec<u8> {
        let head = Writer::default().bits(66, 8).bits(0, 8).bits(30, 8).ue(0).ue(0);
        // References, no gaps, 11x9 macroblocks, fields allowed.
        order(head).ue(2).bits(0, 1).ue(10).ue(8).bits(0, 2).bits(1, 1).bits(0, 2).bytes(&[0x67])
    }

    fn order(sps: &[u8]) -> PictureOrder {
        let mut order = PictureOrder::default();
        order.handle_set(sps).unwrap();
        order.handle_set(&Writer::default().ue(0).ue(0).bits(0, 2).bytes(&[0x68])).unwrap();
        order
    }

    /// A frame's slice up to what the order is coded as.
    fn slice(idr: bool, reference: bool, frame_num: u32, count: impl Fn(Writer) -> Writer) -> Vec<u8> {
        let head = Writer::default().ue(0).ue(7).ue(0).bits(frame_num, 4).bits(0, 1);
        let head = if idr { head.ue(3) } else { head };
        count(head).bits(0x55, 8).bytes(&[if reference { 0x60 } else { 0 } | if idr { IDR_SLICE } else { SLICE }])
    }

    fn counts(sps: &[u8], slices: &[Vec<u8>]) -> Vec<i64> {
        let mut order = order(sps);
        let each = slices.iter().map(|unit| {
            let slice = order.slice(unit).unwrap();
            order.count(&slice)
        });
        each.collect()
    }

    #[test]
    fn coded_counts_wrap() {
        let sps = sps(|writer| writer.ue(0).ue(0));
        let slices = [
            (true, true, 0, 0),
            (false, true, 1, 8),
            (false, false, 2, 4),
            (false, true, 2, 0),
            (false, false, 3, 12),
            (true, true, 0, 0),
        ];
        let slices =
            slices.map(|(idr, reference, number, lsb)| slice(idr, reference, number, |writer| writer.bits(lsb, 4)));
        assert_eq!(counts(&sps, &slices), [0, 8, 4, 16, 12, 0]);
    }

    #[test]
    fn counts_of_a_cycle() {
        let sps = sps(|writer| writer.ue(1).bits(0, 1).se(-3).se(1).ue(1).se(4));
        let delta = |writer: Writer| writer.se(0);
        let slices = [
            slice(true, true, 0, delta),
            slice(false, true, 1, delta),
            slice(false, false, 2, delta),
            slice(false, true, 2, delta),
        ];
        assert_eq!(counts(&sps, &slices), [0, 4, 1, 8]);
    }

    #[test]
    fn counts_in_decoding_order() {
        let sps = sps(|writer| writer.ue(2));
        let slices = [
            slice(true, true, 15, |w| w),
            slice(false, false, 0, |w| w),
            slice(false, true, 0, |w| w),
            slice(false, true, 1, |w| w),
        ];
        assert_eq!(counts(&sps, &slices), [30, 31, 32, 34]);
    }

    #[test]
    fn pictures_are_told_apart() {
        let set = sps(|writer| writer.ue(0).ue(0));
        let order = order(&set);
        let read = |unit: &[u8]| order.slice(unit).unwrap().picture;
        let lsb = |lsb| move |writer: Writer| writer.bits(lsb, 4);
        let first = read(&slice(false, true, 1, lsb(2)));
        assert_eq!(first, read(&slice(false, true, 1, lsb(2))));
        let others = [
            slice(false, true, 2, lsb(2)),
            slice(false, true, 1, lsb(4)),
            slice(false, false, 1, lsb(2)),
            slice(true, true, 1, lsb(2)),
        ];
        assert!(others.iter().all(|other| read(other) != first));
        assert!(PictureOrder::default().slice(&others[0]).is_err(), "no parameter sets");
        let field = |field| PictureId { field: Some(field), ..first };
        assert!(field(Field::Bottom).completes(&field(Field::Top)) && !field(Field::Top).completes(&field(Field::Top)));
        assert!(!first.completes(&first));
    }
}
