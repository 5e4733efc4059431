//! R1-DES: the description itself (RFC 2326 C, RFC 4566).

use crate::suite::{
    case::{Case, Need, Verdict, ensure, fail, skip},
    context::Context,
    description::Media,
    message::Request,
};

const TRACKS: &[Need] = &[Need::Tracks];

pub(super) const CASES: &[Case] = &[
    Case::must("R1-DES-04", "RFC 2326 10.2", "the description has all that initialises the media", TRACKS, |c| {
        for media in &c.offer.description.media {
            initialised(media)?;
        }
        Ok(())
    }),
    Case::must(
        "R1-DES-06",
        "RFC 2326 C.1.1, C.3",
        "each of several tracks has its own control URL",
        &[Need::SeveralTracks],
        |c| {
            let mut seen = Vec::new();
            for media in &c.offer.description.media {
                let control = media.attribute("control").ok_or_else(|| fail("a=control in each m=", &media.kind))?;
                ensure(control != "*" && !seen.contains(&control), "a control URL of its own", control)?;
                seen.push(control);
            }
            Ok(())
        },
    ),
    Case::must(
        "R1-DES-06b",
        "RFC 2326 C.2, C.3",
        "an aggregate has a session-level control URL",
        &[Need::SeveralTracks],
        |c| {
            let session = c.offer.description.attribute("control");
            ensure(session.is_some(), "a=control before the first m=", &c.offer.description.text)
        },
    ),
    Case::must("R1-DES-07", "RFC 2326 C.1.6, RFC 4566 5.9", "there is a t= line", TRACKS, |c| {
        let time = c.offer.description.session.iter().find(|(kind, _)| *kind == 't');
        let value = time.map(|(_, value)| value.as_str()).unwrap_or("none");
        let two = value.split_whitespace().filter(|word| word.parse::<u64>().is_ok()).count() == 2;
        ensure(two, "t= with two times", value)
    }),
    Case::should("R1-DES-08", "RFC 2326 C.1.2", "the port of a unicast track is 0", TRACKS, |c| {
        let multicast = |media: &&Media| media.lines.iter().any(|(kind, value)| *kind == 'c' && is_multicast(value));
        for media in c.offer.description.media.iter().filter(|media| !multicast(media)) {
            ensure(media.port == "0", "m=... 0 ...", format!("m={} {}", media.kind, media.port))?;
        }
        Ok(())
    }),
    Case::must(
        "R1-DES-09",
        "RFC 2326 C.1.7, RFC 4566 5.7",
        "there is a c= line, of no address where it is unicast",
        TRACKS,
        connection,
    ),
    Case::should(
        "R1-DES-10",
        "RFC 2326 C.1.5, D.2.1",
        "an on-demand presentation states its range in npt",
        &[Need::Seekable],
        |c| {
            let session = c.offer.description.attribute("range").unwrap_or("");
            let length = c.length()?;
            ensure(session.starts_with("npt=") && length > 0.0, "a=range:npt=START-END before the first m=", session)
        },
    ),
    Case::must("R1-DES-11", "RFC 4566 5", "the lines are in their order and end with CRLF", TRACKS, order),
    Case::must("R1-DES-11b", "RFC 4566 5.2", "o= and s= are well-formed", TRACKS, |c| {
        let value =
            |wanted: char| c.offer.description.session.iter().find(|(kind, _)| *kind == wanted).map(|(_, v)| v.clone());
        let origin = value('o').ok_or_else(|| fail("an o= line", "none"))?;
        let words: Vec<&str> = origin.split_whitespace().collect();
        let good = matches!(words.as_slice(), [_, id, version, "IN", "IP4" | "IP6", address]
            if id.parse::<u64>().is_ok() && version.parse::<u64>().is_ok() && !address.is_empty());
        ensure(good, "o=USER ID VERSION IN IP4 ADDRESS", format!("o={origin}"))?;
        ensure(
            value('s').is_some_and(|name| !name.is_empty()),
            "an s= line that isn't empty",
            &c.offer.description.text,
        )
    }),
    Case::must("R1-DES-11c", "RFC 4566 5.2", "the version of o= is the same while nothing changes", TRACKS, |c| {
        let mut versions = Vec::new();
        for _ in 0..2 {
            let answer = c.ask(&Request::new("DESCRIBE", &c.url()).header("Accept", "application/sdp"))?;
            let text = answer.text();
            let origin = text.lines().find_map(|line| line.strip_prefix("o=")).unwrap_or("").to_owned();
            let mut words = origin.split_whitespace().skip(1).map(str::to_owned);
            versions.push((words.next(), words.next()));
            std::thread::sleep(std::time::Duration::from_millis(1100));
        }
        let (first, second) = (versions.first().cloned(), versions.get(1).cloned());
        if first.as_ref().map(|(id, _)| id) != second.as_ref().map(|(id, _)| id) {
            return Err(skip("each DESCRIBE has a session id of its own, so the versions can't be compared"));
        }
        ensure(first == second, "the same o= line", format!("{first:?}, then {second:?}"))
    }),
    Case::must("R1-DES-11d", "RFC 4566", "a second parser takes the description", TRACKS, |c| {
        let text = c.offer.description.text.clone();
        let read = sdp::SessionDescription::unmarshal(&mut std::io::Cursor::new(text.as_bytes()));
        read.map(drop).map_err(|error| fail("a description that a second parser takes", format!("{error}: {text}")))
    }),
    Case::must("R1-DES-12", "RFC 2326 C.1.3, RFC 4566 6", "each dynamic payload type has its rtpmap", TRACKS, |c| {
        for media in &c.offer.description.media {
            for format in &media.formats {
                let number: u8 = format.parse().map_err(|_| fail("a payload type", format))?;
                let mapped = media.attributes("rtpmap").any(|map| map.split(' ').next() == Some(format));
                ensure(number < 96 || mapped, format!("a=rtpmap:{number} ..."), &c.offer.description.text)?;
            }
        }
        Ok(())
    }),
    Case::interop("R1-DES-12b", "ffmpeg, live555", "a track offers one payload type", TRACKS, |c| {
        for media in &c.offer.description.media {
            ensure(media.formats.len() == 1, "one format in each m=", format!("{:?}", media.formats))?;
        }
        Ok(())
    }),
    Case::interop("R1-DES-17", "live555", "plain streams are announced as RTP/AVP", TRACKS, |c| {
        for media in &c.offer.description.media {
            let plain = ["RTP/AVP", "RTP/SAVP"].contains(&media.profile.as_str());
            ensure(
                plain,
                "RTP/AVP: live555 passes over other profiles",
                format!("m={} {}", media.kind, media.profile),
            )?;
        }
        Ok(())
    }),
];

