//! From a track's `CodecID` and `CodecPrivate` (Matroska Codec Specifications) to how it is sent.

use super::super::asf::wrap::Wrapper;
use super::super::mp4::{Codec, Pcm, avc_codec, hevc_codec};
use super::limits::MAX_DEPTH;
use super::tracks::Entry;
use crate::container::es;
use crate::container::lossless::Lossless;
use crate::container::quicktime;
use crate::container::steady;
use crate::container::wave::{self as tags, WaveFormat};
use bytes::Bytes;
use rtp::codec::vorbis::Lengths;
use rtp::codec::{h264, h265, mpeg4_visual};
use rtp::format::Format;

/// How a track's frames are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coding {
    /// A codec whose frames other containers hold alike.
    Shared(Codec),
    /// One of which the entry says all, and whose frames stay as they are.
    Whole(Format),
    /// Vorbis, whose frames say how long they last by the one before.
    Vorbis(Format, Lengths),
    /// Apple ProRes, whose frames lack the length and the name with which they begin elsewhere.
    ProRes(Format),
}

/// The RTP clock of pictures that only QuickTime has a name for.
const CLOCK: u32 = 90_000;

/// The coding of a track, or why there is none.
pub fn tell(entry: &Entry) -> Result<Coding, String> {
    let id = entry.codec_id.as_str();
    let unknown = || format!("in a codec not supported ({id})");
    let (width, height, rate) = (entry.width, entry.height, entry.sample_rate());
    let channels = u8::try_from(entry.channels).unwrap_or(u8::MAX).max(1);
    let private = entry.private.as_slice();
    let foreign = |fourcc: &[u8; 4]| {
        Wrapper::video_of(1, *fourcc, width, height, 24, private).map(|wrapper| Coding::Whole(wrapper.format()))
    };
    let pcm = |layout| Ok(Coding::Shared(Codec::Pcm { layout, rate, channels }));
    let shared = match id {
        "V_MPEG4/ISO/AVC" => avc_codec(private).ok_or("H.264 without a configuration record that can be read")?,
        "V_MPEGH/ISO/HEVC" => hevc_codec(private).ok_or("H.265 without a configuration record that can be read")?,
        "V_MPEG4/ISO/SP" | "V_MPEG4/ISO/ASP" | "V_MPEG4/ISO/AP" => {
            Codec::Mpeg4Visual { config: private.to_vec(), width, height }
        }
        "V_MPEG1" | "V_MPEG2" => Codec::MpegVideo { mpeg2: id == "V_MPEG2", width, height },
        "V_VP8" => Codec::Vp8 { width, height },
        "V_VP9" => Codec::Vp9 { width, height },
        "V_MJPEG" => Codec::Jpeg { width, height },
        "V_PRORES" => {
            let fourcc = private.first_chunk().copied().unwrap_or(*b"apcn");
            return quicktime::pictures(fourcc, width, height, CLOCK).map(Coding::ProRes).ok_or_else(unknown);
        }
        "V_AV1" => return foreign(b"AV01"),
        "V_MPEG4/MS/V3" => return foreign(b"DIV3"),
        "V_THEORA" => return foreign(b"theo"),
        "V_FFV1" => return foreign(b"FFV1"),
        "V_DIRAC" => return foreign(b"drac"),
        "V_MS/VFW/FOURCC" => return Wrapper::video(1, private).map(|wrapper| Coding::Whole(wrapper.format())),
        "A_MPEG/L1" | "A_MPEG/L2" | "A_MPEG/L3" => Codec::MpegAudio,
        "A_AC3" | "A_AC3/BSID9" | "A_AC3/BSID10" => Codec::Ac3,
        "A_EAC3" => Codec::Eac3,
        "A_OPUS" => match private.get(9).copied().unwrap_or(channels) {
            channels @ 1..=2 => Codec::Opus { channels },
            more => return Err(format!("Opus with {more} channels, of which RTP carries two")),
        },
        "A_VORBIS" => return vorbis(private).ok_or_else(|| "Vorbis without its three headers".into()),
        "A_PCM/INT/LIT" | "A_PCM/INT/BIG" => match (entry.bits, id == "A_PCM/INT/LIT") {
            (8, _) => return pcm(Pcm::Unsigned),
            (16, little) => return pcm(Pcm::Wide { bytes: 2, little }),
            (24, little) => return pcm(Pcm::Wide { bytes: 3, little }),
            (32, true) => return audio(samples(tags::PCM, entry)),
            (bits, _) => return Err(format!("PCM of {bits} bits")),
        },
        "A_PCM/FLOAT/IEEE" => return audio(samples(tags::FLOAT, entry)),
        "A_MS/ACM" => return acm(private),
        "S_TEXT/UTF8" | "S_TEXT/ASCII" => return Ok(Coding::Whole(Format::T140 {})),
        _ if id.starts_with("A_AAC") => {
            let config =
                if private.is_empty() { low_complexity(rate, channels).ok_or_else(unknown)? } else { private.to_vec() };
            Codec::Aac { config, channels }
        }
        _ if id.starts_with("A_DTS") => {
            return audio(WaveFormat::new(tags::DTS, channels.into(), rate));
        }
        "A_FLAC" => {
            // Mark, a metadata block's header, and that on the stream.
            let info = private.get(8..42).ok_or("FLAC without its stream information")?;
            if let Some(codec) = Lossless::flac(info) {
                return Ok(Coding::Shared(Codec::Lossless(codec)));
            }
            let bits = u16::try_from(entry.bits).unwrap_or(16);
            let plain = WaveFormat::new(tags::FLAC, channels.into(), rate);
            return audio(WaveFormat { bits, extra: info.to_vec(), ..plain });
        }
        "A_ALAC" => match Lossless::alac(private) {
            Some(codec) => Codec::Lossless(codec),
            None => return Err(unknown()),
        },
        _ => return Err(unknown()),
    };
    Ok(Coding::Shared(shared))
}

