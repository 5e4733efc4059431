//! What a track's bytes are and how they travel: one closed enum over the payload formats.

use crate::clock::ClockRate;
use crate::mp2t::Program;
use crate::payload::{
    aac, ac3, amr, asf, h263, h264, h265, jpeg, mp2t, mp4v, mpa, mpv, opus, pcm, qt, t140, vorbis, vp8, vp9,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

mod from_sdp;
mod learn;
mod sdp;

pub use from_sdp::OfferError;

/// Audio, video or text, as SDP's `m=` line says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Media {
    /// `m=audio`
    Audio,
    /// `m=video`
    Video,
    /// `m=text` (RFC 4103)
    Text,
}

/// How linear or companded audio samples are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PcmCoding {
    /// ITU-T G.711 mu-law, 8 bits.
    Mulaw,
    /// ITU-T G.711 A-law, 8 bits.
    Alaw,
    /// 16 bits with sign, big-endian.
    L16,
    /// 24 bits with sign, big-endian.
    L24,
}

impl PcmCoding {
    /// Bytes of one sample of one channel.
    pub const fn sample_len(self) -> usize {
        match self {
            PcmCoding::Mulaw | PcmCoding::Alaw => 1,
            PcmCoding::L16 => 2,
            PcmCoding::L24 => 3,
        }
    }
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
    /// H.265 (RFC 7798), without interleaving.
    H265 {
        /// Video parameter sets, NAL units without start codes.
        vps: Vec<Vec<u8>>,
        /// Sequence parameter sets, likewise.
        sps: Vec<Vec<u8>>,
        /// Picture parameter sets, likewise.
        pps: Vec<Vec<u8>>,
        /// Pixels, as cropped.
        width: u32,
        /// Pixels, as cropped.
        height: u32,
    },
    /// AC-3 (RFC 4184).
    Ac3 {
        /// Samples per second: the RTP clock.
        sample_rate: u32,
        /// 1 to 6, the low-frequency one included.
        channels: u8,
    },
    /// Enhanced AC-3 (RFC 4598).
    Eac3 {
        /// Samples per second: the RTP clock.
        sample_rate: u32,
        /// Of all substreams of the first programme together, the low-frequency one included.
        channels: u8,
    },
    /// Audio samples one by one: PCMU, PCMA, L16 (RFC 3551 section 4.5) and L24 (RFC 3190).
    Pcm {
        /// How each sample is coded.
        coding: PcmCoding,
        /// Samples per second of each channel: the RTP clock.
        sample_rate: u32,
        /// Samples of all channels at one instant follow each other.
        channels: u8,
    },
    /// AMR and AMR-WB, octet-aligned (RFC 4867).
    Amr {
        /// AMR-WB, at 16000 samples per second, rather than AMR at 8000.
        wide: bool,
        /// 1 to 6.
        channels: u8,
    },
    /// H.263 of all versions (RFC 4629).
    H263 {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// VP8 (RFC 7741).
    Vp8 {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// VP9 (RFC 9628), without layers.
    Vp9 {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// Opus (RFC 7587).
    Opus {
        /// 1 or 2.
        channels: u8,
    },
    /// Vorbis (RFC 5215).
    Vorbis {
        /// The identification, comment and setup header packets, in this order.
        headers: Vec<Vec<u8>>,
        /// Samples per second: the RTP clock.
        sample_rate: u32,
        /// As the identification header says.
        channels: u8,
    },
    /// Motion JPEG (RFC 2435).
    Jpeg {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// Text of subtitles, UTF-8 (RFC 4103).
    T140 {},
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
    /// A transport stream (RFC 2250 section 2), of several tracks' units or as it came. Made for who plays, never stored.
    Mp2t {
        /// What it is made of; nothing of one that came as it is.
        program: Arc<Program>,
    },
    /// What QuickTime has a sample description for, and neither RTP nor ASF a name (X-QT, Apple's dispatch 26).
    QuickTime {
        /// Which kind of `m=` line.
        media: Media,
        /// The sample description as it lies in `stsd`, with its length: at most [`MAX_DESCRIPTION`] bytes.
        description: Vec<u8>,
        /// Ticks per second: the RTP clock.
        clock: u32,
        /// For people.
        codec: String,
    },
    /// Speex of one channel (RFC 5574).
    Speex {
        /// 8000, 16,000 or 32,000 samples per second: the RTP clock.
        sample_rate: u32,
    },
}

pub use crate::payload::qt::MAX_DESCRIPTION;

impl Format {
    /// Which kind of `m=` line it goes under.
    pub fn media(&self) -> Media {
        match self {
            Format::Mpv { .. } | Format::H264 { .. } | Format::Mp4vEs { .. } | Format::H265 { .. } => Media::Video,
            Format::H263 { .. } | Format::Vp8 { .. } | Format::Vp9 { .. } | Format::Jpeg { .. } => Media::Video,
            Format::Mpa { .. } | Format::Aac { .. } | Format::Ac3 { .. } | Format::Eac3 { .. } => Media::Audio,
            Format::Pcm { .. } | Format::Amr { .. } | Format::Opus { .. } | Format::Vorbis { .. } => Media::Audio,
            Format::Speex { .. } => Media::Audio,
            Format::T140 {} => Media::Text,
            Format::Asf { media, .. } | Format::QuickTime { media, .. } => *media,
            // RFC 3551 table 5 has it as both; receivers expect this one.
            Format::Mp2t { .. } => Media::Video,
        }
    }

    /// The RTP clock.
    pub fn clock_rate(&self) -> ClockRate {
        let hz = match self {
            Format::Aac { sample_rate, .. }
            | Format::Ac3 { sample_rate, .. }
            | Format::Eac3 { sample_rate, .. }
            | Format::Pcm { sample_rate, .. }
            | Format::Vorbis { sample_rate, .. }
            | Format::Speex { sample_rate } => *sample_rate,
            Format::QuickTime { clock, .. } => *clock,
            Format::Amr { wide, .. } => amr::sample_rate(*wide),
            // RFC 7587 section 4.1, whatever was sampled.
            Format::Opus { .. } => 48_000,
            // RFC 4103 section 6.
            Format::T140 {} => 1000,
            Format::Asf { .. } => return ClockRate::MILLISECONDS,
            // RFC 2250 section 3.5 has this for audio too.
            Format::Mpv { .. } | Format::Mpa { .. } | Format::H264 { .. } | Format::Mp4vEs { .. } => 90_000,
            Format::H265 { .. } | Format::H263 { .. } | Format::Vp8 { .. } | Format::Vp9 { .. } => 90_000,
            Format::Jpeg { .. } | Format::Mp2t { .. } => 90_000,
        };
        ClockRate::new(hz).unwrap_or(ClockRate::VIDEO)
    }

    /// Whether several access units may share a packet.
    pub fn bundling(&self) -> Bundling {
        match self {
            Format::Mpa { .. } | Format::Aac { .. } | Format::Ac3 { .. } | Format::Eac3 { .. } => Bundling::Many,
            Format::Pcm { .. } => Bundling::Many,
            Format::Mpv { .. } | Format::H264 { .. } | Format::Mp4vEs { .. } | Format::H265 { .. } => Bundling::One,
            Format::H263 { .. } | Format::Vp8 { .. } | Format::Vp9 { .. } | Format::Jpeg { .. } => Bundling::One,
            Format::Amr { .. } | Format::Opus { .. } | Format::Vorbis { .. } | Format::Speex { .. } => Bundling::One,
            Format::T140 {} | Format::Asf { .. } | Format::Mp2t { .. } | Format::QuickTime { .. } => Bundling::One,
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
            Format::H265 { width, height, .. } => format!("H.265 {width}x{height}"),
            Format::Ac3 { sample_rate, channels } => audio("AC-3", sample_rate, channels),
            Format::Eac3 { sample_rate, channels } => audio("E-AC-3", sample_rate, channels),
            Format::Pcm { coding, sample_rate, channels } => {
                let name = match coding {
                    PcmCoding::Mulaw => "mu-law",
                    PcmCoding::Alaw => "A-law",
                    PcmCoding::L16 => "PCM 16 bits",
                    PcmCoding::L24 => "PCM 24 bits",
                };
                audio(name, sample_rate, channels)
            }
            Format::Amr { wide, channels } => {
                audio(if *wide { "AMR-WB" } else { "AMR" }, &amr::sample_rate(*wide), channels)
            }
            Format::H263 { width, height } => format!("H.263 {width}x{height}"),
            Format::Vp8 { width, height } => format!("VP8 {width}x{height}"),
            Format::Vp9 { width, height } => format!("VP9 {width}x{height}"),
            Format::Opus { channels } => audio("Opus", &48_000, channels),
            Format::Vorbis { sample_rate, channels, .. } => audio("Vorbis", sample_rate, channels),
            Format::Speex { sample_rate } => audio("Speex", sample_rate, &1),
            Format::Jpeg { width, height } => format!("Motion JPEG {width}x{height}"),
            Format::T140 {} => "text".to_owned(),
            Format::Asf { codec, .. } | Format::QuickTime { codec, .. } => codec.clone(),
            Format::Mp2t { program } => format!("MPEG transport stream of {} tracks", program.streams.len()),
        }
    }

    /// Appends the stored form of an access unit to `out`: what a [`crate::packetizer::Packetizer`] takes.
    ///
    /// `unit` is a picture's bytes as in the elementary stream with the headers before it (MPV), one or more whole
    /// frames (MPA), NAL units each behind four bytes of length (H264), a VOP with its start codes and the headers
    /// before it (MP4V-ES), one raw data block (AAC), NAL units likewise (H265), one or more whole sync frames (AC3,
    /// EAC3), samples of all channels at one or more instants (PCM), one or more frames each behind its table-of-contents
    /// byte as in AMR files (AMR), one coded picture (H263, VP8, VP9, JPEG with all its markers), one packet (Opus,
    /// Vorbis, Speex), the UTF-8 text of one cue (T140), a media object's packets (ASF), one sample (X-QT), or whole packets
    /// of 188 bytes (MP2T that is one already; what is made of other formats has none). `sync`: decoding may begin here.
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
            Format::H265 { vps, sps, pps, .. } if sync => h265::store(unit, [vps, sps, pps], out),
            Format::H265 { .. } => h265::store(unit, [&[]; 3], out),
            Format::Ac3 { .. } => ac3::store(unit, ac3::AC3, out),
            Format::Eac3 { .. } => ac3::store(unit, ac3::EAC3, out),
            Format::Pcm { coding, channels, .. } => pcm::store(unit, *coding, *channels, out),
            Format::Amr { wide, channels } => amr::store(unit, *wide, *channels, out),
            Format::H263 { .. } => h263::store(unit, out),
            Format::Vp8 { .. } => vp8::store(unit, out),
            Format::Vp9 { .. } => vp9::store(unit, out),
            Format::Opus { .. } => opus::store(opus::OPUS, unit, out),
            Format::Vorbis { .. } => vorbis::store(unit, out),
            Format::Speex { .. } => opus::store(opus::SPEEX, unit, out),
            Format::Jpeg { .. } => jpeg::store(unit, out),
            Format::T140 {} => t140::store(unit, out),
            Format::Asf { .. } => asf::store(unit, out),
            Format::Mp2t { .. } => mp2t::store(unit, out),
            Format::QuickTime { .. } => qt::store(unit, out),
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

#[cfg(test)]
mod tests;
