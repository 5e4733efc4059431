//! How an object's file is laid out on a node's disk.
//!
//! ```text
//! 0      "mobidic units 1\n"   object (16)   unit size (4)   crc32c of the 36 bytes before (4)   zeros
//! 4096   slot of row 0, slot of row 1, ...   each `slot_stride(unit size)` bytes
//! slot:  "UNIT"   position (1)   2 where there are sums (1)   zeros (2)   row (8)   length (4)
//!        crc32c of the data (4)   object (16)   zeros (20)
//!        crc32c of the 60 bytes before (4)   data   sums
//! ```
//!
//! Numbers are little-endian. A node has at most one unit of a row, so a row has one slot; rows of which it has
//! none are holes, which take no room. A slot's data is written before its header: a header that is there and
//! whole says that the data was written, one that is all zeros (or past the end of the file) that it was not.
//!
//! The sums are one (4) for each of the unit's blocks, so that part of it can be read and checked without the rest, nor
//! the other sums: the block's crc32c mixed with one of whose block it is, as what another unit left in the slot must
//! not pass. They lie where the slot has room left. Units without them (of one block, or with 1 in their place, of
//! which blocks of 4096 bytes had sums of another kind) are read whole.

use crate::{
    id::ObjectId,
    layout::UnitAddress,
    sum::{crc32c, crc32c_of_blocks},
};
use bytes::Bytes;

/// Where the slots begin; a page, so that slots lie on page borders.
pub(super) const FILE_HEADER_BYTES: u64 = 4096;
/// Bytes before a slot's data.
pub(super) const SLOT_HEADER_BYTES: usize = 64;
/// Used bytes of the file's header.
const FILE_HEADER_USED: usize = 40;
const FILE_MAGIC: &[u8; 16] = b"mobidic units 1\n";
const SLOT_MAGIC: &[u8; 4] = b"UNIT";
const PAGE: u64 = 4096;
/// Bytes of the smallest block that has a checksum of its own: what is read beyond a small key frame is then a few
/// hundred bytes, and sums take less than a hundredth of the room.
const MIN_BLOCK: u32 = 512;
/// In a slot's header: that there are sums.
const HAS_SUMS: u8 = 2;
/// Bytes of one block's checksum.
const SUM_BYTES: u32 = 4;

/// A slot's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlotHeader {
    pub object: ObjectId,
    pub address: UnitAddress,
    pub length: u32,
    pub crc: u32,
    /// Whether its blocks have checksums of their own.
    pub sums: bool,
}

/// What stands where a slot's header should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SlotState {
    /// Nothing was written, or not to the end.
    Empty,
    Written(SlotHeader),
    Damaged(&'static str),
}

/// From one slot's begin to the next.
pub(super) fn slot_stride(unit_size: u32) -> u64 {
    (SLOT_HEADER_BYTES as u64 + u64::from(unit_size)).next_multiple_of(PAGE)
}

/// Where the slot of `row` begins.
pub(super) fn slot_offset(unit_size: u32, row: u64) -> u64 {
    FILE_HEADER_BYTES + row * slot_stride(unit_size)
}

/// Bytes of a block in an object's units: the fewest whose sums fit between a full unit and the next slot. `None` where
/// there would be one block, or no room.
pub(super) fn block_bytes(unit_size: u32) -> Option<u32> {
    let room = slot_stride(unit_size) - SLOT_HEADER_BYTES as u64 - u64::from(unit_size);
    let blocks = std::iter::successors(Some(MIN_BLOCK), |block| block.checked_mul(2));
    let mut blocks = blocks.take_while(|block| *block < unit_size);
    blocks.find(|block| u64::from(unit_size.div_ceil(*block) * SUM_BYTES) <= room)
}

/// The sums of blocks of the unit that `header` names, given in pieces, as they are stored.
pub(super) fn block_sums(header: &SlotHeader, blocks: &[Bytes], block: u32) -> Vec<u8> {
    let whose = header.whose();
    crc32c_of_blocks(blocks, block as usize).into_iter().flat_map(|crc| (crc ^ whose).to_le_bytes()).collect()
}

/// Bytes of the sums of so many blocks.
pub(super) fn sums_bytes(blocks: u32) -> u32 {
    blocks * SUM_BYTES
}

