//! Descriptions (SDP, RFC 4566) as the suite reads them: every line is kept, nothing is repaired.

/// A session description.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// As it came.
    pub text: String,
    /// Lines before the first `m=`: type and value.
    pub session: Vec<(char, String)>,
    /// The tracks, in their order.
    pub media: Vec<Media>,
    /// Lines that are not `x=...`.
    pub faults: Vec<String>,
}

/// One `m=` section.
#[derive(Clone, Debug, Default)]
pub struct Media {
    /// `video`, `audio`, ...
    pub kind: String,
    /// As written.
    pub port: String,
    /// `RTP/AVP`.
    pub profile: String,
    /// Payload types.
    pub formats: Vec<String>,
    /// The other lines: type and value.
    pub lines: Vec<(char, String)>,
}

/// Static payload types (RFC 3551 tables 4 and 5): number, encoding name, clock rate.
const STATIC: &[(u8, &str, u32)] = &[
    (0, "PCMU", 8000),
    (3, "GSM", 8000),
    (4, "G723", 8000),
    (8, "PCMA", 8000),
    (9, "G722", 8000),
    (10, "L16", 44100),
    (11, "L16", 44100),
    (14, "MPA", 90000),
    (26, "JPEG", 90000),
    (31, "H261", 90000),
    (32, "MPV", 90000),
    (33, "MP2T", 90000),
    (34, "H263", 90000),
];

impl Description {
    /// Reads one; what is no SDP line is noted.
    pub fn read(text: &str) -> Self {
        let mut description = Self { text: text.to_owned(), ..Self::default() };
        for line in text.lines().filter(|line| !line.is_empty()) {
            let mut chars = line.chars();
            let (Some(kind), Some('=')) = (chars.next(), chars.next()) else {
                description.faults.push(line.to_owned());
                continue;
            };
            let value = chars.as_str().to_owned();
            if kind == 'm' {
                let mut words = value.split_whitespace().map(str::to_owned);
                description.media.push(Media {
                    kind: words.next().unwrap_or_default(),
                    port: words.next().unwrap_or_default(),
                    profile: words.next().unwrap_or_default(),
                    formats: words.collect(),
                    lines: Vec::new(),
                });
            } else if let Some(media) = description.media.last_mut() {
                media.lines.push((kind, value));
            } else {
                description.session.push((kind, value));
            }
        }
        description
    }

    /// A session-level attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        attribute(&self.session, name)
    }

    /// Start and end of `a=range` in seconds, where it is npt.
    pub fn range(&self) -> Option<(f64, Option<f64>)> {
        let media = self.media.iter().find_map(|media| attribute(&media.lines, "range"));
        let (start, end) = self.attribute("range").or(media)?.trim().strip_prefix("npt=")?.split_once('-')?;
        Some((npt(start).unwrap_or(0.0), npt(end)))
    }
}

impl Media {
    /// An attribute's value; empty where it is a flag.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        attribute(&self.lines, name)
    }

    /// All values of an attribute.
    pub fn attributes<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter_map(move |line| value_of(line, name))
    }

    /// First payload type.
    pub fn payload_type(&self) -> Option<u8> {
        self.formats.first()?.parse().ok()
    }

    /// Encoding name in capitals and clock rate: of rtpmap, or static.
    pub fn encoding(&self) -> Option<(String, u32)> {
        let number = self.payload_type()?;
        let mapped = self.attributes("rtpmap").find_map(|map| {
            let (format, encoding) = map.split_once(' ')?;
            let mut parts = encoding.trim().split('/');
            let name = parts.next()?.to_ascii_uppercase();
            let clock = parts.next()?.trim().parse().ok()?;
            (format.parse() == Ok(number)).then_some((name, clock))
        });
        let fixed = || STATIC.iter().find(|(format, ..)| *format == number);
        mapped.or_else(|| fixed().map(|&(_, name, clock)| (name.to_owned(), clock)))
    }

    /// A format parameter (names in any case).
    pub fn fmtp(&self, name: &str) -> Option<&str> {
        let (_, parameters) = self.attribute("fmtp")?.split_once(' ')?;
        crate::suite::message::parameter(parameters, name)
    }
}

/// Seconds of an npt-time: seconds or h:mm:ss (RFC 2326 3.6).
pub fn npt(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.is_empty() || text == "now" {
        return None;
    }
    let mut seconds = 0.0;
    for part in text.split(':') {
        seconds = seconds * 60.0 + part.parse::<f64>().ok()?;
    }
    Some(seconds)
}

fn attribute<'a>(lines: &'a [(char, String)], name: &str) -> Option<&'a str> {
    lines.iter().find_map(|line| value_of(line, name))
}

fn value_of<'a>((kind, value): &'a (char, String), name: &str) -> Option<&'a str> {
    let rest = (*kind == 'a').then(|| value.strip_prefix(name)).flatten()?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix(':') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_and_ranges_are_found() {
        let description = Description::read(
            "v=0\r\na=range:npt=0-1:01.5\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 h264/90000\r\na=fmtp:96 a=1; B=2\r\n\
             m=audio 0 RTP/AVP 14\r\nx\r\n",
        );
        assert_eq!(description.range(), Some((0.0, Some(61.5))));
        let encodings: Vec<_> = description.media.iter().map(Media::encoding).collect();
        assert_eq!(encodings, [Some(("H264".into(), 90000)), Some(("MPA".into(), 90000))]);
        assert_eq!(description.media[0].fmtp("b"), Some("2"));
        assert_eq!(description.faults, ["x"]);
        let times = ["1.5", "0:00:05.25", "now", "", "x"].map(npt);
        assert_eq!(times, [Some(1.5), Some(5.25), None, None, None]);
    }
}
