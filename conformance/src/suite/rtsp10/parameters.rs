//! R1-PAR: GET_PARAMETER, SET_PARAMETER, and methods that a server which plays doesn't have.

use super::{end, ready};
use crate::suite::{
    case::{Case, Need, Verdict, ensure, skip},
    context::Context,
    message::{Request, Response},
};

const TRACKS: &[Need] = &[Need::Tracks];

pub(super) const CASES: &[Case] = &[
    Case::must("R1-PAR-01", "RFC 2326 10.8", "GET_PARAMETER without a body is a ping", TRACKS, |c| {
        let answer = parameter(c, "GET_PARAMETER", None)?;
        c.status("GET_PARAMETER without a body", &answer, &[200])
    }),
    Case::must("R1-PAR-02", "RFC 2326 10.8, 11.3.2", "GET_PARAMETER of something unknown gets 451", TRACKS, |c| {
        let answer = parameter(c, "GET_PARAMETER", Some(("text/parameters", "no-such-parameter\r\n")))?;
        c.status("GET_PARAMETER no-such-parameter", &answer, &[451])
    }),
    Case::should("R1-PAR-03", "RFC 2068 10.4.16", "a body of an unknown type gets 415", TRACKS, |c| {
        let answer = parameter(c, "GET_PARAMETER", Some(("application/x-nope", "position\r\n")))?;
        c.status("a body of application/x-nope", &answer, &[415])
    }),
    Case::must("R1-PAR-04", "RFC 2326 10.9, 11.3.2", "SET_PARAMETER of something unknown gets 451", TRACKS, |c| {
        let answer = parameter(c, "SET_PARAMETER", Some(("text/parameters", "no-such-parameter: 1\r\n")))?;
        c.status("SET_PARAMETER no-such-parameter", &answer, &[451])
    }),
    Case::interop("R1-PAR-04b", "RFC 7826 17.4.9", "451 to SET_PARAMETER names the parameter", TRACKS, |c| {
        let answer = parameter(c, "SET_PARAMETER", Some(("text/parameters", "no-such-parameter: 1\r\n")))?;
        if answer.status != 451 {
            return Err(skip(format!("not answered 451: {}", answer.first)));
        }
        ensure(answer.text().contains("no-such-parameter"), "no-such-parameter in the body", answer.text())
    }),
    Case::must("R1-PAR-05", "RFC 2326 11.3.9", "SET_PARAMETER of what can only be read gets 458", TRACKS, |c| {
        // Names of RFC 2326 10.8, and what servers call the place that they play.
        for name in ["packets_received", "jitter", "position", "stream_state", "duration"] {
            if parameter(c, "GET_PARAMETER", Some(("text/parameters", &format!("{name}\r\n"))))?.status != 200 {
                continue;
            }
            let answer = parameter(c, "SET_PARAMETER", Some(("text/parameters", &format!("{name}: 1\r\n"))))?;
            return c.status(&format!("SET_PARAMETER {name}"), &answer, &[458]);
        }
        Err(skip("the server's parameters have names of its own"))
    }),
    Case::must(
        "R1-PAR-06",
        "RFC 2326 10 (table 2), 11.3.1",
        "ANNOUNCE, RECORD and REDIRECT get 501 or 405",
        &[],
        |c| {
            for method in ["ANNOUNCE", "RECORD", "REDIRECT"] {
                if c.offer.public.iter().any(|listed| listed == method) {
                    continue;
                }
                let answer = c.ask(&Request::new(method, &c.url()))?;
                c.status(method, &answer, &[405, 501])?;
                let allow = answer.status != 405 || answer.header("Allow").is_some();
                ensure(allow, "Allow in 405", answer.brief())?;
            }
            Ok(())
        },
    ),
    Case::should("R1-PAR-07", "RFC 2326 11.3.6", "455 has an Allow header", TRACKS, |c| {
        let (mut wire, id) = ready(c)?;
        let answer = wire.ask(&Request::new("PAUSE", &c.offer.aggregate).header("Session", &id))?;
        end(c, &mut wire, &id);
        if answer.status != 455 {
            return Err(skip(format!("PAUSE in Ready is not answered 455: {}", answer.first)));
        }
        ensure(answer.header("Allow").is_some(), "Allow in 455", answer.brief())
    }),
    Case::must("R1-PAR-08", "RFC 2326 11.3.5", "GET_PARAMETER in a session that isn't there gets 454", &[], |c| {
        let answer = c.ask(&Request::new("GET_PARAMETER", &c.offer.aggregate).header("Session", "NoSuchSession42"))?;
        c.status("GET_PARAMETER in an unknown session", &answer, &[454])
    }),
];

fn parameter(c: &Context, method: &str, body: Option<(&str, &str)>) -> Verdict<Response> {
    if !c.offer.public.iter().any(|listed| listed == method) {
        return Err(skip(format!("{method} is not in Public")));
    }
    let (mut wire, id) = ready(c)?;
    let mut request = Request::new(method, &c.offer.aggregate).header("Session", &id);
    if let Some((kind, text)) = body {
        request = request.body(kind, text);
    }
    let answer = wire.ask(&request)?;
    end(c, &mut wire, &id);
    Ok(answer)
}
