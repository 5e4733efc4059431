//! RTP: the packets of the media.

use crate::suite::{
    capture::Captured,
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    packets::{Rtp, sequence_step, timestamp_step},
    session::Lower,
};
use std::{collections::HashSet, time::Duration};

const EACH: &[Need] = &[Need::Tracks, Need::EachTransport];

pub(super) const CASES: &[Case] = &[
    Case::must(
        "RTP-01",
        "RFC 3550 5.1",
        "packets are version 2, and their header, padding and extension fit their length",
        EACH,
        |c| {
            each(c, |track| match track.rtp_faults.first() {
                Some(fault) => Err(fail(format!("RTP packets of {}", track.name()), fault)),
                None => {
                    ensure(!track.rtp.is_empty() || track.repeats(), format!("packets of {}", track.name()), "none")
                }
            })
        },
    ),
    Case::must("RTP-01b", "RFC 3550 5.1, RFC 4566 5.14", "the payload type is one of the description's", EACH, |c| {
        each(c, |track| {
            let listed = |packet: &&Rtp| !track.media.formats.contains(&packet.payload_type.to_string());
            match track.rtp.iter().find(listed) {
                Some(packet) => Err(fail(format!("payload type {:?}", track.media.formats), packet.payload_type)),
                None => Ok(()),
            }
        })
    }),
    Case::must(
        "RTP-01c",
        "RFC 3550 8, RFC 2326 12.39",
        "a track has one SSRC, the one that SETUP announced",
        EACH,
        |c| {
            each(c, |track| {
                let all: HashSet<u32> = track.rtp.iter().map(|packet| packet.ssrc).collect();
                ensure(all.len() <= 1, "one SSRC", format!("{all:08x?}"))?;
                let announced =
                    track.setup.parameter("Transport", "ssrc").and_then(|ssrc| u32::from_str_radix(ssrc, 16).ok());
                let (Some(announced), Some(came)) = (announced, all.into_iter().next()) else { return Ok(()) };
                ensure(announced == came, format!("SSRC {announced:08x} of {}", track.name()), format!("{came:08x}"))
            })
        },
    ),
    Case::should(
        "RTP-02",
        "RFC 3550 5.1",
        "sequence numbers and timestamps begin at random",
        &[Need::Tracks],
        random_starts,
    ),
    Case::must("RTP-03", "RFC 3550 5.1", "sequence numbers count up by one", EACH, |c| {
        let tcp = c.lower == Lower::Tcp;
        each(c, |track| {
            let steps: Vec<i32> = pairs(&track.rtp).map(|(a, b)| sequence_step(a.sequence, b.sequence)).collect();
            let wrong = steps.iter().filter(|step| if tcp { **step != 1 } else { **step < 1 }).count();
            ensure(
                wrong == 0,
                format!("steps of 1 in {}", track.name()),
                format!("{wrong} others: {:?}", others(&steps)),
            )?;
            let lost: i32 = steps.iter().map(|step| step - 1).sum();
            ensure(lost <= 5, "at most 5 lost packets", format!("{lost} lost"))
        })
    }),
    Case::must(
        "RTP-03b",
        "RFC 3550 5.1",
        "timestamps go with the media clock, not with the time of sending",
        EACH,
        |c| {
            each(c, |track| {
                let starts: Vec<u32> =
                    track.frames().iter().filter_map(|f| f.first()).map(|packet| packet.timestamp).collect();
                let (Some(first), Some(last)) = (starts.first(), starts.last()) else { return Ok(()) };
                let span = timestamp_step(*first, *last) as f64 / f64::from(track.encoding.1);
                let wall = track.rtp.last().zip(track.rtp.first());
                let wall = wall.map_or(0.0, |(last, first)| last.at.duration_since(first.at).as_secs_f64());
                ensure(wall > 1.0, format!("{} for more than 1 s", track.name()), format!("{wall:.2} s"))?;
                let rate = span / wall;
                let name = track.name();
                ensure(
                    (0.7..1.5).contains(&rate),
                    format!("about 1 s of timestamps a second in {name}"),
                    format!("{rate:.2} s"),
                )
            })
        },
    ),
    Case::must("RTP-04", "RFC 3550 8.1", "every track of every viewer has an SSRC of its own", &[Need::Tracks], |c| {
        // What is live may be made once for all: each viewer's is another RTP session, in which names are unique.
        let mut seen = HashSet::new();
        for _ in 0..2 {
            let mut session = c.session()?;
            session.play(None)?;
            session.collect(Duration::from_millis(1500))?;
            session.tear_down();
            if c.offer.live {
                seen.clear();
            }
            for track in 0..session.tracks.len() {
                let Some(packet) = session.rtp(track)?.into_iter().next() else { continue };
                let new = seen.insert(packet.ssrc);
                ensure(new, "another SSRC", format!("{:08x} again", packet.ssrc))?;
            }
        }
        ensure(!seen.is_empty(), "packets", "none")
    }),
    Case::should("RTP-06", "RFC 3550 11", "RTP has an even port and RTCP the next", &[Need::Tracks, Need::Udp], |c| {
        c.lower = Lower::Udp;
        each(c, |track| {
            let (rtp, rtcp) = track.server.ok_or_else(|| fail("server_port=A-B", track.setup.brief()))?;
            let good = rtp.port() % 2 == 0 && rtcp.port() == rtp.port() + 1;
            ensure(good, "an even port and the next", format!("{}-{}", rtp.port(), rtcp.port()))
        })
    }),
    Case::must("RTP-07", "RFC 3551 4.1", "an audio packet has the marker only where talk begins", EACH, |c| {
        each(c, |track| {
            // These formats say otherwise: RFC 3640, 4184, 4598, 3016 mark the end of a frame, RFC 3190 and 2250 follow 3551.
            let own = ["MPEG4-GENERIC", "MP4A-LATM", "AC3", "EAC3", "VORBIS", "X-ASF-PF"]
                .contains(&track.encoding.0.as_str());
            if track.media.kind != "audio" || own {
                return Ok(());
            }
            let marked = track.rtp.iter().skip(1).filter(|packet| packet.marker).count();
            ensure(
                marked * 20 <= track.rtp.len(),
                format!("few markers in {}", track.name()),
                format!("{marked} of {}", track.rtp.len()),
            )
        })
    }),
    Case::must("RTP-07b", "RFC 8285, RFC 3551 4", "no header extension unless the description maps it", EACH, |c| {
        each(c, |track| {
            let mapped = track.media.attributes("extmap").next().is_some();
            let extended = track.rtp.iter().filter(|packet| packet.extension.is_some()).count();
            ensure(
                mapped || extended == 0,
                format!("no extension in {}", track.name()),
                format!("in {extended} packets"),
            )
        })
    }),
    Case::should("RTP-08", "RFC 3551 4.2", "an audio packet holds at most 200 ms", EACH, |c| {
        each(c, |track| {
            if track.media.kind != "audio" {
                return Ok(());
            }
            // Not over what was lost.
            let in_a_row = pairs(&track.rtp).filter(|(a, b)| sequence_step(a.sequence, b.sequence) == 1);
            let longest = in_a_row.map(|(a, b)| timestamp_step(a.timestamp, b.timestamp)).max().unwrap_or(0);
            let seconds = longest as f64 / f64::from(track.encoding.1);
            ensure(
                seconds <= 0.21,
                format!("at most 0.2 s from packet to packet of {}", track.name()),
                format!("{seconds:.3} s"),
            )
        })
    }),
    Case::interop(
        "RTP-09",
        "RFC 3550 11; Ethernet",
        "a packet fits an Ethernet frame: at most 1,472 bytes",
        EACH,
        |c| {
            each(c, |track| {
                let longest =
                    track.rtp.iter().map(|packet| packet.payload.len() + 12 + 4 * packet.csrcs).max().unwrap_or(0);
                ensure(longest <= 1472, format!("at most 1,472 bytes in {}", track.name()), longest)
            })
        },
    ),
    Case::should("RTP-10", "RFC 3550 6.4.1", "packets come at the pace of the presentation", EACH, |c| {
        each(c, |track| {
            let Some(first) = track.rtp.first() else { return Ok(()) };
            // What is sent ahead at the start is not the pace.
            let after = |packet: &&Rtp| packet.at.duration_since(first.at) > Duration::from_secs(3);
            let later: Vec<&Rtp> = track.rtp.iter().filter(after).collect();
            let (Some(first), Some(last)) = (later.first(), later.last()) else { return Ok(()) };
            let wall = last.at.duration_since(first.at).as_secs_f64();
            if wall < 3.0 {
                return Ok(());
            }
            let media = timestamp_step(first.timestamp, last.timestamp) as f64 / f64::from(track.encoding.1);
            let pace = media / wall;
            ensure((0.85..1.15).contains(&pace), format!("1 s of {} a second", track.name()), format!("{pace:.2} s"))
        })
    }),
];

