//! R1-PLA-09 and on: the forms of Range.

use super::play::{played, range_of};
use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail},
    context::Context,
};

const FILM: &[Need] = &[Need::Tracks, Need::Seekable];

pub(super) const CASES: &[Case] = &[
    Case::must("R1-PLA-09", "RFC 2326 3.6", "npt in seconds, with and without a fraction", FILM, |c| {
        forms(c, &[("npt=2-", 2.0), ("npt=2.25-", 2.25), ("npt=2.-", 2.0)])
    }),
    Case::must("R1-PLA-09b", "RFC 2326 3.6", "npt in hours, minutes and seconds", FILM, |c| {
        forms(c, &[("npt=0:00:02.25-", 2.25), ("npt=00:00:02-", 2.0)])
    }),
    Case::must("R1-PLA-09c", "RFC 2326 3.6", "npt without a start", FILM, |c| {
        c.at_least(4.0)?;
        let answer = played(c, "npt=-3")?;
        c.status("npt=-3", &answer, &[200])?;
        let (start, stop) = range_of(&answer)?;
        let good = start.abs() < 0.5 && stop.is_some_and(|stop| (stop - 3.0).abs() < 0.5);
        ensure(good, "Range: npt=0-3", answer.brief())
    }),
    Case::must("R1-PLA-10", "RFC 2326 10.5", "the answer's range has the unit of the request", FILM, |c| {
        for range in ["npt=1-", "smpte=0:00:01-", "clock=20260101T000000Z-"] {
            let answer = played(c, range)?;
            let unit = range.split('=').next().unwrap_or("");
            if answer.status == 200 {
                let same = answer.header("Range").is_some_and(|value| value.trim().starts_with(&format!("{unit}=")));
                ensure(same, format!("Range: {unit}=... to {range}"), answer.brief())?;
            }
        }
        Ok(())
    }),
    Case::should("R1-PLA-13", "RFC 2326 3.5, 12.29, D.2.1", "smpte is taken or gets 501", FILM, |c| {
        for range in ["smpte=0:00:02-", "smpte=0:00:02:10.5-", "smpte-25=0:00:02:12-", "smpte-30-drop=0:00:02:12-"] {
            let answer = played(c, range)?;
            c.status(range, &answer, &[200, 456, 501])?;
            if answer.status == 200 {
                let (unit, value) =
                    answer.header("Range").and_then(|value| value.trim().split_once('=')).unwrap_or_default();
                let first = value.split('-').next().and_then(seconds);
                // 3.5: drop frames are what "smpte" means by itself.
                let kind = |unit: &str| unit.strip_suffix("-30-drop").unwrap_or(unit).to_owned();
                let good =
                    range.split('=').next().map(kind) == Some(kind(unit)) && first.is_some_and(|first| first < 4.0);
                ensure(good, format!("the unit of {range}, from there or just before"), answer.brief())?;
            }
        }
        Ok(())
    }),
    Case::must(
        "R1-PLA-14",
        "RFC 2326 3.7, 7.1.1; CVE-2020-24027",
        "clock ranges are taken, or refused by number",
        FILM,
        |c| {
            let long = format!("clock={}T000000Z-", "2".repeat(5000));
            let ranges = [
                "clock=20260101T000000Z-",
                "clock=20260101T000000.25Z-20260101T000001Z",
                "clock=99999999T999999Z-",
                &long,
            ];
            for range in ranges {
                let answer = played(c, range)?;
                let brief: String = range.chars().take(60).collect();
                c.status(&brief, &answer, &[200, 400, 414, 456, 457, 501])?;
            }
            c.alive_elsewhere()
        },
    ),
    Case::interop("R1-PLA-16", "RFC 2326 12.29", "a time parameter doesn't spoil the range", FILM, |c| {
        let answer = played(c, "npt=1-;time=19970123T143720Z")?;
        c.status("npt=1-;time= in the past", &answer, &[200, 400, 501])
    }),
];

/// Whole seconds of an SMPTE time (RFC 2326 3.5).
fn seconds(time: &str) -> Option<f64> {
    let mut parts = time.trim().split(':');
    let mut part = || parts.next()?.parse::<f64>().ok();
    Some(part()? * 3600.0 + part()? * 60.0 + part()?)
}

/// Each form is taken, and begins at its time or at a sync sample just before.
fn forms(c: &mut Context, forms: &[(&str, f64)]) -> Verdict {
    c.at_least(4.0)?;
    for (range, seconds) in forms {
        let answer = played(c, range)?;
        c.status(range, &answer, &[200])?;
        let (start, _) = range_of(&answer)?;
        if start > seconds + 0.5 || start < 0.0 {
            return Err(fail(format!("a range that begins at {seconds} or just before"), answer.brief()));
        }
    }
    Ok(())
}
