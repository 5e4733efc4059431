//! Seeking, pausing and ending, seen packet by packet.

use conformance::{
    client::{self, Client, Response},
    compare::tempdir,
    films::Recipe,
    server::Server,
};
use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

const FILMS: &[Recipe] = &[
    Recipe {
        file: "seek-h264.mp4",
        length: 60,
        options: "-c:v libx264 -preset ultrafast -bf 2 -g 40 -b:v 300k -c:a aac -b:a 64k",
    },
    Recipe {
        file: "seek-mpeg1.mpg",
        length: 60,
        options: "-c:v mpeg1video -bf 2 -g 18 -b:v 300k -c:a mp2 -b:a 64k -f mpeg",
    },
];

/// Presentation times of the film's sync pictures, seconds from its first picture or sample.
fn sync_times(film: &Path) -> Vec<f64> {
    let probe = |arguments: &[&str]| {
        let output = Command::new("ffprobe").args(["-v", "error"]).args(arguments).arg(film).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let times = |text: String, key: bool| -> Vec<f64> {
        let rows = text.lines().filter(|row| !key || row.starts_with('1'));
        rows.filter_map(|row| row.split(',').nth(1)?.trim_end_matches(',').parse().ok()).collect()
    };
    // Of frames, not packets: in a program stream not every packet has a time.
    let entries = ["-show_entries", "frame=key_frame,best_effort_timestamp_time", "-of", "csv=p=0"];
    let frames = probe(&[&["-select_streams", "v:0"][..], &entries].concat());
    let (video, all_video) = (times(frames.clone(), true), times(frames, false));
    let audio = times(probe(&[&["-select_streams", "a:0"][..], &entries].concat()), false);
    // What an edit list trims has negative times and is no part of the presentation.
    let zero = all_video.iter().chain(&audio).copied().filter(|time| *time >= 0.0).fold(f64::INFINITY, f64::min);
    video.iter().map(|time| time - zero).collect()
}

struct Play {
    start: f64,
    /// Channel to first sequence number and RTP time of the start, as RTP-Info says.
    info: BTreeMap<u8, (u16, u32)>,
}

fn play(client: &mut Client, url: &str, range: Option<&str>) -> Play {
    let headers: Vec<(&str, &str)> = range.map(|range| ("Range", range)).into_iter().collect();
    // What is still under way from before the PAUSE is not this PLAY's.
    client.frames.clear();
    let response = client.request("PLAY", url, &headers).unwrap();
    assert_eq!(response.status, 200, "{}", response.head);
    let before = client.frames.len();
    assert_eq!(before, 0, "{before} frames before PLAY's answer");
    Play { start: range_start(&response), info: rtp_info(&response) }
}

fn range_start(response: &Response) -> f64 {
    let range = response.header("Range").expect("Range in PLAY's answer");
    range.strip_prefix("npt=").unwrap().split('-').next().unwrap().parse().unwrap()
}

fn rtp_info(response: &Response) -> BTreeMap<u8, (u16, u32)> {
    let info = response.header("RTP-Info").expect("RTP-Info in PLAY's answer");
    let entry = |(index, entry): (usize, &str)| {
        let field = |name: &str| entry.split(';').find_map(|part| part.strip_prefix(name)).unwrap().to_owned();
        (2 * index as u8, (field("seq=").parse().unwrap(), field("rtptime=").parse().unwrap()))
    };
    info.split(',').enumerate().map(entry).collect()
}

/// A picture in which decoding can begin: an IDR slice or its parameter sets, or an MPEG sequence header.
fn begins_decoding(packet: &client::Rtp) -> bool {
    let payload = &packet.payload;
    match packet.payload_type {
        32 => payload.len() > 8 && payload[2] & 0x20 != 0 && payload[4..8] == [0, 0, 1, 0xb3],
        _ => matches!(payload[0] & 0x1f, 5 | 7 | 24) || payload[0] & 0x1f == 28 && payload[1] & 0x1f == 5,
    }
}

#[test]
fn ten_seeks_each_start_at_the_sync_sample_that_the_answer_names() {
    let folder = tempdir().unwrap();
    let films: Vec<_> = FILMS.iter().map(|recipe| recipe.make(&folder).unwrap()).collect();
    let server = Server::start(&films.iter().map(|film| film.as_path()).collect::<Vec<_>>()).unwrap();
    for film in &films {
        let sync = sync_times(film);
        let url = server.url(&film.file_stem().unwrap().to_string_lossy());
        let mut client = Client::connect(([127, 0, 0, 1], server.port).into()).unwrap();
        let description = client.request("DESCRIBE", &url, &[("Accept", "application/sdp")]).unwrap();
        let controls = client::controls(&description);
        assert_eq!(controls.len(), 2, "{}", description.body);
        let clocks: Vec<f64> = description
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("a=rtpmap:")?.split('/').nth(1)?.trim().parse().ok())
            .collect();
        for (index, control) in controls.iter().enumerate() {
            let transport = format!("RTP/AVP/TCP;unicast;interleaved={}-{}", 2 * index, 2 * index + 1);
            let response = client.request("SETUP", control, &[("Transport", &transport)]).unwrap();
            assert_eq!(response.status, 200, "{}", response.head);
        }
        // Ten places that look random and are the same in every run.
        let places = (0..10u64).map(|n| (n.wrapping_mul(2_654_435_761) % 58_000) as f64 / 1000.0);
        let mut last: BTreeMap<u8, (u16, u32)> = BTreeMap::new();
        for (turn, place) in places.enumerate() {
            let play = play(&mut client, &url, Some(&format!("npt={place:.3}-")));
            // Before the first picture's time there is only audio: then the start is the presentation's own.
            let expected = sync.iter().copied().filter(|time| *time <= place + 0.0005).fold(0.0, f64::max);
            assert!((play.start - expected).abs() < 0.002, "{url}: asked {place}, got {}, sync {expected}", play.start);
            let mut first: BTreeMap<u8, client::Rtp> = BTreeMap::new();
            let mut reports: BTreeMap<u8, (u64, u32)> = BTreeMap::new();
            let mut next: BTreeMap<u8, u16> = BTreeMap::new();
            let mut most: BTreeMap<u8, u32> = BTreeMap::new();
            let end = std::time::Instant::now() + Duration::from_millis(500);
            while std::time::Instant::now() < end {
                let Some(frame) = client.frame(Duration::from_millis(50)).unwrap() else { continue };
                if frame.channel % 2 == 1 {
                    if let Some(report) = client::sender_report(&frame.bytes) {
                        reports.entry(frame.channel - 1).or_insert(report);
                    }
                    continue;
                }
                let packet = client::rtp(&frame.bytes).unwrap();
                let expected = next.insert(frame.channel, packet.sequence.wrapping_add(1));
                assert!(expected.is_none_or(|next| next == packet.sequence), "{url}: a gap in the sequence");
                let highest = most.entry(frame.channel).or_insert(packet.timestamp);
                if packet.timestamp.wrapping_sub(*highest) < 1 << 31 {
                    *highest = packet.timestamp;
                }
                first.entry(frame.channel).or_insert(packet);
            }
            for (channel, (sequence, time)) in &play.info {
                let packet = first.get(channel).unwrap_or_else(|| panic!("{url}: nothing on channel {channel}"));
                assert_eq!(packet.sequence, *sequence, "{url}: RTP-Info's seq");
                assert_ne!(*time, 0);
                if let Some((sequence, time)) = last.get(channel) {
                    assert_eq!(packet.sequence, *sequence, "{url}: sequence numbers go on over the seek");
                    assert!(packet.timestamp.wrapping_sub(*time) < 1 << 31, "{url}: a timestamp went back");
                }
            }
            let video = &first[&0];
            let first_picture = sync.iter().copied().find(|time| *time >= play.start - 0.001).unwrap_or(play.start);
            let ahead = f64::from(video.timestamp.wrapping_sub(play.info[&0].1)) / clocks[0];
            assert!((ahead - (first_picture - play.start)).abs() < 0.002, "{url}: the first picture is {ahead} s late");
            assert!(begins_decoding(video), "{url}: turn {turn}: the first picture is no sync sample");
            // Both tracks' reports lie on one line: the same wall clock for the same media time.
            let start_of = |channel: u8| {
                let (ntp, rtp) = reports.get(&channel).unwrap_or_else(|| panic!("{url}: no report on {channel}"));
                let clock = clocks[usize::from(channel / 2)];
                let ahead = f64::from(rtp.wrapping_sub(play.info[&channel].1) as i32) / clock;
                (*ntp >> 32) as f64 + (*ntp as u32) as f64 / 2f64.powi(32) - ahead
            };
            let apart = (start_of(0) - start_of(2)).abs();
            assert!(apart < 0.000_1, "{url}: the reports of both tracks are {apart} s apart");
            let response = client.request("PAUSE", &url, &[]).unwrap();
            assert_eq!(response.status, 200, "{}", response.head);
            while let Some(frame) = client.frame(Duration::from_millis(80)).unwrap() {
                if frame.channel % 2 == 0 {
                    let packet = client::rtp(&frame.bytes).unwrap();
                    next.insert(frame.channel, packet.sequence.wrapping_add(1));
                }
            }
            last = next.into_iter().map(|(channel, sequence)| (channel, (sequence, most[&channel]))).collect();
        }
        assert_eq!(client.request("TEARDOWN", &url, &[]).unwrap().status, 200);
    }
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn a_pause_loses_nothing_and_the_end_says_bye_on_every_track() {
    let folder = tempdir().unwrap();
    let film = Recipe { file: "short.mp4", length: 4, options: "-c:v libx264 -bf 2 -g 25 -b:v 300k -c:a aac" };
    let film = film.make(&folder).unwrap();
    let server = Server::start(&[&film]).unwrap();
    let url = server.url("short");
    let mut whole = Vec::new();
    // Once without a pause, once with two: the same payloads must come, in the same order.
    for pauses in [&[][..], &[700u64, 900][..]] {
        let mut client = Client::connect(([127, 0, 0, 1], server.port).into()).unwrap();
        let description = client.request("DESCRIBE", &url, &[]).unwrap();
        for (index, control) in client::controls(&description).iter().enumerate() {
            let transport = format!("RTP/AVP/TCP;unicast;interleaved={}-{}", 2 * index, 2 * index + 1);
            assert_eq!(client.request("SETUP", control, &[("Transport", &transport)]).unwrap().status, 200);
        }
        let mut payloads: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        let mut byes = 0;
        let mut take = |client: &mut Client, time: Duration| {
            let end = std::time::Instant::now() + time;
            while let Some(frame) = client.frame(end.saturating_duration_since(std::time::Instant::now())).unwrap() {
                if frame.channel % 2 == 0 && frame.channel == 0 {
                    payloads.entry(0).or_default().extend(client::rtp(&frame.bytes).unwrap().payload);
                } else if frame.channel % 2 == 1 {
                    byes += usize::from(client::has_bye(&frame.bytes));
                }
                if byes == 2 {
                    return;
                }
            }
        };
        assert_eq!(client.request("PLAY", &url, &[("Range", "npt=0.000-")]).unwrap().status, 200);
        for pause in pauses {
            take(&mut client, Duration::from_millis(*pause));
            assert_eq!(client.request("PAUSE", &url, &[]).unwrap().status, 200);
            take(&mut client, Duration::from_millis(300));
            assert_eq!(client.request("PLAY", &url, &[]).unwrap().status, 200);
        }
        take(&mut client, Duration::from_secs(8));
        assert_eq!(byes, 2, "BYE on both tracks at the end");
        assert_eq!(client.request("TEARDOWN", &url, &[]).unwrap().status, 200, "the session lived on after the end");
        whole.push(payloads);
    }
    assert!(whole[0][&0].len() > 50_000);
    assert!(whole[0] == whole[1], "the pictures with pauses are not those without");
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn asf_tells_the_films_time_but_counts_on_over_seeks_for_vlc() {
    const FILM: Recipe = Recipe { file: "seek-wmv2.wmv", length: 10, options: "-c:v wmv2 -g 25 -b:v 300k -an" };
    /// Where the time of a packet lies, behind the four bytes of the payload's own header.
    const SEND_TIME: usize = 4 + 9;
    let folder = tempdir().unwrap();
    let film = FILM.make(&folder).unwrap();
    let server = Server::start(&[&film]).unwrap();
    let url = server.url("seek-wmv2");
    // Milliseconds that an ASF packet tells, by its first part.
    let told = |frame: &client::Frame| {
        let packet = client::rtp(&frame.bytes).ok().filter(|_| frame.channel == 0)?;
        let first = packet.payload[1..4] == [0, 0, 0];
        first.then(|| u32::from_le_bytes(*packet.payload[SEND_TIME..].first_chunk().unwrap()))
    };
    // Of the first packet, and of the last within a second.
    let times = |client: &mut Client| {
        let (mut times, end) = (Vec::new(), std::time::Instant::now() + Duration::from_secs(1));
        while times.is_empty() || std::time::Instant::now() < end {
            times.extend(client.frame(Duration::from_millis(50)).unwrap().and_then(|frame| told(&frame)));
        }
        (times[0], times[times.len() - 1])
    };
    for (agent, counts_on) in [("LibVLC/3.0.24 (LIVE555 Streaming Media v2016.11.28)", true), ("Lavf59.27.100", false)]
    {
        let mut client = Client::connect(([127, 0, 0, 1], server.port).into()).unwrap();
        let description = client.request("DESCRIBE", &url, &[("Accept", "application/sdp")]).unwrap();
        let control = &client::controls(&description)[0];
        let setup = [("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1"), ("User-Agent", agent)];
        assert_eq!(client.request("SETUP", control, &setup).unwrap().status, 200);
        let mut last = 0;
        for place in [0, 7, 2] {
            play(&mut client, &url, Some(&format!("npt={place}-")));
            let (first, latest) = times(&mut client);
            let expected = if counts_on { last } else { place * 1_000 };
            // A picture on, where it counts on.
            assert!((expected..=expected + 60).contains(&first), "{agent} at {place} s: {first} ms, not {expected}");
            assert_eq!(client.request("PAUSE", &url, &[]).unwrap().status, 200);
            // What came before PAUSE's answer is of this range, too.
            last = client.frames.iter().filter_map(told).chain([latest]).max().unwrap();
        }
    }
}
