//! Hostile input: what brought other servers down, and torture of every kind. Only with `--hostile`.

mod known;
mod many;
mod torture;

use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail},
    context::Context,
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
    let mut all = Vec::new();
    for _ in 0..VIEWERS {
        let began = Instant::now();
        let request = Request::new("DESCRIBE", &c.url()).header("Accept", "application/sdp");
        let answer = c.ask(&request).map_err(|_| fail(format!("a server that answers after {after}"), "no answer"))?;
        let took = began.elapsed();
        ensure(
            answer.status == c.offer.describe.status,
            format!("{} to DESCRIBE after {after}", c.offer.describe.status),
            answer.brief(),
        )?;
        if took < SOON {
            return Ok(());
        }
        ensure(took < AT_LAST, format!("an answer within {AT_LAST:?} after {after}"), format!("{took:?}"))?;
        all.push(took);
    }
    Err(fail(format!("an answer within {SOON:?} after {after}"), format!("{all:?} for {VIEWERS} viewers")))
}

/// Within this a new viewer is to be answered.
const SOON: Duration = Duration::from_millis(100);

/// And within this each one that is tried, though ten thousand connections end at that moment: server and suite may share
/// two cores, and the kernel has its work with them, too.
const AT_LAST: Duration = Duration::from_secs(5);

/// So many are tried: a machine that is busy with something else keeps some of them waiting, a server that is kept busy
/// by what it was sent keeps all.
const VIEWERS: usize = 12;

/// Sends bytes on a connection of their own, takes what comes for a moment, and looks whether the server is there.
fn survives(c: &Context, what: &str, bytes: &[u8]) -> Verdict {
    let mut wire = c.connect_bare()?;
    c.record.remark(0, &format!("{what}: {} bytes", bytes.len()));
    let _ = wire.send_quietly(bytes);
    let _ = wire.listen(Duration::from_millis(30));
    drop(wire);
    still_there(c, what)
}
