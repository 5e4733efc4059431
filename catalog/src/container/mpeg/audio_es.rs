//! Audio in packets whose frames each begin with a header: frames and their times.

use super::marks::Marks;
use super::reserve;
use super::sample_clock::{Frame, SampleClock};
use super::sound::Sound;
use super::timeline::{Stamp, Timeline};
use crate::container::DemuxedSample;
use bytes::{Buf, BytesMut};
use rtp::codec::frames::{Scan, Scanner};
use rtp::codec::mpeg_audio;
use rtp::format::Format;
use std::collections::VecDeque;

/// Bytes that must come before what was not enough for a frame is looked at again: looking for the end of a frame that
/// doesn't say its length goes over all of it, and packets may be of one byte.
const STEP: usize = 256;

/// Cuts one stream into frames, each an access unit.
#[derive(Debug)]
pub(in crate::container) struct AudioEs<H = mpeg_audio::FrameHeader> {
    track: u32,
    buffer: BytesMut,
    /// Where `buffer` begins in the stream.
    base: u64,
    marks: Marks,
    scanner: Scanner<H>,
    /// Of the first frame: its header, the format that the track is announced by, and the times counted from it.
    first: Option<(H, Option<Format>, SampleClock)>,
    /// Bytes that `buffer` should have to be looked at again.
    enough: usize,
    /// Bytes between frames.
    junk: u64,
    /// Whether a first frame that holds an encoder's notes is left out.
    notes_left_out: bool,
}

impl<H: Sound> AudioEs<H> {
    pub fn new(track: u32) -> Self {
        let (buffer, marks, scanner) = (BytesMut::new(), Marks::default(), Scanner::new());
        Self { track, buffer, base: 0, marks, scanner, first: None, enough: 0, junk: 0, notes_left_out: false }
    }

    /// For a file of its own, whose first frame may hold no sound but an encoder's notes, as players leave it out.
    pub fn without_notes(track: u32) -> Self {
        Self { notes_left_out: true, ..Self::new(track) }
    }

    /// Known from the first frame on.
    pub fn format(&self) -> Option<Format> {
        self.first.as_ref()?.1.clone()
    }

    /// Ticks per second of the samples' times: a common multiple of the 90 kHz clock and the sample rate.
    pub fn timescale(&self) -> u32 {
        self.first.as_ref().map_or(super::CLOCK, |(_, _, clock)| clock.timescale())
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
        if let (Some((first, ..)), Ok(header)) = (&self.first, H::parse(&self.buffer))
            && H::DECODES_CUT
            && first.same_stream(&header)
            && header.frame_len().is_some_and(|len| len > self.buffer.len())
            && self.buffer.len() > H::LEN
        {
            self.frame(header, self.buffer.len(), timeline, out);
        }
        self.cut(true, timeline, out);
        if let Some((_, _, clock)) = &mut self.first {
            clock.release(timeline, out);
        }
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

    fn frame(&mut self, header: H, len: usize, timeline: &mut Timeline, out: &mut VecDeque<DemuxedSample>) {
        let frame = self.buffer.split_to(len.min(self.buffer.len())).freeze();
        if self.notes_left_out && self.first.is_none() && header.is_notes(&frame) {
            self.base += len as u64;
            return;
        }
        let stamp = self.marks.take(self.base);
        self.base += len as u64;
        let new = || (header, header.format(&frame), SampleClock::new(self.track, header.sample_rate()));
        let (_, _, clock) = self.first.get_or_insert_with(new);
        let mut stamp = stamp;
        header.units(frame.clone(), &mut |data, samples| {
            clock.handle(Frame { samples, data, stamp: stamp.take() }, timeline, out);
        });
    }
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
        let (mut es, mut timeline, mut out) =
            (AudioEs::<mpeg_audio::FrameHeader>::new(1), Timeline::default(), VecDeque::new());
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
}
