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
