use super::{recorder::unix_ns, *};
use crate::{
    channel::{Burst, Channel, ChannelOptions, Feeder, Line, LiveUnit, Tap, TrackDescription},
    config::StripesConfig,
    worker::{ClusterMedia, MediaSource},
};
use catalog::{
    db::{Catalog, CatalogOptions, Node as Member, Segment},
    index::{Index, Track},
    presentation::{Source, SourceHash},
    sample::{Sample, TableBuilder},
    sweep::{remove_segments, sweep},
};
use rtp::{
    clock::{ClockRate, MediaTime, Ticks},
    format::{Format, PcmCoding},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};
use stripes::{
    id::{NodeId, ObjectId},
    layout::{Layout, Policy},
    net::{Cluster, ClusterOptions, NodeAddress, UnitSource, serve_node},
    node::NodeLimits,
    store::{Store, StoreOptions, UnitStore},
};
use tokio::{net::TcpListener, sync::oneshot};

const PATIENCE: Duration = Duration::from_secs(20);

fn described() -> Vec<TrackDescription> {
    let video = Format::Mp4vEs { config: vec![], width: 16, height: 16 };
    let audio = Format::Pcm { coding: PcmCoding::Mulaw, sample_rate: 8000, channels: 1 };
    [video, audio].map(|format| TrackDescription { format, language: None, bandwidth_bps: None }).into()
}

struct World {
    _folder: tempfile::TempDir,
    catalog: Catalog,
    source: UnitSource,
    nodes: Vec<(NodeAddress, oneshot::Sender<()>)>,
    start: Instant,
}

impl World {
    async fn new(count: usize, capacity_bytes: Option<u64>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&folder.path().join("catalog.db"), CatalogOptions::default()).await.unwrap();
        let mut nodes = Vec::new();
        for number in 0..count {
            let options = StoreOptions { capacity_bytes, ..StoreOptions::default() };
            let store = Arc::new(Store::open(&folder.path().join(format!("node{number}")), options).unwrap());
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let address = NodeAddress { id: store.node(), url };
            catalog.put_node(&Member { id: address.id, url: address.url.clone() }).await.unwrap();
            let (stop, stopped) = oneshot::channel::<()>();
            tokio::spawn(serve_node(listener, store, NodeLimits::default(), async { drop(stopped.await) }));
            nodes.push((address, stop));
        }
        let addresses = nodes.iter().map(|(address, _)| address.clone()).collect();
        let source = UnitSource::new(Cluster::new(addresses, ClusterOptions::default()).unwrap(), 1 << 20);
        Self { _folder: folder, catalog, source, nodes, start: Instant::now() }
    }

    fn shift(&self) -> Shift {
        self.shift_of("one")
    }

    fn shift_of(&self, front: &str) -> Shift {
        let stripes = StripesConfig { unit_kib: 4, parity: 1, ..StripesConfig::default() };
        Shift::new(self.catalog.clone(), self.source.clone(), stripes, front.into())
    }

    /// Pictures 25 a second, each tenth a sync sample, and a sound with each.
    fn feed(&self, feeder: &Feeder, numbers: std::ops::Range<i64>) {
        for number in numbers {
            let now = self.start + Duration::from_millis(40) * number as u32;
            let picture = LiveUnit {
                data: unit(0, number).into(),
                dts: Ticks(number * 3_600),
                pts: Ticks(number * 3_600),
                sync: number % 10 == 0,
            };
            assert!(feeder.unit(0, picture, now));
            assert!(feeder.unit(1, LiveUnit::sound(unit(1, number), Ticks(number * 320)), now));
        }
    }
}

/// A unit's bytes: which it is.
fn unit(track: u8, number: i64) -> Vec<u8> {
    [vec![0, 0, 1, 0xB6, track], number.to_be_bytes().to_vec(), vec![number as u8; 300]].concat()
}

fn at(number: i64) -> MediaTime {
    ClockRate::VIDEO.time(Ticks(number * 3_600))
}

