//! Opus (RFC 7587) and Speex (RFC 5574). Stored form, and payload: the codec's packet as it is.
//!
//! The formats have no fragments (RFC 7587 section 4.2, RFC 5574 section 3.2), so a packet larger than asked for goes out
//! as it is: packets of one frame of Opus have at most 1276 bytes (RFC 6716 section 3.4), and those that last longer are
//! hardly ever that large. A frame of Speex has at most 110 bytes.

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::{MAX_PAYLOAD, PacketWriter};

/// What errors call them.
pub(crate) const OPUS: &str = "opus";
pub(crate) const SPEEX: &str = "speex";

/// What is wrong with a packet, if anything.
fn fault(data: &[u8]) -> Option<&'static str> {
    match data.len() {
        0 => Some("an empty packet"),
        1..=MAX_PAYLOAD => None,
        _ => Some("more than an RTP packet holds"),
    }
}

pub(crate) fn store(format: &'static str, unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    if let Some(reason) = fault(unit) {
        return Err(FormatError { format, offset: unit.len(), reason });
    }
    out.extend_from_slice(unit);
    Ok(())
}

pub(crate) fn packetize(
    format: &'static str,
    unit: &AccessUnit<'_>,
    out: &mut PacketWriter<'_>,
) -> Result<(), PayloadError> {
    if let Some(reason) = fault(unit.data) {
        return Err(PayloadError { format, offset: unit.data.len(), reason });
    }
    let start = out.take_start();
    out.write(unit.timestamp, start, &[unit.data]);
    Ok(())
}

pub(crate) fn depacketize(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    units.append(packet.timestamp, packet.payload);
    units.open(packet.timestamp).sync = true;
    units.close();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{pass, payloads};
    use super::*;
    use crate::format::Format;

    #[test]
    fn a_packet_is_a_payload() {
        for format in [Format::Opus { channels: 2 }, Format::Speex { sample_rate: 16_000 }] {
            for length in [1, 100, 300, 1276] {
                let unit = vec![0xFC; length];
                assert_eq!(payloads(&format, &unit, 300), std::slice::from_ref(&unit));
                assert_eq!(pass(&format, &unit, 300), [(unit, true, false)]);
            }
            for (length, fits) in [(0, false), (1, true), (MAX_PAYLOAD, true), (MAX_PAYLOAD + 1, false)] {
                assert_eq!(format.store(&vec![0; length], true, &mut Vec::new()).is_ok(), fits, "{length}");
            }
        }
    }
}
