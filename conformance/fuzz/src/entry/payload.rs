//! Payload formats: an input is packets for the depayloader, and a unit for the way there and back. Each input goes to
//! every format of the target.

use rtp::access_unit::AccessUnit;
use rtp::clock::RtpTimestamp;
use rtp::depacketizer::{Depacketizer, MAX_UNIT};
use rtp::format::{Format, Media, PcmCoding};
use rtp::mp2t::Program;
use rtp::packet::{RtpPacket, write_header};
use rtp::packetizer::Packetizer;
use rtp::seq::Sequence;
use rtp::train::{Framing, Train};

const WIDTH: u32 = 352;
const HEIGHT: u32 = 288;

pub fn nal(input: &[u8]) {
    let (width, height) = (WIDTH, HEIGHT);
    let set = |byte| vec![vec![byte, 1, 5]];
    check(&Format::H264 { sps: set(0x67), pps: set(0x68), width, height }, input);
    check(&Format::H265 { vps: set(0x40), sps: set(0x42), pps: set(0x44), width, height }, input);
}

pub fn mpeg(input: &[u8]) {
    let (width, height) = (WIDTH, HEIGHT);
    for mpeg2 in [false, true] {
        check(&Format::Mpv { mpeg2, width, height }, input);
    }
    check(&Format::Mpa { layer: 2, sample_rate: 44_100, channels: 2 }, input);
    check(&Format::Mp4vEs { config: vec![0, 0, 1, 0xB0, 0xF5], width, height }, input);
}

pub fn audio(input: &[u8]) {
    let (sample_rate, channels) = (48_000, 2);
    let aac = Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels };
    check(&aac, input);
    receive(Depacketizer::latm(&aac), input);
    check(&Format::Ac3 { sample_rate, channels }, input);
    check(&Format::Eac3 { sample_rate, channels }, input);
    for coding in [PcmCoding::Mulaw, PcmCoding::Alaw, PcmCoding::L16, PcmCoding::L24] {
        check(&Format::Pcm { coding, sample_rate, channels }, input);
    }
    check(&Format::Amr { wide: false, channels: 1 }, input);
    check(&Format::Amr { wide: true, channels }, input);
    check(&Format::Opus { channels }, input);
    check(&Format::Speex { sample_rate }, input);
    check(&Format::Vorbis { headers: vec![vec![1], vec![3], vec![5]], sample_rate, channels }, input);
}

pub fn pictures(input: &[u8]) {
    let (width, height) = (WIDTH, HEIGHT);
    check(&Format::H263 { width, height }, input);
    check(&Format::Vp8 { width, height }, input);
    check(&Format::Vp9 { width, height }, input);
    check(&Format::Jpeg { width, height }, input);
    check(&Format::T140 {}, input);
}

pub fn asf(input: &[u8]) {
    let description = vec![0; 60];
    check(&Format::QuickTime { media: Media::Audio, description, clock: 22_050, codec: "nmos".into() }, input);
    let program = Program { streams: Vec::new(), order: Vec::new() }.into();
    receive(Depacketizer::new(&Format::Mp2t { program }), input);
    check(&Format::Asf { stream: 1, media: Media::Video, properties: vec![0; 80], codec: "WMV3".into() }, input);
}

fn check(format: &Format, input: &[u8]) {
    receive(Depacketizer::new(format), input);
    if let Some((&first, unit)) = input.split_first() {
        there_and_back(format, unit, first & 1 == 1);
    }
}

/// The input as payloads: each begins with its length, its marker and timestamp, and whether one before it is lost.
fn receive(mut depacketizer: Depacketizer, input: &[u8]) {
    let (mut rest, mut sequence, mut timestamp) = (input, 65_530u16, 0u32);
    let mut packet = Vec::new();
    while let [low, high, flags, after @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, high & 0x07])).min(after.len());
        let (payload, next) = after.split_at(length);
        sequence = sequence.wrapping_add(1 + u16::from(flags >> 6));
        timestamp = timestamp.wrapping_add(u32::from(flags >> 1 & 3) * 3000);
        packet.clear();
        write_header(&mut packet, 96, flags & 1 == 1, Sequence(sequence), RtpTimestamp(timestamp), 1);
        packet.extend_from_slice(payload);
        depacketizer.handle(&RtpPacket::parse(&packet).expect("what was written")).ok();
        drain(&mut depacketizer, |_| {});
        rest = next;
    }
    depacketizer.finish();
    drain(&mut depacketizer, |_| {});
}

/// What can be stored can be sent, and what is received can be stored again to the same bytes.
fn there_and_back(format: &Format, unit: &[u8], sync: bool) {
    let mut stored = Vec::new();
    if format.store(unit, sync, &mut stored).is_err() {
        assert!(stored.is_empty(), "a unit that is refused leaves nothing");
        return;
    }
    let mut packetizer = Packetizer::new(format, 96, 1, 65_530, 600);
    let mut train = Train::new(Framing::Datagram);
    let unit = AccessUnit { data: &stored, timestamp: RtpTimestamp(7), sync };
    packetizer.packetize(&[unit], &mut train).expect("what was stored can be sent");
    let mut depacketizer = Depacketizer::new(format);
    for index in 0..train.len() {
        let packet = RtpPacket::parse(train.packet(index)).expect("what was written");
        depacketizer.handle(&packet).expect("what was sent can be received");
    }
    depacketizer.finish();
    drain(&mut depacketizer, |data| {
        format.store(data, false, &mut Vec::new()).expect("what was received can be stored");
    });
}

fn drain(depacketizer: &mut Depacketizer, mut each: impl FnMut(&[u8])) {
    while let Some(unit) = depacketizer.poll() {
        assert!(unit.data.len() <= MAX_UNIT);
        each(&unit.data);
    }
}
