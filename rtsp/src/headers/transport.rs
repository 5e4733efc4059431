//! `Transport` (RFC 2326 section 12.39).
//!
//! The RFC's grammar has slips (no `;` before `unicast`), and players write it in several ways: this reads
//! what they send. One bad alternative spoils only itself.

use super::{FieldError, split_quoted, unquote};
use std::fmt;

/// Alternatives that are looked at: a list of thousands would be work for nothing.
pub const MAX_ALTERNATIVES: usize = 32;

/// What carries the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lower {
    /// Datagrams; also where nothing is said.
    Udp,
    /// The RTSP connection itself, in `$` frames.
    Tcp,
}

/// To one or to many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// `unicast`
    Unicast,
    /// `multicast`
    Multicast,
}

/// Two ports or channels, RTP and RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<T> {
    /// RTP.
    pub rtp: T,
    /// RTCP.
    pub rtcp: T,
}

/// One alternative of a request, or the one of an answer. `RTP/AVP` is the only profile so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    /// `RTP/AVP[/UDP]` or `RTP/AVP/TCP`.
    pub lower: Lower,
    /// `None`: not said. The RFC then means multicast, most clients mean unicast.
    pub delivery: Option<Delivery>,
    /// Where it shall go; an empty text means to whoever asks.
    pub destination: Option<String>,
    /// From where it comes.
    pub source: Option<String>,
    /// Channels on the connection. Unusable ones (above 255) read as `None`: they are a wish anyway.
    pub interleaved: Option<Pair<u8>>,
    /// Multicast ports.
    pub port: Option<Pair<u16>>,
    /// The viewer's ports.
    pub client_port: Option<Pair<u16>>,
    /// Ours.
    pub server_port: Option<Pair<u16>>,
    /// Where it shall go, as RTSP 2.0 says it.
    pub dest_addr: Option<Addresses>,
    /// From where it comes, as RTSP 2.0 says it.
    pub src_addr: Option<Addresses>,
    /// Multicast time to live.
    pub ttl: Option<u8>,
    /// The stream's SSRC.
    pub ssrc: Option<u32>,
    /// Methods, upper case; empty means PLAY.
    pub mode: Vec<String>,
    /// RECORD is to append.
    pub append: bool,
    /// RTP and RTCP share the first of the addresses (RFC 7826 C.1.6.4, RFC 5761).
    pub rtcp_mux: bool,
}

impl Transport {
    /// Unicast by `lower`, nothing else said.
    pub fn unicast(lower: Lower) -> Self {
        Self {
            lower,
            delivery: Some(Delivery::Unicast),
            destination: None,
            source: None,
            interleaved: None,
            port: None,
            client_port: None,
            server_port: None,
            dest_addr: None,
            src_addr: None,
            ttl: None,
            ssrc: None,
            mode: Vec::new(),
            append: false,
            rtcp_mux: false,
        }
    }

    /// The alternatives in the order of preference, at most [`MAX_ALTERNATIVES`]; empty list elements are none.
    ///
    /// # Errors
    /// In place of an alternative that is no transport that we know, or a malformed one.
    pub fn parse_list(text: &str) -> Vec<Result<Self, FieldError>> {
        Self::parse_each(text, false)
    }

    /// The same by RTSP 2.0's rules: an alternative with a parameter that is not known, or neither unicast nor multicast,
    /// is none (RFC 7826 18.54).
    ///
    /// # Errors
    /// As [`Transport::parse_list`].
    pub fn parse_strict_list(text: &str) -> Vec<Result<Self, FieldError>> {
        Self::parse_each(text, true)
    }

    fn parse_each(text: &str, strict: bool) -> Vec<Result<Self, FieldError>> {
        let parts = split_quoted(text, ',').filter(|part| !part.is_empty()).take(MAX_ALTERNATIVES);
        parts.map(|part| Self::parse(part, strict)).collect()
    }

    /// Whether `mode` allows PLAY.
    pub fn plays(&self) -> bool {
        self.mode.is_empty() || self.mode.iter().any(|mode| mode == "PLAY")
    }

