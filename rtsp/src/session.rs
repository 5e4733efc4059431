//! Sessions: what SETUP made, by the state table of RFC 2326 A.2.
//!
//! A session is tied to no connection, but one whose packets travel on a connection ends with it: nobody
//! else could receive them. No clock here: `now` is an argument.

use crate::worker::{Destination, PlayTrack, ViewerEvent, ViewerId, WorkerId};
use catalog::index::Index;
use rand::{Rng, SeedableRng, rngs::StdRng};
use rtp::clock::MediaTime;
use rtsp_types::Method;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, error::TryRecvError, unbounded_channel};

/// Names a session: 128 random bits as 32 hexadecimal digits (RFC 2326 section 16: nobody may guess one).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// The id that a viewer sent, whether there is such a session or not.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which TCP connection, in the order of their coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// A.2, without RECORD. `Init` is a session that is not there.
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

/// One track of a session.
#[derive(Clone, Debug)]
pub struct SetUp {
    /// Its place in the index.
    pub track: usize,
    /// The URL of SETUP, byte for byte: `RTP-Info` must name it so.
    pub url: String,
    /// In every packet.
    pub ssrc: u32,
    /// In every packet.
    pub payload_type: u8,
    /// Where the packets go.
    pub destination: Destination,
}

/// What plays, as far as it is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Playing {
    from: MediaTime,
    end: MediaTime,
    since: Instant,
}

/// One viewer's session.
#[derive(Debug)]
pub struct Session {
    /// As the URL names the presentation.
    pub name: String,
    /// The presentation.
    pub index: Arc<Index>,
    /// The thread that sends, or will.
    pub worker: WorkerId,
    /// By which the worker knows it.
    pub viewer: ViewerId,
    /// What was set up, in the order of the index, each track once.
    tracks: Vec<SetUp>,
    playing: Option<Playing>,
    /// Where the last range that was played ends.
    range_end: Option<MediaTime>,
    /// PLAY has succeeded at least once.
    has_played: bool,
    /// The connection that carries packets of this session.
    carrier: Option<ConnectionId>,
    last_sign: Instant,
    events: UnboundedReceiver<ViewerEvent>,
    teller: UnboundedSender<ViewerEvent>,
}

impl Session {
    /// Ready or Playing.
    pub fn state(&self) -> State {
        if self.playing.is_some() { State::Playing } else { State::Ready }
    }

    /// What was set up, in the order of the index.
    pub fn tracks(&self) -> &[SetUp] {
        &self.tracks
    }

    /// The track at `position` of the index, if it was set up.
    pub fn track(&self, position: usize) -> Option<&SetUp> {
        self.tracks.iter().find(|track| track.track == position)
    }

    /// Whether PLAY has ever succeeded: then PAUSE in Ready is no mistake but late.
    pub fn has_played(&self) -> bool {
        self.has_played
    }

    /// Adds a track, or changes one; `carrier` where its packets travel on a connection.
    pub fn set_up(&mut self, track: SetUp, carrier: Option<ConnectionId>) {
        self.tracks.retain(|other| other.track != track.track);
        self.tracks.push(track);
        self.tracks.sort_by_key(|track| track.track);
        self.settle_carrier(carrier);
    }

    /// Takes a track out; what is left may be nothing.
    pub fn take_down(&mut self, position: usize) {
        self.tracks.retain(|track| track.track != position);
        self.settle_carrier(self.carrier);
    }

    fn settle_carrier(&mut self, carrier: Option<ConnectionId>) {
        let carried = self.tracks.iter().any(|track| matches!(track.destination, Destination::Interleaved { .. }));
        self.carrier = carrier.or(self.carrier).filter(|_| carried);
    }

    /// The connection that carries its packets, if one does.
    pub fn carrier(&self) -> Option<ConnectionId> {
        self.carrier
    }

    /// What the worker is asked to play.
    pub fn play_tracks(&self) -> Vec<PlayTrack> {
        let track = |track: &SetUp| PlayTrack {
            track: track.track,
            ssrc: track.ssrc,
            payload_type: track.payload_type,
            destination: track.destination.clone(),
        };
        self.tracks.iter().map(track).collect()
    }

    /// Where the worker tells what happens.
    pub fn teller(&self) -> UnboundedSender<ViewerEvent> {
        self.teller.clone()
    }

    /// PLAY has succeeded.
    pub fn played(&mut self, from: MediaTime, end: MediaTime, now: Instant) {
        self.playing = Some(Playing { from, end, since: now });
        self.range_end = Some(end);
        self.has_played = true;
    }

    /// PAUSE has succeeded.
    pub fn paused(&mut self) {
        self.playing = None;
    }

    /// What plays right now, to within what the network adds, and where it will end.
    pub fn position(&self, now: Instant) -> Option<(MediaTime, MediaTime)> {
        let playing = self.playing?;
        let position = playing.from.plus(now.saturating_duration_since(playing.since));
        Some((position.min(playing.end), playing.end))
    }

    /// Where the last range that was played ends.
    pub fn range_end(&self) -> Option<MediaTime> {
        self.range_end
    }

    /// The viewer has given a sign of life.
    pub fn touch(&mut self, now: Instant) {
        self.last_sign = self.last_sign.max(now);
    }

