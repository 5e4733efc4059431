//! Viewers of channels: who joins while it runs sees every frame from a sync one on, and an end is an end.

use crate::common::channel;
use conformance::{
    client::Client,
    compare::{DecodeOptions, Decoded, Sound, Transport, decode, tempdir},
    films::Recipe,
    server::Server,
};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Far above the length of any run here: it only ends what hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Pictures of a group.
const GROUP: usize = 12;

const FILM: Recipe = Recipe {
    file: "news.ts",
    length: 4,
    options: "-c:v libx264 -preset veryfast -bf 2 -g 12 -sc_threshold 0 -b:v 500k -c:a mp2 -f mpegts",
};

/// Seconds that each viewer stays.
const STAYS: f64 = 2.5;

/// Waits until `name` is there and fed.
fn wait_for(server: &Server, name: &str) {
    let begun = Instant::now();
    let mut status = 0;
    while status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(15), "{name}: still {status}");
        std::thread::sleep(Duration::from_millis(100));
        let mut client = Client::connect(([127, 0, 0, 1], server.port).into()).unwrap();
        status = client.request("DESCRIBE", &server.url(name), &[]).unwrap().status;
    }
}

/// The hashes of the pictures that GStreamer decodes: all of a file, or so many as they come.
fn gstreamer(source: &str, end: Option<usize>) -> Vec<String> {
    let most = end.map_or(String::new(), |end| format!("identity eos-after={end} ! "));
    let pipeline = format!(
        "{source} ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! h264parse ! avdec_h264 ! {most}\
         videoconvert ! video/x-raw,format=I420 ! checksumsink hash=md5 sync=false"
    );
    let output = Command::new("timeout").args(["40", "gst-launch-1.0", "-q"]).args(pipeline.split(' ')).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{source}: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8_lossy(&output.stdout);
    let hashes = lines.lines().filter_map(|line| Some(line.split_whitespace().nth(1)?.to_owned()));
    // What is in the decoder when the end is made comes out with holes.
    hashes.take(end.map_or(usize::MAX, |end| end - 5)).collect()
}

/// Where in the film, which runs over and over, `seen` begins: each of its pictures follows, and the first is a sync one.
fn begins<T: PartialEq>(name: &str, seen: &[T], film: &[T]) -> usize {
    assert!(seen.len() > 40, "{name}: {} pictures", seen.len());
    let follows = |first: usize| seen.iter().enumerate().all(|(at, hash)| *hash == film[(first + at) % film.len()]);
    let syncs = || (0..film.len()).step_by(GROUP);
    match syncs().find(|first| follows(*first)) {
        Some(first) => first,
        None => {
            let places: Vec<Option<usize>> = seen.iter().map(|hash| film.iter().position(|own| own == hash)).collect();
            panic!("{name}: no run of the film's pictures from a sync one: {places:?}");
        }
    }
}

/// Whether 16-bit samples are the same but for rounding, which hangs on where a decoder began.
fn sounds_like(one: &[u8], other: &[u8]) -> bool {
    let sample = |pair: &[u8]| i16::from_le_bytes([pair[0], pair[1]]);
    let pairs = one.chunks_exact(2).zip(other.chunks_exact(2));
    one.len() == other.len() && pairs.into_iter().all(|(one, other)| sample(one).abs_diff(sample(other)) <= 2)
}

/// Pictures come at even distances, and what is heard is what is seen, to within a picture.
fn check_times(name: &str, received: &Decoded, first: usize, film: &Decoded) {
    // The time of the first is a guess of ffmpeg.
    for (at, pair) in received.pictures.windows(2).enumerate().skip(1) {
        let gap = (pair[1].time - pair[0].time) / 1_000_000;
        // Where the film begins again its sound decides when.
        let most = if (first + at + 1).is_multiple_of(film.pictures.len()) { 200 } else { 41 };
        assert!(gap <= most, "{name}: {gap} ms before picture {}", at + 1);
    }
    let (own, heard) = (film.sound.as_ref().unwrap(), received.sound.as_ref().unwrap());
    let (mut compared, mut tried) = (0, 0);
    for picture in (12..received.pictures.len()).step_by(3) {
        let (shown, place) = (&received.pictures[picture], (first + picture) % film.pictures.len());
        if !(20..film.pictures.len() - 20).contains(&place) {
            continue;
        }
        // The frame of sound that begins with the picture or just before.
        let Some(at) = heard.times.iter().rposition(|(_, time)| *time <= shown.time) else { continue };
        let frame = |sound: &Sound, number: usize| {
            sound.samples.get(number * sound.block..(number + 1152) * sound.block).map(<[u8]>::to_vec)
        };
        let Some(sample) = frame(heard, heard.times[at].0) else { continue };
        tried += 1;
        let lag = shown.time - film.pictures[place].time;
        let same =
            own.times.iter().filter(|(number, _)| frame(own, *number).is_some_and(|own| sounds_like(&own, &sample)));
        let Some(apart) = same.map(|(_, time)| (heard.times[at].1 - time - lag).abs()).min() else { continue };
        assert!(apart <= 40_000_000, "{name}: picture {picture}: sound {apart} ns apart");
        compared += 1;
    }
    assert!(compared > 2, "{name}: {compared} of {tried} compared: {}", received.messages);
}

