//! States, timeouts, tracks.

use super::*;
use crate::server::fake;
use rtsp_types::Method;
use std::collections::HashSet;
use std::time::Duration;

fn udp(track: usize) -> SetUp {
    let address = "127.0.0.1:5000".parse().expect("an address");
    let delivered = Delivered::Alone(Destination::Udp { rtp: address, rtcp: address });
    SetUp { track, url: format!("rtsp://h/film/track{}", track + 1), ssrc: 1, payload_type: 32, delivered }
}

fn table(max_sessions: usize) -> SessionTable {
    SessionTable::new(SessionOptions { max_sessions, ..SessionOptions::default() })
}

fn create(table: &mut SessionTable, now: Instant) -> Option<SessionId> {
    table.create("film".into(), Opened::Film(Arc::new(fake::film())), WorkerId(0), now)
}

#[test]
fn methods_lead_from_state_to_state_by_the_rfc() {
    use State::{Init, Playing, Ready};
    use rtsp_types::Method::*;
    let cases = [
        (Init, Setup, Some(Ready)),
        (Init, Teardown, Some(Init)),
        (Init, Method::Play, None),
        (Init, Pause, None),
        (Ready, Method::Play, Some(Playing)),
        (Ready, Setup, Some(Ready)),
        (Ready, Teardown, Some(Init)),
        (Ready, Pause, None),
        (Ready, Record, None),
        (Playing, Method::Play, Some(Playing)),
        (Playing, Pause, Some(Ready)),
        (Playing, Teardown, Some(Init)),
        (Playing, Setup, None),
        (Playing, GetParameter, Some(Playing)),
        (Playing, Options, Some(Playing)),
    ];
    for (state, method, after) in cases {
        assert_eq!(state.after(&method), after, "{method:?} in {state:?}");
    }
}

#[test]
fn ids_are_long_random_and_never_twice() {
    let mut table = table(1000);
    let ids: HashSet<_> = (0..1000).filter_map(|_| create(&mut table, Instant::now())).collect();
    assert_eq!(ids.len(), 1000);
    assert!(ids.iter().all(|id| id.0.len() == 32 && id.0.bytes().all(|byte| byte.is_ascii_hexdigit())));
    assert_eq!(create(&mut table, Instant::now()), None);
}

#[test]
fn a_session_ends_a_timeout_after_the_last_sign_of_life() {
    let start = Instant::now();
    let later = |secs| start + Duration::from_secs(secs);
    let mut table = table(10);
    let id = create(&mut table, start).expect("a session");
    table.get(&id).expect("it").set_up(udp(0), None);
    assert_eq!(table.sweep(later(64)).len(), 0);
    table.get(&id).expect("it").touch(later(60));
    assert_eq!(table.sweep(later(120)).len(), 0);
    table.get(&id).expect("it").teller().send(ViewerEvent::Alive).expect("a reader");
    assert_eq!(table.sweep(later(124)).len(), 0);
    assert_eq!(table.sweep(later(188)).len(), 0);
    let ended = table.sweep(later(190));
    assert_eq!((ended.len(), &ended[0].2), (1, &Ended::TimedOut));
    assert!(table.is_empty());
}

#[test]
fn the_end_of_the_range_makes_a_session_ready_and_a_failure_ends_it() {
    let now = Instant::now();
    let mut table = table(10);
    let id = create(&mut table, now).expect("a session");
    let session = table.get(&id).expect("it");
    session.played(MediaTime::ZERO, MediaTime(5_000_000_000), Rate::NORMAL, now);
    let (position, end) = session.position(now + Duration::from_secs(2)).expect("it plays");
    assert_eq!((position, end), (MediaTime(2_000_000_000), MediaTime(5_000_000_000)));
    assert_eq!(session.position(now + Duration::from_secs(20)).expect("it plays").0, end);
    session.teller().send(ViewerEvent::EndOfStream).expect("a reader");
    session.settle(now).expect("no failure");
    assert_eq!((session.state(), session.has_played(), session.position(now)), (State::Ready, true, None));
    session.teller().send(ViewerEvent::Failed("node gone".into())).expect("a reader");
    assert_eq!(table.sweep(now)[0].2, Ended::Failed("node gone".into()));
}

#[test]
fn tracks_are_kept_in_the_order_of_the_index_and_each_once() {
    let now = Instant::now();
    let mut table = table(10);
    let id = create(&mut table, now).expect("a session");
    let session = table.get(&id).expect("it");
    for track in [1, 0, 1] {
        session.set_up(udp(track), None);
    }
    assert_eq!(session.tracks().iter().map(|track| track.track).collect::<Vec<_>>(), [0, 1]);
    session.take_down(0);
    assert!(session.track(0).is_none() && session.track(1).is_some());
    assert_eq!(table.closed(ConnectionId(1)).len(), 0);
}
