//! From a sample description to a [`Format`], and from a sample's bytes in the file to an access unit.

pub(super) mod ima4;
mod pcm;
mod text;
mod units;

use super::ticks::Frame;
use crate::container::asf::wrap::Wrapper;
use crate::container::lossless::Lossless;
use bytes::Bytes;
pub(in crate::container) use pcm::Pcm;
use rtp::codec::aac::AudioSpecificConfig;
use rtp::codec::start_code::start_codes;
use rtp::codec::{ac3, h264, h265, mpeg_audio, mpeg_video, mpeg4_visual};
use rtp::format::{Format, PcmCoding};
use units::{prefixed, units};

/// A codec with what the sample description says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::container) enum Codec {
    Avc {
        length_size: usize,
        sps: Vec<Vec<u8>>,
        pps: Vec<Vec<u8>>,
        width: u32,
        height: u32,
    },
    Mpeg4Visual {
        config: Vec<u8>,
        width: u32,
        height: u32,
    },
    MpegVideo {
        mpeg2: bool,
        width: u32,
        height: u32,
    },
    Aac {
        config: Vec<u8>,
        channels: u8,
    },
    MpegAudio,
    Hevc {
        length_size: usize,
        vps: Sets,
        sps: Sets,
        pps: Sets,
        width: u32,
        height: u32,
    },
    H263 {
        width: u32,
        height: u32,
    },
    Vp8 {
        width: u32,
        height: u32,
    },
    Vp9 {
        width: u32,
        height: u32,
    },
    Jpeg {
        width: u32,
        height: u32,
    },
    Ac3,
    Eac3,
    Amr {
        wide: bool,
    },
    Opus {
        channels: u8,
    },
    Pcm {
        layout: Pcm,
        rate: u32,
        channels: u8,
    },
    /// IMA ADPCM of QuickTime, decoded when it is read.
    Ima4 {
        rate: u32,
        channels: u8,
    },
    /// Timed text.
    Text,
    /// Decoded when it is read.
    Lossless(Lossless),
    /// One without a payload format: [`Format::Asf`] describes it, or [`Format::QuickTime`] where that has no name for it.
    Foreign(Foreign),
}

/// A codec without a payload format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::container) struct Foreign {
    pub format: Format,
    /// As [`Codec::frame`] has it.
    pub frame: Option<Frame>,
}

impl From<Wrapper> for Foreign {
    fn from(wrapper: Wrapper) -> Self {
        Self { format: wrapper.format(), frame: None }
    }
}

/// Parameter sets, NAL units without lengths.
type Sets = Vec<Vec<u8>>;

impl Codec {
    /// Whether the first sample must be seen to know the format: parameter sets in the stream (`avc3`), no
    /// decoder configuration, or fields that the sample entry often has wrong.
    pub fn wants_first_sample(&self) -> bool {
        match self {
            Codec::Avc { sps, pps, .. } => sps.is_empty() || pps.is_empty(),
            Codec::Mpeg4Visual { config, .. } => config.is_empty(),
            Codec::Hevc { vps, sps, pps, .. } => [vps, sps, pps].iter().any(|sets| sets.is_empty()),
            Codec::MpegVideo { .. } | Codec::MpegAudio | Codec::Ac3 | Codec::Eac3 | Codec::Jpeg { .. } => true,
            _ => false,
        }
    }

    /// What single ticks are bundled by, if they can be.
    pub fn frame(&self) -> Option<Frame> {
        match self {
            Codec::Pcm { layout, rate, channels } => Some(Frame::pcm(layout.bytes() * u32::from(*channels), *rate)),
            Codec::Ima4 { rate, channels } => {
                let bytes = ima4::BLOCK as u32 * u32::from(*channels);
                Some(Frame { ticks: ima4::SAMPLES as u32, bytes, bundle: rate / 50 })
            }
            Codec::Foreign(foreign) => foreign.frame,
            _ => None,
        }
    }

