use super::*;
use proptest::prelude::*;

/// Sequence headers with what follows them, as found in real streams.
const VCD: &[u8] = &[0, 0, 1, 0xB3, 0x16, 0x01, 0x20, 0x83, 0x02, 0xCE, 0xE0, 0xA5, 0, 0, 1, 0xB8];
const DVD: &[u8] = &[
    0, 0, 1, 0xB3, 0x2D, 0x02, 0x40, 0x23, 0x12, 0x50, 0x63, 0x80, 0, 0, 1, 0xB2, b'x', 0, 0, 1, 0xB5, 0x14, 0x8A,
    0x00, 0x01, 0x00, 0x00, 0, 0, 1, 0xB5, 0x23, 5, 5,
];

#[test]
fn sequence_headers_and_their_extensions_are_read_together() {
    let rate = |numerator, denominator| FrameRate { numerator, denominator };
    let vcd = Sequence {
        mpeg2: false,
        width: 352,
        height: 288,
        aspect_ratio: 8,
        frame_rate: rate(25, 1),
        bit_rate: Some(1_150_000),
        vbv_buffer: 20 * 16_384,
        progressive: true,
        low_delay: false,
        profile_and_level: 0,
    };
    let dvd = Sequence {
        mpeg2: true,
        width: 720,
        height: 576,
        aspect_ratio: 2,
        bit_rate: Some(7_501_200),
        vbv_buffer: 112 * 16_384,
        profile_and_level: 0x48,
        ..vcd
    };
    // Interlaced, 4 bits of size, bit rate, buffer and rate in the extension.
    let mut extended = DVD.to_vec();
    extended[21..27].copy_from_slice(&[0x14, 0x82, 0xA0, 0x03, 0x01, 0xA1]);
    let large = Sequence {
        width: 720 + (1 << 12),
        height: 576 + (1 << 12),
        bit_rate: Some(7_501_200 + 400 * (1 << 18)),
        vbv_buffer: (112 + 1024) * 16_384,
        progressive: false,
        low_delay: true,
        frame_rate: rate(50, 2),
        ..dvd
    };
    let variable = [&VCD[..8], &[0xFF, 0xFF, 0xE2, 0x42]].concat();
    let unknown = Sequence { bit_rate: None, vbv_buffer: 72 * 16_384, ..vcd };
    let cases: &[(&[u8], Sequence)] =
        &[(VCD, vcd), (&VCD[..12], vcd), (DVD, dvd), (&extended, large), (&variable, unknown)];
    for (bytes, expected) in cases {
        assert_eq!(Sequence::parse(bytes), Ok(*expected), "{bytes:02x?}");
    }
    // An extension behind a group belongs to a picture.
    let late = [VCD, &[0, 0, 0, 0], &DVD[17..27]].concat();
    assert_eq!(Sequence::parse(&late), Ok(vcd));
}

#[test]
fn group_and_picture_headers() {
    let group = |byte: u8| Group::parse(&[0, 0, 1, 0xB8, 0x00, 0x08, 0x00, byte]).unwrap();
    assert_eq!(group(0x40), Group { time_code: 1 << 12, closed: true, broken_link: false });
    assert_eq!(group(0xA0), Group { time_code: 1 << 12 | 1, closed: false, broken_link: true });

    let none = MotionCode::default();
    let code = |full_pel, f_code| MotionCode { full_pel, f_code };
    let cases: &[(&[u8], Picture)] = &[
        (&[0x00, 0x0A, 0xBB, 0x90, 0], picture(0, CodingType::I, 22_386, none, none)),
        (&[0x00, 0xD7, 0xFF, 0xFB, 0x80], picture(3, CodingType::P, 0xFFFF, code(false, 7), none)),
        (&[0xFF, 0xD8, 0x00, 0x05, 0x58], picture(1023, CodingType::B, 0, code(true, 2), code(true, 3))),
    ];
    for (bytes, expected) in cases {
        assert_eq!(Picture::parse(&[&[0, 0, 1, 0], *bytes].concat()), Ok(*expected), "{bytes:02x?}");
    }
}

