//! RTSP within something else, told by its first bytes, so that one port serves all: it passes where only HTTP may.
//!
//! | noun | what it is |
//! | --- | --- |
//! | [`Kind`] | what a new connection speaks |
//! | [`http`] | the head of an HTTP request, and answers to it |
//! | [`Tunnels`] | QuickTime's tunnel: a GET that is answered with all that the server says, POSTs that bring requests |
//! | [`Base64Decoder`] | what those POSTs carry |
//! | [`websocket`] | ONVIF's: binary frames |

mod base64;
mod cookie;
pub mod http;
pub mod websocket;

pub use self::base64::{Base64Decoder, NoBase64};
pub use cookie::{Feed, Tunnels};

/// What a new connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RTSP, or nothing that we know.
    Rtsp,
    /// A TLS handshake.
    Tls,
    /// HTTP: `GET `, `HEAD ` or `POST `.
    Http,
}

impl Kind {
    /// By the first bytes; `None`: more are needed. (`GET_PARAMETER` is RTSP.)
    pub fn of(bytes: &[u8]) -> Option<Self> {
        const TLS_HANDSHAKE: u8 = 0x16;
        if bytes.first() == Some(&TLS_HANDSHAKE) {
            return Some(Kind::Tls);
        }
        for start in [b"GET ".as_slice(), b"HEAD ", b"POST "] {
            if bytes.starts_with(start) {
                return Some(Kind::Http);
            }
            if start.starts_with(bytes) {
                return None;
            }
        }
        Some(Kind::Rtsp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        let cases: &[(&[u8], Option<Kind>)] = &[
            (b"", None),
            (b"G", None),
            (b"GET", None),
            (b"GET /", Some(Kind::Http)),
            (b"GET_P", Some(Kind::Rtsp)),
            (b"HEAD ", Some(Kind::Http)),
            (b"POST", None),
            (b"POST ", Some(Kind::Http)),
            (b"P", None),
            (b"PL", Some(Kind::Rtsp)),
            (b"$", Some(Kind::Rtsp)),
            (b"OPTIO", Some(Kind::Rtsp)),
            (b"\x16\x03\x01", Some(Kind::Tls)),
            (b"\0", Some(Kind::Rtsp)),
        ];
        for (bytes, kind) in cases {
            assert_eq!(Kind::of(bytes), *kind, "{bytes:?}");
        }
    }
}
