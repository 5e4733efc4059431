//! What is announced of the group by SAP (RFC 2974), to whoever listens long enough.

use super::{
    group::{Datagram, member, received},
    place,
};
use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    description::Description,
    message::Response,
};
use std::{
    net::{IpAddr, Ipv4Addr, UdpSocket},
    time::{Duration, Instant},
};

/// Listening may take minutes, and others may do it meanwhile.
const HEARD: &[Need] = &[Need::Tracks, Need::Multicast, Need::Announced];

pub(super) const CASES: &[Case] = &[
    Case::must(
        "MC-07",
        "RFC 2974 6",
        "an announcement is version 1, and says of what kind and whose it is",
        HEARD,
        |c| {
            let heard = first(c)?;
            let announcement = &heard.announcement;
            ensure(announcement.reserved == 0, "the reserved bit 0", announcement.reserved)?;
            ensure(
                announcement.kind.as_deref().is_none_or(|kind| kind == "application/sdp"),
                "payload type application/sdp, or none before v=0",
                format!("{:?}", announcement.kind),
            )
        },
    ),
    Case::should("MC-07b", "RFC 2974 3", "announcements are sent with a TTL of 255", HEARD, |c| {
        let heard = first(c)?;
        let Some(hops) = heard.datagram.hops else { return Err(skip("the system doesn't tell TTLs")) };
        // Routers take one off each.
        let near = c.offer.address.ip() == c.connect()?.local()?.ip();
        ensure(if near { hops == 255 } else { hops > 200 }, "a TTL of 255, less one for each router", hops)
    }),
    Case::should("MC-07c", "RFC 2974 6", "neither the hash nor the source of an announcement is zero", HEARD, |c| {
        let heard = first(c)?;
        let announcement = &heard.announcement;
        ensure(announcement.hash != 0, "a hash that isn't 0", announcement.hash)?;
        ensure(!announcement.source.is_unspecified(), "an address", announcement.source)
    }),
    Case::must(
        "MC-07d",
        "RFC 2974 3, 6",
        "the hash of an announcement changes with its description, and only with that",
        HEARD,
        |c| {
            let mut known: Vec<Heard> = Vec::new();
            listen(c, |heard| {
                for other in &known {
                    let (one, two) = (&heard.announcement, &other.announcement);
                    if one.source == two.source {
                        let same = (one.hash == two.hash, one.sdp == two.sdp);
                        ensure(same.0 == same.1, "the same hash for the same description alone", format!("{same:?}"))?;
                    }
                }
                known.push(heard);
                Ok(known.len() < AGAIN)
            })?;
            if known.len() < AGAIN { Err(skip("announced once while it was listened")) } else { Ok(()) }
        },
    ),
    Case::must("MC-07e", "RFC 2974 6; RFC 4566 5.14", "packets come to the group that is announced", HEARD, |c| {
        let heard = first(c)?;
        let ports = heard.description.media.iter().map(|media| media.port.split('/').next().unwrap_or_default());
        let port = ports.filter_map(|port| port.parse().ok()).find(|port| *port > 0);
        let port = port.ok_or_else(|| fail("a port in m=", &heard.announcement.sdp))?;
        let socket = member(heard.group, port, c.connect()?.local()?.ip())?;
        received(&socket, Duration::from_secs(4)).map(drop).ok_or_else(|| fail("packets in the group", "none for 4 s"))
    }),
];

/// So often something is heard before it is said to stay the same.
const AGAIN: usize = 2;

/// RFC 2974 3: where announcements go; and for the scopes of RFC 2365, their highest addresses.
const GROUPS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(224, 2, 127, 254), Ipv4Addr::new(239, 255, 255, 255), Ipv4Addr::new(239, 195, 255, 255)];
const PORT: u16 = 9875;

/// An announcement of the presentation's group.
struct Heard {
    datagram: Datagram,
    announcement: Announcement,
    description: Description,
    group: IpAddr,
}

/// A packet of SAP that announces something (RFC 2974 6).
#[derive(Debug, PartialEq, Eq)]
struct Announcement {
    reserved: u8,
    hash: u16,
    source: IpAddr,
    kind: Option<String>,
    sdp: String,
}

fn first(c: &Context) -> Verdict<Heard> {
    let mut first = None;
    listen(c, |heard| {
        first = Some(heard);
        Ok(false)
    })?;
    first.ok_or_else(|| skip(format!("the group was not announced within {:?}", c.options.announcements)))
}