    /// The format, or why there is none. `first` is the first sample as it lies in the file.
    pub fn format(&self, first: Option<&[u8]>) -> Result<Format, String> {
        let first = first.unwrap_or_default();
        match self {
            Codec::Avc { length_size, sps, pps, width, height } => {
                let (mut sps, mut pps) = (sps.clone(), pps.clone());
                if sps.is_empty() || pps.is_empty() {
                    for unit in units(first, *length_size) {
                        match h264::unit_type(unit) {
                            h264::SPS => sps.push(unit.to_vec()),
                            h264::PPS => pps.push(unit.to_vec()),
                            _ => {}
                        }
                    }
                }
                if sps.is_empty() || pps.is_empty() {
                    return Err("H.264 without parameter sets in the header or the first picture".into());
                }
                // The sample entry may have the size as shown instead.
                let size = h264::Sps::parse(&sps[0]).map_or((*width, *height), |sps| (sps.width, sps.height));
                Ok(Format::H264 { sps, pps, width: size.0, height: size.1 })
            }
            Codec::Mpeg4Visual { config, width, height } => {
                let in_stream = &first[..mpeg4_visual::config_len(first)];
                let config = if config.is_empty() { in_stream.to_vec() } else { config.clone() };
                match mpeg4_visual::Config::parse(&config) {
                    Ok(found) if found.layer.width > 0 && found.layer.height > 0 => {
                        Ok(Format::Mp4vEs { config, width: found.layer.width, height: found.layer.height })
                    }
                    Ok(_) => Ok(Format::Mp4vEs { config, width: *width, height: *height }),
                    Err(error) => Err(format!("MPEG-4 visual without a layer that can be read: {error}")),
                }
            }
            Codec::MpegVideo { mpeg2, width, height } => {
                let sequence = start_codes(first).find(|found| found.code == mpeg_video::SEQUENCE);
                let sequence = sequence.and_then(|found| mpeg_video::Sequence::parse(&first[found.offset..]).ok());
                Ok(match sequence {
                    Some(mpeg_video::Sequence { mpeg2, width, height, .. }) => Format::Mpv { mpeg2, width, height },
                    None => Format::Mpv { mpeg2: *mpeg2, width: *width, height: *height },
                })
            }
            Codec::Aac { config, channels } => {
                let found = AudioSpecificConfig::parse(config).map_err(|error| error.to_string())?;
                if !matches!(found.object_type, 1..=4 | 17 | 19 | 23) {
                    return Err(format!("MPEG-4 audio object type {} (AAC expected)", found.object_type));
                }
                // Without a channel configuration the entry is as good as anything.
                let channels = if found.channels == 0 { (*channels).max(1) } else { found.channels };
                Ok(Format::Aac { config: config.clone(), sample_rate: found.sample_rate, channels })
            }
            Codec::MpegAudio => {
                let header = mpeg_audio::FrameHeader::parse(first)
                    .map_err(|error| format!("the first sample is no MPEG audio frame: {error}"))?;
                let channels = header.channels();
                Ok(Format::Mpa { layer: header.layer, sample_rate: header.sample_rate, channels })
            }
            Codec::Hevc { length_size, vps, sps, pps, width, height } => {
                let mut sets = [vps.clone(), sps.clone(), pps.clone()];
                if sets.iter().any(Vec::is_empty) {
                    for unit in units(first, *length_size) {
                        match h265::unit_type(unit) {
                            h265::VPS => sets[0].push(unit.to_vec()),
                            h265::SPS => sets[1].push(unit.to_vec()),
                            h265::PPS => sets[2].push(unit.to_vec()),
                            _ => {}
                        }
                    }
                }
                if sets.iter().any(Vec::is_empty) {
                    return Err("H.265 without parameter sets in the header or the first picture".into());
                }
                let [vps, sps, pps] = sets;
                let size = h265::Sps::parse(&sps[0]).map_or((*width, *height), |sps| (sps.width, sps.height));
                Ok(Format::H265 { vps, sps, pps, width: size.0, height: size.1 })
            }
            &Codec::H263 { width, height } => Ok(Format::H263 { width, height }),
            &Codec::Vp8 { width, height } => Ok(Format::Vp8 { width, height }),
            &Codec::Vp9 { width, height } => Ok(Format::Vp9 { width, height }),
            &Codec::Jpeg { width, height } => {
                let format = Format::Jpeg { width, height };
                // RTP carries most of what cameras make, but not every image.
                if format.store(first, true, &mut Vec::new()).is_ok() {
                    return Ok(format);
                }
                Wrapper::video_of(1, *b"MJPG", width, height, 24, &[]).map(|wrapper| wrapper.format())
            }
            Codec::Ac3 | Codec::Eac3 => {
                let header = ac3::FrameHeader::parse(first)
                    .map_err(|error| format!("the first sample is no AC-3 frame: {error}"))?;
                let ac3::FrameHeader { sample_rate, channels, .. } = header;
                Ok(match header.enhanced {
                    true => Format::Eac3 { sample_rate, channels },
                    false => Format::Ac3 { sample_rate, channels },
                })
            }
            // 3GPP TS 26.244 section 6.5 leaves no choice of channels.
            &Codec::Amr { wide } => Ok(Format::Amr { wide, channels: 1 }),
            &Codec::Opus { channels } => Ok(Format::Opus { channels }),
            &Codec::Pcm { layout, rate, channels } => match rate {
                0 => Err("audio samples without a rate".into()),
                sample_rate => Ok(Format::Pcm { coding: layout.coding(), sample_rate, channels }),
            },
            &Codec::Ima4 { rate, channels } => match rate {
                0 => Err("audio samples without a rate".into()),
                sample_rate => Ok(Format::Pcm { coding: PcmCoding::L16, sample_rate, channels }),
            },
            Codec::Text => Ok(Format::T140 {}),
            Codec::Lossless(codec) => Ok(codec.format()),
            Codec::Foreign(foreign) => Ok(foreign.format.clone()),
        }
    }

