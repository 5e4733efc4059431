//! ANNOUNCE (RFC 2326 section 10.3): a publisher says what it will bring.

use super::{Connection, Outcome, Refusal, Server, Step, Target, v2};
use crate::feed::description::Description;
use crate::feed::push::{Publication, Publications, Pushable};
use crate::headers::{MediaType, SessionField};
use crate::message::{Request, StatusCode, reply};
use crate::session::SessionId;
use rtsp_types::headers::{ACCEPT, CONTENT_TYPE, SESSION};
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

impl Server {
    /// A session for a publisher.
    pub(super) fn announce(
        &self,
        pushable: &Pushable,
        connection: &mut Connection,
        request: &Request,
        target: Target,
        now: Instant,
    ) -> Outcome {
        let Target::Presentation { name, .. } = target else {
            return Err(Refusal::new(StatusCode::NotFound, "the URL names no channel"));
        };
        let channel = pushable.get(&name).ok_or_else(|| {
            Refusal::new(StatusCode::Forbidden, format!("{name} is no channel that takes a publisher")).told()
        })?;
        let user = connection.user.as_deref();
        if self.rules.auth.as_ref().is_some_and(|auth| !auth.may_publish(user)) {
            return Err(Refusal::new(StatusCode::Forbidden, "this user may watch, not publish").told());
        }
        let kind = request.headers.get(CONTENT_TYPE).and_then(|field| MediaType::parse(field).ok());
        if !kind.is_some_and(|kind| kind.is("application/sdp")) {
            let refusal = Refusal::new(StatusCode::UnsupportedMediaType, "only application/sdp can be read");
            return Err(refusal.field(ACCEPT, "application/sdp"));
        }
        let description = Description::parse(&request.body).map_err(|error| Refusal::bad(error).told())?;
        if let Some((line, error)) = description.media.iter().find_map(|m| Some((m.line, m.format.as_ref().err()?))) {
            let reason = format!("sdp: line {line}: {error}");
            return Err(Refusal::new(StatusCode::UnsupportedMediaType, reason).told());
        }
        let from = (connection.id, connection.viewer_address());
        let tracks = description.media.len();
        let publication = Publication::new((pushable, channel), description, connection.user.clone(), from, now);
        let announced = self.publications().announce(publication);
        let id = announced.map_err(|reason| Refusal::new(StatusCode::Forbidden, reason).told())?;
        tracing::info!(session = %id, channel = name, tracks, "announced");
        connection.speaks_of(id.clone());
        let timeout = u32::try_from(self.options.timeout.as_secs()).ok();
        let mut reply = reply(StatusCode::Ok);
        reply.insert_header(SESSION, SessionField { id: id.to_string(), timeout }.to_string());
        Ok(Step::done(reply))
    }

    /// Whether the request may be a publisher's: ANNOUNCE and RECORD are none of 2.0's.
    pub(super) fn publishes(&self, request: &Request) -> bool {
        let known = || {
            let id = SessionField::parse(request.headers.get(SESSION)?).ok()?.id;
            Some(self.publications().contains(&SessionId::new(id)))
        };
        let named = || match Target::parse(&request.uri) {
            Ok(Target::Presentation { name, .. }) => self.takes_publisher(&name),
            _ => false,
        };
        !v2::speaks(request) && (named() || known().unwrap_or(false))
    }

    /// Whether a channel of that name takes a publisher.
    pub(super) fn takes_publisher(&self, name: &str) -> bool {
        self.rules.pushable.as_ref().is_some_and(|pushable| pushable.get(name).is_some())
    }

    pub(super) fn publications(&self) -> MutexGuard<'_, Publications> {
        self.publications.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
