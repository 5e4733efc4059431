//! What RTSP 2.0 (RFC 7826) has that 1.0 has not: properties of the media, requests that are pipelined before a session
//! has a name, and requests of ours.

use super::{Connection, Refusal, Server, live};
use crate::headers::{Range, RtpInfo, Scale, SeekStyle};
use crate::message::{Method, Reply, Request, SERVER, StatusCode, Version};
use crate::playback::TrackInfo;
use crate::session::{Ended, Notify, Session, SessionId, State};
use catalog::index::Index;
use rtp::clock::MediaTime;
use rtp::format::Media as Kind;
use rtsp_types::headers::{
    ACCEPT_RANGES, HeaderName, MEDIA_PROPERTIES, MEDIA_RANGE, PIPELINED_REQUESTS, RANGE, RTP_INFO, SEEK_STYLE,
    SUPPORTED,
};
use std::time::{Instant, SystemTime};

/// What can be asked of us by name (RFC 7826 section 11.1).
pub(super) const FEATURES: &[&str] = &["play.basic", "play.scale", "play.speed", "setup.rtp.rtcp.mux"];

/// Units of `Range` that a PLAY may have.
const RANGES: &str = "npt, smpte, smpte-30-drop, smpte-25";

/// Sessions that one connection may have pipelined: more than any player needs.
const MAX_PIPELINED: usize = 16;

/// Whether the asker speaks 2.0.
pub(super) fn speaks(request: &Request) -> bool {
    request.version == Version::V2_0
}

impl Server {
    /// A session whose name the asker need not know yet (RFC 7826 section 12).
    pub(super) fn pipelined(&self, connection: &Connection, request: &Request) -> Option<SessionId> {
        let number = request.headers.get(PIPELINED_REQUESTS).filter(|_| speaks(request))?;
        let id = connection.pipelined.iter().find(|(have, _)| have == number).map(|(_, id)| id.clone())?;
        self.sessions().contains(&id).then_some(id)
    }
}

/// Remembers that `Pipelined-Requests` now means this session.
pub(super) fn bind(connection: &mut Connection, request: &Request, id: &SessionId) {
    let Some(number) = request.headers.get(PIPELINED_REQUESTS).filter(|_| speaks(request)) else { return };
    connection.pipelined.retain(|(have, _)| have != number);
    if connection.pipelined.len() >= MAX_PIPELINED {
        connection.pipelined.remove(0);
    }
    connection.pipelined.push((number.to_owned(), id.clone()));
}

/// 18.5: the asker's units of range must have one of ours among them.
pub(super) fn check_ranges(request: &Request) -> Result<(), Box<Refusal>> {
    let Some(list) = request.headers.list(ACCEPT_RANGES).filter(|_| speaks(request)) else { return Ok(()) };
    let known = |unit: &str| RANGES.split(", ").any(|ours| ours.eq_ignore_ascii_case(unit.trim()));
    match list.split(',').any(known) {
        true => Ok(()),
        false => Err(Refusal::new(StatusCode::HeaderFieldNotValidForResource, "none of our units of range")
            .field(ACCEPT_RANGES, RANGES)),
    }
}

/// What SETUP's answer says of the media (18.5, 18.29, 18.30).
pub(super) fn say_media(reply: &mut Reply, session: &Session) {
    reply.insert_header(MEDIA_PROPERTIES, properties(session));
    reply.insert_header(ACCEPT_RANGES, RANGES);
    reply.insert_header(MEDIA_RANGE, media_range(session));
}

/// 18.29. Fast and backwards only what is kept can be played.
fn properties(session: &Session) -> String {
    let pictures = session.index.tracks.iter().any(|track| track.format.media() == Kind::Video);
    match &session.watching {
        None => film_properties(&session.index),
        Some(watching) if watching.window.is_some() => {
            format!("{}, Scales=\"{}\"", live::properties(watching), scales(pictures))
        }
        Some(watching) => live::properties(watching),
    }
}

