//! Cameras as they are: each answers and sends in a way of its own, and goes on only while it hears of us.

use super::*;

/// RFC 2326 has 461 for it.
const NO_TRANSPORT: &str = "RTSP/1.0 461 Unsupported Transport\r\n\r\n";

/// Parameter sets of ffmpeg's, and a picture behind them.
const SPS: &[u8] = &[
    0x67, 0x4d, 0x40, 0x14, 0xda, 0x05, 0x87, 0xec, 0x04, 0x40, 0x00, 0x00, 0xfa, 0x40, 0x00, 0x3a, 0x98, 0x03, 0xc5,
    0x0a, 0xa8,
];
const PPS: &[u8] = &[0x68, 0xef, 0x3c, 0x80];
const IDR: &[u8] = &[0x65, 0x88, 0x84, 0, 1, 2, 3];

/// One camera. What it does not say is answered as [`good`] does.
struct Camera {
    name: &'static str,
    sdp: &'static str,
    /// An answer of its own, to a request and after how many others of that method.
    answers: fn(&str, usize) -> Option<String>,
    /// What it sends for the picture or frame of that number.
    sends: fn(u32) -> Vec<Vec<u8>>,
    udp: bool,
    /// The tracks that come of it.
    tracks: &'static [&'static str],
    /// Requests that it must have heard.
    hears: &'static [&'static str],
}

const MULAW: &str = "v=0\r\ns=x\r\nm=audio 0 RTP/AVP 0\r\na=control:sound\r\n";

const USUAL: Camera = Camera {
    name: "",
    sdp: MULAW,
    answers: |_, _| None,
    sends: |number| vec![sound(number, 0, 0)],
    udp: false,
    tracks: &["PCMU"],
    hears: &["PLAY ", "TEARDOWN "],
};

fn rtp(number: u16, timestamp: u32, kind: u8, marker: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (number, timestamp) = (rtp::seq::Sequence(number), rtp::clock::RtpTimestamp(timestamp));
    rtp::packet::write_header(&mut bytes, kind, marker, number, timestamp, 7);
    bytes.extend_from_slice(payload);
    bytes
}

/// 20 ms of sound, counted from a number and a timestamp on.
fn sound(number: u32, sequence: u16, timestamp: u32) -> Vec<u8> {
    let number = number as u16;
    rtp(sequence.wrapping_add(number), timestamp.wrapping_add(u32::from(number) * 160), 0, false, &[0xFF; 160])
}

/// A picture of as many packets as NAL units, each with the marker.
fn marked(number: u32) -> Vec<Vec<u8>> {
    let nals = [SPS, PPS, IDR];
    let packet = |(nal, at): (&&[u8], u32)| rtp((number * 3 + at) as u16, number * 3_600, 96, true, nal);
    nals.iter().zip(0..).map(packet).collect()
}

fn lacks(request: &str, header: &str) -> bool {
    !request.contains(header)
}

fn unauthorized(nonce: &str) -> Option<String> {
    let challenge = format!("Digest realm=\"IP Camera(1)\", nonce=\"{nonce}\", stale=\"FALSE\"");
    Some(format!("RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\n\r\n"))
}

fn session(field: &str, transport: &str) -> Option<String> {
    Some(format!("RTSP/1.0 200 OK\r\nSession: {field}\r\nTransport: {transport}\r\n\r\n"))
}

