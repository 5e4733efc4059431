//! `kill -9` at random moments of everything that changes the cluster: of the command, of a node, of the front. A few in
//! the checks; as many as wanted by
//! `MOBIDIC_KILLS=200 cargo test -p conformance --test it raid::kills -- --nocapture`, with a seed of choice in
//! `MOBIDIC_SEED`.

use super::world::World;
use catalog::db::{Catalog, CatalogOptions};
use conformance::films::Recipe;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{process::Stdio, sync::Arc, time::Duration};
use stripes::{
    id::NodeId,
    net::{Cluster, ClusterOptions, NodeAddress, UnitSource},
};

const FILMS: [Recipe; 2] = [
    Recipe { file: "first.mpg", length: 12, options: "-c:v mpeg1video -b:v 3M -minrate 3M -c:a mp2 -f mpeg" },
    Recipe { file: "second.mp4", length: 6, options: "-c:v libx264 -preset ultrafast -c:a aac" },
];
const MORE: Recipe = Recipe { file: "more.mpg", length: 10, options: "-c:v mpeg1video -b:v 4M -c:a mp2 -f mpeg" };

/// Tries of a command that may fail.
const AGAIN: usize = 3;

/// How many kills are wanted, else `kills`; the seed, and what it makes.
fn chance(kills: u64) -> (u64, u64, StdRng) {
    let number = |variable, default| std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (kills, seed) = (number("MOBIDIC_KILLS", kills), number("MOBIDIC_SEED", rand::random::<u32>().into()));
    println!("seed {seed}, {kills} kills");
    (kills, seed, StdRng::seed_from_u64(seed))
}

#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_left() {
    let (kills, seed, mut random) = chance(6);
    let mut world = World::new(4, 1, &FILMS);
    world.start_node();
    let more = MORE.make(&world.folder).unwrap().to_string_lossy().into_owned();
    let books = Books::open(&world);
    // The node that is not one of the cluster, if any: at first the fifth.
    let mut out = Some(4);
    let mut broken_off = 0;
    for kill in 0..kills {
        let any = random.random_range(0..5);
        let (node, url) = (world.nodes[any].id.clone(), world.nodes[any].url.clone());
        let (what, then_out) = match (random.random_range(0..4), out) {
            (0, _) => (vec!["add".to_owned(), more.clone(), "--name".to_owned(), "more".to_owned()], out),
            (1, None) => {
                books.lose_an_object(&node, &mut random);
                (cluster("rebuild", None), None)
            }
            (_, Some(at)) => (cluster("add-node", Some(&world.nodes[at].url)), None),
            (2, None) => (cluster("drain", Some(&node)), Some(any)),
            (_, None) => (cluster("remove", Some(&url)), Some(any)),
        };
        let what: Vec<&str> = what.iter().map(String::as_str).collect();
        let context = format!("seed {seed}, kill {kill}: {what:?}");
        broken_off += u64::from(run_and_kill(&mut world, &what, (any, 500), &mut random, &context));
        books.every_film_reads(&context);
        run_to_its_end(&world, &what);
        if what[0] == "add" {
            books.every_film_reads(&context);
            world.run(&["rm", "more"]);
        }
        out = then_out;
        books.all_is_tidy(&context);
    }
    println!("{broken_off} of {kills} were in the middle");
}

#[test]
fn killed_while_films_are_cut_anew_nothing_is_lost_and_nothing_left() {
    let (kills, seed, mut random) = chance(3);
    let mut world = World::new(4, 1, &FILMS);
    let books = Books::open(&world);
    let mut broken_off = 0;
    let mut kill = 0;
    while kill < kills {
        // Three are left for rows of four units: each film becomes another one.
        let any = random.random_range(0..4);
        let (id, url) = (world.nodes[any].id.clone(), world.nodes[any].url.clone());
        let what = cluster(["drain", "remove"][random.random_range(0..2)], Some(&id));
        let what: Vec<&str> = what.iter().map(String::as_str).collect();
        let context = format!("seed {seed}, kill {kill}: {what:?}");
        for _ in 0..3 {
            let killed = random.random_range(0..4);
            broken_off += u64::from(run_and_kill(&mut world, &what, (killed, 2_500), &mut random, &context));
            books.every_film_reads(&context);
            kill += 1;
        }
        run_to_its_end(&world, &what);
        books.all_is_tidy(&context);
        every_film_is_there(&world, &context);
        let layouts = books.runtime.block_on(books.catalog.sealed_layouts()).unwrap();
        assert!(layouts.iter().all(|layout| (layout.policy.data, layout.policy.parity) == (2, 1)), "{context}");
        // All as it was, for the next time.
        world.run(&["cluster", "add-node", &url, "--no-rebalance"]);
        for (film, name) in FILMS.iter().zip(["first", "second"]) {
            let path = world.folder.join(film.file);
            world.run(&["rm", name]);
            world.run(&["add", "--parity", "1", &path.to_string_lossy()]);
        }
    }
    println!("{broken_off} of {kill} were in the middle");
}

