use super::*;
use rtp::{clock::Ticks, format::PcmCoding};
use std::sync::Mutex;

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl Tap for Seen {
    fn burst(&self, burst: &Arc<Burst>) {
        self.0.lock().unwrap().push(format!("{}:{}", burst.track, burst.units[0].dts.0));
    }
    fn ended(&self, reason: &str) {
        self.0.lock().unwrap().push(reason.to_owned());
    }
}

fn tracks() -> Vec<TrackDescription> {
    let video = Format::Mp4vEs { config: vec![], width: 16, height: 16 };
    let audio = Format::Pcm { coding: PcmCoding::Mulaw, sample_rate: 8000, channels: 1 };
    [video, audio].map(|format| TrackDescription { format, language: None, bandwidth_bps: None }).into()
}

fn picture(dts: i64, sync: bool) -> LiveUnit {
    LiveUnit { data: vec![0, 0, 1, 0xB6, 0].into(), dts: Ticks(dts), pts: Ticks(dts), sync }
}

#[test]
fn a_tap_starts_at_the_newest_sync_sample_and_goes_on_without_a_gap() {
    let now = Instant::now();
    let channel = Channel::new("news", ChannelOptions::default());
    let feeder = channel.feed(tracks(), now).unwrap();
    let live = channel.live().unwrap();
    for (dts, sync) in [(900_000, true), (903_600, false), (907_200, true), (910_800, false)] {
        assert!(feeder.unit(0, picture(dts, sync), now));
    }
    feeder.unit(1, LiveUnit::sound(vec![0; 160], Ticks(80_000)), now);
    let seen = Arc::new(Seen::default());
    let joined = channel.join(&live, seen.clone()).unwrap();
    let kept: Vec<_> = joined.kept.iter().map(|burst| (burst.track, burst.units[0].dts.0)).collect();
    // The feed's first unit is the channel's zero; sound is laid by the same shift.
    assert_eq!(kept, [(0, 7_200), (0, 10_800), (1, 0)]);
    feeder.unit(0, picture(914_400, false), now);
    assert_eq!(*seen.0.lock().unwrap(), ["0:14400"]);
    channel.leave(joined.tap);
    feeder.unit(0, picture(918_000, false), now);
    assert_eq!(seen.0.lock().unwrap().len(), 1);
}

#[test]
fn a_feed_that_comes_back_goes_on_and_another_ends_what_was() {
    let now = Instant::now();
    let channel = Channel::new("news", ChannelOptions::default());
    let feeder = channel.feed(tracks(), now).unwrap();
    assert_eq!(channel.feed(tracks(), now).unwrap_err(), FeedRefused::Fed("news".into()));
    let live = channel.live().unwrap();
    let seen = Arc::new(Seen::default());
    let joined = channel.join(&live, seen.clone()).unwrap();
    feeder.unit(0, picture(5, true), now);
    drop(feeder);
    assert!(!channel.is_fed() && channel.live().is_some());
    let later = now + Duration::from_secs(2);
    let feeder = channel.feed(tracks(), later).unwrap();
    feeder.unit(0, picture(1_000_000, true), later);
    assert!(Arc::ptr_eq(&channel.live().unwrap(), &live));
    assert_eq!(joined.next_sequences.len(), 2);
    drop(feeder);
    let other = vec![tracks().remove(1)];
    let feeder = channel.feed(other, later).unwrap();
    assert!(!Arc::ptr_eq(&channel.live().unwrap(), &live));
    assert_eq!(*seen.0.lock().unwrap(), ["0:0", "0:180000", "another feed has taken its place"]);
    drop(feeder);
    channel.sweep(Instant::now() + Duration::from_secs(11));
    assert!(channel.live().is_none());
}

#[test]
fn a_feed_on_demand_knows_who_wants_it_and_one_taken_over_is_dumb() {
    let now = Instant::now();
    let channel = Channel::new("news", ChannelOptions { takes_over: true, ..ChannelOptions::default() });
    let wants = [channel.want(), channel.want()];
    assert_eq!(*channel.wanted().borrow(), 2);
    drop(wants);
    assert_eq!(*channel.wanted().borrow(), 0);
    let first = channel.feed(tracks(), now).unwrap();
    let second = channel.feed(tracks(), now).unwrap();
    assert!(!first.unit(0, picture(0, true), now));
    drop(first);
    assert!(channel.is_fed() && second.unit(0, picture(0, true), now));
}

