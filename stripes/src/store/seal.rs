//! Objects that are complete: their manifests, and what no longer belongs to them here.

use super::{
    Store, UnitStore, absent,
    backend::{check_follows, check_layout},
    error::{Item, StoreError},
    folder,
};
use crate::{
    id::ObjectId,
    manifest::Manifest,
    sum::crc32c,
    wire::{crc_text, parse_crc},
};
use std::{
    fs,
    io::ErrorKind,
    sync::atomic::Ordering::{Relaxed, SeqCst},
};
use tracing::info;

impl Store {
    /// Declares an object complete. Checks that all its units that belong here are here, brings them to the disk and
    /// keeps the manifest. Sealing again the same way is success; a manifest of the same object with a layout of a
    /// higher generation takes the place of the older one.
    pub(super) fn seal(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let layout = &manifest.layout;
        let object = layout.object;
        let item = Item { object, unit: None };
        let json = manifest.encode().map_err(|e| StoreError::Bad { item, reason: e.to_string() })?;
        check_layout(item, layout, self.node())?;
        self.check_complete(layout)?;
        let _alone = self.alone();
        let old = self.manifest(object)?;
        if !check_follows(item, manifest, old.as_ref())? {
            return Ok(());
        }
        self.folder.make_shard(object)?;
        let path = self.folder.manifest(object);
        match self.look_up(object)? {
            Some(file) => {
                file.sync()?;
                file.sealed.store(true, SeqCst);
            }
            None if old.is_none() => drop(self.objects.fetch_add(1, Relaxed)),
            None => {}
        }
        let taken = folder::disk_bytes(&path);
        folder::write_whole(&path, &with_sum(json))?;
        self.disk_bytes.fetch_add(folder::disk_bytes(&path), Relaxed);
        self.give_back(taken);
        info!(node = %self.node(), %object, tag = manifest.tag, bytes = layout.length, generation = layout.generation,
            "sealed");
        Ok(())
    }

    /// The object's manifest, if it is sealed.
    pub(super) fn manifest(&self, object: ObjectId) -> Result<Option<Manifest>, StoreError> {
        let path = self.folder.manifest(object);
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::io(&path, "read")(e)),
        };
        decode_manifest(&content, object).map(Some).map_err(|reason| StoreError::Damaged {
            item: Item { object, unit: None },
            path,
            offset: 0,
            reason,
        })
    }

    /// Removes the units of a sealed object that don't belong here by its manifest, which must be of this generation,
    /// and says how many those were.
    pub(super) fn trim(&self, object: ObjectId, generation: u32) -> Result<u64, StoreError> {
        let _alone = self.alone();
        let item = Item { object, unit: None };
        let manifest = self.manifest(object)?.ok_or_else(|| absent(object, None))?;
        let layout = &manifest.layout;
        if layout.generation != generation {
            let reason = format!("its layout is of generation {} here, not {generation}", layout.generation);
            return Err(StoreError::Conflict { item, reason });
        }
        let Some(file) = self.look_up(object)? else { return Ok(0) };
        let (units, bytes) = file.erase_unless(|address| layout.is_on(address, self.node()))?;
        self.give_back(bytes);
        if units > 0 {
            info!(node = %self.node(), %object, units, generation, "trimmed");
        }
        Ok(units)
    }
}

/// A manifest's JSON with a last line that has its checksum.
pub(super) fn with_sum(mut json: Vec<u8>) -> Vec<u8> {
    let line = format!("\ncrc32c {}\n", crc_text(crc32c(&json)));
    json.extend_from_slice(line.as_bytes());
    json
}

/// Reads back what `with_sum` made, or says what is wrong with it.
pub(super) fn decode_manifest(content: &[u8], object: ObjectId) -> Result<Manifest, String> {
    let text = std::str::from_utf8(content).map_err(|e| e.to_string())?;
    let (json, sum) = text.split_once("\ncrc32c ").ok_or("the manifest's last line is missing")?;
    if parse_crc(sum.trim_end()) != Some(crc32c(json.as_bytes())) {
        return Err("the manifest's checksum is wrong".to_owned());
    }
    let manifest = Manifest::decode(json.as_bytes()).map_err(|e| e.to_string())?;
    if manifest.layout.object != object {
        return Err(format!("the manifest is that of object {}", manifest.layout.object));
    }
    Ok(manifest)
}
