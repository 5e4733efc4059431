//! Times of access units, of which a packet's header tells some.

use super::super::CLOCK;
use super::super::gathered::Gathered;
use super::super::timeline::{Place, Stamp, Timeline};
use super::syntax::UnitInfo;
use crate::container::DemuxedSample;
use bytes::Bytes;

/// How long a picture is shown where nothing says it: 25 a second.
const USUAL_DURATION: i64 = CLOCK as i64 / 25;
/// Pictures farther apart are said to last no longer than this.
const MAX_DURATION: i64 = 2 * CLOCK as i64;

/// Gives the access units of one track their times, in 90 kHz, and each its duration when the next one comes.
#[derive(Debug)]
pub(super) struct Times {
    track: u32,
    place: Place,
    last: Option<Placed>,
    /// Of one frame, as the stream's own times show it.
    step: Option<i64>,
    /// By how much the order of showing counts on from one frame to the next, likewise.
    counts: Option<i64>,
    /// Waits for the next one, which ends it.
    waiting: Option<DemuxedSample>,
}

#[derive(Clone, Copy, Debug)]
struct Placed {
    dts: i64,
    pts: i64,
    order: Option<i64>,
    time: Option<i64>,
    field: bool,
    /// The latest of all so far.
    highest: i64,
    /// Access units since the last one with a time.
    since: i64,
}

impl Times {
    pub fn new(track: u32) -> Self {
        Self { track, place: Place::default(), last: None, step: None, counts: None, waiting: None }
    }

    /// The next access unit in decode order, with the time of its packet if that told one.
    pub fn push(&mut self, data: Bytes, stamp: Option<Stamp>, info: &UnitInfo, gathered: &mut Gathered) {
        let (dts, pts) = self.place(stamp, info, &mut gathered.timeline);
        self.end_waiting(Some(dts), gathered);
        self.waiting = Some(DemuxedSample { track: self.track, dts, pts, duration: 0, sync: info.sync, data });
    }

    /// Gives out the last access unit though its end is not known.
    pub fn release(&mut self, gathered: &mut Gathered) {
        self.end_waiting(None, gathered);
    }

    fn end_waiting(&mut self, next: Option<i64>, gathered: &mut Gathered) {
        let Some(mut sample) = self.waiting.take() else { return };
        let until_next = next.map(|next| next - sample.dts).filter(|step| (1..=MAX_DURATION).contains(step));
        sample.duration = until_next.unwrap_or(self.duration());
        gathered.samples.push_back(sample);
    }

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
                let pts = dts + stamp.delay;
                self.learn_counts(pts, info);
                (dts, pts)
            }
            (None, Some(last)) => {
                let dts = expected.unwrap_or(last.dts);
                let step = info.time.zip(last.time).map(|(time, before)| time - before);
                let pts = match (info.order, last.order) {
                    _ if let Some(step) = step.filter(|step| step.abs() <= MAX_DURATION) => last.pts + step,
                    _ if info.second_field => last.pts + (dts - last.dts),
                    (Some(order), Some(before)) if !info.begins_order => {
                        last.pts + (order - before) * self.duration() / self.counts.unwrap_or(info.frame_counts).max(1)
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
        self.last = Some(Placed { dts, pts, order: info.order, time: info.time, field: info.field, highest, since });
        (dts, pts)
    }

    /// Two pictures with times of their own show how the order counts, where that is as any encoder does it.
    fn learn_counts(&mut self, pts: i64, info: &UnitInfo) {
        let Some(last) = self.last.filter(|last| last.since == 0 && !info.begins_order) else { return };
        let Some(counts) = info.order.zip(last.order).map(|(order, before)| order - before) else { return };
        let time = pts - last.pts;
        if time.abs() > MAX_DURATION || time.signum() * counts.signum() != 1 {
            return;
        }
        let (time, counts) = (time.abs(), counts.abs());
        let found = (counts * self.duration() + time / 2) / time;
        if matches!(found, 1 | 2 | 4) {
            self.counts = Some(found);
        }
    }

    /// Of a frame.
    fn duration(&self) -> i64 {
        self.step.unwrap_or(USUAL_DURATION)
    }
}
