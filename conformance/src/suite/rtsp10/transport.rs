//! R1-SET: the Transport header.

use super::end;
use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail},
    context::Context,
    message::{Request, Response, parameter},
    session::{Lower, Session},
};
use std::time::Duration;

const UDP: &[Need] = &[Need::Tracks, Need::Udp];
const TCP: &[Need] = &[Need::Tracks, Need::Tcp];
const BOTH: &[Need] = &[Need::Tracks, Need::Udp, Need::Tcp];

pub(super) const CASES: &[Case] = &[
    Case::must(
        "R1-SET-01",
        "RFC 2326 10.4, 12.39",
        "a UDP SETUP is answered with one Transport of both port pairs",
        UDP,
        udp_answer,
    ),
    Case::must("R1-SET-04", "RFC 2326 12.39", "of several transports the first that is supported is taken", UDP, |c| {
        let list = "RTP/FOO;unicast;client_port=40000-40001,RTP/AVP;unicast;client_port=40002-40003";
        let answer = taken(c, list)?;
        let value = answer.header("Transport").unwrap_or("");
        ensure(!value.contains(','), "one Transport", value)?;
        ensure(value.contains("40002-40003"), "the second alternative, client_port=40002-40003", value)
    }),
    Case::must(
        "R1-SET-04b",
        "RFC 2326 12.39",
        "an alternative that can't be read doesn't spoil the others",
        UDP,
        |c| {
            for bad in ["RTP/AVP;unicast;client_port=99999-100000", "nonsense", "RTP/AVP;ttl=256;multicast;foo=\"x\""] {
                let answer = taken(c, &format!("{bad},RTP/AVP;unicast;client_port=40002-40003"))?;
                let value = answer.header("Transport").unwrap_or("");
                ensure(value.contains("40002-40003"), "the second alternative", value)?;
            }
            Ok(())
        },
    ),
    Case::must("R1-SET-05", "RFC 2326 12.39", "alternatives stand in the order of preference", BOTH, |c| {
        let (udp, tcp) = ("RTP/AVP;unicast;client_port=40002-40003", "RTP/AVP/TCP;unicast;interleaved=0-1");
        let answer = taken(c, &format!("{tcp},{udp}"))?;
        let value = answer.header("Transport").unwrap_or("");
        ensure(value.contains("interleaved"), "TCP, which stood first", value)?;
        let answer = taken(c, &format!("{udp},{tcp}"))?;
        let value = answer.header("Transport").unwrap_or("");
        ensure(value.contains("client_port"), "UDP, which stood first", value)
    }),
    Case::must("R1-SET-06", "RFC 2326 11.3.12", "only unknown transports get 461", &[Need::Tracks], |c| {
        for transport in ["RTP/FOO;unicast;client_port=40000-40001", "RAW/RAW/UDP;unicast;client_port=40000-40001"] {
            let answer = asked(c, transport)?;
            c.status(transport, &answer, &[461])?;
            ensure(answer.header("Session").is_none(), "no session is made", answer.brief())?;
        }
        Ok(())
    }),
    Case::should("R1-SET-07", "RFC 2326 12.39, 14.3", "names have no case, and client_port means unicast", UDP, |c| {
        taken(c, "rtp/avp/udp;client_port=40002-40003;mode=play").map(drop)
    }),
    Case::must("R1-SET-08", "RFC 2326 12.39", "mode PLAY is taken with quotes and without", &[Need::Tracks], |c| {
        for mode in ["\"PLAY\"", "PLAY", "play"] {
            taken(c, &format!("{};mode={mode}", c.transport()))?;
        }
        Ok(())
    }),
    Case::must(
        "R1-SET-09",
        "RFC 2326 12.39, 11.3.1",
        "mode RECORD is refused by a server that only plays",
        &[Need::Tracks],
        |c| {
            if c.offer.public.iter().any(|method| method == "RECORD") {
                return Err(crate::suite::case::skip("RECORD is in Public"));
            }
            for mode in ["mode=RECORD", "mode=\"RECORD\";append"] {
                let answer = asked(c, &format!("{};{mode}", c.transport()))?;
                c.status(mode, &answer, &[400, 405, 406, 455, 461, 501])?;
            }
            Ok(())
        },
    ),
    Case::should("R1-SET-10", "RFC 2326 12.39, 16", "packets are not sent where a stranger points them", UDP, |c| {
        let answer = asked(c, "RTP/AVP;unicast;destination=198.51.100.9;client_port=40002-40003")?;
        if answer.status == 200 {
            let value = answer.header("Transport").unwrap_or("");
            let ignored = parameter(value, "destination").is_none_or(|host| host != "198.51.100.9");
            return ensure(ignored, "the destination refused or not taken", value);
        }
        c.status("a third party's destination", &answer, &[400, 403, 461, 462])
    }),
    Case::must(
        "R1-SET-11",
        "RFC 2326 12.39",
        "an ssrc in the answer is 8 hexadecimal digits",
        &[Need::Tracks, Need::EachTransport],
        |c| {
            let answer = taken(c, &c.transport())?;
            let Some(ssrc) = answer.parameter("Transport", "ssrc") else { return Ok(()) };
            ensure(ssrc.len() == 8 && ssrc.bytes().all(|b| b.is_ascii_hexdigit()), "ssrc of 8 hexadecimal digits", ssrc)
        },
    ),
    Case::interop(
        "R1-SET-12",
        "RFC 2326 12.39; live555 #66",
        "impossible client ports are refused, or the server names others",
        UDP,
        |c| {
            for ports in ["0", "65536-65537", "abc", "-1", "5-4294967299", ""] {
                let answer = asked(c, &format!("RTP/AVP;unicast;client_port={ports}"))?;
                c.status(&format!("client_port={ports}"), &answer, &[400, 461])?;
            }
            c.alive_elsewhere()
        },
    ),
    Case::interop(
        "R1-SET-24",
        "RFC 2326 12.39; ffmpeg, live555",
        "packets come from the server_port of the answer",
        UDP,
        |c| {
            let mut session = Session::open(c, Lower::Udp, &[0])?;
            let server = session.tracks.first().and_then(|track| track.server);
            let (rtp, _) = server.ok_or_else(|| fail("server_port=A-B in the answer", "none"))?;
            session.play(None)?;
            session.collect(Duration::from_secs(1))?;
            let from = session.packets.iter().find(|packet| !packet.rtcp).and_then(|packet| packet.from);
            session.tear_down();
            let from = from.ok_or_else(|| fail("RTP packets", "none for 1 s"))?;
            ensure(from.port() == rtp.port(), format!("RTP from port {}", rtp.port()), from)
        },
    ),
    Case::must(
        "R1-SET-25",
        "RFC 2326 10.12, 12.39",
        "interleaved channels are those of the request, or others are named",
        TCP,
        channels,
    ),
    Case::must(
        "R1-SET-25b",
        "RFC 2326 10.12",
        "two tracks never share a channel",
        &[Need::SeveralTracks, Need::Tcp],
        |c| {
            let mut wire = c.connect()?;
            let transport = "RTP/AVP/TCP;unicast;interleaved=0-1";
            let first = wire.ok(&Request::new("SETUP", &c.control(0)?).header("Transport", transport))?;
            let id = first.session().unwrap_or("").to_owned();
            let again = Request::new("SETUP", &c.control(1)?).header("Transport", transport).header("Session", &id);
            let second = wire.ask(&again)?;
            end(c, &mut wire, &id);
            if second.status != 200 {
                return c.status("the same channels again", &second, &[400, 461]);
            }
            let pair = second.parameter("Transport", "interleaved").unwrap_or("none");
            let shared = pair.split('-').any(|channel| ["0", "1"].contains(&channel));
            ensure(!shared, "other channels than 0-1, or a refusal", pair)
        },
    ),
];

