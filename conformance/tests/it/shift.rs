//! Time shift from end to end: a channel that keeps itself is paused, sought in by the clock and saved as a film, while a
//! node is killed.

use crate::common::channel;
use conformance::{
    client::{Client, Rtp, controls, rtp},
    compare::{DecodeOptions, Decoded, Transport, decode, tempdir},
    films::Recipe,
    server::{Server, signal},
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

const LIMIT: Duration = Duration::from_secs(60);

/// Over and over. Each picture is one sample of 40 ms, each twelfth a sync sample.
const FILM: Recipe = Recipe { file: "loop.mp4", length: 6, options: "-r 25 -s 176x144 -an -c:v mpeg4 -bf 0 -g 12" };
const FRAME: u32 = 3_600;

/// One viewer of the channel's only track, over its connection.
struct Viewer {
    client: Client,
    url: String,
    packets: Vec<Rtp>,
}

impl Viewer {
    fn set_up(server: &Server, name: &str) -> Self {
        let (url, begun) = (server.url(name), Instant::now());
        loop {
            let mut client = Client::connect(([127, 0, 0, 1], server.port).into()).unwrap();
            let described = client.request("DESCRIBE", &url, &[]).unwrap();
            // The window begins a moment after the channel.
            if described.status == 200 && described.body.contains("a=range:clock=") {
                let control = &controls(&described)[0];
                let transport = ("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1");
                assert_eq!(client.request("SETUP", control, &[transport]).unwrap().status, 200);
                return Self { client, url, packets: Vec::new() };
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{}\n{}", described.head, described.body);
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Answers `Range`, and number and timestamp of the first packet as `RTP-Info` has them.
    fn play(&mut self, range: Option<&str>) -> (String, u16, u32) {
        let headers: Vec<(&str, &str)> = range.into_iter().map(|range| ("Range", range)).collect();
        let answer = self.client.request("PLAY", &self.url, &headers).unwrap();
        assert_eq!(answer.status, 200, "{range:?}: {}", answer.head);
        let info = |name| answer.parameter("RTP-Info", name).unwrap().parse::<u32>().unwrap();
        let range = answer.header("Range").unwrap().to_owned();
        (range, info("seq") as u16, info("rtptime"))
    }

    fn receive(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Some(frame) = self.client.frame(until.saturating_duration_since(Instant::now())).unwrap() {
            if frame.channel == 0 {
                self.packets.push(rtp(&frame.bytes).unwrap());
            }
        }
    }

    /// So many packets; each picture is one.
    fn receive_pictures(&mut self, count: usize) {
        let begun = Instant::now();
        while self.packets.len() < count {
            assert!(begun.elapsed() < LIMIT, "{} packets", self.packets.len());
            self.receive(Duration::from_millis(500));
        }
    }

    fn pause(&mut self) {
        assert_eq!(self.client.request("PAUSE", &self.url, &[]).unwrap().status, 200);
        self.receive(Duration::from_millis(100));
    }

    /// No packet is missing, and no picture.
    fn check(&mut self, what: &str) -> Vec<u32> {
        let packets = std::mem::take(&mut self.packets);
        for pair in packets.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "{what}");
            let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
            assert!(step == 0 || step.abs_diff(FRAME) < 10, "{what}: {step} ticks between two pictures");
        }
        let mut times: Vec<u32> = packets.iter().map(|packet| packet.timestamp).collect();
        times.dedup();
        times
    }
}

/// Whether it begins with what lets decoding begin: parameter sets, a group's head or an I picture (ISO 14496-2 6.2).
fn is_sync(packet: &Rtp) -> bool {
    match packet.payload[..] {
        [0, 0, 1, 0xB6, kind, ..] => kind >> 6 == 0,
        [0, 0, 1, code, ..] => code >= 0xB0,
        _ => false,
    }
}

fn hashes(file: &str, options: &DecodeOptions) -> Vec<String> {
    let decoded: Decoded = decode(file, options, LIMIT).unwrap();
    decoded.pictures.into_iter().map(|picture| picture.hash).collect()
}

/// Kills the process that serves the second node, as an unplugged machine would go.
fn kill_a_node(server: &Server) {
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(" node ") && line.contains(&*server.data.to_string_lossy()) {
            return signal(pid, "KILL").unwrap();
        }
    }
    panic!("no node runs");
}

#[test]
fn what_was_kept_before_a_front_starts_anew_is_watched_after_it() {
    let folder = tempdir().unwrap();
    let film = FILM.make(&folder).unwrap();
    let data = folder.join("data");
    let begins = |viewer: &mut Viewer| {
        let described = viewer.client.request("DESCRIBE", &viewer.url, &[]).unwrap();
        let range = described.body.lines().find_map(|line| line.strip_prefix("a=range:clock=").map(str::to_owned));
        range.unwrap().trim_end_matches('-').to_owned()
    };
    let server = Server::start_in(&data, &[Path::new(&film)], &[]).unwrap();
    channel(&server, &["add", "tv", "--playlist", "loop", "--loop", "--window", "1h"]);
    let mut viewer = Viewer::set_up(&server, "tv");
    let begun = begins(&mut viewer);
    viewer.play(Some("npt=now-"));
    viewer.receive(Duration::from_secs(2));
    viewer.check("before");
    drop(viewer);
    server.stop().unwrap();
    let server = Server::start_in(&data, &[], &[]).unwrap();
    let mut viewer = Viewer::set_up(&server, "tv");
    assert_eq!(begins(&mut viewer), begun);
    let (range, first, rtptime) = viewer.play(Some(&format!("clock={begun}-")));
    assert!(range.starts_with("clock=2"), "{range}");
    viewer.receive_pictures(40);
    let packet = &viewer.packets[0];
    assert!(is_sync(packet) && packet.sequence == first);
    assert!(packet.timestamp.wrapping_sub(rtptime) < FRAME, "{} after {rtptime}", packet.timestamp);
    viewer.check("after");
    // What is now is kept beside it.
    let (range, ..) = viewer.play(Some("npt=now-"));
    assert_eq!(range, "npt=now-");
    viewer.receive(Duration::from_secs(1));
    viewer.pause();
    viewer.packets.clear();
    viewer.play(None);
    viewer.receive_pictures(20);
    viewer.check("behind again");
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

/// A pause of `MOBIDIC_PAUSE` seconds (30), then back by `MOBIDIC_BACK` (60): for people, with `--ignored`.
#[test]
#[ignore = "it takes minutes"]
fn a_long_pause_and_a_long_way_back() {
    let seconds = |name: &str, usual: u64| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let (pause, back) = (seconds("MOBIDIC_PAUSE", 30), seconds("MOBIDIC_BACK", 60));
    let folder = tempdir().unwrap();
    let film = FILM.make(&folder).unwrap();
    let server = Server::start(&[Path::new(&film)]).unwrap();
    channel(&server, &["add", "tv", "--playlist", "loop", "--loop", "--window", "1h"]);
    let mut viewer = Viewer::set_up(&server, "tv");
    viewer.play(Some("npt=now-"));
    viewer.receive(Duration::from_secs(5));
    viewer.pause();
    let last = viewer.packets.last().unwrap().sequence;
    std::thread::sleep(Duration::from_secs(pause));
    let (_, next, _) = viewer.play(None);
    assert_eq!(next, last.wrapping_add(1));
    viewer.receive(Duration::from_secs(back.saturating_sub(pause) + 10));
    println!("{} pictures without a gap over a pause of {pause} s", viewer.check("after a pause").len());
    let (range, ..) = viewer.play(Some("npt=now-"));
    assert_eq!(range, "npt=now-");
    viewer.receive(Duration::from_secs(1));
    viewer.packets.clear();
    // Where now is, told by the server.
    viewer.pause();
    let (here, ..) = viewer.play(None);
    let here: f64 = here.trim_start_matches("npt=").trim_end_matches('-').parse().unwrap();
    let (range, first, rtptime) = viewer.play(Some(&format!("npt={:.3}-", here - back as f64)));
    viewer.receive(Duration::from_secs(3));
    let sought = viewer.packets.iter().position(|packet| packet.sequence == first).unwrap();
    viewer.packets.drain(..sought);
    let packet = &viewer.packets[0];
    assert!(is_sync(packet) && packet.timestamp == rtptime, "{range}: {} for {rtptime}", packet.timestamp);
    let at: f64 = range.trim_start_matches("npt=").trim_end_matches('-').parse().unwrap();
    // Each twelfth picture is a sync sample.
    assert!((here - back as f64 - 0.48..=here - back as f64).contains(&at), "{at} for {here} - {back}");
    println!("from {here:.3} back to {range}; {} pictures from there", viewer.check("back").len());
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn a_channel_that_keeps_itself_is_paused_sought_in_and_saved_while_a_node_dies() {
    let folder = tempdir().unwrap();
    let film = FILM.make(&folder).unwrap();
    let server = Server::start(&[Path::new(&film)]).unwrap();
    channel(&server, &["add", "tv", "--playlist", "loop", "--loop", "--window", "1h"]);
    let mut viewer = Viewer::set_up(&server, "tv");
    let begun = Instant::now();
    let (range, first, _) = viewer.play(Some("npt=0.000-"));
    assert_eq!(range, "npt=now-");
    viewer.receive(Duration::from_millis(1_500));
    assert_eq!(viewer.packets[0].sequence, first);
    assert!(is_sync(&viewer.packets[0]));
    viewer.pause();
    let last = viewer.packets.last().unwrap().clone();
    std::thread::sleep(Duration::from_secs(3));

    // It goes on with the very next picture, and follows though a node is lost on the way.
    let (range, next, _) = viewer.play(None);
    assert!(range.starts_with("npt=") && !range.contains("now"), "{range}");
    assert_eq!(next, last.sequence.wrapping_add(1));
    viewer.receive(Duration::from_secs(1));
    kill_a_node(&server);
    viewer.receive(Duration::from_secs(4));
    let seen = viewer.check("after a pause").len();
    let lasted = begun.elapsed().as_millis() / 40;
    assert!(seen as u128 > (lasted - 75) * 8 / 10, "{seen} pictures in {lasted} frames' time, 75 of them paused");

    // By the clock: from where the window begins.
    viewer.pause();
    viewer.packets.clear();
    let mut other = Viewer::set_up(&server, "tv");
    let described = other.client.request("DESCRIBE", &other.url, &[]).unwrap();
    let kept =
        described.body.lines().find_map(|line| line.strip_prefix("a=range:clock=")).unwrap().trim_end_matches('-');
    let (range, first, rtptime) = other.play(Some(&format!("clock={kept}-")));
    assert!(range.starts_with("clock=2"), "{range}");
    other.receive(Duration::from_millis(800));
    let packet = &other.packets[0];
    assert!(is_sync(packet), "{:02x?}", &packet.payload[..8]);
    assert_eq!(packet.sequence, first);
    assert!(packet.timestamp.wrapping_sub(rtptime) < FRAME, "{} after {rtptime}", packet.timestamp);
    other.check("by the clock");
    // In the middle it is exact.
    let (range, first, rtptime) = other.play(Some("npt=2-"));
    other.receive(Duration::from_millis(800));
    let sought = other.packets.iter().position(|packet| packet.sequence == first).unwrap();
    other.packets.drain(..sought);
    let packet = &other.packets[0];
    assert!(range.starts_with("npt=1.") || range.starts_with("npt=2.0"), "{range}");
    assert!(is_sync(packet) && packet.timestamp == rtptime, "{range}: {} for {rtptime}", packet.timestamp);
    other.check("in the middle");
    // And back to now, which begins at a sync sample too.
    let (range, first, _) = other.play(Some("npt=now-"));
    assert_eq!(range, "npt=now-");
    other.receive(Duration::from_millis(800));
    let now = other.packets.iter().position(|packet| packet.sequence == first).unwrap();
    assert!(is_sync(&other.packets[now]));

    let saved = channel(&server, &["save", "tv", "--from", "7s", "--to", "1s", "--as", "cut", "--json"]);
    let saved: serde_json::Value = serde_json::from_str(&saved).unwrap();
    assert!(saved["seconds"].as_f64().unwrap() > 1.5, "{saved}");
    let all = hashes(&film.to_string_lossy(), &DecodeOptions::default());
    let cut = hashes(&server.url("cut"), &DecodeOptions::receive(Transport::Tcp));
    let twice = [&all[..], &all[..], &all[..]].concat();
    assert!(cut.len() > 30 && twice.windows(cut.len()).any(|part| part == cut), "{} pictures", cut.len());
    channel(&server, &["rm", "tv"]);
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}
