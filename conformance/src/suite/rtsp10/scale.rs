//! R1-SCA, R1-SPD: other speeds.

use super::play::range_of;
use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    message::Response,
    packets::{Rtp, timestamp_step},
};
use std::time::{Duration, Instant};

const FILM: &[Need] = &[Need::Tracks, Need::Seekable];

pub(super) const CASES: &[Case] = &[
    Case::must("R1-SCA-01", "RFC 2326 12.34", "the answer says which scale is used", FILM, |c| {
        for scale in ["2", "0.5", "-1", "1.0"] {
            let start = if scale == "-1" { format!("npt={:.3}-", c.length()? - 0.5) } else { "npt=0-".into() };
            let (answer, _) = with(c, "Scale", scale, Some(&start), Duration::ZERO)?;
            if scale == "-1" && answer.status != 200 {
                c.status("Scale: -1", &answer, &[400, 456, 457, 501])?;
                continue;
            }
            c.status(&format!("Scale: {scale}"), &answer, &[200])?;
            let used = answer.header("Scale").and_then(|value| value.trim().parse::<f64>().ok());
            ensure(
                used.is_some_and(f64::is_finite),
                format!("Scale: in the answer to Scale: {scale}"),
                answer.brief(),
            )?;
        }
        Ok(())
    }),
    Case::should(
        "R1-SCA-02",
        "RFC 2326 12.34, B",
        "at Scale 2 timestamps keep the pace of the clock on the wall",
        FILM,
        |c| {
            c.at_least(12.0)?;
            let (answer, packets) = with(c, "Scale", "2", Some("npt=0-"), Duration::from_secs(4))?;
            let used = answer.header("Scale").and_then(|value| value.trim().parse::<f64>().ok()).unwrap_or(1.0);
            if (used - 1.0).abs() < 0.01 {
                return Err(skip("the server plays at Scale 1 only"));
            }
            let pace = pace(c, &packets)?;
            ensure((0.75..1.35).contains(&pace), "1 s of timestamps in 1 s", format!("{pace:.2} s at Scale {used}"))
        },
    ),
    Case::must(
        "R1-SCA-02b",
        "RFC 2326 12.34",
        "at Scale 2 the time of the presentation passes twice as fast",
        FILM,
        |c| {
            c.at_least(16.0)?;
            let mut session = c.session()?;
            let request = session.request("PLAY").header("Scale", "2").header("Range", "npt=0-");
            let answer = session.wire.ok(&request)?;
            let began = Instant::now();
            if answer.header("Scale").and_then(|value| value.trim().parse::<f64>().ok()) != Some(2.0) {
                session.tear_down();
                return Err(skip("the server doesn't play at Scale 2"));
            }
            session.collect(Duration::from_secs(5))?;
            session.pause()?;
            let played = began.elapsed().as_secs_f64();
            let answer = session.play(None)?;
            session.tear_down();
            let (reached, _) = range_of(&answer)?;
            // What was sent may be ahead, and a PLAY may go back to where decoding may begin.
            let near = (2.0 * played - 3.0..=2.0 * played + 2.5).contains(&reached);
            ensure(near, format!("npt {:.1}, about, after {played:.1} s", 2.0 * played), answer.brief())
        },
    ),
    Case::interop("R1-SCA-03", "RFC 2326 12.34, 7.1.1", "impossible scales are refused or set right", FILM, |c| {
        for scale in ["0", "nan", "1e99", "abc", "-", ""] {
            let (answer, _) = with(c, "Scale", scale, Some("npt=0-"), Duration::ZERO)?;
            c.status(&format!("Scale: {scale}"), &answer, &[200, 400, 456, 457, 501])?;
            if answer.status == 200 {
                let used = answer.header("Scale").and_then(|value| value.trim().parse::<f64>().ok());
                let sane = used.is_none_or(|used| used.is_finite() && used != 0.0);
                ensure(sane, "a scale that can be played", answer.brief())?;
            }
        }
        c.alive_elsewhere()
    }),
    Case::interop("R1-SCA-04", "VLC", "Scale without Range while playing goes on from the current place", FILM, |c| {
        c.at_least(10.0)?;
        let mut session = c.session()?;
        let (from, _) = range_of(&session.play(Some("npt=4-"))?)?;
        let began = Instant::now();
        session.collect(Duration::from_millis(1500))?;
        let request = session.request("PLAY").header("Scale", "2");
        let answer = session.wire.ok(&request)?;
        let played = began.elapsed().as_secs_f64();
        session.tear_down();
        let (start, _) = range_of(&answer)?;
        // Trick play may begin at a sync sample, and what was sent may be ahead of what is due.
        ensure(
            (from - 0.05..=from + played + 12.0).contains(&start),
            format!("a range that begins near {:.1}", from + played),
            answer.brief(),
        )
    }),
    Case::interop("R1-SPD-01", "RFC 2326 12.35", "Speed is in the answer where it is taken; 0 is refused", FILM, |c| {
        c.at_least(8.0)?;
        let (answer, packets) = with(c, "Speed", "2.0", Some("npt=0-"), Duration::from_secs(3))?;
        c.status("Speed: 2.0", &answer, &[200, 501])?;
        if let Some(speed) = answer.header("Speed") {
            let used = speed.trim().parse::<f64>().unwrap_or(0.0);
            ensure(used > 0.0, "a speed", speed)?;
            let pace = pace(c, &packets)?;
            ensure(
                pace > used * 0.75,
                format!("{used} s of media a second, as the answer says"),
                format!("{pace:.2} s"),
            )?;
        }
        let (answer, _) = with(c, "Speed", "0", Some("npt=0-"), Duration::ZERO)?;
        c.status("Speed: 0", &answer, &[200, 400, 456, 457, 501])?;
        let zero = answer.header("Speed").and_then(|value| value.trim().parse::<f64>().ok()) == Some(0.0);
        ensure(!zero, "no speed of 0", answer.brief())
    }),
];

/// Seconds of timestamps of the first track a second of the wall clock's.
fn pace(c: &Context, packets: &[Rtp]) -> Verdict<f64> {
    let encoding = c.offer.description.media.first().and_then(|media| media.encoding());
    let clock = encoding.map_or(90_000.0, |(_, clock)| f64::from(clock));
    let (Some(first), Some(last)) = (packets.first(), packets.last()) else { return Err(fail("packets", "none")) };
    let wall = last.at.duration_since(first.at).as_secs_f64();
    ensure(wall > 1.0, "packets for more than 1 s", format!("{wall:.2} s"))?;
    Ok(timestamp_step(first.timestamp, last.timestamp) as f64 / clock / wall)
}

/// PLAY of the first track with a header; its answer, and the packets of `wait`.
fn with(
    c: &mut Context,
    name: &str,
    value: &str,
    range: Option<&str>,
    wait: Duration,
) -> Verdict<(Response, Vec<Rtp>)> {
    let mut session = c.session_of(&[0])?;
    let request = session.request("PLAY").header(name, value).maybe("Range", range);
    let answer = session.wire.ask(&request)?;
    if !wait.is_zero() {
        session.collect(wait)?;
    }
    session.tear_down();
    Ok((answer, session.rtp(0)?))
}
