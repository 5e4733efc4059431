//! R1-TEA: TEARDOWN.

use super::{SETTLE, end, first_setup, ready};
use crate::suite::{
    case::{Case, Need, Verdict, ensure},
    context::Context,
    message::Request,
    packets::Block,
};
use std::time::Duration;

const TRACKS: &[Need] = &[Need::Tracks];

pub(super) const CASES: &[Case] = &[
    Case::must("R1-TEA-01", "RFC 2326 10.7, A.2", "TEARDOWN stops the packets and frees the session", TRACKS, |c| {
        let mut session = c.session()?;
        session.play(None)?;
        session.collect(Duration::from_millis(800))?;
        let request = session.request("TEARDOWN");
        session.wire.ok(&request)?;
        session.collect(SETTLE)?;
        session.forget();
        session.collect(Duration::from_secs(1))?;
        let late = session.packets.iter().filter(|packet| !packet.rtcp).count();
        ensure(late == 0, "no RTP after TEARDOWN", format!("{late} packets"))?;
        for method in ["PLAY", "PAUSE", "TEARDOWN"] {
            let answer = c.ask(&session.request(method))?;
            c.status(&format!("{method} after TEARDOWN"), &answer, &[454])?;
        }
        Ok(())
    }),
    Case::must(
        "R1-TEA-01b",
        "RFC 2326 12.37, 11.3.5",
        "GET_PARAMETER and SETUP in a torn-down session get 454",
        TRACKS,
        |c| {
            let (mut wire, id) = ready(c)?;
            end(c, &mut wire, &id);
            let answer = c.ask(&first_setup(c)?.header("Session", &id))?;
            c.status("SETUP after TEARDOWN", &answer, &[454])?;
            if c.offer.public.iter().any(|method| method == "GET_PARAMETER") {
                let answer = c.ask(&Request::new("GET_PARAMETER", &c.offer.aggregate).header("Session", &id))?;
                c.status("GET_PARAMETER after TEARDOWN", &answer, &[454])?;
            }
            Ok(())
        },
    ),
    Case::must(
        "R1-TEA-02",
        "RFC 2326 10.7",
        "TEARDOWN of one track leaves the others, or gets 460",
        &[Need::SeveralTracks],
        one_track,
    ),
    Case::must("R1-TEA-03", "RFC 2326 11.3.5", "TEARDOWN of no session gets 454", TRACKS, |c| {
        for session in [None, Some("NoSuchSession42")] {
            let answer = c.ask(&Request::new("TEARDOWN", &c.offer.aggregate).maybe("Session", session))?;
            let allowed: &[u16] = if session.is_some() { &[454] } else { &[400, 454, 455] };
            c.status(&format!("TEARDOWN with Session {session:?}"), &answer, allowed)?;
        }
        Ok(())
    }),
    Case::should(
        "R1-TEA-04",
        "RFC 3550 6.3.7, 6.6",
        "TEARDOWN sends BYE of every source that has sent",
        &[Need::Tracks, Need::EachTransport],
        |c| {
            let mut session = c.session()?;
            session.play(None)?;
            session.collect(Duration::from_millis(1500))?;
            let sources: Vec<Option<u32>> = (0..session.tracks.len())
                .map(|track| session.rtp(track).ok().and_then(|packets| packets.first().map(|packet| packet.ssrc)))
                .collect();
            session.tear_down();
            session.collect(SETTLE)?;
            for (track, source) in sources.iter().enumerate() {
                let Some(source) = source else { continue };
                let bye = |block: &Block| matches!(block, Block::Bye(left) if left.contains(source));
                let came = session.rtcp(track).iter().any(|(_, blocks)| blocks.iter().any(bye));
                ensure(came, format!("BYE of {source:08x}"), format!("none of track {track}"))?;
            }
            Ok(())
        },
    ),
    Case::interop("R1-TEA-05", "ffmpeg, VLC", "the connection outlives its sessions", TRACKS, |c| {
        let mut wire = c.connect()?;
        for _ in 0..60 {
            let answer = wire.ok(&first_setup(c)?)?;
            let id = answer.session().unwrap_or("").to_owned();
            wire.ok(&Request::new("TEARDOWN", &c.offer.aggregate).header("Session", id))?;
        }
        c.alive(&mut wire)
    }),
];

fn one_track(c: &mut Context) -> Verdict {
    let mut session = c.session()?;
    session.play(None)?;
    session.collect(Duration::from_millis(800))?;
    let url = session.tracks.first().map(|track| track.url.clone()).unwrap_or_default();
    let answer = session.wire.ask(&Request::new("TEARDOWN", &url).header("Session", &session.id))?;
    c.status("TEARDOWN of a track's URL", &answer, &[200, 455, 460])?;
    session.collect(SETTLE)?;
    session.forget();
    session.collect(Duration::from_millis(1500))?;
    let (gone, other) = (session.count(0), session.count(1));
    if answer.status == 200 && session.tracks.len() == 2 {
        let url = session.tracks.get(1).map(|track| track.url.clone()).unwrap_or_default();
        session.wire.ok(&Request::new("TEARDOWN", &url).header("Session", &session.id))?;
        let after = session.wire.ask(&session.request("PLAY"))?;
        c.status("PLAY after TEARDOWN of the last track", &after, &[454])?;
    }
    session.tear_down();
    ensure(other > 0, "packets of the other track", "none for 1.5 s")?;
    ensure(
        (answer.status == 200) == (gone == 0),
        "packets of the track only after a refusal",
        format!("{gone} packets"),
    )
}
