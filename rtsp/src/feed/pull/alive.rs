//! How a session at somebody else's server is kept alive.

use crate::message::{Method, StatusCode};
use std::time::Duration;

/// A server that may be a front is asked at least so often whether the feed comes from us by now.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// A session without a stated timeout has this one (RFC 2326 12.37).
const USUAL_TIMEOUT_S: u32 = 60;

/// Characters of a session's name. It goes back with each request.
const MAX_ID: usize = 256;

/// A session of a server's, which may name it as it likes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeptSession {
    /// As it is given back.
    pub(super) id: String,
    timeout_s: u32,
}

impl KeptSession {
    /// Of the field's value. RFC 2326 3.4 has few characters, and cameras have others.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let id = parts.next().filter(|id| !id.is_empty() && id.len() <= MAX_ID && !id.chars().any(char::is_control))?;
        let timeout = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("timeout").then(|| value.trim().parse().ok())?
        });
        Some(Self { id: id.to_owned(), timeout_s: timeout.unwrap_or(USUAL_TIMEOUT_S) })
    }
}

/// How often a session needs a sign of life: twice within its timeout.
pub(super) fn every(session: Option<&KeptSession>) -> Duration {
    let timeout = session.map_or(USUAL_TIMEOUT_S, |session| session.timeout_s);
    (Duration::from_secs(timeout.max(2).into()) / 2).min(ASK_EVERY)
}

/// By which method a server is told that somebody is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alive(Method);

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It knows.
    Heard,
    /// It does not know that method: it is told by another.
    Unknown,
    /// It wants to know again who we are.
    Unproved,
    /// There is no such session any more.
    Over,
}

impl Default for Alive {
    fn default() -> Self {
        Self(Method::GetParameter)
    }
}

impl Alive {
    /// By what the server says that it knows, `Public`: GET_PARAMETER is meant for it (RFC 2326 10.8), OPTIONS is what all
    /// have, and some close the connection where they are asked anything else.
    pub(super) fn new(public: Option<&str>) -> Self {
        let knows = |public: &str| public.split(',').any(|word| word.trim().eq_ignore_ascii_case("GET_PARAMETER"));
        Self(if public.is_none_or(knows) { Method::GetParameter } else { Method::Options })
    }

    pub(super) fn method(&self) -> Method {
        self.0.clone()
    }

    /// What the server answered.
    pub(super) fn answered(&mut self, status: StatusCode) -> Sign {
        match status {
            StatusCode::SessionNotFound => Sign::Over,
            StatusCode::Unauthorized => Sign::Unproved,
            _ if self.0 == Method::GetParameter && u16::from(status) >= 400 => {
                self.0 = Method::Options;
                Sign::Unknown
            }
            // What else it dislikes of OPTIONS says nothing about the session.
            _ => Sign::Heard,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_have_the_names_that_servers_give() {
        for (text, id, every_s) in [
            ("12345678", "12345678", 10.0),
            ("{0A-1}=/~ ; Timeout = 6", "{0A-1}=/~", 3.0),
            ("a;timeout=0", "a", 1.0),
            ("a;timeout=x", "a", 10.0),
        ] {
            let session = KeptSession::parse(text).unwrap();
            assert_eq!((session.id.as_str(), every(Some(&session)).as_secs_f64()), (id, every_s), "{text}");
        }
        for text in ["", " ;timeout=5", "a\u{1}b", &"x".repeat(300)] {
            assert_eq!(KeptSession::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_server_is_told_by_what_it_knows() {
        let (get, options) = (Method::GetParameter, Method::Options);
        for (public, status, before, sign, after) in [
            (None, 200, &get, Sign::Heard, &get),
            (Some("OPTIONS, get_parameter"), 200, &get, Sign::Heard, &get),
            (Some("OPTIONS, DESCRIBE, SETUP, PLAY"), 200, &options, Sign::Heard, &options),
            (None, 501, &get, Sign::Unknown, &options),
            (None, 405, &get, Sign::Unknown, &options),
            (Some("OPTIONS"), 501, &options, Sign::Heard, &options),
            (None, 454, &get, Sign::Over, &get),
            (None, 401, &get, Sign::Unproved, &get),
        ] {
            let mut alive = Alive::new(public);
            assert_eq!(&alive.method(), before, "{public:?}");
            assert_eq!(alive.answered(StatusCode::from(status)), sign, "{public:?} {status}");
            assert_eq!(&alive.method(), after, "{public:?} {status}");
        }
    }
}
