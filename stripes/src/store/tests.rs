mod parts;

use super::*;
use crate::{
    layout::{Layout, MAX_UNIT_SIZE, MIN_UNIT_SIZE, Policy},
    wire::Refusal,
};
use record::{FILE_HEADER_BYTES, SLOT_HEADER_BYTES};
use std::{fs, os::unix::fs::FileExt, path::PathBuf};
use tempfile::TempDir;

const UNIT: u32 = 8192;
const OBJECT: ObjectId = ObjectId(0xab00_0000_0000_0000_0000_0000_0000_0001);

struct Disk {
    dir: TempDir,
    store: Store,
}

impl Disk {
    fn new() -> Self {
        Self::with(StoreOptions::default())
    }

    fn with(options: StoreOptions) -> Self {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path(), options).unwrap();
        Self { dir, store }
    }

    fn reopened(self) -> Self {
        drop(self.store);
        let store = Store::open(self.dir.path(), StoreOptions::default()).unwrap();
        Self { dir: self.dir, store }
    }

    fn put(&self, row: u64, length: usize) -> Result<(), StoreError> {
        let data = data(row, length);
        self.store.put(OBJECT, at(row), UNIT, crc32c::crc32c(&data), &[data], None)
    }

    fn units(&self) -> PathBuf {
        self.dir.path().join(format!("objects/ab/{OBJECT}.units"))
    }

    /// One node, so every row has one unit and it is here.
    fn layout(&self, length: u64) -> Layout {
        let policy = Policy { unit_size: UNIT, data: 1, parity: 0 };
        Layout::new(OBJECT, length, policy, vec![self.store.node()], 0)
    }
}

fn at(row: u64) -> UnitAddress {
    UnitAddress { row, position: 0 }
}

fn data(row: u64, length: usize) -> Bytes {
    (0..length).map(|i| (i as u64 * 7 + row * 13 + 1) as u8).collect()
}

fn refusal<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Refusal {
    result.unwrap_err().refusal()
}

#[test]
fn what_was_stored_reads_back_also_after_a_restart() {
    let mut disk = Disk::new();
    let node = disk.store.node();
    for (row, length) in [(0, 8192), (1, 1), (7, 8191), (3, 4096)] {
        disk.put(row, length).unwrap();
    }
    for _ in 0..2 {
        for (row, length) in [(0, 8192), (1, 1), (7, 8191), (3, 4096)] {
            let unit = disk.store.get_unit(OBJECT, at(row)).unwrap();
            assert_eq!(unit.data, data(row, length));
            let info = disk.store.head_unit(OBJECT, at(row)).unwrap();
            assert_eq!((info.length, info.crc), (length as u32, unit.crc));
            assert_eq!(info.block, (length > 512).then_some(512));
        }
        for absent in [2, 4, 8, 1000] {
            assert_eq!(refusal(disk.store.get_unit(OBJECT, at(absent))), Refusal::Absent);
            assert_eq!(refusal(disk.store.head_unit(OBJECT, at(absent))), Refusal::Absent);
        }
        let other = UnitAddress { row: 0, position: 1 };
        assert_eq!(refusal(disk.store.get_unit(OBJECT, other)), Refusal::Absent);
        assert_eq!(refusal(disk.store.get_unit(ObjectId(5), at(0))), Refusal::Absent);
        let summary = disk.store.summary(OBJECT).unwrap();
        assert_eq!((summary.units, summary.bytes), (4, 8192 + 1 + 8191 + 4096));
        assert_eq!(disk.store.usage().unwrap().objects, 1);
        disk = disk.reopened();
        assert_eq!(disk.store.node(), node);
    }
}

