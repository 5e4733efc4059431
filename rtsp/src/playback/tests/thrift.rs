//! What leaves together to save sends.

use super::{pacing::check_spread, *};
use std::{cell::RefCell, rc::Rc};

/// How early each picture and unit of sound leaves at most, and how late.
fn check_times(world: &World, early: [u64; 2], late: Duration) {
    let zero = world.film.dts(0, 0);
    for track in [0, 1] {
        let packets: Vec<&Sent> = world.of(track).collect();
        let early = Duration::from_millis(early[track]);
        for (number, place) in world.samples(track) {
            let (due, at) = (world.film.dts(track, number).since(zero), packets[place].at);
            assert!(at + early >= due, "sample {number} of track {track}: due {due:?}, left {at:?}");
            assert!(at <= due + late, "sample {number} of track {track}: due {due:?}, left {at:?}");
        }
        let count = world.film.index.tracks[track].samples.len();
        assert_eq!(world.numbers(track), (0..count).collect::<Vec<_>>(), "track {track}");
    }
}

fn trains(world: &World, track: usize) -> usize {
    world.of(track).filter(|sent| sent.together.is_some()).count()
}

#[test]
fn a_busy_worker_sends_two_pictures_by_one_train() {
    // Bytes of pictures; trains of a second (25 pictures, two of them sync ones) when there is time, and when it is busy.
    let cases = [
        ("small", (9_000, 3_000), 25, 13),
        ("as large as a train together", (10_000, 10_000), 25, 13),
        ("larger", (12_000, 12_000), 25, 25),
        ("key frames of two trains", (30_000, 3_000), 27, 17),
    ];
    for (name, (key, other), usual, busy) in cases {
        let gops = 10;
        for (thrifty, expected) in [(false, usual), (true, busy)] {
            let mut world = World::new(film(gops, |sync, _| if sync { key } else { other }), Default::default());
            world.playback.set_thrifty(thrifty);
            world.play(Start::Resume, None);
            world.pass(20.0);
            world.check();
            check_spread(&world, name);
            let seconds = (gops * film::GOP) as f64 / 25.0;
            let a_second = trains(&world, 0) as f64 / seconds;
            assert!((a_second - f64::from(expected)).abs() <= 1.5, "{name}, {thrifty}: {a_second}");
            // Sound that shares a packet leaves with its first unit.
            check_times(&world, [if thrifty { 40 } else { 0 }, 100], Duration::from_millis(40));
        }
    }
}

#[test]
fn what_is_overdue_shares_trains() {
    // Milliseconds; trains in which what was due meanwhile leaves, and what is due in a tenth of a second after it.
    for (late, most) in [(0, 3), (450, 7), (1_500, 15)] {
        let mut world = World::new(film(10, |sync, _| if sync { 9_000 } else { 3_000 }), Default::default());
        world.play(Start::Resume, None);
        world.pass(1.0);
        let before = trains(&world, 0);
        world.now += Duration::from_millis(late);
        world.poll();
        world.pass(0.1);
        let count = trains(&world, 0) - before;
        assert!(count <= most, "{late} ms late: {count} trains");
        world.pass(20.0);
        world.check();
        check_spread(&world, &format!("woken {late} ms late"));
        check_times(&world, [0, 100], Duration::from_millis(late + 40));
    }
}

#[test]
fn a_sync_picture_begins_a_group_so_that_a_slow_connection_can_take_it_alone() {
    let framings = [0, 1].map(|track| Framing::Interleaved { channel: 2 * track });
    let mut world = World::over(framings, film(10, |sync, _| if sync { 5_000 } else { 3_000 }), Default::default());
    let asked = Rc::new(RefCell::new(Vec::new()));
    world.admit = Box::new({
        let asked = asked.clone();
        move |track, sync, bytes| {
            asked.borrow_mut().push((track, sync, bytes));
            if track == 1 || sync { Admission::Yes } else { Admission::No }
        }
    });
    world.playback.set_thrifty(true);
    world.play(Start::Resume, None);
    world.pass(20.0);
    world.check();
    let samples = &world.film.index.tracks[0].samples;
    let syncs = (0..samples.len()).filter(|number| samples.get(*number).unwrap().sync);
    assert!(syncs.into_iter().all(|number| world.numbers(0).contains(&number)));
    let groups: Vec<_> = asked.borrow().iter().filter(|(track, ..)| *track == 0).copied().collect();
    assert!(groups.iter().any(|(_, sync, bytes)| !sync && *bytes == 6_000), "others go by twos");
}

#[test]
fn tracks_of_one_source_and_transport_streams_keep_their_time() {
    let mut world = World::new(film(6, |_, _| 3_000), Default::default());
    world.playback.tracks[0].group = Ticks(0);
    world.playback.set_thrifty(true);
    world.play(Start::Resume, None);
    world.pass(20.0);
    check_times(&world, [0, 100], Duration::ZERO);
    let mut world = World::new(film(6, |_, _| 3_000), Default::default());
    world.playback.tracks[0].multiplexed = true;
    world.playback.set_thrifty(true);
    world.play(Start::Resume, None);
    world.pass(20.0);
    check_times(&world, [0, 100], Duration::ZERO);
}
