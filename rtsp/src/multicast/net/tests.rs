//! Fronts with their groups on the loopback interface.

use super::*;
use crate::{
    channel::{Channel, ChannelOptions, Channels, Feeder},
    multicast::{AnnouncerOptions, Ranges, fake::picture, fake::tracks, sap::SapPacket},
};
use catalog::{
    channel::MulticastSettings,
    db::{Catalog, CatalogOptions},
};
use rtp::{packet::RtpPacket, rtcp::parse_compound};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};
use tokio::{net::UdpSocket, time::timeout};

const PATIENCE: Duration = Duration::from_secs(10);

struct World {
    _folder: tempfile::TempDir,
    catalog: Catalog,
    channels: Channels,
    channel: std::sync::Arc<Channel>,
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(&folder.path().join("catalog.db"), CatalogOptions::default()).await.unwrap();
    let channels = Channels::default();
    let channel = channels.get_or_add("news", ChannelOptions::default());
    World { _folder: folder, catalog, channels, channel }
}

impl World {
    /// A front; `third` tells the groups of tests that run beside each other apart.
    fn front(&self, name: &str, third: u8, announce: Option<AnnouncerOptions>) -> Caster {
        let groups = vec![format!("239.255.{third}.0/28").parse().unwrap()];
        let ranges = Ranges { groups, ..Ranges::default() };
        let options = CasterOptions { ranges, interface: Some("lo".into()), announce, ..CasterOptions::default() };
        Caster::start(options, self.channels.clone(), self.catalog.clone(), name.into()).unwrap()
    }
}

fn settings(always: bool) -> MulticastSettings {
    MulticastSettings { ttl: 3, always, ..MulticastSettings::default() }
}

fn wanted(always: bool) -> BTreeMap<String, MulticastSettings> {
    [("news".to_owned(), settings(always))].into()
}

