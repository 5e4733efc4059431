//! MPEG-2 transport streams (RFC 2250 section 2): packets of 188 bytes, whole ones only. The payloader is
//! [`crate::mp2t`]'s multiplexer; what is received is given payload by payload.

use super::PayloadError;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::mp2t::{CELL, SYNC};
use crate::packet::RtpPacket;

const FORMAT: &str = "MP2T";

/// Why no unit can be stored in this format.
pub(crate) fn store(unit: &[u8]) -> Result<(), FormatError> {
    let reason = "a transport stream is made of the units of other formats";
    Err(FormatError { format: FORMAT, offset: unit.len(), reason })
}

pub(crate) fn error((offset, reason): (usize, &'static str)) -> PayloadError {
    PayloadError { format: FORMAT, offset, reason }
}

pub(crate) fn depacketize(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    let cells = packet.payload.chunks_exact(CELL);
    if packet.payload.is_empty() || !cells.remainder().is_empty() {
        return Err(error((packet.payload.len(), "not packets of 188 bytes each")));
    }
    if let Some(bad) = packet.payload.chunks(CELL).position(|cell| cell.first() != Some(&SYNC)) {
        return Err(error((bad * CELL, "a packet that does not begin with 47")));
    }
    units.append(packet.timestamp, packet.payload);
    units.close();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::RtpTimestamp;
    use crate::depacketizer::Depacketizer;
    use crate::format::Format;
    use crate::mp2t::Program;
    use crate::packet::write_header;
    use crate::seq::Sequence;
    use std::sync::Arc;

    #[test]
    fn whole_packets_are_taken_and_nothing_else() {
        let cell = [&[SYNC][..], &[0; 187]].concat();
        let cases = [
            (cell.clone(), true),
            ([&cell[..], &cell].concat(), true),
            (Vec::new(), false),
            (cell[..187].to_vec(), false),
            ([&cell[..], &[0x46], &cell[1..]].concat(), false),
        ];
        let program = Arc::new(Program { streams: Vec::new(), order: Vec::new() });
        let mut depacketizer = Depacketizer::new(&Format::Mp2t { program });
        for (number, (payload, taken)) in (0u16..).zip(cases) {
            let mut bytes = Vec::new();
            write_header(&mut bytes, 33, false, Sequence(number), RtpTimestamp(u32::from(number)), 1);
            bytes.extend_from_slice(&payload);
            let result = depacketizer.handle(&RtpPacket::parse(&bytes).unwrap());
            assert_eq!(result.is_ok(), taken, "{number}");
            assert_eq!(depacketizer.poll().map(|unit| unit.data), taken.then_some(payload));
        }
    }
}
