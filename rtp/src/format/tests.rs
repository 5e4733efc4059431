//! What each format says of itself in a session description and to people.

use super::*;

/// The format; then its payload type, rtpmap, fmtp and description.
type Case<'a> = (Format, Option<u8>, &'a str, Option<&'a str>, &'a str);

#[test]
fn every_format_says_in_sdp_what_receivers_need() {
    let (width, height) = (640, 480);
    let pcm = |coding, sample_rate, channels| Format::Pcm { coding, sample_rate, channels };
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
            Format::H265 {
                vps: vec![vec![0x40, 1]],
                sps: vec![vec![0x42, 1], vec![0x42, 2]],
                pps: vec![],
                width,
                height,
            },
            None,
            "H265/90000",
            Some("sprop-vps=QAE=;sprop-sps=QgE=,QgI="),
            "H.265 640x480",
        ),
        (
            Format::H265 { vps: vec![], sps: vec![], pps: vec![], width, height },
            None,
            "H265/90000",
            None,
            "H.265 640x480",
        ),
        (Format::Ac3 { sample_rate: 48_000, channels: 6 }, None, "AC3/48000/6", None, "AC-3 48000 Hz 6 channels"),
        (Format::Eac3 { sample_rate: 44_100, channels: 2 }, None, "EAC3/44100", None, "E-AC-3 44100 Hz stereo"),
        (pcm(PcmCoding::Mulaw, 8000, 1), Some(0), "PCMU/8000/1", None, "mu-law 8000 Hz mono"),
        (pcm(PcmCoding::Alaw, 8000, 1), Some(8), "PCMA/8000/1", None, "A-law 8000 Hz mono"),
        (pcm(PcmCoding::Alaw, 16_000, 1), None, "PCMA/16000/1", None, "A-law 16000 Hz mono"),
        (pcm(PcmCoding::L16, 44_100, 2), Some(10), "L16/44100/2", None, "PCM 16 bits 44100 Hz stereo"),
        (pcm(PcmCoding::L16, 44_100, 1), Some(11), "L16/44100/1", None, "PCM 16 bits 44100 Hz mono"),
        (pcm(PcmCoding::L16, 48_000, 2), None, "L16/48000/2", None, "PCM 16 bits 48000 Hz stereo"),
        (pcm(PcmCoding::L24, 96_000, 2), None, "L24/96000/2", None, "PCM 24 bits 96000 Hz stereo"),
        (Format::Amr { wide: false, channels: 1 }, None, "AMR/8000/1", Some("octet-align=1"), "AMR 8000 Hz mono"),
        (
            Format::Amr { wide: true, channels: 1 },
            None,
            "AMR-WB/16000/1",
            Some("octet-align=1"),
            "AMR-WB 16000 Hz mono",
        ),
        (Format::H263 { width, height }, None, "H263-1998/90000", None, "H.263 640x480"),
        (Format::Vp8 { width, height }, None, "VP8/90000", None, "VP8 640x480"),
        (Format::Vp9 { width, height }, None, "VP9/90000", None, "VP9 640x480"),
        (Format::Opus { channels: 1 }, None, "opus/48000/2", None, "Opus 48000 Hz mono"),
        (Format::Opus { channels: 2 }, None, "opus/48000/2", Some("sprop-stereo=1"), "Opus 48000 Hz stereo"),
        (
            Format::Vorbis { headers: vec![vec![1], vec![3], vec![5]], sample_rate: 32_000, channels: 2 },
            None,
            "vorbis/32000/2",
            Some("configuration=AAAAAW1vYgADAgEBAQMF"),
            "Vorbis 32000 Hz stereo",
        ),
        (Format::Speex { sample_rate: 16_000 }, None, "speex/16000", None, "Speex 16000 Hz mono"),
        (Format::Jpeg { width, height }, Some(26), "JPEG/90000", None, "Motion JPEG 640x480"),
        (Format::T140 {}, None, "t140/1000", None, "text"),
        (
            Format::Asf { stream: 1, media: Media::Audio, properties: vec![], codec: "WMA 2".into() },
            None,
            "x-asf-pf/1000",
            None,
            "WMA 2",
        ),
        (
            Format::QuickTime { media: Media::Audio, description: vec![], clock: 22_050, codec: "nmos".into() },
            None,
            "X-QT/22050/1",
            None,
            "nmos",
        ),
    ];
    for (format, payload_type, rtpmap, fmtp, described) in cases {
        assert_eq!(format.static_payload_type(), *payload_type);
        assert_eq!(format.rtpmap(), *rtpmap);
        assert_eq!(format.fmtp().as_deref(), *fmtp);
        assert_eq!(format.describe(), *described);
    }
}

