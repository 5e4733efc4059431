//! Who may import whom, read from the manifests.

use std::{collections::BTreeSet, path::Path};

/// Each crate and which of ours it may depend on, tests included.
const EDGES: &[(&str, &[&str])] =
    &[("rtp", &[]), ("stripes", &[]), ("catalog", &["rtp", "stripes"]), ("rtsp", &["rtp", "stripes", "catalog"])];

#[test]
fn no_crate_imports_what_it_must_not_know() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (name, allowed) in EDGES {
        let ours = our_dependencies(&root.join(name), &["dependencies", "dev-dependencies", "build-dependencies"]);
        let allowed: BTreeSet<String> = allowed.iter().map(|name| name.to_string()).collect();
        assert!(ours.is_subset(&allowed), "{name} imports {ours:?}, allowed are {allowed:?}");
    }
    // The black-box suite knows none of them: a mistake can't hide itself. Only its tests may.
    let ours = our_dependencies(&root.join("conformance"), &["dependencies", "build-dependencies"]);
    assert!(ours.is_empty(), "conformance's library imports {ours:?}");
}

fn our_dependencies(folder: &Path, tables: &[&str]) -> BTreeSet<String> {
    let text = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let ours = ["rtp", "stripes", "catalog", "rtsp", "conformance"];
    let mut table = String::new();
    let mut found = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = name.to_owned();
            continue;
        }
        let name = line.split(['.', '=', ' ']).next().unwrap_or("");
        if tables.contains(&table.as_str()) && ours.contains(&name) {
            found.insert(name.to_owned());
        }
    }
    found
}

#[test]
fn the_packages_that_the_project_stands_on_are_dependencies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (package, crates) in [
        ("rtsp-types", "rtsp"),
        ("sdp", "rtsp"),
        ("webrtc-util", "rtsp"),
        ("tokio", "rtsp"),
        ("nom", "catalog"),
        ("tracing-subscriber", "rtsp"),
    ] {
        let manifest = std::fs::read_to_string(root.join(crates).join("Cargo.toml")).unwrap();
        assert!(manifest.contains(package), "{crates} doesn't depend on {package}");
    }
}
