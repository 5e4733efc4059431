//! H.265 in byte stream format (annex B): access units (7.4.2.4.4), shown in the order of their counts.

use super::early::Early;
use super::gather::{Gather, Picture, Pictures};
use crate::container::DemuxedSample;
use rtp::codec::h265::{
    self, AUD, BLA, CRA, END_OF_SEQUENCE, END_OF_STREAM, FILLER, PPS, PictureOrder, SPS, Sps, Timing, VPS,
};
use rtp::format::Format;
use std::collections::{BTreeMap, VecDeque};

#[derive(Debug, Default)]
pub(super) struct Hevc {
    gather: Gather,
    /// What comes before the first picture of which the parameter sets are known.
    early: Early<()>,
    /// Such a picture has come, and a picture has left.
    known: bool,
    begun: bool,
    order: PictureOrder,
    sps: BTreeMap<u8, Sps>,
    /// How fast pictures follow each other, as the newest video parameter set says.
    timing: Option<Timing>,
    /// Parameter sets by kind and id, as they came last.
    sets: BTreeMap<(u8, u8), Vec<u8>>,
    /// The picture of the access unit that comes together, and whether it can't be decoded.
    picture: Option<Begun>,
}

#[derive(Clone, Copy, Debug)]
struct Begun {
    sps_id: u8,
    count: i64,
    begins: bool,
    sync: bool,
    skipped: bool,
}

impl Pictures for Hevc {
    fn gather(&self) -> &Gather {
        &self.gather
    }

    fn gather_mut(&mut self) -> &mut Gather {
        &mut self.gather
    }

    fn handle_unit(&mut self, unit: &[u8], out: &mut VecDeque<DemuxedSample>) {
        if self.known {
            return self.take(unit, out);
        }
        self.early.keep(unit, ());
        let kind = h265::unit_type(unit);
        if (VPS..=PPS).contains(&kind) && h265::layer(unit) == 0 {
            self.handle_set(kind, unit);
        }
        self.known = h265::begins_picture(unit) && self.order.slice(unit).is_ok();
        while self.known
            && let Some((unit, ())) = self.early.next()
        {
            self.take(&unit, out);
        }
        self.gather.add_junk(self.early.take_junk());
    }

    fn emit(&mut self, out: &mut VecDeque<DemuxedSample>) {
        let Some(picture) = self.picture.take() else { return };
        let Some(sps) = self.sps.get(&picture.sps_id).filter(|_| !picture.skipped) else {
            return self.gather.leave_out();
        };
        let Begun { count, begins, sync, .. } = picture;
        // What comes first is shown though it may need one before it.
        let first = !std::mem::replace(&mut self.begun, true);
        let sync = sync || first;
        let rate = self.timing.or(sps.timing).map(|timing| timing.rate());
        let picture = Picture { count, sync, begins, rate, depth: sps.reorder_pictures.into() };
        let sets = |kind: u8| self.sets.range((kind, 0)..=(kind, u8::MAX)).map(|(_, set)| set.clone()).collect();
        let format = || {
            let (width, height) = (sps.width, sps.height);
            Some(Format::H265 { vps: sets(VPS), sps: sets(SPS), pps: sets(PPS), width, height })
        };
        self.gather.emit(picture, format, out);
    }
}

impl Hevc {
    /// The next NAL unit, where the parameter sets are known.
    fn take(&mut self, unit: &[u8], out: &mut VecDeque<DemuxedSample>) {
        if h265::begins_unit(unit) {
            self.emit(out);
        }
        let fits = match h265::unit_type(unit) {
            _ if unit.len() <= h265::HEADER_LEN && !h265::ends(unit) => return,
            // Further layers go with their picture.
            _ if h265::layer(unit) > 0 => self.gather.append(unit),
            AUD | FILLER => return,
            kind @ VPS..=PPS => {
                if !self.handle_set(kind, unit) {
                    return self.gather.pass_over(unit);
                }
                self.gather.append(unit)
            }
            END_OF_SEQUENCE | END_OF_STREAM => {
                // No picture's unit is too long for these.
                self.gather.append(unit);
                self.emit(out);
                let _ = self.order.handle_set(unit);
                return;
            }
            kind @ (0..=9 | BLA..=CRA) => {
                if h265::begins_picture(unit) {
                    let Ok(slice) = self.order.slice(unit) else { return self.gather.pass_over(unit) };
                    let (count, begins) = self.order.count(&slice);
                    let sync = (BLA..=CRA).contains(&kind);
                    // Leading pictures of one that is not there can't be decoded either.
                    let skipped = self.order.is_skipped(&slice) || !self.begun && matches!(kind, 8 | 9);
                    self.picture = Some(Begun { sps_id: slice.sps_id, count, begins, sync, skipped });
                } else if self.picture.is_none() {
                    return self.gather.pass_over(unit);
                }
                self.gather.append(unit)
            }
            // Slices of kinds that are reserved.
            ..VPS => return,
            _ => self.gather.append(unit),
        };
        if !fits {
            self.picture = None;
        }
    }

    /// Whether it can be read.
    fn handle_set(&mut self, kind: u8, unit: &[u8]) -> bool {
        let id = match kind {
            VPS => {
                self.timing = Timing::of_vps(unit);
                unit.get(h265::HEADER_LEN).map(|byte| byte >> 4)
            }
            SPS => Sps::parse(unit).ok().map(|sps| {
                self.sps.insert(sps.id, sps);
                sps.id
            }),
            _ => h265::pps_id(unit),
        };
        let Some(id) = id.filter(|_| self.order.handle_set(unit).is_ok()) else { return false };
        self.sets.insert((kind, id), unit.to_vec());
        true
    }
}
