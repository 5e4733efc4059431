//! Sessions and connections: who outlives whom.

use super::{Client, Setting};
use crate::front::ListenerLimits;
use crate::session::SessionOptions;
use crate::worker::ViewerEvent;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// Sets `single` up and plays it.
fn play(setting: &Setting, transport: &str) -> Client {
    let mut client = setting.client();
    let dialogue = format!(
        "
        > SETUP single | Transport: {transport} \n < 200
        > PLAY single | Session: $S \n < 200"
    );
    client.run("play", &dialogue, &setting.workers);
    client
}

const TCP: &str = "RTP/AVP/TCP;unicast;interleaved=0-1";

#[test]
fn the_answer_to_play_comes_before_the_first_frame() {
    let setting = Setting::new();
    for _ in 0..20 {
        let mut client = setting.client();
        client.run(
            "set up",
            "
            > SETUP film/track2 | Transport: RTP/AVP/TCP;unicast;interleaved=8-9 \n < 200
            > PLAY film | Session: $S \n < 200",
            &setting.workers,
        );
        assert!(client.frames.is_empty());
        client.run("look", "> OPTIONS * \n < 200", &setting.workers);
        assert!(setting.until(|setting| setting.workers.log().iter().any(|entry| entry == "go")));
        client.run("look", "> OPTIONS * \n < 200", &setting.workers);
        assert_eq!(client.frames.iter().map(|(channel, _)| *channel).collect::<Vec<_>>(), [8]);
    }
}

#[test]
fn datagrams_go_to_the_viewer_and_carry_what_the_answers_said() {
    let setting = Setting::new();
    let viewer = UdpSocket::bind("127.0.0.1:0").expect("a port");
    viewer.set_read_timeout(Some(Duration::from_secs(3))).expect("a timeout");
    let port = viewer.local_addr().expect("its address").port();
    let mut client = setting.client();
    client.ask(&format!("SETUP single | Transport: RTP/AVP;unicast;client_port={port}"));
    let transport = client.receive().expect("an answer");
    client.session = transport.header("Session").and_then(|field| field.split(';').next()).expect("an id").into();
    let transport = transport.header("Transport").expect("a transport");
    let ssrc = transport.split("ssrc=").nth(1).and_then(|rest| rest.get(..8)).expect("an SSRC");
    client.run("play", "> PLAY single | Session: $S \n < 200 | RTP-Info: seq=65530", &setting.workers);
    let mut packet = [0; 100];
    let (length, _) = viewer.recv_from(&mut packet).expect("a packet");
    assert_eq!(length, 12);
    assert_eq!(u32::from_str_radix(ssrc, 16), Ok(u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]])));
    assert_eq!(u16::from_be_bytes([packet[2], packet[3]]), 65530);
}

#[test]
fn a_session_over_tcp_ends_with_its_connection_and_one_over_udp_goes_on() {
    let setting = Setting::new();
    let tcp = play(&setting, TCP);
    let udp = play(&setting, "RTP/AVP;unicast;client_port=5000-5001");
    assert_eq!(setting.front.sessions(), 2);
    drop(tcp);
    assert!(setting.until(|setting| setting.front.sessions() == 1));
    let session = udp.session.clone();
    drop(udp);
    assert!(setting.until(|setting| setting.front.connections() == 0));
    setting.workers.log();
    let mut second = setting.client();
    second.session = session;
    second.run(
        "from elsewhere",
        "
        > PAUSE single | Session: $S \n < 200
        > PLAY single | Session: $S \n < 200
        > TEARDOWN single | Session: $S \n < 200
        = pause, play Resume None 1 tracks, go, remove bye=true",
        &setting.workers,
    );
    assert_eq!((setting.front.sessions(), setting.workers.viewers()), (0, 0));
}

#[test]
fn a_silent_session_ends_and_any_sign_of_life_keeps_it() {
    let brief = SessionOptions { timeout: Duration::from_secs(2), grace: Duration::ZERO, ..SessionOptions::default() };
    let setting =
        Setting::with(brief, ListenerLimits { idle: Duration::from_millis(500), ..ListenerLimits::default() });
    let udp = "RTP/AVP;unicast;client_port=5000-5001";
    let mut silent = play(&setting, udp);
    let mut asking = play(&setting, udp);
    let mut carried = play(&setting, TCP);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        std::thread::sleep(Duration::from_millis(400));
        asking.run("keep alive", "> GET_PARAMETER single | Session: $S \n < 200", &setting.workers);
    }
    assert_eq!(setting.front.sessions(), 2);
    asking.run("asked", "> PAUSE single | Session: $S \n < 200", &setting.workers);
    carried.run("carried", "> PAUSE single | Session: $S \n < 200", &setting.workers);
    // Its connection had nothing left to be open for.
    assert!(silent.receive().is_none());
    let log = setting.workers.log();
    assert!(log.iter().any(|entry| entry == "remove bye=true"), "{log:?}");
}

