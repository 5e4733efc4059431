//! R2-PLA, R2-PAU, R2-TEA, R2-PAR: what is done with a session.

use super::{FILM, SEVERAL, TRACKS, session, whole};
use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    description::npt,
    message::{Request, Response},
    packets::{sequence_step, timestamp_step},
    session::Session,
};
use std::time::{Duration, Instant};

const LIVE: &[Need] = &[Need::Version2, Need::Tracks, Need::Live];

pub(super) const CASES: &[Case] = &[
    Case::must(
        "R2-HDR-03",
        "RFC 7826 18.49, 13.7",
        "answers have Session, but TEARDOWN's only where the session lives on",
        FILM,
        |c| {
            let mut session = whole(c)?;
            let play = session.play(None)?;
            let pause = session.pause()?;
            for answer in [&play, &pause] {
                ensure(answer.session() == Some(&session.id), format!("Session: {}", session.id), answer.brief())?;
            }
            let request = session.request("TEARDOWN");
            let answer = session.wire.ok(&request)?;
            ensure(answer.header("Session").is_none(), "no Session: it is gone", answer.brief())
        },
    ),
    Case::must("R2-PLA-01", "RFC 7826 13.4.1", "the answer to PLAY has Range and Seek-Style", FILM, |c| {
        let mut session = whole(c)?;
        let answer = session.play(Some("npt=2-"))?;
        session.tear_down();
        start_of(&answer)?;
        ensure(answer.header("Seek-Style").is_some(), "Seek-Style", answer.brief())
    }),
    Case::must("R2-PLA-02", "RFC 7826 13.4.1, 17.4.18", "PLAY after the end gets 457 with Media-Range", FILM, |c| {
        let far = c.length()? + 100.0;
        let mut session = whole(c)?;
        let request = session.request("PLAY").header("Range", format!("npt={far:.0}-"));
        let answer = session.wire.ask(&request)?;
        session.tear_down();
        c.status("PLAY after the end", &answer, &[457])?;
        ensure(answer.header("Media-Range").is_some(), "Media-Range", answer.brief())?;
        // The pause point: nothing was played yet.
        ensure(start_of(&answer)?.abs() < 0.5, "Range: npt=0-...", answer.brief())
    }),
    Case::should(
        "R2-PLA-11",
        "RFC 7826 13.4.1",
        "PLAY without Range at the end gets 457, with the pause point",
        FILM,
        |c| {
            let length = c.at_least(4.0)?;
            let mut session = whole(c)?;
            session.play(Some(&format!("npt={:.3}-", length - 1.0)))?;
            first_notice(&mut session)?;
            let answer = session.wire.ask(&session.request("PLAY"))?;
            session.tear_down();
            c.status("PLAY at the end", &answer, &[457])?;
            ensure(start_of(&answer)? > length - 1.5, format!("Range: npt={length}-..."), answer.brief())
        },
    ),
    Case::must("R2-PLA-03", "RFC 7826 13.4.3", "PLAY while playing replaces what is played", FILM, |c| {
        let length = c.at_least(6.0)?;
        let mut session = whole(c)?;
        session.play(Some("npt=0-"))?;
        session.collect(Duration::from_millis(600))?;
        let wanted = (length / 2.0).floor();
        let answer = session.play(Some(&format!("npt={wanted}-")))?;
        session.tear_down();
        let start = start_of(&answer)?;
        ensure(
            (wanted - 15.0..=wanted + 1.0).contains(&start) && start > 1.0,
            format!("Range: npt={wanted}-"),
            answer.brief(),
        )
    }),
    Case::must("R2-PLA-04", "RFC 7826 13.4.1", "npt=-N plays from the pause point to N", FILM, |c| {
        c.at_least(6.0)?;
        let mut session = whole(c)?;
        let answer = session.play(Some("npt=-4"))?;
        session.tear_down();
        let start = start_of(&answer)?;
        let stop = answer.header("Range").and_then(|value| npt(value.split('-').nth(1)?));
        let good = start.abs() < 0.5 && stop.is_some_and(|stop| (stop - 4.0).abs() < 0.5);
        ensure(good, "Range: npt=0-4", answer.brief())
    }),
    Case::must("R2-PLA-05", "RFC 7826 13.4.6", "npt=now- is answered with a time", LIVE, |c| {
        let mut session = whole(c)?;
        let answer = session.play(Some("npt=now-"))?;
        session.tear_down();
        let value = answer.header("Range").unwrap_or("none");
        ensure(value.contains('=') && !value.contains("now"), "a Range with a time", value)
    }),
    Case::must("R2-PLA-06", "RFC 7826 13.4.1, 13.5.1", "at the end PLAY_NOTIFY says end-of-stream", FILM, the_end),
    Case::must("R2-PLA-06b", "RFC 7826 13.5.1", "PLAY_NOTIFY at the end has Scale where that is not 1", FILM, |c| {
        let length = c.at_least(4.0)?;
        let mut session = whole(c)?;
        let range = format!("npt={:.3}-", length - 2.0);
        let request = session.request("PLAY").header("Range", range).header("Scale", "2.0");
        let answer = session.wire.ok(&request)?;
        if scale(&answer).is_none_or(|scale| scale == 1.0) {
            return Err(skip("Scale: 2.0 is not offered"));
        }
        let notice = first_notice(&mut session)?;
        session.tear_down();
        ensure(scale(&notice) == scale(&answer), "the Scale of the answer to PLAY", notice.brief())
    }),
    Case::must(
        "R2-PLA-07",
        "RFC 7826 13.4.2, 13.6, 17.4.21",
        "PLAY and PAUSE of one track of an aggregate get 460",
        SEVERAL,
        |c| {
            let mut session = whole(c)?;
            let url = session.tracks.first().map(|track| track.url.clone()).unwrap_or_default();
            for method in ["PLAY", "PAUSE"] {
                let request = Request::new(method, &url).version("RTSP/2.0").header("Session", &session.id);
                let answer = session.wire.ask(&request)?;
                c.status(&format!("{method} of a track"), &answer, &[460])?;
            }
            session.tear_down();
            Ok(())
        },
    ),
    Case::should("R2-PLA-08", "RFC 7826 18.45", "RTP-Info has the syntax of 2.0", FILM, |c| {
        let mut session = whole(c)?;
        let answer = session.play(Some("npt=0-"))?;
        session.collect(Duration::from_secs(1))?;
        session.tear_down();
        let value = answer.header("RTP-Info").ok_or_else(|| fail("RTP-Info", answer.brief()))?;
        let formed = value.contains("url=\"") && value.contains("ssrc=") && value.contains("seq=");
        ensure(formed, "url=\"...\" ssrc=HEX:seq=...;rtptime=...", value)?;
        for track in 0..session.tracks.len() {
            let Some(packet) = session.rtp(track)?.into_iter().next() else { continue };
            let told = value.to_uppercase().contains(&format!("SSRC={:08X}:", packet.ssrc));
            ensure(told, format!("ssrc={:08X}:, the packets' own", packet.ssrc), value)?;
        }
        Ok(())
    }),
    Case::must(
        "R2-PLA-09",
        "RFC 7826 18.47",
        "Seek-Style in the answer tells where the range begins; what is unknown is passed over",
        FILM,
        seek_styles,
    ),
    Case::must(
        "R2-PLA-10",
        "RFC 7826 13.5.3",
        "PLAY_NOTIFY says scale-change where fast play catches up with what is live",
        &[Need::Version2, Need::Tracks, Need::Live, Need::Timeout],
        catches_up,
    ),
    Case::must("R2-PAU-01", "RFC 7826 13.6", "PAUSE is answered with Range, in Ready, too", FILM, |c| {
        let mut session = whole(c)?;
        session.play(Some("npt=0-"))?;
        session.collect(Duration::from_millis(600))?;
        let mut points = Vec::new();
        for state in ["Play", "Ready"] {
            let answer = session.pause()?;
            let start = start_of(&answer)?;
            let place = (0.0..6.0).contains(&start);
            ensure(place, format!("the pause point in the Range of the answer to PAUSE in {state}"), answer.brief())?;
            points.push(start);
        }
        session.tear_down();
        ensure(points.first() == points.last(), "one pause point", format!("{points:?}"))
    }),
    Case::must("R2-TEA-01", "RFC 7826 13.7.1", "TEARDOWN of one track while playing gets 455", SEVERAL, |c| {
        let mut session = whole(c)?;
        session.play(None)?;
        let url = session.tracks.first().map(|track| track.url.clone()).unwrap_or_default();
        let request = Request::new("TEARDOWN", &url).version("RTSP/2.0").header("Session", &session.id);
        let answer = session.wire.ask(&request)?;
        session.tear_down();
        c.status("TEARDOWN of a track while playing", &answer, &[455])
    }),
    Case::must(
        "R2-TEA-02",
        "RFC 7826 13.7.1, 18.49",
        "TEARDOWN of one track in Ready leaves the session, and the last one ends it",
        SEVERAL,
        |c| {
            let mut session = session(c, &[0, 1])?;
            for (place, track) in session.tracks.iter().enumerate() {
                let request = Request::new("TEARDOWN", &track.url).version("RTSP/2.0").header("Session", &session.id);
                let answer = session.wire.ok(&request)?;
                let (lives, told) = (place == 0, answer.header("Session").is_some());
                let expected = if lives { "Session: one track is left" } else { "no Session: it is gone" };
                ensure(lives == told, expected, answer.brief())?;
            }
            let answer = session.wire.ask(&session.request("PLAY"))?;
            c.status("PLAY after all tracks were torn down", &answer, &[454])
        },
    ),
    Case::must("R2-PAR-01", "RFC 7826 13.8", "GET_PARAMETER fills in Range, RTP-Info and Media-Range", FILM, |c| {
        let mut session = whole(c)?;
        session.play(Some("npt=0-"))?;
        session.collect(Duration::from_millis(600))?;
        let names = ["Range", "RTP-Info", "Media-Range"];
        let request = names.iter().fold(session.request("GET_PARAMETER"), |request, name| request.header(name, ""));
        let answer = session.wire.ok(&request)?;
        session.tear_down();
        for name in names {
            let filled = answer.header(name).is_some_and(|value| !value.is_empty());
            ensure(filled, format!("{name} in the answer"), answer.brief())?;
        }
        Ok(())
    }),
    Case::must(
        "R2-RTP-01",
        "RFC 7826 C.3, C.4",
        "over PAUSE and PLAY sequence numbers and timestamps run on",
        FILM,
        |c| {
            let mut session = session(c, &[0])?;
            session.play(Some("npt=0-"))?;
            session.collect(Duration::from_millis(1200))?;
            session.pause()?;
            session.collect(HALTED)?;
            let before = session.rtp(0)?;
            session.forget();
            session.play(None)?;
            session.collect(Duration::from_millis(1000))?;
            session.tear_down();
            let after = session.rtp(0)?;
            let (Some(last), Some(first)) = (before.last(), after.first()) else { return Err(fail("packets", "none")) };
            ensure(last.ssrc == first.ssrc, "the same SSRC", format!("{:08x}", first.ssrc))?;
            let step = sequence_step(last.sequence, first.sequence);
            ensure((1..50).contains(&step), "sequence numbers that run on", format!("a step of {step}"))?;
            let encoding = c.offer.description.media.first().and_then(|media| media.encoding());
            let clock = encoding.map_or(90_000.0, |(_, clock)| f64::from(clock));
            let counted = timestamp_step(last.timestamp, first.timestamp) as f64 / clock;
            let halted = first.at.duration_since(last.at).as_secs_f64();
            // Pictures come in decoding order, some frames early or late.
            let good = (counted - halted).abs() < 0.6;
            ensure(good, format!("timestamps that count the {halted:.2} s of the halt"), format!("{counted:.2} s"))
        },
    ),
    Case::must(
        "R2-KA-02",
        "RFC 7826 10.5, 13.9",
        "SET_PARAMETER and GET_PARAMETER without a body are taken",
        TRACKS,
        |c| {
            let mut session = whole(c)?;
            for method in ["SET_PARAMETER", "GET_PARAMETER", "OPTIONS"] {
                let answer = session.wire.ask(&session.request(method))?;
                c.status(method, &answer, &[200])?;
            }
            session.tear_down();
            Ok(())
        },
    ),
];

