//! RTP and RTCP packets, read by the suite's own parser and then by other people's, who must agree.

use std::time::Instant;
use webrtc_util::marshal::Unmarshal;

/// An RTP packet (RFC 3550 5.1).
#[derive(Clone, Debug)]
pub struct Rtp {
    /// P bit.
    pub padding: bool,
    /// Profile of the header extension, where there is one.
    pub extension: Option<u16>,
    /// Contributing sources.
    pub csrcs: usize,
    /// M bit.
    pub marker: bool,
    /// PT.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Synchronization source.
    pub ssrc: u32,
    /// Without header, extension and padding.
    pub payload: Vec<u8>,
    /// When it came.
    pub at: Instant,
}

/// One packet of a compound RTCP packet (RFC 3550 6).
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// SR.
    Sender(Report),
    /// RR: its sender, and the sources that it reports on.
    Receiver(u32, Vec<u32>),
    /// SDES: source, item type, text.
    Description(Vec<(u32, u8, String)>),
    /// BYE: its sources.
    Bye(Vec<u32>),
    /// Anything else: packet type.
    Other(u8),
}

/// The sender's part of an SR (RFC 3550 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// Whose it is.
    pub ssrc: u32,
    /// NTP timestamp, 32.32.
    pub ntp: u64,
    /// RTP timestamp of the same instant.
    pub rtp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload octets sent.
    pub octets: u32,
}

impl Rtp {
    /// Reads one; the error says what is inconsistent.
    pub fn read(bytes: &[u8], at: Instant) -> Result<Self, String> {
        let word = |from: usize| -> Result<u32, String> {
            let four = bytes.get(from..from + 4).and_then(|part| part.try_into().ok());
            four.map(u32::from_be_bytes).ok_or_else(|| format!("RTP packet of {} bytes ends at {from}", bytes.len()))
        };
        let (first, timestamp, ssrc) = (word(0)?, word(4)?, word(8)?);
        if first >> 30 != 2 {
            return Err(format!("RTP version {}", first >> 30));
        }
        let csrcs = (first >> 24 & 0xf) as usize;
        let mut start = 12 + 4 * csrcs;
        let extension = if first & 0x1000_0000 != 0 {
            let head = word(start)?;
            start += 4 + 4 * (head & 0xffff) as usize;
            Some((head >> 16) as u16)
        } else {
            None
        };
        let padding = first & 0x2000_0000 != 0;
        let pad = if padding { usize::from(*bytes.last().unwrap_or(&0)) } else { 0 };
        let end = bytes.len().checked_sub(pad).filter(|_| !padding || pad > 0);
        let payload = end.and_then(|end| bytes.get(start..end));
        let payload =
            payload.ok_or_else(|| format!("header of {start} bytes and padding of {pad} in {}", bytes.len()))?;
        let rtp = Self {
            padding,
            extension,
            csrcs,
            marker: first & 0x80_0000 != 0,
            payload_type: (first >> 16 & 0x7f) as u8,
            sequence: (first & 0xffff) as u16,
            timestamp,
            ssrc,
            payload: payload.to_vec(),
            at,
        };
        rtp.second_opinion(bytes)?;
        Ok(rtp)
    }

    fn second_opinion(&self, bytes: &[u8]) -> Result<(), String> {
        let other = webrtc_rtp::packet::Packet::unmarshal(&mut &*bytes);
        let other = other.map_err(|error| format!("a second parser refuses the RTP packet: {error}"))?;
        let header = other.header;
        let theirs = (header.marker, header.payload_type, header.sequence_number, header.timestamp, header.ssrc);
        let ours = (self.marker, self.payload_type, self.sequence, self.timestamp, self.ssrc);
        if theirs != ours || other.payload != self.payload {
            return Err(format!("two parsers read the RTP packet differently: {ours:?}, {theirs:?}"));
        }
        Ok(())
    }
}

/// Reads a compound packet (RFC 3550 6.1); the error says which of its rules is broken.
pub fn compound(bytes: &[u8]) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some(&[first, kind, high, low]) = rest.first_chunk() else {
            return Err(format!("{} bytes are left over", rest.len()));
        };
        if first >> 6 != 2 {
            return Err(format!("RTCP version {} in packet {}", first >> 6, blocks.len() + 1));
        }
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        let Some((packet, after)) = rest.split_at_checked(length) else {
            return Err(format!("packet {} says {length} bytes, {} are left", blocks.len() + 1, rest.len()));
        };
        if first & 0x20 != 0 && !after.is_empty() {
            return Err(format!("padding in packet {}, which is not the last", blocks.len() + 1));
        }
        blocks.push(block(packet, kind, first & 0x1f)?);
        rest = after;
    }
    let other = webrtc_rtcp::packet::unmarshal(&mut &*bytes);
    let other = other.map_err(|error| format!("a second parser refuses the RTCP packet: {error}"))?;
    if other.len() != blocks.len() {
        return Err(format!("two parsers find {} and {} packets in a compound", blocks.len(), other.len()));
    }
    Ok(blocks)
}

