//! H.264 in byte stream format (annex B): access units, shown in the order of their counts.

use super::gather::{self, Gather, Pictures};
use crate::container::DemuxedSample;
use rtp::codec::h264::{
    self, AUD, END_OF_SEQUENCE, END_OF_STREAM, IDR_SLICE, PPS, PictureId, PictureOrder, SEI, SLICE, SLICE_A, SPS,
    SliceType, Sps,
};
use rtp::format::Format;
use std::collections::{BTreeMap, VecDeque};

#[derive(Debug, Default)]
pub(super) struct Avc {
    gather: Gather,
    order: PictureOrder,
    /// Parameter sets by id, as they came last.
    sps: BTreeMap<u8, Sps>,
    sps_units: BTreeMap<u8, Vec<u8>>,
    pps_units: BTreeMap<u8, Vec<u8>>,
    /// Of the access unit that comes together.
    picture: Option<Picture>,
    /// Whether that has a recovery point that is right at once.
    recovers: bool,
    /// Whether the stream tells where decoding may begin.
    tells_sync: bool,
}

#[derive(Clone, Copy, Debug)]
struct Picture {
    id: PictureId,
    sps_id: u8,
    count: i64,
    idr: bool,
    intra: bool,
    second_field: bool,
}

impl Pictures for Avc {
    fn gather(&self) -> &Gather {
        &self.gather
    }

    fn gather_mut(&mut self) -> &mut Gather {
        &mut self.gather
    }

    fn handle_unit(&mut self, unit: &[u8], out: &mut VecDeque<DemuxedSample>) {
        let kind = h264::unit_type(unit);
        match kind {
            AUD | SEI | SPS | PPS | 14..=18 => {
                self.emit(out);
                self.handle_before(kind, unit);
            }
            SLICE | SLICE_A | IDR_SLICE => self.handle_slice(kind, unit, out),
            END_OF_SEQUENCE | END_OF_STREAM => {
                self.append(unit);
                self.emit(out);
            }
            // Partitions, auxiliary pictures and other views; all else is no part of the picture.
            3 | 4 | 19..=21 if self.picture.is_some() => self.append(unit),
            _ => {}
        }
    }

    fn emit(&mut self, out: &mut VecDeque<DemuxedSample>) {
        let Some(picture) = self.picture.take() else { return };
        let recovers = std::mem::take(&mut self.recovers);
        let Some(sps) = self.sps.get(&picture.sps_id) else { return self.gather.leave_out() };
        self.tells_sync |= picture.idr || recovers;
        let sync = picture.idr || recovers || picture.intra && !self.tells_sync;
        let (count, begins, rate, depth) = (picture.count, picture.idr, sps.frame_rate(), depth(sps));
        let format = || {
            let sets = |units: &BTreeMap<u8, Vec<u8>>| units.values().cloned().collect();
            let (sps_units, pps_units) = (sets(&self.sps_units), sets(&self.pps_units));
            Some(Format::H264 { sps: sps_units, pps: pps_units, width: sps.width, height: sps.height })
        };
        self.gather.emit(gather::Picture { count, sync, begins, rate, depth }, format, out);
    }
}

impl Avc {
    /// A unit that comes before a picture.
    fn handle_before(&mut self, kind: u8, unit: &[u8]) {
        match kind {
            AUD => return,
            SEI => self.recovers |= h264::recovery_point(unit) == Some(0),
            SPS => {
                let Ok(sps) = Sps::parse(unit) else { return self.gather.pass_over(unit) };
                self.sps.insert(sps.id, sps);
                self.sps_units.insert(sps.id, unit.to_vec());
            }
            PPS => {
                let Ok(pps) = h264::Pps::parse(unit) else { return self.gather.pass_over(unit) };
                self.pps_units.insert(pps.id, unit.to_vec());
            }
            _ => {}
        }
        if self.order.handle_set(unit).is_ok() {
            self.append(unit);
        }
    }

    fn handle_slice(&mut self, kind: u8, unit: &[u8], out: &mut VecDeque<DemuxedSample>) {
        let Ok(slice) = self.order.slice(unit) else { return self.gather.pass_over(unit) };
        let intra = matches!(slice.slice_type, SliceType::I | SliceType::Si);
        match &mut self.picture {
            Some(picture) if picture.id == slice.picture => picture.intra &= intra,
            Some(picture) if !picture.second_field && slice.picture.completes(&picture.id) => {
                picture.count = picture.count.min(self.order.count(&slice));
                (picture.id, picture.second_field) = (slice.picture, true);
            }
            _ => {
                self.emit(out);
                let (id, sps_id, idr) = (slice.picture, slice.sps_id, kind == IDR_SLICE);
                let count = self.order.count(&slice);
                self.picture = Some(Picture { id, sps_id, count, idr, intra, second_field: false });
            }
        }
        self.append(unit);
    }

    fn append(&mut self, unit: &[u8]) {
        if !self.gather.append(unit) {
            (self.picture, self.recovers) = (None, false);
        }
    }
}

/// How many pictures at most are decoded before one that is shown earlier: as told, else as many as the level lets be
/// stored (A.3.1, table A-1).
pub(in crate::container) fn depth(sps: &Sps) -> usize {
    let intra_only = matches!(sps.profile, 44 | 86 | 100 | 110 | 122 | 244) && sps.constraints & 0x10 != 0;
    if sps.order_count_type == 2 || intra_only {
        return 0;
    }
    if let Some(told) = sps.vui.and_then(|vui| vui.reorder_frames) {
        return told.into();
    }
    let macroblocks = match sps.level {
        ..=10 => 396,
        11 => 900,
        12..=20 => 2_376,
        21 => 4_752,
        22..=30 => 8_100,
        31 => 18_000,
        32 => 20_480,
        40 | 41 => 32_768,
        42 => 34_816,
        50 => 110_400,
        51 | 52 => 184_320,
        _ => 696_320,
    };
    let picture = sps.width.div_ceil(16) * sps.height.div_ceil(16);
    usize::try_from(macroblocks / picture.max(1)).unwrap_or(16).min(16)
}
