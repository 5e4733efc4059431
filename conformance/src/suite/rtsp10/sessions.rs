//! R1-SES, R1-PIP: sessions, what keeps them, and requests in a row.

use super::{end, first_setup, ready};
use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    message::Request,
    session::{Lower, Session},
};
use std::time::{Duration, Instant};

const TRACKS: &[Need] = &[Need::Tracks];
const UDP_WAIT: &[Need] = &[Need::Tracks, Need::Udp, Need::Timeout];
const TCP_WAIT: &[Need] = &[Need::Tracks, Need::Tcp, Need::Timeout];

pub(super) const CASES: &[Case] = &[
    Case::interop(
        "R1-SES-01",
        "RFC 2326 12.37, A.2",
        "a silent UDP viewer's session ends after the timeout",
        UDP_WAIT,
        silent,
    ),
    Case::interop("R1-SES-02", "RFC 2326 A.2; ffmpeg", "GET_PARAMETER or OPTIONS keeps a UDP session", UDP_WAIT, |c| {
        let listed = c.offer.public.iter().any(|method| method == "GET_PARAMETER");
        kept(c, Lower::Udp, |session, _| {
            let request = session.request(if listed { "GET_PARAMETER" } else { "OPTIONS" });
            session.wire.ok(&request).map(drop)
        })
    }),
    Case::interop("R1-SES-02b", "RFC 2326 A.2; ONVIF", "OPTIONS with a Session keeps a UDP session", UDP_WAIT, |c| {
        kept(c, Lower::Udp, |session, _| session.wire.ok(&session.request("OPTIONS")).map(drop))
    }),
    Case::interop("R1-SES-02c", "RFC 2326 A.2; VLC", "RTCP receiver reports keep a UDP session", UDP_WAIT, |c| {
        kept(c, Lower::Udp, |session, ssrc| {
            let track = session.tracks.first().ok_or_else(|| skip("no track"))?;
            let (Some((_, rtcp)), Some((_, server))) = (&track.sockets, track.server) else {
                return Err(skip("no UDP"));
            };
            rtcp.send_to(&receiver_report(ssrc), server).map(drop).map_err(|error| fail("a report sent", error))
        })
    }),
    Case::interop("R1-SES-02d", "VLC", "an interleaved session stays while its connection drains", TCP_WAIT, |c| {
        kept(c, Lower::Tcp, |_, _| Ok(()))
    }),
    Case::interop("R1-SES-02e", "RFC 2326 A.2; ONVIF", "SET_PARAMETER keeps a UDP session", UDP_WAIT, |c| {
        if !c.offer.public.iter().any(|method| method == "SET_PARAMETER") {
            return Err(skip("SET_PARAMETER is not in Public"));
        }
        kept(c, Lower::Udp, |session, _| session.wire.ok(&session.request("SET_PARAMETER")).map(drop))
    }),
    Case::interop("R1-SES-02f", "RFC 2326 A.2", "PLAY without Range keeps a UDP session", UDP_WAIT, |c| {
        let (began, length) = (Instant::now(), c.offer.length.unwrap_or(f64::MAX));
        kept(c, Lower::Udp, |session, _| {
            let answer = session.wire.ask(&session.request("PLAY"))?;
            // Once it is over there may be nothing left to play.
            let over = began.elapsed().as_secs_f64() + 1.0 > length;
            ensure(answer.status == 200 || over, "200 to PLAY while playing", answer.brief())
        })
    }),
    Case::must(
        "R1-SES-04",
        "RFC 2326 12.37",
        "a session may be controlled from another connection",
        &[Need::Tracks, Need::Udp],
        |c| {
            let mut session = Session::open(c, Lower::Udp, &[0])?;
            session.wire.close();
            let mut other = c.connect()?;
            other.ok(&session.request("PLAY"))?;
            let began = Instant::now();
            while session.count(0) == 0 && began.elapsed() < Duration::from_secs(3) {
                session.collect(Duration::from_millis(100))?;
            }
            let came = session.count(0);
            other.ok(&session.request("TEARDOWN"))?;
            ensure(came > 0, "packets after PLAY on a second connection", "none for 3 s")
        },
    ),
    Case::interop("R1-SES-05", "RFC 2326 12.37", "a Session header with a timeout is taken", TRACKS, |c| {
        let (mut wire, id) = ready(c)?;
        let answer = wire.ask(&Request::new("OPTIONS", &c.url()).header("Session", format!("{id};timeout=60")))?;
        c.status("Session: ID;timeout=60", &answer, &[200])?;
        let answer =
            wire.ask(&Request::new("TEARDOWN", &c.offer.aggregate).header("Session", format!("{id};timeout=60")))?;
        c.status("TEARDOWN with Session: ID;timeout=60", &answer, &[200])
    }),
    Case::interop(
        "R1-SES-07",
        "RFC 2326 12.37; live555",
        "every answer of a session has its Session header",
        TRACKS,
        |c| {
            let mut session = c.session()?;
            let play = session.play(None)?;
            let answer = match c.offer.live {
                true => session.wire.ok(&session.request("OPTIONS"))?,
                false => session.pause()?,
            };
            session.tear_down();
            for answer in [&play, &answer] {
                ensure(answer.session() == Some(&session.id), format!("Session: {}", session.id), answer.brief())?;
            }
            Ok(())
        },
    ),
    Case::interop("R1-SES-08", "RFC 2326 12.37", "two sessions live in one connection", TRACKS, |c| {
        let (mut wire, one) = ready(c)?;
        let transport = match c.lower {
            Lower::Tcp => "RTP/AVP/TCP;unicast;interleaved=2-3".to_owned(),
            Lower::Udp => "RTP/AVP;unicast;client_port=40002-40003".to_owned(),
        };
        let answer = wire.ask(&Request::new("SETUP", &c.control(0)?).header("Transport", transport))?;
        if answer.status != 200 {
            return Err(skip(format!("a second session is refused: {}", answer.first)));
        }
        let two = answer.session().unwrap_or("").to_owned();
        wire.ok(&Request::new("TEARDOWN", &c.offer.aggregate).header("Session", &one))?;
        wire.ok(&Request::new("TEARDOWN", &c.offer.aggregate).header("Session", &two))?;
        Ok(())
    }),
    Case::must("R1-PIP-01", "RFC 2326 9.1", "answers come in the order of the requests", &[], |c| {
        let mut wire = c.connect()?;
        let missing = format!("{}/no-such-presentation", c.offer.root);
        let mut all = Vec::new();
        for cseq in 1..=10 {
            let request = match cseq % 3 {
                0 => Request::new("DESCRIBE", &missing).header("Accept", "application/sdp"),
                1 => Request::new("OPTIONS", &c.url()),
                _ => Request::new("FOOBAR", &c.url()),
            };
            all.extend(request.bytes(cseq));
        }
        wire.send(&all)?;
        for cseq in 1..=10 {
            let answer = wire.response()?;
            ensure(answer.header("CSeq") == Some(&cseq.to_string()), format!("CSeq {cseq}"), answer.brief())?;
        }
        Ok(())
    }),
    Case::interop(
        "R1-PIP-02",
        "RFC 2326 9.1, 11.3.5",
        "SETUP and PLAY unread in one write are answered in order",
        TRACKS,
        |c| {
            let mut wire = c.connect()?;
            if c.offer.protected {
                return Err(skip("the URL is protected"));
            }
            let setup = first_setup(c)?;
            let play = Request::new("PLAY", &c.offer.aggregate).header("Session", "GuessedSession1");
            wire.send(&[setup.bytes(1), setup.header("Session", "GuessedSession1").bytes(2), play.bytes(3)].concat())?;
            let first = wire.response()?;
            c.status("SETUP", &first, &[200])?;
            for what in ["SETUP in a guessed session", "PLAY in a guessed session"] {
                let answer = wire.response()?;
                c.status(what, &answer, &[454])?;
            }
            end(c, &mut wire, first.session().unwrap_or(""));
            Ok(())
        },
    ),
];

