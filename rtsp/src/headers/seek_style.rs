//! `Seek-Style` (RFC 7826 section 18.47).

use std::fmt;

/// Where playing begins when a time is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeekStyle {
    /// At the random access point at or before it.
    #[default]
    Rap,
    /// The same if that lies behind the point where it stands; else it goes on from there, and is answered as `Next`.
    CoRap,
    /// With what is shown at that time, though decoding could not begin there.
    FirstPrior,
    /// With what is shown next.
    Next,
}

/// The names, one line each.
const NAMES: [(SeekStyle, &str); 4] = [
    (SeekStyle::Rap, "RAP"),
    (SeekStyle::CoRap, "CoRAP"),
    (SeekStyle::FirstPrior, "First-Prior"),
    (SeekStyle::Next, "Next"),
];

impl SeekStyle {
    /// `None` for a style that is not known, which is to be passed over.
    pub fn parse(text: &str) -> Option<Self> {
        NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text.trim())).map(|(style, _)| *style)
    }
}

impl fmt::Display for SeekStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(style, _)| style == self).map_or("RAP", |(_, name)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_read_back_and_others_are_unknown() {
        for (style, name) in NAMES {
            assert_eq!(SeekStyle::parse(name), Some(style));
            assert_eq!(SeekStyle::parse(&name.to_lowercase()), Some(style));
            assert_eq!(style.to_string(), name);
        }
        for unknown in ["", "x-nope", "RAP;", "First Prior"] {
            assert_eq!(SeekStyle::parse(unknown), None, "{unknown}");
        }
    }
}