    /// Takes in what the worker has told since the last time.
    ///
    /// # Errors
    /// The worker has given this viewer up; why is for people.
    pub fn settle(&mut self, now: Instant) -> Result<(), String> {
        loop {
            match self.events.try_recv() {
                Ok(ViewerEvent::Alive) => self.touch(now),
                // A.2: Ready at the end of the range; the session stays until TEARDOWN or its timeout.
                Ok(ViewerEvent::EndOfStream) => self.playing = None,
                Ok(ViewerEvent::Failed(reason)) => return Err(reason),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }
}

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
    pub fn create(&mut self, name: String, index: Arc<Index>, worker: WorkerId, now: Instant) -> Option<SessionId> {
        if self.sessions.len() >= self.options.max_sessions {
            return None;
        }
        let id = SessionId(format!("{:032x}", self.random.random::<u128>()));
        self.viewers += 1;
        let (teller, events) = unbounded_channel();
        let session = Session {
            name,
            index,
            worker,
            viewer: ViewerId(self.viewers),
            tracks: Vec::new(),
            playing: None,
            range_end: None,
            has_played: false,
            carrier: None,
            last_sign: now,
            events,
            teller,
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::fake;
    use std::collections::HashSet;

    fn udp(track: usize) -> SetUp {
        let address = "127.0.0.1:5000".parse().expect("an address");
        let destination = Destination::Udp { rtp: address, rtcp: address };
        SetUp { track, url: format!("rtsp://h/film/trackID={}", track + 1), ssrc: 1, payload_type: 32, destination }
    }

    fn table(max_sessions: usize) -> SessionTable {
        SessionTable::new(SessionOptions { max_sessions, ..SessionOptions::default() })
    }

    fn create(table: &mut SessionTable, now: Instant) -> Option<SessionId> {
        table.create("film".into(), Arc::new(fake::film()), WorkerId(0), now)
    }

    #[test]
    fn methods_lead_from_state_to_state_by_the_rfc() {
        use Method::*;
        use State::{Init, Playing, Ready};
        let cases = [
            (Init, Setup, Some(Ready)),
            (Init, Teardown, Some(Init)),
            (Init, Method::Play, None),
            (Init, Pause, None),
            (Ready, Method::Play, Some(Playing)),
            (Ready, Setup, Some(Ready)),
            (Ready, Teardown, Some(Init)),
            (Ready, Pause, None),
            (Ready, Record, None),
            (Playing, Method::Play, Some(Playing)),
            (Playing, Pause, Some(Ready)),
            (Playing, Teardown, Some(Init)),
            (Playing, Setup, None),
            (Playing, GetParameter, Some(Playing)),
            (Playing, Options, Some(Playing)),
        ];
        for (state, method, after) in cases {
            assert_eq!(state.after(&method), after, "{method:?} in {state:?}");
        }
    }

    #[test]
    fn ids_are_long_random_and_never_twice() {
        let mut table = table(1000);
        let ids: HashSet<_> = (0..1000).filter_map(|_| create(&mut table, Instant::now())).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.0.len() == 32 && id.0.bytes().all(|byte| byte.is_ascii_hexdigit())));
        assert_eq!(create(&mut table, Instant::now()), None);
    }

    #[test]
    fn a_session_ends_a_timeout_after_the_last_sign_of_life() {
        let start = Instant::now();
        let later = |secs| start + Duration::from_secs(secs);
        let mut table = table(10);
        let id = create(&mut table, start).expect("a session");
        table.get(&id).expect("it").set_up(udp(0), None);
        assert_eq!(table.sweep(later(64)).len(), 0);
        table.get(&id).expect("it").touch(later(60));
        assert_eq!(table.sweep(later(120)).len(), 0);
        table.get(&id).expect("it").teller().send(ViewerEvent::Alive).expect("a reader");
        assert_eq!(table.sweep(later(124)).len(), 0);
        assert_eq!(table.sweep(later(188)).len(), 0);
        let ended = table.sweep(later(190));
        assert_eq!((ended.len(), &ended[0].2), (1, &Ended::TimedOut));
        assert!(table.is_empty());
    }

    #[test]
    fn the_end_of_the_range_makes_a_session_ready_and_a_failure_ends_it() {
        let now = Instant::now();
        let mut table = table(10);
        let id = create(&mut table, now).expect("a session");
        let session = table.get(&id).expect("it");
        session.played(MediaTime::ZERO, MediaTime(5_000_000_000), now);
        let (position, end) = session.position(now + Duration::from_secs(2)).expect("it plays");
        assert_eq!((position, end), (MediaTime(2_000_000_000), MediaTime(5_000_000_000)));
        assert_eq!(session.position(now + Duration::from_secs(20)).expect("it plays").0, end);
        session.teller().send(ViewerEvent::EndOfStream).expect("a reader");
        session.settle(now).expect("no failure");
        assert_eq!((session.state(), session.has_played(), session.position(now)), (State::Ready, true, None));
        session.teller().send(ViewerEvent::Failed("node gone".into())).expect("a reader");
        assert_eq!(table.sweep(now)[0].2, Ended::Failed("node gone".into()));
    }

    #[test]
    fn tracks_are_kept_in_the_order_of_the_index_and_each_once() {
        let now = Instant::now();
        let mut table = table(10);
        let id = create(&mut table, now).expect("a session");
        let session = table.get(&id).expect("it");
        for track in [1, 0, 1] {
            session.set_up(udp(track), None);
        }
        assert_eq!(session.tracks().iter().map(|track| track.track).collect::<Vec<_>>(), [0, 1]);
        session.take_down(0);
        assert!(session.track(0).is_none() && session.track(1).is_some());
        assert_eq!(table.closed(ConnectionId(1)).len(), 0);
    }
}
