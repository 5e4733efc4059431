//! The payload formats, one file an RFC: how a unit's stored form becomes payloads, and payloads units.
//!
//! A payloader cuts and writes payloads through a `PacketWriter`, which knows the rest of the packet.
//! A depayloader appends to the unit that a `Units` holds open. Neither keeps bytes of its own.

pub(crate) mod aac;
pub(crate) mod asf;
pub(crate) mod h264;
pub(crate) mod mp4v;
pub(crate) mod mpa;
pub(crate) mod mpv;

use crate::access_unit::AccessUnit;
use crate::depacketizer::Units;
use crate::format::Format;
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

/// Access units in, payloads out; one variant a payload format.
#[derive(Debug)]
pub(crate) enum Payloader {
    Mpv,
    Mpa,
    H264,
    Mp4vEs,
    Aac(aac::Payloader),
    Asf,
}

impl Payloader {
    pub(crate) fn new(format: &Format) -> Self {
        match format {
            Format::Mpv { .. } => Self::Mpv,
            Format::Mpa { .. } => Self::Mpa,
            Format::H264 { .. } => Self::H264,
            Format::Mp4vEs { .. } => Self::Mp4vEs,
            Format::Aac { config, sample_rate, .. } => Self::Aac(aac::Payloader::new(config, *sample_rate)),
            Format::Asf { .. } => Self::Asf,
        }
    }

    pub(crate) fn packetize(&self, units: &[AccessUnit<'_>], out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
        let one: fn(&AccessUnit<'_>, &mut PacketWriter<'_>) -> Result<(), PayloadError> = match self {
            Self::Mpa => return mpa::packetize(units, out),
            Self::Aac(payloader) => return payloader.packetize(units, out),
            Self::Mpv => mpv::packetize,
            Self::H264 => h264::packetize,
            Self::Mp4vEs => mp4v::packetize,
            Self::Asf => asf::packetize,
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
    Asf(asf::Depayloader),
}

impl Depayloader {
    pub(crate) fn new(format: &Format) -> Self {
        match format {
            Format::Mpv { .. } => Self::Mpv,
            Format::Mpa { .. } => Self::Mpa,
            Format::H264 { .. } => Self::H264(h264::Depayloader::default()),
            Format::Mp4vEs { .. } => Self::Mp4vEs,
            Format::Aac { config, .. } => Self::Aac(aac::Depayloader::new(config)),
            Format::Asf { .. } => Self::Asf(asf::Depayloader::default()),
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
            Self::Asf(depayloader) => depayloader.handle(packet, gap, units),
        }
    }

    /// The open unit gets no more packets.
    pub(crate) fn end(&mut self, units: &mut Units) {
        match self {
            Self::H264(depayloader) => depayloader.end(units),
            // What is open is a fragment: whole units are closed at once.
            Self::Aac(_) => units.discard(),
            Self::Mpv | Self::Mpa | Self::Mp4vEs | Self::Asf(_) => units.close(),
        }
    }
}
