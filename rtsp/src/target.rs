//! What a request URI names (RFC 2326 section 3.2).

use crate::sdp::CONTROL;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `*`, or a URL without a path: the server itself.
    Server,
    /// A presentation, or one of its tracks.
    Presentation {
        /// Decoded.
        name: String,
        /// The id in its control URL; `None`: all of it.
        track: Option<u32>,
        /// The presentation's URL as it came, without query, ending in a slash: for `Content-Base`.
        base: String,
    },
}

/// It is no absolute RTSP URL, or escapes something that no name has: 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadTarget;

impl Target {
    /// Takes a request URI apart. The host is not looked at; what follows `?` neither, but that players put
    /// the control there too when they add it to a URL with a query.
    ///
    /// # Errors
    /// See [`BadTarget`].
    pub fn parse(uri: &str) -> Result<Self, BadTarget> {
        if uri == "*" {
            return Ok(Target::Server);
        }
        let (scheme, rest) = uri.split_once("://").ok_or(BadTarget)?;
        if !["rtsp", "rtspu", "rtsps"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(BadTarget);
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() {
            return Err(BadTarget);
        }
        let (path, track) = split_track(path);
        let path = path.split('?').next().unwrap_or_default();
        let path = path.strip_suffix('/').unwrap_or(path);
        let name = decode(path.strip_prefix('/').unwrap_or(path))?;
        if name.is_empty() {
            return Ok(Target::Server);
        }
        Ok(Target::Presentation { name, track, base: format!("{scheme}://{authority}{path}/") })
    }
}

/// The URL of a presentation on `authority` (`host[:port]`).
pub fn presentation_url(authority: &str, name: &str) -> String {
    let mut url = format!("rtsp://{authority}/");
    for byte in name.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            true => url.push(char::from(byte)),
            false => url += &format!("%{byte:02X}"),
        }
    }
    url
}

/// `/film/track1` is track 1 of `/film`; so is `/film?query/track1`.
fn split_track(path: &str) -> (&str, Option<u32>) {
    let Some(at) = path.rfind(CONTROL) else { return (path, None) };
    let (before, control) = path.split_at(at);
    let Some(before) = before.strip_suffix('/') else { return (path, None) };
    let digits = control[CONTROL.len()..].split(['/', '?']).next().unwrap_or_default();
    match digits.parse() {
        Ok(track) if digits.bytes().all(|byte| byte.is_ascii_digit()) => (before, Some(track)),
        _ => (path, None),
    }
}

fn decode(text: &str) -> Result<String, BadTarget> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = after.first_chunk::<2>().and_then(|digits| str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())).ok_or(BadTarget)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| BadTarget)?);
        rest = &after[2..];
    }
    let name = String::from_utf8(bytes).map_err(|_| BadTarget)?;
    // No name climbs: names are looked up in the catalog, but who asks so means harm.
    let climbs = name.split(['/', '\\']).any(|segment| segment == ".." || segment == ".");
    if climbs || name.chars().any(char::is_control) { Err(BadTarget) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_presentation_or_a_track() {
        let cases: &[(&str, &str, Option<u32>, &str)] = &[
            ("rtsp://h/film", "film", None, "rtsp://h/film/"),
            ("rtsp://h:8554/film/", "film", None, "rtsp://h:8554/film/"),
            ("RTSP://[::1]:8554/film/track2", "film", Some(2), "RTSP://[::1]:8554/film/"),
            ("rtsp://user:word@h/film/track2/", "film", Some(2), "rtsp://user:word@h/film/"),
            ("rtsp://h/film?a=b", "film", None, "rtsp://h/film/"),
            ("rtsp://h/film?a=b/track1", "film", Some(1), "rtsp://h/film/"),
            ("rtsp://h/film/track1?a=b", "film", Some(1), "rtsp://h/film/"),
            ("rtsp://h/a%20film%C3%A9", "a filmé", None, "rtsp://h/a%20film%C3%A9/"),
            ("rtsp://h/folder/film", "folder/film", None, "rtsp://h/folder/film/"),
            ("rtsp://h//etc/passwd", "/etc/passwd", None, "rtsp://h//etc/passwd/"),
            ("rtsp://h/film/trackx", "film/trackx", None, "rtsp://h/film/trackx/"),
            ("rtsp://h/filmtrack1", "filmtrack1", None, "rtsp://h/filmtrack1/"),
            ("rtsp://h/film/track99999999999", "film/track99999999999", None, "rtsp://h/film/track99999999999/"),
        ];
        for (uri, name, track, base) in cases {
            let expected = Target::Presentation { name: (*name).into(), track: *track, base: (*base).into() };
            assert_eq!(Target::parse(uri), Ok(expected), "{uri}");
        }
        for uri in ["*", "rtsp://h", "rtsp://h/", "rtsp://h:8554?x"] {
            assert_eq!(Target::parse(uri), Ok(Target::Server), "{uri}");
        }
    }

    #[test]
    fn what_climbs_or_is_no_url_is_bad() {
        for uri in [
            "/film",
            "film",
            "http://h/film",
            "rtsp:///film",
            "rtsp://",
            "rtsp://h/%",
            "rtsp://h/%zz",
            "rtsp://h/%+1",
            "rtsp://h/a%00b",
            "rtsp://h/../etc",
            "rtsp://h/%2e%2e/etc",
            "rtsp://h/..%2fetc",
            "rtsp://h/a/./b",
            "rtsp://h/..\\etc",
            "rtsp://h/%ff",
        ] {
            assert_eq!(Target::parse(uri), Err(BadTarget), "{uri}");
        }
    }

    #[test]
    fn a_name_comes_back_from_its_url() {
        for name in ["film", "a film", "50%", "é?#/x", "a+b&c"] {
            let target = Target::parse(&presentation_url("h:1", name)).expect("a good URL");
            assert!(matches!(target, Target::Presentation { name: back, .. } if back == name), "{name}");
        }
    }
}
