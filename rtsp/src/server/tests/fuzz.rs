//! Random dialogues, right and wrong, over several connections, against the server without sockets of its own: what must
//! always be true of the sessions is looked at after each step. `MOBIDIC_FUZZ_SECONDS` runs on, `MOBIDIC_FUZZ_SEED` sets
//! the first seed; a failure names its own.

use super::{FakeWorkers, Films};
use crate::admission::Admission;
use crate::message::{Framer, Incoming, Request};
use crate::net::outbox::Outbox;
use crate::net::wire::Wire;
use crate::server::{Answer, Connection, Media, Presentations, Rules, Server, Step};
use crate::session::{ConnectionId, SessionOptions};
use crate::worker::ViewerEvent;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UnixStream;

const CONNECTIONS: usize = 4;
const STEPS: usize = 200;
const MAX_SESSIONS: usize = 6;

struct World {
    server: Server,
    workers: Arc<FakeWorkers>,
    connections: Vec<(Connection, UnixStream)>,
    next: u64,
    now: Instant,
    random: StdRng,
    /// Ids of sessions that SETUP has named.
    known: HashSet<String>,
    /// Ids of sessions that are over.
    gone: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let workers = FakeWorkers::start();
        let options = SessionOptions { max_sessions: MAX_SESSIONS, ..SessionOptions::default() };
        let server = Server::new(options, workers.clone(), Admission::default(), Rules::default());
        let mut world = Self {
            server,
            workers,
            connections: Vec::new(),
            next: 0,
            now: Instant::now(),
            random: StdRng::seed_from_u64(seed),
            known: HashSet::new(),
            gone: Vec::new(),
        };
        for _ in 0..CONNECTIONS {
            let connection = world.connect();
            world.connections.push(connection);
        }
        world
    }

    fn connect(&mut self) -> (Connection, UnixStream) {
        let (near, far) = UnixStream::pair().expect("a pair");
        let outbox = Arc::new(Outbox::new(Arc::new(Wire::Local(near)), 1 << 20));
        let address = "127.0.0.1:5000".parse().expect("an address");
        self.next += 1;
        (Connection::new(ConnectionId(self.next), address, address, outbox), far)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from.choose(&mut self.random).copied().unwrap_or_default()
    }

    /// A request of words that players use, and of some that they should not.
    fn text(&mut self) -> String {
        let methods = [
            "SETUP",
            "SETUP",
            "SETUP",
            "PLAY",
            "PLAY",
            "PAUSE",
            "TEARDOWN",
            "OPTIONS",
            "DESCRIBE",
            "GET_PARAMETER",
            "SET_PARAMETER",
            "RECORD",
            "NONSENSE",
        ];
        let paths = [
            "film",
            "film/track1",
            "film/track2",
            "film/track9",
            "single",
            "single/track1",
            "asf/track0",
            "asf/track1",
            "nothing",
            "broken",
            "../x",
            "",
        ];
        let (method, path) = (self.pick(&methods), self.pick(&paths));
        let version = self.pick(&["1.0", "1.0", "1.0", "2.0"]);
        let mut text = format!("{method} rtsp://h/{path} RTSP/{version}\r\nCSeq: 1\r\n");
        let ids: Vec<String> = self.known.iter().chain(&self.gone).cloned().collect();
        if self.random.random_bool(0.8)
            && let Some(id) = ids.choose(&mut self.random)
        {
            text += &format!("Session: {id}\r\n");
        }
        let fields = [
            "Transport: RTP/AVP;unicast;client_port=5000-5001",
            "Transport: RTP/AVP/TCP;unicast;interleaved=0-1",
            "Transport: RTP/AVP/TCP;unicast;interleaved=2-3",
            "Transport: RTP/AVP;unicast;dest_addr=\":5000\"/\":5001\"",
            "Transport: RTP/FOO",
            "Range: npt=0-",
            "Range: npt=5-6",
            "Range: npt=now-",
            "Range: npt=-9",
            "Range: npt=99-",
            "Range: smpte=0:00:05-",
            "Range: clock=20260101T000000Z-",
            "Range: npt=40-3",
            "Scale: 2",
            "Scale: -1",
            "Scale: 0",
            "Speed: 2",
            "Require: x-nope",
            "Pipelined-Requests: 7",
            "Blocksize: 600",
            "Bandwidth: 5",
            "If-Match: \"x\"",
            "Session: guessed",
            "Connection: close",
        ];
        for _ in 0..self.random.random_range(0..4) {
            text += &format!("{}\r\n", self.pick(&fields));
        }
        if method == "SETUP" && self.random.random_bool(0.8) {
            text += &format!("{}\r\n", self.pick(&fields[..3]));
        }
        text + "\r\n"
    }

    async fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..=3 => {
                // A connection goes, and with it what it carried.
                let at = self.random.random_range(0..CONNECTIONS);
                self.server.closed(self.connections[at].0.id);
                self.connections[at] = self.connect();
            }
            4..=6 => {
                // Time passes; what no connection carries may end.
                self.now += Duration::from_secs(self.random.random_range(1..40));
                self.server.sweep(self.now);
            }
            7 => self.workers.tell(&ViewerEvent::EndOfStream),
            8 => {
                self.workers.tell(&ViewerEvent::Failed("made up".into()));
                self.server.sweep(self.now);
            }
            9..=12 => {
                let at = self.random.random_range(0..CONNECTIONS);
                let channel = self.random.random_range(0..5);
                self.server.interleaved(&self.connections[at].0, channel, vec![0x80; 8].into(), self.now);
            }
            _ => {
                let text = self.text();
                let at = self.random.random_range(0..CONNECTIONS);
                let mut framer = Framer::new();
                framer.handle(text.as_bytes());
                match framer.poll() {
                    Some(Ok(Incoming::Request(request))) => self.ask(at, &request).await,
                    other => assert!(matches!(other, Some(Err(_))), "{text}: {other:?}"),
                }
            }
        }
        self.check();
    }

    async fn ask(&mut self, at: usize, request: &Request) {
        let now = self.now;
        let connection = &mut self.connections[at].0;
        let mut step = self.server.begin(connection, request, now);
        let mut turns = 0;
        let answer: Box<Answer> = loop {
            turns += 1;
            assert!(turns < 6, "{request:?}: never answered");
            step = match step {
                Step::Done(answer) => break answer,
                Step::Open(name) => {
                    let opened = Films.open(&name, Duration::ZERO).await;
                    self.server.opened(connection, request, opened, now)
                }
                Step::Play(worker, play, id) => {
                    let played = self.workers.play(worker, *play).await;
                    self.server.played(connection, request, &id, played, now)
                }
                Step::Pause(worker, viewer, time, id) => {
                    let position = self.workers.pause(worker, viewer, time).await;
                    self.server.paused(connection, request, &id, position)
                }
                Step::Count(worker, viewer, id) => {
                    let counted = self.workers.viewer(worker, viewer).await;
                    self.server.counted(connection, request, &id, counted, now)
                }
            };
        };
        let status = u16::from(answer.reply.status());
        assert_ne!(status, 500, "{request:?}");
        assert_eq!(answer.reply.version(), request.version);
        let named = answer.reply.header(&rtsp_types::headers::SESSION).map(|value| value.as_str().to_owned());
        let method: &str = (&request.method).into();
        let asked = request.headers.get(rtsp_types::headers::SESSION);
        if let (200, "SETUP", Some(named)) = (status, method, &named) {
            let id = named.split(';').next().unwrap_or_default().to_owned();
            assert!(asked.is_some_and(|asked| asked == id) || !self.gone.contains(&id), "an id came twice");
            self.known.insert(id);
        }
        if let Some(id) = asked {
            match (status, method) {
                (200, "PLAY") => assert!(self.known.contains(id), "{request:?}: nobody has set it up"),
                // Who was told that it is over must not find it again.
                (454, _) if self.known.remove(id) => self.gone.push(id.to_owned()),
                (454, _) => {}
                (200, _) => assert!(!self.gone.contains(&id.to_owned()), "{request:?}: it was over"),
                _ => {}
            }
        }
    }

    fn check(&self) {
        assert!(self.server.session_count() <= MAX_SESSIONS);
        // Whoever plays has a session: none is forgotten with its viewer left behind.
        assert!(self.workers.viewers() <= self.server.session_count(), "viewers without a session");
    }
}

#[tokio::test]
async fn random_dialogues_leave_the_sessions_in_order() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = variable("MOBIDIC_FUZZ_SEED").unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(variable("MOBIDIC_FUZZ_SECONDS").unwrap_or(3));
    let mut worlds = 0;
    for seed in first.. {
        if Instant::now() >= end {
            break;
        }
        let mut world = World::new(seed);
        let told = Told(seed);
        for _ in 0..STEPS {
            world.step().await;
        }
        // All connections go and all time passes: nothing is left.
        for (connection, _) in &world.connections {
            world.server.closed(connection.id);
        }
        world.server.sweep(world.now + Duration::from_secs(3600));
        assert_eq!((world.server.session_count(), world.workers.viewers()), (0, 0));
        std::mem::forget(told);
        worlds += 1;
    }
    println!("{worlds} worlds of {STEPS} steps");
    assert!(worlds > 0);
}

/// Says which seed it was when a test fails.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("MOBIDIC_FUZZ_SEED={}", self.0);
    }
}
