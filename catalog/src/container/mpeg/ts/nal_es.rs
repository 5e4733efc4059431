//! H.264 and H.265 in packets: access units and their times.

use super::super::marks::Marks;
use super::super::timeline::{Place, Stamp, Timeline};
use super::super::{CLOCK, reserve};
use super::elementary::Elementary;
use super::syntax::{Begin, Syntax, UnitInfo};
use crate::container::{DemuxedSample, limits};
use bytes::{Buf, Bytes, BytesMut};
use rtp::codec::{nal, start_code};
use rtp::format::Format;
use std::collections::VecDeque;

/// Bytes of a NAL unit and of an access unit: an hour without start codes would lie in memory as a whole. Level 6.2
/// lets no access unit have as much.
const MAX_UNIT: usize = limits::MAX_ACCESS_UNIT / 2;

/// How long a picture is shown where nothing says it: 25 a second.
const USUAL_DURATION: i64 = CLOCK as i64 / 25;
/// Pictures farther apart are said to last no longer than this.
const MAX_DURATION: i64 = 2 * CLOCK as i64;

/// Cuts one stream into access units of length-prefixed NAL units.
///
/// An access unit in which a packet's times begin has those. Another is decoded one picture after the one before, and
/// shown where its place in the order of showing puts it.
#[derive(Debug)]
pub(super) struct NalEs {
    track: u32,
    /// From the start code of the unit that has begun.
    buffer: BytesMut,
    begun: bool,
    /// Where `buffer` begins in the stream.
    base: u64,
    /// Bytes of `buffer` that were searched for a start code.
    searched: usize,
    marks: Marks,
    syntax: Syntax,
    unit: AccessUnit,
    times: Times,
    format: Option<Format>,
    /// Waits for the next one, which ends it.
    last: Option<DemuxedSample>,
    junk: u64,
}

/// The access unit that has begun.
#[derive(Debug, Default)]
struct AccessUnit {
    start: u64,
    data: Vec<u8>,
    info: UnitInfo,
}

impl NalEs {
    pub fn new(track: u32, syntax: Syntax) -> Self {
        Self {
            track,
            buffer: BytesMut::new(),
            begun: false,
            base: 0,
            searched: 0,
            marks: Marks::default(),
            syntax,
            unit: AccessUnit::default(),
            times: Times::default(),
            format: None,
            last: None,
            junk: 0,
        }
    }

    /// Goes over the units that are whole, each ended by the next one's start code.
    fn cut(&mut self, timeline: &mut Timeline, out: &mut VecDeque<DemuxedSample>) {
        while let Some(at) = start_code::find(&self.buffer, self.searched) {
            if self.begun {
                let unit = self.buffer.split_to(at).freeze();
                self.handle_unit(&unit, timeline, out);
            } else {
                // The first start code has a zero before it.
                self.junk += if self.buffer[..at].iter().all(|byte| *byte == 0) { 0 } else { at as u64 };
                self.buffer.advance(at);
            }
            self.base += at as u64;
            (self.begun, self.searched) = (true, start_code::PREFIX.len());
        }
        let kept = start_code::PREFIX.len() - 1;
        self.searched = self.searched.max(self.buffer.len().saturating_sub(kept));
        if self.buffer.len() > MAX_UNIT {
            let len = self.buffer.len() - kept;
            self.buffer.advance(len);
            self.base += len as u64;
            self.junk += len as u64;
            (self.begun, self.searched) = (false, 0);
        }
    }

    /// A NAL unit from its start code to the zeros before the next one.
    fn handle_unit(&mut self, bytes: &Bytes, timeline: &mut Timeline, out: &mut VecDeque<DemuxedSample>) {
        let Some(unit) = nal::annex_b(bytes).next() else { return };
        match self.syntax.begin(unit, &self.unit.info) {
            Begin::Nothing => {}
            Begin::Unit => self.emit(timeline, out),
        }
        if self.unit.data.is_empty() {
            self.unit.start = self.base;
        }
        if self.unit.data.len() + unit.len() > MAX_UNIT || nal::push_prefixed(&mut self.unit.data, unit).is_err() {
            self.junk += (self.unit.data.len() + unit.len()) as u64;
            self.unit = AccessUnit::default();
            return;
        }
        self.syntax.add(unit, &mut self.unit.info);
    }

