//! RTP packets to access units: sequence, timestamp and marker; the payload format's part lies in `payload`.

use crate::clock::RtpTimestamp;
use crate::format::Format;
use crate::packet::RtpPacket;
use crate::payload::{Depayloader, PayloadError};
use crate::seq::Sequence;
use std::collections::VecDeque;

/// Bytes of one unit. A sender that never ends its unit would otherwise grow it for ever; the largest picture
/// that any of the formats' levels allows is smaller.
pub const MAX_UNIT: usize = 16 << 20;

/// Units that wait for [`Depacketizer::poll`]. Somebody who feeds packets and never polls loses the oldest.
pub const MAX_READY: usize = 1024;

/// Packets that far behind the expected one are late or doubled and are dropped; farther, it is a new start.
const MAX_BEHIND: i16 = 100;

/// Collects one source's packets into access units.
///
/// Give each packet to [`Depacketizer::handle`] in the order of their sequence numbers, then take units from
/// [`Depacketizer::poll`] until it is `None`. At the end of the source, [`Depacketizer::finish`] releases what
/// is still open.
#[derive(Debug)]
pub struct Depacketizer {
    depayloader: Depayloader,
    expected: Option<Sequence>,
    units: Units,
}

/// A unit as it came off the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedUnit {
    /// What [`Format::store`] takes.
    pub data: Vec<u8>,
    /// The instant it is shown or heard.
    pub timestamp: RtpTimestamp,
    /// Whether decoding may begin here, as far as the payload says it.
    pub sync: bool,
    /// Packets are missing in it or just before it, or a payload of it was refused.
    pub lost: bool,
}

impl Depacketizer {
    /// For a source of `format`.
    pub fn new(format: &Format) -> Self {
        Self { depayloader: Depayloader::new(format), expected: None, units: Units::default() }
    }

    /// For a source of MP4A-LATM (RFC 6416 section 6) whose AAC is `format`.
    pub fn latm(format: &Format) -> Self {
        let config = if let Format::Aac { config, .. } = format { config.as_slice() } else { &[] };
        let depayloader = Depayloader::Latm(crate::payload::latm::Depayloader::new(config));
        Self { depayloader, expected: None, units: Units::default() }
    }

    /// Takes the next packet. Late and doubled ones are dropped.
    ///
    /// # Errors
    /// A payload that breaks its format's rules; nothing of it is kept, and the unit is marked as damaged.
    pub fn handle(&mut self, packet: &RtpPacket<'_>) -> Result<(), PayloadError> {
        let ahead = self.expected.map_or(0, |expected| packet.sequence.distance(expected));
        if (-MAX_BEHIND..0).contains(&ahead) {
            return Ok(());
        }
        self.expected = Some(packet.sequence.next());
        let gap = ahead != 0;
        if gap {
            self.units.damage();
        }
        if self.units.open.as_ref().is_some_and(|unit| unit.timestamp != packet.timestamp) {
            self.depayloader.end(&mut self.units);
            if gap {
                self.units.damage();
            }
        }
        self.depayloader.handle(packet, gap, &mut self.units).inspect_err(|_| self.units.damage())
    }

    /// The next whole unit.
    pub fn poll(&mut self) -> Option<ReceivedUnit> {
        self.units.ready.pop_front()
    }

    /// No packet follows: what is open is whole as far as one can know.
    pub fn finish(&mut self) {
        self.depayloader.end(&mut self.units);
    }
}

/// The unit being put together and those that are done.
#[derive(Debug, Default)]
pub(crate) struct Units {
    open: Option<ReceivedUnit>,
    damaged: bool,
    ready: VecDeque<ReceivedUnit>,
}

impl Units {
    /// The open unit, opened now if there is none.
    pub(crate) fn open(&mut self, timestamp: RtpTimestamp) -> &mut ReceivedUnit {
        let damaged = &mut self.damaged;
        self.open.get_or_insert_with(|| ReceivedUnit {
            data: Vec::new(),
            timestamp,
            sync: false,
            lost: std::mem::take(damaged),
        })
    }

    /// Appends to the open unit, as far as [`MAX_UNIT`] lets it.
    pub(crate) fn append(&mut self, timestamp: RtpTimestamp, bytes: &[u8]) {
        self.append_all(timestamp, &[bytes]);
    }

