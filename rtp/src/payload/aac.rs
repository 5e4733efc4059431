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