/// How long nothing is delivered.
const HALTED: Duration = Duration::from_millis(2500);

fn start_of(answer: &Response) -> Verdict<f64> {
    let start = answer.header("Range").and_then(|value| npt(value.trim().strip_prefix("npt=")?.split('-').next()?));
    start.ok_or_else(|| fail("Range: npt=...", answer.brief()))
}

fn seek_styles(c: &mut Context) -> Verdict {
    let wanted = (c.at_least(6.0)? / 2.0).floor() + 0.3;
    for asked in ["First-Prior", "Next", "CoRAP", "RAP", "x-nope"] {
        let mut session = whole(c)?;
        let request = session.request("PLAY").header("Range", format!("npt={wanted:.3}-")).header("Seek-Style", asked);
        let answer = session.wire.ask(&request)?;
        session.tear_down();
        c.status(&format!("Seek-Style: {asked}"), &answer, &[200])?;
        let (style, start) = (answer.header("Seek-Style").unwrap_or("").trim().to_owned(), start_of(&answer)?);
        let known = ["RAP", "CoRAP", "First-Prior", "Next"].contains(&style.as_str());
        ensure(known && style != "x-nope", "Seek-Style with a known policy", answer.brief())?;
        // "Next" only where it was asked for, or for CoRAP at the pause point.
        ensure(style != "Next" || ["Next", "CoRAP"].contains(&asked), "no Next that nobody wanted", answer.brief())?;
        let fits = match style.as_str() {
            "Next" if asked == "Next" => (wanted - 0.2..wanted + 1.0).contains(&start),
            "First-Prior" => (wanted - 1.0..wanted + 0.01).contains(&start),
            _ => start < wanted + 0.01,
        };
        ensure(fits, format!("a range that begins where {style} of {wanted} does"), answer.brief())?;
    }
    Ok(())
}