/// Samples of the entry's width as they lie, least significant byte first.
fn samples(tag: u16, entry: &Entry) -> WaveFormat {
    let (channels, bits) = (u16::try_from(entry.channels).unwrap_or(1).max(1), u16::try_from(entry.bits).unwrap_or(32));
    let block = channels.saturating_mul(bits / 8);
    WaveFormat { bits, ..WaveFormat::new(tag, channels, entry.sample_rate()).in_blocks(block) }
}

fn audio(wave: WaveFormat) -> Result<Coding, String> {
    Wrapper::audio(1, &wave.to_bytes()).map(|wrapper| Coding::Whole(wrapper.format()))
}

/// Sound described as files for Windows do it.
fn acm(private: &[u8]) -> Result<Coding, String> {
    let wave = WaveFormat::read(private).ok_or("sound for Windows without its description")?;
    let (rate, channels) = (wave.sample_rate, u8::try_from(wave.channels).unwrap_or(u8::MAX).max(1));
    let pcm = |layout| Ok(Coding::Shared(Codec::Pcm { layout, rate, channels }));
    match (wave.tag, wave.bits) {
        (tags::PCM, 8) => pcm(Pcm::Unsigned),
        (tags::PCM, 16) => pcm(Pcm::Wide { bytes: 2, little: true }),
        (tags::PCM, 24) => pcm(Pcm::Wide { bytes: 3, little: true }),
        (tags::ALAW, _) => pcm(Pcm::Alaw),
        (tags::MULAW, _) => pcm(Pcm::Mulaw),
        (tags::MPEG | tags::MPEG_LAYER_3, _) => Ok(Coding::Shared(Codec::MpegAudio)),
        (tags::AC3, _) => Ok(Coding::Shared(Codec::Ac3)),
        (tags::AAC | tags::AAC_OLD, _) if !wave.extra.is_empty() => {
            Ok(Coding::Shared(Codec::Aac { config: wave.extra, channels }))
        }
        _ => Wrapper::audio(1, private).map(|wrapper| Coding::Whole(wrapper.format())),
    }
}

