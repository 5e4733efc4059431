//! What a track's bytes are and how they travel: one closed enum over the payload formats.

use crate::clock::ClockRate;
use crate::payload::{aac, asf, h264, mp4v, mpa, mpv};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

/// Audio or video, as SDP's `m=` line says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Media {
    /// `m=audio`
    Audio,
    /// `m=video`
    Video,
}

/// A track's codec with all that a receiver must know beforehand, and by that its payload format.
///
/// The order of the variants is part of the index object's format: new ones go to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// MPEG-1 and MPEG-2 video (RFC 2250).
    Mpv {
        /// MPEG-2 (ISO 13818-2) rather than MPEG-1.
        mpeg2: bool,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// MPEG audio, layers I to III (RFC 2250).
    Mpa {
        /// 1, 2 or 3.
        layer: u8,
        /// Samples per second of the audio itself; the RTP clock is 90 kHz all the same.
        sample_rate: u32,
        /// 1 or 2.
        channels: u8,
    },
    /// H.264 (RFC 6184), packetization mode 1.
    H264 {
        /// Sequence parameter sets, NAL units without start codes.
        sps: Vec<Vec<u8>>,
        /// Picture parameter sets, likewise.
        pps: Vec<Vec<u8>>,
        /// Pixels, as cropped.
        width: u32,
        /// Pixels, as cropped.
        height: u32,
    },
    /// MPEG-4 visual (RFC 6416).
    Mp4vEs {
        /// Visual object sequence, visual object and video object layer headers, with start codes.
        config: Vec<u8>,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// AAC as MPEG4-GENERIC, mode AAC-hbr (RFC 3640 section 3.3.6).
    Aac {
        /// AudioSpecificConfig (ISO 14496-3 1.6.2.1).
        config: Vec<u8>,
        /// The AAC core's samples per second: the RTP clock.
        sample_rate: u32,
        /// As the configuration says.
        channels: u8,
    },
    /// What has no payload format of its own, as media objects in ASF packets (\[MS-RTSP\] 2.2.1).
    Asf {
        /// The stream number in its packets, 1 to 127; no two tracks of a presentation have the same.
        stream: u8,
        /// Which kind of `m=` line.
        media: Media,
        /// The Stream Properties Object, which names codec and configuration
        /// ([`crate::asf::header::StreamProperties`]).
        properties: Vec<u8>,
        /// For people.
        codec: String,
    },
}

impl Format {
    /// Which kind of `m=` line it goes under.
    pub fn media(&self) -> Media {
        match self {
            Format::Mpv { .. } | Format::H264 { .. } | Format::Mp4vEs { .. } => Media::Video,
            Format::Mpa { .. } | Format::Aac { .. } => Media::Audio,
            Format::Asf { media, .. } => *media,
        }
    }

    /// The RTP clock.
    pub fn clock_rate(&self) -> ClockRate {
        match self {
            Format::Aac { sample_rate, .. } => ClockRate::new(*sample_rate).unwrap_or(ClockRate::VIDEO),
            Format::Asf { .. } => ClockRate::MILLISECONDS,
            _ => ClockRate::VIDEO,
        }
    }

    /// The name after `a=rtpmap`'s payload type (IANA "RTP Payload Format media types").
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Format::Mpv { .. } => "MPV",
            Format::Mpa { .. } => "MPA",
            Format::H264 { .. } => "H264",
            Format::Mp4vEs { .. } => "MP4V-ES",
            Format::Aac { .. } => "mpeg4-generic",
            Format::Asf { .. } => "x-asf-pf",
        }
    }

    /// The payload type that the format always has (RFC 3551 section 6); `None`: a dynamic one, 96 to 127.
    pub fn static_payload_type(&self) -> Option<u8> {
        match self {
            Format::Mpv { .. } => Some(32),
            Format::Mpa { .. } => Some(14),
            Format::H264 { .. } | Format::Mp4vEs { .. } | Format::Aac { .. } | Format::Asf { .. } => None,
        }
    }

    /// What follows the payload type in `a=rtpmap`, as `mpeg4-generic/44100/2` (RFC 4566 section 6).
    pub fn rtpmap(&self) -> String {
        let (name, clock) = (self.encoding_name(), self.clock_rate().hz());
        match self {
            Format::Aac { channels, .. } => format!("{name}/{clock}/{channels}"),
            _ => format!("{name}/{clock}"),
        }
    }

    /// What follows the payload type in `a=fmtp`, where the format has such a line: RFC 6184 section 8.1,
    /// RFC 6416 section 7.1, RFC 3640 section 4.1.
    pub fn fmtp(&self) -> Option<String> {
        match self {
            Format::Mpv { .. } | Format::Mpa { .. } | Format::Asf { .. } => None,
            Format::H264 { sps, pps, .. } => {
                let mut line = String::from("packetization-mode=1");
                if let Some([_, profile, constraints, level, ..]) = sps.first().map(Vec::as_slice) {
                    line += &format!(";profile-level-id={profile:02X}{constraints:02X}{level:02X}");
                    let sets: Vec<String> = sps.iter().chain(pps).map(|set| BASE64.encode(set)).collect();
                    line += &format!(";sprop-parameter-sets={}", sets.join(","));
                }
                Some(line)
            }
            Format::Mp4vEs { config, .. } => {
                let level = mp4v::profile_level(config);
                Some(format!("profile-level-id={level};config={}", hex(config)))
            }
            Format::Aac { config, .. } => Some(format!(
                "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config={}",
                hex(config)
            )),
        }
    }

    /// Whether several access units may share a packet.
    pub fn bundling(&self) -> Bundling {
        match self {
            Format::Mpa { .. } | Format::Aac { .. } => Bundling::Many,
            Format::Mpv { .. } | Format::H264 { .. } | Format::Mp4vEs { .. } | Format::Asf { .. } => Bundling::One,
        }
    }

    /// For people: `MPEG-2 video 720x576`.
    pub fn describe(&self) -> String {
        let audio = |name: &str, rate: &u32, channels: &u8| {
            let channels = match channels {
                1 => "mono".to_owned(),
                2 => "stereo".to_owned(),
                more => format!("{more} channels"),
            };
            format!("{name} {rate} Hz {channels}")
        };
        match self {
            Format::Mpv { mpeg2, width, height } => {
                format!("MPEG-{} video {width}x{height}", if *mpeg2 { 2 } else { 1 })
            }
            Format::Mpa { layer, sample_rate, channels } => {
                let layer = ["?", "I", "II", "III"].get(usize::from(*layer)).unwrap_or(&"?");
                audio(&format!("MPEG audio layer {layer}"), sample_rate, channels)
            }
            Format::H264 { width, height, .. } => format!("H.264 {width}x{height}"),
            Format::Mp4vEs { width, height, .. } => format!("MPEG-4 visual {width}x{height}"),
            Format::Aac { sample_rate, channels, .. } => audio("AAC", sample_rate, channels),
            Format::Asf { codec, .. } => codec.clone(),
        }
    }

    /// Appends the stored form of an access unit to `out`: what a [`crate::packetizer::Packetizer`] takes.
    ///
    /// `unit` is a picture's bytes as in the elementary stream with the headers before it (MPV), one or more whole
    /// frames (MPA), NAL units each behind four bytes of length (H264), a VOP with its start codes and the headers
    /// before it (MP4V-ES), one raw data block (AAC), or a media object's packets (ASF). `sync`: decoding may begin here.
    ///
    /// # Errors
    /// Where in `unit` its syntax breaks; `out` is then as it was.
    pub fn store(&self, unit: &[u8], sync: bool, out: &mut Vec<u8>) -> Result<(), FormatError> {
        match self {
            Format::Mpv { .. } => mpv::store(unit, out),
            Format::Mpa { .. } => mpa::store(unit, out),
            Format::H264 { sps, pps, .. } => h264::store(unit, sync, sps, pps, out),
            Format::Mp4vEs { .. } => mp4v::store(unit, out),
            Format::Aac { .. } => aac::store(unit, out),
            Format::Asf { .. } => asf::store(unit, out),
        }
    }
}

