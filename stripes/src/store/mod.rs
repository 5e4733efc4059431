//! Units on a node's disk, or in a bucket of an S3 store.
//!
//! A unit that `put` took survives the death of the process; with `seal` the whole object survives the loss
//! of power. What a crash cuts off was never acknowledged and reads as absent. Every unit's checksum is
//! checked when it is written and whenever it is read. All calls block: they are for threads that may.

mod backend;
mod error;
mod folder;
mod look;
mod object_file;
mod part;
mod record;
#[cfg(feature = "s3")]
mod s3;
mod seal;
#[cfg(test)]
mod tests;

pub use backend::UnitStore;
pub use error::{Item, StoreError};
#[cfg(feature = "s3")]
pub use s3::S3Store;

use crate::{
    id::{NodeId, ObjectId},
    layout::UnitAddress,
    manifest::Manifest,
    wire::{ObjectPage, ObjectSummary},
};
use backend::{check_sealed, check_unit, check_unit_size};
use bytes::Bytes;
use folder::Folder;
use object_file::ObjectFile;
use quick_cache::sync::Cache;
use record::{SlotHeader, slot_stride};
use std::{
    ops::Range,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
};
use tracing::info;

/// How a store behaves.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Bytes that the units may take on the disk; the disk's own limit if `None`, the default.
    pub capacity_bytes: Option<u64>,
    /// Object files held open. Default 256: far under the usual limit of 1024 open files.
    pub open_files: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { capacity_bytes: None, open_files: 256 }
    }
}

/// A unit as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredUnit {
    /// Its bytes.
    pub data: Bytes,
    /// Their CRC-32C, just checked.
    pub crc: u32,
}

/// A unit as its header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitInfo {
    /// Bytes.
    pub length: u32,
    /// CRC-32C that they had when they were written.
    pub crc: u32,
    /// Bytes of the blocks that can be read and checked without the rest; `None` where only the whole can.
    pub block: Option<u32>,
}

/// What is stored and what still can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Objects.
    pub objects: u64,
    /// Bytes that they take on the disk, about.
    pub disk_bytes: u64,
    /// Bytes that can still be stored.
    pub free_bytes: u64,
    /// Bytes of the disk, or the set capacity.
    pub total_bytes: u64,
}

/// All units of one node. One process has a folder at a time.
#[derive(Debug)]
pub struct Store {
    folder: Folder,
    options: StoreOptions,
    open: Cache<ObjectId, Arc<ObjectFile>>,
    /// One at a time makes, seals or deletes an object.
    changing: Mutex<()>,
    objects: AtomicU64,
    disk_bytes: AtomicU64,
}

impl Store {
    /// Opens the folder `dir`, making it if need be, and locks it. Looks at every file once.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let folder = Folder::open(dir)?;
        let contents = folder.take_stock()?;
        info!(node = %folder.node, dir = %dir.display(), objects = contents.objects, disk_bytes = contents.disk_bytes,
            "store open");
        Ok(Self {
            open: Cache::new(options.open_files.max(1)),
            folder,
            options,
            changing: Mutex::new(()),
            objects: contents.objects.into(),
            disk_bytes: contents.disk_bytes.into(),
        })
    }
}

impl UnitStore for Store {
    fn node(&self) -> NodeId {
        self.folder.node
    }

    fn put(
        &self,
        object: ObjectId,
        address: UnitAddress,
        unit_size: u32,
        crc: u32,
        data: &[Bytes],
        generation: Option<u32>,
    ) -> Result<(), StoreError> {
        let item = Item { object, unit: Some(address) };
        let length = check_unit(item, unit_size, crc, data)?;
        let file = self.file_for(object, unit_size)?;
        check_unit_size(item, file.unit_size(), unit_size)?;
        let manifest = if file.sealed.load(SeqCst) || generation.is_some() { self.manifest(object)? } else { None };
        let belongs = |address| manifest.as_ref().is_some_and(|manifest| manifest.layout.is_on(address, self.node()));
        check_sealed(item, manifest.as_ref(), belongs(address), generation)?;
        let room = self.reserve(object, length)?;
        // What a move that was broken off, or one before, left in the row's slot gives way.
        let gives_way = |other| generation.is_some() && !belongs(other);
        let written = file.write(&SlotHeader { object, address, length, crc, sums: false }, data, gives_way);
        if !matches!(written, Ok(true)) {
            self.give_back(room);
        }
        written.map(drop)
    }

    fn get_unit(&self, object: ObjectId, address: UnitAddress) -> Result<StoredUnit, StoreError> {
        let file = self.file(object, Some(address))?;
        let (data, crc) = file.read(address)?;
        Ok(StoredUnit { data, crc })
    }

    fn head_unit(&self, object: ObjectId, address: UnitAddress) -> Result<UnitInfo, StoreError> {
        let file = self.file(object, Some(address))?;
        let header = file.head(address)?;
        Ok(UnitInfo { length: header.length, crc: header.crc, block: file.block(header.sums) })
    }

    fn get_part(&self, object: ObjectId, address: UnitAddress, part: Range<u32>) -> Result<(Bytes, u64), StoreError> {
        self.file(object, Some(address))?.read_part(address, part)
    }

    fn unit_size(&self, object: ObjectId) -> Result<u32, StoreError> {
        Ok(self.file(object, None)?.unit_size())
    }

