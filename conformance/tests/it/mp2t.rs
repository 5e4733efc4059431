//! `?as=mp2t`: any film whose codecs a transport stream can hold, as one transport stream.

use conformance::{
    client::Client,
    compare::{DecodeOptions, Transport, compare, decode, tempdir},
    films::Recipe,
    server::Server,
};
use std::{path::PathBuf, process::Command, time::Duration};

/// Far above the length of any film here: it only ends what hangs.
const LIMIT: Duration = Duration::from_secs(90);

/// Every codec that a transport stream holds here.
const FILMS: &[Recipe] = &[
    Recipe {
        file: "avc.mp4",
        length: 4,
        options: "-c:v libx264 -preset veryfast -bf 3 -g 50 -b:v 800k -c:a aac -b:a 96k",
    },
    Recipe {
        file: "mpeg2.vob",
        length: 4,
        options: "-c:v mpeg2video -b:v 1500k -bf 2 -g 12 -c:a mp2 -ar 48000 -f vob",
    },
    Recipe { file: "mpeg1.mpg", length: 4, options: "-c:v mpeg1video -b:v 800k -bf 2 -g 15 -c:a libmp3lame -f mpeg" },
    Recipe {
        file: "hevc.ts",
        length: 4,
        options: "-c:v libx265 -preset ultrafast -x265-params log-level=none -c:a ac3 -ar 48000 -f mpegts",
    },
    Recipe { file: "visual.mp4", length: 4, options: "-c:v mpeg4 -bf 2 -b:v 900k -g 30 -c:a eac3 -b:a 128k" },
    Recipe { file: "sound.aac", length: 4, options: "-vn -c:a aac -f adts" },
];

/// None of it fits.
const OTHER: Recipe = Recipe { file: "other.mov", length: 1, options: "-c:v mjpeg -c:a pcm_s16be" };

fn url(server: &Server, film: &Recipe) -> String {
    format!("{}?as=mp2t", server.url(film.file.split('.').next().unwrap()))
}

fn gstreamer(url: &str, transport: Transport) -> String {
    let pipeline = format!(
        "-v rtspsrc location={url} protocols={transport} ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! \
         rtpmp2tdepay ! tsdemux ! h264parse ! avdec_h264 ! fakesink name=pictures silent=false sync=false"
    );
    let output = Command::new("timeout").args(["60", "gst-launch-1.0"]).args(pipeline.split(' ')).output().unwrap();
    assert!(output.status.success(), "{url} {transport}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_transport_stream_plays_frame_for_frame_everywhere() {
    let folder = tempdir().unwrap();
    let paths: Vec<PathBuf> = [FILMS, &[OTHER]].concat().iter().map(|film| film.make(&folder).unwrap()).collect();
    let server = Server::start(&paths.iter().map(PathBuf::as_path).collect::<Vec<_>>()).unwrap();
    let check = &|film: &Recipe, transport| {
        let url = url(&server, film);
        match compare(&folder.join(film.file), &url, transport, LIMIT) {
            Ok(report) if report.is_exact() => format!("ok   {url} {transport}: {report}"),
            Ok(report) => format!("FAIL {url} {transport}: {report}"),
            Err(error) => format!("FAIL {url} {transport}: {error:#}"),
        }
    };
    let lines: Vec<String> = std::thread::scope(|scope| {
        let messages = scope.spawn(|| {
            let received = decode(&url(&server, &FILMS[1]), &DecodeOptions::receive(Transport::Tcp), LIMIT).unwrap();
            assert!(!received.messages.to_lowercase().contains("continuity"), "{}", received.messages);
        });
        // Not all at once: over UDP, a player that is late loses what is left when the goodbye comes.
        let lines = [Transport::Udp, Transport::Tcp].into_iter().flat_map(|transport| {
            let url = url(&server, &FILMS[0]);
            let player = scope.spawn(move || gstreamer(&url, transport));
            let runs: Vec<_> = FILMS.iter().map(|film| scope.spawn(move || check(film, transport))).collect();
            let lines: Vec<String> = runs.into_iter().map(|run| run.join().unwrap()).collect();
            let log = player.join().unwrap();
            let pictures = log.lines().filter(|line| line.contains("pictures") && line.contains("chain   *")).count();
            assert_eq!(pictures, 100, "GStreamer {transport}");
            lines
        });
        let lines = lines.collect();
        messages.join().unwrap();
        lines
    });
    println!("{}", lines.join("\n"));
    let mut client = Client::connect(([127, 0, 0, 1], server.port).into()).unwrap();
    let refused = client.request("DESCRIBE", &url(&server, &OTHER), &[]).unwrap();
    assert_eq!(refused.status, 415);
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
    assert!(lines.iter().all(|line| line.starts_with("ok")), "{lines:#?}");
}
