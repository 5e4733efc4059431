//! What is on record against other servers.

use super::{ALONE, HOSTILE, TRACKS, still_there, survives};
use crate::suite::{
    case::{Case, Verdict, ensure},
    context::Context,
    message::Request,
};
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case::interop("FUZ-01", "CVE-2007-6036", "very short requests", HOSTILE, |c| {
        for bytes in ["\r\n\r\n", "O", " ", "\r\n", "A B", "RTSP", "$", "$\0", "$\0\0"] {
            survives(c, "a very short request", bytes.as_bytes())?;
        }
        Ok(())
    }),
    Case::interop("FUZ-02", "CVE-2013-6933, CVE-2013-6934", "a blank or a tab as the first byte", HOSTILE, |c| {
        for first in [" ", "\t", "   \t ", "\u{0b}"] {
            survives(c, "a blank first", format!("{first}OPTIONS {} RTSP/1.0\r\nCSeq: 1\r\n\r\n", c.url()).as_bytes())?;
            survives(c, "blanks only", first.repeat(5000).as_bytes())?;
        }
        Ok(())
    }),
    Case::interop("FUZ-03", "CVE-2018-4013", "a tunnel's GET with several overlong headers", HOSTILE, |c| {
        let accept = format!("Accept: {}\r\n", "a".repeat(2000)).repeat(4);
        let cookie = format!("x-sessioncookie: {}\r\n", "b".repeat(2000)).repeat(4);
        survives(c, "overlong tunnel headers", format!("GET / HTTP/1.0\r\n{accept}{cookie}\r\n").as_bytes())
    }),
    Case::interop("FUZ-04", "CVE-2019-6256", "a tunnel's GET and POST on one connection", HOSTILE, |c| {
        let half = |method: &str| format!("{method} /{} HTTP/1.0\r\nx-sessioncookie: fuz04\r\n\r\n", c.offer.name);
        survives(c, "GET and POST", format!("{}{}T1BUSU9OUw==", half("GET"), half("POST")).as_bytes())
    }),
    Case::interop(
        "FUZ-05",
        "CVE-2019-7314, CVE-2019-15232",
        "a session that is ended, played and left at once",
        TRACKS,
        |c| {
            let mut session = c.session()?;
            session.play(None)?;
            let order = ["TEARDOWN", "PLAY", "TEARDOWN", "PAUSE", "TEARDOWN"];
            let all: Vec<u8> =
                (50..).zip(order).flat_map(|(cseq, method)| session.request(method).bytes(cseq)).collect();
            session.wire.send(&all)?;
            session.wire.close();
            still_there(c, "TEARDOWN, PLAY and the connection's end at once")
        },
    ),
    Case::interop("FUZ-06", "CVE-2019-7732", "fields of Authorization again and again", HOSTILE, |c| {
        let fields = "username=\"u\", realm=\"r\", nonce=\"n\", uri=\"x\", response=\"y\", ".repeat(300);
        let request = Request::new("DESCRIBE", &c.url()).header("Authorization", format!("Digest {fields}"));
        survives(c, "300 times the fields of Digest", &request.bytes(1))
    }),
    Case::interop("FUZ-07", "CVE-2019-7733", "a huge Content-Length", HOSTILE, |c| {
        let lengths =
            ["4294967295", "4294967296", "9223372036854775807", "18446744073709551615", "99999999999999999999999"];
        for length in lengths {
            let request = Request::new("GET_PARAMETER", &c.url()).header("Content-Length", length);
            survives(c, "a huge Content-Length", &request.bytes(1))?;
        }
        Ok(())
    }),
    Case::interop("FUZ-08", "CVE-2019-9215, live555 #23", "malformed Authorization", TRACKS, |c| {
        for value in ["Basic", "Basic =", "Basic \u{0}", "Digest", "Digest a", "Digest a=", "Digest \"", "Digest ,,,=,"]
        {
            let request = Request::new("SETUP", &c.control(0)?).header("Transport", c.transport());
            survives(c, "malformed Authorization", &request.header("Authorization", value).bytes(1))?;
        }
        Ok(())
    }),
    Case::interop("FUZ-09", "CVE-2020-24027", "overlong clock ranges in PLAY", TRACKS, |c| {
        let mut session = c.session()?;
        for range in
            [format!("clock={}-", "9".repeat(3000)), format!("clock={0}T{0}Z-{0}", "1".repeat(900)), "clock=-".into()]
        {
            let request = session.request("PLAY").header("Range", range);
            let _ = session.wire.ask(&request);
        }
        session.tear_down();
        still_there(c, "overlong clock ranges")
    }),
    Case::interop("FUZ-11", "CVE-2021-38380", "one presentation asked for 300 times at once", ALONE, |c| {
        let mut wires = Vec::new();
        let setup = Request::new("SETUP", &c.control(0)?).header("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1");
        for _ in 0..300 {
            let Ok(mut wire) = c.connect_bare() else { break };
            let _ = wire.send_quietly(&[Request::new("DESCRIBE", &c.url()).bytes(1), setup.bytes(2)].concat());
            wires.push(wire);
        }
        still_there(c, "300 DESCRIBE and SETUP")?;
        drop(wires);
        still_there(c, "the end of 300 connections")
    }),
    Case::interop("FUZ-12", "CVE-2021-38381, CVE-2021-38382", "one track set up again and again", TRACKS, |c| {
        let mut session = c.session_of(&[0])?;
        let url = c.control(0)?;
        for _ in 0..20 {
            let request = Request::new("SETUP", &url).header("Transport", c.transport());
            session.wire.ask(&request.header("Session", &session.id))?;
        }
        let play = session.request("PLAY");
        let _ = session.wire.ask(&play);
        session.tear_down();
        still_there(c, "20 SETUPs of one track")
    }),
    Case::interop("FUZ-14", "CVE-2021-41396", "1,000 connections in a short time", ALONE, |c| {
        for _ in 0..1000 {
            let _ = c.connect_bare();
        }
        still_there(c, "1,000 connections")
    }),
    Case::interop("FUZ-16", "CVE-2026-41470, RFC 2326 16", "guessed session ids lead nowhere", TRACKS, |c| {
        let mut wire = c.connect()?;
        for _ in 0..200 {
            let id = rand::Rng::random_range(&mut c.rng, 10_000_000..99_999_999u64).to_string();
            let answer = wire.ask(&Request::new("TEARDOWN", &c.offer.aggregate).header("Session", id))?;
            ensure([404, 454].contains(&answer.status), "454", answer.brief())?;
        }
        Ok(())
    }),
    Case::interop("FUZ-17", "live555 #39, #56, #66", "NUL in CSeq, port 0", TRACKS, |c| {
        survives(c, "NUL in CSeq", &Request::new("OPTIONS", &c.url()).cseq("1\u{0}\u{0}2").bytes(0))?;
        let request = Request::new("SETUP", &c.control(0)?).header("Transport", "RTP/AVP;unicast;client_port=0-0");
        survives(c, "port 0", &request.bytes(1))
    }),
    Case::interop("FUZ-18", "CVE-2020-6095", "SETUP with Basic that can't be decoded", TRACKS, |c| {
        for value in ["Basic *", "Basic dXNlcg==", "Basic AAAA", "Basic \u{ff}\u{fe}", "Basic a b c"] {
            let request = Request::new("SETUP", &c.control(0)?).header("Transport", c.transport());
            survives(c, "Basic that can't be decoded", &request.header("Authorization", value).bytes(1))?;
        }
        Ok(())
    }),
    Case::interop("FUZ-19", "CVE-2024-44331", "PLAY three times at once with one CSeq", TRACKS, thrice),
    Case::interop(
        "FUZ-21",
        "CVE-2009-2533, CVE-2009-2534",
        "SETUP of /, of nothing; SET_PARAMETER with empty headers",
        HOSTILE,
        |c| {
            for uri in ["/", "", "rtsp:", "rtsp://", "rtsp:///", "*"] {
                let request = Request::new("SETUP", uri).header("Transport", c.transport());
                survives(c, "SETUP of no URL", &request.bytes(1))?;
            }
            let request = Request::new("SET_PARAMETER", &c.url()).header("DataConvertBuffer", "").header("X", "");
            survives(c, "an empty DataConvertBuffer", &request.bytes(1).repeat(5))
        },
    ),
    Case::interop("FUZ-22", "VU#460350", "a huge User-Agent", HOSTILE, |c| {
        for length in [255, 4096, 60_000, 1_000_000] {
            let request = Request::new("DESCRIBE", &c.url()).header("User-Agent", "a".repeat(length));
            survives(c, "a huge User-Agent", &request.bytes(1))?;
        }
        Ok(())
    }),
];

fn thrice(c: &mut Context) -> Verdict {
    let mut session = c.session()?;
    let play = session.request("PLAY").header("Range", "npt=0.000-").cseq("4").bytes(0);
    session.wire.send(&play.repeat(3))?;
    let _ = session.wire.listen(Duration::from_millis(500));
    session.tear_down();
    still_there(c, "PLAY three times at once")
}
