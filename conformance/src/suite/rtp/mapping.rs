//! What sender reports say of the packets: how many there were, and at which time each is played.

use crate::suite::{
    capture::Capture,
    case::{Verdict, ensure, skip},
    context::Context,
    packets::{Block, Report, timestamp_step},
    session::{Lower, Session},
};
use std::time::{Duration, Instant};

/// A report may overtake packets that were counted before it, or be overtaken: those close to it may stand on either side.
pub(super) fn counts(c: &mut Context) -> Verdict {
    let capture: std::sync::Arc<Capture> = c.capture()?;
    let slack = Duration::from_millis(250);
    for track in &capture.tracks {
        let sum = |until: std::time::Instant| {
            let before = track.rtp.iter().filter(|packet| packet.at <= until);
            before.fold((0u32, 0u32), |(n, octets), p| (n + 1, octets.wrapping_add(p.payload.len() as u32)))
        };
        // How many octets packets had that got lost on the way is not known.
        if track.lost() > 0 && c.lower != Lower::Tcp {
            return Err(skip(format!("packets of {} were lost on the way", track.name())));
        }
        for (at, report) in track.reports() {
            let (low, high) = (at.checked_sub(slack).map_or((0, 0), sum), sum(at + slack));
            let Report { packets, octets, .. } = report;
            let good = (low.0..=high.0).contains(&packets) && (low.1..=high.1).contains(&octets);
            let expected =
                format!("{} to {} packets, {} to {} octets of {}", low.0, high.0, low.1, high.1, track.name());
            ensure(good, expected, format!("{packets} packets, {octets} octets"))?;
        }
    }
    Ok(())
}

/// By its sender reports each track's `rtptime` of RTP-Info falls on one instant.
pub(super) fn together(c: &mut Context) -> Verdict {
    let capture = c.capture()?;
    let infos = capture.play.header("RTP-Info").ok_or_else(|| skip("no RTP-Info"))?;
    let times: Vec<u32> = infos
        .split("rtptime=")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
        .collect();
    let mut instants = Vec::new();
    let tracks = capture.tracks.iter().zip(times).filter(|(track, _)| !track.repeats());
    for (track, time) in tracks {
        let (_, report) = track.reports().first().copied().ok_or_else(|| skip("no SR"))?;
        instants.push(report.seconds() - timestamp_step(time, report.rtp) as f64 / f64::from(track.encoding.1));
    }
    let (Some(first), Some(second)) = (instants.first(), instants.get(1)) else { return Err(skip("one rtptime only")) };
    let off = (first - second).abs();
    ensure(off < 0.02, "rtptimes at one instant, 20 ms at most apart", format!("{:.1} ms", off * 1000.0))
}

/// By the sender reports of each track the `rtptime`s of two PLAYs are as far apart as the two PLAYs were.
pub(super) fn after_a_seek(c: &mut Context) -> Verdict {
    let target = c.at_least(12.0)? * 0.6;
    let mut session = c.session()?;
    let mut instants: Vec<Vec<(f64, f64)>> = Vec::new();
    let began = Instant::now();
    for range in ["npt=0.000-".to_owned(), format!("npt={target:.3}-")] {
        session.forget();
        let answer = session.play(Some(&range))?;
        let at = began.elapsed().as_secs_f64();
        let infos = answer.header("RTP-Info").ok_or_else(|| skip("no RTP-Info"))?.to_owned();
        let tracks = session.tracks.len();
        let limit = Instant::now() + REPORTED;
        while (0..tracks).any(|track| newest_report(&session, track).is_none()) && Instant::now() < limit {
            session.collect(Duration::from_millis(100))?;
        }
        let mut of_tracks = Vec::new();
        for (track, info) in infos.split("rtptime=").skip(1).take(tracks).enumerate() {
            let time = info.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok());
            let (Some(time), Some(report)) = (time, newest_report(&session, track)) else { continue };
            let index = session.tracks.get(track).map_or(0, |track| track.index);
            let clock = c.offer.description.media.get(index).and_then(|media| media.encoding());
            let clock = clock.map_or(90_000.0, |(_, clock)| f64::from(clock));
            of_tracks.push((at, report.seconds() - timestamp_step(time, report.rtp) as f64 / clock));
        }
        instants.push(of_tracks);
        session.pause()?;
        session.collect(Duration::from_millis(300))?;
    }
    session.tear_down();
    let (Some(first), Some(second)) = (instants.first(), instants.get(1)) else { return Err(skip("no PLAY")) };
    if first.is_empty() || second.is_empty() {
        return Err(skip(format!("no SR within {REPORTED:?}")));
    }
    for ((at, instant), (later, later_instant)) in first.iter().zip(second) {
        let off = (later_instant - instant) - (later - at);
        ensure(off.abs() < 2.0, "the second PLAY's rtptime as much later as it was", format!("{off:.2} s off"))?;
    }
    let spread =
        second.iter().map(|(_, instant)| *instant).fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(x), b.max(x)));
    let apart = spread.1 - spread.0;
    ensure(apart < 0.02, "all tracks at one instant after the seek, too", format!("{:.1} ms apart", apart * 1000.0))
}

/// A sender report comes within this time (RFC 3550 6.2: five seconds, times at most 1.5 / 1.21828).
const REPORTED: Duration = Duration::from_secs(7);

fn newest_report(session: &Session, track: usize) -> Option<Report> {
    let blocks = session.rtcp(track).into_iter().flat_map(|(_, blocks)| blocks);
    blocks.filter_map(|block| if let Block::Sender(report) = block { Some(report) } else { None }).next_back()
}
