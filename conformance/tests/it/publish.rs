//! Publishers: ffmpeg and GStreamer bring a channel, a player sees every frame of it, and one that is killed comes back;
//! wrong ones are refused, and those beside them notice nothing.

use crate::common::{channel, described};
use conformance::{
    client::{Client, controls, rtp},
    compare::{DecodeOptions, Decoded, Transport, decode, tempdir},
    films::Recipe,
    publishers::{ffmpeg, gstreamer},
    server::{Server, wait_until},
};
use std::{
    net::UdpSocket,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
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

fn begin(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

/// Whether it ends well, and soon; else it is killed.
fn ends_well(publisher: Child) -> bool {
    ends_well_within(publisher, LIMIT)
}

fn ends_well_within(mut publisher: Child, limit: Duration) -> bool {
    wait_until(&mut publisher, Instant::now() + limit).unwrap().is_some_and(|status| status.success())
}

fn hashes(decoded: &Decoded) -> Vec<&str> {
    decoded.pictures.iter().map(|picture| picture.hash.as_str()).collect()
}

/// All pictures from where it has joined, at even distances, and the sound with them.
fn check(name: &str, received: &Decoded, film: &Decoded) -> Result<(), String> {
    let (seen, mut expected) = (hashes(received), hashes(film));
    // Over TCP GStreamer 1.22 may forget its very last packet, and then waits for ever.
    if name == "gst-tcp" && !expected.ends_with(&seen) {
        expected.pop();
    }
    // Where each picture can be begun with, who joins late has missed the first.
    let enough = seen.len() == expected.len() || name.contains("mjpeg") && seen.len() > 20;
    if !enough || !expected.ends_with(&seen) {
        return Err(format!("{name}: {} of {} pictures: {}", seen.len(), expected.len(), received.messages));
    }
    // ffmpeg guesses the times of what comes before its first sender report.
    let later = received.pictures.get(5..).unwrap_or_default();
    let steps = later.windows(2).map(|pair| (pair[1].time - pair[0].time) / 1_000_000);
    let uneven: Vec<i64> = steps.filter(|millis| *millis > 41).collect();
    // GStreamer's first sender report comes seconds after its first packets. It puts the pictures right, once, by as much
    // as they were late beside the sound when they lay by arrival: up to what a busy machine makes of that.
    let put_right = name.starts_with("gst") && matches!(uneven[..], [step] if step < 500);
    if !uneven.is_empty() && !put_right {
        return Err(format!("{name}: {uneven:?} ms between two pictures"));
    }
    let samples = |of: &Decoded| of.sound.as_ref().map_or(0, |sound| sound.len());
    // What came before the first picture is not kept.
    let (heard, all) = (samples(received), samples(film));
    match name.contains("mjpeg") || heard + 24_000 >= all && heard <= all + 5_000 {
        true => Ok(()),
        false => Err(format!("{name}: {heard} of {all} samples")),
    }
}

/// One run: who publishes what over what.
struct Run {
    name: String,
    film: Recipe,
    transport: Transport,
    publish: fn(&Path, &str, Transport) -> Command,
}

impl Run {
    /// Publishes the film at `path` and watches it, UDP in and out or TCP in and out.
    fn once(&self, server: &Server, path: &Path, expected: &Decoded) -> Result<(), String> {
        let (name, url) = (&self.name, server.url(&self.name));
        let publisher = begin((self.publish)(path, &url, self.transport));
        // Over TCP GStreamer 1.22 may wait for ever: what it has sent is there long before half the time.
        let hangs = name == "gst-tcp";
        let limit = if hangs { LIMIT / 2 } else { LIMIT };
        let publisher = std::thread::spawn(move || ends_well_within(publisher, limit));
        // A viewer that asks before there is a description waits for it.
        let received = decode(&url, &DecodeOptions::receive(self.transport), LIMIT);
        let well = publisher.join().unwrap_or(false) || hangs;
        let received = received.map_err(|error| format!("{name}: {error}"))?;
        if well { check(name, &received, expected) } else { Err(format!("{name}: the publisher failed")) }
    }
}

/// A viewer or a publisher that a busy machine kept waiting has missed something, another one hasn't.
const TRIES: usize = 3;

/// Beside one another: more of them on two cores only keep each other waiting.
const AT_ONCE: usize = 3;

#[test]
fn what_is_published_plays_frame_for_frame() {
    let folder = tempdir().unwrap();
    let server = Server::start(&[]).unwrap();
    let by_ffmpeg = FILMS.iter().map(|(film, transport)| Run {
        name: film.file.replace('.', "-"),
        film: *film,
        transport: *transport,
        publish: ffmpeg,
    });
    let mut runs: Vec<Run> = by_ffmpeg.collect();
    let inspected = Command::new("gst-inspect-1.0").arg("rtspclientsink").stdout(Stdio::null()).status();
    match inspected.is_ok_and(|status| status.success()) {
        true => runs.extend([Transport::Udp, Transport::Tcp].map(|transport| Run {
            name: format!("gst-{transport}"),
            film: FILMS[0].0,
            transport,
            publish: gstreamer,
        })),
        false => println!("skipped: no rtspclientsink"),
    }
    for run in &runs {
        channel(&server, &["add", &run.name, "--push", "--grace", "1"]);
    }
    // The channels are there a moment after the command.
    std::thread::sleep(Duration::from_millis(1500));
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let folder = folder.join(&run.name);
                    std::fs::create_dir_all(&folder).unwrap();
                    let path = run.film.make(&folder).unwrap();
                    let expected = decode(&path.to_string_lossy(), &DecodeOptions::default(), LIMIT).unwrap();
                    let tries = (0..TRIES).map(|_| run.once(&server, &path, &expected));
                    let faults: Vec<String> = tries.map_while(Result::err).collect();
                    faults.iter().for_each(|fault| println!("{fault}"));
                    assert!(faults.len() < TRIES, "{faults:?}");
                }
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
                described(server.port, &url);
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

/// Sound of a byte over and over, 20 ms a packet, as mu-law.
fn sound(byte: u8, ssrc: u32, payload_type: u8, number: u16) -> Vec<u8> {
    let head = [0x80, payload_type];
    let packet =
        [&head, &number.to_be_bytes()[..], &(u32::from(number) * 160).to_be_bytes(), &ssrc.to_be_bytes()].concat();
    [packet, vec![byte; 160]].concat()
}

/// What `request` is answered; `body`: with that SDP.
fn answered(server: &Server, method: &str, name: &str, kind: &str, body: &str) -> u16 {
    let mut client = Client::connect(([127, 0, 0, 1], server.port).into()).unwrap();
    let length = body.len();
    let head = format!("{method} {} RTSP/1.0\r\nCSeq: 1\r\nContent-Type: {kind}\r\n", server.url(name));
    client.send(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes()).unwrap();
    client.response().unwrap().status
}

#[test]
fn wrong_publishers_are_refused_and_those_beside_them_notice_nothing() {
    let folder = tempdir().unwrap();
    let path = FILMS[0].0.make(&folder).unwrap();
    let server = Server::start(&[]).unwrap();
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    channel(&server, &["add", "good", "--push", "--grace", "1"]);
    channel(&server, &["add", "free", "--push", "--grace", "1"]);
    channel(&server, &["add", "tv", "--ts", &format!("udp://127.0.0.1:{port}")]);
    std::thread::sleep(Duration::from_millis(1500));
    std::thread::scope(|scope| {
        let expected = scope.spawn(|| decode(&path.to_string_lossy(), &DecodeOptions::default(), LIMIT).unwrap());
        let good = server.url("good");
        let viewer = scope.spawn({
            let good = good.clone();
            move || decode(&good, &DecodeOptions::receive(Transport::Tcp), LIMIT).unwrap()
        });
        let publisher = begin(ffmpeg(&path, &good, Transport::Tcp));
        described(server.port, &good);

        let sdp = "application/sdp";
        let mulaw = "v=0\r\ns=x\r\nm=audio 0 RTP/AVP 0\r\n";
        for (method, name, kind, body, status) in [
            ("ANNOUNCE", "free", sdp, "garbage", 400),
            ("ANNOUNCE", "free", sdp, "v=0\r\ns=no track\r\n", 400),
            ("ANNOUNCE", "free", sdp, "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 XYZ/90000\r\n", 415),
            ("ANNOUNCE", "free", "text/plain", mulaw, 415),
            ("ANNOUNCE", "free", sdp, &"a=x\r\n".repeat(200_000), 413),
            // Another brings it already.
            ("ANNOUNCE", "good", sdp, mulaw, 403),
            // A film, a channel with another feed, nothing at all.
            ("ANNOUNCE", "demo", sdp, mulaw, 405),
            ("ANNOUNCE", "tv", sdp, mulaw, 405),
            ("ANNOUNCE", "none", sdp, mulaw, 405),
            ("RECORD", "demo", sdp, "", 405),
            ("RECORD", "free", sdp, "", 454),
        ] {
            let shown = body.get(..20).unwrap_or(body);
            assert_eq!(answered(&server, method, name, kind, body), status, "{method} {name} {kind} {shown:?}");
        }

        // A transport stream of noise.
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for number in 0..300_u32 {
            let noise: Vec<u8> =
                (0..1316_u32).map(|at| (number.wrapping_mul(2_654_435_761) >> (at % 24)) as u8).collect();
            sender.send_to(&noise, ("127.0.0.1", port)).unwrap();
        }

        // Packets of another source, of another payload type and of no RTP at all between a publisher's own.
        let url = server.url("free");
        let mut publisher_of_sound = Client::connect(([127, 0, 0, 1], server.port).into()).unwrap();
        let announce =
            format!("ANNOUNCE {url} RTSP/1.0\r\nCSeq: 1\r\nContent-Type: {sdp}\r\nContent-Length: {}", mulaw.len());
        publisher_of_sound.send(format!("{announce}\r\n\r\n{mulaw}").as_bytes()).unwrap();
        let announced = publisher_of_sound.response().unwrap();
        publisher_of_sound.session = announced.header("Session").map(|id| id.split(';').next().unwrap().to_owned());
        let transport = ("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record");
        assert_eq!(publisher_of_sound.request("SETUP", &url, &[transport]).unwrap().status, 200);
        assert_eq!(publisher_of_sound.request("RECORD", &url, &[]).unwrap().status, 200);
        let (mut listener, described) = described(server.port, &url);
        let transport = ("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1");
        assert_eq!(listener.request("SETUP", &controls(&described)[0], &[transport]).unwrap().status, 200);
        assert_eq!(listener.request("PLAY", &url, &[]).unwrap().status, 200);
        for number in 1..=50_u16 {
            for packet in [
                sound(0xAA, 7, 0, number),
                sound(0xBB, 8, 0, number),
                sound(0xCC, 7, 9, number),
                vec![0xDD; usize::from(number)],
            ] {
                let frame = [&[b'$', 0][..], &(packet.len() as u16).to_be_bytes(), &packet].concat();
                publisher_of_sound.send(&frame).unwrap();
            }
        }
        let mut heard = 0;
        while heard < 50 * 160 {
            let frame = listener.frame(Duration::from_secs(20)).unwrap().expect("all of it comes");
            if frame.channel == 0 {
                let packet = rtp(&frame.bytes).unwrap();
                assert!(packet.payload.iter().all(|byte| *byte == 0xAA), "{:02x?}", &packet.payload[..4]);
                heard += packet.payload.len();
            }
        }
        let shown: serde_json::Value = serde_json::from_str(&channel(&server, &["show", "tv", "--json"])).unwrap();
        assert_eq!(shown["fronts"][0]["state"], "waiting", "{shown}");

        assert!(ends_well(publisher));
        check("beside", &viewer.join().unwrap(), &expected.join().unwrap()).unwrap();
    });
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}
