//! R1-INT: packets in the RTSP connection.

use crate::suite::{
    case::{Case, Need, Verdict, ensure},
    context::Context,
    packets::compound,
    session::{Lower, Session},
};
use std::time::Duration;

const TCP: &[Need] = &[Need::Tracks, Need::Tcp];

pub(super) const CASES: &[Case] = &[
    Case::must(
        "R1-INT-01",
        "RFC 2326 10.12",
        "each frame holds one packet: RTP on the first channel, RTCP on the next",
        TCP,
        |c| {
            let mut session = all(c)?;
            session.play(None)?;
            session.collect(Duration::from_secs(3))?;
            session.tear_down();
            ensure(session.packets.iter().any(|packet| !packet.rtcp), "RTP packets", "none for 3 s")?;
            for track in 0..session.tracks.len() {
                session.rtp(track)?;
            }
            for packet in session.packets.iter().filter(|packet| packet.rtcp) {
                compound(&packet.bytes).map_err(|came| crate::suite::case::fail("RTCP on the second channel", came))?;
            }
            Ok(())
        },
    ),
    Case::must("R1-INT-02", "RFC 2326 10.12", "answers while packets flow split no frame", TCP, |c| {
        let mut session = all(c)?;
        session.play(None)?;
        for _ in 0..25 {
            session.wire.ok(&session.request("OPTIONS"))?;
            session.collect(Duration::from_millis(20))?;
        }
        session.tear_down();
        for track in 0..session.tracks.len() {
            let packets = session.rtp(track)?;
            let steps = packets.windows(2).filter_map(|pair| {
                let [a, b] = pair else { return None };
                Some(crate::suite::packets::sequence_step(a.sequence, b.sequence))
            });
            let wrong = steps.filter(|step| *step != 1).count();
            ensure(wrong == 0, "sequence numbers in order", format!("{wrong} gaps in track {track}"))?;
        }
        Ok(())
    }),
    Case::interop("R1-INT-03", "RFC 2326 10.12", "a viewer who stops reading doesn't stop others", TCP, |c| {
        let mut stuck = all(c)?;
        let request = stuck.request("PLAY").header("Speed", "4.0");
        stuck.wire.tell(&request)?;
        std::thread::sleep(Duration::from_secs(3));
        let mut other = all(c)?;
        other.play(None)?;
        other.collect(Duration::from_secs(1))?;
        let came = other.count(0);
        other.tear_down();
        stuck.tear_down();
        ensure(came > 0, "packets for another viewer", "none for 1 s")
    }),
    Case::interop("R1-INT-04", "RFC 2326 10.12", "frames of the client that make no sense are passed over", TCP, |c| {
        let mut session = all(c)?;
        session.play(None)?;
        let garbage: [&[u8]; 5] = [
            b"$\x01\x00\x08\x80\xc9\x00\x01\x00\x00\x00\x01",
            b"$\x01\x00\x04\x81\xcb\xff\xff",
            b"$\x00\x00\x0c\x80\x60\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00",
            b"$\x01\x00\x00",
            b"$\x63\x00\x02ab",
        ];
        for frame in garbage {
            session.wire.send(frame)?;
            session.wire.ok(&session.request("OPTIONS"))?;
        }
        session.forget();
        session.collect(Duration::from_secs(1))?;
        let came = session.count(0);
        session.tear_down();
        ensure(came > 0, "packets after them", "none for 1 s")
    }),
    Case::interop("R1-SES-06", "RFC 2326 10.12", "the end of the connection ends its interleaved session", TCP, ends),
];

fn all(c: &mut Context) -> Verdict<Session> {
    let all: Vec<usize> = (0..c.offer.controls.len()).collect();
    Session::open(c, Lower::Tcp, &all)
}

fn ends(c: &mut Context) -> Verdict {
    let mut session = all(c)?;
    session.play(None)?;
    session.collect(Duration::from_millis(500))?;
    session.wire.close();
    std::thread::sleep(Duration::from_secs(2));
    let answer = c.ask(&session.request("PAUSE"))?;
    c.status("PAUSE from another connection 2 s later", &answer, &[404, 454, 455])
}
