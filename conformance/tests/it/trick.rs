//! Faster, slower and backwards, seen packet by packet: the same for every container.

use conformance::{
    client::{self, Client},
    compare::tempdir,
    films::{Recipe, wrap_in_sectors},
    server::Server,
};
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const fn film(file: &'static str, options: &'static str) -> Recipe {
    Recipe { file, length: 40, options }
}

/// A film of each kind of container.
const FILMS: &[Recipe] = &[
    film("trick-h264.mp4", "-s 176x144 -c:v libx264 -preset ultrafast -bf 2 -g 25 -b:v 200k -c:a aac"),
    film("trick-fragments.mov", "-s 176x144 -c:v mpeg4 -g 25 -c:a aac -movflags frag_keyframe"),
    film("trick-phone.3gp", "-s 176x144 -c:v h263 -g 25 -c:a aac -ar 8000 -ac 1"),
    film("trick-mpeg1.mpg", "-s 176x144 -c:v mpeg1video -bf 2 -g 18 -b:v 200k -c:a mp2 -f mpeg"),
    film("trick-vcd.dat", "-target pal-vcd -f vcd"),
    film("trick-mpeg2.ts", "-s 176x144 -c:v mpeg2video -bf 2 -g 15 -b:v 300k -c:a mp2 -f mpegts"),
    film("trick-mpeg4.avi", "-s 176x144 -c:v mpeg4 -g 25 -b:v 200k -c:a mp2"),
    film("trick-asf.wmv", "-s 176x144 -c:v wmv2 -g 25 -b:v 200k -c:a wmav2"),
    film("trick-flv.flv", "-s 176x144 -c:v libx264 -preset ultrafast -g 25 -b:v 200k -c:a aac"),
    film("trick-matroska.mkv", "-s 176x144 -c:v libx264 -preset ultrafast -bf 2 -g 25 -b:v 200k -c:a ac3"),
    film("trick-vp8.webm", "-s 176x144 -c:v libvpx -deadline realtime -cpu-used 8 -g 25 -b:v 200k -c:a libopus"),
    film("trick-theora.ogv", "-s 176x144 -c:v libtheora -g 25 -b:v 200k -c:a libvorbis -f ogg"),
    film("trick-part2.m4v", "-s 176x144 -an -c:v mpeg4 -g 25 -b:v 200k -f m4v"),
    film("trick-annexb.h264", "-s 176x144 -an -c:v libx264 -preset ultrafast -g 25 -b:v 200k"),
];

/// Without pictures nothing is left out, so the scale is 1.
const SOUNDS: &[Recipe] = &[
    Recipe { file: "sound-pcm.wav", length: 8, options: "-vn -c:a pcm_s16le -ar 16000 -ac 1" },
    Recipe { file: "sound-vorbis.ogg", length: 8, options: "-vn -c:a libvorbis" },
];

/// Scale, and the place where it begins.
const SCALES: [(f64, f64); 6] = [(2.0, 3.0), (4.0, 3.0), (8.0, 3.0), (-1.0, 20.0), (-4.0, 38.0), (0.5, 3.0)];

/// A picture in which decoding can begin, by its first packet.
fn begins_decoding(packet: &client::Rtp, encoding: &str) -> bool {
    let payload = &packet.payload;
    match encoding {
        "MPV" => payload.len() > 8 && payload[2] & 0x20 != 0,
        // A header, or a picture coded by itself.
        "MP4V-ES" => payload[3] != 0xb6 || payload[4] & 0xc0 == 0,
        "H264" => matches!(payload[0] & 0x1f, 5 | 7 | 24) || payload[0] & 0x1f == 28 && payload[1] & 0x1f == 5,
        "x-asf-pf" => payload[0] & 0x80 != 0,
        // The ninth bit of PTYPE (H.263 5.1.3).
        "H263-1998" => payload[0] & 4 != 0 && payload[4] & 2 == 0,
        "VP8" => payload[0] == 0x10 && payload[1] & 1 == 0,
        other => panic!("the films of this test have no {other}"),
    }
}

/// The pictures' channel, encoding and clock.
fn pictures(description: &client::Response) -> (u8, String, f64) {
    let media = description.body.split("\nm=").skip(1);
    let (number, media) = media.enumerate().find(|(_, media)| !media.starts_with("audio")).unwrap();
    let map = media.lines().find_map(|line| line.strip_prefix("a=rtpmap:")).unwrap_or("32 MPV/90000");
    let (name, clock) = map.split_once(' ').unwrap().1.split_once('/').unwrap();
    (2 * number as u8, name.into(), clock.trim().split('/').next().unwrap().parse().unwrap())
}