/// SETUP of the first track with this Transport; a session that it made is ended.
fn asked(c: &Context, transport: &str) -> Verdict<Response> {
    let mut wire = c.connect()?;
    let answer = wire.ask(&Request::new("SETUP", &c.control(0)?).header("Transport", transport))?;
    if let Some(id) = answer.session() {
        end(c, &mut wire, id);
    }
    Ok(answer)
}

fn taken(c: &Context, transport: &str) -> Verdict<Response> {
    let answer = asked(c, transport)?;
    c.status(&format!("SETUP with {transport}"), &answer, &[200])?;
    Ok(answer)
}

fn udp_answer(c: &mut Context) -> Verdict {
    let answer = taken(c, "RTP/AVP;unicast;client_port=40002-40003")?;
    ensure(answer.session().is_some(), "a Session header", answer.brief())?;
    let count = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Transport")).count();
    let value = answer.header("Transport").unwrap_or("").to_owned();
    ensure(count == 1 && !value.contains(','), "exactly one Transport", answer.brief())?;
    let unicast = value.split(';').any(|part| part.trim().eq_ignore_ascii_case("unicast"));
    ensure(unicast, "unicast in the Transport", &value)?;
    ensure(parameter(&value, "client_port") == Some("40002-40003"), "client_port=40002-40003", &value)?;
    let pair = parameter(&value, "server_port").and_then(|pair| pair.split_once('-'));
    let pair = pair.and_then(|(a, b)| Some((a.parse::<u16>().ok()?, b.parse::<u16>().ok()?)));
    let (rtp, rtcp) = pair.ok_or_else(|| fail("server_port=A-B", &value))?;
    ensure(rtp % 2 == 0 && rtcp == rtp + 1, "an even server_port and the next", &value)
}

fn channels(c: &mut Context) -> Verdict {
    for pair in ["0-1", "4-5", "200-201"] {
        let mut wire = c.connect()?;
        let line = format!("RTP/AVP/TCP;unicast;interleaved={pair}");
        let answer = wire.ok(&Request::new("SETUP", &c.control(0)?).header("Transport", line))?;
        let used = answer.parameter("Transport", "interleaved").unwrap_or("none").to_owned();
        let (a, b) = used.split_once('-').unwrap_or(("", ""));
        let good = a.parse::<u8>().is_ok_and(|a| b.parse::<u8>() == Ok(a.wrapping_add(1)));
        ensure(good, format!("interleaved={pair}, or another pair"), &used)?;
        let id = answer.session().unwrap_or("").to_owned();
        wire.ok(&Request::new("PLAY", &c.offer.aggregate).header("Session", &id))?;
        let _ = wire.listen(Duration::from_millis(800))?;
        let mut channels: Vec<u8> = wire.frames.iter().map(|frame| frame.channel).collect();
        end(c, &mut wire, &id);
        channels.sort_unstable();
        channels.dedup();
        let told = |channel: &u8| [a, b].contains(&channel.to_string().as_str());
        let sent = !channels.is_empty() && channels.iter().all(told);
        ensure(sent, format!("packets on the channels {used}"), format!("on {channels:?}"))?;
    }
    let answer = asked(c, "RTP/AVP/TCP;unicast;interleaved=256-257")?;
    if answer.status == 200 {
        let used = answer.parameter("Transport", "interleaved").unwrap_or("none");
        let good = used.split('-').all(|channel| channel.parse::<u8>().is_ok());
        return ensure(good, "channels that fit a byte", used);
    }
    c.status("interleaved=256-257", &answer, &[400, 461])
}
