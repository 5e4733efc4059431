//! Announcements that are wrong: sent by the test itself, of a group that its server doesn't announce.

use conformance::suite::{Case, Offer, Options, Outcome};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The n-th packet that announces a group.
type Packet = fn(&str, u8) -> Vec<u8>;

/// One fault for each case on announcements: TTL, and the packets.
pub const ANNOUNCING: &[(&str, u32, Packet)] = &[
    ("MC-07", 255, |group, _| packet(0x28, 7, group)),
    ("MC-07b", 3, |group, _| packet(0x20, 7, group)),
    ("MC-07c", 255, |group, _| packet(0x20, 0, group)),
    ("MC-07d", 255, |group, n| packet(0x20, n.wrapping_add(1), group)),
    // Nobody sends to that port.
    ("MC-07e", 255, |group, _| packet(0x20, 7, group)),
];

fn packet(flags: u8, hash: u8, group: &str) -> Vec<u8> {
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 {group}/1\r\nt=0 0\r\nm=video 9676 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    );
    [&[flags, 0, 0, hash, 127, 0, 0, 1][..], b"application/sdp\0", sdp.as_bytes()].concat()
}

/// The outcome of one case while the group at `url` is announced like that.
pub fn announced(url: &str, ttl: u32, packet: Packet, case: Case, options: &Options) -> Outcome {
    let options = Arc::new(Options { announcements: Duration::from_secs(10), ..options.clone() });
    let offer = match Offer::discover(url, &options) {
        Ok(offer) => offer,
        Err(stop) => return Outcome::Skip(format!("{stop:?}")),
    };
    let answer = offer.multicast.as_ref().expect("a group");
    let group = answer.parameter("Transport", "destination").expect("its address").to_owned();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
            socket.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
            socket.set_multicast_ttl_v4(ttl).unwrap();
            let to = SocketAddrV4::new(Ipv4Addr::new(239, 255, 255, 255), 9875).into();
            for n in (0..=u8::MAX).cycle() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                socket.send_to(&packet(&group, n), &to).unwrap();
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let outcome = super::alone(offer, case, &options);
        over.store(true, Ordering::Relaxed);
        outcome
    })
}