#[test]
fn what_sdp_says_of_a_format_reads_back() {
    let sps = vec![
        0x67, 0x4D, 0x40, 0x14, 0xDA, 0x05, 0x87, 0xEC, 0x04, 0x40, 0x00, 0x00, 0xFA, 0x40, 0x00, 0x3A, 0x98, 0x03,
        0xC5, 0x0A, 0xA8,
    ];
    let pcm = |coding, sample_rate, channels| Format::Pcm { coding, sample_rate, channels };
    let config = vec![
        0, 0, 1, 0xB0, 0x01, 0, 0, 1, 0xB5, 0x89, 0x13, 0, 0, 1, 0, 0, 0, 1, 0x20, 0, 0xC4, 0x8D, 0x88, 0, 0xCD, 0x14,
        0x04, 0x36, 0x14, 0x63,
    ];
    let formats = [
        Format::H264 { sps: vec![sps], pps: vec![vec![0x68, 0xEF, 0x3C, 0x80]], width: 352, height: 240 },
        Format::H264 { sps: vec![], pps: vec![], width: 0, height: 0 },
        Format::H265 {
            vps: vec![vec![0x40, 1]],
            sps: vec![],
            pps: vec![vec![0x44, 1], vec![0x44, 2]],
            width: 0,
            height: 0,
        },
        Format::Mp4vEs { config, width: 640, height: 432 },
        Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels: 2 },
        Format::Ac3 { sample_rate: 48_000, channels: 6 },
        pcm(PcmCoding::Mulaw, 8000, 1),
        pcm(PcmCoding::Alaw, 16_000, 1),
        pcm(PcmCoding::L16, 44_100, 2),
        pcm(PcmCoding::L24, 96_000, 2),
        Format::Amr { wide: false, channels: 1 },
        Format::Amr { wide: true, channels: 2 },
        Format::Opus { channels: 1 },
        Format::Opus { channels: 2 },
        Format::Vorbis { headers: vec![vec![1; 30], vec![3; 200], vec![5; 4000]], sample_rate: 32_000, channels: 2 },
        Format::T140 {},
        Format::Speex { sample_rate: 32_000 },
    ];
    for format in formats {
        let back = Format::from_sdp(96, Some(&format.rtpmap()), format.fmtp().as_deref());
        assert_eq!(back, Ok(format));
    }
    // What these say of themselves leaves their sizes open.
    let open = [
        (Format::Mpv { mpeg2: true, width: 16, height: 16 }, false),
        (Format::Mpa { layer: 3, sample_rate: 44_100, channels: 2 }, false),
        (Format::Jpeg { width: 16, height: 16 }, false),
        (Format::Vp8 { width: 16, height: 16 }, false),
        (Format::Eac3 { sample_rate: 48_000, channels: 2 }, false),
        (Format::Vp9 { width: 16, height: 16 }, true),
        (Format::H263 { width: 16, height: 16 }, true),
    ];
    for (format, complete) in open {
        let back = Format::from_sdp(96, Some(&format.rtpmap()), format.fmtp().as_deref()).unwrap();
        assert_eq!((back.encoding_name(), back.is_complete()), (format.encoding_name(), complete));
    }
}

