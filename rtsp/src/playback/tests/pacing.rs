use super::*;
use catalog::sample::{Sample, TableBuilder};
use stripes::reader::UnitFailure;

#[test]
fn each_unit_leaves_when_it_is_due() {
    let mut world = World::new(ordinary(), PlaybackOptions::default());
    world.play(Start::Resume, None);
    world.pass(20.0);
    let zero = world.film.dts(0, 0);
    let packets: Vec<&Sent> = world.of(0).collect();
    for (number, place) in world.samples(0) {
        let due = world.film.dts(0, number).since(zero);
        assert!(packets[place].at >= due, "sample {number} left early");
        assert!(packets[place].at - due <= Duration::from_millis(6), "sample {number}: {:?}", packets[place].at);
    }
    assert_eq!(world.playback.take_counts(), Counts::default());
}

#[test]
fn audio_shares_packets_and_the_first_ones_wait_for_none() {
    let mut world = World::new(ordinary(), PlaybackOptions::default());
    world.play(Start::Resume, None);
    world.pass(20.0);
    let zero = world.film.dts(0, 0);
    let mut bundles = std::collections::BTreeMap::<usize, Vec<usize>>::new();
    for (number, place) in world.samples(1) {
        bundles.entry(place).or_default().push(number);
    }
    let packets: Vec<&Sent> = world.of(1).collect();
    let film = &world.film;
    for (place, numbers) in &bundles {
        assert!(packets[*place].bytes.len() <= 1400);
        let due = film.dts(1, numbers[0]).since(zero);
        assert!(
            packets[*place].at.abs_diff(due) < Duration::from_micros(10),
            "packet {place} is due with its first unit"
        );
        let span = AUDIO.time(Ticks(numbers.len() as i64 * film::AAC));
        assert!(span.since(MediaTime::ZERO) <= Duration::from_millis(100));
    }
    assert!(bundles.values().filter(|numbers| numbers.len() == 4).count() * 10 > bundles.len() * 9);
}

#[test]
fn audio_behind_a_hole_in_its_times_does_not_leave_early() {
    let mut film = ordinary();
    let audio = &mut Arc::get_mut(&mut film.index).unwrap().tracks[1];
    let mut table = TableBuilder::new();
    for (number, sample) in (0..).map_while(|number| Some((number, audio.samples.get(number)?))) {
        // A quarter of a frame in which there is none: too little to begin another group.
        let later = Ticks(sample.dts.0 + number as i64 / 43 * film::AAC / 4);
        table.push(Sample { dts: later, pts: later, ..sample }, Ticks(film::AAC)).unwrap();
    }
    audio.samples = table.finish();
    let mut world = World::new(film, PlaybackOptions::default());
    world.play(Start::Resume, None);
    world.pass(20.0);
    let zero = world.film.dts(0, 0);
    let packets: Vec<&Sent> = world.of(1).collect();
    let (mut last, mut short) = (None, 0);
    for (number, place) in world.samples(1).into_iter().filter(|(_, place)| last.replace(*place) != Some(*place)) {
        let due = world.film.dts(1, number).since(zero);
        assert!(packets[place].at.abs_diff(due) < Duration::from_millis(1), "sample {number}: {:?}", packets[place].at);
        short += usize::from(packets[place].bytes.len() < 4 * 180);
    }
    assert!(short > 5, "holes end {short} packets");
}

#[test]
fn over_a_connection_sound_goes_along_with_the_nearest_picture() {
    let framings = [0, 1].map(|track| Framing::Interleaved { channel: 2 * track });
    let mut world = World::over(framings, ordinary(), PlaybackOptions::default());
    world.play(Start::Resume, None);
    world.pass(20.0);
    world.check();
    check_spread(&world, "over a connection");
    let (zero, early) = (world.film.dts(0, 0), PlaybackOptions::default().quantum / 2);
    for track in [0, 1] {
        let packets: Vec<&Sent> = world.of(track).collect();
        let mut at = None;
        for (number, place) in world.samples(track).into_iter().filter(|(_, place)| at.replace(*place) != Some(*place))
        {
            let due = world.film.dts(track, number).since(zero);
            assert!(packets[place].at + early >= due, "sample {number} of track {track} left too early");
            assert!(
                packets[place].at.saturating_sub(due) <= Duration::from_millis(6),
                "sample {number} of track {track}"
            );
        }
        let samples = world.film.index.tracks[track].samples.len();
        assert_eq!(world.numbers(track), (0..samples).collect::<Vec<_>>());
    }
    let pictures: std::collections::BTreeSet<Duration> = world.of(0).map(|sent| sent.at).collect();
    let (along, alone): (Vec<_>, Vec<_>) = world.of(1).partition(|sent| pictures.contains(&sent.at));
    assert!(alone.len() <= 3, "{} went along, {} alone", along.len(), alone.len());
}

