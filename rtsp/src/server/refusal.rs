//! Why a request is refused.

use super::Step;
use crate::message::{StatusCode, reply};
use rtsp_types::headers::{ALLOW, HeaderName};
use std::borrow::Cow;

/// Why a request is refused; `reason` is for the log.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) reason: Cow<'static, str>,
    /// What would have been allowed.
    pub(super) fields: Vec<(HeaderName, String)>,
    pub(super) body: Option<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, reason: impl Into<Cow<'static, str>>) -> Box<Self> {
        Box::new(Self { status, reason: reason.into(), fields: Vec::new(), body: None })
    }

    pub(super) fn field(mut self: Box<Self>, name: HeaderName, value: impl Into<String>) -> Box<Self> {
        self.fields.push((name, value.into()));
        self
    }

    /// The reason goes to the asker, too: who publishes is helped by it.
    pub(super) fn told(mut self: Box<Self>) -> Box<Self> {
        self.body = Some(("text/plain", format!("{}\r\n", self.reason)));
        self
    }

    pub(super) fn bad(error: impl ToString) -> Box<Self> {
        Self::new(StatusCode::BadRequest, error.to_string())
    }

    pub(super) fn no_session() -> Box<Self> {
        Self::new(StatusCode::SessionNotFound, "no such session")
    }

    /// 455 says what is valid instead (RFC 2326 11.3.6).
    pub(super) fn wrong_state(allowed: &str) -> Box<Self> {
        Self::new(StatusCode::MethodNotValidInThisState, format!("valid in this state: {allowed}"))
            .field(ALLOW, allowed)
    }

    pub(super) fn into_step(self) -> Step {
        tracing::info!(status = u16::from(self.status), reason = %self.reason, "refused");
        let mut reply = reply(self.status);
        for (name, value) in self.fields {
            reply.insert_header(name, value);
        }
        if let Some((kind, body)) = self.body {
            reply.insert_header(rtsp_types::headers::CONTENT_TYPE, kind);
            reply = reply.replace_body(body.into_bytes());
        }
        Step::done(reply)
    }
}
