//! What is stored and packetized depacketizes to itself, and whatever else comes, nothing panics.

use proptest::prelude::*;
use rtp::access_unit::AccessUnit;
use rtp::clock::RtpTimestamp;
use rtp::depacketizer::{Depacketizer, ReceivedUnit};
use rtp::format::{Bundling, Format, Media, PcmCoding};
use rtp::packet::RtpPacket;
use rtp::packetizer::{MIN_PACKET, Packetizer};
use rtp::train::{Framing, Train};

const SPS: &[u8] = &[0x67, 0x42, 0xC0, 0x1E, 0xDA, 0x02];
const PPS: &[u8] = &[0x68, 0xCE, 0x3C, 0x80];

fn mpv() -> Format {
    Format::Mpv { mpeg2: false, width: 352, height: 288 }
}

fn mpa() -> Format {
    Format::Mpa { layer: 2, sample_rate: 44_100, channels: 2 }
}

fn h264() -> Format {
    Format::H264 { sps: vec![SPS.to_vec()], pps: vec![PPS.to_vec()], width: 640, height: 480 }
}

fn mp4v() -> Format {
    Format::Mp4vEs { config: vec![0, 0, 1, 0xB0, 0xF5], width: 640, height: 480 }
}

fn aac() -> Format {
    Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels: 2 }
}

fn h265() -> Format {
    let [vps, sps, pps] = [[0x40, 1, 5], [0x42, 1, 6], [0x44, 1, 7]].map(|set| vec![set.to_vec()]);
    Format::H265 { vps, sps, pps, width: 640, height: 480 }
}

fn ac3() -> Format {
    Format::Ac3 { sample_rate: 48_000, channels: 2 }
}

fn eac3() -> Format {
    Format::Eac3 { sample_rate: 48_000, channels: 2 }
}

fn pcm() -> Format {
    Format::Pcm { coding: PcmCoding::L16, sample_rate: 48_000, channels: 2 }
}

fn amr() -> Format {
    Format::Amr { wide: false, channels: 1 }
}

fn vorbis() -> Format {
    Format::Vorbis { headers: vec![vec![1], vec![3], vec![5]], sample_rate: 44_100, channels: 2 }
}

/// Every payload format.
fn all() -> Vec<Format> {
    let (width, height) = (640, 480);
    vec![
        mpv(),
        mpa(),
        h264(),
        mp4v(),
        aac(),
        h265(),
        ac3(),
        eac3(),
        pcm(),
        amr(),
        Format::H263 { width, height },
        Format::Vp8 { width, height },
        Format::Vp9 { width, height },
        Format::Opus { channels: 2 },
        vorbis(),
        Format::Jpeg { width, height },
        Format::T140 {},
        Format::QuickTime { media: Media::Audio, description: vec![7; 90], clock: 22_050, codec: String::new() },
    ]
}

/// Packets of `units`, `step` ticks apart, and what comes out of them.
fn pass(format: &Format, units: &[Vec<u8>], step: u32, max_packet: usize) -> (Train, Vec<ReceivedUnit>) {
    let mut stored = vec![Vec::new(); units.len()];
    for (unit, stored) in units.iter().zip(&mut stored) {
        format.store(unit, false, stored).unwrap();
    }
    let timestamps = (0u32..).map(|index| RtpTimestamp(u32::MAX - 2000).plus(rtp::clock::Ticks((index * step).into())));
    let units: Vec<_> =
        stored.iter().zip(timestamps).map(|(data, timestamp)| AccessUnit { data, timestamp, sync: false }).collect();
    let mut packetizer = Packetizer::new(format, 96, 7, 65_530, max_packet);
    // Every other length as the server cuts and fills up for segmented sends.
    packetizer.share_sends(max_packet.is_multiple_of(2));
    let mut train = Train::new(Framing::Datagram);
    match format.bundling() {
        Bundling::Many => packetizer.packetize(&units, &mut train).unwrap(),
        Bundling::One => units.iter().for_each(|unit| packetizer.packetize(&[*unit], &mut train).unwrap()),
    }
    if max_packet.is_multiple_of(2) {
        train.fill_up(16);
    }
    let mut depacketizer = Depacketizer::new(format);
    let mut received = Vec::new();
    for index in 0..train.len() {
        let packet = train.packet(index);
        assert!(packet.len() <= max_packet.max(MIN_PACKET));
        depacketizer.handle(&RtpPacket::parse(packet).unwrap()).unwrap();
        received.extend(std::iter::from_fn(|| depacketizer.poll()));
    }
    depacketizer.finish();
    received.extend(std::iter::from_fn(|| depacketizer.poll()));
    assert_eq!(packetizer.next_sequence(), 65_530u16.wrapping_add(train.len() as u16));
    (train, received)
}