/// An RR of no source, with a CNAME (RFC 3550 6.1).
fn receiver_report(ssrc: u32) -> Vec<u8> {
    let mine = ssrc.wrapping_add(1).to_be_bytes();
    let source = ssrc.to_be_bytes();
    let report = [&[0x81, 201, 0, 7][..], &mine, &source, &[0; 20]].concat();
    let cname = [&[0x81, 202, 0, 3][..], &mine, &[1, 5], b"suite", &[0]].concat();
    [report, cname].concat()
}

/// How much longer than its timeout a session may live: RFC 3550 6.3.5 lets members go after five intervals.
const GRACE: Duration = Duration::from_secs(15);

fn silent(c: &mut Context) -> Verdict {
    let mut session = Session::open(c, Lower::Udp, &[0])?;
    session.play(None)?;
    let limit = Duration::from_secs(c.offer.timeout) + GRACE;
    let began = Instant::now();
    while began.elapsed() < limit {
        session.collect(Duration::from_millis(500))?;
    }
    session.forget();
    session.collect(Duration::from_secs(1))?;
    let still = session.packets.iter().filter(|packet| !packet.rtcp).count();
    if c.offer.length.is_some_and(|length| length > limit.as_secs_f64()) {
        ensure(still == 0, format!("no packets {limit:?} after PLAY"), format!("{still} packets"))?;
    }
    let answer = session.wire.ask(&session.request("PAUSE")).or_else(|_| c.ask(&session.request("PAUSE")))?;
    c.status("PAUSE after the timeout", &answer, &[454])
}

/// Plays for more than twice the timeout with `ping` every third of it: the session must live.
fn kept(c: &mut Context, lower: Lower, ping: impl Fn(&mut Session, u32) -> Verdict) -> Verdict {
    let mut session = Session::open(c, lower, &[0])?;
    session.play(None)?;
    session.collect(Duration::from_secs(1))?;
    let ssrc = session.rtp(0)?.first().map_or(1, |packet| packet.ssrc);
    let (whole, step) = (Duration::from_secs(2 * c.offer.timeout + 5), Duration::from_secs(c.offer.timeout) / 3);
    let (began, mut next) = (Instant::now(), Instant::now());
    while began.elapsed() < whole {
        if Instant::now() >= next {
            ping(&mut session, ssrc)?;
            next += step;
        }
        session.collect(Duration::from_millis(500))?;
        session.packets.clear();
    }
    let answer = session.wire.ask(&session.request("OPTIONS"))?;
    c.status("OPTIONS in the session after twice its timeout", &answer, &[200])?;
    let request = session.request("TEARDOWN");
    let answer = session.wire.ask(&request)?;
    c.status("TEARDOWN after twice the timeout", &answer, &[200])
}
