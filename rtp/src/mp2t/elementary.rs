//! From units in stored form to the bytes of their elementary stream, with all that a decoder needs who comes in there.

use crate::codec::aac::AudioSpecificConfig;
use crate::codec::mpeg4_visual::config_len;
use crate::codec::nal::length_prefixed;
use crate::format::Format;
use crate::payload::mpv::without_hints;

/// Access unit delimiters, which a transport stream's units begin with: of any kind of slices (ISO 13818-1 2.14.1, 2.17.1).
const AVC_DELIMITER: [u8; 6] = [0, 0, 0, 1, 9, 0xF0];
const HEVC_DELIMITER: [u8; 7] = [0, 0, 0, 1, 0x46, 1, 0x50];

/// Bytes of an ADTS header without CRC.
const ADTS_HEADER: usize = 7;
/// What 13 bits of its length can say.
const MAX_ADTS: usize = 0x1FFF;

/// How a format's units become a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Elementary {
    Mpeg1Video,
    Mpeg2Video,
    /// `low`: with the sampling rates of MPEG-2's layers.
    MpegAudio {
        low: bool,
    },
    Avc,
    Hevc,
    /// The headers that come before each sync unit that hasn't its own.
    Mpeg4Visual {
        config: Vec<u8>,
    },
    /// The header of each unit, but for its length.
    Adts {
        header: [u8; ADTS_HEADER],
    },
    Ac3,
    Eac3,
}

impl Elementary {
    /// `Err`: what would be carried.
    pub(super) fn of(format: &Format) -> Result<Self, &'static str> {
        Ok(match format {
            Format::Mpv { mpeg2: false, .. } => Self::Mpeg1Video,
            Format::Mpv { mpeg2: true, .. } => Self::Mpeg2Video,
            Format::Mpa { sample_rate, .. } => Self::MpegAudio { low: *sample_rate < 32_000 },
            Format::H264 { .. } => Self::Avc,
            Format::H265 { .. } => Self::Hevc,
            Format::Mp4vEs { config, .. } => Self::Mpeg4Visual { config: config.clone() },
            Format::Aac { config, .. } => Self::Adts { header: adts_header(config)? },
            Format::Ac3 { .. } => Self::Ac3,
            Format::Eac3 { .. } => Self::Eac3,
            _ => {
                return Err(
                    "a transport stream carries MPEG-1, MPEG-2 and MPEG-4 video, H.264, H.265, MPEG audio, AAC, \
                            AC-3 and E-AC-3",
                );
            }
        })
    }

    /// `stream_type` (ISO 13818-1 table 2-34, ATSC A/52 annex A).
    pub(super) fn stream_type(&self) -> u8 {
        match self {
            Self::Mpeg1Video => 0x01,
            Self::Mpeg2Video => 0x02,
            Self::MpegAudio { low: false } => 0x03,
            Self::MpegAudio { low: true } => 0x04,
            Self::Adts { .. } => 0x0F,
            Self::Mpeg4Visual { .. } => 0x10,
            Self::Avc => 0x1B,
            Self::Hevc => 0x24,
            Self::Ac3 => 0x81,
            Self::Eac3 => 0x87,
        }
    }

    /// The registration that makes a private `stream_type` known.
    pub(super) fn registration(&self) -> Option<&'static [u8; 4]> {
        match self {
            Self::Hevc => Some(b"HEVC"),
            Self::Ac3 => Some(b"AC-3"),
            Self::Eac3 => Some(b"EAC3"),
            _ => None,
        }
    }

    /// `stream_id` of its packets (table 2-22); `number` counts the programme's streams of sound.
    pub(super) fn stream_id(&self, number: u8) -> u8 {
        match self {
            Self::MpegAudio { .. } | Self::Adts { .. } => 0xC0 | number & 0x1F,
            Self::Ac3 | Self::Eac3 => 0xBD,
            _ => 0xE0,
        }
    }

    pub(super) fn is_video(&self) -> bool {
        self.stream_id(0) == 0xE0
    }

    /// Appends a unit; the error is where its stored form breaks and why.
    pub(super) fn append(&self, unit: &[u8], sync: bool, out: &mut Vec<u8>) -> Result<(), (usize, &'static str)> {
        match self {
            Self::Mpeg1Video | Self::Mpeg2Video => out.extend_from_slice(without_hints(unit).ok_or((0, "no hints"))?),
            Self::Avc => append_units(&AVC_DELIMITER, unit, out)?,
            Self::Hevc => append_units(&HEVC_DELIMITER, unit, out)?,
            Self::Mpeg4Visual { config } => {
                if sync && config_len(unit) == 0 {
                    out.extend_from_slice(config);
                }
                out.extend_from_slice(unit);
            }
            Self::Adts { header } => {
                let length = u16::try_from(unit.len() + ADTS_HEADER).ok().filter(|&length| length <= MAX_ADTS as u16);
                let length = length.ok_or((0, "longer than an ADTS frame can be"))?;
                let mut header = *header;
                header[3] |= (length >> 11) as u8;
                header[4] = (length >> 3) as u8;
                header[5] |= (length << 5) as u8;
                out.extend_from_slice(&header);
                out.extend_from_slice(unit);
            }
            Self::MpegAudio { .. } | Self::Ac3 | Self::Eac3 => out.extend_from_slice(unit),
        }
        Ok(())
    }
}