fn bytes_of(received: &[ReceivedUnit]) -> Vec<Vec<u8>> {
    assert!(received.iter().all(|unit| !unit.lost));
    received.iter().map(|unit| unit.data.clone()).collect()
}

/// A start code and bytes without another one.
fn coded(code: impl Strategy<Value = u8>, length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    (code, prop::collection::vec(2u8.., length)).prop_map(|(code, body)| [&[0, 0, 1, code], &body[..]].concat())
}

fn picture_header() -> impl Strategy<Value = Vec<u8>> {
    (any::<[u8; 5]>(), 1u8..=4).prop_map(|(rest, kind)| {
        vec![0, 0, 1, 0, rest[0] | 2, rest[1] & 0xC7 | kind << 3, 0xFF, rest[3] | 8, rest[4] | 8]
    })
}

/// Headers and slices in the order that the syntax has them, with or without each optional one.
fn picture() -> impl Strategy<Value = Vec<u8>> {
    let field =
        (picture_header(), prop::collection::vec(coded(prop_oneof![Just(0xB5), Just(0xB2)], 2..40), 0..3), slices());
    let front = (
        prop::option::of(coded(Just(0xB3), 8..136)),
        prop::collection::vec(coded(prop_oneof![Just(0xB5), Just(0xB2)], 2..600), 0..3),
        prop::option::of(coded(Just(0xB8), 4..5)),
    );
    let end = prop::option::of(Just(vec![0u8, 0, 1, 0xB7]));
    (front, prop::collection::vec(field, 1..3), end).prop_map(|((sequence, extensions, group), fields, end)| {
        let mut out = Vec::new();
        if let Some(sequence) = sequence {
            out.extend(sequence);
            out.extend(extensions.concat());
        }
        out.extend(group.unwrap_or_default());
        for (header, extensions, slices) in fields {
            out.extend(header);
            out.extend(extensions.concat());
            out.extend(slices.concat());
        }
        out.extend(end.unwrap_or_default());
        out
    })
}

fn slices() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(coded(1u8..=0xAF, 1..3000), 0..12)
}

/// Length-prefixed NAL units of types that are kept.
fn nals() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(vec![1u8, 5, 6, 7, 8, 0x41, 0x65]);
    prop::collection::vec((kind, prop::collection::vec(any::<u8>(), 0..4000)), 1..9).prop_map(|nals| {
        let nal = |(kind, body): (u8, Vec<u8>)| [&(body.len() as u32 + 1).to_be_bytes(), &[kind][..], &body].concat();
        nals.into_iter().flat_map(nal).collect()
    })
}

/// Length-prefixed H.265 NAL units of types that are kept.
fn h265_nals() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(vec![0u8, 1, 19, 20, 21, 32, 33, 34, 39]);
    prop::collection::vec((kind, 1u8..8, prop::collection::vec(any::<u8>(), 1..4000)), 1..9).prop_map(|nals| {
        let nal = |(kind, temporal, body): (u8, u8, Vec<u8>)| {
            [&(body.len() as u32 + 2).to_be_bytes(), &[kind << 1, temporal][..], &body].concat()
        };
        nals.into_iter().flat_map(nal).collect()
    })
}

