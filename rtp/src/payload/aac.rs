//! AAC as MPEG4-GENERIC, mode AAC-hbr (RFC 3640 section 3.3.6). Stored form: the raw data block as it is.
//!
//! A payload is 16 bits that count the bits of the AU headers, an AU header of 16 bits (13 of size, 3 of index,
//! always 0) for each unit, then the units; or one part of one unit, whose AU header then tells the size of the
//! whole. The marker is on every packet but those with a part that is not the last.

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::clock::{RtpTimestamp, Ticks};
use crate::codec::aac::AudioSpecificConfig;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "mpeg4-generic";

/// What 13 bits of size can say.
const MAX_UNIT: usize = 8191;

/// Bytes of AU-headers-length, and of one AU header.
const LENGTH: usize = 2;
const AU_HEADER: usize = 2;

pub(crate) fn store(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    if unit.is_empty() || unit.len() > MAX_UNIT {
        let reason = "an AAC access unit has 1 to 8191 bytes in mode AAC-hbr";
        return Err(FormatError { format: FORMAT, offset: unit.len(), reason });
    }
    out.extend_from_slice(unit);
    Ok(())
}

#[derive(Debug)]
pub(crate) struct Payloader {
    /// Ticks of one unit.
    frame: i32,
    /// 200 ms, which every receiver should be ready to buffer (RFC 3551 section 4.2).
    max_span: i32,
}

impl Payloader {
    pub(crate) fn new(config: &[u8], sample_rate: u32) -> Self {
        Self { frame: frame_ticks(config), max_span: i32::try_from(sample_rate / 5).unwrap_or(i32::MAX) }
    }

