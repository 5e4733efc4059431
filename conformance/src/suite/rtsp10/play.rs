//! R1-PLA: PLAY, what its answer says, and what is refused.

use super::{end, ready};
use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    description::npt,
    message::{Request, Response, parameter},
    session::Session,
};
use std::time::{Duration, Instant};

const TRACKS: &[Need] = &[Need::Tracks];
const FILM: &[Need] = &[Need::Tracks, Need::Seekable];

pub(super) const CASES: &[Case] = &[
    Case::must(
        "R1-PLA-01",
        "RFC 2326 10.5, 12.29",
        "the answer to PLAY has the range that will be played",
        FILM,
        |c| {
            let mut session = c.session()?;
            let answer = session.play(Some("npt=0.000-"))?;
            session.tear_down();
            let (start, _) = range_of(&answer)?;
            ensure(start.abs() < 0.5, "Range: npt=0-...", answer.brief())
        },
    ),
    Case::should("R1-PLA-01b", "RFC 2326 12.33, D.2", "the answer to PLAY has RTP-Info of each track", TRACKS, |c| {
        let mut session = c.session()?;
        let answer = session.play(Some("npt=0.000-"))?;
        session.tear_down();
        let infos = infos(&answer)?;
        let (wanted, came) = (session.tracks.len(), infos.len());
        ensure(wanted == came, format!("{wanted} entries in RTP-Info"), answer.brief())
    }),
    Case::interop(
        "R1-PLA-03",
        "ffmpeg, live555",
        "RTP-Info names the URLs of SETUP, in their order, with seq and rtptime",
        TRACKS,
        |c| {
            let mut session = c.session()?;
            let answer = session.play(Some("npt=0.000-"))?;
            session.tear_down();
            for (info, track) in infos(&answer)?.iter().zip(&session.tracks) {
                ensure(info.url == track.url, format!("url={} without quotes", track.url), answer.brief())?;
                let both = info.sequence.is_some() && info.rtptime.is_some_and(|time| time != 0);
                ensure(both, "seq and an rtptime other than 0 (ffmpeg ignores 0)", answer.brief())?;
            }
            Ok(())
        },
    ),
    Case::must("R1-PLA-04", "RFC 2326 10.5", "the first PLAY without Range begins at the start", FILM, |c| {
        let mut session = c.session()?;
        let answer = session.play(None)?;
        session.tear_down();
        let (start, _) = range_of(&answer)?;
        ensure(start.abs() < 0.5, "Range: npt=0-...", answer.brief())
    }),
    Case::must("R1-PLA-05", "RFC 2326 10.5", "PLAY without Range while playing changes nothing", TRACKS, |c| {
        let mut session = c.session()?;
        session.play(None)?;
        session.collect(Duration::from_millis(1200))?;
        session.play(None)?;
        session.collect(Duration::from_millis(1200))?;
        session.tear_down();
        let packets = session.rtp(0)?;
        ensure(packets.len() > 2, "packets", format!("{} packets", packets.len()))?;
        let clock =
            c.offer.description.media.first().and_then(|media| media.encoding()).map_or(90_000, |(_, clock)| clock);
        for pair in packets.windows(2) {
            let [a, b] = pair else { continue };
            let step = crate::suite::packets::timestamp_step(a.timestamp, b.timestamp);
            let jump = step.unsigned_abs() > u64::from(clock);
            ensure(!jump, "timestamps that run on", format!("a step of {step} at {clock} Hz"))?;
        }
        let jumps = session.jumps(0)?;
        ensure(jumps == 0, "sequence numbers that run on", format!("{jumps} jumps"))
    }),
    Case::must("R1-PLA-11", "RFC 2326 11.3.8", "a range that begins after the end gets 457", FILM, |c| {
        let length = c.length()?;
        refused(c, &format!("npt={:.0}-", length + 100.0), &[457])
    }),
    Case::must("R1-PLA-11b", "RFC 2326 11.3.8, 12.29", "a range that ends before it begins gets 457", FILM, |c| {
        let length = c.at_least(4.0)?;
        let answer = played(c, &format!("npt={:.3}-{:.3}", length * 0.75, length * 0.25))?;
        // Backward ranges belong to negative scales (12.34); without one there is nothing to play.
        c.status("a backward range without Scale", &answer, &[457, 400])
    }),
    Case::should("R1-PLA-12", "RFC 2326 12.29, 3.5-3.7", "an unknown range unit gets 501", FILM, |c| {
        for range in ["bytes=0-1", "foo=1-2"] {
            refused(c, range, &[501])?;
        }
        Ok(())
    }),
    Case::should("R1-PLA-12b", "RFC 2326 7.1.1", "a range that can't be read is refused", FILM, |c| {
        for range in ["npt=abc-", "npt=-", "npt=1:2:3:4-", "npt=5--", "npt", "npt=1e999-"] {
            refused(c, range, &[400, 457, 501])?;
        }
        c.alive_elsewhere()
    }),
    Case::must(
        "R1-PLA-15",
        "RFC 2326 11.3.7, D.2.1",
        "a seek in a live presentation is an error, where nothing of it is kept",
        &[Need::Tracks, Need::Live],
        |c| {
            let answer = played(c, "npt=30-")?;
            if answer.status != 200 {
                return c.status("PLAY of npt=30-", &answer, &[456, 457]);
            }
            // A server that keeps the latest hours may go there, or to the oldest that it has (RFC 7826 13.4.1), and says
            // so: to a picture where decoding may begin.
            let (start, _) = range_of(&answer)?;
            let kept = start >= 15.0 && (start <= 31.0 || is_past(c, start)?);
            ensure(kept, "456, 457, or a range that begins at what is kept", answer.brief())
        },
    ),
    Case::interop(
        "R1-PLA-15b",
        "ffmpeg, VLC",
        "npt=0- and npt=now- play a live presentation",
        &[Need::Tracks, Need::Live],
        |c| {
            for range in ["npt=0.000-", "npt=0-", "npt=now-"] {
                let answer = played(c, range)?;
                c.status(range, &answer, &[200])?;
            }
            Ok(())
        },
    ),
    Case::must("R1-PLA-18", "RFC 2326 A.2, 11.3.6", "PLAY before any SETUP gets 454 or 455", TRACKS, |c| {
        let mut wire = c.connect()?;
        wire.ok(&Request::new("DESCRIBE", &c.url()).header("Accept", "application/sdp"))?;
        let answer = wire.ask(&Request::new("PLAY", &c.offer.aggregate).header("Range", "npt=0.000-"))?;
        c.status("PLAY before SETUP", &answer, &[454, 455])
    }),
    Case::must("R1-PLA-17", "RFC 2326 11.3.5", "PLAY in a session that isn't there gets 454", TRACKS, |c| {
        for session in [None, Some("NoSuchSession42")] {
            let request = Request::new("PLAY", &c.offer.aggregate).maybe("Session", session);
            let answer = c.ask(&request)?;
            // Without a session the state machine is in Init, where PLAY is not valid (A.2).
            let allowed: &[u16] = if session.is_some() { &[454] } else { &[454, 455] };
            c.status(&format!("PLAY with Session {session:?}"), &answer, allowed)?;
        }
        Ok(())
    }),
    Case::must(
        "R1-PLA-19",
        "RFC 2326 11.3.11, 14.2",
        "PLAY of one track of several gets 460 or plays that track",
        &[Need::SeveralTracks],
        |c| {
            let mut session = c.session()?;
            let url = session.tracks.first().map(|track| track.url.clone()).unwrap_or_default();
            let answer = session.wire.ask(&Request::new("PLAY", &url).header("Session", &session.id))?;
            c.status("PLAY of a track's URL", &answer, &[200, 460])?;
            if answer.status == 200 {
                session.collect(Duration::from_millis(1500))?;
                let others = session.count(1);
                session.tear_down();
                return ensure(
                    others == 0 && session.count(0) > 0,
                    "packets of that track only",
                    format!("{others} of others"),
                );
            }
            session.tear_down();
            Ok(())
        },
    ),
    Case::should("R1-PLA-19b", "RFC 2326 14.3", "PLAY of the only track's URL is taken", TRACKS, |c| {
        if c.offer.controls.len() > 1 {
            return Err(skip("the presentation has several tracks"));
        }
        let mut session = c.session_of(&[0])?;
        let url = session.tracks.first().map(|track| track.url.clone()).unwrap_or_default();
        let answer = session.wire.ask(&Request::new("PLAY", &url).header("Session", &session.id))?;
        session.tear_down();
        c.status("PLAY of the only track's URL", &answer, &[200])
    }),
    Case::interop(
        "R1-PLA-23",
        "RFC 2326 10.12",
        "the answer to PLAY comes before the first packet",
        &[Need::Tracks, Need::Tcp],
        |c| {
            let mut session = Session::open(c, crate::suite::session::Lower::Tcp, &[0])?;
            session.play(None)?;
            let before = session.wire.frames_before_answer;
            session.tear_down();
            ensure(before == 0, "the answer first", format!("{before} frames before it"))
        },
    ),
    Case::must(
        "R1-PLA-24",
        "RFC 2326 10.5, 12.33",
        "only tracks that were set up are sent and listed",
        &[Need::SeveralTracks],
        |c| {
            let mut session = c.session_of(&[1])?;
            let answer = session.play(Some("npt=0.000-"))?;
            session.collect(Duration::from_secs(1))?;
            session.tear_down();
            if let Some(value) = answer.header("RTP-Info") {
                let other = c.control(0)?;
                ensure(!value.contains(&other), "no entry of the first track", value)?;
            }
            ensure(session.count(0) > 0, "packets of the track", "none for 1 s")
        },
    ),
    Case::interop(
        "R1-PLA-25",
        "CVE-2024-44331",
        "PLAY twice at once with one CSeq leaves the server alive",
        TRACKS,
        |c| {
            if c.offer.protected {
                return Err(skip("the requests are sent as they are, without credentials"));
            }
            let mut session = c.session()?;
            let request = session.request("PLAY").header("Range", "npt=0.000-").cseq("7").bytes(7);
            session.wire.send(&[request.clone(), request].concat())?;
            for _ in 0..2 {
                let answer = session.wire.response()?;
                c.status("PLAY", &answer, &[200, 400, 455])?;
            }
            session.tear_down();
            c.alive_elsewhere()
        },
    ),
    Case::interop(
        "R1-PLA-26",
        "RFC 3550 6.3.7; ffmpeg, VLC",
        "at the end each track sends BYE, and the session stays",
        FILM,
        the_end,
    ),
];

