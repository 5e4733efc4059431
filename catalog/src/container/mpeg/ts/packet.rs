//! Transport packets (ISO 13818-1 2.4.3): found by their sync bytes, over junk and damage, and taken apart.

use super::super::timeline;

pub(super) const PACKET_LEN: usize = 188;
pub(super) const SYNC: u8 = 0x47;
/// Bytes from one sync byte to the next: plain, behind four bytes of time stamp (M2TS), before sixteen of Reed-Solomon
/// code. What lies between packets needs no look: a packet goes from its sync byte on.
const STRIDES: [usize; 3] = [PACKET_LEN, 192, 204];
/// Sync bytes in a row that make a place the start of packets.
const SURE: usize = 5;
/// The same by which a file is told to be a transport stream: much other data has some of these.
const CERTAIN: usize = 10;
/// The time stamp before the first packet of M2TS.
const PREFIX_LEN: u64 = 4;

/// One packet's header and payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub pid: u16,
    /// Whether a PES packet or section begins in the payload.
    pub starts: bool,
    pub scrambled: bool,
    pub counter: u8,
    /// Whether counter and clock may have jumped.
    pub discontinuity: bool,
    /// Whether decoding may begin here.
    pub random_access: bool,
    /// Program clock reference, 90 kHz modulo 2^33.
    pub clock: Option<u64>,
    pub payload: Option<&'a [u8]>,
}

impl<'a> Packet<'a> {
    /// `None` for what a transport packet can't be.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[SYNC, high, low, flags], rest) = bytes.get(..PACKET_LEN)?.split_first_chunk()? else { return None };
        let (adaptation, payload) = match flags >> 4 & 3 {
            1 => (&[][..], Some(rest)),
            2 => (rest, None),
            3 => {
                let (after, payload) = rest.split_at_checked(1 + usize::from(rest[0]))?;
                (after, Some(payload))
            }
            _ => return None,
        };
        let field = adaptation.get(1..).filter(|_| adaptation.first().is_some_and(|len| *len > 0)).unwrap_or(&[]);
        let flagged = |bit| field.first().is_some_and(|flags| flags & bit != 0);
        let clock = match field {
            [flags, a, b, c, d, e, ..] if flags & 0x10 != 0 => {
                Some(u64::from(u32::from_be_bytes([*a, *b, *c, *d])) << 1 | u64::from(e >> 7))
            }
            _ => None,
        };
        Some(Self {
            pid: u16::from_be_bytes([high & 0x1F, low]),
            starts: high & 0x40 != 0,
            scrambled: flags & 0xC0 != 0,
            counter: flags & 0xF,
            discontinuity: flagged(0x80),
            random_access: flagged(0x40),
            clock: clock.map(|clock| clock & (timeline::WRAP as u64 - 1)),
            payload,
        })
    }
}

/// Where we are in a transport stream.
///
/// Give [`Packets::next`] the bytes from that place on; it takes what it used from their front.
#[derive(Debug, Default)]
pub(super) struct Packets {
    /// Bytes of the stream used so far.
    offset: u64,
    /// Known while packets follow each other.
    stride: Option<usize>,
    /// Bytes passed over in this place and where they began.
    junk: Option<(u64, u64)>,
}

/// What comes next in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// The 188 bytes of a packet.
    Packet(&'a [u8]),
    /// Bytes that belong to no packet were passed over.
    Junk { offset: u64, len: u64 },
}

impl Packets {
    /// The next item; `None` where it needs more bytes than `rest` has. With `at_end` nothing follows `rest`, and all
    /// of it is used up before it says `None`.
    pub fn next<'a>(&mut self, rest: &mut &'a [u8], at_end: bool) -> Option<Item<'a>> {
        loop {
            let stride = match self.stride {
                Some(stride) if rest.first() == Some(&SYNC) => stride,
                _ if rest.is_empty() => return None,
                _ => {
                    self.find(rest, at_end)?;
                    continue;
                }
            };
            if let Some((offset, len)) = self.take_junk() {
                return Some(Item::Junk { offset, len });
            }
            return match rest.get(..PACKET_LEN) {
                Some(packet) if at_end || rest.len() >= stride => {
                    self.take(rest, stride);
                    Some(Item::Packet(packet))
                }
                None if at_end => {
                    // The part of a packet that a cut file ends with.
                    self.take(rest, stride);
                    None
                }
                _ => None,
            };
        }
    }

    /// Bytes passed over up to here, but for what belongs before a first packet.
    pub fn take_junk(&mut self) -> Option<(u64, u64)> {
        self.junk.take().filter(|(offset, len)| *offset > 0 || *len > PREFIX_LEN)
    }

    /// Goes to the next place from which packets follow each other. `None` where that takes more bytes.
    fn find(&mut self, rest: &mut &[u8], at_end: bool) -> Option<()> {
        let reach = SURE * STRIDES[2];
        if rest.len() < 2 * reach && !at_end {
            return None;
        }
        // A damaged sync byte costs one packet, if the others are where they should be.
        let in_step = self.stride.filter(|&stride| run(rest, stride, stride, at_end) >= SURE.min(3));
        let found = match in_step {
            Some(stride) => Some((stride, stride)),
            None => {
                let last = if at_end { rest.len() } else { rest.len() - reach };
                let candidates = (0..last).filter(|&at| rest[at] == SYNC);
                let mut starts = candidates.filter_map(|at| Some((at, stride_at(rest, at, SURE, at_end)?)));
                starts.next()
            }
        };
        let skip = match found {
            Some((at, _)) => at,
            None if at_end => rest.len(),
            None => rest.len() - reach,
        };
        let (_, sum) = self.junk.get_or_insert((self.offset, 0));
        *sum += skip as u64;
        self.take(rest, skip);
        self.stride = found.map(|(_, stride)| stride).or(self.stride.filter(|_| at_end));
        found.map(|_| ())
    }

    fn take(&mut self, rest: &mut &[u8], len: usize) {
        let len = len.min(rest.len());
        *rest = &rest[len..];
        self.offset += len as u64;
    }
}

