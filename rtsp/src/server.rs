//! The control part: a request and what is known go in, an answer or a question comes out.
//!
//! | noun | what it is |
//! | --- | --- |
//! | [`Server`] | all that the connections share: options and sessions |
//! | [`Connection`] | what belongs to one TCP connection: addresses, way out, channels in use |
//! | [`Step`] | what a request comes to: an answer, or something that must be asked for first |
//! | [`Answer`] | a reply and what is to happen once it lies in the outbox |
//! | [`Rules`] | what the operator has laid down: users, redirects, who may publish; and where channels' groups are looked up |
//! | [`Target`] | what a request URI names |
//! | [`Groups`], [`Description`] | the groups that channels are sent to, and what answers a GET of one's SDP |
//! | [`Presentations`], [`Media`] | who is asked |
//!
//! No sockets, no clock: `front` drives it. Call [`Server::begin`] with a request; as long as that
//! gives a question, ask, and hand the reply to [`Server::opened`], [`Server::played`], [`Server::paused`] or
//! [`Server::counted`].

mod access;
mod announce;
mod connection;
mod describe;
#[cfg(test)]
pub(crate) mod fake;
mod form;
mod kept;
mod live;
mod media;
mod multicast;
mod parameters;
mod play;
mod record;
mod refusal;
mod setup;
mod teardown;
#[cfg(test)]
mod tests;
mod v2;

pub use access::Rules;
pub use connection::{Connection, MAX_SESSIONS_OF_CONNECTION};
pub use media::{Media, OpenError, Presentations};
pub use multicast::{Description, Groups};

use refusal::Refusal;

use crate::admission::Admission;
use crate::feed::push::Publications;
use crate::headers::SessionField;
use crate::message::{ASF_SERVER, Method, Reply, Request, StatusCode, reply};
use crate::playback::PlayError;
use crate::sdp;
use crate::session::{ConnectionId, Delivered, Ended, Opened, Session, SessionId, SessionOptions, SessionTable};
use crate::target::{BadTarget, Target};
use crate::worker::{Destination, PlayReply, PlayRequest, ViewerId, ViewerStatistics, WorkerId};
use bytes::Bytes;
use rtp::clock::MediaTime;
use rtsp_types::headers::{ALLOW, CONNECTION, LOCATION, PUBLIC, SERVER, SESSION, TIMESTAMP, VIA};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What we do, in the order of RFC 2326 section 10. ffmpeg and VLC keep alive by GET_PARAMETER only if it is
/// listed; MPlayer turns away where DESCRIBE, SETUP, PLAY or TEARDOWN is missing.
const METHODS: &str = "OPTIONS, DESCRIBE, SETUP, TEARDOWN, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER";

/// What the connections of a front share.
pub struct Server {
    sessions: Mutex<SessionTable>,
    options: SessionOptions,
    media: Arc<dyn Media>,
    admission: Admission,
    rules: Rules,
    made: Mutex<form::Made>,
    publications: Mutex<Publications>,
}

/// What a request comes to.
#[derive(Debug)]
pub enum Step {
    /// Send it.
    Done(Box<Answer>),
    /// Look the presentation up, then [`Server::opened`].
    Open(String),
    /// Ask the worker, then [`Server::played`].
    Play(WorkerId, Box<PlayRequest>, SessionId),
    /// Ask the worker, with the time at which, then [`Server::paused`].
    Pause(WorkerId, ViewerId, Option<MediaTime>, SessionId),
    /// Ask the worker, then [`Server::counted`].
    Count(WorkerId, ViewerId, SessionId),
}

/// A reply and what comes with it.
#[derive(Debug)]
pub struct Answer {
    /// CSeq, Server and Date are added when it is serialized.
    pub reply: Reply,
    /// Once the reply lies in the outbox, let this viewer's packets go.
    pub go: Option<(WorkerId, ViewerId)>,
    /// Then close the connection.
    pub close: bool,
}

type Outcome = Result<Step, Box<Refusal>>;

impl Step {
    fn done(reply: Reply) -> Self {
        Step::Done(Box::new(Answer { reply, go: None, close: false }))
    }
}

impl Server {
    /// Without sessions yet.
    pub fn new(options: SessionOptions, media: Arc<dyn Media>, admission: Admission, rules: Rules) -> Self {
        let (sessions, made) = (Mutex::new(SessionTable::new(options)), Mutex::default());
        Self { sessions, options, media, admission, rules, made, publications: Mutex::default() }
    }

    /// A request has come.
    pub fn begin(&self, connection: &mut Connection, request: &Request, now: Instant) -> Step {
        let outcome = self.dispatch(connection, request, now);
        self.finish(connection, request, outcome)
    }