/// AC-3 sync frames of 48 kHz.
fn ac3_frames() -> impl Strategy<Value = Vec<u8>> {
    let frame = prop::sample::select(vec![(0u8, 128), (8, 256), (0x14, 768), (0x24, 2560)]);
    prop::collection::vec((frame, any::<u8>()), 1..4).prop_map(|frames| {
        let frame = |((code, length), fill): ((u8, usize), u8)| {
            [&[0x0B, 0x77, 0, 0, code, 0x40, 0x40][..], &vec![fill; length - 7]].concat()
        };
        frames.into_iter().flat_map(frame).collect()
    })
}

/// E-AC-3 sync frames of 1536 samples: an independent one, and dependent ones behind it.
fn eac3_frames() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec((8usize..4096, any::<u8>()), 1..4).prop_map(|frames| {
        let frame = |(index, (length, fill)): (usize, (usize, u8))| {
            let words = length / 2 - 1;
            let kind = if index == 0 { 0 } else { 0x40 };
            [&[0x0B, 0x77, kind | (words >> 8) as u8, words as u8, 0x34, 0x80][..], &vec![fill; words * 2 - 4]].concat()
        };
        frames.into_iter().enumerate().flat_map(frame).collect()
    })
}

/// AMR frames of all kinds.
fn amr_frames() -> impl Strategy<Value = Vec<u8>> {
    let toc = prop::sample::select(vec![0x04u8, 0x3C, 0x14, 0x44, 0x7C]);
    prop::collection::vec((toc, any::<u8>()), 1..30).prop_map(|frames| {
        let frame = |(toc, fill): (u8, u8)| {
            let length = rtp::codec::amr::frame_len(false, toc).unwrap();
            [&[toc][..], &vec![fill; length - 1]].concat()
        };
        frames.into_iter().flat_map(frame).collect()
    })
}

