//! VP8 (RFC 7741). Stored form: the frame as it is.
//!
//! A payload is the descriptor's one required byte and a part of the frame. Partitions are not looked for (section 4.4
//! leaves that to the sender), so parts are equal in size.

use super::{PayloadError, append_to_marker, parts, store_whole};
use crate::access_unit::AccessUnit;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "VP8";

/// The descriptor's first byte: an extension follows; a partition starts; which one.
const EXTENDED: u8 = 0x80;
const START: u8 = 0x10;
const PARTITION: u8 = 0x07;

/// The extension's: picture id, TL0PICIDX, and either of TID and KEYIDX follow.
const PICTURE_ID: u8 = 0x80;
const LEVEL_ZERO: u8 = 0x40;
const LAYER_OR_KEY: u8 = 0x30;

const EMPTY: &str = "an empty frame";

pub(crate) fn store(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    store_whole(FORMAT, unit, EMPTY, out)
}

pub(crate) fn packetize(unit: &AccessUnit<'_>, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    if unit.data.is_empty() {
        return Err(PayloadError { format: FORMAT, offset: 0, reason: EMPTY });
    }
    let mut descriptor = START;
    let mut parts = parts(unit.data, out.max_payload() - 1).peekable();
    while let Some(part) = parts.next() {
        out.write(unit.timestamp, parts.peek().is_none(), &[&[descriptor], part]);
        descriptor = 0;
    }
    Ok(())
}

pub(crate) fn depacketize(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    append_to_marker(packet, units, append)
}

fn append(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    let Some((first, data)) = descriptor(packet.payload) else {
        return Err(PayloadError {
            format: FORMAT,
            offset: 0,
            reason: "no descriptor with a part of a frame behind it",
        });
    };
    let opens = units.len() == 0;
    units.append(packet.timestamp, data);
    if opens {
        let begins = first & (START | PARTITION) == START;
        let unit = units.open(packet.timestamp);
        // The inverse key frame flag (RFC 6386 section 9.1).
        unit.sync = begins && data[0] & 1 == 0;
        unit.lost |= !begins;
    }
    Ok(())
}

/// Its first byte and what lies behind it, which is not empty.
fn descriptor(payload: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, mut rest) = payload.split_first()?;
    if first & EXTENDED != 0 {
        let (&extension, after) = rest.split_first()?;
        rest = after;
        if extension & PICTURE_ID != 0 {
            let long = rest.first()? & 0x80 != 0;
            rest = rest.get(if long { 2 } else { 1 }..)?;
        }
        let bytes = usize::from(extension & LEVEL_ZERO != 0) + usize::from(extension & LAYER_OR_KEY != 0);
        rest = rest.get(bytes..)?;
    }
    (!rest.is_empty()).then_some((first, rest))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{pass, payloads, refused};
    use super::*;
    use crate::format::Format;

    const FORMAT: Format = Format::Vp8 { width: 176, height: 144 };

    #[test]
    fn a_frame_goes_in_equal_parts_and_tells_whether_it_is_a_key_frame() {
        let cases: &[(u8, usize, &[usize])] =
            &[(0x10, 5, &[6]), (0x11, 299, &[300]), (0x10, 300, &[151, 151]), (0x31, 899, &[226, 226, 226, 225])];
        for (first, length, sizes) in cases {
            let mut unit = vec![0x55; *length];
            unit[0] = *first;
            let seen = payloads(&FORMAT, &unit, 300);
            assert_eq!(&seen.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
            assert!(seen.iter().enumerate().all(|(index, payload)| payload[0] == if index == 0 { 0x10 } else { 0 }));
            assert_eq!(pass(&FORMAT, &unit, 300), [(unit, first & 1 == 0, false)]);
        }
    }

    #[test]
    fn every_descriptor_is_passed_over() {
        let cases: &[(&[u8], &[u8])] = &[
            (&[0x10, 7], &[7]),
            (&[0x90, 0x00, 7], &[7]),
            (&[0x90, 0x80, 0x05, 7], &[7]),
            (&[0x90, 0x80, 0x85, 0x06, 7], &[7]),
            (&[0x90, 0xE0, 0x85, 0x06, 1, 2, 7], &[7]),
            (&[0x90, 0x30, 2, 7, 8], &[7, 8]),
        ];
        for (payload, expected) in cases {
            assert_eq!(descriptor(payload).unwrap().1, *expected, "{payload:02x?}");
        }
        refused(&FORMAT, &[&[], &[0x10], &[0x90], &[0x90, 0x80], &[0x90, 0x80, 0x85, 1], &[0x90, 0xF0, 1, 2, 3]]);
    }
}
