//! Hundreds of viewers through everything that can happen to a node:
//!
//! ```sh
//! cargo run --release -p conformance --example faults -- --rtspload PATH
//! ```
//!
//! Four nodes (3+1), 20 films, 300 viewers over UDP at places of their own (rtspload, which counts their packets), and
//! one whose pictures and sound are compared with the file's. Says what was lost and how late the rest came; it ends
//! with status 1 where anything was lost, or more than one packet in a hundred came later than `--late-ms`. Takes some
//! six minutes. The small disk that gets full needs the right to mount; without it that step is said to be skipped.

#[path = "../../tests/it/raid/harm.rs"]
mod harm;
mod viewers;
#[allow(dead_code, reason = "the tests have use for more of it")]
#[path = "../../tests/it/raid/world.rs"]
mod world;

use anyhow::{Result, ensure};
use clap::Parser;
use conformance::{
    compare::{Transport, compare},
    films::Recipe,
};
use harm::{Fault, Proxy, SmallDisk};
use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};
use viewers::Crowd;
use world::{Node, World, node_folder};

#[derive(Parser)]
struct Options {
    /// The load tool
    #[arg(long)]
    rtspload: PathBuf,
    /// How many watch
    #[arg(long, default_value_t = 300)]
    viewers: usize,
    /// How long they watch once all are there, seconds
    #[arg(long, default_value_t = 240)]
    seconds: u64,
    /// One packet in a hundred may come later than this
    #[arg(long, default_value_t = 100)]
    late_ms: u64,
    /// MB/s that work on the cluster may read
    #[arg(long, default_value_t = 40)]
    limit: u64,
}

const FILMS: usize = 20;
const CONFIG: &str = "[front]\ncache_mib = 32\n";
/// No B pictures, so that lateness can be read off the timestamps.
const FILM: &str =
    "-c:v mpeg1video -b:v 500k -minrate 500k -maxrate 500k -bufsize 250k -bf 0 -g 25 -c:a mp2 -b:a 96k -f mpeg";
const EXACT: &str = "-c:v libx264 -preset veryfast -bf 2 -g 50 -b:v 500k -c:a aac -b:a 96k";
/// Does not fit the small disk beside the others' part.
const BIG: Recipe = Recipe { file: "big.mpg", length: 60, options: "-c:v mpeg1video -b:v 12M -minrate 12M -f mpeg" };
/// The films are longer than anybody watches by this: where they begin, and until all are there.
const MARGIN_S: u64 = 60;
/// Node 3's disk, beyond its part of the films.
const ROOM_MIB: u32 = 3;

/// The cluster and what spoils it.
struct Scene {
    world: World,
    proxy: Proxy,
    disk: Option<SmallDisk>,
    big: PathBuf,
    limit: String,
}

