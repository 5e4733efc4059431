//! Finds the packets of a program stream in its bytes, over junk, cut packets and lengths that lie.

use super::pes::{self, PACK, PADDING, PES_FIXED_LEN, PROGRAM_END, PesHeader, START_CODE_LEN, SYSTEM_HEADER};
use rtp::codec::start_code;

/// What comes next in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A pack begins; its system clock reference in 90 kHz.
    Clock(u64),
    /// A packet of an elementary stream, or a further part of one.
    Payload { stream: u8, header: PesHeader, bytes: &'a [u8] },
    /// Bytes that belong to no packet were passed over.
    Junk { offset: u64, len: u64 },
}

/// Where we are in a program stream.
///
/// Give [`Packets::next`] the bytes from that place on; it takes what it used from their front. 64 KiB and some are
/// always enough for it to go on.
#[derive(Debug, Default)]
pub(super) struct Packets {
    /// Bytes of the stream used so far.
    offset: u64,
    /// The stream of a packet that doesn't say its length: it goes on to the next start code of the system layer.
    open: Option<u8>,
    /// Bytes passed over in this place and where they began.
    junk: Option<(u64, u64)>,
}

impl Packets {
    /// The next item; `None` where it needs more bytes than `rest` has. With `at_end` nothing follows `rest`, and all
    /// of it is used up before it says `None`.
    pub fn next<'a>(&mut self, rest: &mut &'a [u8], at_end: bool) -> Option<Item<'a>> {
        loop {
            if let Some(stream) = self.open {
                let bytes = self.open_payload(rest, at_end)?;
                if bytes.is_empty() {
                    continue;
                }
                return Some(Item::Payload { stream, header: PesHeader::default(), bytes });
            }
            let code = self.find_code(rest, at_end)?;
            let known = match code {
                PROGRAM_END => Step::Nothing(START_CODE_LEN),
                PACK => pack(rest, at_end)?,
                _ => packet(code, rest, at_end)?,
            };
            if !matches!(known, Step::Junk)
                && let Some((offset, len)) = self.junk.take()
            {
                return Some(Item::Junk { offset, len });
            }
            match known {
                Step::Nothing(len) => self.take(rest, len),
                // The prefix alone is passed over: what looked like the code may be part of a real one.
                Step::Junk => {
                    let prefix = start_code::PREFIX.len();
                    self.add_junk(prefix);
                    self.take(rest, prefix)
                }
                Step::Clock(len, clock) => {
                    self.take(rest, len);
                    return Some(Item::Clock(clock));
                }
                Step::Payload { len, header, payload, open } => {
                    self.take(rest, len);
                    self.open = open.then_some(code);
                    return Some(Item::Payload { stream: code, header, bytes: payload });
                }
            }
        }
    }

    /// Goes to the next start code of the system layer and says which; zeros before it are stuffing, all else is junk.
    fn find_code(&mut self, rest: &mut &[u8], at_end: bool) -> Option<u8> {
        let found = find_system_code(rest);
        let skip = match found {
            Some(at) => at,
            None if at_end => rest.len(),
            None => rest.len().saturating_sub(START_CODE_LEN - 1),
        };
        if rest[..skip].iter().any(|byte| *byte != 0) {
            self.add_junk(skip);
        }
        self.take(rest, skip);
        found.and_then(|_| rest.get(START_CODE_LEN - 1).copied())
    }

    /// The payload of a packet without length up to the next start code, or as far as is certain.
    fn open_payload<'a>(&mut self, rest: &mut &'a [u8], at_end: bool) -> Option<&'a [u8]> {
        let len = match find_system_code(rest) {
            Some(at) => {
                self.open = None;
                at
            }
            None if at_end => rest.len(),
            None => rest.len().saturating_sub(START_CODE_LEN - 1),
        };
        if len == 0 && self.open.is_some() {
            return None;
        }
        let bytes = &rest[..len];
        self.take(rest, len);
        Some(bytes)
    }

    fn add_junk(&mut self, len: usize) {
        let (_, sum) = self.junk.get_or_insert((self.offset, 0));
        *sum += len as u64;
    }

    fn take(&mut self, rest: &mut &[u8], len: usize) {
        let len = len.min(rest.len());
        *rest = &rest[len..];
        self.offset += len as u64;
    }

    /// Junk with which the stream ended.
    pub fn last_junk(&mut self) -> Option<(u64, u64)> {
        self.junk.take()
    }
}

/// What a start code turned out to begin, with the bytes that it takes.
enum Step<'a> {
    Nothing(usize),
    Junk,
    Clock(usize, u64),
    Payload { len: usize, header: PesHeader, payload: &'a [u8], open: bool },
}

