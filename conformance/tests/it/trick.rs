//! Faster, slower and backwards, seen packet by packet: the same for every container.

use conformance::{
    client::{self, Client},
    compare::tempdir,
    films::Recipe,
    server::Server,
};
use std::time::{Duration, Instant};

const FILMS: &[Recipe] = &[
    Recipe {
        file: "trick-h264.mp4",
        length: 24,
        options: "-c:v libx264 -preset ultrafast -bf 2 -g 25 -b:v 300k -c:a aac",
    },
    Recipe { file: "trick-mpeg1.mpg", length: 24, options: "-c:v mpeg1video -bf 2 -g 18 -b:v 300k -c:a mp2 -f mpeg" },
    Recipe { file: "trick-mpeg2.ts", length: 24, options: "-c:v mpeg2video -bf 2 -g 15 -b:v 400k -c:a mp2 -f mpegts" },
    Recipe { file: "trick-mpeg4.avi", length: 24, options: "-c:v mpeg4 -g 25 -b:v 300k -c:a mp2" },
];

/// A picture in which decoding can begin, by its first packet.
fn begins_decoding(packet: &client::Rtp) -> bool {
    let payload = &packet.payload;
    match packet.payload_type {
        32 => payload.len() > 8 && payload[2] & 0x20 != 0,
        // MPEG-4 visual: a header, or a picture coded by itself.
        _ if payload.starts_with(&[0, 0, 1]) => payload[3] != 0xb6 || payload[4] & 0xc0 == 0,
        _ => matches!(payload[0] & 0x1f, 5 | 7 | 24) || payload[0] & 0x1f == 28 && payload[1] & 0x1f == 5,
    }
}

/// Normal play time, as the server says it.
fn position(client: &mut Client, url: &str) -> (f64, Instant) {
    let asked = Instant::now();
    let request = format!(
        "GET_PARAMETER {url} RTSP/1.0\r\nCSeq: 9999\r\nSession: {}\r\nContent-Type: text/parameters\r\n\
         Content-Length: 10\r\n\r\nposition\r\n",
        client.session.clone().unwrap()
    );
    client.send(request.as_bytes()).unwrap();
    let response = client.response().unwrap();
    let at = asked + asked.elapsed() / 2;
    (response.body.trim().strip_prefix("position: ").unwrap().parse().unwrap(), at)
}

fn check(url: &str, port: u16, scale: f64, from: f64) {
    let mut client = Client::connect(([127, 0, 0, 1], port).into()).unwrap();
    let description = client.request("DESCRIBE", url, &[]).unwrap();
    for (index, control) in client::controls(&description).iter().enumerate() {
        let transport = format!("RTP/AVP/TCP;unicast;interleaved={}-{}", 2 * index, 2 * index + 1);
        assert_eq!(client.request("SETUP", control, &[("Transport", &transport)]).unwrap().status, 200);
    }
    let at = format!("{url} at scale {scale}");
    let fields = [("Range", format!("npt={from}-")), ("Scale", scale.to_string())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let response = client.request("PLAY", url, &fields).unwrap();
    assert_eq!(response.status, 200, "{at}: {}", response.head);
    assert_eq!(response.header("Scale").unwrap().parse::<f64>().unwrap(), scale, "{at}");
    let (first, first_at) = position(&mut client, url);
    let (mut pictures, mut timestamps) = (0, Vec::<u32>::new());
    let end = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < end {
        let Some(frame) = client.frame(Duration::from_millis(50)).unwrap() else { continue };
        if frame.channel % 2 == 1 {
            continue;
        }
        assert_eq!(frame.channel, 0, "{at}: there is sound");
        let packet = client::rtp(&frame.bytes).unwrap();
        if timestamps.last() != Some(&packet.timestamp) {
            assert!(scale.abs() < 1.0 || begins_decoding(&packet), "{at}: a picture that refers to others");
            timestamps.push(packet.timestamp);
            pictures += 1;
        }
    }
    let (last, last_at) = position(&mut client, url);
    let rate = (last - first) / (last_at - first_at).as_secs_f64();
    assert!((rate / scale - 1.0).abs() < 0.05, "{at}: play time passes {rate} times as fast");
    assert!(pictures >= 2, "{at}: {pictures} pictures");
    let steps = timestamps.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    // In slow motion pictures come in decode order.
    assert!(scale.abs() < 1.0 || steps.clone().all(|step| step < 1 << 31), "{at}: a timestamp went back");
    let shown = f64::from(timestamps[pictures - 1].wrapping_sub(timestamps[0])) / 90_000.0;
    assert!((0.5..2.2).contains(&shown), "{at}: timestamps of {shown} s in 1.5 s");
}

#[test]
fn every_container_plays_faster_slower_and_backwards() {
    let folder = tempdir().unwrap();
    let films: Vec<_> = FILMS.iter().map(|recipe| recipe.make(&folder).unwrap()).collect();
    let server = Server::start(&films.iter().map(|film| film.as_path()).collect::<Vec<_>>()).unwrap();
    std::thread::scope(|threads| {
        for film in &films {
            let (url, port) = (server.url(&film.file_stem().unwrap().to_string_lossy()), server.port);
            threads.spawn(move || {
                for (scale, from) in [(2.0, 3.0), (4.0, 3.0), (8.0, 3.0), (-1.0, 20.0), (-4.0, 20.0), (0.5, 3.0)] {
                    check(&url, port, scale, from);
                }
            });
        }
    });
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}
