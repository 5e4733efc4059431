use super::*;

#[test]
fn the_whole_film_is_sent_in_order_and_ends() {
    let mut world = World::new(ordinary(), PlaybackOptions::default());
    let (range, info) = world.play(Start::Resume, None);
    assert_eq!(range, MediaTime::ZERO..world.film.index.duration);
    world.pass(20.0);
    world.check();
    for track in [0, 1] {
        let count = world.film.index.tracks[track].samples.len();
        assert_eq!(world.numbers(track), (0..count).collect::<Vec<_>>(), "track {track}");
        assert_eq!(world.of(track).next().unwrap().sequence(), info[track].sequence);
        let packets: Vec<&Sent> = world.of(track).collect();
        let mut last = None;
        for (number, place) in world.samples(track) {
            // Units that share a packet have the first one's timestamp.
            if last != Some(place) {
                let due = info[track].timestamp.plus(world.film.pts(track, number));
                assert_eq!(packets[place].timestamp(), due, "track {track}, sample {number}");
            }
            last = Some(place);
        }
    }
    let [(at, event)] = &world.events[..] else { panic!("{:?}", world.events) };
    assert_eq!(*event, PlaybackEvent::Ended { presentation: true });
    let over = world.film.dts(0, world.film.index.tracks[0].samples.len() - 1).plus(Duration::from_millis(40));
    // By datagrams: what waits in the receiver's socket comes before the goodbye.
    let over = over.plus(PlaybackOptions::default().goodbye);
    assert!(at.abs_diff(over.since(world.film.dts(0, 0))) < Duration::from_millis(60), "{at:?}");
    // After the end it starts anew.
    assert_eq!(world.play(Start::Resume, None).0.start, MediaTime::ZERO);
}

#[test]
fn who_drops_at_the_goodbye_what_was_not_shown_gets_it_later() {
    // The film, from where, and the seconds from its end to the goodbye.
    for (drops, from, wait) in [(false, 0.0, 2.0), (true, 0.0, 2.5), (true, 4.0, 12.0), (false, 4.0, 2.0)] {
        let options = PlaybackOptions { live555: drops, ..Default::default() };
        let mut world = World::new(ordinary(), options);
        let (range, _) = world.play(Start::At(MediaTime::from_secs_f64(from)), None);
        world.pass(20.0);
        let [(at, PlaybackEvent::Ended { presentation: true })] = &world.events[..] else {
            panic!("{:?}", world.events)
        };
        let played = range.end.as_secs_f64() - range.start.as_secs_f64();
        assert!((at.as_secs_f64() - played - wait).abs() < 0.2, "{drops} from {from} s: {at:?} for {range:?}");
    }
    // A range's end is no goodbye.
    let mut world = World::new(ordinary(), PlaybackOptions { live555: true, ..Default::default() });
    world.play(Start::Resume, Some(1.0));
    world.pass(1.2);
    assert!(matches!(world.events[..], [(_, PlaybackEvent::Ended { presentation: false })]), "{:?}", world.events);
}

#[test]
fn a_seek_starts_at_the_sync_sample_and_goes_on_in_numbers_and_time() {
    let mut world = World::new(ordinary(), PlaybackOptions::default());
    world.play(Start::Resume, None);
    world.pass(0.7);
    for asked in [3.0, 0.97, 2.4, 0.0, 4.75, 0.3, 1.92] {
        let before = world.sent.len();
        let last: Vec<RtpTimestamp> = [0, 1].map(|track| latest(&world.sent, track)).into();
        let (range, info) = world.play(Start::At(MediaTime::from_secs_f64(asked)), None);
        world.pass(0.9);
        world.check();
        let sync = (asked / 0.04 + 1e-6) as i64 / film::GOP * film::GOP;
        assert_eq!(range.start, ClockRate::VIDEO.time(Ticks(sync * FRAME)), "asked {asked}");
        let sent = &world.sent[before..];
        for track in [0, 1] {
            let first = sent.iter().find(|sent| sent.track == track).unwrap();
            assert_eq!(first.sequence(), info[track].sequence);
            let earliest =
                sent.iter().filter(|sent| sent.track == track).map(|s| s.timestamp().distance(last[track])).min();
            assert!(earliest.unwrap() > 0, "asked {asked}, track {track}: {earliest:?} ticks after the last");
            let number = Film::begun(track, &first.bytes, &mut true)[0];
            let clock = world.film.index.tracks[track].clock();
            assert!(earliest.unwrap().unsigned_abs() < clock.hz() / 4, "asked {asked}: a gap of {earliest:?}");
            let start = clock.ticks(range.start);
            let pts = world.film.pts(track, number);
            if sync > 0 {
                assert!(pts >= start && pts.0 - start.0 <= film::AAC, "asked {asked}, track {track}: {pts:?}");
                let shown = |sent: &&Sent| sent.track == track && sent.timestamp().distance(info[track].timestamp) < 0;
                assert_eq!(sent.iter().filter(shown).count(), 0, "leading pictures");
            } else {
                assert_eq!(number, 0, "all is sent from the very start");
            }
            assert_eq!(first.timestamp(), info[track].timestamp.plus(Ticks(pts.0 - start.0)));
        }
    }
}

