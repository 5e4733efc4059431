//! Whoever plays was promised its rate; whoever can't be promised it is told so before anyone suffers.

use super::{Client, Setting};
use crate::admission::{Admission, Budgets, Promised};
use crate::front::ListenerLimits;
use crate::session::SessionOptions;
use crate::worker::ViewerEvent;
use std::time::Duration;

/// What a viewer of `single` takes on the wire: 1 Mbit/s and its headers.
const VIEWER: u64 = 1_056_195;
const UDP: &str = "RTP/AVP;unicast;client_port=5000-5001";

fn front_for(viewers: u64, timeout: Duration) -> (Setting, Admission) {
    let admission = Admission::default();
    admission.set_budgets(Budgets { front_bps: Some(viewers * VIEWER), ..Budgets::default() });
    let sessions = SessionOptions { timeout, grace: Duration::ZERO, ..SessionOptions::default() };
    (Setting::admitting(sessions, ListenerLimits::default(), admission.clone()), admission)
}

/// Sets `single` up and asks to play it: the status of the answer.
fn play(client: &mut Client, workers: &super::FakeWorkers) -> u16 {
    client.run("set up", &format!("> SETUP single | Transport: {UDP} \n < 200"), workers);
    client.ask("PLAY single | Session: $S");
    client.receive().expect("an answer").status
}

#[test]
fn of_a_hundred_and_fifty_a_hundred_play() {
    let (setting, admission) = front_for(100, Duration::from_secs(60));
    let mut clients: Vec<Client> = (0..150).map(|_| setting.client()).collect();
    let answers: Vec<u16> = clients.iter_mut().map(|client| play(client, &setting.workers)).collect();
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 100, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 453).count(), 50, "{answers:?}");
    assert_eq!(admission.promised(), Promised { viewers: 100, bps: 100 * VIEWER, possible_bps: Some(100 * VIEWER) });
    // Refused is refused only until somebody leaves; who plays already may seek at any time.
    clients[0].run("seek", "> PLAY single | Session: $S | Range: npt=9- \n < 200", &setting.workers);
    clients[149].run("still full", "> PLAY single | Session: $S \n < 453", &setting.workers);
    clients[0].run("leaves", "> TEARDOWN single | Session: $S \n < 200", &setting.workers);
    clients[149].run("comes in", "> PLAY single | Session: $S \n < 200", &setting.workers);
    clients[148].run("full again", "> PLAY single | Session: $S \n < 453", &setting.workers);
}

#[test]
fn every_way_to_stop_gives_back() {
    let (setting, admission) = front_for(1, Duration::from_secs(3));
    let viewers = || admission.promised().viewers;
    let mut first = setting.client();
    assert_eq!(play(&mut first, &setting.workers), 200);
    first.run("pause", "> PAUSE single | Session: $S \n < 200", &setting.workers);
    assert_eq!(viewers(), 0);
    // Refused by the worker.
    first.run("behind the end", "> PLAY single | Session: $S | Range: npt=60.005- \n < 457", &setting.workers);
    assert_eq!(viewers(), 0);
    first.run("on", "> PLAY single | Session: $S \n < 200", &setting.workers);
    assert_eq!(viewers(), 1);
    setting.workers.tell(&ViewerEvent::EndOfStream);
    assert!(setting.until(|_| viewers() == 0), "the film was over");
    first.run("again", "> PLAY single | Session: $S | Range: npt=0- \n < 200", &setting.workers);
    // Over UDP and silent: the timeout.
    assert!(setting.until(|setting| setting.front.sessions() == 0 && viewers() == 0));
    let mut second = setting.client();
    assert_eq!(play(&mut second, &setting.workers), 200);
    setting.workers.tell(&ViewerEvent::Failed("a node is down".into()));
    assert!(setting.until(|_| viewers() == 0), "the worker gave up");
    let mut third = setting.client();
    let carried = "> SETUP single | Transport: RTP/AVP/TCP;unicast;interleaved=0-1 \n < 200
        > PLAY single | Session: $S \n < 200";
    third.run("carried by its connection", carried, &setting.workers);
    assert_eq!(viewers(), 1);
    drop(third);
    assert!(setting.until(|_| viewers() == 0), "its connection closed");
}
