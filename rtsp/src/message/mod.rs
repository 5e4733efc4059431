//! RTSP messages: bytes in, requests out; responses in, bytes out (RFC 2326 sections 4 to 7).
//!
//! | noun | what it is |
//! | --- | --- |
//! | [`Framer`] | cuts one connection's bytes into messages, by named limits |
//! | [`Incoming`] | what it cuts: a request, a response, an interleaved frame |
//! | [`Request`] | one request: raw URI, headers in the order of the wire, body |
//! | [`FrameError`] | bytes that are no message: the status that answers them, and whether the connection is lost |
//! | [`Reply`] | a response of ours: `rtsp-types` is its model and its serializer |
//!
//! Requests do not use `rtsp-types`: it wants a URL that its parser likes, folds repeated headers into
//! one and can neither say 505 nor keep the URI as it came, which RTP-Info needs byte for byte.

mod framer;
mod head;
mod reply;
#[cfg(test)]
mod tests;

pub use framer::{Framer, MAX_BODY, MAX_HEAD, MAX_HEADERS, MAX_REQUEST_LINE};
pub use head::MAX_METHOD;
pub use reply::{ASF_SERVER, CHALLENGES_END, Reply, SERVER, reply, serialize};
pub use rtsp_types::{Method, StatusCode, Version, headers::HeaderName};

use bytes::Bytes;

/// One whole thing that came in on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// To be answered.
    Request(Request),
    /// An answer to something that we asked.
    Response {
        /// As on the status line.
        status: StatusCode,
        /// `None`: the header was not there (ffmpeg's 501 has none).
        cseq: Option<String>,
    },
    /// A `$` frame (RFC 2326 10.12): one RTP or RTCP packet from the viewer.
    Interleaved {
        /// Which channel.
        channel: u8,
        /// Up to 65 535 bytes.
        payload: Bytes,
    },
}

/// A request with a version that we speak (1.0 or 2.0) and exactly one good CSeq.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Case-sensitive; what RFC 2326 doesn't know is an extension.
    pub method: Method,
    /// The answer has it, too.
    pub version: Version,
    /// The request URI as it came: neither decoded nor normalized, without blanks or control characters.
    pub uri: String,
    /// The digits as they came, to be echoed as they are (`007` stays `007`).
    pub cseq: String,
    /// In the order of the wire.
    pub headers: Headers,
    /// As long as Content-Length said, at most [`MAX_BODY`].
    pub body: Bytes,
}

/// Header fields in the order of the wire; names are compared without case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl FromIterator<(String, String)> for Headers {
    /// Names and values, in their order.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl Headers {
    /// The first field of that name.
    pub fn get(&self, name: HeaderName) -> Option<&str> {
        self.all(name).next()
    }

    /// Every field of that name.
    pub fn all(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(have, _)| have.eq_ignore_ascii_case(name.as_str())).map(|(_, value)| value.as_str())
    }

    /// The fields of that name as one list, which is what repeating one means (RFC 2068 4.2).
    pub fn list(&self, name: HeaderName) -> Option<String> {
        let all: Vec<_> = self.all(name).collect();
        (!all.is_empty()).then(|| all.join(","))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn push(&mut self, name: String, value: String) {
        self.0.push((name, value));
    }

    /// Continues the last field; `false` where there is none.
    fn fold(&mut self, more: &str) -> bool {
        let Some((_, value)) = self.0.last_mut() else { return false };
        if !value.is_empty() && !more.is_empty() {
            value.push(' ');
        }
        value.push_str(more);
        true
    }
}

/// Bytes that are not a request that can be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FrameError {
    /// What answers it; `None`: whoever that is doesn't speak RTSP, say nothing.
    pub status: Option<StatusCode>,
    /// Of the bad request, where one good one could be found in it.
    pub cseq: Option<String>,
    /// For the log.
    pub reason: String,
    /// Where the next message starts can't be known: answer, then close.
    pub fatal: bool,
}

impl FrameError {
    fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status: Some(status), cseq: None, reason: reason.into(), fatal: false }
    }

    fn bad(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BadRequest, reason)
    }

    fn fatal(self) -> Self {
        Self { fatal: true, ..self }
    }

    fn silent(reason: impl Into<String>) -> Self {
        Self { status: None, cseq: None, reason: reason.into(), fatal: true }
    }
}