/// Normal play time, as the server says it, and between when it looked.
#[derive(Debug)]
struct Look {
    npt: f64,
    asked: Instant,
    answered: Instant,
}

fn position(client: &mut Client, url: &str) -> Look {
    let asked = Instant::now();
    let request = format!(
        "GET_PARAMETER {url} RTSP/1.0\r\nCSeq: 9999\r\nSession: {}\r\nContent-Type: text/parameters\r\n\
         Content-Length: 10\r\n\r\nposition\r\n",
        client.session.clone().unwrap()
    );
    client.send(request.as_bytes()).unwrap();
    let response = client.response().unwrap();
    let npt = response.body.trim().strip_prefix("position: ").unwrap().parse().unwrap();
    Look { npt, asked, answered: Instant::now() }
}

/// SETUP of all tracks over the connection, and PLAY.
fn play(client: &mut Client, url: &str, description: &client::Response, range: &str, scale: f64) -> client::Response {
    for (index, control) in client::controls(description).iter().enumerate() {
        let transport = format!("RTP/AVP/TCP;unicast;interleaved={}-{}", 2 * index, 2 * index + 1);
        let status = client.request("SETUP", control, &[("Transport", &transport)]).unwrap().status;
        // What repeats lost packets of ASF goes by datagrams only.
        assert!(status == 200 || index > 0 && status == 461, "{control}: {status}");
    }
    client.request("PLAY", url, &[("Range", range), ("Scale", &scale.to_string())]).unwrap()
}

fn check(url: &str, port: u16, scale: f64, from: f64) {
    let mut client = Client::connect(([127, 0, 0, 1], port).into()).unwrap();
    let description = client.request("DESCRIBE", url, &[]).unwrap();
    let (channel, encoding, clock) = pictures(&description);
    let at = format!("{url} at scale {scale}");
    let asked = Instant::now();
    let response = play(&mut client, url, &description, &format!("npt={from}-"), scale);
    assert_eq!(response.status, 200, "{at}: {}", response.head);
    assert_eq!(response.header("Scale").unwrap().parse::<f64>().unwrap(), scale, "{at}");
    let (mut came, mut looks) = (Vec::<(u32, Instant)>::new(), Vec::<Look>::new());
    while !(at_its_pace(&came, clock) && passes_as_asked(&looks, scale)) && asked.elapsed() < PATIENCE {
        if looks.last().is_none_or(|look| look.answered.elapsed() > EVERY) {
            looks.push(position(&mut client, url));
        }
        let Some(frame) = client.frame(Duration::from_millis(50)).unwrap() else { continue };
        if frame.channel % 2 == 1 {
            continue;
        }
        assert_eq!(frame.channel, channel, "{at}: there is sound");
        let packet = client::rtp(&frame.bytes).unwrap();
        if came.last().is_none_or(|(timestamp, _)| *timestamp != packet.timestamp) {
            assert!(scale.abs() < 1.0 || begins_decoding(&packet, &encoding), "{at}: a picture that refers to others");
            came.push((packet.timestamp, frame.at));
        }
    }
    let seconds: Vec<f64> = came.iter().map(|(timestamp, _)| shown(&came, *timestamp, clock)).collect();
    // In slow motion pictures come in decode order.
    assert!(scale.abs() < 1.0 || seconds.is_sorted(), "{at}: a timestamp went back: {seconds:?}");
    let came: Vec<f64> = came.iter().map(|(_, at)| at.duration_since(asked).as_secs_f64()).collect();
    assert!(asked.elapsed() < PATIENCE, "{at}: never at its pace: pictures of {seconds:?} at {came:?}, {looks:?}");
    // A machine that has no time holds packets up, but nothing comes before its time.
    let early = seconds.iter().zip(&came).find(|(shown, came)| **shown > *came + AHEAD);
    assert!(early.is_none(), "{at}: a picture came early: {early:?}");
    if let (true, [first, .., last]) = (table(), looks.as_slice()) {
        let passed = last.answered.duration_since(first.answered).as_secs_f64();
        let error = (last.npt - first.npt) / scale / passed - 1.0;
        println!("{at}: {} pictures, NPT {:+.1} % in {passed:.1} s", seconds.len(), error * 100.0);
    }
}

/// Whether figures are wanted: then one thing is done after the other.
fn table() -> bool {
    std::env::var_os("MOBIDIC_TRICK_TABLE").is_some()
}

