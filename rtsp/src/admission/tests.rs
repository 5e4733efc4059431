use super::*;

const MBIT: u64 = 1_000_000;

fn set(nodes: &[u64]) -> Arc<[NodeId]> {
    nodes.iter().copied().map(NodeId).collect()
}

fn budgets(front_mbit: Option<u64>, nodes: &[(u64, Option<u64>, bool)]) -> Budgets {
    let node = |(id, mbit, up): &(u64, Option<u64>, bool)| {
        (NodeId(*id), NodeBudget { bps: mbit.map(|mbit| mbit * MBIT), held_bps: None, up: *up })
    };
    Budgets { front_bps: front_mbit.map(|mbit| mbit * MBIT), nodes: nodes.iter().map(node).collect() }
}

fn viewer(mbit: u64) -> Demand {
    Demand { read_bps: mbit * MBIT, sent_bps: mbit * MBIT }
}

/// How many viewers of 1 Mbit/s on `set` are let in.
fn admitted(ledger: &mut Ledger, set: &Arc<[NodeId]>) -> u64 {
    (0..1_000).take_while(|_| ledger.take(set, viewer(1)).is_ok()).count() as u64
}

#[test]
fn the_tightest_budget_decides() {
    let (yes, no) = (true, false);
    let four = [1, 2, 3, 4];
    let even = |mbit| [(1, mbit, yes), (2, mbit, yes), (3, mbit, yes), (4, mbit, yes)];
    for (name, budgets, nodes, viewers) in [
        ("no bounds", budgets(None, &[]), &four[..], 1_000),
        ("four nodes of 25", budgets(None, &even(Some(25))), &four, 100),
        ("the front is less", budgets(Some(60), &even(Some(25))), &four, 60),
        ("one is slow", budgets(None, &[(1, Some(25), yes), (2, Some(10), yes)]), &[1, 2], 20),
        ("one is unknown", budgets(None, &[(1, Some(25), yes)]), &[1, 2], 50),
        ("one is unbounded", budgets(None, &[(1, Some(25), yes), (2, None, yes)]), &[1, 2], 50),
        (
            "one of four is down",
            budgets(None, &[even(Some(25))[0], even(Some(25))[1], (3, Some(25), yes), (4, Some(25), no)]),
            &four,
            75,
        ),
        ("the others don't count", budgets(None, &[(1, Some(30), yes), (9, Some(1), yes)]), &[1], 30),
    ] {
        let mut ledger = Ledger::default();
        ledger.set_budgets(budgets);
        assert_eq!(admitted(&mut ledger, &set(nodes)), viewers, "{name}");
    }
}

#[test]
fn what_is_given_back_can_be_promised_again() {
    let mut ledger = Ledger::default();
    ledger.set_budgets(budgets(None, &[(1, Some(10), true), (2, Some(10), true)]));
    let (both, first) = (set(&[1, 2]), set(&[1]));
    assert_eq!(admitted(&mut ledger, &first), 10);
    let error = ledger.take(&both, viewer(2)).unwrap_err();
    assert_eq!(
        error,
        NotEnough { who: format!("node {}", NodeId(1)), promised: 10_000, possible: 10_000, asked: 1_000 }
    );
    assert!(error.to_string().contains("10000 of 10000 kbit/s already and 1000 more"), "{error}");
    ledger.give_back(&first, viewer(1));
    assert_eq!(ledger.take(&both, viewer(2)), Ok(()));
    assert_eq!(ledger.promised(), Promised { viewers: 10, bps: 11 * MBIT, possible_bps: Some(20 * MBIT) });
    ledger.give_back(&both, viewer(2));
    (0..9).for_each(|_| ledger.give_back(&first, viewer(1)));
    assert_eq!(ledger.promised(), Promised { viewers: 0, bps: 0, possible_bps: Some(20 * MBIT) });
    assert!(ledger.sets.is_empty());
}

