//! What a connection says first, until it is whole.

use crate::message::{FrameError, Framer, Incoming};
use crate::net::tls;
use crate::net::tunnel::{Kind, http};

/// What came first on a connection.
#[derive(Debug)]
pub(super) enum Said {
    /// A message or what is none, and the framer that cut it off.
    Rtsp(Box<(Framer, Result<Incoming, FrameError>)>),
    /// The head of a request, or more than one may have; and what came with it.
    Http(Vec<u8>),
    /// The first record of a handshake, and what came with it.
    Tls(Vec<u8>),
}

/// What somebody has said that is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Listening {
    kind: Option<Kind>,
    /// All of it; with [`Kind::Rtsp`] the framer has it.
    bytes: Vec<u8>,
    framer: Framer,
}

impl Listening {
    /// Takes what was read; gives out what is whole with it, or can't become so.
    pub(super) fn handle(&mut self, bytes: &[u8]) -> Option<Said> {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        if self.kind.is_none() {
            self.kind = Kind::of(&self.bytes);
        }
        match self.kind? {
            Kind::Rtsp => {
                self.framer.handle(&std::mem::take(&mut self.bytes));
                let first = self.framer.poll()?;
                Some(Said::Rtsp(Box::new((std::mem::take(&mut self.framer), first))))
            }
            Kind::Http => http::has_head(&self.bytes, before).then(|| Said::Http(std::mem::take(&mut self.bytes))),
            Kind::Tls => tls::has_record(&self.bytes).then(|| Said::Tls(std::mem::take(&mut self.bytes))),
        }
    }

    /// Part of something.
    pub(super) fn has_begun(&self) -> bool {
        !self.bytes.is_empty() || self.framer.is_partial()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_is_given_out_and_nothing_before() {
        let long = format!("GET /{}", "a".repeat(20 << 10));
        let cases: &[(&[u8], Option<&str>)] = &[
            (b"", None),
            (b"\r\n\r\n", None),
            (b"$\0\0", None),
            (b"$\0\0\0", Some("rtsp")),
            (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n", None),
            (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", Some("rtsp")),
            (b"OPTIONS * RTSP/1.0\nCSeq: 1\n\n", Some("rtsp")),
            (b"SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nab", None),
            (b"nonsense\r\n\r\n", Some("rtsp")),
            (b"GET ", None),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", None),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nmore", Some("http")),
            (long.as_bytes(), Some("http")),
            (b"\x16\x03\x01\x00", None),
            (b"\x16\x03\x01\x00\x03ab", None),
            (b"\x16\x03\x01\x00\x03abc", Some("tls")),
            (b"\x16\x03\x01\xff\xff", Some("tls")),
        ];
        let told = |said: Option<Said>| {
            said.map(|said| match said {
                Said::Rtsp(..) => "rtsp",
                Said::Http(_) => "http",
                Said::Tls(_) => "tls",
            })
        };
        for (bytes, want) in cases {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
            assert_eq!(told(Listening::default().handle(bytes)), *want, "{text:?}");
            let mut listening = Listening::default();
            let mut letters = bytes.chunks(1).map(|letter| told(listening.handle(letter)));
            assert_eq!(letters.find_map(|said| said), *want, "{text:?}, a letter at a time");
        }
    }
}
