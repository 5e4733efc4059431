//! Torture of every kind: cut, flipped, overlong, lying.

use super::{HOSTILE, TRACKS, still_there, survives};
use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    message::Request,
    session::{Lower, Session},
};
use rand::Rng;
use std::{net::UdpSocket, time::Duration};

pub(super) const CASES: &[Case] = &[
    Case::interop("FUZ-30", "generic", "a valid dialogue cut off at every byte", TRACKS, |c| {
        let whole = dialogue(c)?;
        for cut in 0..whole.len() {
            let mut wire = c.connect_bare()?;
            let _ = wire.send_quietly(whole.get(..cut).unwrap_or_default());
        }
        c.record.remark(0, &format!("{} bytes of OPTIONS, DESCRIBE, SETUP, PLAY, cut off", whole.len()));
        still_there(c, "dialogues that were cut off")
    }),
    Case::interop("FUZ-31", "generic", "a valid dialogue with bytes flipped at random", TRACKS, |c| {
        let whole = dialogue(c)?;
        for _ in 0..200 {
            let mut bytes = whole.clone();
            for _ in 0..c.rng.random_range(1..6) {
                let at = c.rng.random_range(0..bytes.len());
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = c.rng.random();
                }
            }
            let mut wire = c.connect_bare()?;
            let _ = wire.send_quietly(&bytes);
            let _ = wire.listen(Duration::from_millis(5));
        }
        still_there(c, "200 flipped dialogues")
    }),
    Case::interop("FUZ-32", "generic", "10,000 headers", HOSTILE, |c| {
        let headers: String = (0..10_000).map(|n| format!("X-{n}: y\r\n")).collect();
        survives(c, "10,000 headers", format!("OPTIONS {} RTSP/1.0\r\nCSeq: 1\r\n{headers}\r\n", c.url()).as_bytes())
    }),
    Case::interop("FUZ-33", "generic", "a header of a million bytes, and one that never ends", HOSTILE, |c| {
        let long = "z".repeat(1_000_000);
        survives(
            c,
            "a long header",
            format!("OPTIONS {} RTSP/1.0\r\nCSeq: 1\r\nX: {long}\r\n\r\n", c.url()).as_bytes(),
        )?;
        let mut wire = c.connect_bare()?;
        let mut sent = wire.send_quietly(format!("OPTIONS {} RTSP/1.0\r\nX: ", c.url()).as_bytes());
        for _ in 0..16 {
            sent = sent.and_then(|()| wire.send_quietly(long.as_bytes()));
        }
        c.record.remark(0, if sent.is_ok() { "16 MB were taken" } else { "the server ended it" });
        still_there(c, "a header that never ends")
    }),
    Case::interop("FUZ-34", "generic", "URLs of every kind", HOSTILE, |c| {
        let (root, name) = (&c.offer.root, &c.offer.name);
        let urls = [
            "rtsp://[::1]:8554/x".into(),
            "rtsp://[::1/x".into(),
            "rtsp://[]/".into(),
            format!("{root}/%"),
            format!("{root}/%zz%00"),
            format!("{root}/{}", "%2e%2e%2f".repeat(200)),
            format!("{root}/{name}?{}", "a=b&".repeat(2000)),
            format!("{root}/{}", "/".repeat(3000)),
            "rtsp://u:p@h:99999/x".into(),
            "rtsp://h:-1/".into(),
        ];
        for url in urls {
            survives(c, "a strange URL", &Request::new("DESCRIBE", &url).bytes(1))?;
        }
        survives(
            c,
            "bytes that are no UTF-8",
            b"DESCRIBE rtsp://h/\xff\xc0\x80 RTSP/1.0\r\nCSeq: 1\r\nX\xfe: \xf0\x28\r\n\r\n\xff",
        )
    }),
    Case::interop(
        "FUZ-35",
        "RFC 3550 9",
        "RTCP that lies about its length, and BYE of a stranger, stop nobody",
        STRANGERS,
        strangers,
    ),
    Case::interop("FUZ-36", "generic", "frames that lie about their length", TRACKS, |c| {
        let mut session = c.session_of(&[0])?;
        for frame in [&b"$\x02\x00\x00$\x03\x00\x00"[..], b"$\x01\x00\x01", b"$\x00\xff\xff"] {
            let _ = session.wire.send(frame);
        }
        let request = session.request("OPTIONS").bytes(99);
        let _ = session.wire.send(&request);
        session.wire.close();
        still_there(c, "frames that lie")
    }),
    Case::interop("FUZ-37", "generic", "Transport headers of every kind", TRACKS, |c| {
        let url = c.control(0)?;
        let many = "RTP/AVP;unicast;client_port=1-2,".repeat(3000);
        let values = [
            "mode=\"",
            "RTP/AVP;dest_addr=\"",
            "RTP/AVP;dest_addr=\"ab\\\"",
            ";;;",
            ",,,",
            "RTP/AVP;=;=",
            "RTP//;unicast",
            "RTP/AVP/TCP;unicast;interleaved=-1--2",
            "RTP/AVP/TCP;interleaved=99999999999999999999",
            "RTP/AVP;ttl=-1;port=;ssrc=",
            &many,
        ];
        for value in values {
            survives(c, "a strange Transport", &Request::new("SETUP", &url).header("Transport", value).bytes(1))?;
        }
        Ok(())
    }),
    Case::interop("FUZ-38", "generic", "a session's methods in a random order leave the server in step", TRACKS, |c| {
        let mut session = c.session()?;
        let methods =
            ["PLAY", "PAUSE", "OPTIONS", "GET_PARAMETER", "SETUP", "PLAY", "DESCRIBE", "SET_PARAMETER", "RECORD"];
        for _ in 0..150 {
            let method = methods.get(c.rng.random_range(0..methods.len())).copied().unwrap_or("PLAY");
            let mut request = session.request(method);
            if c.rng.random_bool(0.3) {
                request = request.header("Range", format!("npt={:.2}-", c.rng.random_range(-2.0..90.0)));
            }
            if c.rng.random_bool(0.1) {
                request = request.header("Scale", format!("{:.1}", c.rng.random_range(-4.0..8.0)));
            }
            let answer = session.wire.ask(&request)?;
            let mine = session.wire.cseq();
            ensure(answer.header("CSeq") == Some(&mine), format!("CSeq {mine}"), answer.brief())?;
        }
        session.tear_down();
        still_there(c, "150 random requests")
    }),
];

