//! The files behind the paths that a person gives.

use super::IngestError;
use super::part::Part;
use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order of the paths given; those of a folder sorted by name, each folder's own in one run.
    pub files: Vec<PathBuf>,
    /// What could not be looked at; the rest is there all the same.
    pub problems: Vec<IngestError>,
}

/// All files at and below `paths`. Within a folder, hidden entries and what is neither file nor folder are
/// passed over. Symbolic links are followed; no folder is entered twice, so their loops end. Blocks.
pub fn find(paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    let mut entered = HashSet::new();
    for path in paths {
        visit(path, true, &mut entered, &mut found);
    }
    found
}

fn visit(path: &Path, given: bool, entered: &mut HashSet<(u64, u64)>, found: &mut Found) {
    let problem = |error: std::io::Error| IngestError::File { path: path.to_path_buf(), reason: error.to_string() };
    let metadata = match fs::metadata(Part::of(path).file) {
        Ok(metadata) => metadata,
        Err(error) => return found.problems.push(problem(error)),
    };
    if !metadata.is_dir() {
        if metadata.is_file() || given {
            found.files.push(path.to_path_buf());
        }
        return;
    }
    if !entered.insert((metadata.dev(), metadata.ino())) {
        return;
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => return found.problems.push(problem(error)),
    };
    let mut below = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) if entry.file_name().as_bytes().starts_with(b".") => {}
            Ok(entry) => below.push(entry.path()),
            Err(error) => found.problems.push(problem(error)),
        }
    }
    below.sort();
    for path in below {
        visit(&path, false, entered, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn folders_are_walked_in_order_without_hidden_files_or_loops() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("films/b/c")).unwrap();
        fs::create_dir(at("films/.git")).unwrap();
        for name in ["films/z.mpg", "films/a.mpg", "films/.hidden.mpg", "films/.git/x.mpg", "films/b/c/d.mpg", "one"] {
            fs::write(at(name), "x").unwrap();
        }
        symlink(at("films"), at("films/b/loop")).unwrap();
        symlink(at("gone"), at("films/broken.mpg")).unwrap();
        symlink(at("one"), at("films/link.mpg")).unwrap();
        let found = find(&[at("films"), at("one"), at("missing")]);
        let names = ["films/a.mpg", "films/b/c/d.mpg", "films/link.mpg", "films/z.mpg", "one"];
        assert_eq!(found.files, names.map(at));
        let problems: Vec<_> = found.problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("broken.mpg") && problems[1].contains("missing: No such file"), "{problems:?}");
    }
}
