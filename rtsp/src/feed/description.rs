//! What a feed says of itself: SDP read tolerantly (RFC 4566), as ffmpeg, GStreamer and cameras write it.
//!
//! Only what is needed is looked at, wherever it stands; what is not known is passed over, as what is no line of SDP at
//! all is once a description has begun. A line of ours that can't be read ends in an error with the line's number.

use crate::channel::TrackDescription;
use rtp::format::{Format, OfferError};
use std::net::IpAddr;

/// Bytes of a description. Real ones have up to ten thousand, and a request's body no more than this.
pub const MAX_DESCRIPTION: usize = 64 << 10;

/// `m=` lines: no channel has more tracks, and each costs a receiver.
pub const MAX_MEDIA: usize = 32;

/// Payload types on one `m=` line that are looked at.
const MAX_TYPES: usize = 16;

/// Senders of a source-specific group.
const MAX_SOURCES: usize = 16;

/// What a feed brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// `s=`, where it says anything.
    pub title: Option<String>,
    /// `a=control` of the whole.
    pub control: Option<String>,
    /// Its `m=` lines, usable or not.
    pub media: Vec<OfferedMedia>,
}

/// One `m=` line and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedMedia {
    /// Its number, from 1.
    pub line: usize,
    /// Where packets are sent to, where that is agreed beforehand; RTCP goes to the next, or to [`OfferedMedia::rtcp_port`].
    pub port: u16,
    /// `a=rtcp` (RFC 3605).
    pub rtcp_port: Option<u16>,
    /// The address of `c=`: its own or the session's.
    pub address: Option<IpAddr>,
    /// Who alone may send, of `a=source-filter` (RFC 4570).
    pub sources: Vec<IpAddr>,
    /// The one of its payload types that was chosen: the first that can be taken.
    pub payload_type: u8,
    /// What it is, or why it can't be taken.
    pub format: Result<Format, Unusable>,
    /// The AAC lies in LATM (RFC 6416).
    pub latm: bool,
    /// `a=control`
    pub control: Option<String>,
    /// `b=AS` or `b=TIAS`, bits per second.
    pub bandwidth_bps: Option<u32>,
    /// `a=lang`
    pub language: Option<String>,
}

/// Why an `m=` line can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Neither audio nor video nor text.
    #[error("m={0}: only audio, video and text can be taken")]
    Media(String),
    /// Not plain RTP.
    #[error("transport {0}: only RTP/AVP can be taken")]
    Protocol(String),
    /// No format of it can be.
    #[error(transparent)]
    Format(#[from] OfferError),
}

/// Why a text is no description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// Too much of it.
    #[error("sdp: {0} bytes; at most {MAX_DESCRIPTION} are read")]
    Long(usize),
    /// A line that can't be read.
    #[error("sdp: line {line}: {reason}")]
    Line {
        /// From 1.
        line: usize,
        /// What was expected.
        reason: &'static str,
    },
    /// Nothing to be had.
    #[error("sdp: no m= line")]
    NoMedia,
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// See [`DescriptionError`]. That a line's format can't be taken is no error here: see [`OfferedMedia::format`].
    pub fn parse(text: &[u8]) -> Result<Self, DescriptionError> {
        if text.len() > MAX_DESCRIPTION {
            return Err(DescriptionError::Long(text.len()));
        }
        // Titles are in any charset.
        let text = String::from_utf8_lossy(text);
        let mut reader = Reader::default();
        for (line, number) in text.split('\n').zip(1..) {
            let line = line.trim_end_matches(['\r', '\0']).trim_start();
            if !line.is_empty() {
                reader.line(line, number).map_err(|reason| DescriptionError::Line { line: number, reason })?;
            }
        }
        reader.finish()
    }
}

impl OfferedMedia {
    /// As a channel wants it; `None` where it can't be taken.
    pub fn track(&self) -> Option<TrackDescription> {
        let format = self.format.as_ref().ok()?.clone();
        Some(TrackDescription { format, language: self.language.clone(), bandwidth_bps: self.bandwidth_bps })
    }
}

