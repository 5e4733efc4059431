//! From the 33-bit times of packets to one timeline without wraps and jumps.

/// One second of the 90 kHz that a program stream counts.
const SECOND: i64 = 90_000;
/// The clock wraps here, after 26.5 hours.
pub(super) const WRAP: i64 = 1 << 33;
/// Farther than this from where a track should be, its time has jumped: at most 0.7 s may lie between two times of a
/// stream (ISO 13818-1 2.7.4).
const MAX_STEP: i64 = SECOND;
/// Unless the step forward is no longer than this: then something is missing, as where reception broke off, and what is
/// there keeps its time. So do players.
const MAX_GAP: i64 = 10 * SECOND;
/// Between two packs lies at most 0.7 s (ISO 13818-1 2.7.1): a longer step is a jump of the clock.
const MAX_CLOCK_STEP: i64 = SECOND;

/// The file's timeline, common to all its tracks.
///
/// Titles that were joined to one file each start at a time of their own. The first track to come to such a place
/// decides how far the new part is moved, so that it goes on without a gap; the others follow it, so that sound and
/// picture of the new part stay together. A short step forward, and one to where another track is already, is a gap.
#[derive(Debug, Default)]
pub(in crate::container) struct Timeline {
    /// The first time of the file: zero, for a start.
    base: Option<u64>,
    /// What is added to the times of the newest part, in 90 kHz.
    newest: i64,
    /// The last system clock reference, and all its steps but the jumps added up.
    clock: Option<u64>,
    clock_sum: i64,
    /// Where the track that was placed last is.
    now: i64,
    /// Parts that were moved since the last look.
    jumps: Vec<i64>,
}

/// Where one track is on the timeline.
#[derive(Debug, Default)]
pub(in crate::container) struct Place {
    offset: i64,
    /// `clock_sum` when this track's last time came.
    clock_sum: i64,
}

/// A packet's time with the state of the clock when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::container) struct Stamp {
    /// 90 kHz modulo 2^33.
    pub pts: u64,
    /// How much earlier it is decoded than shown, in 90 kHz.
    pub delay: i64,
    /// [`Timeline::clock_sum`].
    clock_sum: i64,
}

impl Stamp {
    /// The decode time in place of that of showing.
    pub fn decoding(self) -> Self {
        Self { pts: self.pts.wrapping_sub(self.delay as u64) & (WRAP as u64 - 1), delay: 0, ..self }
    }

    /// How far it is from `pts`, either way, in 90 kHz.
    pub fn distance(self, pts: u64) -> u64 {
        difference(self.pts, pts).unsigned_abs()
    }

    /// The same, so many ticks of 90 kHz earlier.
    pub fn earlier(self, ticks: u64) -> Self {
        Self { pts: self.pts.wrapping_sub(ticks) & (WRAP as u64 - 1), ..self }
    }
}

impl Timeline {
    /// A pack's system clock reference.
    pub fn handle_clock(&mut self, clock: u64) {
        if let Some(last) = self.clock {
            let step = difference(clock, last);
            if (0..=MAX_CLOCK_STEP).contains(&step) {
                self.clock_sum += step;
            }
        }
        self.clock = Some(clock);
    }

    pub fn stamp(&self, pts: u64) -> Stamp {
        Stamp { pts, delay: 0, clock_sum: self.clock_sum }
    }

    /// With a decode time; one after that of showing says nothing.
    pub fn stamp_both(&self, pts: u64, dts: Option<u64>) -> Stamp {
        let delay = dts.map_or(0, |dts| difference(pts, dts).max(0));
        Stamp { delay, ..self.stamp(pts) }
    }

    /// Puts a time of a track on the timeline, in 90 kHz from the file's first time; `expected` is where the track
    /// should be by what came before, if anything did.
    pub fn place(&mut self, track: &mut Place, stamp: Stamp, expected: Option<i64>) -> i64 {
        let base = *self.base.get_or_insert(stamp.pts);
        let from_base = difference(stamp.pts, base);
        let Some(expected) = expected else {
            *track = Place { offset: self.newest, clock_sum: stamp.clock_sum };
            let time = nearest(from_base + self.newest, self.now);
            self.now = time;
            return time;
        };
        // The clock went on by this while the track had nothing: a pause that long is one, and no jump.
        let pause = stamp.clock_sum - std::mem::replace(&mut track.clock_sum, stamp.clock_sum);
        let at = |offset: i64| nearest(from_base + offset, expected);
        let fits = |offset: &i64| {
            (-MAX_STEP..=MAX_STEP.max(pause.saturating_add(MAX_STEP))).contains(&(at(*offset) - expected))
        };
        let is_gap = |offset: &i64| {
            let ahead = at(*offset) - expected;
            ahead > 0 && (ahead <= MAX_GAP || (at(*offset) - self.now).abs() <= MAX_STEP)
        };
        let (own, newest) = (Some(track.offset), Some(self.newest));
        track.offset = match own.filter(fits).or(newest.filter(fits)).or(own.filter(is_gap)) {
            Some(offset) => offset,
            None => {
                let jump = at(track.offset) - expected;
                self.jumps.push(jump);
                self.newest = track.offset - jump;
                self.newest
            }
        };
        let time = at(track.offset);
        self.now = time;
        time
    }

