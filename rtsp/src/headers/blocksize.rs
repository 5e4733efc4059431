//! `Blocksize` (RFC 2326 section 12.7).

use super::FieldError;
use std::fmt;

/// Bytes of a media packet that the viewer wants at most, lower layers' headers not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocksize(pub u32);

impl Blocksize {
    /// # Errors
    /// No positive number.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let size = if digits { text.parse().ok().filter(|size| *size > 0) } else { None };
        size.map(Self).ok_or(FieldError { field: "Blocksize", reason: "no positive number of bytes" })
    }
}

impl fmt::Display for Blocksize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocksize_is_a_positive_number() {
        assert_eq!(Blocksize::parse("600"), Ok(Blocksize(600)));
        for text in ["", "0", "-1", "+1", "x", "99999999999"] {
            assert!(Blocksize::parse(text).is_err(), "{text}");
        }
    }
}
