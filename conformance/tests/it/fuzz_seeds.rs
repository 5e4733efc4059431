//! What the fuzz targets begin with, and all that they ever found, through the same functions.

#[path = "../../fuzz/src/entry/mod.rs"]
pub mod entry;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Of one input, far above what a slow build takes for the largest seed.
const LIMIT: Duration = Duration::from_secs(2);

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_seed_is_survived() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let targets: BTreeSet<String> = entry::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    // A target is a line of the table, a program, and something to begin with.
    let programs = names(&folder.join("targets")).iter().map(|file| file.trim_end_matches(".rs").to_owned()).collect();
    assert_eq!((&names(&folder.join("seeds")), &programs), (&targets, &targets));
    for (name, run) in entry::TARGETS {
        let seeds = folder.join("seeds").join(name);
        for seed in names(&seeds) {
            let bytes = fs::read(seeds.join(&seed)).unwrap();
            println!("{name}/{seed}");
            let began = Instant::now();
            run(&bytes);
            assert!(began.elapsed() < LIMIT, "{name}/{seed} took {:?}", began.elapsed());
        }
    }
}
