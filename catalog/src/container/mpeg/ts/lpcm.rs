//! LPCM of Blu-ray discs and camcorders (stream type 0x80 in an HDMV programme): sample frames as a network carries them.

use super::super::CLOCK;
use super::super::gathered::Gathered;
use super::super::sample_clock::{Frame, SampleClock};
use super::super::timeline::Stamp;
use super::super::uncut::Uncut;
use super::elementary::Elementary;
use bytes::Bytes;
use rtp::format::{Format, PcmCoding};

/// Bytes before a packet's samples: their length in two, channels and rate in four bits each, depth in the next two.
const HEADER_LEN: usize = 4;

/// Unpacks one stream; the samples of each packet are an access unit.
#[derive(Debug)]
pub(super) struct Lpcm {
    track: u32,
    /// From a header on.
    uncut: Uncut,
    layout: Option<Layout>,
    clock: Option<SampleClock>,
    junk: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    wide: bool,
    sample_rate: u32,
    /// Where each channel lies among those of the disc, in the order of WAV files. An odd number of them has a silent one
    /// behind it.
    channels: &'static [usize],
}

impl Layout {
    fn parse(header: [u8; HEADER_LEN]) -> Option<Self> {
        let channels: &[usize] = match header[2] >> 4 {
            1 => &[0],
            3 => &[0, 1],
            4 | 5 => &[0, 1, 2],
            6 | 7 => &[0, 1, 2, 3],
            8 => &[0, 1, 2, 3, 4],
            // The low-frequency channel is the disc's last, and a file's fourth; of eight those behind come before the sides.
            9 => &[0, 1, 2, 5, 3, 4],
            10 => &[0, 1, 2, 4, 5, 3, 6],
            11 => &[0, 1, 2, 7, 4, 5, 3, 6],
            _ => return None,
        };
        let sample_rate = match header[2] & 0xF {
            1 => 48_000,
            4 => 96_000,
            5 => 192_000,
            _ => return None,
        };
        // 20 bits lie in the upper ones of 24.
        let wide = match header[3] >> 6 {
            1 => false,
            2 | 3 => true,
            _ => return None,
        };
        Some(Self { wide, sample_rate, channels })
    }

    fn width(&self) -> usize {
        if self.wide { 3 } else { 2 }
    }

    /// Bytes of one instant on the disc.
    fn block(&self) -> usize {
        self.channels.len().next_multiple_of(2) * self.width()
    }

    fn unpack(&self, samples: &[u8]) -> Bytes {
        let width = self.width();
        let mut out = Vec::with_capacity(samples.len());
        for block in samples.chunks_exact(self.block()) {
            for channel in self.channels {
                out.extend_from_slice(&block[channel * width..][..width]);
            }
        }
        out.into()
    }
}

impl Lpcm {
    pub fn new(track: u32) -> Self {
        Self { track, uncut: Uncut::default(), layout: None, clock: None, junk: 0 }
    }

    /// Takes the packets that are whole.
    fn cut(&mut self, gathered: &mut Gathered) {
        while let Some(header) = self.uncut.first_chunk::<HEADER_LEN>().copied() {
            let length = usize::from(u16::from_be_bytes([header[0], header[1]]));
            // A track can't change.
            let layout = Layout::parse(header).filter(|found| length > 0 && self.layout.is_none_or(|of| of == *found));
            let Some(layout) = layout else { return self.drop_rest() };
            if self.uncut.len() < HEADER_LEN + length {
                return;
            }
            self.layout = Some(layout);
            let stamp = self.uncut.stamp(self.uncut.start());
            self.uncut.skip(HEADER_LEN);
            let data = layout.unpack(&self.uncut.take(length));
            let samples = u32::try_from(length / layout.block()).unwrap_or(0);
            let clock = self.clock.get_or_insert_with(|| SampleClock::new(self.track, layout.sample_rate));
            if samples > 0 {
                clock.handle(Frame { samples, data, stamp }, gathered);
            }
        }
    }

