//! The payload formats, one file an RFC: how a unit's stored form becomes payloads, and payloads units.
//!
//! A payloader cuts and writes payloads through a `PacketWriter`, which knows the rest of the packet.
//! A depayloader appends to the unit that a `Units` holds open. Neither keeps bytes of its own.

pub(crate) mod aac;
pub(crate) mod ac3;
pub(crate) mod amr;
pub(crate) mod asf;
pub(crate) mod h263;
pub(crate) mod h264;
pub(crate) mod h265;
pub(crate) mod jpeg;
pub(crate) mod latm;
pub(crate) mod mp2t;
pub(crate) mod mp4v;
pub(crate) mod mpa;
pub(crate) mod mpv;
mod nal;
pub(crate) mod opus;
pub(crate) mod pcm;
pub(crate) mod qt;
pub(crate) mod t140;
pub(crate) mod vorbis;
pub(crate) mod vp8;
pub(crate) mod vp9;

#[cfg(test)]
mod tests;

use crate::access_unit::AccessUnit;
use crate::depacketizer::Units;
use crate::format::{Format, FormatError};
use crate::mp2t::Multiplexer;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

/// What is wrong with a unit's stored bytes or with a received payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{format}: at byte {offset}: {reason}")]
pub struct PayloadError {
    /// The payload format's encoding name.
    pub format: &'static str,
    /// From the start of the stored unit, or of the received payload.
    pub offset: usize,
    /// What was expected there.
    pub reason: &'static str,
}

/// `data` in as few parts as keep to `max` bytes each, and all but the last equal in size: so they leave in one send.
fn parts(data: &[u8], max: usize) -> std::slice::Chunks<'_, u8> {
    data.chunks(data.len().div_ceil(data.len().div_ceil(max.max(1)).max(1)).max(1))
}

