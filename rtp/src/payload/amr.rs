//! AMR and AMR-WB, octet-aligned, without CRC, interleaving and robust sorting (RFC 4867 section 4.4). Stored form:
//! frames as in AMR files, each behind its table-of-contents byte.
//!
//! A payload is a byte that asks for no other mode, the table of contents with a byte for each frame, and the frames'
//! speech. A packet has the frames of all channels at one instant, a frame-block, and no more: ffmpeg 5.1 decodes only
//! the first of a packet. Other senders' may have more.

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::clock::{RtpTimestamp, Ticks};
use crate::codec::amr::{frame_len, frame_samples};
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

pub(crate) use crate::codec::amr::sample_rate;

/// `CMR` 15 (no request) and four reserved bits.
const NO_REQUEST: u8 = 0xF0;

/// In a table-of-contents byte: another follows in this payload; frame type and quality.
const FOLLOWED: u8 = 0x80;
const TYPE_AND_QUALITY: u8 = 0x7C;

/// RFC 4867 section 8.1.
const MAX_CHANNELS: u8 = 6;

const NO_FRAME: &str = "no whole frame of each channel";

fn name(wide: bool) -> &'static str {
    if wide { "AMR-WB" } else { "AMR" }
}

pub(crate) fn store(unit: &[u8], wide: bool, channels: u8, out: &mut Vec<u8>) -> Result<(), FormatError> {
    let error = |offset, reason| Err(FormatError { format: name(wide), offset, reason });
    if !(1..=MAX_CHANNELS).contains(&channels) {
        return error(0, "not 1 to 6 channels");
    }
    let mut rest = unit;
    while !rest.is_empty() || unit.is_empty() {
        match block_len(rest, wide, channels) {
            Some(length) => rest = &rest[length..],
            None => return error(unit.len() - rest.len(), NO_FRAME),
        }
    }
    out.extend_from_slice(unit);
    Ok(())
}

/// Bytes of the frame-block at the start of `bytes`, if it is whole.
fn block_len(bytes: &[u8], wide: bool, channels: u8) -> Option<usize> {
    let mut at = 0;
    for _ in 0..channels.max(1) {
        at += frame_len(wide, *bytes.get(at)?)?;
    }
    (at <= bytes.len()).then_some(at)
}

/// The frames of a frame-block: table-of-contents byte and speech.
fn frames(mut block: &[u8], wide: bool) -> impl Iterator<Item = (u8, &[u8])> + Clone {
    std::iter::from_fn(move || {
        let (frame, rest) = block.split_at_checked(frame_len(wide, *block.first()?)?)?;
        block = rest;
        frame.split_first().map(|(&toc, speech)| (toc, speech))
    })
}

#[derive(Debug)]
pub(crate) struct Payloader {
    wide: bool,
    channels: u8,
}

/// A frame-block, or where there is none.
type Block<'a> = Result<(&'a [u8], RtpTimestamp), usize>;

impl Payloader {
    pub(crate) fn new(wide: bool, channels: u8) -> Self {
        Self { wide, channels }
    }

    pub(crate) fn packetize(&self, units: &[AccessUnit<'_>], out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
        let error = |offset, reason| PayloadError { format: name(self.wide), offset, reason };
        for block in units.iter().flat_map(|unit| self.blocks(unit)) {
            let (block, timestamp) = block.map_err(|offset| error(offset, NO_FRAME))?;
            if block.len() >= out.max_payload() {
                return Err(error(0, "a frame of each channel doesn't fit a packet"));
            }
            let start = out.take_start();
            let payload = out.begin(timestamp, start);
            payload.push(NO_REQUEST);
            let frames = frames(block, self.wide);
            payload.extend(frames.clone().map(|(toc, _)| toc & TYPE_AND_QUALITY | FOLLOWED));
            if let Some(last) = payload.last_mut() {
                *last &= !FOLLOWED;
            }
            frames.for_each(|(_, speech)| payload.extend_from_slice(speech));
            out.finish();
        }
        Ok(())
    }

    fn blocks<'a>(&self, unit: &AccessUnit<'a>) -> impl Iterator<Item = Block<'a>> + use<'a> {
        let (wide, channels, step) = (self.wide, self.channels, i64::from(frame_samples(self.wide)));
        let (data, mut at, mut timestamp) = (unit.data, 0, unit.timestamp);
        std::iter::from_fn(move || {
            let rest = data.get(at..).filter(|rest| !rest.is_empty())?;
            let Some(length) = block_len(rest, wide, channels) else {
                return Some(Err(std::mem::replace(&mut at, data.len())));
            };
            let block = (&rest[..length], timestamp);
            at += length;
            timestamp = timestamp.plus(Ticks(step));
            Some(Ok(block))
        })
    }
}

#[derive(Debug)]
pub(crate) struct Depayloader {
    wide: bool,
    channels: u8,
}

impl Depayloader {
    pub(crate) fn new(wide: bool, channels: u8) -> Self {
        Self { wide, channels }
    }