/// A check of each captured track.
pub(super) fn each(c: &mut Context, check: impl Fn(&Captured) -> Verdict) -> Verdict {
    let capture = c.capture()?;
    capture.tracks.iter().try_for_each(check)
}

fn pairs(packets: &[Rtp]) -> impl Iterator<Item = (&Rtp, &Rtp)> {
    packets.iter().zip(packets.iter().skip(1))
}

fn others(steps: &[i32]) -> Vec<i32> {
    steps.iter().copied().filter(|step| *step != 1).take(8).collect()
}

fn random_starts(c: &mut Context) -> Verdict {
    if c.offer.live {
        return Err(skip("what is live may have begun before"));
    }
    let (mut sequences, mut timestamps) = (HashSet::new(), HashSet::new());
    const SESSIONS: usize = 5;
    for _ in 0..SESSIONS {
        let mut session = c.session_of(&[0])?;
        session.play(Some("npt=0.000-"))?;
        let began = std::time::Instant::now();
        while session.count(0) == 0 && began.elapsed() < Duration::from_secs(3) {
            session.collect(Duration::from_millis(50))?;
        }
        session.tear_down();
        let packet = session.rtp(0)?.into_iter().next().ok_or_else(|| skip("no packet within 3 s"))?;
        sequences.insert(packet.sequence);
        timestamps.insert(packet.timestamp);
    }
    ensure(
        sequences.len() == SESSIONS,
        format!("{SESSIONS} different first sequence numbers"),
        format!("{sequences:?}"),
    )?;
    let zero = sequences.iter().all(|sequence| *sequence < 16) || timestamps.iter().all(|time| *time < 16);
    ensure(!zero, "not always 0", format!("{sequences:?}, {timestamps:?}"))?;
    ensure(timestamps.len() == SESSIONS, format!("{SESSIONS} different first timestamps"), format!("{timestamps:?}"))
}
