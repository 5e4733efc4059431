//! The arithmetic of Digest (RFC 7616 section 3.4; without `qop` RFC 2069's).

use crate::headers::Digest;
use crate::message::Request;
use crate::target::Target;
use md5::Md5;
use sha2::{Digest as Hash, Sha256};

/// Which hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// What all players know.
    Md5,
    /// What some do.
    Sha256,
}

impl Algorithm {
    /// As a challenge says it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    fn hash(self, parts: &[&str]) -> Vec<u8> {
        let text = parts.join(":");
        match self {
            Algorithm::Md5 => Md5::digest(text).to_vec(),
            Algorithm::Sha256 => Sha256::digest(text).to_vec(),
        }
    }
}

/// The algorithm of an answer. Where it isn't said its length tells: retina leaves SHA-256 out, though RFC 7616 then means
/// MD5. `None`: one that was not offered.
pub fn algorithm(digest: &Digest) -> Option<Algorithm> {
    match &digest.algorithm {
        Some(name) => [Algorithm::Md5, Algorithm::Sha256].into_iter().find(|it| it.name().eq_ignore_ascii_case(name)),
        None if digest.response.len() == 64 => Some(Algorithm::Sha256),
        None => Some(Algorithm::Md5),
    }
}

/// The hash that stands for a password (3.4.2).
pub fn a1(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> Vec<u8> {
    algorithm.hash(&[user, realm, password])
}

/// What whoever knows the password answers, as hexadecimal digits; `None` where fields are missing or not as offered.
pub fn response(algorithm: Algorithm, a1: &[u8], digest: &Digest, request: &Request) -> Option<String> {
    let method: &str = (&request.method).into();
    let a2 = hex(&algorithm.hash(&[method, &digest.uri]));
    let (a1, nonce) = (hex(a1), digest.nonce.as_str());
    let hash = match &digest.qop {
        None => algorithm.hash(&[&a1, nonce, &a2]),
        Some(qop) if qop == "auth" => {
            algorithm.hash(&[&a1, nonce, digest.nc.as_deref()?, digest.cnonce.as_deref()?, qop, &a2])
        }
        Some(_) => return None,
    };
    Some(hex(&hash))
}

/// Whether an answer was made for this request's URL: players that control a presentation by one URL may name another of
/// the same.
pub fn is_about(digest: &Digest, request: &Request) -> bool {
    let name = |uri: &str| match Target::parse(uri) {
        Ok(Target::Presentation { name, .. }) => Some(name),
        _ => None,
    };
    digest.uri == request.uri || name(&digest.uri).is_some_and(|asked| Some(asked) == name(&request.uri))
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
