//! What a node asks of whatever keeps its units, and what every keeper checks alike.

use super::{
    StoredUnit, UnitInfo, Usage,
    error::{Item, StoreError},
    object_file::MAX_ROWS,
};
use crate::{
    id::{NodeId, ObjectId},
    layout::{Layout, MAX_UNIT_SIZE, MIN_UNIT_SIZE, UnitAddress},
    manifest::Manifest,
    sum::crc32c_of,
    wire::{ObjectPage, ObjectSummary},
};
use bytes::Bytes;
use std::{fmt::Debug, ops::Range};

/// Keeps one node's units, in a folder ([`super::Store`]) or elsewhere. All calls block: they are for threads that
/// may.
pub trait UnitStore: Debug + Send + Sync + 'static {
    /// The node whose units they are.
    fn node(&self) -> NodeId;

    /// Stores a unit given in pieces, of an object whose units have `unit_size` bytes. Refuses data that don't fit `crc`
    /// (CRC-32C). Takes units of a sealed object only with a `generation`, as maintenance has it on behalf of a layout of
    /// that: those that belong here by the manifest that is here, and any others only where the generation is not older.
    fn put(
        &self,
        object: ObjectId,
        address: UnitAddress,
        unit_size: u32,
        crc: u32,
        data: &[Bytes],
        generation: Option<u32>,
    ) -> Result<(), StoreError>;

    /// Reads a unit and checks it.
    fn get_unit(&self, object: ObjectId, address: UnitAddress) -> Result<StoredUnit, StoreError>;

    /// A unit's length and checksum without reading it.
    fn head_unit(&self, object: ObjectId, address: UnitAddress) -> Result<UnitInfo, StoreError>;

    /// The bytes `part` of a unit, checked, and how many bytes were read for it: those of the blocks that it touches and
    /// of their checksums, or all where only whole units can be checked. Past the unit's end there are none.
    fn get_part(&self, object: ObjectId, address: UnitAddress, part: Range<u32>) -> Result<(Bytes, u64), StoreError> {
        let data = self.get_unit(object, address)?.data;
        let (read, end) = (data.len() as u64, data.len().min(part.end as usize));
        Ok((data.slice((part.start as usize).min(end)..end), read))
    }

    /// The object's unit size in bytes: what reading one of its units takes in memory.
    fn unit_size(&self, object: ObjectId) -> Result<u32, StoreError>;

    /// The same without waiting for anything, if it is known.
    fn known_unit_size(&self, object: ObjectId) -> Option<u32>;

    /// Declares an object complete, for good. Checks that all its units that belong here are here, makes them last and
    /// keeps the manifest. Sealing again the same way is success; a manifest of the same object with a layout of a higher
    /// generation takes the place of the older one.
    fn seal(&self, manifest: &Manifest) -> Result<(), StoreError>;

    /// The object's manifest, if it is sealed.
    fn manifest(&self, object: ObjectId) -> Result<Option<Manifest>, StoreError>;

    /// Removes the units of a sealed object that don't belong here by its manifest, which must be of this generation, and
    /// says how many those were.
    fn trim(&self, object: ObjectId, generation: u32) -> Result<u64, StoreError>;

    /// Removes what is here of an object and says whether that was anything. The manifest goes first, so that a crash
    /// leaves an object that is not sealed, never a sealed one without its units.
    fn delete_object(&self, object: ObjectId) -> Result<bool, StoreError>;

    /// What is here of an object. Looks at every unit.
    fn summary(&self, object: ObjectId) -> Result<ObjectSummary, StoreError>;

    /// The objects after `after` in the order of their ids, at most `limit` (and `MAX_PAGE`). An object whose manifest is
    /// damaged is listed as sealed without a manifest.
    fn list(&self, after: Option<ObjectId>, limit: usize) -> Result<ObjectPage, StoreError>;

    /// What is stored and what still can be.
    fn usage(&self) -> Result<Usage, StoreError>;
}

/// Refuses a unit that makes no sense or was damaged on its way; else its length.
pub(super) fn check_unit(item: Item, unit_size: u32, crc: u32, data: &[Bytes]) -> Result<u32, StoreError> {
    let bad = |reason| Err(StoreError::Bad { item, reason });
    if !(MIN_UNIT_SIZE..=MAX_UNIT_SIZE).contains(&unit_size) {
        return bad(format!("units of {unit_size} bytes; {MIN_UNIT_SIZE} to {MAX_UNIT_SIZE} are allowed"));
    }
    let length = data.iter().map(Bytes::len).sum::<usize>();
    let length = match u32::try_from(length) {
        Ok(length) if (1..=unit_size).contains(&length) => length,
        _ => return bad(format!("{length} bytes; 1 to {unit_size} are allowed")),
    };
    let got = crc32c_of(data.iter().map(AsRef::as_ref));
    if got != crc {
        return bad(format!("damaged on the way: crc32c {got:08x} of {length} bytes, named was {crc:08x}"));
    }
    Ok(length)
}

/// Refuses units of another size than the object's others.
pub(super) fn check_unit_size(item: Item, here: u32, given: u32) -> Result<(), StoreError> {
    if here == given {
        return Ok(());
    }
    Err(StoreError::Conflict { item, reason: format!("the object's units have {here} bytes here, not {given}") })
}

/// Refuses a unit of a sealed object unless maintenance brings it: to where it belongs by the manifest that is here,
/// or on behalf of a layout that is not older.
pub(super) fn check_sealed(
    item: Item,
    manifest: Option<&Manifest>,
    belongs: bool,
    generation: Option<u32>,
) -> Result<(), StoreError> {
    let Some(manifest) = manifest else { return Ok(()) };
    if generation.is_some_and(|generation| belongs || generation >= manifest.layout.generation) {
        return Ok(());
    }
    let reason = "the object is sealed; only maintenance may add units, and only for its newest generation";
    Err(StoreError::Conflict { item, reason: reason.to_owned() })
}

/// Refuses a layout that has no place for this node, or that is longer than any object can be: its rows are looked
/// through one by one, and a length is only a word.
pub(super) fn check_layout(item: Item, layout: &Layout, node: NodeId) -> Result<(), StoreError> {
    if !layout.nodes.contains(&node) {
        let reason = format!("node {node} is not in the object's stripe set");
        return Err(StoreError::Conflict { item, reason });
    }
    if layout.rows() > MAX_ROWS {
        let reason = format!("{} rows; an object has at most {MAX_ROWS}", layout.rows());
        return Err(StoreError::Bad { item, reason });
    }
    Ok(())
}

/// Refuses a manifest that doesn't follow what is here; says whether there is anything to write.
pub(super) fn check_follows(item: Item, manifest: &Manifest, old: Option<&Manifest>) -> Result<bool, StoreError> {
    match old {
        Some(old) if old == manifest => Ok(false),
        Some(old) if !manifest.follows(old) => {
            let generation = old.layout.generation;
            let reason = format!("sealed already, with another manifest, of generation {generation}");
            Err(StoreError::Conflict { item, reason })
        }
        _ => Ok(true),
    }
}
