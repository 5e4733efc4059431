use super::*;
use crate::presentation::{Presentation, Source, SourceHash, TrackSummary};
use rtp::clock::{ClockRate, MediaTime};
use rtp::format::Media;
use stripes::{
    id::{NodeId, ObjectId},
    layout::{Layout, MIN_UNIT_SIZE, Policy},
};

fn layout(object: u128) -> Layout {
    let policy = Policy { unit_size: MIN_UNIT_SIZE, data: 4, parity: 0 };
    Layout::new(ObjectId(object), 1 << 40, policy, (0..4).map(NodeId).collect(), 2)
}

pub(super) fn film(name: &str, number: u8) -> Presentation {
    let track = TrackSummary {
        id: 1,
        media: Media::Video,
        codec: "MPEG-1 video 352x288".into(),
        language: Some("de".into()),
        clock: ClockRate::VIDEO,
        samples: 1_000,
        bandwidth_bps: 1_200_000,
        average_bps: 900_000,
    };
    let second = TrackSummary { id: 2, media: Media::Audio, language: None, ..track.clone() };
    Presentation {
        id: 0,
        name: name.into(),
        title: format!("The {name}"),
        duration: MediaTime(123_456_789_012),
        source: Source { hash: SourceHash([number; 32]), bytes: 5_000 + u64::from(number) },
        created: 1_700_000_000,
        media: layout(u128::from(number) * 2),
        index: layout(u128::from(number) * 2 + 1),
        tracks: vec![track, second],
    }
}

async fn open(folder: &Path, busy_ms: u64) -> Result<Catalog, CatalogError> {
    Catalog::open(&folder.join("catalog.db"), CatalogOptions { busy: Duration::from_millis(busy_ms) }).await
}

async fn begin(catalog: &Catalog, film: &Presentation) {
    catalog.begin_object(film.media.object).await.unwrap();
    catalog.begin_object(film.index.object).await.unwrap();
}

#[tokio::test]
async fn a_presentation_comes_back_as_it_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(folder.path(), 5_000).await.unwrap();
    for (name, number) in [("b", 2), ("a", 1)] {
        begin(&catalog, &film(name, number)).await;
        assert!(matches!(catalog.publish(&film(name, number)).await.unwrap(), Publish::Named(_)));
    }
    catalog.close().await;
    let catalog = open(folder.path(), 5_000).await.unwrap();
    let all = catalog.presentations().await.unwrap();
    let zeroed: Vec<_> = all.iter().map(|p| Presentation { id: 0, ..p.clone() }).collect();
    assert_eq!(zeroed, [film("a", 1), film("b", 2)]);
    assert_eq!(catalog.presentation("b").await.unwrap().as_ref(), all.last());
    assert_eq!(catalog.presentation("c").await.unwrap(), None);
    assert_eq!(catalog.known_source(SourceHash([2; 32])).await.unwrap().as_deref(), Some("b"));
    assert_eq!(catalog.known_source(SourceHash([3; 32])).await.unwrap(), None);
    assert!(catalog.knows_source_size(5_001).await.unwrap());
    assert!(!catalog.knows_source_size(5_003).await.unwrap());
    assert!(catalog.unsealed_objects().await.unwrap().is_empty());
    assert_eq!(catalog.known_objects().await.unwrap().len(), 4);
}

#[tokio::test]
async fn what_can_not_be_named_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(folder.path(), 5_000).await.unwrap();
    assert_eq!(catalog.publish(&film("a", 1)).await.unwrap(), Publish::Swept);
    begin(&catalog, &film("a", 1)).await;
    assert!(matches!(catalog.publish(&film("a", 1)).await.unwrap(), Publish::Named(_)));
    begin(&catalog, &film("a", 2)).await;
    assert_eq!(catalog.publish(&film("a", 2)).await.unwrap(), Publish::NameTaken);
    let mut copy = film("copy", 2);
    copy.source.hash = SourceHash([1; 32]);
    assert_eq!(catalog.publish(&copy).await.unwrap(), Publish::AlreadyIn("a".into()));
    assert_eq!(catalog.unsealed_objects().await.unwrap().len(), 2);
    assert!(catalog.doom_object(film("a", 2).media.object, None).await.unwrap());
    assert_eq!(catalog.publish(&film("b", 2)).await.unwrap(), Publish::Swept);
    assert_eq!(catalog.presentations().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_object_goes_from_writing_to_doomed_to_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(folder.path(), 5_000).await.unwrap();
    let object = ObjectId(9);
    catalog.begin_object(object).await.unwrap();
    assert!(catalog.begin_object(object).await.is_err());
    let row = catalog.unsealed_objects().await.unwrap().remove(0);
    assert_eq!((row.id, row.state, &row.owner), (object, ObjectState::Writing, Owner::this_process()));
    assert!(catalog.heartbeat(object).await.unwrap());
    catalog.forget_object(object).await.unwrap();
    assert!(!catalog.doom_object(object, Some(row.heartbeat - 1)).await.unwrap(), "it lived on since");
    assert!(catalog.doom_object(object, None).await.unwrap());
    assert!(!catalog.heartbeat(object).await.unwrap());
    assert_eq!(catalog.unsealed_objects().await.unwrap()[0].state, ObjectState::Doomed);
    catalog.forget_object(object).await.unwrap();
    assert!(catalog.known_objects().await.unwrap().is_empty());
}

