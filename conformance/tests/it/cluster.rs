//! Nodes, front and adding as processes of their own, and a catalog that is lost and found again.

use conformance::{
    compare::{Transport, compare, tempdir},
    films::Recipe,
    server::{Process, free_port, mobidic},
};
use std::{path::Path, time::Duration};

fn run(data: &Path, arguments: &[&str]) -> String {
    let (status, out, err) = mobidic(&[arguments, &["--data", &data.to_string_lossy()]].concat()).unwrap();
    assert_eq!(status, 0, "{arguments:?}: {out}{err}");
    out
}

#[test]
fn nodes_and_front_run_apart_and_the_nodes_alone_know_every_film() {
    let folder = tempdir().unwrap();
    let film = Recipe { file: "apart.mp4", length: 4, options: "-c:v libx264 -bf 2 -g 25 -b:v 2M -c:a aac" };
    let film = film.make(&folder).unwrap();
    let data = folder.join("data");
    std::fs::create_dir_all(&data).unwrap();
    let (mut nodes, mut urls) = (Vec::new(), Vec::new());
    for number in 0..3 {
        let place = folder.join(format!("node-{number}"));
        let place = place.to_string_lossy();
        let (node, ready) = Process::start(["node", "--folder", &place, "--listen", "127.0.0.1:0"]).unwrap();
        urls.push(ready.split_whitespace().nth(2).unwrap().to_owned());
        nodes.push(node);
    }
    let listen = format!("127.0.0.1:{}", free_port().unwrap());
    let catalog = data.join("catalog.db").to_string_lossy().into_owned();
    let mut arguments = vec!["front", "--catalog", &catalog, "--listen", &listen];
    urls.iter().for_each(|url| arguments.extend(["--node", url.as_str()]));
    let (front, _) = Process::start(&arguments).unwrap();
    // Added while the front runs: it is there at once.
    run(&data, &["add", &film.to_string_lossy()]);
    assert!(!data.join("nodes").exists(), "no further nodes were started");
    let url = format!("rtsp://{listen}/apart");
    let report = compare(&film, &url, Transport::Tcp, Duration::from_secs(30)).unwrap();
    assert!(report.is_exact(), "{report}");
    let shown = run(&data, &["show", "apart"]);
    assert!(urls.iter().all(|url| shown.contains(url)), "{shown}");
    front.stop("TERM").unwrap();
    // The catalog is lost; the nodes are not.
    for file in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = std::fs::remove_file(data.join(file));
    }
    let (front, ready) = Process::start(&arguments).unwrap();
    assert!(ready.contains("0 presentations"), "{ready}");
    assert!(run(&data, &["catalog", "rebuild"]).contains("named apart"));
    let report = compare(&film, &url, Transport::Udp, Duration::from_secs(30)).unwrap();
    assert!(report.is_exact(), "{report}");
    run(&data, &["rm", "apart"]);
    assert!(!run(&data, &["ls"]).contains("apart"));
    front.stop("TERM").unwrap();
    nodes.into_iter().for_each(|node| node.stop("TERM").unwrap());
    let _ = std::fs::remove_dir_all(folder);
}