    /// Each frame-block is a unit.
    pub(crate) fn handle(&self, packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
        let error = |offset, reason| Err(PayloadError { format: name(self.wide), offset, reason });
        let Some((_, rest)) = packet.payload.split_first() else { return error(0, "an empty payload") };
        let Some(last) = rest.iter().position(|toc| toc & FOLLOWED == 0) else {
            return error(1, "a table of contents without end");
        };
        let (table, mut speech) = rest.split_at(last + 1);
        let mut timestamp = packet.timestamp;
        for (block, tocs) in table.chunks(usize::from(self.channels.max(1))).enumerate() {
            for (channel, toc) in tocs.iter().enumerate() {
                let length = frame_len(self.wide, *toc).map(|length| length - 1);
                let Some((frame, after)) = length.and_then(|length| speech.split_at_checked(length)) else {
                    units.discard();
                    let index = block * usize::from(self.channels) + channel;
                    return error(1 + index, "a frame of a reserved type, or one that reaches past the payload");
                };
                units.append_all(timestamp, &[&[toc & TYPE_AND_QUALITY], frame]);
                speech = after;
            }
            units.open(timestamp).sync = true;
            units.close();
            timestamp = timestamp.plus(Ticks(i64::from(frame_samples(self.wide))));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::refused;
    use super::*;
    use crate::depacketizer::Depacketizer;
    use crate::format::Format;
    use crate::packetizer::Packetizer;
    use crate::train::{Framing, Train};

    const NARROW: Format = Format::Amr { wide: false, channels: 1 };
    const STEREO: Format = Format::Amr { wide: true, channels: 2 };

    /// A frame whose bytes are all `fill`.
    fn frame(wide: bool, toc: u8, fill: u8) -> Vec<u8> {
        let mut frame = vec![fill; frame_len(wide, toc).unwrap()];
        frame[0] = toc;
        frame
    }

    /// Ticks and bytes of units; then of each packet ticks, table of contents, and bytes behind it.
    fn check(format: &Format, units: &[(i64, Vec<u8>)], expected: &[(i32, &[u8], usize)]) {
        let accesses: Vec<_> = (units.iter())
            .map(|(at, data)| AccessUnit { data, timestamp: RtpTimestamp(5).plus(Ticks(*at)), sync: true })
            .collect();
        let mut train = Train::new(Framing::Datagram);
        Packetizer::new(format, 96, 1, 0, 12 + 300).packetize(&accesses, &mut train).unwrap();
        let mut depacketizer = Depacketizer::new(format);
        let mut back = Vec::new();
        assert_eq!(train.len(), expected.len());
        for (index, (ticks, table, length)) in expected.iter().enumerate() {
            let packet = RtpPacket::parse(train.packet(index)).unwrap();
            assert_eq!(packet.marker, index == 0);
            assert_eq!(packet.timestamp.distance(RtpTimestamp(5)), *ticks);
            assert_eq!(packet.payload[..1 + table.len()], [&[0xF0], *table].concat());
            assert_eq!(packet.payload.len(), 1 + table.len() + length);
            depacketizer.handle(&packet).unwrap();
            back.extend(std::iter::from_fn(|| depacketizer.poll()).flat_map(|unit| unit.data));
        }
        assert_eq!(back, units.iter().flat_map(|(_, data)| data.clone()).collect::<Vec<_>>());
    }

    #[test]
    fn an_instant_goes_in_a_packet_with_its_table_of_contents_before_it() {
        let speech = |fill| frame(false, 0x3C, fill);
        check(&NARROW, &[(0, speech(1))], &[(0, &[0x3C], 31)]);
        check(&NARROW, &[(0, speech(1)), (160, frame(false, 0x44, 2))], &[(0, &[0x3C], 31), (160, &[0x44], 5)]);
        check(&NARROW, &[(0, [speech(1), frame(false, 0x7C, 0)].concat())], &[(0, &[0x3C], 31), (160, &[0x7C], 0)]);
        // Both channels stay together.
        let pair = |fill| [frame(true, 0x44, fill), frame(true, 0x4C, fill + 1)].concat();
        check(&STEREO, &[(0, [pair(1), pair(3)].concat())], &[(0, &[0xC4, 0x4C], 65), (320, &[0xC4, 0x4C], 65)]);
    }

    #[test]
    fn a_packet_of_several_frames_comes_apart() {
        let mut bytes = Vec::new();
        crate::packet::write_header(&mut bytes, 96, true, crate::seq::Sequence(0), RtpTimestamp(5), 1);
        bytes.extend_from_slice(&[0xF0, 0xC4, 0xFC, 0x44, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        let mut depacketizer = Depacketizer::new(&NARROW);
        depacketizer.handle(&RtpPacket::parse(&bytes).unwrap()).unwrap();
        let units: Vec<_> =
            std::iter::from_fn(|| depacketizer.poll()).map(|unit| (unit.timestamp.0, unit.data)).collect();
        assert_eq!(units, [(5, vec![0x44, 1, 2, 3, 4, 5]), (165, vec![0x7C]), (325, vec![0x44, 6, 7, 8, 9, 10])]);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let cases: &[(&Format, &[u8], usize)] = &[
            (&NARROW, &[], 0),
            (&NARROW, &[0x3C, 1, 2], 0),
            (&NARROW, &[0x7C, 0x64], 1),
            (&STEREO, &[0x7C, 0x7C, 0x7C], 2),
            (&Format::Amr { wide: false, channels: 7 }, &[0x7C; 7], 0),
        ];
        for (format, unit, offset) in cases {
            assert_eq!(format.store(unit, true, &mut Vec::new()).unwrap_err().offset, *offset, "{unit:02x?}");
        }
        refused(&NARROW, &[&[], &[0xF0], &[0xF0, 0x80], &[0xF0, 0x3C, 1], &[0xF0, 0x64, 1]]);
    }
}
