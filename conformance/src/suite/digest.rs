//! Credentials of a client: Basic (RFC 7617) and Digest (RFC 2617, RFC 7616), computed here and nowhere else.

use crate::suite::message::Response;
use base64::Engine;
use md5::{Digest, Md5};
use sha2::Sha256;

/// A user, and what the server last asked of it.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Name.
    pub user: String,
    /// Password.
    pub password: String,
    /// The challenge to answer.
    pub challenge: Option<Challenge>,
    count: u32,
}

/// One WWW-Authenticate header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// `Basic` or `Digest`, as written.
    pub scheme: String,
    /// In its order, quotes taken off.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Reads a WWW-Authenticate value.
    pub fn read(value: &str) -> Self {
        let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
        let mut parameters = Vec::new();
        let mut rest = rest.trim();
        while let Some((name, after)) = rest.split_once('=') {
            let (value, next) = match after.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
                Some((value, next)) => (value, next.trim_start().strip_prefix(',').unwrap_or("")),
                None => after.split_once(',').unwrap_or((after, "")),
            };
            parameters.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            rest = next.trim();
        }
        Self { scheme: scheme.to_owned(), parameters }
    }

    /// A parameter by its name in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All challenges of an answer.
    pub fn all(response: &Response) -> Vec<Self> {
        let headers = response.headers.iter();
        headers.filter(|(name, _)| name.eq_ignore_ascii_case("WWW-Authenticate")).map(|(_, v)| Self::read(v)).collect()
    }
}

impl Credentials {
    /// Of a user who was not yet asked.
    pub fn new(user: &str, password: &str) -> Self {
        Self { user: user.into(), password: password.into(), challenge: None, count: 0 }
    }

    /// Takes the strongest challenge of a 401 that can be answered; `false` where there is none.
    pub fn challenge(&mut self, response: &Response) -> bool {
        let rank = |challenge: &Challenge| match (
            challenge.scheme.to_ascii_lowercase().as_str(),
            challenge.get("algorithm"),
        ) {
            ("digest", Some(name)) if name.eq_ignore_ascii_case("SHA-256") => 3,
            ("digest", None) => 2,
            ("digest", Some(name)) if name.eq_ignore_ascii_case("MD5") => 2,
            ("basic", _) => 1,
            _ => 0,
        };
        let best = Challenge::all(response).into_iter().max_by_key(rank).filter(|challenge| rank(challenge) > 0);
        let found = best.is_some();
        if found {
            self.challenge = best;
        }
        found
    }

    /// The Authorization value for a request; `None` before any challenge.
    pub fn answer(&mut self, method: &str, uri: &str) -> Option<String> {
        let challenge = self.challenge.clone()?;
        if challenge.scheme.eq_ignore_ascii_case("basic") {
            let pair = format!("{}:{}", self.user, self.password);
            return Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)));
        }
        self.count += 1;
        let qop = challenge.get("qop").is_some_and(|list| list.split(',').any(|item| item.trim() == "auth"));
        Some(digest(&challenge, &self.user, &self.password, method, uri, qop.then_some(self.count)))
    }
}

/// A Digest Authorization value; `count` is there with qop=auth (RFC 7616 3.4), absent in the style of RFC 2069.
pub fn digest(
    challenge: &Challenge,
    user: &str,
    password: &str,
    method: &str,
    uri: &str,
    count: Option<u32>,
) -> String {
    let algorithm = challenge.get("algorithm");
    let sha = algorithm.is_some_and(|name| name.eq_ignore_ascii_case("SHA-256"));
    let hash = |text: String| if sha { hex(&Sha256::digest(text)) } else { hex(&Md5::digest(text)) };
    let (realm, nonce) = (challenge.get("realm").unwrap_or(""), challenge.get("nonce").unwrap_or(""));
    let (ha1, ha2) = (hash(format!("{user}:{realm}:{password}")), hash(format!("{method}:{uri}")));
    let mut value = format!("Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", ");
    match count {
        Some(count) => {
            let (nc, cnonce) = (format!("{count:08x}"), "6d6f6269646963");
            let response = hash(format!("{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}"));
            value.push_str(&format!("response=\"{response}\", qop=auth, nc={nc}, cnonce=\"{cnonce}\""));
        }
        None => value.push_str(&format!("response=\"{}\"", hash(format!("{ha1}:{nonce}:{ha2}")))),
    }
    if let Some(opaque) = challenge.get("opaque") {
        value.push_str(&format!(", opaque=\"{opaque}\""));
    }
    if let Some(algorithm) = algorithm {
        value.push_str(&format!(", algorithm={algorithm}"));
    }
    value
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2617 3.5 (with its cnonce and count) can't be said here, so the style of RFC 2069 is checked with the value
    /// that its erratum gives.
    #[test]
    fn digests_are_those_of_the_rfc() {
        let challenge = Challenge::read(
            "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc0\"",
        );
        let value = digest(&challenge, "Mufasa", "CircleOfLife", "GET", "/dir/index.html", None);
        assert!(value.contains("response=\"1949323746fe6a43ef61f9606e7febea\""), "{value}");
        assert!(value.ends_with("opaque=\"5ccc0\""), "{value}");
    }

    #[test]
    fn challenges_are_read_with_and_without_quotes() {
        let challenge = Challenge::read("Digest realm=\"a, b\", nonce=n1,qop=\"auth,auth-int\" , stale=true");
        let read = ["realm", "nonce", "qop", "stale"].map(|name| challenge.get(name).unwrap_or("-"));
        assert_eq!((challenge.scheme.as_str(), read), ("Digest", ["a, b", "n1", "auth,auth-int", "true"]));
    }
}
