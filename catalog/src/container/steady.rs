//! Times of sound that a container rounds: between two of them lie as many samples as the frames between them have.

use super::mp4::Codec;
use rtp::codec::aac::AudioSpecificConfig;
use rtp::codec::{ac3, mpeg_audio, opus};

/// Counts a track's time on from frame to frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Steady {
    /// Where the last frame ended.
    next: Option<i64>,
}

impl Steady {
    /// When a frame begins that lasts `duration` and that the container, with a resolution of `tick`, has at `told`: at the
    /// end of the one before, unless that is more than rounding away.
    pub fn place(&mut self, told: i64, duration: i64, tick: i64) -> i64 {
        let at = self.next.filter(|next| next.abs_diff(told) <= tick.unsigned_abs()).unwrap_or(told);
        self.next = Some(at.saturating_add(duration));
        at
    }
}

/// Nanoseconds of a frame of sound, where its bytes or its codec say it.
pub(super) fn duration_ns(codec: &Codec, frame: &[u8]) -> Option<i64> {
    let (samples, rate) = match codec {
        Codec::MpegAudio => {
            mpeg_audio::FrameHeader::parse(frame).ok().map(|header| (header.samples(), header.sample_rate))
        }
        Codec::Ac3 | Codec::Eac3 => {
            ac3::FrameHeader::parse(frame).ok().map(|header| (header.samples(), header.sample_rate))
        }
        Codec::Aac { config, .. } => {
            AudioSpecificConfig::parse(config).ok().map(|config| (config.frame_samples.into(), config.sample_rate))
        }
        Codec::Lossless(codec) => codec.samples(frame).map(|samples| (samples, codec.rate())),
        Codec::Opus { .. } => opus::samples(frame).map(|samples| (samples, 48_000)),
        &Codec::Pcm { layout, rate, channels } => {
            let block = layout.bytes() as usize * usize::from(channels).max(1);
            u32::try_from(frame.len() / block).ok().map(|samples| (samples, rate))
        }
        _ => None,
    }?;
    (rate > 0).then(|| i64::from(samples) * 1_000_000_000 / i64::from(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_undone_and_gaps_are_kept() {
        // Told and placed, in microseconds, of frames of 34.83 ms in a container that counts milliseconds.
        let cases: &[(&[i64], &[i64])] = &[
            (&[62_000, 97_000, 131_000, 166_000, 201_000], &[62_000, 96_830, 131_660, 166_490, 201_320]),
            (&[0, 35_000, 100_000, 135_000], &[0, 34_830, 100_000, 134_830]),
            (&[0, 33_000, 68_000], &[0, 33_000, 67_830]),
        ];
        for (told, placed) in cases {
            let mut steady = Steady::default();
            let found: Vec<i64> = told.iter().map(|told| steady.place(*told, 34_830, 1_000)).collect();
            assert_eq!(&found, placed);
        }
    }
}
