//! Who may watch and publish: Digest (RFC 2617, 7616) and, where nobody listens, Basic (RFC 7617).
//!
//! | noun | what it is |
//! | --- | --- |
//! | [`Auth`] | the users, the challenges, the judgement on a request |
//! | [`Verdict`] | who asks, or why nobody |
//! | [`AuthOptions`] | realm, how long a nonce is good, what is allowed |
//! | [`digest`] | the arithmetic of Digest |
//!
//! No state but the users and a count of failures: a nonce is the time and a keyed hash over it, so any of them can be
//! checked by whoever has the key. No clock: `now` is an argument.

mod attempts;
pub mod digest;
#[cfg(test)]
mod tests;

use crate::headers::Authorization;
use crate::message::Request;
use attempts::Attempts;
use catalog::db::User;
use digest::Algorithm;
use rtsp_types::headers::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;

/// How viewers are told apart.
#[derive(Clone, Debug)]
pub struct AuthOptions {
    /// What the passwords are for; hashes are made with it.
    pub realm: String,
    /// Ask for a password even while there is no user: then nobody may watch.
    pub required: bool,
    /// Take Basic on connections that others can read, too.
    pub basic: bool,
    /// A nonce older than this is stale.
    pub nonce_lifetime: Duration,
    /// Wrong passwords from one address within a minute, after which it has to wait.
    pub attempts: u32,
}

impl Default for AuthOptions {
    fn default() -> Self {
        let nonce_lifetime = Duration::from_secs(300);
        Self { realm: "mobidic".into(), required: false, basic: false, nonce_lifetime, attempts: 20 }
    }
}

/// The users and what is needed to know them again.
pub struct Auth {
    options: AuthOptions,
    key: [u8; 32],
    start: Instant,
    users: RwLock<HashMap<String, User>>,
    attempts: Mutex<Attempts>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody needs to say.
    Open,
    /// This user.
    User(String),
    /// Somebody who has to prove it first; `stale`: it has, with a nonce that was good once.
    Ask {
        /// The same password will do with a new nonce.
        stale: bool,
    },
    /// Somebody who has guessed too often.
    Wait,
    /// What it says can't be read; why is for the log.
    Bad(&'static str),
}

impl Auth {
    /// Without users.
    pub fn new(options: AuthOptions, now: Instant) -> Self {
        let attempts = Mutex::new(Attempts::new(options.attempts));
        Self { options, key: rand::random(), start: now, users: RwLock::default(), attempts }
    }

    /// These are all users from now on; those of another realm can't log in.
    pub fn set_users(&self, users: impl IntoIterator<Item = User>) {
        let users = users.into_iter().map(|user| (user.name.clone(), user)).collect();
        *self.users.write().unwrap_or_else(PoisonError::into_inner) = users;
    }

    /// Whether this user may bring channels; where nobody needs to say who asks, everybody may.
    pub fn may_publish(&self, user: Option<&str>) -> bool {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        user.is_none_or(|name| users.get(name).is_some_and(|user| user.publishes))
    }

    /// What passwords are for.
    pub fn realm(&self) -> &str {
        &self.options.realm
    }

