//! MPEG-4 visual in packets (ISO 13818-1 2.7.5): pictures with the headers before them, at the times of packets.

use super::super::CLOCK;
use super::super::timeline::Stamp;
use super::section_es::{Pictures, SectionEs, Way};
use super::syntax::UnitInfo;
use crate::container::es::{Early, MAX_SECTION};
use rtp::codec::mpeg4_visual::{
    CodingType, Config, FIRST_LAYER, GROUP, Group, LAST_LAYER, Layer, SEQUENCE_END, VOP, Vop, VopClock,
};
use rtp::format::Format;

/// Cuts one stream into access units.
pub(super) type VisualEs = SectionEs<Visual>;

/// The access unit that comes together, and what is known for it.
#[derive(Debug, Default)]
pub(super) struct Visual {
    /// What comes before the first headers, with the times of pictures.
    early: Early<Option<Stamp>>,
    unit: Vec<u8>,
    /// Its picture with the time of its packet.
    picture: Option<(Vop, Option<Stamp>)>,
    layer: Option<Layer>,
    config: Option<(Config, Format)>,
    /// Tells when pictures are shown whose packets tell no time.
    clock: VopClock,
    /// A picture has left.
    begun: bool,
}

impl Pictures for Visual {
    fn format(&self) -> Option<Format> {
        self.config.as_ref().map(|(_, format)| format.clone())
    }

    fn handle_section(&mut self, section: &[u8], way: &mut Way<'_>) {
        let stamp = if section.get(3) == Some(&VOP) { way.stamp() } else { None };
        if self.config.is_none() {
            self.config = self.early.keep_visual(section, stamp);
            self.layer = self.config.as_ref().map(|(config, _)| config.layer);
            way.leave_out(self.early.take_junk());
        } else {
            self.take(section, stamp, way);
        }
        while self.config.is_some()
            && let Some((section, stamp)) = self.early.next()
        {
            self.take(&section, stamp, way);
        }
    }

    fn emit(&mut self, way: &mut Way<'_>) {
        let unit = std::mem::take(&mut self.unit);
        let (Some((vop, stamp)), Some(layer), Some((config, _))) = (self.picture.take(), self.layer, &self.config)
        else {
            return;
        };
        let time = self.clock.handle_vop(&vop, &layer);
        if config.packed && !vop.coded || !self.begun && vop.coding_type == CodingType::B {
            return;
        }
        let time = time * i64::from(CLOCK) / i64::from(layer.resolution);
        let mut info = UnitInfo::default();
        // What comes first is shown though it may need one before it.
        let first = !std::mem::replace(&mut self.begun, true);
        (info.sync, info.time) = (first || vop.coding_type == CodingType::I, Some(time));
        way.push(unit, stamp, &info);
    }
}

impl Visual {
    /// The next section, where the headers are known.
    fn take(&mut self, section: &[u8], stamp: Option<Stamp>, way: &mut Way<'_>) {
        let Some(&code) = section.get(3) else { return };
        if self.picture.is_some() && code != SEQUENCE_END {
            self.emit(way);
        }
        match code {
            FIRST_LAYER..=LAST_LAYER => self.layer = Layer::parse(section).ok().or(self.layer),
            GROUP => Group::parse(section).iter().for_each(|group| self.clock.handle_group(group)),
            VOP => self.picture = self.layer.and_then(|layer| Some((Vop::parse(section, &layer).ok()?, stamp))),
            _ => {}
        }
        self.unit.extend_from_slice(section);
        if self.unit.len() > MAX_SECTION || code == VOP && self.picture.is_none() {
            way.leave_out(self.unit.len() as u64);
            self.unit.clear();
            self.picture = None;
        }
        if code == SEQUENCE_END {
            self.emit(way);
        }
    }
}
