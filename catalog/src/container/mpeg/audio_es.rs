//! MPEG audio in packets: frames and their times.

use super::marks::Marks;
use super::timeline::{Place, Stamp, Timeline};
use super::{CLOCK, reserve};
use crate::container::DemuxedSample;
use bytes::{Buf, Bytes, BytesMut};
use rtp::codec::frames::{Scan, Scanner};
use rtp::codec::mpeg_audio::{FrameHeader, HEADER_LEN};
use rtp::format::Format;
use std::collections::VecDeque;

/// Frames before the first one with a time that wait for it at most, some 25 s: without limit a file without times
/// would lie in memory as a whole.
const MAX_WAITING: usize = 1000;

/// Bytes that must come before what was not enough for a frame is looked at again: looking for the end of a frame that
/// doesn't say its length goes over all of it, and packets may be of one byte.
const STEP: usize = 256;

/// Cuts one stream into frames, each an access unit.
///
/// A frame's time is the last one plus the samples since, so that nothing adds up; a packet's own time counts where it
/// is more than its rounding away from that.
#[derive(Debug)]
pub(super) struct AudioEs {
    track: u32,
    buffer: BytesMut,
    /// Where `buffer` begins in the stream.
    base: u64,
    marks: Marks,
    scanner: Scanner<FrameHeader>,
    /// The first frame's header, which the track is announced by.
    first: Option<FrameHeader>,
    clock: SampleClock,
    /// Bytes that `buffer` should have to be looked at again.
    enough: usize,
    /// Bytes between frames.
    junk: u64,
}

impl AudioEs {
    pub fn new(track: u32) -> Self {
        let (buffer, marks, scanner) = (BytesMut::new(), Marks::default(), Scanner::new());
        Self { track, buffer, base: 0, marks, scanner, first: None, clock: SampleClock::default(), enough: 0, junk: 0 }
    }

    /// Known from the first frame on.
    pub fn format(&self) -> Option<Format> {
        let first = self.first?;
        Some(Format::Mpa { layer: first.layer, sample_rate: first.sample_rate, channels: first.channels() })
    }

    /// Ticks per second of the samples' times: a common multiple of the 90 kHz clock and the sample rate.
    pub fn timescale(&self) -> u32 {
        self.clock.timescale
    }

    pub fn handle_payload(
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
        if self.buffer.len() >= self.enough {
            self.cut(false, timeline, out);
            self.enough = self.buffer.len() + STEP;
        }
    }

    /// The stream is over.
    pub fn finish(&mut self, timeline: &mut Timeline, out: &mut VecDeque<DemuxedSample>) {
        self.cut(false, timeline, out);
        // What a cut file ends with is decoded by players as far as it goes, so it is kept.
        if let (Some(first), Ok(header)) = (self.first, FrameHeader::parse(&self.buffer))
            && (header.layer, header.sample_rate) == (first.layer, first.sample_rate)
            && header.frame_len().is_some_and(|len| len > self.buffer.len())
            && self.buffer.len() > HEADER_LEN
        {
            self.frame(header, self.buffer.len(), timeline, out);
        }
        self.cut(true, timeline, out);
        self.clock.release(self.track, timeline, out);
    }

    /// Bytes between frames since the last call.
    pub fn take_junk(&mut self) -> u64 {
        std::mem::take(&mut self.junk)
    }

    fn cut(&mut self, at_end: bool, timeline: &mut Timeline, out: &mut VecDeque<DemuxedSample>) {
        loop {
            match self.scanner.scan(&self.buffer, at_end) {
                Scan::Frame { skip, header, len } => {
                    self.skip(skip);
                    self.frame(header, len, timeline, out);
                }
                Scan::More { skip } => return self.skip(skip),
            }
        }
    }

    fn skip(&mut self, len: usize) {
        self.buffer.advance(len.min(self.buffer.len()));
        self.base += len as u64;
        self.junk += len as u64;
    }

    fn frame(&mut self, header: FrameHeader, len: usize, timeline: &mut Timeline, out: &mut VecDeque<DemuxedSample>) {
        let stamp = self.marks.take(self.base);
        let data = self.buffer.split_to(len.min(self.buffer.len())).freeze();
        self.base += len as u64;
        if self.first.is_none() {
            self.first = Some(header);
            self.clock.timescale = common_multiple(CLOCK, header.sample_rate);
        }
        self.clock.handle(self.track, Frame { header, data, stamp }, timeline, out);
    }
}

struct Frame {
    header: FrameHeader,
    data: Bytes,
    stamp: Option<Stamp>,
}

/// Gives frames their times.
#[derive(Debug, Default)]
struct SampleClock {
    timescale: u32,
    place: Place,
    /// Where the last frame began and where the next one does, in `timescale`.
    last: Option<i64>,
    next: Option<i64>,
    /// Frames before the first time, with the sum of their durations.
    waiting: Vec<(Bytes, i64)>,
}