fn latest(sent: &[Sent], track: usize) -> RtpTimestamp {
    let mut all = sent.iter().filter(|sent| sent.track == track).map(Sent::timestamp);
    let first = all.next().unwrap();
    all.fold(first, |latest, next| if next.distance(latest) > 0 { next } else { latest })
}

#[test]
fn pauses_lose_nothing_and_repeat_nothing() {
    let mut world = World::new(ordinary(), PlaybackOptions::default());
    world.play(Start::Resume, None);
    let zero = world.sent[0].timestamp();
    for round in 0..60 {
        world.pass(0.003 + 0.0171 * f64::from(round % 5));
        let before = world.playback.position(world.now);
        let position = world.playback.pause(world.now);
        assert_eq!(position, before);
        let rest = world.playback.poll_timeout().is_some();
        assert_eq!(rest, !world.playback.is_drained());
        world.pass(0.5);
        assert!(world.playback.is_drained() && world.playback.poll_timeout().is_none());
        let quiet = world.sent.len();
        world.pass(3.0);
        assert_eq!(world.sent.len(), quiet, "something was sent in a pause");
        let (range, info) = world.play(Start::Resume, None);
        assert_eq!(range.start, position);
        let next = world.playback.poll_timeout().unwrap();
        assert!(next - world.now <= Duration::from_millis(40));
        assert_eq!(info[0].timestamp, zero.plus(ClockRate::VIDEO.ticks(position)));
    }
    world.pass(20.0);
    world.check();
    for track in [0, 1] {
        let count = world.film.index.tracks[track].samples.len();
        assert_eq!(world.numbers(track), (0..count).collect::<Vec<_>>(), "track {track}");
    }
}

#[test]
fn a_range_ends_before_its_end_and_goes_on_from_there() {
    for (start, end) in [(0.96, 2.0), (0.96, 2.4), (0.0, 0.04), (0.96, 1.01), (0.0, 3.33)] {
        let mut world = World::new(ordinary(), PlaybackOptions::default());
        let (range, info) = world.play(Start::At(MediaTime::from_secs_f64(start)), Some(end));
        assert_eq!(range.end, MediaTime::from_secs_f64(end));
        world.pass(6.0);
        world.check();
        assert_eq!(
            world.events.iter().map(|(_, event)| event.clone()).collect::<Vec<_>>(),
            [PlaybackEvent::Ended { presentation: false }]
        );
        let until = world.events[0].0.as_secs_f64();
        assert!((until - (end - start)).abs() < 0.15, "{start}..{end} took {until} s");
        for track in [0, 1] {
            let clock = world.film.index.tracks[track].clock();
            let bound = clock.ticks(range.end).0 - clock.ticks(range.start).0;
            let over = |sent: &&Sent| i64::from(sent.timestamp().distance(info[track].timestamp)) >= bound;
            assert_eq!(world.of(track).filter(over).count(), 0, "{start}..{end}, track {track}");
        }
        assert_eq!(world.playback.position(world.now), range.end);
        let (resumed, _) = world.play(Start::Resume, None);
        assert_eq!(resumed.start, range.end);
        world.pass(20.0);
        world.check();
        for track in [0, 1] {
            let numbers = world.numbers(track);
            let first = numbers[0];
            let kept = (first..).take(numbers.len()).collect::<Vec<_>>();
            let leading = |number: &usize| world.film.pts(track, *number) < world.film.pts(track, first);
            let expected: Vec<usize> = if start > 0.0 && track == 0 {
                let count = world.film.index.tracks[0].samples.len();
                (first..count).filter(|number| !leading(number)).collect()
            } else {
                kept
            };
            assert_eq!(numbers, expected, "{start}..{end}, track {track}");
        }
    }
}

