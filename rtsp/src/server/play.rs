//! PLAY and PAUSE (RFC 2326 sections 10.5 and 10.6).

use super::setup::blocksize;
use super::{Answer, Outcome, Refusal, Server, Step, Target, kept, live, v2};
use crate::admission::Demand;
use crate::headers::{Blocksize, Npt, NptRange, Range, RtpInfo, RtpInfoEntry, Scale, SeekStyle, Speed};
use crate::message::{Method, Reply, Request, StatusCode, reply};
use crate::playback::{PlayError, Rate, Start, TrackInfo};
use crate::sdp;
use crate::session::{Session, SessionId, State};
use crate::worker::{PlayReply, PlayRequest};
use rtp::clock::MediaTime;
use rtp::format::Media;
use rtsp_types::headers::{RANGE, RTP_INFO, SCALE, SPEED, USER_AGENT};
use std::time::{Duration, Instant};

/// Players round the end of `a=range`: a start or end this close to the film's end is the end.
const ROUNDING: Duration = Duration::from_millis(10);

impl Server {
    pub(super) fn play(&self, request: &Request, target: &Target, session: Option<SessionId>, now: Instant) -> Outcome {
        let id = session.ok_or_else(Refusal::no_session)?;
        let mut sessions = self.sessions();
        let session = sessions.get(&id).ok_or_else(Refusal::no_session)?;
        aggregate(session, target)?;
        let rate = asked_rate(request)?;
        if session.watching.as_ref().is_some_and(|watching| watching.window.is_some()) {
            return self.play_kept(request, session, id, rate, now);
        }
        let (range, _) = asked_range(request)?;
        if session.watching.is_some() {
            return self.play_live(request, session, id, range, now);
        }
        if let Some(Blocksize(bytes)) = blocksize(request)? {
            session.wants_blocksize(bytes);
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
        let unchanged = rate.is_none_or(|rate| same(rate, session.rate()));
        if start == Start::Resume && end.is_none() && unchanged {
            // 10.5: PLAY without Range while playing changes nothing.
            if let Some((position, end)) = session.position(now) {
                let mut reply = reply(StatusCode::Ok);
                reply.insert_header(RANGE, said_range(session, &Range::npt(position, None), position, end).to_string());
                say_rate(request, session.rate(), &mut reply);
                if v2::speaks(request) {
                    v2::say_play(&mut reply, session, SeekStyle::default());
                }
                return Ok(Step::done(reply));
            }
        }
        // What is not said is normal (12.34), but for a mere sign of life, which came above.
        let rate = rate.unwrap_or((Scale::NORMAL, Speed::NORMAL));
        let backward = rate.0.0 < 0.0;
        let duration = session.index.duration;
        check_range(start, end, duration, backward)
            .and_then(|()| match start {
                Start::Resume => v2::check_resume(request, session, backward, now),
                Start::At(_) => Ok(()),
            })
            .map_err(|refusal| v2::refused_range(request, refusal, session, now))?;
        let end = end.filter(|end| backward || end.plus(ROUNDING) < duration);
        // 10.5: it waits for what plays, where that will end by itself.
        // RFC 7826 13.4.3 has it replaced.
        let queue = matches!(start, Start::At(_)) && unchanged && session.is_bounded() && !v2::speaks(request);
        let tracks = || session.tracks().iter().map(|track| track.track);
        let index = session.index.clone();
        let pictures = tracks().filter_map(|track| index.tracks.get(track)).any(|t| t.format.media() == Media::Video);
        let demand = Demand::of(&index, tracks(), Rate::nearest(rate.0.0, rate.1.0, pictures), session.live555);
        session
            .promise(&self.admission, &index.media.nodes, demand)
            .map_err(|error| Refusal::new(StatusCode::NotEnoughBandwidth, error.to_string()))?;
        let style = v2::seek_style(request);
        let counts_halts = v2::speaks(request);
        let play = PlayRequest { style, counts_halts, end, rate, queue, ..session.request(start) };
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
            PlayError::Range { .. } => {
                v2::refused_range(request, invalid_range("the range starts behind the end"), session, now)
            }
            PlayError::Queue(_) => Refusal::new(StatusCode::ServiceUnavailable, error.to_string()),
            PlayError::Full(_) => Refusal::new(StatusCode::NotEnoughBandwidth, error.to_string()),
            PlayError::Over | PlayError::Stopped => Refusal::new(StatusCode::ServiceUnavailable, error.to_string()),
            PlayError::Track | PlayError::Format { .. } => {
                Refusal::new(StatusCode::InternalServerError, error.to_string())
            }
        })?;
        // What the worker told before it answered is about what played before.
        session.settle(now).map_err(|reason| Refusal::new(StatusCode::ServiceUnavailable, reason))?;
        // What waits begins later, and only then is it known with which packet.
        let waits = played.info.is_empty();
        if !waits {
            // A channel as it is has no end; of what is kept it is known up to where.
            session.behind = session.watching.is_some() && played.range.end < MediaTime(i64::MAX);
            let end = if session.behind { kept::end(request, session, played.range.end) } else { played.range.end };
            session.played(played.range.start, end, played.rate, now);
        }
        let go = (!waits).then_some((session.worker, session.viewer));
        let mut reply = reply(StatusCode::Ok);
        if request.method == Method::Play {
            let said = match session.watching {
                Some(_) if session.behind => kept::said_range(request, session, played.range.start),
                Some(_) => live::said_range(request, played.range.start),
                None => said_range(session, &asked_range(request)?.1, played.range.start, played.range.end),
            };
            reply.insert_header(RANGE, said.to_string());
            if !waits {
                let info = rtp_info(session, &played.info);
                // GStreamer reads 1.0's form only, whatever it speaks.
                let agent = request.headers.get(USER_AGENT).unwrap_or_default();
                let text = match v2::speaks(request) && !agent.starts_with("GStreamer") {
                    true => v2::rtp_info(session, &info),
                    false => info.to_string(),
                };
                reply.insert_header(RTP_INFO, text);
            }
            if v2::speaks(request) {
                v2::say_play(&mut reply, session, played.style);
                if let Some(notify) = &mut session.notify {
                    notify.play = Some(request.cseq.clone());
                }
            }
            say_rate(request, played.rate, &mut reply);
        }
        let range = Range::npt(played.range.start, session.watching.is_none().then_some(played.range.end));
        tracing::info!(session = %id, %range, scale = played.rate.scale(), waits, "plays");
        Ok(Step::Done(Box::new(Answer { reply, go, close: false })))
    }

    pub(super) fn pause(
        &self,
        request: &Request,
        target: &Target,
        session: Option<SessionId>,
        now: Instant,
    ) -> Outcome {
        let id = session.ok_or_else(Refusal::no_session)?;
        let mut sessions = self.sessions();
        let session = sessions.get(&id).ok_or_else(Refusal::no_session)?;
        aggregate(session, target)?;
        let at = pause_point(request, session)?;
        if session.state() == State::Playing {
            return Ok(Step::Pause(session.worker, session.viewer, at, id));
        }
        if at.is_some() {
            return Err(invalid_range("nothing plays that could be paused then"));
        }
        if v2::speaks(request) {
            // RFC 7826 13.6: in Ready it changes nothing, and says where it stands.
            session.touch(now);
            return Ok(Step::Pause(session.worker, session.viewer, None, id));
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
        if request.method == Method::Teardown {
            session.paused();
            return self.take_down(request, session, id);
        }
        let at = pause_point(request, session)?;
        let mut reply = reply(StatusCode::Ok);
        match (at, position) {
            // 10.6: outside of all that plays and waits.
            (Some(_), None) => return Err(invalid_range("the pause is not ahead in what plays")),
            (Some(at), Some(stops)) if at == stops => session.stops_at(at),
            _ => session.paused(),
        }
        if let Some(position) = position {
            let (_, unit) = asked_range(request)?;
            let end = session.range_end().filter(|_| v2::speaks(request));
            session.paused_at = Some(position);
            let said = match &session.watching {
                Some(watching) if watching.window.is_none() => live::said_range(request, position),
                _ => unit.like(position, end),
            };
            reply.insert_header(RANGE, said.to_string());
        } else if v2::speaks(request) {
            reply.insert_header(RANGE, v2::media_range(session));
        }
        tracing::info!(session = %id, ?at, "pauses");
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

/// What is asked for in normal play time, and as it was said: the answer has its unit (10.5).
pub(super) fn asked_range(request: &Request) -> Result<(NptRange, Range), Box<Refusal>> {
    let nothing = NptRange { start: None, end: None };
    let Some(field) = request.headers.get(RANGE) else { return Ok((nothing, Range::Npt(nothing))) };
    let range = Range::parse(field).map_err(Refusal::bad)?;
    match range.in_npt() {
        Some(npt) => Ok((npt, range)),
        // 12.29: a unit that is not understood. A film has no wall clock of its own either.
        None => {
            Err(Refusal::new(StatusCode::NotImplemented, format!("ranges of {range}: only npt and smpte can be had")))
        }
    }
}

fn check_range(start: Start, end: Option<MediaTime>, duration: MediaTime, backward: bool) -> Result<(), Box<Refusal>> {
    let Start::At(start) = start else { return Ok(()) };
    match backward {
        _ if start > duration.plus(ROUNDING) => Err(invalid_range("the range starts behind the end")),
        true if start <= end.unwrap_or(MediaTime::ZERO) => {
            Err(invalid_range("backwards, the range ends behind its start"))
        }
        false if end.is_some_and(|end| end <= start) => Err(invalid_range("the range ends before it starts")),
        _ => Ok(()),
    }
}

/// 10.6: a time at which to pause; `None`: now.
fn pause_point(request: &Request, session: &Session) -> Result<Option<MediaTime>, Box<Refusal>> {
    if request.headers.get(RANGE).is_none() {
        return Ok(None);
    }
    let (range, _) = asked_range(request)?;
    match (range.start, range.end) {
        (Some(Npt::Now), None) => Ok(None),
        _ if session.watching.is_some() => Err(invalid_range("a channel is paused now or not at all")),
        (Some(Npt::At(point)), None) if point <= session.index.duration => Ok(Some(point)),
        (Some(Npt::At(_)), None) => Err(invalid_range("the pause lies behind the end")),
        _ => Err(invalid_range("a pause has one time")),
    }
}

/// `Scale` and `Speed`; `None`: neither is said.
fn asked_rate(request: &Request) -> Result<Option<(Scale, Speed)>, Box<Refusal>> {
    let scale = request.headers.get(SCALE).map(Scale::parse).transpose().map_err(Refusal::bad)?;
    let speed = request.headers.get(SPEED).map(Speed::parse).transpose().map_err(Refusal::bad)?;
    let said = scale.is_some() || speed.is_some();
    Ok(said.then_some((scale.unwrap_or(Scale::NORMAL), speed.unwrap_or(Speed::NORMAL))))
}

/// Whether asking for `asked` gives the rate in use.
fn same((Scale(scale), Speed(speed)): (Scale, Speed), rate: Rate) -> bool {
    scale == rate.scale() && speed == rate.speed()
}

/// What is played, open where it goes to the presentation's end: with an end told, GStreamer 1.22 ends its jitter
/// buffer by a timer of its own, and loses the end of the stream (playbin waits for ever); live555 tells none.
fn said_range(session: &Session, unit: &Range, start: MediaTime, end: MediaTime) -> Range {
    unit.like(start, (end < session.index.duration).then_some(end))
}

/// 12.34, 12.35: the rate that is in use. Only where it was asked for: VLC sends back every `Speed` that it sees.
pub(super) fn say_rate(request: &Request, rate: Rate, reply: &mut Reply) {
    if request.headers.get(SCALE).is_some() || rate.scale() != 1.0 {
        reply.insert_header(SCALE, Scale(rate.scale()).to_string());
    }
    if request.headers.get(SPEED).is_some() || rate.speed() != 1.0 {
        reply.insert_header(SPEED, Speed(rate.speed()).to_string());
    }
}

pub(super) fn rtp_info(session: &Session, played: &[TrackInfo]) -> RtpInfo {
    let entry = |track: &crate::session::SetUp| {
        let info = played.iter().find(|info| info.track == track.track)?;
        let url = track.url.clone();
        Some(RtpInfoEntry { url, sequence: Some(info.sequence), rtptime: Some(info.timestamp.0) })
    };
    // Tracks that are one source were set up by one URL.
    let mut entries: Vec<RtpInfoEntry> = session.tracks().iter().filter_map(entry).collect();
    entries.dedup_by(|later, first| later.url == first.url);
    RtpInfo(entries)
}

pub(super) fn invalid_range(reason: &'static str) -> Box<Refusal> {
    Refusal::new(StatusCode::InvalidRange, reason)
}
