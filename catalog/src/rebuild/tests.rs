use super::*;
use crate::ingest::fake::FakeFilm;
use crate::presentation::Presentation;
use crate::testing::{World, open};

fn film(seed: u8) -> Vec<u8> {
    FakeFilm::filled(2, 50, 500, seed).0
}

fn without_id(presentations: Vec<Presentation>) -> Vec<Presentation> {
    presentations.into_iter().map(|presentation| Presentation { id: 0, ..presentation }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_catalog_comes_back_from_the_nodes() {
    let mut world = World::new(3, None).await;
    for seed in [1, 3, 5] {
        world.added(&world.file(&format!("{seed}/Film ü.fake"), &film(seed))).await;
    }
    let before = world.catalog.presentations().await.unwrap();
    let fresh = open(&world.folder.path().join("fresh.db")).await;
    let report = rebuild(&fresh, &world.cluster).await.unwrap();
    assert_eq!((report.named.len(), &report.problems), (3, &vec![]), "{report:?}");
    assert_eq!(without_id(fresh.presentations().await.unwrap()), without_id(before));
    assert_eq!(fresh.nodes().await.unwrap(), world.catalog.nodes().await.unwrap());
    assert!(fresh.unsealed_objects().await.unwrap().is_empty());
    // A second time changes nothing, nor does it in the catalog that was never lost.
    for catalog in [&fresh, &world.catalog] {
        let report = rebuild(catalog, &world.cluster).await.unwrap();
        assert_eq!(report, RebuildReport { known: 3, ..RebuildReport::default() });
    }

    // What is not whole is not named but told.
    world.stop_node(0).await;
    let poorer = open(&world.folder.path().join("poorer.db")).await;
    let report = rebuild(&poorer, &world.cluster).await.unwrap();
    assert!(report.named.is_empty() && report.problems.len() == 4, "{report:?}");
    assert!(report.problems[0].contains("not asked: node"), "{report:?}");
    assert!(report.problems[1].contains("is not sealed on node"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_removed_or_stands_twice_does_not_come_back() {
    let world = World::new(2, None).await;
    let path = world.file("film.fake", &film(1));
    world.added(&path).await;
    // Removed from the catalog, its bytes not yet.
    world.catalog.retire("film").await.unwrap();
    let report = rebuild(&world.catalog, &world.cluster).await.unwrap();
    assert_eq!(report, RebuildReport::default());
    world.added(&path).await;
    // The nodes hold the film twice now, and a catalog that knows of neither names one.
    let fresh = open(&world.folder.path().join("fresh.db")).await;
    let report = rebuild(&fresh, &world.cluster).await.unwrap();
    assert_eq!(report.named, ["film"]);
    assert!(report.problems.len() == 1 && report.problems[0].contains("the same film is in as film"), "{report:?}");
}
