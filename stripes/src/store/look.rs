//! Looking through what is stored: listings, sums, whether an object is complete.

use super::{
    Store, UnitStore, absent,
    error::{Item, StoreError},
    folder::{self, Files},
};
use crate::{
    id::ObjectId,
    layout::{Layout, UnitAddress},
    wire::{MAX_PAGE, ObjectListing, ObjectPage, ObjectSummary},
};
use std::{collections::BTreeMap, fs};
use tracing::warn;

impl Store {
    /// The objects after `after` in the order of their ids, at most `limit` (and `MAX_PAGE`). Touches only the shards
    /// that it must. An object whose manifest is damaged is listed as sealed without a manifest.
    pub(super) fn list(&self, after: Option<ObjectId>, limit: usize) -> Result<ObjectPage, StoreError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let mut found: BTreeMap<ObjectId, Files> = BTreeMap::new();
        for number in after.map_or(0, |after| (after.0 >> 120) as u8)..=u8::MAX {
            self.folder.each_file(number, |object, files, _| {
                if after.is_none_or(|after| object > after) && (files.units || files.manifest) {
                    let all = found.entry(object).or_default();
                    *all = Files { units: all.units || files.units, manifest: all.manifest || files.manifest };
                }
            })?;
            if found.len() > limit {
                break;
            }
        }
        let more = found.len() > limit;
        let objects: Vec<_> =
            found.into_iter().take(limit).map(|(object, files)| self.listing(object, files)).collect();
        let next = if more { objects.last().map(|last| last.object) } else { None };
        Ok(ObjectPage { objects, next })
    }

    /// What is here of an object. Reads every unit's header.
    pub(super) fn summary(&self, object: ObjectId) -> Result<ObjectSummary, StoreError> {
        let manifest = self.manifest(object)?;
        let (units, bytes) = match self.look_up(object)? {
            Some(file) => file.count()?,
            None if manifest.is_some() => (0, 0),
            None => return Err(absent(object, None)),
        };
        Ok(ObjectSummary { object, units, bytes, manifest })
    }

    /// Whether every unit that belongs on this node is here, as far as the headers tell.
    pub(super) fn check_complete(&self, layout: &Layout) -> Result<(), StoreError> {
        let mut file = None;
        for row in 0..layout.rows() {
            for position in 0..layout.row_width() as u8 {
                let address = UnitAddress { row, position };
                let expected = layout.unit_length(address);
                if expected == 0 || layout.node(address) != self.node() {
                    continue;
                }
                let item = Item { object: layout.object, unit: Some(address) };
                let conflict = |reason| StoreError::Conflict { item, reason };
                if file.is_none() {
                    file = self.look_up(layout.object)?;
                }
                let file =
                    file.as_ref().ok_or_else(|| conflict("can't be sealed: nothing of it is here".to_owned()))?;
                let found = match file.head(address) {
                    Ok(header) => u64::from(header.length),
                    Err(StoreError::Absent { reason, .. }) => {
                        return Err(conflict(format!("can't be sealed: {reason}")));
                    }
                    Err(error) => return Err(error),
                };
                if found != expected {
                    return Err(conflict(format!("can't be sealed: {found} bytes are here, {expected} belong here")));
                }
            }
        }
        Ok(())
    }

    fn listing(&self, object: ObjectId, files: Files) -> ObjectListing {
        let units = self.folder.units(object);
        let manifest = self.manifest(object).unwrap_or_else(|error| {
            warn!(node = %self.node(), "{error}");
            None
        });
        let path = if files.units { units.clone() } else { self.folder.manifest(object) };
        let written = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let idle = written.and_then(|written| written.elapsed().ok()).unwrap_or_default();
        ObjectListing {
            object,
            sealed: files.manifest,
            disk_bytes: folder::disk_bytes(&units) + folder::disk_bytes(&self.folder.manifest(object)),
            manifest,
            idle_seconds: idle.as_secs(),
        }
    }
}