/// One entry of RTP-Info.
#[derive(Debug)]
pub(super) struct Info {
    /// Without quotes of any kind taken off.
    pub url: String,
    pub sequence: Option<u16>,
    pub rtptime: Option<u32>,
}

pub(super) fn infos(answer: &Response) -> Verdict<Vec<Info>> {
    let value = answer.header("RTP-Info").ok_or_else(|| fail("RTP-Info in the answer to PLAY", answer.brief()))?;
    let entries = value.split(",url=").enumerate();
    let entries = entries.map(|(at, entry)| if at == 0 { entry.to_owned() } else { format!("url={entry}") });
    let entries = entries.flat_map(|entry| {
        entry
            .split(", url=")
            .enumerate()
            .map(|(at, part)| if at == 0 { part.to_owned() } else { format!("url={part}") })
            .collect::<Vec<_>>()
    });
    Ok(entries
        .map(|entry| Info {
            url: entry.split(';').find_map(|part| part.trim().strip_prefix("url=")).unwrap_or("").to_owned(),
            sequence: parameter(&entry, "seq").and_then(|value| value.parse().ok()),
            rtptime: parameter(&entry, "rtptime").and_then(|value| value.parse().ok()),
        })
        .collect())
}

/// Start and end of an answer's Range in npt.
pub(super) fn range_of(answer: &Response) -> Verdict<(f64, Option<f64>)> {
    let wrong = || fail("Range: npt=... in the answer", answer.brief());
    let value = answer.header("Range").ok_or_else(wrong)?;
    let (start, stop) = value.trim().strip_prefix("npt=").and_then(|range| range.split_once('-')).ok_or_else(wrong)?;
    Ok((npt(start).ok_or_else(wrong)?, npt(stop.split(';').next().unwrap_or(""))))
}