#[test]
fn ranges_that_make_no_sense_are_refused_and_change_nothing() {
    let mut world = World::new(ordinary(), PlaybackOptions::default());
    world.play(Start::Resume, None);
    world.pass(1.0);
    for (start, end) in [(100.0, None), (2.0, Some(2.0)), (2.0, Some(1.0))] {
        let start = Start::At(MediaTime::from_secs_f64(start));
        let refused = world.playback.play(start, end.map(MediaTime::from_secs_f64), Rate::NORMAL, world.now);
        assert!(matches!(refused, Err(PlayError::Range { .. })), "{refused:?}");
    }
    world.pass(20.0);
    world.check();
    assert_eq!(world.numbers(0).len(), world.film.index.tracks[0].samples.len());
}

#[test]
fn a_style_of_seeking_says_with_which_picture_it_begins() {
    use crate::headers::SeekStyle::{self, CoRap, FirstPrior, Next, Rap};
    const PICTURE: f64 = 0.04;
    // A group has 12 pictures, 0.48 s. Style, played before, asked, and: the style in the answer, the first picture shown.
    let cases: [(SeekStyle, f64, f64, SeekStyle, i64); 9] = [
        (Rap, 0.0, 1.70, Rap, 36),
        (FirstPrior, 0.0, 1.70, FirstPrior, 42),
        (FirstPrior, 0.0, 1.68, FirstPrior, 42),
        (Next, 0.0, 1.70, Next, 43),
        (Next, 0.0, 1.68, Next, 42),
        (CoRap, 0.0, 1.70, CoRap, 36),
        // Where it stands, 1.5 s, is nearer than the picture 36 at 1.44 s.
        (CoRap, 1.5, 1.70, Next, -1),
        (CoRap, 1.5, 2.70, CoRap, 60),
        (CoRap, 1.5, 1.00, CoRap, 24),
    ];
    for (style, before, asked, answered, first) in cases {
        let mut world = World::new(ordinary(), PlaybackOptions::default());
        if before > 0.0 {
            world.play(Start::Resume, None);
            world.pass(before);
            world.playback.pause(world.now);
            world.pass(1.0);
        }
        let stood = world.playback.position(world.now);
        let sent = world.sent.len();
        world.playback.set_style(style);
        let (range, info) = world.play(Start::At(MediaTime::from_secs_f64(asked)), None);
        let at = format!("{style} to {asked} after {before}");
        assert_eq!(world.playback.style(), answered, "{at}");
        if first < 0 {
            assert_eq!(range.start, stood, "{at}");
        } else if matches!(style, Rap | CoRap) {
            assert!((range.start.as_secs_f64() - first as f64 * PICTURE).abs() < 1e-6, "{at}: {range:?}");
        } else {
            // The sound's first unit may lie a little before or after.
            assert!((range.start.as_secs_f64() - first as f64 * PICTURE).abs() < PICTURE, "{at}: {range:?}");
        }
        world.pass(1.0);
        assert!(world.sent.len() > sent);
        if before == 0.0 {
            let pictures = world.numbers(0);
            let earliest = pictures.iter().map(|number| world.film.pts(0, *number).0).min();
            assert_eq!(earliest, Some(first * FRAME), "{at}");
            // RTP-Info's time is that of the range's start, for each track.
            for (track, info) in info.iter().enumerate() {
                let (number, place) = world.samples(track)[0];
                let packet = world.of(track).nth(place).unwrap();
                let clock = world.film.index.tracks[track].clock();
                let ticks = i64::from(info.timestamp.distance(packet.timestamp()));
                let expected = (world.film.pts(track, number).0 - clock.ticks(range.start).0).abs();
                assert!((ticks.abs() - expected).abs() <= 1, "{at}, track {track}: {ticks} rather than {expected}");
            }
        }
        world.check();
    }
}
