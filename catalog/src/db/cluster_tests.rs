use super::*;
use std::collections::BTreeMap;
use stripes::id::{NodeId, ObjectId};
use stripes::layout::{Layout, MIN_UNIT_SIZE, Policy};

async fn open(folder: &Path) -> Catalog {
    Catalog::open(&folder.join("catalog.db"), CatalogOptions::default()).await.unwrap()
}

/// A sealed object without a presentation.
async fn sealed(catalog: &Catalog, layout: &Layout) {
    catalog.begin_object(layout.object).await.unwrap();
    sqlx::query("UPDATE objects SET state = 'sealed', layout = $2 WHERE id = $1")
        .bind(layout.object.to_string())
        .bind(serde_json::to_string(layout).unwrap())
        .execute(&catalog.pool)
        .await
        .unwrap();
}

fn layout(object: u128, first: u16) -> Layout {
    let policy = Policy { unit_size: MIN_UNIT_SIZE, data: 3, parity: 1 };
    Layout::new(ObjectId(object), 9_000, policy, (0..4).map(NodeId).collect(), first)
}

#[tokio::test]
async fn what_is_wanted_of_a_node_outlives_its_address() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(folder.path()).await;
    let node = |id, url: &str| Node { id: NodeId(id), url: url.into() };
    for id in 1..4 {
        catalog.put_node(&node(id, "http://a")).await.unwrap();
    }
    assert!(catalog.set_intent(NodeId(1), Intent::Draining).await.unwrap());
    assert!(catalog.set_intent(NodeId(3), Intent::Removed).await.unwrap());
    assert!(!catalog.set_intent(NodeId(9), Intent::Active).await.unwrap());
    catalog.set_read_rate(NodeId(1), Some(20_000_000)).await.unwrap();
    catalog.put_node(&node(1, "http://b")).await.unwrap();
    assert_eq!(catalog.nodes().await.unwrap(), [node(1, "http://b"), node(2, "http://a")]);
    let first = Member { node: node(1, "http://b"), intent: Intent::Draining, read_rate: Some(20_000_000) };
    let members = catalog.members().await.unwrap();
    assert_eq!((members.len(), &members[0]), (3, &first));
    assert_eq!((members[2].intent, members[2].intent.word()), (Intent::Removed, "removed"));
}

#[tokio::test]
async fn a_move_turns_the_layout_once_and_is_seen_by_all() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(folder.path()).await;
    let (old, new) = (layout(1, 0), layout(1, 3));
    sealed(&catalog, &old).await;
    sealed(&catalog, &layout(2, 0)).await;
    assert!(!catalog.begin_move(&new, &old).await.unwrap(), "it does not lie like that");
    assert!(!catalog.commit_move(&new).await.unwrap(), "it does not move");
    assert!(catalog.begin_move(&old, &layout(1, 2)).await.unwrap());
    assert!(catalog.begin_move(&old, &new).await.unwrap(), "planned anew");
    let moving = catalog.moves().await.unwrap().remove(0);
    assert_eq!((&moving.old, &moving.new, moving.state), (&old, &new, MoveState::Copying));
    assert_eq!(catalog.moved_since(0).await.unwrap(), (vec![], 0));
    let new = Layout { generation: 7, ..new };
    assert!(catalog.commit_move(&new).await.unwrap());
    assert!(!catalog.commit_move(&new).await.unwrap(), "it is done");
    assert_eq!(catalog.sealed_layouts().await.unwrap(), [new.clone(), layout(2, 0)]);
    assert_eq!(catalog.moves().await.unwrap()[0].state, MoveState::Committed);
    let (seen, number) = catalog.moved_since(0).await.unwrap();
    assert_eq!((seen, number), (vec![new.clone()], 1));
    assert_eq!(catalog.moved_since(number).await.unwrap(), (vec![], 1));
    catalog.end_move(old.object).await.unwrap();
    assert!(catalog.moves().await.unwrap().is_empty());
    // The other one's number is higher, whatever its own history.
    assert!(catalog.begin_move(&layout(2, 0), &layout(2, 1)).await.unwrap());
    assert!(catalog.commit_move(&layout(2, 1)).await.unwrap());
    assert_eq!(catalog.moved_since(number).await.unwrap(), (vec![layout(2, 1)], 2));
    // It takes its number with it; nobody gets that again.
    sqlx::query("DELETE FROM objects WHERE id = $1")
        .bind(ObjectId(2).to_string())
        .execute(&catalog.pool)
        .await
        .unwrap();
    let newer = Layout { generation: 8, ..layout(1, 1) };
    assert!(catalog.begin_move(&new, &newer).await.unwrap());
    assert!(catalog.commit_move(&newer).await.unwrap());
    assert_eq!(catalog.moved_since(2).await.unwrap(), (vec![newer], 3));
}

#[tokio::test]
async fn what_is_not_sealed_any_more_is_not_turned() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(folder.path()).await;
    sealed(&catalog, &layout(1, 0)).await;
    assert!(catalog.is_sealed(ObjectId(1)).await.unwrap());
    assert!(catalog.begin_move(&layout(1, 0), &layout(1, 1)).await.unwrap());
    sqlx::query("UPDATE objects SET state = 'doomed'").execute(&catalog.pool).await.unwrap();
    assert!(!catalog.commit_move(&layout(1, 1)).await.unwrap());
    assert!(!catalog.is_sealed(ObjectId(1)).await.unwrap());
    assert_eq!(catalog.moves().await.unwrap()[0].state, MoveState::Copying);
}

