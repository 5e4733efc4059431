//! MPEG audio (RFC 2250 section 3.5). Stored form: the frames as they are.
//!
//! A payload is a header of four bytes, two zero and two of offset into the frame, and behind it whole frames
//! (offset 0) or one part of one frame. A received unit is all frames of one packet, or one frame that came in
//! parts.

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::clock::ClockRate;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "MPA";

/// Bytes of the MPEG audio-specific header.
const HEADER: usize = 4;

/// 200 ms, which every receiver should be ready to buffer (RFC 3551 section 4.2).
const MAX_SPAN: i32 = ClockRate::VIDEO.hz() as i32 / 5;

pub(crate) fn store(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    if unit.is_empty() {
        return Err(FormatError { format: FORMAT, offset: 0, reason: "an empty access unit" });
    }
    out.extend_from_slice(unit);
    Ok(())
}

#[derive(Debug)]
pub(crate) struct Payloader;

impl Payloader {
    pub(crate) fn packetize(&self, units: &[AccessUnit<'_>], out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
        let max = out.max_payload() - HEADER;
        let mut rest = units;
        while let Some(first) = rest.first() {
            if first.data.len() > max {
                rest = &rest[1..];
                fragment(first, max, out)?;
                continue;
            }
            let mut size = 0;
            let fits = |unit: &&AccessUnit<'_>| {
                size += unit.data.len();
                size <= max && (0..MAX_SPAN).contains(&unit.timestamp.distance(first.timestamp))
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (bundle, after) = rest.split_at(count);
            rest = after;
            let start = out.take_start();
            let payload = out.begin(first.timestamp, start);
            payload.extend_from_slice(&[0; HEADER]);
            for unit in bundle {
                payload.extend_from_slice(unit.data);
            }
            out.finish();
        }
        Ok(())
    }
}

/// One frame in equal parts.
fn fragment(unit: &AccessUnit<'_>, max: usize, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    let size = unit.data.len().div_ceil(unit.data.len().div_ceil(max));
    for (index, part) in unit.data.chunks(size).enumerate() {
        let Ok(offset) = u16::try_from(index * size) else {
            return Err(PayloadError {
                format: FORMAT,
                offset: index * size,
                reason: "a frame longer than 65535 bytes",
            });
        };
        let start = out.take_start();
        let [high, low] = offset.to_be_bytes();
        out.write(unit.timestamp, start, &[&[0, 0, high, low], part]);
    }
    Ok(())
}

pub(crate) fn depacketize(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    let Some((&[_, _, high, low], data)) = packet.payload.split_first_chunk::<HEADER>() else {
        return Err(PayloadError { format: FORMAT, offset: 0, reason: "a payload shorter than its header" });
    };
    let offset = usize::from(u16::from_be_bytes([high, low]));
    if offset == 0 {
        units.close();
    } else if offset != units.len() {
        units.discard();
        return Err(PayloadError { format: FORMAT, offset: 2, reason: "a fragment that doesn't go on where we are" });
    }
    units.append(packet.timestamp, data);
    units.open(packet.timestamp).sync = true;
    Ok(())
}
