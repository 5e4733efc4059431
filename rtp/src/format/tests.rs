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
        (Format::Jpeg { width, height }, Some(26), "JPEG/90000", None, "Motion JPEG 640x480"),
        (Format::T140 {}, None, "t140/1000", None, "text"),
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
