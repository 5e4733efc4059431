//! That the written defaults hold, and that what is wrong is named.

use super::*;

#[test]
fn the_written_defaults_are_the_defaults() {
    assert_eq!(toml::from_str::<Config>(DEFAULTS).unwrap(), Config::default());
    assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
    Config::default().check().unwrap();
}

#[test]
fn rows_fit_the_nodes() {
    for (nodes, data, parity, row) in [
        (4, 3, 1, (3, 1)),
        (5, 3, 2, (3, 2)),
        (12, 3, 1, (3, 1)),
        (3, 3, 1, (2, 1)),
        (2, 3, 1, (1, 1)),
        (1, 3, 1, (1, 0)),
        (4, 8, 0, (4, 0)),
        (2, 3, 2, (1, 1)),
        (255, 128, 2, (128, 2)),
        (0, 3, 1, (1, 0)),
    ] {
        let policy = StripesConfig { unit_kib: 256, data, parity }.policy(nodes);
        assert_eq!((policy.data, policy.parity), row, "{data}+{parity} on {nodes} nodes");
        assert_eq!(policy.unit_size, 256 << 10);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    for (text, words) in [
        ("[front]\nlisen = 1", "lisen"),
        ("[front]\nlisten = \"x\"", "listen"),
        ("[stripes]\nunit_kib = 3", "stripes.unit_kib = 3: must be 4 to 4096 KiB"),
        ("[stripes]\nparity = 3", "stripes.parity = 3: must be 0 to 2 units"),
        ("data = ", "c.toml"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Config::load(Some(&path)).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    assert!(Config::load(Some(Path::new("no such file"))).unwrap_err().to_string().contains("no such file"));
}