#[test]
fn a_channel_is_one_transport_stream_for_all_who_want_that() {
    let now = Instant::now();
    let video = Format::Mp4vEs { config: vec![], width: 16, height: 16 };
    let audio = Format::Aac { config: vec![0x12, 0x10], sample_rate: 44_100, channels: 2 };
    let tracks = [video, audio].map(|format| TrackDescription { format, language: None, bandwidth_bps: None });
    let channel = Channel::new("news", ChannelOptions::default());
    let feeder = channel.feed(tracks.into(), now).unwrap();
    let live = channel.live().unwrap();
    let feed = |numbers: std::ops::Range<i64>| {
        for number in numbers {
            let at = now + Duration::from_millis(number as u64 * 40);
            feeder.unit(0, picture(number * 3_600, number % 5 == 0), at);
            for sound in [0, 882] {
                feeder.unit(1, LiveUnit::sound(vec![1; 100], Ticks(number * 1_764 + sound)), at);
            }
        }
    };
    feed(0..8);
    let [first, second] = [0, 1].map(|_| channel.as_transport_stream(&live).unwrap());
    assert!(Arc::ptr_eq(&first.channel, &second.channel));
    assert_eq!((first.live.index.tracks[0].id, first.live.sources[0].payload_type), (65_537, 33));
    let again = first.channel.as_transport_stream(&first.live).unwrap();
    assert!(Arc::ptr_eq(&first.channel, &again.channel));
    let joined = first.channel.join(&first.live, Arc::new(Seen::default())).unwrap();
    feed(8..20);
    let kept = first.channel.newest(&first.live).unwrap().kept;
    // Of the pictures 5 and 15, counted from the former; their tables come first.
    for (bursts, picture) in [(joined.kept, 0), (kept, 10)] {
        let units: Vec<&LiveUnit> = bursts.iter().flat_map(|burst| &burst.units).collect();
        assert!(
            bursts[0].is_sync() && units[0].data[..188][1..3] == [0x40, 0x00]
                || units[0].data[188..][1..3] == [0x40, 0]
        );
        assert!(units.iter().all(|unit| unit.data.len() % 188 == 0 && unit.data.len() <= 1316));
        assert!(units.is_sorted_by_key(|unit| unit.dts));
        let clock = live.sources[0].clock;
        let began = clock.time(units[0].dts).since(clock.time(Ticks(0)));
        assert!(began.abs_diff(Duration::from_millis(picture * 40)) < Duration::from_millis(5), "{began:?}");
    }
    drop((first, again));
    channel.sweep(now);
    let third = channel.as_transport_stream(&live).unwrap();
    assert!(Arc::ptr_eq(&second.channel, &third.channel));
    drop((second, third));
    assert_eq!(*channel.wanted().borrow(), 1);
    channel.sweep(now);
    assert_eq!((*channel.wanted().borrow(), channel.state().taps.len()), (0, 0));
    let last = channel.as_transport_stream(&live).unwrap();
    feeder.end("enough");
    assert!(last.channel.live().is_none() && channel.as_transport_stream(&live).is_err());
}

#[test]
fn a_channel_is_cut_smaller_once_for_all_who_want_that() {
    let now = Instant::now();
    let channel = Channel::new("news", ChannelOptions::default());
    let feeder = channel.feed(tracks(), now).unwrap();
    let live = channel.live().unwrap();
    let large = |dts: i64, sync| {
        let mut data = vec![7; 5_000];
        data[..5].copy_from_slice(&[0, 0, 1, 0xB6, 0]);
        LiveUnit { data: data.into(), ..picture(dts, sync) }
    };
    feeder.unit(0, large(0, true), now);
    feeder.unit(0, large(3_600, false), now);
    // Payload that is asked for, and the most that a packet of it has.
    for (asked, most) in [(600, 512), (639, 512), (0, 265), (1_100, 1_024)] {
        let cut = channel.in_packets_of(&live, asked).unwrap();
        let again = channel.in_packets_of(&live, asked).unwrap();
        assert!(Arc::ptr_eq(&cut.channel, &again.channel) && cut.live.index.tracks == live.index.tracks);
        let seen = Arc::new(Seen::default());
        let joined = cut.channel.join(&cut.live, seen.clone()).unwrap();
        let packets: Vec<usize> = (joined.kept.iter())
            .flat_map(|burst| (0..burst.train.len()).map(|number| burst.train.packet(number).len() - 12))
            .collect();
        assert!(joined.kept.len() == 2 && packets.iter().all(|bytes| *bytes <= most), "{asked}: {packets:?}");
        assert!(packets.iter().any(|bytes| *bytes > most - 128), "{asked}: {packets:?}");
        feeder.unit(0, large(7_200, false), now);
        assert_eq!(seen.0.lock().unwrap().len(), 1, "goes on");
        feeder.unit(0, large(0, true), now);
        feeder.unit(0, large(3_600, false), now);
    }
    for too_large in [1_188, 1_400, usize::MAX] {
        assert!(channel.in_packets_of(&live, too_large).is_none());
    }
    let cut = channel.in_packets_of(&live, 600).unwrap();
    channel.sweep(now);
    assert_eq!((*channel.wanted().borrow(), channel.state().taps.len()), (1, 1), "those nobody wants are gone");
    feeder.end("enough");
    assert!(cut.channel.live().is_none() && channel.in_packets_of(&live, 600).is_none());
}

#[test]
fn what_no_transport_stream_carries_is_refused() {
    let channel = Channel::new("news", ChannelOptions::default());
    let _feeder = channel.feed(super::tests::tracks(), Instant::now()).unwrap();
    let live = channel.live().unwrap();
    assert!(matches!(channel.as_transport_stream(&live), Err(NotStreamed::Track(2, _))));
}