#[test]
fn a_unit_given_in_pieces_is_one_unit_and_a_second_time_replaces_it() {
    let disk = Disk::new();
    disk.put(0, 10).unwrap();
    let before = disk.store.usage().unwrap().disk_bytes;
    let all = data(9, 5000);
    let pieces = [all.slice(..1), all.slice(1..1), all.slice(1..4000), all.slice(4000..)];
    disk.store.put(OBJECT, at(0), UNIT, crc32c::crc32c(&all), &pieces, None).unwrap();
    assert_eq!(disk.store.get_unit(OBJECT, at(0)).unwrap().data, all);
    assert_eq!(disk.store.usage().unwrap().disk_bytes, before);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let disk = Disk::new();
    disk.put(0, 10).unwrap();
    let put = |address, unit_size, crc_error: u32, length| {
        let data = data(0, length);
        let crc = crc32c::crc32c(&data) ^ crc_error;
        refusal(disk.store.put(OBJECT, address, unit_size, crc, &[data], None))
    };
    assert_eq!(put(at(1), UNIT, 0, 0), Refusal::Bad);
    assert_eq!(put(at(1), UNIT, 0, UNIT as usize + 1), Refusal::Bad);
    assert_eq!(put(at(1), UNIT, 1, 10), Refusal::Bad);
    assert_eq!(put(at(1), MIN_UNIT_SIZE - 1, 0, 10), Refusal::Bad);
    assert_eq!(put(at(1), MAX_UNIT_SIZE + 1, 0, 10), Refusal::Bad);
    assert_eq!(put(at(object_file::MAX_ROWS), UNIT, 0, 10), Refusal::Bad);
    assert_eq!(put(at(u64::MAX), UNIT, 0, 10), Refusal::Bad);
    assert_eq!(put(at(1), 2 * UNIT, 0, 10), Refusal::Conflict);
    assert_eq!(put(UnitAddress { row: 0, position: 1 }, UNIT, 0, 10), Refusal::Conflict);
    assert_eq!(disk.store.get_unit(OBJECT, at(0)).unwrap().data, data(0, 10));
    assert_eq!(refusal(disk.store.get_unit(OBJECT, at(1))), Refusal::Absent);
}

#[test]
fn a_file_cut_off_anywhere_has_lost_its_last_unit_and_nothing_else() {
    let header = SLOT_HEADER_BYTES as u64;
    let last = slot_offset_of(1);
    for length in [last, last + 1, last + header - 1, last + header, last + header + 1, last + header + 4999] {
        let disk = Disk::new();
        disk.put(0, UNIT as usize).unwrap();
        disk.put(1, 5000).unwrap();
        fs::OpenOptions::new().write(true).open(disk.units()).unwrap().set_len(length).unwrap();
        let disk = disk.reopened();
        assert_eq!(disk.store.get_unit(OBJECT, at(0)).unwrap().data, data(0, UNIT as usize), "cut at {length}");
        assert_eq!(refusal(disk.store.get_unit(OBJECT, at(1))), Refusal::Absent, "cut at {length}");
        assert_eq!(refusal(disk.store.head_unit(OBJECT, at(1))), Refusal::Absent, "cut at {length}");
        let layout = disk.layout(u64::from(UNIT) + 5000);
        assert_eq!(refusal(disk.store.seal(&Manifest::new(layout, "media"))), Refusal::Conflict, "cut at {length}");
        disk.put(1, 5000).unwrap();
        assert_eq!(disk.store.get_unit(OBJECT, at(1)).unwrap().data, data(1, 5000), "cut at {length}");
    }
    for length in [0, 1, 39] {
        let disk = Disk::new();
        disk.put(0, 100).unwrap();
        fs::OpenOptions::new().write(true).open(disk.units()).unwrap().set_len(length).unwrap();
        let disk = disk.reopened();
        assert_eq!(refusal(disk.store.get_unit(OBJECT, at(0))), Refusal::Absent, "cut at {length}");
        disk.put(0, 100).unwrap();
        assert_eq!(disk.store.get_unit(OBJECT, at(0)).unwrap().data, data(0, 100), "cut at {length}");
    }
}

fn slot_offset_of(row: u64) -> u64 {
    record::slot_offset(UNIT, row)
}

#[test]
fn a_flipped_bit_is_told_with_its_place_and_a_repair_heals_it() {
    for place in [0, 5, 17, 20, 40, 63, 64, 65, 64 + 4999] {
        let disk = Disk::new();
        disk.put(0, 5000).unwrap();
        let file = fs::OpenOptions::new().read(true).write(true).open(disk.units()).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, FILE_HEADER_BYTES + place).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], FILE_HEADER_BYTES + place).unwrap();
        let error = disk.store.get_unit(OBJECT, at(0)).unwrap_err();
        assert_eq!(error.refusal(), Refusal::Damaged, "byte {place}");
        let text = error.to_string();
        for part in [&OBJECT.to_string(), "unit 0.0", "at byte 4096", disk.units().to_str().unwrap()] {
            assert!(text.contains(part), "{text} lacks {part}");
        }
        disk.put(0, 5000).unwrap();
        assert_eq!(disk.store.get_unit(OBJECT, at(0)).unwrap().data, data(0, 5000));
    }
}

#[test]
fn a_damaged_file_header_is_told_and_other_objects_are_well() {
    let disk = Disk::new();
    disk.put(0, 100).unwrap();
    let other = ObjectId(OBJECT.0 + 1);
    let bytes = data(0, 100);
    disk.store.put(other, at(0), UNIT, crc32c::crc32c(&bytes), std::slice::from_ref(&bytes), None).unwrap();
    fs::OpenOptions::new().write(true).open(disk.units()).unwrap().write_all_at(b"X", 33).unwrap();
    let disk = disk.reopened();
    assert_eq!(refusal(disk.store.get_unit(OBJECT, at(0))), Refusal::Damaged);
    assert_eq!(refusal(disk.put(1, 100)), Refusal::Damaged);
    assert_eq!(disk.store.get_unit(other, at(0)).unwrap().data, bytes);
}

