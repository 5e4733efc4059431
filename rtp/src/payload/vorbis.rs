//! Vorbis (RFC 5215). Stored form: the Vorbis packet as it is.
//!
//! A payload is three bytes that name the configuration, one byte of fragment type, data type and number of packets,
//! and behind it one whole packet or part of one, each behind two bytes of length. The three header packets go in the
//! session description.

use super::{PayloadError, parts, store_whole};
use crate::access_unit::AccessUnit;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "vorbis";

/// `Ident` of the one configuration that a track has.
const IDENT: [u8; 3] = *b"mob";

/// Bytes of the payload header and of a length.
const HEADER: usize = 4;
const LENGTH: usize = 2;

/// Fragment type, in the header's last byte: a whole packet, or which part.
const WHOLE: u8 = 0;
const FIRST: u8 = 1;
const MIDDLE: u8 = 2;
const LAST: u8 = 3;

const EMPTY: &str = "an empty packet";

/// The configuration in the session description (RFC 5215 section 3.2.1): one set of headers with their lengths.
/// `None` if they are not three, or longer than the format can say.
pub(crate) fn packed_headers(headers: &[Vec<u8>]) -> Option<Vec<u8>> {
    let [identification, comment, setup] = headers else { return None };
    let total = u16::try_from(identification.len() + comment.len() + setup.len()).ok()?;
    let mut out = vec![0, 0, 0, 1];
    out.extend_from_slice(&IDENT);
    out.extend_from_slice(&total.to_be_bytes());
    // How many more headers than one; the last one's length is the rest.
    out.push(2);
    push_length(&mut out, identification.len());
    push_length(&mut out, comment.len());
    headers.iter().for_each(|header| out.extend_from_slice(header));
    Some(out)
}

/// Seven bits a byte, most significant first; all but the last have their first bit set.
fn push_length(out: &mut Vec<u8>, length: usize) {
    let groups = (1..).find(|&groups| length >> (7 * groups) == 0).unwrap_or(1);
    for group in (0..groups).rev() {
        let more = if group > 0 { 0x80 } else { 0 };
        out.push((length >> (7 * group) & 0x7F) as u8 | more);
    }
}

/// The inverse of [`packed_headers`]: those of the first configuration, whatever its name.
pub(crate) fn unpacked_headers(packed: &[u8]) -> Option<Vec<Vec<u8>>> {
    // The count of configurations, the name, the headers' length together.
    let rest = packed.get(4 + IDENT.len() + 2..)?;
    let (&more, mut rest) = rest.split_first()?;
    if more != 2 {
        return None;
    }
    let mut length = || {
        let mut length = 0usize;
        // Two groups are all that a length of 16 bits together can need; three are read for those who pad.
        for _ in 0..3 {
            let (&group, after) = rest.split_first()?;
            rest = after;
            length = length << 7 | usize::from(group & 0x7F);
            if group & 0x80 == 0 {
                return Some(length);
            }
        }
        None
    };
    let (identification, comment) = (length()?, length()?);
    let (identification, rest) = rest.split_at_checked(identification)?;
    let (comment, setup) = rest.split_at_checked(comment)?;
    let headers = [identification, comment, setup];
    // Each begins with its type and the codec's name (Vorbis I specification 4.2.1).
    headers.iter().all(|header| !header.is_empty()).then(|| headers.map(<[u8]>::to_vec).into())
}

pub(crate) fn store(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    store_whole(FORMAT, unit, EMPTY, out)
}

pub(crate) fn packetize(unit: &AccessUnit<'_>, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    if unit.data.is_empty() {
        return Err(PayloadError { format: FORMAT, offset: 0, reason: EMPTY });
    }
    let [a, b, c] = IDENT;
    let mut first = true;
    let mut parts = parts(unit.data, out.max_payload() - HEADER - LENGTH).peekable();
    while let Some(part) = parts.next() {
        let fragment = match (first, parts.peek().is_none()) {
            (true, true) => WHOLE,
            (true, false) => FIRST,
            (false, false) => MIDDLE,
            (false, true) => LAST,
        };
        // Raw Vorbis data, and one packet if it is whole.
        let head = [a, b, c, fragment << 6 | u8::from(fragment == WHOLE)];
        // It fits a payload, so its length fits 16 bits. The marker is always 0 (section 2.1).
        let length = u16::try_from(part.len()).unwrap_or(0).to_be_bytes();
        out.write(unit.timestamp, false, &[&head, &length, part]);
        first = false;
    }
    Ok(())
}

