//! VP9 (RFC 9628), one layer, without picture ids. Stored form: the frame, or superframe, as it is.
//!
//! A payload is the descriptor's one required byte and a part of the frame; parts are equal in size.

use super::{PayloadError, append_to_marker, parts, store_whole};
use crate::access_unit::AccessUnit;
use crate::codec::bits::{Bits, CodecError};
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "VP9";

/// The descriptor's first byte (section 4.2): picture id, other pictures needed, layer indices, flexible mode, first and
/// last packet of the frame, scalability structure.
const PICTURE_ID: u8 = 0x80;
const PREDICTED: u8 = 0x40;
const LAYERS: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const BEGIN: u8 = 0x08;
const END: u8 = 0x04;
const STRUCTURE: u8 = 0x02;

const EMPTY: &str = "an empty frame";

pub(crate) fn store(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    store_whole(FORMAT, unit, EMPTY, out)
}

pub(crate) fn packetize(unit: &AccessUnit<'_>, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    if unit.data.is_empty() {
        return Err(PayloadError { format: FORMAT, offset: 0, reason: EMPTY });
    }
    let predicted = if is_key(unit.data) { 0 } else { PREDICTED };
    let mut begin = BEGIN;
    let mut parts = parts(unit.data, out.max_payload() - 1).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        out.write(unit.timestamp, last, &[&[predicted | begin | if last { END } else { 0 }], part]);
        begin = 0;
    }
    Ok(())
}

/// Whether a frame is a key frame, by its uncompressed header (VP9 bitstream specification 6.2).
fn is_key(frame: &[u8]) -> bool {
    let mut bits = Bits::new("uncompressed header", frame);
    let mut read = || -> Result<bool, CodecError> {
        bits.skip("frame_marker", 2)?;
        if bits.read("profile", 2)? == 3 {
            bits.skip("reserved_zero", 1)?;
        }
        let shows_existing = bits.flag("show_existing_frame")?;
        Ok(!shows_existing && !bits.flag("frame_type")?)
    };
    read().unwrap_or(false)
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
        let unit = units.open(packet.timestamp);
        unit.sync = first & (BEGIN | PREDICTED) == BEGIN && is_key(data);
        unit.lost |= first & BEGIN == 0;
    }
    Ok(())
}

/// Its first byte and what lies behind it, which is not empty.
fn descriptor(payload: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, mut rest) = payload.split_first()?;
    if first & PICTURE_ID != 0 {
        let long = rest.first()? & 0x80 != 0;
        rest = rest.get(if long { 2 } else { 1 }..)?;
    }
    if first & LAYERS != 0 {
        // TL0PICIDX is there in the other mode only.
        rest = rest.get(if first & FLEXIBLE != 0 { 1 } else { 2 }..)?;
    }
    if first & FLEXIBLE != 0 && first & PREDICTED != 0 {
        // Up to three differences, each of which says whether another follows.
        let last = rest.iter().take(3).position(|difference| difference & 1 == 0)?;
        rest = &rest[last + 1..];
    }
    if first & STRUCTURE != 0 {
        rest = structure(rest)?;
    }
    (!rest.is_empty()).then_some((first, rest))
}

/// What follows a scalability structure (section 4.2.1).
fn structure(bytes: &[u8]) -> Option<&[u8]> {
    let (&head, mut rest) = bytes.split_first()?;
    let layers = usize::from(head >> 5) + 1;
    if head & 0x10 != 0 {
        rest = rest.get(layers * 4..)?;
    }
    if head & 0x08 != 0 {
        let (&pictures, after) = rest.split_first()?;
        rest = after;
        for _ in 0..pictures {
            let (&picture, after) = rest.split_first()?;
            rest = after.get(usize::from(picture >> 2 & 3)..)?;
        }
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{pass, payloads, refused};
    use super::*;
    use crate::format::Format;

    const FORMAT: Format = Format::Vp9 { width: 176, height: 144 };

    #[test]
    fn a_frame_goes_in_equal_parts_and_tells_whether_it_is_a_key_frame() {
        // Profile 0 key frame and other, one shown again, profile 3 key frame and other.
        for (first, key) in [(0x82, true), (0x86, false), (0x88, false), (0xB1, true), (0xB2, false)] {
            let cases: &[(usize, &[(u8, usize)])] = &[
                (5, &[(BEGIN | END, 6)]),
                (299, &[(BEGIN | END, 300)]),
                (300, &[(BEGIN, 151), (END, 151)]),
                (899, &[(BEGIN, 226), (0, 226), (0, 226), (END, 225)]),
            ];
            for (length, expected) in cases {
                let mut unit = vec![0x55; *length];
                unit[0] = first;
                let seen = payloads(&FORMAT, &unit, 300);
                let heads: Vec<_> = seen.iter().map(|payload| (payload[0] & !PREDICTED, payload.len())).collect();
                assert_eq!(heads, *expected);
                assert!(seen.iter().all(|payload| (payload[0] & PREDICTED == 0) == key), "{first:02x}");
                assert_eq!(pass(&FORMAT, &unit, 300), [(unit, key, false)]);
            }
        }
    }

    #[test]
    fn every_descriptor_is_passed_over() {
        let cases: &[(&[u8], &[u8])] = &[
            (&[0x0C, 7], &[7]),
            (&[0x8C, 0x05, 7], &[7]),
            (&[0x8C, 0x85, 0x06, 7], &[7]),
            (&[0x2C, 1, 2, 7], &[7]),
            (&[0x3C, 1, 7], &[7]),
            (&[0x5C, 3, 5, 2, 7], &[7]),
            (&[0x4C, 7], &[7]),
            // Two sizes, then two pictures of which one has two references.
            (&[0x0E, 0x38, 0, 1, 0, 2, 0, 3, 0, 4, 2, 0x00, 0x08, 1, 2, 7], &[7]),
        ];
        for (payload, expected) in cases {
            assert_eq!(descriptor(payload).unwrap().1, *expected, "{payload:02x?}");
        }
        refused(
            &FORMAT,
            &[&[], &[0x0C], &[0x8C], &[0x8C, 0x85, 6], &[0x5C, 3, 5, 7, 7], &[0x0E, 0x18, 0, 1, 0, 2, 9, 0]],
        );
    }
}