/// Takes a packet in by `append`, and ends the unit with its marker, whatever came of that.
fn append_to_marker(
    packet: &RtpPacket<'_>,
    units: &mut Units,
    append: impl FnOnce(&RtpPacket<'_>, &mut Units) -> Result<(), PayloadError>,
) -> Result<(), PayloadError> {
    let result = append(packet, units);
    if packet.marker {
        units.close();
    }
    result
}

/// Stores `unit` as it is, if there is any of it; `empty` says what there should be.
fn store_whole(format: &'static str, unit: &[u8], empty: &'static str, out: &mut Vec<u8>) -> Result<(), FormatError> {
    if unit.is_empty() {
        return Err(FormatError { format, offset: 0, reason: empty });
    }
    out.extend_from_slice(unit);
    Ok(())
}

/// Access units in, payloads out; one variant a payload format.
#[derive(Debug)]
pub(crate) enum Payloader {
    Mpv,
    Mpa,
    H264,
    Mp4vEs,
    Aac(aac::Payloader),
    H265,
    Ac3(ac3::Payloader),
    Pcm(pcm::Payloader),
    Amr(amr::Payloader),
    H263,
    Vp8,
    Vp9,
    Opus,
    Speex,
    Vorbis,
    Jpeg,
    T140,
    Asf(asf::Payloader),
    Qt(qt::Payloader),
    Mp2t(Box<Multiplexer>),
}

impl Payloader {
    pub(crate) fn new(format: &Format) -> Self {
        match format {
            Format::Mpv { .. } => Self::Mpv,
            Format::Mpa { .. } => Self::Mpa,
            Format::H264 { .. } => Self::H264,
            Format::Mp4vEs { .. } => Self::Mp4vEs,
            Format::Aac { config, sample_rate, .. } => Self::Aac(aac::Payloader::new(config, *sample_rate)),
            Format::H265 { .. } => Self::H265,
            Format::Ac3 { sample_rate, .. } => Self::Ac3(ac3::Payloader::new(ac3::AC3, *sample_rate)),
            Format::Eac3 { sample_rate, .. } => Self::Ac3(ac3::Payloader::new(ac3::EAC3, *sample_rate)),
            Format::Pcm { coding, sample_rate, channels } => {
                Self::Pcm(pcm::Payloader::new(*coding, *sample_rate, *channels))
            }
            Format::Amr { wide, channels } => Self::Amr(amr::Payloader::new(*wide, *channels)),
            Format::H263 { .. } => Self::H263,
            Format::Vp8 { .. } => Self::Vp8,
            Format::Vp9 { .. } => Self::Vp9,
            Format::Opus { .. } => Self::Opus,
            Format::Speex { .. } => Self::Speex,
            Format::Vorbis { .. } => Self::Vorbis,
            Format::Jpeg { .. } => Self::Jpeg,
            Format::T140 {} => Self::T140,
            Format::Asf { .. } => Self::Asf(asf::Payloader::default()),
            Format::QuickTime { media, description, .. } => {
                Self::Qt(qt::Payloader::new(*media, format.clock_rate(), description))
            }
            Format::Mp2t { program } => Self::Mp2t(Box::new(Multiplexer::new(program))),
        }
    }

    pub(crate) fn packetize(&self, units: &[AccessUnit<'_>], out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
        let one: fn(&AccessUnit<'_>, &mut PacketWriter<'_>) -> Result<(), PayloadError> = match self {
            Self::Mpa => return mpa::packetize(units, out),
            Self::Aac(payloader) => return payloader.packetize(units, out),
            Self::Ac3(payloader) => return payloader.packetize(units, out),
            Self::Pcm(payloader) => return payloader.packetize(units, out),
            Self::Amr(payloader) => return payloader.packetize(units, out),
            Self::Asf(payloader) => return units.iter().try_for_each(|unit| payloader.packetize(unit, out)),
            Self::Qt(payloader) => return units.iter().try_for_each(|unit| payloader.packetize(unit, out)),
            Self::Opus => return units.iter().try_for_each(|unit| opus::packetize(opus::OPUS, unit, out)),
            Self::Speex => return units.iter().try_for_each(|unit| opus::packetize(opus::SPEEX, unit, out)),
            Self::Mpv => mpv::packetize,
            Self::H264 => h264::packetize,
            Self::Mp4vEs => mp4v::packetize,
            Self::H265 => h265::packetize,
            Self::H263 => h263::packetize,
            Self::Vp8 => vp8::packetize,
            Self::Vp9 => vp9::packetize,
            Self::Vorbis => vorbis::packetize,
            Self::Jpeg => jpeg::packetize,
            Self::T140 => t140::packetize,
            Self::Mp2t(_) => mp2t::packetize,
        };
        units.iter().try_for_each(|unit| one(unit, out))
    }
}

/// Payloads in, access units out; one variant a payload format.
#[derive(Debug)]
pub(crate) enum Depayloader {
    Mpv,
    Mpa,
    H264(h264::Depayloader),
    Mp4vEs,
    Aac(aac::Depayloader),
    H265(h265::Depayloader),
    Ac3(ac3::Kind),
    Pcm(pcm::Depayloader),
    Amr(amr::Depayloader),
    H263,
    Vp8,
    Vp9,
    Opus,
    Vorbis,
    Jpeg,
    T140,
    Asf(asf::Depayloader),
    Qt,
    Mp2t,
    Latm(latm::Depayloader),
}

impl Depayloader {
    pub(crate) fn new(format: &Format) -> Self {
        match format {
            Format::Mpv { .. } => Self::Mpv,
            Format::Mpa { .. } => Self::Mpa,
            Format::H264 { .. } => Self::H264(h264::Depayloader::default()),
            Format::Mp4vEs { .. } => Self::Mp4vEs,
            Format::Aac { config, .. } => Self::Aac(aac::Depayloader::new(config)),
            Format::H265 { .. } => Self::H265(h265::Depayloader::default()),
            Format::Ac3 { .. } => Self::Ac3(ac3::AC3),
            Format::Eac3 { .. } => Self::Ac3(ac3::EAC3),
            Format::Pcm { coding, channels, .. } => Self::Pcm(pcm::Depayloader::new(*coding, *channels)),
            Format::Amr { wide, channels } => Self::Amr(amr::Depayloader::new(*wide, *channels)),
            Format::H263 { .. } => Self::H263,
            Format::Vp8 { .. } => Self::Vp8,
            Format::Vp9 { .. } => Self::Vp9,
            Format::Opus { .. } | Format::Speex { .. } => Self::Opus,
            Format::Vorbis { .. } => Self::Vorbis,
            Format::Jpeg { .. } => Self::Jpeg,
            Format::T140 {} => Self::T140,
            Format::Asf { .. } => Self::Asf(asf::Depayloader::default()),
            Format::QuickTime { .. } => Self::Qt,
            Format::Mp2t { .. } => Self::Mp2t,
        }
    }

    /// `gap`: packets between the last one and this are missing.
    pub(crate) fn handle(&mut self, packet: &RtpPacket<'_>, gap: bool, units: &mut Units) -> Result<(), PayloadError> {
        match self {
            Self::Mpv => mpv::depacketize(packet, units),
            Self::Mpa => mpa::depacketize(packet, units),
            Self::H264(depayloader) => depayloader.handle(packet, gap, units),
            Self::Mp4vEs => mp4v::depacketize(packet, units),
            Self::Aac(depayloader) => depayloader.handle(packet, gap, units),
            Self::H265(depayloader) => depayloader.handle(packet, gap, units),
            Self::Ac3(kind) => ac3::depacketize(packet, *kind, gap, units),
            Self::Pcm(depayloader) => depayloader.handle(packet, units),
            Self::Amr(depayloader) => depayloader.handle(packet, units),
            Self::H263 => h263::depacketize(packet, units),
            Self::Vp8 => vp8::depacketize(packet, units),
            Self::Vp9 => vp9::depacketize(packet, units),
            Self::Opus => opus::depacketize(packet, units),
            Self::Vorbis => vorbis::depacketize(packet, gap, units),
            Self::Jpeg => jpeg::depacketize(packet, units),
            Self::T140 => t140::depacketize(packet, units),
            Self::Asf(depayloader) => depayloader.handle(packet, gap, units),
            Self::Qt => qt::depacketize(packet, units),
            Self::Mp2t => mp2t::depacketize(packet, units),
            Self::Latm(depayloader) => depayloader.handle(packet, gap, units),
        }
    }

    /// The open unit gets no more packets.
    pub(crate) fn end(&mut self, units: &mut Units) {
        match self {
            Self::H264(depayloader) => depayloader.end(units),
            // What is open is a fragment: whole units are closed at once.
            Self::Aac(_) | Self::Ac3(_) | Self::Vorbis => units.discard(),
            Self::H265(depayloader) => depayloader.end(units),
            _ => units.close(),
        }
    }
}
