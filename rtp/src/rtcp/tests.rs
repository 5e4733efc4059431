use super::*;
use proptest::prelude::*;

fn read(bytes: &[u8]) -> Vec<Result<Packet, String>> {
    parse_compound(bytes).map(|packet| packet.map_err(|error| error.to_string())).collect()
}

const REPORT: SenderReport =
    SenderReport { ssrc: 0x0102_0304, ntp: NtpTimestamp(5 << 32 | 6), rtp: RtpTimestamp(7), packets: 8, octets: 9 };

#[test]
fn a_sender_report_is_followed_by_its_name() {
    let mut out = vec![0xEE];
    write_sender_report(&mut out, &REPORT, "ab").unwrap();
    let report = [0x80, 200, 0, 6, 1, 2, 3, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9];
    let name = [0x81, 202, 0, 3, 1, 2, 3, 4, 1, 2, b'a', b'b', 0, 0, 0, 0];
    assert_eq!(out, [&[0xEE][..], &report, &name].concat());

    let mut out = Vec::new();
    write_bye(&mut out, &REPORT, "ab").unwrap();
    assert_eq!(out, [&report[..], &name, &[0x81, 203, 0, 1, 1, 2, 3, 4]].concat());
    let expected = [
        Packet::SenderReport { report: REPORT, blocks: vec![] },
        Packet::Sdes { cnames: vec![(REPORT.ssrc, "ab".into())] },
        Packet::Bye { ssrcs: vec![REPORT.ssrc] },
    ];
    assert_eq!(read(&out), expected.map(Ok));

    let before = out.clone();
    assert!(write_sender_report(&mut out, &REPORT, &"x".repeat(256)).is_err());
    assert_eq!(out, before);
}

#[test]
fn what_players_send_is_read() {
    let receiver =
        [0x81, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 25, 0xFF, 0xFF, 0xFE, 0, 1, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6];
    let block = ReportBlock {
        ssrc: 2,
        fraction_lost: 25,
        lost: -2,
        highest_sequence: 0x1_0003,
        jitter: 4,
        last_report: 5,
        delay: 6,
    };
    // Two chunks, the second of an SSRC that begins with zeros, and an item that is no CNAME.
    let names = [
        0x82, 202, 0, 7, 0, 0, 0, 1, 1, 3, b'a', b'@', b'b', 0, 0, 0, 0, 0, 0, 2, 6, 1, b't', 1, 3, b'c', b'@', b'd',
        0, 0, 0, 0,
    ];
    let cases: &[(&[u8], Result<Packet, &str>)] = &[
        (&receiver, Ok(Packet::ReceiverReport { ssrc: 1, blocks: vec![block] })),
        (&names, Ok(Packet::Sdes { cnames: vec![(1, "a@b".into()), (2, "c@d".into())] })),
        (&[0x80, 201, 0, 1, 0, 0, 0, 9], Ok(Packet::ReceiverReport { ssrc: 9, blocks: vec![] })),
        (&[0x82, 203, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2], Ok(Packet::Bye { ssrcs: vec![1, 2] })),
        (&[0x81, 203, 0, 3, 0, 0, 0, 1, 5, b'l', b'a', b't', b'e', b'r', 0, 0], Ok(Packet::Bye { ssrcs: vec![1] })),
        (&[0x80, 203, 0, 0], Ok(Packet::Bye { ssrcs: vec![] })),
        (&[0x80, 204, 0, 2, 0, 0, 0, 1, b'q', b't', b's', b'i'], Ok(Packet::App { ssrc: 1, name: *b"qtsi" })),
        (
            &[0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2],
            Ok(Packet::Feedback { transport: false, format: 1, sender: 1, media: 2 }),
        ),
        (
            &[0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 7, 0, 0],
            Ok(Packet::Feedback { transport: true, format: 1, sender: 1, media: 2 }),
        ),
        (&[0x80, 207, 0, 1, 0, 0, 0, 1], Ok(Packet::Unknown { packet_type: 207 })),
        (&[0x80, 0, 0, 0], Ok(Packet::Unknown { packet_type: 0 })),
        (&[0x80, 201, 0], Err("3 bytes are no header")),
        (&[0x40, 201, 0, 0], Err("version 1, only 2 is known")),
        (&[0x80, 201, 0, 2, 0, 0, 0, 1], Err("a length of 12 bytes where 8 are left")),
        (&[0x82, 202, 0, 1, 0, 0, 0, 1], Err("SDES ends inside a chunk, at byte 8 of the packet")),
        (&[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 9, 0, 0], Err("SDES ends inside a chunk, at byte 8 of the packet")),
    ];
    for (bytes, expected) in cases {
        let expected = expected.clone().map_err(|text| format!("rtcp: packet at byte 0: {text}"));
        assert_eq!(read(bytes), [expected], "{bytes:02x?}");
    }
}

