//! MPEG-4 visual (RFC 6416 section 5). Stored form: the access unit as it is, start codes and all.
//!
//! There is no payload header. A VOP that doesn't fit is cut into equal parts at arbitrary bytes, which section
//! 5.2 (5) allows where the stream has no video packets; those of a stream that has them are not looked for,
//! since no known receiver depends on them. Headers before the VOP lie in the first packet.

use super::{PayloadError, store_whole};
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
    store_whole(FORMAT, unit, "an empty access unit", out)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::RtpTimestamp;
    use crate::depacketizer::Depacketizer;
    use crate::format::Format;
    use crate::packetizer::Packetizer;
    use crate::train::{Framing, Train};

    #[test]
    fn a_vop_goes_in_equal_parts_and_tells_whether_it_is_a_sync_unit() {
        let format = Format::Mp4vEs { config: vec![0, 0, 1, 0xB0, 0xF3], width: 16, height: 16 };
        let cases: &[(&[u8], usize, &[usize], bool)] = &[
            (&[0, 0, 1, 0xB6, 0x10], 5, &[5], true),
            (&[0, 0, 1, 0xB6, 0x50], 300, &[300], false),
            (&[0, 0, 1, 0xB6, 0x90], 301, &[151, 150], false),
            (&[0, 0, 1, 0xB3, 0, 0, 0, 0, 0, 1, 0xB6, 0x10], 1000, &[250; 4], true),
            (&[0, 0, 1, 0xB0, 1, 0, 0, 1, 0xB6, 0x10], 20, &[20], true),
            (&[1, 2, 3, 4, 5], 5, &[5], false),
        ];
        for (head, length, expected, sync) in cases {
            let mut unit = vec![0x77; *length];
            unit[..head.len()].copy_from_slice(head);
            let mut train = Train::new(Framing::Datagram);
            let access_unit = AccessUnit { data: &unit, timestamp: RtpTimestamp(9), sync: true };
            Packetizer::new(&format, 96, 1, 0, 12 + 300).packetize(&[access_unit], &mut train).unwrap();
            let mut depacketizer = Depacketizer::new(&format);
            let mut sizes = Vec::new();
            for index in 0..train.len() {
                let packet = RtpPacket::parse(train.packet(index)).unwrap();
                assert_eq!(packet.marker, index + 1 == train.len());
                sizes.push(packet.payload.len());
                depacketizer.handle(&packet).unwrap();
            }
            assert_eq!(&sizes, expected);
            let received = depacketizer.poll().unwrap();
            assert_eq!((received.data, received.sync), (unit, *sync));
        }
    }
}