/// The configuration of AAC LC at one of the 13 rates, for files from before it was kept (ISO 14496-3 1.6.2.1).
fn low_complexity(rate: u32, channels: u8) -> Option<Vec<u8>> {
    const RATES: [u32; 13] =
        [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
    let index = RATES.iter().zip(0u16..).find(|(known, _)| **known == rate)?.1;
    (1..8).contains(&channels).then(|| (2 << 11 | index << 7 | u16::from(channels) << 3).to_be_bytes().to_vec())
}

/// Vorbis's three headers, laced as Xiph does it.
pub fn vorbis(private: &[u8]) -> Option<Coding> {
    let (2, mut rest) = private.split_first()? else { return None };
    let mut lengths = [0; 2];
    for length in &mut lengths {
        let end = rest.iter().position(|byte| *byte != 255)?;
        *length = end * 255 + usize::from(rest[end]);
        rest = &rest[end + 1..];
    }
    let (first, rest) = rest.split_at_checked(lengths[0])?;
    let (second, third) = rest.split_at_checked(lengths[1])?;
    let lengths = Lengths::new(first, third)?;
    let format = Format::vorbis([first, second, third].map(<[u8]>::to_vec).to_vec())?;
    Some(Coding::Vorbis(format, lengths))
}

impl Coding {
    /// Whether the first frame must be seen to know the format.
    pub fn wants_first_frame(&self) -> bool {
        matches!(self, Coding::Shared(codec) if codec.wants_first_sample())
    }

    /// The format, or why there is none.
    pub fn format(&self, first: Option<&[u8]>) -> Result<Format, String> {
        match self {
            Coding::Shared(codec) => codec.format(first),
            Coding::Whole(format) | Coding::Vorbis(format, _) | Coding::ProRes(format) => Ok(format.clone()),
        }
    }

    /// A frame as [`Format::store`] takes it, and whether damage was cut off.
    pub fn access_unit(&self, data: Bytes) -> (Bytes, bool) {
        match self {
            Coding::Shared(codec) => codec.access_unit(data, false),
            Coding::Whole(_) | Coding::Vorbis(..) => (data, false),
            Coding::ProRes(_) => (prores(data), false),
        }
    }

    /// A unit as it is given out (see [`Codec::unpack`]).
    pub fn unpack(&self, data: Bytes) -> Result<Bytes, &'static str> {
        match self {
            Coding::Shared(codec) => codec.unpack(data),
            Coding::Whole(_) | Coding::Vorbis(..) | Coding::ProRes(_) => Ok(data),
        }
    }

    /// Pictures that may be decoded before one that is shown earlier; `None`: frames come in the order of their times.
    pub fn depth(&self) -> Option<usize> {
        let depth = match self {
            Coding::Shared(Codec::Avc { sps, .. }) => {
                sps.first().and_then(|sps| h264::Sps::parse(sps).ok()).map_or(MAX_DEPTH, |sps| es::depth(&sps))
            }
            Coding::Shared(Codec::Hevc { sps, .. }) => sps
                .first()
                .and_then(|sps| h265::Sps::parse(sps).ok())
                .map_or(MAX_DEPTH, |sps| sps.reorder_pictures.into()),
            Coding::Shared(Codec::Mpeg4Visual { config, .. }) => {
                let told = mpeg4_visual::Config::parse(config).ok().and_then(|config| config.layer.low_delay);
                usize::from(told != Some(true))
            }
            Coding::Shared(Codec::MpegVideo { .. }) => 1,
            _ => return None,
        };
        Some(depth.min(MAX_DEPTH))
    }

    /// Nanoseconds of the next frame, where its bytes or the codec say it.
    pub fn duration_ns(&mut self, frame: &[u8]) -> Option<i64> {
        match self {
            Coding::Vorbis(format, lengths) => {
                Some(i64::from(lengths.samples(frame)?) * 1_000_000_000 / i64::from(format.clock_rate().hz()))
            }
            Coding::Shared(codec) => steady::duration_ns(codec, frame),
            Coding::Whole(_) | Coding::ProRes(_) => None,
        }
    }
}

/// A frame with the length and the name before it, if it lacks them.
fn prores(frame: Bytes) -> Bytes {
    const NAME: &[u8] = b"icpf";
    if frame.get(4..8) == Some(NAME) {
        return frame;
    }
    let length = u32::try_from(frame.len() + 8).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], NAME, &frame].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_prores_begin_with_their_length() {
        let whole = b"\0\0\0\x0aicpfab";
        assert_eq!(prores(Bytes::from_static(b"ab")).as_ref(), whole);
        assert_eq!(prores(Bytes::from_static(whole)).as_ref(), whole);
    }

    #[test]
    fn codecs_are_told_by_their_names() {
        #[track_caller]
        fn check(id: &str, private: &[u8], want: Result<&str, &str>) {
            let mut entry = Entry::default();
            (entry.codec_id, entry.private) = (id.into(), private.to_vec());
            (entry.width, entry.height) = (16, 16);
            (entry.rate, entry.channels, entry.bits) = (44_100.0, 2, 16);
            let found = tell(&entry).and_then(|coding| coding.format(None)).map(|format| format.describe());
            assert_eq!(found.as_deref().map_err(String::as_str), want, "{id}");
        }
        check("V_VP9", &[], Ok("VP9 16x16"));
        check("V_AV1", &[0x81], Ok("AV01 video 16x16"));
        check("A_AAC", &[0x12, 0x10], Ok("AAC 44100 Hz stereo"));
        check("A_AAC/MPEG4/LC", &[], Ok("AAC 44100 Hz stereo"));
        check("A_PCM/INT/LIT", &[], Ok("PCM 16 bits 44100 Hz stereo"));
        check("A_DTS", &[], Ok("DTS 44100 Hz 2 channels"));
        check("A_OPUS", b"OpusHead\x01\x06", Err("Opus with 6 channels, of which RTP carries two"));
        check(
            "A_MS/ACM",
            &WaveFormat { bits: 4, ..WaveFormat::new(tags::MS_ADPCM, 1, 8000).in_blocks(256) }.to_bytes(),
            Ok("Microsoft ADPCM 8000 Hz 1 channels"),
        );
        check("A_MS/ACM", &[2], Err("sound for Windows without its description"));
        check("V_PRORES", b"apch", Ok("apch video 16x16"));
        check("A_PCM/FLOAT/IEEE", &[], Ok("floating point 44100 Hz 2 channels"));
        check("A_TRUEHD", &[], Err("in a codec not supported (A_TRUEHD)"));
        check("A_ALAC", &[0; 24], Err("in a codec not supported (A_ALAC)"));
        check("V_MPEG4/ISO/AVC", &[1], Err("H.264 without a configuration record that can be read"));
        check("A_VORBIS", &[2, 1, 1, 0, 0, 0], Err("Vorbis without its three headers"));
        check("S_TEXT/UTF8", &[], Ok("text"));
    }
}
