//! R1-TUN, R1-TLS: RTSP in HTTP, in WebSocket, in TLS.

use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    message::{Request, Response},
    wire::Wire,
};
use base64::Engine;
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case::interop(
        "R1-TUN-01",
        "RTSP over HTTP (Apple); ffmpeg, live555, GStreamer",
        "a GET and a POST with one cookie make a tunnel",
        &[Need::Open],
        |c| {
            let mut get = opened(c, "c0nformance-1")?;
            let mut post = c.connect_bare()?;
            post.send(post_head(c, "c0nformance-1").as_bytes())?;
            let request = Request::new("OPTIONS", &c.url()).cseq("71").bytes(0);
            post.send(base64::engine::general_purpose::STANDARD.encode(request).as_bytes())?;
            let answer = get.response()?;
            let good = answer.status == 200 && answer.header("CSeq") == Some("71");
            ensure(good, "200 with CSeq 71 on the GET's connection", answer.brief())
        },
    ),
    Case::interop(
        "R1-TUN-01b",
        "RTSP over HTTP (Apple)",
        "base64 may come in pieces that are no multiple of 4",
        &[Need::Open],
        |c| {
            let mut get = opened(c, "c0nformance-2")?;
            let mut post = c.connect_bare()?;
            post.send(post_head(c, "c0nformance-2").as_bytes())?;
            for cseq in ["72", "73"] {
                let request = Request::new("OPTIONS", &c.url()).cseq(cseq).bytes(0);
                for piece in base64::engine::general_purpose::STANDARD.encode(request).as_bytes().chunks(7) {
                    post.send_quietly(piece)?;
                    std::thread::sleep(Duration::from_millis(1));
                }
                let answer = get.response()?;
                ensure(answer.header("CSeq") == Some(cseq), format!("CSeq {cseq}"), answer.brief())?;
            }
            Ok(())
        },
    ),
    Case::interop(
        "R1-TUN-02",
        "CVE-2019-6256, CVE-2018-4013",
        "misused tunnels leave the server alive",
        &[Need::Open],
        |c| {
            let long = "x".repeat(10_000);
            for (first, second) in [("same", "same"), (long.as_str(), "a"), ("alone", "")] {
                let mut wire = c.connect_bare()?;
                let _ = wire.send_quietly(get_head(c, first).as_bytes());
                let _ = wire.listen(Duration::from_millis(100));
                if !second.is_empty() {
                    let _ = wire.send_quietly(post_head(c, second).as_bytes());
                    let _ = wire.send_quietly(b"!!!! not base64 ====");
                }
                let _ = wire.listen(Duration::from_millis(100));
                c.alive_elsewhere()?;
            }
            Ok(())
        },
    ),
    Case::interop("R1-TUN-03", "ONVIF Streaming 7, RFC 6455", "RTSP goes over WebSocket", &[Need::Open], web_socket),
    Case::interop("R1-TLS-01", "RFC 7826 4.2", "an rtsps URL speaks TLS from the first byte", &[], |c| {
        if c.offer.tls.is_none() {
            return Err(skip("the URL is not rtsps"));
        }
        let answer = c.ask(&Request::new("OPTIONS", &c.url()))?;
        c.status("OPTIONS over TLS", &answer, &[200])
    }),
];

fn get_head(c: &Context, cookie: &str) -> String {
    format!(
        "GET /{} HTTP/1.0\r\nx-sessioncookie: {cookie}\r\nAccept: application/x-rtsp-tunnelled\r\nPragma: no-cache\r\n\
         Cache-Control: no-cache\r\n\r\n",
        c.offer.name
    )
}

/// The Content-Length is fiction, as in ffmpeg and live555.
fn post_head(c: &Context, cookie: &str) -> String {
    format!(
        "POST /{} HTTP/1.0\r\nx-sessioncookie: {cookie}\r\nContent-Type: application/x-rtsp-tunnelled\r\n\
         Pragma: no-cache\r\nCache-Control: no-cache\r\nContent-Length: 32767\r\n\
         Expires: Sun, 9 Jan 1972 00:00:00 GMT\r\n\r\n",
        c.offer.name
    )
}

/// A connection with an answered GET; skips where the server speaks no HTTP.
fn opened(c: &Context, cookie: &str) -> Verdict<Wire> {
    let mut get = c.connect_bare()?;
    get.send(get_head(c, cookie).as_bytes())?;
    let answer = http_answer(&mut get)?;
    if answer.status != 200 {
        return Err(skip(format!("no tunnel: {}", answer.first)));
    }
    let kind = answer.header("Content-Type").unwrap_or("");
    ensure(kind == "application/x-rtsp-tunnelled", "Content-Type: application/x-rtsp-tunnelled", answer.brief())?;
    Ok(get)
}

fn http_answer(wire: &mut Wire) -> Verdict<Response> {
    let answer = crate::suite::wire::answered(wire.response()).ok().flatten();
    let answer = answer.filter(|answer| answer.version.starts_with("HTTP/"));
    answer.ok_or_else(|| skip("HTTP is not spoken on this port"))
}

fn web_socket(c: &mut Context) -> Verdict {
    let mut wire = c.connect_bare()?;
    let host = c.offer.root.split("://").nth(1).unwrap_or("localhost").to_owned();
    let head = format!(
        "GET /{} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: rtsp.onvif.org\r\n\r\n",
        c.offer.name
    );
    wire.send(head.as_bytes())?;
    let answer = http_answer(&mut wire)?;
    if answer.status != 101 {
        return Err(skip(format!("no WebSocket: {}", answer.first)));
    }
    // The value for this key stands in RFC 6455 1.3.
    let accept = answer.header("Sec-WebSocket-Accept") == Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    ensure(accept, "Sec-WebSocket-Accept of RFC 6455 1.3", answer.brief())?;
    let protocol = answer.header("Sec-WebSocket-Protocol") == Some("rtsp.onvif.org");
    ensure(protocol, "Sec-WebSocket-Protocol: rtsp.onvif.org", answer.brief())?;
    let request = Request::new("OPTIONS", &c.url()).cseq("81").bytes(0);
    let mask = [1, 2, 3, 4];
    let length = u16::try_from(request.len()).unwrap_or(u16::MAX).to_be_bytes();
    let masked = request.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let frame: Vec<u8> = [0x82, 0x80 | 126].into_iter().chain(length).chain(mask).chain(masked).collect();
    wire.send(&frame)?;
    let bytes = wire.bytes(Duration::from_secs(2));
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let framed = bytes.first() == Some(&0x82) && text.contains("RTSP/1.0 200") && text.contains("CSeq: 81");
    if framed { Ok(()) } else { Err(fail("a binary frame with 200 and CSeq 81", text)) }
}