/// Where packets go and who may send them, of the session or of one medium.
#[derive(Clone, Default)]
struct Place {
    address: Option<IpAddr>,
    sources: Vec<IpAddr>,
}

/// A medium whose lines are being read.
struct Open {
    line: usize,
    media: String,
    port: u16,
    protocol: String,
    types: Vec<u8>,
    rtpmaps: Vec<(u8, String)>,
    fmtps: Vec<(u8, String)>,
    place: Place,
    rtcp_port: Option<u16>,
    control: Option<String>,
    bandwidth_bps: Option<u32>,
    language: Option<String>,
}

#[derive(Default)]
struct Reader {
    begun: bool,
    title: Option<String>,
    control: Option<String>,
    language: Option<String>,
    place: Place,
    open: Option<Open>,
    media: Vec<OfferedMedia>,
}

impl Reader {
    fn line(&mut self, line: &str, number: usize) -> Result<(), &'static str> {
        let (kind, value) = match line.as_bytes() {
            [kind, b'=', ..] if kind.is_ascii_lowercase() => (*kind, line[2..].trim()),
            _ if self.begun => return Ok(()),
            _ => return Err("expected a letter and ="),
        };
        if !std::mem::replace(&mut self.begun, true) && kind != b'v' {
            return Err("a description begins with v=");
        }
        match kind {
            b's' if value != "-" && !value.is_empty() => self.title = Some(value.to_owned()),
            b'm' => self.medium(value, number)?,
            b'c' => {
                self.place().address = connection(value);
            }
            b'b' => {
                if let Some(open) = &mut self.open {
                    open.bandwidth_bps = bandwidth(value).or(open.bandwidth_bps);
                }
            }
            b'a' => self.attribute(value)?,
            _ => {}
        }
        Ok(())
    }

    fn place(&mut self) -> &mut Place {
        match &mut self.open {
            Some(open) => &mut open.place,
            None => &mut self.place,
        }
    }

    /// `m=<media> <port>[/<count>] <proto> <fmt>...`
    fn medium(&mut self, value: &str, line: usize) -> Result<(), &'static str> {
        self.close();
        if self.media.len() >= MAX_MEDIA {
            return Err("more than 32 m= lines");
        }
        let mut words = value.split_ascii_whitespace();
        let expected = "expected m=MEDIA PORT PROTOCOL FORMAT";
        let (Some(media), Some(port), Some(protocol)) = (words.next(), words.next(), words.next()) else {
            return Err(expected);
        };
        let port = port.split('/').next().unwrap_or_default();
        let port = port.parse().map_err(|_| "the port of m= is not within 0 to 65535")?;
        // Other protocols' formats are no numbers.
        let types = words.take(MAX_TYPES).filter_map(|word| word.parse().ok().filter(|kind| *kind < 128)).collect();
        self.open = Some(Open {
            line,
            media: media.to_owned(),
            port,
            protocol: protocol.to_owned(),
            types,
            rtpmaps: Vec::new(),
            fmtps: Vec::new(),
            place: self.place.clone(),
            rtcp_port: None,
            control: None,
            bandwidth_bps: None,
            language: self.language.clone(),
        });
        Ok(())
    }

    fn attribute(&mut self, value: &str) -> Result<(), &'static str> {
        let (name, value) = value.split_once(':').unwrap_or((value, ""));
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        match (name.as_str(), &mut self.open) {
            ("source-filter", _) => {
                let sources = sources(value)?;
                self.place().sources.extend(sources);
                self.place().sources.truncate(MAX_SOURCES);
            }
            ("control", Some(open)) => open.control = Some(value.to_owned()),
            ("control", None) => self.control = Some(value.to_owned()),
            ("lang", Some(open)) => open.language = Some(value.to_owned()),
            ("lang", None) => self.language = Some(value.to_owned()),
            ("rtpmap", Some(open)) => open.rtpmaps.extend(of_type(value).filter(|_| open.rtpmaps.len() < MAX_TYPES)),
            ("fmtp", Some(open)) => open.fmtps.extend(of_type(value).filter(|_| open.fmtps.len() < MAX_TYPES)),
            ("rtcp", Some(open)) => {
                open.rtcp_port = value.split_ascii_whitespace().next().and_then(|port| port.parse().ok());
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.media.push(open.finish());
        }
    }

    fn finish(mut self) -> Result<Description, DescriptionError> {
        self.close();
        match self.media.is_empty() {
            true => Err(DescriptionError::NoMedia),
            false => Ok(Description { title: self.title, control: self.control, media: self.media }),
        }
    }
}

