//! What real players have sent, as recorded: every request must be understood.
//!
//! The recordings are not part of the project; `MOBIDIC_DIALOGUES` says where they lie, else they are looked for
//! in `shared/dialogues` beside the workspace.

use crate::headers::{Accept, Npt, Range, Scale, SessionField, Speed, Transport};
use crate::message::{Framer, HeaderName, Incoming, Method, Request};
use crate::target::Target;
use rtsp_types::headers::{ACCEPT, CONTENT_LENGTH, RANGE, SCALE, SESSION, SPEED, TRANSPORT};
use std::path::{Path, PathBuf};

#[test]
fn every_recorded_request_is_understood() {
    let folder = std::env::var_os("MOBIDIC_DIALOGUES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/dialogues"), PathBuf::from);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no dialogues folder");
        return;
    };
    let mut requests = 0;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let text = std::fs::read_to_string(&path).expect("a dialogue");
            for message in messages(&text) {
                requests += usize::from(check(&path, &message));
            }
        }
    }
    assert!(requests > 1000, "only {requests} requests in {}", folder.display());
    println!("{requests} requests");
}

/// The texts that the client sent: runs of `C: ` lines, up to the empty one. Bodies are not needed: what says
/// its length is given as many blanks.
fn messages(dialogue: &str) -> Vec<String> {
    let mut messages = Vec::new();
    let mut message = String::new();
    for line in dialogue.lines() {
        match line.strip_prefix("C: ").or(line.strip_prefix("C:")) {
            Some("") if !message.is_empty() => messages.push(std::mem::take(&mut message) + "\r\n"),
            Some(line) if !line.is_empty() => message += &format!("{line}\r\n"),
            _ => {}
        }
    }
    messages
}

/// `false` for what is no request by the framer's rules and needs none: HTTP tunnels, later versions, bodies.
fn check(path: &Path, message: &str) -> bool {
    let first = message.lines().next().unwrap_or_default();
    if first.contains(" HTTP/1.") || !first.contains(" RTSP/1.0") && !first.contains(" RTSP/2.0") {
        return false;
    }
    let at = format!("{}: {first}", path.display());
    let mut framer = Framer::new();
    framer.handle(message.as_bytes());
    framer.handle(" ".repeat(body_length(message)).as_bytes());
    let request = match framer.poll() {
        Some(Ok(Incoming::Request(request))) => request,
        other => panic!("{at}: {other:?}"),
    };
    assert_eq!(framer.poll(), None, "{at}");
    Target::parse(&request.uri).unwrap_or_else(|error| panic!("{at}: {error:?}"));
    fields(&at, &request);
    true
}

fn body_length(message: &str) -> usize {
    let length = message.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(CONTENT_LENGTH.as_str()).then(|| value.trim().parse().ok())?
    });
    length.unwrap_or(0)
}

fn fields(at: &str, request: &Request) {
    let each = |name: HeaderName, good: &dyn Fn(&str) -> bool| {
        for value in request.headers.all(name.clone()) {
            assert!(good(value), "{at}: {name}: {value}");
        }
    };
    each(SESSION, &|value| SessionField::parse(value).is_ok());
    each(ACCEPT, &|value| Accept::parse(value).is_ok_and(|accept| accept.takes("application", "sdp")));
    each(SCALE, &|value| Scale::parse(value).is_ok());
    each(SPEED, &|value| Speed::parse(value).is_ok());
    each(TRANSPORT, &|value| Transport::parse_list(value).iter().all(Result::is_ok));
    each(RANGE, &|value| match Range::parse(value) {
        // A backward range (Scale: -1) is read, and refused later.
        Ok(Range::Npt(range)) => range.end != Some(Npt::Now),
        Ok(Range::Smpte(_)) => true,
        Ok(Range::Clock(_)) => true,
        Ok(Range::Other(_)) => false,
        Err(_) => false,
    });
    assert!(!matches!(request.method, Method::Extension(_)), "{at}");
}
