//! A server that says and sends what a table has: formats that no film of the tests has, right and wrong.

use super::proxy::{header, next};
use conformance::suite::{
    Case, Offer, Options, Outcome,
    run::{Pace, Target, run},
};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

/// What is described and sent.
#[derive(Clone, Copy)]
pub struct Script {
    /// The media part of the description.
    sdp: &'static str,
    /// Marker, timestamp, payload.
    packets: &'static [(bool, u32, &'static [u8])],
}

const fn script(sdp: &'static str, packets: &'static [(bool, u32, &'static [u8])]) -> Script {
    Script { sdp, packets }
}

const AMR: &str = "m=audio 0 RTP/AVP 96\r\na=rtpmap:96 AMR/8000\r\na=fmtp:96 octet-align=1\r\n";
const ASF: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 x-asf-pf/1000\r\n";
const H265: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n";
const H263: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H263-1998/90000\r\n";
const JPEG: &str = "m=video 0 RTP/AVP 26\r\n";
const L24: &str = "m=audio 0 RTP/AVP 96\r\na=rtpmap:96 L24/48000/2\r\n";
const LATM: &str =
    "m=audio 0 RTP/AVP 96\r\na=rtpmap:96 MP4A-LATM/44100\r\na=fmtp:96 cpresent=0;config=400024203fc0\r\n";
const LATM_IN_BAND: &str = "m=audio 0 RTP/AVP 96\r\na=rtpmap:96 MP4A-LATM/44100\r\na=fmtp:96 cpresent=1\r\n";
const PCMU: &str = "m=audio 0 RTP/AVP 0\r\n";
const T140: &str = "m=text 0 RTP/AVP 96\r\na=rtpmap:96 t140/1000\r\n";

const AVPF: &str = "m=video 0 RTP/AVPF 96\r\na=rtpmap:96 H264/90000\r\na=rtcp-fb:* nack\r\n";
const AVP_FB: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=rtcp-fb:* nack\r\n";
const MUX: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=rtcp-mux\r\n";
const MUX_72: &str = "m=video 0 RTP/AVP 72\r\na=rtpmap:72 H264/90000\r\na=rtcp-mux\r\n";
const RTX: &str = "m=video 0 RTP/AVP 96 97\r\na=rtpmap:96 H264/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";
const RTX_95: &str =
    "m=video 0 RTP/AVP 96 97\r\na=rtpmap:96 H264/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=95\r\n";
const FILTER: &str = "m=video 0 RTP/AVP 32\r\na=source-filter: incl IN IP4 232.1.2.3 192.0.2.1\r\n";
const FILTER_TTL: &str = "m=video 0 RTP/AVP 32\r\na=source-filter: incl IN IP4 232.1.2.3/16 192.0.2.1\r\n";

/// Case, what it takes, what it doesn't.
pub const SCRIPTS: &[(&str, Script, Script)] = &[
    ("RTP-11", script(AVPF, &[]), script(AVP_FB, &[])),
    ("RTP-12", script(MUX, &[]), script(MUX_72, &[])),
    ("RTP-13", script(RTX, &[]), script(RTX_95, &[])),
    ("MC-12", script(FILTER, &[]), script(FILTER_TTL, &[])),
    ("PAY-AMR-01", script(AMR, &[(true, 0, &[0xf0, 0x3c, 1, 2])]), script(AMR, &[(true, 0, &[0xf1, 0x3c, 1, 2])])),
    (
        "PAY-ASF-01",
        script(ASF, &[(true, 0, &[0x40, 0, 0, 2, 7, 7])]),
        script(ASF, &[(true, 0, &[0x40, 1, 0, 2, 7, 7])]),
    ),
    ("PAY-H263-01", script(H263, &[(true, 0, &[4, 0, 0x80, 2])]), script(H263, &[(true, 0, &[4, 0, 0, 2])])),
    (
        "PAY-H263-02",
        script(H263, &[(false, 0, &[4, 0, 0x80]), (true, 0, &[0, 0, 1]), (true, 3600, &[4, 0, 0x80])]),
        script(H263, &[(true, 0, &[4, 0, 0x80]), (true, 0, &[0, 0, 1]), (true, 3600, &[4, 0, 0x80])]),
    ),
    (
        "PAY-H265-05",
        script(
            H265,
            &[
                // VPS and SPS in one payload, PPS; an IDR picture in two fragments.
                (false, 0, &[0x60, 1, 0, 3, 0x40, 1, 9, 0, 3, 0x42, 1, 9]),
                (false, 0, &[0x44, 1, 9]),
                (false, 0, &[0x62, 1, 0x93, 9]),
                (true, 0, &[0x62, 1, 0x53, 9]),
            ],
        ),
        script(
            H265,
            &[
                (false, 0, &[0x40, 1, 9]),
                (false, 0, &[0x44, 1, 9]),
                (true, 0, &[0x26, 1, 9]),
                (false, 3600, &[0x42, 1, 9]),
            ],
        ),
    ),
    (
        "PAY-JPEG-01",
        script(JPEG, &[(true, 0, &[0, 0, 0, 0, 1, 50, 4, 3, 9])]),
        script(JPEG, &[(true, 0, &[0, 0, 0, 0, 9, 50, 4, 3, 9])]),
    ),
    (
        "PAY-JPEG-02",
        script(
            JPEG,
            &[
                (false, 0, &[0, 0, 0, 0, 1, 50, 4, 3, 9, 9]),
                (true, 0, &[0, 0, 0, 2, 1, 50, 4, 3, 9]),
                (true, 3600, &[0, 0, 0, 0, 1, 50, 4, 3, 9]),
            ],
        ),
        script(
            JPEG,
            &[
                (false, 0, &[0, 0, 0, 0, 1, 50, 4, 3, 9, 9]),
                (true, 0, &[0, 0, 0, 3, 1, 50, 4, 3, 9]),
                (true, 3600, &[0, 0, 0, 0, 1, 50, 4, 3, 9]),
            ],
        ),
    ),
    (
        "PAY-JPEG-03",
        script(JPEG, &[(true, 0, &[0, 0, 0, 0, 1, 50, 4, 3, 9]), (true, 3600, &[0, 0, 0, 0, 1, 50, 4, 3, 9])]),
        script(JPEG, &[(false, 0, &[0, 0, 0, 0, 1, 50, 4, 3, 9]), (true, 3600, &[0, 0, 0, 0, 1, 50, 4, 3, 9])]),
    ),
    ("PAY-L24-01", script(L24, &[(true, 0, &[0; 12])]), script(L24, &[(true, 0, &[0; 13])])),
    ("PAY-LATM-01", script(LATM, &[(true, 0, &[4, 1, 2, 3, 4])]), script(LATM_IN_BAND, &[(true, 0, &[4, 1, 2, 3, 4])])),
    (
        "PAY-PCMU-01",
        script(PCMU, &[(true, 0, &[1; 80]), (false, 80, &[2; 80])]),
        script(PCMU, &[(true, 0, &[1; 80]), (false, 81, &[2; 80])]),
    ),
    ("PAY-T140-01", script(T140, &[(true, 0, b"text")]), script(T140, &[(true, 0, &[0xff, 0xc0])])),
];

/// How the case ends with a server of this script.
pub fn judged(case: Case, script: Script) -> Outcome {
    let options = Options { udp: false, capture: Duration::from_secs(1), ..Options::default() };
    let offer = match Offer::discover(&format!("rtsp://{}/script", start(script)), &options) {
        Ok(offer) => offer,
        Err(stop) => return Outcome::Fail("an offer".into(), format!("{stop:?}")),
    };
    let pace = Pace { threads: 1, time_limit: Duration::from_secs(60), seed: 1 };
    let results = run(&[Target::new(offer)], &[case], &Arc::new(options), pace, &|_| {});
    results.into_iter().next().map_or(Outcome::Skip("not run".into()), |finished| finished.outcome)
}

fn start(script: Script) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(client, script));
        }
    });
    address
}

