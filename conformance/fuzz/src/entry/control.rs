//! What players send: RTSP messages and their header fields, what tunnels them, RTCP and RTP; what others announce.

use rtp::clock::{ClockRate, MediaTime};
use rtp::packet::RtpPacket;
use rtp::receiver::Receiver;
use rtp::rtcp::{self, Packet};
use rtsp::auth::{Auth, AuthOptions, Verdict, user};
use rtsp::feed::ts::TsAddress;
use rtsp::headers::{
    Accept, Authorization, Blocksize, ClockRange, FeatureTags, MediaType, Range, RtpInfo, Scale, SeekStyle,
    SessionField, Speed, Transport, UtcTime,
};
use rtsp::message::{Framer, Incoming, MAX_BODY, MAX_HEADERS};
use rtsp::multicast::{GroupRange, sap::SapPacket};
use rtsp::net::tunnel::{Base64Decoder, Kind, http, websocket};
use rtsp::target::Target;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// The same messages come out however the bytes were cut.
pub fn messages(input: &[u8]) {
    let whole = cut(input, input.len());
    for size in [1, 7, 1400] {
        assert!(whole == cut(input, size), "other messages in pieces of {size}");
    }
}

fn cut(input: &[u8], size: usize) -> Vec<Result<Incoming, (bool, bool)>> {
    let mut framer = Framer::new();
    let mut found = Vec::new();
    for piece in input.chunks(size.max(1)) {
        framer.handle(piece);
        while let Some(next) = framer.poll() {
            if let Ok(Incoming::Request(request)) = &next {
                assert!(request.headers.len() <= MAX_HEADERS && request.body.len() <= MAX_BODY);
                Target::parse(&request.uri).ok();
            }
            found.push(next.map_err(|error| (error.fatal, error.status.is_some())));
        }
    }
    found
}

/// Whatever a field's parser accepts is written so that it reads back equal.
pub fn headers(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for list in [Transport::parse_list, Transport::parse_strict_list] {
        for transport in list(text).into_iter().flatten() {
            transport.plays();
            reads_back(&transport.to_string(), |text| list(text).into_iter().next().expect("one"));
        }
    }
    reads_back(text, Range::parse);
    if let Ok(range) = Range::parse(text) {
        range.in_npt();
        range.like(MediaTime(i64::MAX), Some(MediaTime::ZERO)).in_npt();
    }
    reads_back(text, ClockRange::parse);
    reads_back(text, str::parse::<UtcTime>);
    reads_back(text, |text| SeekStyle::parse(text).ok_or(()));
    reads_back(text, SessionField::parse);
    reads_back(text, RtpInfo::parse);
    reads_back(text, Accept::parse);
    reads_back(text, MediaType::parse);
    reads_back(text, Scale::parse);
    reads_back(text, Speed::parse);
    reads_back(text, Blocksize::parse);
    reads_back(text, Authorization::parse);
    reads_back(text, |text| Ok::<_, ()>(FeatureTags::parse(text)));
    reads_back(text, str::parse::<GroupRange>);
    reads_back(text, str::parse::<TsAddress>);
    Target::parse(text).ok();
    judged(text);
}

/// Nobody comes in by an `Authorization` that was made without the password.
fn judged(text: &str) {
    let now = Instant::now();
    let auth = Auth::new(AuthOptions { basic: true, ..AuthOptions::default() }, now);
    auth.set_users([user("ann", "mobidic", "\u{1}never sent")]);
    let mut framer = Framer::new();
    framer.handle(format!("DESCRIBE rtsp://h/a RTSP/1.0\r\nCSeq: 1\r\nAuthorization: {text}\r\n\r\n").as_bytes());
    while let Some(Ok(next)) = framer.poll() {
        if let Incoming::Request(request) = next {
            let verdict = auth.judge(&request, Ipv4Addr::LOCALHOST.into(), false, now);
            assert!(!matches!(verdict, Verdict::User(_) | Verdict::Open), "{text:?}: {verdict:?}");
        }
    }
}

