//! Audio samples one by one: PCMU, PCMA and L16 (RFC 3551 sections 4.5.10, 4.5.11, 4.5.14), L24 (RFC 3190 section 4).
//! Stored form: the samples as they are, big-endian, those of all channels at one instant together.
//!
//! There is no payload header. Units are packed and cut at any instant, into equal packets of up to 200 ms.

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::clock::Ticks;
use crate::depacketizer::Units;
use crate::format::{FormatError, PcmCoding};
use crate::packet::RtpPacket;
use crate::packetizer::{MIN_PAYLOAD, PacketWriter};

const fn name(coding: PcmCoding) -> &'static str {
    match coding {
        PcmCoding::Mulaw => "PCMU",
        PcmCoding::Alaw => "PCMA",
        PcmCoding::L16 => "L16",
        PcmCoding::L24 => "L24",
    }
}

/// Bytes of one instant.
fn frame_len(coding: PcmCoding, channels: u8) -> usize {
    coding.sample_len() * usize::from(channels)
}

/// What is wrong with `data`, if anything.
fn fault(data: &[u8], frame: usize) -> Option<&'static str> {
    if frame == 0 || frame > MIN_PAYLOAD {
        Some("no or too many channels for a packet")
    } else if data.is_empty() || !data.len().is_multiple_of(frame) {
        Some("not a whole number of samples of all channels")
    } else {
        None
    }
}

pub(crate) fn store(unit: &[u8], coding: PcmCoding, channels: u8, out: &mut Vec<u8>) -> Result<(), FormatError> {
    if let Some(reason) = fault(unit, frame_len(coding, channels)) {
        return Err(FormatError { format: name(coding), offset: unit.len(), reason });
    }
    out.extend_from_slice(unit);
    Ok(())
}

#[derive(Debug)]
pub(crate) struct Payloader {
    format: &'static str,
    frame: usize,
    sample_rate: u32,
}

impl Payloader {
    pub(crate) fn new(coding: PcmCoding, sample_rate: u32, channels: u8) -> Self {
        Self { format: name(coding), frame: frame_len(coding, channels), sample_rate }
    }