    /// The access unit is over.
    fn emit(&mut self, timeline: &mut Timeline, out: &mut VecDeque<DemuxedSample>) {
        let AccessUnit { start, data, info } = std::mem::take(&mut self.unit);
        let stamp = self.marks.take(start);
        if self.format.is_none() {
            // What comes before the first picture that can be decoded is of no use to anyone.
            self.format = self.syntax.format().filter(|_| info.sync);
        }
        if self.format.is_none() || !info.has_slice {
            self.junk += data.len() as u64;
            return;
        }
        let (dts, pts) = self.times.place(stamp, &info, timeline);
        let sample = DemuxedSample { track: self.track, dts, pts, duration: 0, sync: info.sync, data: data.into() };
        self.release(Some(dts), out);
        self.last = Some(sample);
    }

    fn release(&mut self, next: Option<i64>, out: &mut VecDeque<DemuxedSample>) {
        let Some(mut sample) = self.last.take() else { return };
        let until_next = next.map(|next| next - sample.dts).filter(|step| (1..=MAX_DURATION).contains(step));
        sample.duration = until_next.unwrap_or(self.times.duration());
        out.push_back(sample);
    }
}

impl Elementary for NalEs {
    fn format(&self) -> Option<Format> {
        self.format.clone()
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
            self.marks.add(self.base + self.buffer.len() as u64, stamp);
        }
        reserve(&mut self.buffer, payload.len());
        self.buffer.extend_from_slice(payload);
        self.cut(timeline, out);
    }

    fn release_held(&mut self, out: &mut VecDeque<DemuxedSample>) {
        self.release(None, out);
    }

    fn finish(&mut self, timeline: &mut Timeline, out: &mut VecDeque<DemuxedSample>) {
        self.cut(timeline, out);
        if self.begun {
            let unit = self.buffer.split().freeze();
            self.handle_unit(&unit, timeline, out);
        }
        self.emit(timeline, out);
        self.release(None, out);
    }

    fn take_junk(&mut self) -> u64 {
        std::mem::take(&mut self.junk)
    }
}

/// Gives access units their times, in 90 kHz.
#[derive(Debug, Default)]
struct Times {
    place: Place,
    last: Option<Placed>,
    /// Of one frame, as the stream's own times show it.
    step: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Placed {
    dts: i64,
    pts: i64,
    order: Option<i64>,
    field: bool,
    /// The latest of all so far.
    highest: i64,
    /// Access units since the last one with a time.
    since: i64,
}

impl Times {
    fn place(&mut self, stamp: Option<Stamp>, info: &UnitInfo, timeline: &mut Timeline) -> (i64, i64) {
        let expected = self.last.map(|last| last.dts + if last.field { self.duration() / 2 } else { self.duration() });
        let (dts, pts) = match (stamp, self.last) {
            (Some(stamp), last) => {
                let dts = timeline.place(&mut self.place, stamp.decoding(), expected);
                if let Some(last) = last
                    && last.since == 0
                    && !last.field
                    && !info.field
                    && (1..=MAX_DURATION).contains(&(dts - last.dts))
                {
                    self.step = Some(self.step.map_or(dts - last.dts, |step| step.min(dts - last.dts)));
                }
                (dts, dts + stamp.delay)
            }
            (None, Some(last)) => {
                let dts = expected.unwrap_or(last.dts);
                let pts = match (info.order, last.order) {
                    _ if info.second_field => last.pts + (dts - last.dts),
                    // Counts go by fields.
                    (Some(order), Some(before)) if !info.begins_order => {
                        last.pts + (order - before) * self.duration() / 2
                    }
                    // All before are shown before it.
                    _ => last.highest + (dts - last.dts),
                };
                (dts, pts)
            }
            (None, None) => (timeline.now(), timeline.now()),
        };
        // Decode times ascend, whatever a file says.
        let dts = self.last.map_or(dts, |last| dts.max(last.dts + 1));
        let since = if stamp.is_some() { 0 } else { self.last.map_or(0, |last| last.since) + 1 };
        let pts = pts.max(dts);
        let highest = self.last.map_or(pts, |last| last.highest.max(pts));
        self.last = Some(Placed { dts, pts, order: info.order, field: info.field, highest, since });
        (dts, pts)
    }

    /// Of a frame.
    fn duration(&self) -> i64 {
        self.step.unwrap_or(USUAL_DURATION)
    }
}