fn the_end(c: &mut Context) -> Verdict {
    let length = c.at_least(4.0)?;
    let mut session = whole(c)?;
    session.play(Some(&format!("npt={:.3}-", length - 1.0)))?;
    let cseq = session.wire.cseq();
    let notice = first_notice(&mut session)?;
    ensure(notice.first.starts_with("PLAY_NOTIFY "), "PLAY_NOTIFY", &notice.first)?;
    ensure(notice.header("Notify-Reason") == Some("end-of-stream"), "Notify-Reason: end-of-stream", notice.brief())?;
    for name in ["Range", "RTP-Info", "Session", "Request-Status"] {
        ensure(notice.header(name).is_some(), format!("{name} in PLAY_NOTIFY"), notice.brief())?;
    }
    // The session is still in Play (13.4.1), so PAUSE is answered 200.
    session.pause()?;
    session.tear_down();
    let end = notice.header("Range").and_then(|value| npt(value.split('-').nth(1)?));
    let told = end.is_some_and(|end| (end - length).abs() < 0.5);
    ensure(told, format!("the end in Range: npt=-{length:.3}"), notice.brief())?;
    ensure(notice.body.is_empty(), "no body", notice.brief())?;
    let status = notice.header("Request-Status").unwrap_or("");
    let formed = status.contains(&format!("cseq={cseq}")) && status.contains("status=200");
    ensure(formed, format!("Request-Status: cseq={cseq} status=200 ..."), status)?;
    let infos = notice.header("RTP-Info").unwrap_or("").to_owned();
    for track in 0..session.tracks.len() {
        let Some(last) = session.rtp(track)?.pop() else { continue };
        let told =
            infos.contains(&format!("seq={};", last.sequence)) || infos.ends_with(&format!("seq={}", last.sequence));
        ensure(told, format!("seq={} in RTP-Info, the last packet's", last.sequence), &infos)?;
    }
    Ok(())
}

