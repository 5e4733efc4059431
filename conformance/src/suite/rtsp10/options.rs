//! R1-OPT, R1-REQ: what the server can do, and what it is required to be able to do.

use super::{end, first_setup, ready};
use crate::suite::{
    case::{Case, Need, Verdict, ensure},
    context::Context,
    message::Request,
};
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case::must("R1-OPT-01", "RFC 2326 10.1, D.2", "OPTIONS lists the methods that every server has", &[], |c| {
        for target in [c.url(), "*".to_owned()] {
            let answer = c.ask(&Request::new("OPTIONS", &target))?;
            c.status(&format!("OPTIONS {target}"), &answer, &[200])?;
            let public = answer.list("Public");
            for method in ["OPTIONS", "SETUP", "TEARDOWN", "PLAY"] {
                let has = public.iter().any(|listed| listed == method);
                ensure(has, format!("{method} in Public, asked with {target}"), answer.brief())?;
            }
        }
        Ok(())
    }),
    Case::must("R1-OPT-01b", "RFC 2326 D.2.1", "an on-demand server has PAUSE", &[Need::Seekable], |c| {
        let has = |method: &str| c.offer.public.iter().any(|listed| listed == method);
        ensure(has("PAUSE"), "PAUSE in Public", c.offer.public.join(", "))
    }),
    Case::must("R1-OPT-02", "RFC 2326 10.1", "OPTIONS changes no state", &[Need::Tracks], |c| {
        let mut session = c.session()?;
        session.wire.ok(&session.request("OPTIONS"))?;
        session.play(None)?;
        session.collect(Duration::from_millis(600))?;
        let before = session.count(0);
        session.wire.ok(&session.request("OPTIONS"))?;
        session.collect(Duration::from_secs(1))?;
        session.tear_down();
        ensure(session.count(0) > before, "packets after OPTIONS while playing", "none for 1 s")?;
        let jumps = session.jumps(0)?;
        ensure(jumps == 0, "sequence numbers that run on", format!("{jumps} jumps"))
    }),
    Case::interop(
        "R1-OPT-03",
        "RFC 2326 10.1; ffmpeg, VLC",
        "what Public lists is not answered 501",
        &[Need::Tracks],
        |c| {
            let (mut wire, id) = ready(c)?;
            for method in c.offer.public.clone() {
                if ["TEARDOWN", "SETUP", "REDIRECT", "RECORD", "ANNOUNCE"].contains(&method.as_str()) {
                    continue;
                }
                let answer = wire.ask(&Request::new(&method, &c.offer.aggregate).header("Session", &id))?;
                ensure(answer.status != 501, format!("{method} is in Public, so not 501"), answer.brief())?;
            }
            end(c, &mut wire, &id);
            Ok(())
        },
    ),
    Case::must(
        "R1-REQ-01",
        "RFC 2326 12.32, 11",
        "Require of something unknown gets 551 and Unsupported",
        &[Need::Tracks],
        |c| unsupported(c, "Require", "x-nope"),
    ),
    Case::should("R1-REQ-02", "RFC 2326 12.27", "Proxy-Require of something unknown gets 551", &[Need::Tracks], |c| {
        unsupported(c, "Proxy-Require", "x-nope")
    }),
    Case::must("R1-REQ-03", "RFC 2326 12.41", "Unsupported lists all that is not supported", &[], |c| {
        let answer = c.ask(&Request::new("OPTIONS", &c.url()).header("Require", "x-nope, x-neither"))?;
        c.status("two unknown features", &answer, &[551])?;
        let listed = answer.list("Unsupported");
        let all = ["x-nope", "x-neither"].iter().all(|feature| listed.iter().any(|item| item == feature));
        ensure(all, "Unsupported: x-nope, x-neither", answer.brief())
    }),
    Case::interop(
        "R1-REQ-04",
        "RFC 2326 12.32; ONVIF",
        "a back channel that isn't there is refused with 551",
        &[Need::Tracks],
        |c| {
            let backchannel = "www.onvif.org/ver20/backchannel";
            let request = Request::new("DESCRIBE", &c.url()).header("Accept", "application/sdp");
            let answer = c.ask(&request.header("Require", backchannel))?;
            if answer.status == 200 {
                let offered = answer.text().contains("a=sendonly");
                return ensure(offered, "551, or a description with a back channel (a=sendonly)", answer.brief());
            }
            c.status(&format!("Require: {backchannel}"), &answer, &[551])
        },
    ),
];

fn unsupported(c: &mut Context, header: &str, feature: &str) -> Verdict {
    let mut wire = c.connect()?;
    let describe = Request::new("DESCRIBE", &c.url()).header("Accept", "application/sdp");
    for request in [Request::new("OPTIONS", &c.url()), describe, first_setup(c)?] {
        let method = request.method.clone();
        let answer = wire.ask(&request.header(header, feature))?;
        c.status(&format!("{method} with {header}: {feature}"), &answer, &[551])?;
        let named = answer.list("Unsupported").iter().any(|item| item == feature);
        ensure(named, format!("Unsupported: {feature} in {method}'s answer"), answer.brief())?;
        ensure(answer.header("Session").is_none(), "no session is made", answer.brief())?;
    }
    let mut session = c.session_of(&[0])?;
    let answer = session.wire.ask(&session.request("PLAY").header(header, feature))?;
    session.collect(Duration::from_millis(600))?;
    session.tear_down();
    c.status(&format!("PLAY with {header}: {feature}"), &answer, &[551])?;
    ensure(session.count(0) == 0, "nothing is played", format!("{} packets", session.count(0)))
}
