//! Many at once: connections that say half a request, or a letter now and then.

use super::{ALONE, still_there};
use crate::suite::{
    carry::Carry,
    case::{Case, Verdict, fail, skip},
    context::Context,
    message::Request,
    session::Lower,
    wire::Wire,
};
use std::{
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

pub(super) const CASES: &[Case] = &[
    Case::interop(
        "FUZ-13",
        "CVE-2021-39282, CVE-2021-39283",
        "a hundred viewers set up, play and leave at once",
        ALONE,
        |c| {
            c.lower = Lower::Tcp;
            let mut sessions = Vec::new();
            for _ in 0..100 {
                let mut session = c.session_of(&[0])?;
                let play = session.request("PLAY").bytes(50);
                session.wire.send_quietly(&play)?;
                sessions.push(session);
            }
            still_there(c, "a hundred viewers that play")?;
            drop(sessions);
            still_there(c, "a hundred viewers that left")
        },
    ),
    Case::interop(
        "FUZ-15",
        "CVE-2023-37117",
        "SETUP again and again while another connection ends the session",
        ALONE,
        |c| {
            let url = c.control(0)?;
            for _ in 0..20 {
                let mut session = c.session_of(&[0])?;
                let setup = Request::new("SETUP", &url).header("Transport", c.transport());
                let again = setup.header("Session", &session.id).bytes(60);
                let mut other = c.connect()?;
                let _ = session.wire.send_quietly(&again.repeat(5));
                let _ = other.ask(&session.request("TEARDOWN"));
                let _ = session.wire.send_quietly(&again.repeat(5));
            }
            still_there(c, "SETUP of sessions that ended")
        },
    ),
    Case::interop(
        "FUZ-39",
        "CVE-2021-41396",
        "viewers are answered while 10,000 connections have said half a request",
        ALONE,
        |c| {
            // Of whatever comes first on a connection.
            let half = match (&c.offer.tls, c.options.carry) {
                (Some(_), _) => "\u{16}\u{3}\u{1}\u{2}".to_owned(),
                (None, Carry::Plain) => format!("OPTIONS {} RTSP/1.0\r\nCSeq: 1\r\n", c.url()),
                (None, Carry::Http | Carry::WebSocket) => "GET / HTTP/1.1\r\nHost: a\r\n".to_owned(),
            };
            let mut wires = Vec::new();
            let most = descriptors().min(CROWD);
            while wires.len() < most {
                let Ok(mut wire) = TcpStream::connect_timeout(&c.offer.address, c.options.patience) else { break };
                let _ = wire.write_all(half.as_bytes());
                wires.push(wire);
            }
            c.record.remark(0, &format!("{} connections are open", wires.len()));
            if wires.len() < 100 {
                return Err(skip(format!("only {} connections could be opened", wires.len())));
            }
            // Who comes right behind them stands in one line with them: the kernel's.
            let request = Request::new("OPTIONS", &c.url());
            c.ask(&request).map_err(|_| fail(format!("an answer behind {} connections", wires.len()), "none"))?;
            still_there(c, &format!("{} half-open connections, while they are open", wires.len()))?;
            std::thread::scope(|scope| {
                let ending = scope.spawn(move || drop(wires));
                while !ending.is_finished() {
                    still_there(c, "the end of some of them, while the others end")?;
                }
                still_there(c, "their end")
            })
        },
    ),
    Case::interop(
        "FUZ-40",
        "generic",
        "viewers are answered while 300 connections send their headers a letter at a time",
        ALONE,
        slowly,
    ),
];

/// Connections at once.
const CROWD: usize = 10_000;

/// Descriptors that this process may open, about; the limit is raised as far as it may be.
fn descriptors() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit of ours for the length of the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return 0;
    }
    let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
    // SAFETY: as above; the call only reads it.
    let most = if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } == 0 { raised } else { limit };
    usize::try_from(most.rlim_cur).unwrap_or(usize::MAX).saturating_sub(RESERVE)
}

/// Descriptors that are left for everything else.
const RESERVE: usize = 200;

fn slowly(c: &mut Context) -> Verdict {
    let text = format!("OPTIONS {} RTSP/1.0\r\nCSeq: 1\r\nX-Slow: {}", c.url(), "s".repeat(1000));
    let mut wires: Vec<Wire> = (0..300).map_while(|_| c.connect_bare().ok()).collect();
    if wires.len() < 10 {
        return Err(fail("300 connections", wires.len()));
    }
    let (end, mut letters) = (Instant::now() + Duration::from_secs(3), text.as_bytes().chunks(1));
    while Instant::now() < end {
        let Some(letter) = letters.next() else { break };
        for wire in &mut wires {
            let _ = wire.send_quietly(letter);
        }
        still_there(c, "a letter on each of 300 connections")?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