fn serve(mut client: TcpStream, script: Script) {
    let (mut buffer, mut read) = (vec![0; 65_536], Vec::new());
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        read.extend_from_slice(&buffer[..count]);
        while let Some(message) = next(&mut read) {
            let text = String::from_utf8_lossy(&message).into_owned();
            if client.write_all(&answer(&text, script)).is_err() {
                return;
            }
        }
    }
}

fn answer(request: &str, script: Script) -> Vec<u8> {
    let cseq = header(request, "CSeq").unwrap_or_default();
    let transport = header(request, "Transport").unwrap_or_default();
    let method = request.split(' ').next().unwrap_or_default();
    let (mut status, mut more, mut body, mut frames) = ("200 OK", String::new(), String::new(), Vec::new());
    match method {
        _ if request.starts_with('$') => return Vec::new(),
        "OPTIONS" => more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n".into(),
        "DESCRIBE" => {
            let session = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=script\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n";
            body = format!("{session}{}a=control:track1\r\n", script.sdp);
            more = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n", body.len());
        }
        "SETUP" if transport.contains("TCP") => {
            more = "Session: scripted1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n".into();
        }
        "SETUP" => status = "461 Unsupported Transport",
        "PLAY" => {
            more = "Session: scripted1\r\n".into();
            frames = packets(script);
        }
        _ => {}
    }
    let head = format!("RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n{more}\r\n{body}");
    [head.into_bytes(), frames].concat()
}

fn packets(script: Script) -> Vec<u8> {
    let kind: u8 = if script.sdp.contains("RTP/AVP 96") {
        96
    } else if script.sdp.contains("AVP 26") {
        26
    } else {
        0
    };
    let packets = script.packets.iter().zip(100u16..).map(|((marker, time, payload), sequence)| {
        let head = [&[0x80, kind | u8::from(*marker) << 7][..], &sequence.to_be_bytes(), &time.to_be_bytes()].concat();
        let length = u16::try_from(12 + payload.len()).unwrap().to_be_bytes();
        [&[b'$', 0][..], &length, &head, &[0, 0, 0, 5], payload].concat()
    });
    packets.collect::<Vec<_>>().concat()
}
