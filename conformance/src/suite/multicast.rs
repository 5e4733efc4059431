//! Multicast (RFC 2326 14.4, RFC 4566, RFC 4570, RFC 2974), where the server offers it.

mod announced;
mod group;

use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    message::{Request, Response, parameter},
    packets::{Block, Rtp, compound},
    wire::Wire,
};
use group::{member, received};
use std::{
    net::{IpAddr, Ipv4Addr, UdpSocket},
    time::{Duration, Instant},
};

const GROUP: &[Need] = &[Need::Tracks, Need::Multicast];

/// Others of these cases would end what the group gets.
const JOINED: &[Need] = &[Need::Tracks, Need::Multicast, Need::Alone];

/// All of them.
pub fn cases() -> Vec<Case> {
    [CASES, announced::CASES].concat()
}

const CASES: &[Case] = &[
    Case::must(
        "MC-01",
        "RFC 2326 12.39, 14.4",
        "a multicast SETUP is answered with group, ports and ttl",
        GROUP,
        |c| {
            let answer = c.offer.multicast.clone().ok_or_else(|| skip("no multicast"))?;
            let value = answer.header("Transport").unwrap_or("").to_owned();
            let (group, port) = place(&answer)?;
            ensure(group.is_multicast(), "destination in 224.0.0.0/4", &value)?;
            ensure(port.is_multiple_of(2), "an even port", &value)?;
            let ttl = parameter(&value, "ttl").and_then(|ttl| ttl.parse::<u8>().ok());
            ensure(ttl.is_some_and(|ttl| ttl > 0), "ttl from 1 to 255", &value)?;
            ensure(parameter(&value, "ssrc").is_none(), "no ssrc: it is for unicast (12.39)", &value)
        },
    ),
    Case::must("MC-02", "RFC 2326 14.4", "who joins the group receives RTP after PLAY", JOINED, |c| {
        let (mut wire, id, answer) = joined(c)?;
        let socket = join(&wire, &answer)?;
        wire.ok(&Request::new("PLAY", &c.offer.aggregate).header("Session", &id))?;
        let came = received(&socket, Duration::from_secs(4));
        leave(c, &mut wire, &id);
        let came = came.ok_or_else(|| fail("packets in the group", "none for 4 s"))?;
        Rtp::read(&came.bytes, Instant::now()).map_err(|came| fail("RTP packets in the group", came))?;
        let told = answer.parameter("Transport", "ttl").and_then(|ttl| ttl.parse::<i32>().ok());
        let (Some(told), Some(hops)) = (told, came.hops) else { return Ok(()) };
        // Routers take one off each.
        let mine = c.offer.address.ip() == wire.local()?.ip();
        ensure(if mine { hops == told } else { hops <= told }, format!("a TTL of {told} on the wire"), hops)
    }),
    Case::must(
        "MC-03",
        "RFC 2326 14.4; ONVIF",
        "one viewer's TEARDOWN doesn't stop the group for another",
        JOINED,
        |c| {
            let (mut one, first, answer) = joined(c)?;
            let (mut two, second, other) = joined(c)?;
            ensure(place(&answer)? == place(&other)?, "the same group for both", other.brief())?;
            let socket = join(&one, &answer)?;
            for (wire, id) in [(&mut one, &first), (&mut two, &second)] {
                wire.ok(&Request::new("PLAY", &c.offer.aggregate).header("Session", id))?;
            }
            let before =
                received(&socket, Duration::from_secs(4)).ok_or_else(|| fail("packets in the group", "none"))?;
            leave(c, &mut one, &first);
            std::thread::sleep(Duration::from_millis(300));
            while received(&socket, Duration::from_millis(1)).is_some() {}
            let after = received(&socket, Duration::from_secs(3));
            leave(c, &mut two, &second);
            let after = after.ok_or_else(|| fail("packets after one of two left", "none for 3 s"))?;
            ensure(before.bytes.get(8..12) == after.bytes.get(8..12), "the same SSRC for both", "another")
        },
    ),
    Case::should("MC-06", "RFC 2326 16", "a group of the client's own choice is refused or not taken", GROUP, |c| {
        let line = "RTP/AVP;multicast;destination=239.1.2.3;port=5000-5001;ttl=1";
        let mut wire = c.connect()?;
        let answer = wire.ask(&Request::new("SETUP", &c.control(0)?).header("Transport", line))?;
        leave(c, &mut wire, answer.session().unwrap_or(""));
        if answer.status == 200 {
            let value = answer.header("Transport").unwrap_or("");
            return ensure(parameter(value, "destination") != Some("239.1.2.3"), "another destination", value);
        }
        c.status("a destination of the client's", &answer, &[400, 403, 461, 462])
    }),
    Case::must("MC-09", "RFC 3550 6.4, 11", "sender reports go to the group, to the port after RTP's", JOINED, |c| {
        let (mut wire, id, answer) = joined(c)?;
        let (group, port) = place(&answer)?;
        let socket = member(group, port.saturating_add(1), wire.local()?.ip())?;
        wire.ok(&Request::new("PLAY", &c.offer.aggregate).header("Session", &id))?;
        let came = received(&socket, Duration::from_secs(9));
        leave(c, &mut wire, &id);
        let came = came.ok_or_else(|| fail("RTCP in the group", "none for 9 s"))?;
        let blocks = compound(&came.bytes).map_err(|came| fail("a compound RTCP packet", came))?;
        ensure(matches!(blocks.first(), Some(Block::Sender(_))), "a sender report", format!("{blocks:?}"))
    }),
    Case::must(
        "MC-10",
        "RFC 2326 12.39",
        "unicast before multicast in one list is taken first",
        &[Need::Tracks, Need::Multicast, Need::Udp],
        |c| {
            let line = "RTP/AVP;unicast;client_port=40002-40003,RTP/AVP;multicast";
            let mut wire = c.connect()?;
            let answer = wire.ok(&Request::new("SETUP", &c.control(0)?).header("Transport", line))?;
            leave(c, &mut wire, answer.session().unwrap_or(""));
            let value = answer.header("Transport").unwrap_or("");
            ensure(value.contains("unicast"), "unicast", value)
        },
    ),
    Case::must("MC-11", "RFC 4566 5.7", "an IPv4 multicast address in c= has a ttl", &[Need::Tracks], |c| {
        let description = &c.offer.description;
        let lines = description.session.iter().chain(description.media.iter().flat_map(|media| &media.lines));
        let groups = lines.filter(|(kind, value)| *kind == 'c' && value.starts_with("IN IP4"));
        for (_, value) in groups {
            let address = value.split_whitespace().nth(2).unwrap_or("");
            let (host, ttl) = address.split_once('/').map_or((address, None), |(host, ttl)| (host, Some(ttl)));
            let multicast = host.parse::<Ipv4Addr>().is_ok_and(|host| host.is_multicast());
            ensure(!multicast || ttl.is_some(), "c=IN IP4 GROUP/TTL", value)?;
        }
        let description = &c.offer.description;
        let lines = description.session.iter().chain(description.media.iter().flat_map(|media| &media.lines));
        for (_, value) in lines.filter(|(kind, value)| *kind == 'c' && value.starts_with("IN IP6")) {
            // GROUP/COUNT at most.
            ensure(value.matches('/').count() < 2, "c=IN IP6 GROUP: no TTL", value)?;
        }
        Ok(())
    }),
    Case::must(
        "MC-12",
        "RFC 4570 3",
        "a=source-filter names sources, of the group's kind of address and without a ttl",
        &[Need::Tracks],
        |c| {
            let description = &c.offer.description;
            let of_tracks = description.media.iter().flat_map(|media| media.attributes("source-filter"));
            let all: Vec<&str> = description.attribute("source-filter").into_iter().chain(of_tracks).collect();
            if all.is_empty() {
                return Err(skip("no a=source-filter in the description"));
            }
            all.into_iter().try_for_each(|value| ensure(is_filter(value), "incl IN IP4 GROUP SOURCE", value))
        },
    ),
];

