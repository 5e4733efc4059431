//! Units in a bucket of an S3 store, for those who have a distributed store already. A unit lies there as in a slot
//! of a file, with the same header and checksums; a bucket writes each whole and keeps what it acknowledged, so what
//! a crash leaves is what was acknowledged, and perhaps the last unit that was not.
//!
//! A bucket has no locks: one process at a time for one `s3://BUCKET/PREFIX` is up to whoever starts them.

mod bucket;
mod http;
mod look;
mod units;

use super::{
    StoreOptions, StoredUnit, UnitInfo, UnitStore, Usage, absent,
    backend::{check_follows, check_layout, check_unit},
    error::{Item, StoreError},
    folder::{decode_node_id, encode_node_id},
    record::{SlotHeader, decode_file_header, encode_file_header},
    seal::{decode_manifest, with_sum},
};
use crate::{
    id::{NodeId, ObjectId},
    layout::UnitAddress,
    manifest::Manifest,
    wire::{MAX_PAGE, ObjectPage, ObjectSummary},
};
use bucket::{Bucket, Part};
use bytes::Bytes;
use quick_cache::sync::Cache;
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::SystemTime,
};
use tokio::{runtime::Handle, sync::Mutex};
use tracing::info;

/// What a bucket is said to hold where no capacity is set: it has no end of its own. 1 PiB.
const ENDLESS: u64 = 1 << 50;
/// Objects whose form is remembered.
const KNOWN: usize = 4096;

/// All units of one node, in a bucket.
#[derive(Debug)]
pub struct S3Store {
    bucket: Bucket,
    node: NodeId,
    capacity_bytes: Option<u64>,
    runtime: Handle,
    known: Cache<ObjectId, Known>,
    /// One at a time makes, seals or deletes an object, or learns of one.
    changing: Mutex<()>,
    objects: AtomicU64,
    bytes: AtomicU64,
}

/// What is remembered of an object.
#[derive(Clone, Copy, Debug)]
struct Known {
    unit_size: u32,
    sealed: bool,
}

impl S3Store {
    /// Opens `s3://BUCKET/PREFIX`, making its node's id if it is new; the bucket must be there. Endpoint, region and
    /// keys are taken from the usual environment variables: `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and what else the AWS tools know. Looks at every object once.
    pub async fn open(
        location: &str,
        variables: impl IntoIterator<Item = (String, String)>,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        let bucket = Bucket::open(location, variables)?;
        let node = match bucket.get("node").await? {
            Some(got) => decode_node_id(&got.bytes)
                .map_err(|reason| StoreError::Folder { path: bucket.named("node"), reason })?,
            None => {
                let node = NodeId::random();
                bucket.put("node", encode_node_id(node).into()).await?;
                node
            }
        };
        let store = Self {
            bucket,
            node,
            capacity_bytes: options.capacity_bytes,
            runtime: Handle::current(),
            known: Cache::new(KNOWN),
            changing: Mutex::new(()),
            objects: 0.into(),
            bytes: 0.into(),
        };
        store.take_stock().await?;
        let (objects, bytes) = (store.objects.load(Relaxed), store.bytes.load(Relaxed));
        info!(%node, location, objects, bytes, "store open");
        Ok(store)
    }

