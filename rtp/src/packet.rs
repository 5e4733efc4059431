//! The RTP data packet (RFC 3550 section 5.1): a borrowing view of one received, and the header of one to send.

use crate::clock::RtpTimestamp;
use crate::seq::Sequence;

/// Bytes of the header as we send it: no contributing sources, no extension.
pub const HEADER_LEN: usize = 12;

/// The version in the first two bits of every RTP and RTCP packet.
pub const VERSION: u8 = 2;

/// One RTP packet in somebody's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    /// What it means is the payload format's affair.
    pub marker: bool,
    /// 0..=127.
    pub payload_type: u8,
    /// One more in each packet of a source.
    pub sequence: Sequence,
    /// Sampling instant of the first payload byte.
    pub timestamp: RtpTimestamp,
    /// The source.
    pub ssrc: u32,
    /// What lies between header and payload, where anything does.
    pub extension: Option<Extension<'a>>,
    /// Without padding; may be empty.
    pub payload: &'a [u8],
    csrcs: &'a [u8],
}

/// A header extension (RFC 3550 section 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// "defined by profile": 0xBEDE for RFC 8285's one-byte form.
    pub profile: u16,
    /// A whole number of 32-bit words.
    pub data: &'a [u8],
}

/// Why bytes are no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The packet ends inside `field`.
    #[error("rtp: {len} bytes end inside {field}, which reaches to byte {needed}")]
    Short {
        /// What was being read.
        field: &'static str,
        /// Where it would end, in bytes from the packet's start.
        needed: usize,
        /// Bytes there are.
        len: usize,
    },
    /// Not RTP version 2.
    #[error("rtp: version {0} at bit 0, only 2 is known")]
    Version(u8),
    /// The payload type is one of 64..=95, which on a port shared with RTCP are RTCP's (RFC 5761 section 4).
    #[error("rtp: payload type {0} at byte 1 is an RTCP packet's")]
    Rtcp(u8),
    /// The last byte counts more padding than there is payload, or none at all.
    #[error("rtp: padding of {padding} bytes at the end of a payload of {payload}")]
    Padding {
        /// What the last byte says.
        padding: u8,
        /// Bytes after the header, padding included.
        payload: usize,
    },
}

impl<'a> RtpPacket<'a> {
    /// The packet that fills `bytes` exactly, by the checks of RFC 3550 appendix A.1.
    ///
    /// # Errors
    /// Which field is missing or impossible.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let short = |field, needed| PacketError::Short { field, needed, len: bytes.len() };
        let (header, rest) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(short("the header", HEADER_LEN))?;
        let version = header[0] >> 6;
        if version != VERSION {
            return Err(PacketError::Version(version));
        }
        let payload_type = header[1] & 0x7F;
        if (64..=95).contains(&payload_type) {
            return Err(PacketError::Rtcp(payload_type));
        }
        let csrc_len = usize::from(header[0] & 0x0F) * 4;
        let mut at = HEADER_LEN + csrc_len;
        let (csrcs, mut rest) = rest.split_at_checked(csrc_len).ok_or(short("the contributing sources", at))?;
        let mut extension = None;
        if header[0] & 0x10 != 0 {
            let (head, after) = rest.split_first_chunk::<4>().ok_or(short("the extension's header", at + 4))?;
            let len = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
            at += 4 + len;
            let (data, after) = after.split_at_checked(len).ok_or(short("the extension", at))?;
            extension = Some(Extension { profile: u16::from_be_bytes([head[0], head[1]]), data });
            rest = after;
        }
        if header[0] & 0x20 != 0 {
            let padding = rest.last().copied().unwrap_or(0);
            let bad = PacketError::Padding { padding, payload: rest.len() };
            let keep = rest.len().checked_sub(usize::from(padding)).filter(|_| padding > 0).ok_or(bad)?;
            rest = &rest[..keep];
        }
        let [_, _, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *header;
        Ok(Self {
            marker: header[1] & 0x80 != 0,
            payload_type,
            sequence: Sequence(u16::from_be_bytes([s0, s1])),
            timestamp: RtpTimestamp(u32::from_be_bytes([t0, t1, t2, t3])),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
            extension,
            payload: rest,
            csrcs,
        })
    }

