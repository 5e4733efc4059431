//! PLAY and PAUSE (RFC 2326 sections 10.5 and 10.6).

use super::{Answer, Outcome, Refusal, Server, Step, Target};
use crate::admission::Demand;
use crate::headers::{Npt, NptRange, Range, RtpInfo, RtpInfoEntry, Scale, Speed};
use crate::message::{Method, Reply, Request, StatusCode, reply};
use crate::sdp;
use crate::session::{Session, SessionId, State};
use crate::worker::{PlayError, PlayReply, PlayRequest, Start};
use rtp::clock::MediaTime;
use rtsp_types::headers::{RANGE, RTP_INFO, SCALE, SPEED};
use std::time::{Duration, Instant};

/// Players round the end of `a=range`: a start or end this close to the film's end is the end.
const ROUNDING: Duration = Duration::from_millis(10);

impl Server {
    pub(super) fn play(&self, request: &Request, target: &Target, session: Option<SessionId>, now: Instant) -> Outcome {
        let id = session.ok_or_else(Refusal::no_session)?;
        let mut sessions = self.sessions();
        let session = sessions.get(&id).ok_or_else(Refusal::no_session)?;
        aggregate(session, target)?;
        let range = asked_range(request)?;
        scale(request)?;
        if let Some(speed) = request.headers.get(SPEED) {
            Speed::parse(speed).map_err(Refusal::bad)?;
        }
        let start = match range.start {
            Some(Npt::At(start)) => Start::At(start),
            // There is nothing live yet: now is where it stands.
            Some(Npt::Now) | None => Start::Resume,
        };
        let end = match range.end {
            Some(Npt::At(end)) => Some(end),
            Some(Npt::Now) | None => None,
        };
        let duration = session.index.duration;
        match start {
            Start::At(start) if start > duration.plus(ROUNDING) => {
                return Err(invalid_range("the range starts behind the end"));
            }
            Start::At(start) if end.is_some_and(|end| end <= start) => {
                return Err(invalid_range("the range ends before it starts"));
            }
            _ => {}
        }
        let end = end.filter(|end| end.plus(ROUNDING) < duration);
        if start == Start::Resume && end.is_none() {
            // 10.5: PLAY without Range while playing changes nothing. So does VLC's change of rate, which
            // is such a PLAY with a Scale: it learns that the scale is 1 and goes on.
            if let Some((position, end)) = session.position(now) {
                let mut reply = reply(StatusCode::Ok);
                reply.insert_header(RANGE, said_range(session, position, end).to_string());
                say_scale(request, &mut reply);
                return Ok(Step::done(reply));
            }
        }
        if !session.has_promise() {
            let demand = Demand::of(&session.index, session.tracks().iter().map(|track| track.track));
            let promise = self.admission.promise(&session.index.media.nodes, demand);
            session.promised(promise.map_err(|error| Refusal::new(StatusCode::NotEnoughBandwidth, error.to_string()))?);
        }
        let play = PlayRequest {
            viewer: session.viewer,
            index: session.index.clone(),
            tracks: session.play_tracks(),
            start,
            end,
            events: session.teller(),
        };
        Ok(Step::Play(session.worker, Box::new(play), id))
    }

    pub(super) fn play_answered(
        &self,
        request: &Request,
        id: &SessionId,
        played: Result<PlayReply, PlayError>,
        now: Instant,
    ) -> Outcome {
        let mut sessions = self.sessions();
        let session = sessions.get(id).ok_or_else(Refusal::no_session)?;
        if played.is_err() {
            session.not_played();
        }
        let played = played.map_err(|error| match error {
            PlayError::Range { .. } => invalid_range("the range starts behind the end"),
            PlayError::Full(_) => Refusal::new(StatusCode::NotEnoughBandwidth, error.to_string()),
            PlayError::Stopped => Refusal::new(StatusCode::ServiceUnavailable, error.to_string()),
            PlayError::Track | PlayError::Format { .. } => {
                Refusal::new(StatusCode::InternalServerError, error.to_string())
            }
        })?;
        // What the worker told before it answered is about what played before.
        session.settle(now).map_err(|reason| Refusal::new(StatusCode::ServiceUnavailable, reason))?;
        session.played(played.range.start, played.range.end, now);
        let go = Some((session.worker, session.viewer));
        let mut reply = reply(StatusCode::Ok);
        if request.method == Method::Play {
            reply.insert_header(RANGE, said_range(session, played.range.start, played.range.end).to_string());
            reply.insert_header(RTP_INFO, rtp_info(session, &played).to_string());
            say_scale(request, &mut reply);
        }
        tracing::info!(session = %id, from = %Range::npt(played.range.start, Some(played.range.end)), "plays");
        Ok(Step::Done(Box::new(Answer { reply, go, close: false })))
    }