#[test]
fn a_bad_packet_hides_only_what_can_not_be_found_behind_it() {
    let good = [0x80, 201, 0, 1, 0, 0, 0, 9];
    // Says it has a block, and hasn't.
    let hollow = [0x81, 201, 0, 1, 0, 0, 0, 9];
    let fine = || Ok(Packet::ReceiverReport { ssrc: 9, blocks: vec![] });
    let seen = read(&[&good[..], &hollow, &good].concat());
    assert_eq!((&seen[0], seen[1].is_err(), &seen[2], seen.len()), (&fine(), true, &fine(), 3));
    let seen = read(&[&good[..], &[0x80, 201, 9, 9], &good].concat());
    assert_eq!((&seen[0], seen[1].is_err(), seen.len()), (&fine(), true, 2));

    let many = [0x80, 0, 0, 0].repeat(1000);
    let seen = read(&many);
    assert_eq!(seen.len(), 33);
    assert_eq!(seen[32], Err("rtcp: packet at byte 128: more than 32 packets in one compound".into()));
    assert_eq!(read(&[]), []);
}

prop_compose! {
    fn blocks()(ssrc: u32, fraction_lost: u8, lost in -0x80_0000..0x80_0000i32, highest_sequence: u32, jitter: u32,
                last_report: u32, delay: u32) -> ReportBlock {
        ReportBlock { ssrc, fraction_lost, lost, highest_sequence, jitter, last_report, delay }
    }
}

proptest! {
    #[test]
    fn reports_read_back(ssrc: u32, ntp: u64, rtp: u32, packets: u32, octets: u32, cname in "[ -~]{0,255}") {
        let report = SenderReport { ssrc, ntp: NtpTimestamp(ntp), rtp: RtpTimestamp(rtp), packets, octets };
        let mut out = Vec::new();
        write_bye(&mut out, &report, &cname).unwrap();
        prop_assert_eq!(out.len() % 4, 0);
        let expected = [
            Packet::SenderReport { report, blocks: vec![] },
            Packet::Sdes { cnames: vec![(ssrc, cname)] },
            Packet::Bye { ssrcs: vec![ssrc] },
        ];
        prop_assert_eq!(read(&out), expected.map(Ok));
    }

    #[test]
    fn report_blocks_read_back(ssrc: u32, blocks in prop::collection::vec(blocks(), 0..=31)) {
        let mut out = Vec::new();
        write_receiver_report(&mut out, ssrc, &blocks, "a@b").unwrap();
        prop_assert_eq!(read(&out)[0].clone(), Ok(Packet::ReceiverReport { ssrc, blocks }));
    }

    #[test]
    fn no_bytes_panic(mut bytes: Vec<u8>, kinds in prop::collection::vec((0usize..60, 198u8..210, 0u8..16), 0..6)) {
        let _ = read(&bytes);
        // Headers strewn in, so that more of it is taken for packets.
        for (at, packet_type, length) in kinds {
            if let Some(header) = bytes.get_mut(at * 4..at * 4 + 4) {
                header[0] |= 0x80;
                header[0] &= 0xBF;
                (header[1], header[2], header[3]) = (packet_type, 0, length);
            }
        }
        prop_assert!(read(&bytes).len() <= 33);
    }
}
