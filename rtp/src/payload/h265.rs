//! H.265 (RFC 7798), one stream without interleaving. Stored form: NAL units each behind four bytes of length, big-endian.
//!
//! Storing drops access unit delimiters (the marker ends a unit), filler, and the types that RFC 7798 uses for its
//! own packets. A sync unit without parameter sets gets those of the format, so that a viewer who comes in there
//! needs nothing else.
//!
//! Small NAL units go together into an aggregation packet, one that doesn't fit is cut into fragmentation units.

#[cfg(test)]
mod tests;

use super::PayloadError;
use super::nal::{self, Assembly, FU_END, FU_START};
use crate::access_unit::AccessUnit;
use crate::codec::bits::CodecError;
use crate::codec::h265::{AUD, FILLER, HEADER_LEN, PPS, SPS, UNSPECIFIED, VPS, is_slice, is_sync, unit_type};
use crate::codec::nal::{length_prefixed, push_prefixed};
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "H265";

/// Types of payload headers (RFC 7798 sections 4.4.2 and 4.4.3).
const AGGREGATION: u8 = 48;
const FRAGMENTATION: u8 = 49;

/// In a NAL unit's first byte: forbidden_zero_bit, the type, and the first bit of the layer.
const FORBIDDEN: u8 = 0x80;
const TYPE: u8 = 0x7E;

/// The type in an FU header.
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
    let error = |offset, reason| PayloadError { format: FORMAT, offset, reason };
    let nals = length_prefixed(unit.data, 4).map(|nal| match nal {
        Ok([] | [_]) => Err(error(0, SHORT)),
        Ok(nal) => Ok(nal),
        Err(CodecError { bit, .. }) => Err(error(bit / 8, CUT)),
    });
    nal::packetize(unit, nals, aggregation, fragmentation, out)
}

/// The header of an aggregation packet: its type, the lowest layer and temporal id in it, and whether any unit is
/// damaged (section 4.4.2). The units have whole headers.
fn aggregation(nals: &mut dyn Iterator<Item = &[u8]>) -> [u8; HEADER_LEN] {
    let (mut forbidden, mut layer, mut temporal) = (0, u8::MAX, u8::MAX);
    for nal in nals {
        forbidden |= nal[0] & FORBIDDEN;
        layer = layer.min((nal[0] & 1) << 5 | nal[1] >> 3);
        temporal = temporal.min(nal[1] & 7);
    }
    [forbidden | AGGREGATION << 1 | layer >> 5, layer << 3 | temporal]
}

/// A NAL unit's header goes into the payload header and FU header of each of its fragmentation units (section 4.4.3).
fn fragmentation(nal: &[u8]) -> ([u8; HEADER_LEN + 1], &[u8]) {
    let (header, body) = nal.split_at(HEADER_LEN);
    ([header[0] & !TYPE | FRAGMENTATION << 1, header[1], unit_type(nal)], body)
}

/// Payloads in, access units out.
#[derive(Debug, Default)]
pub(crate) struct Depayloader(Assembly);

impl Depayloader {
    pub(crate) fn handle(&mut self, packet: &RtpPacket<'_>, gap: bool, units: &mut Units) -> Result<(), PayloadError> {
        if gap {
            self.0.cut(units);
        }
        let result = self.payload(packet, units);
        if packet.marker {
            self.0.marked(units);
        }
        result
    }

    /// The unit ends here.
    pub(crate) fn end(&mut self, units: &mut Units) {
        self.0.end(units);
    }

    fn payload(&mut self, packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
        let error = |offset, reason| Err(PayloadError { format: FORMAT, offset, reason });
        let kind = unit_type(packet.payload);
        // A NAL unit may be its header alone: the end of a sequence is.
        let least = if kind == AGGREGATION { HEADER_LEN + 1 } else { HEADER_LEN };
        if packet.payload.len() < least {
            return error(0, "a payload with nothing behind its header");
        }
        if kind != FRAGMENTATION {
            self.0.cut(units);
        }
        match kind {
            FRAGMENTATION => {
                let Some((&[first, second, header], part)) = packet.payload.split_first_chunk::<3>() else {
                    return error(2, "a fragmentation unit without its header");
                };
                if header & FU_START != 0 {
                    let nal_header = [first & !TYPE | (header & FU_TYPE) << 1, second];
                    self.0.is_slice(is_slice(&nal_header));
                    self.0.begin(packet, &nal_header, is_sync([&nal_header[..]]), units);
                }
                self.0.part(packet, part, header & FU_END != 0, units);
            }
            AGGREGATION => {
                let mut at = HEADER_LEN;
                while let Some((length, rest)) = packet.payload[at..].split_first_chunk::<2>() {
                    let Some(nal) = rest.get(..usize::from(u16::from_be_bytes(*length))) else {
                        return error(at, "a NAL unit reaches past its aggregation packet");
                    };
                    self.0.is_slice(is_slice(nal));
                    self.0.whole(packet, nal, is_sync([nal]), units);
                    at += 2 + nal.len();
                }
            }
            50.. => return error(0, "a payload type other than a NAL unit, AP and FU"),
            _ => {
                self.0.is_slice(is_slice(packet.payload));
                self.0.whole(packet, packet.payload, is_sync([packet.payload]), units);
            }
        }
        Ok(())
    }
}