    fn known_unit_size(&self, object: ObjectId) -> Option<u32> {
        self.open.get(&object).map(|file| file.unit_size())
    }

    fn seal(&self, manifest: &Manifest) -> Result<(), StoreError> {
        self.seal(manifest)
    }

    fn manifest(&self, object: ObjectId) -> Result<Option<Manifest>, StoreError> {
        self.manifest(object)
    }

    fn trim(&self, object: ObjectId, generation: u32) -> Result<u64, StoreError> {
        self.trim(object, generation)
    }

    fn delete_object(&self, object: ObjectId) -> Result<bool, StoreError> {
        let _alone = self.alone();
        let (units, manifest) = (self.folder.units(object), self.folder.manifest(object));
        let taken = folder::disk_bytes(&units) + folder::disk_bytes(&manifest);
        let was_sealed = folder::remove(&manifest)?;
        if was_sealed {
            folder::sync_folder(&self.folder.shard(object))?;
        }
        let had_units = folder::remove(&units)?;
        self.open.remove(&object);
        let found = was_sealed || had_units;
        if found {
            self.give_back(taken);
            let _ = self.objects.fetch_update(Relaxed, Relaxed, |objects| objects.checked_sub(1));
            info!(node = %self.node(), %object, "deleted");
        }
        Ok(found)
    }

    fn summary(&self, object: ObjectId) -> Result<ObjectSummary, StoreError> {
        self.summary(object)
    }

    fn list(&self, after: Option<ObjectId>, limit: usize) -> Result<ObjectPage, StoreError> {
        self.list(after, limit)
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let (mut free_bytes, mut total_bytes) = folder::room(self.folder.dir())?;
        let disk_bytes = self.disk_bytes.load(Relaxed);
        if let Some(capacity) = self.options.capacity_bytes {
            free_bytes = free_bytes.min(capacity.saturating_sub(disk_bytes));
            total_bytes = total_bytes.min(capacity);
        }
        Ok(Usage { objects: self.objects.load(Relaxed), disk_bytes, free_bytes, total_bytes })
    }
}

impl Store {
    /// The object's open file, or that it is absent.
    fn file(&self, object: ObjectId, unit: Option<UnitAddress>) -> Result<Arc<ObjectFile>, StoreError> {
        self.look_up(object)?.ok_or_else(|| absent(object, unit))
    }

    fn look_up(&self, object: ObjectId) -> Result<Option<Arc<ObjectFile>>, StoreError> {
        self.cached_or(object, || {
            let sealed = self.folder.manifest(object).exists();
            ObjectFile::open(&self.folder.units(object), object, sealed)
        })
    }

    fn file_for(&self, object: ObjectId, unit_size: u32) -> Result<Arc<ObjectFile>, StoreError> {
        if let Some(file) = self.look_up(object)? {
            return Ok(file);
        }
        let _alone = self.alone();
        let path = self.folder.units(object);
        let created = self.cached_or(object, || {
            self.folder.make_shard(object)?;
            let new = !path.exists() && !self.folder.manifest(object).exists();
            let sealed = self.folder.manifest(object).exists();
            let file = ObjectFile::create(&path, object, unit_size, sealed)?;
            if new {
                self.objects.fetch_add(1, Relaxed);
                self.disk_bytes.fetch_add(record::FILE_HEADER_BYTES, Relaxed);
            }
            Ok(Some(file))
        })?;
        created.ok_or_else(|| absent(object, None))
    }

    /// The file from the cache, unless it was removed since; else from `open`, which then is cached.
    fn cached_or(
        &self,
        object: ObjectId,
        open: impl Fn() -> Result<Option<ObjectFile>, StoreError>,
    ) -> Result<Option<Arc<ObjectFile>>, StoreError> {
        if let Some(file) = self.open.get(&object) {
            if !file.is_removed() {
                return Ok(Some(file));
            }
            self.open.remove(&object);
        }
        // An inner `Err(None)` says "not there", which is not cached.
        let found = self.open.get_or_insert_with(&object, || match open() {
            Ok(Some(file)) => Ok(Arc::new(file)),
            Ok(None) => Err(None),
            Err(error) => Err(Some(error)),
        });
        match found {
            Ok(file) => Ok(Some(file)),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    /// Counts the room that a unit takes, if the capacity has it.
    fn reserve(&self, object: ObjectId, length: u32) -> Result<u64, StoreError> {
        let room = slot_stride(length);
        let used = self.disk_bytes.fetch_add(room, Relaxed) + room;
        if let Some(capacity) = self.options.capacity_bytes.filter(|capacity| used > *capacity) {
            self.give_back(room);
            let reason = format!("the node's capacity is set to {capacity} bytes");
            return Err(StoreError::Full { path: self.folder.units(object), reason });
        }
        Ok(room)
    }

    fn give_back(&self, room: u64) {
        let _ = self.disk_bytes.fetch_update(Relaxed, Relaxed, |used| Some(used.saturating_sub(room)));
    }

    fn alone(&self) -> std::sync::MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn absent(object: ObjectId, unit: Option<UnitAddress>) -> StoreError {
    StoreError::Absent { item: Item { object, unit }, reason: "nothing of the object is here".to_owned() }
}
