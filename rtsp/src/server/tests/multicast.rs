//! Channels by multicast: beside unicast, never for films, and described by HTTP.

use super::Setting;
use crate::admission::Admission;
use crate::auth::{Auth, AuthOptions, user};
use crate::channel::Watching;
use crate::front::{Front, ListenerLimits};
use crate::multicast::GroupAddress;
use crate::multicast::net::Group;
use crate::server::{Groups, Rules, fake};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

struct One(Group);

impl Groups for One {
    fn group(&self, channel: &str) -> Option<Group> {
        (channel == "news").then(|| self.0.clone())
    }

    fn group_of(&self, watching: &Watching) -> Option<Group> {
        self.group(watching.channel.name())
    }
}

/// A front whose channel `news` is sent to `group`, and that group.
fn setting(group: &str, source_specific: bool, auth: Option<Auth>) -> (Setting, Group) {
    let (source, ttl) = ([10, 0, 0, 1].into(), 9);
    let group = GroupAddress { group: group.parse().unwrap(), port: 5000, ttl, source, source_specific };
    let group = Group::new(group, false);
    let workers = fake::FakeWorkers::start();
    let rules = Rules { groups: Some(Arc::new(One(group.clone()))), auth: auth.map(Arc::new), ..Rules::default() };
    let films = Arc::new(fake::Films);
    let (limits, admission) = (ListenerLimits::default(), Admission::default());
    let front = Front::with_rules(films, workers.clone(), Default::default(), limits, admission, rules, None);
    (Setting::of(front, workers), group)
}

#[test]
fn a_group_is_set_up_beside_unicast_and_held_open() {
    let (setting, group) = setting("239.255.1.2", false, None);
    let first = "multicast;destination=239.255.1.2;port=5000-5001;ttl=9;mode=\"PLAY\"";
    let second = "multicast;destination=239.255.1.2;port=5002-5003;ttl=9;mode=\"PLAY\"";
    setting.check(
        "set up, played, torn down",
        &format!(
            "
            > SETUP news/track1 | Transport: RTP/AVP/UDP;multicast \n < 200 | Transport: = RTP/AVP;{first}
            > SETUP news/track2 | Transport: RTP/AVP;multicast;port=7000-7001;ttl=1 | Session: $S \n < 200 | Transport: = RTP/AVP;{second}
            > PLAY news | Session: $S | Range: npt=0.000- \n < 200 | Range: = npt=now- | RTP-Info: news/track2;seq=
            > PLAY news | Session: $S \n < 200 | Range: = npt=now-
            > GET_PARAMETER news | Session: $S \n < 200
            > TEARDOWN news/track2 | Session: $S \n < 200
            > PAUSE news | Session: $S \n < 200
            > PLAY news | Session: $S \n < 200 | RTP-Info: news/track1;seq=
            > TEARDOWN news | Session: $S \n < 200"
        ),
    );
    assert_eq!(group.holders(), 0);
    let mut one = setting.client();
    let set_up = "> SETUP news/track1 | Transport: RTP/AVP;multicast \n < 200";
    one.run("held", set_up, &setting.workers);
    setting.client().run("held", set_up, &setting.workers);
    assert_eq!(group.holders(), 2);
    one.run("held", "> TEARDOWN news | Session: $S \n < 200", &setting.workers);
    assert_eq!(group.holders(), 1);
}