async fn group(caster: &Caster) -> Group {
    let found = async {
        loop {
            match caster.group("news") {
                Some(group) => return group,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(PATIENCE, found).await.expect("a group")
}

fn hear(at: SocketAddr) -> UdpSocket {
    let way = WayOut::find(at.ip(), Some("lo"), None).unwrap();
    UdpSocket::from_std(way.hear(at).unwrap().into()).unwrap()
}

async fn next(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let count = timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("something is sent").unwrap();
    buffer.truncate(count);
    buffer
}

/// Feeds a picture each 20 ms until it is dropped.
fn keep_feeding(feeder: Feeder) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        for number in 0.. {
            if !feeder.unit(0, picture(number * 1800, true, 3000), Instant::now()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
}

#[tokio::test]
async fn a_group_is_sent_always_and_ends_with_its_channel() {
    let world = world().await;
    let caster = world.front("a", 101, None);
    caster.set(&wanted(true));
    let group = group(&caster).await;
    assert_eq!(group.description(), None, "nothing feeds it");
    let to = group.address().track(0).unwrap();
    let (packets, reports) = (hear(to.rtp), hear(to.rtcp));
    let feeder = world.channel.feed(tracks(), Instant::now()).unwrap();
    let live = world.channel.live().unwrap();
    let feeding = keep_feeding(feeder);
    let packet = next(&packets).await;
    assert_eq!(RtpPacket::parse(&packet).unwrap().ssrc, live.sources[0].ssrc);
    assert_eq!(group.description(), Some(group.address().describe(&live)));
    let report = next(&reports).await;
    assert!(parse_compound(&report).next().is_some());
    assert!(group.statistics().packets.load(Relaxed) > 0 && group.statistics().errors.load(Relaxed) == 0);
    world.channel.close("enough");
    feeding.await.unwrap();
    let bye = loop {
        let report = next(&reports).await;
        if parse_compound(&report).flatten().any(|packet| matches!(packet, rtp::rtcp::Packet::Bye { .. })) {
            break report;
        }
    };
    assert!(bye.len() > 28);
    caster.stop().await;
    assert!(world.catalog.group_leases().await.unwrap().iter().all(|lease| lease.until == 0));
}

#[tokio::test]
async fn a_group_on_demand_is_sent_while_a_viewer_holds_it() {
    let world = world().await;
    let caster = world.front("a", 102, None);
    caster.set(&wanted(false));
    let group = group(&caster).await;
    let packets = hear(group.address().track(0).unwrap().rtp);
    let feeding = keep_feeding(world.channel.feed(tracks(), Instant::now()).unwrap());
    let mut buffer = [0; 4096];
    assert!(timeout(Duration::from_millis(300), packets.recv(&mut buffer)).await.is_err(), "nobody holds it");
    let holds = [group.hold(), group.hold()];
    assert!(!next(&packets).await.is_empty() && *world.channel.wanted().borrow() > 0);
    drop(holds);
    assert_eq!(group.holders(), 0);
    timeout(PATIENCE, async { while timeout(Duration::from_millis(300), packets.recv(&mut buffer)).await.is_ok() {} })
        .await
        .expect("it ends");
    assert_eq!(*world.channel.wanted().borrow(), 0);
    feeding.abort();
    caster.stop().await;
}

#[tokio::test]
async fn fronts_take_different_groups_and_one_that_is_named_is_refused_where_it_is_taken() {
    let world = world().await;
    let fronts: Vec<Caster> = (0..6).map(|number| world.front(&format!("front {number}"), 103, None)).collect();
    for front in &fronts {
        front.set(&wanted(true));
    }
    let mut groups = Vec::new();
    for front in &fronts {
        groups.push(group(front).await.address().group);
    }
    groups.sort();
    groups.dedup();
    assert_eq!(groups.len(), 6, "{groups:?}");
    let again = group(&fronts[0]).await.address().group;
    fronts[0].stop().await;
    let front = world.front("front 0", 103, None);
    front.set(&wanted(true));
    assert_eq!(group(&front).await.address().group, again, "the same again after a restart");
    let taken = group(&fronts[1]).await;
    let named = |port| MulticastSettings { group: Some(taken.address().group), port, ..settings(true) };
    front.set(&[("news".to_owned(), named(Some(taken.address().port)))].into());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(front.group("news").is_none(), "another's");
    fronts[1].stop().await;
    front.set(&[("news".to_owned(), named(Some(taken.address().port + 16)))].into());
    assert_eq!(group(&front).await.address().group, taken.address().group);
    for front in fronts.iter().skip(2).chain([&front]) {
        front.stop().await;
    }
}

#[tokio::test]
async fn a_group_is_announced_changed_and_deleted() {
    let world = world().await;
    let announce = AnnouncerOptions { least_interval: Duration::from_secs(1), limit_bps: 1_000_000 };
    let sap_group = IpAddr::from([239, 255, 255, 255]);
    let heard = hear(SocketAddr::new(sap_group, crate::multicast::sap::PORT));
    let caster = world.front("a", 104, Some(announce));
    caster.set(&wanted(true));
    let group = group(&caster).await;
    let feeder = world.channel.feed(tracks(), Instant::now()).unwrap();
    let mut seen: Vec<(bool, u16)> = Vec::new();
    let ours = format!("c=IN IP4 {}/3", group.address().group);
    let mut until = async |changes: usize| {
        while seen.len() < changes {
            let bytes = next(&heard).await;
            let packet = SapPacket::parse(&bytes).unwrap();
            let text = String::from_utf8(packet.sdp.unwrap().to_vec()).unwrap();
            let known = seen.iter().any(|(_, hash)| *hash == packet.hash);
            if (text.contains(&ours) || packet.deletes && known) && seen.last() != Some(&(packet.deletes, packet.hash))
            {
                seen.push((packet.deletes, packet.hash));
            }
        }
    };
    until(1).await;
    drop(feeder);
    let other = vec![tracks().remove(1)];
    let feeder = world.channel.feed(other, Instant::now()).unwrap();
    until(3).await;
    caster.stop().await;
    until(4).await;
    drop(feeder);
    let [first, deleted, second, gone] = seen[..] else { panic!("{seen:?}") };
    assert!(
        !first.0 && deleted == (true, first.1) && !second.0 && second.1 != first.1 && gone == (true, second.1),
        "{seen:?}"
    );
}
