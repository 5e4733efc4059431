//! The conformance suite against the real program, and against one made wrong on purpose.

mod announcing;
mod edits;
mod faults;
mod formats;
mod proxy;
mod publishing;
mod scripted;
mod sent;
mod two;

use announcing::ANNOUNCING;
use conformance::{
    films::Recipe,
    server::Server,
    suite::{
        self, Case, Need, Offer, Options, Outcome,
        carry::Carry,
        run::{Finished, Pace, Target, run},
    },
};
use proxy::Fault;
use publishing::PUBLISHING;
use scripted::SCRIPTS;
use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Failures that are known: name of the case as reported, and why it is left. One that passes must go from here.
const KNOWN: &[(&str, &str)] = &[];

const FILM: Recipe = Recipe {
    file: "film.mp4",
    length: 24,
    options: "-c:v libx264 -preset veryfast -bf 2 -g 50 -b:v 300k -c:a aac -b:a 64k -movflags +faststart",
};
const OTHER: Recipe =
    Recipe { file: "other.mpg", length: 24, options: "-c:v mpeg1video -b:v 400k -bf 2 -g 15 -c:a mp2 -f mpeg" };

/// More films for the payload formats, and what `as=` makes of one.
const MORE: &[Recipe] = &[
    Recipe { file: "hevc.mp4", length: 12, options: "-c:v libx265 -preset ultrafast -b:v 300k -c:a ac3 -b:a 96k" },
    Recipe { file: "part2.avi", length: 12, options: "-c:v mpeg4 -b:v 300k -c:a pcm_s16le -ar 16000" },
    Recipe {
        file: "web.webm",
        length: 12,
        options: "-c:v libvpx -b:v 300k -deadline realtime -cpu-used 8 -c:a libopus",
    },
    Recipe {
        file: "nine.webm",
        length: 12,
        options: "-c:v libvpx-vp9 -b:v 300k -deadline realtime -cpu-used 8 -row-mt 1 -c:a libvorbis",
    },
];

/// A session timeout short enough to be waited for.
const PATIENT: &str = "[front]\nsession_timeout_s = 10\n";

/// A server of both films and more.
fn server(settings: &str, more: &[Recipe]) -> (Server, PathBuf) {
    let folder = conformance::compare::tempdir().unwrap();
    let config = folder.join("config.toml");
    std::fs::write(&config, settings).unwrap();
    let films: Vec<PathBuf> = [FILM, OTHER].iter().chain(more).map(|film| film.make(&folder).unwrap()).collect();
    let films: Vec<_> = films.iter().map(PathBuf::as_path).collect();
    let server = Server::start_in(&folder.join("data"), &films, &["--config", &config.to_string_lossy()]).unwrap();
    (server, folder)
}

/// Something that is elsewhere.
const MOVED: &str = "[redirects]\nmoved = \"rtsp://elsewhere.example/film\"\n";

/// A channel that takes a publisher.
fn pushed(name: &str) -> String {
    format!("[[channel]]\nname = {name:?}\npush = true\n")
}

/// A server holds 256 MiB of units and what some viewers need; ten thousand connections that say half a request, headers
/// of a million bytes and lengths that lie must not add to that.
const MEMORY_MIB: u64 = 700;

/// The most memory that a process has had so far.
fn peak_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// The tests' program is built without any optimization, takes ten times as long as the one that is meant, and shares two
/// cores with other tests: so much longer it may keep new viewers waiting.
const SOON: Duration = Duration::from_secs(5);

fn options(second: &str) -> Options {
    Options {
        capture: Duration::from_secs(7),
        hostile: true,
        soon: SOON,
        second: Some(second.to_owned()),
        ..Options::default()
    }
}

