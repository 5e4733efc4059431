//! Fetching from servers that answer in one way or another.

mod cameras;

use super::*;
use crate::channel::ChannelOptions;
use std::net::UdpSocket;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const SDP: &str =
    "v=0\r\ns=x\r\nm=application 0 RTP/AVP 107\r\na=control:data\r\nm=audio 0 RTP/AVP 0\r\na=control:sound\r\n";

/// An RTP packet of 20 ms of mu-law.
fn packet(number: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let timestamp = rtp::clock::RtpTimestamp(u32::from(number) * 160);
    rtp::packet::write_header(&mut bytes, 0, false, rtp::seq::Sequence(number), timestamp, 7);
    bytes.extend([0xFF; 160]);
    bytes
}

/// A server that answers what `answer` says of each request, sends ten packets after PLAY and closes.
async fn server(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (place, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
    let log = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut read, mut to) = (Vec::new(), None);
            'requests: loop {
                while !read.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                        break 'requests;
                    }
                }
                let request = String::from_utf8(std::mem::take(&mut read)).unwrap();
                let cseq = request.lines().find(|line| line.starts_with("CSeq:")).unwrap();
                if let Some((_, ports)) = request.split_once("client_port=") {
                    to = ports.split('-').next().and_then(|port| port.parse::<u16>().ok());
                }
                let text = answer(&request).replacen("\r\n", &format!("\r\n{cseq}\r\n"), 1);
                log.lock().unwrap().push(request.clone());
                stream.write_all(text.as_bytes()).await.unwrap();
                if request.starts_with("PLAY") {
                    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                    for number in 1..=10 {
                        let packet = packet(number);
                        match to {
                            Some(port) => drop(socket.send_to(&packet, ("127.0.0.1", port)).unwrap()),
                            None => {
                                let frame = [&[b'$', 0, 0, packet.len() as u8][..], &packet].concat();
                                stream.write_all(&frame).await.unwrap();
                            }
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    break;
                }
            }
        }
    });
    (format!("rtsp://ann:secret@{place}/live"), asked)
}

fn good(request: &str) -> String {
    match request.split(' ').next() {
        Some("DESCRIBE") => {
            let head = "RTSP/1.0 200 OK\r\nContent-Type: application/sdp\r\nContent-Base: ";
            let uri = request.split(' ').nth(1).unwrap();
            format!("{head}{uri}/\r\nContent-Length: {}\r\n\r\n{SDP}", SDP.len())
        }
        Some("SETUP") if request.contains("client_port") => {
            "RTSP/1.0 200 OK\r\nSession: 1\r\nTransport: RTP/AVP;unicast;client_port=1-2;server_port=9-10\r\n\r\n"
                .into()
        }
        Some("SETUP") => {
            "RTSP/1.0 200 OK\r\nSession: 1;timeout=4\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n".into()
        }
        _ => "RTSP/1.0 200 OK\r\nSession: 1\r\n\r\n".into(),
    }
}

async fn fetched(urls: Vec<String>, udp: bool) -> (String, Arc<Channel>, u64) {
    let channel = Channel::new("live", ChannelOptions::default());
    let options = PullOptions { urls, user: None, password: None, udp };
    let seen = Mutex::new(FeedCounts::default());
    let told = |counts: FeedCounts| *seen.lock().unwrap() = counts;
    let error = tokio::time::timeout(Duration::from_secs(20), pull(&options, &channel, &Relays::default(), &told))
        .await
        .unwrap();
    let packets = channel.live().and_then(|live| channel.newest(&live)).map_or(0, |newest| newest.next_number - 1);
    (error.to_string(), channel, packets)
}

#[tokio::test]
async fn what_a_server_sends_reaches_the_channel() {
    for udp in [false, true] {
        let (url, asked) = server(good).await;
        let (error, channel, bursts) = fetched(vec![url], udp).await;
        assert!(error.contains("unexpected end of file"), "{error}");
        // Both wait: the first is believed with the second.
        assert!(channel.live().is_some() && bursts == 9, "udp {udp}: {bursts}");
        let asked = asked.lock().unwrap();
        let methods: Vec<&str> = asked.iter().map(|request| request.split(' ').next().unwrap()).collect();
        assert_eq!(methods, ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]);
        assert!(asked[2].contains("/live/sound RTSP/1.0") && asked[3].contains("Session: 1\r\n"));
        assert!(asked.iter().all(|request| !request.contains("secret")));
    }
}

#[tokio::test]
async fn who_we_are_is_proved_where_it_is_asked() {
    let challenge = "RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\r\n";
    let asks = move |request: &str| match request.contains("Authorization: Digest username=\"ann\"") {
        true => good(request),
        false => challenge.to_owned(),
    };
    let (url, asked) = server(asks).await;
    let (_, channel, _) = fetched(vec![url], false).await;
    assert!(channel.live().is_some());
    assert_eq!(asked.lock().unwrap().len(), 5, "only the first is asked twice");
    let (url, asked) = server(move |_| challenge.to_owned()).await;
    let (error, ..) = fetched(vec![url], false).await;
    assert!(error.ends_with("OPTIONS is answered 401"), "{error}");
    assert_eq!(asked.lock().unwrap().len(), 2, "a wrong password is not tried again and again");
}

#[tokio::test]
async fn fall_backs_and_redirects_are_followed() {
    let (good_url, _) = server(good).await;
    let place = good_url.replace("ann:secret@", "");
    let (moved, _) = server(move |_| format!("RTSP/1.0 302 Found\r\nLocation: {place}\r\n\r\n")).await;
    let (gone, _) = server(|_| "RTSP/1.0 404 Not Found\r\n\r\n".to_owned()).await;
    for urls in [vec![gone.clone(), good_url.clone()], vec![moved], vec!["rtsp://127.0.0.1:1/x".into(), good_url]] {
        let (_, channel, _) = fetched(urls.clone(), false).await;
        assert!(channel.live().is_some(), "{urls:?}");
    }
    for (answer, expected) in [
        ("RTSP/1.0 404 Not Found\r\n\r\n", "DESCRIBE is answered 404"),
        ("RTSP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "sdp: line 1: expected a letter and ="),
        ("RTSP/1.0 302 Found\r\nLocation: rtsp://$/x\r\n\r\n", "too many redirects or challenges"),
        ("HTTP/1.1 400 Bad\r\n\r\n", "what came is no RTSP"),
        (
            "RTSP/1.0 200 OK\r\nContent-Length: 50\r\n\r\nv=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 XY/90000\r\n\r\n\r\n",
            "nothing of it can be taken: payload format XY",
        ),
    ] {
        let (url, _) = server(move |request| {
            let host = request.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
            answer.replace('$', host)
        })
        .await;
        let (error, ..) = fetched(vec![url], false).await;
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(fetched(vec!["http://h/x".into()], false).await.0, "? is no rtsp:// or rtsps:// URL");
}
