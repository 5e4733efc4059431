//! Right and wrong passwords, nonces, and what real players have answered.

use super::*;
use crate::message::{Framer, Incoming};
use std::path::{Path, PathBuf};

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

fn auth(options: AuthOptions, now: Instant) -> Auth {
    let auth = Auth::new(options, now);
    auth.set_users([user("ann", "mobidic", "secret"), user("other", "elsewhere", "secret")]);
    auth
}

fn request(method: &str, uri: &str, authorization: &str) -> Request {
    let mut framer = Framer::new();
    framer.handle(format!("{method} {uri} RTSP/1.0\r\nCSeq: 1\r\nAuthorization: {authorization}\r\n\r\n").as_bytes());
    match framer.poll() {
        Some(Ok(Incoming::Request(request))) => request,
        other => panic!("{authorization}: {other:?}"),
    }
}

/// What a player answers to `challenge`.
fn answer(challenge: &str, name: &str, password: &str, uri: &str, with_qop: bool, says: bool) -> Request {
    let part = |key: &str| {
        let rest = challenge.split_once(&format!("{key}=")).unwrap().1.trim_start_matches('"');
        rest.split(['"', ',']).next().unwrap().to_owned()
    };
    let algorithm = if part("algorithm") == "MD5" { Algorithm::Md5 } else { Algorithm::Sha256 };
    let some = |text: &str| with_qop.then(|| text.to_owned());
    let mut digest = crate::headers::Digest {
        username: name.into(),
        realm: part("realm"),
        nonce: part("nonce"),
        uri: uri.into(),
        response: String::new(),
        algorithm: says.then(|| part("algorithm")),
        qop: some("auth"),
        nc: some("00000001"),
        cnonce: some("abc"),
    };
    let a1 = digest::a1(algorithm, name, &digest.realm, password);
    let plain = request("DESCRIBE", "rtsp://h/film/", "Basic eDp5");
    digest.response = digest::response(algorithm, &a1, &digest, &plain).unwrap();
    request("DESCRIBE", "rtsp://h/film/", &Authorization::Digest(Box::new(digest)).to_string())
}

#[test]
fn each_algorithm_with_and_without_qop_is_taken_and_nothing_wrong() {
    let now = Instant::now();
    let auth = auth(AuthOptions { attempts: 1000, ..AuthOptions::default() }, now);
    let challenges = auth.challenges(false, false, now);
    assert!(
        challenges.len() == 2 && challenges[0].contains("SHA-256") && challenges[1].contains("MD5"),
        "{challenges:?}"
    );
    let (ann, ask) = (Verdict::User("ann".into()), Verdict::Ask { stale: false });
    for challenge in &challenges {
        for (qop, says) in [(true, true), (true, false), (false, true), (false, false)] {
            let judge = |name, password, uri: &str| {
                auth.judge(&answer(challenge, name, password, uri, qop, says), PEER, false, now)
            };
            let at = format!("{challenge}, qop {qop}, says {says}");
            assert_eq!(judge("ann", "secret", "rtsp://h/film/"), ann, "{at}");
            assert_eq!(judge("ann", "secret", "rtsp://h/film/track1"), ann, "{at}");
            for (name, password, uri) in [
                ("ann", "Secret", "rtsp://h/film/"),
                ("bob", "secret", "rtsp://h/film/"),
                ("other", "secret", "rtsp://h/film/"),
                ("ann", "secret", "rtsp://h/other"),
            ] {
                assert_eq!(judge(name, password, uri), ask, "{at}: {name} {password} {uri}");
            }
        }
    }
    for (text, verdict) in [("Digest x", None), ("Basic ***", None), ("Basic YW5uOnNlY3JldA==", Some(ask.clone()))] {
        let judged = auth.judge(&request("DESCRIBE", "rtsp://h/film", text), PEER, false, now);
        match verdict {
            Some(verdict) => assert_eq!(judged, verdict, "{text}"),
            None => assert!(matches!(judged, Verdict::Bad(_)), "{text}: {judged:?}"),
        }
    }
}

