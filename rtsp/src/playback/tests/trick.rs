//! Other scales and speeds: what is sent, in which order, when, with which times.

use super::*;
use crate::playback::film::GOP;

/// The decode number of the `n`th sync picture.
fn sync(n: i64) -> usize {
    usize::try_from((n * GOP - 2).max(0)).unwrap()
}

fn world(gops: i64) -> World {
    World::new(
        film(gops, |sync, shown| if sync { 9_000 } else { 2_500 + shown as usize * 37 % 900 }),
        PlaybackOptions::default(),
    )
}

fn rate(scale: f64, speed: f64) -> Rate {
    Rate::nearest(scale, speed, true)
}

const GOP_SECONDS: f64 = GOP as f64 / 25.0;

#[test]
fn fast_scales_send_sync_pictures_in_order_at_their_time() {
    // Scale, from, the first sync picture and how many of them one step is.
    for (scale, from, first, step) in [
        (2.0, 0.0, 0, 1),
        (4.0, 3.0, 6, 1),
        (8.0, 0.0, 0, 1),
        (32.0, 0.0, 0, 3),
        (-1.0, 9.7, 20, -1),
        (-4.0, 19.0, 39, -1),
        (-32.0, 19.0, 39, -3),
    ] {
        let mut world = world(40);
        let (range, info) = world.play_at(Start::At(MediaTime::from_secs_f64(from)), None, rate(scale, 1.0));
        let start = f64::from(first) * GOP_SECONDS;
        assert!((range.start.as_secs_f64() - start).abs() < 1e-6, "scale {scale}: {range:?}");
        assert_eq!(range.end, if scale < 0.0 { MediaTime::ZERO } else { world.film.index.duration }, "scale {scale}");
        let (went, shown) = (0.55, world.now);
        world.pass(went);
        let position = world.playback.position(shown + Duration::from_secs_f64(went)).as_secs_f64();
        let end = range.end.as_secs_f64();
        let expected = start + scale * went;
        let expected = if scale < 0.0 { expected.max(end) } else { expected.min(end) };
        assert!((position - expected).abs() < 1e-6, "scale {scale}: at {position} instead of {expected}");
        let sent = world.numbers(0);
        let interval = (GOP_SECONDS * f64::from(step) / scale).abs();
        let left = if scale < 0.0 { first / -step } else { (40 - first) / step };
        let count = ((went / interval) as i32).min(left);
        let numbers: Vec<usize> = (0..=count).map(|n| sync(i64::from(first + n * step))).collect();
        assert_eq!(sent, numbers, "scale {scale}");
        assert!(world.numbers(1).is_empty(), "scale {scale}: there is sound");
        let mut first_of = world.samples(0).into_iter().map(|(_, place)| world.of(0).nth(place).unwrap());
        let zero = first_of.next().unwrap();
        assert_eq!((zero.sequence(), zero.timestamp()), (info[0].sequence, info[0].timestamp), "scale {scale}");
        for (number, packet) in first_of.enumerate() {
            let time = interval * (number + 1) as f64;
            assert!((packet.at.as_secs_f64() - time).abs() < 0.002, "scale {scale}: {number} left at {:?}", packet.at);
            let ticks = f64::from(zero.timestamp().distance(packet.timestamp()).abs());
            assert!((ticks - time * 90_000.0).abs() < 2.0, "scale {scale}: {number} is {ticks} ticks later");
        }
        world.check();
    }
}

#[test]
fn backwards_ends_at_the_start_and_a_stop_time_ends_earlier() {
    for (scale, end, last) in [(-8.0, None, 0), (-8.0, Some(5.0), 11), (8.0, Some(15.0), 31)] {
        let mut world = world(40);
        world.play_at(Start::At(MediaTime::from_secs_f64(9.7)), end, rate(scale, 1.0));
        world.pass(4.0);
        assert_eq!(world.numbers(0).last(), Some(&sync(last)), "scale {scale} to {end:?}");
        assert_eq!(world.events.len(), 1, "scale {scale} to {end:?}: {:?}", world.events);
        assert_eq!(world.events[0].1, PlaybackEvent::Ended { presentation: end.is_none() });
        world.check();
    }
}

