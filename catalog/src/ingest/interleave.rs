//! Lays the samples of all tracks into one run of bytes in the order of their decode times.
//!
//! Who plays reads the media object front to back, so what is due together should lie together. A container's
//! own order is only roughly so: samples wait here until each track has one, and the one decoded first goes
//! out. What waits is bounded by [`WINDOW`] bytes. Where a container's tracks lie further apart than that (or one
//! has long gaps), samples go out in the container's order; they are found all the same, by their table, and
//! only the reader's locality suffers.

use crate::container::{DemuxedSample, TrackInfo};
use crate::index::Track;
use crate::sample::{MAX_SAMPLE_SIZE, MAX_TICKS, Sample, TableBuilder, TableError};
use rtp::clock::{MediaTime, Ticks};
use std::collections::VecDeque;

/// Bytes that wait at most, 16 MiB: some 20 s of a DVD's rate.
pub(super) const WINDOW: usize = 16 << 20;
/// What a waiting sample costs beside its bytes, roughly.
const ENTRY: usize = 64;

/// See the module's page. `push` samples, `pop` bytes.
pub(super) struct Interleaver {
    lanes: Vec<Lane>,
    waiting: usize,
    window: usize,
    offset: u64,
    ended: bool,
}

struct Lane {
    info: TrackInfo,
    table: TableBuilder,
    pending: VecDeque<Pending>,
    last_dts: Option<Ticks>,
    raised: u64,
    /// Left out, and the reason of the first.
    bad: u64,
    first_bad: Option<String>,
}

struct Pending {
    bytes: Vec<u8>,
    due: MediaTime,
    dts: Ticks,
    pts: Ticks,
    duration: Ticks,
    sync: bool,
}

impl Interleaver {
    pub fn new(window: usize) -> Self {
        Self { lanes: Vec::new(), waiting: 0, window, offset: 0, ended: false }
    }

    pub fn add_track(&mut self, info: TrackInfo) {
        self.lanes.push(Lane {
            info,
            table: TableBuilder::new(),
            pending: VecDeque::new(),
            last_dts: None,
            raised: 0,
            bad: 0,
            first_bad: None,
        });
    }

    pub fn tracks(&self) -> usize {
        self.lanes.len()
    }

    /// Takes a sample in; one that its format can't store is left out and told by `finish`. A sample of no
    /// track is passed over.
    pub fn push(&mut self, sample: &DemuxedSample) {
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.info.number == sample.track) else { return };
        self.waiting += lane.push(sample);
    }

    /// No more samples will come.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Appends the next sample's stored bytes to `out`. False where more samples must be pushed first, or
    /// all are out.
    pub fn pop(&mut self, out: &mut Vec<u8>) -> Result<bool, TableError> {
        let may = self.ended || self.waiting > self.window || self.lanes.iter().all(|lane| !lane.pending.is_empty());
        if !may {
            return Ok(false);
        }
        let due = |lane: &Lane| lane.pending.front().map(|pending| pending.due);
        let Some(lane) = self.lanes.iter_mut().filter(|lane| due(lane).is_some()).min_by_key(|lane| due(lane)) else {
            return Ok(false);
        };
        let Some(next) = lane.pending.pop_front() else { return Ok(false) };
        self.waiting -= next.bytes.len() + ENTRY;
        let size = u32::try_from(next.bytes.len()).unwrap_or(u32::MAX);
        let sample = Sample { offset: self.offset, size, dts: next.dts, pts: next.pts, sync: next.sync };
        match lane.table.push(sample, next.duration) {
            Ok(()) => {
                self.offset += u64::from(size);
                out.extend_from_slice(&next.bytes);
            }
            Err(error @ TableError::TooMany) => return Err(error),
            Err(error) => lane.leave_out(error.to_string()),
        }
        Ok(true)
    }

    /// The tracks that have samples, numbered from 1, and what people should know of them.
    pub fn finish(self, notes: &mut Vec<String>) -> Vec<Track> {
        let mut tracks = Vec::new();
        for (lane, id) in self.lanes.into_iter().zip(1..) {
            let what = lane.info.format.describe();
            if lane.bad > 0 {
                let reason = lane.first_bad.unwrap_or_default();
                notes.push(format!("track {id} ({what}): {} samples left out, the first because {reason}", lane.bad));
            }
            if lane.raised > 0 {
                notes.push(format!("track {id} ({what}): {} decode times ran backwards", lane.raised));
            }
            if lane.table.is_empty() {
                notes.push(format!("track {id} ({what}): left out, it has no samples"));
                continue;
            }
            let samples = lane.table.finish();
            let rates = samples.rates(lane.info.format.clock_rate());
            tracks.push(Track {
                id,
                format: lane.info.format,
                language: lane.info.language,
                bandwidth_bps: rates.peak_bps,
                average_bps: rates.average_bps,
                samples,
            });
        }
        tracks
    }
}