    async fn take_stock(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.page(after, MAX_PAGE).await?;
            self.objects.fetch_add(page.objects.len() as u64, Relaxed);
            self.bytes.fetch_add(page.objects.iter().map(|object| object.disk_bytes).sum(), Relaxed);
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn keep(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let layout = &manifest.layout;
        let object = layout.object;
        let item = Item { object, unit: None };
        let json = manifest.encode().map_err(|e| StoreError::Bad { item, reason: e.to_string() })?;
        check_layout(item, layout, self.node)?;
        self.check_complete(layout).await?;
        let _alone = self.changing.lock().await;
        let old = self.read_manifest(object).await?.map(|(manifest, _)| manifest);
        if !check_follows(item, manifest, old.as_ref())? {
            return Ok(());
        }
        let known = self.learn(object).await?;
        if known.is_none() && old.is_none() {
            self.objects.fetch_add(1, Relaxed);
        }
        self.bucket.put(&Part::Manifest.key(object), with_sum(json).into()).await?;
        if let Some(known) = known {
            self.known.insert(object, Known { sealed: true, ..known });
        }
        info!(node = %self.node, %object, tag = manifest.tag, bytes = layout.length, generation = layout.generation,
            "sealed");
        Ok(())
    }

    /// The manifest and when it was written.
    async fn read_manifest(&self, object: ObjectId) -> Result<Option<(Manifest, SystemTime)>, StoreError> {
        let Some(got) = self.bucket.get(&Part::Manifest.key(object)).await? else { return Ok(None) };
        match decode_manifest(&got.bytes, object) {
            Ok(manifest) => Ok(Some((manifest, got.meta.last_modified.into()))),
            Err(reason) => Err(self.damaged(object, Part::Manifest, reason)),
        }
    }

    async fn erase_strangers(&self, object: ObjectId, generation: u32) -> Result<u64, StoreError> {
        let _alone = self.changing.lock().await;
        let item = Item { object, unit: None };
        let (manifest, _) = self.read_manifest(object).await?.ok_or_else(|| absent(object, None))?;
        let layout = &manifest.layout;
        if layout.generation != generation {
            let reason = format!("its layout is of generation {} here, not {generation}", layout.generation);
            return Err(StoreError::Conflict { item, reason });
        }
        let (mut keys, mut room) = (Vec::new(), 0);
        let each = |part, meta: &object_store::ObjectMeta| {
            if let Part::Unit(address) = part
                && !layout.is_on(address, self.node)
            {
                keys.push(Part::Unit(address).key(object));
                room += meta.size;
            }
        };
        self.bucket.each_part(object, each).await?;
        let units = keys.len() as u64;
        self.bucket.remove(keys).await?;
        self.give_back(room);
        if units > 0 {
            info!(node = %self.node, %object, units, generation, "trimmed");
        }
        Ok(units)
    }

    async fn remove(&self, object: ObjectId) -> Result<bool, StoreError> {
        let _alone = self.changing.lock().await;
        let (mut keys, mut room) = (Vec::new(), 0);
        let each = |part: Part, meta: &object_store::ObjectMeta| {
            keys.push(part.key(object));
            if let Part::Unit(_) = part {
                room += meta.size;
            }
        };
        self.bucket.each_part(object, each).await?;
        if keys.is_empty() {
            return Ok(false);
        }
        // First what says that the object is whole, last what says that there is one.
        self.bucket.remove(vec![Part::Manifest.key(object)]).await?;
        self.known.remove(&object);
        let form = Part::Form.key(object);
        keys.retain(|key| *key != form);
        self.bucket.remove(keys).await?;
        self.bucket.remove(vec![form]).await?;
        self.give_back(room);
        let _ = self.objects.fetch_update(Relaxed, Relaxed, |objects| objects.checked_sub(1));
        info!(node = %self.node, %object, "deleted");
        Ok(true)
    }

    async fn known(&self, object: ObjectId) -> Result<Option<Known>, StoreError> {
        if let Some(known) = self.known.get(&object) {
            return Ok(Some(known));
        }
        let _alone = self.changing.lock().await;
        self.learn(object).await
    }

    async fn known_or_made(&self, object: ObjectId, unit_size: u32) -> Result<Known, StoreError> {
        if let Some(known) = self.known.get(&object) {
            return Ok(known);
        }
        let _alone = self.changing.lock().await;
        if let Some(known) = self.learn(object).await? {
            return Ok(known);
        }
        let known = Known { unit_size, sealed: self.bucket.has(&Part::Manifest.key(object)).await? };
        let form = encode_file_header(object, unit_size).to_vec();
        self.bucket.put(&Part::Form.key(object), form.into()).await?;
        if !known.sealed {
            self.objects.fetch_add(1, Relaxed);
        }
        self.known.insert(object, known);
        Ok(known)
    }

    /// For whoever is alone in changing things.
    async fn learn(&self, object: ObjectId) -> Result<Option<Known>, StoreError> {
        if let Some(known) = self.known.get(&object) {
            return Ok(Some(known));
        }
        let Some(got) = self.bucket.get(&Part::Form.key(object)).await? else { return Ok(None) };
        let unit_size = decode_file_header(&got.bytes, object)
            .and_then(|unit_size| unit_size.ok_or("it is cut off"))
            .map_err(|reason| self.damaged(object, Part::Form, reason.to_owned()))?;
        let known = Known { unit_size, sealed: self.bucket.has(&Part::Manifest.key(object)).await? };
        self.known.insert(object, known);
        Ok(Some(known))
    }

    fn damaged(&self, object: ObjectId, part: Part, reason: String) -> StoreError {
        let path = self.bucket.named(&part.key(object));
        let unit = if let Part::Unit(address) = part { Some(address) } else { None };
        StoreError::Damaged { item: Item { object, unit }, path, offset: 0, reason }
    }

    fn give_back(&self, room: u64) {
        let _ = self.bytes.fetch_update(Relaxed, Relaxed, |used| Some(used.saturating_sub(room)));
    }
}

impl UnitStore for S3Store {
    fn node(&self) -> NodeId {
        self.node
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
        let length = check_unit(Item { object, unit: Some(address) }, unit_size, crc, data)?;
        let header = SlotHeader { object, address, length, crc, sums: false };
        self.runtime.block_on(self.write(header, unit_size, data, generation))
    }

