//! What a source does whose SSRC somebody else takes (RFC 3550 8.2).

use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    packets::Block,
    session::Session,
};
use std::time::{Duration, Instant};

pub(super) const CASES: &[Case] = &[Case::must(
    "RTP-05",
    "RFC 3550 8.2",
    "a source whose SSRC a receiver takes says BYE and goes on with another one",
    &[Need::Tracks, Need::Seekable, Need::EachTransport],
    taken,
)];

/// A receiver may see a packet of its own come back, and wait with a second one (8.2); a source may, too.
const RENAMES: Duration = Duration::from_secs(5);

fn taken(c: &mut Context) -> Verdict {
    c.at_least(RENAMES.as_secs_f64() + 2.0)?;
    let mut session = c.session_of(&[0])?;
    session.play(Some("npt=0.000-"))?;
    session.collect_until(Instant::now() + Duration::from_secs(4), |packet| !packet.rtcp)?;
    let old = session.rtp(0)?.first().map(|packet| packet.ssrc).ok_or_else(|| fail("packets", "none for 4 s"))?;
    report_as(&mut session, old)?;
    let named = |packet: &[u8]| packet.get(8..12) == Some(&old.to_be_bytes()[..]);
    session.collect_until(Instant::now() + RENAMES, |packet| !packet.rtcp && !named(&packet.bytes))?;
    let renamed = session.rtp(0)?.last().is_some_and(|packet| packet.ssrc != old);
    ensure(renamed, format!("another SSRC than {old:08x} within {RENAMES:?}"), "the same")?;
    // Over UDP it may come after the first packets of the new one.
    session.collect(Duration::from_millis(300))?;
    let left = session.rtcp(0).into_iter().flat_map(|(_, blocks)| blocks);
    let left = left.into_iter().any(|block| matches!(block, Block::Bye(all) if all.contains(&old)));
    session.tear_down();
    ensure(left, format!("a BYE of {old:08x}"), "none")
}

/// A receiver's report and its name, under this SSRC.
fn report_as(session: &mut Session, ssrc: u32) -> Verdict {
    let mine = ssrc.to_be_bytes();
    let packet = [&[0x80, 201, 0, 1][..], &mine, &[0x81, 202, 0, 3], &mine, &[1, 5], b"suite", &[0]].concat();
    let track = session.tracks.first().ok_or_else(|| skip("no track"))?;
    if let (Some((_, rtcp)), Some((_, server))) = (&track.sockets, track.server) {
        return rtcp.send_to(&packet, server).map(drop).map_err(|error| fail("a report sent", error));
    }
    let length = u16::try_from(packet.len()).unwrap_or(0).to_be_bytes();
    let channel = track.channels.1;
    session.wire.send(&[&[b'$', channel][..], &length, &packet].concat())
}
