//! H.265 (RFC 7798), one stream without interleaving. Stored form: NAL units each behind four bytes of length, big-endian.
//!
//! Storing drops access unit delimiters (the marker ends a unit), filler, and the types that RFC 7798 uses for its
//! own packets. A sync unit without parameter sets gets those of the format, so that a viewer who comes in there
//! needs nothing else.
//!
//! Neighbouring small NAL units go together into an aggregation packet, a lone one is a payload as it is, and one that
//! doesn't fit is cut into fragmentation units of equal size.

#[cfg(test)]
mod tests;

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::codec::bits::CodecError;
use crate::codec::h265::{AUD, FILLER, HEADER_LEN, PPS, SPS, UNSPECIFIED, VPS, is_sync, unit_type};
use crate::codec::nal::{length_prefixed, push_prefixed};
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "H265";

/// Bytes of a NAL unit's length, in stored units.
const LENGTH: usize = 4;

/// Types of payload headers (RFC 7798 sections 4.4.2 and 4.4.3).
const AGGREGATION: u8 = 48;
const FRAGMENTATION: u8 = 49;

/// In a NAL unit's first byte: forbidden_zero_bit, the type, and the first bit of the layer.
const FORBIDDEN: u8 = 0x80;
const TYPE: u8 = 0x7E;

/// FU header bits.
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;
const FU_TYPE: u8 = 0x3F;

const CUT: &str = "a NAL unit reaches past its unit";
const SHORT: &str = "a NAL unit without its header of two bytes";

/// `sets`: VPS, SPS and PPS to put where they are missing.
pub(crate) fn store(unit: &[u8], sets: [&[Vec<u8>]; 3], out: &mut Vec<u8>) -> Result<(), FormatError> {
    let base = out.len();
    let result = store_units(unit, sets, out);
    if result.is_err() {
        out.truncate(base);
    }
    result
}

fn store_units(unit: &[u8], mut missing: [&[Vec<u8>]; 3], out: &mut Vec<u8>) -> Result<(), FormatError> {
    let error = |offset, reason| FormatError { format: FORMAT, offset, reason };
    let push = |nal: &[u8], out: &mut Vec<u8>| push_prefixed(out, nal).map_err(|_| error(0, "a NAL unit of 4 GiB"));
    let mut sent = false;
    for nal in length_prefixed(unit, 4) {
        let nal = nal.map_err(|CodecError { bit, .. }| error(bit / 8, CUT))?;
        if let kind @ VPS..=PPS = unit_type(nal) {
            missing[usize::from(kind - VPS)] = &[];
        }
        sent |= is_sent(nal);
    }
    if !sent {
        return Err(error(unit.len(), "no NAL unit"));
    }
    for nal in length_prefixed(unit, 4).flatten().filter(|nal| is_sent(nal)) {
        // A set belongs behind those it refers to and before what refers to it.
        let due = match unit_type(nal) {
            VPS => 0,
            SPS => 1,
            PPS => 2,
            _ => 3,
        };
        for sets in &mut missing[..due] {
            std::mem::take(sets).iter().try_for_each(|nal| push(nal, out))?;
        }
        push(nal, out)?;
    }
    missing.into_iter().flatten().try_for_each(|nal| push(nal, out))
}

fn is_sent(nal: &[u8]) -> bool {
    !matches!(unit_type(nal), AUD | FILLER | UNSPECIFIED..)
}

pub(crate) fn packetize(unit: &AccessUnit<'_>, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    let max = out.max_payload();
    let error = |offset, reason| PayloadError { format: FORMAT, offset, reason };
    let mut nals = length_prefixed(unit.data, 4).map(|nal| match nal {
        Ok([] | [_]) => Err(error(0, SHORT)),
        Ok(nal) => Ok(nal),
        Err(CodecError { bit, .. }) => Err(error(bit / 8, CUT)),
    });
    loop {
        let mut ahead = nals.clone();
        let Some(first) = ahead.next().transpose()? else { break };
        if first.len() > max {
            nals = ahead;
            fragment(unit, first, nals.clone().next().is_none(), out);
            continue;
        }
        // How many fit into one aggregation packet: its header, then two bytes of length before each NAL unit.
        let (mut size, mut count, mut after) = (HEADER_LEN + 2 + first.len(), 1, ahead.clone());
        let (mut forbidden, mut ids) = (first[0] & FORBIDDEN, ids(first));
        while let Some(nal) = ahead.next().transpose()? {
            size += 2 + nal.len();
            if size > max {
                break;
            }
            (count, after) = (count + 1, ahead.clone());
            forbidden |= nal[0] & FORBIDDEN;
            ids = ids.min_each(self::ids(nal));
        }
        let marker = after.clone().next().is_none();
        if count == 1 {
            out.write(unit.timestamp, marker, &[first]);
        } else {
            let payload = out.begin(unit.timestamp, marker);
            payload.extend_from_slice(&[forbidden | AGGREGATION << 1 | ids.layer >> 5, ids.layer << 3 | ids.temporal]);
            for nal in nals.clone().take(count).flatten() {
                // It fits a payload, so its length fits 16 bits.
                payload.extend_from_slice(&u16::try_from(nal.len()).unwrap_or(0).to_be_bytes());
                payload.extend_from_slice(nal);
            }
            out.finish();
        }
        nals = after;
    }
    Ok(())
}

