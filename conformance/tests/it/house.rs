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

/// Every term of every dependency's licence that we may use; of `A OR B` one must do, of `A AND B` both.
const LICENCES: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "MPL-2.0",
    "Unicode-3.0",
    "CC0-1.0",
    "Unlicense",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
];

#[test]
fn every_dependency_is_permissive() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    let bad: Vec<String> = packages
        .iter()
        .filter(|package| !permissive(package["license"].as_str().unwrap_or("")))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

fn permissive(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], " ").replace('/', " OR ");
    // Brackets only ever hold an OR within an AND here, so that AND binds weaker once they are gone.
    let weak_and = expression.contains('(');
    let term = |term: &str| LICENCES.contains(&term.trim());
    if weak_and {
        plain.split(" AND ").all(|part| part.split(" OR ").any(term))
    } else {
        plain.split(" OR ").any(|part| part.split(" AND ").all(term))
    }
}

#[test]
fn an_expression_of_licences_is_read_right() {
    for (expression, expected) in [
        ("MIT OR Apache-2.0", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0", false),
        ("GPL-2.0 OR MIT", true),
        ("MIT AND GPL-2.0", false),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("(GPL-2.0 OR AGPL-3.0) AND MIT", false),
        ("", false),
    ] {
        assert_eq!(permissive(expression), expected, "{expression}");
    }
}
