//! AAC as MP4A-LATM with the configuration in the description (RFC 6416 section 6): received, never sent.
//!
//! An audioMuxElement of one program and one layer is, for each of its frames, the frame's length as a run of bytes that
//! adds up (255 goes on), then the raw data block. It may lie over several packets; the marker is on the last.

use super::PayloadError;
use crate::clock::Ticks;
use crate::codec::aac::AudioSpecificConfig;
use crate::codec::bits::Bits;
use crate::depacketizer::Units;
use crate::packet::RtpPacket;

const FORMAT: &str = "MP4A-LATM";

/// Bytes of an element that lies over several packets: no more than sixty-four frames can be.
const MAX_ELEMENT: usize = 64 * 8191;

/// The AudioSpecificConfig within a StreamMuxConfig (ISO 14496-3 1.7.3.2) of one program and one layer, `None` for all others.
pub(crate) fn stream_mux(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bits = Bits::new("StreamMuxConfig", bytes);
    let version = bits.flag("audioMuxVersion").ok()?;
    let same_framing = bits.flag("allStreamsSameTimeFraming").ok()?;
    // Where an element ends, its packets tell.
    bits.skip("numSubFrames", 6).ok()?;
    let programs = bits.small("numProgram", 4).ok()?;
    let layers = bits.small("numLayer", 3).ok()?;
    if version || !same_framing || programs > 0 || layers > 0 {
        return None;
    }
    // It begins within a byte.
    let (start, shift) = (bits.position() / 8, bits.position() % 8);
    let rest = bytes.get(start..)?;
    let shifted: Vec<u8> = (0..rest.len())
        .map(|at| {
            let pair = u16::from_be_bytes([rest[at], rest.get(at + 1).copied().unwrap_or(0)]);
            (pair << shift >> 8) as u8
        })
        .collect();
    let (_, length) = AudioSpecificConfig::parse_prefix(&shifted).ok()?;
    let mut config = shifted.get(..length.div_ceil(8))?.to_vec();
    if let (Some(last), 1..) = (config.last_mut(), length % 8) {
        *last &= 0xFF << (8 - length % 8);
    }
    Some(config)
}

/// Payloads in, raw data blocks out.
#[derive(Debug)]
pub(crate) struct Depayloader {
    /// Ticks of one frame.
    frame: i64,
    /// The element that is being put together.
    element: Vec<u8>,
    /// It has lost its beginning or its middle.
    broken: bool,
}

impl Depayloader {
    pub(crate) fn new(config: &[u8]) -> Self {
        let frame = AudioSpecificConfig::parse(config).map_or(1024, |config| config.frame_samples);
        Self { frame: frame.into(), element: Vec::new(), broken: false }
    }

    pub(crate) fn handle(&mut self, packet: &RtpPacket<'_>, gap: bool, units: &mut Units) -> Result<(), PayloadError> {
        let error = |offset, reason| Err(PayloadError { format: FORMAT, offset, reason });
        if gap {
            // What comes may be the rest of an element whose beginning is lost: its lengths will tell.
            self.element.clear();
        }
        self.broken |= self.element.len() + packet.payload.len() > MAX_ELEMENT;
        if !self.broken {
            self.element.extend_from_slice(packet.payload);
        }
        if !packet.marker {
            return Ok(());
        }
        let element = std::mem::take(&mut self.element);
        if std::mem::take(&mut self.broken) {
            return error(0, "an element of more than 64 frames");
        }
        let (mut rest, mut timestamp) = (&element[..], packet.timestamp);
        while !rest.is_empty() {
            let offset = element.len() - rest.len();
            let full = rest.iter().take_while(|byte| **byte == 255).count();
            let Some(&last) = rest.get(full) else { return error(offset, "a length without end") };
            let Some((frame, after)) = rest[full + 1..].split_at_checked(full * 255 + usize::from(last)) else {
                return error(offset, "a frame reaches past its element");
            };
            if !frame.is_empty() {
                units.append(timestamp, frame);
                units.open(timestamp).sync = true;
                units.close();
            }
            timestamp = timestamp.plus(Ticks(self.frame));
            rest = after;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::RtpTimestamp;
    use crate::depacketizer::Depacketizer;
    use crate::format::Format;
    use crate::packet::write_header;
    use crate::seq::Sequence;

    #[test]
    fn the_configuration_is_found_within_the_multiplex() {
        // As GStreamer writes it, and one of two programs.
        let mux = [0x40, 0x00, 0x24, 0x20, 0xAD, 0xCA, 0x00];
        assert_eq!(stream_mux(&mux), Some(vec![0x12, 0x10]));
        assert_eq!(stream_mux(&[0x40, 0x10, 0x24, 0x20]), None);
        assert_eq!(stream_mux(&[0x40]), None);
    }

    /// Sequence number, marker and payload of each packet; then the frames with their times, and how many are refused.
    fn check(packets: &[(u16, bool, Vec<u8>)], expected: &[(&[u8], u32)], refused: usize) {
        let format = Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels: 2 };
        let mut depacketizer = Depacketizer::latm(&format);
        let mut errors = 0;
        for (sequence, marker, payload) in packets {
            let mut bytes = Vec::new();
            write_header(&mut bytes, 96, *marker, Sequence(*sequence), RtpTimestamp(5), 1);
            bytes.extend_from_slice(payload);
            errors += usize::from(depacketizer.handle(&RtpPacket::parse(&bytes).unwrap()).is_err());
        }
        depacketizer.finish();
        let units: Vec<_> = std::iter::from_fn(|| depacketizer.poll()).collect();
        let seen: Vec<_> = units.iter().map(|unit| (&unit.data[..], unit.timestamp.0)).collect();
        assert_eq!((seen, errors), (expected.to_vec(), refused));
    }

    #[test]
    fn frames_are_told_apart_by_their_lengths() {
        let long = [vec![255, 45], vec![7; 300]].concat();
        check(&[(1, true, vec![2, 8, 9])], &[(&[8, 9], 5)], 0);
        check(&[(1, true, vec![1, 8, 1, 9])], &[(&[8], 5), (&[9], 1029)], 0);
        check(&[(1, false, long[..100].to_vec()), (2, true, long[100..].to_vec())], &[(&[7; 300], 5)], 0);
        check(&[(1, true, vec![3, 8]), (2, true, vec![1, 9])], &[(&[9], 5)], 1);
        check(&[(1, true, vec![255])], &[], 1);
        check(&[(1, false, vec![9; 20]), (3, true, vec![1, 4])], &[(&[4], 5)], 0);
    }
}
