//! What a format says of itself in a session description: payload type, `a=rtpmap`, `a=fmtp`.

use super::{Format, Media, PcmCoding};
use crate::payload::{mp4v, qt, vorbis};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

impl Format {
    /// The name after `a=rtpmap`'s payload type (IANA "RTP Payload Format media types").
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Format::Mpv { .. } => "MPV",
            Format::Mpa { .. } => "MPA",
            Format::H264 { .. } => "H264",
            Format::Mp4vEs { .. } => "MP4V-ES",
            Format::Aac { .. } => "mpeg4-generic",
            Format::H265 { .. } => "H265",
            Format::Ac3 { .. } => "AC3",
            Format::Eac3 { .. } => "EAC3",
            Format::Pcm { coding, .. } => match coding {
                PcmCoding::Mulaw => "PCMU",
                PcmCoding::Alaw => "PCMA",
                PcmCoding::L16 => "L16",
                PcmCoding::L24 => "L24",
            },
            Format::Amr { wide: false, .. } => "AMR",
            Format::Amr { wide: true, .. } => "AMR-WB",
            Format::H263 { .. } => "H263-1998",
            Format::Vp8 { .. } => "VP8",
            Format::Vp9 { .. } => "VP9",
            Format::Opus { .. } => "opus",
            Format::Vorbis { .. } => "vorbis",
            Format::Jpeg { .. } => "JPEG",
            Format::T140 {} => "t140",
            Format::Asf { .. } => "x-asf-pf",
            Format::Mp2t { .. } => "MP2T",
            Format::QuickTime { .. } => "X-QT",
            Format::Speex { .. } => "speex",
        }
    }

    /// The payload type that the format always has (RFC 3551 section 6); `None`: a dynamic one, 96 to 127.
    pub fn static_payload_type(&self) -> Option<u8> {
        match self {
            Format::Mpv { .. } => Some(32),
            Format::Mpa { .. } => Some(14),
            Format::Jpeg { .. } => Some(26),
            Format::Mp2t { .. } => Some(33),
            Format::Pcm { coding, sample_rate, channels } => match (coding, sample_rate, channels) {
                (PcmCoding::Mulaw, 8000, 1) => Some(0),
                (PcmCoding::Alaw, 8000, 1) => Some(8),
                (PcmCoding::L16, 44_100, 2) => Some(10),
                (PcmCoding::L16, 44_100, 1) => Some(11),
                _ => None,
            },
            _ => None,
        }
    }

    /// What follows the payload type in `a=rtpmap`, as `mpeg4-generic/44100/2` (RFC 4566 section 6).
    pub fn rtpmap(&self) -> String {
        let (name, clock) = (self.encoding_name(), self.clock_rate().hz());
        match self {
            Format::Aac { channels, .. }
            | Format::Ac3 { channels, .. }
            | Format::Pcm { channels, .. }
            | Format::Amr { channels, .. }
            | Format::Vorbis { channels, .. } => format!("{name}/{clock}/{channels}"),
            // RFC 7587 section 7: always 2.
            Format::Opus { .. } => format!("{name}/{clock}/2"),
            // A receiver learns them here or not at all, whatever the description says.
            Format::QuickTime { media: Media::Audio, description, .. } => {
                format!("{name}/{clock}/{}", qt::channels(description))
            }
            _ => format!("{name}/{clock}"),
        }
    }

    /// What follows the payload type in `a=fmtp`, where the format has such a line: RFC 6184 section 8.1,
    /// RFC 6416 section 7.1, RFC 3640 section 4.1, RFC 7798 section 7.1, RFC 4867 section 8.1, RFC 7587 section 6.1,
    /// RFC 5215 section 7.
    pub fn fmtp(&self) -> Option<String> {
        match self {
            Format::H264 { sps, pps, .. } => {
                let mut line = String::from("packetization-mode=1");
                if let Some([_, profile, constraints, level, ..]) = sps.first().map(Vec::as_slice) {
                    line += &format!(";profile-level-id={profile:02X}{constraints:02X}{level:02X}");
                    line += &format!(";sprop-parameter-sets={}", base64(sps.iter().chain(pps)));
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
            Format::H265 { vps, sps, pps, .. } => {
                let sets = [("vps", vps), ("sps", sps), ("pps", pps)].into_iter().filter(|(_, sets)| !sets.is_empty());
                let sets: Vec<_> = sets.map(|(name, sets)| format!("sprop-{name}={}", base64(sets))).collect();
                (!sets.is_empty()).then(|| sets.join(";"))
            }
            Format::Amr { .. } => Some("octet-align=1".to_owned()),
            Format::Opus { channels } => (*channels > 1).then(|| "sprop-stereo=1".to_owned()),
            Format::Vorbis { headers, .. } => {
                vorbis::packed_headers(headers).map(|packed| format!("configuration={}", BASE64.encode(packed)))
            }
            Format::Mpv { .. } | Format::Mpa { .. } | Format::Ac3 { .. } | Format::Eac3 { .. } => None,
            Format::Pcm { .. } | Format::H263 { .. } | Format::Vp8 { .. } | Format::Vp9 { .. } => None,
            Format::Jpeg { .. } | Format::T140 {} | Format::Asf { .. } | Format::Mp2t { .. } => None,
            Format::QuickTime { .. } | Format::Speex { .. } => None,
        }
    }
}

/// Separated by commas.
fn base64<'a>(sets: impl IntoIterator<Item = &'a Vec<u8>>) -> String {
    let sets: Vec<String> = sets.into_iter().map(|set| BASE64.encode(set)).collect();
    sets.join(",")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
