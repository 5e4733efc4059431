//! The packets of the Session Announcement Protocol (RFC 2974), and where they go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The only port there is (section 3).
pub const PORT: u16 = 9875;

/// Bytes of a packet that routers take whole (section 6 recommends less than a kilobyte); a longer one is cut by IP.
pub const RECOMMENDED: usize = 1000;

/// Bytes of a packet that are looked at: no description is so long.
pub const MAX_PACKET: usize = 16 << 10;

const VERSION: u8 = 1 << 5;
const IS_IPV6: u8 = 1 << 4;
const DELETES: u8 = 1 << 2;
const ENCRYPTED: u8 = 1 << 1;
const COMPRESSED: u8 = 1;

const SDP: &str = "application/sdp";

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SapPacket<'a> {
    /// The session is over, or this version of its description is.
    pub deletes: bool,
    /// Who announces.
    pub source: IpAddr,
    /// With `source` it names this version of this announcement; not zero.
    pub hash: u16,
    /// A description, or the `o=` line of one that is deleted; `None`: encrypted, compressed or of another type.
    pub sdp: Option<&'a [u8]>,
}

/// Bytes that are no packet of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SapError {
    /// It ends within its header, which goes on to that byte at least.
    #[error("SAP: {0} bytes; its header needs {1}")]
    Short(usize, usize),
    /// Only 1 is known.
    #[error("SAP: version {0} at byte 0; 1 is known")]
    Version(u8),
    /// Earlier versions took zero for "whatever it is"; listeners may pass over it (section 6).
    #[error("SAP: neither message id hash nor originating source may be zero")]
    Nobody,
}

impl<'a> SapPacket<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// See [`SapError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SapError> {
        let short = |needed| SapError::Short(bytes.len(), needed);
        let (&[flags, words, high, low], rest) = bytes.split_first_chunk::<4>().ok_or(short(8))?;
        if flags >> 5 != 1 {
            return Err(SapError::Version(flags >> 5));
        }
        let (source, rest) = match flags & IS_IPV6 != 0 {
            true => {
                let (address, rest) = rest.split_first_chunk::<16>().ok_or(short(20))?;
                (IpAddr::from(*address), rest)
            }
            false => {
                let (address, rest) = rest.split_first_chunk::<4>().ok_or(short(8))?;
                (IpAddr::from(*address), rest)
            }
        };
        let authentication = usize::from(words) * 4;
        let payload = rest.get(authentication..).ok_or(short(bytes.len() - rest.len() + authentication))?;
        let hash = u16::from_be_bytes([high, low]);
        if hash == 0 || source.is_unspecified() {
            return Err(SapError::Nobody);
        }
        let sdp = match flags & (ENCRYPTED | COMPRESSED) {
            0 => description(payload),
            _ => None,
        };
        Ok(Self { deletes: flags & DELETES != 0, source, hash, sdp })
    }

    /// Writes it, with its payload's type.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.sdp.map_or(0, <[u8]>::len));
        let deletes = if self.deletes { DELETES } else { 0 };
        let family = if self.source.is_ipv6() { IS_IPV6 } else { 0 };
        // No authentication data.
        out.extend([VERSION | family | deletes, 0]);
        out.extend(self.hash.to_be_bytes());
        match self.source {
            IpAddr::V4(source) => out.extend(source.octets()),
            IpAddr::V6(source) => out.extend(source.octets()),
        }
        out.extend(SDP.as_bytes());
        out.push(0);
        out.extend(self.sdp.unwrap_or_default());
        out
    }
}

/// The payload, where its type is ours; it may be left out before a description's first line (section 6).
fn description(payload: &[u8]) -> Option<&[u8]> {
    if payload.starts_with(b"v=") || payload.starts_with(b"o=") {
        return Some(payload);
    }
    let end = payload.iter().position(|byte| *byte == 0)?;
    let (kind, sdp) = payload.split_at_checked(end)?;
    kind.eq_ignore_ascii_case(SDP.as_bytes()).then(|| sdp.get(1..).unwrap_or_default())
}

