//! H.264 (RFC 6184), packetization mode 1. Stored form: NAL units each behind four bytes of length, big-endian.
//!
//! Storing drops what a receiver has from the packets themselves or must not get: access unit delimiters
//! (the marker ends a unit), filler, and the types that RFC 6184 uses for its own packets. A sync unit without
//! parameter sets gets those of the format, so that a viewer who comes in there needs nothing else.
//!
//! Neighbouring small NAL units go together into a STAP-A, a lone one is a payload as it is, and one that
//! doesn't fit is cut into FU-A of equal size: that of the packet before it in the unit, where this costs few
//! packets more, so that the slices of one picture can leave in one segmented send.

#[cfg(test)]
mod tests;

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::codec::bits::CodecError;
use crate::codec::h264::{AUD, FILLER, IDR_SLICE, PPS, SPS, is_sync, unit_type};
use crate::codec::nal::{length_prefixed, push_prefixed};
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "H264";

/// Bytes of a NAL unit's length, in stored units.
const LENGTH: usize = 4;

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Types of NAL units that belong before the PPS, beside the SPS: its extension and the subset SPS.
const SPS_EXTENSION: u8 = 13;
const SUBSET_SPS: u8 = 15;

/// The type's five bits of a NAL unit's first byte, and the rest: forbidden_zero_bit and nal_ref_idc.
const TYPE: u8 = 0x1F;
const REFERENCE: u8 = 0x60;
const FORBIDDEN: u8 = 0x80;

/// FU header bits (RFC 6184 section 5.8).
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;

/// Packets more than the fewest that a NAL unit may be cut into to be as long as the packet before it. A packet costs a
/// receiver some headers, a send of its own costs the sender as much as dozens of packets.
const MORE_FOR_ONE_SEND: usize = 2;

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
    let max = out.max_payload();
    let damage = |CodecError { bit, .. }| PayloadError { format: FORMAT, offset: bit / 8, reason: CUT };
    let mut nals = length_prefixed(unit.data, 4);
    // The payload bytes of all packets so far, while they are equal.
    let mut run = None;
    loop {
        let mut ahead = nals.clone();
        let Some(first) = ahead.next().transpose().map_err(damage)? else { break };
        if first.len() > max {
            nals = ahead;
            run = fragment(unit, first, nals.clone().next().is_none(), run, out);
            continue;
        }
        // How many fit into one STAP-A: its own byte, then two of length before each NAL unit.
        let (mut size, mut count, mut after, mut header) = (1 + 2 + first.len(), 1, ahead.clone(), first[0]);
        while let Some(nal) = ahead.next().transpose().map_err(damage)? {
            size += 2 + nal.len();
            if size > max {
                break;
            }
            (count, after) = (count + 1, ahead.clone());
            header = (header | nal[0]) & FORBIDDEN | (header & REFERENCE).max(nal[0] & REFERENCE);
        }
        let marker = after.clone().next().is_none();
        if count == 1 {
            run = Some(first.len());
            out.write(unit.timestamp, marker, &[first]);
        } else {
            run = None;
            let payload = out.begin(unit.timestamp, marker);
            payload.push(header & !TYPE | STAP_A);
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

/// One NAL unit as FU-A: its first byte goes into the indicator and header of each. The packets are as long as those
/// before, `run`, if that takes few more of them. Answers their payload bytes if all are equal.
fn fragment(
    unit: &AccessUnit<'_>,
    nal: &[u8],
    last_nal: bool,
    run: Option<usize>,
    out: &mut PacketWriter<'_>,
) -> Option<usize> {
    let (kind, body) = (nal[0] & TYPE, &nal[1..]);
    let fewest = body.len().div_ceil(out.max_payload() - 2);
    let fitting = run.and_then(|run| run.checked_sub(2)).filter(|part| *part > 0 && body.len() > *part);
    let size = fitting
        .filter(|part| body.len().div_ceil(*part) <= fewest + MORE_FOR_ONE_SEND)
        .unwrap_or_else(|| body.len().div_ceil(fewest));
    let indicator = nal[0] & !TYPE | FU_A;
    let mut start = FU_START;
    let mut parts = body.chunks(size).peekable();
    while let Some(part) = parts.next() {
        let end = if parts.peek().is_none() { FU_END } else { 0 };
        out.write(unit.timestamp, last_nal && end != 0, &[&[indicator, start | end | kind], part]);
        start = 0;
    }
    body.len().is_multiple_of(size).then_some(size + 2)
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
        let Some(&first) = packet.payload.first() else { return error(0, "an empty payload") };
        if first & TYPE != FU_A {
            self.drop_fragments(units);
        }
        match first & TYPE {
            FU_A => return self.fragment(packet, units),
            STAP_A => {
                let mut at = 1;
                while let Some((length, rest)) = packet.payload[at..].split_first_chunk::<2>() {
                    let Some(nal) = rest.get(..usize::from(u16::from_be_bytes(*length))) else {
                        return error(at, "a NAL unit reaches past its STAP-A");
                    };
                    append(packet, nal, units);
                    at += 2 + nal.len();
                }
            }
            0 | 25.. => return error(0, "a payload type other than a NAL unit, STAP-A and FU-A"),
            _ => append(packet, packet.payload, units),
        }
        Ok(())
    }

    fn fragment(&mut self, packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
        let error = |offset, reason| Err(PayloadError { format: FORMAT, offset, reason });
        let Some((&[indicator, header], part)) = packet.payload.split_first_chunk::<2>() else {
            return error(1, "an FU-A without its header");
        };
        if header & FU_START != 0 {
            self.drop_fragments(units);
            self.fragmented = Some(units.len());
            units.append(packet.timestamp, &[0, 0, 0, 0, indicator & !TYPE | header & TYPE]);
            units.open(packet.timestamp).sync |= header & TYPE == IDR_SLICE;
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
