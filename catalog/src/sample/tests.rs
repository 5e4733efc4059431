use super::*;
use proptest::prelude::*;

fn table(samples: &[Sample]) -> SampleTable {
    let mut builder = TableBuilder::new();
    for sample in samples {
        builder.push(*sample, Ticks(3)).unwrap();
    }
    builder.finish()
}

/// Groups of `gop` pictures with `b` B pictures between the references, 3 ticks a picture.
fn pictures(count: usize, gop: usize, b: usize) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut offset = 0;
    for index in 0..count {
        let place = index % gop;
        // Decode order I B B P B B ...: a reference is shown after the B pictures decoded behind it.
        let shift = if place.is_multiple_of(b + 1) { b as i64 * 3 } else { -3 };
        let dts = index as i64 * 3;
        let size = 100 + (index % 7) as u32;
        samples.push(Sample { offset, size, dts: Ticks(dts), pts: Ticks(dts + shift), sync: place == 0 });
        offset += u64::from(size) + 11;
    }
    samples
}

/// Every search against its definition.
fn check(samples: &[Sample]) {
    let table = table(samples);
    assert_eq!(table.len(), samples.len());
    for (index, sample) in samples.iter().enumerate() {
        assert_eq!(table.get(index).as_ref(), Some(sample));
    }
    assert_eq!(table.get(samples.len()), None);
    assert_eq!(table.iter_from(2).count(), samples.len().saturating_sub(2));
    assert_eq!(table.bytes(), samples.iter().map(|s| u64::from(s.size)).sum::<u64>());
    assert_eq!(table.end().0, samples.iter().map(|s| s.pts.0 + 3).max().unwrap_or(0));
    assert_eq!(table.start().0, samples.iter().map(|s| s.pts.0).min().unwrap_or(0));

    let mut times: Vec<i64> = samples.iter().flat_map(|s| [s.pts.0 - 1, s.pts.0, s.pts.0 + 1]).collect();
    times.extend([-1_000_000, 0, 1 << 40]);
    let numbered = || samples.iter().enumerate();
    for time in times.into_iter().map(Ticks) {
        let syncs = || numbered().filter(|(_, s)| s.sync);
        let before = syncs().filter(|(_, s)| s.pts <= time).max_by_key(|(index, s)| (s.pts, *index));
        let first = syncs().min_by_key(|(index, s)| (s.pts, *index));
        let naive = before.or(first).map_or(0, |(index, _)| index);
        assert_eq!(table.sync_at_or_before(time), naive, "sync at or before {time:?}");
        let after = syncs().filter(|(_, s)| s.pts >= time).min_by_key(|(index, s)| (s.pts, *index));
        assert_eq!(table.sync_at_or_after(time), after.map(|(index, _)| index), "sync at or after {time:?}");
        let naive = samples.iter().position(|s| s.pts >= time).unwrap_or(samples.len());
        assert_eq!(table.first_at_or_after(time), naive, "first at or after {time:?}");
        let naive = samples.iter().rposition(|s| s.pts < time).map_or(0, |last| last + 1);
        assert_eq!(table.end_before(time), naive, "end before {time:?}");
        let naive = samples.iter().position(|s| s.dts >= time).unwrap_or(samples.len());
        assert_eq!(table.first_decoded_at_or_after(time), naive, "decoded at or after {time:?}");
    }
}

#[test]
fn searches_agree_with_their_definitions() {
    for (count, gop, b) in [(0, 1, 0), (1, 1, 0), (300, 1, 0), (200, 12, 2), (131, 15, 1), (64, 500, 2), (65, 64, 3)] {
        check(&pictures(count, gop, b));
    }
    let mut never_sync = pictures(70, 10, 0);
    never_sync.iter_mut().for_each(|s| s.sync = false);
    check(&never_sync);
}

proptest! {
    #[test]
    fn searches_agree_on_any_order(
        steps in prop::collection::vec((0i64..5, -40i64..40, 0u32..9, any::<bool>()), 0..400),
        start in -1_000i64..1_000,
    ) {
        let (mut dts, mut offset) = (start, 5u64);
        let samples: Vec<Sample> = steps.into_iter().map(|(step, shift, size, sync)| {
            dts += step;
            let sample = Sample { offset, size, dts: Ticks(dts), pts: Ticks(dts + shift), sync };
            offset += u64::from(size);
            sample
        }).collect();
        check(&samples);
        let table = table(&samples);
        let wire = postcard::to_stdvec(&table).unwrap();
        prop_assert_eq!(postcard::from_bytes::<SampleTable>(&wire).unwrap(), table);
    }
}

