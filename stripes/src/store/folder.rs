//! A node's data folder: whose it is, who has it open, which files are where in it.
//!
//! ```text
//! lock                     locked by the process that has the folder
//! node                     "mobidic node 1", the node's id
//! objects/ab/ab...units    the units of object ab... (see `record`)
//! objects/ab/ab...manifest its manifest as JSON, and a line with the crc32c of that
//! ```
//!
//! 256 folders keep each short at 10^5 objects and more.

use super::error::StoreError;
use crate::id::{NodeId, ObjectId};
use std::{
    fs::{self, File, TryLockError},
    io::{ErrorKind, Write},
    mem::MaybeUninit,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

const NODE_TITLE: &str = "mobidic node 1";
const UNITS: &str = "units";
const MANIFEST: &str = "manifest";
const UNFINISHED: &str = "tmp";

#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    pub node: NodeId,
    /// Held for the lock on it.
    _lock: File,
}

/// What lies in the folder.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contents {
    pub objects: u64,
    pub disk_bytes: u64,
}

/// The files of one object.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Files {
    pub units: bool,
    pub manifest: bool,
}

impl Folder {
    /// Takes the folder, making it and its node's id if it is new.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(dir.join("objects")).map_err(StoreError::io(dir, "create"))?;
        let path = dir.join("lock");
        let lock = File::create(&path).map_err(StoreError::io(&path, "create"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked(dir.to_owned())),
            Err(TryLockError::Error(e)) => return Err(StoreError::io(&path, "lock")(e)),
        }
        Ok(Self { dir: dir.to_owned(), node: node_id(dir)?, _lock: lock })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn shard(&self, object: ObjectId) -> PathBuf {
        self.shard_number((object.0 >> 120) as u8)
    }

    pub fn units(&self, object: ObjectId) -> PathBuf {
        self.shard(object).join(format!("{object}.{UNITS}"))
    }

    pub fn manifest(&self, object: ObjectId) -> PathBuf {
        self.shard(object).join(format!("{object}.{MANIFEST}"))
    }

    /// Makes the object's shard if it is not there.
    pub fn make_shard(&self, object: ObjectId) -> Result<(), StoreError> {
        let shard = self.shard(object);
        match fs::create_dir(&shard) {
            Ok(()) => sync_folder(&self.dir.join("objects")),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(StoreError::io(&shard, "create")(e)),
        }
    }

    /// Calls `each` for the objects of shard `number` in no order. Other files are passed over.
    pub fn each_file(&self, number: u8, mut each: impl FnMut(ObjectId, Files, &Path)) -> Result<(), StoreError> {
        let shard = self.shard_number(number);
        let entries = match fs::read_dir(&shard) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(StoreError::io(&shard, "list")(e)),
        };
        for entry in entries {
            let path = entry.map_err(StoreError::io(&shard, "list"))?.path();
            let object = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            let (Some(object), Some(extension)) = (object, path.extension()) else { continue };
            each(object, Files { units: extension == UNITS, manifest: extension == MANIFEST }, &path);
        }
        Ok(())
    }

    /// Counts everything and removes manifests that were not written to their end.
    pub fn take_stock(&self) -> Result<Contents, StoreError> {
        let mut contents = Contents::default();
        for number in 0..=u8::MAX {
            let mut objects = std::collections::BTreeSet::new();
            self.each_file(number, |object, files, path| {
                if files.units || files.manifest {
                    objects.insert(object);
                    contents.disk_bytes += disk_bytes(path);
                } else if path.extension().is_some_and(|extension| extension == UNFINISHED) {
                    // If it can't be removed it is in nobody's way.
                    let _ = fs::remove_file(path);
                }
            })?;
            contents.objects += objects.len() as u64;
        }
        Ok(contents)
    }

    fn shard_number(&self, number: u8) -> PathBuf {
        self.dir.join(format!("objects/{number:02x}"))
    }
}

/// Bytes that a file takes on its disk, 0 if there is none.
pub(super) fn disk_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.blocks() * 512)
}

/// Replaces a file by new content, all or nothing, on the disk when this returns.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let unfinished = path.with_extension(UNFINISHED);
    let write = || {
        let mut file = File::create(&unfinished)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(|e| {
        let _ = fs::remove_file(&unfinished);
        StoreError::io(&unfinished, "write")(e)
    })?;
    fs::rename(&unfinished, path).map_err(StoreError::io(path, "rename to"))?;
    sync_folder(path.parent().unwrap_or(path))
}

/// Removes a file; says whether there was one.
pub(super) fn remove(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(StoreError::io(path, "remove")(e)),
    }
}

/// Brings a folder's entries to the disk.
pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(StoreError::io(path, "sync"))
}

/// Free bytes (for us, not for root) and all bytes of the disk under `dir`.
pub(super) fn room(dir: &Path) -> Result<(u64, u64), StoreError> {
    let fail = StoreError::io(dir, "ask the disk's room");
    let Ok(path) = std::ffi::CString::new(dir.as_os_str().as_bytes()) else {
        return Err(fail(ErrorKind::InvalidInput.into()));
    };
    let mut stat = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` ends in a zero byte and `stat` is large enough for what the call writes.
    if unsafe { libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) } != 0 {
        return Err(fail(std::io::Error::last_os_error()));
    }
    // SAFETY: the call succeeded, so it filled all of `stat`.
    let stat = unsafe { stat.assume_init() };
    Ok((stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize)))
}

fn node_id(dir: &Path) -> Result<NodeId, StoreError> {
    let path = dir.join("node");
    match fs::read(&path) {
        Ok(content) => decode_node_id(&content).map_err(|reason| StoreError::Folder { path, reason }),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let id = NodeId::random();
            write_whole(&path, encode_node_id(id).as_bytes())?;
            Ok(id)
        }
        Err(e) => Err(StoreError::io(&path, "read")(e)),
    }
}

/// What `node` says.
pub(super) fn encode_node_id(id: NodeId) -> String {
    format!("{NODE_TITLE}\n{id}\n")
}

/// Reads it back.
pub(super) fn decode_node_id(content: &[u8]) -> Result<NodeId, String> {
    let text = std::str::from_utf8(content).ok().and_then(|text| text.strip_prefix(NODE_TITLE));
    text.and_then(|rest| rest.trim().parse().ok()).ok_or_else(|| format!("expected {NODE_TITLE:?} and a node's id"))
}
