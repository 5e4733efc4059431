//! From a sample description to a [`Format`], and from a sample's bytes in the file to an access unit.

use bytes::{BufMut, Bytes, BytesMut};
use rtp::codec::mpeg_audio;
use rtp::format::Format;

/// A codec with what the sample description says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Avc { length_size: usize, sps: Vec<Vec<u8>>, pps: Vec<Vec<u8>>, width: u32, height: u32 },
    Mpeg4Visual { config: Vec<u8>, width: u32, height: u32 },
    MpegVideo { mpeg2: bool, width: u32, height: u32 },
    Aac { config: Vec<u8>, channels: u8 },
    MpegAudio { sample_rate: u32, channels: u8 },
}

impl Codec {
    /// Whether the first sample must be seen to know the format: parameter sets in the stream (`avc3`), no
    /// decoder configuration, or fields that the sample entry often has wrong.
    pub fn wants_first_sample(&self) -> bool {
        match self {
            Codec::Avc { sps, pps, .. } => sps.is_empty() || pps.is_empty(),
            Codec::Mpeg4Visual { config, .. } => config.is_empty(),
            Codec::MpegVideo { .. } | Codec::MpegAudio { .. } => true,
            Codec::Aac { .. } => false,
        }
    }

    /// The format, or why there is none. `first` is the first sample as it lies in the file.
    pub fn format(&self, first: Option<&[u8]>) -> Result<Format, String> {
        match self {
            Codec::Avc { length_size, sps, pps, width, height } => {
                let (mut sps, mut pps) = (sps.clone(), pps.clone());
                if sps.is_empty() || pps.is_empty() {
                    for unit in units(first.unwrap_or_default(), *length_size) {
                        match unit.first().map(|byte| byte & 31) {
                            Some(7) => sps.push(unit.to_vec()),
                            Some(8) => pps.push(unit.to_vec()),
                            _ => {}
                        }
                    }
                }
                if sps.is_empty() || pps.is_empty() {
                    return Err("H.264 without parameter sets in the header or the first picture".into());
                }
                Ok(Format::H264 { sps, pps, width: *width, height: *height })
            }
            Codec::Mpeg4Visual { config, width, height } => {
                let mut config = config.clone();
                if config.is_empty() {
                    let first = first.unwrap_or_default();
                    // Everything before the first group or picture (ISO 14496-2 table 6-3).
                    let end = first.windows(4).position(|code| matches!(code, [0, 0, 1, 0xb3 | 0xb6]));
                    config = first[..end.unwrap_or(0)].to_vec();
                }
                if config.is_empty() {
                    return Err("MPEG-4 visual without a video object layer in the header or the first picture".into());
                }
                Ok(Format::Mp4vEs { config, width: *width, height: *height })
            }
            Codec::MpegVideo { mpeg2, width, height } => {
                // What the stream says counts: a sequence extension after the sequence header makes it MPEG-2.
                let codes = |code: u8| first.unwrap_or_default().windows(4).any(|at| at == [0, 0, 1, code]);
                let mpeg2 = if codes(0xb3) { codes(0xb5) } else { *mpeg2 };
                Ok(Format::Mpv { mpeg2, width: *width, height: *height })
            }
            Codec::Aac { config, channels } => aac(config, *channels),
            Codec::MpegAudio { .. } => {
                let header = mpeg_audio::FrameHeader::parse(first.unwrap_or_default())
                    .map_err(|error| format!("the first sample is no MPEG audio frame: {error}"))?;
                Ok(Format::Mpa { layer: header.layer, sample_rate: header.sample_rate, channels: header.channels() })
            }
        }
    }

    /// Turns a sample's bytes into the access unit that [`Format::store`] takes; `parameters`: with the
    /// parameter sets of this description in front. The flag says whether damage was cut off.
    pub fn access_unit(&self, data: Bytes, parameters: bool) -> (Bytes, bool) {
        let Codec::Avc { length_size, sps, pps, .. } = self else { return (data, false) };
        let mut whole = 0;
        let mut count = 0;
        for unit in units(&data, *length_size) {
            whole += unit.len() + length_size;
            count += 1;
        }
        let damaged = whole != data.len();
        if *length_size == 4 && !parameters {
            return (data.slice(..whole), damaged);
        }
        let mut out = BytesMut::with_capacity(whole + count * 4 + 256);
        let sets = sps.iter().chain(pps).map(Vec::as_slice).filter(|_| parameters);
        for unit in sets.chain(units(&data, *length_size)) {
            // A unit is part of an access unit, and those are limited.
            out.put_u32(unit.len() as u32);
            out.put_slice(unit);
        }
        (out.freeze(), damaged)
    }
}