    /// Where the track that was placed last is, in 90 kHz.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// The jumps found since the last call, in 90 kHz, for notes.
    pub fn take_jumps(&mut self) -> Vec<i64> {
        std::mem::take(&mut self.jumps)
    }
}

/// `a - b` of two 33-bit times, at most half a wrap either way.
fn difference(a: u64, b: u64) -> i64 {
    let difference = (a.wrapping_sub(b) & (WRAP as u64 - 1)) as i64;
    if difference >= WRAP / 2 { difference - WRAP } else { difference }
}

/// `time` moved by whole wraps to be as near as can be to `expected`.
pub(super) fn nearest(time: i64, expected: i64) -> i64 {
    let ahead = (time - expected).rem_euclid(WRAP);
    expected + if ahead >= WRAP / 2 { ahead - WRAP } else { ahead }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clock references and times of two tracks (0, 1) that each go on by `STEP`, and where the times come to lie.
    enum Input {
        Clock(u64),
        Time(usize, u64, i64),
    }
    use Input::{Clock, Time};
    const STEP: i64 = 3600;
    const TOP: u64 = 1 << 33;

    fn check(name: &str, jumps: usize, inputs: &[Input]) {
        let (mut timeline, mut places, mut last) =
            (Timeline::default(), [Place::default(), Place::default()], [None; 2]);
        for (index, input) in inputs.iter().enumerate() {
            match *input {
                Clock(clock) => timeline.handle_clock(clock),
                Time(track, pts, expected) => {
                    let stamp = timeline.stamp(pts);
                    let time = timeline.place(&mut places[track], stamp, last[track].map(|time: i64| time + STEP));
                    assert_eq!(time, expected, "{name}, input {index}");
                    last[track] = Some(time);
                }
            }
        }
        assert_eq!(timeline.take_jumps().len(), jumps, "{name}");
    }

    #[test]
    fn times_go_on_over_wraps_and_jumps() {
        check("one after another", 0, &[Time(0, 60_000, 0), Time(0, 63_600, 3600), Time(1, 62_000, 2000)]);
        check("a track that began earlier", 0, &[Time(0, 60_000, 0), Time(1, 50_000, -10_000)]);
        check("a wrap", 0, &[Time(0, TOP - 3600, 0), Time(1, TOP - 100, 3500), Time(0, 0, 3600), Time(1, 3500, 7100)]);
        check("a gap of half a second is kept", 0, &[Time(0, 0, 0), Time(0, 48_600, 48_600)]);
        check(
            "a new part, which the other track joins",
            1,
            &[
                Time(0, 900_000, 0),
                Time(1, 900_100, 100),
                Time(0, 10_000, 3600),
                Time(1, 903_700, 3700),
                Time(1, 13_000, 6600),
            ],
        );
        check("forward", 1, &[Time(0, 0, 0), Time(0, 9_000_000, 3600), Time(0, 9_003_600, 7200)]);
        let gap = [Time(0, 0, 0), Time(1, 100, 100), Time(0, 810_000, 810_000), Time(1, 813_000, 813_000)];
        check("a gap of nine seconds in both", 0, &gap);
        let sound = (1..=15).map(|second| Time(1, second * 90_000, second as i64 * 90_000));
        let late = [Time(0, 1_350_000, 1_350_000), Time(0, 1_353_600, 1_353_600)];
        let still: Vec<_> = [Time(0, 0, 0), Time(1, 0, 0)].into_iter().chain(sound).chain(late).collect();
        check("a longer one that the other track doesn't have", 0, &still);
        let begin = || [Time(0, 0, 0), Time(1, 0, 0)].into_iter();
        let short_first = [Time(1, 895_000, 895_000), Time(0, 910_000, 910_000)];
        let long_first = [Time(0, 910_000, 3600), Time(1, 895_000, -11_400)];
        check("a gap for one is one for the other", 0, &begin().chain(short_first).collect::<Vec<_>>());
        check("so is a jump", 1, &begin().chain(long_first).collect::<Vec<_>>());
        let clocks = (0..10).map(|second| Clock(second * 90_000));
        let pause: Vec<_> = clocks.chain([Time(0, 850_000, 850_000)]).collect();
        let pause: Vec<_> = [Clock(0), Time(0, 0, 0)].into_iter().chain(pause).collect();
        check("a pause that the clock has too", 0, &pause);
        check(
            "a pause in which the clock jumps",
            1,
            &[Clock(0), Time(0, 0, 0), Clock(8_000_000), Time(0, 8_500_000, 3600)],
        );
    }
}