const STRANGERS: &[Need] = &[Need::Hostile, Need::Tracks, Need::Udp];

/// OPTIONS, DESCRIBE, SETUP and PLAY as one run of bytes.
fn dialogue(c: &Context) -> Verdict<Vec<u8>> {
    let setup = Request::new("SETUP", &c.control(0)?).header("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1");
    let all = [
        Request::new("OPTIONS", &c.url()),
        Request::new("DESCRIBE", &c.url()).header("Accept", "application/sdp"),
        setup,
        Request::new("PLAY", &c.offer.aggregate).header("Session", "12345678").header("Range", "npt=0.000-"),
    ];
    Ok((1..).zip(all).flat_map(|(cseq, request)| request.bytes(cseq)).collect())
}

fn strangers(c: &mut Context) -> Verdict {
    let mut session = Session::open(c, Lower::Udp, &[0])?;
    session.play(None)?;
    session.collect(Duration::from_millis(700))?;
    let source = session.rtp(0)?.first().map_or(0, |packet| packet.ssrc).to_be_bytes();
    let viewer = u32::from_be_bytes(source).wrapping_add(1).to_be_bytes();
    let server = session.tracks.first().and_then(|track| track.server);
    let (rtp, rtcp) = server.ok_or_else(|| skip("no server_port"))?;
    let stranger = UdpSocket::bind((session.wire.local()?.ip(), 0)).map_err(|error| fail("a UDP port", error))?;
    let packets: [Vec<u8>; 5] = [
        [&[0x81, 203, 0, 1][..], &source].concat(),
        [&[0x80, 201, 0, 1][..], &viewer, &[0x81, 203, 0, 1], &viewer].concat(),
        [&[0x80, 200, 0xff, 0xff][..], &source].concat(),
        [&[0x81, 202, 0, 2][..], &viewer, &[1, 255, 65, 65]].concat(),
        vec![0xff; 1400],
    ];
    for packet in &packets {
        for to in [rtp, rtcp] {
            stranger.send_to(packet, to).map_err(|error| fail("a datagram sent", error))?;
        }
    }
    session.forget();
    session.collect(Duration::from_millis(1500))?;
    let came = session.count(0);
    session.tear_down();
    ensure(came > 0, "packets that go on", "none for 1.5 s")?;
    still_there(c, "packets of a stranger")
}