#[test]
fn a_lost_node_weighs_on_the_others_and_breaks_no_promise() {
    let mut ledger = Ledger::default();
    let four = |up| budgets(None, &[(1, Some(25), true), (2, Some(25), true), (3, Some(25), true), (4, Some(25), up)]);
    ledger.set_budgets(four(true));
    let all = set(&[1, 2, 3, 4]);
    (0..90).for_each(|_| ledger.take(&all, viewer(1)).unwrap());
    ledger.set_budgets(four(false));
    assert_eq!(ledger.promised(), Promised { viewers: 90, bps: 90 * MBIT, possible_bps: Some(75 * MBIT) });
    assert_eq!(ledger.promised_by(&NodeId(1)), 30 * MBIT);
    assert!(ledger.take(&all, viewer(1)).is_err());
    (0..16).for_each(|_| ledger.give_back(&all, viewer(1)));
    assert!(ledger.take(&all, viewer(1)).is_ok());
    assert!(ledger.take(&all, viewer(1)).is_err());
    ledger.set_budgets(four(true));
    assert_eq!(admitted(&mut ledger, &all), 25);
}

#[test]
fn a_promise_is_given_back_when_it_is_dropped() {
    let admission = Admission::default();
    admission.set_budgets(budgets(Some(2), &[]));
    let nodes = [NodeId(2), NodeId(1)];
    let first = admission.promise(&nodes, viewer(1)).unwrap();
    let second = admission.promise(&nodes, viewer(1)).unwrap();
    assert!(admission.promise(&nodes, viewer(1)).unwrap_err().to_string().starts_with("this front"));
    drop(first);
    let third = admission.promise(&nodes, viewer(1));
    assert!(third.is_ok());
    drop((second, third));
    assert_eq!(admission.promised(), Promised { viewers: 0, bps: 0, possible_bps: Some(2 * MBIT) });
}

#[test]
fn a_front_promises_what_it_holds() {
    let mut ledger = Ledger::default();
    let mut given = budgets(None, &[(1, Some(25), true), (2, Some(25), true)]);
    let held = |given: &mut Budgets, mbit: u64| {
        given.nodes.values_mut().for_each(|node| node.held_bps = Some(mbit * MBIT));
    };
    held(&mut given, 10);
    ledger.set_budgets(given.clone());
    let both = set(&[1, 2]);
    assert_eq!(admitted(&mut ledger, &both), 20);
    // What there is, is still told.
    assert_eq!(ledger.promised().possible_bps, Some(50 * MBIT));
    held(&mut given, 100);
    ledger.set_budgets(given);
    assert_eq!(admitted(&mut ledger, &both), 30);
}

#[test]
fn another_rate_needs_another_promise_or_leaves_the_old() {
    let admission = Admission::default();
    admission.set_budgets(budgets(Some(10), &[(1, Some(8), true)]));
    let mut first = admission.promise(&[NodeId(1)], viewer(2)).unwrap();
    let second = admission.promise(&[NodeId(1)], viewer(2)).unwrap();
    let promised = |admission: &Admission| (admission.promised().viewers, admission.promised().bps / MBIT);
    assert_eq!(first.change(&[NodeId(1)], viewer(6)), Ok(()));
    assert_eq!(promised(&admission), (2, 8));
    assert!(first.change(&[NodeId(1)], viewer(7)).unwrap_err().to_string().starts_with("node"));
    assert_eq!(promised(&admission), (2, 8));
    assert_eq!(admission.promised_by_nodes()[&NodeId(1)], 8 * MBIT);
    first.change(&[NodeId(1)], viewer(1)).unwrap();
    assert_eq!(promised(&admission), (2, 3));
    // From no node, as a channel that is watched live.
    first.change(&[], viewer(4)).unwrap();
    assert_eq!((promised(&admission), admission.promised_by_nodes()[&NodeId(1)]), ((2, 6), 2 * MBIT));
    drop((first, second));
    assert_eq!(promised(&admission), (0, 0));
}
