//! Names and passwords over the wire, and what lies elsewhere.

use super::{FakeWorkers, Films, Front, ListenerLimits, Setting};
use crate::admission::Admission;
use crate::auth::{Auth, AuthOptions, digest, user};
use crate::headers::{Authorization, Digest};
use crate::server::Rules;
use crate::session::SessionOptions;
use std::sync::Arc;
use std::time::Instant;

fn setting() -> Setting {
    let auth = Auth::new(AuthOptions::default(), Instant::now());
    auth.set_users([user("ann", "mobidic", "secret"), user("bob", "mobidic", "hidden")]);
    let redirects = [("moved".to_owned(), "rtsp://elsewhere/film".to_owned())].into();
    let rules = Rules { auth: Some(Arc::new(auth)), redirects, ..Rules::default() };
    let workers = FakeWorkers::start();
    let (sessions, limits) = (SessionOptions::default(), ListenerLimits::default());
    let front =
        Front::with_rules(Arc::new(Films), workers.clone(), sessions, limits, Admission::default(), rules, None);
    Setting::of(front, workers)
}

/// The field by which somebody answers the challenge in `head`.
fn answer(head: &str, method: &str, uri: &str, name: &str, password: &str) -> String {
    let challenge = head.lines().find(|line| line.contains("algorithm=MD5")).expect("a challenge");
    let nonce = challenge.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a nonce");
    let a1 = digest::hex(&digest::a1(digest::Algorithm::Md5, name, "mobidic", password));
    let hash = |text: String| {
        use md5::Digest as _;
        digest::hex(&md5::Md5::digest(text))
    };
    let a2 = hash(format!("{method}:{uri}"));
    let digest = Digest {
        username: name.into(),
        realm: "mobidic".into(),
        nonce: nonce.into(),
        uri: uri.into(),
        response: hash(format!("{a1}:{nonce}:{a2}")),
        ..Digest::default()
    };
    format!("Authorization: {}", Authorization::Digest(Box::new(digest)))
}

#[test]
fn only_who_knows_the_password_watches_and_only_its_own() {
    let setting = setting();
    let mut client = setting.client();
    client.run("open", "> OPTIONS * \n < 200 | !WWW-Authenticate", &setting.workers);
    client.ask("DESCRIBE film");
    let asked = client.receive().expect("an answer");
    assert_eq!(asked.status, 401);
    let challenges: Vec<&str> = asked.head.lines().filter(|line| line.starts_with("WWW-Authenticate: ")).collect();
    assert_eq!(challenges.len(), 2, "{}", asked.head);
    assert!(challenges[0].contains("SHA-256") && challenges[1].contains("MD5"), "{challenges:?}");
    let login = |method: &str, path: &str, name: &str, password: &str| {
        let url = format!("rtsp://{}/{path}", setting.address);
        answer(&asked.head, method, &url, name, password)
    };
    client.run(
        "nothing else says a thing",
        "
        > DESCRIBE nothing \n < 401
        > SETUP film/track1 | Transport: RTP/AVP/TCP;interleaved=0-1 \n < 401 | !Session
        > PLAY film | Session: guessed \n < 401
        > OPTIONS film | Session: guessed \n < 401",
        &setting.workers,
    );
    client.run(
        "wrong",
        &format!("> DESCRIBE film | {} \n < 401", login("DESCRIBE", "film", "ann", "guess")),
        &setting.workers,
    );
    client.run(
        "right",
        &format!("> DESCRIBE film | {} \n < 200", login("DESCRIBE", "film", "ann", "secret")),
        &setting.workers,
    );
    client.run(
        "404 for who may",
        &format!("> DESCRIBE nothing | {} \n < 404", login("DESCRIBE", "nothing", "ann", "secret")),
        &setting.workers,
    );
    let udp = "Transport: RTP/AVP;unicast;client_port=5000-5001";
    client.run(
        "set up",
        &format!("> SETUP single | {udp} | {} \n < 200", login("SETUP", "single", "ann", "secret")),
        &setting.workers,
    );
    // Whoever has overheard the id: without a name, or with another.
    let mut thief = setting.client();
    thief.session.clone_from(&client.session);
    let of_bob = login("TEARDOWN", "single", "bob", "hidden");
    thief.run(
        "thief",
        &format!(
            "
        > PLAY single | Session: $S \n < 401
        > TEARDOWN single | Session: $S \n < 401
        > TEARDOWN single | Session: $S | {of_bob} \n < 454"
        ),
        &setting.workers,
    );
    let of_ann = login("PLAY", "single", "ann", "secret");
    // On another connection, as itself.
    let mut again = setting.client();
    again.session.clone_from(&client.session);
    again.run("again", &format!("> PLAY single | Session: $S | {of_ann} \n < 200"), &setting.workers);
    for bad in ["Basic", "Basic ***", "Digest", "Basic YQ==", "x"] {
        client.run(bad, &format!("> DESCRIBE film | Authorization: {bad} \n < 400"), &setting.workers);
    }
    let moved = login("DESCRIBE", "moved", "ann", "secret");
    client.run(
        "elsewhere",
        &format!("> DESCRIBE moved | {moved} \n < 302 | Location: = rtsp://elsewhere/film"),
        &setting.workers,
    );
}
