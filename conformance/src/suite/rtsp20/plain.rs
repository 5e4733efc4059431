//! R2-VER, R2-HDR, R2-CAP, R2-OPT, R2-CON, R2-COND, R2-SDP: what needs no session.

use super::{FILM, SEVERAL, TRACKS, TWO, set_up, two};
use crate::suite::{
    case::{Case, ensure, skip},
    message::Request,
};
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case::must("R2-VER-01", "RFC 7826 8, 17.5.6", "an answer has the version of its request", TWO, |c| {
        let mut wire = c.connect()?;
        for version in ["RTSP/2.0", "RTSP/1.0", "RTSP/2.0"] {
            let answer = wire.ask(&Request::new("OPTIONS", &c.url()).version(version))?;
            ensure(answer.version == version, version, answer.brief())?;
        }
        Ok(())
    }),
    Case::must("R2-VER-02", "RFC 7826 17.5.6", "an unknown version gets 505", TWO, |c| {
        let answer = c.ask(&two(c, "OPTIONS").version("RTSP/3.0"))?;
        c.status("RTSP/3.0", &answer, &[505])
    }),
    Case::must("R2-URI-01", "RFC 7826 4.2", "the scheme rtspu gets 501", TWO, |c| {
        let url = format!("rtspu://{}", c.url().split("://").nth(1).unwrap_or_default());
        let answer = c.ask(&Request::new("DESCRIBE", &url).version("RTSP/2.0"))?;
        c.status("rtspu://", &answer, &[501])
    }),
    Case::must("R2-HDR-01", "RFC 7826 18.20", "a request without CSeq gets 400 without CSeq", TWO, |c| {
        let answer = c.ask(&two(c, "OPTIONS").without_cseq())?;
        c.status("a request without CSeq", &answer, &[400])?;
        ensure(answer.header("CSeq").is_none(), "no CSeq in the answer", answer.brief())
    }),
    Case::must("R2-HDR-02", "RFC 7826 18.21", "an answer with a body has a Date", TRACKS, |c| {
        let answer = c.ask(&two(c, "DESCRIBE").header("Accept", "application/sdp"))?;
        c.status("DESCRIBE", &answer, &[200])?;
        ensure(answer.header("Date").is_some(), "Date", answer.brief())
    }),
    Case::must("R2-HDR-03b", "RFC 7826 18.49", "DESCRIBE's answer has no Session", TRACKS, |c| {
        let answer = c.ask(&two(c, "DESCRIBE").header("Accept", "application/sdp"))?;
        ensure(answer.header("Session").is_none(), "no Session", answer.brief())
    }),
    Case::must("R2-HDR-05", "RFC 7826 18.49, 17.4.16", "a session that isn't there gets 454", TRACKS, |c| {
        for method in ["PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER"] {
            let answer = c.ask(&two(c, method).header("Session", "NoSuchSession42"))?;
            c.status(method, &answer, &[454])?;
        }
        Ok(())
    }),
    Case::must("R2-CAP-01", "RFC 7826 11.1, 18.51", "Supported is answered with the server's own", TWO, |c| {
        let answer = c.ask(&two(c, "OPTIONS").header("Supported", "play.basic, x-nope"))?;
        let listed = answer.list("Supported");
        ensure(listed.iter().any(|tag| tag == "play.basic"), "Supported: play.basic, ...", answer.brief())?;
        ensure(!listed.iter().any(|tag| tag == "x-nope"), "no x-nope in Supported", answer.brief())
    }),
    Case::must(
        "R2-CAP-02",
        "RFC 7826 18.43, 17.5.7",
        "Require of something unknown gets 551 and Unsupported",
        TRACKS,
        |c| {
            for request in [two(c, "OPTIONS"), set_up(c)?] {
                let answer = c.ask(&request.header("Require", "x-nope, play.basic"))?;
                c.status("Require: x-nope, play.basic", &answer, &[551])?;
                let listed = answer.list("Unsupported");
                ensure(listed.iter().any(|tag| tag == "x-nope"), "Unsupported: x-nope", answer.brief())?;
                // It is known to every server that plays (11.1).
                let basic = listed.iter().any(|tag| tag == "play.basic");
                ensure(!basic, "only what is not supported in Unsupported", answer.brief())?;
            }
            Ok(())
        },
    ),
    Case::must("R2-OPT-01", "RFC 7826 13.1, 18.39", "OPTIONS has Public with the methods of a server", TWO, |c| {
        let answer = c.ask(&two(c, "OPTIONS"))?;
        let public = answer.list("Public");
        for method in ["OPTIONS", "SETUP", "TEARDOWN", "PLAY", "SET_PARAMETER"] {
            ensure(public.iter().any(|listed| listed == method), format!("{method} in Public"), answer.brief())?;
        }
        let gone = public.iter().any(|listed| ["RECORD", "ANNOUNCE"].contains(&listed.as_str()));
        ensure(!gone, "no RECORD and ANNOUNCE, which 2.0 doesn't have", answer.brief())
    }),
    Case::should("R2-CON-02", "RFC 7826 10.3", "the connection stays after an error", TWO, |c| {
        let mut wire = c.connect()?;
        let missing = format!("{}/no-such-presentation", c.offer.root);
        wire.ask(&Request::new("DESCRIBE", &missing).version("RTSP/2.0"))?;
        let wait = Duration::from_secs(9);
        ensure(!wire.ends_within(wait), format!("an open connection {wait:?} after 404"), "it was closed")
    }),
    Case::must(
        "R2-CON-01",
        "RFC 7826 10.2",
        "a connection may carry one request, or requests of several sessions",
        TRACKS,
        |c| {
            let mut wire = c.connect()?;
            let answer = wire.ok(&set_up(c)?)?;
            let id = answer.session().unwrap_or("").to_owned();
            wire.close();
            let answer =
                c.ask(&Request::new("TEARDOWN", &c.offer.aggregate).version("RTSP/2.0").header("Session", &id))?;
            // An interleaved session may have gone with its connection.
            c.status("TEARDOWN from another connection", &answer, &[200, 404, 454])
        },
    ),
    Case::must(
        "R2-COND-01",
        "RFC 7826 18.24, 18.26, 18.31",
        "If-Match of something else gets 412, If-None-Match of the same 304",
        TRACKS,
        |c| {
            let describe = two(c, "DESCRIBE").header("Accept", "application/sdp");
            let answer = c.ask(&describe)?;
            let tag = answer.header("MTag").map(str::to_owned);
            let tag = tag.or_else(|| c.offer.description.attribute("mtag").map(str::to_owned));
            let tag = tag.ok_or_else(|| skip("the server states no MTag"))?;
            let answer = c.ask(&describe.header("If-None-Match", &tag))?;
            c.status(&format!("If-None-Match: {tag}"), &answer, &[304])?;
            let answer = c.ask(&set_up(c)?.header("If-Match", "\"no-such-tag\""))?;
            c.status("If-Match: \"no-such-tag\"", &answer, &[412])
        },
    ),
    Case::must("R2-SDP-01", "RFC 7826 D.1.1", "the aggregate's control URL differs from every track's", SEVERAL, |c| {
        let own = c.offer.controls.iter().all(|control| *control != c.offer.aggregate);
        let session = c.offer.description.attribute("control").is_some();
        ensure(own && session, "a session-level a=control that no track has", &c.offer.description.text)
    }),
    Case::must(
        "R2-PAR-02",
        "RFC 7826 13.8, 13.9",
        "parameter bodies: 415 for an unknown type, 451 that names an unknown one",
        TRACKS,
        |c| {
            let mut wire = c.connect()?;
            let id = wire.ok(&set_up(c)?)?.session().unwrap_or("").to_owned();
            let ask =
                |method: &str| Request::new(method, &c.offer.aggregate).version("RTSP/2.0").header("Session", &id);
            let answer = wire.ask(&ask("GET_PARAMETER").body("application/x-nope", "a\r\n"))?;
            c.status("application/x-nope", &answer, &[415])?;
            for (method, body) in
                [("GET_PARAMETER", "no-such-parameter\r\n"), ("SET_PARAMETER", "no-such-parameter: 1\r\n")]
            {
                let answer = wire.ask(&ask(method).body("text/parameters", body))?;
                c.status(&format!("{method} no-such-parameter"), &answer, &[451])?;
                ensure(answer.text().contains("no-such-parameter"), "a body that names it", answer.text())?;
            }
            let answer = wire.ask(&ask("SET_PARAMETER"))?;
            let _ = wire.ask(&ask("TEARDOWN"));
            c.status("SET_PARAMETER without a body", &answer, &[200])
        },
    ),
    Case::must("R2-KA-01", "RFC 7826 10.5, 18.49", "the timeout of a session doesn't change", FILM, |c| {
        let mut wire = c.connect()?;
        let first = wire.ok(&set_up(c)?)?;
        let id = first.session().unwrap_or("").to_owned();
        let ask = |method: &str| Request::new(method, &c.offer.aggregate).version("RTSP/2.0").header("Session", &id);
        let second = wire.ok(&ask("OPTIONS"))?;
        let _ = wire.ask(&ask("TEARDOWN"));
        let (one, two) = (first.parameter("Session", "timeout"), second.parameter("Session", "timeout"));
        ensure(two.is_none() || one == two, format!("timeout {one:?}"), second.brief())
    }),
];
