//! LPCM of DVD-Video: sample frames as a network carries them.

use super::CLOCK;
use super::gathered::Gathered;
use super::sample_clock::{Frame, SampleClock};
use super::timeline::Stamp;
use bytes::Bytes;
use rtp::format::{Format, PcmCoding};

/// Bytes before the samples: sub-stream, frame count, pointer to the first frame, and three that say what follows.
const HEADER_LEN: usize = 7;
/// What the pointer to the first frame is where that begins with the samples: it counts from its own end, and from one.
const POINTER_TO_START: u64 = 4;

/// Times nearer than this to the samples counted are the same: 20 ms in 90 kHz. A packet's pointer to the frame that its
/// time belongs to is often wrong, and frames have 1.7 ms.
const TOLERANCE: u64 = 1800;

/// Bits of a sample are told in twos of four; these are the samples that lie together.
const GROUP: usize = 4;

/// Unpacks one sub-stream; the whole groups of each packet are an access unit.
#[derive(Debug, Default)]
pub(super) struct LpcmEs {
    track: u32,
    layout: Option<Layout>,
    clock: Option<SampleClock>,
    /// The last time that counted, in 90 kHz, and the sample frames since.
    counted: Option<(u64, u64)>,
    /// Bytes of a group that the next packet ends.
    rest: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    /// Of a sample: 16, 20 or 24.
    bits: usize,
    sample_rate: u32,
    channels: u8,
}

impl Layout {
    /// From the bytes after the pointer.
    fn parse(header: &[u8]) -> Option<Self> {
        let byte = *header.get(1)?;
        let bits = match byte >> 6 {
            0 => 16,
            1 => 20,
            2 => 24,
            _ => return None,
        };
        let sample_rate = [48_000, 96_000, 44_100, 32_000][usize::from(byte >> 4 & 3)];
        Some(Self { bits, sample_rate, channels: (byte & 7) + 1 })
    }

    /// Bytes that can only be unpacked together, and the sample frames in them.
    fn block(&self) -> (usize, u32) {
        let channels = usize::from(self.channels);
        if self.bits == 16 {
            return (channels * 2, 1);
        }
        match channels {
            1 | 2 | 4 => (GROUP * self.bits / 8, if channels == 4 { 1 } else { 4 / u32::from(self.channels) }),
            8 => (2 * GROUP * self.bits / 8, 1),
            _ => (channels * GROUP * self.bits / 8, 4),
        }
    }

    /// Samples of whole groups, big-endian, 16 or 24 bits each.
    fn unpack(&self, packed: &[u8]) -> Vec<u8> {
        if self.bits == 16 {
            return packed.to_vec();
        }
        let mut out = Vec::with_capacity(packed.len() * 24 / self.bits);
        for group in packed.chunks_exact(GROUP * self.bits / 8) {
            let (high, low) = group.split_at(GROUP * 2);
            for (at, sample) in high.chunks_exact(2).enumerate() {
                let low = match self.bits {
                    24 => low[at],
                    _ if at % 2 == 0 => low[at / 2] & 0xF0,
                    _ => low[at / 2] << 4,
                };
                out.extend([sample[0], sample[1], low]);
            }
        }
        out
    }
}

impl LpcmEs {
    pub fn new(track: u32) -> Self {
        Self { track, ..Self::default() }
    }

    pub fn format(&self) -> Option<Format> {
        let Layout { bits, sample_rate, channels } = self.layout?;
        let coding = if bits == 16 { PcmCoding::L16 } else { PcmCoding::L24 };
        Some(Format::Pcm { coding, sample_rate, channels })
    }

    pub fn timescale(&self) -> u32 {
        self.clock.as_ref().map_or(CLOCK, SampleClock::timescale)
    }

