//! MPEG-4 visual in packets (ISO 13818-1 2.7.5): pictures with the headers before them, at the times of packets.

use super::super::CLOCK;
use super::super::timeline::Stamp;
use super::section_es::{Pictures, SectionEs, Way};
use super::syntax::UnitInfo;
use crate::container::es::{VopUnit, Vops};
use rtp::codec::mpeg4_visual::VOP;
use rtp::format::Format;

/// Cuts one stream into access units.
pub(super) type VisualEs = SectionEs<Visual>;

/// Its pictures, with the times of their packets; those whose packets tell none are shown when the pictures say.
#[derive(Debug, Default)]
pub(super) struct Visual(Vops<Option<Stamp>>);

impl Pictures for Visual {
    fn format(&self) -> Option<Format> {
        self.0.config().map(|(_, format)| format.clone())
    }

    fn handle_section(&mut self, section: &[u8], way: &mut Way<'_>) {
        let stamp = if section.get(3) == Some(&VOP) { way.stamp() } else { None };
        self.0.handle(section, stamp, &mut |unit| give(unit, way));
        way.leave_out(self.0.take_junk());
    }

    fn finish(&mut self, way: &mut Way<'_>) {
        self.0.finish(&mut |unit| give(unit, way));
        way.leave_out(self.0.take_junk());
    }
}

fn give(unit: VopUnit<Option<Stamp>>, way: &mut Way<'_>) {
    let time = unit.time * i64::from(CLOCK) / i64::from(unit.layer.resolution);
    let mut info = UnitInfo::default();
    (info.sync, info.time) = (unit.sync, Some(time));
    way.push(unit.data, unit.with, &info);
}
