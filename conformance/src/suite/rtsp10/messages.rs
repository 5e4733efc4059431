//! R1-MSG: requests and answers as such.

use super::{raw, refused};
use crate::suite::{
    case::{Case, Verdict, ensure, fail},
    context::Context,
    message::Request,
    wire::answered,
};

pub(super) const CASES: &[Case] = &[
    Case::must("R1-MSG-01", "RFC 2326 4, 7.1", "an answer is a status line, headers and an empty line", &[], form),
    Case::should("R1-MSG-02", "RFC 2326 4", "lines may end with LF alone", &[], |c| line_end(c, "\n")),
    Case::should("R1-MSG-02b", "RFC 2326 4", "lines may end with CR alone", &[], |c| line_end(c, "\r")),
    Case::must(
        "R1-MSG-03",
        "RFC 2326 4.2, RFC 2068 4.2",
        "header names have no case, values no outer blanks",
        &[],
        |c| {
            let names = [("cseq", "CSeq: "), ("CSEQ", "CSeq:\t"), ("cSeQ", "CSeq:    ")];
            for (at, (name, _)) in names.iter().enumerate() {
                let text = format!("OPTIONS {} RTSP/1.0\r\n{name}:  {}  \r\n\r\n", c.url(), 70 + at);
                let answer = raw(c, text.as_bytes())?.ok_or_else(|| fail("an answer", "the connection was closed"))?;
                c.status(&format!("OPTIONS with `{name}:`"), &answer, &[200])?;
                let echoed = answer.header("CSeq").map(str::to_owned);
                ensure(echoed == Some((70 + at).to_string()), "the same CSeq without blanks", answer.brief())?;
            }
            Ok(())
        },
    ),
    Case::must("R1-MSG-03b", "RFC 2326 4.2, RFC 2068 4.2", "a header may be folded over lines", &[], |c| {
        let text = format!("OPTIONS {} RTSP/1.0\r\nCSeq: 9\r\nUser-Agent: one\r\n two\r\n\tthree\r\n\r\n", c.url());
        let answer = raw(c, text.as_bytes())?.ok_or_else(|| fail("an answer", "the connection was closed"))?;
        c.status("OPTIONS with a folded header", &answer, &[200])
    }),
    Case::should("R1-MSG-04", "RFC 2068 4.1", "empty lines before a request are ignored", &[], |c| {
        let mut wire = c.connect()?;
        wire.send(b"\r\n\r\n")?;
        wire.ok(&Request::new("OPTIONS", &c.url())).map(drop)
    }),
    Case::must("R1-MSG-05", "RFC 2326 6.2, RFC 2068 7.1", "unknown headers are ignored", &[], |c| {
        let request = Request::new("OPTIONS", &c.url()).header("X-Foo", "y".repeat(4096)).header("X-Bar", "");
        c.connect()?.ok(&request).map(drop)
    }),
    Case::must("R1-MSG-06", "RFC 2326 6.1, 10", "methods are case-sensitive", &[], |c| {
        for method in ["options", "Describe"] {
            let answer = c.ask(&Request::new(method, &c.url()))?;
            c.status(method, &answer, &[400, 405, 501])?;
        }
        Ok(())
    }),
    Case::must("R1-MSG-07", "RFC 2326 10 (table 2)", "a method that is not supported gets 501", &[], |c| {
        let answer = c.ask(&Request::new("FOOBAR", &c.url()))?;
        c.status("FOOBAR", &answer, &[501])
    }),
    Case::must("R1-MSG-08", "RFC 2326 7.1.1, 11", "an unknown protocol version gets 505", &[], |c| {
        for version in ["RTSP/3.0", "RTSP/7.3"] {
            let answer = c.ask(&Request::new("OPTIONS", &c.url()).version(version))?;
            c.status(version, &answer, &[505])?;
        }
        Ok(())
    }),
    Case::interop("R1-MSG-08b", "RFC 2326 3.1, RFC 2145", "RTSP/1.1 gets an answer, as a 1.x or as 505", &[], |c| {
        let answer = c.ask(&Request::new("OPTIONS", &c.url()).version("RTSP/1.1"))?;
        c.status("RTSP/1.1", &answer, &[200, 505])
    }),
    Case::should("R1-MSG-09", "RFC 2326 3.2, 6.1", "a Request-URI is absolute", &[], |c| {
        let answer = c.ask(&Request::new("DESCRIBE", &format!("/{}", c.offer.name)))?;
        c.status("DESCRIBE of a relative URL", &answer, &[400, 404])
    }),
    Case::must("R1-MSG-10", "RFC 2326 6.1, 7.1.1", "a malformed request line gets 400", &[], request_lines),
    Case::should("R1-MSG-11", "RFC 2326 7.1.1", "an overlong URL gets 414, or is not found", &[], |c| {
        for length in [8 << 10, 64 << 10] {
            let url = format!("{}/{}", c.offer.root, "a".repeat(length));
            let bytes = Request::new("DESCRIBE", &url).bytes(1);
            refused(&format!("a URL of {length} bytes"), raw(c, &bytes)?.as_ref(), &[400, 401, 404, 413, 414])?;
            c.alive_elsewhere()?;
        }
        Ok(())
    }),
    Case::must("R1-MSG-12", "RFC 2326 7.1.1", "DESCRIBE of what isn't there gets 404", &[], |c| {
        let url = format!("{}/no-such-presentation-{}", c.offer.root, rand::Rng::random::<u32>(&mut c.rng));
        let answer = c.ask(&Request::new("DESCRIBE", &url).header("Accept", "application/sdp"))?;
        c.status("DESCRIBE of what isn't there", &answer, &[404])
    }),
    Case::must("R1-MSG-13", "RFC 2326 12.17", "a request without CSeq gets 400", &[], |c| {
        let answer = c.ask(&Request::new("OPTIONS", &c.url()).without_cseq())?;
        c.status("a request without CSeq", &answer, &[400])
    }),
    Case::must("R1-MSG-14", "RFC 2326 12.17", "the answer has the request's CSeq", &[], |c| {
        let mut wire = c.connect()?;
        for cseq in ["0", "1", "4711", "65536", "2147483647"] {
            let answer = wire.ask(&Request::new("OPTIONS", &c.url()).cseq(cseq))?;
            ensure(answer.header("CSeq") == Some(cseq), format!("CSeq: {cseq}"), answer.brief())?;
        }
        Ok(())
    }),
    Case::interop("R1-MSG-14b", "RFC 2326 12.17", "CSeq 4294967295 and 007 come back as they went", &[], |c| {
        let mut wire = c.connect()?;
        for cseq in ["4294967295", "007"] {
            let answer = wire.ask(&Request::new("OPTIONS", &c.url()).cseq(cseq))?;
            ensure(answer.header("CSeq") == Some(cseq), format!("CSeq: {cseq}"), answer.brief())?;
        }
        Ok(())
    }),
    Case::must("R1-MSG-14c", "RFC 2326 12.17", "answers with an error have the request's CSeq, too", &[], |c| {
        let mut wire = c.connect()?;
        let unknown = format!("{}/no-such-presentation", c.offer.root);
        for (at, (method, url)) in
            [("DESCRIBE", unknown.as_str()), ("FOOBAR", &c.url()), ("PLAY", &c.url())].iter().enumerate()
        {
            let cseq = (900 + at).to_string();
            let answer = wire.ask(&Request::new(method, url).cseq(&cseq))?;
            ensure(answer.header("CSeq") == Some(&cseq), format!("CSeq: {cseq} in {method}'s answer"), answer.brief())?;
        }
        Ok(())
    }),
    Case::should(
        "R1-MSG-15",
        "RFC 2326 12.17, 7.1.1",
        "a CSeq that is no number gets 400, nothing raw comes back",
        &[],
        |c| {
            for cseq in ["abc", "-", "1\u{0}2", "1 2", ""] {
                let answer = raw(c, &Request::new("OPTIONS", &c.url()).cseq(cseq).bytes(0))?;
                let Some(answer) = answer else { continue };
                c.status(&format!("CSeq {cseq:?}"), &answer, &[400])?;
                ensure(!answer.raw.contains(&0), "no NUL in the answer", answer.brief())?;
            }
            c.alive_elsewhere()
        },
    ),
    Case::should("R1-MSG-15b", "RFC 2326 12.17", "two CSeq headers that differ get 400", &[], |c| {
        let answer = raw(c, &Request::new("OPTIONS", &c.url()).cseq("5").header("CSeq", "6").bytes(0))?;
        refused("two CSeq", answer.as_ref(), &[400])
    }),
    Case::must(
        "R1-MSG-20",
        "RFC 2326 12.10, D.2",
        "Connection: close ends the connection after the answer",
        &[],
        |c| {
            let mut wire = c.connect()?;
            wire.ok(&Request::new("OPTIONS", &c.url()).header("Connection", "close"))?;
            ensure(wire.ends_within(c.options.patience), "the connection's end after the answer", "it stays open")
        },
    ),
    Case::must("R1-MSG-21", "RFC 2326 12.38", "Timestamp comes back, perhaps with a delay", &[], |c| {
        let answer = c.ask(&Request::new("OPTIONS", &c.url()).header("Timestamp", "1234.5"))?;
        let value = answer.header("Timestamp").unwrap_or("none");
        let good = value.split_whitespace().next().and_then(|number| number.parse::<f64>().ok()) == Some(1234.5);
        ensure(good, "Timestamp: 1234.5, optionally with a delay", answer.brief())
    }),
    Case::should("R1-MSG-22", "RFC 2326 12.36, D.2", "answers have a Server header", &[], |c| {
        let answer = c.ask(&Request::new("OPTIONS", &c.url()))?;
        ensure(answer.header("Server").is_some_and(|name| !name.is_empty()), "a Server header", answer.brief())
    }),
];

