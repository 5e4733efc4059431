use super::*;
use crate::front::limits::Guests;
use crate::session::ConnectionId;
use std::io::Write;
use std::net::TcpStream as Peer;

const HALF: &[u8] = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n";

fn door(limits: ListenerLimits) -> (Door, SocketAddr, Arc<Guests>) {
    let listener = bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let address = listener.local_addr().expect("an address");
    let guests = Arc::new(Guests::default());
    let places = guests.clone();
    let admit = move |stream: &mut TcpStream, peer: SocketAddr| {
        let guest = places.clone().admit(peer.ip(), &limits)?;
        Some((Caller { peer, local: stream.local_addr().ok()?, id: ConnectionId(0), secure: false }, guest))
    };
    (Door::open(listener, limits, Box::new(admit)).expect("a door"), address, guests)
}

fn peer(address: SocketAddr, says: &[u8]) -> Peer {
    let mut peer = Peer::connect(address).expect("a connection");
    peer.write_all(says).expect("written");
    peer
}

#[tokio::test]
async fn who_has_said_something_whole_is_given_out_among_hundreds_who_have_not_and_who_leave() {
    let (mut door, address, guests) = door(ListenerLimits::default());
    let crowd: Vec<Peer> = (0..300).map(|_| peer(address, HALF)).collect();
    for said in [&b"\r\n"[..], b"\r\nmore"] {
        let mut slow = peer(address, HALF);
        slow.write_all(said).expect("written");
        let known = door.next().await.expect("known");
        assert_eq!(known.caller.peer, slow.local_addr().expect("an address"));
        assert!(matches!(&known.said, Said::Rtsp(said) if said.1.is_ok()), "{:?}", known.said);
    }
    assert_eq!(guests.len(), 300);
    drop(crowd);
    let last = peer(address, b"OPTIONS * RTSP/1.0\r\nCSeq: 2\r\n\r\n");
    assert_eq!(door.next().await.expect("known").caller.peer, last.local_addr().expect("an address"));
    while guests.len() > 0 {
        tokio::time::sleep(CLOSE_EVERY).await;
    }
}

#[tokio::test]
async fn who_is_silent_or_slow_is_closed_in_time_and_all_are_when_the_door_is() {
    let soon = Duration::from_millis(200);
    let limits = ListenerLimits { message: soon, idle: 2 * soon, ..ListenerLimits::default() };
    let (closing, address, guests) = door(limits);
    let began = Instant::now();
    for (says, after) in [(HALF, soon), (b"", 2 * soon)] {
        let mut peer = peer(address, says);
        let came = Instant::now();
        assert_eq!(peer.read(&mut [0; 1]).expect("its end"), 0);
        assert!(came.elapsed() >= after, "{:?}", came.elapsed());
    }
    assert!(began.elapsed() >= 3 * soon);
    assert_eq!(guests.len(), 0);
    let mut last = peer(address, b"");
    while guests.len() == 0 {
        tokio::time::sleep(CLOSE_EVERY).await;
    }
    drop(closing);
    assert_eq!(last.read(&mut [0; 1]).expect("its end"), 0);
}
