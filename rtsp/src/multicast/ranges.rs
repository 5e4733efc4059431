//! Groups and ports that may be taken, and those that a channel tries, one after the other.

use std::{fmt, net::IpAddr, ops::RangeInclusive, str::FromStr};

/// Pairs of ports that a group has: as many tracks can be sent to it.
pub const PAIRS: u16 = 8;

/// Candidates that a channel tries of each range before it has to do without a group.
const TRIES: u32 = 4096;

/// Of an IPv6 group's 32 bits of identifier, what a host takes for itself has the highest set (RFC 3307 section 4.3); so
/// have source-specific ones (RFC 4607 section 1).
const DYNAMIC: u32 = 1 << 31;

/// Multicast addresses with a common prefix, as `239.255.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupRange {
    base: IpAddr,
    bits: u8,
}

/// A text that is no range of groups.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: not a range of multicast addresses as 239.255.0.0/16 or ff15::/16")]
pub struct BadRange(String);

impl FromStr for GroupRange {
    type Err = BadRange;

    fn from_str(text: &str) -> Result<Self, BadRange> {
        let bad = || BadRange(text.to_owned());
        let (base, bits) = text.split_once('/').ok_or_else(bad)?;
        let (base, bits): (IpAddr, u8) = (base.parse().map_err(|_| bad())?, bits.parse().map_err(|_| bad())?);
        // Prefixes of 4 and 8 bits are all groups that there are; an IPv6 range keeps 32 bits for the identifier.
        let (least, most) = if base.is_ipv4() { (4, 32) } else { (8, 96) };
        match base.is_multicast() && (least..=most).contains(&bits) {
            true => Ok(Self { base, bits }),
            false => Err(bad()),
        }
    }
}

impl fmt::Display for GroupRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

impl GroupRange {
    /// The group at `number`, counted round and round.
    fn at(&self, number: u32) -> IpAddr {
        match self.base {
            IpAddr::V4(base) => {
                let mask = u32::MAX.checked_shr(u32::from(self.bits)).unwrap_or(0);
                IpAddr::V4((base.to_bits() & !mask | number & mask).into())
            }
            IpAddr::V6(base) => {
                let keep = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V6((base.to_bits() & keep | u128::from(number | DYNAMIC)).into())
            }
        }
    }

    fn contains(&self, group: IpAddr) -> bool {
        match (self.base, group) {
            (IpAddr::V4(_), IpAddr::V4(group)) => self.at(group.to_bits()) == IpAddr::V4(group),
            (IpAddr::V6(_), IpAddr::V6(group)) => self.at(group.to_bits() as u32) == IpAddr::V6(group),
            _ => false,
        }
    }

    fn size(&self) -> u32 {
        match self.base {
            IpAddr::V4(_) => 1_u32.checked_shl(32 - u32::from(self.bits)).unwrap_or(u32::MAX),
            IpAddr::V6(_) => DYNAMIC,
        }
    }
}

/// Whether receivers must name the source whose packets they want (RFC 4607 section 1).
pub fn is_source_specific(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(group) => group.octets()[0] == 232,
        IpAddr::V6(group) => group.segments()[0] & 0xfff0 == 0xff30 && group.segments()[1] == 0,
    }
}

/// Whether a group may be had at all.
pub fn is_usable(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(group) => match group.octets() {
            // Local network control; what switches can't tell from it, as they see 23 bits only, is sent everywhere.
            [_, b, 0, _] if b & 0x7f == 0 => false,
            // The highest 256 of a scope are for its services (RFC 2365 section 9), SAP's own group among them.
            [239, 255, 255, _] | [239, 195, 255, _] => false,
            // SAP's own, global scope, and what its obsolete version had.
            [224, 2, 127, 254 | 255] => false,
            [224..=239, ..] => true,
            _ => false,
        },
        // Interface-local (1) never leaves the machine, 0 and 15 are reserved (RFC 4291 section 2.7).
        IpAddr::V6(group) => group.is_multicast() && !matches!(group.segments()[0] & 0xf, 0 | 1 | 15),
    }
}

/// What groups are taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// In the order of preference.
    pub groups: Vec<GroupRange>,
    /// RTP and RTCP ports: receivers on one machine may hear all groups that others there have joined, so groups have
    /// ports of their own, too, as far as there are any.
    pub ports: RangeInclusive<u16>,
}

impl Default for Ranges {
    /// The local scope (RFC 2365 section 6.1).
    fn default() -> Self {
        let local = GroupRange { base: [239, 255, 0, 0].into(), bits: 16 };
        Self { groups: vec![local], ports: 20_000..=29_999 }
    }
}

