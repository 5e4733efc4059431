//! Motion JPEG (RFC 2435).

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "JPEG";

pub(crate) fn store(_: &[u8], _: &mut Vec<u8>) -> Result<(), FormatError> {
    Err(FormatError { format: FORMAT, offset: 0, reason: "not a JPEG image that RFC 2435 can carry" })
}

pub(crate) fn packetize(_: &AccessUnit<'_>, _: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    Err(PayloadError { format: FORMAT, offset: 0, reason: "not a JPEG image that RFC 2435 can carry" })
}

pub(crate) fn depacketize(_: &RtpPacket<'_>, _: &mut Units) -> Result<(), PayloadError> {
    Err(PayloadError { format: FORMAT, offset: 0, reason: "not a JPEG image that RFC 2435 can carry" })
}
