//! The session description that answers DESCRIBE (RFC 4566, RFC 2326 appendix C).
//!
//! Controls are relative (`track1`) under a Content-Base that ends in a slash: so resolving them by
//! RFC 1808 and just putting them behind the base, as ffmpeg, live555 and GStreamer do, give the same.

use crate::headers::{ClockRange, UtcTime};
use ::sdp::SessionDescription;
use ::sdp::description::common::{Address, Attribute, Bandwidth, ConnectionInformation};
use ::sdp::description::media::{MediaDescription, MediaName, RangedPort};
use ::sdp::description::session::{Origin, TimeDescription, Timing};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use catalog::index::{Index, Track};
use rtp::asf::header::Header;
use rtp::clock::MediaTime;
use rtp::format::{Format, Media};
use std::net::IpAddr;

mod dialect;

pub use dialect::Dialect;

/// What comes before the track's id in its control URL.
pub const CONTROL: &str = "track";

/// The id in the control URL of all ASF tracks together, on one `m=` line. Tracks' own ids begin at 1.
pub const ALL: u32 = 0;

/// The id in the control URL of the retransmissions of ASF tracks, which is their stream number, too
/// (\[MS-RTSP\] 2.2.5.3). No presentation has as many tracks.
pub const RETRANSMISSION: u32 = 65_536;

/// The id of the track that is all tracks as one transport stream.
pub const TRANSPORT_STREAM: u32 = 65_537;

/// What begins the line with the ASF header: ffmpeg wants it to the letter.
const ASF_HEADER: &str = "data:application/vnd.ms.wms-hdr.asfv1;base64,";

/// live555 reads at most 20 000 bytes of an answer, head and all.
pub const MAX_DESCRIPTION: usize = 19_000;

/// Characters of a title: a film's name, not a book.
const MAX_TITLE: usize = 200;

/// The first payload type that is free for a session (RFC 3551 section 6).
const FIRST_DYNAMIC: u8 = 96;

/// The payload type of the track at `position`: the format's own, else one that no other track has.
pub fn payload_type(index: &Index, position: usize) -> u8 {
    let Some(track) = index.tracks.get(position) else { return FIRST_DYNAMIC };
    track.format.static_payload_type().unwrap_or_else(|| {
        // ASF tracks may be one source and then have one type.
        let first_asf = is_asf(track).then(|| index.tracks.iter().position(is_asf)).flatten();
        let position = first_asf.unwrap_or(position);
        let before = index.tracks[..position].iter().filter(|track| track.format.static_payload_type().is_none());
        // 32 tracks have one of their own; more than that no description could hold.
        FIRST_DYNAMIC + u8::try_from(before.count() % 32).unwrap_or(0)
    })
}

/// Changes when, and only when, the presentation does: the value of `a=etag` (RFC 2326 C.1.8).
pub fn entity_tag(index: &Index) -> String {
    format!("\"{:016x}-{:x}\"", session_id(&index.name), index.created)
}

/// Whether a track travels in ASF packets.
pub fn is_asf(track: &Track) -> bool {
    matches!(track.format, Format::Asf { .. })
}

/// Whether any track does: players must then be spoken to as Windows Media Services would.
pub fn has_asf(index: &Index) -> bool {
    index.tracks.iter().any(is_asf)
}

/// The description, as seen by a viewer who reached us at `local`.
pub fn describe(index: &Index, local: IpAddr, dialect: Dialect) -> String {
    description(index, local, dialect, range(index, dialect))
}

/// The same of a channel: it has no end, and begins now (RFC 2326 C.1.5), or when what is kept of it does.
pub fn describe_live(index: &Index, kept_from: Option<UtcTime>, local: IpAddr, dialect: Dialect) -> String {
    let range = match kept_from {
        Some(start) => ClockRange { start: Some(start), end: None }.to_string(),
        None => "npt=now-".into(),
    };
    description(index, local, dialect, range)
}

