use super::*;
use proptest::prelude::*;

/// The headers of a simple profile film from an AVI, and of an advanced simple profile one with B pictures.
const SIMPLE: &[u8] = &[
    0, 0, 1, 0xB0, 0x01, 0, 0, 1, 0xB5, 0x89, 0x13, 0, 0, 1, 0x00, 0, 0, 1, 0x20, 0x00, 0xC4, 0x8D, 0x88, 0x00, 0x7D,
    0x05, 0x04, 0x0F, 0x14, 0x63, 0, 0, 1, 0xB2, b'L', b'a', b'v', b'c',
];
const ADVANCED: &[u8] = &[
    0, 0, 1, 0xB0, 0xF1, 0, 0, 1, 0xB5, 0xA9, 0x13, 0, 0, 1, 0x00, 0, 0, 1, 0x20, 0x08, 0xD4, 0x8D, 0x08, 0x00, 0xCD,
    0x05, 0x84, 0x12, 0x14, 0x10, 0x3F, 0, 0, 1, 0xB2, b'L', b'a', b'v', b'c',
];
const PICTURE: &[u8] = &[0, 0, 1, 0xB6, 0x10, 0x60, 0x91];

fn layer() -> Layer {
    Config::parse(ADVANCED).unwrap().layer
}

#[test]
fn configurations_of_real_films() {
    let simple = Config {
        profile_and_level: Some(1),
        layer: Layer {
            width: 160,
            height: 120,
            resolution: 15,
            fixed_increment: None,
            low_delay: Some(true),
            pixel_aspect: Some((1, 1)),
            interlaced: false,
        },
        packed: false,
    };
    let advanced = Config {
        profile_and_level: Some(0xF1),
        layer: Layer { width: 176, height: 144, resolution: 25, low_delay: Some(false), ..simple.layer },
        packed: false,
    };
    let divx = |version: &[u8]| [&SIMPLE[..34], version, &[0, 0, 1, 0xB6, 0x10]].concat();
    let layer_alone = Config { profile_and_level: None, ..simple };
    let cases: &[(&[u8], Config)] = &[
        (SIMPLE, simple),
        (ADVANCED, advanced),
        (&SIMPLE[15..], layer_alone),
        (&divx(b"DivX503b1393p"), Config { packed: true, ..simple }),
        (&divx(b"DivX503b1393"), simple),
        (&divx(b"DivX"), simple),
    ];
    for (bytes, expected) in cases {
        assert_eq!(Config::parse(bytes), Ok(*expected), "{bytes:02x?}");
    }
    assert_eq!(config_len(&[ADVANCED, PICTURE].concat()), ADVANCED.len());
    assert_eq!((config_len(PICTURE), config_len(&SIMPLE[..20])), (0, 20));
}

#[test]
fn pictures_are_shown_when_their_times_say() {
    // I P B B P B B P B B as an encoder wrote them; ticks of 1/25 s.
    let pictures: &[([u8; 3], CodingType, i64)] = &[
        ([0x10, 0x60, 0x91], CodingType::I, 0),
        ([0x51, 0xF0, 0x23], CodingType::P, 3),
        ([0x90, 0xE0, 0x64], CodingType::B, 1),
        ([0x91, 0x60, 0x64], CodingType::B, 2),
        ([0x53, 0x60, 0x23], CodingType::P, 6),
        ([0x92, 0x60, 0x64], CodingType::B, 4),
        ([0x92, 0xE0, 0x64], CodingType::B, 5),
    ];
    let mut clock = VopClock::default();
    clock.handle_group(&Group::parse(&[0, 0, 1, 0xB3, 0x00, 0x10, 0x07]).unwrap());
    for (bytes, coding_type, time) in pictures {
        let vop = Vop::parse(&[&[0, 0, 1, 0xB6], &bytes[..]].concat(), &layer()).unwrap();
        assert_eq!((vop.coding_type, vop.coded), (*coding_type, true));
        assert_eq!(clock.handle_vop(&vop, &layer()), *time, "{bytes:02x?}");
    }
}

#[test]
fn seconds_count_from_the_reference_picture_before() {
    use CodingType::{B, I, P};
    let run = |clock: &mut VopClock, pictures: &[(CodingType, u32, u16)]| -> Vec<i64> {
        let vop = |&(coding_type, seconds, increment)| Vop { coding_type, seconds, increment, coded: true };
        pictures.iter().map(|picture| clock.handle_vop(&vop(picture), &layer())).collect()
    };
    let mut clock = VopClock::default();
    // Shown I0 B23 B24 P25 (a second on) B26 P27 and so on.
    let first = [(I, 0, 22), (P, 1, 0), (B, 0, 23), (B, 0, 24), (P, 0, 2), (B, 0, 1), (P, 2, 0)];
    assert_eq!(run(&mut clock, &first), [22, 25, 23, 24, 27, 26, 75]);
    // A group says its own second.
    clock.handle_group(&Group { seconds: 10, closed: true, broken_link: false });
    assert_eq!(run(&mut clock, &[(I, 0, 3), (P, 1, 3), (B, 1, 0)]), [253, 278, 275]);
}

#[test]
fn what_is_wrong_is_named() {
    let vop = |bytes: &[u8]| Vop::parse(&[&[0, 0, 1, 0xB6], bytes].concat(), &layer()).unwrap_err().to_string();
    assert_eq!(vop(&[0x10]), "video object plane: vop_time_increment at byte 4, bit 4: the data ends");
    assert_eq!(vop(&[0x00, 0x00]), "video object plane: marker_bit at byte 4, bit 3: 0 is not allowed");
    assert_eq!(vop(&[0xFF; 600]), "video object plane: modulo_time_base at byte 454, bit 2: 3601 is not allowed");
    let config = |bytes: &[u8]| Config::parse(bytes).unwrap_err().to_string();
    assert_eq!(config(&SIMPLE[..15]), "video object layer: start code at byte 0, bit 0: the data ends");
    assert_eq!(config(&SIMPLE[..27]), "video object layer: video_object_layer_height at byte 11, bit 6: the data ends");
    assert_eq!(increment_bits(1), 1);
    assert_eq!([2, 25, 256, 257, 65_535].map(increment_bits), [1, 5, 8, 9, 16]);
}

proptest! {
    #[test]
    fn no_bytes_panic(code in prop::sample::select(vec![SEQUENCE, USER_DATA, GROUP, VOP, FIRST_LAYER]), rest: Vec<u8>) {
        let bytes = [&[0, 0, 1, code], &rest[..]].concat();
        let _ = (Config::parse(&bytes), Layer::parse(&bytes), Group::parse(&bytes), config_len(&bytes));
        let _ = Vop::parse(&bytes, &layer());
    }
}
