//! ASF data packets (\[MS-RTSP\] 2.2.1). Stored form: what went in, the packets of one media object one after another as
//! [`crate::asf::packet::write`] makes them, without padding.
//!
//! Each goes in at least two packets, as equal parts behind a header of 4 bytes that tells where the part lies: what that
//! header says of whole packets is read in two ways that exclude each other (ffmpeg counts the header, others don't).

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::asf::packet::{self, OVERHEAD, Parsed};
use crate::clock::RtpTimestamp;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "x-asf-pf";

/// Key frame (S).
const KEY_FRAME: u8 = 0x80;
/// The length of a whole packet instead of an offset (L).
const WHOLE: u8 = 0x40;
/// Relative timestamp, duration, location (R, D, I): four bytes each.
const OPTIONAL: [u8; 3] = [0x20, 0x10, 0x08];
const HEADER_LEN: usize = 4;

pub(crate) fn store(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    check(unit).map_err(|(offset, reason)| FormatError { format: FORMAT, offset, reason })?;
    out.extend_from_slice(unit);
    Ok(())
}

/// Whether `unit` is whole packets and at least one.
fn check(unit: &[u8]) -> Result<(), (usize, &'static str)> {
    let mut at = 0;
    while at == 0 || at < unit.len() {
        at += Parsed::read(&unit[at..]).map_err(|(offset, reason)| (at + offset, reason))?.length;
    }
    Ok(())
}

/// Media objects in, parts of ASF packets out.
#[derive(Debug, Default)]
pub(crate) struct Payloader {
    /// Which timestamp is time zero of the packets' own times; `None`: they are sent as they are stored.
    pub(crate) zero: Option<RtpTimestamp>,
}

impl Payloader {
    pub(crate) fn packetize(&self, unit: &AccessUnit<'_>, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
        let room = out.max_payload() - HEADER_LEN;
        let mut at = 0;
        while at == 0 || at < unit.data.len() {
            let wrong = |(offset, reason)| PayloadError { format: FORMAT, offset: at + offset, reason };
            let length = Parsed::read(&unit.data[at..]).map_err(wrong)?.length;
            let parts = length.div_ceil(room).max(2);
            let size = length.div_ceil(parts);
            let packet = &unit.data[at..at + length];
            let retimed = self.zero.and_then(|zero| {
                // RTP's clock of ASF counts milliseconds, too.
                packet::header_at(packet, unit.timestamp.distance(zero).max(0).unsigned_abs())
            });
            let head = retimed.as_ref().map_or(&packet[..OVERHEAD], |head| head);
            for (offset, part) in (0u32..).step_by(size).zip(packet.chunks(size)) {
                // A packet's length has 16 bits, so the offset has no more.
                let mut header = offset.to_be_bytes();
                header[0] = if unit.sync { KEY_FRAME } else { 0 };
                let from = offset as usize;
                let of_head = head.get(from..).map_or(&[][..], |rest| &rest[..rest.len().min(part.len())]);
                out.write(unit.timestamp, from + part.len() == length, &[&header, of_head, &part[of_head.len()..]]);
            }
            at += length;
        }
        Ok(())
    }
}

/// Puts ASF packets together, and their media objects.
#[derive(Debug, Default)]
pub(crate) struct Depayloader {
    /// The packet that has begun.
    packet: Vec<u8>,
    /// A part of the packet is missing.
    broken: bool,
}

