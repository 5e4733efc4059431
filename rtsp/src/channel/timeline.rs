//! A feed's times laid on the channel's line, which begins with the first unit and runs with the wall clock.

use super::LiveUnit;
use rtp::clock::{ClockRate, MediaTime, Ticks};
use std::time::{Duration, Instant};

/// A feed whose times go so far from the wall clock's has jumped: it is laid anew. Less is delay, drift or a stall.
const JUMP: Duration = Duration::from_secs(5);

/// How a feed's line lies on the channel's.
#[derive(Debug)]
pub(super) struct Timeline {
    clocks: Vec<ClockRate>,
    began: Instant,
    /// What is added to a feed's times; `None` until its first unit.
    shift: Option<MediaTime>,
    /// Each track's latest decode time: they never fall.
    latest: Vec<Option<Ticks>>,
}

impl Timeline {
    pub(super) fn new(clocks: Vec<ClockRate>, now: Instant) -> Self {
        let latest = vec![None; clocks.len()];
        Self { clocks, began: now, shift: None, latest }
    }

    /// Another feed begins.
    pub(super) fn restart(&mut self, _now: Instant) {
        self.shift = None;
    }

    /// The units on the channel's line; `None` where there is no such track or none of them is left.
    pub(super) fn place(&mut self, track: usize, units: &[LiveUnit], now: Instant) -> Option<Vec<LiveUnit>> {
        let clock = *self.clocks.get(track)?;
        let first = units.first()?;
        let here = MediaTime::ZERO.plus(now.saturating_duration_since(self.began));
        let own = clock.time(first.dts);
        let laid = self.shift.map(|shift| MediaTime(own.0.saturating_add(shift.0)));
        let far = |laid: MediaTime| laid.since(here).max(here.since(laid)) > JUMP;
        if laid.is_none_or(far) {
            self.shift = Some(MediaTime(here.0.saturating_sub(own.0)));
        }
        let shift = clock.ticks(self.shift?);
        let mut placed = Vec::with_capacity(units.len());
        for unit in units {
            let mut dts = Ticks(unit.dts.0.saturating_add(shift.0));
            let pts = Ticks(unit.pts.0.saturating_add(shift.0));
            if let Some(Some(latest)) = self.latest.get(track) {
                dts = dts.max(*latest);
            }
            if let Some(latest) = self.latest.get_mut(track) {
                *latest = Some(dts);
            }
            placed.push(LiveUnit { data: unit.data.clone(), dts, pts, sync: unit.sync });
        }
        Some(placed)
    }
}