pub(super) fn encode_file_header(object: ObjectId, unit_size: u32) -> [u8; FILE_HEADER_USED] {
    let mut header = [0; FILE_HEADER_USED];
    header[..16].copy_from_slice(FILE_MAGIC);
    header[16..32].copy_from_slice(&object.0.to_le_bytes());
    header[32..36].copy_from_slice(&unit_size.to_le_bytes());
    seal(&mut header);
    header
}

/// The unit size, `None` if the header was not written to its end, or what is wrong with it.
pub(super) fn decode_file_header(header: &[u8], object: ObjectId) -> Result<Option<u32>, &'static str> {
    let Some(header) = header.first_chunk::<FILE_HEADER_USED>() else { return Ok(None) };
    if header.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    if &header[..16] != FILE_MAGIC {
        return Err("not a file of units of version 1");
    }
    if !is_sealed(header) {
        return Err("the file header's checksum is wrong");
    }
    if header[16..32] != object.0.to_le_bytes() {
        return Err("the file header names another object");
    }
    Ok(Some(u32_at(header, 32)))
}

impl SlotHeader {
    pub fn encode(&self) -> [u8; SLOT_HEADER_BYTES] {
        let mut header = [0; SLOT_HEADER_BYTES];
        header[..4].copy_from_slice(SLOT_MAGIC);
        header[4] = self.address.position;
        header[8..16].copy_from_slice(&self.address.row.to_le_bytes());
        header[16..20].copy_from_slice(&self.length.to_le_bytes());
        header[20..24].copy_from_slice(&self.crc.to_le_bytes());
        header[24..40].copy_from_slice(&self.object.0.to_le_bytes());
        if self.sums {
            header[5] = HAS_SUMS;
        }
        seal(&mut header);
        header
    }

    /// What the sums of its blocks are mixed with.
    fn whose(&self) -> u32 {
        let Self { object, address, .. } = self;
        let mut named = [0; 25];
        named[..16].copy_from_slice(&object.0.to_le_bytes());
        named[16..24].copy_from_slice(&address.row.to_le_bytes());
        named[24] = address.position;
        crc32c(&named)
    }

    /// Reads what stands at the begin of the slot of `row`; fewer bytes than a header mean the file ends there.
    pub fn decode(bytes: &[u8], object: ObjectId, row: u64, unit_size: u32) -> SlotState {
        let Some(header) = bytes.first_chunk::<SLOT_HEADER_BYTES>() else { return SlotState::Empty };
        if header.iter().all(|byte| *byte == 0) {
            return SlotState::Empty;
        }
        if &header[..4] != SLOT_MAGIC || !is_sealed(header) {
            return SlotState::Damaged("the unit header's checksum is wrong");
        }
        let found = Self {
            object: ObjectId(u128::from_le_bytes(array_at(header, 24))),
            address: UnitAddress { row: u64::from_le_bytes(array_at(header, 8)), position: header[4] },
            length: u32_at(header, 16),
            crc: u32_at(header, 20),
            sums: header[5] == HAS_SUMS,
        };
        if found.object != object || found.address.row != row {
            return SlotState::Damaged("the unit header is that of another unit");
        }
        if found.length == 0 || found.length > unit_size {
            return SlotState::Damaged("the unit header names a senseless length");
        }
        SlotState::Written(found)
    }
}

/// Puts the checksum of all before it into the last four bytes.
fn seal(header: &mut [u8]) {
    if let Some((rest, sum)) = header.split_last_chunk_mut::<4>() {
        *sum = crc32c(rest).to_le_bytes();
    }
}

fn is_sealed(header: &[u8]) -> bool {
    header.split_last_chunk::<4>().is_some_and(|(rest, sum)| crc32c(rest).to_le_bytes() == *sum)
}

fn u32_at(header: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(header, at))
}

