//! Sound whose compression loses nothing, decoded when it is read: PCM is what every player takes and tells the time of
//! by the sample, where FLAC has no payload format and some players are late with what they must parse.
//!
//! - [`Lossless`]: a track's codec with what its header says
//! - `alac`, `flac`: Apple Lossless, FLAC
//! - `bits`: fields of some bits

mod alac;
mod bits;
mod flac;

use bytes::Bytes;
use rtp::format::{Format, PcmCoding};

/// A codec with what its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lossless {
    Alac(alac::Config),
    Flac(flac::Info),
}

impl Lossless {
    /// FLAC, by the body of its `STREAMINFO`; `None` where RTP carries no such samples.
    pub fn flac(info: &[u8]) -> Option<Self> {
        flac::Info::read(info).map(Lossless::Flac)
    }

    /// Apple Lossless, by its cookie; `None` likewise.
    pub fn alac(cookie: &[u8]) -> Option<Self> {
        alac::Config::read(cookie).map(Lossless::Alac)
    }

    /// Samples per second.
    pub fn rate(&self) -> u32 {
        match self {
            Lossless::Alac(config) => config.rate,
            Lossless::Flac(info) => info.rate,
        }
    }

    /// How it travels.
    pub fn format(&self) -> Format {
        let (wide, channels) = match self {
            Lossless::Alac(config) => (config.is_wide(), config.channels),
            Lossless::Flac(info) => (info.is_wide(), info.channels),
        };
        let coding = if wide { PcmCoding::L24 } else { PcmCoding::L16 };
        Format::Pcm { coding, sample_rate: self.rate(), channels }
    }

    /// Samples of each channel in a frame, where its bytes say it.
    pub fn samples(&self, frame: &[u8]) -> Option<u32> {
        match self {
            Lossless::Alac(_) => None,
            Lossless::Flac(_) => flac::samples(frame),
        }
    }

    /// The samples of a frame as they travel; an error says what is wrong with it.
    pub fn decode(&self, frame: &[u8]) -> Result<Bytes, &'static str> {
        match self {
            Lossless::Alac(config) => alac::decode(frame, config).map_err(|error| error.0),
            Lossless::Flac(info) => flac::decode(frame, info),
        }
    }
}

/// Samples of all channels, one instant after the other, as RTP has them: 16 bits, big-endian, of what has up to 16, else
/// 24. Fewer bits become the upper ones.
fn interleave(channels: &[Vec<i32>], bits: u32) -> Bytes {
    let count = channels.iter().map(Vec::len).min().unwrap_or(0);
    let wide = bits > 16;
    let shift = (if wide { 24 } else { 16 }) - bits.min(24);
    let mut out = Vec::with_capacity(count * channels.len() * if wide { 3 } else { 2 });
    for at in 0..count {
        for channel in channels {
            let sample = channel[at] << shift;
            match wide {
                true => out.extend_from_slice(&sample.to_be_bytes()[1..]),
                false => out.extend_from_slice(&sample.to_be_bytes()[2..]),
            }
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::probe;
    use crate::container::testing::{drive_bytes, run};

    /// What ffmpeg's `codec` makes of two seconds of noise and tones, in a file named `name`, is what comes out of it.
    #[track_caller]
    fn same_as_ffmpeg(name: &str, codec: &[&str], raw: &str) {
        const SIGNAL: &str = "anoisesrc=r=44100:a=0.2:d=2:seed=1[n];sine=r=44100:f=300:d=2[s];[n][s]amix[m];\
                              sine=r=44100:f=3000:d=2[t];[m][t]amerge";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name).to_str().unwrap().to_string();
        run("ffmpeg", &[&["-v", "error", "-filter_complex", SIGNAL], codec, &[&path]].concat());
        let want = run("ffmpeg", &["-v", "error", "-i", &path, "-f", raw, "-"]);
        let bytes = std::fs::read(&path).unwrap();
        let found = drive_bytes(probe(&bytes, bytes.len() as u64).unwrap(), &bytes).unwrap();
        assert_eq!(found.notes, [""; 0], "{name}");
        let got: Vec<u8> = found.of(1).flat_map(|sample| sample.data.to_vec()).collect();
        assert_eq!(got.len(), want.len(), "{name}");
        assert!(got == want, "{name} {codec:?}");
    }

    #[test]
    fn samples_are_those_of_the_file() {
        same_as_ffmpeg("16.mkv", &["-c:a", "flac", "-sample_fmt", "s16"], "s16be");
        same_as_ffmpeg("24.mkv", &["-c:a", "flac", "-sample_fmt", "s32", "-compression_level", "8"], "s24be");
        same_as_ffmpeg(
            "mono.ogg",
            &["-c:a", "flac", "-sample_fmt", "s16", "-ac", "1", "-compression_level", "0"],
            "s16be",
        );
        same_as_ffmpeg("16.mp4", &["-c:a", "flac", "-sample_fmt", "s16", "-strict", "-2"], "s16be");
        same_as_ffmpeg("16.avi", &["-c:a", "flac", "-sample_fmt", "s16"], "s16be");
        same_as_ffmpeg("16.m4a", &["-c:a", "alac", "-sample_fmt", "s16p"], "s16be");
        same_as_ffmpeg("24.mov", &["-c:a", "alac", "-sample_fmt", "s32p"], "s24be");
        same_as_ffmpeg("5.1.m4a", &["-c:a", "alac", "-sample_fmt", "s16p", "-ac", "6"], "s16be");
        same_as_ffmpeg("3.0.mov", &["-c:a", "alac", "-sample_fmt", "s32p", "-ac", "3"], "s24be");
        same_as_ffmpeg("mono.mkv", &["-c:a", "alac", "-sample_fmt", "s16p", "-ac", "1"], "s16be");
    }

    #[test]
    fn samples_are_interleaved_with_their_bits_on_top() {
        let channels = [vec![1, -1], vec![2, 3]];
        assert_eq!(interleave(&channels, 16).as_ref(), [0, 1, 0, 2, 0xFF, 0xFF, 0, 3]);
        assert_eq!(interleave(&channels, 8).as_ref(), [1, 0, 2, 0, 0xFF, 0, 3, 0]);
        assert_eq!(interleave(&channels[..1], 20).as_ref(), [0, 0, 0x10, 0xFF, 0xFF, 0xF0]);
        assert_eq!(interleave(&[], 16).len(), 0);
    }
}
