//! What a description says of profiles and extensions beyond RTP/AVP.

use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    description::Media,
};

const TRACKS: &[Need] = &[Need::Tracks];

pub(super) const CASES: &[Case] = &[
    Case::must(
        "RTP-11",
        "RFC 4585 4.2",
        "a=rtcp-fb stands only with a track whose profile has feedback",
        TRACKS,
        |c| {
            let session = c.offer.description.attribute("rtcp-fb");
            ensure(session.is_none(), "no a=rtcp-fb before the first m=", session.unwrap_or(""))?;
            having(
                c,
                "a=rtcp-fb",
                |media| media.attribute("rtcp-fb"),
                |media, value| {
                    ensure(
                        media.profile.ends_with("AVPF"),
                        "RTP/AVPF or RTP/SAVPF with a=rtcp-fb",
                        format!("{} {value}", media.profile),
                    )
                },
            )
        },
    ),
    Case::must("RTP-12", "RFC 5761 4", "where RTCP shares the port no payload type is one of 64 to 95", TRACKS, |c| {
        having(
            c,
            "a=rtcp-mux",
            |media| media.attribute("rtcp-mux"),
            |media, _| {
                let taken = media
                    .formats
                    .iter()
                    .find(|format| format.parse().is_ok_and(|number: u8| (64..=95).contains(&number)));
                ensure(taken.is_none(), "payload types that can't be taken for RTCP", format!("{:?}", media.formats))
            },
        )
    }),
    Case::must("RTP-13", "RFC 4588 8.1", "a retransmission payload type says by apt= what it repeats", TRACKS, |c| {
        let description = c.offer.description.clone();
        let all: Vec<&String> = description.media.iter().flat_map(|media| &media.formats).collect();
        having(
            c,
            "rtx",
            |media| media.attributes("rtpmap").find(|map| map.contains(" rtx/")),
            |media, map| {
                let apt = media.fmtp("apt").ok_or_else(|| fail("apt= in the fmtp of rtx", map))?;
                ensure(all.iter().any(|format| *format == apt), "apt= of a payload type in the description", apt)
            },
        )
    }),
    Case::must(
        "RTP-14",
        "RFC 4568 5, 8.3",
        "keys stand in a description only with SAVP, where nobody else can read it",
        TRACKS,
        |c| {
            let private = c.offer.tls.is_some();
            having(
                c,
                "a=crypto",
                |media| media.attribute("crypto"),
                |media, _| {
                    ensure(media.profile.contains("SAVP"), "RTP/SAVP with a=crypto", &media.profile)?;
                    ensure(private, "keys over TLS only", "a=crypto without TLS")
                },
            )
        },
    ),
];

/// A check of each track that has something; skips where none has.
fn having<'a>(
    c: &'a Context,
    what: &str,
    find: impl Fn(&'a Media) -> Option<&'a str>,
    check: impl Fn(&'a Media, &'a str) -> Verdict,
) -> Verdict {
    let mut found = c.offer.description.media.iter().filter_map(|media| Some((media, find(media)?))).peekable();
    if found.peek().is_none() {
        return Err(skip(format!("no {what} in the description")));
    }
    found.try_for_each(|(media, value)| check(media, value))
}
