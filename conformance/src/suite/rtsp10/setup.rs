//! R1-SET: SETUP and the session that it makes.

use super::{end, first_setup, ready};
use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    message::Request,
    session::{Lower, Session},
};
use std::{collections::HashSet, time::Duration};

const TRACKS: &[Need] = &[Need::Tracks];

pub(super) const CASES: &[Case] = &[
    Case::must(
        "R1-SET-02",
        "RFC 2326 3.4",
        "session ids are at least 8 characters of the allowed ones, and differ",
        TRACKS,
        ids,
    ),
    Case::should("R1-SET-02b", "RFC 2326 16", "session ids can't be guessed from others", TRACKS, guessable),
    Case::must("R1-SET-03", "RFC 2326 12.37", "a timeout in SETUP's answer is a number of seconds", TRACKS, |c| {
        let mut wire = c.connect()?;
        let answer = wire.ok(&first_setup(c)?)?;
        end(c, &mut wire, answer.session().unwrap_or(""));
        let header = answer.header("Session").unwrap_or("");
        let Some((_, rest)) = header.split_once(';') else { return Ok(()) };
        let seconds = rest.trim().strip_prefix("timeout=").and_then(|value| value.parse::<u32>().ok());
        ensure(seconds.is_some_and(|seconds| seconds > 0), "Session: ID;timeout=SECONDS", header)
    }),
    Case::interop("R1-SET-13", "RFC 2326 12.39", "SETUP without Transport is refused", TRACKS, |c| {
        let answer = c.ask(&Request::new("SETUP", &c.control(0)?))?;
        c.status("SETUP without Transport", &answer, &[400, 461])?;
        ensure(answer.header("Session").is_none(), "no session is made", answer.brief())
    }),
    Case::must(
        "R1-SET-14",
        "RFC 2326 10.4, 12.37",
        "a second track joins the session, or gets 459",
        &[Need::SeveralTracks],
        |c| {
            let mut wire = c.connect()?;
            let first = wire.ok(&first_setup(c)?)?;
            let id = first.session().unwrap_or("").to_owned();
            let second = wire.ask(&second_setup(c)?.header("Session", &id))?;
            end(c, &mut wire, &id);
            if second.status == 459 {
                return Ok(());
            }
            c.status("the second track's SETUP", &second, &[200, 459])?;
            ensure(second.session() == Some(&id), format!("Session: {id}"), second.brief())
        },
    ),
    Case::must(
        "R1-SET-15",
        "RFC 2326 10.4, 12.37",
        "a SETUP without Session makes a session of its own",
        TRACKS,
        |c| {
            let mut wire = c.connect()?;
            let first = wire.ok(&first_setup(c)?)?;
            let transport = match c.lower {
                Lower::Tcp => "RTP/AVP/TCP;unicast;interleaved=2-3".to_owned(),
                Lower::Udp => "RTP/AVP;unicast;client_port=40002-40003".to_owned(),
            };
            let second = wire.ask(&Request::new("SETUP", &c.control(0)?).header("Transport", transport))?;
            let (one, two) = (first.session().unwrap_or("").to_owned(), second.session().unwrap_or("").to_owned());
            end(c, &mut wire, &one);
            if second.status != 200 {
                return Err(skip(format!("a second session in one connection is refused: {}", second.first)));
            }
            end(c, &mut wire, &two);
            ensure(one != two, "another session id", second.brief())
        },
    ),
    Case::must("R1-SET-16", "RFC 2326 11.3.5, 12.37", "SETUP in a session that isn't there gets 454", TRACKS, |c| {
        let answer = c.ask(&first_setup(c)?.header("Session", "NoSuchSession42"))?;
        c.status("SETUP in an unknown session", &answer, &[454])
    }),
    Case::must(
        "R1-SET-17",
        "RFC 2326 11.3.10, 14.2",
        "SETUP of the aggregate of several tracks gets 459",
        &[Need::SeveralTracks],
        |c| {
            let answer = c.ask(&Request::new("SETUP", &c.offer.aggregate).header("Transport", c.transport()))?;
            c.status("SETUP of the aggregate URL", &answer, &[459])
        },
    ),
    Case::interop("R1-SET-17b", "RFC 2326 7.1.1", "SETUP of a track that isn't there is refused", TRACKS, |c| {
        let url = format!("{}/no-such-track-99", c.offer.aggregate.trim_end_matches('/'));
        let answer = c.ask(&Request::new("SETUP", &url).header("Transport", c.transport()))?;
        c.status("SETUP of a track that isn't there", &answer, &[404, 459, 460, 400])
    }),
    Case::must(
        "R1-SET-18",
        "RFC 2326 10.4, A.2",
        "SETUP of the same track again changes its transport, or gets 455",
        TRACKS,
        |c| {
            let mut session = c.session_of(&[0])?;
            for state in ["Ready", "Playing"] {
                let request = first_setup(c)?.header("Session", &session.id);
                let answer = session.wire.ask(&request)?;
                c.status(&format!("SETUP again in {state}"), &answer, &[200, 455, 461])?;
                if state == "Ready" {
                    session.play(None)?;
                }
            }
            session.tear_down();
            c.alive_elsewhere()
        },
    ),
    Case::must(
        "R1-SET-18b",
        "RFC 2326 10.4",
        "the transport that a second SETUP says is the one that is used",
        &[Need::Tracks, Need::Tcp],
        |c| {
            let mut session = Session::open(c, Lower::Tcp, &[0])?;
            let other =
                Request::new("SETUP", &c.control(0)?).header("Transport", "RTP/AVP/TCP;unicast;interleaved=6-7");
            let answer = session.wire.ask(&other.header("Session", &session.id))?;
            if answer.status != 200 {
                session.tear_down();
                return c.status("SETUP again", &answer, &[455, 461]);
            }
            let told = answer.parameter("Transport", "interleaved").unwrap_or("none").to_owned();
            session.play(None)?;
            let _ = session.wire.listen(Duration::from_secs(1))?;
            let mut channels: Vec<String> = session.wire.frames.iter().map(|f| f.channel.to_string()).collect();
            session.tear_down();
            channels.sort_unstable();
            channels.dedup();
            let there =
                !channels.is_empty() && channels.iter().all(|channel| told.split('-').any(|one| one == channel));
            ensure(there, format!("packets on the channels {told}"), format!("on {channels:?}"))
        },
    ),
    Case::must(
        "R1-SET-19",
        "RFC 2326 10.4, 11.3.10",
        "a track of another presentation joins the session, or gets 459",
        &[Need::Tracks, Need::SecondUrl],
        |c| {
            let Some(second) = c.options.second.clone() else { return Err(skip("no second presentation")) };
            let other = crate::suite::Offer::discover(&second, &c.options)?;
            let control = other.controls.first().ok_or_else(|| skip("the second presentation has no tracks"))?;
            let (mut wire, id) = ready(c)?;
            let transport = "RTP/AVP/TCP;unicast;interleaved=2-3,RTP/AVP;unicast;client_port=40002-40003";
            let answer =
                wire.ask(&Request::new("SETUP", control).header("Session", &id).header("Transport", transport))?;
            end(c, &mut wire, &id);
            if answer.status == 200 {
                return ensure(answer.session() == Some(&id), format!("Session: {id}"), answer.brief());
            }
            c.status("SETUP of another presentation's track", &answer, &[400, 404, 454, 455, 459])
        },
    ),
    Case::must("R1-SET-22", "RFC 2326 12.22", "If-Match of something else gets 412", TRACKS, |c| {
        if !c.offer.description.text.contains("a=etag:") && c.offer.describe.header("ETag").is_none() {
            return Err(skip("the server states no entity tag"));
        }
        let answer = c.ask(&first_setup(c)?.header("If-Match", "\"no-such-tag\""))?;
        c.status("If-Match of something else", &answer, &[412])
    }),
    Case::must(
        "R1-SET-22b",
        "RFC 2326 12.22, C.1.8",
        "If-Match of the description's entity tag is taken",
        TRACKS,
        |c| {
            let description = c.offer.description.clone();
            let tag =
                description.attribute("etag").or(description.media.first().and_then(|media| media.attribute("etag")));
            let tag = tag.ok_or_else(|| skip("no a=etag in the description"))?;
            let mut wire = c.connect()?;
            let answer = wire.ok(&first_setup(c)?.header("If-Match", tag))?;
            end(c, &mut wire, answer.session().unwrap_or(""));
            Ok(())
        },
    ),
    Case::must(
        "R1-SET-23",
        "RFC 2326 12.23",
        "If-Modified-Since in SETUP gets 304 where nothing changed",
        TRACKS,
        |c| {
            if c.offer.describe.header("Last-Modified").is_none() {
                return Err(skip("the server states no Last-Modified"));
            }
            let mut wire = c.connect()?;
            let answer = wire.ask(&first_setup(c)?.header("If-Modified-Since", "Fri, 31 Dec 2100 23:59:59 GMT"))?;
            end(c, &mut wire, answer.session().unwrap_or(""));
            c.status("If-Modified-Since in the future", &answer, &[304])
        },
    ),
    Case::interop(
        "R1-SET-26",
        "RFC 2326 10.4",
        "a SETUP that fails leaves the session's first track alone",
        TRACKS,
        |c| {
            let mut session = c.session_of(&[0])?;
            let bad =
                Request::new("SETUP", &c.control(0)?).header("Session", &session.id).header("Transport", "RTP/FOO");
            let answer = session.wire.ask(&bad)?;
            ensure(answer.status >= 400, "SETUP with RTP/FOO refused", answer.brief())?;
            session.play(None)?;
            session.collect(Duration::from_secs(1))?;
            let came = session.count(0);
            session.tear_down();
            ensure(came > 0, "packets of the first track", "none for 1 s")
        },
    ),
];

