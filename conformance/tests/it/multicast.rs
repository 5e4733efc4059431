//! Channels by multicast between network namespaces that a bridge joins: real joins, real players.

use conformance::{
    compare::tempdir,
    films::Recipe,
    namespaces::{FRONT, Net, within},
    server::Process,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, TcpStream},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const FILM: Recipe =
    Recipe { file: "film.mpg", length: 8, options: "-c:v mpeg1video -bf 2 -g 12 -b:v 400k -c:a mp2 -f mpeg" };

/// A channel of both has another description every few seconds.
const SOUND: Recipe = Recipe { file: "sound.ts", length: 2, options: "-vn -c:a mp2 -f mpegts" };

/// The first of the viewers' namespaces.
const VIEWERS: usize = 1;

/// How long anything that must come may take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(20);

const CONFIGURATION: &str = r#"
[multicast]
interface = "eth0"
announce_s = 1

[[channel]]
name = "news"
playlist = ["film"]
loop = true
multicast = { always = true, ttl = 5 }

[[channel]]
name = "asked"
playlist = ["film"]
loop = true
multicast = { ttl = 3 }

[[channel]]
name = "source"
playlist = ["film"]
loop = true
multicast = { always = true, group = "232.77.1.1", port = 5000 }

[[channel]]
name = "box"
playlist = ["film"]
loop = true
multicast = { always = true, mp2t = true, group = "239.255.77.7", port = 6000 }

[[channel]]
name = "six"
playlist = ["film"]
loop = true
multicast = { always = true, group = "ff15::8000:77" }

[[channel]]
name = "mixed"
playlist = ["film", "sound"]
loop = true
multicast = { always = true, group = "239.192.77.9", port = 6100 }
"#;