/// The stride by which at least `wanted` sync bytes follow each other from `at` on.
fn stride_at(bytes: &[u8], at: usize, wanted: usize, at_end: bool) -> Option<usize> {
    STRIDES.into_iter().find(|&stride| run(bytes, at, stride, at_end) >= wanted)
}

/// Packets that follow each other from `at` on, five or ten where it is more; as many where the end comes before that
/// and all up to it were packets.
fn run(bytes: &[u8], at: usize, stride: usize, at_end: bool) -> usize {
    let mut count = 0;
    let mut place = at;
    while count < CERTAIN {
        match bytes.get(place) {
            Some(&SYNC) => count += 1,
            None if at_end && count > 0 => return CERTAIN,
            _ => return count,
        }
        place += stride;
    }
    count
}

/// Whether `head` holds a run of packets of more than one kind; `whole` says that it is the whole file.
pub(super) fn is_transport_stream(head: &[u8], whole: bool) -> bool {
    for at in (0..head.len()).filter(|&at| head[at] == SYNC) {
        for stride in STRIDES {
            let headers = (at..head.len()).step_by(stride).map(|at| &head[at..head.len().min(at + PACKET_LEN)]);
            let mut good = headers.take(CERTAIN).take_while(|bytes| bytes.len() < 4 || is_header(bytes));
            let mut first = None;
            let (mut count, mut alike) = (0, true);
            for bytes in good.by_ref() {
                count += 1;
                let header = bytes.get(..4);
                alike &= *first.get_or_insert(header) == header;
            }
            let to_the_end = whole && count >= 2 && at < stride && at + count * stride >= head.len();
            if !alike && (count >= CERTAIN || to_the_end) {
                return true;
            }
        }
    }
    false
}

/// Sync byte, and adaptation_field_control that isn't reserved.
fn is_header(bytes: &[u8]) -> bool {
    bytes[0] == SYNC && bytes[3] & 0x30 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_apart() {
        let packet = |head: &[u8]| {
            let mut packet = head.to_vec();
            packet.resize(PACKET_LEN, 9);
            packet
        };
        // The bytes; then PID, start, scrambled, counter, discontinuity, random access, clock and bytes of payload.
        type Case<'a> = (&'a [u8], Option<(u16, bool, bool, u8, bool, bool, Option<u64>, Option<usize>)>);
        let cases: &[Case] = &[
            (&[0x47, 0x41, 0x00, 0x1F], Some((0x100, true, false, 15, false, false, None, Some(184)))),
            (&[0x47, 0x1F, 0xFF, 0x90], Some((0x1FFF, false, true, 0, false, false, None, Some(184)))),
            (&[0x47, 0x01, 0x00, 0x20, 183, 0xC0], Some((0x100, false, false, 0, true, true, None, None))),
            (
                &[0x47, 0x01, 0x00, 0x31, 7, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x80, 0],
                Some((0x100, false, false, 1, false, false, Some((1 << 33) - 1), Some(176))),
            ),
            (&[0x47, 0x01, 0x00, 0x30, 0], Some((0x100, false, false, 0, false, false, None, Some(183)))),
            (&[0x47, 0x01, 0x00, 0x30, 184], None),
            (&[0x47, 0x01, 0x00, 0x00], None),
            (&[0x48, 0x01, 0x00, 0x10], None),
        ];
        for (head, expected) in cases {
            let bytes = packet(head);
            let seen = Packet::parse(&bytes).map(|packet| {
                let Packet { pid, starts, scrambled, counter, discontinuity, random_access, clock, payload } = packet;
                (pid, starts, scrambled, counter, discontinuity, random_access, clock, payload.map(<[u8]>::len))
            });
            assert_eq!(seen, *expected, "{head:02x?}");
        }
        assert_eq!(Packet::parse(&[0x47; 187]), None);
    }

    #[test]
    fn sync_bytes_alone_are_no_transport_stream() {
        assert!(!is_transport_stream(&[SYNC; 64 << 10], false));
        assert!(!is_transport_stream(&[], true));
        let packets: Vec<u8> = (0..20).flat_map(|n| [&[SYNC, 1, 0, 0x10 | n & 15][..], &[0; 184]].concat()).collect();
        assert!(is_transport_stream(&packets, false) && is_transport_stream(&packets[100..], false));
        assert!(is_transport_stream(&packets[..3 * PACKET_LEN], true));
        assert!(!is_transport_stream(&packets[..3 * PACKET_LEN], false));
    }
}
