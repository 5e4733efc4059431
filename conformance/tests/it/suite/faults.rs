//! One fault for each case: what a server must do wrong for the case to see it.

use super::proxy::{
    Fault::{self, Answer, Before, Close, Crowd, Dead, Ignore, Lose, Mute, Request, Sdp, Status},
    header,
};
use std::sync::atomic::{AtomicU32, Ordering};

fn play(request: &str) -> bool {
    request.starts_with("PLAY ")
}

fn pause(request: &str) -> bool {
    request.starts_with("PAUSE ")
}

fn setup(request: &str) -> bool {
    request.starts_with("SETUP ")
}

fn strange(request: &str) -> bool {
    request.contains("NoSuchSession42")
}

pub fn of(request: &str, name: &str) -> String {
    header(request, name).unwrap_or_default()
}

/// The text with every header of this name given another value.
pub fn with(text: String, name: &str, value: &str) -> String {
    let lower = format!("{}:", name.to_lowercase());
    let lines = text.split("\r\n").map(|line| match line.to_lowercase().starts_with(&lower) {
        true => format!("{name}: {value}"),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\r\n")
}

fn has(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|window| window == what.as_bytes())
}

/// Faults of a server that asks for passwords.
pub const ASKED: &[(&str, Fault)] = &[
    ("R1-AUT-01", Answer(|_, a| a.replace("realm=", "rea="))),
    ("R1-AUT-01b", Answer(|_, a| a.replace("WWW-Authenticate: Digest", "WWW-Authenticate: Other"))),
    ("R1-AUT-01c", Answer(|_, a| a.replace("Digest realm=", "Digest stale=false, realm="))),
    ("R1-AUT-02", Status(|q| q.contains("qop=auth"), 401)),
    ("R1-AUT-02b", Status(|q| q.contains("Authorization: Digest") && !q.contains("qop"), 401)),
    ("R1-AUT-02c", Status(|q| q.contains("Authorization"), 200)),
    ("R1-AUT-02d", Status(|q| q.contains("Authorization"), 200)),
    ("R1-AUT-02e", Status(|q| q.contains("Authorization"), 200)),
    ("R1-AUT-02f", Answer(|_, a| a.replace(", stale=true", ""))),
    ("R1-AUT-03", Status(|q| q.contains("Basic ***"), 200)),
    ("R1-AUT-05", Status(|q| play(q) && !q.contains("Authorization"), 200)),
];

/// A server that never locks anybody out. A refusal becomes yet another question.
pub const PATIENT: Fault = Answer(|_, a| {
    let asked = " 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"";
    a.replacen(" 403 Forbidden", asked, 1)
});

/// Faults in what is said.
pub const SAID: &[(&str, Fault)] = &[
    ("R1-MSG-01", Answer(|_, a| a.replacen("RTSP/1.0 200 OK", "RTSP/1.0 200", 1))),
    ("R1-MSG-02", Answer(|q, a| if q.is_empty() { a.replacen("200 OK", "400 Bad", 1) } else { a })),
    ("R1-MSG-02b", Answer(|q, a| if q.is_empty() { a.replacen("200 OK", "400 Bad", 1) } else { a })),
    ("R1-MSG-03", Status(|q| q.contains("cseq:"), 400)),
    ("R1-MSG-03b", Status(|q| q.contains("\r\n two"), 400)),
    ("R1-MSG-04", Close(|q| q == "\r\n\r\n")),
    ("R1-MSG-05", Status(|q| q.contains("X-Foo"), 400)),
    ("R1-MSG-06", Status(|q| q.starts_with("options"), 200)),
    ("R1-MSG-07", Status(|q| q.starts_with("FOOBAR"), 400)),
    ("R1-MSG-08", Status(|q| q.contains("RTSP/3.0"), 200)),
    ("R1-MSG-08b", Close(|q| q.contains("RTSP/1.1"))),
    ("R1-MSG-09", Status(|q| q.starts_with("DESCRIBE /"), 200)),
    ("R1-MSG-10", Status(|q| q.contains("RTSP/1.0 x"), 200)),
    ("R1-MSG-11", Status(|q| q.contains("aaaaaaaa"), 500)),
    ("R1-MSG-12", Status(|q| q.contains("no-such-presentation"), 400)),
    ("R1-MSG-13", Status(|q| !q.contains("CSeq"), 200)),
    ("R1-MSG-14", Answer(|_, a| with(a, "CSeq", "1"))),
    ("R1-MSG-14b", Answer(|_, a| with(a, "CSeq", "1"))),
    ("R1-MSG-14c", Answer(|_, a| if a.contains(" 200 ") { a } else { with(a, "CSeq", "1") })),
    ("R1-MSG-15", Status(|q| q.contains("CSeq: abc"), 200)),
    ("R1-MSG-15b", Status(|q| q.contains("CSeq: 6"), 200)),
    ("R1-MSG-16", Answer(|_, a| with(a, "CSeq", "41"))),
    ("R1-MSG-17", Answer(|_, a| with(a, "CSeq", "42"))),
    ("R1-MSG-18", Status(|q| q.contains("Content-Length: 1x"), 200)),
    ("R1-MSG-19", Status(|q| q.contains("CSeq: 77"), 400)),
    ("R1-MSG-19b", Answer(|q, a| if q.contains("CSeq: 4\r\n") { with(a, "CSeq", "5") } else { a })),
    ("R1-MSG-20", Request(|q| q.replace("Connection: close\r\n", ""))),
    ("R1-MSG-21", Lose("Timestamp")),
    ("R1-MSG-22", Lose("Server")),
    ("R1-MSG-23", Dead(|b| b.starts_with(b"$\x07"))),
    ("R1-MSG-24", Dead(|b| b.starts_with(b"GET "))),
    ("R1-MSG-25", Crowd(200)),
    ("R1-OPT-01", Answer(|_, a| a.replace("TEARDOWN", "TEARUP"))),
    ("R1-OPT-01b", Answer(|_, a| a.replace("PAUSE", "PAUSES"))),
    ("R1-OPT-03", Status(pause, 501)),
    ("R1-REQ-01", Status(|q| q.contains("x-nope"), 200)),
    ("R1-REQ-01", Request(|q| if play(&q) { q.replace("Require: x-nope\r\n", "") } else { q })),
    ("R1-REQ-02", Lose("Unsupported")),
    ("R1-REQ-03", Answer(|_, a| a.replace("x-neither", "x-other"))),
    ("R1-REQ-04", Status(|q| q.contains("backchannel"), 200)),
    ("R1-DES-01", Answer(|_, a| a.replace("application/sdp", "text/plain"))),
    ("R1-DES-02", Status(|q| q.contains("Accept: */*"), 406)),
    ("R1-DES-03", Status(|q| q.contains("text/html\r\n"), 200)),
    ("R1-DES-04", Sdp(|s| s.replace("sprop-parameter-sets", "sprop-nothing"))),
    ("R1-DES-05", Sdp(|s| s.replace("a=control:", "a=control:x"))),
    ("R1-DES-05b", Answer(|_, a| with(a, "Content-Base", "rtsp://127.0.0.1:1/elsewhere"))),
    ("R1-DES-06", Sdp(|s| s.replace("a=control:track", "a=no-control:track").replace("a=control:stream", "a=n:"))),
    ("R1-DES-06b", Sdp(|s| s.replacen("a=control:", "a=none:", 1))),
    ("R1-DES-07", Sdp(|s| s.replace("t=0 0\r\n", ""))),
    ("R1-DES-08", Sdp(|s| s.replace("m=video 0", "m=video 5004"))),
    ("R1-DES-09", Sdp(|s| s.replace("0.0.0.0", "192.0.2.7"))),
    ("R1-DES-10", Sdp(|s| s.replacen("a=range:", "a=r:", 1).replace("m=audio", "a=range:npt=0-20\r\nm=audio"))),
    ("R1-DES-11", Sdp(|s| s.replace("v=0\r\n", "v=0\n"))),
    ("R1-DES-11b", Sdp(|s| s.replace(" IN IP4 127.0.0.1", " IN"))),
    ("R1-DES-11d", Sdp(|s| s.replacen("t=0 0", "t=zero", 1))),
    (
        "R1-DES-11c",
        Sdp(|s| {
            static VERSION: AtomicU32 = AtomicU32::new(1);
            let words: Vec<&str> = s.split("\r\n").find(|line| line.starts_with("o=")).unwrap().split(' ').collect();
            let next = format!("{} {} {} ", words[0], words[1], VERSION.fetch_add(1, Ordering::Relaxed));
            s.replace(&format!("{} {} {} ", words[0], words[1], words[2]), &next)
        }),
    ),
    ("R1-DES-13", Status(|q| q.contains("2100"), 500)),
    ("R1-DES-12", Sdp(|s| s.replacen("a=rtpmap:", "a=map:", 1))),
    ("R1-DES-12b", Sdp(|s| s.replace("RTP/AVP 96", "RTP/AVP 96 99"))),
    ("R1-DES-13b", Status(|q| q.contains("1970"), 304)),
    ("R1-DES-14", Lose("Location")),
    ("R1-DES-15", Status(|q| q.contains("passwd"), 200)),
    ("R1-DES-16", Sdp(|s| s + &"a=x:yyyyyyyy\r\n".repeat(2000))),
    ("R1-DES-17", Sdp(|s| s.replace("RTP/AVP", "RTP/AVPF"))),
    ("R1-SET-01", Answer(|_, a| a.replace("server_port", "x_port"))),
    ("R1-SET-02", Answer(|_, a| session(a, "short"))),
    ("R1-SET-02b", Answer(|_, a| session(a, "1234567890123456"))),
    ("R1-SET-03", Answer(|_, a| a.replace(";timeout=", ";timeout=x"))),
    ("R1-SET-04", Status(|q| q.contains("RTP/FOO"), 461)),
    ("R1-SET-04b", Status(|q| q.contains("nonsense"), 461)),
    ("R1-SET-05", Request(|q| if q.contains("interleaved=0-1,") { tcp_last(q) } else { q })),
    ("R1-SET-06", Status(|q| q.contains("RTP/FOO"), 400)),
    ("R1-SET-07", Status(|q| q.contains("rtp/avp"), 461)),
    ("R1-SET-08", Status(|q| q.contains("mode=play"), 461)),
    ("R1-SET-09", Status(|q| q.contains("mode=RECORD"), 200)),
    (
        "R1-SET-10",
        Answer(|q, a| {
            if q.contains("198.51") {
                a.replace("RTP/1.0 4", "RTP/1.0 5")
                    .replace("RTSP/1.0 4", "RTSP/1.0 5")
                    .replace(";unicast", ";unicast;destination=198.51.100.9")
            } else {
                a
            }
        }),
    ),
    ("R1-SET-11", Answer(|_, a| a.replace("ssrc=", "ssrc=x"))),
    ("R1-SET-12", Status(|q| q.contains("client_port=abc"), 200)),
    ("R1-SET-13", Status(|q| setup(q) && !q.contains("Transport"), 200)),
    ("R1-SET-14", Answer(|q, a| if q.contains("Session") { session(a, "AnotherSession77") } else { a })),
    ("R1-SET-15", Answer(|_, a| session(a, "AlwaysTheSame123"))),
    ("R1-SET-16", Status(strange, 200)),
    ("R1-SET-17", Status(|q| setup(q) && !q.contains("Session"), 404)),
    ("R1-SET-17b", Status(|q| q.contains("no-such-track"), 200)),
    ("R1-SET-18", Status(|q| setup(q) && q.contains("Session"), 500)),
    ("R1-SET-18b", Answer(|_, a| a.replace("interleaved=6-7", "interleaved=8-9"))),
    ("R1-SET-19", Status(|q| setup(q) && q.contains("Session"), 500)),
    ("R1-SET-20", Status(|q| q.contains("Bandwidth"), 453)),
    ("R1-SET-20b", Status(|q| q.contains("Bandwidth"), 500)),
    (
        "R1-SET-21",
        Answer(|q, a| if q.contains("Blocksize") { a.replacen("\r\n", "\r\nBlocksize: 200\r\n", 1) } else { a }),
    ),
    ("R1-SET-21", Status(|q| q.contains("Blocksize"), 400)),
    ("R1-SET-22", Status(|q| q.contains("no-such-tag"), 200)),
    ("R1-SET-22b", Status(|q| q.contains("If-Match"), 412)),
    ("R1-SET-23", Status(|q| q.contains("2100"), 200)),
    ("R1-SET-24", Answer(|_, a| a.replace("server_port=", "server_port=1"))),
    ("R1-SET-25", Answer(|_, a| a.replace("interleaved=200-201", "interleaved=300-301"))),
    ("R1-SET-25", Answer(|_, a| a.replace("interleaved=4-5", "interleaved=6-7"))),
    (
        "R1-SET-25b",
        Answer(|q, a| {
            if q.contains("Session") {
                a.replace("interleaved=2-3", "interleaved=0-1").replace(" 461 ", " 462 ").replace(" 400 ", " 462 ")
            } else {
                a
            }
        }),
    ),
    ("R1-SET-26", Status(|q| q.contains("RTP/FOO"), 200)),
    ("R1-PLA-01", Lose("Range")),
    ("R1-PLA-01b", Lose("RTP-Info")),
    ("R1-PLA-03", Answer(|_, a| a.replace("url=", "url=x"))),
    ("R1-PLA-04", Answer(|q, a| if play(q) { with(a, "Range", "npt=9-20") } else { a })),
    ("R1-PLA-06", Answer(|q, a| if play(q) { with(a, "Range", "npt=19-20") } else { a })),
    (
        "R1-PLA-07",
        Request(|q| {
            let open = of(&q, "Range").split('-').next().unwrap_or("").to_owned() + "-";
            with(q, "Range", &open)
        }),
    ),
    (
        "R1-PLA-08",
        Request(|q| {
            let open = of(&q, "Range").split('-').next().unwrap_or("").to_owned() + "-";
            with(q, "Range", &open)
        }),
    ),
    (
        "R1-PLA-08b",
        Request(|q| if play(&q) && !q.contains("Range") { q.replacen("\r\n", "\r\nRange: npt=0-\r\n", 1) } else { q }),
    ),
    ("R1-PLA-09", Status(|q| q.contains("npt=2.25"), 400)),
    ("R1-PLA-09b", Status(|q| q.contains("npt=0:00"), 400)),
    ("R1-PLA-09c", Status(|q| q.contains("npt=-3"), 400)),
    ("R1-PLA-09c", Answer(|q, a| if play(q) { with(a, "Range", "npt=0-24") } else { a })),
    ("R1-PLA-10", Answer(|q, a| if play(q) { with(a, "Range", "clock=19970101T000000Z-") } else { a })),
    ("R1-PLA-11", Status(play, 200)),
    ("R1-PLA-11b", Status(play, 503)),
    ("R1-PLA-12", Status(|q| q.contains("bytes="), 200)),
    ("R1-PLA-12b", Status(|q| q.contains("npt=abc"), 200)),
    ("R1-PLA-13", Status(|q| q.contains("smpte"), 400)),
    ("R1-PLA-13", Answer(|q, a| if play(q) { with(a, "Range", "npt=2-24") } else { a })),
    ("R1-PLA-14", Status(|q| q.contains("clock"), 500)),
    ("R1-PLA-16", Status(|q| q.contains("time="), 503)),
    ("R1-PLA-17", Status(strange, 455)),
    ("R1-PLA-18", Status(|q| play(q) && !q.contains("Session"), 200)),
    ("R1-PLA-23", Before(play, b"$\0\0\x01a")),
    ("R1-PLA-19", Status(|q| play(q) && q.contains("track"), 400)),
    ("R1-PLA-24", Ignore(play)),
    ("R1-PLA-25", Close(play)),
    ("R1-SCA-01", Lose("Scale")),
    ("R1-SCA-02b", Answer(|q, a| if play(q) && !q.contains("Scale") { with(a, "Range", "npt=5-24") } else { a })),
    ("R1-SCA-03", Status(|q| q.contains("Scale: nan"), 500)),
    ("R1-SCA-04", Answer(|q, a| if q.contains("Scale") { with(a, "Range", "npt=0-20") } else { a })),
    ("R1-SPD-01", Answer(|q, a| if play(q) { with(a, "Speed", "4.0") } else { a })),
    ("R1-SPD-01", Status(|q| q.contains("Speed: 2.0"), 400)),
    ("R1-PAU-01", Ignore(pause)),
    (
        "R1-PAU-02",
        Request(|q| if play(&q) && !q.contains("Range") { q.replacen("\r\n", "\r\nRange: npt=12-\r\n", 1) } else { q }),
    ),
    ("R1-PAU-03", Request(|q| if pause(&q) { with(q, "Range", "npt=1-").replace("Range: npt=1-\r\n", "") } else { q })),
    ("R1-PAU-03", Answer(|q, a| if play(q) && !q.contains("Range") { with(a, "Range", "npt=9-24") } else { a })),
    ("R1-PAU-04", Status(pause, 200)),
    ("R1-PAU-04", Status(|q| q.contains("npt=3-5"), 200)),
    ("R1-PAU-05", Status(pause, 400)),
    ("R1-PAU-06", Status(pause, 404)),
    ("R1-PAU-09", Status(strange, 200)),
    ("R1-TEA-01", Ignore(|q| q.starts_with("TEARDOWN"))),
    ("R1-TEA-01b", Ignore(|q| q.starts_with("TEARDOWN"))),
    ("R1-TEA-02", Ignore(|q| q.starts_with("TEARDOWN") && q.contains("track"))),
    ("R1-TEA-02", Status(|q| play(q) && q.contains("Session") && !q.contains("CSeq: 3\r\n"), 455)),
    ("R1-TEA-03", Status(strange, 200)),
    ("R1-TEA-05", Close(|q| q.starts_with("TEARDOWN") && q.contains("CSeq: 40\r\n"))),
    ("R1-PAR-01", Status(|q| q.starts_with("GET_PARAMETER"), 400)),
    ("R1-PAR-02", Status(|q| q.starts_with("GET_PARAMETER"), 200)),
    ("R1-PAR-03", Status(|q| q.contains("x-nope"), 200)),
    ("R1-PAR-04", Status(|q| q.starts_with("SET_PARAMETER"), 200)),
    ("R1-PAR-04b", Answer(|_, a| a.replace("no-such-parameter", "some-such-parameter"))),
    ("R1-PAR-05", Status(|q| q.starts_with("SET_PARAMETER"), 200)),
    ("R1-PAR-06", Status(|q| q.starts_with("RECORD"), 200)),
    ("R1-PAR-07", Lose("Allow")),
    ("R1-PAR-08", Status(strange, 200)),
    ("R1-SES-04", Status(|q| play(q) && q.contains("CSeq: 1\r\n"), 404)),
    ("R1-SES-05", Status(|q| q.contains(";timeout=60"), 454)),
    ("R1-SES-06", Status(pause, 200)),
    ("R1-SES-07", Answer(|q, a| if pause(q) { with(a, "Session", "other") } else { a })),
    ("R1-SES-08", Status(|q| q.starts_with("TEARDOWN"), 454)),
    ("R1-PIP-01", Answer(|q, a| if q.contains("CSeq: 5\r\n") { with(a, "CSeq", "6") } else { a })),
    ("R1-PIP-02", Status(|q| q.contains("GuessedSession1"), 200)),
    ("R1-INT-03", Mute(|q| play(q) && !q.contains("Speed"))),
    ("R1-INT-04", Dead(|b| b.windows(2).any(|two| two == b"$\x63"))),
    ("R1-AUT-06", Status(|q| q.contains("Authorization"), 500)),
    ("R1-BAS-01", Status(|q| q.contains("nowhere.example"), 404)),
    ("R1-BAS-02", Status(|q| q.contains("Conference"), 500)),
    ("R1-BAS-03", Answer(|q, a| if play(q) { format!("SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\n\r\n{a}") } else { a })),
    ("R1-BAS-04", Answer(|_, a| with(a, "Date", "yesterday"))),
    ("R1-NAT-01", Ignore(play)),
    ("R1-OPT-02", Dead(|b| has(b, "OPTIONS") && has(b, "Session:"))),
    ("R1-TUN-01", Answer(|_, a| with(a, "Content-Type", "text/html"))),
    ("R1-TUN-01b", Answer(|_, a| with(a, "CSeq", "1"))),
    ("R1-TUN-03", Lose("Sec-WebSocket-Accept")),
    ("R1-TLS-01", Mute(|_| false)),
    ("R1-TUN-02", Dead(|b| has(b, "x-sessioncookie: same"))),
    ("RTP-14", Sdp(|s| s + "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw\r\n")),
    ("FUZ-01", Dead(|b| b == b"O")),
    ("FUZ-02", Dead(|b| b.first() == Some(&b'\t'))),
    ("FUZ-03", Dead(|b| has(b, "x-sessioncookie"))),
    ("FUZ-04", Dead(|b| has(b, "fuz04"))),
    ("FUZ-05", Dead(|b| has(b, "CSeq: 54"))),
    ("FUZ-06", Dead(|b| has(b, "username"))),
    ("FUZ-07", Dead(|b| has(b, "4294967296"))),
    ("FUZ-08", Dead(|b| has(b, "Authorization"))),
    ("FUZ-09", Dead(|b| has(b, "clock="))),
    ("FUZ-11", Dead(|b| has(b, "DESCRIBE") && has(b, "SETUP"))),
    ("FUZ-12", Dead(|b| has(b, "SETUP") && has(b, "Session:") && has(b, "CSeq: 9"))),
    ("FUZ-13", Crowd(60)),
    ("FUZ-14", Crowd(500)),
    ("FUZ-15", Dead(|b| has(b, "CSeq: 60"))),
    ("FUZ-18", Dead(|b| has(b, "Basic"))),
    ("FUZ-31", Dead(|b| !b.is_ascii())),
    ("FUZ-35", Ignore(play)),
    ("FUZ-39", Crowd(200)),
    ("FUZ-40", Dead(|b| b == b"O")),
    ("FUZ-16", Status(|q| q.starts_with("TEARDOWN"), 200)),
    ("FUZ-17", Dead(|b| has(b, "client_port=0-0"))),
    ("FUZ-19", Dead(|b| has(b, "CSeq: 4\r\n") && has(b, "npt=0.000-"))),
    ("FUZ-21", Dead(|b| has(b, "SETUP rtsp:/// "))),
    ("FUZ-22", Dead(|b| has(b, "User-Agent"))),
    ("FUZ-30", Dead(|b| b == b"OPTIO")),
    ("FUZ-32", Dead(|b| has(b, "X-9: y"))),
    ("FUZ-33", Dead(|b| has(b, "zzzzzzzz"))),
    ("FUZ-34", Dead(|b| has(b, "[::1"))),
    ("FUZ-36", Dead(|b| has(b, "$\u{1}\0\u{1}"))),
    ("FUZ-37", Dead(|b| has(b, ";;;"))),
    ("FUZ-38", Answer(|_, a| if a.contains("CSeq: 60\r\n") { with(a, "CSeq", "61") } else { a })),
];

/// Faults that only show after the session's timeout.
pub const LATE: &[(&str, Fault)] = &[
    ("R1-SES-01", Status(pause, 200)),
    ("R1-SES-02", Ignore(|q| q.starts_with("GET_PARAMETER"))),
    ("R1-SES-02b", Ignore(|q| q.starts_with("OPTIONS") && q.contains("Session"))),
    ("R1-SES-02c", Status(|q| q.starts_with("TEARDOWN"), 454)),
    ("R1-SES-02d", Status(|q| q.starts_with("TEARDOWN"), 454)),
    ("R1-SES-02e", Ignore(|q| q.starts_with("SET_PARAMETER"))),
    ("R1-SES-02f", Ignore(play)),
    ("R2-TEA-03", Lose("Terminate-Reason")),
    // Reports go nowhere.
    ("RTCP-08", Answer(|_, a| with_ports(a, "9-10"))),
];

/// Faults of a channel.
pub const CHANNEL: &[(&str, Fault)] = &[
    ("R1-PLA-15", Status(play, 200)),
    ("R1-PLA-15b", Status(play, 457)),
    ("R1-PAU-07", Status(pause, 500)),
    ("R2-PLA-05", Answer(|q, a| if play(q) { with(a, "Range", "npt=now-") } else { a })),
    ("R2-SET-03", Lose("Media-Range")),
];

/// Faults of a channel with a group. Ports are told that nothing is sent to.
pub const GROUP: &[(&str, Fault)] = &[
    ("MC-01", Answer(|_, a| a.replace(";ttl=", ";t="))),
    ("MC-02", Answer(|_, a| elsewhere(a, 9670))),
    ("MC-02", Answer(|_, a| a.replace(";ttl=16", ";ttl=17"))),
    ("MC-03", Answer(|_, a| elsewhere(a, 9672))),
    ("MC-06", Status(|q| q.contains("239.1.2.3"), 500)),
    ("MC-09", Answer(|_, a| elsewhere(a, 9674))),
    ("MC-10", Request(|q| q.replace("RTP/AVP;unicast;client_port=40002-40003,", ""))),
    ("MC-11", Sdp(|s| s.replace("IN IP4 0.0.0.0", "IN IP4 239.1.2.3"))),
];

/// The answer with another RTP port of the group, and the next.
fn elsewhere(answer: String, port: u16) -> String {
    let Some((before, rest)) = answer.split_once(";port=") else { return answer };
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
    format!("{before};port={port}-{}{after}", port + 1)
}

/// The answer with other ports of the server.
fn with_ports(answer: String, ports: &str) -> String {
    let Some((before, rest)) = answer.split_once("server_port=") else { return answer };
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
    format!("{before}server_port={ports}{after}")
}

/// Ports that are no pair.
pub const ODD: Fault = Answer(|_, a| with_ports(a, "9001-9002"));

pub fn session(answer: String, id: &str) -> String {
    if header(&answer, "Session").is_some() { with(answer, "Session", id) } else { answer }
}

/// A list of transports with TCP first is turned round.
fn tcp_last(request: String) -> String {
    let value = of(&request, "Transport");
    let turned: Vec<&str> = value.split(',').rev().collect();
    let turned = turned.join(",");
    with(request, "Transport", &turned)
}