    pub(crate) fn packetize(&self, units: &[AccessUnit<'_>], out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
        let max = out.max_payload() - LENGTH;
        let mut rest = units;
        while let Some(first) = rest.first() {
            if first.data.is_empty() || first.data.len() > MAX_UNIT {
                return Err(PayloadError { format: FORMAT, offset: first.data.len(), reason: "not 1 to 8191 bytes" });
            }
            if first.data.len() + AU_HEADER > max {
                rest = &rest[1..];
                fragment(first, max - AU_HEADER, out);
                continue;
            }
            let (mut size, mut due) = (0, 0);
            let fits = |unit: &&AccessUnit<'_>| {
                size += AU_HEADER + unit.data.len();
                let distance = unit.timestamp.distance(first.timestamp);
                // The receiver counts the later units' times itself: a hole in them needs a packet of its own.
                let steady = (distance - due).abs() <= self.frame / 8;
                due += self.frame;
                size <= max && steady && distance < self.max_span && !unit.data.is_empty()
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (bundle, after) = rest.split_at(count);
            rest = after;
            write(bundle, out);
        }
        Ok(())
    }
}

fn write(bundle: &[AccessUnit<'_>], out: &mut PacketWriter<'_>) {
    let Some(first) = bundle.first() else { return };
    let payload = out.begin(first.timestamp, true);
    // A payload has at most 65535 bytes, so this counts at most 32767 bits.
    payload.extend_from_slice(&u16::try_from(bundle.len() * AU_HEADER * 8).unwrap_or(u16::MAX).to_be_bytes());
    for unit in bundle {
        payload.extend_from_slice(&au_header(unit.data.len()));
    }
    for unit in bundle {
        payload.extend_from_slice(unit.data);
    }
    out.finish();
}

fn fragment(unit: &AccessUnit<'_>, max: usize, out: &mut PacketWriter<'_>) {
    let size = unit.data.len().div_ceil(unit.data.len().div_ceil(max));
    let mut parts = unit.data.chunks(size).peekable();
    while let Some(part) = parts.next() {
        let header = au_header(unit.data.len());
        out.write(unit.timestamp, parts.peek().is_none(), &[&[0, 16], &header, part]);
    }
}

/// Size in 13 bits, index or index-delta 0 in 3.
fn au_header(size: usize) -> [u8; AU_HEADER] {
    (u16::try_from(size.min(MAX_UNIT)).unwrap_or(0) << 3).to_be_bytes()
}

/// Samples of one unit, which are ticks of the clock: 1024 for nearly all, also where nothing can be read.
fn frame_ticks(config: &[u8]) -> i32 {
    AudioSpecificConfig::parse(config).map_or(1024, |config| i32::from(config.frame_samples))
}

#[derive(Debug)]
pub(crate) struct Depayloader {
    frame: i32,
    /// What the open unit will have when its last part is here.
    whole: usize,
}

impl Depayloader {
    pub(crate) fn new(config: &[u8]) -> Self {
        Self { frame: frame_ticks(config), whole: 0 }
    }

    pub(crate) fn handle(&mut self, packet: &RtpPacket<'_>, gap: bool, units: &mut Units) -> Result<(), PayloadError> {
        let error = |offset, reason| Err(PayloadError { format: FORMAT, offset, reason });
        let Some((&length, rest)) = packet.payload.split_first_chunk::<LENGTH>() else {
            return error(0, "a payload shorter than AU-headers-length");
        };
        let bits = usize::from(u16::from_be_bytes(length));
        if bits == 0 || bits % 16 != 0 {
            return error(0, "AU-headers-length is not a multiple of 16 bits");
        }
        let Some((headers, mut data)) = rest.split_at_checked(bits / 8) else {
            return error(0, "AU headers reach past the payload");
        };
        let sizes = headers.chunks_exact(AU_HEADER).map(|h| usize::from(u16::from_be_bytes([h[0], h[1]]) >> 3));
        if let (AU_HEADER, Some(whole)) = (headers.len(), sizes.clone().next())
            && whole > data.len()
        {
            return self.fragment(packet, gap, whole, data, units);
        }
        units.discard();
        let mut timestamp = packet.timestamp;
        for (index, size) in sizes.enumerate() {
            let Some((unit, after)) = data.split_at_checked(size) else {
                return error(LENGTH + index * AU_HEADER, "an access unit reaches past the payload");
            };
            push(units, timestamp, unit);
            data = after;
            timestamp = timestamp.plus(Ticks(i64::from(self.frame)));
        }
        Ok(())
    }

    fn fragment(
        &mut self,
        packet: &RtpPacket<'_>,
        gap: bool,
        whole: usize,
        data: &[u8],
        units: &mut Units,
    ) -> Result<(), PayloadError> {
        if gap || (units.len() > 0 && whole != self.whole) {
            // Without its middle a raw data block can't be decoded: what follows is waited out as a new unit.
            units.discard();
        }
        self.whole = whole;
        units.append(packet.timestamp, data);
        let unit = units.open(packet.timestamp);
        unit.sync = true;
        if unit.data.len() == whole {
            units.close();
        } else if packet.marker || unit.data.len() > whole {
            units.discard();
            return Err(PayloadError { format: FORMAT, offset: LENGTH, reason: "the parts don't make up the size" });
        }
        Ok(())
    }
}

fn push(units: &mut Units, timestamp: RtpTimestamp, unit: &[u8]) {
    units.append(timestamp, unit);
    units.open(timestamp).sync = true;
    units.close();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::depacketizer::Depacketizer;
    use crate::format::Format;
    use crate::packetizer::Packetizer;
    use crate::train::{Framing, Train};

    fn format() -> Format {
        Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels: 2 }
    }

    fn packets(units: &[(i64, usize)], max: usize) -> Train {
        let data: Vec<Vec<u8>> = units.iter().map(|&(_, length)| vec![0x21; length]).collect();
        let units: Vec<_> = (data.iter().zip(units))
            .map(|(data, &(at, _))| AccessUnit { data, timestamp: RtpTimestamp(5).plus(Ticks(at)), sync: true })
            .collect();
        let mut train = Train::new(Framing::Datagram);
        Packetizer::new(&format(), 96, 1, 0, 12 + max).packetize(&units, &mut train).unwrap();
        train
    }

    /// Of each packet: marker, ticks after the first unit, the sizes in its AU headers, the bytes behind them.
    type Seen = (bool, i32, Vec<usize>, usize);

    fn check(units: &[(i64, usize)], max: usize, expected: &[Seen]) {
        let train = packets(units, max);
        let mut seen = Vec::new();
        for index in 0..train.len() {
            let packet = RtpPacket::parse(train.packet(index)).unwrap();
            let bits = usize::from(u16::from_be_bytes([packet.payload[0], packet.payload[1]]));
            let (headers, data) = packet.payload[2..].split_at(bits / 8);
            let headers: Vec<u16> = headers.chunks(2).map(|h| u16::from_be_bytes([h[0], h[1]])).collect();
            assert!(headers.iter().all(|header| header & 7 == 0), "AU-Index and AU-Index-delta");
            let sizes = headers.iter().map(|header| usize::from(header >> 3)).collect();
            seen.push((packet.marker, packet.timestamp.distance(RtpTimestamp(5)), sizes, data.len()));
        }
        assert_eq!(seen, expected);
    }

    #[test]
    fn whole_units_share_a_packet_until_it_is_full_or_200_ms_long_or_a_hole_comes() {
        let every = |step: i64, count: i64, size| (0..count).map(|at| (at * step, size)).collect::<Vec<_>>();
        check(&every(1024, 3, 100), 1400, &[(true, 0, vec![100; 3], 300)]);
        check(&every(1024, 3, 100), 2 + 3 * 102, &[(true, 0, vec![100; 3], 300)]);
        check(&every(1024, 3, 100), 1 + 3 * 102, &[(true, 0, vec![100; 2], 200), (true, 2048, vec![100], 100)]);
        check(&every(1024, 10, 10), 1400, &[(true, 0, vec![10; 9], 90), (true, 9216, vec![10], 10)]);
        check(&every(2048, 2, 10), 1400, &[(true, 0, vec![10], 10), (true, 2048, vec![10], 10)]);
    }

    #[test]
    fn a_unit_that_does_not_fit_goes_in_equal_parts_that_tell_its_size() {
        check(
            &[(0, 700), (1024, 50)],
            300,
            &[
                (false, 0, vec![700], 234),
                (false, 0, vec![700], 234),
                (true, 0, vec![700], 232),
                (true, 1024, vec![50], 50),
            ],
        );
        check(&[(0, 296)], 300, &[(true, 0, vec![296], 296)]);
        check(&[(0, 297)], 300, &[(false, 0, vec![297], 149), (true, 0, vec![297], 148)]);
    }

    #[test]
    fn a_lost_part_drops_its_unit_and_no_other() {
        let train = packets(&[(0, 50), (1024, 700), (2048, 51)], 300);
        assert_eq!(train.len(), 5);
        for lost in 1..4 {
            let mut depacketizer = Depacketizer::new(&format());
            for index in (0..train.len()).filter(|&index| index != lost) {
                let _ = depacketizer.handle(&RtpPacket::parse(train.packet(index)).unwrap());
            }
            let sizes: Vec<_> = std::iter::from_fn(|| depacketizer.poll()).map(|u| (u.data.len(), u.lost)).collect();
            assert_eq!(sizes, [(50, false), (51, true)], "without packet {lost}");
        }
    }

    #[test]
    fn a_size_that_13_bits_cannot_say_is_refused() {
        for (size, fits) in [(0, false), (1, true), (8191, true), (8192, false)] {
            assert_eq!(format().store(&vec![0; size], true, &mut Vec::new()).is_ok(), fits, "{size}");
        }
    }

    #[test]
    fn payloads_that_break_the_rules_are_refused() {
        let cases: &[&[u8]] = &[
            &[],
            &[0],
            &[0, 0, 1],
            &[0, 15, 0, 8, 1],
            &[0, 32, 0, 8],
            &[0, 32, 0, 8, 0, 16, 1, 2],
            // A part that is marked as the last, but isn't.
            &[0, 16, 0, 80, 1, 2],
        ];
        for payload in cases {
            let mut bytes = Vec::new();
            crate::packet::write_header(&mut bytes, 96, true, crate::seq::Sequence(0), RtpTimestamp(0), 1);
            bytes.extend_from_slice(payload);
            let mut depacketizer = Depacketizer::new(&format());
            assert!(depacketizer.handle(&RtpPacket::parse(&bytes).unwrap()).is_err(), "{payload:?}");
        }
    }
}
