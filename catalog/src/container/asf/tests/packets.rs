//! Data packets made by hand, and what is made of their payloads.

use super::super::assemble::{Assembler, Spread};
use super::super::packet::{Payload, payloads};
use super::super::wrap::Wrapper;
use crate::container::DemuxedSample;
use bytes::Bytes;

/// Send time and duration.
const TIMES: [u8; 6] = [0; 6];

fn payload(
    stream: u8,
    object: u32,
    offset: u32,
    size: Option<u32>,
    time_ms: Option<u32>,
    data: (usize, usize),
) -> Payload {
    Payload { stream, sync: false, object, offset, size, time_ms, data: data.0..data.1 }
}

#[test]
fn packets_of_all_forms_give_their_payloads() {
    let join = |parts: &[&[u8]]| parts.concat();
    let whole = [8, 9, 0, 0, 0, 7, 0, 0, 0];
    let cases: Vec<(&str, Vec<u8>, Vec<Payload>)> = vec![
        (
            "one payload, no error correction, padding of one byte",
            join(&[&[0x08, 0x5d, 2], &TIMES, &[5, 1, 0, 0, 0, 0], &whole, b"abc", &[0, 0]]),
            vec![payload(5, 1, 0, Some(9), Some(7), (24, 27))],
        ),
        (
            "two payloads, lengths of two bytes and of one in the offset",
            join(&[
                &[0x82, 0, 0, 0x01, 0x55],
                &TIMES,
                &[0x82, 1, 4, 0],
                &whole,
                &[1, 0, b'x', 2, 4, 3, 0, 2, 0, b'y', b'z'],
            ]),
            vec![payload(1, 4, 0, Some(9), Some(7), (26, 27)), payload(2, 4, 3, None, None, (33, 35))],
        ),
        (
            "compressed: three objects 40 ms apart",
            join(&[&[0x00, 0x5d], &TIMES, &[3, 254, 100, 0, 0, 0, 1, 40, 1, b'a', 0, 2, b'b', b'c']]),
            vec![
                payload(3, 254, 0, Some(1), Some(100), (17, 18)),
                payload(3, 255, 0, Some(0), Some(140), (19, 19)),
                payload(3, 256, 0, Some(2), Some(180), (20, 22)),
            ],
        ),
        (
            "a length of its own, shorter than the packet",
            join(&[&[0x20, 0x5d, 25], &TIMES, &[5, 1, 0, 0, 0, 0], &whole, b"a", b"junk"]),
            vec![payload(5, 1, 0, Some(9), Some(7), (24, 25))],
        ),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(payloads(&bytes).unwrap(), expected, "{name}");
        for length in 0..bytes.len() {
            // Cut anywhere it is an error or has less in it, but ends.
            let _ = payloads(&bytes[..length]);
        }
    }
}

#[test]
fn what_does_not_fit_together_is_counted_and_left_out() {
    let mut assembler = Assembler::default();
    let mut push = |object, offset, size: u32, data: &[u8]| {
        assembler
            .push(&payload(1, object, offset, Some(size), Some(0), (0, data.len())), data)
            .map(|object| String::from_utf8(object.data).unwrap())
    };
    assert_eq!(push(1, 0, 4, b"ab"), None);
    assert_eq!(push(1, 2, 4, b"cd").as_deref(), Some("abcd"));
    assert_eq!(push(2, 0, 4, b"ab"), None);
    assert_eq!(push(3, 0, 1, b"x").as_deref(), Some("x"), "2 is given up");
    assert_eq!(push(4, 2, 4, b"cd"), None, "without its beginning");
    assert_eq!(push(5, 0, 2, b"long"), None);
    assert_eq!(push(6, 0, u32::MAX, b"x"), None, "more than any has");
    assert_eq!(push(7, 0, 4, b"ab"), None);
    assert_eq!(push(7, 3, 4, b"d"), None, "a hole");
    assert_eq!((assembler.broken, assembler.held()), (4, 0));
}

#[test]
fn spread_audio_is_gathered() {
    assert_eq!(Spread::new(1, 8, 2), None);
    assert_eq!(Spread::new(2, 8, 0), None);
    assert_eq!(Spread::new(2, 8, 3), None);
    assert_eq!(Spread::new(2, 8, 8), None);
    // Two virtual packets of four chunks: chunks of even and of odd numbers lie together.
    let spread = Spread::new(2, 8, 2).unwrap();
    assert_eq!(spread.gather(b"aaccEEggbbddffhh").as_deref(), Some(&b"aabbccddEEffgghh"[..]));
    assert_eq!(spread.gather(b"aacc"), None);
}

#[test]
fn any_codec_with_a_name_can_be_wrapped() {
    let mut wrapper = Wrapper::video_of(3, *b"SVQ1", 190, 240, 24, &[1, 2]).unwrap();
    assert_eq!(wrapper.format().describe(), "SVQ1 video 190x240");
    let data = Bytes::from_static(b"picture");
    let sample = DemuxedSample { track: 9, dts: 300, pts: 900, duration: 300, sync: true, data };
    let wrapped = wrapper.wrap(&sample, 600);
    assert_eq!((wrapped.track, wrapped.dts, wrapped.pts, wrapped.duration, wrapped.sync), (9, 500, 500, 500, true));
    assert!(wrapper.format().store(&wrapped.data, true, &mut Vec::new()).is_ok());
    assert!(wrapped.data.ends_with(b"picture"));
    let pcm = [1, 0, 1, 0, 0x11, 0x2b, 0, 0, 0x11, 0x2b, 0, 0, 1, 0, 8, 0];
    assert_eq!(Wrapper::audio(1, &pcm).unwrap().format().describe(), "PCM 11025 Hz 1 channels");
    for (stream, bytes) in [(1, &pcm[..15]), (0, &pcm), (128, &pcm), (1, &[0; 5_000])] {
        assert!(Wrapper::audio(stream, bytes).is_err());
    }
    assert!(Wrapper::video(1, &[0; 39]).is_err());
}