    /// The presentation that [`Step::Open`] asked for.
    pub fn opened(
        &self,
        connection: &mut Connection,
        request: &Request,
        opened: Result<Opened, OpenError>,
        now: Instant,
    ) -> Step {
        connection.asf = opened.as_ref().is_ok_and(|opened| sdp::has_asf(opened.index()));
        let outcome = match opened {
            // Whether there is such a presentation, DESCRIBE tells.
            _ if request.method == Method::Options => Ok(options(request, self.publishes(request))),
            Ok(opened) => self.form(&request.uri, opened).and_then(|opened| match request.method {
                Method::Describe => self.describe(connection, request, opened),
                _ => self.setup_new(connection, request, opened, now),
            }),
            Err(OpenError::NotFound) => Err(Refusal::new(StatusCode::NotFound, "no such presentation")),
            Err(OpenError::Unavailable(reason)) => Err(Refusal::new(StatusCode::ServiceUnavailable, reason)),
        };
        self.finish(connection, request, outcome)
    }

    /// What the worker said to [`Step::Play`].
    pub fn played(
        &self,
        connection: &Connection,
        request: &Request,
        id: &SessionId,
        played: Result<PlayReply, PlayError>,
        now: Instant,
    ) -> Step {
        let outcome = self.play_answered(request, id, played, now);
        self.finish(connection, request, outcome)
    }

    /// What the worker said to [`Step::Pause`].
    pub fn paused(
        &self,
        connection: &Connection,
        request: &Request,
        id: &SessionId,
        position: Option<MediaTime>,
    ) -> Step {
        let outcome = self.pause_answered(request, id, position);
        self.finish(connection, request, outcome)
    }

    /// What the worker said to [`Step::Count`].
    pub fn counted(
        &self,
        connection: &Connection,
        request: &Request,
        id: &SessionId,
        counted: Option<ViewerStatistics>,
        now: Instant,
    ) -> Step {
        let outcome = self.parameters_counted(request, id, counted, now);
        self.finish(connection, request, outcome)
    }

    /// A `$` frame came: RTCP is a sign of life and goes to the worker, all else is passed over.
    pub fn interleaved(&self, connection: &Connection, channel: u8, payload: Bytes, now: Instant) {
        if self.recorded(connection, channel, &payload, now) {
            return;
        }
        let Some((id, track)) = connection.rtcp_channel(channel) else { return };
        let mut sessions = self.sessions();
        let Some(session) = sessions.get(id) else { return };
        session.touch(now);
        if let Some(place) = session.tracks().iter().position(|other| other.track == track) {
            self.media.rtcp(session.worker, session.viewer, place, payload);
        }
    }

    /// The connection is gone: so are the sessions whose packets it carried.
    pub fn closed(&self, connection: ConnectionId) {
        self.publications().closed(connection);
        for (id, session) in self.sessions().closed(connection) {
            tracing::info!(session = %id, "ended with its connection");
            self.media.remove(session.worker, session.viewer, false);
        }
    }

    /// Ends the sessions that have run out or failed; call it about once a second.
    pub fn sweep(&self, now: Instant) {
        self.publications().sweep(self.options.timeout + self.options.grace, now);
        let ended = {
            let mut sessions = self.sessions();
            let ended = sessions.sweep(now);
            for (id, session) in sessions.ended() {
                v2::end_of_stream(id, session);
            }
            for (id, session, info) in sessions.slowed() {
                v2::scale_change(id, session, &info);
            }
            ended
        };
        for (id, mut session, why) in ended {
            v2::terminate(&id, &mut session, &why);
            self.end(&id, &session, &why);
        }
    }

    /// How many sessions there are.
    pub fn session_count(&self) -> usize {
        self.sessions().len()
    }

    /// Whether a session that this connection spoke of still lives: then it may be silent.
    pub fn has_sessions(&self, connection: &Connection) -> bool {
        let (sessions, publications) = (self.sessions(), self.publications());
        connection.sessions().any(|id| sessions.contains(id) || publications.contains(id))
    }

    fn end(&self, id: &SessionId, session: &Session, why: &Ended) {
        match why {
            Ended::TimedOut => tracing::info!(session = %id, presentation = session.name, "timed out"),
            Ended::Failed(reason) => {
                tracing::error!(session = %id, presentation = session.name, reason, "playing failed, session ended");
            }
        }
        self.media.remove(session.worker, session.viewer, true);
        for track in session.tracks() {
            // ffmpeg would wait for ever on a connection that stays open without data.
            if let Delivered::Alone(Destination::Interleaved { outbox, .. }) = &track.delivered {
                outbox.close();
            }
        }
    }

