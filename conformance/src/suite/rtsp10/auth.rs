//! R1-AUT: authentication (RFC 2617, RFC 7616).

use super::raw;
use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    digest::{Challenge, digest},
    message::{Request, Response},
};

const AUTH: &[Need] = &[Need::Credentials];

pub(super) const CASES: &[Case] = &[
    Case::must(
        "R1-AUT-01",
        "RFC 2326 16, D.2.2, RFC 7235 3.1",
        "a protected URL gets 401 with WWW-Authenticate and CSeq",
        AUTH,
        |c| {
            let answer = challenged(c)?;
            ensure(answer.header("CSeq").is_some(), "CSeq in 401", answer.brief())?;
            for challenge in Challenge::all(&answer) {
                ensure(challenge.get("realm").is_some(), "a realm in each challenge", answer.brief())?;
            }
            Ok(())
        },
    ),
    Case::must("R1-AUT-01b", "RFC 2326 D.2.2", "Digest is among the challenges", AUTH, |c| {
        digests(&challenged(c)?).map(drop)
    }),
    Case::interop("R1-AUT-01c", "live555", "Digest challenges begin with realm and nonce, in quotes", AUTH, |c| {
        let answer = challenged(c)?;
        let lines = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("WWW-Authenticate"));
        let mut digests = lines.filter(|(_, value)| value.starts_with("Digest"));
        let good = digests.all(|(_, value)| value.starts_with("Digest realm=\"") && value.contains("\", nonce=\""));
        ensure(good, "Digest realm=\"...\", nonce=\"...\"", answer.brief())
    }),
    Case::must(
        "R1-AUT-02",
        "RFC 2617 3.2.2, RFC 7616 3.4",
        "the right answer to each Digest challenge is taken, with qop",
        AUTH,
        |c| {
            for challenge in digests(&challenged(c)?)? {
                if challenge.get("qop").is_none() {
                    continue;
                }
                let answer = answered(c, &challenge, |c| user(c).map(|(_, password)| password), Some(1))?;
                c.status(&format!("Digest {}", challenge.get("algorithm").unwrap_or("MD5")), &answer, &[200])?;
            }
            Ok(())
        },
    ),
    Case::interop(
        "R1-AUT-02b",
        "RFC 2069; live555, ffmpeg",
        "the right answer in the style of RFC 2069, without qop, is taken",
        AUTH,
        |c| {
            for challenge in digests(&challenged(c)?)? {
                let answer = answered(c, &challenge, |c| user(c).map(|(_, password)| password), None)?;
                c.status("Digest without qop", &answer, &[200])?;
            }
            Ok(())
        },
    ),
    Case::must("R1-AUT-02c", "RFC 7616 3.4", "a wrong password gets 401", AUTH, |c| {
        for challenge in digests(&challenged(c)?)? {
            let answer = answered(c, &challenge, |_| Ok("no-such-password".into()), None)?;
            c.status("a wrong password", &answer, &[401, 403])?;
        }
        Ok(())
    }),
    Case::must("R1-AUT-02d", "RFC 7616 3.4.6", "a response for another URL or method gets 401 or 400", AUTH, |c| {
        let challenge = digests(&challenged(c)?)?.into_iter().next().unwrap_or_default();
        let (name, word) = user(c)?;
        for (method, url) in [("DESCRIBE", format!("{}/other", c.offer.root)), ("PLAY", c.url())] {
            let value = digest(&challenge, &name, &word, method, &url, None);
            let answer = c.connect_bare()?.ask(&describe(c).header("Authorization", value))?;
            c.status("a response made for something else", &answer, &[400, 401, 403])?;
        }
        Ok(())
    }),
    Case::must("R1-AUT-02e", "RFC 7616 3.3", "a nonce that the server never gave gets 401", AUTH, |c| {
        let mut challenge = digests(&challenged(c)?)?.into_iter().next().unwrap_or_default();
        for (name, value) in &mut challenge.parameters {
            if name == "nonce" {
                *value = "bm90LW15LW5vbmNl".into();
            }
        }
        let answer = answered(c, &challenge, |c| user(c).map(|(_, password)| password), None)?;
        c.status("a nonce of one's own", &answer, &[401])
    }),
    Case::interop(
        "R1-AUT-02f",
        "RFC 7616 3.3; ffmpeg, live555",
        "who knows the password and has an old nonce is told so: stale=true",
        AUTH,
        |c| {
            for mut challenge in digests(&challenged(c)?)? {
                for (name, value) in &mut challenge.parameters {
                    if name == "nonce" {
                        *value = "bm90LW15LW5vbmNl".into();
                    }
                }
                let answer = answered(c, &challenge, |c| user(c).map(|(_, password)| password), None)?;
                c.status("an old nonce", &answer, &[401])?;
                let stale =
                    |challenge: &Challenge| challenge.get("stale").is_some_and(|it| it.eq_ignore_ascii_case("true"));
                let told = Challenge::all(&answer).iter().any(stale);
                ensure(told, "stale=true: players that have sent the password once ask for it else", answer.brief())?;
            }
            Ok(())
        },
    ),
    Case::interop(
        "R1-AUT-03",
        "CVE-2020-6095, CVE-2019-7732, CVE-2019-9215",
        "Authorization that makes no sense is refused",
        AUTH,
        |c| {
            let values = [
                "",
                "Basic",
                "Basic ***",
                "Basic bm9jb2xvbg==",
                "Basic AAAA",
                "Digest",
                "Digest =,=,",
                "Digest username=\"",
                "Digest username=\"a\", username=\"a\", username=\"b\", realm=\"r\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"\"",
                "Nope x",
                "Basic \u{0}\u{0}",
            ];
            for value in values {
                let answer = raw_bare(c, value)?;
                if let Some(answer) = answer {
                    c.status(&format!("Authorization: {value:?}"), &answer, &[400, 401, 403])?;
                }
            }
            c.alive_elsewhere()
        },
    ),
    Case::should(
        "R1-AUT-04",
        "RFC 2326 16; RFC 7616 5.5",
        "many wrong passwords from one address are slowed down or refused",
        &[Need::Credentials, Need::LockOut, Need::Alone],
        |c| {
            let began = std::time::Instant::now();
            for _ in 0..GUESSES {
                let challenge = match c.connect_bare()?.ask(&describe(c))? {
                    answer if answer.status == 401 => digests(&answer)?.remove(0),
                    answer => return c.status("yet another wrong password", &answer, &[403, 429, 503]),
                };
                let Ok(answer) = answered(c, &challenge, |_| Ok("no such password".into()), Some(1)) else {
                    return Ok(());
                };
                if answer.status != 401 {
                    return c.status("yet another wrong password", &answer, &[403, 429, 503]);
                }
            }
            let took = began.elapsed().as_secs();
            let enough = took >= u64::from(GUESSES) / 10;
            ensure(
                enough,
                format!("at most ten of {GUESSES} wrong passwords a second, or a refusal"),
                format!("{took} s"),
            )
        },
    ),
    Case::must(
        "R1-AUT-05",
        "RFC 2326 16; CVE-2026-41470",
        "a session id is no credential on another connection",
        &[Need::Credentials, Need::Tracks],
        |c| {
            let mut session = c.session_of(&[0])?;
            for method in ["PLAY", "TEARDOWN"] {
                let answer = c.connect_bare()?.ask(&session.request(method))?;
                c.status(&format!("{method} without credentials"), &answer, &[401, 403, 454])?;
            }
            session.tear_down();
            Ok(())
        },
    ),
    Case::interop(
        "R1-AUT-06",
        "CVE-2020-6095, CVE-2019-9215",
        "an open server passes over Authorization that makes no sense",
        &[Need::Open],
        |c| {
            for value in ["", "Basic", "Basic ***", "Digest username=\"", "Digest \u{0}"] {
                let request = describe(c).header("Authorization", value);
                if let Some(answer) = raw(c, &request.bytes(1))? {
                    c.status(&format!("Authorization: {value:?}"), &answer, &[200, 400, 401])?;
                }
            }
            c.alive_elsewhere()
        },
    ),
];

