//! SMPTE relative timestamps (RFC 2326 section 3.5), in `Range`.

use super::FieldError;
use rtp::clock::MediaTime;
use std::fmt;

/// Which frames a time code counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmpteType {
    /// `smpte`: what the RFC means where nothing else is said, 30 drop.
    Unsaid,
    /// `smpte-30-drop`: 30000/1001 a second; two numbers are left out each minute but every tenth.
    Drop30,
    /// `smpte-30`
    Fps30,
    /// `smpte-25`
    Fps25,
    /// `smpte-24`
    Fps24,
}

/// A range of time codes; one of its ends is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmpteRange {
    /// What is counted.
    pub kind: SmpteType,
    /// `None`: from where it stands.
    pub start: Option<Timecode>,
    /// `None`: to the end.
    pub end: Option<Timecode>,
}

/// `hh:mm:ss:ff.uu`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timecode {
    hours: u8,
    minutes: u8,
    seconds: u8,
    frames: u8,
    /// Hundredths of a frame.
    subframes: u8,
}

const NANOS: i128 = 1_000_000_000;
/// Frames that a minute of drop time leaves out, and those of ten minutes.
const DROPPED: i64 = 2;
const TEN_MINUTES: i64 = 10 * 60 * 30 - 9 * DROPPED;

impl SmpteType {
    /// By the range's unit, lower case.
    pub fn from_unit(unit: &str) -> Option<Self> {
        [Self::Unsaid, Self::Drop30, Self::Fps30, Self::Fps25, Self::Fps24].into_iter().find(|kind| kind.unit() == unit)
    }

    /// What stands before the `=`.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Unsaid => "smpte",
            Self::Drop30 => "smpte-30-drop",
            Self::Fps30 => "smpte-30",
            Self::Fps25 => "smpte-25",
            Self::Fps24 => "smpte-24",
        }
    }

    /// Numbers of a second, and frames as so many in so many seconds.
    fn rate(self) -> (i64, i128, i128) {
        match self {
            Self::Unsaid | Self::Drop30 => (30, 30_000, 1_001),
            Self::Fps30 => (30, 30, 1),
            Self::Fps25 => (25, 25, 1),
            Self::Fps24 => (24, 24, 1),
        }
    }

    fn drops(self) -> bool {
        matches!(self, Self::Unsaid | Self::Drop30)
    }
}

impl SmpteRange {
    /// # Errors
    /// Not `time-`, `-time` or `time-time`.
    pub fn parse(kind: SmpteType, text: &str) -> Result<Self, FieldError> {
        let (start, end) = text.split_once('-').unwrap_or((text, ""));
        let one = |text: &str| match text.trim() {
            "" => Ok(None),
            text => Timecode::parse(kind, text).map(Some),
        };
        match (one(start)?, one(end)?) {
            (None, None) => Err(error("neither start nor end")),
            (start, end) => Ok(Self { kind, start, end }),
        }
    }
}

impl Timecode {
    fn parse(kind: SmpteType, text: &str) -> Result<Self, FieldError> {
        let number = |text: &str| match text.len() {
            1 | 2 if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse::<u8>().ok(),
            _ => None,
        };
        let (whole, subframes) = text.split_once('.').unwrap_or((text, "0"));
        let parts: Option<Vec<u8>> = whole.split(':').map(number).collect();
        let (hours, minutes, seconds, frames) = match parts.as_deref() {
            Some(&[hours, minutes, seconds]) => (hours, minutes, seconds, 0),
            Some(&[hours, minutes, seconds, frames]) => (hours, minutes, seconds, frames),
            _ => return Err(error("no time code of hours:minutes:seconds:frames, two digits each")),
        };
        let subframes = number(subframes).ok_or(error("subframes that are not one or two digits"))?;
        if minutes > 59 || seconds > 59 || i64::from(frames) >= kind.rate().0 {
            return Err(error("minutes, seconds or frames that a time code hasn't"));
        }
        Ok(Self { hours, minutes, seconds, frames, subframes })
    }

