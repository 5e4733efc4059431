//! A lost or doubled packet harms the unit that it belongs to and no other: packets through a made-up network.

use rtp::{
    access_unit::AccessUnit,
    clock::RtpTimestamp,
    depacketizer::{Depacketizer, ReceivedUnit},
    format::Format,
    packet::RtpPacket,
    packetizer::Packetizer,
    train::{Framing, Train},
};
use webrtc_util::conn::{Conn, conn_bridge::Bridge};

const UNITS: u32 = 12;
const STEP: u32 = 3600;

/// An access unit of `format`, some packets long.
fn unit(format: &Format, number: u32) -> Vec<u8> {
    let body = |length: usize| (0..length).map(|at| (at as u32 * 7 + number * 13) as u8 | 1).collect::<Vec<u8>>();
    match format {
        Format::H264 { .. } => {
            // One slice in AVC framing: a length and a NAL unit of type 1.
            let mut nal = vec![0x41];
            nal.extend(body(2500));
            [&(nal.len() as u32).to_be_bytes()[..], &nal].concat()
        }
        Format::Mpv { .. } => {
            let mut picture = vec![0, 0, 1, 0, number as u8, 8, 0xff, 0xf8];
            for slice in 1..=3 {
                picture.extend([0, 0, 1, slice]);
                picture.extend(body(900));
            }
            picture
        }
        Format::Mp4vEs { .. } => [&[0, 0, 1, 0xb6][..], &body(2500)].concat(),
        _ => body(700),
    }
}

fn formats() -> Vec<Format> {
    vec![
        Format::H264 { sps: vec![], pps: vec![], width: 16, height: 16 },
        Format::Mpv { mpeg2: false, width: 16, height: 16 },
        Format::Mp4vEs { config: vec![0, 0, 1, 0xb0, 1], width: 16, height: 16 },
        Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels: 2 },
    ]
}

/// Sends all units through a bridge that loses packet `lost` (from 0, over all), and gives what comes out.
async fn transmit(format: &Format, lost: usize) -> (Vec<ReceivedUnit>, Vec<u32>) {
    let mut packetizer = Packetizer::new(format, 96, 1, 65_530, 1000);
    let mut train = Train::new(Framing::Datagram);
    let mut owners = Vec::new();
    for number in 0..UNITS {
        let mut stored = Vec::new();
        format.store(&unit(format, number), false, &mut stored).unwrap();
        let timestamp = RtpTimestamp(number * STEP);
        packetizer.packetize(&[AccessUnit { data: &stored, timestamp, sync: false }], &mut train).unwrap();
        owners.resize(train.len(), number);
    }
    let (bridge, sender, receiver) = Bridge::new(0, None, None);
    for packet in 0..train.len() {
        if packet == lost {
            bridge.drop_next_nwrites(0, 1);
        }
        sender.send(train.packet(packet)).await.unwrap();
    }
    let mut depacketizer = Depacketizer::new(format);
    let mut units = Vec::new();
    let mut buffer = [0; 2000];
    for _ in 0..train.len() - usize::from(lost < train.len()) {
        bridge.tick().await;
        let length = receiver.recv(&mut buffer).await.unwrap();
        let packet = RtpPacket::parse(&buffer[..length]).unwrap();
        depacketizer.handle(&packet).unwrap();
        // The network may double it.
        depacketizer.handle(&packet).unwrap();
        units.extend(std::iter::from_fn(|| depacketizer.poll()));
    }
    depacketizer.finish();
    units.extend(std::iter::from_fn(|| depacketizer.poll()));
    (units, owners)
}

#[tokio::test]
async fn one_lost_packet_breaks_one_unit_and_never_the_next() {
    for format in formats() {
        let (whole, owners) = transmit(&format, usize::MAX).await;
        assert_eq!(whole.len(), UNITS as usize, "{format:?}");
        for (number, received) in (0..).zip(&whole) {
            assert!(!received.lost && received.data == unit(&format, number), "{format:?}: unit {number}");
        }
        for (lost, &owner) in owners.iter().enumerate() {
            let (units, _) = transmit(&format, lost).await;
            for number in (0..UNITS).filter(|number| *number != owner) {
                let expected = unit(&format, number);
                let found = units.iter().any(|u| u.timestamp == RtpTimestamp(number * STEP) && u.data == expected);
                assert!(found, "{}: packet {lost} of unit {owner} lost, and unit {number} too", format.describe());
            }
            // Nobody can know of what comes before the first packet or after the last.
            if lost == 0 || lost + 1 == owners.len() {
                continue;
            }
            let broken = units.iter().find(|u| u.timestamp == RtpTimestamp(owner * STEP));
            assert!(
                broken.is_none_or(|unit| unit.lost),
                "{}: packet {lost} of unit {owner} lost, and nobody says so",
                format.describe()
            );
        }
    }
}
