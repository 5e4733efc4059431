//! Channels from end to end: films one after the other, and a transport stream over UDP, as a player receives them.

use crate::common::channel;
use conformance::{
    client::Client,
    compare::{DecodeOptions, Decoded, Transport, decode, tempdir},
    films::Recipe,
    server::Server,
};
use std::{
    net::UdpSocket,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// Far above the length of any run here: it only ends what hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Two of one playlist: the same codecs with other parameter sets. Each is one group of pictures, so that a player that is
/// slow to begin gets all of it.
const FIRST: Recipe = Recipe {
    file: "first.mp4",
    length: 3,
    options: "-s 176x144 -c:v libx264 -preset veryfast -profile:v high -bf 2 -g 250 -c:a aac -ar 48000",
};
const SECOND: Recipe = Recipe {
    file: "second.mp4",
    length: 2,
    options: "-s 176x144 -c:v libx264 -preset ultrafast -profile:v baseline -crf 30 -g 250 -c:a aac -ar 48000",
};
const TELEVISION: Recipe = Recipe {
    file: "television.ts",
    length: 4,
    options: "-s 176x144 -c:v libx264 -preset veryfast -bf 2 -g 250 -c:a mp2 -f mpegts",
};

/// Asks for `name` until the answer is `status`.
fn wait_for(server: &Server, name: &str, status: u16) {
    let begun = Instant::now();
    loop {
        let mut client = Client::connect(([127, 0, 0, 1], server.port).into()).unwrap();
        let answer = client.request("DESCRIBE", &server.url(name), &[]).unwrap();
        if answer.status == status {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{name}: still {}", answer.status);
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn receive(server: &Server, name: &str) -> Decoded {
    decode(&server.url(name), &DecodeOptions::receive(Transport::Tcp), LIMIT).unwrap()
}

fn file(path: &Path) -> Decoded {
    decode(&path.to_string_lossy(), &DecodeOptions::default(), LIMIT).unwrap()
}

fn hashes(decoded: &Decoded) -> Vec<&str> {
    decoded.pictures.iter().map(|picture| picture.hash.as_str()).collect()
}

/// No gap between two pictures is longer than a picture and a frame of sound, and what ffmpeg guesses of the first one's time;
/// the sound has as many samples as expected, but for what primes a decoder.
fn check_times(name: &str, received: &Decoded, samples: usize) {
    const LONGEST_MS: i64 = 90;
    let gaps = received.pictures.windows(2).map(|pair| (pair[1].time - pair[0].time) / 1_000_000);
    let longest = gaps.max().unwrap_or(0);
    assert!(longest <= LONGEST_MS, "{name}: {longest} ms between two pictures");
    let heard = received.sound.as_ref().unwrap().len();
    assert!(heard.abs_diff(samples) <= 5_000, "{name}: {heard} samples, expected {samples}");
}

#[test]
fn films_one_after_the_other_and_a_transport_stream_play_frame_for_frame() {
    let folder = tempdir().unwrap();
    let paths: Vec<PathBuf> = [FIRST, SECOND, TELEVISION].iter().map(|film| film.make(&folder).unwrap()).collect();
    let server = Server::start(&[&paths[0], &paths[1]]).unwrap();
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("udp://127.0.0.1:{port}");
    channel(&server, &["add", "both", "--playlist", "first,second", "--on-demand"]);
    channel(&server, &["add", "tv", "--ts", &url, "--grace", "1"]);
    let passed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let passed = format!("udp://127.0.0.1:{passed}");
    channel(&server, &["add", "passed", "--ts", &format!("{passed}?as=mp2t"), "--grace", "1"]);
    std::thread::scope(|scope| {
        let expected = scope.spawn(|| paths.iter().map(|path| file(path)).collect::<Vec<_>>());
        let both = scope.spawn(|| {
            // The channel is there a moment after the command; its feed begins with who asks for it.
            wait_for(&server, "both", 200);
            receive(&server, "both")
        });
        let tv = scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(2));
            // It asks first; the answer comes as soon as the feed has said what it is.
            let viewers = ["tv", "passed"].map(|name| {
                let server = &server;
                scope.spawn(move || receive(server, name))
            });
            std::thread::sleep(Duration::from_millis(300));
            let targets = [&url, &passed].map(|url| format!("[f=mpegts]{url}?pkt_size=1316"));
            let sender = Command::new("timeout")
                .args(["30", "ffmpeg", "-v", "error", "-nostdin", "-re", "-i", paths[2].to_str().unwrap()])
                .args(["-map", "0", "-c", "copy", "-f", "tee", &targets.join("|")])
                .status();
            assert!(sender.unwrap().success());
            let shown: serde_json::Value = serde_json::from_str(&channel(&server, &["show", "tv", "--json"])).unwrap();
            assert_eq!(
                (&shown["fronts"][0]["state"], &shown["fronts"][0]["lost"]),
                (&"fed".into(), &0.into()),
                "{shown}"
            );
            viewers.map(|viewer| viewer.join().unwrap())
        });
        let (expected, both, [tv, passed]) = (expected.join().unwrap(), both.join().unwrap(), tv.join().unwrap());
        let [first, second, television] = &expected[..] else { panic!("three films") };
        assert_eq!(hashes(&both), [hashes(first), hashes(second)].concat(), "{}", both.messages);
        let samples = |film: &Decoded| film.sound.as_ref().unwrap().len();
        // Where the second film's sound begins a frame early, its pictures wait for it: 21 ms.
        check_times("both", &both, samples(first) + samples(second));
        assert_eq!(hashes(&tv), hashes(television), "{}", tv.messages);
        check_times("tv", &tv, samples(television));
        // ffmpeg's receiver keeps back a transport stream's very last picture, which is not shown last.
        let mut expected = hashes(television).into_iter();
        let seen = hashes(&passed);
        assert!(seen.iter().all(|hash| expected.any(|other| other == *hash)), "{}", passed.messages);
        assert!(seen.len() + 1 >= television.pictures.len(), "{} pictures", seen.len());
    });
    channel(&server, &["rm", "both"]);
    wait_for(&server, "both", 404);
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}
