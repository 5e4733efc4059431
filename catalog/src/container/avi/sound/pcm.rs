//! PCM and G.711: samples as they are, from least significant byte first to most significant first.

use super::{Each, Refused};
use crate::container::wave::{self, WaveFormat};
use bytes::{Bytes, BytesMut};
use rtp::format::{Format, PcmCoding};

/// Samples in an access unit: 20 ms, as RFC 3551 section 4.2 has by default.
const UNITS_PER_SECOND: u32 = 50;

/// Turns chunks into units of whole samples of all channels.
pub(in crate::container) struct Pcm {
    from: From,
    /// Bytes of a sample of all channels.
    block: usize,
    /// Bytes of a whole unit.
    unit: usize,
    rest: BytesMut,
}

/// How samples lie in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// Unsigned 8 bits, which go as 16: players don't take L8.
    Unsigned8,
    /// Signed, of so many bytes.
    Little(usize),
    /// G.711, a byte each.
    Companded,
}

impl Pcm {
    /// What the description says, or why it can't be.
    pub fn open(wave: &WaveFormat) -> Result<(Self, Format), Refused> {
        let Some(channels) = u8::try_from(wave.channels).ok().filter(|channels| *channels > 0) else {
            return Err(Refused::Broken(format!("audio of {} channels", wave.channels)));
        };
        if wave.sample_rate == 0 || wave.sample_rate > MAX_RATE {
            return Err(Refused::Broken(format!("audio of {} samples per second", wave.sample_rate)));
        }
        let bits = if wave.bits == 0 { (wave.block / wave.channels).saturating_mul(8) } else { wave.bits };
        let (from, coding) = match (wave.tag, bits) {
            (wave::MULAW, _) => (From::Companded, PcmCoding::Mulaw),
            (wave::ALAW, _) => (From::Companded, PcmCoding::Alaw),
            (_, 1..=8) => (From::Unsigned8, PcmCoding::L16),
            (_, 9..=16) => (From::Little(2), PcmCoding::L16),
            (_, 17..=24) => (From::Little(3), PcmCoding::L24),
            (_, bits) => return Err(Refused::NoPayload(format!("PCM of {bits} bits has no payload format"))),
        };
        let sample = if let From::Little(bytes) = from { bytes } else { 1 };
        let block = sample * usize::from(channels);
        let unit = block * (wave.sample_rate / UNITS_PER_SECOND).max(1) as usize;
        let format = Format::Pcm { coding, sample_rate: wave.sample_rate, channels };
        Ok((Self { from, block, unit, rest: BytesMut::new() }, format))
    }

    pub fn handle(&mut self, chunk: &[u8], each: Each<'_>) {
        self.rest.extend_from_slice(chunk);
        while self.rest.len() >= self.unit {
            let unit = self.rest.split_to(self.unit);
            self.give(unit, each);
        }
    }

    /// What is left of whole samples.
    pub fn finish(&mut self, each: Each<'_>) {
        let whole = self.rest.len() / self.block * self.block;
        let unit = self.rest.split_to(whole);
        if !unit.is_empty() {
            self.give(unit, each);
        }
    }

    fn give(&self, mut unit: BytesMut, each: Each<'_>) {
        // A unit is a fraction of a second.
        let samples = (unit.len() / self.block) as u32;
        let data = match self.from {
            From::Companded => unit.freeze(),
            From::Unsigned8 => unit.iter().flat_map(|byte| [byte ^ 0x80, 0]).collect::<Bytes>(),
            From::Little(bytes) => {
                unit.chunks_exact_mut(bytes).for_each(<[u8]>::reverse);
                unit.freeze()
            }
        };
        each(data, samples);
    }
}

/// Samples per second: no sound card has more.
const MAX_RATE: u32 = 768_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_turned_and_cut_anywhere() {
        type Case<'a> = (&'a str, u16, u16, &'a [u8], &'a [u8], u32);
        let cases: &[Case] = &[
            ("8 bits", wave::PCM, 8, &[0x80, 0, 0xFF, 0x81], &[0, 0, 0x80, 0, 0x7F, 0, 1, 0], 2),
            ("16 bits", wave::PCM, 16, &[1, 2, 3, 4], &[2, 1, 4, 3], 1),
            ("24 bits", wave::PCM, 24, &[1, 2, 3, 4, 5, 6, 7], &[3, 2, 1, 6, 5, 4], 1),
            ("mu-law", wave::MULAW, 8, &[1, 2, 3], &[1, 2], 1),
        ];
        for (name, tag, bits, bytes, want, samples) in cases {
            let wave = WaveFormat { tag: *tag, bits: *bits, channels: 2, sample_rate: 8000, ..WaveFormat::default() };
            let (mut pcm, _) = Pcm::open(&wave).unwrap();
            let (mut seen, mut count) = (Vec::new(), 0);
            let mut each = |unit: Bytes, samples| {
                seen.extend(unit);
                count += samples;
            };
            bytes.chunks(3).for_each(|chunk| pcm.handle(chunk, &mut each));
            pcm.finish(&mut each);
            assert_eq!((seen.as_slice(), count), (*want, *samples), "{name}");
        }
    }

    #[test]
    fn what_has_no_payload_format_is_told_from_nonsense() {
        let wave = WaveFormat { tag: wave::PCM, bits: 32, channels: 2, sample_rate: 8000, ..WaveFormat::default() };
        let refused = |wave| Pcm::open(&wave).err().unwrap();
        assert!(matches!(refused(wave.clone()), Refused::NoPayload(_)));
        assert!(matches!(refused(WaveFormat { channels: 0, ..wave.clone() }), Refused::Broken(_)));
        assert!(matches!(refused(WaveFormat { sample_rate: 0, ..wave }), Refused::Broken(_)));
    }
}