#[test]
fn large_pictures_are_spread() {
    for (key, other) in [(150_000, 1_000), (60_000, 30_000), (23_000, 22_000), (500_000, 9_000)] {
        let mut world = World::new(film(6, |sync, _| if sync { key } else { other }), PlaybackOptions::default());
        world.play(Start::Resume, None);
        world.pass(20.0);
        world.check();
        check_spread(&world, &format!("pictures of {key} bytes"));
        let count = world.film.index.tracks[0].samples.len();
        assert_eq!(world.numbers(0), (0..count).collect::<Vec<_>>());
    }
}

/// No more than 16 packets of the pictures' track within 5 ms.
fn check_spread(world: &World, what: &str) {
    let trains: Vec<(Duration, usize)> = world.of(0).filter_map(|sent| Some((sent.at, sent.together?))).collect();
    assert!(trains.iter().all(|(_, packets)| *packets <= 16));
    for (index, (at, _)) in trains.iter().enumerate() {
        let window = trains[index..].iter().take_while(|(next, _)| *next < *at + Duration::from_millis(5));
        let packets: usize = window.map(|(_, packets)| packets).sum();
        assert!(packets <= 16, "{packets} packets within 5 ms: {what}");
    }
}

#[test]
fn what_a_late_wake_up_left_is_spread_too() {
    for late in [30, 150, 700, 3_000] {
        let mut world = World::new(film(12, |sync, _| if sync { 23_000 } else { 5_000 }), PlaybackOptions::default());
        world.play(Start::Resume, None);
        world.pass(0.5);
        // The units are there: the window reaches two seconds ahead, and what is behind that comes at once.
        world.now += Duration::from_millis(late);
        world.poll();
        world.pass(20.0);
        world.check();
        check_spread(&world, &format!("woken {late} ms late"));
        let count = world.film.index.tracks[0].samples.len();
        assert_eq!(world.numbers(0), (0..count).collect::<Vec<_>>());
    }
}

#[test]
fn who_stands_still_holds_no_units_and_who_is_told_to_reads_less_ahead() {
    let mut world = World::new(film(12, |sync, _| if sync { 40_000 } else { 20_000 }), PlaybackOptions::default());
    world.play(Start::Resume, None);
    world.pass(1.0);
    let far = world.playback.held_bytes();
    world.playback.set_read_ahead(Duration::from_millis(250));
    world.pass(2.0);
    let near = world.playback.held_bytes();
    assert!(near > 0 && near * 3 < far, "{near} of {far} bytes");
    world.playback.pause(world.now);
    world.pass(0.5);
    assert_eq!(world.playback.held_bytes(), 0);
    world.play(Start::Resume, None);
    world.pass(20.0);
    world.check();
    let count = world.film.index.tracks[0].samples.len();
    assert_eq!(world.numbers(0), (0..count).collect::<Vec<_>>());
    assert_eq!(world.playback.take_counts().stalls, 0);
}

#[test]
fn a_film_beyond_the_least_distance_still_keeps_up() {
    // 90 Mbit/s.
    let mut world = World::new(film(3, |_, _| 450_000), PlaybackOptions::default());
    world.play(Start::Resume, None);
    world.pass(20.0);
    let zero = world.film.dts(0, 0);
    let packets: Vec<&Sent> = world.of(0).collect();
    for (number, place) in world.samples(0) {
        let late = packets[place].at - world.film.dts(0, number).since(zero);
        assert!(late < Duration::from_millis(300), "sample {number} is {late:?} late");
    }
}

