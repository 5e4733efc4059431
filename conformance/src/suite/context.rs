//! What a case is given: the server's offer, connections to it, sessions, and a capture of it playing.

use crate::suite::{
    capture::{Capture, Captures},
    carry::Carry,
    case::{Verdict, ensure, fail, skip},
    digest::Credentials,
    message::{Request, Response},
    offer::Offer,
    record::Record,
    session::{Lower, Session},
    wire::Wire,
};
use rand::rngs::StdRng;
use std::{sync::Arc, time::Duration};

/// What the user of the suite chose.
#[derive(Clone, Debug)]
pub struct Options {
    /// User and password.
    pub credentials: Option<(String, String)>,
    /// How long an answer may take.
    pub patience: Duration,
    /// How long a capture is.
    pub capture: Duration,
    /// Whether UDP is wanted.
    pub udp: bool,
    /// Whether interleaving is wanted.
    pub tcp: bool,
    /// Whether cases that may harm the server are wanted.
    pub hostile: bool,
    /// The longest session timeout that is waited for.
    pub longest_timeout: Duration,
    /// The URL of another presentation of the same server.
    pub second: Option<String>,
    /// The URL of something of the same server that may be published to.
    pub publish: Option<String>,
    /// The URL of something that the server says is elsewhere.
    pub moved: Option<String>,
    /// Within what the connections go.
    pub carry: Carry,
    /// Within this a new viewer is to be answered, whatever else the server is sent; what the machine itself keeps it
    /// waiting comes on top.
    pub soon: Duration,
    /// How long announcements are waited for; zero: not at all.
    pub announcements: Duration,
    /// Whether the server may be made to let nobody in from here for a while.
    pub lock_out: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            credentials: None,
            patience: Duration::from_secs(5),
            capture: Duration::from_secs(14),
            udp: true,
            tcp: true,
            hostile: false,
            longest_timeout: Duration::from_secs(70),
            second: None,
            publish: None,
            moved: None,
            carry: Carry::Plain,
            soon: Duration::from_millis(100),
            announcements: Duration::ZERO,
            lock_out: false,
        }
    }
}

/// What a case is given.
pub struct Context {
    /// What the server offers.
    pub offer: Arc<Offer>,
    /// What the user chose.
    pub options: Arc<Options>,
    /// The case's dialogue.
    pub record: Record,
    /// How packets travel in this run of the case.
    pub lower: Lower,
    /// A function of the run's seed and the case.
    pub rng: StdRng,
    pub(crate) captures: Arc<Captures>,
}

impl Context {
    /// A connection, with the user's credentials.
    pub fn connect(&self) -> Verdict<Wire> {
        let mut wire = self.connect_bare()?;
        wire.credentials = self.options.credentials.as_ref().map(|(user, word)| Credentials::new(user, word));
        Ok(wire)
    }

    /// A connection without credentials.
    pub fn connect_bare(&self) -> Verdict<Wire> {
        Wire::connect(self.offer.address, self.offer.tls.as_deref(), &self.record, &self.options)
    }

    /// The URL under test.
    pub fn url(&self) -> String {
        self.offer.url.clone()
    }

    /// URL of the n-th track.
    pub fn control(&self, index: usize) -> Verdict<String> {
        self.offer.controls.get(index).cloned().ok_or_else(|| skip(format!("the description has no track {index}")))
    }

    /// Length of the presentation in seconds.
    pub fn length(&self) -> Verdict<f64> {
        self.offer.length.ok_or_else(|| skip("the description states no length"))
    }

    /// A length of at least `seconds`.
    pub fn at_least(&self, seconds: f64) -> Verdict<f64> {
        let length = self.length()?;
        if length < seconds {
            return Err(skip(format!("the presentation is {length} s long, {seconds} s are needed")));
        }
        Ok(length)
    }

    /// Asks one request on a connection of its own.
    pub fn ask(&self, request: &Request) -> Verdict<Response> {
        self.connect()?.ask(request)
    }

    /// A session of all tracks over the transport of this run.
    pub fn session(&mut self) -> Verdict<Session> {
        let all: Vec<usize> = (0..self.offer.controls.len()).collect();
        let lower = self.lower;
        Session::open(self, lower, &all)
    }

    /// A session of these tracks over the transport of this run.
    pub fn session_of(&mut self, tracks: &[usize]) -> Verdict<Session> {
        let lower = self.lower;
        Session::open(self, lower, tracks)
    }

    /// A Transport header for the transport of this run, when nothing will be received.
    pub fn transport(&self) -> String {
        match self.lower {
            Lower::Udp => "RTP/AVP;unicast;client_port=40000-40001".into(),
            Lower::Tcp => "RTP/AVP/TCP;unicast;interleaved=0-1".into(),
        }
    }

    /// The presentation played from its start for some seconds; made once for all cases.
    pub fn capture(&mut self) -> Verdict<Arc<Capture>> {
        let captures = self.captures.clone();
        captures.get(self)
    }

    /// The server is there and in step: OPTIONS on this connection and on a new one.
    pub fn alive(&self, wire: &mut Wire) -> Verdict {
        let options = Request::new("OPTIONS", &self.offer.url);
        let mut answer = wire.ask(&options)?;
        let mine = wire.cseq();
        for _ in 0..8 {
            if answer.header("CSeq") == Some(&mine) {
                break;
            }
            answer = wire.response()?;
        }
        ensure(
            answer.status == 200 && answer.header("CSeq") == Some(&mine),
            "200 to OPTIONS after it",
            answer.brief(),
        )?;
        self.alive_elsewhere()
    }

    /// The server answers a new connection.
    pub fn alive_elsewhere(&self) -> Verdict {
        let answer = self.ask(&Request::new("OPTIONS", &self.offer.url))?;
        ensure(answer.status == 200, "200 to OPTIONS on a new connection", answer.brief())
    }

    /// The answer's status is one of these.
    pub fn status(&self, what: &str, answer: &Response, allowed: &[u16]) -> Verdict {
        if allowed.contains(&answer.status) {
            return Ok(());
        }
        let allowed: Vec<String> = allowed.iter().map(u16::to_string).collect();
        Err(fail(format!("{} to {what}", allowed.join(" or ")), answer.brief()))
    }
}
