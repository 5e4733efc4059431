use super::*;
use catalog::{
    index::Track,
    sample::{SampleTable, TableBuilder},
};

/// The samples decoded before `until`, but for the first `gone`.
fn part(film: &Film, until: f64, gone: &[usize]) -> Arc<Index> {
    let cut = |number: usize, table: &SampleTable| {
        let (mut some, clock) = (TableBuilder::new(), film.index.tracks[number].clock());
        let until = clock.ticks(MediaTime::from_secs_f64(until));
        for (at, sample) in table.iter_from(0).enumerate().skip(gone[number]).filter(|(_, sample)| sample.dts < until) {
            some.push(sample, table.duration(at).unwrap()).unwrap();
        }
        some.finish()
    };
    let tracks = film.index.tracks.iter().enumerate();
    let tracks = tracks.map(|(number, track)| Track { samples: cut(number, &track.samples), ..track.clone() });
    let tracks: Vec<Track> = tracks.collect();
    let duration = tracks.iter().map(|track| track.clock().time(track.samples.end())).max().unwrap();
    Arc::new(Index { duration, tracks, ..(*film.index).clone() })
}

fn growing(until: f64) -> World {
    let mut world = World::new(ordinary(), PlaybackOptions::default());
    let index = part(&world.film, until, &[0, 0]);
    assert!(world.playback.grow(index, &[0, 0], world.now));
    world.playback.grows();
    world
}

#[test]
fn what_grows_in_time_plays_as_if_it_had_been_there() {
    let mut world = growing(2.0);
    let (_, info) = world.play(Start::Resume, None);
    let (mut gone, mut known) = ([0, 0], 2.0);
    while known < 5.0 {
        world.pass(0.9);
        assert!(world.playback.is_near_end(world.now));
        known += 1.0;
        // The front goes, too.
        let more = if known > 3.5 { [10, 12] } else { [0, 0] };
        gone = [0, 1].map(|track| gone[track] + more[track]);
        let index = part(&world.film, known, &gone);
        assert!(world.playback.grow(index, &more, world.now));
    }
    world.pass(3.0);
    world.check();
    assert_eq!(world.events, [], "it waits for more");
    for track in [0, 1] {
        let count = world.film.index.tracks[track].samples.len();
        assert_eq!(world.numbers(track), (0..count).collect::<Vec<_>>(), "track {track}");
        let first = world.of(track).next().unwrap();
        assert_eq!(first.sequence(), info[track].sequence);
    }
    for (number, place) in world.samples(0) {
        let sent = world.of(0).nth(place).unwrap();
        assert_eq!(sent.timestamp(), info[0].timestamp.plus(world.film.pts(0, number)));
        let due = world.film.dts(0, number).since(world.film.dts(0, 0));
        assert!(
            sent.at.abs_diff(due) < Duration::from_millis(60),
            "sample {number} left at {:?}, due {due:?}",
            sent.at
        );
    }
}

#[test]
fn what_grows_late_goes_on_later_and_loses_nothing() {
    let mut world = growing(1.0);
    world.play(Start::Resume, None);
    world.pass(3.0);
    let before = world.sent.len();
    let index = part(&world.film, 9.0, &[0, 0]);
    assert!(world.playback.grow(index, &[0, 0], world.now));
    world.poll();
    world.pass(2.0);
    world.check();
    let last = *world.numbers(0).last().unwrap();
    assert!((70..85).contains(&last), "3 s of 25 pictures a second, no burst: {last}");
    assert!(world.sent.len() > before);
    assert_eq!(world.numbers(0), (0..=last).collect::<Vec<_>>());
    // A pause, in which the place is lost.
    world.playback.pause(world.now);
    let index = part(&world.film, 9.0, &[110, 110]);
    assert!(!world.playback.grow(index, &[110, 110], world.now));
}