#[test]
fn who_joins_while_it_runs_sees_every_frame_from_a_sync_one_on() {
    let folder = tempdir().unwrap();
    let path = FILM.make(&folder).unwrap();
    let server = Server::start(&[&path]).unwrap();
    channel(&server, &["add", "always", "--playlist", "news", "--loop"]);
    let file = path.to_string_lossy();
    let film = decode(&file, &DecodeOptions::default(), LIMIT).unwrap();
    let hashes = |decoded: &Decoded| decoded.pictures.iter().map(|picture| picture.hash.clone()).collect::<Vec<_>>();
    let decoded = gstreamer(&format!("filesrc location={file} ! tsdemux"), None);
    assert_eq!((decoded.len(), film.pictures.len()), (100, 100));
    wait_for(&server, "always");
    let url = server.url("always");
    std::thread::scope(|scope| {
        for (number, (form, transport)) in ["", "?as=mp2t"]
            .into_iter()
            .flat_map(|form| [Transport::Udp, Transport::Tcp].map(|transport| (form, transport)))
            .enumerate()
        {
            let (film, decoded) = (&film, &decoded);
            let url = format!("{url}{form}");
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(number as u64 * 170));
                let name = format!("ffmpeg {url} {transport}");
                let received = decode(&url, &DecodeOptions::receive(transport).at_most(STAYS), LIMIT).unwrap();
                let first = begins(&name, &hashes(&received), &hashes(film));
                check_times(&name, &received, first, film);
            });
            let depayload = if form.is_empty() { "rtph264depay" } else { "rtpmp2tdepay ! tsdemux" };
            let source =
                format!("rtspsrc location={} protocols={transport} ! {depayload}", server.url("always") + form);
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(number as u64 * 230));
                begins(&source, &gstreamer(&source, Some(60)), decoded);
            });
        }
    });
    // Its end is its viewers' end: they need not be told by anybody else.
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let viewers: Vec<_> = [Transport::Udp, Transport::Tcp]
            .map(|transport| {
                let url = &url;
                scope.spawn(move || decode(url, &DecodeOptions::receive(transport), LIMIT).unwrap())
            })
            .into();
        std::thread::sleep(Duration::from_secs(3));
        channel(&server, &["rm", "always"]);
        for viewer in viewers {
            let received = viewer.join().unwrap();
            // The last pictures came without those between them, which are decoded later.
            let seen = hashes(&received);
            begins("to its end", &seen[..seen.len().saturating_sub(3)], &hashes(&film));
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

/// Publishes a file until it is over.
fn publish(film: &Path, url: &str) -> std::process::Child {
    let mut command = Command::new("timeout");
    command.args(["30", "ffmpeg", "-v", "quiet", "-nostdin", "-re", "-i", film.to_str().unwrap()]);
    command.args(["-map", "0", "-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp", url]).spawn().unwrap()
}

#[test]
fn another_description_ends_what_was_and_is_there_for_who_comes_again() {
    let folder = tempdir().unwrap();
    // One group of pictures: who is slow to join gets all of it.
    let first = Recipe { file: "first.mp4", length: 4, options: "-c:v libx264 -preset veryfast -g 250 -c:a aac" };
    let second = Recipe { file: "second.mp4", length: 4, options: "-c:v mpeg4 -g 12 -an" };
    let first = first.make(&folder).unwrap();
    let second = second.make(&folder).unwrap();
    let server = Server::start(&[]).unwrap();
    channel(&server, &["add", "studio", "--push"]);
    std::thread::sleep(Duration::from_millis(1500));
    let url = server.url("studio");
    let mut publisher = publish(&first, &url);
    wait_for(&server, "studio");
    std::thread::scope(|scope| {
        let viewers = [Transport::Udp, Transport::Tcp].map(|transport| {
            let url = &url;
            scope.spawn(move || decode(url, &DecodeOptions::receive(transport), LIMIT).unwrap())
        });
        assert!(publisher.wait().unwrap().success());
        let mut publisher = publish(&second, &url);
        // They have waited for the first to come back, and end as the second begins.
        for received in viewers.map(|viewer| viewer.join().unwrap()) {
            assert!(received.pictures.len() > 40, "{} pictures: {}", received.pictures.len(), received.messages);
        }
        let again = decode(&url, &DecodeOptions::receive(Transport::Tcp).at_most(1.0), LIMIT).unwrap();
        assert!(again.sound.is_none() && again.pictures.len() > 10, "{} pictures", again.pictures.len());
        assert!(publisher.wait().unwrap().success());
    });
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}
