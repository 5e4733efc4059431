//! MPEG-4 visual: pictures with the headers before them, at the times that they tell.

use super::early::Early;
use super::order::Order;
use super::sections::{MAX_SECTION, Sections};
use super::{Stream, TRACK};
use crate::container::DemuxedSample;
use rtp::codec::mpeg4_visual::{
    CodingType, Config, FIRST_LAYER, GROUP, Group, LAST_LAYER, Layer, SEQUENCE_END, VOP, Vop, VopClock,
};
use rtp::format::Format;
use std::collections::VecDeque;

/// Pictures further apart are no pause but a clock that was set: seconds.
const MAX_PAUSE: i64 = 10;

#[derive(Debug)]
pub(super) struct Visual {
    sections: Sections,
    early: Early<()>,
    /// The access unit that comes together, and its picture.
    unit: Vec<u8>,
    vop: Option<Vop>,
    layer: Option<Layer>,
    /// What the track is, and whether dummies fill the place of packed pictures.
    config: Option<(Config, Format)>,
    clock: VopClock,
    times: Times,
    order: Order,
    /// A picture has left.
    begun: bool,
    junk: u64,
}

impl Visual {
    pub fn new() -> Self {
        Self {
            sections: Sections::default(),
            early: Early::default(),
            unit: Vec::new(),
            vop: None,
            layer: None,
            config: None,
            clock: VopClock::default(),
            times: Times::default(),
            order: Order::new(1),
            begun: false,
            junk: 0,
        }
    }

    fn take_sections(&mut self, at_end: bool, out: &mut VecDeque<DemuxedSample>) {
        while let Some(section) = self.sections.next(at_end) {
            if self.config.is_none() {
                self.config = self.early.keep_visual(&section, ());
                self.layer = self.config.as_ref().map(|(config, _)| config.layer);
            } else {
                self.handle_section(&section, out);
            }
            while self.config.is_some()
                && let Some((section, ())) = self.early.next()
            {
                self.handle_section(&section, out);
            }
        }
    }

    fn handle_section(&mut self, section: &[u8], out: &mut VecDeque<DemuxedSample>) {
        let Some(&code) = section.get(3) else { return };
        if self.vop.is_some() && code != SEQUENCE_END {
            self.emit(out);
        }
        match code {
            FIRST_LAYER..=LAST_LAYER => self.layer = Layer::parse(section).ok().or(self.layer),
            GROUP => {
                if let Ok(group) = Group::parse(section) {
                    self.clock.handle_group(&group);
                }
            }
            VOP => self.vop = self.layer.and_then(|layer| Vop::parse(section, &layer).ok()),
            _ => {}
        }
        self.unit.extend_from_slice(section);
        if self.unit.len() > MAX_SECTION || code == VOP && self.vop.is_none() {
            self.junk += self.unit.len() as u64;
            self.unit.clear();
            self.vop = None;
        }
        if code == SEQUENCE_END {
            self.emit(out);
        }
    }

    fn emit(&mut self, out: &mut VecDeque<DemuxedSample>) {
        let unit = std::mem::take(&mut self.unit);
        let (Some(vop), Some(layer), Some((config, _))) = (self.vop.take(), self.layer, &self.config) else { return };
        if config.packed && !vop.coded || !self.begun && vop.coding_type == CodingType::B {
            return;
        }
        let scale = i64::from(config.layer.resolution);
        let time = self.clock.handle_vop(&vop, &layer) * scale / i64::from(layer.resolution);
        let fixed = layer.fixed_increment.map(|step| i64::from(step) * scale / i64::from(layer.resolution));
        let pts = self.times.place(time, vop.coding_type == CodingType::B, scale);
        let duration = fixed.or(self.times.step).unwrap_or(scale / 25).max(1);
        // What comes first is shown though it may need one before it.
        let first = !std::mem::replace(&mut self.begun, true);
        let sync = first || vop.coding_type == CodingType::I;
        self.order.push(DemuxedSample { track: TRACK, dts: pts, pts, duration, sync, data: unit.into() }, out);
    }
}

impl Stream for Visual {
    fn handle(&mut self, bytes: &[u8], out: &mut VecDeque<DemuxedSample>) {
        self.sections.push(bytes);
        self.take_sections(false, out);
    }

    fn finish(&mut self, out: &mut VecDeque<DemuxedSample>) {
        self.take_sections(true, out);
        self.emit(out);
        self.order.finish(out);
        self.early.drop_all();
    }

    fn track(&self) -> Option<(Format, u32)> {
        self.config.as_ref().map(|(config, format)| (format.clone(), config.layer.resolution.into()))
    }

    fn take_junk(&mut self) -> u64 {
        self.sections.take_junk() + self.early.take_junk() + std::mem::take(&mut self.junk)
    }
}

/// Pictures' times without jumps.
#[derive(Debug, Default)]
struct Times {
    offset: i64,
    /// When the last picture that is no B picture is shown, and the one before it.
    last: Option<i64>,
    before: Option<i64>,
    /// The least time from one picture to the next.
    step: Option<i64>,
}

impl Times {
    /// Where a picture is shown that says `time`, in ticks of which a second has `scale`.
    fn place(&mut self, time: i64, is_b: bool, scale: i64) -> i64 {
        let mut time = time + self.offset;
        let Some(last) = self.last else {
            self.last = Some(time);
            return time;
        };
        if is_b {
            let first = self.before.map_or(i64::MIN, |before| before + 1);
            time = time.min(last - 1).max(first.min(last - 1));
            self.saw_step(last - time);
            return time;
        }
        if time <= last || time > last + MAX_PAUSE * scale {
            let wanted = last + self.step.unwrap_or(scale / 25).max(1);
            self.offset += wanted - time;
            time = wanted;
        } else {
            self.saw_step(time - last);
        }
        (self.before, self.last) = (Some(last), Some(time));
        time
    }

    fn saw_step(&mut self, step: i64) {
        self.step = Some(self.step.map_or(step, |least| least.min(step)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_on() {
        // Times in 25ths as told, B pictures or not, and where they are shown.
        type Case<'a> = (&'a str, &'a [(i64, bool)], &'a [i64]);
        let cases: &[Case] = &[
            ("P only", &[(0, false), (1, false), (2, false)], &[0, 1, 2]),
            ("B", &[(0, false), (3, false), (1, true), (2, true)], &[0, 3, 1, 2]),
            ("a pause", &[(0, false), (100, false)], &[0, 100]),
            ("back to zero", &[(500, false), (501, false), (0, false), (1, false)], &[500, 501, 502, 503]),
            ("a jump", &[(0, false), (1, false), (9000, false), (9001, false)], &[0, 1, 2, 3]),
            ("B out of place", &[(0, false), (3, false), (70, true), (-5, true)], &[0, 3, 2, 1]),
        ];
        for (name, told, expected) in cases {
            let mut times = Times::default();
            let seen: Vec<_> = told.iter().map(|&(time, is_b)| times.place(time, is_b, 25)).collect();
            assert_eq!(seen, *expected, "{name}");
        }
    }
}
