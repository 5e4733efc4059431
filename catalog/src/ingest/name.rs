//! Names of presentations: what stands in a URL.
//!
//! A name may hold letters and digits of any script, `-`, `_` and `.`, and begins with none of `.` and `-`. What is not
//! ASCII is percent-encoded on the wire and kept as it is everywhere else. Names differ by case.

/// Bytes of a name at most: three times that, percent-encoded, still fits every client's URL.
pub const MAX_NAME: usize = 128;

/// Why something can't be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name {name:?} {reason}; {suggestion:?} would do")]
pub struct BadName {
    /// As given.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
    /// A good one that is like it.
    pub suggestion: String,
}

/// The name for a file with this stem: what a URL would not take becomes `-`.
pub fn from_stem(stem: &str) -> String {
    let mut name = String::new();
    for char in stem.chars() {
        let char = if allowed(char) { char } else { '-' };
        if name.len() + char.len_utf8() > MAX_NAME {
            break;
        }
        if char != '-' || !name.ends_with('-') {
            name.push(char);
        }
    }
    let name = name.trim_start_matches(['-', '.']).trim_end_matches('-');
    if name.is_empty() { "film".to_owned() } else { name.to_owned() }
}

/// Whether a person's own choice can be a name.
pub fn check(name: &str) -> Result<(), BadName> {
    let reason = if name.is_empty() {
        "is empty".to_owned()
    } else if name.len() > MAX_NAME {
        format!("has {} bytes, {MAX_NAME} are allowed", name.len())
    } else if name.starts_with(['.', '-']) {
        "begins with '.' or '-'".to_owned()
    } else if let Some(char) = name.chars().find(|char| !allowed(*char)) {
        format!("holds {char:?}; letters, digits, '-', '_' and '.' are allowed")
    } else {
        return Ok(());
    };
    Err(BadName { name: name.to_owned(), reason, suggestion: from_stem(name) })
}

/// `name-number`, short enough.
pub(crate) fn numbered(name: &str, number: u32) -> String {
    let suffix = format!("-{number}");
    let mut end = name.len().min(MAX_NAME - suffix.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned() + &suffix
}

fn allowed(char: char) -> bool {
    if char.is_ascii() {
        return char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    }
    // Letters and marks stay; what has no width or turns the line round would make two names look alike.
    let invisible = matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff0}'..='\u{ffff}');
    !char.is_control() && !char.is_whitespace() && !invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stem_becomes_a_name() {
        let long = "ü".repeat(100);
        let cases = [
            ("film", "film"),
            ("My film (1999) [HD]", "My-film-1999-HD"),
            ("Überfall auf Zug #3?", "Überfall-auf-Zug-3"),
            ("..", "film"),
            ("", "film"),
            ("a/b\\c%20d&e=f", "a-b-c-20d-e-f"),
            ("-x-", "x"),
            ("日本 語", "日本-語"),
            ("a\u{202e}b\nc", "a-b-c"),
            (long.as_str(), &long[..MAX_NAME]),
        ];
        for (stem, name) in cases {
            assert_eq!(from_stem(stem), name, "{stem:?}");
            assert_eq!(check(name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn a_bad_name_is_told_why_and_what_would_do() {
        let long = "x".repeat(MAX_NAME + 1);
        for (name, reason) in
            [("", "is empty"), ("a b", "' '"), (".hidden", "begins with"), ("a/b", "'/'"), (long.as_str(), "129 bytes")]
        {
            let error = check(name).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
            assert_eq!(check(&error.suggestion), Ok(()));
        }
    }

    #[test]
    fn a_numbered_name_is_a_name() {
        assert_eq!(numbered("film", 2), "film-2");
        let name = numbered(&"ü".repeat(64), 12);
        assert_eq!(check(&name), Ok(()));
        assert!(name.ends_with("ü-12"));
    }
}
