//! R1-REC: ANNOUNCE and RECORD, on a URL that may be published to.

use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    description::Description,
    message::Request,
    offer::resolve,
    packets::{Block, Rtp},
    publish::{Publisher, RECORDS, SDP},
};
use std::time::{Duration, Instant};

/// One URL takes one publisher.
const PUBLISH: &[Need] = &[Need::Publish, Need::EachTransport, Need::Alone];
const ONCE: &[Need] = &[Need::Publish, Need::Alone];

pub(super) const CASES: &[Case] = &[
    Case::should("R1-REC-01", "RFC 2326 10.1, 12.28", "Public lists ANNOUNCE and RECORD", ONCE, |c| {
        let publisher = Publisher::connect(c)?;
        let public = c.ask(&Request::new("OPTIONS", &publisher.url))?.list("Public");
        let both = ["ANNOUNCE", "RECORD"].iter().all(|method| public.iter().any(|listed| listed == method));
        ensure(both, "ANNOUNCE and RECORD in Public", public.join(", "))
    }),
    Case::must("R1-REC-02", "RFC 2326 10.3", "ANNOUNCE of a description is taken", ONCE, |c| {
        Publisher::announced(c)?.tear_down();
        Ok(())
    }),
    Case::should("R1-REC-02b", "RFC 2326 7.1.1", "ANNOUNCE of what is no description is refused", ONCE, |c| {
        let mut publisher = Publisher::connect(c)?;
        let answer = publisher.announce("application/sdp", "m=audio nonsense\r\nthis is not SDP\r\n")?;
        publisher.tear_down();
        ensure((400..500).contains(&answer.status), "400 to a body that is no SDP", answer.brief())
    }),
    Case::should("R1-REC-02c", "RFC 2068 10.4.16", "ANNOUNCE of another type gets 415", ONCE, |c| {
        let mut publisher = Publisher::connect(c)?;
        let answer = publisher.announce("application/x-nope", SDP)?;
        publisher.tear_down();
        c.status("ANNOUNCE of application/x-nope", &answer, &[415])
    }),
    Case::must(
        "R1-REC-03",
        "RFC 2326 10.4, 12.39",
        "SETUP to record is answered with its transport and mode",
        PUBLISH,
        |c| {
            let mut publisher = Publisher::announced(c)?;
            let answer = publisher.set_up(";mode=record")?;
            publisher.tear_down();
            c.status("SETUP with mode=record", &answer, &[200])?;
            ensure(answer.session().is_some(), "a Session header", answer.brief())?;
            let transport = answer.header("Transport").unwrap_or("").to_lowercase();
            let place = ["server_port=", "interleaved="].iter().any(|part| transport.contains(part));
            ensure(place, "where packets go: server_port or interleaved", &transport)?;
            // PLAY is what a Transport without a mode means (12.39).
            ensure(transport.contains("record"), "mode=record", &transport)
        },
    ),
    Case::must(
        "R1-REC-04",
        "RFC 2326 10.11",
        "RECORD is taken, with Range as ffmpeg sends it, or without",
        PUBLISH,
        |c| {
            for range in [Some("npt=0.000-"), None] {
                let mut publisher = Publisher::ready(c)?;
                let answer = publisher.ask("RECORD", range)?;
                publisher.tear_down();
                c.status("RECORD", &answer, RECORDS)?;
                ensure(answer.session().is_some(), "a Session header (12.37)", answer.brief())?;
            }
            Ok(())
        },
    ),
    Case::must("R1-REC-04b", "RFC 2326 10.11", "RECORD takes ranges in the unit clock", ONCE, |c| {
        let mut publisher = Publisher::ready(c)?;
        let answer = publisher.ask("RECORD", Some("clock=19961110T192500Z-"))?;
        publisher.tear_down();
        c.status("RECORD since 1996", &answer, RECORDS)
    }),
    Case::must("R1-REC-05", "RFC 2326 A.2, 11.3.6", "RECORD before SETUP gets 455 or 454", ONCE, |c| {
        let mut publisher = Publisher::announced(c)?;
        let answer = publisher.ask("RECORD", None)?;
        publisher.tear_down();
        c.status("RECORD before SETUP", &answer, &[454, 455])
    }),
    Case::must("R1-REC-06", "RFC 2326 11.3.5", "RECORD in a session that isn't there gets 454", ONCE, |c| {
        let publisher = Publisher::connect(c)?;
        let answer = c.ask(&Request::new("RECORD", &publisher.url).header("Session", "NoSuchSession42"))?;
        c.status("RECORD in an unknown session", &answer, &[454])
    }),
    Case::must("R1-REC-07", "RFC 2326 A.2", "PLAY in a session that records is refused", PUBLISH, |c| {
        let mut publisher = Publisher::recording(c)?;
        let answer = publisher.ask("PLAY", None)?;
        publisher.tear_down();
        c.status("PLAY while recording", &answer, &[405, 455, 501])
    }),
    Case::must("R1-REC-08", "RFC 2326 10.6, A.2", "PAUSE halts recording, and RECORD goes on", PUBLISH, |c| {
        let mut publisher = Publisher::recording(c)?;
        let answer = publisher.ask("PAUSE", None)?;
        if [405, 501].contains(&answer.status) {
            publisher.tear_down();
            return Err(skip(format!("PAUSE is not offered: {}", answer.first)));
        }
        let again = publisher.ask("RECORD", None)?;
        publisher.tear_down();
        c.status("PAUSE while recording", &answer, &[200])?;
        c.status("RECORD after PAUSE", &again, RECORDS)
    }),
    Case::must(
        "R1-REC-09",
        "RFC 2326 12.39",
        "append is refused, or in the answer: what is there is not written over",
        ONCE,
        |c| {
            let mut publisher = Publisher::announced(c)?;
            let answer = publisher.set_up(";mode=record;append")?;
            publisher.tear_down();
            let told = answer.header("Transport").is_some_and(|value| value.contains("append"));
            let refused = answer.status >= 400;
            ensure(refused || (answer.status == 200 && told), "a refusal, or append in the answer", answer.brief())
        },
    ),
    Case::must("R1-REC-10", "RFC 2326 10.7, A.2", "TEARDOWN ends recording, and frees the URL", PUBLISH, |c| {
        let mut publisher = Publisher::recording(c)?;
        let answer = publisher.ask("TEARDOWN", None)?;
        c.status("TEARDOWN while recording", &answer, &[200])?;
        let after = publisher.ask("RECORD", None)?;
        c.status("RECORD after TEARDOWN", &after, &[454])?;
        Publisher::recording(c)?.tear_down();
        Ok(())
    }),
    Case::interop(
        "R1-REC-11",
        "ffmpeg, GStreamer as publishers",
        "what is recorded can be watched, byte for byte",
        PUBLISH,
        watched,
    ),
    Case::must(
        "R1-REC-12",
        "RFC 3550 6.1, 6.4.2",
        "a publisher gets receiver reports on its source, with a CNAME",
        PUBLISH,
        reported,
    ),
    Case::interop(
        "R1-REC-13",
        "RFC 2326 10.3",
        "a second publisher that is refused does the first no harm",
        ONCE,
        |c| {
            let mut first = Publisher::recording(c)?;
            let mut second = Publisher::connect(c)?;
            let answer = second.announce("application/sdp", SDP)?;
            let takes = answer.status == 200
                && second.set_up(";mode=record")?.status == 200
                && RECORDS.contains(&second.ask("RECORD", None)?.status);
            let mine = first.ask("RECORD", None).map_or(454, |answer| answer.status);
            first.tear_down();
            second.tear_down();
            let came = format!("{mine}; the second's ANNOUNCE: {}", answer.first);
            // One that takes the first one's place, or is recorded beside it, is the server's own affair.
            ensure(takes || RECORDS.contains(&mine), "200 to RECORD of the first as before", came)
        },
    ),
    Case::interop("R1-REC-14", "ffmpeg", "a publisher that vanishes leaves the URL to the next", PUBLISH, |c| {
        let mut publisher = Publisher::recording(c)?;
        publisher.publish(Duration::from_millis(200), |_| Ok(false))?;
        publisher.wire.close();
        drop(publisher);
        let began = Instant::now();
        loop {
            match Publisher::recording(c) {
                Ok(mut next) => {
                    next.tear_down();
                    return Ok(());
                }
                Err(stop) if began.elapsed() > VANISHED => return Err(stop),
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    }),
    Case::interop(
        "R1-REC-15",
        "RFC 3550 A.1, A.2",
        "what is no RTP, lying RTCP and other sources leave the publisher's session",
        PUBLISH,
        |c| {
            let mut publisher = Publisher::recording(c)?;
            let stranger = [&[0x80, 0, 0, 1, 0, 0, 0, 1][..], &publisher.ssrc.wrapping_add(9).to_be_bytes(), &[7; 40]];
            let packets: [&[u8]; 6] =
                [b"", b"\x80", &[0xff; 1400], &[0x80, 96, 0, 1], b"\xce\xfa\xed\xfe", &stranger.concat()];
            let reports: [&[u8]; 3] =
                [&[0x80, 200, 0xff, 0xff, 0, 0, 0, 1], &[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 255, 65, 65], b"\x80"];
            for packet in packets {
                publisher.send_bytes(packet, false)?;
            }
            for report in reports {
                publisher.send_bytes(report, true)?;
            }
            publisher.publish(Duration::from_millis(300), |_| Ok(false))?;
            let answer = publisher.ask("RECORD", None)?;
            publisher.tear_down();
            c.status("RECORD again after them", &answer, RECORDS)?;
            c.alive_elsewhere()
        },
    ),
];

/// Servers that hear nothing of the connection's end may need a few intervals.
const VANISHED: Duration = Duration::from_secs(12);

/// How long it may take until what is published is there for viewers.
const THERE: Duration = Duration::from_secs(8);

/// A description with a track, once there is one: its control URL.
fn described(c: &Context, url: &str) -> Verdict<Option<String>> {
    let answer = c.ask(&Request::new("DESCRIBE", url).header("Accept", "application/sdp"))?;
    if answer.status != 200 {
        return Ok(None);
    }
    let description = Description::read(&answer.text());
    let base = answer.header("Content-Base").unwrap_or(url);
    Ok(description.media.first().map(|media| resolve(base, media.attribute("control").unwrap_or(""))))
}

fn watched(c: &mut Context) -> Verdict {
    let mut publisher = Publisher::recording(c)?;
    let (url, mut control) = (publisher.url.clone(), None);
    // Twice a second: a server may have to look for what it is asked for.
    publisher.publish(THERE, |publisher| {
        if publisher.sent.len().is_multiple_of(25 * 160) {
            control = described(c, &url)?;
        }
        Ok(control.is_some())
    })?;
    let Some(control) = control else {
        publisher.tear_down();
        return Err(skip("what is recorded is not described for viewers meanwhile"));
    };
    let mut viewer = c.connect()?;
    let setup = Request::new("SETUP", &control).header("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1");
    let answer = viewer.ok(&setup)?;
    let id = answer.session().unwrap_or("").to_owned();
    viewer.ok(&Request::new("PLAY", &url).header("Session", &id).header("Range", "npt=now-"))?;
    let mut same = 0;
    publisher.publish(THERE, |publisher| {
        let _ = viewer.listen(Duration::from_millis(1))?;
        while let Some(frame) = viewer.frames.pop_front() {
            if frame.channel != 0 {
                continue;
            }
            let packet = Rtp::read(&frame.bytes, frame.at).map_err(|came| fail("an RTP packet", came))?;
            let whole = packet.payload.len() >= 80;
            let mine = publisher.sent.windows(packet.payload.len().max(1)).any(|part| part == packet.payload);
            ensure(mine, "bytes that were published", format!("{} other ones", packet.payload.len()))?;
            same += usize::from(whole);
        }
        Ok(same >= 5)
    })?;
    let _ = viewer.ask(&Request::new("TEARDOWN", &url).header("Session", &id));
    publisher.tear_down();
    ensure(same >= 5, "packets of what is published", format!("{same} in {THERE:?}"))
}

fn reported(c: &mut Context) -> Verdict {
    let mut publisher = Publisher::recording(c)?;
    let (ssrc, mut heard) = (publisher.ssrc, false);
    // The first interval is 2.5 s by 0.5 to 1.5 at most (6.2), any other one twice as long.
    publisher.publish(Duration::from_secs(9), |publisher| {
        for blocks in publisher.reports()? {
            let about = |block: &Block| matches!(block, Block::Receiver(_, about) if about.contains(&ssrc));
            let named =
                |block: &Block| matches!(block, Block::Description(items) if items.iter().any(|(_, k, _)| *k == 1));
            if blocks.iter().any(about) {
                ensure(blocks.iter().any(named), "a CNAME with the report", format!("{blocks:?}"))?;
                heard = true;
            }
        }
        Ok(heard)
    })?;
    publisher.tear_down();
    ensure(heard, format!("a receiver report on {ssrc:08x} within 9 s"), "none")
}