const CAMERAS: &[Camera] = &[
    Camera {
        name: "Digest by MD5 without qop, controls of a host that only it knows, a session of strange characters",
        sdp: "v=0\r\ns=x\r\na=control:rtsp://10.0.0.9/all\r\nm=audio 0 RTP/AVP 0\r\na=control:rtsp://10.0.0.9/1\r\n",
        answers: |request, _| match request {
            _ if lacks(request, "Authorization: Digest username=\"ann\"") => unauthorized("1"),
            _ if request.starts_with("SETUP") => session("{a=1/~} ; timeout = 2", "RTP/AVP/TCP;interleaved=0-1"),
            _ => None,
        },
        hears: &[
            "SETUP rtsp://10.0.0.9/1 RTSP",
            "PLAY rtsp://10.0.0.9/all RTSP",
            "Session: {a=1/~}\r\n",
            "uri=\"rtsp://10.0.0.9/all\"",
            "TEARDOWN rtsp://10.0.0.9/all RTSP",
        ],
        ..USUAL
    },
    Camera {
        name: "kept alive by OPTIONS alone",
        answers: |request, before| match request.split(' ').next() {
            Some("OPTIONS") if before == 0 => {
                Some("RTSP/1.0 200 OK\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n".into())
            }
            Some("SETUP") => session("1;timeout=2", "RTP/AVP/TCP;interleaved=0-1"),
            // What it does not know ends the connection.
            Some("GET_PARAMETER") => Some("none\r\n\r\n".into()),
            _ => None,
        },
        hears: &["OPTIONS rtsp://127.0.0.1", "Session: 1\r\n"],
        ..USUAL
    },
    Camera {
        name: "GET_PARAMETER is not implemented, though it says nothing of that",
        answers: |request, _| match request.split(' ').next() {
            Some("SETUP") => session("1;timeout=2", "RTP/AVP/TCP;interleaved=0-1"),
            Some("GET_PARAMETER") => Some("RTSP/1.0 501 Not Implemented\r\n\r\n".into()),
            _ => None,
        },
        hears: &["GET_PARAMETER ", "OPTIONS rtsp://127.0.0.1"],
        ..USUAL
    },
    Camera {
        name: "a challenge that lasts shorter than its session",
        answers: |request, _| match request.split(' ').next() {
            Some("GET_PARAMETER") if lacks(request, "nonce=\"2\"") => unauthorized("2"),
            Some("SETUP") => session("1;timeout=2", "RTP/AVP/TCP;interleaved=0-1"),
            _ if lacks(request, "Authorization") => unauthorized("1"),
            _ => None,
        },
        hears: &["nonce=\"1\"", "nonce=\"2\""],
        ..USUAL
    },
    Camera {
        name: "only UDP, no ports of its own, no source",
        answers: |request, _| match request.starts_with("SETUP") {
            true if request.contains("interleaved") => Some(NO_TRANSPORT.into()),
            true => session("1", "RTP/AVP;unicast"),
            false => None,
        },
        hears: &["interleaved=0-1", "client_port="],
        ..USUAL
    },
    Camera {
        name: "only within the connection, on other channels than were asked for",
        answers: |request, _| match request.starts_with("SETUP") {
            true if request.contains("client_port") => Some(NO_TRANSPORT.into()),
            true => session("1", "RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=7"),
            false => None,
        },
        udp: true,
        hears: &["client_port=", "interleaved=0-1"],
        ..USUAL
    },
    Camera {
        name: "parameter sets in band alone, the marker on each of them, sound that we don't know",
        sdp: "v=0\r\ns=x\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;\
              profile-level-id=4D4014;sprop-parameter-sets=\r\nm=audio 0 RTP/AVP 2\r\na=rtpmap:2 G726-32/8000\r\n",
        sends: marked,
        tracks: &["H264"],
        ..USUAL
    },
    Camera {
        name: "numbers and timestamps wrap, reports without a wall clock or a name, garbage between frames",
        sends: |number| {
            let report = [&[0x80, 200, 0, 6, 0, 0, 0, 7][..], &[0; 20]].concat();
            vec![sound(number, 65_530, u32::MAX - 700), report, b"\r\n\0".to_vec()]
        },
        ..USUAL
    },
    Camera {
        name: "a description with a broken line, no name, no control",
        sdp: "v=0\r\no=-\r\ns=\r\nc=IN IP4\r\n\r\nbroken\r\nm=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000/1\r\n",
        ..USUAL
    },
];

/// What of it is an RTP packet goes to channel 0, reports to channel 1, all else as it is.
fn framed(packet: &[u8]) -> Vec<u8> {
    let channel = match packet {
        [0x80, 200, ..] => 1,
        [0x80, ..] => 0,
        _ => return packet.to_vec(),
    };
    [&[b'$', channel, 0, packet.len() as u8][..], packet].concat()
}

