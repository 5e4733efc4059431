//! R2-TEA-03: sessions that the server ends (RFC 7826 13.7.2).

use crate::suite::{
    case::{Case, Need, Verdict, ensure, skip},
    context::Context,
    session::{Lower, Session},
};
use std::time::{Duration, Instant};

pub(super) const CASES: &[Case] = &[Case::must(
    "R2-TEA-03",
    "RFC 7826 13.7.2, 18.52",
    "a TEARDOWN by the server is on the aggregate, and says of which session it is and why",
    &[Need::Version2, Need::Tracks, Need::Udp, Need::Timeout],
    timed_out,
)];

/// A session may end later than it has to.
const GRACE: Duration = Duration::from_secs(20);

fn timed_out(c: &mut Context) -> Verdict {
    let mut session = Session::open_as(c, Lower::Udp, &[0], "RTSP/2.0")?;
    session.play(None)?;
    let limit = Instant::now() + Duration::from_secs(c.offer.timeout) + GRACE;
    let teardown = |session: &Session| {
        let mut notices = session.wire.notices.iter();
        notices.find(|notice| notice.first.starts_with("TEARDOWN ")).cloned()
    };
    while teardown(&session).is_none() && Instant::now() < limit {
        session.collect(Duration::from_millis(500))?;
        session.packets.clear();
    }
    let Some(notice) = teardown(&session) else {
        return Err(skip("the server ended the session without a TEARDOWN, or not at all: it may"));
    };
    let uri = notice.first.split(' ').nth(1).unwrap_or_default();
    let whole = uri.trim_end_matches('/') == session.aggregate.trim_end_matches('/');
    ensure(whole, format!("TEARDOWN {}", session.aggregate), &notice.first)?;
    ensure(notice.session() == Some(&session.id), format!("Session: {}", session.id), notice.brief())?;
    let why = notice.header("Terminate-Reason").unwrap_or("none");
    ensure(why.starts_with("Session-Timeout"), "Terminate-Reason: Session-Timeout", why)
}