impl Lane {
    /// The bytes that wait because of it.
    fn push(&mut self, sample: &DemuxedSample) -> usize {
        let mut bytes = Vec::with_capacity(sample.data.len() + ENTRY);
        if let Err(error) = self.info.format.store(&sample.data, sample.sync, &mut bytes) {
            self.leave_out(error.to_string());
            return 0;
        }
        if bytes.len() > MAX_SAMPLE_SIZE as usize {
            self.leave_out(format!("it has {} bytes", bytes.len()));
            return 0;
        }
        let clock = self.info.format.clock_rate();
        let ticks = |time| clock.rescale(time, self.info.timescale);
        let (dts, pts) = (ticks(sample.dts), ticks(sample.pts));
        if !(-MAX_TICKS..MAX_TICKS).contains(&dts.0) {
            // Taken as the last time, it would hold up all that follow.
            self.leave_out(format!("it is decoded at tick {}", dts.0));
            return 0;
        }
        // By the ends, so that the rounding of each does not add up.
        let end = ticks(sample.pts.saturating_add(sample.duration.max(0)));
        let duration = Ticks(end.0.saturating_sub(pts.0));
        let dts = match self.last_dts {
            Some(last) if dts < last => {
                self.raised += 1;
                last
            }
            _ => dts,
        };
        self.last_dts = Some(dts);
        let waits = bytes.len() + ENTRY;
        self.pending.push_back(Pending { bytes, due: clock.time(dts), dts, pts, duration, sync: sample.sync });
        waits
    }

    fn leave_out(&mut self, reason: String) {
        self.bad += 1;
        self.first_bad.get_or_insert(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use rtp::format::Format;

    fn aac(number: u32, sample_rate: u32) -> TrackInfo {
        let format = Format::Aac { config: vec![0x12, 0x10], sample_rate, channels: 2 };
        TrackInfo { number, format, language: None, timescale: 1_000 }
    }

    fn sample(track: u32, ms: i64, data: &[u8]) -> DemuxedSample {
        let data = Bytes::copy_from_slice(data);
        DemuxedSample { track, dts: ms, pts: ms, duration: 20, sync: true, data }
    }

    fn run(interleaver: &mut Interleaver, out: &mut Vec<u8>) {
        while interleaver.pop(out).unwrap() {}
    }

    #[test]
    fn samples_come_out_by_their_times() {
        let mut interleaver = Interleaver::new(WINDOW);
        interleaver.add_track(aac(7, 44_100));
        interleaver.add_track(aac(9, 48_000));
        let mut out = Vec::new();
        for ms in [0, 20, 40, 60] {
            interleaver.push(&sample(7, ms, &[b'a' + (ms / 20) as u8; 2]));
        }
        run(&mut interleaver, &mut out);
        assert!(out.is_empty(), "the other track may have something earlier");
        for ms in [-5, 20, 41] {
            interleaver.push(&sample(9, ms, b"x"));
        }
        interleaver.push(&sample(8, 0, b"of no track"));
        run(&mut interleaver, &mut out);
        assert_eq!(out, b"xaabbxccx");
        interleaver.end();
        run(&mut interleaver, &mut out);
        assert_eq!(out, b"xaabbxccxdd");
        let tracks = interleaver.finish(&mut Vec::new());
        let offsets: Vec<Vec<u64>> =
            tracks.iter().map(|track| track.samples.iter_from(0).map(|sample| sample.offset).collect()).collect();
        assert_eq!(offsets, [vec![1, 3, 6, 9], vec![0, 5, 8]]);
        assert_eq!(tracks[1].samples.get(0).unwrap().dts, Ticks(-240));
        assert_eq!(tracks[0].samples.end(), Ticks(80 * 441 / 10));
        assert_eq!((tracks[0].id, tracks[1].id), (1, 2));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut interleaver = Interleaver::new(10_000);
        interleaver.add_track(aac(1, 44_100));
        interleaver.add_track(aac(2, 44_100));
        let mut out = Vec::new();
        for number in 0..100 {
            interleaver.push(&sample(1, number * 20, &[1; 1_000]));
            run(&mut interleaver, &mut out);
            assert!(interleaver.waiting <= 10_000);
        }
        assert!(out.len() >= 90_000);
        interleaver.push(&sample(2, 0, &[2]));
        interleaver.end();
        run(&mut interleaver, &mut out);
        assert_eq!(out.len(), 100_001);
        assert_eq!(interleaver.waiting, 0);
    }

    #[test]
    fn damage_is_left_out_and_told() {
        let mut interleaver = Interleaver::new(0);
        for number in [1, 2] {
            interleaver.add_track(aac(number, 44_100));
        }
        let mut out = Vec::new();
        for (ms, data) in
            [(0, &b"a"[..]), (40, b""), (60, b"b"), (20, b"c"), (i64::MAX / 8, b"d"), (80, b""), (80, b"e")]
        {
            interleaver.push(&sample(1, ms, data));
        }
        interleaver.end();
        run(&mut interleaver, &mut out);
        assert_eq!(out, b"abce");
        let mut notes = Vec::new();
        let tracks = interleaver.finish(&mut notes);
        assert_eq!(tracks.len(), 1);
        assert_eq!(tracks[0].samples.get(2).unwrap().dts, Ticks(60 * 441 / 10));
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(notes[0].contains("3 samples left out") && notes[1].contains("1 decode times"), "{notes:?}");
        assert!(notes[2].contains("track 2") && notes[2].contains("no samples"), "{notes:?}");
    }
}
