use super::*;
use crate::index::Track;
use crate::sample::{Sample, SampleTable};
use crate::sweep::remove_segments;
use crate::testing::World;
use rtp::clock::{ClockRate, MediaTime, Ticks};
use rtp::format::{Format, PcmCoding};
use std::ops::Range;
use stripes::layout::{MIN_UNIT_SIZE, Policy};
use stripes::net::Cluster;

const ZERO: i64 = 1_700_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

fn tracks() -> Vec<Track> {
    let video = Format::Mp4vEs { config: vec![], width: 16, height: 16 };
    let audio = Format::Pcm { coding: PcmCoding::Mulaw, sample_rate: 8000, channels: 1 };
    let track = |(id, format)| Track {
        id,
        format,
        language: None,
        bandwidth_bps: 100_000,
        average_bps: 100_000,
        samples: SampleTable::default(),
    };
    [(1, video), (2, audio)].map(track).into()
}

fn options(world: &World, parity: u8) -> SegmentOptions {
    let nodes = world.node_ids();
    let policy = Policy { unit_size: MIN_UNIT_SIZE, data: nodes.len() as u8 - parity, parity };
    SegmentOptions { channel: "news".into(), line_ns: ZERO, ahead_ns: 0, tracks: tracks(), policy, nodes }
}

/// A sample's bytes: which it is.
fn bytes(track: u8, number: i64) -> Vec<u8> {
    [vec![track; 3], number.to_be_bytes().to_vec(), vec![number as u8; 700]].concat()
}

/// Pictures 10 a second, each tenth a sync sample, and 10 sounds a second.
async fn write(world: &World, options: &SegmentOptions, numbers: Range<i64>) -> SegmentWriter {
    let mut writer = SegmentWriter::begin(&world.catalog, &world.cluster, options.clone()).await.unwrap();
    for number in numbers {
        for (track, step) in [(0, 9_000), (1, 800)] {
            let (data, at) = (bytes(track, number), Ticks(number * step));
            let unit = SegmentUnit { data: &data, dts: at, pts: at, sync: track == 1 || number % 10 == 0 };
            writer.push(track.into(), unit).await.unwrap();
        }
    }
    writer
}

async fn keep(world: &World, options: &SegmentOptions, numbers: Range<i64>) -> Segment {
    let (segment, _) = write(world, options, numbers).await.finish().await.unwrap().unwrap();
    segment
}

fn save_options(options: &SegmentOptions, between: Range<i64>, name: &str) -> SaveOptions {
    SaveOptions {
        channel: "news".into(),
        between_ns: between.start..between.end,
        name: name.into(),
        policy: options.policy,
        nodes: options.nodes.clone(),
    }
}

async fn numbers(cluster: &Cluster, index: &Index, track: usize) -> Vec<i64> {
    let source = UnitSource::new(cluster.clone(), 0);
    let media = source.read_object(&Arc::new(index.media.clone()), 1 << 24).await.unwrap();
    let of = |sample: Sample| {
        let data = &media[sample.offset as usize..][..sample.size as usize];
        let number = i64::from_be_bytes(data[3..11].try_into().unwrap());
        assert_eq!(data, bytes(track as u8, number));
        number
    };
    index.tracks[track].samples.iter_from(0).map(of).collect()
}