/// Only for constant places inside the fixed-size headers.
fn array_at<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&header[at..at + N]);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: ObjectId = ObjectId(77);
    const SLOT: SlotHeader =
        SlotHeader { object: OBJECT, address: UnitAddress { row: 5, position: 2 }, length: 4096, crc: 9, sums: false };

    #[test]
    fn headers_read_back() {
        for sums in [false, true] {
            let slot = SlotHeader { sums, ..SLOT };
            assert_eq!(SlotHeader::decode(&slot.encode(), OBJECT, 5, 4096), SlotState::Written(slot));
        }
        // What had sums of another kind is a unit without.
        let mut older = SLOT.encode();
        older[5] = 1;
        older[40..44].copy_from_slice(&[7; 4]);
        seal(&mut older);
        assert_eq!(SlotHeader::decode(&older, OBJECT, 5, 4096), SlotState::Written(SLOT));
        assert_eq!(decode_file_header(&encode_file_header(OBJECT, 8192), OBJECT), Ok(Some(8192)));
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        for bit in 0..SLOT_HEADER_BYTES * 8 {
            let mut header = SLOT.encode();
            header[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(SlotHeader::decode(&header, OBJECT, 5, 4096), SlotState::Damaged(_)), "bit {bit}");
        }
        for bit in 0..FILE_HEADER_USED * 8 {
            let mut header = encode_file_header(OBJECT, 8192);
            header[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_file_header(&header, OBJECT).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn what_was_not_written_is_empty_and_what_is_misplaced_is_damaged() {
        for length in 0..SLOT_HEADER_BYTES {
            assert_eq!(SlotHeader::decode(&SLOT.encode()[..length], OBJECT, 5, 4096), SlotState::Empty);
        }
        assert_eq!(SlotHeader::decode(&[0; 100], OBJECT, 5, 4096), SlotState::Empty);
        assert!(matches!(SlotHeader::decode(&SLOT.encode(), ObjectId(78), 5, 4096), SlotState::Damaged(_)));
        assert!(matches!(SlotHeader::decode(&SLOT.encode(), OBJECT, 6, 4096), SlotState::Damaged(_)));
        assert!(matches!(SlotHeader::decode(&SLOT.encode(), OBJECT, 5, 4095), SlotState::Damaged(_)));
        assert_eq!(decode_file_header(&encode_file_header(OBJECT, 8192)[..39], OBJECT), Ok(None));
        assert!(decode_file_header(&encode_file_header(OBJECT, 8192), ObjectId(78)).is_err());
    }
    #[test]
    fn sums_fit_their_slots_and_are_those_of_the_blocks() {
        for (unit_size, block) in [
            (4096, Some(512)),
            (8128, None),
            (8100, Some(2048)),
            (8192, Some(512)),
            (256 << 10, Some(512)),
            (1 << 20, Some(2048)),
            (4 << 20, Some(8192)),
        ] {
            assert_eq!(block_bytes(unit_size), block, "{unit_size}");
            let Some(block) = block else { continue };
            let end = SLOT_HEADER_BYTES as u32 + unit_size + sums_bytes(unit_size.div_ceil(block));
            assert!(u64::from(end) <= slot_stride(unit_size), "{unit_size}");
        }
        let all: Bytes = (0..10_000u32).map(|n| (n / 3) as u8).collect();
        let sums =
            |whose: u32| all.chunks(4096).flat_map(|block| (crc32c(block) ^ whose).to_le_bytes()).collect::<Vec<_>>();
        let expected = sums(SLOT.whose());
        for cuts in [vec![], vec![1], vec![4095, 4097], vec![4096, 8192], vec![0, 5, 9_999]] {
            let (mut parts, mut from) = (Vec::new(), 0);
            for cut in cuts.iter().copied().chain([all.len()]) {
                parts.push(all.slice(from..cut));
                from = cut;
            }
            assert_eq!(block_sums(&SLOT, &parts, 4096), expected, "{cuts:?}");
        }
        assert_eq!(block_sums(&SLOT, &[all.slice(..8192)], 4096).len() as u32, sums_bytes(2));
        // Each unit has its own.
        let other = |row, position| SlotHeader { address: UnitAddress { row, position }, ..SLOT };
        for other in [other(4, 2), other(5, 1), SlotHeader { object: ObjectId(78), ..SLOT }] {
            let others = block_sums(&other, std::slice::from_ref(&all), 4096);
            assert!(others.iter().zip(&expected).any(|(other, own)| other != own), "{other:?}");
            assert_eq!(others, sums(other.whose()));
        }
    }
}
