//! `Require` (RFC 2326 section 12.32), `Proxy-Require` (12.27) and `Unsupported` (12.41).

use std::fmt;

/// Tags that are echoed at most: a list of thousands would come back to the asker.
const MAX_TAGS: usize = 32;

/// A list of option tags. Quotes, blanks and control characters are no part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureTags(pub Vec<String>);

impl FeatureTags {
    /// The tags, at most 32; empty elements are none.
    pub fn parse(text: &str) -> Self {
        let good = |char: &char| char.is_ascii_graphic() && !matches!(char, '"' | ',' | ';');
        let tags = text.split(',').map(|tag| tag.chars().filter(good).collect::<String>());
        Self(tags.filter(|tag| !tag.is_empty()).take(MAX_TAGS).collect())
    }

    /// Those that are not in `supported`.
    pub fn without(self, supported: &[&str]) -> Self {
        Self(self.0.into_iter().filter(|tag| !supported.contains(&tag.as_str())).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for FeatureTags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_unknown_is_left() {
        let cases: &[(&str, &str)] = &[
            ("x-nope", "x-nope"),
            ("play.basic,  x-nope ,", "x-nope"),
            ("www.onvif.org/ver20/backchannel", "www.onvif.org/ver20/backchannel"),
            ("play.basic", ""),
            ("", ""),
        ];
        for (text, left) in cases {
            assert_eq!(&FeatureTags::parse(text).without(&["play.basic"]).to_string(), left);
        }
    }
}