/// The numbers of a snapshot's samples, their bytes read as a worker reads them.
async fn numbers(media: &ShiftMedia, snapshot: &Snapshot, track: usize) -> Vec<i64> {
    let layout = Arc::new(snapshot.index.media.clone());
    let mut found = Vec::new();
    for sample in snapshot.index.tracks[track].samples.iter_from(0) {
        let end = sample.offset + u64::from(sample.size);
        let units = layout.units_of(sample.offset..end);
        let first = layout.unit_bytes(units.start).start;
        let mut bytes = Vec::new();
        for unit in units {
            let fetched = media.fetch(layout.clone(), unit, Duration::from_secs(10)).await.unwrap();
            assert_eq!(fetched.len(), 4 << 10);
            assert!(media.cached(&layout, unit).is_none_or(|cached| cached == fetched));
            bytes.extend_from_slice(&fetched);
        }
        let data = &bytes[(sample.offset - first) as usize..][..sample.size as usize];
        let number = i64::from_be_bytes(data[5..13].try_into().unwrap());
        assert_eq!(data, self::unit(track as u8, number));
        found.push(number);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_channel_brings_is_kept_though_a_node_is_lost_and_the_front_starts_anew() {
    let mut world = World::new(4, None).await;
    let channel = Channel::new("news", ChannelOptions::default());
    let feeder = channel.feed(described(), world.start).unwrap();
    let shift = world.shift();
    let media = ShiftMedia { films: ClusterMedia(world.source.clone()), shift: shift.clone() };
    let recording = shift.record(channel.clone(), Duration::from_secs(3600));
    let window = shift.window("news").unwrap();
    assert!(window.snapshot().is_none());
    // The recorder joins when it comes to it: it begins at the newest sync sample.
    world.feed(&feeder, 0..2);
    window.reach(at(0), PATIENCE).await.unwrap();
    world.feed(&feeder, 2..30);
    let first = window.reach(at(28), PATIENCE).await.unwrap();
    assert_eq!(first.first, MediaTime::ZERO);
    drop(world.nodes.pop());
    world.feed(&feeder, 30..95);
    let second = window.reach(at(93), PATIENCE).await.unwrap();
    for track in [0, 1] {
        assert_eq!(numbers(&media, &first, track).await, (0..30).collect::<Vec<_>>(), "track {track}");
        assert_eq!(numbers(&media, &second, track).await, (0..95).collect::<Vec<_>>(), "track {track}");
    }
    assert!(Arc::ptr_eq(&window.newer(&first.index, Instant::now()).unwrap(), &second));
    assert!(window.newer(&second.index, Instant::now()).is_none());
    world.feed(&feeder, 95..100);
    recording.end().await;
    assert!(shift.window("news").is_none());
    sweep(&world.catalog, world.source.cluster()).await.unwrap();
    // Another front, which has only the catalog; nothing feeds the channel there yet.
    let shift = world.shift();
    let media = ShiftMedia { films: ClusterMedia(world.source.clone()), shift: shift.clone() };
    let recording = shift.record(Channel::new("news", ChannelOptions::default()), Duration::from_secs(3600));
    let again = recording.window().reach(at(98), PATIENCE).await.unwrap();
    assert_eq!(numbers(&media, &again, 0).await, (0..100).collect::<Vec<_>>());
    let clock = recording.window().clock().unwrap();
    let began = unix_ns(channel.live().unwrap().began_at);
    assert!((clock.start - began).abs() < 1_000_000 && (clock.end - clock.start - 4_000_000_000).abs() < 50_000_000);
}

/// A channel on that timeline, with a feed.
fn fed(line: Line, now: Instant) -> (Arc<Channel>, Feeder) {
    let channel = Channel::new("news", ChannelOptions::default());
    channel.goes_on(line);
    let feeder = channel.feed(described(), now).unwrap();
    (channel, feeder)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_fronts_one_records_and_the_window_goes_on_when_it_ends_and_when_fronts_start_anew() {
    let world = World::new(2, None).await;
    let line_ns = world.catalog.channel_line("news", unix_ns(SystemTime::now())).await.unwrap();
    let line = Line { line_ns, end: MediaTime::ZERO };
    let (one, feeds_one) = fed(line, world.start);
    let (two, feeds_two) = fed(line, world.start);
    let shifts = ["one", "two"].map(|front| world.shift_of(front));
    let medias = shifts.each_ref().map(|shift| {
        let films = ClusterMedia(world.source.clone());
        ShiftMedia { films, shift: shift.clone() }
    });
    let hour = Duration::from_secs(3600);
    let first = shifts[0].record(one.clone(), hour);
    world.feed(&feeds_one, 0..2);
    first.window().reach(at(0), PATIENCE).await.unwrap();
    let second = shifts[1].record(two.clone(), hour);
    world.feed(&feeds_two, 0..50);
    world.feed(&feeds_one, 2..50);
    for (recording, media) in [(&first, &medias[0]), (&second, &medias[1])] {
        let snapshot = recording.window().reach(at(48), PATIENCE).await.unwrap();
        assert_eq!(numbers(media, &snapshot, 0).await, (0..50).collect::<Vec<_>>());
    }
    let kept = world.catalog.segments("news").await.unwrap();
    assert!(kept.windows(2).all(|pair| pair[0].span.end <= pair[1].span.end && pair[0].line_ns == pair[1].line_ns));
    // The other goes on behind what is kept, and leaves nothing of that out or in twice.
    first.end().await;
    let mut next = 50;
    let all = loop {
        world.feed(&feeds_two, next..next + 10);
        next += 10;
        let snapshot = second.window().reach(at(next - 2), Duration::from_secs(2)).await.unwrap();
        if snapshot.index.duration > at(next - 2) {
            break numbers(&medias[1], &snapshot, 0).await;
        }
        assert!(next < 600, "the other front never records");
    };
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]) && all.starts_with(&(0..50).collect::<Vec<_>>()), "{all:?}");
    second.end().await;
    // A new process of the first.
    let end = world.catalog.segments("news").await.unwrap().iter().map(|segment| segment.span.end).max().unwrap();
    let (three, feeds_three) = fed(Line { line_ns, end }, world.start + Duration::from_secs(40));
    let shift = world.shift_of("one");
    let media = ShiftMedia { films: ClusterMedia(world.source.clone()), shift: shift.clone() };
    let third = shift.record(three.clone(), hour);
    world.feed(&feeds_three, 1_000..1_020);
    let place = three.live().unwrap().position(world.start + Duration::from_millis(40_700));
    let snapshot = third.window().reach(place, PATIENCE).await.unwrap();
    let now = numbers(&media, &snapshot, 0).await;
    // It joins when it comes to it.
    assert!(now.starts_with(&all) && now.ends_with(&(1_010..1_020).collect::<Vec<_>>()), "{now:?}");
    assert!(now.windows(2).all(|pair| pair[0] < pair[1]), "{now:?}");
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Tap for Count {
    fn burst(&self, _: &Arc<Burst>) {
        self.0.fetch_add(1, Relaxed);
    }
    fn ended(&self, _: &str) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn full_nodes_make_a_hole_in_the_recording_and_none_in_the_channel() {
    let world = World::new(2, Some(200 << 10)).await;
    let channel = Channel::new("news", ChannelOptions::default());
    let feeder = channel.feed(described(), world.start).unwrap();
    let seen = Arc::new(Count::default());
    channel.join(&channel.live().unwrap(), seen.clone()).unwrap();
    let shift = world.shift();
    let recording = shift.record(channel.clone(), Duration::from_secs(3600));
    let window = recording.window();
    world.feed(&feeder, 0..20);
    let kept = window.reach(at(18), PATIENCE).await.unwrap().index.duration;
    // More than fits.
    world.feed(&feeder, 20..1_000);
    let full = window.reach(at(990), Duration::from_secs(2)).await.unwrap();
    assert!(full.index.duration >= kept && full.index.duration < at(500), "{:?}", full.index.duration);
    assert_eq!(seen.0.load(Relaxed), 2_000);
    remove_segments(&world.catalog, world.source.cluster(), "news", None).await.unwrap();
    window.drop_before(unix_ns(SystemTime::now()) + 1_000_000_000_000);
    tokio::time::sleep(Duration::from_millis(5_200)).await;
    world.feed(&feeder, 1_003..1_030);
    let after = window.reach(at(1_028), PATIENCE).await.unwrap();
    let media = ShiftMedia { films: ClusterMedia(world.source.clone()), shift: shift.clone() };
    assert_eq!(numbers(&media, &after, 0).await, (1_010..1_030).collect::<Vec<_>>(), "from the next sync sample on");
}

/// A segment of pictures, ten bytes each.
fn segment(line_ns: i64, numbers: std::ops::Range<i64>) -> (Segment, Index) {
    let mut table = TableBuilder::new();
    for (offset, number) in (0u64..).zip(numbers.clone()) {
        let at = Ticks(number * 3_600);
        let sample = Sample { offset: offset * 10, size: 10, dts: at, pts: at, sync: number % 10 == 0 };
        table.push(sample, Ticks(3_600)).unwrap();
    }
    let bytes = 10 * (numbers.end - numbers.start) as u64;
    let policy = Policy { unit_size: 4 << 10, data: 1, parity: 0 };
    let layout = Layout::new(ObjectId::random(), bytes + 5_000, policy, vec![NodeId(1)], 0);
    let span = at(numbers.start)..at(numbers.end);
    let begun_ns = line_ns + span.start.0;
    let format = described().remove(0).format;
    let track = Track { id: 1, format, language: None, bandwidth_bps: 1, average_bps: 1, samples: table.finish() };
    let index = Index {
        name: "news".into(),
        title: "news".into(),
        source: Source { hash: SourceHash([0; 32]), bytes: 0 },
        created: 0,
        duration: span.end,
        media: layout.clone(),
        tracks: vec![track],
    };
    (Segment { channel: "news".into(), line_ns, span, begun_ns, index_at: bytes, layout }, index)
}

#[test]
fn rows_and_places_stay_what_they_are_while_the_window_moves() {
    let window = Window::new(Duration::from_secs(60));
    assert_eq!((window.length(), window.start()), (Duration::from_secs(60), None));
    let segments = [0..500, 500..520, 520..990].map(|numbers| segment(7_000, numbers));
    for (segment, index) in segments.clone() {
        window.push(&segment, index);
    }
    assert_eq!(window.start(), Some(MediaTime::ZERO));
    let all = window.snapshot().unwrap();
    let samples = &all.index.tracks[0].samples;
    assert_eq!((samples.len(), all.first, all.index.duration), (990, MediaTime::ZERO, at(990)));
    // 5,000, 200 and 4,700 bytes of samples take 2, 1 and 2 units of 4 KiB.
    for (number, offset) in [(0, 0), (499, 4_990), (500, 8_192), (519, 8_382), (520, 12_288)] {
        assert_eq!(samples.get(number).unwrap().offset, offset, "sample {number}");
    }
    let media = all.index.media.object;
    for (unit, expected) in [(0, Some((0, 0))), (1, Some((0, 1))), (2, Some((1, 0))), (4, Some((2, 1))), (5, None)] {
        let found = window.unit(media, unit);
        let of = |(layout, own): (Arc<Layout>, u64)| {
            (segments.iter().position(|(segment, _)| segment.layout == *layout).unwrap(), own)
        };
        assert_eq!(found.map(of), expected, "unit {unit}");
    }
    assert_eq!(window.unit(ObjectId::random(), 0), None);
    for (number, clock) in [(0, 7_000), (505, 7_000 + at(505).0), (2_000, 7_000 + at(2_000).0)] {
        assert_eq!(window.at_clock(clock), Some(at(number)));
        assert_eq!(window.clock_at(at(number)), Some(clock));
    }
    window.drop_before(segments[0].0.end_ns());
    let later = window.snapshot().unwrap();
    assert_eq!((later.index.media.object, &later.gone[..]), (media, &[500][..]));
    assert_eq!(later.index.tracks[0].samples.get(20).unwrap(), samples.get(520).unwrap());
    // The first sample is never where viewers begin: to play from there is to play a film's very start.
    assert_eq!(later.first, at(510));
    assert_eq!((window.unit(media, 1), window.clock().unwrap().start), (None, 7_000 + at(500).0));
    // Another line takes its place, and so do times that fall.
    for (line, numbers) in [(8_000, 0..20), (8_000, 15..40)] {
        let (segment, index) = segment(line, numbers.clone());
        window.push(&segment, index);
        let snapshot = window.snapshot().unwrap();
        assert_eq!(snapshot.index.tracks[0].samples.len() as i64, numbers.end - numbers.start);
        assert_ne!(snapshot.index.media.object, media);
        assert_eq!(snapshot.gone, [0]);
    }
}