#[tokio::test]
async fn what_is_kept_becomes_a_film_though_a_node_is_lost() {
    let mut world = World::new(4, None).await;
    let options = options(&world, 1);
    // Cut where a writer happens to be, not at sync samples.
    for numbers in [0..25, 25..47, 47..100] {
        keep(&world, &options, numbers).await;
    }
    world.stop_node(2).await;
    let kept = world.catalog.segments("news").await.unwrap();
    assert_eq!(kept.len(), 3);
    assert_eq!(kept[1].span, MediaTime(25 * SECOND / 10)..MediaTime(47 * SECOND / 10));
    let source = UnitSource::new(world.cluster.clone(), 1 << 20);
    let index = read_index(&source, &kept[1]).await.unwrap();
    assert_eq!((index.tracks[0].samples.len(), index.tracks[1].samples.get(0).unwrap().dts), (22, Ticks(25 * 800)));
    // From 3.3 s, so from the sync sample at 3 s, up to 6 s; written to the three nodes that are left.
    let nodes: Vec<_> = options.nodes.iter().copied().filter(|node| *node != options.nodes[2]).collect();
    let policy = Policy { data: 3, parity: 0, ..options.policy };
    let between = ZERO + 33 * SECOND / 10..ZERO + 6 * SECOND;
    let wanted = SaveOptions { nodes, policy, ..save_options(&options, between.clone(), "film") };
    let saved = save(&world.catalog, &world.cluster, &wanted).await.unwrap();
    assert_eq!(saved.between_ns, ZERO + 3 * SECOND..ZERO + 6 * SECOND);
    let film = world.catalog.presentation("film").await.unwrap().unwrap();
    assert_eq!(film, saved.presentation);
    let index = source.read_object(&Arc::new(film.index), 1 << 20).await.unwrap();
    let index = Index::decode(&index).unwrap();
    for track in [0, 1] {
        let expected: Vec<i64> = (30..60).collect();
        assert_eq!(numbers(&world.cluster, &index, track).await, expected, "track {track}");
        assert_eq!(index.tracks[track].samples.get(0).unwrap().dts, Ticks(0));
    }
    assert_eq!(index.duration, ClockRate::VIDEO.time(Ticks(30 * 9_000)));
    // The same again is the same film.
    let again = save(&world.catalog, &world.cluster, &SaveOptions { name: "again".into(), ..wanted.clone() }).await;
    assert!(matches!(again, Err(SaveError::AlreadyIn(name)) if name == "film"));
    let taken = save(&world.catalog, &world.cluster, &wanted).await;
    assert!(matches!(taken, Err(SaveError::NameTaken(_))));
}

#[tokio::test]
async fn what_is_not_kept_or_changed_is_told() {
    let world = World::new(2, None).await;
    let options = options(&world, 0);
    keep(&world, &options, 10..20).await;
    let mut sound = options.clone();
    (sound.line_ns, sound.tracks[0].format) = (ZERO + 100 * SECOND, tracks().remove(1).format);
    keep(&world, &sound, 0..20).await;
    for (from, to, expected) in [
        (0, 1, "nothing is kept of that time; kept is what was between 1700000001 and 1700000122 s"),
        (2, 50, "nothing is kept"),
        (1, 101, "its tracks changed 1700000100 s after 1970"),
    ] {
        let wanted = save_options(&options, ZERO + from * SECOND..ZERO + to * SECOND, "film");
        let error = save(&world.catalog, &world.cluster, &wanted).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{from} to {to}: {error}");
    }
    let wanted = save_options(&options, 0..i64::MAX, "no/film");
    assert!(matches!(save(&world.catalog, &world.cluster, &wanted).await, Err(SaveError::BadName(_))));
    assert!(world.catalog.presentations().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_oldest_goes_and_what_was_broken_off_is_swept() {
    let world = World::new(2, None).await;
    let options = options(&world, 0);
    let first = keep(&world, &options, 0..10).await;
    let second = keep(&world, &options, 10..20).await;
    assert_eq!(world.catalog.kept_channels().await.unwrap(), ["news"]);
    let removed = remove_segments(&world.catalog, &world.cluster, "news", Some(first.end_ns())).await.unwrap();
    assert_eq!((removed, world.catalog.segments("news").await.unwrap()), (1, vec![second]));
    assert_eq!(world.catalog.known_objects().await.unwrap().len(), 1);
    // A sweep leaves alone what is kept.
    crate::sweep::sweep(&world.catalog, &world.cluster).await.unwrap();
    assert_eq!(world.objects_on_nodes().await, 2);
    // Empty, given up, dropped as by a crash.
    assert!(write(&world, &options, 0..0).await.finish().await.unwrap().is_none());
    write(&world, &options, 20..30).await.abandon().await;
    drop(write(&world, &options, 20..60).await);
    assert_eq!(remove_segments(&world.catalog, &world.cluster, "news", None).await.unwrap(), 1);
    world.assert_clean("all is removed").await;
}

#[tokio::test]
async fn a_full_node_ends_a_segment_and_nothing_of_it_is_left() {
    let world = World::new(2, Some(100 << 10)).await;
    let options = options(&world, 0);
    let mut writer = write(&world, &options, 0..10).await;
    let mut error = None;
    for number in 10..2_000 {
        let (data, at) = (bytes(0, number), Ticks(number * 9_000));
        let unit = SegmentUnit { data: &data, dts: at, pts: at, sync: false };
        if let Err(told) = writer.push(0, unit).await {
            error = Some(told.to_string());
            break;
        }
    }
    let error = match error {
        Some(error) => {
            writer.abandon().await;
            error
        }
        None => writer.finish().await.unwrap_err().to_string(),
    };
    assert!(error.contains("full") || error.contains("room"), "{error}");
    world.assert_clean("the nodes are full").await;
}
