//! What the payload formats of NAL units share (RFC 6184, RFC 7798): which units go together, into what parts one is
//! cut, and how parts become units again.
//!
//! Neighbouring small NAL units go together into one aggregation packet, a lone one is a payload as it is, and one that
//! doesn't fit is cut into fragments of equal size. So that the slices of one picture can leave in one segmented send, this is
//! the size of the packet before it, where that costs few packets more; or where packets are filled up to that end, all packets
//! of a picture are somewhat shorter than they might be if this makes them equal enough.

use super::PayloadError;
use crate::access_unit::AccessUnit;
use crate::depacketizer::Units;
use crate::packet::RtpPacket;
use crate::packetizer::PacketWriter;
use crate::train::{Sends, best_limit};

/// Bytes of a NAL unit's length, in stored units.
pub(super) const LENGTH: usize = 4;

/// FU header bits (RFC 6184 section 5.8, RFC 7798 section 4.4.3).
pub(super) const FU_START: u8 = 0x80;
pub(super) const FU_END: u8 = 0x40;

/// Packets more than the fewest that a NAL unit may be cut into to be as long as the packet before it. A packet costs a
/// receiver some headers, a send of its own costs the sender as much as dozens of packets.
const MORE_FOR_ONE_SEND: usize = 2;

/// `aggregation` makes an aggregation packet's header for the units in it; `fragmentation` a unit's header in its
/// fragments, whose last byte gets the FU header bits, and the bytes to cut.
pub(super) fn packetize<'a, const A: usize, const F: usize>(
    unit: &AccessUnit<'_>,
    nals: impl Iterator<Item = Result<&'a [u8], PayloadError>> + Clone,
    aggregation: impl Fn(&mut dyn Iterator<Item = &'a [u8]>) -> [u8; A],
    fragmentation: impl Fn(&'a [u8]) -> ([u8; F], &'a [u8]),
    out: &mut PacketWriter<'_>,
) -> Result<(), PayloadError> {
    let fills = out.shares_sends();
    let mut cutter = Cutter::<_, A, F> { nals, max: out.max_payload(), fills, run: None };
    // Neither format makes a packet longer than the NAL units are as stored.
    if fills && unit.data.len() > cutter.max {
        cutter.max = best_limit(F + 1, cutter.max, |limit| Cutter { max: limit, ..cutter.clone() }.sends());
    }
    loop {
        let nals = cutter.nals.clone();
        let Some((first, cut)) = cutter.cut()? else { return Ok(()) };
        let marker = cutter.nals.clone().next().is_none();
        match cut {
            Cut::Parts { size, .. } => fragment(unit, fragmentation(first), size, marker, out),
            Cut::Whole { count: 1, .. } => out.write(unit.timestamp, marker, &[first]),
            Cut::Whole { count, .. } => {
                let together = nals.take(count).flatten();
                let payload = out.begin(unit.timestamp, marker);
                payload.extend_from_slice(&aggregation(&mut together.clone()));
                for nal in together {
                    // It fits a payload, so its length fits 16 bits.
                    payload.extend_from_slice(&u16::try_from(nal.len()).unwrap_or(0).to_be_bytes());
                    payload.extend_from_slice(nal);
                }
                out.finish();
            }
        }
    }
}

/// Says what NAL units become, one packet or one unit's fragments after the other. `A` bytes head an aggregation packet, `F`
/// a fragment, in which one less of the unit is left out.
#[derive(Clone)]
struct Cutter<I, const A: usize, const F: usize> {
    /// Those to come.
    nals: I,
    /// Bytes of a payload.
    max: usize,
    /// Packets are filled up.
    fills: bool,
    /// The payload bytes of the packet before, or of all fragments before while they are equal.
    run: Option<usize>,
}

/// What the next NAL units become.
enum Cut {
    /// So many one packet, with so many bytes of payload.
    Whole { count: usize, size: usize },
    /// One of them fragments: its `body` bytes in parts of `size`.
    Parts { body: usize, size: usize },
}

impl<'a, I: Iterator<Item = Result<&'a [u8], PayloadError>> + Clone, const A: usize, const F: usize> Cutter<I, A, F> {
    /// The first of the next NAL units, and what they become; `None` behind the last.
    fn cut(&mut self) -> Result<Option<(&'a [u8], Cut)>, PayloadError> {
        let Some(first) = self.nals.next().transpose()? else { return Ok(None) };
        if first.len() > self.max {
            let body = first.len() - (F - 1);
            let size = self.part(body);
            self.run = body.is_multiple_of(size).then_some(size + F);
            return Ok(Some((first, Cut::Parts { body, size })));
        }
        // How many fit into one aggregation packet: its header, then two bytes of length before each NAL unit.
        let (mut together, mut count, mut size) = (A + 2 + first.len(), 1, first.len());
        let mut ahead = self.nals.clone();
        while let Some(nal) = ahead.next().transpose()? {
            together += 2 + nal.len();
            if together > self.max {
                break;
            }
            (count, size) = (count + 1, together);
            self.nals = ahead.clone();
        }
        self.run = Some(size);
        Ok(Some((first, Cut::Whole { count, size })))
    }