    /// The contributing sources: at most 15, empty but for mixers.
    pub fn csrcs(&self) -> impl Iterator<Item = u32> + 'a {
        self.csrcs.chunks_exact(4).map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
    }
}

/// Appends the header of a packet without contributing sources, extension or padding to `out`.
pub fn write_header(
    out: &mut Vec<u8>,
    payload_type: u8,
    marker: bool,
    sequence: Sequence,
    timestamp: RtpTimestamp,
    ssrc: u32,
) {
    debug_assert!(payload_type < 128);
    let [s0, s1] = sequence.0.to_be_bytes();
    let [t0, t1, t2, t3] = timestamp.0.to_be_bytes();
    let [i0, i1, i2, i3] = ssrc.to_be_bytes();
    let second = u8::from(marker) << 7 | payload_type & 0x7F;
    out.extend_from_slice(&[VERSION << 6, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_lies_around_the_payload_is_cut_off() {
        let head = |first: u8| vec![first, 0x80 | 33, 0, 7, 0, 0, 0, 9, 0, 0, 0, 5];
        let with = |first: u8, tail: &[u8]| [head(first), tail.to_vec()].concat();
        let short = |field, needed, len| Err(PacketError::Short { field, needed, len });
        type Seen<'a> = (Vec<u32>, Option<(u16, &'a [u8])>, &'a [u8]);
        let cases: Vec<(Vec<u8>, Result<Seen, PacketError>)> = vec![
            (with(0x80, b"abc"), Ok((vec![], None, b"abc"))),
            (with(0x80, b""), Ok((vec![], None, b""))),
            (with(0x81, &[0, 0, 1, 0, b'x']), Ok((vec![256], None, b"x"))),
            (with(0x90, &[0xBE, 0xDE, 0, 1, 1, 2, 3, 4, b'x']), Ok((vec![], Some((0xBEDE, &[1, 2, 3, 4])), b"x"))),
            (with(0xA0, &[b'x', 0, 0, 3]), Ok((vec![], None, b"x"))),
            (with(0xA0, &[1]), Ok((vec![], None, b""))),
            (with(0xA0, &[b'x', 0]), Err(PacketError::Padding { padding: 0, payload: 2 })),
            (with(0xA0, &[b'x', 3]), Err(PacketError::Padding { padding: 3, payload: 2 })),
            (with(0xA0, &[]), Err(PacketError::Padding { padding: 0, payload: 0 })),
            (with(0x82, &[0; 7]), short("the contributing sources", 20, 19)),
            (with(0x90, &[0, 0, 0]), short("the extension's header", 16, 15)),
            (with(0x90, &[0, 0, 0, 2, 1, 2, 3]), short("the extension", 24, 19)),
            (with(0x40, b"abc"), Err(PacketError::Version(1))),
            (vec![0x80; 11], short("the header", 12, 11)),
            (vec![0x80, 200 & 0x7F, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Err(PacketError::Rtcp(72))),
        ];
        for (bytes, expected) in cases {
            let seen = RtpPacket::parse(&bytes)
                .map(|p| (p.csrcs().collect::<Vec<_>>(), p.extension.map(|e| (e.profile, e.data)), p.payload));
            assert_eq!(seen, expected, "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn a_written_header_reads_back(pt in 0u8..64, marker: bool, seq: u16, ts: u32, ssrc: u32, payload: Vec<u8>) {
            let mut out = Vec::new();
            write_header(&mut out, pt, marker, Sequence(seq), RtpTimestamp(ts), ssrc);
            prop_assert_eq!(out.len(), HEADER_LEN);
            out.extend_from_slice(&payload);
            let packet = RtpPacket::parse(&out).unwrap();
            prop_assert_eq!((packet.payload_type, packet.marker, packet.ssrc), (pt, marker, ssrc));
            prop_assert_eq!((packet.sequence, packet.timestamp), (Sequence(seq), RtpTimestamp(ts)));
            prop_assert_eq!(packet.payload, &payload[..]);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = RtpPacket::parse(&bytes);
        }
    }
}
