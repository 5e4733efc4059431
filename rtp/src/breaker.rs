//! When a sender must stop for the network's sake: the circuit breakers of RFC 8083.
//!
//! Sans-IO: `report` for every report block on the source; what it answers is why to stop, if so. `check` now and then,
//! for the receiver that says nothing at all. Only for datagrams: a connection's own congestion control does more.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// `k`: reports one after another by which nothing has arrived (4.2).
const SILENT_REPORTS: u32 = 5;

/// `Tf`, the time of a picture; no film has fewer pictures than ten a second that would matter here.
const FRAME: f64 = 0.1;

/// Above TCP by so much it is too much (4.3).
const TOO_FAST: f64 = 10.0;

/// Reports that are remembered; the interval of 4.3 is bounded to it, so that nobody's round trip makes us keep more.
const REMEMBERED: usize = 32;

/// `Tdr` is not taken for shorter: reports may come in bursts.
const LEAST_GAP: f64 = 0.1;

/// Which breakers are in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Breakers {
    /// None.
    Off,
    /// Media timeout (4.2) and congestion (4.3). The default: who reports is believed, who doesn't report is not cut off,
    /// since there are players and firewalls that let no report through, and RTSP says whether the viewer lives. Nor is
    /// who reports for a sign of life only, always the same number from the first report on.
    #[default]
    Reported,
    /// The RTCP timeout (4.1) as well.
    All,
}

/// Why to stop.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Tripped {
    /// 4.1.
    #[error("no receiver report for {} s", .0.as_secs())]
    NoReports(Duration),
    /// 4.2.
    #[error("{0} receiver reports, and no packet has arrived")]
    NothingArrives(u32),
    /// 4.3, both in bits per second.
    #[error("{rate} bit/s are sent where TCP would send {allowed}")]
    Congestion {
        /// What was sent.
        rate: u64,
        /// What TCP would reach, about.
        allowed: u64,
    },
}

/// What a report block says, with what we know ourselves.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// Of 256 packets.
    pub fraction_lost: u8,
    /// Extended highest sequence number.
    pub highest_sequence: u32,
    /// If it is known by now.
    pub round_trip: Option<Duration>,
    /// Packets sent so far.
    pub packets: u64,
    /// Their payload bytes.
    pub octets: u64,
}

/// The breakers of one source.
#[derive(Clone, Debug)]
pub struct Breaker {
    breakers: Breakers,
    /// Since when it sends without having heard anything.
    waiting: Option<Instant>,
    silent: u32,
    /// The highest sequence number has risen at least once.
    progressed: bool,
    /// Newest first.
    reports: VecDeque<(Instant, Heard)>,
}

impl Breaker {
    /// Nothing sent yet.
    pub fn new(breakers: Breakers) -> Self {
        Self { breakers, waiting: None, silent: 0, progressed: false, reports: VecDeque::new() }
    }

    /// Sending begins.
    pub fn start(&mut self, now: Instant) {
        *self = Self { waiting: Some(now), ..Self::new(self.breakers) };
    }

    /// Sending ends: all breakers are cancelled.
    pub fn stop(&mut self) {
        *self = Self::new(self.breakers);
    }

    /// Whether reports have failed to come, by the deterministic interval `td`.
    pub fn check(&self, td: Duration, now: Instant) -> Option<Tripped> {
        let silence = now.saturating_duration_since(self.waiting?);
        (self.breakers == Breakers::All && silence >= 3 * td).then_some(Tripped::NoReports(silence))
    }

    /// A report block on the source came; `td` is the deterministic interval of reports.
    pub fn report(&mut self, heard: Heard, td: Duration, now: Instant) -> Option<Tripped> {
        self.waiting.as_mut()?;
        self.waiting = Some(now);
        if self.breakers == Breakers::Off {
            return None;
        }
        let before = self.reports.front().map(|(_, before)| *before);
        self.reports.truncate(REMEMBERED - 1);
        self.reports.push_front((now, heard));
        let round_trip = heard.round_trip.unwrap_or_default().as_secs_f64();
        let gap = self.gap().unwrap_or(td.as_secs_f64()).min(td.as_secs_f64());
        let before = before.filter(|before| before.packets < heard.packets)?;
        if heard.highest_sequence == before.highest_sequence {
            if !self.progressed && self.breakers != Breakers::All {
                return None;
            }
            self.silent += 1;
            let most = (f64::from(SILENT_REPORTS) * FRAME.max(round_trip).max(gap) / gap).ceil();
            return (f64::from(self.silent) >= most).then_some(Tripped::NothingArrives(self.silent));
        }
        (self.silent, self.progressed) = (0, true);
        let td = td.as_secs_f64();
        let reaction = (10.0 * FRAME).max(10.0 * round_trip).max(3.0 * gap).min(15f64.max(3.0 * td));
        let intervals = (reaction / gap).ceil().clamp(3.0, (REMEMBERED - 1) as f64) as usize;
        self.congestion(intervals, round_trip, gap)
    }