#[test]
fn the_real_program_holds_every_statement_but_the_known_ones() {
    let (server, folder) = server(&format!("{PATIENT}{}{MOVED}", pushed("live")), MORE);
    let (film, other) = (server.url("film"), server.url("other"));
    let options =
        Arc::new(Options { publish: Some(server.url("live")), moved: Some(server.url("moved")), ..options(&other) });
    let more = ["hevc", "part2", "web", "nine", "film?as=mp2t"].map(|name| server.url(name));
    let urls = [&film, &other].into_iter().chain(&more);
    let targets: Vec<Target> = urls.map(|url| Target::new(Offer::discover(url, &options).unwrap())).collect();
    let pace = Pace { threads: 16, time_limit: Duration::from_secs(120), seed: 1 };
    let results = run(&targets, &suite::cases(), &options, pace, &|_| {});
    let mut failed: HashMap<&str, String> = HashMap::new();
    for Finished { name, outcome, .. } in &results {
        if let Outcome::Fail(expected, came) = outcome {
            failed.insert(name, format!("{name}: expected {expected}; came {came}"));
        }
    }
    for (name, _) in KNOWN {
        assert!(failed.remove(name).is_some(), "{name} is known to fail but passes: take it from the list");
    }
    let failed: Vec<String> = failed.into_values().collect();
    assert!(failed.is_empty(), "{} statements don't hold:\n{}", failed.len(), failed.join("\n"));
    let passed = results.iter().filter(|finished| finished.outcome == Outcome::Pass).count();
    assert!(passed > 280, "only {passed} cases were tried");
    let most = peak_mib(server.pid());
    println!("the server's memory was {most} MiB at most");
    assert!(most < MEMORY_MIB, "{most} MiB of memory after hostile input");
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn it_holds_over_tls_with_passwords_too() {
    let folder = conformance::compare::tempdir().unwrap();
    let key = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let (chain, secret) = (folder.join("chain.pem"), folder.join("key.pem"));
    std::fs::write(&chain, key.cert.pem()).unwrap();
    std::fs::write(&secret, key.signing_key.serialize_pem()).unwrap();
    // The suite says wrong passwords on purpose, more of them than a viewer may.
    let settings = format!(
        "{PATIENT}[auth]\nattempts_a_minute = 10000\n[auth.users]\nann = \"secret\"\n[tls]\ncertificate = {chain:?}\nkey = {secret:?}\n"
    );
    let (server, data) = self::server(&settings, &[]);
    let mut options = options(&server.url("other"));
    options.credentials = Some(("ann".into(), "secret".into()));
    let options = Arc::new(options);
    let skipped = |case: &Case| case.needs(Need::Timeout) || case.needs(Need::Hostile) || case.needs(Need::Udp);
    let cases: Vec<Case> = suite::cases().into_iter().filter(|case| !skipped(case)).collect();
    for (scheme, names) in [("rtsp", vec!["R1-AUT"]), ("rtsps", vec!["R1-", "RTP", "RTCP", "R2-"])] {
        let url = server.url("film").replacen("rtsp", scheme, 1);
        let mut offer = Offer::discover(&url, &options).unwrap();
        assert!(offer.protected && offer.tls.is_some() == (scheme == "rtsps"), "{url}");
        // Over TLS packets stay in the connection: what UDP does is no matter of it.
        offer.udp &= scheme == "rtsp";
        let mine: Vec<Case> =
            cases.iter().copied().filter(|case| names.iter().any(|name| case.id.starts_with(name))).collect();
        let pace = Pace { threads: 8, time_limit: Duration::from_secs(120), seed: 1 };
        let results = run(&[Target::new(offer)], &mine, &options, pace, &|_| {});
        let failed: Vec<String> = results
            .iter()
            .filter(|finished| matches!(finished.outcome, Outcome::Fail(..)))
            .filter(|finished| !KNOWN.iter().any(|(name, _)| *name == finished.name))
            .map(|finished| format!("{scheme} {}: {:?}", finished.name, finished.outcome))
            .collect();
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        assert!(results.iter().filter(|finished| finished.outcome == Outcome::Pass).count() >= 8);
    }
    let blind: Vec<String> = faults::ASKED
        .iter()
        .map(|(id, fault)| {
            let case = cases.iter().find(|case| case.id == *id).unwrap();
            (id, under(([127, 0, 0, 1], server.port).into(), *fault, "film", *case, &options))
        })
        .filter(|(_, outcome)| !matches!(outcome, Outcome::Fail(..)))
        .map(|(id, outcome)| format!("{id}: {outcome:?}"))
        .collect();
    assert!(blind.is_empty(), "cases don't see their fault:\n{}", blind.join("\n"));
    server.stop().unwrap();
    for folder in [folder, data] {
        let _ = std::fs::remove_dir_all(folder);
    }
}

#[test]
fn who_guesses_passwords_is_refused_after_some() {
    let (server, folder) = server("[auth.users]\nann = \"secret\"\n", &[]);
    let credentials = Some(("ann".into(), "secret".into()));
    let options = Arc::new(Options { credentials, lock_out: true, ..options(&server.url("other")) });
    let case = suite::cases().into_iter().find(|case| case.id == "R1-AUT-04").unwrap();
    let offer = Offer::discover(&server.url("film"), &options).unwrap();
    let patient = proxy::start(([127, 0, 0, 1], server.port).into(), faults::PATIENT);
    let faulty = Offer { address: patient, ..offer.clone() };
    for (offer, passes) in [(offer, true), (faulty, false)] {
        let outcome = alone(offer, case, &options);
        assert!(if passes { outcome == Outcome::Pass } else { matches!(outcome, Outcome::Fail(..)) }, "{outcome:?}");
    }
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn it_holds_within_http_and_websocket_too() {
    let (server, folder) = server(PATIENT, &[]);
    std::thread::scope(|scope| {
        for carry in [Carry::Http, Carry::WebSocket] {
            let server = &server;
            scope.spawn(move || {
                let options = Arc::new(Options { carry, hostile: false, ..options(&server.url("other")) });
                let mut offer = Offer::discover(&server.url("film"), &options).unwrap();
                offer.udp = false;
                // Those that are about connections or wait long are looked at without it.
                let tried =
                    ["R1-OPT", "R1-DES", "R1-SET", "R1-PLA", "R1-RNG", "R1-PAU", "R1-SES", "RTP-", "RTCP-", "R2-"];
                let tried = |case: &Case| tried.iter().any(|name| case.id.starts_with(name));
                let cases = suite::cases().into_iter().filter(|case| tried(case) && !case.needs(Need::Timeout));
                let cases: Vec<Case> = cases.collect();
                check(&format!("{carry:?}"), offer, &cases, &options, 80);
            });
        }
    });
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

/// Runs the cases: none fails, and more than `tried` pass.
fn check(name: &str, offer: Offer, cases: &[Case], options: &Arc<Options>, tried: usize) {
    let pace = Pace { threads: 8, time_limit: Duration::from_secs(120), seed: 1 };
    let results = run(&[Target::new(offer)], cases, options, pace, &|_| {});
    let failed = results.iter().filter(|finished| matches!(finished.outcome, Outcome::Fail(..)));
    let failed: Vec<String> =
        failed.map(|finished| format!("{name} {}: {:?}", finished.name, finished.outcome)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let passed = results.iter().filter(|finished| finished.outcome == Outcome::Pass).count();
    assert!(passed > tried, "{name}: only {passed} of {} were tried", results.len());
}

#[test]
fn it_holds_for_channels_too() {
    let (server, folder) = server(&format!("{PATIENT}{CHANNELS}"), &[]);
    std::thread::scope(|scope| {
        for channel in ["always", "kept", "told"] {
            let server = &server;
            scope.spawn(move || {
                // Only one of them is announced.
                let announcements = Duration::from_secs(if channel == "told" { 20 } else { 0 });
                let options = Options { hostile: false, announcements, ..options(&server.url("other")) };
                let options = Arc::new(options);
                let mut offer = Offer::discover(&server.url(channel), &options).unwrap();
                // Groups are leased a moment after the channels are there.
                let begun = Instant::now();
                while channel == "told" && offer.multicast.is_none() && begun.elapsed() < Duration::from_secs(30) {
                    std::thread::sleep(Duration::from_millis(100));
                    offer = Offer::discover(&server.url(channel), &options).unwrap();
                }
                assert!(offer.live, "{channel} is not told to be live");
                // How its feed's clock stands to the wall clock is told when the first second of it is over.
                std::thread::sleep(Duration::from_secs(3));
                let all = suite::cases().into_iter().filter(|case| !case.needs(Need::Timeout));
                // A channel with a group differs in what is said of groups alone.
                let tried = |case: &Case| channel != "told" || case.needs(Need::Multicast);
                let all: Vec<Case> = all.filter(tried).collect();
                check(channel, offer, &all, &options, if channel == "told" { 10 } else { 180 });
            });
        }
    });
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

/// Channels for the faults of live presentations. Groups stay on the machine, and need no route; the one that is told of is
/// announced more often than it should be.
const CHANNELS: &str = "[[channel]]\nname = \"always\"\nplaylist = [\"film\"]\nloop = true\n\
                        [[channel]]\nname = \"kept\"\nplaylist = [\"film\"]\nloop = true\nwindow_s = 600\n\
                        [[channel]]\nname = \"group\"\nplaylist = [\"film\"]\nloop = true\nmulticast = {}\n\
                        [[channel]]\nname = \"told\"\nplaylist = [\"film\"]\nloop = true\nmulticast = { always = true }\n\
                        [multicast]\ninterface = \"127.0.0.1\"\nannounce_s = 1\nannounce_bit_s = 100000\n";

#[test]
fn every_case_sees_its_fault() {
    let publishing: Vec<String> = PUBLISHING.iter().map(|(id, _)| pushed(&publishing::channel(id))).collect();
    let (server, folder) = server(&format!("{PATIENT}{CHANNELS}{}{MOVED}", publishing.concat()), MORE);
    let address = ([127, 0, 0, 1], server.port).into();
    // The last are tried first: those that take long.
    let tables = [
        (faults::SAID, "film"),
        (two::TWO, "film"),
        (two::KEPT, "kept"),
        (sent::SENT, "film"),
        (sent::SENT_OTHER, "other"),
        (formats::HEVC, "hevc"),
        (formats::PART2, "part2"),
        (formats::WEB, "web"),
        (formats::NINE, "nine"),
        (formats::TS, "film?as=mp2t"),
        (faults::CHANNEL, "always"),
        (faults::GROUP, "group"),
        (PUBLISHING, "film"),
        (faults::LATE, "film"),
    ];
    let jobs: Vec<(&str, Fault, &str)> =
        tables.iter().flat_map(|(table, film)| table.iter().map(move |(id, fault)| (*id, *fault, *film))).collect();
    let all: HashMap<&str, Case> = suite::cases().into_iter().map(|case| (case.id, case)).collect();
    let elsewhere = faults::ASKED.iter().map(|(id, _)| *id).chain(SCRIPTS.iter().map(|(id, ..)| *id));
    let elsewhere = elsewhere.chain(ANNOUNCING.iter().map(|(id, ..)| *id)).chain(["R1-AUT-04"]);
    let with_fault: HashSet<&str> = jobs.iter().map(|(id, ..)| *id).chain(elsewhere).collect();
    let without: Vec<&str> = all.keys().copied().filter(|id| !with_fault.contains(id)).collect();
    assert!(without.is_empty(), "{} cases have no fault: {without:?}", without.len());
    let options = options(&server.url("other"));
    // What came of it, where the case did not see its fault.
    let missed = |id: &str, outcome: Outcome| match outcome {
        Outcome::Fail(..) => None,
        other => Some(format!("{id}: {other:?}")),
    };
    let unseen = |(id, fault, film): (&str, Fault, &str)| missed(id, under(address, fault, film, all[id], &options));
    let (jobs, blind) = (Mutex::new(jobs), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                loop {
                    let Some(job) = jobs.lock().unwrap().pop() else { return };
                    if unseen(job).is_some() {
                        blind.lock().unwrap().push(job);
                    }
                }
            });
        }
    });
    // As the suite does it: beside 23 others the fault itself may come too late to be seen, where it is a dead server.
    let mut blind: Vec<String> = blind.into_inner().unwrap().into_iter().filter_map(unseen).collect();
    blind.extend(ANNOUNCING.iter().filter_map(|(id, ttl, packet)| {
        missed(id, announcing::announced(&server.url("group"), *ttl, *packet, all[id], &options))
    }));
    assert!(
        blind.is_empty(),
        "{} of {} cases don't see their fault:\n{}",
        blind.len(),
        with_fault.len(),
        blind.join("\n")
    );
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn formats_that_no_film_has_are_told_right_from_wrong() {
    let all: HashMap<&str, Case> = suite::cases().into_iter().map(|case| (case.id, case)).collect();
    std::thread::scope(|scope| {
        for (id, right, wrong) in SCRIPTS {
            let case = all[id];
            scope.spawn(move || {
                assert_eq!(scripted::judged(case, *right), Outcome::Pass, "{id}");
                let outcome = scripted::judged(case, *wrong);
                assert!(matches!(outcome, Outcome::Fail(..)), "{id} doesn't see its fault: {outcome:?}");
            });
        }
    });
}

/// The outcome of one case against the server with this fault. What was offered is found out without the fault.
fn under(server: SocketAddr, fault: Fault, film: &str, case: Case, options: &Options) -> Outcome {
    let through = proxy::start(server, fault);
    let sdp = matches!(fault, Fault::Sdp(_) | Fault::Lose(_))
        || ["R1-DES", "R1-OPT-01b", "MC-01"].iter().any(|start| case.id.starts_with(start));
    let mut options = options.clone();
    options.capture = Duration::from_secs(if case.id.starts_with("RTP-10") { 8 } else { 3 });
    options.patience = Duration::from_secs(2);
    options.udp = !case.needs(Need::EachTransport);
    options.publish = Some(format!("rtsp://{through}/{}", publishing::channel(case.id)));
    options.moved = Some(format!("rtsp://{through}/moved"));
    let options = Arc::new(options);
    let honest = proxy::start(server, Fault::Mute(|_| false));
    let asked = if sdp { through } else { honest };
    // A busy machine takes longer to say what it offers than a case has.
    let patient = Options { patience: Duration::from_secs(20), ..Options::clone(&options) };
    let mut offer = match Offer::discover(&format!("rtsp://{asked}/{film}"), &patient) {
        Ok(offer) => offer,
        Err(stop) => return Outcome::Fail("an offer".into(), format!("{stop:?}")),
    };
    offer.address = through;
    if case.id == "R1-TLS-01" {
        // It has no certificate.
        offer.tls = Some("localhost".into());
    }
    alone(offer, case, &options)
}

/// The outcome of one case.
fn alone(offer: Offer, case: Case, options: &Arc<Options>) -> Outcome {
    let pace = Pace { threads: 1, time_limit: Duration::from_secs(120), seed: 1 };
    let results = run(&[Target::new(offer)], &[case], options, pace, &|_| {});
    results.into_iter().next().map_or(Outcome::Skip("not run".into()), |finished| finished.outcome)
}
