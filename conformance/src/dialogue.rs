//! Recorded dialogues of real players, read and said again to the server under test.
//!
//! The recordings' own notation: `T+1.234 #2` heads what happened on TCP connection 2, `C: ` is a line that the
//! client wrote, `S: ` one that the server wrote, `C$` stands for interleaved frames and `CU` for UDP of the client.
//! What went through an HTTP tunnel stands there as text, too.

mod needs;
mod ours;
mod replay;

pub use replay::{Replay, Stage, replay};

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// One dialogue.
#[derive(Clone, Debug, Default)]
pub struct Dialogue {
    /// The file's name without extension.
    pub name: String,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// One thing that the client did.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Seconds since the first connection.
    pub at: f64,
    /// Number of the TCP connection; 0 for UDP.
    pub connection: u32,
    /// What it was.
    pub act: Act,
}

/// What a client did.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// A request: its lines without line ends, the empty one left out, those of its body, and the status that it got when
    /// recorded.
    Request(Vec<String>, Vec<String>, Option<u16>),
    /// The head of a GET or POST, which open a tunnel.
    Http(Vec<String>),
    /// An interleaved frame on this channel.
    Frame(u8),
    /// A datagram from the port of the n-th SETUP: RTP or RTCP, with these bytes where they are known.
    Datagram {
        /// From and to the RTCP port.
        rtcp: bool,
        /// Which SETUP, from 0.
        track: usize,
        /// As recorded.
        bytes: Vec<u8>,
    },
    /// The client closed the connection.
    Close,
}

/// The folder of recordings: `MOBIDIC_DIALOGUES`, or `shared/dialogues` beside the project; `None` where there is none.
pub fn folder() -> Option<PathBuf> {
    let folder = match std::env::var_os("MOBIDIC_DIALOGUES") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/dialogues"),
    };
    folder.is_dir().then_some(folder)
}

/// Reads one recording.
pub fn read(path: &Path) -> Result<Dialogue> {
    let text = String::from_utf8_lossy(&std::fs::read(path)?).into_owned();
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut dialogue = Dialogue { name, events: Vec::new() };
    let (mut at, mut connection) = (0.0, 0);
    let mut request: Option<Vec<String>> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("T+") {
            let mut words = rest.split_whitespace();
            let stamp = words.next().unwrap_or("0").split("..").next().unwrap_or("0");
            at = stamp.parse().with_context(|| line.to_owned())?;
            connection = words.next().and_then(|w| w.strip_prefix('#')).and_then(|w| w.parse().ok()).unwrap_or(0);
            if rest.contains("client closes") || rest.contains("client resets") {
                dialogue.events.push(Event { at, connection, act: Act::Close });
            }
        } else if let Some(line) = line.strip_prefix("C: ").or_else(|| (line == "C:").then_some("")) {
            match (&mut request, line.is_empty()) {
                (Some(lines), true) => {
                    let lines = std::mem::take(lines);
                    let http = lines.first().is_some_and(|first| first.contains(" HTTP/1."));
                    let act = if http { Act::Http(lines) } else { Act::Request(lines, Vec::new(), None) };
                    dialogue.events.push(Event { at, connection, act });
                    request = None;
                }
                (Some(lines), false) => lines.push(line.to_owned()),
                (None, false) if begins(line) => request = Some(vec![line.to_owned()]),
                (None, false) => {
                    if let Some(Event { act: Act::Request(_, body, None), .. }) = dialogue.events.last_mut() {
                        body.push(line.to_owned());
                    }
                }
                (None, true) => {}
            }
        } else if let Some(rest) = line.strip_prefix("S: RTSP/") {
            let status = rest.split_whitespace().nth(1).and_then(|word| word.parse().ok());
            let unanswered = dialogue.events.iter_mut().find_map(|event| match &mut event.act {
                Act::Request(_, _, answer @ None) if event.connection == connection => Some(answer),
                _ => None,
            });
            if let Some(answer) = unanswered {
                *answer = status;
            }
        } else if let Some(rest) = line.strip_prefix("C$ ch=") {
            let channel = rest.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(1);
            dialogue.events.push(Event { at, connection, act: Act::Frame(channel) });
        } else if let Some(rest) = line.strip_prefix("CU udp ") {
            let track = rest.split(['[', ']']).nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
            let hex = rest.split("hex=").nth(1).unwrap_or("").split_whitespace().next().unwrap_or("");
            let bytes = (0..hex.len() / 2).filter_map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok());
            let act = Act::Datagram { rtcp: rest.starts_with("rtcp"), track, bytes: bytes.collect() };
            dialogue.events.push(Event { at, connection: 0, act });
        }
    }
    ensure!(!dialogue.events.is_empty(), "{}: no client said anything", path.display());
    Ok(dialogue)
}

/// Whether a line is the first of a message of the client's.
fn begins(line: &str) -> bool {
    [" RTSP/1.0", " RTSP/2.0", " HTTP/1.0", " HTTP/1.1"].iter().any(|version| line.ends_with(version))
}