fn pack<'a>(rest: &'a [u8], at_end: bool) -> Option<Step<'a>> {
    if rest.len() < START_CODE_LEN + pes::MAX_PACK_LEN && !at_end {
        return None;
    }
    Some(match pes::pack(&rest[START_CODE_LEN..]) {
        Ok((after, clock)) => Step::Clock(rest.len() - after.len(), clock),
        Err(_) => Step::Junk,
    })
}

fn packet<'a>(code: u8, rest: &'a [u8], at_end: bool) -> Option<Step<'a>> {
    let Some(length) = rest.get(START_CODE_LEN..PES_FIXED_LEN) else {
        return at_end.then_some(Step::Nothing(rest.len()));
    };
    let length = usize::from(length[0]) << 8 | usize::from(length[1]);
    let is_media = matches!(code, 0xC0..=0xEF);
    if length == 0 {
        if !is_media {
            return Some(Step::Nothing(PES_FIXED_LEN));
        }
        return open_packet(rest, at_end);
    }
    let end = PES_FIXED_LEN + length;
    if rest.len() < end + START_CODE_LEN && !at_end {
        return None;
    }
    let body = &rest[PES_FIXED_LEN..end.min(rest.len())];
    let (payload, header) = match pes::pes_header(body) {
        Ok(parsed) if is_media || code == pes::PRIVATE_1 => parsed,
        // A media packet without a header holds nothing to trust. Said before any search in it: each such packet costs
        // only the bytes of its start code.
        _ if is_media => return Some(Step::Junk),
        _ => (body, PesHeader::default()),
    };
    let header_end = end.min(rest.len()) - payload.len();
    let end = if ends_well(rest, end) { end } else { first_pack_inside(rest, header_end, end).unwrap_or(end) };
    let end = end.min(rest.len());
    let payload = &rest[header_end.min(end)..end];
    if matches!(code, SYSTEM_HEADER | PADDING) {
        return Some(Step::Nothing(end));
    }
    Some(Step::Payload { len: end, header, payload, open: false })
}

/// A packet of length zero: allowed for video in transport streams, found in others.
fn open_packet<'a>(rest: &'a [u8], at_end: bool) -> Option<Step<'a>> {
    if rest.len() < PES_FIXED_LEN + pes::MAX_PES_HEADER_LEN && !at_end {
        return None;
    }
    Some(match pes::pes_header(&rest[PES_FIXED_LEN..]) {
        Ok((payload, header)) => {
            Step::Payload { len: rest.len() - payload.len(), header, payload: &payload[..0], open: true }
        }
        Err(_) => Step::Junk,
    })
}

/// Whether a packet that ends at `end` is followed by a start code, by zeros or by nothing.
fn ends_well(rest: &[u8], end: usize) -> bool {
    match rest.get(end..) {
        None => false,
        Some(after) => after.iter().take(3).zip([0, 0, 1]).all(|(byte, wanted)| *byte == wanted || *byte == 0),
    }
}

/// A pack that begins before a packet's alleged end: no elementary stream may hold the start code of one.
fn first_pack_inside(rest: &[u8], header_end: usize, end: usize) -> Option<usize> {
    let body = &rest[..end.min(rest.len())];
    let mut from = header_end;
    while let Some(at) = start_code::find(body, from) {
        let after = at + START_CODE_LEN;
        if body.get(after - 1) == Some(&PACK) && pes::pack(&rest[after..]).is_ok() {
            return Some(at);
        }
        from = at + 3;
    }
    None
}

/// Where the first start code of the system layer lies.
fn find_system_code(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = start_code::find(bytes, from) {
        if *bytes.get(at + 3)? >= PROGRAM_END {
            return Some(at);
        }
        from = at + 3;
    }
    None
}