impl Depayloader {
    pub(crate) fn handle(&mut self, packet: &RtpPacket<'_>, gap: bool, units: &mut Units) -> Result<(), PayloadError> {
        let wrong = |offset, reason| PayloadError { format: FORMAT, offset, reason };
        let Some((head, _)) = packet.payload.split_first_chunk::<HEADER_LEN>() else {
            return Err(wrong(packet.payload.len(), "a header of 4 bytes"));
        };
        let skip = HEADER_LEN + 4 * OPTIONAL.iter().filter(|bit| head[0] & **bit != 0).count();
        let part = packet.payload.get(skip..).ok_or(wrong(HEADER_LEN, "the fields that the header announces"))?;
        if head[0] & WHOLE != 0 {
            return Err(wrong(0, "a part of an ASF packet"));
        }
        let offset = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        self.broken |= gap;
        if offset == 0 {
            self.packet.clear();
            self.broken = false;
        }
        if self.broken || offset != self.packet.len() {
            self.broken = true;
            units.damage();
            return Ok(());
        }
        self.packet.extend_from_slice(part);
        if !packet.marker {
            return Ok(());
        }
        let whole = std::mem::take(&mut self.packet);
        let parsed = Parsed::read(&whole).map_err(|(offset, reason)| wrong(skip + offset, reason))?;
        let (first, last) = (parsed.offset == 0, parsed.is_last());
        units.append(packet.timestamp, &whole);
        if first {
            units.open(packet.timestamp).sync = head[0] & KEY_FRAME != 0;
        }
        if last {
            units.close();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asf::packet::{MediaObject, write};
    use crate::depacketizer::{Depacketizer, ReceivedUnit};
    use crate::format::{Format, Media};
    use crate::packetizer::Packetizer;
    use crate::train::{Framing, Train};

    fn format() -> Format {
        Format::Asf { stream: 3, media: Media::Video, properties: vec![], codec: "x".into() }
    }

    fn unit(size: usize, sync: bool) -> Vec<u8> {
        let mut out = Vec::new();
        write(&MediaObject { stream: 3, number: 0, time_ms: 0, sync, data: &vec![7; size] }, &mut out);
        let mut stored = Vec::new();
        format().store(&out, sync, &mut stored).unwrap();
        assert_eq!(stored, out);
        out
    }

    fn train(unit: &[u8], sync: bool) -> Train {
        let mut train = Train::new(Framing::Datagram);
        let access_unit = AccessUnit { data: unit, timestamp: RtpTimestamp(9), sync };
        Packetizer::new(&format(), 96, 1, 0, 1400).packetize(&[access_unit], &mut train).unwrap();
        train
    }

    #[test]
    fn every_packet_goes_in_two_parts_at_least_and_comes_back() {
        // Bytes of the object; of the payloads behind their headers.
        let cases: &[(usize, &[usize], bool)] = &[
            (1, &[17, 17], true),
            (100, &[67, 66], false),
            (2 * 1384 - OVERHEAD, &[1384, 1384], true),
            (2 * 1384 - OVERHEAD + 1, &[923, 923, 923], true),
            (8_000, &[1345, 1345, 1343, 1345, 1345, 1343], false),
        ];
        for (size, parts, sync) in cases {
            let unit = unit(*size, *sync);
            let train = train(&unit, *sync);
            let mut depacketizer = Depacketizer::new(&format());
            let mut sizes = Vec::new();
            for index in 0..train.len() {
                let packet = RtpPacket::parse(train.packet(index)).unwrap();
                assert_eq!(packet.payload[0], if *sync { 0x80 } else { 0 });
                sizes.push(packet.payload.len() - HEADER_LEN);
                depacketizer.handle(&packet).unwrap();
            }
            assert_eq!(sizes.iter().sum::<usize>(), unit.len());
            assert_eq!(&sizes, parts, "{size}");
            let expected = ReceivedUnit { data: unit, timestamp: RtpTimestamp(9), sync: *sync, lost: false };
            assert_eq!(depacketizer.poll(), Some(expected));
        }
    }

    #[test]
    fn packets_tell_the_time_that_timestamps_do_where_that_is_wanted() {
        // Bytes of the object, timestamp of time zero, timestamp, and the time that the packets tell; stored is 0.
        let cases = [(8_000, 100, 100, 0), (8_000, 100, 5_100, 5_000), (1, u32::MAX, 9, 10), (100, 100, 90, 0)];
        for (size, zero, timestamp, expected) in cases {
            let unit = unit(size, true);
            let mut train = Train::new(Framing::Datagram);
            let mut packetizer = Packetizer::new(&format(), 96, 1, 0, 1400);
            packetizer.count_time_from(RtpTimestamp(zero));
            let access_unit = AccessUnit { data: &unit, timestamp: RtpTimestamp(timestamp), sync: true };
            packetizer.packetize(&[access_unit], &mut train).unwrap();
            let mut depacketizer = Depacketizer::new(&format());
            for index in 0..train.len() {
                depacketizer.handle(&RtpPacket::parse(train.packet(index)).unwrap()).unwrap();
            }
            let received = depacketizer.poll().unwrap().data;
            let (mut at, mut stored_at) = (0, 0);
            while at < received.len() {
                let packet = Parsed::read(&received[at..]).unwrap();
                let stored = Parsed::read(&unit[stored_at..]).unwrap();
                assert_eq!(u32::from_le_bytes(*received[at + 9..].first_chunk().unwrap()), expected);
                assert_eq!(packet, Parsed { presentation_ms: expected, ..stored });
                (at, stored_at) = (at + packet.length, stored_at + stored.length);
            }
            assert_eq!(stored_at, unit.len());
        }
    }

    #[test]
    fn a_lost_part_costs_its_packet_and_is_told() {
        let unit = unit(20_000, true);
        let train = train(&unit, true);
        for missing in 0..train.len() {
            let mut depacketizer = Depacketizer::new(&format());
            for index in (0..train.len()).filter(|index| *index != missing) {
                depacketizer.handle(&RtpPacket::parse(train.packet(index)).unwrap()).unwrap();
            }
            depacketizer.finish();
            let received = std::iter::from_fn(|| depacketizer.poll()).collect::<Vec<_>>();
            assert!(received.iter().all(|received| received.data.len() < unit.len()), "{missing}");
            // Whether something followed the lost last part can't be known.
            assert!(missing + 1 == train.len() || received.iter().any(|received| received.lost), "{missing}");
        }
    }

    #[test]
    fn what_is_no_packet_is_neither_stored_nor_sent() {
        let good = unit(50, true);
        let mut twice = good.clone();
        twice.extend_from_slice(&good[..20]);
        for bad in [&[][..], &good[..40], &twice, &[0x82; 60]] {
            assert!(format().store(bad, true, &mut Vec::new()).is_err());
            let access_unit = AccessUnit { data: bad, timestamp: RtpTimestamp(0), sync: true };
            let mut train = Train::new(Framing::Datagram);
            assert!(Packetizer::new(&format(), 96, 1, 0, 1400).packetize(&[access_unit], &mut train).is_err());
            assert!(train.is_empty());
        }
    }
}
