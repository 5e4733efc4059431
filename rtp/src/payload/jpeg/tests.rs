//! Which packets an image makes, that what comes back is the same image, and which images are refused.

use super::super::tests::{pass, payloads, refused};
use super::*;
use crate::format::Format;

const JPEG: Format = Format::Jpeg { width: 64, height: 48 };

fn frame(kind: u8, restart_interval: u16) -> Frame {
    let tables = [[7; TABLE], [9; TABLE]];
    Frame { kind, width_eighths: 8, height_eighths: 6, restart_interval, tables }
}

/// An image with a scan of `length` bytes.
fn image(frame: Frame, length: usize) -> Vec<u8> {
    [frame.head(), vec![0x5A; length], image::END.to_vec()].concat()
}

/// The image with `from` in its head replaced.
fn changed(from: &[u8], to: &[u8]) -> Vec<u8> {
    let image = image(frame(1, 0), 10);
    let at = image.windows(from.len()).position(|window| window == from).expect("what is to be replaced");
    [&image[..at], to, &image[at + from.len()..]].concat()
}

#[test]
fn the_scan_goes_in_parts_behind_what_the_headers_said() {
    // First packet: 8 + 4 + 128 bytes before the scan, then 8; four more with restart markers.
    let cases: &[(u8, u16, usize, &[usize])] = &[
        (0, 0, 100, &[240]),
        (1, 0, 160, &[300]),
        (1, 0, 161, &[300, 9]),
        (1, 0, 800, &[300, 300, 300, 64]),
        (0, 4, 156, &[300]),
        (1, 4, 157, &[300, 13]),
    ];
    for &(kind, restart_interval, length, sizes) in cases {
        let unit = image(frame(kind, restart_interval), length);
        let seen = payloads(&JPEG, &unit, 300);
        assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
        let mut offset = 0;
        for (index, payload) in seen.iter().enumerate() {
            let restarts = if restart_interval > 0 { 64 } else { 0 };
            let [_, high, low] = [0, offset >> 8, offset].map(|byte: usize| byte as u8);
            assert_eq!(payload[..8], [0, 0, high, low, kind | restarts, 255, 8, 6]);
            let mut rest = &payload[8..];
            if restart_interval > 0 {
                assert_eq!(rest[..4], [0, 4, 0xFF, 0xFF]);
                rest = &rest[4..];
            }
            if index == 0 {
                assert_eq!(rest[..4], [0, 0, 0, 128]);
                assert_eq!(rest[4..132], [[7; 64], [9; 64]].concat());
                rest = &rest[132..];
            }
            assert!(rest.iter().all(|&byte| byte == 0x5A));
            offset += rest.len();
        }
        assert_eq!(offset, length);
        assert_eq!(pass(&JPEG, &unit, 300), [(unit, true, false)]);
    }
}

#[test]
fn what_does_not_change_the_picture_may_differ() {
    let same = image(frame(1, 0), 10);
    let mut expected = Vec::new();
    JPEG.store(&same, true, &mut expected).unwrap();
    let huffman = same.windows(2).position(|pair| pair == [0xFF, 0xC4]).unwrap();
    let scan = same.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
    let cases = [
        // Comments and application data; fill bytes; padding behind the end, and no end.
        [&same[..2], &[0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xFE, 0, 2], &same[2..]].concat(),
        [&same[..2], &[0xFF, 0xFF], &same[2..]].concat(),
        [&same[..], &[0, 0, 0]].concat(),
        same[..same.len() - 2].to_vec(),
        // No Huffman tables, as in AVI.
        [&same[..huffman], &same[scan..]].concat(),
    ];
    for image in cases {
        let mut stored = Vec::new();
        JPEG.store(&image, true, &mut stored).unwrap();
        assert_eq!(stored, expected);
    }
}

#[test]
fn an_image_that_receivers_would_show_otherwise_is_refused() {
    let progressive = changed(&[0xFF, 0xC0], &[0xFF, 0xC2]);
    let two_fields = [image(frame(1, 0), 10), image(frame(1, 0), 10)].concat();
    let half = [&image(frame(1, 0), 10)[..100]].concat();
    let cases: &[(&[u8], &str)] = &[
        (&[], "no start of image"),
        (&[0xFF, 0xD8], "no marker"),
        (&[0xFF, 0xD8, 0xFF, 0xDB, 0, 50], "a segment that reaches past the image"),
        (&half, "a segment that reaches past the image"),
        (&progressive, "not baseline"),
        (&two_fields, "two fields in one image"),
        (&changed(&[1, 0x22, 0], &[1, 0x11, 0]), "chroma neither 4:2:2 nor 4:2:0"),
        (&changed(&[3, 0x11, 1], &[3, 0x11, 0]), "different quantization of the two chroma components"),
        (&changed(&[3, 0x11, 1], &[3, 0x11, 2]), "a quantization table that isn't there"),
        (&changed(&[0, 48, 0, 64], &[0, 50, 0, 64]), "a size that isn't a multiple of 8 up to 2040"),
        (&changed(&[0, 48, 0, 64], &[0, 48, 8, 0]), "a size that isn't a multiple of 8 up to 2040"),
        (&changed(&[0, 1, 5, 1], &[0, 1, 4, 2]), "Huffman tables of its own"),
        (&changed(&[1, 0, 2, 0x11], &[1, 0, 2, 0x00]), "Huffman tables of its own"),
        (&changed(&[0, 63, 0], &[1, 63, 0]), "not one baseline scan of three components"),
        (&changed(&[0x5A, 0x5A], &[0xFF, 0xD0]), "a marker in the scan"),
        (&image(frame(1, 0), 0), "a scan of no or of more than 2^24 bytes"),
    ];
    for (image, reason) in cases {
        assert_eq!(JPEG.store(image, true, &mut Vec::new()).unwrap_err().reason, *reason);
    }
    let mut restarted = image(frame(1, 4), 10);
    let at = restarted.len() - 8;
    restarted[at..at + 2].copy_from_slice(&[0xFF, 0xD0]);
    assert!(JPEG.store(&restarted, true, &mut Vec::new()).is_ok());
}

#[test]
fn payloads_that_break_the_rules_are_refused() {
    let tables = [&[0, 0, 0, 0, 1, 255, 8, 6, 0, 0, 0, 128][..], &[7; 100]].concat();
    let cases: &[&[u8]] = &[
        &[],
        &[0, 0, 0, 0, 1, 255, 8],
        &[0, 0, 0, 0, 2, 255, 8, 6],
        &[0, 0, 0, 0, 64, 255, 8, 6, 0, 4],
        &[0, 0, 0, 0, 1, 80, 8, 6, 1, 2, 3],
        &[0, 0, 0, 0, 1, 255, 8, 6, 0, 0, 0, 0],
        &[0, 0, 0, 9, 1, 255, 8, 6, 1, 2, 3],
        &tables,
    ];
    refused(&JPEG, cases);
}