/// `nuh_layer_id` and `nuh_temporal_id_plus1`: an aggregation packet has the lowest of each that are in it.
#[derive(Clone, Copy)]
struct Ids {
    layer: u8,
    temporal: u8,
}

impl Ids {
    fn min_each(self, other: Self) -> Self {
        Self { layer: self.layer.min(other.layer), temporal: self.temporal.min(other.temporal) }
    }
}

/// Of a unit with a whole header.
fn ids(nal: &[u8]) -> Ids {
    Ids { layer: (nal[0] & 1) << 5 | nal[1] >> 3, temporal: nal[1] & 7 }
}

/// One NAL unit as fragmentation units: its header goes into the payload header and FU header of each.
fn fragment(unit: &AccessUnit<'_>, nal: &[u8], last_nal: bool, out: &mut PacketWriter<'_>) {
    let (header, body) = nal.split_at(HEADER_LEN);
    let packets = body.len().div_ceil(out.max_payload() - HEADER_LEN - 1);
    let payload_header = [header[0] & !TYPE | FRAGMENTATION << 1, header[1]];
    let mut start = FU_START;
    let mut parts = body.chunks(body.len().div_ceil(packets)).peekable();
    while let Some(part) = parts.next() {
        let end = if parts.peek().is_none() { FU_END } else { 0 };
        out.write(unit.timestamp, last_nal && end != 0, &[&payload_header, &[start | end | unit_type(nal)], part]);
        start = 0;
    }
}

/// Knows the fragmented NAL unit that is being put together.
#[derive(Debug, Default)]
pub(crate) struct Depayloader {
    /// Where its length lies in the open unit.
    fragmented: Option<usize>,
}

impl Depayloader {
    pub(crate) fn handle(&mut self, packet: &RtpPacket<'_>, gap: bool, units: &mut Units) -> Result<(), PayloadError> {
        if gap {
            self.drop_fragments(units);
        }
        let result = self.payload(packet, units);
        if packet.marker {
            self.end(units);
        }
        result
    }

    /// The unit ends here, and with it a NAL unit whose last fragments are missing.
    pub(crate) fn end(&mut self, units: &mut Units) {
        self.drop_fragments(units);
        units.close();
    }

    fn payload(&mut self, packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
        let error = |offset, reason| Err(PayloadError { format: FORMAT, offset, reason });
        if packet.payload.len() <= HEADER_LEN {
            return error(0, "a payload with nothing behind its header");
        }
        let kind = unit_type(packet.payload);
        if kind != FRAGMENTATION {
            self.drop_fragments(units);
        }
        match kind {
            FRAGMENTATION => return self.fragment(packet, units),
            AGGREGATION => {
                let mut at = HEADER_LEN;
                while let Some((length, rest)) = packet.payload[at..].split_first_chunk::<2>() {
                    let Some(nal) = rest.get(..usize::from(u16::from_be_bytes(*length))) else {
                        return error(at, "a NAL unit reaches past its aggregation packet");
                    };
                    append(packet, nal, units);
                    at += 2 + nal.len();
                }
            }
            50.. => return error(0, "a payload type other than a NAL unit, AP and FU"),
            _ => append(packet, packet.payload, units),
        }
        Ok(())
    }

    fn fragment(&mut self, packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
        let Some((&[first, second, header], part)) = packet.payload.split_first_chunk::<3>() else {
            return Err(PayloadError { format: FORMAT, offset: 2, reason: "a fragmentation unit without its header" });
        };
        if header & FU_START != 0 {
            self.drop_fragments(units);
            self.fragmented = Some(units.len());
            let nal_header = [first & !TYPE | (header & FU_TYPE) << 1, second];
            units.append_all(packet.timestamp, &[&[0; LENGTH], &nal_header]);
            units.open(packet.timestamp).sync |= is_sync([&nal_header[..]]);
        }
        let Some(start) = self.fragmented else {
            units.damage();
            return Ok(());
        };
        units.append(packet.timestamp, part);
        if header & FU_END != 0 {
            self.fragmented = None;
            let data = &mut units.open(packet.timestamp).data;
            let length = u32::try_from(data.len().saturating_sub(start + LENGTH)).unwrap_or(0);
            if let Some(at) = data.get_mut(start..start + LENGTH) {
                at.copy_from_slice(&length.to_be_bytes());
            }
        }
        Ok(())
    }

    /// Cuts off a NAL unit whose end will not come.
    fn drop_fragments(&mut self, units: &mut Units) {
        if let Some(start) = self.fragmented.take() {
            units.damage();
            units.truncate(start);
        }
    }
}

fn append(packet: &RtpPacket<'_>, nal: &[u8], units: &mut Units) {
    let Some(length) = u32::try_from(nal.len()).ok().filter(|&length| length > 0) else { return };
    units.open(packet.timestamp).sync |= is_sync([nal]);
    units.append_all(packet.timestamp, &[&length.to_be_bytes(), nal]);
}