fn form(c: &mut Context) -> Verdict {
    let mut wire = c.connect()?;
    let unknown = format!("{}/no-such-presentation", c.offer.root);
    for (method, url) in [("OPTIONS", c.url()), ("DESCRIBE", unknown), ("FOOBAR", c.url())] {
        let answer = wire.ask(&Request::new(method, &url))?;
        ensure(answer.faults.is_empty(), format!("a well-formed answer to {method}"), answer.faults.join("; "))?;
        ensure(answer.version == "RTSP/1.0", format!("RTSP/1.0 in the answer to {method}"), answer.brief())?;
        let other = rtsp_types::Message::<Vec<u8>>::parse(&answer.raw);
        ensure(other.is_ok(), "an answer that a second parser takes", answer.brief())?;
    }
    Ok(())
}

fn line_end(c: &mut Context, end: &'static str) -> Verdict {
    let bytes = Request::new("OPTIONS", &c.url()).line_end(end).bytes(3);
    let answer = raw(c, &bytes)?.ok_or_else(|| fail("200", "the connection was closed"))?;
    c.status(&format!("lines that end with {end:?}"), &answer, &[200])
}

fn request_lines(c: &mut Context) -> Verdict {
    let url = c.url();
    let lines = [
        format!("OPTIONS {url}"),
        format!("OPTIONS  {url} RTSP/1.0 x"),
        format!("OPT\u{1}IONS {url} RTSP/1.0"),
        format!("OPTIONS {url}\u{0} RTSP/1.0"),
        "OPTIONS".to_owned(),
        "RTSP/1.0".to_owned(),
    ];
    for line in lines {
        let mut wire = c.connect()?;
        wire.send(format!("{line}\r\nCSeq: 1\r\n\r\n").as_bytes())?;
        let answer = answered(wire.response())?;
        refused(&format!("request line {line:?}"), answer.as_ref(), &[400, 404, 501, 505])?;
        c.alive_elsewhere()?;
    }
    Ok(())
}
