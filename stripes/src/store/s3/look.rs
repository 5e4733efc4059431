//! Looking through what is in the bucket: listings, sums, whether an object is complete.

use super::{S3Store, bucket::Part};
use crate::{
    id::ObjectId,
    layout::{Layout, UnitAddress},
    store::{
        absent,
        error::{Item, StoreError},
        record::SLOT_HEADER_BYTES,
    },
    wire::{MAX_PAGE, ObjectListing, ObjectPage, ObjectSummary},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::ObjectMeta;
use std::{collections::BTreeMap, time::SystemTime};
use tracing::warn;

/// Objects looked at at once.
const LOOKING: usize = 16;

impl S3Store {
    /// Whether every unit that belongs here is here, as far as their lengths tell.
    pub(super) async fn check_complete(&self, layout: &Layout) -> Result<(), StoreError> {
        let mut here = BTreeMap::new();
        self.bucket
            .each_part(layout.object, |part, meta| {
                if let Part::Unit(address) = part {
                    here.insert((address.row, address.position), meta.size);
                }
            })
            .await?;
        for row in 0..layout.rows() {
            for position in 0..layout.row_width() as u8 {
                let address = UnitAddress { row, position };
                let expected = layout.unit_length(address);
                if expected == 0 || layout.node(address) != self.node {
                    continue;
                }
                let item = Item { object: layout.object, unit: Some(address) };
                let found = here.get(&(row, position)).map(|size| size.saturating_sub(SLOT_HEADER_BYTES as u64));
                if found != Some(expected) {
                    let found = found.unwrap_or(0);
                    let reason = format!("can't be sealed: {found} bytes are here, {expected} belong here");
                    return Err(StoreError::Conflict { item, reason });
                }
            }
        }
        Ok(())
    }

    pub(super) async fn sum_up(&self, object: ObjectId) -> Result<ObjectSummary, StoreError> {
        let manifest = self.read_manifest(object).await?.map(|(manifest, _)| manifest);
        let (mut units, mut bytes, mut any) = (0, 0, manifest.is_some());
        let each = |part, meta: &ObjectMeta| {
            any = true;
            if let Part::Unit(_) = part {
                units += 1;
                bytes += meta.size.saturating_sub(SLOT_HEADER_BYTES as u64);
            }
        };
        self.bucket.each_part(object, each).await?;
        if !any {
            return Err(absent(object, None));
        }
        Ok(ObjectSummary { object, units, bytes, manifest })
    }

    pub(super) async fn page(&self, after: Option<ObjectId>, limit: usize) -> Result<ObjectPage, StoreError> {
        let (ids, more) = self.bucket.objects(after, limit.clamp(1, MAX_PAGE)).await?;
        let listings = ids.into_iter().map(|object| self.listing(object));
        let objects: Vec<_> = stream::iter(listings).buffered(LOOKING).try_collect().await?;
        let next = if more { objects.last().map(|last| last.object) } else { None };
        Ok(ObjectPage { objects, next })
    }

    async fn listing(&self, object: ObjectId) -> Result<ObjectListing, StoreError> {
        let manifest = match self.read_manifest(object).await {
            Ok(Some((manifest, written))) => {
                let (disk_bytes, idle_seconds) = (self.share(&manifest.layout), idle(written));
                let manifest = Some(manifest);
                return Ok(ObjectListing { object, sealed: true, disk_bytes, manifest, idle_seconds });
            }
            Ok(None) => None,
            Err(StoreError::Damaged { reason, .. }) => Some(reason),
            Err(error) => return Err(error),
        };
        if let Some(reason) = &manifest {
            warn!(node = %self.node, %object, "{reason}");
        }
        let (mut disk_bytes, mut written) = (0, SystemTime::UNIX_EPOCH);
        let each = |part, meta: &ObjectMeta| {
            disk_bytes += if let Part::Unit(_) = part { meta.size } else { 0 };
            written = written.max(meta.last_modified.into());
        };
        self.bucket.each_part(object, each).await?;
        let (sealed, idle_seconds) = (manifest.is_some(), idle(written));
        Ok(ObjectListing { object, sealed, disk_bytes, manifest: None, idle_seconds })
    }

    /// Bytes of the units that belong here by the layout.
    fn share(&self, layout: &Layout) -> u64 {
        let row = |row| {
            let units = (0..layout.row_width() as u8).map(move |position| UnitAddress { row, position });
            let here = units.filter(|unit| layout.node(*unit) == self.node).map(|unit| layout.unit_length(unit));
            here.filter(|length| *length > 0).map(|length| length + SLOT_HEADER_BYTES as u64).sum::<u64>()
        };
        (0..layout.rows()).map(row).sum()
    }
}

fn idle(written: SystemTime) -> u64 {
    written.elapsed().unwrap_or_default().as_secs()
}
