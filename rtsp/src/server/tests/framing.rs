//! Bytes on the wire that are no orderly requests.

use super::Setting;
use crate::front::ListenerLimits;
use crate::session::SessionOptions;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::time::Duration;

const OPTIONS: &str = "OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n";

/// The statuses and CSeqs that come back, until the server has nothing more to say or closes.
fn answers(setting: &Setting, bytes: &[u8], pieces: usize, count: usize) -> Vec<String> {
    let mut client = setting.client();
    client.stream.set_nodelay(true).expect("no delay");
    for piece in bytes.chunks(pieces) {
        client.send(piece);
    }
    let answer = |got: super::Got| format!("{} {}", got.status, got.header("CSeq").unwrap_or("-"));
    std::iter::from_fn(|| client.receive()).take(count).map(answer).collect()
}

#[test]
fn requests_in_any_pieces_get_the_same_answers_in_their_order() {
    let setting = Setting::new();
    let five = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\nDESCRIBE rtsp://h/nothing RTSP/1.0\r\nCSeq: 2\r\n\r\n\
        GET_PARAMETER * RTSP/1.0\r\nCSeq: 3\r\nContent-Length: 3\r\n\r\na\r\n$\x05\0\x02xxFOO * RTSP/1.0\nCSeq: 004\n\n\
        OPTIONS * RTSP/1.1\rCSeq: 5\r\r";
    let expected = ["200 1", "404 2", "451 3", "501 004", "505 5"];
    assert_eq!(answers(&setting, five.as_bytes(), five.len(), 5), expected);
    assert_eq!(answers(&setting, five.as_bytes(), 1, 5), expected);
}

#[test]
fn a_guessed_session_gets_its_refusals_in_order() {
    let setting = Setting::new();
    let setup = |track: u8, cseq: u8, session: &str| {
        format!(
            "SETUP rtsp://h/film/track{track} RTSP/1.0\r\nCSeq: {cseq}\r\n{session}Transport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n"
        )
    };
    let play = "PLAY rtsp://h/film RTSP/1.0\r\nCSeq: 3\r\nSession: guessed\r\n\r\n";
    let text = setup(1, 1, "") + &setup(2, 2, "Session: guessed\r\n") + play;
    assert_eq!(answers(&setting, text.as_bytes(), text.len(), 3), ["200 1", "454 2", "454 3"]);
}

#[test]
fn what_is_not_rtsp_is_closed_and_bounded() {
    let setting = Setting::new();
    let http = b"GET / HTTP/1.1\r\n\r\n";
    assert_eq!(answers(&setting, http, http.len(), 5), ["404 -"]);
    let tls = b"\x16\x03\x01\x00\x10random bytes here";
    assert_eq!(answers(&setting, tls, tls.len(), 5), [""; 0]);
    let last = "GET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999999\r\n\r\n";
    assert_eq!(answers(&setting, last.as_bytes(), last.len(), 5), ["413 1"]);
    let close = format!("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nConnection: close\r\n\r\n{OPTIONS}");
    assert_eq!(answers(&setting, close.as_bytes(), close.len(), 5), ["200 1"]);
    let rubbish = "rubbish\r\n\r\n".repeat(1000);
    assert!(answers(&setting, rubbish.as_bytes(), rubbish.len(), 1000).len() <= 100);
    assert_eq!(answers(&setting, OPTIONS.as_bytes(), 100, 1), ["200 7"]);
}

#[test]
fn half_a_request_and_silence_are_closed_and_a_crowd_leaves_room() {
    let limits = ListenerLimits {
        connections: 8,
        message: Duration::from_millis(300),
        // Long enough for a busy machine to see all eight.
        idle: Duration::from_millis(2000),
        ..ListenerLimits::default()
    };
    let setting = Setting::with(SessionOptions::default(), limits);
    let mut slow = setting.client();
    slow.send("OPTIONS * RT");
    let mut silent = setting.client();
    assert!(slow.receive().is_none());
    assert!(silent.receive().is_none());
    let crowd: Vec<_> = (0..8).map(|_| setting.client()).collect();
    assert!(setting.until(|setting| setting.front.connections() == 8));
    let refused = setting.client().receive().map(|got| got.status);
    assert!(matches!(refused, None | Some(503)), "{refused:?}");
    assert!(setting.until(|setting| setting.front.connections() == 0));
    drop(crowd);
    assert_eq!(answers(&setting, OPTIONS.as_bytes(), 100, 1), ["200 7"]);
}

#[test]
fn a_viewer_who_does_not_read_the_answers_is_let_go() {
    let setting = Setting::new();
    let mut client = setting.client();
    client.stream.set_write_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let many = "DESCRIBE rtsp://h/film RTSP/1.0\r\nCSeq: 1\r\n\r\n".repeat(1000);
    use std::io::Write;
    let refused = (0..1000).any(|_| client.stream.write_all(many.as_bytes()).is_err());
    assert!(refused);
    assert!(setting.until(|setting| setting.front.connections() == 0));
}

/// Pieces that lead deep into the server.
const PIECES: &[&str] = &[
    "OPTIONS",
    "DESCRIBE",
    "SETUP",
    "PLAY",
    "PAUSE",
    "TEARDOWN",
    "GET_PARAMETER",
    "X",
    " ",
    " rtsp://h/film",
    "/track1",
    "/track",
    " rtsp://h/single",
    " rtsp://h/%2e%2e",
    " *",
    " RTSP/1.0\r\n",
    " RTSP/2.0\r\n",
    "CSeq: 1\r\n",
    "CSeq: x\r\n",
    "\r\n",
    "\r\n\r\n",
    "Session: x\r\n",
    "Transport: ",
    "RTP/AVP",
    "/TCP",
    ";unicast",
    ";client_port=",
    ";interleaved=",
    "0-1",
    "65535",
    ";mode=\"",
    ",",
    "\"",
    "Range: npt=",
    "1-",
    "-2",
    "now",
    "1:2:3.4-",
    "Scale: ",
    "nan\r\n",
    "Content-Length: ",
    "4\r\n",
    "Require: a\r\n",
    "Accept: ",
    "$\0\0\x02ab",
    "If-Modified-Since: ",
    "Timestamp: \u{e9}\r\n",
    "\0",
    "\u{ff}",
];

#[test]
fn no_bytes_bring_the_server_down() {
    let setting = Setting::new();
    let piece = prop_oneof![
        8 => prop::sample::select(PIECES).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..10),
    ];
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let result = runner.run(&prop::collection::vec(piece, 0..60), |pieces| {
        let mut client = setting.client();
        use std::io::Write;
        // The server may have closed before all was written.
        let _ = client.stream.write_all(&pieces.concat());
        let _ = client.stream.shutdown(std::net::Shutdown::Write);
        while client.receive().is_some() {}
        Ok(())
    });
    assert_eq!(result, Ok(()));
    assert_eq!(answers(&setting, OPTIONS.as_bytes(), 100, 1), ["200 7"]);
    assert!(setting.until(|setting| setting.front.connections() == 0));
}
