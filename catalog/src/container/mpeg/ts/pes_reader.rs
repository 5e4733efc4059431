//! PES packets of one PID, put together again as far as needed: a header is kept until it is whole, the payload goes on
//! as it comes, so that packets without a length take no memory.

use super::super::pes::{self, PES_FIXED_LEN, PesHeader};

/// `PES_packet_length` and the flags before the length of the header's fields.
const FLAGS_LEN: usize = 3;

/// Where we are in the packets of one PID.
#[derive(Debug, Default)]
pub(super) struct PesReader {
    state: State,
    /// The only `stream_id_extension` that is taken, where several streams come on one PID.
    only: Option<u8>,
    /// Packets whose header is none or says that they are scrambled.
    pub damaged: u64,
    pub scrambled: u64,
}

#[derive(Debug, Default)]
enum State {
    /// Until the next packet begins.
    #[default]
    Waiting,
    /// A header has begun, at most some 300 bytes.
    Header(Vec<u8>),
    Payload,
}

/// What belongs to the elementary stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where a packet's payload begins.
    pub header: Option<PesHeader>,
    /// Bytes at the front of the transport payload that are not of it, and at its end.
    pub skipped: usize,
    pub left: usize,
}

impl PesReader {
    /// Of packets with this `stream_id_extension` alone, if one is told.
    pub fn of(only: Option<u8>) -> Self {
        Self { only, ..Self::default() }
    }

    /// Takes a transport packet's payload.
    pub fn handle(&mut self, payload: &[u8], starts: bool) -> Option<Piece> {
        if starts {
            self.state = State::Header(Vec::new());
        }
        match &mut self.state {
            State::Waiting => None,
            State::Payload => Some(Piece { header: None, skipped: 0, left: 0 }),
            State::Header(begun) => {
                let before = begun.len();
                begun.extend_from_slice(payload);
                let Some(end) = header_end(begun) else {
                    self.state = State::Waiting;
                    self.damaged += 1;
                    return None;
                };
                let head = begun.get(..end)?;
                let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
                let Ok((rest, header)) = pes::pes_header(&head[PES_FIXED_LEN..]) else {
                    self.state = State::Waiting;
                    self.damaged += 1;
                    return None;
                };
                if head[PES_FIXED_LEN] & 0xF0 > 0x80 {
                    self.state = State::Waiting;
                    self.scrambled += 1;
                    return None;
                }
                if self.only.is_some() && self.only != header.extension {
                    self.state = State::Waiting;
                    return None;
                }
                let skipped = end - rest.len() - before.min(end);
                // A packet that ends where it begins has stuffing after it; any other length that ends too early is a
                // lie about data that goes on.
                let left = match PES_FIXED_LEN + length {
                    PES_FIXED_LEN => 0,
                    whole => begun.len().saturating_sub(whole).min(payload.len() - skipped),
                };
                self.state = State::Payload;
                Some(Piece { header: Some(header), skipped, left })
            }
        }
    }
}

/// Where the header ends that `bytes` begin with, which may be after them; `None` for no packet of media.
fn header_end(bytes: &[u8]) -> Option<usize> {
    let prefix = bytes.iter().zip([0, 0, 1]).all(|(byte, wanted)| *byte == wanted);
    // Maps, padding and the like have no header and can be no track.
    let media = bytes.get(3).is_none_or(|id| matches!(id, 0xBD | 0xC0..=0xEF | 0xFA..=0xFE));
    if !prefix || !media {
        return None;
    }
    match bytes.get(PES_FIXED_LEN) {
        Some(first) if first & 0xC0 != 0x80 => None,
        _ => {
            let fields = bytes.get(PES_FIXED_LEN + FLAGS_LEN - 1).copied().unwrap_or(0);
            Some(PES_FIXED_LEN + FLAGS_LEN + usize::from(fields))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(stream: u8, length: u16, flags: u8, fields: &[u8], payload: &[u8]) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let head = [0, 0, 1, stream, high, low, flags, if fields.is_empty() { 0 } else { 0x80 }, fields.len() as u8];
        [&head[..], fields, payload].concat()
    }

    /// The payload and time that come out of `parts`, each of a transport packet, of which the first starts.
    fn check(name: &str, parts: &[&[u8]], payload: &[u8], pts: Option<u64>, trouble: (u64, u64)) {
        let (mut reader, mut seen, mut time) = (PesReader::default(), Vec::new(), None);
        for (index, part) in parts.iter().enumerate() {
            if let Some(piece) = reader.handle(part, index == 0) {
                seen.extend(&part[piece.skipped..part.len() - piece.left]);
                time = time.or(piece.header.and_then(|header| header.pts));
            }
        }
        let trouble_seen = (reader.damaged, reader.scrambled);
        assert_eq!((seen, time, trouble_seen), (payload.to_vec(), pts, trouble), "{name}");
    }

    #[test]
    fn packets_are_put_together() {
        let pts = [0x21, 0, 1, 0, 3];
        let whole = packet(0xE0, 0, 0x80, &pts, &[7, 8, 9]);
        for at in 1..whole.len() {
            check("cut anywhere", &[&whole[..at], &whole[at..]], &[7, 8, 9], Some(1), (0, 0));
            let (head, tail) = whole.split_at(at / 2);
            let parts = [head, &tail[..at - at / 2], &tail[at - at / 2..], &[1]];
            check("cut twice", &parts, &[7, 8, 9, 1], Some(1), (0, 0));
        }
        let length = (whole.len() - PES_FIXED_LEN) as u16;
        check(
            "stuffing after it",
            &[&packet(0xC0, length, 0x80, &pts, &[7, 8, 9, 255, 255])],
            &[7, 8, 9],
            Some(1),
            (0, 0),
        );
        let lie = packet(0xC0, length, 0x80, &pts, &[7, 8]);
        check("too small a length", &[&lie, &[1, 2, 3]], &[7, 8, 1, 2, 3], Some(1), (0, 0));
        check("private", &[&packet(0xBD, 0, 0x80, &[], &[5])], &[5], None, (0, 0));
        check("scrambled", &[&packet(0xE0, 0, 0x90, &[], &[5]), &[6]], &[], None, (0, 1));
        check("no start code", &[&[9; 50], &[6]], &[], None, (1, 0));
        let mut reader = PesReader { only: Some(0x76), ..PesReader::default() };
        let of = |id: u8| [&[0, 0, 1, 0xFD, 0, 0, 0x80, 1, 3, 1, 0x81, id][..], &[7]].concat();
        assert_eq!((reader.handle(&of(0x72), true), reader.handle(&[1], false)), (None, None));
        assert!(reader.handle(&of(0x76), true).is_some() && reader.damaged == 0);
        check("padding", &[&packet(0xBE, 0, 0x80, &[], &[5]), &[6]], &[], None, (1, 0));
    }
}