fn block(packet: &[u8], kind: u8, count: u8) -> Result<Block, String> {
    let word = |at: usize| -> Result<u32, String> {
        let four = packet.get(4 * at..4 * at + 4).and_then(|part| part.try_into().ok());
        four.map(u32::from_be_bytes).ok_or_else(|| format!("RTCP packet type {kind} of {} bytes", packet.len()))
    };
    Ok(match kind {
        200 => {
            let whole = 28 + 24 * usize::from(count);
            if packet.len() < whole {
                return Err(format!("SR with {count} reports in {} bytes", packet.len()));
            }
            let ntp = u64::from(word(2)?) << 32 | u64::from(word(3)?);
            Block::Sender(Report { ssrc: word(1)?, ntp, rtp: word(4)?, packets: word(5)?, octets: word(6)? })
        }
        201 => Block::Receiver(word(1)?, (0..usize::from(count)).map(|i| word(2 + 6 * i)).collect::<Result<_, _>>()?),
        202 => Block::Description(items(packet.get(4..).unwrap_or_default(), count)?),
        203 => Block::Bye((0..usize::from(count)).map(|i| word(1 + i)).collect::<Result<_, _>>()?),
        kind => Block::Other(kind),
    })
}

/// Chunks of an SDES (RFC 3550 6.5): each ends with a zero octet and is padded to 32 bits.
fn items(mut rest: &[u8], chunks: u8) -> Result<Vec<(u32, u8, String)>, String> {
    let mut found = Vec::new();
    for chunk in 0..chunks {
        let cut = || format!("SDES chunk {} is cut off", chunk + 1);
        let ssrc = u32::from_be_bytes(*rest.first_chunk().ok_or_else(cut)?);
        let mut at = 4;
        loop {
            let kind = *rest.get(at).ok_or_else(cut)?;
            if kind == 0 {
                break;
            }
            let length = usize::from(*rest.get(at + 1).ok_or_else(cut)?);
            let text = rest.get(at + 2..at + 2 + length).ok_or_else(cut)?;
            let text = std::str::from_utf8(text).map_err(|_| format!("SDES item {kind} is not UTF-8"))?;
            found.push((ssrc, kind, text.to_owned()));
            at += 2 + length;
        }
        rest = rest.get((at / 4 + 1) * 4..).unwrap_or_default();
    }
    Ok(found)
}

impl Report {
    /// Seconds since 1900.
    pub fn seconds(&self) -> f64 {
        self.ntp as f64 / 4_294_967_296.0
    }
}

/// `b - a`, by the shorter way round.
pub fn sequence_step(a: u16, b: u16) -> i32 {
    i32::from(b.wrapping_sub(a) as i16)
}

/// `b - a`, by the shorter way round.
pub fn timestamp_step(a: u32, b: u32) -> i64 {
    i64::from(b.wrapping_sub(a) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_or_their_fault_is_named() {
        let good = [0x80, 0xe0, 0xff, 0xff, 0, 0, 0, 9, 1, 2, 3, 4, 0xaa];
        let rtp = Rtp::read(&good, Instant::now()).unwrap();
        assert_eq!((rtp.marker, rtp.payload_type, rtp.sequence, rtp.timestamp), (true, 96, 0xffff, 9));
        assert_eq!((rtp.ssrc, rtp.payload), (0x0102_0304, vec![0xaa]));
        let faults: &[(&[u8], &str)] = &[
            (&[0x40, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "RTP version 1"),
            (&[0x80, 0x60, 0, 0], "ends at"),
            (&[0xa0, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9], "padding of 9"),
            (&[0x8f, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9], "header of 72"),
        ];
        for (bytes, fault) in faults {
            let error = Rtp::read(bytes, Instant::now()).unwrap_err();
            assert!(error.contains(fault), "{error}");
        }
    }

    #[test]
    fn compounds_are_read_or_their_fault_is_named() {
        let bye = [0x81, 203, 0, 1, 0, 0, 0, 7];
        let sdes = [0x81, 202, 0, 3, 0, 0, 0, 7, 1, 2, b'a', b'b', 0, 0, 0, 0];
        let rr = [0x80, 201, 0, 1, 0, 0, 0, 7];
        let read = compound(&[&rr[..], &sdes, &bye].concat()).unwrap();
        assert_eq!(
            read,
            [Block::Receiver(7, vec![]), Block::Description(vec![(7, 1, "ab".into())]), Block::Bye(vec![7])]
        );
        let faults: &[(&[u8], &str)] = &[
            (&[0x81, 203, 0, 9, 0, 0, 0, 7], "says 40 bytes"),
            (&[0x01, 203, 0, 1, 0, 0, 0, 7], "RTCP version 0"),
            (&[0xa1, 203, 0, 1, 0, 0, 0, 7, 0x81, 203, 0, 1, 0, 0, 0, 7], "not the last"),
            (&[0x81, 203, 0], "left over"),
        ];
        for (bytes, fault) in faults {
            let error = compound(bytes).unwrap_err();
            assert!(error.contains(fault), "{error}");
        }
        assert_eq!((sequence_step(0xffff, 1), timestamp_step(5, 0xffff_ffff)), (2, -6));
    }
}