fn description(index: &Index, local: IpAddr, dialect: Dialect, range: String) -> String {
    let (address_type, unspecified) = match local.to_canonical() {
        IpAddr::V4(_) => ("IP4", "0.0.0.0"),
        IpAddr::V6(_) => ("IP6", "::"),
    };
    let one_line = dialect == Dialect::Gstreamer && index.tracks.iter().filter(|track| is_asf(track)).count() > 1;
    let leader = index.tracks.iter().position(|track| is_asf(track) && track.format.media() == Media::Video);
    let leader = leader.or_else(|| index.tracks.iter().position(is_asf));
    let is_quicktime = |track: &Track| matches!(track.format, Format::QuickTime { .. });
    let unheard = dialect == Dialect::Gstreamer && !index.tracks.iter().all(is_quicktime);
    let told = |position: usize, track: &Track| {
        let follows = one_line && is_asf(track) && Some(position) != leader;
        let silent = unheard && is_quicktime(track);
        !(follows || silent)
    };
    let tracks = index.tracks.iter().enumerate().filter(|(position, track)| told(*position, track));
    let mut media: Vec<_> = tracks
        .map(|(position, track)| {
            let id = if one_line && is_asf(track) { ALL } else { track.id };
            media(track, id, payload_type(index, position), dialect)
        })
        .collect();
    let mut attributes = vec![
        attribute("tool", crate::message::SERVER),
        attribute("control", "*"),
        attribute("range", &range),
        attribute("mtag", &entity_tag(index)),
        attribute("etag", &entity_tag(index)),
    ];
    let sized = index.tracks.iter().map(|track| (&track.format, track.samples.bytes()));
    if let Some(header) = Header::new(sized, index.duration) {
        attributes.push(attribute("maxps", &header.max_packet.to_string()));
        attributes.push(attribute("pgmpu", &format!("{ASF_HEADER}{}", BASE64.encode(header.bytes))));
        media.push(retransmission(leader.map_or(FIRST_DYNAMIC, |leader| payload_type(index, leader))));
    }
    let description = SessionDescription {
        version: 0,
        origin: Origin {
            username: "-".into(),
            session_id: session_id(&index.name),
            session_version: u64::try_from(index.created).unwrap_or(0),
            network_type: "IN".into(),
            address_type: address_type.into(),
            unicast_address: local.to_canonical().to_string(),
        },
        session_name: title(index),
        // RFC 2326 C.1.7: the viewer's address is agreed upon in SETUP.
        connection_information: Some(ConnectionInformation {
            network_type: "IN".into(),
            address_type: address_type.into(),
            address: Some(Address { address: unspecified.into(), ttl: None, range: None }),
        }),
        time_descriptions: vec![TimeDescription {
            timing: Timing { start_time: 0, stop_time: 0 },
            repeat_times: Vec::new(),
        }],
        attributes,
        media_descriptions: media,
        ..SessionDescription::default()
    };
    description.marshal()
}

/// A track's lines.
pub(crate) fn media(track: &Track, id: u32, payload_type: u8, dialect: Dialect) -> MediaDescription {
    let mut attributes = vec![attribute("rtpmap", &format!("{payload_type} {}", dialect.rtpmap(&track.format)))];
    if let Some(parameters) = track.format.fmtp() {
        attributes.push(attribute("fmtp", &format!("{payload_type} {parameters}")));
    }
    if let Some(language) = track.language.as_deref().filter(|language| is_language(language)) {
        attributes.push(attribute("lang", language));
    }
    attributes.push(attribute("control", &format!("{CONTROL}{id}")));
    if let Format::Asf { stream, .. } = &track.format {
        attributes.push(attribute("stream", &stream.to_string()));
    }
    MediaDescription {
        media_name: MediaName {
            media: match track.format.media() {
                Media::Audio => "audio".into(),
                Media::Video => "video".into(),
                Media::Text => "text".into(),
            },
            port: RangedPort { value: 0, range: None },
            protos: vec!["RTP".into(), "AVP".into()],
            formats: vec![payload_type.to_string()],
        },
        bandwidth: vec![Bandwidth {
            experimental: false,
            bandwidth_type: "AS".into(),
            bandwidth: u64::from(track.bandwidth_bps).div_ceil(1000).max(1),
        }],
        attributes,
        ..MediaDescription::default()
    }
}

