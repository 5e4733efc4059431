//! The recorded dialogues of real players, said again to the real program.

use conformance::{
    dialogue::{self, Act, Dialogue, Stage},
    films::Recipe,
    server::Server,
};
use std::{path::Path, sync::Mutex};

/// As the players were told when they were recorded.
const USER: (&str, &str) = ("lab", "secret");

/// Dialogues said at a time: they wait most of their time.
const AT_A_TIME: usize = 64;

#[test]
fn every_player_is_answered_as_it_needs() {
    let Some(folder) = dialogue::folder() else {
        println!("skipped: no folder of recorded dialogues");
        return;
    };
    let work = conformance::compare::tempdir().unwrap();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    let dialogues: Vec<Dialogue> = files.iter().map(|path| dialogue::read(path).unwrap()).collect();
    assert!(dialogues.len() > 60, "only {} dialogues found", dialogues.len());
    // Long enough for the seeks of the recordings, small enough to be made in a moment.
    let film = Recipe {
        file: "long.mpg",
        length: 310,
        options: "-s 176x144 -r 25 -c:v mpeg1video -b:v 150k -g 12 -c:a mp2 -b:a 64k -f mpeg",
    };
    let film = film.make(&work).unwrap();
    let publishers = dialogues.iter().filter(|dialogue| publishes(dialogue));
    let channels: String =
        publishers.map(|dialogue| format!("[[channel]]\nname = {:?}\npush = true\n", channel(dialogue))).collect();
    let (user, password) = USER;
    let users = format!(
        "[auth]\nbasic = true\nattempts_a_minute = 10000\npublishers = [{user:?}]\n[auth.users]\n{user} = {password:?}\n"
    );
    let (open, protected) =
        (server(&work, "open", &channels, &film), server(&work, "protected", &(users + &channels), &film));
    let (waiting, faults) = (Mutex::new(dialogues.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(dialogue) = waiting.lock().unwrap().next() else { return };
                    let asks = dialogue.name.contains("auth-");
                    let found = check(dialogue, if asks { &protected } else { &open }, asks);
                    faults.lock().unwrap().extend(found);
                }
            });
        }
    });
    println!("{} dialogues said again", dialogues.len());
    for server in [open, protected] {
        server.stop().unwrap();
    }
    let _ = std::fs::remove_dir_all(work);
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn server(work: &Path, name: &str, settings: &str, film: &Path) -> Server {
    let config = work.join(format!("{name}.toml"));
    std::fs::write(&config, settings).unwrap();
    Server::start_in(&work.join(name), &[film], &["--config", &config.to_string_lossy()]).unwrap()
}

fn publishes(dialogue: &Dialogue) -> bool {
    let announces = |act: &Act| matches!(act, Act::Request(lines, ..) if lines[0].starts_with("ANNOUNCE "));
    dialogue.events.iter().any(|event| announces(&event.act))
}

/// What takes a dialogue's publisher.
fn channel(dialogue: &Dialogue) -> String {
    dialogue.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

/// What is wrong; `asks`: the server asks for a password.
fn check(dialogue: &Dialogue, server: &Server, asks: bool) -> Vec<String> {
    let url = server.url(&if publishes(dialogue) { channel(dialogue) } else { "long".to_owned() });
    let stage = Stage { server: ([127, 0, 0, 1], server.port).into(), url: &url, user: USER };
    let replay = match dialogue::replay(dialogue, stage) {
        Ok(replay) => replay,
        Err(error) => return vec![format!("{}: {error:#}", dialogue.name)],
    };
    let mut faults: Vec<String> = replay.faults.iter().map(|fault| format!("{}: {fault}", dialogue.name)).collect();
    let mut torn_down = false;
    for (method, status, named) in &replay.answers {
        // After TEARDOWN a player's last words find no session; strange URLs find no film.
        let allowed = match status {
            200 => true,
            // Who names itself is let in, and before that everybody may ask what there is.
            401 => asks && !named && method != "OPTIONS",
            // Or the recorded server had closed the connection, and with it went what was interleaved on it; or it let a
            // player have a group that there is none of.
            454 => torn_down || ["server-closes", "multicast"].iter().any(|case| dialogue.name.contains(case)),
            // A film is in no group: the player goes on with what comes next in its list.
            461 => ["multicast", "461-to-udp"].iter().any(|case| dialogue.name.contains(case)),
            // A film has no time by the clock (RFC 2326 12.29).
            501 => dialogue.name.contains("onvif"),
            404 | 451 | 459 => {
                !replay.answers.iter().any(|(method, status, _)| method == "PLAY" && *status == 200) || torn_down
            }
            _ => false,
        };
        if !allowed {
            faults.push(format!("{}: {method} was answered {status}: {:?}", dialogue.name, replay.answers));
        }
        torn_down |= method == "TEARDOWN";
    }
    let played = replay.answers.iter().any(|(method, status, _)| method == "PLAY" && *status == 200);
    if played && replay.packets == 0 {
        faults.push(format!("{}: PLAY and not one packet", dialogue.name));
    }
    faults
}