    /// Who asks. `secure`: nobody else can read this connection.
    pub fn judge(&self, request: &Request, peer: IpAddr, secure: bool, now: Instant) -> Verdict {
        let nobody = self.users.read().unwrap_or_else(PoisonError::into_inner).is_empty();
        if nobody && !self.options.required {
            return Verdict::Open;
        }
        if self.attempts().must_wait(peer, now) {
            return Verdict::Wait;
        }
        let Some(field) = request.headers.get(AUTHORIZATION) else { return Verdict::Ask { stale: false } };
        let authorization = match Authorization::parse(field) {
            Ok(authorization) => authorization,
            Err(error) => return Verdict::Bad(error.reason),
        };
        let (name, good) = match &authorization {
            Authorization::Basic { user, password } if secure || self.options.basic => {
                let given = digest::a1(Algorithm::Sha256, user, &self.options.realm, password);
                (user, self.a1(user, Algorithm::Sha256).ct_eq(&given).into())
            }
            Authorization::Basic { .. } => return Verdict::Ask { stale: false },
            Authorization::Digest(digest) => {
                let algorithm = digest::algorithm(digest);
                let good = algorithm.is_some_and(|algorithm| {
                    let right = digest::response(algorithm, &self.a1(&digest.username, algorithm), digest, request);
                    digest.realm == self.options.realm
                        && digest::is_about(digest, request)
                        && right.is_some_and(|right| right.as_bytes().ct_eq(digest.response.as_bytes()).into())
                });
                // Of another day, or made by who we were before: it knows the password all the same.
                if good && self.age(&digest.nonce, now).is_none_or(|age| age > self.options.nonce_lifetime) {
                    return Verdict::Ask { stale: true };
                }
                (&digest.username, good)
            }
        };
        if good {
            return Verdict::User(name.clone());
        }
        tracing::warn!(user = name, %peer, "refused: wrong name or password");
        self.attempts().failed(peer, now);
        Verdict::Ask { stale: false }
    }

    /// The values of `WWW-Authenticate`, best first: players that know only MD5 take the last Digest (ffmpeg), those that
    /// know both take the first.
    pub fn challenges(&self, stale: bool, secure: bool, now: Instant) -> Vec<String> {
        let (realm, nonce) = (&self.options.realm, self.nonce(now));
        let stale = if stale { ", stale=true" } else { "" };
        let digest = |algorithm: Algorithm| {
            // live555 reads realm and nonce in this order only.
            let name = algorithm.name();
            format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={name}, qop=\"auth\"{stale}")
        };
        let mut challenges = vec![digest(Algorithm::Sha256), digest(Algorithm::Md5)];
        if secure || self.options.basic {
            challenges.push(format!("Basic realm=\"{realm}\""));
        }
        challenges
    }

    fn nonce(&self, now: Instant) -> String {
        let seconds = now.saturating_duration_since(self.start).as_secs();
        format!("{seconds:016x}{}", self.seal(seconds))
    }

    /// How old a nonce of ours is; `None`: it is none.
    fn age(&self, nonce: &str, now: Instant) -> Option<Duration> {
        let (seconds, seal) = nonce.split_at_checked(16)?;
        let seconds = u64::from_str_radix(seconds, 16).ok()?;
        let ours: bool = self.seal(seconds).as_bytes().ct_eq(seal.as_bytes()).into();
        let age = now.saturating_duration_since(self.start).saturating_sub(Duration::from_secs(seconds));
        ours.then_some(age)
    }

    fn seal(&self, seconds: u64) -> String {
        let hash = Sha256::new().chain_update(self.key).chain_update(seconds.to_be_bytes()).finalize();
        digest::hex(&hash[..16])
    }

    /// What is known of a user's password. Of nobody's, too: how long the answer takes must not tell.
    fn a1(&self, name: &str, algorithm: Algorithm) -> Vec<u8> {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        match (users.get(name).filter(|user| user.realm == self.options.realm), algorithm) {
            (Some(user), Algorithm::Md5) => user.md5.to_vec(),
            (Some(user), Algorithm::Sha256) => user.sha256.to_vec(),
            // Nobody's hash is the key: as good as random.
            (None, Algorithm::Md5) => self.key[..16].to_vec(),
            (None, Algorithm::Sha256) => self.key.to_vec(),
        }
    }

    fn attempts(&self) -> std::sync::MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A user as the catalog keeps it, who may watch.
pub fn user(name: &str, realm: &str, password: &str) -> User {
    let a1 = |algorithm| digest::a1(algorithm, name, realm, password);
    User {
        name: name.to_owned(),
        realm: realm.to_owned(),
        md5: a1(Algorithm::Md5).try_into().unwrap_or_default(),
        sha256: a1(Algorithm::Sha256).try_into().unwrap_or_default(),
        publishes: false,
    }
}