#[test]
fn rtcp_on_its_channel_goes_to_the_worker_and_all_else_nowhere() {
    let setting = Setting::new();
    let mut client = setting.client();
    client.run(
        "set up",
        "
        > SETUP film/track2 | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 200
        > SETUP film/track1 | Transport: RTP/AVP/TCP;interleaved=2-3 | Session: $S \n < 200
        > PLAY film | Session: $S \n < 200 | RTP-Info: track1
        = play Resume None 2 tracks, go",
        &setting.workers,
    );
    for (channel, length) in [(0u8, 8u16), (1, 8), (3, 12), (77, 65_535), (1, 0)] {
        let mut frame = vec![b'$', channel];
        frame.extend_from_slice(&length.to_be_bytes());
        frame.resize(4 + usize::from(length), 0);
        client.send(frame);
    }
    client.run("report", "> OPTIONS * \n < 200 \n = rtcp 1 8, rtcp 0 12, rtcp 1 0", &setting.workers);
}

#[test]
fn the_end_of_the_range_leaves_the_session_and_a_failure_ends_it() {
    let setting = Setting::new();
    let mut client = play(&setting, TCP);
    setting.workers.tell(&ViewerEvent::EndOfStream);
    client.run(
        "ended",
        "
        > GET_PARAMETER single | Session: $S \n < 200
        > PAUSE single | Session: $S \n < 200 | !Range
        > PLAY single | Session: $S | Range: npt=2-4 \n < 200 | Range: = npt=2.000-4.000
        > SETUP single | Session: $S | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 455",
        &setting.workers,
    );
    setting.workers.tell(&ViewerEvent::Failed("node 2 is down".into()));
    // Its packets came on this connection: its end is what such a player notices.
    while client.receive().is_some() {}
    assert!(setting.until(|setting| setting.front.sessions() == 0));
}

#[test]
fn tracks_may_lie_on_one_connection_only() {
    let setting = Setting::new();
    let mut first = setting.client();
    first.run("first", "> SETUP film/track1 | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 200", &setting.workers);
    let mut second = setting.client();
    second.session = first.session.clone();
    second.run(
        "second",
        "
        > SETUP film/track2 | Session: $S | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 461
        > PLAY film | Session: $S \n < 200",
        &setting.workers,
    );
}

#[test]
fn sessions_are_bounded_by_connection_and_in_all() {
    let few = SessionOptions { max_sessions: 3, ..SessionOptions::default() };
    let setting = Setting::with(few, ListenerLimits::default());
    let setup = "> SETUP single | Transport: RTP/AVP;unicast;client_port=5000-5001 \n";
    setting.check(
        "all",
        &format!(
            "{setup} < 200 \n {setup} < 200 \n {setup} < 200 \n {setup} < 453 | !Session
        > TEARDOWN single | Session: $S \n < 200 \n {setup} < 200"
        ),
    );
    let setting = Setting::new();
    let mut client = setting.client();
    for _ in 0..super::super::MAX_SESSIONS_OF_CONNECTION {
        client.run("many", &format!("{setup} < 200"), &setting.workers);
    }
    client.run("one more", &format!("{setup} < 453"), &setting.workers);
    setting.client().run("elsewhere", &format!("{setup} < 200"), &setting.workers);
}

#[test]
fn two_hundred_times_up_and_down_leave_nothing() {
    let setting = Setting::new();
    let mut client = setting.client();
    for _ in 0..200 {
        client.run(
            "cycle",
            "
            > SETUP film/track1 | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 200 | Transport: interleaved=0-1
            > PLAY film | Session: $S \n < 200
            > TEARDOWN film | Session: $S \n < 200",
            &setting.workers,
        );
    }
    assert_eq!((setting.front.sessions(), setting.workers.viewers()), (0, 0));
}

#[test]
fn stopping_closes_every_connection() {
    let setting = Setting::new();
    let mut client = play(&setting, TCP);
    setting.stop.send(true).expect("a listener");
    while client.receive().is_some() {}
    assert!(setting.until(|setting| setting.front.connections() == 0));
    drop(setting.runtime);
}
