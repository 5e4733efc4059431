//! QuickTime media (Apple, "RTP Payload Format for QuickTime Media Streams", Letters from the Ice Floe, dispatch 26).
//! Stored form: the sample as it is.
//!
//! A payload is a header of 4 bytes and a part of the sample. Before that of a sync sample's first packet comes what a
//! receiver must know to decode it, the file's own sample description: so one that joins anywhere has it, and the session
//! description names no codec.

use super::{PayloadError, append_to_marker, parts, store_whole};
use crate::access_unit::AccessUnit;
use crate::clock::ClockRate;
use crate::depacketizer::Units;
use crate::format::{FormatError, Media};
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "X-QT";

/// Packing scheme 3, one sample in one or more packets (PCK, behind four bits of version).
const ONE_SAMPLE: u8 = 3 << 2;
const PACKING: u8 = 3 << 2;
/// The sample is a sync sample (S).
const SYNC: u8 = 2;
/// A payload description follows the header (Q).
const DESCRIBED: u8 = 1;
/// In the second byte: information of this packet follows that (L).
const PACKET_INFO: u8 = 0x80;
const HEADER_LEN: usize = 4;
/// The description begins and ends in this packet (A, Z).
const WHOLE: u8 = 0x30;

const EMPTY: &str = "an empty sample";

/// Bytes of a sample description: those of all codecs of that time have some hundred, and a packet must hold it with a
/// part of the sample.
pub const MAX_DESCRIPTION: usize = 1_000;

pub(crate) fn store(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    store_whole(FORMAT, unit, EMPTY, out)
}

#[derive(Debug)]
pub(crate) struct Payloader {
    /// The payload description, up to a multiple of four bytes.
    description: Vec<u8>,
}

impl Payloader {
    pub(crate) fn new(media: Media, clock: ClockRate, sample_description: &[u8]) -> Self {
        let media = if media == Media::Video { b"vide" } else { b"soun" };
        // Its own four bytes, media type, clock; then a length and a tag before the sample description.
        let length = |bytes: usize| u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes();
        let mut description = vec![WHOLE, 0];
        description.extend(length(16 + sample_description.len()));
        description.extend(media);
        description.extend(clock.hz().to_be_bytes());
        description.extend(length(sample_description.len()));
        description.extend(b"sd");
        description.extend(sample_description);
        description.resize(description.len().next_multiple_of(4), 0);
        Self { description }
    }

    pub(crate) fn packetize(&self, unit: &AccessUnit<'_>, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
        if unit.data.is_empty() {
            return Err(PayloadError { format: FORMAT, offset: 0, reason: EMPTY });
        }
        let room = out.max_payload() - HEADER_LEN;
        let sync = if unit.sync { SYNC } else { 0 };
        let mut rest = unit.data;
        if unit.sync {
            // A viewer who asks for packets shorter than the description gets one that is longer.
            let first = rest.len().min(room.saturating_sub(self.description.len()).max(1));
            let (part, after) = rest.split_at(first);
            let header = [ONE_SAMPLE | sync | DESCRIBED, 0, 0, 0];
            out.write(unit.timestamp, after.is_empty(), &[&header, &self.description, part]);
            rest = after;
        }
        let mut parts = parts(rest, room).peekable();
        while let Some(part) = parts.next() {
            out.write(unit.timestamp, parts.peek().is_none(), &[&[ONE_SAMPLE | sync, 0, 0, 0], part]);
        }
        Ok(())
    }
}

/// Channels that a sound sample description tells of (QuickTime File Format, versions 0 to 2).
pub(crate) fn channels(sample_description: &[u8]) -> u32 {
    let word = |at: usize| sample_description.get(at..at + 2).map_or(0, |word| u16::from_be_bytes([word[0], word[1]]));
    let told = match word(16) {
        2 => word(50),
        _ => word(24),
    };
    u32::from(told).max(1)
}

pub(crate) fn depacketize(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    append_to_marker(packet, units, append)
}

fn append(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    let wrong = |offset, reason| PayloadError { format: FORMAT, offset, reason };
    let Some((&[first, second, ..], mut data)) = packet.payload.split_first_chunk::<HEADER_LEN>() else {
        return Err(wrong(packet.payload.len(), "a header of 4 bytes"));
    };
    if first & PACKING != ONE_SAMPLE {
        return Err(wrong(0, "one sample in one or more packets, packing scheme 3"));
    }
    if second & PACKET_INFO != 0 {
        return Err(wrong(1, "no information of the packet"));
    }
    if first & DESCRIBED != 0 {
        let length = data.get(2..4).map_or(0, |length| usize::from(u16::from_be_bytes([length[0], length[1]])));
        let rest = data.get(length.next_multiple_of(4)..).filter(|_| length >= 12);
        data = rest.ok_or(wrong(HEADER_LEN, "a payload description"))?;
    }
    if data.is_empty() {
        return Err(wrong(packet.payload.len(), "a part of a sample"));
    }
    units.append(packet.timestamp, data);
    units.open(packet.timestamp).sync = first & SYNC != 0;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{pass, payloads, refused};
    use super::*;
    use crate::format::Format;

    fn format() -> Format {
        let description = [&22u32.to_be_bytes()[..], b"nmos and the rest."].concat();
        Format::QuickTime { media: Media::Audio, description, clock: 22_050, codec: "nmos".into() }
    }

    #[test]
    fn a_sample_comes_behind_its_description() {
        // Header, description of 16 + 22 bytes and two that fill it up.
        let cases: &[(usize, &[usize])] =
            &[(1, &[45]), (256, &[300]), (257, &[300, 5]), (848, &[300, 300, 300]), (849, &[300, 202, 202, 201])];
        for (length, sizes) in cases {
            let unit = vec![7; *length];
            let seen = payloads(&format(), &unit, 300);
            assert_eq!(&seen.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{length}");
            let head = b"\x0f\0\0\0\x30\0\0\x26soun\0\0\x56\x22\0\x16sd\0\0\0\x16nmos and the rest.\0\0\x07";
            assert!(seen[0].starts_with(head), "{:02x?}", seen[0]);
            assert!(seen[1..].iter().all(|payload| payload.starts_with(b"\x0e\0\0\0\x07")));
            assert_eq!(pass(&format(), &unit, 300), [(unit, true, false)]);
        }
    }

    #[test]
    fn channels_are_those_of_the_description() {
        let mut description = vec![0; 60];
        description[25] = 2;
        assert_eq!((channels(&description), channels(&description[..10])), (2, 1));
        (description[17], description[51]) = (2, 6);
        assert_eq!(channels(&description), 6);
    }

    #[test]
    fn other_packings_and_what_is_cut_are_refused() {
        let described = b"\x0d\0\0\0\x30\0\0\x10soun\0\0\x56\x22";
        refused(&format(), &[&[], &[12, 0, 0], &[12, 0, 0, 0], &[4, 0, 0, 0, 1], &[12, 128, 0, 0, 1], described]);
    }
}