/// How many access units may lie in one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bundling {
    /// Each has packets of its own.
    One,
    /// Consecutive ones may share a packet.
    Many,
}

/// Why an access unit can't be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{format} access unit: at byte {offset}: {reason}")]
pub struct FormatError {
    /// The format's encoding name.
    pub format: &'static str,
    /// From the start of the access unit.
    pub offset: usize,
    /// What was found or expected there.
    pub reason: &'static str,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The format; then its payload type, rtpmap, fmtp and description.
    type Case<'a> = (Format, Option<u8>, &'a str, Option<&'a str>, &'a str);

    #[test]
    fn every_format_says_in_sdp_what_receivers_need() {
        let (width, height) = (640, 480);
        let sets = (vec![vec![0x67, 0x42, 0xC0, 0x1E, 0xDA]], vec![vec![0x68, 0xCE, 0x3C, 0x80]]);
        let cases: &[Case] = &[
            (Format::Mpv { mpeg2: true, width, height }, Some(32), "MPV/90000", None, "MPEG-2 video 640x480"),
            (
                Format::Mpa { layer: 2, sample_rate: 44_100, channels: 2 },
                Some(14),
                "MPA/90000",
                None,
                "MPEG audio layer II 44100 Hz stereo",
            ),
            (
                Format::H264 { sps: sets.0, pps: sets.1, width, height },
                None,
                "H264/90000",
                Some("packetization-mode=1;profile-level-id=42C01E;sprop-parameter-sets=Z0LAHto=,aM48gA=="),
                "H.264 640x480",
            ),
            (
                Format::H264 { sps: vec![], pps: vec![], width, height },
                None,
                "H264/90000",
                Some("packetization-mode=1"),
                "H.264 640x480",
            ),
            (
                Format::Mp4vEs { config: vec![0, 0, 1, 0xB0, 0xF5, 0, 0, 1, 0xB5], width, height },
                None,
                "MP4V-ES/90000",
                Some("profile-level-id=245;config=000001B0F5000001B5"),
                "MPEG-4 visual 640x480",
            ),
            (
                Format::Mp4vEs { config: vec![0, 0, 1, 0x20], width, height },
                None,
                "MP4V-ES/90000",
                Some("profile-level-id=1;config=00000120"),
                "MPEG-4 visual 640x480",
            ),
            (
                Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels: 1 },
                None,
                "mpeg4-generic/44100/1",
                Some(concat!(
                    "streamtype=5;profile-level-id=1;mode=AAC-hbr;",
                    "sizelength=13;indexlength=3;indexdeltalength=3;config=1210"
                )),
                "AAC 44100 Hz mono",
            ),
            (
                Format::Asf { stream: 1, media: Media::Audio, properties: vec![], codec: "WMA 2".into() },
                None,
                "x-asf-pf/1000",
                None,
                "WMA 2",
            ),
        ];
        for (format, payload_type, rtpmap, fmtp, described) in cases {
            assert_eq!(format.static_payload_type(), *payload_type);
            assert_eq!(format.rtpmap(), *rtpmap);
            assert_eq!(format.fmtp().as_deref(), *fmtp);
            assert_eq!(format.describe(), *described);
        }
    }
}