fn append_units(delimiter: &[u8], unit: &[u8], out: &mut Vec<u8>) -> Result<(), (usize, &'static str)> {
    out.extend_from_slice(delimiter);
    for nal in length_prefixed(unit, 4) {
        let nal = nal.map_err(|error| (error.bit / 8, "a NAL unit reaches past its unit"))?;
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(nal);
    }
    Ok(())
}

/// ISO 14496-3 1.A.2.2: MPEG-4, no CRC, one block, a buffer of variable rate; the length is zero.
fn adts_header(config: &[u8]) -> Result<[u8; ADTS_HEADER], &'static str> {
    let config = AudioSpecificConfig::parse(config).map_err(|_| "its configuration can't be read")?;
    let rate = config.sample_rate_index().filter(|_| config.frame_samples == 1024);
    let (1..=4, Some(rate), 1..=7) = (config.object_type, rate, config.channel_config) else {
        return Err("ADTS carries AAC Main, LC, SSR and LTP of 1024 samples and the channel configurations 1 to 7");
    };
    let channels = config.channel_config;
    let second = (config.object_type - 1) << 6 | rate << 2 | channels >> 2;
    Ok([0xFF, 0xF1, second, channels << 6, 0, 0x1F, 0xFC])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::aac::AdtsHeader;

    #[test]
    fn a_header_says_what_the_configuration_says() {
        // AAC-LC 44.1 kHz stereo, 48 kHz 5.1; HE-AAC of a core with 24 kHz.
        for (config, rate, channels) in
            [(&[0x12, 0x10][..], 44_100, 2), (&[0x11, 0xB0], 48_000, 6), (&[0x2B, 0x11, 0x88, 0x00], 24_000, 2)]
        {
            let format = Format::Aac { config: config.to_vec(), sample_rate: rate, channels };
            let elementary = Elementary::of(&format).unwrap();
            let mut out = Vec::new();
            elementary.append(&[7; 1000], true, &mut out).unwrap();
            let header = AdtsHeader::parse(&out).unwrap();
            assert_eq!((header.sample_rate, header.object_type, header.blocks), (rate, 2, 1), "{config:02x?}");
            assert_eq!((usize::from(header.frame_len), usize::from(header.header_len)), (out.len(), ADTS_HEADER));
            assert!(elementary.append(&[0; MAX_ADTS], true, &mut out).is_err());
        }
    }

    #[test]
    fn what_a_transport_stream_can_not_hold_is_refused() {
        let (width, height) = (16, 16);
        let aac = |config: &[u8]| Format::Aac { config: config.to_vec(), sample_rate: 44_100, channels: 2 };
        for format in [
            Format::Vp8 { width, height },
            Format::Opus { channels: 2 },
            Format::T140 {},
            // Low delay, channels by a program config element, nothing.
            aac(&[0xBA, 0x10]),
            aac(&[0x12, 0x00]),
            aac(&[]),
        ] {
            assert!(Elementary::of(&format).is_err(), "{format:?}");
        }
    }

    #[test]
    fn units_come_with_what_a_decoder_needs() {
        let set = |byte| vec![vec![byte]];
        let avc = Format::H264 { sps: set(0x67), pps: set(0x68), width: 16, height: 16 };
        let config = vec![0, 0, 1, 0xB0, 1];
        let mpeg4 = Format::Mp4vEs { config: config.clone(), width: 16, height: 16 };
        // Format, unit, sync, elementary stream.
        let vop = [0, 0, 1, 0xB6, 9];
        let led = [&config[..], &vop].concat();
        let cases: &[(&Format, &[u8], bool, &[u8])] = &[
            (&avc, &[0, 0, 0, 2, 0x65, 9], false, &[0, 0, 0, 1, 9, 0xF0, 0, 0, 0, 1, 0x65, 9]),
            (&mpeg4, &vop, true, &led),
            (&mpeg4, &vop, false, &vop),
            (&mpeg4, &led, true, &led),
        ];
        for (format, unit, sync, expected) in cases {
            let mut out = Vec::new();
            Elementary::of(format).unwrap().append(unit, *sync, &mut out).unwrap();
            assert_eq!(&out, expected, "{format:?}");
        }
        assert!(Elementary::Avc.append(&[0, 0, 0, 9, 1], true, &mut Vec::new()).is_err());
    }
}