#[tokio::test]
async fn what_names_an_object_names_the_one_that_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(folder.path()).await;
    let segment = |layout| Segment {
        channel: "news".into(),
        line_ns: 1,
        span: Default::default()..rtp::clock::MediaTime(10),
        begun_ns: 1,
        index_at: 8_000,
        layout,
    };
    catalog.begin_object(ObjectId(1)).await.unwrap();
    assert!(catalog.publish_segment(&segment(layout(1, 0))).await.unwrap());
    let rewrite = |old, new| Rewrite { old, new };
    let grace = Duration::from_secs(100);
    let to = async |one: Rewrite| catalog.rewrite_segment(&one, grace).await.unwrap();
    assert!(!to(rewrite(layout(1, 0), layout(2, 0))).await, "nobody has written it");
    for object in 2..5 {
        catalog.begin_object(ObjectId(object)).await.unwrap();
    }
    assert!(!to(rewrite(layout(1, 1), layout(2, 0))).await, "it does not lie like that");
    assert!(
        !catalog
            .rewrite_film(&rewrite(layout(1, 0), layout(2, 0)), &rewrite(layout(3, 0), layout(4, 0)), grace)
            .await
            .unwrap()
    );
    assert_eq!(catalog.sealed_layouts().await.unwrap(), [layout(1, 0)], "all of it happens or nothing");
    assert!(catalog.begin_move(&layout(1, 0), &layout(1, 1)).await.unwrap());
    assert!(to(rewrite(layout(1, 0), layout(2, 0))).await);
    assert!(!to(rewrite(layout(1, 0), layout(3, 0))).await, "it is another one now");
    assert_eq!(catalog.segments("news").await.unwrap(), [segment(layout(2, 0))]);
    assert_eq!(catalog.moves().await.unwrap(), []);
    let old = catalog.unsealed_objects().await.unwrap().remove(0);
    assert_eq!((old.id, old.state), (ObjectId(1), ObjectState::Doomed));
    assert!((1..=100).contains(&(old.heartbeat - now())), "{old:?}");
    let (_, seen) = catalog.moved_since(0).await.unwrap();
    assert_eq!(catalog.rewritten_since(0).await.unwrap(), [(ObjectId(1), layout(2, 0))]);
    assert_eq!(catalog.rewritten_since(seen).await.unwrap(), []);
    // Who reads the first is led to the last, wherever that lies.
    assert!(to(rewrite(layout(2, 0), layout(3, 0))).await);
    let moved = Layout { generation: 1, ..layout(3, 2) };
    assert!(catalog.begin_move(&layout(3, 0), &moved).await.unwrap());
    assert!(catalog.commit_move(&moved).await.unwrap());
    let led = [(ObjectId(1), moved.clone()), (ObjectId(2), moved)];
    assert_eq!(catalog.rewritten_since(seen).await.unwrap(), led);
}

#[tokio::test]
async fn one_job_at_a_time_and_the_dead_ones_are_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(folder.path()).await;
    let drain = (JobKind::Drain, Some(NodeId(7)));
    let Begun::Job(first) = catalog.begin_job(drain.0, drain.1).await.unwrap() else { panic!("nothing runs") };
    let progress = JobProgress { done: 10, total: 40, bad: 2, repaired: 1 };
    catalog.job_progress(first, &progress).await.unwrap();
    let Begun::Busy(busy) = catalog.begin_job(JobKind::Scrub, None).await.unwrap() else { panic!("one runs") };
    assert_eq!((busy.id, busy.kind, busy.node), (first, drain.0, drain.1));
    assert_eq!((busy.done, busy.total, busy.bad, busy.repaired), (10, 40, 2, 1));
    let dead = Owner { start: 0, pid: i64::from(i32::MAX), ..Owner::this_process().clone() };
    catalog.give_jobs_to(&dead).await;
    assert_eq!(catalog.jobs().await.unwrap()[0].state, JobState::BrokenOff);
    // Another kind begins anew, the same goes on.
    let Begun::Job(second) = catalog.begin_job(JobKind::Scrub, None).await.unwrap() else { panic!("nothing lives") };
    assert_ne!(second, first);
    catalog.end_job(second, false, "no").await.unwrap();
    assert_eq!(catalog.begin_job(drain.0, drain.1).await.unwrap(), Begun::Job(first));
    catalog.end_job(first, true, "").await.unwrap();
    let states: Vec<_> = catalog.jobs().await.unwrap().iter().map(|job| (job.id, job.state)).collect();
    assert_eq!(states, [(second, JobState::Failed), (first, JobState::Done)]);
}

#[tokio::test]
async fn fronts_say_what_they_promised() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(folder.path()).await;
    let mut front = FrontReport {
        name: "a:8554".into(),
        viewers: 2,
        promised_bps: 3_000,
        possible_bps: Some(9_000),
        late_percent: 7,
        ..FrontReport::default()
    };
    catalog.claim(&front, &BTreeMap::new()).await.unwrap();
    front.possible_bps = None;
    let kept = catalog.claim(&front, &[(NodeId(1), 500)].into()).await.unwrap();
    assert_eq!(kept.nodes[&NodeId(1)].held_bps, 500);
    let found = catalog.fronts().await.unwrap().remove(0);
    assert!(found.seen > 0);
    assert_eq!(found, kept);
    assert_eq!(FrontReport { seen: 0, nodes: BTreeMap::new(), ..found }, front);
    catalog.remove_front("a:8554").await.unwrap();
    assert!(catalog.fronts().await.unwrap().is_empty());
}
