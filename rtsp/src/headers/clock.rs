//! Absolute time (RFC 2326 section 3.7), in `Range`: ISO 8601 in UTC, as `20260131T235959.25Z`.

use super::FieldError;
use std::{fmt, str::FromStr};

/// A range of absolute times; one of its ends is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockRange {
    /// `None`: from where it stands.
    pub start: Option<UtcTime>,
    /// `None`: to the end.
    pub end: Option<UtcTime>,
}

/// An instant of the wall clock: nanoseconds since 1970, from the year 1900 (GStreamer's zero) to 2199.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UtcTime(pub i64);

const NANOS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;
/// Years that fit nanoseconds with room to spare.
const YEARS: std::ops::RangeInclusive<i64> = 1900..=2199;
/// Days from 1900 to 1970.
const DAYS_TO_1970: i64 = 25_567;

impl ClockRange {
    /// # Errors
    /// Not `time-`, `-time` or `time-time`.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let (start, end) = text.split_once('-').unwrap_or((text, ""));
        let one = |text: &str| -> Result<Option<UtcTime>, FieldError> {
            match text.trim() {
                "" => Ok(None),
                text => text.parse().map(Some),
            }
        };
        match (one(start)?, one(end)?) {
            (None, None) => Err(error("neither start nor end")),
            (start, end) => Ok(Self { start, end }),
        }
    }
}

impl FromStr for UtcTime {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        let wrong = || error("no time as 20260131T235959Z");
        let text = text.strip_suffix(['Z', 'z']).ok_or_else(wrong)?;
        let (date, time) = text.split_once(['T', 't']).ok_or_else(wrong)?;
        let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if date.len() != 8 || time.len() != 6 || !digits(date) || !digits(time) || !digits(fraction) {
            return Err(wrong());
        }
        let number = |text: &str, from: usize, to: usize| {
            text.get(from..to).and_then(|part| part.parse::<i64>().ok()).unwrap_or(i64::MAX)
        };
        let (year, month, day) = (number(date, 0, 4), number(date, 4, 6), number(date, 6, 8));
        let (hour, minute, second) = (number(time, 0, 2), number(time, 2, 4), number(time, 4, 6));
        // A second 60 is a leap second.
        let good = YEARS.contains(&year) && (1..=12).contains(&month) && hour < 24 && minute < 60 && second <= 60;
        if !good || day < 1 || day > days_of(year, month) {
            return Err(error("a date or time that the calendar hasn't, or of another century"));
        }
        // Decimals beyond the nanosecond fall off.
        let nanos = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
        let nanos = nanos.fold(0, |nanos, digit| nanos * 10 + i64::from(digit - b'0'));
        let seconds = days_before(year, month, day) * DAY + hour * 3_600 + minute * 60 + second;
        Ok(Self(seconds * NANOS + nanos))
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to a date.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let years: i64 = (1900..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: i64 = (1..month).map(|month| days_of(year, month)).sum();
    years + months + day - 1 - DAYS_TO_1970
}

fn error(reason: &'static str) -> FieldError {
    FieldError { field: "Range", reason }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.max(-DAYS_TO_1970 * DAY * NANOS);
        let seconds = nanos.div_euclid(NANOS);
        let (mut days, second) = (seconds.div_euclid(DAY) + DAYS_TO_1970, seconds.rem_euclid(DAY));
        let (mut year, mut month) = (1900, 1);
        // No later than the year 2262, where nanoseconds end.
        while days >= if is_leap(year) { 366 } else { 365 } {
            days -= if is_leap(year) { 366 } else { 365 };
            year += 1;
        }
        while days >= days_of(year, month) {
            days -= days_of(year, month);
            month += 1;
        }
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}{month:02}{:02}T{hour:02}{minute:02}{second:02}", days + 1)?;
        let decimals = format!("{:09}", nanos.rem_euclid(NANOS));
        match decimals.trim_end_matches('0') {
            "" => f.write_str("Z"),
            decimals => write!(f, ".{decimals}Z"),
        }
    }
}

impl fmt::Display for ClockRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("clock=")?;
        if let Some(start) = self.start {
            write!(f, "{start}")?;
        }
        f.write_str("-")?;
        self.end.map_or(Ok(()), |end| write!(f, "{end}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written() {
        for (text, start, end) in [
            ("19961108T142300Z-19961108T143520Z", Some(847_462_980 * NANOS), Some(847_463_720 * NANOS)),
            ("19700101T000000.25Z-", Some(NANOS / 4), None),
            ("19691231T235959.75Z-", Some(-NANOS / 4), None),
            ("19000101T000000Z-19000101T000500.098Z", Some(-2_208_988_800 * NANOS), Some(-2_208_988_499_902_000_000)),
            ("-20240229T235959.000000001Z", None, Some(1_709_251_199 * NANOS + 1)),
            ("21991231T235959Z-", Some(7_258_118_399 * NANOS), None),
            ("20000301T000000Z-", Some(951_868_800 * NANOS), None),
        ] {
            let range = ClockRange { start: start.map(UtcTime), end: end.map(UtcTime) };
            assert_eq!(ClockRange::parse(text), Ok(range), "{text}");
            assert_eq!(range.to_string(), format!("clock={text}"));
        }
        assert_eq!(ClockRange::parse("20161231t235960z").unwrap().start, Some(UtcTime(1_483_228_800 * NANOS)));
    }

    #[test]
    fn what_is_no_time_is_an_error() {
        for text in [
            "",
            "-",
            "now-",
            "20260131-",
            "20260131T2359Z-",
            "20260131T235959-",
            "20260230T000000Z-",
            "20261301T000000Z-",
            "20260131T240000Z-",
            "18991231T235959Z-",
            "22000101T000000Z-",
            "2026013+T235959Z-",
            "20260131T235959.xZ-",
            "20260131T235959Z-20260131T235959Z-",
        ] {
            assert!(ClockRange::parse(text).is_err(), "{text}");
        }
    }
}
