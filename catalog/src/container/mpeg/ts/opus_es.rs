//! Opus behind control headers ("Opus in MPEG-2 transport streams", Opus-TS 4): packets and their times.

use super::super::gathered::Gathered;
use super::super::sample_clock::{Frame, SampleClock};
use super::super::timeline::Stamp;
use super::super::uncut::Uncut;
use super::elementary::Elementary;
use rtp::codec::opus;
use rtp::format::Format;

/// Samples per second of whatever was coded.
const RATE: u32 = 48_000;
/// Bytes of a packet: the longest frame 48 times (RFC 6716 section 3.2.5). One that claims more is none.
const MAX_PACKET: usize = 48 * 1276;

/// Cuts one stream into packets.
#[derive(Debug)]
pub(super) struct OpusEs {
    uncut: Uncut,
    clock: SampleClock,
    /// Of the first packet.
    channels: Option<u8>,
    junk: u64,
}

impl OpusEs {
    pub fn new(track: u32) -> Self {
        Self { uncut: Uncut::default(), clock: SampleClock::new(track, RATE), channels: None, junk: 0 }
    }

    fn cut(&mut self, gathered: &mut Gathered) {
        loop {
            let (header, packet) = match control_header(&self.uncut) {
                Found::More => return,
                Found::None => {
                    let next = self.uncut.iter().skip(1).position(|byte| *byte == PREFIX[0]);
                    let skip = next.map_or(self.uncut.len(), |next| next + 1);
                    self.junk += self.uncut.skip(skip);
                    continue;
                }
                Found::Packet { header, packet } => (header, packet),
            };
            if self.uncut.len() < header + packet {
                return;
            }
            let stamp = self.uncut.stamp(self.uncut.start());
            self.uncut.skip(header);
            let data = self.uncut.take(packet);
            let Some(samples) = opus::samples(&data) else {
                self.junk += packet as u64;
                continue;
            };
            self.channels.get_or_insert(1 + (data[0] >> 2 & 1));
            self.clock.handle(Frame { samples, data, stamp }, gathered);
        }
    }
}

impl Elementary for OpusEs {
    fn format(&self) -> Option<Format> {
        self.channels.map(|channels| Format::Opus { channels })
    }

    fn timescale(&self) -> u32 {
        self.clock.timescale()
    }

    fn handle_payload(&mut self, payload: &[u8], stamp: Option<Stamp>, gathered: &mut Gathered) {
        self.uncut.push(payload, stamp);
        self.cut(gathered);
    }

    fn finish(&mut self, gathered: &mut Gathered) {
        self.cut(gathered);
        self.junk += self.uncut.skip(usize::MAX);
        self.clock.release(gathered);
    }

    fn take_junk(&mut self) -> u64 {
        std::mem::take(&mut self.junk)
    }
}

/// Eleven bits of `control_header_prefix`; then three flags and two reserved bits.
const PREFIX: [u8; 2] = [0x7F, 0xE0];

/// What bytes begin with.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// It ends before that is known.
    More,
    None,
    /// Bytes of the header and of the packet behind it.
    Packet {
        header: usize,
        packet: usize,
    },
}

fn control_header(bytes: &[u8]) -> Found {
    match *bytes {
        [] => return Found::More,
        [first, ..] if first != PREFIX[0] => return Found::None,
        [_] => return Found::More,
        [_, second, ..] if second & 0xE0 != PREFIX[1] => return Found::None,
        _ => {}
    }
    let (mut at, mut packet) = (2, 0);
    loop {
        let Some(part) = bytes.get(at) else { return Found::More };
        (at, packet) = (at + 1, packet + usize::from(*part));
        if packet > MAX_PACKET {
            return Found::None;
        }
        if *part < 0xFF {
            break;
        }
    }
    // What is trimmed at the start and at the end is said in two bytes each; an extension says its length.
    let flags = bytes[1];
    at += 2 * usize::from(flags >> 4 & 1) + 2 * usize::from(flags >> 3 & 1);
    if flags & 4 != 0 {
        let Some(length) = bytes.get(at) else { return Found::More };
        at += 1 + usize::from(*length);
    }
    if packet == 0 { Found::None } else { Found::Packet { header: at, packet } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_lie_behind_their_headers() {
        let packet = |header, packet| Found::Packet { header, packet };
        let cases: &[(&str, &[u8], Found)] = &[
            ("plain", &[0x7F, 0xE0, 5], packet(3, 5)),
            ("long", &[0x7F, 0xE0, 0xFF, 0xFF, 2], packet(5, 512)),
            ("trimmed at the start", &[0x7F, 0xF0, 5, 1, 2], packet(5, 5)),
            ("at both ends, with an extension", &[0x7F, 0xFC, 5, 1, 2, 3, 4, 2, 9, 9], packet(10, 5)),
            ("an extension to come", &[0x7F, 0xE4, 5], Found::More),
            ("cut", &[0x7F, 0xE0, 0xFF], Found::More),
            ("half a prefix", &[0x7F], Found::More),
            ("nothing", &[], Found::More),
            ("another prefix", &[0x7F, 0xC0, 5], Found::None),
            ("no packet", &[0x7F, 0xE0, 0], Found::None),
            ("junk", &[1, 2, 3], Found::None),
            ("too long", &[&[0x7F, 0xE0][..], &[0xFF; 300]].concat(), Found::None),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(control_header(bytes), *expected, "{name}");
        }
    }

    #[test]
    fn packets_are_found_behind_junk_however_they_come() {
        // A second of stereo, 20 ms each, behind junk and with some between two of them.
        let packet = [&[0x7F, 0xE0, 4][..], &[0xFC, 1, 2, 3]].concat();
        let stream = [&[9, 0x7F, 1][..], &packet.repeat(2), &[7, 7], &packet].concat();
        for piece in [1, 2, 5, stream.len()] {
            let (mut es, mut gathered) = (OpusEs::new(1), Gathered::default());
            let mut stamp = Some(gathered.timeline.stamp(900));
            for part in stream.chunks(piece) {
                es.handle_payload(part, stamp.take(), &mut gathered);
            }
            es.finish(&mut gathered);
            let scale = i64::from(es.timescale());
            let found: Vec<_> =
                gathered.samples.iter().map(|sample| (sample.pts * 1000 / scale, sample.data.len())).collect();
            assert_eq!((found, es.take_junk()), (vec![(0, 4), (20, 4), (40, 4)], 5), "{piece}");
            assert_eq!(es.format(), Some(Format::Opus { channels: 2 }));
        }
    }
}
