use super::*;
use proptest::prelude::*;

const FFMPEG: &str = "v=0\r
o=- 0 0 IN IP4 127.0.0.1\r
s=No Name\r
c=IN IP4 127.0.0.1\r
t=0 0\r
a=tool:libavformat LIBAVFORMAT_VERSION\r
m=video 0 RTP/AVP 96\r
b=AS:867\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z01AFNoFh+wEQAAA+kAAOpgDxQqo,aO88gA==; profile-level-id=4D4014\r
a=control:streamid=0\r
m=audio 0 RTP/AVP 97\r
b=AS:127\r
a=rtpmap:97 MPEG4-GENERIC/44100/2\r
a=fmtp:97 profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3; config=121056E500\r
a=control:streamid=1\r
";

const GSTREAMER: &str = "v=0\r
o=- 583107876 1 IN IP4 127.0.0.1\r
s=Session streamed with GStreamer\r
i=rtspclientsink\r
t=0 0\r
a=tool:GStreamer\r
m=audio 0 RTP/AVP 96\r
c=IN IP4 0.0.0.0\r
b=AS:128\r
a=rtpmap:96 MP4A-LATM/44100\r
a=fmtp:96 cpresent=0;config=40002420adca00\r
a=control:stream=1\r
a=ts-refclk:local\r
a=ssrc:4219241245 cname:user130397956@host-40ed3c73\r
";

/// A camera: LF only, no `t=`, a second payload type, a metadata line, SSM, no end of line at the end.
const CAMERA: &str = "v=0
o=- 18446744073709551616 1 IN IP4 192.168.1.9
s=
c=IN IP4 232.1.1.1/32
a=source-filter: incl IN IP4 232.1.1.1 192.168.1.9
a=control:rtsp://192.168.1.9/all
m=video 5004/2 RTP/AVP 35 26
a=rtcp:6005
b=TIAS:2000000
m=application 0 RTP/AVP 107
a=rtpmap:107 vnd.onvif.metadata/90000
m=audio 5006 RTP/AVP 0
a=lang:de";

/// Port, payload type, encoding or refusal, control, bit/s of an `m=` line.
type Line<'a> = (u16, u8, &'a str, Option<&'a str>, Option<u32>);

fn check(text: &str, expected: &[Line<'_>]) {
    let description = Description::parse(text.as_bytes()).unwrap();
    let seen: Vec<_> = description
        .media
        .iter()
        .map(|media| {
            let format = match &media.format {
                Ok(format) => format.encoding_name().to_owned(),
                Err(error) => error.to_string(),
            };
            (media.port, media.payload_type, format, media.control.as_deref(), media.bandwidth_bps)
        })
        .collect();
    let seen: Vec<_> = seen.iter().map(|(a, b, format, c, d)| (*a, *b, format.as_str(), *c, *d)).collect();
    assert_eq!(seen, expected);
}

#[test]
fn what_encoders_and_cameras_write_is_read() {
    check(
        FFMPEG,
        &[
            (0, 96, "H264", Some("streamid=0"), Some(867_000)),
            (0, 97, "mpeg4-generic", Some("streamid=1"), Some(127_000)),
        ],
    );
    check(GSTREAMER, &[(0, 96, "mpeg4-generic", Some("stream=1"), Some(128_000))]);
    let metadata = "m=application: only audio, video and text can be taken";
    check(
        CAMERA,
        &[(5004, 26, "JPEG", None, Some(2_000_000)), (0, 107, metadata, None, None), (5006, 0, "PCMU", None, None)],
    );
    let camera = Description::parse(CAMERA.as_bytes()).unwrap();
    assert_eq!((camera.title, camera.control.as_deref()), (None, Some("rtsp://192.168.1.9/all")));
    let (video, audio) = (&camera.media[0], &camera.media[2]);
    assert_eq!(video.address, Some([232, 1, 1, 1].into()));
    assert_eq!((&video.sources[..], video.rtcp_port), (&[[192, 168, 1, 9].into()][..], Some(6005)));
    assert_eq!((audio.language.as_deref(), video.line), (Some("de"), 7));
    assert!(Description::parse(GSTREAMER.as_bytes()).unwrap().media[0].latm && !video.latm);
    // A line that was torn, an address that is none, a line of spaces.
    check("v=0\n= x\nc=IN IP5 x\n \nm=audio 0 RTP/AVP 8\nrtpmap:8 PCMA\n", &[(0, 8, "PCMA", None, None)]);
    check("v=0\nm=video 5004 RTP/SAVP 96", &[(5004, 96, "transport RTP/SAVP: only RTP/AVP can be taken", None, None)]);
}

#[test]
fn what_is_none_ends_with_its_line() {
    let many = format!("v=0\n{}", "m=audio 0 RTP/AVP 0\n".repeat(40));
    let long = format!("v=0\ns={}", "x".repeat(MAX_DESCRIPTION));
    for (text, expected) in [
        ("", "sdp: no m= line"),
        ("v=0\ns=x", "sdp: no m= line"),
        ("<html>", "sdp: line 1: expected a letter and ="),
        ("s=x\nv=0", "sdp: line 1: a description begins with v="),
        ("v=0\nm=video", "sdp: line 2: expected m=MEDIA PORT PROTOCOL FORMAT"),
        ("v=0\r\n\r\nm=video 99999 RTP/AVP 96", "sdp: line 3: the port of m= is not within 0 to 65535"),
        ("v=0\na=source-filter: excl IN IP4 * 10.0.0.1", "sdp: line 2: only source-filter:incl can be served"),
        (&many, "sdp: line 34: more than 32 m= lines"),
        (&long, "sdp: 65542 bytes; at most 65536 are read"),
    ] {
        assert_eq!(Description::parse(text.as_bytes()).unwrap_err().to_string(), expected);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = Description::parse(&bytes);
        let _ = Description::parse(&[b"v=0\n", &bytes[..]].concat());
    }

    #[test]
    fn no_change_of_a_good_one_panics(at in 0usize..600, byte: u8, cut in 0usize..900) {
        for text in [FFMPEG, GSTREAMER, CAMERA] {
            let mut bytes = text.as_bytes().to_vec();
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            bytes.truncate(cut);
            let _ = Description::parse(&bytes);
        }
    }
}
