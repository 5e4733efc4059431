//! TEARDOWN (RFC 2326 section 10.7).

use super::play::is_set_up;
use super::{Outcome, Refusal, Server, Step, Target, multicast, v2};
use crate::headers::{Scale, Speed};
use crate::message::{Request, StatusCode, reply};
use crate::playback::Start;
use crate::sdp;
use crate::session::{Session, SessionId, State};
use crate::worker::PlayRequest;

impl Server {
    pub(super) fn teardown(&self, request: &Request, target: &Target, session: Option<SessionId>) -> Outcome {
        let id = session.ok_or_else(Refusal::no_session)?;
        let mut sessions = self.sessions();
        let session = sessions.get(&id).ok_or_else(Refusal::no_session)?;
        match target {
            // The last ones are all that there are.
            Target::Presentation { name, track: Some(track), .. }
                if *name == session.name && ![sdp::ALL, sdp::RETRANSMISSION].contains(track) =>
            {
                if !is_set_up(session, *track) {
                    return Err(Refusal::new(StatusCode::NotFound, format!("track {track} is not set up")));
                }
                if session.tracks().len() > 1 {
                    return match session.state() {
                        // RFC 7826 13.7.1.
                        State::Playing if v2::speaks(request) => {
                            Err(Refusal::wrong_state("OPTIONS, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER"))
                        }
                        // The others go on without it: from where they stand.
                        State::Playing if !multicast::is_group(session) => {
                            Ok(Step::Pause(session.worker, session.viewer, None, id))
                        }
                        _ => {
                            take_out(session, *track);
                            Ok(Step::done(reply(StatusCode::Ok)))
                        }
                    };
                }
            }
            // Whatever else the URL says (GStreamer and VLC may have lost it), the id says which session it is.
            _ => {}
        }
        if let Some(session) = sessions.remove(&id) {
            self.media.remove(session.worker, session.viewer, true);
            tracing::info!(session = %id, presentation = session.name, "torn down");
        }
        Ok(Step::done(reply(StatusCode::Ok)))
    }

    /// The session stands still to lose one track, and then goes on.
    pub(super) fn take_down(&self, request: &Request, session: &mut Session, id: &SessionId) -> Outcome {
        if let Ok(Target::Presentation { track: Some(track), .. }) = Target::parse(&request.uri) {
            take_out(session, track);
        }
        let play = PlayRequest {
            end: session.range_end(),
            rate: (Scale(session.rate().scale()), Speed(session.rate().speed())),
            ..session.request(Start::Resume)
        };
        Ok(Step::Play(session.worker, Box::new(play), id.clone()))
    }
}

fn take_out(session: &mut Session, id: u32) {
    if let Some(position) = session.index.tracks.iter().position(|track| track.id == id) {
        session.take_down(position);
    }
}
