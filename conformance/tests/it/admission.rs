//! A session is a promise: as many play as can all be kept up, the others are told so, and nobody suffers.

use crate::raid::world::rtp_header;
use conformance::{
    client::{self, Client},
    compare::tempdir,
    films::Recipe,
    server::{Server, mobidic},
};
use std::{
    collections::HashMap,
    net::UdpSocket,
    time::{Duration, Instant},
};

/// Come at once.
const VIEWERS: usize = 150;
/// A sound track of even rate, so that about a hundred fill four nodes of 1 MB/s, of which 85 % may be promised.
const FILM: Recipe = Recipe { file: "even.mp2", length: 30, options: "-vn -c:a mp2 -ar 48000 -b:a 256k -f mp2" };
const BUDGET_BPS: u64 = 4 * 1_000_000 * 8 * 85 / 100;

struct Viewer {
    client: Client,
    session: String,
    ssrc: u32,
}

impl Viewer {
    /// Sets the film up; packets go to `port`.
    fn set_up(server: &Server, url: &str, port: u16) -> Self {
        let mut client = Client::connect(([127, 0, 0, 1], server.port).into()).unwrap();
        let description = client.request("DESCRIBE", url, &[]).unwrap();
        let control = client::controls(&description).remove(0);
        let transport = format!("RTP/AVP;unicast;client_port={port}-{}", port + 1);
        let answer = client.request("SETUP", &control, &[("Transport", &transport)]).unwrap();
        assert_eq!(answer.status, 200);
        let session = answer.header("Session").unwrap().split(';').next().unwrap().to_owned();
        let ssrc = u32::from_str_radix(answer.parameter("Transport", "ssrc").unwrap(), 16).unwrap();
        Self { client, session, ssrc }
    }

    fn ask(&mut self, method: &str, url: &str) -> u16 {
        self.client.request(method, url, &[("Session", &self.session)]).unwrap().status
    }
}

#[test]
fn as_many_play_as_the_nodes_can_keep_up() {
    let folder = tempdir().unwrap();
    let film = FILM.make(&folder).unwrap();
    let data = folder.join("data");
    let server = Server::start_in(&data, &[&film], &["--read-limit", "1"]).unwrap();
    let url = server.url("even");
    let (_, shown, _) = mobidic(&["show", "even", "--json", "--data", &data.to_string_lossy()]).unwrap();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let rate = shown["presentation"]["tracks"][0]["bandwidth_bps"].as_u64().unwrap();
    let expected = usize::try_from((BUDGET_BPS / 4) / (rate / 4)).unwrap();
    assert!((90..120).contains(&expected), "{rate} bit/s");

    // All on one port: their sources tell them apart.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut viewers: Vec<Viewer> = (0..VIEWERS).map(|_| Viewer::set_up(&server, &url, port)).collect();
    let receiving = std::thread::spawn(move || receive(&socket, Duration::from_secs(8)));
    let answers: Vec<u16> = viewers.iter_mut().map(|viewer| viewer.ask("PLAY", &url)).collect();
    let play = |status| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((play(200), play(453)), (expected, VIEWERS - expected), "{answers:?}");
    let status = || {
        let (_, said, _) = mobidic(&["cluster", "status", "--json", "--data", &data.to_string_lossy()]).unwrap();
        serde_json::from_str::<serde_json::Value>(&said).unwrap()["fronts"][0].clone()
    };
    std::thread::sleep(Duration::from_millis(2_500));
    let front = status();
    assert_eq!(front["viewers"].as_u64(), Some(expected as u64), "{front}");
    assert_eq!(front["possible_bps"].as_u64(), Some(BUDGET_BPS), "{front}");
    // The first leaves, and one that was refused comes in, but no other.
    assert_eq!(viewers[VIEWERS - 1].ask("PLAY", &url), 453);
    assert_eq!(viewers[0].ask("TEARDOWN", &url), 200);
    assert_eq!(viewers[VIEWERS - 1].ask("PLAY", &url), 200);
    assert_eq!(viewers[VIEWERS - 2].ask("PLAY", &url), 453);

    let sources = receiving.join().unwrap();
    for (viewer, answer) in viewers.iter().zip(&answers).skip(1) {
        let late = answer != &200 && !std::ptr::eq(viewer, &viewers[VIEWERS - 1]);
        let Some(source) = sources.get(&viewer.ssrc) else {
            assert!(late, "a viewer got nothing");
            continue;
        };
        assert!(!late, "a refused viewer got packets");
        assert_eq!(source.lost, 0, "of {} packets", source.packets);
        // 256 kbit/s for five seconds at least, unless it came later.
        assert!(source.packets > 20, "{} packets", source.packets);
    }
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

#[derive(Default)]
struct Source {
    next: Option<u16>,
    packets: u64,
    lost: u64,
}

fn receive(socket: &UdpSocket, time: Duration) -> HashMap<u32, Source> {
    let (mut sources, mut buffer) = (HashMap::<u32, Source>::new(), [0; 2048]);
    let end = Instant::now() + time;
    while Instant::now() < end {
        let Ok(length) = socket.recv(&mut buffer) else { continue };
        let (sequence, _, ssrc) = rtp_header(&buffer[..length]);
        let source = sources.entry(ssrc).or_default();
        source.packets += 1;
        source.lost += u64::from(sequence.wrapping_sub(source.next.unwrap_or(sequence)));
        source.next = Some(sequence.wrapping_add(1));
    }
    sources
}