/// The answer to a PLAY of the first track with this range.
pub(super) fn played(c: &Context, range: &str) -> Verdict<Response> {
    let (mut wire, id) = ready(c)?;
    let answer = wire.ask(&Request::new("PLAY", &c.offer.aggregate).header("Session", &id).header("Range", range))?;
    end(c, &mut wire, &id);
    Ok(answer)
}

/// Whether this is well before what is live now: 2.0 says by a number where that is (RFC 7826 13.4.6).
fn is_past(c: &mut Context, start: f64) -> Verdict<bool> {
    if !c.offer.version2 {
        return Ok(true);
    }
    let lower = c.lower;
    let mut session = Session::open_as(c, lower, &[0], "RTSP/2.0")?;
    let answer = session.play(Some("npt=now-"))?;
    session.tear_down();
    let (now, _) = range_of(&answer)?;
    Ok(start < now - 5.0)
}

fn refused(c: &Context, range: &str, allowed: &[u16]) -> Verdict {
    let answer = played(c, range)?;
    c.status(&format!("PLAY with Range {range}"), &answer, allowed)
}

fn the_end(c: &mut Context) -> Verdict {
    let length = c.at_least(4.0)?;
    let mut session = c.session()?;
    session.play(Some(&format!("npt={:.3}-", length - 1.5)))?;
    // The last sync sample may lie several seconds before the end.
    let limit = Instant::now() + Duration::from_secs(16);
    let all = session.tracks.len();
    let mut ended = std::collections::HashSet::new();
    while ended.len() < all && Instant::now() < limit {
        session.collect(Duration::from_millis(200))?;
        for track in 0..all {
            let bye = |blocks: &[crate::suite::packets::Block]| {
                blocks.iter().any(|block| matches!(block, crate::suite::packets::Block::Bye(_)))
            };
            if session.rtcp(track).iter().any(|(_, blocks)| bye(blocks)) {
                ended.insert(track);
            }
        }
    }
    ensure(ended.len() == all, format!("BYE of {all} tracks at the end"), format!("BYE of {ended:?}"))?;
    let request = session.request("OPTIONS");
    let answer = session.wire.ask(&request)?;
    c.status("OPTIONS in the session after its end", &answer, &[200])?;
    session.tear_down();
    Ok(())
}
