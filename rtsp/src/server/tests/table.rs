//! What the RFC says of methods and header fields, row by row.

use super::Setting;

/// Name, then the dialogue.
type Row = (&'static str, &'static str);

fn check(rows: &[Row]) {
    let setting = Setting::new();
    for (name, dialogue) in rows {
        setting.check(name, dialogue);
        setting.workers.log();
    }
}

#[test]
fn options_and_methods() {
    check(&[
        ("OPTIONS lists what works, in any state and of any URL", "
            > OPTIONS * \n < 200 | Public: = OPTIONS, DESCRIBE, SETUP, TEARDOWN, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER | !Session
            > OPTIONS film \n < 200 | Public: PLAY
            > OPTIONS . \n < 200 | Public: PLAY"),
        ("methods have their case", "> options film \n < 501 | Public: OPTIONS"),
        ("unknown methods are not implemented", "> FOOBAR film \n < 501 | Public: PLAY"),
        ("what a player's server does not do is not allowed", "
            > ANNOUNCE film \n < 405 | Allow: PLAY
            > RECORD film \n < 405 | Allow: PLAY
            > REDIRECT film \n < 405 | Allow: PLAY"),
        ("what is required and unknown is refused by name", "
            > OPTIONS film | Require: x-nope \n < 551 | Unsupported: = x-nope
            > DESCRIBE film | Require: implicit-play, x-nope \n < 551 | Unsupported: = implicit-play, x-nope
            > SETUP film/track1 | Require: www.onvif.org/ver20/backchannel | Transport: RTP/AVP/TCP;unicast;interleaved=0-1
            < 551 | Unsupported: www.onvif.org/ver20/backchannel | !Session
            > PLAY film | Proxy-Require: x-nope \n < 551 | Unsupported: x-nope"),
        ("URLs are absolute", "
            > DESCRIBE /film \n < 400
            > OPTIONS http://h/film \n < 400
            > DESCRIBE rtsp://elsewhere:1/film \n < 200"),
        ("a timestamp comes back", "> OPTIONS * | Timestamp: 1234.5 \n < 200 | Timestamp: = 1234.5"),
        ("a host field is passed over", "> OPTIONS film | Host: elsewhere | Conference: x \n < 200"),
    ]);
}

#[test]
fn describe() {
    check(&[
        ("a description", "> DESCRIBE film | Accept: application/sdp
            < 200 | Content-Type: = application/sdp | Content-Base: = $Ufilm/ | Last-Modified: = Mon, 12 Jan 1970 13:46:40 GMT"),
        ("the base is the URL as it came", "
            > DESCRIBE film/ \n < 200 | Content-Base: = $Ufilm/
            > DESCRIBE film?x=y \n < 200 | Content-Base: = $Ufilm/
            > DESCRIBE a%20film \n < 200 | Content-Base: = $Ua%20film/
            > DESCRIBE film/track2 \n < 200 | Content-Base: = $Ufilm/"),
        ("whoever takes it", "
            > DESCRIBE film \n < 200
            > DESCRIBE film | Accept: */* \n < 200
            > DESCRIBE film | Accept: application/* \n < 200
            > DESCRIBE film | Accept: text/html;q=1, application/sdp;q=0.5 \n < 200
            > DESCRIBE film | Accept: text/html \n < 406"),
        ("what is not there", "
            > DESCRIBE nothing \n < 404
            > DESCRIBE . \n < 404
            > DESCRIBE * \n < 404"),
        ("what can't be had", "> DESCRIBE broken \n < 503"),
        ("what wants out", "
            > DESCRIBE ../etc/passwd \n < 400
            > DESCRIBE %2e%2e/etc \n < 400
            > DESCRIBE ..%2fetc \n < 400
            > DESCRIBE film%00 \n < 400
            > DESCRIBE /etc/passwd \n < 400
            > DESCRIBE film\\..\\x \n < 400"),
        ("what has not changed", "
            > DESCRIBE film | If-Modified-Since: Tue, 13 Jan 1970 00:00:00 GMT \n < 304 | body=
            > DESCRIBE film | If-Modified-Since: Sun, 11 Jan 1970 00:00:00 GMT \n < 200
            > DESCRIBE film | If-Modified-Since: yesterday \n < 200"),
    ]);
}

#[test]
fn setup() {
    check(&[
        ("UDP", "
            > SETUP film/track1 | Transport: RTP/AVP;unicast;client_port=5000-5001
            < 200 | Session: ;timeout=60 | Transport: RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001;ssrc=
            > SETUP film/track2 | Transport: RTP/AVP/UDP;unicast;client_port=5002-5003 | Session: $S
            < 200 | Session: $S | Transport: client_port=5002-5003"),
        ("TCP", "
            > SETUP film/track1 | Transport: RTP/AVP/TCP;unicast;interleaved=0-1
            < 200 | Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=
            > SETUP film/track2 | Transport: RTP/AVP/TCP;unicast;interleaved=2-3 | Session: $S
            < 200 | Session: $S | Transport: interleaved=2-3"),
        ("the first that can be had is taken", "
            > SETUP single | Transport: RTP/FOO;unicast;client_port=1-2,RTP/AVP;unicast;client_port=5000-5001 \n < 200 | Transport: client_port=5000-5001
            > SETUP single | Transport: RTP/AVP/TCP;unicast;interleaved=0-1,RTP/AVP;unicast;client_port=5000-5001 \n < 200 | Transport: interleaved=0-1
            > SETUP single | Transport: RTP/AVP;unicast;client_port=5000-5001,RTP/AVP/TCP;unicast;interleaved=0-1 \n < 200 | Transport: client_port
            > SETUP single | Transport: RTP/AVP;unicast;client_port=0-1 | Transport: RTP/AVP/TCP;interleaved=4-5 \n < 200 | Transport: TCP"),
        ("what can't be had is 461 and nothing else", "
            > SETUP film/track1 | Transport: RTP/AVP;multicast;port=5000-5001 \n < 461 | !Session
            > SETUP film/track1 | Transport: RTP/AVP;multicast \n < 461
            > SETUP film/track1 | Transport: RTP/SAVP;unicast;client_port=5000-5001 \n < 461
            > SETUP film/track1 | Transport: RTP/AVP;unicast \n < 461
            > SETUP film/track1 | Transport: RTP/AVP;unicast;client_port=0-1 \n < 461
            > SETUP film/track1 | Transport: RTP/AVP;unicast;client_port=70000-70001 \n < 461
            > SETUP film/track1 | Transport: RTP/AVP;unicast;client_port=a-b \n < 461
            > SETUP film/track1 | Transport: RTP/AVP;unicast;client_port=9-8 \n < 461
            > SETUP film/track1 | Transport: RTP/AVP;unicast;client_port=5000-5001;mode=RECORD \n < 461
            > SETUP film/track1 | Transport: RTP/AVP;unicast;client_port=5000-5001;mode=RECORD;append \n < 461
            > SETUP film/track1 | Transport: RTP/AVP/TCP;interleaved=0-1;mode=record \n < 461
            > SETUP film/track1 | Transport: , \n < 461
            > SETUP film/track1 | Transport: RTP/AVP;unicast;mode=\" \n < 461"),
        ("no third party is sent to", "
            > SETUP single | Transport: RTP/AVP;unicast;client_port=5000-5001;destination=192.0.2.1 \n < 461
            > SETUP single | Transport: RTP/AVP;unicast;client_port=5000-5001;destination=victim.example \n < 461
            > SETUP single | Transport: RTP/AVP;unicast;client_port=5000-5001;destination=127.0.0.1 \n < 200 | Transport: client_port
            > SETUP single | Transport: RTP/AVP;unicast;client_port=5000-5001;destination \n < 200"),
        ("spellings", "
            > SETUP single | Transport: rtp/avp/udp;client_port=5000-5001;mode=play \n < 200 | Transport: unicast
            > SETUP single | Transport: RTP/AVP;unicast;client_port=31336-31337;mode=\"PLAY\" \n < 200
            > SETUP single | Transport: RTP/AVP;unicast;client_port=5001 \n < 200 | Transport: client_port=5001-5002
            > SETUP single | transport: RTP/AVP;unicast;client_port=5000-5001;ssrc=1A2B3C4D;x=y; \n < 200"),
        ("no Transport", "> SETUP film/track1 \n < 400"),
        ("which track", "
            > SETUP film/track9 | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 404 | !Session
            > SETUP film/track0 | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 404
            > SETUP nothing/track1 | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 404
            > SETUP broken/track1 | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 503
            > SETUP / | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 400
            > SETUP . | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 404
            > SETUP film | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 459
            > SETUP film/ | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 459
            > SETUP single | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 200
            > SETUP film?x=y/track1 | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 200"),
        ("which session", "
            > SETUP film/track1 | Transport: RTP/AVP/TCP;interleaved=0-1 | Session: 0123456789abcdef \n < 454 | !Session
            > SETUP film/track1 | Transport: RTP/AVP/TCP;interleaved=0-1 | Session: \u{e4} \n < 454
            > SETUP film/track1 | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 200
            > SETUP other/track2 | Transport: RTP/AVP/TCP;interleaved=2-3 | Session: $S \n < 459 | Session: $S
            > SETUP film/track2 | Transport: RTP/AVP;multicast | Session: $S \n < 461
            > PLAY film | Session: $S \n < 200 | RTP-Info: track1"),
        ("channels are never shared", "
            > SETUP film/track1 | Transport: RTP/AVP/TCP;interleaved=4-5 \n < 200 | Transport: interleaved=4-5
            > SETUP film/track2 | Transport: RTP/AVP/TCP;interleaved=5-6 | Session: $S \n < 200 | Transport: interleaved=0-1
            > SETUP film/track2 | Transport: RTP/AVP/TCP;interleaved=200-201 | Session: $S \n < 200 | Transport: interleaved=200-201
            > SETUP single | Transport: RTP/AVP/TCP;interleaved=4-5 \n < 200 | Transport: interleaved=0-1
            > SETUP single | Transport: RTP/AVP/TCP;interleaved=255-256 \n < 200 | Transport: interleaved=2-3
            > SETUP single | Transport: RTP/AVP/TCP;unicast \n < 200 | Transport: interleaved=6-7"),
        ("again, in Ready and in Playing", "
            > SETUP film/track1 | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 200
            > SETUP film/track1 | Transport: RTP/AVP;unicast;client_port=5000-5001 | Session: $S \n < 200 | Transport: client_port
            > SETUP film/track1 | Transport: RTP/AVP/TCP;interleaved=0-1 | Session: $S \n < 200 | Transport: interleaved=0-1
            > PLAY film | Session: $S \n < 200
            > SETUP film/track1 | Transport: RTP/AVP/TCP;interleaved=0-1 | Session: $S \n < 455 | Allow: PAUSE
            > SETUP film/track2 | Transport: RTP/AVP/TCP;interleaved=2-3 | Session: $S \n < 455 | Session: $S"),
        ("conditions", "
            > SETUP single | Transport: RTP/AVP/TCP;interleaved=0-1 | If-Match: \"wrong\" \n < 412 | !Session
            > SETUP single | Transport: RTP/AVP/TCP;interleaved=0-1 | If-Modified-Since: Tue, 13 Jan 1970 00:00:00 GMT \n < 304 | !Session
            > SETUP single | Transport: RTP/AVP/TCP;interleaved=0-1 | If-Match: * | Blocksize: 600 | Bandwidth: 1000001 \n < 200
            > SETUP single | Transport: RTP/AVP/TCP;interleaved=0-1 | Bandwidth: 1000 \n < 453 | !Session
            > SETUP single | Transport: RTP/AVP/TCP;interleaved=0-1 | Bandwidth: much \n < 400 | !Session
            > SETUP single | Transport: RTP/AVP/TCP;interleaved=0-1 | Blocksize: much \n < 416 | !Session"),
    ]);
}

/// A session of both tracks over TCP, or of `single`.
fn with_session(name: &'static str, dialogue: &str) -> (String, String) {
    let both = "
        > SETUP film/track1 | Transport: RTP/AVP/TCP;unicast;interleaved=0-1 \n < 200
        > SETUP film/track2 | Transport: RTP/AVP/TCP;unicast;interleaved=2-3 | Session: $S \n < 200\n";
    (name.into(), format!("{both}{dialogue}"))
}

fn check_with_session(rows: &[(&'static str, &str)]) {
    let setting = Setting::new();
    for (name, dialogue) in rows {
        let (name, dialogue) = with_session(name, dialogue);
        setting.check(&name, &dialogue);
        assert!(setting.until(|setting| setting.front.sessions() == 0), "{name}: sessions are left");
        setting.workers.log();
    }
}

#[test]
fn play() {
    check_with_session(&[
        ("from the start", "
            > PLAY film | Session: $S | Range: npt=0.000-
            < 200 | Session: = $S | Range: = npt=0.000- | RTP-Info: url=$Ufilm/track1;seq=65530;rtptime= | !Scale
            = play At(MediaTime(0)) None 2 tracks, go"),
        ("without a range, first and while playing", "
            > PLAY film/ | Session: $S \n < 200 | Range: = npt=0.000-
            = play Resume None 2 tracks, go
            > PLAY film/ | Session: $S \n < 200 | Range: npt=0. | !RTP-Info
            = "),
        ("VLC's changes of rate go on where it stands", "
            > PLAY film | Session: $S | Range: npt=0.000- \n < 200 | !Scale
            > PLAY film | Session: $S | Scale: 1.501502 \n < 200 | Scale: = 1.501502 | !Speed | Range: npt= | RTP-Info: url=
            > PLAY film | Session: $S | Scale: 1.501502 \n < 200 | Scale: = 1.501502 | !RTP-Info
            > PLAY film | Session: $S \n < 200 | Scale: = 1.501502 | !RTP-Info
            > PLAY film | Session: $S | Scale: 1.000000 \n < 200 | Scale: = 1.000000
            = play At(MediaTime(0)) None 2 tracks, go, play Resume None 2 tracks at 1.501502 x 1, go, play Resume None 2 tracks, go"),
        ("scales and speeds", "
            > PLAY film | Session: $S | Scale: 2 | Range: npt=9- \n < 200 | Scale: = 2.000000 | Range: = npt=9.000-
            > PLAY film | Session: $S | Scale: 1000 | Range: npt=9- \n < 200 | Scale: = 32.000000
            > PLAY film | Session: $S | Speed: 2 | Range: npt=9- \n < 200 | Speed: = 2.000000 | !Scale
            > PLAY film | Session: $S | Scale: -1 | Range: npt=9.5-0 \n < 200 | Scale: = -1.000000 | Range: = npt=9.000-0.000
            > PLAY film | Session: $S | Scale: -1 | Range: npt=9-10 \n < 457
            > PLAY film | Session: $S | Scale: -1 | Range: npt=0- \n < 457
            > PLAY film | Session: $S | Range: npt=3- \n < 200 | !Scale
            > GET_PARAMETER film | Session: $S | body=scale\\nspeed\\n \n < 200 | body=scale: 1.000000\\nspeed: 1.000000\\n"),
        ("what is asked for while a part plays waits for its end", "
            > PLAY film | Session: $S | Range: npt=10-15 \n < 200
            > PLAY film | Session: $S | Range: npt=20-25 \n < 200 | Range: = npt=20.000-25.000 | !RTP-Info
            > PLAY film | Session: $S | Range: npt=30- \n < 200 | Range: = npt=30.000- | !RTP-Info
            = play At(MediaTime(10000000000)) Some(MediaTime(15000000000)) 2 tracks, go, queue At(MediaTime(20000000000)) Some(MediaTime(25000000000)), queue At(MediaTime(30000000000)) None
            > PLAY film | Session: $S | Scale: 2 | Range: npt=3- \n < 200 | RTP-Info: url
            = play At(MediaTime(3000000000)) None 2 tracks at 2 x 1, go"),
        ("time codes", "
            > PLAY film | Session: $S | Range: smpte-25=0:00:05:12-0:00:10 \n < 200 | Range: = smpte-25=00:00:05:00-00:00:10:00
            > PAUSE film | Session: $S \n < 200 | Range: npt=5.
            > PLAY film | Session: $S | Range: smpte=0:00:05- \n < 200 | Range: = smpte=00:00:04:29.85-
            > PLAY film | Session: $S | Range: smpte-24=0:02:00:00- \n < 457
            > PLAY film | Session: $S | Range: smpte-24=0:00:00:24- \n < 400
            > PLAY film | Session: $S | Range: smpte-60=0:00:05- \n < 501"),
        ("ranges", "
            > PLAY film | Session: $S | Range: npt=10.5- \n < 200 | Range: = npt=10.000-
            > PLAY film | Session: $S | Range: npt=10-15 \n < 200 | Range: = npt=10.000-15.000
            > PAUSE film | Session: $S \n < 200
            > PLAY film | Session: $S | Range: npt=5 \n < 200 | Range: npt=5.000-
            > PLAY film | Session: $S | Range: npt=0:00:05.25- \n < 200 | Range: npt=5.000-
            > PLAY film | Session: $S | Range: npt=120-300 \n < 457 | Session: $S
            > PLAY film | Session: $S | Range: npt=20-60.004 \n < 200 | Range: = npt=20.000-
            > PLAY film | Session: $S | Range: npt=now- \n < 200 | Range: npt=20.
            > PLAY film | Session: $S | Range: npt=30-;time=20300101T000000Z \n < 200 | Range: npt=30.000-
            = play At(MediaTime(10500000000)) None 2 tracks, go, play At(MediaTime(10000000000)) Some(MediaTime(15000000000)) 2 tracks, go, pause, play At(MediaTime(5000000000)) None 2 tracks, go, play At(MediaTime(5250000000)) None 2 tracks, go, play At(MediaTime(20000000000)) None 2 tracks, go, play At(MediaTime(30000000000)) None 2 tracks, go"),
        ("to a place, from where it stands", "
            > PLAY film | Session: $S | Range: npt=-7 \n < 200 | Range: = npt=0.000-7.000
            = play Resume Some(MediaTime(7000000000)) 2 tracks, go"),
        ("ranges that are none", "
            > PLAY film | Session: $S | Range: npt=61- \n < 457
            > PLAY film | Session: $S | Range: npt=10-5 \n < 457
            > PLAY film | Session: $S | Range: npt=10-10 \n < 457
            > PLAY film | Session: $S | Range: bytes=0-1 \n < 501
            > PLAY film | Session: $S | Range: clock=20260101T000000Z- \n < 501
            > PLAY film | Session: $S | Range: clock=99999999999999999999999999999999999999999T0Z- \n < 400
            > PLAY film | Session: $S | Range: npt=abc- \n < 400
            > PLAY film | Session: $S | Range: npt=99999999999999999999- \n < 400
            > PLAY film | Session: $S | Range: 5- \n < 400
            = "),
        ("rates that are none", "
            > PLAY film | Session: $S | Scale: 0 \n < 400
            > PLAY film | Session: $S | Scale: nan \n < 400
            > PLAY film | Session: $S | Scale: 1e99 \n < 400
            > PLAY film | Session: $S | Speed: 0 \n < 400
            > PLAY film | Session: $S | Blocksize: 0 \n < 416
            > PLAY film | Session: $S | Speed: 2 \n < 200 | Speed: = 2.000000"),
        ("one track of two", "
            > PLAY film/track1 | Session: $S \n < 460 | Session: $S
            > PLAY other | Session: $S \n < 404
            > PAUSE film/track1 | Session: $S \n < 460"),
        ("no session", "
            > PLAY film \n < 454 | !Session
            > PLAY film | Session: nosuchsession \n < 454 | !Session
            > PAUSE film | Session: nosuchsession \n < 454
            > TEARDOWN film | Session: nosuchsession \n < 454
            > TEARDOWN film \n < 454
            > OPTIONS film | Session: nosuchsession \n < 454
            > GET_PARAMETER film | Session: nosuchsession \n < 454
            > SET_PARAMETER film | Session: nosuchsession \n < 454"),
        ("twice with one CSeq and range", "
            > PLAY film | Session: $S | Range: npt=0.000- \n < 200
            > PLAY film | Session: $S | Range: npt=0.000- \n < 200"),
        ("MPlayer sends the whole session field back", "
            > PLAY film | Session: $S;timeout=60 \n < 200 | Session: = $S"),
        ("a session is on all answers", "
            > OPTIONS film | Session: $S \n < 200 | Session: = $S
            > DESCRIBE film | Session: $S \n < 200 | Session: = $S
            > GET_PARAMETER film | Session: $S \n < 200 | Session: = $S"),
    ]);
}

#[test]
fn pause_and_teardown() {
    check_with_session(&[
        (
            "pause and go on",
            "
            > PLAY film | Session: $S | Range: npt=7- \n < 200
            > PAUSE film | Session: $S \n < 200 | Session: = $S | Range: npt=7.
            > PLAY film | Session: $S \n < 200 | Range: npt=7. | RTP-Info: seq=65531
            = play At(MediaTime(7000000000)) None 2 tracks, go, pause, play Resume None 2 tracks, go
            > PAUSE film | Session: $S \n < 200
            > PAUSE film | Session: $S \n < 200
            = pause",
        ),
        ("pause before playing", "> PAUSE film | Session: $S \n < 455 | Allow: PLAY"),
        (
            "pause points",
            "
            > PLAY film | Session: $S | Range: npt=10-15 \n < 200
            > PAUSE film | Session: $S | Range: npt=99 \n < 457
            > PAUSE film | Session: $S | Range: npt=3-5 \n < 457
            > PAUSE film | Session: $S | Range: npt=x \n < 400
            > PAUSE film | Session: $S | Range: npt=3 \n < 457
            > PAUSE film | Session: $S | Range: npt=12 \n < 200 | Range: = npt=12.000-
            = play At(MediaTime(10000000000)) Some(MediaTime(15000000000)) 2 tracks, go, pause MediaTime(3000000000), pause MediaTime(12000000000)
            > GET_PARAMETER film | Session: $S | body=state\\n \n < 200 | body=state: Playing\\n
            > PAUSE film | Session: $S | Range: npt=now- \n < 200",
        ),
        (
            "teardown of all",
            "
            > PLAY film | Session: $S \n < 200
            > TEARDOWN film | Session: $S \n < 200
            = play Resume None 2 tracks, go, remove bye=true
            > TEARDOWN film | Session: $S \n < 454
            > PLAY film | Session: $S \n < 454
            > OPTIONS film | Session: $S \n < 454",
        ),
        (
            "teardown of one track, in Ready",
            "
            > TEARDOWN film/track1 | Session: $S \n < 200 | Session: = $S
            > TEARDOWN film/track1 | Session: $S \n < 404
            > PLAY film/track2 | Session: $S \n < 200 | RTP-Info: url=$Ufilm/track2
            > TEARDOWN film/track2 | Session: $S \n < 200
            > PLAY film | Session: $S \n < 454",
        ),
        (
            "teardown of one track, in Playing: the other goes on",
            "
            > PLAY film | Session: $S \n < 200
            > TEARDOWN film/track2 | Session: $S \n < 200
            = play Resume None 2 tracks, go, pause, play Resume Some(MediaTime(60000000000)) 1 tracks, go
            > PLAY film | Session: $S | Range: npt=3- \n < 200 | RTP-Info: url=$Ufilm/track1",
        ),
        (
            "parameters of a session",
            "
            > PLAY film | Session: $S | Range: npt=7- \n < 200
            > PAUSE film | Session: $S \n < 200
            > GET_PARAMETER film | Session: $S | body=duration\\nstate\\npackets_sent\\noctets_sent\\njitter\\nround_trip\\n
            < 200 | Content-Type: = text/parameters | body=duration: 60.000\\nstate: Ready\\npackets_sent: 7\\noctets_sent: 700\\njitter: unknown\\nround_trip: unknown\\n
            > GET_PARAMETER film | Session: $S | body=position\\n \n < 200",
        ),
        ("teardown by another URL", "> TEARDOWN stream=0 | Session: $S \n < 200"),
    ]);
}

#[test]
fn parameters() {
    check(&[
        ("a ping", "
            > GET_PARAMETER film \n < 200
            > SET_PARAMETER film \n < 200
            > GET_PARAMETER * \n < 200
            > GET_PARAMETER film | Content-Type: text/parameters | body=\\n \n < 200"),
        ("unknown parameters", "
            > GET_PARAMETER film | Content-Type: text/parameters | body=packets_received\\njitter\\n
            < 451 | Content-Type: text/parameters | body=packets_received\\n
            > GET_PARAMETER film | body=position\\npackets_received\\n \n < 451 | body=packets_received\\n
            > GET_PARAMETER film | body=position\\n \n < 454
            > SET_PARAMETER film | Content-Type: Text/Parameters | body=barparam: barstuff\\n \n < 451 | body=barparam\\n
            > SET_PARAMETER film | body=scale: 2\\nbarparam: barstuff\\n \n < 451 | body=barparam\\n
            > SET_PARAMETER film | body=scale: 2\\n \n < 458 | body=scale\\n"),
        ("bodies that nobody reads", "
            > GET_PARAMETER film | Content-Type: application/x-nope | body=x \n < 415
            > SET_PARAMETER film | Content-Type: nonsense | body=x \n < 415
            > OPTIONS * | Content-Type: text/plain | body=hello \n < 200"),
    ]);
}