fn picture(
    temporal_reference: u16,
    coding_type: CodingType,
    vbv_delay: u16,
    forward: MotionCode,
    backward: MotionCode,
) -> Picture {
    Picture { temporal_reference, coding_type, vbv_delay, forward, backward }
}

#[test]
fn a_pictures_coding_extension_is_found_before_its_first_slice() {
    let header: &[u8] = &[0, 0, 1, 0, 0, 0x0F, 0xFF, 0xF8];
    let extension: &[u8] = &[0, 0, 1, 0xB5, 0x8F, 0xFF, 0xF3, 0x41, 0x80];
    let slice: &[u8] = &[0, 0, 1, 1, 9, 9];
    let expected = PictureCoding {
        f_code: [[15; 2]; 2],
        intra_dc_precision: 0,
        structure: Structure::Frame,
        top_field_first: false,
        frame_pred_frame_dct: true,
        concealment_motion_vectors: false,
        q_scale_type: false,
        intra_vlc_format: false,
        alternate_scan: false,
        repeat_first_field: false,
        chroma_420_type: true,
        progressive_frame: true,
        composite_display: false,
    };
    let cases: &[(&[&[u8]], Option<PictureCoding>)] = &[
        (&[header, extension, slice], Some(expected)),
        (&[DVD, header, extension, slice], Some(expected)),
        (&[header, &DVD[12..17], extension], Some(expected)),
        (&[header, slice, extension], None),
        (&[header, header, extension], None),
        (&[extension, header], None),
        (&[header, &extension[..6]], None),
    ];
    for (parts, expected) in cases {
        assert_eq!(picture_coding(&parts.concat()), *expected, "{parts:02x?}");
    }
}

#[test]
fn a_picture_is_shown_for_its_fields() {
    let base = PictureCoding::parse(&[0, 0, 1, 0xB5, 0x8F, 0xFF, 0xF3, 0x41, 0x80]).unwrap();
    let cases = [
        (Structure::Frame, false, false, 2, 2),
        (Structure::Frame, true, false, 3, 4),
        (Structure::Frame, true, true, 3, 6),
        (Structure::TopField, true, true, 1, 1),
    ];
    for (structure, repeat_first_field, top_field_first, interlaced, progressive) in cases {
        let picture = PictureCoding { structure, repeat_first_field, top_field_first, ..base };
        assert_eq!((picture.fields(false), picture.fields(true)), (interlaced, progressive), "{picture:?}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let mut rate = VCD.to_vec();
    rate[7] = 0x80;
    let mut marker = VCD.to_vec();
    marker[10] &= !0x20;
    let cases: &[(Result<(), CodecError>, &str)] = &[
        (
            Sequence::parse(&VCD[..11]).map(drop),
            "sequence header: vbv_buffer_size_value at byte 10, bit 3: the data ends",
        ),
        (Sequence::parse(&rate).map(drop), "sequence header: frame_rate_code at byte 7, bit 4: 0 is not allowed"),
        (Sequence::parse(&marker).map(drop), "sequence header: marker_bit at byte 10, bit 2: 0 is not allowed"),
        (Sequence::parse(&VCD[12..]).map(drop), "sequence header: start code at byte 0, bit 0: 440 is not allowed"),
        (
            Picture::parse(&[0, 0, 1, 0, 0, 0, 0, 0]).map(drop),
            "picture header: picture_coding_type at byte 5, bit 2: 0 is not allowed",
        ),
    ];
    for (result, expected) in cases {
        assert_eq!(result.unwrap_err().to_string(), *expected);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(code in prop::sample::select(vec![SEQUENCE, GROUP, PICTURE, EXTENSION]), rest: Vec<u8>) {
        let bytes = [&[0, 0, 1, code], &rest[..]].concat();
        let _ = (Sequence::parse(&bytes), Group::parse(&bytes), Picture::parse(&bytes));
        let _ = (PictureCoding::parse(&bytes), picture_coding(&[&[0, 0, 1, 0, 0, 0], &bytes[..]].concat()));
        let sequence = [VCD, &[0, 0, 1, EXTENSION, 0x10], &rest[..]].concat();
        let _ = Sequence::parse(&sequence);
    }
}
