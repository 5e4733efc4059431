//! H.263 of all versions (RFC 4629). Stored form: the picture as it is, from its start code on.
//!
//! A payload is a header of two bytes and a part of the picture. The first part leaves out the two zero bytes that the
//! start code begins with and says so; the others are cut at arbitrary bytes (section 6.2), equal in size.

use super::{PayloadError, append_to_marker, parts};
use crate::access_unit::AccessUnit;
use crate::codec::bits::Bits;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "H263-1998";

/// Bytes of the payload header.
const HEADER: usize = 2;

/// `P`, `V` and the upper bits of `PLEN` in the header's first byte.
const START: u8 = 0x04;
const REDUNDANCY: u8 = 0x02;

const NO_START: &str = "no picture start code";

/// Whether the 22 bits of a picture start code are there (ITU-T H.263 5.1.1).
fn starts(picture: &[u8]) -> bool {
    matches!(picture, [0, 0, third, ..] if third & 0xFC == 0x80)
}

pub(crate) fn store(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    if !starts(unit) {
        return Err(FormatError { format: FORMAT, offset: 0, reason: NO_START });
    }
    out.extend_from_slice(unit);
    Ok(())
}

pub(crate) fn packetize(unit: &AccessUnit<'_>, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    if !starts(unit.data) {
        return Err(PayloadError { format: FORMAT, offset: 0, reason: NO_START });
    }
    let mut header = [START, 0];
    let mut parts = parts(&unit.data[2..], out.max_payload() - HEADER).peekable();
    while let Some(part) = parts.next() {
        out.write(unit.timestamp, parts.peek().is_none(), &[&header, part]);
        header = [0, 0];
    }
    Ok(())
}

pub(crate) fn depacketize(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    append_to_marker(packet, units, append)
}

fn append(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    let Some((&[first, second], rest)) = packet.payload.split_first_chunk::<HEADER>() else {
        return Err(PayloadError { format: FORMAT, offset: 0, reason: "a payload shorter than its header" });
    };
    // A byte for redundancy coding, and another copy of the picture header.
    let extra = usize::from(first & REDUNDANCY != 0) + usize::from((first & 1) << 5 | second >> 3);
    let Some(data) = rest.get(extra..) else {
        return Err(PayloadError { format: FORMAT, offset: HEADER, reason: "headers reach past the payload" });
    };
    let opens = units.len() == 0;
    let zeros: &[u8] = if first & START != 0 { &[0, 0] } else { &[] };
    units.append_all(packet.timestamp, &[zeros, data]);
    if opens {
        let unit = units.open(packet.timestamp);
        unit.sync = is_intra(&unit.data);
        unit.lost |= !starts(&unit.data);
    }
    Ok(())
}

/// Whether a picture needs no other (5.1.3, and 5.1.4.3 for the later versions' header).
fn is_intra(picture: &[u8]) -> bool {
    let mut bits = Bits::new("picture header", picture);
    let mut read = || -> Result<bool, crate::codec::bits::CodecError> {
        bits.skip("PSC, TR and PTYPE 1 to 5", 22 + 8 + 5)?;
        if bits.read("source format", 3)? != 7 {
            return Ok(!bits.flag("picture coding type")?);
        }
        if bits.read("UFEP", 3)? == 1 {
            bits.skip("OPPTYPE", 18)?;
        }
        Ok(bits.read("picture type code", 3)? == 0)
    };
    read().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{pass, payloads, refused};

    use crate::format::Format;

    const FORMAT: Format = Format::H263 { width: 176, height: 144 };

    fn picture(head: &[u8], length: usize) -> Vec<u8> {
        [head, &vec![0x55; length - head.len()]].concat()
    }

    #[test]
    fn a_picture_leaves_out_two_zeros_and_goes_in_equal_parts() {
        // QCIF INTRA and INTER, and the later versions' header of both.
        let cases: &[(&[u8], bool)] = &[
            (&[0, 0, 0x80, 0x02, 0x08], true),
            (&[0, 0, 0x80, 0x02, 0x0A], false),
            (&[0, 0, 0x80, 0x02, 0x1C, 0x88, 0, 0, 0x00], true),
            (&[0, 0, 0x80, 0x02, 0x1C, 0x00], true),
            (&[0, 0, 0x80, 0x02, 0x1C, 0x10], false),
        ];
        for (head, sync) in cases {
            for (length, expected) in [(300, &[300][..]), (302, &[152; 2]), (900, &[227, 227, 227, 225])] {
                let unit = picture(head, length);
                let seen = payloads(&FORMAT, &unit, 300);
                assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), expected);
                assert_eq!(&seen[0][..3], &[4, 0, 0x80]);
                assert!(seen[1..].iter().all(|payload| payload[..2] == [0, 0]));
                assert_eq!(pass(&FORMAT, &unit, 300), [(unit, *sync, false)]);
            }
        }
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for unit in [&[][..], &[0, 0], &[0, 0, 1, 0xB6], &[0, 0, 0x84, 0]] {
            assert!(FORMAT.store(unit, true, &mut Vec::new()).is_err(), "{unit:02x?}");
        }
        refused(&FORMAT, &[&[], &[4], &[2, 0], &[4, 0x10, 1]]);
    }
}
