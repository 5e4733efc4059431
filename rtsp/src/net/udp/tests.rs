use super::{batch::SegmentControl, *};
use crate::playback::trains::Trains;
use rtp::train::Framing;
use rtp::train::Segments;
use std::{net::UdpSocket, time::Duration};

#[test]
fn the_control_message_is_laid_out_as_the_system_wants() {
    // SAFETY: a pure computation.
    assert_eq!(mem::size_of::<SegmentControl>(), unsafe { libc::CMSG_SPACE(2) } as usize);
    assert_eq!(mem::offset_of!(SegmentControl, size), unsafe { libc::CMSG_LEN(0) } as usize);
}

#[test]
fn a_pair_is_even_and_odd() {
    let any = UdpPair::bind("127.0.0.1".parse().unwrap(), None).unwrap();
    let (rtp, rtcp) = any.ports();
    assert_eq!((rtp % 2, rtcp), (0, rtp + 1));
    let range = 40_001..=40_200;
    let first = UdpPair::bind("127.0.0.1".parse().unwrap(), Some(range.clone())).unwrap();
    let second = UdpPair::bind("127.0.0.1".parse().unwrap(), Some(range.clone())).unwrap();
    assert!(range.contains(&first.ports().0) && range.contains(&second.ports().1));
    assert_ne!(first.ports(), second.ports());
    assert!(UdpPair::bind("127.0.0.1".parse().unwrap(), Some(40_001..=40_001)).is_err());
}

/// Sends trains of these packet sizes to three receivers and compares what they got.
fn check(bind: &str, near: &str, sizes: &[&[usize]], segmentation: bool) -> Flushed {
    let pair = UdpPair::bind(bind.parse().unwrap(), None).unwrap();
    let mut batch = Batch::new(segmentation);
    let mut trains = Trains::default();
    let receivers: Vec<UdpSocket> = (0..3).map(|_| UdpSocket::bind((near, 0)).unwrap()).collect();
    for (number, sizes) in sizes.iter().enumerate() {
        let id = trains.take(Framing::Datagram);
        for (index, size) in sizes.iter().enumerate() {
            let fill = (number * 16 + index) as u8;
            trains.get_mut(id).begin().extend(std::iter::repeat_n(fill, *size));
            trains.get_mut(id).finish();
        }
        for receiver in &receivers {
            let to = pair.target(receiver.local_addr().unwrap());
            let mut from = 0;
            while let Some(run) = trains.get(id).segments(from, batch.max_segments(), MAX_SEGMENTED_BYTES) {
                batch.push(id, run, &to);
                from += run.count;
            }
        }
    }
    let flushed = batch.flush(&pair, &trains);
    assert!(batch.is_empty());
    for receiver in &receivers {
        receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        for (number, sizes) in sizes.iter().enumerate() {
            for (index, size) in sizes.iter().enumerate() {
                let mut buffer = [0; 2000];
                let (count, from) = receiver.recv_from(&mut buffer).unwrap();
                assert_eq!(from.port(), pair.ports().0);
                assert_eq!(count, *size, "train {number}, packet {index}");
                assert!(buffer[..count].iter().all(|byte| usize::from(*byte) == number * 16 + index));
            }
        }
        receiver.set_nonblocking(true).unwrap();
        assert!(receiver.recv_from(&mut [0; 2000]).is_err(), "more came than was sent");
    }
    flushed
}

#[test]
fn packets_arrive_as_they_were_laid_down() {
    let sizes: &[&[usize]] = &[&[1400; 16], &[1300, 1300, 7], &[5], &[100, 200, 200, 3], &[9, 8, 7]];
    let whole = check("127.0.0.1", "127.0.0.1", sizes, true);
    assert_eq!(whole.errors, 0);
    // Per receiver: 1, 1, 1, 2 (100; 200 200 3) and 2 (9 8; 7) runs.
    if whole.fallbacks == 0 {
        assert_eq!((whole.sends, whole.segmented), (3 * 7, 3 * 4));
    } else {
        println!("no segmentation here");
    }
    let single = check("127.0.0.1", "127.0.0.1", sizes, false);
    assert_eq!((single.sends, single.segmented, single.errors), (3 * 27, 0, 0));
    assert_eq!(single.calls, 2);
}

#[test]
fn one_socket_serves_both_families() {
    let sizes: &[&[usize]] = &[&[1000, 1000, 10]];
    let flushed = check("::", "127.0.0.1", sizes, true);
    assert_eq!(flushed.errors, 0);
    if UdpSocket::bind("[::1]:0").is_ok() {
        assert_eq!(check("::", "::1", sizes, true).errors, 0);
    } else {
        println!("skipped: no IPv6 here");
    }
}

#[test]
fn what_is_refused_whole_goes_packet_by_packet() {
    // 70 segments are more than the kernel takes in one message, or it takes them: either way all arrive.
    let pair = UdpPair::bind("127.0.0.1".parse().unwrap(), None).unwrap();
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut trains = Trains::default();
    let mut batch = Batch::new(true);
    let id = trains.take(Framing::Datagram);
    for _ in 0..200 {
        trains.get_mut(id).begin().extend([7; 100]);
        trains.get_mut(id).finish();
    }
    let all = Segments { start: 0, end: 20_000, size: 100, count: 200 };
    batch.push(id, all, &pair.target(receiver.local_addr().unwrap()));
    let flushed = batch.flush(&pair, &trains);
    assert_eq!((flushed.fallbacks, flushed.sends, flushed.errors), (1, 200, 0));
    assert!(batch.take_refusal().is_some() && batch.take_refusal().is_none());
    for _ in 0..200 {
        assert_eq!(receiver.recv(&mut [0; 200]).unwrap(), 100);
    }
}

#[test]
fn a_packet_on_the_rtp_port_is_read_away_and_one_on_the_rtcp_port_is_read() {
    let pair = UdpPair::bind("::".parse().unwrap(), None).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (rtp, rtcp) = pair.ports();
    peer.send_to(b"punch", ("127.0.0.1", rtp)).unwrap();
    peer.send_to(b"report", ("127.0.0.1", rtcp)).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    assert!(pair.receive_rtp(&mut [0; MAX_RTCP]).is_some() && pair.receive_rtp(&mut [0; MAX_RTCP]).is_none());
    let mut buffer = [0; MAX_RTCP];
    let (count, from) = pair.receive_rtcp(&mut buffer).unwrap();
    assert_eq!((&buffer[..count], from), (&b"report"[..], peer.local_addr().unwrap()));
    assert!(pair.receive_rtcp(&mut buffer).is_none());
}