/// One connection to it: answers, and sends from PLAY on.
async fn serve(camera: &Camera, mut stream: tokio::net::TcpStream, log: &Mutex<Vec<String>>) {
    let (mut read, mut number, mut playing) = (Vec::new(), 0, false);
    let (mut to, socket) = (None, UdpSocket::bind("127.0.0.1:0").unwrap());
    let mut every = tokio::time::interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            come = stream.read_buf(&mut read) => {
                if come.unwrap_or(0) == 0 {
                    return;
                }
                while let Some(request) = next_request(&mut read) {
                    if let Some((_, ports)) = request.split_once("client_port=") {
                        to = ports.split('-').next().and_then(|port| port.parse::<u16>().ok());
                    }
                    let method = request.split(' ').next().unwrap();
                    let before = log.lock().unwrap().iter().filter(|one| one.starts_with(method)).count();
                    let answer = (camera.answers)(&request, before).unwrap_or_else(|| described(&request, camera.sdp));
                    to = to.filter(|_| !(answer.contains("interleaved") && method == "SETUP"));
                    let cseq = request.lines().find(|line| line.starts_with("CSeq:")).unwrap();
                    let text = answer.replacen("\r\n", &format!("\r\n{cseq}\r\n"), 1);
                    playing |= method == "PLAY";
                    log.lock().unwrap().push(request);
                    // Who gives its session back waits for no answer.
                    if stream.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
            _ = every.tick(), if playing => {
                for packet in (camera.sends)(number) {
                    let sent = match to {
                        Some(port) => socket.send_to(&packet, ("127.0.0.1", port)).map(drop),
                        None => stream.write_all(&framed(&packet)).await,
                    };
                    if sent.is_err() {
                        return;
                    }
                }
                number += 1;
            }
        }
    }
}

/// Reports of ours lie between requests.
fn next_request(read: &mut Vec<u8>) -> Option<String> {
    while let Some(&[b'$', _, high, low]) = read.first_chunk() {
        let end = 4 + usize::from(u16::from_be_bytes([high, low]));
        if read.len() < end {
            return None;
        }
        read.drain(..end);
    }
    let end = read.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(String::from_utf8(read.drain(..end + 4).collect()).unwrap())
}

fn described(request: &str, sdp: &str) -> String {
    match request.starts_with("DESCRIBE") {
        true => format!("RTSP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len()),
        false => good(request),
    }
}

async fn check(camera: &'static Camera) {
    let name = camera.name;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (place, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
    let log = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            serve(camera, stream, &log).await;
        }
    });
    let channel = Channel::new("live", ChannelOptions::default());
    let urls = vec![format!("rtsp://ann:secret@{place}/live")];
    let options = PullOptions { urls, user: None, password: None, udp: camera.udp };
    let seen = Mutex::new(FeedCounts::default());
    let told = |counts: FeedCounts| *seen.lock().unwrap() = counts;
    let relays = Relays::default();
    // As long as it takes to be heard of three times.
    let enough = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let (units, asked) = (seen.lock().unwrap().units, asked.lock().unwrap().concat());
            let heard = |word: &&&str| word.starts_with("TEARDOWN") || asked.contains(**word);
            if units >= 120 && camera.hears.iter().filter(heard).count() == camera.hears.len() {
                return;
            }
        }
    };
    let ended = tokio::select! {
        error = pull(&options, &channel, &relays, &told) => Some(error.to_string()),
        () = enough => None,
        () = tokio::time::sleep(Duration::from_secs(40)) => Some("not all of it comes".to_owned()),
    };
    let counts = *seen.lock().unwrap();
    assert_eq!(ended, None, "{name}: {counts:?} {:#?}", asked.lock().unwrap());
    let live = channel.live().unwrap();
    let tracks: Vec<&str> = live.index.tracks.iter().map(|track| track.format.encoding_name()).collect();
    assert_eq!((&tracks[..], counts.lost, counts.broken), (camera.tracks, 0, 0), "{name}");
    // One unit a picture, but for those on their way.
    let packets = (camera.sends)(0).iter().filter(|packet| packet.starts_with(&[0x80]) && packet[1] != 200).count();
    assert!(counts.units * packets as u64 <= counts.packets, "{name}: {counts:?}");
    // The session is given back.
    let begun = Instant::now();
    while !asked.lock().unwrap().iter().any(|request| request.starts_with("TEARDOWN")) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{name}: {:#?}", asked.lock().unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = asked.lock().unwrap().concat();
    for word in camera.hears {
        assert!(asked.contains(word), "{name}: not asked {word}: {asked}");
    }
    assert!(!asked.contains("secret"), "{name}");
}

#[tokio::test]
async fn cameras_are_taken_as_they_are() {
    futures_util::future::join_all(CAMERAS.iter().map(check)).await;
}
