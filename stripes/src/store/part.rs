//! Part of a unit, read and checked without the rest.

use super::{
    error::StoreError,
    object_file::ObjectFile,
    record::{SLOT_HEADER_BYTES, block_bytes, sums_bytes},
};
use crate::{layout::UnitAddress, sum::crc32c};
use bytes::Bytes;
use std::ops::Range;

impl ObjectFile {
    /// Bytes of the blocks that have a checksum of their own, if the unit has such.
    pub fn block(&self, sums: Option<u32>) -> Option<u32> {
        block_bytes(self.unit_size()).filter(|_| sums.is_some())
    }

    /// The bytes `part` of a unit, and how many were read for it: those of all blocks that it touches, which are
    /// checked. A unit whose blocks have no checksums is read whole.
    pub fn read_part(&self, address: UnitAddress, part: Range<u32>) -> Result<(Bytes, u64), StoreError> {
        let steady = self.steady();
        let header = self.head(address)?;
        let end = part.end.min(header.length);
        let part = part.start.min(end)..end;
        let Some((block, sum)) = self.block(header.sums).zip(header.sums) else {
            drop(steady);
            let (data, _) = self.read(address)?;
            let read = data.len() as u64;
            return Ok((data.slice(part.start as usize..part.end as usize), read));
        };
        let first = part.start / block * block;
        let last = part.end.next_multiple_of(block).min(header.length).max(first);
        let mut sums = vec![0; sums_bytes(header.length, block)];
        let mut bytes = vec![0; (last - first) as usize];
        let data = self.offset(address)? + SLOT_HEADER_BYTES as u64;
        self.read_all(address, &mut sums, data + u64::from(header.length))?;
        self.read_all(address, &mut bytes, data + u64::from(first))?;
        drop(steady);
        if crc32c(&sums) != sum {
            return Err(self.damaged(address, "the checksum of the blocks' checksums is wrong"));
        }
        let sums = sums.chunks_exact(4).skip((first / block) as usize);
        for (number, (bytes, sum)) in bytes.chunks(block as usize).zip(sums).enumerate() {
            let crc = crc32c(bytes);
            if crc.to_le_bytes() != sum {
                let at = u64::from(first) + number as u64 * u64::from(block);
                return Err(self.damaged(address, &format!("the checksum of the block at byte {at} is wrong")));
            }
        }
        let read = bytes.len() as u64;
        let bytes = Bytes::from(bytes).slice((part.start - first) as usize..(part.end - first) as usize);
        Ok((bytes, read))
    }
}