    /// Appends all of `parts` or none.
    pub(crate) fn append_all(&mut self, timestamp: RtpTimestamp, parts: &[&[u8]]) {
        let unit = self.open(timestamp);
        let more: usize = parts.iter().map(|part| part.len()).sum();
        if unit.data.len().saturating_add(more) > MAX_UNIT {
            unit.lost = true;
            return;
        }
        for part in parts {
            unit.data.extend_from_slice(part);
        }
    }

    /// Keeps the first `length` bytes of the open unit.
    pub(crate) fn truncate(&mut self, length: usize) {
        if let Some(unit) = &mut self.open {
            unit.data.truncate(length);
        }
    }

    /// Bytes in the open unit.
    pub(crate) fn len(&self) -> usize {
        self.open.as_ref().map_or(0, |unit| unit.data.len())
    }

    /// Those of the open unit.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.open.as_ref().map_or(&[], |unit| &unit.data)
    }

    /// The open unit has lost something, or else the next will have.
    pub(crate) fn damage(&mut self) {
        match &mut self.open {
            Some(unit) => unit.lost = true,
            None => self.damaged = true,
        }
    }

    /// Drops what is open.
    pub(crate) fn discard(&mut self) {
        if self.open.take().is_some() {
            self.damaged = true;
        }
    }

    /// The open unit is whole.
    pub(crate) fn close(&mut self) {
        let Some(unit) = self.open.take() else { return };
        if unit.data.is_empty() {
            self.damaged |= unit.lost;
            return;
        }
        if self.ready.len() >= MAX_READY {
            self.ready.pop_front();
        }
        self.ready.push_back(unit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::write_header;

    /// Sequence, timestamp, marker and payload of the packets; then the units, each with whether it lost something.
    fn check(packets: &[(u16, u32, bool, &str)], expected: &[(&str, u32, bool)]) {
        let mut depacketizer = Depacketizer::new(&Format::Mp4vEs { config: vec![], width: 16, height: 16 });
        for &(sequence, timestamp, marker, payload) in packets {
            let mut bytes = Vec::new();
            write_header(&mut bytes, 96, marker, Sequence(sequence), RtpTimestamp(timestamp), 1);
            bytes.extend_from_slice(payload.as_bytes());
            depacketizer.handle(&RtpPacket::parse(&bytes).unwrap()).unwrap();
        }
        depacketizer.finish();
        let units: Vec<_> = std::iter::from_fn(|| depacketizer.poll()).collect();
        let seen: Vec<_> =
            units.iter().map(|u| (std::str::from_utf8(&u.data).unwrap(), u.timestamp.0, u.lost)).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_unit_ends_with_its_marker_or_its_timestamp_and_knows_its_losses() {
        check(&[(1, 5, false, "a"), (2, 5, true, "b"), (3, 6, true, "c")], &[("ab", 5, false), ("c", 6, false)]);
        check(&[(65_535, 5, false, "a"), (0, 5, true, "b")], &[("ab", 5, false)]);
        // A late and a doubled packet.
        check(&[(2, 5, false, "b"), (2, 5, false, "b"), (1, 5, false, "a"), (3, 5, true, "c")], &[("bc", 5, false)]);
        // The middle is missing, the end, a whole unit.
        check(&[(1, 5, false, "a"), (3, 5, true, "c")], &[("ac", 5, true)]);
        check(&[(1, 5, false, "a"), (3, 6, true, "c")], &[("a", 5, true), ("c", 6, true)]);
        check(
            &[(1, 5, true, "a"), (3, 7, true, "c"), (4, 8, true, "d")],
            &[("a", 5, false), ("c", 7, true), ("d", 8, false)],
        );
        // A sender that doesn't mark, and one that begins anew.
        check(&[(1, 5, false, "a"), (2, 6, false, "b")], &[("a", 5, false), ("b", 6, false)]);
        check(
            &[(9_000, 5, true, "a"), (1, 6, true, "b"), (2, 7, true, "c")],
            &[("a", 5, false), ("b", 6, true), ("c", 7, false)],
        );
    }

    #[test]
    fn a_unit_without_end_and_a_queue_without_reader_stay_bounded() {
        let mut units = Units::default();
        let part = vec![0; MAX_UNIT / 4];
        (0..9).for_each(|_| units.append(RtpTimestamp(0), &part));
        assert_eq!((units.len(), units.open(RtpTimestamp(0)).lost), (MAX_UNIT, true));
        for _ in 0..MAX_READY + 5 {
            units.append(RtpTimestamp(0), b"x");
            units.close();
        }
        assert_eq!((units.ready.len(), units.ready[0].data.len()), (MAX_READY, 1));
    }
}
