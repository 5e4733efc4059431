//! Where a transport stream comes from, as a URL: `udp://239.1.2.3:5000?source=10.0.0.1&interface=eth0&program=2`.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// The datagrams that a transport stream comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TsAddress {
    /// Behind RTP headers (RFC 2250 section 2) rather than bare.
    pub rtp: bool,
    /// The group, or the own address where they come to; unspecified: any of this machine's.
    pub address: SocketAddr,
    /// They are taken from here alone.
    pub source: Option<IpAddr>,
    /// Where the group is joined, by name or address; `None`: as the system routes.
    pub interface: Option<String>,
    /// `program_number`; `None`: the first with video.
    pub program: Option<u16>,
    /// Passed on as it comes, with all its programs, rather than taken apart.
    pub passed: bool,
}

/// What the query may say.
const ALLOWED: &str = "source=ADDRESS, interface=NAME, program=NUMBER, as=mp2t";

impl FromStr for TsAddress {
    type Err = String;

    /// Brackets around the address of IPv6; nothing before the port, or `@` as VLC writes it, means any address.
    fn from_str(url: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{url:?}: {what}; it is written udp://[GROUP]:PORT or rtp://[GROUP]:PORT");
        let (rtp, rest) = match (url.strip_prefix("udp://"), url.strip_prefix("rtp://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(wrong("neither udp:// nor rtp://")),
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let place = place.trim_end_matches('/');
        let place = place.strip_prefix('@').unwrap_or(place);
        let (host, port) = place.rsplit_once(':').ok_or_else(|| wrong("no port"))?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| wrong("no port from 1 to 65535"))?;
        let ip: IpAddr = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => host.parse::<Ipv6Addr>().map_err(|_| wrong("no IPv6 address in the brackets"))?.into(),
            None if host.is_empty() => Ipv4Addr::UNSPECIFIED.into(),
            None => host.parse::<Ipv4Addr>().map_err(|_| wrong("no address (names are not looked up)"))?.into(),
        };
        let address = (ip, port).into();
        let mut address = Self { rtp, address, source: None, interface: None, program: None, passed: false };
        for (key, value) in query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('='))
            .map(|pair| pair.unwrap_or(("", "")))
        {
            let bad = |what: &str| format!("{url:?}: {what}; allowed are {ALLOWED}");
            match key {
                "source" => {
                    let source: IpAddr = value.parse().map_err(|_| bad("source is no address"))?;
                    if source.is_ipv4() != ip.is_ipv4() || source.is_multicast() || source.is_unspecified() {
                        return Err(bad("source is none that the group can have"));
                    }
                    address.source = Some(source);
                }
                "interface" if !value.is_empty() => address.interface = Some(value.to_owned()),
                "program" => {
                    let number = value.parse().ok().filter(|number| *number > 0);
                    address.program = Some(number.ok_or_else(|| bad("program is no number from 1 to 65535"))?);
                }
                "as" if value == "mp2t" => address.passed = true,
                _ => return Err(bad(&format!("{key:?} says nothing"))),
            }
        }
        if address.passed && address.program.is_some() {
            return Err(format!("{url:?}: as=mp2t passes on all programs: none can be chosen"));
        }
        Ok(address)
    }
}

impl fmt::Display for TsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.rtp { "rtp" } else { "udp" }, self.address)?;
        let source = self.source.map(|source| format!("source={source}"));
        let interface = self.interface.as_ref().map(|interface| format!("interface={interface}"));
        let program = self.program.map(|program| format!("program={program}"));
        let passed = self.passed.then(|| "as=mp2t".to_owned());
        let query: Vec<String> = [source, interface, program, passed].into_iter().flatten().collect();
        if query.is_empty() { Ok(()) } else { write!(f, "?{}", query.join("&")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written() {
        for (url, written) in [
            ("udp://239.1.2.3:5000", ""),
            ("udp://@239.1.2.3:5000/", "udp://239.1.2.3:5000"),
            ("udp://:5000", "udp://0.0.0.0:5000"),
            ("udp://@:5000", "udp://0.0.0.0:5000"),
            ("rtp://127.0.0.1:5004?program=3", ""),
            ("rtp://232.1.2.3:5004?program=3&source=10.0.0.1", "rtp://232.1.2.3:5004?source=10.0.0.1&program=3"),
            ("udp://[ff3e::4321]:6000?source=2001:db8::1&interface=eth0&program=65535", ""),
            ("udp://[::]:6000", ""),
            ("udp://239.1.2.3:5000?as=mp2t&interface=eth0", "udp://239.1.2.3:5000?interface=eth0&as=mp2t"),
        ] {
            let address: TsAddress = url.parse().unwrap();
            assert_eq!(address.to_string(), if written.is_empty() { url } else { written });
            assert_eq!(address.to_string().parse::<TsAddress>().unwrap(), address);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, words) in [
            ("http://a:1", "neither udp:// nor rtp://"),
            ("udp://239.1.2.3", "no port"),
            ("udp://239.1.2.3:0", "no port from 1 to 65535"),
            ("udp://239.1.2.3:99999", "no port from 1 to 65535"),
            ("udp://host:1", "names are not looked up"),
            ("udp://[1.2.3.4]:1", "no IPv6 address"),
            ("udp://:1?source=x", "source is no address"),
            ("udp://239.1.2.3:1?source=::1", "source is none"),
            ("udp://239.1.2.3:1?source=239.1.2.4", "source is none"),
            ("udp://:1?program=0", "program is no number"),
            ("udp://:1?ttl=3", "\"ttl\" says nothing; allowed are source=ADDRESS"),
            ("udp://:1?interface=", "says nothing"),
            ("udp://:1?x", "says nothing"),
            ("udp://:1?as=mp4", "says nothing"),
            ("udp://:1?as=mp2t&program=3", "none can be chosen"),
        ] {
            let error = url.parse::<TsAddress>().unwrap_err();
            assert!(error.contains(words), "{url}: {error}");
        }
    }
}