fn scales(pictures: bool) -> &'static str {
    if pictures { "-32:-0.125, 0.125:32" } else { "1" }
}

fn film_properties(index: &Index) -> String {
    let video = index.tracks.iter().find(|track| track.format.media() == Kind::Video);
    // The largest gap between sync samples: so far off a seek may land.
    let gap = video.map_or(0.0, |track| {
        let mut last = track.samples.start().0;
        let syncs = track.samples.iter_from(0).filter(|sample| sample.sync).map(|sample| sample.pts.0);
        let gap = syncs.chain([track.samples.end().0]).fold(0, |gap: i64, at| {
            let here = at.saturating_sub(last);
            last = at;
            gap.max(here)
        });
        track.clock().time(rtp::clock::Ticks(gap)).as_secs_f64()
    });
    let scales = scales(video.is_some());
    format!("Random-Access={gap:.3}, Immutable, Unlimited, Scales=\"{scales}\"")
}

/// A refused range: in 2.0 it says what there is, and where it stands (13.4.1).
pub(super) fn refused_range(request: &Request, refusal: Box<Refusal>, session: &Session, now: Instant) -> Box<Refusal> {
    if !speaks(request) || refusal.status != StatusCode::InvalidRange {
        return refusal;
    }
    let stands = match &session.watching {
        Some(watching) if session.position(now).is_none() => watching.live.position(now),
        _ => session.stands_at(now),
    };
    refusal.field(MEDIA_RANGE, media_range(session)).field(RANGE, Range::npt(stands, None).to_string())
}

/// Who asks to go on from where nothing is left is refused (13.4.1); 1.0 lets it begin anew.
pub(super) fn check_resume(
    request: &Request,
    session: &Session,
    backward: bool,
    now: Instant,
) -> Result<(), Box<Refusal>> {
    let stands = session.stands_at(now);
    let over = if backward { stands <= MediaTime::ZERO } else { stands >= session.index.duration };
    match speaks(request) && over && session.watching.is_none() {
        true => Err(Refusal::new(StatusCode::InvalidRange, "nothing is left to play from here")),
        false => Ok(()),
    }
}

/// All that there is.
pub(super) fn media_range(session: &Session) -> String {
    match &session.watching {
        Some(watching) => live::range_of_all(watching, Instant::now()),
        None => Range::npt(MediaTime::ZERO, Some(session.index.duration)).to_string(),
    }
}

/// Which way of seeking is wished for; one that is not known is passed over (18.47).
pub(super) fn seek_style(request: &Request) -> SeekStyle {
    let asked = request.headers.get(SEEK_STYLE).filter(|_| speaks(request));
    asked.and_then(SeekStyle::parse).unwrap_or_default()
}

/// What PLAY's answer says beside 1.0's.
pub(super) fn say_play(reply: &mut Reply, session: &Session, style: SeekStyle) {
    reply.insert_header(SEEK_STYLE, style.to_string());
    reply.insert_header(MEDIA_RANGE, media_range(session));
}

/// 13.8: empty fields ask to be filled.
pub(super) fn fill_fields(
    request: &Request,
    reply: &mut Reply,
    session: &Session,
    position: MediaTime,
    info: &[TrackInfo],
) {
    let asked = |name: HeaderName| request.headers.get(name).is_some_and(str::is_empty);
    if asked(RANGE) {
        let end = session.position(Instant::now()).map_or(session.index.duration, |(_, end)| end);
        let end = session.watching.is_none().then_some(end);
        reply.insert_header(RANGE, Range::npt(position, end).to_string());
    }
    // Of what plays only.
    if asked(RTP_INFO) && session.state() == State::Playing {
        reply.insert_header(RTP_INFO, rtp_info(session, &super::play::rtp_info(session, info)));
    }
    if asked(MEDIA_RANGE) {
        reply.insert_header(MEDIA_RANGE, media_range(session));
    }
}

/// 18.45: with each track's SSRC.
pub(super) fn rtp_info(session: &Session, info: &RtpInfo) -> String {
    info.v2(|at| session.tracks().get(at).map_or(0, |track| track.ssrc))
}