/// How many packs and packets follow each other without a gap from the start of `bytes`, and whether they reach its
/// end; for telling a program stream by its content.
pub(super) fn chain(bytes: &[u8]) -> (usize, bool) {
    let (mut count, mut rest) = (0, bytes);
    loop {
        let code = match rest {
            [] => return (count, true),
            [0, 0, 1, code, ..] if *code >= PROGRAM_END => *code,
            [0, 0, 1] | [0, 0] | [0] => return (count, true),
            // Stuffing between packs.
            [0, after @ ..] if count > 0 => {
                rest = after;
                continue;
            }
            _ => return (count, false),
        };
        let len = match code {
            PROGRAM_END => START_CODE_LEN,
            PACK => match pes::pack(&rest[START_CODE_LEN..]) {
                Ok((after, _)) => rest.len() - after.len(),
                Err(_) => return (count, rest.len() < START_CODE_LEN + pes::MAX_PACK_LEN),
            },
            _ => match rest.get(START_CODE_LEN..PES_FIXED_LEN) {
                Some([0, 0]) | None => return (count, false),
                Some(length) => PES_FIXED_LEN + (usize::from(length[0]) << 8 | usize::from(length[1])),
            },
        };
        count += 1;
        let Some(after) = rest.get(len..) else { return (count, true) };
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACK_1: [u8; 12] = [0, 0, 1, 0xBA, 0x21, 0, 1, 0, 0x21, 0x80, 0x1B, 0x91];
    const SYSTEM: [u8; 9] = [0, 0, 1, 0xBB, 0, 3, 1, 2, 3];
    const END: [u8; 4] = [0, 0, 1, PROGRAM_END];

    fn pes(stream: u8, length: usize, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0, 0, 1, stream, (length >> 8) as u8, length as u8, 0x0F];
        packet.extend(payload);
        packet
    }

    fn honest(stream: u8, payload: &[u8]) -> Vec<u8> {
        pes(stream, payload.len() + 1, payload)
    }

    /// The payloads of each run of one stream, and the junk, from `parts` in pieces of any size.
    fn check(name: &str, parts: &[&[u8]], expected: &[(u8, &[u8])], junk: u64) {
        let bytes = parts.concat();
        for piece in [1, 5, 64, bytes.len()] {
            let (mut packets, mut start, mut end) = (Packets::default(), 0, 0);
            let (mut seen, mut junk_seen) = (Vec::<(u8, Vec<u8>)>::new(), 0);
            while start < bytes.len() {
                end = (end + piece).min(bytes.len());
                let mut rest = &bytes[start..end];
                while let Some(item) = packets.next(&mut rest, end == bytes.len()) {
                    match item {
                        Item::Clock(_) => {}
                        Item::Junk { len, .. } => junk_seen += len,
                        Item::Payload { stream, bytes, .. } => match seen.last_mut() {
                            Some((last, payload)) if *last == stream => payload.extend(bytes),
                            _ => seen.push((stream, bytes.to_vec())),
                        },
                    }
                }
                start = end - rest.len();
            }
            junk_seen += packets.last_junk().map_or(0, |(_, len)| len);
            let expected: Vec<_> = expected.iter().map(|(stream, payload)| (*stream, payload.to_vec())).collect();
            assert_eq!((seen, junk_seen), (expected, junk), "{name} by {piece}");
        }
    }

    #[test]
    fn packets_are_found() {
        let (video, audio) = (honest(0xE0, &[1; 50]), honest(0xC0, &[2; 30]));
        let padding = honest(PADDING, &[0xFF; 20]);
        let both: &[(u8, &[u8])] = &[(0xE0, &[1; 50]), (0xC0, &[2; 30])];
        check("plain", &[&PACK_1, &SYSTEM, &video, &padding, &PACK_1, &audio, &END], both, 0);
        check("zeros between", &[&PACK_1, &video, &[0; 300], &PACK_1, &audio], both, 0);
        check("end code between", &[&PACK_1, &video, &END, &PACK_1, &audio], both, 0);
        check("no packs", &[&video, &audio], both, 0);
        check("junk", &[&[7; 100], &PACK_1, &video, &[8; 50], &PACK_1, &audio, &[9; 3]], both, 153);
        check("no length", &[&PACK_1, &pes(0xE0, 0, &[1; 50]), &PACK_1, &audio], both, 0);
        check("too great a length", &[&PACK_1, &pes(0xE0, 9000, &[1; 50]), &PACK_1, &audio], both, 0);
        check(
            "too small a length",
            &[&PACK_1, &pes(0xE0, 41, &[1; 50]), &PACK_1, &audio],
            &[(0xE0, &[1; 40]), both[1]],
            10,
        );
        check("cut in the payload", &[&PACK_1, &video, &audio[..17]], &[both[0], (0xC0, &[2; 10])], 0);
        check("cut in the header", &[&PACK_1, &video, &audio[..5]], &[both[0]], 0);
        check("cut in the pack", &[&PACK_1, &video, &PACK_1[..7]], &[both[0]], 7);
        check("a header that is none", &[&PACK_1, &[0, 0, 1, 0xE0, 0, 3, 1, 1, 1], &audio], &[both[1]], 9);
        check("private data", &[&PACK_1, &[0, 0, 1, 0xBF, 0, 2, 5, 6], &audio], &[(0xBF, &[5, 6]), both[1]], 0);
    }

    #[test]
    fn a_chain_ends_at_the_first_gap() {
        let (video, audio) = (honest(0xE0, &[1; 50]), honest(0xC0, &[2; 30]));
        let cases: &[(&str, Vec<u8>, (usize, bool))] = &[
            ("whole", [&PACK_1[..], &SYSTEM, &video, &audio, &END].concat(), (5, true)),
            ("cut", [&PACK_1[..], &video[..20]].concat(), (2, true)),
            ("junk", [&PACK_1[..], &video, &[7; 9]].concat(), (2, false)),
            ("video alone", vec![0, 0, 1, 0xB3, 0, 0], (0, false)),
            ("zeros before", [&[0; 9][..], &PACK_1].concat(), (0, false)),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(chain(bytes), *expected, "{name}");
        }
    }
}
