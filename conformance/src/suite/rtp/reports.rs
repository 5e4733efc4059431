//! RTCP: sender reports, source descriptions, BYE.

use super::{
    mapping::{after_a_seek, counts, together},
    media::each,
};
use crate::suite::{
    capture::Captured,
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    packets::{Block, timestamp_step},
    session::{Lower, Session},
};
use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

const EACH: &[Need] = &[Need::Tracks, Need::EachTransport];

pub(super) const CASES: &[Case] = &[
    Case::must("RTCP-01", "RFC 3550 6.1", "every RTCP packet is a compound that begins with a report", EACH, |c| {
        each(c, |track| {
            for blocks in readable(track)? {
                let report = matches!(blocks.first(), Some(Block::Sender(_) | Block::Receiver(..)));
                ensure(report, "SR or RR first", format!("{blocks:?}"))?;
            }
            Ok(())
        })
    }),
    Case::must("RTCP-01b", "RFC 3550 6.1", "every compound has an SDES with a CNAME", EACH, |c| {
        each(c, |track| {
            for blocks in readable(track)? {
                let named = blocks.iter().any(|block| matches!(block, Block::Description(items) if items.iter().any(|(_, k, t)| *k == 1 && !t.is_empty())));
                ensure(named, format!("a CNAME in each compound of {}", track.name()), format!("{blocks:?}"))?;
            }
            Ok(())
        })
    }),
    Case::must("RTCP-01c", "RFC 3550 6.4", "a source that has sent packets sends SR", EACH, |c| {
        each(c, |track| {
            let sent = !track.rtp.is_empty() || !track.repeats();
            ensure(
                !sent || !track.reports().is_empty(),
                format!("an SR of {} within the capture", track.name()),
                "none",
            )
        })
    }),
    Case::must(
        "RTCP-02",
        "RFC 3550 6.4.1",
        "the NTP and RTP timestamps of sender reports run at the media clock",
        EACH,
        |c| {
            each(c, |track| {
                let reports = track.reports();
                let (Some((_, first)), Some((_, last))) = (reports.first(), reports.last()) else {
                    return Err(skip("no SR"));
                };
                let wall = last.seconds() - first.seconds();
                if wall < 1.0 {
                    return Err(skip("a single SR within the capture"));
                }
                let media = timestamp_step(first.rtp, last.rtp) as f64 / f64::from(track.encoding.1);
                let off = (media - wall).abs();
                ensure(
                    off < 0.002 + wall * 0.0002,
                    format!("{wall:.4} s of {} by its clock", track.name()),
                    format!("{media:.4} s"),
                )
            })
        },
    ),
    Case::must("RTCP-02b", "RFC 3550 6.4.1", "a sender report counts the packets and octets sent", EACH, counts),
    Case::must("RTCP-02c", "RFC 3550 6.4.1", "the RTP timestamp of a sender report belongs to the media", EACH, |c| {
        each(c, |track| {
            for (at, report) in track.reports() {
                let near =
                    track.rtp.iter().min_by_key(|packet| if packet.at > at { packet.at - at } else { at - packet.at });
                let Some(packet) = near else { return Ok(()) };
                let off = timestamp_step(packet.timestamp, report.rtp) as f64 / f64::from(track.encoding.1);
                // Where nothing is sent for a while, as from a feed that stands still, the line may run on or wait.
                let later = at.saturating_duration_since(packet.at).as_secs_f64();
                let earlier = packet.at.saturating_duration_since(at).as_secs_f64();
                let ran = off - (later - earlier);
                ensure(
                    off.abs().min(ran.abs()) < 5.0,
                    format!("an SR near {} of {}", packet.timestamp, track.name()),
                    format!("{off:.1} s off, {later:.1} s after that packet, {earlier:.1} s before it"),
                )?;
            }
            Ok(())
        })
    }),
    Case::must(
        "RTCP-02d",
        "RFC 3550 6.4.1, RFC 2326 B",
        "by their sender reports all tracks begin at one instant",
        &[Need::SeveralTracks, Need::EachTransport],
        together,
    ),
    Case::must(
        "RTCP-02e",
        "RFC 3550 6.4.1, RFC 2326 B",
        "after a seek sender reports map the timestamps to the time at which they are played",
        &[Need::Tracks, Need::Seekable],
        after_a_seek,
    ),
    Case::must("RTCP-03", "RFC 3550 6.2, 6.3.1", "sender reports come in the intervals of RFC 3550", EACH, |c| {
        let tcp = c.lower == Lower::Tcp;
        each(c, |track| {
            // A BYE goes with a report of its own, whenever that is (6.3.7).
            let left = |blocks: &[Block]| blocks.iter().any(|block| matches!(block, Block::Bye(_)));
            let sent = |blocks: &[Block]| matches!(blocks.first(), Some(Block::Sender(_))) && !left(blocks);
            let readable = track.rtcp.iter().filter(|(_, read)| read.as_ref().is_ok_and(|blocks| sent(blocks)));
            let times: Vec<_> = readable.map(|(at, _)| *at).collect();
            for pair in times.windows(2) {
                let [a, b] = pair else { continue };
                let gap = b.duration_since(*a).as_secs_f64();
                // 5 s at random from 0.5 to 1.5, by e - 1.5; the reduced minimum (360 / kbit/s) allows less.
                let longest = if tcp || track.lost() == 0 { 8.0 } else { f64::INFINITY };
                ensure(
                    (0.1..longest).contains(&gap),
                    format!("0.1 to 8 s between SRs of {}", track.name()),
                    format!("{gap:.2} s"),
                )?;
            }
            let gaps = || times.iter().zip(times.iter().skip(1)).map(|(a, b)| b.duration_since(*a));
            let (least, most) = (gaps().min().unwrap_or_default(), gaps().max().unwrap_or_default());
            // The factor is random: that three in a row are within a hundredth is by chance once in ten thousand times.
            let random = times.len() < 4 || most > least + least / 100;
            ensure(random, format!("intervals at random of {}", track.name()), format!("all of {least:?} to {most:?}"))
        })
    }),
    Case::interop(
        "RTCP-03b",
        "RFC 3550 6.2; ffmpeg, live555, GStreamer",
        "the first sender report comes within 1 s of the first packet",
        EACH,
        |c| {
            each(c, |track| {
                let (Some((at, _)), Some(first)) = (track.reports().first().copied(), track.rtp.first()) else {
                    return Err(skip("no SR"));
                };
                let late = at.saturating_duration_since(first.at).as_secs_f64();
                ensure(late <= 1.0, format!("an SR of {} within 1 s", track.name()), format!("after {late:.2} s"))
            })
        },
    ),
    Case::must("RTCP-04", "RFC 3550 6.5.1", "all tracks of a presentation have one CNAME", EACH, |c| {
        let capture = c.capture()?;
        let mut names = HashSet::new();
        for track in &capture.tracks {
            for blocks in readable(track)? {
                names.extend(blocks.iter().filter_map(cname));
            }
        }
        ensure(names.len() == 1, "one CNAME in all tracks", format!("{names:?}"))
    }),
    Case::should("RTCP-04b", "RFC 3550 6.5.1, RFC 7022 4", "a CNAME is user@host, a host, or at random", EACH, |c| {
        each(c, |track| {
            let name = readable(track)?.into_iter().flatten().find_map(|block| cname(&block)).unwrap_or_default();
            let formed = name.len() >= 8 && name.bytes().all(|b| b.is_ascii_graphic());
            ensure(formed, "8 or more printable characters", name)
        })
    }),
    Case::must("RTCP-05", "RFC 3550 6.3.7, 6.6", "BYE names only sources that have sent", EACH, |c| {
        each(c, |track| {
            let sent: HashSet<u32> = track.rtp.iter().map(|packet| packet.ssrc).collect();
            for block in readable(track)?.into_iter().flatten() {
                if let Block::Bye(sources) = block {
                    let known = sources.iter().all(|source| sent.contains(source));
                    ensure(known, format!("BYE of {sent:08x?}"), format!("{sources:08x?}"))?;
                }
            }
            Ok(())
        })
    }),
    Case::must(
        "RTCP-05b",
        "RFC 7826 C.5, RFC 3550 6.3.7",
        "PAUSE sends no BYE: the source goes on later",
        &[Need::Tracks, Need::Seekable],
        |c| {
            let mut session = c.session()?;
            session.play(Some("npt=0.000-"))?;
            session.collect(Duration::from_secs(1))?;
            session.pause()?;
            session.collect(Duration::from_millis(1500))?;
            let left = (0..session.tracks.len())
                .flat_map(|track| session.rtcp(track))
                .flat_map(|(_, blocks)| blocks)
                .any(|block| matches!(block, Block::Bye(_)));
            session.tear_down();
            ensure(!left, "no BYE after PAUSE", "a BYE")
        },
    ),
    Case::must(
        "RTCP-07",
        "RFC 3550 6.4.2, 6.7, A.2; RFC 3611",
        "RTCP of any known or unknown type is accepted",
        EACH,
        strange,
    ),
    Case::must(
        "RTCP-08",
        "RFC 8083 4.2, RFC 7826 C.1.6.3",
        "UDP stops where reports say that nothing arrives any more",
        &[Need::Tracks, Need::Udp, Need::Version2, Need::Timeout],
        nothing_arrives,
    ),
    Case::must(
        "RTCP-09",
        "RFC 3605",
        "RTCP that doesn't come from the next port is announced",
        &[Need::Tracks, Need::Udp],
        |c| {
            c.lower = Lower::Udp;
            each(c, |track| {
                let (Some(rtp), Some(rtcp)) = track.from else { return Err(skip("no RTCP came")) };
                let next = rtcp.port() == rtp.port().wrapping_add(1)
                    || track.server.is_some_and(|(_, to)| to.port() == rtcp.port());
                let said = track.media.attribute("rtcp").is_some();
                ensure(next || said, format!("RTCP from port {} or a=rtcp", rtp.port() + 1), rtcp)
            })
        },
    ),
];

