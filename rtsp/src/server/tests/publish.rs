//! Publishers: ANNOUNCE and RECORD, and what comes in then.

use super::{Client, FakeWorkers, Films, Front, ListenerLimits, Setting};
use crate::admission::Admission;
use crate::auth::{Auth, AuthOptions, user};
use crate::channel::{Channel, ChannelOptions};
use crate::feed::push::Pushable;
use crate::server::Rules;
use crate::session::SessionOptions;
use catalog::db::User;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SDP: &str = "Content-Type: application/sdp | body=v=0\\no=- 0 0 IN IP4 127.0.0.1\\ns=x\\nt=0 0\\n\
                   m=audio 0 RTP/AVP 0\\na=control:streamid=0\\nm=audio 0 RTP/AVP 8\\na=control:streamid=1\\n";
const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record";

/// A front where `live` takes a publisher, and only that.
fn setting() -> (Setting, Arc<Channel>) {
    setting_of(None)
}

fn setting_of(auth: Option<Auth>) -> (Setting, Arc<Channel>) {
    let (channel, pushable) = (Channel::new("live", ChannelOptions::default()), Pushable::default());
    pushable.insert(channel.clone());
    let rules = Rules { pushable: Some(pushable), auth: auth.map(Arc::new), ..Rules::default() };
    let workers = FakeWorkers::start();
    let (sessions, limits) = (SessionOptions::default(), ListenerLimits::default());
    let front =
        Front::with_rules(Arc::new(Films), workers.clone(), sessions, limits, Admission::default(), rules, None);
    (Setting::of(front, workers), channel)
}

#[test]
fn publishers_are_answered_by_the_state_they_are_in() {
    let (setting, _channel) = setting();
    let setup = format!("SETUP live/streamid=0 | {TCP} | Session: $S");
    for (name, dialogue) in [
        ("what can be done", "> OPTIONS live \n < 200 | Public: ANNOUNCE, RECORD".to_owned()),
        ("a film", format!("> ANNOUNCE film | {SDP} \n < 405 | Allow: PLAY \n > RECORD film \n < 405")),
        ("nothing of that name", format!("> ANNOUNCE none | {SDP} \n < 405 | Allow: PLAY")),
        ("no channel at all", format!("> ANNOUNCE . | {SDP} \n < 405")),
        ("not SDP", "> ANNOUNCE live | Content-Type: text/plain | body=v=0 \n < 415 | Accept: application/sdp".to_owned()),
        ("no type", "> ANNOUNCE live \n < 415".to_owned()),
        (
            "broken SDP",
            "> ANNOUNCE live | Content-Type: application/sdp | body=v=0\\nx \n \
             < 400 | body=sdp: no m= line\\n"
                .to_owned(),
        ),
        (
            "a format that can't be taken",
            "> ANNOUNCE live | Content-Type: application/sdp | body=v=0\\nm=video 0 RTP/AVP 96\\na=rtpmap:96 XY/90000\\n \n \
             < 415 | Content-Type: text/plain"
                .to_owned(),
        ),
        ("RTSP 2.0 has no such", format!("> 2.0 ANNOUNCE live | {SDP} \n < 405 2.0")),
        ("RECORD without a session", "> RECORD live \n < 454".to_owned()),
        ("SETUP to record without ANNOUNCE", format!("> SETUP film/track1 | {TCP} \n < 461")),
        (
            "all states",
            format!(
                "> ANNOUNCE live | {SDP} \n < 200 | Session: timeout=60
                 > RECORD live | Session: $S \n < 455 | Allow: OPTIONS, SETUP, TEARDOWN
                 > SETUP live/streamid=7 | {TCP} | Session: $S \n < 404
                 > SETUP live/streamid=0 | Transport: RTP/AVP/TCP;unicast;interleaved=0-1 | Session: $S \n < 461
                 > SETUP live/streamid=0 | Transport: RTP/AVP;multicast;mode=record | Session: $S \n < 461
                 > {setup} \n < 200 | Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=\"RECORD\" | Session: $S
                 > RECORD live | Session: $S | Range: npt=0.000- \n < 200 | Session: $S
                 > {setup} \n < 455
                 > PLAY live | Session: $S \n < 455
                 > OPTIONS live | Session: $S \n < 200
                 > GET_PARAMETER live | Session: $S \n < 200
                 > ANNOUNCE live | {SDP} \n < 403 | body=channel live is fed already\\n
                 > PAUSE live | Session: $S \n < 200
                 > RECORD live | Session: $S \n < 200
                 > TEARDOWN live | Session: $S \n < 200
                 > RECORD live | Session: $S \n < 454"
            ),
        ),
        (
            "one that announces and does nothing keeps nobody out",
            format!("> ANNOUNCE live | {SDP} \n < 200 \n > ANNOUNCE live | {SDP} \n < 200"),
        ),
    ] {
        setting.check(name, &dialogue);
    }
}

