//! A server made wrong on purpose: the real one behind a proxy that breaks one thing.

use std::{
    collections::{HashMap, VecDeque},
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Whether a request (or an answer) is meant: looks at its text.
pub type When = fn(&str) -> bool;

/// The one thing that is wrong.
#[derive(Clone, Copy)]
pub enum Fault {
    /// Answers to these requests have this status.
    Status(When, u16),
    /// Answers have lost this header.
    Lose(&'static str),
    /// Answers are rewritten; `{}` of their request is given, too.
    Answer(fn(request: &str, answer: String) -> String),
    /// Descriptions are rewritten.
    Sdp(fn(String) -> String),
    /// Requests are rewritten before the server sees them.
    Request(fn(String) -> String),
    /// The server never sees these requests; they are answered 200.
    Ignore(When),
    /// These requests are never answered.
    Mute(When),
    /// The connection ends instead of an answer to these requests.
    Close(When),
    /// RTP packets in the connection are changed.
    Rtp(fn(&mut Vec<u8>, &mut u32)),
    /// RTCP packets in the connection are changed; an empty one is not sent.
    Rtcp(fn(&mut Vec<u8>, &mut u32)),
    /// Bytes stand before the answers to these requests.
    Before(When, &'static [u8]),
    /// Bytes come after the answers to these requests.
    After(When, &'static [u8]),
    /// RTCP over UDP comes from a port that nobody has told of.
    StrayReports,
    /// After so many connections nobody is answered any more.
    Crowd(usize),
    /// Once bytes like these came, nobody is answered any more.
    Dead(fn(&[u8]) -> bool),
}

/// Starts a proxy with a fault before the server at `to`; it runs until the test's end.
pub fn start(to: SocketAddr, fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let dead = Arc::new(AtomicBool::new(false));
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().map_while(Result::ok).enumerate() {
            if matches!(fault, Fault::Crowd(most) if number >= most) {
                dead.store(true, Ordering::Relaxed);
                continue;
            }
            let dead = dead.clone();
            std::thread::spawn(move || {
                if let Ok(server) = TcpStream::connect(to) {
                    serve(client, server, fault, dead);
                }
            });
        }
    });
    address
}

/// Requests that wait for their answers, by CSeq and in their order.
#[derive(Default)]
struct Asked {
    by_number: HashMap<String, String>,
    last: VecDeque<String>,
}

fn serve(client: TcpStream, server: TcpStream, fault: Fault, dead: Arc<AtomicBool>) {
    let asked = Arc::new(Mutex::new(Asked::default()));
    let (mut to_client, mut from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (mine, gone) = (asked.clone(), dead.clone());
    let down = std::thread::spawn(move || {
        let (mut buffer, mut read) = (vec![0; 65_536], Vec::new());
        let mut state = 0;
        while let Ok(count @ 1..) = from_server.read(&mut buffer) {
            read.extend_from_slice(&buffer[..count]);
            while let Some(message) = next(&mut read) {
                let message = match message.first() {
                    Some(b'$') => frame(message, fault, &mut state),
                    _ => answer(message, fault, &mine),
                };
                if gone.load(Ordering::Relaxed) || to_client.write_all(&message).is_err() {
                    return;
                }
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
    });
    up(client, server, fault, &asked, &dead);
    let _ = down.join();
}

fn up(mut client: TcpStream, mut server: TcpStream, fault: Fault, asked: &Mutex<Asked>, dead: &AtomicBool) {
    let (mut buffer, mut read) = (vec![0; 65_536], Vec::new());
    client.set_read_timeout(Some(Duration::from_millis(40))).unwrap();
    loop {
        match client.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => read.extend_from_slice(&buffer[..count]),
            // What is no message of this notation goes on as it is.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if !read.is_empty() && server.write_all(&std::mem::take(&mut read)).is_err() {
                    break;
                }
                continue;
            }
            Err(_) => break,
        }
        if matches!(fault, Fault::Dead(trap) if trap(&read)) {
            dead.store(true, Ordering::Relaxed);
        }
        if dead.load(Ordering::Relaxed) {
            break;
        }
        while let Some(message) = next(&mut read) {
            match request(message, fault, asked) {
                Passed::On(bytes) if server.write_all(&bytes).is_ok() => {}
                Passed::Answered(bytes) if client.write_all(&bytes).is_ok() => {}
                Passed::Nowhere => {}
                _ => {
                    let _ = client.shutdown(Shutdown::Both);
                    let _ = server.shutdown(Shutdown::Both);
                    return;
                }
            }
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

enum Passed {
    On(Vec<u8>),
    Answered(Vec<u8>),
    Nowhere,
    End,
}

fn request(message: Vec<u8>, fault: Fault, asked: &Mutex<Asked>) -> Passed {
    let Ok(text) = String::from_utf8(message.clone()) else { return Passed::On(message) };
    if text.starts_with('$') {
        return Passed::On(message);
    }
    let cseq = header(&text, "CSeq").unwrap_or_default();
    match fault {
        Fault::Ignore(when) if when(&text) => {
            let session = header(&text, "Session").map(|id| format!("Session: {id}\r\n")).unwrap_or_default();
            return Passed::Answered(format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{session}\r\n").into_bytes());
        }
        Fault::Mute(when) if when(&text) => return Passed::Nowhere,
        Fault::Close(when) if when(&text) => return Passed::End,
        _ => {}
    }
    {
        let mut asked = asked.lock().unwrap();
        asked.by_number.insert(cseq, text.clone());
        asked.last.push_back(text.clone());
    }
    match fault {
        Fault::Request(rewrite) => Passed::On(rewrite(text).into_bytes()),
        Fault::StrayReports => Passed::On(strayed(text).into_bytes()),
        _ => Passed::On(message),
    }
}

/// A SETUP whose RTCP goes to a socket that hands it on from its own port.
fn strayed(request: String) -> String {
    let ports = header(&request, "Transport").and_then(|transport| {
        let (first, second) = transport.split_once("client_port=")?.1.split_once('-')?;
        Some((first.to_owned(), second.split(';').next()?.parse::<u16>().ok()?))
    });
    let Some((rtp, rtcp)) = ports else { return request };
    let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mine = relay.local_addr().unwrap().port();
    relay.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok(length) = relay.recv(&mut buffer) {
            let _ = relay.send_to(&buffer[..length], ("127.0.0.1", rtcp));
        }
    });
    request.replace(&format!("client_port={rtp}-{rtcp}"), &format!("client_port={rtp}-{mine}"))
}

fn answer(message: Vec<u8>, fault: Fault, asked: &Mutex<Asked>) -> Vec<u8> {
    let Ok(text) = String::from_utf8(message.clone()) else { return message };
    let mut asked = asked.lock().unwrap();
    let oldest = asked.last.pop_front();
    let mine = header(&text, "CSeq").and_then(|cseq| asked.by_number.get(&cseq).cloned());
    let request = mine.or(oldest).unwrap_or_default();
    match fault {
        Fault::Status(when, status) if when(&request) => {
            let (_, rest) = text.split_once("\r\n").unwrap_or_default();
            format!("{} {status} Broken\r\n{rest}", text.split(' ').next().unwrap_or_default()).into_bytes()
        }
        Fault::Lose(name) => {
            let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
            let lose = format!("{}:", name.to_lowercase());
            let kept: Vec<&str> = head.split("\r\n").filter(|line| !line.to_lowercase().starts_with(&lose)).collect();
            format!("{}\r\n\r\n{body}", kept.join("\r\n")).into_bytes()
        }
        Fault::Before(when, bytes) if when(&request) => [bytes, &message].concat(),
        Fault::After(when, bytes) if when(&request) => [&message, bytes].concat(),
        Fault::Answer(rewrite) => rewrite(&request, text).into_bytes(),
        Fault::Sdp(rewrite) if text.contains("application/sdp") => {
            let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
            let body = rewrite(body.to_owned());
            let lines = head.split("\r\n").filter(|line| !line.to_lowercase().starts_with("content-length:"));
            let head: Vec<&str> = lines.collect();
            format!("{}\r\nContent-Length: {}\r\n\r\n{body}", head.join("\r\n"), body.len()).into_bytes()
        }
        _ => message,
    }
}

fn frame(message: Vec<u8>, fault: Fault, state: &mut u32) -> Vec<u8> {
    let (channel, mut packet) = (message[1], message[4..].to_vec());
    match fault {
        Fault::Rtp(change) if channel % 2 == 0 => change(&mut packet, state),
        Fault::Rtcp(change) if channel % 2 == 1 => change(&mut packet, state),
        _ => return message,
    }
    if packet.is_empty() {
        return Vec::new();
    }
    let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
    [&[b'$', channel][..], &length, &packet].concat()
}

/// The next whole message or frame at the head of what was read.
pub fn next(read: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = if read.first() == Some(&b'$') {
        4 + usize::from(u16::from_be_bytes([*read.get(2)?, *read.get(3)?]))
    } else {
        let end = read.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&read[..end]).into_owned();
        end + header(&text, "Content-Length").and_then(|length| length.parse::<usize>().ok()).unwrap_or(0)
    };
    (read.len() >= length).then(|| read.drain(..length).collect())
}

pub fn header(text: &str, name: &str) -> Option<String> {
    text.split("\r\n").skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}