/// What every reply has: the asker's version, its pipeline, what we can do if that was asked.
pub(super) fn finish(request: &Request, reply: &mut Reply) {
    reply.set_version(request.version);
    for name in [PIPELINED_REQUESTS] {
        if let Some(value) = request.headers.get(name.clone()).filter(|_| speaks(request)) {
            reply.insert_header(name, value);
        }
    }
    if request.headers.get(SUPPORTED).is_some() {
        reply.insert_header(SUPPORTED, FEATURES.join(", "));
    }
}

/// Whether the answer names the session that the request named (18.49): not DESCRIBE's, and not after the session's end.
pub(super) fn names_session(request: &Request, lives: bool) -> bool {
    !speaks(request) || request.method != Method::Describe && (request.method != Method::Teardown || lives)
}

/// The range was played to its end (13.5.1).
pub(super) fn end_of_stream(id: &SessionId, session: &mut Session) {
    let range = Range::npt(session.started().unwrap_or(MediaTime::ZERO), session.range_end());
    // The last packet's number, not the next one's.
    let last = |info: &TrackInfo| TrackInfo { sequence: info.sequence.wrapping_sub(1), ..*info };
    let last: Vec<TrackInfo> = session.reached.iter().map(last).collect();
    let info = rtp_info(session, &super::play::rtp_info(session, &last));
    let scale = session.rate().scale();
    let scale = if scale == 1.0 { String::new() } else { format!("Scale: {}\r\n", Scale(scale)) };
    let Some(notify) = session.notify.as_mut() else { return };
    let play = notify.play.clone().unwrap_or_else(|| "0".into());
    let more = format!(
        "Notify-Reason: end-of-stream\r\nRequest-Status: cseq={play} status=200 reason=\"OK\"\r\nRange: {range}\r\n\
         {scale}RTP-Info: {info}\r\n"
    );
    ask(notify, "PLAY_NOTIFY", id, &more);
}

/// Another rate than PLAY's is in use (13.5.3).
pub(super) fn scale_change(id: &SessionId, session: &mut Session, first: &[TrackInfo]) {
    let range = Range::npt(session.started().unwrap_or(MediaTime::ZERO), session.range_end());
    let info = rtp_info(session, &super::play::rtp_info(session, first));
    let (scale, properties, all) = (Scale(session.rate().scale()), properties(session), media_range(session));
    let Some(notify) = session.notify.as_mut() else { return };
    let more = format!(
        "Notify-Reason: scale-change\r\nRange: {range}\r\nScale: {scale}\r\nMedia-Properties: {properties}\r\n\
         Media-Range: {all}\r\nRTP-Info: {info}\r\n"
    );
    ask(notify, "PLAY_NOTIFY", id, &more);
}

/// The session is over without its viewer's doing (13.7.2, 18.52).
pub(super) fn terminate(id: &SessionId, session: &mut Session, why: &Ended) {
    let Some(notify) = session.notify.as_mut() else { return };
    let reason = match why {
        Ended::TimedOut => "Session-Timeout",
        Ended::Failed(_) => "Internal-Error",
    };
    ask(notify, "TEARDOWN", id, &format!("Terminate-Reason: {reason}\r\n"));
}

/// The answer is of no consequence: it is read and passed over.
fn ask(notify: &mut Notify, method: &str, id: &SessionId, more: &str) {
    notify.asked = notify.asked.wrapping_add(1);
    let date = httpdate::fmt_http_date(SystemTime::now());
    let Notify { uri, asked, .. } = notify;
    let text = format!(
        "{method} {uri} RTSP/2.0\r\nCSeq: {asked}\r\nSession: {id}\r\nServer: {SERVER}\r\nDate: {date}\r\n{more}\r\n"
    );
    // A connection that is gone hears nothing; its viewer learns by the next request.
    let _ = notify.outbox.respond(text.as_bytes());
}