/// Whether between some two looks a second apart the play time passed as fast as asked, to five per cent: bytes that come
/// late hold it up, on a busy machine now and then.
fn passes_as_asked(looks: &[Look], scale: f64) -> bool {
    let apart = |first: &Look, last: &Look| {
        // However long the answers took, the time between the looks lies between these.
        let least = last.asked.saturating_duration_since(first.answered).as_secs_f64();
        let most = last.answered.duration_since(first.asked).as_secs_f64();
        let passed = (last.npt - first.npt) / scale;
        least >= APART && most - least < 0.1 && passed < 1.05 * most && passed > 0.95 * least
    };
    looks.last().is_some_and(|last| looks.iter().any(|first| apart(first, last)))
}

/// Between two looks at the play time.
const EVERY: Duration = Duration::from_millis(200);

/// Whether of some two pictures that are shown at least this far apart the later one came as much later, to five per
/// cent: many come late on a busy machine, but if the pace is wrong none do.
fn at_its_pace(came: &[(u32, Instant)], clock: f64) -> bool {
    let apart = |(early, early_at): &(u32, Instant), (late, late_at): &(u32, Instant)| {
        let (shown, passed) = (f64::from(late.wrapping_sub(*early) as i32) / clock, late_at.duration_since(*early_at));
        shown >= APART && (passed.as_secs_f64() / shown - 1.0).abs() < 0.05
    };
    came.last().is_some_and(|last| came.iter().any(|earlier| apart(earlier, last)))
}

/// Seconds from the first timestamp to this one.
fn shown(came: &[(u32, Instant)], timestamp: u32, clock: f64) -> f64 {
    came.first().map_or(0.0, |(first, _)| f64::from(timestamp.wrapping_sub(*first) as i32) / clock)
}

const APART: f64 = 1.0;

/// A picture may leave so much before it is due; pictures of one group, too.
const AHEAD: f64 = 0.25;

/// The fastest is over after 4.6 s; on a busy machine packets come later.
const PATIENCE: Duration = Duration::from_secs(20);

/// All films, made several at a time.
fn make(recipes: &[Recipe], folder: &Path) -> Vec<PathBuf> {
    let one = |recipe: &Recipe| {
        let path = recipe.make(folder).unwrap();
        if recipe.file.ends_with(".dat") {
            std::fs::write(&path, wrap_in_sectors(&std::fs::read(&path).unwrap())).unwrap();
        }
        path
    };
    std::thread::scope(|threads| {
        let some = recipes.chunks(recipes.len().div_ceil(3));
        let makers: Vec<_> = some.map(|some| threads.spawn(move || some.iter().map(one).collect::<Vec<_>>())).collect();
        makers.into_iter().flat_map(|maker| maker.join().unwrap()).collect()
    })
}