/// Runs a command and kills it within so many milliseconds; one time in three that node too, and one time in three the
/// front, both of which are there again then. Whether the command was in the middle.
fn run_and_kill(
    world: &mut World,
    what: &[&str],
    (node, within_ms): (usize, u64),
    random: &mut StdRng,
    context: &str,
) -> bool {
    let mut child = world.command(what).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(random.random_range(20..within_ms)));
    let node_too = random.random_range(0..3) == 0;
    if node_too {
        world.nodes[node].kill();
        std::thread::sleep(Duration::from_millis(random.random_range(0..200)));
    }
    let front_too = random.random_range(0..3) == 0;
    if front_too {
        world.kill_front();
    }
    let in_the_middle = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    if node_too {
        world.nodes[node].restart();
    }
    if front_too {
        world.start_front();
        every_film_is_there(world, context);
    }
    in_the_middle
}

/// The same again, as a person would, and once more where a node took too long on a machine that does a lot else.
fn run_to_its_end(world: &World, what: &[&str]) {
    if !(0..AGAIN).any(|_| world.try_run(what).status.success()) {
        world.run(what);
    }
}

fn every_film_is_there(world: &World, context: &str) {
    for film in ["first", "second"] {
        assert_eq!(world.describe(film), 200, "{context}: {film}");
    }
}

/// A command on the cluster that takes a moment, so that it can be killed in the middle.
fn cluster(command: &str, argument: Option<&str>) -> Vec<String> {
    let words = ["cluster", command].into_iter().chain(argument).chain(["--grace", "0", "--limit", "4"]);
    words.map(str::to_owned).collect()
}

/// The catalog and the nodes, read past every program.
struct Books {
    runtime: tokio::runtime::Runtime,
    catalog: Catalog,
    cluster: Cluster,
}

impl Books {
    fn open(world: &World) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let path = world.data.join("catalog.db");
        let catalog = runtime.block_on(Catalog::open(&path, CatalogOptions::default())).unwrap();
        let address = |node: &super::world::Node| NodeAddress { id: node.id.parse().unwrap(), url: node.url.clone() };
        let nodes = world.nodes.iter().map(address).collect();
        let cluster = runtime.block_on(async { Cluster::new(nodes, ClusterOptions::default()) }).unwrap();
        Self { runtime, catalog, cluster }
    }

    /// What the catalog names reads back whole and byte for byte: every unit has its checksum.
    fn every_film_reads(&self, context: &str) {
        self.runtime.block_on(async {
            let presentations = self.catalog.presentations().await.unwrap();
            assert!(presentations.len() >= FILMS.len(), "{context}: {} films", presentations.len());
            for presentation in &presentations {
                // By the rows where a unit is missing, as a viewer reads.
                let source = UnitSource::new(self.cluster.clone(), 0);
                for layout in [&presentation.index, &presentation.media] {
                    let layout = Arc::new(layout.clone());
                    let read = source.read_object(&layout, 1 << 30).await;
                    assert!(read.is_ok(), "{context}: {}: {:?}", presentation.name, read.err());
                }
            }
        });
    }

    /// Every unit is where it belongs, and nowhere is one that does not.
    fn all_is_tidy(&self, context: &str) {
        self.runtime.block_on(async {
            catalog::sweep::sweep(&self.catalog, &self.cluster).await.unwrap();
            assert_eq!(self.catalog.moves().await.unwrap(), [], "{context}");
            for presentation in self.catalog.presentations().await.unwrap() {
                let report = catalog::check::check(&self.cluster, &presentation, |_, _| {}).await;
                assert!(report.is_good(), "{context}: {}: {report:?}", presentation.name);
            }
            let layouts = self.catalog.sealed_layouts().await.unwrap();
            for node in self.cluster.nodes() {
                for listing in self.cluster.list_objects(node.id).await.unwrap() {
                    let object = listing.object;
                    let layout = layouts.iter().find(|layout| layout.object == object);
                    let layout = layout.unwrap_or_else(|| panic!("{context}: {object} on {} is nobody's", node.id));
                    let expected = (0..layout.rows()).flat_map(|row| layout.row_units(row));
                    let expected = expected.filter(|address| layout.node(*address) == node.id).count() as u64;
                    let units = self.cluster.object_summary(node.id, object).await.unwrap().units;
                    assert_eq!(units, expected, "{context}: units of {object} on {}", node.id);
                }
            }
        });
    }

    /// As if a disk had lost it.
    fn lose_an_object(&self, node: &str, random: &mut StdRng) {
        let node: NodeId = node.parse().unwrap();
        self.runtime.block_on(async {
            let objects = self.cluster.list_objects(node).await.unwrap();
            let object = objects[random.random_range(0..objects.len())].object;
            self.cluster.delete_object_at(node, object).await.unwrap();
        });
    }
}