fn reads_back<T: Display + PartialEq + Debug, E: Debug>(text: &str, parse: impl Fn(&str) -> Result<T, E>) {
    if let Ok(value) = parse(text) {
        let written = value.to_string();
        assert_eq!(parse(&written).expect("what we wrote"), value, "{text:?} written as {written:?}");
    }
}

/// A datagram as RTCP and as RTP.
pub fn rtcp(input: &[u8]) {
    let now = Instant::now();
    let mut receiver = Receiver::new(1, ClockRate::VIDEO);
    for packet in rtcp::parse_compound(input).flatten() {
        if let Packet::SenderReport { report, .. } = packet {
            receiver = Receiver::new(report.ssrc, ClockRate::VIDEO);
            receiver.handle_sender_report(&report, now);
        }
    }
    // Packets of 16 bytes, so that one input is a source's history.
    for packet in input.chunks(16).chain([input]) {
        if let Ok(packet) = RtpPacket::parse(packet) {
            packet.csrcs().count();
            receiver.handle_packet(&packet, now);
        }
    }
    receiver.report_block(now);
    assert!(receiver.received() <= input.len() as u64);
}

/// RTSP within HTTP and WebSocket: the same comes out however the bytes were cut.
pub fn tunnel(input: &[u8]) {
    Kind::of(input);
    let head = |first: usize| {
        let (first, mut left) = input.split_at(first.min(input.len()));
        let read = at_once(http::read_head(&mut left, first.to_vec())).ok()?;
        Some(read.map(|(head, rest)| {
            // What is read behind the head is not lost.
            let behind = rest.len() + left.len();
            assert_eq!(&input[input.len() - behind..input.len() - left.len()], rest);
            (head, behind)
        }))
    };
    let whole = head(0);
    if let Some(Some((head, _))) = &whole {
        head.get("x-sessioncookie");
        websocket::accept(head);
    }
    for first in [1, 3, input.len() / 2] {
        assert_eq!(head(first), whole, "another head where {first} bytes came before");
    }
    let (decoded, frames) = (base64(input, input.len()), websocket_frames(input, input.len()));
    for size in [1, 7, 1400] {
        assert_eq!(base64(input, size), decoded, "in pieces of {size}");
        assert_eq!(websocket_frames(input, size), frames, "in pieces of {size}");
    }
}

/// What a future says that has nothing to wait for.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("bytes that are there are waited for"),
    }
}

/// What it says, if it is base64.
fn base64(input: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut decoder = Base64Decoder::default();
    let pieces: Result<Vec<_>, _> = input.chunks(size.max(1)).map(|piece| decoder.decode(piece)).collect();
    pieces.ok().map(|pieces| pieces.concat())
}

/// What WebSocket's frames held.
#[derive(Debug, Default, PartialEq)]
struct Held {
    data: Vec<u8>,
    /// With how many bytes were before each.
    pings: Vec<(usize, Vec<u8>)>,
    closed: bool,
}

fn websocket_frames(input: &[u8], size: usize) -> Held {
    let (mut frames, mut held) = (websocket::Frames::default(), Held::default());
    for piece in input.chunks(size.max(1)) {
        frames.handle(piece);
        while let Some(event) = frames.poll() {
            match event {
                websocket::Event::Data(bytes) => held.data.extend(bytes),
                websocket::Event::Ping(payload) => held.pings.push((held.data.len(), payload)),
                websocket::Event::Close => return Held { closed: true, ..held },
            }
        }
    }
    assert!(held.data.len() <= input.len());
    held
}

/// An announcement of a session.
pub fn sap(input: &[u8]) {
    if let Ok(packet) = SapPacket::parse(input) {
        assert!(packet.sdp.is_none_or(|sdp| sdp.len() < input.len()) && packet.hash != 0);
        assert!(packet.source != IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    }
}
