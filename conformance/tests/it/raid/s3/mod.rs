//! Nodes that keep their units in an S3 store: a real server, asked by the real client.

mod store;

use super::world::{Node, World, node_folder};
use conformance::{
    compare::{Transport, compare, tempdir},
    films::Recipe,
    server::free_port,
};
use std::{
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const BUCKET: &str = "films";
const KEY: &str = "mobidic-test";
const SECRET: &str = "a secret of a test";
/// For the server to be installed and to answer.
const START: Duration = Duration::from_secs(60);
const FILM: Recipe = Recipe {
    file: "exact.mp4",
    length: 10,
    options: "-c:v libx264 -preset veryfast -bf 2 -g 50 -b:v 2M -minrate 2M -c:a aac -b:a 96k",
};

/// A running S3 server; killed when dropped.
pub struct S3 {
    folder: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl S3 {
    /// Starts one with an empty bucket, or says why not.
    pub fn start() -> Result<Self, String> {
        let folder = tempdir().unwrap();
        std::fs::create_dir_all(folder.join(BUCKET)).unwrap();
        let mut server = Self { folder, port: free_port().unwrap(), process: None };
        server.restart()?;
        Ok(server)
    }

    /// Again on its folder.
    pub fn restart(&mut self) -> Result<(), String> {
        self.kill();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("s3-server");
        let child = Command::new("bash")
            .arg(script)
            .args([self.folder.as_os_str(), self.port.to_string().as_ref(), KEY.as_ref(), SECRET.as_ref()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("bash: {e}"))?;
        let process = self.process.insert(child);
        let begun = Instant::now();
        while begun.elapsed() < START {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = process.try_wait() {
                return Err(format!("conformance/s3-server ended with {status}: no Python with pip, or no registry"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("conformance/s3-server never answered".to_owned())
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// As for the AWS tools.
    pub fn variables(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    /// Where the bucket's objects lie as files.
    pub fn bucket(&self) -> PathBuf {
        self.folder.join(BUCKET)
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_film_lies_on_nodes_with_a_folder_and_with_a_bucket_and_either_may_fail() {
    let mut s3 = match S3::start() {
        Ok(s3) => s3,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let mut world = World::with(1, &[FILM], |folder| {
        let mut nodes: Vec<Node> = (0..3).map(|number| Node::start(node_folder(folder, number))).collect();
        let store = ["--store".to_owned(), format!("s3://{BUCKET}/nodes/fourth")];
        nodes.push(Node::start_with(s3.bucket(), store.to_vec(), s3.variables()));
        nodes
    });
    let file = world.folder.join(FILM.file);
    let play = |world: &World| {
        let (file, url) = (file.clone(), world.url("exact"));
        std::thread::spawn(move || compare(&file, &url, Transport::Tcp, Duration::from_secs(40)).unwrap())
    };
    world.run(&["check", "exact"]);
    // The store goes away while somebody watches, and comes back as it was; then another node goes.
    let watching = play(&world);
    std::thread::sleep(Duration::from_secs(2));
    s3.kill();
    let report = watching.join().unwrap();
    assert!(report.is_exact(), "{report}");
    s3.restart().unwrap();
    world.nodes[0].kill();
    let watching = play(&world);
    std::thread::sleep(Duration::from_secs(1));
    world.nodes[3].restart();
    world.nodes[0].restart();
    let report = watching.join().unwrap();
    assert!(report.is_exact(), "{report}");
    // What the store has changed is found and mended.
    let units = store::files(&s3.bucket()).into_iter().filter(|file| file.parent().unwrap().ends_with("units"));
    let spoilt = units.step_by(3).map(|unit| {
        let mut bytes = std::fs::read(&unit).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        std::fs::write(&unit, bytes).unwrap();
    });
    let spoilt = spoilt.count();
    assert!(spoilt > 1, "{spoilt} units");
    let said = world.run(&["cluster", "scrub", "--limit", "0"]);
    assert!(said.contains(&format!("{spoilt} units were bad or missing, {spoilt} written anew")), "{said}");
    world.run(&["check", "exact"]);
    world.run(&["rm", "exact"]);
    let left = store::files(&s3.bucket());
    assert_eq!(left, [s3.bucket().join("nodes/fourth/node")], "all but the node's name is gone");
}
