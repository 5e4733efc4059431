//! What comes live from others: descriptions, RTP and RTCP of the tracks they name, transport streams.

use catalog::feed::{FeedEvent, TransportStream};
use rtp::access_unit::AccessUnit;
use rtp::clock::RtpTimestamp;
use rtp::packet::write_header;
use rtp::packetizer::Packetizer;
use rtp::seq::Sequence;
use rtp::train::{Framing, Train};
use rtsp::feed::description::Description;
use rtsp::feed::rtp::{RtpFeed, RtpTrack};
use std::time::{Duration, Instant};

/// What a feed says of itself; what is learned of its tracks from the same bytes.
pub fn description(bytes: &[u8]) {
    let Ok(description) = Description::parse(bytes) else { return };
    for mut track in description.media.iter().filter_map(|media| media.track()) {
        track.format.learn(bytes);
        let _ = (track.format.rtpmap(), track.format.fmtp());
    }
}

/// A description, and behind a zero what comes of its tracks: packets of three bytes (how many bytes it has, what it is,
/// how much later it comes) and their bytes.
pub fn rtp(input: &[u8]) {
    let (text, mut rest) = input.split_at(input.iter().position(|byte| *byte == 0).unwrap_or(input.len()));
    let Ok(description) = Description::parse(text) else { return };
    let track = |media: &rtsp::feed::description::OfferedMedia| {
        let (payload_type, latm) = (media.payload_type, media.latm);
        Some(RtpTrack { description: media.track()?, payload_type, latm, ordered: media.port == 0 })
    };
    let tracks: Vec<RtpTrack> = description.media.iter().filter_map(track).collect();
    let mut now = Instant::now();
    let mut feed = RtpFeed::new(tracks.clone(), now);
    let (mut sequence, mut timestamp, mut packet) = (65_530u16, 0u32, Vec::new());
    let (mut senders, mut train) = (Vec::<Packetizer>::new(), Train::new(Framing::Datagram));
    while let [length, flags, later, after @ ..] = rest {
        let (payload, next) = after.split_at(usize::from(*length).min(after.len()));
        let number = usize::from(flags >> 1 & 1);
        now += Duration::from_millis(u64::from(*later));
        if flags & 4 != 0 {
            feed.handle_rtcp(number, payload, now);
        } else {
            sequence = sequence.wrapping_add(1 + u16::from(flags >> 3 & 3) * 40);
            timestamp = timestamp.wrapping_add(u32::from(flags >> 5 & 1) * 3000);
            packet.clear();
            let kind = tracks.get(number).map_or(0, |track| track.payload_type);
            let ssrc = 1 + u32::from(flags >> 6 & 1);
            write_header(&mut packet, kind, flags & 1 == 1, Sequence(sequence), RtpTimestamp(timestamp), ssrc);
            packet.extend_from_slice(payload);
            feed.handle_rtp(number, packet.clone().into(), now);
        }
        if feed.poll_timeout().is_some_and(|due| due <= now) {
            feed.handle_timeout(now);
        }
        while feed.poll_report().is_some() {}
        if let Some(described) = feed.described(now)
            && senders.is_empty()
        {
            senders.extend(described.iter().map(|track| Packetizer::new(&track.format, 96, 1, 0, 1400)));
        }
        while let Some((track, unit)) = feed.poll() {
            train.clear(Framing::Datagram);
            let unit = AccessUnit { data: &unit.data, timestamp: RtpTimestamp(0), sync: unit.sync };
            senders[track].packetize(&[unit], &mut train).expect("what came can be sent");
        }
        rest = next;
    }
    let counts = feed.counts();
    assert!(counts.packets <= input.len() as u64);
}

/// A transport stream that comes in datagrams: the same comes out however it is cut.
pub fn ts(input: &[u8]) {
    let now = Instant::now();
    let whole = streamed(input, 1316, now);
    assert!(streamed(input, 1000, now) == whole, "other tracks or units in pieces of 1000");
}

fn streamed(input: &[u8], size: usize, now: Instant) -> Vec<FeedEvent> {
    let (mut stream, mut events) = (TransportStream::new(None), Vec::new());
    let (mut senders, mut train) = (Vec::<Packetizer>::new(), Train::new(Framing::Datagram));
    let mut drain = |stream: &mut TransportStream| {
        while let Some(event) = stream.poll() {
            match &event {
                FeedEvent::Tracks(tracks) => {
                    senders = tracks.iter().map(|track| Packetizer::new(&track.format, 96, 1, 0, 1400)).collect();
                }
                FeedEvent::Unit(unit) => {
                    train.clear(Framing::Datagram);
                    let sent = AccessUnit { data: &unit.data, timestamp: RtpTimestamp(0), sync: unit.sync };
                    senders[unit.track].packetize(&[sent], &mut train).expect("what came can be sent");
                }
            }
            events.push(event);
        }
    };
    for piece in input.chunks(size) {
        if stream.handle_bytes(piece, now).is_err() {
            break;
        }
        drain(&mut stream);
    }
    stream.handle_silence();
    drain(&mut stream);
    events
}
