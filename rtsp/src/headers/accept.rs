//! `Accept` (RFC 2326 section 12.1) and `Content-Type` (12.16).

use super::FieldError;
use std::fmt;

/// `type/subtype`, lower case; its parameters are passed over. In `Accept` either may be `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// `application`
    pub kind: String,
    /// `sdp`
    pub subtype: String,
}

impl MediaType {
    /// # Errors
    /// No `type/subtype` of tokens.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        match essence.split_once('/') {
            Some((kind, subtype))
                if !kind.is_empty() && !subtype.is_empty() && kind.bytes().chain(subtype.bytes()).all(good) =>
            {
                Ok(Self { kind: kind.to_owned(), subtype: subtype.to_owned() })
            }
            _ => Err(FieldError { field: "media type", reason: "no type/subtype" }),
        }
    }

    /// Whether it is `text`, written `type/subtype` in lower case.
    pub fn is(&self, text: &str) -> bool {
        text.split_once('/') == Some((&self.kind, &self.subtype))
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.subtype)
    }
}

/// What the asker takes: each with whether it is wanted at all (`q=0` says no).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept(Vec<(MediaType, bool)>);

impl Accept {
    /// Bad elements are passed over.
    ///
    /// # Errors
    /// No good element.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let wanted = |element: &str| {
            let quality = element.split(';').skip(1).find_map(|part| part.trim().strip_prefix("q="));
            !quality.and_then(|quality| quality.trim().parse::<f64>().ok()).is_some_and(|quality| quality <= 0.0)
        };
        let elements = text.split(',').filter_map(|element| Some((MediaType::parse(element).ok()?, wanted(element))));
        let elements: Vec<_> = elements.collect();
        match elements.is_empty() {
            true => Err(FieldError { field: "Accept", reason: "no media type" }),
            false => Ok(Self(elements)),
        }
    }

    /// Whether `kind/subtype` is taken; the element that names it most closely decides.
    pub fn takes(&self, kind: &str, subtype: &str) -> bool {
        let closest = self.0.iter().filter_map(|(have, wanted)| {
            let closeness = match (have.kind.as_str(), have.subtype.as_str()) {
                (a, b) if a == kind && b == subtype => 2,
                (a, "*") if a == kind => 1,
                ("*", "*") => 0,
                _ => return None,
            };
            Some((closeness, *wanted))
        });
        closest.max_by_key(|(closeness, _)| *closeness).is_some_and(|(_, wanted)| wanted)
    }
}

impl fmt::Display for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (element, wanted)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{element}{}", if *wanted { "" } else { ";q=0" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sdp_is_taken_where_the_list_says_so() {
        let cases: &[(&str, bool)] = &[
            ("application/sdp", true),
            ("Application/SDP", true),
            ("*/*", true),
            ("application/*", true),
            ("text/html;q=0.9, application/sdp;q=0.1", true),
            ("application/rtsl, application/sdp;level=-2", true),
            ("text/html", false),
            ("application/sdp;q=0, */*", false),
            ("application/*;q=0.0", false),
        ];
        for (text, takes) in cases {
            let accept = Accept::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(accept.takes("application", "sdp"), *takes, "{text}");
            assert_eq!(Accept::parse(&accept.to_string()), Ok(accept));
        }
        assert!(Accept::parse("").is_err() && Accept::parse("sdp").is_err());
        assert!(MediaType::parse("text/parameters; charset=utf-8").expect("a type").is("text/parameters"));
    }
}
