//! MPEG-4 visual in packets (ISO 13818-1 2.7.5): pictures with the headers before them, at the times of packets.

use super::super::CLOCK;
use super::super::timeline::Stamp;
use super::section_es::{Pictures, SectionEs, Way};
use super::syntax::UnitInfo;
use crate::container::es::{MAX_SECTION, configure};
use rtp::codec::mpeg4_visual::{
    CodingType, Config, FIRST_LAYER, GROUP, Group, LAST_LAYER, Layer, SEQUENCE_END, VOP, Vop, VopClock,
};
use rtp::format::Format;

/// Cuts one stream into access units.
pub(super) type VisualEs = SectionEs<Visual>;

/// The access unit that comes together, and what is known for it.
#[derive(Debug, Default)]
pub(super) struct Visual {
    unit: Vec<u8>,
    /// Its picture with the time of its packet.
    picture: Option<(Vop, Option<Stamp>)>,
    layer: Option<Layer>,
    config: Option<(Config, Format)>,
    /// Tells when pictures are shown whose packets tell no time.
    clock: VopClock,
}

impl Pictures for Visual {
    fn format(&self) -> Option<Format> {
        self.config.as_ref().map(|(_, format)| format.clone())
    }

    fn handle_section(&mut self, section: &[u8], way: &mut Way<'_>) {
        let Some(&code) = section.get(3) else { return };
        if self.picture.is_some() && code != SEQUENCE_END {
            self.emit(way);
        }
        match code {
            FIRST_LAYER..=LAST_LAYER => self.layer = Layer::parse(section).ok().or(self.layer),
            GROUP => Group::parse(section).iter().for_each(|group| self.clock.handle_group(group)),
            VOP => {
                let stamp = way.stamp();
                self.picture = self.layer.and_then(|layer| Some((Vop::parse(section, &layer).ok()?, stamp)));
                self.config = self.config.take().or_else(|| configure(&self.unit));
            }
            _ => {}
        }
        self.unit.extend_from_slice(section);
        if self.unit.len() > MAX_SECTION || code == VOP && (self.picture.is_none() || self.config.is_none()) {
            way.leave_out(self.unit.len());
            self.unit.clear();
            self.picture = None;
        }
        if code == SEQUENCE_END {
            self.emit(way);
        }
    }

    fn emit(&mut self, way: &mut Way<'_>) {
        let unit = std::mem::take(&mut self.unit);
        let (Some((vop, stamp)), Some(layer), Some((config, _))) = (self.picture.take(), self.layer, &self.config)
        else {
            return;
        };
        let time = self.clock.handle_vop(&vop, &layer);
        if config.packed && !vop.coded {
            return;
        }
        let time = time * i64::from(CLOCK) / i64::from(layer.resolution);
        let mut info = UnitInfo::default();
        (info.sync, info.time) = (vop.coding_type == CodingType::I, Some(time));
        way.push(unit, stamp, &info);
    }
}