#[test]
fn a_larger_quantum_sends_more_at_once() {
    let options = PlaybackOptions { quantum: Duration::from_millis(200), train_packets: 64, ..Default::default() };
    let mut world = World::new(film(10, |sync, _| if sync { 9_000 } else { 1_000 }), options);
    world.play(Start::Resume, None);
    world.pass(20.0);
    world.check();
    let count = world.film.index.tracks[0].samples.len();
    assert_eq!(world.numbers(0), (0..count).collect::<Vec<_>>());
    let trains = world.of(0).filter(|sent| sent.together.is_some()).count();
    assert_eq!(trains, count.div_ceil(5));
}

#[test]
fn late_bytes_shift_what_follows_and_no_track_runs_ahead() {
    let mut world = World::new(ordinary(), PlaybackOptions::default());
    world.play(Start::Resume, None);
    world.pass(0.5);
    world.hold_units = true;
    world.pass(3.5);
    assert_eq!(world.playback.take_counts().stalls, 1);
    let stalled = world.sent.len();
    let ahead = [0, 1].map(|track| *world.numbers(track).last().unwrap());
    let times = [0, 1].map(|track| world.film.dts(track, ahead[track]));
    assert!((times[0].0 - times[1].0).abs() < 200_000_000, "{times:?}");
    world.hold_units = false;
    world.bring();
    world.pass(0.2);
    let burst = world.sent[stalled..].iter().filter(|sent| sent.track == 0).count();
    assert!(burst < 60, "{burst} packets in 0.2 s after a stall");
    world.pass(20.0);
    world.check();
    for track in [0, 1] {
        let count = world.film.index.tracks[track].samples.len();
        assert_eq!(world.numbers(track), (0..count).collect::<Vec<_>>());
    }
    assert_eq!(world.events.len(), 1);
}

#[test]
fn the_first_unit_may_take_its_time() {
    let mut world = World::new(ordinary(), PlaybackOptions::default());
    world.hold_units = true;
    world.play(Start::Resume, None);
    world.pass(0.03);
    assert!(world.sent.is_empty());
    world.hold_units = false;
    world.bring();
    assert!(!world.sent.is_empty());
    let first = world.sent[0].at;
    world.pass(1.0);
    let twentieth = world.samples(0)[20].1;
    assert_eq!(world.of(0).nth(twentieth).unwrap().at - first, Duration::from_millis(800));
}

#[test]
fn a_unit_that_does_not_come_ends_it() {
    let mut world = World::new(ordinary(), PlaybackOptions::default());
    world.hold_units = true;
    world.play(Start::Resume, None);
    world.pass(4.9);
    assert!(world.events.is_empty());
    world.pass(0.2);
    let (_, event) = &world.events[0];
    assert!(matches!(event, PlaybackEvent::Failed(reason) if reason.contains("unit 0 of object")), "{event:?}");
    assert_eq!(world.playback.poll_timeout(), None);
}

#[test]
fn a_unit_that_is_lost_ends_it_when_it_is_due_and_names_its_node() {
    let mut world = World::new(ordinary(), PlaybackOptions::default());
    world.play(Start::Resume, None);
    world.hold_units = true;
    while world.held.is_empty() {
        world.pass(0.01);
    }
    let lost = world.held[0];
    world.playback.handle_failure(lost, UnitFailure::Unreachable("refused".into()));
    world.pass(0.5);
    assert!(world.events.is_empty(), "what is here is played first");
    world.pass(4.0);
    let (_, event) = &world.events[0];
    let node = world.film.index.media.node(world.film.index.media.address(lost.unit));
    let named = |reason: &str| reason.contains(&format!("unit {} ", lost.unit)) && reason.contains(&node.to_string());
    assert!(matches!(event, PlaybackEvent::Failed(reason) if named(reason)), "{event:?}");
}

#[test]
fn what_is_not_admitted_is_left_out_whole() {
    let mut world = World::new(ordinary(), PlaybackOptions::default());
    world.admit = Box::new(|track, sync, _| if track == 1 || sync { Admission::Yes } else { Admission::No });
    world.play(Start::Resume, None);
    world.pass(20.0);
    world.check();
    let sync = |number: &usize| world.film.index.tracks[0].samples.get(*number).unwrap().sync;
    let count = world.film.index.tracks[0].samples.len();
    assert_eq!(world.numbers(0), (0..count).filter(sync).collect::<Vec<_>>());
    let dropped = count - (0..count).filter(sync).count();
    assert_eq!(world.playback.take_counts().dropped_units, dropped as u64);
    assert_eq!(world.numbers(1).len(), world.film.index.tracks[1].samples.len());
}
