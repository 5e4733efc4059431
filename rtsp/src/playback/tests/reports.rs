use super::*;

/// NTP time, RTP timestamp, packets and octets of a sender report.
fn parse(packet: &[u8]) -> (u64, RtpTimestamp, u32, u32) {
    assert_eq!(packet[1], 200, "a sender report comes first (RFC 3550 section 6.1)");
    let word = |at: usize| u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
    let cname = packet.windows(CNAME.len()).any(|window| window == CNAME.as_bytes());
    assert!(cname, "no CNAME");
    (u64::from(word(8)) << 32 | u64::from(word(12)), RtpTimestamp(word(16)), word(20), word(24))
}

/// Checks all reports of a range that began `zero` at the wall clock: they lie on the line of `info`, to the tick.
fn check_line(world: &World, from: usize, range: &Range<MediaTime>, info: &[TrackInfo], zero: NtpTimestamp) {
    let mut seen = [0, 0];
    for (at, track, packet) in &world.reports[from..] {
        let (ntp, timestamp, packets, octets) = parse(packet);
        let clock = world.film.index.tracks[*track].clock();
        // What the wall clock said when the sample with this timestamp was (or will be) shown.
        let ticks = i64::from(timestamp.distance(info[*track].timestamp));
        let start = clock.ticks(range.start);
        let expected = zero.plus(Ticks(-range.start.0), NANOSECONDS).plus(Ticks(start.0 + ticks), clock);
        let apart = (ntp as i64).wrapping_sub(expected.0 as i64);
        assert!(apart.abs() < 1 << 8, "track {track}: {apart} / 2^32 s off the line");
        let wall = ORIGIN.plus(Ticks(at.as_nanos() as i64), NANOSECONDS);
        let off = (ntp as i64).wrapping_sub(wall.0 as i64).unsigned_abs();
        assert!(off < (1 << 32) / 10_000, "not the wall clock: {off}");
        let before = world.of(*track).filter(|sent| sent.at <= *at);
        let (count, bytes) = before.fold((0, 0), |(n, b), sent| (n + 1, b + sent.bytes.len() as u32 - 12));
        assert_eq!((packets, octets), (count, bytes), "track {track} at {at:?}");
        seen[*track] += 1;
    }
    assert!(seen.iter().all(|count| *count >= 1), "{seen:?}");
}

#[test]
fn reports_lie_on_the_media_line_through_pauses_and_seeks() {
    let mut world = World::new(ordinary(), PlaybackOptions::default());
    let steps = [
        (Start::Resume, 1.3),
        (Start::Resume, 0.7),
        (Start::At(MediaTime::from_secs_f64(3.5)), 0.5),
        (Start::Resume, 0.4),
        (Start::At(MediaTime::ZERO), 4.5),
    ];
    for (start, time) in steps {
        let (reports, zero) = (world.reports.len(), world.wall());
        let (range, info) = world.play(start, None);
        world.pass(time);
        let first = [0, 1].map(|track| world.reports[reports..].iter().find(|(_, t, _)| *t == track).unwrap().0);
        let began = world.now - Duration::from_secs_f64(time) - world.start;
        assert!(first.iter().all(|at| *at - began < Duration::from_millis(150)), "with the first packets: {first:?}");
        check_line(&world, reports, &range, &info, zero);
        world.playback.pause(world.now);
        world.pass(7.77);
    }
}

#[test]
fn intervals_are_random_and_about_five_seconds() {
    let mut world = World::new(film(150, |_, _| 1_000), PlaybackOptions::default());
    world.play(Start::Resume, None);
    world.pass(60.0);
    let times: Vec<f64> =
        world.reports.iter().filter(|(_, track, _)| *track == 0).map(|(at, ..)| at.as_secs_f64()).collect();
    let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((6..=40).contains(&gaps.len()), "{gaps:?}");
    assert!(gaps.iter().any(|gap| (gap - gaps[0]).abs() > 0.05), "{gaps:?}");
    assert!(gaps.iter().all(|gap| (0.9..8.0).contains(gap)), "{gaps:?}");
}

#[test]
fn a_goodbye_comes_only_from_who_has_sent() {
    let mut world = World::new(ordinary(), PlaybackOptions::default());
    let mut out = Vec::new();
    assert!(!world.playback.bye(0, world.now, CNAME, &mut out));
    world.play(Start::Resume, None);
    world.pass(0.5);
    assert!(world.playback.bye(0, world.now, CNAME, &mut out));
    parse(&out);
    let ssrc = 100_u32.to_be_bytes();
    assert!(out.windows(8).any(|bytes| bytes[..4] == [0x81, 203, 0, 1] && bytes[4..] == ssrc), "{out:02x?}");
}

#[test]
fn tracks_that_are_one_source_share_numbers_and_reports_and_do_not_mix_their_units() {
    let mut world = World::new(ordinary(), PlaybackOptions::default());
    let setups = [0, 1].map(|track| TrackSetup { track, ssrc: 7, payload_type: 96, framing: Framing::Datagram });
    let layout = Arc::new(world.film.index.media.clone());
    let options = Arc::new(PlaybackOptions::default());
    world.playback = Playback::new(world.film.index.clone(), layout, &setups, options, 42, world.start).unwrap();
    let (_, info) = world.play(Start::At(MediaTime::ZERO), None);
    assert_eq!(info[0].sequence, info[1].sequence);
    world.pass(2.0);
    let (_, again) = world.play(Start::At(MediaTime::from_secs_f64(1.0)), None);
    world.pass(2.0);
    let sequences: Vec<u16> = world.sent.iter().map(Sent::sequence).collect();
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{sequences:?}");
    assert!(again[0].sequence == again[1].sequence && sequences.contains(&again[0].sequence));
    // A picture's packets have no other track's between them.
    let mut open = None;
    for sent in &world.sent {
        assert!(open.is_none_or(|open| open == sent.track), "a unit of track {} is not whole", sent.track);
        open = (sent.track == 0 && sent.bytes[1] & 0x80 == 0).then_some(sent.track);
    }
    assert!(!world.reports.is_empty() && world.reports.iter().all(|(_, track, _)| *track == 0));
    let mut out = Vec::new();
    assert!((0..2).all(|track| world.playback.bye(track, world.now, CNAME, &mut out)), "a goodbye for each");
}