    pub(crate) fn packetize(&self, units: &[AccessUnit<'_>], out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
        for unit in units {
            if let Some(reason) = fault(unit.data, self.frame) {
                return Err(PayloadError { format: self.format, offset: unit.data.len(), reason });
            }
        }
        let mut rest = units;
        while !rest.is_empty() {
            let (run, after) = rest.split_at(self.steady(rest));
            self.run(run, out);
            rest = after;
        }
        Ok(())
    }

    /// How many of the units follow each other without a hole, to the millisecond; at least one.
    fn steady(&self, units: &[AccessUnit<'_>]) -> usize {
        let frames = |unit: &AccessUnit<'_>| (unit.data.len() / self.frame) as i64;
        let tolerance = i64::from(self.sample_rate / 1000);
        let mut due = units.first().map(|first| first.timestamp);
        let steady = |unit: &&AccessUnit<'_>| {
            let distance = due.map_or(0, |due| i64::from(unit.timestamp.distance(due)));
            due = due.map(|due| due.plus(Ticks(frames(unit))));
            distance.abs() <= tolerance
        };
        units.iter().take_while(steady).count().max(1)
    }

    /// Units without a hole between them, in equal packets.
    fn run(&self, units: &[AccessUnit<'_>], out: &mut PacketWriter<'_>) {
        let Some(start) = units.first().map(|unit| unit.timestamp) else { return };
        let total: usize = units.iter().map(|unit| unit.data.len() / self.frame).sum();
        let fifth = usize::try_from(self.sample_rate / 5).unwrap_or(usize::MAX).max(1);
        let most = (out.max_payload() / self.frame).min(fifth).max(1);
        let size = total.div_ceil(total.div_ceil(most));
        let (mut units, mut data) = (units.iter(), &[][..]);
        for sent in (0..total).step_by(size) {
            let marker = out.take_start();
            let payload = out.begin(start.plus(Ticks(sent as i64)), marker);
            let mut room = size.min(total - sent) * self.frame;
            while room > 0 {
                if data.is_empty() {
                    data = units.next().map_or(&[][..], |unit| unit.data);
                    if data.is_empty() {
                        break;
                    }
                }
                let (part, after) = data.split_at(room.min(data.len()));
                payload.extend_from_slice(part);
                room -= part.len();
                data = after;
            }
            out.finish();
        }
    }
}

#[derive(Debug)]
pub(crate) struct Depayloader {
    format: &'static str,
    frame: usize,
}

impl Depayloader {
    pub(crate) fn new(coding: PcmCoding, channels: u8) -> Self {
        Self { format: name(coding), frame: frame_len(coding, channels) }
    }

    /// Each packet is a unit.
    pub(crate) fn handle(&self, packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
        if let Some(reason) = fault(packet.payload, self.frame) {
            return Err(PayloadError { format: self.format, offset: packet.payload.len(), reason });
        }
        units.append(packet.timestamp, packet.payload);
        units.open(packet.timestamp).sync = true;
        units.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::RtpTimestamp;
    use crate::depacketizer::Depacketizer;
    use crate::format::Format;
    use crate::packetizer::Packetizer;
    use crate::train::{Framing, Train};

    /// Ticks and bytes of each unit, given twice a payload of at most 300 bytes; then each packet's marker, ticks and bytes.
    fn check(format: &Format, units: &[(i64, usize)], expected: &[(bool, i32, usize)]) {
        let data: Vec<Vec<u8>> = units.iter().map(|&(at, length)| vec![at as u8; length]).collect();
        let units: Vec<_> = (data.iter().zip(units))
            .map(|(data, &(at, _))| AccessUnit { data, timestamp: RtpTimestamp(5).plus(Ticks(at)), sync: true })
            .collect();
        let mut train = Train::new(Framing::Datagram);
        Packetizer::new(format, 96, 1, 0, 12 + 300).packetize(&units, &mut train).unwrap();
        let (mut seen, mut bytes) = (Vec::new(), Vec::new());
        let mut depacketizer = Depacketizer::new(format);
        for index in 0..train.len() {
            let packet = RtpPacket::parse(train.packet(index)).unwrap();
            seen.push((packet.marker, packet.timestamp.distance(RtpTimestamp(5)), packet.payload.len()));
            depacketizer.handle(&packet).unwrap();
            bytes.extend(depacketizer.poll().unwrap().data);
        }
        assert_eq!(seen, expected);
        assert_eq!(bytes, data.concat());
    }

    #[test]
    fn samples_go_in_equal_packets_up_to_200_ms() {
        let pcm = |coding, sample_rate, channels| Format::Pcm { coding, sample_rate, channels };
        let stereo = pcm(PcmCoding::L16, 44_100, 2);
        check(&stereo, &[(0, 300)], &[(true, 0, 300)]);
        check(&stereo, &[(0, 304)], &[(true, 0, 152), (false, 38, 152)]);
        check(&stereo, &[(0, 40), (10, 40), (20, 20)], &[(true, 0, 100)]);
        check(&stereo, &[(0, 200), (50, 400)], &[(true, 0, 300), (false, 75, 300)]);
        // A hole, and what is only rounding of the container's clock.
        check(&stereo, &[(0, 40), (110, 40)], &[(true, 0, 40), (false, 110, 40)]);
        check(&stereo, &[(0, 40), (11, 40)], &[(true, 0, 80)]);
        check(&pcm(PcmCoding::Mulaw, 1000, 1), &[(0, 250)], &[(true, 0, 125), (false, 125, 125)]);
        check(&pcm(PcmCoding::L24, 48_000, 6), &[(0, 18 * 17)], &[(true, 0, 162), (false, 9, 144)]);
    }

    #[test]
    fn half_a_sample_is_refused() {
        for (channels, length, fits) in [(2, 4, true), (2, 6, false), (2, 0, false), (0, 4, false), (255, 510, false)] {
            let format = Format::Pcm { coding: PcmCoding::L16, sample_rate: 8000, channels };
            assert_eq!(format.store(&vec![0; length], true, &mut Vec::new()).is_ok(), fits, "{channels} {length}");
        }
    }
}
