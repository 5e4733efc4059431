//! MPEG audio (RFC 2250 section 3.5). Stored form: the frames as they are.
//!
//! A payload is a header of four bytes, two zero and two of offset into the frame, and behind it whole frames
//! (offset 0) or one part of one frame. The frame headers tell where frames end, so units of several frames are
//! packed like units of one, and come back as units of one. Bytes that are no frame, or one of free format, go
//! as if they were one frame that nothing may share a packet with.

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::clock::{ClockRate, RtpTimestamp};
use crate::codec::mpeg_audio::FrameHeader;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "MPA";

/// Bytes of the MPEG audio-specific header.
const HEADER: usize = 4;

/// What the offset's 16 bits can't reach. No frame is that long.
const MAX_FRAME: usize = 65_535;

/// 200 ms, which every receiver should be ready to buffer (RFC 3551 section 4.2).
const MAX_SPAN: i32 = 18_000;

pub(crate) fn store(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    if unit.is_empty() {
        return Err(FormatError { format: FORMAT, offset: 0, reason: "an empty access unit" });
    }
    if let Some(long) = Frames::new(unit, RtpTimestamp(0)).find(|frame| frame.data.len() > MAX_FRAME) {
        return Err(FormatError { format: FORMAT, offset: long.offset, reason: "65535 bytes without a frame's end" });
    }
    out.extend_from_slice(unit);
    Ok(())
}

pub(crate) fn packetize(units: &[AccessUnit<'_>], out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    let max = out.max_payload() - HEADER;
    let mut frames = units.iter().flat_map(|unit| Frames::new(unit.data, unit.timestamp)).peekable();
    while let Some(first) = frames.next() {
        if first.data.len() > max {
            fragment(&first, max, out)?;
            continue;
        }
        let start = out.take_start();
        let payload = out.begin(first.timestamp, start);
        payload.extend_from_slice(&[0; HEADER]);
        payload.extend_from_slice(first.data);
        let mut room = max - first.data.len();
        let (mut known, mut due) = (first.ticks > 0, first.ticks);
        // The receiver counts the later frames' times itself, so a hole in them needs a new packet.
        while let Some(frame) = frames.next_if(|frame| {
            let distance = frame.timestamp.distance(first.timestamp);
            known && frame.data.len() <= room && (distance - due).abs() <= first.ticks / 8 && distance < MAX_SPAN
        }) {
            payload.extend_from_slice(frame.data);
            room -= frame.data.len();
            known = frame.ticks > 0;
            due += frame.ticks;
        }
        out.finish();
    }
    Ok(())
}

/// One frame in equal parts.
fn fragment(frame: &Frame<'_>, max: usize, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    let size = frame.data.len().div_ceil(frame.data.len().div_ceil(max));
    for (index, part) in frame.data.chunks(size).enumerate() {
        let Ok(offset) = u16::try_from(index * size) else {
            let reason = "65535 bytes without a frame's end";
            return Err(PayloadError { format: FORMAT, offset: frame.offset, reason });
        };
        let start = out.take_start();
        let [high, low] = offset.to_be_bytes();
        out.write(frame.timestamp, start, &[&[0, 0, high, low], part]);
    }
    Ok(())
}

/// A frame, or what we must take for one.
#[derive(Clone, Copy)]
struct Frame<'a> {
    data: &'a [u8],
    /// From the start of its unit.
    offset: usize,
    timestamp: RtpTimestamp,
    /// How long it sounds; 0 where its header doesn't say where it ends.
    ticks: i32,
    /// Bytes that it should have by its header.
    whole: usize,
}

/// The frames of some bytes by their headers alone; the last may be cut off.
struct Frames<'a> {
    data: &'a [u8],
    at: usize,
    start: RtpTimestamp,
    samples: i64,
}

impl<'a> Frames<'a> {
    fn new(data: &'a [u8], start: RtpTimestamp) -> Self {
        Self { data, at: 0, start, samples: 0 }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let rest = self.data.get(self.at..).filter(|rest| !rest.is_empty())?;
        let header = FrameHeader::parse(rest).ok();
        let known = header.and_then(|header| Some((header, header.frame_len().filter(|&length| length > 0)?)));
        let (rate, samples, whole) = match known {
            Some((header, length)) => (header.sample_rate, i64::from(header.samples()), length),
            None => (0, 0, rest.len()),
        };
        let ticks = |samples| ClockRate::VIDEO.rescale(samples, rate);
        let frame = Frame {
            data: &rest[..whole.min(rest.len())],
            offset: self.at,
            timestamp: self.start.plus(ticks(self.samples)),
            ticks: i32::try_from(ticks(samples).0).unwrap_or(0),
            whole,
        };
        self.at += frame.data.len();
        self.samples += samples;
        Some(frame)
    }
}

