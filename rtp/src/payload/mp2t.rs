//! MPEG-2 transport streams (RFC 2250 section 2): packets of 188 bytes, whole ones only. What is made of other formats'
//! units is payloaded by [`crate::mp2t`]'s multiplexer, what is a transport stream already here; what is received is given
//! payload by payload.

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::depacketizer::Units;
use crate::format::FormatError;
use crate::mp2t::{CELL, SYNC};
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;

const FORMAT: &str = "MP2T";

/// Whole packets of 188 bytes.
pub(crate) fn store(unit: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
    check(unit).map_err(|(offset, reason)| FormatError { format: FORMAT, offset, reason })?;
    out.extend_from_slice(unit);
    Ok(())
}

/// As many whole packets in each payload as it takes.
pub(crate) fn packetize(unit: &AccessUnit<'_>, out: &mut PacketWriter<'_>) -> Result<(), PayloadError> {
    check(unit.data).map_err(error)?;
    let most = (out.max_payload() / CELL).max(1) * CELL;
    for payload in unit.data.chunks(most) {
        out.write(unit.timestamp, false, &[payload]);
    }
    Ok(())
}

fn check(bytes: &[u8]) -> Result<(), (usize, &'static str)> {
    let cells = bytes.chunks_exact(CELL);
    if bytes.is_empty() || !cells.remainder().is_empty() {
        return Err((bytes.len(), "not packets of 188 bytes each"));
    }
    match bytes.chunks(CELL).position(|cell| cell.first() != Some(&SYNC)) {
        Some(bad) => Err((bad * CELL, "a packet that does not begin with 47")),
        None => Ok(()),
    }
}

pub(crate) fn error((offset, reason): (usize, &'static str)) -> PayloadError {
    PayloadError { format: FORMAT, offset, reason }
}

pub(crate) fn depacketize(packet: &RtpPacket<'_>, units: &mut Units) -> Result<(), PayloadError> {
    check(packet.payload).map_err(error)?;
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
    use crate::packetizer::Packetizer;
    use crate::seq::Sequence;
    use crate::train::{Framing, Train};
    use std::sync::Arc;

    #[test]
    fn a_stream_that_is_one_already_goes_out_as_it_came() {
        let program = Arc::new(Program { streams: Vec::new(), order: Vec::new() });
        let format = Format::Mp2t { program };
        let cells: Vec<u8> = (0..16u8).flat_map(|cell| [[SYNC].as_slice(), &[cell; 187]].concat()).collect();
        let mut stored = Vec::new();
        format.store(&cells, true, &mut stored).unwrap();
        let mut packetizer = Packetizer::new(&format, 33, 1, 0, 1400);
        let mut train = Train::new(Framing::Datagram);
        let unit = AccessUnit { data: &stored, timestamp: RtpTimestamp(7), sync: true };
        packetizer.packetize(&[unit], &mut train).unwrap();
        let packets: Vec<_> = (0..train.len()).map(|at| RtpPacket::parse(train.packet(at)).unwrap()).collect();
        assert_eq!(packets.iter().map(|packet| packet.payload.len() / CELL).collect::<Vec<_>>(), [7, 7, 2]);
        assert_eq!(packets.iter().flat_map(|packet| packet.payload.to_vec()).collect::<Vec<_>>(), cells);
        assert!(format.store(&cells[1..], true, &mut Vec::new()).is_err());
        let broken = AccessUnit { data: &cells[..200], ..unit };
        assert!(packetizer.packetize(&[broken], &mut train).is_err() && train.len() == 3);
    }

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