impl SampleClock {
    fn handle(&mut self, track: u32, frame: Frame, timeline: &mut Timeline, out: &mut VecDeque<DemuxedSample>) {
        let (samples, rate) = (i64::from(frame.header.samples()), i64::from(frame.header.sample_rate.max(1)));
        let duration = samples * i64::from(self.timescale) / rate;
        let tick = i64::from(self.timescale / CLOCK);
        let start = match (frame.stamp, self.next) {
            (Some(stamp), Some(next)) => {
                let placed = timeline.place(&mut self.place, stamp, Some(next.div_euclid(tick))) * tick;
                // Within a tick it is the same time, rounded. Back to before the last frame goes no time.
                if (placed - next).abs() <= tick || self.last.is_some_and(|last| placed <= last) {
                    next
                } else {
                    placed
                }
            }
            (Some(stamp), None) => {
                let start = timeline.place(&mut self.place, stamp, None) * tick;
                self.release_before(start, track, out);
                start
            }
            (None, Some(next)) => next,
            (None, None) => {
                self.waiting.push((frame.data, duration));
                if self.waiting.len() > MAX_WAITING {
                    self.release(track, timeline, out);
                }
                return;
            }
        };
        (self.last, self.next) = (Some(start), Some(start + duration));
        out.push_back(sample(track, start, duration, frame.data));
    }

    /// Counts back from the first time to the frames before it.
    fn release_before(&mut self, start: i64, track: u32, out: &mut VecDeque<DemuxedSample>) {
        let mut at = start - self.waiting.iter().map(|(_, duration)| duration).sum::<i64>();
        for (data, duration) in self.waiting.drain(..) {
            out.push_back(sample(track, at, duration, data));
            at += duration;
        }
    }

    /// Gives up waiting for a time: the frames begin where the file is.
    fn release(&mut self, track: u32, timeline: &Timeline, out: &mut VecDeque<DemuxedSample>) {
        if !self.waiting.is_empty() {
            let length: i64 = self.waiting.iter().map(|(_, duration)| duration).sum();
            let end = timeline.now() * i64::from(self.timescale / CLOCK) + length;
            self.release_before(end, track, out);
            self.next = Some(end);
        }
    }
}

fn sample(track: u32, start: i64, duration: i64, data: Bytes) -> DemuxedSample {
    DemuxedSample { track, dts: start, pts: start, duration, sync: true, data }
}

fn common_multiple(a: u32, b: u32) -> u32 {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a / x.max(1)).saturating_mul(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of layer II, 48 kHz, 192 kbit/s.
    fn frame(fill: u8) -> Vec<u8> {
        let mut frame = vec![0xFF, 0xFD, 0xA4, 0x00];
        frame.resize(576, fill);
        frame
    }

    const FRAME: i64 = 1152 * 15;

    /// Payloads with their times, and the frames that come out: start in 720 kHz and length.
    fn check(name: &str, payloads: &[(&[u8], Option<u64>)], expected: &[(i64, usize)]) {
        let (mut es, mut timeline, mut out) = (AudioEs::new(1), Timeline::default(), VecDeque::new());
        for (payload, pts) in payloads {
            let stamp = pts.map(|pts| timeline.stamp(pts));
            es.handle_payload(payload, stamp, &mut timeline, &mut out);
        }
        es.finish(&mut timeline, &mut out);
        assert_eq!(out.iter().map(|sample| (sample.pts, sample.data.len())).collect::<Vec<_>>(), expected, "{name}");
    }

    #[test]
    fn frames_get_their_times() {
        let three = [frame(1), frame(2), frame(3)].concat();
        let junk = vec![0x55; 100];
        check("counted on", &[(&three, Some(900))], &[(0, 576), (FRAME, 576), (2 * FRAME, 576)]);
        check(
            "split anywhere",
            &[(&three[..500], Some(900)), (&three[500..700], Some(900 + 2160)), (&three[700..], None)],
            &[(0, 576), (FRAME, 576), (2 * FRAME, 576)],
        );
        check(
            "rounded times change nothing",
            &[(&three[..576], Some(900)), (&three[576..], Some(900 + 2161))],
            &[(0, 576), (FRAME, 576), (2 * FRAME, 576)],
        );
        check(
            "a gap is followed",
            &[(&three[..576], Some(900)), (&three[576..], Some(900 + 4000))],
            &[(0, 576), (4000 * 8, 576), (4000 * 8 + FRAME, 576)],
        );
        check(
            "frames before the first time",
            &[(&three[..1152], None), (&three[1152..], Some(900))],
            &[(-2 * FRAME, 576), (-FRAME, 576), (0, 576)],
        );
        check("no time at all", &[(&three, None)], &[(0, 576), (FRAME, 576), (2 * FRAME, 576)]);
        check("junk before", &[(&junk, None), (&three[..1152], Some(5))], &[(0, 576), (FRAME, 576)]);
        check("cut", &[(&three[..1400], Some(900))], &[(0, 576), (FRAME, 576), (2 * FRAME, 248)]);
        check("one alone", &[(&three[..576], Some(900))], &[(0, 576)]);
        check("junk only", &[(&junk, Some(900))], &[]);
    }

    #[test]
    fn the_timescale_counts_samples_and_ticks() {
        for (rate, expected) in [(44_100, 4_410_000), (48_000, 720_000), (32_000, 1_440_000), (22_050, 4_410_000)] {
            assert_eq!(common_multiple(CLOCK, rate), expected);
        }
    }
}
