//! MPEG-4 visual: pictures with the headers before them, at the times that they tell.

use super::order::Order;
use super::sections::Sections;
use super::vops::{VopUnit, Vops};
use super::{Stream, TRACK};
use crate::container::DemuxedSample;
use rtp::codec::mpeg4_visual::CodingType;
use rtp::format::Format;
use std::collections::VecDeque;

/// Pictures further apart are no pause but a clock that was set: seconds.
const MAX_PAUSE: i64 = 10;

#[derive(Debug)]
pub(super) struct Visual {
    sections: Sections,
    vops: Vops<()>,
    times: Times,
    order: Order,
}

impl Visual {
    pub fn new() -> Self {
        Self { sections: Sections::default(), vops: Vops::default(), times: Times::default(), order: Order::new(1) }
    }

    fn take_sections(&mut self, at_end: bool, out: &mut VecDeque<DemuxedSample>) {
        let Self { sections, vops, times, order } = self;
        let mut give = |unit| order.push(times.sample(unit), out);
        while let Some(section) = sections.next(at_end) {
            vops.handle(&section, (), &mut give);
        }
        if at_end {
            vops.finish(&mut give);
        }
    }
}

impl Stream for Visual {
    fn handle(&mut self, bytes: &[u8], out: &mut VecDeque<DemuxedSample>) {
        self.sections.push(bytes);
        self.take_sections(false, out);
    }

    fn finish(&mut self, out: &mut VecDeque<DemuxedSample>) {
        self.take_sections(true, out);
        self.order.finish(out);
    }

    fn track(&self) -> Option<(Format, u32)> {
        self.vops.config().map(|(config, format)| (format.clone(), config.layer.resolution.into()))
    }

    fn take_junk(&mut self) -> u64 {
        self.sections.take_junk() + self.vops.take_junk()
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
    fn sample(&mut self, unit: VopUnit<()>) -> DemuxedSample {
        let VopUnit { data, vop, layer, scale, time, sync, with: () } = unit;
        let resolution = i64::from(layer.resolution);
        let fixed = layer.fixed_increment.map(|step| i64::from(step) * scale / resolution);
        let pts = self.place(time * scale / resolution, vop.coding_type == CodingType::B, scale);
        let duration = fixed.or(self.step).unwrap_or(scale / 25).max(1);
        DemuxedSample { track: TRACK, dts: pts, pts, duration, sync, data: data.into() }
    }

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