#[test]
fn basic_is_taken_where_nobody_listens() {
    let now = Instant::now();
    let auth = auth(AuthOptions::default(), now);
    for (text, secure, verdict) in [
        ("Basic YW5uOnNlY3JldA==", true, Verdict::User("ann".into())),
        ("Basic YW5uOnNlY3JldA==", false, Verdict::Ask { stale: false }),
        ("Basic YW5uOndyb25n", true, Verdict::Ask { stale: false }),
    ] {
        assert_eq!(auth.judge(&request("PLAY", "rtsp://h/film", text), PEER, secure, now), verdict, "{text}");
    }
    assert_eq!(auth.challenges(false, true, now).len(), 3);
}

#[test]
fn a_nonce_gets_stale_and_a_guesser_has_to_wait() {
    let now = Instant::now();
    let auth = auth(AuthOptions { attempts: 3, ..AuthOptions::default() }, now);
    let challenge = &auth.challenges(false, false, now)[1];
    let good = answer(challenge, "ann", "secret", "rtsp://h/film/", true, true);
    let later = now + Duration::from_secs(301);
    assert_eq!(auth.judge(&good, PEER, false, later), Verdict::Ask { stale: true });
    assert!(auth.challenges(true, false, later).iter().all(|challenge| challenge.contains("stale=true")));
    let foreign = challenge.replace("nonce=\"0", "nonce=\"1");
    let foreign = answer(&foreign, "ann", "secret", "rtsp://h/film/", true, true);
    assert_eq!(auth.judge(&foreign, PEER, false, now), Verdict::Ask { stale: true });
    let wrong = answer(challenge, "ann", "guess", "rtsp://h/film/", true, true);
    for _ in 0..3 {
        assert_eq!(auth.judge(&wrong, PEER, false, now), Verdict::Ask { stale: false });
    }
    assert_eq!(auth.judge(&good, PEER, false, now), Verdict::Wait);
    assert_eq!(auth.judge(&good, [10, 0, 0, 2].into(), false, now), Verdict::User("ann".into()));
}

#[test]
fn without_users_nobody_is_asked_unless_it_is_required() {
    let now = Instant::now();
    let request = request("PLAY", "rtsp://h/film", "x");
    let open = Auth::new(AuthOptions::default(), now);
    assert_eq!(open.judge(&request, PEER, false, now), Verdict::Open);
    let closed = Auth::new(AuthOptions { required: true, ..AuthOptions::default() }, now);
    assert!(matches!(closed.judge(&request, PEER, false, now), Verdict::Bad(_)));
}

/// Every answer in the recordings was computed with `lab` and `secret`: ours must come out the same.
#[test]
fn recorded_players_would_have_logged_in() {
    let folder = std::env::var_os("MOBIDIC_DIALOGUES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/dialogues"), PathBuf::from);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no dialogues folder");
        return;
    };
    let mut answers = 0;
    for entry in entries.flatten() {
        let path = entry.path();
        let is_login = path.file_name().is_some_and(|name| name.to_string_lossy().contains("_auth-"));
        if !is_login || path.to_string_lossy().contains("nocredentials") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a dialogue");
        let mut line = String::new();
        for said in text.lines().filter_map(|line| line.strip_prefix("C: ")) {
            if said.ends_with(" RTSP/1.0") {
                line = said.to_owned();
            }
            let Some(field) = said.strip_prefix("Authorization: ") else { continue };
            let [method, uri] = [0, 1].map(|word| line.split(' ').nth(word).unwrap_or_default());
            let Ok(Authorization::Digest(digest)) = Authorization::parse(field) else { continue };
            if digest.username != "lab" {
                continue;
            }
            let request = request(method, uri, field);
            let algorithm = digest::algorithm(&digest).expect("an algorithm");
            let a1 = digest::a1(algorithm, "lab", &digest.realm, "secret");
            let right = digest::response(algorithm, &a1, &digest, &request);
            assert_eq!(right.as_deref(), Some(digest.response.as_str()), "{}: {field}", path.display());
            assert!(digest::is_about(&digest, &request), "{}: {line}: {field}", path.display());
            answers += 1;
        }
    }
    assert!(answers > 100, "only {answers} answers in {}", folder.display());
}