/// The server's first request of its own.
fn first_notice(session: &mut Session) -> Verdict<Response> {
    // The last sync sample may lie several seconds before the end.
    let limit = Instant::now() + Duration::from_secs(16);
    while session.wire.notices.is_empty() && Instant::now() < limit {
        session.collect(Duration::from_millis(200))?;
    }
    session.wire.notices.first().cloned().ok_or_else(|| fail("PLAY_NOTIFY", "none for 16 s"))
}

fn scale(message: &Response) -> Option<f64> {
    message.header("Scale")?.parse().ok()
}

/// So long a pause, so much to catch up with: at eight times the rate that takes two seconds, and what is not written yet.
const BEHIND: Duration = Duration::from_secs(12);

fn catches_up(c: &mut Context) -> Verdict {
    let mut session = whole(c)?;
    session.play(Some("npt=now-"))?;
    session.collect(Duration::from_secs(1))?;
    let pause = session.request("PAUSE");
    let answer = session.wire.ask(&pause)?;
    if answer.status != 200 {
        session.tear_down();
        return Err(skip(format!("it can't be paused: {}", answer.first)));
    }
    session.collect(BEHIND)?;
    let request = session.request("PLAY").header("Scale", "8.0");
    let answer = session.wire.ok(&request)?;
    if scale(&answer).is_none_or(|scale| scale <= 1.0) {
        session.tear_down();
        return Err(skip("Scale: 8.0 is not offered, or nothing is kept"));
    }
    let notice = first_notice(&mut session)?;
    session.forget();
    // Who keeps what is live in pieces goes on with the next whole one.
    session.collect_until(Instant::now() + Duration::from_secs(6), |packet| packet.track == 0 && !packet.rtcp)?;
    let came = session.count(0);
    session.tear_down();
    ensure(notice.header("Notify-Reason") == Some("scale-change"), "Notify-Reason: scale-change", notice.brief())?;
    for name in ["Range", "Scale", "Session", "Date", "Media-Range", "Media-Properties", "RTP-Info"] {
        ensure(notice.header(name).is_some(), format!("{name} in PLAY_NOTIFY"), notice.brief())?;
    }
    ensure(scale(&notice) == Some(1.0), "Scale: 1.0", notice.brief())?;
    ensure(came > 0, "packets after it", "none for 6 s")
}
