//! MPEG-4 visual (RFC 6416 section 5). Stored form: the access unit as it is, start codes and all.
//!
//! There is no payload header. A VOP that doesn't fit is cut into equal parts at arbitrary bytes, which section
//! 5.2 (5) allows where the stream has no video packets; those of a stream that has them are not looked for,
//! since no known receiver depends on them. Headers before the VOP lie in the first packet.

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::codec::mpeg4_visual::{GROUP, SEQUENCE, VOP};
use crate::codec::start_code::start_codes;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "MP4V-ES";

/// `profile_and_level_indication` of the configuration, in decimal in `a=fmtp`; 1 (simple profile, level 1) is what
/// RFC 6416 section 7.1 says to assume without.
pub(crate) fn profile_level(config: &[u8]) -> u8 {
    let sequence = start_codes(config).find(|found| found.code == SEQUENCE);
    sequence.and_then(|found| config.get(found.offset + 4)).copied().unwrap_or(1)
}

pub(crate) fn store(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    if unit.is_empty() {
        return Err(FormatError { format: FORMAT, offset: 0, reason: "an empty access unit" });
    }
    out.extend_from_slice(unit);
    Ok(())
}

pub(crate) fn packetize(unit: &AccessUnit<'_>, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    let Some(max) = unit.data.len().checked_sub(1) else {
        return Err(PayloadError { format: FORMAT, offset: 0, reason: "an empty access unit" });
    };
    let packets = max / out.max_payload() + 1;
    let size = unit.data.len().div_ceil(packets);
    let mut parts = unit.data.chunks(size).peekable();
    while let Some(part) = parts.next() {
        out.write(unit.timestamp, parts.peek().is_none(), &[part]);
    }
    Ok(())
}

pub(crate) fn depacketize(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    let first = units.len() == 0;
    units.append(packet.timestamp, packet.payload);
    if first {
        units.open(packet.timestamp).sync = is_sync(packet.payload);
    }
    if packet.marker {
        units.close();
    }
    Ok(())
}

/// Whether the first VOP is an intra-coded one: the two bits after its start code are 0 (ISO 14496-2 6.3.5).
fn is_sync(payload: &[u8]) -> bool {
    let first = start_codes(payload).find(|found| matches!(found.code, GROUP | VOP));
    let coding_type = |at: usize| payload.get(at + 4).is_some_and(|byte| byte >> 6 == 0);
    first.is_some_and(|found| found.code == GROUP || coding_type(found.offset))
}