    /// A packet's payload with the header of the sub-stream.
    pub fn handle_payload(&mut self, payload: &[u8], stamp: Option<Stamp>, gathered: &mut Gathered) {
        let Some((header, samples)) = payload.split_at_checked(HEADER_LEN) else { return };
        // What it says changes only from title to title, and a track can't.
        let Some(layout) = self.layout.or_else(|| Layout::parse(&header[4..])) else { return };
        self.layout = Some(layout);
        let (block, frames) = layout.block();
        // The time is that of the first frame that begins in the packet: what comes before it lies that much earlier.
        let pointer = u64::from(header[2]) << 8 | u64::from(header[3]);
        let before = pointer.saturating_sub(POINTER_TO_START) + self.rest.len() as u64;
        let per_second = u64::from(layout.sample_rate) / u64::from(frames) * block as u64;
        let stamp = stamp.map(|stamp| stamp.earlier(before * u64::from(CLOCK) / per_second.max(1)));
        self.rest.extend_from_slice(samples);
        let whole = self.rest.len() / block * block;
        if whole == 0 {
            return;
        }
        let data = Bytes::from(layout.unpack(&self.rest[..whole]));
        self.rest.drain(..whole);
        let samples = u32::try_from(whole / block).unwrap_or(0) * frames;
        let stamp = stamp.filter(|stamp| !self.is_near(stamp, layout.sample_rate));
        match (&mut self.counted, stamp) {
            (_, Some(stamp)) => self.counted = Some((stamp.pts, samples.into())),
            (Some((_, count)), None) => *count += u64::from(samples),
            (None, None) => {}
        }
        let clock = self.clock.get_or_insert_with(|| SampleClock::new(self.track, layout.sample_rate));
        clock.handle(Frame { samples, data, stamp }, gathered);
    }

    /// Whether a time is where the samples since the last one lead.
    fn is_near(&self, stamp: &Stamp, sample_rate: u32) -> bool {
        self.counted.is_some_and(|(start, count)| {
            let expected = start.wrapping_add(count * u64::from(CLOCK) / u64::from(sample_rate));
            stamp.distance(expected) < TOLERANCE
        })
    }

    /// The stream is over.
    pub fn finish(&mut self, gathered: &mut Gathered) {
        if let Some(clock) = &mut self.clock {
            clock.release(gathered);
        }
    }

    /// Bytes left out since the last call.
    pub fn take_junk(&mut self) -> u64 {
        std::mem::take(&mut self.rest).len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The payloads of packets behind headers whose layout is `byte`; the format and the units that come out.
    fn check(name: &str, byte: u8, payloads: &[&[u8]], expected: (PcmCoding, u32, u8), units: &[&[u8]]) {
        let (mut es, mut gathered) = (LpcmEs::new(1), Gathered::default());
        for payload in payloads {
            let stamp = gathered.samples.is_empty().then(|| gathered.timeline.stamp(900));
            es.handle_payload(&[&[0xA0, 1, 0, 4, 0, byte, 0x80], *payload].concat(), stamp, &mut gathered);
        }
        es.finish(&mut gathered);
        let (coding, sample_rate, channels) = expected;
        assert_eq!(es.format(), Some(Format::Pcm { coding, sample_rate, channels }), "{name}");
        assert_eq!(gathered.samples.iter().map(|sample| &sample.data[..]).collect::<Vec<_>>(), units, "{name}");
    }

    #[test]
    fn samples_are_unpacked() {
        check(
            "16 bits",
            0x01,
            &[&[1, 2, 3, 4, 5], &[6, 7, 8]],
            (PcmCoding::L16, 48_000, 2),
            &[&[1, 2, 3, 4], &[5, 6, 7, 8]],
        );
        let (packed, unpacked) =
            ([1, 2, 3, 4, 5, 6, 7, 8, 0xA, 0xB, 0xC, 0xD], [1, 2, 0xA, 3, 4, 0xB, 5, 6, 0xC, 7, 8, 0xD]);
        check("24 bits", 0x91, &[&packed], (PcmCoding::L24, 96_000, 2), &[&unpacked]);
        let (packed, unpacked) =
            ([1, 2, 3, 4, 5, 6, 7, 8, 0xAB, 0xCD], [1, 2, 0xA0, 3, 4, 0xB0, 5, 6, 0xC0, 7, 8, 0xD0]);
        check("20 bits", 0x40, &[&packed], (PcmCoding::L24, 48_000, 1), &[&unpacked]);
        check("less than a block", 0x80, &[&packed], (PcmCoding::L24, 48_000, 1), &[]);
    }
}
