//! RTSP 1.0 (RFC 2326), chapter by chapter.
//!
//! Where RFC 2326 contradicts itself or practice (its `Transport` grammar, queued PLAY, 416) a case takes either reading.

mod auth;
mod describe;
mod interleaved;
mod messages;
mod options;
mod others;
mod parameters;
mod pause;
mod play;
mod positions;
mod range;
mod record;
mod scale;
mod sdp;
mod sessions;
mod setup;
mod teardown;
mod torn;
mod transport;
mod tunnel;

use crate::suite::{
    case::{Case, Verdict, ensure, fail},
    context::Context,
    message::{Request, Response},
    wire::{Wire, answered},
};
use std::time::Duration;

/// All of them.
pub fn cases() -> Vec<Case> {
    [
        messages::CASES,
        torn::CASES,
        options::CASES,
        describe::CASES,
        sdp::CASES,
        setup::CASES,
        transport::CASES,
        play::CASES,
        positions::CASES,
        range::CASES,
        scale::CASES,
        pause::CASES,
        teardown::CASES,
        parameters::CASES,
        record::CASES,
        sessions::CASES,
        interleaved::CASES,
        auth::CASES,
        others::CASES,
        tunnel::CASES,
    ]
    .concat()
}

/// Sends bytes on a connection of their own; the answer, or `None` where the server closed the connection.
fn raw(context: &Context, bytes: &[u8]) -> Verdict<Option<Response>> {
    let mut wire = context.connect()?;
    if wire.send(bytes).is_err() {
        return Ok(None);
    }
    answered(wire.response())
}

/// The answer is one of `allowed`, or the connection was closed.
fn refused(what: &str, answer: Option<&Response>, allowed: &[u16]) -> Verdict {
    let Some(answer) = answer else { return Ok(()) };
    let expected = || format!("{what}: one of {allowed:?}, or a closed connection");
    ensure(allowed.contains(&answer.status), expected(), answer.brief())
}

/// SETUP of the first track over the transport of this run.
fn first_setup(context: &Context) -> Verdict<Request> {
    Ok(Request::new("SETUP", &context.control(0)?).header("Transport", context.transport()))
}

/// A connection with a session of the first track, in Ready.
fn ready(context: &Context) -> Verdict<(Wire, String)> {
    let mut wire = context.connect()?;
    let answer = wire.ok(&first_setup(context)?)?;
    let id = answer.session().ok_or_else(|| fail("a Session header in the answer to SETUP", answer.brief()))?;
    Ok((wire, id.to_owned()))
}

/// Ends a session whose answers don't matter any more.
fn end(context: &Context, wire: &mut Wire, id: &str) {
    let _ = wire.ask(&Request::new("TEARDOWN", &context.offer.aggregate).header("Session", id));
}

/// How long a stream that was stopped may still bring what was under way.
const SETTLE: Duration = Duration::from_millis(400);
