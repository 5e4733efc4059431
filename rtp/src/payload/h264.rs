//! H.264 (RFC 6184), packetization mode 1. Stored form: NAL units each behind four bytes of length, big-endian.
//!
//! Storing drops what a receiver has from the packets themselves or must not get: access unit delimiters
//! (the marker ends a unit), filler, and the types that RFC 6184 uses for its own packets. A sync unit without
//! parameter sets gets those of the format, so that a viewer who comes in there needs nothing else.
//!
//! Small NAL units go together into a STAP-A, one that doesn't fit is cut into FU-A.

#[cfg(test)]
mod tests;

use super::PayloadError;
use super::nal::{self, Assembly, FU_END, FU_START};
use crate::access_unit::AccessUnit;
use crate::codec::bits::CodecError;
use crate::codec::h264::{AUD, FILLER, IDR_SLICE, PPS, SLICE, SPS, is_sync, unit_type};
use crate::codec::nal::{length_prefixed, push_prefixed};
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "H264";

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Types of NAL units that belong before the PPS, beside the SPS: its extension and the subset SPS.
const SPS_EXTENSION: u8 = 13;
const SUBSET_SPS: u8 = 15;

/// The type's five bits of a NAL unit's first byte, and the rest: forbidden_zero_bit and nal_ref_idc.
const TYPE: u8 = 0x1F;
const REFERENCE: u8 = 0x60;
const FORBIDDEN: u8 = 0x80;

const CUT: &str = "a NAL unit reaches past its unit";

pub(crate) fn store(
    unit: &[u8],
    sync: bool,
    sps: &[Vec<u8>],
    pps: &[Vec<u8>],
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let base = out.len();
    let result = store_units(unit, if sync { (sps, pps) } else { (&[], &[]) }, out);
    if result.is_err() {
        out.truncate(base);
    }
    result
}

fn store_units(unit: &[u8], sets: (&[Vec<u8>], &[Vec<u8>]), out: &mut Vec<u8>) -> Result<(), FormatError> {
    let error = |offset, reason| FormatError { format: FORMAT, offset, reason };
    let push = |nal: &[u8], out: &mut Vec<u8>| push_prefixed(out, nal).map_err(|_| error(0, "a NAL unit of 4 GiB"));
    let (mut missing_sps, mut missing_pps, mut sent) = (sets.0, sets.1, false);
    for nal in length_prefixed(unit, 4) {
        let nal = nal.map_err(|CodecError { bit, .. }| error(bit / 8, CUT))?;
        match unit_type(nal) {
            SPS => missing_sps = &[],
            PPS => missing_pps = &[],
            _ => {}
        }
        sent |= is_sent(nal);
    }
    if !sent {
        return Err(error(unit.len(), "no NAL unit"));
    }
    missing_sps.iter().try_for_each(|nal| push(nal, out))?;
    for nal in length_prefixed(unit, 4).flatten().filter(|nal| is_sent(nal)) {
        if !matches!(unit_type(nal), SPS | SPS_EXTENSION | SUBSET_SPS) {
            std::mem::take(&mut missing_pps).iter().try_for_each(|nal| push(nal, out))?;
        }
        push(nal, out)?;
    }
    missing_pps.iter().try_for_each(|nal| push(nal, out))
}

fn is_sent(nal: &[u8]) -> bool {
    !matches!(unit_type(nal), 0 | AUD | FILLER | STAP_A..)
}

pub(crate) fn packetize(unit: &AccessUnit<'_>, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    let damage = |CodecError { bit, .. }| PayloadError { format: FORMAT, offset: bit / 8, reason: CUT };
    let nals = length_prefixed(unit.data, 4).map(|nal| nal.map_err(damage));
    nal::packetize(unit, nals, stap_a, fu_a, out)
}

/// The header of a STAP-A: its type, the highest nal_ref_idc in it, and whether any unit is damaged (section 5.7.1).
fn stap_a(nals: &mut dyn Iterator<Item = &[u8]>) -> [u8; 1] {
    let header =
        nals.fold(0, |header, nal| (header | nal[0]) & FORBIDDEN | (header & REFERENCE).max(nal[0] & REFERENCE));
    [header | STAP_A]
}

/// A NAL unit's first byte goes into the indicator and the header of each of its FU-A (section 5.8).
fn fu_a(nal: &[u8]) -> ([u8; 2], &[u8]) {
    ([nal[0] & !TYPE | FU_A, nal[0] & TYPE], &nal[1..])
}

/// By a NAL unit's first byte: whether it is a slice or a partition of one.
fn is_slice(first: u8) -> bool {
    (SLICE..=IDR_SLICE).contains(&(first & TYPE))
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
        let Some(&first) = packet.payload.first() else { return error(0, "an empty payload") };
        if first & TYPE != FU_A {
            self.0.cut(units);
        }
        match first & TYPE {
            FU_A => {
                let Some((&[indicator, header], part)) = packet.payload.split_first_chunk::<2>() else {
                    return error(1, "an FU-A without its header");
                };
                if header & FU_START != 0 {
                    let nal_header = [indicator & !TYPE | header & TYPE];
                    self.0.is_slice(is_slice(nal_header[0]));
                    self.0.begin(packet, &nal_header, header & TYPE == IDR_SLICE, units);
                }
                self.0.part(packet, part, header & FU_END != 0, units);
            }
            STAP_A => {
                let mut at = 1;
                while let Some((length, rest)) = packet.payload[at..].split_first_chunk::<2>() {
                    let Some(nal) = rest.get(..usize::from(u16::from_be_bytes(*length))) else {
                        return error(at, "a NAL unit reaches past its STAP-A");
                    };
                    self.0.is_slice(nal.first().is_some_and(|first| is_slice(*first)));
                    self.0.whole(packet, nal, is_sync([nal]), units);
                    at += 2 + nal.len();
                }
            }
            0 | 25.. => return error(0, "a payload type other than a NAL unit, STAP-A and FU-A"),
            _ => {
                self.0.is_slice(is_slice(first));
                self.0.whole(packet, packet.payload, is_sync([packet.payload]), units);
            }
        }
        Ok(())
    }
}