    /// The bytes of each fragment: as many as the packets before have, if that takes few more of them.
    fn part(&self, body: usize) -> usize {
        let fewest = body.div_ceil(self.max - F);
        let run = self.run.filter(|_| !self.fills);
        let fitting = run.and_then(|run| run.checked_sub(F)).filter(|part| *part > 0 && body > *part);
        let fitting = fitting.filter(|part| body.div_ceil(*part) <= fewest + MORE_FOR_ONE_SEND);
        fitting.unwrap_or_else(|| body.div_ceil(fewest))
    }

    /// In how many sends and packets all leave.
    fn sends(mut self) -> Sends {
        let mut sends = Sends::default();
        // What is damaged ends here, and is told when it is cut in earnest.
        while let Ok(Some((_, cut))) = self.cut() {
            match cut {
                Cut::Whole { size, .. } => sends.add(size),
                Cut::Parts { body, size } => {
                    (0..body / size).for_each(|_| sends.add(size + F));
                    sends.add(if body.is_multiple_of(size) { 0 } else { body % size + F });
                }
            }
        }
        sends
    }
}

/// One NAL unit in parts of `size` bytes, each behind `head`.
fn fragment<const F: usize>(
    unit: &AccessUnit<'_>,
    (head, body): ([u8; F], &[u8]),
    size: usize,
    last_nal: bool,
    out: &mut PacketWriter<'_>,
) {
    let mut parts = body.chunks(size).peekable();
    let mut start = FU_START;
    while let Some(part) = parts.next() {
        let end = if parts.peek().is_none() { FU_END } else { 0 };
        let mut head = head;
        if let Some(last) = head.last_mut() {
            *last |= start | end;
        }
        out.write(unit.timestamp, last_nal && end != 0, &[&head, part]);
        start = 0;
    }
}

/// Puts NAL units into the open unit, each behind its length; knows the fragmented one that is being put together.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    /// Where its length lies in the open unit.
    fragmented: Option<usize>,
    /// Something of a picture is in the open unit.
    pictured: bool,
}

impl Assembly {
    /// A NAL unit of the open unit is a slice, or is none.
    pub(super) fn is_slice(&mut self, is: bool) {
        self.pictured |= is;
    }

    /// A packet had the marker. Some cameras set it on parameter sets and SEI, too, which belong to the picture that follows.
    pub(super) fn marked(&mut self, units: &mut Units) {
        if self.pictured {
            self.end(units);
        }
    }

    /// A whole NAL unit; `sync`: decoding can begin at it.
    pub(super) fn whole(&mut self, packet: &RtpPacket<'_>, nal: &[u8], sync: bool, units: &mut Units) {
        let Some(length) = u32::try_from(nal.len()).ok().filter(|&length| length > 0) else { return };
        units.open(packet.timestamp).sync |= sync;
        units.append_all(packet.timestamp, &[&length.to_be_bytes(), nal]);
    }

    /// The first fragment is coming: the NAL unit's own header.
    pub(super) fn begin(&mut self, packet: &RtpPacket<'_>, header: &[u8], sync: bool, units: &mut Units) {
        self.cut(units);
        self.fragmented = Some(units.len());
        units.append_all(packet.timestamp, &[&[0; LENGTH], header]);
        units.open(packet.timestamp).sync |= sync;
    }