pub(crate) fn depacketize(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    let error = |offset, reason| Err(PayloadError { format: FORMAT, offset, reason });
    let Some((&[_, _, high, low], data)) = packet.payload.split_first_chunk::<HEADER>() else {
        return error(0, "a payload shorter than its header");
    };
    let offset = usize::from(u16::from_be_bytes([high, low]));
    if offset == 0 {
        units.close();
        for frame in Frames::new(data, packet.timestamp) {
            units.append(frame.timestamp, frame.data);
            units.open(frame.timestamp).sync = true;
            if frame.ticks > 0 && frame.data.len() == frame.whole {
                units.close();
            }
        }
        return Ok(());
    }
    if offset != units.len() {
        units.discard();
        return error(2, "a fragment that doesn't go on where the frame is");
    }
    units.append(packet.timestamp, data);
    let unit = units.open(packet.timestamp);
    let first = Frames::new(&unit.data, packet.timestamp).next();
    if first.is_some_and(|frame| frame.ticks > 0 && frame.data.len() == frame.whole) {
        units.close();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Ticks;
    use crate::depacketizer::Depacketizer;
    use crate::format::Format;
    use crate::packetizer::Packetizer;
    use crate::train::{Framing, Train};

    /// Layer II, 48 kHz, mono: 24 ms at the rate of index `rate_index`, which makes `length` bytes.
    fn frame(rate_index: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![0x55; length];
        frame[..4].copy_from_slice(&[0xFF, 0xFD, rate_index << 4 | 4, 0xC0]);
        frame
    }

    /// 96 bytes and 24 ms, and 1152 bytes.
    fn small() -> Vec<u8> {
        frame(1, 96)
    }

    fn large() -> Vec<u8> {
        frame(14, 1152)
    }

    /// Marker, ticks after the first unit, offset and bytes of each packet.
    type Seen = (bool, i32, u16, usize);

    fn check(units: &[(i64, Vec<u8>)], max_packet: usize, expected: &[Seen]) {
        let format = Format::Mpa { layer: 2, sample_rate: 48_000, channels: 1 };
        let units: Vec<_> = units
            .iter()
            .map(|(at, data)| AccessUnit { data, timestamp: RtpTimestamp(77).plus(Ticks(*at)), sync: true })
            .collect();
        let mut train = Train::new(Framing::Datagram);
        Packetizer::new(&format, 14, 1, 1, max_packet).packetize(&units, &mut train).unwrap();
        let mut depacketizer = Depacketizer::new(&format);
        let mut seen = Vec::new();
        for index in 0..train.len() {
            let packet = RtpPacket::parse(train.packet(index)).unwrap();
            assert_eq!(packet.payload[..2], [0, 0]);
            let offset = u16::from_be_bytes([packet.payload[2], packet.payload[3]]);
            let at = packet.timestamp.distance(RtpTimestamp(77));
            seen.push((packet.marker, at, offset, packet.payload.len() - HEADER));
            depacketizer.handle(&packet).unwrap();
        }
        assert_eq!(seen, expected);
        // Each frame comes back as soon as its last packet is there, with its own time.
        let sent: Vec<_> = units
            .iter()
            .flat_map(|unit| Frames::new(unit.data, unit.timestamp))
            .map(|frame| (frame.data.to_vec(), frame.timestamp))
            .collect();
        let back: Vec<_> = std::iter::from_fn(|| depacketizer.poll()).map(|unit| (unit.data, unit.timestamp)).collect();
        assert_eq!(back.len(), sent.len());
        for ((back, heard), (sent, timestamp)) in back.iter().zip(&sent) {
            assert_eq!(back, sent);
            assert!(heard.distance(*timestamp).abs() <= 1);
        }
    }

    #[test]
    fn whole_frames_share_a_packet_until_it_is_full_or_200_ms_long_or_a_hole_comes() {
        let every = |step: i64, count: i64| (0..count).map(|at| (at * step, small())).collect::<Vec<_>>();
        check(&every(2160, 3), 1400, &[(true, 0, 0, 288)]);
        check(&every(2160, 10), 1400, &[(true, 0, 0, 864), (false, 9 * 2160, 0, 96)]);
        check(&every(2160, 4), 12 + 4 + 288, &[(true, 0, 0, 288), (false, 3 * 2160, 0, 96)]);
        check(&every(2161, 2), 1400, &[(true, 0, 0, 192)]);
        check(&every(4320, 2), 1400, &[(true, 0, 0, 96), (false, 4320, 0, 96)]);
        check(&[(0, [small(), small()].concat()), (4320, small())], 1400, &[(true, 0, 0, 288)]);
    }

    #[test]
    fn a_frame_that_does_not_fit_goes_in_equal_parts_alone() {
        check(
            &[(0, small()), (2160, large()), (4320, small())],
            612,
            &[(true, 0, 0, 96), (false, 2160, 0, 576), (false, 2160, 576, 576), (false, 4320, 0, 96)],
        );
        check(&[(0, [large(), small()].concat())], 1400, &[(true, 0, 0, 1248)]);
        check(&[(0, [large(), small()].concat())], 1200, &[(true, 0, 0, 1152), (false, 2160, 0, 96)]);
    }

    #[test]
    fn a_lost_part_drops_its_frame_only() {
        let format = Format::Mpa { layer: 2, sample_rate: 48_000, channels: 1 };
        let (a, b) = (large(), small());
        let units = [(0, &a), (2160, &b)];
        let units = units.map(|(at, data)| AccessUnit { data, timestamp: RtpTimestamp(at), sync: true });
        let mut train = Train::new(Framing::Datagram);
        Packetizer::new(&format, 14, 1, 1, 450).packetize(&units, &mut train).unwrap();
        assert_eq!(train.len(), 4);
        for lost in 0..3 {
            let mut depacketizer = Depacketizer::new(&format);
            for index in (0..train.len()).filter(|&index| index != lost) {
                let _ = depacketizer.handle(&RtpPacket::parse(train.packet(index)).unwrap());
            }
            let back: Vec<_> = std::iter::from_fn(|| depacketizer.poll()).collect();
            let whole: Vec<_> = back.iter().filter(|unit| unit.data == b).collect();
            assert_eq!(whole.len(), 1, "without packet {lost}");
            assert!(back.iter().all(|unit| unit.data == b || unit.lost), "without packet {lost}");
        }
    }
}
