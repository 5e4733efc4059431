//! A session is a promise: as many play as can all be kept up, the others are told so, and nobody suffers.

use crate::raid::world::{Node, World, node_folder, pair, rtp_header};
use conformance::{
    client::{self, Client},
    compare::tempdir,
    films::Recipe,
    server::{Server, mobidic},
};
use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

/// Come at once.
const VIEWERS: usize = 150;
/// A sound track of even rate, so that about a hundred fill four nodes of 1 MB/s, of which 85 % may be promised.
const FILM: Recipe = Recipe { file: "even.mp2", length: 30, options: "-vn -c:a mp2 -ar 48000 -b:a 256k -f mp2" };
/// The same for two fronts and five nodes.
const LONGER: Recipe = Recipe { length: 90, options: "-vn -c:a mp2 -ar 48000 -b:a 384k -f mp2", ..FILM };
const NODE_BPS: u64 = 1_000_000 * 8 * 85 / 100;

/// Each has sockets of its own: one for all would overflow while this program waits for a core.
struct Viewer {
    client: Client,
    url: String,
    session: String,
    rtp: UdpSocket,
    _rtcp: UdpSocket,
}

impl Viewer {
    /// Sets the film up.
    fn set_up(port: u16) -> Self {
        let mut client = Client::connect(([127, 0, 0, 1], port).into()).unwrap();
        let url = format!("rtsp://127.0.0.1:{port}/even");
        let description = client.request("DESCRIBE", &url, &[]).unwrap();
        let control = client::controls(&description).remove(0);
        let (rtp, _rtcp) = pair();
        let first = rtp.local_addr().unwrap().port();
        let transport = format!("RTP/AVP;unicast;client_port={first}-{}", first + 1);
        let answer = client.request("SETUP", &control, &[("Transport", &transport)]).unwrap();
        assert_eq!(answer.status, 200);
        let session = answer.header("Session").unwrap().split(';').next().unwrap().to_owned();
        Self { client, url, session, rtp, _rtcp }
    }

    fn ask(&mut self, method: &str) -> u16 {
        self.client.request(method, &self.url, &[("Session", &self.session)]).unwrap().status
    }
}

/// The film's rate as it is promised.
fn rate(shown: &str) -> u64 {
    let shown: serde_json::Value = serde_json::from_str(shown).unwrap();
    shown["presentation"]["tracks"][0]["bandwidth_bps"].as_u64().unwrap()
}

