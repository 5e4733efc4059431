//! Hostile input: what brought other servers down, and torture of every kind. Only with `--hostile`.

mod known;
mod torture;

use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail},
    context::Context,
    message::Request,
};
use std::time::{Duration, Instant};

/// All of them.
pub fn cases() -> Vec<Case> {
    [known::CASES, torture::CASES].concat()
}

const HOSTILE: &[Need] = &[Need::Hostile];
const TRACKS: &[Need] = &[Need::Hostile, Need::Tracks];

/// A new viewer is answered, and soon.
fn still_there(c: &Context, after: &str) -> Verdict {
    let began = Instant::now();
    let request = Request::new("DESCRIBE", &c.url()).header("Accept", "application/sdp");
    let answer = c.ask(&request).map_err(|_| fail(format!("a server that answers after {after}"), "no answer"))?;
    let took = began.elapsed();
    ensure(
        answer.status == c.offer.describe.status,
        format!("{} to DESCRIBE after {after}", c.offer.describe.status),
        answer.brief(),
    )?;
    ensure(took < SOON, format!("an answer within {SOON:?} after {after}"), format!("{took:?}"))
}

/// Within this a new viewer must be answered: ten times what is asked of a server on an idle machine.
const SOON: Duration = Duration::from_secs(1);

/// Sends bytes on a connection of their own, takes what comes for a moment, and looks whether the server is there.
fn survives(c: &Context, what: &str, bytes: &[u8]) -> Verdict {
    let mut wire = c.connect_bare()?;
    c.record.remark(0, &format!("{what}: {} bytes", bytes.len()));
    let _ = wire.send_quietly(bytes);
    let _ = wire.listen(Duration::from_millis(30));
    drop(wire);
    still_there(c, what)
}
