//! What a case is: a statement of a standard, and a function that puts it to a server.

use crate::suite::context::Context;
use std::fmt;

/// One statement that can be tested from outside.
#[derive(Clone, Copy)]
pub struct Case {
    /// Unique; stable over releases: `R1-MSG-01`.
    pub id: &'static str,
    /// Where it is said: RFC and sections, or the clients that rely on it.
    pub source: &'static str,
    /// How binding it is.
    pub level: Level,
    /// What must hold, in one line.
    pub title: &'static str,
    /// What the server must offer for the case to mean something.
    pub needs: &'static [Need],
    /// Puts it to the server.
    pub run: fn(&mut Context) -> Verdict,
}

/// How binding a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// MUST, SHALL, REQUIRED of the standard.
    Must,
    /// SHOULD, RECOMMENDED of the standard.
    Should,
    /// No standard's demand, but named clients depend on it, or the server must survive it.
    Interop,
}

/// What a case needs of the server or of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A description with at least one track.
    Tracks,
    /// At least two tracks.
    SeveralTracks,
    /// An on-demand presentation: its description states a range with both ends.
    Seekable,
    /// A live presentation.
    Live,
    /// RTP over UDP is offered and wanted.
    Udp,
    /// RTP in the RTSP connection is offered and wanted.
    Tcp,
    /// RTP over multicast is offered.
    Multicast,
    /// RTSP 2.0 is spoken.
    Version2,
    /// The URL is protected and `--user` was given.
    Credentials,
    /// The URL can be read by everybody.
    Open,
    /// A track with this encoding name.
    Encoding(&'static str),
    /// A second URL was given on the command line.
    SecondUrl,
    /// A URL that may be published to was given on the command line.
    Publish,
    /// A URL that is redirected was given on the command line.
    Moved,
    /// Announcements are to be waited for.
    Announced,
    /// The suite's own address may be locked out for a while.
    LockOut,
    /// The case takes longer than the session timeout that the server states.
    Timeout,
    /// The case may harm a weak server: only with `--hostile`.
    Hostile,
    /// The case must not share the server with other cases.
    Alone,
    /// The case runs once for UDP and once for TCP, where both are offered.
    EachTransport,
}

/// How a case ends when it does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The statement doesn't hold.
    Fail {
        /// What was expected.
        expected: String,
        /// What came.
        came: String,
    },
    /// It can't be told with this server.
    Skip(String),
}

/// `Ok` where the statement holds.
pub type Verdict<T = ()> = Result<T, Stop>;

/// What a run of one case says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It doesn't: expected, came.
    Fail(String, String),
    /// Not tried, and why.
    Skip(String),
}

/// The failure that says what was expected and what came.
pub fn fail(expected: impl Into<String>, came: impl fmt::Display) -> Stop {
    let mut came = came.to_string();
    if let Some((at, _)) = came.char_indices().nth(CAME_LIMIT) {
        came.truncate(at);
        came.push_str(" ...");
    }
    Stop::Fail { expected: expected.into(), came }
}

/// A case that can't be judged, and why.
pub fn skip(reason: impl Into<String>) -> Stop {
    Stop::Skip(reason.into())
}

/// `fail` unless `holds`.
pub fn ensure(holds: bool, expected: impl Into<String>, came: impl fmt::Display) -> Verdict {
    if holds { Ok(()) } else { Err(fail(expected, came)) }
}

/// Characters of an answer that a verdict quotes: a server may answer with megabytes.
const CAME_LIMIT: usize = 600;

impl Case {
    /// A MUST.
    pub const fn must(
        id: &'static str,
        source: &'static str,
        title: &'static str,
        needs: &'static [Need],
        run: fn(&mut Context) -> Verdict,
    ) -> Self {
        Self { id, source, level: Level::Must, title, needs, run }
    }

    /// A SHOULD.
    pub const fn should(
        id: &'static str,
        source: &'static str,
        title: &'static str,
        needs: &'static [Need],
        run: fn(&mut Context) -> Verdict,
    ) -> Self {
        Self { id, source, level: Level::Should, title, needs, run }
    }

    /// What clients depend on, or what a server must survive.
    pub const fn interop(
        id: &'static str,
        source: &'static str,
        title: &'static str,
        needs: &'static [Need],
        run: fn(&mut Context) -> Verdict,
    ) -> Self {
        Self { id, source, level: Level::Interop, title, needs, run }
    }

    /// Whether the case has this need.
    pub fn needs(&self, need: Need) -> bool {
        self.needs.contains(&need)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::Interop => "INTEROP",
        })
    }
}

impl Outcome {
    /// One word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(..) => "FAIL",
            Self::Skip(_) => "skip",
        }
    }
}
