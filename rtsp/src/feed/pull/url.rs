//! The URL of a feed, and those that it tells of.

/// An RTSP URL taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FeedUrl {
    /// Without name and password.
    pub(super) uri: String,
    /// `host:port`
    pub(super) authority: String,
    /// Within TLS.
    pub(super) secure: bool,
    /// Name and password within it, decoded.
    pub(super) user: Option<(String, String)>,
}

impl FeedUrl {
    /// `None`: no URL of RTSP over TCP.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let secure = scheme.eq_ignore_ascii_case("rtsps");
        if !(secure || scheme.eq_ignore_ascii_case("rtsp")) || text.chars().any(|char| char.is_control() || char == ' ')
        {
            return None;
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if host.is_empty() {
            return None;
        }
        let bare = host.rsplit_once(':').is_none_or(|(_, port)| port.contains(']'));
        let (scheme, port) = if secure { ("rtsps", 322) } else { ("rtsp", 554) };
        let authority = if bare { format!("{host}:{port}") } else { host.to_owned() };
        let user = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            (decode(name), decode(password))
        });
        Some(Self { uri: format!("{scheme}://{host}{path}"), authority, secure, user })
    }
}

/// What a control means under a base, as players do it: put behind, with a slash between (RFC 2326 C.1.1 has RFC 1808,
/// which comes to the same for bases that end in a slash).
pub(super) fn resolve(base: &str, control: Option<&str>) -> String {
    match control {
        None | Some("*" | "") => base.to_owned(),
        Some(control) if control.contains("://") => control.to_owned(),
        Some(control) if control.starts_with('/') => {
            let host = base
                .split_once("://")
                .map_or(0, |(scheme, rest)| scheme.len() + 3 + rest.find('/').unwrap_or(rest.len()));
            format!("{}{control}", &base[..host])
        }
        Some(control) => format!("{}/{control}", base.strip_suffix('/').unwrap_or(base)),
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.first_chunk::<2>().and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| byte == b'%');
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let user = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        for (text, uri, authority, who) in [
            ("rtsp://h/a", "rtsp://h/a", "h:554", None),
            ("RTSP://h:8554/a?b=c", "rtsp://h:8554/a?b=c", "h:8554", None),
            ("rtsp://u:p%40@h/a", "rtsp://h/a", "h:554", user("u", "p@")),
            ("rtsp://u@[::1]/a", "rtsp://[::1]/a", "[::1]:554", user("u", "")),
            ("rtsp://[::1]:1/a", "rtsp://[::1]:1/a", "[::1]:1", None),
            ("rtsps://u:p@h/a", "rtsps://h/a", "h:322", user("u", "p")),
        ] {
            let secure = text.starts_with("rtsps");
            let expected = FeedUrl { uri: uri.into(), authority: authority.into(), secure, user: who };
            assert_eq!(FeedUrl::parse(text), Some(expected), "{text}");
        }
        for text in ["http://h/a", "rtsp://", "h/a", "rtsp://h/a\r\nx", "rtspu://h/a"] {
            assert_eq!(FeedUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn controls_are_found_under_their_base() {
        for (base, control, expected) in [
            ("rtsp://h/a/", Some("track1"), "rtsp://h/a/track1"),
            ("rtsp://h/a", Some("track1"), "rtsp://h/a/track1"),
            ("rtsp://h/a/", Some("rtsp://h/b"), "rtsp://h/b"),
            ("rtsp://h/a/", Some("/b"), "rtsp://h/b"),
            ("rtsp://h/a/", Some("*"), "rtsp://h/a/"),
            ("rtsp://h/a", None, "rtsp://h/a"),
        ] {
            assert_eq!(resolve(base, control), expected);
        }
    }
}
