//! R2-SET, R2-PIP: SETUP.

use super::{FILM, SEVERAL, TRACKS, session, set_up, two};
use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    message::{Request, Response},
    session::{Lower, Session},
};
use std::time::Duration;

const UDP: &[Need] = &[Need::Version2, Need::Tracks, Need::Udp];
const LIVE: &[Need] = &[Need::Version2, Need::Tracks, Need::Live];

pub(super) const CASES: &[Case] = &[
    Case::must("R2-HDR-04", "RFC 7826 4.3", "session ids have 8 to 128 characters", TRACKS, |c| {
        let answer = asked(c, set_up(c)?)?;
        let id = answer.session().unwrap_or("");
        ensure((8..=128).contains(&id.len()), "8 to 128 characters", id)
    }),
    Case::must("R2-SET-01", "RFC 7826 13.3, 18.5", "SETUP's answer has Accept-Ranges", TRACKS, |c| {
        let answer = taken(c, set_up(c)?)?;
        ensure(answer.header("Accept-Ranges").is_some(), "Accept-Ranges", answer.brief())
    }),
    Case::must(
        "R2-SET-01b",
        "RFC 7826 13.3, 17.4.17",
        "Accept-Ranges without a unit of the server's gets 456",
        TRACKS,
        |c| {
            let mut request = set_up(c)?;
            request.headers.retain(|(name, _)| name != "Accept-Ranges");
            let answer = asked(c, request.header("Accept-Ranges", "x-nope"))?;
            c.status("Accept-Ranges: x-nope", &answer, &[456])
        },
    ),
    Case::must("R2-SET-02", "RFC 7826 13.3, 18.29", "Media-Properties has one value of each group", TRACKS, |c| {
        let answer = taken(c, set_up(c)?)?;
        let listed = answer.list("Media-Properties");
        let groups: [&[&str]; 3] = [
            &["Random-Access", "Beginning-Only", "No-Seeking"],
            &["Immutable", "Dynamic", "Time-Progressing"],
            &["Unlimited", "Time-Limited", "Time-Duration"],
        ];
        for group in groups {
            let of = listed.iter().filter(|item| group.iter().any(|name| item.split('=').next() == Some(name))).count();
            ensure(of == 1, format!("one of {group:?} in Media-Properties"), answer.brief())?;
        }
        Ok(())
    }),
    Case::must("R2-SET-03", "RFC 7826 13.3, 18.30", "SETUP of a live presentation says its Media-Range", LIVE, |c| {
        let answer = taken(c, set_up(c)?)?;
        ensure(answer.header("Media-Range").is_some(), "Media-Range", answer.brief())
    }),
    Case::must("R2-SET-04", "RFC 7826 18.54", "alternatives that can't be understood are passed over", TRACKS, |c| {
        let good = transport(&set_up(c)?);
        let list = format!("RTP/FOO;unicast,RTP/AVP/TCP;unicast;x-nope=1;interleaved=8-9,{good}");
        let answer = taken(c, with(set_up(c)?, &list))?;
        let value = answer.header("Transport").unwrap_or("");
        ensure(!value.contains(',') && !value.contains("x-nope"), "the alternative without unknown parameters", value)
    }),
    Case::must(
        "R2-SET-04b",
        "RFC 7826 17.4.25, 18.54",
        "where no alternative is left: 461 without a Transport",
        TRACKS,
        |c| {
            let answer = asked(c, with(set_up(c)?, "RTP/FOO;unicast;dest_addr=\":5000\"/\":5001\""))?;
            c.status("RTP/FOO", &answer, &[461])?;
            ensure(answer.header("Transport").is_none(), "no Transport", answer.brief())
        },
    ),
    Case::must("R2-SET-06", "RFC 7826 17.4.27, 21.2.1", "a third party's dest_addr gets 463", UDP, |c| {
        let answer =
            asked(c, with(set_up(c)?, "RTP/AVP;unicast;dest_addr=\"198.51.100.9:5000\"/\"198.51.100.9:5001\""))?;
        c.status("dest_addr of a third party", &answer, &[463])
    }),
    Case::must("R2-SET-07", "RFC 7826 18.54", "addresses are dest_addr and src_addr, in quotes", UDP, |c| {
        let answer = taken(c, with(set_up(c)?, "RTP/AVP;unicast;dest_addr=\":40002\"/\":40003\""))?;
        let value = answer.header("Transport").unwrap_or("");
        ensure(value.contains("dest_addr=\"") && value.contains("src_addr=\""), "dest_addr and src_addr", value)?;
        ensure(!value.contains("client_port") && !value.contains("server_port"), "no ports of 1.0", value)
    }),
    Case::interop("R2-SET-07b", "GStreamer rtspsrc", "client_port of 1.0 is taken in 2.0, too", UDP, |c| {
        let answer = taken(c, with(set_up(c)?, "RTP/AVP;unicast;client_port=40002-40003"))?;
        ensure(answer.header("Media-Properties").is_some(), "Media-Properties", answer.brief())
    }),
    Case::must(
        "R2-SET-08",
        "RFC 7826 18.54",
        "interleaved is answered with the channels that are used, asked for or not",
        &[Need::Version2, Need::Tracks, Need::Tcp],
        |c| {
            let mut session = Session::open_as(c, Lower::Tcp, &[0], "RTSP/2.0")?;
            session.play(None)?;
            session.collect(Duration::from_secs(1))?;
            let came = session.count(0);
            let answer = session.tracks.first().map(|track| track.answer.brief()).unwrap_or_default();
            session.tear_down();
            ensure(answer.contains("interleaved="), "interleaved=A-B", answer)?;
            ensure(came > 0, "packets on these channels", "none for 1 s")
        },
    ),
    Case::must(
        "R2-SET-09",
        "RFC 7826 C.2.2",
        "TCP without interleaved is a connection of its own, or gets 461",
        TRACKS,
        |c| {
            let line = "RTP/AVP/TCP;unicast;dest_addr=\":9\"/\":9\";setup=active;connection=new";
            let answer = asked(c, with(set_up(c)?, line))?;
            if answer.status == 200 {
                let value = answer.header("Transport").unwrap_or("");
                return ensure(
                    value.contains("setup=passive") && !value.contains("interleaved"),
                    "setup=passive",
                    value,
                );
            }
            c.status("TCP without interleaved", &answer, &[461])
        },
    ),
    Case::must(
        "R2-SET-10",
        "RFC 7826 C.1.6.4",
        "RTCP-mux is in the answer only where it is used: one address",
        UDP,
        |c| {
            let answer = asked(c, with(set_up(c)?, "RTP/AVP;unicast;RTCP-mux;dest_addr=\":40002\""))?;
            if answer.status != 200 {
                return c.status("RTCP-mux", &answer, &[461]);
            }
            let value = answer.header("Transport").unwrap_or("");
            let muxed = value.split(';').any(|part| part.trim().eq_ignore_ascii_case("RTCP-mux"));
            ensure(!muxed || !value.contains("\"/\""), "one address with RTCP-mux", value)
        },
    ),
    Case::must(
        "R2-SET-11",
        "RFC 7826 13.3.1",
        "SETUP while playing gets 455, or 200 with Range and RTP-Info",
        SEVERAL,
        |c| {
            let mut session = session(c, &[0])?;
            session.play(None)?;
            let request = Request::new("SETUP", &c.control(1)?).version("RTSP/2.0").header("Session", &session.id);
            let request =
                request.header("Accept-Ranges", "npt").header("Transport", "RTP/AVP/TCP;unicast;interleaved=4-5");
            let answer = session.wire.ask(&request)?;
            session.tear_down();
            c.status("SETUP of a second track while playing", &answer, &[200, 455, 461])?;
            let told = answer.header("Range").is_some() && answer.header("RTP-Info").is_some();
            ensure(answer.status != 200 || told, "Range and RTP-Info with 200", answer.brief())
        },
    ),
    Case::must("R2-SET-12", "RFC 7826 13.3", "a SETUP that fails leaves the session as it was", FILM, |c| {
        let mut session = session(c, &[0])?;
        let bad = with(set_up(c)?, "RTP/FOO;unicast").header("Session", &session.id);
        let answer = session.wire.ask(&bad)?;
        ensure(answer.status >= 400, "SETUP with RTP/FOO refused", answer.brief())?;
        session.play(None)?;
        session.tear_down();
        Ok(())
    }),
    Case::must(
        "R2-PIP-01",
        "RFC 7826 12, 18.33",
        "SETUPs and PLAY with one Pipelined-Requests share a session",
        SEVERAL,
        pipelined,
    ),
    Case::must("R2-SET-05", "RFC 7826 18.54", "without dest_addr media goes to the client's own address", UDP, |c| {
        let answer = asked(c, with(set_up(c)?, "RTP/AVP;unicast"))?;
        if answer.status != 200 {
            return c.status("Transport without dest_addr", &answer, &[400, 461]);
        }
        let value = answer.header("Transport").unwrap_or("").to_owned();
        let mine = c.connect()?.local()?.ip().to_string();
        ensure(
            !value.contains("dest_addr=\"") || value.contains(&mine) || value.contains("dest_addr=\":"),
            format!("dest_addr of {mine}"),
            value,
        )
    }),
];

