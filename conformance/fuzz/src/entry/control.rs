//! What players send: RTSP messages and their header fields, RTCP and RTP; and the index objects that nodes give.

use catalog::index::Index;
use rtp::clock::ClockRate;
use rtp::packet::RtpPacket;
use rtp::receiver::Receiver;
use rtp::rtcp::{self, Packet};
use rtsp::headers::{
    Accept, Authorization, Blocksize, FeatureTags, MediaType, Range, RtpInfo, Scale, SessionField, Speed, Transport,
};
use rtsp::message::{Framer, Incoming, MAX_BODY, MAX_HEADERS};
use rtsp::sdp::{Lines, describe};
use std::fmt::{Debug, Display};
use std::net::{IpAddr, Ipv4Addr};
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
            }
            found.push(next.map_err(|error| (error.fatal, error.status.is_some())));
        }
    }
    found
}

/// Whatever a field's parser accepts is written so that it reads back equal.
pub fn headers(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for transport in Transport::parse_list(text).into_iter().flatten() {
        transport.plays();
        reads_back(&transport.to_string(), |text| Transport::parse_list(text).into_iter().next().expect("one"));
    }
    reads_back(text, Range::parse);
    reads_back(text, SessionField::parse);
    reads_back(text, RtpInfo::parse);
    reads_back(text, Accept::parse);
    reads_back(text, MediaType::parse);
    reads_back(text, Scale::parse);
    reads_back(text, Speed::parse);
    reads_back(text, Blocksize::parse);
    reads_back(text, Authorization::parse);
    reads_back(text, |text| Ok::<_, ()>(FeatureTags::parse(text)));
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

/// An index is read as it was written or not at all, and can be described.
pub fn index(input: &[u8]) {
    // Nobody finds the hash by chance: it is put behind what comes.
    let mut sealed = b"mobidicX\x01\0\0\0".to_vec();
    sealed.extend_from_slice(input);
    let hash = blake3::hash(&sealed);
    sealed.extend_from_slice(hash.as_bytes());
    let Ok(index) = Index::decode(&sealed) else { return };
    let text = describe(&index, IpAddr::V4(Ipv4Addr::LOCALHOST), Lines::Each);
    assert!(!text.contains('\0'));
    assert_eq!(Index::decode(&index.encode().expect("what was read")).as_ref(), Ok(&index));
}

/// What a feed says of itself; what is learned of its tracks from the same bytes.
pub fn description(bytes: &[u8]) {
    let Ok(description) = rtsp::feed::description::Description::parse(bytes) else { return };
    for mut track in description.media.iter().filter_map(|media| media.track()) {
        track.format.learn(bytes);
        let _ = (track.format.rtpmap(), track.format.fmtp());
    }
}