fn bytes(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), length)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn pictures_come_back(units in prop::collection::vec(picture(), 1..4), max in 0usize..2000) {
        prop_assert_eq!(bytes_of(&pass(&mpv(), &units, 3600, max).1), units);
    }

    #[test]
    fn nal_units_come_back(units in prop::collection::vec(nals(), 1..4), max in 0usize..2000) {
        prop_assert_eq!(bytes_of(&pass(&h264(), &units, 3600, max).1), units);
    }

    #[test]
    fn vops_come_back(units in prop::collection::vec(bytes(1..5000), 1..4), max in 0usize..2000) {
        prop_assert_eq!(bytes_of(&pass(&mp4v(), &units, 3600, max).1), units);
    }

    #[test]
    fn raw_data_blocks_come_back_with_their_times(units in prop::collection::vec(bytes(1..3000), 1..9), max in 0usize..2000) {
        let (_, received) = pass(&aac(), &units, 1024, max);
        prop_assert_eq!(bytes_of(&received), units);
        for pair in received.windows(2) {
            prop_assert_eq!(pair[1].timestamp.distance(pair[0].timestamp), 1024);
        }
    }

    #[test]
    fn audio_frames_come_back_in_their_packets(units in prop::collection::vec(bytes(1..3000), 1..9), max in 0usize..2000) {
        prop_assert_eq!(bytes_of(&pass(&mpa(), &units, 2351, max).1).concat(), units.concat());
    }

    #[test]
    fn h265_nal_units_come_back(units in prop::collection::vec(h265_nals(), 1..4), max in 0usize..2000) {
        prop_assert_eq!(bytes_of(&pass(&h265(), &units, 3600, max).1), units);
    }

    #[test]
    fn sync_frames_come_back_in_their_packets(units in prop::collection::vec(ac3_frames(), 1..9), max in 0usize..2000) {
        prop_assert_eq!(bytes_of(&pass(&ac3(), &units, 1536, max).1).concat(), units.concat());
    }

    #[test]
    fn substreams_come_back_in_their_packets(units in prop::collection::vec(eac3_frames(), 1..9), max in 0usize..2000) {
        let (_, received) = pass(&eac3(), &units, 1536, max);
        prop_assert_eq!(bytes_of(&received).concat(), units.concat());
        let start = received[0].timestamp;
        prop_assert_eq!(received[received.len() - 1].timestamp.distance(start), (units.len() as i32 - 1) * 1536);
    }

    #[test]
    fn samples_come_back_with_their_times(units in prop::collection::vec(1usize..3000, 1..9), step in 0u32..4000, max in 0usize..2000) {
        let units: Vec<Vec<u8>> = units.iter().map(|frames| (0..frames * 4).map(|at| at as u8).collect()).collect();
        let (_, received) = pass(&pcm(), &units, step, max);
        prop_assert_eq!(bytes_of(&received).concat(), units.concat());
    }

    #[test]
    fn speech_comes_back_in_its_packets(units in prop::collection::vec(amr_frames(), 1..9), step in 0u32..4000, max in 0usize..2000) {
        prop_assert_eq!(bytes_of(&pass(&amr(), &units, step, max).1).concat(), units.concat());
    }

    #[test]
    fn frames_without_borders_of_their_own_come_back(units in prop::collection::vec(bytes(1..5000), 1..4), max in 0usize..2000) {
        let (width, height) = (640, 480);
        for format in [Format::Vp8 { width, height }, Format::Vp9 { width, height }, vorbis()] {
            prop_assert_eq!(bytes_of(&pass(&format, &units, 3600, max).1), &units[..]);
        }
        let pictures: Vec<Vec<u8>> = units.iter().map(|unit| [&[0, 0, 0x82], &unit[..]].concat()).collect();
        prop_assert_eq!(bytes_of(&pass(&Format::H263 { width, height }, &pictures, 3600, max).1), pictures);
    }

    #[test]
    fn cues_come_back(units in prop::collection::vec("\\PC{1,900}", 1..4), max in 0usize..2000) {
        let units: Vec<Vec<u8>> = units.into_iter().map(String::into_bytes).collect();
        prop_assert_eq!(bytes_of(&pass(&Format::T140 {}, &units, 1000, max).1), units);
    }

    #[test]
    fn no_stored_bytes_panic(head in 0u32..64, data in bytes(0..400), flip in any::<prop::sample::Index>()) {
        let mut picture = Vec::new();
        mpv().store(&[0, 0, 1, 0, 0, 0x08, 0, 0, 0, 0, 0, 1, 1, 5, 5, 0, 0, 1, 2, 6], true, &mut picture).unwrap();
        let at = flip.index(picture.len());
        picture[at] ^= data.first().copied().unwrap_or(1);
        for data in [&[&head.to_be_bytes()[..], &data].concat(), &data, &picture] {
            for format in all() {
                let mut packetizer = Packetizer::new(&format, 96, 7, 5, 300);
                let mut train = Train::new(Framing::Interleaved { channel: 0 });
                let unit = AccessUnit { data, timestamp: RtpTimestamp(0), sync: true };
                if packetizer.packetize(&[unit, unit], &mut train).is_err() {
                    prop_assert_eq!((train.len(), train.bytes().len(), packetizer.next_sequence()), (0, 0, 5));
                }
                let _ = format.store(data, true, &mut Vec::new());
            }
        }
    }

    #[test]
    fn no_payloads_panic(
        packets in prop::collection::vec((any::<bool>(), 0u16..4, 0u32..2, prop::sample::select(vec![0x7Cu8, 0x78, 0, 4]), bytes(0..40)), 0..20),
    ) {
        for format in all() {
            let mut depacketizer = Depacketizer::new(&format);
            let mut sequence = 0u16;
            for (marker, skip, timestamp, first, payload) in &packets {
                let mut bytes = Vec::new();
                sequence = sequence.wrapping_add(*skip);
                rtp::packet::write_header(&mut bytes, 96, *marker, rtp::seq::Sequence(sequence), RtpTimestamp(*timestamp), 1);
                bytes.push(*first);
                bytes.extend_from_slice(payload);
                let _ = depacketizer.handle(&RtpPacket::parse(&bytes).unwrap());
                while let Some(unit) = depacketizer.poll() {
                    prop_assert!(!unit.data.is_empty());
                }
            }
            depacketizer.finish();
        }
    }
}