/// The group on which sessions of `group` are announced: that of its scope (section 3).
pub fn group_of(group: IpAddr) -> IpAddr {
    match group {
        IpAddr::V4(group) => match group.octets() {
            // The highest address of the scope: local, and organisation-local (RFC 2365 section 6).
            [239, 255, ..] => Ipv4Addr::new(239, 255, 255, 255).into(),
            [239, ..] => Ipv4Addr::new(239, 195, 255, 255).into(),
            _ => Ipv4Addr::new(224, 2, 127, 254).into(),
        },
        IpAddr::V6(group) => Ipv6Addr::new(0xff00 | group.segments()[0] & 0xf, 0, 0, 0, 0, 0, 2, 0x7ffe).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_as_section_6_draws_them() {
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        let mut v6_head = vec![0x30, 0, 0x12, 0x34];
        v6_head.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        let cases: [(SapPacket<'_>, Vec<u8>); 3] = [
            (
                SapPacket { deletes: false, source: v4, hash: 0xabcd, sdp: Some(b"v=0\r\n") },
                vec![0x20, 0, 0xab, 0xcd, 192, 0, 2, 1],
            ),
            (
                SapPacket { deletes: true, source: v4, hash: 1, sdp: Some(b"o=- 1 1 IN IP4 h\r\n") },
                vec![0x24, 0, 0, 1, 192, 0, 2, 1],
            ),
            (SapPacket { deletes: false, source: v6, hash: 0x1234, sdp: Some(b"v=0\r\n") }, v6_head),
        ];
        for (packet, head) in cases {
            let expected = [head.as_slice(), b"application/sdp\0", packet.sdp.unwrap()].concat();
            assert_eq!(packet.write(), expected);
            assert_eq!(SapPacket::parse(&expected), Ok(packet));
        }
    }

    #[test]
    fn others_packets_are_read_with_or_without_type_and_authentication() {
        let head = |flags: u8, words: u8| vec![flags, words, 0, 7, 10, 0, 0, 1];
        type Case = (Vec<u8>, Result<Option<&'static [u8]>, SapError>);
        let cases: &[Case] = &[
            ([head(0x20, 0), b"v=0\r\n".to_vec()].concat(), Ok(Some(b"v=0\r\n"))),
            ([head(0x20, 1), b"abcdApplication/SDP\0v=0".to_vec()].concat(), Ok(Some(b"v=0"))),
            ([head(0x20, 0), b"text/plain\0x".to_vec()].concat(), Ok(None)),
            ([head(0x22, 0), b"v=0".to_vec()].concat(), Ok(None)),
            ([head(0x21, 0), b"v=0".to_vec()].concat(), Ok(None)),
            (head(0x20, 0), Ok(None)),
            (head(0x20, 1), Err(SapError::Short(8, 12))),
            (head(0x30, 0), Err(SapError::Short(8, 20))),
            (head(0x00, 0), Err(SapError::Version(0))),
            (vec![0x20, 0, 0], Err(SapError::Short(3, 8))),
            (vec![0x20, 0, 0, 1, 10], Err(SapError::Short(5, 8))),
            (vec![0x20, 0, 0, 0, 0, 0, 0, 0], Err(SapError::Nobody)),
            (vec![0x20, 0, 0, 0, 10, 0, 0, 1], Err(SapError::Nobody)),
            (vec![0x20, 0, 0, 7, 0, 0, 0, 0], Err(SapError::Nobody)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(SapPacket::parse(bytes).map(|packet| packet.sdp), *expected, "{bytes:?}");
        }
    }

    #[test]
    fn announcements_go_to_the_scope_of_what_they_announce() {
        for (group, expected) in [
            ("239.255.3.4", "239.255.255.255"),
            ("239.192.3.4", "239.195.255.255"),
            ("232.1.2.3", "224.2.127.254"),
            ("224.2.128.9", "224.2.127.254"),
            ("ff15::8000:1", "ff05::2:7ffe"),
            ("ff38::8000:1", "ff08::2:7ffe"),
            ("ff02::1234:5678", "ff02::2:7ffe"),
        ] {
            assert_eq!(group_of(group.parse().unwrap()), expected.parse::<IpAddr>().unwrap(), "{group}");
        }
    }
}
