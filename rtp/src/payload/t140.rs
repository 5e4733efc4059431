//! Text of subtitles as T.140 (RFC 4103), without redundancy. Stored form: the cue's UTF-8 text.
//!
//! The payload is text, cut only between characters. A cue follows silence, so its first packet has the marker
//! (section 4), and the last is known only by the next one's timestamp.

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "t140";

pub(crate) fn store(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    let error = |offset, reason| Err(FormatError { format: FORMAT, offset, reason });
    match std::str::from_utf8(unit) {
        Ok("") => error(0, "an empty cue"),
        Ok(text) => {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }
        Err(wrong) => error(wrong.valid_up_to(), "not UTF-8"),
    }
}

pub(crate) fn packetize(unit: &AccessUnit<'_>, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    let error = |offset, reason| PayloadError { format: FORMAT, offset, reason };
    let mut rest = std::str::from_utf8(unit.data).map_err(|wrong| error(wrong.valid_up_to(), "not UTF-8"))?;
    if rest.is_empty() {
        return Err(error(0, "an empty cue"));
    }
    let mut marker = true;
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.floor_char_boundary(out.max_payload()));
        out.write(unit.timestamp, marker, &[part.as_bytes()]);
        (rest, marker) = (after, false);
    }
    Ok(())
}

pub(crate) fn depacketize(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    if packet.marker {
        units.close();
    }
    units.append(packet.timestamp, packet.payload);
    units.open(packet.timestamp).sync = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{pass, payloads};
    use crate::format::Format;

    #[test]
    fn a_cue_is_cut_between_characters() {
        let format = Format::T140 {};
        let cases: &[(&str, usize, &[usize])] = &[
            ("Hello", 1, &[5]),
            ("x", 300, &[300]),
            ("x", 301, &[300, 1]),
            ("\u{20AC}", 101, &[300, 3]),
            ("a\u{1F600}", 61, &[300, 5]),
        ];
        for (text, times, sizes) in cases {
            let unit = text.repeat(*times).into_bytes();
            let seen = payloads(&format, &unit, 300);
            assert_eq!(&seen.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
            assert!(seen.iter().all(|payload| std::str::from_utf8(payload).is_ok()));
            assert_eq!(pass(&format, &unit, 300), [(unit, true, false)]);
        }
        for unit in [&[][..], &[0x41, 0xFF], &[0xE2, 0x82]] {
            assert!(format.store(unit, true, &mut Vec::new()).is_err(), "{unit:02x?}");
        }
    }
}
