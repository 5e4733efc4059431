//! Packets as a sender makes them, lost, mixed, doubled and forged.

use super::*;
use proptest::prelude::*;
use rtp::access_unit::AccessUnit;
use rtp::clock::{NtpTimestamp, RtpTimestamp};
use rtp::format::{Format, PcmCoding};
use rtp::packetizer::Packetizer;
use rtp::rtcp::{SenderReport, write_bye, write_sender_report};
use rtp::train::{Framing, Train};

fn track(format: Format, payload_type: u8) -> RtpTrack {
    let description = TrackDescription { format, language: None, bandwidth_bps: None };
    RtpTrack { description, payload_type, latm: false, ordered: false }
}

fn mulaw() -> Format {
    Format::Pcm { coding: PcmCoding::Mulaw, sample_rate: 8000, channels: 1 }
}

fn mpeg4(config: Vec<u8>) -> Format {
    Format::Mp4vEs { config, width: 16, height: 16 }
}

/// A picture of about three packets; the first of four is one where decoding may begin.
fn picture(number: u32) -> Vec<u8> {
    let kind = if number.is_multiple_of(4) { 0 } else { 0x40 };
    [&[0, 0, 1, 0xB6, kind][..], &number.to_be_bytes(), &[7; 700]].concat()
}

/// The packets of so many pictures at 25 a second, from sequence number `first` on.
fn pictures(ssrc: u32, first: u16, count: u32) -> Vec<Vec<Bytes>> {
    let format = mpeg4(vec![1]);
    let mut packetizer = Packetizer::new(&format, 96, ssrc, first, 300);
    let mut all = Vec::new();
    for number in 0..count {
        let (data, timestamp) = (picture(number), RtpTimestamp(number * 3600));
        let mut train = Train::new(Framing::Datagram);
        packetizer.packetize(&[AccessUnit { data: &data, timestamp, sync: true }], &mut train).unwrap();
        all.push((0..train.len()).map(|at| Bytes::copy_from_slice(train.packet(at))).collect());
    }
    all
}

fn numbers(feed: &mut RtpFeed, now: Instant) -> Vec<u32> {
    feed.described(now);
    let units = std::iter::from_fn(|| feed.poll());
    units.map(|(_, unit)| u32::from_be_bytes(unit.data[5..9].try_into().unwrap())).collect()
}

/// Which pictures come out of the packets that `change` leaves, and the counts.
fn check(name: &str, change: impl Fn(&mut Vec<Bytes>), expected: &[u32], counts: (u64, u64, u64, u64)) {
    let start = Instant::now();
    let mut feed = RtpFeed::new(vec![track(mpeg4(vec![1]), 96)], start);
    let mut packets: Vec<Bytes> = pictures(9, 65_530, 6).concat();
    change(&mut packets);
    for (packet, millis) in packets.into_iter().zip(0..) {
        feed.handle_rtp(0, packet, start + Duration::from_millis(millis));
    }
    let end = start + Duration::from_secs(1);
    feed.handle_timeout(end);
    assert_eq!(numbers(&mut feed, end), expected, "{name}");
    let seen = feed.counts();
    assert_eq!((seen.lost, seen.late, seen.refused, seen.broken), counts, "{name}");
}