#[test]
fn hardly_more_than_the_sync_pictures_is_read() {
    for (scale, from) in [(2.0, 0.0), (8.0, 0.0), (-4.0, 28.0)] {
        let film = film(60, |sync, _| if sync { 16_000 } else { 12_000 });
        let mut world = World::new(film, PlaybackOptions::default());
        world.hold_units = true;
        let start = Start::At(MediaTime::from_secs_f64(from));
        world.playback.play(start, None, rate(scale, 1.0), world.now).unwrap();
        world.poll();
        world.playback.go(world.now, world.wall());
        let mut asked = 0;
        for _ in 0..300 {
            asked += world.held.iter().map(|piece| piece.end - piece.start).sum::<u32>();
            world.bring();
            world.pass(0.01);
        }
        let shown = world.numbers(0).len() as u32;
        assert!(shown > 10, "scale {scale}: {shown} pictures");
        // A picture that lies on two units takes two requests and no more bytes; some were read ahead.
        let ahead = (2.0 * scale.abs() / GOP_SECONDS) as u32 + 2;
        assert!(asked <= (shown + ahead + 2) * 16_384, "scale {scale}: {asked} bytes for {shown} pictures");
    }
}

#[test]
fn slow_motion_and_half_as_fast_again_send_every_picture() {
    for scale in [0.5, 1.5] {
        let mut world = world(10);
        let (_, info) = world.play_at(Start::At(MediaTime::ZERO), None, rate(scale, 1.0));
        world.pass(1.0);
        let sent = world.numbers(0);
        assert_eq!(sent, (0..sent.len()).collect::<Vec<_>>(), "scale {scale}");
        assert!((sent.len() as f64 - 25.0 * scale).abs() <= 2.0, "scale {scale}: {} pictures", sent.len());
        assert!(world.numbers(1).is_empty());
        for (number, place) in world.samples(0) {
            let packet = world.of(0).nth(place).unwrap();
            let ticks = info[0].timestamp.distance(packet.timestamp()).abs();
            let expected = (world.film.pts(0, number).0 as f64 / scale) as i32;
            assert!((ticks - expected).abs() <= 2, "scale {scale}: {number} is {ticks} ticks later, not {expected}");
        }
        world.check();
    }
}

#[test]
fn a_speed_changes_when_packets_leave_and_not_their_times() {
    let mut world = world(20);
    let (_, info) = world.play_at(Start::At(MediaTime::ZERO), None, rate(1.0, 2.0));
    world.pass(2.0);
    assert!((world.playback.position(world.now).as_secs_f64() - 4.0).abs() < 1e-6);
    let sent = world.numbers(0);
    assert!((98..=103).contains(&sent.len()), "{} pictures", sent.len());
    assert!(world.numbers(1).len() > 165, "the sound is left out");
    for (number, place) in world.samples(0) {
        let ticks = info[0].timestamp.distance(world.of(0).nth(place).unwrap().timestamp()).abs();
        assert_eq!(i64::from(ticks), world.film.pts(0, number).0, "{number}");
    }
    world.check();
}

#[test]
fn a_change_of_rate_goes_on_where_it_stands() {
    let mut world = world(60);
    world.play_at(Start::At(MediaTime::ZERO), None, Rate::NORMAL);
    let mut position = MediaTime::ZERO;
    let (gop, half) = (GOP_SECONDS, GOP_SECONDS / 2.0);
    for (scale, passes, ahead, snap) in [
        (1.5, 1.0, 0.0, 0.0),
        (1.0, 1.0, 0.0, 0.0),
        (4.0, 1.0, half, half),
        (1.0, 0.5, 0.0, gop),
        (-2.0, 1.0, 0.0, gop),
    ] {
        world.pass(1.0);
        let here = world.playback.position(world.now);
        assert!(here != position);
        let (range, info) = world.play_at(Start::Resume, None, rate(scale, 1.0));
        let back = here.as_secs_f64() - range.start.as_secs_f64();
        assert!((-ahead - 1e-6..=snap + 1e-6).contains(&back), "scale {scale}: from {here:?} on at {:?}", range.start);
        world.pass(passes);
        let place = world.of(0).position(|packet| packet.sequence() == info[0].sequence).unwrap();
        let [before, first] = [place - 1, place].map(|place| world.of(0).nth(place).unwrap().timestamp());
        let step = before.distance(first).abs();
        assert!(step <= 4 * 3_600, "scale {scale}: timestamps jump by {step}");
        position = world.playback.position(world.now);
    }
    world.check();
}

