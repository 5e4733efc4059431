use super::*;
use proptest::prelude::*;

#[test]
fn configurations_say_core_and_extension() {
    let lc = AudioSpecificConfig {
        object_type: 2,
        sample_rate: 44_100,
        channel_config: 2,
        channels: 2,
        sbr_rate: None,
        parametric_stereo: false,
        frame_samples: 1024,
    };
    let he = AudioSpecificConfig { sample_rate: 22_050, sbr_rate: Some(44_100), ..lc };
    let he2 = AudioSpecificConfig { channel_config: 1, channels: 1, parametric_stereo: true, ..he };
    let cases: &[(&[u8], AudioSpecificConfig)] = &[
        (&[0x12, 0x10], lc),
        (&[0x13, 0x90, 0x56, 0xE5, 0xA0], AudioSpecificConfig { sample_rate: 22_050, sbr_rate: Some(44_100), ..lc }),
        (&[0x13, 0x90, 0x56, 0xE5], AudioSpecificConfig { sample_rate: 22_050, ..lc }),
        (&[0x13, 0x88, 0x56, 0xE5, 0xA5, 0x48, 0x80], he2),
        (&[0x2B, 0x92, 0x08, 0x00], he),
        (&[0xEB, 0x8A, 0x08, 0x00], he2),
        (&[0x12, 0x14], AudioSpecificConfig { frame_samples: 960, ..lc }),
        (&[0x17, 0x80, 0x5B, 0x8D, 0x80 | 0x10], AudioSpecificConfig { sample_rate: 0xB71B, channel_config: 2, ..lc }),
    ];
    for (bytes, expected) in cases {
        assert_eq!(AudioSpecificConfig::parse(bytes), Ok(*expected), "{bytes:02x?}");
    }
}

#[test]
fn a_program_config_counts_its_channels() {
    // AAC-LC, 48 kHz, configuration 0; then front: one single and one pair, back: one pair, one low frequency element.
    let fields: &[(u32, u32)] = &[
        (2, 5),
        (3, 4),
        (0, 4),
        (0, 3), // object type, rate, channels, GA flags
        (0, 4),
        (1, 2),
        (3, 4), // tag, profile, rate
        (2, 4),
        (0, 4),
        (1, 4),
        (1, 2),
        (0, 3),
        (0, 4),
        (0, 3), // counts, mixdowns
        (0, 1),
        (0, 4),
        (1, 1),
        (0, 4),
        (1, 1),
        (1, 4),
        (0, 4), // elements
    ];
    let mut bytes = pack(fields);
    bytes.push(0); // comment
    let config = AudioSpecificConfig::parse(&bytes).unwrap();
    assert_eq!((config.channels, config.sample_rate), (6, 48_000));
}

fn pack(fields: &[(u32, u32)]) -> Vec<u8> {
    let bits: Vec<u8> =
        fields.iter().flat_map(|&(value, size)| (0..size).rev().map(move |bit| (value >> bit & 1) as u8)).collect();
    bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |all, (at, bit)| all | bit << (7 - at))).collect()
}

#[test]
fn adts_headers_are_read_and_give_the_configuration() {
    let header = AdtsHeader::parse(&[0xFF, 0xF1, 0x50, 0x80, 0x2E, 0x7F, 0xFC]).unwrap();
    let expected =
        AdtsHeader { object_type: 2, sample_rate: 44_100, channel_config: 2, frame_len: 371, header_len: 7, blocks: 1 };
    assert_eq!(header, expected);
    assert_eq!(header.config(), [0x12, 0x10]);
    assert_eq!(AudioSpecificConfig::parse(&header.config()).unwrap().channels, 2);
    let cases = [
        ([0xFF, 0xE1, 0x50, 0x80, 0x2E, 0x7F, 0xFC], "syncword at byte 0, bit 0: 4094 is not allowed"),
        ([0xFF, 0xF3, 0x50, 0x80, 0x2E, 0x7F, 0xFC], "layer at byte 1, bit 5: 1 is not allowed"),
        ([0xFF, 0xF1, 0x7C, 0x80, 0x2E, 0x7F, 0xFC], "sampling_frequency_index at byte 2, bit 2: 15 is not allowed"),
        ([0xFF, 0xF1, 0x50, 0x80, 0x00, 0x7F, 0xFC], "aac_frame_length at byte 3, bit 6: 3 is not allowed"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(AdtsHeader::parse(&bytes).unwrap_err().to_string(), format!("ADTS header: {expected}"));
    }
}

#[test]
fn adts_frames_are_found_over_junk() {
    let mut frame = vec![0xFF, 0xF1, 0x50, 0x80, 0x02, 0x1F, 0xFC];
    frame.resize(16, 0xFF);
    let bytes = [&[1, 2, 0xFF, 0xF1][..], &frame, &frame, &[7; 20], &frame, &frame].concat();
    let seen: Vec<_> = adts_frames(&bytes).map(|frame| (frame.offset, frame.data.len())).collect();
    assert_eq!(seen, [(4, 16), (20, 16), (56, 16), (72, 16)]);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, head in prop::sample::select(vec![0x12u8, 0x10, 0x2B, 0xEB, 0xB8, 0xFF])) {
        let _ = AdtsHeader::parse(&bytes);
        let _ = AudioSpecificConfig::parse(&[&[head], &bytes[..]].concat());
        let _ = AudioSpecificConfig::parse(&bytes);
        let _ = AudioSpecificConfig::parse(&[&[0x11, 0x80], &bytes[..]].concat());
    }
}