/// RFC 4570 3: `filter-mode nettype address-types dest-address src-list`.
fn is_filter(value: &str) -> bool {
    let words: Vec<&str> = value.split_whitespace().collect();
    let [mode, "IN", kind, group, sources @ ..] = words.as_slice() else { return false };
    let of_kind = |address: &str| match *kind {
        "IP4" => address.parse::<Ipv4Addr>().is_ok(),
        "IP6" => address.parse::<std::net::Ipv6Addr>().is_ok(),
        // "*": names, which may mean either.
        other => other == "*" && address.parse::<IpAddr>().is_err(),
    };
    let named = |address: &&str| of_kind(address) || address.parse::<IpAddr>().is_err() && !address.contains('/');
    ["incl", "excl"].contains(mode)
        && (*group == "*" || of_kind(group))
        && !sources.is_empty()
        && sources.iter().all(named)
}

fn joined(c: &Context) -> Verdict<(Wire, String, Response)> {
    let mut wire = c.connect()?;
    let answer = wire.ok(&Request::new("SETUP", &c.control(0)?).header("Transport", "RTP/AVP;multicast"))?;
    let id = answer.session().ok_or_else(|| fail("a Session header", answer.brief()))?.to_owned();
    Ok((wire, id, answer))
}

fn leave(c: &Context, wire: &mut Wire, id: &str) {
    let _ = wire.ask(&Request::new("TEARDOWN", &c.offer.aggregate).header("Session", id));
}

/// Group and RTP port of an answer.
fn place(answer: &Response) -> Verdict<(IpAddr, u16)> {
    let group = answer.parameter("Transport", "destination").and_then(|group| group.parse().ok());
    let port = answer.parameter("Transport", "port").and_then(|ports| ports.split('-').next()?.parse().ok());
    group.zip(port).ok_or_else(|| fail("destination=GROUP;port=A-B", answer.brief()))
}

fn join(wire: &Wire, answer: &Response) -> Verdict<UdpSocket> {
    let (group, port) = place(answer)?;
    member(group, port, wire.local()?.ip())
}

#[cfg(test)]
mod tests {
    #[test]
    fn source_filters_are_judged() {
        let cases = [
            ("incl IN IP4 232.1.2.3 192.0.2.1", true),
            ("incl IN IP4 * 192.0.2.1 192.0.2.2", true),
            ("excl IN IP6 ff35::1 2001:db8::1", true),
            ("incl IN * * source.example", true),
            ("incl IN IP4 232.1.2.3/16 192.0.2.1", false),
            ("incl IN IP4 232.1.2.3", false),
            ("incl IN IP6 232.1.2.3 192.0.2.1", false),
            ("only IN IP4 232.1.2.3 192.0.2.1", false),
            ("", false),
        ];
        for (value, good) in cases {
            assert_eq!(super::is_filter(value), good, "{value}");
        }
    }
}
