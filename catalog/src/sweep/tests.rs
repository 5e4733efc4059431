use super::*;
use crate::db::Owner;
use crate::ingest::fake::FakeFilm;
use crate::testing::World;
use stripes::layout::Layout;
use stripes::net::ObjectWriter;

fn film(seed: u8) -> Vec<u8> {
    FakeFilm::filled(1, 50, 500, seed).0
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_takes_the_name_and_then_the_bytes() {
    let mut world = World::new(3, None).await;
    let path = world.file("film.fake", &film(1));
    world.added(&path).await;
    assert_eq!(remove(&world.catalog, &world.cluster, "other").await.unwrap(), None);
    let removed = remove(&world.catalog, &world.cluster, "film").await.unwrap().unwrap();
    assert!(removed.left.is_empty());
    assert_eq!(world.objects_on_nodes().await, 0);
    assert!(world.catalog.known_objects().await.unwrap().is_empty());

    // With a node away the name goes all the same, and the rest when the node is back.
    world.added(&path).await;
    world.stop_node(2).await;
    let removed = remove(&world.catalog, &world.cluster, "film").await.unwrap().unwrap();
    assert_eq!(removed.left.len(), 2);
    assert!(world.catalog.presentations().await.unwrap().is_empty());
    world.restart_node(2).await;
    assert!(world.objects_on_nodes().await > 0);
    assert_eq!(sweep(&world.catalog, &world.cluster).await.unwrap().deleted.len(), 2);
    world.assert_clean("a removal").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_named_the_living_and_the_unknown_are_left_alone() {
    let world = World::new(2, None).await;
    world.added(&world.file("film.fake", &film(1))).await;
    let stranger = {
        let options = world.options(None);
        let mut writer = ObjectWriter::create(&world.cluster, options.policy, options.nodes).unwrap();
        writer.write(b"somebody else's").await.unwrap();
        writer.finish("other").await.unwrap().object
    };
    // Another process, on a host that can't be asked, said a moment ago that it lives.
    let elsewhere = Owner { host: "elsewhere".into(), pid: 1, start: 1 };
    world.catalog.begin_object(ObjectId(5)).await.unwrap();
    world.catalog.give_all_to(&elsewhere).await;
    let report = sweep(&world.catalog, &world.cluster).await.unwrap();
    assert_eq!(report, SweepReport { being_written: 1, ..SweepReport::default() });
    assert_eq!(world.objects_on_nodes().await, 6);
    let (unknown, silent) = unknown(&world.catalog, &world.cluster).await.unwrap();
    assert_eq!(unknown.iter().map(|u| (u.object, u.at.len())).collect::<Vec<_>>(), [(stranger, 2)]);
    assert!(silent.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_process_forgot_is_swept_too() {
    let world = World::new(2, None).await;
    world.catalog.begin_object(ObjectId(5)).await.unwrap();
    let report = sweep(&world.catalog, &world.cluster).await.unwrap();
    assert_eq!((report.deleted, report.being_written), (vec![ObjectId(5)], 0));
    // It stays on the books for a while, for what may still be on its way to a node.
    let options = world.options(None);
    let layout = Layout::new(ObjectId(5), 3, options.policy, options.nodes, 0);
    world.cluster.put_unit(&layout, layout.address(0), "abc".into()).await.unwrap();
    assert_eq!(sweep(&world.catalog, &world.cluster).await.unwrap().deleted, [ObjectId(5)]);
    assert_eq!(world.objects_on_nodes().await, 0);
    assert_eq!(world.catalog.known_objects().await.unwrap().len(), 1);
    sweep_after(&world.catalog, &world.cluster, Duration::ZERO).await.unwrap();
    assert!(world.catalog.known_objects().await.unwrap().is_empty());
}
