use super::*;
use proptest::prelude::*;

/// Sequence parameter sets of real films: high profile with usability information, cropped; main profile without.
const HIGH: &[u8] = &[
    0x67, 0x64, 0x00, 0x1F, 0xAC, 0xD9, 0x40, 0x44, 0x05, 0xBE, 0x5F, 0x01, 0x10, 0x00, 0x00, 0x3E, 0x90, 0x00, 0x0E,
    0xA6, 0x00, 0xF1, 0x83, 0x19, 0x60,
];
const MAIN: &[u8] = &[0x27, 0x4D, 0x40, 0x0C, 0xA9, 0x18, 0x60, 0x42, 0xF1, 0x08];

#[test]
fn sequence_parameter_sets_of_real_films() {
    let high = Sps {
        profile: 100,
        constraints: 0,
        level: 31,
        id: 0,
        chroma_format: 1,
        frame_num_bits: 4,
        order_count_type: 0,
        reference_frames: 4,
        width: 1080,
        height: 720,
        frames_only: true,
        vui: Some(Vui {
            pixel_aspect: Some((1, 1)),
            timing: Some(Timing { units_in_tick: 1001, time_scale: 60_000, fixed: false }),
            reorder_frames: Some(2),
            decode_frames: Some(4),
        }),
    };
    let main = Sps {
        profile: 77,
        constraints: 0x40,
        level: 12,
        frame_num_bits: 5,
        reference_frames: 2,
        width: 192,
        height: 242,
        vui: None,
        ..high
    };
    // Cut inside the usability information: what was read before stays.
    let timing = high.vui.and_then(|vui| vui.timing);
    let cut = Sps { vui: Some(Vui { timing, pixel_aspect: Some((1, 1)), ..Vui::default() }), ..high };
    for (unit, expected) in [(HIGH, high), (MAIN, main), (&HIGH[..22], cut)] {
        assert_eq!(Sps::parse(unit), Ok(expected), "{unit:02x?}");
    }
    assert_eq!((high.frame_rate(), main.frame_rate()), (Some((60_000, 2_002)), None));
}

#[test]
fn what_is_wrong_with_a_parameter_set_is_named() {
    // Baseline, id 0; then Exp-Golomb codes by hand.
    let set = |rest: &[u8]| [&[0x67, 66, 0, 30], rest].concat();
    let cases: &[(Vec<u8>, &str)] = &[
        (vec![], "forbidden_zero_bit and nal_ref_idc at byte 0, bit 0: the data ends"),
        (vec![0x68, 66, 0, 30], "nal_unit_type at byte 0, bit 3: 8 is not allowed"),
        (vec![0x67, 66, 0], "level_idc at byte 3, bit 0: the data ends"),
        (set(&[0b0000_0100, 0b0010_0000]), "seq_parameter_set_id at byte 4, bit 0: 32 is not allowed"),
        // id 0, frame_num 0, type 2, 17 reference frames.
        (set(&[0b1101_1000, 0b0100_1000]), "max_num_ref_frames at byte 4, bit 5: 17 is not allowed"),
        // ... 1 frame, no gaps, 1024 macroblocks wide.
        (
            set(&[0b1101_1010, 0b0000_0000, 0b0001_0000, 0b0000_0100]),
            "pic_width_in_mbs_minus1 at byte 5, bit 1: 1024 is not allowed",
        ),
        // ... one macroblock, of which eight times two columns are cropped.
        (
            set(&[0b1101_1010, 0b0111_1100, 0b1010_0101, 0b1100_0000]),
            "frame_crop_right_offset at byte 6, bit 3: 8 is not allowed",
        ),
    ];
    for (unit, expected) in cases {
        let error = Sps::parse(unit).unwrap_err().to_string();
        assert_eq!(error, format!("sequence parameter set: {expected}"), "{unit:02x?}");
    }
}

#[test]
fn slices_and_picture_parameter_sets_begin_with_ids() {
    assert_eq!(Pps::parse(&[0x28, 0xCE, 0x09, 0x88]), Ok(Pps { id: 0, sps_id: 0 }));
    assert_eq!(Pps::parse(&[0x68, 0b0100_1010]), Ok(Pps { id: 1, sps_id: 1 }));
    let slice = |unit: &[u8]| SliceHeader::parse(unit).map_err(|error| error.to_string());
    let header = |first_macroblock, slice_type, pps_id| Ok(SliceHeader { first_macroblock, slice_type, pps_id });
    assert_eq!(slice(&[0x65, 0x88, 0x84]), header(0, SliceType::I, 0));
    assert_eq!(slice(&[0x41, 0x9A, 0x24]), header(0, SliceType::P, 0));
    assert_eq!(slice(&[0x01, 0b0100_1001, 0]), header(1, SliceType::B, 1));
    let error = |text: &str| Err(format!("slice header: {text}"));
    assert_eq!(slice(&[0x01, 0b1000_1011, 0x80]), error("slice_type at byte 1, bit 1: 10 is not allowed"));
    assert_eq!(slice(&[0x06, 0x80]), error("nal_unit_type at byte 0, bit 3: 6 is not allowed"));
}

#[test]
fn decoding_begins_at_idr_pictures_and_at_exact_recovery_points() {
    let recovery: &[u8] = &[0x06, 0x06, 0x01, 0xC4, 0x80];
    let later: &[u8] = &[0x06, 0x06, 0x01, 0x50, 0x80];
    // Another message, of 256 bytes with sizes to be added up, comes first.
    let second = [&[0x06, 0x05, 0xFF, 0x01][..], &[9; 256], &recovery[1..]].concat();
    let cases: &[(&[&[u8]], bool)] = &[
        (&[&[0x65, 0x88]], true),
        (&[&[0x09, 0xF0], recovery, &[0x41, 0x9A]], true),
        (&[&second, &[0x41, 0x9A]], true),
        (&[later, &[0x41, 0x9A]], false),
        (&[&second[..250], &[0x41, 0x9A]], false),
        (&[&[0x41, 0x9A]], false),
        (&[&[]], false),
    ];
    for (units, expected) in cases {
        assert_eq!(is_sync(units.iter().copied()), *expected, "{units:02x?}");
    }
    assert_eq!((recovery_point(recovery), recovery_point(later)), (Some(0), Some(1)));
    assert_eq!((unit_type(&[0x65]), ref_idc(&[0x65]), unit_type(&[])), (IDR_SLICE, 3, 0));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, at in 0usize..25, with: u8) {
        let mut set = HIGH.to_vec();
        set[at] = with;
        let _ = Sps::parse(&set);
        for head in [0x67, 0x68, 0x65, 0x06] {
            let unit = [&[head], &bytes[..]].concat();
            let _ = (Pps::parse(&unit), SliceHeader::parse(&unit), recovery_point(&unit));
            let _ = (Sps::parse(&unit), Sps::parse(&[&[0x67, 244, 0, 30], &bytes[..]].concat()));
        }
    }
}