    /// Compares the rate of the last so many intervals with TCP's by the equation of 4.3, with `b` = 1.
    fn congestion(&self, intervals: usize, round_trip: f64, gap: f64) -> Option<Tripped> {
        let (now, newest) = self.reports.front()?;
        let (then, oldest) = self.reports.get(intervals)?;
        let total = now.saturating_duration_since(*then).as_secs_f64();
        let (packets, octets) = (newest.packets - oldest.packets, newest.octets - oldest.octets);
        if total <= 0.0 || round_trip <= 0.0 || (packets as f64) * gap.max(round_trip) < total {
            return None;
        }
        let pairs = self.reports.iter().zip(self.reports.iter().skip(1)).take(intervals);
        let lost: f64 = pairs
            .map(|((at, heard), (before, _))| {
                f64::from(heard.fraction_lost) / 256.0 * at.saturating_duration_since(*before).as_secs_f64()
            })
            .sum();
        let loss = lost / total;
        if loss <= 0.0 {
            return None;
        }
        let size = octets as f64 / packets as f64;
        let allowed = size / (round_trip * (2.0 * loss / 3.0).sqrt());
        let rate = octets as f64 / total;
        let tripped = Tripped::Congestion { rate: (8.0 * rate) as u64, allowed: (8.0 * allowed) as u64 };
        (rate > TOO_FAST * allowed).then_some(tripped)
    }

    /// The mean time between the last reports.
    fn gap(&self) -> Option<f64> {
        let ((newest, _), (oldest, _)) = (self.reports.front()?, self.reports.back()?);
        let gaps = self.reports.len() - 1;
        (gaps > 0).then(|| (newest.saturating_duration_since(*oldest).as_secs_f64() / gaps as f64).max(LEAST_GAP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TD: Duration = Duration::from_secs(5);

    /// Reports every 5 s on a stream of 100 packets of 1250 bytes a second (1 Mbit/s): which of them trips, and how.
    fn run(breakers: Breakers, reports: u64, heard: impl Fn(u64) -> (u8, u32, u64)) -> Option<(u64, Tripped)> {
        let (mut breaker, start) = (Breaker::new(breakers), Instant::now());
        breaker.start(start);
        (1..=reports).find_map(|number| {
            let (fraction_lost, highest_sequence, millis) = heard(number);
            let round_trip = Some(Duration::from_millis(millis));
            let (packets, octets) = (number * 500, number * 500 * 1_250);
            let heard = Heard { fraction_lost, highest_sequence, round_trip, packets, octets };
            breaker.report(heard, TD, start + TD * number as u32).map(|tripped| (number, tripped))
        })
    }

    #[test]
    fn heavy_loss_over_a_long_way_trips_and_light_loss_does_not() {
        let at = |lost: u8, millis| run(Breakers::Reported, 20, move |n| (lost, n as u32 * 500, millis));
        // Lost of 256, round trip in ms, and whether ten times what TCP would send is exceeded.
        for (lost, millis, trips) in
            [(0, 300, false), (26, 100, false), (26, 400, true), (128, 30, false), (128, 300, true), (255, 1, false)]
        {
            let tripped = at(lost, millis);
            assert_eq!(tripped.is_some(), trips, "{lost} of 256 lost, {millis} ms: {tripped:?}");
            // Three intervals lie between four reports.
            if let Some((number, tripped)) = tripped {
                assert!(number == 4 && matches!(tripped, Tripped::Congestion { .. }), "{number}: {tripped:?}");
            }
        }
        assert_eq!(run(Breakers::Off, 20, |n| (255, n as u32, 900)), None);
        // A bad minute that is over before three intervals have passed.
        assert_eq!(run(Breakers::Reported, 20, |n| (if n % 4 == 0 { 26 } else { 0 }, n as u32 * 500, 400)), None);
    }

    #[test]
    fn five_reports_without_progress_trip() {
        let tripped = run(Breakers::Reported, 20, |n| (0, (n.min(3) * 500) as u32, 20));
        assert_eq!(tripped, Some((8, Tripped::NothingArrives(5))));
        // Progress in between begins the count anew.
        assert_eq!(run(Breakers::Reported, 40, |n| (0, (n / 4 * 500) as u32, 20)), None);
        // A way that is longer than the time between reports takes more of them.
        let far = run(Breakers::All, 40, |_| (0, 7, 10_000));
        assert_eq!(far, Some((11, Tripped::NothingArrives(10))));
        assert_eq!(run(Breakers::Reported, 40, |_| (0, 7, 20)), None, "a sign of life only");
    }

    #[test]
    fn who_reports_nothing_is_cut_off_only_where_that_is_wanted() {
        let now = Instant::now();
        for (breakers, seconds, trips) in
            [(Breakers::All, 14, false), (Breakers::All, 15, true), (Breakers::Reported, 600, false)]
        {
            let mut breaker = Breaker::new(breakers);
            assert_eq!(breaker.check(TD, now + Duration::from_secs(seconds)), None, "nothing is sent");
            breaker.start(now);
            let tripped = breaker.check(TD, now + Duration::from_secs(seconds));
            assert_eq!(tripped.is_some(), trips, "{breakers:?} after {seconds} s");
            breaker.stop();
            assert_eq!(breaker.check(TD, now + Duration::from_secs(900)), None);
        }
    }

    #[test]
    fn a_stream_that_does_not_flow_is_not_judged() {
        let (mut breaker, start) = (Breaker::new(Breakers::Reported), Instant::now());
        breaker.start(start);
        for number in 1..30 {
            let heard = Heard {
                fraction_lost: 255,
                highest_sequence: 9,
                round_trip: Some(Duration::from_secs(2)),
                packets: 7,
                octets: 9_000,
            };
            assert_eq!(breaker.report(heard, TD, start + TD * number), None);
        }
    }
}