    fn dispatch(&self, connection: &mut Connection, request: &Request, now: Instant) -> Outcome {
        match request.method {
            Method::Extension(_) | Method::PlayNotify => {
                let refusal = Refusal::new(StatusCode::NotImplemented, "unknown method");
                return Err(refusal.field(PUBLIC, METHODS));
            }
            Method::Announce | Method::Record if self.publishes(request) => {}
            Method::Announce | Method::Record | Method::Redirect => {
                let refusal = Refusal::new(StatusCode::MethodNotAllowed, "nothing can be published under this name");
                return Err(refusal.field(ALLOW, METHODS));
            }
            _ => {}
        }
        access::require(request)?;
        let target = Target::parse(&request.uri)
            .map_err(|BadTarget| Refusal::new(StatusCode::BadRequest, "not the URL of a presentation"))?;
        if v2::speaks(request) && request.uri.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("rtspu:")) {
            return Err(Refusal::new(StatusCode::NotImplemented, "RTSP over UDP"));
        }
        // Before anything is said about presentations or sessions.
        self.authorize(connection, request, now)?;
        if let Some(place) = self.redirect(request, &target) {
            return Err(Refusal::new(StatusCode::Found, format!("it is at {place}")).field(LOCATION, place));
        }
        if let Some(outcome) = self.publish(connection, request, now) {
            return outcome;
        }
        let session = self.known_session(connection, request, now)?;
        match request.method {
            // What we call ourselves depends on the presentation.
            Method::Options => match target {
                // A channel may have to be waited for, by its own publisher.
                Target::Presentation { name, .. } if session.is_none() && !self.takes_publisher(&name) => {
                    Ok(Step::Open(name))
                }
                _ => Ok(options(request, self.publishes(request))),
            },
            Method::Describe => self.describe_target(request, target),
            Method::Setup => self.setup(connection, request, target, session, now),
            Method::Play => self.play(request, &target, session, now),
            Method::Pause => self.pause(request, &target, session, now),
            Method::Teardown => self.teardown(request, &target, session),
            Method::GetParameter => self.get_parameters(request, session),
            Method::SetParameter => parameters::set(request),
            Method::Announce => match (&self.rules.pushable, session) {
                (Some(pushable), None) => self.announce(pushable, connection, request, target, now),
                _ => Err(Refusal::wrong_state("OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN")),
            },
            Method::Record => Err(Refusal::no_session()),
            _ => Err(Refusal::new(StatusCode::NotImplemented, "unknown method")),
        }
    }

    /// The session that the request names; it is alive then, whatever the request comes to.
    fn known_session(
        &self,
        connection: &mut Connection,
        request: &Request,
        now: Instant,
    ) -> Result<Option<SessionId>, Box<Refusal>> {
        let id = match request.headers.get(SESSION) {
            Some(field) => SessionId::new(SessionField::parse(field).map_err(|_| Refusal::no_session())?.id),
            None => match self.pipelined(connection, request) {
                Some(id) => id,
                None => return Ok(None),
            },
        };
        let mut sessions = self.sessions();
        let session = sessions.get(&id).ok_or_else(Refusal::no_session)?;
        // An id that somebody has overheard is of no use to it.
        if session.user != connection.user {
            return Err(Refusal::no_session());
        }
        session.touch(now);
        if let Err(reason) = session.settle(now) {
            if let Some(session) = sessions.remove(&id) {
                self.end(&id, &session, &Ended::Failed(reason));
            }
            return Err(Refusal::no_session());
        }
        connection.asf = sdp::has_asf(&session.index);
        connection.speaks_of(id.clone());
        Ok(Some(id))
    }

    /// What every reply has, whatever it says.
    fn finish(&self, connection: &Connection, request: &Request, outcome: Outcome) -> Step {
        let step = outcome.unwrap_or_else(|refusal| refusal.into_step());
        let Step::Done(mut answer) = step else { return step };
        let field = request.headers.get(SESSION).and_then(|field| SessionField::parse(field).ok());
        // RFC 7826 18.33: an answer to what was pipelined names the session, too.
        let pipelined = || self.pipelined(connection, request).map(|id| id.to_string());
        if let Some(id) = field.map(|field| field.id).or_else(pipelined)
            && answer.reply.status() != StatusCode::SessionNotFound
            && answer.reply.header(&SESSION).is_none()
            && v2::names_session(request, self.sessions().contains(&SessionId::new(id.clone())))
        {
            answer.reply.insert_header(SESSION, id);
        }
        v2::finish(request, &mut answer.reply);
        if let Ok(Target::Presentation { name, .. }) = Target::parse(&request.uri)
            && let Some(via) = self.rules.relays.via(&name)
        {
            answer.reply.insert_header(VIA, via);
        }
        if connection.asf {
            answer.reply.insert_header(SERVER, ASF_SERVER);
        }
        if let Some(timestamp) = request.headers.get(TIMESTAMP) {
            answer.reply.insert_header(TIMESTAMP, timestamp);
        }
        let options = request.headers.list(CONNECTION).unwrap_or_default();
        if options.split(',').any(|option| option.trim().eq_ignore_ascii_case("close")) {
            answer.reply.insert_header(CONNECTION, "close");
            answer.close = true;
        }
        Step::Done(answer)
    }

    fn sessions(&self) -> MutexGuard<'_, SessionTable> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// GStreamer publishes only where it is told that it can.
fn options(request: &Request, publishing: bool) -> Step {
    let mut reply = reply(StatusCode::Ok);
    // RFC 7826 has no publishing.
    let methods =
        if publishing && !v2::speaks(request) { format!("{METHODS}, ANNOUNCE, RECORD") } else { METHODS.to_owned() };
    reply.insert_header(PUBLIC, methods);
    Step::done(reply)
}
