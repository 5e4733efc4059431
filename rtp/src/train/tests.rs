use super::*;
use crate::packet::RtpPacket;

fn train(framing: Framing, sizes: &[usize]) -> Train {
    let mut train = Train::new(framing);
    for (index, &size) in sizes.iter().enumerate() {
        train.begin().extend(std::iter::repeat_n(index as u8, size));
        train.finish();
    }
    train
}

#[test]
fn segments_are_equal_but_for_a_shorter_last() {
    let cases: &[(&[usize], &[usize])] = &[
        (&[5], &[1]),
        (&[5, 5, 5], &[3]),
        (&[5, 5, 3], &[3]),
        (&[5, 5, 3, 3], &[3, 1]),
        (&[3, 5, 5], &[1, 2]),
        (&[5, 5, 5, 5, 5], &[4, 1]),
    ];
    for (sizes, counts) in cases {
        let train = train(Framing::Datagram, sizes);
        let mut from = 0;
        let mut seen = Vec::new();
        while let Some(run) = train.segments(from, 4, 1_000) {
            seen.push(run.count);
            from += run.count;
        }
        assert_eq!(&seen, counts, "{sizes:?}");
    }
    assert_eq!(train(Framing::Datagram, &[5, 5, 5]).segments(0, 9, 12).map(|run| run.count), Some(2));
}

#[test]
fn packets_are_filled_up_where_that_saves_a_send() {
    // Payload lengths; packets at once; sends before and after; bytes added.
    let cases: &[(&[usize], usize, [usize; 2], usize)] = &[
        (&[900], 16, [1, 1], 0),
        (&[900, 900, 400], 16, [1, 1], 0),
        (&[900, 1000, 950, 300], 16, [3, 1], 150),
        (&[1300, 1100, 1200], 16, [2, 1], 200),
        (&[1000, 1256], 16, [2, 2], 0),
        (&[1000, 1255], 16, [2, 1], 255),
        (&[10, 1300, 1300, 1200, 1290], 16, [3, 2], 100),
        (&[900, 1000, 900, 1000], 2, [4, 2], 200),
    ];
    for (lengths, at_once, sends, added) in cases {
        let mut train = Train::new(Framing::Datagram);
        for (index, length) in lengths.iter().enumerate() {
            let out = train.begin();
            crate::packet::write_header(out, 96, false, crate::seq::Sequence(index as u16), Default::default(), 7);
            out.extend(std::iter::repeat_n(index as u8 + 1, *length));
            train.finish();
        }
        let count = |train: &Train| {
            let mut count = 0;
            for first in (0..train.len()).step_by(*at_once) {
                let end = (first + at_once).min(train.len());
                let mut from = first;
                while from < end {
                    from += train.segments(from, end - from, 100_000).unwrap().count;
                    count += 1;
                }
            }
            count
        };
        let before = count(&train);
        assert_eq!(train.fill_up(*at_once), *added, "{lengths:?}");
        assert_eq!([before, count(&train)], *sends, "{lengths:?}");
        assert_eq!(train.padding(0..train.len()), *added, "{lengths:?}");
        for (index, length) in lengths.iter().enumerate() {
            let packet = RtpPacket::parse(train.packet(index)).unwrap();
            assert_eq!(packet.sequence.0, index as u16);
            assert_eq!(packet.payload, vec![index as u8 + 1; *length], "{lengths:?} {index}");
        }
    }
    let mut interleaved = train(Framing::Interleaved { channel: 0 }, &[900, 1000]);
    assert_eq!(interleaved.fill_up(16), 0);
}

#[test]
fn trains_are_coupled_without_their_padding_and_filled_up_anew() {
    let run = |lengths: &[usize], first: u16| {
        let mut train = Train::new(Framing::Datagram);
        for (length, number) in lengths.iter().zip(first..) {
            crate::packet::write_header(train.begin(), 96, false, crate::seq::Sequence(number), Default::default(), 7);
            train.buffer().extend(std::iter::repeat_n(number as u8, *length));
            train.finish();
        }
        train
    };
    let lengths = [900, 1_000, 400, 870, 1_000];
    let (mut first, mut second) = (run(&lengths[..3], 0), run(&lengths[3..], 3));
    assert_eq!([first.fill_up(16), second.fill_up(16)], [100, 130]);
    let mut coupled = Train::new(Framing::Datagram);
    coupled.append(&first);
    coupled.append(&second);
    assert_eq!(coupled.bytes().len(), lengths.iter().sum::<usize>() + 5 * 12);
    assert_eq!(coupled.padding(0..5), 0);
    coupled.fill_up(16);
    for (number, length) in lengths.iter().enumerate() {
        let packet = RtpPacket::parse(coupled.packet(number)).unwrap();
        assert_eq!((usize::from(packet.sequence.0), packet.payload.len()), (number, *length));
    }
    assert_eq!(coupled.segments(0, 16, 100_000).map(|run| run.count), Some(3), "600 bytes can't be padded");
}

#[test]
fn an_interleaved_packet_lies_behind_its_frame_header() {
    let train = train(Framing::Interleaved { channel: 6 }, &[2, 300]);
    assert_eq!(&train.bytes()[..6], &[b'$', 6, 0, 2, 0, 0]);
    assert_eq!(&train.bytes()[6..10], &[b'$', 6, 1, 44]);
    assert_eq!(train.packet(1).len(), 300);
}
