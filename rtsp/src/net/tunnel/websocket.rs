//! RTSP over WebSocket (RFC 6455) with the sub-protocol that ONVIF's streaming specification names: each side's bytes in
//! binary frames, which need not keep to messages' borders.

use super::http::Head;
use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// What is spoken within.
pub const PROTOCOL: &str = "rtsp.onvif.org";

/// RFC 6455 section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const MAX_CONTROL: u64 = 125;

/// The answer that turns the connection into a WebSocket; `None`: this is no good request for one.
pub fn accept(head: &Head) -> Option<Vec<u8>> {
    let key = head.get("sec-websocket-key").filter(|key| key.len() == 24)?;
    let asked = head.has("upgrade", "websocket") && head.has("connection", "upgrade");
    if !asked || head.get("sec-websocket-version") != Some("13") || !head.has("sec-websocket-protocol", PROTOCOL) {
        return None;
    }
    let proof = STANDARD.encode(Sha1::digest(format!("{key}{GUID}")));
    let text = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {proof}\r\nSec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n"
    );
    Some(text.into_bytes())
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bytes of RTSP.
    Data(Vec<u8>),
    /// To be sent back, as [`pong`].
    Ping(Vec<u8>),
    /// The viewer ends it, or has broken the rules.
    Close,
}

/// Takes a viewer's frames apart. Holds a frame's header or a control frame at most, beside what was given last.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that have been taken. They go when more come: ten thousand small frames in one read would else
    /// each move all behind it.
    taken: usize,
    /// Of the data frame that has begun: bytes to come, mask, and how far in it that is.
    data: Option<(u64, [u8; 4], usize)>,
}

impl Frames {
    /// Takes what was read.
    pub fn handle(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next of it; `None`: more must be read.
    pub fn poll(&mut self) -> Option<Event> {
        loop {
            if let Some((left, mask, at)) = self.data {
                let count = self.rest().len().min(usize::try_from(left).unwrap_or(usize::MAX));
                if left > 0 && count == 0 {
                    return None;
                }
                let data = unmask(self.take(count), mask, at);
                let rest = left - count as u64;
                self.data = (rest > 0).then_some((rest, mask, (at + count) % 4));
                if !data.is_empty() {
                    return Some(Event::Data(data));
                }
                continue;
            }
            let (header, opcode, length, mask) = self.header()?;
            match opcode {
                // A continuation, text or binary: bytes are bytes.
                0..=2 => {
                    self.take(header);
                    self.data = Some((length, mask, 0));
                }
                8..=10 if length <= MAX_CONTROL => {
                    let end = header + length as usize;
                    if self.rest().len() < end {
                        return None;
                    }
                    let payload = unmask(self.take(end).get(header..).unwrap_or_default(), mask, 0);
                    match opcode {
                        9 => return Some(Event::Ping(payload)),
                        8 => return Some(Event::Close),
                        _ => {}
                    }
                }
                _ => return Some(Event::Close),
            }
        }
    }

    /// Length of the header, opcode, length of the payload and mask; what is not masked (5.1) or extended is closed.
    fn header(&self) -> Option<(usize, u8, u64, [u8; 4])> {
        const BROKEN: u8 = 15;
        let rest = self.rest();
        let &[first, second] = rest.first_chunk()?;
        if first & 0x70 != 0 || second & 0x80 == 0 {
            return Some((0, BROKEN, 0, [0; 4]));
        }
        let (at, length) = match second & 0x7f {
            126 => (4, u64::from(u16::from_be_bytes(*rest.get(2..)?.first_chunk()?))),
            127 => (10, u64::from_be_bytes(*rest.get(2..)?.first_chunk()?)),
            length => (2, u64::from(length)),
        };
        let mask = *rest.get(at..)?.first_chunk()?;
        Some((at + 4, first & 0x0f, length, mask))
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    /// The next `count` bytes, which are there.
    fn take(&mut self, count: usize) -> &[u8] {
        let from = self.taken;
        self.taken = (from + count).min(self.buffer.len());
        self.buffer.get(from..self.taken).unwrap_or_default()
    }
}

fn unmask(bytes: &[u8], mask: [u8; 4], at: usize) -> Vec<u8> {
    bytes.iter().zip(mask.into_iter().cycle().skip(at)).map(|(byte, mask)| byte ^ mask).collect()
}

/// A binary frame of ours: servers do not mask.
pub fn frame(payload: &[u8]) -> Vec<u8> {
    with_header(0x82, payload)
}

/// The answer to a ping.
pub fn pong(payload: &[u8]) -> Vec<u8> {
    with_header(0x8a, payload)
}

/// The last frame.
pub fn close() -> Vec<u8> {
    with_header(0x88, &[])
}

fn with_header(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length), _) if length < 126 => frame.push(length),
        (_, Ok(length)) => {
            frame.push(126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A viewer's frame.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = with_header(first, payload);
        let header = frame.len() - payload.len();
        frame[1] |= 0x80;
        let mask = [1, 2, 3, 4];
        for (at, byte) in frame[header..].iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
        frame.splice(header..header, mask);
        frame
    }

    #[test]
    fn frames_come_apart_however_they_are_cut() {
        let (small, large) = (b"OPTIONS * RTSP/1.0\r\n".to_vec(), vec![7; 70_000]);
        let all =
            [masked(0x82, &small), masked(0x89, b"hi"), masked(0x02, &[]), masked(0x80, &large), masked(0x88, &[])];
        for size in [1, 3, 1000, 1 << 20] {
            let (mut frames, mut data, mut pings, mut closed) = (Frames::default(), Vec::new(), 0, false);
            for chunk in all.concat().chunks(size) {
                frames.handle(chunk);
                while let Some(event) = frames.poll() {
                    match event {
                        Event::Data(bytes) => data.extend(bytes),
                        Event::Ping(payload) => pings += usize::from(payload == b"hi"),
                        Event::Close => {
                            closed = true;
                            break;
                        }
                    }
                }
            }
            assert_eq!((data.len(), pings, closed), (small.len() + large.len(), 1, true), "in pieces of {size}");
            assert!(data.starts_with(&small));
        }
    }

    #[test]
    fn broken_rules_close() {
        for bytes in [b"\x82\x01x".to_vec(), masked(0xc2, b"x"), masked(0x83, b"x"), masked(0x89, &[0; 126])] {
            let mut frames = Frames::default();
            frames.handle(&bytes);
            assert_eq!(frames.poll(), Some(Event::Close), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn the_handshake_is_that_of_the_rfc() {
        let text = b"GET /film HTTP/1.1\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: rtsp.onvif.org\r\n\r\n";
        let (head, _) = super::super::http::read_head(&mut &text[..], Vec::new()).await.unwrap().expect("a head");
        let answer = String::from_utf8(accept(&head).expect("accepted")).unwrap();
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
        let other = String::from_utf8_lossy(text).replace("rtsp.onvif.org", "chat");
        let (head, _) =
            super::super::http::read_head(&mut other.as_bytes(), Vec::new()).await.unwrap().expect("a head");
        assert_eq!(accept(&head), None);
    }
}