#[test]
fn a_row_takes_twenty_bytes_and_keeps_its_extremes() {
    assert_eq!(size_of::<Row>(), 20);
    let far = Sample {
        offset: MAX_OFFSET - u64::from(MAX_SAMPLE_SIZE),
        size: MAX_SAMPLE_SIZE,
        dts: Ticks(MAX_TICKS - 1),
        pts: Ticks(MAX_TICKS - 1 + i64::from(i32::MAX)),
        sync: true,
    };
    let near = Sample { offset: 0, size: 0, dts: Ticks(-MAX_TICKS), pts: Ticks(-MAX_TICKS - (1 << 31)), sync: false };
    let table = table(&[near, far]);
    assert_eq!((table.get(0), table.get(1)), (Some(near), Some(far)));
    let wire = postcard::to_stdvec(&table).unwrap();
    assert_eq!(postcard::from_bytes::<SampleTable>(&wire).unwrap(), table);
}

#[test]
fn what_does_not_fit_is_refused() {
    let good = Sample { offset: 10, size: 10, dts: Ticks(10), pts: Ticks(10), sync: true };
    let cases = [
        Sample { size: MAX_SAMPLE_SIZE + 1, ..good },
        Sample { offset: MAX_OFFSET - 5, ..good },
        Sample { offset: u64::MAX, ..good },
        Sample { dts: Ticks(MAX_TICKS), pts: Ticks(MAX_TICKS), ..good },
        Sample { dts: Ticks(9), ..good },
        Sample { pts: Ticks(1 << 40), ..good },
        Sample { pts: Ticks(i64::MIN), ..good },
    ];
    for bad in cases {
        let mut builder = TableBuilder::new();
        builder.push(good, Ticks(1)).unwrap();
        assert!(builder.push(bad, Ticks(1)).is_err(), "{bad:?}");
        assert_eq!(builder.len(), 1);
    }
}

#[test]
fn durations_follow_the_decode_times() {
    let table = table(&pictures(10, 5, 0));
    assert_eq!(table.duration(0), Some(Ticks(3)));
    assert_eq!(table.duration(9), Some(Ticks(3)));
    assert_eq!(table.duration(10), None);
}

#[test]
fn a_table_ends_with_what_is_shown_last() {
    // Decode time, time of showing and duration as told of each sample, and the end.
    type Case<'a> = (&'a str, &'a [(i64, i64, i64)], i64);
    let cases: &[Case] = &[
        ("none", &[], 0),
        ("one", &[(5, 5, 3)], 8),
        ("one after another", &[(0, 0, 3), (3, 3, 3), (6, 6, 2)], 8),
        ("a cue that outlasts the next", &[(0, 0, 50), (3, 3, 3)], 50),
        ("B pictures", &[(-3, 0, 3), (0, 9, 3), (3, 3, 3), (6, 6, 3)], 12),
        // The P picture behind the gap is decoded before it: until the next one is decoded it takes forty.
        ("a gap", &[(-3, 0, 3), (0, 6, 3), (3, 3, 3), (6, 52, 40), (46, 46, 3), (49, 49, 3)], 55),
        ("B pictures missing at the end", &[(-3, 0, 3), (0, 9, 3), (3, 3, 3)], 12),
        ("a last picture that lasts", &[(-3, 0, 3), (0, 6, 3), (3, 3, 3), (6, 9, 30)], 39),
        ("durations that say nothing", &[(-3, 0, 0), (0, 6, 0), (3, 3, 0)], 6),
    ];
    for (name, samples, end) in cases {
        let mut builder = TableBuilder::new();
        for &(dts, pts, duration) in *samples {
            let sample = Sample { offset: 0, size: 1, dts: Ticks(dts), pts: Ticks(pts), sync: true };
            builder.push(sample, Ticks(duration)).unwrap();
        }
        assert_eq!(builder.finish().end(), Ticks(*end), "{name}");
    }
}

#[test]
fn rates_are_the_busiest_second_and_the_whole() {
    // Ten samples a second, 100 bytes each but for one second of 1,000.
    let clock = ClockRate::new(10).unwrap();
    let mut builder = TableBuilder::new();
    for index in 0..40i64 {
        let size = if (20..30).contains(&index) { 1_000 } else { 100 };
        let sample = Sample { offset: 0, size, dts: Ticks(index), pts: Ticks(index), sync: true };
        builder.push(sample, Ticks(1)).unwrap();
    }
    let rates = builder.finish().rates(clock);
    assert_eq!(rates, Rates { peak_bps: 80_000, average_bps: (30 * 100 + 10_000) * 8 / 4 });
    assert_eq!(TableBuilder::new().finish().rates(clock), Rates::default());
}