/// Wrong passwords that are tried: a person makes fewer mistakes.
const GUESSES: u32 = 200;

fn describe(c: &Context) -> Request {
    Request::new("DESCRIBE", &c.url()).header("Accept", "application/sdp")
}

fn user(c: &Context) -> Verdict<(String, String)> {
    c.options.credentials.clone().ok_or_else(|| skip("no --user"))
}

fn challenged(c: &Context) -> Verdict<Response> {
    let answer = c.connect_bare()?.ask(&describe(c))?;
    c.status("DESCRIBE without credentials", &answer, &[401])?;
    ensure(answer.header("WWW-Authenticate").is_some(), "WWW-Authenticate in 401", answer.brief())?;
    Ok(answer)
}

fn digests(answer: &Response) -> Verdict<Vec<Challenge>> {
    let known = |challenge: &Challenge| {
        challenge.get("algorithm").is_none_or(|name| ["MD5", "SHA-256"].contains(&name.to_uppercase().as_str()))
    };
    let all: Vec<_> = Challenge::all(answer).into_iter().collect();
    let all: Vec<_> = all.into_iter().filter(|c| c.scheme.eq_ignore_ascii_case("digest") && known(c)).collect();
    if all.is_empty() { Err(fail("a Digest challenge", answer.brief())) } else { Ok(all) }
}

fn answered(
    c: &Context,
    challenge: &Challenge,
    password: impl Fn(&Context) -> Verdict<String>,
    count: Option<u32>,
) -> Verdict<Response> {
    let (name, _) = user(c)?;
    let value = digest(challenge, &name, &password(c)?, "DESCRIBE", &c.url(), count);
    c.connect_bare()?.ask(&describe(c).header("Authorization", value))
}

fn raw_bare(c: &Context, value: &str) -> Verdict<Option<Response>> {
    let mut wire = c.connect_bare()?;
    wire.send(&describe(c).header("Authorization", value).bytes(1))?;
    crate::suite::wire::answered(wire.response())
}
