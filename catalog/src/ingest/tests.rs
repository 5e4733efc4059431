use super::fake::FakeFilm;
use super::*;
use crate::check::check;
use crate::sweep::{sweep, sweep_after};
use crate::testing::{World, cluster, open};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stripes::net::UnitSource;

#[tokio::test(flavor = "multi_thread")]
async fn a_film_goes_in_whole_and_once() {
    let world = World::new(4, None).await;
    let film = FakeFilm::filled(2, 300, 700, 3);
    let path = world.file("My film.fake", &film.0);
    let mut steps = Vec::new();
    let options = world.options(None);
    let ingested = ingest_fake(&world.catalog, &world.cluster, &path, &options, |step| steps.push(step)).await.unwrap();
    let Outcome::Added(presentation) = ingested.outcome else { panic!("{ingested:?}") };
    assert_eq!((presentation.name.as_str(), presentation.title.as_str()), ("My-film", "My film"));
    assert_eq!(presentation.source.hash.0, *blake3::hash(&film.0).as_bytes());
    assert_eq!(presentation.duration.0, 6_000_000_000);
    assert_eq!(world.catalog.presentation("My-film").await.unwrap().as_ref(), Some(&*presentation));
    assert!(steps.iter().any(|step| step.stage == Stage::Adding && step.bytes == step.total));

    // Every sample is the one that went in.
    let source = UnitSource::new(world.cluster.clone(), 1 << 20);
    let index = crate::library::Library::new(source.clone(), 1 << 20).open(&presentation).await.unwrap();
    let media = source.read_object(&Arc::new(presentation.media.clone()), 1 << 20).await.unwrap();
    assert_eq!(index.tracks.len(), 2);
    for (track, number) in index.tracks.iter().zip(1u8..) {
        assert_eq!(track.samples.len(), 300);
        for (sample, at) in track.samples.iter_from(0).zip(0i64..) {
            let bytes = &media[sample.offset as usize..][..sample.size as usize];
            let expected: Vec<u8> = (0..700).map(|byte| (byte as u8).wrapping_mul(3) ^ at as u8 ^ number).collect();
            assert_eq!((bytes, sample.pts.0), (&expected[..], at * 882));
        }
    }
    let report = check(&world.cluster, &presentation, |_, _| {}).await;
    assert!(report.is_good() && report.samples == 600, "{report:?}");

    // The same again, and the same under another name, are in already.
    for path in [path.clone(), world.file("copy.fake", &film.0), world.file("copy.fake", &film.0)] {
        let again = world.add(&path, None).await.unwrap();
        assert_eq!(again.outcome, Outcome::AlreadyPresent("My-film".into()));
    }
    assert_eq!(world.objects_on_nodes().await, 8);
    assert!(world.catalog.unsealed_objects().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_found_refused_or_kept() {
    let world = World::new(2, None).await;
    let film = |seed| FakeFilm::filled(1, 5, 20, seed).0;
    let first = world.file("a/film.fake", &film(1));
    let second = world.file("b/film.fake", &film(3));
    assert_eq!(world.added(&first).await.name, "film");
    let ingested = world.add(&second, None).await.unwrap();
    assert!(matches!(&ingested.outcome, Outcome::Added(p) if p.name == "film-2"), "{ingested:?}");
    assert!(ingested.notes[0].contains("\"film\"") && ingested.notes[0].contains("\"film-2\""), "{ingested:?}");
    let third = world.file("third.fake", &film(5));
    let error = world.add(&third, Some("film")).await.unwrap_err().to_string();
    assert!(
        error.contains("third.fake: another film or a channel is named \"film\"") && error.contains("--name"),
        "{error}"
    );
    let error = world.add(&third, Some("a/b")).await.unwrap_err().to_string();
    assert!(error.contains("third.fake") && error.contains("\"a-b\" would do"), "{error}");
    let ingested = world.add(&third, Some("Best")).await.unwrap();
    assert!(matches!(&ingested.outcome, Outcome::Added(p) if p.name == "Best" && p.title == "third"));
    assert_eq!(world.catalog.presentations().await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_are_told_and_leave_nothing() {
    let world = World::new(2, None).await;
    let good = FakeFilm::filled(2, 40, 200, 1).0;
    let mut bug = FakeFilm::new(1);
    (0..2_000).for_each(|number| bug.sample(1, number * 20, &[1; 1_000]));
    bug.record(b'P', 0, 0, &[]);
    let mut silent = FakeFilm::new(1);
    silent.record(b'N', 0, 0, b"track 2: codec XYZ is not known");
    silent.record(b'E', 0, 0, &[]);
    let mut cases = vec![
        ("text.txt".to_owned(), b"not a film".to_vec(), "at byte 0: not a film"),
        ("empty.fake".into(), vec![], "the file is empty"),
        ("bug.fake".into(), bug.0, "its reader failed"),
        ("silent.fake".into(), silent.0, "nothing in it can be played; track 2: codec XYZ is not known; track 1"),
    ];
    for tenth in 1..10 {
        cases.push((format!("cut{tenth}.fake"), good[..good.len() * tenth / 10].to_vec(), "fake: at byte"));
    }
    for (name, bytes, reason) in &cases {
        let error = world.add(&world.file(name, bytes), None).await.unwrap_err().to_string();
        assert!(error.contains(name.as_str()) && error.contains(reason), "{name}: {error}");
        world.assert_clean(name).await;
    }
    for (path, reason) in [("/dev/null", "not a regular file"), ("/no/such", "No such file"), ("/tmp", "a folder")] {
        let error = world.add(Path::new(path), None).await.unwrap_err().to_string();
        assert!(error.starts_with(path) && error.contains(reason), "{error}");
    }
    world.added(&world.file("good.fake", &good)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_node_is_an_error_that_leaves_nothing() {
    let world = World::new(3, Some(300_000)).await;
    let large = world.file("large.fake", &FakeFilm::filled(2, 4_000, 1_000, 1).0);
    let error = world.add(&large, None).await.unwrap_err().to_string();
    assert!(error.contains("large.fake: at byte") && error.contains("node") && error.contains("full"), "{error}");
    world.assert_clean("a full node").await;
    world.added(&world.file("small.fake", &FakeFilm::filled(1, 10, 100, 1).0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_in_the_middle_is_an_error_that_leaves_nothing() {
    let mut world = World::new(3, None).await;
    let large = world.file("large.fake", &FakeFilm::filled(2, 20_000, 1_000, 1).0);
    let (catalog, nodes, options) = (world.catalog.clone(), world.cluster.clone(), world.options(None));
    let (halfway, reached) = tokio::sync::oneshot::channel();
    let mut halfway = Some(halfway);
    let progress = move |step: Progress| {
        if step.bytes > 5_000_000 {
            halfway.take().map(|halfway| halfway.send(()));
        }
    };
    let path = large.clone();
    let adding = tokio::spawn(async move { ingest_fake(&catalog, &nodes, &path, &options, progress).await });
    reached.await.unwrap();
    world.stop_node(1).await;
    let error = tokio::time::timeout(Duration::from_secs(20), adding).await.unwrap().unwrap().unwrap_err().to_string();
    let node = world.node_ids()[1].to_string();
    assert!(error.contains("large.fake: at byte") && error.contains(&node), "{error}");
    assert!(world.catalog.presentations().await.unwrap().is_empty());
    // While it is away its share can't be deleted; the next sweep gets it.
    let report = sweep(&world.catalog, &world.cluster).await.unwrap();
    assert_eq!((report.deleted.len(), report.left.len()), (0, 1), "{report:?}");
    world.restart_node(1).await;
    world.assert_clean("a dead node").await;
    world.added(&large).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_catalog_is_an_error_after_the_wait() {
    let world = World::new(2, None).await;
    let path = world.file("film.fake", &FakeFilm::filled(1, 100, 100, 1).0);
    let options = crate::db::CatalogOptions { busy: Duration::from_millis(300) };
    let impatient = crate::db::Catalog::open(&world.catalog_path(), options).await.unwrap();
    let lock = world.catalog.write().await.unwrap();
    let start = Instant::now();
    let error = ingest_fake(&impatient, &world.cluster, &path, &world.options(None), |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("film.fake: catalog") && error.to_string().contains("locked"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
    lock.rollback().await.unwrap();
    world.assert_clean("a locked catalog").await;
    world.added(&path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_each_in_once() {
    let world = Arc::new(World::new(2, None).await);
    let paths: Vec<_> = (0..8u8)
        .map(|number| world.file(&format!("{number}/film.fake"), &FakeFilm::filled(1, 50, 300, number / 2 * 2 + 1).0))
        .collect();
    let adds = paths.into_iter().map(|path| {
        let world = world.clone();
        // Each as another process would, with its own connections.
        tokio::spawn(async move {
            let catalog = open(&world.catalog_path()).await;
            ingest_fake(&catalog, &world.cluster, &path, &world.options(None), |_| {}).await.unwrap().outcome
        })
    });
    let mut added = 0;
    for add in adds.collect::<Vec<_>>() {
        added += usize::from(matches!(add.await.unwrap(), Outcome::Added(_)));
    }
    assert_eq!(added, 4);
    let mut names: Vec<_> = world.catalog.presentations().await.unwrap().into_iter().map(|p| p.name).collect();
    names.sort();
    assert_eq!(names, ["film", "film-2", "film-3", "film-4"]);
    sweep_after(&world.catalog, &world.cluster, Duration::ZERO).await.unwrap();
    assert_eq!(world.catalog.known_objects().await.unwrap().len(), 8);
}

/// Polls a future so many times, then lets it fall.
async fn cut_off<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = Box::pin(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// The process dies at one point after another: its runtime is gone before it can clear anything away.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_point_leaves_all_or_nothing() {
    let world = World::new(2, None).await;
    let path = world.file("film.fake", &FakeFilm::filled(2, 40, 500, 1).0);
    let dead = crate::db::Owner { pid: 0, ..crate::db::Owner::this_process().clone() };
    let (mut polls, mut crashes, mut swept) = (1, 0, 0);
    loop {
        let (addresses, options) = (world.addresses(), world.options(None));
        let (db, film) = (world.catalog_path(), path.clone());
        let ended = tokio::task::spawn_blocking(move || {
            let process = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let nodes = cluster(addresses);
            let ended = process.block_on(async {
                let catalog = open(&db).await;
                cut_off(ingest_fake(&catalog, &nodes, &film, &options, |_| {}), polls).await
            });
            process.shutdown_background();
            ended
        })
        .await
        .unwrap();
        world.catalog.give_all_to(&dead).await;
        swept += sweep(&world.catalog, &world.cluster).await.unwrap().deleted.len();
        if let Some(presentation) = world.catalog.presentations().await.unwrap().first() {
            let report = check(&world.cluster, presentation, |_, _| {}).await;
            assert!(report.is_good(), "after {polls} polls: {report:?}");
            assert_eq!(world.catalog.known_objects().await.unwrap().len(), 2);
            assert_eq!(world.objects_on_nodes().await, 4);
        } else {
            world.assert_clean(&format!("{polls} polls")).await;
        }
        if let Some(ended) = ended {
            ended.unwrap();
            break;
        }
        crashes += 1;
        polls += 1 + polls / 16;
    }
    assert!(crashes > 10 && swept > 5, "{crashes} crashes, {swept} objects swept");
}

/// A viewer of the progress who goes away: what was begun is removed without a sweep.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_add_removes_what_it_began() {
    let world = World::new(2, None).await;
    let path = world.file("film.fake", &FakeFilm::filled(2, 5_000, 1_000, 1).0);
    let options = world.options(None);
    let (begun, seen) = tokio::sync::oneshot::channel();
    let mut begun = Some(begun);
    let progress = move |_| {
        begun.take().map(|begun| begun.send(()));
    };
    let adding = ingest_fake(&world.catalog, &world.cluster, &path, &options, progress);
    tokio::select! {
        result = adding => panic!("too quick: {result:?}"),
        _ = seen => {}
    }
    for _ in 0..100 {
        let rows = world.catalog.unsealed_objects().await.unwrap();
        if rows.iter().all(|row| row.state == crate::db::ObjectState::Doomed) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rows = world.catalog.unsealed_objects().await.unwrap();
    assert!(rows.iter().all(|row| row.state == crate::db::ObjectState::Doomed), "{rows:?}");
    world.assert_clean("a dropped add").await;
}