#[test]
fn the_time_of_a_pause_is_counted_where_that_is_wanted() {
    const HALT: f64 = 3.0;
    for counts in [false, true] {
        for (start, from) in [(Start::Resume, 1.0), (Start::At(MediaTime::from_secs_f64(10.0)), 10.0)] {
            let mut world = world(60);
            world.playback.set_counts_halts(counts);
            world.play_at(Start::At(MediaTime::ZERO), None, Rate::NORMAL);
            world.pass(1.0);
            world.playback.pause(world.now);
            world.pass(HALT);
            let (range, info) = world.play_at(start, None, Rate::NORMAL);
            assert!((range.start.as_secs_f64() - from).abs() < GOP_SECONDS, "{range:?}");
            world.pass(1.0);
            let place = world.of(0).position(|packet| packet.sequence() == info[0].sequence).unwrap();
            let latest = world.of(0).take(place).map(|packet| packet.timestamp());
            let latest = latest.reduce(|a, b| if b.distance(a) > 0 { b } else { a }).unwrap();
            let step = world.of(0).nth(place).unwrap().timestamp().distance(latest) as f64 / 90_000.0;
            let counted = if counts { HALT } else { 0.0 };
            // Pictures are sent in decoding order, and some are ahead when it is paused.
            assert!((step - counted).abs() < 0.3, "counts {counts}, {start:?}: a step of {step} s");
            world.check();
        }
    }
}

#[test]
fn a_range_that_plays_can_be_cut_short() {
    let mut world = world(20);
    world.play_at(Start::At(MediaTime::ZERO), None, Rate::NORMAL);
    world.pass(1.0);
    assert!(!world.playback.stop_at(MediaTime::from_secs_f64(0.5), world.now), "behind");
    assert!(!world.playback.stop_at(MediaTime::from_secs_f64(99.0), world.now), "beyond");
    assert!(world.playback.stop_at(MediaTime::from_secs_f64(2.0), world.now));
    world.pass(2.0);
    assert_eq!(world.events.len(), 1);
    assert_eq!(world.events[0].1, PlaybackEvent::Ended { presentation: false });
    let shown = world.numbers(0).into_iter().map(|number| world.film.pts(0, number).0).max();
    // The picture after that refers to one behind the end.
    assert_eq!(shown, Some(48 * FRAME));
    assert_eq!(world.playback.position(world.now), MediaTime::from_secs_f64(2.0));
    let (range, _) = world.play(Start::Resume, None);
    assert_eq!(range.start, MediaTime::from_secs_f64(2.0));
}

#[test]
fn a_player_whose_clock_needs_sound_gets_a_beat_of_it() {
    for scale in [0.5, 1.5, 2.0, 8.0, -1.0, -4.0] {
        let from = if scale < 0.0 { 19.0 } else { 0.0 };
        let play = |live555| {
            let mut world = World::new(film(40, |_, _| 2_500), PlaybackOptions { live555, ..Default::default() });
            world.play_at(Start::At(MediaTime::from_secs_f64(from)), None, rate(scale, 1.0));
            world.pass(1.9);
            world
        };
        let (with, without) = (play(true), play(false));
        assert_eq!(with.numbers(0), without.numbers(0), "scale {scale}");
        assert!(without.numbers(1).is_empty(), "scale {scale}");
        // Four a second of showing; a unit lasts 23 ms, so that is how far each may be off.
        let times: Vec<RtpTimestamp> = with.of(1).map(|packet| packet.timestamp()).collect();
        assert!((7..=9).contains(&times.len()), "scale {scale}: {} beats", times.len());
        for pair in times.windows(2) {
            let seconds = f64::from(pair[1].distance(pair[0])) / f64::from(AUDIO.hz());
            assert!((0.2..0.3).contains(&seconds), "scale {scale}: {seconds} s from beat to beat");
        }
        with.check();
    }
}