#[test]
fn whole_pictures_come_out_whatever_happens_to_packets() {
    let per_picture = pictures(9, 65_530, 1)[0].len();
    assert_eq!(per_picture, 3);
    check("as sent", |_| {}, &[0, 1, 2, 3, 4, 5], (0, 0, 0, 0));
    check("mixed", |packets| packets.swap(4, 7), &[0, 1, 2, 3, 4, 5], (0, 0, 0, 0));
    check("the first two mixed", |packets| packets.swap(0, 1), &[0, 1, 2, 3, 4, 5], (0, 0, 0, 0));
    check("doubled", |packets| packets.insert(5, packets[3].clone()), &[0, 1, 2, 3, 4, 5], (0, 1, 0, 0));
    check("lost", |packets| drop(packets.remove(4)), &[0, 2, 3, 4, 5], (1, 0, 0, 1));
    let no_rtp = Bytes::from_static(b"\xCE\xFA\xED\xFE");
    check("no RTP", |packets| packets.insert(0, no_rtp.clone()), &[0, 1, 2, 3, 4, 5], (0, 0, 1, 0));
    let other_type = |packets: &mut Vec<Bytes>| {
        let mut packet = packets[2].to_vec();
        packet[1] = 97;
        packets.insert(2, packet.into());
    };
    check("another payload type", other_type, &[0, 1, 2, 3, 4, 5], (0, 0, 1, 0));
    let forged = |packets: &mut Vec<Bytes>| {
        for (at, packet) in pictures(66, 100, 4).concat().into_iter().enumerate() {
            packets.insert(3 + 2 * at, packet);
        }
    };
    // They wait for the real one to be silent, sixteen at most.
    let start = Instant::now();
    let mut feed = RtpFeed::new(vec![track(mpeg4(vec![1]), 96)], start);
    let mut packets = pictures(9, 65_530, 6).concat();
    forged(&mut packets);
    packets.into_iter().for_each(|packet| feed.handle_rtp(0, packet, start));
    assert_eq!(numbers(&mut feed, start), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn another_source_is_believed_when_the_first_is_silent_or_has_left() {
    for bye in [false, true] {
        let start = Instant::now();
        let mut feed = RtpFeed::new(vec![track(mpeg4(vec![1]), 96)], start);
        pictures(9, 1, 2).concat().into_iter().for_each(|packet| feed.handle_rtp(0, packet, start));
        let later = start + Duration::from_millis(if bye { 40 } else { 600 });
        if bye {
            let mut goodbye = Vec::new();
            write_bye(&mut goodbye, &SenderReport { ssrc: 9, ..SenderReport::default() }, "x").unwrap();
            feed.handle_rtcp(0, &goodbye, later);
        }
        pictures(10, 9000, 2).concat().into_iter().for_each(|packet| feed.handle_rtp(0, packet, later));
        assert_eq!(numbers(&mut feed, later), [0, 1, 0, 1], "bye: {bye}");
        assert_eq!(feed.counts().lost, 0);
    }
}

#[test]
fn all_that_has_said_goodbye_has_left_unless_somebody_follows() {
    let (start, patience) = (Instant::now(), Duration::from_secs(3));
    let mut feed = RtpFeed::new(vec![track(mpeg4(vec![1]), 96), track(mpeg4(vec![1]), 96), track(mulaw(), 0)], start);
    let goodbye = |ssrc| {
        let mut bytes = Vec::new();
        write_bye(&mut bytes, &SenderReport { ssrc, ..SenderReport::default() }, "x").unwrap();
        bytes
    };
    let left = |feed: &RtpFeed, millis| feed.has_left(patience, start + Duration::from_millis(millis));
    assert!(!left(&feed, 9_000), "nothing has come");
    for (track, ssrc) in [(0, 9), (1, 10)] {
        pictures(ssrc, 1, 2).concat().into_iter().for_each(|packet| feed.handle_rtp(track, packet, start));
    }
    feed.handle_rtcp(0, &goodbye(9), start);
    assert!(!left(&feed, 9_000), "one is still there");
    feed.handle_rtcp(1, &goodbye(77), start);
    feed.handle_rtcp(1, &goodbye(10), start);
    assert!(!left(&feed, 2_900) && left(&feed, 3_000));
    let later = start + Duration::from_secs(4);
    pictures(11, 1, 2).concat().into_iter().for_each(|packet| feed.handle_rtp(1, packet, later));
    assert!(!left(&feed, 9_000), "another has followed");
}

#[test]
fn what_is_not_known_is_learned_before_anything_comes_out() {
    let now = Instant::now();
    let unknown = Format::Mpa { layer: 0, sample_rate: 0, channels: 0 };
    let known = Format::Mpa { layer: 3, sample_rate: 44_100, channels: 2 };
    let mut feed = RtpFeed::new(vec![track(mulaw(), 0), track(unknown, 14)], now);
    let mut bytes = Vec::new();
    for number in 0..2u16 {
        rtp::packet::write_header(&mut bytes, 0, false, rtp::seq::Sequence(number), RtpTimestamp(160), 1);
        bytes.extend([0xFF; 160]);
        feed.handle_rtp(0, Bytes::from(std::mem::take(&mut bytes)), now);
    }
    assert!(feed.described(now).is_none() && feed.poll().is_none());
    // 417 bytes: 128 kbit/s at 44100 Hz.
    let frame = [&[0xFF, 0xFB, 0x90, 0x00][..], &[0; 413]].concat();
    for number in 0..2u16 {
        rtp::packet::write_header(&mut bytes, 14, false, rtp::seq::Sequence(number), RtpTimestamp(2351), 2);
        bytes.extend([0; 4]);
        bytes.extend(&frame);
        feed.handle_rtp(1, Bytes::from(std::mem::take(&mut bytes)), now);
    }
    let described = feed.described(now).unwrap();
    assert_eq!(described.iter().map(|track| &track.format).collect::<Vec<_>>(), [&mulaw(), &known]);
    let units: Vec<_> = std::iter::from_fn(|| feed.poll()).map(|(track, unit)| (track, unit.data.len())).collect();
    assert_eq!(units, [(0, 160), (0, 160), (1, 417), (1, 417)]);
}

#[test]
fn a_track_that_stays_unknown_is_left_out() {
    let start = Instant::now();
    let unknown = Format::Mpa { layer: 0, sample_rate: 0, channels: 0 };
    let mut feed = RtpFeed::new(vec![track(unknown, 14), track(mpeg4(vec![1]), 96)], start);
    pictures(9, 1, 2).concat().into_iter().for_each(|packet| feed.handle_rtp(1, packet, start));
    assert!(feed.described(start + Duration::from_secs(4)).is_none());
    assert_eq!(feed.described(start + Duration::from_secs(5)).map(|tracks| tracks.len()), Some(1));
    assert_eq!(feed.poll().map(|(track, _)| track), Some(0));
}

#[test]
fn reports_put_tracks_in_step_and_are_answered() {
    let start = Instant::now();
    let mut feed = RtpFeed::new(vec![track(mpeg4(vec![1]), 96), track(mulaw(), 0)], start);
    let report = |feed: &mut RtpFeed, track, ssrc, timestamp| {
        let mut bytes = Vec::new();
        let (ntp, rtp) = (NtpTimestamp(1 << 40), RtpTimestamp(timestamp));
        let report = SenderReport { ssrc, ntp, rtp, ..SenderReport::default() };
        write_sender_report(&mut bytes, &report, "x").unwrap();
        feed.handle_rtcp(track, &bytes, start);
    };
    report(&mut feed, 0, 9, 0);
    report(&mut feed, 1, 2, 800);
    pictures(9, 1, 1).concat().into_iter().for_each(|packet| feed.handle_rtp(0, packet, start));
    let late = start + Duration::from_millis(70);
    for number in 0..2u16 {
        let mut bytes = Vec::new();
        let timestamp = RtpTimestamp(1600 + u32::from(number) * 160);
        rtp::packet::write_header(&mut bytes, 0, false, rtp::seq::Sequence(number), timestamp, 2);
        bytes.extend([0xFF; 160]);
        feed.handle_rtp(1, bytes.into(), late);
    }
    feed.described(late);
    let times: Vec<_> = std::iter::from_fn(|| feed.poll()).map(|(track, unit)| (track, unit.pts.0)).collect();
    assert_eq!(times, [(0, 0), (1, 800), (1, 960)]);
    let due = feed.poll_timeout().unwrap();
    assert_eq!(due, start + REPORT_EVERY);
    feed.handle_timeout(due);
    let reports: Vec<_> = std::iter::from_fn(|| feed.poll_report()).collect();
    assert_eq!(reports.iter().map(|(track, _)| *track).collect::<Vec<_>>(), [0, 1]);
    let first = parse_compound(&reports[0].1).next();
    assert!(matches!(first, Some(Ok(Packet::ReceiverReport { blocks, .. })) if blocks[0].ssrc == 9));
}

proptest! {
    #[test]
    fn nothing_panics(packets in prop::collection::vec((0usize..3, any::<bool>(), prop::collection::vec(any::<u8>(), 0..60)), 0..60)) {
        let now = Instant::now();
        let mut feed = RtpFeed::new(vec![track(mpeg4(vec![]), 96), track(mulaw(), 0)], now);
        for (at, rtcp, mut bytes) in packets {
            if let [first, second, ..] = &mut bytes[..] {
                (*first, *second) = (0x80 | *first & 0x3F, [96, 0, 200, 203][usize::from(*second) % 4]);
            }
            match rtcp {
                true => feed.handle_rtcp(at, &bytes, now),
                false => feed.handle_rtp(at, bytes.into(), now),
            }
            feed.handle_timeout(now);
        }
        feed.described(now + PATIENCE);
        while feed.poll().is_some() {}
    }

    #[test]
    fn pictures_that_came_whole_all_come_out(drops in prop::collection::vec(prop::bool::weighted(0.1), 90)) {
        let start = Instant::now();
        let mut feed = RtpFeed::new(vec![track(mpeg4(vec![1]), 96)], start);
        let mut whole = Vec::new();
        for (number, packets) in (0u32..).zip(pictures(9, 0, 30)) {
            let kept: Vec<_> = packets.iter().zip(&drops[number as usize * 3..]).filter(|(_, drop)| number < 2 || !**drop).collect();
            if kept.len() == packets.len() {
                whole.push(number);
            }
            kept.into_iter().for_each(|(packet, _)| feed.handle_rtp(0, packet.clone(), start));
        }
        let end = start + Duration::from_secs(1);
        feed.handle_timeout(end);
        let seen = numbers(&mut feed, end);
        // One whose neighbour lost its end can't be told from one that lost its beginning.
        prop_assert!(seen.iter().all(|number| whole.contains(number)));
        let broken = feed.counts().broken;
        prop_assert!(seen.len() + broken as usize <= 30);
    }
}