/// ffmpeg plays ASF over UDP only where there is such a line, and sets it up. Nothing is ever sent again.
fn retransmission(payload_type: u8) -> MediaDescription {
    MediaDescription {
        media_name: MediaName {
            media: "application".into(),
            port: RangedPort { value: 0, range: None },
            protos: vec!["RTP".into(), "AVP".into()],
            formats: vec![payload_type.to_string()],
        },
        attributes: vec![
            attribute("rtpmap", &format!("{payload_type} x-wms-rtx/1000")),
            // Its end is what ffmpeg knows it by.
            attribute("control", &format!("{CONTROL}{RETRANSMISSION}/rtx")),
            attribute("stream", &RETRANSMISSION.to_string()),
        ],
        ..MediaDescription::default()
    }
}

/// One line, without anything that could begin another; `s=` must not be empty (RFC 4566 5.3).
pub(crate) fn title(index: &Index) -> String {
    let one_line = |text: &str| {
        let text: String =
            text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(MAX_TITLE).collect();
        text.trim().to_owned()
    };
    [one_line(&index.title), one_line(&index.name)].into_iter().find(|text| !text.is_empty()).unwrap_or("-".into())
}

/// When it plays. Where GStreamer 1.22 is told an end, its jitter buffer fills and empties by levels for ASF, and one that
/// is filling when the stream ends gives out neither what it holds nor the end: the film stands still for ever. It has
/// the duration from the ASF header, and seeks all the same.
fn range(index: &Index, dialect: Dialect) -> String {
    match dialect == Dialect::Gstreamer && has_asf(index) {
        true => "npt=0-".into(),
        false => format!("npt=0-{}", seconds_up(index.duration)),
    }
}