    /// Up to the next packet nothing can be told.
    fn drop_rest(&mut self) {
        self.junk += self.uncut.skip(usize::MAX);
    }
}

impl Elementary for Lpcm {
    fn format(&self) -> Option<Format> {
        let Layout { wide, sample_rate, channels } = self.layout?;
        let coding = if wide { PcmCoding::L24 } else { PcmCoding::L16 };
        Some(Format::Pcm { coding, sample_rate, channels: u8::try_from(channels.len()).ok()? })
    }

    fn timescale(&self) -> u32 {
        self.clock.as_ref().map_or(CLOCK, SampleClock::timescale)
    }

    fn handle_payload(&mut self, payload: &[u8], stamp: Option<Stamp>, gathered: &mut Gathered) {
        if stamp.is_some() {
            // What is missing of the packet before will not come any more.
            self.drop_rest();
        }
        self.uncut.push(payload, stamp);
        self.cut(gathered);
    }

    fn finish(&mut self, gathered: &mut Gathered) {
        self.drop_rest();
        if let Some(clock) = &mut self.clock {
            clock.release(gathered);
        }
    }

    fn take_junk(&mut self) -> u64 {
        std::mem::take(&mut self.junk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of packets' payloads, each with a time or not: format, units, and bytes left out.
    fn check(payloads: &[(&[u8], bool)]) -> (Option<Format>, Vec<Vec<u8>>, u64) {
        let (mut es, mut gathered) = (Lpcm::new(1), Gathered::default());
        for (payload, begins) in payloads {
            let stamp = begins.then(|| gathered.timeline.stamp(900));
            es.handle_payload(payload, stamp, &mut gathered);
        }
        es.finish(&mut gathered);
        (es.format(), gathered.samples.iter().map(|sample| sample.data.to_vec()).collect(), es.take_junk())
    }

    #[test]
    fn samples_are_put_in_order() {
        let pcm = |coding, sample_rate, channels| Some(Format::Pcm { coding, sample_rate, channels });
        let stereo: &[u8] = &[0, 4, 0x31, 0x40, 1, 2, 3, 4];
        assert_eq!(check(&[(stereo, true)]), (pcm(PcmCoding::L16, 48_000, 2), vec![vec![1, 2, 3, 4]], 0));
        let mono: &[u8] = &[0, 12, 0x14, 0xC0, 1, 2, 3, 0, 0, 0, 4, 5, 6, 0, 0, 0];
        assert_eq!(check(&[(mono, true)]), (pcm(PcmCoding::L24, 96_000, 1), vec![vec![1, 2, 3, 4, 5, 6]], 0));
        let six: &[u8] = &[0, 12, 0x91, 0x40, 0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5];
        let ordered = vec![0, 0, 0, 1, 0, 2, 0, 5, 0, 3, 0, 4];
        assert_eq!(check(&[(six, true)]), (pcm(PcmCoding::L16, 48_000, 6), vec![ordered], 0));
    }

    #[test]
    fn packets_come_in_pieces_and_may_be_cut() {
        let stereo: &[u8] = &[0, 4, 0x31, 0x40, 1, 2, 3, 4];
        let (_, units, junk) = check(&[(&stereo[..3], true), (&stereo[3..], false), (stereo, true)]);
        assert_eq!((units.len(), junk), (2, 0));
        let (_, units, junk) = check(&[(&stereo[..6], true), (stereo, true)]);
        assert_eq!((units.len(), junk), (1, 6));
        let (format, units, junk) = check(&[(&[0, 4, 0x01, 0x40, 1, 2], true), (&[9; 10], false)]);
        assert_eq!((format, units.len(), junk), (None, 0, 16));
        let wider: &[u8] = &[0, 6, 0x31, 0xC0, 1, 2, 3, 4, 5, 6];
        let (_, units, junk) = check(&[(stereo, true), (wider, true)]);
        assert_eq!((units.len(), junk), (1, 10), "a track keeps its layout");
    }
}