fn readable(track: &Captured) -> Verdict<Vec<Vec<Block>>> {
    if track.rtcp.is_empty() {
        return Err(skip(format!("no RTCP of {} within the capture", track.name())));
    }
    let all = track.rtcp.iter().map(|(_, read)| read.clone().map_err(|came| fail("a compound RTCP packet", came)));
    all.collect()
}

fn cname(block: &Block) -> Option<String> {
    match block {
        Block::Description(items) => items.iter().find(|(_, kind, _)| *kind == 1).map(|(_, _, text)| text.clone()),
        _ => None,
    }
}

/// Reports say that packets came at first, and then that none has come since.
fn nothing_arrives(c: &mut Context) -> Verdict {
    if c.offer.length.is_some_and(|length| length < BREAKS.as_secs_f64() + 3.5) {
        return Err(skip(format!("the presentation ends before {BREAKS:?} are over")));
    }
    let mut session = Session::open(c, Lower::Udp, &[0])?;
    session.play(None)?;
    let (began, mut last, mut told) = (Instant::now(), Instant::now(), None);
    while began.elapsed() < BREAKS {
        session.collect(Duration::from_millis(500))?;
        match session.rtp(0)?.last() {
            Some(newest) => {
                last = Instant::now();
                let highest = told.filter(|_| began.elapsed() > ARRIVES).unwrap_or(u32::from(newest.sequence));
                told = Some(highest);
                report(&session, newest.ssrc, highest)?;
                // Not for want of a sign of life is it to end.
                session.wire.tell(&session.request("OPTIONS"))?;
            }
            None if last.elapsed() > Duration::from_secs(3) => {
                session.tear_down();
                return Ok(());
            }
            None => {}
        }
        session.packets.clear();
    }
    session.tear_down();
    Err(fail(format!("an end of the packets within {BREAKS:?}"), "they still come"))
}