/// Rounded up to the millisecond: who asks for all of it must not lose the last picture.
fn seconds_up(duration: MediaTime) -> String {
    let millis = u64::try_from(duration.0).unwrap_or(0).div_ceil(1_000_000);
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// ISO 639 letters, perhaps with subtags (RFC 4566 section 6, `lang`).
fn is_language(text: &str) -> bool {
    (2..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

pub(crate) fn attribute(key: &str, value: &str) -> Attribute {
    Attribute::new(key.into(), Some(value.into()))
}

/// Of the name: FNV-1a, kept within 63 bits for those who read it as signed.
pub(crate) fn session_id(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step) >> 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::fake;
    use std::net::Ipv4Addr;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_description_has_its_lines_in_the_order_of_the_rfc() {
        let text = describe(&fake::film(), LOCAL, Dialect::Any);
        let lines: Vec<&str> = text.split("\r\n").collect();
        let expected = [
            "v=0",
            "o=- ",
            "s=A film",
            "c=IN IP4 0.0.0.0",
            "t=0 0",
            "a=tool:mobidic/",
            "a=control:*",
            "a=range:npt=0-60.000",
            "a=mtag:\"",
            "a=etag:\"",
            "m=video 0 RTP/AVP 32",
            "b=AS:1000",
            "a=rtpmap:32 MPV/90000",
            "a=control:track1",
            "m=audio 0 RTP/AVP 14",
            "b=AS:128",
            "a=rtpmap:14 MPA/90000",
            "a=lang:en",
            "a=control:track2",
            "",
        ];
        assert_eq!(lines.len(), expected.len(), "{text}");
        for (line, start) in lines.iter().zip(expected) {
            assert!(line.starts_with(start), "{line} does not begin with {start}");
        }
        let origin: Vec<&str> = lines[1].split(' ').collect();
        assert_eq!(origin[3..], ["IN", "IP4", "127.0.0.1"]);
    }

    #[test]
    fn a_title_can_not_add_lines_and_another_parser_reads_it_back() {
        let mut film = fake::film();
        film.title = "Two\r\na=control:rtsp://elsewhere/\nlines\0".into();
        film.tracks[0].language = Some("x\r\nm=".into());
        let text = describe(&film, "::1".parse().expect("an address"), Dialect::Any);
        assert_eq!(text.lines().filter(|line| line.starts_with("a=control:")).count(), 3);
        let parsed = SessionDescription::unmarshal(&mut std::io::Cursor::new(text.as_bytes())).expect("a description");
        assert_eq!(parsed.session_name, "Two  a=control:rtsp://elsewhere/ lines");
        assert_eq!(parsed.marshal(), text);
        film.title = "\n".into();
        assert!(describe(&film, LOCAL, Dialect::Any).contains("\r\ns=film\r\n"));
        film.title = "x".repeat(100_000);
        assert!(describe(&film, LOCAL, Dialect::Any).len() < 1000);
    }

    #[test]
    fn each_track_has_a_payload_type_of_its_own_and_many_fit() {
        let mut film = fake::film();
        let config = vec![0x12, 0x10];
        film.tracks[1].format = rtp::format::Format::Aac { config, sample_rate: 44_100, channels: 2 };
        film.tracks = (0..32u32).map(|id| Track { id: id + 1, ..film.tracks[1].clone() }).collect();
        let mut types: Vec<u8> = (0..32).map(|position| payload_type(&film, position)).collect();
        assert_eq!((types[0], types[31]), (96, 127));
        types.dedup();
        assert_eq!(types.len(), 32);
        assert!(describe(&film, LOCAL, Dialect::Any).len() < MAX_DESCRIPTION);
    }

    #[test]
    fn asf_is_described_as_windows_media_services_does() {
        let text = describe(&fake::asf_film(), LOCAL, Dialect::Any);
        let after = text.split_once("a=etag:").map_or("", |(_, after)| after);
        let lines: Vec<&str> = after.split("\r\n").skip(1).collect();
        let expected = [
            "a=maxps:5536",
            "a=pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,MCaydY5mzxGm2QCqAGLOb",
            "m=video 0 RTP/AVP 96",
            "b=AS:1000",
            "a=rtpmap:96 x-asf-pf/1000",
            "a=control:track1",
            "a=stream:5",
            "m=audio 0 RTP/AVP 96",
            "b=AS:128",
            "a=rtpmap:96 x-asf-pf/1000",
            "a=lang:en",
            "a=control:track2",
            "a=stream:6",
            "m=application 0 RTP/AVP 96",
            "a=rtpmap:96 x-wms-rtx/1000",
            "a=control:track65536/rtx",
            "a=stream:65536",
            "",
        ];
        assert_eq!(lines.len(), expected.len(), "{text}");
        for (line, start) in lines.iter().zip(expected) {
            assert!(line.starts_with(start), "{line} does not begin with {start}");
        }
    }

    #[test]
    fn gstreamer_is_told_no_end_of_asf_alone() {
        let (film, asf) = (fake::film(), fake::asf_film());
        let cases = [(&film, Dialect::Any, true), (&film, Dialect::Gstreamer, true), (&asf, Dialect::Any, true)];
        for (index, lines, told) in cases.into_iter().chain([(&asf, Dialect::Gstreamer, false)]) {
            let text = describe(index, LOCAL, lines);
            assert_eq!(text.contains("a=range:npt=0-60.000\r\n"), told, "{lines:?}: {text}");
            assert_eq!(text.contains("a=range:npt=0-\r\n"), !told, "{lines:?}: {text}");
        }
    }

    #[test]
    fn gstreamer_is_not_told_of_what_it_would_wait_for() {
        let mut film = fake::film();
        let (media, description) = (Media::Audio, vec![0; 36]);
        film.tracks[1].format = Format::QuickTime { media, description, clock: 8000, codec: "x".into() };
        for (lines, told) in [(Dialect::Any, true), (Dialect::Gstreamer, false)] {
            assert_eq!(describe(&film, LOCAL, lines).contains("X-QT/8000/1"), told, "{lines:?}");
        }
        film.tracks.remove(0);
        assert!(describe(&film, LOCAL, Dialect::Gstreamer).contains("X-QT/8000/1"));
    }

    #[test]
    fn the_tag_changes_with_the_content() {
        let film = fake::film();
        let mut later = film.clone();
        later.created += 1;
        assert_ne!(entity_tag(&film), entity_tag(&later));
        assert_eq!(entity_tag(&film), entity_tag(&film.clone()));
    }
}
