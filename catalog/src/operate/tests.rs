use super::*;
use crate::check::check;
use crate::db::{FrontReport, JobState, MoveState, Owner};
use crate::ingest::fake::FakeFilm;
use crate::ingest::{IngestOptions, ingest_fake};
use crate::testing::World;
use std::collections::BTreeMap;
use stripes::layout::{Layout, MIN_UNIT_SIZE, Policy};

const FILMS: u8 = 3;

/// Nodes of which the last `spare` are not taken in yet, with films of 3+1 on the others.
async fn world(nodes: usize, spare: usize) -> (World, Operator) {
    let world = World::new(nodes, None).await;
    let ids = world.node_ids();
    let (used, unused) = ids.split_at(nodes - spare);
    for node in unused {
        world.catalog.set_intent(*node, Intent::Removed).await.unwrap();
    }
    let policy = Policy { unit_size: MIN_UNIT_SIZE, data: 3, parity: 1 };
    for seed in 0..FILMS {
        let path = world.file(&format!("film{seed}.fake"), &FakeFilm::filled(2, 150, 3_000, 2 * seed + 1).0);
        let options = IngestOptions { name: None, policy, nodes: used.to_vec() };
        ingest_fake(&world.catalog, &world.cluster, &path, &options, |_| {}).await.unwrap();
    }
    let (catalog, cluster) = (world.catalog.clone(), world.cluster.clone());
    let operator = Operator { catalog, cluster, limit: Limit::default(), usual_limit: false, grace: Duration::ZERO };
    (world, operator)
}

impl Operator {
    async fn done(&self, task: Task) -> Done {
        self.run(task, |_| {}).await.unwrap()
    }

    /// Every presentation reads back whole, nothing moves any more, and no node has what it should not.
    async fn assert_whole(&self, world: &World, after: &str) {
        assert_eq!(self.catalog.moves().await.unwrap(), [], "{after}");
        let presentations = self.catalog.presentations().await.unwrap();
        for presentation in &presentations {
            let report = check(&self.cluster, presentation, |_, _| {}).await;
            assert!(report.is_good(), "{after}: {}: {report:?}", presentation.name);
        }
        let layouts = self.catalog.sealed_layouts().await.unwrap();
        for node in self.answering().await {
            for listing in self.cluster.list_objects(node).await.unwrap() {
                let layout = layouts.iter().find(|layout| layout.object == listing.object);
                let layout = layout.unwrap_or_else(|| panic!("{after}: {} on {node} is nobody's", listing.object));
                let summary = self.cluster.object_summary(node, layout.object).await.unwrap();
                assert_eq!(summary.units, units_on(layout, node), "{after}: {} on {node}", layout.object);
            }
        }
        assert_eq!(world.node_ids().len(), world.addresses().len());
    }

    /// Bytes of all objects on each node, parity included.
    async fn bytes_by_node(&self) -> BTreeMap<NodeId, u64> {
        let mut bytes = BTreeMap::new();
        for layout in self.catalog.sealed_layouts().await.unwrap() {
            for address in (0..layout.rows()).flat_map(|row| layout.row_units(row)) {
                *bytes.entry(layout.node(address)).or_default() += layout.unit_length(address);
            }
        }
        bytes
    }
}

