//! Motion JPEG (RFC 2435), types 0 and 1. Stored form: what the payload headers say, then the scan without its end marker.
//!
//! A payload is the main header, the restart header where the image has restart markers, in the first packet the
//! quantization tables, and a part of the scan. All that else is in a JPEG image must be as the receiver will suppose:
//! storing refuses images that it would show otherwise, and what comes back has the same scan behind headers of our own.

mod image;
#[cfg(test)]
mod tests;

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;
use image::{Frame, TABLE};

const FORMAT: &str = "JPEG";

/// Bytes of the main header and of the restart header (sections 3.1 and 3.1.7).
const HEADER: usize = 8;
const RESTART: usize = 4;

/// Bytes of the quantization table header without its tables (section 3.1.8).
const TABLES_HEADER: usize = 4;

/// Both tables.
const TWO_TABLES: usize = 2 * TABLE;

const CUT: &str = "not one or two whole tables of 8 bits";

/// `Q`: the tables may change with every frame. From 128 on, there are tables at all.
const DYNAMIC: u8 = 255;
const FIRST_DYNAMIC: u8 = 128;

/// Added to the type where a restart header follows.
const WITH_RESTART: u8 = 64;

/// `F` and `L` set and a count of all ones: parts don't begin at restart markers.
const WHOLE_FRAME: [u8; 2] = [0xFF, 0xFF];

/// What 24 bits of offset can say.
const MAX_SCAN: usize = 1 << 24;

/// Before the scan in the stored form: type, width and height in eights, restart interval, tables.
const HEAD: usize = 5 + TWO_TABLES;

pub(crate) fn store(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    let error = |(offset, reason)| FormatError { format: FORMAT, offset, reason };
    let (frame, scan) = Frame::parse(unit).map_err(error)?;
    if scan.is_empty() || scan.len() > MAX_SCAN {
        return Err(error((unit.len(), "a scan of no or of more than 2^24 bytes")));
    }
    out.extend_from_slice(&[frame.kind, frame.width_eighths, frame.height_eighths]);
    out.extend_from_slice(&frame.restart_interval.to_be_bytes());
    frame.tables.iter().for_each(|table| out.extend_from_slice(table));
    out.extend_from_slice(scan);
    Ok(())
}

pub(crate) fn packetize(unit: &AccessUnit<'_>, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    let error = |offset, reason| PayloadError { format: FORMAT, offset, reason };
    let Some((&[kind, width, height, high, low, ref tables @ ..], mut scan)) = unit.data.split_first_chunk::<HEAD>()
    else {
        return Err(error(unit.data.len(), "a head cut short"));
    };
    if scan.is_empty() || scan.len() > MAX_SCAN {
        return Err(error(HEAD, "a scan of no or of more than 2^24 bytes"));
    }
    let restart = [high, low, WHOLE_FRAME[0], WHOLE_FRAME[1]];
    let (kind, restart) = if [high, low] == [0, 0] { (kind, &[][..]) } else { (kind | WITH_RESTART, &restart[..]) };
    let tables_header = [0, 0, 0, TWO_TABLES as u8];
    let mut offset = 0;
    while !scan.is_empty() {
        let tables: [&[u8]; 2] = if offset == 0 { [&tables_header, tables] } else { [&[], &[]] };
        let front = HEADER + restart.len() + tables[0].len() + tables[1].len();
        let (part, rest) = scan.split_at((out.max_payload() - front).min(scan.len()));
        // At most 24 bits.
        let [_, at @ ..] = u32::try_from(offset).unwrap_or(0).to_be_bytes();
        let header = [0, at[0], at[1], at[2], kind, DYNAMIC, width, height];
        out.write(unit.timestamp, rest.is_empty(), &[&header, restart, tables[0], tables[1], part]);
        (scan, offset) = (rest, offset + part.len());
    }
    Ok(())
}

pub(crate) fn depacketize(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    let result = append(packet, units);
    if result.is_err() {
        // Behind a hole in the scan nothing can be decoded.
        units.discard();
    } else if packet.marker {
        units.append(packet.timestamp, &image::END);
        units.open(packet.timestamp).sync = true;
        units.close();
    }
    result
}

fn append(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    let error = |offset, reason| Err(PayloadError { format: FORMAT, offset, reason });
    let Some((&[_, high, middle, low, kind, q, width, height], rest)) = packet.payload.split_first_chunk::<HEADER>()
    else {
        return error(0, "a payload shorter than its header");
    };
    let (restart_interval, rest) = match (kind & !WITH_RESTART, rest.split_first_chunk::<RESTART>()) {
        (0 | 1, _) if kind & WITH_RESTART == 0 => (0, rest),
        (0 | 1, Some((&[high, low, ..], rest))) => (u16::from_be_bytes([high, low]), rest),
        (0 | 1, None) => return error(HEADER, "a payload shorter than its restart header"),
        _ => return error(4, "a type other than 0, 1, 64 and 65"),
    };
    let kind = kind & !WITH_RESTART;
    let offset = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
    if offset > 0 {
        if units.len() != image::head_len(restart_interval) + offset {
            return error(1, "a part that doesn't go on where the scan is");
        }
        units.append(packet.timestamp, rest);
        return Ok(());
    }
    units.discard();
    if q < FIRST_DYNAMIC {
        return error(5, "a Q whose tables are not in the payload");
    }
    let at = packet.payload.len() - rest.len();
    let Some((&[_, 0, 0, length], rest)) = rest.split_first_chunk::<TABLES_HEADER>() else {
        return error(at, CUT);
    };
    // ffmpeg sends one where both are the same.
    let Some((first, scan)) = rest.split_first_chunk::<TABLE>() else { return error(at, CUT) };
    let (tables, scan) = match (usize::from(length), scan.split_first_chunk::<TABLE>()) {
        (TABLE, _) => ([*first; 2], scan),
        (TWO_TABLES, Some((second, scan))) => ([*first, *second], scan),
        _ => return error(at, CUT),
    };
    let frame = Frame { kind, width_eighths: width, height_eighths: height, restart_interval, tables };
    units.append_all(packet.timestamp, &[&frame.head(), scan]);
    Ok(())
}