    /// Whether the bytes of a sample that may be a sync sample are against it: H.264 without an IDR picture
    /// or a recovery point, H.265 without a random access point, an H.263 picture that refers to another. Of other codecs
    /// the container is believed.
    pub fn denies_sync(&self, data: &[u8]) -> bool {
        match self {
            Codec::Avc { length_size, .. } => !h264::is_sync(units(data, *length_size)),
            Codec::Hevc { length_size, .. } => !h265::is_sync(units(data, *length_size)),
            Codec::H263 { .. } => is_inter_h263(data),
            _ => false,
        }
    }

    /// Whether tables of sync samples are not believed without a look at the bytes: telephones have written ones of
    /// every so many pictures, whatever these were.
    pub fn is_often_mistold(&self) -> bool {
        matches!(self, Codec::H263 { .. })
    }

    /// Whether samples of this description may come in a track that is announced by `first`: pictures of the same codec
    /// bring what differs with them, sound can't.
    pub fn may_follow(&self, first: &Codec) -> bool {
        let brings =
            matches!(
                self,
                Codec::Avc { .. } | Codec::Hevc { .. } | Codec::Mpeg4Visual { .. } | Codec::MpegVideo { .. }
            ) || matches!(self, Codec::H263 { .. } | Codec::Vp8 { .. } | Codec::Vp9 { .. } | Codec::Jpeg { .. });
        std::mem::discriminant(self) == std::mem::discriminant(first) && (brings || self == first)
    }

    /// Turns a sample's bytes into the access unit that [`Format::store`] takes; `parameters`: with the
    /// parameter sets of this description in front. The flag says whether damage was cut off.
    pub fn access_unit(&self, data: Bytes, parameters: bool) -> (Bytes, bool) {
        match self {
            Codec::Avc { length_size, sps, pps, .. } => {
                prefixed(&data, *length_size, sps.iter().chain(pps).filter(|_| parameters))
            }
            Codec::Hevc { length_size, vps, sps, pps, .. } => {
                prefixed(&data, *length_size, vps.iter().chain(sps).chain(pps).filter(|_| parameters))
            }
            Codec::Mpeg4Visual { config, .. } if parameters && !data.starts_with(config) => {
                ([&config[..], &data].concat().into(), false)
            }
            Codec::Pcm { layout, channels, .. } => layout.on_the_wire(data, *channels),
            Codec::Text => text::text(&data),
            _ => (data, false),
        }
    }

    /// What of an access unit is told only when it is given out, as it may be thousands of times as long: an error says what
    /// is wrong with it.
    pub fn unpack(&self, data: Bytes) -> Result<Bytes, &'static str> {
        match self {
            Codec::Lossless(codec) => codec.decode(&data),
            _ => Ok(data),
        }
    }
}

/// The picture coding type of PTYPE (H.263 5.1.3); extended ones, which telephones don't write, are not looked into.
fn is_inter_h263(data: &[u8]) -> bool {
    let Some(&[a, b, c, _, ptype, ..]) = data.first_chunk::<5>() else { return false };
    let (is_picture, source_format) = (a == 0 && b == 0 && c & 0xfc == 0x80, ptype >> 2 & 7);
    is_picture && source_format != 7 && ptype & 2 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn avc(length_size: usize) -> Codec {
        Codec::Avc { length_size, sps: vec![vec![0x67, 1]], pps: vec![vec![0x68]], width: 16, height: 16 }
    }

    #[test]
    fn a_picture_that_refers_to_another_is_no_sync_sample_whatever_the_table_says() {
        let codec = Codec::H263 { width: 176, height: 144 };
        let cases: &[(&[u8], bool)] = &[
            (&[0, 0, 0x80, 0x02, 0x08, 0], false),
            (&[0, 0, 0x80, 0x06, 0x0a, 0], true),
            (&[0, 0, 0x80, 0x06, 0x1e, 0], false),
            (&[0, 1, 0x80, 0x06, 0x0a, 0], false),
            (&[0, 0, 0x80], false),
        ];
        for (data, denied) in cases {
            assert_eq!(codec.denies_sync(data), *denied, "{data:02x?}");
        }
        assert!(codec.is_often_mistold() && !avc(4).is_often_mistold());
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
            let codec = Codec::Aac { config: config.to_vec(), channels: 3 };
            let got = codec.format(None).ok().map(|format| match format {
                Format::Aac { sample_rate, channels, .. } => (sample_rate, channels),
                other => panic!("{other:?}"),
            });
            assert_eq!(got, want, "{config:02x?}");
        }
        check(&[0x12, 0x10], Some((44_100, 2)));
        check(&[0x11, 0xb8], Some((48_000, 8)));
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
