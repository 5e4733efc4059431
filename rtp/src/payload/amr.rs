//! AMR and AMR-WB, octet-aligned, without CRC, interleaving and robust sorting (RFC 4867 section 4.4). Stored form:
//! frames as in AMR files, each behind its table-of-contents byte.
//!
//! A payload is a byte that asks for no other mode, the table of contents with a byte for each frame, and the frames'
//! speech. The frames of all channels at one instant, a frame-block, stay together.

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

/// 200 ms, which every receiver should be ready to buffer (RFC 3551 section 4.2).
const MAX_BLOCKS: i32 = 10;

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
        let (max, step) = (out.max_payload() - 1, self.ticks());
        let mut blocks = units.iter().flat_map(|unit| self.blocks(unit)).peekable();
        let mut bundle: Vec<&[u8]> = Vec::new();
        while let Some(first) = blocks.next() {
            let (first, timestamp) = first.map_err(|offset| error(offset, NO_FRAME))?;
            let Some(mut room) = max.checked_sub(first.len()) else {
                return Err(error(0, "a frame of each channel doesn't fit a packet"));
            };
            bundle.clear();
            bundle.push(first);
            let mut due = step;
            // The receiver counts the later frames' times itself, so a hole in them needs a new packet.
            while let Some(Ok((block, _))) = blocks.next_if(|next| {
                next.is_ok_and(|(block, at)| {
                    let distance = at.distance(timestamp);
                    block.len() <= room && (distance - due).abs() <= step / 8 && due < MAX_BLOCKS * step
                })
            }) {
                bundle.push(block);
                room -= block.len();
                due += step;
            }
            self.write(timestamp, &bundle, out);
        }
        Ok(())
    }

    fn write(&self, timestamp: RtpTimestamp, bundle: &[&[u8]], out: &mut PacketWriter<'_>) {
        let start = out.take_start();
        let payload = out.begin(timestamp, start);
        payload.push(NO_REQUEST);
        let frames = bundle.iter().flat_map(|block| frames(block, self.wide));
        payload.extend(frames.clone().map(|(toc, _)| toc & TYPE_AND_QUALITY | FOLLOWED));
        if let Some(last) = payload.last_mut() {
            *last &= !FOLLOWED;
        }
        frames.for_each(|(_, speech)| payload.extend_from_slice(speech));
        out.finish();
    }

    fn ticks(&self) -> i32 {
        i32::try_from(frame_samples(self.wide)).unwrap_or(0)
    }

    fn blocks<'a>(&self, unit: &AccessUnit<'a>) -> impl Iterator<Item = Block<'a>> + use<'a> {
        let (wide, channels, step) = (self.wide, self.channels, i64::from(self.ticks()));
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
    fn frames_share_a_packet_with_their_table_of_contents_before_them() {
        let speech = |fill| frame(false, 0x3C, fill);
        check(&NARROW, &[(0, speech(1))], &[(0, &[0x3C], 31)]);
        check(&NARROW, &[(0, speech(1)), (160, frame(false, 0x44, 2))], &[(0, &[0xBC, 0x44], 36)]);
        check(&NARROW, &[(0, [speech(1), speech(2)].concat())], &[(0, &[0xBC, 0x3C], 62)]);
        // A hole, which is a talkspurt only to whoever knows why.
        check(&NARROW, &[(0, speech(1)), (480, speech(2))], &[(0, &[0x3C], 31), (480, &[0x3C], 31)]);
        // 299 bytes hold nine such frames; 200 ms are ten of any.
        let many: Vec<u8> = (0..10).flat_map(speech).collect();
        check(
            &NARROW,
            &[(0, many)],
            &[(0, &[0xBC, 0xBC, 0xBC, 0xBC, 0xBC, 0xBC, 0xBC, 0xBC, 0x3C], 279), (1440, &[0x3C], 31)],
        );
        let silence: Vec<u8> = (0..11).flat_map(|_| frame(false, 0x7C, 0)).collect();
        let table: Vec<u8> = [[0xFC; 9].as_slice(), &[0x7C]].concat();
        check(&NARROW, &[(0, silence)], &[(0, &table, 0), (1600, &[0x7C], 0)]);
        // Both channels stay together: 299 bytes hold two and not two and a half.
        let pair = |fill| [frame(true, 0x44, fill), frame(true, 0x44, fill + 1)].concat();
        check(
            &STEREO,
            &[(0, pair(1)), (320, pair(3)), (640, pair(5))],
            &[(0, &[0xC4, 0xC4, 0xC4, 0x44], 240), (640, &[0xC4, 0x44], 120)],
        );
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
