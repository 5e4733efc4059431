//! `Session` (RFC 2326 section 12.37).

use super::FieldError;
use std::fmt;

/// Bytes of an id that are looked at: ours are 32.
const MAX_ID: usize = 128;

/// A session's id, in answers to SETUP with its timeout. MPlayer sends both back: `id;timeout=60`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionField {
    /// Letters, digits and `$-_.+`.
    pub id: String,
    /// Seconds; where it isn't said, 60 is meant.
    pub timeout: Option<u32>,
}

impl SessionField {
    /// # Errors
    /// The id is empty, too long, or has other characters than an id may have.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let mut parts = text.split(';').map(str::trim);
        let id = parts.next().unwrap_or_default();
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"$-_.+".contains(&byte);
        if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(good) {
            return Err(FieldError { field: "Session", reason: "no session id" });
        }
        let timeout = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("timeout").then(|| value.trim().parse().ok())?
        });
        Ok(Self { id: id.to_owned(), timeout })
    }
}

impl fmt::Display for SessionField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        match self.timeout {
            Some(timeout) => write!(f, ";timeout={timeout}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_with_or_without_its_timeout() {
        let cases: &[(&str, &str)] = &[
            ("79F63A45", "79F63A45"),
            ("79F63A45;timeout=65", "79F63A45;timeout=65"),
            ("79F63A45 ; Timeout = 65", "79F63A45;timeout=65"),
            ("a$-_.+9;x=y", "a$-_.+9"),
            ("a;timeout=x", "a"),
        ];
        for (text, written) in cases {
            let field = SessionField::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(&field.to_string(), written);
            assert_eq!(SessionField::parse(written), Ok(field));
        }
        for text in ["", ";timeout=60", "a b", "é", "a,b", &"x".repeat(MAX_ID + 1)] {
            assert!(SessionField::parse(text).is_err(), "{text}");
        }
    }
}
