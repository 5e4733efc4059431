use super::*;

const NODE: NodeId = NodeId(1);
const MS: Duration = Duration::from_millis(1);

struct World {
    core: Membership,
    now: Instant,
}

impl World {
    /// Three nodes that have answered in 10 ms so far.
    fn new() -> Self {
        let now = Instant::now();
        let mut core = Membership::new(MembershipOptions::default());
        core.set_nodes([0, 1, 2].map(NodeId), now);
        for _ in 0..WINDOW {
            (0..3).for_each(|node| core.handle_answer(NodeId(node), 10 * MS, now));
        }
        Self { core, now }
    }

    fn pass(&mut self, time: Duration) -> &mut Membership {
        self.now += time;
        &mut self.core
    }

    fn state(&self) -> NodeState {
        self.core.state(NODE)
    }
}

#[test]
fn patience_follows_the_last_reads() {
    let mut world = World::new();
    assert_eq!(world.core.patience(NODE), LEAST_PATIENCE);
    assert_eq!(world.core.patience(NodeId(9)), FIRST_PATIENCE);
    for _ in 0..WINDOW {
        world.core.handle_answer(NODE, 60 * MS, world.now);
    }
    assert_eq!(world.core.patience(NODE), 90 * MS);
    assert_eq!(world.state(), NodeState::Up, "slower than the others, but not by far");
}

#[test]
fn one_failure_is_nothing_two_are_suspect_and_seconds_of_them_down() {
    let mut world = World::new();
    let now = world.now;
    world.core.handle_failure(NODE, now);
    assert_eq!(world.state(), NodeState::Up);
    world.core.handle_answer(NODE, MS, now);
    world.core.handle_failure(NODE, now);
    world.core.handle_failure(NODE, now);
    assert_eq!(world.core.poll_change(), Some((NODE, NodeState::Suspect)));
    assert_eq!(world.core.poll_change(), None);
    for _ in 0..19 {
        let now = world.now + 250 * MS;
        world.pass(250 * MS).handle_check(NODE, false, now);
        assert_eq!(world.state(), NodeState::Suspect);
    }
    let now = world.now + 250 * MS;
    world.pass(250 * MS).handle_check(NODE, false, now);
    assert_eq!(world.state(), NodeState::Down);
    // Up only after two good checks in a row.
    for (good, state) in
        [(true, NodeState::Down), (false, NodeState::Down), (true, NodeState::Down), (true, NodeState::Up)]
    {
        let now = world.now + MS;
        world.pass(MS).handle_check(NODE, good, now);
        assert_eq!(world.state(), state);
    }
}

#[test]
fn who_answers_checks_and_breaks_off_reads_is_up_ever_more_seldom() {
    let mut world = World::new();
    let mut needed = Vec::new();
    for round in 0..8 {
        // Well for a while before the last one: the count begins anew.
        let now = world.now + if round == 7 { SOON } else { MS };
        world.pass(now - world.now).handle_failure(NODE, now);
        world.core.handle_failure(NODE, now);
        assert_eq!(world.state(), NodeState::Suspect);
        let mut checks = 0;
        while world.state() == NodeState::Suspect {
            let now = world.now + 250 * MS;
            world.pass(250 * MS).handle_check(NODE, true, now);
            checks += 1;
        }
        needed.push(checks);
    }
    assert_eq!(needed, [2, 4, 8, 16, 32, 32, 32, 2]);
}

#[test]
fn a_suspect_is_checked_at_once_and_often() {
    let mut world = World::new();
    let now = world.now;
    let all: Vec<_> = std::iter::from_fn(|| world.core.poll_check(now)).collect();
    assert_eq!(all, [0, 1, 2].map(NodeId));
    assert_eq!(world.core.poll_timeout(), Some(now + 1000 * MS));
    world.core.handle_failure(NODE, now + MS);
    assert_eq!(world.core.poll_check(now + MS), Some(NODE));
    world.core.handle_check(NODE, false, now + 2 * MS);
    assert_eq!(world.state(), NodeState::Suspect);
    assert_eq!(world.core.poll_check(now + 2 * MS), Some(NODE));
    assert_eq!(world.core.poll_timeout(), Some(now + 252 * MS));
}

#[test]
fn a_slow_node_is_avoided_tried_and_taken_back() {
    let mut world = World::new();
    for _ in 0..4 {
        assert_eq!(world.state(), NodeState::Up);
        world.core.handle_late(NODE, world.now);
    }
    assert_eq!(world.state(), NodeState::Slow);
    let now = world.now;
    assert!(!world.core.poll_probe(NODE, now + 499 * MS));
    assert!(world.core.poll_probe(NODE, now + 500 * MS));
    assert!(!world.core.poll_probe(NODE, now + 600 * MS));
    for took in [10, 10, 500, 10, 10] {
        world.core.handle_answer(NODE, took * MS, now);
        assert_eq!(world.state(), NodeState::Slow);
    }
    world.core.handle_answer(NODE, 10 * MS, now);
    assert_eq!(world.state(), NodeState::Up);
    // Slow again soon: tried half as often.
    (0..4).for_each(|_| world.core.handle_bad(NODE, now));
    assert_eq!(world.state(), NodeState::Slow);
    assert!(!world.core.poll_probe(NODE, now + 999 * MS));
    assert!(world.core.poll_probe(NODE, now + 1000 * MS));
}

#[test]
fn slow_is_who_is_slower_than_the_others() {
    let mut world = World::new();
    let now = world.now;
    // All get slower together.
    for took in (10..400).step_by(4) {
        (0..3).for_each(|node| world.core.handle_answer(NodeId(node), took * MS, now));
    }
    assert!((0..3).all(|node| world.core.state(NodeId(node)) == NodeState::Up));
    let mut world = World::new();
    assert_eq!(world.core.late_after(NODE), 200 * MS);
    for _ in 0..4 {
        world.core.handle_answer(NODE, 250 * MS, now);
    }
    assert_eq!(world.state(), NodeState::Slow);
    // Now and then one late read is no slow node.
    let mut world = World::new();
    for _ in 0..100 {
        world.core.handle_late(NODE, now);
        world.core.handle_answer(NODE, MS, now);
    }
    assert_eq!(world.state(), NodeState::Up);
}

#[test]
fn nodes_come_and_go() {
    let mut world = World::new();
    let now = world.now;
    (0..2).for_each(|_| world.core.handle_failure(NODE, now));
    world.core.set_nodes([1, 5].map(NodeId), now);
    let states: Vec<_> = world.core.observations().map(|seen| (seen.node.0, seen.state)).collect();
    assert_eq!(states, [(1, NodeState::Suspect), (5, NodeState::Up)]);
    assert_eq!(world.core.state(NodeId(0)), NodeState::Down);
    world.core.handle_failure(NodeId(0), now);
}
