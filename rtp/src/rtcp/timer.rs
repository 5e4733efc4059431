//! When a participant's reports are due (RFC 3550 section 6.3 and appendix A.7).

use std::time::{Duration, Instant};

/// Of the session bandwidth, how much RTCP takes: 5 % (6.2).
const RTCP_SHARE: f64 = 0.05;

/// Of that, how much senders have for themselves while they are no more than this share of the members (6.2).
const SENDERS_SHARE: f64 = 0.25;

/// Bytes of a compound with its IP and UDP headers, before one was seen: SR and SDES from us, RR and SDES back.
const AVERAGE_SIZE: f64 = 28.0 + 28.0 + 32.0;

/// IP and UDP headers, which the average size counts (6.3).
const LOWER_HEADERS: f64 = 28.0;

/// `Tmin` behind the first report (6.3.1); the first goes with the first packet, as unicast may (6.2).
const MINIMUM: f64 = 5.0;

/// Where in the range of random intervals the second report lies, always. GStreamer learns a track's clock from two seconds of
/// its packets, and what tracks have to do with one another from reports alone: who joins a channel begins with a burst, of
/// each track another one, and would be wrong until the next reports, which may be those of 8 s. So the second reports of all
/// tracks go together, when those two seconds are just over: 2.46 s behind the first, where bandwidth asks for no more.
const SECOND: f64 = 0.1;

/// e - 3/2 (6.3.1): makes up for reconsideration, which by itself makes intervals longer on average.
const COMPENSATION: f64 = std::f64::consts::E - 1.5;

/// One sender's timer, with timer reconsideration (6.3.6) and reverse reconsideration (6.3.4).
///
/// `start` when packets begin to flow; when `due` has come ask `expires`, and only if that is true send a report and say
/// `sent`. `heard` and `set_members` tell of the others.
#[derive(Clone, Debug)]
pub struct ReportTimer {
    /// Bytes per second, of all members together.
    bandwidth: f64,
    random: u64,
    /// Participants, ourselves among them.
    members: u32,
    average_size: f64,
    last: Option<Instant>,
    due: Option<Instant>,
    /// The next report is the second since packets began to flow.
    second: bool,
}

impl ReportTimer {
    /// For one sender and one receiver. `session_bandwidth_bps` as of [`crate::sender::Sender::new`]; `seed` only spreads
    /// the reports of many senders in time.
    pub fn new(session_bandwidth_bps: u64, seed: u64) -> Self {
        Self {
            bandwidth: session_bandwidth_bps as f64 / 8.0 * RTCP_SHARE,
            random: seed,
            members: 2,
            average_size: AVERAGE_SIZE,
            last: None,
            due: None,
            second: false,
        }
    }

    /// A report is due at once, since packets are about to flow.
    pub fn start(&mut self, now: Instant) {
        (self.last, self.due) = (None, Some(now));
    }

    /// No report is due any more.
    pub fn stop(&mut self) {
        self.due = None;
    }

    /// When it expires next; `None` while stopped.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether a report is to be sent now. Where the timer has run out it is drawn anew from the time of the last report
    /// (6.3.6): if that lies ahead, it runs on until then.
    pub fn expires(&mut self, now: Instant) -> bool {
        if self.due.is_none_or(|due| now < due) {
            return false;
        }
        let Some(last) = self.last else { return true };
        let again = last + self.interval();
        let expires = again <= now;
        if !expires {
            self.due = Some(again);
        }
        expires
    }

    /// A report of so many bytes was sent.
    pub fn sent(&mut self, bytes: usize, now: Instant) {
        self.heard(bytes);
        self.second = self.last.replace(now).is_none();
        if self.due.is_some() {
            self.due = Some(now + self.interval());
        }
    }

    /// A compound of so many bytes was sent by somebody.
    pub fn heard(&mut self, bytes: usize) {
        self.average_size += (bytes as f64 + LOWER_HEADERS - self.average_size) / 16.0;
    }

    /// How many take part now, ourselves among them. When some have left, the timer goes ahead of itself in proportion
    /// (6.3.4), so that many who leave at once don't make the others look dead.
    pub fn set_members(&mut self, members: u32, now: Instant) {
        let members = members.max(1);
        let before = std::mem::replace(&mut self.members, members);
        if members < before {
            let share = f64::from(members) / f64::from(before);
            self.due = self.due.map(|due| now + due.saturating_duration_since(now).mul_f64(share));
            self.last = self.last.map(|last| {
                let passed = now.saturating_duration_since(last).mul_f64(share);
                now.checked_sub(passed).unwrap_or(last)
            });
        }
    }

