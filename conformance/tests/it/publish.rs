//! Publishers: ffmpeg and GStreamer bring a channel, a player sees every frame of it, and one that is killed comes back.

use crate::common::channel;
use conformance::{
    client::Client,
    compare::{DecodeOptions, Decoded, Transport, decode, tempdir},
    films::Recipe,
    server::Server,
};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Far above the length of any run here: it only ends what hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// What is published; each is one group of pictures, so that who is slow to begin gets all of it.
const FILMS: &[(Recipe, Transport)] = &[
    (film("h264.mp4", "-c:v libx264 -preset veryfast -bf 2 -g 250 -c:a aac -ar 48000"), Transport::Udp),
    (film("mpeg4.mp4", "-c:v mpeg4 -bf 2 -g 250 -b:v 400k -c:a libmp3lame"), Transport::Tcp),
    (film("mpeg2.ts", "-c:v mpeg2video -bf 2 -g 250 -b:v 600k -c:a mp2 -f mpegts"), Transport::Udp),
    (
        film("hevc.mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=250 -tag:v hvc1 -c:a aac"),
        Transport::Tcp,
    ),
    (film("mjpeg.mov", "-c:v mjpeg -huffman default -pix_fmt yuvj420p -q:v 6 -c:a aac"), Transport::Udp),
];

const fn film(file: &'static str, options: &'static str) -> Recipe {
    Recipe { file, length: 3, options }
}

fn ffmpeg(film: &Path, url: &str, transport: Transport) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-re", "-i", film.to_str().unwrap()]).args([
        "-map",
        "0",
        "-c",
        "copy",
        "-f",
        "rtsp",
        "-rtsp_transport",
        &transport.to_string(),
        url,
    ]);
    command
}

/// The file's streams as GStreamer publishes them: AAC in LATM.
fn gstreamer(film: &Path, url: &str, transport: Transport) -> Command {
    let mut command = Command::new("gst-launch-1.0");
    command.args(["-q", "-e", "filesrc"]).arg(format!("location={}", film.display()));
    command.args(["!", "qtdemux", "name=d", "rtspclientsink", "name=s"]).arg(format!("location={url}"));
    command.arg(format!("protocols={transport}"));
    command.args("d.video_0 ! queue ! h264parse ! identity sync=true ! s.sink_0".split(' '));
    command.args("d.audio_0 ! queue ! aacparse ! identity sync=true ! s.sink_1".split(' '));
    command
}

fn begin(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

/// Whether it ends well, and soon; else it is killed.
fn ends_well(mut publisher: Child) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        if let Some(status) = publisher.try_wait().unwrap() {
            return status.success();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = publisher.kill();
    publisher.wait().is_ok_and(|status| status.success())
}

fn hashes(decoded: &Decoded) -> Vec<&str> {
    decoded.pictures.iter().map(|picture| picture.hash.as_str()).collect()
}

/// All pictures from where it has joined, at even distances, and the sound with them.
fn check(name: &str, received: &Decoded, film: &Decoded) {
    let (seen, expected) = (hashes(received), hashes(film));
    assert!(expected.ends_with(&seen), "{name}: {} of {} pictures: {}", seen.len(), expected.len(), received.messages);
    // Where each picture can be begun with, who joins late has missed the first.
    assert!(
        seen.len() == expected.len() || name.contains("mjpeg") && seen.len() > 20,
        "{name}: {} pictures",
        seen.len()
    );
    // ffmpeg guesses the times of what comes before its first sender report.
    let later = received.pictures.get(5..).unwrap_or_default();
    let longest = later.windows(2).map(|pair| (pair[1].time - pair[0].time) / 1_000_000).max().unwrap_or(0);
    assert!(longest <= 41, "{name}: {longest} ms between two pictures");
    let samples = |of: &Decoded| of.sound.as_ref().map_or(0, |sound| sound.len());
    // What came before the first picture is not kept.
    let (heard, all) = (samples(received), samples(film));
    assert!(
        name.contains("mjpeg") || heard + 24_000 >= all && heard <= all + 5_000,
        "{name}: {heard} of {all} samples"
    );
}

#[test]
fn what_is_published_plays_frame_for_frame() {
    let folder = tempdir().unwrap();
    let server = Server::start(&[]).unwrap();
    let mut runs: Vec<(String, Recipe, Transport, bool)> =
        FILMS.iter().map(|(film, transport)| (film.file.replace('.', "-"), *film, *transport, false)).collect();
    let inspected = Command::new("gst-inspect-1.0").arg("rtspclientsink").stdout(Stdio::null()).status();
    match inspected.is_ok_and(|status| status.success()) {
        true => runs.push(("gst".into(), FILMS[0].0, Transport::Udp, true)),
        false => println!("skipped: no rtspclientsink"),
    }
    for (name, ..) in &runs {
        channel(&server, &["add", name, "--push", "--grace", "1"]);
    }
    // The channels are there a moment after the command.
    std::thread::sleep(Duration::from_millis(1500));
    std::thread::scope(|scope| {
        for (name, film, transport, by_gstreamer) in &runs {
            let (server, folder) = (&server, folder.join(name));
            scope.spawn(move || {
                std::fs::create_dir_all(&folder).unwrap();
                let path = film.make(&folder).unwrap();
                let expected = decode(&path.to_string_lossy(), &DecodeOptions::default(), LIMIT).unwrap();
                let url = server.url(name);
                let publish = if *by_gstreamer { gstreamer } else { ffmpeg };
                let publisher = begin(publish(&path, &url, *transport));
                // A viewer that asks before there is a description waits for it; UDP in and out, TCP in and out.
                let received = decode(&url, &DecodeOptions::receive(*transport), LIMIT).unwrap();
                assert!(ends_well(publisher), "{name}");
                check(name, &received, &expected);
            });
        }
    });
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn a_publisher_that_is_killed_comes_back_and_viewers_go_on() {
    let folder = tempdir().unwrap();
    let server = Server::start(&[]).unwrap();
    let transports = [Transport::Tcp, Transport::Udp];
    for transport in transports {
        channel(&server, &["add", &transport.to_string(), "--push", "--grace", "3"]);
    }
    let short = film("short.mp4", "-s 176x144 -c:v libx264 -preset veryfast -bf 0 -g 12 -c:a aac");
    let path = Recipe { length: 4, ..short }.make(&folder).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    std::thread::scope(|scope| {
        for transport in transports {
            let (server, url, path) = (&server, server.url(&transport.to_string()), &path);
            scope.spawn(move || {
                let mut first = begin(ffmpeg(path, &url, transport));
                let options = DecodeOptions::receive(Transport::Tcp);
                let viewer = scope.spawn({
                    let url = url.clone();
                    move || decode(&url, &options, LIMIT).unwrap()
                });
                // Answered when there is something.
                let mut client = Client::connect(([127, 0, 0, 1], server.port).into()).unwrap();
                assert_eq!(client.request("DESCRIBE", &url, &[]).unwrap().status, 200);
                std::thread::sleep(Duration::from_millis(2500));
                first.kill().unwrap();
                let _ = first.wait();
                let second = begin(ffmpeg(path, &url, transport));
                assert!(ends_well(second), "{transport}: the second is let in at once");
                // More than either has brought alone, to one and the same PLAY.
                let seen = viewer.join().unwrap();
                assert!(seen.pictures.len() > 105, "{transport}: {}: {}", seen.pictures.len(), seen.messages);
            });
        }
    });
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}
