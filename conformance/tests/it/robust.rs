//! Bad files, full disks, killed processes: a clear error, and nothing half-made.

use conformance::{
    client::{self, Client},
    compare::tempdir,
    films::Recipe,
    server::{Server, mobidic, signal},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

const SMALL: Recipe = Recipe { file: "good.mpg", length: 3, options: "-c:v mpeg1video -b:v 300k -c:a mp2 -f mpeg" };

/// Children of a process, by /proc.
fn children(pid: u32) -> Vec<u32> {
    let parent = |entry: &Path| -> Option<u32> {
        let stat = fs::read_to_string(entry.join("stat")).ok()?;
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
    };
    let entries = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    entries
        .filter(|path| parent(path) == Some(pid))
        .filter_map(|path| path.file_name()?.to_str()?.parse().ok())
        .collect()
}

fn runs(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !matches!(state.rsplit(')').next().and_then(|rest| rest.trim().chars().next()), None | Some('Z'))
}

fn wait_until(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    holds()
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    mobidic(arguments).unwrap()
}

fn names(data: &Path) -> Vec<String> {
    let (status, out, err) = run(&["ls", "--json", "--data", &data.to_string_lossy()]);
    assert_eq!(status, 0, "{err}");
    out.split("\"name\": \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// Bytes of all unit files under the data folder.
fn stored(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |path: PathBuf| match path.is_dir() {
        true => stored(&path),
        false => fs::metadata(&path).map(|meta| meta.len()).unwrap_or(0),
    };
    entries.filter_map(|entry| Some(size(entry.ok()?.path()))).sum()
}

fn add(data: &Path, paths: &[&Path], more: &[&str]) -> (i32, String) {
    let data = data.to_string_lossy();
    let paths: Vec<String> = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let mut arguments = vec!["add", "--data", &data];
    arguments.extend(more);
    arguments.extend(paths.iter().map(String::as_str));
    let (status, out, err) = run(&arguments);
    (status, format!("{out}{err}"))
}

#[test]
fn a_bad_file_is_named_with_the_reason_and_the_others_are_added() {
    let folder = tempdir().unwrap();
    let data = folder.join("data");
    let good = SMALL.make(&folder).unwrap();
    let (text, empty, fake) = (folder.join("text.mpg"), folder.join("empty.mp4"), folder.join("fake.mp4"));
    fs::write(&text, "not a film at all\n".repeat(100)).unwrap();
    fs::write(&empty, "").unwrap();
    fs::write(&fake, b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2\0\0\0\x08free").unwrap();
    let missing = folder.join("missing.mpg");
    let (status, said) = add(&data, &[&text, &empty, &fake, &missing, &good], &[]);
    assert_eq!(status, 1, "{said}");
    for file in ["text.mpg", "empty.mp4", "fake.mp4", "missing.mpg"] {
        assert!(said.lines().any(|line| line.contains(file) && line.contains(": ")), "{file} in: {said}");
    }
    assert_eq!(names(&data), ["good"]);
    // A folder, with the same content under another name and another film under the same name.
    let more = folder.join("more");
    fs::create_dir_all(more.join("deep")).unwrap();
    fs::copy(&good, more.join("copy.mpg")).unwrap();
    let other = Recipe { file: "good.mpg", length: 2, ..SMALL };
    other.make(&more.join("deep")).unwrap();
    let (status, said) = add(&data, &[&more], &[]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("copy.mpg"), "{said}");
    let all = names(&data);
    assert_eq!(all.len(), 2, "{all:?}");
    let (status, said) = add(&data, &[&other.make(&folder.join("more")).unwrap()], &["--name", "good"]);
    assert!(status == 0 || said.contains("good"), "{said}");
    // And all that is named reads back whole.
    for name in &all {
        let (status, out, err) = run(&["check", name, "--data", &data.to_string_lossy()]);
        assert_eq!(status, 0, "{out}{err}");
    }
    let (status, _, err) = run(&["show", "nosuch", "--data", &data.to_string_lossy()]);
    assert!(status == 1 && err.contains("nosuch") && err.trim().lines().count() == 1, "{err}");
    assert_eq!(run(&["nosuch"]).0, 2);
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn a_film_cut_anywhere_is_added_or_refused_but_never_breaks_anything() {
    let folder = tempdir().unwrap();
    let data = folder.join("data");
    let films = [
        SMALL.make(&folder).unwrap(),
        Recipe { file: "cut.mp4", length: 3, options: "-c:v libx264 -preset ultrafast -c:a aac" }
            .make(&folder)
            .unwrap(),
    ];
    let mut cuts = Vec::new();
    for film in &films {
        let bytes = fs::read(film).unwrap();
        for tenth in 1..10 {
            let path = film.with_file_name(format!("{}-{tenth}.bin", film.file_stem().unwrap().to_string_lossy()));
            fs::write(&path, &bytes[..bytes.len() * tenth / 10]).unwrap();
            cuts.push(path);
        }
    }
    let paths: Vec<&Path> = cuts.iter().map(PathBuf::as_path).collect();
    let (status, said) = add(&data, &paths, &[]);
    // The MP4 has its tables at the end: each cut of it must be refused, and none may be silent.
    assert_eq!(status, 1, "{said}");
    let refused = said.lines().filter(|line| line.contains("cut-") && line.contains("mp4")).count();
    assert!(refused >= 9, "{said}");
    assert!(!said.contains("panicked"), "{said}");
    for name in names(&data) {
        let (status, out, err) = run(&["check", &name, "--data", &data.to_string_lossy()]);
        assert_eq!(status, 0, "{out}{err}");
    }
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn a_killed_server_leaves_no_orphan_and_its_next_start_sweeps() {
    let folder = tempdir().unwrap();
    let good = SMALL.make(&folder).unwrap();
    let server = Server::start_in(&folder.join("data"), &[&good], &[]).unwrap();
    let nodes = children(server.pid());
    assert_eq!(nodes.len(), 4, "{nodes:?}");
    signal(server.pid(), "KILL").unwrap();
    assert!(wait_until(Duration::from_secs(5), || nodes.iter().all(|pid| !runs(*pid))), "orphans: {nodes:?}");
    drop(server);
    let data = folder.join("data");
    let before = stored(&data.join("nodes"));
    // A film that takes a while, killed in the middle: once some of it lies on the nodes.
    let big = Recipe { file: "big.mpg", length: 60, options: "-s 1280x720 -c:v mpeg2video -q:v 2 -c:a mp2 -f vob" };
    let big = big.make(&folder).unwrap();
    let mut killed = 0;
    for extra in [1u64, 4 << 20, 12 << 20] {
        let program = conformance::server::program().unwrap();
        let mut child = Command::new(program)
            .args(["add", "--data", &data.to_string_lossy(), &big.to_string_lossy()])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        wait_until(Duration::from_secs(30), || {
            stored(&data.join("nodes")) >= before + extra || child.try_wait().unwrap().is_some()
        });
        if child.try_wait().unwrap().is_none() {
            killed += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!names(&data).contains(&"big".to_owned()) || killed == 0);
    }
    assert!(killed > 0, "adding was never in the middle");
    let server = Server::start_in(&data, &[], &[]).unwrap();
    assert_eq!(names(&data), ["good"]);
    let swept = wait_until(Duration::from_secs(10), || stored(&data.join("nodes")) <= before + (1 << 20));
    assert!(swept, "{} bytes lay there before, {} now", before, stored(&data.join("nodes")));
    server.stop().unwrap();
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn a_full_node_refuses_the_film_and_keeps_what_it_has() {
    let folder = tempdir().unwrap();
    let data = folder.join("data");
    let small = data.join("nodes/2");
    fs::create_dir_all(&small).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(&small).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: mounting a small file system is not allowed here");
        return;
    }
    let good = SMALL.make(&folder).unwrap();
    let big = Recipe { file: "big.mpg", length: 30, options: "-c:v mpeg1video -b:v 5M -minrate 5M -c:a mp2 -f mpeg" };
    let big = big.make(&folder).unwrap();
    let (status, said) = add(&data, &[&big, &good], &["--parity", "0"]);
    let unmount = || Command::new("umount").args(["-l".as_ref(), small.as_os_str()]).status();
    if status != 1 || !said.to_lowercase().contains("full") && !said.contains("space") {
        let _ = unmount();
        panic!("{said}");
    }
    assert_eq!(names(&data), ["good"], "{said}");
    let (status, out, err) = run(&["check", "good", "--data", &data.to_string_lossy()]);
    // With parity the film is whole without that node's units.
    let (added, said) = add(&data, &[&big], &[]);
    let _ = unmount();
    assert_eq!(status, 0, "{out}{err}");
    assert!(added == 0 && said.contains("wait for a repair"), "{said}");
    assert_eq!(names(&data), ["big", "good"], "{said}");
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn two_lost_nodes_end_the_viewers_session_and_the_film_is_back_when_they_are() {
    let folder = tempdir().unwrap();
    // More than the read-ahead and the cache of one unit, so that the node is missed.
    let film =
        Recipe { file: "long.mpg", length: 60, options: "-c:v mpeg1video -b:v 1500k -minrate 1500k -c:a mp2 -f mpeg" };
    let film = film.make(&folder).unwrap();
    let server = Server::start_in(&folder.join("data"), &[&film], &[]).unwrap();
    let url = server.url("long");
    let mut client = Client::connect(([127, 0, 0, 1], server.port).into()).unwrap();
    let description = client.request("DESCRIBE", &url, &[]).unwrap();
    for (index, control) in client::controls(&description).iter().enumerate() {
        let transport = format!("RTP/AVP/TCP;unicast;interleaved={}-{}", 2 * index, 2 * index + 1);
        assert_eq!(client.request("SETUP", control, &[("Transport", &transport)]).unwrap().status, 200);
    }
    assert_eq!(client.request("PLAY", &url, &[("Range", "npt=20-")]).unwrap().status, 200);
    assert!(client.frame(Duration::from_secs(3)).unwrap().is_some());
    // Killed ones would be started again at once.
    let lost: Vec<u32> = children(server.pid()).into_iter().take(2).collect();
    lost.iter().for_each(|node| signal(*node, "STOP").unwrap());
    let end = Instant::now() + Duration::from_secs(30);
    let mut bye = false;
    while !bye && Instant::now() < end {
        match client.frame(Duration::from_millis(500)) {
            Ok(Some(frame)) => bye = frame.channel % 2 == 1 && client::has_bye(&frame.bytes),
            Ok(None) => {}
            Err(_) => break,
        }
    }
    assert!(bye, "the viewer was never told");
    let describe = |status| {
        wait_until(Duration::from_secs(15), || {
            let mut client = Client::connect(([127, 0, 0, 1], server.port).into()).unwrap();
            client.request("DESCRIBE", &url, &[]).unwrap().status == status
        })
    };
    assert!(describe(503), "DESCRIBE never said 503");
    lost.iter().for_each(|node| signal(*node, "CONT").unwrap());
    assert!(describe(200), "DESCRIBE never said 200 again");
    drop(server);
    let _ = fs::remove_dir_all(folder);
}