pub(crate) fn depacketize(packet: &RtpPacket<'_>, gap: bool, units: &mut Units) -> Result<(), PayloadError> {
    let error = |offset, reason| Err(PayloadError { format: FORMAT, offset, reason });
    let Some((&[_, _, _, kind], mut rest)) = packet.payload.split_first_chunk::<HEADER>() else {
        return error(0, "a payload shorter than its header");
    };
    let (fragment, data_type) = (kind >> 6, kind >> 4 & 3);
    if data_type != 0 {
        // Headers in band: the session description has had them.
        return Ok(());
    }
    if gap || matches!(fragment, WHOLE | FIRST) {
        units.discard();
    }
    let packets = if fragment == WHOLE { kind & 15 } else { 1 };
    for _ in 0..packets {
        let at = packet.payload.len() - rest.len();
        let split = rest.split_first_chunk::<LENGTH>();
        let split = split.and_then(|(length, rest)| rest.split_at_checked(usize::from(u16::from_be_bytes(*length))));
        let Some((data, after)) = split else {
            units.discard();
            return error(at, "a packet reaches past the payload");
        };
        rest = after;
        if matches!(fragment, MIDDLE | LAST) && units.len() == 0 {
            return error(HEADER, "a part of a packet whose start is missing");
        }
        units.append(packet.timestamp, data);
        units.open(packet.timestamp).sync = true;
        if matches!(fragment, WHOLE | LAST) {
            units.close();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{pass, payloads, refused};
    use super::*;
    use crate::format::Format;

    fn format() -> Format {
        Format::Vorbis { headers: vec![vec![1; 30], vec![3; 200], vec![5; 4]], sample_rate: 44_100, channels: 2 }
    }

    #[test]
    fn a_packet_goes_whole_or_in_parts_that_say_which() {
        let cases: &[(usize, &[(u8, usize)])] = &[
            (5, &[(0x01, 11)]),
            (294, &[(0x01, 300)]),
            (295, &[(0x40, 154), (0xC0, 153)]),
            (900, &[(0x40, 231), (0x80, 231), (0x80, 231), (0xC0, 231)]),
        ];
        for (length, expected) in cases {
            let unit = vec![0x55; *length];
            let seen = payloads(&format(), &unit, 300);
            let heads: Vec<_> = seen.iter().map(|payload| (payload[3], payload.len())).collect();
            assert_eq!(heads, *expected);
            for payload in &seen {
                assert_eq!(
                    (&payload[..3], usize::from(payload[4]) << 8 | usize::from(payload[5])),
                    (&IDENT[..], payload.len() - 6)
                );
            }
            assert_eq!(pass(&format(), &unit, 300), [(unit, true, false)]);
        }
    }

    #[test]
    fn the_configuration_is_the_three_headers_behind_their_lengths() {
        let Format::Vorbis { headers, .. } = format() else { return };
        let packed = packed_headers(&headers).unwrap();
        assert_eq!(packed[..13], [0, 0, 0, 1, b'm', b'o', b'b', 0, 234, 2, 30, 0x81, 0x48]);
        assert_eq!(packed[13..], headers.concat());
        assert_eq!(packed_headers(&headers[..2]), None);
        assert_eq!(packed_headers(&[vec![], vec![], vec![0; 65_536]]), None);
    }

    #[test]
    fn payloads_that_break_the_rules_are_refused() {
        refused(&format(), &[&[], &[1, 2, 3], &[1, 2, 3, 1], &[1, 2, 3, 1, 0, 2, 7], &[1, 2, 3, 0x80, 0, 1, 7]]);
    }
}
