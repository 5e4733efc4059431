//! Sound that has no payload format and no frames of its own: blocks of constant length, as its description says. It
//! travels in packets of ASF, which have a name for whatever has a format tag.

use super::{Each, Opened, Refused, Sound};
use crate::container::asf::wrap::Wrapper;
use crate::container::wave::{self, WaveFormat};
use bytes::{Bytes, BytesMut};

/// Blocks shorter than this share an access unit, in units a second: each packet of ASF costs some bytes.
const UNITS_PER_SECOND: u64 = 50;

/// Cuts a track's bytes into whole blocks.
pub(in crate::container) struct Blocks {
    /// So many samples of each channel are in so many bytes.
    samples: u64,
    bytes: u64,
    /// Bytes of an access unit: one block, or some.
    unit: usize,
    block: usize,
    given: u64,
    rest: BytesMut,
}

impl Blocks {
    /// The track as its description says it is, to be wrapped.
    pub fn open(wave: &WaveFormat) -> Result<Opened, Refused> {
        let (block, rate) = (u64::from(wave.block), u64::from(wave.sample_rate));
        if block == 0 || rate == 0 || wave.channels == 0 {
            let (rate, channels) = (wave.sample_rate, wave.channels);
            return Err(Refused::Broken(format!(
                "audio of {rate} Hz, {channels} channels and blocks of {block} bytes"
            )));
        }
        let Some((samples, bytes)) = samples_in(wave) else {
            let tag = wave.tag;
            return Err(Refused::NoPayload(format!("audio of format {tag:#06x} that doesn't say its rate of bytes")));
        };
        let wrapper = Wrapper::audio(1, &wave.to_bytes()).map_err(Refused::NoPayload)?;
        let blocks = (rate * bytes / UNITS_PER_SECOND / samples.max(1) / block).max(1);
        let unit = usize::try_from((blocks * block).min(MAX_UNIT.max(block))).unwrap_or(usize::MAX);
        let block = usize::from(wave.block);
        let blocks = Self { samples, bytes, unit: unit / block * block, block, given: 0, rest: BytesMut::new() };
        Ok(Opened { sound: Sound::Blocks(blocks), format: wrapper.format(), sample_rate: wave.sample_rate })
    }

    pub fn handle(&mut self, chunk: &[u8], each: Each<'_>) {
        self.rest.extend_from_slice(chunk);
        while self.rest.len() >= self.unit {
            let unit = self.rest.split_to(self.unit).freeze();
            self.give(unit, each);
        }
    }

    /// What is left of whole blocks.
    pub fn finish(&mut self, each: Each<'_>) {
        let whole = self.rest.len() / self.block * self.block;
        let unit = self.rest.split_to(whole).freeze();
        if !unit.is_empty() {
            self.give(unit, each);
        }
    }

    fn give(&mut self, unit: Bytes, each: Each<'_>) {
        let at = |bytes: u64| u128::from(bytes) * u128::from(self.samples) / u128::from(self.bytes);
        let after = self.given + unit.len() as u64;
        let samples = at(after) - at(self.given);
        self.given = after;
        each(unit, u32::try_from(samples).unwrap_or(u32::MAX));
    }
}

/// Bytes of an access unit of several blocks.
const MAX_UNIT: u64 = 256 << 10;

/// How many samples of each channel are in how many bytes, neither zero; `None` where nothing says it.
fn samples_in(wave: &WaveFormat) -> Option<(u64, u64)> {
    let (block, channels) = (u64::from(wave.block), u64::from(wave.channels));
    let samples = match wave.tag {
        wave::PCM | wave::FLOAT => 1,
        // A head of seven bytes for each channel has two samples, a byte behind it two more.
        wave::MS_ADPCM => block.checked_sub(7 * channels)? * 2 / channels + 2,
        // A head of four bytes has one.
        wave::IMA_ADPCM => block.checked_sub(4 * channels)? * 2 / channels + 1,
        // Four bits a sample, whatever the rate of bytes says.
        wave::YAMAHA_ADPCM => return Some((2, channels)),
        wave::GSM if block == 65 => 320,
        _ => return (wave.byte_rate > 0).then_some((wave.sample_rate.into(), wave.byte_rate.into())),
    };
    Some((samples, block))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units of `bytes`, given in pieces: lengths and samples.
    #[track_caller]
    fn check(name: &str, wave: WaveFormat, bytes: usize, want: &[(usize, u32)]) {
        let Opened { sound: Sound::Blocks(mut blocks), .. } = Blocks::open(&wave).unwrap() else { panic!("{name}") };
        let mut seen = Vec::new();
        let mut each = |unit: Bytes, samples| seen.push((unit.len(), samples));
        vec![0; bytes].chunks(7).for_each(|chunk| blocks.handle(chunk, &mut each));
        blocks.finish(&mut each);
        assert_eq!(seen, want, "{name}");
    }

    #[test]
    fn blocks_have_the_samples_that_their_codec_has() {
        let wave = |tag, channels, block, byte_rate| {
            let (sample_rate, bits, extra) = (8000, 4, Vec::new());
            WaveFormat { tag, channels, sample_rate, byte_rate, block, bits, extra }
        };
        check("Microsoft", wave(wave::MS_ADPCM, 2, 512, 0), 1100, &[(512, 500), (512, 500)]);
        check("IMA", wave(wave::IMA_ADPCM, 1, 256, 0), 600, &[(256, 505), (256, 505)]);
        check("Yamaha", wave(wave::YAMAHA_ADPCM, 2, 1024, 999), 2048, &[(1024, 1024), (1024, 1024)]);
        check("GSM", wave(wave::GSM, 1, 65, 1625), 130, &[(65, 320), (65, 320)]);
        check("floating point", wave(wave::FLOAT, 2, 8, 64_000), 1400, &[(1280, 160), (120, 15)]);
        check("a rate of bytes", wave(0x45, 1, 1, 3000), 130, &[(60, 160), (60, 160), (10, 26)]);
    }

    #[test]
    fn what_says_no_length_is_refused() {
        let wave = WaveFormat { tag: 0x45, channels: 1, sample_rate: 8000, block: 1, ..WaveFormat::default() };
        assert!(matches!(Blocks::open(&wave), Err(Refused::NoPayload(_))));
        assert!(matches!(Blocks::open(&WaveFormat { block: 0, ..wave.clone() }), Err(Refused::Broken(_))));
        let short = WaveFormat { tag: wave::MS_ADPCM, block: 6, ..wave };
        assert!(matches!(Blocks::open(&short), Err(Refused::NoPayload(_))));
    }
}
