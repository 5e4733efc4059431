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
fn who_needs_reports_first_gets_them_on_the_line_that_the_packets_keep() {
    const LEAD: Duration = Duration::from_millis(20);
    let interleaved = [0, 1].map(|track| Framing::Interleaved { channel: 2 * track });
    // Made of LIVE555's library, over what, and how long PLAY's answer took; whether reports come first.
    for (live555, framings, answer, early) in [
        (true, [Framing::Datagram; 2], 0.003, true),
        // Too long: all begins when it was there.
        (true, [Framing::Datagram; 2], 0.050, true),
        (true, interleaved, 0.003, false),
        (false, [Framing::Datagram; 2], 0.003, false),
    ] {
        let mut world = World::over(framings, ordinary(), PlaybackOptions { live555, ..Default::default() });
        for start in [Start::Resume, Start::At(MediaTime::from_secs_f64(2.0))] {
            let name = format!("{live555} {framings:?} {answer} {start:?}");
            let (sent, asked) = (world.sent.len(), world.now);
            let (_, info) = world.playback.play(start, None, Rate::NORMAL, world.now).unwrap();
            let wall = world.wall().plus(Ticks(LEAD.as_nanos() as i64), NANOSECONDS);
            assert_eq!(world.playback.appoint(world.now + LEAD, wall), early, "{name}");
            let mut out = Vec::new();
            let told =
                [0, 1].map(|at| world.playback.report_early(at, world.now, CNAME, &mut out).then(|| parse(&out)));
            for (at, told) in told.into_iter().enumerate() {
                assert_eq!(told.map(|(_, timestamp, ..)| timestamp), early.then_some(info[at].timestamp), "{name}");
            }
            world.pass(answer);
            world.playback.go(world.now, world.wall());
            let gone = if early { world.now.max(asked + LEAD) } else { world.now };
            world.poll();
            world.pass(0.5);
            let first = world.sent[sent..].iter().map(|sent| world.start + sent.at).min().unwrap();
            assert_eq!(first, gone, "{name}");
            world.playback.pause(world.now);
            world.pass(1.0);
        }
        assert!(!world.playback.appoint(world.now, world.wall()), "nothing is armed");
    }
}

#[test]
fn the_wall_clock_of_those_who_read_reports_too_late_stands_still_with_their_timestamps() {
    // Made of LIVE555's library; by how much a report's two times come apart over pauses and seeks, in seconds.
    for (live555, expected) in [(false, [0.0, 7.0, 14.0]), (true, [0.0; 3])] {
        let mut world = World::new(ordinary(), PlaybackOptions { live555, ..Default::default() });
        let mut firsts = [None, None];
        for (start, expected) in [Start::Resume, Start::Resume, Start::At(MediaTime::ZERO)].into_iter().zip(expected) {
            let reports = world.reports.len();
            world.play(start, None);
            world.pass(0.8);
            world.playback.pause(world.now);
            world.pass(7.0);
            for (_, track, packet) in &world.reports[reports..] {
                let (ntp, timestamp, ..) = parse(packet);
                let (first_ntp, first) = *firsts[*track].get_or_insert((ntp, timestamp));
                let rate = f64::from(world.film.index.tracks[*track].clock().hz());
                let media = f64::from(timestamp.distance(first)) / rate;
                let apart = ntp.wrapping_sub(first_ntp) as f64 / 2.0_f64.powi(32) - media;
                // A range goes on where the last unit sent is over.
                assert!((apart - expected).abs() < 0.2 && (!live555 || apart.abs() < 0.001), "{live555}: {apart} s");
            }
        }
        assert!(firsts.iter().all(Option::is_some));
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