#[test]
fn the_viewers_order_counts_and_what_can_not_be_had_is_passed_over() {
    // Transport, status, and what is agreed upon.
    let cases = [
        ("RTP/AVP;unicast;client_port=5000-5001,RTP/AVP;multicast", 200, "RTP/AVP;unicast;"),
        ("RTP/AVP;multicast,RTP/AVP;unicast;client_port=5000-5001", 200, "RTP/AVP;multicast;"),
        ("RTP/AVP;multicast;destination=239.255.1.2", 200, "RTP/AVP;multicast;"),
        ("RTP/AVP;multicast;destination=239.1.2.3,RTP/AVP;unicast;client_port=5000-5001", 200, "RTP/AVP;unicast;"),
        ("RTP/AVP;multicast;destination=239.1.2.3;port=5000-5001", 461, ""),
        ("RTP/AVP/TCP;multicast", 461, ""),
        ("RTP/AVP;multicast;mode=RECORD", 461, ""),
    ];
    let (setting, _) = setting("239.255.1.2", false, None);
    for (asked, status, agreed) in cases {
        let agreed = if agreed.is_empty() { "!Transport".to_owned() } else { format!("Transport: {agreed}") };
        setting.check(asked, &format!("> SETUP news/track1 | Transport: {asked} \n < {status} | {agreed}"));
    }
    setting.check("films", "> SETUP film/track1 | Transport: RTP/AVP;multicast \n < 461");
    Setting::new().check("no groups", "> SETUP news/track1 | Transport: RTP/AVP;multicast \n < 461");
    setting.check(
        "RTSP 2.0",
        "
        > 2.0 SETUP news/track1 | Transport: RTP/AVP;multicast | Accept-Ranges: npt
        < 200 | Transport: = RTP/AVP;multicast;dest_addr=\"239.255.1.2:5000\"/\"239.255.1.2:5001\";ttl=9;mode=\"PLAY\"
        > 2.0 PLAY news | Session: $S \n < 200 | Seek-Style: RAP | RTP-Info: ssrc=
        > 2.0 SETUP news/track1 | Transport: RTP/AVP;multicast;dest_addr=\"239.1.1.1:5000\"/\"239.1.1.1:5001\" \n < 461",
    );
    setting.check(
        "one track each way",
        "
        > SETUP news/track1 | Transport: RTP/AVP;multicast \n < 200
        > SETUP news/track2 | Transport: RTP/AVP;unicast;client_port=5000-5001 | Session: $S \n < 200
        > PLAY news | Session: $S \n < 200 | RTP-Info: news/track2;seq= \n = play Resume None 1 tracks, go
        > TEARDOWN news | Session: $S \n < 200 \n = remove bye=true",
    );
    setting.check(
        "a group's packets are as large as they are",
        "> SETUP news/track1 | Transport: RTP/AVP;multicast | Blocksize: 600 \n < 200 | Transport: RTP/AVP;multicast;",
    );
    let (specific, _) = self::setting("232.7.1.2", true, None);
    specific.check(
        "source-specific",
        "> SETUP news/track1 | Transport: RTP/AVP;multicast
         < 200 | Transport: RTP/AVP;multicast;destination=232.7.1.2;source=10.0.0.1;port=5000-5001;ttl=9",
    );
}

#[test]
fn the_group_is_in_the_description_for_whoever_asks_so() {
    let (setting, _) = setting("239.255.1.2", false, None);
    for (url, group) in [("news?multicast", true), ("news", false), ("film?multicast", false)] {
        let mut stream = TcpStream::connect(setting.address).unwrap();
        write!(stream, "DESCRIBE rtsp://h/{url} RTSP/1.0\r\nCSeq: 1\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("RTSP/1.0 200 "), "{url}: {text}");
        assert_eq!(text.contains("\r\nc=IN IP4 239.255.1.2/9\r\n"), group, "{url}: {text}");
        assert_eq!(text.contains("\r\nm=video 5000 RTP/AVP "), group, "{url}: {text}");
        assert!(text.contains("\r\na=control:track1\r\n"), "{url}: {text}");
    }
}

fn http(setting: &Setting, request: &str) -> String {
    let mut stream = TcpStream::connect(setting.address).unwrap();
    stream.write_all(format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_description_comes_by_http_to_whom_describe_would_answer() {
    let (open, group) = setting("239.255.1.2", false, None);
    assert!(http(&open, "GET /news.sdp").starts_with("HTTP/1.1 404 "), "nothing is sent yet");
    let live = fake::news().live.clone();
    group.set_sent(Some(live.clone()));
    let sdp = group.address().describe(&live);
    assert!(http(&open, "GET /news.sdp").ends_with(&format!("\r\n\r\n{sdp}")));
    assert!(http(&open, "GET /news.sdp?x=y").ends_with(&sdp));
    let head = http(&open, "HEAD /news.sdp");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    for (request, status) in [
        ("GET /", "404"),
        ("GET /news", "404"),
        ("GET /film.sdp", "404"),
        ("GET /.sdp", "404"),
        ("HEAD /none.sdp", "404"),
        ("GET /../news.sdp", "400"),
        ("GET /%zz.sdp", "400"),
        ("GET x", "400"),
        ("POST /news.sdp", "400"),
    ] {
        let answer = http(&open, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
    }
    let auth = Auth::new(AuthOptions { basic: true, ..AuthOptions::default() }, Instant::now());
    auth.set_users([user("ann", auth.realm(), "secret")]);
    let (closed, group) = setting("239.255.1.2", false, Some(auth));
    group.set_sent(Some(live));
    let asked = http(&closed, "GET /news.sdp");
    assert!(asked.starts_with("HTTP/1.1 401 ") && asked.contains("\r\nWWW-Authenticate: Digest "), "{asked}");
    let with = |credentials| format!("GET /news.sdp HTTP/1.1\r\nAuthorization: Basic {credentials}\r\nX: ");
    // ann:secret and ann:wrong.
    assert!(http(&closed, &with("YW5uOnNlY3JldA==")).starts_with("HTTP/1.1 200 "));
    assert!(http(&closed, &with("YW5uOndyb25n")).starts_with("HTTP/1.1 401 "));
}
