//! Channels of every kind of feed as GStreamer sees and hears them: the other players and ways are compared elsewhere here,
//! and all of them for minutes by the bench `watching`.

use conformance::{
    namespaces::Net,
    watching::{FEEDS, Plan, Player, Way},
};

#[test]
fn gstreamer_sees_and_hears_every_kind_of_feed() {
    if let Err(why) = Net::new(0) {
        return println!("skipped: {why}");
    }
    let viewers = vec![(Player::Gstreamer, Way::Tcp)];
    let feeds = FEEDS.iter().map(|feed| feed.name.to_owned()).collect();
    let rows = Plan { seconds: 9, feeds, viewers, apart: None }.run().unwrap();
    let wrong: Vec<String> = rows.iter().filter(|row| row.watched.is_err()).map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
