//! Data packets with one payload each (ASF Specification section 5.2).
//!
//! Of the many ways to write one, this is what ffmpeg, VLC and GStreamer all read: in the form for several payloads
//! though there is one, without padding but with a padding length of 0, and with its own length.

use super::{MAX_PACKET, PREROLL_MS};

/// Bytes of a packet before its payload's.
pub const OVERHEAD: usize = 33;

/// Error correction data of two bytes, nothing in it.
const START: [u8; 3] = [0x82, 0, 0];
/// Several payloads; padding length and packet length of 16 bits.
const LENGTHS: u8 = 0x51;
/// Replicated data length, object number and stream number of 8 bits, offset of 32.
const PROPERTIES: u8 = 0x5d;
/// One payload, its length of 16 bits.
const PAYLOADS: u8 = 0x81;
const KEY_FRAME: u8 = 0x80;
/// Bytes of replicated data: the object's size and its presentation time.
const REPLICATED: u8 = 8;
/// Where the times lie.
const SEND_TIME: usize = 9;
const PRESENTATION_TIME: usize = 27;

/// A media object on its way into packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaObject<'a> {
    /// 1 to 127.
    pub stream: u8,
    /// Each object of a stream has the next one.
    pub number: u8,
    /// When it is shown or heard, milliseconds on the presentation's timeline; at most [`PREROLL_MS`] before zero.
    pub time_ms: i64,
    /// Decoding may begin here.
    pub sync: bool,
    /// Its bytes.
    pub data: &'a [u8],
}

/// Appends `object` to `out` as packets of at most [`MAX_PACKET`] bytes, about as long as each other.
///
/// Times that no field can hold become the next that it can.
pub fn write(object: &MediaObject<'_>, out: &mut Vec<u8>) {
    let clamp = |time: i64| u32::try_from(time.clamp(0, i64::from(u32::MAX))).unwrap_or(u32::MAX);
    let send = clamp(object.time_ms);
    let presentation = clamp(object.time_ms.saturating_add(i64::from(PREROLL_MS)));
    let size = u32::try_from(object.data.len()).unwrap_or(u32::MAX);
    let packets = object.data.len().div_ceil(MAX_PACKET - OVERHEAD).max(1);
    let step = object.data.len().div_ceil(packets).max(1);
    let mut offset = 0u32;
    for part in object.data.chunks(step) {
        // At most MAX_PACKET, which fits.
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
        let whole = length.saturating_add(OVERHEAD as u16);
        out.extend_from_slice(&START);
        out.extend_from_slice(&[LENGTHS, PROPERTIES]);
        out.extend_from_slice(&whole.to_le_bytes());
        out.extend_from_slice(&0u16.to_le_bytes());
        out.extend_from_slice(&send.to_le_bytes());
        out.extend_from_slice(&0u16.to_le_bytes());
        out.push(PAYLOADS);
        out.push(object.stream & 0x7f | if object.sync { KEY_FRAME } else { 0 });
        out.push(object.number);
        out.extend_from_slice(&offset.to_le_bytes());
        out.push(REPLICATED);
        out.extend_from_slice(&size.to_le_bytes());
        out.extend_from_slice(&presentation.to_le_bytes());
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(part);
        offset = offset.saturating_add(u32::from(length));
    }
}

/// The header of a packet that [`write()`] has made, as if its object were shown at `time_ms`.
pub(crate) fn header_at(packet: &[u8], time_ms: u32) -> Option<[u8; OVERHEAD]> {
    let mut header = *packet.first_chunk()?;
    header[SEND_TIME..SEND_TIME + 4].copy_from_slice(&time_ms.to_le_bytes());
    header[PRESENTATION_TIME..PRESENTATION_TIME + 4].copy_from_slice(&time_ms.saturating_add(PREROLL_MS).to_le_bytes());
    Some(header)
}

