//! Part of a unit, read and checked without the rest.

use super::{
    error::StoreError,
    object_file::ObjectFile,
    record::{SLOT_HEADER_BYTES, block_bytes, block_sums, sums_bytes},
};
use crate::layout::UnitAddress;
use bytes::Bytes;
use std::ops::Range;

impl ObjectFile {
    /// Bytes of the blocks that have a checksum of their own, if the unit has such.
    pub fn block(&self, sums: bool) -> Option<u32> {
        block_bytes(self.unit_size()).filter(|_| sums)
    }

    /// The bytes `part` of a unit, and how many were read for it: those of all blocks that it touches, which are
    /// checked, and of their checksums. A unit whose blocks have no checksums is read whole.
    pub fn read_part(&self, address: UnitAddress, part: Range<u32>) -> Result<(Bytes, u64), StoreError> {
        let steady = self.steady();
        let header = self.head(address)?;
        let end = part.end.min(header.length);
        let part = part.start.min(end)..end;
        if part.is_empty() {
            return Ok((Bytes::new(), 0));
        }
        let Some(block) = self.block(header.sums) else {
            drop(steady);
            let (data, _) = self.read(address)?;
            let read = data.len() as u64;
            return Ok((data.slice(part.start as usize..part.end as usize), read));
        };
        let blocks = part.start / block..part.end.div_ceil(block);
        let (first, last) = (blocks.start * block, blocks.end.saturating_mul(block).min(header.length));
        let mut sums = vec![0; sums_bytes(blocks.end - blocks.start) as usize];
        let mut bytes = vec![0; last.saturating_sub(first) as usize];
        let data = self.offset(address)? + SLOT_HEADER_BYTES as u64;
        self.read_all(address, &mut sums, data + u64::from(header.length + sums_bytes(blocks.start)))?;
        self.read_all(address, &mut bytes, data + u64::from(first))?;
        drop(steady);
        let (read, bytes) = (bytes.len() + sums.len(), Bytes::from(bytes));
        let found = block_sums(&header, std::slice::from_ref(&bytes), block);
        if let Some(bad) = found.iter().zip(&sums).position(|(found, written)| found != written) {
            let at = first + bad as u32 / sums_bytes(1) * block;
            return Err(self.damaged(address, &format!("the checksum of the block at byte {at} is wrong")));
        }
        Ok((bytes.slice((part.start - first) as usize..(part.end - first) as usize), read as u64))
    }
}
