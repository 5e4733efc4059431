//! `Range` (RFC 2326 section 12.29), with NPT (3.6) for its unit, SMPTE time codes or absolute time.

use super::FieldError;
use super::clock::ClockRange;
use super::smpte::{SmpteRange, SmpteType, Timecode};
use rtp::clock::MediaTime;
use std::fmt;

/// What is to be played. Half-open: what starts at the end is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Range {
    /// Normal play time.
    Npt(NptRange),
    /// Time codes.
    Smpte(SmpteRange),
    /// Absolute time.
    Clock(ClockRange),
    /// Another unit, lower case (`bytes`): we do not play by it.
    Other(String),
}

/// A range of normal play time; one of its ends is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NptRange {
    /// `None`: from where it stands.
    pub start: Option<Npt>,
    /// `None`: to the end.
    pub end: Option<Npt>,
}

/// A place in normal play time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Npt {
    /// `now`: of a live presentation.
    Now,
    /// From the start, never negative.
    At(MediaTime),
}

impl Range {
    /// From `start` to `end`, as an answer says it.
    pub fn npt(start: MediaTime, end: Option<MediaTime>) -> Self {
        Range::Npt(NptRange { start: Some(Npt::At(start)), end: end.map(Npt::At) })
    }

    /// The range in normal play time; `None`: there is no telling.
    pub fn in_npt(&self) -> Option<NptRange> {
        match self {
            Range::Npt(range) => Some(*range),
            Range::Smpte(range) => {
                let at = |code: Timecode| Npt::At(code.time(range.kind));
                Some(NptRange { start: range.start.map(at), end: range.end.map(at) })
            }
            Range::Clock(_) | Range::Other(_) => None,
        }
    }

    /// From `start` to `end`, in the unit of `self`.
    pub fn like(&self, start: MediaTime, end: Option<MediaTime>) -> Self {
        match self {
            Range::Smpte(SmpteRange { kind, .. }) => {
                let code = |time| Timecode::nearest(*kind, time);
                Range::Smpte(SmpteRange { kind: *kind, start: Some(code(start)), end: end.map(code) })
            }
            Range::Npt(_) | Range::Clock(_) | Range::Other(_) => Range::npt(start, end),
        }
    }

    /// A `time=` parameter (when to carry it out, gone in RFC 7826) is passed over.
    ///
    /// # Errors
    /// Not `unit=range`, or an NPT range that is none.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let range = text.split(';').next().unwrap_or_default();
        let (unit, value) = range.split_once('=').ok_or(error("no unit"))?;
        let unit = unit.trim().to_ascii_lowercase();
        if unit == "npt" {
            return parse_npt(value.trim()).map(Range::Npt);
        }
        if unit == "clock" {
            return ClockRange::parse(value.trim()).map(Range::Clock);
        }
        if let Some(kind) = SmpteType::from_unit(&unit) {
            return SmpteRange::parse(kind, value.trim()).map(Range::Smpte);
        }
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        match !unit.is_empty() && unit.bytes().all(good) {
            true => Ok(Range::Other(unit)),
            false => Err(error("the unit is no token")),
        }
    }
}

fn parse_npt(text: &str) -> Result<NptRange, FieldError> {
    let (start, end) = match text.split_once('-') {
        Some((start, end)) => (start.trim(), end.trim()),
        // Not by the grammar, but clients send it.
        None => (text, ""),
    };
    let one = |text: &str| match text {
        "" => Ok(None),
        _ => Npt::parse(text).map(Some),
    };
    let range = NptRange { start: one(start)?, end: one(end)? };
    match range {
        NptRange { start: None, end: None } => Err(error("neither start nor end")),
        NptRange { end: Some(Npt::Now), .. } => Err(error("an end that is now")),
        range => Ok(range),
    }
}

const NANOS: i64 = 1_000_000_000;
/// Hours above this are no film: also keeps the nanoseconds far from overflow (292 years).
const MAX_SECONDS: i64 = 1_000_000_000;

