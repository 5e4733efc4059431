//! R1-PAU: PAUSE.

use super::{SETTLE, play::range_of, ready};
use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail},
    context::Context,
    message::Request,
    packets::{sequence_step, timestamp_step},
    session::Lower,
};
use std::time::Duration;

const FILM: &[Need] = &[Need::Tracks, Need::Seekable];

pub(super) const CASES: &[Case] = &[
    Case::must("R1-PAU-01", "RFC 2326 10.6", "PAUSE stops the packets", FILM, |c| {
        let mut session = c.session()?;
        session.play(Some("npt=0.000-"))?;
        session.collect(Duration::from_secs(1))?;
        session.pause()?;
        session.collect(SETTLE)?;
        session.forget();
        session.collect(Duration::from_millis(1500))?;
        let late = session.packets.iter().filter(|packet| !packet.rtcp).count();
        session.tear_down();
        ensure(late == 0, "no RTP after PAUSE", format!("{late} packets"))
    }),
    Case::must("R1-PAU-02", "RFC 2326 10.6", "PLAY without Range resumes at the pause point", FILM, |c| {
        let mut session = c.session()?;
        session.play(Some("npt=0.000-"))?;
        session.collect(Duration::from_secs(2))?;
        session.pause()?;
        session.collect(SETTLE)?;
        let before = session.rtp(0)?;
        session.forget();
        let answer = session.play(None)?;
        session.collect(Duration::from_secs(1))?;
        session.tear_down();
        let (start, _) = range_of(&answer)?;
        ensure((1.0..4.0).contains(&start), "Range: npt=2-, about", answer.brief())?;
        let after = session.rtp(0)?;
        let (Some(last), Some(first)) = (before.last(), after.first()) else { return Err(fail("packets", "none")) };
        let clock = c
            .offer
            .description
            .media
            .first()
            .and_then(|m| m.encoding())
            .map_or(90_000.0, |(_, clock)| f64::from(clock));
        let step = timestamp_step(last.timestamp, first.timestamp) as f64 / clock;
        // Pictures come in decoding order, and a server may count the time of the pause (RFC 7826 C.4).
        ensure((-1.0..2.0).contains(&step), "timestamps that run on", format!("a step of {step:.2} s"))?;
        let step = sequence_step(last.sequence, first.sequence);
        let next = step == 1 || c.lower == Lower::Udp && (1..50).contains(&step);
        ensure(next, "the next sequence number", format!("a step of {step}"))
    }),
    Case::must("R1-PAU-03", "RFC 2326 10.6", "PAUSE with a Range pauses when that time is reached", FILM, |c| {
        c.at_least(8.0)?;
        let mut session = c.session()?;
        session.play(Some("npt=0.000-"))?;
        session.collect(Duration::from_millis(500))?;
        let request = session.request("PAUSE").header("Range", "npt=3-");
        let mut answer = session.wire.ask(&request)?;
        if answer.status != 200 {
            // 12.29 has no form with one value but this; some write it without the dash.
            let request = session.request("PAUSE").header("Range", "npt=3");
            answer = session.wire.ask(&request)?;
        }
        c.status("PAUSE with Range: npt=3", &answer, &[200])?;
        session.forget();
        session.collect(Duration::from_millis(1200))?;
        let still = session.count(0);
        session.collect(Duration::from_millis(2800))?;
        session.forget();
        session.collect(Duration::from_secs(1))?;
        let late = session.count(0);
        let goes_on = session.play(None)?;
        session.tear_down();
        ensure(still > 0, "packets up to npt 3", "none after PAUSE")?;
        ensure(late == 0, "no packets after npt 3", format!("{late} packets"))?;
        let (start, _) = range_of(&goes_on)?;
        ensure((start - 3.0).abs() < 0.5, "PLAY goes on from npt 3", goes_on.brief())
    }),
    Case::must("R1-PAU-04", "RFC 2326 10.6", "PAUSE at a time that isn't being played gets 457", FILM, |c| {
        let far = c.length()? + 100.0;
        let mut session = c.session()?;
        session.play(Some("npt=0.000-"))?;
        let request = session.request("PAUSE").header("Range", format!("npt={far:.0}-"));
        let answer = session.wire.ask(&request)?;
        let request = session.request("PAUSE").header("Range", "npt=3-5");
        let two = session.wire.ask(&request)?;
        session.tear_down();
        c.status("PAUSE after the end", &answer, &[457])?;
        // 10.6: a range that is not of exactly one value.
        c.status("PAUSE with Range: npt=3-5", &two, &[400, 457])
    }),
    Case::interop(
        "R1-PAU-05",
        "RFC 2326 A.2, RFC 7826 13.6",
        "PAUSE before PLAY gets 455 or 200",
        &[Need::Tracks],
        |c| {
            let (mut wire, id) = ready(c)?;
            let answer = wire.ask(&Request::new("PAUSE", &c.offer.aggregate).header("Session", &id))?;
            super::end(c, &mut wire, &id);
            c.status("PAUSE in Ready", &answer, &[200, 455])
        },
    ),
    Case::must(
        "R1-PAU-06",
        "RFC 2326 10.6, 11.3.11",
        "PAUSE of one track of several stops that track, or gets 460",
        &[Need::SeveralTracks],
        one_track,
    ),
    Case::must(
        "R1-PAU-07",
        "RFC 2326 10 (table 2)",
        "a live presentation without PAUSE says so by number",
        &[Need::Live, Need::Tracks],
        |c| {
            let mut session = c.session()?;
            session.play(None)?;
            let request = session.request("PAUSE");
            let answer = session.wire.ask(&request)?;
            session.tear_down();
            c.status("PAUSE of a live presentation", &answer, &[200, 405, 455, 456, 501])
        },
    ),
    Case::must("R1-PAU-09", "RFC 2326 11.3.5", "PAUSE in a session that isn't there gets 454", &[], |c| {
        let answer = c.ask(&Request::new("PAUSE", &c.offer.aggregate).header("Session", "NoSuchSession42"))?;
        c.status("PAUSE in an unknown session", &answer, &[454])
    }),
];

fn one_track(c: &mut Context) -> Verdict {
    let mut session = c.session()?;
    session.play(None)?;
    session.collect(Duration::from_secs(1))?;
    let url = session.tracks.first().map(|track| track.url.clone()).unwrap_or_default();
    let answer = session.wire.ask(&Request::new("PAUSE", &url).header("Session", &session.id))?;
    c.status("PAUSE of a track's URL", &answer, &[200, 460])?;
    session.collect(SETTLE)?;
    session.forget();
    session.collect(Duration::from_millis(1500))?;
    let (paused, other) = (session.count(0), session.count(1));
    session.tear_down();
    ensure(other > 0, "packets of the other track", "none for 1.5 s")?;
    ensure((answer.status == 200) == (paused == 0), "packets of the track only after 460", format!("{paused} packets"))
}
