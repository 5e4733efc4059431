//! MPEG-4 visual in packets (ISO 13818-1 2.7.5): pictures with the headers before them, at the times of packets.

use super::super::CLOCK;
use super::super::marks::Marks;
use super::super::timeline::{Stamp, Timeline};
use super::elementary::Elementary;
use super::syntax::UnitInfo;
use super::times::Times;
use crate::container::DemuxedSample;
use crate::container::es::{MAX_SECTION, Sections, configure};
use rtp::codec::mpeg4_visual::{
    CodingType, Config, FIRST_LAYER, GROUP, Group, LAST_LAYER, Layer, SEQUENCE_END, VOP, Vop, VopClock,
};
use rtp::format::Format;
use std::collections::VecDeque;

/// Cuts one stream into access units.
#[derive(Debug)]
pub(super) struct VisualEs {
    sections: Sections,
    marks: Marks,
    /// The access unit that comes together, and its picture with the time of its packet.
    unit: Vec<u8>,
    picture: Option<(Vop, Option<Stamp>)>,
    layer: Option<Layer>,
    config: Option<(Config, Format)>,
    /// Tells when pictures are shown whose packets tell no time.
    clock: VopClock,
    times: Times,
    junk: u64,
}

impl VisualEs {
    pub fn new(track: u32) -> Self {
        Self {
            sections: Sections::default(),
            marks: Marks::default(),
            unit: Vec::new(),
            picture: None,
            layer: None,
            config: None,
            clock: VopClock::default(),
            times: Times::new(track),
            junk: 0,
        }
    }

    fn cut(&mut self, at_end: bool, timeline: &mut Timeline, out: &mut VecDeque<DemuxedSample>) {
        while let Some(section) = self.sections.next(at_end) {
            let start = self.sections.taken() - section.len() as u64;
            self.handle_section(start, &section, timeline, out);
        }
    }

    /// `start`: where it begins in the stream.
    fn handle_section(
        &mut self,
        start: u64,
        section: &[u8],
        timeline: &mut Timeline,
        out: &mut VecDeque<DemuxedSample>,
    ) {
        let Some(&code) = section.get(3) else { return };
        if self.picture.is_some() && code != SEQUENCE_END {
            self.emit(timeline, out);
        }
        match code {
            FIRST_LAYER..=LAST_LAYER => self.layer = Layer::parse(section).ok().or(self.layer),
            GROUP => Group::parse(section).iter().for_each(|group| self.clock.handle_group(group)),
            VOP => {
                let stamp = self.marks.take(start);
                self.picture = self.layer.and_then(|layer| Some((Vop::parse(section, &layer).ok()?, stamp)));
                self.config = self.config.take().or_else(|| configure(&self.unit));
            }
            _ => {}
        }
        self.unit.extend_from_slice(section);
        if self.unit.len() > MAX_SECTION || code == VOP && (self.picture.is_none() || self.config.is_none()) {
            self.junk += self.unit.len() as u64;
            self.unit.clear();
            self.picture = None;
        }
        if code == SEQUENCE_END {
            self.emit(timeline, out);
        }
    }

    fn emit(&mut self, timeline: &mut Timeline, out: &mut VecDeque<DemuxedSample>) {
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
        self.times.push(unit.into(), stamp, &info, timeline, out);
    }
}

impl Elementary for VisualEs {
    fn format(&self) -> Option<Format> {
        self.config.as_ref().map(|(_, format)| format.clone())
    }

    fn timescale(&self) -> u32 {
        CLOCK
    }

    fn handle_payload(
        &mut self,
        payload: &[u8],
        stamp: Option<Stamp>,
        timeline: &mut Timeline,
        out: &mut VecDeque<DemuxedSample>,
    ) {
        if let Some(stamp) = stamp {
            self.marks.add(self.sections.pushed(), stamp);
        }
        self.sections.push(payload);
        self.cut(false, timeline, out);
    }

    fn release_held(&mut self, out: &mut VecDeque<DemuxedSample>) {
        self.times.release(out);
    }

    fn finish(&mut self, timeline: &mut Timeline, out: &mut VecDeque<DemuxedSample>) {
        self.cut(true, timeline, out);
        self.emit(timeline, out);
        self.times.release(out);
    }

    fn take_junk(&mut self) -> u64 {
        self.sections.take_junk() + std::mem::take(&mut self.junk)
    }
}
