//! What the tests of single formats share: one unit through a packetizer, and back.

use crate::access_unit::AccessUnit;
use crate::clock::RtpTimestamp;
use crate::depacketizer::Depacketizer;
use crate::format::Format;
use crate::packet::{RtpPacket, write_header};
use crate::packetizer::Packetizer;
use crate::seq::Sequence;
use crate::train::{Framing, Train};

/// The packets of a unit, with payloads of at most `max` bytes.
fn packets(format: &Format, unit: &[u8], max: usize) -> Train {
    let mut stored = Vec::new();
    format.store(unit, true, &mut stored).unwrap();
    let mut train = Train::new(Framing::Datagram);
    let unit = AccessUnit { data: &stored, timestamp: RtpTimestamp(9), sync: true };
    Packetizer::new(format, 96, 1, 0, 12 + max).packetize(&[unit], &mut train).unwrap();
    train
}

/// The packets of a stored unit, of at most 1,400 bytes, and in how many sends they leave. With `share` they are cut and
/// filled up for that.
pub(crate) fn shared_sends(format: &Format, stored: &[u8], share: bool) -> (Train, usize) {
    let mut packetizer = Packetizer::new(format, 96, 1, 0, 1400);
    packetizer.share_sends(share);
    let mut train = Train::new(Framing::Datagram);
    let unit = AccessUnit { data: stored, timestamp: RtpTimestamp(9), sync: true };
    packetizer.packetize(&[unit], &mut train).unwrap();
    if share {
        train.fill_up(usize::MAX);
    }
    let (mut sends, mut from) = (0, 0);
    while let Some(run) = train.segments(from, 64, 65_000) {
        (sends, from) = (sends + 1, from + run.count);
    }
    (train, sends)
}

/// The payloads of a unit. Of a picture's, the last has the marker and no other.
pub(crate) fn payloads(format: &Format, unit: &[u8], max: usize) -> Vec<Vec<u8>> {
    let train = packets(format, unit, max);
    let payload = |index| {
        let packet = RtpPacket::parse(train.packet(index)).unwrap();
        if format.media() == crate::format::Media::Video {
            assert_eq!(packet.marker, index + 1 == train.len());
        }
        packet.payload.to_vec()
    };
    (0..train.len()).map(payload).collect()
}

/// What comes back of a unit: bytes, whether sync, whether something is missing.
pub(crate) fn pass(format: &Format, unit: &[u8], max: usize) -> Vec<(Vec<u8>, bool, bool)> {
    let train = packets(format, unit, max);
    let mut depacketizer = Depacketizer::new(format);
    for index in 0..train.len() {
        depacketizer.handle(&RtpPacket::parse(train.packet(index)).unwrap()).unwrap();
    }
    depacketizer.finish();
    std::iter::from_fn(|| depacketizer.poll()).map(|unit| (unit.data, unit.sync, unit.lost)).collect()
}

/// Each of the payloads, in a packet by itself, is an error.
pub(crate) fn refused(format: &Format, payloads: &[&[u8]]) {
    for payload in payloads {
        let mut bytes = Vec::new();
        write_header(&mut bytes, 96, true, Sequence(0), RtpTimestamp(0), 1);
        bytes.extend_from_slice(payload);
        let mut depacketizer = Depacketizer::new(format);
        assert!(depacketizer.handle(&RtpPacket::parse(&bytes).unwrap()).is_err(), "{payload:02x?}");
    }
}
