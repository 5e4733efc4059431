//! All sessions of a front, and when they end by themselves.

use super::{ConnectionId, Opened, Session, SessionId};
use crate::playback::TrackInfo;
use crate::worker::{ViewerId, WorkerId};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What bounds the sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionOptions {
    /// Without a sign of life for so long, a session ends; told in SETUP's answer in whole seconds.
    pub timeout: Duration,
    /// Added to it, for the way that a sign of life takes (VLC's keep-alive comes 2 s before the end).
    pub grace: Duration,
    /// Sessions at once; a SETUP beyond it is answered 453.
    pub max_sessions: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(60), grace: Duration::from_secs(5), max_sessions: 20_000 }
    }
}

/// Why a session was ended by the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// No sign of life within the timeout.
    TimedOut,
    /// The worker has given up.
    Failed(String),
}

/// All sessions of a front.
#[derive(Debug)]
pub struct SessionTable {
    options: SessionOptions,
    sessions: HashMap<SessionId, Session>,
    random: StdRng,
    viewers: u64,
}

impl SessionTable {
    /// An empty table whose ids nobody can guess.
    pub fn new(options: SessionOptions) -> Self {
        Self { options, sessions: HashMap::new(), random: StdRng::from_os_rng(), viewers: 0 }
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Makes a session without tracks; `None` when there are too many already.
    pub fn create(&mut self, name: String, opened: Opened, worker: WorkerId, now: Instant) -> Option<SessionId> {
        if self.sessions.len() >= self.options.max_sessions {
            return None;
        }
        let id = SessionId(format!("{:032x}", self.random.random::<u128>()));
        self.viewers += 1;
        let session = Session::new(name, opened, worker, ViewerId(self.viewers), now);
        self.sessions.insert(id.clone(), session);
        Some(id)
    }

    /// A random SSRC, as RFC 3550 section 8.1 wants it.
    pub fn ssrc(&mut self) -> u32 {
        self.random.random()
    }

    /// The session, if it is there.
    pub fn get(&mut self, id: &SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(id)
    }

    /// Whether it is there.
    pub fn contains(&self, id: &SessionId) -> bool {
        self.sessions.contains_key(id)
    }

    /// Forgets it.
    pub fn remove(&mut self, id: &SessionId) -> Option<Session> {
        self.sessions.remove(id)
    }

    /// Takes out the sessions whose packets a closed connection carried.
    pub fn closed(&mut self, connection: ConnectionId) -> Vec<(SessionId, Session)> {
        self.sessions.extract_if(|_, session| session.carrier == Some(connection)).collect()
    }

    /// The sessions whose range was played to its end since the last call.
    pub fn ended(&mut self) -> impl Iterator<Item = (&SessionId, &mut Session)> {
        let ended = |(_, session): &(&SessionId, &mut Session)| session.ended;
        self.sessions.iter_mut().filter(ended).map(|(id, session)| {
            session.ended = false;
            (id, session)
        })
    }

    /// The sessions that another rate came into use for since the last call, each with its tracks' first packets at it.
    pub fn slowed(&mut self) -> impl Iterator<Item = (&SessionId, &mut Session, Vec<TrackInfo>)> {
        self.sessions.iter_mut().filter_map(|(id, session)| {
            let info = session.slowed.take()?;
            Some((id, session, info))
        })
    }

    /// Takes out the sessions that have ended by themselves. A session that a connection carries lives as long
    /// as that: VLC and GStreamer send nothing at all while paused.
    pub fn sweep(&mut self, now: Instant) -> Vec<(SessionId, Session, Ended)> {
        let patience = self.options.timeout + self.options.grace;
        let mut ended = Vec::new();
        for (id, session) in &mut self.sessions {
            if let Err(reason) = session.settle(now) {
                ended.push((id.clone(), Ended::Failed(reason)));
            } else if session.carrier.is_none() && now.saturating_duration_since(session.last_sign) > patience {
                ended.push((id.clone(), Ended::TimedOut));
            }
        }
        let taken = ended.into_iter().map(|(id, why)| {
            let session = self.sessions.remove(&id)?;
            Some((id, session, why))
        });
        taken.flatten().collect()
    }
}
