//! What is answered to a server that asks who we are (RFC 2617, RFC 7616).

use crate::auth::digest::{self, Algorithm};
use crate::headers::{Authorization, Digest};
use crate::message::{Method, Request, Version};

/// Name, password, and the challenge that was last given.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    user: Option<(String, String)>,
    challenge: Option<Challenge>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Digest { realm: String, nonce: String, algorithm: Option<Algorithm>, qop: bool },
}

impl Credentials {
    pub(super) fn new(user: Option<(String, String)>) -> Self {
        Self { user, challenge: None }
    }

    /// Takes a challenge in; false: there is no other answer than the one that was given.
    pub(super) fn challenged(&mut self, field: &str) -> bool {
        let found = challenge(field);
        let again = self.user.is_some() && found.is_some() && self.challenge != found;
        self.challenge = found;
        again
    }

    /// The field for a request, if one is asked for.
    pub(super) fn field(&self, method: &Method, uri: &str) -> Option<String> {
        let (user, password) = self.user.clone()?;
        let authorization = match self.challenge.clone()? {
            Challenge::Basic => Authorization::Basic { user, password },
            Challenge::Digest { realm, nonce, algorithm, qop } => {
                let hash = algorithm.unwrap_or(Algorithm::Md5);
                let a1 = digest::a1(hash, &user, &realm, &password);
                let mut digest = Digest {
                    username: user,
                    realm,
                    nonce,
                    uri: uri.to_owned(),
                    algorithm: algorithm.map(|algorithm| algorithm.name().to_owned()),
                    ..Digest::default()
                };
                if qop {
                    digest.qop = Some("auth".into());
                    digest.nc = Some("00000001".into());
                    digest.cnonce = Some(format!("{:016x}", rand::random::<u64>()));
                }
                let request = Request {
                    method: method.clone(),
                    version: Version::V1_0,
                    uri: uri.to_owned(),
                    cseq: String::new(),
                    headers: Default::default(),
                    body: Default::default(),
                };
                digest.response = digest::response(hash, &a1, &digest, &request)?;
                Authorization::Digest(Box::new(digest))
            }
        };
        Some(format!("Authorization: {authorization}"))
    }
}

/// The first Digest that we can answer, else Basic. Several challenges may lie on one line.
fn challenge(field: &str) -> Option<Challenge> {
    let lower = field.to_ascii_lowercase();
    let starts: Vec<usize> = lower.match_indices("digest ").map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([field.len()]);
    for (start, end) in starts.iter().zip(ends) {
        let part = field.get(*start..end).unwrap_or_default();
        let algorithm = match parameter(part, "algorithm") {
            None => None,
            Some(name) => {
                let known = [Algorithm::Md5, Algorithm::Sha256].into_iter();
                let Some(known) = known.into_iter().find(|known| known.name().eq_ignore_ascii_case(&name)) else {
                    continue;
                };
                Some(known)
            }
        };
        if let (Some(realm), Some(nonce)) = (parameter(part, "realm"), parameter(part, "nonce")) {
            let qop = parameter(part, "qop").is_some_and(|qop| qop.split(',').any(|word| word.trim() == "auth"));
            return Some(Challenge::Digest { realm, nonce, algorithm, qop });
        }
    }
    lower.contains("basic ").then_some(Challenge::Basic)
}

/// `name="value"` or `name=value`; what could end a field of ours is no value.
fn parameter(text: &str, name: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let pattern = format!("{name}=");
    let found = lower.match_indices(&pattern).map(|(at, _)| at);
    let at = found.into_iter().find(|at| text[..*at].ends_with([' ', ',', '\t']))?;
    let rest = text.get(at + pattern.len()..)?;
    let value = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split([',', ' ']).next()?,
    };
    value.chars().all(|char| !char.is_control() && char != '\\').then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Auth, AuthOptions, Verdict, user};
    use crate::message::{Framer, Incoming};
    use std::time::Instant;

    fn request(method: &str, uri: &str, field: &str) -> Request {
        let mut framer = Framer::new();
        framer.handle(format!("{method} {uri} RTSP/1.0\r\nCSeq: 1\r\n{field}\r\n\r\n").as_bytes());
        match framer.poll() {
            Some(Ok(Incoming::Request(request))) => request,
            other => panic!("{field}: {other:?}"),
        }
    }

    #[test]
    fn our_own_server_believes_us() {
        let now = Instant::now();
        let auth = Auth::new(AuthOptions { basic: true, ..AuthOptions::default() }, now);
        auth.set_users([user("ann", "mobidic", "secret")]);
        let all = auth.challenges(false, false, now);
        for field in [all[0].clone(), all[1].clone(), all[2].clone(), all.join(", "), "Basic realm=\"x\"".into()] {
            for (password, good) in [("secret", true), ("wrong", false)] {
                let mut credentials = Credentials::new(Some(("ann".into(), password.into())));
                assert!(credentials.field(&Method::Describe, "rtsp://h/a").is_none());
                assert!(credentials.challenged(&field), "{field}");
                let answer = credentials.field(&Method::Describe, "rtsp://h/a").unwrap();
                let verdict = auth.judge(&request("DESCRIBE", "rtsp://h/a", &answer), [10, 0, 0, 1].into(), false, now);
                assert_eq!(verdict == Verdict::User("ann".into()), good, "{field}");
                // The same again is of no use.
                assert!(!credentials.challenged(&field));
            }
        }
    }

    #[test]
    fn what_can_not_be_answered_is_not() {
        for field in ["", "Digest realm=\"a\"", "Digest realm=\"a\", nonce=\"b\", algorithm=SHA-512", "Negotiate"] {
            assert!(!Credentials::new(Some(("a".into(), "b".into()))).challenged(field), "{field}");
        }
        assert!(!Credentials::new(None).challenged("Basic realm=\"a\""));
    }
}
