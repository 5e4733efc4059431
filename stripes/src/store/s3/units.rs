//! Units into the bucket and out of it.

use super::{S3Store, bucket::Part};
use crate::{
    id::ObjectId,
    layout::{MAX_UNIT_SIZE, UnitAddress},
    store::{
        StoredUnit, UnitInfo,
        backend::{check_sealed, check_unit_size},
        error::{Item, StoreError},
        object_file::MAX_ROWS,
        record::{SLOT_HEADER_BYTES, SlotHeader, SlotState},
    },
    sum::crc32c,
};
use bytes::Bytes;
use std::sync::atomic::Ordering::Relaxed;

impl S3Store {
    pub(super) async fn write(
        &self,
        header: SlotHeader,
        unit_size: u32,
        data: &[Bytes],
        by: Option<u32>,
    ) -> Result<(), StoreError> {
        let SlotHeader { object, address, .. } = header;
        let item = Item { object, unit: Some(address) };
        if address.row >= MAX_ROWS {
            return Err(StoreError::Bad { item, reason: format!("an object has at most {MAX_ROWS} rows") });
        }
        let known = self.known_or_made(object, unit_size).await?;
        check_unit_size(item, known.unit_size, unit_size)?;
        let manifest = if known.sealed || by.is_some() { self.read_manifest(object).await? } else { None };
        let belongs = manifest.as_ref().is_some_and(|(manifest, _)| manifest.layout.is_on(address, self.node));
        check_sealed(item, manifest.as_ref().map(|(manifest, _)| manifest), belongs, by)?;
        let key = Part::Unit(address).key(object);
        // Only maintenance writes what may be there already.
        let new = by.is_none() || !self.bucket.has(&key).await?;
        let room = if new { slot_bytes(header.length) } else { 0 };
        let used = self.bytes.fetch_add(room, Relaxed) + room;
        if let Some(capacity) = self.capacity_bytes.filter(|capacity| used > *capacity) {
            self.give_back(room);
            let reason = format!("the node's capacity is set to {capacity} bytes");
            return Err(StoreError::Full { path: self.bucket.named(&key), reason });
        }
        let head = Bytes::copy_from_slice(&header.encode());
        let body = std::iter::once(head).chain(data.iter().cloned()).collect();
        self.bucket.put(&key, body).await.inspect_err(|_| self.give_back(room))
    }

    pub(super) async fn read(&self, object: ObjectId, address: UnitAddress) -> Result<StoredUnit, StoreError> {
        let key = Part::Unit(address).key(object);
        let got = self.bucket.get(&key).await?.ok_or_else(|| no_unit(object, address))?;
        let header = self.header(object, address, &got.bytes, got.bytes.len() as u64)?;
        let data = got.bytes.slice(SLOT_HEADER_BYTES..);
        let crc = crc32c(&data);
        if crc != header.crc {
            let reason = format!("crc32c {crc:08x} of {} bytes, written were {:08x}", data.len(), header.crc);
            return Err(self.damaged(object, Part::Unit(address), reason));
        }
        Ok(StoredUnit { data, crc })
    }

    pub(super) async fn look_at(&self, object: ObjectId, address: UnitAddress) -> Result<UnitInfo, StoreError> {
        let key = Part::Unit(address).key(object);
        let got = self.bucket.get_begin(&key, SLOT_HEADER_BYTES).await?.ok_or_else(|| no_unit(object, address))?;
        let header = self.header(object, address, &got.bytes, got.meta.size)?;
        Ok(UnitInfo { length: header.length, crc: header.crc, block: None })
    }

    /// The header of what has `length` bytes in all. A bucket holds whole units or none, so that a cut one is damaged.
    fn header(&self, object: ObjectId, at: UnitAddress, bytes: &[u8], length: u64) -> Result<SlotHeader, StoreError> {
        let reason = match SlotHeader::decode(bytes, object, at.row, MAX_UNIT_SIZE) {
            SlotState::Written(header) if header.address != at => format!("it says that it is unit {}", header.address),
            SlotState::Written(header) if slot_bytes(header.length) != length => {
                format!("{length} bytes, written were {}", slot_bytes(header.length))
            }
            SlotState::Written(header) => return Ok(header),
            SlotState::Empty => format!("{length} bytes without a unit's header"),
            SlotState::Damaged(reason) => reason.to_owned(),
        };
        Err(self.damaged(object, Part::Unit(at), reason))
    }
}

/// What a unit takes in the bucket.
fn slot_bytes(length: u32) -> u64 {
    SLOT_HEADER_BYTES as u64 + u64::from(length)
}

fn no_unit(object: ObjectId, address: UnitAddress) -> StoreError {
    StoreError::Absent { item: Item { object, unit: Some(address) }, reason: "it is not in the bucket".to_owned() }
}
