//! R1-PLA: whether the packets are those that the answer to PLAY promised.

use super::{
    SETTLE,
    play::{infos, range_of},
};
use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    packets::{Rtp, sequence_step, timestamp_step},
    session::{Lower, Session},
};
use std::time::Duration;

const FILM: &[Need] = &[Need::Tracks, Need::Seekable];
const TCP: &[Need] = &[Need::Tracks, Need::Tcp];
const TCP_FILM: &[Need] = &[Need::Tracks, Need::Tcp, Need::Seekable];

pub(super) const CASES: &[Case] = &[
    Case::must("R1-PLA-02", "RFC 2326 12.33", "seq is the sequence number of the first packet", TCP, |c| {
        let (session, infos) = started(c, "npt=0.000-", Duration::from_secs(2))?;
        for (track, info) in infos.iter().enumerate() {
            let (sequence, first) =
                (info.sequence.ok_or_else(|| skip("RTP-Info has no seq"))?, first(&session, track)?);
            ensure(first.sequence == sequence, format!("first packet with seq {sequence}"), first.sequence)?;
        }
        Ok(())
    }),
    Case::must("R1-PLA-02b", "RFC 2326 12.33", "rtptime is the RTP timestamp of the range's start", TCP_FILM, |c| {
        let length = c.at_least(6.0)?;
        for range in ["npt=0.000-".to_owned(), format!("npt={:.3}-", length / 2.0)] {
            let (session, infos) = started(c, &range, Duration::from_secs(2))?;
            for (track, info) in infos.iter().enumerate() {
                let time = info.rtptime.ok_or_else(|| skip("RTP-Info has no rtptime"))?;
                let off = timestamp_step(time, first(&session, track)?.timestamp) as f64 / clock(c, track);
                let name = c.offer.description.media.get(track).map(|m| m.kind.clone()).unwrap_or_default();
                let near = (-0.5..1.5).contains(&off);
                ensure(
                    near,
                    format!("first {name} packet of {range} at rtptime, a unit apart at most"),
                    format!("{off:.3} s"),
                )?;
            }
        }
        Ok(())
    }),
    Case::must(
        "R1-PLA-06",
        "RFC 2326 10.5, 12.29",
        "a seek begins where its answer says, near where it was asked",
        FILM,
        |c| {
            let length = c.at_least(6.0)?;
            let wanted = (length / 2.0).floor();
            let mut session = c.session()?;
            let answer = session.play(Some(&format!("npt={wanted:.3}-")))?;
            session.tear_down();
            let (start, _) = range_of(&answer)?;
            // The sync sample before may lie far back, but never after what was asked by more than a unit.
            ensure(
                start <= wanted + 1.0 && start >= wanted - 15.0,
                format!("Range: npt={wanted}-, or just before"),
                answer.brief(),
            )
        },
    ),
    Case::must(
        "R1-PLA-07",
        "RFC 2326 12.29",
        "a range is half-open: what begins at its end is not sent",
        TCP_FILM,
        half_open,
    ),
    Case::must("R1-PLA-08", "RFC 2326 10.5", "after the range's end delivery pauses", FILM, |c| {
        let (mut session, stop) = played_to_a_stop(c)?;
        session.collect(Duration::from_secs(1))?;
        let late = session.packets.iter().filter(|packet| !packet.rtcp).count();
        session.tear_down();
        ensure(late == 0, format!("no packets after npt {stop}"), format!("{late} packets 2 s later"))
    }),
    Case::must("R1-PLA-08b", "RFC 2326 10.5", "PLAY without Range goes on from the range's end", FILM, |c| {
        let (mut session, stop) = played_to_a_stop(c)?;
        let answer = session.play(None)?;
        session.collect(Duration::from_secs(1))?;
        session.tear_down();
        let (start, _) = range_of(&answer)?;
        ensure((start - stop).abs() < 0.5, format!("Range: npt={stop}-"), answer.brief())?;
        ensure(session.count(0) > 0, "packets", "none for 1 s")
    }),
    Case::must("R1-PLA-21", "RFC 2326 B", "over a seek sequence numbers run on, with the same SSRC", TCP, |c| {
        across(c, false)
    }),
    Case::must("R1-PLA-21b", "RFC 2326 B", "over a seek RTP timestamps run on and never back", TCP, |c| {
        across(c, true)
    }),
    Case::should("R1-PLA-22", "RFC 2326 B", "the first audio packet of each PLAY has the marker", TCP_FILM, |c| {
        let kinds = c.offer.description.media.iter().map(|media| media.kind.clone());
        let audio = kinds.into_iter().position(|kind| kind == "audio").ok_or_else(|| skip("no audio track"))?;
        let mut session = Session::open(c, Lower::Tcp, &[audio])?;
        session.play(Some("npt=0.000-"))?;
        session.collect(Duration::from_secs(1))?;
        ensure(first(&session, 0)?.marker, "the marker on the first audio packet", "none")?;
        session.pause()?;
        session.collect(SETTLE)?;
        session.forget();
        session.play(Some("npt=1-"))?;
        session.collect(Duration::from_secs(1))?;
        session.tear_down();
        ensure(first(&session, 0)?.marker, "the marker on the first audio packet of the second PLAY", "none")
    }),
];