    /// The instant at which the frame begins.
    pub fn time(self, kind: SmpteType) -> MediaTime {
        let (numbers, frames, seconds) = kind.rate();
        let minutes = i64::from(self.hours) * 60 + i64::from(self.minutes);
        let mut count = (minutes * 60 + i64::from(self.seconds)) * numbers + i64::from(self.frames);
        if kind.drops() {
            count -= DROPPED * (minutes - minutes / 10);
        }
        let hundredths = i128::from(count * 100 + i64::from(self.subframes));
        // Rounded up: the frame that begins there must not seem to have begun before.
        let nanos = (hundredths * seconds * NANOS + frames * 100 - 1) / (frames * 100);
        MediaTime(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    /// The time code nearest to `time`, which saturates below 100 hours.
    pub fn nearest(kind: SmpteType, time: MediaTime) -> Self {
        let (numbers, frames, seconds) = kind.rate();
        let divisor = seconds * NANOS;
        let hundredths = (i128::from(time.0.max(0)) * frames * 100 + divisor / 2) / divisor;
        let most = 100 * 3600 * numbers - 1;
        let mut count = i64::try_from(hundredths / 100).unwrap_or(most).min(most);
        let subframes = u8::try_from(hundredths % 100).unwrap_or(0);
        if kind.drops() {
            let (tens, rest) = (count / TEN_MINUTES, count % TEN_MINUTES);
            let in_ten = if rest < DROPPED { 0 } else { DROPPED * ((rest - DROPPED) / (60 * 30 - DROPPED)) };
            count = (count + 9 * DROPPED * tens + in_ten).min(most);
        }
        let digit = |value: i64| u8::try_from(value).unwrap_or(0);
        let all = count / numbers;
        Self {
            hours: digit(all / 3600),
            minutes: digit(all / 60 % 60),
            seconds: digit(all % 60),
            frames: digit(count % numbers),
            subframes,
        }
    }
}

fn error(reason: &'static str) -> FieldError {
    FieldError { field: "Range", reason }
}

impl fmt::Display for Timecode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}:{:02}:{:02}", self.hours, self.minutes, self.seconds, self.frames)?;
        if self.subframes > 0 { write!(f, ".{:02}", self.subframes) } else { Ok(()) }
    }
}

impl fmt::Display for SmpteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.kind.unit())?;
        if let Some(start) = self.start {
            write!(f, "{start}")?;
        }
        f.write_str("-")?;
        if let Some(end) = self.end {
            write!(f, "{end}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_code_is_an_instant() {
        let cases = [
            (SmpteType::Fps25, "0:00:05:12", 5_480_000_000),
            (SmpteType::Fps25, "10:07:33:05.50", 36_453_220_000_000),
            (SmpteType::Fps24, "00:00:01:12", 1_500_000_000),
            (SmpteType::Fps30, "00:01:00", 60_000_000_000),
            (SmpteType::Unsaid, "0:00:05", 5_005_000_000),
            // The last before the numbers that are left out, and the first after them.
            (SmpteType::Drop30, "00:00:59:29", 60_026_633_334),
            (SmpteType::Drop30, "00:01:00:02", 60_060_000_000),
            (SmpteType::Drop30, "00:10:00:00", 599_999_400_000),
            (SmpteType::Drop30, "01:00:00:00", 3_599_996_400_000),
        ];
        for (kind, text, nanos) in cases {
            let code = Timecode::parse(kind, text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(code.time(kind), MediaTime(nanos), "{text}");
            assert_eq!(Timecode::nearest(kind, MediaTime(nanos)), code, "{text}");
        }
    }

    #[test]
    fn every_frame_of_an_hour_comes_back_from_its_time() {
        for kind in [SmpteType::Drop30, SmpteType::Fps30, SmpteType::Fps25, SmpteType::Fps24] {
            for nanos in (0..3_700_000_000_000).step_by(33_366_667 * 7) {
                let code = Timecode::nearest(kind, MediaTime(nanos));
                assert!((code.time(kind).0 - nanos).abs() < 250_000, "{kind:?} {nanos}: {code}");
                assert_eq!(Timecode::parse(kind, &code.to_string()), Ok(code));
            }
        }
    }

    #[test]
    fn what_is_no_time_code_is_an_error() {
        for text in
            ["", "-", "5-", "0:5-", "0:60:00-", "0:00:60-", "0:00:00:25-", "100:00:00-", "0:00:00:00.100-", "a:b:c-"]
        {
            assert!(SmpteRange::parse(SmpteType::Fps25, text).is_err(), "{text}");
        }
    }
}