impl Ranges {
    /// Groups with their first RTP port for the channel `name` of the front `front`: always the same ones in the same
    /// order, so that it has the same group again after a restart wherever it can.
    pub fn candidates(&self, front: &str, name: &str) -> impl Iterator<Item = (IpAddr, u16)> {
        let start = hash(front, name);
        self.groups
            .iter()
            .flat_map(move |range| {
                // A step without a common factor with any range's size, a power of two, visits each once.
                let tries = 0..range.size().min(TRIES);
                tries.map(move |at| (range.at(start.wrapping_add(at.wrapping_mul(0x9e37_79b1))), at))
            })
            .filter(|(group, _)| is_usable(*group))
            .map(move |(group, at)| (group, self.port(start.rotate_left(16).wrapping_add(at))))
    }

    /// First RTP ports that a channel tries in a group that it is told to take.
    pub fn ports_of(&self, front: &str, name: &str) -> impl Iterator<Item = u16> {
        let start = hash(front, name).rotate_left(16);
        (0..TRIES).map(move |at| self.port(start.wrapping_add(at)))
    }

    /// Whether a group is of one of the ranges.
    pub fn contains(&self, group: IpAddr) -> bool {
        is_usable(group) && self.groups.iter().any(|range| range.contains(group))
    }

    /// Whether any of the ranges is of source-specific groups.
    pub fn has_source_specific(&self) -> bool {
        self.groups.iter().any(|range| is_source_specific(range.base))
    }

    fn port(&self, number: u32) -> u16 {
        let first = self.ports.start().next_multiple_of(2);
        let slots = (self.ports.end().saturating_sub(first).saturating_add(1) / (2 * PAIRS)).max(1);
        first + (number % u32::from(slots)) as u16 * 2 * PAIRS
    }
}

/// FNV-1a.
fn hash(front: &str, name: &str) -> u32 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = front.bytes().chain([0]).chain(name.bytes()).fold(0xcbf2_9ce4_8422_2325, step);
    (hash ^ hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ranges_are_read_and_written() {
        for text in ["239.255.0.0/16", "232.1.0.0/16", "ff15::/16", "ff35::/32", "224.2.128.0/17", "239.1.2.3/32"] {
            assert_eq!(text.parse::<GroupRange>().unwrap().to_string(), text);
        }
        for text in
            ["", "239.0.0.0", "10.0.0.0/8", "239.0.0.0/33", "239.0.0.0/x", "ff15::/97", "fe80::/16", "224.0.0.0/3"]
        {
            assert_eq!(text.parse::<GroupRange>(), Err(BadRange(text.into())), "{text}");
        }
    }

    #[test]
    fn candidates_are_usable_within_their_range_and_none_comes_twice() {
        let cases = [
            // Range, how many there are at most, prefix of the text.
            ("239.255.1.0/24", 256, "239.255.1."),
            ("239.255.0.0/16", 4096, "239.255."),
            ("232.0.0.0/8", 4096, "232."),
            ("ff15::/16", 4096, "ff15::"),
            ("ff35::/32", 4096, "ff35::"),
            ("239.255.7.7/32", 1, "239.255.7.7"),
        ];
        for (range, most, prefix) in cases {
            let ranges = Ranges { groups: vec![range.parse().unwrap()], ports: 20_001..=20_100 };
            let all: Vec<_> = ranges.candidates("front", "news").collect();
            assert!(all.len() <= most && all.len() > most * 9 / 10, "{range}: {}", all.len());
            assert_eq!(all.iter().map(|(group, _)| group).collect::<HashSet<_>>().len(), all.len(), "{range}");
            for (group, port) in &all {
                assert!(group.to_string().starts_with(prefix) && is_usable(*group), "{range}: {group}");
                assert!(port % 2 == 0 && (20_002..=20_085).contains(port), "{range}: {port}");
                assert_eq!(is_source_specific(*group), range.starts_with("232") || range.starts_with("ff35"));
            }
            assert_eq!(all, ranges.candidates("front", "news").collect::<Vec<_>>());
            assert!(all.iter().all(|(group, _)| ranges.contains(*group)), "{range}");
            assert!(!ranges.contains("239.254.0.1".parse().unwrap()) && !ranges.contains("ff15::1".parse().unwrap()));
        }
        let first = |front: &str, name: &str| Ranges::default().candidates(front, name).next();
        assert_ne!(first("a", "news"), first("b", "news"));
        assert_ne!(first("a", "news"), first("a", "film"));
    }

    #[test]
    fn some_groups_are_never_taken() {
        for (group, usable) in [
            ("239.255.3.4", true),
            ("239.255.255.255", false),
            ("239.195.255.7", false),
            ("224.0.0.5", false),
            ("232.0.0.9", false),
            ("239.128.0.9", false),
            ("239.128.1.9", true),
            ("224.2.127.254", false),
            ("ff15::8000:1", true),
            ("ff01::1", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_usable(group.parse().unwrap()), usable, "{group}");
        }
    }
}