    /// The deterministic interval of 6.3.1, `Td`.
    pub fn deterministic(&self) -> Duration {
        let members = f64::from(self.members);
        let sharing = if members * SENDERS_SHARE < 1.0 { members } else { 1.0 / SENDERS_SHARE };
        let by_bandwidth = sharing * self.average_size / self.bandwidth;
        // A bandwidth that is not known, or none.
        let seconds = if by_bandwidth.is_finite() { by_bandwidth.max(MINIMUM) } else { MINIMUM };
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(3600))
    }

    /// Random by half to both sides; that before the second report always the same.
    fn interval(&mut self) -> Duration {
        let drawn = if self.second { SECOND } else { self.uniform() };
        self.deterministic().mul_f64((0.5 + drawn) / COMPENSATION)
    }

    /// The next of a run of numbers in 0..1: splitmix64, 8 bytes of state for each of very many senders.
    fn uniform(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) as f64 / 2f64.powi(64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that keep the average where it is.
    const SIZE: usize = (AVERAGE_SIZE - LOWER_HEADERS) as usize;

    /// The first `count` intervals after the first report.
    fn intervals(timer: &mut ReportTimer, count: usize) -> Vec<f64> {
        let mut now = Instant::now();
        timer.start(now);
        assert!(timer.expires(now), "the first goes with the first packet");
        timer.sent(SIZE, now);
        let mut all = Vec::new();
        while all.len() < count {
            let last = now;
            loop {
                now = timer.due().unwrap();
                assert!(!timer.expires(now - Duration::from_millis(1)), "before its time");
                if timer.expires(now) {
                    break;
                }
                assert!(timer.due().unwrap() > now, "reconsidered, and not later");
            }
            timer.sent(SIZE, now);
            all.push((now - last).as_secs_f64());
        }
        all
    }

    #[test]
    fn intervals_are_spread_over_the_standards_range() {
        // Bandwidth, members, and the deterministic interval: 5 s, or what 5 % of a thin session leaves to two members, or
        // to the one sender among many.
        for (bandwidth, members, base) in
            [(0, 2, 5.0), (1_500_000, 2, 5.0), (1_000, 2, 2.0 * 88.0 / 6.25), (1_000, 400, 4.0 * 88.0 / 6.25)]
        {
            let mut timer = ReportTimer::new(bandwidth, 1);
            timer.set_members(members, Instant::now());
            assert!((timer.deterministic().as_secs_f64() - base).abs() < 1e-6);
            let seconds = intervals(&mut timer, 3_000);
            let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
            // Reconsideration and its compensation even out.
            assert!((mean / base - 1.0).abs() < 0.03, "{bandwidth}: {mean} s rather than {base}");
            let bounds = (0.5 / COMPENSATION * base - 1e-6)..(1.5 / COMPENSATION * base + 1e-6);
            assert!(seconds.iter().all(|s| bounds.contains(s)), "{bandwidth}, {members}");
        }
        let run = |seed| intervals(&mut ReportTimer::new(1, seed), 9);
        assert_eq!(run(5), run(5), "a seed reproduces them");
        assert_ne!(run(5), run(6));
    }

    #[test]
    fn second_reports_of_all_tracks_go_together() {
        let seconds = [1, 2, 3].map(|seed| intervals(&mut ReportTimer::new(500_000, seed), 3));
        for track in &seconds {
            assert!((2.0..2.5).contains(&track[0]), "behind the first two seconds, and soon: {track:?}");
            assert_eq!(track[0], seconds[0][0]);
        }
        assert_ne!(seconds[0][1], seconds[1][1], "later ones are spread");
    }

    #[test]
    fn reports_are_due_only_while_packets_flow() {
        let (mut timer, now) = (ReportTimer::new(0, 1), Instant::now());
        assert!(timer.due().is_none() && !timer.expires(now));
        timer.start(now);
        timer.sent(SIZE, now);
        assert!(timer.due().is_some_and(|due| due > now));
        timer.stop();
        timer.sent(SIZE, now);
        assert_eq!(timer.due(), None);
        let later = now + Duration::from_secs(1);
        timer.start(later);
        assert!(timer.expires(later), "after a pause at once again");
    }

    #[test]
    fn who_leaves_brings_the_next_report_nearer() {
        let (mut timer, now) = (ReportTimer::new(1_000, 3), Instant::now());
        timer.set_members(100, now);
        timer.start(now);
        timer.sent(SIZE, now);
        let left = timer.due().unwrap() - now;
        timer.set_members(25, now);
        let quarter = timer.due().unwrap() - now;
        assert!((quarter.as_secs_f64() * 4.0 - left.as_secs_f64()).abs() < 1e-6);
        // More members than before change nothing at once.
        timer.set_members(1_000, now);
        assert_eq!(timer.due().unwrap() - now, quarter);
    }

    #[test]
    fn the_average_size_follows_what_is_heard() {
        let mut timer = ReportTimer::new(1_000, 1);
        for _ in 0..200 {
            timer.heard(1_000);
        }
        assert!((timer.deterministic().as_secs_f64() - 2.0 * 1_028.0 / 6.25).abs() < 1.0);
    }
}