/// So long reports say what is true.
const ARRIVES: Duration = Duration::from_secs(3);

/// The breaker of RFC 8083 4.2 takes some intervals of reports: these are half a second.
const BREAKS: Duration = Duration::from_secs(20);

/// A receiver report on this source whose highest sequence number is this one.
fn report(session: &Session, ssrc: u32, highest: u32) -> Verdict {
    let track = session.tracks.first().ok_or_else(|| skip("no track"))?;
    let (Some((_, rtcp)), Some((_, server))) = (&track.sockets, track.server) else { return Err(skip("no UDP")) };
    let mine = ssrc.wrapping_add(1).to_be_bytes();
    let block = [&ssrc.to_be_bytes()[..], &[0; 4], &highest.to_be_bytes(), &[0; 12]].concat();
    let packet = [&[0x81, 201, 0, 7][..], &mine, &block, &[0x81, 202, 0, 3], &mine, &[1, 5], b"suite", &[0]].concat();
    rtcp.send_to(&packet, server).map(drop).map_err(|error| fail("a report sent", error))
}

fn strange(c: &mut Context) -> Verdict {
    let mut session = c.session()?;
    session.play(None)?;
    session.collect(Duration::from_millis(700))?;
    let source = session.rtp(0)?.first().map_or(0, |packet| packet.ssrc).to_be_bytes();
    let mine = [9, 9, 9, 9];
    let packets: Vec<Vec<u8>> = vec![
        [&[0x80, 201, 0, 1][..], &mine].concat(),
        [&[0x81, 201, 0, 7][..], &mine, &source, &[0xff; 20]].concat(),
        [&[0x80, 204, 0, 2][..], &mine, b"test"].concat(),
        [&[0x80, 207, 0, 1][..], &mine].concat(),
        [&[0x80, 250, 0, 1][..], &mine].concat(),
        [&[0x81, 206, 0, 2][..], &mine, &source].concat(),
        [&[0x9f, 201, 0xff, 0xff][..], &mine].concat(),
        vec![0x80],
    ];
    for packet in packets {
        let track = session.tracks.first().ok_or_else(|| skip("no track"))?;
        match (&track.sockets, track.server) {
            (Some((_, rtcp)), Some((_, to))) => {
                rtcp.send_to(&packet, to).map_err(|error| fail("a datagram sent", error))?;
            }
            _ => {
                let length = u16::try_from(packet.len()).unwrap_or(0).to_be_bytes();
                let channel = track.channels.1;
                session.wire.send(&[&[b'$', channel][..], &length, &packet].concat())?;
            }
        }
    }
    session.wire.ok(&session.request("OPTIONS"))?;
    session.forget();
    session.collect(Duration::from_millis(1200))?;
    let came = session.count(0);
    session.tear_down();
    ensure(came > 0, "packets after them", "none for 1.2 s")
}
