//! One fault for each case on publishers. Each case has a channel of its own.

use super::proxy::Fault::{self, Answer, Dead, Ignore, Lose, Rtcp, Rtp, Status};
use std::sync::atomic::{AtomicU32, Ordering};

fn announces(request: &str) -> bool {
    request.starts_with("ANNOUNCE ")
}

fn records(request: &str) -> bool {
    request.starts_with("RECORD ")
}

/// The channel of a case.
pub fn channel(case: &str) -> String {
    case.to_lowercase()
}

/// Faults in how publishers are answered.
pub const PUBLISHING: &[(&str, Fault)] = &[
    ("R1-REC-01", Answer(|_, a| a.replace("RECORD", "RECORDS"))),
    ("R1-REC-02", Status(announces, 501)),
    ("R1-REC-02b", Status(|q| q.contains("this is not SDP"), 200)),
    ("R1-REC-02c", Status(|q| q.contains("x-nope"), 200)),
    ("R1-REC-03", Answer(|_, a| a.replace("RECORD", "PLAY"))),
    ("R1-REC-04", Lose("Session")),
    ("R1-REC-04b", Status(|q| q.contains("clock="), 501)),
    ("R1-REC-05", Status(records, 200)),
    ("R1-REC-06", Status(records, 455)),
    ("R1-REC-07", Status(|q| q.starts_with("PLAY "), 200)),
    ("R1-REC-08", Status(|q| q.starts_with("PAUSE "), 455)),
    ("R1-REC-09", Status(|q| q.contains("append"), 200)),
    ("R1-REC-10", Ignore(|q| q.starts_with("TEARDOWN "))),
    ("R1-REC-11", Rtp(|p, _| p[20] ^= 0xff)),
    ("R1-REC-12", Rtcp(|p, _| p.clear())),
    (
        "R1-REC-13",
        Answer(|q, a| {
            static RECORDED: AtomicU32 = AtomicU32::new(0);
            let again = records(q) && RECORDED.fetch_add(1, Ordering::Relaxed) > 0;
            if again { a.replacen(" 200 ", " 454 ", 1) } else { a }
        }),
    ),
    (
        "R1-REC-14",
        Answer(|q, a| {
            static ANNOUNCED: AtomicU32 = AtomicU32::new(0);
            let again = announces(q) && ANNOUNCED.fetch_add(1, Ordering::Relaxed) > 0;
            if again { a.replacen(" 200 ", " 403 ", 1) } else { a }
        }),
    ),
    ("R1-REC-15", Dead(|b| b.windows(5).any(|five| five == b"$\0\x05\x78\xff"))),
];