#[test]
fn as_many_play_as_the_nodes_can_keep_up() {
    let folder = tempdir().unwrap();
    let film = FILM.make(&folder).unwrap();
    let data = folder.join("data");
    let server = Server::start_in(&data, &[&film], &["--read-limit", "1"]).unwrap();
    let (_, shown, _) = mobidic(&["show", "even", "--json", "--data", &data.to_string_lossy()]).unwrap();
    let rate = rate(&shown);
    let expected = usize::try_from(NODE_BPS / (rate / 4)).unwrap();
    assert!((90..120).contains(&expected), "{rate} bit/s");

    let mut viewers: Vec<Viewer> = (0..VIEWERS).map(|_| Viewer::set_up(server.port)).collect();
    let sockets: Vec<UdpSocket> = viewers.iter().map(|viewer| viewer.rtp.try_clone().unwrap()).collect();
    let receiving = std::thread::spawn(move || receive(&sockets, Duration::from_secs(8)));
    let answers: Vec<u16> = viewers.iter_mut().map(|viewer| viewer.ask("PLAY")).collect();
    let play = |status| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((play(200), play(453)), (expected, VIEWERS - expected), "{answers:?}");
    let status = || {
        let (_, said, _) = mobidic(&["cluster", "status", "--json", "--data", &data.to_string_lossy()]).unwrap();
        serde_json::from_str::<serde_json::Value>(&said).unwrap()["fronts"][0].clone()
    };
    std::thread::sleep(Duration::from_millis(2_500));
    let front = status();
    assert_eq!(front["viewers"].as_u64(), Some(expected as u64), "{front}");
    assert_eq!(front["possible_bps"].as_u64(), Some(4 * NODE_BPS), "{front}");
    // The first leaves, and one that was refused comes in, but no other.
    assert_eq!(viewers[VIEWERS - 1].ask("PLAY"), 453);
    assert_eq!(viewers[0].ask("TEARDOWN"), 200);
    assert_eq!(viewers[VIEWERS - 1].ask("PLAY"), 200);
    assert_eq!(viewers[VIEWERS - 2].ask("PLAY"), 453);

    let sources = receiving.join().unwrap();
    for (number, source) in sources.iter().enumerate().skip(1) {
        if answers[number] != 200 && number != VIEWERS - 1 {
            assert_eq!(source.packets, 0, "a refused viewer got packets");
            continue;
        }
        assert_eq!(source.lost, 0, "of {} packets", source.packets);
        // 256 kbit/s for five seconds at least, unless it came later.
        assert!(source.packets > 20, "{} packets", source.packets);
    }
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn two_fronts_promise_no_more_than_there_is_and_see_what_is_wanted_of_nodes() {
    let mut world = World::with(1, &[LONGER], |folder| {
        let limited = |number| {
            let place = node_folder(folder, number);
            let arguments = ["--folder", &place.to_string_lossy(), "--read-limit", "1"].map(str::to_owned);
            Node::start_with(place, arguments.to_vec(), Vec::new())
        };
        (0..5).map(limited).collect()
    });
    let expected = usize::try_from(NODE_BPS / (rate(&world.run(&["show", "even", "--json"])) / 5)).unwrap();
    assert!((70..100).contains(&expected), "{expected}");
    let (_second, port) = world.another_front();
    // It is there, so it has its part: nobody who comes first is refused.
    let mut waiting = vec![Viewer::set_up(port)];
    assert_eq!(waiting[0].ask("PLAY"), 200);
    let mut playing = vec![waiting.remove(0)];
    // Three of four come to the first front, which has half of the nodes to begin with.
    waiting.extend((0..110).map(|number| Viewer::set_up(if number % 4 == 0 { port } else { world.port })));
    let begun = Instant::now();
    while playing.len() + 4 < expected && begun.elapsed() < Duration::from_secs(40) {
        let mut refused = Vec::new();
        for mut viewer in std::mem::take(&mut waiting) {
            let full = refused.contains(&viewer.url);
            match if full { 453 } else { viewer.ask("PLAY") } {
                200 => playing.push(viewer),
                453 => {
                    refused.push(viewer.url.clone());
                    waiting.push(viewer);
                }
                other => panic!("{other}"),
            }
        }
        assert!(playing.len() <= expected, "{} of {expected}", playing.len());
        std::thread::sleep(Duration::from_millis(300));
    }
    // A front has less than one viewer's part of what is left.
    assert!((expected - 4..=expected).contains(&playing.len()), "{} of {expected}", playing.len());
    let at_first = playing.iter().filter(|viewer| viewer.url == world.url("even")).count();
    assert!(at_first > expected / 2 + 4, "{at_first} of {} at the first front", playing.len());

    // A node goes, and both fronts know: else a second one's loss would be one too many.
    world.run(&["cluster", "remove", &world.nodes[4].id, "--grace", "2", "--limit", "0"]);
    world.nodes[4].kill();
    world.nodes[0].kill();
    for _ in 0..6 {
        std::thread::sleep(Duration::from_secs(1));
        [world.port, port].iter().for_each(|port| drop(Viewer::set_up(*port)));
    }
    let status: serde_json::Value = serde_json::from_str(&world.run(&["cluster", "status", "--json"])).unwrap();
    assert_eq!(status["fronts"].as_array().map(Vec::len), Some(2), "{status}");
}

#[derive(Default)]
struct Source {
    next: Option<u16>,
    packets: u64,
    lost: u64,
}

/// What came at each socket.
fn receive(sockets: &[UdpSocket], time: Duration) -> Vec<Source> {
    let mut sources: Vec<Source> = sockets.iter().map(|_| Source::default()).collect();
    let (mut buffer, end) = ([0; 2048], Instant::now() + time);
    while Instant::now() < end {
        for (socket, source) in sockets.iter().zip(&mut sources) {
            while let Ok(length) = socket.recv(&mut buffer) {
                let (sequence, ..) = rtp_header(&buffer[..length]);
                source.packets += 1;
                source.lost += u64::from(sequence.wrapping_sub(source.next.unwrap_or(sequence)));
                source.next = Some(sequence.wrapping_add(1));
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    sources
}
