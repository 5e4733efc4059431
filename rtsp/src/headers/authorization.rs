//! `Authorization` (RFC 2326 section 12.5): Digest (RFC 2069, 2617, 7616) and Basic (RFC 7617).

use super::{FieldError, split_quoted, unquote};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fmt;

/// Bytes of any part that are looked at: an attacker's may be as long as a head.
const MAX_PART: usize = 2048;

/// What a viewer says of itself.
#[derive(Clone, PartialEq, Eq)]
pub enum Authorization {
    /// The password itself.
    Basic {
        /// Without a colon.
        user: String,
        /// As it was typed.
        password: String,
    },
    /// Proof that it knows the password.
    Digest(Box<Digest>),
}

/// The fields of a Digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// Who.
    pub username: String,
    /// Of the challenge.
    pub realm: String,
    /// Of the challenge.
    pub nonce: String,
    /// What was asked for.
    pub uri: String,
    /// Hexadecimal digits.
    pub response: String,
    /// `MD5` where it is not said by RFC 7616; retina leaves out SHA-256, too.
    pub algorithm: Option<String>,
    /// `auth`, or nothing (RFC 2069).
    pub qop: Option<String>,
    /// How often the nonce was used.
    pub nc: Option<String>,
    /// Of the viewer's own making.
    pub cnonce: Option<String>,
}

impl Authorization {
    /// # Errors
    /// Another scheme, a field that is missing or there twice, or no base64.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let (scheme, rest) = text.trim().split_once(' ').ok_or(error("no scheme with its parameters"))?;
        if scheme.eq_ignore_ascii_case("Basic") {
            return basic(rest.trim());
        }
        match scheme.eq_ignore_ascii_case("Digest") {
            true => digest(rest),
            false => Err(error("neither Basic nor Digest")),
        }
    }
}

fn basic(text: &str) -> Result<Authorization, FieldError> {
    if text.len() > MAX_PART {
        return Err(error("too long"));
    }
    let bytes = BASE64.decode(text).map_err(|_| error("no base64"))?;
    let pair = String::from_utf8(bytes).map_err(|_| error("no UTF-8"))?;
    let (user, password) = pair.split_once(':').ok_or(error("no colon between name and password"))?;
    if pair.chars().any(char::is_control) {
        return Err(error("a control character"));
    }
    Ok(Authorization::Basic { user: user.to_owned(), password: password.to_owned() })
}

fn digest(text: &str) -> Result<Authorization, FieldError> {
    let mut fields: Vec<(String, &str)> = Vec::new();
    for part in split_quoted(text, ',').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or(error("a parameter without a value"))?;
        let name = name.trim().to_ascii_lowercase();
        if value.len() > MAX_PART || fields.iter().any(|(have, _)| *have == name) {
            return Err(error("a parameter that is too long, or there twice"));
        }
        fields.push((name, unquote(value.trim())));
    }
    let take = |name: &str| fields.iter().find(|(have, _)| have == name).map(|(_, value)| (*value).to_owned());
    let need = |name: &str| take(name).ok_or(error("username, realm, nonce, uri or response is missing"));
    let digest = Digest {
        username: need("username")?,
        realm: need("realm")?,
        nonce: need("nonce")?,
        uri: need("uri")?,
        response: need("response")?.to_ascii_lowercase(),
        algorithm: take("algorithm"),
        qop: take("qop"),
        nc: take("nc"),
        cnonce: take("cnonce"),
    };
    let all = [&digest.username, &digest.realm, &digest.nonce, &digest.uri, &digest.response];
    let some = [&digest.algorithm, &digest.qop, &digest.nc, &digest.cnonce];
    let bad = |value: &&String| value.contains('"') || value.contains('\\');
    if all.into_iter().chain(some.into_iter().flatten()).any(|value| bad(&value)) {
        return Err(error("a quote within a value"));
    }
    Ok(Authorization::Digest(Box::new(digest)))
}

fn error(reason: &'static str) -> FieldError {
    FieldError { field: "Authorization", reason }
}

impl fmt::Debug for Authorization {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Authorization::Basic { user, .. } => f.debug_struct("Basic").field("user", user).finish_non_exhaustive(),
            Authorization::Digest(digest) => digest.fmt(f),
        }
    }
}

impl fmt::Display for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Authorization::Basic { user, password } => {
                write!(f, "Basic {}", BASE64.encode(format!("{user}:{password}")))
            }
            Authorization::Digest(digest) => {
                let Digest { username, realm, nonce, uri, response, algorithm, qop, nc, cnonce } = &**digest;
                write!(f, "Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\"")?;
                write!(f, ", response=\"{response}\"")?;
                for (name, value) in [("algorithm", algorithm), ("qop", qop), ("nc", nc), ("cnonce", cnonce)] {
                    if let Some(value) = value {
                        write!(f, ", {name}=\"{value}\"")?;
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_players_say_of_themselves_is_read_and_written() {
        let digest = r#"Digest username="lab", realm="lab", nonce="b3", uri="rtsp://h/f", response="65E6""#;
        let cases = [
            "Basic bGFiOnNlY3JldA==".to_owned(),
            "basic  bGFiOnM6ZWNyZXQ=".to_owned(),
            digest.to_owned(),
            format!(r#"{digest}, algorithm="MD5", qop="auth", cnonce="bd", nc=00000001"#),
            format!("{digest},opaque=\"\",algorithm=SHA-256"),
        ];
        for text in cases {
            let parsed = Authorization::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(Authorization::parse(&parsed.to_string()), Ok(parsed), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_an_error() {
        for text in [
            "",
            "Basic",
            "Basic ***",
            "Basic bGFi",
            "Basic bGE6AA==",
            "Bearer x",
            "Digest",
            "Digest username=\"a\"",
            "Digest username=\"a\", username=\"a\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"0\"",
            "Digest username=\"a\\\"b\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"0\"",
            &format!("Digest username=\"{}\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"0\"", "a".repeat(5000)),
        ] {
            assert!(Authorization::parse(text).is_err(), "{text}");
        }
    }
}