/// A packet as [`write()`] lays it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// 1 to 127.
    pub stream: u8,
    /// Decoding may begin with its object.
    pub sync: bool,
    /// Where in its object the payload lies.
    pub offset: u32,
    /// Bytes of the whole object.
    pub object_size: u32,
    /// With the preroll in it, milliseconds.
    pub presentation_ms: u32,
    /// The object's bytes from `offset` on.
    pub payload: &'a [u8],
    /// Bytes of the packet.
    pub length: usize,
}

impl<'a> Parsed<'a> {
    /// The packet that `bytes` begin with.
    ///
    /// # Errors
    /// Where it is none of those that [`write()`] makes, and what was expected there.
    pub fn read(bytes: &'a [u8]) -> Result<Self, (usize, &'static str)> {
        let head: &[u8; OVERHEAD] = bytes.first_chunk().ok_or((bytes.len(), "an ASF packet's header"))?;
        let long = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let short = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
        if head[..3] != START {
            return Err((0, "error correction data of two bytes"));
        }
        if head[3..5] != [LENGTHS, PROPERTIES] || head[15] != PAYLOADS || head[22] != REPLICATED {
            return Err((3, "one payload in the form for several"));
        }
        let length = short(5);
        if length < OVERHEAD || bytes.len() < length || short(31) != length - OVERHEAD {
            return Err((5, "the packet's length"));
        }
        let (offset, object_size) = (long(18), long(23));
        let payload = &bytes[OVERHEAD..length];
        if u64::from(offset) + payload.len() as u64 > u64::from(object_size) {
            return Err((18, "a payload inside its object"));
        }
        Ok(Self {
            stream: head[16] & 0x7f,
            sync: head[16] & KEY_FRAME != 0,
            offset,
            object_size,
            presentation_ms: long(PRESENTATION_TIME),
            payload,
            length,
        })
    }

    /// Whether the object ends with this packet.
    pub fn is_last(&self) -> bool {
        u64::from(self.offset) + self.payload.len() as u64 == u64::from(self.object_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_comes_back_from_its_packets() {
        let room = MAX_PACKET - OVERHEAD;
        let cases: &[(usize, i64, usize, u32)] = &[
            (1, 0, 1, 0),
            (room, 40, 1, 40),
            (room + 1, -100, 2, 0),
            (10 * room, 700, 10, 700),
            (100_000, i64::MAX, 19, u32::MAX),
        ];
        for &(size, time_ms, packets, presentation) in cases {
            let data: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let mut out = Vec::new();
            write(&MediaObject { stream: 5, number: 9, time_ms, sync: size == 1, data: &data }, &mut out);
            let (mut rest, mut back, mut count) = (&out[..], Vec::new(), 0);
            while !rest.is_empty() {
                let packet = Parsed::read(rest).unwrap();
                assert!(packet.length <= MAX_PACKET && packet.offset as usize == back.len());
                assert_eq!((packet.stream, packet.sync, packet.presentation_ms), (5, size == 1, presentation));
                back.extend_from_slice(packet.payload);
                rest = &rest[packet.length..];
                assert_eq!(packet.is_last(), rest.is_empty());
                count += 1;
            }
            assert_eq!((back, count), (data, packets), "{size} bytes");
        }
    }

    #[test]
    fn what_is_no_such_packet_is_told_where() {
        let mut good = Vec::new();
        write(&MediaObject { stream: 1, number: 0, time_ms: 0, sync: true, data: b"abc" }, &mut good);
        let cases: &[(usize, u8, usize)] = &[(0, 0x80, 0), (3, 0x41, 3), (15, 0x82, 3), (5, 200, 5), (18, 1, 18)];
        for &(at, byte, expected) in cases {
            let mut bytes = good.clone();
            bytes[at] = byte;
            assert_eq!(Parsed::read(&bytes).map_err(|(at, _)| at), Err(expected), "byte {at}");
        }
        for length in 0..good.len() {
            assert!(Parsed::read(&good[..length]).is_err(), "{length} bytes");
        }
    }
}