#[test]
fn what_others_write_is_understood_and_what_can_not_be_taken_is_named() {
    let aac = |config: &[u8]| Format::Aac { config: config.to_vec(), sample_rate: 44_100, channels: 2 };
    // Payload type, rtpmap, fmtp; then the format, or what the refusal says.
    type Other<'a> = (u8, Option<&'a str>, Option<&'a str>, Result<Format, &'a str>);
    let cases: &[Other] = &[
        (0, None, None, Ok(Format::Pcm { coding: PcmCoding::Mulaw, sample_rate: 8000, channels: 1 })),
        (14, None, None, Ok(Format::Mpa { layer: 0, sample_rate: 0, channels: 0 })),
        (
            97,
            Some("MPEG4-GENERIC/44100/2"),
            Some("profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3; config=121056E500"),
            Ok(aac(&[0x12, 0x10, 0x56, 0xE5, 0])),
        ),
        (96, Some("MP4A-LATM/44100"), Some("cpresent=0;config=40002420adca00"), Ok(aac(&[0x12, 0x10]))),
        (
            96,
            Some("h264/90000"),
            Some("sprop-parameter-sets=***,"),
            Ok(Format::H264 { sps: vec![], pps: vec![], width: 0, height: 0 }),
        ),
        (96, None, None, Err("payload type 96 without a=rtpmap")),
        (96, Some("H264"), None, Err("expected NAME/CLOCK")),
        (96, Some("H264/0"), None, Err("expected NAME/CLOCK")),
        (96, Some("H264/90001"), None, Err("H264 with a clock of 90001 Hz; it has 90000")),
        (96, Some("H264/90000"), Some("packetization-mode=2"), Err("mode 2) can't be taken")),
        (96, Some("H265/90000"), Some("sprop-max-don-diff=3"), Err("out of their order")),
        (96, Some("x-asf-pf/1000"), None, Err("payload format x-asf-pf")),
        (33, None, None, Err("payload format MP2T")),
        (96, Some("mpeg4-generic/44100/2"), Some("mode=AAC-lbr;config=1210"), Err("mode=AAC-lbr: AAC-hbr")),
        (96, Some("mpeg4-generic/44100/2"), Some("mode=AAC-hbr;config=12x0"), Err("config=12x0")),
        (96, Some("mpeg4-generic/44100/2"), None, Err("config=")),
        (96, Some("AMR/8000"), None, Err("bandwidth-efficient")),
        (96, Some("vorbis/44100/2"), Some("configuration=AAAA"), Err("packed headers")),
    ];
    for (payload_type, rtpmap, fmtp, expected) in cases {
        let seen = Format::from_sdp(*payload_type, *rtpmap, *fmtp);
        match (&seen, expected) {
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            _ => assert_eq!(seen.as_ref().ok(), expected.as_ref().ok(), "{rtpmap:?}"),
        }
    }
}

#[test]
fn what_is_missing_is_learned_from_the_units() {
    let learned = |rtpmap: &str, unit: &[u8]| {
        let mut format = Format::from_sdp(96, Some(rtpmap), None).unwrap();
        format.learn(&[0; 3]);
        assert!(!format.is_complete());
        format.learn(unit);
        assert!(format.is_complete(), "{rtpmap}");
        format
    };
    let mpa = Format::Mpa { layer: 3, sample_rate: 44_100, channels: 2 };
    assert_eq!(learned("MPA/90000", &[0xFF, 0xFB, 0x90, 0x00]), mpa);
    let sequence = [0, 0, 1, 0xB3, 0x16, 0x01, 0x20, 0x13, 0xFF, 0xFF, 0xE0, 0x18, 0, 0, 1, 0xB8];
    assert_eq!(learned("MPV/90000", &sequence), Format::Mpv { mpeg2: false, width: 352, height: 288 });
    let jpeg = [0xFF, 0xD8, 0xFF, 0xDB, 0, 4, 1, 1, 0xFF, 0xC0, 0, 17, 8, 0, 240, 1, 64, 3];
    assert_eq!(learned("JPEG/90000", &jpeg), Format::Jpeg { width: 320, height: 240 });
    let vp8 = [0x10, 0, 0, 0x9D, 0x01, 0x2A, 0x40, 0x01, 0xF0, 0x00];
    assert_eq!(learned("VP8/90000", &vp8), Format::Vp8 { width: 320, height: 240 });
    let sps = [0x67, 0x4D, 0x40, 0x14, 0xDA, 0x05, 0x87, 0xEC, 0x04, 0x40, 0x00, 0x00, 0xFA, 0x40, 0x00, 0x3A, 0x98];
    let sps = [&sps[..], &[0x03, 0xC5, 0x0A, 0xA8]].concat();
    let unit = [&[0, 0, 0, 21][..], &sps, &[0, 0, 0, 2, 0x68, 0xEF, 0, 0, 0, 1, 0x65]].concat();
    let h264 = Format::H264 { sps: vec![sps], pps: vec![vec![0x68, 0xEF]], width: 352, height: 240 };
    assert_eq!(learned("H264/90000", &unit), h264);
}
