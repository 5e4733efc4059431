//! RTSP 2.0 (RFC 7826), where the server speaks it.

mod ended;
mod plain;
mod play;
mod setup;

use crate::suite::{
    case::{Case, Need, Verdict},
    context::Context,
    message::Request,
    session::{Lower, Session},
};

/// All of them.
pub fn cases() -> Vec<Case> {
    [plain::CASES, setup::CASES, play::CASES, ended::CASES].concat()
}

const TWO: &[Need] = &[Need::Version2];
const TRACKS: &[Need] = &[Need::Version2, Need::Tracks];
const FILM: &[Need] = &[Need::Version2, Need::Tracks, Need::Seekable];
const SEVERAL: &[Need] = &[Need::Version2, Need::SeveralTracks];

/// A request in 2.0 on the URL under test.
fn two(c: &Context, method: &str) -> Request {
    Request::new(method, &c.url()).version("RTSP/2.0")
}

/// SETUP of the first track in 2.0.
fn set_up(c: &Context) -> Verdict<Request> {
    let transport = match c.lower {
        Lower::Tcp => "RTP/AVP/TCP;unicast;interleaved=0-1",
        Lower::Udp => "RTP/AVP;unicast;dest_addr=\":40002\"/\":40003\"",
    };
    let request = Request::new("SETUP", &c.control(0)?).version("RTSP/2.0");
    Ok(request.header("Transport", transport).header("Accept-Ranges", "npt, smpte, clock"))
}

/// A 2.0 session of these tracks.
fn session(c: &mut Context, tracks: &[usize]) -> Verdict<Session> {
    let lower = c.lower;
    Session::open_as(c, lower, tracks, "RTSP/2.0")
}

/// A 2.0 session of all tracks.
fn whole(c: &mut Context) -> Verdict<Session> {
    let all: Vec<usize> = (0..c.offer.controls.len()).collect();
    session(c, &all)
}