/// What happens, and at which second at the earliest.
type Step = (u64, &'static str, fn(&mut Scene));

const STEPS: &[Step] = &[
    (5, "kill -9 of node 0", |scene| scene.world.nodes[0].kill()),
    (15, "node 0 is started again", |scene| scene.world.nodes[0].restart()),
    (20, "SIGSTOP of node 1, for 30 s", |scene| scene.world.nodes[1].signal("STOP")),
    (50, "node 1 goes on", |scene| scene.world.nodes[1].signal("CONT")),
    (55, "node 2 answers noise", |scene| scene.proxy.set(Fault::Noise)),
    (60, "node 2 answers less than it says", |scene| scene.proxy.set(Fault::Short)),
    (65, "node 2 is well again", |scene| scene.proxy.set(Fault::None)),
    (68, "node 2 at a twentieth of its rate", |scene| scene.proxy.set(Fault::Slow)),
    (78, "node 2 is well again", |scene| scene.proxy.set(Fault::None)),
    (81, "node 2's answers have other bytes", |scene| scene.proxy.set(Fault::Flipped)),
    (86, "node 2 is well again", |scene| scene.proxy.set(Fault::None)),
    (90, "bits of a unit file of node 0 are flipped", |scene| scene.world.nodes[0].spoil()),
    (94, "a scrub mends them: with a node lost beside them they would be one fault too many", |scene| {
        scene.work(&["scrub"])
    }),
    (96, "a film is added for which node 3's disk is too small", Scene::fill),
    (100, "node 3 and its disk are lost; an empty one takes its place", Scene::replace),
    (110, "a node is added", Scene::add_node),
    (120, "node 1 is drained, removed and taken away", |scene| scene.take_away(1)),
    (150, "node 0 too: three are left for rows of four units, and all films are cut anew", |scene| scene.take_away(0)),
];

fn main() -> Result<()> {
    let options = Options::parse();
    let length = u32::try_from(options.seconds + MARGIN_S)?;
    let (mut proxy, mut disk) = (None, None);
    let mut world = World::configured(CONFIG, 1, &[], |folder| {
        // 600 kbit/s of each film, of which a third lies on each of four nodes.
        let part = (FILMS as u32 + 1) * length * 75 / 1024 / 3;
        disk = SmallDisk::mount(&node_folder(folder, 3), part + ROOM_MIB);
        let mut nodes: Vec<Node> = (0..4).map(|number| Node::start(node_folder(folder, number))).collect();
        let between = Proxy::start(&nodes[2]);
        nodes[2].url.clone_from(&between.url);
        proxy = Some(between);
        nodes
    });
    make_films(&mut world, length)?;
    let exact =
        Recipe { file: "exact.mp4", length: u32::try_from(options.seconds)?, options: EXACT }.make(&world.folder)?;
    world.run(&["add", &exact.to_string_lossy()]);
    let big = BIG.make(&world.folder)?;

    let crowd = Crowd::start(&options.rtspload, world.port, options.viewers, FILMS, options.seconds)?;
    let (url, limit) = (world.url("exact"), Duration::from_secs(2 * options.seconds));
    let watching = std::thread::spawn(move || compare(&exact, &url, Transport::Tcp, limit));
    let begun = Instant::now();
    let limit = options.limit.to_string();
    let mut scene = Scene { world, proxy: proxy.expect("the nodes were made"), disk, big, limit };
    for (second, what, step) in STEPS {
        std::thread::sleep(Duration::from_secs(*second).saturating_sub(begun.elapsed()));
        println!("{:5.1} s  {what}", begun.elapsed().as_secs_f64());
        step(&mut scene);
    }
    let done = begun.elapsed();
    println!("{:5.1} s  nothing more happens", done.as_secs_f64());
    let seen = crowd.end()?;
    let ended = scene.world.ended_sessions();
    println!("{seen}; {} sessions ended by the front", ended.len());
    ended.iter().for_each(|line| println!("         {line}"));
    let report = watching.join().map_err(|_| anyhow::anyhow!("the comparison broke off"))??;
    println!("one who watched through it: {report}");
    println!("{}", scene.world.run(&["cluster", "scrub", "--limit", "0"]));
    println!("{}", scene.world.run(&["cluster", "status"]));
    ensure!(done.as_secs() < options.seconds, "the viewers were gone before it was over");
    ensure!(ended.is_empty(), "sessions were ended");
    ensure!(report.is_exact(), "the one who watched through it did not get the file");
    seen.check(options.viewers, options.late_ms)
}

/// Twenty cuts of one film: encoding one is enough.
fn make_films(world: &mut World, length: u32) -> Result<()> {
    let whole = Recipe { file: "whole.mpg", length: length + FILMS as u32, options: FILM }.make(&world.folder)?;
    let folder = world.folder.join("films");
    std::fs::create_dir_all(&folder)?;
    for number in 0..FILMS {
        let mut cut = Command::new("ffmpeg");
        cut.args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y", "-ss", &number.to_string(), "-i"])
            .arg(&whole);
        cut.args(["-c", "copy", "-t", &length.to_string(), "-f", "mpeg"]).arg(folder.join(format!("f{number}.mpg")));
        ensure!(cut.status()?.success(), "ffmpeg could not cut {}", whole.display());
    }
    world.run(&["add", &folder.to_string_lossy()]);
    Ok(())
}

impl Scene {
    fn fill(&mut self) {
        if self.disk.is_none() {
            return println!("         skipped: mounting a small file system is not allowed here");
        }
        let said = self.world.run(&["add", &self.big.to_string_lossy()]);
        let full = said.contains("wait for a repair");
        println!("         {}", if full { "it lacks what did not fit" } else { "it was large enough: nothing shown" });
        self.world.run(&["rm", "big"]);
    }

    fn replace(&mut self) {
        self.world.nodes[3].kill();
        self.disk = None;
        self.world.start_node();
        let empty = self.last();
        self.world.run(&["cluster", "add-node", &empty, "--no-rebalance"]);
        let lost = self.world.nodes[3].id.clone();
        self.work(&["remove", &lost]);
        self.work(&["rebuild"]);
    }

    fn add_node(&mut self) {
        self.world.start_node();
        let url = self.last();
        self.work(&["add-node", &url]);
    }

    fn take_away(&mut self, node: usize) {
        let id = self.world.nodes[node].id.clone();
        self.work(&["drain", &id]);
        self.work(&["remove", &id]);
        self.world.nodes[node].kill();
    }

    fn work(&self, command: &[&str]) {
        let said = self.world.run(&[&["cluster"], command, &["--grace", "3", "--limit", &self.limit]].concat());
        println!("         {}: {}", command[0], said.lines().last().unwrap_or_default());
    }

    fn last(&self) -> String {
        self.world.nodes.last().map(|node| node.url.clone()).unwrap_or_default()
    }
}