#[test]
fn only_who_may_publish_does() {
    let auth = Auth::new(AuthOptions { basic: true, ..AuthOptions::default() }, Instant::now());
    let bob = User { publishes: true, ..user("bob", "mobidic", "secret") };
    auth.set_users([user("ann", "mobidic", "secret"), bob]);
    let (setting, _channel) = setting_of(Some(auth));
    let [ann, bob] = ["YW5uOnNlY3JldA==", "Ym9iOnNlY3JldA=="].map(|login| format!("Authorization: Basic {login}"));
    for (name, dialogue) in [
        ("nobody", format!("> ANNOUNCE live | {SDP} \n < 401")),
        (
            "who may watch",
            format!("> ANNOUNCE live | {ann} | {SDP} \n < 403 | body=this user may watch, not publish\\n"),
        ),
        ("who may publish", format!("> ANNOUNCE live | {bob} | {SDP} \n < 200")),
    ] {
        setting.check(name, &dialogue);
    }
}

/// An RTP packet of 20 ms of mu-law.
fn packet(number: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let timestamp = rtp::clock::RtpTimestamp(u32::from(number) * 160);
    rtp::packet::write_header(&mut bytes, 0, false, rtp::seq::Sequence(number), timestamp, 7);
    bytes.extend([0xFF; 160]);
    bytes
}

fn announce(client: &mut Client, setting: &Setting, transport: &str) -> String {
    let dialogue = format!("> ANNOUNCE live | {SDP} \n < 200");
    client.run("announce", &dialogue, &setting.workers);
    client.ask(&format!("SETUP live/streamid=0 | Transport: {transport};mode=record | Session: $S"));
    let answer = client.receive().expect("an answer");
    assert_eq!(answer.status, 200);
    client.run("record", "> RECORD live | Session: $S \n < 200", &setting.workers);
    answer.header("Transport").expect("a transport").to_owned()
}

/// How many units the channel keeps.
fn units(channel: &Arc<Channel>) -> usize {
    let live = channel.live().expect("a description");
    channel.newest(&live).map_or(0, |newest| newest.kept.iter().map(|burst| burst.units.len()).sum())
}

#[test]
fn what_a_publisher_sends_reaches_the_channel_and_nobody_elses_packets_do() {
    let (setting, channel) = setting();
    for udp in [false, true] {
        let mut client = setting.client();
        if udp {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
            let transport = announce(&mut client, &setting, "RTP/AVP;unicast;client_port=40000-40001");
            let ports = transport.split("server_port=").nth(1).expect("ports");
            let port: u16 = ports.split('-').next().and_then(|port| port.parse().ok()).expect("a port");
            // Another address of the same machine is somebody else.
            let stranger = UdpSocket::bind("127.0.0.2:0").expect("a port");
            for number in 1..=5 {
                socket.send_to(&packet(number), ("127.0.0.1", port)).expect("sent");
                stranger.send_to(&packet(100 + number), ("127.0.0.1", port)).expect("sent");
            }
        } else {
            announce(&mut client, &setting, "RTP/AVP/TCP;unicast;interleaved=0-1");
            for number in 1..=5 {
                let packet = packet(number);
                client.send([&[b'$', 0][..], &(packet.len() as u16).to_be_bytes(), &packet].concat());
                // No channel of its own, and RTCP that is none.
                client.send([&[b'$', 9, 0, 2, 1, 2, b'$', 1, 0, 2, 1, 2][..]].concat());
            }
        }
        assert!(channel.is_fed());
        // Sound is kept from the newest burst on.
        assert!(setting.until(|_| units(&channel) > 0), "udp: {udp}");
        client.run("alive", "> OPTIONS live | Session: $S \n < 200", &setting.workers);
        client.run("end", "> TEARDOWN live | Session: $S \n < 200", &setting.workers);
        assert!(!channel.is_fed() && channel.live().is_some());
    }
}

#[test]
fn a_publisher_that_vanishes_leaves_its_channel_to_the_next() {
    let (setting, channel) = setting();
    let mut client = setting.client();
    announce(&mut client, &setting, "RTP/AVP/TCP;unicast;interleaved=0-1");
    let live = channel.live().expect("a description");
    drop(client);
    assert!(setting.until(|_| !channel.is_fed()));
    let mut next = setting.client();
    announce(&mut next, &setting, "RTP/AVP;unicast;client_port=40000-40001");
    assert!(channel.live().is_some_and(|now| Arc::ptr_eq(&now, &live)), "the same description goes on");
    drop(next);
    // Without its connection and without packets it is the next one's.
    let mut last = setting.client();
    assert!((0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        last.ask(&format!("ANNOUNCE live | {SDP}"));
        last.receive().is_some_and(|answer| answer.status == 200)
    }));
    assert!(setting.until(|_| !channel.is_fed()));
    channel.sweep(Instant::now() + Duration::from_secs(60));
    assert!(channel.live().is_none());
}
