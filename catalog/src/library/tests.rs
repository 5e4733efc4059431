use super::*;
use crate::check::check;
use crate::ingest::fake::FakeFilm;
use crate::testing::World;
use futures_util::future::join_all;

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_read_once_for_all() {
    let world = World::new(2, None).await;
    let film = world.added(&world.file("film.fake", &FakeFilm::filled(2, 50, 500, 1).0)).await;
    let library = Library::new(UnitSource::new(world.cluster.clone(), 1 << 20), 1 << 20);
    let opened = join_all((0..20).map(|_| library.open(&film))).await;
    let first = opened[0].as_ref().unwrap();
    assert!(opened.iter().all(|index| Arc::ptr_eq(index.as_ref().unwrap(), first)));
    assert_eq!(first.tracks[0].samples.len(), 50);
    // Too large to be kept is still opened.
    let small = Library::new(library.source().clone(), 10);
    assert_eq!(*small.open(&film).await.unwrap(), **first);
    assert!(small.cache.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_opened_is_told_and_tried_again() {
    let mut world = World::new(2, None).await;
    let film = world.added(&world.file("film.fake", &FakeFilm::filled(1, 50, 500, 1).0)).await;
    let other = world.added(&world.file("other.fake", &FakeFilm::filled(1, 50, 500, 3).0)).await;
    let library = Library::new(UnitSource::new(world.cluster.clone(), 0), 1 << 20);
    let mixed = Presentation { index: other.index.clone(), ..film.clone() };
    assert!(matches!(library.open(&mixed).await, Err(OpenError::Other { .. })));
    let media = Presentation { index: film.media.clone(), ..film.clone() };
    let error = library.open(&media).await.unwrap_err().to_string();
    assert!(error.contains("film: index: at byte 0: no index object"), "{error}");
    let report = check(&world.cluster, &mixed, |_, _| {}).await;
    assert_eq!(report.problems.len(), 2, "{report:?}");
    let report = check(&world.cluster, &media, |_, _| {}).await;
    assert!(report.problems.len() == 1 && report.index.is_good(), "{report:?}");

    for number in 0..2 {
        world.stop_node(number).await;
    }
    let error = library.open(&film).await.unwrap_err().to_string();
    assert!(error.contains("film: node"), "{error}");
    let report = check(&world.cluster, &film, |_, _| {}).await;
    assert!(!report.is_good() && report.media.bad_units == 0, "{report:?}");
    assert_eq!(report.media.down_units(), film.media.units(), "{report:?}");
    for number in 0..2 {
        world.restart_node(number).await;
    }
    library.open(&film).await.unwrap();
    let mut heard = (0, 0);
    let report = check(&world.cluster, &film, |done, total| heard = (done, total)).await;
    assert!(report.is_good());
    assert_eq!(heard, (film.bytes(), film.bytes()));
}
