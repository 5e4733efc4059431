//! Real players log in, and come through TLS, HTTP and in RTSP 2.0.

use conformance::{
    compare::tempdir,
    films::Recipe,
    server::{Server, free_port},
};
use std::{path::Path, process::Command};

const FILM: Recipe =
    Recipe { file: "door.mpg", length: 3, options: "-an -c:v mpeg1video -bf 2 -g 15 -b:v 300k -f mpeg" };

/// What ffmpeg makes of a URL: how many pictures.
fn ffmpeg(arguments: &[&str], url: &str) -> u32 {
    let output = Command::new("timeout")
        .args(["30", "ffmpeg", "-hide_banner", "-nostdin"])
        .args(arguments)
        .args(["-i", url, "-fps_mode", "passthrough", "-f", "null", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = said.rsplit("frame=").next().filter(|rest| rest.len() < said.len());
    count.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Whether GStreamer plays to the end; the verbose output must hold `words`.
fn gstreamer(source: &[&str], url: &str, words: &str) -> bool {
    let output = Command::new("timeout")
        .args(["40", "gst-launch-1.0", "-v", "rtspsrc"])
        .arg(format!("location={url}"))
        .args(source)
        .args(["!", "decodebin", "!", "fakesink"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let good = output.status.success() && said.contains(words);
    if !good {
        println!("{url}: {}\n{said}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    good
}

fn start(folder: &Path, film: &Path, configuration: &str) -> Server {
    let file = folder.join("mobidic.toml");
    std::fs::write(&file, configuration).unwrap();
    Server::start_in(&folder.join("data"), &[film], &["--config", &file.to_string_lossy()]).unwrap()
}

#[test]
fn players_come_through_tls_http_redirects_and_in_rtsp_2() {
    let folder = tempdir().unwrap();
    let film = FILM.make(&folder).unwrap();
    let [certificate, key] = ["chain.pem", "key.pem"].map(|name| folder.join(name).to_string_lossy().into_owned());
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .unwrap();
    assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    let secure = free_port().unwrap();
    let tls = format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\nlisten = \"127.0.0.1:{secure}\"\n");
    let redirects = format!("[redirects]\nmoved = \"rtsps://127.0.0.1:{secure}/door\"\n");
    let server = start(&folder, &film, &(tls + &redirects));
    let port = server.port;
    std::thread::scope(|threads| {
        threads.spawn(move || {
            assert_eq!(ffmpeg(&["-rtsp_transport", "tcp"], &format!("rtsps://127.0.0.1:{port}/door")), 75, "rtsps");
            assert_eq!(ffmpeg(&["-rtsp_transport", "http"], &format!("rtsp://127.0.0.1:{port}/door")), 75, "HTTP");
            // Sent on to the port that is for TLS alone.
            assert_eq!(
                ffmpeg(&["-rtsp_transport", "tcp"], &format!("rtsp://127.0.0.1:{port}/moved")),
                75,
                "redirected"
            );
        });
        threads.spawn(move || {
            let url = |scheme: &str| format!("{scheme}://127.0.0.1:{port}/door");
            assert!(gstreamer(&["tls-validation-flags=0", "protocols=tcp"], &url("rtsps"), "video/mpeg"), "rtsps");
            assert!(gstreamer(&[], &url("rtsph"), "video/mpeg"), "HTTP");
            assert!(gstreamer(&["default-rtsp-version=2-0"], &url("rtsp"), "video/mpeg"), "RTSP 2.0");
        });
    });
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

/// A Python that has a WebSocket client of its own.
fn python() -> Option<&'static str> {
    let can = |python: &&str| {
        let known = Command::new(python).args(["-c", "import websockets"]).output();
        known.is_ok_and(|output| output.status.success())
    };
    ["python3", "/usr/bin/python3"].into_iter().find(can)
}

#[test]
fn a_websocket_client_plays_to_the_end() {
    let Some(python) = python() else {
        println!("skipped: no Python with websockets (Debian: python3-websockets)");
        return;
    };
    let folder = tempdir().unwrap();
    let film = FILM.make(&folder).unwrap();
    let server = start(&folder, &film, "");
    let script = folder.join("websocket.py");
    std::fs::write(&script, include_str!("websocket.py")).unwrap();
    let output = Command::new("timeout").args(["30", python]).arg(&script).arg(server.url("door")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<&str> = said.split_whitespace().collect();
    assert!(
        matches!(words[..], [_, "0", "75", "True"]),
        "packets, missing, pictures, goodbye: {said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn players_log_in_and_nobody_else_does() {
    let folder = tempdir().unwrap();
    let film = FILM.make(&folder).unwrap();
    let server = start(&folder, &film, "[auth.users]\nann = \"secret\"\n");
    let port = server.port;
    std::thread::scope(|threads| {
        threads.spawn(move || {
            for transport in ["tcp", "udp"] {
                let url = |login: &str| format!("rtsp://{login}127.0.0.1:{port}/door");
                assert_eq!(ffmpeg(&["-rtsp_transport", transport], &url("ann:secret@")), 75, "{transport}");
                assert_eq!(ffmpeg(&["-rtsp_transport", transport], &url("ann:guess@")), 0, "{transport}");
                assert_eq!(ffmpeg(&["-rtsp_transport", transport], &url("")), 0, "{transport}");
            }
        });
        threads.spawn(move || {
            let url = format!("rtsp://127.0.0.1:{port}/door");
            let login = ["user-id=ann", "user-pw=secret", "protocols=tcp"];
            assert!(gstreamer(&login, &url, "video/mpeg"));
            assert!(!gstreamer(&["user-id=ann", "user-pw=guess", "protocols=tcp"], &url, "video/mpeg"));
        });
        threads.spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let url = format!("rtsp://127.0.0.1:{port}/door");
            let describe = |password: &str| {
                let credentials = retina::client::Credentials { username: "ann".into(), password: password.into() };
                let options = retina::client::SessionOptions::default().creds(Some(credentials));
                runtime.block_on(retina::client::Session::describe(url.parse().unwrap(), options)).map(drop)
            };
            describe("secret").unwrap();
            assert!(describe("guess").is_err());
        });
    });
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}