impl Npt {
    /// `now`, seconds with any number of decimals, or `hh:mm:ss` with the same.
    fn parse(text: &str) -> Result<Self, FieldError> {
        if text.eq_ignore_ascii_case("now") {
            return Ok(Npt::Now);
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let mut parts = whole.split(':').map(number);
        let seconds = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(seconds), None, ..) => seconds?,
            (Some(hours), Some(minutes), Some(seconds), None) => {
                let (minutes, seconds) = (minutes?, seconds?);
                if minutes > 59 || seconds > 59 {
                    return Err(error("minutes or seconds above 59"));
                }
                hours?.saturating_mul(3600).saturating_add(minutes * 60 + seconds)
            }
            _ => return Err(error("neither seconds nor hours:minutes:seconds")),
        };
        if seconds > MAX_SECONDS {
            return Err(error("longer than any film"));
        }
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error("decimals that are no digits"));
        }
        // Decimals beyond the nanosecond fall off.
        let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
        let nanos = digits.fold(0, |nanos, digit| nanos * 10 + i64::from(digit - b'0'));
        Ok(Npt::At(MediaTime(seconds * NANOS + nanos)))
    }
}

/// Digits; saturates at what is too much anyway.
fn number(text: &str) -> Result<i64, FieldError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(error("a time that is no number"));
    }
    Ok(text.parse().unwrap_or(MAX_SECONDS + 1))
}

fn error(reason: &'static str) -> FieldError {
    FieldError { field: "Range", reason }
}

impl fmt::Display for Npt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Npt::Now => f.write_str("now"),
            Npt::At(MediaTime(nanos)) => {
                let nanos = (*nanos).max(0);
                let decimals = format!("{:09}", nanos % NANOS);
                // As many as needed, but three at least, as all servers write it.
                let (some, more) = decimals.split_at(3);
                write!(f, "{}.{some}{}", nanos / NANOS, more.trim_end_matches('0'))
            }
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Range::Other(unit) => write!(f, "{unit}="),
            Range::Smpte(range) => range.fmt(f),
            Range::Clock(range) => range.fmt(f),
            Range::Npt(range) => {
                f.write_str("npt=")?;
                if let Some(start) = range.start {
                    write!(f, "{start}")?;
                }
                f.write_str("-")?;
                if let Some(end) = range.end {
                    write!(f, "{end}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written() {
        let cases: &[(&str, &str)] = &[
            ("npt=0.000-", "npt=0.000-"),
            ("npt=0-", "npt=0.000-"),
            ("npt=10-15", "npt=10.000-15.000"),
            ("npt=5", "npt=5.000-"),
            ("npt=5.25-", "npt=5.250-"),
            ("npt=0:00:05.25-", "npt=5.250-"),
            ("npt=00:01:02-", "npt=62.000-"),
            ("npt=100:00:00-", "npt=360000.000-"),
            ("npt=-7", "npt=-7.000"),
            ("npt=now-", "npt=now-"),
            ("npt=now-300.134", "npt=now-300.134"),
            ("NPT = 1.5 - 2 ", "npt=1.500-2.000"),
            ("npt=0.001440287-", "npt=0.001440287-"),
            ("npt=0.0014402879999-", "npt=0.001440287-"),
            ("npt=25.728334002-0", "npt=25.728334002-0.000"),
            ("npt=0-;time=19970123T143720Z", "npt=0.000-"),
            ("smpte=0:00:05-", "smpte=00:00:05:00-"),
            ("smpte-25=0:00:05:12-0:00:07:12.5", "smpte-25=00:00:05:12-00:00:07:12.05"),
            ("smpte-30-drop=-10:07:33", "smpte-30-drop=-10:07:33:00"),
            ("smpte-50=0:00:05-", "smpte-50="),
            ("clock=20260101T000000Z-", "clock=20260101T000000Z-"),
            ("bytes=0-1", "bytes="),
        ];
        for (text, written) in cases {
            let range = Range::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(&range.to_string(), written, "{text}");
            assert_eq!(Range::parse(written).as_ref(), Ok(&range), "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_an_error() {
        for text in [
            "",
            "npt",
            "npt=",
            "npt=-",
            "npt=a-",
            "npt=1:2-",
            "npt=0:60:00-",
            "npt=0:00:60-",
            "npt=--5",
            "npt=0-now",
            "npt=1.x-",
            "npt=9999999999999999999999-",
            "npt=99999999999:00:00-",
            "npt=+1-",
            "=5-",
            "a b=5-",
            "npt=1.-2.-",
            "smpte=5-",
            "smpte=0:00:05:30-",
            "smpte-25=",
        ] {
            assert!(Range::parse(text).is_err(), "{text}");
        }
    }
}