fn first(session: &Session, track: usize) -> Verdict<Rtp> {
    session.rtp(track)?.into_iter().next().ok_or_else(|| fail(format!("packets of track {track}"), "none"))
}

fn clock(c: &Context, track: usize) -> f64 {
    c.offer
        .description
        .media
        .get(track)
        .and_then(|media| media.encoding())
        .map_or(90_000.0, |(_, clock)| f64::from(clock))
}

/// All tracks over TCP, played for this long and torn down.
fn started(c: &mut Context, range: &str, wait: Duration) -> Verdict<(Session, Vec<super::play::Info>)> {
    let all: Vec<usize> = (0..c.offer.controls.len()).collect();
    let mut session = Session::open(c, Lower::Tcp, &all)?;
    let answer = session.play(Some(range))?;
    session.collect(wait)?;
    session.tear_down();
    Ok((session, infos(&answer)?))
}

fn half_open(c: &mut Context) -> Verdict {
    let length = c.at_least(6.0)?;
    let (from, stop) = ((length / 3.0).floor(), (length / 3.0).floor() + 1.0);
    let all: Vec<usize> = (0..c.offer.controls.len()).collect();
    let mut session = Session::open(c, Lower::Tcp, &all)?;
    let answer = session.play(Some(&format!("npt={from:.3}-{stop:.3}")))?;
    let (start, _) = range_of(&answer)?;
    session.collect(Duration::from_secs_f64((stop - start).clamp(0.0, 15.0) + 1.0))?;
    session.tear_down();
    for (track, info) in infos(&answer)?.iter().enumerate() {
        let Some(time) = info.rtptime else { return Err(skip("RTP-Info has no rtptime")) };
        let limit = ((stop - start) * clock(c, track)).round();
        for packet in session.rtp(track)? {
            let at = timestamp_step(time, packet.timestamp) as f64;
            let seconds = start + at / clock(c, track);
            ensure(
                at < limit - 0.5,
                format!("no unit of track {track} at npt {stop} or later"),
                format!("one at {seconds:.4}"),
            )?;
        }
    }
    Ok(())
}

/// Plays a short range to its end and forgets what came; the end of the range.
fn played_to_a_stop(c: &mut Context) -> Verdict<(Session, f64)> {
    let length = c.at_least(6.0)?;
    let stop = (length / 3.0).floor() + 1.0;
    let mut session = c.session()?;
    let answer = session.play(Some(&format!("npt={:.3}-{stop:.3}", stop - 1.0)))?;
    let (start, _) = range_of(&answer)?;
    session.collect(Duration::from_secs_f64((stop - start).clamp(0.0, 15.0) + 1.5))?;
    session.forget();
    Ok((session, stop))
}

fn across(c: &mut Context, times: bool) -> Verdict {
    let target = if c.offer.live { "npt=now-".to_owned() } else { format!("npt={:.3}-", c.at_least(6.0)? / 2.0) };
    let all: Vec<usize> = (0..c.offer.controls.len()).collect();
    let mut session = Session::open(c, Lower::Tcp, &all)?;
    session.play(Some(if c.offer.live { "npt=now-" } else { "npt=0.000-" }))?;
    session.collect(Duration::from_millis(1500))?;
    session.pause()?;
    session.collect(SETTLE)?;
    let before: Vec<Vec<Rtp>> = (0..all.len()).map(|track| session.rtp(track)).collect::<Verdict<_>>()?;
    session.forget();
    session.play(Some(&target))?;
    session.collect(Duration::from_millis(1500))?;
    session.tear_down();
    for (track, before) in before.iter().enumerate() {
        let last = before.last().ok_or_else(|| fail(format!("packets of track {track}"), "none"))?;
        let first = first(&session, track)?;
        ensure(
            last.ssrc == first.ssrc,
            format!("SSRC {:08x} after the seek", last.ssrc),
            format!("{:08x}", first.ssrc),
        )?;
        if times {
            // Pictures are sent in decoding order, so the highest timestamp may lie before the last one.
            let step = timestamp_step(last.timestamp, first.timestamp);
            let seconds = step as f64 / clock(c, track);
            // What is live may go on between two pictures, of which the later one is shown first.
            let back = if c.offer.live { 0.5 } else { 0.0 };
            let good = (step > 0 || seconds > -back) && seconds < 30.0;
            ensure(good, format!("track {track}: a timestamp after {}", last.timestamp), format!("{seconds:.3} s"))?;
        } else {
            let step = sequence_step(last.sequence, first.sequence);
            // What is live may be made once for all and have gone on meanwhile, but never back.
            let good = step == 1 || c.offer.live && step > 1;
            ensure(good, format!("track {track}: seq {}", last.sequence.wrapping_add(1)), first.sequence)?;
        }
    }
    Ok(())
}
