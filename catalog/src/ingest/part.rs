//! `FILE#PROGRAM`: one program of a file that has several.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A file, or one program of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub file: PathBuf,
    /// Its number, as the file's own list of programs has it.
    pub program: Option<u16>,
}

impl Part {
    /// What a person means by `path`: a file that is really called so is meant as it is.
    pub fn of(path: &Path) -> Self {
        let whole = || Self { file: path.to_path_buf(), program: None };
        let bytes = path.as_os_str().as_bytes();
        let Some(at) = bytes.iter().rposition(|byte| *byte == b'#') else { return whole() };
        let number = std::str::from_utf8(&bytes[at + 1..]).ok().and_then(|number| number.parse().ok());
        if number.is_none() || std::fs::symlink_metadata(path).is_ok() {
            return whole();
        }
        Self { file: PathBuf::from(OsStr::from_bytes(&bytes[..at])), program: number }
    }

    /// What people would call it: the file's name without its ending, and the program.
    pub fn title(&self) -> String {
        let stem = self.file.file_stem().unwrap_or_default().to_string_lossy();
        self.program.map_or(stem.to_string(), |program| format!("{stem}-{program}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_named_behind_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("really#3"), "x").unwrap();
        let cases = [
            ("a.ts", "a.ts", None, "a"),
            ("a.ts#2", "a.ts", Some(2), "a-2"),
            ("a.b.ts#65535", "a.b.ts", Some(65_535), "a.b-65535"),
            ("a.ts#65536", "a.ts#65536", None, "a"),
            ("a.ts#", "a.ts#", None, "a"),
            ("#1 song.ts", "#1 song.ts", None, "#1 song"),
            ("really#3", "really#3", None, "really#3"),
        ];
        for (path, file, program, title) in cases {
            let part = Part::of(&at(path));
            assert_eq!((&part.file, part.program), (&at(file), program), "{path}");
            assert_eq!(part.title(), title, "{path}");
        }
    }
}