fn units_on(layout: &Layout, node: NodeId) -> u64 {
    let units = (0..layout.rows()).flat_map(|row| layout.row_units(row));
    units.filter(|address| layout.node(*address) == node).count() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_comes_and_another_goes() {
    let (world, operator) = world(5, 1).await;
    let ids = world.node_ids();
    let before = operator.bytes_by_node().await;
    let total: u64 = before.values().sum();
    assert_eq!(operator.done(Task::Rebalance).await.objects, 0, "all lies well");

    world.catalog.set_intent(ids[4], Intent::Active).await.unwrap();
    let mut heard = Vec::new();
    let done = operator.run(Task::Rebalance, |progress| heard.push(progress)).await.unwrap();
    assert_eq!((done.objects, done.untidy, &done.problems), (2 * u64::from(FILMS), 0, &vec![]));
    let last = *heard.last().unwrap();
    assert_eq!((last, last.total), (done.progress, last.done));
    // The least possible is what the new node should have.
    assert!(last.done as f64 <= 1.2 * total as f64 / 5.0, "{} of {total} bytes moved", last.done);
    let after = operator.bytes_by_node().await;
    for (node, bytes) in &after {
        // Ten per cent, and what short objects' whole units leave uneven.
        let (even, slack) = (total as f64 / 5.0, f64::from(MIN_UNIT_SIZE) * 2.0 * f64::from(FILMS));
        assert!((*bytes as f64 - even).abs() <= 0.1 * even + slack, "{node}: {bytes} of {even}");
    }
    operator.assert_whole(&world, "a node was added").await;

    assert_eq!(operator.done(Task::Drain(ids[0])).await.objects, 2 * u64::from(FILMS));
    assert!(!operator.bytes_by_node().await.contains_key(&ids[0]));
    operator.assert_whole(&world, "a node was drained").await;
    assert_eq!(operator.done(Task::Remove(ids[0])).await.objects, 0);
    assert!(!world.catalog.nodes().await.unwrap().iter().any(|node| node.id == ids[0]));
    operator.assert_whole(&world, "a node was removed").await;

    assert!(matches!(operator.run(Task::Drain(NodeId(7)), |_| {}).await, Err(OperateError::NoNode(NodeId(7)))));
}

#[tokio::test(flavor = "multi_thread")]
async fn films_are_cut_anew_for_fewer_nodes_than_a_row_has_units() {
    let (mut world, operator) = world(4, 0).await;
    let ids = world.node_ids();
    let before = operator.catalog.presentation("film1").await.unwrap().unwrap();
    let film = std::sync::Arc::new(before.media.clone());
    let source = stripes::net::UnitSource::new(world.cluster.clone(), 0);
    let bytes = source.read_object(&film, 1 << 30).await.unwrap();
    // One is drained, then one that is dead removed.
    for (number, task, dead, data) in [(0, Task::Drain(ids[0]), None, 2), (1, Task::Remove(ids[1]), Some(1), 1)] {
        if let Some(dead) = dead {
            world.stop_node(dead).await;
        }
        let done = operator.done(task).await;
        assert_eq!((done.objects, done.problems.len()), (2 * u64::from(FILMS), 0), "{done:?}");
        assert!(done.progress.done >= film.length && done.progress.done == done.progress.total, "{done:?}");
        operator.assert_whole(&world, "films were cut anew").await;
        for layout in operator.catalog.sealed_layouts().await.unwrap() {
            assert_eq!(
                (layout.policy.data, layout.policy.parity, layout.nodes.len()),
                (data, 1, usize::from(data) + 1)
            );
            assert!(!layout.nodes.contains(&ids[number]));
        }
        // Whoever plays the film since before goes on with the new object, wherever that is by now.
        for (old, layout) in operator.catalog.rewritten_since(0).await.unwrap() {
            source.replace(old, layout.into());
        }
        for unit in 0..film.units() {
            let range = film.unit_bytes(unit);
            let got = source.unit(&film, unit, Duration::from_secs(5)).await.unwrap();
            assert_eq!(got, bytes[range.start as usize..range.end as usize], "unit {unit}");
        }
    }
    // Two are left: one for data and one for parity.
    let error = operator.run(Task::Drain(ids[2]), |_| {}).await.unwrap_err().to_string();
    assert!(
        error.starts_with("film0, film1, film2 need 2 nodes each at least")
            && error.contains("there would be 1; add a node first"),
        "{error}"
    );
    let member = world.catalog.members().await.unwrap().into_iter().find(|member| member.node.id == ids[2]).unwrap();
    assert_eq!(member.intent, Intent::Active);
    // What is not named any more is forgotten with the film that took its place.
    crate::sweep::remove(&operator.catalog, &operator.cluster, "film1").await.unwrap().unwrap();
    assert_eq!(operator.catalog.rewritten_since(0).await.unwrap().len(), 2 * (usize::from(FILMS) - 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_would_lack_something_is_not_cut_anew() {
    let (mut world, operator) = world(4, 0).await;
    let ids = world.node_ids();
    let before = operator.catalog.presentations().await.unwrap();
    world.stop_node(2).await;
    let error = operator.run(Task::Drain(ids[0]), |_| {}).await.unwrap_err().to_string();
    assert!(error.contains(&format!("written anew: writing: node {} at", ids[2])), "{error}");
    assert_eq!(operator.catalog.presentations().await.unwrap(), before);
    world.restart_node(2).await;
    assert_eq!(operator.done(Task::Drain(ids[0])).await.objects, 2 * u64::from(FILMS));
    operator.assert_whole(&world, "it was back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_took_the_place_of_stays_as_long_as_it_may_be_read() {
    let (world, operator) = world(4, 0).await;
    let operator = Operator { grace: Duration::from_secs(2), ..operator };
    let old = operator.catalog.presentation("film0").await.unwrap().unwrap().media;
    let drain = tokio::spawn({
        let (operator, node) = (operator.clone(), world.node_ids()[3]);
        async move { operator.done(Task::Drain(node)).await }
    });
    while operator.catalog.is_sealed(old.object).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let begun = Instant::now();
    crate::sweep::sweep(&operator.catalog, &operator.cluster).await.unwrap();
    let source = stripes::net::UnitSource::new(world.cluster.clone(), 0);
    let read = source.read_object(&old.into(), 1 << 30).await;
    // On a machine that was held up so long it may be gone.
    assert!(read.is_ok() || begun.elapsed() > Duration::from_secs(1), "{read:?}");
    assert_eq!(drain.await.unwrap().objects, 2 * u64::from(FILMS));
    operator.assert_whole(&world, "the time was over").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_node_is_replaced_by_an_empty_one() {
    let (mut world, operator) = world(5, 1).await;
    let ids = world.node_ids();
    world.stop_node(1).await;
    world.catalog.set_intent(ids[4], Intent::Active).await.unwrap();
    let done = operator.done(Task::Remove(ids[1])).await;
    assert_eq!((done.objects >= u64::from(FILMS), done.untidy), (true, 0), "{done:?}");
    operator.assert_whole(&world, "a node was lost and removed").await;
    // It comes back with what it had: nobody's any more.
    world.restart_node(1).await;
    assert!(world.cluster.list_objects(ids[1]).await.unwrap().len() >= usize::from(FILMS));
    let others = world.addresses().into_iter().filter(|node| node.id != ids[1]).collect();
    world.cluster.set_nodes(others).unwrap();
    assert_eq!(operator.done(Task::Remove(ids[1])).await.problems, Vec::<String>::new());
    operator.assert_whole(&world, "the lost one came back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_bad_or_missing_is_written_anew() {
    let (mut world, operator) = world(4, 0).await;
    let ids = world.node_ids();
    assert_eq!(operator.done(Task::Rebuild).await, Done::default());
    let layout = operator.catalog.sealed_layouts().await.unwrap().remove(0);
    world.cluster.delete_object_at(ids[2], layout.object).await.unwrap();
    let missing = units_on(&layout, ids[2]);
    let done = operator.done(Task::Rebuild).await;
    assert_eq!((done.objects, done.progress.bad, done.progress.repaired), (1, missing, missing), "{done:?}");
    operator.assert_whole(&world, "an object was rebuilt").await;
    let done = operator.done(Task::Scrub).await;
    assert_eq!((done.objects, done.progress.bad, done.problems.len()), (0, 0, 0), "{done:?}");
    // What can't be reached is said.
    world.stop_node(0).await;
    let done = operator.done(Task::Scrub).await;
    // An index may be too short to lie on all of them.
    assert!((usize::from(FILMS)..=2 * usize::from(FILMS)).contains(&done.problems.len()), "{done:?}");
    assert!(done.problems[0].contains("on nodes that don't answer"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_broke_off_is_ended_before_anything_is_repaired() {
    for (task, sealed) in [(Task::Rebuild, true), (Task::Scrub, true), (Task::Scrub, false)] {
        let (world, operator) = world(5, 1).await;
        let ids = world.node_ids();
        world.catalog.set_intent(ids[4], Intent::Active).await.unwrap();
        let layout = operator.catalog.presentation("film0").await.unwrap().unwrap().media;
        let new = stripes::rebalance::plan(&layout, &ids).unwrap();
        assert!(operator.catalog.begin_move(&layout, &new).await.unwrap());
        if sealed {
            // All but the last word: the nodes know of the new layout, the catalog does not.
            operator.cluster.move_object(&layout, &new, &operator.limit, |_| {}).await.unwrap();
        }
        world.cluster.delete_object_at(ids[2], layout.object).await.unwrap();
        let done = operator.done(task).await;
        assert_eq!(done.problems, Vec::<String>::new(), "{task:?}, sealed: {sealed}");
        assert!(done.objects > 0 && done.untidy == 0, "{done:?}");
        operator.assert_whole(&world, "a move was ended").await;
        let now = operator.catalog.presentation("film0").await.unwrap().unwrap().media;
        assert_eq!((now.generation > layout.generation, now.nodes.contains(&ids[4])), (true, true));
    }
}

#[test]
fn a_job_says_that_it_lives_though_nothing_is_done() {
    let at = Instant::now();
    let told = Told { progress: JobProgress { done: 7, total: 9, ..JobProgress::default() }, at };
    let further = JobProgress { done: 8, ..told.progress };
    for (progress, after, old) in [
        (told.progress, TELL_EVERY, false),
        (further, TELL_EVERY, true),
        (told.progress, HEARTBEAT - TELL_EVERY, false),
        (told.progress, HEARTBEAT, true),
    ] {
        assert_eq!(told.is_old(&progress, at + after), old, "{progress:?} after {after:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_yields_to_viewers_whose_reads_are_late() {
    let (world, operator) = world(4, 0).await;
    let operator = Operator { limit: Limit::new(Some(1000)), ..operator };
    for (late_percent, rates) in [(0, 1000..=1000), (40, 250..=500), (0, 1000..=1000)] {
        let front = FrontReport { name: "a".into(), late_percent, ..FrontReport::default() };
        world.catalog.claim(&front, &BTreeMap::new()).await.unwrap();
        operator.limit.set(Some(1000));
        let heeding = tokio::time::timeout(HEED_EVERY * 2 + HEED_EVERY / 2, operator.heed_viewers());
        assert!(heeding.await.is_err());
        let rate = operator.limit.rate().unwrap();
        assert!(rates.contains(&rate), "{late_percent} % late: {rate}");
    }
    // The usual one is a quarter of what the nodes have measured by now.
    Operator { limit: Limit::default(), ..operator.clone() }.done(Task::Scrub).await;
    let expected = operator.cluster.maintenance_rate(&world.node_ids()).await;
    let usual = Operator { limit: Limit::new(Some(1000)), usual_limit: true, ..operator };
    let heeding = tokio::time::timeout(HEED_EVERY + HEED_EVERY / 2, usual.heed_viewers());
    assert!(heeding.await.is_err());
    assert_eq!(usual.limit.rate(), Some(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_removed_while_it_moves_leaves_nothing() {
    let (world, operator) = world(5, 1).await;
    world.catalog.set_intent(world.node_ids()[4], Intent::Active).await.unwrap();
    let layout = operator.catalog.presentation("film0").await.unwrap().unwrap().media;
    let new = stripes::rebalance::plan(&layout, &world.node_ids()).unwrap();
    assert!(operator.catalog.begin_move(&layout, &new).await.unwrap());
    let new = operator.cluster.move_object(&layout, &new, &operator.limit, |_| {}).await.unwrap();
    crate::sweep::remove(&operator.catalog, &operator.cluster, "film0").await.unwrap().unwrap();
    assert!(!operator.catalog.commit_move(&new).await.unwrap());
    // A unit that came late.
    let data = vec![0; layout.unit_length(layout.address(0)) as usize];
    let _ = operator.cluster.put_unit(&layout, layout.address(0), data.into()).await;
    assert_eq!(operator.done(Task::Rebalance).await.objects, 2 * (u64::from(FILMS) - 1));
    let rows = operator.catalog.moves().await.unwrap();
    assert!(rows.iter().all(|row| row.state == MoveState::Copying && row.old == layout), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_broken_off_anywhere_is_gone_on_with() {
    let (world, operator) = world(6, 2).await;
    let ids = world.node_ids();
    let slow = Operator { limit: Limit::new(Some(2 << 20)), ..operator.clone() };
    let dead = Owner { start: 0, pid: i64::from(i32::MAX), ..Owner::this_process().clone() };
    let mut broken_off = 0;
    let steps = [
        (Task::Rebalance, Some((ids[4], Intent::Active))),
        (Task::Remove(ids[0]), None),
        (Task::Rebalance, Some((ids[5], Intent::Active))),
        (Task::Drain(ids[2]), None),
        // Fewer than a row has units: films are cut anew.
        (Task::Drain(ids[1]), None),
    ];
    for (number, (task, intent)) in (1u64..).zip(steps) {
        if let Some((node, intent)) = intent {
            world.catalog.set_intent(node, intent).await.unwrap();
        }
        for tries in 0..6 {
            // A job that another process runs is left alone; a dead one's is taken over.
            let patience = Duration::from_millis(3 + 17 * tries * number);
            if tokio::time::timeout(patience, slow.run(task, |_| {})).await.is_err() {
                broken_off += 1;
                let begun = operator.catalog.jobs().await.unwrap().iter().any(|job| job.state == JobState::Running);
                if tries == 1 && begun {
                    assert!(matches!(operator.run(task, |_| {}).await, Err(OperateError::Busy(_))));
                }
                operator.catalog.give_jobs_to(&dead).await;
            }
            for presentation in operator.catalog.presentations().await.unwrap() {
                let report = check(&operator.cluster, &presentation, |_, _| {}).await;
                assert!(report.is_good(), "{task:?}, try {tries}: {report:?}");
            }
        }
        operator.done(task).await;
        operator.assert_whole(&world, &format!("{task:?}")).await;
    }
    assert!(broken_off >= 8, "{broken_off}");
}