    fn get_unit(&self, object: ObjectId, address: UnitAddress) -> Result<StoredUnit, StoreError> {
        self.runtime.block_on(self.read(object, address))
    }

    fn head_unit(&self, object: ObjectId, address: UnitAddress) -> Result<UnitInfo, StoreError> {
        self.runtime.block_on(self.look_at(object, address))
    }

    fn unit_size(&self, object: ObjectId) -> Result<u32, StoreError> {
        let known = self.runtime.block_on(self.known(object))?;
        known.map(|known| known.unit_size).ok_or_else(|| absent(object, None))
    }

    fn known_unit_size(&self, object: ObjectId) -> Option<u32> {
        self.known.get(&object).map(|known| known.unit_size)
    }

    fn seal(&self, manifest: &Manifest) -> Result<(), StoreError> {
        self.runtime.block_on(self.keep(manifest))
    }

    fn manifest(&self, object: ObjectId) -> Result<Option<Manifest>, StoreError> {
        let found = self.runtime.block_on(self.read_manifest(object))?;
        Ok(found.map(|(manifest, _)| manifest))
    }

    fn trim(&self, object: ObjectId, generation: u32) -> Result<u64, StoreError> {
        self.runtime.block_on(self.erase_strangers(object, generation))
    }

    fn delete_object(&self, object: ObjectId) -> Result<bool, StoreError> {
        self.runtime.block_on(self.remove(object))
    }

    fn summary(&self, object: ObjectId) -> Result<ObjectSummary, StoreError> {
        self.runtime.block_on(self.sum_up(object))
    }

    fn list(&self, after: Option<ObjectId>, limit: usize) -> Result<ObjectPage, StoreError> {
        self.runtime.block_on(self.page(after, limit))
    }

    fn usage(&self) -> Result<Usage, StoreError> {
        let (objects, disk_bytes) = (self.objects.load(Relaxed), self.bytes.load(Relaxed));
        let total_bytes = self.capacity_bytes.unwrap_or(ENDLESS);
        Ok(Usage { objects, disk_bytes, free_bytes: total_bytes.saturating_sub(disk_bytes), total_bytes })
    }
}
