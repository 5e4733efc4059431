//! `Scale` (RFC 2326 section 12.34) and `Speed` (12.35).

use super::FieldError;
use std::fmt;

/// Normal play time per real time: 1 is normal, 2 twice as fast, negative backwards. Never zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale(pub f64);

/// Delivery relative to normal, above zero: faster or slower packets, the same film.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed(pub f64);

impl Scale {
    /// As the film was made.
    pub const NORMAL: Scale = Scale(1.0);

    /// # Errors
    /// No decimal number, or zero.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        decimal(text).map(Self).ok_or(FieldError { field: "Scale", reason: "no number other than zero" })
    }
}

impl Speed {
    /// Neither faster nor slower than it is shown.
    pub const NORMAL: Speed = Speed(1.0);

    /// # Errors
    /// No decimal number above zero.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let speed = decimal(text).filter(|speed| *speed > 0.0);
        speed.map(Self).ok_or(FieldError { field: "Speed", reason: "no number above zero" })
    }
}

/// Anything larger or smaller plays nothing.
const LARGEST: f64 = 1e6;

/// Digits with at most one point and a sign, no exponent; what six decimals can't tell from zero is zero.
fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    let rounded = (number * 1e6).round() / 1e6;
    (rounded.abs() > 0.0 && rounded.abs() <= LARGEST).then_some(rounded)
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.0)
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_plain_decimals() {
        for (text, written) in [("1", "1.000000"), ("1.501502", "1.501502"), ("-0.5", "-0.500000"), ("+2", "2.000000")]
        {
            let scale = Scale::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(scale.to_string(), written);
            assert_eq!(Scale::parse(written), Ok(scale));
        }
        for text in ["", "0", "-0.0", "nan", "inf", "1e99", "abc", "1.2.3", ".", "-", "0.0000001", "1000001"] {
            assert!(Scale::parse(text).is_err(), "{text}");
        }
        assert_eq!(Speed::parse("2"), Ok(Speed(2.0)));
        assert!(Speed::parse("-2").is_err() && Speed::parse("0").is_err());
    }
}
