//! Statements that can't be told from outside, or only by chance, each with the reason.

/// A statement that has no case.
#[derive(Clone, Copy, Debug)]
pub struct Unseen {
    /// As a case's id.
    pub id: &'static str,
    /// RFC and section.
    pub source: &'static str,
    /// What it says.
    pub title: &'static str,
    /// Why it is not tested.
    pub reason: &'static str,
}

/// All of them.
pub const UNSEEN: &[Unseen] = &[
    unseen(
        "R1-DES-14",
        "RFC 2326 11.2",
        "301 and 302 have a Location",
        "needs a redirect in the server's configuration",
    ),
    unseen(
        "R1-PLA-20",
        "RFC 2326 10.5",
        "PLAY requests are queued",
        "a dead letter: no client does it, servers replace, RFC 7826 made that the rule",
    ),
    unseen("R1-PAU-08", "RFC 2326 10.6", "a paused session may end after the timeout", "a MAY: both are right"),
    unseen("R1-SES-03", "RFC 2326 A.2", "a session in Ready may end after a minute", "a MAY: both are right"),
    unseen(
        "R1-PAR-05",
        "RFC 2326 11.3.9",
        "SET_PARAMETER of a read-only parameter gets 458",
        "a server's parameter names are its own",
    ),
    unseen("R1-AUT-04", "RFC 2326 16", "many wrong passwords are slowed down", "would lock out the suite's own user"),
    unseen(
        "RTP-05",
        "RFC 3550 8.2",
        "a collision of SSRCs makes the server take a new one",
        "where RTSP announced the SSRC, changing it breaks clients: rarely done",
    ),
    unseen(
        "RTCP-06",
        "RFC 3550 6.3.5",
        "members time out after five intervals",
        "seen only as the session's end: R1-SES-01",
    ),
    unseen("RTCP-10", "RFC 8108", "an endpoint may send several SSRCs", "a MAY"),
    unseen(
        "FUZ-10",
        "CVE-2021-28899",
        "AC-3, ADTS and AMR files are read safely",
        "needs files of one's own on the server",
    ),
    unseen("FUZ-20", "CVE-2012-6617", "descriptions are made safely", "the record names no request"),
    unseen(
        "FUZ-23",
        "CVE-2026-111183, CVE-2026-119610",
        "clients survive malformed payloads",
        "a matter of clients: every packet is read by strict parsers here",
    ),
];

const fn unseen(id: &'static str, source: &'static str, title: &'static str, reason: &'static str) -> Unseen {
    Unseen { id, source, title, reason }
}
