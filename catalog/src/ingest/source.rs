//! The file being added: large sequential reads, and its hash on the way.

use super::part::Part;
use crate::container::limits::MAX_READ;
use crate::presentation::SourceHash;
use bytes::Bytes;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Bytes of one read: what a demuxer asks for is cut out of such windows.
const READ: usize = 1 << 20;
/// Windows kept, so that a container whose tracks lie apart is still read in large pieces.
const WINDOWS: usize = 4;

/// What tells whether a file has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub path: PathBuf,
    pub size: u64,
    pub modified_ns: i64,
}

/// An open file.
pub(super) struct SourceFile {
    file: File,
    program: Option<u16>,
    identity: Identity,
    windows: VecDeque<(u64, Bytes)>,
    hasher: blake3::Hasher,
    /// Bytes from the start that are in the hash.
    hashed: u64,
    read: u64,
}

impl Identity {
    /// Of the regular, non-empty file at `path`.
    pub fn of(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        // Asked by name first: opening a pipe would wait for its writer.
        let metadata = std::fs::metadata(Part::of(&path).file)?;
        Self::from_metadata(path, &metadata)
    }

    fn from_metadata(path: PathBuf, metadata: &std::fs::Metadata) -> io::Result<Self> {
        let kind = if metadata.is_dir() {
            "a folder, not a file"
        } else if !metadata.is_file() {
            "not a regular file"
        } else if metadata.len() == 0 {
            "the file is empty"
        } else {
            let modified_ns = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
            return Ok(Self { path, size: metadata.len(), modified_ns });
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, kind))
    }
}

impl SourceFile {
    pub fn open(path: &Path) -> io::Result<Self> {
        let identity = Identity::of(path)?;
        let Part { file, program } = Part::of(path);
        let file = File::open(file)?;
        let identity = Identity::from_metadata(identity.path, &file.metadata()?)?;
        Ok(Self {
            file,
            program,
            identity,
            windows: VecDeque::new(),
            hasher: blake3::Hasher::new(),
            hashed: 0,
            read: 0,
        })
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Which program of it is wanted.
    pub fn program(&self) -> Option<u16> {
        self.program
    }

    pub fn size(&self) -> u64 {
        self.identity.size
    }

    /// Bytes of the file read so far; what is read twice does not count beyond the file's size.
    pub fn progress(&self) -> u64 {
        self.read.min(self.identity.size)
    }

    /// `length` bytes from `offset`, fewer only where the file ends.
    pub fn read(&mut self, offset: u64, length: usize) -> io::Result<Bytes> {
        let wanted = self.clip(offset, length.min(MAX_READ));
        if wanted == 0 {
            return Ok(Bytes::new());
        }
        let held = |(start, bytes): &(u64, Bytes)| {
            let skip = usize::try_from(offset.checked_sub(*start)?).ok()?;
            (skip.checked_add(wanted)? <= bytes.len()).then(|| bytes.slice(skip..skip + wanted))
        };
        if let Some((at, bytes)) = self.windows.iter().enumerate().find_map(|(at, window)| Some((at, held(window)?))) {
            // The one used last is dropped last.
            if let Some(window) = self.windows.remove(at) {
                self.windows.push_back(window);
            }
            return Ok(bytes);
        }
        let window = self.fetch(offset, wanted.max(READ))?;
        let bytes = window.slice(..wanted);
        if self.windows.len() >= WINDOWS {
            self.windows.pop_front();
        }
        self.windows.push_back((offset, window));
        Ok(bytes)
    }

    /// The hash of the whole file, reading what has not been read. `step` is called between the reads; false
    /// from it ends the work with `None`.
    pub fn finish_hash(&mut self, mut step: impl FnMut(u64) -> bool) -> io::Result<Option<SourceHash>> {
        self.windows.clear();
        while self.hashed < self.size() {
            if !step(self.progress()) {
                return Ok(None);
            }
            self.fetch(self.hashed, READ)?;
        }
        let now = Identity::from_metadata(self.identity.path.clone(), &self.file.metadata()?)?;
        if now != self.identity {
            return Err(io::Error::other("the file changed while it was read"));
        }
        if let Some(program) = self.program {
            // Each program is a film of its own, though the file is the same.
            self.hasher.update(format!("#{program}").as_bytes());
        }
        Ok(Some(SourceHash(*self.hasher.finalize().as_bytes())))
    }

    fn clip(&self, offset: u64, length: usize) -> usize {
        usize::try_from(self.size().saturating_sub(offset)).map_or(length, |left| left.min(length))
    }

    fn fetch(&mut self, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut buffer = vec![0; self.clip(offset, length)];
        self.file.read_exact_at(&mut buffer, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::other(format!("at byte {offset}: the file became shorter")),
            _ => io::Error::new(error.kind(), format!("at byte {offset}: {error}")),
        })?;
        self.read = self.read.saturating_add(buffer.len() as u64);
        let end = offset + buffer.len() as u64;
        if offset <= self.hashed && self.hashed < end {
            let fresh = usize::try_from(self.hashed - offset).unwrap_or(buffer.len());
            self.hasher.update(&buffer[fresh..]);
            self.hashed = end;
        }
        Ok(Bytes::from(buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(length: usize) -> (tempfile::NamedTempFile, Vec<u8>) {
        let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        (file, bytes)
    }

    #[test]
    fn any_order_of_reads_gives_the_bytes_and_the_hash() {
        let (file, bytes) = file(5 * READ + 77);
        let length = bytes.len();
        let cases: [&[(usize, usize)]; 4] = [
            &[],
            &[(0, 10), (length - 5, 100), (8, READ), (READ - 1, 3), (length, 4), (length + 9, 4)],
            &[(3 * READ, 9), (0, 2 * READ), (READ, 3 * READ), (10, 10), (4 * READ, 10), (2, 2)],
            &[(0, MAX_READ), (MAX_READ, MAX_READ)],
        ];
        for reads in cases {
            let mut source = SourceFile::open(file.path()).unwrap();
            for (offset, wanted) in reads {
                let got = source.read(*offset as u64, *wanted).unwrap();
                assert_eq!(got, bytes[(*offset).min(length)..(offset + wanted).min(length)], "{offset} {wanted}");
            }
            let hash = source.finish_hash(|_| true).unwrap().unwrap();
            assert_eq!(hash.0, *blake3::hash(&bytes).as_bytes());
            assert_eq!(source.progress(), length as u64);
            assert!(source.windows.len() <= WINDOWS);
        }
        let mut source = SourceFile::open(file.path()).unwrap();
        assert_eq!(source.finish_hash(|_| false).unwrap(), None);
    }

    #[test]
    fn what_can_not_be_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        std::fs::write(&empty, "").unwrap();
        for (path, reason) in
            [(folder.path(), "a folder"), (&empty, "empty"), (Path::new("/dev/null"), "not a regular")]
        {
            let error = SourceFile::open(path).err().unwrap().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let (file, _) = file(2 * READ);
        let mut source = SourceFile::open(file.path()).unwrap();
        source.read(0, 9).unwrap();
        std::fs::write(file.path(), "short").unwrap();
        let error = source.read(READ as u64, 9).unwrap_err().to_string();
        assert!(error.contains("at byte 1048576: the file became shorter"), "{error}");
        let (changed, bytes) = self::file(100);
        let mut source = SourceFile::open(changed.path()).unwrap();
        std::fs::write(changed.path(), [bytes, vec![1]].concat()).unwrap();
        assert!(source.finish_hash(|_| true).unwrap_err().to_string().contains("changed"));
    }
}
