//! What a track's bytes are and how they travel: one closed enum over the payload formats.

use crate::clock::ClockRate;
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
}

impl Format {
    /// Which kind of `m=` line it goes under.
    pub fn media(&self) -> Media {
        match self {
            Format::Mpv { .. } | Format::H264 { .. } | Format::Mp4vEs { .. } => Media::Video,
            Format::Mpa { .. } | Format::Aac { .. } => Media::Audio,
        }
    }

    /// The RTP clock.
    pub fn clock_rate(&self) -> ClockRate {
        match self {
            Format::Aac { sample_rate, .. } => ClockRate::new(*sample_rate).unwrap_or(ClockRate::VIDEO),
            _ => ClockRate::VIDEO,
        }
    }
}