    /// The next part of what has begun; `end`: its last.
    pub(super) fn part(&mut self, packet: &RtpPacket<'_>, part: &[u8], end: bool, units: &mut Units) {
        let Some(start) = self.fragmented else { return units.damage() };
        units.append(packet.timestamp, part);
        if !end {
            return;
        }
        self.fragmented = None;
        let data = &mut units.open(packet.timestamp).data;
        let length = u32::try_from(data.len().saturating_sub(start + LENGTH)).unwrap_or(0);
        if let Some(at) = data.get_mut(start..start + LENGTH) {
            at.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// Cuts off a NAL unit whose end will not come.
    pub(super) fn cut(&mut self, units: &mut Units) {
        if let Some(start) = self.fragmented.take() {
            units.damage();
            units.truncate(start);
        }
    }

    /// The unit ends here, and with it a NAL unit whose last fragments are missing.
    pub(super) fn end(&mut self, units: &mut Units) {
        self.cut(units);
        self.pictured = false;
        units.close();
    }
}

/// What the tests of both formats need.
#[cfg(test)]
pub(super) mod testing {
    use crate::access_unit::AccessUnit;
    use crate::clock::RtpTimestamp;
    use crate::codec::nal::push_prefixed;
    use crate::depacketizer::{Depacketizer, ReceivedUnit};
    use crate::format::Format;
    use crate::packet::RtpPacket;
    use crate::packetizer::Packetizer;
    use crate::train::{Framing, Train};

    pub(crate) type Nals<'a> = &'a [&'a [u8]];

    /// The stored form of a unit of `nals`.
    pub(crate) fn prefixed(nals: Nals<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        nals.iter().for_each(|nal| push_prefixed(&mut out, nal).unwrap());
        out
    }

    /// A NAL unit of `length` bytes with `header`.
    pub(crate) fn nal<const H: usize>(header: [u8; H], length: usize) -> Vec<u8> {
        let mut nal: Vec<u8> = (0..length).map(|at| at as u8).collect();
        nal[..H].copy_from_slice(&header);
        nal
    }

    /// The packets of a unit of `nals`, with payloads of at most `max` bytes.
    pub(crate) fn packets(format: &Format, nals: Nals<'_>, max: usize) -> Train {
        let stored = prefixed(nals);
        let mut train = Train::new(Framing::Datagram);
        let unit = AccessUnit { data: &stored, timestamp: RtpTimestamp(9), sync: true };
        Packetizer::new(format, 96, 1, 0, 12 + max).packetize(&[unit], &mut train).unwrap();
        train
    }

    /// The payloads of `train`, of which only the last has the marker, and the unit that they make.
    pub(crate) fn received(format: &Format, train: &Train) -> (Vec<Vec<u8>>, ReceivedUnit) {
        let mut depacketizer = Depacketizer::new(format);
        let mut payloads = Vec::new();
        for index in 0..train.len() {
            let packet = RtpPacket::parse(train.packet(index)).unwrap();
            assert_eq!(packet.marker, index + 1 == train.len());
            payloads.push(packet.payload.to_vec());
            depacketizer.handle(&packet).unwrap();
        }
        // One without a picture waits for it.
        depacketizer.finish();
        (payloads, depacketizer.poll().unwrap())
    }

    /// Each sync flag with NAL units is stored as the NAL units behind it.
    pub(crate) fn check_stored(format: &Format, cases: &[(bool, Nals<'_>, Nals<'_>)]) {
        for (sync, nals, expected) in cases {
            let mut out = Vec::new();
            format.store(&prefixed(nals), *sync, &mut out).unwrap();
            assert_eq!(out, prefixed(expected), "{nals:02x?}");
        }
    }

    /// Each unit is refused for what is at the offset, and leaves the output as it was.
    pub(crate) fn check_refused(format: &Format, cases: &[(&[u8], usize)]) {
        for (unit, offset) in cases {
            let mut out = vec![7];
            let error = format.store(unit, true, &mut out).unwrap_err();
            assert_eq!((error.offset, &out[..]), (*offset, &[7][..]), "{error}");
        }
    }

    /// Without one of its fragments, the NAL unit in the middle of three is gone and the others are not.
    pub(crate) fn check_lost(format: &Format, first: &[u8], large: &[u8], fragments: usize) {
        let train = packets(format, &[first, large, first], 300);
        assert_eq!(train.len(), 2 + fragments);
        for lost in 1..=fragments {
            let mut depacketizer = Depacketizer::new(format);
            for index in (0..train.len()).filter(|&index| index != lost) {
                depacketizer.handle(&RtpPacket::parse(train.packet(index)).unwrap()).unwrap();
            }
            let unit = depacketizer.poll().unwrap();
            assert_eq!((unit.data, unit.lost), (prefixed(&[first, first]), true), "without packet {lost}");
        }
    }

    /// Sizes of NAL units, all with `header`, and those of their payloads.
    pub(crate) fn check_sizes<const H: usize>(format: &Format, header: [u8; H], cases: &[(&[usize], &[usize])]) {
        for (sizes, expected) in cases {
            let nals: Vec<Vec<u8>> = sizes.iter().map(|size| nal(header, *size)).collect();
            let train = packets(format, &nals.iter().map(Vec::as_slice).collect::<Vec<_>>(), 300);
            let seen: Vec<usize> = (0..train.len()).map(|index| train.packet(index).len() - 12).collect();
            assert_eq!(&seen, expected, "{sizes:?}");
        }
    }
}
