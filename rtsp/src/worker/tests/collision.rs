//! A viewer that takes the name of what it receives (RFC 3550 section 8.2).

use super::*;

/// The SSRC of an RTP packet, or of who reports.
fn name(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_name_the_viewer_takes_says_goodbye_and_goes_on_by_another() {
    // The reporter's CNAME; whether that is a collision.
    for (cname, collides) in [("viewer@home", true), ("who@where", false)] {
        let mut stage = stage(small(), true, WorkerOptions::default());
        let receiver = Receiver::new();
        let request = stage.request(receiver.destinations(), Start::Resume);
        let reply = stage.workers.play(stage.worker, request).await.unwrap();
        stage.workers.go(stage.worker, ViewerId(1));
        tokio::time::sleep(Duration::from_millis(200)).await;
        let old = 0xABCD_0000;
        let mut report = Vec::new();
        rtp::rtcp::write_receiver_report(&mut report, old, &[], cname).unwrap();
        let to = SocketAddr::from(([127, 0, 0, 1], stage.workers.ports(stage.worker).1));
        // The second one comes at once after it, and is not heard.
        for _ in 0..2 {
            receiver.rtcp[0].send_to(&report, to).unwrap();
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
        let packets: Vec<Vec<u8>> = Receiver::drain(&receiver.rtp[0]).into_iter().map(|(packet, _)| packet).collect();
        let mut names: Vec<u32> = packets.iter().map(|packet| name(packet, 8)).collect();
        names.dedup();
        let reports = Receiver::drain(&receiver.rtcp[0]);
        let has_bye = |packet: &[u8]| packet.windows(2).any(|bytes| bytes == [0x81, 203]);
        let byes: Vec<u32> = reports.iter().filter(|(r, _)| has_bye(r)).map(|(r, _)| name(r, 4)).collect();
        if !collides {
            assert_eq!((names, byes), (vec![old], vec![]), "a loop is no collision");
            continue;
        }
        assert_eq!((names.len(), names[0]), (2, old), "{names:x?}");
        assert_eq!(byes, [old]);
        let last = reports.last().unwrap();
        assert_eq!(name(&last.0, 4), names[1], "no report of the new source");
        let sequence = |packet: &[u8]| u16::from_be_bytes([packet[2], packet[3]]);
        assert_eq!(sequence(&packets[0]), reply.info[0].sequence);
        assert!(packets.windows(2).all(|pair| sequence(&pair[1]) == sequence(&pair[0]).wrapping_add(1)));
        assert_eq!(stage.event().await, ViewerEvent::Renamed { old, new: names[1] });
        // The other track keeps its own.
        assert!(Receiver::drain(&receiver.rtp[1]).iter().all(|(packet, _)| name(packet, 8) == old + 1));
        stage.workers.stop();
    }
}
