//! `RTP-Info` (RFC 2326 section 12.33).

use super::FieldError;
use std::fmt;

/// Where each track's packets begin, in the order of the session description (live555 goes by the order).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RtpInfo(pub Vec<RtpInfoEntry>);

/// One track's beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpInfoEntry {
    /// Byte for byte as in SETUP: ffmpeg compares them. Without quotes, which RTSP 1.0 doesn't have.
    pub url: String,
    /// Of the first packet.
    pub sequence: Option<u16>,
    /// Of the instant that `Range` starts with.
    pub rtptime: Option<u32>,
}

impl RtpInfo {
    /// Commas and semicolons in a URL are kept where no parameter follows them.
    ///
    /// # Errors
    /// An entry doesn't begin with `url=`, or a number is none.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let error = |reason| FieldError { field: "RTP-Info", reason };
        let mut entries = Vec::new();
        let mut rest = text.trim().strip_prefix("url=").ok_or(error("no url"))?;
        loop {
            let (entry, more) = match rest.split_once(",url=") {
                Some((entry, more)) => (entry, Some(more)),
                None => (rest, None),
            };
            let url = entry.split(";seq=").next().unwrap_or_default().split(";rtptime=").next().unwrap_or_default();
            let parameters = &entry[url.len()..];
            let mut entry = RtpInfoEntry { url: url.to_owned(), sequence: None, rtptime: None };
            if url.is_empty() {
                return Err(error("an empty url"));
            }
            for parameter in parameters.split(';').map(str::trim) {
                match parameter.split_once('=') {
                    Some(("seq", value)) => {
                        entry.sequence = Some(value.parse().map_err(|_| error("seq is no 16-bit number"))?);
                    }
                    Some(("rtptime", value)) => {
                        entry.rtptime = Some(value.parse().map_err(|_| error("rtptime is no 32-bit number"))?);
                    }
                    _ => {}
                }
            }
            entries.push(entry);
            match more {
                Some(more) => rest = more,
                None => return Ok(Self(entries)),
            }
        }
    }
}

impl RtpInfo {
    /// As RTSP 2.0 writes it (RFC 7826 18.45), with each track's SSRC.
    pub fn v2(&self, ssrc: impl Fn(usize) -> u32) -> String {
        let entry = |(at, entry): (usize, &RtpInfoEntry)| {
            let mut text = format!("url=\"{}\" ssrc={:08X}", entry.url, ssrc(at));
            let numbers = [("seq", entry.sequence.map(u32::from)), ("rtptime", entry.rtptime)];
            let said = numbers.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
            let said: Vec<String> = said.collect();
            if !said.is_empty() {
                text += &format!(":{}", said.join(";"));
            }
            text
        };
        self.0.iter().enumerate().map(entry).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for RtpInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.0.iter().enumerate() {
            write!(f, "{}url={}", if index == 0 { "" } else { "," }, entry.url)?;
            if let Some(sequence) = entry.sequence {
                write!(f, ";seq={sequence}")?;
            }
            if let Some(rtptime) = entry.rtptime {
                write!(f, ";rtptime={rtptime}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_written_as_they_are_read() {
        let cases = [
            "url=rtsp://h/a/track1;seq=8489;rtptime=3164644030,url=rtsp://h/a/track2;seq=6760;rtptime=1458744023",
            "url=rtsp://h/a,b;c/track1;seq=0;rtptime=1",
            "url=track1",
            "url=track1;rtptime=7",
        ];
        for text in cases {
            let info = RtpInfo::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(info.to_string(), text);
        }
        let info = RtpInfo::parse("url=rtsp://h/a;seq=3;rtptime=4,url=rtsp://h/b;seq=5").expect("good");
        let v2 = "url=\"rtsp://h/a\" ssrc=0000000A:seq=3;rtptime=4, url=\"rtsp://h/b\" ssrc=0000000B:seq=5";
        assert_eq!(info.v2(|at| 10 + at as u32), v2);
        for text in ["", "url=", "seq=1", "url=a;seq=65536", "url=a;rtptime=-1", "url=a,url="] {
            assert!(RtpInfo::parse(text).is_err(), "{text}");
        }
    }
}