fn transport(request: &Request) -> String {
    request.headers.iter().find(|(name, _)| name == "Transport").map(|(_, value)| value.clone()).unwrap_or_default()
}

fn with(mut request: Request, transport: &str) -> Request {
    request.headers.retain(|(name, _)| name != "Transport");
    request.header("Transport", transport)
}

/// The answer to a SETUP whose session is ended.
fn asked(c: &Context, request: Request) -> Verdict<Response> {
    let mut wire = c.connect()?;
    let answer = wire.ask(&request)?;
    if let Some(id) = answer.session() {
        let _ = wire.ask(&Request::new("TEARDOWN", &c.offer.aggregate).version("RTSP/2.0").header("Session", id));
    }
    Ok(answer)
}

fn taken(c: &Context, request: Request) -> Verdict<Response> {
    let what = transport(&request);
    let answer = asked(c, request)?;
    c.status(&format!("SETUP with {what}"), &answer, &[200])?;
    Ok(answer)
}

fn pipelined(c: &mut Context) -> Verdict {
    if c.offer.protected {
        return Err(skip("the URL is protected"));
    }
    let mut wire = c.connect()?;
    let mut all = Vec::new();
    for track in 0..2 {
        let line = format!("RTP/AVP/TCP;unicast;interleaved={}-{}", 2 * track, 2 * track + 1);
        let request = Request::new("SETUP", &c.control(track)?).version("RTSP/2.0").header("Transport", line);
        let request = request.header("Accept-Ranges", "npt").header("Pipelined-Requests", "7387");
        all.extend(request.bytes(1 + track as u32));
    }
    let play = two(c, "PLAY").header("Pipelined-Requests", "7387");
    all.extend(Request { uri: c.offer.aggregate.clone(), ..play }.bytes(3));
    wire.send(&all)?;
    let mut ids = Vec::new();
    for what in ["first SETUP", "second SETUP", "PLAY"] {
        let answer = wire.response()?;
        c.status(&format!("the {what}"), &answer, &[200])?;
        ids.push(answer.session().ok_or_else(|| fail("a Session header", answer.brief()))?.to_owned());
    }
    let id = ids.first().cloned().unwrap_or_default();
    let _ = wire.ask(&Request::new("TEARDOWN", &c.offer.aggregate).version("RTSP/2.0").header("Session", &id));
    ensure(ids.iter().all(|other| *other == id), "one session", ids.join(", "))
}
