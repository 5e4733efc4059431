//! GET_PARAMETER and SET_PARAMETER (RFC 2326 sections 10.8 and 10.9).
//!
//! | parameter | what it is |
//! | --- | --- |
//! | `position` | normal play time, seconds |
//! | `duration` | of the presentation, seconds; `unknown` of a channel |
//! | `state` | `Ready` or `Playing` |
//! | `scale`, `speed` | as last in use |
//! | `packets_sent`, `octets_sent` | RTP packets and bytes of payload so far |
//! | `receiver_reports` | that came about them |
//! | `packets_lost` | as the viewer's reports say, all tracks together |
//! | `jitter`, `round_trip` | seconds, the worst track's; `unknown` before a report told |
//!
//! All can be read and none written. A body is `text/parameters`: a name a line, `name: value` in the answer.

use super::{Outcome, Refusal, Server, Step, v2};
use crate::headers::MediaType;
use crate::message::{Request, StatusCode, reply};
use crate::session::{Session, SessionId};
use crate::worker::ViewerStatistics;
use rtp::clock::MediaTime;
use rtsp_types::headers::{CONTENT_TYPE, MEDIA_RANGE, RANGE, RTP_INFO};
use std::time::Instant;

const TEXT_PARAMETERS: &str = "text/parameters";

/// Names that one request may have and an answer repeats at most.
const MAX_NAMES: usize = 32;

const NAMES: &[&str] = &[
    "position",
    "duration",
    "state",
    "scale",
    "speed",
    "packets_sent",
    "octets_sent",
    "receiver_reports",
    "packets_lost",
    "jitter",
    "round_trip",
];

impl Server {
    /// No body: a ping. A body asks for parameters: if one of them is unknown, 451 with its name.
    pub(super) fn get_parameters(&self, request: &Request, session: Option<SessionId>) -> Outcome {
        let names = names(request)?;
        // RFC 7826 13.8: or by an empty field.
        let fields = v2::speaks(request) && session.is_some() && asks_fields(request);
        if names.is_empty() && !fields {
            return Ok(Step::done(reply(StatusCode::Ok)));
        }
        known(&names)?;
        let id = session.ok_or_else(Refusal::no_session)?;
        let mut sessions = self.sessions();
        let session = sessions.get(&id).ok_or_else(Refusal::no_session)?;
        Ok(Step::Count(session.worker, session.viewer, id))
    }

    pub(super) fn parameters_counted(
        &self,
        request: &Request,
        id: &SessionId,
        counted: Option<ViewerStatistics>,
        now: Instant,
    ) -> Outcome {
        let names = names(request)?;
        let mut sessions = self.sessions();
        let session = sessions.get(id).ok_or_else(Refusal::no_session)?;
        let line = |name: &String| format!("{name}: {}\r\n", value(name, session, counted.as_ref(), now));
        let body: String = names.iter().map(line).collect();
        let mut reply = reply(StatusCode::Ok);
        if asks_fields(request) {
            let position = position(session, counted.as_ref(), now);
            let info = counted.as_ref().map(|counted| counted.info.as_slice()).unwrap_or_default();
            v2::fill_fields(request, &mut reply, session, position, info);
        }
        if names.is_empty() {
            return Ok(Step::done(reply));
        }
        reply.insert_header(CONTENT_TYPE, TEXT_PARAMETERS);
        Ok(Step::done(reply.replace_body(body.into_bytes())))
    }
}

fn asks_fields(request: &Request) -> bool {
    [RANGE, MEDIA_RANGE, RTP_INFO].into_iter().any(|name| request.headers.get(name).is_some_and(str::is_empty))
}

/// No body: a ping. Nothing can be set: 451 where a name is unknown, else 458.
pub(super) fn set(request: &Request) -> Outcome {
    let names = names(request)?;
    if names.is_empty() {
        return Ok(Step::done(reply(StatusCode::Ok)));
    }
    known(&names)?;
    let mut refusal = Refusal::new(StatusCode::ParameterIsReadOnly, "all parameters can only be read");
    refusal.body = Some((TEXT_PARAMETERS, names.join("\r\n") + "\r\n"));
    Err(refusal)
}

/// Where it is: the worker knows of waits for bytes, which the session hears nothing of.
fn position(session: &Session, counted: Option<&ViewerStatistics>, now: Instant) -> MediaTime {
    counted.map_or_else(|| session.stands_at(now), |counted| counted.position)
}

fn value(name: &str, session: &Session, counted: Option<&ViewerStatistics>, now: Instant) -> String {
    let position = position(session, counted, now);
    let counted = counted.cloned().unwrap_or_default();
    let told = |seconds: f64| if counted.reports > 0 { format!("{seconds:.6}") } else { "unknown".to_owned() };
    match name {
        "position" => format!("{:.3}", position.as_secs_f64()),
        "duration" if session.watching.is_some() => "unknown".to_owned(),
        "duration" => format!("{:.3}", session.index.duration.as_secs_f64()),
        "state" => format!("{:?}", session.state()),
        "scale" => format!("{:.6}", session.rate().scale()),
        "speed" => format!("{:.6}", session.rate().speed()),
        "packets_sent" => counted.packets_sent.to_string(),
        "octets_sent" => counted.octets_sent.to_string(),
        "receiver_reports" => counted.reports.to_string(),
        "packets_lost" => counted.packets_lost.to_string(),
        "jitter" => told(counted.jitter.as_secs_f64()),
        _ => counted.round_trip.map_or_else(|| "unknown".to_owned(), |time| told(time.as_secs_f64())),
    }
}

/// The names in the body.
///
/// # Errors
/// 415 where the body is of another type.
fn names(request: &Request) -> Result<Vec<String>, Box<Refusal>> {
    if request.body.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let kind = request.headers.get(CONTENT_TYPE).map(MediaType::parse);
    if !matches!(&kind, None | Some(Ok(_))) || matches!(&kind, Some(Ok(kind)) if !kind.is(TEXT_PARAMETERS)) {
        let refusal = Refusal::new(StatusCode::UnsupportedMediaType, "only text/parameters is read");
        return Err(refusal.field(rtsp_types::headers::ACCEPT, TEXT_PARAMETERS));
    }
    let body = String::from_utf8_lossy(&request.body);
    let name = |line: &str| line.split(':').next().unwrap_or_default().trim().to_owned();
    let good = |name: &String| !name.is_empty() && !name.contains(char::is_control);
    Ok(body.lines().map(name).filter(good).take(MAX_NAMES).collect())
}

fn known(names: &[String]) -> Result<(), Box<Refusal>> {
    let unknown: Vec<&str> = names.iter().map(String::as_str).filter(|name| !NAMES.contains(name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let known = NAMES.join(", ");
    let mut refusal = Refusal::new(StatusCode::ParameterNotUnderstood, format!("parameters are {known}"));
    refusal.body = Some((TEXT_PARAMETERS, unknown.join("\r\n") + "\r\n"));
    Err(refusal)
}
