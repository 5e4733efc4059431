//! R1-BAS and the smaller headers.

use super::first_setup;
use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    message::Request,
    session::{Lower, Session},
};
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case::must("R1-BAS-01", "RFC 2326 12.21", "Host is not needed and not looked at", &[], |c| {
        for host in ["nowhere.example", "", "[::1"] {
            let answer = c.ask(&Request::new("OPTIONS", &c.url()).header("Host", host))?;
            c.status(&format!("Host: {host}"), &answer, &[200])?;
        }
        Ok(())
    }),
    Case::interop(
        "R1-BAS-02",
        "RFC 2326 12.9, 11.3.3",
        "an unknown Conference is passed over or gets 452",
        &[Need::Tracks],
        |c| {
            let mut wire = c.connect()?;
            let answer = wire.ask(&first_setup(c)?.header("Conference", "199702170042.SAA08642@obiwan.example"))?;
            super::end(c, &mut wire, answer.session().unwrap_or(""));
            c.status("an unknown Conference", &answer, &[200, 452])
        },
    ),
    Case::interop(
        "R1-BAS-03",
        "RFC 2326 10.2; ffmpeg, live555",
        "the server asks nothing of a client that showed no support",
        &[Need::Tracks],
        |c| {
            let mut session = c.session()?;
            session.play(None)?;
            session.collect(Duration::from_secs(2))?;
            session.tear_down();
            let asked = session.wire.notices.first().map(|notice| notice.first.clone());
            ensure(asked.is_none(), "no requests of the server", asked.unwrap_or_default())
        },
    ),
    Case::interop("R1-BAS-04", "RFC 2326 12.18", "a Date in an answer is an HTTP date", &[], |c| {
        let answer = c.ask(&Request::new("OPTIONS", &c.url()))?;
        let Some(date) = answer.header("Date") else { return Err(skip("no Date")) };
        let words: Vec<&str> = date.split_whitespace().collect();
        let good = matches!(words.as_slice(), [day, _, _, _, time, "GMT"] if day.ends_with(',') && time.len() == 8);
        ensure(good, "Date: Thu, 01 Jan 1970 00:00:00 GMT", date)
    }),
    Case::interop(
        "R1-SET-21",
        "RFC 2326 12.7",
        "Blocksize is kept to, or passed over",
        &[Need::Tracks, Need::Tcp],
        |c| {
            let url = c.control(0)?;
            let mut wire = c.connect()?;
            let request = Request::new("SETUP", &url).header("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1");
            let answer = wire.ask(&request.header("Blocksize", "600"))?;
            c.status("Blocksize: 600", &answer, &[200])?;
            let id = answer.session().unwrap_or("").to_owned();
            wire.ok(&Request::new("PLAY", &c.offer.aggregate).header("Session", &id))?;
            let _ = wire.listen(Duration::from_secs(1))?;
            let longest = wire.frames.iter().filter(|frame| frame.channel == 0).map(|frame| frame.bytes.len()).max();
            super::end(c, &mut wire, &id);
            let longest = longest.ok_or_else(|| fail("packets", "none for 1 s"))?;
            let Some(told) = answer.header("Blocksize").and_then(|bytes| bytes.trim().parse::<usize>().ok()) else {
                return Ok(());
            };
            // The header is the lower layers', the payload's format may need some bytes of its own.
            ensure(longest <= told + 12 + 64, format!("payloads of {told} bytes, as the answer says"), longest)
        },
    ),
    Case::interop(
        "R1-SET-20b",
        "RFC 2326 12.6, 11.3.4",
        "where a Bandwidth of 1 kbit/s is too little, 453 leaves no session behind",
        &[Need::Tracks],
        |c| {
            let mut wire = c.connect()?;
            let answer = wire.ask(&first_setup(c)?.header("Bandwidth", "1000"))?;
            let id = answer.session().unwrap_or("").to_owned();
            super::end(c, &mut wire, &id);
            c.status("Bandwidth: 1000", &answer, &[200, 453])?;
            ensure(answer.status == 200 || id.is_empty(), "no session is made", answer.brief())
        },
    ),
    Case::interop("R1-SET-20", "RFC 2326 12.6", "a Bandwidth header is taken", &[Need::Tracks], |c| {
        let mut wire = c.connect()?;
        let answer = wire.ask(&first_setup(c)?.header("Bandwidth", "100000000"))?;
        super::end(c, &mut wire, answer.session().unwrap_or(""));
        c.status("Bandwidth: 100000000", &answer, &[200])
    }),
    Case::interop(
        "R1-NAT-01",
        "ffmpeg, live555",
        "packets that open a NAT's ports are passed over",
        &[Need::Tracks, Need::Udp],
        punched,
    ),
];

fn punched(c: &mut Context) -> Verdict {
    let mut session = Session::open(c, Lower::Udp, &[0])?;
    {
        let track = session.tracks.first().ok_or_else(|| skip("no track"))?;
        let (Some((rtp, rtcp)), Some((to_rtp, to_rtcp))) = (&track.sockets, track.server) else {
            return Err(skip("the answer names no server_port"));
        };
        let dummy = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let empty_report = [0x80, 201, 0, 1, 0, 0, 0, 0];
        for (socket, to, bytes) in
            [(rtp, to_rtp, &dummy[..]), (rtcp, to_rtcp, &empty_report), (rtp, to_rtp, b"\xce\xfa\xed\xfe")]
        {
            socket.send_to(bytes, to).map_err(|error| fail("a datagram sent", error))?;
        }
    }
    session.play(None)?;
    session.collect(Duration::from_secs(1))?;
    let came = session.count(0);
    session.tear_down();
    ensure(came > 0, "packets after them", "none for 1 s")
}
