//! What the server offers: found out once before the cases, so that each can be skipped with a reason.

use crate::suite::{
    case::{Verdict, fail},
    context::Options,
    description::Description,
    digest::Credentials,
    message::{Request, Response},
    record::Record,
    wire::Wire,
};
use std::net::{SocketAddr, ToSocketAddrs};

/// What was found.
#[derive(Clone, Debug)]
pub struct Offer {
    /// As given, without user and password.
    pub url: String,
    /// Path of the URL, without the slash before it.
    pub name: String,
    /// `rtsp://host:port`.
    pub root: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Host name, where the URL is `rtsps`.
    pub tls: Option<String>,
    /// Methods of Public.
    pub public: Vec<String>,
    /// The answer to DESCRIBE.
    pub describe: Response,
    /// What it describes; without tracks where it wasn't 200.
    pub description: Description,
    /// The tracks' URLs, as clients make them.
    pub controls: Vec<String>,
    /// The aggregate URL.
    pub aggregate: String,
    /// Seconds, where the description states both ends.
    pub length: Option<f64>,
    /// Neither end nor length: `a=range:npt=now-`, or no range.
    pub live: bool,
    /// DESCRIBE without credentials was answered 401.
    pub protected: bool,
    /// An RTSP/2.0 OPTIONS was answered in 2.0.
    pub version2: bool,
    /// SETUP took UDP.
    pub udp: bool,
    /// SETUP took interleaving.
    pub tcp: bool,
    /// The answer to a multicast SETUP that was taken.
    pub multicast: Option<Response>,
    /// Session timeout in seconds, as SETUP stated it.
    pub timeout: u64,
}

/// A session's timeout where the answer states none (RFC 2326 12.37).
const DEFAULT_TIMEOUT: u64 = 60;

impl Offer {
    /// Asks the server. An error means that it can't be reached or doesn't speak RTSP.
    pub fn discover(url: &str, options: &Options) -> Verdict<Self> {
        let record = Record::default();
        let (scheme, host, address, name) = locate(url)?;
        let root = format!("{scheme}://{host}");
        let url = format!("{root}/{name}");
        let tls = (scheme == "rtsps").then(|| host.rsplit_once(':').map_or(host.clone(), |(name, _)| name.to_owned()));
        let connect = || -> Verdict<Wire> {
            let mut wire = Wire::connect(address, tls.as_deref(), &record, options)?;
            wire.credentials = options.credentials.as_ref().map(|(user, word)| Credentials::new(user, word));
            Ok(wire)
        };
        let mut wire = connect()?;
        let public = wire.ask(&Request::new("OPTIONS", &url))?.list("Public");
        let accept = |request: Request| request.header("Accept", "application/sdp");
        wire.credentials = None;
        let bare = wire.ask(&accept(Request::new("DESCRIBE", &url)))?;
        let mut wire = connect()?;
        let describe = match bare.status {
            401 if options.credentials.is_some() => wire.ask(&accept(Request::new("DESCRIBE", &url)))?,
            _ => bare.clone(),
        };
        let description = match describe.status {
            200 => Description::read(&describe.text()),
            _ => Description::default(),
        };
        let base = describe.header("Content-Base").or(describe.header("Content-Location")).unwrap_or(&url).to_owned();
        let controls = description.media.iter().map(|m| resolve(&base, m.attribute("control").unwrap_or(""))).collect();
        let aggregate = match description.attribute("control") {
            Some("*") | None => base.clone(),
            Some(control) => resolve(&base, control),
        };
        let length = description.range().and_then(|(start, end)| Some(end? - start)).filter(|length| *length > 0.0);
        let mut offer = Self {
            live: length.is_none() && !description.media.is_empty(),
            protected: bare.status == 401,
            version2: speaks_2(connect()?, &url),
            udp: false,
            tcp: false,
            multicast: None,
            timeout: DEFAULT_TIMEOUT,
            url,
            name,
            root,
            address,
            tls: tls.clone(),
            public,
            describe,
            description,
            controls,
            aggregate,
            length,
        };
        offer.try_transports(&connect)?;
        Ok(offer)
    }

    fn try_transports(&mut self, connect: &dyn Fn() -> Verdict<Wire>) -> Verdict {
        let Some(control) = self.controls.first().cloned() else { return Ok(()) };
        let ask = |transport: &str| -> Option<Response> {
            let mut wire = connect().ok()?;
            let answer = wire.ask(&Request::new("SETUP", &control).header("Transport", transport)).ok()?;
            if let Some(id) = answer.session() {
                let _ = wire.ask(&Request::new("TEARDOWN", &self.aggregate).header("Session", id));
            }
            (answer.status == 200).then_some(answer)
        };
        self.tcp = ask("RTP/AVP/TCP;unicast;interleaved=0-1").is_some();
        let udp = ask("RTP/AVP;unicast;client_port=40000-40001");
        self.udp = udp.is_some();
        self.multicast =
            ask("RTP/AVP;multicast").filter(|answer| answer.header("Transport").unwrap_or("").contains("multicast"));
        let stated = udp.as_ref().and_then(|answer| answer.parameter("Session", "timeout")?.parse().ok());
        self.timeout = stated.unwrap_or(DEFAULT_TIMEOUT);
        Ok(())
    }
}

/// Scheme, host with port, address, path.
fn locate(url: &str) -> Verdict<(String, String, SocketAddr, String)> {
    let wrong = || fail("a URL like rtsp://host:port/name", url);
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let port = match scheme {
        "rtsp" => 554,
        "rtsps" => 322,
        _ => return Err(wrong()),
    };
    let (host, name) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let ported = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let host = if ported { host.to_owned() } else { format!("{host}:{port}") };
    let address = host.to_socket_addrs().ok().and_then(|mut all| all.next()).ok_or_else(|| fail("a host", url))?;
    Ok((scheme.to_owned(), host, address, name.to_owned()))
}

/// A control URL as clients make it: joined to the base with one slash, never merged (ffmpeg, live555, GStreamer).
pub fn resolve(base: &str, control: &str) -> String {
    match control {
        "" | "*" => base.to_owned(),
        control if control.contains("://") => control.to_owned(),
        control => format!("{}/{}", base.trim_end_matches('/'), control.trim_start_matches('/')),
    }
}

fn speaks_2(mut wire: Wire, url: &str) -> bool {
    let request = Request::new("OPTIONS", url).version("RTSP/2.0");
    wire.ask(&request).is_ok_and(|answer| answer.status == 200 && answer.version == "RTSP/2.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_joined_with_one_slash() {
        let cases = [
            ("rtsp://h/a/", "trackID=1", "rtsp://h/a/trackID=1"),
            ("rtsp://h/a", "trackID=1", "rtsp://h/a/trackID=1"),
            ("rtsp://h/a/", "/t", "rtsp://h/a/t"),
            ("rtsp://h/a", "*", "rtsp://h/a"),
            ("rtsp://h/a", "rtsp://o/b", "rtsp://o/b"),
        ];
        for (base, control, url) in cases {
            assert_eq!(resolve(base, control), url);
        }
    }

    #[test]
    fn urls_are_taken_apart() {
        let (scheme, host, address, name) = locate("rtsp://u:p@127.0.0.1/a/b?c=1").unwrap();
        assert_eq!(
            (scheme.as_str(), host.as_str(), address.port(), name.as_str()),
            ("rtsp", "127.0.0.1:554", 554, "a/b?c=1")
        );
        for wrong in ["http://h/", "nothing", "rtsp://"] {
            assert!(locate(wrong).is_err(), "{wrong}");
        }
    }
}
