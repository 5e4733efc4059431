//! Hostile input: what brought other servers down, and torture of every kind. Only with `--hostile`.

mod known;
mod many;
mod torture;

use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    control,
    message::Request,
};
use std::time::{Duration, Instant};

/// All of them.
pub fn cases() -> Vec<Case> {
    [known::CASES, torture::CASES, many::CASES].concat()
}

const HOSTILE: &[Need] = &[Need::Hostile];
const TRACKS: &[Need] = &[Need::Hostile, Need::Tracks];
const ALONE: &[Need] = &[Need::Hostile, Need::Tracks, Need::Alone];

/// A new viewer is answered, and soon.
fn still_there(c: &Context, after: &str) -> Verdict {
    let request = Request::new("DESCRIBE", &c.url()).header("Accept", "application/sdp");
    let asked = control::beside(|| {
        let began = Instant::now();
        let answer = c.ask(&request).map_err(|_| fail(format!("a server that answers after {after}"), "no answer"))?;
        Ok((answer, began.elapsed()))
    });
    let (asked, echo) = asked.map_err(|error| skip(format!("an echo on this machine: {error}")))?;
    let (answer, took) = asked?;
    ensure(
        answer.status == c.offer.describe.status,
        format!("{} to DESCRIBE after {after}", c.offer.describe.status),
        answer.brief(),
    )?;
    let allowed = c.options.soon + echo * ECHOES;
    ensure(
        took <= allowed,
        format!("an answer within {allowed:?} after {after} (a millisecond's work took {echo:?})"),
        format!("{took:?}"),
    )
}

/// What an echo with a millisecond's work takes at most beside it, so many times over, is what the machine itself may keep a
/// viewer waiting: on the way to an answer suite and server wait for their turn about ten times as often.
const ECHOES: u32 = 10;

/// Sends bytes on a connection of their own, takes what comes for a moment, and looks whether the server is there.
fn survives(c: &Context, what: &str, bytes: &[u8]) -> Verdict {
    let mut wire = c.connect_bare()?;
    c.record.remark(0, &format!("{what}: {} bytes", bytes.len()));
    let _ = wire.send_quietly(bytes);
    let _ = wire.listen(Duration::from_millis(30));
    drop(wire);
    still_there(c, what)
}
