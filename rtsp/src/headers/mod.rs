//! Header fields, one a file: `parse` and `Display` are each other's inverse.
//!
//! | noun | field |
//! | --- | --- |
//! | [`Transport`] | `Transport`: how media travels (RFC 2326 12.39) |
//! | [`Range`], [`NptRange`], [`SmpteRange`] | `Range`: what is to be played (12.29) |
//! | [`SessionField`] | `Session`: its id and timeout (12.37) |
//! | [`RtpInfo`] | `RTP-Info`: where a track's packets begin (12.33) |
//! | [`Accept`], [`MediaType`] | `Accept` (12.1), `Content-Type` (12.16) |
//! | [`Scale`], [`Speed`] | `Scale` (12.34), `Speed` (12.35) |
//! | [`FeatureTags`] | `Require`, `Proxy-Require`, `Unsupported` (12.32, 12.27, 12.41) |
//! | [`Authorization`], [`Digest`] | `Authorization` (12.5): who asks |
//! | [`Blocksize`] | `Blocksize` (12.7) |
//! | [`SeekStyle`] | `Seek-Style` (RFC 7826 18.47): where exactly playing begins |
//!
//! Parsers are lenient where players are sloppy (case, blanks, empty elements) and never panic.

mod accept;
mod authorization;
mod blocksize;
mod clock;
mod features;
mod range;
mod rate;
mod rtp_info;
mod seek_style;
mod session;
mod smpte;
mod transport;

pub use accept::{Accept, MediaType};
pub use authorization::{Authorization, Digest};
pub use blocksize::Blocksize;
pub use clock::{ClockRange, UtcTime};
pub use features::FeatureTags;
pub use range::{Npt, NptRange, Range};
pub use rate::{Scale, Speed};
pub use rtp_info::{RtpInfo, RtpInfoEntry};
pub use seek_style::SeekStyle;
pub use session::SessionField;
pub use smpte::{SmpteRange, SmpteType, Timecode};
pub use transport::{Addresses, Delivery, Lower, MAX_ALTERNATIVES, Pair, Transport};

/// Why a field's value was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FieldError {
    /// The field's name.
    pub field: &'static str,
    /// What was expected.
    pub reason: &'static str,
}

/// Cuts at `separator`, but not inside `"quoted strings"`; trims each part.
fn split_quoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |char| {
        let was_escaped = escaped;
        escaped = quoted && char == '\\' && !was_escaped;
        if char == '"' && !was_escaped {
            quoted = !quoted;
        }
        char == separator && !quoted
    })
    .map(str::trim)
}

/// Takes the quotes off, where there are two.
fn unquote(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whatever a parser accepts is written so that it reads back equal.
    fn reads_back<T: std::fmt::Display + PartialEq + std::fmt::Debug, E: std::fmt::Debug>(
        text: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) {
        if let Ok(value) = parse(text) {
            let written = value.to_string();
            assert_eq!(parse(&written).expect("what we wrote"), value, "{text:?} written as {written:?}");
        }
    }

    fn all(text: &str) {
        for alternative in Transport::parse_list(text).into_iter().flatten() {
            reads_back(&alternative.to_string(), |text| {
                Transport::parse_list(text).into_iter().next().expect("one alternative")
            });
        }
        reads_back(text, Range::parse);
        reads_back(text, SessionField::parse);
        reads_back(text, RtpInfo::parse);
        reads_back(text, Accept::parse);
        reads_back(text, MediaType::parse);
        reads_back(text, Scale::parse);
        reads_back(text, Speed::parse);
        reads_back(text, Blocksize::parse);
        reads_back(text, Authorization::parse);
        reads_back(text, |text| Ok::<_, ()>(FeatureTags::parse(text)));
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_what_is_accepted_reads_back(text in any::<String>()) {
            all(&text);
        }

        #[test]
        fn text_made_of_the_words_of_the_fields_too(words in prop::collection::vec(prop::sample::select(WORDS), 0..12)) {
            all(&words.concat());
        }
    }

    const WORDS: &[&str] = &[
        "Digest ",
        "Basic ",
        "username=a, realm=r, nonce=n, uri=u, response=0",
        "bGFiOnNlY3JldA==",
        "qop=auth",
        "smpte=",
        "RTP/AVP",
        "/TCP",
        "/UDP",
        ";",
        ",",
        "unicast",
        "multicast",
        "client_port=",
        "dest_addr=",
        "\":5000\"/\":5001\"",
        "interleaved=",
        "0-1",
        "5000",
        "-",
        "65536",
        "mode=\"PLAY\"",
        "mode=",
        "\"",
        "\\",
        "destination=",
        "[::1]",
        "127.0.0.1",
        "ssrc=",
        "1A2B3C4D",
        "ttl=",
        "append",
        "source",
        "npt",
        "=",
        "now",
        "12.5",
        "0:00:05.25",
        ":",
        ".",
        "99999999999999999999",
        "smpte-25",
        "clock",
        "20260101T000000Z",
        "time=",
        "timeout=",
        "60",
        "url=",
        "rtsp://h/a",
        "seq=",
        "rtptime=",
        "q=",
        "0.5",
        "*/*",
        "application/sdp",
        "1e99",
        "nan",
        " ",
        "-1",
    ];
}
