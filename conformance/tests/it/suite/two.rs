//! One fault for each case on RTSP 2.0.

use super::{
    faults::{of, session, with},
    proxy::Fault::{self, Answer, Close, Lose, Rtp, Sdp, Status},
};

fn torn(request: &str) -> bool {
    request.starts_with("TEARDOWN ")
}

fn play(request: &str) -> bool {
    request.starts_with("PLAY ")
}

/// The timestamp runs half as fast.
fn halve_time(packet: &mut [u8]) {
    let time = u32::from_be_bytes(packet[4..8].try_into().unwrap());
    packet[4..8].copy_from_slice(&(time / 2).to_be_bytes());
}

/// Faults of a channel of which something is kept.
pub const KEPT: &[(&str, Fault)] =
    &[("R2-PLA-10", Answer(|_, a| a.replace("scale-change", "media-properties-update")))];

/// Faults in what is said in 2.0.
pub const TWO: &[(&str, Fault)] = &[
    ("R2-VER-01", Answer(|_, a| a.replacen("RTSP/2.0", "RTSP/1.0", 1))),
    ("R2-VER-02", Status(|q| q.contains("RTSP/3.0"), 400)),
    ("R2-URI-01", Status(|q| q.contains("rtspu"), 200)),
    ("R2-HDR-01", Status(|q| !q.contains("CSeq"), 200)),
    ("R2-HDR-02", Lose("Date")),
    ("R2-HDR-03", Answer(|q, a| if torn(q) { a.replacen("\r\n", "\r\nSession: x\r\n", 1) } else { a })),
    ("R2-HDR-03b", Answer(|_, a| a.replacen("\r\n", "\r\nSession: x\r\n", 1))),
    ("R2-HDR-04", Answer(|_, a| session(a, "short"))),
    ("R2-HDR-05", Status(|q| q.contains("NoSuchSession42"), 200)),
    ("R2-CAP-01", Lose("Supported")),
    ("R2-CAP-02", Lose("Unsupported")),
    ("R2-CAP-02", Answer(|_, a| a.replace("Unsupported: x-nope", "Unsupported: x-nope, play.basic"))),
    ("R2-OPT-01", Answer(|_, a| a.replace("SET_PARAMETER", "X"))),
    ("R2-CON-01", Status(torn, 500)),
    ("R2-CON-02", Close(|q| q.contains("no-such-presentation"))),
    ("R2-COND-01", Status(|q| q.contains("If-None-Match"), 200)),
    ("R2-SDP-01", Sdp(|s| s.replacen("a=control:", "a=none:", 1))),
    ("R2-PAR-02", Status(|q| q.contains("x-nope"), 200)),
    (
        "R2-KA-01",
        Answer(
            |q, a| if q.starts_with("OPTIONS") { with(a, "Session", &(of(q, "Session") + ";timeout=7")) } else { a },
        ),
    ),
    ("R2-KA-02", Status(|q| q.starts_with("GET_PARAMETER"), 400)),
    ("R2-SET-01", Lose("Accept-Ranges")),
    ("R2-SET-01b", Status(|q| q.contains("Accept-Ranges: x-nope"), 200)),
    ("R2-SET-02", Lose("Media-Properties")),
    ("R2-SET-04", Status(|q| q.contains("x-nope=1"), 461)),
    ("R2-SET-04b", Status(|q| q.contains("RTP/FOO"), 400)),
    ("R2-SET-05", Status(|q| q.contains("Transport: RTP/AVP;unicast\r\n"), 500)),
    ("R2-SET-06", Status(|q| q.contains("198.51"), 461)),
    ("R2-SET-07", Answer(|_, a| a.replace("src_addr", "x_addr"))),
    ("R2-SET-07b", Lose("Media-Properties")),
    ("R2-SET-08", Answer(|_, a| a.replace("interleaved=", "inter="))),
    ("R2-SET-09", Status(|q| q.contains("connection=new"), 400)),
    ("R2-SET-10", Status(|q| q.contains("RTCP-mux"), 500)),
    ("R2-SET-11", Status(|q| q.contains("interleaved=4-5"), 500)),
    ("R2-SET-12", Status(|q| q.contains("RTP/FOO"), 200)),
    ("R2-PIP-01", Lose("Session")),
    ("R2-PLA-01", Lose("Seek-Style")),
    ("R2-PLA-02", Lose("Media-Range")),
    ("R2-PLA-02", Answer(|q, a| if play(q) { with(a, "Range", "npt=24-24") } else { a })),
    ("R2-PLA-03", Answer(|q, a| if play(q) { with(a, "Range", "npt=0-24") } else { a })),
    ("R2-PLA-04", Status(|q| q.contains("npt=-4"), 400)),
    ("R2-PLA-04", Answer(|q, a| if play(q) { with(a, "Range", "npt=0-24") } else { a })),
    ("R2-PLA-06", Answer(|_, a| a.replace("end-of-stream", "x"))),
    ("R2-PLA-06", Answer(|_, a| if a.starts_with("PLAY_NOTIFY") { with(a, "Range", "npt=-9") } else { a })),
    ("R2-PLA-06", Answer(|_, a| a.replace("Request-Status: cseq=", "Request-Status: cseq=1"))),
    ("R2-PLA-06", Answer(|_, a| if a.starts_with("PLAY_NOTIFY") { a.replace("seq=", "seq=0") } else { a })),
    ("R2-PLA-06b", Answer(|_, a| if a.starts_with("PLAY_NOTIFY") { with(a, "Scale", "1") } else { a })),
    ("R2-PAR-01", Lose("Media-Range")),
    ("R2-PLA-07", Status(play, 200)),
    ("R2-PLA-08", Answer(|_, a| a.replace("ssrc=", "s="))),
    ("R2-PLA-08", Rtp(|p, _| p[9] ^= 1)),
    ("R2-PLA-09", Answer(|q, a| if play(q) { with(a, "Seek-Style", "Next") } else { a })),
    ("R2-PLA-11", Status(play, 200)),
    ("R2-PAU-01", Lose("Range")),
    ("R2-PAU-01", Answer(|q, a| if q.starts_with("PAUSE") { with(a, "Range", "npt=20-24") } else { a })),
    ("R2-TEA-01", Status(torn, 200)),
    ("R2-TEA-02", Lose("Session")),
    ("R2-RTP-01", Rtp(|p, _| halve_time(p))),
    (
        "R2-RTP-01",
        Rtp(|p, n| {
            *n += 1;
            p[11] = *n as u8;
        }),
    ),
];