#[tokio::test]
async fn removing_dooms_both_objects() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(folder.path(), 5_000).await.unwrap();
    assert!(matches!(catalog.adopt(&film("a", 1)).await.unwrap(), Publish::Named(_)));
    assert_eq!(catalog.adopt(&film("z", 1)).await.unwrap(), Publish::AlreadyIn("a".into()));
    assert_eq!(catalog.retire("z").await.unwrap(), None);
    assert_eq!(catalog.retire("a").await.unwrap().unwrap().name, "a");
    assert!(catalog.presentations().await.unwrap().is_empty());
    let states: Vec<_> = catalog.unsealed_objects().await.unwrap().into_iter().map(|row| row.state).collect();
    assert_eq!(states, [ObjectState::Doomed; 2]);
}

#[tokio::test]
async fn nodes_settings_and_files_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(folder.path(), 5_000).await.unwrap();
    for (id, url) in [(2, "http://b"), (1, "http://a"), (2, "http://c")] {
        catalog.put_node(&Node { id: NodeId(id), url: url.into() }).await.unwrap();
    }
    let nodes = catalog.nodes().await.unwrap();
    assert_eq!(nodes.iter().map(|n| n.url.as_str()).collect::<Vec<_>>(), ["http://a", "http://c"]);
    assert_eq!(catalog.setting("k").await.unwrap(), None);
    catalog.set_setting("k", "1").await.unwrap();
    catalog.set_setting("k", "2").await.unwrap();
    assert_eq!(catalog.setting("k").await.unwrap().as_deref(), Some("2"));
    let (path, hash) = (Path::new("/films/a.mpg"), SourceHash([5; 32]));
    catalog.remember_source(path, 10, -7, SourceHash([4; 32])).await.unwrap();
    catalog.remember_source(path, 10, 8, hash).await.unwrap();
    assert_eq!(catalog.remembered_source(path, 10, 8).await.unwrap(), Some(hash));
    assert_eq!(catalog.remembered_source(path, 10, -7).await.unwrap(), None);
    assert_eq!(catalog.remembered_source(path, 11, 8).await.unwrap(), None);
}

#[tokio::test]
async fn a_locked_catalog_is_an_error_after_the_wait_and_readable_all_the_while() {
    let folder = tempfile::tempdir().unwrap();
    let holder = open(folder.path(), 5_000).await.unwrap();
    let catalog = open(folder.path(), 200).await.unwrap();
    let lock = holder.write().await.unwrap();
    let start = Instant::now();
    let error = catalog.set_setting("k", "v").await.unwrap_err();
    assert!(matches!(error, CatalogError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("catalog.db: locked by another process for more than 0.2 s"), "{error}");
    let error = catalog.publish(&film("a", 1)).await.unwrap_err();
    assert!(matches!(error, CatalogError::Locked { .. }), "{error}");
    assert!((200..2_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert!(catalog.presentations().await.unwrap().is_empty());
    lock.rollback().await.unwrap();
    catalog.set_setting("k", "v").await.unwrap();
}

#[tokio::test]
async fn many_may_open_a_new_catalog_at_once_and_write() {
    let folder = tempfile::tempdir().unwrap();
    let writers = (1..9u8).map(|number| {
        let folder = folder.path().to_path_buf();
        tokio::spawn(async move {
            let catalog = open(&folder, 10_000).await.unwrap();
            let film = film(&format!("film{number}"), number);
            begin(&catalog, &film).await;
            catalog.publish(&film).await.unwrap()
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        assert!(matches!(writer.await.unwrap(), Publish::Named(_)));
    }
    assert_eq!(open(folder.path(), 5_000).await.unwrap().presentations().await.unwrap().len(), 8);
}

#[tokio::test]
async fn what_is_no_catalog_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("catalog.db"), [7u8; 9000]).unwrap();
    let error = open(folder.path(), 100).await.err().unwrap().to_string();
    assert!(error.contains("catalog.db") && error.contains("not a database"), "{error}");
    let missing = Catalog::open(&folder.path().join("no/such/catalog.db"), CatalogOptions::default()).await;
    assert!(missing.err().unwrap().to_string().contains("no/such/catalog.db"));
}

#[tokio::test]
async fn users_are_added_once_changed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(folder.path(), 5_000).await.unwrap();
    let user = |name: &str, byte: u8| User {
        name: name.into(),
        realm: "r".into(),
        md5: [byte; 16],
        sha256: [byte; 32],
        publishes: byte.is_multiple_of(2),
    };
    assert!(catalog.put_user(&user("b", 1), true).await.unwrap());
    assert!(catalog.put_user(&user("a", 2), true).await.unwrap());
    assert!(!catalog.put_user(&user("b", 3), true).await.unwrap(), "there is one already");
    assert!(catalog.put_user(&user("b", 4), false).await.unwrap());
    assert_eq!(catalog.users().await.unwrap(), [user("a", 2), user("b", 4)]);
    assert!(catalog.remove_user("a").await.unwrap() && !catalog.remove_user("a").await.unwrap());
    assert!(!format!("{:?}", user("a", 77)).contains("77"));
}
