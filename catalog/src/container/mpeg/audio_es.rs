//! Audio in packets whose frames each begin with a header: frames and their times.

use super::gathered::Gathered;
use super::sample_clock::{Frame, SampleClock};
use super::sound::Sound;
use super::timeline::Stamp;
use super::uncut::Uncut;
use bytes::{Bytes, BytesMut};
use rtp::codec::frames::{Scan, Scanner};
use rtp::codec::mpeg_audio;
use rtp::format::Format;

/// Bytes that must come before what was not enough for a frame is looked at again: looking for the end of a frame that
/// doesn't say its length goes over all of it, and packets may be of one byte.
const STEP: usize = 256;

/// Cuts one stream into frames, each an access unit.
#[derive(Debug)]
pub(in crate::container) struct AudioEs<H = mpeg_audio::FrameHeader> {
    track: u32,
    uncut: Uncut,
    scanner: Scanner<H>,
    /// Of the first frame: its header, the format that the track is announced by, and the times counted from it.
    first: Option<(H, Option<Format>, SampleClock)>,
    /// Bytes that `uncut` should have to be looked at again.
    enough: usize,
    /// Bytes between frames.
    junk: u64,
    /// Whether a first frame that holds an encoder's notes is left out.
    notes_left_out: bool,
    /// A unit that more frames may belong to: the header of its first, its bytes, and its time.
    joined: Option<(H, BytesMut, Option<Stamp>)>,
}

/// Bytes of joined frames: eight substreams with as many that depend on them.
const MAX_JOINED: usize = 64 << 10;

impl<H: Sound> AudioEs<H> {
    pub fn new(track: u32) -> Self {
        let (uncut, scanner) = (Uncut::default(), Scanner::new());
        Self { track, uncut, scanner, first: None, enough: 0, junk: 0, notes_left_out: false, joined: None }
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

    pub fn handle_payload(&mut self, payload: &[u8], stamp: Option<Stamp>, gathered: &mut Gathered) {
        self.uncut.push(payload, stamp);
        if self.uncut.len() >= self.enough {
            self.cut(false, gathered);
            self.enough = self.uncut.len() + STEP;
        }
    }

    /// The stream is over.
    pub fn finish(&mut self, gathered: &mut Gathered) {
        self.cut(false, gathered);
        // What a cut file ends with is decoded by players as far as it goes, so it is kept.
        if let (Some((first, ..)), Ok(header)) = (&self.first, H::parse(&self.uncut))
            && H::DECODES_CUT
            && first.same_stream(&header)
            && header.frame_len().is_some_and(|len| len > self.uncut.len())
            && self.uncut.len() > H::LEN
        {
            self.frame(header, self.uncut.len(), gathered);
        }
        self.cut(true, gathered);
        self.give_joined(gathered);
        if let Some((_, _, clock)) = &mut self.first {
            clock.release(gathered);
        }
    }

    /// Bytes between frames since the last call.
    pub fn take_junk(&mut self) -> u64 {
        std::mem::take(&mut self.junk)
    }

    fn cut(&mut self, at_end: bool, gathered: &mut Gathered) {
        loop {
            match self.scanner.scan(&self.uncut, at_end) {
                Scan::Frame { skip, header, len } => {
                    self.skip(skip);
                    self.frame(header, len, gathered);
                }
                Scan::More { skip } => return self.skip(skip),
            }
        }
    }

    fn skip(&mut self, len: usize) {
        self.junk += self.uncut.skip(len);
    }

    fn frame(&mut self, header: H, len: usize, gathered: &mut Gathered) {
        let start = self.uncut.start();
        let frame = self.uncut.take(len);
        if self.notes_left_out && self.first.is_none() && header.is_notes(&frame) {
            return;
        }
        let stamp = self.uncut.stamp(start);
        if !header.may_be_joined() {
            return self.give(header, frame, stamp, gathered);
        }
        match &mut self.joined {
            Some((_, unit, _)) if header.joins_before() && unit.len() + frame.len() <= MAX_JOINED => {
                unit.extend_from_slice(&frame);
            }
            _ => {
                self.give_joined(gathered);
                self.joined = Some((header, BytesMut::from(&frame[..]), stamp));
            }
        }
    }

    fn give_joined(&mut self, gathered: &mut Gathered) {
        if let Some((header, unit, stamp)) = self.joined.take() {
            self.give(header, unit.freeze(), stamp, gathered);
        }
    }

    /// Gives out the units of a frame, or of frames that belong together.
    fn give(&mut self, header: H, frame: Bytes, stamp: Option<Stamp>, gathered: &mut Gathered) {
        let new = || (header, header.format(&frame), SampleClock::new(self.track, header.sample_rate()));
        let (_, _, clock) = self.first.get_or_insert_with(new);
        let mut stamp = stamp;
        header.units(frame.clone(), &mut |data, samples| {
            clock.handle(Frame { samples, data, stamp: stamp.take() }, gathered);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An E-AC-3 frame of 1536 samples at 48 kHz.
    fn enhanced(kind: u8, substream: u8, fill: u8) -> Vec<u8> {
        let mut frame = vec![0x0B, 0x77, kind << 6 | substream << 3, 31, 0x34, 0x80, 0, 0];
        frame.resize(64, fill);
        frame
    }

    #[test]
    fn frames_of_one_instant_are_one_unit() {
        let (first, second) =
            ([enhanced(0, 0, 1), enhanced(1, 0, 2), enhanced(1, 1, 3)], [enhanced(0, 0, 4), enhanced(1, 0, 5)]);
        let stream = [first.concat(), second.concat(), enhanced(0, 0, 6)].concat();
        for size in [stream.len(), 100, 64, 7] {
            let (mut es, mut gathered) = (AudioEs::<rtp::codec::ac3::FrameHeader>::new(1), Gathered::default());
            for part in stream.chunks(size) {
                es.handle_payload(part, None, &mut gathered);
            }
            es.finish(&mut gathered);
            let seen: Vec<_> = gathered.samples.iter().map(|sample| (sample.pts, sample.data.len())).collect();
            let unit = 1536 * i64::from(es.timescale()) / 48_000;
            assert_eq!(seen, [(0, 192), (unit, 128), (2 * unit, 64)], "{size}");
        }
    }

    /// A frame of layer II, 48 kHz, 192 kbit/s.
    fn frame(fill: u8) -> Vec<u8> {
        let mut frame = vec![0xFF, 0xFD, 0xA4, 0x00];
        frame.resize(576, fill);
        frame
    }

    const FRAME: i64 = 1152 * 15;

    /// Payloads with their times, and the frames that come out: start in 720 kHz and length.
    fn check(name: &str, payloads: &[(&[u8], Option<u64>)], expected: &[(i64, usize)]) {
        let (mut es, mut gathered) = (AudioEs::<mpeg_audio::FrameHeader>::new(1), Gathered::default());
        for (payload, pts) in payloads {
            let stamp = pts.map(|pts| gathered.timeline.stamp(pts));
            es.handle_payload(payload, stamp, &mut gathered);
        }
        es.finish(&mut gathered);
        assert_eq!(
            gathered.samples.iter().map(|sample| (sample.pts, sample.data.len())).collect::<Vec<_>>(),
            expected,
            "{name}"
        );
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