#[test]
fn only_a_complete_object_is_sealed_and_stays_so() {
    let disk = Disk::new();
    let layout = disk.layout(3 * u64::from(UNIT) - 5);
    let manifest = Manifest::new(layout.clone(), "media");
    let seal = |manifest: &Manifest| disk.store.seal(manifest);
    disk.put(0, UNIT as usize).unwrap();
    disk.put(2, UNIT as usize - 5).unwrap();
    let missing = seal(&manifest).unwrap_err();
    assert!(matches!(missing, StoreError::Conflict { .. }) && missing.to_string().contains("unit 1.0"), "{missing}");
    disk.put(1, 77).unwrap();
    let short = seal(&manifest).unwrap_err().to_string();
    assert!(short.contains("77 bytes are here, 8192 belong here"), "{short}");
    disk.put(1, UNIT as usize).unwrap();
    assert_eq!(disk.store.manifest(OBJECT).unwrap(), None);
    assert!(!disk.store.list(None, 10).unwrap().objects[0].sealed);
    seal(&manifest).unwrap();
    seal(&manifest).unwrap();
    assert_eq!(refusal(seal(&Manifest::new(layout.clone(), "index"))), Refusal::Conflict);
    let elsewhere = Layout { nodes: vec![NodeId(1)], ..layout };
    assert_eq!(refusal(seal(&Manifest::new(elsewhere, "media"))), Refusal::Conflict);

    let disk = disk.reopened();
    assert_eq!(disk.store.manifest(OBJECT).unwrap(), Some(manifest.clone()));
    let listed = disk.store.list(None, 10).unwrap().objects.remove(0);
    assert!(listed.sealed && listed.manifest == Some(manifest) && listed.disk_bytes > 0);
    assert_eq!(refusal(disk.put(1, UNIT as usize)), Refusal::Conflict);

    assert!(disk.store.delete_object(OBJECT).unwrap());
    assert!(!disk.store.delete_object(OBJECT).unwrap());
    assert_eq!(disk.store.manifest(OBJECT).unwrap(), None);
    assert_eq!(refusal(disk.store.get_unit(OBJECT, at(0))), Refusal::Absent);
    let usage = disk.store.usage().unwrap();
    assert_eq!(usage.objects, 0);
    disk.put(0, 10).unwrap();
    assert_eq!(disk.store.get_unit(OBJECT, at(0)).unwrap().data, data(0, 10));
}

#[test]
fn what_a_stranger_says_of_an_object_neither_stops_nor_breaks_the_node() {
    let disk = Disk::new();
    // Nothing of it is here, so that no unit that is missing would end the search.
    let nodes = vec![disk.store.node(), NodeId(disk.store.node().0 ^ 1)];
    let layout = Layout { nodes, table: vec![1], ..disk.layout(u64::MAX) };
    let refused = disk.store.seal(&Manifest::new(layout, "media")).unwrap_err();
    assert!(matches!(refused, StoreError::Bad { .. }) && refused.to_string().contains("at most 4194304"), "{refused}");
    // A unit at a place that no row has is nobody's.
    let stray = UnitAddress { row: 1, position: 200 };
    let bytes = [data(0, 10)];
    disk.put(0, 10).unwrap();
    disk.store.put(OBJECT, stray, UNIT, crc32c::crc32c(&bytes[0]), &bytes, None).unwrap();
    let layout = Layout { table: vec![0], generation: 1, ..disk.layout(10) };
    disk.store.seal(&Manifest::new(layout, "media")).unwrap();
    let again = disk.store.put(OBJECT, stray, UNIT, crc32c::crc32c(&bytes[0]), &bytes, Some(0));
    assert_eq!(refusal(again), Refusal::Conflict);
    assert_eq!((disk.store.trim(OBJECT, 1).unwrap(), disk.store.summary(OBJECT).unwrap().units), (1, 1));
}

#[test]
fn a_damaged_manifest_is_told_and_still_listed() {
    let disk = Disk::new();
    disk.put(0, 10).unwrap();
    disk.store.seal(&Manifest::new(disk.layout(10), "media")).unwrap();
    let path = disk.units().with_extension("manifest");
    let whole = fs::read(&path).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 2] {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(refusal(disk.store.manifest(OBJECT)), Refusal::Damaged, "cut at {length}");
    }
    let changed = String::from_utf8(whole).unwrap().replace("\"length\":10", "\"length\":11");
    fs::write(&path, changed).unwrap();
    assert_eq!(refusal(disk.store.manifest(OBJECT)), Refusal::Damaged);
    let listed = disk.store.list(None, 10).unwrap().objects.remove(0);
    assert!(listed.sealed && listed.manifest.is_none());
}

