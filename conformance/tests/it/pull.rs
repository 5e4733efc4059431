//! Channels that are fetched, from front to front: within TLS and over UDP, with a password, on demand and always; their
//! source goes and comes back, and they find it by themselves.

use crate::common::described;
use conformance::{
    client::controls,
    compare::{DecodeOptions, Transport, decode, tempdir},
    films::Recipe,
    server::{Process, free_port, mobidic, program},
};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Far above what anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Published over and over.
const FILM: Recipe = Recipe {
    file: "camera.mp4",
    length: 4,
    options: "-s 176x144 -c:v libx264 -preset veryfast -bf 2 -g 25 -c:a aac -ar 48000",
};

/// Whom a front trusts is the certificate itself: it is no authority's, and says for whom it is.
const CERTIFICATE: &str = "[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n[dn]\nCN=localhost\n[ext]\n\
    subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n";

/// A front with all that it needs.
struct Front {
    process: Process,
    data: PathBuf,
    port: u16,
}

impl Front {
    fn start(data: PathBuf, port: u16, arguments: &[&str], variables: &[(String, String)]) -> Self {
        let (folder, listen) = (data.to_string_lossy().into_owned(), format!("127.0.0.1:{port}"));
        let own = ["serve", "--data", &folder, "--listen", &listen];
        let (process, _) = Process::start_with(own.iter().chain(arguments), variables).unwrap();
        Self { process, data, port }
    }

    fn run(&self, arguments: &[&str]) -> String {
        let (status, out, error) = mobidic(&[arguments, &["--data", &self.data.to_string_lossy()]].concat()).unwrap();
        assert_eq!(status, 0, "{arguments:?}: {error}");
        out
    }

    fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/cam", self.port)
    }

    fn add_user(&self, arguments: &[&str]) {
        let mut child = Command::new(program().unwrap())
            .args(["user", "add"])
            .args(arguments)
            .args(["--data", &self.data.to_string_lossy()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"secret\n").unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// What it says of its channel.
    fn shown(&self) -> serde_json::Value {
        let shown: serde_json::Value = serde_json::from_str(&self.run(&["channel", "show", "cam", "--json"])).unwrap();
        shown["fronts"][0].clone()
    }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LIMIT, "{what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Over and over to the port of an origin, as a user of it.
fn publish(film: &Path, user: &str, port: u16) -> Child {
    Command::new("timeout")
        .args(["120", "ffmpeg", "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", film.to_str().unwrap()])
        .args(["-map", "0", "-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp"])
        .arg(format!("rtsp://{user}:secret@127.0.0.1:{port}/cam"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn end(mut child: Child) {
    conformance::server::signal(child.id(), "TERM").unwrap();
    child.wait().unwrap();
}

/// Connections to that port of this machine.
fn connections(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    let is_one = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(1).is_some_and(|address| address.ends_with(&local)) && words.get(3) == Some(&"01")
    };
    table.lines().filter(is_one).count()
}

#[test]
fn a_channel_goes_from_front_to_front_and_comes_back_with_its_source() {
    let folder = tempdir().unwrap();
    let film = FILM.make(&folder).unwrap();
    let [request, chain, key, settings] = ["request", "chain.pem", "key.pem", "mobidic.toml"]
        .map(|name| folder.join(name).to_string_lossy().into_owned());
    std::fs::write(&request, CERTIFICATE).unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-config", &request])
        .args(["-keyout", &key, "-out", &chain])
        .output()
        .unwrap();
    assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    std::fs::write(&settings, format!("[tls]\ncertificate = {chain:?}\nkey = {key:?}\n")).unwrap();

    let [port, dead] = [(); 2].map(|()| free_port().unwrap());
    let begin_origin = || Front::start(folder.join("origin"), port, &["--config", &settings], &[]);
    let origin = begin_origin();
    origin.add_user(&["camera", "--publish"]);
    origin.add_user(&["relay"]);
    origin.run(&["channel", "add", "cam", "--push", "--grace", "1"]);
    let trusted = [("SSL_CERT_FILE".to_owned(), chain.clone())];
    let near = Front::start(folder.join("near"), free_port().unwrap(), &[], &trusted);
    let far = Front::start(folder.join("far"), free_port().unwrap(), &[], &[]);
    std::thread::sleep(Duration::from_millis(2500));

    // Who may watch may not publish for that.
    let mut refused = publish(&film, "relay", port);
    assert!(!refused.wait().unwrap().success());
    let camera = publish(&film, "camera", port);
    let source = format!("rtsps://localhost:{port}/cam");
    // Each has the other as a fall-back: a circle, which neither begins.
    let login = ["--user", "relay", "--password", "secret"];
    near.run(
        &[&["channel", "add", "cam", "--pull", &source, "--pull", &far.url(), "--grace", "50"], &login[..]].concat(),
    );
    let nobody = format!("rtsp://127.0.0.1:{dead}/cam");
    far.run(&[
        "channel",
        "add",
        "cam",
        "--pull",
        &nobody,
        "--pull",
        &near.url(),
        "--udp",
        "--on-demand",
        "--grace",
        "50",
    ]);
    wait_for("the channel is fetched", || near.shown()["state"] == "fed");
    wait_for("the channel is on demand", || far.shown()["state"] == "idle");

    // Any number of viewers, one of each front's own that stays, and one that is fetched.
    let (mut client, described) = described(far.port, &far.url());
    assert_eq!(described.header("Via").map(|via| via.split(',').count()), Some(2), "{}", described.head);
    let transport = ("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1");
    assert_eq!(client.request("SETUP", &controls(&described)[0], &[transport]).unwrap().status, 200);
    assert_eq!(client.request("PLAY", &far.url(), &[]).unwrap().status, 200);
    let hashes = |source: &str, options: &DecodeOptions| -> Vec<String> {
        let decoded = decode(source, options, LIMIT).unwrap();
        decoded.pictures.into_iter().map(|picture| picture.hash).collect()
    };
    let all = hashes(&film.to_string_lossy(), &DecodeOptions::default());
    let over_and_over = [&all[..], &all, &all].concat();
    std::thread::scope(|scope| {
        for front in [&near, &far, &far] {
            let (over_and_over, hashes) = (&over_and_over, &hashes);
            scope.spawn(move || {
                let seen = hashes(&front.url(), &DecodeOptions::receive(Transport::Tcp).at_most(5.0));
                assert!(seen.len() > 100, "{} pictures", seen.len());
                assert!(over_and_over.windows(seen.len()).any(|part| part == seen), "{}: not as sent", front.port);
            });
        }
    });
    // The publisher's and that of the front that fetches it.
    assert_eq!(connections(port), 2);
    assert_eq!(far.shown()["lost"], 0);

    end(camera);
    origin.process.stop("INT").unwrap();
    wait_for("a circle is seen", || near.shown()["note"].as_str().unwrap().contains("comes from this front itself"));
    while client.frame(Duration::from_millis(500)).unwrap().is_some() {}
    let origin = begin_origin();
    let camera = publish(&film, "camera", port);
    // The same session goes on.
    for _ in 0..50 {
        client.frame(LIMIT).unwrap().expect("the source is found again");
    }
    assert_eq!(near.shown()["state"], "fed");
    end(camera);
    for front in [far, near, origin] {
        front.process.stop("INT").unwrap();
    }
    let _ = std::fs::remove_dir_all(folder);
}
