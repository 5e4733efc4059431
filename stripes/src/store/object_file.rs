//! One object's units in one open file.

use super::{
    error::{Item, StoreError},
    record::{
        FILE_HEADER_BYTES, SLOT_HEADER_BYTES, SlotHeader, SlotState, block_bytes, block_sums, decode_file_header,
        encode_file_header, slot_offset, slot_stride,
    },
};
use crate::{id::ObjectId, layout::UnitAddress, sum::crc32c};
use bytes::Bytes;
use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind},
    os::{
        fd::AsRawFd,
        unix::fs::{FileExt, MetadataExt},
    },
    path::{Path, PathBuf},
    sync::{
        PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// Rows of an object on one node: 1 TiB of units of 256 KiB. A client can't make a node's file (all holes) so long
/// that looking through its rows takes longer than some seconds.
pub(super) const MAX_ROWS: u64 = 1 << 22;

#[derive(Debug)]
pub(super) struct ObjectFile {
    file: File,
    path: PathBuf,
    object: ObjectId,
    unit_size: u32,
    /// Units of a sealed object are brought to the disk one by one.
    pub sealed: AtomicBool,
    /// Whoever writes a slot for the second time keeps readers away, who would see half of each.
    rewriting: RwLock<()>,
}

impl ObjectFile {
    /// Opens an existing file; `None` if there is none, or none that ever held a unit.
    pub fn open(path: &Path, object: ObjectId, sealed: bool) -> Result<Option<Self>, StoreError> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::io(path, "open")(e)),
        };
        Ok(Self::unit_size_of(&file, path, object)?.map(|unit_size| Self::new(file, path, object, unit_size, sealed)))
    }

    /// Opens the file for a unit, making it if need be.
    pub fn create(path: &Path, object: ObjectId, unit_size: u32, sealed: bool) -> Result<Self, StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(StoreError::io(path, "create"))?;
        let found = match Self::unit_size_of(&file, path, object)? {
            Some(found) => found,
            None => {
                let header = encode_file_header(object, unit_size);
                file.write_all_at(&header, 0).map_err(StoreError::io(path, "write"))?;
                unit_size
            }
        };
        Ok(Self::new(file, path, object, found, sealed))
    }

    fn new(file: File, path: &Path, object: ObjectId, unit_size: u32, sealed: bool) -> Self {
        Self { file, path: path.to_owned(), object, unit_size, sealed: sealed.into(), rewriting: RwLock::new(()) }
    }

    fn unit_size_of(file: &File, path: &Path, object: ObjectId) -> Result<Option<u32>, StoreError> {
        let mut header = [0; SLOT_HEADER_BYTES];
        let length = read_up_to(file, &mut header, 0).map_err(StoreError::io(path, "read"))?;
        decode_file_header(&header[..length], object).map_err(|reason| StoreError::Damaged {
            item: Item { object, unit: None },
            path: path.to_owned(),
            offset: 0,
            reason: reason.to_owned(),
        })
    }

    pub fn unit_size(&self) -> u32 {
        self.unit_size
    }

    /// The file was removed while it stayed open here.
    pub fn is_removed(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// Writes a unit: first its data, then the header that says it is there. Writing the same unit again, as a
    /// repair does, is safe at any moment: it puts the same bytes over themselves.
    /// Says whether it is new. Another unit of the row that is here already is written over only if it `gives_way`.
    pub fn write(
        &self,
        header: &SlotHeader,
        data: &[Bytes],
        gives_way: impl Fn(UnitAddress) -> bool,
    ) -> Result<bool, StoreError> {
        let address = header.address;
        let mut old = [0; SLOT_HEADER_BYTES];
        let offset = self.offset(address)?;
        let length = read_up_to(&self.file, &mut old, offset).map_err(StoreError::io(&self.path, "read"))?;
        let old = SlotHeader::decode(&old[..length], self.object, address.row, self.unit_size);
        if let SlotState::Written(old) = old
            && old.address != address
            && !gives_way(old.address)
        {
            let reason = format!("this node holds unit {} of that row", old.address);
            return Err(StoreError::Conflict { item: self.item(address), reason });
        }
        let new = old == SlotState::Empty;
        let _shared = new.then(|| self.rewriting.read().unwrap_or_else(PoisonError::into_inner));
        let _alone = (!new).then(|| self.rewriting.write().unwrap_or_else(PoisonError::into_inner));
        let mut at = offset + SLOT_HEADER_BYTES as u64;
        for part in data {
            self.file.write_all_at(part, at).map_err(StoreError::io(&self.path, "write"))?;
            at += part.len() as u64;
        }
        let mut header = *header;
        if let Some(block) = block_bytes(self.unit_size).filter(|block| *block < header.length) {
            let sums = block_sums(&header, data, block);
            self.file.write_all_at(&sums, at).map_err(StoreError::io(&self.path, "write"))?;
            header.sums = true;
        }
        self.file.write_all_at(&header.encode(), offset).map_err(StoreError::io(&self.path, "write"))?;
        if self.sealed.load(Relaxed) {
            self.sync()?;
        }
        Ok(new)
    }

    /// A unit and the checksum that it fits.
    pub fn read(&self, address: UnitAddress) -> Result<(Bytes, u32), StoreError> {
        let offset = self.offset(address)?;
        let mut bytes = vec![0; SLOT_HEADER_BYTES + self.unit_size as usize];
        let length = {
            let _shared = self.rewriting.read().unwrap_or_else(PoisonError::into_inner);
            read_up_to(&self.file, &mut bytes, offset).map_err(StoreError::io(&self.path, "read"))?
        };
        let header = self.header(&bytes[..length], address)?;
        let end = SLOT_HEADER_BYTES + header.length as usize;
        if end > length {
            return Err(self.absent(address, "its writing was cut off"));
        }
        let data = Bytes::from(bytes).slice(SLOT_HEADER_BYTES..end);
        let crc = crc32c(&data);
        if crc != header.crc {
            let reason = format!("crc32c {crc:08x} of {} bytes, written were {:08x}", data.len(), header.crc);
            return Err(self.damaged(address, &reason));
        }
        Ok((data, crc))
    }

    /// A unit's header, as far as that can be told without reading its data.
    pub fn head(&self, address: UnitAddress) -> Result<SlotHeader, StoreError> {
        let offset = self.offset(address)?;
        let mut bytes = [0; SLOT_HEADER_BYTES];
        let length = read_up_to(&self.file, &mut bytes, offset).map_err(StoreError::io(&self.path, "read"))?;
        let header = self.header(&bytes[..length], address)?;
        if offset + SLOT_HEADER_BYTES as u64 + u64::from(header.length) > self.file_length()? {
            return Err(self.absent(address, "its writing was cut off"));
        }
        Ok(header)
    }

    /// How many units are here and their bytes, without headers; damaged headers don't count.
    pub fn count(&self) -> Result<(u64, u64), StoreError> {
        let rows = self.file_length()?.saturating_sub(FILE_HEADER_BYTES).div_ceil(slot_stride(self.unit_size));
        let (mut units, mut bytes) = (0, 0);
        let mut header = [0; SLOT_HEADER_BYTES];
        for row in 0..rows.min(MAX_ROWS) {
            let offset = slot_offset(self.unit_size, row);
            let length = read_up_to(&self.file, &mut header, offset).map_err(StoreError::io(&self.path, "read"))?;
            if let SlotState::Written(slot) = SlotHeader::decode(&header[..length], self.object, row, self.unit_size) {
                units += 1;
                bytes += u64::from(slot.length);
            }
        }
        Ok((units, bytes))
    }

    /// Erases all units but those to `keep`; says how many and the room that they took.
    pub fn erase_unless(&self, keep: impl Fn(UnitAddress) -> bool) -> Result<(u64, u64), StoreError> {
        let _alone = self.rewriting.write().unwrap_or_else(PoisonError::into_inner);
        let stride = slot_stride(self.unit_size);
        let rows = self.file_length()?.saturating_sub(FILE_HEADER_BYTES).div_ceil(stride);
        let (mut units, mut bytes) = (0, 0);
        let mut header = [0; SLOT_HEADER_BYTES];
        for row in 0..rows.min(MAX_ROWS) {
            let offset = slot_offset(self.unit_size, row);
            let length = read_up_to(&self.file, &mut header, offset).map_err(StoreError::io(&self.path, "read"))?;
            let slot = SlotHeader::decode(&header[..length], self.object, row, self.unit_size);
            if let SlotState::Written(slot) = slot
                && !keep(slot.address)
            {
                // First the header, which says that a unit is here; giving back the room may then fail.
                let nothing = [0; SLOT_HEADER_BYTES];
                self.file.write_all_at(&nothing, offset).map_err(StoreError::io(&self.path, "erase"))?;
                make_hole(&self.file, offset, stride);
                units += 1;
                bytes += slot_stride(slot.length);
            }
        }
        Ok((units, bytes))
    }

    /// Brings everything written to the disk.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(StoreError::io(&self.path, "sync"))
    }

    /// Fills `buffer` from `offset` of the file, all of it, on behalf of the unit at `address`.
    pub(super) fn read_all(&self, address: UnitAddress, buffer: &mut [u8], offset: u64) -> Result<(), StoreError> {
        let length = read_up_to(&self.file, buffer, offset).map_err(StoreError::io(&self.path, "read"))?;
        if length < buffer.len() { Err(self.absent(address, "its writing was cut off")) } else { Ok(()) }
    }

    /// Keeps those away who write a slot for the second time.
    pub(super) fn steady(&self) -> RwLockReadGuard<'_, ()> {
        self.rewriting.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn file_length(&self) -> Result<u64, StoreError> {
        Ok(self.file.metadata().map_err(StoreError::io(&self.path, "look at"))?.len())
    }

    pub(super) fn offset(&self, address: UnitAddress) -> Result<u64, StoreError> {
        if address.row >= MAX_ROWS {
            let reason = format!("an object has at most {MAX_ROWS} rows");
            return Err(StoreError::Bad { item: self.item(address), reason });
        }
        Ok(slot_offset(self.unit_size, address.row))
    }

    fn header(&self, bytes: &[u8], address: UnitAddress) -> Result<SlotHeader, StoreError> {
        match SlotHeader::decode(bytes, self.object, address.row, self.unit_size) {
            SlotState::Empty => Err(self.absent(address, "nothing of that row is here")),
            SlotState::Damaged(reason) => Err(self.damaged(address, reason)),
            SlotState::Written(header) if header.address != address => {
                Err(self.absent(address, &format!("of that row unit {} is here", header.address)))
            }
            SlotState::Written(header) => Ok(header),
        }
    }

    fn item(&self, address: UnitAddress) -> Item {
        Item { object: self.object, unit: Some(address) }
    }

    fn absent(&self, address: UnitAddress, reason: &str) -> StoreError {
        StoreError::Absent { item: self.item(address), reason: reason.to_owned() }
    }

    pub(super) fn damaged(&self, address: UnitAddress, reason: &str) -> StoreError {
        StoreError::Damaged {
            item: self.item(address),
            path: self.path.clone(),
            offset: slot_offset(self.unit_size, address.row),
            reason: reason.to_owned(),
        }
    }
}

/// Gives the room of part of a file back to the disk, where its file system can.
fn make_hole(file: &File, offset: u64, length: u64) {
    let (Ok(offset), Ok(length)) = (libc::off_t::try_from(offset), libc::off_t::try_from(length)) else { return };
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: the descriptor is open for as long as `file` lives; no memory is passed.
    unsafe { libc::fallocate(file.as_raw_fd(), mode, offset, length) };
}

/// Fills `buffer` as far as the file reaches and says how far.
fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