pub(super) fn second_setup(c: &Context) -> Verdict<Request> {
    let transport = match c.lower {
        Lower::Tcp => "RTP/AVP/TCP;unicast;interleaved=2-3",
        Lower::Udp => "RTP/AVP;unicast;client_port=40002-40003",
    };
    Ok(Request::new("SETUP", &c.control(1)?).header("Transport", transport))
}

fn many(c: &mut Context, count: usize) -> Verdict<Vec<String>> {
    let mut found = Vec::new();
    let mut wire = c.connect()?;
    for _ in 0..count {
        let answer = wire.ok(&first_setup(c)?)?;
        let id = answer.session().ok_or_else(|| fail("a Session header", answer.brief()))?.to_owned();
        end(c, &mut wire, &id);
        found.push(id);
    }
    Ok(found)
}

fn ids(c: &mut Context) -> Verdict {
    let all = many(c, 40)?;
    for id in &all {
        let allowed = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"$-_.+".contains(&b));
        ensure(id.len() >= 8 && allowed, "8 or more of ALPHA, DIGIT and $-_.+", id)?;
    }
    let different: HashSet<&String> = all.iter().collect();
    ensure(different.len() == all.len(), "40 different ids", format!("{} of 40", different.len()))
}

/// Ids that count up, or share most of their characters place by place, tell the next one.
fn guessable(c: &mut Context) -> Verdict {
    let all = many(c, 12)?;
    let number = |id: &String| id.parse::<u64>().or_else(|_| u64::from_str_radix(id, 16)).ok();
    let close = all.windows(2).filter(|pair| match (pair.first().and_then(number), pair.get(1).and_then(number)) {
        (Some(a), Some(b)) => a.abs_diff(b) < 65_536,
        _ => false,
    });
    ensure(close.count() == 0, "ids that are not in sequence", all.join(", "))?;
    let longest = all.iter().map(String::len).max().unwrap_or(0);
    let varying = (0..longest)
        .filter(|&place| all.iter().map(|id| id.as_bytes().get(place).copied()).collect::<HashSet<_>>().len() > 3);
    ensure(varying.count() >= 8, "at least 8 places that vary from id to id", all.join(", "))
}
