//! RTSP 2.0 (RFC 7826), where it is another than 1.0.

use super::Setting;
use crate::playback::TrackInfo;
use crate::session::SessionOptions;
use crate::worker::ViewerEvent;
use rtp::clock::RtpTimestamp;
use std::time::Duration;

fn check(rows: &[(&str, &str)]) {
    for (name, dialogue) in rows {
        Setting::new().check(name, dialogue);
    }
}

#[test]
fn versions_and_what_we_can_do() {
    check(&[
        (
            "each is answered in its own version",
            "
            > 2.0 OPTIONS film \n < 200 2.0 | Public: PLAY | !Supported
            > OPTIONS film \n < 200 1.0
            > 2.0 DESCRIBE nothing \n < 404 2.0",
        ),
        (
            "features by name",
            "
            > 2.0 OPTIONS * | Supported: play.basic \n < 200 | Supported: = play.basic, play.scale, play.speed, setup.rtp.rtcp.mux
            > 2.0 OPTIONS * | Require: play.basic, play.scale \n < 200
            > 2.0 OPTIONS * | Require: play.basic, x-nope \n < 551 | Unsupported: = x-nope",
        ),
        (
            "tags",
            "
            > 2.0 DESCRIBE film \n < 200 | MTag: \" | Content-Base: film/
            > 2.0 DESCRIBE film | If-None-Match: \"other\" \n < 200
            > 2.0 DESCRIBE film | If-None-Match: * \n < 304",
        ),
        ("over UDP", "> 2.0 DESCRIBE rtspu://h/film \n < 501"),
    ]);
}

