//! The state table of a session (RFC 2326 A.2).

use rtsp_types::Method;

/// A session's state, without RECORD's. `Init` is a session that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No SETUP has succeeded.
    Init,
    /// Set up, or paused, or the range was played to its end.
    Ready,
    /// PLAY has succeeded.
    Playing,
}

impl State {
    /// The state after `method` has succeeded; `None`: it is not valid in this one (455).
    ///
    /// The table lets SETUP through while playing too, to change the transport; 10.4 allows to refuse that,
    /// and we do.
    pub fn after(self, method: &Method) -> Option<State> {
        match (self, method) {
            (State::Init | State::Ready, Method::Setup) => Some(State::Ready),
            (State::Ready | State::Playing, Method::Play) => Some(State::Playing),
            (State::Playing, Method::Pause) => Some(State::Ready),
            (_, Method::Teardown) => Some(State::Init),
            (state, Method::Options | Method::Describe | Method::GetParameter | Method::SetParameter) => Some(state),
            _ => None,
        }
    }
}