impl Open {
    fn finish(self) -> OfferedMedia {
        let (payload_type, latm, format) = self.format();
        OfferedMedia {
            line: self.line,
            port: self.port,
            rtcp_port: self.rtcp_port,
            address: self.place.address,
            sources: self.place.sources,
            payload_type,
            format,
            latm,
            control: self.control,
            bandwidth_bps: self.bandwidth_bps,
            language: self.language,
        }
    }

    /// The first of its payload types that can be taken, whether it is LATM, and what it is.
    fn format(&self) -> (u8, bool, Result<Format, Unusable>) {
        let first = self.types.first().copied().unwrap_or(0);
        let Some(media) = Format::media_of(&self.media) else {
            return (first, false, Err(Unusable::Media(self.media.chars().take(20).collect())));
        };
        let plain = ["RTP/AVP", "RTP/AVPF", "RTP/AVP/UDP", "RTP/AVP/TCP"];
        if !plain.iter().any(|known| known.eq_ignore_ascii_case(&self.protocol)) {
            return (first, false, Err(Unusable::Protocol(self.protocol.chars().take(20).collect())));
        }
        let find = |all: &[(u8, String)], kind| all.iter().find(|(of, _)| *of == kind).map(|(_, text)| text.clone());
        let mut refused = OfferError::NoRtpmap(first);
        for (number, &kind) in self.types.iter().enumerate() {
            let (rtpmap, fmtp) = (find(&self.rtpmaps, kind), find(&self.fmtps, kind));
            let latm = rtpmap.as_deref().is_some_and(|map| {
                map.split('/').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("MP4A-LATM"))
            });
            match Format::from_sdp(kind, rtpmap.as_deref(), fmtp.as_deref()) {
                Ok(format) if format.media() == media => return (kind, latm, Ok(format)),
                Ok(_) => {}
                Err(error) if number == 0 => refused = error,
                Err(_) => {}
            }
        }
        (first, false, Err(refused.into()))
    }
}

/// `<payload type> <text>`
fn of_type(value: &str) -> Option<(u8, String)> {
    let (kind, text) = value.split_once(char::is_whitespace)?;
    Some((kind.parse().ok()?, text.trim().to_owned()))
}

/// `IN IP4 <address>[/<ttl>[/<count>]]`; a host name says nothing that could be listened on, and what can't be read no more.
fn connection(value: &str) -> Option<IpAddr> {
    let mut words = value.split_ascii_whitespace();
    let (Some("IN"), Some("IP4" | "IP6"), Some(address)) = (words.next(), words.next(), words.next()) else {
        return None;
    };
    address.split('/').next()?.parse().ok()
}

/// `AS:<kbit/s>` or `TIAS:<bit/s>` (RFC 3890).
fn bandwidth(value: &str) -> Option<u32> {
    let (kind, number) = value.split_once(':')?;
    let number: u32 = number.trim().parse().ok().filter(|number| *number > 0)?;
    match kind.trim() {
        "AS" => number.checked_mul(1000),
        "TIAS" => Some(number),
        _ => None,
    }
}

/// `incl IN IP4 <group> <source>...`
fn sources(value: &str) -> Result<Vec<IpAddr>, &'static str> {
    let mut words = value.split_ascii_whitespace();
    let mode = words.next().unwrap_or_default();
    if !mode.eq_ignore_ascii_case("incl") {
        return Err("only source-filter:incl can be served");
    }
    let addresses: Vec<IpAddr> = words.skip(3).take(MAX_SOURCES).filter_map(|word| word.parse().ok()).collect();
    match addresses.is_empty() {
        true => Err("expected source-filter:incl IN IP4 GROUP SOURCE"),
        false => Ok(addresses),
    }
}

#[cfg(test)]
mod tests;