    pub(super) fn pause(&self, request: &Request, target: &Target, session: Option<SessionId>) -> Outcome {
        let id = session.ok_or_else(Refusal::no_session)?;
        let mut sessions = self.sessions();
        let session = sessions.get(&id).ok_or_else(Refusal::no_session)?;
        aggregate(session, target)?;
        if request.headers.get(RANGE).is_some() {
            pause_point(&asked_range(request)?, session)?;
        }
        if session.state() == State::Playing {
            return Ok(Step::Pause(session.worker, session.viewer, id));
        }
        match session.has_played() {
            // GStreamer says PAUSE before TEARDOWN even after the end: late is not wrong (RFC 7826 13.6 has it so).
            true => Ok(Step::done(reply(StatusCode::Ok))),
            false => Err(Refusal::wrong_state("OPTIONS, SETUP, PLAY, TEARDOWN, GET_PARAMETER, SET_PARAMETER")),
        }
    }

    pub(super) fn pause_answered(&self, request: &Request, id: &SessionId, position: Option<MediaTime>) -> Outcome {
        let mut sessions = self.sessions();
        let session = sessions.get(id).ok_or_else(Refusal::no_session)?;
        session.paused();
        if request.method == Method::Teardown {
            return self.take_down(request, session, id);
        }
        let mut reply = reply(StatusCode::Ok);
        if let Some(position) = position {
            reply.insert_header(RANGE, Range::npt(position, None).to_string());
        }
        tracing::info!(session = %id, "pauses");
        Ok(Step::done(reply))
    }
}

/// A presentation of several tracks is played and paused as one (RFC 2326 14.2); the URL of its only one will
/// do for it (14.3).
fn aggregate(session: &Session, target: &Target) -> Result<(), Box<Refusal>> {
    match target {
        Target::Presentation { name, track, .. } if *name == session.name => match track {
            Some(id)
                if *id == sdp::ALL && session.tracks().iter().all(|track| track.url == session.tracks()[0].url) =>
            {
                Ok(())
            }
            Some(id) if session.tracks().len() > 1 || !is_set_up(session, *id) => {
                Err(Refusal::new(StatusCode::OnlyAggregateOperationAllowed, "use the URL of the presentation"))
            }
            _ => Ok(()),
        },
        _ => Err(Refusal::new(StatusCode::NotFound, "the session is about another presentation")),
    }
}

/// Whether the track with that id was set up.
pub(super) fn is_set_up(session: &Session, id: u32) -> bool {
    let position = session.index.tracks.iter().position(|track| track.id == id);
    position.is_some_and(|position| session.track(position).is_some())
}

fn asked_range(request: &Request) -> Result<NptRange, Box<Refusal>> {
    let Some(field) = request.headers.get(RANGE) else { return Ok(NptRange { start: None, end: None }) };
    match Range::parse(field).map_err(Refusal::bad)? {
        Range::Npt(range) => Ok(range),
        // 12.29: a unit that is not understood.
        Range::Other(unit) => {
            Err(Refusal::new(StatusCode::NotImplemented, format!("ranges of {unit}, only npt can be had")))
        }
    }
}

/// 10.6: a time at which to pause. Only what lies outside of what is played can be refused by number.
fn pause_point(range: &NptRange, session: &Session) -> Result<(), Box<Refusal>> {
    let point = match (range.start, range.end) {
        (Some(Npt::Now), None) => return Ok(()),
        (Some(Npt::At(point)), None) => point,
        _ => return Err(invalid_range("a pause has one time")),
    };
    match point > session.index.duration {
        true => Err(invalid_range("the pause lies behind the end")),
        false => Err(Refusal::new(StatusCode::NotImplemented, "a pause at a later time")),
    }
}

fn scale(request: &Request) -> Result<(), Box<Refusal>> {
    match request.headers.get(SCALE) {
        Some(scale) => Scale::parse(scale).map(drop).map_err(Refusal::bad),
        None => Ok(()),
    }
}

/// What is played, open where it goes to the presentation's end: with an end told, GStreamer 1.22 ends its jitter
/// buffer by a timer of its own, and loses the end of the stream (playbin waits for ever); live555 tells none.
fn said_range(session: &Session, start: MediaTime, end: MediaTime) -> Range {
    Range::npt(start, (end < session.index.duration).then_some(end))
}

/// 12.34: the scale that is in use.
fn say_scale(request: &Request, reply: &mut Reply) {
    if request.headers.get(SCALE).is_some() {
        reply.insert_header(SCALE, Scale::NORMAL.to_string());
    }
}

fn rtp_info(session: &Session, played: &PlayReply) -> RtpInfo {
    let entry = |track: &crate::session::SetUp| {
        let info = played.info.iter().find(|info| info.track == track.track)?;
        let url = track.url.clone();
        Some(RtpInfoEntry { url, sequence: Some(info.sequence), rtptime: Some(info.timestamp.0) })
    };
    // Tracks that are one source were set up by one URL.
    let mut entries: Vec<RtpInfoEntry> = session.tracks().iter().filter_map(entry).collect();
    entries.dedup_by(|later, first| later.url == first.url);
    RtpInfo(entries)
}

fn invalid_range(reason: &'static str) -> Box<Refusal> {
    Refusal::new(StatusCode::InvalidRange, reason)
}