/// Gives what is heard of the group to `take`, as long as that wants more.
fn listen(c: &Context, mut take: impl FnMut(Heard) -> Verdict<bool>) -> Verdict {
    let answer: &Response = c.offer.multicast.as_ref().ok_or_else(|| skip("no multicast"))?;
    let (group, _) = place(answer)?;
    let local = c.connect()?.local()?.ip();
    let sockets: Vec<UdpSocket> = GROUPS.iter().map(|to| member((*to).into(), PORT, local)).collect::<Verdict<_>>()?;
    let end = Instant::now() + c.options.announcements;
    while Instant::now() < end {
        for socket in &sockets {
            while let Some(datagram) = received(socket, LOOK) {
                let Some(heard) = of_group(datagram, group)? else { continue };
                c.record.remark(0, &format!("announced by {}: {:?}", heard.datagram.from, heard.announcement));
                if !take(heard)? {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// How long one of the SAP groups is listened to before the next.
const LOOK: Duration = Duration::from_millis(50);

/// What was heard, if it is about this group; what can't be read and names it is wrong.
fn of_group(datagram: Datagram, group: IpAddr) -> Verdict<Option<Heard>> {
    let named = String::from_utf8_lossy(&datagram.bytes).contains(&format!("IN IP4 {group}"));
    if !named {
        return Ok(None);
    }
    match Announcement::read(&datagram.bytes) {
        Ok(Some(announcement)) => {
            let description = Description::read(&announcement.sdp);
            Ok(Some(Heard { datagram, announcement, description, group }))
        }
        Ok(None) => Ok(None),
        Err(came) => Err(fail("a packet of SAP version 1", came)),
    }
}

impl Announcement {
    /// `None`: a deletion, or what is encrypted or compressed.
    fn read(bytes: &[u8]) -> Result<Option<Self>, String> {
        let (&[flags, authentication, high, low], rest) = bytes.split_first_chunk().ok_or("less than four bytes")?;
        if flags >> 5 != 1 {
            return Err(format!("version {}", flags >> 5));
        }
        let (source, rest) = if flags & 0x10 == 0 {
            let (source, rest) = rest.split_first_chunk::<4>().ok_or("a source cut off")?;
            (IpAddr::from(*source), rest)
        } else {
            let (source, rest) = rest.split_first_chunk::<16>().ok_or("a source cut off")?;
            (IpAddr::from(*source), rest)
        };
        if flags & 0x07 != 0 {
            return Ok(None);
        }
        let rest = rest.get(usize::from(authentication) * 4..).ok_or("authentication data cut off")?;
        let text = str::from_utf8(rest).map_err(|_| "what is no text")?;
        let (kind, sdp) = match text.split_once('\0') {
            _ if text.starts_with("v=0") => (None, text),
            Some((kind, sdp)) => (Some(kind.to_owned()), sdp),
            None => return Err("a payload that is neither described nor begins with v=0".into()),
        };
        let hash = u16::from_be_bytes([high, low]);
        Ok(Some(Self { reserved: flags >> 3 & 1, hash, source, kind, sdp: sdp.to_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_read() {
        let read = |bytes: &[u8]| Announcement::read(bytes).map(|read| read.map(|it| (it.hash, it.kind, it.sdp)));
        let kind = Some("application/sdp".to_owned());
        assert_eq!(read(b"\x20\0\x12\x34\x7f\0\0\x01application/sdp\0v=0"), Ok(Some((0x1234, kind, "v=0".into()))));
        assert_eq!(read(b"\x20\x01\0\x01\x7f\0\0\x01abcdv=0\r\n"), Ok(Some((1, None, "v=0\r\n".into()))));
        assert_eq!(read(b"\x24\0\x12\x34\x7f\0\0\x01o=x"), Ok(None), "a deletion");
        for wrong in [&b""[..], b"\x20\0\0", b"\x20\0\0\x01\x7f\0\0", b"\x40\0\0\x01\x7f\0\0\x01v=0"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
        assert!(read(b"\x20\x09\0\x01\x7f\0\0\x01v=0").is_err(), "authentication data that isn't there");
        assert!(read(b"\x20\0\0\x01\x7f\0\0\x01nothing").is_err(), "no description");
    }
}