/// The body of `GET path` and the head before it.
fn get(method: &str, port: u16, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect((FRONT, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("{method} {path} HTTP/1.1\r\nHost: {FRONT}\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// The description of a group once it is sent.
fn description(port: u16, path: &str) -> String {
    let begun = Instant::now();
    loop {
        let (head, body) = get("GET", port, path);
        if head.starts_with("HTTP/1.1 200 ") {
            assert!(head.contains("\r\nContent-Type: application/sdp"), "{head}");
            return body;
        }
        assert!(begun.elapsed() < PATIENCE, "{path}: {head}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Group, TTL and the first RTP port.
fn place(sdp: &str) -> (IpAddr, u8, u16) {
    let connection = sdp.lines().find_map(|line| line.strip_prefix("c=")).unwrap();
    let address = connection.split(' ').nth(2).unwrap();
    let (group, ttl) = address.split_once('/').unwrap_or((address, "0"));
    let media = sdp.lines().find_map(|line| line.strip_prefix("m=")).unwrap();
    let port = media.split(' ').nth(1).unwrap().parse().unwrap();
    (group.parse().unwrap(), ttl.parse().unwrap(), port)
}

/// How many pictures ffmpeg sees in two seconds of it.
fn ffmpeg(arguments: &[&str], source: &str) -> u32 {
    let output = Command::new("timeout")
        .args(["25", "ffmpeg", "-hide_banner", "-nostdin"])
        .args(arguments)
        .args(["-i", source, "-map", "0:v", "-t", "2", "-f", "null", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = said.rsplit("frame=").next().filter(|rest| rest.len() < said.len());
    let count = count.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    if count < 25 {
        println!("{source}: {said}");
    }
    count
}

/// Whether pictures come out of that pipeline of GStreamer's.
fn gstreamer(pipeline: &str) -> bool {
    let output = Command::new("timeout")
        .args(["25", "gst-launch-1.0", "-v"])
        .args(pipeline.split_whitespace())
        .args(["!", "fakesink", "num-buffers=25"])
        .output()
        .unwrap();
    if !output.status.success() {
        println!("{pipeline}: {}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

/// Whether Debian's VLC shows pictures of a transport stream in a group; `None`: it can't be run here.
fn vlc(url: &str) -> Option<bool> {
    // It refuses to run as root.
    let output = Command::new("runuser")
        .args(["-u", "nobody", "--", "timeout", "-s", "INT", "15"])
        .args(["cvlc", "-vv", "--no-audio", "--vout", "dummy", "--run-time", "3", url, "vlc://quit"])
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !said.contains("VLC media player") {
        return None;
    }
    let seen = said.contains("Received first picture");
    if !seen {
        println!("{url}: {said}");
    }
    Some(seen)
}

/// Whoever has joined an IPv4 group, from any source or one, and sees its packets with their IP headers.
struct Member {
    socket: Socket,
    group: Ipv4Addr,
    port: u16,
}

impl Member {
    fn join(group: IpAddr, port: u16, source: Option<Ipv4Addr>) -> Self {
        let IpAddr::V4(group) = group else { panic!("{group} is not IPv4") };
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).unwrap();
        match source {
            Some(source) => socket.join_ssm_v4(&source, &group, &Ipv4Addr::UNSPECIFIED).unwrap(),
            None => socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED).unwrap(),
        }
        socket.set_multicast_all_v4(false).unwrap();
        Self { socket, group, port }
    }

    /// The next packet: its IP header's TTL and its payload.
    fn packet(&mut self, wait: Duration) -> Option<(u8, Vec<u8>)> {
        let begun = Instant::now();
        while begun.elapsed() < wait {
            self.socket.set_read_timeout(Some(wait)).unwrap();
            let mut buffer = [0; 4096];
            let Ok(count) = self.socket.read(&mut buffer) else { continue };
            let (ip, rest) = buffer[..count].split_at(usize::from(buffer[0] & 15) * 4);
            if ip[16..20] == self.group.octets() && rest[2..4] == self.port.to_be_bytes() {
                return Some((ip[8], rest[8..].to_vec()));
            }
        }
        None
    }
}

/// A member of a group of announcements: the local scope's, where players look, or another's.
fn listener(group: [u8; 4]) -> Member {
    Member::join(group.into(), 9875, None)
}

const LOCAL: [u8; 4] = [239, 255, 255, 255];
const ORGANISATION: [u8; 4] = [239, 195, 255, 255];

/// Waits for an announcement or deletion whose text has `words`: its hash and that text.
fn announced(listener: &mut Member, deletes: bool, words: &str) -> (u16, String) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let Some((ttl, bytes)) = listener.packet(PATIENCE) else { break };
        let text = String::from_utf8_lossy(&bytes[8..]).into_owned();
        if (bytes[0] & 4 != 0) == deletes && text.contains(words) {
            assert_eq!((bytes[0] & 0xf3, bytes[1], ttl), (0x20, 0, 255), "SAP head and TTL");
            assert_eq!(bytes[4..8], [10, 77, 0, 1], "originating source");
            assert!(text.starts_with("application/sdp\0"), "{text}");
            return (u16::from_be_bytes([bytes[2], bytes[3]]), text);
        }
    }
    panic!("nothing announced with {words} (deletes: {deletes})");
}

/// The origin of a description.
fn origin(sdp: &str) -> &str {
    sdp.lines().find(|line| line.starts_with("o=")).unwrap()
}

fn start(folder: &Path, films: [&Path; 2]) -> Process {
    let file = folder.join("mobidic.toml");
    std::fs::write(&file, CONFIGURATION).unwrap();
    let (data, file) = (folder.join("data"), file.to_string_lossy().into_owned());
    let listen = format!("{FRONT}:8554");
    let arguments = ["serve", "--data", &data.to_string_lossy(), "--listen", &listen, "--config", &file];
    let films = films.map(|film| film.to_string_lossy().into_owned());
    Process::start(arguments.into_iter().chain(films.iter().map(String::as_str))).unwrap().0
}

/// Another front for the same catalog.
fn another(folder: &Path) -> Process {
    let (data, file) = (folder.join("data"), folder.join("mobidic.toml"));
    let listen = format!("{FRONT}:8555");
    let arguments =
        ["front", "--data", &data.to_string_lossy(), "--listen", &listen, "--config", &file.to_string_lossy()];
    Process::start(arguments).unwrap().0
}

#[test]
fn groups_are_played_announced_and_never_taken_twice() {
    let net = match Net::new(2) {
        Ok(net) => net,
        Err(why) => return println!("skipped: {why}"),
    };
    let folder = tempdir().unwrap();
    let film = FILM.make(&folder).unwrap();
    let sound = SOUND.make(&folder).unwrap();
    let front = within(net.name(0), || start(&folder, [&film, &sound]));
    let viewers = net.name(VIEWERS);
    let news = within(viewers, || description(8554, "/news.sdp"));
    let (group, ttl, port) = place(&news);
    let url = |name: &str| format!("rtsp://{FRONT}:8554/{name}");
    let file = folder.join("news.sdp");
    std::fs::write(&file, &news).unwrap();
    let by_file = ["-protocol_whitelist", "file,udp,rtp"];
    std::thread::scope(|threads| {
        threads.spawn(|| {
            assert!(group.to_string().starts_with("239.255.") && ttl == 5, "{news}");
            within(viewers, || {
                let (head, body) = get("HEAD", 8554, "/news.sdp");
                assert!(head.starts_with("HTTP/1.1 200 ") && body.is_empty(), "{head}");
                for path in ["/film.sdp", "/none.sdp", "/asked.sdp", "/news"] {
                    assert!(get("GET", 8554, path).0.starts_with("HTTP/1.1 404 "), "{path}");
                }
                let (ttl, rtp) = Member::join(group, port, None).packet(PATIENCE).expect("packets of the group");
                assert_eq!((ttl, rtp[0] >> 6), (5, 2));
                let right = Member::join("232.77.1.1".parse().unwrap(), 5000, FRONT.parse().ok()).packet(PATIENCE);
                assert!(right.is_some(), "joined from the right source");
            });
        });
        threads.spawn(|| within(viewers, || assert!(ffmpeg(&by_file, &file.to_string_lossy()) >= 25, ".sdp")));
        threads.spawn(|| {
            within(viewers, || assert!(ffmpeg(&["-rtsp_transport", "udp_multicast"], &url("asked")) >= 25, "RTSP"));
        });
        threads.spawn(|| {
            let source = format!("rtspsrc protocols=udp-mcast location={}", url("asked"));
            let pipeline = format!("{source} ! application/x-rtp,media=video ! decodebin");
            within(viewers, || assert!(gstreamer(&pipeline), "GStreamer by RTSP"));
        });
        threads.spawn(|| {
            let pipeline = format!("filesrc location={} ! sdpdemux ! rtpmpvdepay", file.display());
            within(viewers, || assert!(gstreamer(&pipeline), "GStreamer by .sdp"));
        });
        threads.spawn(|| {
            let six = within(viewers, || description(8554, "/six.sdp"));
            let file = folder.join("six.sdp");
            std::fs::write(&file, six).unwrap();
            within(viewers, || assert!(ffmpeg(&by_file, &file.to_string_lossy()) >= 25, "IPv6"));
        });
        threads.spawn(|| {
            let source = within(viewers, || description(8554, "/source.sdp"));
            assert!(source.contains("a=source-filter: incl IN IP4 232.77.1.1 10.77.0.1"), "{source}");
            let file = folder.join("source.sdp");
            std::fs::write(&file, source).unwrap();
            within(viewers, || assert!(ffmpeg(&by_file, &file.to_string_lossy()) >= 25, "source-specific"));
        });
        threads.spawn(|| {
            within(viewers, || {
                description(8554, "/box.sdp");
                let caps = "application/x-rtp,media=video,clock-rate=90000,encoding-name=MP2T";
                let source = format!("udpsrc address=239.255.77.7 port=6000 caps={caps}");
                assert!(gstreamer(&format!("{source} ! rtpmp2tdepay ! tsdemux ! mpegvideoparse")), "GStreamer, MP2T");
                match vlc("rtp://@239.255.77.7:6000") {
                    Some(seen) => assert!(seen, "VLC"),
                    None => println!("skipped: no VLC that can be run as another user"),
                }
            });
        });
        // In a namespace of its own, where nobody else joins.
        threads.spawn(|| {
            within(net.name(2), || {
                let mut wrong = Member::join("232.77.1.1".parse().unwrap(), 5000, "10.77.0.9".parse().ok());
                let wrong = wrong.packet(Duration::from_secs(3));
                assert!(wrong.is_none(), "joined from the wrong source");
                let unicast = ffmpeg(&["-rtsp_transport", "udp"], &url("news"));
                assert!(unicast >= 25, "unicast beside it");
                assert!(ffmpeg(&["-protocol_whitelist", "sap,udp,rtp"], "sap://239.255.255.255:9875") >= 25, "SAP");
            });
        });
        threads.spawn(|| {
            let mut listener = within(viewers, || listener(ORGANISATION));
            let (hash, old) = announced(&mut listener, false, "\r\ns=mixed\r\n");
            let (deleted, _) = announced(&mut listener, true, origin(&old));
            assert_eq!(deleted, hash, "a changed description is deleted in its old version");
            let (after, new) = announced(&mut listener, false, "\r\ns=mixed\r\n");
            assert!(after != hash && origin(&new) != origin(&old), "{hash} {after}: {old} {new}");
        });
        threads.spawn(|| {
            let second = within(net.name(0), || another(&folder));
            let other = within(viewers, || description(8555, "/news.sdp"));
            assert_ne!(place(&other).0, group, "two fronts, two groups");
            let mut listener = within(viewers, || listener(LOCAL));
            let hashes = [&news, &other].map(|sdp| announced(&mut listener, false, &place(sdp).0.to_string()).0);
            assert_ne!(hashes[0], hashes[1]);
            second.stop("INT").unwrap();
        });
    });
    let mut listener = within(viewers, || listener(LOCAL));
    // What it hears says that the bridge knows it to be there.
    announced(&mut listener, false, origin(&news));
    front.stop("INT").unwrap();
    announced(&mut listener, true, origin(&news));
    let _ = std::fs::remove_dir_all(folder);
}
