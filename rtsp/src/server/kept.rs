//! PLAY of a channel that keeps its latest hours: as it is, or behind that.

use super::play::{asked_range, invalid_range, say_rate};
use super::{Outcome, Refusal, Server, Step, v2};
use crate::admission::Demand;
use crate::headers::{ClockRange, Npt, NptRange, Range, Scale, SeekStyle, Speed, UtcTime};
use crate::message::{Request, StatusCode, reply};
use crate::playback::{Rate, Start};
use crate::session::{Session, SessionId};
use crate::shift::Window;
use crate::worker::{Behind, PlayRequest};
use rtp::clock::MediaTime;
use rtsp_types::headers::RANGE;
use std::time::{Duration, Instant};

/// What is asked for within so much of now is now: a player comes back to where it was told that it is.
const NEAR: Duration = Duration::from_secs(1);
/// Clocks differ: so far ahead of now is now, too.
const AHEAD: Duration = Duration::from_secs(10);

/// From where a viewer wants to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// As it is.
    Now,
    /// Where it stands; while it plays nothing changes.
    Here,
    At(MediaTime),
}

impl Server {
    pub(super) fn play_kept(
        &self,
        request: &Request,
        session: &mut Session,
        id: SessionId,
        rate: Option<(Scale, Speed)>,
        now: Instant,
    ) -> Outcome {
        let Some(watching) = &session.watching else { return Err(Refusal::no_session()) };
        let Some(window) = watching.window.clone() else { return Err(Refusal::no_session()) };
        let position = watching.live.position(now);
        let (place, end) = asked(request, session.has_played(), position, &window)
            .map_err(|refusal| v2::refused_range(request, refusal, session, now))?;
        let playing = session.position(now);
        let at = match (place, playing) {
            (Place::Now, _) => None,
            (Place::Here, Some(_)) if !session.behind => None,
            (Place::Here, Some((position, _))) if rate.is_none() => {
                let mut reply = reply(StatusCode::Ok);
                reply.insert_header(RANGE, said_range(request, session, position).to_string());
                say_rate(request, session.rate(), &mut reply);
                if v2::speaks(request) {
                    v2::say_play(&mut reply, session, SeekStyle::default());
                }
                return Ok(Step::done(reply));
            }
            (Place::Here, Some((position, _))) => Some((Start::Resume, position)),
            (Place::Here, None) => session.paused_at.map(|at| (Start::Resume, at)),
            (Place::At(at), _) => Some((Start::At(at), at)),
        };
        let Some((start, at)) = at else {
            // Who was behind begins anew.
            if session.behind {
                session.paused();
            }
            return self.play_live(request, session, id, NptRange { start: Some(Npt::Now), end: None }, now);
        };
        if end.is_some_and(|end| end <= at) {
            let refusal = invalid_range("the range ends before it starts");
            return Err(v2::refused_range(request, refusal, session, now));
        }
        let rate = rate.unwrap_or((Scale::NORMAL, Speed::NORMAL));
        let tracks = session.tracks().iter().map(|track| track.track);
        let demand = Demand::of(&session.index, tracks, Rate::nearest(rate.0.0, rate.1.0, true), session.live555);
        session
            .promise(&self.admission, &window.nodes(), demand)
            .map_err(|error| Refusal::new(StatusCode::NotEnoughBandwidth, error.to_string()))?;
        let play = PlayRequest {
            channel: None,
            behind: Some(Behind { window, at, snapshot: None }),
            end,
            rate,
            counts_halts: v2::speaks(request),
            ..session.request(start)
        };
        Ok(Step::Play(session.worker, Box::new(play), id))
    }
}

/// From where and up to where; `position` is now.
fn asked(
    request: &Request,
    has_played: bool,
    position: MediaTime,
    window: &Window,
) -> Result<(Place, Option<MediaTime>), Box<Refusal>> {
    let (start, end) = match request.headers.get(RANGE).map(Range::parse).transpose().map_err(Refusal::bad)? {
        Some(Range::Clock(ClockRange { start, end })) => {
            let on_line = |time: UtcTime| {
                window.at_clock(time.0).ok_or_else(|| invalid_range("nothing is kept of the channel yet"))
            };
            (start.map(on_line).transpose()?.map(Npt::At), end.map(on_line).transpose()?)
        }
        _ => {
            let (range, _) = asked_range(request)?;
            let end = match range.end {
                Some(Npt::At(end)) => Some(end),
                Some(Npt::Now) | None => None,
            };
            (range.start, end)
        }
    };
    let place = match start {
        None => Place::Here,
        Some(Npt::Now) => Place::Now,
        // Players begin so, whatever they are told.
        Some(Npt::At(MediaTime::ZERO)) if !has_played => Place::Now,
        Some(Npt::At(at)) if at > position.plus(AHEAD) => return Err(invalid_range("that is still to come")),
        Some(Npt::At(at)) if at.plus(NEAR) >= position => Place::Now,
        Some(Npt::At(at)) => Place::At(at),
    };
    // An end of now is none.
    Ok((place, end.filter(|end| place != Place::Now && *end < position)))
}

/// Where what plays ends: mostly not at all, though the worker knows only up to where all is sealed.
pub(super) fn end(request: &Request, session: &Session, played: MediaTime) -> MediaTime {
    let asks = request.headers.get(RANGE).map(Range::parse).and_then(Result::ok).is_some_and(|range| match range {
        Range::Clock(range) => range.end.is_some(),
        range => range.in_npt().is_some_and(|range| range.end.is_some()),
    });
    if asks || session.rate().is_backward() { played } else { MediaTime(i64::MAX) }
}

/// What plays, in the unit that was asked for.
pub(super) fn said_range(request: &Request, session: &Session, start: MediaTime) -> Range {
    let asked = request.headers.get(RANGE).map(Range::parse).and_then(Result::ok);
    let window = session.watching.as_ref().and_then(|watching| watching.window.as_ref());
    match (asked, window) {
        (Some(Range::Clock(_)), Some(window)) => {
            let start = window.clock_at(start).map(UtcTime);
            Range::Clock(ClockRange { start, end: None })
        }
        (Some(unit), _) => unit.like(start, None),
        (None, _) => Range::npt(start, None),
    }
}
