//! R1-MSG-16 and on: where a message ends, and what is no message at all.

use super::{raw, refused};
use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail},
    context::Context,
    message::Request,
};
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case::must("R1-MSG-16", "RFC 2326 4.4, 12.14", "without Content-Length a message has no body", &[], |c| {
        let mut wire = c.connect()?;
        let inner = Request::new("OPTIONS", &c.url()).bytes(42);
        let mut outer = Request::new("OPTIONS", &c.url()).cseq("41").unmeasured();
        outer.body = inner;
        wire.tell(&outer)?;
        for cseq in ["41", "42"] {
            let answer = wire.response()?;
            ensure(answer.header("CSeq") == Some(cseq), format!("an answer with CSeq {cseq}"), answer.brief())?;
        }
        Ok(())
    }),
    Case::must("R1-MSG-17", "RFC 2326 4.4, 12.14", "a body is consumed, and the next request answered", &[], |c| {
        let mut wire = c.connect()?;
        let mut outer = Request::new("OPTIONS", &c.url()).cseq("41").header("Content-Type", "text/parameters");
        outer.body = Request::new("OPTIONS", &c.url()).bytes(42);
        wire.tell(&outer)?;
        wire.tell(&Request::new("OPTIONS", &c.url()).cseq("43"))?;
        for cseq in ["41", "43"] {
            let answer = wire.response()?;
            ensure(answer.header("CSeq") == Some(cseq), format!("an answer with CSeq {cseq}"), answer.brief())?;
        }
        Ok(())
    }),
    Case::must("R1-MSG-18", "RFC 2326 12.14, 7.1.1", "a Content-Length that is no length is refused", &[], |c| {
        for value in ["-1", "1x", "0x10", "1\r\nContent-Length: 2"] {
            let request = Request::new("OPTIONS", &c.url()).header("Content-Length", value);
            let answer = raw(c, &request.bytes(1))
                .map_err(|_| fail(format!("Content-Length {value:?} refused"), "no answer"))?;
            refused(&format!("Content-Length {value:?}"), answer.as_ref(), &[400, 411, 413])?;
            c.alive_elsewhere()?;
        }
        Ok(())
    }),
    Case::must("R1-MSG-19", "RFC 2326 4", "a request may come in pieces of one byte", &[], |c| {
        let mut wire = c.connect()?;
        for byte in Request::new("OPTIONS", &c.url()).cseq("77").bytes(0) {
            wire.send_quietly(&[byte])?;
            std::thread::sleep(Duration::from_micros(300));
        }
        let answer = wire.response()?;
        ensure(answer.status == 200 && answer.header("CSeq") == Some("77"), "200 with CSeq 77", answer.brief())
    }),
    Case::must("R1-MSG-19b", "RFC 2326 4, 9.1", "five requests may come at once", &[], |c| {
        let mut wire = c.connect()?;
        let all: Vec<u8> = (1..=5).flat_map(|cseq| Request::new("OPTIONS", &c.url()).bytes(cseq)).collect();
        wire.send(&all)?;
        for cseq in 1..=5 {
            let answer = wire.response()?;
            let good = answer.status == 200 && answer.header("CSeq") == Some(&cseq.to_string());
            ensure(good, format!("200 with CSeq {cseq}"), answer.brief())?;
        }
        Ok(())
    }),
    Case::must("R1-MSG-23", "RFC 2326 10.12", "`$` frames before any SETUP are passed over", &[], dollars),
    Case::interop("R1-MSG-24", "RFC 2326 16", "what is no RTSP doesn't harm the server", &[], no_rtsp),
    Case::interop(
        "R1-MSG-25",
        "CVE-2021-41396",
        "1,000 half-open connections leave room for viewers",
        HARMFUL,
        half_open,
    ),
];

const HARMFUL: &[Need] = &[Need::Hostile, Need::Alone];

fn dollars(c: &mut Context) -> Verdict {
    let mut wire = c.connect()?;
    let long = [&[b'$', 9, 0xff, 0xff][..], &[0; 65_535]].concat();
    for frame in [&b"$\x00\x00\x04abcd"[..], b"$\x07\x00\x00", &long, b"$\xff\x00\x01\x80"] {
        wire.send(frame.get(..8.min(frame.len())).unwrap_or_default())?;
        wire.send_quietly(frame.get(8.min(frame.len())..).unwrap_or_default())?;
        let answer = wire.ask(&Request::new("OPTIONS", &c.url()))?;
        c.status("OPTIONS after a frame", &answer, &[200])?;
    }
    Ok(())
}

fn no_rtsp(c: &mut Context) -> Verdict {
    let mut garbage = vec![0; 1 << 20];
    rand::RngCore::fill_bytes(&mut c.rng, &mut garbage);
    let hello = [&[0x16, 3, 1, 0, 0x40, 1, 0, 0, 0x3c, 3, 3][..], &[7; 60]].concat();
    for bytes in [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"SSH-2.0-x\r\n", &hello, &garbage] {
        let mut wire = c.connect()?;
        c.record.remark(0, &format!("{} bytes that are no RTSP", bytes.len()));
        let _ = wire.send_quietly(bytes);
        let _ = wire.ends_within(Duration::from_millis(300));
        c.alive_elsewhere()?;
    }
    Ok(())
}

fn half_open(c: &mut Context) -> Verdict {
    let mut held = Vec::new();
    for place in 0..1000 {
        let Ok(mut wire) = c.connect() else { break };
        let head = format!("OPTIONS {} RTSP/1.0\r\nCSeq: {place}\r\nX-Slow: ", c.url());
        if wire.send_quietly(head.as_bytes()).is_ok() {
            held.push(wire);
        }
    }
    c.record.remark(0, &format!("{} connections with an unfinished request", held.len()));
    let began = std::time::Instant::now();
    c.alive_elsewhere().map_err(|_| fail("a new connection answered", format!("none beside {} others", held.len())))?;
    let took = began.elapsed();
    ensure(took < Duration::from_secs(2), "an answer within 2 s", format!("{took:?}"))
}