/// NAL units behind lengths of `length_size` bytes, up to the end or to a length that leads beyond it.
fn units(data: &[u8], length_size: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_at_checked(length_size)?;
        let length = length.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
        let (unit, after) = after.split_at_checked(length)?;
        rest = after;
        Some(unit)
    })
}

/// The AAC core's rate and channels by AudioSpecificConfig (ISO 14496-3 section 1.6.2.1).
fn aac(config: &[u8], entry_channels: u8) -> Result<Format, String> {
    let mut at = 0usize;
    let mut bits = |count: usize| {
        let mut value = 0u32;
        for _ in 0..count {
            let byte = config.get(at / 8).ok_or("the AAC configuration is cut")?;
            value = value << 1 | u32::from(byte >> (7 - at % 8) & 1);
            at += 1;
        }
        Ok::<u32, String>(value)
    };
    let object_type = match bits(5)? {
        31 => 32 + bits(6)?,
        known => known,
    };
    let index = bits(4)?;
    let sample_rate = match index {
        15 => bits(24)?,
        _ => *RATES.get(index as usize).ok_or(format!("the AAC configuration has the reserved rate {index}"))?,
    };
    if sample_rate == 0 {
        return Err("the AAC configuration has the rate 0".into());
    }
    let channels = match bits(4)? {
        0 => entry_channels.max(1),
        count @ 1..=6 => count as u8,
        7 => 8,
        other => return Err(format!("the AAC configuration has the reserved channel layout {other}")),
    };
    match object_type {
        // Main, LC, SSR, LTP, SBR, scalable, PS.
        1..=6 | 29 => Ok(Format::Aac { config: config.to_vec(), sample_rate, channels }),
        other => Err(format!("MPEG-4 audio object type {other} (AAC expected)")),
    }
}

const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

#[cfg(test)]
mod tests {
    use super::*;

    fn avc(length_size: usize) -> Codec {
        Codec::Avc { length_size, sps: vec![vec![0x67, 1]], pps: vec![vec![0x68]], width: 16, height: 16 }
    }

    #[test]
    fn lengths_of_every_size_become_four_bytes() {
        #[track_caller]
        fn check(length_size: usize, data: &'static [u8], parameters: bool, want: &[u8], cut: bool) {
            let (unit, damaged) = avc(length_size).access_unit(Bytes::from_static(data), parameters);
            assert_eq!((unit.as_ref(), damaged), (want, cut));
        }
        check(1, b"\x02\x65a\x01\x06", false, b"\0\0\0\x02\x65a\0\0\0\x01\x06", false);
        check(2, b"\0\x02\x65a", false, b"\0\0\0\x02\x65a", false);
        check(4, b"\0\0\0\x02\x65a", false, b"\0\0\0\x02\x65a", false);
        check(4, b"\0\0\0\x02\x65a\0\0\0\x09b", false, b"\0\0\0\x02\x65a", true);
        check(4, b"\0\0", false, b"", true);
        check(4, b"\0\0\0\x01\x65", true, b"\0\0\0\x02\x67\x01\0\0\0\x01\x68\0\0\0\x01\x65", false);
    }

    #[test]
    fn the_rate_and_channels_are_those_of_the_configuration() {
        #[track_caller]
        fn check(config: &[u8], want: Option<(u32, u8)>) {
            let got = aac(config, 2).ok().map(|format| match format {
                Format::Aac { sample_rate, channels, .. } => (sample_rate, channels),
                other => panic!("{other:?}"),
            });
            assert_eq!(got, want, "{config:02x?}");
        }
        check(&[0x12, 0x10], Some((44_100, 2)));
        check(&[0x11, 0xb8], Some((48_000, 8)));
        check(&[0x2b, 0x92, 0x08, 0x00], Some((22_050, 2)));
        // An escaped rate: 15, then 24 bits of 12345.
        check(&[0x17, 0x80, 0x18, 0x1c, 0x90], Some((12_345, 2)));
        check(&[0x12], None);
        check(&[0x16, 0x90], None);
    }

    #[test]
    fn parameter_sets_in_the_stream_make_the_format() {
        let codec = Codec::Avc { length_size: 1, sps: vec![], pps: vec![], width: 16, height: 16 };
        assert!(codec.wants_first_sample());
        assert!(codec.format(Some(b"\x01\x65")).is_err());
        let format = codec.format(Some(b"\x02\x67\x09\x01\x68\x01\x65")).unwrap();
        assert_eq!(format, Format::H264 { sps: vec![vec![0x67, 9]], pps: vec![vec![0x68]], width: 16, height: 16 });
    }
}