#[test]
fn setup_says_what_the_media_can_do() {
    check(&[
        ("GStreamer's words, which are 1.0's", "
            > 2.0 SETUP film/track1 | Transport: RTP/AVP;unicast;client_port=5000-5001 | Accept-Ranges: npt, clock, smpte, clock | Pipelined-Requests: 1
            < 200 2.0 | Session: ;timeout=60 | Media-Properties: Random-Access= | Media-Properties: Immutable, Unlimited, Scales=\" | Media-Range: = npt=0.000-60.000 | Accept-Ranges: npt, smpte | Pipelined-Requests: = 1 | Transport: client_port=5000-5001;server_port=6000-6001"),
        ("its own", "
            > 2.0 SETUP film/track1 | Transport: RTP/AVP;unicast;dest_addr=\":5000\"/\":5001\" | Accept-Ranges: npt
            < 200 | Transport: dest_addr=\"127.0.0.1:5000\"/\"127.0.0.1:5001\";src_addr=\"127.0.0.1:6000\"/\"127.0.0.1:6001\";ssrc=
            > 2.0 SETUP film/track2 | Transport: RTP/AVP/TCP;unicast;interleaved=0-1 | Session: $S \n < 200 | Session: $S | Transport: interleaved=0-1"),
        ("RTP and RTCP by one port", "
            > 2.0 SETUP single | Transport: RTP/AVP;unicast;dest_addr=\":5000\";RTCP-mux
            < 200 | Transport: dest_addr=\"127.0.0.1:5000\";src_addr=\"127.0.0.1:6000\";ssrc= | Transport: ;RTCP-mux
            > 2.0 SETUP single | Transport: RTP/AVP;unicast;dest_addr=\":5000\"/\":5001\";RTCP-mux
            < 200 | Transport: dest_addr=\"127.0.0.1:5000\";src_addr=\"127.0.0.1:6000\"
            > 2.0 SETUP single | Transport: RTP/AVP/TCP;unicast;interleaved=0-1;RTCP-mux \n < 461"),
        ("no third party, nothing that is not understood", "
            > 2.0 SETUP single | Transport: RTP/AVP;unicast;dest_addr=\"198.51.100.9:5000\" \n < 463 | !Session
            > 2.0 SETUP single | Transport: RTP/AVP;unicast;client_port=5000-5001;x-new=1 \n < 461 | !Transport
            > 2.0 SETUP single | Transport: RTP/AVP;client_port=5000-5001 \n < 461
            > 2.0 SETUP single | Transport: RTP/AVP/TCP;unicast;dest_addr=\":9\";setup=active;connection=new \n < 461
            > 2.0 SETUP single | Transport: RTP/AVP/TCP;unicast \n < 461
            > 2.0 SETUP single | Transport: RTP/AVP;unicast;x=1;client_port=2-3,RTP/AVP/TCP;unicast;interleaved=0-1 \n < 200 | Transport: interleaved
            > 2.0 SETUP single | Transport: RTP/AVP/TCP;unicast;interleaved=0-1 | Accept-Ranges: clock \n < 456 | Accept-Ranges: npt"),
    ]);
}

#[test]
fn a_session_in_one_go_and_to_its_end() {
    check(&[
        ("pipelined", "
            > 2.0 SETUP film/track1 | Transport: RTP/AVP/TCP;unicast;interleaved=0-1 | Pipelined-Requests: 7387 \n < 200 | Session: ;
            > 2.0 SETUP film/track2 | Transport: RTP/AVP/TCP;unicast;interleaved=2-3 | Pipelined-Requests: 7387 \n < 200 | Session: $S
            > 2.0 PLAY film | Pipelined-Requests: 7387
            < 200 | Session: $S | Range: = npt=0.000- | Seek-Style: = RAP | Media-Range: npt=0 | RTP-Info: ssrc= | RTP-Info: film/track2\" ssrc=
            = play Resume None 2 tracks, go
            > 2.0 PLAY film | Pipelined-Requests: 1 \n < 454"),
        ("replacing, pausing, ending", "
            > 2.0 SETUP film/track1 | Transport: RTP/AVP/TCP;unicast;interleaved=0-1 \n < 200
            > 2.0 SETUP film/track2 | Transport: RTP/AVP/TCP;unicast;interleaved=2-3 | Session: $S \n < 200
            > 2.0 PAUSE film | Session: $S \n < 200 | Range: npt=
            > 2.0 PLAY film | Session: $S | Range: npt=10-15 \n < 200
            > 2.0 PLAY film | Session: $S | Range: npt=20-25 \n < 200 | RTP-Info: url=
            = pause, play At(MediaTime(10000000000)) Some(MediaTime(15000000000)) 2 tracks, go, play At(MediaTime(20000000000)) Some(MediaTime(25000000000)) 2 tracks, go
            > 2.0 PLAY film | Session: $S | Range: npt=99- \n < 457 | Media-Range: npt=0.000-60.000 | Range: npt=20.
            > 2.0 PLAY film/track1 | Session: $S \n < 460
            > 2.0 TEARDOWN film/track1 | Session: $S \n < 455
            > 2.0 GET_PARAMETER film | Session: $S | Range: | Media-Range: \n < 200 | Range: npt=20. | Media-Range: = npt=0.000-60.000
            > 2.0 DESCRIBE film | Session: $S \n < 200 | !Session
            > 2.0 PAUSE film | Session: $S \n < 200 | Range: -25.000
            > 2.0 TEARDOWN film/track1 | Session: $S \n < 200 | Session: $S
            > 2.0 TEARDOWN film | Session: $S \n < 200 | !Session"),
    ]);
}

#[test]
fn a_viewer_is_told_of_the_end_and_of_its_session_s() {
    let brief = SessionOptions { timeout: Duration::from_secs(2), grace: Duration::ZERO, ..SessionOptions::default() };
    let setting = Setting::with(brief, Default::default());
    let mut client = setting.client();
    client.run(
        "play",
        "> 2.0 SETUP single | Transport: RTP/AVP;unicast;client_port=5000-5001 \n < 200
         > 2.0 PLAY single | Session: $S \n < 200",
        &setting.workers,
    );
    let info = TrackInfo { track: 0, sequence: 8, timestamp: RtpTimestamp(9) };
    setting.workers.tell(&ViewerEvent::Reached(vec![info]));
    setting.workers.tell(&ViewerEvent::EndOfStream);
    for (line, fields) in [
        ("PLAY_NOTIFY rtsp://", ["Request-Status: cseq=2 status=200", "Range: npt=0.000-60.000", "/single\" ssrc="]),
        ("TEARDOWN rtsp://", ["Terminate-Reason: Session-Timeout", "CSeq: 2", "Session: "]),
    ] {
        while !client.buffer.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            assert!(client.fill(), "closed before {line}");
        }
        let end = client.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("its end") + 4;
        let head = String::from_utf8(client.buffer.drain(..end).collect()).expect("text");
        assert!(head.starts_with(line) && head.contains("/single/ RTSP/2.0\r\n"), "{head}");
        assert!(fields.iter().all(|field| head.contains(field)), "{head}");
        client.send("RTSP/2.0 200 OK\r\nCSeq: 1\r\n\r\n");
    }
}