#[test]
fn every_container_plays_faster_slower_and_backwards() {
    let folder = tempdir().unwrap();
    let (films, sounds) = (make(FILMS, &folder), make(SOUNDS, &folder));
    let all: Vec<&Path> = films.iter().chain(&sounds).map(PathBuf::as_path).collect();
    let server = Server::start(&all).unwrap();
    let url = |film: &Path| server.url(&film.file_stem().unwrap().to_string_lossy());
    std::thread::scope(|threads| {
        for film in &films {
            for scales in SCALES.chunks(3) {
                let (url, port) = (url(film), server.port);
                threads.spawn(move || scales.iter().for_each(|(scale, from)| check(&url, port, *scale, *from)));
            }
        }
        for sound in &sounds {
            let (url, port) = (url(sound), server.port);
            threads.spawn(move || sound_at_its_own_pace(&url, port));
        }
    });
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

fn sound_at_its_own_pace(url: &str, port: u16) {
    for scale in [2.0, -1.0] {
        let mut client = Client::connect(([127, 0, 0, 1], port).into()).unwrap();
        let description = client.request("DESCRIBE", url, &[]).unwrap();
        let response = play(&mut client, url, &description, "npt=1-", scale);
        assert_eq!((response.status, response.header("Scale")), (200, Some("1.000000")), "{url}: {}", response.head);
        assert!(client.frame(Duration::from_secs(3)).unwrap().is_some(), "{url}: nothing came");
    }
}

/// Scale and range, each of which takes 3 s.
const RANGES: [(f64, &str); 5] =
    [(2.0, "npt=4-10"), (4.0, "npt=4-16"), (8.0, "npt=0-24"), (-1.0, "npt=20-17"), (-4.0, "npt=20-8")];

/// Films of 0.2, 1 and 6 Mbit/s: in the first a stripe unit holds ten seconds and key frames are of some 2 KB, in the
/// second two seconds, in the last one key frame and a bit.
const RATES: [Recipe; 3] = [
    Recipe {
        file: "trick-200k.mp4",
        length: 28,
        options: "-s 176x144 -c:v libx264 -preset ultrafast -g 25 -b:v 200k -maxrate 200k -bufsize 200k -c:a aac",
    },
    Recipe {
        file: "trick-1m.mp4",
        length: 28,
        options: "-s 640x360 -c:v libx264 -preset ultrafast -g 50 -b:v 900k -maxrate 900k -bufsize 900k -c:a aac",
    },
    Recipe {
        file: "trick-6m.mp4",
        length: 28,
        options: "-s 1280x720 -vf noise=alls=20:allf=t -c:v libx264 -preset ultrafast -g 50 -b:v 6M -maxrate 6M -bufsize 6M -c:a aac",
    },
];

/// Bytes that all nodes of a server have read from their disks, by their own count.
fn bytes_read(server: &Server) -> u64 {
    let nodes = std::fs::read_dir(server.data.join("nodes")).unwrap();
    let counts = nodes.filter_map(|node| {
        let address = std::fs::read_to_string(node.unwrap().path().join("address")).ok()?;
        let host = address.trim().split_once("http://")?.1.to_owned();
        let mut stream = TcpStream::connect(&host).ok()?;
        write!(stream, "GET /statistics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split("\"bytes_read\":").nth(1)?.split(',').next()?.parse::<u64>().ok()
    });
    counts.sum()
}

/// Plays a range to its end; payload bytes that came.
fn payload(url: &str, port: u16, scale: f64, range: &str) -> u64 {
    let mut client = Client::connect(([127, 0, 0, 1], port).into()).unwrap();
    let description = client.request("DESCRIBE", url, &[]).unwrap();
    let response = play(&mut client, url, &description, range, scale);
    assert_eq!(response.status, 200, "{url} at {scale}: {}", response.head);
    let (mut bytes, end) = (0, Instant::now() + Duration::from_millis(3300));
    while Instant::now() < end {
        let Some(frame) = client.frame(Duration::from_millis(50)).unwrap() else { continue };
        if frame.channel % 2 == 0 {
            bytes += client::rtp(&frame.bytes).unwrap().payload.len() as u64;
        }
    }
    bytes
}

/// The films of all containers, as they are and of 900 kbit/s.
fn ordinary() -> impl Iterator<Item = Recipe> {
    FILMS.iter().flat_map(|film| {
        let more = film.options.replace("176x144", "352x288").replace("200k", "900k").replace("300k", "900k");
        let file = film.file.replace("trick-", "trick-900k-");
        let small = Recipe { length: 28, ..*film };
        let more = Recipe { file: file.leak(), options: more.leak(), length: 28 };
        if film.options.contains("-s 176x144") { vec![small, more] } else { vec![small] }
    })
}

/// `MOBIDIC_TRICK_TABLE=1` plays one range after the other, of every container, and prints what each read.
#[test]
fn hardly_more_than_the_key_frames_is_read_from_the_nodes() {
    let folder = tempdir().unwrap();
    let table = table();
    let films = RATES.into_iter().chain(ordinary().filter(|_| table));
    std::thread::scope(|threads| {
        for recipe in films {
            let folder = &folder;
            let alone = threads.spawn(move || {
                let [film] = make(&[recipe], folder).try_into().unwrap();
                let server = Server::start(&[film.as_path()]).unwrap();
                let url = server.url(&film.file_stem().unwrap().to_string_lossy());
                // The index is read once.
                payload(&url, server.port, 8.0, "npt=0-0.1");
                for ranges in RANGES.chunks(if table { 1 } else { RANGES.len() }) {
                    let before = bytes_read(&server);
                    let sent: u64 = std::thread::scope(|threads| {
                        let viewers: Vec<_> = ranges
                            .iter()
                            .map(|(scale, range)| threads.spawn(|| payload(&url, server.port, *scale, range)))
                            .collect();
                        viewers.into_iter().map(|viewer| viewer.join().unwrap()).sum()
                    });
                    let read = bytes_read(&server) - before;
                    let ratio = read as f64 / sent as f64;
                    println!("{url} at {ranges:?}: {sent} bytes sent, {read} read, {ratio:.2}");
                    let least = if table { 1_000 } else { 20_000 };
                    assert!(sent > least, "{url} at {ranges:?}: only {sent} bytes came");
                    assert!(ratio <= 1.5, "{url} at {ranges:?}: {read} bytes read for {sent}");
                }
                server.stop().unwrap();
            });
            if table {
                alone.join().unwrap();
            }
        }
    });
    let _ = std::fs::remove_dir_all(folder);
}