#[test]
fn an_object_with_nothing_here_is_sealed_all_the_same() {
    let disk = Disk::new();
    disk.store.seal(&Manifest::new(disk.layout(0), "empty")).unwrap();
    assert_eq!(disk.store.usage().unwrap().objects, 1);
    let summary = disk.store.summary(OBJECT).unwrap();
    assert_eq!((summary.units, summary.bytes), (0, 0));
    assert!(disk.store.list(None, 10).unwrap().objects[0].sealed);
}

#[test]
fn a_listing_comes_in_pages_in_order() {
    let disk = Disk::new();
    let bytes = data(0, 10);
    let mut ids: Vec<_> =
        (0..50u128).map(|i| ObjectId(i.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))).collect();
    for id in &ids {
        disk.store.put(*id, at(0), UNIT, crc32c::crc32c(&bytes), std::slice::from_ref(&bytes), None).unwrap();
    }
    fs::write(disk.dir.path().join("objects/00/stray.file"), "").unwrap();
    ids.sort();
    for limit in [1, 7, 49, 50, 51, usize::MAX] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = disk.store.list(after, limit).unwrap();
            assert!(page.objects.len() <= limit);
            seen.extend(page.objects.iter().map(|listed| listed.object));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, ids, "pages of {limit}");
    }
}

#[test]
fn a_folder_belongs_to_one_process_at_a_time() {
    let disk = Disk::new();
    let second = Store::open(disk.dir.path(), StoreOptions::default()).unwrap_err();
    assert!(matches!(second, StoreError::Locked(_)), "{second}");
    assert!(second.to_string().contains(disk.dir.path().to_str().unwrap()));
    let Disk { dir, store } = disk;
    drop(store);
    fs::write(dir.path().join("node"), "mobidic node 2\n").unwrap();
    assert!(matches!(Store::open(dir.path(), StoreOptions::default()), Err(StoreError::Folder { .. })));
}

#[test]
fn the_set_capacity_is_kept_and_given_back() {
    let disk = Disk::with(StoreOptions { capacity_bytes: Some(4096 + 5 * 12288), open_files: 1 });
    let stored = (0..10).take_while(|row| disk.put(*row, UNIT as usize).is_ok()).count();
    assert_eq!(stored, 5);
    let full = disk.put(9, UNIT as usize).unwrap_err();
    assert!(matches!(&full, StoreError::Full { reason, .. } if reason.contains("65536 bytes")), "{full}");
    assert_eq!(disk.store.usage().unwrap().free_bytes, 0);
    disk.store.delete_object(OBJECT).unwrap();
    disk.put(9, UNIT as usize).unwrap();
}

#[test]
fn a_full_disk_is_full() {
    let disk = Disk::new();
    disk.put(0, UNIT as usize).unwrap();
    // A device that answers every write with "no space left", in the place of the object's file.
    let full = ObjectId(OBJECT.0 + 1);
    std::os::unix::fs::symlink("/dev/full", disk.dir.path().join(format!("objects/ab/{full}.units"))).unwrap();
    let bytes = data(0, 100);
    let before = disk.store.usage().unwrap().disk_bytes;
    let error = disk.store.put(full, at(0), UNIT, crc32c::crc32c(&bytes), &[bytes], None).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert_eq!(disk.store.usage().unwrap().disk_bytes, before);
    assert_eq!(disk.store.get_unit(OBJECT, at(0)).unwrap().data, data(0, UNIT as usize));
}

#[test]
fn more_objects_than_open_files_and_many_threads() {
    let disk = Disk::with(StoreOptions { open_files: 4, ..StoreOptions::default() });
    std::thread::scope(|scope| {
        for thread in 0..4u128 {
            let store = &disk.store;
            scope.spawn(move || {
                for i in 0..200u128 {
                    // Every object is written by two threads, each its own rows.
                    let object = ObjectId((i % 25) << 112 | (thread / 2));
                    let row = u64::try_from(i / 25 * 2 + thread % 2).unwrap();
                    let bytes = data(row, 300);
                    store
                        .put(object, at(row), UNIT, crc32c::crc32c(&bytes), std::slice::from_ref(&bytes), None)
                        .unwrap();
                    assert_eq!(store.get_unit(object, at(row)).unwrap().data, bytes);
                }
            });
        }
    });
    assert_eq!(disk.store.usage().unwrap().objects, 50);
    for listed in disk.store.list(None, 100).unwrap().objects {
        assert_eq!(disk.store.summary(listed.object).unwrap().units, 16);
    }
}
