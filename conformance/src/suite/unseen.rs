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
        "R1-PLA-20",
        "RFC 2326 10.5",
        "PLAY requests are queued",
        "a dead letter: no client does it, servers replace, RFC 7826 made that the rule",
    ),
    unseen("R1-PAU-08", "RFC 2326 10.6", "a paused session may end after the timeout", "a MAY: both are right"),
    unseen("R1-SES-03", "RFC 2326 A.2", "a session in Ready may end after a minute", "a MAY: both are right"),
    unseen(
        "R2-CON-03",
        "RFC 7826 10.4",
        "a slow answer is preceded by 100 every 5 s",
        "nothing that can be asked for takes so long in a server that is well",
    ),
    unseen("R2-RTP-02", "RFC 7826 C.1.6.3", "the circuit breaker of RFC 8083 is there", "tested as RTCP-08"),
    unseen(
        "R2-SEC-01",
        "RFC 7826 19.1, 19.2",
        "Digest, TLS and SRTP are there",
        "Digest and TLS are tested as R1-AUT and R1-TLS with an rtsps URL; keys of SRTP come by MIKEY, which no player of 2.0 sends",
    ),
    unseen("MC-04", "ONVIF", "a group stops when the last has left", "a matter of the server's configuration"),
    unseen(
        "MC-05",
        "RFC 4607, RFC 4570",
        "a join with another source than that of a=source-filter brings nothing",
        "the network and the kernel see to that, not the server",
    ),
    unseen(
        "MC-07f",
        "RFC 2974 4, 5",
        "SAP deletes what is over, and what has changed in its old form",
        "the server's presentations don't change or end from outside; announcements are tested as MC-07 to MC-07e",
    ),
    unseen("MC-08", "RFC 2326 12.39", "groups of IPv6", "needs a server that was told one"),
    unseen(
        "PAY-VC1",
        "RFC 4425",
        "the payload header of VC-1",
        "no server and no receiver is known that would send or take it",
    ),
    unseen(
        "PAY-ROBUST",
        "RFC 5219",
        "the descriptors of mpa-robust",
        "no server is known that sends it: players take MPA as well",
    ),
    unseen(
        "PAY-TTXT",
        "RFC 4396, RFC 8759, AV1 over RTP",
        "the payload headers of 3GPP timed text, TTML and AV1",
        "none of the named players receives them",
    ),
    unseen(
        "PAY-MPS",
        "RFC 2250 2",
        "system and program streams (MP1S, MP2P) travel as bytes",
        "any bytes are right: there is no payload header",
    ),
    unseen(
        "RTCP-06",
        "RFC 3550 6.3.5",
        "members time out after five intervals",
        "seen only as the session's end: R1-SES-01",
    ),
    unseen(
        "RTP-FEC",
        "RFC 5109, RFC 8627",
        "the headers of forward error correction",
        "none of the named servers sends it, and of the named players only GStreamer takes RFC 5109's",
    ),
    unseen(
        "RTP-TIME",
        "RFC 6051, RFC 7273",
        "NTP times in header extensions, clocks named in the description",
        "what they say is about the sender's clocks, which can't be seen from outside",
    ),
    unseen(
        "RTP-SRTP",
        "RFC 3711, RFC 4567",
        "packets are encrypted and authenticated, keys come by MIKEY",
        "no server among the named ones offers it in a description that players take; that keys in the description stay private is RTP-14",
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