/// What a decoder needs before the first packet, by encoding.
fn initialised(media: &Media) -> Verdict {
    let (name, _) = media.encoding().ok_or_else(|| fail("an rtpmap or a static payload type", format!("{media:?}")))?;
    let wanted: &[&str] = match name.as_str() {
        "H264" => &["sprop-parameter-sets", "packetization-mode"],
        "H265" => &["sprop-vps", "sprop-sps", "sprop-pps"],
        "MP4V-ES" | "MP4A-LATM" => &["config"],
        "MPEG4-GENERIC" => &["mode", "config"],
        "VORBIS" | "THEORA" => &["configuration"],
        _ => &[],
    };
    for parameter in wanted {
        let there = media.fmtp(parameter).is_some_and(|value| !value.is_empty());
        ensure(there, format!("{parameter} in {name}'s fmtp"), media.attribute("fmtp").unwrap_or("no fmtp"))?;
    }
    Ok(())
}

fn is_multicast(connection: &str) -> bool {
    let address = connection.split_whitespace().nth(2).unwrap_or("").split('/').next().unwrap_or("");
    address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_multicast())
}

fn connection(c: &mut Context) -> Verdict {
    let description = &c.offer.description;
    let of = |lines: &[(char, String)]| lines.iter().find(|(kind, _)| *kind == 'c').map(|(_, value)| value.clone());
    let session = of(&description.session);
    for media in &description.media {
        let value = of(&media.lines).or_else(|| session.clone());
        let value = value.ok_or_else(|| fail("c= for the session or for each m=", &description.text))?;
        let words: Vec<&str> = value.split_whitespace().collect();
        let address = words.get(2).copied().unwrap_or("");
        let formed = matches!(words.as_slice(), ["IN", "IP4" | "IP6", _]);
        let none = address == "0.0.0.0" || address == "::" || is_multicast(&value);
        ensure(formed && none, "c=IN IP4 0.0.0.0 (or IP6 ::) for a unicast track", format!("c={value}"))?;
    }
    Ok(())
}

/// RFC 4566 5: v o s i u e p c b t r z k a, then for each m: i c b k a.
fn order(c: &mut Context) -> Verdict {
    let description = &c.offer.description;
    ensure(description.faults.is_empty(), "lines of the form x=value", description.faults.join("; "))?;
    let bare = description.text.replace("\r\n", "");
    ensure(!bare.contains('\n') && !bare.contains('\r'), "CRLF at the end of every line", &description.text)?;
    let check = |lines: &[(char, String)], order: &str| -> Verdict {
        let places: Vec<_> = lines.iter().map(|(kind, _)| order.find(*kind)).collect();
        ensure(places.is_sorted() && !places.contains(&None), format!("lines in the order {order}"), &description.text)
    };
    let session: Vec<(char, String)> = description.session.clone();
    // "t" and "r" may be repeated in pairs, so they count as one place.
    let session: Vec<_> = session.into_iter().map(|(kind, v)| (if kind == 'r' { 't' } else { kind }, v)).collect();
    check(&session, "vosiuepcbtzka")?;
    description.media.iter().try_for_each(|media| check(&media.lines, "icbka"))
}
