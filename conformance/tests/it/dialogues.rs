//! The recorded dialogues of real players, said again to the real program.

use conformance::{
    dialogue::{self, Dialogue},
    films::Recipe,
    server::Server,
};
use std::net::SocketAddr;

/// Which recordings: ordinary play, pause, seek, rate, keep-alive, fallback and end of the players against other
/// servers. Multicast, tunnels, authentication and publishing are other servers' business as yet.
fn replayable(name: &str) -> bool {
    const CASES: &[&str] = &[
        "play",
        "pause",
        "seek",
        "rate",
        "faster",
        "keepalive",
        "end-of-stream",
        "two-tracks",
        "paused-70s",
        "timeout10",
        "mpg",
        "udp-silent",
        "server-closes",
    ];
    const NOT: &[&str] = &["publish", "auth", "mcast", "multicast", "http", "rtsp2", "rtsp20", "v2", "onvif"];
    let players = ["vlc_", "ffmpeg_", "ffplay_", "gst", "mpv_", "mplayer_", "openrtsp_", "retina_"];
    players.iter().any(|player| name.starts_with(player))
        && CASES.iter().any(|case| name.contains(case))
        && !NOT.iter().any(|not| name.contains(not))
}

#[test]
fn every_player_is_answered_as_it_needs() {
    let Some(folder) = dialogue::folder() else {
        println!("skipped: no folder of recorded dialogues");
        return;
    };
    let work = conformance::compare::tempdir().unwrap();
    // Long enough for the seeks of the recordings, small enough to be made in a moment.
    let film = Recipe {
        file: "long.mpg",
        length: 310,
        options: "-s 176x144 -r 25 -c:v mpeg1video -b:v 150k -g 12 -c:a mp2 -b:a 64k -f mpeg",
    };
    let film = film.make(&work).unwrap();
    let server = Server::start(&[&film]).unwrap();
    let address: SocketAddr = ([127, 0, 0, 1], server.port).into();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let dialogues: Vec<Dialogue> = files
        .iter()
        .filter(|path| path.file_stem().is_some_and(|name| replayable(&name.to_string_lossy())))
        .map(|path| dialogue::read(path).unwrap())
        .collect();
    assert!(dialogues.len() > 60, "only {} dialogues found", dialogues.len());
    let url = server.url("long");
    let faults: Vec<String> = std::thread::scope(|scope| {
        let parts = dialogues.chunks(dialogues.len().div_ceil(24)).map(|part| {
            let url = &url;
            scope.spawn(move || part.iter().flat_map(|dialogue| check(dialogue, address, url)).collect::<Vec<_>>())
        });
        let threads: Vec<_> = parts.collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    println!("{} dialogues said again", dialogues.len());
    server.stop().unwrap();
    let _ = std::fs::remove_dir_all(work);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn check(dialogue: &Dialogue, server: SocketAddr, url: &str) -> Vec<String> {
    let replay = match dialogue::replay(dialogue, server, url) {
        Ok(replay) => replay,
        Err(error) => return vec![format!("{}: {error:#}", dialogue.name)],
    };
    let mut faults: Vec<String> = replay.faults.iter().map(|fault| format!("{}: {fault}", dialogue.name)).collect();
    let mut torn_down = false;
    for (method, status) in &replay.answers {
        // After TEARDOWN a player's last words find no session; strange URLs find no film.
        let allowed = match status {
            200 => true,
            // Or the recorded server had closed the connection, and with it went what was interleaved on it.
            454 => torn_down || dialogue.name.contains("server-closes"),
            // Backwards is not played: the range of such a PLAY is none.
            457 => dialogue.name.starts_with("gstreamer_") && dialogue.name.contains("-rate_"),
            404 | 451 | 459 => {
                !replay.answers.iter().any(|(method, status)| method == "PLAY" && *status == 200) || torn_down
            }
            _ => false,
        };
        if !allowed {
            faults.push(format!("{}: {method} was answered {status}: {:?}", dialogue.name, replay.answers));
        }
        torn_down |= method == "TEARDOWN";
    }
    let played = replay.answers.iter().any(|(method, status)| method == "PLAY" && *status == 200);
    if played && replay.packets == 0 {
        faults.push(format!("{}: PLAY and not one packet", dialogue.name));
    }
    faults
}
