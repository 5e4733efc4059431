//! What each format says of itself in a session description and to people.

use super::*;

/// The format; then its payload type, rtpmap, fmtp and description.
type Case<'a> = (Format, Option<u8>, &'a str, Option<&'a str>, &'a str);

#[test]
fn every_format_says_in_sdp_what_receivers_need() {
    let (width, height) = (640, 480);
    let sets = (vec![vec![0x67, 0x42, 0xC0, 0x1E, 0xDA]], vec![vec![0x68, 0xCE, 0x3C, 0x80]]);
    let cases: &[Case] = &[
        (Format::Mpv { mpeg2: true, width, height }, Some(32), "MPV/90000", None, "MPEG-2 video 640x480"),
        (
            Format::Mpa { layer: 2, sample_rate: 44_100, channels: 2 },
            Some(14),
            "MPA/90000",
            None,
            "MPEG audio layer II 44100 Hz stereo",
        ),
        (
            Format::H264 { sps: sets.0, pps: sets.1, width, height },
            None,
            "H264/90000",
            Some("packetization-mode=1;profile-level-id=42C01E;sprop-parameter-sets=Z0LAHto=,aM48gA=="),
            "H.264 640x480",
        ),
        (
            Format::H264 { sps: vec![], pps: vec![], width, height },
            None,
            "H264/90000",
            Some("packetization-mode=1"),
            "H.264 640x480",
        ),
        (
            Format::Mp4vEs { config: vec![0, 0, 1, 0xB0, 0xF5, 0, 0, 1, 0xB5], width, height },
            None,
            "MP4V-ES/90000",
            Some("profile-level-id=245;config=000001B0F5000001B5"),
            "MPEG-4 visual 640x480",
        ),
        (
            Format::Mp4vEs { config: vec![0, 0, 1, 0x20], width, height },
            None,
            "MP4V-ES/90000",
            Some("profile-level-id=1;config=00000120"),
            "MPEG-4 visual 640x480",
        ),
        (
            Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels: 1 },
            None,
            "mpeg4-generic/44100/1",
            Some(concat!(
                "streamtype=5;profile-level-id=1;mode=AAC-hbr;",
                "sizelength=13;indexlength=3;indexdeltalength=3;config=1210"
            )),
            "AAC 44100 Hz mono",
        ),
        (
            Format::Asf { stream: 1, media: Media::Audio, properties: vec![], codec: "WMA 2".into() },
            None,
            "x-asf-pf/1000",
            None,
            "WMA 2",
        ),
    ];
    for (format, payload_type, rtpmap, fmtp, described) in cases {
        assert_eq!(format.static_payload_type(), *payload_type);
        assert_eq!(format.rtpmap(), *rtpmap);
        assert_eq!(format.fmtp().as_deref(), *fmtp);
        assert_eq!(format.describe(), *described);
    }
}