    fn parse(text: &str, strict: bool) -> Result<Self, FieldError> {
        let mut parts = split_quoted(text, ';');
        let mut spec = parts.next().unwrap_or_default().split('/').map(str::trim);
        let is = |word: Option<&str>, name: &str| word.is_some_and(|word| word.eq_ignore_ascii_case(name));
        if !is(spec.next(), "RTP") || !is(spec.next(), "AVP") {
            return Err(error("neither RTP/AVP nor RTP/AVP/TCP"));
        }
        let lower = match (spec.next(), spec.next()) {
            (None, _) => Lower::Udp,
            (Some(word), None) if word.eq_ignore_ascii_case("UDP") => Lower::Udp,
            (Some(word), None) if word.eq_ignore_ascii_case("TCP") => Lower::Tcp,
            _ => return Err(error("the lower transport is neither UDP nor TCP")),
        };
        let mut transport = Self { delivery: None, ..Self::unicast(lower) };
        for part in parts {
            let known = transport.parameter(part)?;
            if strict && !known && !part.is_empty() {
                return Err(error("a parameter that is not known"));
            }
        }
        match strict && transport.delivery.is_none() {
            true => Err(error("neither unicast nor multicast")),
            false => Ok(transport),
        }
    }

    /// Unknown parameters are passed over: false.
    fn parameter(&mut self, text: &str) -> Result<bool, FieldError> {
        let (name, raw) = match text.split_once('=') {
            Some((name, value)) => (name.trim(), value.trim()),
            None => (text, ""),
        };
        let value = unquote(raw);
        match name.to_ascii_lowercase().as_str() {
            "unicast" => self.delivery = Some(Delivery::Unicast),
            "multicast" => self.delivery = Some(Delivery::Multicast),
            "destination" => self.destination = Some(host(value)?),
            "source" => self.source = Some(host(value)?),
            "interleaved" => self.interleaved = channels(value)?,
            "port" => self.port = Some(ports(value)?),
            "client_port" => self.client_port = Some(ports(value)?),
            "server_port" => self.server_port = Some(ports(value)?),
            "dest_addr" => self.dest_addr = Some(Addresses::parse(raw)?),
            "src_addr" => self.src_addr = Some(Addresses::parse(raw)?),
            "ttl" => self.ttl = Some(value.parse().map_err(|_| error("ttl is not within 0 to 255"))?),
            "ssrc" => self.ssrc = u32::from_str_radix(value, 16).ok(),
            "mode" => {
                let modes = value.split(',').map(|mode| unquote(mode.trim()).to_ascii_uppercase());
                self.mode =
                    modes.filter(|mode| mode.bytes().all(|b| b.is_ascii_alphabetic()) && !mode.is_empty()).collect();
            }
            "append" => self.append = true,
            "rtcp-mux" => self.rtcp_mux = true,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// `"host:port"/"host:port"`: RTP and RTCP, with or without hosts (RFC 7826 18.54).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Empty: the one that the connection has.
    pub host: String,
    /// Both ports, the same where they are one; the second address has the first one's host.
    pub ports: Pair<u16>,
}

impl Addresses {
    fn parse(text: &str) -> Result<Self, FieldError> {
        let one = |text: &str| {
            let (name, port) = unquote(text.trim()).rsplit_once(':').ok_or(error("an address without a port"))?;
            let port = port.parse::<u16>().ok().filter(|port| *port > 0).ok_or(error("a port that is none"))?;
            Ok((host(name)?, port))
        };
        let mut parts = text.split('/');
        let (first, rtp) = one(parts.next().unwrap_or_default())?;
        let rtcp = match parts.next() {
            Some(second) => {
                let (name, port) = one(second)?;
                if name != first {
                    return Err(error("RTP and RTCP to different hosts"));
                }
                port
            }
            None => rtp.checked_add(1).ok_or(error("no port behind the last"))?,
        };
        if parts.next().is_some() || rtp == rtcp {
            return Err(error("neither one address nor two with different ports"));
        }
        Ok(Self { host: first, ports: Pair { rtp, rtcp } })
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let Pair { rtp, rtcp } = self.ports;
        write!(f, "\"{host}:{rtp}\"")?;
        if rtcp == rtp { Ok(()) } else { write!(f, "/\"{host}:{rtcp}\"") }
    }
}

/// `a-b`, or `a` alone, which means `a` and the next.
fn two(text: &str) -> Result<(u32, u32), FieldError> {
    let number = |text: &str| match text.trim() {
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse::<u32>().ok(),
        _ => None,
    };
    let (first, second) = match text.split_once('-') {
        Some((first, second)) => (number(first), number(second)),
        None => (number(text), number(text).and_then(|first| first.checked_add(1))),
    };
    first.zip(second).ok_or(error("neither a number nor a pair of numbers"))
}

/// Ports: never 0, the second above the first.
fn ports(text: &str) -> Result<Pair<u16>, FieldError> {
    let (rtp, rtcp) = two(text)?;
    match (u16::try_from(rtp), u16::try_from(rtcp)) {
        (Ok(rtp), Ok(rtcp)) if rtp > 0 && rtcp > rtp => Ok(Pair { rtp, rtcp }),
        _ => Err(error("no pair of ports within 1 to 65535")),
    }
}

fn channels(text: &str) -> Result<Option<Pair<u8>>, FieldError> {
    let (rtp, rtcp) = two(text)?;
    Ok(match (u8::try_from(rtp), u8::try_from(rtcp)) {
        (Ok(rtp), Ok(rtcp)) if rtp != rtcp => Some(Pair { rtp, rtcp }),
        _ => None,
    })
}

/// A name or address without its brackets: nothing that could be taken for more of the field.
fn host(text: &str) -> Result<String, FieldError> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b".:-_%".contains(&byte);
    bare.bytes().all(good).then(|| bare.to_owned()).ok_or(error("neither a host name nor an address"))
}

fn error(reason: &'static str) -> FieldError {
    FieldError { field: "Transport", reason }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.lower {
            Lower::Udp => "RTP/AVP",
            Lower::Tcp => "RTP/AVP/TCP",
        })?;
        match self.delivery {
            Some(Delivery::Unicast) => f.write_str(";unicast")?,
            Some(Delivery::Multicast) => f.write_str(";multicast")?,
            None => {}
        }
        for (name, host) in [("destination", &self.destination), ("source", &self.source)] {
            match host.as_deref() {
                Some("") => write!(f, ";{name}")?,
                Some(host) => write!(f, ";{name}={host}")?,
                None => {}
            }
        }
        if let Some(Pair { rtp, rtcp }) = self.interleaved {
            write!(f, ";interleaved={rtp}-{rtcp}")?;
        }
        let ports = [("port", self.port), ("client_port", self.client_port), ("server_port", self.server_port)];
        for (name, pair) in ports {
            if let Some(Pair { rtp, rtcp }) = pair {
                write!(f, ";{name}={rtp}-{rtcp}")?;
            }
        }
        for (name, addresses) in [("dest_addr", &self.dest_addr), ("src_addr", &self.src_addr)] {
            if let Some(addresses) = addresses {
                write!(f, ";{name}={addresses}")?;
            }
        }
        if let Some(ttl) = self.ttl {
            write!(f, ";ttl={ttl}")?;
        }
        if let Some(ssrc) = self.ssrc {
            write!(f, ";ssrc={ssrc:08X}")?;
        }
        for (said, word) in [(self.append, ";append"), (self.rtcp_mux, ";RTCP-mux")] {
            if said {
                f.write_str(word)?;
            }
        }
        if !self.mode.is_empty() {
            write!(f, ";mode=\"{}\"", self.mode.join(","))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_players_send_is_read_and_what_is_read_is_written() {
        let cases: &[(&str, &str)] = &[
            ("RTP/AVP;unicast;client_port=4588-4589", "RTP/AVP;unicast;client_port=4588-4589"),
            ("RTP/AVP/UDP;unicast;client_port=4588-4589", "RTP/AVP;unicast;client_port=4588-4589"),
            ("rtp/avp/udp;client_port=4588;mode=play", "RTP/AVP;client_port=4588-4589;mode=\"PLAY\""),
            ("RTP/AVP/TCP;unicast;interleaved=0-1", "RTP/AVP/TCP;unicast;interleaved=0-1"),
            ("RTP/AVP/TCP;interleaved=4", "RTP/AVP/TCP;interleaved=4-5"),
            ("RTP/AVP/TCP;unicast;interleaved=255-256", "RTP/AVP/TCP;unicast"),
            (
                "RTP/AVP;unicast;client_port=31336-31337;mode=\"PLAY\"",
                "RTP/AVP;unicast;client_port=31336-31337;mode=\"PLAY\"",
            ),
            ("RTP/AVP; unicast ; client_port = 2-3 ;", "RTP/AVP;unicast;client_port=2-3"),
            ("RTP/AVP;multicast;port=5-6;ttl=127", "RTP/AVP;multicast;port=5-6;ttl=127"),
            ("RTP/AVP;unicast;destination=[::1];client_port=5-6", "RTP/AVP;unicast;destination=::1;client_port=5-6"),
            ("RTP/AVP;unicast;destination;client_port=5-6", "RTP/AVP;unicast;destination;client_port=5-6"),
            ("RTP/AVP;unicast;x-new=\"a;b\";ssrc=1a2b3c4d", "RTP/AVP;unicast;ssrc=1A2B3C4D"),
            ("RTP/AVP;unicast;append;mode=\"PLAY,RECORD\"", "RTP/AVP;unicast;append;mode=\"PLAY,RECORD\""),
            ("RTP/AVP;unicast;mode=\"", "RTP/AVP;unicast"),
            ("RTP/AVP;unicast;dest_addr=\":5000\"/\":5001\"", "RTP/AVP;unicast;dest_addr=\":5000\"/\":5001\""),
            (
                "RTP/AVP/UDP;unicast;dest_addr=\"[::1]:5000\";src_addr=\"h:6\"/\"h:7\"",
                "RTP/AVP;unicast;dest_addr=\"[::1]:5000\"/\"[::1]:5001\";src_addr=\"h:6\"/\"h:7\"",
            ),
            ("RTP/AVP;unicast;dest_addr=\":5\";rtcp-mux", "RTP/AVP;unicast;dest_addr=\":5\"/\":6\";RTCP-mux"),
            ("RTP/AVP;unicast;client_port=5-6;server_port=7-8", "RTP/AVP;unicast;client_port=5-6;server_port=7-8"),
        ];
        for (text, written) in cases {
            let parsed = Transport::parse_list(text);
            assert_eq!(parsed.len(), 1, "{text}");
            let transport = parsed[0].as_ref().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(&transport.to_string(), written, "{text}");
            assert_eq!(Transport::parse_list(written)[0].as_ref(), Ok(transport), "{text}");
        }
    }

    #[test]
    fn a_bad_alternative_spoils_only_itself() {
        let good = "RTP/AVP;unicast;client_port=5-6";
        let bad = [
            "RTP/FOO;unicast;client_port=5-6",
            "RAW/RAW/UDP;unicast",
            "RTP/AVP/SCTP",
            "RTP/AVP/TCP/X",
            "RTP/SAVP",
            "x",
            "RTP/AVP;client_port=0-1",
            "RTP/AVP;client_port=6-5",
            "RTP/AVP;client_port=5-5",
            "RTP/AVP;client_port=65535",
            "RTP/AVP;client_port=65536-65537",
            "RTP/AVP;client_port=a-b",
            "RTP/AVP;client_port=",
            "RTP/AVP;client_port=+5-6",
            "RTP/AVP;ttl=256",
            "RTP/AVP;dest_addr=\"h\"",
            "RTP/AVP;dest_addr=\"h:0\"",
            "RTP/AVP;dest_addr=\"a:5\"/\"b:6\"",
            "RTP/AVP;dest_addr=\":65535\"",
            "RTP/AVP;destination=a b",
            "RTP/AVP/TCP;interleaved=x",
        ];
        for bad in bad {
            let parsed = Transport::parse_list(&format!("{bad},{good}"));
            assert!(parsed.len() == 2 && parsed[0].is_err(), "{bad}");
            assert_eq!(parsed[1].as_ref().expect("the good one").to_string(), good);
        }
        assert_eq!(Transport::parse_list(" , ,").len(), 0);
        assert_eq!(Transport::parse_list(&"x,".repeat(1000)).len(), MAX_ALTERNATIVES);
    }
}
